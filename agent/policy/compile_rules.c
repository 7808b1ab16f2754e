/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compile_rules.c - rules to cells of the policy table. A rule opens both halves: egress at
 * `from` and ingress at `to`. What it needs is counted before anything is made, so a map that
 * is too big costs no memory.
 */
#include <netinet/in.h>
#include "compile_internal.h"

/*
 * Rules may meet on one key, so a map may need a little less than the sum. Beyond this many
 * times the limit nobody looks.
 */
#define COUNT_SLACK 2

/* One rule, its names resolved to what stands in keys. */
struct sides {
	struct bh_u32s local[2];  /* by enum bh_dir: who is judged */
	struct bh_u32s remote[2]; /* the other end's classes */
	struct bh_port_prefixes ports;
};

static void sides_clear(struct sides *s)
{
	for (int dir = BH_IN; dir <= BH_OUT; dir++) {
		bh_u32s_free(&s->local[dir]);
		bh_u32s_free(&s->remote[dir]);
	}
	bh_port_prefixes_free(&s->ports);
}

/* --- who and what -------------------------------------------------------------------------------- */

static int locals_of(const struct bh_compiler *c, const struct bh_sel *sel, struct bh_u32s *ret)
{
	int r = 0;

	if (sel->any)
		return bh_u32s_add(ret, BH_ID_ANY);
	for (size_t i = 0; r == 0 && i < sel->n_seg; i++)
		r = bh_u32s_add(ret, c->out->identity[sel->seg[i]]);
	bh_u32s_sort(ret);
	return r;
}

/*
 * A deny that names a segment also holds for what lies inside its prefixes; an allow only for
 * addresses that have the segment.
 */
static int remotes_of(const struct bh_compiler *c, const struct bh_sel *sel, bool deny,
		      struct bh_u32s *ret)
{
	int r = 0;

	if (sel->any)
		return bh_u32s_add(ret, BH_ID_ANY);
	for (size_t i = 0; r == 0 && i < sel->n_seg; i++)
		r = bh_classes_of(c, c->out->identity[sel->seg[i]], deny, ret);
	bh_u32s_sort(ret);
	return r;
}

static int failsafe_sides(const struct bh_compiler *c, const struct bh_rule_src *rule,
			  struct sides *s)
{
	bool in = rule->from.n_cidr > 0;
	const struct bh_sel *sel = in ? &rule->from : &rule->to;
	enum bh_dir dir = in ? BH_IN : BH_OUT;
	int r = bh_u32s_add(&s->local[dir], BH_ID_ANY);

	for (size_t i = 0; r == 0 && i < sel->n_cidr; i++)
		r = bh_classes_in_cidr(c, &sel->cidr[i], &s->remote[dir]);
	bh_u32s_sort(&s->remote[dir]);
	return r;
}

static int sides_of(const struct bh_compiler *c, const struct bh_rule_src *rule, struct sides *s)
{
	bool deny = rule->kind == BH_RULE_DENY;
	int r;

	if (rule->kind == BH_RULE_FAILSAFE) {
		r = failsafe_sides(c, rule, s);
	} else {
		r = locals_of(c, &rule->from, &s->local[BH_OUT]);
		if (r == 0)
			r = remotes_of(c, &rule->to, deny, &s->remote[BH_OUT]);
		if (r == 0)
			r = locals_of(c, &rule->to, &s->local[BH_IN]);
		if (r == 0)
			r = remotes_of(c, &rule->from, deny, &s->remote[BH_IN]);
	}
	return r < 0 ? r : bh_ports_split(&rule->port, &s->ports);
}

static __u64 sides_count(const struct sides *s)
{
	__u64 ends = (__u64)s->local[BH_IN].n * s->remote[BH_IN].n +
		     (__u64)s->local[BH_OUT].n * s->remote[BH_OUT].n;
	__u64 n;

	return __builtin_mul_overflow(ends, (__u64)s->ports.n, &n) ? UINT64_MAX : n;
}

/* --- counting ------------------------------------------------------------------------------------ */

static struct bh_rule_info *info_of(struct bh_compiler *c, size_t source)
{
	return (struct bh_rule_info *)bh_compiled_rule(c->out, c->rule_number[source]);
}

/* Return: 0 with the number of cells, -E2BIG, -ENOMEM. */
static int count(struct bh_compiler *c, __u64 *ret, struct bh_most *most)
{
	__u64 room = c->limits->policy;

	*ret = 0;
	*most = (struct bh_most){.word = "rule"};
	for (size_t i = 0; i < c->map->n_rule; i++) {
		const struct bh_rule_src *rule = &c->map->rule[i];
		_cleanup_(sides_clear) struct sides s = {0};
		int r = sides_of(c, rule, &s);
		__u64 n = sides_count(&s);

		if (r < 0)
			return r;
		if (__builtin_add_overflow(*ret, n, ret))
			*ret = UINT64_MAX;
		info_of(c, i)->n_entries = n;
		bh_most_note(most, &(struct bh_most){"rule", rule->id, rule->pos, n});
	}
	if (*ret / COUNT_SLACK <= room)
		return 0;
	(void)bh_limit_check(c, "policy entries", *ret, room, most);
	return -E2BIG;
}

/* --- making -------------------------------------------------------------------------------------- */

static void add_half(struct bh_cell *cell, size_t *n, const struct sides *s, int dir,
		     const struct bh_ranked *ranked, enum bh_kind kind)
{
	for (size_t i = 0; i < s->local[dir].n; i++)
		for (size_t j = 0; j < s->remote[dir].n; j++)
			for (size_t k = 0; k < s->ports.n; k++)
				cell[(*n)++] = (struct bh_cell){
					.key = {.local = s->local[dir].v[i],
						.remote = s->remote[dir].v[j],
						.port = s->ports.v[k].port,
						.plen = s->ports.v[k].plen,
						.proto = s->ports.v[k].proto,
						.dir = (__u8)dir,
						.kind = (__u8)kind},
					.rank = ranked->rank,
				};
}

static int make(struct bh_compiler *c, const struct bh_ranked *by_rank, struct bh_cell *cell,
		size_t *ret_n)
{
	size_t n = 0;

	for (size_t i = 0; i < c->map->n_rule; i++) {
		_cleanup_(sides_clear) struct sides s = {0};
		enum bh_kind kind = info_of(c, by_rank[i].source)->kind;
		int r = sides_of(c, &c->map->rule[by_rank[i].source], &s);

		if (r < 0)
			return r;
		add_half(cell, &n, &s, BH_IN, &by_rank[i], kind);
		add_half(cell, &n, &s, BH_OUT, &by_rank[i], kind);
	}
	*ret_n = n;
	return 0;
}

/* --- who decides first ------------------------------------------------------------------------------ */

/*
 * Rules of one kind that meet on a key: what is enforced before what is only reported, what
 * always holds before what may end, the latest end first. The number makes it one order.
 */
static int ranked_cmp(const void *a, const void *b)
{
	const struct bh_ranked *x = a, *y = b;

	if (x->observe != y->observe)
		return x->observe ? 1 : -1;
	if (x->conditional != y->conditional)
		return x->conditional ? 1 : -1;
	if (!x->flags != !y->flags)
		return x->flags ? 1 : -1;
	if (x->until_ns != y->until_ns)
		return x->until_ns > y->until_ns ? -1 : 1;
	return (x->val.rule > y->val.rule) - (x->val.rule < y->val.rule);
}

static struct bh_ranked ranked_of(const struct bh_compiler *c, size_t source)
{
	const struct bh_rule_src *rule = &c->map->rule[source];
	__u32 number = c->rule_number[source];
	const struct bh_rule *row = &c->out->rules[number];
	struct bh_ranked ret = {
		.source = source,
		.val = {.rule = number},
		.until_ns = row->until_ns ? row->until_ns : UINT64_MAX,
		.observe = rule->mode == BH_MODE_OBSERVE,
		.flags = row->flags,
	};

	ret.conditional = row->until_ns || row->flags || rule->unit.n;
	if (ret.observe)
		ret.val.flags |= BH_POL_OBSERVE;
	if (row->until_ns || row->flags)
		ret.val.flags |= BH_POL_ROW;
	if (rule->kind == BH_RULE_FAILSAFE)
		ret.val.flags |= BH_POL_WIRE;
	if (rule->unit.n) {
		ret.val.flags |= BH_POL_UNIT;
		ret.val.unit_bit = c->unit_bit[source];
	}
	return ret;
}

static struct bh_ranked *rank_rules(const struct bh_compiler *c)
{
	size_t n = c->map->n_rule;
	struct bh_ranked *by_rank = calloc(n + 1, sizeof(*by_rank));

	if (!by_rank)
		return NULL;
	for (size_t i = 0; i < n; i++)
		by_rank[i] = ranked_of(c, i);
	qsort(by_rank, n, sizeof(*by_rank), ranked_cmp);
	for (size_t i = 0; i < n; i++)
		by_rank[i].rank = (__u32)i;
	return by_rank;
}

int bh_compile_rules(struct bh_compiler *c)
{
	_cleanup_free_ struct bh_ranked *by_rank = NULL;
	_cleanup_free_ struct bh_cell *cell = NULL;
	struct bh_most most;
	__u64 n_cells;
	size_t n;
	int r = count(c, &n_cells, &most);

	if (r < 0)
		return r;
	by_rank = rank_rules(c);
	cell = calloc(n_cells + 1, sizeof(*cell));
	if (!by_rank || !cell)
		return -ENOMEM;
	r = make(c, by_rank, cell, &n);
	if (r == 0)
		r = bh_compile_policy(c, cell, n, by_rank);
	if (r == 0)
		(void)bh_limit_check(c, "policy entries", c->out->policy.n, c->limits->policy,
				     &most);
	return r;
}
