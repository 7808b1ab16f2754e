/* SPDX-License-Identifier: Apache-2.0 */
/*
 * workload_map.c - a segment map in YAML, compiled, staged and asked: who is this cgroup, and
 * this user in it? The compiler's names and the kernel's matching have to mean the same. Runs
 * as root, on cgroups of its own.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>
#include "cg.h"
#include "namerig.h"

enum { ALICE = 4001, BOB, CAROL };

static const char yaml[] =
	"version: 1\n"
	"name: names\n"
	"mode: enforce\n"
	"default: { ingress: deny, egress: deny }\n"
	"segments:\n"
	"  web:    { match: { unit: nginx.service } }\n"
	"  api:    { match: { unit: \"shop-api@*.service\" } }\n"
	"  db:     { match: { cgroup: /system.slice/postgresql.service } }\n"
	"  backup: { match: { cgroup: /system.slice/postgresql.service/backup } }\n"
	"  dba:    { match: { cgroup: /user.slice, user: [alice, bob] } }\n"
	"  carol:  { match: { cgroup: \"/user.slice/user-*.slice/app\", user: carol } }\n"
	"  seats:  { match: { cgroup: \"/user.slice/user-*.slice\" } }\n"
	"  system: { match: { cgroup: / } }\n"
	"allow:\n"
	"  - { id: web-api, from: web, to: api, port: tcp/8080 }\n"
	"failsafe:\n"
	"  - { from: { cidr: [198.51.100.0/28] }, port: tcp/22, unit: ssh.service }\n";

static const struct {
	const char *cgroup;
	__u32 uid;
	const char *segment;
} expect[] = {
	{"system.slice/nginx.service", 0, "web"},
	{"system.slice/nginx.service/worker", 33, "web"},
	{"system.slice/nginx.socket", 0, "web"},
	{"system.slice/nginx.timer", 0, "system"},
	{"system.slice/system-shop\\x2dapi.slice/shop-api@1.service", 0, "api"},
	{"system.slice/shop-api.socket", 0, "api"},
	{"system.slice/shop-api@1.socket", 0, "api"},
	{"system.slice/postgresql.service", 0, "db"},
	{"system.slice/postgresql.service/x", ALICE, "db"},
	{"system.slice/postgresql.service/backup", 0, "backup"},
	{"postgresql.service", 0, "system"},
	{"user.slice", ALICE, "dba"},
	{"user.slice/x.slice", BOB, "dba"},
	{"user.slice/x.slice", CAROL, "system"},
	{"user.slice/user-1.slice", ALICE, "seats"},
	{"user.slice/user-1.slice/app", ALICE, "seats"},
	{"user.slice/user-1.slice/app/x", CAROL, "carol"},
	{"user.slice/user-1.slice/user@1.service/app.slice/nginx.service", 0, "seats"},
	{"system.slice/docker-1.scope/nginx.service", 0, "system"},
	{"system.slice/ssh.service", 0, "system"},
	{"", 0, "host"},
};

static int uid_of(void *ctx, const char *user, __u32 *ret_uid)
{
	static const char *const names[] = {"alice", "bob", "carol"};

	(void)ctx;
	for (__u32 i = 0; i < ARRAY_SIZE(names); i++) {
		if (!strcmp(user, names[i])) {
			*ret_uid = ALICE + i;
			return 0;
		}
	}
	return -ENOENT;
}

static int no_group(void *ctx, const char *group, __u32 **ret_uids, size_t *ret_n)
{
	(void)ctx, (void)group, (void)ret_uids, (void)ret_n;
	return -ENOENT;
}

static void apply(struct bh_kern *k, struct bh_numbers *numbers)
{
	const struct bh_users users = {.uid_of = uid_of, .group = no_group};
	_cleanup_(bh_compiled_freep) struct bh_compiled *compiled = NULL;
	_cleanup_(bh_map_freep) struct bh_map *map = NULL;
	_cleanup_diags_ struct bh_diags d = {0};
	__u64 gen;
	int r = bh_map_parse("names.yaml", yaml, strlen(yaml), &d, &map);

	if (r == 0)
		r = bh_compile(map, numbers, &users, &bh_limits_default, (struct bh_instant){0}, &d,
			       &compiled);
	if (r == 0)
		r = bh_kern_stage(k, compiled, &d, &gen);
	if (r == 0)
		r = bh_kern_publish(k);
	if (r < 0)
		bh_diags_print(&d, stdout, false);
	assert_int_equal(r, 0);
}

static int ask_all(struct bh_kern *k, const struct bh_numbers *numbers)
{
	int wrong = 0;

	for (size_t i = 0; i < ARRAY_SIZE(expect); i++) {
		const char *name = NULL;
		uint64_t id;
		__u32 who = 0;

		assert_int_equal(cg_make(expect[i].cgroup, &id), 0);
		assert_int_equal(bh_kern_whois(k, id, expect[i].uid, &who), 0);
		name = bh_numbers_segment_name(numbers, who);
		if (name && !strcmp(name, expect[i].segment))
			continue;
		printf("/%s, uid %u: expected %s, is %s\n", expect[i].cgroup, expect[i].uid,
		       expect[i].segment, name ? name : "nobody");
		wrong++;
	}
	return wrong;
}

static void test_map_means_what_it_says(void **state)
{
	_cleanup_(bh_numbers_freep) struct bh_numbers *numbers = bh_numbers_new();
	struct bh_kern *k = rig_begin(rig_opts());
	__u64 ssh;

	(void)state;
	assert_non_null(numbers);
	apply(k, numbers);
	/* made now; then walked */
	assert_int_equal(ask_all(k, numbers), 0);
	apply(k, numbers);
	assert_int_equal(ask_all(k, numbers), 0);
	ssh = rig_cg_id("system.slice/ssh.service");
	assert_int_equal(rig_side(k, ssh).unit_bits, 1);
	rig_end(k);
}

/* --- run ----------------------------------------------------------------------------------------- */

static int up(void **state)
{
	(void)state;
	return rig_up();
}

static int down(void **state)
{
	(void)state;
	rig_down();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_map_means_what_it_says),
	};

	return cmocka_run_group_tests(tests, up, down);
}
