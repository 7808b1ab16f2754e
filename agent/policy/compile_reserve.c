/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compile_reserve.c - who may open which sockets: the ports that `listen:` reserves, and the
 * protocols beside TCP and UDP that an allow rule names (see struct bh_reserve_key).
 */
#include <netinet/in.h>
#include "compile_internal.h"

#define RESERVE_MAX 65536u /* entries; a port range has one for each port here */

/* IP protocols that an allow rule names at a segment, a bit each. */
struct protos {
	__u64 bit[4];
};

struct reserve {
	struct bh_compiler *c;
	struct protos *at; /* by index in bh_map.segment; behind the last: every segment */
	size_t room;
};

static int reserve_add(struct reserve *r, __u32 seg, __u16 port, __u8 proto)
{
	struct bh_compiled *out = r->c->out;
	int error = bh_room_for_one(&out->reserve.key, &r->room, out->reserve.n,
				    sizeof(*out->reserve.key));

	if (error < 0)
		return error;
	out->reserve.key[out->reserve.n++] =
		(struct bh_reserve_key){.seg = seg, .port = port, .proto = proto};
	return 0;
}

/* --- listen: ----------------------------------------------------------------------------------- */

static __u64 ports_count(const struct bh_ports *ports)
{
	__u64 n = 0;

	for (size_t i = 0; i < ports->n; i++)
		n += ports->v[i].hi - ports->v[i].lo + 1u;
	return n;
}

static int listen_add(struct reserve *r, __u32 seg, const struct bh_port *p)
{
	int error = 0;

	for (__u32 port = p->lo; error == 0 && port <= p->hi; port++) {
		error = reserve_add(r, BH_ID_ANY, (__u16)port, p->proto);
		if (error == 0)
			error = reserve_add(r, seg, (__u16)port, p->proto);
	}
	return error;
}

/* --- protocols that need a raw socket ------------------------------------------------------------- */

static void proto_note(struct protos *at, __u8 proto)
{
	if (proto && proto != IPPROTO_TCP && proto != IPPROTO_UDP && proto != IPPROTO_UDPLITE)
		at->bit[proto / 64] |= 1ull << (proto % 64);
}

static void port_note(struct protos *at, const struct bh_port *p)
{
	if (!p->both_icmp) {
		proto_note(at, p->proto);
		return;
	}
	if (p->icmp_v4)
		proto_note(at, IPPROTO_ICMP);
	if (p->icmp_v6)
		proto_note(at, IPPROTO_ICMPV6);
}

static void rules_note(struct reserve *r)
{
	const struct bh_map *map = r->c->map;

	for (size_t i = 0; i < map->n_rule; i++) {
		const struct bh_rule_src *rule = &map->rule[i];
		const struct bh_sel *ends[] = {&rule->from, &rule->to};
		struct protos named = {0};

		for (size_t j = 0; rule->kind == BH_RULE_ALLOW && j < rule->port.n; j++)
			port_note(&named, &rule->port.v[j]);
		if (!named.bit[0] && !named.bit[1] && !named.bit[2] && !named.bit[3])
			continue;
		for (size_t j = 0; j < ARRAY_SIZE(ends); j++)
			for (size_t k = 0; k < (ends[j]->any ? 1 : ends[j]->n_seg); k++) {
				struct protos *at =
					&r->at[ends[j]->any ? map->n_segment : ends[j]->seg[k]];

				for (int word = 0; word < 4; word++)
					at->bit[word] |= named.bit[word];
			}
	}
}

static __u64 protos_count(const struct protos *at)
{
	__u64 n = 0;

	for (int word = 0; word < 4; word++)
		n += (__u64)__builtin_popcountll(at->bit[word]);
	return n;
}

static int protos_add(struct reserve *r, __u32 seg, const struct protos *at)
{
	int error = 0;

	for (int proto = 0; error == 0 && proto < 256; proto++)
		if (at->bit[proto / 64] & 1ull << (proto % 64))
			error = reserve_add(r, seg, 0, (__u8)proto);
	return error;
}

/* --- the step --------------------------------------------------------------------------------------- */

static int reserve_cmp(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct bh_reserve_key));
}

static void reserve_sort(struct bh_compiled *out)
{
	size_t to = 0;

	if (!out->reserve.n)
		return;
	qsort(out->reserve.key, out->reserve.n, sizeof(*out->reserve.key), reserve_cmp);
	for (size_t i = 0; i < out->reserve.n; i++)
		if (!to || reserve_cmp(&out->reserve.key[to - 1], &out->reserve.key[i]) != 0)
			out->reserve.key[to++] = out->reserve.key[i];
	out->reserve.n = to;
}

static int check_room(struct reserve *r)
{
	const struct bh_map *map = r->c->map;
	struct bh_most most = {.word = "segment"};
	__u64 total = protos_count(&r->at[map->n_segment]);

	for (size_t i = 0; i < map->n_segment; i++) {
		const struct bh_segment *s = &map->segment[i];
		__u64 n = 2 * ports_count(&s->listen) + protos_count(&r->at[i]);

		bh_most_note(&most, &(struct bh_most){"segment", s->name, s->pos, n});
		total += n;
	}
	return bh_limit_check(r->c, "reserved ports and protocols", total, RESERVE_MAX, &most)
		       ? 0
		       : -E2BIG;
}

static int make(struct reserve *r)
{
	const struct bh_map *map = r->c->map;
	int error = protos_add(r, BH_ID_ANY, &r->at[map->n_segment]);

	for (size_t i = 0; error == 0 && i < map->n_segment; i++) {
		const struct bh_segment *s = &map->segment[i];
		__u32 seg = r->c->out->identity[i];

		error = protos_add(r, seg, &r->at[i]);
		for (size_t j = 0; error == 0 && j < s->listen.n; j++)
			error = listen_add(r, seg, &s->listen.v[j]);
	}
	if (error == 0)
		reserve_sort(r->c->out);
	return error;
}

int bh_compile_reserve(struct bh_compiler *c)
{
	struct protos *at = calloc(c->map->n_segment + 1, sizeof(*at));
	struct reserve r = {.c = c, .at = at};
	int error = -ENOMEM;

	if (at) {
		rules_note(&r);
		error = check_room(&r);
	}
	if (error == 0)
		error = make(&r);
	free(at);
	return error;
}
