/* SPDX-License-Identifier: Apache-2.0 */
/* base_diag.c - findings: how they are printed, that hostile text stays harmless, that a flood
 * of them stays small, and did-you-mean. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "../../agent/base/diag.h"
#include "../../agent/base/utf8.h"

static char *printed(const struct bh_diags *d, bool colour)
{
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	assert_non_null(out);
	bh_diags_print(d, out, colour);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void prints(struct bh_diags *d, const char *expected)
{
	_cleanup_free_ char *text = printed(d, false);

	assert_string_equal(text, expected);
	bh_diags_clear(d);
}

static void test_print(void **state)
{
	static const char source[] = "a\n    mtach: { unit: x }\nc";
	struct bh_where where = {"shop.yaml", source, 2, 5, 5};
	struct bh_diags d = {0};

	(void)state;
	assert_int_equal(bh_diag_add(&d, BH_ERROR, &where, "did you mean 'match'?",
				     "unknown key '%s'", "mtach"),
			 -EINVAL);
	assert_int_equal(bh_diag_add(&d, BH_WARNING, NULL, "do this:\n  and that", "look out"), 0);
	assert_int_equal(d.n, 2);
	assert_int_equal(d.n_errors, 1);
	prints(&d, "shop.yaml:2:5: error: unknown key 'mtach'\n"
		   "    2 |     mtach: { unit: x }\n"
		   "      |     ^~~~~\n"
		   "      = help: did you mean 'match'?\n"
		   "warning: look out\n"
		   "      = help: do this:\n"
		   "                and that\n");
	assert_int_equal(d.n, 0);
}

static void test_places(void **state)
{
	static const char source[] = "one\r\ntwo\rthr\xc3\xa9"
				     "e\n\tfour";
	struct bh_diags d = {0};

	(void)state;
	bh_diag_add(&d, BH_ERROR, &(struct bh_where){"f", source, 2, 3, 1}, NULL, "a");
	bh_diag_add(&d, BH_ERROR, &(struct bh_where){"f", source, 3, 5, 0}, NULL, "b");
	bh_diag_add(&d, BH_ERROR, &(struct bh_where){"f", source, 4, 2, 4}, NULL, "c");
	bh_diag_add(&d, BH_ERROR, &(struct bh_where){"f", source, 5, 1, 1}, NULL, "d");
	bh_diag_add(&d, BH_ERROR, &(struct bh_where){"f", source, 0, 0, 0}, NULL, "e");
	bh_diag_add(&d, BH_ERROR, &(struct bh_where){"f", NULL, 123456, 1, 1}, NULL, "g");
	prints(&d, "f:2:3: error: a\n    2 | two\n      |   ^\n"
		   "f:3:5: error: b\n    3 | thr\xc3\xa9"
		   "e\n      |     ^\n"
		   "f:4:2: error: c\n    4 |  four\n      |  ^~~~\n"
		   "f:5:1: error: d\n"
		   "f: error: e\n"
		   "f:123456:1: error: g\n");
}

/* What a terminal would obey is spelled out; in the quoted line it keeps its one column. */
static void test_hostile(void **state)
{
	static const char source[] = "a\033[2J\xe2\x80\xae"
				     "b\x80"
				     "c";
	struct bh_diags d = {0};

	(void)state;
	bh_diag_add(&d, BH_ERROR, &(struct bh_where){"x\n\033y", source, 1, 9, 1}, "h\rh",
		    "bad \033[31m \xe2\x80\xae \xc2\x9b \xff \xed\xa0\x80 %s", "%s%n");
	prints(&d,
	       "x\n\\x1by:1:9: error: bad \\x1b[31m \\u202e \\u009b \\xff \\xed\\xa0\\x80 %s%n\n"
	       "    1 | a?[2J?b?c\n"
	       "      |         ^\n"
	       "      = help: h\\x0dh\n");
}

static void test_long_line(void **state)
{
	char source[6000];
	struct bh_diags d = {0};
	_cleanup_free_ char *text = NULL;

	(void)state;
	memset(source, 'x', sizeof(source));
	source[4000] = '\0';
	source[999] = '!';
	bh_diag_add(&d, BH_ERROR, &(struct bh_where){"f", source, 1, 1000, 3}, NULL, "a");
	text = printed(&d, false);
	assert_true(strlen(text) < 400);
	/* The caret stands below the '!'. */
	assert_int_equal(strchr(strchr(text, '\n'), '!') - strstr(text, "\n    1 |"),
			 strchr(text, '^') - strstr(text, "\n      |"));
	bh_diags_clear(&d);

	source[4000] = 'x';
	source[5999] = '\0';
	bh_diag_add(&d, BH_ERROR, &(struct bh_where){"f", source, 1, 1000, 3}, NULL, "a");
	prints(&d, "f:1:1000: error: a\n");
}

static void test_flood(void **state)
{
	struct bh_diags d = {.max = 3};
	_cleanup_free_ char *text = NULL;

	(void)state;
	for (int i = 0; i < 10; i++) {
		assert_int_equal(bh_diags_full(&d), i >= 3);
		assert_int_equal(bh_diag_add(&d, BH_ERROR, NULL, NULL, "e%d", i), -EINVAL);
		bh_diag_add(&d, BH_WARNING, NULL, NULL, "w%d", i);
	}
	assert_int_equal(d.n, 6);
	assert_int_equal(d.n_errors, 10);
	assert_int_equal(d.n_dropped, 7);
	assert_int_equal(d.n_muted, 7);
	text = printed(&d, false);
	assert_non_null(strstr(text, "error: e2\nwarning: w2\nand 7 more errors\nand 7 more warn"));
	bh_diags_clear(&d);
	assert_int_equal(d.max, 3);
	for (int i = 0; i < 100000; i++)
		bh_diag_add(&d, BH_ERROR, NULL, NULL, "x");
	assert_int_equal(d.n, 3);
	bh_diags_clear(&d);

	d = (struct bh_diags){0};
	for (int i = 0; i < 101; i++)
		bh_diag_add(&d, BH_ERROR, NULL, NULL, "x");
	assert_int_equal(d.n, 100);
	bh_diags_clear(&d);
}

static void test_sort(void **state)
{
	struct bh_diags d = {0};

	(void)state;
	bh_diag_add(&d, BH_ERROR, &(struct bh_where){"f", NULL, 9, 1, 1}, NULL, "stays");
	bh_diag_add(&d, BH_ERROR, &(struct bh_where){"f", NULL, 3, 2, 1}, NULL, "third");
	bh_diag_add(&d, BH_ERROR, &(struct bh_where){"f", NULL, 2, 7, 1}, NULL, "first");
	bh_diag_add(&d, BH_ERROR, &(struct bh_where){"f", NULL, 3, 1, 1}, NULL, "second");
	bh_diags_sort(&d, 1);
	prints(&d, "f:9:1: error: stays\nf:2:7: error: first\nf:3:1: error: second\n"
		   "f:3:2: error: third\n");
	bh_diags_sort(&d, 0);
}

static void test_colour(void **state)
{
	struct bh_diags d = {0};
	_cleanup_free_ char *text = NULL;

	(void)state;
	bh_diag_add(&d, BH_ERROR, NULL, NULL, "x");
	text = printed(&d, true);
	assert_non_null(strstr(text, "\033[1;31merror:\033[0m x"));
	bh_diags_clear(&d);
}

static void test_nearest(void **state)
{
	static const char *const words[] = {"match", "labels", "default", "mode", "listen", "db"};
	static const struct {
		const char *word, *nearest;
	} cases[] = {
		{"mtach", "match"},	{"matc", "match"},    {"MATCH", "match"},
		{"match", "match"},	{"lables", "labels"}, {"defaults", "default"},
		{"bd", "db"},		{"mod", "mode"},      {"b", "db"},
		{"xyz", NULL},		{"", NULL},	      {"m", NULL},
		{"listener", "listen"}, {"unit", NULL},
	};
	char longest[300];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *near = bh_nearest(cases[i].word, words, ARRAY_SIZE(words));

		if (cases[i].nearest ? !near || strcmp(near, cases[i].nearest) != 0 : near != NULL)
			fail_msg("%s: %s, not %s", cases[i].word, near ? near : "nothing",
				 cases[i].nearest ? cases[i].nearest : "nothing");
	}
	memset(longest, 'm', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_null(bh_nearest(longest, words, ARRAY_SIZE(words)));
	assert_null(bh_nearest("match", (const char *const[]){longest}, 1));
	assert_null(bh_nearest("match", NULL, 0));
}

static void test_utf8(void **state)
{
	static const struct {
		const char *s;
		int len;
		unsigned code;
	} cases[] = {
		{"", 1, 0},
		{"a", 1, 'a'},
		{"\xc3\xa9", 2, 0xe9},
		{"\xe2\x82\xac", 3, 0x20ac},
		{"\xf0\x9f\x98\x80", 4, 0x1f600},
		{"\xf4\x8f\xbf\xbf", 4, 0x10ffff},
		{"\x80", 0, 0},
		{"\xc0\xaf", 0, 0},
		{"\xc3", 0, 0},
		{"\xe0\x9f\x80", 0, 0},
		{"\xed\xa0\x80", 0, 0},
		{"\xf0\x8f\x80\x80", 0, 0},
		{"\xf4\x90\x80\x80", 0, 0},
		{"\xf5\x80\x80\x80", 0, 0},
		{"\xe2\x82", 0, 0},
		{"\xff", 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		unsigned code = 0;

		assert_int_equal(bh_utf8_next(cases[i].s, &code), cases[i].len);
		assert_int_equal(code, cases[i].code);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_print),	cmocka_unit_test(test_places),
		cmocka_unit_test(test_hostile), cmocka_unit_test(test_long_line),
		cmocka_unit_test(test_flood),	cmocka_unit_test(test_sort),
		cmocka_unit_test(test_colour),	cmocka_unit_test(test_nearest),
		cmocka_unit_test(test_utf8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
