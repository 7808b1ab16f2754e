/* SPDX-License-Identifier: Apache-2.0 */
/*
 * canary.h - a process in a cgroup of its own that does what the hooks are for, and tells what
 * became of it. Used by cmd_doctor.c.
 */
#ifndef BH_CANARY_H
#define BH_CANARY_H

#include <stdint.h>
#include "../../agent/base/cleanup.h"

/* Addresses that are nobody's: of the documentation's networks (RFC 5737, 3849); discard. */
#define BH_CANARY_ADDR4 "192.0.2.1"
#define BH_CANARY_ADDR6 "2001:db8::1"
#define BH_CANARY_PORT	9

/* In the order in which they are done. */
enum bh_act {
	BH_ACT_SOCKET,
	BH_ACT_SETSOCKOPT,
	BH_ACT_CONNECT4, /* TCP to BH_CANARY_ADDR4 */
	BH_ACT_CONNECT6,
	BH_ACT_SENDMSG4, /* UDP */
	BH_ACT_SENDMSG6,
	BH_ACT_BIND4, /* 127.0.0.1 */
	BH_ACT_BIND6, /* ::1 */
	BH_ACT_LISTEN,
	BH_ACT_KNOCK, /* a connection to where that was */
	BH_ACT_MAX,
};

/* What a kernel without the family, or a namespace without an address of it, says. */
#define BH_ACT_UNTRIED (-1)

struct bh_canary {
	char *dir;		   /* NULL: there is none */
	int32_t error[BH_ACT_MAX]; /* errno of each act, 0, or BH_ACT_UNTRIED */
};

/**
 * bh_canary_hatch - make its cgroup below @root
 *
 * Until bh_canary_clear() SIGINT, SIGTERM and SIGHUP wait. Removes what a killed one left.
 * Return: 0 or -errno.
 */
int bh_canary_hatch(struct bh_canary *c, const char *root);
/* Do it all, in a child of ours, within seconds. Return: 0, -ETIMEDOUT, -errno. */
int bh_canary_sing(struct bh_canary *c);
/* Return: 0 or -errno: the cgroup is still there. */
int bh_canary_clear(struct bh_canary *c);
/* "/bulkhead-canary-PID", as the agent calls it. */
const char *bh_canary_name(const struct bh_canary *c);

#endif
