/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph_layout.c - layers from left to right (Sugiyama): cycles are broken, long edges pass places of
 * their own, and neighbours are brought together. Each edge leaves its node at a height of its own, and
 * its label stands there: so no text meets another. See graph.h.
 */
#include <errno.h>
#include <math.h>
#include <string.h>
#include "graph.h"

#define MARGIN	24.0
#define HEAD	56.0 /* the title */
#define FOOT	56.0 /* the legend */
#define GAP_Y	22.0
#define CURVE_X 90.0 /* for the curves, behind the labels */
#define SWEEPS	12

/* --- layers ------------------------------------------------------------------------------------------ */

/* Depth first: an edge to who is on the way is turned round. */
static void visit(struct bh_graph *g, size_t node, char *state)
{
	state[node] = 1;
	for (size_t i = 0; i < g->n_edge; i++) {
		struct bh_edge *e = &g->edge[i];

		if (e->from != node || e->to == node)
			continue;
		if (state[e->to] == 1)
			e->back = true;
		else if (!state[e->to])
			visit(g, e->to, state);
	}
	state[node] = 2;
}

static size_t left_of(const struct bh_edge *e)
{
	return e->back ? e->to : e->from;
}

static size_t right_of(const struct bh_edge *e)
{
	return e->back ? e->from : e->to;
}

/* Who is asked by nobody begins. Return: 0, -ENOMEM. */
static int break_cycles(struct bh_graph *g)
{
	_cleanup_free_ char *state = calloc(g->n_real + 1, 1);
	_cleanup_free_ bool *asked = calloc(g->n_real + 1, sizeof(*asked));

	if (!state || !asked)
		return -ENOMEM;
	for (size_t i = 0; i < g->n_edge; i++)
		asked[g->edge[i].to] |= g->edge[i].from != g->edge[i].to;
	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < g->n_real; i++)
			if (!state[i] && (pass || !asked[i]))
				visit(g, i, state);
	return 0;
}

static void give_layers(struct bh_graph *g)
{
	bool moved = true;

	for (size_t i = 0; i < g->n_real; i++)
		g->node[i].layer = 0;
	/* a layer a round at most: without cycles it ends */
	for (size_t round = 0; moved && round <= g->n_real; round++) {
		moved = false;
		for (size_t i = 0; i < g->n_edge; i++) {
			const struct bh_edge *e = &g->edge[i];
			struct bh_node *l = &g->node[left_of(e)], *r = &g->node[right_of(e)];

			if (e->from != e->to && r->layer <= l->layer) {
				r->layer = l->layer + 1;
				moved = true;
			}
		}
	}
}

static int add_dummy(struct bh_graph *g, int layer, size_t *ret)
{
	if (g->n_node == g->room_node) {
		size_t room = g->room_node * 2 + 16;
		struct bh_node *more = reallocarray(g->node, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		g->node = more;
		g->room_node = room;
	}
	*ret = g->n_node++;
	g->node[*ret] = (struct bh_node){.layer = layer, .dummy = true, .height = BH_GRAPH_SLOT};
	return 0;
}

static int add_paths(struct bh_graph *g)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < g->n_edge; i++) {
		struct bh_edge *e = &g->edge[i];
		size_t l = left_of(e), last = right_of(e);
		size_t n = (size_t)(g->node[last].layer - g->node[l].layer) + 1;

		e->path = calloc(n + 1, sizeof(*e->path));
		if (!e->path)
			return -ENOMEM;
		e->path[0] = l;
		e->n_path = n;
		for (size_t k = 1; r == 0 && k + 1 < n; k++)
			r = add_dummy(g, g->node[l].layer + (int)k, &e->path[k]);
		if (n > 1)
			e->path[n - 1] = last;
		g->node[l].slots[1]++;
		if (n > 1)
			g->node[last].slots[0]++;
	}
	return r;
}

/* --- up and down --------------------------------------------------------------------------------------- */

static double middle(const struct bh_node *n)
{
	return n->y + n->height / 2;
}

/* Where the neighbours are; a node without some stays. */
static double wanted(const struct bh_graph *g, size_t node)
{
	double sum = 0;
	size_t n = 0;

	for (size_t i = 0; i < g->n_edge; i++) {
		const struct bh_edge *e = &g->edge[i];

		for (size_t k = 0; k + 1 < e->n_path; k++) {
			if (e->path[k] == node) {
				sum += middle(&g->node[e->path[k + 1]]);
				n++;
			} else if (e->path[k + 1] == node) {
				sum += middle(&g->node[e->path[k]]);
				n++;
			}
		}
	}
	return n ? sum / (double)n : middle(&g->node[node]);
}

static int by_order(const void *left, const void *right, void *ctx)
{
	const struct bh_graph *g = ctx;
	size_t a = *(const size_t *)left, b = *(const size_t *)right;

	if (g->node[a].order != g->node[b].order)
		return g->node[a].order < g->node[b].order ? -1 : 1;
	return a < b ? -1 : a > b;
}

/* One layer: as near to their neighbours as there is room, in the order of where they want to be. */
static void settle(struct bh_graph *g, int layer, size_t *row)
{
	size_t n = 0;
	double bottom = -INFINITY, off = 0;

	for (size_t i = 0; i < g->n_node; i++) {
		if (g->node[i].layer != layer)
			continue;
		g->node[i].order = wanted(g, i);
		row[n++] = i;
	}
	if (!n)
		return;
	qsort_r(row, n, sizeof(*row), by_order, g);
	for (size_t i = 0; i < n; i++) {
		struct bh_node *node = &g->node[row[i]];

		double gap = i && (node->dummy || g->node[row[i - 1]].dummy) ? GAP_Y / 2 : GAP_Y;

		node->y = MAX(node->order - node->height / 2, bottom + gap);
		bottom = node->y + node->height;
		off += middle(node) - node->order;
	}
	/* pushed down only: all of it goes back by what that was on average */
	for (size_t i = 0; i < n; i++)
		g->node[row[i]].y -= off / (double)n;
}

static int layers(const struct bh_graph *g)
{
	int n = 0;

	for (size_t i = 0; i < g->n_real; i++)
		n = MAX(n, g->node[i].layer + 1);
	return n;
}

static int place_y(struct bh_graph *g)
{
	_cleanup_free_ size_t *row = calloc(g->n_node + 1, sizeof(*row));
	int n = layers(g);
	double top = INFINITY, bottom = -INFINITY, next = 0;

	if (!row)
		return -ENOMEM;
	for (int k = 0; k < n; k++, next = 0)
		for (size_t i = 0; i < g->n_node; i++)
			if (g->node[i].layer == k) {
				g->node[i].y = next;
				next += g->node[i].height + GAP_Y;
			}
	for (int sweep = 0; sweep < SWEEPS; sweep++)
		for (int k = 0; k < n; k++)
			settle(g, sweep % 2 ? n - 1 - k : k, row);
	for (size_t i = 0; i < g->n_node; i++) {
		top = MIN(top, g->node[i].y);
		bottom = MAX(bottom, g->node[i].y + g->node[i].height);
	}
	for (size_t i = 0; i < g->n_node; i++)
		g->node[i].y += HEAD - top;
	g->height = HEAD + (g->n_node ? bottom - top : 0) + FOOT;
	return 0;
}

/* --- left to right ---------------------------------------------------------------------------------------- */

double bh_graph_label_room(const struct bh_graph *g, int layer)
{
	double room = 0;

	for (size_t i = 0; i < g->n_edge; i++) {
		const struct bh_edge *e = &g->edge[i];

		if (g->node[e->path[0]].layer == layer)
			room = MAX(room, bh_graph_text_width(e->label) + 28);
	}
	return room;
}

static void place_x(struct bh_graph *g)
{
	int n = layers(g);
	double x = MARGIN;

	for (int layer = 0; layer < n; layer++) {
		double width = 0;

		for (size_t i = 0; i < g->n_real; i++)
			if (g->node[i].layer == layer)
				width = MAX(width, g->node[i].width);
		for (size_t i = 0; i < g->n_node; i++)
			if (g->node[i].layer == layer) {
				g->node[i].x = x;
				g->node[i].width = width;
			}
		x += width + bh_graph_label_room(g, layer) + (layer + 1 < n ? CURVE_X : 0);
	}
	/* the legend has to have room, too */
	g->width = MAX(x + MARGIN, 640.0);
}

/* --- where edges meet their nodes -------------------------------------------------------------------------- */

struct end {
	struct bh_edge *edge;
	int side; /* of the edge: 0 its left end */
	double other;
};

static int by_other(const void *left, const void *right)
{
	const struct end *a = left, *b = right;

	if (a->other != b->other)
		return a->other < b->other ? -1 : 1;
	return a->edge < b->edge ? -1 : a->edge > b->edge;
}

static void place_ends(struct bh_graph *g, size_t node, int side, struct end *ends)
{
	const struct bh_node *at = &g->node[node];
	size_t n = 0;
	double y;

	for (size_t i = 0; i < g->n_edge; i++) {
		struct bh_edge *e = &g->edge[i];
		size_t mine = side ? e->n_path - 1 : 0;
		size_t next = side ? mine - 1 : MIN((size_t)1, e->n_path - 1);

		if ((side && e->n_path < 2) || e->path[mine] != node)
			continue;
		ends[n++] = (struct end){e, side, middle(&g->node[e->path[next]])};
	}
	if (n)
		qsort(ends, n, sizeof(*ends), by_other);
	y = middle(at) - ((double)n - 1) * BH_GRAPH_SLOT / 2;
	for (size_t i = 0; i < n; i++, y += BH_GRAPH_SLOT)
		ends[i].edge->y[side] = y;
}

int bh_graph_layout(struct bh_graph *g)
{
	_cleanup_free_ struct end *ends = calloc(g->n_edge + 1, sizeof(*ends));
	int r = ends ? break_cycles(g) : -ENOMEM;

	if (r == 0)
		give_layers(g);
	if (r == 0)
		r = add_paths(g);
	for (size_t i = 0; r == 0 && i < g->n_real; i++) {
		struct bh_node *n = &g->node[i];
		size_t slots = MAX(n->slots[0], n->slots[1]);

		n->width = MAX(90.0, bh_graph_text_width(n->name) * 13 / 12 + 32);
		n->height = MAX(38.0, (double)slots * BH_GRAPH_SLOT + 10);
	}
	if (r == 0)
		r = place_y(g);
	if (r < 0)
		return r;
	place_x(g);
	for (size_t i = 0; i < g->n_real; i++)
		for (int side = 0; side < 2; side++)
			place_ends(g, i, side, ends);
	return 0;
}
