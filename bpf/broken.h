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

#else
#define bh_broken(promise) false
#endif

#endif
