/* SPDX-License-Identifier: Apache-2.0 */
/* compile_users.c - `user` and `group` of a match as uids, by what the agent knows of this host. */
#include "compile_names.h"

static bool is_number(const char *s)
{
	return *s && !s[strspn(s, "0123456789")];
}

static int unknown(struct bh_compiler *c, const struct bh_word *word, const char *what)
{
	bh_report_warning(c->map, c->d, word->pos,
			  "it matches nobody until this host knows the name",
			  "no %s '" BH_WORD "' on this host", what, word->s);
	return 0;
}

static int untold(struct bh_compiler *c, const struct bh_word *word, const char *what, int r)
{
	bh_report_error(c->map, c->d, word->pos, "try again",
			"%s '" BH_WORD "' can't be looked up: %s", what, word->s, strerror(-r));
	return r;
}

static int users_add(struct bh_compiler *c, const struct bh_words *users, struct bh_u32s *ret)
{
	for (size_t i = 0; i < users->n; i++) {
		const struct bh_word *word = &users->v[i];
		__u32 uid;
		int r = 0;

		if (is_number(word->s))
			uid = (__u32)strtoul(word->s, NULL, 10);
		else
			r = c->users->uid_of(c->users->ctx, word->s, &uid);
		if (r == 0)
			r = bh_u32s_add(ret, uid);
		else if (r == -ENOENT)
			r = unknown(c, word, "user");
		else
			r = untold(c, word, "user", r);
		if (r < 0)
			return r;
	}
	return 0;
}

static int groups_add(struct bh_compiler *c, const struct bh_words *groups, struct bh_u32s *ret)
{
	for (size_t i = 0; i < groups->n; i++) {
		const struct bh_word *word = &groups->v[i];
		_cleanup_free_ __u32 *uids = NULL;
		size_t n = 0;
		int r = c->users->group(c->users->ctx, word->s, &uids, &n);

		if (r == -ENOENT)
			r = unknown(c, word, "group");
		else if (r < 0)
			r = untold(c, word, "group", r);
		for (size_t j = 0; r == 0 && j < n; j++)
			r = bh_u32s_add(ret, uids[j]);
		if (r < 0)
			return r;
	}
	return 0;
}

/* What is in both; both are ascending. */
static void intersect(struct bh_u32s *a, const struct bh_u32s *b)
{
	size_t to = 0;

	for (size_t i = 0, j = 0; i < a->n && j < b->n;) {
		if (a->v[i] == b->v[j])
			a->v[to++] = a->v[i];
		if (a->v[i] <= b->v[j])
			i++;
		else
			j++;
	}
	a->n = to;
}

int bh_match_users(struct bh_compiler *c, const struct bh_match *m, struct bh_u32s *ret)
{
	_cleanup_u32s_ struct bh_u32s members = {0};
	int r = users_add(c, &m->user, ret);

	if (r == 0)
		r = groups_add(c, &m->group, &members);
	if (r < 0)
		return r;
	bh_u32s_sort(ret);
	bh_u32s_sort(&members);
	if (!m->group.n)
		return 0;
	/* Keys of one match must all hold. */
	if (m->user.n) {
		intersect(ret, &members);
		return 0;
	}
	bh_u32s_free(ret);
	*ret = members;
	members = (struct bh_u32s){0};
	return 0;
}
