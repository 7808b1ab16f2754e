/* SPDX-License-Identifier: Apache-2.0 */
/*
 * asserts.c - see asserts.h. A port range is not asked port by port: between two borders that
 * the table has, every port gets the same answer, so one of each stretch is asked.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include "asserts.h"

/* A microsecond each: more would hold the agent for seconds. */
#define QUESTIONS_MAX 1000000

struct trial {
	struct bh_agent *a;
	const struct bh_map *map;
	const struct bh_compiled *c;
	__u64 gen;
	const struct bh_assert *what;
	__u16 *border; /* ports at which a stretch begins, ascending; for one protocol */
	size_t n_border;
	size_t asked;
	struct bh_diags *d;
	bool failed;
};

/* --- where ------------------------------------------------------------------------------------ */

static bool may_be_local(const struct bh_map *map, size_t seg)
{
	const struct bh_segment *s = &map->segment[seg];

	if (s->reserved)
		return seg != BH_SEG_WORLD;
	for (size_t i = 0; i < s->n_match; i++) {
		const struct bh_match *m = &s->match[i];

		if (m->unit.n || m->cgroup.n || m->user.n || m->group.n)
			return true;
	}
	return false;
}

static int port_cmp(const void *a, const void *b)
{
	return *(const __u16 *)a - *(const __u16 *)b;
}

/* Every port of @proto where some entry of the table begins, or the one after its end. */
static int find_borders(struct trial *t, __u8 proto)
{
	_cleanup_free_ __u16 *v = malloc((2 * t->c->policy.n + 1) * sizeof(*v));
	size_t n = 0, to = 0;

	if (!v)
		return -ENOMEM;
	v[n++] = 0;
	for (size_t i = 0; i < t->c->policy.n; i++) {
		const struct bh_pol_key *k = &t->c->policy.bh_pol_key[i];
		__u32 end;

		if ((k->proto && k->proto != proto) || !k->plen)
			continue;
		end = k->port + (1u << (16 - k->plen));
		v[n++] = k->port;
		if (end <= 0xffff)
			v[n++] = (__u16)end;
	}
	qsort(v, n, sizeof(*v), port_cmp);
	for (size_t i = 0; i < n; i++)
		if (!to || v[to - 1] != v[i])
			v[to++] = v[i];
	free(t->border);
	t->border = TAKE_PTR(v);
	t->n_border = to;
	return 0;
}

/* --- ask -------------------------------------------------------------------------------------- */

static int ask(struct trial *t, size_t local, size_t remote, struct bh_question *q,
	       bool *ret_allowed)
{
	struct bh_answer answer;
	int r;

	q->gen = t->gen;
	q->now_ns = t->a->clock->boot_ns();
	q->local = t->c->identity[local];
	q->remote = t->c->identity[remote];
	t->asked++;
	r = bh_kern_judge(t->a->kern, q, &answer);
	if (r < 0)
		return r;
	*ret_allowed = bh_reason_class(answer.reason) != BH_CLASS_DENY;
	return 0;
}

static void did_not_hold(struct trial *t, size_t from, size_t to, const struct bh_question *q)
{
	struct bh_where where = bh_map_where(t->map, t->what->pos);
	const struct protoent {
		__u8 proto;
		const char *name;
	} names[] = {{IPPROTO_TCP, "tcp"},
		     {IPPROTO_UDP, "udp"},
		     {IPPROTO_UDPLITE, "udplite"},
		     {IPPROTO_ICMP, "icmp"},
		     {IPPROTO_ICMPV6, "icmp6"}};
	const char *name = NULL;
	char what[40];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].proto == q->proto)
			name = names[i].name;
	if (!name)
		snprintf(what, sizeof(what), "proto/%u", q->proto);
	else if (q->proto == IPPROTO_ICMP || q->proto == IPPROTO_ICMPV6)
		snprintf(what, sizeof(what), "%s type %u code %u", name, q->port >> 8,
			 q->port & 0xff);
	else
		snprintf(what, sizeof(what), "%s/%u", name, q->port);
	t->failed = true;
	(void)bh_diag_add(t->d, BH_ERROR, &where, "change the rules, or what the assert expects",
			  "assert '%s' does not hold: %s -> %s %s is %s", t->what->id,
			  t->map->segment[from].name, t->map->segment[to].name, what,
			  t->what->expect_allow ? "denied" : "allowed");
}

/* One connection: the sender's half and the receiver's, where they can be on a host. */
static int ask_both(struct trial *t, size_t from, size_t to, __u8 proto, __u16 port)
{
	bool out = may_be_local(t->map, from), in = may_be_local(t->map, to);
	struct bh_question q = {.proto = proto, .port = port};
	bool allowed = true;
	int r = 0;

	/* neither: then what the rules say of both */
	if (!out && !in)
		out = in = true;
	if (out) {
		q.dir = BH_OUT;
		r = ask(t, from, to, &q, &allowed);
	}
	if (r == 0 && in && allowed) {
		q.dir = BH_IN;
		r = ask(t, to, from, &q, &allowed);
	}
	if (r == 0 && allowed != t->what->expect_allow)
		did_not_hold(t, from, to, &q);
	return r;
}

static int ask_range(struct trial *t, size_t from, size_t to, __u8 proto, __u32 lo, __u32 hi)
{
	int r = ask_both(t, from, to, proto, (__u16)lo);

	for (size_t i = 0; r == 0 && !t->failed && i < t->n_border && t->border[i] <= hi; i++) {
		if (t->border[i] <= lo)
			continue;
		r = ask_both(t, from, to, proto, t->border[i]);
		if (t->asked > QUESTIONS_MAX) {
			struct bh_where where = bh_map_where(t->map, t->what->pos);

			return bh_diag_add(t->d, BH_ERROR, &where,
					   "name fewer segments or ports in one assert",
					   "assert '%s' takes more than %d questions", t->what->id,
					   QUESTIONS_MAX);
		}
	}
	return r;
}

/* --- each pair, each port ----------------------------------------------------------------------- */

/* Calls for every segment of a selector; `any` is all of them. */
static size_t sel_count(const struct bh_map *map, const struct bh_sel *sel)
{
	return sel->any ? map->n_segment : sel->n_seg;
}

static size_t sel_at(const struct bh_sel *sel, size_t i)
{
	return sel->any ? i : sel->seg[i];
}

static int hold_range(struct trial *t, __u8 proto, __u32 lo, __u32 hi)
{
	const struct bh_sel *from = &t->what->from, *to = &t->what->to;
	int r = find_borders(t, proto);

	for (size_t i = 0; r == 0 && !t->failed && i < sel_count(t->map, from); i++)
		for (size_t j = 0; r == 0 && !t->failed && j < sel_count(t->map, to); j++)
			r = ask_range(t, sel_at(from, i), sel_at(to, j), proto, lo, hi);
	return r;
}

static int hold_port(struct trial *t, const struct bh_port *p)
{
	static const __u8 every[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDPLITE, IPPROTO_ICMP,
				     IPPROTO_ICMPV6};
	bool icmp = p->proto == IPPROTO_ICMP || p->proto == IPPROTO_ICMPV6;
	__u32 lo = p->any_port ? 0 : p->lo;
	__u32 hi = p->any_port ? 0xffff : icmp && p->any_code ? p->lo | 0xffu : p->hi;
	int r = 0;

	if (!p->proto) {
		for (size_t i = 0; r == 0 && i < ARRAY_SIZE(every); i++)
			r = hold_range(t, every[i], lo, hi);
		return r;
	}
	/* port 0 is malformed before policy is asked */
	if (p->any_port && !icmp)
		lo = 1;
	if (!p->both_icmp || p->icmp_v4 || p->any_port)
		r = hold_range(t, p->proto, lo, hi);
	if (r == 0 && p->both_icmp && (p->icmp_v6 || p->any_port)) {
		lo = p->any_port ? 0 : p->lo6;
		hi = p->any_port ? 0xffff : p->any_code ? p->lo6 | 0xffu : p->lo6;
		r = hold_range(t, IPPROTO_ICMPV6, lo, hi);
	}
	return r;
}

int bh_asserts_hold(struct bh_agent *a, const struct bh_map *map, const struct bh_compiled *c,
		    __u64 gen, struct bh_diags *d)
{
	struct trial t = {.a = a, .map = map, .c = c, .gen = gen, .d = d};
	bool any_failed = false;
	int r = 0;

	for (size_t i = 0; r == 0 && i < map->n_assertion; i++) {
		t.what = &map->assertion[i];
		t.failed = false;
		/* the first that does not fit is enough: a line, not a list */
		for (size_t j = 0; r == 0 && !t.failed && j < t.what->port.n; j++)
			r = hold_port(&t, &t.what->port.v[j]);
		any_failed |= t.failed;
	}
	free(t.border);
	if (r < 0 && !d->n_errors)
		(void)bh_diag_add(d, BH_ERROR, NULL, NULL, "can't ask bh_judge: %s", strerror(-r));
	return r ? r : any_failed ? -EINVAL : 0;
}
