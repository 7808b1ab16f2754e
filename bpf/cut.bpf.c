// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * cut.bpf.c - destroys sockets whose connection the live generation no longer allows, so that
 * idle ones end too and both ends learn at once. Run by the agent after a flip; the datapath
 * does not wait for it. Needs bpf_sock_destroy (Linux 6.5).
 */
#include "session.h"

extern int bpf_sock_destroy(struct sock_common *sk) __ksym __weak;

/* One line for each socket that was cut: the agent counts them. */
__inline void bh_cut_note(struct seq_file *seq)
{
	char newline = '\n';

	bpf_seq_write(seq, &newline, 1);
}

/*
 * Is this half of the session still allowed? The peer's half is its own socket's, where it is
 * on this host. Its identity is the one the session was judged by; an address is asked anew.
 */
__global int bh_cut_denied(const struct bh_facts *facts, const struct bh_session *s, int local_port,
			   int proto)
{
	struct bh_talk t = {};
	struct bh_ruling r;
	struct bh_run run;

	if (!facts || !s || !bh_run_begin(&run))
		return 0;
	if (s->gen == run.gen)
		return !s->pass;
	if (!s->dir_known || bh_who_of_cgroup(&run, facts->cgid, facts->uid, &t.me) != BH_CONTINUE)
		return 0;
	if (bh_addr_is_loopback(&s->peer) || bh_addr_is_ours(facts->netns, &s->peer))
		bh_who_is(&t.peer, s->remote);
	else if (bh_who_of_addr(&run, &s->peer, BH_ID_WORLD, &t.peer) != BH_CONTINUE)
		return 0;
	t.proto = proto;
	t.dir = s->dir & 1;
	t.port = s->dir == BH_IN ? local_port : s->peer_port;
	__builtin_memset(&r, 0, sizeof(r));
	bh_policy_half(&run, &t, true, &r);
	return !r.pass;
}

SEC("iter/tcp")
int bh_cut_tcp(struct bpf_iter__tcp *ctx)
{
	struct sock_common *sk = ctx->sk_common;
	const struct bh_facts *facts;
	const struct bh_session *s;

	if (!sk || sk->skc_state == BPF_TCP_LISTEN || sk->skc_state == BPF_TCP_TIME_WAIT ||
	    sk->skc_state == BPF_TCP_NEW_SYN_RECV)
		return 0;
	facts = bpf_sk_storage_get(&bh_facts, sk, 0, 0);
	s = bpf_sk_storage_get(&bh_session, sk, 0, 0);
	if (!facts || !s || !bh_cut_denied(facts, s, sk->skc_num, IPPROTO_TCP))
		return 0;
	if (bpf_sock_destroy && !bpf_sock_destroy(sk))
		bh_cut_note(ctx->meta->seq);
	return 0;
}

/* UDP sockets carry no session: their peers are judged again on the next datagram. */
SEC("iter/udp")
int bh_cut_udp(struct bpf_iter__udp *ctx)
{
	return 0;
}

char _license[] __weak SEC("license") = "Dual BSD/GPL";
