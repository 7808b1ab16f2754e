// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * cgroup.bpf.c - what a process does with a socket: create, bind, connect, send to, close.
 * Facts are stamped at birth; connect and sendmsg are judged before a packet exists, so the
 * caller learns at once (EPERM).
 */
#include "listen.h"
#include "flow.h"
#include "spread.h"

#define BH_OK	 1
#define BH_EPERM 0

/* A conversation as a call begins it: no packet yet, packets and bytes are 0. */
__inline void bh_call_begin(struct bh_conv *c, enum bh_hook hook, __u8 proto,
			    const struct bh_facts *facts)
{
	__builtin_memset(c, 0, sizeof(*c));
	c->hook = hook;
	c->talk.proto = proto;
	c->talk.dir = BH_OUT;
	c->cgid = facts ? facts->cgid : bpf_get_current_cgroup_id();
	c->netns = facts ? facts->netns : 0;
	c->pid = bpf_get_current_pid_tgid() >> 32;
}

/* --- create ------------------------------------------------------------------------------------------- */

/* May this segment open sockets that write their own headers, or of a protocol by number? */
__inline bool bh_raw_is_allowed(const struct bh_run *run, __u32 identity, __u8 proto)
{
	struct bh_reserve_key key = {.seg = identity, .proto = proto};
	__u32 side = run->side;
	void *reserve = bpf_map_lookup_elem(&bh_reserve, &side);

	if (identity == BH_ID_HOST || bh_seg_flags(run, identity) & BH_SEG_RAW)
		return true;
	if (!reserve || proto == IPPROTO_RAW)
		return false;
	if (bpf_map_lookup_elem(reserve, &key))
		return true;
	key.seg = BH_ID_ANY;
	return bpf_map_lookup_elem(reserve, &key) != 0;
}

__inline bool bh_socket_is_plain(const struct bpf_sock *sk)
{
	if (sk->type == BH_SOCK_STREAM)
		return sk->protocol == IPPROTO_TCP || sk->protocol == IPPROTO_MPTCP;
	return sk->type == BH_SOCK_DGRAM &&
	       (sk->protocol == IPPROTO_UDP || sk->protocol == IPPROTO_UDPLITE ||
		sk->protocol == IPPROTO_ICMP || sk->protocol == IPPROTO_ICMPV6);
}

SEC("cgroup/sock_create")
int bh_sock_create(struct bpf_sock *sk)
{
	struct bh_facts *facts;
	struct bh_facts now;
	struct bh_conv c;
	struct bh_run run;
	int reason;

	bh_facts_current(sk, 0, &now);
	facts = bpf_sk_storage_get(&bh_facts, sk, &now, BPF_SK_STORAGE_GET_F_CREATE);
	if (!bh_run_begin(&run))
		return BH_OK;
	if (facts && bh_socket_is_plain(sk))
		return BH_OK;
	bh_call_begin(&c, BH_HOOK_CREATE, sk->protocol, &now);
	reason = bh_who_of_cgroup(&run, now.cgid, now.uid, &c.talk.me);
	if (!facts)
		reason = BH_R_NO_STORAGE;
	else if (reason == BH_CONTINUE && !bh_raw_is_allowed(&run, c.talk.me.seg, sk->protocol))
		reason = BH_R_RAW;
	return reason == BH_CONTINUE ? BH_OK : bh_verdict_named(&run, &c, reason) & 1;
}

/* --- bind and close -------------------------------------------------------------------------------------- */

__inline int bh_bind(struct bpf_sock *sk, const struct bh_addr *addr)
{
	const struct bh_facts *known = bpf_sk_storage_get(&bh_facts, sk, 0, 0);
	__u8 proto = bh_proto_of_socket(sk->protocol);
	struct bh_listen_key key = {.port = sk->src_port, .proto = proto};
	__u32 flags = proto == IPPROTO_TCP ? 0 : BH_LISTEN_RECV_ONLY;
	struct bh_facts facts;
	struct bh_run run;
	struct bh_conv c;

	if (!proto || !key.port)
		return BH_OK;
	/*
	 * sock_create never saw it. UDP: the kernel's own (vxlan, wireguard). TCP is judged at its
	 * socket: it is who binds it, as with the subflow of a workload's MPTCP socket; what a
	 * kernel thread binds gets its facts when it connects or has a packet.
	 */
	if (known) {
		facts = *known;
	} else if (proto != IPPROTO_TCP) {
		bh_facts_current(sk, BH_FACT_OLD, &facts);
		flags = BH_LISTEN_KERNEL;
	} else if (bh_current_is_kernel()) {
		return BH_OK;
	} else {
		bh_facts_current(sk, 0, &facts);
		bpf_sk_storage_get(&bh_facts, sk, &facts, BPF_SK_STORAGE_GET_F_CREATE);
	}
	key.netns = facts.netns;
	if (!bh_addr_is_unspecified(addr))
		key.addr = *addr;
	if (bh_run_begin(&run) && bh_port_is_taken(&run, &key, &facts)) {
		bh_call_begin(&c, BH_HOOK_BIND, proto, &facts);
		c.talk.dir = BH_IN;
		c.talk.port = c.local_port = key.port;
		c.local_addr = *addr;
		(void)bh_who_of_cgroup(&run, facts.cgid, facts.uid, &c.talk.me);
		if (!bh_verdict_named(&run, &c, BH_R_PORT_TAKEN))
			return BH_EPERM;
	}
	bh_bound_set(sk, &key, &facts, flags);
	return BH_OK;
}

SEC("cgroup/post_bind4")
int bh_postbind4(struct bpf_sock *sk)
{
	struct bh_addr addr;

	bh_addr_set_v4(&addr, sk->src_ip4);
	return bh_bind(sk, &addr);
}

SEC("cgroup/post_bind6")
int bh_postbind6(struct bpf_sock *sk)
{
	struct bh_addr addr;

	bh_addr_set_words(&addr, sk->src_ip6[0], sk->src_ip6[1], sk->src_ip6[2], sk->src_ip6[3]);
	return bh_bind(sk, &addr);
}

/*
 * The last user of a socket closed it. Its addresses can't be read here: bh_bound has them. A
 * connection goes on until its FIN is answered (sockops.bpf.c); where none came about, it ends.
 */
SEC("cgroup/sock_release")
int bh_sock_rel(struct bpf_sock *sk)
{
	const struct bh_bound *bound = bpf_sk_storage_get(&bh_bound, sk, 0, 0);
	const struct bh_facts *facts = bpf_sk_storage_get(&bh_facts, sk, 0, 0);
	struct bh_session *s = bpf_sk_storage_get(&bh_session, sk, 0, 0);
	struct bh_conv c;

	if (bound && bound->key.port)
		bh_listener_del(&bound->key);
	if (facts && s && sk->state == BPF_TCP_CLOSE && s->flags & BH_SESSION_BEGUN) {
		bh_call_begin(&c, BH_HOOK_RELEASE, IPPROTO_TCP, facts);
		bh_event_end(&c, facts, s, 0, 0);
	}
	return BH_OK;
}

/* --- connect and sendmsg ---------------------------------------------------------------------------------- */

/*
 * Who calls: the socket's workload, under the caller's user. The caller must be of the same
 * segment, else a passed or inherited socket would lend its identity.
 */
__inline int bh_caller(const struct bh_run *run, struct bh_facts *facts, struct bh_conv *c)
{
	__u64 cgid = bpf_get_current_cgroup_id();
	struct bh_who caller;
	int reason;

	/* the kernel goes on with what a workload began: the next subflow of an MPTCP socket */
	if (bh_current_is_kernel())
		return bh_who_of_cgroup(run, facts->cgid, facts->uid, &c->talk.me);
	facts->uid = bh_current_uid();
	reason = bh_who_of_cgroup(run, facts->cgid, facts->uid, &c->talk.me);
	if (reason != BH_CONTINUE || cgid == facts->cgid)
		return reason;
	reason = bh_who_of_cgroup(run, cgid, facts->uid, &caller);
	/* who is in quarantine does not get out of it by another's socket */
	if (run->flags & BH_CTL_QUARANTINE)
		c->talk.me.held = bh_held_also(run, c->talk.me.held, &caller);
	if (reason == BH_CONTINUE && caller.seg != c->talk.me.seg)
		return BH_R_CGROUP_MISMATCH;
	return reason;
}

/* The kernel takes the unspecified address for the loopback address. */
__inline void bh_call_destination(struct bh_conv *c)
{
	if (!bh_addr_is_unspecified(&c->remote_addr))
		return;
	if (bh_addr_is_v4(&c->remote_addr))
		bh_addr_set_v4(&c->remote_addr, bpf_htonl(0x7f000001));
	else
		bh_addr_set_words(&c->remote_addr, 0, 0, 0, bpf_htonl(1));
}

__inline int bh_call_peer(struct bpf_sock_addr *ctx, const struct bh_run *run, struct bh_conv *c)
{
	if (bh_addr_is_loopback(&c->remote_addr) || bh_addr_is_ours(c->netns, &c->remote_addr)) {
		c->ifindex = BH_LO_IFINDEX;
		return bh_peer_on_host(ctx, run, c);
	}
	return bh_peer_by_addr(run, c);
}

/* A connection attempt begins: what the socket was before is over. */
__inline void bh_session_begin(struct bh_session *s, const struct bh_conv *c)
{
	if (s->flags & BH_SESSION_BEGUN)
		bh_event_end(c, 0, s, 0, 0);
	__builtin_memset(s, 0, sizeof(*s));
	s->pid = bh_current_pid(s->comm);
	s->dir = BH_OUT;
	s->dir_known = 1;
}

__inline int bh_call_tcp(const struct bh_run *run, struct bh_session *s, struct bh_conv *c)
{
	struct bh_ruling r;

	bh_policy_judge(run, &c->talk, &r);
	if (r.pass) {
		s->begin_ns = bpf_ktime_get_boot_ns();
		s->flags = BH_SESSION_BEGUN;
		bh_session_stamp(s, run, c, &r);
	}
	return bh_verdict(run, c, &r, BH_TELL_BEGIN);
}

/*
 * By connect() a conversation begins, also one of which no datagram ever follows (getaddrinfo, ping,
 * a resolver that waits): it is told of here, and not again by the datagram.
 */
__subprog int bh_call_udp_begin(const struct bh_run *run, struct bpf_sock *sk, struct bh_conv *c,
				const struct bh_ruling *r)
{
	struct bh_udp *u = bpf_sk_storage_get(&bh_udp, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);

	if (!u || bh_udp_slot_of(u, c))
		return BH_OK;
	bh_udp_asks(u, sk, c, run->gen, r);
	return bh_verdict(run, c, r, BH_TELL_BEGIN);
}

/* A datagram itself is judged and counted when it leaves; here only: may it, at all? */
__inline int bh_call_udp(const struct bh_run *run, struct bpf_sock *sk, struct bh_conv *c)
{
	struct bh_ruling r;

	if (bh_udp_is_dhcp(run, c))
		return BH_OK;
	if (c->local_port) {
		c->talk.dir = BH_IN;
		c->talk.port = c->local_port;
		bh_policy_judge(run, &c->talk, &r);
		/* who asks here, also one that is only observed, has its answer */
		if (r.pass)
			return BH_OK;
		c->talk.dir = BH_OUT;
		c->talk.port = c->remote_port;
	}
	bh_policy_judge(run, &c->talk, &r);
	if (!r.pass)
		return bh_verdict(run, c, &r, BH_TELL_DENY);
	return c->hook == BH_HOOK_CONNECT ? bh_call_udp_begin(run, sk, c, &r) : BH_OK;
}

/*
 * Of a socket that sock_create never saw: older than us, or the kernel's (a subflow that a worker
 * opens for a workload). TCP's knows its birth cgroup.
 */
__subprog struct bh_facts *bh_facts_of_call(struct bpf_sock_addr *ctx, struct bpf_sock *sk)
{
	const struct tcp_sock *tp = (const void *)bpf_skc_to_tcp_sock(sk);
	struct bh_facts facts;

	bh_facts_current(ctx, BH_FACT_OLD, &facts);
	if (tp)
		facts.cgid = BPF_CORE_READ(tp, inet_conn.icsk_inet.sk.sk_cgrp_data.cgroup, kn, id);
	return bpf_sk_storage_get(&bh_facts, sk, &facts, BPF_SK_STORAGE_GET_F_CREATE);
}

/*
 * By IP_PKTINFO a datagram may have any address of this host as its source. From one that another
 * segment holds at this port it would be taken for that segment's (see bh_looped_check()).
 */
__subprog bool bh_call_source_is_ours(const struct bh_run *run, const struct bh_conv *c)
{
	struct bh_listen_key key = {
		.netns = c->netns,
		.addr = c->local_addr,
		.port = c->local_port,
		.proto = c->talk.proto,
	};

	return bh_addr_is_unspecified(&c->local_addr) ||
	       !bh_source_is_anothers(run, &key, c->talk.me.seg);
}

/* Where to, and if that was said where from, as the caller said it. */
struct bh_said {
	struct bh_addr to, from;
};

/* Return: BH_OK or BH_EPERM. */
__inline int bh_call_judge(struct bpf_sock_addr *ctx, struct bpf_sock *sk,
			   const struct bh_said *said, const struct bh_run *run, bool applied,
			   struct bh_conv *c)
{
	struct bh_facts *facts = bpf_sk_storage_get(&bh_facts, sk, 0, 0);
	enum bh_hook hook = c->hook;
	struct bh_session *s = 0;
	int reason;

	if (!facts)
		facts = bh_facts_of_call(ctx, sk);
	bh_call_begin(c, hook, bh_proto_of_socket(ctx->protocol), facts);
	c->local_addr = said->from;
	c->remote_addr = said->to;
	c->remote_port = c->talk.port = bpf_ntohs(ctx->user_port);
	bh_call_destination(c);
	if (c->talk.proto == IPPROTO_TCP) {
		s = bpf_sk_storage_get(&bh_session, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
		if (s)
			bh_session_begin(s, c);
	}
	if (!applied)
		return BH_OK;
	if (!facts)
		return bh_verdict_named(run, c, BH_R_NO_STORAGE);
	c->local_port = sk->src_port;
	reason = bh_caller(run, facts, c);
	if (reason == BH_CONTINUE && !bh_call_source_is_ours(run, c))
		reason = BH_R_SOURCE_TAKEN;
	if (reason == BH_CONTINUE)
		reason = bh_call_peer(ctx, run, c);
	if (reason == BH_CONTINUE && c->talk.proto == IPPROTO_TCP && !s)
		reason = BH_R_NO_STORAGE;
	/* nobody there: it goes on unstamped, and the kernel refuses it */
	if (reason == BH_R_NO_LISTENER && c->talk.proto != IPPROTO_TCP)
		return BH_OK;
	if (reason != BH_CONTINUE)
		return bh_verdict_named(run, c, reason);
	return s ? bh_call_tcp(run, s, c) : bh_call_udp(run, sk, c);
}

__subprog int bh_call(struct bpf_sock_addr *ctx, const struct bh_said *said, enum bh_hook hook)
{
	struct bpf_sock *sk = ctx->sk;
	struct bh_conv c;
	struct bh_run run;
	bool applied = bh_run_begin(&run);
	int pass;

	if (!sk || !bh_proto_of_socket(ctx->protocol))
		return BH_OK; /* ping and raw sockets: when the packet leaves */
	c.hook = hook;
	pass = bh_call_judge(ctx, sk, said, &run, applied, &c);
	/* who answers asks nobody */
	if (applied && c.talk.dir == BH_OUT)
		bh_spread_call(&run, &c, pass == BH_EPERM);
	return pass;
}

SEC("cgroup/connect4")
int bh_connect4(struct bpf_sock_addr *ctx)
{
	struct bh_said said = {};

	bh_addr_set_v4(&said.to, ctx->user_ip4);
	return bh_call(ctx, &said, BH_HOOK_CONNECT) & 1;
}

SEC("cgroup/connect6")
int bh_connect6(struct bpf_sock_addr *ctx)
{
	struct bh_said said = {};

	bh_addr_set_words(&said.to, ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2],
			  ctx->user_ip6[3]);
	return bh_call(ctx, &said, BH_HOOK_CONNECT) & 1;
}

SEC("cgroup/sendmsg4")
int bh_sendmsg4(struct bpf_sock_addr *ctx)
{
	struct bh_said said = {};

	if (ctx->msg_src_ip4)
		bh_addr_set_v4(&said.from, ctx->msg_src_ip4);
	bh_addr_set_v4(&said.to, ctx->user_ip4);
	return bh_call(ctx, &said, BH_HOOK_SENDMSG) & 1;
}

SEC("cgroup/sendmsg6")
int bh_sendmsg6(struct bpf_sock_addr *ctx)
{
	struct bh_said said;

	bh_addr_set_words(&said.from, ctx->msg_src_ip6[0], ctx->msg_src_ip6[1], ctx->msg_src_ip6[2],
			  ctx->msg_src_ip6[3]);
	bh_addr_set_words(&said.to, ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2],
			  ctx->user_ip6[3]);
	return bh_call(ctx, &said, BH_HOOK_SENDMSG) & 1;
}

char _license[] __weak SEC("license") = "Dual BSD/GPL";
