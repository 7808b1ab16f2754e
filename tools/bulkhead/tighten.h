/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tighten.h - what of the live map nobody needed: allow rules without use, ports and prefixes wider
 * than their use, each as a change of the map's text. Pure: facts in, proposals out. That none of
 * them denies what was seen is for the caller to try (cmd_tighten.c).
 */
#ifndef BH_TIGHTEN_H
#define BH_TIGHTEN_H

#include "ages.h"
#include "edit.h"
#include "usage.h"

struct bh_tighten_ask {
	const struct bh_map *map;
	const struct bh_ages *ages;
	const struct bh_usage *usage;
	const json_t *pairs;   /* rows */
	const json_t *packets; /* rule -> what it has decided so far */
	int64_t cut_s;	       /* of what was seen from then on */
	const char *since;     /* the same, for evidence */
};

struct bh_proposal {
	struct bh_edit edit;
	json_t *row; /* {rule,segment,line,what,was,would_be,evidence} */
	char *why;   /* a line: "rule web-db: not used since ..." */
	bool removes;
};

struct bh_tightened {
	struct bh_proposal *v;
	size_t n;
	json_t *notes; /* what is not proposed, and why: sentences */
	size_t young;  /* rules and prefixes that are too new */
};

/* Return: 0, -ENOMEM. */
int bh_tighten_make(const struct bh_tighten_ask *ask, struct bh_tightened *ret);
void bh_tightened_clear(struct bh_tightened *t);
#define _cleanup_tightened_ _cleanup_(bh_tightened_clear)

/* --- between the files of it ------------------------------------------------------------------------ */

/* tighten_addrs.c */
int bh_tighten_addrs(const struct bh_tighten_ask *ask, struct bh_tightened *t);
/* Takes @edit. @segment, @would_be: may be NULL. Return: 0, -ENOMEM. */
int bh_tighten_add(struct bh_tightened *t, const struct bh_tighten_ask *ask, const char *rule,
		   const char *segment, int line, const char *what, struct bh_edit *edit,
		   const char *evidence);
int bh_tighten_note(struct bh_tightened *t, const char *fmt, ...) _printf_(2, 3);
/* Is it so old that its use can be told? */
bool bh_tighten_old(const struct bh_tighten_ask *ask, const struct bh_age *age);
/* May it be used without a row in the history? */
bool bh_tighten_unseen(const struct bh_rule_src *rule);
/* Words with their memory. */
struct bh_tighten_words {
	char **v;
	size_t n;
};
int bh_tighten_say(struct bh_tighten_words *w, const char *fmt, ...) _printf_(2, 3);
/* As it is written in the map. */
int bh_tighten_quote(struct bh_tighten_words *w, const struct bh_map *map, struct bh_pos pos);
void bh_tighten_words_clear(struct bh_tighten_words *w);

#endif
