/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_quarantine.c - cut somebody off at once, and let him in again: quarantine, release. */
#include <inttypes.h>
#include "cli.h"
#include "text.h"

static int quarantine(struct bh_cli *cli, _unused_ int argc, char **argv)
{
	_cleanup_json_ json_t *data = NULL, *args = NULL;
	char span[BH_SPAN_TEXT];
	int code;

	if (!cli->reason)
		return bh_fail(cli, BH_EXIT_USAGE, NULL, "say why: --reason TEXT");
	args = json_pack("{s:s s:s s:b}", "who", argv[0], "reason", cli->reason, "even_failsafe",
			 cli->even_failsafe);
	if (args && cli->force)
		(void)json_object_set_new(args, "force", json_true());
	if (args && cli->for_s)
		(void)json_object_set_new(args, "for_s", json_integer(cli->for_s));
	code = bh_ask(cli, "quarantine", TAKE_PTR(args), &data);
	if (!data)
		return code;
	fprintf(cli->out, "%squarantined%s: %s%s%s, %" PRIu64 " connections cut\n",
		bh_paint(cli, BH_RED), bh_paint(cli, BH_PLAIN), bh_json_str(data, "quarantined"),
		cli->for_s ? " for " : " until it is released",
		cli->for_s ? bh_span_text(cli->for_s, span) : "", bh_json_u64(data, "cut"));
	return code;
}

static int release(struct bh_cli *cli, _unused_ int argc, char **argv)
{
	_cleanup_json_ json_t *data = NULL;
	int code = bh_ask(cli, "release",
			  json_pack("{s:s s:s?}", "who", argv[0], "reason", cli->reason), &data);

	if (data)
		fprintf(cli->out, "released: %s\n", bh_json_str(data, "released"));
	return code;
}

static const struct bh_opt hold_opts[] = {
	{"for", "TIME", "let it in again after that: 15m, 2h, 7d", BH_OPT_AT(for_s), BH_OPT_SPAN,
	 0},
	{"even-failsafe", NULL, "failsafes do not hold for it either", BH_OPT_AT(even_failsafe),
	 BH_OPT_FLAG, 0},
	{"force", NULL, "also if that cuts the session it comes from", BH_OPT_AT(force),
	 BH_OPT_FLAG, 0},
	{"reason", "TEXT", "why, for the journal and the audit log", BH_OPT_AT(reason), BH_OPT_WORD,
	 'r'},
};

static const struct bh_opt release_opts[] = {
	{"reason", "TEXT", "why, for the audit log", BH_OPT_AT(reason), BH_OPT_WORD, 'r'},
};

const struct bh_command bh_cmd_quarantine = {
	.name = "quarantine",
	.args = "WHO",
	.summary = "cut a segment, a unit or an address off",
	.text = "WHO is a segment of the map, a unit (nginx.service; it stays in quarantine when it "
		"restarts), an\naddress or a prefix. Nothing gets to it or from it, on the wire or on "
		"loopback; running\nconnections end. It holds whatever a rule allows and in whatever "
		"mode, under every map, also\nafter a reboot. Failsafes go on working, unless "
		"--even-failsafe.\nOne that would cut the session it comes from is refused; --force "
		"does it. `bulkhead get\nquarantines` lists them.",
	.opts = hold_opts,
	.n_opts = ARRAY_SIZE(hold_opts),
	.min_args = 1,
	.max_args = 1,
	.run = quarantine,
};

const struct bh_command bh_cmd_release = {
	.name = "release",
	.args = "WHO|all",
	.summary = "end a quarantine",
	.text = "WHO as it was said, or all of them.",
	.opts = release_opts,
	.n_opts = ARRAY_SIZE(release_opts),
	.min_args = 1,
	.max_args = 1,
	.run = release,
};
