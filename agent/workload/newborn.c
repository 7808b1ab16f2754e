/* SPDX-License-Identifier: Apache-2.0 */
/*
 * newborn.c - inotify over a tree of cgroups. Which directory is new is not kept: the tree is
 * walked, and to watch again what is watched changes nothing (inotify_add_watch(2)).
 */
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <limits.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>
#include "newborn.h"

struct bh_newborn {
	char *root;
	int fd;
};

void bh_newborn_close(struct bh_newborn *n)
{
	if (!n)
		return;
	bh_closep(&n->fd);
	free(n->root);
	free(n);
}

int bh_newborn_fd(const struct bh_newborn *n)
{
	return n->fd;
}

/*
 * A directory is watched before its list is read (fts reads it at the step after FTS_D): what
 * is made in it meanwhile is in the list, or told, or both.
 */
static int watch_tree(struct bh_newborn *n)
{
	char *const paths[] = {n->root, NULL};
	FTS *fts = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV | FTS_NOSTAT, NULL);
	FTSENT *f;
	int r = 0;

	if (!fts)
		return -errno;
	while (!r && (f = fts_read(fts))) {
		if (f->fts_level == 0 && (f->fts_info == FTS_NS || f->fts_info == FTS_DNR))
			r = -f->fts_errno;
		if (f->fts_info != FTS_D)
			continue;
		/* ENOENT: it was removed meanwhile */
		if (inotify_add_watch(n->fd, f->fts_path, IN_CREATE | IN_ONLYDIR) < 0 &&
		    (errno != ENOENT || f->fts_level == 0))
			r = -errno;
	}
	fts_close(fts);
	return r;
}

int bh_newborn_open(const char *root, struct bh_newborn **ret)
{
	_cleanup_(bh_newborn_closep) struct bh_newborn *n = calloc(1, sizeof(*n));
	int r;

	if (!n)
		return -ENOMEM;
	n->root = strdup(root);
	n->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (n->fd < 0)
		return -errno;
	if (!n->root)
		return -ENOMEM;
	r = watch_tree(n);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(n);
	return 0;
}

/* IN_IGNORED comes for each that goes; IN_Q_OVERFLOW may hide anything. */
static bool tells_of_new(const char *buf, size_t len)
{
	const struct inotify_event *ev;

	for (size_t at = 0; at < len; at += sizeof(*ev) + ev->len) {
		ev = (const void *)(buf + at);
		if (ev->mask & (IN_CREATE | IN_Q_OVERFLOW))
			return true;
	}
	return false;
}

int bh_newborn_read(struct bh_newborn *n)
{
	_Alignas(struct inotify_event) char buf[16 * (sizeof(struct inotify_event) + NAME_MAX + 1)];
	bool news = false;
	ssize_t len;
	int r;

	while ((len = read(n->fd, buf, sizeof(buf))) > 0)
		news = tells_of_new(buf, (size_t)len) || news;
	if (len < 0 && errno != EAGAIN && errno != EINTR)
		return -errno;
	if (!news)
		return 0;
	r = watch_tree(n);
	return r < 0 ? r : 1;
}
