/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_report.c - what each rule of the live map is for, since when it is there and when it was used
 * last: of the rules, the maps before and the history of pairs, as the agent has them.
 */
#include <errno.h>
#include <string.h>
#include <time.h>
#include "../../agent/base/clock.h"
#include "ages.h"
#include "cli.h"
#include "table.h"
#include "text.h"
#include "usage.h"

struct reporting {
	struct bh_map *map;
	uint64_t gen;
	struct bh_ages ages;
	json_t *rules, *pairs;
	json_t *place; /* of a rule in the map */
	struct bh_usage usage;
};

static void reporting_clear(struct reporting *r)
{
	bh_usage_clear(&r->usage);
	bh_ages_clear(&r->ages);
	bh_map_free(r->map);
	json_decref(r->rules);
	json_decref(r->pairs);
	json_decref(r->place);
}

/* --- rows --------------------------------------------------------------------------------------- */

static json_t *text_or_null(const char *s)
{
	return s ? json_string(s) : json_null();
}

static json_t *since_json(const struct bh_age *age)
{
	char text[BH_TIME_TEXT];

	if (!age || !age->generation)
		return json_null();
	return json_pack("{s:I s:s s:b}", "generation", (json_int_t)age->generation, "at",
			 bh_time_format(age->at_s * 1000, text), "or_before", age->least);
}

/* The first word of a field of the map, which is a list. */
static json_t *word(const json_t *rule, const char *key)
{
	json_t *first = json_array_get(json_object_get(rule, key), 0);

	return first ? json_incref(first) : json_null();
}

static const struct bh_age *age_of(const struct reporting *r, const char *id)
{
	const json_t *at = json_object_get(r->place, id);

	return at ? &r->ages.rule[json_integer_value(at)] : NULL;
}

static json_t *copy(const json_t *rule, const char *key)
{
	json_t *value = json_object_get(rule, key);

	return value ? json_incref(value) : json_null();
}

static json_t *row_json(const struct reporting *r, const json_t *rule)
{
	const char *id = bh_json_str(rule, "id"), *mode = bh_json_str(rule, "mode");
	const struct bh_used *used = bh_usage_of(&r->usage, id);

	return json_pack("{s:s s:o s:o s:o s:o s:o s:o s:I s:o s:o s:o s:o s:b}", "rule", id,
			 "kind", copy(rule, "kind"), "line", copy(rule, "line"), "owner",
			 copy(rule, "owner"), "description", copy(rule, "description"), "since",
			 since_json(age_of(r, id)), "last", text_or_null(used ? used->last : NULL),
			 "times", (json_int_t)(used ? used->times : 0), "packets",
			 copy(rule, "packets"), "bytes", copy(rule, "bytes"), "until",
			 word(rule, "until"), "jit", word(rule, "jit"), "probation",
			 !strcmp(mode, "observe"));
}

struct item {
	int64_t last_s; /* 0: never */
	uint64_t line;
	json_t *row;
};

static int by_last(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	if (x->last_s != y->last_s)
		return x->last_s < y->last_s ? -1 : 1;
	return (x->line > y->line) - (x->line < y->line);
}

/* NULL: no memory. */
static json_t *rows_json(const struct reporting *r)
{
	size_t n = 0, i, room = json_array_size(r->rules);
	_cleanup_free_ struct item *item = calloc(room + 1, sizeof(*item));
	_cleanup_json_ json_t *list = json_array();
	const json_t *rule;
	int bad = !item || !list ? -1 : 0;

	json_array_foreach(r->rules, i, rule)
	{
		const struct bh_used *used = bh_usage_of(&r->usage, bh_json_str(rule, "id"));

		if (bad || !strcmp(bh_json_str(rule, "kind"), "default"))
			continue;
		item[n++] = (struct item){used ? used->last_s : 0, bh_json_u64(rule, "line"),
					  row_json(r, rule)};
	}
	if (n)
		qsort(item, n, sizeof(*item), by_last);
	for (i = 0; i < n; i++)
		bad |= json_array_append_new(list, item[i].row);
	return bad ? NULL : TAKE_PTR(list);
}

/* --- as text ------------------------------------------------------------------------------------ */

static char *since_text(const json_t *row)
{
	const char *at = bh_json_str(row, "since.at");
	char ago[BH_AGO_TEXT], *text = NULL;

	if (!*at)
		return strdup("not known");
	return asprintf(&text, "%s%s, gen. %llu",
			json_is_true(bh_json_at(row, "since.or_before")) ? "at least " : "",
			bh_ago_text(at, time(NULL), ago),
			(unsigned long long)bh_json_u64(row, "since.generation")) < 0
		       ? NULL
		       : text;
}

static char *last_text(const json_t *row)
{
	const char *last = bh_json_str(row, "last");
	char ago[BH_AGO_TEXT];

	if (*last)
		return strdup(bh_ago_text(last, time(NULL), ago));
	/* counted before the history began, or forgotten by it */
	return strdup(bh_json_u64(row, "packets") ? "not in the history" : "never");
}

static char *ends_text(const json_t *row)
{
	const char *until = bh_json_str(row, "until"), *jit = bh_json_str(row, "jit");
	char *text = NULL;

	if (!*until && !*jit)
		return NULL;
	return asprintf(&text, "%s%s%s%s", until, *until && *jit ? ", " : "", *jit ? "jit " : "",
			strcmp(jit, "true") != 0 ? jit : "") < 0
		       ? NULL
		       : text;
}

static char *mode_text(const json_t *row)
{
	return json_is_true(json_object_get(row, "probation")) ? strdup("probation") : NULL;
}

static const struct bh_column columns[] = {
	{"RULE", "rule", NULL, false, false},
	{"KIND", "kind", NULL, false, false},
	{"LINE", "line", NULL, true, false},
	{"LAST", NULL, last_text, false, false},
	{"PACKETS", "packets", NULL, true, false},
	{"SINCE", NULL, since_text, false, false},
	{"ENDS", NULL, ends_text, false, false},
	{"MODE", NULL, mode_text, false, false},
	{"OWNER", "owner", NULL, false, true},
	{"DESCRIPTION", "description", NULL, false, true},
};

static int print(struct bh_cli *cli, json_t *rows, const char *begins)
{
	char ago[BH_AGO_TEXT];
	int r = bh_json_tame(rows);

	if (r == 0 && json_array_size(rows))
		r = bh_table_print(cli, rows, columns, ARRAY_SIZE(columns));
	if (r < 0)
		return bh_fail(cli, BH_EXIT_FAILED, NULL, "%s", strerror(-r));
	if (!json_array_size(rows))
		fprintf(cli->err, "the map has no rules\n");
	else if (begins)
		fprintf(cli->err, "LAST is of a history that begins %s (%s)\n",
			bh_ago_text(begins, time(NULL), ago), begins);
	else
		fprintf(cli->err, "the history is empty: nothing was seen yet\n");
	return BH_EXIT_OK;
}

/* --- the command ---------------------------------------------------------------------------------- */

static int gather(struct bh_cli *cli, struct reporting *r)
{
	_cleanup_json_ json_t *data = NULL;
	int code = bh_live_map(cli, &r->map, &r->gen);

	if (code == BH_EXIT_OK)
		code = bh_ages_get(cli, r->map, r->gen, &r->ages);
	if (code == BH_EXIT_OK)
		code = bh_ask_part(cli, "get", json_pack("{s:s}", "what", "rules"), &data);
	if (code == BH_EXIT_OK)
		code = bh_ask_part(cli, "pairs", json_object(), &r->pairs);
	if (code != BH_EXIT_OK)
		return code;
	r->place = json_object();
	for (size_t i = 0; i < r->map->n_rule; i++)
		(void)json_object_set_new(r->place, r->map->rule[i].id,
					  json_integer((json_int_t)i));
	r->rules = json_incref(json_object_get(data, "rules"));
	return bh_usage_make(json_object_get(r->pairs, "rows"), &r->usage) < 0
		       ? bh_fail(cli, BH_EXIT_FAILED, NULL, "out of memory")
		       : BH_EXIT_OK;
}

static int run(struct bh_cli *cli, _unused_ int argc, _unused_ char **argv)
{
	_cleanup_(reporting_clear) struct reporting r = {0};
	_cleanup_diags_ struct bh_diags none = {};
	_cleanup_json_ json_t *rows = NULL;
	int code = gather(cli, &r);

	if (code != BH_EXIT_OK)
		return code;
	rows = rows_json(&r);
	if (!rows)
		return bh_fail(cli, BH_EXIT_FAILED, NULL, "out of memory");
	if (!cli->json)
		return print(cli, rows, r.usage.begins);
	return bh_finish(cli, BH_EXIT_OK,
			 json_pack("{s:O s:I s:o}", "rows", rows, "generation", (json_int_t)r.gen,
				   "history_begins", text_or_null(r.usage.begins)),
			 &none);
}

const struct bh_command bh_cmd_report = {
	.name = "report",
	.args = "",
	.summary = "each rule: whose, since when, when it was used last",
	.text = "Shows the rules of the live map, the least recently used first: when somebody used it "
		"last, as\n`bulkhead pairs` has it (\"never\": nobody since that history begins), how many "
		"packets it decided,\nsince which generation it says what it says, when it ends, and "
		"whether it is on probation\n(`mode: observe`). `bulkhead tighten` says what could go.",
	.run = run,
};
