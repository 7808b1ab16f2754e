/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_suggest.c - a segment map from what was seen over days: rows of the agent's history, the map
 * that is live, and suggest.h; held to the language itself before anybody reads it.
 */
#include <errno.h>
#include <string.h>
#include <time.h>
#include "../../agent/base/clock.h"
#include "offline.h"
#include "suggest.h"
#include "text.h"

struct suggesting {
	struct bh_suggest_ask ask;
	char host[256], when[BH_TIME_TEXT];
	struct bh_map *live, *map;
	json_t *pairs, *answer;
};

static void suggesting_clear(struct suggesting *s)
{
	bh_map_free(s->live);
	bh_map_free(s->map);
	json_decref(s->pairs);
	json_decref(s->answer);
}

/* No map is no reason not to suggest one. */
static int get_live(struct bh_cli *cli, struct bh_map **ret)
{
	_cleanup_diags_ struct bh_diags unsaid = {};
	_cleanup_json_ json_t *args = json_pack("{s:s}", "what", "map"), *answer = NULL;
	const char *text;

	if (!args)
		return -ENOMEM;
	if (bh_exchange(cli, "get", args, &unsaid, &answer) < 0)
		return 0;
	text = bh_json_str(answer, "data.map.text");
	return *text && bh_map_parse("live", text, strlen(text), &unsaid, ret) == -ENOMEM ? -ENOMEM
											  : 0;
}

static int make(struct suggesting *s, struct bh_suggested *ret, struct bh_diags *d)
{
	_cleanup_json_ json_t *entries = NULL;
	int r = bh_suggest_make(&s->ask, ret);

	return r ? r : bh_offline_check("map", ret->text, ret->len, d, &s->map, &entries);
}

static int bug(struct bh_cli *cli, const struct bh_diags *d)
{
	_cleanup_diags_ struct bh_diags all = {};
	_cleanup_json_ json_t *list = bh_diags_to_json(d);

	(void)bh_diag_add(&all, BH_ERROR, NULL, "please report it with the lines below",
			  "a bug: the map that was made is none");
	bh_diags_from_json(list, &all);
	return bh_finish(cli, BH_EXIT_FAILED, NULL, &all);
}

static int put(struct bh_cli *cli, struct bh_suggested *done)
{
	_cleanup_diags_ struct bh_diags w = {};
	size_t left = json_array_size(done->left);

	if (left)
		(void)bh_diag_add(&w, BH_WARNING, NULL, "the first lines of the map say which",
				  "%zu of what was seen %s in no rule", left,
				  left == 1 ? "is" : "are");
	if (!cli->json)
		(void)fwrite(done->text, 1, done->len, cli->out);
	return bh_finish(cli, BH_EXIT_OK,
			 json_pack("{s:o s:I s:I s:O}", "map", json_stringn(done->text, done->len),
				   "segments", (json_int_t)done->n_seg, "rules",
				   (json_int_t)done->n_rule, "left", done->left),
			 &w);
}

static int run(struct bh_cli *cli, _unused_ int argc, _unused_ char **argv)
{
	_cleanup_(suggesting_clear) struct suggesting s = {0};
	_cleanup_diags_ struct bh_diags d = {};
	_cleanup_suggested_ struct bh_suggested done = {0};
	json_t *args = json_object();
	int r, code;

	if (cli->since_s)
		(void)json_object_set_new(args, "since_s", json_integer(cli->since_s));
	code = bh_ask_part(cli, "pairs", args, &s.pairs);
	if (code != BH_EXIT_OK)
		return code;
	if (!json_array_size(json_object_get(s.pairs, "rows")))
		return bh_fail(cli, BH_EXIT_FAILED, "let it observe for a while",
			       "nothing was seen yet that a map could be made from");
	if (gethostname(s.host, sizeof(s.host) - 1) < 0)
		(void)snprintf(s.host, sizeof(s.host), "this host");
	s.ask = (struct bh_suggest_ask){
		.rows = json_object_get(s.pairs, "rows"),
		.keep = true,
		.host = s.host,
		.when = bh_time_format((int64_t)time(NULL) * 1000, s.when),
	};
	r = get_live(cli, &s.live);
	s.ask.live = s.live;
	if (!r)
		r = make(&s, &done, &d);
	/* a unit that is new may not go together with a segment that stays: then none does */
	if (r == -EINVAL && s.live && done.text) {
		bh_suggested_clear(&done);
		bh_diags_clear(&d);
		s.ask.keep = false;
		r = make(&s, &done, &d);
	}
	if (r == -ENOMEM)
		return bh_fail(cli, BH_EXIT_FAILED, NULL, "out of memory");
	return r < 0 ? bug(cli, &d) : put(cli, &done);
}

static const struct bh_opt opts[] = {
	{"since", "TIME", "from what was seen in the last TIME, as 7d or 12h", BH_OPT_AT(since_s),
	 BH_OPT_SPAN, 0},
};

const struct bh_command bh_cmd_suggest = {
	.name = "suggest",
	.args = "",
	.summary = "a segment map that allows what was seen over days",
	.text = "Writes a segment map to stdout that allows each conversation of `bulkhead pairs` "
		"that passed, and\nnothing else: a segment for each unit, or the one of the live map "
		"that it is in; the addresses\nthat were seen, one by one; exact ports; each rule with "
		"how often and when it was used. What can\nbe no rule stands in its first lines. Try "
		"it with `bulkhead simulate`.",
	.opts = opts,
	.n_opts = ARRAY_SIZE(opts),
	.run = run,
};
