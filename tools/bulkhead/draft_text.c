/* SPDX-License-Identifier: Apache-2.0 */
/* draft_text.c - see draft.h: the draft as YAML with comments, and as JSON. */
#include <errno.h>
#include <string.h>
#include "../../agent/policy/cidr.h"
#include "draft.h"

/* A list goes on in the next line behind that many characters. */
#define WRAP 90

/* --- pieces ---------------------------------------------------------------------------------------- */

/* Characters that a unit or a path can have are printable ASCII; see bh_spot_of(). */
void bh_draft_put_quoted(FILE *out, const char *s)
{
	fputc('"', out);
	for (; *s; s++)
		fprintf(out, *s == '"' || *s == '\\' ? "\\%c" : "%c", *s);
	fputc('"', out);
}

size_t bh_draft_put_cidrs(FILE *out, const struct bh_draft_seg *s, const char *lead)
{
	char text[BH_CIDR_TEXT];
	size_t col = strlen(lead) + 24;

	for (size_t i = 0; i < s->n_cidr; i++) {
		(void)bh_cidr_text(&s->cidr[i], text);
		if (i && col + strlen(text) > WRAP) {
			fprintf(out, ",\n%s      ", lead);
			col = strlen(lead) + 6;
		} else if (i) {
			fputs(", ", out);
		}
		/* a colon would make it a key */
		fprintf(out, s->cidr[i].v4 ? "%s" : "\"%s\"", text);
		col += strlen(text) + 4;
	}
	return col;
}

void bh_draft_put_ends(FILE *out, const struct bh_draft *d, const size_t *v, size_t n)
{
	size_t col = 40;

	if (n == 1) {
		fputs(bh_draft_seg_name(d, v[0]), out);
		return;
	}
	fputc('[', out);
	for (size_t i = 0; i < n; i++) {
		const char *name = bh_draft_seg_name(d, v[i]);

		if (i && col + strlen(name) > WRAP) {
			fputs(",\n        ", out);
			col = 8;
		} else if (i) {
			fputs(", ", out);
		}
		fputs(name, out);
		col += strlen(name) + 2;
	}
	fputc(']', out);
}

/* --- parts of the file ------------------------------------------------------------------------------ */

static void put_head(FILE *out, const struct bh_seen *s, const struct bh_draft *d)
{
	char tame[BH_DRAFT_TAME], name[BH_DRAFT_NAME];

	fprintf(out,
		"# A first segment map for %s: what ran there at %s, by `bulkhead init`.\n"
		"# It says what was seen in one moment, not what is right: read it before it is "
		"enforced.\n"
		"#\n"
		"# Ways to enforce, each a step further; `bulkhead flows --denied` shows what the "
		"next one denies:\n"
		"#   observe    as it stands: nothing is denied, what would be is reported\n"
		"#   draft      rules for what was reported and is wanted\n"
		"#   selective  `mode: enforce` in the line of one segment, then of another\n"
		"#   full       `mode: enforce` below, and no `mode: observe` behind it\n",
		bh_draft_tame(s->host, tame), s->when);
	if (s->n_unseen + d->n_note)
		fputs("#\n# Not in it:\n", out);
	for (size_t i = 0; i < s->n_unseen; i++)
		fprintf(out, "#   - %s\n", bh_draft_tame(s->unseen[i], tame));
	for (size_t i = 0; i < d->n_note; i++)
		fprintf(out, "#   - %s\n", bh_draft_tame(d->note[i], tame));
	bh_draft_name(s->host, name);
	fprintf(out,
		"version: 1\nname: %s\nmode: observe\ndefault: { ingress: deny, egress: deny }\n\n",
		name);
}

static void put_local(FILE *out, const struct bh_draft_seg *s)
{
	fprintf(out, "  %s: { match: { %s: ", s->name,
		s->spot.kind == BH_SPOT_UNIT ? "unit" : "cgroup");
	bh_draft_put_quoted(out, s->spot.match);
	fputs(" }", out);
	if (s->dhcp)
		fputs(", dhcp: true", out);
	if (s->spot.kind < BH_SPOT_UNIT)
		fputs(", mode: observe", out);
	fputs(" }\n", out);
}

static void put_addresses(FILE *out, const struct bh_draft *d, size_t i)
{
	const struct bh_draft_seg *s = &d->seg[i];

	if (i == d->lan)
		fputs("  # the networks that this host is on\n", out);
	if (i == d->private)
		fputs("  # other private networks; without them they would be world, as the "
		      "internet is\n",
		      out);
	fprintf(out, "  %s%s: { match: { cidr: [", s->off ? "# " : "", s->name);
	(void)bh_draft_put_cidrs(out, s, s->off ? "  #" : "");
	fputs("] }", out);
	if (s->shut)
		fputs(", default: { ingress: deny, egress: deny }", out);
	fputs(" }\n", out);
}

static void put_segments(FILE *out, const struct bh_draft *d)
{
	fputs("segments:\n", out);
	if (d->n_local > BH_DRAFT_N_FIXED)
		fputs("  # what listens or was connected\n", out);
	for (size_t i = BH_DRAFT_N_FIXED; i < d->n_local; i++)
		put_local(out, &d->seg[i]);
	fputs("  # people: their sessions and what they run\n", out);
	put_local(out, &d->seg[BH_DRAFT_LOGINS]);
	fputs("  # everything else on this host, seen or not\n", out);
	put_local(out, &d->seg[BH_DRAFT_REST]);
	if (d->n_seg > d->n_local)
		fputs("  # addresses; those that did the same things are one segment\n", out);
	for (size_t i = d->n_local; i < d->n_seg; i++)
		put_addresses(out, d, i);
}

static void put_rule(FILE *out, const struct bh_draft *d, const struct bh_draft_rule *r)
{
	fprintf(out, "  # %s\n", r->why);
	fprintf(out, "  %s- { id: %s, from: ", r->off ? "# " : "", r->id);
	bh_draft_put_ends(out, d, r->from, r->n_from);
	fputs(", to: ", out);
	if (r->to_any)
		fputs("any", out);
	else
		bh_draft_put_ends(out, d, r->to, r->n_to);
	fprintf(out, ", port: %s }\n", r->port);
}

static void put_rules(FILE *out, const struct bh_draft *d)
{
	static const char *const heads[] = {
		[BH_DRAFT_IN] = "who comes in",
		[BH_DRAFT_LOCAL] = "inside this host",
		[BH_DRAFT_OUT] = "where it goes",
	};
	size_t on = 0;

	for (size_t i = 0; i < d->n_rule; i++)
		on += !d->rule[i].off;
	fprintf(out, "\nallow:%s\n", on ? "" : " []");
	for (size_t i = 0; i < d->n_rule; i++) {
		if (!i || d->rule[i - 1].dir != d->rule[i].dir)
			fprintf(out, "  # --- %s\n", heads[d->rule[i].dir]);
		put_rule(out, d, &d->rule[i]);
	}
	fputs("  # --- not seen, and often wanted\n"
	      "  # - { id: ping, from: any, to: any, port: icmp/echo-request }\n",
	      out);
}

static void put_failsafe(FILE *out, const struct bh_draft *d)
{
	fputs("\n# Holds whatever the rules say, in a quarantine too: the way back in. At the wire only.\n",
	      out);
	if (d->failsafe) {
		fprintf(out, "failsafe:\n  # %s\n  - %s\n", d->failsafe_why, d->failsafe);
		return;
	}
	fprintf(out,
		"# None: %s.\n"
		"# TODO from where do you administer this host? Without one no map is enforced.\n"
		"# failsafe:\n"
		"#   - { from: { cidr: [192.0.2.10/32] }, port: tcp/22, description: \"operator's "
		"desk\" }\n",
		d->failsafe_why);
}

int bh_draft_text(const struct bh_seen *s, const struct bh_draft *d, char **ret, size_t *ret_len)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	bool bad;

	if (!out)
		return -ENOMEM;
	put_head(out, s, d);
	put_segments(out, d);
	put_rules(out, d);
	put_failsafe(out, d);
	bad = ferror(out) != 0;
	if (fclose(out) || bad) {
		free(text);
		return -ENOMEM;
	}
	*ret = text;
	*ret_len = len;
	return 0;
}

/* --- JSON ------------------------------------------------------------------------------------------- */

static json_t *json_seg(const struct bh_draft_seg *s)
{
	json_t *o = json_pack("{s:s}", "name", s->name), *list;
	char text[BH_CIDR_TEXT];

	if (o && s->off)
		(void)json_object_set_new(o, "off", json_true());
	if (!o || s->spot.kind != BH_SPOT_ADDRS) {
		if (o)
			(void)json_object_set_new(o,
						  s->spot.kind == BH_SPOT_UNIT ? "unit" : "cgroup",
						  json_string(s->spot.match));
		if (o && s->dhcp)
			(void)json_object_set_new(o, "dhcp", json_true());
		return o;
	}
	list = json_array();
	for (size_t i = 0; i < s->n_cidr; i++)
		(void)json_array_append_new(list, json_string(bh_cidr_text(&s->cidr[i], text)));
	(void)json_object_set_new(o, "cidr", list);
	return o;
}

static json_t *json_ends(const struct bh_draft *d, const size_t *v, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		(void)json_array_append_new(list, json_string(bh_draft_seg_name(d, v[i])));
	return list;
}

static json_t *json_rule(const struct bh_draft *d, const struct bh_draft_rule *r)
{
	static const char *const dirs[] = {"in", "local", "out"};

	return json_pack("{s:s s:s s:o s:o s:s s:b s:s}", "id", r->id, "direction", dirs[r->dir],
			 "from", json_ends(d, r->from, r->n_from), "to",
			 r->to_any ? json_pack("[s]", "any") : json_ends(d, r->to, r->n_to), "port",
			 r->port, "off", r->off, "why", r->why);
}

static json_t *json_strings(char **a, size_t n_a, char **b, size_t n_b)
{
	json_t *list = json_array();
	char tame[BH_DRAFT_TAME];

	for (size_t i = 0; i < n_a + n_b; i++)
		(void)json_array_append_new(
			list, json_string(bh_draft_tame(i < n_a ? a[i] : b[i - n_a], tame)));
	return list;
}

json_t *bh_draft_json(const struct bh_seen *s, const struct bh_draft *d)
{
	json_t *segs = json_array(), *rules = json_array();
	char text[BH_CIDR_TEXT];

	/* the reserved one is no line of the map */
	for (size_t i = BH_DRAFT_REST; i < d->n_seg; i++)
		(void)json_array_append_new(segs, json_seg(&d->seg[i]));
	for (size_t i = 0; i < d->n_rule; i++)
		(void)json_array_append_new(rules, json_rule(d, &d->rule[i]));
	return json_pack("{s:o s:o s:o s:s s:o}", "segments", segs, "rules", rules, "failsafe",
			 d->failsafe ? json_pack("{s:s s:i}", "from",
						 bh_cidr_text(&d->failsafe_cidr, text), "port",
						 s->login.port)
				     : json_null(),
			 "failsafe_why", d->failsafe_why, "unseen",
			 json_strings(s->unseen, s->n_unseen, d->note, d->n_note));
}
