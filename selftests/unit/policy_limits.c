/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy_limits.c - files that are too much: too long, too deep, too many, or made to keep a
 * parser busy. Each is refused with one clear error, in a time that no honest quadratic
 * algorithm would meet. The sanitizers cost a factor of about five; LIMIT_S leaves room for that.
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

static struct text *begin(const char *top)
{
	static struct text t;

	t = (struct text){0};
	t.f = open_memstream(&t.s, &t.n);
	assert_non_null(t.f);
	fputs(top, t.f);
	return &t;
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* @expect: what is said, in part; NULL = there is a map. */
static void says(struct text *t, const char *expect)
{
	_cleanup_free_ char *said = NULL;
	struct bh_map *map;
	double from;

	assert_int_equal(fclose(t->f), 0);
	from = seconds();
	said = segmap_say(t->s, t->n, &map);
	free(t->s);
	if (seconds() - from > LIMIT_S)
		fail_msg("%.1f s for: %.200s", seconds() - from, said);
	if (expect ? !strstr(said, expect) : !map)
		fail_msg("expected: %s\nsaid: %.800s", expect ? expect : "a map", said);
	/* A flood of findings is a hundred errors and a hundred warnings. */
	assert_true(strlen(said) < 200 * 1200);
	bh_map_free(map);
}

static void repeat(struct text *t, const char *s, size_t n)
{
	while (n--)
		fputs(s, t->f);
}

static void test_bytes(void **state)
{
	struct text *t = begin(SEGMAP_TOP "# ");

	(void)state;
	repeat(t, "x", BH_MAP_MAX_BYTES - strlen(SEGMAP_TOP) - 3);
	repeat(t, "\n", 1);
	says(t, NULL);
	t = begin(SEGMAP_TOP "# ");
	repeat(t, "x", BH_MAP_MAX_BYTES - strlen(SEGMAP_TOP) - 1);
	says(t, "0:0: error: 4194305 bytes; a segment map has at most 4194304");
}

static void test_depth(void **state)
{
	static const struct {
		const char *top, *unit;
		size_t n;
		const char *expect;
	} cases[] = {
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
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct text *t = begin(cases[i].top);

		repeat(t, cases[i].unit, cases[i].n);
		says(t, cases[i].expect);
	}
}

static void test_floods(void **state)
{
	static const struct {
		const char *top, *unit;
		size_t n;
		const char *expect;
	} cases[] = {
		{"", "l2: deny\n", 100000, "error: duplicate key 'l2', first in line 1"},
		{"", "%TAG !a! x\n", 100000, "1:1: error: YAML directives"},
		{"", "---\n", 1000000, "2:1: error: a second document"},
		{"", "- &a x\n", 100000, "error: anchors"},
		{"- &a x\n", "- *a\n", 100000, "error: aliases"},
		{"[", "a,", 2000000, "error: too many values in one file"},
		{"{", "a,", 2000000, "error: too many values in one file"},
		{"a: \"", "x", 4000000, "error: YAML: "},
		{"", "x", 4000000, "error: a value of 4000000 bytes; at most 4096 are allowed"},
		{"a: |\n", " x\n", 1000000, "a value of 2000000 bytes"},
		{"", "\"\\x41\" ", 500000, "error: YAML: "},
		{"", "\n", 4000000, "error: the file is empty"},
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
		{SEGMAP_TOP "segments:\n  a: { match: { cidr: [", "10.0.0.0/8, ", 300000,
		 "error: YAML: "},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct text *t = begin(cases[i].top);

		repeat(t, cases[i].unit, cases[i].n);
		says(t, cases[i].expect);
	}
}

static void test_unknown_keys(void **state)
{
	struct text *t = begin(SEGMAP_TOP);

	(void)state;
	for (int i = 0; i < 100000; i++)
		fprintf(t->f, "key%d: 1\n", i);
	says(t, "5:1: error: unknown key 'key0' in a segment map");
}

static void test_equal_prefixes(void **state)
{
	struct text *t = begin(SEGMAP_TOP "segments:\n");

	(void)state;
	for (int i = 0; i < 50000; i++)
		fprintf(t->f, "  s%d: { match: { cidr: 10.0.0.0/8, except: 10.0.0.0/8 } }\n", i);
	says(t, "10.0.0.0/8 is in segments 's0' and");
}

/* 89 prefixes inside each other, 30 000 addresses inside all of them, rules for each. */
static void test_nested_prefixes(void **state)
{
	struct text *t = begin(SEGMAP_TOP "segments:\n");

	(void)state;
	for (int i = 16; i < 105; i++)
		fprintf(t->f, "  n%d: { match: { cidr: \"2001::/%d\" } }\n", i, i);
	for (int i = 0; i < 30000; i++)
		fprintf(t->f, "  s%d: { match: { cidr: \"2001::%x/128\" } }\n", i, i + 1);
	fputs("allow:\n", t->f);
	for (int i = 0; i < 20000; i++)
		fprintf(t->f, "- { id: r%d, from: n%d, to: n20, port: any }\n", i, 16 + i % 89);
	says(t, NULL);
}

static void test_labels(void **state)
{
	struct text *t = begin(SEGMAP_TOP "segments:\n");

	(void)state;
	for (int i = 0; i < 20000; i++)
		fprintf(t->f, "  s%d: { match: { unit: s%d.service }, labels: { a: b } }\n", i, i);
	fputs("allow:\n", t->f);
	for (int i = 0; i < 30000; i++)
		fprintf(t->f, "- { id: r%d, from: { labels: { a: b } }, to: any, port: any }\n", i);
	says(t, "error: the rules up to here name segments more than 1000000 times");
}

static void test_users(void **state)
{
	struct text *t = begin(SEGMAP_TOP "segments:\n");

	(void)state;
	for (int s = 0; s < 2; s++) {
		fprintf(t->f, "  s%d:\n    mode: observe\n    match:\n      unit:\n", s);
		for (int i = 0; i < 30000; i++)
			fprintf(t->f, "      - u%d.service\n", i);
		fputs("      user:\n", t->f);
		for (int i = 0; i < 30000; i++)
			fprintf(t->f, "      - x%d_%d\n", s, i);
	}
	says(t, "error: too many users at cgroups that several matches name");
}

static void test_globs(void **state)
{
	struct text *t = begin(SEGMAP_TOP "segments:\n");

	(void)state;
	for (int i = 0; i < 4096; i++)
		fprintf(t->f, "  s%d: { match: { unit: \"*%d.service\" } }\n", i, i);
	says(t, "error: globs '*0.service' and '*10.service' overlap");
	t = begin(SEGMAP_TOP "segments:\n");
	for (int i = 0; i < 50000; i++)
		fprintf(t->f, "  s%d: { match: { unit: \"*%d.service\" } }\n", i, i);
	says(t, "error: 50000 names with '*'; at most 4096 are allowed");
}

static void test_misspelt(void **state)
{
	struct text *t = begin(SEGMAP_TOP "segments:\n");

	(void)state;
	for (int i = 0; i < 4990; i++)
		fprintf(t->f, "  a-rather-long-name-%d: { match: { unit: s%d.service } }\n", i, i);
	fputs("allow:\n", t->f);
	for (int i = 0; i < 20000; i++)
		fprintf(t->f, "- { id: r%d, from: a-rather-long-nome-12, to: any, port: any }\n",
			i);
	says(t, "is not defined | did you mean 'a-rather-long-name-12'?");
}

/* What a big fleet may have; selftests/bench/ measures it without sanitizers. */
static void test_big(void **state)
{
	struct text *t = begin(SEGMAP_TOP "segments:\n");

	(void)state;
	for (int i = 0; i < 2000; i++)
		fprintf(t->f,
			"  s%d: { match: [ { unit: s%d.service }, { cidr: 10.0.%d.%d/32 } ],\n"
			"    labels: { app: a%d } }\n",
			i, i, i >> 8, i & 255, i % 50);
	fputs("allow:\n", t->f);
	for (int i = 0; i < 10000; i++)
		fprintf(t->f,
			"- { id: r%d, from: s%d, to: [s%d, s%d], port: [tcp/%d, udp/domain], owner: me }\n",
			i, i % 2000, (i * 7 + 1) % 2000, i * 3 % 2000, i % 60000 + 1);
	says(t, NULL);
}

static void test_most_rules(void **state)
{
	struct text *t = begin(SEGMAP_TOP "allow:\n");

	(void)state;
	for (int i = 0; i < 100000; i++)
		fprintf(t->f, "- {id: %c%x,from: any,to: any,port: any}\n", 'a' + i % 26, i);
	says(t, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_floods),
		cmocka_unit_test(test_unknown_keys),
		cmocka_unit_test(test_equal_prefixes),
		cmocka_unit_test(test_nested_prefixes),
		cmocka_unit_test(test_labels),
		cmocka_unit_test(test_users),
		cmocka_unit_test(test_globs),
		cmocka_unit_test(test_misspelt),
		cmocka_unit_test(test_big),
		cmocka_unit_test(test_most_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
