// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * cut.bpf.c - finds TCP sockets whose connection the live generation no longer allows, so that
 * idle ones end too and both ends learn at once. Run by the agent after a flip; the datapath
 * does not wait for it. Destroys them where the kernel can (bpf_sock_destroy, Linux 6.5), else
 * lists them for the agent, which asks INET_DIAG. UDP sockets are judged on each datagram.
 */
#include "session.h"

/*
 * The kernel's bpf_sock_destroy(), called by a number that agent/kern/kfunc.c replaces. Not a
 * __weak __ksym: what the kernel does not have, libbpf before 1.3 looks for in all modules, and
 * fails the whole object where that is forbidden (it takes CAP_SYS_ADMIN).
 */
static int (*const bh_sock_destroy)(struct sock_common *sk) = (void *)BH_CALL_SOCK_DESTROY;

/* The ends are the socket's own: what its verdict was for may be another peer. */
__inline void bh_cut_ends(const struct sock_common *sk, struct bh_cut *ret)
{
	struct in6_addr v6;

	__builtin_memset(ret, 0, sizeof(*ret));
	ret->local_port = BPF_CORE_READ(sk, skc_num);
	ret->remote_port = bpf_ntohs(BPF_CORE_READ(sk, skc_dport));
	ret->ifindex = BPF_CORE_READ(sk, skc_bound_dev_if);
	if (BPF_CORE_READ(sk, skc_family) == BH_AF_INET) {
		bh_addr_set_v4(&ret->local_addr, BPF_CORE_READ(sk, skc_rcv_saddr));
		bh_addr_set_v4(&ret->remote_addr, BPF_CORE_READ(sk, skc_daddr));
		return;
	}
	BPF_CORE_READ_INTO(&v6, sk, skc_v6_rcv_saddr);
	bh_addr_set_v6(&ret->local_addr, &v6);
	BPF_CORE_READ_INTO(&v6, sk, skc_v6_daddr);
	bh_addr_set_v6(&ret->remote_addr, &v6);
}

/*
 * Who the peer is: BH_CONTINUE if that can be told. An iterator can't look for a socket, so a
 * peer on this host is known where it listens. Who came from a port of no name is not; its own
 * socket is judged for both halves, and its end is ours.
 */
__inline int bh_cut_peer(const struct bh_run *run, struct bh_conv *c)
{
	if (!bh_addr_is_loopback(&c->remote_addr) && !bh_addr_is_ours(c->netns, &c->remote_addr))
		return bh_peer_by_addr(run, c);
	if (c->talk.dir == BH_OUT && bh_peer_by_table(run, c, &c->talk.peer))
		return BH_CONTINUE;
	return BH_R_NO_LISTENER;
}

/*
 * Is it denied? What can't be told here is no reason to cut: its next packet is judged.
 * @s: NULL for a socket without a verdict yet; it is asked anew like one of an old generation
 */
__global int bh_cut_denied(const struct bh_facts *facts, const struct bh_session *s,
			   const struct bh_cut *end)
{
	struct bh_conv c = {};
	struct bh_ruling r;
	struct bh_run run;
	int dir;

	if (!facts || !end || !bh_run_begin(&run))
		return 0;
	if (s && bh_session_holds(s, run.gen, &end->remote_addr, end->remote_port))
		return !s->pass;
	dir = bh_session_dir(s, facts);
	if (dir < 0 || bh_who_of_cgroup(&run, facts->cgid, facts->uid, &c.talk.me) != BH_CONTINUE)
		return 0;
	c.netns = facts->netns;
	c.remote_addr = end->remote_addr;
	c.remote_port = end->remote_port;
	c.talk.proto = IPPROTO_TCP;
	c.talk.dir = dir;
	c.talk.port = dir == BH_IN ? end->local_port : end->remote_port;
	if (bh_cut_peer(&run, &c) != BH_CONTINUE)
		return 0;
	__builtin_memset(&r, 0, sizeof(r));
	bh_policy_judge(&run, &c.talk, &r);
	return !r.pass;
}

/* Half-open ones and TIME_WAIT are no sockets yet, or any more; a listener has no peer. */
__inline bool bh_cut_wants(struct sock_common *sk, struct bh_cut *ret)
{
	const struct bh_facts *facts;
	const struct bh_session *s;

	if (sk->skc_state == BPF_TCP_LISTEN || sk->skc_state == BPF_TCP_TIME_WAIT ||
	    sk->skc_state == BPF_TCP_NEW_SYN_RECV)
		return false;
	facts = bpf_sk_storage_get(&bh_facts, sk, 0, 0);
	if (!facts)
		return false;
	s = bpf_sk_storage_get(&bh_session, sk, 0, 0);
	bh_cut_ends(sk, ret);
	return bh_cut_denied(facts, s, ret);
}

SEC("iter/tcp")
int bh_cut_tcp(struct bpf_iter__tcp *ctx)
{
	struct sock_common *sk = ctx->sk_common;
	struct bh_cut cut;

	if (!sk || !bh_cut_wants(sk, &cut))
		return 0;
	if (!bh_sock_destroy(sk))
		bpf_seq_write(ctx->meta->seq, &cut, sizeof(cut));
	return 0;
}

SEC("iter/tcp")
int bh_cut_list(struct bpf_iter__tcp *ctx)
{
	struct sock_common *sk = ctx->sk_common;
	struct bh_cut cut;

	if (!sk || !bh_cut_wants(sk, &cut))
		return 0;
	cut.cookie = bpf_get_socket_cookie(sk);
	bpf_seq_write(ctx->meta->seq, &cut, sizeof(cut));
	return 0;
}

char _license[] __weak SEC("license") = "Dual BSD/GPL";
