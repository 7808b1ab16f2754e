/* SPDX-License-Identifier: Apache-2.0 */
/* model_judge.c - may they: see model.h. The order of precedence is the order of md_half(). */
#include "model.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ICMP	1
#define TCP	6
#define UDP	17
#define ICMP6	58
#define UDPLITE 136

/* --- ports ---------------------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	int v4, v6; /* types; -1: the family has no such message */
} icmp_names[] = {
	{"echo-reply", 0, 129},	  {"destination-unreachable", 3, 1}, {"echo-request", 8, 128},
	{"time-exceeded", 11, 3}, {"packet-too-big", -1, 2},	     {"timestamp-request", 13, -1},
};

static const struct {
	const char *name;
	uint16_t port;
} service_names[] = {{"ssh", 22}, {"domain", 53}, {"http", 80}, {"https", 443}};

static bool is_listed(uint8_t proto)
{
	return proto == ICMP || proto == TCP || proto == UDP || proto == ICMP6 || proto == UDPLITE;
}

static bool icmp_has(const char *what, uint8_t proto, uint16_t port)
{
	if (!what)
		return true;
	for (size_t i = 0; i < sizeof(icmp_names) / sizeof(*icmp_names); i++)
		if (!strcmp(what, icmp_names[i].name))
			return (proto == ICMP ? icmp_names[i].v4 : icmp_names[i].v6) == port >> 8;
	return false;
}

static bool range_has(const char *what, uint16_t port)
{
	int lo, hi;

	if (!what)
		return true;
	for (size_t i = 0; i < sizeof(service_names) / sizeof(*service_names); i++)
		if (!strcmp(what, service_names[i].name))
			return service_names[i].port == port;
	if (sscanf(what, "%d-%d", &lo, &hi) == 2)
		return port >= lo && port <= hi;
	return port == atoi(what);
}

/* "tcp/443", "tcp/8080-8089", "tcp", "icmp/echo-request", "icmp", "proto/47", "any" */
static bool port_has(const char *text, uint8_t proto, uint16_t port)
{
	const char *slash = strchr(text, '/'), *what = slash ? slash + 1 : NULL;
	size_t n = slash ? (size_t)(slash - text) : strlen(text);

	if (!strcmp(text, "any"))
		return is_listed(proto);
	if (n == 5 && !strncmp(text, "proto", n))
		return atoi(what) == proto;
	if (n == 4 && !strncmp(text, "icmp", n))
		return (proto == ICMP || proto == ICMP6) && icmp_has(what, proto, port);
	if (n == 3 && !strncmp(text, "tcp", n))
		return proto == TCP && range_has(what, port);
	if (n == 3 && !strncmp(text, "udp", n))
		return proto == UDP && range_has(what, port);
	return n == 7 && !strncmp(text, "udplite", n) && proto == UDPLITE && range_has(what, port);
}

bool md_ports_have(const struct md_words *ports, uint8_t proto, uint16_t port)
{
	for (int i = 0; i < ports->n; i++)
		if (port_has(ports->s[i], proto, port))
			return true;
	return false;
}

bool md_port_is_reserved(const struct md_map *m, int seg, uint8_t proto, uint16_t port)
{
	bool reserved = false;

	if (md_ports_have(&m->seg[seg].listen, proto, port))
		return false;
	for (int i = 0; i < m->n_seg; i++)
		reserved = reserved || md_ports_have(&m->seg[i].listen, proto, port);
	return reserved;
}

/* --- who a rule is about --------------------------------------------------------------------------------- */

static bool sel_has(const struct md_map *m, const struct md_sel *sel, int seg)
{
	const struct md_seg *s = &m->seg[seg];
	int found = 0;

	if (sel->any)
		return true;
	for (int i = 0; i < sel->names.n; i++)
		if (!strcmp(sel->names.s[i], s->name))
			return true;
	/* all of the labels; none names nobody */
	for (int i = 0; i < sel->labels.n; i++)
		for (int j = 0; j < s->labels.n; j++)
			found += !strcmp(sel->labels.s[i], s->labels.s[j]);
	return sel->labels.n && found == sel->labels.n;
}

/* A deny that names a segment of addresses holds for all of them, in whatever narrower one. */
static bool sel_reaches(const struct md_map *m, const struct md_sel *sel, const struct md_end *e)
{
	if (sel_has(m, sel, e->seg))
		return true;
	for (int seg = 0; e->addr && seg < m->n_seg; seg++)
		if (sel_has(m, sel, seg) && md_addr_depth(m, seg, e->addr) >= 0)
			return true;
	return false;
}

static bool failsafe_holds(const struct md_rule *r, const struct md_talk *t)
{
	const struct md_sel *sel = t->dir == MD_IN ? &r->from : &r->to;
	bool unit = !r->unit.n, inside = false;

	if (t->peer.local || !t->peer.addr || md_addr_is_linklocal(t->peer.addr))
		return false;
	for (int i = 0; i < sel->cidr.n; i++)
		inside = inside || md_addr_in(&sel->cidr.c[i], t->peer.addr);
	for (int i = 0; i < r->unit.n; i++)
		unit = unit || (t->me.cg && md_cgroup_has_unit(t->me.cg, r->unit.s[i]));
	return inside && unit;
}

static bool speaks(const struct md_map *m, const struct md_rule *r, const struct md_talk *t)
{
	const struct md_sel *mine = t->dir == MD_OUT ? &r->from : &r->to;
	const struct md_sel *theirs = t->dir == MD_OUT ? &r->to : &r->from;

	if (!md_ports_have(&r->port, t->proto, t->port))
		return false;
	if (r->kind == MD_FAILSAFE)
		return failsafe_holds(r, t);
	if (!sel_has(m, mine, t->me.seg))
		return false;
	return r->kind == MD_DENY ? sel_reaches(m, theirs, &t->peer)
				  : sel_has(m, theirs, t->peer.seg);
}

/* --- one half ----------------------------------------------------------------------------------------------- */

static void say(struct md_answer *a, enum bh_reason reason)
{
	if (!a->n_reasons)
		a->first = reason;
	a->n_reasons += !a->reason[reason];
	a->reason[reason] = true;
}

static bool seg_observes(const struct md_map *m, int seg)
{
	return m->seg[seg].observe >= 0 ? m->seg[seg].observe : m->observe;
}

static bool has_ended(const struct md_rule *r, const struct md_talk *t)
{
	return r->until_s && t->now_s >= r->until_s;
}

static enum bh_reason closed(const struct md_rule *r, const struct md_talk *t)
{
	return r->jit		 ? BH_R_GRANT_MISSING
	       : r->posture	 ? BH_R_POSTURE_UNKNOWN
	       : has_ended(r, t) ? BH_R_RULE_EXPIRED
				 : BH_CONTINUE;
}

/* Whether rules of @kind decide; what they leave behind if not stands in @a. */
static bool decided(const struct md_map *m, const struct md_talk *t, enum md_kind kind,
		    enum bh_reason reason, struct md_answer *a)
{
	for (int i = 0; i < m->n_rule; i++) {
		const struct md_rule *r = &m->rule[i];

		if (r->kind != kind || !speaks(m, r, t))
			continue;
		if (kind == MD_DENY && has_ended(r, t))
			continue;
		if (kind == MD_DENY && r->observe) {
			a->would[i] = a->any_would = true;
			continue;
		}
		if (kind == MD_ALLOW && closed(r, t) != BH_CONTINUE)
			continue;
		a->decides[i] = a->by_rule = true;
	}
	if (a->by_rule)
		say(a, reason);
	return a->by_rule;
}

static void by_default(const struct md_map *m, const struct md_talk *t, struct md_answer *a)
{
	const struct md_seg *s = &m->seg[t->me.seg];
	int open = s->open[t->dir] >= 0 ? s->open[t->dir] : m->open[t->dir];

	if (open && is_listed(t->proto)) {
		say(a, BH_R_DEFAULT_ALLOW);
		return;
	}
	/* an allow that is closed for now says more than the default */
	for (int i = 0; i < m->n_rule; i++)
		if (m->rule[i].kind == MD_ALLOW && speaks(m, &m->rule[i], t)) {
			a->decides[i] = a->by_rule = true;
			say(a, closed(&m->rule[i], t));
		}
	if (!a->n_reasons)
		say(a, is_listed(t->proto) ? BH_R_DEFAULT_DENY : BH_R_PROTOCOL);
}

static bool same_workload(const struct md_talk *t)
{
	const struct md_end *a = &t->me, *b = &t->peer;
	const char *x, *y;

	if (!b->local || !a->cg || !b->cg || a->anchor < 0 || a->anchor != b->anchor ||
	    a->seg != b->seg || a->uid != b->uid)
		return false;
	/* the same cgroup down to where the map matched it */
	x = a->cg->path;
	y = b->cg->path;
	for (int depth = 0; *x == *y; x++, y++) {
		if (*x == '\0' || (*x == '/' && depth++ == a->anchor))
			return true;
	}
	return (*x == '\0' || *x == '/') && (*y == '\0' || *y == '/');
}

struct md_answer md_half(const struct md_map *m, const struct md_talk *t)
{
	struct md_answer a = {.observe = t->capped || seg_observes(m, t->me.seg)};

	if (!decided(m, t, MD_FAILSAFE, BH_R_FAILSAFE, &a) &&
	    !decided(m, t, MD_DENY, BH_R_RULE_DENY, &a)) {
		if (same_workload(t))
			say(&a, BH_R_SAME_WORKLOAD);
		else if (!decided(m, t, MD_ALLOW, BH_R_ALLOW, &a))
			by_default(m, t, &a);
	}
	a.pass = a.observe || bh_reason_class(a.first) != BH_CLASS_DENY;
	return a;
}

/* --- both halves --------------------------------------------------------------------------------------------- */

struct md_answer md_judge(const struct md_map *m, const struct md_talk *t)
{
	struct md_answer mine = md_half(m, t), theirs;
	struct md_talk other = {
		.me = t->peer,
		.peer = t->me,
		.dir = t->dir == MD_IN ? MD_OUT : MD_IN,
		.proto = t->proto,
		.port = t->port,
		.now_s = t->now_s,
		.capped = t->capped,
	};

	if (!t->peer.local || !mine.pass)
		return mine;
	theirs = md_half(m, &other);
	if (theirs.pass)
		return mine;
	if (t->dir == MD_OUT) {
		theirs.n_reasons = 0;
		memset(theirs.reason, 0, sizeof(theirs.reason));
		say(&theirs, BH_R_PEER_DENIES);
	}
	return theirs;
}

struct md_answer md_named(const struct md_map *m, enum bh_reason reason, int seg, bool capped)
{
	struct md_answer a = {.pass = true};

	say(&a, reason);
	if (bh_reason_class(reason) != BH_CLASS_DENY)
		return a;
	/* what does not hold together is dropped in observe too */
	a.observe = reason >= BH_R_DEFAULT_DENY && (capped || seg_observes(m, seg));
	a.pass = a.observe;
	return a;
}
