/* SPDX-License-Identifier: Apache-2.0 */
/*
 * holds_push.c - what holds for a while, to the kernel: names become numbers, units and prefixes,
 * by every map that is enforced or may be without us. See holds.h.
 */
#include <errno.h>
#include <string.h>
#include "holds.h"
#include "holds_nest.h"
#include "policy/cidr.h"

/* --- quarantine ------------------------------------------------------------------- */

struct members {
	struct bh_member *v;
	size_t n, room;
};

static struct bh_member *member(struct members *m, enum bh_held_by by, __u32 held)
{
	if (m->n == m->room) {
		size_t room = m->room ? 2 * m->room : 64;
		struct bh_member *more = realloc(m->v, room * sizeof(*more));

		if (!more)
			return NULL;
		m->v = more;
		m->room = room;
	}
	m->v[m->n] = (struct bh_member){.by = by, .held = held};
	return &m->v[m->n++];
}

/* @owner: where @held is 0, the quarantine that it is a hole in */
static int add_range(struct members *m, const struct bh_cidr *cidr, __u32 held, __u32 owner)
{
	struct bh_member *h = member(m, BH_HELD_ADDR, held);

	if (!h)
		return -ENOMEM;
	h->seg = owner;
	h->prefix.prefixlen = (__u32)cidr->plen;
	memcpy(h->prefix.addr, cidr->addr.b, sizeof(h->prefix.addr));
	return 0;
}

/* IPv4 addresses stand among those of IPv6, and ::/0 does not mean them. */
static const struct bh_cidr every_ipv4 = {.addr = {{[10] = 0xff, [11] = 0xff}}, .plen = 96};

static int add_prefix(struct members *m, const struct bh_cidr *cidr, __u32 held)
{
	int r = add_range(m, cidr, held, 0);

	if (r == 0 && !cidr->v4 && bh_cidr_contains(cidr, &every_ipv4))
		r = add_range(m, &every_ipv4, 0, held);
	return r;
}

static const struct bh_segment *segment_of(const struct bh_live *l, const char *name,
					   __u32 *ret_identity)
{
	for (size_t i = 0; l->map && l->compiled && i < l->map->n_segment; i++) {
		if (strcmp(l->map->segment[i].name, name) != 0)
			continue;
		*ret_identity = l->compiled->identity[i];
		return &l->map->segment[i];
	}
	return NULL;
}

/*
 * The maps that count, NULL where there is none. The kernel goes from one to another without us:
 * by the flip of a commit, and by the fall of a trial.
 */
struct maps {
	const struct bh_live *of[3];
};

static struct maps maps_of(const struct bh_agent *a, const struct bh_live *l)
{
	return (struct maps){{l, l != &a->live ? &a->live : NULL, &a->back}};
}

/* A name has the same number in all of them. */
static const struct bh_segment *find_segment(const struct maps *maps, const char *name,
					     __u32 *ret_identity)
{
	const struct bh_segment *s = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(maps->of) && !s; i++)
		s = maps->of[i] ? segment_of(maps->of[i], name, ret_identity) : NULL;
	return s;
}

static bool contains(const struct bh_cidr *cidr, size_t n, const struct bh_cidr *inner)
{
	for (size_t i = 0; i < n; i++)
		if (bh_cidr_contains(&cidr[i], inner))
			return true;
	return false;
}

/* Another map may have a prefix where this one has a hole. */
static bool is_hole_of(const struct bh_segment *s, const struct bh_cidr *hole)
{
	bool inside = false;

	for (size_t i = 0; i < s->n_match; i++) {
		if (contains(s->match[i].except, s->match[i].n_except, hole))
			return true;
		inside = inside || contains(s->match[i].cidr, s->match[i].n_cidr, hole);
	}
	return !inside;
}

static bool is_hole(const struct maps *maps, const struct bh_segment *of,
		    const struct bh_cidr *hole)
{
	__u32 identity;

	for (size_t i = 0; i < ARRAY_SIZE(maps->of); i++) {
		const struct bh_segment *s =
			maps->of[i] ? segment_of(maps->of[i], of->name, &identity) : NULL;

		if (s && s != of && !is_hole_of(s, hole))
			return false;
	}
	return true;
}

/* Every address in its prefixes, whoever else claims it. */
static int add_prefixes(struct members *m, const struct maps *maps, const struct bh_segment *s,
			__u32 held)
{
	int r = 0;

	for (size_t i = 0; i < s->n_match && r == 0; i++)
		for (size_t j = 0; j < s->match[i].n_cidr && r == 0; j++)
			r = add_prefix(m, &s->match[i].cidr[j], held);
	for (size_t i = 0; i < s->n_match && r == 0; i++)
		for (size_t j = 0; j < s->match[i].n_except && r == 0; j++)
			if (is_hole(maps, s, &s->match[i].except[j]))
				r = add_range(m, &s->match[i].except[j], 0, held);
	return r;
}

/* Its members by identity, and its addresses. */
static int add_segment(struct members *m, const struct maps *maps, const char *name, __u32 held)
{
	__u32 identity = 0;
	struct bh_member *h;
	int r = 0;

	/* in no map: it holds again when it is */
	if (!find_segment(maps, name, &identity))
		return 0;
	h = member(m, BH_HELD_SEG, held);
	if (!h)
		return -ENOMEM;
	h->seg = identity;
	for (size_t i = 0; i < ARRAY_SIZE(maps->of) && r == 0; i++) {
		const struct bh_segment *s =
			maps->of[i] ? segment_of(maps->of[i], name, &identity) : NULL;

		if (s)
			r = add_prefixes(m, maps, s, held);
	}
	return r;
}

static int add_hold(struct members *m, const struct maps *maps, const struct bh_hold *hold,
		    __u32 held)
{
	struct bh_member *h;

	if (hold->kind == BH_HOLD_SEGMENT)
		return add_segment(m, maps, hold->who, held);
	if (hold->kind == BH_HOLD_ADDRESS)
		return add_prefix(m, &hold->cidr, held);
	h = member(m, BH_HELD_UNIT, held);
	if (!h)
		return -ENOMEM;
	snprintf(h->unit, sizeof(h->unit), "%s", hold->who);
	return 0;
}

static int push_quarantine(struct bh_agent *a, const struct maps *maps, struct bh_diags *d)
{
	struct bh_quarantine slot[BH_QUARANTINE_MAX] = {0};
	struct members m = {0};
	int r = 0;

	for (size_t i = 0; i < a->holds->n_hold && r == 0; i++) {
		const struct bh_hold *h = &a->holds->hold[i];

		slot[h->slot].until_ns = h->note.until_ns;
		slot[h->slot].flags = BH_QUARANTINE_ON | (h->hard ? BH_QUARANTINE_HARD : 0);
		r = add_hold(&m, maps, h, h->slot + 1);
	}
	if (r == 0)
		r = bh_holds_nest(m.v, m.n, slot);
	if (r == 0)
		r = bh_kern_quarantine(a->kern, slot, m.v, m.n, d);
	free(m.v);
	return r;
}

/* --- grants ---------------------------------------------------------------------- */

static int end_of(const struct maps *maps, const char *name, __u32 *ret)
{
	if (!strcmp(name, "any")) {
		*ret = BH_ID_ANY;
		return 0;
	}
	return find_segment(maps, name, ret) ? 0 : -ENOENT;
}

static void add_granted(const struct maps *maps, const struct bh_granted *g,
			struct bh_grant grant[BH_GRANTS_MAX], size_t *n)
{
	struct bh_port_span span[2];
	struct bh_port port;
	struct bh_fault f;
	__u32 from, to;
	size_t n_span;

	/* a segment that is in no map: it opens nothing */
	if (end_of(maps, g->from, &from) < 0 || end_of(maps, g->to, &to) < 0 ||
	    bh_port_parse(g->port, &port, &f) < 0)
		return;
	n_span = bh_port_spans(&port, span);
	for (size_t i = 0; i < n_span && *n < BH_GRANTS_MAX; i++)
		grant[(*n)++] = (struct bh_grant){
			.until_ns = g->note.until_ns,
			.from = from,
			.to = to,
			.uid = g->uid,
			.port = (__u16)span[i].low,
			.port_to = (__u16)span[i].high,
			.proto = (__u8)span[i].proto,
		};
}

/* Return: the rule's number, 0 if it is in no map. */
static __u32 rule_of(const struct maps *maps, const char *id)
{
	for (size_t i = 0; i < ARRAY_SIZE(maps->of); i++) {
		const struct bh_compiled *c = maps->of[i] ? maps->of[i]->compiled : NULL;

		for (size_t j = 0; c && j < c->n_info; j++)
			if (!strcmp(c->info[j].id, id))
				return c->info[j].number;
	}
	return 0;
}

static int push_grants(struct bh_agent *a, const struct maps *maps, struct bh_diags *d)
{
	struct bh_grant grant[BH_GRANTS_MAX] = {0};
	struct bh_jit jit[BH_GRANTS_MAX];
	size_t n = 0, n_jit = 0;

	for (size_t i = 0; i < a->holds->n_granted; i++) {
		const struct bh_granted *g = &a->holds->granted[i];
		__u32 rule = g->rule ? rule_of(maps, g->rule) : 0;

		if (!g->rule)
			add_granted(maps, g, grant, &n);
		else if (rule)
			jit[n_jit++] = (struct bh_jit){rule, g->note.until_ns};
	}
	return bh_kern_grants(a->kern, grant, jit, n_jit, d);
}

int bh_holds_push(struct bh_agent *a, const struct bh_live *l, struct bh_diags *d)
{
	struct maps maps = maps_of(a, l);
	int r;

	if (!a->holds)
		return 0;
	r = a->holds->lost ? 0 : push_quarantine(a, &maps, d);
	return r ? r : push_grants(a, &maps, d);
}
