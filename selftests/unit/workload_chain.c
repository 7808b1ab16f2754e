// SPDX-License-Identifier: Apache-2.0
/*
 * workload_chain.c - agent/workload/chain.c: where a process comes from, by a /proc made up here;
 * and by the real one.
 */
#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <cmocka.h>
#include "../../agent/workload/chain.h"

#define TICK_NS 10000000ull
#define PTS(n)	((n & 0xff) | 136 << 8)

static char proc[64];

static int up(void **state)
{
	(void)state;
	snprintf(proc, sizeof(proc), "/tmp/bh-test-%d", (int)getpid());
	return mkdir(proc, 0700);
}

static int gone(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static int down(void **state)
{
	(void)state;
	return nftw(proc, gone, 8, FTW_DEPTH | FTW_PHYS);
}

static void put(pid_t pid, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%d", proc, (int)pid);
	assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
	snprintf(path, sizeof(path), "%s/%d/stat", proc, (int)pid);
	f = fopen(path, "we");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

/* One process; @began in ticks. */
static void task(pid_t pid, const char *name, pid_t parent, pid_t session, int tty, unsigned began)
{
	char text[512];

	snprintf(text, sizeof(text),
		 "%d (%s) S %d %d %d %d -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 %u 12345 678 1844674\n",
		 (int)pid, name, (int)parent, (int)session, (int)session, tty, began);
	put(pid, text);
}

static struct bh_chain chain;

/* The numbers in the chain of @pid, as text. */
static const char *walk(pid_t pid)
{
	static char text[1024];
	size_t at = 0;

	assert_int_equal(bh_chain_read(proc, pid, &chain), 0);
	text[0] = '\0';
	for (size_t i = 0; i < chain.n; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%d", i ? " " : "",
				       (int)chain.v[i].pid);
	return text;
}

/* sshd's way to a shell, and sudo in it */
static void login(void)
{
	task(1, "systemd", 0, 1, 0, 1);
	task(500, "sshd", 1, 500, 0, 900);
	task(600, "sshd", 500, 600, 0, 5000);
	task(601, "sshd", 600, 600, 0, 5010);
	task(602, "bash", 601, 602, PTS(3), 5011);
	task(700, "sudo", 602, 602, PTS(3), 6000);
	task(701, "bulkhead", 700, 701, PTS(4), 6001);
}

static void test_a_login(void **state)
{
	(void)state;
	login();
	assert_string_equal(walk(701), "701 700 602 601 600 500 1");
	assert_string_equal(chain.v[2].name, "bash");
	assert_int_equal(chain.v[2].tty_major, 136);
	assert_int_equal(chain.v[2].tty_minor, 3);
	assert_false(chain.v[2].console);
	assert_int_equal(chain.v[4].start_ns, 5000 * TICK_NS);
	assert_int_equal(chain.v[4].tty_major, 0);
	assert_false(chain.v[4].console);
}

/* Its leader lives, and whoever started it does not. */
static void test_a_session_leader_beside(void **state)
{
	(void)state;
	login();
	task(710, "bulkhead", 1, 602, PTS(3), 7000);
	assert_string_equal(walk(710), "710 1 602");
	/* by then the number is another's: it leads no such session, or is younger */
	task(602, "cron", 1, 55, 0, 5011);
	assert_string_equal(walk(710), "710 1");
	task(602, "cron", 1, 602, 0, 7001);
	assert_string_equal(walk(710), "710 1");
}

static void test_a_number_taken_over(void **state)
{
	(void)state;
	login();
	task(601, "cron", 1, 601, 0, 5012);
	assert_string_equal(walk(701), "701 700 602");
	/* in one tick both may have begun */
	task(601, "sshd", 600, 600, 0, 5011);
	assert_string_equal(walk(701), "701 700 602 601 600 500 1");
}

static void test_it_ends(void **state)
{
	(void)state;
	login();
	/* beyond what we may see */
	task(700, "sudo", 0, 0, PTS(3), 6000);
	assert_string_equal(walk(701), "701 700");
	task(700, "sudo", 9999, 602, PTS(3), 6000);
	assert_string_equal(walk(701), "701 700");
	/* what can't be, and would go round for ever */
	task(700, "sudo", 701, 602, PTS(3), 6000);
	assert_string_equal(walk(701), "701 700");
	task(701, "bulkhead", 701, 701, PTS(3), 6000);
	assert_string_equal(walk(701), "701");
	assert_int_equal(bh_chain_read(proc, 4711, &chain), -ESRCH);
}

static void test_it_is_bounded(void **state)
{
	(void)state;
	for (int i = 1; i <= 200; i++)
		task(1000 + i, "sh", 999 + i, 1001, 0, (unsigned)(10 + i));
	assert_int_equal(bh_chain_read(proc, 1200, &chain), 0);
	/* and the session leader, which is farther away */
	assert_int_equal(chain.n, BH_CHAIN_MAX + 1);
	assert_int_equal(chain.v[BH_CHAIN_MAX - 1].pid, 1200 - BH_CHAIN_MAX + 1);
	assert_int_equal(chain.v[BH_CHAIN_MAX].pid, 1001);
}

static void test_odd_names(void **state)
{
	(void)state;
	task(1, "systemd", 0, 1, 0, 1);
	task(800, "a) S 1 1 1 (b", 1, 800, 0, 50);
	task(801, "", 800, 800, 0, 51);
	task(802, "(sd-pam)", 801, 800, 0, 52);
	assert_string_equal(walk(802), "802 801 800 1");
	assert_string_equal(chain.v[0].name, "(sd-pam)");
	assert_string_equal(chain.v[1].name, "");
	assert_string_equal(chain.v[2].name, "a) S 1 1 1 (b");
}

static void test_garbage(void **state)
{
	static const char *const bad[] = {"",		"900",
					  "900 (x",	"900 x) S 1 1 1",
					  "900 )x( S",	"900 (x) S 1 2 3 4 5 6",
					  "901 (x) S 1"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		put(900, bad[i]);
		assert_int_equal(bh_chain_read(proc, 900, &chain), -EBADMSG);
	}
	/* another's line */
	task(900, "x", 1, 1, 0, 10);
	put(902, "900 (x) S 1 2 3 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 10 0 0\n");
	assert_int_equal(bh_chain_read(proc, 902, &chain), -EBADMSG);
	/* a parent that can't be read ends it */
	task(903, "y", 902, 1, 0, 11);
	task(1, "systemd", 0, 1, 0, 1);
	assert_string_equal(walk(903), "903 1");
}

static void test_consoles(void **state)
{
	static const struct {
		unsigned int major, minor;
		bool console;
	} ttys[] = {
		{4, 1, true},	 {4, 63, true},	  {4, 64, true}, {5, 1, true},	{229, 0, true},
		{204, 64, true}, {227, 1, true},  {5, 0, false}, {5, 2, false}, {136, 0, false},
		{136, 4, false}, {143, 1, false}, {3, 1, false}, {0, 0, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ttys); i++)
		if (bh_tty_is_console(ttys[i].major, ttys[i].minor) != ttys[i].console)
			fail_msg("%u:%u", ttys[i].major, ttys[i].minor);
	task(1, "systemd", 0, 1, 0, 1);
	task(850, "bash", 1, 850, (int)(4u << 8 | 2), 10);
	assert_string_equal(walk(850), "850 1");
	assert_true(chain.v[0].console);
	/* pts 0x12345: minors from 256 on stand apart, and the sign is no matter */
	task(850, "bash", 1, 850, (int)(136u << 8 | 0x45 | 0x123u << 20), 10);
	(void)walk(850);
	assert_int_equal(chain.v[0].tty_major, 136);
	assert_int_equal(chain.v[0].tty_minor, 0x12345);
	assert_false(chain.v[0].console);
}

/* The real /proc: a child of ours began now, and we are its parent. */
static void test_real(void **state)
{
	struct timespec before, after;
	pid_t pid;

	(void)state;
	assert_int_equal(clock_gettime(CLOCK_BOOTTIME, &before), 0);
	pid = fork();
	if (pid == 0)
		for (;;)
			pause();
	assert_true(pid > 0);
	assert_int_equal(clock_gettime(CLOCK_BOOTTIME, &after), 0);
	assert_int_equal(bh_chain_read("/proc", pid, &chain), 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_true(chain.n >= 2);
	assert_int_equal(chain.v[0].pid, pid);
	assert_int_equal(chain.v[1].pid, getpid());
	assert_string_equal(chain.v[0].name, "workload_chain");
	/* down to the tick */
	assert_true(chain.v[0].start_ns + TICK_NS >
		    (__u64)before.tv_sec * 1000000000ull + (__u64)before.tv_nsec);
	assert_true(chain.v[0].start_ns <=
		    (__u64)after.tv_sec * 1000000000ull + (__u64)after.tv_nsec);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_login),
		cmocka_unit_test(test_a_session_leader_beside),
		cmocka_unit_test(test_a_number_taken_over),
		cmocka_unit_test(test_it_ends),
		cmocka_unit_test(test_it_is_bounded),
		cmocka_unit_test(test_odd_names),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_consoles),
		cmocka_unit_test(test_real),
	};

	return cmocka_run_group_tests(tests, up, down);
}
