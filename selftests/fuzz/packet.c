/* SPDX-License-Identifier: Apache-2.0 */
/*
 * packet.c - any bytes as a frame, for the parser of the kernel programs. It reads nothing
 * behind the end, what it says is what stands in the packet, and what a hook lets through
 * another hook does not read as something else.
 *
 * Input: two bytes that say how much of the frame is there (little endian, modulo its length),
 * then the frame. selftests/datapath/parse.c gives the same corpus to the kernel.
 */
#include "must.h"
#include "parser.h"

#define ETH_BYTES ((size_t)14)
#define IP_ALIGN  ((size_t)2) /* as drivers do: the IP header begins at a multiple of 4 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A copy of its own length, so that ASan sees every read behind it. @align: 0 or IP_ALIGN */
struct copy {
	uint8_t *block, *at, *end;
};

static struct copy copy_of(const uint8_t *data, size_t size, size_t align)
{
	struct copy c = {.block = malloc(align + size + !size)};

	MUST(c.block);
	c.at = c.block + align;
	c.end = c.at + size;
	if (size)
		memcpy(c.at, data, size);
	return c;
}

static enum bh_reason frame(const uint8_t *data, size_t there, size_t whole, struct bh_pkt *ret)
{
	struct copy c = copy_of(data, there, IP_ALIGN);
	enum bh_reason reason = bh_parse_frame(c.at, c.end, whole, ret);

	free(c.block);
	return reason;
}

/* What the parser alone says of a packet; every other reason needs more than the packet. */
static bool is_refusal(enum bh_reason reason)
{
	return reason >= BH_R_MALFORMED_L2 && reason <= BH_R_PORT_ZERO;
}

static bool same(const struct bh_pkt *a, const struct bh_pkt *b)
{
	return bh_addr_eq(&a->saddr, &b->saddr) && bh_addr_eq(&a->daddr, &b->daddr) &&
	       a->sport == b->sport && a->dport == b->dport && a->family == b->family &&
	       a->proto == b->proto && a->tcp_flags == b->tcp_flags && a->hops == b->hops &&
	       a->payload == b->payload;
}

/* --- what is said is what stands there -------------------------------------------------------- */

static uint16_t be16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

/* Where the IP packet begins: behind the tags. */
static size_t l3_of(const uint8_t *data, size_t size)
{
	size_t at = ETH_BYTES;

	for (int i = 0; i < BH_VLAN_MAX && at + 4 <= size; i++, at += 4)
		if (be16(data + at - 2) != ETH_P_8021Q && be16(data + at - 2) != ETH_P_8021AD)
			break;
	return at;
}

/* Bytes of the header that the payload begins behind. */
static size_t l4_bytes(const struct bh_pkt *pkt, const uint8_t *l4)
{
	switch (pkt->proto) {
	case IPPROTO_TCP:
		return (size_t)(l4[12] >> 4) * 4;
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return 8;
	default:
		return 0;
	}
}

static void check_ports(const struct bh_pkt *pkt, const uint8_t *l4)
{
	bool icmp = pkt->proto == IPPROTO_ICMP || pkt->proto == IPPROTO_ICMPV6;

	if (pkt->proto == IPPROTO_TCP || pkt->proto == IPPROTO_UDP || pkt->proto == IPPROTO_UDPLITE)
		MUST(pkt->dport && pkt->sport == be16(l4) && pkt->dport == be16(l4 + 2));
	else if (icmp)
		MUST(pkt->dport == be16(l4) && (!pkt->sport || pkt->sport == be16(l4 + 4)));
	else
		MUST(!pkt->sport && !pkt->dport);
	if (pkt->proto == IPPROTO_TCP)
		MUST(pkt->sport && pkt->tcp_flags == l4[13] &&
		     pkt->tcp_flags & (BH_TCP_SYN | BH_TCP_ACK | BH_TCP_RST));
	else
		MUST(!pkt->tcp_flags);
}

static void check_udp(const struct bh_pkt *pkt, const uint8_t *l4, size_t left)
{
	size_t len = be16(l4 + 4);

	MUST(len <= left && (len >= 8 || (!len && pkt->proto == IPPROTO_UDPLITE)));
}

static void check_addrs(const struct bh_pkt *pkt, const uint8_t *ip)
{
	bool v4 = pkt->family == 4;

	MUST(bh_addr_is_v4(&pkt->saddr) == v4 && bh_addr_is_v4(&pkt->daddr) == v4);
	MUST(!memcmp(pkt->saddr.b + (v4 ? 12 : 0), ip + (v4 ? 12 : 8), v4 ? 4 : 16));
	MUST(!memcmp(pkt->daddr.b + (v4 ? 12 : 0), ip + (v4 ? 16 : 24), v4 ? 4 : 16));
	MUST(!bh_addr_is_group(&pkt->saddr) && !bh_addr_is_loopback(&pkt->saddr) &&
	     !bh_addr_is_loopback(&pkt->daddr) && !bh_addr_eq(&pkt->saddr, &pkt->daddr));
}

/* The headers of a packet that was understood add up to the length that its IP header says. */
static void check_lengths(const struct bh_pkt *pkt, const uint8_t *ip, size_t left)
{
	bool v4 = pkt->family == 4;
	size_t said = v4 ? be16(ip + 2) : 40u + be16(ip + 4), at = v4 ? (ip[0] & 15) * 4u : 40;
	uint8_t next = ip[v4 ? 9 : 6];

	MUST(said <= left && ip[0] >> 4 == pkt->family);
	while (!v4 && next != pkt->proto) {
		MUST(at + 8 <= said && (next == IPPROTO_HOPOPTS || next == IPPROTO_DSTOPTS));
		next = ip[at];
		at += 8 + ip[at + 1] * 8u;
	}
	MUST(next == pkt->proto && at <= said);
	MUST(pkt->hops == ip[v4 ? 8 : 7] && !(v4 && be16(ip + 6) & 0x3fff));
	MUST(at + l4_bytes(pkt, ip + at) + pkt->payload == said);
	check_ports(pkt, ip + at);
	if (pkt->proto == IPPROTO_UDP || pkt->proto == IPPROTO_UDPLITE)
		check_udp(pkt, ip + at, said - at);
}

static void check_frame(const uint8_t *data, size_t size, enum bh_reason reason,
			const struct bh_pkt *pkt)
{
	size_t l3 = l3_of(data, size);

	MUST(reason == BH_CONTINUE || is_refusal(reason));
	MUST(pkt->family == 0 || pkt->family == 4 || pkt->family == 6);
	if (reason != BH_CONTINUE)
		return;
	MUST(pkt->ethertype == be16(data + l3 - 2));
	MUST((pkt->family == 4) == (pkt->ethertype == ETH_P_IP));
	MUST((pkt->family == 6) == (pkt->ethertype == ETH_P_IPV6));
	if (!pkt->family)
		return;
	check_addrs(pkt, data + l3);
	check_lengths(pkt, data + l3, size - l3);
}

/* --- the hooks agree -------------------------------------------------------------------------- */

/*
 * Less of it there: cut short, or its tail in pages. It may be refused where the whole is let
 * through, never the other way, and never as another packet.
 */
static void check_less(const uint8_t *data, size_t size, size_t there, enum bh_reason reason,
		       const struct bh_pkt *pkt)
{
	struct bh_pkt less;

	if (frame(data, there, there, &less) == BH_CONTINUE)
		MUST(reason == BH_CONTINUE && same(&less, pkt));
	if (frame(data, there, size, &less) == BH_CONTINUE)
		MUST(reason == BH_CONTINUE && same(&less, pkt));
}

/* Behind a device without Ethernet, and at the socket, the IP packet is the same packet. */
static void check_l3(const uint8_t *data, size_t size, enum bh_reason reason,
		     const struct bh_pkt *pkt)
{
	size_t l3 = l3_of(data, size);
	struct copy c = copy_of(data + l3, size - l3, 0);
	enum bh_reason bare, socket;
	struct bh_pkt other;

	bare = bh_parse_bare(c.at, c.end, size - l3, bpf_htons(be16(data + l3 - 2)), &other);
	if (be16(data + l3 - 2) == ETH_P_IP || be16(data + l3 - 2) == ETH_P_IPV6)
		MUST(bare == reason && same(&other, pkt) && other.ethertype == pkt->ethertype);
	else
		MUST(bare == BH_CONTINUE && !other.family);
	socket = bh_parse_l3(c.at, c.end, &other);
	MUST(socket == BH_CONTINUE || is_refusal(socket));
	/* a length of 0 is none at the socket: BIG TCP writes that */
	if (pkt->family == 6 && !be16(data + l3 + 4))
		other.payload = pkt->payload;
	if (reason == BH_CONTINUE && pkt->family)
		MUST(socket == BH_CONTINUE && same(&other, pkt));
	free(c.block);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum bh_reason reason;
	struct bh_pkt pkt;
	size_t there;

	if (size < 2)
		return 0;
	there = (size_t)(data[0] | data[1] << 8);
	data += 2;
	size -= 2;
	reason = frame(data, size, size, &pkt);
	if (size < ETH_BYTES) {
		MUST(reason == BH_R_MALFORMED_L2);
		return 0;
	}
	check_frame(data, size, reason, &pkt);
	check_less(data, size, there % (size + 1), reason, &pkt);
	check_l3(data, size, reason, &pkt);
	return 0;
}
