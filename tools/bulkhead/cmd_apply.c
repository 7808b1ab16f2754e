/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_apply.c - make a segment map the enforced one: shown first, then all of it or nothing. */
#include <inttypes.h>
#include <string.h>
#include "cli.h"
#include "mapfile.h"
#include "text.h"

static int ask(struct bh_cli *cli, const struct bh_mapfile *f, bool dry_run, json_t **ret_data)
{
	json_t *args = bh_mapfile_args(f, !dry_run);

	if (args && dry_run)
		(void)json_object_set_new(args, "dry_run", json_true());
	if (args && cli->force)
		(void)json_object_set_new(args, "force", json_true());
	if (args && cli->enforce)
		(void)json_object_set_new(args, "enforce", json_true());
	return bh_ask(cli, "apply", args, ret_data);
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
	bool observes = !strcmp(bh_json_str(data, "mode_cap"), "observe");

	fprintf(cli->out,
		"%sapplied%s: generation %" PRIu64 ", %" PRIu64 " policy entries, %" PRIu64
		" connection%s cut, in %" PRIu64 " ms\n",
		bh_paint(cli, BH_GREEN), bh_paint(cli, BH_PLAIN), bh_json_u64(data, "generation"),
		bh_json_u64(data, "entries.policy"), cut, cut == 1 ? "" : "s",
		bh_json_u64(data, "took_ms"));
	if (observes)
		fprintf(cli->out, "%sOBSERVING, nothing is denied%s\n", bh_paint(cli, BH_YELLOW),
			bh_paint(cli, BH_PLAIN));
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
	{"force", NULL, "also if it denies the session it comes from, or that can't be told",
	 BH_OPT_AT(force), BH_OPT_FLAG, 0},
	{"enforce", NULL, "also the first map on this host, which else observes",
	 BH_OPT_AT(enforce), BH_OPT_FLAG, 0},
	{"yes", NULL, "do not ask", BH_OPT_AT(yes), BH_OPT_FLAG, 'y'},
};

const struct bh_command bh_cmd_apply = {
	.name = "apply",
	.args = "FILE",
	.summary = "make a segment map the enforced one",
	.text = "Checks the map (- is stdin), shows what it changes, asks, and has it enforced: all "
		"of it, or\nnothing if anything is wrong. Connections that it no longer allows are "
		"cut.\nThe agent keeps a copy: what happens to FILE later changes nothing.\n\n"
		"A map that would deny the session it comes from is refused: the TCP connections of "
		"whoever\nstarted this command, and who started them, are looked at. Where there are "
		"none, as for a\nscript of cron, and there is no console either, --force says that it "
		"is meant.\n\nThe first map on a host observes: nothing is denied, whatever it says, "
		"until --enforce or\n`bulkhead mode enforce`. Exit status 3 if FILE says enforce and "
		"only observes.",
	.opts = opts,
	.n_opts = ARRAY_SIZE(opts),
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
