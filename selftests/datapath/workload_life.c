/* SPDX-License-Identifier: Apache-2.0 */
/*
 * workload_life.c - cgroups that come and go, against the real kernel: made while a commit
 * walks, gone while a socket is left, more than the table holds. Runs as root, on cgroups of
 * its own.
 */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <cmocka.h>
#include "cg.h"
#include "namerig.h"
#include "../../agent/kern/kern_internal.h"

enum { WEB = 20, DB, API };

#define SEG(number) ((struct bh_name_val){.seg = (number)})

static void names_of(__u32 seg)
{
	rig_names_clear();
	rig_name(BH_NODE_ROOT, "a.slice", (struct bh_name_val){.node = 10, .seg = seg, .users = 1});
	rig_name(10, "b.service", (struct bh_name_val){.node = 11, .seg = seg + 1});
	rig_glob(11, "c*d", (struct bh_name_val){.users = 2, .unit_bits = 4});
	rig_glob(BH_NODE_UNIT, "*.service", (struct bh_name_val){.unit_bits = 1});
}

static double now_s(void)
{
	struct timespec t;

	assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &t), 0);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* --- mkdir and walk say the same ------------------------------------------------------------------- */

#define TREE_MAX 32
#define GIVEN	 7 /* index in tree */

static const char *const tree[] = {
	"",
	"a.slice",
	"a.slice/b.service",
	"a.slice/b.service/cd",
	"a.slice/b.service/cd/x",
	"a.slice/b.service/c-d",
	"a.slice/a-x.slice/y.service",
	"a.slice/a-x.slice/given.service",
	"a.slice/a-x.slice/given.service/c.slice/b.service",
	"z",
	"z/a.slice/b.service",
};

static void tree_read(struct bh_kern *k, struct bh_cgroup ret[TREE_MAX])
{
	for (size_t i = 0; i < ARRAY_SIZE(tree); i++)
		assert_true(rig_cg(k, rig_cg_id(tree[i]), &ret[i]));
}

static void test_walk_and_mkdir_agree(void **state)
{
	static struct bh_cgroup by_mkdir[TREE_MAX], by_walk[TREE_MAX];
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_kern *k = rig_begin(rig_opts());

	(void)state;
	names_of(WEB);
	rig_commit(k);
	names_of(API);
	rig_commit(k);
	for (size_t i = 0; i < ARRAY_SIZE(tree); i++) {
		assert_int_equal(cg_make(tree[i], NULL), 0);
		if (i == GIVEN)
			assert_int_equal(chown(rig_cg_path(tree[i]), 1000, 1000), 0);
	}
	tree_read(k, by_mkdir);
	/* given away after it was made: only a walk notes that here, its children look for it */
	assert_string_equal(tree[GIVEN], "a.slice/a-x.slice/given.service");
	by_mkdir[GIVEN].flags |= BH_CG_FOREIGN;
	for (size_t i = 0; i < ARRAY_SIZE(tree); i++) {
		__u64 id = rig_cg_id(tree[i]);

		assert_int_equal(bpf_map_delete_elem(bh_kern_map_fd(k, BH_MAP_CGROUPS), &id), 0);
	}
	assert_int_equal(bh_kern_seed(k, &d), 0);
	tree_read(k, by_walk);
	assert_memory_equal(by_mkdir, by_walk, sizeof(by_walk));
	/* and it is not the same because there is nothing in it */
	assert_int_equal(by_walk[3].side[0].n_users, 1);
	assert_int_equal(by_walk[3].side[0].unit_bits, 5);
	assert_int_equal(by_walk[3].side[0].seg + by_walk[3].side[1].seg, WEB + API + 2);
	rig_end(k);
}

/* --- gone, with a socket left ---------------------------------------------------------------------- */

/* Born in @name; the caller goes home. */
static int socket_born_in(const char *name)
{
	int fd;

	assert_int_equal(cg_move(name, 0), 0);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(cg_leave(), 0);
	assert_true(fd >= 0);
	return fd;
}

static bool forgotten(struct bh_kern *k, __u64 id)
{
	struct bh_cgroup cg;

	/* the kernel releases a cgroup in the background */
	for (int i = 0; i < 500 && rig_cg(k, id, &cg); i++)
		(void)usleep(10000);
	return !rig_cg(k, id, &cg);
}

static void test_released_is_forgotten(void **state)
{
	struct bh_kern *k = rig_begin(rig_opts());
	__u64 id;

	(void)state;
	assert_int_equal(cg_make("x.slice", NULL), 0);
	id = rig_cg_id("x.slice");
	assert_int_equal(rmdir(rig_cg_path("x.slice")), 0);
	assert_true(forgotten(k, id));
	rig_end(k);
}

/*
 * A socket outlives its cgroup's directory (systemd keeps some while a service restarts). Its
 * cgroup must go on to mean what its name says, in later generations as well.
 */
static void test_gone_but_not_released(void **state)
{
	static const char *const names[] = {"a.slice", "a.slice/b.service",
					    "a.slice/b.service/c.d"};
	struct bh_kern *k = rig_begin(rig_opts());
	__u64 id[3], beside;
	int fd;

	(void)state;
	names_of(WEB);
	rig_commit(k);
	assert_int_equal(cg_make(names[2], NULL), 0);
	for (int i = 0; i < 3; i++)
		id[i] = rig_cg_id(names[i]);
	fd = socket_born_in(names[2]);
	for (int i = 2; i >= 0; i--)
		assert_int_equal(rmdir(rig_cg_path(names[i])), 0);
	/* one of the same name, alive: another id */
	assert_int_equal(cg_make(names[1], NULL), 0);
	beside = rig_cg_id(names[1]);
	(void)usleep(100000);

	for (__u32 seg = DB; seg < DB + 6; seg += 2) {
		names_of(seg);
		rig_commit(k);
		assert_int_equal(rig_side(k, id[0]).seg, seg);
		assert_int_equal(rig_side(k, id[0]).anchor, id[0]);
		assert_int_equal(rig_side(k, id[1]).seg, seg + 1);
		assert_int_equal(rig_side(k, id[2]).seg, seg + 1);
		assert_int_equal(rig_side(k, id[2]).unit_bits, 5);
		assert_int_equal(rig_side(k, beside).seg, seg + 1);
	}
	/* a map that does not know it any more takes away what it had */
	rig_names_clear();
	rig_commit(k);
	assert_int_equal(rig_side(k, id[2]).seg, BH_ID_UNASSIGNED);
	assert_int_equal(rig_side(k, id[2]).n_users, 0);
	close(fd);
	for (int i = 0; i < 3; i++)
		assert_true(forgotten(k, id[i]));
	rig_end(k);
}

/* --- more than the table holds ---------------------------------------------------------------------- */

static __u64 lost(struct bh_kern *k)
{
	__u64 stats[BH_STAT_MAX];

	assert_int_equal(bh_kern_stats(k, stats), 0);
	return stats[BH_STAT_CGROUPS_LOST];
}

static bool flagged(const struct bh_kern *k)
{
	return __atomic_load_n(&k->ctl->flags, __ATOMIC_ACQUIRE) & BH_CTL_CGROUPS_FULL;
}

static void test_full_table(void **state)
{
	struct bh_kern_opts opts = rig_opts();
	struct bh_cgroup cg;
	struct bh_kern *k;
	char name[32];
	__u64 first;

	(void)state;
	opts.max_cgroups = 8;
	k = rig_begin(opts);
	rig_glob(BH_NODE_UNIT, "*.service", SEG(WEB));
	rig_commit(k);
	for (int i = 0; i < 7; i++) {
		snprintf(name, sizeof(name), "%d.service", i);
		assert_int_equal(rig_made(k, name).seg, WEB);
	}
	assert_false(flagged(k));
	assert_int_equal(lost(k), 0);
	assert_int_equal(cg_make("7.service", NULL), 0);
	assert_false(rig_cg(k, rig_cg_id("7.service"), &cg));
	assert_true(flagged(k));
	assert_int_equal(lost(k), 1);
	/* nor those below it */
	assert_int_equal(cg_make("7.service/x", NULL), 0);
	assert_false(rig_cg(k, rig_cg_id("7.service/x"), &cg));
	/* a walk finds no room either, and says so */
	rig_commit(k);
	assert_true(flagged(k));
	assert_int_equal(rig_side(k, rig_cg_id("6.service")).seg, WEB);

	first = rig_cg_id("0.service");
	assert_int_equal(rmdir(rig_cg_path("7.service/x")), 0);
	assert_int_equal(rmdir(rig_cg_path("0.service")), 0);
	assert_true(forgotten(k, first));
	rig_commit(k);
	assert_false(flagged(k));
	assert_int_equal(rig_side(k, rig_cg_id("7.service")).seg, WEB);
	rig_end(k);
}

/* --- made during commits ---------------------------------------------------------------------------- */

#define CHURN_DIRS     1000
#define CHURN_ALIVE    100
#define CHURN_COMMITS  1000
#define CHURN_MAX_S    90.0
#define CHURN_SEG(gen) ((__u32)(1000 + (gen) % 10000))

struct churn {
	struct bh_kern *k;
	atomic_bool stop;
	atomic_int made;
	int wrong, unsure;
	char dir[CHURN_ALIVE][PATH_MAX];
};

/*
 * Each generation has a segment of its own, so that anything left of another one shows. Now
 * one table has it, now the other: they are not put in place at once.
 */
static void names_of_gen(__u64 gen)
{
	rig_names_clear();
	if (gen % 4 < 2)
		rig_name(BH_NODE_UNIT, "new.service", SEG(CHURN_SEG(gen)));
	else
		rig_glob(BH_NODE_UNIT, "n*.service", SEG(CHURN_SEG(gen)));
}

static void churn_look(struct churn *c, __u64 id)
{
	__u64 gen = bh_kern_generation(c->k);
	struct bh_cgroup cg;
	bool there = rig_cg(c->k, id, &cg);

	if (gen != bh_kern_generation(c->k))
		c->unsure++;
	else if (!there || cg.side[BH_SIDE(gen)].seg != CHURN_SEG(gen))
		c->wrong++;
}

/* Not the thread of the test: it must not end it. */
static void *churn_make(void *ctx)
{
	struct churn *c = ctx;

	while (!atomic_load(&c->stop)) {
		const char *dir = c->dir[c->made % CHURN_ALIVE];
		struct stat st;

		if (c->made >= CHURN_ALIVE && rmdir(dir))
			c->wrong++;
		if (mkdir(dir, 0755) || stat(dir, &st))
			c->wrong++;
		else
			churn_look(c, st.st_ino);
		atomic_fetch_add(&c->made, 1);
		(void)usleep(200);
	}
	return NULL;
}

/* A machine that says it is so many times slower does as many times less. */
static int churn_goal(int n)
{
	const char *slow = getenv("BH_TEST_SLOW");
	int times = slow ? atoi(slow) : 1;

	return times > 1 ? MAX(n / times, CHURN_ALIVE) : n;
}

static void churn_begin(struct churn *c)
{
	for (int i = 0; i < CHURN_ALIVE; i++) {
		char slice[32];

		snprintf(slice, sizeof(slice), "%d.slice", i);
		assert_int_equal(cg_make(slice, NULL), 0);
		snprintf(c->dir[i], sizeof(c->dir[i]), "%s/new.service", rig_cg_path(slice));
	}
}

static void test_made_during_commits(void **state)
{
	const __u64 commits = (__u64)churn_goal(CHURN_COMMITS);
	const int dirs = churn_goal(CHURN_DIRS);
	static struct churn c;
	double start;
	pthread_t thread;
	__u64 gen = 1;

	(void)state;
	c.k = rig_begin(rig_opts());
	churn_begin(&c);
	names_of_gen(gen);
	rig_commit(c.k);
	assert_int_equal(pthread_create(&thread, NULL, churn_make, &c), 0);
	for (start = now_s();
	     (gen < commits || atomic_load(&c.made) < dirs) && now_s() < start + CHURN_MAX_S;) {
		names_of_gen(++gen);
		rig_commit(c.k);
		assert_int_equal(bh_kern_generation(c.k), gen);
	}
	atomic_store(&c.stop, true);
	assert_int_equal(pthread_join(thread, NULL), 0);
	printf("%d cgroups, %llu commits, %d looked at across a flip\n", c.made,
	       (unsigned long long)gen, c.unsure);
	assert_int_equal(c.wrong, 0);
	assert_true(c.made >= dirs);
	assert_true(gen >= commits);
	assert_true(c.unsure < c.made / 10);
	for (int i = 0; i < CHURN_ALIVE; i++) {
		struct bh_cgroup cg;
		struct stat st;

		assert_int_equal(stat(c.dir[i], &st), 0);
		assert_true(rig_cg(c.k, st.st_ino, &cg));
		assert_int_equal(cg.side[BH_SIDE(gen)].seg, CHURN_SEG(gen));
		assert_int_equal(cg.side[BH_SIDE(gen - 1)].seg, CHURN_SEG(gen - 1));
	}
	rig_end(c.k);
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
		cmocka_unit_test(test_walk_and_mkdir_agree),
		cmocka_unit_test(test_released_is_forgotten),
		cmocka_unit_test(test_gone_but_not_released),
		cmocka_unit_test(test_full_table),
		cmocka_unit_test(test_made_during_commits),
	};

	return cmocka_run_group_tests(tests, up, down);
}
