/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flow.h - what happened, with names: an event of the kernel side and what its numbers meant when
 * it came. Filled by control/flows.c, which knows the agent's names; read by every sink.
 */
#ifndef BH_FLOW_H
#define BH_FLOW_H

#include <stdbool.h>
#include <stdint.h>
#include <linux/types.h>
#include <bh_abi.h>
#include <bh_reason.h>

/* NULL: not known. The names are their owner's; who keeps a flow copies them. */
struct bh_flow {
	struct bh_event ev;
	int64_t wall_ms;
	const char *cgroup, *local, *remote, *rule;
};

/* Denied, or would have been. */
bool bh_flow_is_denied(const struct bh_event *ev);
/* "begin", "deny", "would_deny", "end", "update"; else "unknown". */
const char *bh_flow_type(const struct bh_event *ev);
/* "xdp", "skb_in" ...; else "unknown". */
const char *bh_flow_hook(const struct bh_event *ev);
/* "none", "unknown", "plain", "ssh", "quic", "tls" */
const char *bh_flow_crypt(const struct bh_event *ev);

/* "many_ports", "many_hosts", "many_denied"; "none" for what is no alert. */
const char *bh_flow_alert(const struct bh_event *ev);
/* "many ports within a minute" */
const char *bh_flow_alert_text(const struct bh_event *ev);

#endif
