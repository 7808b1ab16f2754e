/* SPDX-License-Identifier: Apache-2.0 */
/*
 * telemetry_queue.c - between the loop and a sink that blocks: nobody waits, what is full is counted
 * to the unit, marks keep their place, and a sink that never comes back is left behind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include "../../agent/base/cleanup.h"
#include "../../agent/telemetry/queue.h"

/* --- the queue ----------------------------------------------------------------------------------- */

/* A sink that waits for the test. */
struct slow {
	sem_t go;
	__u64 records, bytes, chunks;
	unsigned int marks;
	__u64 before_mark;
	bool signals_blocked;
	bool *ended;
};

static __u32 slow_write(_unused_ struct bh_queue *q, void *ctx, _unused_ const char *data,
			size_t bytes, __u32 records)
{
	struct slow *s = ctx;
	sigset_t set;

	sem_wait(&s->go);
	s->chunks++;
	s->bytes += bytes;
	s->records += records;
	pthread_sigmask(SIG_BLOCK, NULL, &set);
	s->signals_blocked = sigismember(&set, SIGTERM) && sigismember(&set, SIGHUP);
	return records;
}

static void slow_mark(struct bh_queue *q, void *ctx, const void *data, size_t bytes)
{
	struct slow *s = ctx;

	assert_int_equal(bytes, 5);
	assert_memory_equal(data, "mark", 5);
	s->marks++;
	s->before_mark = s->records;
	bh_queue_say(q, "marked");
}

static void slow_end(void *ctx)
{
	struct slow *s = ctx;

	*s->ended = true;
}

static const struct bh_queue_ops slow_ops = {
	.name = "bh_slow", .write = slow_write, .mark = slow_mark, .end = slow_end};

/* Return: whether it found room. */
static bool put(struct bh_queue *q, size_t bytes)
{
	char *room = bh_queue_room(q, bytes);

	if (!room)
		return false;
	memset(room, 'x', bytes);
	bh_queue_put(q, bytes);
	return true;
}

static void full_is_counted(_unused_ void **state)
{
	static bool ended;
	static struct slow s = {.ended = &ended};
	const size_t each = 1000, fit = BH_QUEUE_CHUNK / each * BH_QUEUE_CHUNKS;
	struct bh_queue *q = NULL;
	struct bh_queue_count c;
	char text[64] = "as it was";
	size_t put_n = 0;

	sem_init(&s.go, 0, 0);
	assert_int_equal(bh_queue_open(&slow_ops, &s, &q), 0);
	for (size_t i = 0; i < fit + 777; i++)
		put_n += put(q, each);
	/* nothing was waited for, and nothing was written */
	assert_int_equal(put_n, fit);
	c = bh_queue_count(q);
	assert_int_equal(c.full, 777);
	assert_int_equal(c.written + c.failed, 0);
	assert_false(bh_queue_mark(q, "mark", 5));
	for (size_t i = 0; i < BH_QUEUE_CHUNKS + 8; i++)
		sem_post(&s.go);
	while (bh_queue_count(q).written < fit)
		usleep(1000);
	assert_true(put(q, 10));
	assert_true(bh_queue_mark(q, "mark", 5));
	assert_true(bh_queue_close(q));
	assert_true(ended);
	assert_int_equal(s.records, fit + 1);
	assert_int_equal(s.bytes, fit * each + 10);
	assert_int_equal(s.marks, 1);
	assert_int_equal(s.before_mark, fit + 1);
	assert_true(s.signals_blocked);
	assert_string_equal(text, "as it was");
	sem_destroy(&s.go);
}

static void a_stuck_sink_is_left(_unused_ void **state)
{
	static bool ended;
	static struct slow s = {.ended = &ended};
	struct timespec from, to;
	struct bh_queue *q = NULL;

	ended = false;
	sem_init(&s.go, 0, 0);
	assert_int_equal(bh_queue_open(&slow_ops, &s, &q), 0);
	assert_true(put(q, 10));
	clock_gettime(CLOCK_MONOTONIC, &from);
	assert_false(bh_queue_close(q));
	clock_gettime(CLOCK_MONOTONIC, &to);
	assert_in_range(to.tv_sec - from.tv_sec, 1, 3);
	assert_false(*(volatile bool *)&ended);
	/* it comes back, and takes its things along */
	sem_post(&s.go);
	for (int i = 0; i < 2000 && !*(volatile bool *)&ended; i++)
		usleep(1000);
	assert_true(*(volatile bool *)&ended);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(full_is_counted),
		cmocka_unit_test(a_stuck_sink_is_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
