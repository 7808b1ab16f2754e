/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzzdir.h - a directory of its own for a fuzz target whose code reads files, below TMPDIR:
 * thousands of files a second are written and synced there, so memory is the place for it.
 */
#ifndef BH_TEST_FUZZDIR_H
#define BH_TEST_FUZZDIR_H

#include <ftw.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "must.h"

static char fuzz_dir[200];

static int fuzz_dir_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static void fuzz_dir_end(void)
{
	(void)nftw(fuzz_dir, fuzz_dir_remove, 8, FTW_DEPTH | FTW_PHYS);
}

/* Return: the directory; empty when it is asked for the first time, gone when the process ends. */
static const char *fuzz_dir_of(void)
{
	const char *tmp = getenv("TMPDIR");

	if (*fuzz_dir)
		return fuzz_dir;
	(void)snprintf(fuzz_dir, sizeof(fuzz_dir), "%s/bh-test-%d", tmp ? tmp : "/tmp",
		       (int)getpid());
	MUST(mkdir(fuzz_dir, 0700) == 0);
	(void)atexit(fuzz_dir_end);
	return fuzz_dir;
}

static void fuzz_file_write(const char *path, const void *data, size_t bytes)
{
	FILE *f = fopen(path, "we");

	MUST(f && fwrite(data, 1, bytes, f) == bytes);
	MUST(fclose(f) == 0);
}

#endif
