/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pairs.h - the agent's history of who talked to whom (telemetry/pairs.h): fed with each flow, kept
 * in <state-dir>/pairs, written by a child so that nothing waits for the disk.
 */
#ifndef BH_AGENT_PAIRS_H
#define BH_AGENT_PAIRS_H

#include "agent.h"
#include "telemetry/flow.h"

/* Return: NULL if there is no memory. */
struct bh_pairs_keeper *bh_pairs_keeper_new(void);
/* Writes what is not written yet. */
void bh_pairs_keeper_close(struct bh_agent *a);

/*
 * What was kept by an agent before. A file that is not whole is set aside as pairs.bad and the
 * history begins anew: a warning in @d, and bh_pairs_trouble().
 */
void bh_pairs_load(struct bh_agent *a, struct bh_diags *d);
/* Each flow. Needs names that live as long as the call. */
void bh_pairs_note(struct bh_agent *a, const struct bh_flow *flow);
/* Once a second: writes it down when it is time. */
void bh_pairs_tick(struct bh_agent *a);

/* NULL without memory for one. */
struct bh_pairs *bh_agent_pairs(const struct bh_agent *a);
/* What is wrong with it, for `status`; "" = nothing. */
const char *bh_pairs_trouble(const struct bh_agent *a);

#endif
