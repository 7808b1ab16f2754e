/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ring.c - see ring.h. The kernel wakes us for each event that finds the ring read to its end
 * (kernel/bpf/ringbuf.c: bpf_ringbuf_commit): a reader that always keeps up has the writer pay for
 * a wakeup each time. So while many come we look every few milliseconds instead, and sleep in
 * between, as network drivers do with packets.
 */
#include <string.h>
#include "control/flows.h"
#include "control/metrics.h"
#include "control/server.h"
#include "pairs.h"
#include "ring.h"
#include "telemetry/telemetry.h"

/* Many: so many since we looked. Next to them a timer is cheap. */
#define BUSY 32
/* The smallest ring, 1 MiB, takes two million a second by then. */
#define PACE_USEC 2000

void bh_agent_event(void *agent, const struct bh_event *ev)
{
	struct bh_agent *a = agent;
	struct bh_flow flow = bh_flow_of(a, ev);

	if (ev->type < ARRAY_SIZE(a->sessions))
		a->sessions[ev->type]++;
	bh_flows_add(a->flows, &flow);
	bh_telemetry_flow(a->telemetry, &flow);
	bh_metrics_event(a->metrics, ev);
	bh_pairs_note(a, &flow);
	bh_trial_event(a, ev);
	if (a->server)
		bh_server_event(a->server, ev);
}

/*
 * Where one look did not see the end of it the next is at once, after whoever else waits. Without a
 * timer we are woken as before: dearer, and nothing stays unread.
 */
static void look_again(struct bh_agent *a, int n)
{
	uint64_t usec = n < BH_KERN_POLL_MAX ? PACE_USEC : 0;
	bool paced = n >= BUSY && sd_event_source_set_time_relative(a->pace, usec) >= 0 &&
		     sd_event_source_set_enabled(a->pace, SD_EVENT_ONESHOT) >= 0;

	(void)sd_event_source_set_enabled(a->ring, paced ? SD_EVENT_OFF : SD_EVENT_ON);
}

static void look(struct bh_agent *a)
{
	int n = bh_kern_poll(a->kern);

	if (n < 0)
		bh_error("events of the kernel side: %s", strerror(-n));
	look_again(a, n);
}

static int on_ring(_unused_ sd_event_source *source, _unused_ int fd, _unused_ uint32_t revents,
		   void *arg)
{
	look(arg);
	return 0;
}

static int on_pace(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *arg)
{
	look(arg);
	return 0;
}

int bh_ring_open(struct bh_agent *a)
{
	int r = sd_event_add_io(a->event, &a->ring, bh_kern_event_fd(a->kern), EPOLLIN, on_ring, a);

	if (r >= 0)
		r = sd_event_add_time_relative(a->event, &a->pace, CLOCK_MONOTONIC, 0, 1, on_pace,
					       a);
	return r < 0 ? r : sd_event_source_set_enabled(a->pace, SD_EVENT_OFF);
}

void bh_ring_close(struct bh_agent *a)
{
	a->ring = sd_event_source_disable_unref(a->ring);
	a->pace = sd_event_source_disable_unref(a->pace);
}
