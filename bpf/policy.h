/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * policy.h - may they? One half of a conversation against one generation's tables, and both
 * halves where both ends are on this host. Reads tables; counts and writes nothing.
 *
 * Precedence (the numbers stand on the branches below and in agent/policy/compile.c):
 *	1 malformed	parse.h, before anybody gets here
 *	2 failsafe
 *	3 quarantine	before it, where failsafes are not to hold either
 *	4 deny		beats an allow at any prefix length and port range
 *	5 grant		asked where 6 and 7 open nothing: the verdict is the same
 *	6 allow		before it: two sockets of one workload
 *	7 default	of the segment and direction
 */
#ifndef BH_POLICY_H
#define BH_POLICY_H

#include "broken.h"
#include "identity.h"
#include "quarantine.h"

#ifndef IPPROTO_UDPLITE
#define IPPROTO_UDPLITE 136
#endif
#ifndef IPPROTO_ICMPV6
#define IPPROTO_ICMPV6 58
#endif
#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

/**
 * struct bh_talk - a conversation as the policy sees it
 * @port: destination port; ICMP: type << 8 | code
 * @dir:  enum bh_dir, seen from @me: who began
 */
struct bh_talk {
	struct bh_who me;
	struct bh_who peer;
	__u16 port;
	__u8 proto;
	__u8 dir;
	__u32 pad;
};

/**
 * struct bh_ruling - what the policy says, and what comes of it
 * @deadline_ns: the earliest deadline it rests on; 0 = none
 * @rule:        who says so: a rule's number or a default's
 * @would_rule:  an observed deny that was skipped on the way; 0 = none
 * @reason:      enum bh_reason
 * @pass:        with the mode: an observed direction passes
 * @observe:     the mode that was applied is observe
 * @report:      an allow on probation: each use is reported
 * @peer_denies: the peer's half passes only because it is observed
 */
struct bh_ruling {
	__u64 deadline_ns;
	__u32 rule;
	__u32 would_rule;
	__u16 reason;
	__u8 pass;
	__u8 observe;
	__u8 report;
	__u8 peer_denies;
	__u8 pad[2];
};

__inline bool bh_ruling_is_deny(const struct bh_ruling *r)
{
	return bh_reason_class(r->reason) == BH_CLASS_DENY;
}

/* A verdict without a policy: by name, in observe too. */
__inline void bh_ruling_set(struct bh_ruling *r, enum bh_reason reason)
{
	r->deadline_ns = 0;
	r->rule = 0;
	r->would_rule = 0;
	r->reason = reason;
	r->pass = bh_reason_class(reason) != BH_CLASS_DENY;
	r->observe = 0;
	r->report = 0;
	r->peer_denies = 0;
	__builtin_memset(r->pad, 0, sizeof(r->pad));
}

__inline const struct bh_seg *bh_seg_get(__u32 side, __u32 identity)
{
	void *segs = bpf_map_lookup_elem(&bh_segs, &side);
	const struct bh_seg *seg = segs ? bpf_map_lookup_elem(segs, &identity) : 0;

	return seg && seg->flags & BH_SEG_VALID ? seg : 0;
}

/* enum bh_seg_flags of a segment; 0 = it is not of this generation. */
__global int bh_seg_flags(const struct bh_run *run, __u32 identity)
{
	const struct bh_seg *seg = run ? bh_seg_get(run->side, identity) : 0;

	return seg ? seg->flags : 0;
}

/* The mode of a direction: the segment's, and above all of them `bulkhead mode observe`. */
__inline bool bh_mode_is_observe(const struct bh_run *run, const struct bh_side *s, __u32 seg_flags)
{
	return run->flags & BH_CTL_OBSERVE || (s && s->flags & BH_SIDE_OBSERVE) ||
	       seg_flags & BH_SEG_OBSERVE;
}

/* The same where nobody was judged: an emergency counts, too. */
__inline bool bh_seg_observes(const struct bh_run *run, __u32 identity)
{
	__u32 side = run->side;

	return run->flags & BH_RUN_OPEN ||
	       bh_mode_is_observe(run, bpf_map_lookup_elem(&bh_sides, &side),
				  bh_seg_flags(run, identity ? identity : BH_ID_UNASSIGNED));
}

/* `listen:` of another segment reserves the port. */
__inline bool bh_port_is_reserved(const struct bh_run *run, __u32 seg, __u16 port, __u8 proto)
{
	__u32 side = run->side;
	void *reserve = bpf_map_lookup_elem(&bh_reserve, &side);
	struct bh_reserve_key key = {.seg = BH_ID_ANY, .port = port, .proto = proto};

	if (!reserve || !bpf_map_lookup_elem(reserve, &key))
		return false;
	key.seg = seg;
	return !bpf_map_lookup_elem(reserve, &key);
}

/* `port: any` speaks of these; every other protocol has to be named by its number. */
__inline bool bh_proto_is_listed(__u8 proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_ICMP ||
	       proto == IPPROTO_ICMPV6 || proto == IPPROTO_UDPLITE;
}

/* --- one entry ---------------------------------------------------------------------------------- */

/**
 * struct bh_half - one half of a conversation while it is judged
 * @me, @peer: the end whose half it is, and the other one
 * @dir:       enum bh_dir, seen from @me
 * @same:      both ends are one workload
 * @s:         this generation's order of precedence
 * @policy:    its table
 * @reason:    what was found; BH_CONTINUE so far
 */
struct bh_half {
	const struct bh_run *run;
	const struct bh_who *me;
	const struct bh_who *peer;
	const struct bh_side *s;
	void *policy;
	struct bh_ruling *r;
	__u16 port;
	__u8 proto;
	__u8 dir;
	__u8 same;
	__u8 pad[3];
	__u32 reason;
};

/* BH_CONTINUE if the rule's own conditions hold, else why not. Deadlines go to @r. */
__global int bh_rule_closed(const struct bh_run *run, __u32 number, struct bh_ruling *r)
{
	const struct bh_rule *row;
	const __u64 *granted;
	__u64 now, until;
	void *rules;
	__u32 side;

	if (!run || !r)
		return BH_R_NO_TABLE;
	side = run->side;
	now = run->now_ns;
	rules = bpf_map_lookup_elem(&bh_rules, &side);
	row = rules ? bpf_map_lookup_elem(rules, &number) : 0;
	if (!row)
		return BH_R_NO_TABLE;
	if (!now && (row->until_ns || row->flags & BH_RULE_JIT))
		now = bpf_ktime_get_boot_ns();
	until = row->until_ns;
	if (row->flags & BH_RULE_JIT) {
		if (run->flags & BH_RUN_LESS_JIT && run->without == number)
			return BH_R_GRANT_MISSING;
		granted = bpf_map_lookup_elem(&bh_jit, &number);
		if (!granted || now >= *granted)
			return BH_R_GRANT_MISSING;
		if (!until || *granted < until)
			until = *granted;
	}
	if (row->flags & BH_RULE_POSTURE)
		return BH_R_POSTURE_UNKNOWN;
	if (row->until_ns && now >= row->until_ns)
		return BH_R_RULE_EXPIRED;
	if (until)
		r->deadline_ns = until;
	return BH_CONTINUE;
}

/*
 * An entry was found: does it decide? BH_CONTINUE if not; a closed allow leaves its reason in
 * the ruling, to be told if nothing else opens.
 */
__inline enum bh_reason bh_entry_decides(const struct bh_half *h, __u8 kind,
					 const struct bh_pol_val *val)
{
	enum bh_reason closed = BH_CONTINUE;
	struct bh_ruling *r = h->r;

	if (kind == BH_KIND_FAILSAFE) { /* 2 */
		if ((val->flags & BH_POL_WIRE && h->peer->local) ||
		    (val->flags & BH_POL_UNIT &&
		     !(h->me->unit_bits & (1u << (val->unit_bit & 31)))))
			return BH_CONTINUE;
		return BH_R_FAILSAFE;
	}
	if (val->flags & BH_POL_ROW)
		closed = bh_rule_closed(h->run, val->rule, r);
	if (kind == BH_KIND_DENY) { /* 4 */
		/* a deny that can't be read stands; one that has ended does not */
		if (closed == BH_R_RULE_EXPIRED)
			return BH_CONTINUE;
		if (!(val->flags & BH_POL_OBSERVE))
			return BH_R_RULE_DENY;
		if (!r->would_rule)
			r->would_rule = val->rule;
		r->deadline_ns = 0;
		return BH_CONTINUE;
	}
	if (closed == BH_CONTINUE) { /* 6 */
		r->report = !!(val->flags & BH_POL_OBSERVE);
		return BH_R_ALLOW;
	}
	if (!r->reason) {
		r->reason = closed;
		r->rule = val->rule;
	}
	return BH_CONTINUE;
}

/* --- the search ---------------------------------------------------------------------------------- */

/* The key that entries of @shape would have for this question. */
__inline void bh_shape_key(const struct bh_half *h, const struct bh_shape *shape,
			   struct bh_pol_key *ret)
{
	ret->local = shape->wild & BH_WILD_LOCAL ? BH_ID_ANY : h->me->seg;
	ret->remote = shape->wild & BH_WILD_REMOTE ? BH_ID_ANY : h->peer->class;
	ret->port = h->port & (0xffff0000u >> (shape->plen & 31));
	ret->plen = shape->plen;
	ret->proto = shape->wild & BH_WILD_PROTO ? 0 : h->proto;
	ret->dir = h->dir;
	ret->kind = shape->kind;
	ret->row = shape->row;
	ret->pad = 0;
}

/* One shape. Return: 0 = go on, 1 = decided. */
static long bh_shape_try(__u32 i, struct bh_half *h)
{
	const struct bh_side *s = h->s;
	const struct bh_pol_val *val;
	const struct bh_shape *shape;
	struct bh_pol_key key;

	if (i >= BH_SHAPES_MAX)
		return 1;
	shape = &s->shape[h->dir & 1][i];
	if (shape->kind == BH_KIND_ALLOW && h->same) {
		h->reason = BH_R_SAME_WORKLOAD;
		return 1;
	}
	if (shape->wild & BH_WILD_PROTO && !bh_proto_is_listed(h->proto))
		return 0;
	bh_shape_key(h, shape, &key);
	val = bpf_map_lookup_elem(h->policy, &key);
	if (!val)
		return 0;
	h->reason = bh_entry_decides(h, shape->kind, val);
	if (h->reason == BH_CONTINUE)
		return 0;
	h->r->rule = val->rule;
	return 1;
}

__inline void bh_policy_default(const struct bh_half *h, const struct bh_seg *seg)
{
	bool open = seg->flags & (h->dir == BH_IN ? BH_SEG_INGRESS_ALLOW : BH_SEG_EGRESS_ALLOW);
	bool listed = bh_proto_is_listed(h->proto);
	struct bh_ruling *r = h->r;

	if (open && listed) {
		r->reason = BH_R_DEFAULT_ALLOW;
	} else if (!r->reason) {
		r->reason = listed ? BH_R_DEFAULT_DENY : BH_R_PROTOCOL;
	} else {
		/* a rule that is closed for now is a better answer than the default */
		return;
	}
	r->rule = seg->default_rule[h->dir & 1];
}

/*
 * Tuple space search: one exact probe per shape that occurs, in the compiler's order of
 * precedence, so the first entry that decides is the answer. By bpf_loop(): the verifier
 * looks at the body once, and the kernel inlines the loop.
 */
__inline void bh_policy_search(struct bh_half *h, const struct bh_seg *seg)
{
	bpf_loop(h->s->n_shapes[h->dir & 1], bh_shape_try, h, 0);
	if (h->reason == BH_CONTINUE && h->same)
		h->reason = BH_R_SAME_WORKLOAD;
	if (h->reason != BH_CONTINUE)
		h->r->reason = h->reason;
	else if (seg)
		bh_policy_default(h, seg); /* 7 */
	else
		h->r->reason = BH_R_NO_IDENTITY;
}

/*
 * Every table of this run is of one generation (promise P1). Broken: what a second look at the
 * control word would find if a flip came between the two halves, each time.
 */
__inline __u32 bh_policy_side(const struct bh_run *run, int mine)
{
	return bh_broken(1) && !mine ? run->side ^ 1 : run->side;
}

/* The tables that this run goes by: of its own generation, or of the one it fell back to. */
__inline bool bh_side_is_of(const struct bh_side *s, const struct bh_run *run)
{
	__u64 gen = BH_STAMP_GEN(run->gen);

	return s->gen == gen || (run->flags & BH_RUN_FELL && s->gen && s->gen < gen) ||
	       bh_broken(1);
}

/*
 * In an emergency what no rule allows passes, and not what is denied by name. It rests on the
 * emergency's end then; one that was ended meanwhile is over.
 */
__inline void bh_ruling_emergency(const struct bh_run *run, struct bh_ruling *r)
{
	const struct bh_ctl *ctl;

	if (!(run->flags & BH_RUN_OPEN) || r->pass || r->reason == BH_R_RULE_DENY ||
	    r->reason == BH_R_QUARANTINE)
		return;
	ctl = bh_ctl_get();
	r->deadline_ns = ctl && ctl->open_ns ? ctl->open_ns : 1;
	r->observe = 1;
	r->pass = 1;
}

/* --- grants and quarantine ------------------------------------------------------------------------- */

/* One grant. Return: 0 = go on, 1 = it opens. */
static long bh_grant_try(__u32 i, struct bh_half *h)
{
	const struct bh_grant *g = bpf_map_lookup_elem(&bh_grants, &i);
	const struct bh_who *from = h->dir == BH_OUT ? h->me : h->peer;
	const struct bh_who *to = h->dir == BH_OUT ? h->peer : h->me;
	__u64 now;

	if (!g || !g->until_ns)
		return 0;
	if (h->run->flags & BH_RUN_LESS_GRANTS && h->run->without >> (i & 63) & 1)
		return 0;
	if ((g->from && g->from != from->seg) || (g->to && g->to != to->seg))
		return 0;
	if (g->proto ? g->proto != h->proto : !bh_proto_is_listed(h->proto))
		return 0;
	if (h->port < g->port || h->port > g->port_to)
		return 0;
	/* whose user it is at another host nobody knows here */
	if (g->uid != BH_NO_UID && (!from->local || from->uid != g->uid))
		return 0;
	now = h->run->now_ns ? h->run->now_ns : bpf_ktime_get_boot_ns();
	if (now >= g->until_ns)
		return 0;
	h->r->reason = BH_R_GRANT;
	h->r->rule = 0;
	h->r->deadline_ns = g->until_ns;
	return 1;
}

/* Slot + 1 of the harder quarantine that either end is in; 0 = none. */
__global int bh_quarantine_ask(const struct bh_run *run, const struct bh_talk *t)
{
	__u32 mine, theirs;

	if (!run || !t)
		return 0;
	mine = bh_who_held(run, &t->me);
	theirs = bh_who_held(run, &t->peer);
	return bh_quarantine_of(run, theirs) > bh_quarantine_of(run, mine) ? theirs : mine;
}

/* Nothing opens for who is in quarantine but, unless it is a hard one, a failsafe. */
__inline void bh_ruling_held(struct bh_ruling *r, bool hard, __u64 until_ns)
{
	if (r->reason == BH_R_FAILSAFE && !hard)
		return;
	bh_ruling_set(r, BH_R_QUARANTINE);
	r->deadline_ns = until_ns;
}

__inline void bh_ruling_hold(const struct bh_run *run, struct bh_ruling *r, __u32 slot)
{
	const struct bh_quarantine *q = bpf_map_lookup_elem(&bh_quarantine, &slot);

	bh_ruling_held(r, !q || q->flags & BH_QUARANTINE_HARD, q ? q->until_ns : 0);
}

/**
 * bh_policy_half - judge one half
 * @mine: t->me's half, else t->peer's
 *
 * Return: 0; the answer is in @r.
 */
__global int bh_policy_half(const struct bh_run *run, const struct bh_talk *t, int mine,
			    struct bh_ruling *r)
{
	struct bh_half h = {};
	const struct bh_seg *seg;
	__u32 side;
	int held;

	if (!run || !t || !r)
		return 0;
	h.run = run;
	h.me = mine ? &t->me : &t->peer;
	h.peer = mine ? &t->peer : &t->me;
	h.r = r;
	h.port = t->port;
	h.proto = t->proto;
	h.dir = mine ? t->dir & 1 : !t->dir;
	h.same = t->peer.local && bh_who_same(&t->me, &t->peer);
	side = bh_policy_side(run, mine);
	h.s = bpf_map_lookup_elem(&bh_sides, &side);
	h.policy = bpf_map_lookup_elem(&bh_policy, &side);
	seg = bh_seg_get(side, h.me->seg);

	bh_ruling_set(r, BH_CONTINUE);
	r->observe = bh_mode_is_observe(run, h.s, seg ? seg->flags : 0);
	if (!h.s || !h.policy || !bh_side_is_of(h.s, run))
		r->reason = BH_R_NO_TABLE;
	else
		bh_policy_search(&h, seg);
	if (run->flags & BH_CTL_GRANTS && bh_ruling_is_deny(r) && r->reason != BH_R_RULE_DENY)
		bpf_loop(BH_GRANTS_MAX, bh_grant_try, &h, 0); /* 5 */
	r->pass = !bh_ruling_is_deny(r) || r->observe;
	if (run->flags & BH_CTL_QUARANTINE) {
		held = bh_quarantine_ask(run, t); /* 3 */
		if (held)
			bh_ruling_hold(run, r, held - 1);
	}
	bh_ruling_emergency(run, r);
	return 0;
}

/* --- both halves ---------------------------------------------------------------------------------- */

/**
 * bh_policy_judge - judge a conversation: my half, and the peer's if it is on this host
 *
 * The peer's half counts for this verdict; it is counted and reported where its socket is.
 */
__global int bh_policy_judge(const struct bh_run *run, const struct bh_talk *t,
			     struct bh_ruling *ret)
{
	struct bh_ruling other;

	if (!run || !t || !ret)
		return 0;
	bh_policy_half(run, t, true, ret);
	if (!t->peer.local || !ret->pass)
		return 0;
	__builtin_memset(&other, 0, sizeof(other));
	bh_policy_half(run, t, false, &other);
	if (!other.pass) {
		*ret = other;
		if (t->dir == BH_OUT)
			ret->reason = BH_R_PEER_DENIES;
		return 0;
	}
	ret->peer_denies = bh_ruling_is_deny(&other);
	if (other.deadline_ns && (!ret->deadline_ns || other.deadline_ns < ret->deadline_ns))
		ret->deadline_ns = other.deadline_ns;
	return 0;
}

#endif
