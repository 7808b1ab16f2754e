/* SPDX-License-Identifier: Apache-2.0 */
/*
 * queue.h - between the event loop and a sink that may block: a thread of its own writes what the
 * loop has formatted. The loop fills large chunks and never waits; where all are full, what comes
 * is lost and counted. All functions are the loop's but those that are said to be the thread's.
 */
#ifndef BH_QUEUE_H
#define BH_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

#define BH_QUEUE_CHUNK	 (256u << 10)
#define BH_QUEUE_CHUNKS	 32u
#define BH_QUEUE_CLOSE_S 2
/* A sink that failed is tried again after so long. */
#define BH_QUEUE_AGAIN_NS 1000000000ull

struct bh_queue;

/* What the thread calls, one at a time. It may block there. */
struct bh_queue_ops {
	const char *name; /* of the thread, at most 15 characters */
	/* Return: how many of @records, from the first on, are kept. The others count as lost. */
	__u32 (*write)(struct bh_queue *q, void *ctx, const char *data, size_t bytes,
		       __u32 records);
	/* What bh_queue_mark() handed over; all that was put before it has been written. */
	void (*mark)(struct bh_queue *q, void *ctx, const void *data, size_t bytes);
	/* At the start, and once a second: the moment to look and to try again. */
	void (*look)(struct bh_queue *q, void *ctx);
	/* The last call: frees @ctx. Of whoever is the last, see bh_queue_close(). */
	void (*end)(void *ctx);
};

/* written + full + failed: what was put and does not wait any more. */
struct bh_queue_count {
	__u64 written;
	__u64 full;   /* lost here: no chunk was free */
	__u64 failed; /* lost at the sink */
};

/* @ctx is the queue's on success. Return: 0 or -errno. */
int bh_queue_open(const struct bh_queue_ops *ops, void *ctx, struct bh_queue **ret);
/**
 * bh_queue_close - write what waits, then end
 *
 * Waits at most BH_QUEUE_CLOSE_S. A thread that does not come back from its sink by then is left
 * to itself: it frees all when it does. Return: whether all of it was tried.
 */
bool bh_queue_close(struct bh_queue *q);

/* Where a record of up to @max bytes may be put; NULL: full, the record is lost and counted. */
char *bh_queue_room(struct bh_queue *q, size_t max);
/* The record is there, @bytes long. */
void bh_queue_put(struct bh_queue *q, size_t bytes);
/* Hand over what was put so far. */
void bh_queue_flush(struct bh_queue *q);
/* Something for the thread alone, in its place between the records. Return: whether it had room. */
bool bh_queue_mark(struct bh_queue *q, const void *data, size_t bytes);

/* Of both sides. */
struct bh_queue_count bh_queue_count(const struct bh_queue *q);
/* The thread's: what is wrong, "" is nothing. */
void bh_queue_say(struct bh_queue *q, const char *text);
/* The same, for the loop; leaves @ret as it is while the thread is writing it. */
void bh_queue_hear(struct bh_queue *q, char *ret, size_t size);

#endif
