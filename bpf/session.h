/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * session.h - the socket is the session: the facts it was born with, the verdict it carries,
 * and for UDP the peers it talked to. A verdict counts only for exactly its peer and the
 * current generation; anything else is judged again. Used by the socket hooks.
 */
#ifndef BH_SESSION_H
#define BH_SESSION_H

#include "kernel.h"
#include "policy.h"

#define BH_AF_INET  2
#define BH_AF_INET6 10

#define BH_SOCK_STREAM 1
#define BH_SOCK_DGRAM  2
#define BH_SOCK_RAW    3

#define BH_LO_IFINDEX 1 /* in every network namespace (net/core/dev.c: dev_new_index) */

#define BH_SECOND_NS	1000000000ull
#define BH_UDP_IDLE_NS	(180 * BH_SECOND_NS)
#define BH_UDP_GROUP_NS (10 * BH_SECOND_NS)
#define BH_CLAIMED	(~0ull) /* a generation while somebody writes what is of it */

/* Compiler and, on machines that need it, memory order between a verdict and its generation. */
#define bh_barrier() asm volatile("" ::: "memory")

/**
 * struct bh_conv - one conversation on one hook: what is judged, and what is told about it
 * @netns: cookie of the socket's namespace, 0 = not known
 */
struct bh_conv {
	struct bh_talk talk;
	struct bh_addr local_addr;
	struct bh_addr remote_addr;
	__u64 cgid;
	__u64 netns;
	__u32 ifindex;
	/* the stack is short: once it is judged and told, for bpf/flow.h */
	union {
		__u32 pid;
		__u32 rule;
	};
	__u32 bytes;
	__u16 packets; /* what it counts as */
	__u16 reason;  /* with @rule */
	__u16 local_port;
	__u16 remote_port;
	__u16 payload; /* bytes behind the transport header; packets only */
	union {
		__u8 tcp_flags; /* likewise */
		__u8 crypt;	/* enum bh_crypt of what is not TCP */
	};
	__u8 hook; /* enum bh_hook */
};

/* --- ends ---------------------------------------------------------------------------------------- */

/*
 * A field read here and now. Clang else moves the loads of two branches behind their join, from
 * a computed address, which the verifier forbids ("pointer arithmetic on sock").
 */
#define bh_ctx_read(sk, field)                                                                     \
	({                                                                                         \
		__u32 _word = (sk)->field;                                                         \
		barrier_var(_word);                                                                \
		_word;                                                                             \
	})

__inline void bh_sk_local(const struct bpf_sock *sk, struct bh_addr *ret, __u16 *ret_port)
{
	__u32 ip4 = bh_ctx_read(sk, src_ip4), a = bh_ctx_read(sk, src_ip6[0]),
	      b = bh_ctx_read(sk, src_ip6[1]), c = bh_ctx_read(sk, src_ip6[2]),
	      d = bh_ctx_read(sk, src_ip6[3]);

	*ret_port = sk->src_port;
	if (sk->family == BH_AF_INET)
		bh_addr_set_v4(ret, ip4);
	else
		bh_addr_set_words(ret, a, b, c, d);
}

__inline void bh_sk_remote(const struct bpf_sock *sk, struct bh_addr *ret, __u16 *ret_port)
{
	__u32 ip4 = bh_ctx_read(sk, dst_ip4), a = bh_ctx_read(sk, dst_ip6[0]),
	      b = bh_ctx_read(sk, dst_ip6[1]), c = bh_ctx_read(sk, dst_ip6[2]),
	      d = bh_ctx_read(sk, dst_ip6[3]);

	*ret_port = bpf_ntohs(sk->dst_port);
	if (sk->family == BH_AF_INET)
		bh_addr_set_v4(ret, ip4);
	else
		bh_addr_set_words(ret, a, b, c, d);
}

/* A packet to find the peer's socket by: from our end to its end. Returns the tuple's size. */
__inline __u32 bh_peer_tuple(const struct bh_conv *c, struct bpf_sock_tuple *t)
{
	const __u32 *local = (const void *)&c->local_addr, *remote = (const void *)&c->remote_addr;

	if (bh_addr_is_v4(&c->remote_addr)) {
		t->ipv4.saddr = bh_addr_is_v4(&c->local_addr) ? local[3] : 0;
		t->ipv4.daddr = remote[3];
		t->ipv4.sport = bpf_htons(c->local_port);
		t->ipv4.dport = bpf_htons(c->remote_port);
		return sizeof(t->ipv4);
	}
	__builtin_memcpy(t->ipv6.saddr, local, sizeof(t->ipv6.saddr));
	__builtin_memcpy(t->ipv6.daddr, remote, sizeof(t->ipv6.daddr));
	t->ipv6.sport = bpf_htons(c->local_port);
	t->ipv6.dport = bpf_htons(c->remote_port);
	return sizeof(t->ipv6);
}

/* --- facts --------------------------------------------------------------------------------------- */

/* fsuid, as the kernel gives it to the socket's inode (net/socket.c: sock_alloc). */
__inline __u32 bh_current_uid(void)
{
	const struct task_struct *task = (void *)bpf_get_current_task();

	return BPF_CORE_READ(task, cred, fsuid.val);
}

/* The process and its thread's name. The helpers for both are not everywhere on Linux 6.1. */
__inline __u32 bh_current_pid(char ret_comm[BH_COMM_MAX])
{
	const struct task_struct *task = (void *)bpf_get_current_task();

	bpf_probe_read_kernel(ret_comm, BH_COMM_MAX, __builtin_preserve_access_index(&task->comm));
	return BPF_CORE_READ(task, tgid);
}

#define BH_PF_KTHREAD 0x00200000 /* include/linux/sched.h */

__inline bool bh_current_is_kernel(void)
{
	const struct task_struct *task = (void *)bpf_get_current_task();

	return BPF_CORE_READ(task, flags) & BH_PF_KTHREAD;
}

/* Facts of a socket that is about to be used by the calling task: sock_create and its kin. */
__inline void bh_facts_current(void *ctx, __u32 flags, struct bh_facts *ret)
{
	ret->cgid = bpf_get_current_cgroup_id();
	ret->netns = bpf_get_netns_cookie(ctx);
	ret->uid = bh_current_uid();
	ret->flags = flags;
	ret->pad = 0;
	ret->pid = bh_current_pid(ret->comm);
}

/*
 * Who began a TCP connection that is older than us? A child inherits its listener's backlog,
 * a socket that connected has none; where a listener is on its port and it has none, it can't
 * be told (evidence: listen(fd, 0), SO_REUSEADDR).
 */
__inline __u32 bh_facts_who_began(struct __sk_buff *skb, struct bpf_sock *sk,
				  const struct tcp_sock *tp)
{
	struct bh_conv to_itself = {};
	struct bpf_sock_tuple tuple = {};
	struct bpf_sock *listener;
	__u32 size, flags = BH_FACT_ASKED;

	/* those that it accepts get its facts */
	if (sk->state == BPF_TCP_LISTEN)
		return BH_FACT_ACCEPTED;
	if (BPF_CORE_READ(tp, inet_conn.icsk_inet.sk.sk_max_ack_backlog))
		return BH_FACT_ACCEPTED;
	bh_sk_local(sk, &to_itself.remote_addr, &to_itself.remote_port);
	size = bh_peer_tuple(&to_itself, &tuple);
	listener = bpf_sk_lookup_tcp(skb, &tuple, size, BPF_F_CURRENT_NETNS, 0);
	if (!listener)
		return flags;
	if (listener->state == BPF_TCP_LISTEN)
		flags = 0;
	bpf_sk_release(listener);
	return flags;
}

/* A socket that nobody stamped: it is older than us. Its birth cgroup the kernel still knows. */
__subprog struct bh_facts *bh_facts_adopt(struct __sk_buff *skb, struct bpf_sock *sk)
{
	struct bh_facts facts = {.flags = BH_FACT_OLD, .uid = BH_NO_UID};
	const struct tcp_sock *tp;

	facts.cgid = bpf_sk_cgroup_id(sk);
	tp = sk->protocol == IPPROTO_TCP ? (const void *)bpf_skc_to_tcp_sock(sk) : 0;
	if (tp) {
		facts.uid = BPF_CORE_READ(tp, inet_conn.icsk_inet.sk.sk_uid.val);
		facts.netns = BPF_CORE_READ(tp, inet_conn.icsk_inet.sk.__sk_common.skc_net.net,
					    net_cookie);
		facts.flags |= bh_facts_who_began(skb, sk, tp);
	}
	return bpf_sk_storage_get(&bh_facts, sk, &facts, BPF_SK_STORAGE_GET_F_CREATE);
}

/* --- the peer --------------------------------------------------------------------------------------- */

/* The listener table knows sockets that are older than us. */
__global int bh_peer_by_table(const struct bh_run *run, const struct bh_conv *c, struct bh_who *ret)
{
	struct bh_listen_key key = {};
	const struct bh_listener *l;

	if (!run || !c || !ret || !c->netns)
		return false;
	key.netns = c->netns;
	key.addr = c->remote_addr;
	key.port = c->remote_port;
	key.proto = c->talk.proto;
	l = bh_listener_find(&key);
	if (!l)
		return false;
	if (l->flags & BH_LISTEN_KERNEL) {
		bh_who_is(ret, BH_ID_HOST);
		return true;
	}
	(void)bh_who_of_cgroup(run, l->cgid, l->uid, ret);
	return true;
}

/* A TCP socket that is older than us, in whatever namespace: the kernel knows its birth cgroup. */
__inline bool bh_peer_of_tcp(const struct bh_run *run, struct bpf_sock *sk, struct bh_who *ret)
{
	const struct tcp_sock *tp = (const void *)bpf_skc_to_tcp_sock(sk);

	if (!tp)
		return false;
	(void)bh_who_of_cgroup(
		run, BPF_CORE_READ(tp, inet_conn.icsk_inet.sk.sk_cgrp_data.cgroup, kn, id),
		BPF_CORE_READ(tp, inet_conn.icsk_inet.sk.sk_uid.val), ret);
	return true;
}

/**
 * bh_peer_on_host - who the other end on this host is
 * @ctx: of a cgroup_skb or sock_addr program; sockets of its namespace are searched
 *
 * The socket that would get our packets says it; where it is older than us, the listener
 * table; what has no socket is what the map calls its address, else `host`.
 * Return: BH_CONTINUE, or BH_R_NO_LISTENER if nobody is there.
 */
__subprog enum bh_reason bh_peer_on_host(void *ctx, const struct bh_run *run, struct bh_conv *c)
{
	struct bpf_sock_tuple tuple = {};
	struct bh_who *peer = &c->talk.peer;
	const struct bh_facts *facts;
	struct bpf_sock *sk = 0;
	__u32 size;

	if (c->talk.proto != IPPROTO_TCP && c->talk.proto != IPPROTO_UDP) {
		enum bh_reason r = bh_who_of_addr(run, &c->remote_addr, BH_ID_HOST, peer);

		if (c->talk.proto == IPPROTO_UDPLITE && !bh_peer_by_table(run, c, peer))
			bh_who_is(peer, BH_ID_UNASSIGNED);
		peer->local = 1;
		return r;
	}
	size = bh_peer_tuple(c, &tuple);
	if (c->talk.proto == IPPROTO_TCP)
		sk = bpf_sk_lookup_tcp(ctx, &tuple, size, BPF_F_CURRENT_NETNS, 0);
	else
		sk = bpf_sk_lookup_udp(ctx, &tuple, size, BPF_F_CURRENT_NETNS, 0);
	if (!sk) {
		bh_who_is(peer, BH_ID_UNASSIGNED);
		peer->local = 1;
		return BH_R_NO_LISTENER;
	}
	facts = bpf_sk_storage_get(&bh_facts, sk, 0, 0);
	if (facts)
		(void)bh_who_of_cgroup(run, facts->cgid, facts->uid, peer);
	else if (!bh_peer_of_tcp(run, sk, peer) && !bh_peer_by_table(run, c, peer))
		bh_who_is(peer, BH_ID_UNASSIGNED);
	peer->local = 1;
	bpf_sk_release(sk);
	return BH_CONTINUE;
}

/* Is @key, exactly, a workload's of another segment than @seg? */
__subprog bool bh_source_is_anothers(const struct bh_run *run, const struct bh_listen_key *key,
				     __u32 seg)
{
	const struct bh_listener *l;
	struct bh_who owner;

	l = bpf_map_lookup_elem(&bh_listeners, key);
	if (!l)
		return false;
	if (l->flags & BH_LISTEN_KERNEL)
		return seg != BH_ID_HOST;
	(void)bh_who_of_cgroup(run, l->cgid, l->uid, &owner);
	return owner.seg != seg;
}

/* A copy, on its sender's own host, of what goes to many. */
__inline bool bh_is_looped(const struct bh_conv *c)
{
	return c->ifindex != BH_LO_IFINDEX || bh_addr_is_group(&c->local_addr) ||
	       (bh_addr_is_v4(&c->local_addr) && bh_addr_low(&c->local_addr) == 0x7fffffff);
}

/*
 * No hook sees a looped copy leave (ip_mc_output() takes it before), so its source alone says
 * whose it is: who holds the address. One that holds the port at every address could send it as
 * well (SO_REUSEADDR): of two segments it is neither's.
 */
__inline enum bh_reason bh_looped_check(const struct bh_run *run, const struct bh_conv *c)
{
	struct bh_listen_key every = {
		.netns = c->netns,
		.port = c->remote_port,
		.proto = c->talk.proto,
	};

	if (c->hook != BH_HOOK_SKB_IN || !bh_is_looped(c) ||
	    !bh_source_is_anothers(run, &every, c->talk.peer.seg))
		return BH_CONTINUE;
	return BH_R_SOURCE_TAKEN;
}

__inline enum bh_reason bh_peer_by_addr(const struct bh_run *run, struct bh_conv *c)
{
	c->talk.peer.local = 0;
	return bh_who_of_addr(run, &c->remote_addr, BH_ID_WORLD, &c->talk.peer);
}

/* The DHCP client's exchange of `host` and of segments with `dhcp: true`. */
__inline bool bh_udp_is_dhcp(const struct bh_run *run, const struct bh_conv *c)
{
	if (!((c->local_port == 68 && c->remote_port == 67) ||
	      (c->local_port == 546 && c->remote_port == 547)))
		return false;
	return c->talk.me.seg == BH_ID_HOST || bh_seg_flags(run, c->talk.me.seg) & BH_SEG_DHCP;
}

/* --- the verdict that a socket carries -------------------------------------------------------------- */

/* Is it of this generation, for this peer, and still in time? */
__inline bool bh_session_holds(const struct bh_session *s, __u64 gen, const struct bh_addr *peer,
			       __u16 port)
{
	return s->gen == gen && s->peer_port == port && bh_addr_eq(&s->peer, peer) &&
	       (!s->deadline_ns || bpf_ktime_get_boot_ns() < s->deadline_ns);
}

/*
 * Who began: enum bh_dir, -1 = unknown. What a verdict does not say, the facts do.
 * @s: NULL if there is none
 */
__inline int bh_session_dir(const struct bh_session *s, const struct bh_facts *facts)
{
	if (s && s->dir_known)
		return s->dir & 1;
	if (facts->flags & BH_FACT_ASKED)
		return BH_OUT;
	if (facts->flags & BH_FACT_OLD && !(facts->flags & BH_FACT_ACCEPTED))
		return -1;
	/* it never connected: it was accepted */
	return BH_IN;
}

/*
 * The generation last, so that nobody takes half of it for a verdict. Two programs may judge one
 * socket, on both sides of a flip: who claims it writes, the other goes without.
 */
__inline void bh_session_stamp(struct bh_session *s, const struct bh_run *run,
			       const struct bh_conv *c, const struct bh_ruling *r)
{
	__u64 was = s->gen;

	if (was == BH_CLAIMED || __sync_val_compare_and_swap(&s->gen, was, BH_CLAIMED) != was)
		return;
	s->peer = c->remote_addr;
	s->peer_port = c->remote_port;
	s->deadline_ns = r->deadline_ns;
	s->reason = r->reason;
	s->rule = r->rule;
	s->pass = r->pass;
	s->dir = c->talk.dir;
	s->dir_known = 1;
	s->remote = c->talk.peer.seg;
	bh_barrier();
	s->gen = run->gen;
}

/* --- UDP and ping: the peers a socket talked to ------------------------------------------------------ */

/*
 * Number of the slot of a peer that is not forgotten yet, of whatever generation. Where there are
 * two, as our programs and a handover (bpf/adopt.bpf.c) may write at once: that it was asked counts.
 */
__global int bh_udp_find(const struct bh_udp *u, const struct bh_conv *c, __u64 now_ns)
{
	int asked_us = BH_UDP_SLOTS;

	if (!u || !c)
		return BH_UDP_SLOTS;
	for (int i = 0; i < BH_UDP_SLOTS; i++) {
		const struct bh_udp_slot *slot = &u->slot[i];

		if (slot->port != c->remote_port || !slot->sent_ns || slot->gen == BH_CLAIMED ||
		    !bh_addr_eq(&slot->peer, &c->remote_addr) ||
		    bh_since_ns(now_ns, slot->sent_ns) >= BH_UDP_IDLE_NS)
			continue;
		if (slot->rule != BH_SLOT_ASKED_US)
			return i;
		asked_us = i;
	}
	return asked_us;
}

/* The same as a pointer, NULL: none. */
__inline struct bh_udp_slot *bh_udp_slot_of(struct bh_udp *u, const struct bh_conv *c)
{
	__u32 i = u ? bh_udp_find(u, c, bpf_ktime_get_boot_ns()) : BH_UDP_SLOTS;

	return i < BH_UDP_SLOTS ? &u->slot[i] : 0;
}

/*
 * Remember a peer in the least recent slot. Two threads may send on one socket: who claims
 * the slot writes it, the other goes without (its answers are judged as anybody's), so that
 * no slot ever has the address of one peer and the port of another. Where the ruling has a
 * deadline the slot is of no generation: it is judged again each time.
 */
__global int bh_udp_remember(struct bh_udp *u, const struct bh_conv *c, __u64 gen,
			     const struct bh_ruling *r)
{
	__u64 now_ns = bpf_ktime_get_boot_ns(), was;
	__u32 oldest = 0;
	struct bh_udp_slot *slot;

	if (!u || !c || !r)
		return 0;
	for (__u32 i = 1; i < BH_UDP_SLOTS; i++)
		if (u->slot[i].sent_ns < u->slot[oldest & (BH_UDP_SLOTS - 1)].sent_ns)
			oldest = i;
	slot = &u->slot[oldest & (BH_UDP_SLOTS - 1)];
	was = slot->gen;
	if (was == BH_CLAIMED || __sync_val_compare_and_swap(&slot->gen, was, BH_CLAIMED) != was)
		return 0;
	if (slot->sent_ns && bh_since_ns(now_ns, slot->sent_ns) < BH_UDP_IDLE_NS)
		bh_stat_add(BH_STAT_SLOTS_REUSED);
	slot->peer = c->remote_addr;
	slot->port = c->remote_port;
	slot->sent_ns = now_ns;
	slot->reason = r->reason;
	slot->rule = r->rule;
	bh_barrier();
	slot->gen = r->deadline_ns ? 0 : gen;
	return 0;
}

/* XDP may no longer refuse for this socket: answers come that only the socket can tell. */
__inline void bh_udp_starts(struct bpf_sock *sk)
{
	struct bh_bound *bound = bpf_sk_storage_get(&bh_bound, sk, 0, 0);
	struct bh_listener *l = bound ? bpf_map_lookup_elem(&bh_listeners, &bound->key) : 0;

	if (l && l->flags & BH_LISTEN_RECV_ONLY)
		__sync_fetch_and_and(&l->flags, ~BH_LISTEN_RECV_ONLY);
}

__inline void bh_udp_asks(struct bh_udp *u, struct bpf_sock *sk, const struct bh_conv *c, __u64 gen,
			  const struct bh_ruling *r)
{
	bh_udp_starts(sk);
	bh_udp_remember(u, c, gen, r);
	if (bh_addr_is_group(&c->remote_addr)) {
		u->group_port = c->remote_port;
		u->group_ns = bpf_ktime_get_boot_ns();
	}
}

#endif
