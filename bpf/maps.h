/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * maps.h - every map, and nowhere else. Included by all kernel programs; the linker makes one
 * map of the weak definitions that each of them brings along (bpftool gen object).
 *
 * Three kinds: the policy of a generation (an outer array with one inner table per side, made
 * anew by the agent for each commit), facts that the kernel side keeps (cgroups, listeners,
 * socket storage) and counters. Meanings are per side, facts are not.
 */
#ifndef BH_MAPS_H
#define BH_MAPS_H

#include <stdbool.h>
#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bh_abi.h>
#include <bh_reason.h>

#ifndef __weak
#define __weak __attribute__((weak))
#endif
#define __inline static __always_inline
/* A function of its own: its stack is free again when it returns (512 bytes a call chain). */
#define __subprog static __noinline __attribute__((unused))
/*
 * The same, and the verifier checks it once by itself and not again on every path that leads
 * to it. The price: it may not trust its pointers. Weak: each object brings one, one is kept.
 */
#define __global __weak __attribute__((noinline))

/* Two sides: one is live, one is idle. */
#define BH_SIDES 2

/*
 * An outer map of inner tables. The template says one entry; the agent makes tables as large
 * as a generation needs. Sizes and not types: clang emits only a forward declaration of a
 * struct that is named here, and libbpf then can't tell its size (clang 14 and 19).
 */
#define BH_OUTER(name, inner_type, key_bytes, value_bytes, inner_flags)                            \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);                                          \
		__uint(max_entries, BH_SIDES);                                                     \
		__type(key, __u32);                                                                \
		__array(                                                                           \
			values, struct {                                                           \
				__uint(type, inner_type);                                          \
				__uint(max_entries, 1);                                            \
				__uint(key_size, key_bytes);                                       \
				__uint(value_size, value_bytes);                                   \
				__uint(map_flags, inner_flags);                                    \
			});                                                                        \
	} name __weak SEC(".maps")

/* --- the policy of a generation ------------------------------------------------------------- */

BH_OUTER(bh_policy, BPF_MAP_TYPE_HASH, sizeof(struct bh_pol_key), sizeof(struct bh_pol_val), 0);
BH_OUTER(bh_addrs, BPF_MAP_TYPE_HASH, sizeof(struct bh_addr), sizeof(struct bh_addr_val), 0);
BH_OUTER(bh_prefixes, BPF_MAP_TYPE_LPM_TRIE, sizeof(struct bh_prefix_key),
	 sizeof(struct bh_addr_val), BPF_F_NO_PREALLOC);
BH_OUTER(bh_segs, BPF_MAP_TYPE_ARRAY, sizeof(__u32), sizeof(struct bh_seg), BPF_F_INNER_MAP);
BH_OUTER(bh_rules, BPF_MAP_TYPE_ARRAY, sizeof(__u32), sizeof(struct bh_rule), BPF_F_INNER_MAP);
BH_OUTER(bh_names, BPF_MAP_TYPE_HASH, sizeof(struct bh_name_key), sizeof(struct bh_name_val), 0);
BH_OUTER(bh_globs, BPF_MAP_TYPE_LPM_TRIE, sizeof(struct bh_glob_key), sizeof(struct bh_glob_val),
	 BPF_F_NO_PREALLOC);
BH_OUTER(bh_users, BPF_MAP_TYPE_HASH, sizeof(struct bh_user_key), sizeof(__u32), 0);
BH_OUTER(bh_reserve, BPF_MAP_TYPE_HASH, sizeof(struct bh_reserve_key), sizeof(__u32), 0);

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BH_SIDES);
	__type(key, __u32);
	__type(value, struct bh_side);
} bh_sides __weak SEC(".maps");

/* Mapped by the agent: the flip is one store, and both sides may set flags. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct bh_ctl);
} bh_ctl __weak SEC(".maps");

/* --- what holds for a while ------------------------------------------------------------------- */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BH_QUARANTINE_MAX);
	__type(key, __u32); /* slot */
	__type(value, struct bh_quarantine);
} bh_quarantine __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, BH_QUARANTINE_MAX);
	__type(key, __u32); /* identity */
	__type(value, __u32);
} bh_held_segs __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, BH_QUARANTINE_MAX);
	__type(key, struct bh_name_key); /* node 0 */
	__type(value, __u32);
} bh_held_units __weak SEC(".maps");

/* A segment's prefixes are here too, with those of its holes. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct bh_prefix_key);
	__type(value, __u32);
} bh_held_addrs __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BH_GRANTS_MAX);
	__type(key, __u32);
	__type(value, struct bh_grant);
} bh_grants __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, BH_GRANTS_MAX);
	__type(key, __u32);   /* rule number */
	__type(value, __u64); /* until, boot time */
} bh_jit __weak SEC(".maps");

/* --- facts ------------------------------------------------------------------------------------ */

/* Which sides bh_cg_walk writes; bit n is side n. The agent's word, see agent/kern/iter.c. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} bh_walk __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, __u64); /* cgroup id */
	__type(value, struct bh_cgroup);
} bh_cgroups __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, struct bh_listen_key);
	__type(value, struct bh_listener);
} bh_listeners __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct bh_local_key);
	__type(value, __u32);
} bh_locals __weak SEC(".maps");

/* Cloned to accepted sockets: they are of the workload that listens. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__type(key, int);
	__type(value, struct bh_facts);
} bh_facts __weak SEC(".maps");

/* Never cloned: a verdict is for one peer, a registration for one socket. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct bh_session);
} bh_session __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct bh_udp);
} bh_udp __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct bh_bound);
} bh_bound __weak SEC(".maps");

/* --- counters and events ----------------------------------------------------------------------- */

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, BH_REASON_MAX);
	__type(key, __u32);
	__type(value, struct bh_count);
} bh_reasons __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1); /* the agent's limit of rules */
	__type(key, __u32);	/* rule number */
	__type(value, struct bh_count);
} bh_rule_hits __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, BH_STAT_MAX);
	__type(key, __u32);
	__type(value, __u64);
} bh_stats __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20); /* the agent's choice */
} bh_events __weak SEC(".maps");

/* Two, so that one can be emptied while nobody writes it. Full: told with the counters alone. */
#define BH_FLOWS(name)                                                                             \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_HASH);                                                   \
		__uint(max_entries, 16384);                                                        \
		__uint(map_flags, BPF_F_NO_PREALLOC);                                              \
		__type(key, struct bh_flow_key);                                                   \
		__type(value, struct bh_flow_val);                                                 \
	} name __weak SEC(".maps")

BH_FLOWS(bh_flows_0);
BH_FLOWS(bh_flows_1);

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct bh_spread_key);
	__type(value, struct bh_spread);
} bh_spread __weak SEC(".maps");

/* Only how often a deny is told rests on it: what is forgotten here is told once more. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct bh_denied_key);
	__type(value, struct bh_denied_val);
} bh_denied __weak SEC(".maps");

/* The agent's alone: here because it must outlive the agent, as what it speaks of does. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct bh_audit_head);
} bh_audit __weak SEC(".maps");

/*
 * BTF for the inner tables, so that `bpftool map dump` prints their fields: a type that no
 * map and no function names would not be in the object. Never read.
 */
struct bh_btf_types {
	struct bh_pol_key pol_key;
	struct bh_pol_val pol_val;
	struct bh_addr addr;
	struct bh_addr_val addr_val;
	struct bh_prefix_key prefix_key;
	struct bh_seg seg;
	struct bh_rule rule;
	struct bh_name_key name_key;
	struct bh_name_val name_val;
	struct bh_glob_key glob_key;
	struct bh_glob_val glob_val;
	struct bh_user_key user_key;
	struct bh_reserve_key reserve_key;
};
struct bh_btf_types *bh_btf_types __weak __attribute__((unused));

/* --- the control word --------------------------------------------------------------------------- */

__inline struct bh_ctl *bh_ctl_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&bh_ctl, &zero);
}

/* Read once per program run and carried: no verdict mixes two generations (promise P1). */
__inline __u64 bh_ctl_gen(const struct bh_ctl *ctl)
{
	return *(const volatile __u64 *)&ctl->gen;
}

/*
 * Atomic although it is per CPU: a softirq may interrupt a program that runs in a process's
 * connect() on this CPU, between its load and its store.
 */
__inline void bh_stat_add_n(enum bh_stat which, __u64 add)
{
	__u32 key = which;
	__u64 *n = bpf_map_lookup_elem(&bh_stats, &key);

	if (n)
		__sync_fetch_and_add(n, add);
}

__inline void bh_stat_add(enum bh_stat which)
{
	bh_stat_add_n(which, 1);
}

#endif
