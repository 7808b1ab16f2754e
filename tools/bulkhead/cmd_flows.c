/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_flows.c - sessions begun, denied and ended: the last ones, or as they happen. */
#include <inttypes.h>
#include <pwd.h>
#include <string.h>
#include <time.h>
#include "cli.h"
#include "follow.h"
#include "table.h"
#include "text.h"

#define SHOW	    100 /* rows, unless -n says otherwise */
#define SHOW_FOLLOW 10
#define SHOW_ALL    4096 /* as many as the agent remembers */

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

/* --- every column ------------------------------------------------------------------------------ */

static char *text_at(const json_t *row, const char *path)
{
	const json_t *v = bh_json_at(row, path);

	return v && !json_is_null(v) ? bh_json_text(v) : NULL;
}

/* "1234 curl" */
static char *process(const json_t *row)
{
	const char *comm = bh_json_str(row, "comm");
	uint64_t pid = bh_json_u64(row, "pid");
	char *text = NULL;

	if (!pid && !*comm)
		return NULL;
	return asprintf(&text, "%" PRIu64 "%s%s", pid, *comm ? " " : "", comm) < 0 ? NULL : text;
}

static char *user(const json_t *row)
{
	const json_t *uid = bh_json_at(row, "local.uid");
	const struct passwd *pw;

	/* -1: the kernel's own */
	if (!json_is_integer(uid) || json_integer_value(uid) < 0 ||
	    json_integer_value(uid) >= UINT32_MAX)
		return NULL;
	pw = getpwuid((uid_t)json_integer_value(uid));
	return pw && pw->pw_name ? strdup(pw->pw_name) : text_at(row, "local.uid");
}

/* "in/out", or nothing where nothing was counted */
static char *in_and_out(const json_t *row, const char *in, const char *out, bool size)
{
	uint64_t n[2] = {bh_json_u64(row, in), bh_json_u64(row, out)};
	char text[2][BH_SIZE_TEXT], *both = NULL;

	if (!n[0] && !n[1])
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(n); i++)
		if (size)
			(void)bh_size_text(n[i], text[i]);
		else
			(void)snprintf(text[i], sizeof(text[i]), "%" PRIu64, n[i]);
	return asprintf(&both, "%s / %s", text[0], text[1]) < 0 ? NULL : both;
}

static char *packets(const json_t *row)
{
	return in_and_out(row, "packets_in", "packets_out", false);
}

static char *bytes(const json_t *row)
{
	return in_and_out(row, "bytes_in", "bytes_out", true);
}

static char *rtt(const json_t *row)
{
	uint64_t us = bh_json_u64(row, "rtt_us");
	char *text = NULL;

	if (!us)
		return NULL;
	return asprintf(&text, "%.1f ms", (double)us / 1000) < 0 ? NULL : text;
}

static char *encrypted(const json_t *row)
{
	const char *what_was_seen = bh_json_str(row, "encrypted");

	return !strcmp(what_was_seen, "none") ? NULL : strdup(what_was_seen);
}

static char *suppressed(const json_t *row)
{
	return bh_json_u64(row, "suppressed") ? text_at(row, "suppressed") : NULL;
}

static const struct bh_column wide[] = {
	{"TIME", "time", NULL, false, false},
	{"WHAT", NULL, what, false, false},
	{"FROM", NULL, from, false, true},
	{"TO", NULL, to, false, true},
	{"WHY", NULL, why, false, true},
	{"UNIT", "local.unit", NULL, false, true},
	{"PROCESS", NULL, process, false, true},
	{"USER", NULL, user, false, false},
	{"RULE", "rule", NULL, false, false},
	{"GEN", "generation", NULL, true, false},
	{"PACKETS IN / OUT", NULL, packets, true, false},
	{"BYTES IN / OUT", NULL, bytes, true, false},
	{"RTT", NULL, rtt, true, false},
	{"TCP", "tcp_flags", NULL, false, false},
	{"ENCRYPTED", NULL, encrypted, false, false},
	{"SUPPRESSED", NULL, suppressed, true, false},
};

static const int wide_widths[ARRAY_SIZE(wide)] = {24, 10, 30, 30, 30, 18, 18, 10,
						  18, 4,  16, 22, 8,  6,  9,  0};

/* --- asking ----------------------------------------------------------------------------------- */

static json_t *arguments(const struct bh_cli *cli)
{
	const struct {
		const char *name, *word;
	} words[] = {
		{"from", cli->from}, {"to", cli->to}, {"port", cli->port}, {"unit", cli->unit}};
	const struct {
		const char *name;
		bool set;
	} flags[] = {{"denied", cli->denied},
		     {"audited", cli->audited},
		     {"allowed", cli->allowed},
		     {"follow", cli->follow}};
	json_t *args = json_object();
	/* a time says how many, too */
	unsigned limit = cli->limit	? cli->limit
			 : cli->since_s ? SHOW_ALL
			 : cli->follow	? SHOW_FOLLOW
					: SHOW;
	int r = json_object_set_new(args, "limit", json_integer(limit));

	if (cli->since_s)
		r |= json_object_set_new(args, "since_s", json_integer(cli->since_s));
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (words[i].word)
			r |= json_object_set_new(args, words[i].name, json_string(words[i].word));
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		if (flags[i].set)
			r |= json_object_set_new(args, flags[i].name, json_true());
	if (!r)
		return args;
	/* a word that is not UTF-8 */
	json_decref(args);
	return NULL;
}

static bool is_wide(const struct bh_cli *cli)
{
	return cli->format && !strcmp(cli->format, "wide");
}

static bool is_filtered(const struct bh_cli *cli)
{
	return cli->from || cli->to || cli->port || cli->unit || cli->since_s || cli->allowed ||
	       cli->audited;
}

static int print_lines(const struct bh_cli *cli, const json_t *rows)
{
	const json_t *row;
	size_t i;

	json_array_foreach(rows, i, row) bh_json_print(cli, row, true);
	return 0;
}

static int list(struct bh_cli *cli)
{
	bool lines = cli->format && !strcmp(cli->format, "jsonl");
	_cleanup_json_ json_t *data = NULL;
	int r, code = lines ? bh_ask_part(cli, "flows", arguments(cli), &data)
			    : bh_ask(cli, "flows", arguments(cli), &data);

	if (!data)
		return code;
	if (lines)
		return print_lines(cli, json_object_get(data, "rows"));
	if (!json_array_size(json_object_get(data, "rows"))) {
		fprintf(cli->err, "nothing %s yet\n",
			is_filtered(cli) ? "of that is remembered"
			: cli->denied	 ? "was denied"
					 : "happened");
		return code;
	}
	r = bh_table_print(cli, json_object_get(data, "rows"), is_wide(cli) ? wide : columns,
			   is_wide(cli) ? ARRAY_SIZE(wide) : ARRAY_SIZE(columns));
	return r < 0 ? bh_fail(cli, BH_EXIT_FAILED, NULL, "%s", strerror(-r)) : code;
}

static int run(struct bh_cli *cli, _unused_ int argc, _unused_ char **argv)
{
	static const struct bh_follow f = {"flows", columns, widths, ARRAY_SIZE(columns)};
	static const struct bh_follow all = {"flows", wide, wide_widths, ARRAY_SIZE(wide)};
	json_t *args;

	if (!cli->follow)
		return list(cli);
	args = arguments(cli);
	if (!args)
		return bh_fail(cli, BH_EXIT_USAGE, NULL, "an argument is not UTF-8 text");
	/* a row a line is what JSON is here anyway */
	cli->json |= cli->format && !strcmp(cli->format, "jsonl");
	return bh_follow(cli, is_wide(cli) ? &all : &f, args);
}

static const struct bh_opt opts[] = {
	{"denied", NULL, "what was denied, or would have been", BH_OPT_AT(denied), BH_OPT_FLAG, 0},
	{"audited", NULL, "what only observing let through", BH_OPT_AT(audited), BH_OPT_FLAG, 0},
	{"allowed", NULL, "what was let through by the policy", BH_OPT_AT(allowed), BH_OPT_FLAG, 0},
	{"from", "WHO", "who began: a segment, a unit, an address or a prefix", BH_OPT_AT(from),
	 BH_OPT_WORD, 0},
	{"to", "WHO", "who was asked", BH_OPT_AT(to), BH_OPT_WORD, 0},
	{"port", "PORT", "tcp/443, udp/domain, 443, tcp/8000-8010, icmp", BH_OPT_AT(port),
	 BH_OPT_WORD, 0},
	{"unit", "UNIT", "of this unit, whichever end it is", BH_OPT_AT(unit), BH_OPT_WORD, 0},
	{"since", "TIME", "not older than that, for example 10m", BH_OPT_AT(since_s), BH_OPT_SPAN,
	 0},
	{"follow", NULL, "go on as they happen; with -o json one row a line", BH_OPT_AT(follow),
	 BH_OPT_FLAG, 'f'},
	{"limit", "N", "the last N of them (100, 10 with --follow, all with --since)",
	 BH_OPT_AT(limit), BH_OPT_NUMBER, 'n'},
};

static const char *const formats[] = {"jsonl", "wide", NULL};

const struct bh_command bh_cmd_flows = {
	.name = "flows",
	.args = "",
	.summary = "sessions begun, denied, would be denied and ended",
	.text = "Shows the last sessions that the kernel reported. Why each was let through or "
		"denied stands\nunder WHY; `bulkhead get reasons --all` has their meaning. Of --denied, "
		"--audited and --allowed\neach adds what it names. -o wide has every column, -o jsonl a row "
		"a line.\n\n"
		"  bulkhead flows --denied --from web --since 10m\n"
		"  bulkhead flows -f --to 10.0.0.0/8 --port tcp/443 -o wide",
	.opts = opts,
	.n_opts = ARRAY_SIZE(opts),
	.formats = formats,
	.run = run,
};
