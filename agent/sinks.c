/* SPDX-License-Identifier: Apache-2.0 */
/* sinks.c - see sinks.h: from settings to sinks, and the kernel side's losses to them. */
#include <errno.h>
#include <string.h>
#include "policy/settings.h"
#include "sinks.h"
#include "telemetry/sink_file.h"
#include "telemetry/telemetry.h"

#define FLOWS_FILE "flows.jsonl"

/* What others would count by; begun sessions come again when they end. */
#define USUAL_EVENTS                                                                               \
	(1u << BH_EVENT_DENY | 1u << BH_EVENT_WOULD_DENY | 1u << BH_EVENT_END |                    \
	 1u << BH_EVENT_UPDATE)

static void failed(const char *name, int r)
{
	bh_error("telemetry: %s: %s; the others go on", name, strerror(-r));
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

static __u32 events_of(__u32 said)
{
	return said & BH_SETTINGS_EVENTS_SAID ? said & ~BH_SETTINGS_EVENTS_SAID : USUAL_EVENTS;
}

/* Malloced; NULL: there is none. */
static char *file_path(const struct bh_agent_opts *o)
{
	const char *said = o->telemetry.file.path;
	char *path = NULL;

	if (!events_of(o->telemetry.file.events) || (!said && !o->log_dir))
		return NULL;
	if (said)
		return strdup(said);
	return asprintf(&path, "%s/" FLOWS_FILE, o->log_dir) < 0 ? NULL : path;
}

static int add(struct bh_agent *a, struct bh_sink *s)
{
	int r = bh_telemetry_add(a->telemetry, s);

	if (r < 0)
		s->ops->close(s);
	return r;
}

static void open_file(struct bh_agent *a)
{
	const struct bh_settings_telemetry *t = &a->opts.telemetry;
	_cleanup_free_ char *path = file_path(&a->opts);
	_cleanup_free_ struct bh_loss *loss = read_loss(a);
	static const struct bh_loss none;
	const struct bh_sink_file_opts opts = {
		.path = path,
		.max_bytes = t->file.max_bytes ? t->file.max_bytes : BH_SETTINGS_FLOWS_BYTES,
		.keep = t->file.keep ? (unsigned int)t->file.keep : BH_SETTINGS_FLOWS_KEEP,
		.events = events_of(t->file.events),
		.passwd = "/etc/passwd",
	};
	struct bh_sink *s = NULL;
	int r;

	if (!path)
		return;
	r = bh_sink_file_open(&opts, loss ? loss : &none, &s);
	if (r == 0)
		r = add(a, s);
	if (r < 0)
		failed(BH_SINK_FILE, r);
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static bool same_file(const struct bh_agent_opts *a, const struct bh_agent_opts *b)
{
	return same_text(a->telemetry.file.path, b->telemetry.file.path) &&
	       a->telemetry.file.max_bytes == b->telemetry.file.max_bytes &&
	       a->telemetry.file.keep == b->telemetry.file.keep &&
	       a->telemetry.file.events == b->telemetry.file.events;
}

/* --- all of them --------------------------------------------------------------------------------- */

void bh_sinks_open(struct bh_agent *a)
{
	open_file(a);
}

void bh_sinks_choose(struct bh_agent *a, const struct bh_agent_opts *old)
{
	if (same_file(&a->opts, old))
		return;
	tell_loss(a);
	bh_telemetry_drop(a->telemetry, BH_SINK_FILE);
	open_file(a);
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
