/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * identity.h - who is it: a cgroup and a user, an address, a listener. Facts that a workload
 * can't choose, read by one generation's tables. Used by every hook; writes nothing.
 */
#ifndef BH_IDENTITY_H
#define BH_IDENTITY_H

#include <linux/in.h>
#include "parse.h"

/*
 * What one program run goes by. Read once, carried everywhere: no verdict mixes generations.
 * @gen:    BH_STAMP(): the generation, and the turn
 * @now_ns: boot time where a question brings it along, 0 = ask the clock if a rule needs it
 * @without: a question's, in its place: see BH_Q_LESS_ of bh_event.h
 */
struct bh_run {
	__u64 gen;
	__u64 now_ns;
	union {
		__u64 netns; /* the agent's */
		__u64 without;
	};
	__u32 flags; /* enum bh_ctl_flags, and enum bh_run_flags above them */
	__u32 side;
};

enum bh_run_flags {
	BH_RUN_LESS_GRANTS = 1 << 28,
	BH_RUN_LESS_JIT = 1 << 29,
	BH_RUN_FELL = 1 << 30,	/* back to the tables of an older generation */
	BH_RUN_OPEN = 1u << 31, /* an emergency is on */
};

/*
 * What ends by the clock, whoever is alive by then: an unconfirmed generation, an emergency. By
 * itself, as hardly ever there is one.
 * @trial: bh_ctl.trial as it was before the generation was read
 */
__global int bh_run_by_clock(struct bh_run *run, __u64 trial)
{
	const struct bh_ctl *ctl = bh_ctl_get();
	__u64 now = bpf_ktime_get_boot_ns();

	if (!ctl || !run)
		return 0;
	if (BH_STAMP_GEN(run->gen) == trial && now >= ctl->trial_ns) {
		run->gen = ctl->back ? run->gen + 1 : 0;
		run->side ^= 1;
		run->flags |= BH_RUN_FELL;
	}
	if (now < ctl->open_ns)
		run->flags |= BH_RUN_OPEN;
	return 0;
}

/*
 * In this order, each before what its writer stores ahead of it (agent/kern/trial.c): a trial that
 * was settled is none of the generation that is read next, and a verdict with the new turn's stamp
 * rests on what the turn is moved for. Return: false if nothing was ever enforced here, or the
 * control word is missing.
 */
__inline bool bh_run_begin(struct bh_run *ret)
{
	const volatile struct bh_ctl *ctl = bh_ctl_get();
	__u64 gen, trial;

	if (!ctl)
		return false;
	trial = ctl->trial;
	gen = ctl->gen;
	ret->gen = BH_STAMP(gen, ctl->turn);
	ret->flags = ctl->flags;
	ret->netns = ctl->netns;
	ret->now_ns = 0;
	ret->side = BH_SIDE(gen);
	if (!gen)
		return false;
	if (trial || ctl->open_ns)
		bh_run_by_clock(ret, trial);
	return ret->gen != 0;
}

/**
 * struct bh_who - an end of a conversation
 * @anchor:    the cgroup that was matched by name; 0 = none. Two ends with one anchor, one
 *             segment and one user are the same workload
 * @seg:       identity
 * @class:     what the policy looks a remote end up as; @seg unless prefixes nest
 * @unit_bits: failsafe units it is in
 * @local:     on this host
 * @held:      slot + 1 of the quarantine it is in by its cgroup or address; 0 = in none
 */
struct bh_who {
	__u64 anchor;
	__u32 seg;
	__u32 class;
	__u32 uid;
	__u32 unit_bits;
	__u32 local;
	__u32 held;
};

/* An identity of this host, without a workload of its own. */
__inline void bh_who_is(struct bh_who *who, __u32 identity)
{
	who->anchor = 0;
	who->seg = identity;
	who->class = identity;
	who->uid = 0;
	who->unit_bits = 0;
	who->local = 1;
	who->held = 0;
}

__inline bool bh_who_same(const struct bh_who *a, const struct bh_who *b)
{
	return a->anchor && a->anchor == b->anchor && a->seg == b->seg && a->uid == b->uid;
}

/* --- cgroups ----------------------------------------------------------------------------------- */

/* Matches that name users come before the one that doesn't; deepest first. */
__inline void bh_who_by_user(const struct bh_cg_side *cg, __u32 side, struct bh_who *who)
{
	void *users = bpf_map_lookup_elem(&bh_users, &side);

	if (!users)
		return;
	for (__u32 i = 0; i < BH_USER_DEPTH; i++) {
		struct bh_user_key key = {.match = cg->users[i].match, .uid = who->uid};
		const __u32 *seg;

		if (i >= cg->n_users)
			return;
		seg = bpf_map_lookup_elem(users, &key);
		if (seg) {
			who->seg = *seg;
			who->anchor = cg->users[i].anchor;
			return;
		}
	}
}

/**
 * bh_who_of_cgroup - the workload of a socket or task
 * @cgid: cgroup id
 * @uid:  its user, as the initial user namespace counts
 *
 * The cgroup root itself is `host`. A cgroup that is not in the table is outside of the root,
 * `host` too, unless some below it found no room: then it may be one of these.
 * Return: BH_CONTINUE, or BH_R_CGROUP_UNKNOWN. Our own hooks only run below the root: there
 * this is a deny; for a peer it is an identity like any other.
 */
__global int bh_who_of_cgroup(const struct bh_run *run, __u64 cgid, __u32 uid, struct bh_who *ret)
{
	const struct bh_ctl *ctl = bh_ctl_get();
	const struct bh_cg_side *side;
	const struct bh_cgroup *cg;

	if (!ctl || !run || !ret)
		return BH_R_NO_TABLE;
	bh_who_is(ret, BH_ID_HOST);
	ret->uid = uid;
	if (cgid == ctl->root_cgid)
		return BH_CONTINUE;
	cg = bpf_map_lookup_elem(&bh_cgroups, &cgid);
	if (!cg) {
		if (run->flags & BH_CTL_CGROUPS_FULL)
			ret->seg = ret->class = BH_ID_UNASSIGNED;
		return BH_R_CGROUP_UNKNOWN;
	}
	ret->held = cg->flags >> BH_CG_HELD_SHIFT;
	side = &cg->side[run->side & 1];
	ret->seg = side->seg ? side->seg : BH_ID_UNASSIGNED;
	ret->anchor = side->anchor;
	ret->unit_bits = side->unit_bits;
	bh_who_by_user(side, run->side, ret);
	ret->class = ret->seg;
	return BH_CONTINUE;
}

/* --- addresses --------------------------------------------------------------------------------- */

/* Slot + 1 of the quarantine that an address is in; 0 = in none. */
__global int bh_addr_held(const struct bh_addr *addr)
{
	struct bh_prefix_key key = {.prefixlen = 128};
	const __u32 *held;

	if (!addr)
		return 0;
	__builtin_memcpy(key.addr, addr, sizeof(key.addr));
	held = bpf_map_lookup_elem(&bh_held_addrs, &key);
	return held ? *held : 0;
}

/**
 * bh_who_of_addr - the segment that the map gives an address
 * @otherwise: identity of an address that the map does not name
 *
 * Exact addresses by hash first, prefixes by LPM after: the hash costs a sixth of the trie
 * at a million entries (evidence: 0.3 v 1.9 us). Return: BH_CONTINUE or BH_R_NO_TABLE.
 */
__global int bh_who_of_addr(const struct bh_run *run, const struct bh_addr *addr, __u32 otherwise,
			    struct bh_who *ret)
{
	struct bh_prefix_key key = {.prefixlen = 128};
	const struct bh_addr_val *val;
	void *exact, *prefixes;
	__u32 side;

	if (!run || !addr || !ret)
		return BH_R_NO_TABLE;
	side = run->side;
	exact = bpf_map_lookup_elem(&bh_addrs, &side);
	prefixes = bpf_map_lookup_elem(&bh_prefixes, &side);
	bh_who_is(ret, otherwise);
	ret->local = 0;
	if (run->flags & BH_CTL_QUARANTINE)
		ret->held = bh_addr_held(addr);
	if (!exact || !prefixes)
		return BH_R_NO_TABLE;
	/* The same link-local address may stand on two NICs: it says nothing. */
	if (bh_addr_is_linklocal(addr))
		return BH_CONTINUE;
	/* from the stack: Linux 6.1 takes no other memory for a key */
	__builtin_memcpy(key.addr, addr, sizeof(key.addr));
	val = bpf_map_lookup_elem(exact, key.addr);
	if (!val)
		val = bpf_map_lookup_elem(prefixes, &key);
	if (val && (val->identity != BH_ID_WORLD || otherwise == BH_ID_WORLD)) {
		ret->seg = val->identity;
		/* a failsafe's prefix has a class of its own also where it is in no segment */
		ret->class = val->class;
	}
	return BH_CONTINUE;
}

/* An address of network namespace @netns, which the agent keeps from netlink. */
__inline bool bh_addr_is_ours(__u64 netns, const struct bh_addr *addr)
{
	struct bh_local_key key = {.netns = netns, .addr = *addr};

	return bpf_map_lookup_elem(&bh_locals, &key) != 0;
}

/* --- listeners --------------------------------------------------------------------------------- */

/* Who is bound to (address, port): the exact address, else every address. NULL: nobody known. */
__inline struct bh_listener *bh_listener_find(struct bh_listen_key *key)
{
	struct bh_listener *l = bpf_map_lookup_elem(&bh_listeners, key);

	if (l)
		return l;
	__builtin_memset(&key->addr, 0, sizeof(key->addr));
	return bpf_map_lookup_elem(&bh_listeners, key);
}

#endif
