/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_confirm.c - an unconfirmed generation stays. The kernel ends it by itself if that is not
 * said: see agent/trial.c. `rollback` ends it before its time.
 */
#include <string.h>
#include "lockout.h"
#include "parts.h"

static int none(struct bh_reply *reply)
{
	return bh_reply_fail(reply, BH_EXIT_NO, "`bulkhead status` says what is enforced",
			     "nothing waits to be confirmed");
}

/* That one can still get in is shown by who got in since then; or he sits at the machine. */
static int too_old(const struct bh_trial *t, struct bh_reply *reply)
{
	return bh_reply_fail(reply, BH_EXIT_FAILED,
			     "log in anew and say it there, or at the console; --force if you know "
			     "that you can get in",
			     "this login is from before generation %llu, or none: it does not show "
			     "that one can still get in",
			     (unsigned long long)t->generation);
}

static int confirm(struct bh_agent *a, const struct bh_call *call, struct bh_reply *reply)
{
	json_int_t generation = 0;
	bool force = false;
	struct bh_trial t;
	int cut = 0, r;

	r = bh_arg_int(call, "generation", 1, (1LL << 48), reply, &generation);
	if (r == 0)
		r = bh_arg_bool(call, "force", reply, &force);
	if (r < 0)
		return r;
	if (!bh_kern_trial(a->kern, &t))
		return none(reply);
	if (generation && (__u64)generation != t.generation)
		return bh_reply_fail(reply, BH_EXIT_FAILED, "look at it first: bulkhead status",
				     "generation %llu waits to be confirmed, not %lld",
				     (unsigned long long)t.generation, (long long)generation);
	if (!force && !t.fell && bh_map_enforces(a->live.map) && !a->live.capped &&
	    !bh_lockout_fresh(a, call->caller, a->trial_began_ns))
		return too_old(&t, reply);
	r = bh_trial_confirm(a, &cut, &reply->diags);
	if (r < 0)
		return r;
	reply->data =
		json_pack("{s:I s:i}", "generation", (json_int_t)t.generation, "cut", MAX(cut, 0));
	return reply->data ? 0 : -ENOMEM;
}

static const char *const confirm_args[] = {"generation", "force", NULL};

const struct bh_verb bh_verb_confirm = {
	.name = "confirm", .changes = true, .args = confirm_args, .run = confirm};
