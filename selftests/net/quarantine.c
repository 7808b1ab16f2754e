// SPDX-License-Identifier: Apache-2.0
/*
 * quarantine.c - a segment, a unit and an address are cut off: both ways, on the wire and on
 * loopback, running connections on their next packet, whatever a rule or a mode allows; failsafes
 * hold unless it says otherwise. And grants, which open for a while what no rule allows.
 */
#include "netrig.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "talk.h"

#define PORT   7000
#define SECOND 1000000000ull

static struct net_host a, b;
static struct puppet *web, *db, *far, *one, *two;

static const char map[] =
	"segments:\n"
	"  web: { match: { unit: web.service } }\n"
	"  db: { match: { unit: db.service }, mode: observe }\n"
	"  lan: { match: { cidr: [10.77.0.8/29, fd77::/112] } }\n"
	"  desk: { match: { cidr: [10.77.0.12/32] } }\n"
	"  twins: { match: [ { unit: one.service }, { unit: two.service } ] }\n"
	"allow:\n"
	"  - { id: in, from: [web, lan, desk], to: [db, web], port: any }\n"
	"  - { id: out, from: [web, db, twins], to: [lan, desk, web], port: any }\n"
	"failsafe:\n"
	"  - { from: { cidr: [10.77.0.11/32] }, port: tcp/7022-7023 }\n";

static __u64 now_ns(void)
{
	struct timespec t;

	assert_int_equal(clock_gettime(CLOCK_BOOTTIME, &t), 0);
	return (__u64)t.tv_sec * SECOND + (__u64)t.tv_nsec;
}

/* --- who is held ------------------------------------------------------------------------------------ */

static struct bh_quarantine slot[BH_QUARANTINE_MAX];
static struct bh_member held[8];
static size_t n_held;

static void release_all(void)
{
	memset(slot, 0, sizeof(slot));
	memset(held, 0, sizeof(held));
	n_held = 0;
}

static struct bh_member *hold(enum bh_held_by by, __u32 flags, __u64 until_ns)
{
	struct bh_member *h = &held[n_held];

	slot[n_held] = (struct bh_quarantine){until_ns, BH_QUARANTINE_ON | flags, 0};
	h->by = by;
	h->held = (__u32)++n_held;
	return h;
}

static void hold_segment(const char *name)
{
	hold(BH_HELD_SEG, 0, 0)->seg = net_identity(&a, name);
}

static void hold_unit(const char *name)
{
	strcpy(hold(BH_HELD_UNIT, 0, 0)->unit, name);
}

static void hold_addr(const char *text, __u32 bits, __u32 flags)
{
	struct bh_member *h = hold(BH_HELD_ADDR, flags, 0);
	struct bh_addr addr = pol_addr(text);

	h->prefix.prefixlen = strchr(text, ':') ? bits : 96 + bits;
	memcpy(h->prefix.addr, addr.b, sizeof(addr.b));
}

static void in_force(void)
{
	_cleanup_diags_ struct bh_diags d = {0};

	assert_int_equal(bh_kern_quarantine(a.k, slot, held, n_held, &d), 0);
}

/* --- who reaches whom ------------------------------------------------------------------------------- */

/* From the other host a refusal is silence. */
static bool reaches(struct puppet *from, const char *source, const char *to, int port)
{
	int fd = talk_socket(from, SOCK_STREAM, to, source), r;

	if (from == far)
		assert_int_equal(pup_patience(from, fd, PUP_SHORT_MS), 0);
	r = pup_connect(from, fd, to, port);
	assert_int_equal(pup_close(from, fd), 0);
	return r == 0;
}

static bool ask_udp(struct puppet *from, const char *to)
{
	int family = strchr(to, ':') ? AF_INET6 : AF_INET;
	int fd = pup_socket(from, family, SOCK_DGRAM, 0);
	bool sent = pup_sendto(from, fd, "x", to, PORT) == 1;

	assert_int_equal(pup_close(from, fd), 0);
	return sent;
}

/* --- quarantine --------------------------------------------------------------------------------------- */

static void test_a_segment(void **state)
{
	struct talk t;

	(void)state;
	net_apply(&a, map);
	t = talk_open(web, NULL, db, pup_serve(db, SOCK_STREAM, "127.0.0.1", 7003), "127.0.0.1",
		      7003);
	talk_both_ways(&t);
	release_all();
	hold_segment("db");
	in_force();
	net_mark(&a);
	/* db observes: that does not help */
	assert_false(reaches(web, NULL, "127.0.0.1", PORT));
	assert_false(reaches(web, NULL, "::1", PORT));
	assert_false(reaches(far, NULL, "10.77.0.1", PORT));
	assert_false(reaches(far, NULL, "fd77::1", PORT));
	assert_false(reaches(db, NULL, "10.77.0.11", PORT));
	assert_false(reaches(db, NULL, "fd77::11", PORT));
	assert_false(ask_udp(db, "10.77.0.11"));
	assert_true(net_count(&a, BH_R_QUARANTINE) >= 5);
	/* nobody else is touched */
	assert_true(reaches(web, NULL, "10.77.0.11", PORT));
	assert_true(reaches(far, NULL, "10.77.0.2", 7080));
	/* the failsafe holds */
	assert_true(reaches(far, "10.77.0.11", "10.77.0.1", 7022));
	/* the connection that ran, on its next packet; and an idle one */
	(void)pup_send(web, t.client_fd, "x");
	assert_true(net_cut(&a) >= 1);
	assert_true(talk_ends(web, t.client_fd, 3000) < 0);
	talk_close(&t);
	release_all();
	in_force();
	assert_true(reaches(web, NULL, "127.0.0.1", PORT));
	assert_true(reaches(far, NULL, "fd77::1", PORT));
	assert_true(reaches(db, NULL, "10.77.0.11", PORT));
}

/* By its name: it does not get out by a restart, nor by a cgroup below its own. */
static void test_a_unit(void **state)
{
	struct puppet *child, *again;

	(void)state;
	net_apply(&a, map);
	release_all();
	hold_unit("web.service");
	in_force();
	assert_false(reaches(web, NULL, "127.0.0.1", PORT));
	assert_false(reaches(web, NULL, "10.77.0.11", PORT));
	assert_false(reaches(far, NULL, "10.77.0.2", 7080));
	child = net_puppet(&a, "web.service/inner");
	assert_false(reaches(child, NULL, "127.0.0.1", PORT));
	pup_stop(child);
	again = net_puppet(&a, "other.slice/web.service"); /* system.slice/other.slice */
	assert_false(reaches(again, NULL, "10.77.0.11", PORT));
	pup_stop(again);
	assert_true(reaches(db, NULL, "10.77.0.11", PORT));
	/* a new map changes nothing about it */
	net_apply(&a, map);
	assert_false(reaches(web, NULL, "10.77.0.11", PORT));
	release_all();
	in_force();
	assert_true(reaches(web, NULL, "10.77.0.11", PORT));
}

/* A quarantine of its own does not get it out of that of the slice around it. */
static void test_a_unit_in_a_slice(void **state)
{
	struct puppet *inner;

	(void)state;
	net_apply(&a, map);
	release_all();
	hold_unit("other.slice");
	hold_unit("web.service");
	slot[1].until_ns = now_ns() + SECOND;
	in_force();
	inner = net_puppet(&a, "other.slice/web.service");
	assert_false(reaches(web, NULL, "10.77.0.11", PORT));
	assert_false(reaches(inner, NULL, "10.77.0.11", PORT));
	(void)usleep(1100000);
	assert_true(reaches(web, NULL, "10.77.0.11", PORT));
	assert_false(reaches(inner, NULL, "10.77.0.11", PORT));
	/* nor is it softer there */
	(void)pup_serve(inner, SOCK_STREAM, "10.77.0.3", 7023);
	assert_true(reaches(far, "10.77.0.11", "10.77.0.3", 7023));
	slot[0].flags |= BH_QUARANTINE_HARD;
	slot[1].until_ns = 0;
	in_force();
	assert_false(reaches(far, "10.77.0.11", "10.77.0.3", 7023));
	pup_stop(inner);
	release_all();
	in_force();
}

/* A socket of somebody who is in none, of another segment or of the same one. */
static int borrowed(struct puppet *from, struct puppet *by, int type)
{
	int own = pup_socket(from, AF_INET, type, 0), fd = pup_pass(from, own, by), r;

	assert_int_equal(pup_close(from, own), 0);
	r = type == SOCK_STREAM ? pup_connect(by, fd, "10.77.0.11", PORT)
				: pup_sendto(by, fd, "x", "10.77.0.11", PORT);
	assert_int_equal(pup_close(by, fd), 0);
	return r;
}

static void test_another_ones_socket_does_not_help(void **state)
{
	static const int type[] = {SOCK_STREAM, SOCK_DGRAM};

	(void)state;
	net_apply(&a, map);
	for (size_t i = 0; i < ARRAY_SIZE(type); i++) {
		release_all();
		in_force();
		/* db observes, so its socket may be lent */
		assert_true(borrowed(db, web, type[i]) >= 0);
		assert_true(borrowed(two, one, type[i]) >= 0);
		hold_unit("web.service");
		hold_unit("one.service");
		in_force();
		assert_int_equal(borrowed(db, web, type[i]), -EPERM);
		assert_int_equal(borrowed(two, one, type[i]), -EPERM);
		assert_true(borrowed(one, two, type[i]) < 0);
		assert_true(reaches(two, NULL, "10.77.0.11", PORT));
		release_all();
		hold_segment("web");
		in_force();
		assert_int_equal(borrowed(db, web, type[i]), -EPERM);
	}
	release_all();
	in_force();
}

static void test_an_address(void **state)
{
	static const struct {
		const char *prefix;
		__u32 bits;
		bool v4;
	} row[] = {{"10.77.0.11", 32, true},
		   {"10.77.0.0", 24, true},
		   {"fd77::11", 128, false},
		   {"fd77::", 64, false}};

	(void)state;
	net_apply(&a, map);
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		struct talk t;
		const struct bh_event *ev;

		release_all();
		in_force();
		t = talk_open(web, NULL, far,
			      pup_serve(far, SOCK_STREAM, row[i].v4 ? "10.77.0.11" : "fd77::11",
					7100 + (int)i),
			      row[i].v4 ? "10.77.0.11" : "fd77::11", 7100 + (int)i);
		hold_addr(row[i].prefix, row[i].bits, 0);
		in_force();
		net_mark(&a);
		assert_int_equal(reaches(far, "10.77.0.11", "10.77.0.1", PORT), !row[i].v4);
		assert_int_equal(reaches(far, "fd77::11", "fd77::1", PORT), row[i].v4);
		assert_int_equal(reaches(web, NULL, "10.77.0.11", PORT), !row[i].v4);
		assert_int_equal(reaches(web, NULL, "fd77::11", PORT), row[i].v4);
		/* a segment of its own inside the prefix does not help */
		assert_int_equal(reaches(far, "10.77.0.12", "10.77.0.1", PORT), row[i].bits != 24);
		assert_true(reaches(far, "10.77.0.11", "10.77.0.1", 7022));
		/* XDP looks at the source of what belongs to a connection, too */
		net_mark(&a);
		assert_true(pup_send(far, t.server_fd, "x") == 1);
		for (int j = 0; j < 200 && !net_count(&a, BH_R_QUARANTINE); j++)
			(void)usleep(5000);
		ev = net_event(&a, BH_EVENT_DENY, NULL);
		assert_true(ev && ev->reason == BH_R_QUARANTINE && ev->hook == BH_HOOK_XDP);
		assert_true(net_cut(&a) >= 1);
		talk_close(&t);
	}
	release_all();
	in_force();
	assert_true(reaches(far, "10.77.0.11", "10.77.0.1", PORT));
}

static void test_a_hole(void **state)
{
	(void)state;
	net_apply(&a, map);
	release_all();
	hold_addr("10.77.0.0", 24, 0);
	hold_addr("10.77.0.12", 32, 0);
	held[1].held = 0;
	in_force();
	assert_false(reaches(far, "10.77.0.11", "10.77.0.1", PORT));
	assert_true(reaches(far, "10.77.0.12", "10.77.0.1", PORT));
	release_all();
	in_force();
}

static void test_a_hard_one(void **state)
{
	(void)state;
	net_apply(&a, map);
	release_all();
	hold_addr("10.77.0.11", 32, BH_QUARANTINE_HARD);
	in_force();
	assert_false(reaches(far, "10.77.0.11", "10.77.0.1", 7022));
	release_all();
	hold_unit("db.service");
	slot[0].flags |= BH_QUARANTINE_HARD;
	in_force();
	assert_false(reaches(far, "10.77.0.11", "10.77.0.1", 7022));
	release_all();
	in_force();
	assert_true(reaches(far, "10.77.0.11", "10.77.0.1", 7022));
}

/* With nobody there to end it; and what it denied is asked anew. */
static void test_it_ends_by_itself(void **state)
{
	(void)state;
	net_apply(&a, map);
	release_all();
	hold_segment("db");
	slot[0].until_ns = now_ns() + SECOND;
	in_force();
	assert_false(reaches(web, NULL, "127.0.0.1", PORT));
	(void)usleep(1100000);
	assert_true(reaches(web, NULL, "127.0.0.1", PORT));
	release_all();
	in_force();
}

/* An emergency does not open it. */
static void test_an_emergency_does_not_open_it(void **state)
{
	(void)state;
	net_apply(&a, map);
	release_all();
	hold_segment("db");
	in_force();
	bh_kern_set_open(a.k, now_ns() + 60 * SECOND);
	assert_false(reaches(web, NULL, "127.0.0.1", PORT));
	assert_false(reaches(far, NULL, "10.77.0.1", PORT));
	bh_kern_set_open(a.k, 0);
	release_all();
	in_force();
}

/* --- grants ------------------------------------------------------------------------------------------- */

static const char closed_map[] =
	"segments:\n"
	"  web: { match: { unit: web.service } }\n"
	"  db: { match: { unit: db.service } }\n"
	"  lan: { match: { cidr: [10.77.0.8/29, fd77::/112] } }\n"
	"allow:\n"
	"  - { id: sre, from: lan, to: db, port: tcp/7000-7009, jit: { max: 1h, reason: required } }\n"
	"deny:\n"
	"  - { id: never, from: web, to: db, port: tcp/7001 }\n";

static struct bh_grant grant[BH_GRANTS_MAX];

static void grants(const struct bh_jit *jit, size_t n)
{
	_cleanup_diags_ struct bh_diags d = {0};

	assert_int_equal(bh_kern_grants(a.k, grant, jit, n, &d), 0);
}

/* @to: NULL is anybody */
static void any_port(const char *from, const char *to, __u64 until_ns)
{
	memset(grant, 0, sizeof(grant));
	grant[0] = (struct bh_grant){
		.until_ns = until_ns,
		.from = net_identity(&a, from),
		.to = to ? net_identity(&a, to) : BH_ID_ANY,
		.uid = BH_NO_UID,
		.port_to = 65535,
	};
}

static void test_a_rule_just_in_time(void **state)
{
	struct bh_jit jit = {0};
	struct talk t;

	(void)state;
	net_apply(&a, closed_map);
	memset(grant, 0, sizeof(grant));
	grants(NULL, 0);
	net_mark(&a);
	assert_false(reaches(far, NULL, "10.77.0.1", PORT));
	assert_true(net_count(&a, BH_R_GRANT_MISSING) > 0);
	jit.rule = pol_rule(&a.pol, "sre");
	jit.until_ns = now_ns() + 2 * SECOND;
	grants(&jit, 1);
	t = talk_open(far, NULL, db, pup_serve(db, SOCK_STREAM, "10.77.0.2", 7005), "10.77.0.2",
		      7005);
	talk_both_ways(&t);
	assert_true(reaches(far, NULL, "fd77::1", PORT));
	while (now_ns() < jit.until_ns)
		(void)usleep(10000);
	assert_false(reaches(far, NULL, "10.77.0.1", PORT));
	net_mark(&a);
	assert_true(pup_send(far, t.client_fd, "x") == 1);
	for (int i = 0; i < 200 && !net_count(&a, BH_R_GRANT_MISSING); i++)
		(void)usleep(5000);
	assert_true(net_count(&a, BH_R_GRANT_MISSING) > 0);
	assert_true(net_cut(&a) >= 1);
	talk_close(&t);
}

static void test_an_ad_hoc_grant(void **state)
{
	struct talk t;

	(void)state;
	net_apply(&a, closed_map);
	memset(grant, 0, sizeof(grant));
	grant[5] = (struct bh_grant){
		.until_ns = now_ns() + 60 * SECOND,
		.from = net_identity(&a, "web"),
		.to = net_identity(&a, "db"),
		.uid = BH_NO_UID,
		.port = 7000,
		.port_to = 7002,
		.proto = IPPROTO_TCP,
	};
	assert_false(reaches(web, NULL, "127.0.0.1", PORT));
	grants(NULL, 0);
	assert_true(reaches(web, NULL, "127.0.0.1", PORT));
	assert_true(reaches(web, NULL, "::1", PORT));
	/* a deny stands */
	assert_int_equal(talk_try(web, NULL, "127.0.0.1", 7001), -EPERM);
	/* and no other direction, port, protocol */
	assert_false(ask_udp(web, "127.0.0.1"));
	assert_int_equal(talk_try(web, NULL, "127.0.0.1", 7022), -EPERM);
	assert_int_equal(talk_try(db, NULL, "127.0.0.1", 7080), -EPERM);
	assert_int_equal(talk_try(web, NULL, "10.77.0.11", PORT), -EPERM);
	t = talk_open(web, NULL, db, pup_serve(db, SOCK_STREAM, "127.0.0.1", 7002), "127.0.0.1",
		      7002);
	talk_both_ways(&t);
	/* for one user only */
	grant[5].uid = 1234;
	grants(NULL, 0);
	assert_int_equal(talk_try(web, NULL, "127.0.0.1", PORT), -EPERM);
	grant[5].uid = BH_NO_UID;
	grants(NULL, 0);
	assert_true(reaches(web, NULL, "127.0.0.1", PORT));
	/* revoked */
	memset(grant, 0, sizeof(grant));
	grants(NULL, 0);
	assert_int_equal(talk_try(web, NULL, "127.0.0.1", PORT), -EPERM);
	assert_true(net_cut(&a) >= 1);
	assert_true(talk_ends(web, t.client_fd, 3000) < 0);
	talk_close(&t);
}

/* With nobody there to end it, and what it let through. */
static void test_an_ad_hoc_grant_ends(void **state)
{
	struct talk t;
	__u64 end = now_ns() + SECOND;

	(void)state;
	net_apply(&a, closed_map);
	any_port("web", "db", end);
	grants(NULL, 0);
	t = talk_open(web, NULL, db, pup_serve(db, SOCK_STREAM, "127.0.0.1", 7006), "127.0.0.1",
		      7006);
	talk_both_ways(&t);
	while (now_ns() < end)
		(void)usleep(10000);
	assert_int_equal(talk_try(web, NULL, "127.0.0.1", PORT), -EPERM);
	assert_false(ask_udp(web, "127.0.0.1"));
	net_mark(&a);
	assert_true(pup_send(web, t.client_fd, "x") == 1);
	for (int i = 0; i < 200 && !net_count(&a, BH_R_DEFAULT_DENY); i++)
		(void)usleep(5000);
	assert_true(net_count(&a, BH_R_DEFAULT_DENY) > 0);
	assert_true(net_cut(&a) >= 1);
	talk_close(&t);
	memset(grant, 0, sizeof(grant));
	grants(NULL, 0);
}

/* Neither kind opens anything for who is in quarantine. */
static void test_a_grant_does_not_open_a_quarantine(void **state)
{
	struct bh_jit jit = {0};

	(void)state;
	net_apply(&a, closed_map);
	any_port("web", "db", now_ns() + 60 * SECOND);
	jit.rule = pol_rule(&a.pol, "sre");
	jit.until_ns = now_ns() + 60 * SECOND;
	grants(&jit, 1);
	assert_true(reaches(web, NULL, "127.0.0.1", PORT));
	assert_true(reaches(far, NULL, "10.77.0.1", PORT));
	release_all();
	hold_unit("db.service");
	in_force();
	assert_false(reaches(web, NULL, "127.0.0.1", PORT));
	assert_false(ask_udp(web, "127.0.0.1"));
	assert_false(reaches(far, NULL, "10.77.0.1", PORT));
	release_all();
	in_force();
	assert_true(reaches(web, NULL, "127.0.0.1", PORT));
	memset(grant, 0, sizeof(grant));
	grants(NULL, 0);
}

static void test_a_grant_in_observe_says_so(void **state)
{
	(void)state;
	net_apply(&a, closed_map);
	any_port("lan", NULL, now_ns() + 60 * SECOND);
	grants(NULL, 0);
	net_mark(&a);
	assert_true(reaches(far, NULL, "10.77.0.2", 7080));
	assert_true(net_count(&a, BH_R_GRANT) > 0);
	memset(grant, 0, sizeof(grant));
	grants(NULL, 0);
	assert_false(reaches(far, NULL, "10.77.0.2", 7080));
}

/* --- run ------------------------------------------------------------------------------------------------ */

static int up(void **state)
{
	(void)state;
	if (net_up(&a, &b))
		return -1;
	web = net_puppet(&a, "web.service");
	db = net_puppet(&a, "db.service");
	far = net_puppet(&b, "far.service");
	one = net_puppet(&a, "one.service");
	two = net_puppet(&a, "two.service");
	(void)pup_serve(db, SOCK_STREAM, "::", PORT);
	(void)pup_serve(db, SOCK_STREAM, "127.0.0.1", 7001);
	(void)pup_serve(db, SOCK_DGRAM, "127.0.0.1", PORT);
	(void)pup_serve(db, SOCK_STREAM, "::", 7022);
	(void)pup_serve(web, SOCK_STREAM, "::", 7080);
	(void)pup_serve(far, SOCK_STREAM, "::", PORT);
	return 0;
}

static int down(void **state)
{
	(void)state;
	return net_down(&a, &b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_segment),
		cmocka_unit_test(test_a_unit),
		cmocka_unit_test(test_a_unit_in_a_slice),
		cmocka_unit_test(test_another_ones_socket_does_not_help),
		cmocka_unit_test(test_an_address),
		cmocka_unit_test(test_a_hole),
		cmocka_unit_test(test_a_hard_one),
		cmocka_unit_test(test_it_ends_by_itself),
		cmocka_unit_test(test_an_emergency_does_not_open_it),
		cmocka_unit_test(test_a_rule_just_in_time),
		cmocka_unit_test(test_an_ad_hoc_grant),
		cmocka_unit_test(test_an_ad_hoc_grant_ends),
		cmocka_unit_test(test_a_grant_does_not_open_a_quarantine),
		cmocka_unit_test(test_a_grant_in_observe_says_so),
	};

	return cmocka_run_group_tests(tests, up, down);
}
