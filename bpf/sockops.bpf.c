// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * sockops.bpf.c - turns in a TCP connection's life that no other hook sees: a listen() without
 * a bind(), and the end of a session with all it counted.
 */
#include "listen.h"
#include "spread.h"
#include "flow.h"

__inline void bh_ops_local(const struct bpf_sock_ops *ops, struct bh_addr *ret)
{
	__u32 ip4 = bh_ctx_read(ops, local_ip4), a = bh_ctx_read(ops, local_ip6[0]),
	      b = bh_ctx_read(ops, local_ip6[1]), c = bh_ctx_read(ops, local_ip6[2]),
	      d = bh_ctx_read(ops, local_ip6[3]);

	if (ops->family == BH_AF_INET)
		bh_addr_set_v4(ret, ip4);
	else
		bh_addr_set_words(ret, a, b, c, d);
}

/* post_bind does not run where the kernel picks the port by itself. */
__inline void bh_ops_listen(struct bpf_sock_ops *ops, struct bpf_sock *sk)
{
	const struct bh_facts *facts = bpf_sk_storage_get(&bh_facts, sk, 0, 0);
	const struct bh_bound *bound = bpf_sk_storage_get(&bh_bound, sk, 0, 0);
	struct bh_listen_key key = {.port = ops->local_port, .proto = IPPROTO_TCP};
	struct bh_addr addr;

	if (!facts || (bound && bound->key.port == key.port))
		return;
	key.netns = facts->netns;
	bh_ops_local(ops, &addr);
	if (!bh_addr_is_unspecified(&addr))
		key.addr = addr;
	bh_bound_set(sk, &key, facts, 0);
}

__inline void bh_ops_end(struct bpf_sock_ops *ops, struct bpf_sock *sk, int was)
{
	const struct bh_facts *facts = bpf_sk_storage_get(&bh_facts, sk, 0, 0);
	struct bh_session *s = bpf_sk_storage_get(&bh_session, sk, 0, 0);
	struct bh_conv c = {};

	if (!s || !(s->flags & BH_SESSION_BEGUN))
		return;
	s->flags &= ~BH_SESSION_BEGUN;
	c.talk.proto = IPPROTO_TCP;
	bh_ops_local(ops, &c.local_addr);
	c.local_port = ops->local_port;
	c.hook = BH_HOOK_RELEASE;
	if (facts) {
		struct bh_run run;

		c.cgid = facts->cgid;
		if (bh_run_begin(&run))
			(void)bh_who_of_cgroup(&run, facts->cgid, facts->uid, &c.talk.me);
	}
	bh_event_end(&c, facts, s, bpf_skc_to_tcp_sock(sk), was);
}

/* Who is elsewhere has completed a handshake: it is where it says it is. */
__inline void bh_ops_accepted(struct bpf_sock_ops *ops, struct bpf_sock *sk)
{
	const struct bh_facts *facts = bpf_sk_storage_get(&bh_facts, sk, 0, 0);
	struct bh_spread_key key = {};
	struct bh_conv c = {};
	struct bh_run run;
	__u32 alert;

	if (!bh_run_begin(&run))
		return;
	bh_sk_remote(sk, &c.remote_addr, &c.remote_port);
	bh_ops_local(ops, &c.local_addr);
	c.local_port = c.talk.port = ops->local_port;
	c.talk.proto = IPPROTO_TCP;
	c.talk.dir = BH_IN;
	c.hook = BH_HOOK_SKB_IN;
	/* a local peer was scored when it connected */
	if (bh_addr_is_loopback(&c.remote_addr) || bh_addr_eq(&c.local_addr, &c.remote_addr) ||
	    (facts && bh_addr_is_ours(facts->netns, &c.remote_addr)))
		return;
	key.addr = c.remote_addr;
	alert = bh_spread_score(&key, &c, false);
	if (!alert)
		return;
	if (facts) {
		c.cgid = facts->cgid;
		(void)bh_who_of_cgroup(&run, facts->cgid, facts->uid, &c.talk.me);
	}
	(void)bh_peer_by_addr(&run, &c);
	bh_spread_tell(&run, &c, alert);
}

SEC("sockops")
int bh_sockops(struct bpf_sock_ops *ops)
{
	struct bpf_sock *sk = ops->sk;

	if (!sk)
		return 1;
	switch (ops->op) {
	case BPF_SOCK_OPS_TCP_LISTEN_CB:
		bh_ops_listen(ops, sk);
		break;
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		bh_ops_accepted(ops, sk);
		/* fall through */
	case BPF_SOCK_OPS_TCP_CONNECT_CB:
		bpf_sock_ops_cb_flags_set(ops,
					  ops->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);
		break;
	case BPF_SOCK_OPS_STATE_CB:
		if (ops->args[1] == BPF_TCP_CLOSE)
			bh_ops_end(ops, sk, ops->args[0]);
		break;
	}
	return 1;
}

char _license[] __weak SEC("license") = "Dual BSD/GPL";
