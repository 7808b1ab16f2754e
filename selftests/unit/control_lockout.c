// SPDX-License-Identifier: Apache-2.0
/*
 * control_lockout.c - would a map deny the session it comes from? Tests agent/control/lockout*.c
 * with a /proc made up here, connections that the test says, and a kernel side of some lines.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "../../agent/base/io.h"
#include "../../agent/control/lockout.h"
#include "fakeagent.h"

#define MAP                                                                                        \
	"version: 1\nname: shop\nmode: enforce\ndefault: { ingress: deny, egress: deny }\n"        \
	"segments:\n"                                                                              \
	"  ssh: { match: { unit: ssh.service } }\n"                                                \
	"  runner: { match: { unit: runner.service } }\n"                                          \
	"  lab: { match: { unit: lab.service }, mode: observe }\n"                                 \
	"  office: { match: { cidr: [198.51.100.0/24, \"2001:db8::/32\"] } }\n"                    \
	"deny:\n"                                                                                  \
	"  - { id: no-ssh, from: office, to: ssh, port: tcp/2222 }\n"

#define TICK_NS 10000000ull

enum { CG_SSH = 101, CG_RUNNER, CG_LAB, CG_OTHER };

static struct bh_live l;
static struct bh_lockout k;
static struct bh_diags said;
static __u32 seg_ssh, seg_runner, seg_lab, seg_office;
/* what the policy allows: accepted at tcp/22, or nothing */
static bool open_22;
static __u32 rule_no_ssh;

static __u32 segment(const char *name)
{
	for (size_t i = 0; i < l.compiled->n_identity; i++)
		if (!strcmp(l.map->segment[i].name, name))
			return l.compiled->identity[i];
	fail_msg("no segment %s", name);
	return 0;
}

static __u32 of_cgroup(__u64 cgid)
{
	return cgid == CG_SSH	   ? seg_ssh
	       : cgid == CG_RUNNER ? seg_runner
	       : cgid == CG_LAB	   ? seg_lab
				   : BH_ID_UNASSIGNED;
}

static __u64 asked_gen;
static __u32 denies_out_of; /* a segment that may not send */

static int judge(const struct bh_question *q, struct bh_answer *ret)
{
	asked_gen = q->gen;
	assert_true(q->flags & BH_Q_LOCAL_CGROUP);
	assert_int_equal(q->proto, IPPROTO_TCP);
	ret->local = of_cgroup(q->local_cgid);
	ret->remote = q->flags & BH_Q_REMOTE_CGROUP ? of_cgroup(q->remote_cgid)
		      : q->flags & BH_Q_REMOTE_ADDR
			      ? bh_compiled_identity(l.compiled, &q->remote_addr)
			      : q->remote;
	ret->reason = BH_R_DEFAULT_DENY;
	ret->rule = l.compiled->segs[ret->local].default_rule[q->dir];
	if (q->port == 2222 && q->dir == BH_IN) {
		ret->reason = BH_R_RULE_DENY;
		ret->rule = rule_no_ssh;
	}
	if (open_22 && q->port == 22 && !(q->dir == BH_OUT && ret->local == denies_out_of))
		ret->reason = BH_R_ALLOW;
	ret->observe = fake.flags & BH_CTL_OBSERVE || ret->local == seg_lab;
	ret->pass = ret->reason == BH_R_ALLOW || ret->observe;
	return 0;
}

static void compile_map(struct bh_agent *a, const char *text)
{
	_cleanup_diags_ struct bh_diags d = {0};

	bh_live_clear(&l);
	assert_int_equal(bh_agent_compile(a, "shop.yaml", text, strlen(text), &d, &l), 0);
	seg_ssh = segment("ssh");
	seg_runner = segment("runner");
	seg_lab = segment("lab");
	seg_office = segment("office");
	for (size_t i = 0; i < l.compiled->n_info; i++)
		if (!strcmp(l.compiled->info[i].id, "no-ssh"))
			rule_no_ssh = l.compiled->info[i].number;
}

/* --- processes and what they hold ----------------------------------------------------------------- */

static char proc[80];

static void task(pid_t pid, const char *name, pid_t parent, pid_t session, int tty, unsigned began)
{
	char path[160], text[256];

	snprintf(path, sizeof(path), "%s/%d", proc, (int)pid);
	assert_int_equal(bh_mkdir_p(path, 0755), 0);
	snprintf(path, sizeof(path), "%s/%d/stat", proc, (int)pid);
	snprintf(text, sizeof(text),
		 "%d (%s) S %d %d %d %d -1 0 1 2 3 4 5 6 7 8 20 0 1 0 %u 1 2 3\n", (int)pid, name,
		 (int)parent, (int)session, (int)session, tty, began);
	assert_int_equal(bh_file_replace(path, text, strlen(text), 0644, NULL), 0);
}

/* sshd (500) has a login (600) with a shell (602) that runs the command line (701). */
static void login(void)
{
	task(1, "systemd", 0, 1, 0, 1);
	task(500, "sshd", 1, 500, 0, 900);
	task(600, "sshd", 500, 600, 0, 5000);
	task(602, "bash", 600, 602, 136 << 8 | 3, 5011);
	task(701, "bulkhead", 602, 602, 136 << 8 | 3, 6001);
}

static struct bh_addr addr(const char *text)
{
	struct bh_addr v = {.b = {[10] = 0xff, [11] = 0xff}};

	if (inet_pton(AF_INET, text, v.b + 12) != 1)
		assert_int_equal(inet_pton(AF_INET6, text, v.b), 1);
	return v;
}

static struct bh_held *holds(pid_t pid, __u64 cookie, __u64 cgid, __u32 flags, const char *from,
			     __u16 from_port, const char *to, __u16 to_port)
{
	size_t i = fake.n_held++;

	fake.held_by[i] = pid;
	fake.held[i] = (struct bh_held){
		.local_addr = addr(to),
		.local_port = to_port,
		.remote_addr = addr(from),
		.remote_port = from_port,
		.cookie = cookie,
		.netns = 1,
		.cgid = cgid,
		.flags = flags | BH_HELD_INSIDE,
	};
	return &fake.held[i];
}

static struct bh_held *ssh_from(const char *from, __u16 port)
{
	return holds(600, 7, CG_SSH, BH_HELD_ACCEPTED, from, 50122,
		     strchr(from, ':') ? "2001:db8::1" : "10.0.0.1", port);
}

static void check_as(struct bh_agent *a, pid_t pid, enum bh_severity severity)
{
	bh_lockout_clear(&k);
	bh_diags_clear(&said);
	assert_int_equal(bh_lockout_find(a, proc, pid, &k), 0);
	assert_int_equal(bh_lockout_judge(a, &l, 43, &k), 0);
	bh_lockout_tell(a, &l, &k, NULL, severity, &said);
}

static void check(struct bh_agent *a)
{
	check_as(a, 701, BH_ERROR);
}

static void expect(size_t i, int line, const char *text, const char *help)
{
	assert_true(i < said.n);
	if (!strstr(said.list[i].text, text))
		fail_msg("'%s' is not in '%s'", text, said.list[i].text);
	if (!strstr(said.list[i].help, help))
		fail_msg("'%s' is not in '%s'", help, said.list[i].help);
	assert_string_equal(said.list[i].file, "shop.yaml");
	assert_int_equal(said.list[i].line, line);
}

static int setup(void **state)
{
	struct bh_agent *a = test_agent_new();

	snprintf(proc, sizeof(proc), "%s/proc", test_dir);
	fake.judge = judge;
	open_22 = false;
	denies_out_of = 0;
	compile_map(a, MAP);
	login();
	*state = a;
	return 0;
}

static int teardown(void **state)
{
	bh_lockout_clear(&k);
	bh_diags_clear(&said);
	bh_live_clear(&l);
	test_agent_free(*state);
	return 0;
}

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
