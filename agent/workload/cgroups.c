/* SPDX-License-Identifier: Apache-2.0 */
/* cgroups.c - names of cgroups by id: a walk of the tree into a table sorted by id. */
#include <errno.h>
#include <fts.h>
#include <string.h>
#include <sys/stat.h>
#include "cgroup.h"

/* So many names of cgroups that went are remembered. */
#define GONE_MAX 4096

struct entry {
	__u64 id;
	char *path;
	bool alive;
};

struct bh_cgroups {
	char *root;
	struct entry *v; /* sorted by id */
	size_t n, room;
};

struct bh_cgroups *bh_cgroups_new(const char *root)
{
	struct bh_cgroups *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->root = strdup(root);
	if (!c->root) {
		free(c);
		return NULL;
	}
	return c;
}

void bh_cgroups_free(struct bh_cgroups *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n; i++)
		free(c->v[i].path);
	free(c->v);
	free(c->root);
	free(c);
}

static int entry_cmp(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

static struct entry *entry_find(const struct bh_cgroups *c, size_t n, __u64 id)
{
	struct entry key = {.id = id};

	/* bsearch() may not be given NULL, also with no elements. */
	return n ? bsearch(&key, c->v, n, sizeof(*c->v), entry_cmp) : NULL;
}

/* @n_sorted: the entries before this walk; those of the walk are appended behind. */
static int entry_see(struct bh_cgroups *c, size_t n_sorted, __u64 id, const char *path)
{
	struct entry *e = entry_find(c, n_sorted, id);
	char *copy;

	if (e && !strcmp(e->path, path)) {
		e->alive = true;
		return 0;
	}
	copy = strdup(path);
	if (!copy)
		return -ENOMEM;
	if (e) {
		free(e->path);
		e->path = copy;
		e->alive = true;
		return 0;
	}
	if (c->n == c->room) {
		size_t room = c->room ? c->room * 2 : 256;
		struct entry *v = reallocarray(c->v, room, sizeof(*v));

		if (!v) {
			free(copy);
			return -ENOMEM;
		}
		c->v = v;
		c->room = room;
	}
	c->v[c->n++] = (struct entry){.id = id, .path = copy, .alive = true};
	return 0;
}

static void forget_gone(struct bh_cgroups *c)
{
	size_t gone = 0, to = 0;

	for (size_t i = 0; i < c->n; i++)
		gone += !c->v[i].alive;
	if (gone <= GONE_MAX)
		return;
	for (size_t i = 0; i < c->n; i++) {
		if (c->v[i].alive)
			c->v[to++] = c->v[i];
		else
			free(c->v[i].path);
	}
	c->n = to;
}

int bh_cgroups_scan(struct bh_cgroups *c)
{
	char *const paths[] = {c->root, NULL};
	size_t n_sorted = c->n, skip = strlen(c->root);
	FTS *fts;
	FTSENT *f;
	int r = 0;

	fts = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
	if (!fts)
		return -errno;
	for (size_t i = 0; i < c->n; i++)
		c->v[i].alive = false;
	while (!r && (f = fts_read(fts))) {
		if (f->fts_info == FTS_D)
			r = entry_see(c, n_sorted, f->fts_statp->st_ino,
				      f->fts_path[skip] ? f->fts_path + skip : "/");
	}
	fts_close(fts);
	if (c->n > n_sorted)
		qsort(c->v, c->n, sizeof(*c->v), entry_cmp);
	forget_gone(c);
	return r;
}

const char *bh_cgroups_name(const struct bh_cgroups *c, __u64 id)
{
	const struct entry *e = entry_find(c, c->n, id);

	return e ? e->path : NULL;
}

int bh_cgroups_each(const struct bh_cgroups *c, int (*fn)(void *ctx, const char *path, __u64 id),
		    void *ctx)
{
	int r = 0;

	for (size_t i = 0; i < c->n && !r; i++)
		if (c->v[i].alive)
			r = fn(ctx, c->v[i].path, c->v[i].id);
	return r;
}
