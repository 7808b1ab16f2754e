/* SPDX-License-Identifier: Apache-2.0 */
/*
 * commit.c - from a text to an enforced generation. Until bh_kern_publish() nothing that counts
 * is changed, and what is on the disk by then can be taken back: a refused map leaves no trace.
 * Called by verb_apply.c, by restore.c at start and by watch.c when users changed or the
 * clock was set.
 */
#include <errno.h>
#include <string.h>
#include "agent.h"
#include "asserts.h"
#include "control/past.h"
#include "control/record.h"
#include "control/seal.h"
#include "control/state.h"
#include "failsafe.h"
#include "first.h"
#include "holds.h"

void bh_origin_clear(struct bh_origin *o)
{
	free(o->file);
	free(o->by);
	*o = (struct bh_origin){0};
}

void bh_live_clear(struct bh_live *l)
{
	bh_map_free(l->map);
	bh_compiled_free(l->compiled);
	bh_numbers_free(l->numbers);
	bh_origin_clear(&l->origin);
	*l = (struct bh_live){0};
}

void bh_commit_clear(struct bh_commit *c)
{
	bh_map_free(c->old);
	*c = (struct bh_commit){0};
}

/* --- text to tables ------------------------------------------------------------------------ */

static int64_t ahead_s(const struct bh_instant *now)
{
	return now->wall_s - (int64_t)(now->boot_ns / 1000000000);
}

/* Both parts are whole seconds: one of difference is none. Slewing moves boot time, too. */
bool bh_agent_clock_was_set(const struct bh_agent *a)
{
	struct bh_instant now = bh_agent_now(a);
	const struct bh_live *l = &a->live;
	int64_t ahead = ahead_s(&now);

	for (size_t i = 0; l->map && i < l->map->n_rule; i++)
		if (l->map->rule[i].until_s)
			return l->ahead_s == BH_AHEAD_UNKNOWN || ahead > l->ahead_s + 1 ||
			       ahead < l->ahead_s - 1;
	return false;
}

static int compile(const struct bh_agent *a, struct bh_live *l, struct bh_diags *d)
{
	struct bh_instant now = bh_agent_now(a);
	int r;

	l->numbers = bh_numbers_copy(a->live.numbers);
	if (!l->numbers)
		return -ENOMEM;
	l->ahead_s = ahead_s(&now);
	r = bh_compile(l->map, l->numbers, &a->users, &bh_limits_default, now, d, &l->compiled);
	if (r == 0)
		bh_live_cap(l, a->live.capped || a->boot_observe);
	return r;
}

bool bh_agent_is_capped(const struct bh_agent *a)
{
	return a->live.capped || a->boot_observe || bh_kern_ctl(a->kern) & BH_CTL_OBSERVE;
}

void bh_live_cap(struct bh_live *l, bool capped)
{
	l->capped = capped;
	if (capped)
		l->compiled->side.flags |= BH_SIDE_OBSERVE;
	else
		l->compiled->side.flags &= ~(__u32)BH_SIDE_OBSERVE;
}

int bh_agent_compile(struct bh_agent *a, const char *file, const char *text, size_t len,
		     struct bh_diags *d, struct bh_live *ret)
{
	_cleanup_(bh_live_clear) struct bh_live l = {0};
	int r = bh_map_parse(file, text, len, d, &l.map);

	if (r == 0)
		r = compile(a, &l, d);
	if (r < 0)
		return r;
	bh_sha256_text(text, len, l.origin.sha256);
	*ret = l;
	l = (struct bh_live){0};
	return 0;
}

/* --- the kernel's idle side ------------------------------------------------------------------ */

/*
 * Before a host denies for the first time there must be a way back in. Later it is the map's
 * business, and `status` says so.
 */
static int check_first(const struct bh_agent *a, const struct bh_map *map, struct bh_diags *d)
{
	_cleanup_(bh_marker_clear) struct bh_marker m = {0};
	_cleanup_diags_ struct bh_diags unread = {0};

	for (size_t i = 0; i < map->n_rule; i++)
		if (map->rule[i].kind == BH_RULE_FAILSAFE)
			return 0;
	if (!bh_map_enforces(map) || bh_marker_load(a->opts.state_dir, &unread, &m) != -ENOENT)
		return 0;
	return bh_diag_add(d, BH_ERROR, NULL,
			   "add failsafe: [ { from: { cidr: [YOUR DESK/32] }, port: tcp/22 } ], or "
			   "begin with mode: observe",
			   "%s: the first map that enforces on this host needs a failsafe",
			   map->file);
}

int bh_agent_rehearse(struct bh_agent *a, const struct bh_live *l, struct bh_diags *d,
		      __u64 *ret_gen)
{
	int r = check_first(a, l->map, d);

	if (r == 0)
		r = bh_kern_stage(a->kern, l->compiled, d, ret_gen);
	return r ? r : bh_asserts_hold(a, l->map, l->compiled, *ret_gen, d);
}

/* --- the disk ------------------------------------------------------------------------------ */

int bh_agent_save(struct bh_agent *a, const struct bh_live *l, __u64 gen, struct bh_diags *d)
{
	struct bh_state s = {
		.generation = gen,
		.map = l->map ? l->map->text : NULL,
		.map_bytes = l->map ? l->map->text_len : 0,
		.file = l->origin.file,
		.by = l->origin.by,
		.at_ms = l->origin.at_ms,
		.numbers = l->numbers,
		.cap_observe = l->capped && !a->boot_observe,
		.detached = a->detached,
	};

	if (l->compiled)
		bh_compiled_digest(l->compiled, s.basis);
	return bh_state_save(a->opts.state_dir, &s, d);
}

/* Under `mode observe` nothing is denied: that alone makes no host one that has enforced. */
static bool marks(const struct bh_agent *a, const struct bh_live *l)
{
	return bh_map_enforces(l->map) && !(l->capped && bh_never_enforced(a));
}

/* From here on this host has enforced: it will not start open again. */
static int mark(const struct bh_agent *a, const struct bh_live *l, __u64 gen, struct bh_diags *d)
{
	_cleanup_(bh_marker_clear) struct bh_marker m = {.generation = gen};
	int r;

	if (!marks(a, l))
		return 0;
	r = bh_failsafes_yaml(l->map, &m.failsafes);
	if (r < 0) {
		(void)bh_diag_add(d, BH_ERROR, NULL, "report it, with the failsafes of the map",
				  "the failsafes can't be kept for a bad day: %s", strerror(-r));
		return r;
	}
	return bh_marker_save(a->opts.state_dir, &m, d);
}

/* What a commit that goes no further has written. */
void bh_agent_unwrite(const struct bh_agent *a, const struct bh_live *l)
{
	bh_state_undo(a->opts.state_dir);
	if (marks(a, l))
		bh_marker_undo(a->opts.state_dir);
}

int bh_agent_write_down(struct bh_agent *a, const struct bh_live *l, __u64 gen, struct bh_diags *d)
{
	bool detached = a->detached;
	int r;

	a->detached = false;
	r = bh_agent_save(a, l, gen, d);
	if (r == 0) {
		r = mark(a, l, gen, d);
		if (r < 0)
			bh_state_undo(a->opts.state_dir);
	}
	if (r < 0)
		a->detached = detached;
	return r;
}

/* --- commit ---------------------------------------------------------------------------------- */

static void take_over(struct bh_agent *a, struct bh_live *l, struct bh_commit *c)
{
	c->old = TAKE_PTR(a->live.map);
	bh_live_clear(&a->live);
	a->live = *l;
	*l = (struct bh_live){0};
	a->no_policy = false;
	a->state_trouble[0] = '\0';
	a->users_trouble[0] = '\0';
}

void bh_agent_relieve(struct bh_agent *a)
{
	_cleanup_diags_ struct bh_diags d = {0};
	int r;

	if (!bh_kern_next(a->kern))
		return;
	r = bh_kern_relieve(a->kern, &d);
	bh_log_diags(&d);
	if (r <= 0)
		return;
	bh_notice("programs of another version that stood beside ours were relieved");
	bh_record_agent(a, "handover", NULL);
}

static int put_in_force(struct bh_agent *a, struct bh_live *l, struct bh_commit *c,
			struct bh_diags *d)
{
	int r = bh_agent_write_down(a, l, c->generation, d);

	if (r < 0)
		return r;
	r = bh_kern_publish(a->kern);
	if (r < 0) {
		bh_agent_unwrite(a, l);
		(void)bh_diag_add(d, BH_ERROR, NULL, NULL, "can't publish: %s", strerror(-r));
		return r;
	}
	take_over(a, l, c);
	(void)bh_kern_set_ctl(a->kern, 0, BH_CTL_OBSERVE);
	bh_agent_relieve(a);
	bh_agent_tell_status(a);
	c->cut = bh_kern_cut(a->kern, bh_net_destroy);
	return 0;
}

/* There is one map again: those who were held by another alone are so no longer. */
void bh_agent_holds_again(struct bh_agent *a)
{
	_cleanup_diags_ struct bh_diags d = {0};

	if (bh_holds_push(a, &a->live, &d) < 0)
		bh_log_diags(&d);
}

int bh_agent_commit(struct bh_agent *a, struct bh_live *l, struct bh_commit *c, struct bh_diags *d)
{
	int r = bh_agent_rehearse(a, l, d, &c->generation);

	if (r == 0 && c->guard)
		r = c->guard(a, l, c->generation, c->guard_ctx, d);
	if (r < 0)
		return r;
	/* who is in quarantine is so from the first packet of the new map on */
	r = bh_holds_push(a, l, d);
	if (r == 0)
		r = c->confirm_ns ? bh_trial_begin(a, l, c, d) : put_in_force(a, l, c, d);
	if (!bh_trial_runs(a))
		bh_agent_holds_again(a);
	return r;
}

/* --- the same map again ------------------------------------------------------------------------ */

static int origin_copy(const struct bh_origin *o, struct bh_origin *ret)
{
	ret->file = o->file ? strdup(o->file) : NULL;
	ret->by = o->by ? strdup(o->by) : NULL;
	ret->at_ms = o->at_ms;
	return (o->file && !ret->file) || (o->by && !ret->by) ? -ENOMEM : 0;
}

static int compile_live(struct bh_agent *a, struct bh_live *ret, struct bh_diags *d)
{
	_cleanup_(bh_live_clear) struct bh_live l = {0};
	const struct bh_map *map = a->live.map;
	int r = bh_agent_compile(a, map->file, map->text, map->text_len, d, &l);

	if (r == 0)
		r = origin_copy(&a->live.origin, &l.origin);
	if (r < 0)
		return r;
	*ret = l;
	l = (struct bh_live){0};
	return 0;
}

int bh_agent_renew(struct bh_agent *a, bool capped, struct bh_commit *c, struct bh_diags *d)
{
	_cleanup_(bh_live_clear) struct bh_live l = {0};
	int r = compile_live(a, &l, d);

	if (r < 0)
		return r;
	bh_live_cap(&l, capped);
	return bh_agent_commit(a, &l, c, d);
}

int bh_agent_recompile(struct bh_agent *a, struct bh_diags *d)
{
	_cleanup_(bh_commit_clear) struct bh_commit c = {0};
	_cleanup_(bh_live_clear) struct bh_live l = {0};
	bool clock = bh_agent_clock_was_set(a);
	char now[65], live[65];
	int r;

	/* what waits to be confirmed stays what it is; the next look is after that */
	if (!a->live.map || a->no_policy || bh_trial_runs(a))
		return 0;
	r = compile_live(a, &l, d);
	if (r < 0)
		return r;
	bh_compiled_digest(l.compiled, now);
	bh_compiled_digest(a->live.compiled, live);
	if (!clock && !strcmp(now, live))
		return 0;
	r = bh_agent_commit(a, &l, &c, d);
	if (r < 0)
		return r;
	bh_notice("generation %llu: %s", (unsigned long long)c.generation,
		  clock ? "rules end by the clock, which was set or is looked at anew"
			: "users or groups of the map changed");
	bh_past_note(a, &(struct bh_past_note){.how = clock ? BH_HOW_CLOCK : BH_HOW_USERS}, NULL);
	bh_record_agent(a, clock ? "clock" : "users",
			json_pack("{s:{s:i}}", "counts", "cut", MAX(c.cut, 0)));
	return 0;
}
