/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_simulate.c - what a map would change for the conversations that were seen: it is staged on
 * the idle side, asked, and not published. Code 3 if something seen would newly be denied.
 */
#include <errno.h>
#include <string.h>
#include "../pairs.h"
#include "pairrow.h"
#include "parts.h"
#include "simulate.h"

#define ROWS_MAX 10000

static json_t *half_json(const struct bh_sim_half *half, const struct bh_numbers *numbers)
{
	const char *rule = half->rule ? bh_numbers_rule_name(numbers, half->rule) : NULL;

	return json_pack("{s:s s:s s:o}", "verdict", bh_sim_word(half->verdict), "reason",
			 bh_reason_name(half->reason), "rule", bh_json_text(rule));
}

/* What is denied anew first, and of that what was seen most often. */
static int by_weight(const void *a, const void *b)
{
	const struct bh_sim_row *x = a, *y = b;

	if (x->will.verdict != y->will.verdict)
		return x->will.verdict < y->will.verdict ? 1 : -1;
	return (x->pair.times < y->pair.times) - (x->pair.times > y->pair.times);
}

static json_t *rows_json(const struct bh_agent *a, const struct bh_live *l, struct bh_sim *sim)
{
	json_auto_t *list = json_array();

	if (sim->n)
		qsort(sim->v, sim->n, sizeof(*sim->v), by_weight);
	for (size_t i = 0; i < sim->n && i < ROWS_MAX; i++) {
		json_t *row = bh_pair_json(&sim->v[i].pair);

		if (!row ||
		    json_object_set_new(row, "was", half_json(&sim->v[i].was, a->live.numbers)) <
			    0 ||
		    json_object_set_new(row, "will", half_json(&sim->v[i].will, l->numbers)) < 0 ||
		    json_array_append(list, row) < 0) {
			json_decref(row);
			return NULL;
		}
		json_decref(row);
	}
	return TAKE_PTR(list);
}

static size_t count(const struct bh_sim *sim, enum bh_sim_verdict will)
{
	size_t n = 0;

	for (size_t was = 0; was < BH_SIM_VERDICTS; was++)
		n += was != will ? sim->count[was][will] : 0;
	return n;
}

static json_t *data_json(const struct bh_agent *a, const struct bh_live *l, struct bh_sim *sim)
{
	size_t same = 0;

	for (size_t v = 0; v < BH_SIM_VERDICTS; v++)
		same += sim->count[v][v];
	return json_pack("{s:o s:I s:I s:I s:I s:I s:I s:I s:I}", "rows", rows_json(a, l, sim),
			 "judged", (json_int_t)sim->judged, "same", (json_int_t)same, "denied",
			 (json_int_t)count(sim, BH_SIM_DENIED), "audited",
			 (json_int_t)count(sim, BH_SIM_AUDITED), "allowed",
			 (json_int_t)count(sim, BH_SIM_ALLOWED), "halves", (json_int_t)sim->halves,
			 "gone", (json_int_t)sim->gone, "unknown", (json_int_t)sim->unknown);
}

static int may(struct bh_agent *a, const struct bh_call *call, struct bh_reply *reply)
{
	const char *why = bh_caller_may_change(call->caller);

	if (why)
		(void)bh_reply_fail(
			reply, BH_EXIT_FAILED, "ask from a root login on this host",
			"a map is tried on the kernel's idle side, and that is refused: "
			"%s",
			why);
	else if (!bh_agent_pairs(a))
		(void)bh_reply_fail(reply, BH_EXIT_FAILED, NULL,
				    "there is no history: the agent had no memory for one");
	else
		return 0;
	return -EPERM;
}

static int run(struct bh_agent *a, const struct bh_call *call, struct bh_reply *reply)
{
	_cleanup_(bh_live_clear) struct bh_live l = {0};
	_cleanup_(bh_sim_clear) struct bh_sim sim = {0};
	const char *file = "map", *text = NULL;
	json_int_t since_s = 0;
	__u64 gen;
	int r = bh_arg_string(call, "file", reply, &file);

	if (r == 0)
		r = bh_arg_need(call, "text", reply, &text);
	if (r == 0)
		r = bh_arg_int(call, "since_s", 1, INT32_MAX, reply, &since_s);
	if (r == 0)
		r = may(a, call, reply);
	if (r == 0)
		r = bh_agent_compile(a, file, text, strlen(text), &reply->diags, &l);
	if (r < 0)
		return r;
	/* the question is what the map says, not what `mode observe` makes of it */
	bh_live_cap(&l, false);
	r = bh_agent_rehearse(a, &l, &reply->diags, &gen);
	if (r == 0)
		r = bh_simulate(a, &l, gen,
				since_s ? a->clock->wall_ms() - (int64_t)since_s * 1000 : 0, &sim);
	if (r < 0)
		return r;
	reply->data = data_json(a, &l, &sim);
	if (count(&sim, BH_SIM_DENIED))
		reply->code = BH_EXIT_NO;
	return reply->data ? 0 : -ENOMEM;
}

static const char *const args[] = {"file", "text", "since_s", NULL};

const struct bh_verb bh_verb_simulate = {
	.name = "simulate", .max_bytes = BH_PROTO_MAX_APPLY, .args = args, .run = run};
