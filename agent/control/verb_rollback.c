/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_rollback.c - a text that was enforced before, as a new generation: compiled anew, with the
 * checks of any other map. Generations only go up.
 */
#include <errno.h>
#include <string.h>
#include "apply.h"
#include "parts.h"
#include "past.h"

/* The record of what is live tells its text where the agent's own copy was lost. */
static const struct bh_record *before_live(const struct bh_agent *a, struct bh_reply *reply)
{
	__u64 live = bh_past_live(a);
	const struct bh_record *now = bh_history_find(a->history, live), *before;
	const char *sha256 = a->live.map ? a->live.origin.sha256 : now ? now->sha256 : NULL;

	if (!live || !sha256) {
		(void)bh_reply_fail(reply, BH_EXIT_FAILED,
				    "bulkhead rollback GEN; `bulkhead history` lists them",
				    "no map is known to be enforced here: say which one to go "
				    "back to");
		return NULL;
	}
	before = bh_history_before(a->history, live, sha256);
	if (!before)
		(void)bh_reply_fail(reply, BH_EXIT_FAILED,
				    "`bulkhead history` lists the generations",
				    "the history has no other map from before generation %llu",
				    (unsigned long long)live);
	return before;
}

static int nothing_to_do(struct bh_agent *a, const struct bh_record *r, struct bh_reply *reply)
{
	(void)bh_diag_add(&reply->diags, BH_WARNING, NULL, NULL,
			  "nothing to do: the text of generation %llu is what is enforced",
			  (unsigned long long)r->generation);
	reply->code = BH_EXIT_NO;
	reply->data = json_pack("{s:I s:o s:[]}", "generation", (json_int_t)bh_past_live(a), "back",
				bh_past_row(a, r), "changes");
	return reply->data ? 0 : -ENOMEM;
}

/* The findings above are about lines of a text that may be in no file any more. */
static int refused(struct bh_reply *reply, __u64 gen)
{
	char help[80];

	snprintf(help, sizeof(help), "its text, with these lines: bulkhead get map %llu",
		 (unsigned long long)gen);
	return bh_diag_add(&reply->diags, BH_ERROR, NULL, help,
			   "generation %llu is refused now; nothing was changed",
			   (unsigned long long)gen);
}

static int go_back(struct bh_agent *a, const struct bh_call *call, const struct bh_record *r,
		   const struct bh_apply *wish, struct bh_reply *reply)
{
	/* records move when one is added */
	_cleanup_free_ char *file = strdup(r->file ? r->file : "map"), *text = NULL;
	json_auto_t *back = bh_past_row(a, r);
	struct bh_apply what = {.file = file,
				.dry_run = wish->dry_run,
				.confirm_ns = wish->confirm_ns,
				.force = wish->force,
				.enforce = wish->enforce,
				.rollback_of = r->generation};
	int err = file && back ? 0 : -ENOMEM;

	if (err == 0)
		err = bh_history_text(a->history, r->generation, &reply->diags, &text, &what.bytes);
	if (err < 0)
		return err;
	what.text = text;
	err = bh_apply_run(a, call, &what, reply);
	if (err < 0)
		return refused(reply, what.rollback_of);
	if (reply->data && json_object_set(reply->data, "back", back) < 0)
		(void)bh_diag_add(&reply->diags, BH_WARNING, NULL, NULL,
				  "it was taken, but not all about it can be told");
	return 0;
}

/* What waits to be confirmed ends now: the kernel has what was before it, nothing is compiled. */
static int revert(struct bh_agent *a, const struct bh_call *call, __u64 gen, bool dry_run,
		  struct bh_reply *reply)
{
	_cleanup_free_ char *by = bh_caller_text(call->caller), *why = NULL;
	json_auto_t *more = NULL;
	struct bh_trial t;
	size_t n;
	int err;

	(void)bh_kern_trial(a->kern, &t);
	if (gen && gen != t.back)
		return bh_reply_fail(
			reply, BH_EXIT_FAILED,
			"`bulkhead rollback` alone ends it; then say it again",
			"generation %llu waits to be confirmed, and falls back to %llu",
			(unsigned long long)t.generation, (unsigned long long)t.back);
	err = bh_reply_changes(reply, a->live.map, a->back.map, &n);
	if (err < 0 || !by || asprintf(&why, "rolled back by %s", by) < 0) {
		why = NULL;
		return err ? err : -ENOMEM;
	}
	if (!dry_run)
		err = bh_trial_revert(a, why);
	if (err < 0)
		return err;
	more = json_pack("{s:b s:I}", "reverted", 1, "generation",
			 (json_int_t)bh_kern_generation(a->kern));
	return more && json_object_update(reply->data, more) == 0 ? 0 : -ENOMEM;
}

static int run(struct bh_agent *a, const struct bh_call *call, struct bh_reply *reply)
{
	const struct bh_record *r;
	struct bh_apply what = {0};
	json_int_t gen = 0;
	int err = bh_arg_int(call, "generation", 1, (json_int_t)BH_HISTORY_MAX_GEN, reply, &gen);

	if (err == 0)
		err = bh_apply_args(a, call, reply, &what);
	if (err < 0)
		return err;
	if (bh_trial_runs(a))
		return revert(a, call, (__u64)gen, what.dry_run, reply);
	r = gen ? bh_past_find(a, (__u64)gen, reply) : before_live(a, reply);
	if (!r)
		return 0;
	return bh_past_is_live(a, r) ? nothing_to_do(a, r, reply)
				     : go_back(a, call, r, &what, reply);
}

static const char *const args[] = {"generation", "dry_run",	    "force", "enforce",
				   "confirm_s",	 "confirm_default", NULL};

const struct bh_verb bh_verb_rollback = {
	.name = "rollback", .changes = true, .args = args, .run = run};
