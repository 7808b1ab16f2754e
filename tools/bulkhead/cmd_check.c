/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_check.c - is this a segment map, and would it fit? Or are these settings of the agent? Needs
 * no agent and no rights; where an agent answers, its host's view of a map is added.
 */
#include <errno.h>
#include <string.h>
#include "../../agent/policy/settings.h"
#include "cli.h"
#include "client.h"
#include "mapfile.h"
#include "offline.h"
#include "text.h"

/*
 * What the agent here says. Return: 0 with its answer; -ENODATA if there is none to be had.
 * That one is hung is worth a word, that none runs or may be asked is not.
 */
static int ask_host(struct bh_cli *cli, const struct bh_mapfile *f, json_t **ret)
{
	_cleanup_diags_ struct bh_diags ignored = {};
	_cleanup_json_ json_t *args = bh_mapfile_args(f, false);
	_cleanup_client_ struct bh_client c = {.fd = -1};
	struct bh_wait wait = {.first_ms = 10000, .max_bytes = BH_CLIENT_MAX_ANSWER};
	json_t *answer = NULL;
	int r = args ? bh_client_open(&c, cli->control, &ignored) : -EINVAL;

	if (r < 0 && r != -ETIMEDOUT)
		return -ENODATA;
	if (!r)
		r = bh_client_send(&c, "check", args, &ignored);
	if (!r)
		r = bh_client_receive(&c, &wait, &ignored, &answer);
	if (r < 0) {
		bh_findings_print(cli, &ignored);
		return -ENODATA;
	}
	/* Not allowed to ask is no answer about the map. */
	if (!json_is_object(bh_json_at(answer, "data.entries")) &&
	    !bh_json_u64(json_array_get(json_object_get(answer, "diags"), 0), "line")) {
		json_decref(answer);
		return -ENODATA;
	}
	*ret = answer;
	return 0;
}

static void print_good(struct bh_cli *cli, const struct bh_mapfile *f, const struct bh_map *map,
		       const json_t *entries, bool host)
{
	size_t failsafes = 0, counts[4];
	static const char *const words[ARRAY_SIZE(counts)] = {"segment", "rule", "failsafe",
							      "assert"};
	_cleanup_free_ char *text = bh_json_text(entries);

	for (size_t i = 0; i < map->n_rule; i++)
		failsafes += map->rule[i].kind == BH_RULE_FAILSAFE;
	counts[0] = map->n_segment - BH_SEG_N_RESERVED;
	counts[1] = map->n_rule - failsafes;
	counts[2] = failsafes;
	counts[3] = map->n_assertion;
	fprintf(cli->out, "%s%s: ok%s", bh_paint(cli, BH_GREEN), f->name, bh_paint(cli, BH_PLAIN));
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++)
		fprintf(cli->out, ", %zu %s%s", counts[i], words[i], counts[i] == 1 ? "" : "s");
	fprintf(cli->out, "\ntable entries: %s%s\n", text ? text : "",
		host ? "" : " (checked without an agent: every user is taken as known)");
}

/* @answer: what the host's agent says, and that goes before what was found here */
static int finish_with_host(struct bh_cli *cli, const struct bh_mapfile *f,
			    const struct bh_map *map, const json_t *answer)
{
	_cleanup_diags_ struct bh_diags d = {};
	const json_t *entries = bh_json_at(answer, "data.entries");

	bh_diags_from_json(json_object_get(answer, "diags"), &d);
	if (d.n_errors)
		return bh_finish(cli, BH_EXIT_FAILED, NULL, &d);
	if (!cli->json)
		print_good(cli, f, map, entries, true);
	return bh_finish(cli, BH_EXIT_OK, json_pack("{s:O}", "entries", entries), &d);
}

static int check_settings(struct bh_cli *cli, const struct bh_mapfile *f)
{
	_cleanup_(bh_settings_freep) struct bh_settings *s = NULL;
	_cleanup_diags_ struct bh_diags d = {};
	int r = bh_settings_parse(f->name, f->text, f->len, &d, &s);

	if (r == -ENOMEM)
		return bh_fail(cli, BH_EXIT_FAILED, NULL, "out of memory");
	if (r < 0)
		return bh_finish(cli, BH_EXIT_FAILED, NULL, &d);
	if (!cli->json)
		fprintf(cli->out, "%s%s: ok%s, settings of the agent, %zu device%s named\n",
			bh_paint(cli, BH_GREEN), f->name, bh_paint(cli, BH_PLAIN), s->n_nic,
			s->n_nic == 1 ? "" : "s");
	return bh_finish(cli, BH_EXIT_OK,
			 json_pack("{s:{s:I}}", "settings", "interfaces", (json_int_t)s->n_nic),
			 &d);
}

static int check_map(struct bh_cli *cli, const struct bh_mapfile *f)
{
	_cleanup_diags_ struct bh_diags d = {};
	_cleanup_(bh_map_freep) struct bh_map *map = NULL;
	_cleanup_json_ json_t *entries = NULL, *answer = NULL;
	int r = bh_offline_check(f->name, f->text, f->len, &d, &map, &entries);

	if (r == -ENOMEM)
		return bh_fail(cli, BH_EXIT_FAILED, NULL, "out of memory");
	if (r < 0)
		return bh_finish(cli, BH_EXIT_FAILED, NULL, &d);
	if (!cli->offline && !ask_host(cli, f, &answer))
		return finish_with_host(cli, f, map, answer);
	if (!cli->json)
		print_good(cli, f, map, entries, false);
	return bh_finish(cli, BH_EXIT_OK, json_pack("{s:O}", "entries", entries), &d);
}

static int run(struct bh_cli *cli, int argc, char **argv)
{
	_cleanup_mapfile_ struct bh_mapfile f = {};
	int code;

	if (!argc && !cli->config)
		return bh_fail(cli, BH_EXIT_USAGE, "bulkhead check [OPTION]... FILE",
			       "check needs a FILE, or --config for " BH_SETTINGS_PATH);
	code = bh_mapfile_read(cli, argc ? argv[0] : BH_SETTINGS_PATH, &f);
	if (code != BH_EXIT_OK)
		return code;
	return cli->config || bh_settings_are(f.text, f.len) ? check_settings(cli, &f)
							     : check_map(cli, &f);
}

static const struct bh_opt opts[] = {
	{"config", NULL, "these are settings: FILE, else " BH_SETTINGS_PATH, BH_OPT_AT(config),
	 BH_OPT_FLAG, 0},
	{"offline", NULL, "do not ask the agent of this host", BH_OPT_AT(offline), BH_OPT_FLAG, 0},
};

const struct bh_command bh_cmd_check = {
	.name = "check",
	.args = "[FILE]",
	.summary = "is this a segment map, and does it fit; or the agent's settings",
	.text = "Reads a segment map (- is stdin), shows every error in one pass, and counts the "
		"table entries\nthat it needs. Changes nothing and needs neither rights nor an agent; "
		"where one answers, the\nwarnings about its host are shown too. Settings of the agent, "
		"bulkhead.yaml(5), are known by\ntheir keys, or by --config.",
	.opts = opts,
	.n_opts = ARRAY_SIZE(opts),
	.min_args = 0,
	.max_args = 1,
	.run = run,
};
