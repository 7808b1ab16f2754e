/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restore.c - what to enforce at start. The kernel's pinned generation goes on whatever the
 * disk says; without one the disk decides, and a host that has enforced never starts open.
 * Called by agent.c, after the kernel side is attached and before there are NICs.
 */
#include <errno.h>
#include <string.h>
#include "agent.h"
#include "base/io.h"
#include "control/record.h"
#include "control/state.h"
#include "failsafe.h"

/* What programs of another version enforce beside ours, which have no generation yet; 0: nothing. */
static __u64 held_generation(const struct bh_agent *a)
{
	const struct bh_kern *next = bh_kern_next(a->kern);
	struct bh_trial t;

	if (!next)
		return 0;
	/* an upgrade in the middle of a trial ends it: what it falls back to is what counts */
	return bh_kern_trial(next, &t) ? t.back : bh_kern_generation(next);
}

/*
 * What the kernel enforces as `state` knows it. A trial is not in there: what it falls back to
 * is. One that ended with nobody there is settled first, and the disk catches up with it. A confirm
 * that was cut short is in there: it counts, as it would after a reboot.
 */
static __u64 live_generation(struct bh_agent *a, struct bh_state *s)
{
	_cleanup_(bh_unconfirmed_clear) struct bh_unconfirmed tried = {0};
	_cleanup_diags_ struct bh_diags d = {0};
	__u64 live;
	struct bh_trial t;
	bool said = false;

	if (bh_kern_trial(a->kern, &t)) {
		said = s->generation == t.generation;
		if (said && bh_kern_confirm(a->kern) == 0)
			return t.generation;
		if (!t.fell)
			return t.back;
		bh_warning("generation %llu was not confirmed: what was before it is enforced",
			   (unsigned long long)t.generation);
		(void)bh_kern_fall(a->kern);
	}
	live = bh_kern_generation(a->kern);
	/* newer than what is enforced, and so enforced anew */
	if (said)
		s->generation = live + 1;
	else if (live && bh_unconfirmed_load(a->opts.state_dir, &d, &tried) == 0 &&
		 tried.s.generation + 1 == live && s->generation == tried.back)
		s->generation = live;
	return live;
}

/* The first error's text is what `status` will show. */
static void keep_trouble(struct bh_agent *a, const struct bh_diags *d, const char *by_default)
{
	const char *text = by_default;

	for (size_t i = d->n; i-- > 0;)
		if (d->list[i].severity == BH_ERROR)
			text = d->list[i].text;
	snprintf(a->state_trouble, sizeof(a->state_trouble), "%s", text);
}

int bh_agent_restore_floor(struct bh_agent *a, __u64 *ret_floor)
{
	_cleanup_(bh_marker_clear) struct bh_marker m = {0};
	_cleanup_(bh_unconfirmed_clear) struct bh_unconfirmed tried = {0};
	_cleanup_(bh_state_clear) struct bh_state s = {0};
	_cleanup_diags_ struct bh_diags d = {0};
	__u64 floor = 0;
	int r = bh_marker_load(a->opts.state_dir, &d, &m);

	if (r == -ENOMEM)
		return r;
	floor = MAX(m.generation, m.emergency);
	r = bh_state_load(a->opts.state_dir, 0, &d, &s);
	if (r == -ENOMEM)
		return r;
	*ret_floor = MAX(floor, s.generation);
	/* one that was tried had a number, and what was before it another after it */
	r = bh_unconfirmed_load(a->opts.state_dir, &d, &tried);
	if (r == 0)
		*ret_floor = MAX(*ret_floor, tried.s.generation + 1);
	return r == -ENOMEM ? r : 0;
}

/* --- the disk ------------------------------------------------------------------------------------ */

/* Puts @s on: numbers and flags are good whatever becomes of its map. */
static void take_flags(struct bh_agent *a, struct bh_state *s)
{
	bh_numbers_free(a->live.numbers);
	a->live.numbers = TAKE_PTR(s->numbers);
	a->live.capped = s->cap_observe;
	a->detached = s->detached;
}

static void take_origin(struct bh_state *s, struct bh_origin *ret)
{
	ret->file = TAKE_PTR(s->file);
	ret->by = TAKE_PTR(s->by);
	ret->at_ms = s->at_ms;
}

/*
 * The kernel enforces what @s says: nothing is staged, only known again. Return: 0, -ESTALE
 * (this agent, or the users of now, make something else of the map), -errno.
 */
static int know_again(struct bh_agent *a, struct bh_state *s, struct bh_diags *d)
{
	_cleanup_(bh_live_clear) struct bh_live l = {0};
	char basis[65];
	int r = bh_agent_compile(a, s->file ? s->file : "state", s->map, s->map_bytes, d, &l);

	if (r < 0)
		return r;
	bh_compiled_digest(l.compiled, basis);
	if (strcmp(basis, s->basis) != 0)
		return -ESTALE;
	take_origin(s, &l.origin);
	l.ahead_s = BH_AHEAD_UNKNOWN;
	bh_live_clear(&a->live);
	a->live = l;
	l = (struct bh_live){0};
	return 0;
}

/* After a reboot; or power went, or the agent was killed, between the disk and the kernel. */
static int enforce(struct bh_agent *a, struct bh_state *s, struct bh_diags *d)
{
	_cleanup_(bh_commit_clear) struct bh_commit c = {0};
	_cleanup_(bh_live_clear) struct bh_live l = {0};
	int r = bh_agent_compile(a, s->file ? s->file : "state", s->map, s->map_bytes, d, &l);

	if (r < 0)
		return r;
	take_origin(s, &l.origin);
	r = bh_agent_commit(a, &l, &c, d);
	if (r < 0)
		return r;
	bh_notice("generation %llu: the last good map, %s", (unsigned long long)c.generation,
		  a->live.map->file);
	bh_record_agent(a, "restore", NULL);
	return 0;
}

/* --- no map can be read ---------------------------------------------------------------------------- */

/* By hand, not by commit: the state on disk stays what it is, for whoever repairs it. */
static int enforce_failsafes(struct bh_agent *a, struct bh_marker *m, bool known,
			     struct bh_diags *d)
{
	_cleanup_(bh_live_clear) struct bh_live l = {0};
	_cleanup_diags_ struct bh_diags unsaid = {0};
	int r = bh_agent_compile(a, "failsafes", m->failsafes, strlen(m->failsafes), d, &l);

	if (r == 0 && !known)
		r = bh_kern_stage(a->kern, l.compiled, d, &m->emergency);
	if (r == 0 && !known)
		r = bh_kern_publish(a->kern);
	if (r < 0)
		return r;
	bh_live_clear(&a->live);
	a->live = l;
	l = (struct bh_live){0};
	a->no_policy = true;
	if (known)
		return 0;
	(void)bh_kern_cut(a->kern, bh_net_destroy);
	/* so that a state that comes back is not older than what was never a map */
	(void)bh_marker_save(a->opts.state_dir, m, &unsaid);
	bh_record_agent(a, "failsafes", NULL);
	return 0;
}

static int no_map(struct bh_agent *a, struct bh_marker *m, bool known, struct bh_diags *d)
{
	int r = 0;

	if (!m->failsafes)
		r = bh_failsafes_yaml(NULL, &m->failsafes);
	if (r == 0)
		r = enforce_failsafes(a, m, known, d);
	if (r == 0)
		(void)bh_diag_add(d, BH_WARNING, NULL, "apply a map: bulkhead apply FILE",
				  "this host has enforced and its map can't be read: only "
				  "failsafes are open");
	return r;
}

/* --- all together ------------------------------------------------------------------------------------ */

/* The map of @s, live or to be. What goes wrong here is kept and said, not returned. */
static int restore_map(struct bh_agent *a, struct bh_state *s, __u64 live, struct bh_diags *d)
{
	struct bh_trial t;

	/* what the kernel enforces outlives a detach that was cut short */
	if (!s->map || (s->detached && !live && !held_generation(a)))
		return 0;
	if (live && live == s->generation) {
		int r = know_again(a, s, d);

		if (r != -ESTALE)
			return r;
	}
	/* both sides are in use by a trial, and what it falls back to is not what it would be now */
	if (bh_kern_trial(a->kern, &t))
		(void)bh_kern_fall(a->kern);
	return enforce(a, s, d);
}

static void demote(const struct bh_diags *from, struct bh_diags *to)
{
	for (size_t i = 0; i < from->n; i++) {
		const struct bh_diag *f = &from->list[i];
		struct bh_where where = {f->file, NULL, f->line, f->col, f->len};

		/* what the map's author was told when it was applied */
		if (f->severity != BH_ERROR)
			continue;
		(void)bh_diag_add(to, BH_WARNING, f->file ? &where : NULL, f->help, "%s", f->text);
	}
}

/*
 * A word on the kernel's command line, for who is locked out and has nothing but a boot loader:
 * this boot observes, whatever the disk says, which stays as it is.
 */
static bool booted_to_observe(void)
{
	static const char flag[] = "bulkhead=observe";
	_cleanup_free_ char *line = NULL;
	char *save, *word;

	if (bh_file_read("/proc/cmdline", 1 << 16, &line, NULL) < 0)
		return false;
	for (word = strtok_r(line, " \n", &save); word; word = strtok_r(NULL, " \n", &save))
		if (!strcmp(word, flag))
			return true;
	return false;
}

int bh_agent_restore(struct bh_agent *a, struct bh_diags *d)
{
	_cleanup_(bh_marker_clear) struct bh_marker m = {0};
	_cleanup_(bh_state_clear) struct bh_state s = {0};
	_cleanup_diags_ struct bh_diags said = {0};
	int marker = bh_marker_load(a->opts.state_dir, &said, &m);
	int r = bh_state_load(a->opts.state_dir, 0, &said, &s);
	__u64 own = live_generation(a, &s), live = MAX(own, held_generation(a));
	bool emergency = live && live == m.emergency;

	a->boot_observe = booted_to_observe();
	if (r == 0)
		r = bh_state_check(a->opts.state_dir, &s,
				   emergency ? m.generation : MAX(live, m.generation), &said);
	if (r == -ENOENT && (live || marker != -ENOENT))
		(void)bh_diag_add(&said, BH_ERROR, NULL, "apply the map that should hold",
				  "%s/state is missing, and this host has enforced",
				  a->opts.state_dir);
	else if (r == 0) {
		take_flags(a, &s);
		r = restore_map(a, &s, own, &said);
	} else if (r == -ENOENT) {
		r = 0;
	}
	if (r < 0 || said.n_errors)
		keep_trouble(a, &said, "the map on disk can't be used");
	demote(&said, d);
	(void)bh_trial_resume(a, d);
	/* a host with a generation, or one that never denied, goes on as it is */
	if (r == 0 || (live && !emergency) || marker == -ENOENT)
		return 0;
	return no_map(a, &m, emergency && bh_kern_generation(a->kern) == live, d);
}
