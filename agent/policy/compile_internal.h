/* SPDX-License-Identifier: Apache-2.0 */
/* compile_internal.h - what the files of the compiler share. Nobody else includes it. */
#ifndef BH_COMPILE_INTERNAL_H
#define BH_COMPILE_INTERNAL_H

#include <errno.h>
#include <string.h>
#include "cidr.h"
#include "internal.h"
#include "numbers.h"

/* --- small growing arrays ------------------------------------------------------------------ */

struct bh_u32s {
	__u32 *v;
	size_t n, room;
};

int bh_u32s_add(struct bh_u32s *s, __u32 value);
/* Ascending, each once. */
void bh_u32s_sort(struct bh_u32s *s);
void bh_u32s_free(struct bh_u32s *s);
#define _cleanup_u32s_ _cleanup_(bh_u32s_free)

/* Room for one more behind @n elements of @size bytes. Return: 0, -ENOMEM. */
int bh_room_for_one(void *array, size_t *room, size_t n, size_t size);

/* --- the compiler's state ------------------------------------------------------------------- */

/* Which segment or rule needs most of a table. */
struct bh_most {
	const char *word; /* "segment" or "rule" */
	const char *name;
	struct bh_pos pos;
	__u64 n;
};

struct bh_class;

struct bh_compiler {
	const struct bh_map *map;
	struct bh_numbers *numbers;
	const struct bh_users *users;
	const struct bh_limits *limits;
	struct bh_instant now;
	struct bh_diags *d;
	struct bh_compiled *out;
	bool too_big; /* a table did not fit; its error is in @d */

	__u32 *rule_number; /* by index in bh_map.rule */
	__u8 *unit_bit;	    /* by index in bh_map.rule: the failsafe's bit */

	/* compile_addr.c: cidrs of the map, and classes of what nests in what */
	bool *named;		 /* by index in bh_map.segment: a deny rule names it */
	struct bh_class **class; /* by number - BH_CLASS_FIRST */
	__u32 n_class;
	void *class_tree;
	struct bh_member *member; /* sorted by id, class */
	size_t n_member;
	struct bh_cidr *failsafe; /* every failsafe's, sorted, each once */
	size_t n_failsafe;
};

/* An identity or a failsafe's prefix, and a class that is inside it. */
struct bh_member {
	__u32 id; /* identity, or BH_FAILSAFE_ID | index in bh_compiler.failsafe */
	__u32 class;
	bool own; /* @id is the identity of the addresses in @class */
};

#define BH_FAILSAFE_ID 0x80000000u

/* --- compile_segs.c: numbers, flags, defaults, `listen:` -------------------------------------- */

int bh_compile_numbers(struct bh_compiler *c);
int bh_compile_segs(struct bh_compiler *c);
int bh_compile_reserve(struct bh_compiler *c);

/* --- compile_addr.c, compile_class.c ----------------------------------------------------------- */

int bh_compile_addrs(struct bh_compiler *c);
/* The class of addresses of @identity that also lie inside @inside (sorted, each once). */
int bh_class_get(struct bh_compiler *c, __u32 identity, const struct bh_u32s *inside, __u32 *ret);
int bh_classes_index(struct bh_compiler *c);
void bh_classes_free(struct bh_compiler *c);
/* Adds what remote ends of @identity are looked up as; @inside: also what lies inside it. */
int bh_classes_of(const struct bh_compiler *c, __u32 identity, bool inside, struct bh_u32s *ret);
/* Adds the classes inside a failsafe's prefix. */
int bh_classes_in_cidr(const struct bh_compiler *c, const struct bh_cidr *cidr,
		       struct bh_u32s *ret);

/* --- compile_ports.c: ranges as port prefixes -------------------------------------------------- */

struct bh_port_prefix {
	__u16 port;
	__u8 plen;
	__u8 proto;
};

struct bh_port_prefixes {
	struct bh_port_prefix *v;
	size_t n, room;
};

/* Sorted, none inside a range that another one made. Return: 0, -ENOMEM. */
int bh_ports_split(const struct bh_ports *ports, struct bh_port_prefixes *ret);
void bh_port_prefixes_free(struct bh_port_prefixes *p);
#define _cleanup_prefixes_ _cleanup_(bh_port_prefixes_free)

/* --- compile_rules.c: rules to cells; compile_policy.c: cells to the table ---------------------- */

int bh_compile_rules(struct bh_compiler *c);

/* An entry before the rules that meet on its key are settled. */
struct bh_cell {
	struct bh_pol_key key;
	__u32 rank; /* index in bh_ranks.by_rank: who decides first on one key */
};

/* Per rule: what its entries carry. */
struct bh_ranked {
	__u32 rank;
	size_t source; /* index in bh_map.rule */
	struct bh_pol_val val;
	__u64 until_ns; /* ~0: for ever */
	bool conditional, observe;
	__u32 flags; /* enum bh_rule_flags */
};

/* Sorts @cell and moves what is left of it to c->out. @by_rank: by bh_cell.rank. */
int bh_compile_policy(struct bh_compiler *c, struct bh_cell *cell, size_t n,
		      const struct bh_ranked *by_rank);

/* --- compile_names.c ----------------------------------------------------------------------------- */

int bh_compile_names(struct bh_compiler *c);

/* --- compile_limits.c ----------------------------------------------------------------------------- */

/*
 * Says that table @what needs @needs entries where there is room for @room, if so.
 * The compiler goes on where it can, to tell all of them. Return: whether it fits.
 */
bool bh_limit_check(struct bh_compiler *c, const char *what, __u64 needs, __u64 room,
		    const struct bh_most *most);
/* Keeps the one that needs more. */
void bh_most_note(struct bh_most *most, const struct bh_most *other);

#endif
