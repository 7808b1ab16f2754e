/* SPDX-License-Identifier: Apache-2.0 */
/* reply.c - helpers for verbs: arguments in, findings out. The shapes of values: json.c. */
#include <errno.h>
#include <string.h>
#include "control.h"

void bh_reply_clear(struct bh_reply *reply)
{
	json_decref(reply->data);
	bh_diags_clear(&reply->diags);
	free(reply->follow_ctx);
	*reply = (struct bh_reply){0};
}

int bh_reply_fail(struct bh_reply *reply, int code, const char *help, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	(void)bh_diag_add(&reply->diags, BH_ERROR, NULL, help, "%s", text ? text : fmt);
	reply->code = code;
	return 0;
}

bool bh_aside_always(_unused_ const struct bh_call *call)
{
	return true;
}

bool bh_aside_unless_follow(const struct bh_call *call)
{
	return !json_is_true(json_object_get(call->args, "follow"));
}

static int wrong_type(struct bh_reply *reply, const char *name, const char *want)
{
	(void)bh_reply_fail(reply, BH_EXIT_USAGE, NULL, "argument '%s' must be %s", name, want);
	return -EINVAL;
}

int bh_arg_string(const struct bh_call *call, const char *name, struct bh_reply *reply,
		  const char **ret)
{
	const json_t *v = json_object_get(call->args, name);

	if (!v || json_is_null(v))
		return 0;
	if (!json_is_string(v))
		return wrong_type(reply, name, "a string");
	*ret = json_string_value(v);
	return 0;
}

int bh_arg_need(const struct bh_call *call, const char *name, struct bh_reply *reply,
		const char **ret)
{
	const char *v = NULL;
	int r = bh_arg_string(call, name, reply, &v);

	if (r < 0)
		return r;
	if (!v) {
		(void)bh_reply_fail(reply, BH_EXIT_USAGE, NULL, "verb '%s' needs argument '%s'",
				    call->verb, name);
		return -EINVAL;
	}
	*ret = v;
	return 0;
}

int bh_arg_bool(const struct bh_call *call, const char *name, struct bh_reply *reply, bool *ret)
{
	const json_t *v = json_object_get(call->args, name);

	if (!v || json_is_null(v))
		return 0;
	if (!json_is_boolean(v))
		return wrong_type(reply, name, "true or false");
	*ret = json_is_true(v);
	return 0;
}

int bh_arg_int(const struct bh_call *call, const char *name, json_int_t lo, json_int_t hi,
	       struct bh_reply *reply, json_int_t *ret)
{
	const json_t *v = json_object_get(call->args, name);

	if (!v || json_is_null(v))
		return 0;
	if (!json_is_integer(v) || json_integer_value(v) < lo || json_integer_value(v) > hi) {
		char want[80];

		snprintf(want, sizeof(want),
			 "a whole number from %" JSON_INTEGER_FORMAT " to %" JSON_INTEGER_FORMAT,
			 lo, hi);
		return wrong_type(reply, name, want);
	}
	*ret = json_integer_value(v);
	return 0;
}
