/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_doctor.c - everything that enforcement rests on, one row for each: what `status` finds
 * wrong, and what is well. And what a self-test from outside needs: how often the programs ran,
 * what the devices received, where a canary can live. Changes nothing.
 */
#include <errno.h>
#include <string.h>
#include <sys/utsname.h>
#include "../telemetry/telemetry.h"
#include "health.h"
#include "listeners.h"
#include "metrics.h"

/* From so many percent on it is told that a table fills up. */
#define PRESSURE_PERCENT 80

struct doctor {
	struct bh_agent *a;
	json_t *found; /* of health.h; what has its row in @checks is taken out */
	json_t *checks;
	bool oom;
};

/* --- rows --------------------------------------------------------------------------------------- */

/* What to do where the text does not say it. */
static const char *help_for(const char *check)
{
	static const struct {
		const char *check, *help;
	} helps[] = {
		{"cgroups", "end workloads or sessions that are not needed"},
		{"listeners", "see who listens: bulkhead get listeners"},
		{"addresses", "take off addresses that are not needed"},
		{"events", "follow them with fewer readers; counters stay exact"},
		{"devices", "see `journalctl -u bulkhead`, or name others with --interfaces"},
		{"quarantine", "bulkhead release NAME ends it"},
		{"tables", "use fewer or wider rules: `bulkhead check FILE` says which needs most"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(helps); i++)
		if (!strcmp(check, helps[i].check))
			return helps[i].help;
	if (strchr(check, '/') || strchr(check, ' ') || !strcmp(check, "pins") ||
	    !strcmp(check, "hooks") || !strcmp(check, "sockops"))
		return "the agent puts it back within a second; if not: journalctl -u bulkhead";
	return NULL;
}

static void put(struct doctor *x, json_t *row)
{
	const char *check = json_string_value(json_object_get(row, "check"));
	const char *result = json_string_value(json_object_get(row, "result"));
	const char *help = check && result && strcmp(result, "ok") ? help_for(check) : NULL;

	if (!row || json_object_set_new(row, "help", bh_json_text(help)) < 0 ||
	    json_array_append(x->checks, row) < 0)
		x->oom = true;
}

/* What was found about @check (NULL: anything) gets its rows. Return: whether there was any. */
static bool take_found(struct doctor *x, const char *check)
{
	bool any = false;

	for (size_t i = 0; i < json_array_size(x->found);) {
		json_t *row = json_array_get(x->found, i);
		const char *of = json_string_value(json_object_get(row, "check"));

		if (check && (!of || strcmp(of, check) != 0)) {
			i++;
			continue;
		}
		put(x, row);
		(void)json_array_remove(x->found, i);
		any = true;
	}
	return any;
}

/* @check is well, or a warning of our own, unless something was found about it. */
_printf_(4, 5) static void row(struct doctor *x, const char *check, const char *result,
			       const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	json_auto_t *made = NULL;
	va_list ap;

	if (take_found(x, check))
		return;
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	made = json_pack("{s:o s:s s:o}", "check", bh_json_text(check), "result", result, "text",
			 bh_json_text(text));
	put(x, made);
}

#define good(x, check, ...) row(x, check, "ok", __VA_ARGS__)

#define SPAN_TEXT 32

static const char *span(__s64 s, char ret[SPAN_TEXT])
{
	if (s < 0)
		s = 0;
	if (s < 120)
		snprintf(ret, SPAN_TEXT, "%lld s", (long long)s);
	else if (s < 7200)
		snprintf(ret, SPAN_TEXT, "%lld min", (long long)(s / 60));
	else if (s < 172800)
		snprintf(ret, SPAN_TEXT, "%lld h", (long long)(s / 3600));
	else
		snprintf(ret, SPAN_TEXT, "%lld days", (long long)(s / 86400));
	return ret;
}

/* --- who enforces what ------------------------------------------------------------------------- */

static void check_policy(struct doctor *x)
{
	const struct bh_agent *a = x->a;
	const struct bh_map *map = a->live.map;
	char age[SPAN_TEXT] = "a time that is not known";

	if (a->live.origin.at_ms)
		span((a->clock->wall_ms() - a->live.origin.at_ms) / 1000, age);
	good(x, "policy", "generation %llu, map \"%s\", mode %s, since %s",
	     (unsigned long long)bh_kern_generation(a->kern), map ? map->name : "?",
	     map && map->mode == BH_MODE_ENFORCE ? "enforce" : "observe", age);
	good(x, "trial", "no generation waits to be confirmed");
	good(x, "emergency", "none");
	good(x, "quarantine", "nobody is in it");
	good(x, "grants", "none is open");
}

static void check_agent(struct doctor *x)
{
	const struct bh_agent *a = x->a;
	char age[SPAN_TEXT];

	good(x, "agent", "version " BH_VERSION ", pid %d, for %s", (int)getpid(),
	     span((__s64)((a->clock->boot_ns() - a->begun_ns) / 1000000000ull), age));
	check_policy(x);
	good(x, "versions", "no other version's programs stand beside ours");
	good(x, "state", "%s", a->opts.state_dir);
	good(x, "audit log", "%s/audit.jsonl", a->opts.state_dir);
	good(x, "users", "the map means the users of now");
	good(x, "metrics", "%s", bh_metrics_where(a->metrics));
}

/* --- hooks -------------------------------------------------------------------------------------- */

static void check_identity(struct doctor *x)
{
	if (bh_kern_has(x->a->kern, "cgroup_mkdir"))
		good(x, "identity",
		     "tp_btf/cgroup_mkdir: a new cgroup has one before mkdir() returns");
	else if (x->a->newborn)
		row(x, "identity", "warn",
		    "inotify: a new cgroup has none for a moment, and is denied until then");
	else
		row(x, "identity", "warn",
		    "a walk each second: a new cgroup has none for so long, and is denied until "
		    "then");
}

static void check_hooks(struct doctor *x)
{
	struct bh_hook_state hook[BH_AGENT_HOOKS_MAX];
	size_t n = bh_kern_hooks(x->a->kern, hook, ARRAY_SIZE(hook));
	struct utsname u;

	good(x, "pins", "whole, below %s", x->a->opts.pin_dir);
	for (size_t i = 0; i < n; i++)
		row(x, hook[i].name, hook[i].ok ? "ok" : "warn", "%s%s", hook[i].mode,
		    hook[i].ok ? "" : " on this kernel");
	good(x, "devices", "%zu guarded", x->a->n_nic);
	check_identity(x);
	good(x, "kernel", "%s has all that is used", uname(&u) < 0 ? "it" : u.release);
}

/* --- tables ------------------------------------------------------------------------------------- */

static void fill(struct doctor *x, const char *check, const char *what, __u64 n, __u64 max)
{
	bool full = n * 100 >= max * PRESSURE_PERCENT;

	row(x, check, full ? "warn" : "ok", "%s%s%llu of %llu (%llu %%)", what, *what ? ": " : "",
	    (unsigned long long)n, (unsigned long long)max, (unsigned long long)(n * 100 / max));
}

/* The table of the policy that has least room left. */
static void check_policy_tables(struct doctor *x)
{
	const struct bh_compiled *c = x->a->live.compiled;
	const struct bh_limits *max = &bh_limits_default;
	size_t worst = 0;

	if (!c)
		return;

	const struct {
		const char *name;
		__u64 n, max;
	} table[] = {
		{"policy entries", c->policy.n, max->policy},
		{"addresses", c->addrs.n, max->addrs},
		{"prefixes", c->prefixes.n, max->prefixes},
		{"rules", c->n_rules, max->rules},
		{"names", c->names.n, max->names},
		{"globs", c->globs.n, max->globs},
		{"users", c->users.n, max->users},
	};

	for (size_t i = 1; i < ARRAY_SIZE(table); i++)
		if (table[i].n * table[worst].max > table[worst].n * table[i].max)
			worst = i;
	fill(x, "tables", table[worst].name, table[worst].n, table[worst].max);
}

static int count_cgroup(void *ctx, _unused_ __u64 cgid, _unused_ const struct bh_cgroup *cg)
{
	(*(__u64 *)ctx)++;
	return 0;
}

static int check_tables(struct doctor *x)
{
	_cleanup_(bh_listenings_clear) struct bh_listenings all = {0};
	__u64 stat[BH_STAT_MAX] = {0}, cgroups = 0;
	int r = bh_listenings_read(x->a, &all);

	if (r == 0)
		r = bh_kern_each_cgroup(x->a->kern, count_cgroup, &cgroups);
	if (r < 0)
		return r;
	check_policy_tables(x);
	fill(x, "cgroups", "", cgroups, BH_AGENT_MAX_CGROUPS);
	fill(x, "listeners", "", all.n, BH_AGENT_MAX_LISTENERS);
	good(x, "addresses", "the kernel side knows all of this host's");
	(void)bh_kern_stats(x->a->kern, stat);
	good(x, "events", "%llu seen, none lost", (unsigned long long)stat[BH_STAT_EVENTS_SEEN]);
	return 0;
}

static void check_sinks(struct doctor *x)
{
	size_t n = x->a->telemetry ? bh_telemetry_count(x->a->telemetry) : 0;

	if (n)
		good(x, "telemetry", "%zu sink%s, %s", n, n == 1 ? "" : "s",
		     n == 1 ? "and it works" : "all of them work");
	else
		good(x, "telemetry", "no sink: flows are kept in memory alone");
}

/* --- what a self-test needs ----------------------------------------------------------------------- */

static json_t *hooks_json(const struct bh_agent *a)
{
	struct bh_hook_state hook[BH_AGENT_HOOKS_MAX];
	size_t n = bh_kern_hooks(a->kern, hook, ARRAY_SIZE(hook));
	json_auto_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		if (json_array_append_new(list, json_pack("{s:s s:s s:b s:I}", "name", hook[i].name,
							  "mode", hook[i].mode, "ok", hook[i].ok,
							  "runs", (json_int_t)hook[i].runs)) < 0)
			return NULL;
	return TAKE_PTR(list);
}

/* After hooks_json(): a program runs before its device counts the frame. */
static json_t *nics_json(const struct bh_agent *a)
{
	json_auto_t *list = json_array();

	for (size_t i = 0; i < a->n_nic; i++) {
		__u64 n = 0;
		int r = bh_net_received(a->nic[i].ifindex, &n);

		if (json_array_append_new(
			    list, json_pack("{s:s s:o}", "name", a->nic[i].name, "received",
					    r < 0 ? json_null() : json_integer((json_int_t)n))) < 0)
			return NULL;
	}
	return TAKE_PTR(list);
}

static int run(struct bh_agent *a, _unused_ const struct bh_call *call, struct bh_reply *reply)
{
	_cleanup_(bh_health_clear) struct bh_health h = {0};
	json_auto_t *checks = json_array(), *hooks = hooks_json(a), *nics = nics_json(a);
	struct doctor x = {.a = a, .checks = checks};
	int r = checks && hooks && nics ? bh_health_read(a, &h) : -ENOMEM;

	if (r < 0)
		return r;
	x.found = h.found;
	check_agent(&x);
	check_hooks(&x);
	r = check_tables(&x);
	check_sinks(&x);
	if (r < 0)
		return r;
	(void)take_found(&x, NULL);
	reply->code = h.good ? BH_EXIT_OK : BH_EXIT_NO;
	reply->data = json_pack("{s:s s:s s:I s:o s:O s:O s:O}", "version", BH_VERSION, "state",
				h.state, "generation", (json_int_t)bh_kern_generation(a->kern),
				"cgroup_root", bh_json_text(a->opts.cgroup_root), "checks", checks,
				"hooks", hooks, "nics", nics);
	return reply->data && !x.oom ? 0 : -ENOMEM;
}

const struct bh_verb bh_verb_doctor = {.name = "doctor", .run = run};
