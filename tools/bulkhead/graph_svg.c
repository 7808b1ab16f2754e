/* SPDX-License-Identifier: Apache-2.0 */
/* graph_svg.c - a graph that was laid out as a picture, for light and for dark pages. See graph.h. */
#include <string.h>
#include "graph.h"

static void xml_text(FILE *out, const char *s)
{
	for (; *s; s++)
		switch (*s) {
		case '&':
			(void)fputs("&amp;", out);
			break;
		case '<':
			(void)fputs("&lt;", out);
			break;
		case '>':
			(void)fputs("&gt;", out);
			break;
		case '"':
			(void)fputs("&quot;", out);
			break;
		default:
			(void)fputc(*s, out);
		}
}

static void put_style(FILE *out)
{
	static const char *const verdicts[][3] = {
		{"allowed", "#2f855a", "#68d391"},
		{"audited", "#b7791f", "#f6c75e"},
		{"denied", "#c53030", "#fc8181"},
	};

	fprintf(out,
		"<style>\n"
		"text{font-family:monospace;font-size:12px;fill:#4a5568}\n"
		".page{fill:#ffffff}.title{font-family:sans-serif;font-size:16px;"
		"font-weight:600;fill:#1a202c}\n"
		".node{fill:#f7fafc;stroke:#a0aec0;stroke-width:1.2}\n"
		".name{font-size:13px;font-weight:600;fill:#1a202c;text-anchor:middle}\n"
		".outer{stroke-dasharray:5 4}\n"
		".edge{fill:none;stroke-linecap:butt}.audited,.denied{stroke-dasharray:7 4}\n");
	for (size_t i = 0; i < ARRAY_SIZE(verdicts); i++)
		fprintf(out, "path.%s{stroke:%s}text.%s,.head-%s{fill:%s;stroke-dasharray:none}\n",
			verdicts[i][0], verdicts[i][1], verdicts[i][0], verdicts[i][0],
			verdicts[i][1]);
	fprintf(out, "@media (prefers-color-scheme: dark){\n"
		     "text{fill:#cbd5e0}.page{fill:#171923}.title,.name{fill:#f7fafc}\n"
		     ".node{fill:#2d3748;stroke:#718096}\n");
	for (size_t i = 0; i < ARRAY_SIZE(verdicts); i++)
		fprintf(out, "path.%s{stroke:%s}text.%s,.head-%s{fill:%s}\n", verdicts[i][0],
			verdicts[i][2], verdicts[i][0], verdicts[i][0], verdicts[i][2]);
	fprintf(out, "}\n</style>\n");
}

/* A head at (@x, @y) that points to the right, or to the left. */
static void put_head(FILE *out, const char *verdict, double x, double y, double weight, bool left)
{
	double long_ = 8 + weight, half = 3.5 + weight * 0.7;

	fprintf(out, "<polygon class=\"head-%s\" points=\"%.1f,%.1f %.1f,%.1f %.1f,%.1f\"/>\n",
		verdict, x, y, left ? x + long_ : x - long_, y - half, left ? x + long_ : x - long_,
		y + half);
}

/* The ends of a stretch are level, so that it meets the next without a corner. */
static void put_curve(FILE *out, double x0, double y0, double x1, double y1)
{
	double bend = (x1 - x0) / 2;

	fprintf(out, " C%.1f %.1f %.1f %.1f %.1f %.1f", x0 + bend, y0, x1 - bend, y1, x1, y1);
}

static void put_loop(FILE *out, const struct bh_graph *g, const struct bh_edge *e)
{
	const struct bh_node *n = &g->node[e->from];
	const char *verdict = bh_talk_verdict_word(e->verdict);
	double x = n->x + n->width, y = e->y[0];

	fprintf(out,
		"<path class=\"edge %s\" stroke-width=\"1.5\" d=\"M%.1f %.1f C%.1f %.1f %.1f %.1f "
		"%.1f %.1f\"/>\n",
		verdict, x, y - 5, x + 18, y - 7, x + 18, y + 7, x + 7, y + 5);
	put_head(out, verdict, x, y + 5, 0, true);
}

static void put_edge(FILE *out, const struct bh_graph *g, const struct bh_edge *e)
{
	const struct bh_node *l = &g->node[e->path[0]], *r = &g->node[e->path[e->n_path - 1]];
	const char *verdict = bh_talk_verdict_word(e->verdict);
	double weight = bh_graph_weight(e), room = 8 + weight;
	double x = l->x + l->width, y = e->y[0], end = r->x - (e->back ? 0 : room - 2);
	double level = x + bh_graph_label_room(g, l->layer);

	/* level as long as the labels are, then over to the next layer */
	fprintf(out, "<path class=\"edge %s\" stroke-width=\"%.1f\" d=\"M%.1f %.1f L%.1f %.1f",
		verdict, weight, x + (e->back ? room - 2 : 0), y, level, y);
	for (size_t k = 1; k < e->n_path; k++) {
		const struct bh_node *n = &g->node[e->path[k]];
		bool last = k + 1 == e->n_path;
		double to_y = last ? e->y[1] : n->y + n->height / 2;

		put_curve(out, level, y, last ? end : n->x, to_y);
		level = n->x + n->width + bh_graph_label_room(g, n->layer);
		y = to_y;
		if (!last)
			fprintf(out, " L%.1f %.1f", level, y);
	}
	fprintf(out, "\"/>\n");
	put_head(out, verdict, e->back ? x : r->x, e->back ? e->y[0] : e->y[1], weight, e->back);
}

static void put_label(FILE *out, const struct bh_graph *g, const struct bh_edge *e)
{
	const struct bh_node *n = &g->node[e->path[0]];

	fprintf(out, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\">", bh_talk_verdict_word(e->verdict),
		n->x + n->width + 20,
		e->n_path < 2 ? e->y[0] : e->y[0] - 4 - bh_graph_weight(e) / 2);
	xml_text(out, e->label);
	fprintf(out, "</text>\n");
}

static bool is_outer(const char *name)
{
	return !strcmp(name, "world") || !strcmp(name, "unassigned") || !strcmp(name, "host") ||
	       !strcmp(name, "?");
}

static void put_node(FILE *out, const struct bh_node *n)
{
	fprintf(out,
		"<rect class=\"node%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" "
		"rx=\"8\"/>\n<text class=\"name\" x=\"%.1f\" y=\"%.1f\">",
		is_outer(n->name) ? " outer" : "", n->x, n->y, n->width, n->height,
		n->x + n->width / 2, n->y + n->height / 2 + 4.5);
	xml_text(out, n->name);
	fprintf(out, "</text>\n");
}

static void put_legend(FILE *out, const struct bh_graph *g)
{
	static const struct {
		const char *verdict, *text;
		double width;
	} said[] = {{"allowed", "allowed", 120},
		    {"audited", "would be denied", 176},
		    {"denied", "denied", 112}};
	double x = 24, y = g->height - 22;

	for (size_t i = 0; i < ARRAY_SIZE(said); i++) {
		fprintf(out,
			"<path class=\"edge %s\" stroke-width=\"2\" d=\"M%.1f %.1f h26\"/>\n"
			"<text class=\"%s\" x=\"%.1f\" y=\"%.1f\">%s</text>\n",
			said[i].verdict, x, y, said[i].verdict, x + 34, y + 4, said[i].text);
		x += said[i].width;
	}
	fprintf(out, "<text x=\"%.1f\" y=\"%.1f\">the wider, the more</text>\n", x, y + 4);
}

void bh_graph_svg(FILE *out, const struct bh_graph *g)
{
	fprintf(out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" "
		"viewBox=\"0 0 %.0f %.0f\" role=\"img\">\n<title>who talks to whom</title>\n",
		g->width, g->height, g->width, g->height);
	put_style(out);
	fprintf(out, "<rect class=\"page\" width=\"100%%\" height=\"100%%\"/>\n"
		     "<text class=\"title\" x=\"24\" y=\"32\">Who talks to whom</text>\n");
	for (size_t i = 0; i < g->n_edge; i++)
		if (g->edge[i].n_path < 2)
			put_loop(out, g, &g->edge[i]);
		else
			put_edge(out, g, &g->edge[i]);
	for (size_t i = 0; i < g->n_real; i++)
		put_node(out, &g->node[i]);
	for (size_t i = 0; i < g->n_edge; i++)
		put_label(out, g, &g->edge[i]);
	put_legend(out, g);
	fprintf(out, "</svg>\n");
}
