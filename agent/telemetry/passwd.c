/* SPDX-License-Identifier: Apache-2.0 */
/* passwd.c - see passwd.h: the text itself, cut into names, and an index by uid. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include "../base/io.h"
#include "passwd.h"

#define MAX_BYTES (16u << 20)

struct user {
	__u32 uid;
	__u32 at; /* line; the first one of a uid is its name, as getpwuid() has it */
	const char *name;
};

struct bh_passwd {
	const char *path;
	struct stat seen;
	char *text;
	struct user *user;
	size_t n;
};

void bh_passwd_free(struct bh_passwd *p)
{
	if (!p)
		return;
	free(p->text);
	free(p->user);
	free(p);
}

static int by_uid(const void *a, const void *b)
{
	const struct user *x = a, *y = b;

	if (x->uid != y->uid)
		return x->uid < y->uid ? -1 : 1;
	return (x->at > y->at) - (x->at < y->at);
}

static int by_uid_alone(const void *a, const void *b)
{
	const struct user *x = a, *y = b;

	return (x->uid > y->uid) - (x->uid < y->uid);
}

/* "name:password:uid:...", @line ends with a NUL. Return: false for what is no user. */
static bool take(char *line, struct user *ret)
{
	char *name = strsep(&line, ":"), *uid, *end;
	unsigned long n;

	(void)strsep(&line, ":");
	uid = strsep(&line, ":");
	if (!uid || *uid < '0' || *uid > '9' || !*name || *name == '+' || *name == '-' ||
	    *name == '#')
		return false;
	errno = 0;
	n = strtoul(uid, &end, 10);
	if (errno || *end || n > UINT32_MAX)
		return false;
	ret->uid = (__u32)n;
	ret->name = name;
	return true;
}

static void index_text(struct bh_passwd *p)
{
	char *rest = p->text, *line;
	size_t lines = 1, kept = 0;

	for (const char *s = p->text; (s = strchr(s, '\n')); s++)
		lines++;
	p->user = calloc(lines, sizeof(*p->user));
	for (__u32 at = 0; p->user && (line = strsep(&rest, "\n")); at++) {
		p->user[p->n].at = at;
		if (take(line, &p->user[p->n]))
			p->n++;
	}
	if (!p->n)
		return;
	qsort(p->user, p->n, sizeof(*p->user), by_uid);
	for (size_t i = 0; i < p->n; i++)
		if (!i || p->user[i].uid != p->user[kept - 1].uid)
			p->user[kept++] = p->user[i];
	p->n = kept;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

void bh_passwd_look(struct bh_passwd *p)
{
	struct stat now;

	if (stat(p->path, &now) < 0)
		now = (struct stat){0};
	if (is_same(&now, &p->seen))
		return;
	p->seen = now;
	free(p->text);
	free(p->user);
	p->text = NULL;
	p->user = NULL;
	p->n = 0;
	if (bh_file_read(p->path, MAX_BYTES, &p->text, NULL) == 0)
		index_text(p);
}

struct bh_passwd *bh_passwd_new(const char *path)
{
	struct bh_passwd *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->path = path;
	bh_passwd_look(p);
	return p;
}

const char *bh_passwd_name(const struct bh_passwd *p, __u32 uid)
{
	const struct user key = {.uid = uid};
	const struct user *u =
		p->n ? bsearch(&key, p->user, p->n, sizeof(key), by_uid_alone) : NULL;

	return u ? u->name : NULL;
}
