// SPDX-License-Identifier: Apache-2.0
/*
 * agent_trial.c - what the agent knows and writes down of an unconfirmed generation, on a fake
 * kernel whose clock the test sets: confirmed, reverted, resumed after a death at each point.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "../lib/fakekern.h"
#include "../lib/fakeagent.h"
#include "../../agent/base/io.h"
#include "../../agent/control/state.h"

#define MINUTE_NS 60000000000ull

#define MAP(name, mode)                                                                            \
	"version: 1\nname: " name "\nmode: " mode "\n"                                             \
	"default: { ingress: deny, egress: deny }\n"                                               \
	"segments: { " name ": { match: { unit: web.service } } }\n"                               \
	"failsafe: [ { from: { cidr: [10.0.0.0/24] }, port: tcp/22 } ]\n"

static const char one[] = MAP("one", "enforce"), two[] = MAP("two", "enforce"),
		  three[] = MAP("three", "enforce");

/* --- steps ---------------------------------------------------------------------------------------------- */

static int apply(struct bh_agent *a, const char *text, __u64 confirm_ns)
{
	_cleanup_(bh_commit_clear) struct bh_commit c = {.confirm_ns = confirm_ns};
	_cleanup_(bh_live_clear) struct bh_live l = {0};
	_cleanup_diags_ struct bh_diags d = {0};
	int r = bh_agent_compile(a, "map.yaml", text, strlen(text), &d, &l);

	return r ? r : bh_agent_commit(a, &l, &c, &d);
}

static void must(struct bh_agent *a, const char *text, __u64 confirm_ns)
{
	assert_int_equal(apply(a, text, confirm_ns), 0);
}

static int confirm(struct bh_agent *a)
{
	_cleanup_diags_ struct bh_diags d = {0};
	int cut;

	return bh_trial_confirm(a, &cut, &d);
}

static void start(struct bh_agent *a)
{
	_cleanup_diags_ struct bh_diags d = {0};

	assert_int_equal(bh_agent_restore(a, &d), 0);
}

static void restart(struct bh_agent *a)
{
	test_agent_restart(a);
	start(a);
}

static void reboot(struct bh_agent *a)
{
	fake.gen = fake.staged = fake.trial = fake.back = 0;
	restart(a);
}

static void name_is(const struct bh_agent *a, const char *name)
{
	assert_non_null(a->live.map);
	assert_string_equal(a->live.map->name, name);
	assert_string_equal(a->state_trouble, "");
}

/* What is on the disk as the last good map. */
static void saved_is(const char *name, __u64 generation)
{
	_cleanup_(bh_state_clear) struct bh_state s = {0};
	_cleanup_diags_ struct bh_diags d = {0};

	assert_int_equal(bh_state_load(test_dir, 0, &d, &s), 0);
	assert_non_null(strstr(s.map, name));
	assert_true(s.generation == generation);
}

static bool is_there(const char *file)
{
	_cleanup_free_ char *path = NULL;

	assert_true(asprintf(&path, "%s/%s", test_dir, file) > 0);
	return access(path, F_OK) == 0;
}

/* --- tests ---------------------------------------------------------------------------------------------- */

static void confirmed(void **state)
{
	struct bh_agent *a = *state;

	must(a, one, 0);
	must(a, two, MINUTE_NS);
	name_is(a, "two");
	saved_is("one", fake.gen - 1);
	assert_true(is_there("unconfirmed"));
	assert_int_equal(fake.cuts, 1);
	assert_int_equal(confirm(a), 0);
	name_is(a, "two");
	saved_is("two", fake.gen);
	assert_false(is_there("unconfirmed"));
	assert_int_equal(fake.cuts, 2);
	assert_null(a->back.map);
	reboot(a);
	name_is(a, "two");
}

static void reverted(void **state)
{
	struct bh_agent *a = *state;
	__u64 gen;

	must(a, one, 0);
	must(a, two, MINUTE_NS);
	gen = fake.gen;
	assert_int_equal(bh_trial_revert(a, "test"), 0);
	name_is(a, "one");
	saved_is("one", gen + 1);
	assert_false(is_there("unconfirmed"));
	assert_int_equal(bh_trial_revert(a, "test"), -ENOENT);
	/* the segment of the other map keeps its number */
	must(a, two, 0);
	name_is(a, "two");
}

static void nothing_waits(void **state)
{
	struct bh_agent *a = *state;

	assert_int_equal(confirm(a), -ENOENT);
	must(a, one, 0);
	assert_int_equal(confirm(a), -ENOENT);
}

static void too_late(void **state)
{
	struct bh_agent *a = *state;
	__u64 gen;

	must(a, one, 0);
	must(a, two, MINUTE_NS);
	gen = fake.gen;
	fake.now_ns = fake.trial_ns;
	assert_int_equal(confirm(a), -ETIME);
	saved_is("one", gen - 1);
	assert_int_equal(bh_trial_revert(a, "test"), 0);
	name_is(a, "one");
	saved_is("one", gen + 1);
}

/* The kernel says no at the last moment: what was written is taken back. */
static void the_kernel_refuses(void **state)
{
	struct bh_agent *a = *state;

	must(a, one, 0);
	must(a, two, MINUTE_NS);
	fake.confirm_error = -ETIME;
	assert_int_equal(confirm(a), -ETIME);
	saved_is("one", fake.gen - 1);
	fake.confirm_error = 0;
	fake.publish_error = -EIO;
	assert_int_equal(bh_trial_revert(a, "test"), 0);
	assert_int_equal(apply(a, three, MINUTE_NS), -EIO);
	name_is(a, "one");
	assert_false(is_there("unconfirmed"));
}

static void nothing_else_meanwhile(void **state)
{
	struct bh_agent *a = *state;

	must(a, one, 0);
	must(a, two, MINUTE_NS);
	assert_int_equal(apply(a, three, 0), -EBUSY);
	assert_int_equal(apply(a, three, MINUTE_NS), -EBUSY);
	name_is(a, "two");
	saved_is("one", fake.gen - 1);
}

static void the_first_of_all(void **state)
{
	struct bh_agent *a = *state;

	must(a, one, MINUTE_NS);
	assert_false(is_there("enforced"));
	assert_false(is_there("state"));
	assert_int_equal(bh_trial_revert(a, "test"), 0);
	assert_null(a->live.map);
	assert_true(bh_kern_generation(a->kern) == 0);
	assert_false(is_there("enforced"));
	must(a, one, MINUTE_NS);
	assert_int_equal(confirm(a), 0);
	assert_true(is_there("enforced"));
	name_is(a, "one");
}

/* The agent dies and comes back while it waits. */
static void resumed(void **state)
{
	struct bh_agent *a = *state;
	__u64 gen;

	must(a, one, 0);
	must(a, two, MINUTE_NS);
	gen = fake.gen;
	restart(a);
	name_is(a, "two");
	assert_string_equal(a->back.map->name, "one");
	assert_true(fake.gen == gen && bh_trial_runs(a));
	assert_int_equal(confirm(a), 0);
	saved_is("two", gen);
	must(a, three, MINUTE_NS);
	restart(a);
	assert_int_equal(bh_trial_revert(a, "test"), 0);
	name_is(a, "two");
	saved_is("two", fake.gen);
}

/* It dies between the disk and the kernel: who said it is taken at his word, in time or not. */
static void killed_while_it_confirms(void **state)
{
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_agent *a = *state;

	must(a, one, 0);
	must(a, two, MINUTE_NS);
	assert_int_equal(bh_agent_write_down(a, &a->live, fake.gen, &d), 0);
	restart(a);
	name_is(a, "two");
	saved_is("two", fake.gen);
	assert_int_equal(fake.stages, 2);
	assert_false(bh_trial_runs(a));
	assert_false(is_there("unconfirmed"));
	must(a, three, MINUTE_NS);
	assert_int_equal(bh_agent_write_down(a, &a->live, fake.gen, &d), 0);
	fake.now_ns = fake.trial_ns;
	restart(a);
	name_is(a, "three");
	saved_is("three", fake.gen);
	assert_int_equal(fake.stages, 4);
	assert_false(is_there("unconfirmed"));
}

/* Its time is over while there is no agent; and the one that comes dies before it has written. */
static void ended_alone(void **state)
{
	_cleanup_free_ char *before = NULL, *tried = NULL, *path = NULL, *path2 = NULL;
	struct bh_agent *a = *state;
	size_t n, n2;
	__u64 gen;

	must(a, one, 0);
	must(a, two, MINUTE_NS);
	gen = fake.gen;
	assert_true(asprintf(&path, "%s/state", test_dir) > 0);
	assert_true(asprintf(&path2, "%s/unconfirmed", test_dir) > 0);
	assert_int_equal(bh_file_read(path, 1 << 20, &before, &n), 0);
	assert_int_equal(bh_file_read(path2, 1 << 20, &tried, &n2), 0);
	fake.now_ns = fake.trial_ns;
	restart(a);
	name_is(a, "one");
	saved_is("one", gen + 1);
	assert_true(fake.gen == gen + 1);
	assert_false(is_there("unconfirmed"));
	/* as if nothing had been written */
	assert_int_equal(bh_file_replace(path, before, n, 0600, NULL), 0);
	assert_int_equal(bh_file_replace(path2, tried, n2, 0600, NULL), 0);
	restart(a);
	name_is(a, "one");
	saved_is("one", gen + 1);
	assert_true(fake.gen == gen + 1);
}

static void rebooted(void **state)
{
	struct bh_agent *a = *state;
	__u64 gen;

	must(a, one, 0);
	must(a, two, MINUTE_NS);
	gen = fake.gen;
	reboot(a);
	name_is(a, "one");
	assert_false(is_there("unconfirmed"));
	/* no number twice */
	assert_true(fake.gen > gen);
	saved_is("one", fake.gen);
}

/* What is tried can't be known again: it ends. */
static void forgotten(void **state)
{
	_cleanup_free_ char *path = NULL;
	struct bh_agent *a = *state;

	must(a, one, 0);
	must(a, two, MINUTE_NS);
	assert_true(asprintf(&path, "%s/unconfirmed", test_dir) > 0);
	assert_int_equal(bh_file_replace(path, "x", 1, 0600, NULL), 0);
	restart(a);
	assert_false(bh_trial_runs(a));
	name_is(a, "one");
	saved_is("one", fake.gen);
}

/* --- what used to pass ---------------------------------------------------------------------------------- */

static bool passed_before;

static int before(const struct bh_question *q, struct bh_answer *ret)
{
	assert_true(q->gen == fake.back);
	ret->pass = passed_before;
	return 0;
}

/* Who is cut off on purpose can't end the trial by knocking; nor can who was denied before. */
static void only_what_used_to_pass_counts(void **state)
{
	static const enum bh_reason named[] = {BH_R_RULE_DENY,	   BH_R_QUARANTINE,
					       BH_R_GRANT_MISSING, BH_R_RULE_EXPIRED,
					       BH_R_NO_STORAGE,	   BH_R_CGROUP_MISMATCH};
	struct bh_event ev = {.type = BH_EVENT_DENY,
			      .dir = BH_OUT,
			      .hook = BH_HOOK_CONNECT,
			      .reason = BH_R_DEFAULT_DENY,
			      .local = BH_ID_FIRST,
			      .remote = BH_ID_WORLD,
			      .remote_port = 443,
			      .proto = 6};
	struct bh_agent *a = *state;

	fake.judge = before;
	passed_before = true;
	must(a, one, 0);
	must(a, MAP("two", "enforce") "revert_on_denies: 2\n", MINUTE_NS);
	ev.gen = fake.gen;
	for (size_t i = 0; i < ARRAY_SIZE(named); i++) {
		struct bh_event other = ev;

		other.reason = named[i];
		bh_trial_event(a, &other);
	}
	for (int i = 0; i < 4; i++) {
		struct bh_event other = ev;

		if (i == 0)
			other.gen--;
		else if (i == 1)
			other.dir = BH_IN;
		else if (i == 2)
			other.hook = BH_HOOK_XDP;
		else
			other.type = BH_EVENT_WOULD_DENY;
		bh_trial_event(a, &other);
	}
	passed_before = false;
	bh_trial_event(a, &ev);
	assert_int_equal(a->trial_broken, 0);
	passed_before = true;
	bh_trial_event(a, &ev);
	assert_int_equal(a->trial_broken, 1);
	assert_true(bh_trial_runs(a));
	bh_trial_event(a, &ev);
	assert_false(bh_trial_runs(a));
	name_is(a, "one");
}

/* --- run ------------------------------------------------------------------------------------------------ */

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

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(confirmed),
		TEST(reverted),
		TEST(nothing_waits),
		TEST(too_late),
		TEST(the_kernel_refuses),
		TEST(nothing_else_meanwhile),
		TEST(the_first_of_all),
		TEST(resumed),
		TEST(ended_alone),
		TEST(rebooted),
		TEST(forgotten),
		TEST(killed_while_it_confirms),
		TEST(only_what_used_to_pass_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
