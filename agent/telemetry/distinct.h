/* SPDX-License-Identifier: Apache-2.0 */
/*
 * distinct.h - about how many different addresses there were, in 64 bytes: HyperLogLog, good to
 * some 13 %, exact to one or two for a dozen.
 */
#ifndef BH_DISTINCT_H
#define BH_DISTINCT_H

#include <linux/types.h>

#define BH_DISTINCT_BYTES 64

void bh_distinct_add(__u8 v[BH_DISTINCT_BYTES], __u64 hash);
__u64 bh_distinct_count(const __u8 v[BH_DISTINCT_BYTES]);

#endif
