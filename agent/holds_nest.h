/* SPDX-License-Identifier: Apache-2.0 */
/* holds_nest.h - prefixes in quarantine that lie in each other. */
#ifndef BH_HOLDS_NEST_H
#define BH_HOLDS_NEST_H

#include "kern/kern.h"

/**
 * bh_holds_nest - each prefix carries what counts for its addresses
 * @slot: all BH_QUARANTINE_MAX of them
 *
 * The kernel asks the longest prefix alone. So each gets, of those around it, the quarantine that
 * holds most: a hard one, else the one that ends last. In a hole of a segment's own prefixes only
 * what others say counts. Return: 0 or -ENOMEM.
 */
int bh_holds_nest(struct bh_member *m, size_t n, const struct bh_quarantine *slot);

bool bh_hold_covers(const struct bh_prefix_key *wide, const struct bh_prefix_key *narrow);
/* Of two quarantines (slot + 1, 0: none) the one that holds more. */
__u32 bh_hold_more(const struct bh_quarantine *slot, __u32 a, __u32 b);

#endif
