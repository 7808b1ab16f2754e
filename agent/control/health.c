/* SPDX-License-Identifier: Apache-2.0 */
/*
 * health.c - see health.h. Three kinds of problems: those through which something is not enforced,
 * those that wait for somebody, and those that only should be known.
 */
#include <errno.h>
#include <string.h>
#include "../holds.h"
#include "../first.h"
#include "../pairs.h"
#include "../telemetry/telemetry.h"
#include "audit.h"
#include "health.h"

struct exam {
	struct bh_agent *a;
	json_t *problems, *found;
	const char *check; /* what is looked at, as `doctor` calls it */
	bool weak;	   /* something is not enforced */
	bool waits;	   /* somebody has to look */
	bool oom;
};

_printf_(3, 4) static void say(struct exam *e, bool fail, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	if (!text || json_array_append_new(e->problems, bh_json_text(text)) < 0 ||
	    json_array_append_new(e->found, json_pack("{s:s s:s s:o}", "check", e->check, "result",
						      fail ? "fail" : "warn", "text",
						      bh_json_text(text))) < 0)
		e->oom = true;
	e->weak |= fail;
}

#define note(e, ...) say(e, false, __VA_ARGS__)
#define weak(e, ...) say(e, true, __VA_ARGS__)

/* --- the kernel's side -------------------------------------------------------------------------- */

static void exam_hooks(struct exam *e)
{
	struct bh_hook_state hook[BH_AGENT_HOOKS_MAX];
	size_t n = bh_kern_hooks(e->a->kern, hook, ARRAY_SIZE(hook));
	const struct bh_feature *f;
	size_t n_features = bh_kern_features(e->a->kern, &f);
	char pins[BH_PINS_TEXT];

	e->check = "pins";
	if (*bh_kern_pins(e->a->kern, pins))
		weak(e, "%s", pins);
	e->check = "hooks";
	if (e->a->hooks_trouble[0])
		weak(e, "%s", e->a->hooks_trouble);
	for (size_t i = 0; i < n; i++) {
		e->check = hook[i].name;
		if (!hook[i].ok && strcmp(hook[i].mode, "unsupported") != 0)
			weak(e, "hook %s is %s", hook[i].name, hook[i].mode);
	}
	e->check = "kernel";
	for (size_t i = 0; i < n_features; i++)
		if (!f[i].works)
			note(e, "this kernel has no %s: %s", f[i].name, f[i].effect);
}

/* A handover that has not come to its end. */
static void exam_others(struct exam *e)
{
	const struct bh_kern *s = e->a->kern;

	e->check = "versions";
	while ((s = bh_kern_next(s)))
		weak(e, "programs of another version (v%d) enforce generation %llu beside ours",
		     bh_kern_abi(s), (unsigned long long)bh_kern_generation(s));
}

static void on_absent(void *ctx, const char *name)
{
	struct exam *e = ctx;

	weak(e, "device %s of --interfaces is not there", name);
}

static void exam_nics(struct exam *e)
{
	const struct bh_agent *a = e->a;

	e->check = "devices";
	for (size_t i = 0; i < a->n_nic; i++)
		if (!a->nic[i].ok)
			weak(e, "device %s: %s", a->nic[i].name, a->nic[i].trouble);
	bh_nics_absent(a, on_absent, e);
	if (!a->n_nic)
		note(e, "no device has a program: what the kernel itself answers (ping, tunnels, "
			"forwarding) is not judged; name them with --interfaces");
}

/* The flag is always up where nobody tells of new cgroups: there the count decides. */
static bool cgroups_are_full(const struct bh_agent *a)
{
	__u64 stat[BH_STAT_MAX];

	if (!(bh_kern_ctl(a->kern) & BH_CTL_CGROUPS_FULL))
		return false;
	return bh_kern_has(a->kern, "cgroup_mkdir") || bh_kern_stats(a->kern, stat) < 0 ||
	       stat[BH_STAT_CGROUPS_LOST];
}

static void exam_tables(struct exam *e)
{
	__u64 stat[BH_STAT_MAX];

	e->check = "cgroups";
	if (cgroups_are_full(e->a))
		weak(e, "there are more cgroups than %d: workloads in the others are denied",
		     BH_AGENT_MAX_CGROUPS);
	e->check = "addresses";
	if (e->a->locals_lost)
		weak(e, "this host has more addresses than the kernel's table holds");
	e->check = "events";
	if (bh_kern_stats(e->a->kern, stat) < 0) {
		note(e, "the counters can't be read");
		return;
	}
	e->check = "listeners";
	if (stat[BH_STAT_LISTENERS_LOST])
		note(e, "%llu listeners found no room in the table: their sockets decide alone",
		     (unsigned long long)stat[BH_STAT_LISTENERS_LOST]);
	e->check = "events";
	if (stat[BH_STAT_EVENTS_LOST])
		note(e, "%llu of %llu events were lost; counters are exact",
		     (unsigned long long)stat[BH_STAT_EVENTS_LOST],
		     (unsigned long long)stat[BH_STAT_EVENTS_SEEN]);
}

/* --- telemetry ------------------------------------------------------------------------------------ */

/* Enforcement does not rest on it: a sink that fails is no "no" of `status`. */
static void exam_sinks(struct exam *e)
{
	const struct bh_telemetry *t = e->a->telemetry;

	e->check = "telemetry";
	for (size_t i = 0; t && i < bh_telemetry_count(t); i++) {
		const struct bh_sink *s = bh_telemetry_at(t, i);

		if (s->trouble[0])
			note(e, "telemetry: %s: %s", s->ops->name, s->trouble);
	}
}

/* --- the map -------------------------------------------------------------------------------------- */

static bool has_failsafe(const struct bh_map *map)
{
	for (size_t i = 0; i < map->n_rule; i++)
		if (map->rule[i].kind == BH_RULE_FAILSAFE)
			return true;
	return false;
}

/* Something is enforced, if not by us. */
static bool is_held(const struct bh_agent *a)
{
	const struct bh_kern *next = bh_kern_next(a->kern);

	return next && bh_kern_generation(next);
}

/* What ends by the clock. */
static void exam_clock(struct exam *e)
{
	__u64 until = bh_kern_open_until(e->a->kern), now = e->a->clock->boot_ns();
	struct bh_trial t;

	e->check = "emergency";
	if (until)
		weak(e,
		     "EMERGENCY: nothing is denied but by name, for another %llu s; end it by "
		     "`bulkhead emergency close`",
		     (unsigned long long)((MAX(until, now) - now) / 1000000000ull));
	e->check = "trial";
	e->waits |= bh_kern_trial(e->a->kern, &t) && !t.fell;
	if (e->waits)
		note(e,
		     "generation %llu is UNCONFIRMED and falls back to %llu in %llu s: from a new "
		     "login say `bulkhead confirm`",
		     (unsigned long long)t.generation, (unsigned long long)t.back,
		     (unsigned long long)((MAX(t.deadline_ns, now) - now) / 1000000000ull));
	if (bh_trial_runs(e->a) && e->a->trial_broken)
		note(e, "it denied %u connections that used to pass: bulkhead flows --denied",
		     e->a->trial_broken);
}

static void exam_holds(struct exam *e)
{
	const struct bh_holds *h = e->a->holds;

	e->check = "quarantine";
	if (h && h->unsaved)
		note(e, "quarantines and grants can't be written: a restart would forget the last "
			"change");
	if (h && h->lost)
		weak(e,
		     "the list of quarantines and grants can't be read: who the kernel holds stays "
		     "held; bulkhead release all, then say them again");
	for (size_t i = 0; h && i < h->n_hold; i++)
		note(e, "%s is in quarantine%s: %s", h->hold[i].who,
		     h->hold[i].hard ? ", failsafes too" : "", h->hold[i].note.reason);
	e->check = "grants";
	if (h && h->n_granted)
		note(e, "%zu grant%s open: bulkhead get grants", h->n_granted,
		     h->n_granted == 1 ? " is" : "s are");
}

static void exam_metrics(struct exam *e)
{
	const struct bh_agent *a = e->a;

	e->check = "metrics";
	if (a->prom_trouble[0])
		note(e, "%s", a->prom_trouble);
	if (a->scrape_trouble[0])
		note(e, "%s", a->scrape_trouble);
}

static void exam_map(struct exam *e)
{
	const struct bh_agent *a = e->a;
	__u64 gen = bh_kern_generation(a->kern);

	e->check = "policy";
	if (a->boot_observe)
		weak(e, "this host was booted with bulkhead=observe: nothing is denied until "
			"`bulkhead mode enforce`");
	e->check = "state";
	if (a->state_trouble[0])
		weak(e, "%s", a->state_trouble);
	e->check = "identity";
	if (a->births_trouble[0])
		weak(e, "%s", a->births_trouble);
	e->check = "users";
	if (a->users_trouble[0])
		weak(e, "%s", a->users_trouble);
	e->check = "settings";
	if (a->config_trouble[0] && a->opts.refused)
		weak(e, "%s", a->config_trouble);
	else if (a->config_trouble[0])
		note(e, "%s", a->config_trouble);
	e->check = "pairs";
	if (*bh_pairs_trouble(a))
		note(e, "%s", bh_pairs_trouble(a));
	e->check = "audit log";
	if (a->audit_trouble[0])
		note(e, "%s", a->audit_trouble);
	if (a->audit && *bh_audit_found(a->audit)) {
		note(e,
		     "the audit log was tampered with: %s; see `bulkhead audit verify`, then "
		     "`bulkhead audit accept`",
		     bh_audit_found(a->audit));
		e->waits = true;
	}
	e->check = "policy";
	if (a->no_policy)
		weak(e,
		     "this host has enforced and its map can't be read: only failsafes are open");
	else if (!gen && a->detached)
		weak(e, "enforcement was ended by `bulkhead detach`; `bulkhead apply` begins it "
			"again");
	else if (!gen && is_held(a))
		weak(e, "the map in force can't be read: apply it again");
	else if (!gen)
		weak(e, "no map was applied yet: nothing is denied");
	else if (!a->live.map)
		weak(e, "generation %llu is enforced, but its map can't be read: apply it again",
		     (unsigned long long)gen);
	if (a->live.map && !a->no_policy && bh_map_enforces(a->live.map)) {
		if (!has_failsafe(a->live.map))
			note(e, "the map has no failsafe: a mistake in it can lock you out");
		if (bh_agent_is_capped(a) && bh_never_enforced(a) && !a->boot_observe)
			weak(e, "first apply: nothing is denied until `bulkhead apply --enforce "
				"FILE` or `bulkhead mode enforce`");
		else if (bh_agent_is_capped(a))
			weak(e, "`bulkhead mode observe` is on: the map would enforce");
	}
}

static const char *state_of(const struct exam *e)
{
	const struct bh_agent *a = e->a;

	if (a->no_policy || (!bh_kern_generation(a->kern) && !is_held(a)))
		return "no_policy";
	if (bh_kern_open_until(a->kern))
		return "emergency";
	if (bh_trial_runs(a))
		return "unconfirmed";
	if (bh_agent_is_capped(a))
		return "observing";
	if (e->weak)
		return "degraded";
	return bh_map_enforces(a->live.map) ? "enforcing" : "observing";
}

void bh_health_clear(struct bh_health *h)
{
	json_decref(h->problems);
	json_decref(h->found);
	h->problems = h->found = NULL;
}

int bh_health_read(struct bh_agent *a, struct bh_health *ret)
{
	struct exam e = {.a = a, .problems = json_array(), .found = json_array()};

	if (!e.problems || !e.found)
		e.oom = true;
	exam_clock(&e);
	exam_holds(&e);
	exam_map(&e);
	exam_others(&e);
	exam_hooks(&e);
	exam_nics(&e);
	exam_tables(&e);
	exam_sinks(&e);
	exam_metrics(&e);
	*ret = (struct bh_health){
		.good = !e.weak, .waits = e.waits, .problems = e.problems, .found = e.found};
	if (e.oom) {
		bh_health_clear(ret);
		return -ENOMEM;
	}
	ret->state = state_of(&e);
	return 0;
}
