/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compile_class.c - classes: what a remote address is looked up as. The address of one segment
 * that also lies inside a wider prefix which a deny or a failsafe names must meet both, and
 * one probe finds one key: so each combination that occurs gets a number.
 */
#include <search.h>
#include "compile_internal.h"

#define CLASSES_MAX 65536u

struct bh_class {
	__u32 number;
	__u32 identity;
	size_t n;
	__u32 inside[]; /* identities and failsafes' prefixes, ascending */
};

static int class_cmp(const void *a, const void *b)
{
	const struct bh_class *x = a, *y = b;

	if (x->identity != y->identity)
		return x->identity < y->identity ? -1 : 1;
	if (x->n != y->n)
		return x->n < y->n ? -1 : 1;
	return memcmp(x->inside, y->inside, x->n * sizeof(x->inside[0]));
}

static void keep(_unused_ void *class)
{
}

void bh_classes_free(struct bh_compiler *c)
{
	tdestroy(c->class_tree, keep);
	for (__u32 i = 0; i < c->n_class; i++)
		free(c->class[i]);
	free(c->class);
	free(c->member);
}

static int too_many(struct bh_compiler *c)
{
	c->too_big = true;
	(void)bh_diag_add(c->d, BH_ERROR, NULL,
			  "name fewer of the nested segments in `deny`, and fewer prefixes in "
			  "`failsafe`",
			  "prefixes nest in more than %u ways that rules tell apart", CLASSES_MAX);
	return -E2BIG;
}

int bh_class_get(struct bh_compiler *c, __u32 identity, const struct bh_u32s *inside, __u32 *ret)
{
	_cleanup_free_ struct bh_class *new = NULL;
	size_t bytes = inside->n * sizeof(new->inside[0]);
	__u32 n = c->n_class;
	struct bh_class **found;

	if (!inside->n) {
		*ret = identity;
		return 0;
	}
	new = malloc(sizeof(*new) + bytes);
	if (!c->class)
		c->class = calloc(CLASSES_MAX, sizeof(struct bh_class *));
	if (!new || !c->class)
		return -ENOMEM;
	new->number = BH_CLASS_FIRST + n;
	new->identity = identity;
	new->n = inside->n;
	memcpy(new->inside, inside->v, bytes);
	found = tfind(new, &c->class_tree, class_cmp);
	if (found) {
		*ret = (*found)->number;
		return 0;
	}
	if (n == CLASSES_MAX)
		return too_many(c);
	if (!tsearch(new, &c->class_tree, class_cmp))
		return -ENOMEM;
	*ret = new->number;
	c->class[n] = TAKE_PTR(new);
	c->n_class++;
	return 0;
}

/* --- who is inside what -------------------------------------------------------------------------- */

static int member_cmp(const void *a, const void *b)
{
	const struct bh_member *x = a, *y = b;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return (x->class > y->class) - (x->class < y->class);
}

int bh_classes_index(struct bh_compiler *c)
{
	size_t n = 0;

	c->out->n_classes = c->n_class;
	for (__u32 i = 0; i < c->n_class; i++)
		n += 1 + c->class[i]->n;
	c->member = calloc(n + 1, sizeof(*c->member));
	if (!c->member)
		return -ENOMEM;
	for (__u32 i = 0; i < c->n_class; i++) {
		const struct bh_class *class = c->class[i];

		c->member[c->n_member++] =
			(struct bh_member){class->identity, class->number, .own = true};
		for (size_t j = 0; j < class->n; j++)
			c->member[c->n_member++] =
				(struct bh_member){class->inside[j], class->number, .own = false};
	}
	qsort(c->member, c->n_member, sizeof(*c->member), member_cmp);
	return 0;
}

static int members_add(const struct bh_compiler *c, __u32 id, bool inside, struct bh_u32s *ret)
{
	size_t low = 0, high = c->n_member;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (c->member[mid].id < id)
			low = mid + 1;
		else
			high = mid;
	}
	for (; low < c->n_member && c->member[low].id == id; low++) {
		int r = 0;

		if (inside || c->member[low].own)
			r = bh_u32s_add(ret, c->member[low].class);
		if (r < 0)
			return r;
	}
	return 0;
}

int bh_classes_of(const struct bh_compiler *c, __u32 identity, bool inside, struct bh_u32s *ret)
{
	int r = bh_u32s_add(ret, identity);

	return r < 0 ? r : members_add(c, identity, inside, ret);
}

int bh_classes_in_cidr(const struct bh_compiler *c, const struct bh_cidr *cidr, struct bh_u32s *ret)
{
	size_t low = 0, high = c->n_failsafe;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int r = bh_cidr_cmp(&c->failsafe[mid], cidr);

		if (r == 0)
			return members_add(c, BH_FAILSAFE_ID | (__u32)mid, true, ret);
		if (r < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return 0;
}
