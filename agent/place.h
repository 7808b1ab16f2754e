/* SPDX-License-Identifier: Apache-2.0 */
/*
 * place.h - one agent in a place. The lock is on the directories themselves: nothing is left
 * behind by a crash, and the kernel knows who holds it. Called by agent.c.
 */
#ifndef BH_PLACE_H
#define BH_PLACE_H

#include <sys/types.h>
#include "base/diag.h"

/* Make it unless it is there. Return: 0 or -errno (see @d). */
int bh_place_make(const char *what, const char *dir, mode_t mode, struct bh_diags *d);

/*
 * After capabilities were given away: root without them may not use what is another user's.
 * Return: 0 or -EACCES (see @d). What is read-only or full is told by who writes.
 */
int bh_place_check(const char *what, const char *dir, struct bh_diags *d);

/**
 * bh_place_lock - hold directory @dir for this process
 * Return: a file descriptor to keep, -EBUSY (another process holds it; @d names it), -errno.
 */
int bh_place_lock(const char *what, const char *dir, struct bh_diags *d);

/* The process that holds @dir, by /proc/locks; 0 if nobody does or it can't be told. */
pid_t bh_place_holder(const char *dir);

#endif
