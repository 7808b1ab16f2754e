/* SPDX-License-Identifier: Apache-2.0 */
/* logfile.c - see logfile.h. No half line is ever followed by another. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include "../base/cleanup.h"
#include "../base/io.h"
#include "json.h"
#include "logfile.h"

/* Half a line is looked for so far back; no record of ours is as long. */
#define TAIL_MAX (1u << 20)
/* Files of a larger `keep` of before go, too. */
#define OLDER_MAX 1001u

static const char ours[] = "{\"schema\":\"" BH_JSON_SCHEMA "\"";

int bh_logfile_init(struct bh_logfile *f, const char *path, __u64 max_bytes, unsigned int keep)
{
	*f = (struct bh_logfile){
		.path = strdup(path), .max_bytes = max_bytes, .keep = keep, .fd = -1};
	return f->path ? 0 : -ENOMEM;
}

static void let_go(struct bh_logfile *f)
{
	bh_closep(&f->fd);
	f->fd = -1;
}

void bh_logfile_clear(struct bh_logfile *f)
{
	let_go(f);
	free(f->path);
	f->path = NULL;
}

/* --- open ---------------------------------------------------------------------------------------- */

/* An agent was killed in the middle of a line: it goes. What is no line of ours gets its end. */
static int mend_tail(int fd, const char *tail, size_t n, off_t begin)
{
	if (memcmp(tail, ours, MIN(n, sizeof(ours) - 1)) != 0)
		return bh_write_all(fd, "\n", 1);
	return ftruncate(fd, begin) < 0 ? -errno : 0;
}

static int read_at(int fd, char *to, size_t bytes, off_t at)
{
	while (bytes) {
		ssize_t n = pread(fd, to, bytes, at);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (!n)
			return -EIO;
		to += MAX(n, 0);
		bytes -= (size_t)MAX(n, 0);
		at += MAX(n, 0);
	}
	return 0;
}

/* @bytes: its size, more than 0 */
static int mend(int fd, off_t bytes)
{
	size_t n = (size_t)MIN(bytes, (off_t)TAIL_MAX), at;
	_cleanup_free_ char *end = NULL;
	const char *line;
	char last;
	int r = read_at(fd, &last, 1, bytes - 1);

	if (r < 0 || last == '\n')
		return r;
	end = malloc(n);
	r = end ? read_at(fd, end, n, bytes - (off_t)n) : -ENOMEM;
	if (r < 0)
		return r;
	line = memrchr(end, '\n', n);
	at = line ? (size_t)(line + 1 - end) : 0;
	return mend_tail(fd, end + at, n - at, bytes - (off_t)(n - at));
}

/* Return: a descriptor or -errno. */
static int open_or_begin(const char *path)
{
	const int flags = O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK;
	int fd = open(path, flags);

	if (fd >= 0 || errno != ENOENT)
		return fd < 0 ? -errno : fd;
	fd = open(path, flags | O_CREAT | O_EXCL, BH_LOGFILE_MODE);
	if (fd < 0)
		return -errno;
	/* whatever the umask */
	(void)fchmod(fd, BH_LOGFILE_MODE);
	return fd;
}

static int begin(struct bh_logfile *f)
{
	_cleanup_close_ int fd = open_or_begin(f->path);
	struct stat st;
	int r = 0;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EMEDIUMTYPE;
	if (st.st_size)
		r = mend(fd, st.st_size);
	if (r == 0 && fstat(fd, &st) < 0)
		r = -errno;
	if (r < 0)
		return r;
	f->bytes = st.st_size;
	f->fd = TAKE_FD(fd);
	return 0;
}

/* Moved, removed, or another in its place: who rotates from outside does that. */
static bool is_there(struct bh_logfile *f)
{
	struct stat ours_st, there;

	if (fstat(f->fd, &ours_st) < 0 || lstat(f->path, &there) < 0 ||
	    ours_st.st_ino != there.st_ino || ours_st.st_dev != there.st_dev)
		return false;
	/* others may have cut it */
	f->bytes = ours_st.st_size;
	return true;
}

void bh_logfile_look(struct bh_logfile *f)
{
	f->failed = f->stuck = false;
	if (f->fd >= 0 && !is_there(f))
		let_go(f);
	if (f->fd < 0)
		f->error[BH_LOGFILE_OPEN] = begin(f);
}

/* --- rotate -------------------------------------------------------------------------------------- */

/* @n 0: the file itself. Malloced, NULL: no memory. */
static char *older(const struct bh_logfile *f, unsigned int n)
{
	char *path;

	if (!n)
		return strdup(f->path);
	return asprintf(&path, "%s.%u", f->path, n) < 0 ? NULL : path;
}

static int move(const struct bh_logfile *f, unsigned int from)
{
	_cleanup_free_ char *old = older(f, from), *new = older(f, from + 1);

	if (!old || !new)
		return -ENOMEM;
	return rename(old, new) < 0 && errno != ENOENT ? -errno : 0;
}

/* Those of a larger `keep`: up to the first that is not there. */
static void cut(const struct bh_logfile *f)
{
	for (unsigned int i = f->keep + 1; i <= OLDER_MAX; i++) {
		_cleanup_free_ char *path = older(f, i);

		if (!path || unlink(path) < 0)
			return;
	}
}

/* A file that can't be moved grows on: its disk is not ours to judge, its flows are. */
static void rotate(struct bh_logfile *f)
{
	int r = 0;

	if (!is_there(f)) {
		bh_logfile_look(f);
		return;
	}
	for (unsigned int i = f->keep; r == 0 && i-- > 0;)
		r = move(f, i);
	f->error[BH_LOGFILE_ROTATE] = r;
	f->stuck = r < 0;
	if (r < 0)
		return;
	cut(f);
	let_go(f);
	f->error[BH_LOGFILE_OPEN] = begin(f);
}

/* --- write --------------------------------------------------------------------------------------- */

/* Up to the last end of a line in @bytes. */
static size_t whole(const char *data, size_t bytes)
{
	const char *end = memrchr(data, '\n', bytes);

	return end ? (size_t)(end + 1 - data) : 0;
}

/* What was begun is taken back, else nothing is written until mend() could do it. */
static void take_back(struct bh_logfile *f, off_t end, off_t keep)
{
	struct stat st;

	if (end == keep)
		return;
	if (fstat(f->fd, &st) < 0 || st.st_size != end || ftruncate(f->fd, keep) < 0)
		let_go(f);
}

/* Return: bytes of whole lines that are in the file. */
static size_t append(struct bh_logfile *f, const char *data, size_t bytes)
{
	size_t n = 0, kept;

	f->error[BH_LOGFILE_WRITE] = 0;
	while (n < bytes && !f->error[BH_LOGFILE_WRITE]) {
		ssize_t put = write(f->fd, data + n, bytes - n);

		if (put > 0)
			n += (size_t)put;
		else if (put == 0 || errno != EINTR)
			f->error[BH_LOGFILE_WRITE] = put ? -errno : -EIO;
	}
	kept = n == bytes ? n : whole(data, n);
	if (n < bytes) {
		take_back(f, f->bytes + (off_t)n, f->bytes + (off_t)kept);
		f->failed = true;
	}
	f->bytes += (off_t)kept;
	return kept;
}

/* How much of it the file has room for: whole lines, and at least one in an empty file. */
static size_t fits(const struct bh_logfile *f, const char *data, size_t bytes)
{
	__u64 room = f->max_bytes > (__u64)f->bytes ? f->max_bytes - (__u64)f->bytes : 0;
	const char *end;
	size_t n;

	if (bytes <= room || f->stuck)
		return bytes;
	n = room ? whole(data, (size_t)room) : 0;
	if (n || f->bytes)
		return n;
	end = memchr(data, '\n', bytes);
	return end ? (size_t)(end + 1 - data) : bytes;
}

size_t bh_logfile_write(struct bh_logfile *f, const char *data, size_t bytes)
{
	size_t kept = 0;

	while (kept < bytes && f->fd >= 0 && !f->failed) {
		size_t n = fits(f, data + kept, bytes - kept);

		if (n)
			kept += append(f, data + kept, n);
		else
			rotate(f);
	}
	return kept;
}

/* --- what is wrong ------------------------------------------------------------------------------- */

static const char *advice(int error)
{
	switch (-error) {
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return "make room there";
	case ENOENT:
	case ENOTDIR:
		return "make its directory";
	case EACCES:
	case EPERM:
		return "let the agent's user write there";
	case EROFS:
		return "name another file, or mount that for writing";
	case ELOOP:
		return "a symbolic link is not followed: name the file itself";
	case EISDIR:
	case EMEDIUMTYPE:
	case ENXIO:
		return "that is no file: name another";
	default:
		return "look at its disk, or name another file";
	}
}

const char *bh_logfile_trouble(const struct bh_logfile *f, char *ret, size_t size)
{
	static const char *const what[] = {
		[BH_LOGFILE_OPEN] = "flows are lost",
		[BH_LOGFILE_WRITE] = "flows are lost",
		[BH_LOGFILE_ROTATE] = "the file can't be rotated, and grows",
	};

	*ret = '\0';
	for (int i = 0; i < BH_LOGFILE_STEPS && !*ret; i++)
		if (f->error[i])
			(void)snprintf(ret, size, "%s: %s: %s; %s", what[i], f->path,
				       f->error[i] == -EMEDIUMTYPE ? "no regular file"
								   : strerrordesc_np(-f->error[i]),
				       advice(f->error[i]));
	return ret;
}
