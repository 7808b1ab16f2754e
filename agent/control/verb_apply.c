/* SPDX-License-Identifier: Apache-2.0 */
/* verb_apply.c - a map becomes what is enforced, or is refused and nothing changed. */
#include <string.h>
#include "../first.h"
#include "advice.h"
#include "apply.h"
#include "lockout.h"
#include "parts.h"
#include "past.h"

static int set_origin(struct bh_agent *a, const struct bh_call *call, const char *file,
		      struct bh_origin *o)
{
	o->file = strdup(file);
	o->by = bh_caller_text(call->caller);
	o->at_ms = a->clock->wall_ms();
	return o->file && o->by ? 0 : -ENOMEM;
}

int bh_arg_confirm(const struct bh_agent *a, const struct bh_call *call, struct bh_reply *reply,
		   __u64 *ret_ns)
{
	bool by_default = false;
	json_int_t s = 0;
	int r = bh_arg_bool(call, "confirm_default", reply, &by_default);

	if (by_default)
		s = a->opts.confirm_s;
	if (r == 0)
		r = bh_arg_int(call, "confirm_s", 0, BH_CONFIRM_MAX_S, reply, &s);
	*ret_ns = (__u64)s * 1000000000ull;
	return r;
}

/* --- may it ------------------------------------------------------------------------------------- */

/* Scripts are often so: cron, a unit, a tmux whose login ended. What they have to add is said. */
static int refuse_unknown(const struct bh_lockout *k, struct bh_diags *d)
{
	return bh_diag_add(d, BH_ERROR, NULL,
			   "add --confirm 5m, and confirm it from a new login; or --force if you "
			   "can reach this host should the map be wrong",
			   "it can't be told whether this map would lock you out: %s (pid %d) came "
			   "over no TCP connection and from no console",
			   k->me.name, (int)k->me.pid);
}

/* Staged: would it deny the session it comes from? Where nothing is denied that is only told. */
static int guard(struct bh_agent *a, const struct bh_live *l, __u64 gen, void *ctx,
		 struct bh_diags *d)
{
	_cleanup_(bh_lockout_clear) struct bh_lockout k = {0};
	const struct bh_apply *w = ctx;
	int r;

	if (w->force || !bh_map_enforces(l->map))
		return 0;
	r = bh_lockout_check(a, l, w->caller, gen, l->capped ? BH_WARNING : BH_ERROR, d, &k);
	if (l->capped)
		return 0;
	if (r < 0)
		return r;
	if (k.n_denied)
		return -EINVAL;
	/* what ends by itself locks nobody out for long */
	return bh_lockout_unknown(&k) && !w->confirm_ns ? refuse_unknown(&k, d) : 0;
}

/*
 * The first map on a host observes, and so do those that follow it until somebody says that it is
 * meant; so does a host that was booted to observe. `mode observe` ends here.
 */
static bool observes(const struct bh_agent *a, const struct bh_apply *what,
		     const struct bh_map *map)
{
	if (what->enforce)
		return false;
	return a->boot_observe || (bh_map_enforces(map) &&
				   (bh_first_apply(a) || (a->live.capped && bh_never_enforced(a))));
}

/* --- what is said of it ---------------------------------------------------------------------------- */

static const char *mode_of(const struct bh_map *map)
{
	return !map ? "none" : bh_map_enforces(map) ? "enforce" : "observe";
}

/* Numbers of an answer, beside its changes. */
static int tell(const struct bh_agent *a, struct bh_reply *reply, const struct bh_live *l,
		const struct bh_map *was, const struct bh_commit *c, json_int_t took_ms)
{
	json_auto_t *more = json_pack(
		"{s:I s:o s:i s:I s:o s:s s:s s:s}", "generation", (json_int_t)c->generation,
		"entries", bh_json_entries(l->compiled), "cut", MAX(c->cut, 0), "took_ms", took_ms,
		"unconfirmed", bh_json_trial(a), "mode", l->capped ? "observe" : mode_of(l->map),
		"mode_before", mode_of(was), "mode_cap", l->capped ? "observe" : "none");

	return more && json_object_update(reply->data, more) == 0 ? 0 : -ENOMEM;
}

static void warn_uncut(struct bh_reply *reply, int cut)
{
	if (cut < 0)
		(void)bh_diag_add(&reply->diags, BH_WARNING, NULL, NULL,
				  "idle connections that are no longer allowed end on their next "
				  "packet: %s",
				  strerror(-cut));
}

/* The map says enforce and nothing is denied: nobody may overlook that. */
static void warn_observes(struct bh_agent *a, const struct bh_live *l, struct bh_reply *reply)
{
	if (!l->capped || !bh_map_enforces(l->map))
		return;
	reply->code = BH_EXIT_NO;
	(void)bh_diag_add(&reply->diags, BH_WARNING, NULL,
			  "see what would be denied, bulkhead flows --denied; then bulkhead mode "
			  "enforce, or bulkhead apply --enforce FILE",
			  "OBSERVING, nothing is denied: %s",
			  a->boot_observe ? "this host was booted with bulkhead=observe"
					  : "this host has not enforced yet, and nobody said "
					    "--enforce");
}

static void note(struct bh_agent *a, __u64 rollback_of, struct bh_reply *reply)
{
	bh_past_note(a,
		     &(struct bh_past_note){.how = rollback_of ? BH_HOW_ROLLBACK : BH_HOW_APPLY,
					    .of = rollback_of,
					    .by = a->live.origin.by},
		     &reply->diags);
}

/* --- do it ---------------------------------------------------------------------------------------- */

static int rehearse(struct bh_agent *a, const struct bh_live *l, struct bh_apply *what,
		    struct bh_commit *c, struct bh_diags *d)
{
	int r = bh_agent_rehearse(a, l, d, &c->generation);

	return r ? r : guard(a, l, c->generation, what, d);
}

/* Compiled already: enforce it, or only see whether it would be taken. */
static int enforce(struct bh_agent *a, struct bh_live *l, struct bh_apply *what,
		   struct bh_reply *reply)
{
	bool dry_run = what->dry_run;
	_cleanup_(bh_commit_clear) struct bh_commit c = {
		.confirm_ns = what->confirm_ns, .guard = guard, .guard_ctx = what};
	uint64_t began_ns = a->clock->boot_ns();
	const struct bh_live *now = dry_run ? l : &a->live;
	const struct bh_map *was;
	size_t n;
	int r;

	bh_live_cap(l, observes(a, what, l->map));
	if (dry_run)
		r = rehearse(a, l, what, &c, &reply->diags);
	else
		r = bh_agent_commit(a, l, &c, &reply->diags);
	if (r < 0)
		return r;
	if (!dry_run)
		note(a, what->rollback_of, reply);
	warn_uncut(reply, c.cut);
	warn_observes(a, now, reply);
	/* from here on it is enforced: whatever fails now must not read as a refusal */
	was = dry_run ? a->live.map : c.confirm_ns ? a->back.map : c.old;
	if (bh_reply_changes(reply, was, now->map, &n) < 0 ||
	    tell(a, reply, now, was, &c, (json_int_t)((a->clock->boot_ns() - began_ns) / 1000000)) <
		    0 ||
	    bh_advice(a, now, c.generation, "", &reply->diags) < 0)
		(void)bh_diag_add(&reply->diags, BH_WARNING, NULL, NULL,
				  "it was taken, but not all about it can be told");
	return 0;
}

int bh_apply_run(struct bh_agent *a, const struct bh_call *call, struct bh_apply *what,
		 struct bh_reply *reply)
{
	_cleanup_(bh_live_clear) struct bh_live l = {0};
	int r = bh_agent_compile(a, what->file, what->text, what->bytes, &reply->diags, &l);

	what->caller = call->caller;
	if (r == 0)
		r = set_origin(a, call, what->file, &l.origin);
	if (r == 0)
		r = enforce(a, &l, what, reply);
	if (r == 0 && !what->dry_run)
		bh_log_id(BH_LOG_NOTICE, BH_MESSAGE_POLICY, "generation %llu: %s, %s by %s%s%s",
			  (unsigned long long)bh_kern_generation(a->kern), what->file,
			  what->rollback_of ? "rolled back" : "applied", a->live.origin.by,
			  what->force ? ", forced" : "",
			  a->live.capped ? "; observing, nothing is denied" : "");
	return r;
}

int bh_apply_args(const struct bh_agent *a, const struct bh_call *call, struct bh_reply *reply,
		  struct bh_apply *ret)
{
	int r = bh_arg_bool(call, "dry_run", reply, &ret->dry_run);

	if (r == 0)
		r = bh_arg_bool(call, "force", reply, &ret->force);
	if (r == 0)
		r = bh_arg_bool(call, "enforce", reply, &ret->enforce);
	return r ? r : bh_arg_confirm(a, call, reply, &ret->confirm_ns);
}

static int run(struct bh_agent *a, const struct bh_call *call, struct bh_reply *reply)
{
	struct bh_apply what = {.file = "map"};
	int r = bh_arg_string(call, "file", reply, &what.file);

	if (r == 0)
		r = bh_arg_need(call, "text", reply, &what.text);
	if (r == 0)
		r = bh_apply_args(a, call, reply, &what);
	if (r < 0)
		return r;
	what.bytes = strlen(what.text);
	return bh_apply_run(a, call, &what, reply);
}

static const char *const args[] = {"file",    "text",	   "dry_run",	      "force",
				   "enforce", "confirm_s", "confirm_default", NULL};

const struct bh_verb bh_verb_apply = {.name = "apply",
				      .changes = true,
				      .max_bytes = BH_PROTO_MAX_APPLY,
				      .args = args,
				      .run = run};
