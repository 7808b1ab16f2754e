/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control_explain.c - the verb explain on a kernel side that is not there: who is meant, which
 * halves are asked for, what is said of the answer; and what comes of nonsense.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <arpa/inet.h>
#include <cmocka.h>
#include "../../agent/control/request.h"
#include "fakeagent.h"

static const char shop[] =
	"version: 1\nname: shop\nmode: enforce\ndefault: { ingress: deny, egress: deny }\n"
	"segments:\n"
	"  web:    { match: [ { unit: web.service }, { cidr: [10.1.0.0/24] } ] }\n"
	"  db:     { match: { unit: db.service }, listen: [tcp/5432] }\n"
	"  both:   { match: [ { unit: both.service }, { cidr: [10.2.0.0/24] } ] }\n"
	"  dba:    { match: { cgroup: /user.slice, user: [alice] } }\n"
	"  office: { match: { cidr: [192.0.2.0/24] } }\n"
	"  gone:   { match: { unit: \"gone@*.service\" } }\n"
	"allow:\n"
	"  - { id: web-db, from: web, to: db, port: tcp/5432 }\n"
	"  - { id: trial, from: office, to: web, port: tcp/80, mode: observe }\n"
	"deny:\n"
	"  - { id: maybe, from: any, to: db, port: tcp/23, mode: observe }\n"
	"failsafe:\n"
	"  - { from: { cidr: [198.51.100.0/28] }, port: tcp/22 }\n";

static const char *const tree[] = {
	"system.slice",
	"system.slice/web.service",
	"system.slice/db.service",
	"system.slice/db.service/worker",
	"system.slice/box.scope",
	"system.slice/box.scope/db.service",
	"system.slice/box.scope/hidden.service",
	"user.slice",
	"user.slice/app.slice",
	"user.slice/app.slice/twice.service",
	"system.slice/twice.service",
};

static struct bh_caller root = {
	.pid = 1, .uid = 0, .reader = true, .same_userns = true, .session = true};

/* What was asked, and what the next answers are. */
static struct bh_question asked[8];
static size_t n_asked;
static struct bh_answer said;

static __u32 identity(const struct bh_agent *a, const char *name)
{
	for (size_t i = 0; i < a->live.compiled->n_identity; i++)
		if (!strcmp(a->live.map->segment[i].name, name))
			return a->live.compiled->identity[i];
	fail_msg("no segment %s", name);
	return 0;
}

static __u32 rule(const struct bh_agent *a, const char *id)
{
	for (size_t i = 0; i < a->live.compiled->n_info; i++)
		if (!strcmp(a->live.compiled->info[i].id, id))
			return a->live.compiled->info[i].number;
	fail_msg("no rule %s", id);
	return 0;
}

static __u64 cgid(const char *path)
{
	char dir[160];
	__u64 id = 0;

	snprintf(dir, sizeof(dir), "%s/cg/%s", test_dir, path);
	assert_int_equal(bh_cgroup_id(dir, &id), 0);
	return id;
}

static __u32 of_cgroup(__u64 id)
{
	for (size_t i = 0; i < fake.n_cgroup; i++)
		if (fake.cgid[i] == id)
			return fake.cgroup[i].side[BH_SIDE(fake.gen)].seg;
	return BH_ID_UNASSIGNED;
}

static int judge(const struct bh_question *q, struct bh_answer *ret)
{
	if (n_asked < ARRAY_SIZE(asked))
		asked[n_asked++] = *q;
	*ret = said;
	ret->local = q->flags & BH_Q_LOCAL_CGROUP ? of_cgroup(q->local_cgid) : q->local;
	ret->remote = q->flags & BH_Q_REMOTE_CGROUP ? of_cgroup(q->remote_cgid)
		      : q->flags & BH_Q_REMOTE_ADDR ? BH_ID_WORLD
						    : q->remote;
	return 0;
}

static void put_cgroup(const char *path, __u32 seg)
{
	size_t i = fake.n_cgroup++;

	fake.cgid[i] = cgid(path);
	fake.cgroup[i].side[0] = fake.cgroup[i].side[1] =
		(struct bh_cg_side){.seg = seg, .anchor = fake.cgid[i]};
}

static void put_listener(const char *path, const char *addr, __u16 port, __u32 flags)
{
	size_t i = fake.n_listener++;
	struct bh_listen_key *key = &fake.listen_key[i];
	/* the namespace of this test: what the agent takes for its own */
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	socklen_t len = sizeof(key->netns);

	*key = (struct bh_listen_key){.port = port, .proto = 6};
	if (getsockopt(fd, SOL_SOCKET, 71, &key->netns, &len) < 0)
		key->netns = 0;
	close(fd);
	if (addr) {
		key->addr.b[10] = key->addr.b[11] = 0xff;
		assert_int_equal(inet_pton(AF_INET, addr, key->addr.b + 12), 1);
	}
	fake.listener[i] = (struct bh_listener){.cgid = cgid(path), .users = 1, .flags = flags};
}

static int setup(void **state)
{
	struct bh_agent *a = test_agent_new();
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_live live = {0};
	char dir[160];

	snprintf(dir, sizeof(dir), "%s/cg", test_dir);
	assert_int_equal(mkdir(dir, 0700), 0);
	free(a->opts.cgroup_root);
	a->opts.cgroup_root = strdup(dir);
	bh_cgroups_free(a->cgroups);
	a->cgroups = bh_cgroups_new(dir);
	for (size_t i = 0; i < ARRAY_SIZE(tree); i++) {
		snprintf(dir, sizeof(dir), "%s/cg/%s", test_dir, tree[i]);
		assert_int_equal(mkdir(dir, 0700), 0);
	}
	assert_int_equal(bh_agent_compile(a, "shop.yaml", shop, strlen(shop), &d, &live), 0);
	bh_live_clear(&a->live);
	a->live = live;
	fake.gen = 3;
	fake.judge = judge;
	put_cgroup("system.slice/web.service", identity(a, "web"));
	put_cgroup("system.slice/db.service", identity(a, "db"));
	n_asked = 0;
	said = (struct bh_answer){.reason = BH_R_DEFAULT_DENY};
	*state = a;
	return 0;
}

static int teardown(void **state)
{
	test_agent_free(*state);
	return 0;
}

/* The answer's line. */
static char *explain(struct bh_agent *a, const char *from, const char *to, const char *proto,
		     int port)
{
	_cleanup_(bh_reply_clear) struct bh_reply reply = {0};
	struct bh_verb_table verbs = {bh_verbs, bh_n_verbs};
	json_auto_t *req = json_pack("{s:s s:{s:s s:s s:s}}", "verb", "explain", "args", "from",
				     from, "to", to, "proto", proto);
	_cleanup_free_ char *line = NULL;

	assert_non_null(req);
	if (port)
		json_object_set_new(json_object_get(req, "args"), "port", json_integer(port));
	line = json_dumps(req, JSON_COMPACT);
	bh_request_run(a, &verbs, line, strlen(line), &root, &reply);
	return bh_reply_line(&reply);
}

static void expect(struct bh_agent *a, const char *from, const char *to, int port, const char *part)
{
	_cleanup_free_ char *answer = explain(a, from, to, "tcp", port);

	if (!answer || !strstr(answer, part))
		fail_msg("%s -> %s: no '%s' in %s", from, to, part, answer);
}

/* --- who is meant ------------------------------------------------------------------------------- */

static void both_ends_here(void **state)
{
	struct bh_agent *a = *state;

	expect(a, "web.service", "db", 5432, "\"code\":3");
	assert_int_equal(n_asked, 2);
	assert_int_equal(asked[0].dir, BH_OUT);
	assert_true(asked[0].flags == (BH_Q_LOCAL_CGROUP | BH_Q_PEER_LOCAL));
	assert_true(asked[0].local_cgid == cgid("system.slice/web.service"));
	assert_int_equal(asked[0].remote, identity(a, "db"));
	assert_int_equal(asked[1].dir, BH_IN);
	assert_true(asked[1].flags == BH_Q_REMOTE_CGROUP);
	assert_int_equal(asked[1].local, identity(a, "db"));
	assert_true(asked[1].remote_cgid == cgid("system.slice/web.service"));
	for (size_t i = 0; i < 2; i++) {
		assert_true(asked[i].gen == 3);
		assert_true(asked[i].now_ns != 0);
		assert_int_equal(asked[i].port, 5432);
		assert_int_equal(asked[i].proto, 6);
	}
}

static void one_end_here(void **state)
{
	struct bh_agent *a = *state;

	expect(a, "192.0.2.7", "/system.slice/db.service/", 5432, "its own agent decides");
	assert_int_equal(n_asked, 1);
	assert_int_equal(asked[0].dir, BH_IN);
	assert_true(asked[0].flags == (BH_Q_LOCAL_CGROUP | BH_Q_REMOTE_ADDR));
	assert_int_equal(asked[0].remote_addr.b[15], 7);
	expect(a, "db", "office", 443, "NAT is not looked at");
	assert_int_equal(n_asked, 2);
	assert_int_equal(asked[1].dir, BH_OUT);
	assert_true(asked[1].flags == 0);
	assert_int_equal(asked[1].remote, identity(a, "office"));
}

static void either_side(void **state)
{
	struct bh_agent *a = *state;

	/* web runs here, both does not */
	expect(a, "web", "office", 443, "taken for a workload of this host");
	assert_int_equal(asked[0].dir, BH_OUT);
	expect(a, "both", "db", 5432, "taken for an address elsewhere");
	assert_int_equal(n_asked, 2);
	assert_int_equal(asked[1].dir, BH_IN);
	assert_true(asked[1].flags == 0);
	/* somebody has to be here */
	expect(a, "both", "office", 443, "taken for a workload of this host");
	assert_int_equal(n_asked, 3);
	assert_int_equal(asked[2].dir, BH_OUT);
}

static void nobody_is_here(void **state)
{
	expect(*state, "office", "world", 443, "neither 'office' nor 'world' is on this host");
	expect(*state, "10.9.9.9", "10.9.9.8", 443, "is on this host");
	expect(*state, "10.9.9.9", "fd00::1", 443, "one address is IPv4 and the other IPv6");
	assert_int_equal(n_asked, 0);
}

static void names(void **state)
{
	struct bh_agent *a = *state;

	/* without the suffix; a segment of that name would come first */
	expect(a, "twice", "db", 1, "more than one: ");
	expect(a, "hidden", "db", 1,
	       "no unit of the system manager here; there is "
	       "/system.slice/box.scope/hidden.service");
	expect(a, "/system.slice/box.scope/hidden.service", "db", 1, "\"verdict\"");
	/* the unit that is one, not the one in the box */
	expect(a, "web", "db.service", 1, "\"verdict\"");
	assert_true(asked[2].remote_cgid == cgid("system.slice/db.service"));
	expect(a, "/", "db", 1, "\"segment\":\"host\"");
	expect(a, "/system.slice/../system.slice/db.service", "db", 1, "nothing here is called");
	expect(a, "/../../etc", "db", 1, "nothing here is called");
	expect(a, "gone@1.service", "db", 1, "segment 'gone' would have it");
	expect(a, "wbe", "db", 1, "did you mean 'web'?");
	expect(a, "db.servce", "db", 1, "did you mean 'db.service'?");
	expect(a, "/system.slice/web.servic", "db", 1, "did you mean '/system.slice/web.service'?");
	expect(a, "any", "db", 1, "'any' is everybody");
}

static void processes(void **state)
{
	char self[32];

	/* this test runs outside of the tree that it made */
	snprintf(self, sizeof(self), "pid:%d", (int)getpid());
	expect(*state, self, "db", 1, "outside the agent's cgroup root");
	assert_int_equal(asked[0].local, BH_ID_HOST);
	expect(*state, "pid:9999999", "db", 1, "there is no process 9999999");
	expect(*state, "pid:0", "db", 1, "is no process id");
	expect(*state, "pid:", "db", 1, "is no process id");
	expect(*state, "pid:-1", "db", 1, "is no process id");
	expect(*state, "pid:12345678901234567890", "db", 1, "is no process id");
	expect(*state, "pid:1x", "db", 1, "is no process id");
}

/* --- addresses of this host --------------------------------------------------------------------- */

static void who_listens(void **state)
{
	struct bh_agent *a = *state;

	put_listener("system.slice/web.service", NULL, 80, 0);
	put_listener("system.slice/db.service", "127.0.0.1", 80, BH_LISTEN_SHARED);
	put_listener("system.slice/db.service", "127.0.0.1", 81, BH_LISTEN_KERNEL);
	expect(a, "web", "127.0.0.1", 80, "/system.slice/db.service listens there");
	assert_true(asked[0].remote_cgid == cgid("system.slice/db.service"));
	expect(a, "web", "127.0.0.1", 80, "more than one workload listens there");
	expect(a, "db", "127.0.0.2", 80, "/system.slice/web.service listens there");
	/* the unspecified address is the loopback address to the kernel */
	expect(a, "web", "0.0.0.0", 80, "/system.slice/db.service listens there");
	expect(a, "web", "127.0.0.1", 81, "the kernel itself listens");
	expect(a, "web", "127.0.0.1", 82, "\"reason\":\"no_listener\"");
	expect(a, "web", "127.0.0.1", 82, "\"code\":0");
	expect(a, "127.0.0.1", "db", 82, "any workload may send from it");
	/* another namespace's port is not ours */
	fake.listen_key[1].netns++;
	fake.listen_key[0].netns++;
	expect(a, "web", "127.0.0.1", 80, "\"reason\":\"no_listener\"");
}

static void what_the_kernel_answers(void **state)
{
	_cleanup_free_ char *echo = explain(*state, "web", "127.0.0.1", "icmp/echo-request", 0);
	_cleanup_free_ char *six = NULL, *wrong = NULL;

	assert_non_null(strstr(echo, "as segment 'host' of the address"));
	/* the first one asked whose address it is */
	assert_int_equal(asked[1].remote, BH_ID_HOST);
	assert_int_equal(asked[1].port, 8 << 8);
	six = explain(*state, "web", "::1", "icmp/echo-request", 0);
	assert_int_equal(asked[4].proto, 58);
	assert_int_equal(asked[4].port, 128 << 8);
	wrong = explain(*state, "web", "::1", "icmp/timestamp-request", 0);
	assert_non_null(strstr(wrong, "IPv6 has no such ICMP type"));
}

/* --- what is said of the answer ------------------------------------------------------------------- */

static void denied(void **state)
{
	struct bh_agent *a = *state;

	said.rule = rule(a, "default/web/egress");
	expect(a, "web", "db", 5433, "{\"ok\":false,\"code\":3,");
	expect(a, "web", "db", 5433, "\"verdict\":\"denied\",\"reason\":\"default_deny\"");
	expect(a, "web", "db", 5433, "\"rule\":\"default/web/egress\",\"line\":0,\"source\":null");
	expect(a, "web", "db", 5433,
	       "\"nearest\":{\"rule\":\"web-db\",\"line\":13,\"source\":\"- { id: web-db, from: web, "
	       "to: db, port: tcp/5432 }\",\"differs\":[\"port (tcp/5432)\"]}");
	expect(a, "web", "db", 5433,
	       "\"suggestion\":\"- { id: web-db-5433, from: web, to: db, port: tcp/5433 }\"");
	expect(a, "web", "db", 5433, "EPERM");
	expect(a, "web", "db", 5433, "db does not listen on tcp/5433 now");
	expect(a, "office", "db", 5433, "it shows as a timeout");
}

static void denied_by_name(void **state)
{
	struct bh_agent *a = *state;

	said = (struct bh_answer){.reason = BH_R_RULE_DENY, .rule = rule(a, "maybe")};
	expect(a, "web", "db", 23, "\"nearest\":null,\"suggestion\":null");
	expect(a, "web", "db", 23, "\"rule\":\"maybe\",\"line\":16");
}

/* A rule with a condition is not to be gone around. */
static void not_around_a_condition(void **state)
{
	said.reason = BH_R_GRANT_MISSING;
	said.rule = rule(*state, "web-db");
	expect(*state, "web", "db", 5432, "\"suggestion\":null");
}

static void allowed(void **state)
{
	struct bh_agent *a = *state;

	said = (struct bh_answer){.reason = BH_R_ALLOW,
				  .pass = 1,
				  .rule = rule(a, "trial"),
				  .deadline_ns = test_boot_ns() + 3600000000000};
	expect(a, "office", "web", 80, "{\"ok\":true,\"code\":0,");
	expect(a, "office", "web", 80, "\"verdict\":\"allowed\",\"reason\":\"allow\"");
	expect(a, "office", "web", 80, "\"nearest\":null,\"suggestion\":null");
	expect(a, "office", "web", 80, "rule 'trial' is on probation");
	expect(a, "office", "web", 80, "rule 'trial' ends at 2026-01-01T00:59:5");
}

static void observed(void **state)
{
	struct bh_agent *a = *state;

	said = (struct bh_answer){.reason = BH_R_DEFAULT_DENY, .pass = 1, .observe = 1};
	expect(a, "web", "db", 1, "\"code\":0");
	expect(a, "web", "db", 1, "\"verdict\":\"would_deny\"");
	expect(a, "web", "db", 1, "\"mode\":\"observe\"");
	/* a deny that is only observed */
	said = (struct bh_answer){.reason = BH_R_ALLOW,
				  .pass = 1,
				  .rule = rule(a, "web-db"),
				  .would_rule = rule(a, "maybe")};
	expect(a, "web", "db", 23, "\"verdict\":\"would_deny\",\"reason\":\"rule_deny\"");
	expect(a, "web", "db", 23, "deny 'maybe' is in mode observe");
	fake.flags = BH_CTL_OBSERVE;
	expect(a, "web", "db", 23, "`bulkhead mode observe` is on");
}

/* `listen:` keeps the port for db. */
static void reserved_ports(void **state)
{
	said = (struct bh_answer){.reason = BH_R_ALLOW, .pass = 1};
	expect(*state, "db", "web", 5432, "\"reason\":\"listen_not_allowed\"");
	expect(*state, "db", "web", 5432, "\"code\":3");
	expect(*state, "web", "db", 5432, "\"code\":0");
	said.observe = 1;
	expect(*state, "db", "web", 5432, "\"verdict\":\"would_deny\"");
}

/* To open it for `world` is more than was asked. */
static void strangers(void **state)
{
	struct bh_agent *a = *state;

	expect(a, "10.9.9.9", "db", 5432, "\"suggestion\":null");
	expect(a, "10.9.9.9", "db", 5432, "{ match: { cidr: [10.9.9.9/32] } }");
	expect(a, "fd00::9", "db", 5432, "{ match: { cidr: [\\\"fd00::9/128\\\"] } }");
	expect(a, "fe80::9", "db", 5432, "link-local");
	expect(a, "world", "db", 5432, "\"suggestion\":\"- { id: world-db-5432, from: world,");
	expect(a, "/system.slice/twice.service", "db", 5432, "\"suggestion\":null");
	expect(a, "/system.slice/twice.service", "db", 5432, "{ match: { unit: twice.service } }");
}

static void users_of_a_cgroup(void **state)
{
	struct bh_agent *a = *state;

	assert_int_equal(a->live.compiled->users.n, 1);
	put_cgroup("user.slice", 0);
	for (size_t i = 0; i < 2; i++) {
		fake.cgroup[2].side[i].n_users = 1;
		fake.cgroup[2].side[i].users[0].match =
			a->live.compiled->users.bh_user_key[0].match;
	}
	expect(a, "/user.slice", "db", 1, "the segment depends on the user; asked for root");
	/* and so dba is here */
	expect(a, "dba", "db", 1, "\"verdict\"");
	fake.n_cgroup = 2;
	expect(a, "dba", "db", 1, "no cgroup of this host is in segment 'dba' now");
}

/* --- when something is missing ------------------------------------------------------------------- */

static void no_map(void **state)
{
	struct bh_agent *a = *state;

	fake.gen = 0;
	expect(a, "web", "db", 1, "no segment map is enforced on this host");
	assert_int_equal(n_asked, 0);
	/* enforced, but its text was lost */
	fake.gen = 3;
	bh_live_clear(&a->live);
	a->live.numbers = bh_numbers_new();
	expect(a, "/system.slice/web.service", "10.9.9.9", 1, "\"nearest\":null");
	expect(a, "web.service", "10.9.9.9", 1, "\"code\":3");
}

static int no_answer(_unused_ const struct bh_question *q, _unused_ struct bh_answer *ret)
{
	return -EBADMSG;
}

static void the_kernel_does_not_answer(void **state)
{
	fake.judge = no_answer;
	expect(*state, "web", "db", 1, "\"ok\":false,\"code\":1");
}

/* --- nonsense ------------------------------------------------------------------------------------- */

static void wrong_arguments(void **state)
{
	static const char *const lines[] = {
		"{\"verb\":\"explain\"}",
		"{\"verb\":\"explain\",\"args\":{\"from\":\"web\"}}",
		"{\"verb\":\"explain\",\"args\":{\"from\":\"web\",\"to\":\"db\"}}",
		"{\"verb\":\"explain\",\"args\":{\"from\":1,\"to\":\"db\",\"proto\":\"tcp\"}}",
		"{\"verb\":\"explain\",\"args\":{\"from\":\"web\",\"to\":\"db\",\"proto\":\"tcp\"}}",
		"{\"verb\":\"explain\",\"args\":{\"from\":\"web\",\"to\":\"db\",\"proto\":\"tcp\","
		"\"port\":0}}",
		"{\"verb\":\"explain\",\"args\":{\"from\":\"web\",\"to\":\"db\",\"proto\":\"tcp\","
		"\"port\":65536}}",
		"{\"verb\":\"explain\",\"args\":{\"from\":\"web\",\"to\":\"db\",\"proto\":\"tcp\","
		"\"port\":\"80\"}}",
		"{\"verb\":\"explain\",\"args\":{\"from\":\"\",\"to\":\"db\",\"proto\":\"tcp\","
		"\"port\":80}}",
		"{\"verb\":\"explain\",\"args\":{\"from\":\"web\",\"to\":\"db\",\"proto\":\"tpc\","
		"\"port\":80}}",
		"{\"verb\":\"explain\",\"args\":{\"from\":\"web\",\"to\":\"db\",\"prot\":\"tcp\"}}",
	};
	struct bh_verb_table verbs = {bh_verbs, bh_n_verbs};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		_cleanup_(bh_reply_clear) struct bh_reply reply = {0};

		bh_request_run(*state, &verbs, lines[i], strlen(lines[i]), &root, &reply);
		if (reply.code != BH_EXIT_USAGE || reply.diags.n_errors != 1)
			fail_msg("%s: %d", lines[i], reply.code);
	}
	assert_int_equal(n_asked, 0);
}

static void long_and_odd_words(void **state)
{
	static const char *const words[] = {
		"%s%n%d",
		"web\n",
		"\t",
		"../..",

		"/system.slice//db.service",
		".",
		"-",

		"fe80::1%eth0",
		"1.2.3.4.5",
		"[::1]",
		"::ffff:127.0.0.1",
		"\xc3\xa4",
		"*",
		"*.service",
	};
	char big[10001];

	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	expect(*state, big, "db", 1, "a name of 10000 characters");
	expect(*state, "web", big, 1, "\"code\":2");
	big[4000] = '\0';
	expect(*state, big, "db", 1, "\"code\":1");
	big[0] = '/';
	expect(*state, big, "db", 1, "\"code\":1");
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		expect(*state, words[i], "db", 1, "\"code\":1");
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(both_ends_here),
		TEST(one_end_here),
		TEST(either_side),
		TEST(nobody_is_here),
		TEST(names),
		TEST(processes),
		TEST(who_listens),
		TEST(what_the_kernel_answers),
		TEST(denied),
		TEST(denied_by_name),
		TEST(not_around_a_condition),
		TEST(allowed),
		TEST(observed),
		TEST(reserved_ports),
		TEST(strangers),
		TEST(users_of_a_cgroup),
		TEST(no_map),
		TEST(the_kernel_does_not_answer),
		TEST(wrong_arguments),
		TEST(long_and_odd_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
