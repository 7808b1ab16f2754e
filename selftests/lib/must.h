/* SPDX-License-Identifier: Apache-2.0 */
/*
 * must.h - what holds for every input of a fuzz target. Where it does not, the target says
 * what and ends as a fuzzer counts a crash.
 */
#ifndef BH_TEST_MUST_H
#define BH_TEST_MUST_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static inline void must(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "does not hold: %s\n", what);
	abort();
}

#define MUST(x) must(x, #x)

#endif
