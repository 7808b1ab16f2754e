/* SPDX-License-Identifier: Apache-2.0 */
/* pairs_internal.h - what the files of pairs.h share. Nobody else includes it. */
#ifndef BH_PAIRS_INTERNAL_H
#define BH_PAIRS_INTERNAL_H

#include "pairs.h"
#include "strtab.h"

#define BH_PAIRS_HEARD	 1024
#define BH_PAIRS_SHELVES 64

/* Names as numbers of the table of names. No holes: compared and hashed as bytes. */
struct bh_pair_key {
	struct bh_addr addr;
	__u32 unit, local, remote, peer, rule, uid;
	__u16 port;
	__u8 proto, dir, verdict, inside, many, pad;
};

/* A UDP conversation that was told of lately, to know its answers by. */
struct bh_pair_heard {
	struct bh_addr local, remote;
	__u16 local_port, remote_port;
	__u8 dir;
	bool used;
};

struct bh_pair_row {
	struct bh_pair_key key;
	__u8 *distinct; /* many: BH_DISTINCT_BYTES */
	__u64 times, packets, bytes;
	__s64 first_ms, last_ms;
	__u32 next;	    /* in its chain; free: the next free one */
	__u32 newer, older; /* 0 = none */
	__u32 group;
	__u8 crypt;
};

/* The rows that differ in the address alone, of one class. */
struct bh_pair_group {
	struct bh_pair_key key;
	__u32 next, rows, addrs;
};

enum { BH_PAIR_PASSED, BH_PAIR_STOPPED, BH_PAIR_CLASSES };

/* Of those whose units' names share a hash: who has the most rows gives up his oldest. */
struct bh_pair_shelf {
	__u32 newest, oldest;
	size_t n;
};

struct bh_pair_class {
	struct bh_pair_shelf shelf[BH_PAIRS_SHELVES];
	size_t n, max;
};

struct bh_pairs {
	struct bh_strtab *names;
	struct bh_pair_row *row;     /* [0] is nobody's */
	struct bh_pair_group *group; /* likewise */
	__u32 *row_head, *group_head;
	size_t max, heads; /* heads: a power of two */
	__u32 row_free, group_free;
	struct bh_pair_class class[BH_PAIR_CLASSES];
	struct bh_pairs_count count;
	__u64 added;	/* rows, ever */
	__s64 first_ms; /* of the oldest that was added */
	struct bh_pair_heard heard[BH_PAIRS_HEARD];
};

__u64 bh_pairs_hash(const void *data, size_t n);

#endif
