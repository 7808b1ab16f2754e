/* SPDX-License-Identifier: Apache-2.0 */
/*
 * logfile.h - a file of whole lines that grows, is rotated by us or by others, and whose disk may be
 * full. All of it may block: it is called by the thread of a queue.
 */
#ifndef BH_LOGFILE_H
#define BH_LOGFILE_H

#include <stdbool.h>
#include <sys/types.h>
#include <linux/types.h>

#define BH_LOGFILE_MODE 0640

/* What can go wrong by itself; told in this order. */
enum bh_logfile_step { BH_LOGFILE_OPEN, BH_LOGFILE_WRITE, BH_LOGFILE_ROTATE, BH_LOGFILE_STEPS };

struct bh_logfile {
	char *path; /* owned */
	__u64 max_bytes;
	unsigned int keep; /* older files: path.1 is the newest of them */

	int fd; /* -1: none */
	off_t bytes;
	bool failed;		     /* nothing is written until the next look */
	bool stuck;		     /* it is not rotated until then */
	int error[BH_LOGFILE_STEPS]; /* -errno, 0 */
};

/* Opens nothing yet. Return: 0, -ENOMEM. */
int bh_logfile_init(struct bh_logfile *f, const char *path, __u64 max_bytes, unsigned int keep);
void bh_logfile_clear(struct bh_logfile *f);

/* Is it there, and still the one that we write? Once a second. */
void bh_logfile_look(struct bh_logfile *f);
/**
 * bh_logfile_write - whole lines, to the end; rotates between them
 *
 * Return: how many bytes of @data, from the first on and to the end of a line, are in the file.
 * What is behind them has left no trace there.
 */
size_t bh_logfile_write(struct bh_logfile *f, const char *data, size_t bytes);

/* What is wrong and what to do, "" if nothing is. Return: @ret. */
const char *bh_logfile_trouble(const struct bh_logfile *f, char *ret, size_t size);

#endif
