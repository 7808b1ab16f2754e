/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * cursor.h - how the parser moves over a packet: each step checks its bounds. And the walk over
 * IPv4 and TCP options.
 */
#ifndef BH_CURSOR_H
#define BH_CURSOR_H

#include <linux/ip.h>
#include "addr.h"

#ifndef NULL
#define NULL ((void *)0)
#endif

enum { BH_OPT_MAX = 40 }; /* bytes of options: 15 words less the 5 of a header */

/*
 * @left: bytes from @at on that belong to the packet: by the frame's length, and behind an IP
 * header by that. More than @end allows where the kernel keeps a packet's tail in pages.
 */
struct bh_cursor {
	void *at;
	void *end;
	__u64 left;
	bool wire; /* came from or goes to a NIC, and not merely from one socket to another */
};

/* The next @bytes, or NULL if they are not there. */
__inline void *bh_cursor_take(struct bh_cursor *c, __u32 bytes)
{
	void *at = c->at;

	/* one register from here on: the verifier forgets the bounds of a pointer made twice */
	barrier_var(at);
	if (c->left < bytes || at + bytes > c->end)
		return NULL;
	c->at = at + bytes;
	c->left -= bytes;
	return at;
}

/*
 * What an IP header says about its length, @said, against what is there: padding behind the
 * packet is fine. 0 is how the kernel writes lengths that do not fit 16 bits (BIG TCP, see
 * iph_totlen() in linux/ip.h); no wire carries that many.
 */
__inline bool bh_cursor_trim(struct bh_cursor *c, __u32 said)
{
	if (said > c->left)
		return false;
	if (said || c->left <= 0xffff)
		c->left = said;
	return true;
}

enum {
	BH_OPTIONS_FINE = 0,
	BH_OPTIONS_BAD,
	BH_OPTIONS_ROUTE, /* IPv4 only: a source route; TCP has no such kinds */
};

struct bh_option_bytes {
	union {
		__u8 b[BH_OPT_MAX];
		__u32 word[BH_OPT_MAX / 4];
	};
};

/*
 * Do @len bytes of options hold together? IPv4 and TCP share their encoding.
 *
 * Global, so that the verifier looks at it once, and byte after byte, not from option to option,
 * so that it follows few paths and not one for each way to cut 40 bytes. @next is what it would
 * tell apart: whatever happens at a byte that is not inside an option, it is written anew.
 */
__weak __noinline int bh_options_walk(const struct bh_option_bytes *options, __u32 len)
{
	int ret = BH_OPTIONS_FINE;
	__u32 next = 0; /* where the next option begins */

	if (!options)
		return BH_OPTIONS_BAD;
	for (__u32 i = 0; i < BH_OPT_MAX - 1 && i < len; i++) {
		__u8 kind;

		if (i < next)
			continue;
		kind = options->b[i];
		if (kind == 0) /* end of options */
			return ret;
		next = i + 1;
		if (kind == 1) /* no operation */
			continue;
		next = i + options->b[i + 1];
		if (next < i + 2)
			return BH_OPTIONS_BAD;
		if (kind == (IPOPT_LSRR & 0xff) || kind == (IPOPT_SSRR & 0xff))
			ret = BH_OPTIONS_ROUTE;
	}
	/* The last one ends behind them, or has no length: only the one byte kinds fit there. */
	if (next > len || (next < BH_OPT_MAX && options->b[BH_OPT_MAX - 1] > 1))
		return BH_OPTIONS_BAD;
	return ret;
}

/*
 * Not inlined: SYNs and rarities come here. Copied, for a global function takes no packet; the
 * mask keeps what the verifier learns of @words from being told of the caller's cursor as well.
 */
static __noinline __attribute__((unused)) int bh_options_check(const __u8 *at, const void *end,
							       __u32 len)
{
	struct bh_option_bytes options = {.word = {0}};
	__u32 words = len & 0x3c;

	if (len > BH_OPT_MAX || (const void *)(at + len) > end)
		return BH_OPTIONS_BAD;
	for (__u32 i = 0; i < BH_OPT_MAX / 4; i++) {
		if (i * 4 >= words || (const void *)(at + i * 4 + 4) > end)
			break;
		options.word[i] = ((const bh_word32 *)at)[i];
	}
	return bh_options_walk(&options, len);
}

#endif
