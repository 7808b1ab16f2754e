/* SPDX-License-Identifier: Apache-2.0 */
/* compile_places.c - the trees of names: find and make. */
#include "compile_names.h"

static int label_cmp(const char *label, size_t len, const char *other)
{
	int r = strncmp(label, other, len);

	return r ? r : -(int)(unsigned char)other[len];
}

size_t bh_place_slot(const struct bh_place *up, const char *label, size_t len)
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
	size_t slot = bh_place_slot(up, label, len);
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

struct bh_place *bh_place_find(const struct bh_place *up, const char *label)
{
	size_t len = strlen(label), slot = bh_place_slot(up, label, len);

	return slot < up->n_child && !label_cmp(label, len, up->child[slot]->label)
		       ? up->child[slot]
		       : NULL;
}

struct bh_place *bh_place_exact(const struct bh_place *up, const char *label)
{
	struct bh_place *p = bh_place_find(up, label);

	return p && !p->star ? p : NULL;
}

size_t bh_place_prefix(const struct bh_place *glob)
{
	return (size_t)(glob->star - glob->label);
}

bool bh_place_fits(const struct bh_place *glob, const char *label)
{
	size_t prefix = bh_place_prefix(glob), suffix = strlen(glob->star + 1), len = strlen(label);

	return len >= prefix + suffix && !memcmp(label, glob->label, prefix) &&
	       !memcmp(label + len - suffix, glob->star + 1, suffix);
}

size_t bh_place_globs(const struct bh_place *up, const char *text, size_t len, size_t *ret_first)
{
	char label[BH_NAME_MAX + 1];
	size_t n = 0;

	if (!up->n_glob || len >= BH_NAME_MAX)
		return 0;
	memcpy(label, text, len);
	label[len] = '*';
	*ret_first = bh_place_slot(up, label, len + 1);
	while (*ret_first + n < up->n_child &&
	       !strncmp(up->child[*ret_first + n]->label, label, len + 1))
		n++;
	return n;
}

struct bh_place *bh_place_glob(const struct bh_place *up, const char *label)
{
	for (size_t len = strlen(label) + 1; len-- > 0;) {
		size_t first, n = bh_place_globs(up, label, len, &first);

		for (size_t i = first; n; n--, i++)
			if (bh_place_fits(up->child[i], label))
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

bool bh_place_is_slice(const struct bh_place *p)
{
	size_t len = strlen(p->label);

	return len > 6 && !strcmp(p->label + len - 6, ".slice");
}
