/* SPDX-License-Identifier: Apache-2.0 */
/* asserts.h - the `assert:` lines of a map, asked of the program that will judge packets. */
#ifndef BH_ASSERTS_H
#define BH_ASSERTS_H

#include "agent.h"

/**
 * bh_asserts_hold - does staged generation @gen do what the map says of itself
 *
 * An assert is about policy, not mode: `expect: deny` holds where policy denies, also while
 * the segment only observes. Between two segments it looks at the sender's half where the
 * sender can be a local workload, and at the receiver's half likewise.
 * Return: 0, -EINVAL (see @d: each assert that does not hold, with its line), -errno.
 */
int bh_asserts_hold(struct bh_agent *a, const struct bh_map *map, const struct bh_compiled *c,
		    __u64 gen, struct bh_diags *d);

#endif
