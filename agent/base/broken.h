/* SPDX-License-Identifier: Apache-2.0 */
/*
 * broken.h - promises broken on purpose, to show that the tests of them can fail
 * (selftests/promises/). Only `make BREAK=1` builds know how: there the environment variable
 * BH_BROKEN names the promise. In every other build bh_broken() is a constant.
 */
#ifndef BH_BASE_BROKEN_H
#define BH_BASE_BROKEN_H

#include <stdlib.h>

#ifdef BH_BREAK
static inline int bh_broken_promise(void)
{
	const char *word = getenv("BH_BROKEN");

	return word ? atoi(word) : 0;
}
#define bh_broken(promise) (bh_broken_promise() == (promise))
#else
#define bh_broken(promise) 0
#endif

#endif
