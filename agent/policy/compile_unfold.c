/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compile_unfold.c - the datapath follows one path through the trees of names and takes one
 * glob: what else a name fits is written here into what it will find. Called by
 * compile_names.c once every claim stands.
 */
#include "compile_names.h"

/* --- one place, two names ------------------------------------------------------------------------- */

static bool can_be_slice(const struct bh_place *p)
{
	static const char slice[] = ".slice";
	size_t len;

	if (!p->star)
		return bh_place_is_slice(p);
	len = strlen(p->star + 1);
	return len < strlen(slice) ? !strcmp(p->star + 1, slice + strlen(slice) - len)
				   : !strcmp(p->star + 1 + len - strlen(slice), slice);
}

/* A path with its '*' further up, and a unit by its name: an exact name should win, but can't. */
static int one_cgroup_error(struct bh_names *n, const struct bh_place *path,
			    const struct bh_place *unit)
{
	bool same = path->has_seg && unit->has_seg && path->seg.seg == unit->seg.seg &&
		    !path->n_user && !unit->n_user;
	char help[BH_HELP_MAX];

	if (same)
		return 0;
	bh_report_error(n->c->map, n->c->d, path->pos,
			bh_help(help, "name the path without '*', or not the unit (line %d)",
				unit->pos.line),
			"unit '" BH_WORD "' may be a cgroup that this path fits, too", unit->label);
	return -EINVAL;
}

/*
 * The datapath lays a path over the unit of that name, users and all. Where the map names one
 * cgroup both ways, these are two matches of one place: a user beats none in either.
 */
static int units_join(struct bh_names *n, struct bh_place *up, bool below_glob)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < up->n_child; i++) {
		struct bh_place *path = up->child[i];
		const struct bh_place *unit = bh_place_find(&n->units, path->label);
		bool both = unit && unit->rank == BH_CLAIM_NAMED && path->rank == BH_CLAIM_NAMED;

		if (both && below_glob)
			r = one_cgroup_error(n, path, unit);
		for (size_t j = 0; both && r == 0 && j < unit->n_user; j++)
			r = bh_place_add_user(n, path, &unit->user[j]);
		if (r == 0 && can_be_slice(path))
			r = units_join(n, path, below_glob || path->star);
	}
	return r;
}

int bh_places_join(struct bh_names *n)
{
	return units_join(n, &n->paths, false);
}

/* --- globs above exact names ------------------------------------------------------------------------ */

static const struct bh_claim *user_claim(const struct bh_place *at, __u32 uid)
{
	size_t low = 0, high = at->n_user;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (at->user[mid].uid < uid)
			low = mid + 1;
		else
			high = mid;
	}
	return low < at->n_user && at->user[low].uid == uid ? &at->user[low] : NULL;
}

static int claim_cmp(const void *a, const void *b)
{
	const struct bh_claim *x = a, *y = b;

	return (x->uid > y->uid) - (x->uid < y->uid);
}

/* What @to does not say itself, @from says. */
static int claims_inherit(struct bh_names *n, struct bh_place *to, const struct bh_place *from)
{
	size_t own = to->n_user;

	to->unit_bits |= from->unit_bits;
	if (to->has_seg)
		return 0;
	to->has_seg = from->has_seg;
	to->seg = from->seg;
	for (size_t i = 0; i < from->n_user; i++) {
		struct bh_place known = {.user = to->user, .n_user = own};
		int r = user_claim(&known, from->user[i].uid)
				? 0
				: bh_place_add_user(n, to, &from->user[i]);

		if (r < 0)
			return r;
	}
	if (to->n_user > own)
		qsort(to->user, to->n_user, sizeof(*to->user), claim_cmp);
	return 0;
}

/* Everything below @from also below @to. */
static int graft(struct bh_names *n, struct bh_place *to, const struct bh_place *from)
{
	for (size_t i = 0; i < from->n_child; i++) {
		const struct bh_place *child = from->child[i];
		struct bh_place *mine;
		int r = bh_place_child(n, to, child->label, strlen(child->label), &mine);

		if (r == 0)
			r = claims_inherit(n, mine, child);
		if (r == 0)
			r = graft(n, mine, child);
		if (r < 0)
			return r;
	}
	return 0;
}

static int unfold(struct bh_names *n, struct bh_place *up)
{
	int r = 0;

	for (size_t i = 0; r == 0 && up->n_glob && i < up->n_child; i++) {
		const struct bh_place *glob = up->child[i];

		if (!glob->star || !glob->n_child)
			continue;
		/* Sorted: what it can fit stands together. */
		for (size_t j = bh_place_slot(up, glob->label, bh_place_prefix(glob));
		     r == 0 && j < up->n_child; j++) {
			struct bh_place *exact = up->child[j];

			if (strncmp(exact->label, glob->label, bh_place_prefix(glob)) != 0)
				break;
			/* Without a node of its own it leaves the glob's in force. */
			if (!exact->star && exact->n_child && bh_place_fits(glob, exact->label))
				r = graft(n, exact, glob);
		}
	}
	for (size_t i = 0; r == 0 && i < up->n_child; i++)
		r = unfold(n, up->child[i]);
	return r;
}

/* Whether every name that fits @narrow fits @wide. */
static bool glob_contains(const struct bh_place *wide, const struct bh_place *narrow)
{
	const char *w = wide->star + 1, *s = narrow->star + 1;

	return bh_place_prefix(wide) <= bh_place_prefix(narrow) &&
	       !memcmp(wide->label, narrow->label, bh_place_prefix(wide)) &&
	       strlen(w) <= strlen(s) && !strcmp(w, s + strlen(s) - strlen(w));
}

/* Whether some name fits both. */
static bool globs_meet(const struct bh_place *a, const struct bh_place *b)
{
	size_t suffix_a = strlen(a->star + 1), suffix_b = strlen(b->star + 1);
	size_t suffix = MIN(suffix_a, suffix_b),
	       prefix = MIN(bh_place_prefix(a), bh_place_prefix(b));

	return !memcmp(a->label, b->label, prefix) &&
	       !strcmp(a->star + 1 + suffix_a - suffix, b->star + 1 + suffix_b - suffix);
}

/*
 * The datapath takes the one glob that fits best: it has to carry the failsafes of the others,
 * or a way in would be closed without a word.
 */
static int bits_unfold(struct bh_names *n)
{
	const struct bh_place *units = &n->units;
	bool apart = true;

	for (size_t i = 0; i < units->n_child; i++) {
		const struct bh_place *wide = units->child[i];

		for (size_t j = 0; wide->star && wide->unit_bits && j < units->n_child; j++) {
			struct bh_place *other = units->child[j];

			if (!other->star || other == wide || !globs_meet(wide, other))
				continue;
			if (glob_contains(wide, other)) {
				other->unit_bits |= wide->unit_bits;
			} else if (wide->unit_bits & ~other->unit_bits) {
				apart = false;
				bh_report_error(n->c->map, n->c->d, other->pos,
						"name the failsafe's unit without '*'",
						"'" BH_WORD "' and '" BH_WORD "', one of them the "
						"`unit` of a failsafe, fit some names both",
						wide->label, other->label);
			}
		}
	}
	return apart ? 0 : -EINVAL;
}

int bh_places_unfold(struct bh_names *n)
{
	int r = unfold(n, &n->paths);

	return r < 0 ? r : bits_unfold(n);
}
