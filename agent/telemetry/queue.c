/* SPDX-License-Identifier: Apache-2.0 */
/*
 * queue.c - see queue.h: a ring of chunks with one who fills and one who empties. A child of fork()
 * has no thread and calls nothing of this.
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include "../base/cleanup.h"
#include "queue.h"

#define TEXT 256

struct chunk {
	char *data;
	size_t bytes;
	__u32 records; /* 0: a mark */
};

struct bh_queue {
	const struct bh_queue_ops *ops;
	void *ctx;
	pthread_t thread;
	sem_t wake;
	atomic_uint head;  /* chunks handed over, by the loop */
	atomic_uint tail;  /* chunks done with, by the thread */
	atomic_bool stop;  /* end when there is nothing left */
	atomic_bool leave; /* end now */
	atomic_uint users; /* the loop and the thread: the last one frees */
	_Atomic __u64 written, full, failed;
	struct chunk chunk[BH_QUEUE_CHUNKS];
	pthread_mutex_t said;
	char text[TEXT];
	__u64 look_ns; /* the thread's: when to look again */
	/* the loop's: of the chunk that is being filled */
	size_t bytes;
	__u32 records;
};

static void add(_Atomic __u64 *counter, __u64 n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static void put_down(struct bh_queue *q)
{
	if (atomic_fetch_sub(&q->users, 1) > 1)
		return;
	q->ops->end(q->ctx);
	(void)sem_destroy(&q->wake);
	(void)pthread_mutex_destroy(&q->said);
	free(q->chunk[0].data);
	free(q);
}

/* --- the thread ------------------------------------------------------------------------------ */

static __u64 now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (__u64)t.tv_sec * 1000000000u + (__u64)t.tv_nsec;
}

static void look(struct bh_queue *q)
{
	__u64 now = now_ns();

	if (now < q->look_ns)
		return;
	q->look_ns = now + BH_QUEUE_AGAIN_NS;
	if (q->ops->look)
		q->ops->look(q, q->ctx);
}

static void work(struct bh_queue *q, const struct chunk *c)
{
	__u32 kept;

	if (!c->records) {
		q->ops->mark(q, q->ctx, c->data, c->bytes);
		return;
	}
	kept = q->ops->write(q, q->ctx, c->data, c->bytes, c->records);
	add(&q->written, kept);
	add(&q->failed, c->records - kept);
}

static void empty(struct bh_queue *q)
{
	unsigned int tail = atomic_load_explicit(&q->tail, memory_order_relaxed);

	while (tail != atomic_load_explicit(&q->head, memory_order_acquire) &&
	       !atomic_load(&q->leave)) {
		work(q, &q->chunk[tail % BH_QUEUE_CHUNKS]);
		atomic_store_explicit(&q->tail, ++tail, memory_order_release);
		look(q);
	}
}

static void *run(void *arg)
{
	struct bh_queue *q = arg;
	bool stop;

	do {
		/* before the look at what there is: what was put before the stop is written */
		stop = atomic_load(&q->stop);
		look(q);
		empty(q);
		if (!stop) {
			struct timespec until = {(time_t)(q->look_ns / 1000000000u),
						 (long)(q->look_ns % 1000000000u)};

			(void)sem_clockwait(&q->wake, CLOCK_MONOTONIC, &until);
		}
	} while (!stop && !atomic_load(&q->leave));
	put_down(q);
	return NULL;
}

void bh_queue_say(struct bh_queue *q, const char *text)
{
	pthread_mutex_lock(&q->said);
	(void)snprintf(q->text, sizeof(q->text), "%s", text);
	pthread_mutex_unlock(&q->said);
}

/* --- open, close ----------------------------------------------------------------------------- */

/* Signals are the loop's: it reads them from a descriptor. */
static int start(struct bh_queue *q)
{
	sigset_t all, old;
	int r;

	sigfillset(&all);
	r = pthread_sigmask(SIG_SETMASK, &all, &old);
	if (r)
		return -r;
	r = pthread_create(&q->thread, NULL, run, q);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r)
		return -r;
	(void)pthread_setname_np(q->thread, q->ops->name);
	return 0;
}

int bh_queue_open(const struct bh_queue_ops *ops, void *ctx, struct bh_queue **ret)
{
	struct bh_queue *q = calloc(1, sizeof(*q));
	/* pages come with their first use */
	char *pool = q ? malloc((size_t)BH_QUEUE_CHUNK * BH_QUEUE_CHUNKS) : NULL;
	int r;

	if (!pool) {
		free(q);
		return -ENOMEM;
	}
	for (size_t i = 0; i < BH_QUEUE_CHUNKS; i++)
		q->chunk[i].data = pool + i * BH_QUEUE_CHUNK;
	q->ops = ops;
	q->ctx = ctx;
	atomic_init(&q->users, 2);
	(void)sem_init(&q->wake, 0, 0);
	(void)pthread_mutex_init(&q->said, NULL);
	r = start(q);
	if (r < 0) {
		free(pool);
		free(q);
		return r;
	}
	*ret = q;
	return 0;
}

bool bh_queue_close(struct bh_queue *q)
{
	struct timespec until;
	bool ended;

	bh_queue_flush(q);
	atomic_store(&q->stop, true);
	(void)sem_post(&q->wake);
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += BH_QUEUE_CLOSE_S;
	ended = pthread_clockjoin_np(q->thread, NULL, CLOCK_MONOTONIC, &until) == 0;
	if (!ended) {
		atomic_store(&q->leave, true);
		(void)pthread_detach(q->thread);
	}
	put_down(q);
	return ended;
}

/* --- the loop -------------------------------------------------------------------------------- */

/* The chunk that is being filled, NULL: none is free. */
static struct chunk *filling(const struct bh_queue *q)
{
	unsigned int head = atomic_load_explicit(&q->head, memory_order_relaxed);

	if (head - atomic_load_explicit(&q->tail, memory_order_acquire) == BH_QUEUE_CHUNKS)
		return NULL;
	return (struct chunk *)&q->chunk[head % BH_QUEUE_CHUNKS];
}

static void hand_over(struct bh_queue *q, struct chunk *c)
{
	c->bytes = q->bytes;
	c->records = q->records;
	q->bytes = q->records = 0;
	atomic_fetch_add_explicit(&q->head, 1, memory_order_release);
	(void)sem_post(&q->wake);
}

char *bh_queue_room(struct bh_queue *q, size_t max)
{
	struct chunk *c = filling(q);

	if (c && q->bytes + max > BH_QUEUE_CHUNK) {
		hand_over(q, c);
		c = filling(q);
	}
	if (c)
		return c->data + q->bytes;
	add(&q->full, 1);
	return NULL;
}

void bh_queue_put(struct bh_queue *q, size_t bytes)
{
	q->bytes += bytes;
	q->records++;
}

void bh_queue_flush(struct bh_queue *q)
{
	if (q->records)
		hand_over(q, filling(q));
}

bool bh_queue_mark(struct bh_queue *q, const void *data, size_t bytes)
{
	struct chunk *c;

	bh_queue_flush(q);
	c = filling(q);
	if (!c || bytes > BH_QUEUE_CHUNK)
		return false;
	memcpy(c->data, data, bytes);
	q->bytes = bytes;
	hand_over(q, c);
	return true;
}

struct bh_queue_count bh_queue_count(const struct bh_queue *q)
{
	return (struct bh_queue_count){
		.written = atomic_load_explicit(&q->written, memory_order_relaxed),
		.full = atomic_load_explicit(&q->full, memory_order_relaxed),
		.failed = atomic_load_explicit(&q->failed, memory_order_relaxed),
	};
}

void bh_queue_hear(struct bh_queue *q, char *ret, size_t size)
{
	if (pthread_mutex_trylock(&q->said) != 0)
		return;
	(void)snprintf(ret, size, "%s", q->text);
	pthread_mutex_unlock(&q->said);
}
