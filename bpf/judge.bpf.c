// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * judge.bpf.c - the one who knows: answers `explain`, assertions and the lockout guard with
 * the policy code that judges packets, on the live side or a staged one. Run by
 * BPF_PROG_TEST_RUN, the question as data in, the answer as data out. Counts and tells nothing.
 */
#include "session.h"

/* An XDP program: one of type syscall is sleepable and may not use an LPM trie. */
#define BH_JUDGED    XDP_PASS
#define BH_MISFORMED XDP_ABORTED

__inline void bh_judge_ends(const struct bh_run *run, const struct bh_question *q,
			    struct bh_talk *t)
{
	if (q->flags & BH_Q_LOCAL_CGROUP)
		(void)bh_who_of_cgroup(run, q->local_cgid, q->local_uid, &t->me);
	else
		bh_who_is(&t->me, q->local);
	if (q->flags & BH_Q_REMOTE_CGROUP)
		(void)bh_who_of_cgroup(run, q->remote_cgid, q->remote_uid, &t->peer);
	else if (q->flags & BH_Q_REMOTE_ADDR)
		(void)bh_who_of_addr(run, &q->remote_addr, BH_ID_WORLD, &t->peer);
	else
		bh_who_is(&t->peer, q->remote);
	t->peer.local = !!(q->flags & (BH_Q_REMOTE_CGROUP | BH_Q_PEER_LOCAL));
}

/* The holds as they would be: see BH_Q_AS_IF. */
__inline void bh_judge_as_if(struct bh_run *run, const struct bh_question *q)
{
	if (q->flags & BH_Q_AS_IF)
		run->flags &= ~BH_CTL_QUARANTINE;
	if (q->flags & BH_Q_LESS_GRANTS)
		run->flags |= BH_RUN_LESS_GRANTS;
	if (q->flags & BH_Q_LESS_JIT)
		run->flags |= BH_RUN_LESS_JIT;
	run->without = q->without;
}

/* One half, that of the local end: who asks puts the other question too. */
__global int bh_judge_half(const struct bh_question *q, struct bh_answer *ret)
{
	struct bh_talk t = {};
	struct bh_ruling r;
	struct bh_run run = {};

	if (!q || !ret)
		return 0;
	(void)bh_run_begin(&run);
	if (BH_STAMP_GEN(run.gen) != q->gen)
		run.flags &= ~BH_RUN_FELL;
	run.gen = q->gen;
	run.side = BH_SIDE(q->gen);
	run.now_ns = q->now_ns;
	bh_judge_as_if(&run, q);
	bh_judge_ends(&run, q, &t);
	t.port = q->port;
	t.proto = q->proto;
	t.dir = q->dir & 1;
	__builtin_memset(&r, 0, sizeof(r));
	bh_policy_half(&run, &t, true, &r);
	if (q->flags & BH_Q_HELD)
		bh_ruling_held(&r, q->flags & BH_Q_HELD_HARD, 0);
	ret->deadline_ns = r.deadline_ns;
	ret->local = t.me.seg;
	ret->remote = t.peer.seg;
	ret->class = t.peer.class;
	ret->rule = r.rule;
	ret->would_rule = r.would_rule;
	ret->reason = r.reason;
	ret->pass = r.pass;
	ret->observe = r.observe;
	return 0;
}

SEC("xdp")
int bh_judge(struct xdp_md *ctx)
{
	struct bh_answer answer = {};
	struct bh_question q;

	if (bpf_xdp_get_buff_len(ctx) != sizeof(q) || bpf_xdp_load_bytes(ctx, 0, &q, sizeof(q)))
		return BH_MISFORMED;
	bh_judge_half(&q, &answer);
	if (bpf_xdp_store_bytes(ctx, 0, &answer, sizeof(answer)))
		return BH_MISFORMED;
	return BH_JUDGED;
}

char _license[] __weak SEC("license") = "Dual BSD/GPL";
