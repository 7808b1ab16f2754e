/* SPDX-License-Identifier: Apache-2.0 */
/* draft_internal.h - what the files of draft.h share. Nobody else includes it. */
#ifndef BH_DRAFT_INTERNAL_H
#define BH_DRAFT_INTERNAL_H

#include "draft.h"

/* Where an address is, as seen from this host. */
enum bh_zone { BH_ZONE_LAN, BH_ZONE_PRIVATE, BH_ZONE_WORLD };

/* One thing that was seen: who spoke with whom. Sorted, and each of them once. */
struct bh_talk {
	enum bh_draft_dir dir;
	size_t seg;   /* whose this is: the server's, or BH_DRAFT_OUT: the client's */
	size_t other; /* BH_DRAFT_LOCAL: the client's; BH_TALK_ALL: every local one */
	__u8 proto;
	__u16 port;
	enum bh_zone zone; /* of @addr; not with BH_DRAFT_LOCAL */
	struct bh_addr addr;
};
#define BH_TALK_ALL ((size_t)-2)

/* The talks that differ in the address only: one rule, or a part of one. */
struct bh_conv {
	size_t from, to; /* indexes of talks */
	bool general;	 /* not these addresses but the whole zone */
};

/* Who listens where. Sorted, and each of them once. */
struct bh_ear {
	size_t seg;
	__u8 proto;
	__u16 port;
	bool wire; /* not on a loopback address only */
};

struct bh_drafting {
	struct bh_seen *s;
	struct bh_draft *d;
	size_t *seg_of; /* by index of a socket; BH_DRAFT_WORLD: not known */
	struct bh_talk *talk;
	size_t n_talk;
	struct bh_ear *ear;
	size_t n_ear;
	struct bh_conv *conv;
	size_t n_conv;
	size_t first_class, n_class; /* segments of addresses that are named one by one */
	bool *speaks;		     /* by class, by conversation */
};

int bh_draft_note(struct bh_draft *d, const char *fmt, ...) _printf_(2, 3);
enum bh_zone bh_zone_of(const struct bh_seen *s, const struct bh_addr *a);
bool bh_addr_is_link(const struct bh_addr *a);
/* Makes @name unlike every other segment's. */
void bh_draft_seg_unique(struct bh_draft *d, size_t seg);
const char *bh_draft_proto(__u8 proto);
char bh_draft_known(const struct bh_spot *spot);

/* draft_look.c: the sockets to segments, talks and ears. */
int bh_draft_look(struct bh_drafting *w);
/* draft_addrs.c: the talks to conversations, and the addresses to segments. */
int bh_draft_addrs(struct bh_drafting *w);
/* draft_rules.c: the conversations to rules, and the failsafe. */
int bh_draft_rules(struct bh_drafting *w);
int bh_draft_failsafe(struct bh_drafting *w);

#endif
