/* SPDX-License-Identifier: Apache-2.0 */
/*
 * holdset.c - who is in quarantine, with the names and numbers of every map that is enforced or may
 * be without us: what the kernel gets (holds_push.c), and what it would get (the lockout guard). See
 * holds.h.
 */
#include <errno.h>
#include <string.h>
#include "holds.h"
#include "holds_nest.h"
#include "policy/cidr.h"

/* --- making it ------------------------------------------------------------------------------------ */

static struct bh_member *member(struct bh_hold_set *m, enum bh_held_by by, __u32 held)
{
	if (m->n == m->room) {
		size_t room = m->room ? 2 * m->room : 64;
		struct bh_member *more = realloc(m->member, room * sizeof(*more));

		if (!more)
			return NULL;
		m->member = more;
		m->room = room;
	}
	m->member[m->n] = (struct bh_member){.by = by, .held = held};
	return &m->member[m->n++];
}

/* @owner: where @held is 0, the quarantine that it is a hole in */
static int add_range(struct bh_hold_set *m, const struct bh_cidr *cidr, __u32 held, __u32 owner)
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

static int add_prefix(struct bh_hold_set *m, const struct bh_cidr *cidr, __u32 held)
{
	int r = add_range(m, cidr, held, 0);

	if (r == 0 && !cidr->v4 && bh_cidr_contains(cidr, &every_ipv4))
		r = add_range(m, &every_ipv4, 0, held);
	return r;
}

const struct bh_segment *bh_live_segment(const struct bh_live *l, const char *name,
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

struct bh_hold_maps bh_hold_maps(const struct bh_agent *a, const struct bh_live *l)
{
	return (struct bh_hold_maps){{l, l != &a->live ? &a->live : NULL, &a->back}};
}

/* A name has the same number in all of them. */
const struct bh_segment *bh_hold_segment(const struct bh_hold_maps *maps, const char *name,
					 __u32 *ret_identity)
{
	const struct bh_segment *s = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(maps->of) && !s; i++)
		s = maps->of[i] ? bh_live_segment(maps->of[i], name, ret_identity) : NULL;
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

static bool is_hole(const struct bh_hold_maps *maps, const struct bh_segment *of,
		    const struct bh_cidr *hole)
{
	__u32 identity;

	for (size_t i = 0; i < ARRAY_SIZE(maps->of); i++) {
		const struct bh_segment *s =
			maps->of[i] ? bh_live_segment(maps->of[i], of->name, &identity) : NULL;

		if (s && s != of && !is_hole_of(s, hole))
			return false;
	}
	return true;
}

/* Every address in its prefixes, whoever else claims it. */
static int add_prefixes(struct bh_hold_set *m, const struct bh_hold_maps *maps,
			const struct bh_segment *s, __u32 held)
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
static int add_segment(struct bh_hold_set *m, const struct bh_hold_maps *maps, const char *name,
		       __u32 held)
{
	__u32 identity = 0;
	struct bh_member *h;
	int r = 0;

	/* in no map: it holds again when it is */
	if (!bh_hold_segment(maps, name, &identity))
		return 0;
	h = member(m, BH_HELD_SEG, held);
	if (!h)
		return -ENOMEM;
	h->seg = identity;
	for (size_t i = 0; i < ARRAY_SIZE(maps->of) && r == 0; i++) {
		const struct bh_segment *s =
			maps->of[i] ? bh_live_segment(maps->of[i], name, &identity) : NULL;

		if (s)
			r = add_prefixes(m, maps, s, held);
	}
	return r;
}

static int add_hold(struct bh_hold_set *m, const struct bh_hold_maps *maps,
		    const struct bh_hold *hold, __u32 held)
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

void bh_hold_set_clear(struct bh_hold_set *s)
{
	free(s->member);
	*s = (struct bh_hold_set){0};
}

int bh_hold_set_make(const struct bh_agent *a, const struct bh_holds *h, const struct bh_live *l,
		     struct bh_hold_set *ret)
{
	const struct bh_hold_maps maps = bh_hold_maps(a, l);
	int r = 0;

	*ret = (struct bh_hold_set){0};
	for (size_t i = 0; i < h->n_hold && r == 0; i++) {
		const struct bh_hold *hold = &h->hold[i];

		ret->slot[hold->slot].until_ns = hold->note.until_ns;
		ret->slot[hold->slot].flags =
			BH_QUARANTINE_ON | (hold->hard ? BH_QUARANTINE_HARD : 0);
		r = add_hold(ret, &maps, hold, hold->slot + 1);
	}
	if (r == 0)
		r = bh_holds_nest(ret->member, ret->n, ret->slot);
	if (r < 0)
		bh_hold_set_clear(ret);
	return r;
}

/* --- asking it ------------------------------------------------------------------------------------ */

static enum bh_hold_level level(const struct bh_hold_set *s, __u32 held, __u64 now_ns)
{
	const struct bh_quarantine *q = held ? &s->slot[held - 1] : NULL;

	if (!q || (q->until_ns && now_ns >= q->until_ns))
		return BH_HOLD_NONE;
	return q->flags & BH_QUARANTINE_HARD ? BH_HOLD_HARD : BH_HOLD_SOFT;
}

/* As bh_addr_held() of bpf/identity.h: the longest prefix alone. */
static __u32 by_addr(const struct bh_hold_set *s, const struct bh_addr *addr)
{
	struct bh_member one = {.prefix.prefixlen = 128};
	const struct bh_member *best = NULL;

	memcpy(one.prefix.addr, addr->b, sizeof(one.prefix.addr));
	for (size_t i = 0; i < s->n; i++) {
		const struct bh_member *m = &s->member[i];

		/* of two that are alike the kernel keeps the later one */
		if (m->by == BH_HELD_ADDR && bh_hold_covers(&m->prefix, &one.prefix) &&
		    (!best || m->prefix.prefixlen >= best->prefix.prefixlen))
			best = m;
	}
	return best ? best->held : 0;
}

static __u32 by_name(const struct bh_hold_set *s, const char *name, size_t len)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->member[i].by == BH_HELD_UNIT && strlen(s->member[i].unit) == len &&
		    !memcmp(s->member[i].unit, name, len))
			return s->member[i].held;
	return 0;
}

/* As bh_quarantine_more() of bpf/quarantine.h. */
static __u32 more_now(const struct bh_hold_set *s, __u32 a, __u32 b, __u64 now_ns)
{
	if (level(s, a, now_ns) == BH_HOLD_NONE)
		return b;
	return level(s, b, now_ns) == BH_HOLD_NONE ? a : bh_hold_more(s->slot, a, b);
}

/* As make_held() of bpf/workload.bpf.c: by name below slices, and inherited; what holds more counts. */
static __u32 by_path(const struct bh_hold_set *s, const char *path, __u64 now_ns)
{
	__u32 held = 0, found;

	for (const char *at = path; *at == '/' && at[1];) {
		size_t len = strcspn(++at, "/");

		found = by_name(s, at, len);
		held = more_now(s, held, found, now_ns);
		if (len < 6 || strncmp(at + len - 6, ".slice", 6) != 0)
			break;
		at += len;
	}
	return held;
}

static __u32 by_segment(const struct bh_hold_set *s, __u32 identity)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->member[i].by == BH_HELD_SEG && s->member[i].seg == identity)
			return s->member[i].held;
	return 0;
}

enum bh_hold_level bh_hold_set_of(const struct bh_hold_set *s, const struct bh_hold_end *end,
				  __u64 now_ns)
{
	__u32 own = end->addr	? by_addr(s, end->addr)
		    : end->path ? by_path(s, end->path, now_ns)
				: 0;
	enum bh_hold_level mine = level(s, own, now_ns);

	return MAX(mine, level(s, by_segment(s, end->identity), now_ns));
}
