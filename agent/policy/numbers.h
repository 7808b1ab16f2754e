/* SPDX-License-Identifier: Apache-2.0 */
/* numbers.h - what the compiler, and nobody else, asks of bh_numbers. */
#ifndef BH_NUMBERS_H
#define BH_NUMBERS_H

#include "compile.h"

/* Rule numbers that the text form may name: bounds the memory that a bad file can ask for. */
#define BH_RULE_NUMBER_END (1u << 20)

/**
 * bh_numbers_begin - a new map asks from here on
 * @max_rules: rule numbers stay below this
 *
 * Each kept copy is one generation. A number that neither this generation nor the one before
 * it asked for may be given out again, and is once the space has been used up.
 */
void bh_numbers_begin(struct bh_numbers *n, __u32 max_rules);

#endif
