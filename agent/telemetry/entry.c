/* SPDX-License-Identifier: Apache-2.0 */
/* entry.c - see entry.h: fields, and those of a flow. */
#include <netinet/in.h>
#include <stdarg.h>
#include <string.h>
#include "../base/message_ids.h"
#include "../base/utf8.h"
#include "entry.h"
#include "tell.h"

/* --- fields ------------------------------------------------------------------------------------ */

bool bh_entry_put(struct bh_entry *e, const char *name, const char *value)
{
	size_t name_n = strlen(name), n = value ? strlen(value) : 0;
	bool lines = n && strchr(value, '\n');
	char *at = e->b + e->n;

	/* '=' or a line break and the length, and a line break */
	if (!n || name_n + n + 10 > sizeof(e->b) - e->n)
		return false;
	at = mempcpy(at, name, name_n);
	*at++ = lines ? '\n' : '=';
	for (size_t i = 0; lines && i < 8; i++)
		*at++ = (char)((__u64)n >> 8 * i);
	at = mempcpy(at, value, n);
	*at++ = '\n';
	e->n = (size_t)(at - e->b);
	return true;
}

bool bh_entry_putf(struct bh_entry *e, const char *name, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return bh_entry_put(e, name, text);
}

/* Names are other people's. */
static void tame(char *s)
{
	while (*s) {
		unsigned int code;
		int n = bh_utf8_next(s, &code);

		if (!n || bh_utf8_is_harmful(code))
			memset(s, '?', n ? (size_t)n : 1);
		s += n ? n : 1;
	}
}

bool bh_entry_say(struct bh_entry *e, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	tame(text);
	return bh_entry_put(e, "MESSAGE", text);
}

/* --- a flow ------------------------------------------------------------------------------------ */

/* By enum bh_event_type. Priorities are syslog's. */
static const struct {
	const char *id, *words;
	int priority;
} kinds[BH_EVENT_TYPES] = {
	[BH_EVENT_BEGIN] = {BH_MESSAGE_BEGIN, "allowed", 6},
	[BH_EVENT_DENY] = {BH_MESSAGE_DENY, "denied", 5},
	[BH_EVENT_WOULD_DENY] = {BH_MESSAGE_WOULD_DENY, "would be denied", 5},
	[BH_EVENT_END] = {BH_MESSAGE_END, "ended", 6},
	[BH_EVENT_UPDATE] = {BH_MESSAGE_UPDATE, "goes on", 7},
	[BH_EVENT_ALERT] = {BH_MESSAGE_ALERT, "asks around", 4},
};

static bool has_ports(const struct bh_event *ev)
{
	return ev->proto == IPPROTO_TCP || ev->proto == IPPROTO_UDP || ev->proto == IPPROTO_UDPLITE;
}

/* As `bulkhead explain` takes it. */
static void proto_word(const struct bh_event *ev, char ret[24])
{
	const char *word = ev->proto == IPPROTO_TCP	 ? "tcp"
			   : ev->proto == IPPROTO_UDP	 ? "udp"
			   : ev->proto == IPPROTO_ICMP	 ? "icmp"
			   : ev->proto == IPPROTO_ICMPV6 ? "icmp"
							 : NULL;

	if (word)
		snprintf(ret, 24, "%s", word);
	else
		snprintf(ret, 24, "proto/%u", ev->proto);
}

static void end_words(const struct bh_tell_end *end, bool port, char *ret, size_t size)
{
	char addr[BH_TELL_ADDR];
	bool v6 = !bh_tell_is_v4(end->addr);

	bh_tell_addr(end->addr, addr);
	if (!*addr)
		snprintf(ret, size, "%s", end->segment ? end->segment : "?");
	else
		snprintf(ret, size,
			 port && v6 ? "%s [%s]:%u"
			 : port	    ? "%s %s:%u"
				    : "%s %s",
			 end->segment ? end->segment : "?", addr, end->port);
}

static void say(struct bh_entry *e, const struct bh_flow *flow, const char *unit)
{
	const struct bh_event *ev = &flow->ev;
	struct bh_tell_end src = bh_tell_src(flow), dst = bh_tell_dst(flow);
	char from[160], to[160], proto[24], more[48] = "";

	proto_word(ev, proto);
	end_words(&src, has_ports(ev) && src.port, from, sizeof(from));
	end_words(&dst, has_ports(ev), to, sizeof(to));
	if (ev->suppressed)
		snprintf(more, sizeof(more), " (and %u alike)", ev->suppressed);
	(void)bh_entry_say(e, "%s: %s -> %s, %s%s%.128s: %s%s%.64s%s", kinds[ev->type].words, from,
			   to, proto, *unit ? ", " : "", unit,
			   ev->type == BH_EVENT_ALERT ? bh_flow_alert_text(ev)
						      : bh_tell_reason_text(ev->reason),
			   flow->rule ? ", rule " : "", flow->rule ? flow->rule : "", more);
}

static void put_end(struct bh_entry *e, const char *which, const struct bh_tell_end *end, bool port)
{
	char name[40], addr[BH_TELL_ADDR];

	snprintf(name, sizeof(name), "BULKHEAD_%s_IP", which);
	(void)bh_entry_put(e, name, bh_tell_addr(end->addr, addr));
	snprintf(name, sizeof(name), "BULKHEAD_%s_SEGMENT", which);
	(void)bh_entry_put(e, name, end->segment);
	snprintf(name, sizeof(name), "BULKHEAD_%s_IDENTITY", which);
	(void)bh_entry_putf(e, name, "%u", end->identity);
	snprintf(name, sizeof(name), "BULKHEAD_%s_PORT", which);
	if (port)
		(void)bh_entry_putf(e, name, "%u", end->port);
}

static void put_who(struct bh_entry *e, const struct bh_flow *flow, const char *unit)
{
	const struct bh_event *ev = &flow->ev;
	struct bh_tell_end src = bh_tell_src(flow), dst = bh_tell_dst(flow);
	char comm[BH_COMM_MAX + 1] = "", proto[24];

	proto_word(ev, proto);
	(void)bh_entry_put(e, "BULKHEAD_PROTO", proto);
	put_end(e, "SRC", &src, has_ports(ev));
	put_end(e, "DST", &dst, has_ports(ev));
	if (ev->proto == IPPROTO_ICMP || ev->proto == IPPROTO_ICMPV6) {
		(void)bh_entry_putf(e, "BULKHEAD_ICMP_TYPE", "%u", ev->icmp >> 8);
		(void)bh_entry_putf(e, "BULKHEAD_ICMP_CODE", "%u", ev->icmp & 0xff);
	}
	(void)bh_entry_put(e, "BULKHEAD_UNIT", unit);
	(void)bh_entry_put(e, "BULKHEAD_CGROUP", flow->cgroup);
	if (ev->cgid)
		(void)bh_entry_putf(e, "BULKHEAD_UID", "%u", ev->uid);
	if (ev->pid)
		(void)bh_entry_putf(e, "BULKHEAD_PID", "%u", ev->pid);
	memcpy(comm, ev->comm, BH_COMM_MAX);
	(void)bh_entry_put(e, "BULKHEAD_COMM", comm);
}

static void put_counts(struct bh_entry *e, const struct bh_event *ev)
{
	static const char *const name[][2] = {
		[BH_IN] = {"BULKHEAD_PACKETS_IN", "BULKHEAD_BYTES_IN"},
		[BH_OUT] = {"BULKHEAD_PACKETS_OUT", "BULKHEAD_BYTES_OUT"},
	};

	if (ev->type != BH_EVENT_END && ev->type != BH_EVENT_UPDATE)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(name); i++) {
		(void)bh_entry_putf(e, name[i][0], "%llu", ev->packets[i]);
		(void)bh_entry_putf(e, name[i][1], "%llu", ev->bytes[i]);
	}
	(void)bh_entry_put(e, "BULKHEAD_ENCRYPTED", bh_flow_crypt(ev));
	if (ev->rtt_us)
		(void)bh_entry_putf(e, "BULKHEAD_RTT_US", "%u", ev->rtt_us);
}

void bh_entry_of(struct bh_entry *e, const struct bh_flow *flow)
{
	const struct bh_event *ev = &flow->ev;
	char unit[BH_TELL_UNIT];

	e->n = 0;
	if (ev->type >= BH_EVENT_TYPES || !kinds[ev->type].id)
		return;
	bh_tell_unit(flow->cgroup, unit);
	say(e, flow, unit);
	(void)bh_entry_put(e, "MESSAGE_ID", kinds[ev->type].id);
	(void)bh_entry_putf(e, "PRIORITY", "%d", kinds[ev->type].priority);
	(void)bh_entry_put(e, "SYSLOG_IDENTIFIER", "bulkhead");
	(void)bh_entry_put(e, "BULKHEAD_TYPE", bh_flow_type(ev));
	if (ev->type == BH_EVENT_ALERT) {
		(void)bh_entry_put(e, "BULKHEAD_REASON", bh_flow_alert(ev));
	} else {
		(void)bh_entry_put(e, "BULKHEAD_VERDICT", bh_tell_verdict_word(ev));
		(void)bh_entry_put(e, "BULKHEAD_REASON", bh_tell_reason(ev->reason));
	}
	(void)bh_entry_put(e, "BULKHEAD_RULE", flow->rule);
	(void)bh_entry_putf(e, "BULKHEAD_GENERATION", "%llu", ev->gen);
	(void)bh_entry_put(e, "BULKHEAD_DIRECTION", ev->dir == BH_OUT ? "egress" : "ingress");
	(void)bh_entry_put(e, "BULKHEAD_HOOK", bh_flow_hook(ev));
	if (ev->suppressed)
		(void)bh_entry_putf(e, "BULKHEAD_SUPPRESSED", "%u", ev->suppressed);
	put_who(e, flow, unit);
	put_counts(e, ev);
}
