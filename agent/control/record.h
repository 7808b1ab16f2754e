/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record.h - what a record of the audit log says: a verb that changed something (or should have),
 * or what the agent did by itself. One function each; audit.h makes it a line.
 *
 *	seq prev time .. hash          see chain.h
 *	by                             the user, or "agent"
 *	verb args ok error reason      what was asked and what came of it; a map is told by its digest
 *	event                          of the agent: begin, mismatch, restore, failsafes, users, hooks,
 *	                               handover, revert, release, revoke
 *	generation map{name,sha256}    what is enforced from then on
 *	counts{added,removed,changed,cut,hooks}  as far as it has any
 *	uid loginuid pid tty cgroup segment      the caller; loginuid null: nobody logged in
 */
#ifndef BH_RECORD_H
#define BH_RECORD_H

#include "control.h"

#define BH_REASON_BYTES 1024 /* of the argument "reason", which every verb that changes takes */

/* Hold the log against its heads, and let the kernel side and the journal know of each to come. */
void bh_record_open(struct bh_agent *a);

/* The last head that the kernel keeps; seq 0: none. */
struct bh_chain_head;
void bh_record_pinned(struct bh_agent *a, struct bh_chain_head *ret);

/* A verb has run. That it can't be logged becomes a warning of @reply. */
void bh_record_verb(struct bh_agent *a, const struct bh_verb *verb, const json_t *args,
		    const struct bh_caller *c, struct bh_reply *reply);

/*
 * The agent changed something. @more: keys to add to the record; stolen, may be NULL.
 * That it can't be logged is said in the log and by `status`.
 */
void bh_record_agent(struct bh_agent *a, const char *event, json_t *more);

/*
 * `bulkheadd rescue ACTION`, by the person who runs this process; not beside an agent, whose log it
 * is. @k: what was opened for it, also if its pins are gone by now. Return: 0 or -errno.
 */
int bh_record_rescue(const struct bh_agent_opts *opts, struct bh_kern *k, const char *action,
		     __u64 generation);

#endif
