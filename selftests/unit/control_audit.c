/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control_audit.c - the audit log goes on where it stopped: after a restart, a line cut short
 * by a power loss, a disk that was full. Tests agent/control/audit.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <cmocka.h>
#include "../../agent/base/io.h"
#include "../../agent/control/audit.h"

static char dir[64], path[96];

static int64_t wall_ms(void)
{
	return 1767225600000;
}

static const struct bh_clock clock_fixed = {.wall_ms = wall_ms};

static int setup(_unused_ void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/bh-test-%d", (int)getpid());
	snprintf(path, sizeof(path), "%s/audit.jsonl", dir);
	return mkdir(dir, 0700);
}

static int teardown(_unused_ void **state)
{
	(void)unlink(path);
	(void)rmdir(path);
	return rmdir(dir);
}

static struct bh_audit *must_open(void)
{
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_audit *a = NULL;
	int r = bh_audit_open(dir, &clock_fixed, &d, &a);

	if (r < 0)
		fail_msg("%s", d.list[0].text);
	return a;
}

static int add(struct bh_audit *a, const char *verb)
{
	json_auto_t *what = json_pack("{s:s}", "verb", verb);

	return bh_audit_add(a, what);
}

static char *whole(void)
{
	char *text = NULL;

	assert_int_equal(bh_file_read(path, 1 << 20, &text, NULL), 0);
	return text;
}

static void a_line_each(_unused_ void **state)
{
	_cleanup_(bh_audit_closep) struct bh_audit *a = must_open();
	_cleanup_free_ char *text = NULL;

	assert_int_equal(bh_audit_seq(a), 0);
	assert_int_equal(add(a, "apply"), 0);
	assert_int_equal(add(a, "mode"), 0);
	text = whole();
	assert_string_equal(text,
			    "{\"seq\":1,\"time\":\"2026-01-01T00:00:00Z\",\"verb\":\"apply\"}\n"
			    "{\"seq\":2,\"time\":\"2026-01-01T00:00:00Z\",\"verb\":\"mode\"}\n");
}

static void goes_on(_unused_ void **state)
{
	for (unsigned int i = 0; i < 5; i++) {
		_cleanup_(bh_audit_closep) struct bh_audit *a = must_open();

		assert_int_equal(bh_audit_seq(a), i);
		assert_int_equal(add(a, "apply"), 0);
	}
}

/* Cut at every byte of its last line: the next number is right and stands on a line of its own. */
static void cut_short(_unused_ void **state)
{
	_cleanup_free_ char *good = NULL;
	size_t first, bytes;

	for (int i = 0; i < 2; i++) {
		_cleanup_(bh_audit_closep) struct bh_audit *a = must_open();

		assert_int_equal(add(a, "apply"), 0);
	}
	good = whole();
	bytes = strlen(good);
	first = (size_t)(strchr(good, '\n') - good) + 1;
	for (size_t n = first; n < bytes; n++) {
		_cleanup_(bh_audit_closep) struct bh_audit *a = NULL;
		_cleanup_free_ char *text = NULL;
		char *last;

		assert_int_equal(bh_file_replace(path, good, n, 0600, NULL), 0);
		a = must_open();
		/* the whole line without its newline counts: it is all there */
		assert_int_equal(bh_audit_seq(a), n == bytes - 1 ? 2 : 1);
		assert_int_equal(add(a, "mode"), 0);
		text = whole();
		text[strlen(text) - 1] = '\0';
		last = strrchr(text, '\n') + 1;
		assert_memory_equal(last, n == bytes - 1 ? "{\"seq\":3" : "{\"seq\":2", 8);
	}
}

static void a_long_log(_unused_ void **state)
{
	_cleanup_(bh_audit_closep) struct bh_audit *a = must_open();
	char verb[1000];

	memset(verb, 'v', sizeof(verb) - 1);
	verb[sizeof(verb) - 1] = '\0';
	for (int i = 0; i < 300; i++)
		assert_int_equal(add(a, verb), 0);
	bh_audit_close(a);
	a = must_open();
	assert_int_equal(bh_audit_seq(a), 300);
}

/* Room for only a part of the line: it is taken back, and the number is used again. */
static void the_disk_is_full(_unused_ void **state)
{
	_cleanup_(bh_audit_closep) struct bh_audit *a = must_open();
	_cleanup_free_ char *text = NULL;
	struct rlimit was, full;

	assert_int_equal(add(a, "apply"), 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	(void)signal(SIGXFSZ, SIG_IGN);
	full = (struct rlimit){80, was.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &full), 0);
	assert_int_equal(add(a, "mode"), -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	assert_int_equal(bh_audit_seq(a), 1);
	assert_int_equal(add(a, "detach"), 0);
	text = whole();
	assert_non_null(strstr(text, "\n{\"seq\":2"));
	assert_null(strstr(text, "mode"));
}

static void no_log_there(_unused_ void **state)
{
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_audit *a = NULL;

	assert_int_equal(mkdir(path, 0700), 0);
	assert_true(bh_audit_open(dir, &clock_fixed, &d, &a) < 0);
	assert_non_null(strstr(d.list[0].text, path));
	assert_null(a);
	assert_int_equal(rmdir(path), 0);
	/* a pipe would block whoever opens it, a link leads elsewhere */
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_true(bh_audit_open(dir, &clock_fixed, &d, &a) < 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/dev/null", path), 0);
	assert_true(bh_audit_open(dir, &clock_fixed, &d, &a) < 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_line_each), TEST(goes_on),	   TEST(cut_short),
		TEST(a_long_log),  TEST(the_disk_is_full), TEST(no_log_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
