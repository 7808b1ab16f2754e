/* SPDX-License-Identifier: Apache-2.0 */
/* sinks.h - opens what a->opts.telemetry names. Called at start and on SIGHUP. */
#ifndef BH_AGENT_SINKS_H
#define BH_AGENT_SINKS_H

#include "agent.h"

/*
 * @old: what is open now, NULL: nothing. Those whose settings are the same go on as they are. What
 * can't be opened says so in `status`; the others are opened all the same.
 */
void bh_sinks_open(struct bh_agent *a, const struct bh_settings_telemetry *old);

#endif
