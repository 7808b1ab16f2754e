/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup.h - the cgroup tree as directories: where it is mounted, which id a path has, and
 * which path an id had. Callers: the verbs, for names; the server, to place its caller.
 */
#ifndef BH_CGROUP_H
#define BH_CGROUP_H

#include <sys/types.h>
#include <linux/types.h>
#include "../base/cleanup.h"

/**
 * bh_cgroup_mount - where cgroup2 is mounted
 * @mountinfo: path of the table, normally /proc/self/mountinfo
 *
 * Return: 0, -ENOENT (no cgroup2 mount), -ENOMEM, or what reading says.
 */
int bh_cgroup_mount(const char *mountinfo, char **ret);

/* The cgroup id of directory @path (its inode). Return: 0, -ENOTDIR, -ENOENT ... */
int bh_cgroup_id(const char *path, __u64 *ret);

/**
 * bh_cgroup_of_pid - the cgroup2 path of a process, as /proc/PID/cgroup has it
 * @ret: "/system.slice/x.service", malloced; below the mount, not below the agent's root
 *
 * Return: 0, -ESRCH, -ENODATA (no cgroup2 line), -ENOMEM.
 */
int bh_cgroup_of_pid(pid_t pid, char **ret);

/* True for /user.slice/.../NAME.scope and what is below: a login session, no user service. */
bool bh_cgroup_is_session(const char *path);

/*
 * Names by id. Names of cgroups that went are kept for a while, so that what they did can
 * still be told.
 */
struct bh_cgroups;

/* @root: the directory that is "/" in the names. Return: NULL if there is no memory. */
struct bh_cgroups *bh_cgroups_new(const char *root);
void bh_cgroups_free(struct bh_cgroups *c);
BH_DEFINE_CLEANUP(struct bh_cgroups *, bh_cgroups_free)

/* Walk the tree again. Return: 0 or -errno. */
int bh_cgroups_scan(struct bh_cgroups *c);

/* Name of @id below the root, or NULL. Does not look at the tree. */
const char *bh_cgroups_name(const struct bh_cgroups *c, __u64 id);

/**
 * bh_cgroups_each - every cgroup that lived at the last scan
 * @fn: returns non-zero to end it; that is returned
 */
int bh_cgroups_each(const struct bh_cgroups *c, int (*fn)(void *ctx, const char *path, __u64 id),
		    void *ctx);

#endif
