/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pairs.h - who talked to whom: distinct conversations over days, each a row with when and how
 * often. The ring of flows.h forgets within minutes; this is what a policy can be made from.
 *
 * Bounded: so many rows, so many bytes of names. What was denied has a quarter of the rows for
 * itself and no more, so that who knocks at every port pushes out nothing but other knocks; more
 * than BH_PAIRS_ADDRS addresses that do the same are one row, with their number; and where there is
 * no room the unit with the most rows gives up its least recent one, so that none can push out what
 * others did. Names are text: numbers may be given anew. Pure.
 */
#ifndef BH_PAIRS_H
#define BH_PAIRS_H

#include "../base/cleanup.h"
#include "distinct.h"
#include "flow.h"

#define BH_PAIRS_ROWS  65536
#define BH_PAIRS_ADDRS 256

enum bh_pair_verdict {
	BH_PAIR_ALLOWED,
	BH_PAIR_AUDITED, /* passed, and would have been denied */
	BH_PAIR_DENIED,
	BH_PAIR_ERROR, /* denied because it could not be judged */
	BH_PAIR_VERDICTS,
};

/* "allowed", "audited", "denied", "error" */
const char *bh_pair_verdict_word(enum bh_pair_verdict verdict);

struct bh_pair {
	/* who: NULL is not known. The names are the table's */
	const char *unit; /* of this end: its cgroup, up to the unit */
	const char *local, *remote;
	const char *peer; /* the unit of an end that is on this host, too; dir BH_OUT */
	const char *rule;
	struct bh_addr addr; /* zero: @many, or @inside */
	__u32 uid;
	__u16 port; /* that it was opened to; ICMP: type << 8 | code */
	__u8 proto, dir, verdict;
	bool inside; /* both ends are on this host */
	bool many;   /* addresses too many for a row each */
	/* what */
	__u8 crypt;			  /* bits of enum bh_crypt that were seen */
	__u8 distinct[BH_DISTINCT_BYTES]; /* @many: which */
	__u64 times, packets, bytes;
	__s64 first_ms, last_ms; /* wall time */
};

struct bh_pairs_count {
	__u64 seen;	 /* events */
	__u64 skipped;	 /* of them, those that are no conversation */
	__u64 answers;	 /* UDP: the other way of one */
	__u64 fresh;	 /* flows that were new */
	__u64 forgotten; /* rows that made room */
	__u64 folded;	 /* events that went into a row of many */
	__u64 lost;	 /* no room for their names, or no memory */
	size_t rows, bytes;
};

struct bh_pairs;

/* Return: NULL if there is no memory. */
struct bh_pairs *bh_pairs_new(size_t max_rows);
void bh_pairs_free(struct bh_pairs *p);
BH_DEFINE_CLEANUP(struct bh_pairs *, bh_pairs_free)

/*
 * @inside: the other end is on this host, too; @peer: its cgroup, if that is known. All is copied.
 * Return: true if there was no row for it.
 */
bool bh_pairs_flow(struct bh_pairs *p, const struct bh_flow *flow, bool inside, const char *peer);

/* Adds to the row with this key, or makes it. Return: 0, -ENOSPC, -ENAMETOOLONG, -ENOMEM. */
int bh_pairs_add(struct bh_pairs *p, const struct bh_pair *row);

/**
 * bh_pairs_each - every row; of a unit, the least recent first
 * @fn: returns non-zero to end it; that is returned
 */
int bh_pairs_each(const struct bh_pairs *p, int (*fn)(void *ctx, const struct bh_pair *row),
		  void *ctx);
/* @many: about how many addresses, else 1. */
__u64 bh_pair_addrs(const struct bh_pair *row);

/* Since when it knows, wall time; 0: it knows nothing. */
__s64 bh_pairs_first_ms(const struct bh_pairs *p);
struct bh_pairs_count bh_pairs_count(const struct bh_pairs *p);

/* "/system.slice/x.service/sub" is /system.slice/x.service, as the map's `unit` sees it. */
#define BH_PAIRS_UNIT 1024
const char *bh_pairs_unit(const char *cgroup, char ret[BH_PAIRS_UNIT]);

#endif
