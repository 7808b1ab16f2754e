/* SPDX-License-Identifier: Apache-2.0 */
/* workload_proc.c - who logged in and on which terminal. Tests agent/workload/proc.c. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <cmocka.h>
#include "../../agent/base/io.h"
#include "../../agent/workload/proc.h"

/* As /proc/PID/stat writes a device: new_encode_dev() of the kernel. */
static unsigned int dev_of(unsigned int major, unsigned int minor)
{
	return (minor & 0xff) | major << 8 | (minor & ~0xffu) << 12;
}

static void names_of_terminals(_unused_ void **state)
{
	static const struct {
		unsigned int major, minor;
		const char *name;
	} rows[] = {
		{136, 0, "pts/0"},
		{136, 3, "pts/3"},
		{136, 1000, "pts/1000"},
		{137, 5, "pts/261"},
		{4, 1, "tty1"},
		{4, 63, "tty63"},
		{4, 64, "ttyS0"},
		{4, 67, "ttyS3"},
		{5, 1, "console"},
		{204, 64, "ttyAMA0"},
		{188, 2, "ttyUSB2"},
		{229, 0, "hvc0"},
		{166, 1, "ttyACM1"},
		{204, 5, "204:5"},
		{250, 7, "250:7"},
		{4, 300, "4:300"},
		{136, 70000, "pts/70000"},
	};
	char name[BH_TTY_TEXT];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		bh_tty_name(dev_of(rows[i].major, rows[i].minor), name);
		assert_string_equal(name, rows[i].name);
	}
	bh_tty_name(0, name);
	assert_string_equal(name, "");
}

/* A process with a terminal, and a name that looks like more of its line. */
static void on_a_terminal(_unused_ void **state)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), go[2], status;
	char slave[64], name[BH_TTY_TEXT], c;
	pid_t pid;

	assert_true(master >= 0);
	assert_int_equal(grantpt(master), 0);
	assert_int_equal(unlockpt(master), 0);
	assert_int_equal(ptsname_r(master, slave, sizeof(slave)), 0);
	assert_int_equal(pipe(go), 0);
	pid = fork();
	if (!pid) {
		bool ok = setsid() > 0 && prctl(PR_SET_NAME, "x) S 1 1 1 103") == 0 &&
			  open(slave, O_RDWR) >= 0;

		(void)!write(go[1], ok ? "y" : "n", 1);
		for (;;)
			pause();
	}
	assert_int_equal(read(go[0], &c, 1), 1);
	assert_int_equal(c, 'y');
	assert_int_equal(bh_proc_tty(pid, name), 0);
	assert_string_equal(name, slave + strlen("/dev/"));
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(master);
	close(go[0]);
	close(go[1]);
	assert_int_equal(bh_proc_tty(pid, name), -ESRCH);
}

static void who_logged_in(_unused_ void **state)
{
	_cleanup_free_ char *text = NULL;
	__u32 uid;

	assert_int_equal(bh_proc_loginuid(getpid(), &uid), 0);
	if (bh_file_read("/proc/self/loginuid", 64, &text, NULL) == 0)
		assert_int_equal(uid, strtoul(text, NULL, 10));
	else
		assert_int_equal(uid, BH_PROC_NO_LOGIN);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_of_terminals),
		cmocka_unit_test(on_a_terminal),
		cmocka_unit_test(who_logged_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
