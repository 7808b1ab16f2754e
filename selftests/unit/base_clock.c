/* SPDX-License-Identifier: Apache-2.0 */
/* base_clock.c - RFC 3339 as we write it, and that the real clocks run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <cmocka.h>
#include "../../agent/base/cleanup.h"
#include "../../agent/base/clock.h"

static void test_format(void **state)
{
	static const struct {
		int64_t ms;
		const char *text;
	} cases[] = {
		{0, "1970-01-01T00:00:00Z"},
		{1, "1970-01-01T00:00:00.001Z"},
		{-1, "1969-12-31T23:59:59.999Z"},
		{951782400000, "2000-02-29T00:00:00Z"},
		{1777629600000, "2026-05-01T10:00:00Z"},
		{1777629600120, "2026-05-01T10:00:00.120Z"},
		{253402300799999, "9999-12-31T23:59:59.999Z"},
		{INT64_MAX, ""},
		{INT64_MIN, ""},
	};
	char text[BH_TIME_TEXT];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(bh_time_format(cases[i].ms, text), cases[i].text);
}

static void test_real(void **state)
{
	int64_t wall = bh_clock_real.wall_ms(), now = (int64_t)time(NULL) * 1000;
	uint64_t boot = bh_clock_real.boot_ns();
	struct timespec t;

	(void)state;
	assert_true(wall >= now - 5000 && wall <= now + 5000);
	assert_int_equal(clock_gettime(CLOCK_BOOTTIME, &t), 0);
	assert_true(boot && boot <= (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec);
	assert_true(bh_clock_real.boot_ns() >= boot);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_format),
		cmocka_unit_test(test_real),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
