/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compile_depth.c - what the datapath has no room for however big the tables are: globs that
 * begin alike, and matches with users that stand over each other. Called by compile_names.c.
 */
#include "compile_names.h"

/* How many globs share a prefix, and how many prefixes the datapath would have to try. */
static void globs_check(struct bh_names *n, const struct bh_place *up)
{
	static const char help[] = "name what they match one by one, or by one glob";

	for (size_t i = 0, alike; i < up->n_child; i += alike) {
		const struct bh_place *glob = up->child[i];
		size_t first, nested = 0;

		alike = 1;
		if (!glob->star)
			continue;
		for (size_t len = 0; len < bh_place_prefix(glob); len++)
			nested += bh_place_globs(up, glob->label, len, &first) > 0;
		if (nested >= BH_GLOB_NESTED)
			bh_report_error(n->c->map, n->c->d, glob->pos, help,
					"more than %d globs begin with each other, up to '" BH_WORD
					"'",
					BH_GLOB_NESTED, glob->label);
		alike = bh_place_globs(up, glob->label, bh_place_prefix(glob), &first);
		if (alike > BH_GLOB_SUFFIXES)
			bh_report_error(n->c->map, n->c->d, glob->pos, help,
					"more than %d globs begin like '" BH_WORD "'%s",
					BH_GLOB_SUFFIXES, glob->label,
					up == &n->units
						? " (a glob of services is one of sockets, too)"
						: "");
	}
}

/* How many matches with users stand over each other once @p is laid over @depth of them. */
static int lay(struct bh_names *n, const struct bh_place *p, int depth)
{
	if (!p)
		return depth;
	if (p->has_seg)
		depth = 0;
	if (!p->n_user)
		return depth;
	if (depth == BH_USER_DEPTH) {
		bh_report_error(n->c->map, n->c->d, p->user[0].pos,
				"give one of the cgroups around it a segment for every user, or "
				"name the users once",
				"more than %d matches with users stand over each other at '" BH_WORD
				"'",
				BH_USER_DEPTH, p->label);
		return 0;
	}
	return depth + 1;
}

/* The deepest that a name which fits @glob may stand, if it is a unit's, too. */
static int lay_units_of(struct bh_names *n, const struct bh_place *glob, int depth)
{
	const struct bh_place *units = &n->units;
	int most = depth;

	for (size_t i = bh_place_slot(units, glob->label, bh_place_prefix(glob));
	     i < units->n_child; i++) {
		const struct bh_place *unit = units->child[i];

		if (strncmp(unit->label, glob->label, bh_place_prefix(glob)) != 0)
			break;
		if (!unit->star && unit->n_user && bh_place_fits(glob, unit->label))
			most = MAX(most, lay(n, unit, depth));
	}
	return most;
}

/*
 * Lays what the datapath lays (enum bh_node in bh_abi.h), in its order. @slices: the cgroup
 * is one, and all above. @ret_most: the deepest that a unit may stand on. Slices that are
 * matched as units may nest in any way, which is not counted: there the datapath closes.
 */
static void users_check(struct bh_names *n, const struct bh_place *up, bool slices, int depth,
			int *ret_most)
{
	globs_check(n, up);
	if (slices)
		*ret_most = MAX(*ret_most, depth);
	for (size_t i = 0; i < up->n_child; i++) {
		const struct bh_place *child = up->child[i];
		int below = depth;

		if (slices && !child->star)
			below = lay(n, bh_place_glob(&n->units, child->label), below);
		if (!child->star)
			below = lay(n, bh_place_glob(up, child->label), below);
		if (slices && !child->star)
			below = lay(n, bh_place_exact(&n->units, child->label), below);
		below = lay(n, child, below);
		if (slices && child->star)
			below = lay_units_of(n, child, below);
		users_check(n, child, slices && bh_place_is_slice(child), below, ret_most);
	}
}

int bh_places_check(struct bh_names *n)
{
	size_t errors = n->c->d->n_errors;
	int most = 0;

	users_check(n, &n->paths, true, lay(n, &n->paths, 0), &most);
	globs_check(n, &n->units);
	for (size_t i = 0; i < n->units.n_child; i++) {
		const struct bh_place *unit = n->units.child[i];
		int depth = most;

		if (!unit->star)
			depth = lay(n, bh_place_glob(&n->units, unit->label), depth);
		(void)lay(n, unit, depth);
	}
	return n->c->d->n_errors > errors ? -EINVAL : 0;
}
