/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_check.c - would this map be taken, and what would surprise on this host. For who may
 * change something it is staged on the idle side for that, and not published: its assertions are
 * judged there. A reader writes nothing into the kernel; he hears what the compiler says.
 */
#include <string.h>
#include "advice.h"
#include "parts.h"

static bool is_operator(const struct bh_call *call)
{
	return !bh_caller_may_change(call->caller);
}

static int rehearse(struct bh_agent *a, const struct bh_live *l, struct bh_reply *reply)
{
	__u64 gen;
	int r = bh_agent_rehearse(a, l, &reply->diags, &gen);

	return r < 0 ? r : bh_advice(a, l, gen, "", &reply->diags);
}

static bool aside(const struct bh_call *call)
{
	return !is_operator(call);
}

static int run(struct bh_agent *a, const struct bh_call *call, struct bh_reply *reply)
{
	_cleanup_(bh_live_clear) struct bh_live l = {0};
	const char *file = "map", *text = NULL;
	int r = bh_arg_string(call, "file", reply, &file);

	if (r == 0)
		r = bh_arg_need(call, "text", reply, &text);
	if (r == 0)
		r = bh_agent_compile(a, file, text, strlen(text), &reply->diags, &l);
	if (r == 0 && !is_operator(call))
		(void)bh_diag_add(
			&reply->diags, BH_WARNING, NULL,
			"ask as root from a login, or see what `bulkhead apply` says",
			"assertions, name servers and failsafes were not tried on this host: "
			"%s",
			bh_caller_may_change(call->caller));
	else if (r == 0)
		r = rehearse(a, &l, reply);
	if (r < 0)
		return r;
	reply->data = json_pack("{s:o}", "entries", bh_json_entries(l.compiled));
	return reply->data ? 0 : -ENOMEM;
}

static const char *const args[] = {"file", "text", NULL};

const struct bh_verb bh_verb_check = {
	.name = "check",
	.max_bytes = BH_PROTO_MAX_APPLY,
	.args = args,
	.run = run,
	.aside = aside,
};
