/* SPDX-License-Identifier: Apache-2.0 */
/* chain_read.h - the files of the audit log, line by line. Used by chain_*.c and audit.c. */
#ifndef BH_CHAIN_READ_H
#define BH_CHAIN_READ_H

#include <sys/types.h>
#include "chain.h"

/* The files there are, the oldest first; the last one is the log itself, if it is there. */
struct bh_chain_files {
	struct {
		char *path;
		FILE *f;
		ino_t ino;
	} v[BH_CHAIN_FILES + 2];
	size_t n;
};

/* Opened from the youngest to the oldest: a rotation meanwhile hides none. Return: 0 or -errno. */
int bh_chain_open(const char *log, struct bh_chain_files *ret);
void bh_chain_close(struct bh_chain_files *f);

/* How many older files stand in a row behind the log: audit.jsonl.1 to .N. */
unsigned int bh_chain_older(const char *log);

/* What is at the end of the log. */
struct bh_chain_end {
	struct bh_chain_record last; /* head.seq 0: there is no record at all */
	bool here;		     /* it is in the log itself, not in an older file */
	bool whole;		     /* the log itself is empty or ends in a line break */
	off_t bytes;		     /* of the log itself */
	char *rest;		     /* what stands behind the last record */
	size_t rest_bytes;
};

/* Return: 0, -EFBIG (no record in more than 256 MiB), -errno. */
int bh_chain_end_read(const char *log, struct bh_chain_end *ret);
void bh_chain_end_clear(struct bh_chain_end *e);

#endif
