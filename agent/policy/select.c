/* SPDX-License-Identifier: Apache-2.0 */
/*
 * select.c - `from` and `to`: names and labels to segments of this map. A selector that finds
 * nobody means nobody, and says so. Called by parse_rule.c.
 */
#include <errno.h>
#include <string.h>
#include "internal.h"

/*
 * How often all rules together may name a segment, labels written out: more than any table in
 * the kernel could hold, and little enough that everything after this is quick.
 */
#define MAX_NAMED 1000000

struct labelled {
	const char *key, *value;
	size_t seg;
};

/* Every label of every segment, sorted. */
struct bh_label_index {
	size_t n;
	struct labelled v[];
};

/* --- labels --------------------------------------------------------------------------------- */

static int label_cmp(const void *a, const void *b)
{
	return strcmp(((const struct bh_label *)a)->key, ((const struct bh_label *)b)->key);
}

void bh_parse_labels(struct bh_parse *p, struct bh_label **ret, size_t *ret_n,
		     const struct bh_yaml *y)
{
	size_t n = 0;

	if (!bh_want_map(p, y, "{ app: shop }"))
		return;
	*ret = bh_parse_alloc(p, y->n, sizeof(**ret));
	if (!*ret)
		return;
	for (const struct bh_yaml *k = y->child; k; k = k->next->next) {
		struct bh_label *l = &(*ret)[n];

		if (k->kind != BH_YAML_SCALAR)
			continue;
		*l = (struct bh_label){bh_want_id(p, k), bh_want_id(p, k->next), k->pos};
		n += l->key && l->value;
	}
	qsort(*ret, n, sizeof(**ret), label_cmp);
	*ret_n = n;
}

static int labelled_cmp(const void *a, const void *b)
{
	const struct labelled *x = a, *y = b;
	int r = strcmp(x->key, y->key);

	r = r ? r : strcmp(x->value, y->value);
	return r ? r : (x->seg > y->seg) - (x->seg < y->seg);
}

int bh_label_index_make(struct bh_parse *p)
{
	const struct bh_map *map = p->map;
	struct bh_label_index *x;
	size_t n = 0;

	for (size_t i = 0; i < map->n_segment; i++)
		n += map->segment[i].n_label;
	x = calloc(1, sizeof(*x) + n * sizeof(x->v[0]));
	if (!x)
		return -ENOMEM;
	for (size_t i = 0; i < map->n_segment; i++)
		for (size_t j = 0; j < map->segment[i].n_label; j++) {
			const struct bh_label *l = &map->segment[i].label[j];

			x->v[x->n++] = (struct labelled){l->key, l->value, i};
		}
	qsort(x->v, x->n, sizeof(x->v[0]), labelled_cmp);
	p->labels = x;
	return 0;
}

void bh_label_index_free(struct bh_label_index *x)
{
	free(x);
}

/* Segments with this label are x->v[*ret_from] to before the index that is returned. */
static size_t label_range(const struct bh_label_index *x, const struct bh_label *l,
			  size_t *ret_from)
{
	size_t end[2];

	/* The first that is not below (label, 0), the first that is not below (label, more). */
	for (int i = 0; i < 2; i++) {
		const struct labelled want = {l->key, l->value, i ? SIZE_MAX : 0};
		size_t lo = 0, hi = x->n;

		while (lo < hi) {
			size_t mid = lo + (hi - lo) / 2;

			if (labelled_cmp(&x->v[mid], &want) < 0)
				lo = mid + 1;
			else
				hi = mid;
		}
		end[i] = lo;
	}
	*ret_from = end[0];
	return end[1];
}

static bool has_labels(const struct bh_segment *s, const struct bh_label *want, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct bh_label *l =
			bsearch(&want[i], s->label, s->n_label, sizeof(*l), label_cmp);

		if (!l || strcmp(l->value, want[i].value) != 0)
			return false;
	}
	return true;
}

/* --- selectors ------------------------------------------------------------------------------ */

/* Accounts for @n more; says so once when it is too much. */
static bool afford(struct bh_parse *p, struct bh_pos pos, size_t n)
{
	bool could = p->n_named <= MAX_NAMED;

	p->n_named += n;
	if (p->n_named <= MAX_NAMED)
		return true;
	if (could)
		bh_report_error(p->map, p->d, pos, "merge segments, or rules",
				"the rules up to here name segments more than %d times, labels "
				"written out",
				MAX_NAMED);
	return false;
}

static void add_segment(struct bh_parse *p, struct bh_sel *sel, size_t seg)
{
	sel->seg[sel->n_seg++] = seg;
	p->named[seg] = true;
}

static void select_labels(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	struct bh_sel *sel = obj;
	struct bh_label *want = NULL;
	size_t n = 0, from = 0, to = SIZE_MAX;

	bh_parse_labels(p, &want, &n, y);
	if (y->kind == BH_YAML_MAP && !y->n)
		bh_parse_error(p, y, "write `any` if every segment is meant",
			       "an empty label selector");
	if (!n)
		return;
	/* The rarest of the labels says whom to look at. */
	for (size_t i = 0; i < n; i++) {
		size_t f, t = label_range(p->labels, &want[i], &f);

		if (t - f < to - from) {
			from = f;
			to = t;
		}
	}
	if (!afford(p, y->pos, to - from + 1))
		return;
	sel->seg = bh_parse_alloc(p, to - from, sizeof(*sel->seg));
	for (size_t i = from; sel->seg && i < to; i++)
		if (has_labels(&p->map->segment[p->labels->v[i].seg], want, n))
			add_segment(p, sel, p->labels->v[i].seg);
	if (sel->seg && !sel->n_seg)
		bh_report_warning(p->map, p->d, y->pos, "give a segment these labels",
				  "no segment has these labels: this selects nobody");
}

static const struct bh_key selector_keys[] = {
	{"labels", select_labels, true},
};
const struct bh_keys bh_keys_selector = {"a selector", selector_keys, ARRAY_SIZE(selector_keys)};

static void unknown_segment(struct bh_parse *p, const struct bh_yaml *y)
{
	char help[BH_HELP_MAX];
	const char *h = NULL;

	if (strpbrk(y->s, "./:"))
		h = "rules name segments: give it one under `segments`";
	else
		h = bh_help_word(p->d, help, y->s, p->segments.name, p->segments.n, false);
	bh_parse_error(p, y, h, "segment '" BH_WORD "' is not defined", y->s);
}

static void select_name(struct bh_parse *p, struct bh_sel *sel, const struct bh_yaml *y)
{
	const char *s = bh_want_text(p, y);
	size_t lo = 0, hi = p->segments.n;

	while (s && lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int r = strcmp(s, p->segments.name[mid]);

		if (!r) {
			add_segment(p, sel, p->segments.at[mid]);
			return;
		}
		if (r < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	if (s)
		unknown_segment(p, y);
}

static int index_cmp(const void *a, const void *b)
{
	const size_t x = *(const size_t *)a, y = *(const size_t *)b;

	return (x > y) - (x < y);
}

static void select_list(struct bh_parse *p, struct bh_sel *sel, const struct bh_yaml *y)
{
	size_t n, to = 0;
	const struct bh_yaml *e = bh_each(y, &n);

	if (y->kind == BH_YAML_SEQ && !n)
		bh_report_warning(p->map, p->d, y->pos, "name a segment, or remove the rule",
				  "an empty list: this selects nobody");
	if (!afford(p, y->pos, n))
		return;
	sel->seg = bh_parse_alloc(p, n, sizeof(*sel->seg));
	if (!sel->seg)
		return;
	for (; n; n--, e = e->next) {
		if (e->kind == BH_YAML_SCALAR && !strcmp(e->s, "any"))
			bh_parse_error(p, e, "write `any` alone, without a list",
				       "'any' is every segment already");
		else
			select_name(p, sel, e);
	}
	if (sel->n_seg)
		qsort(sel->seg, sel->n_seg, sizeof(*sel->seg), index_cmp);
	for (size_t i = 0; i < sel->n_seg; i++)
		if (!to || sel->seg[to - 1] != sel->seg[i])
			sel->seg[to++] = sel->seg[i];
	sel->n_seg = to;
}

/* Addresses and units stand in segments, so that there is one place that names them. */
static bool refuse_inline(struct bh_parse *p, const struct bh_yaml *y)
{
	static const char *const keys[] = {"cidr", "unit", "cgroup", "user", "group"};
	char help[BH_HELP_MAX];

	for (const struct bh_yaml *k = y->child; k; k = k->next->next)
		for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
			if (k->kind == BH_YAML_SCALAR && !strcmp(k->s, keys[i])) {
				bh_help(help,
					"under `segments`: `NAME: { match: { %s: ... } }`, and "
					"here NAME",
					k->s);
				bh_parse_error(p, k, help, "`%s` in a rule: rules name segments",
					       k->s);
				return true;
			}
	return false;
}

void bh_parse_selector(struct bh_parse *p, struct bh_sel *ret, const struct bh_yaml *y)
{
	ret->pos = y->pos;
	if (y->kind == BH_YAML_MAP) {
		if (!refuse_inline(p, y))
			bh_parse_keys(p, y, &bh_keys_selector, ret);
	} else if (y->kind == BH_YAML_SCALAR && !strcmp(y->s, "any")) {
		ret->any = true;
	} else if (y->kind == BH_YAML_SCALAR || y->kind == BH_YAML_SEQ) {
		select_list(p, ret, y);
	}
}
