/* SPDX-License-Identifier: Apache-2.0 */
/*
 * get.h - the lists behind `bulkhead get`: what the map says (get_map.c), and what is on this
 * host (get_host.c). Called by verb_get.c.
 */
#ifndef BH_GET_H
#define BH_GET_H

#include "control.h"

/* As bh_who_of_cgroup() of bpf/identity.h: the root itself is `host`. */
static inline __u32 bh_get_segment_of(__u32 seg, bool is_root)
{
	return is_root ? BH_ID_HOST : seg ? seg : BH_ID_UNASSIGNED;
}

/* A list fills @list, an empty array. Return: 0, -ENOMEM, or what the kernel side says. */
int bh_get_segments(struct bh_agent *a, bool all, json_t *list);
int bh_get_rules(struct bh_agent *a, bool all, json_t *list);
int bh_get_identities(struct bh_agent *a, bool all, json_t *list);
int bh_get_reasons(struct bh_agent *a, bool all, json_t *list);
int bh_get_workloads(struct bh_agent *a, bool all, json_t *list);
int bh_get_listeners(struct bh_agent *a, bool all, json_t *list);

int bh_get_quarantines(struct bh_agent *a, bool all, json_t *list);
int bh_get_grants(struct bh_agent *a, bool all, json_t *list);

#endif
