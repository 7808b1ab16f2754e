/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_attest.c - the posture of this host: what is wrong, what is not known, what is well. */
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include "cli.h"
#include "table.h"
#include "text.h"

/* What was read; where that failed, the name of the error in front. */
static char *value_of(const json_t *row)
{
	const char *error = bh_json_str(row, "error"), *value = bh_json_str(row, "value");
	char *text;

	return asprintf(&text, "%s%s%s", error, *error && *value ? ": " : "", value) < 0 ? NULL
											 : text;
}

static const struct bh_column columns[] = {
	{"CLAIM", "claim", NULL, false, false},	 {"GRADE", "grade", NULL, false, false},
	{"STATE", "state", NULL, false, false},	 {"VALUE", NULL, value_of, false, true},
	{"SOURCE", "source", NULL, false, true},
};

static enum bh_colour colour_of(const char *state)
{
	if (!strcmp(state, "good"))
		return BH_GREEN;
	return strcmp(state, "bad") ? BH_YELLOW : BH_RED;
}

/* Each of them with what it means, and what to do where it is not good. */
static void print_long(const struct bh_cli *cli, const json_t *row)
{
	const char *state = bh_json_str(row, "state"), *plain = bh_paint(cli, BH_PLAIN);
	_cleanup_free_ char *value = value_of(row);

	fprintf(cli->out, "%s%-7s%s  %s (%s): %s\n", bh_paint(cli, colour_of(state)), state, plain,
		bh_json_str(row, "claim"), bh_json_str(row, "grade"), bh_json_str(row, "meaning"));
	fprintf(cli->out, "         %s, by %s\n", value && *value ? value : "-",
		bh_json_str(row, "source"));
	if (strcmp(state, "good") != 0)
		fprintf(cli->out, "         %s%s%s\n", bh_paint(cli, BH_DIM),
			bh_json_str(row, "hint"), plain);
}

static int run(struct bh_cli *cli, _unused_ int argc, _unused_ char **argv)
{
	_cleanup_json_ json_t *data = NULL;
	int r = 0, code = bh_ask(cli, "attest", json_object(), &data);
	const json_t *claims, *row;
	char ago[BH_AGO_TEXT];
	size_t i;

	if (!data)
		return code;
	claims = json_object_get(data, "claims");
	if (cli->all)
		json_array_foreach(claims, i, row) print_long(cli, row);
	else
		r = bh_table_print(cli, claims, columns, ARRAY_SIZE(columns));
	if (r < 0)
		return bh_fail(cli, BH_EXIT_FAILED, NULL, "%s", strerror(-r));
	fprintf(cli->out,
		"\n%" PRIu64 " bad, %" PRIu64 " unknown, %" PRIu64
		" good, %s; nothing is enforced on it\n",
		bh_json_u64(data, "counts.bad"), bh_json_u64(data, "counts.unknown"),
		bh_json_u64(data, "counts.good"),
		bh_ago_text(bh_json_str(data, "at"), time(NULL), ago));
	return code;
}

static const struct bh_opt opts[] = {
	{"all", NULL, "what each claim means, and what to do about it", BH_OPT_AT(all), BH_OPT_FLAG,
	 'a'},
};

const struct bh_command bh_cmd_attest = {
	.name = "attest",
	.args = "",
	.summary = "the posture of this host: what is wrong, not known, well",
	.text = "Shows what the agent found when it last looked at this host, every 30 s and when "
		"something changes:\nhow it was booted, what the kernel is set to, what lies on its "
		"disk in the clear, who listens. Each\nclaim is good, bad or unknown, which is never "
		"good, and has a grade: A is hard to get around for\nwho has not the kernel, B is "
		"useful hygiene, C is weak. Root can make most of them lie.\n\nNothing is enforced on "
		"it: a rule with `require: { posture }` stays closed.",
	.opts = opts,
	.n_opts = ARRAY_SIZE(opts),
	.run = run,
};
