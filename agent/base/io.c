/* SPDX-License-Identifier: Apache-2.0 */
/* io.c - see io.h. The order of write, fsync, rename, fsync(dir) is what survives a power loss. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include "io.h"

int bh_file_read(const char *path, size_t max_bytes, char **ret, size_t *ret_bytes)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	size_t n = 0, room = 0;

	if (fd < 0)
		return -errno;
	/* Files of /proc have no size: read until the end. */
	for (;;) {
		ssize_t got;

		if (n + 1 >= room) {
			size_t more = room ? room * 2 : 4096;
			char *p = realloc(text, more);

			if (!p)
				return -ENOMEM;
			text = p;
			room = more;
		}
		got = read(fd, text + n, room - n - 1);
		if (got < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (!got)
			break;
		n += (size_t)got;
		if (n > max_bytes)
			return -EFBIG;
	}
	text[n] = '\0';
	*ret = TAKE_PTR(text);
	if (ret_bytes)
		*ret_bytes = n;
	return 0;
}

int bh_write_all(int fd, const void *data, size_t bytes)
{
	const char *p = data;

	while (bytes) {
		ssize_t n = write(fd, p, bytes);

		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		p += n;
		bytes -= (size_t)n;
	}
	return 0;
}

/* Return: a descriptor of the directory that @path lies in, or -errno. */
static int open_dir_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *dir = NULL;
	int fd;

	if (!slash)
		dir = strdup(".");
	else
		dir = strndup(path, slash == path ? 1 : (size_t)(slash - path));
	if (!dir)
		return -ENOMEM;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int bh_dir_sync_of(const char *path)
{
	_cleanup_close_ int fd = open_dir_of(path);

	if (fd < 0)
		return fd;
	return fsync(fd) < 0 ? -errno : 0;
}

/* A second name for what is there, so that @path is never missing. */
static int keep_as(const char *path, const char *keep)
{
	if (unlink(keep) < 0 && errno != ENOENT)
		return -errno;
	if (link(path, keep) < 0 && errno != ENOENT)
		return -errno;
	return 0;
}

/*
 * The new name is there and can't be made to last: who is told that it failed must not find it
 * after a restart.
 */
static void put_back(const char *path, const char *keep)
{
	if (keep && rename(keep, path) < 0 && errno == ENOENT)
		(void)unlink(path);
}

static int give_away(int fd, int dir)
{
	struct stat to;

	if (geteuid() != 0)
		return 0;
	if (fstat(dir, &to) < 0)
		return -errno;
	/* without CAP_CHOWN it stays root's, who is then the only one to write here */
	if (to.st_uid != 0 && fchown(fd, to.st_uid, to.st_gid) < 0 && errno != EPERM)
		return -errno;
	return 0;
}

int bh_file_give(int fd, const char *path)
{
	_cleanup_close_ int dir = open_dir_of(path);

	return dir < 0 ? dir : give_away(fd, dir);
}

/*
 * A file that nobody has by another name: what is left over goes first. A link is no leftover.
 * Return: a descriptor, -ELOOP, -errno.
 */
static int create(const char *path, mode_t mode)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW;
	int fd = open(path, flags, mode);
	struct stat st;

	if (fd < 0 && errno == EEXIST) {
		if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode))
			return -ELOOP;
		if (unlink(path) < 0)
			return -errno;
		fd = open(path, flags, mode);
	}
	return fd < 0 ? -errno : fd;
}

static int write_aside(const char *aside, int dir, const void *data, size_t bytes, mode_t mode)
{
	_cleanup_close_ int fd = create(aside, mode);
	int r;

	if (fd < 0)
		return fd;
	r = bh_write_all(fd, data, bytes);
	if (!r && fchmod(fd, mode) < 0)
		r = -errno;
	if (!r)
		r = give_away(fd, dir);
	if (!r && fsync(fd) < 0)
		r = -errno;
	return r;
}

int bh_file_replace(const char *path, const void *data, size_t bytes, mode_t mode, const char *keep)
{
	_cleanup_free_ char *aside = NULL;
	_cleanup_close_ int dir = -1;
	int r;

	if (asprintf(&aside, "%s.new", path) < 0) {
		aside = NULL;
		return -ENOMEM;
	}
	/* before the rename: what can fail behind it is only the sync */
	dir = open_dir_of(path);
	if (dir < 0)
		return dir;
	r = write_aside(aside, dir, data, bytes, mode);
	if (r == -ELOOP)
		return r;
	if (!r && keep)
		r = keep_as(path, keep);
	if (!r && rename(aside, path) < 0)
		r = -errno;
	if (r) {
		(void)unlink(aside);
		return r;
	}
	if (fsync(dir) == 0)
		return 0;
	r = -errno;
	put_back(path, keep);
	return r;
}

int bh_mkdir_p(const char *path, mode_t mode)
{
	_cleanup_free_ char *p = strdup(path);

	if (!p)
		return -ENOMEM;
	for (char *s = p + 1; *s; s++) {
		if (*s != '/')
			continue;
		*s = '\0';
		if (mkdir(p, 0755) < 0 && errno != EEXIST)
			return -errno;
		*s = '/';
	}
	if (mkdir(p, mode) < 0 && errno != EEXIST)
		return -errno;
	return 0;
}

int bh_std_fds(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			continue;
		/* the lowest that is free; the wrong way round, so that using it is an error still */
		if (open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0)
			return -errno;
	}
	return 0;
}
