/* SPDX-License-Identifier: Apache-2.0 */
/* verb_apply.c - a map becomes what is enforced, or is refused and nothing changed. */
#include <string.h>
#include "../first.h"
#include "advice.h"
#include "lockout.h"
#include "parts.h"

/**
 * struct wish - what is asked for
 * @force:    the guard against locking oneself out is not asked
 * @enforce:  also on a host that has never enforced, and where `mode observe` is on
 * @observes: so the host's cap shall be on
 */
struct wish {
	const struct bh_caller *caller;
	const char *file, *text;
	bool dry_run, force, enforce;
	bool observes;
};

static int set_origin(struct bh_agent *a, const struct bh_call *call, const char *file,
		      struct bh_origin *o)
{
	o->file = strdup(file);
	o->by = bh_caller_text(call->caller);
	o->at_ms = a->clock->wall_ms();
	return o->file && o->by ? 0 : -ENOMEM;
}

/* --- may it ------------------------------------------------------------------------------------- */

/* Scripts are often so: cron, a unit, a tmux whose login ended. What they have to add is said. */
static int refuse_unknown(const struct bh_lockout *k, struct bh_diags *d)
{
	return bh_diag_add(d, BH_ERROR, NULL,
			   "add --force if you can reach this host should the map be wrong; "
			   "bulkhead apply --dry-run FILE changes nothing",
			   "it can't be told whether this map would lock you out: %s (pid %d) came "
			   "over no TCP connection and from no console",
			   k->me.name, (int)k->me.pid);
}

/* Staged: would it deny the session it comes from? Where nothing is denied that is only told. */
static int guard(struct bh_agent *a, const struct bh_live *l, __u64 gen, void *ctx,
		 struct bh_diags *d)
{
	_cleanup_(bh_lockout_clear) struct bh_lockout k = {0};
	const struct wish *w = ctx;
	int r;

	if (w->force || !bh_map_enforces(l->map))
		return 0;
	r = bh_lockout_check(a, l, w->caller, gen, w->observes ? BH_WARNING : BH_ERROR, d, &k);
	if (w->observes)
		return 0;
	if (r < 0)
		return r;
	if (k.n_denied)
		return -EINVAL;
	return bh_lockout_unknown(&k) ? refuse_unknown(&k, d) : 0;
}

/* --- what is said of it ---------------------------------------------------------------------------- */

/* Numbers of an answer, beside its changes. */
static int tell(struct bh_reply *reply, const struct bh_live *l, const struct bh_commit *c,
		json_int_t took_ms, bool observes)
{
	json_auto_t *more =
		json_pack("{s:I s:o s:i s:I s:s}", "generation", (json_int_t)c->generation,
			  "entries", bh_json_entries(l->compiled), "cut", MAX(c->cut, 0), "took_ms",
			  took_ms, "mode_cap", observes ? "observe" : "none");

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
static void warn_observes(struct bh_agent *a, const struct wish *w, const struct bh_map *map,
			  struct bh_reply *reply)
{
	if (!w->observes || !bh_map_enforces(map))
		return;
	reply->code = BH_EXIT_NO;
	(void)bh_diag_add(&reply->diags, BH_WARNING, NULL,
			  "see what would be denied, bulkhead flows --denied; then bulkhead mode "
			  "enforce, or bulkhead apply --enforce FILE",
			  "OBSERVING, nothing is denied: %s",
			  bh_never_enforced(a)
				  ? "this host has not enforced yet, and nobody said --enforce"
				  : "`bulkhead mode observe` is on");
}

/* --- do it ---------------------------------------------------------------------------------------- */

/* The cap goes to the disk with the map, and comes into force with it. */
static int commit(struct bh_agent *a, struct bh_live *l, const struct wish *w, struct bh_commit *c,
		  struct bh_diags *d)
{
	bool was = a->cap_observe;
	int r;

	a->cap_observe = w->observes;
	c->sets_cap = was != w->observes;
	r = bh_agent_commit(a, l, c, d);
	if (r < 0)
		a->cap_observe = was;
	return r;
}

static int rehearse(struct bh_agent *a, const struct bh_live *l, struct wish *w,
		    struct bh_commit *c, struct bh_diags *d)
{
	int r = bh_agent_trial(a, l, d, &c->generation);

	return r ? r : guard(a, l, c->generation, w, d);
}

/* Compiled already: enforce it, or only see whether it would be taken. */
static int enforce(struct bh_agent *a, struct bh_live *l, struct wish *w, struct bh_reply *reply)
{
	_cleanup_(bh_commit_clear) struct bh_commit c = {.guard = guard, .guard_ctx = w};
	uint64_t began_ns = a->clock->boot_ns();
	const struct bh_live *now = w->dry_run ? l : &a->live;
	size_t n;
	int r;

	w->observes =
		!w->enforce && (a->cap_observe || (bh_map_enforces(l->map) && bh_first_apply(a)));
	r = w->dry_run ? rehearse(a, l, w, &c, &reply->diags) : commit(a, l, w, &c, &reply->diags);
	if (r < 0)
		return r;
	warn_uncut(reply, c.cut);
	warn_observes(a, w, now->map, reply);
	/* from here on it is enforced: whatever fails now must not read as a refusal */
	if (bh_reply_changes(reply, w->dry_run ? a->live.map : c.old, now->map, &n) < 0 ||
	    tell(reply, now, &c, (json_int_t)((a->clock->boot_ns() - began_ns) / 1000000),
		 w->observes) < 0 ||
	    bh_advice(a, now, c.generation, "", &reply->diags) < 0)
		(void)bh_diag_add(&reply->diags, BH_WARNING, NULL, NULL,
				  "it was taken, but not all about it can be told");
	return 0;
}

static int wish_of(const struct bh_call *call, struct bh_reply *reply, struct wish *ret)
{
	int r = bh_arg_string(call, "file", reply, &ret->file);

	if (r == 0)
		r = bh_arg_need(call, "text", reply, &ret->text);
	if (r == 0)
		r = bh_arg_bool(call, "dry_run", reply, &ret->dry_run);
	if (r == 0)
		r = bh_arg_bool(call, "force", reply, &ret->force);
	return r ? r : bh_arg_bool(call, "enforce", reply, &ret->enforce);
}

static int run(struct bh_agent *a, const struct bh_call *call, struct bh_reply *reply)
{
	_cleanup_(bh_live_clear) struct bh_live l = {0};
	struct wish w = {.caller = call->caller, .file = "map"};
	int r = wish_of(call, reply, &w);

	if (r == 0)
		r = bh_agent_compile(a, w.file, w.text, strlen(w.text), &reply->diags, &l);
	if (r == 0)
		r = set_origin(a, call, w.file, &l.origin);
	if (r == 0)
		r = enforce(a, &l, &w, reply);
	if (r == 0 && !w.dry_run)
		bh_notice("generation %llu: %s, applied by %s%s%s",
			  (unsigned long long)bh_kern_generation(a->kern), w.file,
			  a->live.origin.by, w.force ? ", forced" : "",
			  w.observes ? "; observing, nothing is denied" : "");
	return r;
}

static const char *const args[] = {"file", "text", "dry_run", "force", "enforce", NULL};

const struct bh_verb bh_verb_apply = {.name = "apply",
				      .changes = true,
				      .max_bytes = BH_PROTO_MAX_APPLY,
				      .args = args,
				      .run = run};
