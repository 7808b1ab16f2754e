/* SPDX-License-Identifier: Apache-2.0 */
/* read.c - files below the root of struct bh_claims_opts, from the filesystem that is meant. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include "claims_internal.h"

/* linux/magic.h of Linux 6.1 has it; that of older headers has not */
#ifndef EFIVARFS_MAGIC
#define EFIVARFS_MAGIC 0xde5e81e4
#endif

static const unsigned long magics[BH_FS_MAX] = {
	[BH_FS_PROC] = PROC_SUPER_MAGIC,     [BH_FS_SYS] = SYSFS_MAGIC,
	[BH_FS_SECURITY] = SECURITYFS_MAGIC, [BH_FS_EFIVAR] = EFIVARFS_MAGIC,
	[BH_FS_SELINUX] = SELINUX_MAGIC,
};

static int check_fs(const struct bh_claims *c, enum bh_claim_fs fs, int fd)
{
	unsigned long want = c->opts.magic[fs] ? c->opts.magic[fs] : magics[fs];
	struct statfs st;

	if (fs == BH_FS_ANY)
		return 0;
	if (fstatfs(fd, &st) < 0)
		return -errno;
	return (unsigned long)st.f_type == want ? 0 : -EXDEV;
}

/*
 * Not by openat2(), which would do all of it: where systemd sees to RestrictSUIDSGID= it is not to be
 * had. Sockets of container runtimes are linked to by others' names.
 */
int bh_claim_open(const struct bh_claims *c, enum bh_claim_fs fs, const char *path, int flags)
{
	int follow = strncmp(path, "run/", 4) ? O_NOFOLLOW : 0, r;
	_cleanup_close_ int fd = openat(c->opts.root_fd, path, flags | O_CLOEXEC | follow);

	if (fd < 0)
		return -errno;
	r = check_fs(c, fs, fd);
	return r < 0 ? r : TAKE_FD(fd);
}

ssize_t bh_claim_bytes(const struct bh_claims *c, enum bh_claim_fs fs, const char *path, void *ret,
		       size_t room)
{
	_cleanup_close_ int fd = bh_claim_open(c, fs, path, O_RDONLY | O_NOCTTY | O_NONBLOCK);
	size_t n = 0;
	struct stat st;
	char more;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	for (;;) {
		ssize_t got = n < room ? read(fd, (char *)ret + n, room - n) : read(fd, &more, 1);

		if (got < 0)
			return -errno;
		if (got == 0)
			return (ssize_t)n;
		if (n == room)
			return -EFBIG;
		n += (size_t)got;
	}
}

int bh_claim_text(const struct bh_claims *c, enum bh_claim_fs fs, const char *path, char *ret,
		  size_t room)
{
	ssize_t n = bh_claim_bytes(c, fs, path, ret, room - 1);

	if (n < 0)
		return (int)n;
	ret[n] = '\0';
	if (strlen(ret) != (size_t)n)
		return -EBADMSG;
	while (n > 0 && ret[n - 1] == '\n')
		ret[--n] = '\0';
	return 0;
}

int bh_claim_number(const struct bh_claims *c, enum bh_claim_fs fs, const char *path, long *ret)
{
	char text[32], *end;
	int r = bh_claim_text(c, fs, path, text, sizeof(text));

	if (r < 0)
		return r == -EFBIG ? -EBADMSG : r;
	/* strtol() would take blanks and signs of its own liking */
	if (!strchr("-0123456789", text[0]))
		return -EBADMSG;
	errno = 0;
	*ret = strtol(text, &end, 10);
	return *end || end == text || errno ? -EBADMSG : 0;
}

int bh_claim_exists(const struct bh_claims *c, const char *path)
{
	_cleanup_close_ int fd = bh_claim_open(c, BH_FS_ANY, path, O_PATH);

	if (fd >= 0)
		return 1;
	return fd == -ENOENT || fd == -ENOTDIR ? 0 : fd;
}
