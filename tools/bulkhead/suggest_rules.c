/* SPDX-License-Identifier: Apache-2.0 */
/* suggest_rules.c - see suggest_internal.h: a rule for each saying, and how often it was said. */
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <string.h>
#include "../../agent/policy/port.h"
#include "suggest_internal.h"
#include "text.h"

static const char *icmp_name(const struct bh_said *t)
{
	for (size_t i = 0; i < bh_n_icmp_names; i++) {
		const struct bh_icmp_name *n = &bh_icmp_names[i];
		int is = t->proto == IPPROTO_ICMP ? n->v4 : n->v6;

		if (is >= 0 && (n->any_code ? is >> 8 == t->port >> 8 : is == t->port))
			return n->name;
	}
	return NULL;
}

/* As it stands in a rule. False: there is no word for it. */
static bool port_text(const struct bh_said *t, char ret[32])
{
	const char *name = NULL;

	if (t->proto == IPPROTO_ICMP || t->proto == IPPROTO_ICMPV6) {
		name = icmp_name(t);
		(void)snprintf(ret, 32, "icmp/%s", name ? name : "");
		return name;
	}
	if (t->proto == IPPROTO_TCP || t->proto == IPPROTO_UDP || t->proto == IPPROTO_UDPLITE) {
		name = t->proto == IPPROTO_TCP	 ? "tcp"
		       : t->proto == IPPROTO_UDP ? "udp"
						 : "udplite";
		(void)snprintf(ret, 32, "%s/%u", name, t->port);
		return t->port != 0;
	}
	(void)snprintf(ret, 32, "proto/%u", t->proto);
	return true;
}

/* --- ends ------------------------------------------------------------------------------------------- */

static int add_end(size_t **v, size_t *n, size_t seg)
{
	size_t *new;

	for (size_t i = 0; i < *n; i++)
		if ((*v)[i] == seg)
			return 0;
	new = bh_seen_grow(v, n, sizeof(*new));
	if (!new)
		return -ENOMEM;
	*new = seg;
	return 0;
}

/* A named address is in its own segment, no more in the one that all of them are in. */
static int add_whole(struct bh_suggesting *w, const char *remote, size_t **v, size_t *n)
{
	bool world = !strcmp(remote, "world");
	int r = world ? add_end(v, n, BH_DRAFT_WORLD) : 0;

	for (size_t i = w->first_class; !r && i < w->d.n_seg; i++)
		if (!strcmp(w->home[i].remote, remote))
			r = add_end(v, n, i);
	return r;
}

static int add_peers(struct bh_suggesting *w, const struct bh_saying *c, size_t **v, size_t *n)
{
	int r = 0;

	for (size_t i = c->class_from; !r && i < c->class_to; i++)
		r = add_end(v, n, w->speaks[i].class);
	for (size_t i = c->from; !r && i < c->to; i++)
		if (w->said[i].many)
			r = add_whole(w, w->said[i].remote, v, n);
	return r;
}

/* --- why -------------------------------------------------------------------------------------------- */

/* "2026-05-01T10:00:00.123Z" without what nobody reads */
static const char *minute(const char *time, char ret[24])
{
	(void)snprintf(ret, 24, "%.16s%s", time, strlen(time) > 16 ? "Z" : "");
	return ret;
}

/* A UDP socket that was connected and, as far as was told, sent nothing. */
static bool is_silent(const struct bh_said *t)
{
	return t->silent && t->proto == IPPROTO_UDP;
}

static int say_why(const struct bh_suggesting *w, const struct bh_saying *c, char **ret)
{
	const char *first = w->said[c->from].first, *last = w->said[c->from].last;
	char begun[24], ended[24], often[32] = "once";
	bool many = false, silent = true, same;
	uint64_t times = 0;

	for (size_t i = c->from; i < c->to; i++) {
		const struct bh_said *t = &w->said[i];

		times += t->times;
		many |= t->many;
		silent &= is_silent(t);
		/* RFC 3339, all of them UTC: in the order of their letters */
		if (strcmp(t->first, first) < 0)
			first = t->first;
		if (strcmp(t->last, last) > 0)
			last = t->last;
	}
	if (times != 1)
		(void)snprintf(often, sizeof(often), "%" PRIu64 " times", times);
	same = !strcmp(minute(first, begun), minute(last, ended));
	return asprintf(ret, "seen %s, %s%s%s%s%s", often, begun, same ? "" : " to ",
			same ? "" : ended,
			silent ? "; connect() and no datagram, as ping and getaddrinfo do" : "",
			many ? "; from or to more addresses than are kept, so all of their segment"
			     : "") < 0
		       ? -ENOMEM
		       : 0;
}

/* --- rules ------------------------------------------------------------------------------------------- */

static int left_out(struct bh_suggesting *w, const struct bh_said *t)
{
	return bh_draft_note(&w->d, "%s: protocol %u, type %u code %u: no word of a map names it",
			     bh_draft_seg_name(&w->d, t->seg), t->proto, t->port >> 8,
			     t->port & 0xff);
}

static void name_rule(struct bh_suggesting *w, const struct bh_said *t, struct bh_draft_rule *r)
{
	static const char *const words[] = {
		[BH_DRAFT_IN] = "in", [BH_DRAFT_LOCAL] = "from", [BH_DRAFT_OUT] = "out"};
	char id[sizeof(r->id) - 12], port[32];
	unsigned n = 1;

	(void)snprintf(port, sizeof(port), "%s", r->port);
	for (char *s = port; *s; s++)
		if (*s == '/')
			*s = '-';
	if (t->dir == BH_DRAFT_LOCAL)
		(void)snprintf(id, sizeof(id), "%.40s-%.40s-%.14s",
			       bh_draft_seg_name(&w->d, t->other), bh_draft_seg_name(&w->d, t->seg),
			       port);
	else
		(void)snprintf(id, sizeof(id), "%.47s-%s-%.31s", bh_draft_seg_name(&w->d, t->seg),
			       words[t->dir], port);
	(void)snprintf(r->id, sizeof(r->id), "%s", id);
	while (json_object_get(w->names, r->id))
		(void)snprintf(r->id, sizeof(r->id), "%s-%u", id, ++n);
	(void)json_object_set_new(w->names, r->id, json_integer(0));
}

static int rule_of(struct bh_suggesting *w, const struct bh_saying *c)
{
	const struct bh_said *t = &w->said[c->from];
	struct bh_draft_rule *rule;
	char port[32];
	int r;

	if (!port_text(t, port))
		return left_out(w, t);
	rule = bh_seen_grow(&w->d.rule, &w->d.n_rule, sizeof(*rule));
	if (!rule)
		return -ENOMEM;
	rule->dir = t->dir;
	rule->posture = t->posture;
	(void)snprintf(rule->port, sizeof(rule->port), "%s", port);
	name_rule(w, t, rule);
	if (t->dir == BH_DRAFT_LOCAL) {
		r = add_end(&rule->from, &rule->n_from, t->other);
		r = r ? r : add_end(&rule->to, &rule->n_to, t->seg);
	} else if (t->dir == BH_DRAFT_IN) {
		r = add_peers(w, c, &rule->from, &rule->n_from);
		r = r ? r : add_end(&rule->to, &rule->n_to, t->seg);
	} else {
		r = add_end(&rule->from, &rule->n_from, t->seg);
		r = r ? r : add_peers(w, c, &rule->to, &rule->n_to);
	}
	if (!r && (!rule->n_from || !rule->n_to)) {
		free(rule->from);
		free(rule->to);
		w->d.n_rule--;
		return 0;
	}
	return r ? r : say_why(w, c, &rule->why);
}

int bh_suggest_rules(struct bh_suggesting *w)
{
	int r = 0;

	json_object_clear(w->names);
	for (size_t i = 0; !r && i < w->n_saying; i++)
		r = rule_of(w, &w->saying[i]);
	return r;
}
