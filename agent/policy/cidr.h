/* SPDX-License-Identifier: Apache-2.0 */
/* cidr.h - address prefixes. Parsing is cidr.c's, the rest is shared with the compiler. */
#ifndef BH_CIDR_H
#define BH_CIDR_H

#include "internal.h"

/*
 * "10.0.1.0/28", "2001:db8::/32". Host bits, IPv4 inside IPv6 and link-local addresses are
 * refused. Return: 0 or -EINVAL with @f filled.
 */
int bh_cidr_parse(const char *s, struct bh_cidr *ret, struct bh_fault *f);

#define BH_CIDR_TEXT 64
const char *bh_cidr_text(const struct bh_cidr *cidr, char ret[BH_CIDR_TEXT]);
/* IPv4 first; what is wider comes before what it contains. */
int bh_cidr_cmp(const struct bh_cidr *a, const struct bh_cidr *b);
/* An IPv6 prefix never contains an IPv4 one. */
bool bh_cidr_contains(const struct bh_cidr *wide, const struct bh_cidr *narrow);

#endif
