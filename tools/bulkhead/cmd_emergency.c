/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_emergency.c - the worst hour: deny nothing for a while but what is denied by name. */
#include <string.h>
#include "cli.h"
#include "text.h"

static int open_it(struct bh_cli *cli)
{
	_cleanup_json_ json_t *data = NULL;
	char span[BH_SPAN_TEXT];
	json_t *args;
	int code;

	if (!cli->reason)
		return bh_fail(cli, BH_EXIT_USAGE, "bulkhead emergency open --reason \"...\"",
			       "say why: --reason TEXT");
	args = json_pack("{s:s s:s}", "action", "open", "reason", cli->reason);
	if (args && cli->for_s)
		(void)json_object_set_new(args, "for_s", json_integer(cli->for_s));
	code = bh_ask(cli, "emergency", args, &data);
	if (data)
		fprintf(cli->out,
			"%sEMERGENCY%s: for %s nothing is denied here but by a deny rule, a "
			"quarantine or a malformed packet.\nThe kernel ends it by itself; sooner: "
			"bulkhead emergency close\n",
			bh_paint(cli, BH_RED), bh_paint(cli, BH_PLAIN),
			bh_span_text(bh_json_u64(data, "for_s"), span));
	return code;
}

static int close_it(struct bh_cli *cli)
{
	_cleanup_json_ json_t *data = NULL;
	int code = bh_ask(cli, "emergency", json_pack("{s:s}", "action", "close"), &data);

	if (data && code == BH_EXIT_OK)
		fprintf(cli->out, "closed: the map is enforced again\n");
	return code;
}

static int run(struct bh_cli *cli, _unused_ int argc, char **argv)
{
	static const char *const actions[] = {"open", "close"};
	_cleanup_free_ char *help = NULL;
	const char *near;

	if (!strcmp(argv[0], "open"))
		return open_it(cli);
	if (!strcmp(argv[0], "close"))
		return close_it(cli);
	near = bh_nearest(argv[0], actions, ARRAY_SIZE(actions));
	if (near && asprintf(&help, "did you mean '%s'?", near) < 0)
		help = NULL;
	return bh_fail(cli, BH_EXIT_USAGE, help ? help : "open or close", "unknown action '%s'",
		       argv[0]);
}

static const struct bh_opt opts[] = {
	{"for", "TIME", "how long: 90s; 15m and at most 1h, where bulkhead.yaml says no other",
	 BH_OPT_AT(for_s), BH_OPT_SPAN, 0},
	{"reason", "TEXT", "why, for the journal and the audit log", BH_OPT_AT(reason), BH_OPT_WORD,
	 'r'},
};

const struct bh_command bh_cmd_emergency = {
	.name = "emergency",
	.args = "open|close",
	.summary = "deny nothing for a while but what is denied by name",
	.text = "For the hour in which the policy is what is broken. Every segment only observes; "
		"deny rules,\nquarantines and malformed packets still deny. Its end is in the kernel, "
		"so it comes with the\nagent dead, too. `bulkhead status` is red and exits with 3 "
		"until then.\nIf no agent answers: `bulkheadd rescue emergency-open`.",
	.opts = opts,
	.n_opts = ARRAY_SIZE(opts),
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
