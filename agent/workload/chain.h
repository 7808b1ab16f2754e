/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chain.h - where a process comes from: its ancestors and its session leader, with when each began
 * and on which terminal. For the lockout guard: one of them holds the connection that the session
 * came over.
 */
#ifndef BH_CHAIN_H
#define BH_CHAIN_H

#include <sys/types.h>
#include <linux/types.h>
#include "../base/cleanup.h"

#define BH_CHAIN_MAX 64
#define BH_KIN_NAME  64 /* of a kernel thread, the longest; else 15 characters */

struct bh_kin {
	pid_t pid;
	__u64 start_ns;			   /* CLOCK_BOOTTIME, down to the kernel's tick (10 ms) */
	unsigned int tty_major, tty_minor; /* the controlling terminal; 0, 0 = none */
	bool console;			   /* which is one of this machine, not of a connection */
	char name[BH_KIN_NAME];
};

/* The process itself, its parent, the parent's ...; then the session leader, if it is none of them. */
struct bh_chain {
	struct bh_kin v[BH_CHAIN_MAX + 1];
	size_t n;
};

/**
 * bh_chain_read - the chain of @pid
 * @proc: where /proc is mounted, or what a test made to look like it
 *
 * It ends at pid 1, at a parent that we can't see (another pid namespace, hidepid), or after
 * BH_CHAIN_MAX. A number that is another process's by now (it began after its child) ends it, too.
 * Return: 0; -ESRCH (there is no such process); -EBADMSG, -errno.
 */
int bh_chain_read(const char *proc, pid_t pid, struct bh_chain *ret);

/*
 * Is this terminal one of the machine: a virtual or serial console, a hypervisor's? Who sits at it
 * needs no network to come back. A pseudo terminal says nothing.
 */
bool bh_tty_is_console(unsigned int tty_major, unsigned int tty_minor);

#endif
