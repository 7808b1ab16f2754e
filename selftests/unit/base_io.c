/* SPDX-License-Identifier: Apache-2.0 */
/* base_io.c - whole files: limits, what a failed replace leaves, and what it must not follow. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "../../agent/base/io.h"

static char dir[64];

/* Names inside the test's directory; four at a time. */
static const char *in_dir(const char *name)
{
	static char path[4][256];
	static int at;

	at = (at + 1) % 4;
	(void)snprintf(path[at], sizeof(path[at]), "%s/%s", dir, name);
	return path[at];
}

static int setup(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/bh-test-%d-io", (int)getpid());
	return mkdir(dir, 0700);
}

static int teardown(void **state)
{
	char command[128];

	(void)state;
	(void)snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static void has(const char *path, const char *expected)
{
	_cleanup_free_ char *text = NULL;
	size_t n = 0;

	assert_int_equal(bh_file_read(path, 1 << 20, &text, &n), 0);
	assert_int_equal(n, strlen(expected));
	assert_string_equal(text, expected);
}

static void test_read(void **state)
{
	const char *path = in_dir("read");
	char big[10000], *text = NULL;
	size_t n = 7;

	(void)state;
	memset(big, 'x', sizeof(big));
	big[5000] = '\0'; /* not the end of a file */
	assert_int_equal(bh_file_read(path, 100, &text, &n), -ENOENT);
	assert_int_equal(bh_file_replace(path, big, sizeof(big), 0600, NULL), 0);
	assert_int_equal(bh_file_read(path, sizeof(big) - 1, &text, &n), -EFBIG);
	assert_null(text);
	assert_int_equal(n, 7);
	assert_int_equal(bh_file_read(path, sizeof(big), &text, &n), 0);
	assert_int_equal(n, sizeof(big));
	assert_memory_equal(text, big, sizeof(big));
	assert_int_equal(text[n], 0);
	free(text);
	assert_int_equal(bh_file_read(dir, 100, &text, NULL), -EISDIR);
	/* A file without a size, and one that never ends. */
	assert_int_equal(bh_file_read("/proc/self/status", 1 << 20, &text, &n), 0);
	assert_true(n > 100);
	free(text);
	assert_int_equal(bh_file_read("/dev/zero", 1 << 20, &text, NULL), -EFBIG);
}

static void test_read_fifo(void **state)
{
	const char *path = in_dir("fifo");
	char *text = NULL;

	/* Nobody writes: must not wait for ever. */
	(void)state;
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(bh_file_read(path, 100, &text, NULL), 0);
	assert_string_equal(text, "");
	free(text);
}

static void test_replace(void **state)
{
	const char *path = in_dir("state"), *keep = in_dir("state.old");
	struct stat st;

	(void)state;
	assert_int_equal(bh_file_replace(path, "one", 3, 0640, keep), 0);
	has(path, "one");
	assert_int_equal(access(keep, F_OK), -1);
	assert_int_equal(bh_file_replace(path, "two", 3, 0600, keep), 0);
	has(path, "two");
	has(keep, "one");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(bh_file_replace(path, "", 0, 0600, NULL), 0);
	has(path, "");
	has(keep, "one");
}

/* Left over by a crash, or put there by somebody else: neither is followed nor kept. */
static void test_replace_leftover(void **state)
{
	const char *path = in_dir("left"), *aside = in_dir("left.new"), *victim = in_dir("victim");

	(void)state;
	assert_int_equal(bh_file_replace(aside, "half of a", 9, 0600, NULL), 0);
	assert_int_equal(bh_file_replace(path, "whole", 5, 0600, NULL), 0);
	has(path, "whole");
	assert_int_equal(access(aside, F_OK), -1);

	assert_int_equal(bh_file_replace(victim, "mine", 4, 0600, NULL), 0);
	assert_int_equal(symlink(victim, aside), 0);
	assert_int_equal(bh_file_replace(path, "evil", 4, 0600, NULL), -ELOOP);
	has(victim, "mine");
	has(path, "whole");
	assert_int_equal(unlink(aside), 0);

	/* a second name of another file: its owner would be another one, too */
	assert_int_equal(link(victim, aside), 0);
	assert_int_equal(bh_file_replace(path, "new", 3, 0600, NULL), 0);
	has(victim, "mine");
	has(path, "new");
}

/* A write that fails halfway leaves the old file, and nothing beside it. */
static void test_replace_full(void **state)
{
	const char *path = in_dir("full"), *aside = in_dir("full.new");
	static char big[100000];
	int status;
	pid_t pid;

	(void)state;
	assert_int_equal(bh_file_replace(path, "old", 3, 0600, NULL), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		const struct rlimit limit = {4096, 4096};

		signal(SIGXFSZ, SIG_IGN);
		if (setrlimit(RLIMIT_FSIZE, &limit))
			_exit(2);
		_exit(bh_file_replace(path, big, sizeof(big), 0600, in_dir("full.old")) == -EFBIG
			      ? 0
			      : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	has(path, "old");
	assert_int_equal(access(aside, F_OK), -1);
	assert_int_equal(access(in_dir("full.old"), F_OK), -1);
}

/* As `bulkheadd rescue` does, by root in the directory of an agent that has a user of its own. */
static void test_replace_by_root(void **state)
{
	const char *path = in_dir("theirs/state");
	struct stat st;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(mkdir(in_dir("theirs"), 0700), 0);
	assert_int_equal(chown(in_dir("theirs"), 65534, 65533), 0);
	assert_int_equal(bh_file_replace(path, "x", 1, 0600, NULL), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, 65534);
	assert_int_equal(st.st_gid, 65533);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void test_mkdir_p(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(bh_mkdir_p(in_dir("a/b/c"), 0700), 0);
	assert_int_equal(stat(in_dir("a/b/c"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_equal(bh_mkdir_p(in_dir("a/b/c"), 0700), 0);
	assert_int_equal(bh_file_replace(in_dir("file"), "x", 1, 0600, NULL), 0);
	assert_int_equal(bh_mkdir_p(in_dir("file/d"), 0700), -ENOTDIR);
	assert_int_equal(bh_dir_sync_of(in_dir("none/x")), -ENOENT);
	assert_int_equal(bh_dir_sync_of("no-slash"), 0);
}

static void test_write_all(void **state)
{
	int fds[2];

	(void)state;
	assert_int_equal(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
	assert_int_equal(bh_write_all(fds[1], "abc", 3), 0);
	(void)close(fds[1]);
	assert_int_equal(bh_write_all(fds[1], "abc", 3), -EBADF);
	(void)close(fds[0]);
}

/* Those that are there stay; writing to one that was not is an error, and no file gets its number. */
static void test_std_fds(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		int kept = dup(STDERR_FILENO), r;

		(void)close(STDIN_FILENO);
		(void)close(STDOUT_FILENO);
		r = bh_std_fds();
		if (r < 0 || open("/dev/null", O_RDONLY | O_CLOEXEC) <= STDERR_FILENO)
			_exit(1);
		if (read(STDIN_FILENO, &r, 1) != -1 || write(STDOUT_FILENO, "x", 1) != -1)
			_exit(2);
		_exit(write(STDERR_FILENO, "", 0) == 0 && kept > STDERR_FILENO ? 0 : 3);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),	     cmocka_unit_test(test_read_fifo),
		cmocka_unit_test(test_replace),	     cmocka_unit_test(test_replace_leftover),
		cmocka_unit_test(test_replace_full), cmocka_unit_test(test_mkdir_p),
		cmocka_unit_test(test_write_all),    cmocka_unit_test(test_replace_by_root),
		cmocka_unit_test(test_std_fds),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
