/* SPDX-License-Identifier: Apache-2.0 */
/*
 * canary.c - see canary.h. Nothing of it goes far: a packet that is let out ends at the first
 * router, and none is answered.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include "canary.h"
#include "../../agent/base/io.h"

#define PREFIX	    "bulkhead-canary-"
#define TIMEOUT_MS  3000
#define LOOPBACK_MS 1000

static sigset_t signals_before;

/* --- its cgroup ------------------------------------------------------------------------------------ */

/* One whose doctor was killed: its process ended with it. */
static void remove_stale(const char *root)
{
	DIR *d = opendir(root);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		char *end;
		long pid;

		if (strncmp(e->d_name, PREFIX, strlen(PREFIX)) != 0)
			continue;
		pid = strtol(e->d_name + strlen(PREFIX), &end, 10);
		if (pid > 0 && !*end && kill((pid_t)pid, 0) < 0 && errno == ESRCH)
			(void)unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR);
	}
	if (d)
		(void)closedir(d);
}

int bh_canary_hatch(struct bh_canary *c, const char *root)
{
	sigset_t wait;

	*c = (struct bh_canary){};
	for (int i = 0; i < BH_ACT_MAX; i++)
		c->error[i] = BH_ACT_UNTRIED;
	remove_stale(root);
	if (asprintf(&c->dir, "%s/" PREFIX "%d", root, (int)getpid()) < 0) {
		c->dir = NULL;
		return -ENOMEM;
	}
	(void)sigemptyset(&wait);
	(void)sigaddset(&wait, SIGINT);
	(void)sigaddset(&wait, SIGTERM);
	(void)sigaddset(&wait, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &wait, &signals_before);
	if (mkdir(c->dir, 0755) < 0) {
		int r = -errno;

		free(c->dir);
		c->dir = NULL;
		(void)sigprocmask(SIG_SETMASK, &signals_before, NULL);
		return r;
	}
	return 0;
}

const char *bh_canary_name(const struct bh_canary *c)
{
	return c->dir ? strrchr(c->dir, '/') : "";
}

int bh_canary_clear(struct bh_canary *c)
{
	int r = 0;

	if (!c->dir)
		return 0;
	/* its last process may be on its way out */
	for (int i = 0; i < 100; i++) {
		r = rmdir(c->dir) < 0 ? -errno : 0;
		if (r != -EBUSY)
			break;
		(void)usleep(10000);
	}
	free(c->dir);
	c->dir = NULL;
	(void)sigprocmask(SIG_SETMASK, &signals_before, NULL);
	return r;
}

/* --- what it does ----------------------------------------------------------------------------------- */

union place {
	struct sockaddr sa;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static union place place_of(int family, const char *text, uint16_t port, socklen_t *ret_len)
{
	union place p = {};

	p.sa.sa_family = (sa_family_t)family;
	if (family == AF_INET) {
		(void)inet_pton(family, text, &p.v4.sin_addr);
		p.v4.sin_port = htons(port);
		*ret_len = sizeof(p.v4);
	} else {
		(void)inet_pton(family, text, &p.v6.sin6_addr);
		p.v6.sin6_port = htons(port);
		*ret_len = sizeof(p.v6);
	}
	return p;
}

static int error_of(int r)
{
	return r < 0 ? errno : 0;
}

/* Non-blocking. Return: fd, or -1: no such family here, or a hook refused it. */
static int make(struct bh_canary *c, int family, int type)
{
	int one = 1, fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), e = error_of(fd);

	if (e != EAFNOSUPPORT && c->error[BH_ACT_SOCKET] <= 0)
		c->error[BH_ACT_SOCKET] = e;
	if (fd < 0)
		return -1;
	/* no further than the first router */
	e = error_of(family == AF_INET
			     ? setsockopt(fd, IPPROTO_IP, IP_TTL, &one, sizeof(one))
			     : setsockopt(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &one, sizeof(one)));
	if (c->error[BH_ACT_SETSOCKOPT] <= 0)
		c->error[BH_ACT_SETSOCKOPT] = e;
	return fd;
}

static void reach_out(struct bh_canary *c, int family, int type, enum bh_act act)
{
	_cleanup_close_ int fd = make(c, family, type);
	socklen_t len;
	union place to = place_of(family, family == AF_INET ? BH_CANARY_ADDR4 : BH_CANARY_ADDR6,
				  BH_CANARY_PORT, &len);

	if (fd < 0)
		return;
	c->error[act] =
		error_of(type == SOCK_STREAM ? connect(fd, &to.sa, len)
					     : (int)sendto(fd, "", 0, MSG_DONTWAIT, &to.sa, len));
}

/* Return: a bound socket or -1. */
static int bind_local(struct bh_canary *c, int family, enum bh_act act)
{
	_cleanup_close_ int fd = make(c, family, SOCK_STREAM);
	socklen_t len;
	union place at = place_of(family, family == AF_INET ? "127.0.0.1" : "::1", 0, &len);
	int e = fd < 0 ? EADDRNOTAVAIL : error_of(bind(fd, &at.sa, len));

	if (e == EADDRNOTAVAIL)
		return -1;
	c->error[act] = e;
	return e ? -1 : TAKE_FD(fd);
}

/*
 * To a port where nobody listens any more: the kernel refuses it, whatever the policy says, after
 * a packet out and one in.
 */
static void knock(struct bh_canary *c, const union place *to, socklen_t len)
{
	_cleanup_close_ int fd = make(c, AF_INET, SOCK_STREAM);
	struct pollfd wait = {.fd = fd, .events = POLLOUT};
	socklen_t size = sizeof(int);
	int e;

	if (fd < 0)
		return;
	e = error_of(connect(fd, &to->sa, len));
	if (e == EINPROGRESS) {
		if (poll(&wait, 1, LOOPBACK_MS) != 1)
			e = ETIMEDOUT;
		else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &size) < 0)
			e = errno;
	}
	c->error[BH_ACT_KNOCK] = e;
}

static void act(struct bh_canary *c)
{
	_cleanup_close_ int four = -1, six = -1;
	union place to;
	socklen_t len = sizeof(to);

	reach_out(c, AF_INET, SOCK_STREAM, BH_ACT_CONNECT4);
	reach_out(c, AF_INET6, SOCK_STREAM, BH_ACT_CONNECT6);
	reach_out(c, AF_INET, SOCK_DGRAM, BH_ACT_SENDMSG4);
	reach_out(c, AF_INET6, SOCK_DGRAM, BH_ACT_SENDMSG6);
	four = bind_local(c, AF_INET, BH_ACT_BIND4);
	six = bind_local(c, AF_INET6, BH_ACT_BIND6);
	if (four < 0 || getsockname(four, &to.sa, &len) < 0)
		return;
	c->error[BH_ACT_LISTEN] = error_of(listen(four, 1));
	bh_closep(&four);
	four = -1;
	knock(c, &to, len);
}

/* --- the child ---------------------------------------------------------------------------------------- */

static int move_to(const char *dir)
{
	_cleanup_close_ int fd = -1, at = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (at < 0)
		return -errno;
	fd = openat(at, "cgroup.procs", O_WRONLY | O_CLOEXEC);
	return fd < 0 ? -errno : bh_write_all(fd, "0", 1);
}

_Noreturn static void child(struct bh_canary *c, pid_t parent, int out)
{
	int32_t r;

	/* it goes with us, whatever kills us */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(1);
	r = move_to(c->dir);
	if (r == 0)
		act(c);
	if (bh_write_all(out, &r, sizeof(r)) < 0 ||
	    bh_write_all(out, c->error, sizeof(c->error)) < 0)
		_exit(1);
	_exit(0);
}

static int64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Return: 0, -ETIMEDOUT, -EPIPE (it ended before), -errno. */
static int hear(int fd, void *to, size_t size)
{
	int64_t end = now_ms() + TIMEOUT_MS;
	char *at = to;

	while (size) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int64_t left = end - now_ms();
		ssize_t n;

		if (left <= 0 || poll(&p, 1, (int)left) == 0)
			return -ETIMEDOUT;
		n = read(fd, at, size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EPIPE;
		at += n;
		size -= (size_t)n;
	}
	return 0;
}

int bh_canary_sing(struct bh_canary *c)
{
	_cleanup_close_ int in = -1, out = -1;
	pid_t parent = getpid(), pid;
	int32_t moved = 0;
	int fds[2], r;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	in = fds[0];
	out = fds[1];
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		child(c, parent, out);
	bh_closep(&out);
	out = -1;
	r = hear(in, &moved, sizeof(moved));
	if (r == 0)
		r = moved;
	if (r == 0)
		r = hear(in, c->error, sizeof(c->error));
	(void)kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return r;
}
