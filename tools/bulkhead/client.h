/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client.h - the other end of <runtime-dir>/control.sock: lines of JSON, with every wait and
 * every size bounded, since the agent may be hung and the socket may be somebody else's.
 */
#ifndef BH_CLIENT_H
#define BH_CLIENT_H

#include <jansson.h>
#include <signal.h>
#include "../../agent/base/diag.h"

#define BH_CLIENT_SILENT_MS  2000
#define BH_CLIENT_SLOW_MS    60000 /* apply and its like: the agent may be busy with it */
#define BH_CLIENT_TOTAL_MS   15000 /* from an answer's first byte to its last */
#define BH_CLIENT_MAX_ANSWER (64u << 20)
#define BH_CLIENT_MAX_EVENT  (1u << 20)

struct bh_client {
	const char *path;
	int fd;
	char *buf; /* received and not yet parsed */
	size_t n, room;
};

/* Return: 0, or -errno with what to do in @d. */
int bh_client_open(struct bh_client *c, const char *path, struct bh_diags *d);
int bh_client_send(struct bh_client *c, const char *verb, const json_t *args, struct bh_diags *d);

struct bh_wait {
	int first_ms;	  /* for the first byte; -1 = for ever */
	size_t max_bytes; /* of the line */
	bool goes_on;	  /* an end between two lines is no broken answer */
	/* Set by a handler of SIGINT or SIGTERM: then -EINTR, with nothing in @d. NULL: nobody does. */
	const volatile sig_atomic_t *stop;
	/* Called once when nothing came for BH_CLIENT_SILENT_MS and @first_ms is longer; may be NULL */
	void (*slow)(void *ctx);
	void *ctx;
};

/* One line, which must be an object. Return: 0, or -errno with what to do in @d. */
int bh_client_receive(struct bh_client *c, const struct bh_wait *wait, struct bh_diags *d,
		      json_t **ret);

/* Whether the next one is there: then it takes no time. */
bool bh_client_has_line(const struct bh_client *c);

void bh_client_close(struct bh_client *c);

#define _cleanup_client_ _cleanup_(bh_client_close)

#endif
