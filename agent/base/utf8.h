/* SPDX-License-Identifier: Apache-2.0 */
/* utf8.h - one character of UTF-8 text that somebody else wrote. Callers: diag.c, policy. */
#ifndef BH_UTF8_H
#define BH_UTF8_H

#include <stdbool.h>

/**
 * bh_utf8_next - the character at @s, which ends with a NUL
 * @ret_code: its code point; untouched if it is none
 *
 * Return: its length in bytes, 0 if this is not UTF-8 (overlong, a surrogate, cut off).
 */
int bh_utf8_next(const char *s, unsigned *ret_code);

/*
 * Whether a terminal should not see it: control characters move the cursor, direction marks
 * make text lie about its order.
 */
bool bh_utf8_is_harmful(unsigned code);

#endif
