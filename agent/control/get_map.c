/* SPDX-License-Identifier: Apache-2.0 */
/*
 * get_map.c - what the live map says, with what came of it here: segments, rules and their
 * counters, identities. See get.h.
 */
#include <errno.h>
#include <string.h>
#include "../policy/diff_internal.h"
#include "get.h"

/* --- words of the map ------------------------------------------------------------------------- */

static const struct bh_field *field(const struct bh_object *o, const char *name)
{
	for (size_t i = 0; i < o->n_fields; i++)
		if (!strcmp(o->field[i].name, name))
			return &o->field[i];
	return NULL;
}

static json_t *words(const struct bh_object *o, const char *name)
{
	const struct bh_field *f = field(o, name);
	json_auto_t *list = json_array();

	for (size_t i = 0; f && i < f->n; i++)
		if (json_array_append_new(list, bh_json_text(f->word[i])) < 0)
			return NULL;
	return TAKE_PTR(list);
}

/* --- segments --------------------------------------------------------------------------------- */

struct tally {
	__u64 root;
	__u32 side;
	size_t *cgroups; /* by identity */
	size_t n;
};

static int on_cgroup(void *ctx, __u64 cgid, const struct bh_cgroup *cg)
{
	struct tally *t = ctx;
	__u32 seg = bh_get_segment_of(cg->side[t->side].seg, cgid == t->root);

	if (seg < t->n)
		t->cgroups[seg]++;
	return 0;
}

static json_t *labels(const struct bh_segment *s)
{
	json_auto_t *o = json_object();

	for (size_t i = 0; i < s->n_label; i++)
		if (json_object_set_new(o, s->label[i].key, bh_json_text(s->label[i].value)) < 0)
			return NULL;
	return TAKE_PTR(o);
}

static const char *allow_word(bool allow)
{
	return allow ? "allow" : "deny";
}

static json_t *segment_json(const struct bh_agent *a, size_t i, const struct tally *t)
{
	const struct bh_segment *s = &a->live.map->segment[i];
	__u32 identity = a->live.compiled->identity[i];
	__u32 flags =
		identity < a->live.compiled->n_segs ? a->live.compiled->segs[identity].flags : 0;
	struct bh_object o;
	json_t *row = NULL;

	if (bh_segment_fields(a->live.map, s, &o) == 0)
		row = json_pack("{s:s s:I s:s s:{s:s s:s} s:o s:I s:o s:o s:o}", "name", s->name,
				"identity", (json_int_t)identity, "mode",
				flags & BH_SEG_OBSERVE ? "observe" : "enforce", "default",
				"ingress", allow_word(flags & BH_SEG_INGRESS_ALLOW), "egress",
				allow_word(flags & BH_SEG_EGRESS_ALLOW), "match",
				words(&o, "match"), "cgroups",
				(json_int_t)(identity < t->n ? t->cgroups[identity] : 0), "labels",
				labels(s), "data", bh_json_text(s->data), "description",
				bh_json_text(s->description));
	bh_object_clear(&o);
	return row;
}

int bh_get_segments(struct bh_agent *a, _unused_ bool all, json_t *list)
{
	const struct bh_compiled *c = a->live.compiled;
	_cleanup_free_ size_t *cgroups = calloc((c ? c->n_segs : 0) + 1, sizeof(*cgroups));
	struct tally t = {.side = BH_SIDE(bh_kern_generation(a->kern)),
			  .cgroups = cgroups,
			  .n = c ? c->n_segs : 0};
	int r = cgroups ? bh_cgroup_id(a->opts.cgroup_root, &t.root) : -ENOMEM;

	if (r == 0)
		r = bh_kern_each_cgroup(a->kern, on_cgroup, &t);

	for (size_t i = 0; c && r == 0 && i < c->n_identity; i++)
		r = json_array_append_new(list, segment_json(a, i, &t)) < 0 ? -ENOMEM : 0;
	return r;
}

/* --- rules ------------------------------------------------------------------------------------ */

static const char *const kinds[] = {
	[BH_RULE_ALLOW] = "allow",
	[BH_RULE_DENY] = "deny",
	[BH_RULE_FAILSAFE] = "failsafe",
};

/* What rules and defaults have in common. */
static json_t *counts_json(struct bh_agent *a, const struct bh_rule_info *info)
{
	struct bh_count n = {0};
	int r = bh_kern_rule_hits(a->kern, info->number, &n);

	if (r < 0)
		return NULL;
	return json_pack("{s:s s:I s:I s:I s:o s:o}", "id", info->id, "number",
			 (json_int_t)info->number, "line", (json_int_t)info->line, "entries",
			 (json_int_t)info->n_entries, "packets", bh_json_u64(n.packets), "bytes",
			 bh_json_u64(n.bytes));
}

static json_t *rule_json(struct bh_agent *a, const struct bh_rule_info *info)
{
	const struct bh_rule_src *rule = &a->live.map->rule[info->source];
	json_auto_t *row = counts_json(a, info), *more = NULL;
	struct bh_object o;

	if (bh_rule_fields(a->live.map, rule, &o) == 0)
		more = json_pack("{s:s s:o s:o s:o s:o s:o s:o s:o s:o s:o}", "kind",
				 kinds[rule->kind], "from", words(&o, "from"), "to",
				 words(&o, "to"), "port", words(&o, "port"), "mode",
				 bh_json_text(rule->mode == BH_MODE_OBSERVE ? "observe" : NULL),
				 "require", words(&o, "require"), "jit", words(&o, "jit"), "until",
				 words(&o, "until"), "owner", bh_json_text(rule->owner),
				 "description", bh_json_text(rule->description));
	bh_object_clear(&o);
	if (!row || !more || json_object_update(row, more) < 0)
		return NULL;
	return TAKE_PTR(row);
}

/* "default/web/ingress" is about any -> web. */
static json_t *default_json(struct bh_agent *a, const struct bh_rule_info *info)
{
	json_auto_t *row = counts_json(a, info), *more = NULL;
	const char *name = strchr(info->id, '/'), *dir = strrchr(info->id, '/');
	_cleanup_free_ char *segment = NULL;
	bool in;

	if (!row || !name || dir == name)
		return NULL;
	in = !strcmp(dir, "/ingress");
	segment = strndup(name + 1, (size_t)(dir - name - 1));
	if (segment)
		more = json_pack("{s:s s:[s] s:[s] s:[s]}", "kind", "default", "from",
				 in ? "any" : segment, "to", in ? segment : "any", "port", "any");
	if (!more || json_object_update(row, more) < 0)
		return NULL;
	return TAKE_PTR(row);
}

/* In the order of the file; defaults behind. */
static int info_cmp(const void *a, const void *b)
{
	const struct bh_rule_info *x = *(const struct bh_rule_info *const *)a;
	const struct bh_rule_info *y = *(const struct bh_rule_info *const *)b;
	unsigned int i = (unsigned int)x->source, j = (unsigned int)y->source;

	if (i != j)
		return i < j ? -1 : 1;
	return strcmp(x->id, y->id);
}

int bh_get_rules(struct bh_agent *a, _unused_ bool all, json_t *list)
{
	const struct bh_compiled *c = a->live.compiled;
	_cleanup_free_ const struct bh_rule_info **order = NULL;

	if (!c || !c->n_info)
		return 0;
	order = calloc(c->n_info, sizeof(*order));
	if (!order)
		return -ENOMEM;
	for (size_t i = 0; i < c->n_info; i++)
		order[i] = &c->info[i];
	qsort(order, c->n_info, sizeof(*order), info_cmp);
	for (size_t i = 0; i < c->n_info; i++) {
		json_t *row =
			order[i]->source >= 0 ? rule_json(a, order[i]) : default_json(a, order[i]);

		if (json_array_append_new(list, row) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* --- identities ------------------------------------------------------------------------------- */

/* Also those of maps before: flows of yesterday name them. */
int bh_get_identities(struct bh_agent *a, _unused_ bool all, json_t *list)
{
	for (__u32 i = BH_ID_WORLD; i <= BH_ID_MAX; i++) {
		const char *name = bh_agent_segment_name(a, i);

		if (name && json_array_append_new(list, json_pack("{s:I s:s}", "identity",
								  (json_int_t)i, "name", name)) < 0)
			return -ENOMEM;
	}
	return 0;
}
