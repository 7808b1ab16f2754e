/* SPDX-License-Identifier: Apache-2.0 */
/*
 * files.c - the TCP connections that a process holds, by an iterator over its files: the kernel
 * shows them to who may run it, and /proc/PID/fd only to who could trace the process. Called by
 * the lockout guard.
 */
#include <string.h>
#include "kern_internal.h"

int bh_kern_task_sockets(struct bh_kern *k, pid_t pid,
			 int (*fn)(void *ctx, const struct bh_held *held), void *ctx)
{
	/* all threads of it; one that shares its files with the first is not looked at again */
	union bpf_iter_link_info target = {.task = {.pid = (__u32)pid}};
	_cleanup_(bh_printed_clear) struct bh_printed held = {0};
	int r = bh_iter_run(k, BH_PROG_TASK_SOCKS, pid ? &target : NULL, &held);
	const struct bh_held *v = held.data;

	for (size_t i = 0; r == 0 && i < held.len / sizeof(*v); i++)
		r = fn(ctx, &v[i]);
	return r;
}
