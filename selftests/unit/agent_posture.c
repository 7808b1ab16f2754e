/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent_posture.c - what the agent says of itself in the posture of its device, the verb that shows
 * it, and when it is looked at: at once when something changes, and not more often than it may.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include "../../agent/posture.h"
#include "verbrig.h"

static int setup(void **state)
{
	struct bh_agent *a = verb_agent_new();

	bh_log_set_max(BH_LOG_ERROR);
	a->clock = &bh_clock_real;
	assert_int_equal(sd_event_new(&a->event), 0);
	bh_posture_open(a);
	assert_non_null(a->posture);
	*state = a;
	return 0;
}

static int end(void **state)
{
	struct bh_agent *a = *state;

	bh_posture_close(a);
	bh_posture_close(a); /* is nothing to it */
	a->event = sd_event_unref(a->event);
	return teardown(state);
}

static const struct bh_claim_result *claim(struct bh_agent *a, const char *name)
{
	for (size_t i = 0; i < bh_n_claims; i++)
		if (!strcmp(bh_claim_table[i].name, name))
			return bh_claims_result(bh_agent_claims(a), i);
	fail_msg("no claim %s", name);
	return NULL;
}

static void is(struct bh_agent *a, const char *name, enum bh_claim_state state, const char *value)
{
	const struct bh_claim_result *r = claim(a, name);

	if (r->state != state || !strstr(r->value, value))
		fail_msg("%s is %s: %s", name, bh_claim_state_name(r->state), r->value);
}

static __u64 rounds(const struct bh_agent *a)
{
	__u64 n;

	(void)bh_posture_took_ns(a, &n);
	return n;
}

static void test_hooks(void **state)
{
	struct bh_agent *a = *state;

	fake.n_hook = 3;
	fake.hook[0] =
		(struct bh_hook_state){.name = "cgroup/connect4", .mode = "attached", .ok = true};
	fake.hook[1] = (struct bh_hook_state){.name = "tp_btf/cgroup_mkdir", .mode = "unsupported"};
	fake.hook[2] = (struct bh_hook_state){.name = "xdp eth0", .mode = "native", .ok = true};
	bh_posture_look(a);
	is(a, "agent_hooks", BH_CLAIM_GOOD, "2 of 2 attached");
	fake.hook[0] = (struct bh_hook_state){.name = "cgroup/connect4", .mode = "replaced"};
	bh_posture_look(a);
	is(a, "agent_hooks", BH_CLAIM_BAD, "1 of 2 attached; cgroup/connect4: replaced");
}

static void test_programs(void **state)
{
	struct bh_agent *a = *state;
	char before[BH_CLAIM_TEXT];

	fake.n_program = 1;
	fake.program[0] = (struct bh_program){.id = 7, .name = "bh_judge", .own = true};
	bh_posture_look(a);
	is(a, "bpf_programs", BH_CLAIM_GOOD, "1, all ours");
	snprintf(before, sizeof(before), "%s", claim(a, "agent_programs")->value);
	fake.program[0].tag[7] = 1;
	bh_posture_look(a);
	assert_string_not_equal(before, claim(a, "agent_programs")->value);
	fake.n_program = 3;
	fake.program[1] = (struct bh_program){.id = 8, .type = 2, .name = "sd_devices"};
	fake.program[2] = (struct bh_program){.id = 9, .type = 3};
	bh_posture_look(a);
	is(a, "bpf_programs", BH_CLAIM_UNKNOWN, "1 ours, 2 others: type 2/sd_devices type 3/-");
	fake.program[2].bypass = true;
	bh_posture_look(a);
	is(a, "bpf_programs", BH_CLAIM_BAD, "type 3/-");
	fake.program_error = -EPERM;
	bh_posture_look(a);
	is(a, "bpf_programs", BH_CLAIM_UNKNOWN, "");
	assert_int_equal(claim(a, "bpf_programs")->error, EPERM);
	assert_int_equal(claim(a, "agent_programs")->error, EPERM);
}

#define MAP_TEXT                                                                                   \
	"version: 1\nname: shop\nmode: observe\ndefault: { ingress: deny, egress: deny }\n"        \
	"segments:\n  web: { match: { unit: nginx.service } }\n"

static void test_policy(void **state)
{
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_agent *a = *state;
	struct bh_live l = {0};

	bh_posture_look(a);
	is(a, "agent_policy", BH_CLAIM_BAD, "no map");
	assert_int_equal(bh_agent_compile(a, "x", MAP_TEXT, strlen(MAP_TEXT), &d, &l), 0);
	bh_live_clear(&a->live);
	a->live = l;
	bh_posture_look(a);
	is(a, "agent_policy", BH_CLAIM_UNKNOWN, a->live.origin.sha256);
	a->detached = true;
	bh_posture_look(a);
	is(a, "agent_policy", BH_CLAIM_BAD, "no map");
}

static void test_the_verb(void **state)
{
	struct bh_agent *a = *state;
	_cleanup_(bh_reply_clear) struct bh_reply reply = {0};
	const json_t *claims, *row;
	const char *last = "bad";
	size_t i;

	/* asked before the loop ever ran: it looks */
	assert_int_equal(rounds(a), 0);
	reply = ask(a, "{\"verb\":\"attest\"}");
	assert_int_equal(reply.code, 0);
	assert_int_equal(rounds(a), 1);
	claims = json_object_get(reply.data, "claims");
	assert_int_equal(json_array_size(claims), bh_n_claims);
	assert_true(json_is_false(json_object_get(reply.data, "enforced")));
	json_array_foreach(claims, i, row)
	{
		const char *is_now = json_string_value(json_object_get(row, "state"));

		/* bad, unknown, good: never back */
		assert_true(!strcmp(is_now, last) || !strcmp(last, "bad") ||
			    !strcmp(is_now, "good"));
		last = is_now;
		assert_true(json_is_null(json_object_get(row, "error")) ||
			    !strcmp(is_now, "unknown"));
	}
	bh_posture_close(a);
	expect(a, "{\"verb\":\"attest\"}", BH_EXIT_FAILED, "not looked at");
	expect(a, "{\"verb\":\"attest\",\"args\":{\"x\":1}}", BH_EXIT_USAGE, "x");
}

static void run_for(struct bh_agent *a, __u64 ms)
{
	__u64 end_ns = a->clock->boot_ns() + ms * 1000000;

	while (a->clock->boot_ns() < end_ns)
		assert_true(sd_event_run(a->event, 20000) >= 0);
}

static void test_at_start_and_not_again(void **state)
{
	struct bh_agent *a = *state;

	run_for(a, 50);
	assert_int_equal(rounds(a), 1);
	run_for(a, 400);
	assert_int_equal(rounds(a), 1);
}

/* A mount is seen at once; a hundred of them are not a hundred looks. */
static void test_mounts(void **state)
{
	struct bh_agent *a = *state;
	__u64 began_ns, n;

	if (unshare(CLONE_NEWNS) < 0) {
		print_message("# no mount namespace for it: needs root\n");
		return;
	}
	assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	bh_posture_close(a);
	bh_posture_open(a);
	run_for(a, 300);
	n = rounds(a);
	assert_int_equal(mount("none", test_dir, "tmpfs", 0, NULL), 0);
	run_for(a, 100);
	assert_int_equal(rounds(a), n + 1);
	began_ns = a->clock->boot_ns();
	for (int i = 0; i < 100; i++) {
		assert_int_equal(umount(test_dir), 0);
		assert_int_equal(mount("none", test_dir, "tmpfs", 0, NULL), 0);
		run_for(a, 5);
	}
	run_for(a, 300);
	n = rounds(a) - n;
	assert_true(n >= 2);
	/* 200 ms between two of them, and some for what stood still */
	assert_true(n <= 3 + (a->clock->boot_ns() - began_ns) / 200000000);
	assert_int_equal(umount(test_dir), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_hooks, setup, end),
		cmocka_unit_test_setup_teardown(test_programs, setup, end),
		cmocka_unit_test_setup_teardown(test_policy, setup, end),
		cmocka_unit_test_setup_teardown(test_the_verb, setup, end),
		cmocka_unit_test_setup_teardown(test_at_start_and_not_again, setup, end),
		cmocka_unit_test_setup_teardown(test_mounts, setup, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
