/* SPDX-License-Identifier: Apache-2.0 */
/*
 * draft_addrs.c - see draft_internal.h: peers become segments. An address is in one segment only, so
 * those that take part in exactly the same conversations are one; and a conversation with many
 * peers, or with the internet, is with a zone instead: a service's address there changes with
 * every look-up, and a public server's clients are whoever comes.
 */
#include <errno.h>
#include <string.h>
#include "../../agent/policy/cidr.h"
#include "draft_internal.h"

/* More peers than that are not named one by one. */
#define PEERS_MAX 16
/* A map with more segments of addresses than that is no help to anybody. */
#define CLASSES_MAX 64

/* An address and the conversations that it has part in. */
struct who {
	struct bh_addr addr;
	const size_t *conv;
	size_t n;
};

struct part {
	struct bh_addr addr;
	size_t conv;
};

static bool same_conv(const struct bh_talk *a, const struct bh_talk *b)
{
	return a->dir == b->dir && a->seg == b->seg && a->other == b->other &&
	       a->proto == b->proto && a->port == b->port && a->zone == b->zone;
}

static int make_convs(struct bh_drafting *w)
{
	for (size_t i = 0; i < w->n_talk; i++) {
		struct bh_conv *c = w->n_conv ? &w->conv[w->n_conv - 1] : NULL;

		if (c && same_conv(&w->talk[c->from], &w->talk[i])) {
			c->to++;
			continue;
		}
		c = bh_seen_grow(&w->conv, &w->n_conv, sizeof(*c));
		if (!c)
			return -ENOMEM;
		*c = (struct bh_conv){.from = i, .to = i + 1};
	}
	return 0;
}

static bool is_general(const struct bh_drafting *w, const struct bh_conv *c, size_t most)
{
	const struct bh_talk *t = &w->talk[c->from];
	bool resolver = t->dir == BH_DRAFT_OUT && t->port == 53;

	return (t->dir == BH_DRAFT_OUT && t->zone == BH_ZONE_WORLD && !resolver) ||
	       c->to - c->from > (resolver ? PEERS_MAX : most);
}

/* --- classes ------------------------------------------------------------------------------------- */

static int by_part(const void *x, const void *y)
{
	const struct part *a = x, *b = y;
	int r = memcmp(&a->addr, &b->addr, sizeof(a->addr));

	return r ? r : (a->conv > b->conv) - (a->conv < b->conv);
}

static int by_convs(const struct who *a, const struct who *b)
{
	for (size_t i = 0; i < a->n && i < b->n; i++)
		if (a->conv[i] != b->conv[i])
			return a->conv[i] < b->conv[i] ? -1 : 1;
	return (a->n > b->n) - (a->n < b->n);
}

static int by_who(const void *x, const void *y)
{
	const struct who *a = x, *b = y;
	int r = by_convs(a, b);

	return r ? r : memcmp(&a->addr, &b->addr, sizeof(a->addr));
}

/* @part: sorted. Return: how many addresses. */
static size_t gather(const struct part *part, const size_t *convs, size_t n, struct who *ret)
{
	size_t n_who = 0;

	for (size_t i = 0; i < n; i++) {
		struct who *last = n_who ? &ret[n_who - 1] : NULL;

		if (last && !memcmp(&last->addr, &part[i].addr, sizeof(last->addr)))
			last->n++;
		else
			ret[n_who++] = (struct who){part[i].addr, &convs[i], 1};
	}
	return n_who;
}

static size_t count_classes(const struct who *who, size_t n)
{
	size_t classes = 0;

	for (size_t i = 0; i < n; i++)
		classes += !i || by_convs(&who[i - 1], &who[i]) != 0;
	return classes;
}

static void name_class(const struct bh_drafting *w, const struct who *who, struct bh_draft_seg *s)
{
	struct bh_cidr one = {.addr = who->addr, .plen = 128, .v4 = bh_seen_is_v4(&who->addr)};
	const struct bh_talk *t = &w->talk[w->conv[who->conv[0]].from], *other;
	char text[BH_CIDR_TEXT + 8] = "peer-";

	for (size_t i = 1; i < who->n; i++) {
		other = &w->talk[w->conv[who->conv[i]].from];
		if (other->dir == t->dir && other->seg == t->seg)
			continue;
		/* what it is for has more than one answer */
		(void)bh_cidr_text(&one, text + 5);
		*strchr(text, '/') = '\0';
		bh_draft_name(text, s->name);
		return;
	}
	if (t->dir == BH_DRAFT_OUT && t->port == 53)
		(void)snprintf(s->name, sizeof(s->name), "nameservers");
	else
		(void)snprintf(s->name, sizeof(s->name), "%.36s-%s", w->d->seg[t->seg].name,
			       t->dir == BH_DRAFT_IN ? "clients" : "servers");
}

static int add_classes(struct bh_drafting *w, const struct who *who, size_t n)
{
	struct bh_draft *d = w->d;

	w->first_class = d->n_seg;
	w->n_class = count_classes(who, n);
	w->speaks = calloc(w->n_class * w->n_conv + 1, sizeof(*w->speaks));
	if (!w->speaks)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		bool begins = !i || by_convs(&who[i - 1], &who[i]) != 0;
		struct bh_draft_seg *s = &d->seg[d->n_seg - 1];
		struct bh_cidr *c;

		if (begins) {
			s = bh_seen_grow(&d->seg, &d->n_seg, sizeof(*s));
			if (!s)
				return -ENOMEM;
			s->spot.kind = BH_SPOT_ADDRS;
			name_class(w, &who[i], s);
			bh_draft_seg_unique(d, d->n_seg - 1);
			for (size_t j = 0; j < who[i].n; j++)
				w->speaks[(d->n_seg - 1 - w->first_class) * w->n_conv +
					  who[i].conv[j]] = true;
		}
		c = bh_seen_grow(&s->cidr, &s->n_cidr, sizeof(*c));
		if (!c)
			return -ENOMEM;
		*c = (struct bh_cidr){
			.addr = who[i].addr, .plen = 128, .v4 = bh_seen_is_v4(&who[i].addr)};
	}
	return 0;
}

/* Peers by name, as long as that makes few segments: @most of a conversation. 1: too many. */
static int try_classes(struct bh_drafting *w, size_t most)
{
	_cleanup_free_ struct part *part = calloc(w->n_talk + 1, sizeof(*part));
	_cleanup_free_ struct who *who = calloc(w->n_talk + 1, sizeof(*who));
	_cleanup_free_ size_t *convs = calloc(w->n_talk + 1, sizeof(*convs));
	size_t n = 0, n_who;

	if (!part || !who || !convs)
		return -ENOMEM;
	for (size_t c = 0; c < w->n_conv; c++) {
		struct bh_conv *conv = &w->conv[c];

		if (w->talk[conv->from].dir == BH_DRAFT_LOCAL)
			continue;
		conv->general = is_general(w, conv, most);
		for (size_t i = conv->from; !conv->general && i < conv->to; i++)
			part[n++] = (struct part){w->talk[i].addr, c};
	}
	qsort(part, n, sizeof(*part), by_part);
	for (size_t i = 0; i < n; i++)
		convs[i] = part[i].conv;
	n_who = gather(part, convs, n, who);
	qsort(who, n_who, sizeof(*who), by_who);
	if (most && count_classes(who, n_who) > CLASSES_MAX)
		return 1;
	return add_classes(w, who, n_who);
}

/* --- zones ---------------------------------------------------------------------------------------- */

static int by_cidr(const void *a, const void *b)
{
	return bh_cidr_cmp(a, b);
}

static void mask(struct bh_cidr *c)
{
	for (int bit = c->plen; bit < 128; bit++)
		c->addr.b[bit / 8] &= (__u8) ~(0x80 >> bit % 8);
}

/* Is this very prefix in a segment? An address or a prefix is in one only. */
static bool taken(const struct bh_draft *d, const struct bh_cidr *c)
{
	for (size_t i = d->n_local; i < d->n_seg; i++)
		for (size_t j = 0; j < d->seg[i].n_cidr; j++)
			if (!bh_cidr_cmp(&d->seg[i].cidr[j], c))
				return true;
	return false;
}

static int add_zone(struct bh_draft *d, const char *name, struct bh_cidr *list, size_t n,
		    size_t *ret)
{
	struct bh_draft_seg seg = {.spot.kind = BH_SPOT_ADDRS}, *new;

	(void)snprintf(seg.name, sizeof(seg.name), "%s", name);
	qsort(list, n, sizeof(*list), by_cidr);
	for (size_t i = 0; i < n; i++) {
		struct bh_cidr *c;

		if (taken(d, &list[i]) || (i && !bh_cidr_cmp(&list[i - 1], &list[i])))
			continue;
		c = bh_seen_grow(&seg.cidr, &seg.n_cidr, sizeof(*c));
		if (!c) {
			free(seg.cidr);
			return -ENOMEM;
		}
		*c = list[i];
	}
	if (!seg.n_cidr)
		return 0;
	new = bh_seen_grow(&d->seg, &d->n_seg, sizeof(*new));
	if (!new) {
		free(seg.cidr);
		return -ENOMEM;
	}
	*new = seg;
	*ret = d->n_seg - 1;
	return 0;
}

static int add_zones(struct bh_drafting *w)
{
	struct bh_cidr private[] = {
		{.addr.b = {[10] = 0xff, 0xff, 10}, .plen = 104, .v4 = true},
		{.addr.b = {[10] = 0xff, 0xff, 172, 16}, .plen = 108, .v4 = true},
		{.addr.b = {[10] = 0xff, 0xff, 192, 168}, .plen = 112, .v4 = true},
		{.addr.b = {0xfc}, .plen = 7},
	};
	_cleanup_free_ struct bh_cidr *lan = calloc(w->s->n_own + 1, sizeof(*lan));
	size_t n = 0;
	int r;

	if (!lan)
		return -ENOMEM;
	for (size_t i = 0; i < w->s->n_own; i++) {
		const struct bh_cidr *own = &w->s->own[i];

		if (own->plen >= 128 || own->plen <= (own->v4 ? 96 : 0) ||
		    bh_seen_is_loopback(&own->addr) || bh_addr_is_link(&own->addr))
			continue;
		lan[n] = *own;
		mask(&lan[n++]);
	}
	r = add_zone(w->d, "lan", lan, n, &w->d->lan);
	return r ? r : add_zone(w->d, "private", private, ARRAY_SIZE(private), &w->d->private);
}

int bh_draft_addrs(struct bh_drafting *w)
{
	int r = make_convs(w);

	if (r)
		return r;
	for (size_t most = PEERS_MAX;; most /= 2) {
		r = try_classes(w, most);
		if (r != 1)
			break;
	}
	return r ? r : add_zones(w);
}
