/* SPDX-License-Identifier: Apache-2.0 */
/* draft_rules.c - see draft_internal.h: rules, each with the sockets that it comes from. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <string.h>
#include "../../agent/policy/cidr.h"
#include "draft_internal.h"

#define NAMED_MAX 4 /* addresses in a comment */

const char *bh_draft_proto(__u8 proto)
{
	return proto == IPPROTO_TCP ? "tcp" : "udp";
}

static const char *addr_text(const struct bh_addr *a, char ret[INET6_ADDRSTRLEN])
{
	bool v4 = bh_seen_is_v4(a);

	return inet_ntop(v4 ? AF_INET : AF_INET6, a->b + (v4 ? 12 : 0), ret, INET6_ADDRSTRLEN);
}

static int say(char **ret, const char *fmt, ...) _printf_(2, 3);

/* Appends. */
static int say(char **ret, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	char *all;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0) {
		text = NULL;
		return -ENOMEM;
	}
	if (asprintf(&all, "%s%s", *ret ? *ret : "", text) < 0)
		return -ENOMEM;
	free(*ret);
	*ret = all;
	return 0;
}

/* --- a rule and its ends --------------------------------------------------------------------------- */

static bool has(const size_t *v, size_t n, size_t seg)
{
	for (size_t i = 0; i < n; i++)
		if (v[i] == seg)
			return true;
	return false;
}

static int add_end(struct bh_draft *d, size_t **v, size_t *n, size_t seg)
{
	size_t *new;

	if (has(*v, *n, seg))
		return 0;
	new = bh_seen_grow(v, n, sizeof(*new));
	if (!new)
		return -ENOMEM;
	*new = seg;
	if (seg != BH_DRAFT_WORLD)
		d->seg[seg].named = true;
	return 0;
}

static bool id_taken(const struct bh_draft *d, const char *id)
{
	for (size_t i = 0; i + 1 < d->n_rule; i++)
		if (!strcmp(d->rule[i].id, id))
			return true;
	return false;
}

static struct bh_draft_rule *add_rule(struct bh_draft *d, enum bh_draft_dir dir, const char *port,
				      const char *fmt, ...) _printf_(4, 5);

/* @fmt: its id, if nobody else has it */
static struct bh_draft_rule *add_rule(struct bh_draft *d, enum bh_draft_dir dir, const char *port,
				      const char *fmt, ...)
{
	struct bh_draft_rule *r = bh_seen_grow(&d->rule, &d->n_rule, sizeof(*r));
	char id[sizeof(r->id) - 8];
	va_list ap;

	if (!r)
		return NULL;
	r->dir = dir;
	(void)snprintf(r->port, sizeof(r->port), "%s", port);
	va_start(ap, fmt);
	(void)vsnprintf(id, sizeof(id), fmt, ap);
	va_end(ap);
	(void)snprintf(r->id, sizeof(r->id), "%s", id);
	for (unsigned i = 2; id_taken(d, r->id); i++)
		(void)snprintf(r->id, sizeof(r->id), "%s-%u", id, i);
	return r;
}

/* "tcp/443"; a resolver is asked over both */
static const char *port_text(const struct bh_talk *t, char ret[32])
{
	if (t->port == 53 && t->proto == IPPROTO_UDP && t->dir != BH_DRAFT_IN)
		return "[udp/53, tcp/53]";
	(void)snprintf(ret, 32, "%s/%u", bh_draft_proto(t->proto), t->port);
	return ret;
}

/* The segments of the peers of conversation @c into a list. */
static int add_peers(struct bh_drafting *w, size_t c, size_t **v, size_t *n)
{
	const struct bh_talk *t = &w->talk[w->conv[c].from];
	size_t zone = t->zone == BH_ZONE_LAN	   ? w->d->lan
		      : t->zone == BH_ZONE_PRIVATE ? w->d->private
						   : BH_DRAFT_WORLD;
	int r = 0;

	/* no segment of its own: every prefix of it is on the link */
	if (!zone)
		zone = w->d->lan ? w->d->lan : BH_DRAFT_WORLD;
	for (size_t k = 0; !r && k < w->n_class; k++) {
		const struct bh_draft_seg *s = &w->d->seg[w->first_class + k];
		bool in = w->speaks[k * w->n_conv + c];

		/* a named address is in its own segment, no more in the zone's */
		for (size_t i = 0; w->conv[c].general && !in && i < s->n_cidr; i++)
			in = bh_zone_of(w->s, &s->cidr[i].addr) == t->zone;
		if (in)
			r = add_end(w->d, v, n, w->first_class + k);
	}
	return r || !w->conv[c].general ? r : add_end(w->d, v, n, zone);
}

static bool ends_open(const char *why)
{
	return why[strlen(why) - 1] == ' ';
}

static int say_peers(const struct bh_drafting *w, size_t c, char **why)
{
	const struct bh_conv *conv = &w->conv[c];
	static const char *const zones[] = {"the local network", "private networks",
					    "the internet"};
	static const char *const words[] = {"from", "inside of this host, at", "to"};
	size_t n = conv->to - conv->from;
	char text[INET6_ADDRSTRLEN];
	int r = *why ? 0 : say(why, "%s ", words[w->talk[conv->from].dir]);

	for (size_t i = 0; !r && i < n && i < NAMED_MAX; i++)
		r = say(why, "%s%s", !ends_open(*why) ? ", " : "",
			addr_text(&w->talk[conv->from + i].addr, text));
	if (!r && n > NAMED_MAX)
		r = say(why, " and %zu more", n - NAMED_MAX);
	if (!r && conv->general)
		r = say(why, " (so all of %s)", zones[w->talk[conv->from].zone]);
	return r;
}

/* --- from and to the network ------------------------------------------------------------------------ */

/* The same port of the same segment in another zone is the same rule. */
static bool goes_on(const struct bh_drafting *w, size_t c)
{
	const struct bh_talk *a, *b;

	if (!c)
		return false;
	a = &w->talk[w->conv[c - 1].from];
	b = &w->talk[w->conv[c].from];
	return a->dir == b->dir && a->seg == b->seg && a->proto == b->proto && a->port == b->port;
}

static int add_local_ends(struct bh_drafting *w, size_t but, size_t **v, size_t *n)
{
	int r = 0;

	for (size_t i = BH_DRAFT_REST; !r && i < w->d->n_local; i++)
		if (i != but)
			r = add_end(w->d, v, n, i);
	return r;
}

static int rule_of(struct bh_drafting *w, size_t c)
{
	const struct bh_talk *t = &w->talk[w->conv[c].from];
	bool in = t->dir == BH_DRAFT_IN, all = t->seg == BH_TALK_ALL;
	const char *name = all ? "all" : w->d->seg[t->seg].name;
	struct bh_draft_rule *rule;
	char port[32];
	int r = 0;

	if (goes_on(w, c)) {
		rule = &w->d->rule[w->d->n_rule - 1];
	} else if (all) {
		rule = add_rule(w->d, t->dir, port_text(t, port), "dns");
		r = rule ? say(&rule->why, "resolv.conf names ") : -ENOMEM;
	} else {
		rule = add_rule(w->d, t->dir, port_text(t, port), "%s-%s-%s%u", name,
				in ? "in" : "out", t->proto == IPPROTO_UDP ? "udp-" : "", t->port);
	}
	if (!rule || r)
		return -ENOMEM;
	if (all)
		r = add_local_ends(w, BH_DRAFT_WORLD, &rule->from, &rule->n_from);
	else
		r = in ? add_end(w->d, &rule->to, &rule->n_to, t->seg)
		       : add_end(w->d, &rule->from, &rule->n_from, t->seg);
	if (!r)
		r = in ? add_peers(w, c, &rule->from, &rule->n_from)
		       : add_peers(w, c, &rule->to, &rule->n_to);
	return r ? r : say_peers(w, c, &rule->why);
}

static int local_rule(struct bh_drafting *w, size_t c)
{
	const struct bh_talk *t = &w->talk[w->conv[c].from];
	const struct bh_draft *d = w->d;
	bool all = t->other == BH_TALK_ALL;
	struct bh_draft_rule *rule;
	char port[32];
	int r;

	rule = all ? add_rule(w->d, t->dir, port_text(t, port), "dns")
		   : add_rule(w->d, t->dir, port_text(t, port), "%.40s-%.40s-%s%u",
			      d->seg[t->other].name, d->seg[t->seg].name,
			      t->proto == IPPROTO_UDP ? "udp-" : "", t->port);
	if (!rule)
		return -ENOMEM;
	r = add_end(w->d, &rule->to, &rule->n_to, t->seg);
	if (!r)
		r = all ? add_local_ends(w, t->seg, &rule->from, &rule->n_from)
			: add_end(w->d, &rule->from, &rule->n_from, t->other);
	if (!r && all)
		r = say(&rule->why, "resolv.conf names ");
	return r ? r : say_peers(w, c, &rule->why);
}

/* --- who listens, and nobody came ------------------------------------------------------------------- */

static bool is_heard(const struct bh_drafting *w, const struct bh_ear *e)
{
	for (size_t i = 0; i < w->n_conv; i++) {
		const struct bh_talk *t = &w->talk[w->conv[i].from];

		if (t->dir != BH_DRAFT_OUT && t->seg == e->seg && t->port == e->port &&
		    (t->proto == e->proto || (t->port == 53 && t->other == BH_TALK_ALL)))
			return true;
	}
	return false;
}

/*
 * Off: what nobody was seen to use is not opened, so nothing is opened by mistake, and while the
 * map observes the first who comes is reported.
 */
static int quiet_rule(struct bh_drafting *w, const struct bh_ear *e)
{
	struct bh_draft *d = w->d;
	struct bh_draft_rule *rule;
	size_t *new;
	char port[32];

	(void)snprintf(port, sizeof(port), "%s/%u", bh_draft_proto(e->proto), e->port);
	rule = add_rule(d, BH_DRAFT_IN, port, "%s-in-%s%u", d->seg[e->seg].name,
			e->proto == IPPROTO_UDP ? "udp-" : "", e->port);
	if (!rule)
		return -ENOMEM;
	rule->off = true;
	new = bh_seen_grow(&rule->to, &rule->n_to, sizeof(*new));
	if (!new)
		return -ENOMEM;
	*new = e->seg;
	new = bh_seen_grow(&rule->from, &rule->n_from, sizeof(*new));
	if (!new)
		return -ENOMEM;
	*new = !e->wire ? BH_DRAFT_LOGINS : d->lan ? d->lan : BH_DRAFT_WORLD;
	if (e->proto == IPPROTO_UDP)
		return say(&rule->why, "TODO who may? UDP does not show who asks%s",
			   e->wire ? "" : "; on loopback only");
	return say(&rule->why, "TODO who may? It listens%s, and nobody was connected",
		   e->wire ? "" : " on loopback only");
}

/* --- clocks ------------------------------------------------------------------------------------------ */

static int clock_rules(struct bh_drafting *w)
{
	for (size_t i = 0; i < w->d->n_local; i++) {
		struct bh_draft_rule *rule;

		if (bh_draft_known(&w->d->seg[i].spot) != 'c')
			continue;
		rule = add_rule(w->d, BH_DRAFT_OUT, "udp/123", "%s-ntp", w->d->seg[i].name);
		if (!rule || add_end(w->d, &rule->from, &rule->n_from, i) < 0)
			return -ENOMEM;
		rule->to_any = true;
		if (say(&rule->why, "it sets the clock; TODO which servers") < 0)
			return -ENOMEM;
	}
	return 0;
}

/* --- all of it --------------------------------------------------------------------------------------- */

/* Zones stand in the map for rules to name; what names world means the rest of them. */
static void mark_zones(struct bh_draft *d)
{
	const size_t zones[] = {d->lan, d->private};
	bool world = false;

	for (size_t i = 0; i < d->n_rule; i++) {
		const struct bh_draft_rule *r = &d->rule[i];

		world |= !r->off && (has(r->from, r->n_from, BH_DRAFT_WORLD) ||
				     has(r->to, r->n_to, BH_DRAFT_WORLD));
	}
	for (size_t i = 0; i < ARRAY_SIZE(zones); i++) {
		struct bh_draft_seg *s = &d->seg[zones[i]];

		s->shut = zones[i] && !s->named && world;
		s->off = zones[i] && !s->named && !world;
	}
}

int bh_draft_rules(struct bh_drafting *w)
{
	int r = 0;

	for (size_t c = 0; !r && c < w->n_conv; c++)
		if (w->talk[w->conv[c].from].dir == BH_DRAFT_IN)
			r = rule_of(w, c);
	for (size_t i = 0; !r && i < w->n_ear; i++)
		if (!is_heard(w, &w->ear[i]))
			r = quiet_rule(w, &w->ear[i]);
	for (size_t c = 0; !r && c < w->n_conv; c++)
		if (w->talk[w->conv[c].from].dir == BH_DRAFT_LOCAL)
			r = local_rule(w, c);
	for (size_t c = 0; !r && c < w->n_conv; c++)
		if (w->talk[w->conv[c].from].dir == BH_DRAFT_OUT)
			r = rule_of(w, c);
	if (!r)
		r = clock_rules(w);
	mark_zones(w->d);
	return r;
}

static int no_failsafe(struct bh_draft *d, const char *why)
{
	d->failsafe_why = strdup(why);
	return d->failsafe_why ? 0 : -ENOMEM;
}

int bh_draft_failsafe(struct bh_drafting *w)
{
	const struct bh_login *l = &w->s->login;
	struct bh_draft *d = w->d;
	char text[BH_CIDR_TEXT], tame[BH_DRAFT_TAME];

	d->failsafe_cidr =
		(struct bh_cidr){.addr = l->peer, .plen = 128, .v4 = bh_seen_is_v4(&l->peer)};
	if (l->how == BH_LOGIN_CONSOLE)
		return no_failsafe(d, "this was written at a console");
	if (l->how == BH_LOGIN_NONE)
		return no_failsafe(d, "no connection was found that this session came over");
	if (bh_seen_is_own(w->s, &l->peer))
		return no_failsafe(d, "this session comes from this host itself, and a failsafe "
				      "holds at the wire");
	if (bh_addr_is_link(&l->peer))
		return no_failsafe(d, "this session comes from a link-local address, which no map "
				      "can name");
	if (asprintf(&d->failsafe, "{ from: { cidr: [\"%s\"] }, port: tcp/%u, description: %s }",
		     bh_cidr_text(&d->failsafe_cidr, text), l->port,
		     "\"the session that wrote this map\"") < 0) {
		d->failsafe = NULL;
		return -ENOMEM;
	}
	if (l->how == BH_LOGIN_HINT)
		return say(&d->failsafe_why, "SSH_CONNECTION says so: check it");
	return say(&d->failsafe_why, "held by %s", bh_draft_tame(l->name, tame));
}
