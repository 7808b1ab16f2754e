/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_confirm.c - an unconfirmed generation stays (`confirm`), or ends before its time
 * (`revert`). The kernel ends it by itself if neither is said: see agent/trial.c.
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

static int revert(struct bh_agent *a, const struct bh_call *call, struct bh_reply *reply)
{
	_cleanup_free_ char *by = bh_caller_text(call->caller), *why = NULL;
	int r;

	if (!by || asprintf(&why, "rolled back by %s", by) < 0) {
		why = NULL;
		return -ENOMEM;
	}
	r = bh_trial_revert(a, why);
	if (r == -ENOENT)
		return none(reply);
	if (r < 0)
		return r;
	reply->data = json_pack("{s:I}", "generation", (json_int_t)bh_kern_generation(a->kern));
	return reply->data ? 0 : -ENOMEM;
}

static const char *const confirm_args[] = {"generation", NULL};
static const char *const no_args[] = {NULL};

const struct bh_verb bh_verb_confirm = {
	.name = "confirm", .changes = true, .args = confirm_args, .run = confirm};
const struct bh_verb bh_verb_revert = {
	.name = "revert", .changes = true, .args = no_args, .run = revert};
