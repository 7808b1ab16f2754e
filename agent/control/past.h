/* SPDX-License-Identifier: Apache-2.0 */
/*
 * past.h - the history (history.h) in the hands of the agent: what is live is noted, and found
 * again. The notes are taken by verb_apply.c, verb_mode.c, commit.c and agent.c after a publish;
 * the questions are those of the verbs history, rollback and get.
 */
#ifndef BH_PAST_H
#define BH_PAST_H

#include "control.h"
#include "history.h"

/* At start: what is there. Return: 0, -ENOMEM. */
int bh_past_open(struct bh_agent *a, struct bh_diags *d);
/* At start: a generation that has no record yet, because the agent made it or was killed. */
void bh_past_catch_up(struct bh_agent *a);

struct bh_past_note {
	enum bh_how how;
	__u64 of;	/* rollback: to which generation */
	const char *by; /* NULL: nobody did it */
};

/* The live map is enforced since now. What goes wrong is a warning, in @d or (NULL) in the log. */
void bh_past_note(struct bh_agent *a, const struct bh_past_note *note, struct bh_diags *d);

/* The generation whose map is enforced, 0: none is. */
__u64 bh_past_live(const struct bh_agent *a);
/* Whether this is the text of the map that the agent has live. */
bool bh_past_is_live(const struct bh_agent *a, const struct bh_record *r);

/* {generation,state,how,of,applied_at,applied_by,file,name,mode,...}, see proto.h. NULL: no memory. */
json_t *bh_past_row(const struct bh_agent *a, const struct bh_record *r);
/* The same of what is live; it may have no record. */
json_t *bh_past_live_row(const struct bh_agent *a);

/* The record of @gen. NULL: there is none, and @reply says which there are. */
const struct bh_record *bh_past_find(const struct bh_agent *a, __u64 gen, struct bh_reply *reply);

#endif
