/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control.c - requests of a client that may read: any bytes, line by line, to every verb of the
 * agent. Each gets one answer, one line of JSON; a refusal says why.
 */
#include <stddef.h>
#include "../../agent/control/past.h"
#include "../../agent/control/request.h"
#include "fakeagent.h"

static struct bh_agent *agent;

static void end(void)
{
	test_agent_free(agent);
}

static void begin(void)
{
	static const char map[] = "version: 1\nname: x\nmode: observe\n"
				  "default: { ingress: deny, egress: deny }\n"
				  "segments:\n  web: { match: { unit: nginx.service } }\n"
				  "  db: { match: { cidr: [10.0.0.0/8] } }\n"
				  "allow:\n  - { id: a, from: web, to: db, port: tcp/5432 }\n";
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_live l = {0};

	bh_log_set_max(BH_LOG_ERROR);
	agent = test_agent_new();
	agent->flows = bh_flows_new();
	if (bh_agent_compile(agent, "x", map, strlen(map), &d, &l) < 0)
		abort();
	bh_live_clear(&agent->live);
	agent->live = l;
	fake.gen = 1;
	if (bh_past_open(agent, &d) < 0)
		abort();
	bh_past_note(agent, &(struct bh_past_note){.how = BH_HOW_APPLY}, &d);
	if (d.n)
		abort();
	(void)atexit(end);
}

static void check(const char *line, size_t bytes)
{
	static struct bh_caller reader = {
		.pid = 1, .uid = 1000, .reader = true, .same_userns = true};
	struct bh_verb_table verbs = {bh_verbs, bh_n_verbs};
	_cleanup_(bh_reply_clear) struct bh_reply reply = {0};
	_cleanup_free_ char *answer = NULL;
	json_auto_t *json = NULL;

	bh_request_run(agent, &verbs, line, bytes, &reader, &reply);
	answer = bh_reply_line(&reply);
	if (!answer || strchr(answer, '\n') != answer + strlen(answer) - 1)
		abort();
	json = json_loads(answer, 0, NULL);
	if (!json_is_boolean(json_object_get(json, "ok")) ||
	    json_is_true(json_object_get(json, "ok")) != (reply.code == BH_EXIT_OK))
		abort();
	if ((reply.code == BH_EXIT_FAILED || reply.code == BH_EXIT_USAGE) && !reply.diags.n_errors)
		abort();
	/* a reader changes nothing */
	if (fake.publishes || fake.flags || fake.detaches)
		abort();
	(void)bh_request_room(&verbs, line, bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *at = (const char *)data, *stop = at + size;

	if (!agent)
		begin();
	while (at < stop) {
		const char *newline = memchr(at, '\n', (size_t)(stop - at));
		const char *end_at = newline ? newline : stop;

		check(at, (size_t)(end_at - at));
		at = end_at + 1;
	}
	return 0;
}
