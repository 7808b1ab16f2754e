/* SPDX-License-Identifier: Apache-2.0 */
/* metrics_internal.h - what the files of metrics share. */
#ifndef BH_METRICS_INTERNAL_H
#define BH_METRICS_INTERNAL_H

#include "../telemetry/scrape.h"
#include "metrics.h"

enum bh_metrics_verdict { BH_MV_ALLOWED, BH_MV_DENIED, BH_MV_AUDITED, BH_MV_ERROR, BH_MV_MAX };
enum bh_metrics_apply { BH_MA_APPLIED, BH_MA_REFUSED, BH_MA_MAX };

/* What the textfile needs to be as it is; another one is written at once. */
struct bh_metrics_seen {
	__u64 generation, emergency, holds, grants;
	bool capped, detached, no_policy, boot_observe, trial;
};

struct bh_metrics {
	struct bh_agent *agent;
	/* since the start */
	__u64 flows[2][BH_MV_MAX];
	__u64 ended[2];
	__u64 denied[2][BH_REASON_MAX];
	__u64 alerts[BH_ALERTS];
	__u64 applies[BH_MA_MAX];
	__u64 emergencies;

	bool opened, ends;
	sd_event_source *post;

	/* metrics_file.c */
	char *file;    /* that is written; NULL: none */
	char *old;     /* that has to go */
	pid_t writer;  /* 0: nobody writes */
	int writer_fd; /* pidfd */
	sd_event_source *writer_end;
	__u64 writer_ns, next_ns;
	bool due;
	struct bh_metrics_seen seen;
	__u64 writes;

	/* metrics_http.c */
	struct bh_scrape *scrape;
	struct bh_settings_end listen; /* what @scrape listens at; port 0: handed over, or none */
	bool handed;
};

/* metrics_file.c */
void bh_metrics_file_use(struct bh_metrics *m);
void bh_metrics_file_look(struct bh_metrics *m);
void bh_metrics_file_close(struct bh_metrics *m);

/* metrics_http.c */
void bh_metrics_http_use(struct bh_metrics *m);
void bh_metrics_http_close(struct bh_metrics *m);

/* metrics_fill.c, metrics_counts.c: families, in this order */
void bh_metrics_put_agent(struct bh_metrics *m, struct bh_prom *p);
void bh_metrics_put_policy(struct bh_metrics *m, struct bh_prom *p);
void bh_metrics_put_health(struct bh_metrics *m, struct bh_prom *p);
void bh_metrics_put_traffic(struct bh_metrics *m, struct bh_prom *p);
void bh_metrics_put_tables(struct bh_metrics *m, struct bh_prom *p);
void bh_metrics_put_telemetry(struct bh_metrics *m, struct bh_prom *p);
void bh_metrics_holds(const struct bh_agent *a, __u64 *ret_holds, __u64 *ret_grants);
/* metrics_process.c; @file: under names of our own */
void bh_metrics_put_process(struct bh_metrics *m, bool file, struct bh_prom *p);

/* What is wrong with one of them, into @ret of struct bh_agent; logged if it is news. */
_printf_(2, 3) void bh_metrics_trouble(char ret[BH_TROUBLE_MAX], const char *fmt, ...);

#endif
