/* SPDX-License-Identifier: Apache-2.0 */
/* clock.c - see clock.h. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "clock.h"
#include "io.h"

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

int bh_boot_id(char ret[BH_BOOT_ID])
{
	_cleanup_free_ char *text = NULL;
	int r = bh_file_read("/proc/sys/kernel/random/boot_id", 4096, &text, NULL);

	if (r < 0)
		return r;
	snprintf(ret, BH_BOOT_ID, "%.*s", (int)strcspn(text, "\n"), text);
	return 0;
}

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
