/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compile_wants.c - the names that segments and failsafes mention, as one list. Called by
 * compile_names.c.
 */
#include "compile_names.h"

void bh_wants_clear(struct bh_wants *w)
{
	for (size_t i = 0; i < w->n_users; i++)
		bh_u32s_free(&w->users[i]);
	free(w->users);
	free(w->v);
}

/* --- what the map says ----------------------------------------------------------------------------- */

static int want_add(struct bh_wants *w, const struct bh_want *want)
{
	int r = bh_room_for_one(&w->v, &w->room, w->n, sizeof(*w->v));

	if (r == 0)
		w->v[w->n++] = *want;
	return r;
}

static int words_gather(struct bh_wants *w, const struct bh_words *words, struct bh_want want)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < words->n; i++) {
		want.name = words->v[i].s;
		want.pos = words->v[i].pos;
		r = want_add(w, &want);
	}
	return r;
}

static int match_gather(struct bh_compiler *c, struct bh_wants *w, size_t seg,
			const struct bh_match *m)
{
	struct bh_want want = {.seg = seg, .has_users = bh_match_has_users(m)};
	int r = 0;

	if (m->n_cidr)
		return 0;
	if (want.has_users) {
		want.users = w->n_users;
		r = bh_room_for_one(&w->users, &w->room_users, w->n_users, sizeof(*w->users));
		if (r < 0)
			return r;
		w->users[w->n_users++] = (struct bh_u32s){0};
		r = bh_match_users(c, m, &w->users[want.users]);
	}
	if (r == 0)
		r = words_gather(w, &m->cgroup, want);
	want.unit = true;
	return r == 0 ? words_gather(w, &m->unit, want) : r;
}

static int segments_gather(struct bh_compiler *c, struct bh_wants *w)
{
	int r = 0;

	for (size_t i = 0; i < c->map->n_segment; i++)
		for (size_t j = 0; r == 0 && j < c->map->segment[i].n_match; j++)
			r = match_gather(c, w, i, &c->map->segment[i].match[j]);
	return r;
}

/* --- failsafe units: one bit per list of units that occurs ------------------------------------------- */

#define UNIT_LISTS_MAX 32

static int word_cmp(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The units of a failsafe, sorted, as one text. */
static char *units_text(const struct bh_words *unit)
{
	_cleanup_free_ const char **s = calloc(unit->n, sizeof(*s));
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	FILE *out = s ? open_memstream(&text, &len) : NULL;

	if (!out)
		return NULL;
	for (size_t i = 0; i < unit->n; i++)
		s[i] = unit->v[i].s;
	qsort(s, unit->n, sizeof(*s), word_cmp);
	for (size_t i = 0; i < unit->n; i++)
		if (!i || strcmp(s[i - 1], s[i]) != 0)
			fprintf(out, "%s/", s[i]);
	if (fclose(out))
		return NULL;
	return TAKE_PTR(text);
}

struct unit_list {
	char *text;
	size_t rule;
};

struct unit_lists {
	struct unit_list *v;
	size_t n, room;
};

static void unit_lists_clear(struct unit_lists *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i].text);
	free(l->v);
}

static int unit_list_cmp(const void *a, const void *b)
{
	const struct unit_list *x = a, *y = b;
	int r = strcmp(x->text, y->text);

	return r ? r : (x->rule > y->rule) - (x->rule < y->rule);
}

static int unit_lists_gather(struct bh_compiler *c, struct unit_lists *l)
{
	for (size_t i = 0; i < c->map->n_rule; i++) {
		if (!c->map->rule[i].unit.n)
			continue;
		int r = bh_room_for_one(&l->v, &l->room, l->n, sizeof(*l->v));

		if (r < 0)
			return r;
		l->v[l->n].text = units_text(&c->map->rule[i].unit);
		l->v[l->n].rule = i;
		if (!l->v[l->n++].text)
			return -ENOMEM;
	}
	if (l->n)
		qsort(l->v, l->n, sizeof(*l->v), unit_list_cmp);
	return 0;
}

static int failsafes_gather(struct bh_compiler *c, struct bh_wants *w)
{
	_cleanup_(unit_lists_clear) struct unit_lists l = {0};
	__u32 bit = 0;
	int r = unit_lists_gather(c, &l);

	c->unit_bit = calloc(c->map->n_rule + 1, sizeof(*c->unit_bit));
	if (!c->unit_bit)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < l.n; i++) {
		const struct bh_rule_src *rule = &c->map->rule[l.v[i].rule];

		bit += i && strcmp(l.v[i - 1].text, l.v[i].text) != 0;
		if (bit == UNIT_LISTS_MAX) {
			bh_report_error(
				c->map, c->d, rule->unit.v[0].pos,
				"leave `unit` out of some, or name the same units in several",
				"failsafes name more than %d different units or lists of "
				"units",
				UNIT_LISTS_MAX);
			return -EINVAL;
		}
		c->unit_bit[l.v[i].rule] = (__u8)bit;
		r = words_gather(
			w, &rule->unit,
			(struct bh_want){.unit = true, .bits_only = true, .bit = 1u << bit});
	}
	return r;
}

int bh_wants_gather(struct bh_compiler *c, struct bh_wants *ret)
{
	int r = segments_gather(c, ret);

	return r < 0 ? r : failsafes_gather(c, ret);
}
