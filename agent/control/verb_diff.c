/* SPDX-License-Identifier: Apache-2.0 */
/* verb_diff.c - what would change if this map were applied. Code 3 if anything would. */
#include <string.h>
#include "parts.h"

static int run(struct bh_agent *a, const struct bh_call *call, struct bh_reply *reply)
{
	_cleanup_(bh_map_freep) struct bh_map *map = NULL;
	const char *file = "map", *text = NULL;
	size_t n;
	int r = bh_arg_string(call, "file", reply, &file);

	if (r == 0)
		r = bh_arg_need(call, "text", reply, &text);
	if (r == 0)
		r = bh_map_parse(file, text, strlen(text), &reply->diags, &map);
	if (r == 0)
		r = bh_reply_changes(reply, a->live.map, map, &n);
	if (r == 0 && n)
		reply->code = BH_EXIT_NO;
	return r;
}

static const char *const args[] = {"file", "text", NULL};

const struct bh_verb bh_verb_diff = {
	.name = "diff",
	.max_bytes = BH_PROTO_MAX_APPLY,
	.args = args,
	.run = run,
	.aside = bh_aside_always,
};
