/* SPDX-License-Identifier: Apache-2.0 */
/* blast_walk.c - step by step: what is reached is asked what it reaches. See blast.h. */
#include <errno.h>
#include <string.h>
#include "blast.h"

void bh_blast_ways_clear(struct bh_blast_ways *ways)
{
	for (size_t i = 0; i < ways->n; i++)
		bh_blast_spans_clear(&ways->v[i].spans);
	for (size_t i = 0; i < ways->n_grant; i++)
		bh_blast_spans_clear(&ways->grant[i].spans);
	free(ways->v);
	free(ways->grant);
	*ways = (struct bh_blast_ways){0};
}

/* @way is taken over. */
static int add(struct bh_blast_way **v, size_t *n, size_t *room, struct bh_blast_way *way)
{
	struct bh_blast_way *more;

	if (*n == *room) {
		size_t bigger = *room ? *room * 2 : 16;

		more = reallocarray(*v, bigger, sizeof(*more));
		if (!more) {
			bh_blast_spans_clear(&way->spans);
			return -ENOMEM;
		}
		*v = more;
		*room = bigger;
	}
	(*v)[(*n)++] = *way;
	return 0;
}

struct walk {
	struct bh_blast *b;
	struct bh_blast_ways *ways;
	size_t start;
	bool *reached;
};

static int try_one(struct walk *w, size_t from, size_t to, unsigned int step)
{
	struct bh_blast_way way = {.from = from, .to = to, .step = step};
	int r = bh_blast_ask(w->b, from, to, &way.spans);
	enum bh_blast_verdict best = bh_blast_best(&way.spans);

	if (r < 0 || best == BH_BLAST_DENIED) {
		bh_blast_spans_clear(&way.spans);
		return r;
	}
	if (best == BH_BLAST_GRANT)
		return add(&w->ways->grant, &w->ways->n_grant, &w->ways->room_grant, &way);
	w->reached[to] = true;
	return add(&w->ways->v, &w->ways->n, &w->ways->room, &way);
}

/* Others of its own kind: only where the map lets it ask itself. */
static int spread(struct walk *w, size_t from, unsigned int step)
{
	int r = 0;

	for (size_t to = 0; r == 0 && to < w->b->n; to++)
		if (!w->reached[to] && (to != from || from == w->start))
			r = try_one(w, from, to, step);
	return r;
}

/* Whoever is in the world was there before; the start itself is not a step. */
static bool goes_on(const struct walk *w, size_t seg)
{
	return seg != BH_SEG_WORLD && seg != w->start;
}

/* A grant matters for what is not reached without it. */
static void drop_reached(struct walk *w)
{
	size_t n = 0;

	for (size_t i = 0; i < w->ways->n_grant; i++) {
		struct bh_blast_way *way = &w->ways->grant[i];

		if (w->reached[way->to] || way->to == w->start)
			bh_blast_spans_clear(&way->spans);
		else
			w->ways->grant[n++] = *way;
	}
	w->ways->n_grant = n;
}

int bh_blast_walk(struct bh_blast *b, size_t start, unsigned int steps, struct bh_blast_ways *ret)
{
	_cleanup_free_ bool *reached = calloc(b->n + 1, sizeof(*reached));
	struct walk w = {.b = b, .ways = ret, .start = start, .reached = reached};
	int r = reached ? spread(&w, start, 1) : -ENOMEM;

	/* the list grows while it is walked: what a step adds is asked in the next */
	if (reached)
		reached[start] = true;
	for (size_t i = 0; r == 0 && i < ret->n; i++) {
		unsigned int step = ret->v[i].step + 1;

		if (goes_on(&w, ret->v[i].to) && (!steps || step <= steps))
			r = spread(&w, ret->v[i].to, step);
	}
	if (reached)
		drop_reached(&w);
	b->late = r == -ETIME;
	return r == -ETIME ? 0 : r;
}
