/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control_rollback.c - history, rollback and `get map` through the door that clients use, on a
 * kernel side that is not there: every way to a generation is noted, going back is an apply like
 * any other, and a history that can't be written refuses nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "../../agent/base/io.h"
#include "../../agent/control/past.h"
#include "verbrig.h"

#define MAP(name, mode, more)                                                                      \
	"version: 1\\nname: " name "\\nmode: " mode "\\n"                                          \
	"default: { ingress: deny, egress: deny }\\n"                                              \
	"segments:\\n  web: { match: { unit: nginx.service } }\\n"                                 \
	"failsafe:\\n  - { id: desk, from: { cidr: [10.0.0.1/32] }, port: tcp/22 }\\n" more

#define STAFF                                                                                      \
	"version: 1\\nname: staff\\nmode: observe\\n"                                              \
	"default: { ingress: deny, egress: deny }\\n"                                              \
	"segments:\\n  staff: { match: { cgroup: /user.slice, user: alice } }\\n"

static void open_history(struct bh_agent *a)
{
	_cleanup_diags_ struct bh_diags d = {0};

	bh_history_close(a->history);
	assert_int_equal(bh_past_open(a, &d), 0);
	assert_int_equal(d.n, 0);
}

static int setup(void **state)
{
	struct bh_agent *a = verb_agent_new();

	open_history(a);
	*state = a;
	return 0;
}

static void three_maps(struct bh_agent *a)
{
	apply(a, MAP("one", "observe", ""));
	apply(a, MAP("two", "enforce", ""));
	apply(a, MAP("three", "enforce", "l2: deny\\n"));
}

#define HISTORY	     "{\"verb\":\"history\"}"
#define ROLLBACK     "{\"verb\":\"rollback\",\"args\":{\"force\":true}}"
#define BACK_TO(gen) "{\"verb\":\"rollback\",\"args\":{" FORCED "\"generation\":" gen "}}"
#define GET_MAP	     "{\"verb\":\"get\",\"args\":{\"what\":\"map\"}}"
#define GET(gen)     "{\"verb\":\"get\",\"args\":{\"what\":\"map\",\"generation\":" gen "}}"

/* --- history ------------------------------------------------------------------------------------ */

static void what_history_tells(void **state)
{
	struct bh_agent *a = *state;

	expect(a, HISTORY, 0, "\"rows\":[]");
	three_maps(a);
	expect(a, HISTORY, 0,
	       "{\"rows\":[{\"generation\":3,\"live\":true,\"state\":\"live\",\"how\":\"apply\","
	       "\"of\":null,\"applied_at\":\"2026-01-01T00:00:00Z\",\"applied_by\":\"root (pid 7, "
	       "/user.slice/session-1.scope)\",\"file\":\"shop.yaml\",\"name\":\"three\",\"mode\":"
	       "\"enforce\",\"mode_cap\":\"none\",\"segments\":1,\"rules\":1,\"entries\":");
	expect(a, HISTORY, 0,
	       "{\"generation\":2,\"live\":false,\"state\":\"confirmed\",\"how\":\"apply\"");
	expect(a, HISTORY, 0, "\"name\":\"one\",\"mode\":\"observe\"");
	expect(a, "{\"verb\":\"history\",\"args\":{\"limit\":1}}", 0, "\"generation\":3");
	expect(a, "{\"verb\":\"history\",\"args\":{\"limit\":1}}", 0,
	       a->live.origin.sha256); /* the digest that `status` shows */
	expect(a, "{\"verb\":\"history\",\"args\":{\"limit\":0}}", 2, "whole number from 1");
	expect(a, "{\"verb\":\"history\",\"args\":{\"limt\":1}}", 2, "did you mean 'limit'?");
}

/* What is refused or only tried was never enforced. */
static void only_what_was_enforced(void **state)
{
	struct bh_agent *a = *state;
	size_t n;

	expect(a,
	       "{\"verb\":\"apply\",\"args\":{" FORCED
	       "\"dry_run\":true,\"text\":\"" MAP("x", "observe", "") "\"}}",
	       0, "\"generation\"");
	expect(a, "{\"verb\":\"apply\",\"args\":{" FORCED "\"text\":\"version: 2\"}}", 1,
	       "\"error\"");
	fake.publish_error = -EIO;
	expect(a,
	       "{\"verb\":\"apply\",\"args\":{" FORCED "\"text\":\"" MAP("x", "observe", "") "\"}}",
	       1, "publish");
	fake.publish_error = 0;
	(void)bh_history_list(a->history, &n);
	assert_int_equal(n, 0);
}

static void every_way_to_a_generation(void **state)
{
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_agent *a = *state;

	apply(a, STAFF);
	test_alice = 1005;
	assert_int_equal(bh_agent_recompile(a, &d), 0);
	test_alice = 1001;
	expect(a, HISTORY, 0,
	       "\"generation\":2,\"live\":true,\"state\":\"live\",\"how\":\"users\",\"of\":null,"
	       "\"applied_at\":\"2026-01-01T00:00:00Z\",\"applied_by\":null");
	expect(a, "{\"verb\":\"mode\",\"args\":{\"mode\":\"observe\"}}", 0, "observe");
	expect(a, HISTORY, 0, "\"how\":\"mode\",\"of\":null");
	expect(a, HISTORY, 0, "\"mode\":\"observe\",\"mode_cap\":\"observe\"");
	expect(a, "{\"verb\":\"mode\",\"args\":{\"mode\":\"observe\"}}", 0, "observe");
	expect(a, HISTORY, 0, "{\"rows\":[{\"generation\":3,");
	/* a reboot */
	fake.gen = fake.staged = 0;
	test_agent_restart(a);
	open_history(a);
	assert_int_equal(bh_agent_restore(a, &d), 0);
	bh_past_catch_up(a);
	expect(a, HISTORY, 0,
	       "\"generation\":4,\"live\":true,\"state\":\"live\",\"how\":\"start\",\"of\":null,"
	       "\"applied_at\":\"2026-01-01T00:00:00Z\",\"applied_by\":null,\"file\":\"shop.yaml\"");
	/* and a start that makes none */
	test_agent_restart(a);
	open_history(a);
	assert_int_equal(bh_agent_restore(a, &d), 0);
	bh_past_catch_up(a);
	expect(a, HISTORY, 0, "{\"rows\":[{\"generation\":4,");
	/* all the same text */
	expect(a, ROLLBACK, 1, "no other map from before generation 4");
}

/* Killed between publish and the note, or upgraded from an agent that took none. */
static void a_start_finds_what_was_not_noted(void **state)
{
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_agent *a = *state;
	struct bh_history *aside = a->history;

	a->history = NULL;
	apply(a, MAP("one", "enforce", ""));
	expect(a, HISTORY, 0, "\"rows\":[]");
	expect(a, ROLLBACK, 1, "no other map");
	expect(a, GET_MAP, 0, "\"applied_by\":\"root");
	a->history = aside;
	test_agent_restart(a);
	assert_int_equal(bh_agent_restore(a, &d), 0);
	bh_past_catch_up(a);
	expect(a, HISTORY, 0,
	       "\"generation\":1,\"live\":true,\"state\":\"live\",\"how\":\"apply\"");
	expect(a, HISTORY, 0, "\"applied_by\":\"root (pid 7");
	/* without a map there is nothing to note */
	bh_map_free(TAKE_PTR(a->live.map));
	fake.gen = 9;
	bh_past_catch_up(a);
	expect(a, HISTORY, 0, "{\"rows\":[{\"generation\":1,");
}

static void it_can_t_be_written(void **state)
{
	struct bh_agent *a = *state;
	char path[96];

	snprintf(path, sizeof(path), "%s/history", test_dir);
	assert_int_equal(bh_file_replace(path, "x", 1, 0600, NULL), 0);
	expect(a,
	       "{\"verb\":\"apply\",\"args\":{" FORCED
	       "\"text\":\"" MAP("one", "enforce", "") "\"}}",
	       0, "generation 1 is not in the history: Not a directory");
	assert_true(fake.gen == 1);
	expect(a, "{\"verb\":\"mode\",\"args\":{\"mode\":\"observe\"}}", 0,
	       "generation 2 is not in the history");
	assert_int_equal(unlink(path), 0);
	apply(a, MAP("two", "enforce", ""));
	expect(a, HISTORY, 0, "\"generation\":3");
}

static void damaged_ones_are_told(void **state)
{
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_agent *a = *state;
	char path[96];

	three_maps(a);
	snprintf(path, sizeof(path), "%s/history/2", test_dir);
	assert_int_equal(bh_file_replace(path, "x", 1, 0600, NULL), 0);
	bh_history_close(a->history);
	assert_int_equal(bh_past_open(a, &d), 0);
	assert_int_equal(d.n, 1);
	expect(a, HISTORY, 0, "damaged records, which are not shown: 1");
	expect(a, BACK_TO("2"), 1, "the last ones are 3, 1;");
	expect(a, ROLLBACK, 0, "\"back\":{\"generation\":1,");
}

/* --- rollback ------------------------------------------------------------------------------------- */

static void one_back_and_one_more(void **state)
{
	struct bh_agent *a = *state;

	three_maps(a);
	expect(a, ROLLBACK, 0, "\"back\":{\"generation\":2,");
	assert_true(fake.gen == 4);
	assert_string_equal(a->live.map->name, "two");
	assert_string_equal(a->live.origin.file, "shop.yaml");
	expect(a, HISTORY, 0,
	       "\"generation\":4,\"live\":true,\"state\":\"live\",\"how\":\"rollback\",\"of\":2");
	expect(a, ROLLBACK, 0, "\"back\":{\"generation\":1,");
	assert_string_equal(a->live.map->name, "one");
	expect(a, ROLLBACK, 1, "no other map from before generation 5");
	assert_true(fake.gen == 5);
	/* and to the one that it came from */
	expect(a, BACK_TO("3"), 0,
	       "\"changes\":[{\"what\":\"changed\",\"object\":\"map name\",\"detail\":\"one -> three\"}");
	assert_string_equal(a->live.map->name, "three");
	assert_true(fake.gen == 6);
}

static void a_dry_rollback(void **state)
{
	struct bh_agent *a = *state;

	three_maps(a);
	expect(a, "{\"verb\":\"rollback\",\"args\":{" FORCED "\"dry_run\":true}}", 0,
	       "\"object\":\"map name\",\"detail\":\"three -> two\"");
	assert_true(fake.gen == 3);
	assert_string_equal(a->live.map->name, "three");
	expect(a, HISTORY, 0, "{\"rows\":[{\"generation\":3,");
}

static void nothing_to_do(void **state)
{
	struct bh_agent *a = *state;

	three_maps(a);
	expect(a, BACK_TO("3"), 3, "nothing to do");
	expect(a, BACK_TO("3"), 3, "\"changes\":[]");
	expect(a, BACK_TO("1"), 0, "\"back\"");
	expect(a, BACK_TO("1"), 3, "nothing to do: the text of generation 1 is what is enforced");
	assert_true(fake.gen == 4);
}

static void wrong_arguments(void **state)
{
	struct bh_agent *a = *state;

	expect(a, ROLLBACK, 1, "no map is known to be enforced here");
	expect(a, BACK_TO("1"), 1, "the last ones are none yet");
	three_maps(a);
	expect(a, BACK_TO("4"), 1, "generation 4 is not in the history of this host");
	expect(a, BACK_TO("4"), 1, "the last ones are 3, 2, 1; `bulkhead history` lists all");
	expect(a, BACK_TO("0"), 2, "whole number from 1");
	expect(a, BACK_TO("-1"), 2, "whole number from 1");
	expect(a, BACK_TO("\"1\""), 2, "whole number from 1");
	expect(a, BACK_TO("1.0"), 2, "whole number from 1");
	expect(a, BACK_TO("9223372036854775807"), 2, "whole number from 1");
	expect(a, BACK_TO("9223372036854775808"), 2, "");
	expect(a, "{\"verb\":\"rollback\",\"args\":{\"gen\":1}}", 2, "no argument 'gen'");
	expect(a, "{\"verb\":\"rollback\",\"args\":{\"dry_run\":1}}", 2, "true or false");
	expect(a, "{\"verb\":\"rolback\"}", 2, "did you mean 'rollback'?");
	assert_true(fake.gen == 3);
	root.session = false;
	expect(a, ROLLBACK, 1, "is refused");
	root.session = true;
	assert_true(fake.gen == 3);
}

/* What was good once is checked again. */
static void an_old_map_is_refused(void **state)
{
	struct bh_agent *a = *state;

	apply(a, STAFF);
	apply(a, MAP("two", "observe", ""));
	fake.stage_error = -E2BIG;
	expect(a, ROLLBACK, 1, "generation 1 is refused now; nothing was changed");
	expect(a, ROLLBACK, 1, "does not stage");
	fake.stage_error = 0;
	assert_true(fake.gen == 2);
	expect(a, HISTORY, 0, "{\"rows\":[{\"generation\":2,");
	expect(a, ROLLBACK, 0, "\"generation\":3");
}

static void a_lost_text(void **state)
{
	struct bh_agent *a = *state;
	char path[160];

	three_maps(a);
	snprintf(path, sizeof(path), "%s/history/%s.yaml", test_dir,
		 bh_history_find(a->history, 2)->sha256);
	assert_int_equal(bh_file_replace(path, "x", 1, 0600, NULL), 0);
	expect(a, GET("2"), 1, "the text of generation 2 can't be had");
	expect(a, ROLLBACK, 1, "it is damaged");
	expect(a, ROLLBACK, 1, "`bulkhead history` lists the generations; take another");
	expect(a, HISTORY, 0, "generations whose text is missing or damaged: 1");
	assert_true(fake.gen == 3);
	expect(a, BACK_TO("1"), 0, "\"generation\":4");
}

/* The state is lost while the kernel goes on: the history still has the text. */
static void the_live_text_was_lost(void **state)
{
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_agent *a = *state;
	char path[96];

	three_maps(a);
	snprintf(path, sizeof(path), "%s/state", test_dir);
	assert_int_equal(bh_file_replace(path, "garbage", 7, 0600, NULL), 0);
	test_agent_restart(a);
	assert_int_equal(bh_agent_restore(a, &d), 0);
	bh_past_catch_up(a);
	assert_null(a->live.map);
	expect(a, HISTORY, 0, "\"generation\":3,\"live\":true");
	expect(a, GET_MAP, 0, "\"text\":\"version: 1\\nname: three\\n");
	expect(a, "{\"verb\":\"rollback\",\"args\":{" FORCED "\"dry_run\":true}}", 0,
	       "\"back\":{\"generation\":2,");
	/* it is what is enforced, and yet there is something to do */
	expect(a, BACK_TO("3"), 0, "\"generation\":4");
	assert_non_null(a->live.map);
	assert_string_equal(a->state_trouble, "");
}

/* After a reboot not even the failsafes' generation is a map. */
static void only_failsafes(void **state)
{
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_agent *a = *state;
	char path[96];

	three_maps(a);
	snprintf(path, sizeof(path), "%s/state", test_dir);
	assert_int_equal(bh_file_replace(path, "garbage", 7, 0600, NULL), 0);
	fake.gen = fake.staged = 0;
	test_agent_restart(a);
	assert_int_equal(bh_agent_restore(a, &d), 0);
	bh_past_catch_up(a);
	assert_true(a->no_policy);
	expect(a, HISTORY, 0, "{\"rows\":[{\"generation\":3,\"live\":false");
	expect(a, GET_MAP, 1, "no map is enforced here");
	expect(a, GET("3"), 0, "name: three");
	expect(a, ROLLBACK, 1, "say which one to go back to");
	expect(a, BACK_TO("3"), 0, "\"back\"");
	assert_false(a->no_policy);
	assert_string_equal(a->live.map->name, "three");
}

/* --- get map --------------------------------------------------------------------------------------- */

static void the_text_of_a_map(void **state)
{
	struct bh_agent *a = *state;

	expect(a, GET_MAP, 1, "no map is enforced here");
	three_maps(a);
	expect(a, GET_MAP, 0, "{\"map\":{\"generation\":3,\"live\":true,");
	expect(a, GET_MAP, 0, "\"text\":\"" MAP("three", "enforce", "l2: deny\\n") "\"");
	expect(a, GET("3"), 0, "\"text\":\"" MAP("three", "enforce", "l2: deny\\n") "\"");
	expect(a, GET("1"), 0, "\"text\":\"" MAP("one", "observe", "") "\"");
	expect(a, GET("7"), 1, "generation 7 is not in the history");
	expect(a, GET("\"live\""), 2, "whole number");
	expect(a, "{\"verb\":\"get\",\"args\":{\"what\":\"rules\",\"generation\":1}}", 2,
	       "only `map` takes a generation");
	expect(a, "{\"verb\":\"get\",\"args\":{\"what\":\"maps\"}}", 2, "did you mean 'map'?");
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(what_history_tells),
		TEST(only_what_was_enforced),
		TEST(every_way_to_a_generation),
		TEST(a_start_finds_what_was_not_noted),
		TEST(it_can_t_be_written),
		TEST(damaged_ones_are_told),
		TEST(one_back_and_one_more),
		TEST(a_dry_rollback),
		TEST(nothing_to_do),
		TEST(wrong_arguments),
		TEST(an_old_map_is_refused),
		TEST(a_lost_text),
		TEST(the_live_text_was_lost),
		TEST(only_failsafes),
		TEST(the_text_of_a_map),
	};

	bh_log_set_max(BH_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
