/* SPDX-License-Identifier: Apache-2.0 */
/* users.c - see users.h. The agent has one thread: the enumerating calls of libc are fine. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include "users.h"

struct uids {
	__u32 *v;
	size_t n, room;
};

static int uids_add(struct uids *u, __u32 uid)
{
	if (u->n == u->room) {
		size_t room = u->room ? u->room * 2 : 16;
		__u32 *v = reallocarray(u->v, room, sizeof(*v));

		if (!v)
			return -ENOMEM;
		u->v = v;
		u->room = room;
	}
	u->v[u->n++] = uid;
	return 0;
}

static int uid_cmp(const void *a, const void *b)
{
	const __u32 x = *(const __u32 *)a, y = *(const __u32 *)b;

	return (x > y) - (x < y);
}

static void uids_sort(struct uids *u)
{
	size_t to = 0;

	if (!u->n)
		return;
	qsort(u->v, u->n, sizeof(*u->v), uid_cmp);
	for (size_t i = 0; i < u->n; i++)
		if (!to || u->v[to - 1] != u->v[i])
			u->v[to++] = u->v[i];
	u->n = to;
}

static bool is_shortage(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOMEM || error == EIO ||
	       error == EINTR;
}

/*
 * Why there is no answer: -ENOENT, or what this process or this disk is short of, which is no
 * answer. errno is not enough: where another source is asked after the file that could not be
 * opened (nsswitch.conf: "files systemd"), its "not found" is what is left.
 */
static int why_not(const char *file)
{
	_cleanup_close_ int fd = -1;
	char byte;

	if (is_shortage(errno))
		return -errno;
	fd = open(file, O_RDONLY | O_CLOEXEC);
	if ((fd < 0 || read(fd, &byte, 1) < 0) && is_shortage(errno))
		return -errno;
	return -ENOENT;
}

int bh_nss_uid_of(_unused_ void *ctx, const char *user, __u32 *ret_uid)
{
	const struct passwd *pw;

	errno = 0;
	pw = getpwnam(user);
	if (!pw)
		return why_not("/etc/passwd");
	*ret_uid = pw->pw_uid;
	return 0;
}

/* Those whose primary group it is. */
static int add_primary(gid_t gid, struct uids *u)
{
	const struct passwd *pw;
	int r = 0;

	setpwent();
	while (r == 0) {
		errno = 0;
		pw = getpwent();
		if (!pw) {
			r = why_not("/etc/passwd");
			break;
		}
		if (pw->pw_gid == gid)
			r = uids_add(u, pw->pw_uid);
	}
	endpwent();
	return r == -ENOENT ? 0 : r;
}

int bh_nss_group(_unused_ void *ctx, const char *group, __u32 **ret_uids, size_t *ret_n)
{
	const struct group *gr;
	struct uids u = {0};
	gid_t gid;
	int r = 0;

	errno = 0;
	gr = getgrnam(group);
	if (!gr)
		return why_not("/etc/group");
	gid = gr->gr_gid;
	for (char **m = gr->gr_mem; !r && *m; m++) {
		__u32 uid = 0;

		r = bh_nss_uid_of(NULL, *m, &uid);
		if (r == 0)
			r = uids_add(&u, uid);
		/* a member whom nobody knows */
		else if (r == -ENOENT)
			r = 0;
	}
	if (r == 0)
		r = add_primary(gid, &u);
	if (r) {
		free(u.v);
		return r;
	}
	uids_sort(&u);
	*ret_uids = u.v;
	*ret_n = u.n;
	return 0;
}

const char *bh_nss_name(__u32 uid, char ret[BH_USER_TEXT])
{
	const struct passwd *pw = getpwuid(uid);

	if (pw && strlen(pw->pw_name) < BH_USER_TEXT)
		strcpy(ret, pw->pw_name);
	else
		snprintf(ret, BH_USER_TEXT, "%u", uid);
	return ret;
}
