/* SPDX-License-Identifier: Apache-2.0 */
/*
 * posture.h - the posture of this device (health/claims.h), looked at every 30 s and when a file
 * that says something of it changes. It is shown, and nothing is enforced on it.
 */
#ifndef BH_AGENT_POSTURE_H
#define BH_AGENT_POSTURE_H

#include "agent.h"
#include "health/claims.h"

/* Begins as soon as the loop runs. Without it nothing is known, and nothing less enforced. */
void bh_posture_open(struct bh_agent *a);
void bh_posture_close(struct bh_agent *a);
/* Now: SIGHUP. */
void bh_posture_look(struct bh_agent *a);

/* Looked at now if it never was. Return: NULL where it could not be opened. */
const struct bh_claims *bh_agent_claims(struct bh_agent *a);
/* How long the last look took, 0: there was none; and how many there were. */
__u64 bh_posture_took_ns(const struct bh_agent *a, __u64 *ret_rounds);

#endif
