/* SPDX-License-Identifier: Apache-2.0 */
/* sinks.h - the sinks that there are. Each is made whole, works or says in `trouble` why not. */
#ifndef BH_SINKS_H
#define BH_SINKS_H

#include "../base/clock.h"
#include "sink.h"

/* Bit i of @events: type i of enum bh_event_type is wanted. */

struct bh_ipfix_opts {
	struct bh_addr collector;
	__u16 port; /* UDP */
	__u32 domain;
	__u32 events;
	const struct bh_clock *clock;
};

/* Return: NULL if there is no memory. */
struct bh_sink *bh_sink_ipfix_new(const struct bh_ipfix_opts *o);

struct bh_journal_opts {
	const char *socket; /* NULL: journald's */
	__u32 events;
};

/* Return: NULL if there is no memory. */
struct bh_sink *bh_sink_journal_new(const struct bh_journal_opts *o);
/* systemd runs us and its journal has our stderr. */
bool bh_journal_is_ours(void);

#endif
