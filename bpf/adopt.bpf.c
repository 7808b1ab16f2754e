// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * adopt.bpf.c - sockets that are older than us: what sock_create, bind and listen would have
 * noted, from the sockets themselves, or from what programs of another ABI noted of them. The
 * agent runs the iterators once it has attached (bh_kern_seed()); a second run adds nothing.
 *
 * An iterator sees one network namespace, the agent's. Sockets of others get their facts from
 * the hooks, on their first packet, and their listeners stay unknown. Not seen anywhere: raw
 * and ping sockets, UDP-Lite (a table of its own), TCP sockets that are bound but don't listen.
 */
#include "listen.h"

/* --- what the kernel says ------------------------------------------------------------------------ */

__inline void key_of(const struct sock *sk, __u8 proto, struct bh_listen_key *ret)
{
	struct in6_addr v6;

	ret->netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, net_cookie);
	ret->port = BPF_CORE_READ(sk, __sk_common.skc_num);
	ret->proto = proto;
	if (BPF_CORE_READ(sk, __sk_common.skc_family) == BH_AF_INET6) {
		BPF_CORE_READ_INTO(&v6, sk, __sk_common.skc_v6_rcv_saddr);
		bh_addr_set_v6(&ret->addr, &v6);
	} else {
		bh_addr_set_v4(&ret->addr, BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr));
	}
	if (bh_addr_is_unspecified(&ret->addr))
		__builtin_memset(&ret->addr, 0, sizeof(ret->addr));
}

__inline void facts_of(const struct sock *sk, struct bh_facts *ret)
{
	ret->cgid = BPF_CORE_READ(sk, sk_cgrp_data.cgroup, kn, id);
	ret->netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, net_cookie);
	ret->uid = BPF_CORE_READ(sk, sk_uid.val);
	ret->flags = BH_FACT_OLD;
}

__inline bool is_kernels(const struct sock *sk)
{
	return BPF_CORE_READ_BITFIELD_PROBED(sk, sk_kern_sock);
}

/* --- what is noted of both ----------------------------------------------------------------------- */

/*
 * @facts: left alone where there are some. UDP sockets of the kernel get none: that is how the
 * hooks know them. @listens: never as BH_LISTEN_RECV_ONLY, nobody knows what it has sent. bh_bound
 * says that it is counted: a second run does not count it again, its close takes it back.
 */
__inline void note(void *sk, const struct bh_facts *facts, bool kernels,
		   const struct bh_listen_key *listens)
{
	struct bh_bound *bound;

	if (!kernels)
		bpf_sk_storage_get(&bh_facts, sk, (void *)facts, BPF_SK_STORAGE_GET_F_CREATE);
	if (!listens)
		return;
	bound = bpf_sk_storage_get(&bh_bound, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!bound) {
		bh_stat_add(BH_STAT_LISTENERS_LOST);
		return;
	}
	if (bound->key.port)
		return;
	bound->key = *listens;
	bh_listener_add(&bound->key, facts, kernels ? BH_LISTEN_KERNEL : 0);
	/* who found no room takes none back */
	if (!bpf_map_lookup_elem(&bh_listeners, &bound->key))
		bound->key.port = 0;
}

/* --- TCP ----------------------------------------------------------------------------------------- */

/*
 * Who began? A child inherits its listener's backlog, who connected has none. With none and a
 * listener on its port it can't be told: listen(fd, 0), or SO_REUSEADDR. Listeners come first
 * in the iterator, so the table has them.
 *
 * accept() makes a socket the caller's (net/core/sock.c: sock_graft()); those that are accepted
 * under our eyes are their listener's, and so are the older ones.
 */
__inline void who_began(const struct sock *sk, struct bh_listen_key *key, struct bh_facts *facts)
{
	const struct bh_listener *l = bh_listener_find(key);

	if (BPF_CORE_READ(sk, sk_max_ack_backlog)) {
		facts->flags |= BH_FACT_ACCEPTED;
		if (l && l->cgid == facts->cgid)
			facts->uid = l->uid;
	} else if (!l) {
		facts->flags |= BH_FACT_ASKED;
	}
}

SEC("iter/tcp")
int bh_seed_tcp(struct bpf_iter__tcp *ctx)
{
	struct sock_common *common = ctx->sk_common;
	struct bh_listen_key key = {};
	struct bh_facts facts = {};
	struct tcp_sock *tp;
	struct sock *sk;

	if (!common)
		return 0;
	/* NULL for half-open and TIME_WAIT: they are no sockets yet, or any more */
	tp = bpf_skc_to_tcp_sock(common);
	if (!tp)
		return 0;
	sk = &tp->inet_conn.icsk_inet.sk;
	facts_of(sk, &facts);
	key_of(sk, IPPROTO_TCP, &key);
	if (BPF_CORE_READ(sk, __sk_common.skc_state) == BPF_TCP_LISTEN) {
		/* cloned to those that it accepts from now on */
		facts.flags |= BH_FACT_ACCEPTED;
		note(tp, &facts, false, &key);
	} else {
		who_began(sk, &key, &facts);
		note(tp, &facts, false, 0);
	}
	return 0;
}

/* --- UDP ----------------------------------------------------------------------------------------- */

SEC("iter/udp")
int bh_seed_udp(struct bpf_iter__udp *ctx)
{
	struct udp_sock *up = ctx->udp_sk;
	struct bh_listen_key key = {};
	struct bh_facts facts = {};
	struct sock *sk;

	if (!up)
		return 0;
	sk = &up->inet.sk;
	facts_of(sk, &facts);
	key_of(sk, IPPROTO_UDP, &key);
	/* a connected one takes datagrams of its peer only: it is found by its own tuple */
	note(up, &facts, is_kernels(sk), BPF_CORE_READ(sk, __sk_common.skc_dport) ? 0 : &key);
	return 0;
}

/* --- what another ABI's programs noted ----------------------------------------------------------- */

/*
 * The agent runs these over the socket storage of the set of programs that it relieves
 * (agent/kern/handover.c), in the order in which they stand here; its values have our layout
 * (BH_ABI_SOCKETS). They see every namespace and every kind of socket. What a socket has of ours
 * already is newer, and stays. Who began a connection is known only here: the seeds above must
 * guess. No generation is carried over: each verdict is given anew.
 */
SEC("iter/bpf_sk_storage_map")
int bh_take_sess(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	const struct bh_session *was = ctx->value;
	struct sock *sk = ctx->sk;
	struct bh_session *s;

	if (!sk || !was || !was->dir_known)
		return 0;
	s = bpf_sk_storage_get(&bh_session, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!s || s->dir_known)
		return 0;
	/* for the event at its end */
	s->peer = was->peer;
	s->peer_port = was->peer_port;
	s->reason = was->reason;
	s->rule = was->rule;
	s->remote = was->remote;
	s->packets[0] = was->packets[0];
	s->packets[1] = was->packets[1];
	s->bytes[0] = was->bytes[0];
	s->bytes[1] = was->bytes[1];
	s->begin_ns = was->begin_ns;
	s->flags = was->flags;
	s->dir = was->dir;
	bh_barrier();
	s->dir_known = 1;
	return 0;
}

/* What is lost with it: nothing, a peer that asked us, or one that we asked, so long ago. */
__inline __u64 worth(const struct bh_udp_slot *slot)
{
	return !slot->sent_ns ? 0 : slot->rule == BH_SLOT_ASKED_US ? 1 : slot->sent_ns;
}

/*
 * Into the slot that has the peer, or else the one worth least, if that is less than this peer.
 * So whom a socket asked since our hooks are there stays, and who seemed to ask it was asked if
 * the other set knows it. Our hooks run meanwhile: who claims a slot writes it.
 */
__global int bh_take_peer(struct bh_udp *u, const struct bh_udp_slot *from)
{
	struct bh_udp_slot *to;
	__u32 least = 0;
	__u64 had;

	if (!u || !from)
		return 0;
	for (__u32 i = 0; i < BH_UDP_SLOTS; i++) {
		const struct bh_udp_slot *slot = &u->slot[i];

		if (slot->sent_ns && slot->port == from->port &&
		    bh_addr_eq(&slot->peer, &from->peer)) {
			least = i;
			break;
		}
		if (worth(slot) < worth(&u->slot[least & (BH_UDP_SLOTS - 1)]))
			least = i;
	}
	to = &u->slot[least & (BH_UDP_SLOTS - 1)];
	had = to->gen;
	if (worth(to) >= worth(from) || had == BH_CLAIMED ||
	    __sync_val_compare_and_swap(&to->gen, had, BH_CLAIMED) != had)
		return 0;
	to->peer = from->peer;
	to->port = from->port;
	to->reason = from->reason;
	to->rule = from->rule;
	to->sent_ns = from->sent_ns;
	bh_barrier();
	to->gen = 0;
	return 0;
}

/* Their hooks run, too: a slot that they write now has a peer that ours see. */
__inline bool read_slot(const struct bh_udp_slot *from, struct bh_udp_slot *ret)
{
	*ret = *from;
	bh_barrier();
	return ret->gen != BH_CLAIMED && from->gen == ret->gen && from->port == ret->port &&
	       bh_addr_eq(&from->peer, &ret->peer);
}

SEC("iter/bpf_sk_storage_map")
int bh_take_udp(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	const struct bh_udp *was = ctx->value;
	struct sock *sk = ctx->sk;
	struct bh_udp_slot slot;
	struct bh_udp *u;

	if (!sk || !was)
		return 0;
	u = bpf_sk_storage_get(&bh_udp, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!u)
		return 0;
	for (int i = 0; i < BH_UDP_SLOTS; i++)
		if (read_slot(&was->slot[i], &slot))
			bh_take_peer(u, &slot);
	if (!u->group_ns) {
		u->group_port = was->group_port;
		u->group_ns = was->group_ns;
	}
	return 0;
}

SEC("iter/bpf_sk_storage_map")
int bh_take_facts(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	const struct bh_facts *was = ctx->value;
	struct sock *sk = ctx->sk;
	struct bh_facts facts = {};

	if (!sk || !was)
		return 0;
	facts.cgid = was->cgid;
	facts.netns = was->netns;
	facts.uid = was->uid;
	facts.flags = was->flags;
	bpf_sk_storage_get(&bh_facts, sk, &facts, BPF_SK_STORAGE_GET_F_CREATE);
	return 0;
}

SEC("iter/bpf_sk_storage_map")
int bh_take_bound(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	const struct bh_bound *was = ctx->value;
	struct sock *sk = ctx->sk;
	const struct bh_facts *known;
	struct bh_listen_key key;
	struct bh_facts facts = {};

	if (!sk || !was || !was->key.port)
		return 0;
	key = was->key;
	known = bpf_sk_storage_get(&bh_facts, sk, 0, 0);
	if (known)
		facts = *known;
	else
		facts_of(sk, &facts);
	note(sk, &facts, is_kernels(sk), &key);
	return 0;
}

char _license[] __weak SEC("license") = "Dual BSD/GPL";
