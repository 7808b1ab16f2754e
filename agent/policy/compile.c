/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compile.c - a segment map to one side's tables: the order of the steps, and what the agent
 * asks of the result. Called by apply, check, rollback and at start.
 */
#include "compile_internal.h"

const struct bh_limits bh_limits_default = {
	.policy = 1u << 20,
	.addrs = 1u << 20,
	.prefixes = 1u << 17,
	.rules = 1u << 17,
	.names = 1u << 15, /* a service is one of its socket, too */
	.globs = 1u << 12,
	.users = 1u << 16,
};

/* --- small growing arrays ------------------------------------------------------------------ */

int bh_room_for_one(void *array, size_t *room, size_t n, size_t size)
{
	size_t more = *room ? *room * 2 : 16;
	void *v;

	if (n < *room)
		return 0;
	v = reallocarray(*(void **)array, more, size);
	if (!v)
		return -ENOMEM;
	*(void **)array = v;
	*room = more;
	return 0;
}

int bh_u32s_add(struct bh_u32s *s, __u32 value)
{
	int r = bh_room_for_one(&s->v, &s->room, s->n, sizeof(*s->v));

	if (r < 0)
		return r;
	s->v[s->n++] = value;
	return 0;
}

static int u32_cmp(const void *a, const void *b)
{
	const __u32 x = *(const __u32 *)a, y = *(const __u32 *)b;

	return (x > y) - (x < y);
}

void bh_u32s_sort(struct bh_u32s *s)
{
	size_t to = 0;

	if (s->n < 2)
		return;
	qsort(s->v, s->n, sizeof(*s->v), u32_cmp);
	for (size_t i = 0; i < s->n; i++)
		if (!to || s->v[to - 1] != s->v[i])
			s->v[to++] = s->v[i];
	s->n = to;
}

void bh_u32s_free(struct bh_u32s *s)
{
	free(s->v);
	*s = (struct bh_u32s){0};
}

/* --- the steps ------------------------------------------------------------------------------- */

static void compiler_clear(struct bh_compiler *c)
{
	free(c->rule_number);
	free(c->unit_bit);
	free(c->named);
	free(c->failsafe);
	bh_classes_free(c);
	bh_compiled_free(c->out);
}

static int compile(struct bh_compiler *c)
{
	static int (*const step[])(struct bh_compiler *) = {
		bh_compile_numbers, bh_compile_segs,  bh_compile_reserve,
		bh_compile_addrs,   bh_compile_names, bh_compile_rules,
	};
	enum bh_tri forward = c->map->forward;

	if (forward != BH_UNSET)
		c->out->side.flags |=
			forward == BH_ALLOW ? BH_SIDE_FORWARD_ALLOW : BH_SIDE_FORWARD_DENY;
	if (c->map->l2 == BH_DENY)
		c->out->side.flags |= BH_SIDE_L2_DENY;
	for (size_t i = 0; i < ARRAY_SIZE(step); i++) {
		int r = step[i](c);

		/* what does not fit is said, and the other tables may not fit either */
		if (r < 0 && (r != -E2BIG || i == 0))
			return r;
	}
	return c->too_big ? -E2BIG : 0;
}

int bh_compile(const struct bh_map *map, struct bh_numbers *numbers, const struct bh_users *users,
	       const struct bh_limits *limits, struct bh_instant now, struct bh_diags *d,
	       struct bh_compiled **ret)
{
	_cleanup_(compiler_clear) struct bh_compiler c = {
		.map = map,
		.numbers = numbers,
		.users = users,
		.limits = limits,
		.now = now,
		.d = d,
		.out = calloc(1, sizeof(*c.out)),
	};
	int r = c.out ? compile(&c) : -ENOMEM;

	if (r < 0)
		return r;
	*ret = TAKE_PTR(c.out);
	return 0;
}

void bh_compiled_free(struct bh_compiled *c)
{
	if (!c)
		return;
	free(c->policy.bh_pol_key);
	free(c->policy.bh_pol_val);
	free(c->addrs.bh_addr);
	free(c->addrs.bh_addr_val);
	free(c->prefixes.bh_prefix_key);
	free(c->prefixes.bh_addr_val);
	free(c->names.bh_name_key);
	free(c->names.bh_name_val);
	free(c->globs.bh_glob_key);
	free(c->globs.bh_glob_val);
	free(c->users.bh_user_key);
	free(c->users.seg);
	free(c->reserve.key);
	free(c->segs);
	free(c->rules);
	for (size_t i = 0; i < c->n_info; i++)
		free(c->info[i].id);
	free(c->info);
	free(c->identity);
	free(c);
}

/* --- questions ------------------------------------------------------------------------------- */

static int info_cmp(const void *key, const void *element)
{
	const __u32 number = *(const __u32 *)key;
	const struct bh_rule_info *info = element;

	return (number > info->number) - (number < info->number);
}

const struct bh_rule_info *bh_compiled_rule(const struct bh_compiled *c, __u32 number)
{
	return c->n_info ? bsearch(&number, c->info, c->n_info, sizeof(*c->info), info_cmp) : NULL;
}

static int addr_cmp(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct bh_addr));
}

static int prefix_cmp(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct bh_prefix_key));
}

__u32 bh_compiled_identity(const struct bh_compiled *c, const struct bh_addr *addr)
{
	struct bh_prefix_key key = {0};
	const struct bh_addr *exact = NULL;

	if (c->addrs.n)
		exact = bsearch(addr, c->addrs.bh_addr, c->addrs.n, sizeof(*addr), addr_cmp);
	if (exact)
		return c->addrs.bh_addr_val[exact - c->addrs.bh_addr].identity;
	memcpy(key.addr, addr->b, sizeof(key.addr));
	for (int plen = 127; plen >= 0 && c->prefixes.n; plen--) {
		const struct bh_prefix_key *found;

		key.prefixlen = (__u32)plen;
		key.addr[plen / 8] &= (__u8)(0xff00 >> (plen % 8));
		found = bsearch(&key, c->prefixes.bh_prefix_key, c->prefixes.n, sizeof(key),
				prefix_cmp);
		if (found)
			return c->prefixes.bh_addr_val[found - c->prefixes.bh_prefix_key].identity;
	}
	return BH_ID_WORLD;
}
