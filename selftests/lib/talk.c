/* SPDX-License-Identifier: Apache-2.0 */
/* talk.c - conversations between two puppets, see talk.h. */
#include "talk.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>
#include "pkt.h"

int talk_socket(struct puppet *p, int type, const char *addr, const char *from)
{
	int fd = pup_socket(p, strchr(addr, ':') ? AF_INET6 : AF_INET, type, 0);

	assert_true(fd >= 0);
	if (from)
		assert_int_equal(pup_bind(p, fd, from, 0), 0);
	return fd;
}

struct talk talk_open(struct puppet *client, const char *from, struct puppet *server, int listener,
		      const char *addr, int port)
{
	struct talk t = {.client = client, .server = server};

	t.client_fd = talk_socket(client, SOCK_STREAM, addr, from);
	assert_int_equal(pup_connect(client, t.client_fd, addr, port), 0);
	t.server_fd = pup_accept(server, listener);
	assert_true(t.server_fd >= 0);
	return t;
}

static void one_way(struct puppet *from, int from_fd, struct puppet *to, int to_fd,
		    const char *text)
{
	const char *got;
	int r;

	assert_int_equal(pup_send(from, from_fd, text), strlen(text));
	got = pup_recv(to, to_fd, &r);
	if (!got)
		fail_msg("'%s' did not arrive: %s", text, strerror(-r));
	assert_string_equal(got, text);
}

void talk_both_ways(const struct talk *t)
{
	one_way(t->client, t->client_fd, t->server, t->server_fd, "ask");
	one_way(t->server, t->server_fd, t->client, t->client_fd, "answer");
}

void talk_close(const struct talk *t)
{
	(void)pup_close(t->client, t->client_fd);
	(void)pup_close(t->server, t->server_fd);
}

int talk_ends(struct puppet *p, int fd, int ms)
{
	int r;

	assert_int_equal(pup_patience(p, fd, ms), 0);
	(void)pup_recv(p, fd, &r);
	return r == -EAGAIN ? 1 : r;
}

int talk_try(struct puppet *p, const char *from, const char *addr, int port)
{
	int fd = talk_socket(p, SOCK_STREAM, addr, from);
	int r = pup_connect(p, fd, addr, port);

	assert_int_equal(pup_close(p, fd), 0);
	return r;
}

void talk_inject(struct puppet *p, const struct pkt *pkt, const char *to)
{
	size_t len = pkt->len - pkt->l3;
	int fd = pup_socket(p, strchr(to, ':') ? AF_INET6 : AF_INET, SOCK_RAW, IPPROTO_RAW);

	assert_true(fd >= 0);
	assert_int_equal(pup_write(p, fd, pkt->data + pkt->l3, len, to, 0), len);
	assert_int_equal(pup_close(p, fd), 0);
}

long talk_now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}
