// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * task.bpf.c - the TCP connections that a process holds, for the lockout guard: who asks for a
 * change came over one of them. Run by the agent (agent/kern/files.c) for one process, or for
 * all of them. /proc/PID/fd of another one takes CAP_SYS_PTRACE, which the agent gives away.
 */
#include "session.h"
#include <bh_held.h>

#define BH_CGROUP_DEPTH 64

/* The ends are the socket's own, as for its verdict. */
__inline void held_ends(const struct sock *sk, struct bh_held *ret)
{
	struct in6_addr v6;

	ret->local_port = BPF_CORE_READ(sk, __sk_common.skc_num);
	ret->remote_port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
	if (BPF_CORE_READ(sk, __sk_common.skc_family) == BH_AF_INET) {
		bh_addr_set_v4(&ret->local_addr, BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr));
		bh_addr_set_v4(&ret->remote_addr, BPF_CORE_READ(sk, __sk_common.skc_daddr));
		return;
	}
	BPF_CORE_READ_INTO(&v6, sk, __sk_common.skc_v6_rcv_saddr);
	bh_addr_set_v6(&ret->local_addr, &v6);
	BPF_CORE_READ_INTO(&v6, sk, __sk_common.skc_v6_daddr);
	bh_addr_set_v6(&ret->remote_addr, &v6);
}

/* Do the hooks see it? They run for sockets that were born below the agent's root, or in it. */
__inline bool held_inside(const struct sock *sk)
{
	const struct cgroup *cg = BPF_CORE_READ(sk, sk_cgrp_data.cgroup);
	const struct bh_ctl *ctl = bh_ctl_get();
	const struct cgroup_subsys_state *up;

	for (int i = 0; ctl && cg && i < BH_CGROUP_DEPTH; i++) {
		if (BPF_CORE_READ(cg, kn, id) == ctl->root_cgid)
			return true;
		up = BPF_CORE_READ(cg, self.parent);
		cg = up ? BPF_CORE_READ(up, cgroup) : 0;
	}
	return false;
}

/* As adopt.bpf.c would note of it: a child inherits its listener's backlog. */
__inline __u32 held_began(const struct sock *sk, const struct bh_held *held)
{
	struct bh_listen_key key = {
		.netns = held->netns,
		.addr = held->local_addr,
		.port = held->local_port,
		.proto = IPPROTO_TCP,
	};

	if (BPF_CORE_READ(sk, sk_max_ack_backlog))
		return BH_FACT_OLD | BH_FACT_ACCEPTED;
	return bh_listener_find(&key) ? BH_FACT_OLD : BH_FACT_OLD | BH_FACT_ASKED;
}

/* What is noted of it, else what the kernel knows. */
__inline void held_facts(struct sock *sk, struct bh_held *ret)
{
	const struct bh_facts *known = bpf_sk_storage_get(&bh_facts, sk, 0, 0);
	const struct bh_session *s = bpf_sk_storage_get(&bh_session, sk, 0, 0);
	struct bh_facts facts = {};
	int dir;

	ret->netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, net_cookie);
	if (known) {
		facts = *known;
	} else {
		facts.cgid = BPF_CORE_READ(sk, sk_cgrp_data.cgroup, kn, id);
		facts.uid = BPF_CORE_READ(sk, sk_uid.val);
		facts.flags = held_began(sk, ret);
	}
	ret->cgid = facts.cgid;
	ret->uid = facts.uid;
	ret->begin_ns = s ? s->begin_ns : 0;
	dir = bh_session_dir(s, &facts);
	if (dir >= 0)
		ret->flags |= dir == BH_IN ? BH_HELD_ACCEPTED : BH_HELD_ASKED;
	if (held_inside(sk))
		ret->flags |= BH_HELD_INSIDE;
	if (bh_addr_is_loopback(&ret->remote_addr) ||
	    bh_addr_is_ours(ret->netns, &ret->remote_addr))
		ret->flags |= BH_HELD_LOCAL_PEER;
}

/* MPTCP's own socket is not one of TCP, but has its addresses. */
__inline bool held_wants(const struct sock *sk)
{
	__u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);
	__u16 proto = BPF_CORE_READ(sk, sk_protocol);

	return (family == BH_AF_INET || family == BH_AF_INET6) &&
	       BPF_CORE_READ(sk, sk_type) == BH_SOCK_STREAM &&
	       (proto == IPPROTO_TCP || proto == IPPROTO_MPTCP) &&
	       BPF_CORE_READ(sk, __sk_common.skc_state) == BPF_TCP_ESTABLISHED;
}

SEC("iter/task_file")
int bh_task_socks(struct bpf_iter__task_file *ctx)
{
	struct file *file = ctx->file;
	struct bh_held held = {};
	struct socket *sock;
	struct sock *sk;

	if (!file)
		return 0;
	sock = bpf_sock_from_file(file);
	if (!sock)
		return 0;
	sk = sock->sk;
	if (!sk || !held_wants(sk))
		return 0;
	held_ends(sk, &held);
	held_facts(sk, &held);
	held.cookie = bpf_get_socket_cookie(sk);
	bpf_seq_write(ctx->meta->seq, &held, sizeof(held));
	return 0;
}

char _license[] __weak SEC("license") = "Dual BSD/GPL";
