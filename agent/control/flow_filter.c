/* SPDX-License-Identifier: Apache-2.0 */
/* flow_filter.c - see flow_filter.h: does a flow fit. The words: flow_read.c. */
#include <netinet/in.h>
#include <string.h>
#include "../telemetry/tell.h"
#include "flow_filter.h"
#include "listeners.h"

static bool fits_verdict(const struct bh_flow_filter *f, const struct bh_event *ev)
{
	const char *verdict = bh_tell_verdict_word(ev);

	if (!f->denied && !f->audited && !f->allowed)
		return true;
	if (f->denied && bh_flow_is_denied(ev))
		return true;
	return (f->audited && !strcmp(verdict, "audited")) ||
	       (f->allowed && !strcmp(verdict, "allowed"));
}

static bool is_transport(__u8 proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_UDPLITE;
}

static bool fits_icmp(const struct bh_port *p, const struct bh_event *ev)
{
	bool v6 = ev->proto == IPPROTO_ICMPV6;
	__u16 want = v6 && p->both_icmp ? p->lo6 : p->lo;

	if (!v6 && ev->proto != IPPROTO_ICMP)
		return false;
	if (p->any_port)
		return true;
	if (p->both_icmp && !(v6 ? p->icmp_v6 : p->icmp_v4))
		return false;
	return p->any_code ? want >> 8 == ev->icmp >> 8 : want == ev->icmp;
}

/* The port is the receiver's, whoever of the two is here. */
static bool fits_port(const struct bh_flow_filter *f, const struct bh_event *ev)
{
	const struct bh_port *p = &f->port;
	__u16 port = ev->dir == BH_OUT ? ev->remote_port : ev->local_port;

	if (!f->has_port)
		return true;
	if (p->proto == IPPROTO_ICMP || p->proto == IPPROTO_ICMPV6)
		return fits_icmp(p, ev);
	if (f->any_transport ? !is_transport(ev->proto) : p->proto && p->proto != ev->proto)
		return false;
	return p->any_port || !is_transport(ev->proto) || (port >= p->lo && port <= p->hi);
}

bool bh_flow_filter_may(const struct bh_flow_filter *f, const struct bh_event *ev)
{
	return fits_verdict(f, ev) && fits_port(f, ev);
}

/* "nginx.service", also for "nginx" */
static bool is_unit(const char *cgroup, const char *name)
{
	const char *unit = NULL;
	size_t n = bh_tell_unit_in(cgroup, &unit), len = strlen(name);

	if (!unit || n < len || strncmp(unit, name, len) != 0)
		return false;
	return n == len || (n == len + 8 && !strncmp(unit + len, ".service", 8));
}

/* An address of zeroes is one that is not known. */
static bool is_in(const struct bh_cidr *prefix, const struct bh_addr *addr)
{
	static const __u8 mapped[12] = {[10] = 0xff, [11] = 0xff};
	struct bh_cidr one = {
		.addr = *addr, .plen = 128, .v4 = !memcmp(addr->b, mapped, sizeof(mapped))};

	return !bh_addr_is_any(addr) && bh_cidr_contains(prefix, &one);
}

static bool fits_who(const struct bh_who_filter *w, const struct bh_flow *flow, bool local)
{
	const struct bh_event *ev = &flow->ev;
	const char *segment = local ? flow->local : flow->remote;

	switch (w->kind) {
	case BH_WHO_ANYBODY:
		return true;
	case BH_WHO_SEGMENT:
		return segment && !strcmp(segment, w->name);
	case BH_WHO_UNIT:
		return local && is_unit(flow->cgroup, w->name);
	case BH_WHO_PREFIX:
		return is_in(&w->prefix, local ? &ev->local_addr : &ev->remote_addr);
	}
	return false;
}

bool bh_flow_filter_fits(const struct bh_flow_filter *f, const struct bh_flow *flow)
{
	bool out = flow->ev.dir == BH_OUT;

	return bh_flow_filter_may(f, &flow->ev) && flow->wall_ms >= f->since_ms &&
	       fits_who(&f->from, flow, out) && fits_who(&f->to, flow, !out) &&
	       (!*f->unit || is_unit(flow->cgroup, f->unit));
}
