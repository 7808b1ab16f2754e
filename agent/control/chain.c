/* SPDX-License-Identifier: Apache-2.0 */
/* chain.c - see chain.h: one line, and the file of the head. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include "../base/io.h"
#include "chain.h"
#include "seal.h"

/* --- one line --------------------------------------------------------------------------------- */

#define HASH_BEGIN ",\"hash\":\""
#define HASH_END   "\"}"
/* ,"hash":"..."} */
#define HASH_BYTES (sizeof(HASH_BEGIN) - 1 + BH_CHAIN_HASH - 1 + sizeof(HASH_END) - 1)

char *bh_chain_line(const struct bh_chain_head *last, const char *time, const json_t *what,
		    struct bh_chain_head *ret)
{
	json_auto_t *line = json_pack("{s:I s:s s:s}", "seq", (json_int_t)last->seq + 1, "prev",
				      last->seq ? last->hash : BH_CHAIN_ZERO, "time", time);
	_cleanup_free_ char *text = NULL;
	char *whole;

	if (!line || json_object_update_missing(line, (json_t *)what) < 0)
		return NULL;
	text = json_dumps(line, JSON_COMPACT);
	if (!text)
		return NULL;
	ret->seq = last->seq + 1;
	bh_sha256_text(text, strlen(text), ret->hash);
	if (asprintf(&whole, "%.*s" HASH_BEGIN "%s" HASH_END "\n", (int)strlen(text) - 1, text,
		     ret->hash) < 0)
		return NULL;
	return whole;
}

static bool is_hash(const char *s)
{
	return s && strlen(s) == BH_CHAIN_HASH - 1 &&
	       strspn(s, "0123456789abcdef") == BH_CHAIN_HASH - 1;
}

/* Does the line end in its hash, and is it that of the rest? */
static bool is_good(const char *line, size_t bytes, const char *hash)
{
	_cleanup_free_ char *body = NULL;
	char digest[BH_SHA256_TEXT];
	const char *end;
	size_t n;

	if (bytes <= HASH_BYTES)
		return false;
	n = bytes - HASH_BYTES;
	end = line + n;
	if (memcmp(end, HASH_BEGIN, strlen(HASH_BEGIN)) != 0 ||
	    memcmp(end + strlen(HASH_BEGIN), hash, BH_CHAIN_HASH - 1) != 0 ||
	    memcmp(line + bytes - strlen(HASH_END), HASH_END, strlen(HASH_END)) != 0)
		return false;
	body = malloc(n + 1);
	if (!body)
		return false;
	memcpy(body, line, n);
	body[n] = '}';
	bh_sha256_text(body, n + 1, digest);
	return !strcmp(digest, hash);
}

bool bh_chain_parse(const char *line, size_t bytes, struct bh_chain_record *ret)
{
	json_auto_t *json = json_loadb(line, bytes, JSON_REJECT_DUPLICATES, NULL);
	const char *prev = json_string_value(json_object_get(json, "prev"));
	const char *hash = json_string_value(json_object_get(json, "hash"));
	json_int_t seq = json_integer_value(json_object_get(json, "seq"));

	if (seq < 1 || (unsigned long long)seq >= BH_CHAIN_SEQ_MAX || !is_hash(prev) ||
	    !is_hash(hash))
		return false;
	*ret = (struct bh_chain_record){.head.seq = (unsigned long long)seq};
	memcpy(ret->prev, prev, sizeof(ret->prev));
	memcpy(ret->head.hash, hash, sizeof(ret->head.hash));
	ret->good = is_good(line, bytes, hash);
	ret->json = TAKE_PTR(json);
	return true;
}

void bh_chain_record_clear(struct bh_chain_record *r)
{
	json_decref(r->json);
	*r = (struct bh_chain_record){0};
}

/* --- the head on the disk ----------------------------------------------------------------------- */

#define SECTOR 512

static const struct bh_seal note_seal = {"audit", 1, SECTOR};

/* Beside the log. Malloced, NULL: no memory. */
static char *note_path(const char *log)
{
	const char *slash = strrchr(log, '/');
	char *path;

	if (asprintf(&path, "%.*saudit.head", slash ? (int)(slash - log) + 1 : 0, log) < 0)
		return NULL;
	return path;
}

int bh_chain_note_read(const char *log, struct bh_chain_note *ret)
{
	_cleanup_diags_ struct bh_diags unsaid = {0};
	_cleanup_free_ char *path = note_path(log);
	struct bh_chain_note note = {0};
	json_auto_t *body = NULL;
	const char *hash, *found;
	json_int_t seq;
	int r = path ? bh_seal_read(path, &note_seal, &unsaid, &body) : -ENOMEM;

	if (r < 0)
		return r;
	seq = json_integer_value(json_object_get(body, "seq"));
	hash = json_string_value(json_object_get(body, "hash"));
	found = json_string_value(json_object_get(body, "found"));
	if (seq < 1 || (unsigned long long)seq >= BH_CHAIN_SEQ_MAX || !is_hash(hash) || !found ||
	    strlen(found) >= sizeof(note.found))
		return -EBADMSG;
	note.head.seq = (unsigned long long)seq;
	memcpy(note.head.hash, hash, sizeof(note.head.hash));
	strcpy(note.found, found);
	*ret = note;
	return 0;
}

/* Return: 0, -ESTALE (it has to be made anew), -errno. */
static int write_in_place(const char *path, const char sector[SECTOR])
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;
	int r;

	if (fd < 0)
		return errno == ENOENT ? -ESTALE : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size != SECTOR)
		return -ESTALE;
	r = bh_write_all(fd, sector, SECTOR);
	/* on its way, and nobody waits for it */
	if (r == 0)
		(void)sync_file_range(fd, 0, SECTOR, SYNC_FILE_RANGE_WRITE);
	return r;
}

int bh_chain_note_write(const char *log, const struct bh_chain_note *note)
{
	json_auto_t *body = json_pack("{s:I s:s s:s}", "seq", (json_int_t)note->head.seq, "hash",
				      note->head.hash, "found", note->found);
	_cleanup_free_ char *path = note_path(log);
	char sector[SECTOR];
	int r = body && path ? bh_seal_fill(&note_seal, body, sector, SECTOR) : -ENOMEM;

	if (r < 0)
		return r;
	r = write_in_place(path, sector);
	return r == -ESTALE ? bh_file_replace(path, sector, SECTOR, 0600, NULL) : r;
}
