/* SPDX-License-Identifier: Apache-2.0 */
/* audit.c - see audit.h. Where a record becomes bytes: bh_chain_line() alone. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include "../base/io.h"
#include "audit.h"
#include "chain_read.h"
#include "seal.h"

struct bh_audit {
	char *path;
	int fd;
	const struct bh_clock *clock;
	struct bh_chain_head head; /* the last record as we know it */
	size_t max_bytes;
	unsigned int keep;
	struct bh_chain_head first; /* what the log has to have, from here on */
	bool renew;		    /* a new begin has to say so */

	/* the file as we left it */
	off_t bytes;
	bool begun; /* it has a record */
	bool stale; /* half a line of ours may be at its end */
	bool checked;
	/* what the next record has to vouch for */
	size_t skip_bytes;
	char skip_sha256[BH_SHA256_TEXT];

	struct bh_chain_note note; /* what audit.head should say */
	char trouble[256];
	bh_audit_head_fn tell;
	void *tell_ctx;
};

void bh_audit_close(struct bh_audit *a)
{
	if (!a)
		return;
	bh_closep(&a->fd);
	free(a->path);
	free(a);
}

const struct bh_chain_head *bh_audit_head(const struct bh_audit *a)
{
	return &a->head;
}

const char *bh_audit_path(const struct bh_audit *a)
{
	return a->path;
}

const char *bh_audit_found(const struct bh_audit *a)
{
	return a->note.found;
}

const char *bh_audit_trouble(const struct bh_audit *a)
{
	return a->trouble;
}

void bh_audit_tell(struct bh_audit *a, bh_audit_head_fn fn, void *ctx)
{
	a->tell = fn;
	a->tell_ctx = ctx;
}

void bh_audit_limit(struct bh_audit *a, size_t max_bytes, unsigned int keep)
{
	a->max_bytes = max_bytes;
	a->keep = keep;
}

_printf_(2, 3) static void trouble(struct bh_audit *a, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(a->trouble, sizeof(a->trouble), fmt, ap);
	va_end(ap);
}

/* --- the file, as it is --------------------------------------------------------------------------- */

/* Return: a descriptor or -errno. */
static int open_or_begin(const char *path)
{
	const int flags = O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
	_cleanup_close_ int fd = open(path, flags);
	int r;

	if (fd >= 0)
		return TAKE_FD(fd);
	if (errno != ENOENT)
		return -errno;
	fd = open(path, flags | O_CREAT | O_EXCL, 0600);
	if (fd < 0)
		return -errno;
	r = bh_file_give(fd, path);
	return r < 0 ? r : TAKE_FD(fd);
}

/* Return: 0 or -errno; a->fd is the log. */
static int open_log(struct bh_audit *a)
{
	struct stat st;
	int fd = open_or_begin(a->path);

	if (fd < 0)
		return fd;
	bh_closep(&a->fd);
	a->fd = fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	return S_ISREG(st.st_mode) ? 0 : -EINVAL;
}

/* Where the log ends: its last record in *ret, and in @a what is behind it. */
static int look(struct bh_audit *a, struct bh_chain_record *ret)
{
	_cleanup_(bh_chain_end_clear) struct bh_chain_end e = {0};
	int r = bh_chain_end_read(a->path, &e);

	if (r < 0)
		return r;
	/* a power loss in the middle of a line */
	if (!e.whole) {
		r = bh_write_all(a->fd, "\n", 1);
		if (r < 0)
			return r;
		e.bytes++;
		/* a record that only lacked its line break is whole now */
		if (e.rest_bytes)
			e.rest[e.rest_bytes++] = '\n';
	}
	a->bytes = e.bytes;
	a->begun = e.here;
	a->stale = false;
	a->skip_bytes = e.rest_bytes;
	if (e.rest_bytes)
		bh_sha256_text(e.rest, e.rest_bytes, a->skip_sha256);
	*ret = e.last;
	e.last = (struct bh_chain_record){0};
	return 0;
}

/* Somebody else wrote to it, cut it or put another in its place. */
static bool was_touched(const struct bh_audit *a)
{
	struct stat ours, there;

	return fstat(a->fd, &ours) < 0 || stat(a->path, &there) < 0 ||
	       ours.st_ino != there.st_ino || ours.st_dev != there.st_dev ||
	       ours.st_size != a->bytes;
}

/* --- one record ------------------------------------------------------------------------------------- */

static int append(struct bh_audit *a, const char *line)
{
	size_t n = strlen(line);
	int r = bh_write_all(a->fd, line, n);

	if (r == 0 && fdatasync(a->fd) < 0)
		r = -errno;
	if (r == 0) {
		a->bytes += (off_t)n;
		return 0;
	}
	/* a full disk took half of a line: the next one must begin on its own */
	if (ftruncate(a->fd, a->bytes) < 0)
		a->stale = true;
	return r;
}

/* The bytes in front of it, if there are any, are in its hash. */
static json_t *with_skip(const struct bh_audit *a, const json_t *what)
{
	json_t *copy = json_copy((json_t *)what);

	if (copy && a->skip_bytes &&
	    json_object_set_new(copy, "skip",
				json_pack("{s:I s:s}", "bytes", (json_int_t)a->skip_bytes, "sha256",
					  a->skip_sha256)) < 0) {
		json_decref(copy);
		return NULL;
	}
	return copy;
}

static int put(struct bh_audit *a, const json_t *what)
{
	json_auto_t *all = with_skip(a, what);
	_cleanup_free_ char *line = NULL;
	struct bh_chain_head head;
	char time[BH_TIME_TEXT];
	int r;

	bh_time_format(a->clock->wall_ms(), time);
	line = all ? bh_chain_line(&a->head, time, all, &head) : NULL;
	r = line ? append(a, line) : -ENOMEM;
	if (r < 0)
		return r;
	a->head = a->note.head = head;
	a->begun = true;
	a->skip_bytes = 0;
	r = bh_chain_note_write(a->path, &a->note);
	if (r < 0)
		trouble(a, "the head of the audit log can't be written beside it: %s",
			strerror(-r));
	if (a->tell)
		a->tell(a->tell_ctx, &head, what, line);
	return 0;
}

/*
 * The begin says what is kept, then the rest goes: a crash in between leaves more than was said,
 * and the next rotation takes it.
 */
static int put_begin(struct bh_audit *a)
{
	struct bh_chain_head first = a->first;
	json_auto_t *begin = json_pack("{s:s s:s s:i s:i s:s}", "by", "agent", "event", "begin",
				       "older", (int)MIN(bh_chain_older(a->path), a->keep), "keep",
				       (int)a->keep, "version", BH_VERSION);
	int r = begin ? bh_chain_cut_plan(a->path, a->keep, &first) : -ENOMEM;

	/* none: it is this one, unless there was a log */
	if (!first.seq && a->head.seq)
		first = (struct bh_chain_head){1, BH_CHAIN_ZERO};
	if (r == 0 && first.seq &&
	    json_object_set_new(
		    begin, "first",
		    json_pack("{s:I s:s}", "seq", (json_int_t)first.seq, "hash", first.hash)) < 0)
		r = -ENOMEM;
	if (r == 0)
		r = put(a, begin);
	if (r < 0)
		return r;
	a->first = first.seq ? first : a->head;
	a->renew = false;
	r = bh_chain_cut(a->path, a->keep);
	if (r < 0)
		trouble(a, "older files of the audit log can't be removed: %s", strerror(-r));
	return 0;
}

/* --- rotation ----------------------------------------------------------------------------------------- */

static int move(const struct bh_audit *a, unsigned int from)
{
	_cleanup_free_ char *old = bh_chain_path(a->path, from);
	_cleanup_free_ char *new = bh_chain_path(a->path, from + 1);

	struct stat st;

	if (!old || !new)
		return -ENOMEM;
	if (stat(old, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	return rename(old, new) < 0 ? -errno : 0;
}

/* From the oldest on; the log itself last. None is lost: put_begin() takes away what is too old. */
static int rotate(struct bh_audit *a)
{
	unsigned int older = bh_chain_older(a->path);
	int r = older < BH_CHAIN_FILES ? 0 : -EMFILE;

	for (unsigned int i = older + 1; r == 0 && i-- > 0;)
		r = move(a, i);
	if (r < 0) {
		trouble(a, "the audit log can't be rotated, and grows: %s", strerror(-r));
		return 0;
	}
	r = open_log(a);
	if (r < 0)
		return r;
	a->bytes = 0;
	a->begun = false;
	return bh_dir_sync_of(a->path);
}

/* --- is it as it was left ------------------------------------------------------------------------------ */

static bool is_same(const struct bh_chain_head *a, const struct bh_chain_head *b)
{
	return a->seq == b->seq && !strcmp(a->hash, b->hash);
}

/* Nothing but a crash between the record and the head is between them. */
static bool fits(const struct bh_chain_record *last, const struct bh_chain_head *head)
{
	if (!head->seq)
		return last->head.seq <= 1;
	return is_same(&last->head, head) ||
	       (last->head.seq == head->seq + 1 && !strcmp(last->prev, head->hash));
}

static bool is_well(const struct bh_chain_record *last)
{
	return !last->head.seq || last->good;
}

/* For the file of the head, where quotes and what is no ASCII would need more room. */
static void keep_found(struct bh_audit *a, const char *text)
{
	char *s = a->note.found;

	(void)snprintf(s, sizeof(a->note.found), "%s", text);
	for (; *s; s++)
		if (*s < ' ' || *s > '~' || *s == '"' || *s == '\\')
			*s = '?';
}

static const char *file_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* About what came since @seq; older breaks were told when they were found. */
static bool is_news(const struct bh_chain_finding *f, unsigned long long seq)
{
	return f->seq >= seq || !strcmp(f->kind, "cut") || !strcmp(f->kind, "rewritten");
}

/* What is wrong, by reading all of it. Return: 1 and *ret, 0: nothing, or -errno. */
static int find_out(const struct bh_audit *a, const struct bh_chain_claim *claim, size_t n,
		    char **ret)
{
	_cleanup_(bh_chain_report_clear) struct bh_chain_report report = {0};
	int r = bh_chain_verify(a->path, claim, n, &report);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	for (size_t i = 0; i < report.n_finding; i++) {
		const struct bh_chain_finding *f = &report.finding[i];

		if (!is_news(f, a->note.head.seq))
			continue;
		return asprintf(ret, "%s:%u: %s: %s", file_name(f->file), f->line, f->kind,
				f->text) < 0
			       ? -ENOMEM
			       : 1;
	}
	return 0;
}

static json_t *head_json(const struct bh_chain_head *head)
{
	return head->seq ? json_pack("{s:I s:s}", "seq", (json_int_t)head->seq, "hash", head->hash)
			 : json_null();
}

/*
 * The log goes on, but not as if nothing had been: behind the head that was known, so that what is
 * in between never fits.
 */
static int go_on(struct bh_audit *a, const struct bh_chain_record *last,
		 const struct bh_chain_head *pinned, const struct bh_chain_head *file)
{
	const struct bh_chain_head *known = pinned->seq ? pinned : file;
	json_auto_t *what =
		json_pack("{s:s s:s s:s s:o s:o s:o}", "by", "agent", "event", "mismatch", "found",
			  a->note.found, "log", head_json(&last->head), "pinned", head_json(pinned),
			  "file", head_json(file));

	a->head = known->seq ? *known : last->head;
	a->head.seq = MAX(MAX(last->head.seq, pinned->seq), file->seq);
	if (!what)
		return -ENOMEM;
	if (!a->begun) {
		int r = put_begin(a);

		if (r < 0)
			return r;
	}
	return put(a, what);
}

/* @file_state: what reading the head's file said. */
static const char *file_wrong(int file_state, const struct bh_chain_record *last,
			      const struct bh_chain_head *pinned)
{
	if (file_state == -ENOENT)
		return last->head.seq > 1 || pinned->seq > 1 ? "audit.head is missing" : NULL;
	return file_state < 0 ? "audit.head is damaged or can't be read" : NULL;
}

static int settle(struct bh_audit *a, const struct bh_chain_record *last,
		  const struct bh_chain_head *pinned, int file_state)
{
	const struct bh_chain_head file = a->note.head;
	const struct bh_chain_claim claims[] = {
		{"the pinned map", *pinned, 1},
		{"audit.head", file, BH_CHAIN_SEQ_MAX},
	};
	const char *wrong = file_wrong(file_state, last, pinned);
	_cleanup_free_ char *text = NULL;
	int r = 0;

	a->head = last->head;
	a->checked = false;
	if (!a->first.seq)
		r = bh_chain_kept(a->path, &a->first);
	if (r < 0)
		return r;
	if (wrong || !is_well(last) || !fits(last, &file) || (pinned->seq && !fits(last, pinned)))
		r = find_out(a, claims, ARRAY_SIZE(claims), &text);
	/* 0: the file of the head fell behind, by a power loss, and all there is hangs together */
	if (r > 0 || (r == 0 && wrong)) {
		keep_found(a, text ? text : wrong);
		r = go_on(a, last, pinned, &file);
	}
	a->checked = r == 0;
	return r;
}

int bh_audit_check(struct bh_audit *a, const struct bh_chain_head *pinned)
{
	_cleanup_(bh_chain_record_clear) struct bh_chain_record last = {0};
	static const struct bh_chain_head none;
	int state, r = look(a, &last);

	if (r < 0)
		return r;
	state = bh_chain_note_read(a->path, &a->note);
	return settle(a, &last, pinned ? pinned : &none, state);
}

/* The oldest record there is. False: the log has all that it has to have. */
static bool lacks(const struct bh_audit *a, struct bh_chain_head *ret)
{
	return a->first.seq && bh_chain_oldest(a->path, ret) == 0 && ret->seq > a->first.seq;
}

bool bh_audit_lacks(const struct bh_audit *a, unsigned long long *ret_from,
		    unsigned long long *ret_to)
{
	struct bh_chain_head oldest;

	if (!lacks(a, &oldest))
		return false;
	*ret_from = a->first.seq;
	*ret_to = oldest.seq - 1;
	return true;
}

void bh_audit_accept(struct bh_audit *a)
{
	struct bh_chain_head oldest;

	a->note.found[0] = '\0';
	if (!lacks(a, &oldest))
		return;
	a->first = oldest;
	a->renew = true;
}

/* The log was touched while we were here: held against what we know ourselves. */
static int look_again(struct bh_audit *a)
{
	_cleanup_(bh_chain_record_clear) struct bh_chain_record last = {0};
	const struct bh_chain_head known = a->head;
	bool ours = a->stale;
	int r = open_log(a);

	if (r == 0)
		r = look(a, &last);
	if (r < 0)
		return r;
	/* half a line that we could not take back */
	if (ours && is_same(&last.head, &known))
		return 0;
	a->note.head = known;
	return settle(a, &last, &known, 0);
}

/* --- open, add ---------------------------------------------------------------------------------------- */

int bh_audit_open(const char *dir, const struct bh_clock *clock, struct bh_diags *d,
		  struct bh_audit **ret)
{
	_cleanup_(bh_audit_closep) struct bh_audit *a = calloc(1, sizeof(*a));
	_cleanup_(bh_chain_record_clear) struct bh_chain_record last = {0};
	int r;

	if (!a)
		return -ENOMEM;
	a->fd = -1;
	if (asprintf(&a->path, "%s/audit.jsonl", dir) < 0) {
		a->path = NULL;
		return -ENOMEM;
	}
	a->clock = clock;
	a->max_bytes = BH_AUDIT_MAX_BYTES;
	a->keep = BH_AUDIT_KEEP;
	r = open_log(a);
	if (r == 0)
		r = look(a, &last);
	if (r == 0)
		r = bh_dir_sync_of(a->path);
	if (r < 0) {
		(void)bh_diag_add(d, BH_ERROR, NULL, "changes need a log: repair or move it",
				  "audit log %s: %s", a->path, strerror(-r));
		return r;
	}
	a->head = last.head;
	*ret = TAKE_PTR(a);
	return 0;
}

int bh_audit_add(struct bh_audit *a, const json_t *what)
{
	int r = 0;

	a->trouble[0] = '\0';
	if (!a->checked)
		r = bh_audit_check(a, NULL);
	else if (a->stale || was_touched(a))
		r = look_again(a);
	if (r == 0 && a->begun && ((size_t)a->bytes >= a->max_bytes || a->renew))
		r = rotate(a);
	if (r == 0 && !a->begun)
		r = put_begin(a);
	return r < 0 ? r : put(a, what);
}
