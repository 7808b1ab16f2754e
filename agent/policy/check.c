/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check.c - what no single line of a map can show: ids, failsafes, what is never used. Runs
 * after every parse, also of maps that have errors. Called by parse.c.
 */
#include <errno.h>
#include <string.h>
#include "cidr.h"

#define FAILSAFE_WIDEST_V4 (96 + 16)
#define FAILSAFE_WIDEST_V6 48

/* --- ids ------------------------------------------------------------------------------------ */

struct id_at {
	const char *id;
	struct bh_pos pos;
};

static int id_cmp(const void *a, const void *b)
{
	const struct id_at *x = a, *y = b;
	int r = strcmp(x->id, y->id);

	return r ? r : (x->pos.line > y->pos.line) - (x->pos.line < y->pos.line);
}

/* Rules and assertions share one name space: an id in a log names one line of the map. */
static int check_ids(const struct bh_map *map, struct bh_diags *d)
{
	_cleanup_free_ struct id_at *list =
		calloc(map->n_rule + map->n_assertion + 1, sizeof(*list));
	size_t n = 0;

	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < map->n_rule; i++)
		if (map->rule[i].id)
			list[n++] = (struct id_at){map->rule[i].id, map->rule[i].pos};
	for (size_t i = 0; i < map->n_assertion; i++)
		if (map->assertion[i].id)
			list[n++] = (struct id_at){map->assertion[i].id, map->assertion[i].pos};
	qsort(list, n, sizeof(*list), id_cmp);
	for (size_t i = 1, first = 0; i < n; i++) {
		if (strcmp(list[i].id, list[first].id) != 0)
			first = i;
		else
			bh_report_error(map, d, list[i].pos, "give one of them another id",
					"id '%s' is taken by line %d", list[i].id,
					list[first].pos.line);
	}
	return 0;
}

/* --- failsafes ------------------------------------------------------------------------------ */

static void check_wide(const struct bh_map *map, const struct bh_rule_src *r, struct bh_diags *d)
{
	const struct bh_sel *sel = r->from.n_cidr ? &r->from : &r->to;

	for (size_t i = 0; !r->wide && i < sel->n_cidr; i++) {
		const struct bh_cidr *c = &sel->cidr[i];
		char text[BH_CIDR_TEXT];

		if (c->plen < (c->v4 ? FAILSAFE_WIDEST_V4 : FAILSAFE_WIDEST_V6))
			bh_report_error(map, d, c->pos, "narrow it, or say so: `wide: true`",
					"a failsafe for %s is wider than /%d",
					bh_cidr_text(c, text), c->v4 ? 16 : 48);
	}
}

static bool can_enforce(const struct bh_map *map)
{
	for (size_t i = 0; i < map->n_segment; i++)
		if (map->segment[i].mode == BH_MODE_ENFORCE)
			return true;
	return map->mode == BH_MODE_ENFORCE;
}

static void check_failsafes(const struct bh_map *map, struct bh_diags *d)
{
	bool any = false;

	for (size_t i = 0; i < map->n_rule; i++) {
		if (map->rule[i].kind != BH_RULE_FAILSAFE)
			continue;
		any = true;
		check_wide(map, &map->rule[i], d);
	}
	if (!any && can_enforce(map))
		bh_report_warning(
			map, d, (struct bh_pos){0},
			"add `failsafe: [ { from: { cidr: [ADDRESS/32] }, port: tcp/22 } ]`",
			"no failsafe: a mistake can lock you out, and the first `apply` "
			"of a map that enforces is refused without one");
}

/* --- segments ------------------------------------------------------------------------------- */

/* Nobody names it, and it says nothing that its members would not have without it. */
static void check_unused(const struct bh_map *map, const bool *named, struct bh_diags *d)
{
	for (size_t i = BH_SEG_N_RESERVED; i < map->n_segment; i++) {
		const struct bh_segment *s = &map->segment[i];

		if (named[i] || !s->n_match || s->mode != BH_MODE_INHERIT || s->listen.n ||
		    s->raw || s->dhcp || s->admin || s->def[BH_IN] != BH_UNSET ||
		    s->def[BH_OUT] != BH_UNSET)
			continue;
		bh_report_warning(map, d, s->pos, NULL,
				  "segment '" BH_WORD "' is in no rule: only the map's default "
				  "holds for it",
				  s->name);
	}
}

int bh_map_check(const struct bh_map *map, const bool *named, struct bh_diags *d)
{
	int r = check_ids(map, d);

	if (r)
		return r;
	check_failsafes(map, d);
	if (named)
		check_unused(map, named, d);
	r = bh_check_names(map, d);
	if (!r)
		r = bh_check_globs(map, d);
	return r ? r : bh_check_addresses(map, d);
}
