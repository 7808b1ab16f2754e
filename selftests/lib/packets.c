// SPDX-License-Identifier: Apache-2.0
/* packets.c - see packets.h. The policy that the rows speak of stands in datapath/packets.c. */
#include "packets.h"

#include <netinet/in.h>
#include <string.h>

/* --- what is done to a frame ------------------------------------------------------------------------------ */

static void vlan(struct pkt *p)
{
	pkt_vlan(p, 0x8100, 7);
}

static void qinq(struct pkt *p)
{
	pkt_vlan(p, 0x88a8, 7);
	pkt_vlan(p, 0x8100, 8);
}

static void priority_tag(struct pkt *p)
{
	pkt_vlan(p, 0x8100, 0);
}

static void three_tags(struct pkt *p)
{
	qinq(p);
	pkt_vlan(p, 0x8100, 9);
}

static void fragment_first(struct pkt *p, bool v6)
{
	if (v6)
		pkt_ip6_fragment(p, 0, 1);
	else
		pkt_ip4_fragment(p, 0, 1);
}

static void fragment_later(struct pkt *p, bool v6)
{
	if (v6)
		pkt_ip6_fragment(p, 1480, 0);
	else
		pkt_ip4_fragment(p, 1480, 0);
}

static void fragment_atomic(struct pkt *p, bool v6)
{
	(void)v6;
	pkt_ip6_fragment(p, 0, 0);
}

static void fragment_headers(struct pkt *p, bool v6)
{
	for (int i = 0; i < 3; i++)
		fragment_atomic(p, v6);
}

static void hop_by_hop(struct pkt *p, bool v6)
{
	(void)v6;
	pkt_ip6_ext(p, IPPROTO_HOPOPTS, 8);
}

static void destination_options(struct pkt *p, bool v6)
{
	(void)v6;
	pkt_ip6_ext(p, IPPROTO_DSTOPTS, 24);
}

static void both_options(struct pkt *p, bool v6)
{
	hop_by_hop(p, v6);
	destination_options(p, v6);
}

static void hop_by_hop_late(struct pkt *p, bool v6)
{
	destination_options(p, v6);
	hop_by_hop(p, v6);
}

static void routing(struct pkt *p, bool v6)
{
	(void)v6;
	pkt_ip6_ext(p, IPPROTO_ROUTING, 24);
}

static void many_headers(struct pkt *p, bool v6)
{
	for (int i = 0; i < 8; i++)
		destination_options(p, v6);
}

static void hops_1(struct pkt *p, bool v6)
{
	(void)v6;
	pkt_ttl(p, 1);
}

static void hops_255(struct pkt *p, bool v6)
{
	(void)v6;
	pkt_ttl(p, 255);
}

static void version_7(struct pkt *p, bool v6)
{
	(void)v6;
	p->data[p->l3] = (uint8_t)(0x70 | (p->data[p->l3] & 15));
}

static void header_too_short(struct pkt *p, bool v6)
{
	(void)v6;
	p->data[p->l3] = 0x44;
}

static void header_too_long(struct pkt *p, bool v6)
{
	(void)v6;
	p->data[p->l3] = 0x4f;
}

static void length_too_long(struct pkt *p, bool v6)
{
	p->data[p->l3 + (v6 ? 4 : 2)] = 4;
}

static void length_zero(struct pkt *p, bool v6)
{
	memset(p->data + p->l3 + (v6 ? 4 : 2), 0, 2);
}

static void length_of_header(struct pkt *p, bool v6)
{
	p->data[p->l3 + (v6 ? 4 : 2)] = 0;
	p->data[p->l3 + (v6 ? 5 : 3)] = v6 ? 1 : 20;
}

static void padding(struct pkt *p, bool v6)
{
	(void)v6;
	memset(p->data + p->len, 0xa5, 40);
	p->len += 40;
}

static void offset_4(struct pkt *p, bool v6)
{
	(void)v6;
	p->data[p->l4 + 12] = 0x40;
}

static void offset_15(struct pkt *p, bool v6)
{
	(void)v6;
	p->data[p->l4 + 12] = 0xf0;
}

static void udp_length_7(struct pkt *p, bool v6)
{
	(void)v6;
	p->data[p->l4 + 4] = 0;
	p->data[p->l4 + 5] = 7;
}

static void udp_length_zero(struct pkt *p, bool v6)
{
	(void)v6;
	memset(p->data + p->l4 + 4, 0, 2);
}

static void udp_length_long(struct pkt *p, bool v6)
{
	(void)v6;
	p->data[p->l4 + 4] = 3;
}

/* --- the table ---------------------------------------------------------------------------------------------- */

#define FROM(v4, v6)   .src = {v4, v6}
#define TO(v4, v6)     .dst = {v4, v6}
#define BOTH(r)	       .v4 = BH_R_##r, .v6 = BH_R_##r
#define TCP(port, f)   .what = PACKET_TCP, .a = 40000, .b = port, .flags = f
#define SYN(port)      TCP(port, PKT_SYN)
#define UDP(from, to)  .what = PACKET_UDP, .a = from, .b = to
#define ICMP(v4, v6)   .what = PACKET_ICMP, .icmp = {(v4) << 8, (v6) << 8}
#define PROTO(n)       .what = PACKET_PROTO, .a = n
#define FRAME(type)    .what = PACKET_FRAME, .a = type
#define BAD	       FROM("192.0.2.130", "2001:db8:bad::1")
#define STRANGER       FROM("203.0.113.1", "2a00::1")
#define BASTION	       FROM("198.51.100.5", NULL)
#define OPTIONS(bytes) .options = bytes, .n_options = sizeof(bytes) - 1
#define IP4_OPTIONS(s) .ip_options = s, .n_ip_options = sizeof(s) - 1
#define NOBODY	       FROM("0.0.0.0", "::")

const struct packet_row packet_rows[] = {
	/* not IP */
	{"ARP", FRAME(0x0806), .v4 = BH_R_ARP},
	{"LLDP", FRAME(0x88cc), .v4 = BH_R_L2},
	{"an unknown EtherType", FRAME(0x1234), .v4 = BH_R_L2},
	{"LLC", FRAME(60), .v4 = BH_R_L2},
	{"PPPoE", FRAME(0x8864), .v4 = BH_R_L2},
	{"MPLS", FRAME(0x8847), .v4 = BH_R_L2},
	{"ARP in a VLAN", FRAME(0x0806), .before = vlan, .v4 = BH_R_ARP},

	/* what is new: a SYN */
	{"SYN to an allowed port", SYN(5432), BOTH(TO_SOCKET)},
	{"SYN to the last port of a range", SYN(5439), BOTH(TO_SOCKET)},
	{"SYN to the port below a range", SYN(5431), BOTH(DEFAULT_DENY)},
	{"SYN of a stranger", SYN(5432), STRANGER, BOTH(DEFAULT_DENY)},
	{"SYN from an address of a /32", SYN(5432), FROM("203.0.113.7", "2001:db8:1::7"),
	 BOTH(TO_SOCKET)},
	{"SYN from the address next to it", SYN(5432), FROM("203.0.113.6", "2a00::7"),
	 BOTH(DEFAULT_DENY)},
	{"SYN from the hole of an except", SYN(5432), FROM("192.0.2.66", NULL),
	 .v4 = BH_R_DEFAULT_DENY},
	{"SYN from a longer prefix", SYN(5432), BAD, BOTH(TO_SOCKET)},
	{"SYN that a deny names", SYN(5433), BAD, BOTH(RULE_DENY)},
	{"SYN that another's deny names", SYN(5433), BOTH(TO_SOCKET)},
	{"SYN to a rule that waits for a grant", SYN(5440), BOTH(GRANT_MISSING)},
	{"SYN to a rule that has ended", SYN(5441), BOTH(RULE_EXPIRED)},
	{"SYN to a rule that wants health", SYN(5442), BOTH(POSTURE_UNKNOWN)},
	{"SYN to a port where nobody listens", SYN(5999), BOTH(NO_LISTENER)},
	{"SYN to a port that several share", SYN(80), STRANGER, BOTH(TO_SOCKET)},
	{"SYN to a segment that only observes", SYN(81), STRANGER, BOTH(TO_SOCKET)},
	{"SYN to a port that is another's by listen:", SYN(9000), BOTH(LISTEN_NOT_ALLOWED)},
	{"SYN that a failsafe keeps open", SYN(22), BASTION, .v4 = BH_R_TO_SOCKET},
	{"SYN to the failsafe's port of a stranger", SYN(22), STRANGER, BOTH(DEFAULT_DENY)},
	{"SYN with ECN", TCP(5432, PKT_SYN | 0xc0), BOTH(TO_SOCKET)},
	{"SYN with ECN of a stranger", TCP(5432, PKT_SYN | 0xc0), STRANGER, BOTH(DEFAULT_DENY)},
	{"SYN with PSH of a stranger", TCP(5432, PKT_SYN | PKT_PSH), STRANGER, BOTH(DEFAULT_DENY)},
	{"SYN with padding behind it", SYN(5432), .after = padding, BOTH(TO_SOCKET)},
	{"SYN with a priority tag", SYN(5431), .before = priority_tag, BOTH(DEFAULT_DENY)},
	{"SYN in a VLAN", SYN(5431), .before = vlan, BOTH(DEFAULT_DENY)},
	{"SYN in two VLANs", SYN(5431), .before = qinq, BOTH(DEFAULT_DENY)},
	{"SYN in three VLANs", SYN(5432), .before = three_tags, BOTH(MALFORMED_L2)},
	{"SYN with the last hop", SYN(5432), .middle = hops_1, BOTH(TO_SOCKET)},

	/* the rest of TCP: its socket decides */
	{"SYN and ACK", TCP(40000, PKT_SYN | PKT_ACK), BOTH(ESTABLISHED)},
	{"ACK", TCP(5432, PKT_ACK), BOTH(ESTABLISHED)},
	{"ACK of a stranger", TCP(5431, PKT_ACK), STRANGER, BOTH(ESTABLISHED)},
	{"data", TCP(5432, PKT_ACK | PKT_PSH), BOTH(ESTABLISHED)},
	{"urgent data", TCP(5432, PKT_ACK | PKT_URG), BOTH(ESTABLISHED)},
	{"FIN and ACK", TCP(5432, PKT_FIN | PKT_ACK), BOTH(ESTABLISHED)},
	{"RST", TCP(5432, PKT_RST), BOTH(ESTABLISHED)},
	{"RST and ACK", TCP(5432, PKT_RST | PKT_ACK), BOTH(ESTABLISHED)},

	/* flags that no stack sends */
	{"no flags", TCP(5432, 0), BOTH(TCP_FLAGS)},
	{"FIN alone", TCP(5432, PKT_FIN), BOTH(TCP_FLAGS)},
	{"SYN and FIN", TCP(5432, PKT_SYN | PKT_FIN), BOTH(TCP_FLAGS)},
	{"SYN and RST", TCP(5432, PKT_SYN | PKT_RST), BOTH(TCP_FLAGS)},
	{"FIN, PSH and URG", TCP(5432, PKT_FIN | PKT_PSH | PKT_URG), BOTH(TCP_FLAGS)},
	{"all flags", TCP(5432, 63), BOTH(TCP_FLAGS)},
	{"URG alone", TCP(5432, PKT_URG), BOTH(TCP_FLAGS)},

	/* TCP that does not hold together */
	{"TCP offset 4", SYN(5432), .after = offset_4, BOTH(MALFORMED_TCP)},
	{"TCP offset beyond the end", SYN(5432), .after = offset_15, BOTH(MALFORMED_TCP)},
	{"TCP to port 0", SYN(0), BOTH(PORT_ZERO)},
	{"TCP from port 0", .what = PACKET_TCP, .a = 0, .b = 5432, .flags = PKT_SYN,
	 BOTH(PORT_ZERO)},
	{"SYN with MSS and window scale", SYN(5432), OPTIONS("\2\4\5\xb4\1\3\3\7"),
	 BOTH(TO_SOCKET)},
	{"SYN with 40 bytes of no operation", SYN(5432),
	 OPTIONS("\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1"),
	 BOTH(TO_SOCKET)},
	{"SYN with an option of length 0", SYN(5432), OPTIONS("\2\0\5\xb4"), BOTH(MALFORMED_TCP)},
	{"SYN with an option of length 1", SYN(5432), OPTIONS("\2\1\5\xb4"), BOTH(MALFORMED_TCP)},
	{"SYN with an option beyond the header", SYN(5432), OPTIONS("\2\11\5\xb4"),
	 BOTH(MALFORMED_TCP)},
	{"SYN with a kind and no length", SYN(5432), OPTIONS("\1\1\1\2"), BOTH(MALFORMED_TCP)},
	{"SYN with garbage behind the end of options", SYN(5432), OPTIONS("\0\2\0\0"),
	 BOTH(TO_SOCKET)},
	{"SYN whose second option has length 0", SYN(5432), OPTIONS("\2\4\5\xb4\3\0\1\1"),
	 BOTH(MALFORMED_TCP)},
	{"data with an option of length 0", TCP(5432, PKT_ACK), OPTIONS("\2\0\5\xb4"),
	 BOTH(ESTABLISHED)},

	/* UDP */
	{"UDP to one that only receives, allowed", UDP(40000, 53), BOTH(TO_SOCKET)},
	{"UDP to one that only receives, no rule", UDP(40000, 54), BOTH(DEFAULT_DENY)},
	{"UDP to one that only receives, a stranger", UDP(40000, 53), STRANGER, BOTH(DEFAULT_DENY)},
	{"UDP to one that also asks", UDP(40000, 5000), STRANGER, BOTH(TO_SOCKET)},
	{"UDP where nobody is", UDP(40000, 5999), STRANGER, BOTH(NO_LISTENER)},
	{"UDP to the kernel's own socket, allowed", UDP(40000, 4789), BOTH(ALLOW)},
	{"UDP to the kernel's own socket, a stranger", UDP(40000, 4789), STRANGER,
	 BOTH(DEFAULT_DENY)},
	{"UDP from port 0", UDP(0, 53), BOTH(TO_SOCKET)},
	{"UDP to port 0", UDP(40000, 0), BOTH(PORT_ZERO)},
	{"UDP length below its header", UDP(40000, 53), .after = udp_length_7, BOTH(MALFORMED_UDP)},
	{"UDP length 0", UDP(40000, 53), .after = udp_length_zero, BOTH(MALFORMED_UDP)},
	{"UDP length beyond the packet", UDP(40000, 53), .after = udp_length_long,
	 BOTH(MALFORMED_UDP)},
	{"UDP-Lite where nobody is", .what = PACKET_LITE, .a = 40000, .b = 53, BOTH(NO_LISTENER)},
	{"UDP-Lite coverage beyond the packet", .what = PACKET_LITE, .a = 40000, .b = 53,
	 .after = udp_length_long, BOTH(MALFORMED_UDP)},
	{"UDP-Lite coverage below its header", .what = PACKET_LITE, .a = 40000, .b = 53,
	 .after = udp_length_7, BOTH(MALFORMED_UDP)},
	{"UDP-Lite coverage 0: all of it", .what = PACKET_LITE, .a = 40000, .b = 53,
	 .after = udp_length_zero, BOTH(NO_LISTENER)},
	{"a DHCP answer", UDP(67, 68), STRANGER, .v4 = BH_R_DHCP},
	{"a DHCPv6 answer", UDP(547, 546), FROM(NULL, "fe80::1"), .v6 = BH_R_DHCP},
	{"a DHCP question", UDP(68, 67), NOBODY, TO("255.255.255.255", NULL),
	 .v4 = BH_R_NO_LISTENER},
	{"UDP to a group", UDP(5353, 5353), TO("224.0.0.251", "ff02::fb"), BOTH(NO_LISTENER)},

	/* ICMP: the kernel ends it, this is its authority */
	{"an allowed ping", ICMP(8, 128), BOTH(ALLOW)},
	{"a stranger's ping", ICMP(8, 128), STRANGER, BOTH(DEFAULT_DENY)},
	{"a ping to an address of another segment", ICMP(8, 128), TO("10.77.0.2", "fd77::2"),
	 BOTH(DEFAULT_DENY)},
	{"a ping of the failsafe's", ICMP(8, 128), BASTION, .v4 = BH_R_FAILSAFE},
	{"a timestamp request", ICMP(13, 13), .v4 = BH_R_DEFAULT_DENY},
	{"an echo reply", ICMP(0, 129), STRANGER, BOTH(ICMP_REPLY)},
	{"unreachable", ICMP(3, 1), STRANGER, BOTH(ICMP_ERROR)},
	{"packet too big", ICMP(3, 2), STRANGER, BOTH(ICMP_ERROR)},
	{"time exceeded", ICMP(11, 3), STRANGER, BOTH(ICMP_ERROR)},
	{"parameter problem", ICMP(12, 4), STRANGER, BOTH(ICMP_ERROR)},
	{"an IPv4 redirect", ICMP(5, 5), .v4 = BH_R_DEFAULT_DENY},
	{"router solicitation", ICMP(0, 133), FROM(NULL, "fe80::1"), .middle = hops_255,
	 .v6 = BH_R_ND},
	{"router advertisement", ICMP(0, 134), FROM(NULL, "fe80::1"), .middle = hops_255,
	 .v6 = BH_R_ND},
	{"neighbour solicitation", ICMP(0, 135), FROM(NULL, "fe80::1"), .middle = hops_255,
	 .v6 = BH_R_ND},
	{"neighbour advertisement", ICMP(0, 136), FROM(NULL, "fe80::1"), .middle = hops_255,
	 .v6 = BH_R_ND},
	{"duplicate address detection", ICMP(0, 135), FROM(NULL, "::"), .middle = hops_255,
	 .v6 = BH_R_ND},
	{"neighbour solicitation from another link", ICMP(0, 135), .middle = hops_1,
	 .v6 = BH_R_ICMP6_HOPS},
	{"router advertisement from another link", ICMP(0, 134), .v6 = BH_R_ICMP6_HOPS},
	{"a redirect from another link", ICMP(0, 137), .v6 = BH_R_ICMP6_HOPS},
	{"a listener report", ICMP(0, 131), FROM(NULL, "fe80::1"), .middle = hops_1,
	 .v6 = BH_R_MLD},
	{"a listener report, version 2, in hop-by-hop options", ICMP(0, 143), FROM(NULL, "fe80::1"),
	 .middle = hop_by_hop, .v6 = BH_R_MLD},
	{"an unknown ICMP type", ICMP(99, 250), BOTH(DEFAULT_DENY)},

	{"router solicitation from another link", ICMP(0, 133), .v6 = BH_R_ICMP6_HOPS},
	{"neighbour advertisement from another link", ICMP(0, 136), .v6 = BH_R_ICMP6_HOPS},
	{"router renumbering, of another link", ICMP(0, 138), .v6 = BH_R_DEFAULT_DENY},
	{"ICMP of the other family", .what = PACKET_PROTO, .a = IPPROTO_ICMPV6,
	 .v4 = BH_R_MALFORMED_ICMP},
	{"ICMP of the other family", .what = PACKET_PROTO, .a = IPPROTO_ICMP,
	 .v6 = BH_R_MALFORMED_ICMP},

	/* other protocols */
	{"GRE, by a rule", PROTO(47), BOTH(ALLOW)},
	{"GRE of a stranger", PROTO(47), STRANGER, BOTH(PROTOCOL)},
	{"ESP", PROTO(50), BOTH(PROTOCOL)},
	{"AH", PROTO(51), BOTH(PROTOCOL)},
	{"SCTP", PROTO(132), BOTH(PROTOCOL)},
	{"IPv4 in IP", PROTO(4), BOTH(PROTOCOL)},
	{"IPv6 in IP", PROTO(41), BOTH(PROTOCOL)},
	{"OSPF", PROTO(89), BOTH(PROTOCOL)},
	{"protocol 255", PROTO(255), BOTH(PROTOCOL)},
	{"IGMP", PROTO(2), TO("224.0.0.1", NULL), .v4 = BH_R_IGMP},

	/* fragments */
	{"the first fragment", SYN(5432), .middle = fragment_first, BOTH(FRAGMENT)},
	{"a later fragment", SYN(5432), .middle = fragment_later, BOTH(FRAGMENT)},
	{"an atomic fragment", SYN(5432), .middle = fragment_atomic, .v6 = BH_R_FRAGMENT},
	{"three fragment headers", SYN(5432), .middle = fragment_headers, .v6 = BH_R_FRAGMENT},
	{"a fragment of UDP", UDP(40000, 53), .middle = fragment_first, BOTH(FRAGMENT)},

	/* IPv4 options */
	{"no operation", SYN(5432), IP4_OPTIONS("\1\1\1\1"), .v4 = BH_R_TO_SOCKET},
	{"no operation, denied", SYN(5431), IP4_OPTIONS("\1\1\1\1"), .v4 = BH_R_DEFAULT_DENY},
	{"router alert, denied", SYN(5431), IP4_OPTIONS("\x94\4\0\0"), .v4 = BH_R_DEFAULT_DENY},
	{"40 bytes of a timestamp, denied", SYN(5431),
	 IP4_OPTIONS("\x44\x28\5\0"
		     "012345678901234567890123456789012345"),
	 .v4 = BH_R_DEFAULT_DENY},
	{"a loose source route", SYN(5432), IP4_OPTIONS("\x83\7\4\x0a\0\0\1\0"),
	 .v4 = BH_R_IP_OPTIONS},
	{"a strict source route", SYN(5432), IP4_OPTIONS("\x89\7\4\x0a\0\0\1\0"),
	 .v4 = BH_R_IP_OPTIONS},
	{"a source route behind no operation", SYN(5432), IP4_OPTIONS("\1\x83\7\4\x0a\0\0\1"),
	 .v4 = BH_R_IP_OPTIONS},
	{"an IPv4 option of length 0", SYN(5432), IP4_OPTIONS("\x94\0\0\0"), .v4 = BH_R_IP_OPTIONS},
	{"an IPv4 option beyond the header", SYN(5432), IP4_OPTIONS("\x94\5\0\0"),
	 .v4 = BH_R_IP_OPTIONS},

	/* extension headers */
	{"hop-by-hop options", SYN(5432), .middle = hop_by_hop, .v6 = BH_R_TO_SOCKET},
	{"hop-by-hop options, denied", SYN(5431), .middle = hop_by_hop, .v6 = BH_R_DEFAULT_DENY},
	{"destination options", SYN(5431), .middle = destination_options, .v6 = BH_R_DEFAULT_DENY},
	{"both kinds of options", SYN(5431), .middle = both_options, .v6 = BH_R_DEFAULT_DENY},
	{"hop-by-hop options that are not first", SYN(5432), .middle = hop_by_hop_late,
	 .v6 = BH_R_EXT_HEADER},
	{"a routing header", SYN(5432), .middle = routing, .v6 = BH_R_EXT_HEADER},
	{"eight headers", SYN(5432), .middle = many_headers, .v6 = BH_R_EXT_HEADER},
	{"mobility", PROTO(135), .v6 = BH_R_EXT_HEADER},
	{"host identity", PROTO(139), .v6 = BH_R_EXT_HEADER},
	{"shim6", PROTO(140), .v6 = BH_R_EXT_HEADER},
	{"mobility is nothing in IPv4", PROTO(135), .v4 = BH_R_PROTOCOL},
	{"no next header", PROTO(59), .v6 = BH_R_PROTOCOL},

	/* IP that does not hold together */
	{"version 7", SYN(5432), .after = version_7, .v4 = BH_R_MALFORMED_IP4,
	 .v6 = BH_R_MALFORMED_IP6},
	{"a header of 16 bytes", SYN(5432), .after = header_too_short, .v4 = BH_R_MALFORMED_IP4},
	{"a header longer than the packet", SYN(5432), .after = header_too_long,
	 .v4 = BH_R_MALFORMED_IP4},
	{"a length beyond the frame", SYN(5432), .after = length_too_long, .v4 = BH_R_MALFORMED_IP4,
	 .v6 = BH_R_MALFORMED_IP6},
	{"length 0", SYN(5432), .after = length_zero, .v4 = BH_R_MALFORMED_IP4,
	 .v6 = BH_R_MALFORMED_TCP},
	{"a length that leaves out the TCP header", SYN(5432), .after = length_of_header,
	 BOTH(MALFORMED_TCP)},

	/* addresses that no packet on a wire has */
	{"from loopback", SYN(5432), FROM("127.0.0.1", "::1"), BOTH(LAND)},
	{"to loopback", SYN(5432), TO("127.0.0.1", "::1"), BOTH(LAND)},
	{"from a group", SYN(5432), FROM("224.0.0.1", "ff02::1"), BOTH(LAND)},
	{"from the broadcast address", SYN(5432), FROM("255.255.255.255", NULL), .v4 = BH_R_LAND},
	{"from the receiver", SYN(5432), FROM("10.77.0.9", "fd77::9"), TO("10.77.0.9", "fd77::9"),
	 BOTH(LAND)},
	{"from this host's own address", SYN(5432), FROM("10.77.0.1", "fd77::1"),
	 TO("10.77.0.5", "fd77::5"), BOTH(LAND)},
	{"to the broadcast address of this network", UDP(67, 67), TO("255.255.255.255", NULL),
	 .v4 = BH_R_NO_LISTENER},
	{"from nobody", SYN(5432), NOBODY, BOTH(LAND)},
	{"from nobody: a ping", ICMP(8, 128), NOBODY, BOTH(LAND)},
	{"from nobody: UDP", UDP(40000, 53), NOBODY, BOTH(LAND)},
	{"from nobody: a DHCP question from another port", UDP(67, 67), NOBODY, BOTH(LAND)},
	{"from nobody: a DHCP question to another port", UDP(68, 68), NOBODY, BOTH(LAND)},
	{"from nobody: UDP-Lite", .what = PACKET_LITE, .a = 68, .b = 67, NOBODY, BOTH(LAND)},
	{"from nobody: IGMP", PROTO(2), NOBODY, TO("224.0.0.22", NULL), .v4 = BH_R_IGMP},
	{"from nobody: OSPF", PROTO(89), NOBODY, BOTH(LAND)},
	{"from nobody: a listener report", ICMP(0, 131), NOBODY, .v6 = BH_R_MLD},
	{"from nobody: a listener's done", ICMP(0, 132), NOBODY, .v6 = BH_R_MLD},
	{"from nobody: a listener report, version 2", ICMP(0, 143), NOBODY, .v6 = BH_R_MLD},
	{"from nobody: a listener query", ICMP(0, 130), NOBODY, .v6 = BH_R_LAND},
	{"from nobody: router solicitation", ICMP(0, 133), NOBODY, .middle = hops_255,
	 .v6 = BH_R_ND},
	{"from nobody: router advertisement", ICMP(0, 134), NOBODY, .middle = hops_255,
	 .v6 = BH_R_LAND},
	{"from an address that is loopback's in its second half", SYN(5432),
	 FROM(NULL, "2001:db8::1"), .v6 = BH_R_TO_SOCKET},
	{"from 126 and 128", SYN(5432), FROM("126.0.0.1", NULL), .v4 = BH_R_DEFAULT_DENY},
	{"from an IPv4-mapped address", SYN(5432), FROM(NULL, "::ffff:192.0.2.1"),
	 .v6 = BH_R_MAPPED_ON_WIRE},
	{"to an IPv4-mapped address", SYN(5432), TO(NULL, "::ffff:10.77.0.1"),
	 .v6 = BH_R_MAPPED_ON_WIRE},
	{"from a link-local address", SYN(5432), FROM(NULL, "fe80::1"), .v6 = BH_R_DEFAULT_DENY},
};
const size_t n_packet_rows = sizeof(packet_rows) / sizeof(packet_rows[0]);

/* --- build ---------------------------------------------------------------------------------------------------- */

static void transport(const struct packet_row *row, bool v6, struct pkt *p)
{
	switch (row->what) {
	case PACKET_TCP:
		pkt_tcp_options(p, (uint16_t)row->a, (uint16_t)row->b, (uint8_t)row->flags,
				row->options, row->n_options);
		break;
	case PACKET_UDP:
		pkt_udp(p, (uint16_t)row->a, (uint16_t)row->b);
		pkt_payload(p, "question", 8);
		break;
	case PACKET_LITE:
		pkt_udplite(p, (uint16_t)row->a, (uint16_t)row->b);
		pkt_payload(p, "question", 8);
		break;
	case PACKET_ICMP:
		pkt_icmp(p, (uint8_t)(row->icmp[v6] >> 8), (uint8_t)row->icmp[v6], 0x00070001);
		break;
	default:
		pkt_proto(p, (uint8_t)row->a);
		pkt_payload(p, "something else", 14);
	}
}

void packet_build(const struct packet_row *row, bool v6, struct pkt *ret)
{
	static const char *const from[] = {"192.0.2.1", "2001:db8::1"};
	static const char *const to[] = {"10.77.0.1", "fd77::1"};
	const char *src = row->src[v6] ? row->src[v6] : from[v6];
	const char *dst = row->dst[v6] ? row->dst[v6] : to[v6];

	pkt_start(ret);
	if (row->before)
		row->before(ret);
	if (row->what == PACKET_FRAME) {
		pkt_ethertype(ret, (uint16_t)row->a);
		pkt_payload(ret, "a frame that is not IP at all", 28);
		pkt_finish(ret);
		return;
	}
	if (v6)
		pkt_ip6(ret, src, dst);
	else
		pkt_ip4_options(ret, src, dst, row->ip_options, row->n_ip_options);
	if (row->middle)
		row->middle(ret, v6);
	transport(row, v6, ret);
	pkt_finish(ret);
	if (row->after)
		row->after(ret, v6);
}
