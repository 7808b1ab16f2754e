/* SPDX-License-Identifier: Apache-2.0 */
/* parts.h - pieces of answers that more than one verb gives. */
#ifndef BH_PARTS_H
#define BH_PARTS_H

#include <errno.h>
#include "control.h"
#include "../holds.h"
#include "../policy/diff.h"

/* [{name, works, effect}]; NULL: no memory. */
json_t *bh_json_features(const struct bh_agent *a);
/* [{what, object, detail}] */
json_t *bh_json_changes(const struct bh_changes *c);
/* {policy, addrs, prefixes, rules, names, globs, users}: rows that the map needs */
json_t *bh_json_entries(const struct bh_compiled *c);
/* Who says it and why; @for_s 0 = no end. Return: 0 or -ENOMEM. */
int bh_note_begin(struct bh_agent *a, const struct bh_call *call, const char *reason,
		  json_int_t for_s, struct bh_hold_note *ret);
/* Neither empty nor endless. Return: 0, -EINVAL (it is in the reply). */
int bh_reason_check(const char *reason, struct bh_reply *reply);
/*
 * An address or a prefix as a member of a quarantine; an address alone is a prefix of all its bits.
 * Return: 0, -EINVAL (it is none), -ENOMEM.
 */
int bh_hold_address(const char *who, struct bh_hold *h);
/* Tell when an emergency ends; also at start, where one may be running. */
int bh_emergency_watch(struct bh_agent *a);
/* Once a second: one that `bulkheadd rescue` opened beside us is told and recorded. */
void bh_emergency_look(struct bh_agent *a);
/* {generation, back, ends_at, ends_in_s}: an unconfirmed generation, or null */
json_t *bh_json_trial(const struct bh_agent *a);
/* {sinks, events}: where flows go, and what the kernel side told of them; NULL: no memory */
json_t *bh_json_telemetry(const struct bh_agent *a);
/* "observe" or "none" */
const char *bh_mode_cap(const struct bh_agent *a);

/* What changes from the live map to @new, into @reply's data as "changes". 0 or -ENOMEM. */
int bh_reply_changes(struct bh_reply *reply, const struct bh_map *old, const struct bh_map *new,
		     size_t *ret_n);

#endif
