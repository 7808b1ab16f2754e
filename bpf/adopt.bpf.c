// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * adopt.bpf.c - sockets that are older than us: what sock_create, bind and listen would have
 * noted, from the sockets themselves. The agent runs the iterators once it has attached
 * (bh_kern_seed()); a second run adds nothing.
 *
 * An iterator sees one network namespace, the agent's. Sockets of others get their facts from
 * the hooks, on their first packet, and their listeners stay unknown. Not seen anywhere: raw
 * and ping sockets, UDP-Lite (a table of its own), TCP sockets that are bound but don't listen.
 */
#include "kernel.h"
#include "identity.h"

char _license[] SEC("license") = "Dual BSD/GPL";

#define AF_INET6 10

/* --- what the kernel says ------------------------------------------------------------------------ */

static __always_inline void key_of(const struct sock *sk, __u8 proto, struct bh_listen_key *ret)
{
	struct in6_addr v6;

	ret->netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, net_cookie);
	ret->port = BPF_CORE_READ(sk, __sk_common.skc_num);
	ret->proto = proto;
	if (BPF_CORE_READ(sk, __sk_common.skc_family) == AF_INET6) {
		BPF_CORE_READ_INTO(&v6, sk, __sk_common.skc_v6_rcv_saddr);
		bh_addr_set_v6(&ret->addr, &v6);
	} else {
		bh_addr_set_v4(&ret->addr, BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr));
	}
	if (bh_addr_is_unspecified(&ret->addr))
		__builtin_memset(&ret->addr, 0, sizeof(ret->addr));
}

static __always_inline void facts_of(const struct sock *sk, __u32 flags, struct bh_facts *ret)
{
	ret->cgid = BPF_CORE_READ(sk, sk_cgrp_data.cgroup, kn, id);
	ret->netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, net_cookie);
	ret->uid = BPF_CORE_READ(sk, sk_uid.val);
	ret->flags = BH_FACT_OLD | flags;
}

static __always_inline bool is_kernels(const struct sock *sk)
{
	return BPF_CORE_READ_BITFIELD_PROBED(sk, sk_kern_sock);
}

/* A subflow of a workload's MPTCP socket is made by the kernel, too. */
static __always_inline bool is_subflow(const struct tcp_sock *tp)
{
	return bpf_core_field_exists(tp->is_mptcp) && BPF_CORE_READ(tp, is_mptcp);
}

/* --- listeners ----------------------------------------------------------------------------------- */

/* Who was here before keeps the entry; this one is counted, and noted if it is another. */
static __always_inline void listener_share(struct bh_listener *l, const struct bh_listener *with)
{
	__sync_fetch_and_add(&l->users, 1);
	if (l->cgid != with->cgid || l->uid != with->uid)
		__sync_fetch_and_or(&l->flags, BH_LISTEN_SHARED);
}

/*
 * Never BH_LISTEN_RECV_ONLY: nobody knows what this socket has sent. bh_bound says that it is
 * counted, so that a second run does not count it again and its close takes it back.
 */
static __always_inline void listener_add(void *sk, const struct bh_bound *bound,
					 const struct bh_listener *mine)
{
	struct bh_listener *l;

	if (bpf_sk_storage_get(&bh_bound, sk, 0, 0))
		return;
	if (!bpf_sk_storage_get(&bh_bound, sk, (void *)bound, BPF_SK_STORAGE_GET_F_CREATE)) {
		bh_stat_add(BH_STAT_LISTENERS_LOST);
		return;
	}
	if (bpf_map_update_elem(&bh_listeners, &bound->key, mine, BPF_NOEXIST) == 0)
		return;
	l = bpf_map_lookup_elem(&bh_listeners, &bound->key);
	if (l) {
		listener_share(l, mine);
		return;
	}
	bpf_sk_storage_delete(&bh_bound, sk);
	bh_stat_add(BH_STAT_LISTENERS_LOST);
}

/* Sockets of the kernel have no facts: that is how the hooks know them, see session.h. */
static __always_inline void note(void *storage, const struct sock *sk, bool kernels, bool listens,
				 __u8 proto, __u32 flags)
{
	struct bh_listener mine = {.users = 1, .flags = BH_LISTEN_KERNEL};
	struct bh_facts facts = {};
	struct bh_bound bound = {};

	if (!kernels) {
		facts_of(sk, flags, &facts);
		/* leaves alone what is there */
		bpf_sk_storage_get(&bh_facts, storage, &facts, BPF_SK_STORAGE_GET_F_CREATE);
		mine = (struct bh_listener){.cgid = facts.cgid, .uid = facts.uid, .users = 1};
	}
	if (!listens)
		return;
	key_of(sk, proto, &bound.key);
	listener_add(storage, &bound, &mine);
}

/* --- TCP ----------------------------------------------------------------------------------------- */

/*
 * Who began? A child inherits its listener's backlog, who connected has none. With none and a
 * listener on its port it can't be told: listen(fd, 0), or SO_REUSEADDR. Listeners come first
 * in the iterator, so the table has them. What a listener carries is cloned to those that it
 * accepts from now on.
 */
static __always_inline __u32 who_began(const struct sock *sk, bool listens)
{
	struct bh_listen_key key = {};

	if (listens || BPF_CORE_READ(sk, sk_max_ack_backlog))
		return BH_FACT_ACCEPTED;
	key_of(sk, IPPROTO_TCP, &key);
	return bh_listener_find(&key) ? 0 : BH_FACT_ASKED;
}

SEC("iter/tcp")
int bh_seed_tcp(struct bpf_iter__tcp *ctx)
{
	struct sock_common *common = ctx->sk_common;
	struct tcp_sock *tp;
	struct sock *sk;
	bool listens;

	if (!common)
		return 0;
	/* NULL for half-open and TIME_WAIT: they are no sockets yet, or any more */
	tp = bpf_skc_to_tcp_sock(common);
	if (!tp)
		return 0;
	sk = &tp->inet_conn.icsk_inet.sk;
	listens = BPF_CORE_READ(sk, __sk_common.skc_state) == BPF_TCP_LISTEN;
	note(tp, sk, is_kernels(sk) && !is_subflow(tp), listens, IPPROTO_TCP,
	     who_began(sk, listens));
	return 0;
}

/* --- UDP ----------------------------------------------------------------------------------------- */

/* A connected one takes datagrams of its peer only: it is found by its own tuple, not here. */
SEC("iter/udp")
int bh_seed_udp(struct bpf_iter__udp *ctx)
{
	struct udp_sock *up = ctx->udp_sk;
	struct sock *sk;

	if (!up)
		return 0;
	sk = &up->inet.sk;
	note(up, sk, is_kernels(sk), !BPF_CORE_READ(sk, __sk_common.skc_dport), IPPROTO_UDP, 0);
	return 0;
}
