/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rescue.h - `bulkheadd rescue`: what is pinned, and the end of it, without an agent. For the
 * day on which the agent hangs or does not start. Called by main.c.
 */
#ifndef BH_RESCUE_H
#define BH_RESCUE_H

#include "agent.h"

/* Return: an exit code; what went wrong was printed. */
int bh_rescue(const struct bh_agent_opts *opts, bool detach);

#endif
