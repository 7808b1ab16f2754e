/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_graph.c - who talks to whom as a picture: the agent's history, drawn by graph.h. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include "cli.h"
#include "graph.h"
#include "table.h"
#include "text.h"

#define KEPT 4096 /* rows that the agent remembers */

/* --- where it comes from ---------------------------------------------------------------------- */

/* A row of the history as one of a flow: with the port at the end that was asked. Return: NULL: no memory. */
static json_t *flow_of(const json_t *pair)
{
	const char *verdict = bh_json_str(pair, "verdict");
	bool passed = !strcmp(verdict, "allowed") || !strcmp(verdict, "audited");
	_cleanup_json_ json_t *row = json_copy((json_t *)pair), *asked = NULL;
	bool out = !strcmp(bh_json_str(pair, "direction"), "egress");
	const char *end = out ? "remote" : "local";

	asked = json_copy(json_object_get(pair, end));
	if (!row || !asked || json_object_set(asked, "port", json_object_get(pair, "port")) < 0 ||
	    json_object_set(row, end, asked) < 0 ||
	    json_object_set_new(row, "type", json_string(passed ? "pair" : "deny")) < 0 ||
	    json_object_set(row, "bytes_in", json_object_get(pair, "bytes")) < 0 ||
	    json_object_set(row, "packets_in", json_object_get(pair, "packets")) < 0)
		return NULL;
	return TAKE_PTR(row);
}

/* The same for both ends of a conversation inside of this host. Malloced. */
static char *key_of(const json_t *pair)
{
	bool out = !strcmp(bh_json_str(pair, "direction"), "egress");
	char *key = NULL;

	return asprintf(&key, "%s\n%s\n%s\n%" PRIu64 "\n%s",
			bh_json_str(pair, out ? "local.segment" : "remote.segment"),
			bh_json_str(pair, out ? "remote.segment" : "local.segment"),
			bh_json_str(pair, "proto"), bh_json_u64(pair, "port"),
			bh_json_str(pair, "verdict")) < 0
		       ? NULL
		       : key;
}

/* What both ends of this host tell counts once: who asked is heard. @told: a set of keys */
static int add_pair(struct bh_talks *talks, json_t *told, const json_t *pair, bool out)
{
	_cleanup_json_ json_t *row = NULL;
	_cleanup_free_ char *key = NULL;

	if (!json_is_object(pair) || !json_is_object(json_object_get(pair, "local")) ||
	    !json_is_object(json_object_get(pair, "remote")) ||
	    out != !strcmp(bh_json_str(pair, "direction"), "egress"))
		return 0;
	if (json_is_true(bh_json_at(pair, "remote.inside"))) {
		key = key_of(pair);
		if (!key || (out && json_object_set_new(told, key, json_true()) < 0))
			return -ENOMEM;
		if (!out && json_object_get(told, key))
			return 0;
	}
	row = flow_of(pair);
	return row ? bh_talks_add(talks, row) : -ENOMEM;
}

static int add_pairs(struct bh_talks *talks, const json_t *rows)
{
	_cleanup_json_ json_t *told = json_object();
	const json_t *row;
	int r = told ? 0 : -ENOMEM;
	size_t i;

	for (int out = 1; out >= 0; out--)
		json_array_foreach(rows, i, row) r = r ? r : add_pair(talks, told, row, out);
	return r;
}

static int add_flows(struct bh_talks *talks, const json_t *rows)
{
	const json_t *row;
	int r = 0;
	size_t i;

	json_array_foreach(rows, i, row) r = r ? r : bh_talks_add(talks, row);
	return r;
}

/* Rows of @verb. Return: the exit code; it was said what is wrong. */
static int ask(struct bh_cli *cli, const char *verb, json_int_t limit, json_t **ret)
{
	json_t *args = json_object();

	if (limit)
		(void)json_object_set_new(args, "limit", json_integer(limit));
	if (cli->since_s)
		(void)json_object_set_new(args, "since_s", json_integer(cli->since_s));
	return bh_ask_part(cli, verb, args, ret);
}

/*
 * What is known of who talked to whom, added up: the history of days; where there is nothing in it
 * yet, the last sessions. Return: the exit code; it was said what is wrong.
 */
static int source(struct bh_cli *cli, struct bh_talks *talks)
{
	_cleanup_json_ json_t *pairs = NULL, *flows = NULL;
	int r, code = ask(cli, "pairs", 0, &pairs);

	if (code == BH_EXIT_OK && !bh_json_u64(pairs, "table.rows"))
		code = ask(cli, "flows", KEPT, &flows);
	if (code != BH_EXIT_OK)
		return code;
	/* what a terminal would obey is no XML either */
	r = bh_json_tame(flows ? flows : pairs);
	if (r == 0)
		r = flows ? add_flows(talks, json_object_get(flows, "rows"))
			  : add_pairs(talks, json_object_get(pairs, "rows"));
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
	{"since", "TIME", "what was seen in the last TIME, as 7d or 10m", BH_OPT_AT(since_s),
	 BH_OPT_SPAN, 0},
};

static const char *const formats[] = {"dot", "mermaid", "svg", NULL};

const struct bh_command bh_cmd_graph = {
	.name = "graph",
	.args = "",
	.summary = "who talks to whom, as a picture",
	.text = "Segments and who asked whom of them, with the ports and whether it was allowed, denied, "
		"or would\nhave been: of the history of `bulkhead pairs`, which goes back days; while that is "
		"empty, of the\nlast sessions. -o svg is a picture, -o dot is for graphviz, -o mermaid "
		"for Markdown.\n\n"
		"  bulkhead graph -o svg > graph.svg",
	.opts = opts,
	.n_opts = ARRAY_SIZE(opts),
	.formats = formats,
	.run = run,
};
