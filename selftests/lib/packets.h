/* SPDX-License-Identifier: Apache-2.0 */
/*
 * packets.h - the table of frames for bh_xdp_in: what is in it, and what has to become of it.
 * A new case is a line in packets.c. Used by selftests/datapath/packets.c.
 */
#ifndef BH_TEST_PACKETS_H
#define BH_TEST_PACKETS_H

#include <stdbool.h>
#include "pkt.h"
#include "../../include/bh_reason.h"

enum packet_what { PACKET_TCP, PACKET_UDP, PACKET_LITE, PACKET_ICMP, PACKET_PROTO, PACKET_FRAME };

/**
 * struct packet_row - one frame in both families
 * @src, @dst:   by family; NULL: an address of segment office, and this host's own
 * @a, @b:       source and destination port, or the protocol's number, or the EtherType
 * @flags:       of TCP
 * @icmp:        type << 8 | code by family
 * @options:     of TCP; @ip_options: of IPv4
 * @before:      called before the IP header, @middle behind it, @after on the finished frame
 * @v4, @v6:     the reason; 0 = there is no such frame in this family
 */
struct packet_row {
	const char *says;
	enum packet_what what;
	const char *src[2], *dst[2];
	int a, b, flags, icmp[2];
	const char *options, *ip_options;
	size_t n_options, n_ip_options;
	void (*before)(struct pkt *p);
	void (*middle)(struct pkt *p, bool v6);
	void (*after)(struct pkt *p, bool v6);
	enum bh_reason v4, v6;
};

extern const struct packet_row packet_rows[];
extern const size_t n_packet_rows;

void packet_build(const struct packet_row *row, bool v6, struct pkt *ret);

#endif
