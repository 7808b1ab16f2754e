/* SPDX-License-Identifier: Apache-2.0 */
/* caps.h - the agent gives away what it will not need. Called by agent.c once, at start. */
#ifndef BH_CAPS_H
#define BH_CAPS_H

/*
 * Keep CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON of those we have, nothing else, also over an
 * exec; then asks the kernel whether that is so. What is missing is not this function's business:
 * bh_kern_open() says so.
 * Return: 0, -EPERM (more is left than should be), or -errno.
 */
int bh_caps_drop(void);

#endif
