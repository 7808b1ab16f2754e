/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policyrig.h - for tests of the policy compiler: maps from text, and the questions that the
 * datapath asks of the tables, asked here in its order (bpf/policy.h, bpf/match.h). A map that
 * a test expects to be good and is not fails the test.
 */
#ifndef BH_POLICYRIG_H
#define BH_POLICYRIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "../../agent/policy/compile.h"
#include "../../agent/policy/diff.h"

/* A map and what became of it. */
struct pol {
	struct bh_map *map;
	struct bh_numbers *numbers;
	struct bh_compiled *out;
	struct bh_diags d;
};

/* Users of the tests: alice 1000, bob 1001, carol 1002; groups ops {alice, bob}, all, empty. */
extern const struct bh_users pol_users;
extern const struct bh_instant pol_now; /* 2026-01-01T00:00:00Z is boot time 1000 s */

/* "version: 1 ... segments:" with @body behind it: what every map has to say. */
char *pol_text(const char *body);

/* Parses and compiles; the test fails with the findings unless both went well. */
struct pol pol_made(const char *body);
struct pol pol_made_with(const char *body, const struct bh_numbers *numbers,
			 const struct bh_limits *limits);
/* Parses and compiles; out is NULL unless both went well. Return: what the compiler said. */
int pol_try(const char *body, const struct bh_limits *limits, struct pol *ret);
void pol_clear(struct pol *r);
#define _cleanup_pol_ _cleanup_(pol_clear)

/* Whether a finding has @part in its text or help. */
bool pol_has_said(const struct pol *r, const char *part);

__u32 pol_identity(const struct pol *r, const char *segment);
__u32 pol_rule(const struct pol *r, const char *id);

/* "10.0.0.1" or "2001:db8::1" */
struct bh_addr pol_addr(const char *text);
/* What the datapath finds for an address. */
struct bh_addr_val pol_who(const struct bh_compiled *c, const struct bh_addr *addr);

/* One half of a conversation, as struct bh_ask has it. */
struct pol_ask {
	__u32 local, remote; /* identity; class */
	__u32 unit_bits;
	__u64 now_ns;
	__u16 port;
	__u8 proto, dir;
	bool peer_local;
};

struct pol_ruling {
	int kind; /* enum bh_kind; BH_KIND_MAX: nothing decides, the default does */
	__u32 rule, would_rule, closed_rule;
	bool report;
};

struct pol_ruling pol_judge(const struct bh_compiled *c, const struct pol_ask *ask);

/* What a cgroup means for a user: laid out from the root down. */
struct pol_cgroup {
	__u32 seg; /* 0 = none */
	__u32 unit_bits;
};

/* @path: "/system.slice/a.service", "/" for the root's children's view of it. */
struct pol_cgroup pol_whois(const struct bh_compiled *c, const char *path, __u32 uid);

#endif
