/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph.h - who talks to whom as a picture: segments and the edges between them, laid out in layers,
 * written as SVG, or as text for other programs. Pure and deterministic. Used by cmd_graph.c.
 */
#ifndef BH_GRAPH_H
#define BH_GRAPH_H

#include <stdio.h>
#include "talks.h"

struct bh_node {
	char *name;
	/* layout */
	int layer; /* -1: none yet */
	double x, y, width, height;
	size_t slots[2]; /* edges that come in from the left, go out to the right */
	double order;
	bool dummy; /* a place where a long edge passes */
};

struct bh_edge {
	size_t from, to;
	enum bh_talk_verdict verdict;
	char *label; /* "tcp/443, udp/53, 2 more" */
	json_t *ports;
	struct bh_talk_sum sum;
	/* layout: nodes from left to right, the first and the last are real */
	bool back; /* it goes from right to left */
	size_t *path;
	size_t n_path;
	double y[2]; /* where it leaves the left one, and comes to the right one */
};

struct bh_graph {
	struct bh_node *node; /* real ones first, by name */
	size_t n_node, n_real, room_node;
	struct bh_edge *edge;
	size_t n_edge;
	double width, height;
};

/* Return: 0, -ENOMEM. */
int bh_graph_make(struct bh_talks *talks, struct bh_graph *ret);
void bh_graph_clear(struct bh_graph *g);
#define _cleanup_graph_ _cleanup_(bh_graph_clear)

/* Places all of it; see graph_layout.c. Return: 0, -ENOMEM. */
int bh_graph_layout(struct bh_graph *g);

#define BH_GRAPH_CHAR 7.3 /* of a fixed font of 12 */
#define BH_GRAPH_SLOT 20.0
/* As wide as @text is drawn. */
double bh_graph_text_width(const char *text);
/* How much room labels have right of layer @layer. */
double bh_graph_label_room(const struct bh_graph *g, int layer);

void bh_graph_svg(FILE *out, const struct bh_graph *g);
void bh_graph_dot(FILE *out, const struct bh_graph *g);
void bh_graph_mermaid(FILE *out, const struct bh_graph *g);
json_t *bh_graph_json(const struct bh_graph *g);

/* 1 to 6: how wide an edge is. */
double bh_graph_weight(const struct bh_edge *e);

#endif
