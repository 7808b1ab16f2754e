/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * bh_abi.h - the contract between the kernel programs and everything in userspace:
 * map keys and values, socket storage, events, questions and answers.
 *
 * Fixed width, padding named, sizes asserted. Ports are in host order (so that
 * `bpftool map dump` prints 443), addresses are always 16 bytes in network order
 * with IPv4 as ::ffff:a.b.c.d, times are CLOCK_BOOTTIME nanoseconds.
 * A layout change means a new BH_ABI: pins of another ABI are never adopted, an agent hands over
 * beside them (agent/kern/handover.c). For that a few things are the same in every ABI: struct
 * bh_ctl, the names of pins, and, as long as BH_ABI_SOCKETS is, what a socket carries.
 */
#ifndef BH_ABI_H
#define BH_ABI_H

#include <linux/types.h>

#ifndef BH_ABI
#define BH_ABI 3
#endif
/*
 * Moves with the layout or the meaning of struct bh_facts, bh_session, bh_udp and bh_bound. They
 * may grow at their end: who takes over reads what stands before the line that says so.
 */
#define BH_ABI_SOCKETS 1

/* A build of another ABI, to hand over to and from: see `make ABI=4`. */
#if BH_ABI != 3
#define BH_OTHER_LAYOUT __u64 other_layout[2];
#define BH_OTHER_BYTES	16
#else
#define BH_OTHER_LAYOUT
#define BH_OTHER_BYTES 0
#endif

/* Stands in calls for a kernel function whose number only the agent can find out; no helper's. */
#define BH_CALL_SOCK_DESTROY 0x42480001

#define BH_COMM_MAX 16 /* of a task's name with its NUL, as the kernel's TASK_COMM_LEN */

#define BH_ASSERT_SIZE(type, size) _Static_assert(sizeof(type) == (size), #type " changed size")

/* --- identities -------------------------------------------------------------------------- */

/*
 * The number of a segment on this host. Kept by name beside the state, never reused
 * while a generation names it.
 */
enum bh_identity {
	BH_ID_ANY = 0,	      /* wildcard in policy keys; never somebody's identity */
	BH_ID_WORLD = 1,      /* an address in no segment, not local */
	BH_ID_UNASSIGNED = 2, /* a local workload in no segment */
	BH_ID_HOST = 3,	      /* kernel sockets, the cgroup root itself, sockets outside it */
	BH_ID_FIRST = 16,     /* the first number a segment of the map gets */
	BH_ID_MAX = 65535,
	/*
	 * Above the identities: classes. An address of segment B inside a wider prefix of
	 * segment A must still meet the denies (and failsafes) that name A, so it is looked
	 * up as a class "B, also inside A". Numbered per generation; see bh_addr_val.
	 */
	BH_CLASS_FIRST = 65536,
};

enum bh_dir {
	BH_IN = 0,  /* the receiver's half: ingress */
	BH_OUT = 1, /* the sender's half: egress */
};

struct bh_addr {
	__u8 b[16]; /* network order, IPv4 as ::ffff:a.b.c.d */
} __attribute__((aligned(8)));
BH_ASSERT_SIZE(struct bh_addr, 16);

/* --- control ----------------------------------------------------------------------------- */

enum bh_ctl_flags {
	BH_CTL_OBSERVE = 1 << 0, /* as BH_SIDE_OBSERVE, where no generation can be made */
	BH_CTL_FWD4 = 1 << 1,	 /* ip_forward is on: a packet may be for somebody else */
	BH_CTL_FWD6 = 1 << 2,
	BH_CTL_CGROUPS_FULL = 1 << 3, /* written by the kernel side: a cgroup found no room */
	BH_CTL_QUARANTINE = 1 << 4,   /* bh_quarantine has entries: ask it */
	BH_CTL_GRANTS = 1 << 5,	      /* bh_grants has entries: ask it */
};

/**
 * struct bh_ctl - bh_ctl[0], the one word that every program reads once per run
 * @gen:       the enforced generation; 0 before the first. Its side is gen & 1
 * @netns:     cookie of the agent's network namespace (an XDP program can't ask)
 * @root_cgid: the agent's cgroup root
 * @flags:     enum bh_ctl_flags
 * @sockets:   BH_ABI_SOCKETS of who wrote it
 * @trial:     an unconfirmed generation. While it is @gen, it ends at @trial_ns: from then on
 *             every program goes by generation @gen + 1 and the tables of the other side
 * @trial_ns:  see @trial
 * @back:      the generation whose tables lie on the other side; 0 = there was none
 * @floor:     no generation up to this one is used again
 * @open_ns:   emergency: until then only what is denied by name is denied; 0 = none
 * @turn:      part of each verdict's stamp: moved where verdicts must be given anew under the
 *             same tables
 * @flows:     which of the two bh_flows_ maps is written, its last bit
 *
 * The first 32 bytes are the same in every ABI; it may only grow.
 */
struct bh_ctl {
	__u64 gen;
	__u64 netns;
	__u64 root_cgid;
	__u32 flags;
	__u32 sockets;
	__u64 trial;
	__u64 trial_ns;
	__u64 back;
	__u64 floor;
	__u64 open_ns;
	__u32 turn;
	__u32 flows;
};
BH_ASSERT_SIZE(struct bh_ctl, 80);

#define BH_SIDE(gen) ((__u32)((gen)&1))

/* What a verdict is stamped with: its generation, and in the upper 16 bits the turn. */
#define BH_STAMP_BITS	    48
#define BH_STAMP(gen, turn) ((gen) | (__u64)(turn) << BH_STAMP_BITS)
#define BH_STAMP_GEN(stamp) ((stamp) & ((1ull << BH_STAMP_BITS) - 1))

/* --- the policy table -------------------------------------------------------------------- */

/* Precedence of DESIGN section 4 (1 malformed and 3 quarantine have no entries here). */
enum bh_kind {
	BH_KIND_FAILSAFE = 0, /* 2 */
	BH_KIND_DENY = 1,     /* 4 */
	BH_KIND_ALLOW = 2,    /* 6 */
	BH_KIND_MAX = 3,
};

/**
 * struct bh_pol_key - one cell of the allow list, matched exactly
 * @local:  identity of the end on this host, or BH_ID_ANY
 * @remote: class of the other end (its identity unless prefixes nest), or BH_ID_ANY
 * @port:   destination port with its low (16 - plen) bits cleared; ICMP: type << 8 | code
 * @plen:   how many leading bits of @port count: 16 = exact, 8 = ICMP type with any code,
 *          0 = any port
 * @proto:  IPPROTO_*, or 0 = any of TCP, UDP, UDP-Lite, ICMP and ICMPv6
 * @dir:    enum bh_dir, seen from @local
 * @kind:   enum bh_kind
 * @row:    0, and 1.. where rules with different conditions meet on one key
 */
struct bh_pol_key {
	__u32 local;
	__u32 remote;
	__u16 port;
	__u8 plen;
	__u8 proto;
	__u8 dir;
	__u8 kind;
	__u8 row;
	__u8 pad;
};
BH_ASSERT_SIZE(struct bh_pol_key, 16);

enum bh_pol_flags {
	BH_POL_OBSERVE = 1 << 0, /* deny: report and skip; allow: opens, each use is reported */
	BH_POL_ROW = 1 << 1,	 /* ask the rule's row: deadline, requirement or grant */
	BH_POL_WIRE = 1 << 2,	 /* only for a peer that is not on this host (failsafe) */
	BH_POL_UNIT = 1 << 3,	 /* only for a cgroup that carries failsafe bit @unit_bit */
};

struct bh_pol_val {
	__u32 rule; /* stable rule number: index of bh_rules and bh_rule_hits */
	__u8 flags; /* enum bh_pol_flags */
	__u8 unit_bit;
	__u16 pad;
};
BH_ASSERT_SIZE(struct bh_pol_val, 8);

/**
 * struct bh_shape - one combination of wildcards that occurs in the table
 *
 * Tuple space search: the datapath builds one exact key per shape, in the order of the
 * list. The compiler sorts the list by precedence, so the first entry that holds decides.
 */
struct bh_shape {
	__u8 kind;
	__u8 row;
	__u8 wild; /* enum bh_wild */
	__u8 plen;
};
BH_ASSERT_SIZE(struct bh_shape, 4);

enum bh_wild {
	BH_WILD_LOCAL = 1 << 0,
	BH_WILD_REMOTE = 1 << 1,
	BH_WILD_PROTO = 1 << 2,
};

#define BH_SHAPES_MAX 128

enum bh_side_flags {
	BH_SIDE_FORWARD_ALLOW = 1 << 0, /* neither: `forward:` is unset, passes, counted */
	BH_SIDE_FORWARD_DENY = 1 << 1,
	BH_SIDE_L2_DENY = 1 << 2,
	BH_SIDE_OBSERVE = 1 << 3, /* `bulkhead mode observe`, part of a generation */
};

/* bh_sides[gen & 1]: what one generation says about itself */
struct bh_side {
	__u64 gen;
	__u32 flags;
	__u32 n_shapes[2]; /* by enum bh_dir */
	__u32 pad;
	struct bh_shape shape[2][BH_SHAPES_MAX];
};
BH_ASSERT_SIZE(struct bh_side, 24 + 2 * 4 * BH_SHAPES_MAX);

enum bh_rule_flags {
	BH_RULE_JIT = 1 << 0,	  /* closed until granted */
	BH_RULE_POSTURE = 1 << 1, /* needs a posture nobody measures yet: closed */
};

/* A rule's row, asked only where an entry says BH_POL_ROW. Indexed by rule number. */
struct bh_rule {
	__u64 until_ns; /* boot time; 0 = for ever */
	__u32 flags;	/* enum bh_rule_flags */
	__u32 pad;
};
BH_ASSERT_SIZE(struct bh_rule, 16);

enum bh_seg_flags {
	BH_SEG_OBSERVE = 1 << 0,       /* the segment's mode, after the map's */
	BH_SEG_INGRESS_ALLOW = 1 << 1, /* default: */
	BH_SEG_EGRESS_ALLOW = 1 << 2,
	BH_SEG_RAW = 1 << 3,   /* raw: allow */
	BH_SEG_DHCP = 1 << 4,  /* dhcp: true */
	BH_SEG_ADMIN = 1 << 5, /* admin: true */
	BH_SEG_VALID = 1 << 6, /* a segment of this generation has this identity */
};

/* Indexed by identity. */
struct bh_seg {
	__u32 flags;
	__u32 default_rule[2]; /* rule number of the default, by enum bh_dir */
	__u32 pad;
};
BH_ASSERT_SIZE(struct bh_seg, 16);

/*
 * `listen:` reserves a port: an entry with BH_ID_ANY says that it is reserved, one with a
 * segment that this segment may listen there. With port 0 and a protocol that needs a raw
 * socket (not TCP, UDP, UDP-Lite): an allow rule names the protocol at this segment (or, with
 * BH_ID_ANY, at every segment), so it may open such sockets. The value is a __u32, 1.
 */
struct bh_reserve_key {
	__u32 seg;
	__u16 port;
	__u8 proto;
	__u8 pad;
};
BH_ASSERT_SIZE(struct bh_reserve_key, 8);

/* --- what holds for a while, under any generation -------------------------------------------- */

#define BH_QUARANTINE_MAX 256
#define BH_GRANTS_MAX	  64

enum bh_quarantine_flags {
	BH_QUARANTINE_ON = 1 << 0,
	BH_QUARANTINE_HARD = 1 << 1, /* failsafes do not hold either */
};

/*
 * bh_quarantine[slot]: who is in it stands elsewhere, by slot + 1: a segment in bh_held_segs, a
 * unit in bh_held_units and from there in the flags of its cgroups, an address in bh_held_addrs.
 */
struct bh_quarantine {
	__u64 until_ns; /* boot time; 0 = until released */
	__u32 flags;	/* enum bh_quarantine_flags */
	__u32 pad;
};
BH_ASSERT_SIZE(struct bh_quarantine, 16);

/*
 * bh_grants[i]: opens what no rule allows; a deny still stands. A rule that is just in time has
 * its deadline in bh_jit instead.
 */
struct bh_grant {
	__u64 until_ns; /* boot time; 0 = the entry is free */
	__u32 from;	/* identity, or BH_ID_ANY */
	__u32 to;
	__u32 uid;  /* of the user at @from; BH_NO_UID = anybody */
	__u16 port; /* first and last; ICMP: type << 8 | code */
	__u16 port_to;
	__u8 proto; /* 0 = those that `port: any` speaks of */
	__u8 pad[7];
};
BH_ASSERT_SIZE(struct bh_grant, 32);

#define BH_NO_UID 0xffffffffu

/* --- addresses --------------------------------------------------------------------------- */

struct bh_prefix_key {
	__u32 prefixlen; /* of the 128 bits */
	__u8 addr[16];
};
BH_ASSERT_SIZE(struct bh_prefix_key, 20);

struct bh_addr_val {
	__u32 identity;
	__u32 class; /* == identity unless a deny or failsafe names a wider prefix around it */
};
BH_ASSERT_SIZE(struct bh_addr_val, 8);

/* An address of a network namespace of this host. Written by the agent from netlink. */
struct bh_local_key {
	__u64 netns;
	struct bh_addr addr;
};
BH_ASSERT_SIZE(struct bh_local_key, 24);

/* --- workloads --------------------------------------------------------------------------- */

#define BH_NAME_MAX   128 /* of one cgroup name with its NUL; longer names match nothing */
#define BH_USER_DEPTH 3	  /* nested matches that name users */

/*
 * The names the map matches form a tree of path components. A cgroup stands on a node of
 * it (per side); its child's name is looked up from there. Units are looked up from one
 * node of their own, wherever in the slices they stand. The root itself is the empty name
 * at BH_NODE_ROOT.
 *
 * One cgroup may meet up to four entries; they are laid over what its parent means, the
 * weakest first: glob of a unit, glob of a path, unit, path. Each that has a segment covers
 * what was there, users too; the last node that is not BH_NODE_NONE counts; unit_bits add up.
 */
enum bh_node {
	BH_NODE_NONE = 0, /* no name below here is in the map */
	BH_NODE_UNIT = 1, /* parent node of every unit name */
	BH_NODE_ROOT = 2, /* the agent's cgroup root */
};

struct bh_name_key {
	__u32 node;
	char name[BH_NAME_MAX];
};
BH_ASSERT_SIZE(struct bh_name_key, 4 + BH_NAME_MAX);

/* A cgroup name that the map mentions: by itself, as part of a path, or both. */
struct bh_name_val {
	__u32 node;	 /* where its children are looked up, or BH_NODE_NONE */
	__u32 seg;	 /* segment for every user, or 0 */
	__u32 users;	 /* bh_users match number for named users, or 0 */
	__u32 unit_bits; /* failsafe `unit:` bits that start here */
};
BH_ASSERT_SIZE(struct bh_name_val, 16);

/*
 * Globs "prefix*suffix": LPM by node and prefix, then the suffix is compared; if none fits,
 * the next shorter prefix is asked, BH_GLOB_NESTED of them at most.
 */
struct bh_glob_key {
	__u32 prefixlen; /* bits: 32 (node, big endian) + 8 per character of the prefix */
	__u32 node_be;
	char name[BH_NAME_MAX];
};
BH_ASSERT_SIZE(struct bh_glob_key, 8 + BH_NAME_MAX);

#define BH_GLOB_SUFFIX_MAX 32 /* with its NUL */
#define BH_GLOB_SUFFIXES   4  /* globs with one prefix and different suffixes */
#define BH_GLOB_NESTED	   8  /* prefixes at one node that begin with each other */

struct bh_glob {
	char suffix[BH_GLOB_SUFFIX_MAX];
	__u32 suffix_len;
	struct bh_name_val val;
};
BH_ASSERT_SIZE(struct bh_glob, 52);

struct bh_glob_val {
	__u32 prefix_len; /* characters */
	__u32 n;
	struct bh_glob glob[BH_GLOB_SUFFIXES];
};
BH_ASSERT_SIZE(struct bh_glob_val, 8 + 52 * BH_GLOB_SUFFIXES);

struct bh_user_key {
	__u32 match; /* bh_name_val.users */
	__u32 uid;
};
BH_ASSERT_SIZE(struct bh_user_key, 8);

struct bh_cg_user {
	__u64 anchor;
	__u32 match;
	__u32 pad;
};

/* What a cgroup means in one generation. */
struct bh_cg_side {
	__u64 anchor; /* the cgroup matched by name: this one or an ancestor; 0 = none */
	__u32 seg;
	__u32 node;
	__u32 unit_bits;
	__u32 n_users;
	struct bh_cg_user users[BH_USER_DEPTH]; /* deepest first */
};
BH_ASSERT_SIZE(struct bh_cg_side, 24 + 16 * BH_USER_DEPTH);

enum bh_cg_flags {
	BH_CG_SLICES = 1 << 0,	/* it and every ancestor are slices: units match below it */
	BH_CG_FOREIGN = 1 << 1, /* not root's, or below such a one: nothing matches by name */
	BH_CG_HELD_SHIFT = 16,	/* from there on: slot + 1 in bh_quarantine */
};

/* bh_cgroups[cgroup id]: written by cgroup_mkdir and by the agent's walk, both sides. */
struct bh_cgroup {
	BH_OTHER_LAYOUT
	__u64 parent;
	__u32 flags; /* enum bh_cg_flags */
	__u32 level;
	struct bh_cg_side side[2];
};
BH_ASSERT_SIZE(struct bh_cgroup, BH_OTHER_BYTES + 16 + 2 * (24 + 16 * BH_USER_DEPTH));

/* --- listeners --------------------------------------------------------------------------- */

struct bh_listen_key {
	__u64 netns;
	struct bh_addr addr; /* all zero: any address of either family */
	__u16 port;
	__u8 proto;
	__u8 pad[5];
};
BH_ASSERT_SIZE(struct bh_listen_key, 32);

enum bh_listen_flags {
	BH_LISTEN_RECV_ONLY = 1 << 0, /* UDP: has not begun a conversation of its own */
	BH_LISTEN_KERNEL = 1 << 1,    /* the kernel's own socket (vxlan, wireguard): `host` */
	BH_LISTEN_SHARED = 1 << 2,    /* more than one workload was seen on it */
};

struct bh_listener {
	BH_OTHER_LAYOUT
	__u64 cgid;
	__u32 uid;
	__u32 users; /* sockets bound to it */
	__u32 flags; /* enum bh_listen_flags */
	__u32 pad;
};
BH_ASSERT_SIZE(struct bh_listener, BH_OTHER_BYTES + 24);

/* --- what a socket carries --------------------------------------------------------------- */

enum bh_fact_flags {
	BH_FACT_OLD = 1 << 0,	   /* older than the agent */
	BH_FACT_ACCEPTED = 1 << 1, /* an old socket that was accepted */
	BH_FACT_ASKED = 1 << 2,	   /* an old socket that connected */
};

/* bh_facts: cloned to accepted sockets. */
struct bh_facts {
	__u64 cgid;
	__u64 netns; /* cookie; 0 = not known */
	__u32 uid;
	__u32 flags; /* enum bh_fact_flags */
	/* for telemetry; not taken over */
	__u32 pid; /* who made the socket; of a child: its listener. 0 = not known */
	__u32 pad;
	char comm[BH_COMM_MAX];
};
BH_ASSERT_SIZE(struct bh_facts, 48);

enum bh_session_flags {
	BH_SESSION_BEGUN = 1 << 0, /* a begin event was sent: an end event follows */
};

/* bh_session: the verdict. Never cloned. */
struct bh_session {
	__u64 gen;	     /* BH_STAMP() of who judged; 0 = none yet */
	__u64 deadline_ns;   /* the earliest deadline the verdict rests on; 0 = none */
	struct bh_addr peer; /* the exact remote address and port it is for */
	__u16 peer_port;
	__u16 reason; /* enum bh_reason */
	__u8 dir;     /* enum bh_dir: who began */
	__u8 dir_known;
	__u8 pass;
	__u8 flags; /* enum bh_session_flags */
	__u32 rule;
	__u32 remote;	  /* identity of the peer */
	__u64 packets[2]; /* by enum bh_dir: of what TCP counted, so much was told */
	__u64 bytes[2];
	__u64 begin_ns;
	/* for telemetry; not taken over */
	__u8 crypt[2]; /* enum bh_crypt, by enum bh_dir */
	__u16 pad;
	__u32 pid; /* who connected; 0 = as the facts say */
	char comm[BH_COMM_MAX];
};
BH_ASSERT_SIZE(struct bh_session, 112);

#define BH_UDP_SLOTS 8
/* As the rule of a slot: this peer asked the socket, before there was a map. */
#define BH_SLOT_ASKED_US 0xffffffffu

/* A peer that an unconnected UDP (or ping) socket talked to. */
struct bh_udp_slot {
	struct bh_addr peer;
	__u64 gen;
	__u64 sent_ns; /* last datagram sent; 0 = free */
	__u16 port;    /* ping sockets: the echo identifier */
	__u16 reason;  /* enum bh_reason that opened it */
	__u32 rule;
};
BH_ASSERT_SIZE(struct bh_udp_slot, 40);

struct bh_udp {
	struct bh_udp_slot slot[BH_UDP_SLOTS];
	__u64 group_ns; /* last query sent to a multicast or broadcast address */
	__u16 group_port;
	__u16 pad[3];
};
BH_ASSERT_SIZE(struct bh_udp, 40 * BH_UDP_SLOTS + 16);

/* bh_bound: which bh_listeners entry this socket holds. Never cloned. */
struct bh_bound {
	struct bh_listen_key key;
};
BH_ASSERT_SIZE(struct bh_bound, 32);

/* bh_cut_tcp and bh_cut_list print these: a TCP socket that the policy no longer allows. */
struct bh_cut {
	struct bh_addr local_addr;
	struct bh_addr remote_addr;
	__u64 cookie;  /* SO_COOKIE; bh_cut_list only */
	__u32 ifindex; /* the device it is bound to, 0 = none */
	__u16 local_port;
	__u16 remote_port;
};
BH_ASSERT_SIZE(struct bh_cut, 48);

#include "bh_event.h"
#include "bh_flow.h"

#endif
