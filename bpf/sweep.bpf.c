// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * sweep.bpf.c - tells of the TCP sessions that go on: what each counted since it was last told of.
 * Run by the agent now and then over the storage of all sockets, in every namespace. What is no
 * connection the agent reads from bh_flows_0 and bh_flows_1.
 */
#include "flow.h"

/* Of which side a verdict is read does not matter: who it is, is asked anew. */
__inline void bh_sweep_ends(const struct sock *sk, const struct bh_facts *facts, struct bh_conv *c)
{
	struct in6_addr v6;
	struct bh_run run;

	c->talk.proto = IPPROTO_TCP;
	c->hook = BH_HOOK_RELEASE;
	c->local_port = BPF_CORE_READ(sk, __sk_common.skc_num);
	if (BPF_CORE_READ(sk, __sk_common.skc_family) == BH_AF_INET) {
		bh_addr_set_v4(&c->local_addr, BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr));
	} else {
		BPF_CORE_READ_INTO(&v6, sk, __sk_common.skc_v6_rcv_saddr);
		bh_addr_set_v6(&c->local_addr, &v6);
	}
	if (!facts)
		return;
	c->cgid = facts->cgid;
	if (bh_run_begin(&run))
		(void)bh_who_of_cgroup(&run, facts->cgid, facts->uid, &c->talk.me);
}

SEC("iter/bpf_sk_storage_map")
int bh_sweep_tcp(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct bh_session *s = ctx->value;
	const struct bh_facts *facts;
	struct sock *sk = ctx->sk;
	struct bh_event ev;
	struct bh_conv c = {};
	struct tcp_sock *tp;

	if (!sk || !s || !(s->flags & BH_SESSION_BEGUN))
		return 0;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp)
		return 0;
	facts = bpf_sk_storage_get(&bh_facts, sk, 0, 0);
	bh_sweep_ends(sk, facts, &c);
	bh_event_fill(&ev, &c, BH_EVENT_UPDATE);
	bh_event_of_session(&ev, facts, s, tp);
	ev.tcp_flags = bh_tcp_flags_of(tp, 0);
	if (ev.packets[BH_IN] || ev.packets[BH_OUT])
		bpf_seq_write(ctx->meta->seq, &ev, sizeof(ev));
	return 0;
}

char _license[] __weak SEC("license") = "Dual BSD/GPL";
