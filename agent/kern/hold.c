/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hold.c - what holds for a while under any generation: who is in quarantine, and what was
 * granted. The tables are small and only the agent writes them; each call makes them what its
 * caller wants them to be, so that nothing has to be remembered here and a call that was cut
 * short is mended by the next.
 *
 * Order: what is closed is closed first, what is opened is opened last, and the turn comes at
 * the end: until then sockets go by the verdict they carry.
 */
#include <string.h>
#include "kern_internal.h"

static int hold_error(struct bh_diags *d, int r, enum bh_map_id map)
{
	return kern_error(d, r, NULL, "can't write %s: %s", bh_map_names[map], strerror(-r));
}

/* --- a table by its wanted keys ---------------------------------------------------------------- */

struct wanted {
	enum bh_map_id map;
	size_t key_size;
	void *keys; /* @n of them, one after the other */
	size_t n;
};

static int key_cmp(const void *a, const void *b, void *size)
{
	return memcmp(a, b, *(const size_t *)size);
}

/* The keys are sorted. */
static bool is_wanted(const struct wanted *w, const void *key)
{
	size_t low = 0, high = w->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int r = memcmp((const char *)w->keys + mid * w->key_size, key, w->key_size);

		if (r == 0)
			return true;
		if (r < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return false;
}

/* Delete the others: of 65536 prefixes, too, in no time. Return: 0 or -errno. */
static int prune(struct bh_kern *k, struct wanted *w)
{
	_cleanup_free_ char *key = calloc(2, w->key_size);
	int fd = bh_kern_map_fd(k, w->map);
	char *next = key + w->key_size, *at = NULL;
	int r;

	if (!key)
		return -ENOMEM;
	qsort_r(w->keys, w->n, w->key_size, key_cmp, &w->key_size);
	while ((r = bpf_map_get_next_key(fd, at, next)) == 0) {
		if (!is_wanted(w, next)) {
			r = bpf_map_delete_elem(fd, next);
			if (r < 0 && r != -ENOENT)
				return r;
			continue; /* from the one before it */
		}
		memcpy(key, next, w->key_size);
		at = key;
	}
	return r == -ENOENT ? 0 : r;
}

/* --- quarantine --------------------------------------------------------------------------------- */

struct members {
	__u32 *seg;
	struct bh_name_key *unit;
	struct bh_prefix_key *addr;
	size_t n_seg, n_unit, n_addr;
};

static void members_free(struct members *m)
{
	free(m->seg);
	free(m->unit);
	free(m->addr);
}

static int put(struct bh_kern *k, enum bh_map_id map, const void *key, const __u32 *held)
{
	return bpf_map_update_elem(bh_kern_map_fd(k, map), key, held, BPF_ANY);
}

static int put_member(struct bh_kern *k, const struct bh_member *h, struct members *m)
{
	struct bh_name_key *unit;

	switch (h->by) {
	case BH_HELD_SEG:
		m->seg[m->n_seg] = h->seg;
		return put(k, BH_MAP_HELD_SEGS, &m->seg[m->n_seg++], &h->held);
	case BH_HELD_UNIT:
		unit = &m->unit[m->n_unit++];
		memcpy(unit->name, h->unit, sizeof(unit->name));
		return put(k, BH_MAP_HELD_UNITS, unit, &h->held);
	default:
		m->addr[m->n_addr] = h->prefix;
		return put(k, BH_MAP_HELD_ADDRS, &m->addr[m->n_addr++], &h->held);
	}
}

static int put_members(struct bh_kern *k, const struct bh_member *held, size_t n, struct members *m)
{
	int r = 0;

	m->seg = calloc(n + 1, sizeof(*m->seg));
	m->unit = calloc(n + 1, sizeof(*m->unit));
	m->addr = calloc(n + 1, sizeof(*m->addr));
	if (!m->seg || !m->unit || !m->addr)
		return -ENOMEM;
	for (size_t i = 0; i < n && r == 0; i++)
		r = put_member(k, &held[i], m);
	return r;
}

static int prune_members(struct bh_kern *k, const struct members *m)
{
	struct wanted w[] = {
		{BH_MAP_HELD_SEGS, sizeof(*m->seg), m->seg, m->n_seg},
		{BH_MAP_HELD_UNITS, sizeof(*m->unit), m->unit, m->n_unit},
		{BH_MAP_HELD_ADDRS, sizeof(*m->addr), m->addr, m->n_addr},
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(w) && r == 0; i++)
		r = prune(k, &w[i]);
	return r;
}

/* Slots that go off are written after who was in them has left. */
static int put_slots(struct bh_kern *k, const struct bh_quarantine *slot, bool on)
{
	int r = 0;

	for (__u32 i = 0; i < BH_QUARANTINE_MAX && r == 0; i++)
		if (!!(slot[i].flags & BH_QUARANTINE_ON) == on)
			r = bpf_map_update_elem(bh_kern_map_fd(k, BH_MAP_QUARANTINE), &i, &slot[i],
						BPF_ANY);
	return r;
}

int bh_kern_quarantine(struct bh_kern *k, const struct bh_quarantine *slot,
		       const struct bh_member *held, size_t n, struct bh_diags *d)
{
	_cleanup_(members_free) struct members m = {0};
	int r;

	if (!n && !(bh_kern_ctl(k) & BH_CTL_QUARANTINE))
		return 0;
	r = put_slots(k, slot, true);
	if (r == 0)
		r = put_members(k, held, n, &m);
	if (r < 0)
		return hold_error(d, r, BH_MAP_QUARANTINE);
	if (n)
		(void)bh_kern_set_ctl(k, BH_CTL_QUARANTINE, 0);
	r = prune_members(k, &m);
	if (r < 0)
		return hold_error(d, r, BH_MAP_QUARANTINE);
	/* from a unit's name to its cgroups; no meaning of a side is written */
	r = bh_iter_walk(k, 0, d);
	if (r < 0)
		return r;
	if (!n)
		(void)bh_kern_set_ctl(k, 0, BH_CTL_QUARANTINE);
	r = put_slots(k, slot, false);
	if (r < 0)
		return hold_error(d, r, BH_MAP_QUARANTINE);
	bh_kern_turn(k);
	return 0;
}

/* --- grants ------------------------------------------------------------------------------------- */

/* A reader may find half of an entry: what changes is closed while it is written. */
static int put_grant(struct bh_kern *k, __u32 i, const struct bh_grant *g)
{
	int fd = bh_kern_map_fd(k, BH_MAP_GRANTS);
	struct bh_grant now, closed = *g;
	int r = bpf_map_lookup_elem(fd, &i, &now);

	if (r < 0 || !memcmp(&now, g, sizeof(now)))
		return r;
	now.until_ns = closed.until_ns = 0;
	r = bpf_map_update_elem(fd, &i, &now, BPF_ANY);
	if (r == 0)
		r = bpf_map_update_elem(fd, &i, &closed, BPF_ANY);
	return r == 0 && g->until_ns ? bpf_map_update_elem(fd, &i, g, BPF_ANY) : r;
}

static int put_jit(struct bh_kern *k, const struct bh_jit *jit, size_t n)
{
	_cleanup_free_ __u32 *rule = calloc(n + 1, sizeof(*rule));
	struct wanted w = {BH_MAP_JIT, sizeof(*rule), rule, n};
	int r = 0;

	if (!rule)
		return -ENOMEM;
	for (size_t i = 0; i < n && r == 0; i++) {
		rule[i] = jit[i].rule;
		r = bpf_map_update_elem(bh_kern_map_fd(k, BH_MAP_JIT), &rule[i], &jit[i].until_ns,
					BPF_ANY);
	}
	return r ? r : prune(k, &w);
}

int bh_kern_grants(struct bh_kern *k, const struct bh_grant *grant, const struct bh_jit *jit,
		   size_t n_jit, struct bh_diags *d)
{
	bool any = false;
	__u32 rule;
	int r = 0;

	for (__u32 i = 0; i < BH_GRANTS_MAX; i++)
		any = any || grant[i].until_ns;
	if (!any && !n_jit && !(bh_kern_ctl(k) & BH_CTL_GRANTS) &&
	    bpf_map_get_next_key(bh_kern_map_fd(k, BH_MAP_JIT), NULL, &rule) == -ENOENT)
		return 0;
	for (__u32 i = 0; i < BH_GRANTS_MAX && r == 0; i++) {
		r = put_grant(k, i, &grant[i]);
	}
	if (r < 0)
		return hold_error(d, r, BH_MAP_GRANTS);
	r = put_jit(k, jit, n_jit);
	if (r < 0)
		return hold_error(d, r, BH_MAP_JIT);
	(void)bh_kern_set_ctl(k, any ? BH_CTL_GRANTS : 0, any ? 0 : BH_CTL_GRANTS);
	bh_kern_turn(k);
	return 0;
}
