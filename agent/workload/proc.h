/* SPDX-License-Identifier: Apache-2.0 */
/* proc.h - what /proc says about one process: its user, its user namespace. */
#ifndef BH_PROC_H
#define BH_PROC_H

#include <sys/types.h>
#include <linux/types.h>
#include "../base/cleanup.h"

/* The filesystem uid: what its sockets get. Return: 0, -ESRCH, -ENODATA. */
int bh_proc_uid(pid_t pid, __u32 *ret);

/**
 * bh_proc_same_userns - does @pid live in our user namespace
 *
 * Compares the namespaces where /proc/PID/ns may be read (a caller of another user, or with
 * more capabilities than we have, hides it), and the uid maps, which everybody may read.
 * Return: 1, 0, -errno.
 */
int bh_proc_same_userns(pid_t pid);

#endif
