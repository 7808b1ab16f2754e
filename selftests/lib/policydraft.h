/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policydraft.h - dice, and random segment maps without errors whose prefixes nest, ports
 * overlap and rules meet. For tests that compare two opinions; the seed is printed, and
 * BH_SEED=N repeats a run, BH_ROUNDS=N makes it longer.
 */
#ifndef BH_POLICYDRAFT_H
#define BH_POLICYDRAFT_H

#include <linux/types.h>
#include "../../agent/base/cleanup.h"

/* Seeds the dice. Return: how often to go round. */
int pol_rounds(int usual);
/* 0 to @n - 1 */
__u32 pol_roll(__u32 n);
bool pol_one_in(__u32 n);
#define pol_pick(list) ((list)[pol_roll(ARRAY_SIZE(list))])

/* What comes after the head of a map (pol_made() of policyrig.h); malloced. */
char *pol_draft(void);
/* One of the prefixes that these maps use. */
const char *pol_prefix(void);

#endif
