/* SPDX-License-Identifier: Apache-2.0 */
/* verb_pairs.c - who talked to whom, over days: a row for each conversation that was seen. */
#include <errno.h>
#include <string.h>
#include "../pairs.h"
#include "../telemetry/pairs.h"
#include "control.h"
#include "pairrow.h"

struct filter {
	bool denied, audited;
	int64_t since_ms;
};

struct gathering {
	const struct filter *filter;
	struct bh_pair *v;
	size_t n, room;
};

static bool is_wanted(const struct filter *f, const struct bh_pair *p)
{
	bool denied = p->verdict == BH_PAIR_DENIED || p->verdict == BH_PAIR_ERROR;

	if (p->last_ms < f->since_ms)
		return false;
	return (!f->denied && !f->audited) || (f->denied && denied) ||
	       (f->audited && p->verdict == BH_PAIR_AUDITED);
}

static int on_pair(void *ctx, const struct bh_pair *p)
{
	struct gathering *g = ctx;

	if (is_wanted(g->filter, p) && g->n < g->room)
		g->v[g->n++] = *p;
	return 0;
}

static int by_last(const void *a, const void *b)
{
	const struct bh_pair *x = a, *y = b;

	return (x->last_ms < y->last_ms) - (x->last_ms > y->last_ms);
}

/* --- the verb ----------------------------------------------------------------------------------------- */

static json_t *rows_json(const struct gathering *g, size_t limit)
{
	json_auto_t *list = json_array();

	for (size_t i = 0; i < g->n && i < limit; i++)
		if (json_array_append_new(list, bh_pair_json(&g->v[i])) < 0)
			return NULL;
	return TAKE_PTR(list);
}

static int answer(struct bh_agent *a, const struct filter *f, size_t limit, struct bh_reply *reply)
{
	const struct bh_pairs *pairs = bh_agent_pairs(a);
	struct bh_pairs_count n = bh_pairs_count(pairs);
	struct gathering g = {.filter = f, .room = n.rows};
	_cleanup_free_ struct bh_pair *v = calloc(n.rows + 1, sizeof(*v));

	g.v = v;
	if (!v)
		return -ENOMEM;
	(void)bh_pairs_each(pairs, on_pair, &g);
	qsort(g.v, g.n, sizeof(*g.v), by_last);
	reply->data = json_pack("{s:o s:I s:{s:I s:I s:o s:o s:o s:o s:o s:o}}", "rows",
				rows_json(&g, limit), "matched", (json_int_t)g.n, "table", "rows",
				(json_int_t)n.rows, "max", (json_int_t)BH_PAIRS_ROWS, "seen",
				bh_json_u64(n.seen), "skipped", bh_json_u64(n.skipped), "answers",
				bh_json_u64(n.answers), "forgotten", bh_json_u64(n.forgotten),
				"folded", bh_json_u64(n.folded), "lost", bh_json_u64(n.lost));
	return reply->data ? 0 : -ENOMEM;
}

static int run(struct bh_agent *a, const struct bh_call *call, struct bh_reply *reply)
{
	json_int_t limit = BH_PAIRS_ROWS, since_s = 0;
	struct filter f = {0};
	int r = bh_arg_bool(call, "denied", reply, &f.denied);

	if (r == 0)
		r = bh_arg_bool(call, "audited", reply, &f.audited);
	if (r == 0)
		r = bh_arg_int(call, "since_s", 1, INT32_MAX, reply, &since_s);
	if (r == 0)
		r = bh_arg_int(call, "limit", 1, BH_PAIRS_ROWS, reply, &limit);
	if (r < 0)
		return r;
	if (!bh_agent_pairs(a))
		return bh_reply_fail(reply, BH_EXIT_FAILED, NULL,
				     "there is no history: the agent had no memory for one");
	if (since_s)
		f.since_ms = a->clock->wall_ms() - (int64_t)since_s * 1000;
	return answer(a, &f, (size_t)limit, reply);
}

static const char *const args[] = {"denied", "audited", "since_s", "limit", NULL};

const struct bh_verb bh_verb_pairs = {
	.name = "pairs", .run = run, .args = args, .aside = bh_aside_always};
