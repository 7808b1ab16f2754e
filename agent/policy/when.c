/* SPDX-License-Identifier: Apache-2.0 */
/* when.c - points in time (RFC 3339) and durations. Called by parse_rule.c; asks no clock. */
#include <errno.h>
#include <string.h>
#include "when.h"

/* @n digits at *@s, moving it. Return: their value, -1 if they are none. */
static int digits(const char **s, int n)
{
	int v = 0;

	for (; n; n--, (*s)++) {
		if (**s < '0' || **s > '9')
			return -1;
		v = v * 10 + (**s - '0');
	}
	return v;
}

static bool eat(const char **s, const char *set)
{
	if (!**s || !strchr(set, **s))
		return false;
	(*s)++;
	return true;
}

static int days_in(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}

/* Days since 1970-01-01 of a date in 1970 or later. */
static __s64 days_since(int year, int month, int day)
{
	__s64 before = year - 1;
	__s64 days = before * 365 + before / 4 - before / 100 + before / 400 - 719162;

	for (int m = 1; m < month; m++)
		days += days_in(year, m);
	return days + day - 1;
}

/* "Z" or "+02:00", in seconds east of Greenwich. Return: false if there is none. */
static bool offset_parse(const char **s, int *ret)
{
	int sign = **s == '-' ? -1 : 1, hours, minutes;

	*ret = 0;
	if (eat(s, "Zz"))
		return true;
	if (!eat(s, "+-"))
		return false;
	hours = digits(s, 2);
	if (hours < 0 || hours > 23 || !eat(s, ":"))
		return false;
	minutes = digits(s, 2);
	*ret = sign * (hours * 3600 + minutes * 60);
	return minutes >= 0 && minutes <= 59;
}

/* Return: seconds since 1970; 0 and less if it is not RFC 3339 or before. */
static __s64 when(const char *s)
{
	int year, month, day, hour, minute, second, offset;

	year = digits(&s, 4);
	if (year < 1970 || !eat(&s, "-"))
		return 0;
	month = digits(&s, 2);
	if (month < 1 || month > 12 || !eat(&s, "-"))
		return 0;
	day = digits(&s, 2);
	if (day < 1 || day > days_in(year, month) || !eat(&s, "Tt"))
		return 0;
	hour = digits(&s, 2);
	if (hour < 0 || hour > 23 || !eat(&s, ":"))
		return 0;
	minute = digits(&s, 2);
	if (minute < 0 || minute > 59 || !eat(&s, ":"))
		return 0;
	second = digits(&s, 2);
	/* 60: a leap second */
	if (second < 0 || second > 60)
		return 0;
	if (eat(&s, ".")) {
		if (digits(&s, 1) < 0)
			return 0;
		while (*s >= '0' && *s <= '9')
			s++;
	}
	if (!offset_parse(&s, &offset) || *s)
		return 0;
	return ((days_since(year, month, day) * 24 + hour) * 60 + minute) * 60 + second - offset;
}

int bh_when_parse(const char *s, __s64 *ret_s, struct bh_fault *f)
{
	__s64 t = when(s);

	*f = (struct bh_fault){0};
	if (t > 0) {
		*ret_s = t;
		return 0;
	}
	(void)snprintf(f->text, sizeof(f->text), "'%.60s' is no point in time", s);
	bh_help(f->help, "write it as '2030-05-01T18:00:00Z' or '2030-05-01T20:00:00+02:00'");
	return -EINVAL;
}

int bh_duration_parse(const char *s, __u64 *ret_s, struct bh_fault *f)
{
	static const char units[] = "dhms";
	static const __u64 seconds[] = {86400, 3600, 60, 1};
	const char *at = s;
	int last = -1;
	__u64 total = 0;

	*f = (struct bh_fault){0};
	/* Each unit once, the bigger ones first; nine digits can't overflow. */
	while (*at) {
		size_t n = strspn(at, "0123456789");
		const char *unit = n && n <= 9 && at[n] ? strchr(units, at[n]) : NULL;

		if (!unit || unit - units <= last)
			break;
		last = (int)(unit - units);
		total += strtoull(at, NULL, 10) * seconds[last];
		at += n + 1;
	}
	if (!*at && total) {
		*ret_s = total;
		return 0;
	}
	(void)snprintf(f->text, sizeof(f->text), "'%.60s' is no duration", s);
	bh_help(f->help, "write it as '30s', '15m', '1h', '1h30m' or '2d'");
	return -EINVAL;
}
