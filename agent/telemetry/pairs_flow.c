/* SPDX-License-Identifier: Apache-2.0 */
/* pairs_flow.c - see pairs.h: what an event says about a conversation, if it is one. */
#include <netinet/in.h>
#include <string.h>
#include "pairs_internal.h"
#include "tell.h"

/* --- units ----------------------------------------------------------------------------------------- */

static bool ends_with(const char *s, size_t n, const char *suffix)
{
	size_t m = strlen(suffix);

	return n > m && !memcmp(s + n - m, suffix, m);
}

const char *bh_pairs_unit(const char *cgroup, char ret[BH_PAIRS_UNIT])
{
	const char *at = cgroup;
	size_t n = bh_tell_unit_in(cgroup, &at), bytes = (size_t)(at - cgroup) + n;

	/* a slice is no unit of its own here: what stands in it may be anybody's */
	if (!n || ends_with(at, n, ".slice") || bytes >= BH_PAIRS_UNIT)
		return cgroup;
	memcpy(ret, cgroup, bytes);
	ret[bytes] = '\0';
	return ret;
}

/* --- what it is ------------------------------------------------------------------------------------ */

static bool is_zero(const struct bh_addr *a)
{
	static const struct bh_addr zero;

	return !memcmp(a, &zero, sizeof(zero));
}

/* A socket that was made or bound talks to nobody yet, and a broken packet says nothing. */
static bool is_talk(const struct bh_event *ev)
{
	return ev->hook != BH_HOOK_BIND && ev->hook != BH_HOOK_LISTEN &&
	       ev->hook != BH_HOOK_CREATE && ev->type != BH_EVENT_ALERT && ev->local && ev->proto &&
	       ev->type < BH_EVENT_TYPES && ev->type >= BH_EVENT_BEGIN &&
	       !is_zero(&ev->remote_addr) &&
	       (ev->reason < BH_R_MALFORMED_L2 || ev->reason >= BH_R_DEFAULT_DENY);
}

static enum bh_pair_verdict verdict_of(const struct bh_event *ev)
{
	static const enum bh_pair_verdict of[] = {
		[BH_TELL_ALLOWED] = BH_PAIR_ALLOWED,
		[BH_TELL_DENIED] = BH_PAIR_DENIED,
		[BH_TELL_AUDITED] = BH_PAIR_AUDITED,
		[BH_TELL_ERROR] = BH_PAIR_ERROR,
	};

	return of[bh_tell_verdict(ev)];
}

/* A group or the broadcast address: who hears it there answers from an address of his own. */
static bool is_group(const struct bh_addr *a)
{
	static const __u8 v4[12] = {[10] = 0xff, [11] = 0xff};

	return a->b[0] == 0xff ||
	       (!memcmp(a->b, v4, sizeof(v4)) && ((a->b[12] & 0xf0) == 0xe0 || a->b[12] == 0xff));
}

static struct bh_pair_heard *heard_at(struct bh_pairs *p, const struct bh_pair_heard *h)
{
	__u64 hash = bh_pairs_hash(&h->local, sizeof(h->local)) ^
		     bh_pairs_hash(&h->remote, sizeof(h->remote)) * 3 ^
		     ((__u64)h->local_port << 16 | h->remote_port) * 0x9e3779b97f4a7c15ull >> 20;

	return &p->heard[hash % BH_PAIRS_HEARD];
}

static bool same_ends(const struct bh_pair_heard *a, const struct bh_pair_heard *b)
{
	return a->used && a->local_port == b->local_port && a->remote_port == b->remote_port &&
	       !memcmp(&a->local, &b->local, sizeof(a->local)) &&
	       !memcmp(&a->remote, &b->remote, sizeof(a->remote));
}

/*
 * Where neither side of a UDP conversation is allowed, in observe, its answers are told of as if
 * they were one of their own. Who was told of first began it.
 */
static bool is_answer(struct bh_pairs *p, const struct bh_event *ev)
{
	struct bh_pair_heard *h, now = {.local = ev->local_addr,
					.remote = ev->remote_addr,
					.local_port = ev->local_port,
					.remote_port = ev->remote_port,
					.dir = ev->dir,
					.used = true};
	struct bh_pair_heard group = now;

	if (ev->proto != IPPROTO_UDP || is_zero(&ev->local_addr))
		return false;
	memset(&group.local, 0, sizeof(group.local));
	if (is_group(&now.local))
		now = group;
	h = heard_at(p, &now);
	if (same_ends(h, &now))
		return h->dir != now.dir;
	if (ev->dir == BH_OUT && same_ends(heard_at(p, &group), &group))
		return true;
	*h = now;
	return false;
}

static __u64 times_of(const struct bh_event *ev)
{
	switch (ev->type) {
	case BH_EVENT_BEGIN:
	case BH_EVENT_DENY:
	case BH_EVENT_WOULD_DENY:
		return 1ull + ev->suppressed;
	case BH_EVENT_UPDATE:
		/* nobody tells of the begin of allowed datagrams that come in: each look at them is one */
		return ev->dir == BH_IN && ev->proto != IPPROTO_TCP &&
		       bh_reason_class(ev->reason) != BH_CLASS_DENY;
	default:
		return 0;
	}
}

static __u16 port_of(const struct bh_event *ev)
{
	if (ev->proto == IPPROTO_ICMP || ev->proto == IPPROTO_ICMPV6)
		return ev->icmp;
	return ev->dir == BH_OUT ? ev->remote_port : ev->local_port;
}

bool bh_pairs_flow(struct bh_pairs *p, const struct bh_flow *flow, bool inside, const char *peer)
{
	__u64 added = p->added;
	const struct bh_event *ev = &flow->ev;
	char unit[BH_PAIRS_UNIT], peer_unit[BH_PAIRS_UNIT];
	struct bh_pair row;

	p->count.seen++;
	if (!is_talk(ev)) {
		p->count.skipped++;
		return false;
	}
	if (is_answer(p, ev)) {
		p->count.answers++;
		return false;
	}
	row = (struct bh_pair){
		.unit = flow->cgroup ? bh_pairs_unit(flow->cgroup, unit) : NULL,
		.local = flow->local,
		.remote = flow->remote,
		.rule = flow->rule,
		.uid = ev->uid,
		.port = port_of(ev),
		.proto = ev->proto,
		.dir = ev->dir,
		.verdict = (__u8)verdict_of(ev),
		.inside = inside,
		.crypt = ev->crypt ? (__u8)(1u << (ev->crypt & 7)) : 0,
		.times = times_of(ev),
		.packets = ev->packets[BH_IN] + ev->packets[BH_OUT],
		.bytes = ev->bytes[BH_IN] + ev->bytes[BH_OUT],
		.first_ms = flow->wall_ms,
		.last_ms = flow->wall_ms,
	};
	if (!inside)
		row.addr = ev->remote_addr;
	else if (peer && ev->dir == BH_OUT)
		row.peer = bh_pairs_unit(peer, peer_unit);
	(void)bh_pairs_add(p, &row);
	if (p->added == added)
		return false;
	p->count.fresh++;
	return true;
}
