/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_audit.c - who changed what, and whether the log of it is what the agent wrote. Reading the
 * files themselves needs root and no agent; one that answers knows the head that the kernel keeps.
 */
#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <string.h>
#include "../../agent/control/chain.h"
#include "cli.h"
#include "follow.h"
#include "table.h"
#include "text.h"

#define LOG_DEFAULT "/var/lib/bulkhead/audit.jsonl"
#define SHOW	    20
#define SHOW_FOLLOW 10

/* --- the last records ----------------------------------------------------------------------------- */

static char *join(const char *a, const char *b)
{
	char *text;

	return asprintf(&text, "%s%s%s", a, *a && *b ? " " : "", b) < 0 ? NULL : text;
}

/* "root", "root (alice pts/3)": who he is, and who had logged in */
static char *who(const json_t *row)
{
	const json_t *login = json_object_get(row, "loginuid");
	const struct passwd *pw =
		json_is_integer(login) ? getpwuid((uid_t)json_integer_value(login)) : NULL;
	_cleanup_free_ char *number = json_is_integer(login) ? bh_json_text(login) : NULL;
	const char *name = pw ? pw->pw_name : number ? number : "", *by = bh_json_str(row, "by");
	_cleanup_free_ char *from =
		join(strcmp(name, by) != 0 ? name : "", bh_json_str(row, "tty"));
	char *text;

	if (!from || asprintf(&text, *from ? "%s (%s)" : "%s", by, from) < 0)
		return NULL;
	return text;
}

/* "apply /etc/shop.yaml", "mode observe", "emergency open", "users" */
static char *what(const json_t *row)
{
	static const char *const says[] = {"args.file", "args.mode", "args.action"};
	const char *verb = bh_json_str(row, "verb"), *more = "";

	if (!*verb)
		return strdup(bh_json_str(row, "event"));
	for (size_t i = 0; !*more && i < ARRAY_SIZE(says); i++)
		more = bh_json_str(row, says[i]);
	return join(verb, more);
}

static char *result(const json_t *row)
{
	const json_t *ok = json_object_get(row, "ok");
	const char *found = bh_json_str(row, "found");

	if (json_is_false(ok))
		return join("failed:", bh_json_str(row, "error"));
	if (*found)
		return strdup(found);
	return bh_json_text(json_object_get(row, "counts"));
}

static const struct bh_column columns[] = {
	{"SEQ", "seq", NULL, true, false},	  {"TIME", "time", NULL, false, false},
	{"WHO", NULL, who, false, true},	  {"WHAT", NULL, what, false, true},
	{"GEN", "generation", NULL, true, false}, {"RESULT", NULL, result, false, true},
	{"REASON", "reason", NULL, false, true},
};

static const int widths[ARRAY_SIZE(columns)] = {6, 24, 16, 24, 5, 24, 0};

static int fail_to_read(struct bh_cli *cli, const char *log, int r)
{
	return bh_fail(cli, BH_EXIT_FAILED, r == -EACCES ? "the log is root's" : NULL, "%s: %s",
		       log, strerror(-r));
}

/* Return: the exit code; *ret NULL: there is nothing left to print. */
static int rows_of_file(struct bh_cli *cli, unsigned n, json_t **ret)
{
	_cleanup_json_ json_t *rows = NULL;
	_cleanup_diags_ struct bh_diags none = {};
	int r = bh_chain_tail(cli->file, n, &rows);

	*ret = NULL;
	if (r < 0)
		return fail_to_read(cli, cli->file, r);
	if (cli->json)
		return bh_finish(cli, BH_EXIT_OK,
				 json_pack("{s:s s:O}", "file", cli->file, "rows", rows), &none);
	if (bh_json_tame(rows) < 0)
		return bh_fail(cli, BH_EXIT_FAILED, NULL, "out of memory");
	*ret = json_pack("{s:O}", "rows", rows);
	return BH_EXIT_OK;
}

static int list(struct bh_cli *cli)
{
	unsigned n = cli->limit ? cli->limit : SHOW;
	_cleanup_json_ json_t *data = NULL;
	int r, code;

	code = cli->file ? rows_of_file(cli, n, &data)
			 : bh_ask(cli, "audit", json_pack("{s:I}", "limit", (json_int_t)n), &data);
	if (!data)
		return code;
	if (!json_array_size(json_object_get(data, "rows"))) {
		fprintf(cli->err, "nothing was changed yet\n");
		return code;
	}
	r = bh_table_print(cli, json_object_get(data, "rows"), columns, ARRAY_SIZE(columns));
	return r < 0 ? bh_fail(cli, BH_EXIT_FAILED, NULL, "%s", strerror(-r)) : code;
}

static int follow(struct bh_cli *cli)
{
	static const struct bh_follow f = {"audit", columns, widths, ARRAY_SIZE(columns)};
	unsigned n = cli->limit ? cli->limit : SHOW_FOLLOW;

	if (cli->file)
		return bh_fail(cli, BH_EXIT_USAGE, "leave --file out",
			       "the agent tells of records as it writes them, and nobody writes to "
			       "another file");
	return bh_follow(cli, &f, json_pack("{s:I s:b}", "limit", (json_int_t)n, "follow", 1));
}

/* --- verify --------------------------------------------------------------------------------------- */

/* What the log is held against. */
struct against {
	char *log;
	bool agent; /* it answers, and this is its log */
	struct bh_chain_head pinned, known;
	struct bh_chain_note note;
	int note_state; /* what reading it said */
};

static void against_clear(struct against *a)
{
	free(a->log);
	*a = (struct against){};
}

static struct bh_chain_head head_of(const json_t *data, const char *key)
{
	const json_t *j = json_object_get(data, key);
	const char *hash = bh_json_str(j, "hash");
	struct bh_chain_head head = {.seq = bh_json_u64(j, "seq")};

	if (strlen(hash) != sizeof(head.hash) - 1)
		return (struct bh_chain_head){};
	memcpy(head.hash, hash, sizeof(head.hash));
	return head;
}

static bool is_same_file(const char *a, const char *b)
{
	_cleanup_free_ char *x = realpath(a, NULL), *y = realpath(b, NULL);

	return x && y && !strcmp(x, y);
}

/* The heads first, the log after: it is never behind them. Return: 0 or -ENOMEM. */
static int ask_heads(struct bh_cli *cli, struct against *ret)
{
	_cleanup_diags_ struct bh_diags unsaid = {};
	_cleanup_json_ json_t *args = json_pack("{s:i}", "limit", 1), *answer = NULL;
	const json_t *data = NULL;
	const char *file = "";

	if (args && bh_exchange(cli, "audit", args, &unsaid, &answer) == 0 &&
	    json_is_true(json_object_get(answer, "ok"))) {
		data = json_object_get(answer, "data");
		file = bh_json_str(data, "file");
		/* of another agent's log it knows nothing */
		ret->agent = *file && (!cli->file || is_same_file(cli->file, file));
	}
	if (ret->agent) {
		ret->pinned = head_of(data, "pinned");
		ret->known = head_of(data, "head");
	}
	ret->log = strdup(cli->file ? cli->file : ret->agent ? file : LOG_DEFAULT);
	if (!ret->log)
		return -ENOMEM;
	ret->note_state = bh_chain_note_read(ret->log, &ret->note);
	return 0;
}

static int check_note(const struct bh_cli *cli, const struct against *a, struct bh_chain_report *r,
		      struct bh_diags *d)
{
	_cleanup_free_ char *path = NULL;
	const char *slash = strrchr(a->log, '/');
	struct bh_chain_finding at = {.line = 1};

	if (a->note_state == 0)
		return 0;
	if (a->note_state == -ENOENT && (cli->file || r->last.seq <= 1)) {
		if (!a->agent && r->last.seq > 1)
			(void)bh_diag_add(d, BH_WARNING, NULL, NULL,
					  "there is no audit.head beside %s: a tail that was cut "
					  "off would not be missed",
					  a->log);
		return 0;
	}
	if (asprintf(&path, "%.*saudit.head", slash ? (int)(slash - a->log) + 1 : 0, a->log) < 0)
		return -ENOMEM;
	at.file = path;
	at.kind = a->note_state == -ENOENT ? "removed" : "edited";
	return bh_chain_report_add(r, &at,
				   a->note_state == -ENOENT
					   ? "the file of the head is missing"
					   : "the file of the head is damaged or can't be read");
}

static int read_all(struct bh_cli *cli, struct against *a, struct bh_chain_report *ret,
		    struct bh_diags *d)
{
	for (int tries = 0;; tries++) {
		struct against now = {};
		bool moved;
		int r = ask_heads(cli, a);

		if (r == 0) {
			const struct bh_chain_claim claims[] = {
				{"the pinned map", a->pinned, 1},
				{"the agent", a->known, 1},
				{"audit.head", a->note.head, BH_CHAIN_SEQ_MAX},
			};

			r = bh_chain_verify(a->log, claims, ARRAY_SIZE(claims), ret);
		}
		if (r < 0)
			return r;
		if (!ret->n_found || !a->agent || tries == 2)
			return check_note(cli, a, ret, d);
		/* a change that was made meanwhile is no tampering */
		r = ask_heads(cli, &now);
		moved = r == 0 && now.known.seq != a->known.seq;
		against_clear(&now);
		if (!moved)
			return r < 0 ? r : check_note(cli, a, ret, d);
		bh_chain_report_clear(ret);
		against_clear(a);
	}
}

static json_t *head_json(const struct bh_chain_head *head)
{
	return head->seq ? json_pack("{s:I s:s}", "seq", (json_int_t)head->seq, "hash", head->hash)
			 : json_null();
}

static json_t *findings_json(const struct bh_chain_report *r)
{
	json_t *list = json_array();

	for (size_t i = 0; i < r->n_finding; i++) {
		const struct bh_chain_finding *f = &r->finding[i];

		(void)json_array_append_new(list,
					    json_pack("{s:s s:s s:i s:I s:s}", "kind", f->kind,
						      "file", f->file, "line", (int)f->line, "seq",
						      (json_int_t)f->seq, "text", f->text));
	}
	return list;
}

static void print_sum(const struct bh_cli *cli, const struct against *a,
		      const struct bh_chain_report *r)
{
	if (r->n_found)
		fprintf(cli->out, "%stampered%s: %s:%u: %s", bh_paint(cli, BH_RED),
			bh_paint(cli, BH_PLAIN), r->finding[0].file, r->finding[0].line,
			r->finding[0].kind);
	else
		fprintf(cli->out, "%sok%s", bh_paint(cli, BH_GREEN), bh_paint(cli, BH_PLAIN));
	fprintf(cli->out, ", %llu records in %u file%s, %llu to %llu, held against %s%s%s\n",
		r->records, r->files, r->files == 1 ? "" : "s", r->first.seq, r->last.seq,
		a->agent ? "the pinned map" : "", a->agent && a->note.head.seq ? " and " : "",
		a->note.head.seq ? "audit.head"
		: a->agent	 ? ""
				 : "nothing but itself");
	if (r->cut)
		fprintf(cli->out, "cut off by keeping %u older file%s: records 1 to %llu\n",
			r->keep, r->keep == 1 ? "" : "s", r->cut);
	if (r->last.seq)
		fprintf(cli->out, "head: %llu %s\n", r->last.seq, r->last.hash);
}

static void tell(const struct bh_cli *cli, const struct against *a, const struct bh_chain_report *r,
		 struct bh_diags *d)
{
	for (size_t i = 0; i < r->n_finding; i++) {
		const struct bh_chain_finding *f = &r->finding[i];
		struct bh_where where = {.file = f->file, .line = (int)f->line, .col = 1};

		(void)bh_diag_add(d, BH_ERROR, &where, NULL, "%s: %s", f->kind, f->text);
	}
	if (r->torn)
		(void)bh_diag_add(d, BH_WARNING, NULL, NULL,
				  "the last %zu bytes are half a line: a crash, and the next start "
				  "goes on behind it",
				  r->torn);
	if (!a->agent && !cli->file)
		(void)bh_diag_add(d, BH_WARNING, NULL, "ask again when it runs",
				  "the agent does not answer: what the kernel keeps was not "
				  "looked at");
}

static int verify(struct bh_cli *cli)
{
	_cleanup_(bh_chain_report_clear) struct bh_chain_report r = {};
	_cleanup_(against_clear) struct against a = {};
	_cleanup_diags_ struct bh_diags d = {};
	int e = read_all(cli, &a, &r, &d);

	if (e == -ENOENT)
		return bh_fail(cli, BH_EXIT_FAILED, "another place: --file PATH",
			       "%s: there is no audit log", a.log);
	if (e < 0)
		return fail_to_read(cli, a.log ? a.log : LOG_DEFAULT, e);
	tell(cli, &a, &r, &d);
	if (!cli->json)
		print_sum(cli, &a, &r);
	return bh_finish(cli, r.n_found ? BH_EXIT_NO : BH_EXIT_OK,
			 json_pack("{s:s s:I s:i s:I s:i s:o s:o s:o s:o s:o}", "file", a.log,
				   "records", (json_int_t)r.records, "files", (int)r.files, "cut",
				   (json_int_t)r.cut, "keep", (int)r.keep, "first",
				   head_json(&r.first), "last", head_json(&r.last), "pinned",
				   head_json(&a.pinned), "head", head_json(&a.note.head),
				   "findings", findings_json(&r)),
			 &d);
}

/* --- accept --------------------------------------------------------------------------------------- */

static int accept_it(struct bh_cli *cli)
{
	_cleanup_json_ json_t *data = NULL;
	int code = bh_ask(cli, "audit_accept", bh_args_reason(cli, json_object()), &data);

	if (data)
		fprintf(cli->out, "accepted: %s\n`bulkhead audit verify` goes on showing it\n",
			bh_json_str(data, "found"));
	return code;
}

static int run(struct bh_cli *cli, int argc, char **argv)
{
	static const char *const words[] = {"verify", "accept"};
	const char *near = argc ? bh_nearest(argv[0], words, ARRAY_SIZE(words)) : NULL;

	if (cli->follow && argc)
		return bh_fail(cli, BH_EXIT_USAGE, NULL,
			       "--follow is for the records: no word with it");
	if (!argc)
		return cli->follow ? follow(cli) : list(cli);
	if (!strcmp(argv[0], "verify"))
		return verify(cli);
	if (!strcmp(argv[0], "accept"))
		return accept_it(cli);
	return bh_fail(cli, BH_EXIT_USAGE,
		       !near	      ? "verify, accept, or nothing"
		       : *near == 'v' ? "did you mean 'verify'?"
				      : "did you mean 'accept'?",
		       "the audit log can't be told to '%s'", argv[0]);
}

static const struct bh_opt opts[] = {
	{"file", "PATH", "this log, read without the agent", BH_OPT_AT(file), BH_OPT_WORD, 0},
	{"follow", NULL, "go on as they are written; with -o json one record a line",
	 BH_OPT_AT(follow), BH_OPT_FLAG, 'f'},
	{"limit", "N", "the last N records (20, 10 with --follow)", BH_OPT_AT(limit), BH_OPT_NUMBER,
	 'n'},
	{"reason", "TEXT", "accept: why, for the audit log", BH_OPT_AT(reason), BH_OPT_WORD, 0},
};

const struct bh_command bh_cmd_audit = {
	.name = "audit",
	.args = "[verify|accept]",
	.summary = "who changed what, and whether that log is whole",
	.text = "Without a word: the last records.\n"
		"verify  holds every record against the one before it and the last one against the "
		"heads that\n        are kept elsewhere; exit status 3, with file and line, where "
		"something was edited,\n        removed, reordered, cut off or written anew. Needs "
		"root, and no agent.\n"
		"accept  what the agent found at a start is no problem to `bulkhead status` any more.",
	.opts = opts,
	.n_opts = ARRAY_SIZE(opts),
	.max_args = 1,
	.run = run,
};
