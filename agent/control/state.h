/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state.h - what the agent keeps over a reboot, in <state-dir>:
 *
 *	state      the last good map, where it came from, the numbers, the mode cap
 *	*.old      the one before it
 *	unconfirmed  a map that is tried out; `state` is what it falls back to
 *	enforced   the marker: this host has enforced, up to that generation, and the
 *	           failsafes that hold when no map can be read. Never older than state.
 *
 * Both are written before a generation is published. Called by commit.c and restore.c.
 */
#ifndef BH_STATE_H
#define BH_STATE_H

#include "../policy/compile.h"

struct bh_state {
	__u64 generation;
	char *map; /* NULL: there was none yet */
	size_t map_bytes;
	char *file, *by; /* see struct bh_origin; may be NULL */
	int64_t at_ms;
	struct bh_numbers *numbers;
	char basis[65]; /* bh_compiled_digest() of what was published */
	bool cap_observe;
	bool detached;
};

/*
 * Over every table but the deadlines: tells whether another agent, or other users, would make
 * the same of a map.
 */
void bh_compiled_digest(const struct bh_compiled *c, char ret[65]);

void bh_state_clear(struct bh_state *s);

/* Return: 0 or -errno (see @d); on error the old state is still there. */
int bh_state_save(const char *dir, const struct bh_state *s, struct bh_diags *d);
/* What was there before the last save is there again: for a commit that went no further. */
void bh_state_undo(const char *dir);
void bh_marker_undo(const char *dir);

/**
 * bh_state_load - what was saved
 * @floor: generation of the marker, and of what the kernel enforces: older is refused
 *
 * Return: 0, -ENOENT (never saved; nothing in @d), else see @d: -ESTALE (older than @floor),
 * -EBADMSG, -EPROTONOSUPPORT, -errno.
 */
int bh_state_load(const char *dir, __u64 floor, struct bh_diags *d, struct bh_state *ret);

/* Is it new enough? Return: 0, -ESTALE (see @d). */
int bh_state_check(const char *dir, const struct bh_state *s, __u64 floor, struct bh_diags *d);

/*
 * Enforcement was ended on purpose: the map stays on disk, a start does not put it on, and the
 * marker goes. Return: 0 or -errno.
 */
int bh_state_set_detached(const char *dir);

/*
 * The kernel went back to generation @was and calls it @gen now: the map that was kept of it is
 * the last good one again. Return: 0, -ENOENT, -errno (see @d).
 */
int bh_state_went_back(const char *dir, __u64 was, __u64 gen, struct bh_diags *d);

/* A map that is tried out, the generation it falls back to, and since when (boot time). */
struct bh_unconfirmed {
	struct bh_state s;
	__u64 back;
	__u64 began_ns;
};

void bh_unconfirmed_clear(struct bh_unconfirmed *u);
/* Return: 0 or -errno (see @d). */
int bh_unconfirmed_save(const char *dir, const struct bh_unconfirmed *u, struct bh_diags *d);
/* Return: 0, -ENOENT (there is none; nothing in @d), -errno (see @d). */
int bh_unconfirmed_load(const char *dir, struct bh_diags *d, struct bh_unconfirmed *ret);
void bh_unconfirmed_forget(const char *dir);

struct bh_marker {
	__u64 generation;
	char *failsafes; /* a segment map with nothing but failsafes */
	__u64 emergency; /* the generation in which they alone hold; 0 = none */
};

void bh_marker_clear(struct bh_marker *m);
int bh_marker_save(const char *dir, const struct bh_marker *m, struct bh_diags *d);
/* Return: 0, -ENOENT (never enforced), else see @d: it did, but the marker is damaged. */
int bh_marker_load(const char *dir, struct bh_diags *d, struct bh_marker *ret);
#endif
