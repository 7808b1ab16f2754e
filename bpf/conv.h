/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * conv.h - a socket's packet as a conversation: its ends as addresses, then as identities. Used by
 * the cgroup_skb programs.
 */
#ifndef BH_CONV_H
#define BH_CONV_H

#include "flow.h"

#define BH_PASS 1
#define BH_DROP 0

__inline __u32 bh_skb_packets(const struct __sk_buff *skb)
{
	return skb->gso_segs ? skb->gso_segs : 1;
}

/* @way: which way the packet goes; who began is another question (talk.dir) */
__inline void bh_conv_begin(struct bh_conv *c, const struct __sk_buff *skb, __u8 proto,
			    enum bh_dir way)
{
	__builtin_memset(c, 0, sizeof(*c));
	c->talk.proto = proto;
	c->talk.dir = way;
	c->ifindex = skb->ifindex;
	c->packets = bh_skb_packets(skb);
	c->bytes = skb->len;
	c->hook = way == BH_IN ? BH_HOOK_SKB_IN : BH_HOOK_SKB_OUT;
}

/*
 * Both ends from the packet, as c->hook sees them. talk.port is the destination's, or ICMP's
 * type and code; ICMP's identifier stands for the peer's port.
 */
__global int bh_conv_parse(struct __sk_buff *skb, struct bh_conv *c)
{
	struct bh_pkt pkt;
	int reason;
	bool in, ports;

	if (!c)
		return BH_R_MALFORMED_L2;
	reason = bh_parse_l3((void *)(long)skb->data, (void *)(long)skb->data_end, &pkt);
	in = c->hook == BH_HOOK_SKB_IN;
	ports = pkt.proto != IPPROTO_ICMP && pkt.proto != IPPROTO_ICMPV6;
	if (in) {
		c->local_addr = pkt.daddr;
		c->remote_addr = pkt.saddr;
	} else {
		c->local_addr = pkt.saddr;
		c->remote_addr = pkt.daddr;
	}
	c->remote_port = in || !ports ? pkt.sport : pkt.dport;
	if (ports)
		c->local_port = in ? pkt.dport : pkt.sport;
	c->talk.proto = pkt.proto;
	c->talk.port = pkt.dport;
	c->tcp_flags = pkt.tcp_flags;
	c->payload = pkt.payload;
	return reason;
}

/*
 * Both ends as identities. BH_CONTINUE, BH_R_NO_LISTENER or why one can't be known.
 * @c: with cgid and netns of the socket; @uid: likewise
 */
__global int bh_ends_of(struct __sk_buff *skb, const struct bh_run *run, __u32 uid,
			struct bh_conv *c)
{
	int reason;

	if (!run || !c)
		return BH_R_NO_TABLE;
	reason = bh_who_of_cgroup(run, c->cgid, uid, &c->talk.me);
	if (reason != BH_CONTINUE)
		return reason;
	/*
	 * What is for an address of this namespace goes through its loopback device, and what is
	 * for a group comes back from the NIC it left by.
	 */
	if (c->ifindex != BH_LO_IFINDEX && !bh_addr_is_ours(c->netns, &c->remote_addr))
		return bh_peer_by_addr(run, c);
	reason = bh_peer_on_host(skb, run, c);
	return reason == BH_CONTINUE ? bh_looped_check(run, c) : reason;
}

__inline int bh_conv_ends(struct __sk_buff *skb, const struct bh_run *run,
			  const struct bh_facts *facts, struct bh_conv *c)
{
	c->cgid = facts->cgid;
	c->netns = facts->netns;
	c->pid = facts->pid;
	return bh_ends_of(skb, run, facts->uid, c);
}

/* --- what passed, and is no connection: for telemetry ------------------------------------------------- */

/*
 * The first packet of its ends since the map was emptied. By a slot it passed without a question
 * who they are.
 */
__inline void bh_flow_first(struct __sk_buff *skb, const struct bh_run *run, struct bpf_sock *sk,
			    struct bh_conv *c, enum bh_dir way)
{
	const struct bh_facts *facts = bpf_sk_storage_get(&bh_facts, sk, 0, 0);

	if (!facts)
		return;
	if (!c->talk.me.seg)
		(void)bh_conv_ends(skb, run, facts, c);
	if (bh_has_ports(c->talk.proto) && skb->len >= c->payload)
		c->crypt = bh_peek(skb, skb->len - c->payload, c->payload, true);
	bh_flow_add(run, c, facts, way);
}

__inline void bh_flow_pass(struct __sk_buff *skb, const struct bh_run *run, struct bpf_sock *sk,
			   struct bh_conv *c, enum bh_dir way)
{
	if (!bh_flow_count(sk, c, way))
		bh_flow_first(skb, run, sk, c, way);
}

#endif
