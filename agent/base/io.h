/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io.h - whole files: read with a limit, replaced so that a power loss leaves the old or the
 * new one. Callers: state on disk, the audit log, small files of /proc; main().
 */
#ifndef BH_IO_H
#define BH_IO_H

#include <sys/types.h>
#include "cleanup.h"

/**
 * bh_file_read - a whole file
 * @path:      file
 * @max_bytes: more than this is -EFBIG
 * @ret:       malloced, with a NUL behind the last byte
 * @ret_bytes: its length without that NUL; may be NULL
 *
 * Return: 0, -ENOENT, -EFBIG, -ENOMEM or what open and read say.
 */
int bh_file_read(const char *path, size_t max_bytes, char **ret, size_t *ret_bytes);

/**
 * bh_file_replace - write a file aside, then rename it over @path
 * @keep: the file that was there gets this path, or NULL
 *
 * The data and the directory are synced, in this order: after a power loss @path is the old
 * file or the new one, whole. Return: 0 or -errno; on error @path is what it was (without @keep it
 * is the new file where it was only the directory that could not be synced).
 */
int bh_file_replace(const char *path, const void *data, size_t bytes, mode_t mode,
		    const char *keep);

/*
 * Root (`bulkheadd rescue`) may write where an agent that has a user of its own will read: a file
 * that was made becomes the directory's owner's. Not for one that was there. Return: 0 or -errno.
 */
int bh_file_give(int fd, const char *path);

/* Writes all of it. Return: 0 or -errno. */
int bh_write_all(int fd, const void *data, size_t bytes);

/* Sync the directory that @path lies in. Return: 0 or -errno. */
int bh_dir_sync_of(const char *path);

/* mkdir unless it is there, with its parents; @mode for the last one. Return: 0 or -errno. */
int bh_mkdir_p(const char *path, mode_t mode);

/*
 * First of all in main(): a standard stream that is closed would be the next file that is opened.
 * Return: 0 or -errno.
 */
int bh_std_fds(void);

#endif
