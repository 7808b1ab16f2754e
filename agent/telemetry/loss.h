/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loss.h - what the kernel side did not tell, as it counts it: sent + suppressed + lost = seen. The
 * agent reads it once a second and at the end; sinks write it into the same stream as the flows.
 */
#ifndef BH_LOSS_H
#define BH_LOSS_H

#include <stddef.h>
#include <linux/types.h>

#define BH_LOSS_CPUS 1024 /* the last one stands for those above it, too */

struct bh_loss_count {
	__u64 seen, sent;
	__u64 suppressed; /* denies alike, above the limit */
	__u64 lost;	  /* the ring was full */
	__u64 no_room;	  /* datagrams of a peer that found no room in bh_flows */
};

struct bh_loss {
	size_t n_cpu;
	struct bh_loss_count cpu[BH_LOSS_CPUS];
};

/* Over all CPUs. */
struct bh_loss_count bh_loss_sum(const struct bh_loss *loss);

#endif
