/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics.h - what the agent counts and knows, for Prometheus: as a file that node_exporter reads,
 * and over HTTP on loopback. Each is there if the settings name it, or systemd handed a socket over.
 * Called by agent.c, config.c and watch.c; docs/metrics.md has the list.
 */
#ifndef BH_METRICS_H
#define BH_METRICS_H

#include "../agent.h"
#include "../telemetry/prom.h"

#define BH_METRICS_FILE_S    15	       /* how often the file is written when nothing happens */
#define BH_METRICS_RULES_MAX 500       /* rules with a line of their own */
#define BH_METRICS_SOCKET    "metrics" /* FileDescriptorName= of a socket that is handed over */

struct bh_metrics;

/* Counts from now on. Return: NULL if there is no memory. */
struct bh_metrics *bh_metrics_new(struct bh_agent *a);
/* The loop is there and what is enforced is known: begins with what the settings name. */
int bh_metrics_open(struct bh_metrics *m);
/* The settings may be others. */
void bh_metrics_reload(struct bh_metrics *m);
/* Once a second. */
void bh_metrics_tick(struct bh_metrics *m);
/* The file says for the last time how it is; waits for it, a bounded time. */
void bh_metrics_free(struct bh_metrics *m);

/* What is counted; @m may be NULL. */
void bh_metrics_event(struct bh_metrics *m, const struct bh_event *ev);
/* A verb that changes something has run, or was refused. @action: of `emergency`, or NULL. */
void bh_metrics_verb(struct bh_metrics *m, const char *verb, const char *action, int code);
void bh_metrics_emergency(struct bh_metrics *m);

/* All of it as it is now. @file: as node_exporter reads it, which has process_* of its own. */
int bh_metrics_text(struct bh_metrics *m, bool file, char **ret, size_t *ret_n);
/* Who may be asked for metrics now, for `doctor`: "off", "FILE", "HTTP" ... */
const char *bh_metrics_where(const struct bh_metrics *m);

#endif
