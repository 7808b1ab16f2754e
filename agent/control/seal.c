/* SPDX-License-Identifier: Apache-2.0 */
/* seal.c - see seal.h. */
/* SHA256_*() of OpenSSL 1: they ask for no memory, so there is nothing to fail where it is short. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <errno.h>
#include <openssl/sha.h>
#include <string.h>
#include "../base/io.h"
#include "seal.h"

#define HEAD_MAX 160

void bh_sha256_text(const void *data, size_t bytes, char ret[BH_SHA256_TEXT])
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	SHA256_CTX c;

	SHA256_Init(&c);
	SHA256_Update(&c, data, bytes);
	SHA256_Final(digest, &c);
	for (size_t i = 0; i < sizeof(digest); i++)
		snprintf(ret + 2 * i, 3, "%02x", digest[i]);
}

static int fail(struct bh_diags *d, int r, const char *path, const char *help, const char *what)
{
	(void)bh_diag_add(d, BH_ERROR, NULL, help, "%s: %s", path, what);
	return r;
}

static int damaged(struct bh_diags *d, const char *path, const char *what)
{
	return fail(d, -EBADMSG, path, "restore it from a backup, or apply the map again", what);
}

/* The whole file, malloced. Return: its length or -ENOMEM. */
static int text_of(const struct bh_seal *seal, const char *body, char **ret)
{
	char digest[BH_SHA256_TEXT];
	int n;

	bh_sha256_text(body, strlen(body), digest);
	n = asprintf(ret, "bulkhead-%s %d %zu %s\n%s\n", seal->kind, seal->version, strlen(body),
		     digest, body);
	return n < 0 ? -ENOMEM : n;
}

int bh_seal_fill(const struct bh_seal *seal, const json_t *body, char *ret, size_t bytes)
{
	_cleanup_free_ char *text = json_dumps(body, JSON_COMPACT | JSON_SORT_KEYS);
	_cleanup_free_ char *wide = NULL, *file = NULL;
	int head, n;

	if (!text)
		return -ENOMEM;
	/* how long the line above is does not depend on what stands in it */
	head = snprintf(NULL, 0, "bulkhead-%s %d %zu %*s\n", seal->kind, seal->version, bytes,
			BH_SHA256_TEXT - 1, "");
	if (asprintf(&wide, "%-*s", (int)bytes - head - 1, text) < 0) {
		wide = NULL;
		return -ENOMEM;
	}
	n = text_of(seal, wide, &file);
	if (n < 0) {
		file = NULL;
		return n;
	}
	if ((size_t)n != bytes)
		return -EFBIG;
	memcpy(ret, file, bytes);
	return 0;
}

int bh_seal_write(const char *path, const struct bh_seal *seal, const json_t *body,
		  const char *keep, struct bh_diags *d)
{
	_cleanup_free_ char *text = json_dumps(body, JSON_COMPACT | JSON_SORT_KEYS), *file = NULL;
	int n, r;

	if (!text)
		return -ENOMEM;
	n = text_of(seal, text, &file);
	if (n < 0) {
		file = NULL;
		return n;
	}
	r = bh_file_replace(path, file, (size_t)n, 0600, keep);
	if (r < 0)
		return fail(d, r, path, "make room or repair the disk; what is enforced stays",
			    strerror(-r));
	return 0;
}

/* "bulkhead-state 1 1234 SHA256\n". Return: bytes of it, -EBADMSG, -EPROTONOSUPPORT. */
static int head_parse(const struct bh_seal *seal, const char *text, size_t bytes, size_t *ret_body,
		      char ret_digest[BH_SHA256_TEXT])
{
	char head[HEAD_MAX], again[HEAD_MAX], kind[32];
	const char *end = memchr(text, '\n', MIN(bytes, sizeof(head) - 1));
	int version, n;

	if (!end)
		return -EBADMSG;
	n = (int)(end - text);
	memcpy(head, text, (size_t)n);
	head[n] = '\0';
	if (sscanf(head, "bulkhead-%31[a-z] %d %zu %64[0-9a-f]", kind, &version, ret_body,
		   ret_digest) != 4 ||
	    strcmp(kind, seal->kind) != 0)
		return -EBADMSG;
	/* Exactly as we write it: sscanf forgives blanks and signs. */
	snprintf(again, sizeof(again), "bulkhead-%s %d %zu %s", kind, version, *ret_body,
		 ret_digest);
	if (strcmp(head, again) != 0)
		return -EBADMSG;
	return version == seal->version ? n + 1 : -EPROTONOSUPPORT;
}

int bh_seal_open(const char *path, const struct bh_seal *seal, const char *text, size_t bytes,
		 struct bh_diags *d, json_t **ret)
{
	char want[BH_SHA256_TEXT], have[BH_SHA256_TEXT];
	size_t body;
	json_auto_t *obj = NULL;
	int head = head_parse(seal, text, bytes, &body, want);

	if (head == -EPROTONOSUPPORT)
		return fail(d, head, path, "start the version of the agent that wrote it",
			    "it was written by another version of the agent");
	if (head < 0)
		return damaged(d, path, "this is no such file of the agent, or it is damaged");
	text += head;
	bytes -= (size_t)head;
	if (!bytes || body != bytes - 1 || text[body] != '\n')
		return damaged(d, path, "it is cut short or has something behind its end");
	bh_sha256_text(text, body, have);
	if (strcmp(want, have) != 0)
		return damaged(d, path, "its checksum does not match its content");
	obj = json_loadb(text, body, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(obj))
		return damaged(d, path, "its content is no JSON object");
	*ret = TAKE_PTR(obj);
	return 0;
}

int bh_seal_read(const char *path, const struct bh_seal *seal, struct bh_diags *d, json_t **ret)
{
	_cleanup_free_ char *text = NULL;
	size_t bytes;
	int r = bh_file_read(path, seal->max_bytes, &text, &bytes);

	if (r == -ENOENT)
		return r;
	if (r < 0)
		return fail(d, r, path, "restore it from a backup, or apply the map again",
			    strerror(-r));
	return bh_seal_open(path, seal, text, bytes, d, ret);
}
