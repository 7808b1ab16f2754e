/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request.h - one line of a client to one answer: parse, find the verb, may he, are the
 * arguments known, run, audit. Called by server.c.
 */
#ifndef BH_REQUEST_H
#define BH_REQUEST_H

#include "control.h"

/* The verbs to choose from. */
struct bh_verb_table {
	const struct bh_verb *const *v;
	size_t n;
};

/**
 * bh_request_run - do what @line asks for
 * @line:   without its newline; any bytes
 * @caller: NULL: he is gone, or it can't be told who he is
 * @reply:  zeroed; filled in. Free with bh_reply_clear()
 */
void bh_request_run(struct bh_agent *a, const struct bh_verb_table *verbs, const char *line,
		    size_t bytes, const struct bh_caller *caller, struct bh_reply *reply);

/* A request that may be run. */
struct bh_request {
	json_t *json;
	const struct bh_verb *verb;
	struct bh_call call; /* its arguments are in @json */
};

void bh_request_clear(struct bh_request *req);

/* bh_request_run() in its steps. Return: true; false: @reply says why not. */
bool bh_request_read(const struct bh_verb_table *verbs, const char *line, size_t bytes,
		     const struct bh_caller *caller, struct bh_request *ret,
		     struct bh_reply *reply);
/* It changes nothing and may take long: not here, see aside.h. */
bool bh_request_is_aside(const struct bh_request *req);
void bh_request_answer(struct bh_agent *a, const struct bh_request *req, struct bh_reply *reply);
void bh_request_record(struct bh_agent *a, const struct bh_request *req, struct bh_reply *reply);

/**
 * bh_request_room - how long may the request become that begins with @text
 *
 * BH_PROTO_MAX_REQUEST, unless its first key is "verb" and that verb takes more.
 */
size_t bh_request_room(const struct bh_verb_table *verbs, const char *text, size_t bytes);

/* The line for a reply, with its newline; malloced. NULL: no memory. */
char *bh_reply_line(const struct bh_reply *reply);

#endif
