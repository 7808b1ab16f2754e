/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seal.h - a small file that is whole or refused: one line with kind, version, length and
 * SHA-256, then a JSON object. It finds damage, not malice: the directory is root's.
 * Called by state.c and chain.c.
 */
#ifndef BH_SEAL_H
#define BH_SEAL_H

#include <jansson.h>
#include "../base/diag.h"

#define BH_SHA256_TEXT 65

/* The digest in lower case hex. */
void bh_sha256_text(const void *data, size_t bytes, char ret[BH_SHA256_TEXT]);

/* What a kind of file is called and which version of its body this build writes. */
struct bh_seal {
	const char *kind;
	int version;
	size_t max_bytes;
};

/**
 * bh_seal_write - replace @path, whole or not at all
 * @keep: the file that was there is kept by this name, or NULL
 * Return: 0 or -errno (see @d).
 */
int bh_seal_write(const char *path, const struct bh_seal *seal, const json_t *body,
		  const char *keep, struct bh_diags *d);

/**
 * bh_seal_fill - a file of exactly @bytes, between 100 and 999: to be written over in its place
 * Return: 0, -EFBIG (the object is too long), -ENOMEM.
 */
int bh_seal_fill(const struct bh_seal *seal, const json_t *body, char *ret, size_t bytes);

/**
 * bh_seal_read - the object in @path
 * Return: 0, -ENOENT (no such file, nothing in @d), else see @d: -EBADMSG (damaged or not
 * such a file), -EPROTONOSUPPORT (of a newer version), -EFBIG, -errno.
 */
int bh_seal_read(const char *path, const struct bh_seal *seal, struct bh_diags *d, json_t **ret);

/* The same on bytes in memory. @path is for messages. */
int bh_seal_open(const char *path, const struct bh_seal *seal, const char *text, size_t bytes,
		 struct bh_diags *d, json_t **ret);

#endif
