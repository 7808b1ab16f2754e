/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics_http.c - who scrapes: at a socket that systemd handed over, for the agent's unit may not
 * make one, or else at an address of the settings.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include "metrics_internal.h"

static int on_scrape(void *ctx, char **ret, size_t *ret_n)
{
	return bh_metrics_text(ctx, false, ret, ret_n);
}

static const char *advice(int r)
{
	if (r == -EAFNOSUPPORT || r == -EPERM)
		return "; the unit's sandbox lets it make no socket: systemctl enable "
		       "bulkhead-metrics.socket, then restart it";
	if (r == -EADDRINUSE)
		return "; name another port in the settings";
	return "";
}

static const char *end_text(const struct bh_settings_end *end, char ret[INET6_ADDRSTRLEN + 10])
{
	static const __u8 mapped[12] = {[10] = 0xff, [11] = 0xff};
	bool v4 = !memcmp(end->addr.b, mapped, sizeof(mapped));
	char addr[INET6_ADDRSTRLEN] = "?";

	(void)inet_ntop(v4 ? AF_INET : AF_INET6, end->addr.b + (v4 ? 12 : 0), addr, sizeof(addr));
	snprintf(ret, INET6_ADDRSTRLEN + 10, v4 ? "%s:%u" : "[%s]:%u", addr, end->port);
	return ret;
}

static bool same_end(const struct bh_settings_end *a, const struct bh_settings_end *b)
{
	return a->port == b->port && !memcmp(&a->addr, &b->addr, sizeof(a->addr));
}

static void use_handed(struct bh_metrics *m)
{
	struct bh_agent *a = m->agent;
	int r;

	if (m->scrape)
		return;
	r = bh_scrape_open(a->event, a->metrics_fd, on_scrape, m, &m->scrape);
	if (r < 0) {
		bh_metrics_trouble(
			a->scrape_trouble,
			"metrics can't be served at the socket that systemd handed over: "
			"%s",
			strerror(-r));
		return;
	}
	a->metrics_fd = -1;
	m->handed = true;
	bh_info("metrics are served at the socket that systemd handed over");
}

static void open_at(struct bh_metrics *m, const struct bh_settings_end *end)
{
	struct bh_agent *a = m->agent;
	char text[INET6_ADDRSTRLEN + 10];
	int fd = bh_scrape_listen(&end->addr, end->port), r = fd;

	if (fd >= 0)
		r = bh_scrape_open(a->event, fd, on_scrape, m, &m->scrape);
	if (r < 0) {
		if (fd >= 0)
			(void)close(fd);
		bh_metrics_trouble(a->scrape_trouble, "metrics can't be served at %s: %s%s",
				   end_text(end, text), strerror(-r), advice(r));
		return;
	}
	m->listen = *end;
	a->scrape_trouble[0] = '\0';
	bh_info("metrics are served at http://%s/metrics", end_text(end, text));
}

void bh_metrics_http_use(struct bh_metrics *m)
{
	struct bh_agent *a = m->agent;
	const struct bh_settings_end *want = &a->opts.telemetry.metrics.listen;

	if (a->metrics_fd >= 0)
		use_handed(m);
	if (m->handed)
		return;
	if (m->scrape && !same_end(want, &m->listen))
		bh_metrics_http_close(m);
	if (!want->port)
		a->scrape_trouble[0] = '\0';
	else if (!m->scrape)
		open_at(m, want);
}

void bh_metrics_http_close(struct bh_metrics *m)
{
	bh_scrape_close(m->scrape);
	m->scrape = NULL;
	m->listen = (struct bh_settings_end){0};
}
