/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_history.c - the generations that were enforced here: when, by whom, from which file. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include "cli.h"
#include "table.h"
#include "text.h"

static char *state(const json_t *row)
{
	const char *word = bh_json_str(row, "state");

	/* the usual is not said */
	return strcmp(word, "confirmed") != 0 ? strdup(word) : NULL;
}

static char *when(const json_t *row)
{
	const char *text = bh_json_str(row, "applied_at");
	char local[32];
	int64_t s;
	struct tm tm;

	if (bh_time_parse(text, &s) < 0 || !localtime_r(&(time_t){s}, &tm) ||
	    !strftime(local, sizeof(local), "%Y-%m-%d %H:%M:%S", &tm))
		return strdup(text);
	return strdup(local);
}

static bool is_capped(const json_t *row)
{
	return !strcmp(bh_json_str(row, "mode_cap"), "observe");
}

static char *mode(const json_t *row)
{
	return strdup(is_capped(row) ? "capped" : bh_json_str(row, "mode"));
}

static char *size(const json_t *row)
{
	char *text = NULL;

	return asprintf(&text, "%" PRIu64 "/%" PRIu64, bh_json_u64(row, "segments"),
			bh_json_u64(row, "rules")) < 0
		       ? NULL
		       : text;
}

static char *how(const json_t *row)
{
	const char *word = bh_json_str(row, "how");
	char *text = NULL;

	if (!strcmp(word, "rollback"))
		return asprintf(&text, "rollback of %" PRIu64, bh_json_u64(row, "of")) < 0 ? NULL
											   : text;
	if (!strcmp(word, "mode"))
		return strdup(is_capped(row) ? "mode observe" : "mode enforce");
	return strdup(!strcmp(word, "apply")   ? "applied"
		      : !strcmp(word, "users") ? "users changed"
		      : !strcmp(word, "clock") ? "clock set"
					       : word);
}

static const struct bh_column columns[] = {
	{"GENERATION", "generation", NULL, true, false},
	{"STATE", NULL, state, false, false},
	{"WHEN", NULL, when, false, false},
	{"HOW", NULL, how, false, false},
	{"NAME", "name", NULL, false, true},
	{"MODE", NULL, mode, false, false},
	{"SEGMENTS/RULES", NULL, size, true, false},
	{"FILE", "file", NULL, false, true},
	{"WHO", "applied_by", NULL, false, true},
};

static int run(struct bh_cli *cli, _unused_ int argc, _unused_ char **argv)
{
	_cleanup_json_ json_t *data = NULL;
	json_t *args = json_object();
	int r, code;

	if (cli->limit)
		(void)json_object_set_new(args, "limit", json_integer(cli->limit));
	code = bh_ask(cli, "history", args, &data);
	if (!data)
		return code;
	if (!json_array_size(json_object_get(data, "rows"))) {
		fprintf(cli->err, "no map was enforced here yet\n");
		return code;
	}
	r = bh_table_print(cli, json_object_get(data, "rows"), columns, ARRAY_SIZE(columns));
	return r < 0 ? bh_fail(cli, BH_EXIT_FAILED, NULL, "%s", strerror(-r)) : code;
}

static const struct bh_opt opts[] = {
	{"limit", "N", "the last N of them", BH_OPT_AT(limit), BH_OPT_NUMBER, 'n'},
};

const struct bh_command bh_cmd_history = {
	.name = "history",
	.args = "",
	.summary = "the generations that were enforced here",
	.text = "Lists the generations that the agent remembers, newest first: when, how and by "
		"whom each came\nabout, and which is live. `bulkhead get map GEN` prints the text of "
		"one, `bulkhead diff A B`\ncompares two, `bulkhead rollback GEN` goes back to one.",
	.opts = opts,
	.n_opts = ARRAY_SIZE(opts),
	.run = run,
};
