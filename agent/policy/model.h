/* SPDX-License-Identifier: Apache-2.0 */
/*
 * model.h - a segment map as its author wrote it: names resolved to each other, nothing
 * compiled. Made by parse.c, checked by check.c, read by compile.c and diff.c.
 * All strings belong to the map and die with it.
 */
#ifndef BH_MODEL_H
#define BH_MODEL_H

#include "../../include/bh_abi.h"
#include "../base/diag.h"

struct bh_pos {
	int line, col, len;
};

enum bh_tri { BH_UNSET = -1, BH_DENY = 0, BH_ALLOW = 1 };
enum bh_mode { BH_MODE_INHERIT = 0, BH_MODE_OBSERVE, BH_MODE_ENFORCE };

struct bh_cidr {
	struct bh_addr addr; /* host bits are zero: the parser refuses others */
	int plen;	     /* of 128; 96 + n for IPv4 */
	bool v4;
	struct bh_pos pos;
};

/* A string with its place, e.g. a unit glob or a user name. */
struct bh_word {
	char *s;
	struct bh_pos pos;
};

struct bh_words {
	struct bh_word *v;
	size_t n;
};

/* One element of a segment's `match:`; the keys inside must all hold. */
struct bh_match {
	struct bh_words unit;	/* exact or with one '*' */
	struct bh_words cgroup; /* absolute, no trailing '/', "/" itself; one '*' allowed */
	struct bh_words user;	/* names or numbers */
	struct bh_words group;
	struct bh_cidr *cidr;
	size_t n_cidr;
	struct bh_cidr *except;
	size_t n_except;
	struct bh_pos pos;
};

/* A port set as written: protocol plus a range, `any` expands to proto 0. */
struct bh_port {
	__u8 proto;	       /* IPPROTO_*; 0 = any */
	bool any_port;	       /* every port / ICMP type */
	bool both_icmp;	       /* `icmp/NAME`: written once, holds for ICMP and ICMPv6 */
	bool any_code;	       /* ICMP: a type with every code */
	__u16 lo, hi;	       /* inclusive; ICMP: type << 8 | code (lo == hi) */
	__u16 lo6;	       /* both_icmp: the ICMPv6 type << 8 | code */
	bool icmp_v4, icmp_v6; /* which families an ICMP name exists in */
	struct bh_pos pos;
};

struct bh_ports {
	struct bh_port *v;
	size_t n;
};

struct bh_label {
	char *key, *value;
	struct bh_pos pos;
};

struct bh_segment {
	char *name;
	struct bh_pos pos;
	struct bh_match *match;
	size_t n_match;
	struct bh_label *label;
	size_t n_label;
	enum bh_tri def[2]; /* by enum bh_dir; BH_UNSET = the map's */
	enum bh_mode mode;
	struct bh_ports listen;
	bool raw, dhcp, admin;
	char *data, *description;
	bool reserved; /* world, unassigned or host */
};

/* Who a rule is about. Resolved: either any, or a list of segments. */
struct bh_sel {
	bool any;
	size_t *seg; /* indexes into bh_map.segment, ascending, unique */
	size_t n_seg;
	struct bh_cidr *cidr; /* failsafe only */
	size_t n_cidr;
	struct bh_pos pos;
};

enum bh_rule_kind { BH_RULE_ALLOW, BH_RULE_DENY, BH_RULE_FAILSAFE };

struct bh_rule_src {
	enum bh_rule_kind kind;
	char *id;
	struct bh_sel from, to; /* failsafe: exactly one of them is set (n_cidr > 0) */
	struct bh_ports port;
	bool require_posture; /* require: { posture: healthy } */
	bool jit;
	__u64 jit_max_s; /* 0 = no limit */
	bool jit_reason;
	enum bh_mode mode; /* BH_MODE_OBSERVE on one rule, else inherit */
	__s64 until_s;	   /* wall clock, seconds; 0 = for ever */
	char *owner, *description;
	struct bh_words unit; /* failsafe */
	bool wide;	      /* failsafe */
	struct bh_pos pos;
};

struct bh_assert {
	char *id;
	struct bh_sel from, to;
	struct bh_ports port;
	bool expect_allow;
	struct bh_pos pos;
};

struct bh_map {
	char *file;
	char *text; /* the source, for quoting */
	size_t text_len;
	char *name;
	enum bh_mode mode;
	enum bh_tri def[2];
	struct bh_segment *segment; /* [0..2] are world, unassigned, host, always */
	size_t n_segment;
	struct bh_rule_src *rule; /* allow, deny and failsafe, in the order of the file */
	size_t n_rule;
	struct bh_assert *assertion;
	size_t n_assertion;
	enum bh_tri forward; /* BH_UNSET: not said */
	enum bh_tri l2;
	__u32 revert_on_denies; /* 0 = only report */
};

enum { BH_SEG_WORLD, BH_SEG_UNASSIGNED, BH_SEG_HOST, BH_SEG_N_RESERVED };

#define BH_MAP_MAX_BYTES (4u << 20)
#define BH_MAP_MAX_RULES 100000u
#define BH_MAP_MAX_DEPTH 32

/**
 * bh_map_parse - YAML text to a segment map, or every error in one pass
 * @file: name for messages
 * @text: the document, @len bytes; copied
 * @d:    findings are added here; positions are of @text
 * @ret:  set on success only; free with bh_map_free()
 *
 * Pure: reads nothing but its arguments. Return: 0, -EINVAL (see @d), -ENOMEM.
 */
int bh_map_parse(const char *file, const char *text, size_t len, struct bh_diags *d,
		 struct bh_map **ret);

void bh_map_free(struct bh_map *map);
BH_DEFINE_CLEANUP(struct bh_map *, bh_map_free)

/* Place of @pos in @map, for bh_diag_add(). */
struct bh_where bh_map_where(const struct bh_map *map, struct bh_pos pos);

#endif
