/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compile.h - a segment map as the tables the kernel reads: struct bh_compiled is one side,
 * whole. Pure and deterministic: the same map, numbers and users give the same bytes.
 */
#ifndef BH_COMPILE_H
#define BH_COMPILE_H

#include "model.h"

/* --- numbers that outlive a generation ---------------------------------------------------- */

/*
 * Identity numbers by segment name and rule numbers by rule id. Kept on disk by the agent;
 * a name keeps its number for ever, a number whose name went is not given out again before
 * the space is used up once. Rule ids of defaults are "default/SEGMENT/ingress|egress".
 */
struct bh_numbers;

struct bh_numbers *bh_numbers_new(void);
void bh_numbers_free(struct bh_numbers *n);
BH_DEFINE_CLEANUP(struct bh_numbers *, bh_numbers_free)

/* Look up or hand out. Return: 0, -ENOSPC, -ENOMEM, -EINVAL (not one printable word). */
int bh_numbers_segment(struct bh_numbers *n, const char *name, __u32 *ret);
int bh_numbers_rule(struct bh_numbers *n, const char *id, __u32 *ret);
/* Reverse. Return: the name, or NULL. */
const char *bh_numbers_segment_name(const struct bh_numbers *n, __u32 number);
const char *bh_numbers_rule_name(const struct bh_numbers *n, __u32 number);

/*
 * Text form, one "segment NUMBER NAME" or "rule NUMBER NAME" a line, sorted; for state on
 * disk. *ret is malloced. Loading refuses duplicates and garbage: -EINVAL.
 */
int bh_numbers_save(const struct bh_numbers *n, char **ret, size_t *ret_len);
int bh_numbers_load(const char *text, size_t len, struct bh_numbers **ret);
/* An independent copy: a refused map must leave no numbers behind. */
struct bh_numbers *bh_numbers_copy(const struct bh_numbers *n);

/* --- what the compiler is given ------------------------------------------------------------ */

/* Users and groups of this host; offline `check` passes one that knows nobody. */
struct bh_users {
	void *ctx;
	/* Return: 0, -ENOENT, -errno (it can't be told now: the map is not compiled). */
	int (*uid_of)(void *ctx, const char *user, __u32 *ret_uid);
	/* Members of @group as uids, malloced. Return: as above. */
	int (*group)(void *ctx, const char *group, __u32 **ret_uids, size_t *ret_n);
};

struct bh_limits {
	__u32 policy, addrs, prefixes, rules, names, globs, users;
};
extern const struct bh_limits bh_limits_default;

/* CLOCK_REALTIME and CLOCK_BOOTTIME of one instant: `until` becomes boot time. */
struct bh_instant {
	__s64 wall_s;
	__u64 boot_ns;
};

/* --- what it makes -------------------------------------------------------------------------- */

struct bh_rule_info {
	__u32 number;
	char *id;
	int line;	   /* in the YAML; 0 for defaults */
	int source;	   /* index in bh_map.rule, or -1 for a default */
	enum bh_kind kind; /* BH_KIND_MAX for a default */
	size_t n_entries;  /* table entries it needs */
};

#define BH_TABLE(key, val, name)                                                                   \
	struct {                                                                                   \
		struct key *key;                                                                   \
		struct val *val;                                                                   \
		size_t n;                                                                          \
	} name

struct bh_compiled {
	struct bh_side side;			  /* .gen is filled when it is staged */
	BH_TABLE(bh_pol_key, bh_pol_val, policy); /* sorted by key bytes, unique */
	BH_TABLE(bh_addr, bh_addr_val, addrs);	  /* /128 (IPv4 /32) only */
	BH_TABLE(bh_prefix_key, bh_addr_val, prefixes);
	BH_TABLE(bh_name_key, bh_name_val, names);
	BH_TABLE(bh_glob_key, bh_glob_val, globs);
	struct {
		struct bh_user_key *bh_user_key;
		__u32 *seg;
		size_t n;
	} users;
	struct {
		struct bh_reserve_key *key;
		size_t n;
	} reserve;
	struct bh_seg *segs; /* indexed by identity */
	size_t n_segs;
	struct bh_rule *rules; /* indexed by rule number */
	size_t n_rules;

	struct bh_rule_info *info; /* sorted by number */
	size_t n_info;
	__u32 *identity; /* by index in bh_map.segment */
	size_t n_identity;
	__u32 n_classes;
	bool needs_posture, needs_jit;
};

/**
 * bh_compile - a checked map to one side's tables
 * @map:     from bh_map_parse(), no errors
 * @numbers: numbers are looked up and handed out here (pass a copy, keep it on success)
 * @users:   who is who on this host
 * @limits:  capacities; what does not fit is an error that says what is needed, what there
 *           is, and which rule or segment needs most
 * @now:     for `until`
 * @d:       findings
 * @ret:     set on success only
 *
 * Return: 0, -EINVAL (see @d), -E2BIG (see @d), -ENOMEM.
 */
int bh_compile(const struct bh_map *map, struct bh_numbers *numbers, const struct bh_users *users,
	       const struct bh_limits *limits, struct bh_instant now, struct bh_diags *d,
	       struct bh_compiled **ret);

void bh_compiled_free(struct bh_compiled *c);
BH_DEFINE_CLEANUP(struct bh_compiled *, bh_compiled_free)

const struct bh_rule_info *bh_compiled_rule(const struct bh_compiled *c, __u32 number);

/**
 * bh_compiled_identity - whose address this is
 * Return: BH_ID_WORLD unless a prefix of the map covers it. Longest prefix wins.
 */
__u32 bh_compiled_identity(const struct bh_compiled *c, const struct bh_addr *addr);

#endif
