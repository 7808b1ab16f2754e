/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flip.h - one object that holds a mutant for every branch (flip.py). bh_mutant says which one
 * is alive; 0 = none. It is frozen before the verifier looks, which then sees constants.
 */
#ifndef BH_FLIP_H
#define BH_FLIP_H

#include <linux/types.h>
#include <stdbool.h>

const volatile __u32 bh_mutant __attribute__((weak));

static __attribute__((always_inline)) inline bool bh_flip(__u32 id, bool condition)
{
	return bh_mutant == id ? !condition : condition;
}

/* Of the case labels of `switch (value)`, @label is not there. */
static __attribute__((always_inline)) inline __u32 bh_uncase(__u32 id, __u32 label, __u32 value)
{
	return bh_mutant == id && value == label ? ~0u : value;
}

#endif
