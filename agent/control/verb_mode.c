/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_mode.c - `mode observe` caps the whole host: nothing is denied but what always is.
 * `mode enforce` takes the cap off; it does not make an observing map enforce.
 */
#include <string.h>
#include "lockout.h"
#include "parts.h"

/* So that it is still so after a reboot. */
static void write_down(struct bh_agent *a, struct bh_reply *reply)
{
	__u64 gen = bh_kern_generation(a->kern);

	/* what is on the disk is not what is enforced: it must not be written over */
	if (!a->state_trouble[0] && !a->no_policy &&
	    bh_agent_save(a, &a->live, gen, &reply->diags) == 0)
		return;
	bh_diags_clear(&reply->diags);
	(void)bh_diag_add(&reply->diags, BH_WARNING, NULL,
			  "see `bulkhead status`, then set it again",
			  "the mode holds until the next reboot: the state can't be written");
}

/* A verdict that a socket carries was given under the old mode: a new generation ends it. */
static void judge_again(struct bh_agent *a, struct bh_reply *reply)
{
	_cleanup_(bh_commit_clear) struct bh_commit c = {0};
	_cleanup_diags_ struct bh_diags d = {0};
	bool lost = a->state_trouble[0] || a->no_policy || !a->live.map;

	if (!lost && bh_agent_renew(a, &c, &d) == 0)
		return;
	write_down(a, reply);
	if (bh_kern_generation(a->kern))
		(void)bh_diag_add(&reply->diags, BH_WARNING, NULL, "apply the map again",
				  "connections that are open keep the verdict they have%s%s",
				  d.n ? ": " : "", d.n ? d.list[0].text : "");
}

/*
 * What was only observed so far is denied from here on: also the session it comes from? Unlike a
 * map that is new to the host it has been seen at work, so who comes from nowhere may.
 */
static int guard(struct bh_agent *a, const struct bh_caller *caller, struct bh_reply *reply)
{
	_cleanup_(bh_lockout_clear) struct bh_lockout k = {0};
	int r;

	if (!a->live.map || !bh_kern_generation(a->kern))
		return 0;
	r = bh_lockout_check(a, &a->live, caller, bh_kern_generation(a->kern), BH_ERROR,
			     &reply->diags, &k);
	return r ? r : k.n_denied ? -EINVAL : 0;
}

static int run(struct bh_agent *a, const struct bh_call *call, struct bh_reply *reply)
{
	const char *mode = NULL;
	bool observe, changed, force = false;
	int r = bh_arg_need(call, "mode", reply, &mode);

	if (r == 0)
		r = bh_arg_bool(call, "force", reply, &force);
	if (r < 0)
		return r;
	observe = !strcmp(mode, "observe");
	if (!observe && strcmp(mode, "enforce") != 0)
		return bh_reply_fail(reply, BH_EXIT_USAGE, "it is one of observe, enforce",
				     "unknown mode '%.40s'", mode);
	changed = observe != a->cap_observe;
	if (changed && !observe && !force)
		r = guard(a, call->caller, reply);
	if (r < 0)
		return r;
	r = bh_kern_set_ctl(a->kern, observe ? BH_CTL_OBSERVE : 0, observe ? 0 : BH_CTL_OBSERVE);
	if (r < 0)
		return r;
	a->cap_observe = observe;
	if (changed)
		judge_again(a, reply);
	bh_agent_tell_status(a);
	bh_notice("mode %s", mode);
	reply->data = json_pack("{s:s}", "mode_cap", bh_mode_cap(a));
	return reply->data ? 0 : -ENOMEM;
}

static const char *const args[] = {"mode", "force", NULL};

const struct bh_verb bh_verb_mode = {.name = "mode", .changes = true, .args = args, .run = run};
