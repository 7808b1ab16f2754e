/* SPDX-License-Identifier: Apache-2.0 */
/*
 * history.h - the maps that were enforced here, in <state-dir>/history:
 *
 *	41             what is known of generation 41 (sealed, see seal.h)
 *	SHA256.yaml    a text, as it was applied, by its digest: one that was enforced ten times
 *	               is kept once
 *
 * A generation gets here after it was published. Nothing that is enforced rests on it: what is
 * damaged is told and left out. The store is called by past.c, which knows the agent; by the
 * verbs history, rollback and get.
 */
#ifndef BH_HISTORY_H
#define BH_HISTORY_H

#include "../policy/model.h"
#include "seal.h"

/* How a generation came about. */
enum bh_how {
	BH_HOW_APPLY,
	BH_HOW_ROLLBACK,
	BH_HOW_USERS, /* the users of the map changed */
	BH_HOW_MODE,  /* `bulkhead mode` */
	BH_HOW_START, /* the agent put it on when it started */
	BH_HOW_CLOCK, /* the wall clock was set, and the map has rules that end by it */
};

enum bh_confirm_state { BH_CONFIRMED, BH_UNCONFIRMED, BH_REVERTED };

/* A number beyond this is nobody's generation. */
#define BH_HISTORY_MAX_GEN (1ull << 62)

struct bh_record {
	__u64 generation;
	char sha256[BH_SHA256_TEXT]; /* of the text */
	size_t bytes;		     /* of the text */
	char *file, *by;	     /* see struct bh_origin; NULL: not known, nobody */
	char *name;		     /* the map's */
	int64_t at_ms;
	enum bh_mode mode; /* the map's */
	bool capped;	   /* `bulkhead mode observe` was on */
	size_t segments, rules, entries;
	enum bh_how how;
	__u64 of; /* rollback: to which generation */
	enum bh_confirm_state state;
	bool damaged; /* only the number is known */
	bool lost;    /* its text is missing or damaged */
};

void bh_record_clear(struct bh_record *r);
const char *bh_how_name(enum bh_how how);
const char *bh_confirm_state_name(enum bh_confirm_state state);
/* The body of its file, and back. NULL: no memory. -EBADMSG: the agent does not write this. */
json_t *bh_record_to_json(const struct bh_record *r);
int bh_record_from_json(const json_t *body, struct bh_record *ret);

/* More than this: the oldest go. The newest one stays in any case. */
struct bh_history_caps {
	size_t maps;	/* different texts */
	size_t bytes;	/* of these texts */
	size_t records; /* generations: the same text may come again and again */
};
extern const struct bh_history_caps bh_history_caps_default; /* 64, 64 MiB, 512 */

struct bh_history;

/**
 * bh_history_open - what is there
 * @d: warnings about what is damaged
 *
 * A directory that can't be read is an empty history. Return: 0, -ENOMEM.
 */
int bh_history_open(const char *state_dir, const struct bh_history_caps *caps, struct bh_diags *d,
		    struct bh_history **ret);
void bh_history_close(struct bh_history *h);

/**
 * bh_history_add - note a generation
 * @r: copied; .bytes and .sha256 are those of @text
 *
 * Text first, then the record: after a crash at any call it is there, whole, or is not. Return:
 * 0 or -errno, with a warning in @d.
 */
int bh_history_add(struct bh_history *h, const struct bh_record *r, const char *text,
		   struct bh_diags *d);
/* What became of a generation that was not confirmed yet. Return: 0, -ENOENT, -errno (see @d). */
int bh_history_mark(struct bh_history *h, __u64 gen, enum bh_confirm_state state,
		    struct bh_diags *d);

/* All of them, also the damaged ones, oldest first; until the next add or mark. @h may be NULL. */
const struct bh_record *bh_history_list(const struct bh_history *h, size_t *ret_n);
/* The highest number that has a record; 0: none. */
__u64 bh_history_newest(const struct bh_history *h);
/* NULL: not in it, or damaged. */
const struct bh_record *bh_history_find(const struct bh_history *h, __u64 gen);
/*
 * The generation to go back to from @gen, which has the text @sha256: the last one before it
 * with another text. A rollback stands where it went back to, so the next one goes further
 * back; a reverted generation is nothing to go back to. NULL: there is none.
 */
const struct bh_record *bh_history_before(const struct bh_history *h, __u64 gen,
					  const char *sha256);
/* The text of generation @gen. Return: 0, -ENOENT, -errno (see @d). */
int bh_history_text(struct bh_history *h, __u64 gen, struct bh_diags *d, char **ret,
		    size_t *ret_bytes);

#endif
