/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent_upgrade.c - what a start makes of the state on disk where the programs of another version
 * stand beside its own and enforce. Tests agent/restore.c and agent/commit.c on a kernel side that
 * is not there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "../../agent/base/io.h"
#include "../../agent/control/request.h"
#include "../../agent/control/state.h"
#include "fakeagent.h"

static const char enforcing[] =
	"version: 1\nname: shop\nmode: enforce\ndefault: { ingress: deny, egress: deny }\n"
	"segments:\n"
	"  web: { match: { unit: nginx.service } }\n"
	"failsafe:\n"
	"  - { from: { cidr: [198.51.100.0/28] }, port: tcp/22 }\n";

static int setup(void **state)
{
	*state = test_agent_new();
	return 0;
}

static int teardown(void **state)
{
	test_agent_free(*state);
	return 0;
}

static int apply(struct bh_agent *a, const char *text, struct bh_diags *d)
{
	_cleanup_(bh_commit_clear) struct bh_commit c = {0};
	_cleanup_(bh_live_clear) struct bh_live l = {0};
	int r = bh_agent_compile(a, "shop.yaml", text, strlen(text), d, &l);

	if (r == 0) {
		l.origin.file = strdup("shop.yaml");
		l.origin.by = strdup("root");
		l.origin.at_ms = 1;
		r = bh_agent_commit(a, &l, &c, d);
	}
	if (r == 0)
		assert_true(c.generation == fake.gen);
	return r;
}

static const struct bh_diag *first_error(const struct bh_diags *d)
{
	for (size_t i = 0; i < d->n; i++)
		if (d->list[i].severity == BH_ERROR)
			return &d->list[i];
	fail_msg("no error");
	return NULL;
}

static void must_apply(struct bh_agent *a, const char *text)
{
	_cleanup_diags_ struct bh_diags d = {0};
	int r = apply(a, text, &d);

	if (r < 0)
		fail_msg("%d: %s", r, first_error(&d)->text);
}

static char *slurp(const char *name)
{
	char path[128], *text = NULL;

	snprintf(path, sizeof(path), "%s/%s", test_dir, name);
	return bh_file_read(path, 1 << 20, &text, NULL) == 0 ? text : strdup("none");
}

static void restore(struct bh_agent *a)
{
	_cleanup_diags_ struct bh_diags d = {0};

	test_agent_restart(a);
	assert_int_equal(bh_agent_restore(a, &d), 0);
	assert_int_equal(d.n_errors, 0);
}

static void reboot(struct bh_agent *a)
{
	fake.gen = fake.staged = 0;
	restore(a);
}

static void spoil(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", test_dir, name);
	assert_int_equal(bh_file_replace(path, "garbage\n", 8, 0600, NULL), 0);
}

/* Another layout: ours begin with nothing, and what was in force is the other set's. */
static void upgrade(struct bh_agent *a)
{
	fake.beside = fake.gen;
	fake.gen = fake.staged = 0;
	fake.flags = 0;
	restore(a);
	bh_agent_relieve(a);
}

static void an_upgrade(void **state)
{
	struct bh_agent *a = *state;
	__u64 gen;

	must_apply(a, enforcing);
	gen = fake.gen;
	upgrade(a);
	assert_true(fake.gen > gen);
	assert_true(fake.beside == 0);
	assert_string_equal(a->live.map->name, "shop");
}

static void an_upgrade_that_cant_read_the_map(void **state)
{
	struct bh_agent *a = *state;
	__u64 gen;

	must_apply(a, enforcing);
	gen = fake.gen;
	spoil("state");
	upgrade(a);
	/* what is in force is better than failsafes alone */
	assert_true(fake.gen == 0);
	assert_true(fake.beside == gen);
	assert_false(a->no_policy);
	assert_non_null(strstr(a->state_trouble, "damaged"));
	fake.floor = gen;
	must_apply(a, enforcing);
	assert_true(fake.gen > gen);
	assert_true(fake.beside == 0);
}

static void an_upgrade_with_an_older_state(void **state)
{
	struct bh_agent *a = *state;
	_cleanup_free_ char *old = NULL;
	char path[128];

	must_apply(a, enforcing);
	old = slurp("state");
	must_apply(a, enforcing);
	snprintf(path, sizeof(path), "%s/state", test_dir);
	assert_int_equal(bh_file_replace(path, old, strlen(old), 0600, NULL), 0);
	/* nor does a marker help: only the kernel knows */
	snprintf(path, sizeof(path), "%s/enforced", test_dir);
	assert_int_equal(unlink(path), 0);
	upgrade(a);
	assert_true(fake.gen == 0);
	assert_true(fake.beside > 0);
	assert_non_null(strstr(a->state_trouble, "this host has enforced"));
}

static void an_upgrade_with_failsafes_only(void **state)
{
	struct bh_agent *a = *state;
	__u64 gen;

	must_apply(a, enforcing);
	spoil("state");
	reboot(a);
	gen = fake.gen;
	assert_true(a->no_policy);
	upgrade(a);
	assert_true(a->no_policy);
	assert_true(fake.gen > gen);
	assert_true(fake.beside == 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

/* Both sets deny, so both have to be opened; and closed. */
static void say(struct bh_agent *a, const char *line)
{
	static const struct bh_caller root = {.pid = 7,
					      .same_userns = true,
					      .reader = true,
					      .session = true,
					      .cgroup = (char *)"/user.slice/session-1.scope"};
	struct bh_verb_table verbs = {bh_verbs, bh_n_verbs};
	_cleanup_(bh_reply_clear) struct bh_reply reply = {0};

	bh_request_run(a, &verbs, line, strlen(line), &root, &reply);
	assert_int_equal(reply.code, 0);
}

static void an_emergency_is_for_both(void **state)
{
	struct bh_agent *a = *state;

	fake.beside = 9;
	say(a, "{\"verb\":\"emergency\",\"args\":{\"action\":\"open\",\"reason\":\"x\"}}");
	assert_true(fake.open_ns > 0 && fake.beside_open_ns == fake.open_ns);
	say(a, "{\"verb\":\"emergency\",\"args\":{\"action\":\"close\"}}");
	assert_true(!fake.open_ns && !fake.beside_open_ns);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(an_upgrade),
		TEST(an_upgrade_that_cant_read_the_map),
		TEST(an_upgrade_with_an_older_state),
		TEST(an_upgrade_with_failsafes_only),
		TEST(an_emergency_is_for_both),
	};

	return cmocka_run_group_tests_name("agent/upgrade", tests, NULL, NULL);
}
