/* SPDX-License-Identifier: Apache-2.0 */
/* audit.c - see audit.h. Where a record becomes bytes: seal() alone. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include "../base/io.h"
#include "audit.h"

/* Looked through for the last number: a line is names, paths and one text of an error. */
#define TAIL_BYTES ((size_t)128 << 10)

/* A larger number was not written here: every reader of JSON counts to this (RFC 8259, 6). */
#define SEQ_MAX (1LL << 53)

struct bh_audit {
	int fd;
	const struct bh_clock *clock;
	unsigned long long seq;
};

void bh_audit_close(struct bh_audit *a)
{
	if (!a)
		return;
	bh_closep(&a->fd);
	free(a);
}

unsigned long long bh_audit_seq(const struct bh_audit *a)
{
	return a->seq;
}

/* The record as its line, with what makes it one of this log. NULL: no memory. */
static char *seal(const struct bh_audit *a, const json_t *what)
{
	json_auto_t *line = json_object();
	char time[BH_TIME_TEXT], *text, *whole;

	bh_time_format(a->clock->wall_ms(), time);
	if (!line || json_object_set_new(line, "seq", json_integer((json_int_t)a->seq + 1)) < 0 ||
	    json_object_set_new(line, "time", json_string(time)) < 0 ||
	    json_object_update_missing(line, (json_t *)what) < 0)
		return NULL;
	text = json_dumps(line, JSON_COMPACT);
	if (!text || asprintf(&whole, "%s\n", text) < 0)
		whole = NULL;
	free(text);
	return whole;
}

/*
 * The last whole line that has a number. By lengths and not as a string: a power loss may leave
 * zeros in a file, and the lines behind them count.
 */
static unsigned long long last_seq(const char *tail, size_t bytes)
{
	const char *end = tail + bytes, *newline;
	unsigned long long seq = 0;

	for (const char *s = tail; s < end; s = newline + 1) {
		json_auto_t *line = NULL;
		json_int_t n;

		newline = memchr(s, '\n', (size_t)(end - s));
		if (!newline)
			newline = end;
		line = json_loadb(s, (size_t)(newline - s), JSON_REJECT_DUPLICATES, NULL);
		n = json_integer_value(json_object_get(line, "seq"));
		if (n > 0 && n <= SEQ_MAX)
			seq = (unsigned long long)n;
	}
	return seq;
}

/* Return: 0 or -errno. */
static int read_tail(struct bh_audit *a)
{
	_cleanup_free_ char *tail = malloc(TAIL_BYTES);
	struct stat st;
	ssize_t n;
	off_t from;

	if (!tail)
		return -ENOMEM;
	if (fstat(a->fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	from = MAX(st.st_size - (off_t)TAIL_BYTES, 0);
	n = pread(a->fd, tail, TAIL_BYTES, from);
	if (n < 0)
		return -errno;
	/* a power loss in the middle of a line */
	if (n && tail[n - 1] != '\n') {
		int r = bh_write_all(a->fd, "\n", 1);

		if (r < 0)
			return r;
	}
	a->seq = last_seq(tail, (size_t)n);
	return 0;
}

int bh_audit_open(const char *dir, const struct bh_clock *clock, struct bh_diags *d,
		  struct bh_audit **ret)
{
	_cleanup_(bh_audit_closep) struct bh_audit *a = calloc(1, sizeof(*a));
	_cleanup_free_ char *path = NULL;
	int r;

	if (!a || asprintf(&path, "%s/audit.jsonl", dir) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	a->clock = clock;
	a->fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	r = a->fd < 0 ? -errno : read_tail(a);
	if (r == 0)
		r = bh_dir_sync_of(path);
	if (r < 0) {
		(void)bh_diag_add(d, BH_ERROR, NULL, "changes need a log: repair or move it",
				  "audit log %s: %s", path, strerror(-r));
		return r;
	}
	*ret = TAKE_PTR(a);
	return 0;
}

int bh_audit_add(struct bh_audit *a, const json_t *what)
{
	_cleanup_free_ char *line = seal(a, what);
	struct stat before;
	int r;

	if (!line)
		return -ENOMEM;
	if (fstat(a->fd, &before) < 0)
		return -errno;
	r = bh_write_all(a->fd, line, strlen(line));
	if (r == 0 && fdatasync(a->fd) < 0)
		r = -errno;
	if (r < 0) {
		/* a full disk took half of a line: the next one must begin on its own */
		if (ftruncate(a->fd, before.st_size) < 0)
			(void)bh_write_all(a->fd, "\n", 1);
		return r;
	}
	a->seq++;
	return 0;
}
