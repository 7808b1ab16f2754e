/* SPDX-License-Identifier: Apache-2.0 */
/* policy_parse.c - the language, key by key: what the model holds after, and what is said where
 * about everything that is not the language. */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "../../agent/base/io.h"
#include "../lib/segmap.h"

/* --- what the model holds ------------------------------------------------------------------- */

static const struct bh_segment *segment(const struct bh_map *map, const char *name)
{
	for (size_t i = 0; i < map->n_segment; i++)
		if (!strcmp(map->segment[i].name, name))
			return &map->segment[i];
	fail_msg("no segment %s", name);
	return NULL;
}

static const struct bh_rule_src *rule(const struct bh_map *map, const char *id)
{
	for (size_t i = 0; i < map->n_rule; i++)
		if (!strcmp(map->rule[i].id, id))
			return &map->rule[i];
	fail_msg("no rule %s", id);
	return NULL;
}

static void selects(const struct bh_map *map, const struct bh_sel *sel, const char *names)
{
	char text[256] = "";

	for (size_t i = 0; i < sel->n_seg; i++) {
		if (i)
			strcat(text, " ");
		strcat(text, map->segment[sel->seg[i]].name);
	}
	assert_false(sel->any);
	assert_string_equal(text, names);
}

static void test_top(void **state)
{
	struct bh_map *map = segmap_good("");

	(void)state;
	assert_string_equal(map->name, "test");
	assert_string_equal(map->file, "test.yaml");
	assert_int_equal(map->mode, BH_MODE_OBSERVE);
	assert_int_equal(map->def[BH_IN], BH_DENY);
	assert_int_equal(map->def[BH_OUT], BH_DENY);
	assert_int_equal(map->forward, BH_UNSET);
	assert_int_equal(map->l2, BH_UNSET);
	assert_int_equal(map->revert_on_denies, 0);
	assert_int_equal(map->n_segment, BH_SEG_N_RESERVED);
	assert_string_equal(map->segment[BH_SEG_WORLD].name, "world");
	assert_string_equal(map->segment[BH_SEG_UNASSIGNED].name, "unassigned");
	assert_string_equal(map->segment[BH_SEG_HOST].name, "host");
	assert_int_equal(map->segment[BH_SEG_HOST].def[BH_OUT], BH_ALLOW);
	assert_int_equal(map->segment[BH_SEG_HOST].def[BH_IN], BH_UNSET);
	bh_map_free(map);

	map = segmap_good("forward: deny\nl2: allow\nrevert_on_denies: 500\n"
			  "segments: { host: { default: { egress: deny }, mode: enforce } }\n"
			  "failsafe: [ { from: { cidr: 192.0.2.1/32 }, port: tcp/22 } ]\n");
	assert_int_equal(map->forward, BH_DENY);
	assert_int_equal(map->l2, BH_ALLOW);
	assert_int_equal(map->revert_on_denies, 500);
	assert_int_equal(map->n_segment, BH_SEG_N_RESERVED);
	assert_int_equal(map->segment[BH_SEG_HOST].def[BH_OUT], BH_DENY);
	assert_int_equal(map->segment[BH_SEG_HOST].mode, BH_MODE_ENFORCE);
	bh_map_free(map);
}

static void test_segment(void **state)
{
	struct bh_map *map = segmap_good(
		"segments:\n"
		"  db:\n"
		"    match:\n"
		"    - unit: [postgresql.service, \"pg@*.service\"]\n"
		"      user: [postgres, 1000]\n"
		"    - { cidr: [10.0.3.0/24, \"2001:db8::/32\"], except: 10.0.3.128/25 }\n"
		"    - cgroup: /user.slice\n"
		"      group: dba\n"
		"    - user: carol\n"
		"    labels: { tier: data, app: shop }\n"
		"    default: { egress: allow }\n"
		"    mode: enforce\n"
		"    listen: [tcp/5432, udp/6000-6001]\n"
		"    raw: allow\n"
		"    dhcp: true\n"
		"    admin: true\n"
		"    data: confidential\n"
		"    description: \"all of it\"\n");
	const struct bh_segment *s = segment(map, "db");

	(void)state;
	assert_int_equal(s->pos.line, 6);
	assert_int_equal(s->pos.col, 3);
	assert_int_equal(s->pos.len, 2);
	assert_int_equal(s->n_match, 4);
	assert_int_equal(s->match[0].unit.n, 2);
	assert_string_equal(s->match[0].unit.v[1].s, "pg@*.service");
	assert_int_equal(s->match[0].unit.v[1].pos.line, 8);
	assert_int_equal(s->match[0].unit.v[1].pos.col, 35);
	assert_string_equal(s->match[0].user.v[0].s, "postgres");
	assert_string_equal(s->match[0].user.v[1].s, "1000");
	assert_int_equal(s->match[1].n_cidr, 2);
	assert_true(s->match[1].cidr[0].v4);
	assert_int_equal(s->match[1].cidr[0].plen, 120);
	assert_false(s->match[1].cidr[1].v4);
	assert_int_equal(s->match[1].n_except, 1);
	assert_int_equal(s->match[1].except[0].pos.line, 10);
	assert_string_equal(s->match[2].cgroup.v[0].s, "/user.slice");
	assert_string_equal(s->match[2].group.v[0].s, "dba");
	/* A user alone is that user anywhere. */
	assert_int_equal(s->match[3].cgroup.n, 1);
	assert_string_equal(s->match[3].cgroup.v[0].s, "/");
	assert_int_equal(s->n_label, 2);
	assert_string_equal(s->label[0].key, "app");
	assert_string_equal(s->label[1].value, "data");
	assert_int_equal(s->def[BH_OUT], BH_ALLOW);
	assert_int_equal(s->def[BH_IN], BH_UNSET);
	assert_int_equal(s->mode, BH_MODE_ENFORCE);
	assert_int_equal(s->listen.n, 2);
	assert_int_equal(s->listen.v[1].hi, 6001);
	assert_true(s->raw && s->dhcp && s->admin && !s->reserved);
	assert_string_equal(s->data, "confidential");
	assert_string_equal(s->description, "all of it");
	bh_map_free(map);
}

static void test_rules(void **state)
{
	struct bh_map *map = segmap_good(
		"allow:\n"
		"- { id: one, from: web, to: [db, host, web, db], port: [tcp/5432, icmp], owner: team,\n"
		"    description: why, until: 2026-05-01T10:00:00Z, mode: observe }\n"
		"- { id: two, from: { labels: { app: shop } }, to: any, port: any, mode: enforce,\n"
		"    require: { posture: healthy }, jit: { max: 1h30m, reason: required } }\n"
		"- { id: three, from: { labels: { app: shop, role: db } }, to: world, port: any,\n"
		"    jit: {} }\n"
		"deny:\n"
		"- { id: four, from: any, to: unassigned, port: tcp/telnet }\n"
		"failsafe:\n"
		"- { from: { cidr: [198.51.100.0/28] }, port: tcp/22, unit: ssh.service }\n"
		"- { id: out, to: { cidr: \"2001:db8::/32\" }, port: [tcp/443, icmp], wide: true }\n"
		"assert:\n"
		"- { from: web, to: db, port: tcp/5432, expect: allow }\n"
		"- { id: never, from: world, to: { labels: { role: db } }, port: any, expect: deny }\n"
		"segments:\n" /* last: the order of keys has no meaning */
		"  web: { match: { unit: nginx.service }, labels: { app: shop } }\n"
		"  db: { match: { unit: postgresql.service }, labels: { app: shop, role: db } }\n");
	const struct bh_rule_src *r = rule(map, "one");

	(void)state;
	assert_int_equal(map->n_rule, 6);
	assert_int_equal(r->kind, BH_RULE_ALLOW);
	assert_int_equal(r->pos.line, 6);
	assert_int_equal(r->pos.col, 3);
	selects(map, &r->from, "web");
	selects(map, &r->to, "host web db");
	assert_int_equal(r->from.pos.col, 20);
	assert_int_equal(r->port.n, 2);
	assert_true(r->port.v[1].both_icmp);
	assert_int_equal(r->until_s, 1777629600);
	assert_int_equal(r->mode, BH_MODE_OBSERVE);
	assert_string_equal(r->owner, "team");
	assert_false(r->jit || r->require_posture);

	r = rule(map, "two");
	selects(map, &r->from, "web db");
	assert_true(r->to.any && !r->to.n_seg);
	assert_true(r->require_posture && r->jit && r->jit_reason);
	assert_int_equal(r->jit_max_s, 5400);
	assert_int_equal(r->mode, BH_MODE_INHERIT);
	r = rule(map, "three");
	selects(map, &r->from, "db");
	assert_true(r->jit && !r->jit_reason && !r->jit_max_s);

	r = rule(map, "four");
	assert_int_equal(r->kind, BH_RULE_DENY);
	selects(map, &r->to, "unassigned");
	r = rule(map, "failsafe-1");
	assert_int_equal(r->kind, BH_RULE_FAILSAFE);
	assert_int_equal(r->from.n_cidr, 1);
	assert_int_equal(r->to.n_cidr, 0);
	assert_string_equal(r->unit.v[0].s, "ssh.service");
	r = rule(map, "out");
	assert_int_equal(r->to.n_cidr, 1);
	assert_true(r->wide);

	assert_int_equal(map->n_assertion, 2);
	assert_string_equal(map->assertion[0].id, "assert-1");
	assert_true(map->assertion[0].expect_allow);
	assert_string_equal(map->assertion[1].id, "never");
	assert_false(map->assertion[1].expect_allow);
	selects(map, &map->assertion[1].to, "db");
	bh_map_free(map);
}

/* What selects nothing selects nothing: it must not come out as "no condition". */
static void test_empty(void **state)
{
	struct bh_map *map =
		segmap_good("segments:\n"
			    "  a: { match: { cgroup: /user.slice, user: [] } }\n"
			    "  b: { match: [] }\n"
			    "  c: { match: [ {}, { unit: c.service } ] }\n"
			    "  d: { match: { cidr: [] } }\n"
			    "  e: {}\n"
			    "allow:\n"
			    "- { id: r, from: [], to: { labels: { is: no-one } }, port: any }\n");

	(void)state;
	assert_int_equal(segment(map, "a")->n_match, 0);
	assert_int_equal(segment(map, "b")->n_match, 0);
	assert_int_equal(segment(map, "c")->n_match, 1);
	assert_int_equal(segment(map, "d")->n_match, 0);
	assert_int_equal(segment(map, "e")->n_match, 0);
	assert_true(!map->rule[0].from.any && !map->rule[0].from.n_seg);
	assert_true(!map->rule[0].to.any && !map->rule[0].to.n_seg);
	bh_map_free(map);
}

/* --- what is said --------------------------------------------------------------------------- */

static void test_yaml(void **state)
{
	static const struct segmap_case whole[] = {
		{"", "1:1: error: the file is empty | begin with `version: 1`"},
		{"# only this\n", "the file is empty"},
		{"word", "1:1: error: a mapping is needed here, not a word"},
		{"[a]", "1:1: error: a mapping is needed here, not a list"},
		{"a: {", "error: YAML: "},
		{"a: b: c\n", "1:5: error: YAML: "},
		{"a: 'x\n", "error: YAML: "},
		{"a: ''''\n", "1:7: error: too many quotes in a row | write it in double"},
		{"a: '''b'''\n", "unknown key 'a'"},
		{"%YAML 1.1\n---\na: b\n", "1:1: error: YAML directives are not part"},
		{"\xef\xbb\xbf%TAG ! x\n---\na: b\n", "1:1: error: YAML directives"},
		{"a: b\r%TAG ! x\n", "2:1: error: YAML directives"},
		{"a: b\n---\nc: d\n", "2:1: error: a second document in one file"},
		{"a: \xff\n", "1:4: error: byte 0xff is not text"},
		{"a: b\n\xc3\xa9\x01\n", "2:2: error: byte 0x01 is not text"},
		{"a: \"x\\0y\"\n", "1:5: error: control character 0x00 in a value"},
		{"a: \"\\x1b[2J\"\n", "1:5: error: control character 0x1b"},
	};
	static const struct segmap_case cases[] = {
		{"forward: &x allow\n", "5:11: error: anchors are not part of the language"},
		{"l2: *x\n", "5:6: error: aliases are not part of the language"},
		{"l2: !!str allow\n", "error: tags are not part of the language"},
		{"segments: !x {}\n", "error: tags are not part of the language"},
		{"segments: &x {}\n", "5:12: error: anchors are not part of the language"},
		{"<<: { l2: allow }\n", "5:1: error: merge keys are not part of the language"},
		{"? [a]\n: b\n", "5:3: error: a key must be a word"},
		{"? {a: c}\n: b\n", "5:3: error: a key must be a word"},
		{": b\n", "error: a key must be a word"},
		{"? *x\n: b\n", "error: aliases are not part"},
		{"l2: allow\nl2: deny\n",
		 "6:1: error: duplicate key 'l2', first in line 5 | keep one"},
		{"segments:\n  a: { match: {unit: a.service} }\n  a: { match: {unit: b.service} }\n",
		 "7:3: error: duplicate key 'a', first in line 6"},
		{"segments:\n  a: { match: { unit: x.service, \"unit\": y.service } }\n",
		 "6:35: error: duplicate key 'unit', first in line 6"},
	};

	(void)state;
	segmap_check("", whole, ARRAY_SIZE(whole));
	segmap_check(SEGMAP_TOP, cases, ARRAY_SIZE(cases));
}

static void test_surprises(void **state)
{
	static const struct segmap_case cases[] = {
		{"segments: { no: { match: { unit: a.service } } }\n",
		 "5:13: error: 'no' is a boolean to some YAML readers | write false, or quote it if a "
		 "word is meant: 'no'"},
		{"segments: { a: { match: { unit: a.service }, dhcp: on } }\n",
		 "5:52: error: 'on' is a boolean to some YAML readers | write true"},
		{"segments: { a: { match: { unit: a.service }, labels: { app: Off } } }\n",
		 "'Off' is a boolean"},
		{"segments: { a: { match: { unit: a.service }, labels: { y: z } } }\n",
		 "'y' is a boolean"},
		{"revert_on_denies: 022\n", "5:19: error: '022' is an octal number"},
		{"revert_on_denies: 0o22\n", "'0o22' is an octal number"},
		{"revert_on_denies: 0x1F\n", "'0x1F' is a hexadecimal number"},
		{"revert_on_denies: 0b11\n", "'0b11' is a binary number"},
		{"revert_on_denies: 1_000\n", "'1_000' is a number with its digits grouped"},
		{"revert_on_denies: 12:30\n", "'12:30' is a number to base 60"},
		{"revert_on_denies: 190:20:30.15\n", "is a number to base 60"},
		{"segments: { a: { match: { unit: a.service }, description: 12:30:45 } }\n",
		 "'12:30:45' is a number to base 60"},
		/* Quoted they are words. */
		{"segments: { \"no\": { match: { unit: a.service }, mode: observe,\n"
		 "    description: '12:30', labels: { \"y\": 'off' }, data: \"022\" } }\n",
		 NULL},
		/* Not surprising to anybody. */
		{"segments: { yesterday: { match: { unit: a.service }, mode: observe,\n"
		 "    description: at 12:30, labels: { v: v1_0, a: 12:60, b: 1, c: 0.5.1 } } }\n",
		 "6:50: error: '12:60' is no name"},
	};

	(void)state;
	segmap_check(SEGMAP_TOP, cases, ARRAY_SIZE(cases));
}

static void test_types(void **state)
{
	static const struct segmap_case whole[] = {
		{"version: \"1\"\n", "1:11: error: a number is needed here"},
		{"version: 1.0\n", "1:10: error: a number is needed here"},
		{"version: 2\n", "1:10: error: version 2 of the language is not known here"},
		{"version: 99999999999999999999\n", "1:10: error: a number is needed here"},
		{"name:\n", "1:1: error: a value is missing"},
		{"name: ~\n", "1:7: error: a value is missing"},
		{"name: ''\n", "error: a value is missing"},
		{"name: 5\n", "1:7: error: a word is needed here, not a number | quote it"},
		{"name: true\n", "1:7: error: a word is needed here, not a boolean"},
		{"name: [a]\n", "1:7: error: a word is needed here, not a list"},
		{"name: a b\n", "1:7: error: 'a b' is no name"},
		{"name: -a\n", "1:7: error: '-a' is no name"},
		{"name: a123456789b123456789c123456789d123456789e123456789f123456789abcd\n",
		 "1:7: error: a name of 64 characters; at most 63"},
		{"mode: enforced\n",
		 "1:7: error: unknown value 'enforced' | did you mean 'enforce'?"},
		{"mode: audit\n", "1:7: error: unknown value 'audit' | one of observe, enforce"},
		{"default: { ingress: deny }\n", "1:10: error: `default` needs `egress`"},
		{"default: deny\n",
		 "1:10: error: a mapping is needed here, not a word | write it as { "
		 "ingress: deny, egress: deny }"},
		{"default: { ingress: drop, egress: deny }\n",
		 "1:21: error: unknown value 'drop' | one of deny, allow"},
		{"{}", "1:1: error: a segment map needs `version`"},
		{"{}", "1:1: error: a segment map needs `default`"},
		{"versio: 1\n", "1:1: error: unknown key 'versio' in a segment map | did you mean "
				"'version'?"},
	};
	static const struct segmap_case cases[] = {
		{"colour: red\n",
		 "5:1: error: unknown key 'colour' in a segment map | one of version, "},
		{"segments: [a]\n", "5:11: error: a mapping is needed here, not a list"},
		{"segments:\n", "5:1: error: a mapping is needed here, not nothing"},
		{"allow: { id: a }\n", "5:8: error: a list is needed here, not a mapping"},
		{"allow: [ x ]\n", "5:10: error: a mapping is needed here, not a word"},
		{"forward: true\n", "5:10: error: unknown value 'true' | one of deny, allow"},
		{"l2: drop\n", "5:5: error: unknown value 'drop'"},
		{"revert_on_denies: many\n",
		 "5:19: error: a number is needed here | 0 to 1000000000"},
		{"revert_on_denies: -1\n", "5:19: error: a number is needed here"},
		{"revert_on_denies: \"5\"\n", "5:20: error: a number is needed here"},
	};

	(void)state;
	segmap_check("", whole, ARRAY_SIZE(whole));
	segmap_check(SEGMAP_TOP, cases, ARRAY_SIZE(cases));
}

/* All of it in one pass, in the order of the file. */
static void test_one_pass(void **state)
{
	static const char text[] =
		"allow:\n- { id: a, from: wbe, to: any, port: 443 }\n"
		"segments:\n  web: { mtach: { unit: x } }\nversion: 1\n"
		"name: x\nmode: observe\ndefault: { ingress: no, egress: deny }\n";
	struct bh_map *map;
	_cleanup_free_ char *said = segmap_say(text, strlen(text), &map);

	(void)state;
	assert_null(map);
	assert_string_equal(
		said,
		"2:18: error: segment 'wbe' is not defined | did you mean 'web'?\n"
		"2:38: error: '443' has no protocol | write 'tcp/443'\n"
		"4:10: error: unknown key 'mtach' in a segment | did you mean 'match'?\n"
		"8:21: error: 'no' is a boolean to some YAML readers | write false, or quote it if a "
		"word is meant: 'no'\n");
}

/* Findings of others in the list stay where they are, and do not make a map bad. */
static void test_list_in_use(void **state)
{
	struct bh_diags d = {0};
	struct bh_map *map = NULL;

	(void)state;
	bh_diag_add(&d, BH_ERROR, NULL, NULL, "of somebody else");
	assert_int_equal(bh_map_parse("f", SEGMAP_TOP, strlen(SEGMAP_TOP), &d, &map), 0);
	assert_non_null(map);
	assert_int_equal(d.n, 1);
	assert_string_equal(map->text, SEGMAP_TOP);
	assert_int_equal(bh_map_where(map, (struct bh_pos){2, 3, 4}).col, 3);
	bh_map_free(map);
	bh_map_free(NULL);
	bh_diags_clear(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_top),	    cmocka_unit_test(test_segment),
		cmocka_unit_test(test_rules),	    cmocka_unit_test(test_empty),
		cmocka_unit_test(test_yaml),	    cmocka_unit_test(test_surprises),
		cmocka_unit_test(test_types),	    cmocka_unit_test(test_one_pass),
		cmocka_unit_test(test_list_in_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
