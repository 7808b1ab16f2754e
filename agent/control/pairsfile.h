/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pairsfile.h - the history of who talked to whom as a file of its own beside the state, whole or
 * refused (seal.h). Called by agent/pairs.c, the writing in a child.
 */
#ifndef BH_PAIRSFILE_H
#define BH_PAIRSFILE_H

#include <jansson.h>
#include "../base/diag.h"
#include "../telemetry/pairs.h"

/* Return: 0 or -errno (see @d). */
int bh_pairsfile_save(const char *dir, const struct bh_pairs *p, struct bh_diags *d);
/**
 * bh_pairsfile_load - what is in the file, added to @p
 *
 * All of it, or none if there is anything in it that is not a row. Return: 0, -ENOENT (no file),
 * else see @d: -EBADMSG, -EPROTONOSUPPORT (of a newer version), -errno.
 */
int bh_pairsfile_load(const char *dir, struct bh_pairs *p, struct bh_diags *d);
/* It can't be used: it is kept as pairs.bad. Return: 0 or -errno. */
int bh_pairsfile_set_aside(const char *dir);

#endif
