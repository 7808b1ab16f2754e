/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control_apply.c - what `apply` and `mode enforce` ask before they deny anybody: is it the first
 * map here, and would it deny the session it comes from? Through the door that clients use, on a
 * kernel side that is not there. The caller is this process, with connections that the test says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "../../agent/base/io.h"
#include "../../agent/control/state.h"
#include "../../agent/first.h"
#include "verbrig.h"

#define MAP(mode)                                                                                  \
	"\"text\":\"version: 1\\nname: shop\\nmode: " mode "\\n"                                   \
	"default: { ingress: deny, egress: deny }\\n"                                              \
	"segments:\\n  ssh: { match: { unit: ssh.service } }\\n"                                   \
	"failsafe:\\n  - { id: desk, from: { cidr: [10.0.0.1/32] }, port: tcp/22 }\\n\""

#define APPLY(more, mode) "{\"verb\":\"apply\",\"args\":{" more MAP(mode) "}}"
#define ENFORCE		  "\"enforce\":true,"
#define FORCE		  "\"force\":true,"
#define DRY		  "\"dry_run\":true,"
#define STATUS		  "{\"verb\":\"status\"}"
#define MODE(mode)	  "{\"verb\":\"mode\",\"args\":{\"mode\":\"" mode "\"}}"

static bool open_22;

static int judge(const struct bh_question *q, struct bh_answer *ret)
{
	bool open = open_22 && q->port == 22 && q->dir == BH_IN;

	ret->local = BH_ID_UNASSIGNED;
	ret->remote = BH_ID_WORLD;
	ret->reason = open ? BH_R_ALLOW : BH_R_DEFAULT_DENY;
	ret->observe = !!(fake.flags & BH_CTL_OBSERVE);
	ret->pass = open || ret->observe;
	return 0;
}

/* The session: a login from 198.51.100.7 that this process holds itself. */
static void log_in(void)
{
	fake.n_held = 1;
	fake.held_by[0] = getpid();
	fake.held[0] = (struct bh_held){
		.local_addr = {.b = {[10] = 0xff, 0xff, 10, 0, 0, 2}},
		.local_port = 22,
		.remote_addr = {.b = {[10] = 0xff, 0xff, 198, 51, 100, 7}},
		.remote_port = 50122,
		.cookie = 7,
		.flags = BH_HELD_ACCEPTED | BH_HELD_INSIDE,
	};
}

static int setup(void **state)
{
	struct bh_agent *a = verb_agent_new();

	open_audit(a);
	fake.judge = judge;
	open_22 = false;
	root.pid = getpid();
	*state = a;
	return 0;
}

/* Is that what the live generation says? */
static bool observes(const struct bh_agent *a)
{
	return a->live.compiled && a->live.compiled->side.flags & BH_SIDE_OBSERVE;
}

static void audit_has(const char *part)
{
	_cleanup_free_ char *text = NULL;
	char path[96];

	snprintf(path, sizeof(path), "%s/audit.jsonl", test_dir);
	assert_int_equal(bh_file_read(path, 1 << 20, &text, NULL), 0);
	if (!strstr(text, part))
		fail_msg("'%s' is not in %s", part, text);
}

static bool marked(void)
{
	_cleanup_(bh_marker_clear) struct bh_marker m = {0};
	_cleanup_diags_ struct bh_diags d = {0};

	return bh_marker_load(test_dir, &d, &m) == 0;
}

static bool saved_cap(void)
{
	_cleanup_(bh_state_clear) struct bh_state s = {0};
	_cleanup_diags_ struct bh_diags d = {0};

	assert_int_equal(bh_state_load(test_dir, 0, &d, &s), 0);
	return s.cap_observe;
}

/* --- the first map ------------------------------------------------------------------------------ */

static void the_first_observes(void **state)
{
	struct bh_agent *a = *state;

	log_in();
	expect(a, APPLY("", "enforce"), 3, "OBSERVING, nothing is denied: this host has not");
	assert_true(observes(a));
	assert_int_equal(fake.publishes, 1);
	assert_true(saved_cap());
	/* it has denied nothing: should the map be lost it starts open, as a new host does */
	assert_false(marked());
	expect(a, STATUS, 3, "\"state\":\"observing\"");
	expect(a, STATUS, 3,
	       "first apply: nothing is denied until `bulkhead apply --enforce FILE` or `bulkhead "
	       "mode enforce`");
	/* the second is no first, and nobody has said otherwise */
	expect(a, APPLY("", "enforce"), 3, "\"mode_cap\":\"observe\"");
	assert_false(marked());
	/* still so after a new start */
	test_agent_restart(a);
	{
		_cleanup_diags_ struct bh_diags d = {0};

		assert_int_equal(bh_agent_restore(a, &d), 0);
	}
	expect(a, STATUS, 3, "first apply: nothing is denied");
}

static void it_tells_what_would_be(void **state)
{
	log_in();
	expect(*state, APPLY("", "enforce"), 3,
	       "this map would deny the session it comes from: 198.51.100.7:50122 -> tcp/22");
	assert_int_equal(fake.publishes, 1);
}

static void enforce_is_said(void **state)
{
	struct bh_agent *a = *state;

	log_in();
	open_22 = true;
	expect(a, APPLY(ENFORCE, "enforce"), 0, "\"mode_cap\":\"none\"");
	assert_false(observes(a));
	assert_true(marked());
	expect(a, STATUS, 0, "\"state\":\"enforcing\"");
	audit_has("\"enforce\":true");
	/* and from here on it need not be said */
	expect(a, APPLY("", "enforce"), 0, "\"mode_cap\":\"none\"");
}

static void enforce_is_said_later(void **state)
{
	struct bh_agent *a = *state;

	log_in();
	open_22 = true;
	expect(a, APPLY("", "enforce"), 3, "OBSERVING");
	expect(a, APPLY(ENFORCE, "enforce"), 0, "\"mode_cap\":\"none\"");
	assert_false(observes(a));
	assert_false(saved_cap());
	assert_true(marked());
	expect(a, STATUS, 0, "\"enforcing\"");
}

static void the_mode_is_said_later(void **state)
{
	struct bh_agent *a = *state;

	log_in();
	open_22 = true;
	expect(a, APPLY("", "enforce"), 3, "OBSERVING");
	expect(a, MODE("enforce"), 0, "\"none\"");
	assert_true(marked());
	expect(a, STATUS, 0, "\"enforcing\"");
}

/* A map that observes needs no cap, and the one after it is no first. */
static void a_map_that_observes(void **state)
{
	struct bh_agent *a = *state;

	expect(a, APPLY("", "observe"), 0, "\"mode_cap\":\"none\"");
	assert_false(observes(a));
	log_in();
	open_22 = true;
	expect(a, APPLY("", "enforce"), 0, "\"mode_cap\":\"none\"");
	assert_true(marked());
}

static void what_is_no_first(void **state)
{
	struct bh_agent *a = *state;
	struct bh_marker m = {.generation = 3, .failsafes = (char *)"x"};
	_cleanup_diags_ struct bh_diags d = {0};
	char path[96];

	assert_true(bh_first_apply(a));
	fake.gen = 3;
	assert_false(bh_first_apply(a));
	fake.gen = 0;
	fake.beside = 2;
	assert_false(bh_first_apply(a));
	fake.beside = 0;
	assert_int_equal(bh_marker_save(test_dir, &m, &d), 0);
	assert_false(bh_first_apply(a));
	assert_false(bh_never_enforced(a));
	snprintf(path, sizeof(path), "%s/enforced", test_dir);
	assert_int_equal(bh_file_replace(path, "damaged", 7, 0600, NULL), 0);
	assert_false(bh_never_enforced(a));
	assert_int_equal(unlink(path), 0);
	/* a mode is nothing without a map */
	expect(a, MODE("observe"), 1, "there is no map");
	assert_true(bh_first_apply(a));
	snprintf(path, sizeof(path), "%s/state", test_dir);
	assert_int_equal(bh_file_replace(path, "damaged", 7, 0600, NULL), 0);
	assert_false(bh_first_apply(a));
}

/* `mode observe` was said on a host that enforces: the next map says itself what it wants. */
static void the_cap_of_the_operator(void **state)
{
	struct bh_agent *a = *state;

	log_in();
	open_22 = true;
	expect(a, APPLY(ENFORCE, "enforce"), 0, "");
	expect(a, MODE("observe"), 0, "observe");
	expect(a, STATUS, 3, "`bulkhead mode observe` is on: the map would enforce");
	expect(a, APPLY("", "enforce"), 0, "\"mode_cap\":\"none\"");
	assert_true(marked());
	expect(a, STATUS, 0, "\"enforcing\"");
}

/* On a host that has never enforced each map observes until somebody means it. */
static void the_second_is_no_better(void **state)
{
	struct bh_agent *a = *state;

	log_in();
	open_22 = true;
	expect(a, APPLY("", "enforce"), 3, "OBSERVING");
	expect(a, APPLY("", "enforce"), 3, "OBSERVING");
	assert_false(marked());
	expect(a, APPLY(ENFORCE, "enforce"), 0, "\"mode_cap\":\"none\"");
	assert_true(marked());
}

/* What is refused leaves the cap where it was, here and on the disk. */
static void refused_at_the_last_moment(void **state)
{
	struct bh_agent *a = *state;

	log_in();
	open_22 = true;
	fake.publish_error = -EIO;
	expect(a, APPLY("", "enforce"), 1, "can't publish");
	assert_false(observes(a));
	assert_false(a->live.capped);
	assert_true(bh_first_apply(a));
	fake.publish_error = 0;
	expect(a, APPLY("", "enforce"), 3, "OBSERVING");
	fake.publish_error = -EIO;
	expect(a, APPLY(ENFORCE, "enforce"), 1, "can't publish");
	assert_true(observes(a));
	assert_true(a->live.capped);
	assert_true(saved_cap());
	assert_false(marked());
}

static void dry_run_of_the_first(void **state)
{
	struct bh_agent *a = *state;

	log_in();
	expect(a, APPLY(DRY, "enforce"), 3, "OBSERVING");
	assert_int_equal(fake.publishes, 0);
	assert_false(observes(a));
	assert_false(a->live.capped);
	assert_true(bh_first_apply(a));
}

/* --- the guard ---------------------------------------------------------------------------------- */

static void a_session_that_would_end(void **state)
{
	struct bh_agent *a = *state;

	log_in();
	expect(a, APPLY(ENFORCE, "enforce"), 1,
	       "this map would deny the session it comes from: 198.51.100.7:50122 -> tcp/22");
	assert_int_equal(fake.publishes, 0);
	assert_null(a->live.map);
	assert_true(bh_first_apply(a));
	audit_has("\"ok\":false");
	/* it would be refused, and so says a rehearsal */
	expect(a, APPLY(DRY ENFORCE, "enforce"), 1, "would deny the session");
	/* a map that denies nothing is none to be afraid of */
	expect(a, APPLY(ENFORCE, "observe"), 0, "");
}

static void it_is_meant(void **state)
{
	struct bh_agent *a = *state;

	log_in();
	expect(a, APPLY(FORCE ENFORCE, "enforce"), 0, "\"generation\":");
	assert_int_equal(fake.publishes, 1);
	audit_has("\"force\":true");
}

static void nothing_is_known(void **state)
{
	struct bh_agent *a = *state;

	expect(a, APPLY(ENFORCE, "enforce"), 1,
	       "it can't be told whether this map would lock you out: control_apply (pid");
	expect(a, APPLY(ENFORCE, "enforce"), 1, "--force if you can reach this host");
	assert_int_equal(fake.publishes, 0);
	/* what ends by itself is none to be afraid of */
	expect(a, APPLY(ENFORCE "\"confirm_s\":60,", "enforce"), 0, "\"unconfirmed\":{");
	expect(a, "{\"verb\":\"rollback\"}", 0, "\"reverted\":true");
	expect(a, APPLY(ENFORCE FORCE, "enforce"), 0, "");
	/* nor may it be told when the kernel side does not answer */
	fake.held_error = -EACCES;
	expect(a, APPLY("", "enforce"), 1, "can't be told which connections");
	expect(a, APPLY(FORCE, "enforce"), 0, "");
}

static void first_from_nowhere(void **state)
{
	expect(*state, APPLY("", "enforce"), 3, "OBSERVING");
	assert_int_equal(fake.publishes, 1);
}

static void the_mode_of_a_session_that_would_end(void **state)
{
	struct bh_agent *a = *state;

	log_in();
	expect(a, APPLY("", "enforce"), 3, "OBSERVING");
	expect(a, MODE("enforce"), 1, "would deny the session it comes from");
	assert_true(observes(a));
	assert_true(a->live.capped);
	/* there is nothing to be afraid of in these */
	expect(a, MODE("observe"), 0, "observe");
	expect(a, "{\"verb\":\"mode\",\"args\":{\"mode\":\"enforce\",\"force\":true}}", 0,
	       "\"none\"");
	assert_false(observes(a));
	expect(a, MODE("enforce"), 0, "\"none\"");
}

static void the_mode_from_nowhere(void **state)
{
	struct bh_agent *a = *state;

	expect(a, APPLY("", "enforce"), 3, "OBSERVING");
	expect(a, MODE("enforce"), 0, "\"none\"");
}

static void odd_arguments(void **state)
{
	expect(*state, APPLY("\"force\":1,", "enforce"), 2, "'force' must be true or false");
	expect(*state, APPLY("\"enforce\":\"yes\",", "enforce"), 2, "'enforce' must be");
	expect(*state, APPLY("\"forced\":true,", "enforce"), 2, "did you mean 'force'?");
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(the_first_observes),
		TEST(it_tells_what_would_be),
		TEST(enforce_is_said),
		TEST(enforce_is_said_later),
		TEST(the_mode_is_said_later),
		TEST(a_map_that_observes),
		TEST(what_is_no_first),
		TEST(the_cap_of_the_operator),
		TEST(the_second_is_no_better),
		TEST(refused_at_the_last_moment),
		TEST(dry_run_of_the_first),
		TEST(a_session_that_would_end),
		TEST(it_is_meant),
		TEST(nothing_is_known),
		TEST(first_from_nowhere),
		TEST(the_mode_of_a_session_that_would_end),
		TEST(the_mode_from_nowhere),
		TEST(odd_arguments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
