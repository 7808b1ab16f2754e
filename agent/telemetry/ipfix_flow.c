/* SPDX-License-Identifier: Apache-2.0 */
/* ipfix_flow.c - the elements of a flow and how an event fills them. See ipfix.h. */
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include "../base/cleanup.h"
#include "ipfix.h"
#include "tell.h"

/* A flow as the elements want it: numbers all of one size, so that one line writes each. */
struct view {
	__u64 start, end;
	__u64 proto, icmp, src_port, dst_port, tcp_flags;
	__u64 bytes, packets, rev_bytes, rev_packets;
	__u64 end_reason, biflow, direction, in_if, out_if, id, forwarding, firewall;
	__u64 src_identity, dst_identity, verdict, reason, rule, gen;
	__u64 pid, uid, crypt, suppressed, rtt;
	struct bh_addr src, dst;
	const char *src_segment, *dst_segment, *unit, *rule_name, *comm;
};

#define ALL   (BH_IPFIX_IN_4 | BH_IPFIX_IN_6 | BH_IPFIX_IN_4ICMP | BH_IPFIX_IN_6ICMP)
#define V4    (BH_IPFIX_IN_4 | BH_IPFIX_IN_4ICMP)
#define V6    (BH_IPFIX_IN_6 | BH_IPFIX_IN_6ICMP)
#define PORTS (BH_IPFIX_IN_4 | BH_IPFIX_IN_6)

/* RFC 5610: octets, packets, microseconds */
#define NO_UNIT 0
#define PACKETS 3
#define USEC	7

#define IANA(number, len, where, t, field, word)                                                   \
	{                                                                                          \
		.id = number, .bytes = len, .in = where, .type = BH_IPFIX_##t,                     \
		.at = offsetof(struct view, field), .name = word                                   \
	}
#define BACK(number, len, field, word)                                                             \
	{                                                                                          \
		.pen = BH_IPFIX_REVERSE, .id = number, .bytes = len, .in = ALL,                    \
		.type = BH_IPFIX_U64, .at = offsetof(struct view, field), .name = word             \
	}
#define OURS(number, len, t, s, u, field, word, text)                                              \
	{                                                                                          \
		.pen = BH_IPFIX_PEN, .id = number, .bytes = len, .in = ALL, .type = BH_IPFIX_##t,  \
		.semantics = BH_IPFIX_##s, .units = u, .at = offsetof(struct view, field),         \
		.name = word, .about = text                                                        \
	}

/*
 * Our numbers begin at 901: pmacct takes one below 512 for IANA's, whatever the enterprise. They
 * are never used for something else; 910 is kept for the posture of a peer.
 */
const struct bh_ipfix_element bh_ipfix_elements[] = {
	IANA(152, 8, ALL, MS, start, "flowStartMilliseconds"),
	IANA(153, 8, ALL, MS, end, "flowEndMilliseconds"),
	IANA(8, 4, V4, ADDR4, src, "sourceIPv4Address"),
	IANA(12, 4, V4, ADDR4, dst, "destinationIPv4Address"),
	IANA(27, 16, V6, ADDR6, src, "sourceIPv6Address"),
	IANA(28, 16, V6, ADDR6, dst, "destinationIPv6Address"),
	IANA(4, 1, ALL, U8, proto, "protocolIdentifier"),
	IANA(7, 2, PORTS, U16, src_port, "sourceTransportPort"),
	IANA(11, 2, PORTS, U16, dst_port, "destinationTransportPort"),
	IANA(6, 2, PORTS, U16, tcp_flags, "tcpControlBits"),
	IANA(32, 2, BH_IPFIX_IN_4ICMP, U16, icmp, "icmpTypeCodeIPv4"),
	IANA(139, 2, BH_IPFIX_IN_6ICMP, U16, icmp, "icmpTypeCodeIPv6"),
	IANA(1, 8, ALL, U64, bytes, "octetDeltaCount"),
	IANA(2, 8, ALL, U64, packets, "packetDeltaCount"),
	BACK(1, 8, rev_bytes, "reverseOctetDeltaCount"),
	BACK(2, 8, rev_packets, "reversePacketDeltaCount"),
	IANA(136, 1, ALL, U8, end_reason, "flowEndReason"),
	IANA(239, 1, ALL, U8, biflow, "biflowDirection"),
	IANA(61, 1, ALL, U8, direction, "flowDirection"),
	IANA(10, 4, ALL, U32, in_if, "ingressInterface"),
	IANA(14, 4, ALL, U32, out_if, "egressInterface"),
	IANA(148, 8, ALL, U64, id, "flowId"),
	IANA(89, 1, ALL, U8, forwarding, "forwardingStatus"),
	IANA(233, 1, ALL, U8, firewall, "firewallEvent"),
	OURS(901, 4, U32, IDENTIFIER, NO_UNIT, src_identity, "bulkheadSrcIdentity",
	     "segment of the source, by its number on the exporter"),
	OURS(902, 4, U32, IDENTIFIER, NO_UNIT, dst_identity, "bulkheadDstIdentity",
	     "segment of the destination, by its number on the exporter"),
	OURS(903, 1, U8, IDENTIFIER, NO_UNIT, verdict, "bulkheadVerdict",
	     "1 allowed, 2 denied, 3 would have been denied, 4 denied by an error"),
	OURS(904, 2, U16, IDENTIFIER, NO_UNIT, reason, "bulkheadReason",
	     "why, by its number in the list of reasons"),
	OURS(905, 4, U32, IDENTIFIER, NO_UNIT, rule, "bulkheadRuleId",
	     "the rule that decided, by its number on the exporter"),
	OURS(906, 8, U64, IDENTIFIER, NO_UNIT, gen, "bulkheadGeneration",
	     "of the policy that decided"),
	OURS(907, 0xffff, STRING, DEFAULT, NO_UNIT, src_segment, "bulkheadSrcSegment",
	     "segment of the source"),
	OURS(908, 0xffff, STRING, DEFAULT, NO_UNIT, dst_segment, "bulkheadDstSegment",
	     "segment of the destination"),
	OURS(909, 0xffff, STRING, DEFAULT, NO_UNIT, unit, "bulkheadUnit",
	     "systemd unit of the exporter's end"),
	OURS(911, 0xffff, STRING, DEFAULT, NO_UNIT, rule_name, "bulkheadRule",
	     "the rule that decided"),
	OURS(912, 4, U32, IDENTIFIER, NO_UNIT, pid, "bulkheadProcessId",
	     "process of the exporter's end, 0 if not known"),
	OURS(913, 0xffff, STRING, DEFAULT, NO_UNIT, comm, "bulkheadProcessName",
	     "the name of that process"),
	OURS(914, 4, U32, IDENTIFIER, NO_UNIT, uid, "bulkheadUserId", "user of the exporter's end"),
	OURS(915, 1, U8, IDENTIFIER, NO_UNIT, crypt, "bulkheadEncryption",
	     "0 no payload, 1 unknown, 2 plain, 3 ssh, 4 quic, 5 tls"),
	OURS(916, 4, U32, DELTA, PACKETS, suppressed, "bulkheadSuppressed",
	     "denied packets alike since the last record"),
	OURS(917, 4, U32, QUANTITY, USEC, rtt, "bulkheadRoundTrip",
	     "smoothed round-trip time of TCP, 0 if not known"),
};
const size_t bh_n_ipfix_elements = ARRAY_SIZE(bh_ipfix_elements);

/* --- an event as they want it ------------------------------------------------------------------- */

static bool is_icmp(const struct bh_event *ev)
{
	return ev->proto == IPPROTO_ICMP || ev->proto == IPPROTO_ICMPV6;
}

/* An address of zeroes stands for one that is not known: then the other one tells the family. */
static bool is_v4(const struct bh_event *ev)
{
	return bh_tell_is_v4(&ev->local_addr) || bh_tell_is_v4(&ev->remote_addr);
}

__u16 bh_ipfix_template_of(const struct bh_flow *flow)
{
	return (__u16)(BH_IPFIX_FLOW + (is_v4(&flow->ev) ? 0 : 1) + (is_icmp(&flow->ev) ? 2 : 0));
}

/* The wall's time of an instant that the kernel side told by the boot's; 0: that of the event. */
static __u64 wall_of(const struct bh_flow *flow, __u64 ns)
{
	__u64 ago_ms = ns && ns < flow->ev.time_ns ? (flow->ev.time_ns - ns) / 1000000 : 0;

	return (__u64)flow->wall_ms - ago_ms;
}

/* FNV-1a: the same for all that is told of one flow. */
static __u64 flow_id(const struct bh_event *ev)
{
	const struct {
		struct bh_addr local, remote;
		__u64 begin_ns;
		__u16 local_port, remote_port, proto, dir;
	} key = {ev->local_addr,  ev->remote_addr, ev->begin_ns, ev->local_port,
		 ev->remote_port, ev->proto,	   ev->dir};
	const __u8 *b = (const __u8 *)&key;
	__u64 h = 0xcbf29ce484222325;

	for (size_t i = 0; i < sizeof(key); i++)
		h = (h ^ b[i]) * 0x100000001b3;
	return h;
}

/* The words of others for what became of it; the numbers are IANA's. */
static void put_fate(const struct bh_event *ev, struct view *v)
{
	static const __u8 firewall[BH_EVENT_TYPES] = {
		[BH_EVENT_BEGIN] = 1,	   /* created */
		[BH_EVENT_END] = 2,	   /* deleted */
		[BH_EVENT_DENY] = 3,	   /* denied */
		[BH_EVENT_WOULD_DENY] = 4, /* alert */
		[BH_EVENT_UPDATE] = 5,	   /* update */
	};
	static const __u8 end[BH_EVENT_TYPES] = {
		[BH_EVENT_UPDATE] = 2, /* active timeout */
		[BH_EVENT_END] = 3,    /* end of the flow */
		[BH_EVENT_DENY] = 4,   /* forced */
	};

	v->verdict = bh_tell_verdict(ev);
	v->forwarding = v->verdict == BH_TELL_DENIED  ? 129 /* dropped, ACL */
			: v->verdict == BH_TELL_ERROR ? 128 /* dropped, unknown */
						      : 64; /* forwarded */
	if (ev->type < BH_EVENT_TYPES) {
		v->firewall = firewall[ev->type];
		v->end_reason = end[ev->type];
	}
}

static void put_who(const struct bh_flow *flow, struct view *v)
{
	struct bh_tell_end src = bh_tell_src(flow), dst = bh_tell_dst(flow);

	v->src = *src.addr;
	v->dst = *dst.addr;
	v->src_port = src.port;
	v->dst_port = dst.port;
	v->src_identity = src.identity;
	v->dst_identity = dst.identity;
	v->src_segment = src.segment;
	v->dst_segment = dst.segment;
}

static void put_counts(const struct bh_event *ev, struct view *v)
{
	bool out = ev->dir == BH_OUT;
	enum bh_dir there = out ? BH_OUT : BH_IN, back = out ? BH_IN : BH_OUT;

	v->bytes = ev->bytes[there];
	v->packets = ev->packets[there];
	v->rev_bytes = ev->bytes[back];
	v->rev_packets = ev->packets[back];
	v->direction = out; /* 0 ingress, 1 egress */
	v->biflow = 1;	    /* the source began it */
	v->in_if = out ? 0 : ev->ifindex;
	v->out_if = out ? ev->ifindex : 0;
}

static struct view view_of(const struct bh_flow *flow, const char *unit, const char *comm)
{
	const struct bh_event *ev = &flow->ev;
	struct view v = {
		.start = wall_of(flow, ev->begin_ns),
		.end = wall_of(flow, ev->last_ns),
		.proto = ev->proto,
		.icmp = ev->icmp,
		.tcp_flags = ev->tcp_flags,
		.id = flow_id(ev),
		.reason = ev->reason,
		.rule = ev->rule,
		.gen = ev->gen,
		.pid = ev->pid,
		.uid = ev->uid,
		.crypt = ev->crypt,
		.suppressed = ev->suppressed,
		.rtt = ev->rtt_us,
		.unit = unit,
		.rule_name = flow->rule,
		.comm = comm,
	};

	put_who(flow, &v);
	put_counts(ev, &v);
	put_fate(ev, &v);
	return v;
}

static void put_element(struct bh_ipfix_record *r, const struct bh_ipfix_element *e,
			const struct view *v)
{
	const void *at = (const char *)v + e->at;

	if (e->type == BH_IPFIX_STRING)
		bh_ipfix_put_text(r, *(const char *const *)at);
	else if (e->type == BH_IPFIX_ADDR4)
		bh_ipfix_put_bytes(r, ((const struct bh_addr *)at)->b + 12, 4);
	else if (e->type == BH_IPFIX_ADDR6)
		bh_ipfix_put_bytes(r, at, 16);
	else
		bh_ipfix_put(r, *(const __u64 *)at, e->bytes);
}

int bh_ipfix_add_flow(struct bh_ipfix *m, const struct bh_flow *flow)
{
	__u16 template = bh_ipfix_template_of(flow);
	struct bh_ipfix_record record = {0};
	char unit[BH_TELL_UNIT], comm[BH_COMM_MAX + 1] = "";
	struct view v;
	int r;

	memcpy(comm, flow->ev.comm, BH_COMM_MAX);
	v = view_of(flow, bh_tell_unit(flow->cgroup, unit), comm);
	for (size_t i = 0; i < bh_n_ipfix_elements; i++)
		if (bh_ipfix_elements[i].in >> (template - BH_IPFIX_FLOW) & 1)
			put_element(&record, &bh_ipfix_elements[i], &v);
	r = bh_ipfix_add(m, template, &record);
	if (r == 0) {
		m->flows++;
		m->packets += v.packets + v.rev_packets;
	}
	return r;
}
