/* SPDX-License-Identifier: Apache-2.0 */
/* suggest_internal.h - what the files of suggest.h share. Nobody else includes it. */
#ifndef BH_SUGGEST_INTERNAL_H
#define BH_SUGGEST_INTERNAL_H

#include "draft_internal.h"
#include "suggest.h"

/* One pair that was seen, and whose it is. */
struct bh_said {
	enum bh_draft_dir dir;
	size_t seg;   /* whose this is: the server's, or BH_DRAFT_OUT: the client's */
	size_t other; /* BH_DRAFT_LOCAL: the client's */
	__u16 proto, port;
	bool posture; /* the rule that allowed it requires one */
	bool many;    /* all of @remote */
	bool silent;  /* nothing was sent either way, as far as was told */
	struct bh_addr addr;
	const char *remote; /* segment of the live map, or "world" */
	__u64 times;
	const char *first, *last;
};

/* Those that differ in the address only: a rule. */
struct bh_saying {
	size_t from, to;
	size_t class_from, class_to; /* indexes of struct bh_speaks */
};

/* A class of addresses has part in a saying. Sorted. */
struct bh_speaks {
	size_t saying, class;
};

/* A segment of the draft, and what else is known of it. */
struct bh_home {
	const struct bh_segment *kept; /* of the live map */
	const char *remote;	       /* addresses: the segment that they are in now */
	bool whole;		       /* all of that one */
};

struct bh_suggesting {
	const struct bh_suggest_ask *ask;
	struct bh_draft d;
	struct bh_home *home; /* by segment of @d */
	size_t n_home;
	struct bh_said *said;
	size_t n_said;
	struct bh_saying *saying;
	size_t n_saying;
	size_t first_class, n_class;
	struct bh_speaks *speaks;
	size_t n_speaks;
	json_t *names; /* taken; and the number that was last given to one like it */
};

/* A new segment of @w->d with a name that nobody has. Return: its index, BH_DRAFT_WORLD: no memory. */
size_t bh_suggest_seg(struct bh_suggesting *w, const char *name, const struct bh_spot *spot,
		      const struct bh_home *home);

/* suggest_rows.c: rows to segments of workloads and what they said. */
int bh_suggest_rows(struct bh_suggesting *w);
/* suggest_addrs.c: addresses to segments. */
int bh_suggest_addrs(struct bh_suggesting *w);
/* suggest_rules.c */
int bh_suggest_rules(struct bh_suggesting *w);
/* suggest_text.c */
int bh_suggest_text(const struct bh_suggesting *w, char **ret, size_t *ret_len);

#endif
