/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_mode.c - `mode observe` caps the whole host: nothing is denied but what always is.
 * `mode enforce` takes the cap off; it does not make an observing map enforce. The cap is part
 * of a generation, so a trial falls back to the one before it, too; the next apply ends it.
 */
#include <string.h>
#include "apply.h"
#include "lockout.h"
#include "parts.h"
#include "past.h"

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

/*
 * The map can't be made anew: a flag of the control word speaks for all generations until one can.
 */
static void by_flag(struct bh_agent *a, bool observe, struct bh_reply *reply)
{
	(void)bh_kern_set_ctl(a->kern, observe ? BH_CTL_OBSERVE : 0, observe ? 0 : BH_CTL_OBSERVE);
	a->live.capped = observe;
	bh_kern_turn(a->kern);
	write_down(a, reply);
}

static int change(struct bh_agent *a, const struct bh_call *call, bool observe, __u64 confirm_ns,
		  struct bh_reply *reply)
{
	_cleanup_free_ char *by = bh_caller_text(call->caller);
	_cleanup_(bh_commit_clear) struct bh_commit c = {.confirm_ns = confirm_ns};
	int r;

	if (a->state_trouble[0] || a->no_policy || !a->live.map) {
		by_flag(a, observe, reply);
		return 0;
	}
	/* who says it has seen what the host was booted with */
	a->boot_observe = false;
	r = bh_agent_renew(a, observe, &c, &reply->diags);
	if (r == 0)
		bh_past_note(a, &(struct bh_past_note){.how = BH_HOW_MODE, .by = by},
			     &reply->diags);
	return r;
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
	__u64 confirm_ns = 0;
	bool observe, changed, force = false;
	int r = bh_arg_need(call, "mode", reply, &mode);

	if (r == 0)
		r = bh_arg_confirm(a, call, reply, &confirm_ns);
	if (r == 0)
		r = bh_arg_bool(call, "force", reply, &force);
	if (r < 0)
		return r;
	observe = !strcmp(mode, "observe");
	if (!observe && strcmp(mode, "enforce") != 0)
		return bh_reply_fail(reply, BH_EXIT_USAGE, "it is one of observe, enforce",
				     "unknown mode '%.40s'", mode);
	if (!bh_kern_generation(a->kern))
		return bh_reply_fail(reply, BH_EXIT_FAILED, "apply a map: bulkhead apply FILE",
				     "there is no map, and nothing is denied");
	changed = observe != bh_agent_is_capped(a);
	if (changed && !observe && !force)
		r = guard(a, call->caller, reply);
	if (r == 0 && changed)
		r = change(a, call, observe, observe ? 0 : confirm_ns, reply);
	if (r < 0)
		return r;
	bh_agent_tell_status(a);
	bh_notice("mode %s", mode);
	reply->data =
		json_pack("{s:s s:o}", "mode_cap", bh_mode_cap(a), "unconfirmed", bh_json_trial(a));
	return reply->data ? 0 : -ENOMEM;
}

static const char *const args[] = {"mode", "confirm_s", "confirm_default", "force", NULL};

const struct bh_verb bh_verb_mode = {.name = "mode", .changes = true, .args = args, .run = run};
