/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * bh_reason.h - why something passed or was dropped. The one list: enum, strings,
 * counters, metrics and the documentation come from it.
 *
 * BH_REASON(number, NAME, class, "text"). Numbers are never reused: a retired reason
 * keeps its line. Class: pass = policy let it through, exception = passed without asking
 * the policy, deny = dropped (or, in observe, would have been).
 */
#ifndef BH_REASON_H
#define BH_REASON_H

enum bh_reason_class { BH_CLASS_PASS = 0, BH_CLASS_EXCEPTION = 1, BH_CLASS_DENY = 2 };

#define BH_REASON_LIST(BH_REASON)                                                                  \
	/* decided by the policy */                                                                \
	BH_REASON(1, ALLOW, PASS, "a rule allows it")                                              \
	BH_REASON(2, FAILSAFE, PASS, "a failsafe keeps it open")                                   \
	BH_REASON(3, SAME_WORKLOAD, PASS, "both ends are one workload on this host")               \
	BH_REASON(4, DEFAULT_ALLOW, PASS, "the segment's default for this direction is allow")     \
	BH_REASON(5, ANSWER, PASS, "an answer to a peer that policy lets ask or be asked")         \
	BH_REASON(6, GRANT, PASS, "a grant opens it for a while")                                  \
	/* passed without asking */                                                                \
	BH_REASON(20, ESTABLISHED, EXCEPTION, "not a new TCP connection: its socket decides")      \
	BH_REASON(21, TO_SOCKET, EXCEPTION, "not certainly denied: the socket layer decides")      \
	BH_REASON(22, NO_LISTENER, EXCEPTION, "nobody listens there: the kernel refuses it")       \
	BH_REASON(23, ARP, EXCEPTION, "ARP")                                                       \
	BH_REASON(24, ND, EXCEPTION, "IPv6 neighbour or router discovery, hop limit 255")          \
	BH_REASON(25, MLD, EXCEPTION, "IPv6 multicast listener discovery")                         \
	BH_REASON(26, IGMP, EXCEPTION, "IGMP")                                                     \
	BH_REASON(27, ICMP_ERROR, EXCEPTION, "ICMP error: the kernel matches the quoted socket")   \
	BH_REASON(28, ICMP_REPLY, EXCEPTION, "ICMP reply: the socket that asked decides")          \
	BH_REASON(29, DHCP, EXCEPTION, "DHCP client exchange")                                     \
	BH_REASON(30, L2, EXCEPTION, "not IP; `l2: deny` would drop it")                           \
	BH_REASON(31, FORWARD, EXCEPTION, "forwarded, `forward: allow`")                           \
	BH_REASON(32, FORWARD_UNSET, EXCEPTION, "forwarded, and the map does not say `forward:`")  \
	BH_REASON(33, KERNEL_SOCKET, EXCEPTION, "sent by the kernel itself (RST, ICMP, ND)")       \
	BH_REASON(34, RST_OUT, EXCEPTION, "the reset that tells a cut peer")                       \
	BH_REASON(36, NEVER_APPLIED, EXCEPTION, "no segment map was ever applied to this host")    \
	BH_REASON(35, EGRESS_SEEN, EXCEPTION, "left through a NIC after its socket was judged")    \
	/* the packet */                                                                           \
	BH_REASON(64, MALFORMED_L2, DENY, "truncated or too deeply tagged frame")                  \
	BH_REASON(65, MALFORMED_IP4, DENY, "IPv4 header does not hold together")                   \
	BH_REASON(66, MALFORMED_IP6, DENY, "IPv6 header does not hold together")                   \
	BH_REASON(67, MALFORMED_TCP, DENY, "TCP header or options do not hold together")           \
	BH_REASON(68, MALFORMED_UDP, DENY, "UDP header does not hold together")                    \
	BH_REASON(69, MALFORMED_ICMP, DENY, "ICMP header does not hold together")                  \
	BH_REASON(70, FRAGMENT, DENY, "fragment: its ports can't be known")                        \
	BH_REASON(71, IP_OPTIONS, DENY, "IPv4 source route or malformed options")                  \
	BH_REASON(72, EXT_HEADER, DENY, "IPv6 extension header: unknown, too many or routing")     \
	BH_REASON(73, TCP_FLAGS, DENY, "TCP flags that no stack sends")                            \
	BH_REASON(74, MAPPED_ON_WIRE, DENY, "IPv4-mapped IPv6 address on the wire")                \
	BH_REASON(75, LAND, DENY, "a loopback, multicast or own address as source")                \
	BH_REASON(76, ICMP6_HOPS, DENY, "neighbour discovery from another link")                   \
	BH_REASON(77, PORT_ZERO, DENY, "port 0")                                                   \
	/* the policy */                                                                           \
	BH_REASON(96, DEFAULT_DENY, DENY, "no rule allows it")                                     \
	BH_REASON(97, RULE_DENY, DENY, "a deny rule names it")                                     \
	BH_REASON(98, RULE_EXPIRED, DENY, "the rule that allowed it has ended (until)")            \
	BH_REASON(99, GRANT_MISSING, DENY, "the rule is just in time and nobody was granted it")   \
	BH_REASON(100, POSTURE_UNKNOWN, DENY, "the rule requires a posture that nobody measured")  \
	BH_REASON(101, PROTOCOL, DENY, "no rule names this IP protocol number")                    \
	BH_REASON(102, RAW, DENY, "raw socket, and the segment has no `raw: allow`")               \
	BH_REASON(103, QUARANTINE, DENY, "quarantined")                                            \
	BH_REASON(104, L2_DENY, DENY, "not IP, `l2: deny`")                                        \
	BH_REASON(105, FORWARD_DENY, DENY, "forwarded, `forward: deny`")                           \
	BH_REASON(106, LISTEN_NOT_ALLOWED, DENY,                                                   \
		  "`listen:` reserves this port for another segment")                              \
	BH_REASON(107, PORT_TAKEN, DENY, "another workload is bound to this port")                 \
	BH_REASON(108, PEER_DENIES, DENY, "the receiver's ingress on this host denies it")         \
	/* who is it */                                                                            \
	BH_REASON(128, CGROUP_MISMATCH, DENY,                                                      \
		  "the caller is not of the segment the socket was born in")                       \
	BH_REASON(129, CGROUP_UNKNOWN, DENY, "the socket's cgroup is not in the table")            \
	BH_REASON(130, DIRECTION_UNKNOWN, DENY,                                                    \
		  "older than the agent, and who began can't be told")                             \
	BH_REASON(131, NO_SOCKET, DENY, "no socket to take a verdict from")                        \
	BH_REASON(132, UNSOLICITED, DENY, "an answer that nobody asked for")                       \
	BH_REASON(133, SOURCE_TAKEN, DENY, "sent from an address and port that another holds")     \
	/* we can't */                                                                             \
	BH_REASON(160, NO_POLICY, DENY, "no policy is loaded")                                     \
	BH_REASON(161, NO_TABLE, DENY, "a table of the policy is missing")                         \
	BH_REASON(162, NO_STORAGE, DENY, "no memory to keep the socket's verdict")                 \
	BH_REASON(163, NO_IDENTITY, DENY, "the segment is not of this generation")

#define BH_REASON_ENUM(number, name, class, text) BH_R_##name = number,
enum bh_reason {
	BH_CONTINUE = 0, /* a stage has no verdict: go on */
	BH_REASON_LIST(BH_REASON_ENUM) BH_REASON_MAX = 176,
};
#undef BH_REASON_ENUM

/* A switch and not a table: no relocations in BPF, and a duplicate number does not build. */
static inline enum bh_reason_class bh_reason_class(enum bh_reason reason)
{
	return reason >= BH_R_MALFORMED_L2  ? BH_CLASS_DENY
	       : reason >= BH_R_ESTABLISHED ? BH_CLASS_EXCEPTION
					    : BH_CLASS_PASS;
}

#endif
