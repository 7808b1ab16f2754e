/* SPDX-License-Identifier: Apache-2.0 */
/*
 * workload.c - bpf/workload.bpf.c against the real kernel: what a cgroup means by its name, its
 * place and its owner, whether mkdir or the walk says it. Runs as root, on cgroups of its own.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <cmocka.h>
#include "cg.h"
#include "namerig.h"
#include "../../agent/kern/kern_internal.h"

enum { WEB = 20, DB, API, APP, OPS, ALL };

#define SEG(number)		    ((struct bh_name_val){.seg = (number)})
#define assert_seg(k, name, number) assert_int_equal(rig_made((k), (name)).seg, (number))

/* --- names --------------------------------------------------------------------------------------- */

static void test_units_by_name(void **state)
{
	struct bh_kern *k = rig_begin(rig_opts());
	struct bh_cg_side side;

	(void)state;
	rig_name(BH_NODE_UNIT, "nginx.service", SEG(WEB));
	rig_commit(k);
	side = rig_made(k, "system.slice/nginx.service");
	assert_int_equal(side.seg, WEB);
	assert_int_equal(side.anchor, rig_cg_id("system.slice/nginx.service"));
	assert_seg(k, "nginx.service", WEB);
	assert_seg(k, "a.slice/a-b.slice/a-b-c.slice/nginx.service", WEB);
	assert_seg(k, "system.slice/nginx.service2", BH_ID_UNASSIGNED);
	assert_seg(k, "system.slice/nginx.servic", BH_ID_UNASSIGNED);
	assert_seg(k, "system.slice/xnginx.service", BH_ID_UNASSIGNED);
	assert_seg(k, "system.slice/NGINX.service", BH_ID_UNASSIGNED);
	/* nobody was matched: no anchor, so two such ones are not the same workload */
	assert_int_equal(rig_made(k, "system.slice/other.service").anchor, 0);
	rig_end(k);
}

static void test_units_by_glob(void **state)
{
	struct bh_kern *k = rig_begin(rig_opts());

	(void)state;
	rig_glob(BH_NODE_UNIT, "api@*.service", SEG(API));
	rig_glob(BH_NODE_UNIT, "*-db.service", SEG(DB));
	rig_glob(BH_NODE_UNIT, "ab*bc", SEG(APP));
	rig_commit(k);
	assert_seg(k, "system.slice/api@1.service", API);
	assert_seg(k, "api@.service", API);
	assert_seg(k, "system.slice/api@a-very-long-instance-name-of-it.service", API);
	assert_seg(k, "system.slice/api@1.socket", BH_ID_UNASSIGNED);
	assert_seg(k, "system.slice/api@1.service.d", BH_ID_UNASSIGNED);
	assert_seg(k, "system.slice/api-1.service", BH_ID_UNASSIGNED);
	assert_seg(k, "system.slice/-db.service", DB);
	assert_seg(k, "system.slice/orders-db.service", DB);
	/* instances are workloads of their own */
	assert_int_not_equal(rig_made(k, "system.slice/api@1.service").anchor,
			     rig_made(k, "system.slice/api@2.service").anchor);
	/* prefix and suffix are two parts of the name */
	assert_seg(k, "abc", BH_ID_UNASSIGNED);
	assert_seg(k, "abbc", APP);
	/* the star stays in one component */
	assert_seg(k, "api@x.slice/y.service", BH_ID_UNASSIGNED);
	rig_end(k);
}

static void test_globs_that_begin_alike(void **state)
{
	struct bh_kern *k = rig_begin(rig_opts());

	(void)state;
	rig_glob(BH_NODE_UNIT, "a*bc", SEG(WEB));
	rig_glob(BH_NODE_UNIT, "ab*x", SEG(DB));
	rig_glob(BH_NODE_UNIT, "ab*y", SEG(API));
	rig_glob(BH_NODE_UNIT, "*z", SEG(ALL));
	rig_commit(k);
	assert_seg(k, "abc", WEB);
	assert_seg(k, "abx", DB);
	assert_seg(k, "ab-y", API);
	assert_seg(k, "abz", ALL);
	assert_seg(k, "z", ALL);
	assert_seg(k, "abq", BH_ID_UNASSIGNED);
	rig_end(k);
}

static void test_as_many_nested_globs_as_promised(void **state)
{
	struct bh_kern *k = rig_begin(rig_opts());

	(void)state;
	for (__u32 i = 0; i < BH_GLOB_NESTED; i++) {
		char pattern[32] = {0};

		memset(pattern, 'n', i);
		snprintf(pattern + i, sizeof(pattern) - i, "*-%u", i);
		rig_glob(BH_NODE_UNIT, pattern, SEG(100 + i));
	}
	rig_commit(k);
	for (__u32 i = 0; i < BH_GLOB_NESTED; i++) {
		char name[32];

		snprintf(name, sizeof(name), "nnnnnnnnnn-%u", i);
		assert_seg(k, name, 100 + i);
	}
	rig_end(k);
}

static void test_exact_beats_glob_and_path_beats_unit(void **state)
{
	struct bh_kern *k = rig_begin(rig_opts());

	(void)state;
	rig_glob(BH_NODE_UNIT, "n*.service", SEG(ALL));
	rig_name(BH_NODE_UNIT, "nginx.service", SEG(WEB));
	rig_name(BH_NODE_ROOT, "system.slice", (struct bh_name_val){.node = 10, .seg = OPS});
	rig_glob(10, "n*.service", SEG(APP));
	rig_name(10, "now.service", SEG(DB));
	rig_name(BH_NODE_UNIT, "now.service", SEG(API));
	rig_commit(k);
	assert_seg(k, "system.slice", OPS);
	assert_seg(k, "system.slice/nginx.service", WEB);
	assert_seg(k, "system.slice/now.service", DB);
	assert_seg(k, "system.slice/next.service", APP);
	assert_seg(k, "x.slice/next.service", ALL);
	assert_seg(k, "x.slice/now.service", API);
	assert_seg(k, "system.slice/other.service", OPS);
	rig_end(k);
}

static void test_paths(void **state)
{
	struct bh_kern *k = rig_begin(rig_opts());

	(void)state;
	rig_name(BH_NODE_ROOT, "system.slice", (struct bh_name_val){.node = 10});
	rig_name(10, "pg.service", (struct bh_name_val){.node = 11, .seg = DB});
	rig_name(11, "backup", SEG(OPS));
	rig_name(BH_NODE_ROOT, "user.slice", (struct bh_name_val){.node = 12});
	rig_glob(12, "user-*.slice", (struct bh_name_val){.node = 13});
	rig_name(13, "app", SEG(APP));
	rig_name(12, "user-7.slice", SEG(WEB));
	rig_commit(k);
	assert_seg(k, "system.slice", BH_ID_UNASSIGNED);
	assert_seg(k, "system.slice/pg.service", DB);
	assert_seg(k, "pg.service", BH_ID_UNASSIGNED);
	assert_seg(k, "x.slice/pg.service", BH_ID_UNASSIGNED);
	/* a path, unlike a unit, may lead below a service */
	assert_seg(k, "system.slice/pg.service/backup", OPS);
	assert_seg(k, "system.slice/pg.service/other", DB);
	assert_seg(k, "system.slice/pg.service/other/backup", DB);
	assert_seg(k, "user.slice/user-1.slice/app", APP);
	assert_seg(k, "user.slice/user-1.slice/x/app", BH_ID_UNASSIGNED);
	/* an exact name without a node leaves the glob's in force */
	assert_seg(k, "user.slice/user-7.slice", WEB);
	assert_seg(k, "user.slice/user-7.slice/app", APP);
	rig_end(k);
}

static void test_long_names(void **state)
{
	struct bh_kern *k = rig_begin(rig_opts());
	char name[256] = {0};

	(void)state;
	memset(name, 'x', BH_NAME_MAX - 1);
	rig_name(BH_NODE_UNIT, name, SEG(WEB));
	rig_glob(BH_NODE_UNIT, "y*", SEG(DB));
	rig_commit(k);
	assert_seg(k, name, WEB);
	name[BH_NAME_MAX - 1] = 'x';
	assert_seg(k, name, BH_ID_UNASSIGNED);
	memset(name, 'y', BH_NAME_MAX - 1);
	name[BH_NAME_MAX - 1] = '\0';
	assert_seg(k, name, DB);
	memset(name, 'y', 255);
	assert_seg(k, name, BH_ID_UNASSIGNED);
	rig_end(k);
}

/* --- what comes from above ----------------------------------------------------------------------- */

static void test_inherited(void **state)
{
	struct bh_kern *k = rig_begin(rig_opts());
	struct bh_cg_side side;

	(void)state;
	rig_name(BH_NODE_ROOT, "", (struct bh_name_val){.seg = ALL, .unit_bits = 1});
	rig_name(BH_NODE_UNIT, "ssh.service", (struct bh_name_val){.unit_bits = 2});
	rig_name(BH_NODE_UNIT, "web.slice", (struct bh_name_val){.seg = WEB, .unit_bits = 4});
	rig_glob(BH_NODE_UNIT, "ss*.service", (struct bh_name_val){.unit_bits = 8});
	rig_commit(k);
	side = rig_made(k, "x.slice/y.service/z");
	assert_int_equal(side.seg, ALL);
	assert_int_equal(side.anchor, rig_cg_id(""));
	assert_int_equal(side.unit_bits, 1);
	/* a unit of a failsafe is a flag, not a segment */
	side = rig_made(k, "x.slice/ssh.service");
	assert_int_equal(side.seg, ALL);
	assert_int_equal(side.anchor, rig_cg_id(""));
	assert_int_equal(side.unit_bits, 1 | 2 | 8);
	side = rig_made(k, "web.slice/ssh.service/session/x");
	assert_int_equal(side.seg, WEB);
	assert_int_equal(side.anchor, rig_cg_id("web.slice"));
	assert_int_equal(side.unit_bits, 1 | 2 | 4 | 8);
	rig_end(k);
}

static void assert_users(const struct bh_cg_side *side, __u32 a, __u32 b, __u32 c)
{
	const __u32 want[BH_USER_DEPTH] = {a, b, c};
	__u32 n = 0;

	while (n < BH_USER_DEPTH && want[n])
		n++;
	assert_int_equal(side->n_users, n);
	for (__u32 i = 0; i < n; i++)
		assert_int_equal(side->users[i].match, want[i]);
}

static void test_users_deepest_first(void **state)
{
	struct bh_kern *k = rig_begin(rig_opts());
	struct bh_cg_side side;

	(void)state;
	rig_name(BH_NODE_UNIT, "a.slice", (struct bh_name_val){.users = 1});
	rig_name(BH_NODE_UNIT, "a-b.slice", (struct bh_name_val){.users = 2});
	rig_name(BH_NODE_UNIT, "c.service", (struct bh_name_val){.users = 3});
	rig_glob(BH_NODE_UNIT, "c*.service", (struct bh_name_val){.users = 4});
	rig_name(BH_NODE_UNIT, "d.service", (struct bh_name_val){.users = 5, .seg = DB});
	rig_name(BH_NODE_UNIT, "e.service", SEG(WEB));
	rig_glob(BH_NODE_UNIT, "e*.service", (struct bh_name_val){.users = 6, .seg = API});
	rig_commit(k);
	side = rig_made(k, "a.slice/a-b.slice/x");
	assert_users(&side, 2, 1, 0);
	assert_int_equal(side.seg, BH_ID_UNASSIGNED);
	assert_int_equal(side.users[0].anchor, rig_cg_id("a.slice/a-b.slice"));
	assert_int_equal(side.users[1].anchor, rig_cg_id("a.slice"));
	/* a segment for everybody covers the users above it, and not its own */
	side = rig_made(k, "a.slice/a-b.slice/d.service");
	assert_users(&side, 5, 0, 0);
	assert_int_equal(side.seg, DB);
	side = rig_made(k, "a.slice/e.service");
	assert_users(&side, 0, 0, 0);
	assert_int_equal(side.seg, WEB);
	side = rig_made(k, "a.slice/e2.service");
	assert_users(&side, 6, 0, 0);
	/* at equal depth the exact name's users come first */
	side = rig_made(k, "a.slice/c.service");
	assert_users(&side, 3, 4, 1);
	rig_end(k);
}

/* The compiler refuses such a map; should it not, nobody gets what the outer users have. */
static void test_too_many_users_close(void **state)
{
	struct bh_kern *k = rig_begin(rig_opts());
	struct bh_cg_side side;

	(void)state;
	rig_name(BH_NODE_UNIT, "a.slice", (struct bh_name_val){.users = 1, .seg = WEB});
	rig_name(BH_NODE_UNIT, "a-b.slice", (struct bh_name_val){.users = 2});
	rig_name(BH_NODE_UNIT, "a-b-c.slice", (struct bh_name_val){.users = 3});
	rig_name(BH_NODE_UNIT, "d.service", (struct bh_name_val){.users = 4});
	rig_commit(k);
	side = rig_made(k, "a.slice/a-b.slice/a-b-c.slice/d.service");
	assert_users(&side, 4, 3, 2);
	assert_int_equal(side.seg, BH_ID_UNASSIGNED);
	assert_int_equal(rig_side(k, rig_cg_id("a.slice/a-b.slice/a-b-c.slice")).seg, WEB);
	rig_end(k);
}

/* --- who may name himself ------------------------------------------------------------------------ */

static void both_ways(struct bh_kern *k, const char *name, __u32 seg)
{
	assert_seg(k, name, seg);
	rig_commit(k);
	assert_int_equal(rig_side(k, rig_cg_id(name)).seg, seg);
}

static void test_no_unit_below_a_unit(void **state)
{
	struct bh_kern *k = rig_begin(rig_opts());

	(void)state;
	rig_name(BH_NODE_UNIT, "nginx.service", SEG(WEB));
	rig_name(BH_NODE_UNIT, "user@1000.service", SEG(APP));
	rig_glob(BH_NODE_UNIT, "ngi*.service", SEG(API));
	rig_commit(k);
	both_ways(k, "user.slice/user-1000.slice/user@1000.service/app.slice/nginx.service", APP);
	both_ways(k, "user.slice/user-1000.slice/user@1000.service/nginx.service", APP);
	both_ways(k, "system.slice/docker-0a.scope/nginx.service", BH_ID_UNASSIGNED);
	both_ways(k, "system.slice/docker-0a.scope/system.slice/nginx.service", BH_ID_UNASSIGNED);
	both_ways(k, "machine/nginx.service", BH_ID_UNASSIGNED);
	both_ways(k, "system.slice/nginx.service/nginx.service/ngi.service", WEB);
	rig_end(k);
}

/* Delegation: systemd makes the directory, then gives it away. */
static void test_no_name_below_a_stranger(void **state)
{
	struct bh_kern *k = rig_begin(rig_opts());
	struct bh_cgroup cg;

	(void)state;
	rig_name(BH_NODE_UNIT, "nginx.service", SEG(WEB));
	rig_name(BH_NODE_UNIT, "given.slice", SEG(APP));
	rig_name(BH_NODE_ROOT, "given.slice", (struct bh_name_val){.node = 10});
	rig_name(10, "by-path", SEG(DB));
	rig_commit(k);
	both_ways(k, "given.slice/by-path", DB);
	assert_seg(k, "given.slice", APP);
	assert_int_equal(chown(rig_cg_path("given.slice"), 1000, 1000), 0);
	/* what is below it now: mkdir looks at the owner, not at what was noted */
	both_ways(k, "given.slice/nginx.service", APP);
	both_ways(k, "given.slice/x.slice/nginx.service", APP);
	/* and what was below it before, from the next walk on */
	assert_int_equal(rig_side(k, rig_cg_id("given.slice/by-path")).seg, APP);
	/* its own name was given by root */
	assert_int_equal(rig_side(k, rig_cg_id("given.slice")).seg, APP);
	assert_true(rig_cg(k, rig_cg_id("given.slice"), &cg));
	assert_int_equal(cg.flags, BH_CG_SLICES | BH_CG_FOREIGN);
	assert_true(rig_cg(k, rig_cg_id("given.slice/x.slice"), &cg));
	assert_int_equal(cg.flags, BH_CG_FOREIGN);
	/* taken back */
	assert_int_equal(chown(rig_cg_path("given.slice"), 0, 0), 0);
	rig_commit(k);
	assert_int_equal(rig_side(k, rig_cg_id("given.slice/nginx.service")).seg, WEB);
	assert_int_equal(rig_side(k, rig_cg_id("given.slice/by-path")).seg, DB);
	rig_end(k);
}

static void test_outside_of_the_root(void **state)
{
	struct bh_kern_opts opts = rig_opts();
	static char root[PATH_MAX];
	struct bh_kern *k;
	struct bh_cgroup cg;
	uint64_t id;

	(void)state;
	assert_int_equal(cg_make("root", NULL), 0);
	snprintf(root, sizeof(root), "%s", rig_cg_path("root"));
	opts.cgroup_root = root;
	k = rig_begin(opts);
	rig_name(BH_NODE_UNIT, "nginx.service", SEG(WEB));
	rig_commit(k);
	assert_seg(k, "root/nginx.service", WEB);
	assert_int_equal(cg_make("nginx.service", &id), 0);
	assert_false(rig_cg(k, id, &cg));
	assert_int_equal(cg_make("nginx.service/nginx.service", &id), 0);
	assert_false(rig_cg(k, id, &cg));
	rig_commit(k);
	assert_false(rig_cg(k, id, &cg));
	rig_end(k);
}

/* --- version 1 ----------------------------------------------------------------------------------- */

static bool v1_dir(char ret[PATH_MAX])
{
	static const char *const mounts[] = {"/sys/fs/cgroup/freezer", "/sys/fs/cgroup/pids"};

	for (size_t i = 0; i < ARRAY_SIZE(mounts); i++) {
		snprintf(ret, PATH_MAX, "%s/bh-test-%d", mounts[i], (int)getpid());
		if (mkdir(ret, 0755) == 0)
			return true;
	}
	return false;
}

/* Its ids are numbers of their own: 42 there is not 42 here. */
static void test_version_1_is_somebody_else(void **state)
{
	struct bh_cgroup cg = {.flags = BH_CG_SLICES}, got;
	char dir[PATH_MAX], sub[PATH_MAX + 32];
	struct stat st, sub_st;
	struct bh_kern *k;
	int fd, removed;

	(void)state;
	if (!v1_dir(dir)) {
		printf("no cgroup version 1 hierarchy here\n");
		skip();
	}
	k = rig_begin(rig_opts());
	fd = bh_kern_map_fd(k, BH_MAP_CGROUPS);
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(bpf_map_update_elem(fd, &st.st_ino, &cg, BPF_ANY), 0);
	snprintf(sub, sizeof(sub), "%s/nginx.service", dir);
	assert_int_equal(mkdir(sub, 0755), 0);
	assert_int_equal(stat(sub, &sub_st), 0);
	removed = rmdir(sub) || rmdir(dir) ? errno : 0;
	assert_int_equal(removed, 0);
	assert_false(rig_cg(k, sub_st.st_ino, &got));
	for (int i = 0; i < 20; i++) {
		assert_true(rig_cg(k, st.st_ino, &got));
		(void)usleep(10000);
	}
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
		cmocka_unit_test(test_units_by_name),
		cmocka_unit_test(test_units_by_glob),
		cmocka_unit_test(test_globs_that_begin_alike),
		cmocka_unit_test(test_as_many_nested_globs_as_promised),
		cmocka_unit_test(test_exact_beats_glob_and_path_beats_unit),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_inherited),
		cmocka_unit_test(test_users_deepest_first),
		cmocka_unit_test(test_too_many_users_close),
		cmocka_unit_test(test_no_unit_below_a_unit),
		cmocka_unit_test(test_no_name_below_a_stranger),
		cmocka_unit_test(test_outside_of_the_root),
		cmocka_unit_test(test_version_1_is_somebody_else),
	};

	return cmocka_run_group_tests(tests, up, down);
}
