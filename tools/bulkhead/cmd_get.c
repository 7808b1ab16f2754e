/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_get.c - what the agent knows: one table per object, and the text of a map. */
#include <errno.h>
#include <string.h>
#include "cli.h"
#include "mapfile.h"
#include "table.h"
#include "text.h"

static char *defaults(const json_t *row)
{
	char *text = NULL;

	return asprintf(&text, "%s/%s", bh_json_str(row, "default.ingress"),
			bh_json_str(row, "default.egress")) < 0
		       ? NULL
		       : text;
}

static char *size(const json_t *row)
{
	char text[BH_SIZE_TEXT];

	return strdup(bh_size_text(bh_json_u64(row, "bytes"), text));
}

/* "alice=dba bob=dba": users that have a segment of their own in this cgroup */
static char *users(const json_t *row)
{
	const json_t *u;
	char *text = NULL;
	size_t i, n;
	FILE *out = open_memstream(&text, &n);

	if (!out)
		return NULL;
	json_array_foreach(json_object_get(row, "users"), i, u)
	{
		_cleanup_free_ char *name = bh_json_text(json_object_get(u, "user"));

		fprintf(out, "%s%s=%s", i ? " " : "", name ? name : "?", bh_json_str(u, "segment"));
	}
	(void)fclose(out);
	return text;
}

static const struct bh_column segments[] = {
	{"SEGMENT", "name", NULL, false, false},   {"ID", "identity", NULL, true, false},
	{"MODE", "mode", NULL, false, false},	   {"IN/OUT", NULL, defaults, false, false},
	{"CGROUPS", "cgroups", NULL, true, false}, {"MATCH", "match", NULL, false, true},
	{"LABELS", "labels", NULL, false, true},
};

static const struct bh_column rules[] = {
	{"RULE", "id", NULL, false, false},	   {"KIND", "kind", NULL, false, false},
	{"FROM", "from", NULL, false, true},	   {"TO", "to", NULL, false, true},
	{"PORT", "port", NULL, false, true},	   {"LINE", "line", NULL, true, false},
	{"ENTRIES", "entries", NULL, true, false}, {"PACKETS", "packets", NULL, true, false},
	{"BYTES", NULL, size, true, false},
};

static const struct bh_column identities[] = {
	{"ID", "identity", NULL, true, false},
	{"NAME", "name", NULL, false, false},
};

static const struct bh_column workloads[] = {
	{"SEGMENT", "segment", NULL, false, false}, {"ID", "identity", NULL, true, false},
	{"HOW", "how", NULL, false, false},	    {"CGROUP", "cgroup", NULL, false, true},
	{"USERS", NULL, users, false, true},
};

static const struct bh_column listeners[] = {
	{"PROTO", "proto", NULL, false, false}, {"ADDRESS", "address", NULL, false, false},
	{"PORT", "port", NULL, true, false},	{"SEGMENT", "segment", NULL, false, false},
	{"USER", "user", NULL, false, false},	{"CGROUP", "cgroup", NULL, false, true},
	{"FLAGS", "flags", NULL, false, true},
};

static const struct bh_column reasons[] = {
	{"REASON", "reason", NULL, false, false},  {"CLASS", "class", NULL, false, false},
	{"PACKETS", "packets", NULL, true, false}, {"BYTES", NULL, size, true, false},
	{"MEANING", "text", NULL, false, true},
};

static char *what(const json_t *row)
{
	const char *rule = bh_json_str(row, "rule");
	char *text = NULL;

	if (*rule)
		return strdup(rule);
	return asprintf(&text, "%s -> %s %s", bh_json_str(row, "from"), bh_json_str(row, "to"),
			bh_json_str(row, "port")) < 0
		       ? NULL
		       : text;
}

static const struct bh_column quarantines[] = {
	{"WHO", "who", NULL, false, false},	{"KIND", "kind", NULL, false, false},
	{"UNTIL", "until", NULL, false, false}, {"SINCE", "since", NULL, false, false},
	{"BY", "by", NULL, false, true},	{"REASON", "reason", NULL, false, true},
};

static const struct bh_column grants[] = {
	{"ID", "id", NULL, true, false},      {"WHAT", NULL, what, false, false},
	{"USER", "user", NULL, false, false}, {"UNTIL", "until", NULL, false, false},
	{"BY", "by", NULL, false, true},      {"REASON", "reason", NULL, false, true},
};

static const struct object {
	const char *name;
	const struct bh_column *columns;
	size_t n_columns;
} objects[] = {
	{"segments", segments, ARRAY_SIZE(segments)},
	{"rules", rules, ARRAY_SIZE(rules)},
	{"identities", identities, ARRAY_SIZE(identities)},
	{"workloads", workloads, ARRAY_SIZE(workloads)},
	{"listeners", listeners, ARRAY_SIZE(listeners)},
	{"reasons", reasons, ARRAY_SIZE(reasons)},
	{"quarantines", quarantines, ARRAY_SIZE(quarantines)},
	{"grants", grants, ARRAY_SIZE(grants)},
	{"map", NULL, 0},
};

static const struct object *find(struct bh_cli *cli, const char *name)
{
	const char *names[ARRAY_SIZE(objects)], *near;
	_cleanup_free_ char *hint = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(objects); i++) {
		if (!strcmp(objects[i].name, name))
			return &objects[i];
		names[i] = objects[i].name;
	}
	near = bh_nearest(name, names, ARRAY_SIZE(names));
	if (near && asprintf(&hint, "did you mean '%s'?", near) < 0)
		hint = NULL;
	(void)bh_fail(cli, BH_EXIT_USAGE,
		      hint ? hint
			   : "segments, rules, identities, workloads, listeners, reasons, "
			     "quarantines, grants or map",
		      "nothing to get is called '%s'", name);
	return NULL;
}

/* --- the text of a map ------------------------------------------------------------------------ */

static int get_map(struct bh_cli *cli, const char *word)
{
	_cleanup_mapfile_ struct bh_mapfile f = {};
	_cleanup_json_ json_t *data = NULL;
	json_t *args = json_pack("{s:s}", "what", "map");
	json_int_t gen;
	int code = bh_generation_parse(cli, word, &gen);

	if (code == BH_EXIT_OK && cli->json) {
		if (gen)
			(void)json_object_set_new(args, "generation", json_integer(gen));
		return bh_ask(cli, "get", args, &data);
	}
	json_decref(args);
	if (code == BH_EXIT_OK)
		code = bh_mapfile_fetch(cli, gen, &f);
	if (code != BH_EXIT_OK)
		return code;
	bh_map_print(cli, f.text);
	return code;
}

static int run(struct bh_cli *cli, int argc, char **argv)
{
	const struct object *o = find(cli, argv[0]);
	_cleanup_json_ json_t *data = NULL;
	json_t *args;
	int code, r;

	if (!o)
		return BH_EXIT_USAGE;
	if (!o->columns)
		return get_map(cli, argc == 2 ? argv[1] : "live");
	if (argc == 2)
		return bh_fail(cli, BH_EXIT_USAGE, "bulkhead get map GEN",
			       "one argument too many: '%s'", argv[1]);
	args = json_pack("{s:s}", "what", o->name);
	if (cli->all)
		(void)json_object_set_new(args, "all", json_true());
	code = bh_ask(cli, "get", args, &data);
	if (!data)
		return code;
	if (!json_array_size(json_object_get(data, o->name))) {
		fprintf(cli->err, "no %s\n", o->name);
		return code;
	}
	r = bh_table_print(cli, json_object_get(data, o->name), o->columns, o->n_columns);
	return r < 0 ? bh_fail(cli, BH_EXIT_FAILED, NULL, "%s", strerror(-r)) : code;
}

static const struct bh_opt opts[] = {
	{"all", NULL, "reasons: also those that nothing happened for", BH_OPT_AT(all), BH_OPT_FLAG,
	 'a'},
};

const struct bh_command bh_cmd_get = {
	.name = "get",
	.args = "OBJECT [GEN]",
	.summary = "list segments, rules, workloads, grants ...; print a map",
	.text = "segments     what the map names, with mode, defaults (ingress/egress) and members\n"
		"rules        with their line in the map, table entries and what they let through\n"
		"identities   the numbers of segments, as bpftool shows them\n"
		"workloads    which cgroup is in which segment, and how that came\n"
		"listeners    who listens where\n"
		"reasons      why packets passed or were denied, counted\n"
		"quarantines  who is cut off, until when and why\n"
		"grants       what was opened for a while\n"
		"map          the text of the enforced map as it was applied, or that of generation GEN",
	.opts = opts,
	.n_opts = ARRAY_SIZE(opts),
	.min_args = 1,
	.max_args = 2,
	.run = run,
};
