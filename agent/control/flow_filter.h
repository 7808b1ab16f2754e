/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flow_filter.h - which flows a client wants to see: by end, port, verdict, time and unit. Read by
 * flow_words.c from the arguments of `flows`, kept by who follows: one piece of memory, no pointers.
 */
#ifndef BH_FLOW_FILTER_H
#define BH_FLOW_FILTER_H

#include "control.h"
#include "flows.h"
#include "../policy/cidr.h"
#include "../policy/port.h"

#define BH_UNIT_MAX 256

enum bh_who_kind { BH_WHO_ANYBODY = 0, BH_WHO_SEGMENT, BH_WHO_UNIT, BH_WHO_PREFIX };

/* One end, as it was named. Of a peer the unit is not known. */
struct bh_who_filter {
	enum bh_who_kind kind;
	char name[BH_UNIT_MAX]; /* segment or unit */
	struct bh_cidr prefix;
};

/* Zeroes let everything pass. */
struct bh_flow_filter {
	bool denied;  /* denied, or would have been; the three add up, none: all */
	bool audited; /* would have been denied */
	bool allowed;
	bool has_port;
	bool any_transport; /* "443": of whatever protocol has ports */
	struct bh_port port;
	struct bh_who_filter from, to;
	char unit[BH_UNIT_MAX]; /* of the end on this host; "" = any */
	int64_t since_ms;	/* wall time; 0 = for ever */
};

/**
 * bh_flow_filter_read - the arguments from, to, port, denied, audited, allowed, since_s and unit
 *
 * A segment or a unit has to be known here: live, or of a flow that is remembered.
 * Return: 0; -EINVAL: a finding and a code are in @reply.
 */
int bh_flow_filter_read(struct bh_agent *a, const struct bh_call *call, struct bh_reply *reply,
			struct bh_flow_filter *ret);
/* By what the event alone tells: false is certain. */
bool bh_flow_filter_may(const struct bh_flow_filter *f, const struct bh_event *ev);
bool bh_flow_filter_fits(const struct bh_flow_filter *f, const struct bh_flow *flow);

/* --- words of a flow (flow_words.c) ------------------------------------------------------------ */

/* "SAF": the flags that were seen. */
#define BH_TCP_FLAGS_TEXT 9
const char *bh_tcp_flags_text(__u8 flags, char ret[BH_TCP_FLAGS_TEXT]);

#endif
