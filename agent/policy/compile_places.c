/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compile_places.c - the trees of names: find and make, what globs mean for the exact names
 * beside them, and what would not fit the datapath's tables.
 */
#include "compile_names.h"

/* --- find and make -------------------------------------------------------------------------------- */

static int label_cmp(const char *label, size_t len, const char *other)
{
	int r = strncmp(label, other, len);

	return r ? r : -(int)(unsigned char)other[len];
}

/* Where @label is or belongs among the children. */
static size_t slot_of(const struct bh_place *up, const char *label, size_t len)
{
	size_t low = 0, high = up->n_child;

	/* Names come sorted: mostly it belongs at the end. */
	if (high && label_cmp(label, len, up->child[high - 1]->label) > 0)
		return high;
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (label_cmp(label, len, up->child[mid]->label) > 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Room for one more element in an array of the arena, which only grows. */
static int arena_room(struct bh_arena *a, void *array, size_t *room, size_t n, size_t size)
{
	size_t more = *room ? *room * 2 : 4;
	void *v;

	if (n < *room)
		return 0;
	v = bh_arena_alloc(a, more, size);
	if (!v)
		return -ENOMEM;
	if (n)
		memcpy(v, *(void **)array, n * size);
	*(void **)array = v;
	*room = more;
	return 0;
}

int bh_place_child(struct bh_names *n, struct bh_place *up, const char *label, size_t len,
		   struct bh_place **ret)
{
	size_t slot = slot_of(up, label, len);
	struct bh_place *new;

	if (slot < up->n_child && !label_cmp(label, len, up->child[slot]->label)) {
		*ret = up->child[slot];
		return 0;
	}
	if (n->n_places == n->max_places)
		return -E2BIG;
	new = bh_arena_alloc(&n->arena, 1, sizeof(*new));
	if (new)
		new->label = bh_arena_strndup(&n->arena, label, len);
	if (!new || !new->label ||
	    arena_room(&n->arena, &up->child, &up->room_child, up->n_child, sizeof(new)) < 0)
		return -ENOMEM;
	new->star = strchr(new->label, '*');
	up->n_glob += new->star != NULL;
	memmove(up->child + slot + 1, up->child + slot, (up->n_child - slot) * sizeof(new));
	up->child[slot] = new;
	up->n_child++;
	n->n_places++;
	*ret = new;
	return 0;
}

struct bh_place *bh_place_exact(const struct bh_place *up, const char *label)
{
	size_t len = strlen(label), slot = slot_of(up, label, len);

	if (slot == up->n_child || label_cmp(label, len, up->child[slot]->label) != 0)
		return NULL;
	return up->child[slot]->star ? NULL : up->child[slot];
}

static size_t prefix_len(const struct bh_place *glob)
{
	return (size_t)(glob->star - glob->label);
}

static bool fits(const struct bh_place *glob, const char *label)
{
	size_t prefix = prefix_len(glob), suffix = strlen(glob->star + 1), len = strlen(label);

	return len >= prefix + suffix && !memcmp(label, glob->label, prefix) &&
	       !memcmp(label + len - suffix, glob->star + 1, suffix);
}

/* The globs of @up whose prefix is the first @len characters of @text. Return: how many. */
static size_t globs_at(const struct bh_place *up, const char *text, size_t len, size_t *ret_first)
{
	char label[BH_NAME_MAX + 1];
	size_t n = 0;

	if (!up->n_glob || len >= BH_NAME_MAX)
		return 0;
	memcpy(label, text, len);
	label[len] = '*';
	*ret_first = slot_of(up, label, len + 1);
	while (*ret_first + n < up->n_child &&
	       !memcmp(up->child[*ret_first + n]->label, label, len + 1))
		n++;
	return n;
}

struct bh_place *bh_place_glob(const struct bh_place *up, const char *label)
{
	for (size_t len = strlen(label) + 1; len-- > 0;) {
		size_t first, n = globs_at(up, label, len, &first);

		for (size_t i = first; n; n--, i++)
			if (fits(up->child[i], label))
				return up->child[i];
	}
	return NULL;
}

int bh_place_add_user(struct bh_names *n, struct bh_place *at, const struct bh_claim *claim)
{
	int r = arena_room(&n->arena, &at->user, &at->room_user, at->n_user, sizeof(*at->user));

	if (r < 0)
		return r;
	at->user[at->n_user++] = *claim;
	return 0;
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
		for (size_t j = slot_of(up, glob->label, prefix_len(glob));
		     r == 0 && j < up->n_child; j++) {
			struct bh_place *exact = up->child[j];

			if (memcmp(exact->label, glob->label, prefix_len(glob)) != 0)
				break;
			/* Without a node of its own it leaves the glob's in force. */
			if (!exact->star && exact->n_child && fits(glob, exact->label))
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

	return prefix_len(wide) <= prefix_len(narrow) &&
	       !memcmp(wide->label, narrow->label, prefix_len(wide)) && strlen(w) <= strlen(s) &&
	       !strcmp(w, s + strlen(s) - strlen(w));
}

/* Whether some name fits both. */
static bool globs_meet(const struct bh_place *a, const struct bh_place *b)
{
	size_t suffix_a = strlen(a->star + 1), suffix_b = strlen(b->star + 1);
	size_t suffix = MIN(suffix_a, suffix_b), prefix = MIN(prefix_len(a), prefix_len(b));

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

/* --- what the tables can't hold --------------------------------------------------------------------- */

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
		for (size_t len = 0; len < prefix_len(glob); len++)
			nested += globs_at(up, glob->label, len, &first) > 0;
		if (nested >= BH_GLOB_NESTED)
			bh_report_error(n->c->map, n->c->d, glob->pos, help,
					"more than %d globs begin with each other, up to '" BH_WORD
					"'",
					BH_GLOB_NESTED, glob->label);
		alike = globs_at(up, glob->label, prefix_len(glob), &first);
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

static bool is_slice(const struct bh_place *p)
{
	size_t len = strlen(p->label);

	return len > 6 && !strcmp(p->label + len - 6, ".slice");
}

/*
 * Lays what the datapath lays (enum bh_node in bh_abi.h), in its order. @slices: the cgroup
 * is one, and all above. @ret_most: the deepest that a unit may stand on.
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
		users_check(n, child, slices && is_slice(child), below, ret_most);
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
