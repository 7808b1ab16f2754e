/* SPDX-License-Identifier: Apache-2.0 */
/* clock.c - see clock.h. */
#include <stdio.h>
#include <time.h>
#include "clock.h"

static int64_t wall_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static uint64_t boot_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

const struct bh_clock bh_clock_real = {.wall_ms = wall_ms, .boot_ns = boot_ns};

const char *bh_time_format(int64_t ms, char ret[BH_TIME_TEXT])
{
	time_t s = (time_t)(ms / 1000);
	int rest = (int)(ms % 1000);
	struct tm tm;
	size_t n;

	if (rest < 0) {
		rest += 1000;
		s--;
	}
	if (!gmtime_r(&s, &tm) ||
	    !(n = strftime(ret, BH_TIME_TEXT - 8, "%Y-%m-%dT%H:%M:%S", &tm))) {
		ret[0] = '\0';
		return ret;
	}
	if (rest)
		snprintf(ret + n, BH_TIME_TEXT - n, ".%03dZ", rest);
	else
		snprintf(ret + n, BH_TIME_TEXT - n, "Z");
	return ret;
}
