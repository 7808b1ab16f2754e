/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sink.h - where flows go: a file, the journal, a collector. Each sink stands by itself: one that
 * is slow, full or gone never holds up another, nor the agent, and counts what it could not keep.
 */
#ifndef BH_SINK_H
#define BH_SINK_H

#include "flow.h"
#include "loss.h"

#define BH_SINK_TROUBLE 256

/*
 * What becomes of a flow here: taken = written + lost + what still waits. Skipped are those that
 * the sink was not asked for.
 */
struct bh_sink_count {
	__u64 taken, written, lost, skipped;
};

struct bh_sink;

struct bh_sink_ops {
	const char *name; /* "file", "journal", "ipfix": a word of `status` and metrics */
	/* Never blocks. @flow is good until it returns. */
	void (*flow)(struct bh_sink *s, const struct bh_flow *flow);
	/* What the kernel side did not tell so far: each second before the tick, and before the
	 * end. NULL: needs none. */
	void (*loss)(struct bh_sink *s, const struct bh_loss *loss);
	/* Once a second; also the moment to flush and to try again. NULL: needs none. */
	void (*tick)(struct bh_sink *s, __u64 boot_ns);
	/* Waits a bounded time for what is queued, then frees. */
	void (*close)(struct bh_sink *s);
};

/* The head of every sink's own struct. */
struct bh_sink {
	const struct bh_sink_ops *ops;
	struct bh_sink_count count;
	char trouble[BH_SINK_TROUBLE]; /* "" = works; else what is wrong and what to do */
};

#endif
