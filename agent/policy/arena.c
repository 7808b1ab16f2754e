/* SPDX-License-Identifier: Apache-2.0 */
/* arena.c - see arena.h. */
#include <string.h>
#include "arena.h"

#define BLOCK_BYTES 65536u
#define ALIGN	    16u

struct bh_arena_block {
	struct bh_arena_block *next;
	size_t size;
	_Alignas(ALIGN) char data[];
};

void *bh_arena_alloc(struct bh_arena *a, size_t n, size_t size)
{
	struct bh_arena_block *b;
	size_t bytes;
	char *p;

	if (__builtin_mul_overflow(n, size, &bytes) || bytes > SIZE_MAX / 2)
		return NULL;
	bytes = (bytes + ALIGN - 1) / ALIGN * ALIGN;
	if (!a->blocks || a->blocks->size - a->used < bytes) {
		size_t room = MAX(bytes, BLOCK_BYTES - sizeof(*b));

		b = calloc(1, sizeof(*b) + room);
		if (!b)
			return NULL;
		b->size = room;
		b->next = a->blocks;
		a->blocks = b;
		a->used = 0;
	}
	p = a->blocks->data + a->used;
	a->used += bytes;
	return p;
}

char *bh_arena_strndup(struct bh_arena *a, const char *s, size_t len)
{
	char *p = bh_arena_alloc(a, len + 1, 1);

	return p ? memcpy(p, s, len) : NULL;
}

void bh_arena_clear(struct bh_arena *a)
{
	for (struct bh_arena_block *b = a->blocks, *next; b; b = next) {
		next = b->next;
		free(b);
	}
	*a = (struct bh_arena){0};
}
