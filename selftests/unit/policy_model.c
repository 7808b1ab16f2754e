/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy_model.c - the compiled tables against a second opinion: random maps and questions at
 * their edges, answered once by a walk over the map as it is written and once by the tables.
 */
#include "policydraft.h"
#include "policyrig.h"

#include <netinet/in.h>
#include <string.h>
#include "../../agent/policy/cidr.h"

/* --- a random question ------------------------------------------------------------------------------ */

struct question {
	size_t local;	 /* index in bh_map.segment */
	bool peer_local; /* then @remote is its segment */
	size_t remote;
	struct bh_addr addr; /* else its address */
	const char *unit;    /* the local end is of this unit, NULL = of none */
	__u8 proto, dir;
	__u16 port;
	bool later; /* the year 2028: every deadline has passed */
};

/* The first or last address of @cidr, or the one before or behind it. */
static struct bh_addr edge_of(const struct bh_cidr *cidr)
{
	struct bh_addr a = cidr->addr;
	__u32 which = pol_roll(4);

	if (which >= 2)
		for (int bit = cidr->plen; bit < 128; bit++)
			a.b[bit / 8] |= (__u8)(0x80 >> bit % 8);
	if (which == 0 || which == 3)
		return a;
	for (int i = 15; i >= 0; i--) {
		a.b[i] = (__u8)(which == 1 ? a.b[i] - 1 : a.b[i] + 1);
		if (a.b[i] != (which == 1 ? 0xff : 0))
			break;
	}
	return a;
}

static struct bh_addr random_addr(void)
{
	static const char *const others[] = {"fe80::1", "febf::1",   "fec0::1",
					     "fe7f::1", "8.8.8.8",   "::2",
					     "4000::1", "10.0.0.77", "2001:db8::77"};
	struct bh_cidr cidr;
	struct bh_fault f;

	if (pol_one_in(6))
		return pol_addr(pol_pick(others));
	assert_int_equal(bh_cidr_parse(pol_prefix(), &cidr, &f), 0);
	return edge_of(&cidr);
}

/* A port at or beside an edge of one that rules name. */
static __u16 random_port(void)
{
	static const __u16 edges[] = {1,    22,	  53,	80,   81,   443,   1023,  1024, 1025,
				      8000, 8080, 8088, 8089, 8191, 32767, 32768, 65535};

	return pol_one_in(4) ? (__u16)pol_roll(65536) : (__u16)(pol_pick(edges) + pol_roll(3) - 1);
}

static struct question random_question(const struct bh_map *map)
{
	static const __u8 protos[] = {
		IPPROTO_TCP,	IPPROTO_TCP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP,
		IPPROTO_ICMPV6, 136,	     47,	  132,	       50};
	struct question q = {
		.local = pol_roll((__u32)map->n_segment),
		.peer_local = pol_one_in(3),
		.remote = pol_roll((__u32)map->n_segment),
		.addr = random_addr(),
		.proto = pol_pick(protos),
		.dir = (__u8)pol_roll(2),
		.port = random_port(),
		.later = pol_one_in(4),
	};

	if (q.proto == IPPROTO_ICMP || q.proto == IPPROTO_ICMPV6) {
		static const __u8 types[] = {0, 1, 3, 8, 128, 129, 255};

		q.port = (__u16)(pol_pick(types) << 8 | (pol_one_in(2) ? 0 : pol_roll(256)));
	}
	if (q.local >= BH_SEG_N_RESERVED && pol_one_in(2))
		q.unit = map->segment[q.local].match[0].unit.v[0].s;
	return q;
}

/* --- the second opinion: the map as it is written ------------------------------------------------------ */

static bool addr_in(const struct bh_cidr *cidr, const struct bh_addr *addr)
{
	static const __u8 mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (cidr->v4 != !memcmp(addr->b, mapped, 12))
		return false;
	for (int bit = 0; bit < cidr->plen; bit++)
		if ((cidr->addr.b[bit / 8] ^ addr->b[bit / 8]) & (0x80 >> bit % 8))
			return false;
	return true;
}

static bool is_link_local(const struct bh_addr *addr)
{
	return addr->b[0] == 0xfe && addr->b[1] >= 0x80 && addr->b[1] <= 0xbf;
}

/* The longest prefix by which @addr is in segment @seg, or -1. */
static int how_deep(const struct bh_map *map, size_t seg, const struct bh_addr *addr)
{
	const struct bh_segment *s = &map->segment[seg];
	int deepest = -1;

	if (is_link_local(addr))
		return -1;
	for (size_t i = 0; i < s->n_match; i++) {
		const struct bh_match *m = &s->match[i];
		bool hole = false;

		for (size_t j = 0; j < m->n_except; j++)
			hole |= addr_in(&m->except[j], addr);
		for (size_t j = 0; j < m->n_cidr && !hole; j++)
			if (addr_in(&m->cidr[j], addr))
				deepest = MAX(deepest, m->cidr[j].plen);
	}
	return deepest;
}

static size_t segment_of(const struct bh_map *map, const struct bh_addr *addr)
{
	size_t best = BH_SEG_WORLD;
	int deepest = -1;

	for (size_t i = 0; i < map->n_segment; i++) {
		int depth = how_deep(map, i, addr);

		if (depth > deepest) {
			deepest = depth;
			best = i;
		}
	}
	return best;
}

static bool port_is_in(const struct bh_port *p, const struct question *q)
{
	bool icmp = q->proto == IPPROTO_ICMP || q->proto == IPPROTO_ICMPV6;

	if (p->proto == 0)
		return icmp || q->proto == IPPROTO_TCP || q->proto == IPPROTO_UDP ||
		       q->proto == 136;
	if (p->both_icmp) {
		bool v6 = q->proto == IPPROTO_ICMPV6;
		__u16 want = v6 ? p->lo6 : p->lo;

		if (!icmp || !(v6 ? p->icmp_v6 : p->icmp_v4))
			return false;
		return p->any_port || (p->any_code ? want >> 8 == q->port >> 8 : want == q->port);
	}
	if (p->proto != q->proto)
		return false;
	return p->any_port || (q->port >= p->lo && q->port <= p->hi);
}

static bool ports_have(const struct bh_ports *list, const struct question *q)
{
	for (size_t i = 0; i < list->n; i++)
		if (port_is_in(&list->v[i], q))
			return true;
	return false;
}

static bool sel_has(const struct bh_sel *sel, size_t seg)
{
	for (size_t i = 0; i < sel->n_seg; i++)
		if (sel->seg[i] == seg)
			return true;
	return sel->any;
}

/* Whether a deny of @sel reaches an address of segment @seg. */
static bool sel_reaches(const struct bh_map *map, const struct bh_sel *sel, size_t seg,
			const struct question *q)
{
	if (sel_has(sel, seg))
		return true;
	for (size_t i = 0; i < sel->n_seg && !q->peer_local; i++)
		if (how_deep(map, sel->seg[i], &q->addr) >= 0)
			return true;
	return false;
}

static bool failsafe_holds(const struct bh_rule_src *rule, const struct question *q)
{
	const struct bh_sel *sel = q->dir == BH_IN ? &rule->from : &rule->to;
	bool inside = false, unit = !rule->unit.n;

	if (q->peer_local || is_link_local(&q->addr) || !ports_have(&rule->port, q))
		return false;
	for (size_t i = 0; i < sel->n_cidr; i++)
		inside |= addr_in(&sel->cidr[i], &q->addr);
	for (size_t i = 0; i < rule->unit.n; i++)
		unit |= q->unit && !strcmp(rule->unit.v[i].s, q->unit);
	return inside && unit;
}

static bool rule_speaks(const struct bh_map *map, const struct bh_rule_src *rule, size_t remote,
			const struct question *q)
{
	const struct bh_sel *mine = q->dir == BH_OUT ? &rule->from : &rule->to;
	const struct bh_sel *theirs = q->dir == BH_OUT ? &rule->to : &rule->from;

	if (!sel_has(mine, q->local) || !ports_have(&rule->port, q))
		return false;
	return rule->kind == BH_RULE_DENY ? sel_reaches(map, theirs, remote, q)
					  : sel_has(theirs, remote);
}

static __s64 now_s(bool later)
{
	return pol_now.wall_s + (later ? 2 * 365 * 86400 : 0);
}

static bool has_ended(const struct bh_rule_src *rule, const struct question *q)
{
	__s64 now = now_s(q->later);

	return rule->until_s && rule->until_s <= now;
}

struct opinion {
	int kind;
	bool would;	    /* an observed deny speaks */
	bool plain, report; /* among the rules that decide: one that reports not, one that does */
	bool closed;	    /* an allow speaks that is closed */
	bool decides[64];   /* by index in bh_map.rule */
};

static struct opinion opinion_of(const struct bh_map *map, const struct question *q)
{
	struct opinion o = {.kind = BH_KIND_MAX};
	size_t remote = q->peer_local ? q->remote : segment_of(map, &q->addr);

	for (int kind = BH_KIND_FAILSAFE; kind < BH_KIND_MAX && o.kind == BH_KIND_MAX; kind++)
		for (size_t i = 0; i < map->n_rule; i++) {
			const struct bh_rule_src *rule = &map->rule[i];
			bool observe = rule->mode == BH_MODE_OBSERVE;

			if (kind == BH_KIND_FAILSAFE) {
				if (rule->kind != BH_RULE_FAILSAFE || !failsafe_holds(rule, q))
					continue;
			} else {
				if (rule->kind !=
					    (kind == BH_KIND_DENY ? BH_RULE_DENY : BH_RULE_ALLOW) ||
				    !rule_speaks(map, rule, remote, q))
					continue;
				if (has_ended(rule, q) || rule->jit || rule->require_posture) {
					o.closed |= kind == BH_KIND_ALLOW;
					continue;
				}
			}
			if (kind == BH_KIND_DENY && observe) {
				o.would = true;
				continue;
			}
			o.kind = kind;
			o.decides[i] = true;
			o.plain |= !observe;
			o.report |= observe;
		}
	return o;
}

/* --- one against the other ------------------------------------------------------------------------------- */

static __u32 bits_of(const struct pol *r, const char *unit)
{
	char path[128];

	if (!unit)
		return 0;
	snprintf(path, sizeof(path), "/system.slice/%s", unit);
	return pol_whois(r->out, path, 0).unit_bits;
}

static struct pol_ruling table_says(const struct pol *r, const struct question *q)
{
	struct pol_ask ask = {
		.local = r->out->identity[q->local],
		.remote = q->peer_local ? r->out->identity[q->remote]
					: pol_who(r->out, &q->addr).class,
		.unit_bits = bits_of(r, q->unit),
		.now_ns = pol_now.boot_ns + (__u64)(now_s(q->later) - pol_now.wall_s) * 1000000000u,
		.port = q->port,
		.proto = q->proto,
		.dir = q->dir,
		.peer_local = q->peer_local,
	};

	return pol_judge(r->out, &ask);
}

static void disagree(const char *body, const struct pol *r, const struct question *q,
		     const struct opinion *o, const struct pol_ruling *t)
{
	char addr[BH_CIDR_TEXT];
	struct bh_cidr cidr = {.addr = q->addr, .plen = 128};

	print_message("%s\n", body);
	fail_msg(
		"%s of %s, peer %s %s (segment %s), unit %s, proto %u port %u%s: the map says kind %d "
		"would %d closed %d report %d/%d, the tables kind %d rule %s would %u closed %u report %d",
		q->dir == BH_IN ? "ingress" : "egress", r->map->segment[q->local].name,
		q->peer_local ? "local" : "at", q->peer_local ? "" : bh_cidr_text(&cidr, addr),
		r->map->segment[q->peer_local ? q->remote : segment_of(r->map, &q->addr)].name,
		q->unit ? q->unit : "-", q->proto, q->port, q->later ? ", later" : "", o->kind,
		o->would, o->closed, o->plain, o->report, t->kind,
		t->rule ? bh_compiled_rule(r->out, t->rule)->id : "-", t->would_rule,
		t->closed_rule, t->report);
}

static void compare(const char *body, const struct pol *r, const struct question *q)
{
	struct opinion o = opinion_of(r->map, q);
	struct pol_ruling t = table_says(r, q);
	bool same = t.kind == o.kind;

	/* An observed deny that a failsafe or an enforced deny comes before may not be seen. */
	if (o.kind == BH_KIND_ALLOW || o.kind == BH_KIND_MAX)
		same &= o.would == (t.would_rule != 0);
	if (o.kind == BH_KIND_MAX)
		same &= o.closed == (t.closed_rule != 0);
	else
		same &= t.rule && o.decides[bh_compiled_rule(r->out, t.rule)->source];
	if (o.kind == BH_KIND_ALLOW)
		same &= t.report ? o.report : o.plain;
	if (!same)
		disagree(body, r, q, &o, &t);
}

static void test_tables_say_what_the_map_says(void **state)
{
	int n = pol_rounds(400), kinds[BH_KIND_MAX + 1] = {0};

	(void)state;
	for (int i = 0; i < n; i++) {
		_cleanup_free_ char *body = pol_draft();
		_cleanup_pol_ struct pol r = pol_made(body);

		for (int j = 0; j < 300; j++) {
			struct question q = random_question(r.map);

			compare(body, &r, &q);
			kinds[opinion_of(r.map, &q).kind]++;
			assert_int_equal(bh_compiled_identity(r.out, &q.addr),
					 r.out->identity[segment_of(r.map, &q.addr)]);
			assert_int_equal(pol_who(r.out, &q.addr).identity,
					 r.out->identity[segment_of(r.map, &q.addr)]);
		}
	}
	/* Questions that all have one answer would show nothing. */
	for (int kind = 0; kind <= BH_KIND_MAX; kind++) {
		print_message("kind %d: %d\n", kind, kinds[kind]);
		assert_true(kinds[kind] * 1000 > n * 300);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tables_say_what_the_map_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
