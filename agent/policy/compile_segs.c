/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compile_segs.c - segments and their defaults: numbers, flags, and the table of rules by
 * number.
 */
#include "compile_internal.h"

/* --- numbers --------------------------------------------------------------------------------- */

static int number_error(struct bh_compiler *c, int r, struct bh_pos pos, const char *name)
{
	struct bh_where where = bh_map_where(c->map, pos);

	if (r == -ENOSPC) {
		(void)bh_diag_add(
			c->d, BH_ERROR, &where,
			"raise the limit of rules in the agent's configuration, or write "
			"fewer rules and segments: each segment needs two for its defaults",
			"there is no number left for '%s'", name);
		return -E2BIG;
	}
	if (r == -EINVAL)
		return bh_diag_add(c->d, BH_ERROR, &where, "use letters, digits, '-', '_' and '.'",
				   "'%s' can't be a name", name);
	return r;
}

/* Notes one rule or default. @kind: BH_KIND_MAX for a default. */
static int info_add(struct bh_compiler *c, const char *id, int source, enum bh_kind kind,
		    __u32 *ret)
{
	struct bh_pos pos = source < 0 ? (struct bh_pos){0} : c->map->rule[source].pos;
	struct bh_rule_info *info = &c->out->info[c->out->n_info];
	int r = bh_numbers_rule(c->numbers, id, ret);

	if (r < 0)
		return number_error(c, r, pos, id);
	*info = (struct bh_rule_info){
		.number = *ret,
		.id = strdup(id),
		.line = pos.line,
		.source = source,
		.kind = kind,
	};
	if (!info->id)
		return -ENOMEM;
	c->out->n_info++;
	return 0;
}

static enum bh_kind kind_of(const struct bh_rule_src *rule)
{
	return rule->kind == BH_RULE_FAILSAFE ? BH_KIND_FAILSAFE
	       : rule->kind == BH_RULE_DENY   ? BH_KIND_DENY
					      : BH_KIND_ALLOW;
}

static int by_name(const void *a, const void *b, void *map)
{
	const struct bh_segment *segment = ((const struct bh_map *)map)->segment;

	return strcmp(segment[*(const size_t *)a].name, segment[*(const size_t *)b].name);
}

static int by_id(const void *a, const void *b, void *map)
{
	const struct bh_rule_src *rule = ((const struct bh_map *)map)->rule;

	return strcmp(rule[*(const size_t *)a].id, rule[*(const size_t *)b].id);
}

/* Indexes 0.. in the order of @cmp: new numbers must not hang on the order in the file. */
static size_t *sorted(const struct bh_map *map, size_t n,
		      int (*cmp)(const void *, const void *, void *))
{
	size_t *order = calloc(n + 1, sizeof(*order));

	for (size_t i = 0; order && i < n; i++)
		order[i] = i;
	if (order)
		qsort_r(order, n, sizeof(*order), cmp, (void *)map);
	return order;
}

static int number_segments(struct bh_compiler *c)
{
	const struct bh_map *map = c->map;
	_cleanup_free_ size_t *order = sorted(map, map->n_segment, by_name);

	c->out->identity = calloc(map->n_segment + 1, sizeof(*c->out->identity));
	if (!order || !c->out->identity)
		return -ENOMEM;
	c->out->n_identity = map->n_segment;
	for (size_t i = 0; i < map->n_segment; i++) {
		const struct bh_segment *s = &map->segment[order[i]];
		int r = bh_numbers_segment(c->numbers, s->name, &c->out->identity[order[i]]);

		if (r < 0)
			return number_error(c, r, s->pos, s->name);
		c->out->n_segs = MAX(c->out->n_segs, (size_t)c->out->identity[order[i]] + 1);
	}
	c->out->segs = calloc(c->out->n_segs, sizeof(*c->out->segs));
	return c->out->segs ? 0 : -ENOMEM;
}

static int number_rules(struct bh_compiler *c)
{
	const struct bh_map *map = c->map;
	_cleanup_free_ size_t *order = sorted(map, map->n_rule, by_id);

	c->rule_number = calloc(map->n_rule + 1, sizeof(*c->rule_number));
	if (!order || !c->rule_number)
		return -ENOMEM;
	for (size_t i = 0; i < map->n_rule; i++) {
		const struct bh_rule_src *rule = &map->rule[order[i]];
		int r = info_add(c, rule->id, (int)order[i], kind_of(rule),
				 &c->rule_number[order[i]]);

		if (r < 0)
			return r;
	}
	return 0;
}

static int number_defaults(struct bh_compiler *c)
{
	static const char *const word[] = {[BH_IN] = "ingress", [BH_OUT] = "egress"};
	const struct bh_map *map = c->map;
	_cleanup_free_ size_t *order = sorted(map, map->n_segment, by_name);

	if (!order)
		return -ENOMEM;
	for (size_t i = 0; i < 2 * map->n_segment; i++) {
		const struct bh_segment *s = &map->segment[order[i / 2]];
		struct bh_seg *seg = &c->out->segs[c->out->identity[order[i / 2]]];
		_cleanup_free_ char *id = NULL;
		int dir = i % 2 ? BH_OUT : BH_IN, r;

		if (asprintf(&id, "default/%s/%s", s->name, word[dir]) < 0) {
			id = NULL;
			return -ENOMEM;
		}
		r = info_add(c, id, -1, BH_KIND_MAX, &seg->default_rule[dir]);
		if (r < 0)
			return r;
	}
	return 0;
}

static int info_cmp(const void *a, const void *b)
{
	const struct bh_rule_info *x = a, *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

static __u64 boot_ns_of(struct bh_instant now, __s64 wall_s)
{
	const __u64 s_ns = 1000000000;
	__u64 away_s;

	if (wall_s <= now.wall_s)
		return 1; /* ended; 0 would be for ever */
	away_s = (__u64)wall_s - (__u64)now.wall_s;
	if (away_s >= (UINT64_MAX - now.boot_ns) / s_ns)
		return UINT64_MAX;
	return now.boot_ns + away_s * s_ns;
}

static int fill_rules(struct bh_compiler *c)
{
	struct bh_compiled *out = c->out;

	qsort(out->info, out->n_info, sizeof(*out->info), info_cmp);
	out->n_rules = out->info[out->n_info - 1].number + 1;
	out->rules = calloc(out->n_rules, sizeof(*out->rules));
	if (!out->rules)
		return -ENOMEM;
	for (size_t i = 0; i < c->map->n_rule; i++) {
		const struct bh_rule_src *src = &c->map->rule[i];
		struct bh_rule *rule = &out->rules[c->rule_number[i]];

		if (src->until_s)
			rule->until_ns = boot_ns_of(c->now, src->until_s);
		if (src->jit)
			rule->flags |= BH_RULE_JIT;
		if (src->require_posture)
			rule->flags |= BH_RULE_POSTURE;
		out->needs_jit |= src->jit;
		out->needs_posture |= src->require_posture;
	}
	return 0;
}

int bh_compile_numbers(struct bh_compiler *c)
{
	size_t n = c->map->n_rule + 2 * c->map->n_segment;
	struct bh_most most = {.word = "rules of `allow`, `deny` and `failsafe`",
			       .n = c->map->n_rule};
	int r;

	bh_numbers_begin(c->numbers, c->limits->rules);
	if (2 * c->map->n_segment > c->map->n_rule)
		most = (struct bh_most){.word = "the two defaults of each segment",
					.n = 2 * c->map->n_segment};
	/* number 0 is nobody's */
	if (!bh_limit_check(c, "rule numbers", n + 1, c->limits->rules, &most))
		return -E2BIG;
	c->out->info = calloc(n + 1, sizeof(*c->out->info));
	if (!c->out->info)
		return -ENOMEM;
	r = number_segments(c);
	if (r == 0)
		r = number_rules(c);
	if (r == 0)
		r = number_defaults(c);
	return r == 0 ? fill_rules(c) : r;
}

/* --- segments ---------------------------------------------------------------------------------- */

static bool default_allows(const struct bh_map *map, size_t i, enum bh_dir dir)
{
	enum bh_tri def = map->segment[i].def[dir];

	if (def == BH_UNSET && i == BH_SEG_HOST && dir == BH_OUT)
		return true;
	if (def == BH_UNSET)
		def = map->def[dir];
	return def == BH_ALLOW;
}

int bh_compile_segs(struct bh_compiler *c)
{
	const struct bh_map *map = c->map;

	for (size_t i = 0; i < map->n_segment; i++) {
		const struct bh_segment *s = &map->segment[i];
		enum bh_mode mode = s->mode == BH_MODE_INHERIT ? map->mode : s->mode;
		__u32 flags = BH_SEG_VALID;

		if (mode == BH_MODE_OBSERVE)
			flags |= BH_SEG_OBSERVE;
		if (default_allows(map, i, BH_IN))
			flags |= BH_SEG_INGRESS_ALLOW;
		if (default_allows(map, i, BH_OUT))
			flags |= BH_SEG_EGRESS_ALLOW;
		flags |= s->raw ? BH_SEG_RAW : 0;
		flags |= s->dhcp ? BH_SEG_DHCP : 0;
		flags |= s->admin ? BH_SEG_ADMIN : 0;
		c->out->segs[c->out->identity[i]].flags = flags;
	}
	return 0;
}
