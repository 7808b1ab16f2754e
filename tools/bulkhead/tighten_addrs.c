/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tighten_addrs.c - prefixes of segments that are wider than what was seen of them. See tighten.h.
 * Who is left out becomes somebody else: a proposal that could open something to them is none.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include "../../agent/policy/cidr.h"
#include "text.h"
#include "tighten.h"

/* So many addresses are named one by one; more are the prefix that they have in common. */
#define NAMED_MAX 8

struct seen {
	struct bh_cidr *v; /* single addresses; sorted, each once */
	size_t n;
	bool many; /* and others that are not told one by one */
};

static int by_addr(const void *a, const void *b)
{
	return bh_cidr_cmp(a, b);
}

static bool parse(const char *text, struct bh_cidr *ret)
{
	*ret = (struct bh_cidr){.plen = 128};
	if (inet_pton(AF_INET, text, ret->addr.b + 12) == 1) {
		ret->v4 = true;
		memset(ret->addr.b + 10, 0xff, 2);
		return true;
	}
	return inet_pton(AF_INET6, text, ret->addr.b) == 1;
}

/* Whoever was seen as @segment, whatever became of it. */
static int look(const struct bh_tighten_ask *ask, const char *segment, struct seen *ret)
{
	const json_t *row;
	size_t i, to = 0;

	ret->v = calloc(json_array_size(ask->pairs) + 1, sizeof(*ret->v));
	if (!ret->v)
		return -ENOMEM;
	json_array_foreach(ask->pairs, i, row)
	{
		int64_t last_s = 0;

		if (strcmp(bh_json_str(row, "remote.segment"), segment) != 0 ||
		    bh_time_parse(bh_json_str(row, "last"), &last_s) < 0 || last_s < ask->cut_s ||
		    json_is_true(bh_json_at(row, "remote.inside")))
			continue;
		if (parse(bh_json_str(row, "remote.ip"), &ret->v[ret->n]))
			ret->n++;
		else
			ret->many = true;
	}
	if (ret->n)
		qsort(ret->v, ret->n, sizeof(*ret->v), by_addr);
	for (i = 0; i < ret->n; i++)
		if (!to || bh_cidr_cmp(&ret->v[to - 1], &ret->v[i]) != 0)
			ret->v[to++] = ret->v[i];
	ret->n = to;
	return 0;
}

/* --- whom it would make of the others ----------------------------------------------------------------- */

static bool names(const struct bh_sel *sel, size_t seg)
{
	for (size_t i = 0; i < sel->n_seg; i++)
		if (sel->seg[i] == seg)
			return true;
	return false;
}

/* A rule of @kind that names @seg. */
static const struct bh_rule_src *named_by(const struct bh_map *map, enum bh_rule_kind kind,
					  size_t seg)
{
	for (size_t i = 0; i < map->n_rule; i++)
		if (map->rule[i].kind == kind &&
		    (names(&map->rule[i].from, seg) || names(&map->rule[i].to, seg)))
			return &map->rule[i];
	return NULL;
}

static bool holds(const struct bh_segment *s, const struct bh_cidr *cidr)
{
	for (size_t m = 0; m < s->n_match; m++)
		for (size_t i = 0; i < s->match[m].n_cidr; i++)
			if (bh_cidr_contains(&s->match[m].cidr[i], cidr))
				return true;
	return false;
}

/* A rule by which less of @seg would be more for somebody; NULL: none. */
static const struct bh_rule_src *obstacle(const struct bh_map *map, size_t seg,
					  const struct bh_match *m)
{
	const struct bh_rule_src *rule = named_by(map, BH_RULE_DENY, seg);

	for (size_t other = 0; !rule && other < map->n_segment; other++) {
		bool may_be = other == BH_SEG_WORLD;

		for (size_t i = 0; i < m->n_cidr; i++)
			may_be |= other != seg && holds(&map->segment[other], &m->cidr[i]);
		rule = may_be ? named_by(map, BH_RULE_ALLOW, other) : NULL;
	}
	return rule;
}

/* A rule by which somebody of @seg may have been here without being seen; NULL: none. */
static const struct bh_rule_src *unseen_by(const struct bh_tighten_ask *ask, size_t seg)
{
	for (size_t i = 0; i < ask->map->n_rule; i++) {
		const struct bh_rule_src *rule = &ask->map->rule[i];

		if (rule->kind == BH_RULE_ALLOW && bh_json_u64(ask->packets, rule->id) &&
		    (names(&rule->from, seg) || names(&rule->to, seg)) && bh_tighten_unseen(rule))
			return rule;
	}
	return NULL;
}

/* --- narrower ------------------------------------------------------------------------------------------ */

static int say_cidr(struct bh_tighten_words *w, const struct bh_cidr *c)
{
	char text[BH_CIDR_TEXT];

	return bh_tighten_say(w, c->v4 ? "%s" : "\"%s\"", bh_cidr_text(c, text));
}

static struct bh_cidr in_common(const struct bh_cidr *a, const struct bh_cidr *b)
{
	struct bh_cidr c = *a;
	int n = 0;

	while (n < 128 && !((a->addr.b[n / 8] ^ b->addr.b[n / 8]) & (0x80 >> n % 8)))
		n++;
	c.plen = n;
	for (int i = n; i < 128; i++)
		c.addr.b[i / 8] &= (unsigned char)~(0x80 >> i % 8);
	return c;
}

/* @from..@to: those of it that were seen. Return: 1: it is narrower, 0: as it was, -ENOMEM. */
static int narrow(struct bh_tighten_words *w, const struct bh_map *map, const struct bh_cidr *cidr,
		  const struct bh_cidr *from, size_t n)
{
	struct bh_cidr c;
	int r = 0;

	if (!n)
		return 1;
	c = in_common(&from[0], &from[n - 1]);
	if (128 - cidr->plen <= 3 && n == 1u << (128 - cidr->plen))
		return bh_tighten_quote(w, map, cidr->pos);
	if (n > NAMED_MAX && c.plen <= cidr->plen)
		return bh_tighten_quote(w, map, cidr->pos);
	if (n > NAMED_MAX)
		r = say_cidr(w, &c);
	for (size_t i = 0; n <= NAMED_MAX && r == 0 && i < n; i++)
		r = say_cidr(w, &from[i]);
	return r ? r : 1;
}

/* Addresses of an earlier element are not another one's. @ret_any: one is narrower */
static int words_of(const struct bh_map *map, const struct bh_match *m, const struct seen *s,
		    struct bh_tighten_words *w, bool *ret_any)
{
	for (size_t i = 0; i < m->n_cidr; i++) {
		size_t from = 0, to;
		int r;

		while (from < s->n && !bh_cidr_contains(&m->cidr[i], &s->v[from]))
			from++;
		for (to = from; to < s->n && bh_cidr_contains(&m->cidr[i], &s->v[to]);)
			to++;
		r = narrow(w, map, &m->cidr[i], s->v + from, to - from);
		if (r < 0)
			return r;
		*ret_any |= r == 1;
	}
	return 0;
}

static int edit_match(const struct bh_map *map, const struct bh_match *m,
		      const struct bh_tighten_words *w, struct bh_edit *ret)
{
	_cleanup_free_ struct bh_pos *pos = calloc(m->n_cidr + 1, sizeof(*pos));

	for (size_t i = 0; pos && i < m->n_cidr; i++)
		pos[i] = m->cidr[i].pos;
	return pos ? bh_edit_list(map, pos, m->n_cidr, (const char *const *)w->v, w->n, ret)
		   : -ENOMEM;
}

static int judge_match(const struct bh_tighten_ask *ask, struct bh_tightened *t, size_t seg,
		       const struct bh_match *m, const struct seen *s)
{
	_cleanup_(bh_tighten_words_clear) struct bh_tighten_words w = {};
	const struct bh_segment *segment = &ask->map->segment[seg];
	const struct bh_rule_src *rule;
	struct bh_edit edit = {};
	bool any = false;
	char evidence[160];
	int r = words_of(ask->map, m, s, &w, &any);

	if (r < 0 || !any || !w.n)
		return r;
	rule = obstacle(ask->map, seg, m);
	if (rule)
		return bh_tighten_note(
			t,
			"segment %s, line %d, is wider than what was seen of it, and "
			"stays: rule %s would let the others do more than now",
			segment->name, m->cidr[0].pos.line, rule->id);
	rule = unseen_by(ask, seg);
	if (rule)
		return bh_tighten_note(
			t,
			"segment %s, line %d, is wider than what was seen of it, and "
			"stays: rule %s was used, and may have been without a trace",
			segment->name, m->cidr[0].pos.line, rule->id);
	r = edit_match(ask->map, m, &w, &edit);
	if (r == -EOPNOTSUPP)
		return bh_tighten_note(
			t,
			"segment %s, line %d, is wider than what was seen of it, and "
			"its list can't be changed by a diff: do it by hand",
			segment->name, m->cidr[0].pos.line);
	(void)snprintf(evidence, sizeof(evidence), "%zu %s of it seen since %s", s->n,
		       s->n == 1 ? "address was" : "addresses were", ask->since);
	if (r == 0)
		r = bh_tighten_add(t, ask, NULL, segment->name, m->cidr[0].pos.line,
				   "narrow_prefixes", &edit, evidence);
	free(edit.text);
	return r;
}

static int judge_segment(const struct bh_tighten_ask *ask, struct bh_tightened *t, size_t seg)
{
	const struct bh_segment *segment = &ask->map->segment[seg];
	struct seen s = {};
	int r = look(ask, segment->name, &s);

	for (size_t i = 0; r == 0 && s.n && !s.many && i < segment->n_match; i++) {
		const struct bh_match *m = &segment->match[i];

		if (m->n_cidr && !m->n_except)
			r = judge_match(ask, t, seg, m, &s);
	}
	if (r == 0 && s.many)
		r = bh_tighten_note(
			t,
			"segment %s stays as it is: more addresses of it were seen than "
			"the history keeps one by one",
			segment->name);
	free(s.v);
	return r;
}

int bh_tighten_addrs(const struct bh_tighten_ask *ask, struct bh_tightened *t)
{
	int r = 0;

	for (size_t i = BH_SEG_N_RESERVED; r == 0 && i < ask->map->n_segment; i++) {
		bool cidr = false;

		for (size_t m = 0; m < ask->map->segment[i].n_match; m++)
			cidr |= ask->map->segment[i].match[m].n_cidr;
		if (!cidr)
			continue;
		if (bh_tighten_old(ask, &ask->ages->segment[i]))
			r = judge_segment(ask, t, i);
		else
			t->young++;
	}
	return r;
}
