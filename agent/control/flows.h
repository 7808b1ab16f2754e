/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flows.h - the last events of the kernel side, kept in memory for `bulkhead flows`. Filled by
 * the event loop, read by verb_flows.c.
 */
#ifndef BH_FLOWS_H
#define BH_FLOWS_H

#include "../../include/bh_abi.h"
#include "../base/cleanup.h"

struct bh_flows;

/* Return: NULL if there is no memory. */
struct bh_flows *bh_flows_new(void);
void bh_flows_free(struct bh_flows *f);
BH_DEFINE_CLEANUP(struct bh_flows *, bh_flows_free)

/* Never fails: the oldest makes room. */
void bh_flows_add(struct bh_flows *f, const struct bh_event *ev);

#endif
