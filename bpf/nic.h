/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * nic.h - what comes in at a NIC, before any socket: drop what is certainly forbidden, leave
 * the rest to the socket that knows workload and user. What the kernel itself ends (ICMP echo,
 * tunnels, other protocols, its own UDP sockets) has no such socket: here is its authority.
 * Used by XDP and, where XDP can't attach, by tcx ingress.
 */
#ifndef BH_NIC_H
#define BH_NIC_H

#include "icmp.h"
#include "listen.h"
#include "verdict.h"

#ifndef ETH_P_ARP
#define ETH_P_ARP 0x0806
#endif

/* Exceptions without which no host stands on a network; each is counted by its name. */
__inline enum bh_reason bh_nic_exception(const struct bh_pkt *pkt)
{
	__u8 type = pkt->dport >> 8;

	if (pkt->proto == IPPROTO_IGMP && pkt->family == 4)
		return BH_R_IGMP;
	if (pkt->proto == IPPROTO_UDP)
		return (pkt->sport == 67 && pkt->dport == 68) ||
				       (pkt->sport == 547 && pkt->dport == 546)
			       ? BH_R_DHCP
			       : BH_CONTINUE;
	if (bh_icmp_is_error(pkt->proto, type))
		return BH_R_ICMP_ERROR;
	if (bh_icmp_is_reply(pkt->proto, type))
		return BH_R_ICMP_REPLY;
	if (bh_icmp_is_nd(pkt->proto, type))
		return BH_R_ND;
	if (bh_icmp_is_mld(pkt->proto, type))
		return BH_R_MLD;
	return BH_CONTINUE;
}

/* For somebody else: this host forwards, and the address is not its own. */
__inline enum bh_reason bh_nic_forward(const struct bh_run *run, const struct bh_pkt *pkt)
{
	__u32 fwd = pkt->family == 4 ? BH_CTL_FWD4 : BH_CTL_FWD6, index = run->side;
	const struct bh_side *side;

	if (!(run->flags & fwd) || bh_addr_is_group(&pkt->daddr) ||
	    bh_addr_is_linklocal(&pkt->daddr) || bh_addr_is_ours(run->netns, &pkt->daddr))
		return BH_CONTINUE;
	side = bpf_map_lookup_elem(&bh_sides, &index);
	if (!side)
		return BH_R_NO_TABLE;
	if (side->flags & BH_SIDE_FORWARD_DENY)
		return BH_R_FORWARD_DENY;
	return side->flags & BH_SIDE_FORWARD_ALLOW ? BH_R_FORWARD : BH_R_FORWARD_UNSET;
}

/*
 * Whose packet is it? BH_CONTINUE with the local end filled in: judge it here. Else why it
 * goes up without.
 */
__inline enum bh_reason bh_nic_local(const struct bh_run *run, const struct bh_pkt *pkt,
				     struct bh_conv *c, bool *ret_final)
{
	struct bh_listen_key key = {
		.netns = run->netns,
		.addr = pkt->daddr,
		.port = pkt->dport,
		.proto = pkt->proto,
	};
	const struct bh_listener *l;

	*ret_final = true;
	if (pkt->proto != IPPROTO_TCP && pkt->proto != IPPROTO_UDP && pkt->proto != IPPROTO_UDPLITE)
		return bh_who_of_addr(run, &pkt->daddr, BH_ID_HOST, &c->talk.me);
	*ret_final = false;
	if (pkt->proto == IPPROTO_TCP && !bh_pkt_is_syn(pkt))
		return BH_R_ESTABLISHED;
	l = bh_listener_find(&key);
	if (l && l->flags & BH_LISTEN_KERNEL && pkt->proto != IPPROTO_TCP) {
		*ret_final = true;
		bh_who_is(&c->talk.me, BH_ID_HOST);
		return BH_CONTINUE;
	}
	/* forwarding: PREROUTING may send it elsewhere (published ports) */
	if (run->flags & (pkt->family == 4 ? BH_CTL_FWD4 : BH_CTL_FWD6))
		return BH_R_TO_SOCKET;
	if (!l)
		return BH_R_NO_LISTENER;
	/* a group's other receivers have entries of their own */
	if (l->flags & (BH_LISTEN_SHARED | BH_LISTEN_KERNEL) || bh_addr_is_group(&pkt->daddr))
		return BH_R_TO_SOCKET;
	/* answers to what it began: only the socket can tell them from questions */
	if (pkt->proto != IPPROTO_TCP && !(l->flags & BH_LISTEN_RECV_ONLY))
		return BH_R_TO_SOCKET;
	c->cgid = l->cgid;
	if (bh_who_of_cgroup(run, l->cgid, l->uid, &c->talk.me) != BH_CONTINUE)
		return BH_R_TO_SOCKET;
	return BH_CONTINUE;
}

__inline void bh_nic_conv(const struct bh_pkt *pkt, struct bh_conv *c)
{
	bool icmp = pkt->proto == IPPROTO_ICMP || pkt->proto == IPPROTO_ICMPV6;

	c->hook = BH_HOOK_XDP;
	c->packets = 1;
	c->local_addr = pkt->daddr;
	c->remote_addr = pkt->saddr;
	c->local_port = icmp ? 0 : pkt->dport;
	c->remote_port = pkt->sport;
	c->talk.proto = pkt->proto;
	c->talk.port = pkt->dport;
	c->talk.dir = BH_IN;
}

/* What is settled without identities: BH_CONTINUE, or the reason. */
__inline enum bh_reason bh_nic_named(const struct bh_run *run, const struct bh_pkt *pkt)
{
	const struct bh_side *side;
	enum bh_reason reason;
	__u32 index = run->side;

	if (!pkt->family) {
		if (pkt->ethertype == ETH_P_ARP)
			return BH_R_ARP;
		side = bpf_map_lookup_elem(&bh_sides, &index);
		return side && side->flags & BH_SIDE_L2_DENY ? BH_R_L2_DENY : BH_R_L2;
	}
	/* our own address as a source came from somebody else; fe80::1 may be on each of two links */
	if (!bh_addr_is_linklocal(&pkt->saddr) && bh_addr_is_ours(run->netns, &pkt->saddr))
		return BH_R_LAND;
	reason = bh_nic_forward(run, pkt);
	return reason != BH_CONTINUE ? reason : bh_nic_exception(pkt);
}

/* --- quarantine ------------------------------------------------------------------------------------ */

/* Could a failsafe hold for this conversation, at whatever workload? Then its socket is to say. */
__global int bh_nic_failsafe(const struct bh_run *run, struct bh_talk *t, __u32 port, __u32 dir)
{
	struct bh_ruling r;

	if (!run || !t)
		return 0;
	t->port = port;
	t->dir = dir;
	t->me.unit_bits = ~0u;
	__builtin_memset(&r, 0, sizeof(r));
	bh_policy_half(run, t, true, &r);
	return r.reason == BH_R_FAILSAFE;
}

/*
 * While anything is in quarantine each packet's source is looked at, and the destination of what
 * is for somebody else. Named exceptions pass: without them failsafes would not work either.
 * Asked before bh_nic_in() and not by it, for the stack's sake.
 * Return: BH_CONTINUE or BH_R_QUARANTINE.
 */
__global int bh_nic_held(const struct bh_run *run, const struct bh_pkt *pkt)
{
	struct bh_talk t = {};

	if (!run || !pkt)
		return BH_R_QUARANTINE;
	if (!pkt->family || bh_nic_exception(pkt) != BH_CONTINUE)
		return BH_CONTINUE;
	t.proto = pkt->proto;
	(void)bh_who_of_addr(run, &pkt->saddr, BH_ID_WORLD, &t.peer);
	/* whoever of this host it is for is known at its socket */
	bh_who_is(&t.me, BH_ID_ANY);
	if (run->flags & (BH_CTL_FWD4 | BH_CTL_FWD6) && !bh_addr_is_ours(run->netns, &pkt->daddr))
		(void)bh_who_of_addr(run, &pkt->daddr, BH_ID_WORLD, &t.me);
	if (!bh_quarantine_ask(run, &t) || bh_nic_failsafe(run, &t, pkt->dport, BH_IN))
		return BH_CONTINUE;
	if (pkt->proto == IPPROTO_TCP && bh_nic_failsafe(run, &t, pkt->sport, BH_OUT))
		return BH_CONTINUE;
	return BH_R_QUARANTINE;
}

/*
 * The hot path: TCP and not a pure SYN. Its socket decides, and if there is none the kernel
 * refuses. Not where this host forwards: then it may be somebody else's.
 */
__inline bool bh_nic_is_established(const struct bh_run *run, const struct bh_pkt *pkt, int reason)
{
	return reason == BH_CONTINUE && pkt->family && pkt->proto == IPPROTO_TCP &&
	       !bh_pkt_is_syn(pkt) &&
	       !(run->flags & (BH_CTL_FWD4 | BH_CTL_FWD6 | BH_CTL_QUARANTINE));
}

/**
 * bh_nic_in - what becomes of a packet that came in
 * @reason: what the parser said of it
 *
 * Return: 1 = up the stack, 0 = drop. Counted and told.
 */
__global int bh_nic_in(const struct bh_run *run, const struct bh_pkt *pkt, int reason,
		       __u32 ifindex, __u32 bytes)
{
	struct bh_conv c = {.ifindex = ifindex, .bytes = bytes};
	struct bh_ruling r;
	bool final;

	if (!run || !pkt)
		return 0;
	bh_nic_conv(pkt, &c);
	if (reason == BH_CONTINUE)
		reason = bh_nic_named(run, pkt);
	if (reason != BH_CONTINUE)
		return bh_verdict_named(run, &c, reason);
	reason = bh_nic_local(run, pkt, &c, &final);
	if (reason == BH_CONTINUE)
		reason = bh_peer_by_addr(run, &c);
	/* a kernel's end without tables is denied, a socket's is left to the socket */
	if (reason == BH_R_NO_TABLE && !final)
		reason = BH_R_TO_SOCKET;
	if (reason == BH_CONTINUE && !final &&
	    bh_port_is_reserved(run, c.talk.me.seg, c.local_port, pkt->proto))
		reason = BH_R_LISTEN_NOT_ALLOWED;
	if (reason != BH_CONTINUE)
		return bh_verdict_named(run, &c, reason);
	bh_policy_judge(run, &c.talk, &r);
	/* what is not certainly denied is told of where its socket is */
	if (!final && r.pass)
		return bh_verdict_named(run, &c, BH_R_TO_SOCKET);
	return bh_verdict(run, &c, &r, bh_tell_of(&r, BH_TELL_WOULD));
}

#endif
