/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_grant.c - just in time: open a rule, or a conversation, for a while: grant, revoke. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "cli.h"
#include "text.h"

static int run_grant(struct bh_cli *cli, int argc, char **argv)
{
	_cleanup_json_ json_t *data = NULL;
	char span[BH_SPAN_TEXT];
	int code;

	if (!cli->for_s)
		return bh_fail(cli, BH_EXIT_USAGE, "--for 15m", "say for how long");
	code = bh_ask(cli, "grant",
		      json_pack("{s:s* s:s* s:s* s:s* s:s* s:s* s:i}", "rule",
				argc ? argv[0] : NULL, "from", cli->from, "to", cli->to, "port",
				cli->port, "user", cli->user, "reason", cli->reason, "for_s",
				(int)cli->for_s),
		      &data);
	if (data)
		fprintf(cli->out, "%sgranted%s for %s, until %s; sooner: bulkhead revoke %d\n",
			bh_paint(cli, BH_GREEN), bh_paint(cli, BH_PLAIN),
			bh_span_text(cli->for_s, span), bh_json_str(data, "until"),
			(int)bh_json_u64(data, "id"));
	return code;
}

static int run_revoke(struct bh_cli *cli, _unused_ int argc, char **argv)
{
	_cleanup_json_ json_t *data = NULL;
	json_t *args;
	char *end;
	long id;
	int code;

	errno = 0;
	id = strtol(argv[0], &end, 10);
	if (errno || *end || end == argv[0] || id < 1 || id > INT_MAX)
		return bh_fail(cli, BH_EXIT_USAGE, "bulkhead get grants lists them",
			       "'%s' is no number of a grant", argv[0]);
	args = json_pack("{s:i s:s*}", "id", (int)id, "reason", cli->reason);
	if (args && cli->force)
		(void)json_object_set_new(args, "force", json_true());
	code = bh_ask(cli, "revoke", args, &data);
	if (data)
		fprintf(cli->out, "revoked: grant %ld, %d connections cut\n", id,
			(int)bh_json_u64(data, "cut"));
	return code;
}

static const struct bh_opt grant_opts[] = {
	{"for", "TIME", "how long: 15m, 2h", BH_OPT_AT(for_s), BH_OPT_SPAN, 0},
	{"from", "SEGMENT", "ad hoc: who may ask; or any", BH_OPT_AT(from), BH_OPT_WORD, 0},
	{"to", "SEGMENT", "ad hoc: whom; or any", BH_OPT_AT(to), BH_OPT_WORD, 0},
	{"port", "PORT", "ad hoc: tcp/443, udp/domain, tcp/8000-8010", BH_OPT_AT(port), BH_OPT_WORD,
	 0},
	{"user", "USER", "ad hoc: only this user of this host", BH_OPT_AT(user), BH_OPT_WORD, 0},
	{"reason", "TEXT", "why, for the journal and the audit log", BH_OPT_AT(reason), BH_OPT_WORD,
	 'r'},
};

static const struct bh_opt revoke_opts[] = {
	{"force", NULL, "also if that cuts the session it comes from", BH_OPT_AT(force),
	 BH_OPT_FLAG, 0},
	{"reason", "TEXT", "why, for the audit log", BH_OPT_AT(reason), BH_OPT_WORD, 'r'},
};

const struct bh_command bh_cmd_grant = {
	.name = "grant",
	.args = "[RULE]",
	.summary = "open a rule that is just in time, or a conversation, for a while",
	.text = "RULE is a rule of the map with `jit:`, closed until it is granted. Without RULE the "
		"conversation\nis said by --from, --to and --port. A deny still stands. The end is in "
		"the kernel: it comes with\nthe agent dead, too, and connections that only the grant "
		"allowed end with it. A reboot ends all\ngrants. `bulkhead get grants` lists them.",
	.opts = grant_opts,
	.n_opts = ARRAY_SIZE(grant_opts),
	.max_args = 1,
	.run = run_grant,
};

const struct bh_command bh_cmd_revoke = {
	.name = "revoke",
	.args = "ID",
	.summary = "end a grant before its time",
	.text = "ID is the number that `bulkhead get grants` shows. Connections that only the grant "
		"allowed are cut.\nIf the session it comes from is one, it is refused; --force does it.",
	.opts = revoke_opts,
	.n_opts = ARRAY_SIZE(revoke_opts),
	.min_args = 1,
	.max_args = 1,
	.run = run_revoke,
};
