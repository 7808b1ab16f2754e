/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * icmp.h - which ICMP and ICMPv6 messages are what: errors, replies, discovery. Types by IANA.
 * Used at the NIC (nic.h) and at raw and ping sockets (skb.bpf.c).
 */
#ifndef BH_ICMP_H
#define BH_ICMP_H

#include "parse.h"

enum bh_icmp4_type {
	BH_ICMP4_ECHO_REPLY = 0,
	BH_ICMP4_UNREACHABLE = 3,
	BH_ICMP4_QUENCH = 4,
	BH_ICMP4_REDIRECT = 5,
	BH_ICMP4_ECHO = 8,
	BH_ICMP4_EXCEEDED = 11,
	BH_ICMP4_PARAMETER = 12,
	BH_ICMP4_TIMESTAMP_REPLY = 14,
};

enum bh_icmp6_type {
	BH_ICMP6_ERROR_LAST = 127,
	BH_ICMP6_ECHO_REPLY = 129,
	BH_ICMP6_MLD_FIRST = 130,
	BH_ICMP6_MLD_LAST = 132,
	BH_ICMP6_ND_FIRST = 133,
	BH_ICMP6_ND_LAST = 136,
	BH_ICMP6_REDIRECT = 137,
	BH_ICMP6_MLD2_REPORT = 143,
};

/* About a packet that went wrong: the kernel looks for the socket of the packet it quotes. */
__inline bool bh_icmp_is_error(__u8 proto, __u8 type)
{
	if (proto == IPPROTO_ICMPV6)
		return type <= BH_ICMP6_ERROR_LAST;
	return proto == IPPROTO_ICMP && (type == BH_ICMP4_UNREACHABLE || type == BH_ICMP4_QUENCH ||
					 type == BH_ICMP4_EXCEEDED || type == BH_ICMP4_PARAMETER);
}

__inline bool bh_icmp_is_reply(__u8 proto, __u8 type)
{
	if (proto == IPPROTO_ICMPV6)
		return type == BH_ICMP6_ECHO_REPLY;
	return proto == IPPROTO_ICMP &&
	       (type == BH_ICMP4_ECHO_REPLY || type == BH_ICMP4_TIMESTAMP_REPLY);
}

/* The request that a reply answers. */
__inline __u8 bh_icmp_asked(__u8 proto, __u8 reply)
{
	return proto == IPPROTO_ICMP && reply == BH_ICMP4_ECHO_REPLY ? BH_ICMP4_ECHO : reply - 1;
}

/* Router and neighbour discovery; the parser asked for hop limit 255. */
__inline bool bh_icmp_is_nd(__u8 proto, __u8 type)
{
	return proto == IPPROTO_ICMPV6 && type >= BH_ICMP6_ND_FIRST && type <= BH_ICMP6_ND_LAST;
}

__inline bool bh_icmp_is_mld(__u8 proto, __u8 type)
{
	return proto == IPPROTO_ICMPV6 &&
	       ((type >= BH_ICMP6_MLD_FIRST && type <= BH_ICMP6_MLD_LAST) ||
		type == BH_ICMP6_MLD2_REPORT);
}

#endif
