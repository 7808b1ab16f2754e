/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control_doctor.c - the verb doctor through the door that clients use, on a kernel side that is
 * not there: a row for each part, well or not, and the same verdict as status.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "verbrig.h"

#define MAP                                                                                        \
	"version: 1\\nname: shop\\nmode: enforce\\n"                                               \
	"default: { ingress: deny, egress: deny }\\n"                                              \
	"segments:\\n  web: { match: { unit: nginx.service } }\\n"                                 \
	"failsafe:\\n  - { id: desk, from: { cidr: [10.0.0.1/32] }, port: tcp/22 }\\n"

static int setup(void **state)
{
	struct bh_agent *a = verb_agent_new();

	open_audit(a);
	fake.hook[0] = (struct bh_hook_state){"cgroup/connect4", "attached", true, 41};
	fake.hook[1] = (struct bh_hook_state){"xdp lo", "generic", true, 7};
	fake.n_hook = 2;
	/* a device that is there everywhere */
	a->nic = calloc(1, sizeof(*a->nic));
	a->n_nic = 1;
	a->nic[0] = (struct bh_nic_row){.ifindex = 1, .name = "lo", .ok = true};
	apply(a, MAP);
	*state = a;
	return 0;
}

static const char *str(const json_t *row, const char *key)
{
	const char *s = json_string_value(json_object_get(row, key));

	return s ? s : "";
}

/* The only row of @check is @result and has @part in its text; the code is @code, status's, too. */
static void shows(struct bh_agent *a, int code, const char *check, const char *result,
		  const char *part)
{
	_cleanup_(bh_reply_clear) struct bh_reply reply = ask(a, "{\"verb\":\"doctor\"}");
	_cleanup_(bh_reply_clear) struct bh_reply status = ask(a, "{\"verb\":\"status\"}");
	const json_t *row, *of = NULL;
	size_t i, n = 0;

	assert_int_equal(reply.code, code);
	assert_int_equal(status.code, code);
	json_array_foreach(json_object_get(reply.data, "checks"), i, row)
	{
		if (strcmp(str(row, "check"), check) != 0)
			continue;
		of = row;
		n++;
	}
	if (n != 1)
		fail_msg("%zu rows of '%s'", n, check);
	if (strcmp(str(of, "result"), result) != 0 || !strstr(str(of, "text"), part))
		fail_msg("%s: expected %s with '%s', got %s: %s", check, result, part,
			 str(of, "result"), str(of, "text"));
	/* what is well needs no advice */
	if (!strcmp(result, "ok"))
		assert_true(json_is_null(json_object_get(of, "help")));
}

/* Every problem of status has a row, and each row that is not well is one of them. */
static void all_is_told(struct bh_agent *a)
{
	_cleanup_(bh_reply_clear) struct bh_reply reply = ask(a, "{\"verb\":\"doctor\"}");
	_cleanup_(bh_reply_clear) struct bh_reply status = ask(a, "{\"verb\":\"status\"}");
	const json_t *problem, *row;
	size_t i, j, n;

	json_array_foreach(json_object_get(status.data, "problems"), i, problem)
	{
		n = 0;
		json_array_foreach(json_object_get(reply.data, "checks"), j, row) n +=
			!strcmp(str(row, "text"), json_string_value(problem));
		if (n != 1)
			fail_msg("%zu rows of '%s'", n, json_string_value(problem));
	}
}

/* --- the tests ------------------------------------------------------------------------------------- */

static void all_is_well(void **state)
{
	static const char *const checks[] = {
		"agent",  "policy", "trial",   "emergency", "quarantine", "grants",    "versions",
		"state",  "users",  "pins",    "devices",   "identity",	  "kernel",    "tables",
		"events", "xdp lo", "cgroups", "listeners", "addresses",  "audit log", "metrics"};

	for (size_t i = 0; i < ARRAY_SIZE(checks); i++)
		shows(*state, 0, checks[i], "ok", "");
	shows(*state, 0, "cgroup/connect4", "ok", "attached");
	shows(*state, 0, "policy", "ok", "generation 1, map \"shop\", mode enforce, since 0 s");
	shows(*state, 0, "xdp lo", "ok", "generic");
}

static void what_a_self_test_needs(void **state)
{
	struct bh_agent *a = *state;
	_cleanup_(bh_reply_clear) struct bh_reply reply = ask(a, "{\"verb\":\"doctor\"}");
	const json_t *hook = json_array_get(json_object_get(reply.data, "hooks"), 0);
	const json_t *nic = json_array_get(json_object_get(reply.data, "nics"), 0);

	assert_string_equal(str(reply.data, "cgroup_root"), a->opts.cgroup_root);
	assert_int_equal(json_integer_value(json_object_get(hook, "runs")), 41);
	assert_string_equal(str(nic, "name"), "lo");
	assert_true(json_is_integer(json_object_get(nic, "received")));
	bh_reply_clear(&reply);
	/* one that is gone */
	a->nic[0].ifindex = 0x7fffffff;
	reply = ask(a, "{\"verb\":\"doctor\"}");
	nic = json_array_get(json_object_get(reply.data, "nics"), 0);
	assert_true(json_is_null(json_object_get(nic, "received")));
}

static void a_hook_is_missing(void **state)
{
	struct bh_agent *a = *state;

	fake.hook[0] = (struct bh_hook_state){"cgroup/connect4", "missing", false, 0};
	shows(a, 3, "cgroup/connect4", "fail", "is missing");
	shows(a, 3, "xdp lo", "ok", "");
	fake.hook[1] = (struct bh_hook_state){"xdp lo", "missing", false, 0};
	shows(a, 3, "xdp lo", "fail", "is missing");
	/* what the kernel can't do */
	fake.n_hook = 1;
	fake.hook[0] = (struct bh_hook_state){"tp_btf/cgroup_mkdir", "unsupported", false, 0};
	fake.feature[0] = (struct bh_feature){"cgroup_mkdir", false, "they wait for the walk"};
	fake.n_feature = 1;
	shows(a, 0, "tp_btf/cgroup_mkdir", "warn", "unsupported on this kernel");
	shows(a, 0, "kernel", "warn", "no cgroup_mkdir");
}

static void tables_fill_up(void **state)
{
	struct bh_agent *a = *state;

	shows(a, 0, "tables", "ok", "(0 %)");
	a->live.compiled->policy.n = bh_limits_default.policy / 5 * 4 + 5;
	shows(a, 0, "tables", "warn", "policy entries: 838");
	a->live.compiled->policy.n = 0;
	fake.stat[BH_STAT_LISTENERS_LOST] = 3;
	shows(a, 0, "listeners", "warn", "3 listeners found no room");
	fake.flags |= BH_CTL_CGROUPS_FULL;
	shows(a, 3, "cgroups", "fail", "more cgroups than");
}

static void what_else_is_wrong(void **state)
{
	struct bh_agent *a = *state;

	fake.stat[BH_STAT_EVENTS_LOST] = 5;
	shows(a, 0, "events", "warn", "5 of 0 events were lost");
	strcpy(a->audit_trouble, "the disk is full");
	shows(a, 0, "audit log", "warn", "the disk is full");
	all_is_told(a);
	strcpy(a->nic[0].trouble, "it is in use");
	a->nic[0].ok = false;
	shows(a, 3, "devices", "fail", "device lo: it is in use");
	a->locals_lost = true;
	shows(a, 3, "addresses", "fail", "more addresses");
	strcpy(a->state_trouble, "it is damaged");
	shows(a, 3, "state", "fail", "it is damaged");
	strcpy(a->users_trouble, "alice is gone");
	shows(a, 3, "users", "fail", "alice is gone");
	strcpy(a->births_trouble, "no watches left");
	shows(a, 3, "identity", "fail", "no watches left");
	fake.beside = 9;
	shows(a, 3, "versions", "fail", "generation 9");
	fake.open_ns = 60000000000;
	shows(a, 3, "emergency", "fail", "EMERGENCY");
	a->detached = true;
	fake.gen = 0;
	shows(a, 3, "policy", "fail", "bulkhead detach");
	all_is_told(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(all_is_well, setup, teardown),
		cmocka_unit_test_setup_teardown(what_a_self_test_needs, setup, teardown),
		cmocka_unit_test_setup_teardown(a_hook_is_missing, setup, teardown),
		cmocka_unit_test_setup_teardown(tables_fill_up, setup, teardown),
		cmocka_unit_test_setup_teardown(what_else_is_wrong, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
