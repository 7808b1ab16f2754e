/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_apply.c - make a segment map the enforced one: shown first, then all of it or nothing. */
#include <inttypes.h>
#include "cli.h"
#include "mapfile.h"
#include "text.h"

static int ask(struct bh_cli *cli, const struct bh_mapfile *f, bool dry_run, json_t **ret_data)
{
	json_t *args = bh_mapfile_args(f, !dry_run);

	if (args && dry_run)
		(void)json_object_set_new(args, "dry_run", json_true());
	return bh_ask(cli, "apply", bh_args_reason(cli, args), ret_data);
}

static void print_changes(struct bh_cli *cli, const json_t *data)
{
	const json_t *changes = json_object_get(data, "changes");

	if (!json_array_size(changes))
		fprintf(cli->out, "no difference to the map that is enforced\n");
	bh_changes_print(cli, changes);
}

static void print_applied(struct bh_cli *cli, const json_t *data)
{
	uint64_t cut = bh_json_u64(data, "cut");

	fprintf(cli->out,
		"%sapplied%s: generation %" PRIu64 ", %" PRIu64 " policy entries, %" PRIu64
		" connection%s cut, in %" PRIu64 " ms\n",
		bh_paint(cli, BH_GREEN), bh_paint(cli, BH_PLAIN), bh_json_u64(data, "generation"),
		bh_json_u64(data, "entries.policy"), cut, cut == 1 ? "" : "s",
		bh_json_u64(data, "took_ms"));
}

/* Without --yes the changes are seen before the question, not after. */
static int preview(struct bh_cli *cli, const struct bh_mapfile *f)
{
	_cleanup_json_ json_t *data = NULL;
	int code;

	if (cli->json || !isatty(STDIN_FILENO))
		return bh_confirm(cli, "");
	code = ask(cli, f, true, &data);
	if (!data)
		return code;
	print_changes(cli, data);
	return bh_confirm(cli, "Apply?");
}

static int run(struct bh_cli *cli, _unused_ int argc, char **argv)
{
	_cleanup_mapfile_ struct bh_mapfile f = {};
	_cleanup_json_ json_t *data = NULL;
	bool shown = !cli->yes && !cli->dry_run;
	int code = bh_mapfile_read(cli, argv[0], &f);

	if (code == BH_EXIT_OK && shown)
		code = preview(cli, &f);
	if (code != BH_EXIT_OK)
		return code;
	code = ask(cli, &f, cli->dry_run, &data);
	if (!data)
		return code;
	if (!shown)
		print_changes(cli, data);
	if (cli->dry_run)
		fprintf(cli->out, "it would be accepted; nothing was applied\n");
	else
		print_applied(cli, data);
	return code;
}

static const struct bh_opt opts[] = {
	{"dry-run", NULL, "show what would change, and whether it is accepted", BH_OPT_AT(dry_run),
	 BH_OPT_FLAG, 'n'},
	{"reason", "TEXT", "why, for the audit log", BH_OPT_AT(reason), BH_OPT_WORD, 0},
	{"yes", NULL, "do not ask", BH_OPT_AT(yes), BH_OPT_FLAG, 'y'},
};

const struct bh_command bh_cmd_apply = {
	.name = "apply",
	.args = "FILE",
	.summary = "make a segment map the enforced one",
	.text = "Checks the map (- is stdin), shows what it changes, asks, and has it enforced: all "
		"of it, or\nnothing if anything is wrong. Connections that it no longer allows are "
		"cut.\nThe agent keeps a copy: what happens to FILE later changes nothing.",
	.opts = opts,
	.n_opts = ARRAY_SIZE(opts),
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
