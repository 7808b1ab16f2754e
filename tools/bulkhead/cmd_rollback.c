/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_rollback.c - a map that was enforced before is enforced again, as a new generation. */
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include "change.h"
#include "mapfile.h"
#include "text.h"

/* "back to generation 41: /etc/shop.yaml, of 3 h ago by root (pid 7, ...)" */
static void print_back(const struct bh_cli *cli, const json_t *data)
{
	const json_t *back = json_object_get(data, "back");
	const char *file = bh_json_str(back, "file"), *who = bh_json_str(back, "applied_by");
	char ago[BH_AGO_TEXT];

	if (!json_is_object(back))
		return;
	fprintf(cli->out, "back to generation %" PRIu64 ": %s, of %s%s%s\n",
		bh_json_u64(back, "generation"), *file ? file : bh_json_str(back, "name"),
		bh_ago_text(bh_json_str(back, "applied_at"), time(NULL), ago), *who ? " by " : "",
		who);
}

static int run(struct bh_cli *cli, int argc, char **argv)
{
	struct bh_change c = {.verb = "rollback",
			      .question = "Roll back?",
			      .done = "rolled back",
			      .head = print_back};
	json_int_t gen = 0;
	int code = argc ? bh_generation_parse(cli, argv[0], &gen) : BH_EXIT_OK;

	if (code != BH_EXIT_OK)
		return code;
	if (argc && !gen)
		return bh_fail(cli, BH_EXIT_USAGE, "`bulkhead history` lists the generations",
			       "'%s' is what is enforced: nothing to go back to", argv[0]);
	c.look = gen ? json_pack("{s:I}", "generation", gen) : json_object();
	c.args = json_deep_copy(c.look);
	return bh_change_run(cli, &c);
}

static const struct bh_opt opts[] = {
	{"dry-run", NULL, "show what would change, and whether it is accepted", BH_OPT_AT(dry_run),
	 BH_OPT_FLAG, 'n'},
	{"confirm", "TIME", "fall back after TIME unless `bulkhead confirm` is said",
	 BH_OPT_AT(confirm_s), BH_OPT_SPAN, 0},
	{"no-confirm", NULL, "it stays, also where it begins to enforce", BH_OPT_AT(no_confirm),
	 BH_OPT_FLAG, 0},
	{"force", NULL, "also if it denies the session it comes from, or that can't be told",
	 BH_OPT_AT(force), BH_OPT_FLAG, 0},
	{"enforce", NULL, "also on a host that has never enforced", BH_OPT_AT(enforce), BH_OPT_FLAG,
	 0},
	{"reason", "TEXT", "why, for the audit log", BH_OPT_AT(reason), BH_OPT_WORD, 0},
	{"yes", NULL, "do not ask", BH_OPT_AT(yes), BH_OPT_FLAG, 'y'},
};

const struct bh_command bh_cmd_rollback = {
	.name = "rollback",
	.args = "[GEN]",
	.summary = "go back to a map that was enforced before",
	.text = "Has the map of generation GEN enforced again (`bulkhead history` lists them), with "
		"the checks\nof any other map: shows what changes, asks, then all of it or nothing. "
		"Without GEN: the map\nbefore the one that is enforced, and each time one further "
		"back. It is a new generation: numbers\nonly go up. One that waits to be confirmed ends.\n\nExit status 3 if it is what is "
		"enforced: nothing to do.",
	.opts = opts,
	.n_opts = ARRAY_SIZE(opts),
	.max_args = 1,
	.run = run,
};
