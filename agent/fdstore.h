/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fdstore.h - systemd keeps descriptors of all that is pinned while the agent is away: when it
 * crashes and the pins are gone, too, what is enforced stays. Without systemd, or under a unit
 * without FileDescriptorStoreMax=, nothing is done here. See sd_pid_notify_with_fds(3), FDSTORE=1.
 */
#ifndef BH_FDSTORE_H
#define BH_FDSTORE_H

#include "agent.h"

struct bh_fdstore;

/**
 * bh_fdstore_take - before the kernel side is opened: pins that are gone are made of what was kept
 * After a detach nothing is. Return: 0 or -errno.
 */
int bh_fdstore_take(struct bh_agent *a, struct bh_diags *d);
/* Hand over what is new, and take back what is not ours any more. Cheap where nothing changed. */
void bh_fdstore_save(struct bh_agent *a);
/* Enforcement ends: nothing is kept. */
void bh_fdstore_drop(struct bh_agent *a);
void bh_fdstore_free(struct bh_fdstore *s);

#endif
