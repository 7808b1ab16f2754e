/* SPDX-License-Identifier: Apache-2.0 */
/*
 * history.c - see history.h. What is in the directory is looked at once, at the start; a commit
 * writes one record, and its text if that is new.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include "../base/io.h"
#include "history.h"

#define TEXT_SUFFIX ".yaml"

static const struct bh_seal seal = {"history", 1, 64u << 10};

const struct bh_history_caps bh_history_caps_default = {64, 64u << 20, 512};

struct bh_history {
	char *dir;
	struct bh_history_caps caps;
	struct bh_record *rec; /* by generation */
	size_t n;
};

/* --- names ----------------------------------------------------------------------------------- */

static char *record_path(const struct bh_history *h, __u64 gen)
{
	char *path;

	return asprintf(&path, "%s/%llu", h->dir, (unsigned long long)gen) < 0 ? NULL : path;
}

static char *text_path(const struct bh_history *h, const char *sha256)
{
	char *path;

	return asprintf(&path, "%s/%s" TEXT_SUFFIX, h->dir, sha256) < 0 ? NULL : path;
}

/* The generation that a file of this name is about, as record_path() writes it; 0: none. */
static __u64 generation_of(const char *name)
{
	__u64 gen;

	if (*name < '1' || *name > '9' || strspn(name, "0123456789") != strlen(name))
		return 0;
	errno = 0;
	gen = strtoull(name, NULL, 10);
	return errno || gen > BH_HISTORY_MAX_GEN ? 0 : gen;
}

static bool is_text(const char *name)
{
	return strspn(name, "0123456789abcdef") == BH_SHA256_TEXT - 1 &&
	       !strcmp(name + BH_SHA256_TEXT - 1, TEXT_SUFFIX);
}

static bool is_aside(const char *name)
{
	size_t n = strlen(name);

	return n > 4 && !strcmp(name + n - 4, ".new");
}

/* --- the list -------------------------------------------------------------------------------- */

/* Of the records from index @from on, has one this text? */
static bool names_text(const struct bh_history *h, size_t from, const char *sha256)
{
	for (size_t i = from; i < h->n; i++)
		if (!h->rec[i].damaged && !strcmp(h->rec[i].sha256, sha256))
			return true;
	return false;
}

static bool has_text(const struct bh_history *h, const char *sha256)
{
	for (size_t i = 0; i < h->n; i++)
		if (!h->rec[i].damaged && !h->rec[i].lost && !strcmp(h->rec[i].sha256, sha256))
			return true;
	return false;
}

static void set_lost(struct bh_history *h, const char *sha256, bool lost)
{
	for (size_t i = 0; i < h->n; i++)
		if (!h->rec[i].damaged && !strcmp(h->rec[i].sha256, sha256))
			h->rec[i].lost = lost;
}

/* Takes @r over, also on failure; in the place of one with its number. */
static int insert(struct bh_history *h, struct bh_record *r)
{
	size_t at = h->n;
	struct bh_record *v;

	while (at && h->rec[at - 1].generation > r->generation)
		at--;
	if (at && h->rec[at - 1].generation == r->generation) {
		bh_record_clear(&h->rec[at - 1]);
		h->rec[at - 1] = *r;
		return 0;
	}
	v = reallocarray(h->rec, h->n + 1, sizeof(*v));
	if (!v) {
		bh_record_clear(r);
		return -ENOMEM;
	}
	memmove(&v[at + 1], &v[at], (h->n - at) * sizeof(*v));
	v[at] = *r;
	h->rec = v;
	h->n++;
	return 0;
}

/* --- the caps -------------------------------------------------------------------------------- */

/* Index of the oldest one that stays. */
static size_t first_to_keep(const struct bh_history *h)
{
	size_t maps = 0, bytes = 0;

	for (size_t i = h->n; i-- > 0;) {
		const struct bh_record *r = &h->rec[i];

		if (!r->damaged && !names_text(h, i + 1, r->sha256)) {
			maps++;
			bytes += r->bytes;
		}
		if (i + 1 < h->n &&
		    (h->n - i > h->caps.records || maps > h->caps.maps || bytes > h->caps.bytes))
			return i + 1;
	}
	return 0;
}

static void remove_file(char *path)
{
	if (path)
		(void)unlink(path);
	free(path);
}

/* Records before texts: a crash in between leaves a text that nobody names, for the next start. */
static void drop_oldest(struct bh_history *h)
{
	size_t keep = first_to_keep(h);

	for (size_t i = 0; i < keep; i++)
		remove_file(record_path(h, h->rec[i].generation));
	for (size_t i = 0; i < keep; i++) {
		if (!h->rec[i].damaged && !names_text(h, keep, h->rec[i].sha256))
			remove_file(text_path(h, h->rec[i].sha256));
		bh_record_clear(&h->rec[i]);
	}
	memmove(h->rec, h->rec + keep, (h->n - keep) * sizeof(*h->rec));
	h->n -= keep;
}

/* --- open ------------------------------------------------------------------------------------ */

static void warn(struct bh_diags *d, const char *help, const char *fmt, ...) _printf_(3, 4);
static void warn(struct bh_diags *d, const char *help, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	(void)bh_diag_add(d, BH_WARNING, NULL, help, "%s", text ? text : fmt);
}

/* The record of @gen, or only that there is one. Return: 0, -ENOMEM. */
static int load(struct bh_history *h, __u64 gen, struct bh_diags *d)
{
	_cleanup_free_ char *path = record_path(h, gen);
	_cleanup_diags_ struct bh_diags why = {0};
	json_auto_t *body = NULL;
	struct bh_record r = {0};
	int err = path ? bh_seal_read(path, &seal, &why, &body) : -ENOMEM;

	if (err == 0)
		err = bh_record_from_json(body, &r);
	if (err == 0 && r.generation != gen) {
		bh_record_clear(&r);
		err = -EBADMSG;
	}
	if (err == -ENOMEM)
		return err;
	if (err < 0) {
		warn(d, "the other generations can be gone back to; remove the file, or leave it",
		     "%s%s", why.n ? why.list[0].text : path,
		     why.n ? "" : ": its content is not what the agent writes");
		r = (struct bh_record){.generation = gen, .damaged = true};
	}
	return insert(h, &r);
}

/* Its bytes are looked at when they are needed. */
static void look_at_text(struct bh_history *h, size_t i, struct bh_diags *d)
{
	struct bh_record *r = &h->rec[i];
	_cleanup_free_ char *path = text_path(h, r->sha256);
	struct stat st;

	if (r->damaged || !path)
		return;
	if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && (size_t)st.st_size == r->bytes)
		return;
	r->lost = true;
	/* said once, of the last one that has it */
	if (!names_text(h, i + 1, r->sha256))
		warn(d, NULL, "%s: the text of generation %llu is missing or damaged", path,
		     (unsigned long long)r->generation);
}

static int on_name(struct bh_history *h, int dir, const char *name, struct bh_diags *d)
{
	__u64 gen = generation_of(name);

	if (gen)
		return load(h, gen, d);
	if (is_aside(name))
		(void)unlinkat(dir, name, 0); /* a crash left it */
	else if (*name != '.' && !is_text(name))
		warn(d, NULL, "%s/%s: no file of the agent; it is left alone", h->dir, name);
	return 0;
}

/* Texts that no record names: a crash came before the record. */
static void remove_orphans(const struct bh_history *h, DIR *dir)
{
	const struct dirent *e;

	/* who knows what a record that can't be read names */
	for (size_t i = 0; i < h->n; i++)
		if (h->rec[i].damaged)
			return;
	rewinddir(dir);
	while ((e = readdir(dir))) {
		char sha256[BH_SHA256_TEXT] = "";

		if (!is_text(e->d_name))
			continue;
		memcpy(sha256, e->d_name, BH_SHA256_TEXT - 1);
		if (!names_text(h, 0, sha256))
			(void)unlinkat(dirfd(dir), e->d_name, 0);
	}
}

static int read_dir(struct bh_history *h, struct bh_diags *d)
{
	DIR *dir = opendir(h->dir);
	const struct dirent *e;
	int r = 0;

	if (!dir) {
		if (errno != ENOENT)
			warn(d, "what is enforced does not rest on it", "%s: %s", h->dir,
			     strerror(errno));
		return 0;
	}
	while (r == 0 && (e = readdir(dir)))
		r = on_name(h, dirfd(dir), e->d_name, d);
	if (r == 0) {
		drop_oldest(h);
		for (size_t i = 0; i < h->n; i++)
			look_at_text(h, i, d);
		remove_orphans(h, dir);
	}
	(void)closedir(dir);
	return r;
}

int bh_history_open(const char *state_dir, const struct bh_history_caps *caps, struct bh_diags *d,
		    struct bh_history **ret)
{
	struct bh_history *h = calloc(1, sizeof(*h));
	int r = -ENOMEM;

	if (!h)
		return r;
	h->caps = *caps;
	if (asprintf(&h->dir, "%s/history", state_dir) < 0)
		h->dir = NULL;
	else
		r = read_dir(h, d);
	if (r < 0)
		bh_history_close(h);
	else
		*ret = h;
	return r;
}

void bh_history_close(struct bh_history *h)
{
	if (!h)
		return;
	for (size_t i = 0; i < h->n; i++)
		bh_record_clear(&h->rec[i]);
	free(h->rec);
	free(h->dir);
	free(h);
}

/* --- write ----------------------------------------------------------------------------------- */

static int make_dir(const struct bh_history *h)
{
	if (mkdir(h->dir, 0700) == 0)
		return bh_dir_sync_of(h->dir);
	return errno == EEXIST ? 0 : -errno;
}

static int write_text(struct bh_history *h, const struct bh_record *r, const char *text)
{
	_cleanup_free_ char *path = text_path(h, r->sha256);
	int err;

	if (has_text(h, r->sha256))
		return 0;
	err = path ? bh_file_replace(path, text, r->bytes, 0600, NULL) : -ENOMEM;
	if (err == 0)
		set_lost(h, r->sha256, false);
	return err;
}

static int write_record(const struct bh_history *h, const struct bh_record *r)
{
	_cleanup_free_ char *path = record_path(h, r->generation);
	_cleanup_diags_ struct bh_diags unsaid = {0};
	json_auto_t *body = bh_record_to_json(r);

	return path && body ? bh_seal_write(path, &seal, body, NULL, &unsaid) : -ENOMEM;
}

/* A copy by way of its own bytes: what is known now is what a restart would know. */
static int remember(struct bh_history *h, const struct bh_record *r)
{
	json_auto_t *body = bh_record_to_json(r);
	struct bh_record copy = {0};
	int err = body ? bh_record_from_json(body, &copy) : -ENOMEM;

	return err ? err : insert(h, &copy);
}

int bh_history_add(struct bh_history *h, const struct bh_record *r, const char *text,
		   struct bh_diags *d)
{
	int err = make_dir(h);

	if (err == 0)
		err = write_text(h, r, text);
	if (err == 0)
		err = write_record(h, r);
	if (err == 0)
		err = remember(h, r);
	if (err == 0)
		drop_oldest(h);
	else
		warn(d, "make room or repair the disk", "generation %llu is not in the history: %s",
		     (unsigned long long)r->generation, strerror(-err));
	return err;
}

int bh_history_mark(struct bh_history *h, __u64 gen, enum bh_confirm_state state,
		    struct bh_diags *d)
{
	struct bh_record *r = (struct bh_record *)bh_history_find(h, gen);
	enum bh_confirm_state before;
	int err;

	if (!r)
		return -ENOENT;
	before = r->state;
	r->state = state;
	err = write_record(h, r);
	if (err == 0)
		return 0;
	r->state = before;
	warn(d, "make room or repair the disk",
	     "the history does not say that generation %llu is %s: %s", (unsigned long long)gen,
	     bh_confirm_state_name(state), strerror(-err));
	return err;
}

/* --- read ------------------------------------------------------------------------------------ */

const struct bh_record *bh_history_list(const struct bh_history *h, size_t *ret_n)
{
	*ret_n = h ? h->n : 0;
	return h ? h->rec : NULL;
}

__u64 bh_history_newest(const struct bh_history *h)
{
	for (size_t i = h ? h->n : 0; i-- > 0;)
		if (!h->rec[i].damaged)
			return h->rec[i].generation;
	return 0;
}

const struct bh_record *bh_history_find(const struct bh_history *h, __u64 gen)
{
	for (size_t i = 0; h && i < h->n; i++)
		if (h->rec[i].generation == gen && !h->rec[i].damaged)
			return &h->rec[i];
	return NULL;
}

const struct bh_record *bh_history_before(const struct bh_history *h, __u64 gen, const char *sha256)
{
	for (size_t i = h ? h->n : 0; i-- > 0;) {
		const struct bh_record *r = &h->rec[i];

		if (r->generation > gen || r->damaged)
			continue;
		if (!strcmp(r->sha256, sha256)) {
			if (r->how == BH_HOW_ROLLBACK)
				gen = r->of;
		} else if (r->state != BH_REVERTED) {
			return r;
		}
	}
	return NULL;
}

int bh_history_text(struct bh_history *h, __u64 gen, struct bh_diags *d, char **ret,
		    size_t *ret_bytes)
{
	const struct bh_record *r = bh_history_find(h, gen);
	_cleanup_free_ char *path = r ? text_path(h, r->sha256) : NULL, *text = NULL;
	char now[BH_SHA256_TEXT] = "";
	size_t bytes = 0;
	int err;

	if (!r)
		return -ENOENT;
	err = path ? bh_file_read(path, BH_MAP_MAX_BYTES, &text, &bytes) : -ENOMEM;
	if (err == 0)
		bh_sha256_text(text, bytes, now);
	if (err == 0 && strcmp(now, r->sha256) != 0)
		err = -EBADMSG;
	if (err < 0) {
		/* it is written anew when it is enforced again */
		if (err != -ENOMEM)
			set_lost(h, r->sha256, true);
		(void)bh_diag_add(
			d, BH_ERROR, NULL, "`bulkhead history` lists the generations; take another",
			"the text of generation %llu can't be had: %s: %s", (unsigned long long)gen,
			path ? path : h->dir, err == -EBADMSG ? "it is damaged" : strerror(-err));
		return err;
	}
	*ret = TAKE_PTR(text);
	*ret_bytes = bytes;
	return 0;
}
