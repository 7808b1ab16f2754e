/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_detach.c - the only way to end enforcement while the agent is well. */
#include "cli.h"
#include "text.h"

static int run(struct bh_cli *cli, _unused_ int argc, _unused_ char **argv)
{
	_cleanup_json_ json_t *data = NULL;
	int code = bh_confirm(cli, "End enforcement on this host? Everything will be open.");

	if (code != BH_EXIT_OK)
		return code;
	code = bh_ask(cli, "detach", bh_args_reason(cli, json_pack("{s:b}", "yes", 1)), &data);
	if (data)
		fprintf(cli->out,
			"detached: %d hooks removed. Nothing is enforced here any more; "
			"`systemctl start bulkhead`, then `bulkhead apply FILE` begins it again\n",
			(int)bh_json_u64(data, "hooks"));
	return code;
}

static const struct bh_opt opts[] = {
	{"reason", "TEXT", "why, for the audit log", BH_OPT_AT(reason), BH_OPT_WORD, 0},
	{"yes", NULL, "do not ask", BH_OPT_AT(yes), BH_OPT_FLAG, 'y'},
};

const struct bh_command bh_cmd_detach = {
	.name = "detach",
	.args = "",
	.summary = "end enforcement on this host",
	.text = "Removes every program and map of the agent from the kernel; then the agent exits. "
		"Stopping\nthe agent does not do that: what is enforced stays enforced.\nIf no agent "
		"answers: `bulkheadd rescue`.",
	.opts = opts,
	.n_opts = ARRAY_SIZE(opts),
	.run = run,
};
