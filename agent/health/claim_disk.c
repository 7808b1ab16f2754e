/* SPDX-License-Identifier: Apache-2.0 */
/*
 * claim_disk.c - is what lies under "/", and under swap, encrypted: each leg of it, as sysfs has
 * the tree of block devices. It helps against a lost disk, and not against who is on the host.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include "claims_internal.h"

/* Deeper, or wider, than anything that is built. */
#define DEPTH_MAX 8
#define LEGS_MAX  64

/* What a walk down the tree has found. */
struct walk {
	const struct bh_claims *c;
	size_t legs, bare, unsure;
	char first[64]; /* bare or unsure */
};

static void note(struct walk *w, size_t *count, const char *name)
{
	(*count)++;
	if (!w->first[0])
		snprintf(w->first, sizeof(w->first), "%.60s", name);
}

static int attribute(const struct walk *w, const char *at, const char *name, char *ret, size_t room)
{
	char path[256];

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", at, name) >= sizeof(path))
		return -ENAMETOOLONG;
	return bh_claim_text(w->c, BH_FS_SYS, path, ret, room);
}

static bool has(const struct walk *w, const char *at, const char *name)
{
	char path[256];

	return (size_t)snprintf(path, sizeof(path), "%s/%s", at, name) < sizeof(path) &&
	       bh_claim_exists(w->c, path) == 1;
}

static int device(struct walk *w, const char *at, const char *name, int depth);

/* Return: how many there are, or -errno. */
static int slaves(struct walk *w, const char *at, int depth)
{
	char path[256];
	struct dirent *e;
	DIR *dir;
	int fd, n = 0, r = 0;

	if ((size_t)snprintf(path, sizeof(path), "%s/slaves", at) >= sizeof(path))
		return -ENAMETOOLONG;
	fd = bh_claim_open(w->c, BH_FS_SYS, path, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	dir = fdopendir(fd);
	if (!dir) {
		bh_closep(&fd);
		return -ENOMEM;
	}
	while (r == 0 && (e = readdir(dir))) {
		char below[256];

		if (e->d_name[0] == '.')
			continue;
		n++;
		snprintf(below, sizeof(below), "sys/class/block/%.200s", e->d_name);
		r = device(w, below, e->d_name, depth + 1);
	}
	closedir(dir);
	return r < 0 ? r : n;
}

/* @at: its directory in sysfs. Return: 0 or -errno: it can't be told. */
static int device(struct walk *w, const char *at, const char *name, int depth)
{
	char uuid[128], parent[256];
	int r = attribute(w, at, "dm/uuid", uuid, sizeof(uuid));

	if (depth > DEPTH_MAX || ++w->legs > LEGS_MAX)
		return -ELOOP;
	if (r < 0 && r != -ENOENT)
		return r;
	if (r == 0 && !strncmp(uuid, "CRYPT-", 6))
		return 0;
	r = slaves(w, at, depth);
	if (r != 0)
		return r < 0 ? r : 0;
	if (has(w, at, "partition")) {
		snprintf(parent, sizeof(parent), "%.200s/..", at);
		r = slaves(w, parent, depth);
		if (r != 0)
			return r < 0 ? r : 0;
	}
	/* what a loop device, or one over the network, rests on is not in this tree */
	if (has(w, at, "loop/backing_file") || !strncmp(name, "nbd", 3) || !strncmp(name, "rbd", 3))
		note(w, &w->unsure, name);
	else if (!has(w, at, "dev"))
		return -ENOENT;
	else if (strncmp(name, "zram", 4) != 0)
		note(w, &w->bare, name);
	return 0;
}

/* --- what lies under "/" -------------------------------------------------------------------------- */

void bh_claim_root_encrypted(struct bh_claims *c, const struct bh_claim *row,
			     struct bh_claim_result *ret)
{
	_cleanup_free_ char *text = malloc(BH_CLAIM_FILE);
	struct walk w = {.c = c};
	struct bh_claim_mount m;
	char at[64], name[32];
	int r = text ? bh_claim_text(c, BH_FS_PROC, row->path, text, BH_CLAIM_FILE) : -ENOMEM;

	if (r == 0)
		r = bh_claim_root_mount(text, &m);
	if (!bh_claim_got(ret, row->path, r))
		return;
	/* overlay, nfs, btrfs: a number that is no device's */
	if (!m.major) {
		bh_claim_say(ret, BH_CLAIM_UNKNOWN, "%s: what it rests on can't be told", m.type);
		return;
	}
	snprintf(at, sizeof(at), "sys/dev/block/%u:%u", m.major, m.minor);
	snprintf(name, sizeof(name), "%u:%u", m.major, m.minor);
	r = device(&w, at, name, 0);
	if (r < 0)
		bh_claim_fail(ret, at, r);
	else if (w.bare)
		bh_claim_say(ret, BH_CLAIM_BAD, "%s %s: %s is not encrypted", m.type, m.source,
			     w.first);
	else
		bh_claim_say(ret, w.unsure ? BH_CLAIM_UNKNOWN : BH_CLAIM_GOOD, "%s %s%s%s", m.type,
			     m.source, w.unsure ? ": what it rests on can't be told: " : "",
			     w.unsure ? w.first : "");
}

/* --- and under swap ------------------------------------------------------------------------------- */

/* The device of a swap file's filesystem. */
static int swap_file(struct walk *w, const char *file)
{
	_cleanup_close_ int fd = bh_claim_open(w->c, BH_FS_ANY, file + 1, O_PATH);
	char at[64], name[32];
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	snprintf(name, sizeof(name), "%u:%u", major(st.st_dev), minor(st.st_dev));
	snprintf(at, sizeof(at), "sys/dev/block/%s", name);
	if (!major(st.st_dev)) {
		note(w, &w->unsure, file);
		return 0;
	}
	return device(w, at, name, 0);
}

static int swap_on(struct walk *w, const char *file, const char *type)
{
	const char *name = strrchr(file, '/');
	char at[256];

	if (file[0] != '/' || !name[1])
		return -EBADMSG;
	if (strcmp(type, "partition") != 0)
		return swap_file(w, file);
	snprintf(at, sizeof(at), "sys/class/block/%.200s", name + 1);
	return device(w, at, name + 1, 0);
}

void bh_claim_swap(struct bh_claims *c, const struct bh_claim *row, struct bh_claim_result *ret)
{
	const char *file, *type;
	char text[8192], *rest = text, list[BH_CLAIM_TEXT] = "";
	struct walk w = {.c = c};
	int r = bh_claim_text(c, BH_FS_PROC, row->path, text, sizeof(text)), more = 0;

	while (r == 0 && (more = bh_claim_next_swap(&rest, &file, &type)) > 0) {
		bh_claim_add(list, file);
		r = swap_on(&w, file, type);
	}
	if (r < 0 || more < 0) {
		bh_claim_fail(ret, row->path, r < 0 ? r : more);
		return;
	}
	bh_claim_source(ret, row->path);
	if (!list[0])
		bh_claim_say(ret, BH_CLAIM_GOOD, "none");
	else if (w.bare)
		bh_claim_say(ret, BH_CLAIM_BAD, "%.80s: %s is not encrypted", list, w.first);
	else
		bh_claim_say(ret, w.unsure ? BH_CLAIM_UNKNOWN : BH_CLAIM_GOOD, "%.150s", list);
}
