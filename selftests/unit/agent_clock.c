/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent_clock.c - the wall clock is set while rules wait for their end by it: with the agent there
 * and with it away. Tests bh_agent_recompile() on a kernel side that is not
 * there; a real clock that is set: vm/guest/clock.sh.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "../../agent/control/state.h"
#include "fakeagent.h"

#define MAP(until)                                                                                 \
	"version: 1\nname: shop\nmode: enforce\ndefault: { ingress: deny, egress: deny }\n"        \
	"segments:\n"                                                                              \
	"  web: { match: { unit: nginx.service } }\n"                                              \
	"  db: { match: { unit: db.service } }\n"                                                  \
	"allow:\n"                                                                                 \
	"  - { id: while, from: web, to: db, port: tcp/5432" until " }\n"                          \
	"failsafe:\n  - { from: { cidr: [198.51.100.0/28] }, port: tcp/22 }\n"

/* An hour from what the clock of the tests says. */
static const char ends[] = MAP(", until: 2026-01-01T01:00:00Z");
static const char endless[] = MAP("");

#define HOUR_MS 3600000ll

static int setup(void **state)
{
	*state = test_agent_new();
	test_clock_set_ms = 0;
	return 0;
}

static int teardown(void **state)
{
	test_agent_free(*state);
	return 0;
}

static void apply(struct bh_agent *a, const char *text)
{
	_cleanup_(bh_commit_clear) struct bh_commit c = {0};
	_cleanup_(bh_live_clear) struct bh_live l = {0};
	_cleanup_diags_ struct bh_diags d = {0};

	assert_int_equal(bh_agent_compile(a, "shop.yaml", text, strlen(text), &d, &l), 0);
	assert_int_equal(bh_agent_commit(a, &l, &c, &d), 0);
}

/* What watch.c does each second. Return: has it made a generation? */
static bool looks(struct bh_agent *a)
{
	_cleanup_diags_ struct bh_diags d = {0};
	__u64 gen = fake.gen;

	assert_int_equal(bh_agent_recompile(a, &d), 0);
	return fake.gen != gen;
}

/* The seconds that the kernel gives the rule; 0: it has ended, -1: it is for ever. */
static long long left_s(const struct bh_agent *a)
{
	const struct bh_compiled *c = a->live.compiled;
	__u64 now = a->clock->boot_ns(), until = 0;

	for (size_t i = 0; i < c->n_rules; i++)
		if (c->rules[i].until_ns)
			until = c->rules[i].until_ns;
	if (!until)
		return -1;
	return until <= now ? 0 : (long long)((until - now + 500000000) / 1000000000);
}

static void it_is_set(void **state)
{
	struct bh_agent *a = *state;

	apply(a, ends);
	assert_int_equal(left_s(a), 3600);
	assert_false(looks(a));
	test_clock_set_ms = HOUR_MS / 2;
	assert_true(looks(a));
	assert_int_equal(left_s(a), 1800);
	assert_false(looks(a));
	/* long past it, and long before */
	test_clock_set_ms = 10 * 8766 * HOUR_MS;
	assert_true(looks(a));
	assert_int_equal(left_s(a), 0);
	test_clock_set_ms = -HOUR_MS;
	assert_true(looks(a));
	assert_int_equal(left_s(a), 7200);
}

static void a_second_is_nothing(void **state)
{
	struct bh_agent *a = *state;

	apply(a, ends);
	for (test_clock_set_ms = -1000; test_clock_set_ms <= 1000; test_clock_set_ms += 100)
		assert_false(looks(a));
	test_clock_set_ms = 3000;
	assert_true(looks(a));
}

static void nothing_ends_by_it(void **state)
{
	struct bh_agent *a = *state;

	apply(a, endless);
	test_clock_set_ms = 10 * 8766 * HOUR_MS;
	assert_false(bh_agent_clock_was_set(a));
	assert_false(looks(a));
	assert_int_equal(left_s(a), -1);
}

/* The kernel has what was right when the former agent compiled it. */
static void nobody_was_there(void **state)
{
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_agent *a = *state;
	__u64 gen;

	apply(a, ends);
	gen = fake.gen;
	test_clock_set_ms = 2 * HOUR_MS;
	test_agent_restart(a);
	assert_int_equal(bh_agent_restore(a, &d), 0);
	assert_true(fake.gen == gen);
	assert_true(looks(a));
	assert_int_equal(left_s(a), 0);
	assert_false(looks(a));
}

static void not_without_need(void **state)
{
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_agent *a = *state;

	apply(a, endless);
	test_agent_restart(a);
	assert_int_equal(bh_agent_restore(a, &d), 0);
	assert_false(looks(a));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(it_is_set),	TEST(a_second_is_nothing), TEST(nothing_ends_by_it),
		TEST(nobody_was_there), TEST(not_without_need),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
