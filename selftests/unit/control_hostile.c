/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control_hostile.c - every verb of the table with every argument it knows as it must not be, from
 * one who may change something: an error that says why, and nothing is changed. A verb that is new
 * needs a line in good[], and is tested from then on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "../../agent/control/past.h"
#include "../../agent/control/request.h"
#include "../../agent/pairs.h"
#include "../../agent/posture.h"
#include "fakeagent.h"

#define MAP_TEXT                                                                                   \
	"version: 1\nname: shop\nmode: enforce\ndefault: { ingress: deny, egress: deny }\n"        \
	"segments:\n  web: { match: { unit: nginx.service } }\n"                                   \
	"  db: { match: { cidr: [10.0.0.0/8] } }\n"                                                \
	"allow:\n  - { id: a, from: web, to: db, port: tcp/5432 }\n"                               \
	"  - { id: j, from: web, to: db, port: tcp/22, jit: { max: 1h } }\n"
#define MAP_JSON                                                                                   \
	"version: 1\\nname: two\\nmode: enforce\\ndefault: { ingress: deny, egress: deny }\\n"

/* What each verb would take: one argument of it at a time is made bad. */
static const struct {
	const char *verb, *args;
} good[] = {
	{"version", "{}"},
	{"status", "{}"},
	{"apply", "{\"file\":\"f\",\"text\":\"" MAP_JSON "\",\"force\":true,\"enforce\":true}"},
	{"diff", "{\"file\":\"f\",\"text\":\"" MAP_JSON "\"}"},
	{"check", "{\"file\":\"f\",\"text\":\"" MAP_JSON "\"}"},
	{"get", "{\"what\":\"rules\"}"},
	{"explain", "{\"from\":\"web\",\"to\":\"db\",\"proto\":\"tcp\",\"port\":5432}"},
	{"flows", "{}"},
	{"mode", "{\"mode\":\"observe\"}"},
	{"detach", "{\"yes\":true}"},
	{"confirm", "{}"},
	{"emergency", "{\"action\":\"open\",\"reason\":\"r\"}"},
	{"quarantine", "{\"who\":\"web\",\"reason\":\"r\"}"},
	{"release", "{\"who\":\"all\"}"},
	{"grant", "{\"rule\":\"j\",\"for_s\":60,\"reason\":\"r\"}"},
	{"revoke", "{\"id\":1}"},
	{"history", "{}"},
	{"rollback", "{\"force\":true,\"enforce\":true}"},
	{"audit", "{}"},
	{"audit_accept", "{}"},
	{"doctor", "{}"},
	{"blast", "{\"segment\":\"web\"}"},
	{"pairs", "{}"},
	{"attest", "{}"},
	{"simulate", "{\"file\":\"f\",\"text\":\"" MAP_JSON "\"}"},
};

/* As JSON. No argument of any verb may be one of them. */
static const char *const bad[] = {
	"[]",
	"{}",
	"[[[[[[[[[[{\"a\":[]}]]]]]]]]]]",
	"1.5",
	"-1",
	"-9223372036854775808",
	"9223372036854775807",
	"9223372036854775808",
	"1e400",
	"NaN",
	"\"\\u0000\"",
	"\"web\\u0000\"",
	"\"\xff\xfe\"",
	"\"\xed\xa0\x80\"", /* a lone surrogate */
	"\"",
	NULL, /* a string of 60 000 letters */
};

static char letters[60003];
static struct bh_caller root = {.pid = 7,
				.uid = 0,
				.reader = true,
				.same_userns = true,
				.session = true,
				.cgroup = (char *)"/user.slice/session-1.scope"};

static int setup(void **state)
{
	struct bh_agent *a = test_agent_new();
	_cleanup_diags_ struct bh_diags d = {0};
	static const struct bh_net_sink nowhere = {0};
	struct bh_live l = {0};

	memset(letters, 'x', sizeof(letters) - 1);
	letters[0] = letters[sizeof(letters) - 2] = '"';
	bh_log_set_max(BH_LOG_ERROR);
	assert_int_equal(bh_net_open(&nowhere, &a->net), 0);
	a->flows = bh_flows_new();
	a->pairs = bh_pairs_keeper_new();
	bh_posture_open(a);
	assert_int_equal(bh_agent_compile(a, "x", MAP_TEXT, strlen(MAP_TEXT), &d, &l), 0);
	bh_live_clear(&a->live);
	a->live = l;
	fake.gen = 1;
	assert_int_equal(bh_past_open(a, &d), 0);
	bh_past_note(a, &(struct bh_past_note){.how = BH_HOW_APPLY}, &d);
	*state = a;
	return 0;
}

static int teardown(void **state)
{
	struct bh_agent *a = *state;

	bh_pairs_keeper_close(a);
	bh_posture_close(a);
	bh_net_close(a->net);
	test_agent_free(a);
	return 0;
}

/* All that a verb could have changed. */
static void unchanged(const struct bh_agent *a, const char *line)
{
	if (fake.gen != 1 || fake.publishes || fake.cuts || fake.detaches || fake.flags ||
	    fake.turns || fake.trial || fake.open_ns || a->holds->n_hold || a->holds->n_granted ||
	    strcmp(a->live.map->name, "shop") != 0 || a->detached)
		fail_msg("it was changed by %.200s", line);
}

static int ask(struct bh_agent *a, const char *line, struct bh_reply *reply)
{
	struct bh_verb_table verbs = {bh_verbs, bh_n_verbs};
	_cleanup_free_ char *text = NULL;

	bh_request_run(a, &verbs, line, strlen(line), &root, reply);
	text = bh_reply_line(reply);
	assert_non_null(text);
	assert_true(strchr(text, '\n') == text + strlen(text) - 1);
	return reply->code;
}

static void refused(struct bh_agent *a, const char *line)
{
	_cleanup_(bh_reply_clear) struct bh_reply reply = {0};
	int code = ask(a, line, &reply);

	if (code != BH_EXIT_USAGE && code != BH_EXIT_FAILED)
		fail_msg("code %d for %.200s", code, line);
	if (!reply.diags.n_errors || !reply.diags.list[0].text || !*reply.diags.list[0].text)
		fail_msg("no word why: %.200s", line);
	unchanged(a, line);
}

static const char *good_args(const char *verb)
{
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		if (!strcmp(good[i].verb, verb))
			return good[i].args;
	fail_msg("what does '%s' take? good[] does not say", verb);
	return NULL;
}

/* The good arguments with @name as @value; as text, for much of it is no JSON. */
static char *spoiled(const char *verb, const char *name, const char *value)
{
	json_auto_t *args = json_loads(good_args(verb), 0, NULL);
	_cleanup_free_ char *rest = NULL;
	char *line;

	assert_non_null(args);
	(void)json_object_del(args, name);
	rest = json_dumps(args, JSON_COMPACT);
	assert_true(asprintf(&line, "{\"verb\":\"%s\",\"args\":{\"%s\":%s%s%s}", verb, name, value,
			     json_object_size(args) ? "," : "", rest + 1) > 0);
	return line;
}

static void spoil(struct bh_agent *a, const struct bh_verb *verb, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_free_ char *line = NULL;
		const char *value = bad[i] ? bad[i] : letters;

		/* what a caller's file is called may be long; its text is a map or none */
		if (!bad[i] && !strcmp(name, "file"))
			continue;
		line = spoiled(verb->name, name, value);
		refused(a, line);
	}
}

static void every_argument(void **state)
{
	for (size_t i = 0; i < bh_n_verbs; i++) {
		const struct bh_verb *verb = bh_verbs[i];

		for (size_t k = 0; verb->args && verb->args[k]; k++)
			spoil(*state, verb, verb->args[k]);
		if (verb->changes)
			spoil(*state, verb, "reason");
		spoil(*state, verb, "no_such_argument");
	}
}

/* @shape with each $ as @name. */
static char *shaped(const char *shape, const char *name)
{
	char *line = NULL;
	size_t bytes;
	FILE *f = open_memstream(&line, &bytes);

	assert_non_null(f);
	for (; *shape; shape++)
		if (*shape == '$')
			fputs(name, f);
		else
			fputc(*shape, f);
	assert_int_equal(fclose(f), 0);
	return line;
}

static void every_verb(void **state)
{
	static const char *const shapes[] = {
		"{\"verb\":\"$\",\"args\":[]}",
		"{\"verb\":\"$\",\"args\":\"x\"}",
		"{\"verb\":\"$\",\"args\":null}",
		"{\"verb\":\"$\",\"verb\":\"$\"}",
		"{\"verb\":\"$\",\"args\":{},\"args\":{}}",
		"{\"verb\":\"$\",\"args\":{\"x\":1,\"x\":2}}",
		"{\"verb\":\"$\",\"more\":1}",
		"{\"verb\":\"$\"} {\"verb\":\"$\"}",
		"{\"verb\":[\"$\"]}",
		"[\"$\"]",
		"{\"verb\":\"$ ",
		"{\"verb\":\"$\\u0000\"}",
		"{\"verb\":\" $\"}",
	};

	for (size_t i = 0; i < bh_n_verbs; i++)
		for (size_t k = 0; k < ARRAY_SIZE(shapes); k++) {
			_cleanup_free_ char *line = shaped(shapes[k], bh_verbs[i]->name);

			refused(*state, line);
		}
}

/* Megabytes, and brackets that never close. */
static void every_size(void **state)
{
	size_t n = BH_PROTO_MAX_APPLY + 100;
	_cleanup_free_ char *line = malloc(n + 1);

	assert_non_null(line);
	for (size_t i = 0; i < bh_n_verbs; i++) {
		static const char *const fill = "x[{\"";

		for (const char *c = fill; *c; c++) {
			int at = sprintf(line, "{\"verb\":\"%s\",\"args\":{\"text\":%s",
					 bh_verbs[i]->name, *c == 'x' ? "\"" : "");

			memset(line + at, *c, n - (size_t)at);
			strcpy(line + n - 4, "\"}}");
			refused(*state, line);
		}
	}
}

/* The table is right: as it stands there each is taken, and a verb that changes changes. */
static void as_it_should_be(void **state)
{
	for (size_t i = 0; i < bh_n_verbs; i++) {
		_cleanup_(bh_reply_clear) struct bh_reply reply = {0};
		_cleanup_free_ char *line = NULL;
		int code;

		assert_true(asprintf(&line, "{\"verb\":\"%s\",\"args\":%s}", bh_verbs[i]->name,
				     good_args(bh_verbs[i]->name)) > 0);
		code = ask(*state, line, &reply);
		if (code == BH_EXIT_USAGE)
			fail_msg("%s: %s", line, reply.diags.list[0].text);
		(void)teardown(state);
		(void)setup(state);
	}
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(as_it_should_be),
		TEST(every_argument),
		TEST(every_verb),
		TEST(every_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
