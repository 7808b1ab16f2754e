/* SPDX-License-Identifier: Apache-2.0 */
/*
 * telemetry.h - flows to their sinks. The agent's one way in: it opens the sinks that its settings
 * name, hands over each flow, ticks once a second and shows what became of them.
 */
#ifndef BH_TELEMETRY_H
#define BH_TELEMETRY_H

#include "../base/cleanup.h"
#include "sink.h"

#define BH_SINKS_MAX 8

struct bh_telemetry;

/* Return: NULL if there is no memory. */
struct bh_telemetry *bh_telemetry_new(void);
/* Closes the sinks, too: waits a bounded time for what they have queued. */
void bh_telemetry_free(struct bh_telemetry *t);
BH_DEFINE_CLEANUP(struct bh_telemetry *, bh_telemetry_free)

/* @s is @t's from now on. Return: 0, -ENOSPC. */
int bh_telemetry_add(struct bh_telemetry *t, struct bh_sink *s);
/* Closes the sink of that name, if there is one: settings that changed open it anew. */
void bh_telemetry_drop(struct bh_telemetry *t, const char *name);

void bh_telemetry_flow(struct bh_telemetry *t, const struct bh_flow *flow);
void bh_telemetry_loss(struct bh_telemetry *t, const struct bh_loss *loss);
void bh_telemetry_tick(struct bh_telemetry *t, __u64 boot_ns);

size_t bh_telemetry_count(const struct bh_telemetry *t);
const struct bh_sink *bh_telemetry_at(const struct bh_telemetry *t, size_t i);

#endif
