/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verbrig.h - requests of root to an agent on a fake kernel, without a socket between them: what
 * the tests of verbs begin with. Include it in one source of a test program.
 */
#ifndef BH_VERBRIG_H
#define BH_VERBRIG_H

#include "../../agent/control/request.h"
#include "fakeagent.h"

static struct bh_caller root = {.pid = 7,
				.uid = 0,
				.reader = true,
				.same_userns = true,
				.session = true,
				.cgroup = (char *)"/user.slice/session-1.scope"};

_unused_ static void open_audit(struct bh_agent *a)
{
	_cleanup_diags_ struct bh_diags d = {0};

	assert_int_equal(bh_audit_open(test_dir, a->clock, &d, &a->audit), 0);
}

/* test_agent_new() with a network that nothing comes from. */
static struct bh_agent *verb_agent_new(void)
{
	static const struct bh_net_sink nowhere = {0};
	struct bh_agent *a = test_agent_new();

	assert_int_equal(bh_net_open(&nowhere, &a->net), 0);
	return a;
}

static int teardown(void **state)
{
	struct bh_agent *a = *state;

	bh_net_close(a->net);
	test_agent_free(a);
	return 0;
}

static struct bh_reply ask(struct bh_agent *a, const char *line)
{
	struct bh_verb_table verbs = {bh_verbs, bh_n_verbs};
	struct bh_reply reply = {0};

	bh_request_run(a, &verbs, line, strlen(line), &root, &reply);
	return reply;
}

/* Fails the test unless the answer ends with @code and has @part in it. */
_unused_ static void expect(struct bh_agent *a, const char *line, int code, const char *part)
{
	_cleanup_(bh_reply_clear) struct bh_reply reply = ask(a, line);
	_cleanup_free_ char *text = bh_reply_line(&reply);

	if (reply.code != code || !strstr(text, part))
		fail_msg("%s: expected %d with '%s', got %s", line, code, part, text);
}

/* Arguments of `apply` on a host that is new, from a caller of no session: see control_apply.c. */
#define FORCED "\"force\":true,\"enforce\":true,"

/* shop.yaml, with @map_json in it */
_unused_ static void apply(struct bh_agent *a, const char *map_json)
{
	_cleanup_free_ char *line = NULL;

	assert_true(asprintf(&line,
			     "{\"verb\":\"apply\",\"args\":{" FORCED
			     "\"file\":\"shop.yaml\",\"text\":\"%s\"}}",
			     map_json) > 0);
	expect(a, line, 0, "\"generation\":");
}

#endif
