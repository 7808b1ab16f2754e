/* SPDX-License-Identifier: Apache-2.0 */
/*
 * strtab.h - names kept once each, however many rows say them, in bounded memory. Each get() needs
 * a put(); a name that nobody holds any more is gone.
 */
#ifndef BH_STRTAB_H
#define BH_STRTAB_H

#include <linux/types.h>
#include "../base/cleanup.h"

#define BH_STRTAB_LONGEST 1024 /* of a name, with its NUL */

struct bh_strtab;

/* @max_bytes of text at most. Return: NULL if there is no memory. */
struct bh_strtab *bh_strtab_new(size_t max_bytes);
void bh_strtab_free(struct bh_strtab *t);
BH_DEFINE_CLEANUP(struct bh_strtab *, bh_strtab_free)

/* The number of @s; of NULL and "" it is 0. Return: 0, -ENOSPC (it is full), -ENAMETOOLONG, -ENOMEM. */
int bh_strtab_get(struct bh_strtab *t, const char *s, __u32 *ret);
/* The same without holding it. Return: 0, -ENOENT. */
int bh_strtab_find(const struct bh_strtab *t, const char *s, __u32 *ret);
void bh_strtab_hold(struct bh_strtab *t, __u32 number);
void bh_strtab_put(struct bh_strtab *t, __u32 number);
/* NULL for 0. Good until its last put(). */
const char *bh_strtab_text(const struct bh_strtab *t, __u32 number);
/* Bytes of text that are held. */
size_t bh_strtab_bytes(const struct bh_strtab *t);

#endif
