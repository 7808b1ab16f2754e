/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rescue.h - `bulkheadd rescue`: what is pinned, and the end of it, without an agent. For the
 * day on which the agent hangs or does not start. Called by main.c.
 */
#ifndef BH_RESCUE_H
#define BH_RESCUE_H

#include "agent.h"

enum bh_rescue {
	BH_RESCUE_SHOW,
	BH_RESCUE_DETACH,
	BH_RESCUE_ROLLBACK,
	BH_RESCUE_EMERGENCY,
};

/* Return: what @word asks for, -EINVAL. */
int bh_rescue_of(const char *word);
extern const char *const bh_rescue_words[];
extern const size_t bh_n_rescue_words;

/* Return: an exit code; what went wrong was printed. */
int bh_rescue(const struct bh_agent_opts *opts, enum bh_rescue what);

#endif
