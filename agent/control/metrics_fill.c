/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics_fill.c - what is enforced and what is wrong with it, as metrics: whatever `status` and
 * `doctor` complain of can be alerted on. See metrics.h; the counters are in metrics_counts.c.
 */
#include <string.h>
#include "../holds.h"
#include "health.h"
#include "metrics_internal.h"

#define L(...) BH_PROM_LABELS(__VA_ARGS__)

/* Wall time of a moment in boot time; 0: there is none. */
static int64_t wall_of(const struct bh_agent *a, __u64 boot_ns)
{
	int64_t ahead_ns = (int64_t)boot_ns - (int64_t)a->clock->boot_ns();

	return boot_ns ? a->clock->wall_ms() + ahead_ns / 1000000 : 0;
}

void bh_metrics_holds(const struct bh_agent *a, __u64 *ret_holds, __u64 *ret_grants)
{
	*ret_holds = a->holds ? a->holds->n_hold : 0;
	*ret_grants = a->holds ? a->holds->n_granted : 0;
}

/* --- the agent ------------------------------------------------------------------------------- */

void bh_metrics_put_agent(struct bh_metrics *m, struct bh_prom *p)
{
	const struct bh_agent *a = m->agent;

	bh_prom_family(p, "bulkhead_build_info", BH_PROM_GAUGE, "The agent that tells this.");
	bh_prom_u64(p, 1, L({"version", BH_VERSION}));
	bh_prom_gauge(p, "bulkhead_agent_up", "1, and 0 in what it wrote when it ended.", !m->ends);
	bh_prom_seconds(p, "bulkhead_agent_start_timestamp_seconds", "When the agent started.",
			wall_of(a, a->begun_ns));
	bh_prom_seconds(p, "bulkhead_metrics_timestamp_seconds",
			"When these metrics were made; old ones tell of no host as it is.",
			a->clock->wall_ms());
}

/* --- the policy ------------------------------------------------------------------------------ */

/* After a detach the tables are still there, and no program reads them. */
static __u64 generation_of(const struct bh_agent *a)
{
	return a->detached ? 0 : bh_kern_generation(a->kern);
}

/* What the packets meet, whatever the map says. */
static const char *mode_in_force(const struct bh_agent *a)
{
	if (a->no_policy)
		return "enforce";
	if (!generation_of(a))
		return "none";
	if (bh_kern_open_until(a->kern) || bh_agent_is_capped(a))
		return "observe";
	/* its text is lost, and what it was is enforced */
	return !a->live.map || bh_map_enforces(a->live.map) ? "enforce" : "observe";
}

static void put_mode(const struct bh_agent *a, struct bh_prom *p)
{
	static const char *const modes[] = {"enforce", "observe", "none"};
	const char *now = mode_in_force(a);

	bh_prom_family(p, "bulkhead_policy_mode", BH_PROM_GAUGE,
		       "1 for the mode in force; an emergency and `mode observe` count.");
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
		bh_prom_u64(p, !strcmp(modes[i], now), L({"mode", modes[i]}));
	bh_prom_gauge(p, "bulkhead_policy_observe_cap",
		      "1 while nothing is denied but by name although the map may say enforce.",
		      bh_agent_is_capped(a));
	bh_prom_gauge(p, "bulkhead_detached", "1 after bulkhead detach: nothing is enforced.",
		      a->detached);
}

static void put_trial(const struct bh_agent *a, struct bh_prom *p)
{
	struct bh_trial t = {0};
	bool waits = bh_kern_trial(a->kern, &t) && !t.fell;

	bh_prom_gauge(p, "bulkhead_policy_unconfirmed",
		      "1 while a generation waits for bulkhead confirm.", waits);
	bh_prom_seconds(p, "bulkhead_policy_confirm_deadline_timestamp_seconds",
			"When it falls back; 0 if none waits.",
			waits ? wall_of(a, t.deadline_ns) : 0);
}

static void put_applies(const struct bh_metrics *m, struct bh_prom *p)
{
	static const char *const result[] = {
		[BH_MA_APPLIED] = "applied", [BH_MA_REFUSED] = "refused"};

	bh_prom_family(
		p, "bulkhead_policy_apply_total", BH_PROM_COUNTER,
		"Maps that were applied or rolled back to, or were not, since the agent's start.");
	for (size_t i = 0; i < ARRAY_SIZE(result); i++)
		bh_prom_u64(p, m->applies[i], L({"result", result[i]}));
}

static void put_emergency(const struct bh_metrics *m, struct bh_prom *p)
{
	__u64 until = bh_kern_open_until(m->agent->kern);

	bh_prom_gauge(p, "bulkhead_emergency_open",
		      "1 while nothing is denied but by name: bulkhead emergency.", until != 0);
	bh_prom_seconds(p, "bulkhead_emergency_end_timestamp_seconds",
			"When it ends by itself; 0 if there is none.", wall_of(m->agent, until));
	bh_prom_counter(p, "bulkhead_emergencies_opened_total",
			"Emergencies that were opened, since the agent's start.", m->emergencies);
}

void bh_metrics_put_policy(struct bh_metrics *m, struct bh_prom *p)
{
	const struct bh_agent *a = m->agent;
	__u64 holds, grants;

	bh_prom_gauge(p, "bulkhead_policy_generation", "The generation in force; 0: none.",
		      generation_of(a));
	put_mode(a, p);
	bh_prom_seconds(p, "bulkhead_policy_apply_timestamp_seconds",
			"When the map in force was applied; 0: not known.", a->live.origin.at_ms);
	put_applies(m, p);
	put_trial(a, p);
	put_emergency(m, p);
	bh_metrics_holds(a, &holds, &grants);
	bh_prom_gauge(p, "bulkhead_quarantines_active", "Who is cut off: bulkhead quarantine.",
		      holds);
	bh_prom_gauge(p, "bulkhead_grants_active", "What is open for a while: bulkhead grant.",
		      grants);
}

/* --- health ---------------------------------------------------------------------------------- */

static const char *text_of(const json_t *row, const char *key)
{
	const char *s = json_string_value(json_object_get(row, key));

	return s ? s : "";
}

static bool same_row(const json_t *x, const json_t *y)
{
	return !strcmp(text_of(x, "check"), text_of(y, "check")) &&
	       !strcmp(text_of(x, "result"), text_of(y, "result"));
}

/* One line for a check and a result, however often it was found. */
static void put_problems(const json_t *found, struct bh_prom *p)
{
	bh_prom_family(p, "bulkhead_problems", BH_PROM_GAUGE,
		       "What bulkhead status and doctor find; nothing for what is well.");
	for (size_t i = 0; i < json_array_size(found); i++) {
		const json_t *row = json_array_get(found, i);
		__u64 n = 0;
		bool first = true;

		for (size_t j = 0; j < json_array_size(found); j++) {
			bool same = same_row(row, json_array_get(found, j));

			first &= !same || j >= i;
			n += same;
		}
		if (first)
			bh_prom_u64(p, n,
				    L({"check", text_of(row, "check")},
				      {"result", text_of(row, "result")}));
	}
}

static void put_features(const struct bh_agent *a, struct bh_prom *p)
{
	const struct bh_feature *f;
	size_t n = bh_kern_features(a->kern, &f);

	bh_prom_family(p, "bulkhead_kernel_feature", BH_PROM_GAUGE,
		       "0: this kernel lacks it, or it is not used; something else is.");
	for (size_t i = 0; i < n; i++)
		bh_prom_u64(p, f[i].works, L({"feature", f[i].name}));
}

/* "xdp eth0" is hook xdp at device eth0. */
static void put_hooks(const struct bh_agent *a, struct bh_prom *p)
{
	struct bh_hook_state hook[BH_AGENT_HOOKS_MAX];
	size_t n = bh_kern_hooks(a->kern, hook, ARRAY_SIZE(hook));

	bh_prom_family(p, "bulkhead_enforcement_attached", BH_PROM_GAUGE,
		       "0: a program that should be in the kernel is not.");
	for (size_t i = 0; i < MIN(n, ARRAY_SIZE(hook)); i++) {
		char name[sizeof(hook[i].name)];
		char *dev;

		if (!strcmp(hook[i].mode, "unsupported"))
			continue;
		memcpy(name, hook[i].name, sizeof(name));
		dev = strchr(name, ' ');
		if (dev)
			*dev++ = '\0';
		bh_prom_u64(p, hook[i].ok, L({"hook", name}, {"dev", dev}));
	}
}

void bh_metrics_put_health(struct bh_metrics *m, struct bh_prom *p)
{
	static const char *const states[] = {"enforcing", "observing", "no_policy",
					     "degraded",  "emergency", "unconfirmed"};
	_cleanup_(bh_health_clear) struct bh_health h = {0};

	if (bh_health_read(m->agent, &h) < 0) {
		p->failed = true;
		return;
	}
	if (!generation_of(m->agent) && m->agent->detached)
		h.state = "no_policy";
	bh_prom_family(p, "bulkhead_state", BH_PROM_GAUGE, "1 for the word of bulkhead status.");
	for (size_t i = 0; i < ARRAY_SIZE(states); i++)
		bh_prom_u64(p, !strcmp(states[i], h.state), L({"state", states[i]}));
	bh_prom_gauge(p, "bulkhead_healthy",
		      "1 if all that the map needs is enforced and nothing waits for somebody.",
		      h.good && !h.waits);
	put_problems(h.found, p);
	put_hooks(m->agent, p);
	put_features(m->agent, p);
}
