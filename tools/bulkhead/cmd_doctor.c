/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_doctor.c - is it really enforced: what the agent says of each part, a canary that has to
 * be refused by the live hooks, and whether the live programs run.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include "doctor.h"
#include "text.h"

/* Frames are counted over so long at least, and what has yet to run gets so many turns. */
#define SAMPLE_MS 200
#define TURNS	  10

/* --- rows --------------------------------------------------------------------------------------------- */

void bh_doctor_row(struct bh_doctor *x, const char *check, const char *result, const char *help,
		   const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	(void)json_array_append_new(x->checks,
				    json_pack("{s:s s:s s:s s:s?}", "check", check, "result",
					      result, "text", text ? text : "", "help", help));
}

static void clear(struct bh_doctor *x)
{
	json_decref(x->checks);
	json_decref(x->before);
	json_decref(x->after);
	for (int i = 0; i < BH_ACT_MAX; i++)
		json_decref(x->said[i]);
	(void)bh_canary_clear(&x->canary);
}

/* What is none of these words is no "ok". */
static const char *result_of(const json_t *row)
{
	static const char *const words[] = {"ok", "warn", "untested"};
	const char *result = bh_json_str(row, "result");

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (!strcmp(result, words[i]))
			return words[i];
	return "fail";
}

static size_t count(const struct bh_doctor *x, const char *result)
{
	const json_t *c;
	size_t i, n = 0;

	json_array_foreach(x->checks, i, c) n += !strcmp(result_of(c), result);
	return n;
}

/* --- questions ------------------------------------------------------------------------------------------ */

/* Answers with code 0 and 3 have data. Return: 0, or -errno with a finding in @d. */
static int ask(struct bh_cli *cli, const char *verb, const json_t *args, struct bh_diags *d,
	       json_t **ret)
{
	_cleanup_json_ json_t *answer = NULL;
	const json_t *code;
	json_t *data;
	int r = args ? bh_exchange(cli, verb, args, d, &answer) : -ENOMEM;

	*ret = NULL;
	if (r < 0)
		return r;
	code = json_object_get(answer, "code");
	data = json_object_get(answer, "data");
	if (json_is_object(data) && json_is_integer(code) &&
	    (json_integer_value(code) == BH_EXIT_OK || json_integer_value(code) == BH_EXIT_NO)) {
		*ret = json_incref(data);
		return 0;
	}
	bh_diags_from_json(json_object_get(answer, "diags"), d);
	if (!d->n)
		(void)bh_diag_add(d, BH_ERROR, NULL, "is this the agent's socket? --control PATH",
				  "what came from %s is not an answer", cli->control);
	return -EBADMSG;
}

static int ask_doctor(struct bh_cli *cli, struct bh_diags *d, json_t **ret)
{
	_cleanup_json_ json_t *none = json_object(), *data = NULL;
	int r = ask(cli, "doctor", none, d, &data);

	if (r == 0 && !json_is_array(json_object_get(data, "checks"))) {
		(void)bh_diag_add(d, BH_ERROR, NULL, "is this the agent's socket? --control PATH",
				  "what came from %s is not an answer", cli->control);
		return -EBADMSG;
	}
	*ret = r < 0 ? NULL : TAKE_PTR(data);
	return r;
}

/* What the program that decides says of what the canary will do. */
static void ask_verdicts(struct bh_cli *cli, struct bh_doctor *x)
{
	static const struct {
		enum bh_act act;
		const char *to, *proto;
	} q[] = {
		{BH_ACT_CONNECT4, BH_CANARY_ADDR4, "tcp"},
		{BH_ACT_CONNECT6, BH_CANARY_ADDR6, "tcp"},
		{BH_ACT_SENDMSG4, BH_CANARY_ADDR4, "udp"},
		{BH_ACT_SENDMSG6, BH_CANARY_ADDR6, "udp"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(q); i++) {
		_cleanup_diags_ struct bh_diags unsaid = {};
		_cleanup_json_ json_t *args =
			json_pack("{s:s s:s s:s s:i}", "from", bh_canary_name(&x->canary), "to",
				  q[i].to, "proto", q[i].proto, "port", BH_CANARY_PORT);

		(void)ask(cli, "explain", args, &unsaid, &x->said[q[i].act]);
	}
}

/* --- the live test ---------------------------------------------------------------------------------------- */

static void send_canary(struct bh_cli *cli, struct bh_doctor *x)
{
	const char *root = bh_json_str(x->before, "cgroup_root");
	int r = bh_canary_hatch(&x->canary, root);

	if (r < 0) {
		bh_doctor_row(x, "canary", "untested",
			      r == -EROFS || r == -ENOENT ? "run it on the host itself"
							  : "run it as root",
			      "can't make a cgroup below %s: %s", root, strerror(-r));
		return;
	}
	ask_verdicts(cli, x);
	r = bh_canary_sing(&x->canary);
	x->sang = r == 0;
	if (r < 0)
		bh_doctor_row(x, "canary", "untested", NULL, "its process did not do its work: %s",
			      strerror(-r));
	r = bh_canary_clear(&x->canary);
	if (r < 0)
		bh_doctor_row(x, "canary", "warn", "rmdir it", "its cgroup below %s is left: %s",
			      root, strerror(-r));
}

static int live_test(struct bh_cli *cli, struct bh_doctor *x, struct bh_diags *d)
{
	int r = 0;

	send_canary(cli, x);
	/* the end of a cgroup is told of when its last reference goes */
	for (int i = 0; i < TURNS && r == 0; i++) {
		(void)usleep(SAMPLE_MS * 1000);
		json_decref(x->after);
		r = ask_doctor(cli, d, &x->after);
		if (!x->counted || !bh_runs_missing(x))
			break;
	}
	if (r < 0)
		return r;
	if (x->sang)
		bh_doctor_verdicts(x);
	bh_doctor_runs(x);
	return 0;
}

static int examine(struct bh_cli *cli, struct bh_doctor *x, struct bh_diags *d)
{
	_cleanup_close_ int counting = cli->quick ? -1 : bh_runs_count();
	int r;

	x->counted = counting >= 0 || bh_runs_are_counted();
	r = ask_doctor(cli, d, &x->before);
	if (r < 0)
		return r;
	x->checks = json_deep_copy(json_object_get(x->before, "checks"));
	if (!x->checks)
		return -ENOMEM;
	return cli->quick ? 0 : live_test(cli, x, d);
}

/* --- telling ------------------------------------------------------------------------------------------------ */

static void print_row(const struct bh_cli *cli, const json_t *row)
{
	static const struct {
		const char *result, *word;
		enum bh_colour colour;
	} words[] = {
		{"ok", "ok", BH_GREEN},
		{"warn", "warn", BH_YELLOW},
		{"fail", "FAIL", BH_RED},
		{"untested", "-", BH_DIM},
	};
	const char *result = result_of(row), *help = bh_json_str(row, "help");

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (!strcmp(result, words[i].result))
			fprintf(cli->out, "%s%-4s%s  %-22s %s%s\n", bh_paint(cli, words[i].colour),
				words[i].word, bh_paint(cli, BH_PLAIN), bh_json_str(row, "check"),
				strcmp(result, "untested") ? "" : "not tested: ",
				bh_json_str(row, "text"));
	if (*help && strcmp(result, "ok") != 0)
		fprintf(cli->out, "      %-22s %s%s%s\n", "", bh_paint(cli, BH_DIM), help,
			bh_paint(cli, BH_PLAIN));
}

static int tell(struct bh_cli *cli, struct bh_doctor *x)
{
	size_t ok = count(x, "ok"), warn = count(x, "warn"), fail = count(x, "fail");
	size_t untested = count(x, "untested"), i;
	int code = fail ? BH_EXIT_NO : BH_EXIT_OK;
	const json_t *row;

	if (cli->json)
		return bh_finish(cli, code,
				 json_pack("{s:O s:O s:O s:O s:{s:I s:I s:I s:I}}", "version",
					   json_object_get(x->before, "version"), "state",
					   json_object_get(x->before, "state"), "generation",
					   json_object_get(x->before, "generation"), "checks",
					   x->checks, "counts", "ok", (json_int_t)ok, "warn",
					   (json_int_t)warn, "fail", (json_int_t)fail, "untested",
					   (json_int_t)untested),
				 &(struct bh_diags){});
	if (bh_json_tame(x->checks) < 0)
		return bh_fail(cli, BH_EXIT_FAILED, NULL, "out of memory");
	json_array_foreach(x->checks, i, row) print_row(cli, row);
	fprintf(cli->out, "\n%s%s%s: %zu ok, %zu warning%s, %zu failed",
		bh_paint(cli, fail ? BH_RED : BH_GREEN),
		fail ? "NOT ALL that the policy needs is enforced"
		     : "what the policy needs is enforced",
		bh_paint(cli, BH_PLAIN), ok, warn, warn == 1 ? "" : "s", fail);
	if (untested)
		fprintf(cli->out, ", %zu not tested", untested);
	fprintf(cli->out, "\n");
	return code;
}

static int run(struct bh_cli *cli, _unused_ int argc, _unused_ char **argv)
{
	_cleanup_(clear) struct bh_doctor x = {};
	_cleanup_diags_ struct bh_diags d = {};
	int r = examine(cli, &x, &d);

	if (r == -ENOMEM)
		return bh_fail(cli, BH_EXIT_FAILED, NULL, "out of memory");
	return r < 0 ? bh_finish(cli, BH_EXIT_FAILED, NULL, &d) : tell(cli, &x);
}

static const struct bh_opt opts[] = {
	{"quick", NULL, "only what the agent says: no canary, no counting of runs",
	 BH_OPT_AT(quick), BH_OPT_FLAG, 0},
};

const struct bh_command bh_cmd_doctor = {
	.name = "doctor",
	.args = "",
	.summary = "is it really enforced: every part, and a live test",
	.text = "Goes through everything that enforcement rests on, a line for each. As root it tests "
		"the live\nhooks, too: a canary process in a cgroup of its own connects to addresses "
		"that are nobody's and\nhas to be refused if the policy says so, and every program has "
		"to run when there is a reason.\nTakes half a second, and changes nothing.\n\n"
		"Exit status 3 if anything that the policy needs is not enforced.",
	.opts = opts,
	.n_opts = ARRAY_SIZE(opts),
	.run = run,
};
