/* SPDX-License-Identifier: Apache-2.0 */
/* cli_text.c - JSON values as people read them: paths, sizes, times, and text made tame. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "../../tools/bulkhead/cli.h"
#include "../../tools/bulkhead/text.h"

static json_t *json(const char *text)
{
	json_t *j = json_loads(text, JSON_DECODE_ANY, NULL);

	assert_non_null(j);
	return j;
}

static void test_paths(void **state)
{
	_cleanup_json_ json_t *j = json(
		"{\"a\":{\"b\":{\"c\":\"deep\"}},\"n\":\"18446744073709551615\",\"i\":7,\"m\":-1}");

	(void)state;
	assert_string_equal(bh_json_str(j, "a.b.c"), "deep");
	assert_string_equal(bh_json_str(j, "a.b"), "");
	assert_string_equal(bh_json_str(j, "a.x.c"), "");
	assert_string_equal(bh_json_str(j, "i.c"), "");
	assert_string_equal(bh_json_str(j, ""), "");
	assert_string_equal(bh_json_str(NULL, "a"), "");
	assert_null(bh_json_at(j, "a.b.c.d"));
	/* numbers past 2^53 come as strings */
	assert_true(bh_json_u64(j, "n") == UINT64_MAX);
	assert_int_equal(bh_json_u64(j, "i"), 7);
	assert_int_equal(bh_json_u64(j, "m"), 0);
	assert_int_equal(bh_json_u64(j, "none"), 0);
}

static void text_is(const char *value, const char *expected)
{
	_cleanup_json_ json_t *j = json(value);
	_cleanup_free_ char *text = bh_json_text(j);

	assert_string_equal(text, expected);
}

static void test_values(void **state)
{
	(void)state;
	text_is("\"word\"", "word");
	text_is("12", "12");
	text_is("1.5", "1.5");
	text_is("true", "yes");
	text_is("false", "no");
	text_is("null", "");
	text_is("[]", "");
	text_is("[\"a\",\"b\",3]", "a, b, 3");
	text_is("{\"app\":\"shop\",\"role\":\"web\"}", "app=shop role=web");
	text_is("[{\"a\":1},{\"a\":[2,3]}]", "a=1, a=2, 3");
	text_is("{\"a\\u001b\":1}", "a\\x1b=1");
}

static void test_tame(void **state)
{
	_cleanup_json_ json_t *j = json(
		"{\"a\":[\"plain\",\"\\u001b[31mred\",{\"b\":\"x\\ny\\tz\"},"
		"\"c1 \\u009b2J\",\"\\u202eevil\",\"\\u200f\",\"gr\\u00fc\\u00df dich\",\"\\ufeff\"]}");
	const json_t *a;

	(void)state;
	assert_int_equal(bh_json_tame(j), 0);
	a = json_object_get(j, "a");
	assert_string_equal(json_string_value(json_array_get(a, 0)), "plain");
	assert_string_equal(json_string_value(json_array_get(a, 1)), "\\x1b[31mred");
	assert_string_equal(bh_json_str(json_array_get(a, 2), "b"), "x y z");
	assert_string_equal(json_string_value(json_array_get(a, 3)), "c1 \\u009b2J");
	assert_string_equal(json_string_value(json_array_get(a, 4)), "\\u202eevil");
	assert_string_equal(json_string_value(json_array_get(a, 5)), "\\u200f");
	assert_string_equal(json_string_value(json_array_get(a, 6)), "gr\u00fc\u00df dich");
	assert_string_equal(json_string_value(json_array_get(a, 7)), "\\ufeff");
}

static void size_is(uint64_t bytes, const char *expected)
{
	char text[BH_SIZE_TEXT];

	assert_string_equal(bh_size_text(bytes, text), expected);
}

static void test_sizes(void **state)
{
	(void)state;
	size_is(0, "0 B");
	size_is(1023, "1023 B");
	size_is(1024, "1.0 KiB");
	size_is(1536, "1.5 KiB");
	size_is(1048524, "1023.9 KiB");
	size_is(1048575, "1.0 MiB"); /* and not 1024.0 KiB */
	size_is(5ull << 40, "5.0 TiB");
	size_is(UINT64_MAX, "16.0 EiB");
}

static void ago_is(const char *time, const char *expected)
{
	char text[BH_AGO_TEXT];

	assert_string_equal(bh_ago_text(time, 1777629600, text), expected); /* 2026-05-01T10:00Z */
}

static void test_times(void **state)
{
	int64_t s;

	(void)state;
	ago_is("2026-05-01T10:00:00Z", "0 s ago");
	ago_is("2026-05-01T09:59:01.250Z", "59 s ago");
	ago_is("2026-05-01T09:59:00Z", "1 min ago");
	ago_is("2026-05-01T09:00:00Z", "1 h ago");
	ago_is("2026-04-29T11:00:00Z", "47 h ago");
	ago_is("2026-04-29T10:00:00Z", "2 days ago");
	ago_is("2026-05-01T12:00:00Z", "0 s ago"); /* a clock that was set back */
	ago_is("2026-05-01T11:59:00+02:00", "1 min ago");
	ago_is("2026-05-01T04:29:00-05:30", "1 min ago");
	/* no time: shown as it came, and cut */
	ago_is("yesterday", "yesterday");
	ago_is("2026-05-01T10:00:00", "2026-05-01T10:00:00");
	ago_is("2026-05-01T10:00:00Zulu", "2026-05-01T10:00:00Zulu");
	ago_is("2026-05-01T10:00:00*02:00", "2026-05-01T10:00:00*02:00");
	ago_is("", "");
	ago_is("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
	       "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
	assert_int_equal(bh_time_parse("1970-01-01T00:00:01Z", &s), 0);
	assert_int_equal(s, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths), cmocka_unit_test(test_values),
		cmocka_unit_test(test_tame),  cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_times),
	};

	return cmocka_run_group_tests_name("cli_text", tests, NULL, NULL);
}
