/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * broken.h - promises broken on purpose, to show that the tests of them can fail
 * (selftests/promises/). Only `make BREAK=1` builds know how; in every other build
 * bh_broken() is a constant and what it guards is not in the object.
 */
#ifndef BH_BROKEN_H
#define BH_BROKEN_H

#include "maps.h"

#ifdef BH_BREAK
const volatile __u32 bh_broken_promise __weak;

#define bh_broken(promise) (bh_broken_promise == (promise))

static long bh_broken_step(__u32 i, void *ctx)
{
	return 0;
}

/* Long enough for a flip to fall into. */
__inline void bh_broken_wait(void)
{
	bpf_loop(20000, bh_broken_step, (void *)0, 0);
}
#else
#define bh_broken(promise) false
__inline void bh_broken_wait(void)
{
}
#endif

#endif
