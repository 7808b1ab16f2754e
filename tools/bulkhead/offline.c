/* SPDX-License-Identifier: Apache-2.0 */
/* offline.c - see offline.h. */
#include <errno.h>
#include <time.h>
#include "../../agent/policy/compile.h"
#include "offline.h"

/*
 * Which users a host has is for its agent to say. Here each name is somebody, and each group
 * has one member: that is the least they need, and nothing is called wrong that may be right.
 */
static int somebody(void *ctx, const char *user, __u32 *ret_uid)
{
	json_t *numbers = ctx, *known = json_object_get(numbers, user);

	if (!known) {
		known = json_integer(0x80000000 + (json_int_t)json_object_size(numbers));
		if (json_object_set_new(numbers, user, known) < 0)
			return -ENOENT;
	}
	*ret_uid = (__u32)json_integer_value(known);
	return 0;
}

static int some_group(void *ctx, const char *group, __u32 **ret_uids, size_t *ret_n)
{
	_cleanup_free_ char *name = NULL;
	_cleanup_free_ __u32 *uids = malloc(sizeof(*uids));
	int r;

	/* No user's name has a colon. */
	if (!uids || asprintf(&name, "group:%s", group) < 0)
		return -ENOMEM;
	r = somebody(ctx, name, uids);
	if (r < 0)
		return r;
	*ret_uids = TAKE_PTR(uids);
	*ret_n = 1;
	return 0;
}

/* Return: 0 with the numbers of table entries in @ret, or -errno (see @d). */
static int compile(const struct bh_map *map, struct bh_diags *d, json_t **ret)
{
	_cleanup_(bh_numbers_freep) struct bh_numbers *numbers = bh_numbers_new();
	_cleanup_(bh_compiled_freep) struct bh_compiled *c = NULL;
	_cleanup_json_ json_t *names = json_object();
	struct bh_users users = {names, somebody, some_group};
	struct bh_instant now = {.wall_s = time(NULL)};
	struct timespec boot;
	int r;

	if (!numbers || !names)
		return -ENOMEM;
	(void)clock_gettime(CLOCK_BOOTTIME, &boot);
	now.boot_ns = (__u64)boot.tv_sec * 1000000000u + (__u64)boot.tv_nsec;
	r = bh_compile(map, numbers, &users, &bh_limits_default, now, d, &c);
	if (r < 0)
		return r;
	*ret = json_pack("{s:I s:I s:I s:I s:I s:I s:I}", "policy", (json_int_t)c->policy.n,
			 "addrs", (json_int_t)c->addrs.n, "prefixes", (json_int_t)c->prefixes.n,
			 "names", (json_int_t)c->names.n, "globs", (json_int_t)c->globs.n, "users",
			 (json_int_t)c->users.n, "rules", (json_int_t)c->n_info);
	return *ret ? 0 : -ENOMEM;
}

int bh_offline_check(const char *file, const char *text, size_t len, struct bh_diags *d,
		     struct bh_map **ret_map, json_t **ret_entries)
{
	_cleanup_(bh_map_freep) struct bh_map *map = NULL;
	int r = bh_map_parse(file, text, len, d, &map);

	if (!r)
		r = compile(map, d, ret_entries);
	if (r < 0)
		return r;
	*ret_map = TAKE_PTR(map);
	return 0;
}
