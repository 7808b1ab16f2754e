/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * match.h - from a cgroup's name to what it means in one generation: looks the name up below
 * its parent's node and lays what is found over what the parent means. Used by workload.bpf.c.
 */
#ifndef BH_MATCH_H
#define BH_MATCH_H

#include <bpf/bpf_endian.h>
#include "maps.h"

/**
 * struct bh_child - the cgroup that is on its way to a meaning
 * @cgid:   its id
 * @len:    length of its name; 0 = nothing matches (foreign, or too long)
 * @slices: its parent and all above are slices: unit names match
 * @exact, @glob: the name as the key of both tables. They lie over each other, so that it is
 *          read once; @exact's node is @glob's node_be
 */
struct bh_child {
	__u64 cgid;
	__u32 len;
	__u32 slices;
	union {
		struct {
			__u32 pad;
			struct bh_name_key exact;
		};
		struct bh_glob_key glob;
	};
};
_Static_assert(__builtin_offsetof(struct bh_child, exact.name) ==
		       __builtin_offsetof(struct bh_child, glob.name),
	       "one name for both keys");

/*
 * One for all: there is one writer at a time, see workload.bpf.c. Not an argument, because the
 * verifier of 6.1 takes no pointer that a __global function was given as the key of a map, and
 * not on the stack, where each call of the chain rounds up.
 */
static struct bh_child bh_child;

/* The first fields of struct bh_glob. */
struct bh_suffix {
	char s[BH_GLOB_SUFFIX_MAX];
	__u32 len;
};
_Static_assert(__builtin_offsetof(struct bh_glob, suffix) == 0 &&
		       __builtin_offsetof(struct bh_glob, suffix_len) ==
			       __builtin_offsetof(struct bh_suffix, len),
	       "a glob begins with its suffix");

/* --- names --------------------------------------------------------------------------------------- */

/* @name: kernel memory. A name that does not fit whole leaves the length 0. */
__inline void bh_name_read(const char *name)
{
	struct bh_child *c = &bh_child;
	long n = bpf_probe_read_kernel_str(c->exact.name, sizeof(c->exact.name), name);
	char last = 0;

	/* a longer name is cut without a word: look at where this one should end */
	if (n == BH_NAME_MAX && (bpf_probe_read_kernel(&last, 1, name + BH_NAME_MAX - 1) || last))
		return;
	if (n > 1 && n <= BH_NAME_MAX)
		c->len = n - 1;
}

__global int bh_name_ends(const struct bh_suffix *suffix)
{
	const struct bh_child *c = &bh_child;
	__u32 len, at;

	if (!suffix)
		return 0;
	len = suffix->len;
	at = c->len - len;
	if (len > c->len || len >= BH_GLOB_SUFFIX_MAX)
		return 0;
	for (__u32 i = 0; i < BH_GLOB_SUFFIX_MAX - 1; i++) {
		if (i >= len)
			break;
		if (c->exact.name[(at + i) & (BH_NAME_MAX - 1)] != suffix->s[i])
			return 0;
	}
	return 1;
}

__inline bool bh_name_is_slice(void)
{
	struct bh_suffix slice = {.s = ".slice", .len = sizeof(".slice") - 1};

	return bh_name_ends(&slice);
}

/* --- the tables ---------------------------------------------------------------------------------- */

__inline const struct bh_name_val *bh_exact_find(void *names, __u32 node)
{
	bh_child.exact.node = node;
	return bpf_map_lookup_elem(names, &bh_child.exact);
}

/* The star matches nothing or more, but prefix and suffix are two parts of the name. */
__inline bool bh_glob_fits(const struct bh_glob_val *val, const struct bh_glob *glob)
{
	return bh_child.len >= val->prefix_len + glob->suffix_len &&
	       bh_name_ends((const struct bh_suffix *)glob);
}

/*
 * The trie gives the longest prefix; where the suffixes that go with it don't fit, a shorter
 * prefix may have one that does ("a*c" for "abc", beside "ab*x").
 */
__subprog const struct bh_name_val *bh_glob_find(void *globs, __u32 node)
{
	struct bh_child *c = &bh_child;
	__u32 chars = c->len;

	c->glob.node_be = bpf_htonl(node);
	for (int i = 0; i < BH_GLOB_NESTED; i++) {
		const struct bh_glob_val *val;

		c->glob.prefixlen = 32 + 8 * chars;
		val = bpf_map_lookup_elem(globs, &c->glob);
		if (!val)
			return 0;
		for (__u32 j = 0; j < BH_GLOB_SUFFIXES; j++) {
			if (j >= val->n)
				break;
			if (bh_glob_fits(val, &val->glob[j]))
				return &val->glob[j].val;
		}
		if (!val->prefix_len)
			return 0;
		chars = val->prefix_len - 1;
	}
	return 0;
}

/* --- meanings ------------------------------------------------------------------------------------ */

/* One match more, over what stands already: inherited, or of a weaker match. */
__inline void bh_side_lay(struct bh_cg_side *to, const struct bh_name_val *val)
{
	__u64 cgid = bh_child.cgid;

	if (!val)
		return;
	to->unit_bits |= val->unit_bits;
	if (val->node)
		to->node = val->node;
	if (val->seg) {
		to->seg = val->seg;
		to->anchor = cgid;
		to->n_users = 0;
	}
	if (!val->users)
		return;
	/*
	 * The compiler counts nested matches that name users. Should there be one too many all
	 * the same, its users must not get what the match around it gives everybody.
	 */
	if (to->n_users == BH_USER_DEPTH)
		to->seg = BH_ID_UNASSIGNED;
	else
		to->n_users++;
	to->users[2] = to->users[1];
	to->users[1] = to->users[0];
	to->users[0] = (struct bh_cg_user){.anchor = cgid, .match = val->users};
}
_Static_assert(BH_USER_DEPTH == 3, "bh_side_lay() moves three");

/* What the agent's root means to those below it (in the root itself everybody is `host`). */
__global int bh_side_of_root(struct bh_cg_side *to, __u32 side)
{
	void *names = bpf_map_lookup_elem(&bh_names, &side);

	if (!to)
		return 0;
	to->seg = BH_ID_UNASSIGNED;
	if (names)
		bh_side_lay(to, bh_exact_find(names, BH_NODE_ROOT));
	to->node = BH_NODE_ROOT;
	return 0;
}

/**
 * bh_side_of - what a cgroup means in the generation of one side
 * @to:   all zero
 * @up:   what its parent means there
 * @side: 0 or 1
 */
__global int bh_side_of(struct bh_cg_side *to, const struct bh_cg_side *up, __u32 side)
{
	void *names = bpf_map_lookup_elem(&bh_names, &side);
	void *globs = bpf_map_lookup_elem(&bh_globs, &side);
	__u32 node;

	if (!to || !up)
		return 0;
	node = up->node;
	*to = *up;
	to->node = BH_NODE_NONE;
	/* no tables yet: there never was a generation on this side */
	if (!names || !globs || !bh_child.len)
		return 0;
	if (bh_child.slices)
		bh_side_lay(to, bh_glob_find(globs, BH_NODE_UNIT));
	if (node)
		bh_side_lay(to, bh_glob_find(globs, node));
	if (bh_child.slices)
		bh_side_lay(to, bh_exact_find(names, BH_NODE_UNIT));
	if (node)
		bh_side_lay(to, bh_exact_find(names, node));
	return 0;
}

#endif
