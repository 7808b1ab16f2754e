/* SPDX-License-Identifier: Apache-2.0 */
/* cli_out.c - tables and answers as they are printed: width, colour, JSON, hostile names. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "../../tools/bulkhead/table.h"

struct sink {
	struct bh_cli cli;
	char *out, *err;
	size_t n_out, n_err;
};

static void sink_open(struct sink *s)
{
	*s = (struct sink){};
	s->cli.out = open_memstream(&s->out, &s->n_out);
	s->cli.err = open_memstream(&s->err, &s->n_err);
	assert_non_null(s->cli.out);
	assert_non_null(s->cli.err);
}

static void sink_says(struct sink *s, const char *out, const char *err)
{
	(void)fclose(s->cli.out);
	(void)fclose(s->cli.err);
	assert_string_equal(s->out, out);
	assert_string_equal(s->err, err);
	free(s->out);
	free(s->err);
}

static const struct bh_column columns[] = {
	{"NAME", "name", NULL, false, true},
	{"N", "count.n", NULL, true, false},
	{"LAST", "last", NULL, false, true},
};

static void table(struct sink *s, const char *rows)
{
	_cleanup_json_ json_t *j = json_loads(rows, 0, NULL);

	assert_non_null(j);
	assert_int_equal(bh_table_print(&s->cli, j, columns, ARRAY_SIZE(columns)), 0);
}

#define ROWS                                                                                       \
	"[{\"name\":\"web\",\"count\":{\"n\":5},\"last\":\"a longer text that needs room\"},"      \
	"{\"name\":\"a-rather-long-name\",\"count\":{\"n\":\"12345\"},\"last\":null}]"

static void test_table_whole(void **state)
{
	struct sink s;

	(void)state;
	sink_open(&s);
	table(&s, ROWS);
	sink_says(&s,
		  "NAME                    N  LAST\n"
		  "web                     5  a longer text that needs room\n"
		  "a-rather-long-name  12345  -\n",
		  "");
}

static void test_table_cut(void **state)
{
	struct sink s;

	(void)state;
	sink_open(&s);
	s.cli.width = 36;
	table(&s, ROWS);
	(void)fflush(s.cli.out);
	/* Every line fits, numbers are whole, and what was cut shows it. */
	for (char *line = s.out, *end; *line; line = end + 1) {
		end = strchr(line, '\n');
		assert_non_null(end);
		assert_true(end - line <= 36);
	}
	assert_non_null(strstr(s.out, "12345"));
	assert_non_null(strstr(s.out, "+"));
	assert_null(strstr(s.out, "needs room"));
	(void)fclose(s.cli.out);
	(void)fclose(s.cli.err);
	free(s.out);
	free(s.err);
}

static void test_table_utf8(void **state)
{
	struct sink s;

	(void)state;
	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		skip();
	sink_open(&s);
	s.cli.width = 24;
	table(&s,
	      "[{\"name\":\"gr\u00fcn\",\"count\":{\"n\":1},\"last\":\"\u00fc\u00fc\u00fc\u00fc\u00fc"
	      "\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\"}]");
	(void)setlocale(LC_CTYPE, "C");
	/* Cut between characters, not inside one. */
	sink_says(
		&s,
		"NAME  N  LAST\n"
		"gr\u00fcn  1  \u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc"
		"\u00fc\u00fc\u2026\n",
		"");
}

/* Rows that are not what the protocol says are rows all the same. */
static void test_table_odd(void **state)
{
	struct sink s;

	(void)state;
	sink_open(&s);
	table(&s, "[null,7,\"x\",{\"name\":[1,{\"a\":2}],\"count\":3},{\"name\":\"\\u001b[2J\"}]");
	(void)fflush(s.cli.out);
	assert_null(strchr(s.out, '\033'));
	assert_non_null(strstr(s.out, "1, a=2"));
	(void)fclose(s.cli.out);
	(void)fclose(s.cli.err);
	free(s.out);
	free(s.err);
}

static void test_finish_text(void **state)
{
	struct sink s;

	(void)state;
	sink_open(&s);
	assert_int_equal(bh_fail(&s.cli, BH_EXIT_NO, "do that", "it is '%s'", "so"), BH_EXIT_NO);
	sink_says(&s, "", "error: it is 'so'\n      = help: do that\n");
}

static void test_finish_json(void **state)
{
	_cleanup_diags_ struct bh_diags d = {};
	struct bh_where where = {
		.file = "x.yaml", .text = "one\ntwo\n", .line = 2, .col = 1, .len = 3};
	struct sink s;

	(void)state;
	(void)bh_diag_add(&d, BH_WARNING, &where, NULL, "hm");
	sink_open(&s);
	s.cli.json = true;
	assert_int_equal(bh_finish(&s.cli, BH_EXIT_OK, json_pack("{s:i}", "n", 1), &d), 0);
	sink_says(&s,
		  "{\n"
		  "  \"ok\": true,\n"
		  "  \"code\": 0,\n"
		  "  \"data\": {\n"
		  "    \"n\": 1\n"
		  "  },\n"
		  "  \"diags\": [\n"
		  "    {\n"
		  "      \"severity\": \"warning\",\n"
		  "      \"file\": \"x.yaml\",\n"
		  "      \"line\": 2,\n"
		  "      \"col\": 1,\n"
		  "      \"len\": 3,\n"
		  "      \"text\": \"hm\",\n"
		  "      \"help\": null,\n"
		  "      \"source_line\": \"two\"\n"
		  "    }\n"
		  "  ]\n"
		  "}\n",
		  "");
}

/* What the agent found is shown as what the parser finds here. */
static void test_diags_round_trip(void **state)
{
	_cleanup_diags_ struct bh_diags d = {}, back = {};
	struct bh_where where = {
		.file = "x.yaml", .text = "one: tow\n", .line = 1, .col = 6, .len = 3};
	_cleanup_json_ json_t *j = NULL;
	_cleanup_free_ char *expected = NULL;
	struct sink a, b;

	(void)state;
	(void)bh_diag_add(&d, BH_ERROR, &where, "did you mean 'two'?", "unknown value 'tow'");
	(void)bh_diag_add(&d, BH_WARNING, NULL, NULL, "just so");
	j = bh_diags_to_json(&d);
	bh_diags_from_json(j, &back);
	sink_open(&a);
	sink_open(&b);
	bh_diags_print(&d, a.cli.out, false);
	bh_diags_print(&back, b.cli.out, false);
	(void)fflush(a.cli.out);
	expected = strdup(a.out);
	assert_non_null(expected);
	assert_non_null(strstr(expected, "1 | one: tow"));
	sink_says(&a, expected, "");
	sink_says(&b, expected, "");
}

static void test_diags_hostile(void **state)
{
	_cleanup_diags_ struct bh_diags d = {};
	_cleanup_json_ json_t *j = json_loads(
		"[null,1,\"x\",[],{},{\"text\":7,\"severity\":[],\"file\":{}},"
		"{\"severity\":\"error\",\"file\":\"f\",\"line\":-5,\"col\":9999999999999,\"len\":-1,"
		"\"text\":\"t\",\"source_line\":\"s\"},"
		"{\"severity\":\"error\",\"file\":\"f\",\"line\":1,\"col\":999999999,\"len\":999999999,"
		"\"text\":\"t\",\"source_line\":\"s\"}]",
		0, NULL);
	struct sink s;

	(void)state;
	assert_non_null(j);
	bh_diags_from_json(j, &d);
	bh_diags_from_json(NULL, &d);
	assert_int_equal(d.n, 8);
	sink_open(&s);
	bh_diags_print(&d, s.cli.out, true);
	(void)fclose(s.cli.out);
	(void)fclose(s.cli.err);
	assert_true(s.n_out < 4096);
	free(s.out);
	free(s.err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table_whole),	 cmocka_unit_test(test_table_cut),
		cmocka_unit_test(test_table_utf8),	 cmocka_unit_test(test_table_odd),
		cmocka_unit_test(test_finish_text),	 cmocka_unit_test(test_finish_json),
		cmocka_unit_test(test_diags_round_trip), cmocka_unit_test(test_diags_hostile),
	};

	return cmocka_run_group_tests_name("cli_out", tests, NULL, NULL);
}
