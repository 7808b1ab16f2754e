/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * bh_held.h - what bh_task_socks (bpf/task.bpf.c) prints for the agent. In no map: it may change
 * without a new BH_ABI. Behind bh_abi.h.
 */
#ifndef BH_HELD_H
#define BH_HELD_H

enum bh_held_flags {
	BH_HELD_ACCEPTED = 1 << 0,   /* the peer began; neither: it can't be told */
	BH_HELD_ASKED = 1 << 1,	     /* this end connected */
	BH_HELD_INSIDE = 1 << 2,     /* born below the agent's cgroup root: the hooks judge it */
	BH_HELD_LOCAL_PEER = 1 << 3, /* its peer is on this host */
};

/* bh_task_socks prints these: an established TCP connection that a process holds. */
struct bh_held {
	struct bh_addr local_addr;
	struct bh_addr remote_addr;
	__u64 cookie; /* SO_COOKIE: the same for all who hold it */
	__u64 netns;
	__u64 cgid;	/* the workload that its packets are judged as */
	__u64 begin_ns; /* of the session, by bh_session; 0 = not known */
	__u32 uid;
	__u32 flags; /* enum bh_held_flags */
	__u16 local_port;
	__u16 remote_port;
	__u32 pad;
};
BH_ASSERT_SIZE(struct bh_held, 80);

#endif
