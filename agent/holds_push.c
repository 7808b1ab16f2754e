/* SPDX-License-Identifier: Apache-2.0 */
/*
 * holds_push.c - what holds for a while, to the kernel: names become numbers, units and prefixes,
 * by every map that is enforced or may be without us. See holds.h.
 */
#include <errno.h>
#include <string.h>
#include "holds.h"

/* --- grants ---------------------------------------------------------------------- */

static int end_of(const struct bh_hold_maps *maps, const char *name, __u32 *ret)
{
	if (!strcmp(name, "any")) {
		*ret = BH_ID_ANY;
		return 0;
	}
	return bh_hold_segment(maps, name, ret) ? 0 : -ENOENT;
}

static void add_granted(const struct bh_hold_maps *maps, const struct bh_granted *g,
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

__u64 bh_granted_slots(const struct bh_agent *a, const struct bh_live *l, unsigned int id)
{
	const struct bh_hold_maps maps = bh_hold_maps(a, l);
	const struct bh_holds *h = a->holds;
	struct bh_grant grant[BH_GRANTS_MAX];
	size_t n = 0;
	__u64 slots = 0;

	for (size_t i = 0; i < h->n_granted; i++) {
		size_t first = n;

		if (!h->granted[i].rule)
			add_granted(&maps, &h->granted[i], grant, &n);
		for (size_t j = first; j < n && h->granted[i].id == id; j++)
			slots |= 1ull << j;
	}
	return slots;
}

__u32 bh_live_rule(const struct bh_live *l, const char *id)
{
	for (size_t i = 0; l->compiled && i < l->compiled->n_info; i++)
		if (!strcmp(l->compiled->info[i].id, id))
			return l->compiled->info[i].number;
	return 0;
}

/* Return: the rule's number, 0 if it is in no map. */
static __u32 rule_of(const struct bh_hold_maps *maps, const char *id)
{
	__u32 number = 0;

	for (size_t i = 0; i < ARRAY_SIZE(maps->of) && !number; i++)
		number = maps->of[i] ? bh_live_rule(maps->of[i], id) : 0;
	return number;
}

static int push_grants(struct bh_agent *a, const struct bh_hold_maps *maps, struct bh_diags *d)
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
	_cleanup_(bh_hold_set_clear) struct bh_hold_set s = {0};
	const struct bh_hold_maps maps = bh_hold_maps(a, l);
	int r = 0;

	if (!a->holds)
		return 0;
	if (!a->holds->lost)
		r = bh_hold_set_make(a, a->holds, l, &s);
	if (r == 0 && !a->holds->lost)
		r = bh_kern_quarantine(a->kern, s.slot, s.member, s.n, d);
	return r ? r : push_grants(a, &maps, d);
}
