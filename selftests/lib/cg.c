/* SPDX-License-Identifier: Apache-2.0 */
/* cg.c - cgroups for tests, see cg.h. */
#include "cg.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char home[PATH_MAX]; /* where the caller was before it moved */
static pid_t owner;	    /* the test, also for the processes it forks */

int cg_root(char *ret, size_t size)
{
	FILE *f = setmntent("/proc/self/mounts", "re");
	struct mntent *m;
	int err = -ENOENT;

	if (!f)
		return -errno;
	while ((m = getmntent(f))) {
		if (strcmp(m->mnt_type, "cgroup2") != 0)
			continue;
		err = (size_t)snprintf(ret, size, "%s", m->mnt_dir) < size ? 0 : -ENAMETOOLONG;
		break;
	}
	(void)endmntent(f);
	return err;
}

static int path_of(const char *name, char *ret, size_t size)
{
	char root[PATH_MAX];
	int err = cg_root(root, sizeof(root));

	if (err)
		return err;
	if (!owner)
		owner = getpid();
	if ((size_t)snprintf(ret, size, "%s/bh-test-%d%s%s", root, (int)owner, *name ? "/" : "",
			     name) >= size)
		return -ENAMETOOLONG;
	return 0;
}

int cg_make(const char *name, uint64_t *ret_id)
{
	char path[PATH_MAX], base[PATH_MAX];
	struct stat st;
	int err = path_of("", base, sizeof(base));

	if (!err)
		err = path_of(name, path, sizeof(path));
	if (err)
		return err;
	for (char *p = path + strlen(base);; p++) {
		char was = *p;

		if (was && was != '/')
			continue;
		*p = '\0';
		if (mkdir(path, 0755) && errno != EEXIST)
			return -errno;
		*p = was;
		if (!was)
			break;
	}
	if (stat(path, &st))
		return -errno;
	if (ret_id)
		*ret_id = st.st_ino;
	return 0;
}

int cg_base(char *ret, size_t size)
{
	int err = cg_make("", NULL);

	return err ? err : path_of("", ret, size);
}

int cg_open(const char *name)
{
	char path[PATH_MAX];
	int err = path_of(name, path, sizeof(path)), fd;

	if (err)
		return err;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int write_to(const char *dir, const char *file, const char *text)
{
	char path[PATH_MAX + 32];
	ssize_t n;
	int fd, err = 0;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = write(fd, text, strlen(text));
	if (n < 0)
		err = -errno;
	(void)close(fd);
	return err;
}

static int remember_home(void)
{
	char root[PATH_MAX], line[PATH_MAX];
	FILE *f;
	int err;

	if (*home)
		return 0;
	err = cg_root(root, sizeof(root));
	if (err)
		return err;
	f = fopen("/proc/self/cgroup", "re");
	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f)) {
		if (strncmp(line, "0::", 3) != 0)
			continue;
		line[strcspn(line, "\n")] = '\0';
		if ((size_t)snprintf(home, sizeof(home), "%s%s", root, line + 3) >= sizeof(home))
			*home = '\0';
	}
	(void)fclose(f);
	return *home ? 0 : -ENOENT;
}

int cg_move(const char *name, pid_t pid)
{
	char path[PATH_MAX], text[16];
	int err = path_of(name, path, sizeof(path));

	if (!err && !pid)
		err = remember_home();
	if (err)
		return err;
	(void)snprintf(text, sizeof(text), "%d", (int)pid);
	return write_to(path, "cgroup.procs", text);
}

int cg_leave(void)
{
	return *home ? write_to(home, "cgroup.procs", "0") : 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)ftw;
	if (type != FTW_DP)
		return 0;
	/* A killed process leaves its cgroup a moment after it was killed. */
	for (int i = 0; i < 100; i++) {
		if (!rmdir(path) || errno == ENOENT)
			return 0;
		if (errno != EBUSY)
			break;
		(void)usleep(20000);
	}
	return -errno;
}

int cg_remove(void)
{
	char base[PATH_MAX];
	int err = cg_leave();

	if (!err)
		err = path_of("", base, sizeof(base));
	if (err)
		return err;
	if (access(base, F_OK))
		return 0;
	err = write_to(base, "cgroup.kill", "1");
	if (err)
		return err;
	return nftw(base, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
