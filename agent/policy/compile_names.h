/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compile_names.h - the names of the map as two trees of path components: units, and paths
 * from the agent's root. Made by compile_names.c, completed by compile_places.c, written to
 * the tables by compile_nametab.c. Nobody else includes it.
 */
#ifndef BH_COMPILE_NAMES_H
#define BH_COMPILE_NAMES_H

#include "compile_internal.h"

/* Who says that something is whose; the weaker never overrides the stronger. */
enum bh_claim_rank {
	BH_CLAIM_NONE,
	BH_CLAIM_TEMPLATE, /* foo@.service also means foo.socket */
	BH_CLAIM_SERVICE,  /* foo.service also means foo.socket */
	BH_CLAIM_NAMED,
};

struct bh_claim {
	__u32 uid;  /* of struct bh_place.user only */
	size_t seg; /* index in bh_map.segment */
	struct bh_pos pos;
};

/* A component of a path, or a unit. */
struct bh_place {
	const char *label;
	const char *star;	 /* in @label; NULL = an exact name */
	struct bh_place **child; /* sorted by label */
	size_t n_child, room_child, n_glob;
	enum bh_claim_rank rank; /* of the claims */
	bool has_seg;
	struct bh_claim seg;   /* for every user */
	struct bh_claim *user; /* sorted by uid once all are in */
	size_t n_user, room_user;
	__u32 unit_bits;
	struct bh_pos pos; /* where it is named first */
	__u32 node;	   /* BH_NODE_NONE: nothing below */
};

struct bh_names {
	struct bh_compiler *c;
	struct bh_arena arena;
	struct bh_place units, paths;
	size_t n_places, max_places;
};

/* --- compile_wants.c ------------------------------------------------------------------------------ */

/* One name that the map mentions, and what it shall mean. */
struct bh_want {
	const char *name;
	bool unit;
	bool bits_only; /* a failsafe's `unit` */
	bool has_users;
	size_t seg;
	size_t users; /* index in wants.users */
	__u32 bit;
	struct bh_pos pos;
};

struct bh_wants {
	struct bh_want *v;
	size_t n, room;
	struct bh_u32s *users; /* one per match that names users */
	size_t n_users, room_users;
};

/* All of them, and the bits of failsafes. */
int bh_wants_gather(struct bh_compiler *c, struct bh_wants *ret);
void bh_wants_clear(struct bh_wants *w);

/* --- compile_places.c ----------------------------------------------------------------------------- */

/* The child @label of @up, made if there is none. Return: 0, -E2BIG (too many), -ENOMEM. */
int bh_place_child(struct bh_names *n, struct bh_place *up, const char *label, size_t len,
		   struct bh_place **ret);
int bh_place_add_user(struct bh_names *n, struct bh_place *at, const struct bh_claim *claim);

/* Where @label is or belongs among the children. */
size_t bh_place_slot(const struct bh_place *up, const char *label, size_t len);
/* The child of this label; of this label if it is an exact name. NULL if there is none. */
struct bh_place *bh_place_find(const struct bh_place *up, const char *label);
struct bh_place *bh_place_exact(const struct bh_place *up, const char *label);
/* The glob child of @up that the datapath would find for exact name @label; NULL if none. */
struct bh_place *bh_place_glob(const struct bh_place *up, const char *label);
/* The globs of @up whose prefix is the first @len characters of @text. Return: how many. */
size_t bh_place_globs(const struct bh_place *up, const char *text, size_t len, size_t *ret_first);

/* Of a glob: characters before its '*', and whether an exact name fits it. */
size_t bh_place_prefix(const struct bh_place *glob);
bool bh_place_fits(const struct bh_place *glob, const char *label);
bool bh_place_is_slice(const struct bh_place *p);

/* --- compile_unfold.c ----------------------------------------------------------------------------- */

/* A path to a unit that is matched by its name, too, gets the users of both. */
int bh_places_join(struct bh_names *n);
/* Exact names get what stands below the globs that they fit; globs get each other's bits. */
int bh_places_unfold(struct bh_names *n);

/* --- compile_depth.c ------------------------------------------------------------------------------ */

/* Return: 0, or -EINVAL with what there is too much of. */
int bh_places_check(struct bh_names *n);

/* --- compile_users.c ------------------------------------------------------------------------------ */

static inline bool bh_match_has_users(const struct bh_match *m)
{
	return m->user.n || m->group.n;
}

/* The uids that @m names, ascending. Unknown names are warned about and match nobody. */
int bh_match_users(struct bh_compiler *c, const struct bh_match *m, struct bh_u32s *ret);

/* --- compile_nametab.c ----------------------------------------------------------------------------- */

int bh_names_emit(struct bh_names *n);

#endif
