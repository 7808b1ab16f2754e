/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock.h - the two clocks, passed in so that tests can set them, and RFC 3339. Boot time is
 * for deadlines, wall time for people.
 */
#ifndef BH_CLOCK_H
#define BH_CLOCK_H

#include <stdint.h>

struct bh_clock {
	int64_t (*wall_ms)(void);
	uint64_t (*boot_ns)(void);
};
extern const struct bh_clock bh_clock_real;

#define BH_BOOT_ID 40
/* Which boot of this host it is: boot time of another one means nothing. Return: 0 or -errno. */
int bh_boot_id(char ret[BH_BOOT_ID]);

#define BH_TIME_TEXT 32

/* "2026-05-01T10:00:00Z", with milliseconds if there are any. */
const char *bh_time_format(int64_t wall_ms, char ret[BH_TIME_TEXT]);

#endif
