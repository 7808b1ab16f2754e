/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * parse.h - from a frame or an IP packet to struct bh_pkt. Used by every program that sees
 * packets, and by the fuzz target in userspace: no helper is called here.
 *
 * A cursor moves over the packet; each step checks its bounds and moves on. What does not hold
 * together, what hides its ports (fragments) and what no stack sends has a reason of its own
 * and never gets as far as the policy.
 */
#ifndef BH_PARSE_H
#define BH_PARSE_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <linux/icmpv6.h>
#include "cursor.h"

#ifndef IPPROTO_UDPLITE
#define IPPROTO_UDPLITE 136
#endif

struct bh_pkt {
	struct bh_addr saddr, daddr; /* network order, IPv4 as ::ffff:a.b.c.d */
	/*
	 * Host order. ICMP, ICMPv6: dport = type << 8 | code, sport = identifier of an echo or
	 * timestamp message, else 0. Other protocols than these, TCP, UDP and UDP-Lite: 0.
	 */
	__u16 sport, dport;
	__u16 ethertype; /* host order, after VLAN tags; 0 where parsing began at IP */
	__u8 family;	 /* 4, 6, or 0 = not IP */
	__u8 proto;	 /* IPPROTO_* of what follows the IP headers */
	__u8 tcp_flags;	 /* as on the wire, low 8 bits */
	__u8 hops;	 /* TTL or hop limit */
	__u16 payload;	 /* bytes behind the transport header by the IP header's own lengths */
};

enum bh_tcp_flags {
	BH_TCP_FIN = 1 << 0,
	BH_TCP_SYN = 1 << 1,
	BH_TCP_RST = 1 << 2,
	BH_TCP_PSH = 1 << 3,
	BH_TCP_ACK = 1 << 4,
	BH_TCP_URG = 1 << 5,
};

enum {
	BH_VLAN_MAX = 2, /* tags: 802.1ad with 802.1Q inside */
	BH_EXT_MAX = 6,	 /* IPv6 extension headers */
};

/* --- transport -------------------------------------------------------------------------------- */

/*
 * Flags that stacks send, the table of Linux conntrack (tcp_valid_flags in
 * net/netfilter/nf_conntrack_proto_tcp.c). PSH and the ECN bits may go with any of them.
 */
#define BH_TCP_FLAG_BIT(flags) (1ULL << (flags))
#define BH_TCP_FLAGS_SENT                                                                          \
	(BH_TCP_FLAG_BIT(BH_TCP_ACK) | BH_TCP_FLAG_BIT(BH_TCP_ACK | BH_TCP_URG) |                  \
	 BH_TCP_FLAG_BIT(BH_TCP_SYN) | BH_TCP_FLAG_BIT(BH_TCP_SYN | BH_TCP_URG) |                  \
	 BH_TCP_FLAG_BIT(BH_TCP_SYN | BH_TCP_ACK) | BH_TCP_FLAG_BIT(BH_TCP_FIN | BH_TCP_ACK) |     \
	 BH_TCP_FLAG_BIT(BH_TCP_FIN | BH_TCP_ACK | BH_TCP_URG) | BH_TCP_FLAG_BIT(BH_TCP_RST) |     \
	 BH_TCP_FLAG_BIT(BH_TCP_RST | BH_TCP_ACK))

__inline bool bh_tcp_flags_sent(__u8 flags)
{
	flags &= BH_TCP_FIN | BH_TCP_SYN | BH_TCP_RST | BH_TCP_ACK | BH_TCP_URG;
	return BH_TCP_FLAGS_SENT >> flags & 1;
}

/* Opens a connection: what XDP judges. Every other segment has a socket that does. */
__inline bool bh_pkt_is_syn(const struct bh_pkt *pkt)
{
	return (pkt->tcp_flags & (BH_TCP_SYN | BH_TCP_ACK)) == BH_TCP_SYN;
}

__inline enum bh_reason bh_parse_tcp(struct bh_cursor *c, struct bh_pkt *ret)
{
	const struct tcphdr *tcp = bh_cursor_take(c, sizeof(*tcp));
	__u32 options;

	if (!tcp || tcp->doff < 5)
		return BH_R_MALFORMED_TCP;
	options = tcp->doff * 4 - sizeof(*tcp);
	if (options > c->left)
		return BH_R_MALFORMED_TCP;
	c->left -= options;
	ret->sport = bpf_ntohs(tcp->source);
	ret->dport = bpf_ntohs(tcp->dest);
	ret->tcp_flags = ((const __u8 *)tcp)[13];
	if (!bh_tcp_flags_sent(ret->tcp_flags))
		return BH_R_TCP_FLAGS;
	if (!ret->sport || !ret->dport)
		return BH_R_PORT_ZERO;
	/* Options of other segments mean nothing without a connection; theirs are the kernel's. */
	if (c->wire && ret->tcp_flags & BH_TCP_SYN && options &&
	    bh_options_check(c->at, c->end, options) == BH_OPTIONS_BAD)
		return BH_R_MALFORMED_TCP;
	return BH_CONTINUE;
}

/* UDP-Lite differs in one field: a checksum coverage in place of the length; 0 = all of it. */
__inline enum bh_reason bh_parse_udp(struct bh_cursor *c, struct bh_pkt *ret)
{
	__u64 left = c->left;
	const struct udphdr *udp = bh_cursor_take(c, sizeof(*udp));
	__u32 len;

	if (!udp)
		return BH_R_MALFORMED_UDP;
	ret->sport = bpf_ntohs(udp->source);
	ret->dport = bpf_ntohs(udp->dest);
	len = bpf_ntohs(udp->len);
	if (len > left || (len < sizeof(*udp) && (len || ret->proto == IPPROTO_UDP)))
		return BH_R_MALFORMED_UDP;
	/* RFC 768: a source that wants no answer sends port 0. */
	return ret->dport ? BH_CONTINUE : BH_R_PORT_ZERO;
}

/* ICMP and ICMPv6. <linux/icmp.h> brings libc along. */
struct bh_icmp {
	__u8 type;
	__u8 code;
	__sum16 check;
	__be16 id; /* of the types that have one */
	__be16 sequence;
};

/*
 * Messages that a socket sends with an identifier to know its answers by: echo (RFC 792, 4443),
 * timestamp and extended echo (RFC 8335).
 */
__inline bool bh_icmp_has_id(__u8 proto, __u8 type)
{
	if (proto == IPPROTO_ICMP)
		return type == 8 || type == 0 || type == 13 || type == 14 || type == 42 ||
		       type == 43;
	return type == ICMPV6_ECHO_REQUEST || type == ICMPV6_ECHO_REPLY || type == 160 ||
	       type == 161;
}

/*
 * Both have 8 bytes before the body: RFC 4443 asks for 4 only, but no message is shorter than 8
 * and the kernel takes none (icmpv6_rcv).
 */
__inline enum bh_reason bh_parse_icmp(struct bh_cursor *c, struct bh_pkt *ret)
{
	const struct bh_icmp *icmp = bh_cursor_take(c, sizeof(*icmp));

	if (!icmp || (ret->proto == IPPROTO_ICMP) != (ret->family == 4))
		return BH_R_MALFORMED_ICMP;
	ret->dport = (__u16)(icmp->type << 8 | icmp->code);
	if (bh_icmp_has_id(ret->proto, icmp->type))
		ret->sport = bpf_ntohs(icmp->id);
	/* Router and neighbour solicitation and advertisement, redirect: a router would lower it. */
	if (ret->proto == IPPROTO_ICMPV6 && icmp->type >= 133 && icmp->type <= 137 &&
	    ret->hops != 255)
		return BH_R_ICMP6_HOPS;
	return BH_CONTINUE;
}

__inline enum bh_reason bh_parse_transport(struct bh_cursor *c, struct bh_pkt *ret)
{
	enum bh_reason reason = BH_CONTINUE;

	if (ret->proto == IPPROTO_TCP)
		reason = bh_parse_tcp(c, ret);
	else if (ret->proto == IPPROTO_UDP || ret->proto == IPPROTO_UDPLITE)
		reason = bh_parse_udp(c, ret);
	else if (ret->proto == IPPROTO_ICMP || ret->proto == IPPROTO_ICMPV6)
		reason = bh_parse_icmp(c, ret);
	ret->payload = c->left > 0xffff ? 0xffff : (__u16)c->left;
	return reason;
}

/* --- IP --------------------------------------------------------------------------------------- */

/*
 * Who may send before it has an address: a DHCP client; IGMP (RFC 3376 section 4.2.13); IPv6
 * duplicate address detection, router solicitation and MLD reports (RFC 4861, RFC 3590).
 */
__inline bool bh_pkt_needs_no_source(const struct bh_pkt *pkt)
{
	__u8 type = pkt->dport >> 8;

	if (pkt->family == 4)
		return pkt->proto == IPPROTO_IGMP ||
		       (pkt->proto == IPPROTO_UDP && pkt->sport == 68 && pkt->dport == 67);
	return pkt->proto == IPPROTO_ICMPV6 && (type == 131 || type == 132 || type == 133 ||
						type == 135 || type == ICMPV6_MLD2_REPORT);
}

/*
 * Addresses that no packet on a wire has: loopback at either end (RFC 1122 section 3.2.1.3,
 * RFC 4291 section 2.5.3), many senders, and a sender that is the receiver.
 */
__inline bool bh_ip4_is_land(const struct iphdr *ip)
{
	__u32 source = bpf_ntohl(ip->saddr);

	return source >> 24 == 127 || source >> 28 == 14 || source == 0xffffffff ||
	       ip->saddr == ip->daddr || (bpf_ntohl(ip->daddr) >> 24) == 127;
}

__inline enum bh_reason bh_parse_ip4(struct bh_cursor *c, struct bh_pkt *ret)
{
	const struct iphdr *ip = c->at;
	enum bh_reason reason;
	__u32 options, said;

	if (c->left < sizeof(*ip) || c->at + sizeof(*ip) > c->end)
		return BH_R_MALFORMED_IP4;
	ret->family = 4;
	ret->proto = ip->protocol;
	ret->hops = ip->ttl;
	bh_addr_set_v4(&ret->saddr, ip->saddr);
	bh_addr_set_v4(&ret->daddr, ip->daddr);
	said = bpf_ntohs(ip->tot_len);
	if (ip->version != 4 || ip->ihl < 5 || !bh_cursor_trim(c, said) || c->left < ip->ihl * 4U)
		return BH_R_MALFORMED_IP4;
	/* the mask is for the verifier, which does not see that ihl was checked */
	options = (ip->ihl * 4U - sizeof(*ip)) & 0x3c;
	c->at += sizeof(*ip);
	c->left -= sizeof(*ip);
	if (ip->frag_off & bpf_htons(0x3fff)) /* more fragments, or an offset */
		return BH_R_FRAGMENT;
	if (options) {
		if (bh_options_check(c->at, c->end, options) != BH_OPTIONS_FINE)
			return BH_R_IP_OPTIONS;
		c->at += options;
		c->left -= options;
	}
	if (c->wire && bh_ip4_is_land(ip))
		return BH_R_LAND;
	reason = bh_parse_transport(c, ret);
	if (reason == BH_CONTINUE && c->wire && !bh_addr_word(&ret->saddr, 3) &&
	    !bh_pkt_needs_no_source(ret))
		return BH_R_LAND;
	return reason;
}

/*
 * To what follows the extension headers, ret->proto. Options inside hop-by-hop and destination
 * headers are the kernel's to judge: they can't hide anything. AH and ESP are protocols.
 */
__inline enum bh_reason bh_parse_ip6_ext(struct bh_cursor *c, struct bh_pkt *ret)
{
	for (int i = 0; i <= BH_EXT_MAX; i++) {
		const struct ipv6_opt_hdr *ext;
		__u32 more;

		switch (ret->proto) {
		case IPPROTO_HOPOPTS:
			if (i != 0) /* RFC 8200 section 4.1: first or not at all */
				return BH_R_EXT_HEADER;
			break;
		case IPPROTO_DSTOPTS:
			break;
		case IPPROTO_FRAGMENT: /* the only, "atomic" fragment as well */
			return BH_R_FRAGMENT;
		case IPPROTO_ROUTING:
		case 135: /* mobility */
		case 139: /* host identity */
		case 140: /* shim6 */
			return BH_R_EXT_HEADER;
		default:
			return BH_CONTINUE;
		}
		ext = bh_cursor_take(c, 8);
		if (!ext)
			return BH_R_MALFORMED_IP6;
		more = ext->hdrlen * 8U;
		if (more > c->left)
			return BH_R_MALFORMED_IP6;
		c->at += more;
		c->left -= more;
		ret->proto = ext->nexthdr;
	}
	return BH_R_EXT_HEADER;
}

__inline bool bh_ip6_is_land(const struct bh_pkt *pkt)
{
	return pkt->saddr.b[0] == 0xff || bh_addr_eq(&pkt->saddr, &pkt->daddr) ||
	       (bh_addr_half(&pkt->saddr, 0) == 0 && bh_addr_is_loopback(&pkt->saddr)) ||
	       (bh_addr_half(&pkt->daddr, 0) == 0 && bh_addr_is_loopback(&pkt->daddr));
}

__inline enum bh_reason bh_parse_ip6(struct bh_cursor *c, struct bh_pkt *ret)
{
	const struct ipv6hdr *ip = bh_cursor_take(c, sizeof(*ip));
	enum bh_reason reason;

	if (!ip)
		return BH_R_MALFORMED_IP6;
	ret->family = 6;
	ret->proto = ip->nexthdr;
	ret->hops = ip->hop_limit;
	bh_addr_set_v6(&ret->saddr, &ip->saddr);
	bh_addr_set_v6(&ret->daddr, &ip->daddr);
	if (ip->version != 6 || !bh_cursor_trim(c, bpf_ntohs(ip->payload_len)))
		return BH_R_MALFORMED_IP6;
	/* Would be taken for the IPv4 address, here and by sockets of both families. */
	if (bh_addr_is_v4(&ret->saddr) || bh_addr_is_v4(&ret->daddr))
		return BH_R_MAPPED_ON_WIRE;
	if (c->wire && bh_ip6_is_land(ret))
		return BH_R_LAND;
	reason = bh_parse_ip6_ext(c, ret);
	if (reason == BH_CONTINUE)
		reason = bh_parse_transport(c, ret);
	if (reason == BH_CONTINUE && c->wire && bh_addr_is_unspecified(&ret->saddr) &&
	    !bh_pkt_needs_no_source(ret))
		return BH_R_LAND;
	return reason;
}

/* --- frames and packets ----------------------------------------------------------------------- */

struct bh_vlan {
	__be16 tag;
	__be16 ethertype;
};

__inline bool bh_is_vlan(__be16 ethertype)
{
	return ethertype == bpf_htons(ETH_P_8021Q) || ethertype == bpf_htons(ETH_P_8021AD);
}

/**
 * bh_parse_frame - an Ethernet frame whose tail may be in pages (tc, xdp.frags)
 * @data, @end: what can be read of it
 * @bytes:      what there is of it: skb->len, bpf_xdp_get_buff_len()
 * @ret:        always written; as far as the packet was understood
 * Return: as bh_parse_l2().
 */
__inline enum bh_reason bh_parse_frame(void *data, void *end, __u64 bytes, struct bh_pkt *ret)
{
	struct bh_cursor c = {.at = data, .end = end, .left = bytes, .wire = true};
	const struct ethhdr *eth = bh_cursor_take(&c, sizeof(*eth));
	__be16 ethertype;

	*ret = (struct bh_pkt){0};
	if (!eth)
		return BH_R_MALFORMED_L2;
	ethertype = eth->h_proto;
	for (int i = 0; i < BH_VLAN_MAX && bh_is_vlan(ethertype); i++) {
		const struct bh_vlan *vlan = bh_cursor_take(&c, sizeof(*vlan));

		if (!vlan)
			return BH_R_MALFORMED_L2;
		ethertype = vlan->ethertype;
	}
	ret->ethertype = bpf_ntohs(ethertype);
	if (ethertype == bpf_htons(ETH_P_IP))
		return bh_parse_ip4(&c, ret);
	if (ethertype == bpf_htons(ETH_P_IPV6))
		return bh_parse_ip6(&c, ret);
	return bh_is_vlan(ethertype) ? BH_R_MALFORMED_L2 : BH_CONTINUE;
}

/**
 * bh_parse_bare - behind the header of a device that is not Ethernet (tun, ppp, wireguard: none)
 * @ethertype: what it says instead; network order
 */
__inline enum bh_reason bh_parse_bare(void *data, void *end, __u64 bytes, __be16 ethertype,
				      struct bh_pkt *ret)
{
	struct bh_cursor c = {.at = data, .end = end, .left = bytes, .wire = true};

	*ret = (struct bh_pkt){.ethertype = bpf_ntohs(ethertype)};
	if (ethertype == bpf_htons(ETH_P_IP))
		return bh_parse_ip4(&c, ret);
	if (ethertype == bpf_htons(ETH_P_IPV6))
		return bh_parse_ip6(&c, ret);
	return BH_CONTINUE;
}

/**
 * bh_parse_l2 - an Ethernet frame
 * @ret: always written; as far as the packet was understood
 * Return: BH_CONTINUE, or the reason of class deny why it does not hold together. Not IP:
 * BH_CONTINUE and family 0.
 */
__inline enum bh_reason bh_parse_l2(void *data, void *end, struct bh_pkt *ret)
{
	return bh_parse_frame(data, end, (__u64)(end - data), ret);
}

/**
 * bh_parse_l3 - an IP packet, as cgroup_skb sees it
 *
 * Its tail may be in pages, and the kernel has checked or written its lengths: what they say
 * is believed. Source and destination may be one and loopback here: nothing is LAND.
 * Return: as bh_parse_l2(), but nothing here is not IP.
 */
__inline enum bh_reason bh_parse_l3(void *data, void *end, struct bh_pkt *ret)
{
	struct bh_cursor c = {.at = data, .end = end, .left = ~0ULL};

	*ret = (struct bh_pkt){0};
	if (data + 1 > end)
		return BH_R_MALFORMED_IP4;
	return *(__u8 *)data >> 4 == 6 ? bh_parse_ip6(&c, ret) : bh_parse_ip4(&c, ret);
}

#endif
