/* SPDX-License-Identifier: Apache-2.0 */
/* strtab.c - see strtab.h: chained hashing over an array that doubles; free entries are a list. */
#include <errno.h>
#include <string.h>
#include "strtab.h"

struct entry {
	char *s; /* NULL: free */
	__u32 hash, next, holds;
};

struct bh_strtab {
	struct entry *v; /* [0] is nobody's */
	__u32 *head;	 /* by hash; 0 = none */
	__u32 n, room, free;
	size_t bytes, max_bytes;
};

struct bh_strtab *bh_strtab_new(size_t max_bytes)
{
	struct bh_strtab *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	*t = (struct bh_strtab){.n = 1, .room = 256, .max_bytes = max_bytes};
	t->v = calloc(t->room, sizeof(*t->v));
	t->head = calloc(t->room, sizeof(*t->head));
	if (!t->v || !t->head) {
		bh_strtab_free(t);
		return NULL;
	}
	return t;
}

void bh_strtab_free(struct bh_strtab *t)
{
	if (!t)
		return;
	for (__u32 i = 1; t->v && i < t->n; i++)
		free(t->v[i].s);
	free(t->v);
	free(t->head);
	free(t);
}

/* FNV-1a */
static __u32 hash_of(const char *s)
{
	__u32 h = 2166136261u;

	for (; *s; s++)
		h = (h ^ (__u8)*s) * 16777619u;
	return h;
}

static int grow(struct bh_strtab *t)
{
	__u32 room = t->room * 2;
	__u32 *head = calloc(room, sizeof(*head));
	struct entry *v = head ? reallocarray(t->v, room, sizeof(*v)) : NULL;

	if (!v) {
		free(head);
		return -ENOMEM;
	}
	free(t->head);
	t->v = v;
	t->head = head;
	t->room = room;
	for (__u32 i = 1; i < t->n; i++) {
		if (!v[i].s)
			continue;
		v[i].next = head[v[i].hash & (room - 1)];
		head[v[i].hash & (room - 1)] = i;
	}
	return 0;
}

static __u32 find(const struct bh_strtab *t, const char *s, __u32 hash)
{
	__u32 i = t->head[hash & (t->room - 1)];

	while (i && (t->v[i].hash != hash || strcmp(t->v[i].s, s) != 0))
		i = t->v[i].next;
	return i;
}

int bh_strtab_find(const struct bh_strtab *t, const char *s, __u32 *ret)
{
	*ret = s && *s ? find(t, s, hash_of(s)) : 0;
	return s && *s && !*ret ? -ENOENT : 0;
}

static int add(struct bh_strtab *t, const char *s, __u32 hash, __u32 *ret)
{
	size_t bytes = strlen(s) + 1;
	__u32 i = t->free, *head;
	char *copy;

	if (bytes > BH_STRTAB_LONGEST)
		return -ENAMETOOLONG;
	if (t->bytes + bytes > t->max_bytes)
		return -ENOSPC;
	if (!i && t->n == t->room && grow(t) < 0)
		return -ENOMEM;
	copy = strdup(s);
	if (!copy)
		return -ENOMEM;
	if (i)
		t->free = t->v[i].next;
	else
		i = t->n++;
	head = &t->head[hash & (t->room - 1)];
	t->v[i] = (struct entry){.s = copy, .hash = hash, .next = *head, .holds = 1};
	*head = i;
	t->bytes += bytes;
	*ret = i;
	return 0;
}

int bh_strtab_get(struct bh_strtab *t, const char *s, __u32 *ret)
{
	__u32 hash;

	*ret = 0;
	if (!s || !*s)
		return 0;
	hash = hash_of(s);
	*ret = find(t, s, hash);
	if (!*ret)
		return add(t, s, hash, ret);
	t->v[*ret].holds++;
	return 0;
}

void bh_strtab_hold(struct bh_strtab *t, __u32 number)
{
	if (number)
		t->v[number].holds++;
}

void bh_strtab_put(struct bh_strtab *t, __u32 number)
{
	struct entry *e = &t->v[number];
	__u32 *at;

	if (!number || --e->holds)
		return;
	for (at = &t->head[e->hash & (t->room - 1)]; *at != number; at = &t->v[*at].next)
		;
	*at = e->next;
	t->bytes -= strlen(e->s) + 1;
	free(e->s);
	*e = (struct entry){.next = t->free};
	t->free = number;
}

const char *bh_strtab_text(const struct bh_strtab *t, __u32 number)
{
	return number ? t->v[number].s : NULL;
}

size_t bh_strtab_bytes(const struct bh_strtab *t)
{
	return t->bytes;
}
