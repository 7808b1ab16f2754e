/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * kernel.h - the few fields of kernel structures that we read, relocated by libbpf against the
 * running kernel's BTF. Names and nesting are the kernel's (include/net/sock.h,
 * include/linux/cred.h), everything else is left out.
 */
#ifndef BH_KERNEL_H
#define BH_KERNEL_H

#include "maps.h"
#include <linux/in6.h>
#include <bpf/bpf_core_read.h>

#define BH_CORE __attribute__((preserve_access_index))

/*
 * How long ago @then_ns was, 0 where it is ahead of @now_ns: another processor wrote it after we
 * looked at the clock, or its clock is a little ahead, as bpf_ktime_get_boot_ns() is only nearly
 * the same everywhere (kernel/time/timekeeping.c: ktime_get_mono_fast_ns).
 */
__inline __u64 bh_since_ns(__u64 now_ns, __u64 then_ns)
{
	return (__s64)(now_ns - then_ns) > 0 ? now_ns - then_ns : 0;
}

typedef struct {
	__u32 val;
} kuid_t;

struct cred {
	kuid_t fsuid;
} BH_CORE;

struct task_struct {
	unsigned int flags;
	int tgid;
	char comm[BH_COMM_MAX];
	const struct cred *cred;
} BH_CORE;

struct net {
	__u64 net_cookie;
} BH_CORE;

typedef struct {
	struct net *net;
} BH_CORE possible_net_t;

struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	int skc_bound_dev_if;
	possible_net_t skc_net;
	unsigned long skc_flags;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
} BH_CORE;

struct kernfs_iattrs {
	kuid_t ia_uid;
} BH_CORE;

struct kernfs_node {
	const char *name;
	__u64 id;
	struct kernfs_iattrs *iattr;
} BH_CORE;

struct list_head {
	struct list_head *next;
} BH_CORE;

struct cgroup;

struct cgroup_subsys_state {
	struct cgroup *cgroup;
	struct list_head sibling;
	struct list_head children;
	unsigned int flags;
	struct cgroup_subsys_state *parent;
} BH_CORE;

struct cgroup_root {
	int hierarchy_id;
} BH_CORE;

struct cgroup {
	struct cgroup_subsys_state self;
	int level;
	int nr_dying_descendants;
	struct kernfs_node *kn;
	struct cgroup_root *root;
} BH_CORE;

struct sock_cgroup_data {
	struct cgroup *cgroup;
} BH_CORE;

struct sock {
	struct sock_common __sk_common;
	kuid_t sk_uid;
	__u8 sk_kern_sock : 1;
	__u16 sk_type;
	__u16 sk_protocol;
	int sk_err;
	__u32 sk_max_ack_backlog;
	struct sock_cgroup_data sk_cgrp_data;
} BH_CORE;

struct socket {
	struct sock *sk;
} BH_CORE;

/* What a program on setsockopt() is called with; its struct bpf_sockopt is a view of it. */
struct bpf_sockopt_kern {
	struct sock *sk;
} BH_CORE;

struct inet_sock {
	struct sock sk;
} BH_CORE;

struct inet_connection_sock {
	struct inet_sock icsk_inet;
} BH_CORE;

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	__u64 bytes_received;
	__u64 bytes_sent;
	__u64 bytes_retrans;
	__u64 tcp_mstamp;
	__u32 segs_in;
	__u32 segs_out;
	__u32 srtt_us;
	bool is_mptcp;
} BH_CORE;

struct sk_buff {
	__u16 network_header;
	__u16 mac_header;
} BH_CORE;

struct udp_sock {
	struct inet_sock inet;
} BH_CORE;

struct udp6_sock {
	struct udp_sock udp;
} BH_CORE;

/* --- what an iterator program is called with ------------------------------------------------------ */

struct bpf_iter__cgroup {
	struct cgroup *cgroup; /* NULL: the end */
} BH_CORE;

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
} BH_CORE;

struct bpf_iter__tcp {
	struct bpf_iter_meta *meta;
	struct sock_common *sk_common;
} BH_CORE;

struct bpf_iter__udp {
	struct bpf_iter_meta *meta;
	struct udp_sock *udp_sk;
} BH_CORE;

struct file;

/* One for each file of a task; NULL: the end. */
struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	__u32 fd;
	struct file *file;
} BH_CORE;

/* One for each socket that has storage in the map; NULL: the end. */
struct bpf_iter__bpf_sk_storage_map {
	struct bpf_iter_meta *meta;
	struct sock *sk;
	void *value;
} BH_CORE;

#endif
