/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_mode.c - observe: deny nothing on this host, only count; enforce: what the map says. */
#include <string.h>
#include <unistd.h>
#include "cli.h"
#include "text.h"

static int run(struct bh_cli *cli, _unused_ int argc, char **argv)
{
	static const char *const modes[] = {"observe", "enforce"};
	const char *mode = bh_nearest(argv[0], modes, ARRAY_SIZE(modes));
	_cleanup_json_ json_t *data = NULL;
	json_t *args;
	int code;

	if (!mode || strcmp(mode, argv[0]) != 0)
		return bh_fail(cli, BH_EXIT_USAGE,
			       !mode	      ? "observe or enforce"
			       : *mode == 'o' ? "did you mean 'observe'?"
					      : "did you mean 'enforce'?",
			       "unknown mode '%s'", argv[0]);
	if (cli->confirm_s && *mode == 'o')
		return bh_fail(cli, BH_EXIT_USAGE, NULL, "only `enforce` has to be confirmed");
	if (!cli->confirm_s && !cli->no_confirm && *mode == 'e' && !cli->json &&
	    isatty(STDIN_FILENO))
		cli->confirm_default = true;
	args = json_pack("{s:s}", "mode", mode);
	if (args && cli->confirm_s)
		(void)json_object_set_new(args, "confirm_s", json_integer(cli->confirm_s));
	else if (args && cli->confirm_default)
		(void)json_object_set_new(args, "confirm_default", json_true());
	if (args && cli->force)
		(void)json_object_set_new(args, "force", json_true());
	code = bh_ask(cli, "mode", bh_args_reason(cli, args), &data);
	if (data)
		fprintf(cli->out, "%s\n",
			*mode == 'o'
				? "observe: nothing is denied here but by failsafe, quarantine "
				  "and malformed packets; what would be is counted"
				: "enforce: each segment has the mode that the map gives it");
	bh_unconfirmed_print(cli, data);
	return code;
}

static const struct bh_opt opts[] = {
	{"confirm", "TIME", "fall back after TIME unless `bulkhead confirm` is said",
	 BH_OPT_AT(confirm_s), BH_OPT_SPAN, 0},
	{"no-confirm", NULL, "it stays", BH_OPT_AT(no_confirm), BH_OPT_FLAG, 0},
	{"force", NULL, "enforce also if that denies the session it comes from", BH_OPT_AT(force),
	 BH_OPT_FLAG, 0},
	{"reason", "TEXT", "why, for the audit log", BH_OPT_AT(reason), BH_OPT_WORD, 0},
};

const struct bh_command bh_cmd_mode = {
	.name = "mode",
	.args = "observe|enforce",
	.summary = "deny nothing on this host, or what the map says",
	.text = "observe  nothing is denied, whatever the map says; what would be is counted and "
		"shown by\n         `bulkhead flows --denied`. Quarantine and malformed packets are "
		"still dropped.\nenforce  each segment has the mode that the map gives it.\n\n"
		"The choice holds over restarts and reboots, until the next apply. `enforce` is refused "
		"if the\nmap denies the session it comes from, and is confirmed, as by `apply`: see "
		"there.",
	.opts = opts,
	.n_opts = ARRAY_SIZE(opts),
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
