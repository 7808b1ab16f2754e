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

/* The first record of the @n-th older file; head.seq 0: it has none. Return: 0, -ENOENT, -errno. */
int bh_chain_first_read(const char *log, unsigned int n, struct bh_chain_record *ret);
/* Is @next written behind the last record of the @n-th older file? */
bool bh_chain_joins(const char *log, unsigned int n, const struct bh_chain_record *next);

/* --- chain_keep.c ------------------------------------------------------------------------------ */

/* The first record that a begin says is kept. False: it does not say. */
bool bh_chain_first_of(const json_t *begin, struct bh_chain_head *ret);
/* The first one that the log has to have; seq 0: it is empty. Return: 0 or -errno. */
int bh_chain_kept(const char *log, struct bh_chain_head *ret);
/* The oldest record there is. Return: 0, -ENOENT, -errno. */
int bh_chain_oldest(const char *log, struct bh_chain_head *ret);
/*
 * What *first will be when no more than @keep older files are left. It stays where it is if what
 * goes does not hang together: nobody is to hide behind a cut. Return: 0 or -errno.
 */
int bh_chain_cut_plan(const char *log, unsigned int keep, struct bh_chain_head *first);
/* Take the others away. Return: 0 or -errno. */
int bh_chain_cut(const char *log, unsigned int keep);

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
