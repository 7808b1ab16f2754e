/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arena.h - memory that is freed all at once: the YAML nodes of one document, the model of
 * one map. Used inside the policy room only.
 */
#ifndef BH_ARENA_H
#define BH_ARENA_H

#include "../base/cleanup.h"

struct bh_arena {
	struct bh_arena_block *blocks;
	size_t used; /* of the newest block */
};

/* @n zeroed objects of @size bytes. Return: NULL without memory. */
void *bh_arena_alloc(struct bh_arena *a, size_t n, size_t size);
char *bh_arena_strndup(struct bh_arena *a, const char *s, size_t len);
void bh_arena_clear(struct bh_arena *a);

#define _cleanup_arena_ _cleanup_(bh_arena_clear)

#endif
