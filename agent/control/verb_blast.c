/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_blast.c - how far somebody gets who took a segment over: what the enforced map lets it reach,
 * and what is reached from there. Every answer is bh_judge's.
 */
#include <errno.h>
#include <string.h>
#include "blast.h"

#define STEPS_MAX 1000

/* --- the question ----------------------------------------------------------------------------- */

static int unknown(const struct bh_map *map, const char *name, struct bh_reply *reply)
{
	_cleanup_free_ const char **names = calloc(map->n_segment + 1, sizeof(*names));
	const char *near;
	char help[BH_HELP_MAX];

	for (size_t i = 0; names && i < map->n_segment; i++)
		names[i] = map->segment[i].name;
	near = names ? bh_nearest(name, names, map->n_segment) : NULL;
	if (near)
		bh_help(help, "did you mean '%.300s'?", near);
	else
		bh_help(help, "`bulkhead get segments` lists them");
	(void)bh_reply_fail(reply, BH_EXIT_FAILED, help, "the map has no segment '%.80s'", name);
	return -ENOENT;
}

static int find(struct bh_agent *a, const char *name, struct bh_reply *reply, size_t *ret)
{
	const struct bh_live *l = &a->live;

	if (!bh_kern_generation(a->kern) || !l->map || !l->compiled) {
		(void)bh_reply_fail(reply, BH_EXIT_FAILED, "bulkhead apply FILE",
				    bh_kern_generation(a->kern)
					    ? "the text of the enforced map was lost"
					    : "no segment map is enforced on this host: everything "
					      "passes");
		return -ENOENT;
	}
	for (size_t i = 0; i < l->compiled->n_identity; i++)
		if (!strcmp(l->map->segment[i].name, name)) {
			*ret = i;
			return 0;
		}
	return unknown(l->map, name, reply);
}

/* --- the answer ------------------------------------------------------------------------------- */

static json_t *way_json(const struct bh_blast *b, const struct bh_blast_way *way)
{
	const struct bh_map *map = b->a->live.map;
	const struct bh_blast_end *to = &b->end[way->to];

	return json_pack("{s:s s:s s:i s:s s:o}", "segment", map->segment[way->to].name, "via",
			 map->segment[way->from].name, "step", (int)way->step, "where",
			 !to->elsewhere ? "here"
			 : to->here	? "both"
					: "elsewhere",
			 "ports", bh_blast_ports_json(b, &way->spans));
}

static json_t *ways_json(const struct bh_blast *b, const struct bh_blast_way *v, size_t n)
{
	json_auto_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		if (json_array_append_new(list, way_json(b, &v[i])) < 0)
			return NULL;
	return TAKE_PTR(list);
}

/* Segments that no way leads to. */
static json_t *safe_json(const struct bh_blast *b, size_t start, const struct bh_blast_ways *ways)
{
	_cleanup_free_ bool *reached = calloc(b->n + 1, sizeof(*reached));
	json_auto_t *list = json_array();

	if (!reached)
		return NULL;
	reached[start] = true;
	for (size_t i = 0; i < ways->n; i++)
		reached[ways->v[i].to] = true;
	for (size_t i = 0; i < b->n; i++)
		if (!reached[i] &&
		    json_array_append_new(list, json_string(b->a->live.map->segment[i].name)) < 0)
			return NULL;
	return TAKE_PTR(list);
}

static int note(json_t *notes, const char *text)
{
	return json_array_append_new(notes, json_string(text)) < 0 ? -ENOMEM : 0;
}

static json_t *notes_json(const struct bh_blast *b, size_t start)
{
	json_auto_t *notes = json_array();
	int r = notes ? 0 : -ENOMEM;

	if (!b->end[start].here)
		r = note(notes, "it is not on this host: only what it may ask of this host was "
				"asked, and what follows from there");
	if (r == 0 && b->held)
		r = note(notes, "a quarantine is in force: it counts as long as it lasts");
	if (r == 0 && b->unsure)
		r = note(notes, "some addresses lie inside of others in a way that none could be "
				"asked about");
	if (r == 0 && b->a->emergency_ns)
		r = note(notes, "an emergency is open: only what is denied by name is denied");
	if (r == 0 && b->late)
		r = note(notes, "it took too long: not all was asked");
	return r ? NULL : TAKE_PTR(notes);
}

static int tell(const struct bh_blast *b, size_t start, const struct bh_blast_ways *ways,
		struct bh_reply *reply)
{
	reply->data =
		json_pack("{s:s s:I s:o s:b s:I s:o s:o s:o s:o}", "segment",
			  b->a->live.map->segment[start].name, "generation", (json_int_t)b->gen,
			  "file", bh_json_text(b->a->live.map->file), "complete", !b->late, "asked",
			  (json_int_t)b->asked, "reached", ways_json(b, ways->v, ways->n),
			  "after_grant", ways_json(b, ways->grant, ways->n_grant), "not_reached",
			  safe_json(b, start, ways), "notes", notes_json(b, start));
	return reply->data ? 0 : -ENOMEM;
}

static int run(struct bh_agent *a, const struct bh_call *call, struct bh_reply *reply)
{
	_cleanup_(bh_blast_ways_clear) struct bh_blast_ways ways = {0};
	_cleanup_(bh_blast_end) struct bh_blast b = {0};
	const char *name = NULL;
	json_int_t steps = 0;
	size_t start = 0;
	int r = bh_arg_need(call, "segment", reply, &name);

	if (r == 0)
		r = bh_arg_int(call, "steps", 1, STEPS_MAX, reply, &steps);
	if (r == 0)
		r = find(a, name, reply, &start);
	if (r == 0)
		r = bh_blast_begin(a, &b);
	if (r == 0)
		r = bh_blast_walk(&b, start, (unsigned int)steps, &ways);
	return r ? r : tell(&b, start, &ways, reply);
}

static const char *const args[] = {"segment", "steps", NULL};

const struct bh_verb bh_verb_blast = {
	.name = "blast", .run = run, .args = args, .aside = bh_aside_always};
