/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ring.h - events of the kernel side: read from its ring, and given to all who want them. Called by
 * agent.c.
 */
#ifndef BH_AGENT_RING_H
#define BH_AGENT_RING_H

#include "agent.h"

/* From now on in @a's loop. Return: 0, or a negative errno of sd-event. */
int bh_ring_open(struct bh_agent *a);
void bh_ring_close(struct bh_agent *a);

#endif
