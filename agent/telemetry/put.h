/* SPDX-License-Identifier: Apache-2.0 */
/*
 * put.h - pieces of a line of JSON, each written at @to. Return: where the next one goes. Called by
 * json.c; printf() would take longer for one number than all of a record may.
 */
#ifndef BH_PUT_H
#define BH_PUT_H

#include <string.h>
#include <linux/types.h>
#include <bh_abi.h>
#include "../base/cleanup.h"

/* A literal, as it is. */
#define BH_PUT(to, text) ((char *)memcpy(to, text, sizeof(text) - 1) + sizeof(text) - 1)

/*
 * In quotes, at most @max bytes of @s or up to its NUL. What is no UTF-8 becomes U+FFFD, what a
 * terminal had better not see an escape. Needs 6 bytes for each, and 2.
 */
char *bh_put_text(char *to, const char *s, size_t max);
/* A word of ours, in quotes; NULL: null. */
char *bh_put_word(char *to, const char *word);
char *bh_put_u64(char *to, __u64 n);
char *bh_put_hex64(char *to, __u64 n);
/* In quotes, IPv6 as RFC 5952 has it; all zeroes: null. At most 41 bytes. */
char *bh_put_addr(char *to, const struct bh_addr *addr);
/* In quotes: "2026-11-23T21:40:01.123456Z"; years 0 to 9999. */
char *bh_put_time(char *to, __s64 wall_ns);

#endif
