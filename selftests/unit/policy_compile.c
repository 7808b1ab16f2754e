/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy_compile.c - what rules, segments and the map itself become: keys, flags, rows, shapes,
 * numbers, and that the order of a file does not matter.
 */
#include "policyrig.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

/* --- the table, as text --------------------------------------------------------------------------- */

static const char *name_of(const struct pol *r, __u32 id)
{
	for (size_t i = 0; i < r->out->n_identity; i++)
		if (r->out->identity[i] == id)
			return r->map->segment[i].name;
	return id == BH_ID_ANY ? "*" : "class";
}

/* "allow out web->db 6:443/16 web-db O" lines in the order of the table. */
static char *table_text(const struct pol *r)
{
	static const char *const kinds[] = {"failsafe", "deny", "allow"};
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	for (size_t i = 0; i < r->out->policy.n; i++) {
		const struct bh_pol_key *k = &r->out->policy.bh_pol_key[i];
		const struct bh_pol_val *v = &r->out->policy.bh_pol_val[i];

		fprintf(out, "%s %s %s-%s %u:%u/%u %s%s%s%s%s", kinds[k->kind],
			k->dir == BH_IN ? "in" : "out", name_of(r, k->local), name_of(r, k->remote),
			k->proto, k->port, k->plen, bh_compiled_rule(r->out, v->rule)->id,
			v->flags & BH_POL_OBSERVE ? " observe" : "",
			v->flags & BH_POL_ROW ? " row" : "", v->flags & BH_POL_WIRE ? " wire" : "",
			v->flags & BH_POL_UNIT ? " unit" : "");
		if (k->row)
			fprintf(out, " #%u", k->row);
		fprintf(out, "\n");
	}
	assert_int_equal(fclose(out), 0);
	return text;
}

/* The table has these lines (each ends with a newline), in any order, and no others. */
static void expect_table(const char *body, const char *const *lines, size_t n)
{
	_cleanup_pol_ struct pol r = pol_made(body);
	_cleanup_free_ char *text = table_text(&r);
	size_t have = 0;

	for (const char *s = text; (s = strchr(s, '\n')); s++)
		have++;
	for (size_t i = 0; i < n; i++) {
		const char *at = strstr(text, lines[i]);

		if (!at || (at != text && at[-1] != '\n') || at[strlen(lines[i])] != '\n')
			fail_msg("no '%s' in\n%s", lines[i], text);
	}
	if (have != n)
		fail_msg("%zu lines, expected %zu:\n%s", have, n, text);
}

#define TABLE(body, ...)                                                                           \
	do {                                                                                       \
		static const char *const lines[] = {__VA_ARGS__};                                  \
		expect_table(body, lines, ARRAY_SIZE(lines));                                      \
	} while (0)

#define TWO                                                                                        \
	"segments:\n  web: { match: { unit: nginx.service } }\n"                                   \
	"  db: { match: { unit: postgresql.service } }\n"

/* --- rules ---------------------------------------------------------------------------------------- */

static void test_a_rule_opens_both_halves(void **state)
{
	(void)state;
	TABLE(TWO "allow:\n  - { id: r, from: web, to: db, port: tcp/5432 }\n",
	      "allow out web-db 6:5432/16 r", "allow in db-web 6:5432/16 r");
	TABLE(TWO "allow:\n  - { id: r, from: web, to: web, port: tcp/1 }\n",
	      "allow out web-web 6:1/16 r", "allow in web-web 6:1/16 r");
	TABLE(TWO "deny:\n  - { id: d, from: db, to: web, port: udp/53 }\n",
	      "deny out db-web 17:53/16 d", "deny in web-db 17:53/16 d");
}

static void test_any_is_a_wildcard(void **state)
{
	(void)state;
	TABLE(TWO "deny:\n  - { id: d, from: any, to: db, port: tcp/23 }\n",
	      "deny out *-db 6:23/16 d", "deny in db-* 6:23/16 d");
	TABLE(TWO "allow:\n  - { id: r, from: any, to: any, port: any }\n", "allow out *-* 0:0/0 r",
	      "allow in *-* 0:0/0 r");
}

static void test_reserved_names(void **state)
{
	(void)state;
	TABLE(TWO "allow:\n  - { id: r, from: [world, host], to: [unassigned], port: tcp/80 }\n",
	      "allow out world-unassigned 6:80/16 r", "allow out host-unassigned 6:80/16 r",
	      "allow in unassigned-world 6:80/16 r", "allow in unassigned-host 6:80/16 r");
}

static void test_ports(void **state)
{
	(void)state;
	/* 8080-8089 is 8080/13 and 8088/15 */
	TABLE(TWO "allow:\n  - { id: r, from: any, to: db, port: tcp/8080-8089 }\n",
	      "allow out *-db 6:8080/13 r", "allow out *-db 6:8088/15 r",
	      "allow in db-* 6:8080/13 r", "allow in db-* 6:8088/15 r");
	TABLE(TWO "allow:\n  - { id: r, from: any, to: db, port: [tcp, udp/1, proto/47] }\n",
	      "allow out *-db 6:0/0 r", "allow out *-db 17:1/16 r", "allow out *-db 47:0/0 r",
	      "allow in db-* 6:0/0 r", "allow in db-* 17:1/16 r", "allow in db-* 47:0/0 r");
	/* ranges that overlap are one; neighbours stay two */
	TABLE(TWO
	      "allow:\n  - { id: r, from: any, to: db, port: [tcp/4-5, tcp/5-7, tcp/10, tcp/11] }\n",
	      "allow out *-db 6:4/14 r", "allow out *-db 6:10/16 r", "allow out *-db 6:11/16 r",
	      "allow in db-* 6:4/14 r", "allow in db-* 6:10/16 r", "allow in db-* 6:11/16 r");
	TABLE(TWO "deny:\n  - { id: r, from: any, to: db, port: tcp/65535 }\n",
	      "deny out *-db 6:65535/16 r", "deny in db-* 6:65535/16 r");
}

static void test_widest_range(void **state)
{
	_cleanup_pol_ struct pol r =
		pol_made(TWO "allow:\n  - { id: r, from: any, to: db, port: tcp/1-65534 }\n");

	(void)state;
	/* the worst that a range can be: 30 prefixes of 15 lengths */
	assert_int_equal(r.out->policy.n, 60);
	assert_int_equal(r.out->side.n_shapes[BH_IN], 15);
	for (__u32 port = 0; port < 65536; port++) {
		struct pol_ask ask = {.local = pol_identity(&r, "db"),
				      .remote = BH_ID_WORLD,
				      .proto = IPPROTO_TCP,
				      .port = (__u16)port,
				      .dir = BH_IN};
		bool in = port >= 1 && port <= 65534;

		assert_int_equal(pol_judge(r.out, &ask).kind, in ? BH_KIND_ALLOW : BH_KIND_MAX);
	}
}

static void test_icmp(void **state)
{
	(void)state;
	/* every code of a type is a prefix of 8 bits */
	TABLE(TWO "allow:\n  - { id: r, from: any, to: db, port: icmp/echo-request }\n",
	      "allow out *-db 1:2048/8 r", "allow in db-* 1:2048/8 r",
	      "allow out *-db 58:32768/8 r", "allow in db-* 58:32768/8 r");
	TABLE(TWO "allow:\n  - { id: r, from: any, to: db, port: icmp }\n",
	      "allow out *-db 1:0/0 r", "allow in db-* 1:0/0 r", "allow out *-db 58:0/0 r",
	      "allow in db-* 58:0/0 r");
	TABLE(TWO "allow:\n  - { id: r, from: any, to: db, port: icmp/packet-too-big }\n",
	      "allow out *-db 1:772/16 r", "allow in db-* 1:772/16 r", "allow out *-db 58:512/16 r",
	      "allow in db-* 58:512/16 r");
}

/* --- rules that meet on a key ----------------------------------------------------------------------- */

#define MEET(more)     TWO "allow:\n" more
#define RULE(id, more) "  - { id: " id ", from: any, to: db, port: tcp/1" more " }\n"
#define UNTIL(year)    ", until: " year "-01-01T00:00:00Z"

static void test_plain_beats_all_else(void **state)
{
	(void)state;
	TABLE(MEET(RULE("a", ", jit: { max: 1h }") RULE("b", ", mode: observe") RULE("c", "")
			   RULE("d", UNTIL("2030")) RULE("e", "")),
	      "allow out *-db 6:1/16 c", "allow in db-* 6:1/16 c");
}

static void test_conditions_get_rows(void **state)
{
	(void)state;
	/* the later end covers the earlier; what is on probation comes last */
	TABLE(MEET(RULE("a", ", mode: observe") RULE("b", UNTIL("2028")) RULE("c", UNTIL("2030"))
			   RULE("d", ", jit: { max: 1h }") RULE("e", ", jit: { max: 2h }")),
	      "allow out *-db 6:1/16 c row", "allow out *-db 6:1/16 d row #1",
	      "allow out *-db 6:1/16 e row #2", "allow out *-db 6:1/16 a observe #3",
	      "allow in db-* 6:1/16 c row", "allow in db-* 6:1/16 d row #1",
	      "allow in db-* 6:1/16 e row #2", "allow in db-* 6:1/16 a observe #3");
	/* nobody measures a posture yet: one closed rule is as good as two */
	TABLE(MEET(RULE("a", ", require: { posture: healthy }")
			   RULE("b", ", require: { posture: healthy }")),
	      "allow out *-db 6:1/16 a row", "allow in db-* 6:1/16 a row");
	/* a rule that ends does not stand in for one that needs more and ends later */
	TABLE(MEET(RULE("a", UNTIL("2028"))
			   RULE("b", ", require: { posture: healthy }" UNTIL("2030"))),
	      "allow out *-db 6:1/16 a row", "allow out *-db 6:1/16 b row #1",
	      "allow in db-* 6:1/16 a row", "allow in db-* 6:1/16 b row #1");
}

static void test_denies_that_meet(void **state)
{
	(void)state;
	TABLE(TWO "deny:\n" RULE("a", ", mode: observe") RULE("b", ""), "deny out *-db 6:1/16 b",
	      "deny in db-* 6:1/16 b");
	/* when b ends, a still wants to be told */
	TABLE(TWO "deny:\n" RULE("a", ", mode: observe") RULE("b", UNTIL("2030")),
	      "deny out *-db 6:1/16 b row", "deny out *-db 6:1/16 a observe #1",
	      "deny in db-* 6:1/16 b row", "deny in db-* 6:1/16 a observe #1");
	/* kinds never share a key */
	TABLE(TWO "allow:\n" RULE("a", "") "deny:\n" RULE("b", ""), "allow out *-db 6:1/16 a",
	      "allow in db-* 6:1/16 a", "deny out *-db 6:1/16 b", "deny in db-* 6:1/16 b");
}

static void test_rows_of_rules(void **state)
{
	_cleanup_pol_ struct pol r = pol_made(
		TWO "allow:\n" RULE("past", UNTIL("2020")) RULE("jit", ", jit: { max: 1h }") RULE(
			"both", ", require: { posture: healthy }, until: 2026-01-01T00:00:10Z"));

	(void)state;
	assert_int_equal(r.out->rules[pol_rule(&r, "past")].until_ns, 1);
	assert_int_equal(r.out->rules[pol_rule(&r, "past")].flags, 0);
	assert_int_equal(r.out->rules[pol_rule(&r, "jit")].until_ns, 0);
	assert_int_equal(r.out->rules[pol_rule(&r, "jit")].flags, BH_RULE_JIT);
	assert_int_equal(r.out->rules[pol_rule(&r, "both")].until_ns,
			 pol_now.boot_ns + 10000000000ull);
	assert_int_equal(r.out->rules[pol_rule(&r, "both")].flags, BH_RULE_POSTURE);
	assert_true(r.out->needs_jit);
	assert_true(r.out->needs_posture);
	assert_int_equal(r.out->n_rules, r.out->info[r.out->n_info - 1].number + 1);
}

/* --- failsafes -------------------------------------------------------------------------------------- */

static void test_failsafes(void **state)
{
	(void)state;
	TABLE(TWO "failsafe:\n  - { from: { cidr: [192.0.2.1/32] }, port: tcp/22 }\n",
	      "failsafe in *-class 6:22/16 failsafe-1 wire");
	TABLE(TWO "failsafe:\n  - { to: { cidr: [192.0.2.1/32] }, port: tcp/6514 }\n",
	      "failsafe out *-class 6:6514/16 failsafe-1 wire");
	/* one that holds for every unit leaves nothing to the other */
	TABLE(TWO
	      "failsafe:\n  - { from: { cidr: [192.0.2.1/32] }, port: tcp/22, unit: ssh.service }\n"
	      "  - { from: { cidr: [192.0.2.1/32] }, port: tcp/22 }\n",
	      "failsafe in *-class 6:22/16 failsafe-2 wire");
	TABLE(TWO
	      "failsafe:\n  - { from: { cidr: [192.0.2.1/32] }, port: tcp/22, unit: b.service }\n"
	      "  - { from: { cidr: [192.0.2.1/32] }, port: tcp/22, unit: a.service }\n",
	      "failsafe in *-class 6:22/16 failsafe-1 wire unit",
	      "failsafe in *-class 6:22/16 failsafe-2 wire unit #1");
}

/* --- shapes ----------------------------------------------------------------------------------------- */

static void test_shapes_in_order_of_precedence(void **state)
{
	static const struct bh_shape want[] = {
		{BH_KIND_FAILSAFE, 0, BH_WILD_LOCAL, 16},
		{BH_KIND_DENY, 0, BH_WILD_REMOTE, 16},
		{BH_KIND_DENY, 0, BH_WILD_LOCAL | BH_WILD_REMOTE | BH_WILD_PROTO, 0},
		{BH_KIND_ALLOW, 0, 0, 16},
		{BH_KIND_ALLOW, 1, 0, 16},
		{BH_KIND_ALLOW, 0, 0, 0},
		{BH_KIND_ALLOW, 0, BH_WILD_LOCAL, 12},
	};
	_cleanup_pol_ struct pol r =
		pol_made(TWO "allow:\n"
			     "  - { id: a, from: web, to: db, port: tcp }\n"
			     "  - { id: b, from: web, to: db, port: udp/1, jit: { max: 1h } }\n"
			     "  - { id: c, from: web, to: db, port: udp/1, jit: { max: 1h } }\n"
			     "  - { id: d, from: web, to: any, port: tcp/16-31 }\n"
			     "deny:\n"
			     "  - { id: e, from: any, to: db, port: tcp/1 }\n"
			     "  - { id: f, from: any, to: any, port: any }\n"
			     "failsafe:\n  - { from: { cidr: [192.0.2.1/32] }, port: tcp/22 }\n");

	(void)state;
	assert_int_equal(r.out->side.n_shapes[BH_IN], ARRAY_SIZE(want));
	assert_memory_equal(r.out->side.shape[BH_IN], want, sizeof(want));
}

/* --- segments and the map ---------------------------------------------------------------------------- */

static __u32 seg_flags(const struct pol *r, const char *name)
{
	return r->out->segs[pol_identity(r, name)].flags;
}

static void test_segments(void **state)
{
	_cleanup_pol_ struct pol r = pol_made(
		"segments:\n"
		"  a: { match: { unit: a.service } }\n"
		"  b: { match: { unit: b.service }, default: { egress: allow }, mode: observe }\n"
		"  c: { match: { unit: c.service }, default: { ingress: allow }, raw: allow,\n"
		"       dhcp: true, admin: true, mode: enforce }\n");

	(void)state;
	assert_int_equal(seg_flags(&r, "a"), BH_SEG_VALID);
	assert_int_equal(seg_flags(&r, "b"), BH_SEG_VALID | BH_SEG_OBSERVE | BH_SEG_EGRESS_ALLOW);
	assert_int_equal(seg_flags(&r, "c"), BH_SEG_VALID | BH_SEG_INGRESS_ALLOW | BH_SEG_RAW |
						     BH_SEG_DHCP | BH_SEG_ADMIN);
	assert_int_equal(seg_flags(&r, "world"), BH_SEG_VALID);
	assert_int_equal(seg_flags(&r, "unassigned"), BH_SEG_VALID);
	/* the host itself may go out unless the map says otherwise */
	assert_int_equal(seg_flags(&r, "host"), BH_SEG_VALID | BH_SEG_EGRESS_ALLOW);
	assert_int_equal(r.out->segs[BH_ID_ANY].flags, 0);
	for (__u32 i = BH_ID_HOST + 1; i < BH_ID_FIRST; i++)
		assert_int_equal(r.out->segs[i].flags, 0);
	assert_int_equal(r.out->n_segs, BH_ID_FIRST + 3);
}

/* What a segment leaves out is the map's, each direction for itself. */
static void test_defaults_of_the_map(void **state)
{
	static const char *const word[] = {"deny", "allow"}, *const mode[] = {"enforce", "observe"};

	(void)state;
	for (int i = 0; i < 8; i++) {
		_cleanup_pol_ struct pol r = {.numbers = bh_numbers_new()};
		__u32 want = BH_SEG_VALID | (i & 1 ? BH_SEG_INGRESS_ALLOW : 0) |
			     (i & 4 ? BH_SEG_OBSERVE : 0);
		char text[512];

		(void)snprintf(text, sizeof(text),
			       "version: 1\nname: test\nmode: %s\n"
			       "default: { ingress: %s, egress: %s }\nsegments:\n"
			       "  a: { match: { unit: a.service } }\n"
			       "  b: { match: { unit: b.service }, mode: enforce,\n"
			       "       default: { ingress: deny, egress: deny } }\n",
			       mode[i >> 2], word[i & 1], word[i >> 1 & 1]);
		assert_int_equal(bh_map_parse("t", text, strlen(text), &r.d, &r.map), 0);
		assert_int_equal(bh_compile(r.map, r.numbers, &pol_users, &bh_limits_default,
					    pol_now, &r.d, &r.out),
				 0);
		assert_int_equal(seg_flags(&r, "a"), want | (i & 2 ? BH_SEG_EGRESS_ALLOW : 0));
		assert_int_equal(seg_flags(&r, "b"), BH_SEG_VALID);
		assert_int_equal(seg_flags(&r, "host"), want | BH_SEG_EGRESS_ALLOW);
	}
}

static void test_host_can_be_closed(void **state)
{
	_cleanup_pol_ struct pol r =
		pol_made("segments:\n  host: { default: { egress: deny }, mode: observe }\n");

	(void)state;
	assert_int_equal(seg_flags(&r, "host"), BH_SEG_VALID | BH_SEG_OBSERVE);
}

static void test_defaults_are_rules(void **state)
{
	_cleanup_pol_ struct pol r = pol_made(TWO);
	const struct bh_seg *web = &r.out->segs[pol_identity(&r, "web")];
	const struct bh_rule_info *info = bh_compiled_rule(r.out, web->default_rule[BH_OUT]);

	(void)state;
	assert_non_null(info);
	assert_string_equal(info->id, "default/web/egress");
	assert_int_equal(info->source, -1);
	assert_int_equal(info->kind, BH_KIND_MAX);
	assert_int_equal(info->line, 0);
	assert_int_equal(web->default_rule[BH_IN], pol_rule(&r, "default/web/ingress"));
	assert_string_equal(bh_numbers_rule_name(r.numbers, web->default_rule[BH_IN]),
			    "default/web/ingress");
	assert_null(bh_compiled_rule(r.out, 0));
	assert_null(bh_compiled_rule(r.out, 100000));
}

static void test_rule_info(void **state)
{
	_cleanup_pol_ struct pol r = pol_made(
		TWO "allow:\n  - { id: r, from: [web, db], to: db, port: [tcp/1, tcp/2] }\n");
	const struct bh_rule_info *info = bh_compiled_rule(r.out, pol_rule(&r, "r"));

	(void)state;
	assert_int_equal(info->line, 9);
	assert_int_equal(info->kind, BH_KIND_ALLOW);
	assert_string_equal(r.map->rule[info->source].id, "r");
	assert_int_equal(info->n_entries, 8);
	for (size_t i = 1; i < r.out->n_info; i++)
		assert_true(r.out->info[i - 1].number < r.out->info[i].number);
}

static __u32 side_flags(const char *body)
{
	_cleanup_pol_ struct pol r = pol_made(body);

	return r.out->side.flags;
}

static void test_the_map_itself(void **state)
{
	(void)state;
	assert_int_equal(side_flags(TWO), 0);
	assert_int_equal(side_flags(TWO "forward: allow\n"), BH_SIDE_FORWARD_ALLOW);
	assert_int_equal(side_flags(TWO "forward: deny\nl2: deny\n"),
			 BH_SIDE_FORWARD_DENY | BH_SIDE_L2_DENY);
	assert_int_equal(side_flags(TWO "l2: allow\n"), 0);
}

static bool reserves(const struct pol *r, __u32 seg, __u16 port, __u8 proto)
{
	for (size_t i = 0; i < r->out->reserve.n; i++) {
		const struct bh_reserve_key *k = &r->out->reserve.key[i];

		assert_true(!i || memcmp(k - 1, k, sizeof(*k)) < 0);
		if (k->seg == seg && k->port == port && k->proto == proto)
			return true;
	}
	return false;
}

static void test_listen(void **state)
{
	_cleanup_pol_ struct pol r = pol_made(
		"segments:\n  a: { match: { unit: a.service }, listen: [tcp/80-82, udp/53] }\n"
		"  b: { match: { unit: b.service }, listen: tcp/80 }\n");
	__u32 a = pol_identity(&r, "a"), b = pol_identity(&r, "b");

	(void)state;
	assert_int_equal(r.out->reserve.n, 4 + 4 + 1);
	assert_true(reserves(&r, BH_ID_ANY, 81, IPPROTO_TCP));
	assert_true(reserves(&r, a, 82, IPPROTO_TCP));
	assert_true(reserves(&r, a, 53, IPPROTO_UDP));
	assert_true(reserves(&r, b, 80, IPPROTO_TCP));
	assert_false(reserves(&r, b, 81, IPPROTO_TCP));
}

static void test_protocols_that_rules_name(void **state)
{
	_cleanup_pol_ struct pol r =
		pol_made(TWO "allow:\n  - { id: a, from: web, to: any, port: [proto/47, tcp/1] }\n"
			     "  - { id: b, from: db, to: db, port: icmp/echo-request }\n"
			     "  - { id: c, from: any, to: any, port: any }\n"
			     "deny:\n  - { id: d, from: web, to: db, port: proto/50 }\n");
	__u32 web = pol_identity(&r, "web"), db = pol_identity(&r, "db");

	(void)state;
	assert_int_equal(r.out->reserve.n, 4);
	assert_true(reserves(&r, web, 0, 47));
	assert_true(reserves(&r, BH_ID_ANY, 0, 47));
	assert_true(reserves(&r, db, 0, IPPROTO_ICMP));
	assert_true(reserves(&r, db, 0, IPPROTO_ICMPV6));
}

/* --- the same again ----------------------------------------------------------------------------------- */

static const char shop[] =
	"segments:\n"
	"  web: { match: [ { unit: nginx.service }, { cidr: [10.0.0.0/8], except: [10.1.0.0/16] } ] }\n"
	"  db: { match: [ { unit: \"pg@*.service\" }, { cidr: [10.0.0.0/24, 10.1.2.3/32] } ] }\n"
	"  dba: { match: { cgroup: /user.slice, user: [alice, bob] } }\n"
	"  sys: { match: { cgroup: / }, mode: observe, listen: tcp/1 }\n"
	"allow:\n"
	"  - { id: one, from: [web, dba], to: db, port: [tcp/5432, icmp] }\n"
	"  - { id: two, from: web, to: db, port: tcp/5432, until: 2030-01-01T00:00:00Z }\n"
	"  - { id: six, from: web, to: sys, port: tcp/1, jit: { max: 1h } }\n"
	"  - { id: ten, from: web, to: sys, port: tcp/1, require: { posture: healthy } }\n"
	"deny:\n"
	"  - { id: not, from: web, to: db, port: tcp/23 }\n"
	"  - { id: never, from: any, to: web, port: udp }\n"
	"failsafe:\n"
	"  - { id: x, from: { cidr: [192.0.2.0/28] }, port: tcp/22, unit: [ssh.service, a.service] }\n"
	"  - { id: z, from: { cidr: [192.0.2.0/28] }, port: tcp/22, unit: b.service }\n";

/* The same, every list the other way round. */
static const char pohs[] =
	"failsafe:\n"
	"  - { id: z, port: tcp/22, unit: b.service, from: { cidr: [192.0.2.0/28] } }\n"
	"  - { id: x, from: { cidr: [192.0.2.0/28] }, port: tcp/22, unit: [a.service, ssh.service] }\n"
	"deny:\n"
	"  - { id: never, from: any, to: web, port: udp }\n"
	"  - { id: not, from: web, to: db, port: tcp/23 }\n"
	"allow:\n"
	"  - { id: ten, from: web, to: sys, port: tcp/1, require: { posture: healthy } }\n"
	"  - { id: six, from: web, to: sys, port: tcp/1, jit: { max: 1h } }\n"
	"  - { id: two, from: web, to: db, port: tcp/5432, until: 2030-01-01T00:00:00Z }\n"
	"  - { id: one, from: [dba, web], to: db, port: [icmp, tcp/5432] }\n"
	"segments:\n"
	"  sys: { match: { cgroup: / }, mode: observe, listen: tcp/1 }\n"
	"  dba: { match: { user: [bob, alice], cgroup: /user.slice } }\n"
	"  db: { match: [ { cidr: [10.1.2.3/32, 10.0.0.0/24] }, { unit: \"pg@*.service\" } ] }\n"
	"  web: { match: [ { except: [10.1.0.0/16], cidr: [10.0.0.0/8] }, { unit: nginx.service } ] }\n";

#define SAME_BYTES(field, n) assert_memory_equal(a->field, b->field, (n) * sizeof(*a->field))

static void expect_same(const struct bh_compiled *a, const struct bh_compiled *b)
{
	assert_memory_equal(&a->side, &b->side, sizeof(a->side));
	assert_int_equal(a->policy.n, b->policy.n);
	SAME_BYTES(policy.bh_pol_key, a->policy.n);
	SAME_BYTES(policy.bh_pol_val, a->policy.n);
	assert_int_equal(a->addrs.n, b->addrs.n);
	SAME_BYTES(addrs.bh_addr, a->addrs.n);
	SAME_BYTES(addrs.bh_addr_val, a->addrs.n);
	assert_int_equal(a->prefixes.n, b->prefixes.n);
	SAME_BYTES(prefixes.bh_prefix_key, a->prefixes.n);
	SAME_BYTES(prefixes.bh_addr_val, a->prefixes.n);
	assert_int_equal(a->names.n, b->names.n);
	SAME_BYTES(names.bh_name_key, a->names.n);
	SAME_BYTES(names.bh_name_val, a->names.n);
	assert_int_equal(a->globs.n, b->globs.n);
	SAME_BYTES(globs.bh_glob_key, a->globs.n);
	SAME_BYTES(globs.bh_glob_val, a->globs.n);
	assert_int_equal(a->users.n, b->users.n);
	SAME_BYTES(users.bh_user_key, a->users.n);
	SAME_BYTES(users.seg, a->users.n);
	assert_int_equal(a->reserve.n, b->reserve.n);
	SAME_BYTES(reserve.key, a->reserve.n);
	assert_int_equal(a->n_segs, b->n_segs);
	SAME_BYTES(segs, a->n_segs);
	assert_int_equal(a->n_rules, b->n_rules);
	SAME_BYTES(rules, a->n_rules);
}

static void test_same_bytes(void **state)
{
	_cleanup_pol_ struct pol a = pol_made(shop), b = pol_made(shop), c = pol_made(pohs);

	(void)state;
	assert_true(a.out->policy.n > 10 && a.out->names.n > 5 && a.out->globs.n > 0);
	assert_true(a.out->n_classes > 1 && a.out->users.n == 2);
	expect_same(a.out, b.out);
	expect_same(a.out, c.out);
}

static void test_the_table_is_sorted(void **state)
{
	_cleanup_pol_ struct pol r = pol_made(shop);

	(void)state;
	for (size_t i = 1; i < r.out->policy.n; i++)
		assert_true(memcmp(&r.out->policy.bh_pol_key[i - 1], &r.out->policy.bh_pol_key[i],
				   sizeof(struct bh_pol_key)) < 0);
}

static void test_numbers_stay(void **state)
{
	_cleanup_pol_ struct pol a = pol_made(shop);
	_cleanup_pol_ struct pol b =
		pol_made_with("segments:\n  aaa: { match: { unit: a.service } }\n"
			      "  web: { match: { unit: nginx.service } }\n"
			      "allow:\n  - { id: a, from: web, to: aaa, port: tcp/1 }\n"
			      "  - { id: two, from: web, to: aaa, port: tcp/1 }\n",
			      a.numbers, &bh_limits_default);

	(void)state;
	assert_int_equal(pol_identity(&a, "web"), pol_identity(&b, "web"));
	assert_int_equal(pol_rule(&a, "two"), pol_rule(&b, "two"));
	assert_int_equal(pol_rule(&a, "default/web/egress"), pol_rule(&b, "default/web/egress"));
	/* new ones get numbers that nobody had, though `db` and `one` went */
	assert_int_equal(pol_identity(&b, "aaa"), a.out->n_segs);
	assert_true(pol_rule(&b, "a") >= a.out->n_rules);
	assert_int_equal(b.out->segs[pol_identity(&a, "db")].flags, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_rule_opens_both_halves),
		cmocka_unit_test(test_any_is_a_wildcard),
		cmocka_unit_test(test_reserved_names),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_widest_range),
		cmocka_unit_test(test_icmp),
		cmocka_unit_test(test_plain_beats_all_else),
		cmocka_unit_test(test_conditions_get_rows),
		cmocka_unit_test(test_denies_that_meet),
		cmocka_unit_test(test_rows_of_rules),
		cmocka_unit_test(test_failsafes),
		cmocka_unit_test(test_shapes_in_order_of_precedence),
		cmocka_unit_test(test_segments),
		cmocka_unit_test(test_defaults_of_the_map),
		cmocka_unit_test(test_host_can_be_closed),
		cmocka_unit_test(test_defaults_are_rules),
		cmocka_unit_test(test_rule_info),
		cmocka_unit_test(test_the_map_itself),
		cmocka_unit_test(test_listen),
		cmocka_unit_test(test_protocols_that_rules_name),
		cmocka_unit_test(test_same_bytes),
		cmocka_unit_test(test_the_table_is_sorted),
		cmocka_unit_test(test_numbers_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
