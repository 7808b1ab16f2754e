/* SPDX-License-Identifier: Apache-2.0 */
/* proc.h - what /proc says about one process: its users, its terminal, its user namespace. */
#ifndef BH_PROC_H
#define BH_PROC_H

#include <sys/types.h>
#include <linux/types.h>
#include "../base/cleanup.h"

/* The filesystem uid: what its sockets get. Return: 0, -ESRCH, -ENODATA. */
int bh_proc_uid(pid_t pid, __u32 *ret);

#define BH_PROC_NO_LOGIN 4294967295u
#define BH_TTY_TEXT	 32

/*
 * Who logged in, whoever he has become since (pam_loginuid); BH_PROC_NO_LOGIN: nobody did, or
 * this kernel does not keep it. Return: 0, -ESRCH, -ENODATA.
 */
int bh_proc_loginuid(pid_t pid, __u32 *ret);

/* Its controlling terminal, "pts/3"; "" if it has none. Return: 0, -ESRCH, -ENODATA. */
int bh_proc_tty(pid_t pid, char ret[BH_TTY_TEXT]);
/* The name of a terminal by the number of its device, as /proc/PID/stat writes it. */
void bh_tty_name(unsigned int dev, char ret[BH_TTY_TEXT]);

/**
 * bh_proc_same_userns - does @pid live in our user namespace
 *
 * Compares the namespaces where /proc/PID/ns may be read (a caller of another user, or with
 * more capabilities than we have, hides it), and the uid maps, which everybody may read.
 * Return: 1, 0, -errno.
 */
int bh_proc_same_userns(pid_t pid);

#endif
