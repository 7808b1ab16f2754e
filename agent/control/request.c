/* SPDX-License-Identifier: Apache-2.0 */
/* request.c - see request.h. */
#include <errno.h>
#include <string.h>
#include "record.h"
#include "request.h"

/* --- the verb ------------------------------------------------------------------------------ */

static const struct bh_verb *verb_find(const struct bh_verb_table *verbs, const char *name,
				       size_t n)
{
	for (size_t i = 0; i < verbs->n; i++)
		if (strlen(verbs->v[i]->name) == n && !memcmp(verbs->v[i]->name, name, n))
			return verbs->v[i];
	return NULL;
}

/* "did you mean 'x'?", or NULL */
static char *did_you_mean(const char *word, const char *const *words, size_t n)
{
	const char *near = bh_nearest(word, words, n);
	char *help = NULL;

	if (near && asprintf(&help, "did you mean '%s'?", near) < 0)
		return NULL;
	return help;
}

static void unknown_verb(struct bh_reply *reply, const struct bh_verb_table *verbs,
			 const char *name)
{
	_cleanup_free_ const char **words = calloc(verbs->n, sizeof(*words));
	_cleanup_free_ char *help = NULL;

	for (size_t i = 0; words && i < verbs->n; i++)
		words[i] = verbs->v[i]->name;
	if (words)
		help = did_you_mean(name, words, verbs->n);
	(void)bh_reply_fail(reply, BH_EXIT_USAGE, help, "unknown verb '%.40s'", name);
}

static const char *skip_blanks(const char *s, const char *end)
{
	while (s < end && (*s == ' ' || *s == '\t'))
		s++;
	return s;
}

size_t bh_request_room(const struct bh_verb_table *verbs, const char *text, size_t bytes)
{
	const char *s = text, *end = text + bytes, *quote;
	static const char *const parts[] = {"{", "\"verb\"", ":", "\""};
	const struct bh_verb *verb;

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		size_t n = strlen(parts[i]);

		s = skip_blanks(s, end);
		if ((size_t)(end - s) < n || memcmp(s, parts[i], n) != 0)
			return BH_PROTO_MAX_REQUEST;
		s += n;
	}
	quote = memchr(s, '"', (size_t)(end - s));
	verb = quote ? verb_find(verbs, s, (size_t)(quote - s)) : NULL;
	return verb && verb->max_bytes ? verb->max_bytes : BH_PROTO_MAX_REQUEST;
}

/* --- checks -------------------------------------------------------------------------------- */

static bool is_word(const char *const *words, const char *word)
{
	for (; words && *words; words++)
		if (!strcmp(*words, word))
			return true;
	return false;
}

/* Why, in the caller's words: every verb that changes something takes it, record.c keeps it. */
static int check_reason(const json_t *value, struct bh_reply *reply)
{
	if (json_is_null(value) ||
	    (json_is_string(value) && json_string_length(value) <= BH_REASON_BYTES))
		return 0;
	(void)bh_reply_fail(reply, BH_EXIT_USAGE, NULL,
			    "argument 'reason' must be a string of at most %d bytes",
			    BH_REASON_BYTES);
	return -EINVAL;
}

static int check_args(const struct bh_verb *verb, const json_t *args, struct bh_reply *reply)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)args, key, value)
	{
		_cleanup_free_ char *help = NULL;
		size_t n = 0;

		if (verb->changes && !strcmp(key, "reason")) {
			if (check_reason(value, reply) < 0)
				return -EINVAL;
			continue;
		}
		if (is_word(verb->args, key))
			continue;
		while (verb->args && verb->args[n])
			n++;
		help = did_you_mean(key, verb->args, n);
		(void)bh_reply_fail(reply, BH_EXIT_USAGE, help, "verb '%s' has no argument '%.40s'",
				    verb->name, key);
		return -EINVAL;
	}
	return 0;
}

static int check_caller(const struct bh_verb *verb, const struct bh_caller *caller,
			struct bh_reply *reply)
{
	const char *why = "it can't be told who asks";

	if (caller)
		why = bh_caller_may_read(caller);
	if (!why && verb->changes)
		why = bh_caller_may_change(caller);
	if (!why)
		return 0;
	/* not in the audit log: who may not change anything must not fill the disk */
	if (verb->changes)
		bh_warning("refused '%s' to uid %d, pid %d, %s: %s", verb->name,
			   caller ? (int)caller->uid : -1, caller ? (int)caller->pid : -1,
			   caller && caller->cgroup ? caller->cgroup : "no cgroup", why);
	(void)bh_reply_fail(reply, BH_EXIT_FAILED,
			    verb->changes ? "ask from a root login on this host" : NULL,
			    "verb '%s' is refused: %s", verb->name, why);
	return -EPERM;
}

/* --- run ----------------------------------------------------------------------------------- */

/* The request as JSON with the right shape, or a finding in the reply. */
static json_t *parse(const char *line, size_t bytes, struct bh_reply *reply, const char **ret_verb,
		     const json_t **ret_args)
{
	json_error_t error;
	json_t *req = json_loadb(line, bytes, JSON_REJECT_DUPLICATES, &error);
	const json_t *verb = json_object_get(req, "verb"), *args = json_object_get(req, "args");

	if (!req)
		(void)bh_reply_fail(reply, BH_EXIT_USAGE, NULL, "no JSON: %s", error.text);
	else if (!json_is_object(req) || !json_is_string(verb))
		(void)bh_reply_fail(reply, BH_EXIT_USAGE, "send {\"verb\": NAME, \"args\": {...}}",
				    "the request has no \"verb\"");
	else if (args && !json_is_object(args))
		(void)bh_reply_fail(reply, BH_EXIT_USAGE, "send {\"verb\": NAME, \"args\": {...}}",
				    "\"args\" is no object");
	else if (json_object_size(req) > (args ? 2 : 1))
		(void)bh_reply_fail(reply, BH_EXIT_USAGE, "send {\"verb\": NAME, \"args\": {...}}",
				    "the request has other keys than \"verb\" and \"args\"");
	else if (!args && json_object_set_new(req, "args", json_object()) < 0)
		(void)bh_reply_fail(reply, BH_EXIT_FAILED, NULL, "%s", strerror(ENOMEM));
	else {
		*ret_verb = json_string_value(verb);
		*ret_args = json_object_get(req, "args");
		return req;
	}
	json_decref(req);
	return NULL;
}

static void finish(struct bh_reply *reply, const struct bh_verb *verb, int r)
{
	if (r < 0 && !reply->diags.n_errors)
		(void)bh_reply_fail(reply, BH_EXIT_FAILED, NULL, "%s: %s", verb->name,
				    strerror(-r));
	if (reply->diags.n_errors && reply->code == BH_EXIT_OK)
		reply->code = BH_EXIT_FAILED;
}

void bh_request_clear(struct bh_request *req)
{
	json_decref(req->json);
	*req = (struct bh_request){0};
}

bool bh_request_read(const struct bh_verb_table *verbs, const char *line, size_t bytes,
		     const struct bh_caller *caller, struct bh_request *ret, struct bh_reply *reply)
{
	_cleanup_(bh_request_clear) struct bh_request req = {.call.caller = caller};

	req.json = parse(line, bytes, reply, &req.call.verb, &req.call.args);
	if (!req.json)
		return false;
	req.verb = verb_find(verbs, req.call.verb, strlen(req.call.verb));
	if (!req.verb) {
		unknown_verb(reply, verbs, req.call.verb);
		return false;
	}
	if (bytes > (req.verb->max_bytes ? req.verb->max_bytes : BH_PROTO_MAX_REQUEST)) {
		(void)bh_reply_fail(reply, BH_EXIT_USAGE, NULL,
				    "verb '%s': the request is too long", req.verb->name);
		return false;
	}
	if (check_args(req.verb, req.call.args, reply) < 0 ||
	    check_caller(req.verb, caller, reply) < 0)
		return false;
	*ret = req;
	req.json = NULL;
	return true;
}

bool bh_request_is_aside(const struct bh_request *req)
{
	return req->verb->aside && !req->verb->changes && req->verb->aside(&req->call);
}

void bh_request_answer(struct bh_agent *a, const struct bh_request *req, struct bh_reply *reply)
{
	finish(reply, req->verb, req->verb->run(a, &req->call, reply));
}

void bh_request_record(struct bh_agent *a, const struct bh_request *req, struct bh_reply *reply)
{
	bh_record_verb(a, req->verb, req->call.args, req->call.caller, reply);
}

void bh_request_run(struct bh_agent *a, const struct bh_verb_table *verbs, const char *line,
		    size_t bytes, const struct bh_caller *caller, struct bh_reply *reply)
{
	_cleanup_(bh_request_clear) struct bh_request req = {0};

	if (!bh_request_read(verbs, line, bytes, caller, &req, reply))
		return;
	bh_request_answer(a, &req, reply);
	bh_request_record(a, &req, reply);
}

char *bh_reply_line(const struct bh_reply *reply)
{
	json_auto_t *all = json_pack("{s:b s:i s:O*}", "ok", reply->code == BH_EXIT_OK, "code",
				     reply->code, "data", reply->data);
	_cleanup_free_ char *text = NULL;
	char *line;

	if (!all || (!reply->data && json_object_set_new(all, "data", json_object()) < 0))
		return NULL;
	if (reply->diags.n && json_object_set_new(all, "diags", bh_json_diags(&reply->diags)) < 0)
		return NULL;
	text = json_dumps(all, JSON_COMPACT);
	if (!text || asprintf(&line, "%s\n", text) < 0)
		return NULL;
	return line;
}
