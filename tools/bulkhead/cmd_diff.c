/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_diff.c - what a segment map would change: against the enforced one, or between two files or
 * generations.
 */
#include <errno.h>
#include "../../agent/policy/diff.h"
#include "cli.h"
#include "mapfile.h"
#include "pairtext.h"

static int print(struct bh_cli *cli, const json_t *changes, int code)
{
	if (!json_array_size(changes))
		fprintf(cli->out, "no difference\n");
	bh_changes_print(cli, changes);
	return code;
}

/* What it would change for what was seen; null where that can't be had: who only reads may not try. */
static int add_replay(struct bh_cli *cli, void *ctx, json_t *data)
{
	_cleanup_diags_ struct bh_diags unsaid = {};
	_cleanup_json_ json_t *args = bh_mapfile_args(ctx, false), *answer = NULL;
	json_t *replay = NULL;

	if (json_array_size(json_object_get(data, "changes")) && args &&
	    bh_exchange(cli, "simulate", args, &unsaid, &answer) == 0)
		replay = json_object_get(answer, "data");
	if (!json_object_get(replay, "rows"))
		replay = NULL;
	return json_object_set_new(data, "replay", replay ? json_incref(replay) : json_null());
}

static int with_live(struct bh_cli *cli, const char *path)
{
	_cleanup_mapfile_ struct bh_mapfile f = {};
	_cleanup_json_ json_t *data = NULL;
	int code = bh_mapfile_get(cli, path, &f);

	if (code != BH_EXIT_OK)
		return code;
	code = bh_ask_with(cli, "diff", bh_mapfile_args(&f, false), add_replay, &f, &data);
	if (!data)
		return code;
	code = print(cli, json_object_get(data, "changes"), code);
	if (json_is_object(json_object_get(data, "replay")))
		(void)bh_replay_print(cli, json_object_get(data, "replay"));
	return code;
}

static json_t *changes_to_json(const struct bh_changes *c)
{
	static const char *const what[] = {
		[BH_CHANGE_ADDED] = "added",
		[BH_CHANGE_REMOVED] = "removed",
		[BH_CHANGE_CHANGED] = "changed",
	};
	json_t *list = json_array();

	for (size_t i = 0; i < c->n; i++)
		(void)json_array_append_new(
			list, json_pack("{s:s s:s s:s*}", "what", what[c->v[i].what], "object",
					c->v[i].object, "detail", c->v[i].detail));
	return list;
}

static int parse(struct bh_cli *cli, const char *path, struct bh_mapfile *f, struct bh_diags *d,
		 struct bh_map **ret)
{
	int r, code = bh_mapfile_get(cli, path, f);

	if (code != BH_EXIT_OK)
		return code;
	r = bh_map_parse(f->name, f->text, f->len, d, ret);
	if (r == -ENOMEM)
		return bh_fail(cli, BH_EXIT_FAILED, NULL, "out of memory");
	return r < 0 ? bh_finish(cli, BH_EXIT_FAILED, NULL, d) : BH_EXIT_OK;
}

static int two_maps(struct bh_cli *cli, const char *old_path, const char *new_path)
{
	_cleanup_diags_ struct bh_diags d = {};
	_cleanup_mapfile_ struct bh_mapfile old_file = {}, new_file = {};
	_cleanup_(bh_map_freep) struct bh_map *old = NULL, *new = NULL;
	_cleanup_(bh_changes_clear) struct bh_changes c = {};
	_cleanup_json_ json_t *list = NULL;
	int code = parse(cli, old_path, &old_file, &d, &old);

	if (code == BH_EXIT_OK)
		code = parse(cli, new_path, &new_file, &d, &new);
	if (code != BH_EXIT_OK)
		return code;
	if (bh_map_diff(old, new, &c) < 0)
		return bh_fail(cli, BH_EXIT_FAILED, NULL, "out of memory");
	code = c.n ? BH_EXIT_NO : BH_EXIT_OK;
	list = changes_to_json(&c);
	if (!cli->json)
		(void)print(cli, list, code);
	/* Warnings about a file are `check`'s to tell. */
	bh_diags_clear(&d);
	return bh_finish(cli, code, json_pack("{s:O}", "changes", list), &d);
}

static int run(struct bh_cli *cli, int argc, char **argv)
{
	/* before anybody is asked for the first */
	for (int i = 0; i < argc; i++) {
		json_int_t gen;
		int code = bh_is_generation(argv[i]) ? bh_generation_parse(cli, argv[i], &gen)
						     : BH_EXIT_OK;

		if (code != BH_EXIT_OK)
			return code;
	}
	return argc == 2 ? two_maps(cli, argv[0], argv[1]) : with_live(cli, argv[0]);
}

const struct bh_command bh_cmd_diff = {
	.name = "diff",
	.args = "[OLD] NEW",
	.summary = "what a segment map would change",
	.text = "Compares the map NEW with the one that is enforced here, or with OLD. Each is a "
		"file (- is stdin),\nor a generation: a number as `bulkhead history` shows it, or "
		"`live`. A file of such a name is\n./41. Two files need no agent.\n\nExit status 0 if "
		"they are the same, 3 if they differ.",
	.min_args = 1,
	.max_args = 2,
	.run = run,
};
