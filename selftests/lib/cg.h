/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cg.h - cgroups for tests: a subtree <cgroup2>/bh-test-<pid>, never the host's own.
 * Used by selftests/datapath and selftests/net; selftests/run removes what a crash leaves.
 */
#ifndef BH_TEST_CG_H
#define BH_TEST_CG_H

#include <stdint.h>
#include <stddef.h>
#include <sys/types.h>

/**
 * cg_root - where cgroup2 is mounted (not /sys/fs/cgroup on hybrid hosts)
 * Return: 0, -ENOENT
 */
int cg_root(char *ret, size_t size);

/**
 * cg_base - make the subtree of this test, once
 * @ret: its absolute path, without a slash at the end
 */
int cg_base(char *ret, size_t size);

/**
 * cg_make - make a cgroup below the base, with its parents
 * @name:   "system.slice/nginx.service", or "" for the base itself
 * @ret_id: its cgroup id, may be NULL
 */
int cg_make(const char *name, uint64_t *ret_id);

/* Directory fd of a cgroup below the base, or -errno. */
int cg_open(const char *name);

/* Move a process (0 = the caller) into a cgroup below the base. */
int cg_move(const char *name, pid_t pid);

/* Move the caller back to where it was before its first cg_move(). */
int cg_leave(void);

/* Kill whoever is in the base, and remove it. The caller leaves first. */
int cg_remove(void);

#endif
