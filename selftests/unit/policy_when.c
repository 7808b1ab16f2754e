/* SPDX-License-Identifier: Apache-2.0 */
/* policy_when.c - `until:` and `max:`: points in time and durations as text. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "../../agent/policy/when.h"

static void test_when(void **state)
{
	static const struct {
		const char *s;
		long long want; /* 0 = refused */
	} cases[] = {
		{"1970-01-01T00:00:01Z", 1},
		{"2000-02-29T00:00:00Z", 951782400},
		{"2026-05-01T10:00:00Z", 1777629600},
		{"2026-05-01t10:00:00z", 1777629600},
		{"2026-05-01T12:00:00+02:00", 1777629600},
		{"2026-05-01T04:30:00-05:30", 1777629600},
		{"2026-05-01T10:00:00.999999Z", 1777629600},
		{"2016-12-31T23:59:60Z", 1483228800},
		{"2100-03-01T00:00:00Z", 4107542400},
		{"9999-12-31T23:59:59Z", 253402300799},
		/* 0 would be "for ever" */
		{"1970-01-01T00:00:00Z", 0},
		{"1970-01-01T00:30:00+01:00", 0},
		{"1969-12-31T23:59:59Z", 0},
		{"2026-02-29T00:00:00Z", 0},
		{"2100-02-29T00:00:00Z", 0},
		{"2026-13-01T00:00:00Z", 0},
		{"2026-00-01T00:00:00Z", 0},
		{"2026-04-31T00:00:00Z", 0},
		{"2026-05-00T00:00:00Z", 0},
		{"2026-05-01T24:00:00Z", 0},
		{"2026-05-01T10:60:00Z", 0},
		{"2026-05-01T10:00:61Z", 0},
		{"2026-05-01T10:00:00", 0},
		{"2026-05-01T10:00Z", 0},
		{"2026-05-01 10:00:00Z", 0},
		{"2026-05-01", 0},
		{"2026-05-01T10:00:00.Z", 0},
		{"2026-05-01T10:00:00+2", 0},
		{"2026-05-01T10:00:00+24:00", 0},
		{"2026-05-01T10:00:00+02:60", 0},
		{"2026-05-01T10:00:00Zx", 0},
		{"26-05-01T10:00:00Z", 0},
		{"", 0},
		{"tomorrow", 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		__s64 t = 0;
		struct bh_fault f;
		int r = bh_when_parse(cases[i].s, &t, &f);

		if (r != (cases[i].want ? 0 : -EINVAL) || t != cases[i].want)
			fail_msg("'%s': %d, %lld", cases[i].s, r, (long long)t);
	}
}

static void test_duration(void **state)
{
	static const struct {
		const char *s;
		unsigned long long want; /* 0 = refused */
	} cases[] = {
		{"1h", 3600},
		{"15m", 900},
		{"45s", 45},
		{"2d", 172800},
		{"1h30m", 5400},
		{"1d2h3m4s", 93784},
		{"999999999d", 86399999913600},
		{"0s", 0},
		{"", 0},
		{"1", 0},
		{"h", 0},
		{"1hour", 0},
		{"1h1h", 0},
		{"30m1h", 0},
		{"-1h", 0},
		{"1.5h", 0},
		{"1 h", 0},
		{"1H", 0},
		{"9999999999s", 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		__u64 s = 0;
		struct bh_fault f;
		int r = bh_duration_parse(cases[i].s, &s, &f);

		if (r != (cases[i].want ? 0 : -EINVAL) || s != cases[i].want)
			fail_msg("'%s': %d, %llu", cases[i].s, r, (unsigned long long)s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_when),
		cmocka_unit_test(test_duration),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
