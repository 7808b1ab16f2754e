/* SPDX-License-Identifier: Apache-2.0 */
/* puppet.c - a workload on strings, see puppet.h. */
#include "puppet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "cg.h"
#include "ns.h"

/* --- the wire ------------------------------------------------------------------------------------ */

union fd_message {
	char space[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

static int say(int wire, struct pup_call *c)
{
	struct iovec iov = {c, sizeof(*c)};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	union fd_message control = {0};

	if (c->fd >= 0) {
		struct cmsghdr *h;

		m.msg_control = &control;
		m.msg_controllen = sizeof(control);
		h = CMSG_FIRSTHDR(&m);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(h), &c->fd, sizeof(int));
	}
	return sendmsg(wire, &m, MSG_NOSIGNAL) == (ssize_t)sizeof(*c) ? 0 : -EPIPE;
}

static int hear(int wire, struct pup_call *c)
{
	struct iovec iov = {c, sizeof(*c)};
	union fd_message control = {0};
	struct msghdr m = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *h;

	if (recvmsg(wire, &m, 0) != (ssize_t)sizeof(*c))
		return -EPIPE;
	c->fd = -1;
	h = CMSG_FIRSTHDR(&m);
	if (h && h->cmsg_type == SCM_RIGHTS)
		memcpy(&c->fd, CMSG_DATA(h), sizeof(int));
	return 0;
}

static void dance(int wire)
{
	struct pup_call c;

	while (hear(wire, &c) == 0) {
		int sent;

		errno = 0;
		c.ret = c.fn(&c);
		sent = c.fd;
		if (say(wire, &c))
			break;
		if (sent >= 0)
			(void)close(sent);
	}
	_exit(0);
}

struct puppet *pup_start(const char *cgroup, int ns)
{
	struct puppet *p = calloc(1, sizeof(*p));
	int wire[2], err = cg_make(cgroup, NULL);

	assert_non_null(p);
	assert_int_equal(err, 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, wire), 0);
	(void)fflush(stdout);
	p->pid = fork();
	assert_true(p->pid >= 0);
	if (!p->pid) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)signal(SIGPIPE, SIG_IGN);
		(void)close(wire[0]);
		if (cg_move(cgroup, 0) || ns_enter(ns, NULL))
			_exit(1);
		dance(wire[1]);
	}
	(void)close(wire[1]);
	p->wire = wire[0];
	p->patience_ms = PUP_PATIENCE_MS;
	return p;
}

void pup_stop(struct puppet *p)
{
	if (!p)
		return;
	(void)close(p->wire);
	(void)kill(p->pid, SIGKILL);
	(void)waitpid(p->pid, NULL, 0);
	free(p);
}

static long call(struct puppet *p, struct pup_call *c, int fd)
{
	c->fd = fd;
	if (say(p->wire, c) || hear(p->wire, c))
		fail_msg("the puppet %d is gone", (int)p->pid);
	return c->ret;
}

long pup_do(struct puppet *p, struct pup_call *c)
{
	return call(p, c, -1);
}

long pup_give(struct puppet *p, struct pup_call *c, int fd)
{
	long r = call(p, c, fd);

	if (c->fd >= 0)
		(void)close(c->fd);
	return r;
}

/* --- addresses ----------------------------------------------------------------------------------- */

socklen_t pup_addr(const char *text, int port, struct sockaddr_storage *ret)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};

	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
		memcpy(ret, &v4, sizeof(v4));
		return sizeof(v4);
	}
	if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1) {
		memcpy(ret, &v6, sizeof(v6));
		return sizeof(v6);
	}
	return 0;
}

static void address(struct pup_call *c, const char *text, int port)
{
	c->addr_len = text ? pup_addr(text, port, &c->addr) : 0;
	if (text && !c->addr_len)
		fail_msg("'%s' is no address", text);
}

/* --- what a puppet can ------------------------------------------------------------------------------ */

static long result(long r)
{
	return r < 0 ? -errno : r;
}

static void be_patient(int fd, long ms)
{
	struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
}

static long do_socket(struct pup_call *c)
{
	int fd = socket((int)c->a[0], (int)c->a[1] | SOCK_CLOEXEC, (int)c->a[2]);

	if (fd >= 0)
		be_patient(fd, c->a[3]);
	return result(fd);
}

int pup_socket(struct puppet *p, int family, int type, int proto)
{
	struct pup_call c = {.fn = do_socket, .a = {family, type, proto, p->patience_ms}};

	return (int)pup_do(p, &c);
}

static long do_bind(struct pup_call *c)
{
	return result(bind((int)c->a[0], (void *)&c->addr, c->addr_len));
}

int pup_bind(struct puppet *p, int fd, const char *addr, int port)
{
	struct pup_call c = {.fn = do_bind, .a = {fd}};

	address(&c, addr, port);
	return (int)pup_do(p, &c);
}

static long do_listen(struct pup_call *c)
{
	return result(listen((int)c->a[0], (int)c->a[1]));
}

int pup_listen(struct puppet *p, int fd, int backlog)
{
	struct pup_call c = {.fn = do_listen, .a = {fd, backlog}};

	return (int)pup_do(p, &c);
}

static long do_connect(struct pup_call *c)
{
	return result(connect((int)c->a[0], (void *)&c->addr, c->addr_len));
}

int pup_connect(struct puppet *p, int fd, const char *addr, int port)
{
	struct pup_call c = {.fn = do_connect, .a = {fd}};

	address(&c, addr, port);
	return (int)pup_do(p, &c);
}

int pup_disconnect(struct puppet *p, int fd)
{
	struct pup_call c = {.fn = do_connect, .a = {fd}, .addr_len = sizeof(struct sockaddr)};

	c.addr.ss_family = AF_UNSPEC;
	return (int)pup_do(p, &c);
}

static long do_accept(struct pup_call *c)
{
	return result(accept4((int)c->a[0], NULL, NULL, SOCK_CLOEXEC));
}

int pup_accept(struct puppet *p, int fd)
{
	struct pup_call c = {.fn = do_accept, .a = {fd}};

	return (int)pup_do(p, &c);
}

static long do_shutdown(struct pup_call *c)
{
	return result(shutdown((int)c->a[0], (int)c->a[1]));
}

int pup_shutdown(struct puppet *p, int fd, int how)
{
	struct pup_call c = {.fn = do_shutdown, .a = {fd, how}};

	return (int)pup_do(p, &c);
}

static long do_close(struct pup_call *c)
{
	return result(close((int)c->a[0]));
}

int pup_close(struct puppet *p, int fd)
{
	struct pup_call c = {.fn = do_close, .a = {fd}};

	return (int)pup_do(p, &c);
}

static long do_set(struct pup_call *c)
{
	return result(
		setsockopt((int)c->a[0], (int)c->a[1], (int)c->a[2], c->data, (socklen_t)c->len));
}

int pup_set_raw(struct puppet *p, int fd, int level, int option, const void *value, size_t size)
{
	struct pup_call c = {.fn = do_set, .a = {fd, level, option}, .len = size};

	assert_true(size <= sizeof(c.data));
	memcpy(c.data, value, size);
	return (int)pup_do(p, &c);
}

int pup_set(struct puppet *p, int fd, int level, int option, int value)
{
	return pup_set_raw(p, fd, level, option, &value, sizeof(value));
}

static long do_get(struct pup_call *c)
{
	int value = 0;
	socklen_t len = sizeof(value);
	int r = getsockopt((int)c->a[0], (int)c->a[1], (int)c->a[2], &value, &len);

	return r < 0 ? -errno : value;
}

int pup_get(struct puppet *p, int fd, int level, int option)
{
	struct pup_call c = {.fn = do_get, .a = {fd, level, option}};

	return (int)pup_do(p, &c);
}

static long do_patience(struct pup_call *c)
{
	be_patient((int)c->a[0], c->a[1]);
	return 0;
}

int pup_patience(struct puppet *p, int fd, int ms)
{
	struct pup_call c = {.fn = do_patience, .a = {fd, ms}};

	return (int)pup_do(p, &c);
}

static long do_port(struct pup_call *c)
{
	struct sockaddr_storage at;
	socklen_t len = sizeof(at);

	if (getsockname((int)c->a[0], (void *)&at, &len))
		return -errno;
	return ntohs(at.ss_family == AF_INET ? ((struct sockaddr_in *)&at)->sin_port
					     : ((struct sockaddr_in6 *)&at)->sin6_port);
}

int pup_port(struct puppet *p, int fd)
{
	struct pup_call c = {.fn = do_port, .a = {fd}};

	return (int)pup_do(p, &c);
}

static long do_send(struct pup_call *c)
{
	return result(sendto((int)c->a[0], c->data, c->len, MSG_NOSIGNAL,
			     c->addr_len ? (void *)&c->addr : NULL, c->addr_len));
}

int pup_write(struct puppet *p, int fd, const void *data, size_t len, const char *addr, int port)
{
	struct pup_call c = {.fn = do_send, .a = {fd}, .len = len};

	assert_true(len <= sizeof(c.data));
	memcpy(c.data, data, len);
	address(&c, addr, port);
	return (int)pup_do(p, &c);
}

int pup_sendto(struct puppet *p, int fd, const char *text, const char *addr, int port)
{
	return pup_write(p, fd, text, strlen(text), addr, port);
}

int pup_send(struct puppet *p, int fd, const char *text)
{
	return pup_write(p, fd, text, strlen(text), NULL, 0);
}

static long do_recv(struct pup_call *c)
{
	ssize_t n = recv((int)c->a[0], c->data, sizeof(c->data) - 1, 0);

	if (n < 0)
		return -errno;
	c->data[n] = '\0';
	return n;
}

const char *pup_recv(struct puppet *p, int fd, int *ret_err)
{
	static struct pup_call c;

	c = (struct pup_call){.fn = do_recv, .a = {fd}};
	*ret_err = (int)pup_do(p, &c);
	return *ret_err < 0 ? NULL : c.data;
}

static long do_answer(struct pup_call *c)
{
	socklen_t len = sizeof(c->addr);
	char got[PUP_DATA_MAX];

	if (recvfrom((int)c->a[0], got, sizeof(got), 0, (void *)&c->addr, &len) < 0)
		return -errno;
	if (sendto((int)c->a[0], c->data, c->len, MSG_NOSIGNAL, len ? (void *)&c->addr : NULL,
		   len) < 0)
		return -errno;
	return 0;
}

int pup_answer(struct puppet *p, int fd, const char *text)
{
	struct pup_call c = {.fn = do_answer, .a = {fd}, .len = strlen(text)};

	memcpy(c.data, text, c.len);
	return (int)pup_do(p, &c);
}

static long do_give(struct pup_call *c)
{
	c->fd = dup((int)c->a[0]);
	return result(c->fd);
}

static long do_take(struct pup_call *c)
{
	return result(dup(c->fd));
}

int pup_fetch(struct puppet *p, int fd)
{
	struct pup_call give = {.fn = do_give, .a = {fd}};
	long r = pup_do(p, &give);

	return r < 0 ? (int)r : give.fd;
}

int pup_pass(struct puppet *from, int fd, struct puppet *to)
{
	struct pup_call take = {.fn = do_take};
	int here = pup_fetch(from, fd);
	long r;

	if (here < 0)
		return here;
	r = call(to, &take, here);
	(void)close(here);
	if (take.fd >= 0)
		(void)close(take.fd);
	return (int)r;
}

static long do_become(struct pup_call *c)
{
	return result(setresuid((uid_t)c->a[0], (uid_t)c->a[0], (uid_t)c->a[0]));
}

int pup_become(struct puppet *p, uid_t uid)
{
	struct pup_call c = {.fn = do_become, .a = {(long)uid}};

	return (int)pup_do(p, &c);
}

int pup_serve(struct puppet *p, int type, const char *addr, int port)
{
	int fd = pup_socket(p, strchr(addr, ':') ? AF_INET6 : AF_INET, type, 0), r;

	assert_true(fd >= 0);
	assert_int_equal(pup_set(p, fd, SOL_SOCKET, SO_REUSEADDR, type == SOCK_STREAM), 0);
	r = pup_bind(p, fd, addr, port);
	if (!r && type == SOCK_STREAM)
		r = pup_listen(p, fd, 64);
	if (r)
		fail_msg("can't serve %s port %d: %s", addr, port, strerror(-r));
	return fd;
}
