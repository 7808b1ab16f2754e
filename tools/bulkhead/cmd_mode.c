/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_mode.c - observe: deny nothing on this host, only count; enforce: what the map says. */
#include <string.h>
#include "cli.h"

static int run(struct bh_cli *cli, _unused_ int argc, char **argv)
{
	static const char *const modes[] = {"observe", "enforce"};
	const char *mode = bh_nearest(argv[0], modes, ARRAY_SIZE(modes));
	_cleanup_json_ json_t *data = NULL;
	int code;

	if (!mode || strcmp(mode, argv[0]) != 0)
		return bh_fail(cli, BH_EXIT_USAGE,
			       !mode	      ? "observe or enforce"
			       : *mode == 'o' ? "did you mean 'observe'?"
					      : "did you mean 'enforce'?",
			       "unknown mode '%s'", argv[0]);
	code = bh_ask(cli, "mode", bh_args_reason(cli, json_pack("{s:s}", "mode", mode)), &data);
	if (data)
		fprintf(cli->out, "%s\n",
			*mode == 'o'
				? "observe: nothing is denied here but by failsafe, quarantine "
				  "and malformed packets; what would be is counted"
				: "enforce: each segment has the mode that the map gives it");
	return code;
}

static const struct bh_opt opts[] = {
	{"reason", "TEXT", "why, for the audit log", BH_OPT_AT(reason), BH_OPT_WORD, 0},
};

const struct bh_command bh_cmd_mode = {
	.name = "mode",
	.args = "observe|enforce",
	.summary = "deny nothing on this host, or what the map says",
	.text = "observe  nothing is denied, whatever the map says; what would be is counted and "
		"shown by\n         `bulkhead flows --denied`. Quarantine and malformed packets are "
		"still dropped.\nenforce  each segment has the mode that the map gives it.\n\n"
		"The choice holds over restarts and reboots, until it is changed.",
	.opts = opts,
	.n_opts = ARRAY_SIZE(opts),
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
