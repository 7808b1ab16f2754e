/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * bh_flow.h - what the kernel programs count of conversations, for telemetry alone: no verdict rests
 * on it. A part of bh_abi.h, which includes it; of the same version.
 */
#ifndef BH_FLOW_ABI_H
#define BH_FLOW_ABI_H

#ifndef BH_ABI_H
#error "include bh_abi.h"
#endif

/* bh_flows_0, bh_flows_1: what is no TCP connection, by its ends. For telemetry alone. */
struct bh_flow_key {
	struct bh_addr local_addr;
	struct bh_addr remote_addr;
	__u64 cgid;
	__u16 local_port; /* ICMP and others: 0 */
	__u16 remote_port;
	__u8 proto;
	__u8 pad[3];
};
BH_ASSERT_SIZE(struct bh_flow_key, 48);

/* What passed since the agent last emptied the map. */
struct bh_flow_val {
	__u64 packets[2]; /* by enum bh_dir */
	__u64 bytes[2];	  /* payload */
	__u64 first_ns;
	__u64 last_ns;
	__u64 gen;
	__u32 local; /* identity, as all that follows at its first packet */
	__u32 remote;
	__u32 rule;
	__u32 uid;
	__u32 pid;
	__u16 reason;
	__u16 icmp; /* type << 8 | code */
	__u8 dir;
	__u8 crypt;
	__u8 pad[6];
	char comm[BH_COMM_MAX];
};
BH_ASSERT_SIZE(struct bh_flow_val, 104);

/*
 * bh_spread: whom a workload, or an address elsewhere, asked within a minute. The limits are in bits
 * that are set, of 256: 64 bits are some 74 different ports, 100 bits some 127 hosts.
 */
#define BH_SPREAD_WINDOW_NS (60ull * 1000000000)
#define BH_SPREAD_WORDS	    4
#define BH_SPREAD_PORTS	    64
#define BH_SPREAD_HOSTS	    100
#define BH_SPREAD_DENIED    100

struct bh_spread_key {
	struct bh_addr addr; /* of a peer elsewhere; all zero: a workload's */
	__u64 cgid;
};
BH_ASSERT_SIZE(struct bh_spread_key, 24);

struct bh_spread {
	__u64 since_ns;
	__u64 ports[BH_SPREAD_WORDS];
	__u64 hosts[BH_SPREAD_WORDS];
	__u32 n_ports; /* bits that are set */
	__u32 n_hosts;
	__u32 n_denied;
	__u32 told; /* bits: enum bh_alert */
};
BH_ASSERT_SIZE(struct bh_spread, 88);

/* bh_denied: denies alike, by what their rule sees. */
struct bh_denied_key {
	__u32 local; /* identity */
	__u32 remote;
	__u32 rule;
	__u16 port;
	__u16 reason;
	__u8 proto;
	__u8 type; /* enum bh_event_type */
	__u8 dir;
	__u8 pad;
};
BH_ASSERT_SIZE(struct bh_denied_key, 20);

struct bh_denied_val {
	__u64 full_ns; /* when the bucket is full again */
	__u64 suppressed;
};
BH_ASSERT_SIZE(struct bh_denied_val, 16);

#endif
