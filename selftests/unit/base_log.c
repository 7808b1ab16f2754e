/* SPDX-License-Identifier: Apache-2.0 */
/* base_log.c - lines on stderr: whole, levelled, and never in the agent's way. Tests log.c. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "../../agent/base/log.h"

static int kept = -1, pipe_fd[2];

static int setup(_unused_ void **state)
{
	kept = dup(STDERR_FILENO);
	if (kept < 0 || pipe(pipe_fd) < 0 || dup2(pipe_fd[1], STDERR_FILENO) < 0)
		return -1;
	close(pipe_fd[1]);
	(void)unsetenv("JOURNAL_STREAM");
	return 0;
}

static int teardown(_unused_ void **state)
{
	(void)dup2(kept, STDERR_FILENO);
	close(kept);
	close(pipe_fd[0]);
	bh_log_set_max(BH_LOG_INFO);
	return 0;
}

static const char *heard(void)
{
	static char text[8192];
	ssize_t n;

	(void)fcntl(pipe_fd[0], F_SETFL, O_NONBLOCK);
	n = read(pipe_fd[0], text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void levels(_unused_ void **state)
{
	bh_debug("not this");
	bh_info("a %d", 1);
	bh_error("b");
	assert_string_equal(heard(), "bulkheadd: info: a 1\nbulkheadd: error: b\n");
	bh_log_set_max(BH_LOG_ERROR);
	bh_warning("nor this");
	assert_string_equal(heard(), "");
	(void)setenv("JOURNAL_STREAM", "1:2", 1);
	bh_error("c");
	assert_string_equal(heard(), "<3>c\n");
	(void)unsetenv("JOURNAL_STREAM");
}

static void a_long_line(_unused_ void **state)
{
	char text[5000];
	const char *got;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	bh_error("%s", text);
	got = heard();
	assert_true(strlen(got) < 2100);
	assert_int_equal(got[strlen(got) - 1], '\n');
}

/*
 * A reason, a cgroup or a file may have any name: it makes no line of its own, with a level of its
 * choice, and moves no cursor.
 */
static void a_name_stays_in_its_line(_unused_ void **state)
{
	(void)setenv("JOURNAL_STREAM", "1:2", 1);
	bh_error("x\n<6>audit record 7\r\x1b[2J\x7f\xc2\x9b");
	assert_string_equal(heard(), "<3>x <6>audit record 7 ?[2J???\n");
	(void)unsetenv("JOURNAL_STREAM");
}

/* A test that hangs is ended by SIGALRM. */
static void nobody_reads(_unused_ void **state)
{
	alarm(10);
	for (int i = 0; i < 10000; i++)
		bh_error("line %d of a pipe that nobody reads", i);
	alarm(0);
	assert_non_null(strstr(heard(), "line 0 of"));
}

static void the_reader_is_gone(_unused_ void **state)
{
	(void)signal(SIGPIPE, SIG_IGN);
	close(pipe_fd[0]);
	bh_error("into the void");
	close(STDERR_FILENO);
	bh_error("into nothing at all");
	pipe_fd[0] = -1;
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(levels),	    TEST(a_long_line),	      TEST(a_name_stays_in_its_line),
		TEST(nobody_reads), TEST(the_reader_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
