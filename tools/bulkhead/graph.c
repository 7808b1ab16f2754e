/* SPDX-License-Identifier: Apache-2.0 */
/* graph.c - see graph.h: conversations as nodes and edges, and the two in text for other programs. */
#include <errno.h>
#include <string.h>
#include "../../agent/base/utf8.h"
#include "graph.h"

#define PORTS_SHOWN 2

void bh_graph_clear(struct bh_graph *g)
{
	for (size_t i = 0; i < g->n_node; i++)
		free(g->node[i].name);
	for (size_t i = 0; i < g->n_edge; i++) {
		free(g->edge[i].label);
		free(g->edge[i].path);
		json_decref(g->edge[i].ports);
	}
	free(g->node);
	free(g->edge);
	*g = (struct bh_graph){0};
}

/* --- nodes and edges ------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct bh_node *)a)->name, ((const struct bh_node *)b)->name);
}

static int add_names(struct bh_graph *g, const struct bh_talks *talks)
{
	size_t n = bh_talks_count(talks), to = 0;

	g->room_node = 2 * n + 1;
	g->node = calloc(g->room_node, sizeof(*g->node));
	if (!g->node)
		return -ENOMEM;
	for (size_t i = 0; i < 2 * n; i++) {
		const struct bh_talk *t = bh_talks_at(talks, i / 2);

		g->node[i].name = strdup(i % 2 ? t->to : t->from);
		g->n_node++;
		if (!g->node[i].name)
			return -ENOMEM;
	}
	qsort(g->node, g->n_node, sizeof(*g->node), by_name);
	for (size_t i = 0; i < g->n_node; i++)
		if (to && !strcmp(g->node[to - 1].name, g->node[i].name))
			free(g->node[i].name);
		else
			g->node[to++] = g->node[i];
	g->n_node = g->n_real = to;
	return 0;
}

static size_t index_of(const struct bh_graph *g, const char *name)
{
	struct bh_node like = {.name = (char *)name};
	const struct bh_node *at = bsearch(&like, g->node, g->n_real, sizeof(*g->node), by_name);

	return at ? (size_t)(at - g->node) : 0;
}

static struct bh_edge *edge_of(struct bh_graph *g, const struct bh_talk *t)
{
	size_t from = index_of(g, t->from), to = index_of(g, t->to);
	struct bh_edge *e;

	for (size_t i = 0; i < g->n_edge; i++) {
		e = &g->edge[i];
		if (e->from == from && e->to == to && e->verdict == t->verdict)
			return e;
	}
	e = &g->edge[g->n_edge++];
	e->from = from;
	e->to = to;
	e->verdict = t->verdict;
	e->ports = json_array();
	return e;
}

static int by_ends(const void *left, const void *right)
{
	const struct bh_edge *a = left, *b = right;

	if (a->from != b->from)
		return a->from < b->from ? -1 : 1;
	if (a->to != b->to)
		return a->to < b->to ? -1 : 1;
	return (int)a->verdict - (int)b->verdict;
}

/* The ports that came first: the busiest, as the conversations are sorted. */
static char *label_of(const struct bh_edge *e)
{
	size_t n = json_array_size(e->ports), shown = n <= PORTS_SHOWN + 1 ? n : PORTS_SHOWN, bytes;
	char *text = NULL;
	FILE *out = open_memstream(&text, &bytes);

	if (!out)
		return NULL;
	for (size_t i = 0; i < shown; i++)
		fprintf(out, "%s%s", i ? ", " : "", json_string_value(json_array_get(e->ports, i)));
	if (shown < n)
		fprintf(out, ", %zu more", n - shown);
	return fclose(out) ? NULL : text;
}

int bh_graph_make(struct bh_talks *talks, struct bh_graph *ret)
{
	struct bh_graph g = {0};
	int r;

	bh_talks_sort(talks, BH_SORT_BYTES);
	r = add_names(&g, talks);
	g.edge = calloc(bh_talks_count(talks) + 1, sizeof(*g.edge));
	if (!g.edge)
		r = -ENOMEM;
	for (size_t i = 0; r == 0 && i < bh_talks_count(talks); i++) {
		const struct bh_talk *t = bh_talks_at(talks, i);
		struct bh_edge *e = edge_of(&g, t);

		if (json_array_append_new(e->ports, json_string(t->port)) < 0)
			r = -ENOMEM;
		e->sum.packets += t->sum.packets;
		e->sum.bytes += t->sum.bytes;
		e->sum.flows += t->sum.flows;
		e->sum.denied += t->sum.denied;
	}
	if (g.n_edge)
		qsort(g.edge, g.n_edge, sizeof(*g.edge), by_ends);
	for (size_t i = 0; r == 0 && i < g.n_edge; i++) {
		g.edge[i].label = label_of(&g.edge[i]);
		r = g.edge[i].label ? 0 : -ENOMEM;
	}
	*ret = g;
	return r;
}

double bh_graph_weight(const struct bh_edge *e)
{
	/* what was denied moved nothing: there each attempt counts as a kilobyte */
	uint64_t kib = e->sum.bytes / 1024 + e->sum.denied;
	double weight = 1.2;

	for (; kib > 1 && weight < 6; kib /= 2)
		weight += 0.24;
	return weight;
}

double bh_graph_text_width(const char *text)
{
	double width = 0;

	while (*text) {
		unsigned c = 0;
		int n = bh_utf8_next(text, &c);

		width += c >= 0x1100 ? 2 * BH_GRAPH_CHAR : BH_GRAPH_CHAR;
		text += n ? n : 1;
	}
	return width;
}

/* --- for graphviz ----------------------------------------------------------------------------------- */

static const char *colour(const struct bh_edge *e)
{
	return e->verdict == BH_TALK_ALLOWED   ? "#2f855a"
	       : e->verdict == BH_TALK_AUDITED ? "#b7791f"
					       : "#c53030";
}

static void dot_text(FILE *out, const char *s)
{
	(void)fputc('"', out);
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			(void)fputc('\\', out);
		(void)fputc(*s, out);
	}
	(void)fputc('"', out);
}

void bh_graph_dot(FILE *out, const struct bh_graph *g)
{
	fprintf(out, "digraph bulkhead {\n  rankdir=LR;\n  node [shape=box, style=rounded, "
		     "fontname=\"sans-serif\"];\n  edge [fontname=\"sans-serif\", fontsize=10];\n");
	for (size_t i = 0; i < g->n_real; i++) {
		fprintf(out, "  ");
		dot_text(out, g->node[i].name);
		fprintf(out, ";\n");
	}
	for (size_t i = 0; i < g->n_edge; i++) {
		const struct bh_edge *e = &g->edge[i];

		fprintf(out, "  ");
		dot_text(out, g->node[e->from].name);
		fprintf(out, " -> ");
		dot_text(out, g->node[e->to].name);
		fprintf(out, " [label=");
		dot_text(out, e->label);
		fprintf(out,
			", color=\"%s\", fontcolor=\"%s\", style=%s, penwidth=%.1f, class=%s];\n",
			colour(e), colour(e), e->verdict == BH_TALK_ALLOWED ? "solid" : "dashed",
			bh_graph_weight(e), bh_talk_verdict_word(e->verdict));
	}
	fprintf(out, "}\n");
}

/* --- for Markdown ------------------------------------------------------------------------------------ */

static void mermaid_text(FILE *out, const char *s)
{
	for (; *s; s++)
		if (strchr("\"#&<>|[]{}();`\\", *s))
			fprintf(out, "#%d;", *s);
		else
			(void)fputc(*s, out);
}

void bh_graph_mermaid(FILE *out, const struct bh_graph *g)
{
	fprintf(out, "flowchart LR\n");
	for (size_t i = 0; i < g->n_real; i++) {
		fprintf(out, "  n%zu[\"", i);
		mermaid_text(out, g->node[i].name);
		fprintf(out, "\"]\n");
	}
	for (size_t i = 0; i < g->n_edge; i++) {
		const struct bh_edge *e = &g->edge[i];

		fprintf(out, "  n%zu %s|\"", e->from,
			e->verdict == BH_TALK_ALLOWED ? "-->" : "-.->");
		mermaid_text(out, e->label);
		fprintf(out, "\"| n%zu\n", e->to);
	}
	for (size_t i = 0; i < g->n_edge; i++)
		fprintf(out, "  linkStyle %zu stroke:%s,stroke-width:%.1fpx\n", i,
			colour(&g->edge[i]), bh_graph_weight(&g->edge[i]));
}

json_t *bh_graph_json(const struct bh_graph *g)
{
	json_auto_t *nodes = json_array(), *edges = json_array();

	for (size_t i = 0; i < g->n_real; i++)
		if (json_array_append_new(nodes, json_string(g->node[i].name)) < 0)
			return NULL;
	for (size_t i = 0; i < g->n_edge; i++) {
		const struct bh_edge *e = &g->edge[i];

		if (json_array_append_new(
			    edges, json_pack("{s:s s:s s:s s:O s:I s:I s:I s:I}", "from",
					     g->node[e->from].name, "to", g->node[e->to].name,
					     "verdict", bh_talk_verdict_word(e->verdict), "ports",
					     e->ports, "packets", (json_int_t)e->sum.packets,
					     "bytes", (json_int_t)e->sum.bytes, "connections",
					     (json_int_t)e->sum.flows, "denied",
					     (json_int_t)e->sum.denied)) < 0)
			return NULL;
	}
	return json_pack("{s:O s:O}", "nodes", nodes, "edges", edges);
}
