/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compile_addr.c - prefixes to identities and classes. The prefixes of the map form a forest;
 * every address between a prefix and the next longer ones inside it is treated alike, so one
 * walk over the sorted prefixes, with the wider ones on a stack, finds all there is.
 */
#include "compile_internal.h"

enum what {
	WALL,	  /* nothing wider reaches inside */
	CIDR,	  /* of a segment */
	EXCEPT,	  /* a hole in one match of a segment */
	FAILSAFE, /* of a failsafe */
};

struct source {
	struct bh_cidr cidr;
	enum what what;
	size_t seg, match; /* or the index of the failsafe's prefix in @seg */
};

/* Sources of one prefix, and what its addresses are. */
struct node {
	const struct source *source;
	size_t n;
	struct bh_addr_val val;
};

struct entry {
	struct bh_prefix_key key;
	struct bh_addr_val val;
};

#define DEPTH_MAX 130 /* prefix lengths of one family */

struct walk {
	struct bh_compiler *c;
	struct source *source;
	size_t n, room;
	struct node node[DEPTH_MAX]; /* the wider ones, widest first */
	size_t depth;
	struct entry *entry;
	size_t n_entries, room_entries;
};

static const struct bh_cidr v4_all = {.addr = {{[10] = 0xff, [11] = 0xff}}, .plen = 96, .v4 = true};
static const struct bh_cidr v4_mapped = {.addr = {{[10] = 0xff, [11] = 0xff}}, .plen = 96};
static const struct bh_cidr link_local = {.addr = {{[0] = 0xfe, [1] = 0x80}}, .plen = 10};

/* --- what there is ----------------------------------------------------------------------------- */

static int source_cmp(const void *a, const void *b)
{
	const struct source *x = a, *y = b;
	int r = bh_cidr_cmp(&x->cidr, &y->cidr);

	if (r)
		return r;
	if (x->what != y->what)
		return x->what < y->what ? -1 : 1;
	if (x->seg != y->seg)
		return x->seg < y->seg ? -1 : 1;
	return (x->match > y->match) - (x->match < y->match);
}

static int source_add(struct walk *w, const struct bh_cidr *cidr, enum what what, size_t seg,
		      size_t match)
{
	int r = bh_room_for_one(&w->source, &w->room, w->n, sizeof(*w->source));

	if (r < 0)
		return r;
	w->source[w->n++] =
		(struct source){.cidr = *cidr, .what = what, .seg = seg, .match = match};
	return 0;
}

static int segments_gather(struct walk *w)
{
	const struct bh_map *map = w->c->map;
	int r = 0;

	for (size_t i = 0; i < map->n_segment; i++)
		for (size_t j = 0; j < map->segment[i].n_match; j++) {
			const struct bh_match *m = &map->segment[i].match[j];

			/* No address is in a cgroup: together they match nothing. */
			if (m->unit.n || m->cgroup.n || m->user.n || m->group.n)
				continue;
			for (size_t k = 0; r == 0 && k < m->n_cidr; k++)
				r = source_add(w, &m->cidr[k], CIDR, i, j);
			for (size_t k = 0; r == 0 && k < m->n_except; k++)
				r = source_add(w, &m->except[k], EXCEPT, i, j);
		}
	return r;
}

static int cidr_cmp(const void *a, const void *b)
{
	return bh_cidr_cmp(a, b);
}

static int failsafes_gather(struct walk *w)
{
	struct bh_compiler *c = w->c;
	size_t room = 0, n = 0;

	for (size_t i = 0; i < c->map->n_rule; i++) {
		const struct bh_rule_src *rule = &c->map->rule[i];
		const struct bh_sel *sel = rule->from.n_cidr ? &rule->from : &rule->to;

		for (size_t j = 0; rule->kind == BH_RULE_FAILSAFE && j < sel->n_cidr; j++) {
			int r = bh_room_for_one(&c->failsafe, &room, n, sizeof(*c->failsafe));

			if (r < 0)
				return r;
			c->failsafe[n++] = sel->cidr[j];
		}
	}
	if (n)
		qsort(c->failsafe, n, sizeof(*c->failsafe), cidr_cmp);
	for (size_t i = 0; i < n; i++) {
		if (c->n_failsafe && !bh_cidr_cmp(&c->failsafe[c->n_failsafe - 1], &c->failsafe[i]))
			continue;
		c->failsafe[c->n_failsafe++] = c->failsafe[i];
	}
	for (size_t i = 0; i < c->n_failsafe; i++) {
		int r = source_add(w, &c->failsafe[i], FAILSAFE, i, 0);

		if (r < 0)
			return r;
	}
	return 0;
}

/*
 * IPv4 lies inside ::/0 as bits, but an IPv6 prefix never matches an IPv4 address. Link-local
 * addresses are `world`: one and the same may stand on two NICs.
 */
static int walls_add(struct walk *w)
{
	bool mapped = false, link_locals = false;
	int r = 0;

	for (size_t i = 0; i < w->n; i++) {
		const struct bh_cidr *cidr = &w->source[i].cidr;

		mapped |= bh_cidr_contains(cidr, &v4_mapped);
		link_locals |= bh_cidr_contains(cidr, &link_local);
	}
	if (mapped)
		r = source_add(w, &v4_all, WALL, 0, 0);
	if (r == 0 && link_locals)
		r = source_add(w, &link_local, WALL, 0, 0);
	return r;
}

/* --- one prefix ---------------------------------------------------------------------------------- */

static bool is_hole(const struct walk *w, const struct source *s, size_t from)
{
	for (size_t i = from; i < w->depth; i++)
		for (size_t j = 0; j < w->node[i].n; j++) {
			const struct source *e = &w->node[i].source[j];

			if (e->what == EXCEPT && e->seg == s->seg && e->match == s->match)
				return true;
		}
	return false;
}

/* The walls hold: what lies above the deepest one does not count. */
static size_t wall_of(const struct walk *w)
{
	for (size_t i = w->depth; i-- > 0;)
		if (w->node[i].source[0].what == WALL)
			return i;
	return 0;
}

/* What the addresses of the deepest node are: the longest prefix says who, the others where. */
static int node_resolve(struct walk *w)
{
	struct bh_addr_val *val = &w->node[w->depth - 1].val;
	_cleanup_u32s_ struct bh_u32s inside = {0};
	size_t wall = wall_of(w);
	int r = 0;

	val->identity = BH_ID_WORLD;
	for (size_t i = w->depth; i-- > wall;)
		for (size_t j = 0; r == 0 && j < w->node[i].n; j++) {
			const struct source *s = &w->node[i].source[j];
			__u32 identity;

			if (s->what == FAILSAFE)
				r = bh_u32s_add(&inside, BH_FAILSAFE_ID | (__u32)s->seg);
			if (s->what != CIDR || is_hole(w, s, wall))
				continue;
			identity = w->c->out->identity[s->seg];
			if (val->identity == BH_ID_WORLD)
				val->identity = identity;
			else if (w->c->named[s->seg] && identity != val->identity)
				r = bh_u32s_add(&inside, identity);
		}
	if (r < 0)
		return r;
	bh_u32s_sort(&inside);
	return bh_class_get(w->c, val->identity, &inside, &val->class);
}

static int node_emit(struct walk *w)
{
	static const struct bh_addr_val nobody = {BH_ID_WORLD, BH_ID_WORLD};
	const struct node *node = &w->node[w->depth - 1];
	const struct bh_addr_val *above = w->depth > 1 ? &node[-1].val : &nobody;
	bool is_wall = node->source->what == WALL;
	struct entry *e;
	int r;

	if (!is_wall && above->identity == node->val.identity && above->class == node->val.class)
		return 0;
	r = bh_room_for_one(&w->entry, &w->room_entries, w->n_entries, sizeof(*w->entry));
	if (r < 0)
		return r;
	e = &w->entry[w->n_entries++];
	e->key.prefixlen = (__u32)node->source->cidr.plen;
	memcpy(e->key.addr, node->source->cidr.addr.b, sizeof(e->key.addr));
	e->val = node->val;
	return 0;
}

static int twice_error(struct walk *w, const struct source *a, const struct source *b)
{
	const struct bh_map *map = w->c->map;
	struct bh_where where = bh_map_where(map, b->cidr.pos);
	char text[BH_CIDR_TEXT];

	return bh_diag_add(w->c->d, BH_ERROR, &where,
			   "give the address a segment of its own, and write the rules for it",
			   "%s is in segment '%s' and in '%s' (line %d)",
			   bh_cidr_text(&b->cidr, text), map->segment[b->seg].name,
			   map->segment[a->seg].name, a->cidr.pos.line);
}

/* --- the walk ------------------------------------------------------------------------------------ */

/* Takes the sources of one prefix off @s. Return: how many, or -EINVAL. */
static int node_push(struct walk *w, const struct source *s, size_t left)
{
	const struct source *first = NULL;
	size_t n = 0;

	for (; n < left && !bh_cidr_cmp(&s[n].cidr, &s->cidr); n++)
		if (s[n].what == CIDR) {
			if (first)
				return twice_error(w, first, &s[n]);
			first = &s[n];
		}
	while (w->depth && !bh_cidr_contains(&w->node[w->depth - 1].source->cidr, &s->cidr))
		w->depth--;
	w->node[w->depth++] = (struct node){.source = s, .n = n};
	return (int)n;
}

/* Equal holes of one match count once: is_hole() looks at all of them. */
static void sources_sort(struct walk *w)
{
	size_t to = 0;

	if (!w->n)
		return;
	qsort(w->source, w->n, sizeof(*w->source), source_cmp);
	for (size_t i = 0; i < w->n; i++)
		if (!to || w->source[i].what == CIDR ||
		    source_cmp(&w->source[to - 1], &w->source[i]))
			w->source[to++] = w->source[i];
	w->n = to;
}

static int entry_cmp(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct bh_prefix_key));
}

/* Whole addresses to the hash, prefixes to the trie; both by key bytes. */
static int tables_fill(struct walk *w)
{
	struct bh_compiled *out = w->c->out;
	size_t n = w->n_entries;

	out->addrs.bh_addr = calloc(n + 1, sizeof(*out->addrs.bh_addr));
	out->addrs.bh_addr_val = calloc(n + 1, sizeof(*out->addrs.bh_addr_val));
	out->prefixes.bh_prefix_key = calloc(n + 1, sizeof(*out->prefixes.bh_prefix_key));
	out->prefixes.bh_addr_val = calloc(n + 1, sizeof(*out->prefixes.bh_addr_val));
	if (!out->addrs.bh_addr || !out->addrs.bh_addr_val || !out->prefixes.bh_prefix_key ||
	    !out->prefixes.bh_addr_val)
		return -ENOMEM;
	if (n)
		qsort(w->entry, n, sizeof(*w->entry), entry_cmp);
	for (size_t i = 0; i < n; i++) {
		const struct entry *e = &w->entry[i];

		if (e->key.prefixlen == 128) {
			memcpy(&out->addrs.bh_addr[out->addrs.n], e->key.addr, sizeof(e->key.addr));
			out->addrs.bh_addr_val[out->addrs.n++] = e->val;
		} else {
			out->prefixes.bh_prefix_key[out->prefixes.n] = e->key;
			out->prefixes.bh_addr_val[out->prefixes.n++] = e->val;
		}
	}
	return 0;
}

/* --- how much ------------------------------------------------------------------------------------ */

/* The segment with most prefixes, or most whole addresses. */
static struct bh_most most_of(const struct walk *w, bool whole)
{
	const struct bh_map *map = w->c->map;
	_cleanup_free_ __u64 *n = calloc(map->n_segment + 1, sizeof(*n));
	struct bh_most most = {.word = "segment"};

	if (!n)
		return most;
	for (size_t i = 0; i < w->n; i++)
		if ((w->source[i].what == CIDR || w->source[i].what == EXCEPT) &&
		    (w->source[i].cidr.plen == 128) == whole)
			n[w->source[i].seg]++;
	for (size_t i = 0; i < map->n_segment; i++) {
		const struct bh_segment *s = &map->segment[i];

		bh_most_note(&most, &(struct bh_most){"segment", s->name, s->pos, n[i]});
	}
	return most;
}

static void limits_check(struct walk *w)
{
	const struct bh_limits *limits = w->c->limits;
	struct bh_most whole = most_of(w, true), prefixes = most_of(w, false);

	(void)bh_limit_check(w->c, "exact addresses", w->c->out->addrs.n, limits->addrs, &whole);
	(void)bh_limit_check(w->c, "address prefixes", w->c->out->prefixes.n, limits->prefixes,
			     &prefixes);
}

/* --- the step ------------------------------------------------------------------------------------ */

static int walk(struct walk *w)
{
	int n, r;

	for (size_t at = 0; at < w->n; at += (size_t)n) {
		n = node_push(w, w->source + at, w->n - at);
		if (n < 0)
			return n;
		r = node_resolve(w);
		if (r == 0)
			r = node_emit(w);
		if (r < 0)
			return r;
	}
	return tables_fill(w);
}

/* A class is only needed where somebody asks: where a deny names the wider segment. */
static int named_mark(struct bh_compiler *c)
{
	c->named = calloc(c->map->n_segment + 1, sizeof(*c->named));
	if (!c->named)
		return -ENOMEM;
	for (size_t i = 0; i < c->map->n_rule; i++) {
		const struct bh_rule_src *rule = &c->map->rule[i];

		if (rule->kind != BH_RULE_DENY)
			continue;
		for (size_t j = 0; j < rule->from.n_seg; j++)
			c->named[rule->from.seg[j]] = true;
		for (size_t j = 0; j < rule->to.n_seg; j++)
			c->named[rule->to.seg[j]] = true;
	}
	return 0;
}

static void walk_freep(struct walk **w)
{
	if (!*w)
		return;
	free((*w)->source);
	free((*w)->entry);
	free(*w);
}

int bh_compile_addrs(struct bh_compiler *c)
{
	_cleanup_(walk_freep) struct walk *w = calloc(1, sizeof(*w));
	int r = w ? named_mark(c) : -ENOMEM;

	if (r < 0)
		return r;
	w->c = c;
	r = segments_gather(w);
	if (r == 0)
		r = failsafes_gather(w);
	if (r == 0)
		r = walls_add(w);
	if (r == 0) {
		sources_sort(w);
		r = walk(w);
	}
	if (r == 0) {
		limits_check(w);
		r = bh_classes_index(c);
	}
	return r;
}
