/* SPDX-License-Identifier: Apache-2.0 */
/* telemetry_prom.c - metrics as text: what labels and help must not break, and numbers as they are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "../../agent/base/cleanup.h"
#include "../../agent/telemetry/prom.h"

/* The text of @p, which is cleared. */
static void is_text(struct bh_prom *p, const char *want)
{
	assert_false(p->failed);
	assert_string_equal(p->text, want);
	assert_int_equal(p->n, strlen(want));
	bh_prom_clear(p);
}

static void test_family(void **state)
{
	struct bh_prom p = {0};

	(void)state;
	bh_prom_family(&p, "a_total", BH_PROM_COUNTER, "One.");
	bh_prom_u64(&p, 1, NULL);
	bh_prom_u64(&p, 2, BH_PROM_LABELS({"x", "y"}));
	bh_prom_u64(&p, 3, BH_PROM_LABELS({"x", "y"}, {"z", ""}));
	bh_prom_gauge(&p, "b", "Two.", 4);
	is_text(&p, "# HELP a_total One.\n# TYPE a_total counter\na_total 1\na_total{x=\"y\"} 2\n"
		    "a_total{x=\"y\",z=\"\"} 3\n# HELP b Two.\n# TYPE b gauge\nb 4\n");
}

static void is_label(const char *value, const char *want)
{
	struct bh_prom p = {.name = "a"};
	char line[256];

	snprintf(line, sizeof(line), "a{l=\"%s\"} 0\n", want);
	bh_prom_u64(&p, 0, BH_PROM_LABELS({"l", value}));
	is_text(&p, line);
}

static void test_labels(void **state)
{
	(void)state;
	is_label("plain/one-2", "plain/one-2");
	is_label("a\"b", "a\\\"b");
	is_label("a\\", "a\\\\");
	is_label("a\nb 1", "a\\nb 1");
	is_label("\\n", "\\\\n");
	is_label("\"} 1\nb{x=\"", "\\\"} 1\\nb{x=\\\"");
	is_label("gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f");
	/* what is not UTF-8: cut off, overlong, a surrogate */
	is_label("a\xc3", "a?");
	is_label("\xc0\xaf", "??");
	is_label("\xed\xa0\x80", "???");
	is_label(NULL, "");
}

static void test_help(void **state)
{
	struct bh_prom p = {0};

	(void)state;
	bh_prom_family(&p, "a", BH_PROM_GAUGE, "a \"b\" \\ c\nd");
	is_text(&p, "# HELP a a \"b\" \\\\ c\\nd\n# TYPE a gauge\n");
}

static void test_numbers(void **state)
{
	struct bh_prom p = {.name = "a"};

	(void)state;
	bh_prom_u64(&p, UINT64_MAX, NULL);
	bh_prom_ms(&p, 0, NULL);
	bh_prom_ms(&p, 1, NULL);
	bh_prom_ms(&p, 1767225600042, NULL);
	bh_prom_ms(&p, -1500, NULL);
	bh_prom_ms(&p, INT64_MIN, NULL);
	is_text(&p, "a 18446744073709551615\na 0.000\na 0.001\na 1767225600.042\na -1.500\n"
		    "a -9223372036854775.808\n");
}

static void test_long(void **state)
{
	struct bh_prom p = {0};
	static const char last[] = "a{l=\"some words\"} 19999\n";
	size_t lines = 0;

	(void)state;
	bh_prom_family(&p, "a", BH_PROM_GAUGE, "Many.");
	for (uint64_t i = 0; i < 20000; i++)
		bh_prom_u64(&p, i, BH_PROM_LABELS({"l", "some words"}));
	for (size_t i = 0; i < p.n; i++)
		lines += p.text[i] == '\n';
	assert_int_equal(lines, 20002);
	assert_string_equal(p.text + p.n - strlen(last), last);
	bh_prom_clear(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_family), cmocka_unit_test(test_labels),
		cmocka_unit_test(test_help),   cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
