/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sinks.h - which sinks of telemetry there are: those that the settings name. None of them is a
 * reason for the agent not to start, or not to enforce.
 */
#ifndef BH_AGENT_SINKS_H
#define BH_AGENT_SINKS_H

#include "agent.h"

/*
 * Behind the kernel side, whose counters they begin with.
 * @old: opens anew those whose settings are others than in it; NULL: all of them
 */
void bh_sinks_open(struct bh_agent *a, const struct bh_settings_telemetry *old);
/* Once a second. */
void bh_sinks_tick(struct bh_agent *a);
/* With the last events and the last numbers of the kernel side, which is still there. */
void bh_sinks_close(struct bh_agent *a);

#endif
