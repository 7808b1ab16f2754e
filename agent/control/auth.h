/* SPDX-License-Identifier: Apache-2.0 */
/*
 * auth.h - who is asking, and what he may. A contained root service must not open its own
 * cell: to change something takes uid 0 of this user namespace and a caller that stands in a
 * login session, in `host`, or in a segment with `admin: true`. server.c asks on every request.
 */
#ifndef BH_AUTH_H
#define BH_AUTH_H

#include <sys/types.h>
#include <linux/types.h>
#include "../base/cleanup.h"

struct bh_agent;

/* Facts about the process at the other end, by SO_PEERCRED and what /proc says of it. */
struct bh_caller {
	pid_t pid;
	uid_t uid;
	bool reader;	  /* uid 0 or in group bulkhead-read */
	bool same_userns; /* its uid 0 is ours */
	bool outside;	  /* its cgroup is not below the agent's root, or is the root: `host` */
	bool session;	  /* a login session's scope below user.slice */
	bool admin;	  /* its segment has `admin: true` */
	char *cgroup;	  /* below the agent's root, or of the mount if outside; NULL = not known */
	char segment[64]; /* "" = none */
	uid_t loginuid;	  /* who logged in; BH_PROC_NO_LOGIN: nobody did */
	char tty[32];	  /* "pts/3", "" = none */
};

void bh_caller_clear(struct bh_caller *c);

/*
 * Who is at the other end of @fd, and where does he stand now.
 * Return: 0, -ESRCH (the process is gone), -errno.
 */
int bh_caller_read(struct bh_agent *a, int fd, struct bh_caller *ret);

/*
 * Would he be one who may change something? Quick, and good for who has to wait for whom: the
 * process may be gone, and its number another's.
 */
bool bh_caller_is_operator(struct bh_agent *a, int fd);

/* NULL if he may; else why not, for people. */
const char *bh_caller_may_read(const struct bh_caller *c);
const char *bh_caller_may_change(const struct bh_caller *c);

/* "root (pid 4711, /user.slice/user-0.slice/session-2.scope)" malloced, NULL: no memory */
char *bh_caller_text(const struct bh_caller *c);

#endif
