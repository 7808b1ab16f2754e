/* SPDX-License-Identifier: Apache-2.0 */
/* sinks.c - see sinks.h: from settings to sinks, and the kernel side's losses to them. */
#include <errno.h>
#include <string.h>
#include "policy/settings.h"
#include "sinks.h"
#include "telemetry/sink_file.h"
#include "telemetry/sinks.h"
#include "telemetry/telemetry.h"

#define FLOWS_FILE "flows.jsonl"

#define BIT(type) (1u << (type))

#define DENIES (BIT(BH_EVENT_DENY) | BIT(BH_EVENT_WOULD_DENY))
/* What others would count by; begun sessions come again when they end. */
#define USUAL_EVENTS (DENIES | BIT(BH_EVENT_END) | BIT(BH_EVENT_UPDATE) | BIT(BH_EVENT_ALERT))

/* What was said, or @otherwise. */
static __u32 wanted(__u32 events, __u32 otherwise)
{
	return events & BH_SETTINGS_EVENTS_SAID ? events & ~BH_SETTINGS_EVENTS_SAID : otherwise;
}

static void add(struct bh_agent *a, const char *name, struct bh_sink *s)
{
	if (s && bh_telemetry_add(a->telemetry, s) < 0) {
		s->ops->close(s);
		s = NULL;
	}
	if (!s)
		bh_error("telemetry: no room for the sink %s; the others go on", name);
	else if (s->trouble[0])
		bh_warning("telemetry: %s: %s", name, s->trouble);
}

/* --- losses -------------------------------------------------------------------------------------- */

static void add_cpu(struct bh_loss_count *c, const __u64 stat[BH_STAT_MAX])
{
	c->seen += stat[BH_STAT_EVENTS_SEEN];
	c->sent += stat[BH_STAT_EVENTS_SENT];
	c->suppressed += stat[BH_STAT_EVENTS_SUPPRESSED];
	c->lost += stat[BH_STAT_EVENTS_LOST];
	c->no_room += stat[BH_STAT_FLOWS_LOST];
}

/* Malloced; NULL: it can't be told. */
static struct bh_loss *read_loss(const struct bh_agent *a)
{
	_cleanup_free_ __u64(*stat)[BH_STAT_MAX] = calloc(BH_LOSS_CPUS, sizeof(*stat));
	struct bh_loss *loss = calloc(1, sizeof(*loss));
	int n = stat && loss && a->kern ? bh_kern_stats_by_cpu(a->kern, stat, BH_LOSS_CPUS)
					: -ENOMEM;

	if (n < 0) {
		free(loss);
		return NULL;
	}
	loss->n_cpu = MIN((size_t)n, (size_t)BH_LOSS_CPUS);
	for (size_t i = 0; i < loss->n_cpu; i++)
		add_cpu(&loss->cpu[i], stat[i]);
	return loss;
}

static void tell_loss(struct bh_agent *a)
{
	_cleanup_free_ struct bh_loss *loss = read_loss(a);

	if (loss)
		bh_telemetry_loss(a->telemetry, loss);
}

/* --- the file ------------------------------------------------------------------------------------ */

/* Malloced; NULL: there is none. */
static char *file_path(const struct bh_agent_opts *o)
{
	const char *said = o->telemetry.file.path;
	char *path = NULL;

	if (!wanted(o->telemetry.file.events, USUAL_EVENTS) || (!said && !o->log_dir))
		return NULL;
	if (said)
		return strdup(said);
	return asprintf(&path, "%s/" FLOWS_FILE, o->log_dir) < 0 ? NULL : path;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static bool same_file(const struct bh_settings_telemetry *a, const struct bh_settings_telemetry *b)
{
	return same_text(a->file.path, b->file.path) && a->file.max_bytes == b->file.max_bytes &&
	       a->file.keep == b->file.keep && a->file.events == b->file.events;
}

static void open_file(struct bh_agent *a, const struct bh_settings_telemetry *old)
{
	const struct bh_settings_telemetry *t = &a->opts.telemetry;
	_cleanup_free_ char *path = file_path(&a->opts);
	_cleanup_free_ struct bh_loss *loss = NULL;
	static const struct bh_loss none;
	const struct bh_sink_file_opts opts = {
		.path = path,
		.max_bytes = t->file.max_bytes ? t->file.max_bytes : BH_SETTINGS_FLOWS_BYTES,
		.keep = t->file.keep ? (unsigned int)t->file.keep : BH_SETTINGS_FLOWS_KEEP,
		.events = wanted(t->file.events, USUAL_EVENTS),
		.passwd = "/etc/passwd",
	};
	struct bh_sink *s = NULL;

	if (old && same_file(old, t))
		return;
	if (old)
		tell_loss(a);
	bh_telemetry_drop(a->telemetry, BH_SINK_FILE);
	if (!path)
		return;
	loss = read_loss(a);
	(void)bh_sink_file_open(&opts, loss ? loss : &none, &s);
	add(a, BH_SINK_FILE, s);
}

/* --- the journal, a collector -------------------------------------------------------------------- */

/* Nothing said: a collector adds up what updates and ends counted, so both. */
static void open_ipfix(struct bh_agent *a, const struct bh_settings_telemetry *old)
{
	const struct bh_settings_telemetry *t = &a->opts.telemetry;
	const struct bh_ipfix_opts o = {
		.collector = t->ipfix.collector.addr,
		.port = t->ipfix.collector.port,
		.domain = t->ipfix.domain ? (__u32)t->ipfix.domain : 1,
		.events = wanted(t->ipfix.events, USUAL_EVENTS & ~BIT(BH_EVENT_ALERT)),
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
		.events = wanted(said, bh_journal_is_ours() ? DENIES | BIT(BH_EVENT_ALERT) : 0),
	};

	if (old && old->journal.events == said)
		return;
	bh_telemetry_drop(a->telemetry, "journal");
	if (o.events)
		add(a, "journal", bh_sink_journal_new(&o));
}

/* --- all of them --------------------------------------------------------------------------------- */

void bh_sinks_open(struct bh_agent *a, const struct bh_settings_telemetry *old)
{
	open_file(a, old);
	open_journal(a, old);
	open_ipfix(a, old);
}

void bh_sinks_tick(struct bh_agent *a)
{
	if (bh_telemetry_count(a->telemetry))
		tell_loss(a);
	bh_telemetry_tick(a->telemetry, a->clock->boot_ns());
}

void bh_sinks_close(struct bh_agent *a)
{
	if (a->kern && a->telemetry && bh_telemetry_count(a->telemetry)) {
		/* not in the middle of a start: events are the whole agent's */
		if (a->server)
			(void)bh_kern_poll(a->kern);
		tell_loss(a);
	}
	bh_telemetry_free(a->telemetry);
	a->telemetry = NULL;
}
