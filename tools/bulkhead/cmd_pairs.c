/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_pairs.c - who talked to whom, over days: a line for each conversation that was seen. */
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include "cli.h"
#include "pairtext.h"
#include "table.h"
#include "text.h"

#define SHOW 100 /* rows, unless -n says otherwise */

static char *last(const json_t *row)
{
	char text[BH_AGO_TEXT];

	return strdup(bh_ago_text(bh_json_str(row, "last"), time(NULL), text));
}

static const struct bh_column columns[] = {
	{"FROM", NULL, bh_pair_from, false, true},  {"TO", NULL, bh_pair_to, false, true},
	{"PORT", NULL, bh_pair_port, false, false}, {"VERDICT", "verdict", NULL, false, false},
	{"RULE", "rule", NULL, false, true},	    {"ENCRYPTED", "encrypted", NULL, false, true},
	{"TIMES", "times", NULL, true, false},	    {"LAST", NULL, last, false, false},
};

/* --- asking ----------------------------------------------------------------------------------- */

static json_t *arguments(const struct bh_cli *cli)
{
	json_t *args = json_object();

	if (cli->denied)
		(void)json_object_set_new(args, "denied", json_true());
	if (cli->audited)
		(void)json_object_set_new(args, "audited", json_true());
	if (cli->since_s)
		(void)json_object_set_new(args, "since_s", json_integer(cli->since_s));
	if (cli->limit || !cli->json)
		(void)json_object_set_new(args, "limit",
					  json_integer(cli->limit ? cli->limit : SHOW));
	return args;
}

static int run(struct bh_cli *cli, _unused_ int argc, _unused_ char **argv)
{
	_cleanup_json_ json_t *data = NULL;
	int r, code = bh_ask(cli, "pairs", arguments(cli), &data);
	uint64_t matched;
	size_t shown;

	if (!data)
		return code;
	shown = json_array_size(json_object_get(data, "rows"));
	matched = bh_json_u64(data, "matched");
	if (!shown) {
		fprintf(cli->err, "nothing of the kind was seen yet\n");
		return code;
	}
	r = bh_table_print(cli, json_object_get(data, "rows"), columns, ARRAY_SIZE(columns));
	if (r < 0)
		return bh_fail(cli, BH_EXIT_FAILED, NULL, "%s", strerror(-r));
	if (shown < matched)
		fprintf(cli->err, "%zu of %" PRIu64 ", the latest; -n shows more\n", shown,
			matched);
	return code;
}

static const struct bh_opt opts[] = {
	{"denied", NULL, "only what was denied", BH_OPT_AT(denied), BH_OPT_FLAG, 0},
	{"audited", NULL, "only what passed and would be denied if it were enforced",
	 BH_OPT_AT(audited), BH_OPT_FLAG, 0},
	{"since", "TIME", "seen in the last TIME, as 7d or 12h", BH_OPT_AT(since_s), BH_OPT_SPAN,
	 0},
	{"limit", "N", "the latest N of them (100; all with -o json)", BH_OPT_AT(limit),
	 BH_OPT_NUMBER, 'n'},
};

const struct bh_command bh_cmd_pairs = {
	.name = "pairs",
	.args = "",
	.summary = "who talked to whom: each conversation that was seen, over days",
	.text = "Shows the history that the agent keeps, a line for each different conversation: "
		"whose, with whom,\nto which port, and what became of it. A conversation inside of "
		"this host stands there once for each\nend. Where more than 256 addresses did the "
		"same, the others are one line. `bulkhead suggest`\nmakes a segment map of it.",
	.opts = opts,
	.n_opts = ARRAY_SIZE(opts),
	.run = run,
};
