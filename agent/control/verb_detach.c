/* SPDX-License-Identifier: Apache-2.0 */
/* verb_detach.c - the end of enforcement: every program and pin goes, then the agent. */
#include <string.h>
#include "../fdstore.h"
#include "state.h"
#include "parts.h"

static void leave(struct bh_agent *a)
{
	bh_log_id(BH_LOG_NOTICE, BH_MESSAGE_DETACHED, "detached: nothing is enforced any more");
	bh_agent_exit(a, BH_AGENT_EXIT_DETACHED);
}

static int run(struct bh_agent *a, const struct bh_call *call, struct bh_reply *reply)
{
	struct bh_hook_state hook[BH_AGENT_HOOKS_MAX];
	size_t hooks = 0, n;
	bool yes = false;
	int r = bh_arg_bool(call, "yes", reply, &yes);

	if (r < 0)
		return r;
	if (!yes)
		return bh_reply_fail(reply, BH_EXIT_USAGE, "bulkhead detach --yes",
				     "this ends all enforcement on this host and needs 'yes'");
	n = bh_kern_hooks(a->kern, hook, ARRAY_SIZE(hook));
	for (size_t i = 0; i < n; i++)
		hooks += hook[i].ok;
	a->leaving = true;
	r = bh_kern_detach(a->kern);
	if (r < 0) {
		a->leaving = false;
		return bh_reply_fail(reply, BH_EXIT_FAILED,
				     "try again, or `bulkheadd rescue --detach`",
				     "not all of it could be removed: %s", strerror(-r));
	}
	a->detached = true;
	bh_fdstore_drop(a);
	r = bh_state_set_detached(a->opts.state_dir);
	if (r < 0)
		(void)bh_diag_add(&reply->diags, BH_WARNING, NULL,
				  "do not start the agent again before that is repaired",
				  "the state can't be written (%s): an agent that starts enforces "
				  "again",
				  strerror(-r));
	reply->after = leave;
	reply->data = json_pack("{s:I}", "hooks", (json_int_t)hooks);
	return reply->data ? 0 : -ENOMEM;
}

static const char *const args[] = {"yes", NULL};

const struct bh_verb bh_verb_detach = {.name = "detach", .changes = true, .args = args, .run = run};
