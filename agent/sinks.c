/* SPDX-License-Identifier: Apache-2.0 */
/* sinks.c - see sinks.h: settings to sinks. One function for each. */
#include <string.h>
#include "sinks.h"
#include "telemetry/sinks.h"
#include "telemetry/telemetry.h"

#define BIT(type) (1u << (type))

#define DENIES (BIT(BH_EVENT_DENY) | BIT(BH_EVENT_WOULD_DENY))

static void add(struct bh_agent *a, const char *name, struct bh_sink *s)
{
	if (s && bh_telemetry_add(a->telemetry, s) < 0) {
		s->ops->close(s);
		s = NULL;
	}
	if (!s)
		bh_error("telemetry: no room for the sink %s", name);
	else if (s->trouble[0])
		bh_warning("telemetry: %s: %s", name, s->trouble);
}

/* What was said, or @otherwise. */
static __u32 wanted(__u32 events, __u32 otherwise)
{
	return events & BH_SETTINGS_EVENTS_SAID ? events & ~BH_SETTINGS_EVENTS_SAID : otherwise;
}

/* Nothing said: a collector adds up what updates and ends counted, so both. */
static void open_ipfix(struct bh_agent *a, const struct bh_settings_telemetry *old)
{
	const struct bh_settings_telemetry *t = &a->opts.telemetry;
	const struct bh_ipfix_opts o = {
		.collector = t->ipfix.collector.addr,
		.port = t->ipfix.collector.port,
		.domain = t->ipfix.domain ? (__u32)t->ipfix.domain : 1,
		.events =
			wanted(t->ipfix.events, DENIES | BIT(BH_EVENT_END) | BIT(BH_EVENT_UPDATE)),
		.clock = a->clock,
	};

	if (old &&
	    !memcmp(&old->ipfix.collector.addr, &t->ipfix.collector.addr, sizeof(struct bh_addr)) &&
	    old->ipfix.collector.port == t->ipfix.collector.port &&
	    old->ipfix.domain == t->ipfix.domain && old->ipfix.events == t->ipfix.events)
		return;
	bh_telemetry_drop(a->telemetry, "ipfix");
	if (o.port)
		add(a, "ipfix", bh_sink_ipfix_new(&o));
}

/* Nothing said: what was denied, where systemd runs us with its journal. */
static void open_journal(struct bh_agent *a, const struct bh_settings_telemetry *old)
{
	__u32 said = a->opts.telemetry.journal.events;
	const struct bh_journal_opts o = {
		.events = wanted(said, bh_journal_is_ours() ? DENIES : 0),
	};

	if (old && old->journal.events == said)
		return;
	bh_telemetry_drop(a->telemetry, "journal");
	if (o.events)
		add(a, "journal", bh_sink_journal_new(&o));
}

void bh_sinks_open(struct bh_agent *a, const struct bh_settings_telemetry *old)
{
	open_journal(a, old);
	open_ipfix(a, old);
}
