/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blast_ports.c - the ports at which an answer may change, from the tables of the live map: between
 * two of them one question is as good as all. See blast.h.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include "../holds.h"
#include "blast.h"

const __u8 bh_blast_protos[5] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDPLITE, IPPROTO_ICMP,
				 IPPROTO_ICMPV6};

/* --- entries of the policy table ---------------------------------------------------------------- */

/* The key's first eight bytes: the table is sorted by bytes. */
struct pair {
	__u32 local, remote;
};

static size_t first_of(const struct bh_compiled *c, const struct pair *pair)
{
	size_t lo = 0, hi = c->policy.n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (memcmp(&c->policy.bh_pol_key[mid], pair, sizeof(*pair)) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

typedef int (*key_fn)(void *ctx, const struct bh_pol_key *key);

static int each_of_pair(const struct bh_compiled *c, __u32 local, __u32 remote, __u8 dir, key_fn fn,
			void *ctx)
{
	struct pair pair = {local, remote};
	int r = 0;

	for (size_t i = first_of(c, &pair); r == 0 && i < c->policy.n; i++) {
		const struct bh_pol_key *k = &c->policy.bh_pol_key[i];

		if (k->local != local || k->remote != remote)
			break;
		if (k->dir == dir)
			r = fn(ctx, k);
	}
	return r;
}

/* One half: @me is the local end. */
static int each_of_half(const struct bh_compiled *c, const struct bh_blast_end *me,
			const struct bh_blast_end *peer, __u8 dir, key_fn fn, void *ctx)
{
	const __u32 locals[] = {BH_ID_ANY, me->identity};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(locals); i++) {
		r = each_of_pair(c, locals[i], BH_ID_ANY, dir, fn, ctx);
		if (r == 0)
			r = each_of_pair(c, locals[i], peer->identity, dir, fn, ctx);
		for (size_t k = 0; r == 0 && k < peer->n_class; k++)
			r = each_of_pair(c, locals[i], peer->class[k], dir, fn, ctx);
	}
	return r;
}

static int each_of_both(const struct bh_blast *b, size_t from, size_t to, key_fn fn, void *ctx)
{
	const struct bh_compiled *c = b->a->live.compiled;
	int r = each_of_half(c, &b->end[from], &b->end[to], BH_OUT, fn, ctx);

	return r ? r : each_of_half(c, &b->end[to], &b->end[from], BH_IN, fn, ctx);
}

/* --- borders --------------------------------------------------------------------------------------- */

struct look {
	struct bh_blast *b;
	__u8 proto;
};

static int add(struct bh_blast *b, __u32 port)
{
	if (port > 0xffff)
		return 0;
	if (b->n_border == b->room_border) {
		size_t room = b->room_border ? b->room_border * 2 : 256;
		__u16 *more = realloc(b->border, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		b->border = more;
		b->room_border = room;
	}
	b->border[b->n_border++] = (__u16)port;
	return 0;
}

static int add_range(struct bh_blast *b, __u32 lo, __u32 hi)
{
	int r = add(b, lo);

	return r ? r : add(b, hi + 1);
}

static int on_key(void *ctx, const struct bh_pol_key *k)
{
	const struct look *look = ctx;

	if ((k->proto && k->proto != look->proto) || !k->plen)
		return 0;
	return add_range(look->b, k->port, k->port + (1u << (16 - k->plen)) - 1);
}

static int by_number(const void *a, const void *b)
{
	return *(const __u16 *)a - *(const __u16 *)b;
}

int bh_blast_borders(struct bh_blast *b, __u8 proto, size_t from, size_t to)
{
	const struct bh_compiled *c = b->a->live.compiled;
	struct look look = {b, proto};
	size_t n = 0;
	int r;

	b->n_border = 0;
	r = add(b, 0);
	if (r == 0)
		r = each_of_both(b, from, to, on_key, &look);
	for (size_t i = 0; r == 0 && i < c->reserve.n; i++)
		if (c->reserve.key[i].proto == proto)
			r = add_range(b, c->reserve.key[i].port, c->reserve.key[i].port);
	for (size_t i = 0; r == 0 && i < b->n_granted; i++)
		if (!b->granted[i].proto || b->granted[i].proto == proto)
			r = add_range(b, b->granted[i].low, b->granted[i].high);
	if (r < 0)
		return r;
	qsort(b->border, b->n_border, sizeof(*b->border), by_number);
	for (size_t i = 0; i < b->n_border; i++)
		if (!n || b->border[n - 1] != b->border[i])
			b->border[n++] = b->border[i];
	b->n_border = n;
	return 0;
}

/* --- protocols by number ------------------------------------------------------------------------------ */

static int on_proto(void *ctx, const struct bh_pol_key *k)
{
	bool *seen = ctx;

	seen[k->proto] = true;
	return 0;
}

int bh_blast_numbered(const struct bh_blast *b, size_t from, size_t to, bool ret[256])
{
	int r;

	memset(ret, 0, 256 * sizeof(*ret));
	r = each_of_both(b, from, to, on_proto, ret);
	for (size_t i = 0; i < b->n_granted; i++)
		ret[b->granted[i].proto & 0xff] = true;
	ret[0] = false;
	for (size_t i = 0; i < ARRAY_SIZE(bh_blast_protos); i++)
		ret[bh_blast_protos[i]] = false;
	return r;
}

/* --- the ends ------------------------------------------------------------------------------------------ */

static void place(const struct bh_segment *s, struct bh_blast_end *end)
{
	bool workloads = false, addresses = end->identity == BH_ID_WORLD;

	for (size_t i = 0; i < s->n_match; i++) {
		const struct bh_match *m = &s->match[i];

		addresses |= m->n_cidr > 0;
		workloads |= m->unit.n || m->cgroup.n || m->user.n || m->group.n;
	}
	end->here = workloads || !addresses;
	end->elsewhere = addresses;
	end->plain = end->identity == BH_ID_WORLD;
}

/* --- an address of a class ------------------------------------------------------------------------------ */

#define TRIES_MAX 256

/* Whether the first @bits of both are the same. */
static bool begins_with(const __u8 *addr, const __u8 *prefix, __u32 bits)
{
	__u32 whole = bits / 8, rest = bits % 8;

	return !memcmp(addr, prefix, whole) &&
	       (!rest || !((addr[whole] ^ prefix[whole]) >> (8 - rest)));
}

/* Of the entry that the kernel side would find: the longest. */
static const struct bh_addr_val *look_up(const struct bh_compiled *c, const struct bh_addr *addr,
					 __u32 *ret_bits)
{
	const struct bh_addr_val *best = NULL;

	*ret_bits = 0;
	for (size_t i = 0; i < c->addrs.n; i++)
		if (!memcmp(&c->addrs.bh_addr[i], addr, sizeof(*addr))) {
			*ret_bits = 128;
			return &c->addrs.bh_addr_val[i];
		}
	for (size_t i = 0; i < c->prefixes.n; i++) {
		const struct bh_prefix_key *k = &c->prefixes.bh_prefix_key[i];

		if ((best && k->prefixlen <= *ret_bits) ||
		    !begins_with(addr->b, k->addr, k->prefixlen))
			continue;
		best = &c->prefixes.bh_addr_val[i];
		*ret_bits = k->prefixlen;
	}
	return best;
}

/* The first one behind the prefix of @bits that @addr is in. Return: false behind the last of all. */
static bool step_over(struct bh_addr *addr, __u32 bits)
{
	for (__u32 i = bits; i < 128; i++)
		addr->b[i / 8] &= (__u8) ~(0x80 >> i % 8);
	for (__u32 i = bits; i-- > 0;) {
		addr->b[i / 8] ^= (__u8)(0x80 >> i % 8);
		if (addr->b[i / 8] & 0x80 >> i % 8)
			return true;
	}
	return false;
}

/* An address of prefix @key that no narrower one covers. */
static bool find_address(const struct bh_compiled *c, const struct bh_prefix_key *key,
			 struct bh_addr *ret)
{
	__u32 bits = 0;

	memcpy(ret->b, key->addr, sizeof(ret->b));
	for (int i = 0; i < TRIES_MAX && begins_with(ret->b, key->addr, key->prefixlen); i++) {
		if (!look_up(c, ret, &bits) || bits <= key->prefixlen)
			return true;
		if (!step_over(ret, bits))
			break;
	}
	return false;
}

static int add_class(struct bh_blast *b, struct bh_blast_end *end, const struct bh_addr_val *val,
		     const struct bh_prefix_key *key)
{
	struct bh_addr *addrs, addr;
	__u32 *classes;

	if (val->class == val->identity) {
		end->plain = true;
		return 0;
	}
	for (size_t i = 0; i < end->n_class; i++)
		if (end->class[i] == val->class)
			return 0;
	if (!find_address(b->a->live.compiled, key, &addr)) {
		b->unsure = true;
		return 0;
	}
	addrs = reallocarray(end->addr, end->n_class + 1, sizeof(*addrs));
	if (!addrs)
		return -ENOMEM;
	end->addr = addrs;
	classes = reallocarray(end->class, end->n_class + 1, sizeof(*classes));
	if (!classes)
		return -ENOMEM;
	end->class = classes;
	addrs[end->n_class] = addr;
	classes[end->n_class++] = val->class;
	return 0;
}

static struct bh_blast_end *end_of(struct bh_blast *b, __u32 identity)
{
	for (size_t i = 0; i < b->n; i++)
		if (b->end[i].identity == identity)
			return &b->end[i];
	return NULL;
}

/* Inside a wider prefix of another segment, whose denies hold there, too. */
static int find_classes(struct bh_blast *b)
{
	const struct bh_compiled *c = b->a->live.compiled;
	int r = 0;

	for (size_t i = 0; r == 0 && i < c->addrs.n; i++) {
		struct bh_blast_end *end = end_of(b, c->addrs.bh_addr_val[i].identity);

		struct bh_prefix_key key = {.prefixlen = 128};

		memcpy(key.addr, c->addrs.bh_addr[i].b, sizeof(key.addr));
		if (end)
			r = add_class(b, end, &c->addrs.bh_addr_val[i], &key);
	}
	for (size_t i = 0; r == 0 && i < c->prefixes.n; i++) {
		struct bh_blast_end *end = end_of(b, c->prefixes.bh_addr_val[i].identity);

		if (end)
			r = add_class(b, end, &c->prefixes.bh_addr_val[i],
				      &c->prefixes.bh_prefix_key[i]);
	}
	return r;
}

static int find_granted(struct bh_blast *b)
{
	const struct bh_holds *h = b->a->holds;

	b->granted = calloc((h ? h->n_granted : 0) * 2 + 1, sizeof(*b->granted));
	if (!b->granted)
		return -ENOMEM;
	for (size_t i = 0; h && i < h->n_granted; i++) {
		struct bh_port port = {0};
		struct bh_fault fault;

		if (h->granted[i].port && bh_port_parse(h->granted[i].port, &port, &fault) == 0)
			b->n_granted += bh_port_spans(&port, b->granted + b->n_granted);
	}
	return 0;
}

int bh_blast_begin(struct bh_agent *a, struct bh_blast *ret)
{
	const struct bh_compiled *c = a->live.compiled;
	struct bh_blast b = {
		.a = a,
		.gen = bh_kern_generation(a->kern),
		.until_ns = a->clock->boot_ns() + BH_BLAST_NS,
		.n = c->n_identity,
		.end = calloc(c->n_identity + 1, sizeof(*b.end)),
	};
	int r = b.end ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < b.n; i++) {
		b.end[i].identity = c->identity[i];
		place(&a->live.map->segment[i], &b.end[i]);
	}
	if (r == 0)
		r = find_classes(&b);
	if (r == 0)
		r = find_granted(&b);
	*ret = b;
	return r;
}

void bh_blast_end(struct bh_blast *b)
{
	for (size_t i = 0; b->end && i < b->n; i++) {
		free(b->end[i].addr);
		free(b->end[i].class);
	}
	free(b->end);
	free(b->granted);
	free(b->border);
}
