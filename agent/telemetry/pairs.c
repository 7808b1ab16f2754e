/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pairs.c - see pairs.h: two arrays that are made once, rows and groups of rows, each found by a
 * hash; what is free is a list, and so are the rows of a shelf, from the newest to the oldest.
 */
#include <errno.h>
#include <string.h>
#include "pairs_internal.h"

/* Of text; a name is some 40. */
#define NAME_BYTES (8u << 20)

const char *bh_pair_verdict_word(enum bh_pair_verdict verdict)
{
	static const char *const words[BH_PAIR_VERDICTS] = {
		[BH_PAIR_ALLOWED] = "allowed",
		[BH_PAIR_AUDITED] = "audited",
		[BH_PAIR_DENIED] = "denied",
		[BH_PAIR_ERROR] = "error",
	};

	return words[verdict];
}

/* --- the table ---------------------------------------------------------------------------------- */

struct bh_pairs *bh_pairs_new(size_t max_rows)
{
	_cleanup_(bh_pairs_freep) struct bh_pairs *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->max = max_rows;
	for (p->heads = 1; p->heads < max_rows; p->heads *= 2)
		;
	/* untouched pages cost nothing: a quiet host has few rows */
	p->names = bh_strtab_new(NAME_BYTES);
	p->row = calloc(max_rows + 1, sizeof(*p->row));
	p->group = calloc(max_rows + 1, sizeof(*p->group));
	p->row_head = calloc(p->heads, sizeof(*p->row_head));
	p->group_head = calloc(p->heads, sizeof(*p->group_head));
	if (!p->names || !p->row || !p->group || !p->row_head || !p->group_head)
		return NULL;
	p->row_free = p->group_free = 1;
	p->class[BH_PAIR_STOPPED].max = MAX(max_rows / 4, (size_t)1);
	p->class[BH_PAIR_PASSED].max = max_rows - p->class[BH_PAIR_STOPPED].max;
	return TAKE_PTR(p);
}

void bh_pairs_free(struct bh_pairs *p)
{
	if (!p)
		return;
	for (size_t i = 1; p->row && i <= p->max; i++)
		free(p->row[i].distinct);
	bh_strtab_free(p->names);
	free(p->row);
	free(p->group);
	free(p->row_head);
	free(p->group_head);
	free(p);
}

/* What is free is a list that ends in what was never used: those follow each other. */
static __u32 take_free(__u32 *free_head, __u32 next)
{
	__u32 i = *free_head;

	*free_head = next ? next : i + 1;
	return i;
}

/* 8 bytes at a time, ended as MurmurHash3 does; what is hashed here has no holes. */
__u64 bh_pairs_hash(const void *data, size_t n)
{
	const char *at = data;
	__u64 h = 0x9e3779b97f4a7c15ull, word;

	for (; n; at += MIN(n, sizeof(word)), n -= MIN(n, sizeof(word))) {
		word = 0;
		memcpy(&word, at, MIN(n, sizeof(word)));
		h = (h ^ word) * 0xff51afd7ed558ccdull;
		h ^= h >> 32;
	}
	h = (h ^ h >> 33) * 0xff51afd7ed558ccdull;
	h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53ull;
	return h ^ h >> 33;
}

static bool is_same(const struct bh_pair_key *a, const struct bh_pair_key *b)
{
	return !memcmp(a, b, sizeof(*a));
}

static __u32 *row_chain(struct bh_pairs *p, const struct bh_pair_key *key)
{
	return &p->row_head[bh_pairs_hash(key, sizeof(*key)) & (p->heads - 1)];
}

static __u32 find_row(struct bh_pairs *p, const struct bh_pair_key *key)
{
	__u32 i = *row_chain(p, key);

	while (i && !is_same(&p->row[i].key, key))
		i = p->row[i].next;
	return i;
}

static unsigned int class_of(const struct bh_pair_key *key)
{
	return key->verdict >= BH_PAIR_DENIED ? BH_PAIR_STOPPED : BH_PAIR_PASSED;
}

/* --- newest to oldest ------------------------------------------------------------------------------ */

static struct bh_pair_shelf *shelf_of(struct bh_pairs *p, const struct bh_pair_key *key)
{
	return &p->class[class_of(key)].shelf[key->unit % BH_PAIRS_SHELVES];
}

static void unlist(struct bh_pairs *p, __u32 i)
{
	struct bh_pair_row *row = &p->row[i];
	struct bh_pair_shelf *s = shelf_of(p, &row->key);

	*(row->newer ? &p->row[row->newer].older : &s->newest) = row->older;
	*(row->older ? &p->row[row->older].newer : &s->oldest) = row->newer;
	s->n--;
	p->class[class_of(&row->key)].n--;
}

static void list(struct bh_pairs *p, __u32 i)
{
	struct bh_pair_row *row = &p->row[i];
	struct bh_pair_shelf *s = shelf_of(p, &row->key);

	row->newer = 0;
	row->older = s->newest;
	*(s->newest ? &p->row[s->newest].newer : &s->oldest) = i;
	s->newest = i;
	s->n++;
	p->class[class_of(&row->key)].n++;
}

/* The oldest of who has the most; 0: there is none. */
static __u32 victim(const struct bh_pair_class *c)
{
	const struct bh_pair_shelf *most = &c->shelf[0];

	for (size_t i = 1; i < BH_PAIRS_SHELVES; i++)
		if (c->shelf[i].n > most->n)
			most = &c->shelf[i];
	return most->oldest;
}

/* --- groups ---------------------------------------------------------------------------------------- */

static struct bh_pair_key group_key(const struct bh_pair_key *key)
{
	struct bh_pair_key g = *key;

	g.addr = (struct bh_addr){0};
	g.rule = 0;
	g.many = 0;
	g.verdict = (__u8)class_of(key);
	return g;
}

static __u32 *group_chain(struct bh_pairs *p, const struct bh_pair_key *key)
{
	return &p->group_head[bh_pairs_hash(key, sizeof(*key)) & (p->heads - 1)];
}

static __u32 find_group(struct bh_pairs *p, const struct bh_pair_key *key)
{
	struct bh_pair_key g = group_key(key);
	__u32 i = *group_chain(p, &g);

	while (i && !is_same(&p->group[i].key, &g))
		i = p->group[i].next;
	return i;
}

/* There are as many groups as rows: one is free. */
static void join_group(struct bh_pairs *p, struct bh_pair_row *row)
{
	struct bh_pair_key key = group_key(&row->key);
	__u32 i = find_group(p, &row->key), *chain;

	if (!i) {
		i = take_free(&p->group_free, p->group[p->group_free].next);
		chain = group_chain(p, &key);
		p->group[i] = (struct bh_pair_group){.key = key, .next = *chain};
		*chain = i;
	}
	row->group = i;
	p->group[i].rows++;
	p->group[i].addrs += !row->key.many && !row->key.inside;
}

static void leave_group(struct bh_pairs *p, const struct bh_pair_row *row)
{
	struct bh_pair_group *g = &p->group[row->group];
	__u32 *at;

	g->addrs -= !row->key.many && !row->key.inside;
	if (--g->rows)
		return;
	for (at = group_chain(p, &g->key); *at != row->group; at = &p->group[*at].next)
		;
	*at = g->next;
	g->next = p->group_free;
	p->group_free = row->group;
}

/* --- rows ------------------------------------------------------------------------------------------ */

static void put_names(struct bh_pairs *p, const struct bh_pair_key *key)
{
	bh_strtab_put(p->names, key->unit);
	bh_strtab_put(p->names, key->local);
	bh_strtab_put(p->names, key->remote);
	bh_strtab_put(p->names, key->peer);
	bh_strtab_put(p->names, key->rule);
}

static void forget(struct bh_pairs *p, __u32 i)
{
	struct bh_pair_row *row = &p->row[i];
	__u32 *at;

	for (at = row_chain(p, &row->key); *at != i; at = &p->row[*at].next)
		;
	*at = row->next;
	unlist(p, i);
	leave_group(p, row);
	put_names(p, &row->key);
	free(row->distinct);
	*row = (struct bh_pair_row){.next = p->row_free};
	p->row_free = i;
	p->count.forgotten++;
}

/* @key's names are held, and the row's from now on. */
static int new_row(struct bh_pairs *p, const struct bh_pair_key *key, __u32 *ret)
{
	struct bh_pair_class *c = &p->class[class_of(key)];
	__u8 *distinct = key->many ? calloc(1, BH_DISTINCT_BYTES) : NULL;
	__u32 i, *chain;

	if (key->many && !distinct)
		return -ENOMEM;
	if (c->n == c->max)
		forget(p, victim(c));
	i = take_free(&p->row_free, p->row[p->row_free].next);
	chain = row_chain(p, key);
	p->row[i] = (struct bh_pair_row){.key = *key, .distinct = distinct, .next = *chain};
	*chain = i;
	join_group(p, &p->row[i]);
	list(p, i);
	*ret = i;
	return 0;
}

/* What no file could keep is no more than that. */
static __u64 sum(__u64 a, __u64 b)
{
	return MIN(a + MIN(b, (__u64)INT64_MAX), (__u64)INT64_MAX);
}

static void add_up(struct bh_pair_row *to, const struct bh_pair *from)
{
	if (!to->times && !to->last_ms)
		to->first_ms = from->first_ms;
	to->first_ms = MIN(to->first_ms, from->first_ms);
	to->last_ms = MAX(to->last_ms, from->last_ms);
	to->times = sum(to->times, from->times);
	to->packets = sum(to->packets, from->packets);
	to->bytes = sum(to->bytes, from->bytes);
	to->crypt |= from->crypt;
	if (!to->distinct)
		return;
	for (size_t i = 0; from->many && i < BH_DISTINCT_BYTES; i++)
		to->distinct[i] = MAX(to->distinct[i], from->distinct[i]);
	if (!from->many)
		bh_distinct_add(to->distinct, bh_pairs_hash(&from->addr, sizeof(from->addr)));
}

static int get_names(struct bh_pairs *p, const struct bh_pair *row, struct bh_pair_key *key)
{
	const char *const name[] = {row->unit, row->local, row->remote, row->peer, row->rule};
	__u32 *const to[] = {&key->unit, &key->local, &key->remote, &key->peer, &key->rule};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(name); i++)
		r = bh_strtab_get(p->names, name[i], to[i]);
	if (r < 0)
		put_names(p, key);
	return r;
}

/* Old rows go until there is room for the names of a new one. */
static int key_of(struct bh_pairs *p, const struct bh_pair *row, struct bh_pair_key *key)
{
	for (;;) {
		const struct bh_pair_class *c;
		int r;

		*key = (struct bh_pair_key){
			.addr = row->addr,
			.uid = row->uid,
			.port = row->port,
			.proto = row->proto,
			.dir = row->dir,
			.verdict = row->verdict,
			.inside = row->inside,
			.many = row->many,
		};
		r = get_names(p, row, key);
		c = &p->class[class_of(key)];
		if (r != -ENOSPC || !c->n)
			return r;
		forget(p, victim(c));
	}
}

static __u32 find_or_fold(struct bh_pairs *p, struct bh_pair_key *key)
{
	__u32 i = find_row(p, key), g;

	if (i || key->many || key->inside)
		return i;
	g = find_group(p, key);
	if (!g || p->group[g].addrs < BH_PAIRS_ADDRS)
		return 0;
	key->addr = (struct bh_addr){0};
	key->many = 1;
	p->count.folded++;
	return find_row(p, key);
}

int bh_pairs_add(struct bh_pairs *p, const struct bh_pair *row)
{
	struct bh_pair_key key;
	int r = key_of(p, row, &key);
	__u32 i;

	if (r < 0) {
		p->count.lost++;
		return r;
	}
	i = find_or_fold(p, &key);
	if (i) {
		put_names(p, &key);
		unlist(p, i);
		list(p, i);
	} else {
		r = new_row(p, &key, &i);
		if (r < 0) {
			put_names(p, &key);
			p->count.lost++;
			return r;
		}
		p->added++;
	}
	if (!p->first_ms || row->first_ms < p->first_ms)
		p->first_ms = row->first_ms;
	add_up(&p->row[i], row);
	/* it began before we looked */
	if (!p->row[i].times)
		p->row[i].times = 1;
	return 0;
}

/* --- reading ----------------------------------------------------------------------------------------- */

static struct bh_pair pair_of(const struct bh_pairs *p, const struct bh_pair_row *row)
{
	const struct bh_pair_key *key = &row->key;
	struct bh_pair pair = {
		.unit = bh_strtab_text(p->names, key->unit),
		.local = bh_strtab_text(p->names, key->local),
		.remote = bh_strtab_text(p->names, key->remote),
		.peer = bh_strtab_text(p->names, key->peer),
		.rule = bh_strtab_text(p->names, key->rule),
		.addr = key->addr,
		.uid = key->uid,
		.port = key->port,
		.proto = key->proto,
		.dir = key->dir,
		.verdict = key->verdict,
		.inside = key->inside,
		.many = key->many,
		.crypt = row->crypt,
		.times = row->times,
		.packets = row->packets,
		.bytes = row->bytes,
		.first_ms = row->first_ms,
		.last_ms = row->last_ms,
	};

	if (row->distinct)
		memcpy(pair.distinct, row->distinct, sizeof(pair.distinct));
	return pair;
}

static int each_of(const struct bh_pairs *p, const struct bh_pair_shelf *s,
		   int (*fn)(void *ctx, const struct bh_pair *row), void *ctx)
{
	int r = 0;

	for (__u32 i = s->oldest; r == 0 && i; i = p->row[i].newer) {
		struct bh_pair pair = pair_of(p, &p->row[i]);

		r = fn(ctx, &pair);
	}
	return r;
}

int bh_pairs_each(const struct bh_pairs *p, int (*fn)(void *ctx, const struct bh_pair *row),
		  void *ctx)
{
	int r = 0;

	for (size_t c = 0; c < BH_PAIR_CLASSES; c++)
		for (size_t i = 0; r == 0 && i < BH_PAIRS_SHELVES; i++)
			r = each_of(p, &p->class[c].shelf[i], fn, ctx);
	return r;
}

__u64 bh_pair_addrs(const struct bh_pair *row)
{
	return row->many ? bh_distinct_count(row->distinct) : 1;
}

__s64 bh_pairs_first_ms(const struct bh_pairs *p)
{
	return p->first_ms;
}

struct bh_pairs_count bh_pairs_count(const struct bh_pairs *p)
{
	struct bh_pairs_count count = p->count;

	count.bytes = bh_strtab_bytes(p->names);
	for (size_t c = 0; c < BH_PAIR_CLASSES; c++)
		count.rows += p->class[c].n;
	return count;
}
