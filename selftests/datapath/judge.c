// SPDX-License-Identifier: Apache-2.0
/*
 * judge.c - one half of a conversation, asked of bh_judge: precedence, conditions, modes,
 * deadlines, and what is closed when a table or an identity is not of the generation. Where
 * packets.c asks what a frame meets, this asks for all that a ruling says.
 */
#include "policyrig.h"

#include <netinet/in.h>
#include <string.h>
#include "cg.h"
#include "kernrig.h"

#define FAR    (1ull << 62) /* ns after boot, behind every `until` here */
#define IN     .dir = BH_IN
#define OUT    .dir = BH_OUT
#define TCP(p) .proto = IPPROTO_TCP, .port = (p)
#define UDP(p) .proto = IPPROTO_UDP, .port = (p)
#define IS(r)  .reason = BH_R_##r

static struct bh_kern *kern;
static struct pol pol;
static __u64 gen;
static uint64_t web_cgid, db_cgid, watch_cgid;

static const char map[] =
	"segments:\n"
	"  web: { match: { unit: web.service } }\n"
	"  db: { match: { unit: db.service } }\n"
	"  watch: { match: { unit: watch.service }, mode: observe }\n"
	"  open: { match: { unit: open.service }, default: { ingress: allow, egress: allow } }\n"
	"  inward: { match: { unit: inward.service }, default: { ingress: allow, egress: deny } }\n"
	"  lan: { match: { cidr: [10.0.0.0/8] } }\n"
	"allow:\n"
	"  - { id: any, from: web, to: db, port: any }\n"
	"  - { id: low, from: web, to: lan, port: tcp/1-7 }\n"
	"  - { id: range, from: web, to: lan, port: tcp/5000-5007 }\n"
	"  - { id: high, from: web, to: lan, port: tcp/65528-65535 }\n"
	"  - { id: gre, from: web, to: lan, port: proto/47 }\n"
	"  - { id: later, from: web, to: lan, port: tcp/100, jit: { max: 1h } }\n"
	"  - { id: healthy, from: web, to: any, port: tcp/100, require: { posture: healthy } }\n"
	"  - { id: ends, from: web, to: lan, port: tcp/101, until: \"2100-01-01T00:00:00Z\" }\n"
	"  - { id: ended, from: web, to: lan, port: tcp/102, until: \"2020-01-01T00:00:00Z\" }\n"
	"  - { id: behind, from: web, to: any, port: tcp/102 }\n"
	"  - { id: wide, from: web, to: lan, port: tcp/200-207 }\n"
	"  - { id: unit-db, from: db, to: lan, port: tcp/22 }\n"
	"deny:\n"
	"  - { id: never, from: web, to: lan, port: tcp/200 }\n"
	"  - { id: ending, from: web, to: lan, port: tcp/201, until: \"2100-01-01T00:00:00Z\" }\n"
	"  - { id: past, from: web, to: lan, port: tcp/202, until: \"2020-01-01T00:00:00Z\" }\n"
	"  - { id: would, from: web, to: lan, port: tcp/203, mode: observe }\n"
	"  - { id: would-any, from: web, to: any, port: tcp/203, mode: observe }\n"
	"  - { id: would-end, from: web, to: lan, port: tcp/204, mode: observe,\n"
	"      until: \"2100-01-01T00:00:00Z\" }\n"
	"  - { id: own, from: web, to: web, port: tcp/300 }\n"
	"failsafe:\n"
	"  - { id: bastion, from: { cidr: [198.51.100.0/28] }, port: tcp/22 }\n"
	"  - { id: unit, from: { cidr: [198.51.100.64/28] }, port: tcp/23, unit: db.service }\n"
	"  - { id: second, from: { cidr: [198.51.100.64/28] }, port: tcp/24, unit: watch.service }\n";

/* --- the table -------------------------------------------------------------------------------------------- */

/**
 * struct row - a question and all of its answer
 * @local, @remote: segments; @cgid: the local end as a workload; @addr: the remote end instead
 * @later:          asked when every `until` has passed
 * @rule, @would:   NULL: none
 */
static const struct row {
	const char *says, *local, *remote, *addr;
	const uint64_t *cgid, *peer;
	__u32 uid, peer_uid;
	bool here, later, stale;
	__u8 dir, proto;
	__u16 port;
	__u16 reason;
	const char *rule, *would;
	bool ends, observe;
} table[] = {
	/* what `port: any` speaks of */
	{"any: TCP", "web", "db", OUT, TCP(1), IS(ALLOW), .rule = "any"},
	{"any: TCP, the other end", "db", "web", IN, TCP(65535), IS(ALLOW), .rule = "any"},
	{"any: UDP", "web", "db", OUT, UDP(1), IS(ALLOW), .rule = "any"},
	{"any: UDP-Lite", "web", "db", OUT, .proto = IPPROTO_UDPLITE, .port = 1, IS(ALLOW),
	 .rule = "any"},
	{"any: ICMP", "web", "db", OUT, .proto = IPPROTO_ICMP, .port = 8 << 8, IS(ALLOW),
	 .rule = "any"},
	{"any: ICMPv6", "web", "db", OUT, .proto = IPPROTO_ICMPV6, .port = 128 << 8, IS(ALLOW),
	 .rule = "any"},
	{"any: not SCTP", "web", "db", OUT, .proto = 132, IS(PROTOCOL)},
	{"by number", "web", "lan", OUT, .proto = 47, IS(ALLOW), .rule = "gre"},
	{"another number", "web", "lan", OUT, .proto = 46, IS(PROTOCOL)},
	{"any: not the other way", "db", "web", OUT, TCP(1), IS(DEFAULT_DENY)},

	/* the edges of ranges */
	{"port 0", "web", "lan", OUT, TCP(0), IS(DEFAULT_DENY)},
	{"port 1", "web", "lan", OUT, TCP(1), IS(ALLOW), .rule = "low"},
	{"the last of it", "web", "lan", OUT, TCP(7), IS(ALLOW), .rule = "low"},
	{"one more", "web", "lan", OUT, TCP(8), IS(DEFAULT_DENY)},
	{"one before", "web", "lan", OUT, TCP(4999), IS(DEFAULT_DENY)},
	{"the first", "web", "lan", OUT, TCP(5000), IS(ALLOW), .rule = "range"},
	{"the last", "web", "lan", OUT, TCP(5007), IS(ALLOW), .rule = "range"},
	{"one behind", "web", "lan", OUT, TCP(5008), IS(DEFAULT_DENY)},
	{"one before the high ones", "web", "lan", OUT, TCP(65527), IS(DEFAULT_DENY)},
	{"the first high one", "web", "lan", OUT, TCP(65528), IS(ALLOW), .rule = "high"},
	{"65535", "web", "lan", OUT, TCP(65535), IS(ALLOW), .rule = "high"},
	{"a range of TCP, asked by UDP", "web", "lan", OUT, UDP(5000), IS(DEFAULT_DENY)},

	/* conditions */
	{"two closed rules: the first is told", "web", "lan", OUT, TCP(100), IS(GRANT_MISSING),
	 .rule = "later"},
	{"the second alone", "web", "db", IN, TCP(100), IS(DEFAULT_DENY)},
	{"a rule that ends", "web", "lan", OUT, TCP(101), IS(ALLOW), .rule = "ends", .ends = true},
	{"a rule that ends, later", "web", "lan", OUT, TCP(101), IS(RULE_EXPIRED), .rule = "ends",
	 .later = true},
	{"an ended rule hides no other", "web", "lan", OUT, TCP(102), IS(ALLOW), .rule = "behind"},

	/* denies */
	{"a deny", "web", "lan", OUT, TCP(200), IS(RULE_DENY), .rule = "never"},
	{"a deny at the other end", "lan", "web", IN, TCP(200), IS(RULE_DENY), .rule = "never"},
	{"a deny that ends", "web", "lan", OUT, TCP(201), IS(RULE_DENY), .rule = "ending",
	 .ends = true},
	{"a deny that ends, later", "web", "lan", OUT, TCP(201), IS(ALLOW), .rule = "wide",
	 .later = true},
	{"a deny that has ended", "web", "lan", OUT, TCP(202), IS(ALLOW), .rule = "wide"},
	{"two observed denies: the first is told", "web", "lan", OUT, TCP(203), IS(ALLOW),
	 .rule = "wide", .would = "would"},
	{"an observed deny that ends sets no deadline", "web", "lan", OUT, TCP(204), IS(ALLOW),
	 .rule = "wide", .would = "would-end"},
	{"no deny", "web", "lan", OUT, TCP(205), IS(ALLOW), .rule = "wide"},

	/* defaults and modes */
	{"open: egress", "open", "lan", OUT, TCP(1), IS(DEFAULT_ALLOW),
	 .rule = "default/open/egress"},
	{"open: ingress", "open", "lan", IN, TCP(1), IS(DEFAULT_ALLOW),
	 .rule = "default/open/ingress"},
	{"open: not by number", "open", "lan", OUT, .proto = 132, IS(PROTOCOL),
	 .rule = "default/open/egress"},
	{"inward: ingress", "inward", "lan", IN, UDP(1), IS(DEFAULT_ALLOW),
	 .rule = "default/inward/ingress"},
	{"inward: egress", "inward", "lan", OUT, UDP(1), IS(DEFAULT_DENY),
	 .rule = "default/inward/egress"},
	{"observe", "watch", "lan", OUT, TCP(1), IS(DEFAULT_DENY), .observe = true},
	{"not the mode of the other end", "web", "watch", OUT, TCP(1), IS(DEFAULT_DENY)},

	/* failsafes */
	{"a failsafe", "db", NULL, "198.51.100.5", IN, TCP(22), IS(FAILSAFE), .rule = "bastion"},
	{"its edge", "db", NULL, "198.51.100.16", IN, TCP(22), IS(DEFAULT_DENY)},
	{"not outward", "db", NULL, "198.51.100.5", OUT, TCP(22), IS(DEFAULT_DENY)},
	{"not from this host", "db", NULL, "198.51.100.5", IN, TCP(22), IS(DEFAULT_DENY),
	 .here = true},
	{"its unit", NULL, NULL, "198.51.100.65", IN, TCP(23), IS(FAILSAFE), .rule = "unit",
	 .cgid = &db_cgid},
	{"another unit", NULL, NULL, "198.51.100.65", IN, TCP(23), IS(DEFAULT_DENY),
	 .cgid = &web_cgid},
	{"the unit of another failsafe", NULL, NULL, "198.51.100.65", IN, TCP(24), IS(DEFAULT_DENY),
	 .cgid = &db_cgid},
	{"and its own", NULL, NULL, "198.51.100.65", IN, TCP(24), IS(FAILSAFE), .rule = "second",
	 .cgid = &watch_cgid, .observe = true},

	/* one workload */
	{"two sockets of one workload", NULL, NULL, OUT, TCP(9), IS(SAME_WORKLOAD),
	 .cgid = &web_cgid, .peer = &web_cgid},
	{"a deny stands before it", NULL, NULL, OUT, TCP(300), IS(RULE_DENY), .rule = "own",
	 .cgid = &web_cgid, .peer = &web_cgid},
	{"another user", NULL, NULL, OUT, TCP(9), IS(DEFAULT_DENY), .cgid = &web_cgid,
	 .peer = &web_cgid, .peer_uid = 7},
	{"another workload", NULL, NULL, IN, TCP(9), IS(DEFAULT_DENY), .cgid = &web_cgid,
	 .peer = &db_cgid},
	{"a segment is no workload", "web", "web", OUT, TCP(9), IS(DEFAULT_DENY), .here = true},

	/* what is not of this generation */
	{"a generation that is gone", "web", "db", OUT, TCP(1), IS(NO_TABLE), .stale = true},
	{"an identity that is not of it", "?", "lan", OUT, TCP(1), IS(NO_IDENTITY)},
	{"a rule for everybody's peer opens nothing for it", "?", "web", IN, TCP(102), IS(ALLOW),
	 .rule = "behind"},
};

/* --- asking ----------------------------------------------------------------------------------------------------- */

static __u32 identity_of(const char *segment)
{
	return !strcmp(segment, "?") ? BH_ID_FIRST + 900 : pol_identity(&pol, segment);
}

static struct bh_question question_of(const struct row *row)
{
	struct bh_question q = {
		.gen = row->stale ? gen + 2 : gen,
		.now_ns = row->later ? FAR : 2,
		.port = row->port,
		.proto = row->proto,
		.dir = row->dir,
		.flags = row->here ? BH_Q_PEER_LOCAL : 0,
	};

	if (row->local)
		q.local = identity_of(row->local);
	if (row->remote)
		q.remote = identity_of(row->remote);
	if (row->cgid) {
		q.flags |= BH_Q_LOCAL_CGROUP;
		q.local_cgid = *row->cgid;
		q.local_uid = row->uid;
	}
	if (row->peer) {
		q.flags |= BH_Q_REMOTE_CGROUP;
		q.remote_cgid = *row->peer;
		q.remote_uid = row->peer_uid;
	}
	if (row->addr) {
		q.flags |= BH_Q_REMOTE_ADDR;
		q.remote_addr = pol_addr(row->addr);
	}
	return q;
}

/* The id of a rule's or default's number. */
static const char *id_of(__u32 number)
{
	const struct bh_rule_info *info = number ? bh_compiled_rule(pol.out, number) : NULL;

	return info ? info->id : "";
}

static bool is_default(const char *id)
{
	return !strncmp(id, "default/", 8);
}

/* A row that names no rule takes a default's word for none. */
static bool rule_fits(const struct row *row, const struct bh_answer *a)
{
	const char *id = id_of(a->rule);

	if (!row->rule)
		return !*id || is_default(id);
	return !strcmp(id, row->rule);
}

static bool as_told(const struct row *row, __u32 mode)
{
	struct bh_question q = question_of(row);
	bool observe = row->observe || mode & BH_CTL_OBSERVE, pass;
	struct bh_answer a;

	assert_int_equal(bh_kern_judge(kern, &q, &a), 0);
	pass = bh_reason_class(row->reason) != BH_CLASS_DENY || observe;
	if (a.reason == row->reason && a.pass == pass && a.observe == observe &&
	    rule_fits(row, &a) && !strcmp(id_of(a.would_rule), row->would ? row->would : "") &&
	    !a.deadline_ns == !row->ends)
		return true;
	printf("# %s: reason %d, rule '%s', would '%s', deadline %llu, pass %d, observe %d\n",
	       row->says, a.reason, id_of(a.rule), id_of(a.would_rule),
	       (unsigned long long)a.deadline_ns, a.pass, a.observe);
	return false;
}

static void test_table(void **state)
{
	int bad = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		bad += !as_told(&table[i], 0);
	assert_int_equal(bad, 0);
}

/* `bulkhead mode observe`: the same answers, and all of them pass. */
static void test_capped(void **state)
{
	int bad = 0;

	(void)state;
	assert_int_equal(bh_kern_set_ctl(kern, BH_CTL_OBSERVE, 0), 0);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		bad += !as_told(&table[i], BH_CTL_OBSERVE);
	assert_int_equal(bh_kern_set_ctl(kern, 0, BH_CTL_OBSERVE), 0);
	assert_int_equal(bad, 0);
}

/* --- a map without rules ------------------------------------------------------------------------------------------ */

static void publish_as_it_is(void)
{
	_cleanup_diags_ struct bh_diags d = {0};
	int r = bh_kern_stage(kern, pol.out, &d, &gen);

	if (!r)
		r = bh_kern_publish(kern);
	bh_diags_print(&d, stdout, false);
	assert_int_equal(r, 0);
}

static void publish(const char *body)
{
	pol_clear(&pol);
	pol = pol_made(body);
	publish_as_it_is();
}

/* No shape is searched, and still a workload may talk to itself. */
static void test_no_rules(void **state)
{
	static const struct row rows[] = {
		{"itself", NULL, NULL, OUT, TCP(9), IS(SAME_WORKLOAD), .cgid = &web_cgid,
		 .peer = &web_cgid},
		{"itself, asked", NULL, NULL, IN, TCP(9), IS(SAME_WORKLOAD), .cgid = &web_cgid,
		 .peer = &web_cgid},
		{"a neighbour", NULL, NULL, OUT, TCP(9), IS(DEFAULT_DENY), .cgid = &web_cgid,
		 .peer = &db_cgid},
		{"a segment", "web", "db", OUT, TCP(9), IS(DEFAULT_DENY)},
	};
	int bad = 0;

	(void)state;
	publish("segments:\n"
		"  web: { match: { unit: web.service } }\n"
		"  db: { match: { unit: db.service } }\n");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		bad += !as_told(&rows[i], 0);
	publish(map);
	assert_int_equal(bad, 0);
}

/* --- tables that do not fit together ------------------------------------------------------------------------------ */

/* Conditions that can't be read: a deny stands, an allow stays closed. */
static void test_a_missing_row(void **state)
{
	static const struct row rows[] = {
		{"a deny", "web", "lan", OUT, TCP(201), IS(RULE_DENY)},
		{"an allow", "web", "lan", OUT, TCP(101), IS(NO_TABLE)},
		{"one without conditions", "web", "lan", OUT, TCP(205), IS(ALLOW), .rule = "wide"},
	};
	int bad = 0;

	(void)state;
	pol_clear(&pol);
	pol = pol_made(map);
	for (size_t i = 0; i < pol.out->policy.n; i++) {
		struct bh_pol_val *val = &pol.out->policy.bh_pol_val[i];

		if (val->rule == pol_rule(&pol, "ending") || val->rule == pol_rule(&pol, "ends"))
			val->rule = 60000;
	}
	publish_as_it_is();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		bad += !as_told(&rows[i], 0);
	publish(map);
	assert_int_equal(bad, 0);
}

/* A cgroup that is not in the table is `host`, unless some found no room there. */
static void test_a_cgroup_that_found_no_room(void **state)
{
	struct bh_question q = {
		.gen = gen,
		.now_ns = 2,
		.local_cgid = 1ull << 40,
		.remote_cgid = 1ull << 41,
		.flags = BH_Q_LOCAL_CGROUP | BH_Q_REMOTE_CGROUP,
		.port = 1,
		.proto = IPPROTO_TCP,
		.dir = BH_OUT,
	};
	struct bh_answer a;

	(void)state;
	assert_int_equal(bh_kern_judge(kern, &q, &a), 0);
	assert_int_equal(a.local, BH_ID_HOST);
	assert_int_equal(a.remote, BH_ID_HOST);
	assert_int_equal(a.pass, 1);
	assert_int_equal(bh_kern_set_ctl(kern, BH_CTL_CGROUPS_FULL, 0), 0);
	assert_int_equal(bh_kern_judge(kern, &q, &a), 0);
	assert_int_equal(bh_kern_set_ctl(kern, 0, BH_CTL_CGROUPS_FULL), 0);
	assert_int_equal(a.local, BH_ID_UNASSIGNED);
	assert_int_equal(a.remote, BH_ID_UNASSIGNED);
	assert_int_equal(a.pass, 0);
}

/* --- holds as they would be --------------------------------------------------------------------------------------- */

static __u16 reason_of(const struct row *row, __u32 as_if, __u64 without)
{
	struct bh_question q = question_of(row);
	struct bh_answer a;

	q.flags |= as_if;
	q.without = without;
	assert_int_equal(bh_kern_judge(kern, &q, &a), 0);
	assert_int_equal(a.pass, bh_reason_class(a.reason) != BH_CLASS_DENY);
	return a.reason;
}

/* Somebody would be in quarantine; or who is in one would not. Failsafes hold but under a hard one. */
static void test_another_quarantine(void **state)
{
	static const struct row allowed = {"", "web", "lan", OUT, TCP(5001)},
				safe = {"", "db", NULL, "198.51.100.5", IN, TCP(22)};
	const __u32 held = BH_Q_AS_IF | BH_Q_HELD, hard = held | BH_Q_HELD_HARD;
	struct bh_quarantine slot[BH_QUARANTINE_MAX] = {{.flags = BH_QUARANTINE_ON}};
	struct bh_member web = {.by = BH_HELD_SEG, .held = 1, .seg = identity_of("web")};
	_cleanup_diags_ struct bh_diags d = {0};

	(void)state;
	assert_int_equal(reason_of(&allowed, BH_Q_AS_IF, 0), BH_R_ALLOW);
	assert_int_equal(reason_of(&allowed, held, 0), BH_R_QUARANTINE);
	assert_int_equal(reason_of(&safe, held, 0), BH_R_FAILSAFE);
	assert_int_equal(reason_of(&safe, hard, 0), BH_R_QUARANTINE);
	assert_int_equal(bh_kern_quarantine(kern, slot, &web, 1, &d), 0);
	assert_int_equal(reason_of(&allowed, 0, 0), BH_R_QUARANTINE);
	assert_int_equal(reason_of(&allowed, BH_Q_AS_IF, 0), BH_R_ALLOW);
	slot[0].flags = 0;
	assert_int_equal(bh_kern_quarantine(kern, slot, NULL, 0, &d), 0);
	assert_int_equal(reason_of(&allowed, 0, 0), BH_R_ALLOW);
}

/* Without one of the grants: another may still open it. */
static void test_fewer_grants(void **state)
{
	static const struct row later = {"", "web", "lan", OUT, TCP(100)},
				closed = {"", "db", "lan", OUT, TCP(9)};
	struct bh_grant grant[BH_GRANTS_MAX] = {0};
	struct bh_grant one = {.until_ns = FAR, .uid = BH_NO_UID, .port_to = 65535};
	struct bh_jit jit = {pol_rule(&pol, "later"), FAR};
	_cleanup_diags_ struct bh_diags d = {0};

	(void)state;
	one.from = identity_of("db");
	grant[0] = grant[40] = one;
	assert_int_equal(bh_kern_grants(kern, grant, &jit, 1, &d), 0);
	assert_int_equal(reason_of(&later, 0, 0), BH_R_ALLOW);
	assert_int_equal(reason_of(&later, BH_Q_LESS_JIT, jit.rule), BH_R_GRANT_MISSING);
	assert_int_equal(reason_of(&later, BH_Q_LESS_JIT, jit.rule + 1), BH_R_ALLOW);
	assert_int_equal(reason_of(&later, 0, jit.rule), BH_R_ALLOW);
	assert_int_equal(reason_of(&closed, 0, ~0ull), BH_R_GRANT);
	assert_int_equal(reason_of(&closed, BH_Q_LESS_GRANTS, 1), BH_R_GRANT);
	assert_int_equal(reason_of(&closed, BH_Q_LESS_GRANTS, 1ull << 40), BH_R_GRANT);
	assert_int_equal(reason_of(&closed, BH_Q_LESS_GRANTS, 1ull << 40 | 1), BH_R_DEFAULT_DENY);
	memset(grant, 0, sizeof(grant));
	assert_int_equal(bh_kern_grants(kern, grant, NULL, 0, &d), 0);
	assert_int_equal(reason_of(&closed, 0, 0), BH_R_DEFAULT_DENY);
}

/* --- run ----------------------------------------------------------------------------------------------------------- */

static int up(void **state)
{
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_kern_opts opts;
	int r;

	(void)state;
	if (rig_up())
		return -1;
	opts = rig_opts();
	r = bh_kern_open(&opts, &d, &kern);
	if (!r)
		r = bh_kern_attach(kern, &d);
	bh_diags_print(&d, stdout, false);
	assert_int_equal(r, 0);
	assert_int_equal(cg_make("system.slice/web.service", &web_cgid), 0);
	assert_int_equal(cg_make("system.slice/db.service", &db_cgid), 0);
	assert_int_equal(cg_make("system.slice/watch.service", &watch_cgid), 0);
	publish(map);
	return 0;
}

static int down(void **state)
{
	(void)state;
	pol_clear(&pol);
	(void)bh_kern_detach(kern);
	bh_kern_close(kern);
	rig_down();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_capped),
		cmocka_unit_test(test_no_rules),
		cmocka_unit_test(test_a_missing_row),
		cmocka_unit_test(test_a_cgroup_that_found_no_room),
		cmocka_unit_test(test_another_quarantine),
		cmocka_unit_test(test_fewer_grants),
	};

	return cmocka_run_group_tests(tests, up, down);
}
