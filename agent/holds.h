/* SPDX-License-Identifier: Apache-2.0 */
/*
 * holds.h - what holds for a while under whatever map: who is in quarantine, and what was
 * granted. Kept in <state-dir>/holds: a quarantine outlives a reboot, a grant does not. In the
 * kernel they stand beside the policy's tables (agent/kern/hold.c) and end there by themselves.
 */
#ifndef BH_HOLDS_H
#define BH_HOLDS_H

#include <jansson.h>
#include "agent.h"
#include "policy/port.h"

enum bh_hold_kind { BH_HOLD_SEGMENT, BH_HOLD_UNIT, BH_HOLD_ADDRESS };

/* What both have in common. The strings are malloced. */
struct bh_hold_note {
	char *reason, *by;
	int64_t at_ms, until_ms; /* wall time, for people and for after a reboot; 0 = no end */
	__u64 until_ns;		 /* boot time; 0 = no end */
};

struct bh_hold {
	enum bh_hold_kind kind;
	char *who;  /* as it was said; also its name in the file */
	bool hard;  /* failsafes do not hold either */
	__u32 slot; /* in the kernel's table: stays his, as units and cgroups point there */
	struct bh_cidr cidr;
	struct bh_hold_note note;
};

/* @rule, or @from, @to and @port. */
struct bh_granted {
	unsigned int id;
	char *rule;
	char *from, *to, *port, *user;
	__u32 uid;
	struct bh_hold_note note;
};

struct bh_holds {
	struct bh_hold *hold;
	size_t n_hold;
	struct bh_granted *granted;
	size_t n_granted;
	unsigned int last_id;
	bool unsaved; /* the disk does not know of the last change yet */
	bool lost;    /* the file can't be read: who is in quarantine stays there, whoever it is */
	sd_event_source *end; /* of what ends next */
};

struct bh_holds *bh_holds_new(void);
void bh_holds_free(struct bh_holds *h);

/*
 * What the disk says. Return: 0 or -errno (see @d): then the lists are empty, and the quarantines
 * that the kernel has stay there until `release all`.
 */
int bh_holds_load(struct bh_agent *a, struct bh_diags *d);

/*
 * To the kernel, with the names and numbers of @l: the live map, or the one that is about to be;
 * then, and while a trial runs, those of what is enforced or may be again count as well. So it is
 * called once more when a commit has come or failed. Return: 0 or -errno (see @d).
 */
int bh_holds_push(struct bh_agent *a, const struct bh_live *l, struct bh_diags *d);

/*
 * After a change of the lists: to the disk, to the kernel, and cut what is closed now.
 * Return: 0 or -errno (see @d). *ret_cut: connections.
 */
int bh_holds_changed(struct bh_agent *a, int *ret_cut, struct bh_diags *d);

/* Once a second: what could not be written. */
void bh_holds_save_again(struct bh_agent *a);

/* Set the clock for what ends next. */
int bh_holds_watch(struct bh_agent *a);

/* --- the lists: entries are taken over, whatever is returned ---------------------------------- */

void bh_hold_clear(struct bh_hold *h);
void bh_granted_clear(struct bh_granted *g);
/* One that has this name already is replaced. Return: 0, -ENOMEM, -E2BIG. */
int bh_holds_add(struct bh_holds *h, struct bh_hold *hold);
/* Return: 0, -ENOENT. */
int bh_holds_remove(struct bh_holds *h, const char *who);
int bh_granted_add(struct bh_holds *h, struct bh_granted *granted);
int bh_granted_remove(struct bh_holds *h, unsigned int id);

/* holdfile.c: the lists as JSON, and back. */
json_t *bh_holds_json(const struct bh_holds *h);
int bh_holds_of_json(const json_t *j, struct bh_holds *ret);

#endif
