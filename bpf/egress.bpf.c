// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * egress.bpf.c - traffic control at a NIC: the last look at what leaves (AF_PACKET and
 * forwarded frames never passed a socket hook), and the way in where XDP can't attach.
 */
#include "nic.h"

#define BH_TC_NEXT (-1) /* TCX_NEXT; a classifier in direct action goes on to the next */
#define BH_TC_DROP 2	/* TC_ACT_SHOT, TCX_DROP */

#define BH_AF_PACKET 17

/* The headers, made readable in one piece. What is shorter is parsed as what it is. */
#define BH_HEADER_BYTES 256

__global int bh_tc_parse(struct __sk_buff *skb, struct bh_pkt *ret)
{
	if (!ret)
		return BH_R_MALFORMED_L2;
	(void)bpf_skb_pull_data(skb, skb->len < BH_HEADER_BYTES ? skb->len : BH_HEADER_BYTES);
	return bh_parse_frame((void *)(long)skb->data, (void *)(long)skb->data_end, skb->len, ret);
}

/* ETH_HLEN, unless the device is not Ethernet. */
__inline __u32 bh_tc_header_bytes(const struct sk_buff *skb)
{
	return BPF_CORE_READ(skb, network_header) - BPF_CORE_READ(skb, mac_header);
}

/* What comes in at a device that has no Ethernet header, but @bytes of its own. */
__global int bh_tc_parse_bare(struct __sk_buff *skb, struct bh_pkt *ret, __u32 bytes)
{
	__u32 header = bytes & 0x3f;
	void *data;

	if (!ret || bytes != header || header > skb->len)
		return BH_R_MALFORMED_L2;
	(void)bpf_skb_pull_data(skb, skb->len < BH_HEADER_BYTES ? skb->len : BH_HEADER_BYTES);
	data = (void *)(long)skb->data;
	return bh_parse_bare(data + header, (void *)(long)skb->data_end, skb->len - header,
			     skb->protocol, ret);
}

SEC("tc")
int bh_tc_in(struct __sk_buff *skb)
{
	struct bh_run run;
	struct bh_pkt pkt;
	__u32 header;
	int reason;

	if (!bh_run_begin(&run)) {
		bh_count_reason(BH_R_NEVER_APPLIED, 1, skb->len);
		return BH_TC_NEXT;
	}
	header = bh_tc_header_bytes((const void *)skb);
	if (header == ETH_HLEN)
		reason = bh_tc_parse(skb, &pkt);
	else
		reason = bh_tc_parse_bare(skb, &pkt, header);
	if (bh_nic_is_established(&run, &pkt, reason)) {
		bh_count_reason(BH_R_ESTABLISHED, 1, skb->len);
		return BH_TC_NEXT;
	}
	if (reason == BH_CONTINUE && run.flags & BH_CTL_QUARANTINE)
		reason = bh_nic_held(&run, &pkt);
	return bh_nic_in(&run, &pkt, reason, skb->ifindex, skb->len) ? BH_TC_NEXT : BH_TC_DROP;
}

/* --- out ------------------------------------------------------------------------------------------------ */

__inline enum bh_reason bh_out_forward(const struct bh_run *run)
{
	__u32 index = run->side;
	const struct bh_side *side = bpf_map_lookup_elem(&bh_sides, &index);

	if (!side)
		return BH_R_NO_TABLE;
	if (side->flags & BH_SIDE_FORWARD_DENY)
		return BH_R_FORWARD_DENY;
	return side->flags & BH_SIDE_FORWARD_ALLOW ? BH_R_FORWARD : BH_R_FORWARD_UNSET;
}

/* Frames that a process wrote itself: as with raw sockets, but for a DHCP client's. */
__inline enum bh_reason bh_out_packet_socket(const struct bh_run *run, const struct bh_conv *c,
					     const struct bh_pkt *pkt)
{
	int flags = bh_seg_flags(run, c->talk.me.seg);
	bool dhcp = pkt->family && pkt->proto == IPPROTO_UDP &&
		    ((pkt->sport == 68 && pkt->dport == 67) ||
		     (pkt->sport == 546 && pkt->dport == 547));

	if (c->talk.me.seg == BH_ID_HOST || flags & BH_SEG_RAW)
		return BH_R_EGRESS_SEEN;
	if (dhcp && flags & BH_SEG_DHCP)
		return BH_R_DHCP;
	return BH_R_RAW;
}

/* A frame that no socket hook saw. Return: 1 = pass. */
__global int bh_out_unseen(struct __sk_buff *skb, const struct bh_run *run, int packet_socket)
{
	struct bh_conv c = {.hook = BH_HOOK_EGRESS, .packets = 1};
	struct bh_pkt pkt;
	int reason;

	if (!run)
		return 0;
	c.ifindex = skb->ifindex;
	c.bytes = skb->len;
	(void)bh_tc_parse(skb, &pkt);
	c.local_addr = pkt.saddr;
	c.remote_addr = pkt.daddr;
	c.talk.proto = pkt.proto;
	c.talk.port = pkt.dport;
	c.talk.dir = BH_OUT;
	if (run->flags & BH_CTL_QUARANTINE && pkt.family) {
		(void)bh_who_of_addr(run, &pkt.saddr, BH_ID_HOST, &c.talk.me);
		(void)bh_who_of_addr(run, &pkt.daddr, BH_ID_WORLD, &c.talk.peer);
		if (bh_quarantine_ask(run, &c.talk))
			return bh_verdict_named(run, &c, BH_R_QUARANTINE);
	}
	if (!packet_socket)
		return bh_verdict_named(run, &c, bh_out_forward(run));
	c.cgid = bpf_skb_cgroup_id(skb);
	reason = bh_who_of_cgroup(run, c.cgid, BH_NO_UID, &c.talk.me);
	if (run->flags & BH_CTL_QUARANTINE && bh_who_held(run, &c.talk.me))
		reason = BH_R_QUARANTINE;
	else if (reason == BH_CONTINUE || c.talk.me.seg == BH_ID_HOST)
		/* outside of our root: not ours to judge */
		reason = bh_out_packet_socket(run, &c, &pkt);
	return bh_verdict_named(run, &c, reason);
}

SEC("tc")
int bh_egress(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	struct bh_run run;
	bool packet_socket = false;

	if (!bh_run_begin(&run)) {
		bh_count_reason(BH_R_NEVER_APPLIED, 1, skb->len);
		return BH_TC_NEXT;
	}
	if (sk)
		packet_socket = sk->family == BH_AF_PACKET;
	/* came in at another NIC: forwarded; else the kernel's own (ARP, IGMP, TIME_WAIT) */
	if (packet_socket || (!sk && skb->ingress_ifindex))
		return bh_out_unseen(skb, &run, packet_socket) ? BH_TC_NEXT : BH_TC_DROP;
	bh_count_reason(BH_R_EGRESS_SEEN, 1, skb->len);
	return BH_TC_NEXT;
}

char _license[] __weak SEC("license") = "Dual BSD/GPL";
