// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * skb.bpf.c - every packet that a socket receives or sends (cgroup_skb). The authority: it
 * knows workload, user and peer. Stages in order: the verdict that the socket carries; else
 * judge and stamp. What the packet's socket is in each state: evidence/session.md section 1.
 */
#include "icmp.h"
#include "udp.h"

/* --- TCP --------------------------------------------------------------------------------------------- */

/*
 * A local peer without a socket, before there is a connection: it closed while the handshake went
 * on, as health checks do. What we send there the kernel refuses; its reset, which makes nothing,
 * ends what the listener has of it. Else nobody who could be held to a verdict.
 */
__inline enum bh_reason bh_tcp_gone(const struct bh_conv *c)
{
	if (c->hook == BH_HOOK_SKB_OUT)
		return BH_R_NO_LISTENER;
	return c->tcp_flags & BH_TCP_RST && !c->payload ? BH_R_KERNEL_SOCKET : BH_R_NO_SOCKET;
}

/*
 * A listener carries no verdict: each packet that arrives on it or leaves by it is judged as
 * what its sender asks for. Not only SYNs: the handshake's last ACK and data with it come
 * here and reach the child without passing its own hook (evidence: claim 3).
 */
__subprog int bh_tcp_listen(struct __sk_buff *skb, const struct bh_run *run, struct bpf_sock *sk,
			    enum bh_dir way)
{
	const struct bh_facts *facts;
	struct bh_ruling r;
	struct bh_conv c;
	int reason;

	bh_conv_begin(&c, skb, IPPROTO_TCP, way);
	c.talk.dir = BH_IN;
	reason = bh_conv_parse(skb, &c);
	c.talk.port = c.local_port;
	if (reason != BH_CONTINUE)
		return bh_verdict_named(run, &c, reason);
	facts = bpf_sk_storage_get(&bh_facts, sk, 0, 0);
	if (!facts)
		facts = bh_facts_adopt(skb, sk);
	if (!facts)
		return bh_verdict_named(run, &c, BH_R_NO_STORAGE);
	reason = bh_conv_ends(skb, run, facts, &c);
	if (reason == BH_R_NO_LISTENER)
		reason = bh_tcp_gone(&c);
	else if (reason == BH_CONTINUE &&
		 bh_port_is_reserved(run, c.talk.me.seg, c.local_port, IPPROTO_TCP))
		reason = BH_R_LISTEN_NOT_ALLOWED;
	if (reason != BH_CONTINUE)
		return bh_verdict_named(run, &c, reason);
	bh_policy_judge(run, &c.talk, &r);
	return bh_verdict(run, &c, &r, BH_TELL_DENY);
}

/* Who began? BH_CONTINUE and talk.dir, or BH_R_DIRECTION_UNKNOWN. */
__inline enum bh_reason bh_tcp_direction(const struct bh_session *s, const struct bh_facts *facts,
					 struct bh_conv *c)
{
	int dir = bh_session_dir(s, facts);

	c->talk.dir = dir == BH_OUT ? BH_OUT : BH_IN;
	if (dir < 0)
		return BH_R_DIRECTION_UNKNOWN;
	c->talk.port = c->talk.dir == BH_IN ? c->local_port : c->remote_port;
	return BH_CONTINUE;
}

/* The reset by which a cut connection's peer learns of it: made by the kernel, no data. */
__global int bh_skb_is_reset(struct __sk_buff *skb)
{
	struct bh_pkt pkt;

	return bh_parse_l3((void *)(long)skb->data, (void *)(long)skb->data_end, &pkt) ==
		       BH_CONTINUE &&
	       pkt.proto == IPPROTO_TCP && pkt.tcp_flags & BH_TCP_RST && !pkt.payload;
}

/*
 * A local peer without a socket: it closed (TIME_WAIT answers for it), or never was. What we
 * send there the kernel refuses; from there only segments without data.
 */
__inline int bh_tcp_peerless(struct __sk_buff *skb, const struct bh_run *run, struct bh_conv *c)
{
	bool out = c->hook == BH_HOOK_SKB_OUT;

	if (out)
		return bh_verdict_named(run, c, BH_R_NO_LISTENER);
	if (bh_conv_parse(skb, c) == BH_CONTINUE && !c->payload)
		return bh_verdict_named(run, c, BH_R_KERNEL_SOCKET);
	return bh_verdict_named(run, c, BH_R_NO_SOCKET);
}

/* The first payload of each side: what does it look like? */
__subprog int bh_tcp_peek(struct __sk_buff *skb, struct bh_session *s, enum bh_dir way)
{
	const __u8 *ip = (void *)(long)skb->data, *end = (void *)(long)skb->data_end, *tcp;
	__u32 head;

	if (ip + sizeof(struct iphdr) + sizeof(struct tcphdr) > end)
		return 0;
	/* with options or extension headers in front, which nobody uses for such, it stays untold */
	tcp = ip + sizeof(struct iphdr);
	if (ip[0] >> 4 == 6 && ip[6] == IPPROTO_TCP)
		tcp = ip + sizeof(struct ipv6hdr);
	else if (ip[0] != 0x45)
		return 0;
	if (tcp + sizeof(struct tcphdr) > end)
		return 0;
	head = tcp - ip + (tcp[12] >> 4) * 4;
	if (skb->len > head)
		s->crypt[way & 1] = bh_peek(skb, head, skb->len - head, false);
	return 0;
}

__inline int bh_tcp_stamp(struct __sk_buff *skb, const struct bh_run *run, struct bh_session *s,
			  struct bh_conv *c, enum bh_dir way)
{
	bool begun = s->flags & BH_SESSION_BEGUN;
	struct bh_ruling r;

	bh_policy_judge(run, &c->talk, &r);
	bh_session_stamp(s, run, c, &r);
	if (r.pass && !begun) {
		s->begin_ns = bpf_ktime_get_boot_ns();
		s->flags |= BH_SESSION_BEGUN;
	}
	if (r.pass && !s->crypt[way & 1])
		bh_tcp_peek(skb, s, way);
	if (!r.pass && way == BH_OUT && bh_skb_is_reset(skb))
		return bh_verdict_named(run, c, BH_R_RST_OUT);
	return bh_verdict(run, c, &r, begun ? BH_TELL_WOULD : BH_TELL_BEGIN);
}

/* A socket on its way out can't be given storage either: its reset may still be told. */
__subprog int bh_tcp_no_storage(struct __sk_buff *skb, const struct bh_run *run, struct bh_conv *c)
{
	bool reset = c->hook == BH_HOOK_SKB_OUT && bh_skb_is_reset(skb);

	return bh_verdict_named(run, c, reset ? BH_R_RST_OUT : BH_R_NO_STORAGE);
}

/* No verdict, or not for this generation or peer. */
__subprog int bh_tcp_judge(struct __sk_buff *skb, const struct bh_run *run, struct bpf_sock *sk,
			   enum bh_dir way)
{
	const struct bh_facts *facts;
	struct bh_session *s;
	struct bh_conv c;
	int reason, ends;

	bh_conv_begin(&c, skb, IPPROTO_TCP, way);
	bh_sk_local(sk, &c.local_addr, &c.local_port);
	bh_sk_remote(sk, &c.remote_addr, &c.remote_port);
	facts = bpf_sk_storage_get(&bh_facts, sk, 0, 0);
	if (!facts)
		facts = bh_facts_adopt(skb, sk);
	s = bpf_sk_storage_get(&bh_session, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	ends = facts ? bh_conv_ends(skb, run, facts, &c) : 0; /* bh_named_is_held() asks */
	if (!facts || !s)
		return bh_tcp_no_storage(skb, run, &c);
	reason = bh_tcp_direction(s, facts, &c) ?: ends;
	if (reason == BH_R_NO_LISTENER)
		return bh_tcp_peerless(skb, run, &c);
	if (reason != BH_CONTINUE)
		return bh_verdict_named(run, &c, reason);
	return bh_tcp_stamp(skb, run, s, &c, way);
}

/*
 * Without a privilege a process can have its socket's packets go by a source route (IP_OPTIONS,
 * IPV6_RTHDR): then they leave for another address than the socket's. A bare header can't.
 */
__inline bool bh_skb_is_bare(const struct __sk_buff *skb)
{
	const __u8 *ip = (void *)(long)skb->data;

	if (ip + sizeof(struct iphdr) > (const __u8 *)(long)skb->data_end)
		return false;
	return ip[0] == 0x45 || (ip[0] >> 4 == 6 && ip[6] == IPPROTO_TCP);
}

__subprog bool bh_tcp_parses(struct __sk_buff *skb, const struct bh_run *run)
{
	struct bh_conv c;
	int reason;

	bh_conv_begin(&c, skb, IPPROTO_TCP, BH_OUT);
	reason = bh_conv_parse(skb, &c);
	return reason == BH_CONTINUE || bh_verdict_named(run, &c, reason);
}

/* The hot path: the socket's own verdict, no parse and no table. */
__inline int bh_skb_tcp(struct __sk_buff *skb, const struct bh_run *run, struct bpf_sock *sk,
			enum bh_dir way)
{
	struct bh_session *s;
	struct bh_addr peer;
	__u16 port;

	if (sk->state == BPF_TCP_LISTEN)
		return bh_tcp_listen(skb, run, sk, way);
	if (way == BH_OUT && !bh_skb_is_bare(skb) && !bh_tcp_parses(skb, run))
		return BH_DROP;
	s = bpf_sk_storage_get(&bh_session, sk, 0, 0);
	bh_sk_remote(sk, &peer, &port);
	if (!s || !bh_session_holds(s, run->gen, &peer, port))
		return bh_tcp_judge(skb, run, sk, way);
	if (!s->pass && way == BH_OUT && bh_skb_is_reset(skb)) {
		bh_count_reason(BH_R_RST_OUT, 1, skb->len);
		return BH_PASS;
	}
	if (!s->crypt[way])
		bh_tcp_peek(skb, s, way);
	return bh_verdict_hit(s, bh_skb_packets(skb), skb->len);
}

/* --- ping and raw sockets ------------------------------------------------------------------------------- */

/*
 * What the kernel itself sends: errors, replies, neighbour and group discovery, resets. Its
 * sockets are of type RAW, and sock_create never saw them.
 */
__inline bool bh_kernel_sends(const struct bh_conv *c)
{
	__u8 proto = c->talk.proto, type = c->talk.port >> 8;

	if (proto == IPPROTO_TCP)
		return !c->payload && c->tcp_flags & (BH_TCP_RST | BH_TCP_ACK);
	if (bh_icmp_is_error(proto, type) || bh_icmp_is_reply(proto, type) ||
	    bh_icmp_is_nd(proto, type) || bh_icmp_is_mld(proto, type))
		return true;
	return proto == IPPROTO_IGMP || (proto == IPPROTO_ICMP && type == BH_ICMP4_REDIRECT) ||
	       (proto == IPPROTO_ICMPV6 && type == BH_ICMP6_REDIRECT);
}

/* What is settled without the policy. */
__inline enum bh_reason bh_other_named(const struct bh_run *run, const struct bpf_sock *sk,
				       const struct bh_conv *c, enum bh_dir way)
{
	bool icmp = c->talk.proto == IPPROTO_ICMP || c->talk.proto == IPPROTO_ICMPV6;
	__u8 type = c->talk.port >> 8;

	if (way == BH_IN && bh_icmp_is_error(c->talk.proto, type))
		return BH_R_ICMP_ERROR;
	if (sk->type != BH_SOCK_RAW)
		return BH_CONTINUE;
	/* daemons for it have raw sockets; who may only ping is no router */
	if (bh_icmp_is_nd(c->talk.proto, type) && (way == BH_IN || c->talk.me.seg == BH_ID_HOST ||
						   bh_seg_flags(run, c->talk.me.seg) & BH_SEG_RAW))
		return BH_R_ND;
	if (icmp || way == BH_IN || !bh_proto_is_listed(c->talk.proto))
		return BH_CONTINUE;
	/* TCP and UDP by hand: the policy's word for them supposes a socket's verdict */
	return bh_seg_flags(run, c->talk.me.seg) & BH_SEG_RAW ? BH_CONTINUE : BH_R_RAW;
}

__subprog int bh_other_judge(struct __sk_buff *skb, const struct bh_run *run, struct bpf_sock *sk,
			     struct bh_conv *c)
{
	bool out = c->hook == BH_HOOK_SKB_OUT;
	struct bh_udp_slot *slot;
	struct bh_ruling r;
	struct bh_udp *u;

	u = bpf_sk_storage_get(&bh_udp, sk, 0, out ? BPF_SK_STORAGE_GET_F_CREATE : 0);
	if (!u && out)
		return bh_verdict_named(run, c, BH_R_NO_STORAGE);
	slot = bh_udp_slot_of(u, c);
	bh_policy_judge(run, &c->talk, &r);
	/* in observe; the kernel answers there, so no socket tells of that half */
	if (out && r.peer_denies && !bh_ruling_is_deny(&r)) {
		bh_policy_half(run, &c->talk, false, &r);
		r.reason = BH_R_PEER_DENIES;
	}
	if (out && r.pass && !slot)
		bh_udp_remember(u, c, run->gen, &r);
	else if (out && r.pass)
		slot->sent_ns = bpf_ktime_get_boot_ns();
	return bh_verdict(run, c, &r, out && !slot ? BH_TELL_BEGIN : bh_tell_of(&r, BH_TELL_WOULD));
}

/* For a socket that asked, and still may. */
__inline int bh_other_reply(const struct bh_run *run, struct bpf_sock *sk, struct bh_conv *c)
{
	__u32 asked = bh_icmp_asked(c->talk.proto, c->talk.port >> 8) << 8;
	struct bh_udp *u = bpf_sk_storage_get(&bh_udp, sk, 0, 0);
	struct bh_udp_slot *slot = bh_udp_slot_of(u, c);
	bool opens = slot && bh_slot_opens(run, slot, c, asked);

	return bh_verdict_named(run, c, opens ? BH_R_ICMP_REPLY : BH_R_UNSOLICITED);
}

__inline int bh_other_packet(struct __sk_buff *skb, const struct bh_run *run, struct bpf_sock *sk,
			     struct bh_conv *c, enum bh_dir way)
{
	const struct bh_facts *known = bpf_sk_storage_get(&bh_facts, sk, 0, 0);
	int reason = bh_conv_parse(skb, c);

	if (reason != BH_CONTINUE)
		return bh_verdict_named(run, c, reason);
	if (!known && way == BH_OUT && sk->type == BH_SOCK_RAW && bh_kernel_sends(c)) {
		c->talk.me.seg = BH_ID_HOST;
		return bh_verdict_named(run, c, BH_R_KERNEL_SOCKET);
	}
	if (known) {
		reason = bh_conv_ends(skb, run, known, c);
	} else {
		/* older than us; not written down, for it may be the kernel's all the same */
		c->cgid = bpf_sk_cgroup_id(sk);
		reason = bh_ends_of(skb, run, BH_NO_UID, c);
	}
	if (reason == BH_R_NO_LISTENER)
		reason = BH_CONTINUE; /* a raw socket's TCP or UDP: nobody, `unassigned` */
	if (reason == BH_CONTINUE)
		reason = bh_other_named(run, sk, c, way);
	if (reason != BH_CONTINUE)
		return bh_verdict_named(run, c, reason);
	if (way == BH_IN && bh_icmp_is_reply(c->talk.proto, c->talk.port >> 8))
		return bh_other_reply(run, sk, c);
	return bh_other_judge(skb, run, sk, c);
}

__subprog int bh_skb_other(struct __sk_buff *skb, const struct bh_run *run, struct bpf_sock *sk,
			   enum bh_dir way)
{
	struct bh_conv c;
	int pass;

	bh_conv_begin(&c, skb, sk->protocol, way);
	pass = bh_other_packet(skb, run, sk, &c, way);
	if (pass)
		bh_flow_pass(skb, run, sk, &c, way);
	return pass;
}

/* --- entry points ------------------------------------------------------------------------------------------ */

__inline bool bh_sk_is_udp(const struct bpf_sock *sk)
{
	return (sk->protocol == IPPROTO_UDP || sk->protocol == IPPROTO_UDPLITE) &&
	       sk->type == BH_SOCK_DGRAM;
}

__inline int bh_skb(struct __sk_buff *skb, enum bh_dir way)
{
	struct bpf_sock *sk = skb->sk;
	struct bh_run run;
	bool applied = bh_run_begin(&run);

	if (sk)
		sk = bpf_sk_fullsock(sk);
	if (!applied) {
		if (sk && bh_sk_is_udp(sk))
			bh_udp_unjudged(skb, sk, way);
		return BH_PASS;
	}
	if (!sk) {
		bh_count_reason(BH_R_NO_SOCKET, 1, skb->len);
		return BH_DROP;
	}
	if (sk->protocol == IPPROTO_TCP && sk->type == BH_SOCK_STREAM)
		return bh_skb_tcp(skb, &run, sk, way);
	if (bh_sk_is_udp(sk))
		return bh_skb_udp(skb, &run, sk, way);
	return bh_skb_other(skb, &run, sk, way);
}

SEC("cgroup_skb/ingress")
int bh_skb_in(struct __sk_buff *skb)
{
	return bh_skb(skb, BH_IN) & 1; /* the verifier wants to see the range */
}

SEC("cgroup_skb/egress")
int bh_skb_out(struct __sk_buff *skb)
{
	return bh_skb(skb, BH_OUT) & 1;
}

char _license[] __weak SEC("license") = "Dual BSD/GPL";
