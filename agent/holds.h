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

/* Return: NULL if @l has no such segment. */
const struct bh_segment *bh_live_segment(const struct bh_live *l, const char *name,
					 __u32 *ret_identity);
/* Return: the rule's number, 0 if it is not in @l. */
__u32 bh_live_rule(const struct bh_live *l, const char *id);
/* Bit i: grant @id, said by its ends, is bh_grants[i] under @l. */
__u64 bh_granted_slots(const struct bh_agent *a, const struct bh_live *l, unsigned int id);

/* --- holdset.c: who is in quarantine, with the names and numbers of the maps ------------------- */

/*
 * The maps that count, NULL where there is none. The kernel goes from one to another without us:
 * by the flip of a commit, and by the fall of a trial.
 */
struct bh_hold_maps {
	const struct bh_live *of[3];
};

/* @l: the live map, or the one that is about to be */
struct bh_hold_maps bh_hold_maps(const struct bh_agent *a, const struct bh_live *l);
/* A name has the same number in all of them. Return: NULL if none has it. */
const struct bh_segment *bh_hold_segment(const struct bh_hold_maps *maps, const char *name,
					 __u32 *ret_identity);

struct bh_hold_set {
	struct bh_quarantine slot[BH_QUARANTINE_MAX];
	struct bh_member *member; /* as bh_kern_quarantine() wants them */
	size_t n, room;
};

enum bh_hold_level { BH_HOLD_NONE, BH_HOLD_SOFT, BH_HOLD_HARD };

/* @addr: of a peer elsewhere. @path: the cgroup of a workload of this host. Or neither. */
struct bh_hold_end {
	__u32 identity;
	const char *path;
	const struct bh_addr *addr;
};

void bh_hold_set_clear(struct bh_hold_set *s);
/* @h: those of @a, or as they would be. Return: 0, -ENOMEM: then @ret is empty. */
int bh_hold_set_make(const struct bh_agent *a, const struct bh_holds *h, const struct bh_live *l,
		     struct bh_hold_set *ret);
/* The hardest that it is in, as bh_who_held() of bpf/quarantine.h. */
enum bh_hold_level bh_hold_set_of(const struct bh_hold_set *s, const struct bh_hold_end *end,
				  __u64 now_ns);

/* holdfile.c: the lists as JSON, and back. */
json_t *bh_holds_json(const struct bh_holds *h);
int bh_holds_of_json(const json_t *j, struct bh_holds *ret);

#endif
