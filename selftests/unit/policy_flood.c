/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy_flood.c - files that are too much for a parser: too long, too deep, too many, or made to
 * keep it busy. Each is refused with a clear error and a hundred findings at most, in a time
 * that no quadratic algorithm would meet: LIMIT_S is some ten times what it takes under the
 * sanitizers, which is some ten times what it takes without.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>
#include "../lib/segmap.h"

#define LIMIT_S 8.0

struct text {
	char *s;
	size_t n;
	FILE *f;
};

static FILE *text_open(struct text *t, const char *top)
{
	*t = (struct text){0};
	t->f = open_memstream(&t->s, &t->n);
	assert_non_null(t->f);
	(void)fputs(top, t->f);
	return t->f;
}

static double cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* @expect: what is said, in part; NULL = there is a map. */
static void text_says(struct text *t, const char *expect)
{
	_cleanup_free_ char *said = NULL;
	struct bh_map *map;
	double took_s;

	assert_int_equal(fclose(t->f), 0);
	took_s = -cpu_s();
	said = segmap_say(t->s, t->n, &map);
	took_s += cpu_s();
	free(t->s);
	if (took_s > LIMIT_S)
		fail_msg("%.1f s for: %.200s", took_s, said);
	if (expect ? !strstr(said, expect) : !map)
		fail_msg("expected: %s\nsaid: %.800s", expect ? expect : "a map", said);
	/* A flood of findings is a hundred errors and a hundred warnings. */
	assert_true(strlen(said) < (size_t)200 * 1200);
	bh_map_free(map);
}

static void repeat(FILE *f, const char *s, size_t n)
{
	while (n--)
		(void)fputs(s, f);
}

static void test_bytes(void **state)
{
	struct text t;
	FILE *f = text_open(&t, SEGMAP_TOP "# ");

	(void)state;
	repeat(f, "x", BH_MAP_MAX_BYTES - strlen(SEGMAP_TOP) - 3);
	repeat(f, "\n", 1);
	text_says(&t, NULL);
	f = text_open(&t, SEGMAP_TOP "# ");
	repeat(f, "x", BH_MAP_MAX_BYTES - strlen(SEGMAP_TOP) - 1);
	text_says(&t, "0:0: error: 4194305 bytes; a segment map has at most 4194304");
}

struct flood {
	const char *top, *unit;
	size_t n;
	const char *expect;
};

static void check_floods(const struct flood *floods, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct text t;

		repeat(text_open(&t, floods[i].top), floods[i].unit, floods[i].n);
		text_says(&t, floods[i].expect);
	}
}

static void test_depth(void **state)
{
	static const struct flood floods[] = {
		{SEGMAP_TOP "allow: ", "[", 31, "YAML: "},
		{SEGMAP_TOP "allow: ", "[", 32, "5:39: error: nested deeper than 32 levels"},
		{"", "[", 1000, "1:33: error: nested deeper than 32 levels"},
		{"", "[", 4000000, "1:1001: error: too many open brackets"},
		{"", "{a: ", 1000000, "1:4001: error: too many open brackets"},
		{"", "[\n", 2000000, "33:1: error: nested deeper than 32 levels"},
		{"", "- ", 2000000, "nested deeper than 32 levels"},
		{"", "? ", 2000000, "nested deeper than 32 levels"},
		{"", ": ", 2000000, "nested deeper than 32 levels"},
		{"", "]", 4000000, "YAML: "},
	};

	(void)state;
	check_floods(floods, ARRAY_SIZE(floods));
}

static void test_yaml(void **state)
{
	static const struct flood floods[] = {
		{"", "l2: deny\n", 100000, "error: duplicate key 'l2', first in line 1"},
		{"", "%TAG !a! x\n", 100000, "1:1: error: YAML directives"},
		{"", "---\n", 1000000, "2:1: error: a second document"},
		{"", "- &a x\n", 100000, "error: anchors"},
		{"- &a x\n", "- *a\n", 100000, "error: aliases"},
		{"[", "a,", 2000000, "error: too many values in one file"},
		{"{", "a,", 2000000, "error: too many values in one file"},
		{"a: \"", "x", 4000000, "error: YAML: "},
		{"a: '", "'", 4000000, "error: too many quotes in a row"},
		{"", "x", 4000000, "error: a value of 4000000 bytes; at most 4096 are allowed"},
		{"a: |\n", " x\n", 1000000, "a value of 2000000 bytes"},
		{"", "\"\\x41\" ", 500000, "error: YAML: "},
		{"", "\n", 4000000, "error: the file is empty"},
	};

	(void)state;
	check_floods(floods, ARRAY_SIZE(floods));
}

static void test_rules(void **state)
{
	static const struct flood floods[] = {
		{SEGMAP_TOP "segments:\n", "  a: { match: { unit: x.service } }\n", 100000,
		 "error: duplicate key 'a', first in line 6"},
		{SEGMAP_TOP "allow:\n", "- { id: a, from: any, to: any, port: any }\n", 90000,
		 "error: id 'a' is taken by line 6"},
		{SEGMAP_TOP "allow:\n", "- { }\n", 100000, "error: an allow rule needs `id`"},
		{SEGMAP_TOP "allow:\n", "- {a: b}\n", 100001,
		 "error: 100001 rules; at most 100000"},
		{SEGMAP_TOP "assert:\n", "- {a: b}\n", 100001,
		 "error: 100001 assertions; at most 100000"},
		{SEGMAP_TOP "allow:\n", "- {id: a, from: nobody, to: any, port: tcp/htp}\n", 80000,
		 "error: segment 'nobody' is not defined"},
	};

	(void)state;
	check_floods(floods, ARRAY_SIZE(floods));
}

static void test_unknown_keys(void **state)
{
	struct text t;
	FILE *f = text_open(&t, SEGMAP_TOP);

	(void)state;
	for (int i = 0; i < 100000; i++)
		fprintf(f, "key%d: 1\n", i);
	text_says(&t, "5:1: error: unknown key 'key0' in a segment map");
}

/* A hundred errors at the end of many lines: each looks for its line. */
static void test_late(void **state)
{
	struct text t;
	FILE *f = text_open(&t, "");

	(void)state;
	repeat(f, "#\n", 1900000);
	for (int i = 0; i < 10000; i++)
		fprintf(f, "key%d: 1\n", i);
	text_says(&t, "1900001:1: error: unknown key 'key0'");
}

static void test_equal_prefixes(void **state)
{
	struct text t;
	FILE *f = text_open(&t, SEGMAP_TOP "segments:\n");

	(void)state;
	for (int i = 0; i < 50000; i++)
		fprintf(f, "  s%d: { match: { cidr: 10.0.0.0/8, except: 10.0.0.0/8 } }\n", i);
	text_says(&t, "10.0.0.0/8 is in segments 's0' and");
}

/* 89 prefixes inside each other, 30 000 addresses inside all of them, rules for each. */
static void test_nested_prefixes(void **state)
{
	struct text t;
	FILE *f = text_open(&t, SEGMAP_TOP "segments:\n");

	(void)state;
	for (int i = 16; i < 105; i++)
		fprintf(f, "  n%d: { match: { cidr: \"2001::/%d\" } }\n", i, i);
	for (int i = 0; i < 30000; i++)
		fprintf(f, "  s%d: { match: { cidr: \"2001::%x/128\" } }\n", i, i + 1);
	(void)fputs("allow:\n", f);
	for (int i = 0; i < 20000; i++)
		fprintf(f, "- { id: r%d, from: n%d, to: n20, port: any }\n", i, 16 + i % 89);
	text_says(&t, NULL);
}

static void test_labels(void **state)
{
	struct text t;
	FILE *f = text_open(&t, SEGMAP_TOP "segments:\n");

	(void)state;
	for (int i = 0; i < 20000; i++)
		fprintf(f, "  s%d: { match: { unit: s%d.service }, labels: { a: b } }\n", i, i);
	(void)fputs("allow:\n", f);
	for (int i = 0; i < 30000; i++)
		fprintf(f, "- { id: r%d, from: { labels: { a: b } }, to: any, port: any }\n", i);
	text_says(&t, "error: the rules up to here name segments more than 1000000 times");
}

static void test_users(void **state)
{
	struct text t;
	FILE *f = text_open(&t, SEGMAP_TOP "segments:\n");

	(void)state;
	for (int s = 0; s < 2; s++) {
		fprintf(f, "  s%d:\n    mode: observe\n    match:\n      unit:\n", s);
		/* As many as the budget is a multiple of: it must not end in silence. */
		for (int i = 0; i < 40000; i++)
			fprintf(f, "      - u%d.service\n", i);
		(void)fputs("      user:\n", f);
		for (int i = 0; i < 40000; i++)
			fprintf(f, "      - x%d_%d\n", s, i);
	}
	text_says(&t, "error: too many users at cgroups that several matches name");
}

static void test_globs(void **state)
{
	struct text t;
	FILE *f = text_open(&t, SEGMAP_TOP "segments:\n");

	(void)state;
	for (int i = 0; i < 4096; i++)
		fprintf(f, "  s%d: { match: { unit: \"*%d.service\" } }\n", i, i);
	text_says(&t, "error: globs '*0.service' and '*10.service' overlap");
	f = text_open(&t, SEGMAP_TOP "segments:\n");
	for (int i = 0; i < 50000; i++)
		fprintf(f, "  s%d: { match: { unit: \"*%d.service\" } }\n", i, i);
	text_says(&t, "error: 50000 names with '*'; at most 4096 are allowed");
}

static void test_misspelt(void **state)
{
	struct text t;
	FILE *f = text_open(&t, SEGMAP_TOP "segments:\n");

	(void)state;
	for (int i = 0; i < 4990; i++)
		fprintf(f, "  a-rather-long-name-%d: { match: { unit: s%d.service } }\n", i, i);
	(void)fputs("allow:\n", f);
	for (int i = 0; i < 20000; i++)
		fprintf(f, "- { id: r%d, from: a-rather-long-nome-12, to: any, port: any }\n", i);
	text_says(&t, "is not defined | did you mean 'a-rather-long-name-12'?");
}

/* As many rules as there may be, in as many bytes as there may be. */
static void test_most_rules(void **state)
{
	struct text t;
	FILE *f = text_open(&t, SEGMAP_TOP "segments: { w: { match: { unit: w.service } } }\n"
					   "allow:\n");

	(void)state;
	for (int i = 0; i < 100000; i++)
		fprintf(f, "- {id: a%x,from: w,to: w,port: any}\n", i);
	text_says(&t, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes),	       cmocka_unit_test(test_depth),
		cmocka_unit_test(test_yaml),	       cmocka_unit_test(test_rules),
		cmocka_unit_test(test_unknown_keys),   cmocka_unit_test(test_late),
		cmocka_unit_test(test_equal_prefixes), cmocka_unit_test(test_nested_prefixes),
		cmocka_unit_test(test_labels),	       cmocka_unit_test(test_users),
		cmocka_unit_test(test_globs),	       cmocka_unit_test(test_misspelt),
		cmocka_unit_test(test_most_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
