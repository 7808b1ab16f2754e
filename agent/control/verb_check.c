/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_check.c - would this map be taken, and what would surprise on this host. It is staged
 * on the idle side for that, and not published.
 */
#include <string.h>
#include "advice.h"
#include "parts.h"

static int run(struct bh_agent *a, const struct bh_call *call, struct bh_reply *reply)
{
	_cleanup_(bh_live_clear) struct bh_live l = {0};
	const char *file = "map", *text = NULL;
	__u64 gen;
	int r = bh_arg_string(call, "file", reply, &file);

	if (r == 0)
		r = bh_arg_need(call, "text", reply, &text);
	if (r == 0)
		r = bh_agent_compile(a, file, text, strlen(text), &reply->diags, &l);
	if (r == 0)
		r = bh_agent_rehearse(a, &l, &reply->diags, &gen);
	if (r == 0)
		r = bh_advice(a, &l, gen, "", &reply->diags);
	if (r < 0)
		return r;
	reply->data = json_pack("{s:o}", "entries", bh_json_entries(l.compiled));
	return reply->data ? 0 : -ENOMEM;
}

static const char *const args[] = {"file", "text", NULL};

const struct bh_verb bh_verb_check = {
	.name = "check", .max_bytes = BH_PROTO_MAX_APPLY, .args = args, .run = run};
