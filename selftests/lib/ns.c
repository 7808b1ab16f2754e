/* SPDX-License-Identifier: Apache-2.0 */
/* ns.c - network namespaces for tests, see ns.h. */
#include "ns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int current(void)
{
	int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int ns_enter(int fd, int *ret_back)
{
	int back = current();

	if (back < 0)
		return back;
	if (setns(fd, CLONE_NEWNET)) {
		int err = -errno;

		(void)close(back);
		return err;
	}
	if (ret_back)
		*ret_back = back;
	else
		(void)close(back);
	return 0;
}

int ns_make(int *ret_fd)
{
	int back = current(), fd, err;

	if (back < 0)
		return back;
	if (unshare(CLONE_NEWNET)) {
		err = -errno;
		(void)close(back);
		return err;
	}
	fd = current();
	err = fd < 0 ? fd : ns_cmd(-1, "ip", "link", "set", "lo", "up");
	if (setns(back, CLONE_NEWNET) && !err)
		err = -errno;
	(void)close(back);
	if (err) {
		if (fd >= 0)
			(void)close(fd);
		return err < 0 ? err : -EIO;
	}
	*ret_fd = fd;
	return 0;
}

int ns_run(int fd, const char *const argv[])
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return -errno;
	if (!pid) {
		if (fd >= 0 && setns(fd, CLONE_NEWNET))
			_exit(126);
		/* An alarm outlives exec: no command can hang the test. */
		(void)signal(SIGALRM, SIG_DFL);
		(void)alarm(10);
		execvp(argv[0], (char *const *)argv);
		perror(argv[0]);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : -ETIME;
}

int ns_addr(int fd, const char *dev, const char *addr)
{
	int err = strchr(addr, ':') ? ns_cmd(fd, "ip", "addr", "add", addr, "dev", dev, "nodad")
				    : ns_cmd(fd, "ip", "addr", "add", addr, "dev", dev);

	return err > 0 ? -EIO : err;
}

int ns_veth(int fd_a, const char *name_a, const char *addr_a, int fd_b, const char *name_b,
	    const char *addr_b)
{
	char there[64];
	int err;

	(void)snprintf(there, sizeof(there), "/proc/%d/fd/%d", (int)getpid(), fd_b);
	err = ns_cmd(fd_a, "ip", "link", "add", name_a, "type", "veth", "peer", "name", name_b,
		     "netns", there);
	if (!err)
		err = ns_cmd(fd_a, "ip", "link", "set", name_a, "up");
	if (!err)
		err = ns_cmd(fd_b, "ip", "link", "set", name_b, "up");
	if (!err && addr_a)
		err = ns_addr(fd_a, name_a, addr_a);
	if (!err && addr_b)
		err = ns_addr(fd_b, name_b, addr_b);
	return err > 0 ? -EIO : err;
}
