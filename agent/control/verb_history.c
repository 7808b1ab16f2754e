/* SPDX-License-Identifier: Apache-2.0 */
/* verb_history.c - the generations that were enforced here, newest first. */
#include <errno.h>
#include "past.h"

/* Damaged ones have no row, but are not passed over in silence. */
static void warn_damaged(const struct bh_record *r, size_t n, struct bh_reply *reply)
{
	size_t damaged = 0, lost = 0;

	for (size_t i = 0; i < n; i++) {
		damaged += r[i].damaged;
		lost += !r[i].damaged && r[i].lost;
	}
	if (damaged)
		(void)bh_diag_add(&reply->diags, BH_WARNING, NULL,
				  "the agent's log says which, from its start on",
				  "damaged records, which are not shown: %zu", damaged);
	if (lost)
		(void)bh_diag_add(&reply->diags, BH_WARNING, NULL,
				  "they can't be gone back to; applying the text again mends it",
				  "generations whose text is missing or damaged: %zu", lost);
}

static int run(struct bh_agent *a, const struct bh_call *call, struct bh_reply *reply)
{
	json_auto_t *rows = json_array();
	json_int_t limit = 0;
	size_t n;
	const struct bh_record *r = bh_history_list(a->history, &n);
	int err = bh_arg_int(call, "limit", 1, INT32_MAX, reply, &limit);

	if (err < 0)
		return err;
	warn_damaged(r, n, reply);
	for (size_t i = n; i-- > 0;) {
		if (r[i].damaged)
			continue;
		if (limit && json_array_size(rows) == (size_t)limit)
			break;
		if (json_array_append_new(rows, bh_past_row(a, &r[i])) < 0)
			return -ENOMEM;
	}
	reply->data = json_pack("{s:O}", "rows", rows);
	return reply->data ? 0 : -ENOMEM;
}

static const char *const args[] = {"limit", NULL};

const struct bh_verb bh_verb_history = {
	.name = "history", .args = args, .run = run, .aside = bh_aside_always};
