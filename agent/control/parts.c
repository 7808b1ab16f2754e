/* SPDX-License-Identifier: Apache-2.0 */
/* parts.c - see parts.h. */
#include "parts.h"

json_t *bh_json_features(const struct bh_agent *a)
{
	json_auto_t *list = json_array();
	const struct bh_feature *f;
	size_t n = bh_kern_features(a->kern, &f);

	for (size_t i = 0; i < n; i++)
		if (json_array_append_new(list,
					  json_pack("{s:s s:b s:s}", "name", f[i].name, "works",
						    f[i].works, "effect", f[i].effect)) < 0)
			return NULL;
	return TAKE_PTR(list);
}

json_t *bh_json_changes(const struct bh_changes *c)
{
	static const char *const what[] = {[BH_CHANGE_ADDED] = "added",
					   [BH_CHANGE_REMOVED] = "removed",
					   [BH_CHANGE_CHANGED] = "changed"};
	json_auto_t *list = json_array();

	for (size_t i = 0; i < c->n; i++)
		if (json_array_append_new(list,
					  json_pack("{s:s s:o s:o}", "what", what[c->v[i].what],
						    "object", bh_json_text(c->v[i].object),
						    "detail", bh_json_text(c->v[i].detail))) < 0)
			return NULL;
	return TAKE_PTR(list);
}

json_t *bh_json_entries(const struct bh_compiled *c)
{
	return json_pack("{s:I s:I s:I s:I s:I s:I s:I}", "policy", (json_int_t)c->policy.n,
			 "addrs", (json_int_t)c->addrs.n, "prefixes", (json_int_t)c->prefixes.n,
			 "rules", (json_int_t)c->n_info, "names", (json_int_t)c->names.n, "globs",
			 (json_int_t)c->globs.n, "users", (json_int_t)c->users.n);
}

json_t *bh_json_trial(const struct bh_agent *a)
{
	uint64_t now = a->clock->boot_ns();
	struct bh_trial t;

	if (!bh_kern_trial(a->kern, &t) || t.fell)
		return json_null();
	return json_pack("{s:I s:I s:i s:o s:I}", "generation", (json_int_t)t.generation, "back",
			 (json_int_t)t.back, "broken", (int)a->trial_broken, "ends_at",
			 bh_json_boot_time(a, t.deadline_ns), "ends_in_s",
			 (json_int_t)((MAX(t.deadline_ns, now) - now) / 1000000000ull));
}

const char *bh_mode_cap(const struct bh_agent *a)
{
	return bh_agent_is_capped(a) ? "observe" : "none";
}

int bh_reply_changes(struct bh_reply *reply, const struct bh_map *old, const struct bh_map *new,
		     size_t *ret_n)
{
	struct bh_changes changes = {0};
	int r = bh_map_diff(old, new, &changes);

	if (r < 0)
		return r;
	if (!reply->data)
		reply->data = json_object();
	if (json_object_set_new(reply->data, "changes", bh_json_changes(&changes)) < 0)
		r = -ENOMEM;
	*ret_n = changes.n;
	bh_changes_clear(&changes);
	return r;
}
