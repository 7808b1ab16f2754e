/* SPDX-License-Identifier: Apache-2.0 */
/*
 * newborn.h - tells that a cgroup was made, by inotify: for kernels whose tracepoint
 * cgroup_mkdir can't be used. Later than the tracepoint, which tells before mkdir() returns.
 */
#ifndef BH_NEWBORN_H
#define BH_NEWBORN_H

#include "../base/cleanup.h"

struct bh_newborn;

/**
 * bh_newborn_open - watch the tree below a directory
 * @root: path of a directory of the cgroup2 mount
 *
 * Return: 0, -ENOSPC (fs.inotify.max_user_watches), -EMFILE (fs.inotify.max_user_instances),
 * -ENOMEM, -ENOENT ...
 */
int bh_newborn_open(const char *root, struct bh_newborn **ret);
void bh_newborn_close(struct bh_newborn *n);
BH_DEFINE_CLEANUP(struct bh_newborn *, bh_newborn_close)

/* Readable when there is something for bh_newborn_read(). */
int bh_newborn_fd(const struct bh_newborn *n);

/**
 * bh_newborn_read - take what was told, and watch what is new
 *
 * Return: 1 (there are new cgroups, or may be), 0 (none), or -errno: not all of the tree is
 * watched, as of bh_newborn_open().
 */
int bh_newborn_read(struct bh_newborn *n);

#endif
