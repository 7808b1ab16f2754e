/* SPDX-License-Identifier: Apache-2.0 */
/* parse_rule.c - `allow:`, `deny:`, `failsafe:` and `assert:`. Called by parse.c. */
#include <netinet/in.h>
#include <string.h>
#include "cidr.h"
#include "port.h"
#include "when.h"

/* --- values that several have --------------------------------------------------------------- */

void bh_parse_ports(struct bh_parse *p, struct bh_ports *ret, const struct bh_yaml *y)
{
	size_t n;
	const struct bh_yaml *e = bh_each(y, &n);

	if (y->kind == BH_YAML_SEQ && !n)
		bh_parse_error(p, y, "write `any` if every port is meant",
			       "an empty list of ports");
	ret->v = bh_parse_alloc(p, n, sizeof(*ret->v));
	if (!ret->v)
		return;
	for (; n; n--, e = e->next) {
		struct bh_port *port = &ret->v[ret->n];
		struct bh_fault f;
		const char *s;

		port->pos = e->pos;
		/* A number alone is the commonest mistake: say more than "a word is needed". */
		if (e->kind == BH_YAML_SCALAR && bh_yaml_type(e) == BH_YAML_INT)
			s = e->s;
		else
			s = bh_want_text(p, e);
		if (!s)
			continue;
		if (bh_port_parse(s, port, &f))
			bh_parse_error(p, e, f.help, "%s", f.text);
		else
			ret->n++;
	}
}

void bh_parse_cidrs(struct bh_parse *p, struct bh_cidr **ret, size_t *ret_n,
		    const struct bh_yaml *y)
{
	size_t n, done = 0;
	const struct bh_yaml *e = bh_each(y, &n);
	struct bh_cidr *list = bh_parse_alloc(p, n, sizeof(*list));

	for (; list && n; n--, e = e->next) {
		const char *s = bh_want_text(p, e);
		struct bh_fault f;

		if (!s)
			continue;
		if (bh_cidr_parse(s, &list[done], &f))
			bh_parse_error(p, e, f.help, "%s", f.text);
		else
			list[done++].pos = e->pos;
	}
	*ret = list;
	*ret_n = done;
}

/* --- rules ---------------------------------------------------------------------------------- */

static void rule_id(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	((struct bh_rule_src *)obj)->id = bh_want_id(p, y);
}

static void rule_from(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	bh_parse_selector(p, &((struct bh_rule_src *)obj)->from, y);
}

static void rule_to(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	bh_parse_selector(p, &((struct bh_rule_src *)obj)->to, y);
}

static void rule_port(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	bh_parse_ports(p, &((struct bh_rule_src *)obj)->port, y);
}

/* `enforce` is what a rule does anyway: a rule off probation. */
static void rule_mode(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	if (bh_want_mode(p, y) == BH_MODE_OBSERVE)
		((struct bh_rule_src *)obj)->mode = BH_MODE_OBSERVE;
}

static void rule_until(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	const char *s = bh_want_text(p, y);
	struct bh_fault f;

	if (s && bh_when_parse(s, &((struct bh_rule_src *)obj)->until_s, &f))
		bh_parse_error(p, y, f.help, "%s", f.text);
}

static void rule_owner(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	bh_parse_description(p, &((struct bh_rule_src *)obj)->owner, y);
}

static void rule_description(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	bh_parse_description(p, &((struct bh_rule_src *)obj)->description, y);
}

/* --- require: and jit: ---------------------------------------------------------------------- */

static void require_posture(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	static const char *const words[] = {"healthy"};

	if (bh_want_one_of(p, y, words, ARRAY_SIZE(words)) == 0)
		((struct bh_rule_src *)obj)->require_posture = true;
}

static const struct bh_key require_keys[] = {
	{"posture", require_posture, true},
};
const struct bh_keys bh_keys_require = {"`require`", require_keys, ARRAY_SIZE(require_keys)};

static void rule_require(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	if (!bh_want_map(p, y, "{ posture: healthy }"))
		return;
	bh_parse_keys(p, y, &bh_keys_require, obj);
	bh_report_warning(p->map, p->d, y->pos, "remove `require` to open the rule",
			  "posture is not measured yet: this rule stays closed (posture_unknown)");
}

static void jit_max(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	const char *s = bh_want_text(p, y);
	struct bh_fault f;

	if (s && bh_duration_parse(s, &((struct bh_rule_src *)obj)->jit_max_s, &f))
		bh_parse_error(p, y, f.help, "%s", f.text);
}

static void jit_reason(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	static const char *const words[] = {"optional", "required"};

	((struct bh_rule_src *)obj)->jit_reason = bh_want_one_of(p, y, words, 2) == 1;
}

static const struct bh_key jit_keys[] = {
	{"max", jit_max, false},
	{"reason", jit_reason, false},
};
const struct bh_keys bh_keys_jit = {"`jit`", jit_keys, ARRAY_SIZE(jit_keys)};

static void rule_jit(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	if (!bh_want_map(p, y, "{ max: 1h, reason: required }"))
		return;
	((struct bh_rule_src *)obj)->jit = true;
	bh_parse_keys(p, y, &bh_keys_jit, obj);
}

static const struct bh_key allow_keys[] = {
	{"id", rule_id, true},
	{"from", rule_from, true},
	{"to", rule_to, true},
	{"port", rule_port, true},
	{"require", rule_require, false},
	{"jit", rule_jit, false},
	{"mode", rule_mode, false},
	{"until", rule_until, false},
	{"owner", rule_owner, false},
	{"description", rule_description, false},
};
const struct bh_keys bh_keys_allow = {"an allow rule", allow_keys, ARRAY_SIZE(allow_keys)};

/* A deny that opens under a condition would be an allow in disguise. */
static const struct bh_key deny_keys[] = {
	{"id", rule_id, true},	      {"from", rule_from, true},
	{"to", rule_to, true},	      {"port", rule_port, true},
	{"mode", rule_mode, false},   {"until", rule_until, false},
	{"owner", rule_owner, false}, {"description", rule_description, false},
};
const struct bh_keys bh_keys_deny = {"a deny rule", deny_keys, ARRAY_SIZE(deny_keys)};

/* --- failsafes ------------------------------------------------------------------------------ */

static void cidrs_cidr(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	struct bh_sel *sel = obj;

	bh_parse_cidrs(p, &sel->cidr, &sel->n_cidr, y);
	if (y->kind == BH_YAML_SEQ && !y->n)
		bh_parse_error(p, y, "name whom it lets in: { cidr: [192.0.2.1/32] }",
			       "an empty list lets nobody in");
}

static const struct bh_key cidrs_keys[] = {
	{"cidr", cidrs_cidr, true},
};
const struct bh_keys bh_keys_cidrs = {"a failsafe's end", cidrs_keys, ARRAY_SIZE(cidrs_keys)};

static void parse_end(struct bh_parse *p, struct bh_sel *ret, const struct bh_yaml *y)
{
	ret->pos = y->pos;
	/* Names can be wrong, and a failsafe is for that day. */
	if (bh_want_map(p, y, "{ cidr: [192.0.2.1/32] }: a failsafe names addresses"))
		bh_parse_keys(p, y, &bh_keys_cidrs, ret);
}

static void failsafe_from(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	parse_end(p, &((struct bh_rule_src *)obj)->from, y);
}

static void failsafe_to(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	parse_end(p, &((struct bh_rule_src *)obj)->to, y);
}

static void failsafe_port(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	struct bh_rule_src *r = obj;

	bh_parse_ports(p, &r->port, y);
	for (size_t i = 0; i < r->port.n; i++)
		if (r->port.v[i].proto != IPPROTO_TCP && r->port.v[i].proto != IPPROTO_ICMP)
			bh_report_error(p->map, p->d, r->port.v[i].pos,
					"write for example tcp/22 or icmp/echo-request",
					"a failsafe is for tcp or icmp");
}

static void failsafe_unit(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	bh_parse_units(p, &((struct bh_rule_src *)obj)->unit, y);
	if (y->kind == BH_YAML_SEQ && !y->n)
		bh_parse_error(p, y, "remove the key if any unit is meant",
			       "an empty list of units");
}

static void failsafe_wide(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	(void)bh_want_bool(p, y, &((struct bh_rule_src *)obj)->wide);
}

static const struct bh_key failsafe_keys[] = {
	{"id", rule_id, false},
	{"from", failsafe_from, false},
	{"to", failsafe_to, false},
	{"port", failsafe_port, true},
	{"unit", failsafe_unit, false},
	{"wide", failsafe_wide, false},
	{"description", rule_description, false},
};
const struct bh_keys bh_keys_failsafe = {"a failsafe", failsafe_keys, ARRAY_SIZE(failsafe_keys)};

/* --- lists of rules ------------------------------------------------------------------------- */

static char *numbered_id(struct bh_parse *p, const char *word, size_t n)
{
	char id[32];

	(void)snprintf(id, sizeof(id), "%s-%zu", word, n);
	return bh_parse_copy(p, id);
}

static bool has_key(const struct bh_yaml *y, const char *name)
{
	for (const struct bh_yaml *k = y->child; k; k = k->next->next)
		if (k->kind == BH_YAML_SCALAR && !strcmp(k->s, name))
			return true;
	return false;
}

static void parse_failsafe(struct bh_parse *p, struct bh_rule_src *r, const struct bh_yaml *y)
{
	bh_parse_keys(p, y, &bh_keys_failsafe, r);
	if (has_key(y, "from") == has_key(y, "to"))
		bh_parse_error(p, y,
			       "`from: { cidr: ... }` for who comes in, `to:` for what is reached",
			       "a failsafe needs `from` or `to`, one of the two");
}

static void parse_rules(struct bh_parse *p, const struct bh_yaml *y, enum bh_rule_kind kind)
{
	static const char *const example[] = {
		[BH_RULE_ALLOW] = "`- { id: web-db, from: web, to: db, port: tcp/5432 }`",
		[BH_RULE_DENY] = "`- { id: no-telnet, from: any, to: any, port: tcp/23 }`",
		[BH_RULE_FAILSAFE] = "`- { from: { cidr: [192.0.2.1/32] }, port: tcp/22 }`",
	};
	struct bh_map *map = p->map;
	size_t n = 0;

	if (!bh_want_seq(p, y, example[kind]))
		return;
	for (const struct bh_yaml *e = y->child; e; e = e->next) {
		struct bh_rule_src *r = &map->rule[map->n_rule];

		n++;
		if (!bh_want_map(p, e, example[kind]))
			continue;
		*r = (struct bh_rule_src){.kind = kind, .pos = e->pos};
		if (kind == BH_RULE_FAILSAFE) {
			r->id = numbered_id(p, "failsafe", n);
			parse_failsafe(p, r, e);
		} else {
			bh_parse_keys(p, e, kind == BH_RULE_ALLOW ? &bh_keys_allow : &bh_keys_deny,
				      r);
		}
		map->n_rule++;
	}
}

void bh_parse_allow(struct bh_parse *p, _unused_ void *map, const struct bh_yaml *y)
{
	parse_rules(p, y, BH_RULE_ALLOW);
}

void bh_parse_deny(struct bh_parse *p, _unused_ void *map, const struct bh_yaml *y)
{
	parse_rules(p, y, BH_RULE_DENY);
}

void bh_parse_failsafe(struct bh_parse *p, _unused_ void *map, const struct bh_yaml *y)
{
	parse_rules(p, y, BH_RULE_FAILSAFE);
}

/* --- assertions ----------------------------------------------------------------------------- */

static void assert_id(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	((struct bh_assert *)obj)->id = bh_want_id(p, y);
}

static void assert_from(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	bh_parse_selector(p, &((struct bh_assert *)obj)->from, y);
}

static void assert_to(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	bh_parse_selector(p, &((struct bh_assert *)obj)->to, y);
}

static void assert_port(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	bh_parse_ports(p, &((struct bh_assert *)obj)->port, y);
}

static void assert_expect(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	((struct bh_assert *)obj)->expect_allow = bh_want_tri(p, y) == BH_ALLOW;
}

static const struct bh_key assert_keys[] = {
	{"id", assert_id, false},    {"from", assert_from, true},     {"to", assert_to, true},
	{"port", assert_port, true}, {"expect", assert_expect, true},
};
const struct bh_keys bh_keys_assert = {"an assertion", assert_keys, ARRAY_SIZE(assert_keys)};

void bh_parse_assert(struct bh_parse *p, _unused_ void *obj, const struct bh_yaml *y)
{
	static const char example[] = "`- { from: web, to: db, port: tcp/5432, expect: deny }`";
	struct bh_map *map = p->map;
	size_t n = 0;

	if (!bh_want_seq(p, y, example))
		return;
	for (const struct bh_yaml *e = y->child; e; e = e->next) {
		struct bh_assert *a = &map->assertion[map->n_assertion];

		n++;
		if (!bh_want_map(p, e, example))
			continue;
		*a = (struct bh_assert){.pos = e->pos, .id = numbered_id(p, "assert", n)};
		bh_parse_keys(p, e, &bh_keys_assert, a);
		map->n_assertion++;
	}
}
