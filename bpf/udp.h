/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * udp.h - a datagram at a socket: to or from a peer that it talks to, a new peer, an answer. What a
 * socket remembers of its peers: bpf/session.h. Used by the cgroup_skb programs.
 */
#ifndef BH_UDP_H
#define BH_UDP_H

#include "conv.h"

/* Judge as @dir on @port. A pass by observation is no pass here. */
__inline bool bh_udp_allows(const struct bh_run *run, struct bh_conv *c, enum bh_dir dir,
			    struct bh_ruling *r)
{
	c->talk.dir = dir;
	c->talk.port = dir == BH_IN ? c->local_port : c->remote_port;
	bh_policy_judge(run, &c->talk, r);
	return !bh_ruling_is_deny(r) && !r->peer_denies;
}

/*
 * A slot of this generation; judged again if it is of another, or rests on a deadline.
 * @port: what c's peer is asked for
 */
__subprog bool bh_slot_opens(const struct bh_run *run, struct bh_udp_slot *slot, struct bh_conv *c,
			     __u32 port)
{
	__u16 was_port = c->talk.port;
	__u8 was_dir = c->talk.dir;
	__u64 gen = slot->gen;
	struct bh_ruling r;

	if (gen == run->gen)
		return true;
	if (slot->rule == BH_SLOT_ASKED_US) {
		slot->sent_ns = 0;
		return false;
	}
	c->talk.dir = BH_OUT;
	c->talk.port = port;
	bh_policy_judge(run, &c->talk, &r);
	c->talk.dir = was_dir;
	c->talk.port = was_port;
	if (!r.pass)
		return false;
	slot->rule = r.rule;
	slot->reason = r.reason;
	/* unless somebody has begun to write it for another peer */
	if (!r.deadline_ns)
		__sync_val_compare_and_swap(&slot->gen, gen, run->gen);
	return true;
}

__inline int bh_udp_pass_slot(struct __sk_buff *skb, struct bh_udp_slot *slot, struct bh_conv *c,
			      enum bh_dir way)
{
	if (way == BH_OUT)
		slot->sent_ns = bpf_ktime_get_boot_ns();
	/* a slot is of who asks */
	c->talk.dir = BH_OUT;
	c->rule = slot->rule;
	c->reason = slot->reason;
	bh_count_reason(slot->reason, bh_skb_packets(skb), skb->len);
	bh_count_rule(slot->rule, bh_skb_packets(skb), skb->len);
	return BH_PASS;
}

/*
 * No map yet, or programs of another ABI judge. Whom a socket asks is remembered for the answer
 * that may come when a map is in force, and who asked it, so that answers are no questions.
 */
__subprog int bh_udp_unjudged(struct __sk_buff *skb, struct bpf_sock *sk, enum bh_dir way)
{
	struct bh_ruling r = {};
	struct bh_udp_slot *slot;
	struct bh_udp *u;
	struct bh_conv c;

	bh_conv_begin(&c, skb, sk->protocol, way);
	if (bh_conv_parse(skb, &c) != BH_CONTINUE)
		return 0;
	u = bpf_sk_storage_get(&bh_udp, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	slot = bh_udp_slot_of(u, &c);
	if (slot && way == BH_OUT)
		slot->sent_ns = bpf_ktime_get_boot_ns();
	if (slot || !u)
		return 0;
	if (way == BH_IN) {
		r.rule = BH_SLOT_ASKED_US;
		bh_udp_remember(u, &c, 0, &r);
	} else {
		bh_udp_asks(u, sk, &c, 0, &r);
	}
	return 0;
}

/* A new peer: an answer to one that may ask, or a conversation of our own. */
__subprog int bh_udp_send(struct __sk_buff *skb, const struct bh_run *run, struct bpf_sock *sk,
			  struct bh_conv *c)
{
	struct bh_ruling r;
	struct bh_udp *u;
	bool may_ask;

	if (bh_udp_allows(run, c, BH_IN, &r)) {
		r.reason = BH_R_ANSWER;
		return bh_verdict(run, c, &r, BH_TELL_DENY);
	}
	/* an observed peer asks what it may not: it gets its answer, too */
	may_ask = r.pass;
	(void)bh_udp_allows(run, c, BH_OUT, &r);
	if (!r.pass && may_ask)
		return bh_verdict_named(run, c, BH_R_ANSWER);
	if (r.pass) {
		u = bpf_sk_storage_get(&bh_udp, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
		if (!u)
			return bh_verdict_named(run, c, BH_R_NO_STORAGE);
		bh_udp_asks(u, sk, c, run->gen, &r);
	}
	return bh_verdict(run, c, &r, BH_TELL_BEGIN);
}

/* Nobody we talked to: who may ask here, or who answers a query to a group. */
__subprog int bh_udp_receive(struct __sk_buff *skb, const struct bh_run *run,
			     const struct bh_udp *u, struct bh_conv *c)
{
	struct bh_ruling r;

	if (bh_port_is_reserved(run, c->talk.me.seg, c->local_port, c->talk.proto))
		return bh_verdict_named(run, c, BH_R_LISTEN_NOT_ALLOWED);
	if (bh_udp_allows(run, c, BH_IN, &r))
		return bh_verdict(run, c, &r, bh_tell_of(&r, BH_TELL_DENY));
	if (u && u->group_port == c->remote_port && u->group_ns &&
	    bh_since_ns(bpf_ktime_get_boot_ns(), u->group_ns) < BH_UDP_GROUP_NS) {
		if (bh_udp_allows(run, c, BH_OUT, &r)) {
			r.reason = BH_R_ANSWER;
			return bh_verdict(run, c, &r, BH_TELL_DENY);
		}
		(void)bh_udp_allows(run, c, BH_IN, &r);
	}
	return bh_verdict(run, c, &r, BH_TELL_WOULD);
}

__inline int bh_udp_judge(struct __sk_buff *skb, const struct bh_run *run, struct bpf_sock *sk,
			  struct bh_conv *c, enum bh_dir way)
{
	const struct bh_facts *facts;
	struct bh_udp_slot *slot;
	struct bh_udp *u;
	int reason = bh_conv_parse(skb, c);

	if (reason != BH_CONTINUE)
		return bh_verdict_named(run, c, reason);
	u = bpf_sk_storage_get(&bh_udp, sk, 0, 0);
	slot = bh_udp_slot_of(u, c);
	if (slot && slot->gen == run->gen)
		return bh_udp_pass_slot(skb, slot, c, way);
	facts = bpf_sk_storage_get(&bh_facts, sk, 0, 0);
	if (!facts)
		facts = bh_facts_adopt(skb, sk);
	if (!facts)
		return bh_verdict_named(run, c, BH_R_NO_STORAGE);
	reason = bh_conv_ends(skb, run, facts, c);
	/* to nobody: the kernel says so; from nobody: nobody to hold to a verdict */
	if (reason == BH_R_NO_LISTENER && way == BH_IN)
		reason = BH_R_NO_SOCKET;
	if (reason != BH_CONTINUE)
		return bh_verdict_named(run, c, reason);
	if (slot && bh_slot_opens(run, slot, c, c->remote_port))
		return bh_udp_pass_slot(skb, slot, c, way);
	if (bh_udp_is_dhcp(run, c))
		return bh_verdict_named(run, c, BH_R_DHCP);
	return way == BH_OUT ? bh_udp_send(skb, run, sk, c) : bh_udp_receive(skb, run, u, c);
}

__subprog int bh_skb_udp(struct __sk_buff *skb, const struct bh_run *run, struct bpf_sock *sk,
			 enum bh_dir way)
{
	struct bh_conv c;
	int pass;

	bh_conv_begin(&c, skb, sk->protocol, way);
	pass = bh_udp_judge(skb, run, sk, &c, way);
	if (pass)
		bh_flow_pass(skb, run, sk, &c, way);
	return pass;
}

#endif
