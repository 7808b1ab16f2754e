/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_addr.c - no address may belong to two segments by equal prefixes; and what a longer
 * prefix takes away from an allow. Called by check.c.
 *
 * One walk over all prefixes, sorted so that each stands behind what contains it; a stack
 * holds those that contain the current one.
 */
#include <errno.h>
#include <string.h>
#include "cidr.h"

/* Warnings about nested prefixes are worth this many steps; errors do not count. */
#define MAX_STEPS 5000000

enum role { CIDR, EXCEPT };

struct prefix {
	const struct bh_cidr *cidr;
	enum role role;
	size_t match; /* number of the match, over all segments */
	size_t seg;
};

/* Equal prefixes: v[from] to before v[to]. */
struct level {
	size_t from, to;
};

struct nested {
	size_t outer, inner; /* segments */
};

struct walk {
	const struct bh_map *map;
	struct bh_diags *d;
	struct prefix *v;
	size_t n;
	struct level stack[130];
	int depth;
	struct nested *nested;
	size_t n_nested, room_nested;
	size_t steps;
};

/* --- prefixes ------------------------------------------------------------------------------- */

static int prefix_cmp(const void *a, const void *b)
{
	const struct prefix *x = a, *y = b;
	int r = bh_cidr_cmp(x->cidr, y->cidr);

	if (r)
		return r;
	if (x->role != y->role)
		return x->role == CIDR ? -1 : 1;
	if (x->match != y->match)
		return x->match < y->match ? -1 : 1;
	return (x->cidr > y->cidr) - (x->cidr < y->cidr);
}

static int gather(struct walk *w)
{
	size_t n = 0, match = 0;

	for (size_t i = 0; i < w->map->n_segment; i++)
		for (size_t j = 0; j < w->map->segment[i].n_match; j++)
			n += w->map->segment[i].match[j].n_cidr +
			     w->map->segment[i].match[j].n_except;
	w->v = calloc(n + 1, sizeof(*w->v));
	if (!w->v)
		return -ENOMEM;
	for (size_t i = 0; i < w->map->n_segment; i++)
		for (size_t j = 0; j < w->map->segment[i].n_match; j++, match++) {
			const struct bh_match *m = &w->map->segment[i].match[j];

			for (size_t k = 0; k < m->n_cidr; k++)
				w->v[w->n++] = (struct prefix){&m->cidr[k], CIDR, match, i};
			for (size_t k = 0; k < m->n_except; k++)
				w->v[w->n++] = (struct prefix){&m->except[k], EXCEPT, match, i};
		}
	qsort(w->v, w->n, sizeof(*w->v), prefix_cmp);
	return 0;
}

/* Whether @level has a prefix of this role and match. */
static bool level_has(const struct walk *w, struct level level, enum role role, size_t match)
{
	size_t lo = level.from, hi = level.to;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const struct prefix *p = &w->v[mid];

		if (p->role == role && p->match == match)
			return true;
		if (p->role < role || (p->role == role && p->match < match))
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}

/* --- errors --------------------------------------------------------------------------------- */

static void say_equal(struct walk *w, const struct prefix *a, const struct prefix *b)
{
	const char *one = w->map->segment[a->seg].name, *other = w->map->segment[b->seg].name;
	char text[BH_CIDR_TEXT], help[BH_HELP_MAX];

	bh_cidr_text(b->cidr, text);
	bh_help(help,
		"'%s' has it in line %d. Workloads that share an address share one identity at "
		"other hosts:\ngive the address a segment of its own and write two rules for "
		"each thing that they reach\n"
		"    host-a: { match: { cidr: [%s] } }\n"
		"    - { id: %.40s-db, from: %.40s, to: db, port: tcp/5432 }  # egress, there\n"
		"    - { id: host-a-db, from: host-a, to: db, port: tcp/5432 }  # ingress, here",
		one, a->cidr->pos.line, text, one, one);
	bh_report_error(w->map, w->d, b->cidr->pos, help, "%s is in segments '%s' and '%s'", text,
			one, other);
}

/* Prefixes that are equal: one segment may have them. */
static void check_equal(struct walk *w, struct level level)
{
	const struct prefix *first = &w->v[level.from];

	for (size_t i = level.from + 1; i < level.to && w->v[i].role == CIDR; i++)
		if (w->v[i].seg != first->seg)
			say_equal(w, first, &w->v[i]);
}

static void check_except(struct walk *w, struct level level, const struct prefix *p)
{
	char text[BH_CIDR_TEXT];
	bool inside = false;

	bh_cidr_text(p->cidr, text);
	if (level_has(w, level, CIDR, p->match)) {
		bh_report_error(w->map, w->d, p->cidr->pos, "remove both",
				"%s is in `cidr` and in `except`", text);
		return;
	}
	for (int i = 0; i < w->depth && !inside; i++)
		inside = level_has(w, w->stack[i], CIDR, p->match);
	if (!inside)
		bh_report_error(w->map, w->d, p->cidr->pos, "remove it, or widen `cidr`",
				"%s is outside this match's `cidr`", text);
}

static void check_loopback(struct walk *w, const struct prefix *p)
{
	static const struct bh_cidr v4 = {
		.addr.b = {[10] = 0xff, [11] = 0xff, [12] = 127}, .plen = 96 + 8, .v4 = true};
	static const struct bh_cidr v6 = {.addr.b = {[15] = 1}, .plen = 128};

	if (p->role == CIDR && (bh_cidr_contains(&v4, p->cidr) || bh_cidr_contains(&v6, p->cidr)))
		bh_report_warning(w->map, w->d, p->cidr->pos,
				  "match the workload by its unit or cgroup",
				  "a peer on a loopback address is on this host, and known by its "
				  "cgroup: this prefix matches nobody");
}

/* --- what nests ------------------------------------------------------------------------------ */

static int nested_add(struct walk *w, size_t outer, size_t inner)
{
	const struct nested *last = w->n_nested ? &w->nested[w->n_nested - 1] : NULL;

	if (last && last->outer == outer && last->inner == inner)
		return 0;
	if (!w->nested || w->n_nested == w->room_nested) {
		size_t room = w->room_nested ? w->room_nested * 2 : 64;
		struct nested *v = reallocarray(w->nested, room, sizeof(*v));

		if (!v)
			return -ENOMEM;
		w->nested = v;
		w->room_nested = room;
	}
	w->nested[w->n_nested++] = (struct nested){outer, inner};
	return 0;
}

/* Notes whose addresses @p takes: every segment with a wider prefix, unless it excepts @p. */
static int note_nested(struct walk *w, struct level own, const struct prefix *p)
{
	for (int i = w->depth - 1; i >= 0 && w->steps < MAX_STEPS; i--) {
		const struct prefix *outer = &w->v[w->stack[i].from];
		bool hole = outer->role != CIDR || outer->seg == p->seg ||
			    level_has(w, own, EXCEPT, outer->match);
		int r = 0;

		for (int j = i + 1; j < w->depth && !hole; j++, w->steps++)
			hole = level_has(w, w->stack[j], EXCEPT, outer->match);
		w->steps++;
		if (!hole)
			r = nested_add(w, outer->seg, p->seg);
		if (r)
			return r;
	}
	return 0;
}

static int walk(struct walk *w)
{
	for (size_t i = 0, j; i < w->n; i = j) {
		struct level level = {.from = i};
		int r = 0;

		for (j = i + 1; j < w->n && !bh_cidr_cmp(w->v[i].cidr, w->v[j].cidr); j++)
			;
		level.to = j;
		while (w->depth &&
		       !bh_cidr_contains(w->v[w->stack[w->depth - 1].from].cidr, w->v[i].cidr))
			w->depth--;
		check_equal(w, level);
		if (w->v[i].role == CIDR)
			r = note_nested(w, level, &w->v[i]);
		if (r)
			return r;
		for (size_t k = i; k < j; k++) {
			if (w->v[k].role == EXCEPT)
				check_except(w, level, &w->v[k]);
			check_loopback(w, &w->v[k]);
		}
		w->stack[w->depth++] = level;
	}
	return 0;
}

/* --- what that takes out of an allow --------------------------------------------------------- */

static int nested_cmp(const void *a, const void *b)
{
	const struct nested *x = a, *y = b;

	if (x->outer != y->outer)
		return x->outer < y->outer ? -1 : 1;
	return (x->inner > y->inner) - (x->inner < y->inner);
}

static void nested_sort(struct walk *w)
{
	size_t to = 0;

	if (!w->n_nested)
		return;
	qsort(w->nested, w->n_nested, sizeof(*w->nested), nested_cmp);
	for (size_t i = 0; i < w->n_nested; i++)
		if (!to || nested_cmp(&w->nested[to - 1], &w->nested[i]))
			w->nested[to++] = w->nested[i];
	w->n_nested = to;
}

static size_t nested_first(const struct walk *w, size_t outer)
{
	size_t lo = 0, hi = w->n_nested;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (w->nested[mid].outer < outer)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static int index_cmp(const void *a, const void *b)
{
	const size_t x = *(const size_t *)a, y = *(const size_t *)b;

	return (x > y) - (x < y);
}

/* One warning for a segment of a rule, naming a few of those who take from it. */
static void check_selected(struct walk *w, const struct bh_rule_src *rule, const struct bh_sel *sel,
			   size_t outer)
{
	char names[200] = "", help[BH_HELP_MAX];
	size_t n = 0, at = 0;

	for (size_t i = nested_first(w, outer);
	     i < w->n_nested && w->nested[i].outer == outer && w->steps < MAX_STEPS; i++) {
		const size_t inner = w->nested[i].inner;

		w->steps++;
		if (bsearch(&inner, sel->seg, sel->n_seg, sizeof(inner), index_cmp))
			continue;
		if (n++ < 4 && at < sizeof(names))
			at += (size_t)snprintf(names + at, sizeof(names) - at, "%s'%.40s'",
					       n > 1 ? ", " : "", w->map->segment[inner].name);
	}
	if (!n)
		return;
	bh_help(help, "name %s in the rule as well if %s meant", n > 1 ? "them" : "it",
		n > 1 ? "they are" : "it is");
	bh_report_warning(w->map, w->d, sel->pos, help,
			  "rule '%s' does not hold for all addresses of '%s': longer prefixes give "
			  "some of them to %s%s",
			  rule->id, w->map->segment[outer].name, names, n > 4 ? " and others" : "");
}

static void check_allows(struct walk *w)
{
	for (size_t i = 0; i < w->map->n_rule && w->n_nested && w->steps < MAX_STEPS; i++) {
		const struct bh_rule_src *rule = &w->map->rule[i];
		const struct bh_sel *ends[] = {&rule->from, &rule->to};

		if (rule->kind != BH_RULE_ALLOW || !rule->id)
			continue;
		for (size_t e = 0; e < ARRAY_SIZE(ends); e++)
			for (size_t k = 0; !ends[e]->any && k < ends[e]->n_seg; k++)
				check_selected(w, rule, ends[e], ends[e]->seg[k]);
	}
	if (w->steps >= MAX_STEPS)
		bh_report_warning(w->map, w->d, (struct bh_pos){0}, NULL,
				  "too many prefixes inside prefixes: not all were compared with "
				  "the allow rules");
}

int bh_check_addresses(const struct bh_map *map, struct bh_diags *d)
{
	struct walk w = {.map = map, .d = d};
	int r = gather(&w);

	if (!r)
		r = walk(&w);
	if (!r) {
		nested_sort(&w);
		check_allows(&w);
	}
	free(w.v);
	free(w.nested);
	return r;
}
