/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control_record.c - what the audit log says of a change, who may give it a reason, where its head
 * goes, what `status` and `audit` say of a log that was tampered with. Tests agent/control/record.c
 * and verb_audit.c through the door that clients use.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "../../agent/base/io.h"
#include "../../agent/control/record.h"
#include "../../agent/workload/proc.h"
#include "verbrig.h"

#define MAP                                                                                        \
	"version: 1\\nname: shop\\nmode: enforce\\n"                                               \
	"default: { ingress: deny, egress: deny }\\n"                                              \
	"segments:\\n  web: { match: { cgroup: /user.slice, group: staff } }\\n"                   \
	"failsafe:\\n  - { id: desk, from: { cidr: [10.0.0.1/32] }, port: tcp/22 }\\n"
#define APPLY(more)                                                                                \
	"{\"verb\":\"apply\",\"args\":{\"force\":true,\"enforce\":true,\"text\":\"" MAP "\"" more  \
	"}}"

static char log_path[96];

static void begin(struct bh_agent *a)
{
	open_audit(a);
	bh_record_open(a);
}

static int setup(void **state)
{
	struct bh_agent *a = verb_agent_new();

	root.loginuid = 1001;
	strcpy(root.tty, "pts/3");
	strcpy(root.segment, "host");
	snprintf(log_path, sizeof(log_path), "%s/audit.jsonl", test_dir);
	begin(a);
	*state = a;
	return 0;
}

/* The last record: a borrowed value by its path of one or two keys. */
static json_t *last;

static const json_t *said(const char *key, const char *inner)
{
	const json_t *v;

	json_decref(last);
	assert_int_equal(bh_chain_tail(log_path, 1, &last), 0);
	v = json_object_get(json_array_get(last, 0), key);
	return inner ? json_object_get(v, inner) : v;
}

static void says(const char *key, const char *inner, const char *text)
{
	const char *have = json_string_value(said(key, inner));

	if (!have || strcmp(have, text) != 0)
		fail_msg("%s %s: expected '%s', got '%s'", key, inner ? inner : "", text,
			 have ? have : "(none)");
}

static void counts(const char *key, const char *inner, json_int_t n)
{
	assert_true(json_is_integer(said(key, inner)));
	assert_int_equal(json_integer_value(said(key, inner)), n);
}

/* --- what a record says ------------------------------------------------------------------------------ */

static void a_change(void **state)
{
	struct bh_agent *a = *state;
	const json_t *digest;

	fake.cut_error = 3;
	expect(a, APPLY(",\"file\":\"shop.yaml\",\"reason\":\"ticket 4711\""), 0, "true");
	says("by", NULL, "root");
	says("verb", NULL, "apply");
	says("args", "file", "shop.yaml");
	says("reason", NULL, "ticket 4711");
	assert_null(said("args", "reason"));
	says("generation", NULL, "1");
	says("map", "name", "shop");
	digest = said("map", "sha256");
	assert_true(json_equal(
		(json_t *)digest,
		json_object_get(json_object_get(json_array_get(last, 0), "args"), "sha256")));
	counts("counts", "added", 7);
	counts("counts", "removed", 0);
	counts("counts", "cut", 3);
	counts("loginuid", NULL, 1001);
	says("tty", NULL, "pts/3");
	says("segment", NULL, "host");
	assert_true(json_is_true(said("ok", NULL)));
	assert_true(json_is_null(said("error", NULL)));
}

static void a_caller_who_never_logged_in(void **state)
{
	struct bh_caller daemon = root;
	struct bh_verb_table verbs = {bh_verbs, bh_n_verbs};
	_cleanup_(bh_reply_clear) struct bh_reply reply = {0};
	static const char line[] = "{\"verb\":\"mode\",\"args\":{\"mode\":\"observe\"}}";

	daemon.loginuid = BH_PROC_NO_LOGIN;
	daemon.tty[0] = '\0';
	bh_request_run(*state, &verbs, line, strlen(line), &daemon, &reply);
	assert_true(json_is_null(said("loginuid", NULL)));
	assert_true(json_is_null(said("tty", NULL)));
	assert_true(json_is_null(said("reason", NULL)));
	assert_true(json_is_null(said("map", NULL)));
}

static void a_refused_map(void **state)
{
	expect(*state, APPLY(""), 0, "true");
	expect(*state,
	       "{\"verb\":\"apply\",\"args\":{\"force\":true,\"enforce\":true,\"text\":\"version: 2\",\"reason\":\"why\"}}",
	       1, "false");
	assert_true(json_is_false(said("ok", NULL)));
	assert_non_null(json_string_value(said("error", NULL)));
	says("reason", NULL, "why");
	/* what is enforced is what was there before */
	says("generation", NULL, "1");
	says("map", "name", "shop");
}

static void reasons(void **state)
{
	struct bh_agent *a = *state;
	char line[BH_REASON_BYTES + 100], text[BH_REASON_BYTES + 2];

	expect(a, APPLY(""), 0, "true");
	memset(text, 'r', sizeof(text));
	for (int over = 0; over < 2; over++) {
		snprintf(line, sizeof(line),
			 "{\"verb\":\"mode\",\"args\":{\"mode\":\"enforce\",\"reason\":\"%.*s\"}}",
			 BH_REASON_BYTES + over, text);
		expect(a, line, over ? 2 : 0, over ? "at most 1024 bytes" : "true");
	}
	expect(a, "{\"verb\":\"mode\",\"args\":{\"mode\":\"enforce\",\"reason\":1}}", 2,
	       "must be a string");
	expect(a, "{\"verb\":\"mode\",\"args\":{\"mode\":\"enforce\",\"reason\":null}}", 0, "true");
	/* who changes nothing needs none */
	expect(a, "{\"verb\":\"version\",\"args\":{\"reason\":\"x\"}}", 2, "no argument 'reason'");
}

/* --- what the agent does by itself -------------------------------------------------------------------- */

static void users_changed(void **state)
{
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_agent *a = *state;

	expect(a, APPLY(""), 0, "true");
	test_alice = 1003;
	assert_int_equal(bh_agent_recompile(a, &d), 0);
	test_alice = 1001;
	says("by", NULL, "agent");
	says("event", NULL, "users");
	says("generation", NULL, "2");
	counts("counts", "cut", 0);
	assert_null(said("uid", NULL));
}

static void after_a_reboot(void **state)
{
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_agent *a = *state;
	char path[96];

	expect(a, APPLY(""), 0, "true");
	fake.gen = 0;
	test_agent_restart(a);
	assert_int_equal(bh_agent_restore(a, &d), 0);
	says("by", NULL, "agent");
	says("event", NULL, "restore");
	says("map", "name", "shop");
	/* and when no map can be read */
	fake.gen = 0;
	test_agent_restart(a);
	snprintf(path, sizeof(path), "%s/state", test_dir);
	assert_int_equal(truncate(path, 10), 0);
	assert_int_equal(bh_agent_restore(a, &d), 0);
	says("event", NULL, "failsafes");
}

/* --- heads ------------------------------------------------------------------------------------------------ */

static void the_kernel_knows_the_head(void **state)
{
	struct bh_agent *a = *state;
	struct bh_chain_head pinned;

	expect(a, APPLY(""), 0, "true");
	assert_int_equal(fake.audit_head.seq, 2);
	bh_record_pinned(a, &pinned);
	assert_int_equal(pinned.seq, 2);
	assert_string_equal(pinned.hash, bh_audit_head(a->audit)->hash);
	expect(a, "{\"verb\":\"audit\"}", 0, "\"pinned\":{\"seq\":\"2\",\"hash\":\"");
	/* it says no: the change is made and logged, and the caller is told */
	fake.audit_error = -EPERM;
	expect(a, APPLY(""), 0, "can't be pinned: Operation not permitted");
	expect(a, "{\"verb\":\"status\"}", 0, "can't be pinned");
	counts("seq", NULL, 3);
	fake.audit_error = 0;
	expect(a, APPLY(""), 0, "true");
	assert_int_equal(fake.audit_head.seq, 4);
	assert_string_equal(a->audit_trouble, "");
}

static void the_last_records(void **state)
{
	struct bh_agent *a = *state;

	expect(a, "{\"verb\":\"audit\"}", 0,
	       "\"head\":null,\"pinned\":null,\"found\":null,\"rows\":[]");
	for (int i = 0; i < 3; i++)
		expect(a, APPLY(""), 0, "true");
	expect(a, "{\"verb\":\"audit\",\"args\":{\"limit\":2}}", 0, "\"rows\":[{\"seq\":3,");
	expect(a, "{\"verb\":\"audit\",\"args\":{\"limit\":0}}", 2, "from 1 to 1000");
}

static void cut_off(void **state)
{
	struct bh_agent *a = *state;
	_cleanup_free_ char *text = NULL;
	char *third;

	for (int i = 0; i < 3; i++)
		expect(a, APPLY(""), 0, "true");
	expect(a, "{\"verb\":\"audit_accept\"}", 1, "has found nothing");
	bh_audit_close(a->audit);
	assert_int_equal(bh_file_read(log_path, 1 << 20, &text, NULL), 0);
	third = strchr(strchr(text, '\n') + 1, '\n') + 1;
	assert_int_equal(truncate(log_path, third - text), 0);
	begin(a);
	says("event", NULL, "mismatch");
	/* nothing that is enforced is missing */
	expect(a, "{\"verb\":\"status\"}", 3, "tampered with: audit.jsonl:2: cut: ");
	expect(a, "{\"verb\":\"audit\"}", 0, "\"found\":\"audit.jsonl:2: cut: ");
	expect(a, APPLY(""), 0, "true");
	expect(a, "{\"verb\":\"audit_accept\",\"args\":{\"reason\":\"it was me\"}}", 0,
	       "\"found\":\"audit.jsonl:2: cut: ");
	says("reason", NULL, "it was me");
	expect(a, "{\"verb\":\"audit\"}", 0, "\"found\":null");
	bh_audit_close(a->audit);
	begin(a);
	expect(a, "{\"verb\":\"audit\"}", 0, "\"found\":null");
}

/* The disk was full when the agent came: from the first change that finds room on there is a log. */
static void a_log_that_comes_late(void **state)
{
	struct bh_agent *a = *state;

	bh_audit_close(a->audit);
	a->audit = NULL;
	strcpy(a->audit_trouble, "audit log: No space left on device");
	expect(a, "{\"verb\":\"audit\"}", 1, "No space left");
	expect(a, APPLY(""), 0, "true");
	says("verb", NULL, "apply");
	assert_string_equal(a->audit_trouble, "");
	assert_int_equal(fake.audit_head.seq, 2);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

static int end(_unused_ void **state)
{
	json_decref(last);
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_change),
		TEST(a_caller_who_never_logged_in),
		TEST(a_refused_map),
		TEST(reasons),
		TEST(users_changed),
		TEST(after_a_reboot),
		TEST(the_kernel_knows_the_head),
		TEST(the_last_records),
		TEST(cut_off),
		TEST(a_log_that_comes_late),
	};

	return cmocka_run_group_tests(tests, NULL, end);
}
