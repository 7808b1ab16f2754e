/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sink_file.c - see sink_file.h. The loop formats, the thread of a queue writes. What the record of
 * loss says was written is known only to the thread, where that record stands in the file: so the
 * loop hands it the numbers of the kernel side, and the thread does the rest.
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include "../base/cleanup.h"
#include "json.h"
#include "logfile.h"
#include "queue.h"
#include "sink_file.h"

#define LOSS_EVERY_NS 60000000000ull

/* What the loop knows when a record of loss is due; totals since the start of each count. */
struct due {
	struct bh_loss loss;
	__u64 skipped, full;
	__s64 time_ns;
	char host[400]; /* JSON text */
};

/* The thread's. */
struct writer {
	struct bh_logfile file;
	struct due told; /* by the last record that was written */
	__u64 written, failed;
	atomic_bool owed; /* one could not be written */
};

struct file_sink {
	struct bh_sink sink;
	struct bh_queue *queue;
	struct bh_json *json;
	struct writer *writer;
	__u32 events;
	struct due due; /* as of now */
	__u64 lost_then, next_ns;
};

static struct file_sink *of(struct bh_sink *s)
{
	return (struct file_sink *)s;
}

/* --- the thread ---------------------------------------------------------------------------------- */

static void tell(struct bh_queue *q, const struct writer *w)
{
	char text[BH_SINK_TROUBLE];

	bh_queue_say(q, bh_logfile_trouble(&w->file, text, sizeof(text)));
}

static __u32 count_lines(const char *data, size_t bytes)
{
	const char *end = data + bytes;
	__u32 n = 0;

	for (; (data = memchr(data, '\n', (size_t)(end - data))); data++)
		n++;
	return n;
}

static __u32 on_write(struct bh_queue *q, void *ctx, const char *data, size_t bytes, __u32 records)
{
	struct writer *w = ctx;
	int before = w->file.error[BH_LOGFILE_WRITE];
	size_t kept = bh_logfile_write(&w->file, data, bytes);
	__u32 n = kept == bytes ? records : count_lines(data, kept);

	w->written += n;
	w->failed += records - n;
	if (n < records || before)
		tell(q, w);
	return n;
}

static __u64 since(__u64 now, __u64 then)
{
	/* the counters were begun anew */
	return now >= then ? now - then : now;
}

static void subtract(struct bh_loss *loss, const struct bh_loss *then)
{
	for (size_t i = 0; i < loss->n_cpu; i++) {
		struct bh_loss_count *c = &loss->cpu[i];

		c->seen = since(c->seen, then->cpu[i].seen);
		c->sent = since(c->sent, then->cpu[i].sent);
		c->suppressed = since(c->suppressed, then->cpu[i].suppressed);
		c->lost = since(c->lost, then->cpu[i].lost);
		c->no_room = since(c->no_room, then->cpu[i].no_room);
	}
}

static char *loss_line(const struct writer *w, const struct due *due)
{
	const struct bh_json_period p = {
		.host = due->host,
		.since_ns = w->told.time_ns,
		.time_ns = due->time_ns,
		.skipped = due->skipped - w->told.skipped,
		.written = w->written,
		.queue = due->full - w->told.full,
		.sink = w->failed,
		.sink_stage = "sink_file",
	};
	_cleanup_free_ struct bh_loss *loss = malloc(sizeof(*loss));

	if (!loss)
		return NULL;
	*loss = due->loss;
	subtract(loss, &w->told.loss);
	return bh_json_loss(&p, loss);
}

static void on_mark(struct bh_queue *q, void *ctx, const void *data, _unused_ size_t bytes)
{
	struct writer *w = ctx;
	_cleanup_free_ char *line = loss_line(w, data);
	size_t n = line ? strlen(line) : 0;
	bool told = n && bh_logfile_write(&w->file, line, n) == n;

	atomic_store(&w->owed, !told);
	tell(q, w);
	if (!told)
		return;
	memcpy(&w->told, data, sizeof(w->told));
	w->written = w->failed = 0;
}

static void on_look(struct bh_queue *q, void *ctx)
{
	struct writer *w = ctx;

	bh_logfile_look(&w->file);
	tell(q, w);
}

static void on_end(void *ctx)
{
	struct writer *w = ctx;

	bh_logfile_clear(&w->file);
	free(w);
}

static const struct bh_queue_ops queue_ops = {
	.name = "bh_file",
	.write = on_write,
	.mark = on_mark,
	.look = on_look,
	.end = on_end,
};

/* --- the loop ------------------------------------------------------------------------------------ */

static void on_flow(struct bh_sink *s, const struct bh_flow *flow)
{
	struct file_sink *f = of(s);
	char *room;

	if (flow->ev.type >= BH_EVENT_TYPES || !(f->events & 1u << flow->ev.type)) {
		s->count.skipped++;
		return;
	}
	s->count.taken++;
	room = bh_queue_room(f->queue, BH_JSON_FLOW_MAX);
	if (room)
		bh_queue_put(f->queue, bh_json_flow(f->json, flow, room));
}

static void on_loss(struct bh_sink *s, const struct bh_loss *loss)
{
	of(s)->due.loss = *loss;
}

static __s64 wall_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (__s64)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void count(struct file_sink *f)
{
	struct bh_queue_count c = bh_queue_count(f->queue);

	f->sink.count.written = c.written;
	f->sink.count.lost = c.full + c.failed;
	f->due.full = c.full;
	f->due.skipped = f->sink.count.skipped;
}

static bool put_loss(struct file_sink *f)
{
	f->due.time_ns = wall_ns();
	(void)snprintf(f->due.host, sizeof(f->due.host), "%s", bh_json_host(f->json));
	return bh_queue_mark(f->queue, &f->due, sizeof(f->due));
}

/* All that did not get where it should. */
static __u64 lost_so_far(const struct file_sink *f)
{
	struct bh_loss_count k = bh_loss_sum(&f->due.loss);

	return f->sink.count.lost + k.suppressed + k.lost + k.no_room;
}

static void on_tick(struct bh_sink *s, __u64 boot_ns)
{
	struct file_sink *f = of(s);
	bool owed = atomic_load(&f->writer->owed);

	bh_json_look(f->json);
	bh_queue_flush(f->queue);
	bh_queue_hear(f->queue, s->trouble, sizeof(s->trouble));
	count(f);
	if (!owed && boot_ns < f->next_ns)
		return;
	f->next_ns = boot_ns + LOSS_EVERY_NS;
	if ((owed || lost_so_far(f) != f->lost_then) && put_loss(f))
		f->lost_then = lost_so_far(f);
}

static void drop(struct file_sink *f)
{
	bh_json_free(f->json);
	free(f);
}

static void on_close(struct bh_sink *s)
{
	struct file_sink *f = of(s);

	/* a record that is always there: who adds up the file needs the last numbers, too */
	bh_queue_flush(f->queue);
	count(f);
	(void)put_loss(f);
	(void)bh_queue_close(f->queue);
	drop(f);
}

static const struct bh_sink_ops ops = {
	.name = BH_SINK_FILE,
	.flow = on_flow,
	.loss = on_loss,
	.tick = on_tick,
	.close = on_close,
};

/* --- open ---------------------------------------------------------------------------------------- */

static int make_writer(const struct bh_sink_file_opts *opts, const struct due *now,
		       struct writer **ret)
{
	struct writer *w = calloc(1, sizeof(*w));
	int r = w ? bh_logfile_init(&w->file, opts->path, opts->max_bytes, opts->keep) : -ENOMEM;

	if (r < 0) {
		free(w);
		return r;
	}
	w->told = *now;
	*ret = w;
	return 0;
}

static void drop_writer(struct writer *w)
{
	if (w)
		on_end(w);
}

int bh_sink_file_open(const struct bh_sink_file_opts *opts, const struct bh_loss *loss,
		      struct bh_sink **ret)
{
	struct file_sink *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return -ENOMEM;
	f->sink.ops = &ops;
	f->events = opts->events;
	f->due.loss = *loss;
	f->due.time_ns = wall_ns();
	f->lost_then = lost_so_far(f);
	f->json = bh_json_new(opts->passwd);
	r = f->json ? make_writer(opts, &f->due, &f->writer) : -ENOMEM;
	if (r == 0)
		r = bh_queue_open(&queue_ops, f->writer, &f->queue);
	if (r < 0) {
		drop_writer(f->writer);
		drop(f);
		return r;
	}
	*ret = &f->sink;
	return 0;
}
