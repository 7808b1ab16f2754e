/* SPDX-License-Identifier: Apache-2.0 */
/* metrics.c - see metrics.h. Counts what nobody else does, and ties the file and HTTP to the agent. */
#include <errno.h>
#include <string.h>
#include "../telemetry/tell.h"
#include "metrics_internal.h"
#include "proto.h"

/* --- what is counted ------------------------------------------------------------------------- */

static enum bh_metrics_verdict verdict_of(const struct bh_event *ev)
{
	static const enum bh_metrics_verdict of[] = {
		[BH_TELL_ALLOWED] = BH_MV_ALLOWED,
		[BH_TELL_DENIED] = BH_MV_DENIED,
		[BH_TELL_AUDITED] = BH_MV_AUDITED,
		[BH_TELL_ERROR] = BH_MV_ERROR,
	};

	return of[bh_tell_verdict(ev)];
}

void bh_metrics_event(struct bh_metrics *m, const struct bh_event *ev)
{
	int dir = ev->dir == BH_OUT;

	if (!m || ev->type == BH_EVENT_UPDATE)
		return;
	if (ev->type == BH_EVENT_END) {
		m->ended[dir]++;
		return;
	}
	if (ev->type == BH_EVENT_ALERT) {
		m->alerts[ev->alert < BH_ALERTS ? ev->alert : BH_ALERT_NONE]++;
		return;
	}
	/* those alike that were not told, too */
	m->flows[dir][verdict_of(ev)] += 1 + (__u64)ev->suppressed;
	if (ev->type == BH_EVENT_DENY && ev->reason < BH_REASON_MAX)
		m->denied[dir][ev->reason] += 1 + (__u64)ev->suppressed;
}

void bh_metrics_emergency(struct bh_metrics *m)
{
	if (m)
		m->emergencies++;
}

void bh_metrics_verb(struct bh_metrics *m, const char *verb, const char *action, int code)
{
	bool done = code == BH_EXIT_OK || code == BH_EXIT_NO;

	if (!m)
		return;
	if (!strcmp(verb, "apply") || !strcmp(verb, "rollback"))
		m->applies[done ? BH_MA_APPLIED : BH_MA_REFUSED]++;
	if (done && !strcmp(verb, "emergency") && action && !strcmp(action, "open"))
		bh_metrics_emergency(m);
}

/* --- as text --------------------------------------------------------------------------------- */

int bh_metrics_text(struct bh_metrics *m, bool file, char **ret, size_t *ret_n)
{
	struct bh_prom p = {0};

	bh_metrics_put_agent(m, &p);
	bh_metrics_put_policy(m, &p);
	bh_metrics_put_health(m, &p);
	bh_metrics_put_traffic(m, &p);
	bh_metrics_put_tables(m, &p);
	bh_metrics_put_telemetry(m, &p);
	bh_metrics_put_process(m, file, &p);
	if (p.failed) {
		bh_prom_clear(&p);
		return -ENOMEM;
	}
	*ret = p.text;
	*ret_n = p.n;
	return 0;
}

const char *bh_metrics_where(const struct bh_metrics *m)
{
	if (!m || (!m->file && !m->scrape))
		return "off";
	return m->file && m->scrape ? "a file, and over HTTP" : m->file ? "a file" : "over HTTP";
}

void bh_metrics_trouble(char ret[BH_TROUBLE_MAX], const char *fmt, ...)
{
	char text[BH_TROUBLE_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (!strcmp(ret, text))
		return;
	memcpy(ret, text, sizeof(text));
	if (*text)
		bh_warning("%s", text);
}

/* --- a life ---------------------------------------------------------------------------------- */

struct bh_metrics *bh_metrics_new(struct bh_agent *a)
{
	struct bh_metrics *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->agent = a;
	m->writer_fd = -1;
	return m;
}

/* Behind whatever the loop did: what changed by it is in the file at once. */
static int on_post(_unused_ sd_event_source *source, void *arg)
{
	bh_metrics_file_look(arg);
	return 0;
}

int bh_metrics_open(struct bh_metrics *m)
{
	int r = sd_event_add_post(m->agent->event, &m->post, on_post, m);

	if (r < 0)
		return r;
	m->opened = true;
	bh_metrics_reload(m);
	return 0;
}

void bh_metrics_reload(struct bh_metrics *m)
{
	if (!m || !m->opened)
		return;
	bh_metrics_http_use(m);
	bh_metrics_file_use(m);
}

void bh_metrics_tick(struct bh_metrics *m)
{
	if (!m || !m->opened)
		return;
	/* one that could not be opened is tried again */
	bh_metrics_http_use(m);
	bh_metrics_file_look(m);
}

void bh_metrics_free(struct bh_metrics *m)
{
	if (!m)
		return;
	m->ends = true;
	bh_metrics_http_close(m);
	bh_metrics_file_close(m);
	sd_event_source_disable_unref(m->post);
	free(m->file);
	free(m->old);
	free(m);
}
