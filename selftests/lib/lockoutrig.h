/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lockoutrig.h - what the tests of agent/control/lockout*.c begin with: a login with a /proc made up
 * here, connections that the test says, and a kernel side of some lines. Include it in one source of
 * a test program.
 */
#ifndef BH_TEST_LOCKOUTRIG_H
#define BH_TEST_LOCKOUTRIG_H

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
static __u64 granted; /* by which of bh_grants it is open */

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
	if (q->flags & BH_Q_LESS_GRANTS && q->without & granted)
		ret->reason = BH_R_DEFAULT_DENY;
	ret->observe = fake.flags & BH_CTL_OBSERVE || ret->local == seg_lab;
	ret->pass = ret->reason == BH_R_ALLOW || ret->observe;
	if (q->flags & BH_Q_HELD) {
		ret->reason = BH_R_QUARANTINE;
		ret->pass = 0;
	}
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

_unused_ static struct bh_held *ssh_from(const char *from, __u16 port)
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

_unused_ static void check(struct bh_agent *a)
{
	check_as(a, 701, BH_ERROR);
}

_unused_ static void expect(size_t i, int line, const char *text, const char *help)
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
	granted = 0;
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

#endif
