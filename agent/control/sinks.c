/* SPDX-License-Identifier: Apache-2.0 */
/* sinks.c - `telemetry` of the answer of `status`: each sink, and what the kernel side told. See parts.h. */
#include "../telemetry/telemetry.h"
#include "parts.h"

/* What `status` shows of CPUs; a machine with more has their sum alone. */
#define CPUS_MAX 1024

static json_t *sink_json(const struct bh_sink *s)
{
	return json_pack("{s:s s:s s:I s:I s:I s:I s:o}", "name", s->ops->name, "state",
			 s->trouble[0] ? "trouble" : "ok", "taken", (json_int_t)s->count.taken,
			 "written", (json_int_t)s->count.written, "lost", (json_int_t)s->count.lost,
			 "skipped", (json_int_t)s->count.skipped, "trouble",
			 bh_json_text(s->trouble[0] ? s->trouble : NULL));
}

static json_t *sinks_json(const struct bh_agent *a)
{
	json_auto_t *list = json_array();
	size_t n = a->telemetry ? bh_telemetry_count(a->telemetry) : 0;

	for (size_t i = 0; i < n; i++)
		if (json_array_append_new(list, sink_json(bh_telemetry_at(a->telemetry, i))) < 0)
			return NULL;
	return TAKE_PTR(list);
}

static json_t *count_json(const __u64 stat[BH_STAT_MAX])
{
	return json_pack("{s:I s:I s:I s:I s:I}", "seen", (json_int_t)stat[BH_STAT_EVENTS_SEEN],
			 "sent", (json_int_t)stat[BH_STAT_EVENTS_SENT], "suppressed",
			 (json_int_t)stat[BH_STAT_EVENTS_SUPPRESSED], "lost",
			 (json_int_t)stat[BH_STAT_EVENTS_LOST], "flow_table",
			 (json_int_t)stat[BH_STAT_FLOWS_LOST]);
}

/* The sums of all, and a row for each CPU. */
static json_t *events_json(__u64 (*stat)[BH_STAT_MAX], size_t n)
{
	json_auto_t *cpus = json_array(), *events = NULL;
	__u64 sum[BH_STAT_MAX] = {0};

	for (size_t c = 0; c < n; c++) {
		json_t *row = count_json(stat[c]);

		for (size_t i = 0; i < BH_STAT_MAX; i++)
			sum[i] += stat[c][i];
		if (!row || json_object_set_new(row, "cpu", json_integer((json_int_t)c)) < 0 ||
		    json_array_append_new(cpus, row) < 0)
			return NULL;
	}
	events = count_json(sum);
	if (!events || json_object_set(events, "cpus", cpus) < 0)
		return NULL;
	return TAKE_PTR(events);
}

json_t *bh_json_telemetry(const struct bh_agent *a)
{
	_cleanup_free_ __u64(*stat)[BH_STAT_MAX] = calloc(CPUS_MAX, sizeof(*stat));
	int n = stat ? bh_kern_stats_by_cpu(a->kern, stat, CPUS_MAX) : -ENOMEM;

	if (n < 0)
		return NULL;
	return json_pack("{s:o s:o}", "sinks", sinks_json(a), "events",
			 events_json(stat, MIN((size_t)n, (size_t)CPUS_MAX)));
}
