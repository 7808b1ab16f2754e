/* SPDX-License-Identifier: Apache-2.0 */
/* chain.c - see chain.h. All of it from /proc/PID/stat, which everybody may read. */
#include <errno.h>
#include <string.h>
#include "../base/io.h"
#include "chain.h"

/* Documentation/admin-guide/devices.txt */
#define MAJOR_TTY     4	  /* tty0..tty63, ttyS0.. from 64 on */
#define MAJOR_TTYAUX  5	  /* 0 /dev/tty, 1 /dev/console, 2 /dev/ptmx */
#define MAJOR_LOW_SER 204 /* ttyAMA, ttySC, ttySG: serial ports of boards */
#define MAJOR_3270    227
#define MAJOR_HVC     229 /* hypervisors */

#define MINOR_CONSOLE 1

bool bh_tty_is_console(unsigned int tty_major, unsigned int tty_minor)
{
	switch (tty_major) {
	case MAJOR_TTY:
	case MAJOR_LOW_SER:
	case MAJOR_3270:
	case MAJOR_HVC:
		return true;
	case MAJOR_TTYAUX:
		return tty_minor == MINOR_CONSOLE;
	}
	return false;
}

struct stat_line {
	struct bh_kin kin;
	pid_t parent, session;
};

/* new_encode_dev(): minor in bits 0-7 and 20-31, major in 8-19 */
static void set_tty(struct bh_kin *kin, int tty)
{
	unsigned int dev = (unsigned int)tty;

	kin->tty_major = dev >> 8 & 0xfff;
	kin->tty_minor = (dev & 0xff) | (dev >> 12 & 0xfff00);
	kin->console = dev && bh_tty_is_console(kin->tty_major, kin->tty_minor);
}

/*
 * "4711 (a (name)) S ppid pgrp session tty ...": a name may have anything in it, but nothing behind
 * it has a parenthesis. Field 22 is when it began.
 */
static int parse(const char *text, struct stat_line *ret)
{
	const char *open = strchr(text, '('), *close = strrchr(text, ')');
	unsigned long long ticks;
	long per_s = sysconf(_SC_CLK_TCK);
	int tty;

	if (!open || !close || close < open || per_s <= 0 ||
	    sscanf(text, "%d", &ret->kin.pid) != 1 ||
	    sscanf(close + 1,
		   " %*c %d %*d %d %d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
		   &ret->parent, &ret->session, &tty, &ticks) != 4)
		return -EBADMSG;
	snprintf(ret->kin.name, sizeof(ret->kin.name), "%.*s", (int)(close - open - 1), open + 1);
	ret->kin.start_ns = ticks * (1000000000ull / (unsigned long long)per_s);
	set_tty(&ret->kin, tty);
	return 0;
}

static int read_stat(const char *proc, pid_t pid, struct stat_line *ret)
{
	_cleanup_free_ char *path = NULL, *text = NULL;
	struct stat_line s = {0};
	int r;

	if (asprintf(&path, "%s/%d/stat", proc, (int)pid) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	r = bh_file_read(path, 1u << 16, &text, NULL);
	if (r < 0)
		return r == -ENOENT ? -ESRCH : r;
	r = parse(text, &s);
	if (r == 0 && s.kin.pid != pid)
		r = -EBADMSG;
	if (r == 0)
		*ret = s;
	return r;
}

static bool has(const struct bh_chain *c, pid_t pid)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->v[i].pid == pid)
			return true;
	return false;
}

/* Nobody is younger than his child: who is took the number over. */
static bool precedes(const struct stat_line *s, const struct bh_kin *child)
{
	return s->kin.start_ns <= child->start_ns;
}

int bh_chain_read(const char *proc, pid_t pid, struct bh_chain *ret)
{
	struct bh_chain c = {0};
	struct stat_line s;
	int r = read_stat(proc, pid, &s);
	pid_t session;

	if (r < 0)
		return r;
	session = s.session;
	c.v[c.n++] = s.kin;
	while (c.n < BH_CHAIN_MAX && s.parent > 0 && !has(&c, s.parent)) {
		if (read_stat(proc, s.parent, &s) < 0 || !precedes(&s, &c.v[c.n - 1]))
			break;
		c.v[c.n++] = s.kin;
	}
	if (session > 0 && !has(&c, session) && read_stat(proc, session, &s) == 0 &&
	    s.session == session && precedes(&s, &c.v[0]))
		c.v[c.n++] = s.kin;
	*ret = c;
	return 0;
}
