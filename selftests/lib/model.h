/* SPDX-License-Identifier: Apache-2.0 */
/*
 * model.h - the second opinion: what a segment map means, by someone who knows its language
 * (docs, README) and neither the compiler nor the datapath. Reads the map's own text, and
 * answers each question by going through all of it. Slow, and meant to be read in one sitting.
 * It exists to disagree: used by selftests/model.
 *
 * Nothing of agent/policy or bpf/ is used here but the numbers of reasons.
 */
#ifndef BH_TEST_MODEL_H
#define BH_TEST_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "../../include/bh_reason.h"

/* --- the map as it is written (model_read.c) ---------------------------------------------------- */

enum { MD_WORLD, MD_UNASSIGNED, MD_HOST, MD_RESERVED }; /* indexes in md_map.seg */
enum { MD_IN, MD_OUT };					/* seen from the end that is judged */
enum md_kind { MD_ALLOW, MD_DENY, MD_FAILSAFE };

#define MD_MAX 32 /* of anything in a list */

struct md_addr {
	uint8_t b[16]; /* IPv4 in the last four */
	bool v4;
};

struct md_cidr {
	struct md_addr addr;
	int len; /* of the family's own 32 or 128 */
};

struct md_words {
	char *s[MD_MAX];
	int n;
};

struct md_cidrs {
	struct md_cidr c[MD_MAX];
	int n;
};

struct md_match {
	struct md_words unit, cgroup, user, group;
	struct md_cidrs cidr, except;
};

struct md_ports {
	struct md_words text; /* "tcp/80-90" */
};

struct md_seg {
	char *name;
	struct md_match match[MD_MAX];
	int n_match;
	struct md_words labels; /* "key=value" */
	int open[2];		/* default by direction: 1 allow, 0 deny, -1 the map's */
	int observe;		/* 1, 0, -1 the map's */
	struct md_words listen;
};

struct md_sel {
	bool any;
	struct md_words names, labels;
	struct md_cidrs cidr; /* of a failsafe */
};

struct md_rule {
	enum md_kind kind;
	char *id;
	struct md_sel from, to;
	struct md_words port, unit;
	bool observe, jit, posture;
	int64_t until_s; /* wall clock; 0 = for ever */
};

struct md_map {
	struct md_seg seg[MD_MAX];
	int n_seg;
	struct md_rule rule[MD_MAX];
	int n_rule;
	int open[2];
	bool observe;
	int forward, l2; /* 1 allow, 0 deny, -1 not said */
};

/* @text has to be a good map: what it is not is not found out here. Free with md_free(). */
struct md_map *md_read(const char *text);
void md_free(struct md_map *m);

/* --- who (model_who.c) ---------------------------------------------------------------------------- */

/* A cgroup: its path below the agent's root, "/" itself, and how many of its components were
 * made by root alone: below the first that is not root's, names mean nothing. */
struct md_cgroup {
	const char *path;
	int n_roots; /* -1: all */
};

/* One end of a conversation. */
struct md_end {
	int seg;
	const struct md_addr *addr; /* set if the address says who it is */
	const struct md_cgroup *cg; /* set if its workload does */
	uint32_t uid;
	int anchor; /* depth of the cgroup that was matched by name; -1 = none was */
	bool local; /* on this host */
};

struct md_end md_who_of_cgroup(const struct md_map *m, const struct md_cgroup *cg, uint32_t uid);
/* @otherwise: MD_WORLD or MD_HOST, where the map does not name the address */
struct md_end md_who_of_addr(const struct md_map *m, const struct md_addr *a, int otherwise);
struct md_end md_who_is(int seg);

/* Is @a in @seg's own words, whatever longer prefixes say? The longest such prefix, or -1. */
int md_addr_depth(const struct md_map *m, int seg, const struct md_addr *a);
bool md_addr_in(const struct md_cidr *c, const struct md_addr *a);
bool md_addr_is_linklocal(const struct md_addr *a);
/* Is @cg, or a cgroup it is in, this unit? */
bool md_cgroup_has_unit(const struct md_cgroup *cg, const char *unit);

/* --- may they (model_judge.c) ---------------------------------------------------------------------- */

struct md_talk {
	struct md_end me, peer;
	int dir;       /* MD_IN: the peer began */
	uint8_t proto; /* of IP */
	uint16_t port; /* destination; ICMP: type << 8 | code */
	int64_t now_s;
	bool capped; /* `bulkhead mode observe` */
};

#define MD_SET 256 /* numbers of reasons are smaller */

/*
 * What may be answered: where several rules say the same, any of them may be named, and where
 * several that would allow are closed, any of their reasons.
 */
struct md_answer {
	bool reason[MD_SET];
	enum bh_reason first; /* one of them */
	int n_reasons;
	bool pass, observe;
	bool decides[MD_MAX]; /* rules by index */
	bool would[MD_MAX];   /* observed denies that speak */
	bool any_would;
	bool by_rule; /* else the default or the workload */
};

/* The half of @t->me. */
struct md_answer md_half(const struct md_map *m, const struct md_talk *t);
/* Both, where the peer is on this host. */
struct md_answer md_judge(const struct md_map *m, const struct md_talk *t);
/* Something that has a name of its own, decided without the policy; the mode of @seg. */
struct md_answer md_named(const struct md_map *m, enum bh_reason reason, int seg, bool capped);

bool md_ports_have(const struct md_words *ports, uint8_t proto, uint16_t port);
/* Does `listen:` keep this port for others than @seg? */
bool md_port_is_reserved(const struct md_map *m, int seg, uint8_t proto, uint16_t port);

/* --- a packet's way (model_packet.c) ---------------------------------------------------------------- */

/* What whoever made a packet knows of it. */
struct md_packet {
	enum bh_reason broken; /* what is wrong with it, 0 = nothing */
	bool ip, arp;
	struct md_addr src, dst;
	uint8_t proto, tcp_flags;
	uint16_t sport, dport; /* ICMP: dport is type << 8 | code */
};

enum md_flag { MD_RECV_ONLY = 1, MD_KERNEL = 2, MD_SHARED = 4 };

struct md_listener {
	uint8_t proto;
	uint16_t port;
	const struct md_addr *addr; /* NULL: every address */
	const struct md_cgroup *cg;
	uint32_t uid;
	unsigned int flags; /* enum md_flag */
};

struct md_host {
	const struct md_addr *ours;
	int n_ours;
	const struct md_listener *listener;
	int n_listener;
	bool forwards4, forwards6;
	bool capped;
	int64_t now_s;
};

/* At the NIC. */
struct md_answer md_nic(const struct md_map *m, const struct md_host *h, const struct md_packet *p);
/*
 * At a socket of workload @me that is neither TCP's nor UDP's and has talked to nobody (what
 * BPF_PROG_TEST_RUN has). @loopback: the packet goes through the loopback device.
 */
struct md_answer md_socket(const struct md_map *m, const struct md_host *h, const struct md_end *me,
			   const struct md_packet *p, int way, bool loopback);

#endif
