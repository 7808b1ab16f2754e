/* SPDX-License-Identifier: Apache-2.0 */
/*
 * holds_nest.c - see holds_nest.h. A segment may have 65536 prefixes: they are sorted, so that
 * those around one are the ones that were begun and not left yet. Called by holds.c.
 */
#include <errno.h>
#include <string.h>
#include "holds_nest.h"

/* @said: as it came, whose quarantine it is; 0 = a hole in that of @m->seg */
struct nest {
	struct bh_member *m;
	__u32 said;
};

bool bh_hold_covers(const struct bh_prefix_key *wide, const struct bh_prefix_key *narrow)
{
	__u32 bits = wide->prefixlen, bytes = bits / 8;

	return bits <= narrow->prefixlen && !memcmp(wide->addr, narrow->addr, bytes) &&
	       (bits % 8 == 0 ||
		((wide->addr[bytes] ^ narrow->addr[bytes]) >> (8 - bits % 8)) == 0);
}

/* What is wider comes first; of the same, holes do: who is named is held. */
static int by_prefix(const void *a, const void *b)
{
	const struct nest *x = a, *y = b;
	int r = memcmp(x->m->prefix.addr, y->m->prefix.addr, sizeof(x->m->prefix.addr));

	if (r)
		return r;
	if (x->m->prefix.prefixlen != y->m->prefix.prefixlen)
		return x->m->prefix.prefixlen < y->m->prefix.prefixlen ? -1 : 1;
	return !y->said - !x->said;
}

__u32 bh_hold_more(const struct bh_quarantine *slot, __u32 a, __u32 b)
{
	const struct bh_quarantine *x, *y;

	if (!a || !b)
		return a ? a : b;
	x = &slot[a - 1];
	y = &slot[b - 1];
	if ((x->flags ^ y->flags) & BH_QUARANTINE_HARD)
		return x->flags & BH_QUARANTINE_HARD ? a : b;
	if (!x->until_ns || !y->until_ns)
		return x->until_ns ? b : a;
	return x->until_ns >= y->until_ns ? a : b;
}

/* @chain: those around @v[i] as indices, the widest first, and at the end itself */
static __u32 settle(const struct nest *v, const size_t *chain, size_t depth,
		    const struct bh_quarantine *slot)
{
	bool left[BH_QUARANTINE_MAX + 1] = {0};
	__u32 held = 0;

	for (size_t i = depth; i-- > 0;) {
		const struct nest *w = &v[chain[i]];

		if (!w->said)
			left[w->m->seg] = true;
		else if (!left[w->said])
			held = bh_hold_more(slot, held, w->said);
	}
	return held;
}

static void nest(struct nest *v, size_t n, size_t *chain, const struct bh_quarantine *slot)
{
	size_t depth = 0;

	for (size_t i = 0; i < n; i++) {
		while (depth && !bh_hold_covers(&v[chain[depth - 1]].m->prefix, &v[i].m->prefix))
			depth--;
		chain[depth++] = i;
		v[i].m->held = settle(v, chain, depth, slot);
		/* the same prefix again: the last of them knows all */
		for (size_t j = i; j-- > 0 &&
				   v[j].m->prefix.prefixlen == v[i].m->prefix.prefixlen &&
				   bh_hold_covers(&v[j].m->prefix, &v[i].m->prefix);)
			v[j].m->held = v[i].m->held;
	}
}

int bh_holds_nest(struct bh_member *m, size_t n, const struct bh_quarantine *slot)
{
	_cleanup_free_ struct nest *v = calloc(n + 1, sizeof(*v));
	_cleanup_free_ size_t *chain = calloc(n + 1, sizeof(*chain));
	size_t n_addr = 0;

	if (!v || !chain)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		if (m[i].by == BH_HELD_ADDR)
			v[n_addr++] = (struct nest){&m[i], m[i].held};
	qsort(v, n_addr, sizeof(*v), by_prefix);
	nest(v, n_addr, chain, slot);
	return 0;
}
