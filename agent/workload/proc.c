/* SPDX-License-Identifier: Apache-2.0 */
/* proc.c - see proc.h. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include "../base/io.h"
#include "proc.h"

int bh_proc_uid(pid_t pid, __u32 *ret)
{
	_cleanup_free_ char *text = NULL;
	char path[64];
	const char *at;
	int r;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	r = bh_file_read(path, 1u << 16, &text, NULL);
	if (r)
		return r == -ENOENT ? -ESRCH : r;
	at = strstr(text, "\nUid:");
	if (!at || sscanf(at, "\nUid: %*u %*u %*u %u", ret) != 1)
		return -ENODATA;
	return 0;
}

int bh_proc_same_userns(pid_t pid)
{
	_cleanup_free_ char *ours = NULL, *theirs = NULL;
	struct stat a, b;
	char path[64];
	int r;

	snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
	if (!stat(path, &a) && !stat("/proc/self/ns/user", &b) &&
	    (a.st_dev != b.st_dev || a.st_ino != b.st_ino))
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/uid_map", (int)pid);
	r = bh_file_read(path, 1u << 16, &theirs, NULL);
	if (!r)
		r = bh_file_read("/proc/self/uid_map", 1u << 16, &ours, NULL);
	if (r)
		return r;
	return !strcmp(ours, theirs);
}
