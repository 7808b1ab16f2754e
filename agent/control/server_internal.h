/* SPDX-License-Identifier: Apache-2.0 */
/* server_internal.h - what server.c and conn.c share; the tests of the server see it too. */
#ifndef BH_SERVER_INTERNAL_H
#define BH_SERVER_INTERNAL_H

#include "aside.h"
#include "request.h"
#include "server.h"

/* More requests than this in memory at once are turned away: operators' and others' apart. */
#define BH_SERVER_MAX_BYTES_IN (16u << 20)
/*
 * Who comes by the operator's door and an operator with one request go before all the others, and
 * have their turn one after the other: else who storms that door would starve who is in.
 */
#define BH_CONN_FIRST (SD_EVENT_PRIORITY_NORMAL - 10)
/* Who comes by the other door. */
#define BH_DOOR_NEXT (BH_CONN_FIRST + 1)
/* A client that follows and is so far behind is dropped. */
#define BH_CONN_MAX_BEHIND (1u << 20)

struct bh_bytes {
	char *v;
	size_t n, room;
	size_t at; /* of what goes out: sent already */
};

struct bh_conn {
	struct bh_server *server;
	struct bh_conn **place; /* in the server's table */
	int fd;
	sd_event_source *io, *timer;
	struct bh_bytes in, out;
	uid_t uid;
	bool operator;		/* may change something, or might when he came */
	struct bh_aside *aside; /* a child makes the answer */
	bool queued;		/* the first request in @in waits for a child */
	size_t searched;	/* no newline before it in @in */
	bool eof;		/* it will send no more */
	bool last;		/* hang up when @out is sent */
	bh_follow_fn follow;
	void *follow_ctx;
	bool follow_records;
	void (*after)(struct bh_agent *a);
};

/*
 * A socket that clients connect to. Who comes by which makes no difference but one: nobody without
 * root's powers stands in the operator's queue.
 */
struct bh_door {
	char *path;
	int fd;
	sd_event_source *source;
};

enum bh_door_id { BH_DOOR_READERS, BH_DOOR_OPERATOR, BH_DOORS };

struct bh_server {
	struct bh_agent *agent;
	struct bh_verb_table verbs;
	struct bh_door door[BH_DOORS];
	int spare; /* given up for a moment when there is no descriptor to take a client with */
	size_t n_aside;
	size_t turn; /* who was last to have a child of those that waited for one */
	struct bh_conn *client[BH_PROTO_MAX_CLIENTS];
};

/* Who came. */
struct bh_guest {
	uid_t uid;
	bool operator;
};

/* Takes @fd over on success. Return: 0 or -errno. */
int bh_conn_new(struct bh_server *s, int fd, struct bh_guest who, struct bh_conn **place);
/* A child is free: the one that waits for it. May hang up. */
void bh_conn_resume(struct bh_conn *c);
/* Hangs up and leaves its place. */
void bh_conn_free(struct bh_conn *c);
static inline bool bh_conn_follows(const struct bh_conn *c)
{
	return c->follow || c->follow_records;
}

/* One event for one that follows; may end it. */
void bh_conn_event(struct bh_conn *c, const struct bh_event *ev);
/* One line of the audit log, with its line break, for one that follows that; may end it. */
void bh_conn_record(struct bh_conn *c, const char *record);

bool bh_server_may_follow(const struct bh_server *s);
size_t bh_server_bytes_in(const struct bh_server *s, bool operator);
/* In a child: a client that the agent hangs up on must see that. */
void bh_server_forget(struct bh_server *s);
/* One of BH_ASIDE_MAX children has ended. */
void bh_server_aside_ended(struct bh_server *s);

#endif
