/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_simulate.c - what a map would change for what was seen, before anything is changed. */
#include <string.h>
#include "cli.h"
#include "mapfile.h"
#include "pairtext.h"

static int run(struct bh_cli *cli, _unused_ int argc, char **argv)
{
	_cleanup_mapfile_ struct bh_mapfile f = {};
	_cleanup_json_ json_t *data = NULL;
	json_t *args;
	int r, code = bh_mapfile_get(cli, argv[0], &f);

	if (code != BH_EXIT_OK)
		return code;
	args = bh_mapfile_args(&f, false);
	if (args && cli->since_s)
		(void)json_object_set_new(args, "since_s", json_integer(cli->since_s));
	code = bh_ask(cli, "simulate", args, &data);
	if (!data)
		return code;
	r = bh_replay_print(cli, data);
	return r < 0 ? bh_fail(cli, BH_EXIT_FAILED, NULL, "%s", strerror(-r)) : code;
}

static const struct bh_opt opts[] = {
	{"since", "TIME", "only what was seen in the last TIME, as 7d or 12h", BH_OPT_AT(since_s),
	 BH_OPT_SPAN, 0},
};

const struct bh_command bh_cmd_simulate = {
	.name = "simulate",
	.args = "FILE",
	.summary = "what a segment map would change for what was seen",
	.text = "Asks the kernel's own policy program about each conversation of `bulkhead pairs`, "
		"under the map\nthat is enforced and under FILE (- is stdin, a number is a "
		"generation), and shows those that\nwould newly be denied, allowed, or only observed. "
		"Changes nothing that is enforced. Needs the\nright to change: the map is tried on the "
		"kernel's idle side.\n\nExit status 3 if anything that was seen would newly be denied.",
	.opts = opts,
	.n_opts = ARRAY_SIZE(opts),
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
