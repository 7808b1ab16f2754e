/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * listen.h - who is bound where, for XDP, which has no sockets to ask. A hint and never a
 * permission: an entry that is missing or stale makes XDP pass a packet to the socket, which
 * decides. Used by bind and listen (cgroup.bpf.c, sockops.bpf.c).
 */
#ifndef BH_LISTEN_H
#define BH_LISTEN_H

#include "session.h"

/* The transport as policies name it: MPTCP is TCP, others can't be bound by port (0). */
__inline __u8 bh_proto_of_socket(__u32 protocol)
{
	if (protocol == IPPROTO_TCP || protocol == IPPROTO_MPTCP)
		return IPPROTO_TCP;
	if (protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE)
		return protocol;
	return 0;
}

/* One socket more on @key. Return: false if there is no room for it. */
__subprog bool bh_listener_add(const struct bh_listen_key *key, const struct bh_facts *facts,
			       __u32 flags)
{
	struct bh_listener fresh = {
		.cgid = facts->cgid, .uid = facts->uid, .users = 1, .flags = flags};
	struct bh_listener *l = bpf_map_lookup_elem(&bh_listeners, key);

	if (!l) {
		if (!bpf_map_update_elem(&bh_listeners, key, &fresh, BPF_NOEXIST))
			return true;
		l = bpf_map_lookup_elem(&bh_listeners, key);
	}
	if (!l) {
		bh_stat_add(BH_STAT_LISTENERS_LOST);
		return false;
	}
	__sync_fetch_and_add(&l->users, 1);
	if (l->cgid != facts->cgid || l->uid != facts->uid)
		__sync_fetch_and_or(&l->flags, BH_LISTEN_SHARED);
	if (!(flags & BH_LISTEN_RECV_ONLY))
		__sync_fetch_and_and(&l->flags, ~BH_LISTEN_RECV_ONLY);
	return true;
}

/*
 * One less. A bind that races with the last close may lose its entry: a packet more for the
 * socket to judge.
 */
__subprog int bh_listener_del(const struct bh_listen_key *key)
{
	struct bh_listener *l = bpf_map_lookup_elem(&bh_listeners, key);

	if (l && __sync_fetch_and_sub(&l->users, 1) <= 1)
		bpf_map_delete_elem(&bh_listeners, key);
	return 0;
}

/* @sk is bound to @key, and no longer to what it was bound to before. */
__subprog int bh_bound_set(struct bpf_sock *sk, const struct bh_listen_key *key,
			   const struct bh_facts *facts, __u32 flags)
{
	struct bh_bound *bound = bpf_sk_storage_get(&bh_bound, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);

	if (!bound) {
		bh_stat_add(BH_STAT_LISTENERS_LOST);
		return 0;
	}
	if (bound->key.port)
		bh_listener_del(&bound->key);
	bound->key = *key;
	/* who found no room takes none back */
	if (!bh_listener_add(key, facts, flags))
		bound->key.port = 0;
	return 0;
}

/* Somebody of another segment holds the address, or every address, at this port. */
__subprog bool bh_port_is_taken(const struct bh_run *run, const struct bh_listen_key *key,
				const struct bh_facts *facts)
{
	struct bh_listen_key any = *key;
	const struct bh_listener *l = bh_listener_find(&any);
	struct bh_who me, owner;

	if (!l)
		return false;
	(void)bh_who_of_cgroup(run, facts->cgid, facts->uid, &me);
	if (l->flags & BH_LISTEN_KERNEL)
		return me.seg != BH_ID_HOST;
	(void)bh_who_of_cgroup(run, l->cgid, l->uid, &owner);
	return owner.seg != me.seg;
}

#endif
