/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics_counts.c - what is counted, as metrics: flows by the agent since its start; packets, rules
 * and losses by the kernel side, in pinned maps, so that they go on over a restart. See metrics.h.
 */
#include <string.h>
#include "../holds.h"
#include "../pairs.h"
#include "../telemetry/pairs.h"
#include "../telemetry/telemetry.h"
#include "control.h"
#include "metrics_internal.h"

#define L(...) BH_PROM_LABELS(__VA_ARGS__)

static const char *const directions[] = {[BH_IN] = "ingress", [BH_OUT] = "egress"};

/* --- traffic --------------------------------------------------------------------------------- */

static void put_flows(const struct bh_metrics *m, struct bh_prom *p)
{
	static const char *const verdict[] = {[BH_MV_ALLOWED] = "allowed",
					      [BH_MV_DENIED] = "denied",
					      [BH_MV_AUDITED] = "audited",
					      [BH_MV_ERROR] = "error"};

	bh_prom_family(
		p, "bulkhead_flows_total", BH_PROM_COUNTER,
		"Flows that were told of, by direction and verdict, since the agent's start.");
	for (size_t d = 0; d < ARRAY_SIZE(directions); d++)
		for (size_t v = 0; v < BH_MV_MAX; v++)
			bh_prom_u64(p, m->flows[d][v],
				    L({"direction", directions[d]}, {"verdict", verdict[v]}));
	bh_prom_family(p, "bulkhead_flows_ended_total", BH_PROM_COUNTER,
		       "Allowed flows that ended, since the agent's start.");
	for (size_t d = 0; d < ARRAY_SIZE(directions); d++)
		bh_prom_u64(p, m->ended[d], L({"direction", directions[d]}));
	bh_prom_family(p, "bulkhead_denied_flows_total", BH_PROM_COUNTER,
		       "Denied flows by direction and reason, since the agent's start.");
	for (size_t d = 0; d < ARRAY_SIZE(directions); d++)
		for (__u32 r = 0; r < BH_REASON_MAX; r++)
			if (m->denied[d][r])
				bh_prom_u64(p, m->denied[d][r],
					    L({"direction", directions[d]},
					      {"reason", bh_reason_name(r)}));
}

static void put_alerts(const struct bh_metrics *m, struct bh_prom *p)
{
	bh_prom_family(p, "bulkhead_alerts_total", BH_PROM_COUNTER,
		       "Who asked around, or for something new, since the agent's start.");
	for (__u16 i = BH_ALERT_NONE + 1; i < BH_ALERTS; i++)
		bh_prom_u64(p, m->alerts[i],
			    L({"alert", bh_flow_alert(&(struct bh_event){.alert = i})}));
}

static void put_pairs(const struct bh_agent *a, struct bh_prom *p)
{
	const struct bh_pairs *pairs = bh_agent_pairs(a);
	struct bh_pairs_count n = {0};

	if (pairs)
		n = bh_pairs_count(pairs);
	bh_prom_family(p, "bulkhead_pairs", BH_PROM_GAUGE,
		       "Rows of the history of who talked to whom.");
	bh_prom_u64(p, n.rows, NULL);
	bh_prom_family(p, "bulkhead_pairs_new_total", BH_PROM_COUNTER,
		       "Conversations that were not in it, since the agent's start.");
	bh_prom_u64(p, n.fresh, NULL);
	bh_prom_family(p, "bulkhead_pairs_forgotten_total", BH_PROM_COUNTER,
		       "Rows that made room for others, since the agent's start.");
	bh_prom_u64(p, n.forgotten, NULL);
}

/* Of a class; what stands for no reason has counted nothing. */
static struct bh_count sum_of(const struct bh_count *reason, enum bh_reason_class class)
{
	struct bh_count sum = {0};

	for (__u32 r = 1; r < BH_REASON_MAX; r++) {
		if (bh_reason_class(r) != class)
			continue;
		sum.packets += reason[r].packets;
		sum.bytes += reason[r].bytes;
	}
	return sum;
}

static void put_class(const struct bh_count *reason, bool bytes, struct bh_prom *p)
{
	static const char *const word[] = {[BH_CLASS_PASS] = "allowed",
					   [BH_CLASS_EXCEPTION] = "exception",
					   [BH_CLASS_DENY] = "denied"};

	for (int class = 0; class < (int)ARRAY_SIZE(word); class ++) {
		struct bh_count n = sum_of(reason, class);

		bh_prom_u64(p, bytes ? n.bytes : n.packets, L({"verdict", word[class]}));
	}
}

static void put_reasons(struct bh_agent *a, struct bh_prom *p)
{
	struct bh_count reason[BH_REASON_MAX] = {0};
	bool known = bh_kern_reasons(a->kern, reason) == 0;

	bh_prom_family(p, "bulkhead_packets_total", BH_PROM_COUNTER,
		       "Packets by what was said of them; in mode observe denied ones passed.");
	if (known)
		put_class(reason, false, p);
	bh_prom_family(p, "bulkhead_bytes_total", BH_PROM_COUNTER, "The same in bytes.");
	if (known)
		put_class(reason, true, p);
	bh_prom_family(p, "bulkhead_denied_packets_total", BH_PROM_COUNTER,
		       "Denied packets and calls by reason, see docs/reasons.md.");
	for (__u32 r = 1; known && r < BH_REASON_MAX; r++)
		if (bh_reason_class(r) == BH_CLASS_DENY && reason[r].packets)
			bh_prom_u64(p, reason[r].packets, L({"reason", bh_reason_name(r)}));
}

/*
 * Which rules have a line must not change with what they count, or series would come and go: the
 * first by number, which a rule keeps. A rule may be called "other", too.
 */
static void put_rules(struct bh_agent *a, struct bh_prom *p)
{
	const struct bh_compiled *c = a->live.compiled;
	_cleanup_free_ struct bh_count *hits = c ? calloc(c->n_rules + 1, sizeof(*hits)) : NULL;
	bool known = hits && bh_kern_rule_hits_all(a->kern, hits, c->n_rules) == 0;
	__u64 other = 0;

	bh_prom_family(
		p, "bulkhead_rule_hits_total", BH_PROM_COUNTER,
		"Packets that a rule of the map decided; of many rules the rest is \"other\".");
	for (size_t i = 0; known && i < c->n_info; i++) {
		const struct bh_rule_info *info = &c->info[i];
		__u64 n = info->number < c->n_rules ? hits[info->number].packets : 0;

		if (i >= BH_METRICS_RULES_MAX || !strcmp(info->id, "other"))
			other += n;
		else
			bh_prom_u64(p, n, L({"rule", info->id}));
	}
	if (known)
		bh_prom_u64(p, other, L({"rule", "other"}));
}

void bh_metrics_put_traffic(struct bh_metrics *m, struct bh_prom *p)
{
	put_flows(m, p);
	put_alerts(m, p);
	put_pairs(m->agent, p);
	put_reasons(m->agent, p);
	put_rules(m->agent, p);
}

/* --- tables ---------------------------------------------------------------------------------- */

static int count_cgroup(void *ctx, _unused_ __u64 cgid, _unused_ const struct bh_cgroup *cg)
{
	(*(__u64 *)ctx)++;
	return 0;
}

static int count_listener(void *ctx, _unused_ const struct bh_listen_key *key,
			  _unused_ const struct bh_listener *val)
{
	(*(__u64 *)ctx)++;
	return 0;
}

struct table {
	const char *name;
	__u64 n, max;
	bool known;
};

static void put_table(const struct table *t, size_t n, struct bh_prom *p)
{
	bh_prom_family(p, "bulkhead_map_entries", BH_PROM_GAUGE, "Rows in a table of the kernel.");
	for (size_t i = 0; i < n; i++)
		if (t[i].known)
			bh_prom_u64(p, t[i].n, L({"map", t[i].name}));
	bh_prom_family(p, "bulkhead_map_capacity", BH_PROM_GAUGE, "Rows that it has room for.");
	for (size_t i = 0; i < n; i++)
		bh_prom_u64(p, t[i].max, L({"map", t[i].name}));
}

void bh_metrics_put_tables(struct bh_metrics *m, struct bh_prom *p)
{
	static const struct bh_compiled none = {0};
	struct bh_agent *a = m->agent;
	const struct bh_compiled *c = a->live.compiled ? a->live.compiled : &none;
	const struct bh_limits *max = &bh_limits_default;
	bool policy = a->live.compiled || !bh_kern_generation(a->kern);
	__u64 cgroups = 0, listeners = 0, holds, grants;
	bool c_known = bh_kern_each_cgroup(a->kern, count_cgroup, &cgroups) == 0;
	bool l_known = bh_kern_each_listener(a->kern, count_listener, &listeners) == 0;

	bh_metrics_holds(a, &holds, &grants);

	const struct table table[] = {
		{"policy", c->policy.n, max->policy, policy},
		{"addrs", c->addrs.n, max->addrs, policy},
		{"prefixes", c->prefixes.n, max->prefixes, policy},
		{"rules", c->n_rules, max->rules, policy},
		{"names", c->names.n, max->names, policy},
		{"globs", c->globs.n, max->globs, policy},
		{"users", c->users.n, max->users, policy},
		{"cgroups", cgroups, BH_AGENT_MAX_CGROUPS, c_known},
		{"listeners", listeners, BH_AGENT_MAX_LISTENERS, l_known},
		{"quarantine", holds, BH_QUARANTINE_MAX, true},
		{"grants", grants, BH_GRANTS_MAX, true},
	};

	put_table(table, ARRAY_SIZE(table), p);
}

/* --- telemetry ------------------------------------------------------------------------------- */

static void put_sinks(const struct bh_telemetry *t, struct bh_prom *p)
{
	static const struct {
		const char *name, *help;
		size_t offset;
	} counts[] = {
		{"bulkhead_sink_taken_total", "Flows that a sink took.",
		 offsetof(struct bh_sink_count, taken)},
		{"bulkhead_sink_written_total", "Flows that it wrote.",
		 offsetof(struct bh_sink_count, written)},
		{"bulkhead_sink_lost_total", "Flows that it could not keep.",
		 offsetof(struct bh_sink_count, lost)},
	};
	size_t n = t ? bh_telemetry_count(t) : 0;

	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		bh_prom_family(p, counts[i].name, BH_PROM_COUNTER, counts[i].help);
		for (size_t j = 0; j < n; j++) {
			const struct bh_sink *s = bh_telemetry_at(t, j);
			__u64 v;

			memcpy(&v, (const char *)&s->count + counts[i].offset, sizeof(v));
			bh_prom_u64(p, v, L({"sink", s->ops->name}));
		}
	}
	bh_prom_family(p, "bulkhead_sink_up", BH_PROM_GAUGE,
		       "0: it has trouble, see bulkhead status.");
	for (size_t j = 0; j < n; j++) {
		const struct bh_sink *s = bh_telemetry_at(t, j);

		bh_prom_u64(p, !*s->trouble, L({"sink", s->ops->name}));
	}
}

/* What the table of flows, of cgroups and of listeners had no room for is no event. */
static void put_stats(struct bh_metrics *m, struct bh_prom *p)
{
	__u64 stat[BH_STAT_MAX] = {0};
	bool known = bh_kern_stats(m->agent->kern, stat) == 0;

	const struct {
		const char *name, *help, *label, *value;
		enum bh_stat stat;
	} rows[] = {
		{"bulkhead_telemetry_seen_total", "Events that the kernel side had to tell.", NULL,
		 NULL, BH_STAT_EVENTS_SEEN},
		{"bulkhead_telemetry_sent_total", "Events that it told.", NULL, NULL,
		 BH_STAT_EVENTS_SENT},
		{"bulkhead_telemetry_suppressed_total", "Denials alike that it only counted.", NULL,
		 NULL, BH_STAT_EVENTS_SUPPRESSED},
		{"bulkhead_telemetry_lost_total", "Events that were lost, by stage.", "stage",
		 "kernel", BH_STAT_EVENTS_LOST},
		{NULL, NULL, "stage", "flow_table", BH_STAT_FLOWS_LOST},
		{"bulkhead_map_lost_total", "Rows that a table had no room for.", "map", "cgroups",
		 BH_STAT_CGROUPS_LOST},
		{NULL, NULL, "map", "listeners", BH_STAT_LISTENERS_LOST},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].name)
			bh_prom_family(p, rows[i].name, BH_PROM_COUNTER, rows[i].help);
		if (known)
			bh_prom_u64(p, stat[rows[i].stat],
				    rows[i].label ? L({rows[i].label, rows[i].value}) : NULL);
	}
}

void bh_metrics_put_telemetry(struct bh_metrics *m, struct bh_prom *p)
{
	static const struct {
		int status;
		const char *code;
	} codes[] = {{200, "200"}, {400, "400"}, {404, "404"}, {405, "405"},
		     {431, "431"}, {503, "503"}, {505, "505"}};

	put_stats(m, p);
	put_sinks(m->agent->telemetry, p);
	bh_prom_counter(p, "bulkhead_metrics_file_writes_total",
			"How often the file was written, since the agent's start.", m->writes);
	bh_prom_family(p, "bulkhead_metrics_http_answers_total", BH_PROM_COUNTER,
		       "Answers to scrapers, by code, since the socket was opened.");
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
		bh_prom_u64(p, bh_scrape_answers(m->scrape, codes[i].status),
			    L({"code", codes[i].code}));
}
