/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * verdict.h - the only place that turns a reason into what happens: counts it, tells about it,
 * and says pass or drop. Every entry point ends here.
 */
#ifndef BH_VERDICT_H
#define BH_VERDICT_H

#include "session.h"

/* How much is told. A deny always is. */
enum bh_tell {
	BH_TELL_DENY,  /* somebody else tells of the session */
	BH_TELL_WOULD, /* and what would have been denied, in observe */
	BH_TELL_BEGIN, /* and that a session begins */
};

/* How much is told of what lets others in: of a rule on probation, each use. */
__inline int bh_tell_of(const struct bh_ruling *r, int otherwise)
{
	return r->report ? BH_TELL_BEGIN : otherwise;
}

__inline void bh_count_add(struct bh_count *n, __u32 packets, __u32 bytes)
{
	if (!n)
		return;
	/* atomic for the reason given at bh_stat_add() */
	__sync_fetch_and_add(&n->packets, packets);
	__sync_fetch_and_add(&n->bytes, bytes);
}

__inline void bh_count_reason(__u32 reason, __u32 packets, __u32 bytes)
{
	bh_count_add(bpf_map_lookup_elem(&bh_reasons, &reason), packets, bytes);
}

__inline void bh_count_rule(__u32 rule, __u32 packets, __u32 bytes)
{
	if (rule)
		bh_count_add(bpf_map_lookup_elem(&bh_rule_hits, &rule), packets, bytes);
}

/* --- events -------------------------------------------------------------------------------------- */

/* sent + suppressed + lost = seen, exactly */
__inline void bh_event_lost(void)
{
	bh_stat_add(BH_STAT_EVENTS_SEEN);
	bh_stat_add(BH_STAT_EVENTS_LOST);
}

/* Denies alike: so many at once, and then one in so long. */
#define BH_DENIED_BURST	   20
#define BH_DENIED_EVERY_NS (BH_SECOND_NS / 10)

/*
 * May this deny be told? A bucket for each kind, as in "generic cell rate algorithm": one word says
 * when it is full again. Two at once on two CPUs may both be told, or neither counted to it: how
 * many were told and how many were not stands in bh_stats, exactly.
 * Return: how many were not told since the last that was, -1 = this one isn't either.
 */
__global __s64 bh_denied_told(const struct bh_conv *c, const struct bh_ruling *r, int type)
{
	const struct bh_denied_val first = {};
	struct bh_denied_key key = {};
	__u64 now_ns, full_ns;
	struct bh_denied_val *v;

	if (!c || !r)
		return 0;
	key.local = c->talk.me.seg;
	key.remote = c->talk.peer.seg;
	key.rule = r->rule;
	key.port = c->talk.port;
	key.reason = r->reason;
	key.proto = c->talk.proto;
	key.type = type;
	key.dir = c->talk.dir;
	v = bpf_map_lookup_elem(&bh_denied, &key);
	if (!v) {
		bpf_map_update_elem(&bh_denied, &key, &first, BPF_NOEXIST);
		v = bpf_map_lookup_elem(&bh_denied, &key);
		if (!v)
			return 0;
	}
	now_ns = bpf_ktime_get_boot_ns();
	full_ns = v->full_ns;
	if (full_ns < now_ns)
		full_ns = now_ns;
	if (full_ns - now_ns > (BH_DENIED_BURST - 1) * BH_DENIED_EVERY_NS) {
		__sync_fetch_and_add(&v->suppressed, 1);
		bh_stat_add(BH_STAT_EVENTS_SEEN);
		bh_stat_add(BH_STAT_EVENTS_SUPPRESSED);
		return -1;
	}
	v->full_ns = full_ns + BH_DENIED_EVERY_NS;
	return v->suppressed ? __sync_lock_test_and_set(&v->suppressed, 0) : 0;
}

/* What both kinds of record have in common. */
__inline void bh_event_fill(struct bh_event *ev, const struct bh_conv *c, __u8 type)
{
	__builtin_memset(ev, 0, sizeof(*ev));
	ev->time_ns = bpf_ktime_get_boot_ns();
	ev->cgid = c->cgid;
	ev->local_addr = c->local_addr;
	ev->local_port = c->local_port;
	ev->local = c->talk.me.seg;
	ev->uid = c->talk.me.uid;
	ev->ifindex = c->ifindex;
	ev->pid = c->pid;
	ev->type = type;
	ev->hook = c->hook;
	ev->proto = c->talk.proto;
}

__inline void bh_event_begin(struct bh_event *ev, const struct bh_conv *c, __u8 type)
{
	bh_stat_add(BH_STAT_EVENTS_SEEN);
	bh_stat_add(BH_STAT_EVENTS_SENT);
	bh_event_fill(ev, c, type);
}

__inline void bh_event_session(const struct bh_run *run, const struct bh_conv *c,
			       const struct bh_ruling *r, __u8 type)
{
	bool skipped = type == BH_EVENT_WOULD_DENY && r->would_rule;
	struct bh_event *ev;
	__s64 suppressed = 0;

	if (type != BH_EVENT_BEGIN)
		suppressed = bh_denied_told(c, r, type);
	if (suppressed < 0)
		return;
	ev = bpf_ringbuf_reserve(&bh_events, sizeof(*ev), 0);
	if (!ev) {
		bh_event_lost();
		return;
	}
	bh_event_begin(ev, c, type);
	/* a packet comes to whoever runs */
	if (c->hook >= BH_HOOK_CONNECT && c->hook <= BH_HOOK_CREATE)
		(void)bh_current_pid(ev->comm);
	ev->suppressed = suppressed > 0xffffffff ? 0xffffffff : suppressed;
	ev->gen = BH_STAMP_GEN(run->gen);
	ev->begin_ns = ev->time_ns;
	ev->remote_addr = c->remote_addr;
	ev->remote_port = c->remote_port;
	ev->remote = c->talk.peer.seg;
	ev->dir = c->talk.dir;
	ev->rule = skipped ? r->would_rule : r->rule;
	ev->reason = skipped ? BH_R_RULE_DENY : r->reason;
	if (ev->proto == IPPROTO_ICMP || ev->proto == IPPROTO_ICMPV6) {
		ev->icmp = c->talk.port;
		ev->local_port = ev->remote_port = 0;
	}
	bpf_ringbuf_submit(ev, 0);
}

/* --- the end ------------------------------------------------------------------------------------- */

/**
 * bh_verdict - what becomes of it
 * @tell: enum bh_tell: how much of a pass is told
 *
 * Counts the reason and the rule, tells of denies, would-be denies and begun sessions.
 * Return: 1 = pass, 0 = drop.
 */
__global int bh_verdict(const struct bh_run *run, struct bh_conv *c, const struct bh_ruling *r,
			int tell)
{
	__u32 packets;
	__u8 type = 0;

	if (!run || !c || !r)
		return 0;
	/* a call (connect, bind) has no packet; what policy lets pass is counted when one comes */
	packets = c->packets;
	if (!packets && bh_reason_class(r->reason) != BH_CLASS_PASS)
		packets = 1;
	bh_count_reason(r->reason, packets, c->bytes);
	bh_count_rule(r->rule, packets, c->bytes);
	if (!r->pass)
		type = BH_EVENT_DENY;
	else if (tell >= BH_TELL_WOULD && (bh_ruling_is_deny(r) || r->would_rule))
		type = BH_EVENT_WOULD_DENY;
	else if (tell >= BH_TELL_BEGIN && bh_reason_class(r->reason) == BH_CLASS_PASS)
		type = BH_EVENT_BEGIN;
	if (type)
		bh_event_session(run, c, r, type);
	c->rule = r->rule;
	c->reason = r->reason;
	return !!r->pass;
}

/* Is either end in quarantine, or is one not known that may be? */
__global int bh_named_is_held(const struct bh_run *run, const struct bh_talk *t, int reason)
{
	if (!run || !t || !(run->flags & BH_CTL_QUARANTINE))
		return 0;
	return reason == BH_R_CGROUP_UNKNOWN || (reason == BH_R_NO_STORAGE && !t->me.seg) ||
	       bh_quarantine_ask(run, t);
}

/**
 * bh_verdict_named - a reason that needs no policy, on the same way out
 *
 * Denies by name have a mode too, the local end's; what is malformed has none, nor has who is in
 * quarantine, and where the local end is not known the mode of `unassigned` speaks for the map.
 */
__global int bh_verdict_named(const struct bh_run *run, struct bh_conv *c, int reason)
{
	struct bh_ruling r;

	if (!run || !c)
		return 0;
	bh_ruling_set(&r, reason);
	if (reason >= BH_R_DEFAULT_DENY && reason != BH_R_QUARANTINE &&
	    bh_seg_observes(run, c->talk.me.seg) && !bh_named_is_held(run, &c->talk, reason))
		r.pass = r.observe = 1;
	if (bh_broken(4) && reason == BH_R_NO_STORAGE)
		r.pass = 1;
	return bh_verdict(run, c, &r, BH_TELL_WOULD);
}

/* A packet of a session that was judged before. TCP counts it for us: bpf/flow.h. */
__inline bool bh_verdict_hit(const struct bh_session *s, __u32 packets, __u32 bytes)
{
	bh_count_reason(s->reason, packets, bytes);
	bh_count_rule(s->rule, packets, bytes);
	return s->pass;
}

#endif
