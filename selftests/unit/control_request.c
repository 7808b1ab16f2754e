/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control_request.c - what is asked: bad JSON, unknown words, who may, what is logged. Tests
 * agent/control/request.c, reply.c and the verdict of auth.c with verbs of its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "../../agent/base/io.h"
#include "../../agent/control/request.h"
#include "fakeagent.h"

static int runs;

static int run_ok(_unused_ struct bh_agent *a, _unused_ const struct bh_call *call,
		  struct bh_reply *reply)
{
	runs++;
	reply->data = json_pack("{s:s}", "answer", "yes");
	return 0;
}

static int run_args(_unused_ struct bh_agent *a, const struct bh_call *call, struct bh_reply *reply)
{
	json_int_t n = 7;
	const char *s = "none", *need = NULL;
	bool b = false;
	int r = bh_arg_int(call, "n", 1, 10, reply, &n);

	runs++;
	if (r == 0)
		r = bh_arg_string(call, "s", reply, &s);
	if (r == 0)
		r = bh_arg_bool(call, "b", reply, &b);
	if (r == 0)
		r = bh_arg_need(call, "need", reply, &need);
	if (r == 0)
		reply->data = json_pack("{s:I s:s s:b}", "n", n, "s", s, "b", b);
	return r;
}

static int run_broken(_unused_ struct bh_agent *a, _unused_ const struct bh_call *call,
		      _unused_ struct bh_reply *reply)
{
	return -ENOSPC;
}

static const char *const args[] = {"n", "s", "b", "need", "dry_run", "text", NULL};
static const struct bh_verb look = {.name = "look", .run = run_ok};
static const struct bh_verb take = {.name = "take", .run = run_args, .args = args};
static const struct bh_verb change = {.name = "change",
				      .changes = true,
				      .run = run_ok,
				      .args = args,
				      .max_bytes = BH_PROTO_MAX_APPLY};
static const struct bh_verb broken = {.name = "broken", .run = run_broken};
static const struct bh_verb *const verbs[] = {&look, &take, &change, &broken};
static const struct bh_verb_table table = {verbs, ARRAY_SIZE(verbs)};

static struct bh_caller root = {.pid = 1,
				.uid = 0,
				.reader = true,
				.same_userns = true,
				.session = true,
				.cgroup = (char *)"/user.slice/session-1.scope"};

static int setup(void **state)
{
	struct bh_agent *a = test_agent_new();
	_cleanup_diags_ struct bh_diags d = {0};

	assert_int_equal(bh_audit_open(test_dir, a->clock, &d, &a->audit), 0);
	runs = 0;
	*state = a;
	return 0;
}

static int teardown(void **state)
{
	test_agent_free(*state);
	return 0;
}

/* The answer's line, malloced. */
static char *ask_as(struct bh_agent *a, const struct bh_caller *who, const char *line)
{
	_cleanup_(bh_reply_clear) struct bh_reply reply = {0};

	bh_request_run(a, &table, line, strlen(line), who, &reply);
	return bh_reply_line(&reply);
}

static void expect(struct bh_agent *a, const char *line, const char *part)
{
	_cleanup_free_ char *answer = ask_as(a, &root, line);

	if (!strstr(answer, part))
		fail_msg("%s: %s is not in %s", line, part, answer);
	assert_int_equal(answer[strlen(answer) - 1], '\n');
	assert_ptr_equal(strchr(answer, '\n'), answer + strlen(answer) - 1);
}

static void asks_and_answers(void **state)
{
	expect(*state, "{\"verb\":\"look\"}",
	       "{\"ok\":true,\"code\":0,\"data\":{\"answer\":\"yes\"}}");
	expect(*state, "{\"args\":{},\"verb\":\"look\"}", "\"ok\":true");
	assert_int_equal(runs, 2);
}

static void no_request(void **state)
{
	static const char *const lines[] = {
		"",
		"x",
		"{",
		"null",
		"[]",
		"\"look\"",
		"{}",
		"{\"verb\":1}",
		"{\"verb\":\"look\",\"verb\":\"look\"}",
		"{\"verb\":\"look\",\"args\":[]}",
		"{\"verb\":\"look\",\"args\":null}",
		"{\"verb\":\"look\",\"more\":1}",
		"{\"verb\":\"look\",\"args\":{},\"more\":1}",
		"{\"verb\":\"look\"} {}",
		"{\"verb\":\"lo\\u0000ok\"}",
		"{\"verb\":\"\xff\"}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		expect(*state, lines[i], "\"ok\":false,\"code\":2");
	assert_int_equal(runs, 0);
}

static void deep_nesting(void **state)
{
	char line[20000];

	memset(line, '[', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	expect(*state, line, "\"code\":2");
}

static void unknown_words(void **state)
{
	expect(*state, "{\"verb\":\"lok\"}", "did you mean 'look'?");
	expect(*state, "{\"verb\":\"take\",\"args\":{\"ned\":\"x\"}}", "did you mean 'need'?");
	expect(*state, "{\"verb\":\"look\",\"args\":{\"x\":1}}", "has no argument 'x'");
	assert_int_equal(runs, 0);
}

static void arguments(void **state)
{
	expect(*state, "{\"verb\":\"take\",\"args\":{\"need\":\"x\"}}",
	       "\"data\":{\"n\":7,\"s\":\"none\",\"b\":false}");
	expect(*state, "{\"verb\":\"take\",\"args\":{\"need\":\"x\",\"n\":10,\"b\":true}}",
	       "\"n\":10,\"s\":\"none\",\"b\":true");
	expect(*state, "{\"verb\":\"take\",\"args\":{\"need\":\"x\",\"n\":null}}", "\"n\":7");
	expect(*state, "{\"verb\":\"take\",\"args\":{}}", "needs argument 'need'");
	expect(*state, "{\"verb\":\"take\",\"args\":{\"need\":null}}", "needs argument 'need'");
	expect(*state, "{\"verb\":\"take\",\"args\":{\"need\":\"x\",\"n\":11}}", "from 1 to 10");
	expect(*state, "{\"verb\":\"take\",\"args\":{\"need\":\"x\",\"n\":1.5}}", "from 1 to 10");
	expect(*state, "{\"verb\":\"take\",\"args\":{\"need\":5}}", "must be a string");
	expect(*state, "{\"verb\":\"take\",\"args\":{\"need\":\"x\",\"b\":1}}", "true or false");
}

static void a_verb_fails(void **state)
{
	expect(*state, "{\"verb\":\"broken\"}", "\"code\":1");
	expect(*state, "{\"verb\":\"broken\"}", "No space left");
}

/* --- who may ---------------------------------------------------------------------------------- */

static void who_may(void **state)
{
	static const struct {
		struct bh_caller who;
		bool read, change;
	} rows[] = {
		{{.uid = 0, .reader = true, .same_userns = true, .session = true}, true, true},
		{{.uid = 0, .reader = true, .same_userns = true, .outside = true}, true, true},
		{{.uid = 0, .reader = true, .same_userns = true, .admin = true}, true, true},
		/* a contained root service, and root of a container */
		{{.uid = 0, .reader = true, .same_userns = true}, true, false},
		{{.uid = 0, .reader = true, .session = true, .outside = true}, true, false},
		{{.uid = 0, .reader = true, .admin = true}, true, false},
		/* somebody of the group, and somebody else */
		{{.uid = 1000, .reader = true, .same_userns = true, .session = true}, true, false},
		{{.uid = 1000, .reader = true, .same_userns = true, .admin = true}, true, false},
		{{.uid = 1000, .same_userns = true, .session = true}, false, false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *read = ask_as(*state, &rows[i].who, "{\"verb\":\"look\"}");
		_cleanup_free_ char *changed =
			ask_as(*state, &rows[i].who, "{\"verb\":\"change\"}");

		if ((strstr(read, "\"ok\":true") != NULL) != rows[i].read ||
		    (strstr(changed, "\"ok\":true") != NULL) != rows[i].change)
			fail_msg("row %zu: %s%s", i, read, changed);
	}
}

static void nobody_knows_who(void **state)
{
	_cleanup_free_ char *read = ask_as(*state, NULL, "{\"verb\":\"look\"}");
	_cleanup_free_ char *changed = ask_as(*state, NULL, "{\"verb\":\"change\"}");

	assert_non_null(strstr(read, "is refused"));
	assert_non_null(strstr(changed, "is refused"));
	assert_int_equal(runs, 0);
}

/* --- the log ----------------------------------------------------------------------------------- */

static char *audit_log(void)
{
	char path[96], *text = NULL;

	snprintf(path, sizeof(path), "%s/audit.jsonl", test_dir);
	assert_int_equal(bh_file_read(path, 1 << 20, &text, NULL), 0);
	return text;
}

static void changes_are_logged(void **state)
{
	struct bh_caller contained = {.uid = 0, .reader = true, .same_userns = true};
	_cleanup_free_ char *text = NULL, *refused = NULL;

	expect(*state, "{\"verb\":\"look\"}", "true");
	expect(*state, "{\"verb\":\"change\",\"args\":{\"text\":\"secret\",\"s\":\"x\"}}", "true");
	expect(*state, "{\"verb\":\"change\",\"args\":{\"dry_run\":true}}", "true");
	refused = ask_as(*state, &contained, "{\"verb\":\"change\"}");
	text = audit_log();
	/* behind the begin */
	assert_non_null(strstr(text, "\"seq\":2"));
	assert_null(strstr(text, "\"seq\":3"));
	assert_non_null(strstr(text, "\"verb\":\"change\""));
	assert_non_null(strstr(text, "\"cgroup\":\"/user.slice/session-1.scope\""));
	/* sha256 of "secret", not the text */
	assert_non_null(strstr(text,
			       "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a2"
			       "5b"));
	assert_null(strstr(text, "secret"));
	assert_non_null(strstr(refused, "is refused"));
}

/* A word of a megabyte may be an argument, but no line of the log. */
static void the_log_stays_readable(void **state)
{
	struct bh_agent *a = *state;
	_cleanup_diags_ struct bh_diags d = {0};
	_cleanup_free_ char *line = calloc(1, (1 << 20) + 100), *text = NULL;

	strcpy(line, "{\"verb\":\"change\",\"args\":{\"need\":[1],\"s\":\"");
	memset(line + strlen(line), 'x', 1 << 20);
	strcat(line, "\"}}");
	expect(a, line, "true");
	text = audit_log();
	assert_true(strlen(text) < 2000);
	assert_non_null(strstr(text, "\"need\":\"(not shown)\",\"s\":\"(not shown)\""));
	bh_audit_close(a->audit);
	assert_int_equal(bh_audit_open(test_dir, a->clock, &d, &a->audit), 0);
	assert_int_equal(bh_audit_head(a->audit)->seq, 2);
}

static void how_long(_unused_ void **state)
{
	static const struct {
		const char *text;
		size_t room;
	} rows[] = {
		{"{\"verb\":\"change\",", BH_PROTO_MAX_APPLY},
		{" { \"verb\" : \"change\" , \"args\"", BH_PROTO_MAX_APPLY},
		{"{\"verb\":\"look\"", BH_PROTO_MAX_REQUEST},
		{"{\"verb\":\"chang", BH_PROTO_MAX_REQUEST},
		{"{\"verb\":\"nothing\"", BH_PROTO_MAX_REQUEST},
		{"{\"args\":{},\"verb\":\"change\"}", BH_PROTO_MAX_REQUEST},
		{"", BH_PROTO_MAX_REQUEST},
		{"{", BH_PROTO_MAX_REQUEST},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(bh_request_room(&table, rows[i].text, strlen(rows[i].text)),
				 rows[i].room);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(asks_and_answers),
		TEST(no_request),
		TEST(deep_nesting),
		TEST(unknown_words),
		TEST(arguments),
		TEST(a_verb_fails),
		TEST(who_may),
		TEST(nobody_knows_who),
		TEST(changes_are_logged),
		TEST(the_log_stays_readable),
		TEST(how_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
