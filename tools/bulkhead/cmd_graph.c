/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_graph.c - who talks to whom as a picture: what the agent remembers, drawn by graph.h. */
#include <string.h>
#include "cli.h"
#include "graph.h"
#include "table.h"
#include "text.h"

#define KEPT 4096 /* rows that the agent remembers */

/* --- where it comes from ---------------------------------------------------------------------- */

/* What is known of who talked to whom, added up. Return: the exit code; it was said what is wrong. */
static int source(struct bh_cli *cli, struct bh_talks *talks)
{
	_cleanup_json_ json_t *data = NULL;
	json_t *args = json_pack("{s:i}", "limit", KEPT), *row;
	size_t i;
	int code, r = 0;

	if (args && cli->since_s)
		(void)json_object_set_new(args, "since_s", json_integer(cli->since_s));
	code = bh_ask_part(cli, "flows", args, &data);
	if (code != BH_EXIT_OK)
		return code;
	/* what a terminal would obey is no XML either */
	r = bh_json_tame(data);
	json_array_foreach(json_object_get(data, "rows"), i, row) r =
		r ? r : bh_talks_add(talks, row);
	return r ? bh_fail(cli, BH_EXIT_FAILED, NULL, "out of memory") : BH_EXIT_OK;
}

/* --- as text ------------------------------------------------------------------------------------ */

static const struct bh_column columns[] = {
	{"FROM", "from", NULL, false, true},
	{"TO", "to", NULL, false, true},
	{"VERDICT", "verdict", NULL, false, false},
	{"PORTS", "ports", NULL, false, true},
};

static int print_text(struct bh_cli *cli, const struct bh_graph *g)
{
	_cleanup_json_ json_t *data = bh_graph_json(g);

	if (!data)
		return bh_fail(cli, BH_EXIT_FAILED, NULL, "out of memory");
	if (!g->n_edge) {
		fprintf(cli->err, "nobody has talked yet\n");
		return BH_EXIT_OK;
	}
	return bh_table_print(cli, json_object_get(data, "edges"), columns, ARRAY_SIZE(columns))
		       ? bh_fail(cli, BH_EXIT_FAILED, NULL, "out of memory")
		       : BH_EXIT_OK;
}

static int print(struct bh_cli *cli, struct bh_graph *g)
{
	const char *format = cli->format ? cli->format : "text";
	_cleanup_diags_ struct bh_diags none = {};

	if (cli->json)
		return bh_finish(cli, BH_EXIT_OK, bh_graph_json(g), &none);
	if (!strcmp(format, "dot")) {
		bh_graph_dot(cli->out, g);
	} else if (!strcmp(format, "mermaid")) {
		bh_graph_mermaid(cli->out, g);
	} else if (!strcmp(format, "svg")) {
		if (bh_graph_layout(g) < 0)
			return bh_fail(cli, BH_EXIT_FAILED, NULL, "out of memory");
		bh_graph_svg(cli->out, g);
	} else {
		return print_text(cli, g);
	}
	return BH_EXIT_OK;
}

static int run(struct bh_cli *cli, _unused_ int argc, _unused_ char **argv)
{
	_cleanup_(bh_talks_freep) struct bh_talks *talks = bh_talks_new(BH_BY_SEGMENT, false);
	_cleanup_graph_ struct bh_graph g = {};
	int code = talks ? source(cli, talks) : bh_fail(cli, BH_EXIT_FAILED, NULL, "out of memory");

	if (code != BH_EXIT_OK)
		return code;
	if (bh_graph_make(talks, &g) < 0)
		return bh_fail(cli, BH_EXIT_FAILED, NULL, "out of memory");
	return print(cli, &g);
}

static const struct bh_opt opts[] = {
	{"since", "TIME", "what is not older than that, for example 10m", BH_OPT_AT(since_s),
	 BH_OPT_SPAN, 0},
};

static const char *const formats[] = {"dot", "mermaid", "svg", NULL};

const struct bh_command bh_cmd_graph = {
	.name = "graph",
	.args = "",
	.summary = "who talks to whom, as a picture",
	.text = "Segments and who asked whom of them, with the ports and whether it was allowed, denied, "
		"or would\nhave been: of the last sessions that the kernel reported. -o svg is a picture, "
		"-o dot is for\ngraphviz, -o mermaid for Markdown.\n\n"
		"  bulkhead graph -o svg > graph.svg",
	.opts = opts,
	.n_opts = ARRAY_SIZE(opts),
	.formats = formats,
	.run = run,
};
