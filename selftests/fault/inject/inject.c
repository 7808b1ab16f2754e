// SPDX-License-Identifier: Apache-2.0
/*
 * inject.c - lets one system call of a program fail, or kills the program at it: the n-th of all
 * its threads. Used by the scripts in selftests/fault.
 *
 *	inject DIR COMMAND...
 *
 * runs COMMAND in this process, and beside it a second one that is asked about each call of
 * calls[] (seccomp_unotify(2)). DIR/plan says what to do, and may change at any time (by rename):
 *
 *	ID CALLS PATH N WHAT     7 bpf - 12 ENOMEM
 *	                         8 openat,fsync /tmp/x/state 3 KILL
 *
 * CALLS: names, or "any"; PATH: only calls about a file whose name begins so, "-" for all; N: which
 * one, "12+" for the 12th and all after it, 0 for none; WHAT: KILL, or an errno of errnos[].
 * DIR/seen says "ID CALLS-SO-FAR HITS-SO-FAR"; a new ID begins to count at 0.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Which argument tells of the file: a path, a descriptor, or none does. */
enum about { NOTHING, PATH_0, PATH_1, FD_0 };

static const struct {
	const char *name;
	int nr;
	enum about about;
} calls[] = {
	{"bpf", __NR_bpf, NOTHING},	     {"openat", __NR_openat, PATH_1},
	{"write", __NR_write, FD_0},	     {"fsync", __NR_fsync, FD_0},
	{"fdatasync", __NR_fdatasync, FD_0}, {"fchmod", __NR_fchmod, FD_0},
	{"rename", __NR_renameat, PATH_1},   {"rename", __NR_renameat2, PATH_1},
	{"link", __NR_linkat, PATH_1},	     {"unlink", __NR_unlinkat, PATH_1},
#ifdef __NR_rename
	{"rename", __NR_rename, PATH_0},     {"link", __NR_link, PATH_0},
	{"unlink", __NR_unlink, PATH_0},
#endif
};

static const struct {
	const char *name;
	int nr;
} errnos[] = {{"ENOMEM", ENOMEM}, {"EPERM", EPERM},   {"ENOSPC", ENOSPC}, {"EIO", EIO},
	      {"EROFS", EROFS},	  {"EMFILE", EMFILE}, {"EINTR", EINTR},	  {"ENOBUFS", ENOBUFS}};

struct plan {
	char text[512]; /* as it was read: another one begins anew */
	char id[32], calls[128], path[256], what[16];
	unsigned long nth;
	bool and_after;
	unsigned long seen, hits;
};

static void die(const char *what)
{
	perror(what);
	_exit(125);
}

/* --- the plan ---------------------------------------------------------------------------------- */

static void read_plan(int dir, struct plan *p)
{
	char text[sizeof(p->text)] = "", plus = 0;
	int fd = openat(dir, "plan", O_RDONLY | O_CLOEXEC);

	if (fd >= 0) {
		ssize_t n = read(fd, text, sizeof(text) - 1);

		text[n > 0 ? n : 0] = '\0';
		(void)close(fd);
	}
	if (!strcmp(text, p->text))
		return;
	*p = (struct plan){.id = "-"};
	memcpy(p->text, text, sizeof(text));
	if (sscanf(text, "%31s %127s %255s %lu%c %15s", p->id, p->calls, p->path, &p->nth, &plus,
		   p->what) != 6)
		p->nth = 0;
	p->and_after = plus == '+';
}

static void write_seen(int fd, const struct plan *p)
{
	char text[96];
	int n = snprintf(text, sizeof(text), "%s %lu %lu\n", p->id, p->seen, p->hits);

	if (pwrite(fd, text, (size_t)n, 0) != n || ftruncate(fd, n) < 0)
		die("seen");
}

static bool is_named(const char *list, const char *name)
{
	size_t n = strlen(name);

	if (!strcmp(list, "any"))
		return true;
	for (const char *at = list; (at = strstr(at, name)); at += n)
		if ((at == list || at[-1] == ',') && (!at[n] || at[n] == ','))
			return true;
	return false;
}

static int errno_of(const char *name)
{
	for (size_t i = 0; i < COUNT(errnos); i++)
		if (!strcmp(errnos[i].name, name))
			return errnos[i].nr;
	return ENOSYS;
}

/* --- one call ---------------------------------------------------------------------------------- */

/* The name of the file that a call is about; "" if it is about none. */
static void file_of(const struct seccomp_notif *req, enum about about, char *ret, size_t size)
{
	struct iovec here = {ret, size - 1}, there;
	char link[64];
	ssize_t n = 0;

	memset(ret, 0, size);
	switch (about) {
	case NOTHING:
		return;
	case FD_0:
		snprintf(link, sizeof(link), "/proc/%d/fd/%d", (int)req->pid,
			 (int)req->data.args[0]);
		n = readlink(link, ret, size - 1);
		break;
	case PATH_0:
	case PATH_1:
		there.iov_base = (void *)(uintptr_t)req->data.args[about == PATH_1];
		/* up to the end of its page: what lies behind may not be there */
		there.iov_len = 4096 - ((uintptr_t)there.iov_base & 4095);
		if (there.iov_len > size - 1)
			there.iov_len = size - 1;
		n = process_vm_readv((pid_t)req->pid, &here, 1, &there, 1, 0);
		break;
	}
	if (n < 0)
		*ret = '\0';
}

/* Is it the planned one? It is counted if it is of the planned kind. */
static bool is_hit(struct plan *p, const struct seccomp_notif *req)
{
	char file[256];

	for (size_t i = 0; i < COUNT(calls); i++) {
		if (calls[i].nr != req->data.nr || !is_named(p->calls, calls[i].name))
			continue;
		if (strcmp(p->path, "-") != 0) {
			file_of(req, calls[i].about, file, sizeof(file));
			if (strncmp(file, p->path, strlen(p->path)) != 0)
				return false;
		}
		p->seen++;
		return p->nth && (p->seen == p->nth || (p->and_after && p->seen > p->nth));
	}
	return false;
}

static void decide(int listener, int seen, struct plan *p, const struct seccomp_notif *req)
{
	struct seccomp_notif_resp resp = {.id = req->id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
	unsigned long before = p->seen;
	bool hit = is_hit(p, req);

	p->hits += hit;
	/* before it goes on: who reads it then finds this call counted */
	if (p->seen != before)
		write_seen(seen, p);
	if (hit && !strcmp(p->what, "KILL")) {
		(void)kill((pid_t)req->pid, SIGKILL);
		return;
	}
	if (hit) {
		resp.flags = 0;
		resp.error = -errno_of(p->what);
	}
	/* ENOENT: it was killed meanwhile */
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &resp) < 0 && errno != ENOENT)
		die("answer");
}

static void watch(int listener, int dir)
{
	int seen = openat(dir, "seen", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	struct pollfd wait = {.fd = listener, .events = POLLIN};
	struct plan plan = {.id = "-"};

	if (seen < 0)
		die("seen");
	for (;;) {
		struct seccomp_notif req = {0};

		if (poll(&wait, 1, -1) < 0 && errno != EINTR)
			die("poll");
		/* the last of its threads is gone */
		if (wait.revents & POLLHUP)
			return;
		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &req) < 0)
			continue;
		read_plan(dir, &plan);
		decide(listener, seen, &plan, &req);
	}
}

/* --- two processes ----------------------------------------------------------------------------- */

static int filter_install(void)
{
	struct sock_filter code[2 * COUNT(calls) + 2];
	struct sock_fprog prog = {.filter = code};
	unsigned short n = 0;
	int fd;

	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						 offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < COUNT(calls); i++) {
		code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
							 (unsigned int)calls[i].nr, 0, 1);
		code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
	}
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	prog.len = n;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		die("no_new_privs");
	fd = (int)syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
			  &prog);
	if (fd < 0)
		die("seccomp");
	return fd;
}

union control {
	char room[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

static void fd_send(int sock, int fd)
{
	union control control = {0};
	struct iovec one = {(char[]){0}, 1};
	struct msghdr msg = {.msg_iov = &one,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control.room)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	if (sendmsg(sock, &msg, 0) != 1)
		die("sendmsg");
}

static int fd_receive(int sock)
{
	union control control = {0};
	char byte;
	struct iovec one = {&byte, 1};
	struct msghdr msg = {.msg_iov = &one,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control.room)};
	int fd;

	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) != 1 || !CMSG_FIRSTHDR(&msg))
		_exit(125);
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

int main(int argc, char **argv)
{
	int pair[2], dir, fd;
	pid_t pid;

	if (argc < 3) {
		fprintf(stderr, "usage: inject DIR COMMAND...\n");
		return 2;
	}
	dir = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		die(argv[1]);
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		/* nobody's child: the command must not find one that it did not make */
		if (fork())
			_exit(0);
		(void)close(pair[0]);
		watch(fd_receive(pair[1]), dir);
		_exit(0);
	}
	(void)waitpid(pid, NULL, 0);
	fd = filter_install();
	fd_send(pair[0], fd);
	(void)close(fd);
	(void)close(pair[0]);
	(void)close(pair[1]);
	(void)execvp(argv[2], argv + 2);
	die(argv[2]);
}
