/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flows.h - the last events of the kernel side, kept in memory for `bulkhead flows`. Filled by
 * the event loop, read by verb_flows.c.
 */
#ifndef BH_FLOWS_H
#define BH_FLOWS_H

#include <jansson.h>
#include "../agent.h"
#include "../telemetry/flow.h"

#define BH_FLOWS_KEPT 4096

/* The names belong to @a and hold until it learns others. */
struct bh_flow bh_flow_of(struct bh_agent *a, const struct bh_event *ev);
/* A row as proto.h has it. NULL: no memory. */
json_t *bh_flow_json(const struct bh_flow *flow);

struct bh_flows;

/* Return: NULL if there is no memory. */
struct bh_flows *bh_flows_new(void);
void bh_flows_free(struct bh_flows *f);
BH_DEFINE_CLEANUP(struct bh_flows *, bh_flows_free)

/*
 * Never fails: the oldest makes room, and without memory for the names it is kept without.
 * @flow is copied, names too.
 */
void bh_flows_add(struct bh_flows *f, const struct bh_flow *flow);

size_t bh_flows_count(const struct bh_flows *f);
/* The @i-th from the newest (0), below bh_flows_count(). Good until the next is added. */
const struct bh_flow *bh_flows_at(const struct bh_flows *f, size_t i);

#endif
