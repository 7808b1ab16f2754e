/* SPDX-License-Identifier: Apache-2.0 */
/* names.c - numbers to words: segments, rules, cgroups. Called by the verbs. */
#include <string.h>
#include "agent.h"

/*
 * Walking the tree takes a millisecond for a thousand cgroups: not for every unknown one. So many at
 * once, for a boot begins that many, and then one in so long; one that was not there has gone.
 */
#define CGROUPS_WALK_NS 100000000ull
#define CGROUPS_WALKS	64u

const char *bh_agent_segment_name(const struct bh_agent *a, __u32 identity)
{
	switch (identity) {
	case BH_ID_ANY:
		return "any";
	case BH_ID_WORLD:
		return "world";
	case BH_ID_UNASSIGNED:
		return "unassigned";
	case BH_ID_HOST:
		return "host";
	default:
		return bh_numbers_segment_name(a->live.numbers, identity);
	}
}

const char *bh_agent_rule_name(const struct bh_agent *a, __u32 rule)
{
	return bh_numbers_rule_name(a->live.numbers, rule);
}

const struct bh_segment *bh_agent_segment(const struct bh_agent *a, __u32 identity)
{
	const struct bh_compiled *c = a->live.compiled;

	for (size_t i = 0; c && i < c->n_identity; i++)
		if (c->identity[i] == identity)
			return &a->live.map->segment[i];
	return NULL;
}

int bh_agent_cgroups_refresh(struct bh_agent *a)
{
	a->cgroups_ns = a->clock->boot_ns();
	return bh_cgroups_scan(a->cgroups);
}

/* A bucket, as for denies in bpf/verdict.h: one word says when it is full again. */
static bool may_walk(struct bh_agent *a, bool missed)
{
	__u64 now_ns = a->clock->boot_ns();

	if (missed && now_ns - a->cgroups_ns < CGROUPS_WALK_NS)
		return false;
	a->walks_full_ns = MAX(a->walks_full_ns, now_ns);
	if (a->walks_full_ns - now_ns > (CGROUPS_WALKS - 1) * CGROUPS_WALK_NS)
		return false;
	a->walks_full_ns += CGROUPS_WALK_NS;
	return true;
}

const char *bh_agent_cgroup(struct bh_agent *a, __u64 cgid)
{
	uint64_t *missed = &a->cgroups_missed[cgid % ARRAY_SIZE(a->cgroups_missed)];
	const char *name = cgid ? bh_cgroups_name(a->cgroups, cgid) : NULL;

	if (name || !cgid || !may_walk(a, *missed == cgid))
		return name;
	/* what it could read until an error is still good */
	(void)bh_agent_cgroups_refresh(a);
	name = bh_cgroups_name(a->cgroups, cgid);
	if (!name)
		*missed = cgid;
	return name;
}

struct bh_instant bh_agent_now(const struct bh_agent *a)
{
	return (struct bh_instant){
		.wall_s = a->clock->wall_ms() / 1000,
		.boot_ns = a->clock->boot_ns(),
	};
}

bool bh_map_enforces(const struct bh_map *map)
{
	for (size_t i = 0; i < map->n_segment; i++)
		if (map->segment[i].mode == BH_MODE_ENFORCE ||
		    (map->segment[i].mode == BH_MODE_INHERIT && map->mode == BH_MODE_ENFORCE))
			return true;
	return false;
}
