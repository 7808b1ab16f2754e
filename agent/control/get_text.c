/* SPDX-License-Identifier: Apache-2.0 */
/* get_text.c - the text of a map as it was applied: `bulkhead get map [GEN]`. See get.h. */
#include <errno.h>
#include "get.h"
#include "past.h"

static int answer(struct bh_reply *reply, json_t *row, const char *text, size_t bytes)
{
	json_auto_t *map = row;

	if (!map || json_object_set_new(map, "text", json_stringn(text, bytes)) < 0)
		return -ENOMEM;
	reply->data = json_pack("{s:O}", "map", map);
	return reply->data ? 0 : -ENOMEM;
}

int bh_get_text(struct bh_agent *a, __u64 gen, struct bh_reply *reply)
{
	__u64 live = bh_past_live(a);
	_cleanup_free_ char *text = NULL;
	const struct bh_record *r;
	size_t bytes;
	int err;

	if (!gen && !live)
		return bh_reply_fail(reply, BH_EXIT_FAILED,
				     "`bulkhead history` lists those of before",
				     "no map is enforced here");
	if ((!gen || gen == live) && live && a->live.map)
		return answer(reply, bh_past_live_row(a), a->live.map->text, a->live.map->text_len);
	r = bh_past_find(a, gen ? gen : live, reply);
	if (!r)
		return 0;
	err = bh_history_text(a->history, r->generation, &reply->diags, &text, &bytes);
	return err ? err : answer(reply, bh_past_row(a, r), text, bytes);
}
