/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sink_file.h - flows as JSON Lines in a file: schema bulkhead.flow.v1, with a record of what was
 * lost each minute (if anything was) and at the end. Opened by agent/sinks.c.
 */
#ifndef BH_SINK_FILE_H
#define BH_SINK_FILE_H

#include "sink.h"

#define BH_SINK_FILE "file"

struct bh_sink_file_opts {
	const char *path; /* copied */
	__u64 max_bytes;
	unsigned int keep;
	__u32 events; /* bit i: type i of enum bh_event_type */
	const char *passwd;
};

/*
 * @loss: as it is now, what comes is told from there on. A path that can't be written is no error,
 * but trouble that ends when it can. Return: 0 or -errno.
 */
int bh_sink_file_open(const struct bh_sink_file_opts *opts, const struct bh_loss *loss,
		      struct bh_sink **ret);

#endif
