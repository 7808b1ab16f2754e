/* SPDX-License-Identifier: Apache-2.0 */
/* socketacts.c - see socketacts.h. */
#include "socketacts.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>
#include "../../agent/base/cleanup.h"

/* --- clients ------------------------------------------------------------------------------------------- */

static int open_fd[ACT_SLOTS];

long act_begin(struct pup_call *c)
{
	struct sockaddr_storage from;
	struct linger hard = {.l_onoff = 1};
	int fd = socket(c->addr.ss_family, (int)c->a[1] | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
	bool stream = c->a[1] == SOCK_STREAM;

	memcpy(&from, c->data, sizeof(from));
	open_fd[c->a[0]] = fd;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	if (fd < 0 || bind(fd, (void *)&from, c->addr_len))
		return -errno - ACT_FAILED;
	if (stream || c->a[2]) {
		if (connect(fd, (void *)&c->addr, c->addr_len) && errno != EINPROGRESS)
			return -errno;
		if (stream)
			return 0;
	}
	if (sendto(fd, "?", 1, 0, c->a[2] ? NULL : (void *)&c->addr, c->a[2] ? 0 : c->addr_len) < 0)
		return -errno;
	return 0;
}

long act_look(struct pup_call *c)
{
	struct pollfd p = {.fd = open_fd[c->a[0]], .events = c->a[1] ? POLLOUT : POLLIN};
	int error = 0;
	socklen_t len = sizeof(error);

	if (p.fd < 0 || poll(&p, 1, 0) <= 0)
		return 0;
	(void)getsockopt(p.fd, SOL_SOCKET, SO_ERROR, &error, &len);
	return error ? 2 : 1;
}

long act_end(struct pup_call *c)
{
	if (c->a[1])
		return open_fd[c->a[0]];
	if (open_fd[c->a[0]] >= 0)
		(void)close(open_fd[c->a[0]]);
	return -1;
}

/* --- servers ------------------------------------------------------------------------------------------- */

static int child[1024], n_children;

/* From the address that was asked: IPV6_PKTINFO goes back as it came. */
static bool answer_one(int fd)
{
	_Alignas(struct cmsghdr) char control[128];
	struct sockaddr_storage from;
	char byte;
	struct iovec iov = {&byte, 1};
	struct msghdr m = {
		.msg_name = &from,
		.msg_namelen = sizeof(from),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};

	if (recvmsg(fd, &m, MSG_DONTWAIT) < 0)
		return false;
	(void)sendmsg(fd, &m, MSG_DONTWAIT);
	return true;
}

long act_serve(struct pup_call *c)
{
	struct linger hard = {.l_onoff = 1};
	char byte;
	int fd, kept = 0;

	while ((fd = accept4((int)c->a[0], NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
		if (n_children < (int)ARRAY_SIZE(child))
			child[n_children++] = fd;
		else
			(void)close(fd);
	}
	while (answer_one((int)c->a[1]))
		;
	for (int i = 0; i < n_children; i++) {
		ssize_t n;

		while ((n = recv(child[i], &byte, 1, MSG_DONTWAIT)) > 0)
			(void)send(child[i], &byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN)
			child[kept++] = child[i];
		else
			(void)close(child[i]);
	}
	n_children = kept;
	return 0;
}

long act_unblock(struct pup_call *c)
{
	int one = 1;

	if (setsockopt((int)c->a[1], IPPROTO_IPV6, IPV6_RECVPKTINFO, &one, sizeof(one)))
		return -errno;
	for (int i = 0; i < 2; i++)
		if (fcntl((int)c->a[i], F_SETFL, O_NONBLOCK))
			return -errno;
	return 0;
}

long act_ask(struct pup_call *c)
{
	return send((int)c->a[0], "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1 ? 0 : -errno;
}

long act_hear(struct pup_call *c)
{
	char byte;

	return recv((int)c->a[0], &byte, 1, MSG_DONTWAIT) == 1;
}

long act_close(struct pup_call *c)
{
	return close((int)c->a[0]);
}
