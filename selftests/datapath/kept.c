/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kept.c - agent/kern/kept.c against the real kernel: what was pinned is told, and pins that are
 * gone are made of descriptors that somebody kept. With a real systemd: systemd/service.sh.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <cmocka.h>
#include "namerig.h"
#include "../../agent/kern/kern_internal.h"

#define KEPT_MAX 128

/* What somebody keeps of an agent that is gone. */
static struct bh_kept kept[KEPT_MAX];
static size_t n_kept;
static __u64 gen;
static __u32 link_id;

/* --- the stage ----------------------------------------------------------------------------------- */

static int keep(_unused_ void *ctx, const char *name, int fd, __u32 id)
{
	assert_true(n_kept < KEPT_MAX);
	assert_null(strchr(name, ':'));
	assert_true(id > 0);
	snprintf(kept[n_kept].name, sizeof(kept[n_kept].name), "%s", name);
	kept[n_kept].fd = dup(fd);
	assert_true(kept[n_kept++].fd >= 0);
	return 0;
}

static __u32 id_of_link(const struct bh_kern *k)
{
	__u32 id = 0;

	assert_int_equal(bh_kern_object_id(k->link[BH_PROG_CONNECT4], &id), 0);
	return id;
}

/* An agent comes and goes; its pins stay, and all of it is kept. */
static int setup(void **state)
{
	struct bh_kern *k = rig_begin(rig_opts());

	(void)state;
	rig_commit(k);
	gen = bh_kern_generation(k);
	link_id = id_of_link(k);
	n_kept = 0;
	assert_int_equal(bh_kern_each_kept(k, keep, NULL), 0);
	bh_kern_close(k);
	return 0;
}

static int teardown(void **state)
{
	struct bh_kern *k;

	(void)state;
	for (size_t i = 0; i < n_kept; i++)
		close(kept[i].fd);
	k = rig_begin(rig_opts());
	rig_end(k);
	return 0;
}

/* "" removes every pin. */
static void remove_pins(const char *sub)
{
	char cmd[256];

	snprintf(cmd, sizeof(cmd), "rm -rf '%s/%s/%s'", rig_opts().pin_dir, BH_PIN_OWN, sub);
	assert_int_equal(system(cmd), 0);
}

static int put_back(size_t n)
{
	_cleanup_diags_ struct bh_diags d = {0};

	return bh_kern_put_back(rig_opts().pin_dir, kept, n, &d);
}

/* The next agent goes on with what the first made. */
static void adopted(void)
{
	struct bh_kern *k = rig_begin(rig_opts());

	assert_int_equal(bh_kern_generation(k), gen);
	assert_int_equal(id_of_link(k), link_id);
	assert_string_equal(rig_hook(k, "cgroup/connect4"), "attached");
	bh_kern_close(k);
}

static size_t count(const char *sub)
{
	size_t n = 0;

	for (size_t i = 0; i < n_kept; i++)
		n += strstr(kept[i].name, sub) != NULL;
	return n;
}

/* --- tests --------------------------------------------------------------------------------------- */

static void test_nothing_is_gone(void **state)
{
	(void)state;
	assert_int_equal(put_back(n_kept), 0);
	adopted();
}

static void test_all_is_gone(void **state)
{
	(void)state;
	remove_pins("");
	assert_int_equal(put_back(n_kept), n_kept);
	assert_int_equal(put_back(n_kept), 0);
	adopted();
}

static void test_a_part_is_gone(void **state)
{
	static const char *const subs[] = {"links", "maps", "progs"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(subs); i++) {
		remove_pins(subs[i]);
		assert_int_equal(put_back(n_kept), count(subs[i]));
		adopted();
	}
	assert_int_equal(rig_unpin("links", "bh_connect4"), 0);
	assert_int_equal(rig_unpin("maps", "bh_ctl"), 0);
	assert_int_equal(put_back(n_kept), 2);
	adopted();
}

/* Who is killed in the middle leaves maps aside; who comes next begins again. */
static void test_killed_in_the_middle(void **state)
{
	char aside[256];

	(void)state;
	remove_pins("");
	assert_int_equal(put_back(n_kept), n_kept);
	snprintf(aside, sizeof(aside), "mv '%s/%s/maps' '%s/%s/maps_new'", rig_opts().pin_dir,
		 BH_PIN_OWN, rig_opts().pin_dir, BH_PIN_OWN);
	assert_int_equal(system(aside), 0);
	assert_int_equal(put_back(n_kept), count("maps"));
	assert_false(rig_pinned("maps_new", "bh_ctl"));
	adopted();
}

/* Links are kept last. Without one nothing is held: the next agent makes its own. */
static void test_not_all_was_kept(void **state)
{
	size_t n = 0;

	(void)state;
	while (!strstr(kept[n].name, "/links/"))
		n++;
	for (size_t i = n; i < n_kept; i++)
		assert_non_null(strstr(kept[i].name, "/links/"));
	remove_pins("");
	assert_int_equal(put_back(n), 0);
	assert_int_equal(put_back(n / 2), 0);
	assert_false(rig_pinned("maps", "bh_ctl"));
	assert_int_equal(put_back(n + 1), n + 1);
}

static void test_names_that_are_none(void **state)
{
	static const char *const names[] = {
		"stored",
		"",
		"v2",
		"v2/links",
		"v2/links/",
		"v2/links/a/b",
		"v2/links/../../x",
		"../links/a",
		"v/links/a",
		"v2x/links/a",
		"/v3/links/a",
		"v2/etc/a",
		"v2/maps_new/a",
		"v02147483648/links/a",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(kept[0].name, sizeof(kept[0].name), "%s", names[i]);
		assert_int_equal(put_back(1), 0);
	}
	adopted();
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

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nothing_is_gone),  TEST(test_all_is_gone),
		TEST(test_a_part_is_gone),   TEST(test_killed_in_the_middle),
		TEST(test_not_all_was_kept), TEST(test_names_that_are_none),
	};

	return cmocka_run_group_tests(tests, up, down);
}
