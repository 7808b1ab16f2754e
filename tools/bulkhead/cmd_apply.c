/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_apply.c - make a segment map the enforced one: shown first, then all of it or nothing. */
#include "change.h"
#include "mapfile.h"

static int run(struct bh_cli *cli, _unused_ int argc, char **argv)
{
	_cleanup_mapfile_ struct bh_mapfile f = {};
	struct bh_change c = {.verb = "apply", .question = "Apply?", .done = "applied"};
	int code = bh_mapfile_read(cli, argv[0], &f);

	if (code != BH_EXIT_OK)
		return code;
	c.look = bh_mapfile_args(&f, false);
	c.args = bh_mapfile_args(&f, true);
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
	{"enforce", NULL, "also the first map on this host, which else observes",
	 BH_OPT_AT(enforce), BH_OPT_FLAG, 0},
	{"reason", "TEXT", "why, for the audit log", BH_OPT_AT(reason), BH_OPT_WORD, 0},
	{"yes", NULL, "do not ask", BH_OPT_AT(yes), BH_OPT_FLAG, 'y'},
};

const struct bh_command bh_cmd_apply = {
	.name = "apply",
	.args = "FILE",
	.summary = "make a segment map the enforced one",
	.text = "Checks the map (- is stdin), shows what it changes, asks, and has it enforced: all "
		"of it, or\nnothing if anything is wrong. Connections that it no longer allows are "
		"cut.\nThe agent keeps a copy: what happens to FILE later changes nothing.\n\nWith --confirm the "
		"kernel goes back to what was enforced before when TIME (90s, 5m, 1h) is\nover, also "
		"with the agent dead, unless `bulkhead confirm` is said; nothing is cut before. That\n"
		"is the default (5m) where a person at a terminal lets the host begin to enforce.\n\n"
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
