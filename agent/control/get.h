/* SPDX-License-Identifier: Apache-2.0 */
/*
 * get.h - what is behind `bulkhead get`: lists of what the map says (get_map.c) and of what is on
 * this host (get_host.c), and the map's text (get_text.c). Called by verb_get.c.
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
/* The whole answer of `get map` about generation @gen; 0: what is live. Return: 0 or -errno. */
int bh_get_text(struct bh_agent *a, __u64 gen, struct bh_reply *reply);

#endif
