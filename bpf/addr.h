/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * addr.h - questions to an address: 16 bytes in network order, IPv4 as ::ffff:a.b.c.d. Used by
 * the parser and by everybody who has an address in hand.
 */
#ifndef BH_ADDR_H
#define BH_ADDR_H

#include <bpf/bpf_endian.h>
#include "maps.h"

typedef __u64 __attribute__((may_alias)) bh_word64;
typedef __u32 __attribute__((may_alias)) bh_word32;

__inline __u64 bh_addr_half(const struct bh_addr *a, int half)
{
	return ((const bh_word64 *)a->b)[half];
}

__inline __u32 bh_addr_word(const struct bh_addr *a, int word)
{
	return ((const bh_word32 *)a->b)[word];
}

__inline void bh_addr_set_v4(struct bh_addr *ret, __be32 v4)
{
	((bh_word64 *)ret->b)[0] = 0;
	((bh_word32 *)ret->b)[2] = bpf_htonl(0xffff);
	((bh_word32 *)ret->b)[3] = v4;
}

/* @v6: 16 bytes, aligned to 4 */
__inline void bh_addr_set_v6(struct bh_addr *ret, const void *v6)
{
	const bh_word32 *from = v6;
	bh_word32 *to = (bh_word32 *)ret->b;

	to[0] = from[0];
	to[1] = from[1];
	to[2] = from[2];
	to[3] = from[3];
}

__inline void bh_addr_set_words(struct bh_addr *ret, __be32 a, __be32 b, __be32 c, __be32 d)
{
	bh_word32 *to = (bh_word32 *)ret->b;

	to[0] = a;
	to[1] = b;
	to[2] = c;
	to[3] = d;
}

__inline struct bh_addr bh_addr_v4(__be32 v4)
{
	struct bh_addr a;

	bh_addr_set_v4(&a, v4);
	return a;
}

__inline bool bh_addr_eq(const struct bh_addr *a, const struct bh_addr *b)
{
	return bh_addr_half(a, 0) == bh_addr_half(b, 0) && bh_addr_half(a, 1) == bh_addr_half(b, 1);
}

__inline bool bh_addr_is_v4(const struct bh_addr *a)
{
	return bh_addr_half(a, 0) == 0 && bh_addr_word(a, 2) == bpf_htonl(0xffff);
}

/* The IPv4 address in host order; meaningless unless bh_addr_is_v4(). */
__inline __u32 bh_addr_low(const struct bh_addr *a)
{
	return bpf_ntohl(bh_addr_word(a, 3));
}

/* :: or 0.0.0.0 */
__inline bool bh_addr_is_unspecified(const struct bh_addr *a)
{
	return bh_addr_half(a, 0) == 0 && bh_addr_word(a, 3) == 0 &&
	       (bh_addr_word(a, 2) == 0 || bh_addr_word(a, 2) == bpf_htonl(0xffff));
}

/* ::1 or 127.0.0.0/8 */
__inline bool bh_addr_is_loopback(const struct bh_addr *a)
{
	if (bh_addr_is_v4(a))
		return bh_addr_low(a) >> 24 == 127;
	return bh_addr_half(a, 0) == 0 && bh_addr_half(a, 1) == bpf_cpu_to_be64(1);
}

/* ff00::/8 or 224.0.0.0/4 */
__inline bool bh_addr_is_multicast(const struct bh_addr *a)
{
	if (bh_addr_is_v4(a))
		return bh_addr_low(a) >> 28 == 14;
	return a->b[0] == 0xff;
}

/* 255.255.255.255; a subnet's own broadcast address can't be told from here. */
__inline bool bh_addr_is_broadcast(const struct bh_addr *a)
{
	return bh_addr_is_v4(a) && bh_addr_word(a, 3) == 0xffffffff;
}

__inline bool bh_addr_is_group(const struct bh_addr *a)
{
	return bh_addr_is_multicast(a) || bh_addr_is_broadcast(a);
}

/* fe80::/10 only: 169.254.0.0/16 is like any other (DESIGN section 4). */
__inline bool bh_addr_is_linklocal(const struct bh_addr *a)
{
	return a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
}

#endif
