/* SPDX-License-Identifier: Apache-2.0 */
/* change.c - see change.h. */
#include <inttypes.h>
#include <string.h>
#include "change.h"
#include "mapfile.h"
#include "text.h"

static void print_changes(struct bh_cli *cli, const struct bh_change *c, const json_t *data)
{
	const json_t *changes = json_object_get(data, "changes");

	if (c->head)
		c->head(cli, data);
	if (!json_array_size(changes))
		fprintf(cli->out, "no difference to the map that is enforced\n");
	bh_changes_print(cli, changes);
}

static void print_done(struct bh_cli *cli, const struct bh_change *c, const json_t *data)
{
	uint64_t cut = bh_json_u64(data, "cut");

	/* what was not confirmed has ended: nothing was compiled */
	if (json_is_true(json_object_get(data, "reverted"))) {
		fprintf(cli->out, "%s%s%s: what was before is generation %" PRIu64 "\n",
			bh_paint(cli, BH_GREEN), c->done, bh_paint(cli, BH_PLAIN),
			bh_json_u64(data, "generation"));
		return;
	}
	fprintf(cli->out,
		"%s%s%s: generation %" PRIu64 ", %" PRIu64 " policy entries, %" PRIu64
		" connection%s cut, in %" PRIu64 " ms\n",
		bh_paint(cli, BH_GREEN), c->done, bh_paint(cli, BH_PLAIN),
		bh_json_u64(data, "generation"), bh_json_u64(data, "entries.policy"), cut,
		cut == 1 ? "" : "s", bh_json_u64(data, "took_ms"));
	if (!strcmp(bh_json_str(data, "mode_cap"), "observe"))
		fprintf(cli->out, "%sOBSERVING, nothing is denied%s\n", bh_paint(cli, BH_YELLOW),
			bh_paint(cli, BH_PLAIN));
}

/* What was said on the command line, for the look and for the deed. */
static void add_words(const struct bh_cli *cli, json_t *args)
{
	if (args && cli->force)
		(void)json_object_set_new(args, "force", json_true());
	if (args && cli->enforce)
		(void)json_object_set_new(args, "enforce", json_true());
	if (args && cli->confirm_s)
		(void)json_object_set_new(args, "confirm_s", json_integer(cli->confirm_s));
	else if (args && cli->confirm_default)
		(void)json_object_set_new(args, "confirm_default", json_true());
}

static int look(struct bh_cli *cli, struct bh_change *c, json_t **ret_data)
{
	add_words(cli, c->look);
	if (c->look)
		(void)json_object_set_new(c->look, "dry_run", json_true());
	return bh_ask(cli, c->verb, bh_args_reason(cli, TAKE_PTR(c->look)), ret_data);
}

/* Without --yes the changes are seen before the question, not after. */
static int preview(struct bh_cli *cli, struct bh_change *c)
{
	_cleanup_json_ json_t *data = NULL;
	int code;

	if (cli->json || !isatty(STDIN_FILENO))
		return bh_confirm(cli, "");
	code = look(cli, c, &data);
	/* a map that says enforce and only observes is a "no", and may be applied all the same */
	if (!data || (code != BH_EXIT_OK && !json_object_get(data, "took_ms")))
		return code;
	print_changes(cli, c, data);
	/* from here on something may be denied that never was: it has to be confirmed */
	if (!cli->no_confirm && !cli->confirm_s && !strcmp(bh_json_str(data, "mode"), "enforce") &&
	    strcmp(bh_json_str(data, "mode_before"), "enforce") != 0)
		cli->confirm_default = true;
	return bh_confirm(cli, c->question);
}

static int run(struct bh_cli *cli, struct bh_change *c)
{
	_cleanup_json_ json_t *data = NULL;
	bool shown = !cli->yes && !cli->dry_run;
	int code = shown ? preview(cli, c) : BH_EXIT_OK;

	if (code != BH_EXIT_OK)
		return code;
	add_words(cli, c->args);
	if (cli->dry_run)
		code = look(cli, c, &data);
	else
		code = bh_ask(cli, c->verb, bh_args_reason(cli, TAKE_PTR(c->args)), &data);
	if (!data || (code != BH_EXIT_OK && !json_object_get(data, "took_ms")))
		return code;
	if (!shown)
		print_changes(cli, c, data);
	if (cli->dry_run)
		fprintf(cli->out, "it would be accepted; nothing was applied\n");
	else
		print_done(cli, c, data);
	bh_unconfirmed_print(cli, data);
	return code;
}

int bh_change_run(struct bh_cli *cli, struct bh_change *c)
{
	int code = BH_EXIT_USAGE;

	if (cli->no_confirm && cli->confirm_s)
		(void)bh_fail(cli, code, NULL, "--confirm and --no-confirm exclude each other");
	else
		code = run(cli, c);
	json_decref(c->look);
	json_decref(c->args);
	return code;
}
