/* SPDX-License-Identifier: Apache-2.0 */
/* past.c - see past.h. */
#include <errno.h>
#include <string.h>
#include "past.h"

/* Generations that an error names, the last ones. */
#define NAMED_MAX 8

int bh_past_open(struct bh_agent *a, struct bh_diags *d)
{
	return bh_history_open(a->opts.state_dir, &bh_history_caps_default, d, &a->history);
}

/* --- what is live ------------------------------------------------------------------------------ */

__u64 bh_past_live(const struct bh_agent *a)
{
	return a->no_policy ? 0 : bh_kern_generation(a->kern);
}

bool bh_past_is_live(const struct bh_agent *a, const struct bh_record *r)
{
	return bh_past_live(a) && a->live.map && !strcmp(r->sha256, a->live.origin.sha256);
}

/* Its strings are the agent's. */
static struct bh_record record_of_live(const struct bh_agent *a, const struct bh_past_note *note)
{
	const struct bh_map *map = a->live.map;
	struct bh_record r = {
		.generation = bh_kern_generation(a->kern),
		.bytes = map->text_len,
		.file = a->live.origin.file,
		.by = (char *)note->by,
		.name = map->name,
		.at_ms = a->clock->wall_ms(),
		.mode = map->mode,
		.capped = bh_agent_is_capped(a),
		.state = bh_trial_runs(a) ? BH_UNCONFIRMED : BH_CONFIRMED,
		.segments = map->n_segment - BH_SEG_N_RESERVED,
		.rules = map->n_rule,
		.entries = a->live.compiled->policy.n,
		.how = note->how,
		.of = note->of,
	};

	memcpy(r.sha256, a->live.origin.sha256, sizeof(r.sha256));
	return r;
}

/* --- notes ------------------------------------------------------------------------------------- */

static void add(struct bh_agent *a, const struct bh_record *r, struct bh_diags *d)
{
	_cleanup_diags_ struct bh_diags own = {0};

	(void)bh_history_add(a->history, r, a->live.map->text, d ? d : &own);
	bh_log_diags(&own);
}

void bh_past_note(struct bh_agent *a, const struct bh_past_note *note, struct bh_diags *d)
{
	struct bh_record r;

	if (!a->history)
		return;
	r = record_of_live(a, note);
	add(a, &r, d);
}

static bool knows_text(const struct bh_agent *a, const char *sha256)
{
	size_t n;
	const struct bh_record *r = bh_history_list(a->history, &n);

	for (size_t i = 0; i < n; i++)
		if (!r[i].damaged && !strcmp(r[i].sha256, sha256))
			return true;
	return false;
}

void bh_past_catch_up(struct bh_agent *a)
{
	const struct bh_origin *o = &a->live.origin;
	struct bh_record r;

	if (!a->history || !bh_past_live(a) || !a->live.map ||
	    bh_history_find(a->history, bh_kern_generation(a->kern)))
		return;
	r = record_of_live(a, &(struct bh_past_note){BH_HOW_START, 0, NULL});
	/* a text that nobody has noted was applied: its origin is all there is to tell of that */
	if (!knows_text(a, o->sha256)) {
		r.how = BH_HOW_APPLY;
		r.by = o->by;
		r.at_ms = o->at_ms;
	}
	add(a, &r, NULL);
}

/* --- rows -------------------------------------------------------------------------------------- */

static const char *state_of(const struct bh_agent *a, const struct bh_record *r)
{
	if (r->generation == bh_past_live(a) && r->state != BH_UNCONFIRMED)
		return "live";
	return bh_confirm_state_name(r->state);
}

json_t *bh_past_row(const struct bh_agent *a, const struct bh_record *r)
{
	return json_pack("{s:I s:b s:s s:s s:o s:o s:o s:o s:o s:s s:s s:I s:I s:I s:I s:s}",
			 "generation", (json_int_t)r->generation, "live",
			 r->generation == bh_past_live(a), "state", state_of(a, r), "how",
			 bh_how_name(r->how), "of",
			 r->of ? json_integer((json_int_t)r->of) : json_null(), "applied_at",
			 bh_json_wall_time(r->at_ms), "applied_by", bh_json_text(r->by), "file",
			 bh_json_text(r->file), "name", bh_json_text(r->name), "mode",
			 r->mode == BH_MODE_ENFORCE ? "enforce" : "observe", "mode_cap",
			 r->capped ? "observe" : "none", "segments", (json_int_t)r->segments,
			 "rules", (json_int_t)r->rules, "entries", (json_int_t)r->entries, "bytes",
			 (json_int_t)r->bytes, "sha256", r->sha256);
}

json_t *bh_past_live_row(const struct bh_agent *a)
{
	const struct bh_record *known = bh_history_find(a->history, bh_past_live(a));
	struct bh_record r;

	if (known || !a->live.map)
		return known ? bh_past_row(a, known) : NULL;
	r = record_of_live(a, &(struct bh_past_note){BH_HOW_APPLY, 0, a->live.origin.by});
	r.at_ms = a->live.origin.at_ms;
	return bh_past_row(a, &r);
}

/* --- one of them ------------------------------------------------------------------------------- */

/* "43, 42, 41": the last of those whose text can be had. */
static void name_last(const struct bh_agent *a, char *text, size_t room)
{
	size_t n, named = 0, at = 0;
	const struct bh_record *r = bh_history_list(a->history, &n);

	while (n-- > 0 && named < NAMED_MAX && at < room) {
		if (r[n].damaged || r[n].lost)
			continue;
		at += (size_t)snprintf(text + at, room - at, "%s%llu", named++ ? ", " : "",
				       (unsigned long long)r[n].generation);
	}
	if (!named)
		snprintf(text, room, "none yet");
}

const struct bh_record *bh_past_find(const struct bh_agent *a, __u64 gen, struct bh_reply *reply)
{
	const struct bh_record *r = bh_history_find(a->history, gen);
	char known[NAMED_MAX * 24] = "", help[sizeof(known) + 64];

	if (r)
		return r;
	name_last(a, known, sizeof(known));
	snprintf(help, sizeof(help), "the last ones are %s; `bulkhead history` lists all", known);
	(void)bh_reply_fail(reply, BH_EXIT_FAILED, help,
			    "generation %llu is not in the history of this host",
			    (unsigned long long)gen);
	return NULL;
}
