/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compile_policy.c - cells to the policy table and its shapes. One key holds one value, so
 * where several rules meet on a key, those that can matter get a row each, in the order in
 * which the datapath shall ask them.
 */
#include "compile_internal.h"

struct filling {
	struct bh_compiler *c;
	const struct bh_ranked *by_rank;
	bool shape[2][BH_KIND_MAX][BH_SHAPES_MAX][BH_WILD_PROTO << 1]
		  [17]; /* dir kind row wild plen */
	__u32 row_rule; /* one of those that meet on too many rows */
	bool rows_full;
};

/* --- one key ---------------------------------------------------------------------------------------- */

static int cell_cmp(const void *a, const void *b)
{
	const struct bh_cell *x = a, *y = b;
	int r = memcmp(&x->key, &y->key, sizeof(x->key));

	return r ? r : (x->rank > y->rank) - (x->rank < y->rank);
}

/* Whether @y, which stands behind @x on one key, can never decide anything that @x does not. */
static bool covers(const struct bh_ranked *x, const struct bh_ranked *y)
{
	if (x->observe && !y->observe)
		return false;
	if (!x->conditional)
		return true;
	if (x->val.flags & BH_POL_UNIT || y->val.flags & BH_POL_UNIT)
		return x->val.unit_bit == y->val.unit_bit &&
		       (x->val.flags & BH_POL_UNIT) == (y->val.flags & BH_POL_UNIT);
	/* Grants are to a rule by its name: no rule stands in for another that is just in time. */
	if (x->flags & BH_RULE_JIT || (x->flags & ~y->flags))
		return false;
	return x->until_ns >= y->until_ns;
}

static __u8 wild_of(const struct bh_pol_key *key)
{
	return (key->local == BH_ID_ANY ? BH_WILD_LOCAL : 0) |
	       (key->remote == BH_ID_ANY ? BH_WILD_REMOTE : 0) |
	       (key->proto == 0 ? BH_WILD_PROTO : 0);
}

/* Settles the @n cells of one key. Those that stay are moved to @to. Return: how many. */
static size_t settle(struct filling *f, const struct bh_cell *from, size_t n, struct bh_cell *to)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		const struct bh_ranked *mine = &f->by_rank[from[i].rank];
		struct bh_cell cell = from[i];
		bool covered = false;

		for (size_t j = 0; !covered && j < kept; j++)
			covered = covers(&f->by_rank[to[j].rank], mine);
		if (covered)
			continue;
		if (kept == BH_SHAPES_MAX) {
			f->rows_full = true;
			f->row_rule = mine->val.rule;
			break;
		}
		cell.key.row = (__u8)kept;
		f->shape[cell.key.dir][cell.key.kind][kept][wild_of(&cell.key)][cell.key.plen] =
			true;
		to[kept++] = cell;
	}
	return kept;
}

static size_t settle_all(struct filling *f, struct bh_cell *cell, size_t n)
{
	size_t kept = 0;

	for (size_t at = 0, end; at < n; at = end) {
		for (end = at + 1; end < n; end++)
			if (memcmp(&cell[at].key, &cell[end].key, sizeof(cell->key)))
				break;
		kept += settle(f, cell + at, end - at, cell + kept);
	}
	return kept;
}

/* --- shapes ----------------------------------------------------------------------------------------- */

static int shape_cmp(const void *a, const void *b)
{
	const struct bh_shape *x = a, *y = b;
	int wild_x = __builtin_popcount(x->wild), wild_y = __builtin_popcount(y->wild);

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	if (wild_x != wild_y)
		return wild_x < wild_y ? -1 : 1;
	if (x->plen != y->plen)
		return x->plen > y->plen ? -1 : 1;
	if (x->wild != y->wild)
		return x->wild < y->wild ? -1 : 1;
	return (x->row > y->row) - (x->row < y->row);
}

/* Return: how many there are; only the first BH_SHAPES_MAX are stored. */
static size_t shapes_of(const struct filling *f, int dir, struct bh_shape *ret)
{
	size_t n = 0;

	for (int kind = 0; kind < BH_KIND_MAX; kind++)
		for (int row = 0; row < BH_SHAPES_MAX; row++)
			for (int wild = 0; wild < BH_WILD_PROTO << 1; wild++)
				for (int plen = 0; plen <= 16; plen++) {
					if (!f->shape[dir][kind][row][wild][plen])
						continue;
					if (n < BH_SHAPES_MAX)
						ret[n] = (struct bh_shape){(__u8)kind, (__u8)row,
									   (__u8)wild, (__u8)plen};
					n++;
				}
	qsort(ret, MIN(n, (size_t)BH_SHAPES_MAX), sizeof(*ret), shape_cmp);
	return n;
}

/* The rule whose ranges are cut into most lengths. */
static struct bh_most most_lengths(const struct bh_compiler *c)
{
	struct bh_most most = {.word = "rule"};

	for (size_t i = 0; i < c->map->n_rule; i++) {
		const struct bh_rule_src *rule = &c->map->rule[i];
		_cleanup_prefixes_ struct bh_port_prefixes ports = {0};
		__u32 lengths = 0;

		if (bh_ports_split(&rule->port, &ports) < 0)
			continue;
		for (size_t j = 0; j < ports.n; j++)
			lengths |= 1u << ports.v[j].plen;
		bh_most_note(&most, &(struct bh_most){"rule", rule->id, rule->pos,
						      (__u64)__builtin_popcount(lengths)});
	}
	return most;
}

static int shapes_error(struct bh_compiler *c, size_t n, int dir)
{
	struct bh_most most = most_lengths(c);
	char help[BH_HELP_MAX];

	c->too_big = true;
	bh_report_error(c->map, c->d, most.pos,
			bh_help(help,
				"use ranges that begin and end at round binary numbers (8080-8095, "
				"not 8080-8089), and fewer rules with conditions on one port; rule "
				"'" BH_WORD "' (line %d) alone has %llu lengths",
				most.name ? most.name : "", most.pos.line,
				(unsigned long long)most.n),
			"the map needs %zu combinations of wildcards and port lengths for %s, "
			"there is room for %d",
			n, dir == BH_IN ? "ingress" : "egress", BH_SHAPES_MAX);
	return -E2BIG;
}

static int rows_error(struct bh_compiler *c, __u32 number)
{
	const struct bh_rule_info *info = bh_compiled_rule(c->out, number);
	const struct bh_rule_src *rule = &c->map->rule[info->source];

	c->too_big = true;
	bh_report_error(c->map, c->d, rule->pos,
			"join rules that have the same ends and ports, or give them other ports",
			"rule '" BH_WORD "' and more than %d others with conditions (jit, require, "
			"until) are about the same ends and port",
			rule->id, BH_SHAPES_MAX - 1);
	return -E2BIG;
}

static int shapes_fill(const struct filling *f)
{
	struct bh_side *side = &f->c->out->side;

	for (int dir = BH_IN; dir <= BH_OUT; dir++) {
		size_t n = shapes_of(f, dir, side->shape[dir]);

		if (n > BH_SHAPES_MAX)
			return shapes_error(f->c, n, dir);
		side->n_shapes[dir] = (__u32)n;
	}
	return 0;
}

/* --- the table -------------------------------------------------------------------------------------- */

static int table_fill(struct bh_compiled *out, const struct bh_cell *cell, size_t n,
		      const struct bh_ranked *by_rank)
{
	out->policy.bh_pol_key = calloc(n + 1, sizeof(*out->policy.bh_pol_key));
	out->policy.bh_pol_val = calloc(n + 1, sizeof(*out->policy.bh_pol_val));
	if (!out->policy.bh_pol_key || !out->policy.bh_pol_val)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		out->policy.bh_pol_key[i] = cell[i].key;
		out->policy.bh_pol_val[i] = by_rank[cell[i].rank].val;
	}
	out->policy.n = n;
	return 0;
}

int bh_compile_policy(struct bh_compiler *c, struct bh_cell *cell, size_t n,
		      const struct bh_ranked *by_rank)
{
	_cleanup_free_ struct filling *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return -ENOMEM;
	f->c = c;
	f->by_rank = by_rank;
	qsort(cell, n, sizeof(*cell), cell_cmp);
	n = settle_all(f, cell, n);
	if (f->rows_full)
		return rows_error(c, f->row_rule);
	r = shapes_fill(f);
	return r < 0 ? r : table_fill(c->out, cell, n, by_rank);
}
