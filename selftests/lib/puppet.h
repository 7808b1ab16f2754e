/* SPDX-License-Identifier: Apache-2.0 */
/*
 * puppet.h - a workload on strings: a process in a cgroup and a network namespace that makes the
 * socket calls a test tells it to, one by one. Used by selftests/net.
 *
 * Calls return what the system call did, or -errno. Addresses are text: "10.77.0.1" makes a
 * sockaddr_in, "fd77::1" and "::ffff:10.77.0.1" a sockaddr_in6. No call waits longer than the
 * puppet's patience: connect() then gives -EINPROGRESS, the others -EAGAIN.
 */
#ifndef BH_TEST_PUPPET_H
#define BH_TEST_PUPPET_H

#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

#define PUP_DATA_MAX	2048
#define PUP_PATIENCE_MS 3000 /* of one that expects an answer */
#define PUP_SHORT_MS	80   /* of one that expects none */

struct puppet {
	pid_t pid;
	int wire;
	int patience_ms; /* of the sockets it makes from now on */
};

/* What travels to the puppet and back. */
struct pup_call {
	long (*fn)(struct pup_call *c); /* runs in the puppet; the program is the same */
	long a[4];
	struct sockaddr_storage addr;
	socklen_t addr_len;
	size_t len;
	char data[PUP_DATA_MAX];
	int fd; /* travels along (SCM_RIGHTS); -1 = none */
	long ret;
};

/**
 * pup_start - fork a puppet into @cgroup (see cg_make(), which is called) and namespace @ns
 * Fails the test if it can't. It dies with the test.
 */
struct puppet *pup_start(const char *cgroup, int ns);
void pup_stop(struct puppet *p);

/* Runs @c->fn in the puppet. Return: what it returned; @c is as it left it. */
long pup_do(struct puppet *p, struct pup_call *c);
/* The same with a descriptor of the test's, which @c->fn finds as c->fd. */
long pup_give(struct puppet *p, struct pup_call *c, int fd);

int pup_socket(struct puppet *p, int family, int type, int proto);
int pup_bind(struct puppet *p, int fd, const char *addr, int port);
int pup_listen(struct puppet *p, int fd, int backlog);
int pup_connect(struct puppet *p, int fd, const char *addr, int port);
int pup_disconnect(struct puppet *p, int fd); /* connect() to AF_UNSPEC */
int pup_accept(struct puppet *p, int fd);
int pup_shutdown(struct puppet *p, int fd, int how);
int pup_close(struct puppet *p, int fd);
int pup_set(struct puppet *p, int fd, int level, int option, int value);
int pup_set_raw(struct puppet *p, int fd, int level, int option, const void *value, size_t size);
int pup_get(struct puppet *p, int fd, int level, int option);
int pup_patience(struct puppet *p, int fd, int ms);
/* The local port. */
int pup_port(struct puppet *p, int fd);

int pup_send(struct puppet *p, int fd, const char *text);
int pup_sendto(struct puppet *p, int fd, const char *text, const char *addr, int port);
int pup_write(struct puppet *p, int fd, const void *data, size_t len, const char *addr, int port);
/* What came, ended by a NUL, good until the next call to any puppet; NULL and *ret_err if none. */
const char *pup_recv(struct puppet *p, int fd, int *ret_err);
/* Receives and sends @text back to whoever it came from. Return: 0 or -errno. */
int pup_answer(struct puppet *p, int fd, const char *text);
/* A descriptor of @from's in @to, as SCM_RIGHTS passes it. */
int pup_pass(struct puppet *from, int fd, struct puppet *to);
/* A descriptor of @p's in the test itself, or -errno. */
int pup_fetch(struct puppet *p, int fd);
/* Changes the puppet's user (the file system user id, too). */
int pup_become(struct puppet *p, uid_t uid);

/* A listening TCP socket, or a bound UDP one. Fails the test if it can't. */
int pup_serve(struct puppet *p, int type, const char *addr, int port);
/* Text to a socket address. Return: its length, 0 if it is no address. */
socklen_t pup_addr(const char *text, int port, struct sockaddr_storage *ret);

#endif
