/* SPDX-License-Identifier: Apache-2.0 */
/* workload_newborn.c - agent/workload/newborn.c on a directory of its own: what it must not miss. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>
#include "../../agent/workload/newborn.h"

static char root[64];

static void make(const char *sub)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", root, sub);
	assert_int_equal(mkdir(path, 0755), 0);
}

static void unmake(const char *sub)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", root, sub);
	assert_int_equal(rmdir(path), 0);
}

static bool is_told(const struct bh_newborn *n)
{
	struct pollfd p = {.fd = bh_newborn_fd(n), .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

static void test_made_anywhere(void **state)
{
	_cleanup_(bh_newborn_closep) struct bh_newborn *n = NULL;

	(void)state;
	make("old");
	assert_int_equal(bh_newborn_open(root, &n), 0);
	assert_false(is_told(n));
	assert_int_equal(bh_newborn_read(n), 0);
	make("new");
	assert_true(is_told(n));
	assert_int_equal(bh_newborn_read(n), 1);
	assert_int_equal(bh_newborn_read(n), 0);
	/* below what was there, and below what came */
	make("old/a");
	make("new/a");
	assert_int_equal(bh_newborn_read(n), 1);
	/* made before its parent was watched */
	make("new/a/b");
	make("new/a/b/c");
	assert_int_equal(bh_newborn_read(n), 1);
	make("new/a/b/c/d");
	assert_true(is_told(n));
	assert_int_equal(bh_newborn_read(n), 1);
}

static void test_what_goes_is_not_new(void **state)
{
	_cleanup_(bh_newborn_closep) struct bh_newborn *n = NULL;
	char path[PATH_MAX];
	int fd;

	(void)state;
	make("gone");
	assert_int_equal(bh_newborn_open(root, &n), 0);
	unmake("gone");
	assert_int_equal(bh_newborn_read(n), 0);
	/* as a service that writes its own cgroup.procs */
	snprintf(path, sizeof(path), "%s/file", root);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(bh_newborn_read(n), 1);
	assert_int_equal(write(fd, "1", 1), 1);
	bh_closep(&fd);
	assert_int_equal(bh_newborn_read(n), 0);
}

/* More than the kernel keeps: nobody can say what was made. */
static void test_a_flood(void **state)
{
	_cleanup_(bh_newborn_closep) struct bh_newborn *n = NULL;
	char name[32];

	(void)state;
	assert_int_equal(bh_newborn_open(root, &n), 0);
	for (int i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name), "flood-%d", i);
		make(name);
		unmake(name);
	}
	make("last");
	assert_int_equal(bh_newborn_read(n), 1);
	make("last/below");
	assert_int_equal(bh_newborn_read(n), 1);
}

static void test_no_such_root(void **state)
{
	struct bh_newborn *n = NULL;

	(void)state;
	assert_int_equal(bh_newborn_open("/nonexistent/cgroup", &n), -ENOENT);
	assert_null(n);
}

static int up(void **state)
{
	(void)state;
	strcpy(root, "/tmp/bh-test-newborn-XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int down(void **state)
{
	char cmd[128];

	(void)state;
	snprintf(cmd, sizeof(cmd), "rm -rf %s", root);
	return system(cmd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_made_anywhere, up, down),
		cmocka_unit_test_setup_teardown(test_what_goes_is_not_new, up, down),
		cmocka_unit_test_setup_teardown(test_a_flood, up, down),
		cmocka_unit_test_setup_teardown(test_no_such_root, up, down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
