/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pkt.h - builds packets for BPF_PROG_TEST_RUN and raw sockets, layer after layer:
 *
 *	pkt_start(&p);
 *	pkt_ip4(&p, "192.0.2.1", "10.0.0.1");
 *	pkt_tcp(&p, 40000, 443, PKT_SYN);
 *	pkt_finish(&p);
 *
 * Each layer writes its protocol number into the one before it; pkt_finish() fills lengths and
 * checksums. What must be wrong is changed between the calls (p.data, p.l3, p.l4) or after.
 */
#ifndef BH_TEST_PKT_H
#define BH_TEST_PKT_H

#include <stddef.h>
#include <stdint.h>

#define PKT_MAX	   2048
#define PKT_LAYERS 16

enum { PKT_FIN = 1, PKT_SYN = 2, PKT_RST = 4, PKT_PSH = 8, PKT_ACK = 16, PKT_URG = 32 };

struct pkt {
	uint8_t data[PKT_MAX];
	size_t len;
	size_t l3, l4; /* offsets of the last IP header and of the transport header */
	/* private: where the next layer's number goes */
	size_t next;
	uint8_t next_bytes;
	uint8_t proto;	       /* of l4 */
	size_t ip[PKT_LAYERS]; /* IP headers, outermost first, for lengths and checksums */
	size_t n_ip;
};

/* An Ethernet header 02:00:00:00:00:01 -> 02:00:00:00:00:02. */
void pkt_start(struct pkt *p);
/* @tpid: 0x8100 or 0x88a8 */
void pkt_vlan(struct pkt *p, uint16_t tpid, uint16_t id);
/* Another EtherType than what the next layer would write: ARP and the like. */
void pkt_ethertype(struct pkt *p, uint16_t type);

void pkt_ip4(struct pkt *p, const char *src, const char *dst);
/* @options: filled up to a multiple of 4 bytes with end-of-options */
void pkt_ip4_options(struct pkt *p, const char *src, const char *dst, const void *options,
		     size_t len);
/* Of the last IPv4 header; @offset in bytes. */
void pkt_ip4_fragment(struct pkt *p, uint16_t offset, int more);

void pkt_ip6(struct pkt *p, const char *src, const char *dst);
/* Hop-by-hop (0), routing (43) or destination options (60): @len bytes, a multiple of 8. */
void pkt_ip6_ext(struct pkt *p, uint8_t type, size_t len);
void pkt_ip6_fragment(struct pkt *p, uint16_t offset, int more);
/* Of the last IP header of either family. */
void pkt_ttl(struct pkt *p, uint8_t ttl);

void pkt_tcp(struct pkt *p, uint16_t sport, uint16_t dport, uint8_t flags);
void pkt_tcp_options(struct pkt *p, uint16_t sport, uint16_t dport, uint8_t flags,
		     const void *options, size_t len);
void pkt_udp(struct pkt *p, uint16_t sport, uint16_t dport);
void pkt_udplite(struct pkt *p, uint16_t sport, uint16_t dport);
/* ICMP after pkt_ip4(), ICMPv6 after pkt_ip6(): 8 bytes, @rest is the second word. */
void pkt_icmp(struct pkt *p, uint8_t type, uint8_t code, uint32_t rest);
/* A transport of which only the number matters: ESP, GRE, SCTP. */
void pkt_proto(struct pkt *p, uint8_t proto);

void pkt_payload(struct pkt *p, const void *data, size_t len);
/* Lengths and checksums, from the inside out. */
void pkt_finish(struct pkt *p);
/* Shorten to @len bytes, headers unchanged: a truncated packet. */
void pkt_cut(struct pkt *p, size_t len);

#endif
