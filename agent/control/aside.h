/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aside.h - an answer that may take long (ten thousand rules as text) is made by a child: it has
 * all that the agent knows as it is now, and nothing that it does changes the agent. The loop goes
 * on. Called by conn.c.
 */
#ifndef BH_ASIDE_H
#define BH_ASIDE_H

#include "request.h"

/* More children than this at once are not made: others wait. */
#define BH_ASIDE_MAX 2

struct bh_aside;

/* @line: the answer, @n bytes; NULL: the child failed. Valid for the call. */
typedef void (*bh_aside_fn)(void *ctx, char *line, size_t n);

/**
 * bh_aside_begin - have @req answered
 * @done: is called once, from the event loop, unless bh_aside_end() comes before
 * Return: 0, or -errno: no child is to be had.
 */
int bh_aside_begin(struct bh_agent *a, const struct bh_request *req, bh_aside_fn done, void *ctx,
		   struct bh_aside **ret);
/* Ends the child if it lives. */
void bh_aside_end(struct bh_aside *aside);

#endif
