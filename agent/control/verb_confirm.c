/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_confirm.c - an unconfirmed generation stays. The kernel ends it by itself if that is not
 * said: see agent/trial.c. `rollback` ends it before its time.
 */
#include <string.h>
#include "parts.h"

static int none(struct bh_reply *reply)
{
	return bh_reply_fail(reply, BH_EXIT_NO, "`bulkhead status` says what is enforced",
			     "nothing waits to be confirmed");
}

static int confirm(struct bh_agent *a, const struct bh_call *call, struct bh_reply *reply)
{
	json_int_t generation = 0;
	struct bh_trial t;
	int cut = 0, r;

	r = bh_arg_int(call, "generation", 1, (1LL << 48), reply, &generation);
	if (r < 0)
		return r;
	if (!bh_kern_trial(a->kern, &t))
		return none(reply);
	if (generation && (__u64)generation != t.generation)
		return bh_reply_fail(reply, BH_EXIT_FAILED, "look at it first: bulkhead status",
				     "generation %llu waits to be confirmed, not %lld",
				     (unsigned long long)t.generation, (long long)generation);
	r = bh_trial_confirm(a, &cut, &reply->diags);
	if (r < 0)
		return r;
	reply->data =
		json_pack("{s:I s:i}", "generation", (json_int_t)t.generation, "cut", MAX(cut, 0));
	return reply->data ? 0 : -ENOMEM;
}

static const char *const confirm_args[] = {"generation", NULL};

const struct bh_verb bh_verb_confirm = {
	.name = "confirm", .changes = true, .args = confirm_args, .run = confirm};
