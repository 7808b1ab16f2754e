/* SPDX-License-Identifier: Apache-2.0 */
/*
 * screen.h - a whole terminal that is drawn again and again, and its keys. It is given back as it was
 * on every way out: the signals that end a program come as keys. Used by top.
 */
#ifndef BH_SCREEN_H
#define BH_SCREEN_H

#include <poll.h>
#include <stdbool.h>
#include <stdio.h>

struct bh_screen {
	bool drawn_on; /* stdout is a terminal: it is ours */
	bool keys;     /* stdin, too */
	int signals;   /* signalfd */
	size_t width, height;
};

enum bh_screen_said {
	BH_SCREEN_NOTHING = 0,
	BH_SCREEN_END, /* SIGINT, SIGTERM, SIGHUP, q, or stdin is over */
	BH_SCREEN_RESIZED,
	BH_SCREEN_KEY,
};

/* Return: 0 or -errno. Not a terminal: only the signals are taken. */
int bh_screen_open(struct bh_screen *s, bool draw);
void bh_screen_close(struct bh_screen *s);
#define _cleanup_screen_ _cleanup_(bh_screen_close)

/* Two places of poll(): where signals and keys come from. */
void bh_screen_wants(const struct bh_screen *s, struct pollfd ret[2]);
/* After poll(). *ret_key: what was typed. */
enum bh_screen_said bh_screen_hear(struct bh_screen *s, const struct pollfd from[2], char *ret_key);
/* @text, lines, as what the screen shows now; what is below or beside it is not shown. */
void bh_screen_draw(const struct bh_screen *s, FILE *out, const char *text);

#endif
