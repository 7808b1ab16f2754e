/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control_lockout_holds.c - would a quarantine cut the session that it comes from, or the end of a
 * grant? As control_lockout.c asks it of maps.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "lockoutrig.h"

/* --- other holds --------------------------------------------------------------------------------------- */

static void check_holds(struct bh_agent *a, const struct bh_as_if *w)
{
	struct bh_live was = a->live;

	a->live.map = l.map;
	a->live.compiled = l.compiled;
	bh_lockout_clear(&k);
	bh_diags_clear(&said);
	assert_int_equal(bh_lockout_find(a, proc, 701, &k), 0);
	assert_int_equal(bh_lockout_judge_holds(a, w, &k), 0);
	bh_lockout_tell(a, &a->live, &k, w, BH_ERROR, &said);
	a->live = was;
}

static void a_quarantine_of_the_caller(void **state)
{
	struct bh_hold hold[] = {{.kind = BH_HOLD_SEGMENT, .who = (char *)"office"}};
	struct bh_holds then = {.hold = hold, .n_hold = 1};
	const struct bh_as_if w = {.holds = &then, .what = "this quarantine would cut"};

	open_22 = true;
	ssh_from("198.51.100.7", 22);
	check_holds(*state, &w);
	assert_int_equal(k.n_denied, 1);
	assert_int_equal(said.n_errors, 1);
	assert_non_null(strstr(said.list[0].text,
			       "this quarantine would cut the session it comes from: "
			       "198.51.100.7:50122 -> tcp/22 of ? (quarantine), held by sshd"));
	assert_null(said.list[0].file);
	assert_null(strstr(said.list[0].help, "--even-failsafe"));
	/* in observe as well, of a segment or of the host */
	fake.flags = BH_CTL_OBSERVE;
	fake.held[0].cgid = CG_LAB;
	check_holds(*state, &w);
	assert_int_equal(k.n_denied, 1);
	hold[0].hard = true;
	check_holds(*state, &w);
	assert_non_null(strstr(said.list[0].help, "leave out --even-failsafe"));
	/* another one's; and one that is over */
	hold[0].who = (char *)"runner";
	check_holds(*state, &w);
	assert_int_equal(k.n_denied, 0);
	hold[0].who = (char *)"office";
	hold[0].note.until_ns = 1;
	check_holds(*state, &w);
	assert_int_equal(k.n_denied, 0);
}

/* What does not get through as it is can't be cut. */
static void what_is_cut_already(void **state)
{
	struct bh_hold hold[] = {{.kind = BH_HOLD_SEGMENT, .who = (char *)"office"}};
	struct bh_holds then = {.hold = hold, .n_hold = 1};
	const struct bh_as_if w = {.holds = &then, .what = "this quarantine would cut"};

	ssh_from("198.51.100.7", 22);
	check_holds(*state, &w);
	assert_int_equal(k.n, 1);
	assert_int_equal(k.n_denied, 0);
	assert_int_equal(said.n, 0);
}

static void the_end_of_a_grant(void **state)
{
	struct bh_agent *a = *state;
	struct bh_as_if w = {.less = 8, .what = "the end of grant 8 would cut"};

	open_22 = true;
	for (unsigned int id = 7; id <= 9; id++) {
		struct bh_granted g = {.id = id,
				       .uid = BH_NO_UID,
				       .from = strdup(id == 7 ? "gone" : "office"),
				       .to = strdup("ssh"),
				       .port = strdup("tcp/22"),
				       .note.until_ns = ~0ull};

		assert_int_equal(bh_granted_add(a->holds, &g), 0);
	}
	ssh_from("198.51.100.7", 22);
	/* that of a segment which is not there has no place */
	granted = 1 << 0;
	check_holds(a, &w);
	assert_int_equal(k.n_denied, 1);
	assert_non_null(strstr(said.list[0].text, "the end of grant 8 would cut the session"));
	assert_non_null(strstr(said.list[0].help, "from: office, to: ssh, port: tcp/22"));
	w.less = 9;
	check_holds(a, &w);
	assert_int_equal(k.n_denied, 0);
	granted = 1 << 1;
	check_holds(a, &w);
	assert_int_equal(k.n_denied, 1);
	/* nothing is denied here: nothing ends */
	fake.flags = BH_CTL_OBSERVE;
	check_holds(a, &w);
	assert_int_equal(k.n_denied, 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_quarantine_of_the_caller),
		TEST(what_is_cut_already),
		TEST(the_end_of_a_grant),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
