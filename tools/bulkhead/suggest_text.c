/* SPDX-License-Identifier: Apache-2.0 */
/* suggest_text.c - see suggest_internal.h: the suggestion as YAML, with what was seen as comments. */
#include <errno.h>
#include <string.h>
#include "../../agent/policy/cidr.h"
#include "../../agent/policy/port.h"
#include "suggest_internal.h"

#define LEFT_MAX 100

/* --- what stays as it is in the live map ------------------------------------------------------------ */

static void put_words(FILE *out, const char *key, const struct bh_words *w, const char **lead)
{
	if (!w->n)
		return;
	fprintf(out, "%s%s: %s", *lead, key, w->n == 1 ? "" : "[");
	for (size_t i = 0; i < w->n; i++) {
		fputs(i ? ", " : "", out);
		bh_draft_put_quoted(out, w->v[i].s);
	}
	fputs(w->n == 1 ? "" : "]", out);
	*lead = ", ";
}

static void put_prefixes(FILE *out, const char *key, const struct bh_cidr *v, size_t n,
			 const char **lead)
{
	char text[BH_CIDR_TEXT];

	if (!n)
		return;
	fprintf(out, "%s%s: [", *lead, key);
	for (size_t i = 0; i < n; i++)
		fprintf(out, "%s\"%s\"", i ? ", " : "", bh_cidr_text(&v[i], text));
	fputc(']', out);
	*lead = ", ";
}

/* @whole: its addresses are meant, else its workloads. */
static void put_match(FILE *out, const struct bh_match *m, bool whole)
{
	const char *lead = "{ ";

	if (whole) {
		put_prefixes(out, "cidr", m->cidr, m->n_cidr, &lead);
		put_prefixes(out, "except", m->except, m->n_except, &lead);
	} else {
		put_words(out, "unit", &m->unit, &lead);
		put_words(out, "cgroup", &m->cgroup, &lead);
		put_words(out, "user", &m->user, &lead);
		put_words(out, "group", &m->group, &lead);
	}
	fputs(" }", out);
}

static bool has_part(const struct bh_match *m, bool whole)
{
	return whole ? m->n_cidr > 0 : m->unit.n || m->cgroup.n || m->user.n || m->group.n;
}

static void put_labels(FILE *out, const struct bh_segment *s)
{
	for (size_t i = 0; i < s->n_label; i++) {
		fputs(i ? ", " : ", labels: { ", out);
		bh_draft_put_quoted(out, s->label[i].key);
		fputs(": ", out);
		bh_draft_put_quoted(out, s->label[i].value);
	}
	if (s->n_label)
		fputs(" }", out);
}

static const char *port_word(const struct bh_port *p, char ret[48])
{
	const char *proto = p->proto == 6 ? "tcp" : p->proto == 17 ? "udp" : "udplite";

	if (p->any_port)
		(void)snprintf(ret, 48, p->proto ? "%s" : "any", proto);
	else if (p->lo == p->hi)
		(void)snprintf(ret, 48, "%s/%u", proto, p->lo);
	else
		(void)snprintf(ret, 48, "%s/%u-%u", proto, p->lo, p->hi);
	return ret;
}

static void put_ports(FILE *out, const char *key, const struct bh_ports *p)
{
	char text[48];

	if (!p->n)
		return;
	fprintf(out, ", %s: [", key);
	for (size_t i = 0; i < p->n; i++)
		fprintf(out, "%s%s", i ? ", " : "", port_word(&p->v[i], text));
	fputc(']', out);
}

static void put_kept(FILE *out, const char *name, const struct bh_segment *s, bool whole)
{
	const char *lead = "";
	size_t n = 0;

	for (size_t i = 0; i < s->n_match; i++)
		n += has_part(&s->match[i], whole);
	fprintf(out, "  %s: { match: %s", name, n == 1 ? "" : "[");
	for (size_t i = 0; i < s->n_match; i++) {
		if (!has_part(&s->match[i], whole))
			continue;
		fputs(lead, out);
		put_match(out, &s->match[i], whole);
		lead = ", ";
	}
	fputs(n == 1 ? "" : "]", out);
	put_labels(out, s);
	if (!whole)
		put_ports(out, "listen", &s->listen);
	if (s->mode != BH_MODE_INHERIT)
		fprintf(out, ", mode: %s", s->mode == BH_MODE_OBSERVE ? "observe" : "enforce");
	if (s->raw)
		fputs(", raw: allow", out);
	if (s->dhcp)
		fputs(", dhcp: true", out);
	if (s->admin)
		fputs(", admin: true", out);
	if (s->data) {
		fputs(", data: ", out);
		bh_draft_put_quoted(out, s->data);
	}
	if (s->description) {
		fputs(", description: ", out);
		bh_draft_put_quoted(out, s->description);
	}
	fputs(" }\n", out);
}

static void put_host(FILE *out, const struct bh_map *live)
{
	const struct bh_segment *s = live ? &live->segment[BH_SEG_HOST] : NULL;

	if (s && s->def[BH_OUT] == BH_DENY)
		fputs("  host: { default: { ingress: deny, egress: deny } }\n", out);
}

/* --- parts of the file ------------------------------------------------------------------------------ */

static void put_head(FILE *out, const struct bh_suggesting *w)
{
	const struct bh_draft *d = &w->d;
	const struct bh_map *live = w->ask->live;
	char tame[BH_DRAFT_TAME], name[BH_DRAFT_NAME];

	fprintf(out,
		"# What was seen on %s until %s, as a segment map, by `bulkhead suggest`.\n"
		"# It allows that and nothing else. It says what happened, not what is right: read "
		"it.\n",
		bh_draft_tame(w->ask->host, tame), w->ask->when);
	if (d->n_note)
		fputs("#\n# Seen, and in no rule:\n", out);
	for (size_t i = 0; i < d->n_note && i < LEFT_MAX; i++)
		fprintf(out, "#   - %s\n", bh_draft_tame(d->note[i], tame));
	if (d->n_note > LEFT_MAX)
		fprintf(out, "#   - and %zu more\n", d->n_note - LEFT_MAX);
	bh_draft_name(live ? live->name : w->ask->host, name);
	fprintf(out, "version: 1\nname: %s\nmode: %s\ndefault: { ingress: deny, egress: deny }\n\n",
		name, live && live->mode == BH_MODE_ENFORCE ? "enforce" : "observe");
}

static void put_segment(FILE *out, const struct bh_suggesting *w, size_t i)
{
	const struct bh_draft_seg *s = &w->d.seg[i];
	const struct bh_home *h = &w->home[i];

	if (h->kept) {
		put_kept(out, s->name, h->kept, h->whole);
		return;
	}
	if (s->spot.kind == BH_SPOT_ADDRS) {
		fprintf(out, "  %s: { match: { cidr: [", s->name);
		(void)bh_draft_put_cidrs(out, s, "");
		fputs("] } }\n", out);
		return;
	}
	fprintf(out, "  %s: { match: { %s: ", s->name,
		s->spot.kind == BH_SPOT_UNIT ? "unit" : "cgroup");
	bh_draft_put_quoted(out, s->spot.match);
	fputs(" } }\n", out);
}

static int by_name(const void *x, const void *y)
{
	const struct bh_draft_seg *const *a = x, *const *b = y;

	return strcmp((*a)->name, (*b)->name);
}

static int put_units(FILE *out, const struct bh_suggesting *w)
{
	const struct bh_draft *d = &w->d;
	const struct bh_draft_seg **v = calloc(d->n_local, sizeof(*v));

	if (!v)
		return -ENOMEM;
	for (size_t i = 1; i < d->n_local; i++)
		v[i - 1] = &d->seg[i];
	qsort(v, d->n_local - 1, sizeof(*v), by_name);
	for (size_t i = 1; i < d->n_local; i++)
		put_segment(out, w, (size_t)(v[i - 1] - d->seg));
	free(v);
	return 0;
}

static int put_segments(FILE *out, const struct bh_suggesting *w)
{
	const struct bh_map *live = w->ask->live;
	bool host = live && live->segment[BH_SEG_HOST].def[BH_OUT] == BH_DENY;

	if (w->d.n_seg == 1 && !host) {
		fputs("segments: {}\n", out);
		return 0;
	}
	fputs("segments:\n", out);
	put_host(out, live);
	if (put_units(out, w) < 0)
		return -ENOMEM;
	if (w->d.n_seg > w->d.n_local)
		fputs("  # addresses; those that did the same things are one segment\n", out);
	for (size_t i = w->d.n_local; i < w->d.n_seg; i++)
		put_segment(out, w, i);
	return 0;
}

static void put_rules(FILE *out, const struct bh_draft *d)
{
	static const char *const heads[] = {
		[BH_DRAFT_IN] = "who comes in",
		[BH_DRAFT_LOCAL] = "inside this host",
		[BH_DRAFT_OUT] = "where it goes",
	};

	fprintf(out, "\nallow:%s\n", d->n_rule ? "" : " []");
	for (size_t i = 0; i < d->n_rule; i++) {
		const struct bh_draft_rule *r = &d->rule[i];

		if (!i || d->rule[i - 1].dir != r->dir)
			fprintf(out, "  # --- %s\n", heads[r->dir]);
		fprintf(out, "  # %s\n  - { id: %s, from: ", r->why, r->id);
		bh_draft_put_ends(out, d, r->from, r->n_from);
		fputs(", to: ", out);
		bh_draft_put_ends(out, d, r->to, r->n_to);
		fprintf(out, ", port: %s%s }\n", r->port,
			r->posture ? ", require: { posture: healthy }" : "");
	}
}

static void put_failsafe(FILE *out, const struct bh_rule_src *r)
{
	const struct bh_sel *end = r->from.n_cidr ? &r->from : &r->to;
	const char *lead = "{ ";

	fprintf(out, "  - { id: %s, %s: ", r->id, r->from.n_cidr ? "from" : "to");
	put_prefixes(out, "cidr", end->cidr, end->n_cidr, &lead);
	fputs(" }", out);
	if (r->port.n && r->port.v[0].proto == 1)
		fputs(", port: icmp", out);
	else
		put_ports(out, "port", &r->port);
	if (r->unit.n) {
		lead = ", ";
		put_words(out, "unit", &r->unit, &lead);
	}
	if (r->wide)
		fputs(", wide: true", out);
	if (r->description) {
		fputs(", description: ", out);
		bh_draft_put_quoted(out, r->description);
	}
	fputs(" }\n", out);
}

static void put_failsafes(FILE *out, const struct bh_map *live)
{
	size_t n = 0;

	for (size_t i = 0; live && i < live->n_rule; i++) {
		if (live->rule[i].kind != BH_RULE_FAILSAFE)
			continue;
		if (!n++)
			fputs("\n# as in the live map\nfailsafe:\n", out);
		put_failsafe(out, &live->rule[i]);
	}
	if (!n)
		fputs("\n# No failsafe: the live map has none. The first map that enforces needs one.\n"
		      "# failsafe:\n"
		      "#   - { from: { cidr: [192.0.2.10/32] }, port: tcp/22, description: "
		      "\"operator's desk\" }\n",
		      out);
}

int bh_suggest_text(const struct bh_suggesting *w, char **ret, size_t *ret_len)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	bool bad;

	if (!out)
		return -ENOMEM;
	put_head(out, w);
	bad = put_segments(out, w) < 0;
	put_rules(out, &w->d);
	put_failsafes(out, w->ask->live);
	bad |= ferror(out) != 0;
	if (fclose(out) || bad) {
		free(text);
		return -ENOMEM;
	}
	*ret = text;
	*ret_len = len;
	return 0;
}
