/* SPDX-License-Identifier: Apache-2.0 */
/*
 * talk.h - conversations between two puppets: one TCP connection and what can be said about it,
 * and packets that no socket would send. Used by selftests/net.
 */
#ifndef BH_TEST_TALK_H
#define BH_TEST_TALK_H

#include <stdbool.h>
#include "puppet.h"

struct pkt;

struct talk {
	struct puppet *client, *server;
	int client_fd, server_fd;
};

/* A socket of @p's family of @addr, bound to @from unless that is NULL. Fails the test if not. */
int talk_socket(struct puppet *p, int type, const char *addr, const char *from);

/* @client connects to @server's @listener at @addr. Fails the test if it can't. */
struct talk talk_open(struct puppet *client, const char *from, struct puppet *server, int listener,
		      const char *addr, int port);
/* One message each way. Fails the test if it does not get through. */
void talk_both_ways(const struct talk *t);
void talk_close(const struct talk *t);
/* Reads until the error that ends it, at most @ms. Return: -errno, 0 = orderly end, 1 = alive. */
int talk_ends(struct puppet *p, int fd, int ms);

/* Whether @p gets through to @addr: 0, or -errno of connect(). Nobody accepts. */
int talk_try(struct puppet *p, const char *from, const char *addr, int port);

/* Sends an IP packet from a raw socket of @p, as pkt.h built it. */
void talk_inject(struct puppet *p, const struct pkt *pkt, const char *to);

/* Wall time in ms since some moment. */
long talk_now_ms(void);

#endif
