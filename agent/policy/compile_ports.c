/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compile_ports.c - port sets to port prefixes, as the policy table stores them. An ICMP type
 * with every code is a range like any other: type << 8 to type << 8 | 255.
 */
#include <netinet/in.h>
#include "compile_internal.h"
#include "port.h"

void bh_port_prefixes_free(struct bh_port_prefixes *p)
{
	free(p->v);
	*p = (struct bh_port_prefixes){0};
}

static int span_cmp(const void *a, const void *b)
{
	const struct bh_port_span *x = a, *y = b;

	if (x->proto != y->proto)
		return x->proto < y->proto ? -1 : 1;
	if (x->low != y->low)
		return x->low < y->low ? -1 : 1;
	return (x->high > y->high) - (x->high < y->high);
}

/* One ICMP type and code, or all codes of the type. */
static struct bh_port_span icmp_span(__u32 proto, const struct bh_port *p, __u32 at)
{
	if (p->any_port)
		return (struct bh_port_span){proto, 0, 0xffff};
	if (p->any_code)
		return (struct bh_port_span){proto, at & 0xff00, at | 0xff};
	return (struct bh_port_span){proto, at, at};
}

size_t bh_port_spans(const struct bh_port *p, struct bh_port_span ret[2])
{
	bool icmp = p->proto == IPPROTO_ICMP || p->proto == IPPROTO_ICMPV6;
	bool ports =
		p->proto == IPPROTO_TCP || p->proto == IPPROTO_UDP || p->proto == IPPROTO_UDPLITE;
	size_t n = 0;

	if (p->both_icmp) {
		if (p->icmp_v4)
			ret[n++] = icmp_span(IPPROTO_ICMP, p, p->lo);
		if (p->icmp_v6)
			ret[n++] = icmp_span(IPPROTO_ICMPV6, p, p->lo6);
		return n;
	}
	if (icmp)
		ret[0] = icmp_span(p->proto, p, p->lo);
	else if (p->any_port || !ports)
		ret[0] = (struct bh_port_span){p->proto, 0, 0xffff};
	else
		ret[0] = (struct bh_port_span){p->proto, p->lo, p->hi};
	return 1;
}

/* The fewest prefixes that are exactly @s. */
static int span_split(const struct bh_port_span *s, struct bh_port_prefixes *ret)
{
	for (__u32 at = s->low; at <= s->high;) {
		__u32 bits = 0; /* that are free in this prefix */
		int r = bh_room_for_one(&ret->v, &ret->room, ret->n, sizeof(*ret->v));

		if (r < 0)
			return r;
		while (bits < 16 && !(at & (1u << bits)) && at + (2u << bits) - 1 <= s->high)
			bits++;
		ret->v[ret->n++] = (struct bh_port_prefix){
			.port = (__u16)at, .plen = (__u8)(16 - bits), .proto = (__u8)s->proto};
		at += 1u << bits;
	}
	return 0;
}

int bh_ports_split(const struct bh_ports *ports, struct bh_port_prefixes *ret)
{
	_cleanup_free_ struct bh_port_span *span = calloc(2 * ports->n + 1, sizeof(*span));
	size_t n = 0, to = 0;

	if (!span)
		return -ENOMEM;
	for (size_t i = 0; i < ports->n; i++)
		n += bh_port_spans(&ports->v[i], span + n);
	qsort(span, n, sizeof(*span), span_cmp);
	/*
	 * Ranges that overlap become one. Neighbours stay apart: tcp/80 and tcp/81 are two exact
	 * entries, where one of 15 bits would cost every packet another probe.
	 */
	for (size_t i = 0; i < n; i++) {
		if (to && span[to - 1].proto == span[i].proto && span[to - 1].high >= span[i].low)
			span[to - 1].high = MAX(span[to - 1].high, span[i].high);
		else
			span[to++] = span[i];
	}
	for (size_t i = 0; i < to; i++) {
		int r = span_split(&span[i], ret);

		if (r < 0)
			return r;
	}
	return 0;
}
