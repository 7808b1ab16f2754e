/* SPDX-License-Identifier: Apache-2.0 */
/* chain_read.c - see chain_read.h, and bh_chain_tail(): the log from its end. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include "chain_read.h"

/* Looked at first, from the end: a line is names, paths and one text of an error. */
#define TAIL_BYTES ((size_t)128 << 10)
#define TAIL_MAX   ((size_t)256 << 20)

/* --- files -------------------------------------------------------------------------------------- */

char *bh_chain_path(const char *log, unsigned int n)
{
	char *path;

	if (!n)
		return strdup(log);
	return asprintf(&path, "%s.%u", log, n) < 0 ? NULL : path;
}

static int open_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	int r = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		r = -errno;
	else if (!S_ISREG(st.st_mode))
		r = -EINVAL;
	if (r < 0)
		bh_closep(&fd);
	return r < 0 ? r : fd;
}

static bool is_open(const struct bh_chain_files *f, ino_t ino)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->v[i].ino == ino)
			return true;
	return false;
}

/* Takes @path over, and *fd if it is kept. */
static int add_file(struct bh_chain_files *f, char **path, int *fd)
{
	struct stat st;
	FILE *file;

	if (fstat(*fd, &st) < 0)
		return -errno;
	/* it was rotated while we looked: we have it */
	if (is_open(f, st.st_ino))
		return 0;
	file = fdopen(*fd, "r");
	if (!file)
		return -ENOMEM;
	*fd = -1;
	f->v[f->n].f = file;
	f->v[f->n].ino = st.st_ino;
	f->v[f->n++].path = TAKE_PTR(*path);
	return 0;
}

static void reverse(struct bh_chain_files *f)
{
	for (size_t i = 0; i < f->n / 2; i++) {
		__typeof__(f->v[0]) other = f->v[i];

		f->v[i] = f->v[f->n - 1 - i];
		f->v[f->n - 1 - i] = other;
	}
}

int bh_chain_open(const char *log, struct bh_chain_files *ret)
{
	_cleanup_(bh_chain_close) struct bh_chain_files f = {.n = 0};

	for (unsigned int i = 0; i <= BH_CHAIN_FILES; i++) {
		_cleanup_free_ char *path = bh_chain_path(log, i);
		_cleanup_close_ int fd = path ? open_file(path) : -ENOMEM;
		int r = fd;

		if (r == -ENOENT)
			continue;
		if (r >= 0)
			r = add_file(&f, &path, &fd);
		if (r < 0)
			return r;
	}
	reverse(&f);
	*ret = f;
	f.n = 0;
	return 0;
}

void bh_chain_close(struct bh_chain_files *f)
{
	for (size_t i = 0; i < f->n; i++) {
		(void)fclose(f->v[i].f);
		free(f->v[i].path);
	}
	f->n = 0;
}

unsigned int bh_chain_older(const char *log)
{
	unsigned int n = 0;

	while (n < BH_CHAIN_FILES) {
		_cleanup_free_ char *path = bh_chain_path(log, n + 1);

		if (!path || access(path, F_OK) < 0)
			break;
		n++;
	}
	return n;
}

/* --- the end --------------------------------------------------------------------------------------- */

void bh_chain_end_clear(struct bh_chain_end *e)
{
	bh_chain_record_clear(&e->last);
	free(e->rest);
	*e = (struct bh_chain_end){0};
}

/*
 * The last record of @text, which begins at a line's begin or in the middle of one. By lengths and
 * not as a string: a power loss may leave zeros in a file. Return: where it ends, 0: there is none.
 */
static size_t last_record(const char *text, size_t bytes, struct bh_chain_record *ret)
{
	size_t to = bytes;

	while (to) {
		size_t len = text[to - 1] == '\n' ? to - 1 : to;
		const char *newline = memrchr(text, '\n', len);
		size_t from = newline ? (size_t)(newline - text) + 1 : 0;

		if (bh_chain_parse(text + from, len - from, ret))
			return to;
		to = from;
	}
	return 0;
}

/* The last @n bytes of @fd, or all there are. Return: how many, or -errno. */
static ssize_t read_tail(int fd, off_t size, size_t n, char **ret)
{
	size_t want = MIN((size_t)size, n), got = 0;
	char *text = malloc(want + 1);

	if (!text)
		return -ENOMEM;
	while (got < want) {
		ssize_t r = pread(fd, text + got, want - got, size - (off_t)want + (off_t)got);

		if (r < 0) {
			free(text);
			return -errno;
		}
		if (!r)
			break;
		got += (size_t)r;
	}
	*ret = text;
	return (ssize_t)got;
}

/* Puts what stands behind the last record of one file in front of e->rest. */
static int look_at(int fd, struct bh_chain_end *e, off_t *ret_size, bool *ret_whole)
{
	struct stat st;
	size_t room = TAIL_BYTES;

	if (fstat(fd, &st) < 0)
		return -errno;
	*ret_size = st.st_size;
	for (;; room *= 8) {
		_cleanup_free_ char *text = NULL;
		ssize_t n = read_tail(fd, st.st_size, room, &text);
		size_t end, rest;
		char *all;

		if (n < 0)
			return (int)n;
		*ret_whole = !n || text[n - 1] == '\n';
		end = last_record(text, (size_t)n, &e->last);
		if (!end && n < st.st_size && room < TAIL_MAX)
			continue;
		if (!end && n < st.st_size)
			return -EFBIG;
		rest = (size_t)n - end;
		all = malloc(rest + e->rest_bytes + 1);
		if (!all)
			return -ENOMEM;
		memcpy(all, text + end, rest);
		if (e->rest_bytes)
			memcpy(all + rest, e->rest, e->rest_bytes);
		free(e->rest);
		e->rest = all;
		e->rest_bytes += rest;
		return 0;
	}
}

int bh_chain_end_read(const char *log, struct bh_chain_end *ret)
{
	_cleanup_(bh_chain_end_clear) struct bh_chain_end e = {.whole = true};

	for (unsigned int i = 0; i <= BH_CHAIN_FILES && !e.last.head.seq; i++) {
		_cleanup_free_ char *path = bh_chain_path(log, i);
		_cleanup_close_ int fd = path ? open_file(path) : -ENOMEM;
		bool whole = true;
		off_t size = 0;
		int r = fd;

		if (r == -ENOENT)
			continue;
		if (r >= 0)
			r = look_at(fd, &e, &size, &whole);
		if (r < 0)
			return r;
		if (i)
			continue;
		e.bytes = size;
		e.whole = whole;
		e.here = e.last.head.seq;
	}
	*ret = e;
	e = (struct bh_chain_end){0};
	return 0;
}

/* --- the ends of one file ---------------------------------------------------------------------- */

int bh_chain_first_read(const char *log, unsigned int n, struct bh_chain_record *ret)
{
	_cleanup_free_ char *path = bh_chain_path(log, n), *line = NULL;
	_cleanup_fclose_ FILE *f = NULL;
	size_t room = 0;
	ssize_t got;
	int fd = path ? open_file(path) : -ENOMEM;

	*ret = (struct bh_chain_record){0};
	if (fd < 0)
		return fd;
	f = fdopen(fd, "r");
	if (!f) {
		bh_closep(&fd);
		return -ENOMEM;
	}
	/* what a power loss left may stand in front of it */
	while ((got = getline(&line, &room, f)) > 0)
		if (bh_chain_parse(line, (size_t)got - (line[got - 1] == '\n'), ret))
			return 0;
	return ferror(f) ? -EIO : 0;
}

bool bh_chain_joins(const char *log, unsigned int n, const struct bh_chain_record *next)
{
	_cleanup_(bh_chain_end_clear) struct bh_chain_end e = {0};
	_cleanup_free_ char *path = bh_chain_path(log, n);
	_cleanup_close_ int fd = path ? open_file(path) : -ENOMEM;
	bool whole;
	off_t size;

	return fd >= 0 && look_at(fd, &e, &size, &whole) == 0 && e.last.good &&
	       e.last.head.seq + 1 == next->head.seq && !strcmp(e.last.head.hash, next->prev);
}

/* --- the last records --------------------------------------------------------------------------- */

/* Those of one file in front of @list, until it has @n. */
static int prepend(int fd, size_t n, json_t *list)
{
	_cleanup_free_ char *text = NULL;
	struct stat st;
	ssize_t got;
	size_t to;

	if (fstat(fd, &st) < 0)
		return -errno;
	got = read_tail(fd, st.st_size, n * 4096 + TAIL_BYTES, &text);
	if (got < 0)
		return (int)got;
	to = (size_t)got;
	while (to && json_array_size(list) < n) {
		struct bh_chain_record r;

		to = last_record(text, to, &r);
		if (!to)
			break;
		if (json_array_insert(list, 0, r.json) < 0) {
			bh_chain_record_clear(&r);
			return -ENOMEM;
		}
		bh_chain_record_clear(&r);
		/* in front of this line */
		while (to && text[to - 1] == '\n')
			to--;
		while (to && text[to - 1] != '\n')
			to--;
	}
	return 0;
}

int bh_chain_tail(const char *log, size_t n, json_t **ret)
{
	json_auto_t *list = json_array();
	bool any = false;

	for (unsigned int i = 0; list && i <= BH_CHAIN_FILES && json_array_size(list) < n; i++) {
		_cleanup_free_ char *path = bh_chain_path(log, i);
		_cleanup_close_ int fd = path ? open_file(path) : -ENOMEM;
		int r = fd;

		if (r == -ENOENT)
			continue;
		any = true;
		if (r >= 0)
			r = prepend(fd, n, list);
		if (r < 0)
			return r;
	}
	if (!list)
		return -ENOMEM;
	*ret = TAKE_PTR(list);
	return any ? 0 : -ENOENT;
}
