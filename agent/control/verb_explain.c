/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_explain.c - may SRC talk to DST, which line says so, and if none does: which comes
 * nearest. The answer is bh_judge's; here it is only put into words.
 */
#include <errno.h>
#include <string.h>
#include "explain.h"

static void clear(struct bh_explain *x)
{
	bh_end_clear(&x->from);
	bh_end_clear(&x->to);
	json_decref(x->caveats);
}

/* --- the question ----------------------------------------------------------------------------- */

static int parse(struct bh_explain *x, const struct bh_call *call)
{
	const char *proto = NULL;
	json_int_t port = 0;
	struct bh_fault fault;
	int r = bh_arg_need(call, "from", x->reply, &x->from.word);

	if (r == 0)
		r = bh_arg_need(call, "to", x->reply, &x->to.word);
	if (r == 0)
		r = bh_arg_need(call, "proto", x->reply, &proto);
	if (r == 0)
		r = bh_arg_int(call, "port", 1, 65535, x->reply, &port);
	if (r < 0)
		return r;
	r = bh_ask_parse(proto, (unsigned int)port, &x->ask, &fault);
	if (r < 0)
		(void)bh_reply_fail(x->reply, BH_EXIT_USAGE, *fault.help ? fault.help : NULL, "%s",
				    fault.text);
	return r;
}

static int check_policy(struct bh_explain *x)
{
	if (bh_kern_generation(x->a->kern))
		return 0;
	(void)bh_reply_fail(x->reply, BH_EXIT_FAILED, "bulkhead apply FILE",
			    "no segment map is enforced on this host: everything passes");
	return -ENOENT;
}

/* --- the nearest rule ------------------------------------------------------------------------- */

static bool index_of(const struct bh_compiled *c, __u32 identity, size_t *ret)
{
	for (size_t i = 0; c && i < c->n_identity; i++)
		if (c->identity[i] == identity) {
			*ret = i;
			return true;
		}
	return false;
}

/* No rule fits, so that one more would help. */
static bool lacks_rule(enum bh_reason reason)
{
	return reason == BH_R_DEFAULT_DENY || reason == BH_R_PROTOCOL;
}

/* One fits, but for a condition of its own: a rule without it would go around that. */
static bool lacks_condition(enum bh_reason reason)
{
	return reason == BH_R_RULE_EXPIRED || reason == BH_R_GRANT_MISSING ||
	       reason == BH_R_POSTURE_UNKNOWN;
}

/*
 * A rule for `world` or `unassigned` would open it to everybody of the kind: only if that was
 * asked for by name. A note says how to give the end a segment.
 */
static bool is_named(const struct bh_end *end, __u32 identity)
{
	return end->kind == BH_END_SEGMENT ||
	       (identity != BH_ID_WORLD && identity != BH_ID_UNASSIGNED);
}

static json_t *nearest_json(const struct bh_map *map, const struct bh_near_ask *q)
{
	unsigned int differs = 0;
	const struct bh_rule_src *rule = bh_rule_nearest(q, &differs);

	if (!rule)
		return json_null();
	return json_pack("{s:s s:i s:o s:o}", "rule", rule->id, "line", rule->pos.line, "source",
			 bh_map_line_json(map, rule->pos.line), "differs",
			 bh_differs_json(map, rule, differs));
}

static json_t *suggestion_json(const struct bh_explain *x, const struct bh_half_said *no,
			       const struct bh_near_ask *q)
{
	bool out = no->dir == BH_OUT;
	__u32 from = out ? no->answer.local : no->answer.remote;
	__u32 to = out ? no->answer.remote : no->answer.local;
	_cleanup_free_ char *text = NULL;

	if (!lacks_rule(no->reason) || !is_named(&x->from, from) || !is_named(&x->to, to))
		return json_null();
	text = bh_rule_suggest(q);
	return text ? json_string(text) : NULL;
}

static int put_nearest(const struct bh_explain *x, json_t *data)
{
	const struct bh_half_said *no = bh_explain_denier(x);
	const struct bh_live *l = &x->a->live;
	struct bh_near_ask q = {
		.map = l->map,
		.ask = &x->ask,
		.now_s = x->a->clock->wall_ms() / 1000,
	};
	json_t *nearest = json_null(), *suggestion = json_null();
	bool out = no && no->dir == BH_OUT;

	if (no && (lacks_rule(no->reason) || lacks_condition(no->reason)) &&
	    index_of(l->compiled, no->answer.local, out ? &q.from : &q.to) &&
	    index_of(l->compiled, no->answer.remote, out ? &q.to : &q.from)) {
		nearest = nearest_json(l->map, &q);
		suggestion = suggestion_json(x, no, &q);
	}
	if (json_object_set_new(data, "nearest", nearest) < 0 ||
	    json_object_set_new(data, "suggestion", suggestion) < 0)
		return -ENOMEM;
	return 0;
}

/* --- the answer ------------------------------------------------------------------------------- */

static json_t *halves_json(const struct bh_explain *x)
{
	json_auto_t *list = json_array();

	for (size_t i = 0; i < x->n_halves; i++)
		if (json_array_append_new(list, bh_half_json(x, &x->half[i])) < 0)
			return NULL;
	return TAKE_PTR(list);
}

static int tell(struct bh_explain *x)
{
	const struct bh_half_said *no = bh_explain_denier(x);
	const struct bh_half_said *half = no ? no : &x->half[0];
	const struct bh_map *map = x->a->live.map;

	bh_explain_caveats(x);
	if (x->oom)
		return -ENOMEM;
	x->reply->data = json_pack("{s:s s:s s:s s:I s:o s:o s:O}", "verdict",
				   bh_half_verdict(half), "reason", bh_reason_name(half->reason),
				   "text", bh_reason_text(half->reason), "generation",
				   (json_int_t)bh_kern_generation(x->a->kern), "file",
				   bh_json_text(map ? map->file : NULL), "halves", halves_json(x),
				   "caveats", x->caveats);
	if (!x->reply->data)
		return -ENOMEM;
	x->reply->code = no && !no->pass ? BH_EXIT_NO : BH_EXIT_OK;
	return put_nearest(x, x->reply->data);
}

static int run(struct bh_agent *a, const struct bh_call *call, struct bh_reply *reply)
{
	_cleanup_(clear) struct bh_explain x = {.a = a, .reply = reply, .caveats = json_array()};
	int r = x.caveats ? parse(&x, call) : -ENOMEM;

	if (r == 0)
		r = check_policy(&x);
	if (r == 0)
		r = bh_explain_resolve(&x);
	if (r == 0)
		r = bh_explain_judge(&x);
	if (r == 0)
		r = tell(&x);
	return r;
}

static const char *const args[] = {"from", "to", "proto", "port", NULL};

const struct bh_verb bh_verb_explain = {.name = "explain", .run = run, .args = args};
