/* SPDX-License-Identifier: Apache-2.0 */
/* verb_get.c - lists of what the agent and the kernel side know, and the text of a map. */
#include <errno.h>
#include <string.h>
#include "get.h"
#include "history.h"

static const struct list {
	const char *name;
	int (*fill)(struct bh_agent *a, bool all, json_t *list);
} lists[] = {
	{"segments", bh_get_segments},	     {"rules", bh_get_rules},
	{"identities", bh_get_identities},   {"workloads", bh_get_workloads},
	{"listeners", bh_get_listeners},     {"reasons", bh_get_reasons},
	{"quarantines", bh_get_quarantines}, {"grants", bh_get_grants},
};

static int unknown(struct bh_reply *reply, const char *what)
{
	const char *names[ARRAY_SIZE(lists) + 1] = {"map"}, *near;
	char help[120] =
		"segments, rules, identities, workloads, listeners, reasons, quarantines, grants "
		"or map";

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		names[i + 1] = lists[i].name;
	near = bh_nearest(what, names, ARRAY_SIZE(names));
	if (near)
		snprintf(help, sizeof(help), "did you mean '%s'?", near);
	return bh_reply_fail(reply, BH_EXIT_USAGE, help, "there is no list '%.40s'", what);
}

static int run(struct bh_agent *a, const struct bh_call *call, struct bh_reply *reply)
{
	json_auto_t *rows = json_array();
	const char *what = NULL;
	json_int_t gen = 0;
	bool all = false;
	int r = bh_arg_need(call, "what", reply, &what);

	if (r == 0)
		r = bh_arg_bool(call, "all", reply, &all);
	if (r == 0)
		r = bh_arg_int(call, "generation", 1, (json_int_t)BH_HISTORY_MAX_GEN, reply, &gen);
	if (r < 0)
		return r;
	if (!strcmp(what, "map"))
		return bh_get_text(a, (__u64)gen, reply);
	if (gen)
		return bh_reply_fail(reply, BH_EXIT_USAGE, "only `map` takes a generation",
				     "the list '%.40s' is of what is live", what);
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		if (strcmp(lists[i].name, what) != 0)
			continue;
		r = lists[i].fill(a, all, rows);
		if (r == 0)
			reply->data = json_pack("{s:O}", lists[i].name, rows);
		return r ? r : reply->data ? 0 : -ENOMEM;
	}
	return unknown(reply, what);
}

static const char *const args[] = {"what", "all", "generation", NULL};

const struct bh_verb bh_verb_get = {
	.name = "get", .run = run, .args = args, .aside = bh_aside_always};
