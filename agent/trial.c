/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trial.c - a generation that has to be confirmed: the kernel falls back by itself at its
 * deadline (agent/kern/trial.c), with or without us; here is what has to be known and written
 * down about it. Called by commit.c, restore.c and the verbs that confirm and roll back.
 *
 * On the disk `state` stays what it was, the map to fall back to, and `unconfirmed` says what is
 * tried: so a reboot in between begins with the former. `enforced`, the marker, is written when
 * it is confirmed: a host that only tried to enforce has not enforced.
 */
#include <errno.h>
#include <string.h>
#include "agent.h"
#include "control/record.h"
#include "control/past.h"
#include "control/state.h"

bool bh_trial_runs(const struct bh_agent *a)
{
	struct bh_trial t;

	return bh_kern_trial(a->kern, &t);
}

static void disarm(struct bh_agent *a)
{
	a->deadline = sd_event_source_disable_unref(a->deadline);
}

/* The kernel has gone back by now. Until the agent has, too, it tries again every second. */
static int on_deadline(sd_event_source *source, _unused_ uint64_t usec, void *arg)
{
	int r = bh_trial_revert(arg, "nobody confirmed it in time");

	if (r == 0 || r == -ENOENT)
		return 0;
	(void)sd_event_source_set_time_relative(source, 1000000);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int arm(struct bh_agent *a, __u64 deadline_ns)
{
	/* in unit tests there is no loop */
	if (!a->event)
		return 0;
	return sd_event_add_time(a->event, &a->deadline, CLOCK_BOOTTIME, deadline_ns / 1000 + 1,
				 1000, on_deadline, a);
}

/* --- begin ------------------------------------------------------------------------------------- */

static int save(struct bh_agent *a, const struct bh_live *l, const struct bh_trial *t,
		struct bh_diags *d)
{
	struct bh_unconfirmed u = {
		.s = {.generation = t->generation,
		      .map = l->map->text,
		      .map_bytes = l->map->text_len,
		      .file = l->origin.file,
		      .by = l->origin.by,
		      .at_ms = l->origin.at_ms,
		      .numbers = l->numbers,
		      .cap_observe = l->capped && !a->boot_observe},
		.back = t->back,
		.began_ns = a->trial_began_ns,
	};

	bh_compiled_digest(l->compiled, u.s.basis);
	return bh_unconfirmed_save(a->opts.state_dir, &u, d);
}

static void take_over(struct bh_agent *a, struct bh_live *l)
{
	a->back = a->live;
	a->back_detached = a->detached;
	a->back_no_policy = a->no_policy;
	a->live = *l;
	a->detached = a->no_policy = false;
	*l = (struct bh_live){0};
}

int bh_trial_begin(struct bh_agent *a, struct bh_live *l, struct bh_commit *c, struct bh_diags *d)
{
	struct bh_trial t = {
		.generation = c->generation,
		.back = bh_kern_generation(a->kern),
		.deadline_ns = a->clock->boot_ns() + c->confirm_ns,
	};
	int r;

	a->trial_began_ns = a->clock->boot_ns();
	a->trial_broken = 0;
	r = save(a, l, &t, d);
	if (r < 0)
		return r;
	r = arm(a, t.deadline_ns);
	if (r == 0)
		r = bh_kern_publish_trial(a->kern, t.deadline_ns);
	if (r < 0) {
		disarm(a);
		bh_unconfirmed_forget(a->opts.state_dir);
		(void)bh_diag_add(d, BH_ERROR, NULL, NULL, "can't publish: %s", strerror(-r));
		return r;
	}
	take_over(a, l);
	c->cut = 0;
	bh_agent_tell_status(a);
	bh_warning("generation %llu is UNCONFIRMED: it falls back in %llu s unless it is confirmed",
		   (unsigned long long)t.generation,
		   (unsigned long long)(c->confirm_ns / 1000000000ull));
	return 0;
}

/* --- confirm ------------------------------------------------------------------------------------ */

static int refuse(struct bh_diags *d, int r)
{
	(void)bh_diag_add(d, BH_ERROR, NULL, NULL, "%s",
			  r == -ENOENT ? "nothing waits to be confirmed"
				       : "too late: it has fallen back already");
	return r;
}

int bh_trial_confirm(struct bh_agent *a, int *ret_cut, struct bh_diags *d)
{
	struct bh_trial t;
	int r;

	if (!bh_kern_trial(a->kern, &t))
		return refuse(d, -ENOENT);
	if (t.fell)
		return refuse(d, -ETIME);
	r = bh_agent_write_down(a, &a->live, t.generation, d);
	if (r < 0)
		return r;
	r = bh_kern_confirm(a->kern);
	if (r < 0) {
		bh_agent_unwrite(a, &a->live);
		return refuse(d, r);
	}
	disarm(a);
	bh_unconfirmed_forget(a->opts.state_dir);
	bh_live_clear(&a->back);
	a->state_trouble[0] = a->users_trouble[0] = '\0';
	(void)bh_kern_set_ctl(a->kern, 0, BH_CTL_OBSERVE);
	bh_agent_holds_again(a);
	bh_agent_relieve(a);
	bh_agent_tell_status(a);
	bh_notice("generation %llu is confirmed", (unsigned long long)t.generation);
	(void)bh_history_mark(a->history, t.generation, BH_CONFIRMED, d);
	*ret_cut = bh_kern_cut(a->kern, bh_net_destroy);
	return 0;
}

/* --- the way back ------------------------------------------------------------------------------- */

/* Segments keep the numbers that the trial gave them: some of its events may still come. */
static void take_back(struct bh_agent *a)
{
	bh_numbers_free(a->back.numbers);
	a->back.numbers = TAKE_PTR(a->live.numbers);
	bh_live_clear(&a->live);
	a->live = a->back;
	a->detached = a->back_detached;
	a->no_policy = a->back_no_policy;
	a->back = (struct bh_live){0};
}

/* The same map has another generation now. Until that is on the disk `unconfirmed` says why. */
static void write_back(struct bh_agent *a)
{
	_cleanup_diags_ struct bh_diags d = {0};
	__u64 gen = bh_kern_generation(a->kern);

	if (gen && (a->no_policy || a->state_trouble[0]))
		return;
	if (gen && bh_agent_save(a, &a->live, gen, &d) < 0) {
		bh_log_diags(&d);
		return;
	}
	bh_unconfirmed_forget(a->opts.state_dir);
}

static void note(struct bh_agent *a, const struct bh_trial *t)
{
	_cleanup_diags_ struct bh_diags d = {0};

	(void)bh_history_mark(a->history, t->generation, BH_REVERTED, &d);
	if (a->live.map)
		bh_past_note(a, &(struct bh_past_note){.how = BH_HOW_ROLLBACK, .of = t->back}, &d);
	bh_log_diags(&d);
}

int bh_trial_revert(struct bh_agent *a, const char *why)
{
	struct bh_trial t;
	int r;

	if (!bh_kern_trial(a->kern, &t))
		return -ENOENT;
	r = bh_kern_fall(a->kern);
	if (r < 0) {
		bh_error("can't settle generation %llu: %s", (unsigned long long)t.generation,
			 strerror(-r));
		return r;
	}
	disarm(a);
	take_back(a);
	write_back(a);
	bh_agent_holds_again(a);
	bh_log_id(BH_LOG_WARNING, BH_MESSAGE_REVERTED,
		  "generation %llu was REVERTED: %s; generation %llu is what was before",
		  (unsigned long long)t.generation, why,
		  (unsigned long long)bh_kern_generation(a->kern));
	bh_record_agent(a, "revert", json_pack("{s:s}", "reason", why));
	note(a, &t);
	bh_agent_tell_status(a);
	(void)bh_kern_cut(a->kern, bh_net_destroy);
	return 0;
}

/* --- at start ----------------------------------------------------------------------------------- */

/* What @s says, compiled as it was then. Return: 0, -ESTALE, -errno. */
static int know(struct bh_agent *a, struct bh_state *s, struct bh_diags *d, struct bh_live *ret)
{
	_cleanup_(bh_live_clear) struct bh_live l = {0};
	struct bh_numbers *mine = a->live.numbers;
	char basis[65];
	int r;

	a->live.numbers = s->numbers;
	r = bh_agent_compile(a, s->file ? s->file : "state", s->map, s->map_bytes, d, &l);
	a->live.numbers = mine;
	if (r < 0)
		return r;
	bh_live_cap(&l, s->cap_observe || a->boot_observe);
	bh_compiled_digest(l.compiled, basis);
	if (strcmp(basis, s->basis) != 0)
		return -ESTALE;
	l.origin.file = TAKE_PTR(s->file);
	l.origin.by = TAKE_PTR(s->by);
	l.origin.at_ms = s->at_ms;
	l.ahead_s = BH_AHEAD_UNKNOWN;
	*ret = l;
	l = (struct bh_live){0};
	return 0;
}

/* None runs. If one is on the disk it ended with a reboot, a detach, or while we were away. */
static int forget(struct bh_agent *a)
{
	_cleanup_(bh_unconfirmed_clear) struct bh_unconfirmed u = {0};
	_cleanup_diags_ struct bh_diags d = {0};

	if (bh_unconfirmed_load(a->opts.state_dir, &d, &u) != -ENOENT)
		write_back(a);
	return 0;
}

/*
 * The agent died while a trial runs. restore.c has made a->live what it falls back to; if the
 * trial itself is not known any more, it ends here.
 */
int bh_trial_resume(struct bh_agent *a, struct bh_diags *d)
{
	_cleanup_(bh_unconfirmed_clear) struct bh_unconfirmed u = {0};
	_cleanup_(bh_live_clear) struct bh_live l = {0};
	struct bh_trial t;
	int r;

	if (!bh_kern_trial(a->kern, &t))
		return forget(a);
	r = bh_unconfirmed_load(a->opts.state_dir, d, &u);
	if (r == 0 && u.s.generation != t.generation)
		r = -ESTALE;
	if (r == 0)
		r = know(a, &u.s, d, &l);
	if (r == 0)
		r = arm(a, t.deadline_ns);
	if (r == 0) {
		take_over(a, &l);
		a->trial_began_ns = u.began_ns;
		bh_warning("generation %llu is still UNCONFIRMED",
			   (unsigned long long)t.generation);
		return 0;
	}
	take_over(a, &(struct bh_live){.numbers = bh_numbers_copy(a->live.numbers)});
	return bh_trial_revert(a, "the agent that restarted does not know it");
}
