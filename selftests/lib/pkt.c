/* SPDX-License-Identifier: Apache-2.0 */
/* pkt.c - builds packets for tests, see pkt.h. */
#include "pkt.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef IPPROTO_UDPLITE
#define IPPROTO_UDPLITE 136
#endif

static void put16(uint8_t *at, uint16_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

/* @len zeroed bytes at the end. A test that overflows its packet is a broken test. */
static uint8_t *grow(struct pkt *p, size_t len)
{
	uint8_t *at = p->data + p->len;

	if (len > PKT_MAX - p->len) {
		(void)fprintf(stderr, "pkt: more than %d bytes\n", PKT_MAX);
		abort();
	}
	memset(at, 0, len);
	p->len += len;
	return at;
}

/* Tell the layer before which one comes now, and take its place. */
static void link_layer(struct pkt *p, uint16_t number, size_t next, uint8_t next_bytes)
{
	if (p->next_bytes == 2)
		put16(p->data + p->next, number);
	else if (p->next_bytes == 1)
		p->data[p->next] = (uint8_t)number;
	p->next = next;
	p->next_bytes = next_bytes;
}

void pkt_start(struct pkt *p)
{
	static const uint8_t macs[12] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1};

	memset(p, 0, sizeof(*p));
	memcpy(grow(p, 14), macs, sizeof(macs));
	p->next = 12;
	p->next_bytes = 2;
}

void pkt_vlan(struct pkt *p, uint16_t tpid, uint16_t id)
{
	link_layer(p, tpid, p->len + 2, 2);
	put16(grow(p, 4), id);
}

void pkt_ethertype(struct pkt *p, uint16_t type)
{
	link_layer(p, type, 0, 0);
	p->l3 = p->len;
}

/* An IP header in Ethernet has an EtherType, one in a tunnel a protocol number. */
static void start_ip(struct pkt *p, uint16_t ethertype, uint8_t proto, size_t next)
{
	link_layer(p, p->next_bytes == 1 ? proto : ethertype, p->len + next, 1);
	if (p->n_ip == PKT_LAYERS)
		abort();
	p->ip[p->n_ip++] = p->l3 = p->len;
	p->l4 = 0;
}

void pkt_ip4_options(struct pkt *p, const char *src, const char *dst, const void *options,
		     size_t len)
{
	size_t padded = (len + 3) & ~(size_t)3;
	uint8_t *ip;

	start_ip(p, 0x0800, IPPROTO_IPIP, 9);
	ip = grow(p, 20 + padded);
	ip[0] = (uint8_t)(0x40 | (5 + padded / 4));
	ip[8] = 64;
	if (inet_pton(AF_INET, src, ip + 12) != 1 || inet_pton(AF_INET, dst, ip + 16) != 1)
		abort();
	if (len)
		memcpy(ip + 20, options, len);
}

void pkt_ip4(struct pkt *p, const char *src, const char *dst)
{
	pkt_ip4_options(p, src, dst, NULL, 0);
}

void pkt_ip4_fragment(struct pkt *p, uint16_t offset, int more)
{
	put16(p->data + p->l3 + 6, (uint16_t)(offset / 8 | (more ? 0x2000 : 0)));
}

void pkt_ip6(struct pkt *p, const char *src, const char *dst)
{
	uint8_t *ip;

	start_ip(p, 0x86dd, IPPROTO_IPV6, 6);
	ip = grow(p, 40);
	ip[0] = 0x60;
	ip[6] = IPPROTO_NONE;
	ip[7] = 64;
	if (inet_pton(AF_INET6, src, ip + 8) != 1 || inet_pton(AF_INET6, dst, ip + 24) != 1)
		abort();
}

void pkt_ip6_ext(struct pkt *p, uint8_t type, size_t len)
{
	uint8_t *ext;

	link_layer(p, type, p->len, 1);
	ext = grow(p, len);
	ext[0] = IPPROTO_NONE;
	ext[1] = (uint8_t)(len / 8 - 1);
	/* One experimental option that receivers skip; they limit padding to 7 bytes. */
	if (type == IPPROTO_HOPOPTS || type == IPPROTO_DSTOPTS) {
		ext[2] = 0x1e;
		ext[3] = (uint8_t)(len - 4);
	}
}

void pkt_ip6_fragment(struct pkt *p, uint16_t offset, int more)
{
	uint8_t *frag;

	link_layer(p, IPPROTO_FRAGMENT, p->len, 1);
	frag = grow(p, 8);
	frag[0] = IPPROTO_NONE;
	put16(frag + 2, (uint16_t)((offset & ~7) | (more ? 1 : 0)));
	frag[7] = 1;
}

void pkt_ttl(struct pkt *p, uint8_t ttl)
{
	p->data[p->l3 + (p->data[p->l3] >> 4 == 4 ? 8 : 7)] = ttl;
}

static uint8_t *start_l4(struct pkt *p, uint8_t proto, size_t len)
{
	link_layer(p, proto, 0, 0);
	p->l4 = p->len;
	p->proto = proto;
	return grow(p, len);
}

void pkt_tcp_options(struct pkt *p, uint16_t sport, uint16_t dport, uint8_t flags,
		     const void *options, size_t len)
{
	size_t padded = (len + 3) & ~(size_t)3;
	uint8_t *tcp = start_l4(p, IPPROTO_TCP, 20 + padded);

	put16(tcp, sport);
	put16(tcp + 2, dport);
	tcp[7] = 1;
	tcp[12] = (uint8_t)((5 + padded / 4) << 4);
	tcp[13] = flags;
	put16(tcp + 14, 0xffff);
	if (len)
		memcpy(tcp + 20, options, len);
}

void pkt_tcp(struct pkt *p, uint16_t sport, uint16_t dport, uint8_t flags)
{
	pkt_tcp_options(p, sport, dport, flags, NULL, 0);
}

static void ports(struct pkt *p, uint8_t proto, uint16_t sport, uint16_t dport)
{
	uint8_t *udp = start_l4(p, proto, 8);

	put16(udp, sport);
	put16(udp + 2, dport);
}

void pkt_udp(struct pkt *p, uint16_t sport, uint16_t dport)
{
	ports(p, IPPROTO_UDP, sport, dport);
}

void pkt_udplite(struct pkt *p, uint16_t sport, uint16_t dport)
{
	ports(p, IPPROTO_UDPLITE, sport, dport);
}

void pkt_icmp(struct pkt *p, uint8_t type, uint8_t code, uint32_t rest)
{
	int v4 = p->data[p->l3] >> 4 == 4;
	uint8_t *icmp = start_l4(p, v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6, 8);

	icmp[0] = type;
	icmp[1] = code;
	put16(icmp + 4, (uint16_t)(rest >> 16));
	put16(icmp + 6, (uint16_t)rest);
}

void pkt_proto(struct pkt *p, uint8_t proto)
{
	/* May carry another IP header: IPIP and GRE tests build on it. */
	link_layer(p, proto, 0, 0);
	p->l4 = p->len;
	p->proto = proto;
}

void pkt_payload(struct pkt *p, const void *data, size_t len)
{
	if (len)
		memcpy(grow(p, len), data, len);
}

static uint32_t add(uint32_t sum, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i + 1 < len; i += 2)
		sum += get16(data + i);
	return len & 1 ? sum + (uint32_t)(data[len - 1] << 8) : sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void finish_l4(struct pkt *p)
{
	const uint8_t *ip = p->data + p->l3;
	uint8_t *l4 = p->data + p->l4;
	size_t len = p->len - p->l4, at;
	uint32_t sum = ip[0] >> 4 == 4 ? add(0, ip + 12, 8) : add(0, ip + 8, 32);

	switch (p->proto) {
	case IPPROTO_TCP:
		at = 16;
		break;
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
		at = 6;
		/* UDP-Lite has a coverage there; 0 = all of it */
		put16(l4 + 4, p->proto == IPPROTO_UDP ? (uint16_t)len : 0);
		break;
	case IPPROTO_ICMP:
		at = 2;
		sum = 0;
		break;
	case IPPROTO_ICMPV6:
		at = 2;
		break;
	default:
		return;
	}
	if (p->proto != IPPROTO_ICMP)
		sum += (uint32_t)len + p->proto;
	put16(l4 + at, 0);
	put16(l4 + at, fold(add(sum, l4, len)));
	if (p->proto == IPPROTO_UDP && !get16(l4 + at))
		put16(l4 + at, 0xffff);
}

void pkt_finish(struct pkt *p)
{
	for (size_t i = p->n_ip; i-- > 0;) {
		uint8_t *ip = p->data + p->ip[i];
		size_t len = p->len - p->ip[i];

		if (ip[0] >> 4 == 6) {
			put16(ip + 4, (uint16_t)(len - 40));
			continue;
		}
		put16(ip + 2, (uint16_t)len);
		put16(ip + 10, 0);
		put16(ip + 10, fold(add(0, ip, (size_t)(ip[0] & 15) * 4)));
	}
	if (p->l4)
		finish_l4(p);
}

void pkt_cut(struct pkt *p, size_t len)
{
	if (len < p->len)
		p->len = len;
}
