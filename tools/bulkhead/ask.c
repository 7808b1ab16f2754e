/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ask.c - a question to the agent, and one to the person at the terminal. Called by the
 * commands.
 */
#include <errno.h>
#include <string.h>
#include "cli.h"
#include "client.h"
#include "text.h"

/* Verbs that compile, stage or wait for a grace period; the others answer at once. */
static bool is_slow(const char *verb)
{
	static const char *const slow[] = {"apply",	 "rollback", "diff",	"check",
					   "mode",	 "detach",   "confirm", "emergency",
					   "quarantine", "release",  "grant",	"revoke",
					   "blast",	 "pairs",    "simulate"};

	for (size_t i = 0; i < ARRAY_SIZE(slow); i++)
		if (!strcmp(verb, slow[i]))
			return true;
	return false;
}

static void tell_slow(void *ctx)
{
	const struct bh_cli *cli = ctx;

	fprintf(cli->err,
		"the agent has not answered for %d s; waiting up to %d s. Whatever it does, it "
		"does whole or not at all.\n",
		BH_CLIENT_SILENT_MS / 1000, BH_CLIENT_SLOW_MS / 1000);
}

int bh_exchange(struct bh_cli *cli, const char *verb, const json_t *args, struct bh_diags *d,
		json_t **ret)
{
	_cleanup_client_ struct bh_client c;
	struct bh_wait wait = {
		.first_ms = is_slow(verb) ? BH_CLIENT_SLOW_MS : BH_CLIENT_SILENT_MS,
		.max_bytes = BH_CLIENT_MAX_ANSWER,
		.slow = tell_slow,
		.ctx = cli,
	};
	int r = bh_client_open(&c, cli->control, d);

	if (!r)
		r = bh_client_send(&c, verb, args, d);
	if (!r)
		r = bh_client_receive(&c, &wait, d, ret);
	return r;
}

/* Return: the answer's exit code; what says "ok" and is not can't be a 0. */
static int code_of(const json_t *answer)
{
	const json_t *code = json_object_get(answer, "code"), *ok = json_object_get(answer, "ok");

	if (!json_is_boolean(ok) || !json_is_integer(code))
		return -EBADMSG;
	switch (json_integer_value(code)) {
	case BH_EXIT_OK:
		return json_is_true(ok) ? BH_EXIT_OK : BH_EXIT_FAILED;
	case BH_EXIT_USAGE:
		return BH_EXIT_USAGE;
	case BH_EXIT_NO:
		return BH_EXIT_NO;
	}
	return BH_EXIT_FAILED;
}

static int no_answer(struct bh_cli *cli, const char *why)
{
	return bh_fail(cli, BH_EXIT_FAILED, "is this the agent's socket? --control PATH",
		       "what came from %s is not an answer: %s", cli->control, why);
}

/* @answer: stolen */
static int take_text(struct bh_cli *cli, json_t *answer, int code, json_t **ret_data)
{
	_cleanup_json_ json_t *a = answer;
	_cleanup_diags_ struct bh_diags d = {};
	json_t *data = json_object_get(a, "data");

	bh_diags_from_json(json_object_get(a, "diags"), &d);
	bh_findings_print(cli, &d);
	if (code == BH_EXIT_FAILED || code == BH_EXIT_USAGE) {
		if (!d.n)
			fprintf(cli->err, "error: the agent says no and not why\n");
		return code;
	}
	if (!json_is_object(data))
		return no_answer(cli, "it has no data");
	if (bh_json_tame(data) < 0)
		return bh_fail(cli, BH_EXIT_FAILED, NULL, "out of memory");
	*ret_data = json_incref(data);
	return code;
}

json_t *bh_args_reason(const struct bh_cli *cli, json_t *args)
{
	if (args && cli->reason &&
	    json_object_set_new(args, "reason", json_string(cli->reason)) < 0) {
		json_decref(args);
		return NULL;
	}
	return args;
}

/* @args: stolen. Return: the code of *ret; without one, it was said what is wrong. */
static int ask(struct bh_cli *cli, const char *verb, json_t *args, json_t **ret)
{
	_cleanup_json_ json_t *mine = args, *answer = NULL;
	_cleanup_diags_ struct bh_diags d = {};
	int code;

	*ret = NULL;
	if (!mine)
		return bh_fail(cli, BH_EXIT_USAGE, NULL, "a file or an argument is not UTF-8 text");
	if (bh_exchange(cli, verb, mine, &d, &answer) < 0)
		return bh_finish(cli, BH_EXIT_FAILED, NULL, &d);
	code = code_of(answer);
	if (code < 0)
		return no_answer(cli, "it lacks \"ok\" or \"code\"");
	*ret = TAKE_PTR(answer);
	return code;
}

int bh_ask(struct bh_cli *cli, const char *verb, json_t *args, json_t **ret_data)
{
	return bh_ask_with(cli, verb, args, NULL, NULL, ret_data);
}

int bh_ask_with(struct bh_cli *cli, const char *verb, json_t *args,
		int (*more)(struct bh_cli *cli, void *ctx, json_t *data), void *ctx,
		json_t **ret_data)
{
	_cleanup_json_ json_t *answer = NULL;
	int code = ask(cli, verb, args, &answer);

	*ret_data = NULL;
	if (!answer)
		return code;
	if (more && (code == BH_EXIT_OK || code == BH_EXIT_NO) &&
	    json_is_object(json_object_get(answer, "data")) &&
	    more(cli, ctx, json_object_get(answer, "data")) < 0)
		return bh_fail(cli, BH_EXIT_FAILED, NULL, "out of memory");
	if (cli->json) {
		/* Whoever reads it finds all four keys, also in a short answer. */
		if (!json_object_get(answer, "data"))
			(void)json_object_set_new(answer, "data", json_object());
		if (!json_object_get(answer, "diags"))
			(void)json_object_set_new(answer, "diags", json_array());
		bh_json_print(cli, answer, false);
		return code;
	}
	return take_text(cli, TAKE_PTR(answer), code, ret_data);
}

int bh_ask_part(struct bh_cli *cli, const char *verb, json_t *args, json_t **ret_data)
{
	_cleanup_json_ json_t *answer = NULL;
	_cleanup_diags_ struct bh_diags d = {};
	int code = ask(cli, verb, args, &answer);

	*ret_data = NULL;
	if (!answer)
		return code;
	if (code != BH_EXIT_OK) {
		bh_diags_from_json(json_object_get(answer, "diags"), &d);
		return d.n ? bh_finish(cli, code, NULL, &d)
			   : bh_fail(cli, code, NULL, "the agent says no and not why");
	}
	*ret_data = json_incref(json_object_get(answer, "data"));
	return code;
}

int bh_confirm(struct bh_cli *cli, const char *question)
{
	_cleanup_free_ char *line = NULL;
	size_t room = 0;

	if (cli->yes)
		return BH_EXIT_OK;
	if (cli->json || !isatty(STDIN_FILENO))
		return bh_fail(cli, BH_EXIT_USAGE, "say --yes if nobody is there to be asked",
			       "not confirmed");
	(void)fflush(cli->out);
	fprintf(cli->err, "%s [y/N] ", question);
	(void)fflush(cli->err);
	if (getline(&line, &room, stdin) > 0 &&
	    (!strcasecmp(line, "y\n") || !strcasecmp(line, "yes\n")))
		return BH_EXIT_OK;
	fprintf(cli->err, "nothing was changed\n");
	return BH_EXIT_FAILED;
}
