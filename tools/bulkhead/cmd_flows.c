/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_flows.c - sessions begun, denied and ended: the last ones, or as they happen. */
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include "cli.h"
#include "follow.h"
#include "table.h"
#include "text.h"

#define SHOW	    100 /* rows, unless -n says otherwise */
#define SHOW_FOLLOW 10

/* --- cells ------------------------------------------------------------------------------------ */

static char *local_time(const json_t *row)
{
	const char *text = bh_json_str(row, "time");
	char hms[16];
	int64_t s;
	struct tm tm;

	if (bh_time_parse(text, &s) < 0 || !localtime_r(&(time_t){s}, &tm) ||
	    !strftime(hms, sizeof(hms), "%H:%M:%S", &tm))
		return strdup(text);
	return strdup(hms);
}

static char *what(const json_t *row)
{
	const char *type = bh_json_str(row, "type");

	return strdup(!strcmp(type, "deny")	    ? "denied"
		      : !strcmp(type, "would_deny") ? "would deny"
						    : type);
}

/* "web 10.0.0.1:40112", with @proto "cache [fd77::1]:6379/tcp" */
static char *end_text(const json_t *end, const char *proto)
{
	const char *segment = bh_json_str(end, "segment"), *ip = bh_json_str(end, "ip");
	uint64_t port = bh_json_u64(end, "port");
	bool brackets = port && strchr(ip, ':');
	char number[24] = "", *text = NULL;

	if (port)
		(void)snprintf(number, sizeof(number), ":%" PRIu64, port);
	if (asprintf(&text, "%s%s%s%s%s%s%s%s", *segment ? segment : "?", *ip ? " " : "",
		     brackets ? "[" : "", ip, brackets ? "]" : "", number, *proto ? "/" : "",
		     proto) < 0)
		return NULL;
	return text;
}

static bool is_outbound(const json_t *row)
{
	return !strcmp(bh_json_str(row, "direction"), "egress");
}

static char *from(const json_t *row)
{
	return end_text(json_object_get(row, is_outbound(row) ? "local" : "remote"), "");
}

static char *to(const json_t *row)
{
	return end_text(json_object_get(row, is_outbound(row) ? "remote" : "local"),
			bh_json_str(row, "proto"));
}

/* "allow web-cache at connect4": a default's rule says no more than its reason does. */
static char *why(const json_t *row)
{
	const char *rule = bh_json_str(row, "rule"), *hook = bh_json_str(row, "hook");
	bool named = *rule && strncmp(rule, "default/", 8) != 0;
	char *text = NULL;

	return asprintf(&text, "%s%s%s%s%s", bh_json_str(row, "reason"), named ? " " : "",
			named ? rule : "", *hook ? " at " : "", hook) < 0
		       ? NULL
		       : text;
}

static const struct bh_column columns[] = {
	{"TIME", NULL, local_time, false, false}, {"WHAT", NULL, what, false, false},
	{"FROM", NULL, from, false, true},	  {"TO", NULL, to, false, true},
	{"WHY", NULL, why, false, true},
};

static const int widths[ARRAY_SIZE(columns)] = {8, 10, 30, 30, 0};

/* --- asking ----------------------------------------------------------------------------------- */

static json_t *arguments(const struct bh_cli *cli)
{
	json_t *args = json_object();
	unsigned limit = cli->limit ? cli->limit : cli->follow ? SHOW_FOLLOW : SHOW;

	(void)json_object_set_new(args, "limit", json_integer(limit));
	if (cli->denied)
		(void)json_object_set_new(args, "denied", json_true());
	if (cli->follow)
		(void)json_object_set_new(args, "follow", json_true());
	return args;
}

static int list(struct bh_cli *cli)
{
	_cleanup_json_ json_t *data = NULL;
	int r, code = bh_ask(cli, "flows", arguments(cli), &data);

	if (!data)
		return code;
	if (!json_array_size(json_object_get(data, "rows"))) {
		fprintf(cli->err, "nothing %s yet\n", cli->denied ? "was denied" : "happened");
		return code;
	}
	r = bh_table_print(cli, json_object_get(data, "rows"), columns, ARRAY_SIZE(columns));
	return r < 0 ? bh_fail(cli, BH_EXIT_FAILED, NULL, "%s", strerror(-r)) : code;
}

static int run(struct bh_cli *cli, _unused_ int argc, _unused_ char **argv)
{
	static const struct bh_follow f = {"flows", columns, widths, ARRAY_SIZE(columns)};

	return cli->follow ? bh_follow(cli, &f, arguments(cli)) : list(cli);
}

static const struct bh_opt opts[] = {
	{"denied", NULL, "only what was denied, or would have been", BH_OPT_AT(denied), BH_OPT_FLAG,
	 0},
	{"follow", NULL, "go on as they happen; with -o json one row a line", BH_OPT_AT(follow),
	 BH_OPT_FLAG, 'f'},
	{"limit", "N", "the last N of them (100, 10 with --follow)", BH_OPT_AT(limit),
	 BH_OPT_NUMBER, 'n'},
};

const struct bh_command bh_cmd_flows = {
	.name = "flows",
	.args = "",
	.summary = "sessions begun, denied, would be denied and ended",
	.text = "Shows the last sessions that the kernel reported. Why each was let through or "
		"denied stands\nunder WHY; `bulkhead get reasons --all` has their meaning.",
	.opts = opts,
	.n_opts = ARRAY_SIZE(opts),
	.run = run,
};
