/* SPDX-License-Identifier: Apache-2.0 */
/*
 * suggest_addrs.c - see suggest_internal.h: addresses become segments. Those that took part in
 * exactly the same conversations are one, and are written as prefixes that hold nothing else.
 */
#include <errno.h>
#include <string.h>
#include "../../agent/policy/cidr.h"
#include "suggest_internal.h"

#define CMP(x, y) (((x) > (y)) - ((x) < (y)))

/* --- sayings ---------------------------------------------------------------------------------------- */

static int by_saying(const struct bh_said *a, const struct bh_said *b)
{
	int r = CMP(a->dir, b->dir);

	r = r ? r : CMP(a->seg, b->seg);
	r = r ? r : CMP(a->other, b->other);
	r = r ? r : CMP(a->proto, b->proto);
	r = r ? r : CMP(a->port, b->port);
	return r ? r : CMP(a->posture, b->posture);
}

static int by_said(const void *x, const void *y)
{
	const struct bh_said *a = x, *b = y;
	int r = by_saying(a, b);

	r = r ? r : CMP(a->many, b->many);
	r = r ? r : memcmp(&a->addr, &b->addr, sizeof(a->addr));
	return r ? r : strcmp(a->remote, b->remote);
}

static int make_sayings(struct bh_suggesting *w)
{
	if (w->n_said)
		qsort(w->said, w->n_said, sizeof(*w->said), by_said);
	for (size_t i = 0; i < w->n_said; i++) {
		struct bh_saying *c = w->n_saying ? &w->saying[w->n_saying - 1] : NULL;

		if (c && !by_saying(&w->said[c->from], &w->said[i])) {
			c->to++;
			continue;
		}
		c = bh_seen_grow(&w->saying, &w->n_saying, sizeof(*c));
		if (!c)
			return -ENOMEM;
		*c = (struct bh_saying){.from = i, .to = i + 1};
	}
	return 0;
}

/* --- classes ---------------------------------------------------------------------------------------- */

struct part {
	struct bh_addr addr;
	size_t saying;
	const char *remote;
};

/* An address and what it has part in. */
struct who {
	struct bh_addr addr;
	const char *remote;
	const struct part *part;
	size_t n;
};

static int by_part(const void *x, const void *y)
{
	const struct part *a = x, *b = y;
	int r = memcmp(&a->addr, &b->addr, sizeof(a->addr));

	return r ? r : CMP(a->saying, b->saying);
}

static int by_sayings(const struct who *a, const struct who *b)
{
	int r = CMP(a->n, b->n);

	for (size_t i = 0; !r && i < a->n; i++)
		r = CMP(a->part[i].saying, b->part[i].saying);
	return r ? r : strcmp(a->remote, b->remote);
}

static int by_who(const void *x, const void *y)
{
	const struct who *a = x, *b = y;
	int r = by_sayings(a, b);

	return r ? r : memcmp(&a->addr, &b->addr, sizeof(a->addr));
}

static size_t make_parts(const struct bh_suggesting *w, struct part *part)
{
	size_t n = 0, to = 0;

	for (size_t c = 0; c < w->n_saying; c++)
		for (size_t i = w->saying[c].from; i < w->saying[c].to; i++)
			if (w->said[i].dir != BH_DRAFT_LOCAL && !w->said[i].many)
				part[n++] = (struct part){w->said[i].addr, c, w->said[i].remote};
	if (n)
		qsort(part, n, sizeof(*part), by_part);
	for (size_t i = 0; i < n; i++)
		if (!to || by_part(&part[to - 1], &part[i]) != 0)
			part[to++] = part[i];
	return to;
}

static size_t gather(const struct part *part, size_t n, struct who *ret)
{
	size_t n_who = 0;

	for (size_t i = 0; i < n; i++) {
		struct who *last = n_who ? &ret[n_who - 1] : NULL;

		if (last && !memcmp(&last->addr, &part[i].addr, sizeof(last->addr)))
			last->n++;
		else
			ret[n_who++] = (struct who){part[i].addr, part[i].remote, &part[i], 1};
	}
	return n_who;
}

static bool is_named(const struct who *who)
{
	return *who->remote && strcmp(who->remote, "world") != 0 &&
	       strcmp(who->remote, "host") != 0 && strcmp(who->remote, "unassigned") != 0 &&
	       strlen(who->remote) < BH_DRAFT_NAME;
}

/* The segment that they are in now, else what they are for. */
static void name_class(const struct bh_suggesting *w, const struct who *who,
		       char ret[BH_DRAFT_NAME])
{
	struct bh_cidr one = {.addr = who->addr, .plen = 128, .v4 = bh_seen_is_v4(&who->addr)};
	const struct bh_said *t = &w->said[w->saying[who->part[0].saying].from], *other;
	char text[BH_CIDR_TEXT + 8] = "peer-";

	if (is_named(who)) {
		(void)snprintf(ret, BH_DRAFT_NAME, "%s", who->remote);
		return;
	}
	for (size_t i = 1; i < who->n; i++) {
		other = &w->said[w->saying[who->part[i].saying].from];
		if (other->dir == t->dir && other->seg == t->seg)
			continue;
		(void)bh_cidr_text(&one, text + 5);
		*strchr(text, '/') = '\0';
		bh_draft_name(text, ret);
		return;
	}
	(void)snprintf(ret, BH_DRAFT_NAME, "%.36s-%s", bh_draft_seg_name(&w->d, t->seg),
		       t->dir == BH_DRAFT_IN ? "clients" : "servers");
}

/* --- prefixes ---------------------------------------------------------------------------------------- */

static bool are_halves(const struct bh_cidr *a, const struct bh_cidr *b)
{
	struct bh_addr flipped = a->addr;
	int bit = a->plen - 1;

	if (a->plen != b->plen || a->v4 != b->v4 || a->plen <= (a->v4 ? 97 : 1) ||
	    a->addr.b[bit / 8] & 0x80 >> bit % 8)
		return false;
	flipped.b[bit / 8] |= (__u8)(0x80 >> bit % 8);
	return !memcmp(&flipped, &b->addr, sizeof(flipped));
}

/* @v: sorted, each once. Two halves of a prefix are the prefix. */
static size_t join(struct bh_cidr *v, size_t n)
{
	size_t to = 0;

	for (size_t i = 0; i < n; i++) {
		v[to++] = v[i];
		while (to > 1 && are_halves(&v[to - 2], &v[to - 1]))
			v[--to - 1].plen--;
	}
	return to;
}

/* A segment of the @n that begin at @who. */
static int add_class(struct bh_suggesting *w, const struct who *who, size_t n)
{
	static const struct bh_spot addrs = {.kind = BH_SPOT_ADDRS};
	struct bh_home home = {.remote = who->remote};
	struct bh_cidr *v = calloc(n, sizeof(*v));
	char name[BH_DRAFT_NAME];
	size_t seg;

	if (!v)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		v[i] = (struct bh_cidr){
			.addr = who[i].addr, .plen = 128, .v4 = bh_seen_is_v4(&who[i].addr)};
	name_class(w, who, name);
	seg = bh_suggest_seg(w, name, &addrs, &home);
	if (seg == BH_DRAFT_WORLD) {
		free(v);
		return -ENOMEM;
	}
	w->d.seg[seg].cidr = v;
	w->d.seg[seg].n_cidr = join(v, n);
	return 0;
}

static int by_speaks(const void *x, const void *y)
{
	const struct bh_speaks *a = x, *b = y;
	int r = CMP(a->saying, b->saying);

	return r ? r : CMP(a->class, b->class);
}

static void index_speaks(struct bh_suggesting *w)
{
	size_t at = 0;

	if (w->n_speaks)
		qsort(w->speaks, w->n_speaks, sizeof(*w->speaks), by_speaks);
	for (size_t c = 0; c < w->n_saying; c++) {
		w->saying[c].class_from = at;
		while (at < w->n_speaks && w->speaks[at].saying == c)
			at++;
		w->saying[c].class_to = at;
	}
}

static int add_speakers(struct bh_suggesting *w, const struct who *who, size_t n)
{
	if (add_class(w, who, n) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < who->n; i++) {
		struct bh_speaks *s = bh_seen_grow(&w->speaks, &w->n_speaks, sizeof(*s));

		if (!s)
			return -ENOMEM;
		*s = (struct bh_speaks){who->part[i].saying, w->d.n_seg - 1};
	}
	return 0;
}

/* Those that have a name first: no new one shall take it. */
static int add_classes(struct bh_suggesting *w, const struct who *who, size_t n)
{
	size_t end;

	for (int named = 1; named >= 0; named--)
		for (size_t i = 0; i < n; i = end) {
			for (end = i + 1; end < n && !by_sayings(&who[i], &who[end]); end++)
				;
			if (is_named(&who[i]) == named && add_speakers(w, &who[i], end - i) < 0)
				return -ENOMEM;
		}
	w->n_class = w->d.n_seg - w->first_class;
	index_speaks(w);
	return 0;
}

/* Where more addresses than can be told took part, all of their segment does. */
static int add_wholes(struct bh_suggesting *w)
{
	static const struct bh_spot addrs = {.kind = BH_SPOT_ADDRS};

	for (size_t i = 0; i < w->n_said; i++) {
		struct bh_home home = {.remote = w->said[i].remote, .whole = true};
		const struct bh_map *live = w->ask->live;
		bool there = !w->said[i].many || !strcmp(home.remote, "world");

		for (size_t j = w->first_class; !there && j < w->n_home; j++)
			there = w->home[j].whole && !strcmp(w->home[j].remote, home.remote);
		for (size_t j = 0; !there && live && j < live->n_segment; j++)
			if (!strcmp(live->segment[j].name, home.remote))
				home.kept = &live->segment[j];
		if (there)
			continue;
		if (!home.kept) {
			if (bh_draft_note(&w->d,
					  "many addresses of segment %s, which is not in "
					  "the live map any more",
					  home.remote) < 0)
				return -ENOMEM;
			continue;
		}
		if (bh_suggest_seg(w, home.remote, &addrs, &home) == BH_DRAFT_WORLD)
			return -ENOMEM;
	}
	return 0;
}

int bh_suggest_addrs(struct bh_suggesting *w)
{
	_cleanup_free_ struct part *part = calloc(w->n_said + 1, sizeof(*part));
	_cleanup_free_ struct who *who = calloc(w->n_said + 1, sizeof(*who));
	size_t n;
	int r;

	if (!part || !who)
		return -ENOMEM;
	r = make_sayings(w);
	if (r)
		return r;
	n = gather(part, make_parts(w, part), who);
	if (n)
		qsort(who, n, sizeof(*who), by_who);
	w->first_class = w->d.n_seg;
	r = add_classes(w, who, n);
	return r ? r : add_wholes(w);
}
