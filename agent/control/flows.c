/* SPDX-License-Identifier: Apache-2.0 */
/* flows.c - see flows.h: a ring of records, each with its names in it. */
#include <netinet/in.h>
#include <string.h>
#include "../telemetry/tell.h"
#include "control.h"
#include "flow_filter.h"
#include "listeners.h"
#include "words.h"

/* Names that are longer get memory of their own. */
#define ROOM 160

struct record {
	struct bh_flow flow;
	char *more; /* where the names are, if not in @room */
	char room[ROOM];
};

struct bh_flows {
	struct record v[BH_FLOWS_KEPT];
	size_t next; /* where the next goes */
	size_t n;
};

struct bh_flows *bh_flows_new(void)
{
	return calloc(1, sizeof(struct bh_flows));
}

void bh_flows_free(struct bh_flows *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(f->v); i++)
		free(f->v[i].more);
	free(f);
}

/* --- the ring ---------------------------------------------------------------------------------- */

/* Moves one name over. Return: where the next goes. */
static char *move(const char **name, char *to)
{
	size_t n;

	if (!*name)
		return to;
	n = strlen(*name) + 1;
	*name = memcpy(to, *name, n);
	return to + n;
}

static void take_names(struct record *r)
{
	const char **const name[] = {&r->flow.cgroup, &r->flow.local, &r->flow.remote,
				     &r->flow.rule};
	char *to = r->room;
	size_t bytes = 0;

	for (size_t i = 0; i < ARRAY_SIZE(name); i++)
		bytes += *name[i] ? strlen(*name[i]) + 1 : 0;
	if (bytes > ROOM)
		to = r->more = malloc(bytes);
	for (size_t i = 0; i < ARRAY_SIZE(name); i++) {
		if (to)
			to = move(name[i], to);
		else
			*name[i] = NULL;
	}
}

void bh_flows_add(struct bh_flows *f, const struct bh_flow *flow)
{
	struct record *r = &f->v[f->next];

	if (r->more) {
		free(r->more);
		r->more = NULL;
	}
	r->flow = *flow;
	take_names(r);
	f->next = (f->next + 1) % BH_FLOWS_KEPT;
	if (f->n < BH_FLOWS_KEPT)
		f->n++;
}

size_t bh_flows_count(const struct bh_flows *f)
{
	return f->n;
}

const struct bh_flow *bh_flows_at(const struct bh_flows *f, size_t i)
{
	return &f->v[(f->next + BH_FLOWS_KEPT - 1 - i) % BH_FLOWS_KEPT].flow;
}

/* --- one of them ------------------------------------------------------------------------------- */

struct bh_flow bh_flow_of(struct bh_agent *a, const struct bh_event *ev)
{
	int64_t age_ms = ((int64_t)a->clock->boot_ns() - (int64_t)ev->time_ns) / 1000000;

	/* 0 is nobody's identity: that end was not known */
	return (struct bh_flow){
		.ev = *ev,
		.wall_ms = a->clock->wall_ms() - age_ms,
		.cgroup = bh_agent_cgroup(a, ev->cgid),
		.local = ev->local ? bh_agent_segment_name(a, ev->local) : NULL,
		.remote = ev->remote ? bh_agent_segment_name(a, ev->remote) : NULL,
		.rule = ev->rule ? bh_agent_rule_name(a, ev->rule) : NULL,
	};
}

/* An address of zeroes is one that is not known yet (connect), or at all (create). */
static json_t *end_json(const struct bh_addr *addr, __u16 port, __u32 identity, const char *segment)
{
	return json_pack("{s:o s:i s:I s:o}", "ip",
			 bh_addr_is_any(addr) ? json_null() : bh_json_addr(addr), "port", port,
			 "identity", (json_int_t)identity, "segment", bh_json_text(segment));
}

static json_t *unit_json(const char *cgroup)
{
	_cleanup_free_ char *copy = NULL;
	const char *unit = NULL;
	size_t n = bh_tell_unit_in(cgroup, &unit);

	if (!unit)
		return json_null();
	copy = strndup(unit, n);
	return copy ? bh_json_text(copy) : NULL;
}

static json_t *local_json(const struct bh_flow *flow)
{
	const struct bh_event *ev = &flow->ev;
	json_auto_t *local = end_json(&ev->local_addr, ev->local_port, ev->local, flow->local);

	if (!local || json_object_set_new(local, "cgroup", bh_json_text(flow->cgroup)) < 0 ||
	    json_object_set_new(local, "unit", unit_json(flow->cgroup)) < 0 ||
	    json_object_set_new(local, "uid", json_integer(ev->uid)) < 0)
		return NULL;
	return TAKE_PTR(local);
}

/* 0: it is not known. */
static json_t *time_json(const struct bh_flow *flow, __u64 boot_ns)
{
	int64_t before_ms = (int64_t)(flow->ev.time_ns - boot_ns) / 1000000;

	return boot_ns ? bh_json_wall_time(flow->wall_ms - before_ms) : json_null();
}

/* What came with the process and the session; the kernel side does not know all of it always. */
static json_t *more_json(const struct bh_flow *flow)
{
	const struct bh_event *ev = &flow->ev;
	char comm[BH_COMM_MAX + 1] = "", flags[BH_TCP_FLAGS_TEXT];

	memcpy(comm, ev->comm, BH_COMM_MAX);
	return json_pack("{s:s s:o s:s s:I s:o s:s s:o s:o}", "verdict", bh_tell_verdict_word(ev),
			 "comm", bh_json_text(*comm ? comm : NULL), "encrypted", bh_flow_crypt(ev),
			 "suppressed", (json_int_t)ev->suppressed, "rtt_us",
			 ev->rtt_us ? json_integer(ev->rtt_us) : json_null(), "tcp_flags",
			 bh_tcp_flags_text(ev->tcp_flags, flags), "begin",
			 time_json(flow, ev->begin_ns), "last", time_json(flow, ev->last_ns));
}

json_t *bh_flow_json(const struct bh_flow *flow)
{
	const struct bh_event *ev = &flow->ev;
	bool icmp = ev->proto == IPPROTO_ICMP || ev->proto == IPPROTO_ICMPV6;
	char proto[BH_PROTO_WORD];
	json_auto_t *row, *more = more_json(flow);

	row = json_pack("{s:o s:s s:s s:o s:o s:o s:s s:o s:I s:s s:I s:o s:o s:o s:o}", "time",
			bh_json_wall_time(flow->wall_ms), "type", bh_flow_type(ev), "direction",
			ev->dir == BH_OUT ? "egress" : "ingress", "proto",
			json_string(bh_proto_word(ev->proto, icmp ? ev->icmp : 0, proto)), "local",
			local_json(flow), "remote",
			end_json(&ev->remote_addr, ev->remote_port, ev->remote, flow->remote),
			"reason",
			ev->type == BH_EVENT_ALERT ? bh_flow_alert(ev) : bh_reason_name(ev->reason),
			"rule", bh_json_text(flow->rule), "generation", (json_int_t)ev->gen, "hook",
			bh_flow_hook(ev), "pid", (json_int_t)ev->pid, "packets_in",
			bh_json_u64(ev->packets[BH_IN]), "bytes_in", bh_json_u64(ev->bytes[BH_IN]),
			"packets_out", bh_json_u64(ev->packets[BH_OUT]), "bytes_out",
			bh_json_u64(ev->bytes[BH_OUT]));
	if (!row || !more || json_object_update(row, more) < 0)
		return NULL;
	return TAKE_PTR(row);
}
