/* SPDX-License-Identifier: Apache-2.0 */
/* verb_status.c - what is enforced, by what, and what is wrong. Code 3 if anything is missing. */
#include <string.h>
#include "../failsafe.h"
#include "health.h"
#include "listeners.h"
#include "parts.h"

static json_t *map_json(const struct bh_agent *a)
{
	const struct bh_map *map = a->live.map;
	const struct bh_origin *o = &a->live.origin;

	if (!map)
		return json_null();
	return json_pack("{s:o s:o s:s s:s s:o s:o}", "name", bh_json_text(map->name), "file",
			 bh_json_text(o->file ? o->file : map->file), "mode",
			 map->mode == BH_MODE_ENFORCE ? "enforce" : "observe", "sha256", o->sha256,
			 "applied_at", o->at_ms ? bh_json_wall_time(o->at_ms) : json_null(),
			 "applied_by", bh_json_text(o->by));
}

static json_t *hooks_json(struct bh_agent *a)
{
	struct bh_hook_state hook[BH_AGENT_HOOKS_MAX];
	size_t n = bh_kern_hooks(a->kern, hook, ARRAY_SIZE(hook));
	json_auto_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		if (json_array_append_new(list, json_pack("{s:s s:s s:b}", "name", hook[i].name,
							  "mode", hook[i].mode, "ok", hook[i].ok)) <
		    0)
			return NULL;
	return TAKE_PTR(list);
}

static int count_cgroup(void *ctx, _unused_ __u64 cgid, _unused_ const struct bh_cgroup *cg)
{
	(*(json_int_t *)ctx)++;
	return 0;
}

static json_t *failsafes_json(struct bh_agent *a, const struct bh_listenings *all)
{
	json_auto_t *list = json_array();
	const struct bh_map *map = a->live.map;

	for (size_t i = 0; map && i < map->n_rule; i++) {
		_cleanup_free_ char *text = NULL, *who = NULL;

		if (map->rule[i].kind != BH_RULE_FAILSAFE)
			continue;
		text = bh_failsafe_text(&map->rule[i]);
		if (bh_failsafe_reaches(a, all, &map->rule[i], &who) < 0 ||
		    json_array_append_new(list, json_pack("{s:s s:o s:o}", "id", map->rule[i].id,
							  "text", bh_json_text(text), "listener",
							  bh_json_text(who))) < 0)
			return NULL;
	}
	return TAKE_PTR(list);
}

/* sessions, events, cgroups, listeners, failsafes, telemetry */
static int put_counts(struct bh_agent *a, json_t *data)
{
	_cleanup_(bh_listenings_clear) struct bh_listenings all = {0};
	__u64 stat[BH_STAT_MAX] = {0};
	json_int_t cgroups = 0;
	json_auto_t *more = NULL;
	int r = bh_kern_stats(a->kern, stat);

	if (r == 0)
		r = bh_listenings_read(a, &all);
	if (r == 0)
		r = bh_kern_each_cgroup(a->kern, count_cgroup, &cgroups);
	if (r < 0)
		return r;
	more = json_pack(
		"{s:{s:I s:I s:I s:I s:I} s:{s:I s:I s:I} s:{s:I s:i s:I} s:{s:I s:i s:I} s:o s:o}",
		"sessions", "begun", (json_int_t)a->sessions[BH_EVENT_BEGIN], "denied",
		(json_int_t)a->sessions[BH_EVENT_DENY], "would_deny",
		(json_int_t)a->sessions[BH_EVENT_WOULD_DENY], "ended",
		(json_int_t)a->sessions[BH_EVENT_END], "alerts",
		(json_int_t)a->sessions[BH_EVENT_ALERT], "events", "seen",
		(json_int_t)stat[BH_STAT_EVENTS_SEEN], "sent",
		(json_int_t)stat[BH_STAT_EVENTS_SENT], "lost",
		(json_int_t)stat[BH_STAT_EVENTS_LOST], "cgroups", "n", cgroups, "max",
		BH_AGENT_MAX_CGROUPS, "lost", (json_int_t)stat[BH_STAT_CGROUPS_LOST], "listeners",
		"n", (json_int_t)all.n, "max", BH_AGENT_MAX_LISTENERS, "lost",
		(json_int_t)stat[BH_STAT_LISTENERS_LOST], "failsafes", failsafes_json(a, &all),
		"telemetry", bh_json_telemetry(a));
	return more && json_object_update(data, more) == 0 ? 0 : -ENOMEM;
}

static int run(struct bh_agent *a, _unused_ const struct bh_call *call, struct bh_reply *reply)
{
	_cleanup_(bh_health_clear) struct bh_health h = {0};
	int r = bh_health_read(a, &h);

	if (r < 0)
		return r;
	reply->code = h.good && !h.waits ? BH_EXIT_OK : BH_EXIT_NO;
	reply->data = json_pack(
		"{s:s s:s s:I s:o s:o s:o s:s s:o s:O}", "version", BH_VERSION, "state", h.state,
		"generation", (json_int_t)bh_kern_generation(a->kern), "map", map_json(a), "hooks",
		hooks_json(a), "features", bh_json_features(a), "mode_cap", bh_mode_cap(a),
		"unconfirmed", bh_json_trial(a), "problems", h.problems);
	return reply->data ? put_counts(a, reply->data) : -ENOMEM;
}

const struct bh_verb bh_verb_status = {.name = "status", .run = run};
