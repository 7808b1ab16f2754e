/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_confirm.c - an unconfirmed generation stays. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include "cli.h"
#include "text.h"

void bh_unconfirmed_print(struct bh_cli *cli, const json_t *data)
{
	const json_t *t = json_object_get(data, "unconfirmed");
	uint64_t back = bh_json_u64(t, "back");
	char span[BH_SPAN_TEXT], to[40] = "nothing, as before the first map";

	if (!json_is_object(t))
		return;
	if (back)
		(void)snprintf(to, sizeof(to), "generation %" PRIu64, back);
	fprintf(cli->out,
		"%sUNCONFIRMED%s: in %s it falls back to %s by itself.\n"
		"From a NEW login say: bulkhead confirm %" PRIu64 "   (or: bulkhead rollback)\n",
		bh_paint(cli, BH_YELLOW), bh_paint(cli, BH_PLAIN),
		bh_span_text(bh_json_u64(t, "ends_in_s"), span), to, bh_json_u64(t, "generation"));
}

static int generation_of(const char *text, json_int_t *ret)
{
	char *end;

	errno = 0;
	*ret = strtoll(text, &end, 10);
	return errno || *end || end == text || *ret < 1 || *ret > (1LL << 48) ? -EINVAL : 0;
}

static int run(struct bh_cli *cli, int argc, char **argv)
{
	_cleanup_json_ json_t *data = NULL;
	json_t *args;
	json_int_t generation = 0;
	int code;

	if (argc && generation_of(argv[0], &generation) < 0)
		return bh_fail(cli, BH_EXIT_USAGE, "`bulkhead status` shows it",
			       "'%s' is no generation", argv[0]);
	args = json_object();
	if (args && argc)
		(void)json_object_set_new(args, "generation", json_integer(generation));
	if (args && cli->force)
		(void)json_object_set_new(args, "force", json_true());
	code = bh_ask(cli, "confirm", bh_args_reason(cli, args), &data);
	if (data && code == BH_EXIT_OK)
		fprintf(cli->out,
			"%sconfirmed%s: generation %" PRIu64 " stays, %" PRIu64
			" connections cut\n",
			bh_paint(cli, BH_GREEN), bh_paint(cli, BH_PLAIN),
			bh_json_u64(data, "generation"), bh_json_u64(data, "cut"));
	return code;
}

static const struct bh_opt opts[] = {
	{"force", NULL, "from whatever login: you know that you can get in", BH_OPT_AT(force),
	 BH_OPT_FLAG, 0},
	{"reason", "TEXT", "why, for the audit log", BH_OPT_AT(reason), BH_OPT_WORD, 0},
};

const struct bh_command bh_cmd_confirm = {
	.name = "confirm",
	.args = "[GENERATION]",
	.summary = "what waits to be confirmed stays",
	.text = "After `apply --confirm` the kernel goes back to what was enforced before, by "
		"itself, unless\nthis is said in time: from a console, or from a login that began "
		"after the apply, which shows\nthat one can still get in. With GENERATION nothing "
		"else is confirmed by mistake.\n\nExit status 3 if nothing waits.",
	.opts = opts,
	.n_opts = ARRAY_SIZE(opts),
	.max_args = 1,
	.run = run,
};
