/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control_verbs.c - status, apply, check, diff, mode and detach through the door that clients
 * use, on a kernel side that is not there: what they answer, and what they leave behind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "../../agent/base/io.h"
#include "../../agent/control/state.h"
#include "verbrig.h"

#define MAP(mode, more)                                                                            \
	"version: 1\\nname: shop\\nmode: " mode "\\n"                                              \
	"default: { ingress: deny, egress: deny }\\n"                                              \
	"segments:\\n  web: { match: { unit: nginx.service } }\\n"                                 \
	"failsafe:\\n  - { id: desk, from: { cidr: [10.0.0.1/32] }, port: tcp/22 }\\n" more

#define ENFORCING MAP("enforce", "")

static int setup(void **state)
{
	struct bh_agent *a = verb_agent_new();

	open_audit(a);
	fake.hook[0] = (struct bh_hook_state){"cgroup/connect4", "attached", true, 0};
	fake.n_hook = 1;
	*state = a;
	return 0;
}

#define STATUS "{\"verb\":\"status\"}"

/* --- status ------------------------------------------------------------------------------------- */

static void status_of_a_fresh_host(void **state)
{
	expect(*state, STATUS, 3, "\"state\":\"no_policy\"");
	expect(*state, STATUS, 3, "no map was applied yet");
	expect(*state, STATUS, 3, "\"map\":null");
}

static void status_when_all_is_well(void **state)
{
	apply(*state, ENFORCING);
	expect(*state, STATUS, 0, "\"state\":\"enforcing\"");
	expect(*state, STATUS, 0, "\"applied_by\":\"root (pid 7, /user.slice/session-1.scope)\"");
	expect(*state, STATUS, 0,
	       "\"failsafes\":[{\"id\":\"desk\",\"text\":\"tcp/22 from 10.0.0.1/32\","
	       "\"listener\":null}]");
	apply(*state, MAP("observe", ""));
	expect(*state, STATUS, 0, "\"state\":\"observing\"");
}

static void status_is_not_content(void **state)
{
	struct bh_agent *a = *state;

	apply(a, ENFORCING);
	fake.hook[0] = (struct bh_hook_state){"cgroup/connect4", "missing", false, 0};
	expect(a, STATUS, 3, "\"state\":\"degraded\"");
	expect(a, STATUS, 3, "hook cgroup/connect4 is missing");
	/* what the kernel can't do is told, but it is all that this host can have */
	fake.hook[0] = (struct bh_hook_state){"tp_btf/cgroup_mkdir", "unsupported", false, 0};
	fake.feature[0] = (struct bh_feature){"cgroup_mkdir", false, "they wait for the walk"};
	fake.n_feature = 1;
	expect(a, STATUS, 0, "this kernel has no cgroup_mkdir: they wait for the walk");
	fake.flags |= BH_CTL_CGROUPS_FULL;
	expect(a, STATUS, 3, "more cgroups than");
	fake.flags = 0;
	fake.stat[BH_STAT_EVENTS_LOST] = 5;
	expect(a, STATUS, 0, "5 of 0 events were lost");
	snprintf(a->state_trouble, sizeof(a->state_trouble), "it is damaged");
	expect(a, STATUS, 3, "it is damaged");
}

static void a_device_in_trouble(void **state)
{
	struct bh_agent *a = *state;

	apply(a, ENFORCING);
	a->nic = calloc(1, sizeof(*a->nic));
	a->n_nic = 1;
	strcpy(a->nic[0].name, "eth7");
	strcpy(a->nic[0].trouble, "it is in use");
	expect(a, STATUS, 3, "device eth7: it is in use");
	fake.nic_error = -EBUSY;
	bh_nics_check(a);
	expect(a, STATUS, 3, "device eth7: eth7 says no");
	fake.nic_error = 0;
	bh_nics_check(a);
	expect(a, STATUS, 0, "\"enforcing\"");
}

/* --- apply, check, diff ----------------------------------------------------------------------------- */

static void apply_says_what_changes(void **state)
{
	struct bh_agent *a = *state;

	expect(a, "{\"verb\":\"apply\",\"args\":{" FORCED "\"text\":\"" ENFORCING "\"}}", 0,
	       "\"what\":\"added\",\"object\":\"segment web\"");
	fake.cut_error = 3;
	expect(a, "{\"verb\":\"apply\",\"args\":{" FORCED "\"text\":\"" ENFORCING "\"}}", 0,
	       "\"cut\":3");
	fake.cut_error = -EOPNOTSUPP;
	expect(a, "{\"verb\":\"apply\",\"args\":{" FORCED "\"text\":\"" ENFORCING "\"}}", 0,
	       "end on their next packet");
	expect(a, "{\"verb\":\"apply\",\"args\":{" FORCED "\"text\":\"" ENFORCING "\"}}", 0,
	       "failsafe 'desk' reaches no listener");
}

static void dry_run(void **state)
{
	struct bh_agent *a = *state;
	char path[96];

	expect(a,
	       "{\"verb\":\"apply\",\"args\":{" FORCED "\"dry_run\":true,\"text\":\"" ENFORCING
	       "\"}}",
	       0, "\"generation\":1");
	assert_int_equal(fake.publishes, 0);
	assert_null(a->live.map);
	snprintf(path, sizeof(path), "%s/state", test_dir);
	assert_int_equal(access(path, F_OK), -1);
}

static void a_refused_map(void **state)
{
	struct bh_agent *a = *state;

	expect(a, "{\"verb\":\"apply\",\"args\":{\"file\":\"x.yaml\",\"text\":\"version: 2\"}}", 1,
	       "\"file\":\"x.yaml\",\"line\":1");
	expect(a, "{\"verb\":\"check\",\"args\":{\"text\":\"version: 2\"}}", 1, "\"line\":1");
	expect(a, "{\"verb\":\"diff\",\"args\":{\"text\":\"version: 2\"}}", 1, "\"line\":1");
	expect(a, "{\"verb\":\"apply\"}", 2, "needs argument 'text'");
	assert_int_equal(fake.publishes, 0);
}

static void diff(void **state)
{
	struct bh_agent *a = *state;

	apply(a, ENFORCING);
	expect(a, "{\"verb\":\"diff\",\"args\":{\"text\":\"" ENFORCING "\"}}", 0, "\"changes\":[]");
	expect(a, "{\"verb\":\"diff\",\"args\":{\"text\":\"" MAP("observe", "") "\"}}", 3,
	       "\"what\":\"changed\",\"object\":\"map mode\"");
	assert_int_equal(fake.stages, 1);
}

static void check_stages_and_no_more(void **state)
{
	struct bh_agent *a = *state;

	expect(a, "{\"verb\":\"check\",\"args\":{\"text\":\"" ENFORCING "\"}}", 0, "\"policy\":");
	assert_int_equal(fake.stages, 1);
	assert_int_equal(fake.publishes, 0);
	expect(a,
	       "{\"verb\":\"check\",\"args\":{\"text\":\"" MAP(
		       "enforce",
		       "assert:\\n  - { from: web, to: host, port: tcp/1, expect: allow }\\n") "\"}}",
	       1, "does not hold");
}

/* --- mode ----------------------------------------------------------------------------------------------- */

static void the_cap(void **state)
{
	struct bh_agent *a = *state;
	__u64 gen;

	apply(a, ENFORCING);
	gen = fake.gen;
	expect(a, "{\"verb\":\"mode\",\"args\":{\"mode\":\"observe\"}}", 0, "\"observe\"");
	assert_true(a->live.compiled->side.flags & BH_SIDE_OBSERVE);
	assert_int_equal(fake.flags, 0);
	/* verdicts that sockets carry were given under the other mode */
	assert_true(fake.gen > gen);
	expect(a, STATUS, 3, "\"state\":\"observing\"");
	expect(a, STATUS, 3, "`bulkhead mode observe` is on");
	gen = fake.gen;
	expect(a, "{\"verb\":\"mode\",\"args\":{\"mode\":\"observe\"}}", 0, "\"observe\"");
	assert_true(fake.gen == gen);
	expect(a, "{\"verb\":\"mode\",\"args\":{\"force\":true,\"mode\":\"enforce\"}}", 0,
	       "\"none\"");
	assert_false(a->live.compiled->side.flags & BH_SIDE_OBSERVE);
	assert_true(fake.gen > gen);
	expect(a, STATUS, 0, "\"enforcing\"");
	expect(a, "{\"verb\":\"mode\",\"args\":{\"mode\":\"open\"}}", 2, "observe, enforce");
	expect(a, "{\"verb\":\"mode\"}", 2, "needs argument 'mode'");
}

/* What is on the disk may be all that is left of the map: a mode does not write over it. */
static void the_cap_of_a_host_in_trouble(void **state)
{
	struct bh_agent *a = *state;
	_cleanup_free_ char *after = NULL;
	char path[96];

	apply(a, ENFORCING);
	snprintf(path, sizeof(path), "%s/state", test_dir);
	assert_int_equal(bh_file_replace(path, "damaged", 7, 0600, NULL), 0);
	snprintf(a->state_trouble, sizeof(a->state_trouble), "damaged");
	expect(a, "{\"verb\":\"mode\",\"args\":{\"mode\":\"observe\"}}", 0,
	       "until the next reboot");
	assert_int_equal(fake.flags, BH_CTL_OBSERVE);
	assert_int_equal(bh_file_read(path, 1 << 20, &after, NULL), 0);
	assert_string_equal(after, "damaged");
}

static void the_cap_without_a_map(void **state)
{
	struct bh_agent *a = *state;

	expect(a, "{\"verb\":\"mode\",\"args\":{\"mode\":\"observe\"}}", 1, "there is no map");
	assert_int_equal(fake.flags, 0);
}

/* It is for what is enforced now; the next map says itself what it wants. */
static void the_cap_ends_with_the_next_apply(void **state)
{
	struct bh_agent *a = *state;

	apply(a, ENFORCING);
	expect(a, "{\"verb\":\"mode\",\"args\":{\"mode\":\"observe\"}}", 0, "\"observe\"");
	apply(a, ENFORCING);
	assert_false(a->live.compiled->side.flags & BH_SIDE_OBSERVE);
	expect(a, STATUS, 0, "\"enforcing\"");
}

/* --- detach --------------------------------------------------------------------------------------------- */

static void detach(void **state)
{
	_cleanup_(bh_reply_clear) struct bh_reply reply = {0};
	_cleanup_(bh_state_clear) struct bh_state s = {0};
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_agent *a = *state;

	apply(a, ENFORCING);
	expect(a, "{\"verb\":\"detach\"}", 2, "needs 'yes'");
	assert_int_equal(fake.detaches, 0);
	reply = ask(a, "{\"verb\":\"detach\",\"args\":{\"yes\":true}}");
	assert_int_equal(reply.code, 0);
	assert_non_null(reply.after);
	assert_int_equal(fake.detaches, 1);
	assert_true(a->leaving);
	assert_int_equal(bh_state_load(test_dir, 0, &d, &s), 0);
	assert_true(s.detached);
}

static void detach_fails(void **state)
{
	_cleanup_(bh_state_clear) struct bh_state s = {0};
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_agent *a = *state;

	apply(a, ENFORCING);
	fake.detach_error = -EPERM;
	expect(a, "{\"verb\":\"detach\",\"args\":{\"yes\":true}}", 1, "not all of it");
	assert_false(a->leaving);
	assert_int_equal(bh_state_load(test_dir, 0, &d, &s), 0);
	assert_false(s.detached);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(status_of_a_fresh_host),
		TEST(status_when_all_is_well),
		TEST(status_is_not_content),
		TEST(a_device_in_trouble),
		TEST(apply_says_what_changes),
		TEST(dry_run),
		TEST(a_refused_map),
		TEST(diff),
		TEST(check_stages_and_no_more),
		TEST(the_cap),
		TEST(the_cap_of_a_host_in_trouble),
		TEST(the_cap_without_a_map),
		TEST(the_cap_ends_with_the_next_apply),
		TEST(detach),
		TEST(detach_fails),
	};

	bh_log_set_max(BH_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
