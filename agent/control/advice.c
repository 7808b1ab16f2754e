/* SPDX-License-Identifier: Apache-2.0 */
/* advice.c - see advice.h. Names on this host stand in /etc/resolv.conf; the rest is asked. */
#include <arpa/inet.h>
#include <errno.h>
#include <glob.h>
#include <netinet/in.h>
#include <string.h>
#include "../base/io.h"
#include "../failsafe.h"
#include "advice.h"
#include "listeners.h"

struct view {
	struct bh_agent *a;
	const struct bh_live *l;
	__u64 gen;
	const char *root;
	struct bh_diags *d;
	struct bh_listenings listening;
	bool *present; /* by identity: the segment has a workload here */
};

/* --- questions ---------------------------------------------------------------------------------- */

/* Does it pass? What can't be asked is not warned about: false alarms teach to look away. */
static bool passes(struct view *v, struct bh_question *q)
{
	struct bh_answer answer;

	q->gen = v->gen;
	q->now_ns = v->a->clock->boot_ns();
	return bh_kern_judge(v->a->kern, q, &answer) < 0 || answer.pass;
}

static bool segment_of(struct view *v, __u64 cgid, __u32 uid, __u32 *ret)
{
	struct bh_question q = {
		.gen = v->gen,
		.now_ns = v->a->clock->boot_ns(),
		.local_cgid = cgid,
		.local_uid = uid,
		.remote = BH_ID_WORLD,
		.flags = BH_Q_LOCAL_CGROUP,
		.port = 1,
		.proto = IPPROTO_TCP,
		.dir = BH_OUT,
	};
	struct bh_answer answer;

	if (bh_kern_judge(v->a->kern, &q, &answer) < 0)
		return false;
	*ret = answer.local;
	return true;
}

static const char *segment_name(const struct view *v, __u32 identity)
{
	for (size_t i = 0; i < v->l->compiled->n_identity; i++)
		if (v->l->compiled->identity[i] == identity)
			return v->l->map->segment[i].name;
	return identity == BH_ID_HOST ? "host" : "unassigned";
}

/* --- failsafes ---------------------------------------------------------------------------------- */

/* A failsafe for an ICMP type, or one outwards, reaches nobody's socket by nature. */
static bool wants_listener(const struct bh_rule_src *rule)
{
	if (rule->kind != BH_RULE_FAILSAFE || !rule->from.n_cidr)
		return false;
	for (size_t i = 0; i < rule->port.n; i++)
		if (rule->port.v[i].proto != IPPROTO_TCP)
			return false;
	return true;
}

static int advise_failsafes(struct view *v)
{
	for (size_t i = 0; i < v->l->map->n_rule; i++) {
		const struct bh_rule_src *rule = &v->l->map->rule[i];
		struct bh_where where = bh_map_where(v->l->map, rule->pos);
		_cleanup_free_ char *who = NULL, *text = NULL;
		int r;

		if (!wants_listener(rule))
			continue;
		r = bh_failsafe_reaches(v->a, &v->listening, rule, &who);
		if (r < 0)
			return r;
		if (who)
			continue;
		text = bh_failsafe_text(rule);
		(void)bh_diag_add(v->d, BH_WARNING, &where,
				  "start what should listen there, or correct the port",
				  "failsafe '%s' reaches no listener on this host now: %s",
				  rule->id, text ? text : "");
	}
	return 0;
}

/* --- who is here ---------------------------------------------------------------------------------- */

static int on_cgroup(void *ctx, _unused_ __u64 cgid, const struct bh_cgroup *cg)
{
	struct view *v = ctx;
	const struct bh_cg_side *side = &cg->side[BH_SIDE(v->gen)];

	if (side->seg < v->l->compiled->n_segs)
		v->present[side->seg] = true;
	return 0;
}

/* --- name servers ----------------------------------------------------------------------------------- */

static bool addr_parse(const char *s, struct bh_addr *ret)
{
	struct bh_addr v = {.b = {[10] = 0xff, [11] = 0xff}};

	if (inet_pton(AF_INET, s, v.b + 12) != 1 && inet_pton(AF_INET6, s, v.b) != 1)
		return false;
	*ret = v;
	return true;
}

static const struct bh_listening *stub_at(const struct view *v, const struct bh_addr *addr)
{
	for (size_t i = 0; i < v->listening.n; i++) {
		const struct bh_listening *l = &v->listening.v[i];

		if (l->key.proto == IPPROTO_UDP && l->key.port == 53 && bh_listening_at(l, addr))
			return l;
	}
	return NULL;
}

/* Both halves where the server is on this host. */
static bool may_ask(struct view *v, __u32 who, const struct bh_addr *addr,
		    const struct bh_listening *stub)
{
	struct bh_question out = {.local = who, .port = 53, .proto = IPPROTO_UDP, .dir = BH_OUT};
	struct bh_question in = {.remote = who,
				 .port = 53,
				 .proto = IPPROTO_UDP,
				 .dir = BH_IN,
				 .flags = BH_Q_LOCAL_CGROUP | BH_Q_PEER_LOCAL};

	if (!stub) {
		out.remote_addr = *addr;
		out.flags = BH_Q_REMOTE_ADDR;
		return passes(v, &out);
	}
	out.remote_cgid = in.local_cgid = stub->val.cgid;
	out.remote_uid = in.local_uid = stub->val.uid;
	out.flags = BH_Q_REMOTE_CGROUP;
	return passes(v, &out) && passes(v, &in);
}

/* How to let them ask: a rule, and a segment for the server where it has none. */
static char *cure(struct view *v, const char *server, const struct bh_addr *addr,
		  const struct bh_listening *stub, const char *cut_off)
{
	__u32 identity = bh_compiled_identity(v->l->compiled, addr);
	char *text;
	int n;

	if (stub && !segment_of(v, stub->val.cgid, stub->val.uid, &identity))
		return NULL;
	if (identity == BH_ID_WORLD)
		n = asprintf(&text,
			     "give it a segment, dns: { match: { cidr: [%s/%d] } }, and - { id: "
			     "names, from: [%s], to: dns, port: [udp/53, tcp/53] }",
			     server, strchr(server, ':') ? 128 : 32, cut_off);
	else if (identity == BH_ID_UNASSIGNED)
		n = asprintf(&text,
			     "give it a segment, dns: { match: { unit: %s }, default: { egress: "
			     "allow } }, and - { id: names, from: [%s], to: dns, port: [udp/53, "
			     "tcp/53] }",
			     stub ? bh_base_of(bh_agent_cgroup(v->a, stub->val.cgid)) : "?",
			     cut_off);
	else
		n = asprintf(&text, "- { id: names, from: [%s], to: %s, port: [udp/53, tcp/53] }",
			     cut_off, segment_name(v, identity));
	return n < 0 ? NULL : text;
}

static void warn_server(struct view *v, const char *server, const struct bh_addr *addr,
			const struct bh_listening *stub, const char *cut_off)
{
	_cleanup_free_ char *help = cure(v, server, addr, stub, cut_off);
	const char *unit = stub ? bh_base_of(bh_agent_cgroup(v->a, stub->val.cgid)) : NULL;

	(void)bh_diag_add(v->d, BH_WARNING, NULL, help,
			  "no names for %s: the map denies the name server %s%s%s%s", cut_off,
			  server, unit ? " (" : "", unit ? unit : "", unit ? ")" : "");
}

static int advise_server(struct view *v, const char *server)
{
	_cleanup_free_ char *list = NULL;
	const struct bh_listening *stub = NULL;
	struct bh_addr addr;
	size_t bytes = 0, n = 0;
	FILE *f;

	if (!addr_parse(server, &addr))
		return 0;
	if (bh_addr_is_loopback(&addr)) {
		stub = stub_at(v, &addr);
		if (!stub)
			return 0;
	}
	f = open_memstream(&list, &bytes);
	if (!f)
		return -ENOMEM;
	for (__u32 i = BH_ID_FIRST; i < v->l->compiled->n_segs; i++) {
		__u32 own = 0;

		if (!v->present[i] ||
		    (stub && segment_of(v, stub->val.cgid, stub->val.uid, &own) && own == i))
			continue;
		if (!may_ask(v, i, &addr, stub))
			fprintf(f, "%s%s", n++ ? ", " : "", segment_name(v, i));
	}
	if (fclose(f))
		return -ENOMEM;
	if (n)
		warn_server(v, server, &addr, stub, list);
	return 0;
}

static int advise_names(struct view *v)
{
	_cleanup_free_ char *text = NULL, *path = NULL;
	char *save = NULL;
	int r;

	if (asprintf(&path, "%s/etc/resolv.conf", v->root) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	if (bh_file_read(path, 64u << 10, &text, NULL) < 0)
		return 0;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char server[INET6_ADDRSTRLEN];

		if (sscanf(line, " nameserver %45s", server) != 1)
			continue;
		r = advise_server(v, server);
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- the clock and the lease --------------------------------------------------------------------- */

struct service {
	const char *unit;
	const char *lease; /* it runs a DHCP client where this is there */
};

static const struct service time_daemons[] = {
	{"chrony.service", NULL},   {"chronyd.service", NULL}, {"systemd-timesyncd.service", NULL},
	{"ntp.service", NULL},	    {"ntpd.service", NULL},    {"ntpsec.service", NULL},
	{"openntpd.service", NULL},
};

static const struct service dhcp_clients[] = {
	{"systemd-networkd.service", "/run/systemd/netif/leases/*"},
	{"NetworkManager.service", "/var/lib/NetworkManager/*.lease"},
	{"networking.service", "/var/lib/dhcp/dhclient*.leases"},
	{"dhcpcd.service", "/var/lib/dhcpcd/*.lease*"},
};

struct search {
	const char *unit;
	__u64 cgid;
};

static int on_path(void *ctx, const char *path, __u64 id)
{
	struct search *s = ctx;

	if (strcmp(bh_base_of(path), s->unit) != 0)
		return 0;
	s->cgid = id;
	return 1;
}

/* 0 if it does not run. */
static __u64 cgroup_of_unit(struct view *v, const char *unit)
{
	struct search s = {.unit = unit};

	(void)bh_cgroups_each(v->a->cgroups, on_path, &s);
	return s.cgid;
}

static bool any_file(const struct view *v, const char *pattern)
{
	_cleanup_free_ char *path = NULL;
	glob_t g;
	int r;

	if (asprintf(&path, "%s%s", v->root, pattern) < 0) {
		path = NULL;
		return false;
	}
	r = glob(path, GLOB_NOSORT, NULL, &g);
	if (r == 0)
		globfree(&g);
	return r == 0;
}

/* A time server may stand in any segment: one that it may ask is enough. */
static void advise_time(struct view *v, const struct service *s)
{
	struct bh_question q = {
		.local_cgid = cgroup_of_unit(v, s->unit),
		.flags = BH_Q_LOCAL_CGROUP,
		.remote = BH_ID_WORLD,
		.port = 123,
		.proto = IPPROTO_UDP,
		.dir = BH_OUT,
	};
	__u32 identity;

	if (!q.local_cgid)
		return;
	if (passes(v, &q))
		return;
	for (size_t i = BH_SEG_N_RESERVED; i < v->l->compiled->n_identity; i++) {
		q.remote = v->l->compiled->identity[i];
		if (passes(v, &q))
			return;
	}
	if (segment_of(v, q.local_cgid, 0, &identity))
		(void)bh_diag_add(v->d, BH_WARNING, NULL,
				  "allow udp/123 from its segment to the time servers",
				  "the clock will not be set: the map denies %s (segment %s) every "
				  "time server",
				  s->unit, segment_name(v, identity));
}

static void advise_lease(struct view *v, const struct service *s)
{
	__u64 cgid = any_file(v, s->lease) ? cgroup_of_unit(v, s->unit) : 0;
	__u32 identity, flags;

	if (!cgid || !segment_of(v, cgid, 0, &identity) || identity == BH_ID_HOST)
		return;
	flags = identity < v->l->compiled->n_segs ? v->l->compiled->segs[identity].flags : 0;
	if (flags & (BH_SEG_DHCP | BH_SEG_OBSERVE))
		return;
	(void)bh_diag_add(v->d, BH_WARNING, NULL, "add dhcp: true to its segment",
			  "the lease of this host's address will not be renewed: %s is in segment "
			  "%s, which has no `dhcp: true`",
			  s->unit, segment_name(v, identity));
}

/* --- all of it ------------------------------------------------------------------------------------ */

static int advise(struct view *v)
{
	int r = bh_listenings_read(v->a, &v->listening);

	if (r == 0)
		r = bh_agent_cgroups_refresh(v->a);
	if (r == 0)
		r = bh_kern_each_cgroup(v->a->kern, on_cgroup, v);
	if (r == 0)
		r = advise_failsafes(v);
	if (r == 0)
		r = advise_names(v);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(time_daemons); i++)
		advise_time(v, &time_daemons[i]);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(dhcp_clients); i++)
		advise_lease(v, &dhcp_clients[i]);
	return r;
}

int bh_advice(struct bh_agent *a, const struct bh_live *l, __u64 gen, const char *root,
	      struct bh_diags *d)
{
	struct view v = {.a = a, .l = l, .gen = gen, .root = root, .d = d};
	int r;

	v.present = calloc(l->compiled->n_segs + 1, sizeof(*v.present));
	r = v.present ? advise(&v) : -ENOMEM;
	free(v.present);
	bh_listenings_clear(&v.listening);
	return r;
}
