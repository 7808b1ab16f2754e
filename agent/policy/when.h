/* SPDX-License-Identifier: Apache-2.0 */
/* when.h - durations, as the segment map and the command line write them. */
#ifndef BH_WHEN_H
#define BH_WHEN_H

#include "internal.h"

/* "1h", "90m", "1h30m", "45s", "2d". Return: 0 or -EINVAL with @f filled. */
int bh_duration_parse(const char *s, __u64 *ret_s, struct bh_fault *f);

#endif
