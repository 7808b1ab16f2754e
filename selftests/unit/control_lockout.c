// SPDX-License-Identifier: Apache-2.0
/*
 * control_lockout.c - would a map deny the session it comes from? Tests agent/control/lockout*.c
 * with a /proc made up here, connections that the test says, and a kernel side of some lines.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "lockoutrig.h"

/* --- logins ---------------------------------------------------------------------------------------- */

static void a_login_that_is_denied(void **state)
{
	ssh_from("198.51.100.7", 22);
	check(*state);
	assert_int_equal(asked_gen, 43);
	assert_int_equal(k.n, 1);
	assert_int_equal(k.n_denied, 1);
	assert_int_equal(said.n_errors, 1);
	expect(0, 6,
	       "this map would deny the session it comes from: 198.51.100.7:50122 -> tcp/22 of ? "
	       "(default_deny), held by sshd (pid 600)",
	       "allow it, - { id: office-ssh-22, from: office, to: ssh, port: tcp/22 }, or keep it "
	       "open, failsafe: - { from: { cidr: [\"198.51.100.7/32\"] }, port: tcp/22 }, or say "
	       "--force");
	assert_false(bh_lockout_unknown(&k));
}

static void one_that_is_allowed(void **state)
{
	open_22 = true;
	ssh_from("198.51.100.7", 22);
	check(*state);
	assert_int_equal(k.n, 1);
	assert_int_equal(k.n_denied, 0);
	assert_int_equal(said.n, 0);
}

static void one_by_ipv6(void **state)
{
	ssh_from("2001:db8::7", 22);
	check(*state);
	expect(0, 6, "[2001:db8::7]:50122 -> tcp/22", "{ cidr: [\"2001:db8::7/128\"] }");
	fake.n_held = 0;
	ssh_from("fe80::7", 22);
	check(*state);
	expect(0, 6, "[fe80::7]:50122 -> tcp/22", "not link-local");
	assert_null(strstr(said.list[0].help, "failsafe"));
}

/* From an address of no segment no allow is offered: it would be for the whole world. */
static void one_from_the_world(void **state)
{
	ssh_from("203.0.113.9", 22);
	check(*state);
	expect(0, 6, "203.0.113.9:50122", "keep it open, failsafe:");
	assert_null(strstr(said.list[0].help, "allow it"));
}

static void one_denied_by_a_rule(void **state)
{
	ssh_from("198.51.100.7", 2222);
	check(*state);
	/* an allow would not help, a failsafe does */
	expect(0, 11, "(rule_deny)", "keep it open, failsafe:");
	assert_null(strstr(said.list[0].help, "allow it"));
}

static void only_observed(void **state)
{
	ssh_from("198.51.100.7", 22)->cgid = CG_LAB;
	check(*state);
	assert_int_equal(k.n, 1);
	assert_int_equal(k.n_denied, 0);
}

/* The host's cap may end any moment: what the map says counts. */
static void capped(void **state)
{
	fake.flags = BH_CTL_OBSERVE;
	ssh_from("198.51.100.7", 22);
	check_as(*state, 701, BH_WARNING);
	assert_int_equal(k.n_denied, 1);
	assert_int_equal(said.n_errors, 0);
	assert_int_equal(said.n, 1);
}

static void outside_of_the_root(void **state)
{
	ssh_from("198.51.100.7", 22)->flags &= ~(__u32)BH_HELD_INSIDE;
	check(*state);
	assert_int_equal(k.n, 1);
	assert_int_equal(k.n_denied, 0);
	assert_false(bh_lockout_unknown(&k));
}

static void nobody_knows_who_began(void **state)
{
	open_22 = true;
	ssh_from("198.51.100.7", 22)->flags &= ~(__u32)BH_HELD_ACCEPTED;
	check(*state);
	assert_int_equal(k.n_denied, 1);
	expect(0, 6, "(direction_unknown)", "log in again");
	fake.held[0].cgid = CG_LAB;
	check(*state);
	assert_int_equal(k.n_denied, 0);
}

static void reserved_for_another(void **state)
{
	open_22 = true;
	compile_map(*state, MAP "  - { id: x, from: office, to: lab, port: tcp/1 }\n");
	ssh_from("198.51.100.7", 22);
	check(*state);
	assert_int_equal(k.n_denied, 0);
	compile_map(*state, "version: 1\nname: shop\nmode: enforce\n"
			    "default: { ingress: deny, egress: deny }\n"
			    "segments:\n"
			    "  ssh: { match: { unit: ssh.service } }\n"
			    "  runner: { match: { unit: runner.service }, listen: [tcp/22] }\n"
			    "  lab: { match: { unit: lab.service }, mode: observe }\n"
			    "  office: { match: { cidr: [198.51.100.0/24] } }\n");
	check(*state);
	assert_int_equal(k.n_denied, 1);
	expect(0, 6, "(listen_not_allowed)", "`listen:`");
	fake.held[0].cgid = CG_RUNNER;
	check(*state);
	assert_int_equal(k.n_denied, 0);
}

/* --- other ways -------------------------------------------------------------------------------------- */

/* A runner that fetches its work: its connection is one that it made. */
static void an_outgoing_connection(void **state)
{
	holds(600, 7, CG_RUNNER, BH_HELD_ASKED, "203.0.113.5", 443, "10.0.0.1", 40001);
	check(*state);
	assert_int_equal(k.n_denied, 1);
	expect(0, 7, "? -> 203.0.113.5:443/tcp (default_deny)",
	       "failsafe: - { to: { cidr: [\"203.0.113.5/32\"] }, port: tcp/443 }");
}

static void a_peer_on_this_host(void **state)
{
	struct bh_held *server = ssh_from("127.0.0.1", 22);

	open_22 = true;
	server->flags |= BH_HELD_LOCAL_PEER;
	/* who else: some other process */
	holds(900, 8, CG_RUNNER, BH_HELD_ASKED | BH_HELD_LOCAL_PEER, "10.0.0.1", 22, "127.0.0.1",
	      50122);
	check(*state);
	assert_int_equal(k.n, 1);
	assert_true(k.v[0].peer_found);
	assert_int_equal(k.n_denied, 0);
	/* its half is asked as well */
	denies_out_of = seg_runner;
	check(*state);
	assert_int_equal(k.n_denied, 1);
	assert_true(k.v[0].peers_half);
	expect(0, 7, "127.0.0.1:50122 -> tcp/22",
	       "allow it, - { id: runner-ssh-22, from: runner, to: ssh, port: tcp/22 }");
	assert_null(strstr(said.list[0].help, "failsafe"));
	/* a socket of another namespace is no peer */
	fake.held[1].netns = 2;
	check(*state);
	assert_false(k.v[0].peer_found);
	assert_int_equal(k.n_denied, 0);
	/* nor one with another port */
	fake.held[1].netns = 1;
	fake.held[1].local_port = 50123;
	check(*state);
	assert_false(k.v[0].peer_found);
}

static void its_own_half_first(void **state)
{
	ssh_from("127.0.0.1", 22)->flags |= BH_HELD_LOCAL_PEER;
	holds(900, 8, CG_RUNNER, BH_HELD_ASKED | BH_HELD_LOCAL_PEER, "10.0.0.1", 22, "127.0.0.1",
	      50122);
	check(*state);
	assert_false(k.v[0].peers_half);
	expect(0, 6, "(default_deny)", "from: runner, to: ssh, port: tcp/22");
}

static void nothing_and_a_console(void **state)
{
	check(*state);
	assert_int_equal(k.n, 0);
	assert_false(k.console);
	assert_true(bh_lockout_unknown(&k));
	task(602, "bash", 1, 602, 4 << 8 | 1, 5011);
	check(*state);
	assert_true(k.console);
	assert_false(bh_lockout_unknown(&k));
	assert_string_equal(k.me.name, "bulkhead");
}

/* An sshd that somebody started by hand on the console is no console of who comes over it. */
static void the_servers_console_is_not_his(void **state)
{
	task(500, "sshd", 1, 500, 4 << 8 | 1, 900);
	check(*state);
	assert_true(k.console);
	ssh_from("198.51.100.7", 22);
	check(*state);
	assert_false(k.console);
	/* but his own terminal is, however many connections he made from there */
	fake.held[0].flags = BH_HELD_ASKED | BH_HELD_INSIDE;
	check(*state);
	assert_true(k.console);
}

static void all_of_them(void **state)
{
	for (unsigned i = 0; i < 6; i++)
		holds(i % 2 ? 600 : 602, 20 + i, CG_SSH, BH_HELD_ACCEPTED, "198.51.100.7",
		      (__u16)(50000 + i), "10.0.0.1", 22);
	/* held by two, told once, as the nearer one's */
	holds(600, 20, CG_SSH, BH_HELD_ACCEPTED, "198.51.100.7", 50000, "10.0.0.1", 22);
	/* of a process that is no ancestor */
	holds(999, 30, CG_SSH, BH_HELD_ACCEPTED, "198.51.100.7", 1, "10.0.0.1", 22);
	check(*state);
	assert_int_equal(k.n, 6);
	assert_int_equal(k.n_denied, 6);
	assert_string_equal(k.v[0].name, "bash");
	assert_int_equal(k.v[0].oldest_ns, 5000 * TICK_NS);
	/* the first are enough to read */
	assert_int_equal(said.n, 5);
	assert_non_null(strstr(said.list[4].text, "2 connections more"));
}

static void what_cant_be_told(void **state)
{
	struct bh_caller caller = {.pid = getpid()};

	bh_lockout_clear(&k);
	fake.held_error = -EACCES;
	assert_int_equal(bh_lockout_find(*state, proc, 701, &k), -EACCES);
	assert_int_equal(bh_lockout_find(*state, proc, 4711, &k), -ESRCH);
	assert_int_equal(bh_lockout_check(*state, &l, &caller, 43, BH_ERROR, &said, &k), -EACCES);
	assert_non_null(strstr(said.list[0].text, "can't be told"));
	assert_int_equal(said.n_errors, 1);
	assert_false(bh_lockout_fresh(*state, &caller, 0));
}

/* --- anew ---------------------------------------------------------------------------------------------- */

static bool fresh(struct bh_agent *a, __u64 since_ns)
{
	bh_lockout_clear(&k);
	assert_int_equal(bh_lockout_find(a, proc, 701, &k), 0);
	return bh_lockout_is_fresh(&k, since_ns);
}

static void a_login_since_then(void **state)
{
	struct bh_held *held = ssh_from("198.51.100.7", 22);

	assert_true(fresh(*state, 4999 * TICK_NS));
	assert_true(fresh(*state, 5000 * TICK_NS));
	assert_false(fresh(*state, 5000 * TICK_NS + 1));
	/* the shell is younger, the login is not */
	assert_false(fresh(*state, 5011 * TICK_NS));
	/* the connection is older than all that hold it now */
	held->begin_ns = 4000 * TICK_NS;
	assert_false(fresh(*state, 5000 * TICK_NS));
	held->begin_ns = 5002 * TICK_NS;
	assert_true(fresh(*state, 5000 * TICK_NS));
}

static void an_heir_is_not_fresh(void **state)
{
	ssh_from("198.51.100.7", 22);
	holds(602, 7, CG_SSH, BH_HELD_ACCEPTED, "198.51.100.7", 50122, "10.0.0.1", 22);
	assert_false(fresh(*state, 5005 * TICK_NS));
	assert_true(fresh(*state, 5000 * TICK_NS));
}

static void what_is_not_fresh(void **state)
{
	/* none */
	assert_false(fresh(*state, 0));
	/* one that he made himself, or of which nobody knows who did */
	holds(602, 6, CG_RUNNER, BH_HELD_ASKED, "203.0.113.5", 443, "10.0.0.1", 40001);
	assert_false(fresh(*state, 0));
	fake.held[0].flags = BH_HELD_INSIDE;
	assert_false(fresh(*state, 0));
	/* an older one beside a new one is no matter */
	ssh_from("198.51.100.7", 22);
	holds(500, 9, CG_SSH, BH_HELD_ACCEPTED, "198.51.100.9", 50001, "10.0.0.1", 22);
	assert_true(fresh(*state, 5000 * TICK_NS));
	assert_false(fresh(*state, 5001 * TICK_NS));
}

static void a_console_is_always(void **state)
{
	task(602, "bash", 1, 602, 4 << 8 | 65, 5011);
	assert_true(fresh(*state, ~0ull));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_login_that_is_denied),
		TEST(one_that_is_allowed),
		TEST(one_by_ipv6),
		TEST(one_from_the_world),
		TEST(one_denied_by_a_rule),
		TEST(only_observed),
		TEST(capped),
		TEST(outside_of_the_root),
		TEST(nobody_knows_who_began),
		TEST(reserved_for_another),
		TEST(an_outgoing_connection),
		TEST(a_peer_on_this_host),
		TEST(its_own_half_first),
		TEST(nothing_and_a_console),
		TEST(the_servers_console_is_not_his),
		TEST(all_of_them),
		TEST(what_cant_be_told),
		TEST(a_login_since_then),
		TEST(an_heir_is_not_fresh),
		TEST(what_is_not_fresh),
		TEST(a_console_is_always),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
