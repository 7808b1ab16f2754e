/* SPDX-License-Identifier: Apache-2.0 */
/*
 * holdset.c - who is in quarantine, with the names and numbers of one map: what the kernel gets
 * (holds.c), and what it would get (the lockout guard). See holds.h.
 */
#include <errno.h>
#include <string.h>
#include "holds.h"

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

static int add_prefix(struct bh_hold_set *m, const struct bh_cidr *cidr, __u32 held)
{
	struct bh_member *h = member(m, BH_HELD_ADDR, held);

	if (!h)
		return -ENOMEM;
	h->prefix.prefixlen = (__u32)cidr->plen;
	memcpy(h->prefix.addr, cidr->addr.b, sizeof(h->prefix.addr));
	return 0;
}

/* @owner: the quarantine that it is a hole in */
static int add_hole(struct bh_hold_set *m, const struct bh_cidr *cidr, __u32 owner)
{
	int r = add_prefix(m, cidr, 0);

	if (r == 0)
		m->member[m->n - 1].seg = owner;
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

/* Its members by identity, and every address in its prefixes, whoever else claims it. */
static int add_segment(struct bh_hold_set *m, const struct bh_live *l, const char *name, __u32 held)
{
	__u32 identity = 0;
	const struct bh_segment *s = bh_live_segment(l, name, &identity);
	struct bh_member *h;
	int r = 0;

	/* not in this map: it holds again when it is */
	if (!s)
		return 0;
	h = member(m, BH_HELD_SEG, held);
	if (!h)
		return -ENOMEM;
	h->seg = identity;
	for (size_t i = 0; i < s->n_match && r == 0; i++)
		for (size_t j = 0; j < s->match[i].n_cidr && r == 0; j++)
			r = add_prefix(m, &s->match[i].cidr[j], held);
	for (size_t i = 0; i < s->n_match && r == 0; i++)
		for (size_t j = 0; j < s->match[i].n_except && r == 0; j++)
			r = add_hole(m, &s->match[i].except[j], held);
	return r;
}

static int add_hold(struct bh_hold_set *m, const struct bh_live *l, const struct bh_hold *hold,
		    __u32 held)
{
	struct bh_member *h;

	if (hold->kind == BH_HOLD_SEGMENT)
		return add_segment(m, l, hold->who, held);
	if (hold->kind == BH_HOLD_ADDRESS)
		return add_prefix(m, &hold->cidr, held);
	h = member(m, BH_HELD_UNIT, held);
	if (!h)
		return -ENOMEM;
	snprintf(h->unit, sizeof(h->unit), "%s", hold->who);
	return 0;
}

static bool covers(const struct bh_member *wide, const struct bh_member *narrow)
{
	__u32 bits = wide->prefix.prefixlen, bytes = bits / 8;

	return bits <= narrow->prefix.prefixlen &&
	       !memcmp(wide->prefix.addr, narrow->prefix.addr, bytes) &&
	       (bits % 8 == 0 ||
		((wide->prefix.addr[bytes] ^ narrow->prefix.addr[bytes]) >> (8 - bits % 8)) == 0);
}

/*
 * The kernel asks the longest prefix alone. So each carries the hardest of those around it, but
 * for a hole in a segment's own prefixes: there only what others say counts.
 */
static void settle_prefixes(struct bh_hold_set *m)
{
	for (size_t i = 0; i < m->n; i++) {
		struct bh_member *h = &m->member[i];
		bool hard = h->held && m->slot[h->held - 1].flags & BH_QUARANTINE_HARD;

		for (size_t j = 0; j < m->n && !hard; j++) {
			const struct bh_member *w = &m->member[j];
			bool harder;

			if (h->by != BH_HELD_ADDR || w->by != BH_HELD_ADDR || !w->held || w == h ||
			    w->held == h->seg || !covers(w, h))
				continue;
			harder = m->slot[w->held - 1].flags & BH_QUARANTINE_HARD;
			if (harder || !h->held)
				h->held = w->held;
		}
	}
}

void bh_hold_set_clear(struct bh_hold_set *s)
{
	free(s->member);
	*s = (struct bh_hold_set){0};
}

int bh_hold_set_make(const struct bh_holds *h, const struct bh_live *l, struct bh_hold_set *ret)
{
	int r = 0;

	*ret = (struct bh_hold_set){0};
	for (size_t i = 0; i < h->n_hold && r == 0; i++) {
		ret->slot[i].until_ns = h->hold[i].note.until_ns;
		ret->slot[i].flags = BH_QUARANTINE_ON | (h->hold[i].hard ? BH_QUARANTINE_HARD : 0);
		r = add_hold(ret, l, &h->hold[i], (__u32)i + 1);
	}
	if (r < 0)
		bh_hold_set_clear(ret);
	else
		settle_prefixes(ret);
	return r;
}

/* --- asking it ------------------------------------------------------------------------------------ */

/* As bh_addr_held() of bpf/identity.h: the longest prefix alone. */
static __u32 by_addr(const struct bh_hold_set *s, const struct bh_addr *addr)
{
	struct bh_member one = {.prefix.prefixlen = 128};
	const struct bh_member *best = NULL;

	memcpy(one.prefix.addr, addr->b, sizeof(one.prefix.addr));
	for (size_t i = 0; i < s->n; i++) {
		const struct bh_member *m = &s->member[i];

		/* of two that are alike the kernel keeps the later one */
		if (m->by == BH_HELD_ADDR && covers(m, &one) &&
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

/* As make_child() of bpf/workload.bpf.c: by name below slices, and inherited; the deepest counts. */
static __u32 by_path(const struct bh_hold_set *s, const char *path)
{
	__u32 held = 0, found;

	for (const char *at = path; *at == '/' && at[1];) {
		size_t len = strcspn(++at, "/");

		found = by_name(s, at, len);
		held = found ? found : held;
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

static enum bh_hold_level level(const struct bh_hold_set *s, __u32 held, __u64 now_ns)
{
	const struct bh_quarantine *q = held ? &s->slot[held - 1] : NULL;

	if (!q || (q->until_ns && now_ns >= q->until_ns))
		return BH_HOLD_NONE;
	return q->flags & BH_QUARANTINE_HARD ? BH_HOLD_HARD : BH_HOLD_SOFT;
}

enum bh_hold_level bh_hold_set_of(const struct bh_hold_set *s, const struct bh_hold_end *end,
				  __u64 now_ns)
{
	__u32 own = end->addr ? by_addr(s, end->addr) : end->path ? by_path(s, end->path) : 0;
	enum bh_hold_level mine = level(s, own, now_ns);

	return MAX(mine, level(s, by_segment(s, end->identity), now_ns));
}
