/* SPDX-License-Identifier: Apache-2.0 */
/* policy_keys.c - every key of segments, matches, rules and failsafes: what is said where about
 * a value that is not right. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "../lib/segmap.h"

#define SEGMENT(s) "segments: { a: { match: { unit: a.service }, mode: observe, " s " } }\n"

static void test_segment_errors(void **state)
{
	static const struct segmap_case cases[] = {
		{"segments: { a: }\n", "5:13: error: a mapping is needed here, not nothing"},
		{"segments: { any: { match: { unit: a.service } } }\n",
		 "5:13: error: 'any' means every segment and can't be one"},
		{"segments: { \"10.0.0.1\": { match: { unit: a.service } } }\n",
		 "5:14: error: '10.0.0.1' is no name for a segment"},
		{"segments: { a.service: { match: { unit: a.service } } }\n",
		 "error: 'a.service' is no name for a segment"},
		{"segments: { \"\": { match: { unit: a.service } } }\n",
		 "error: a key must be a word"},
		{"segments: { host: { match: { cgroup: / } } }\n",
		 "5:21: error: unknown key 'match' in a reserved segment | one of default, mode"},
		{"segments: { world: { labels: { a: b } } }\n",
		 "unknown key 'labels' in a reserved"},
		{SEGMENT("mtach: x"),
		 "5:61: error: unknown key 'mtach' in a segment | did you mean "
		 "'match'?"},
		{SEGMENT("labels: [a]"), "5:69: error: a mapping is needed here, not a list"},
		{SEGMENT("labels: { a: [b] }"), "error: a word is needed here, not a list"},
		{SEGMENT("labels: { a: 1 }"),
		 "error: a word is needed here, not a number | quote it"},
		{SEGMENT("dhcp: maybe"), "5:67: error: true or false is needed here"},
		{SEGMENT("dhcp: \"true\""), "error: true or false is needed here"},
		{SEGMENT("dhcp: True"), "error: true or false is needed here"},
		{SEGMENT("admin: 1"), "error: true or false is needed here"},
		{SEGMENT("raw: true"), "error: unknown value 'true' | one of deny, allow"},
		{SEGMENT("listen: tcp"), "5:69: error: `listen` names ports of tcp or udp"},
		{SEGMENT("listen: [tcp/80, icmp/echo-request]"), "`listen` names ports"},
		{SEGMENT("listen: proto/47"), "`listen` names ports"},
		{SEGMENT("listen: any"), "`listen` names ports"},
		{SEGMENT("listen: []"), "5:69: error: an empty list of ports"},
		{SEGMENT("default: { egress: yep }"), "unknown value 'yep'"},
		{SEGMENT("default: { outgoing: allow }"), "unknown key 'outgoing' in `default`"},
		{SEGMENT("data: very secret"), "'very secret' is no name"},
		{SEGMENT("default: {}"), NULL},
		{"segments: { a: {} }\n",
		 "5:13: warning: segment 'a' has no `match`: nothing belongs"},
		{"segments: { a: { match: [] } }\n", "5:25: warning: segment 'a' matches nothing"},
		{"segments: { a: { match: {} } }\n",
		 "5:25: warning: an empty match matches nothing"},
		{"segments: { a: { match: { unit: [] } } }\n",
		 "5:33: warning: an empty list: this match matches nothing"},
	};

	(void)state;
	segmap_check(SEGMAP_TOP, cases, ARRAY_SIZE(cases));
}

#define MATCH(m) "segments: { a: { match: { " m " }, mode: observe } }\n"

static void test_match_errors(void **state)
{
	static const struct segmap_case cases[] = {
		{MATCH("unti: a.service"),
		 "5:27: error: unknown key 'unti' in a match | did you mean "
		 "'unit'?"},
		{MATCH("unit: nginx"), "5:33: error: 'nginx' has no type | write it whole: "
				       "'nginx.service'"},
		{MATCH("unit: nginx.servce"), "is no unit that processes run in | did you mean "
					      "'service'?"},
		{MATCH("unit: backup.timer"), "is no unit that processes run in"},
		{MATCH("unit: .service"), "is no name of a unit"},
		{MATCH("unit: a/b.service"), "is no name of a unit | use `cgroup` for a path"},
		{MATCH("unit: \"a b.service\""), "is no name of a unit"},
		{MATCH("unit: \"a?.service\""), "the only wildcard is one '*'"},
		{MATCH("unit: \"*a*.service\""), "has more than one '*' | name several"},
		{MATCH("unit: \"a@*-23456789b123456789c123.service\""), NULL},
		{MATCH("unit: \"a@*-23456789b123456789c1234.service\""),
		 "more than 31 bytes behind"},
		{MATCH("unit: [a.service, [b.service]]"), "a word is needed here, not a list"},
		{MATCH("unit: dev-\\x2d.mount"), NULL},
		{MATCH("cgroup: system.slice"),
		 "5:35: error: 'system.slice' is no path from the cgroup "
		 "root | write '/system.slice'; use `unit`"},
		{MATCH("cgroup: /system.slice/"), "ends with '/'"},
		{MATCH("cgroup: //system.slice"), "has '//', '.' or '..'"},
		{MATCH("cgroup: /a/../b"), "has '//', '.' or '..'"},
		{MATCH("cgroup: /a/."), "has '//', '.' or '..'"},
		{MATCH("cgroup: /a/*/b*"), "has more than one '*'"},
		{MATCH("cgroup: /a/.../b"), NULL},
		{MATCH("cgroup: /machine.slice/*/payload"), NULL},
		{MATCH("cgroup: /"), NULL},
		{MATCH("cgroup: /system.slice, user: a b"), "is no name of a user or group"},
		{MATCH("cgroup: /system.slice, user: 4294967295"), "is no number of a user"},
		{MATCH("cgroup: /system.slice, user: -1"), "is no name of a user"},
		{MATCH("cgroup: /system.slice, user: 1.5"), "a word is needed here, not a number"},
		{MATCH("cgroup: /system.slice, group: \"*\""), "is no name of a user or group"},
		{MATCH("cgroup: /system.slice, user: 'CORP\\carol'"), NULL},
		{MATCH("cgroup: /system.slice, user: 4294967294"), NULL},
		{MATCH("unit: a.service, cgroup: /system.slice"),
		 "5:25: error: `unit` and `cgroup` in one match | name the one cgroup, for example "
		 "'/system.slice/a.service'"},
		{MATCH("unit: a.service, cidr: 10.0.0.0/8"),
		 "5:25: error: `cidr` can't hold together with other keys"},
		{MATCH("user: a, cidr: 10.0.0.0/8"), "`cidr` can't hold together with other keys"},
		{MATCH("except: [10.0.0.0/8]"), "5:25: error: `except` without `cidr`"},
		{MATCH("unit: a.service, except: [10.0.0.0/8]"), "`except` without `cidr`"},
		{MATCH("cidr: 10.0.0.1/8"),
		 "5:33: error: '10.0.0.1/8' has bits set behind the prefix | "
		 "write '10.0.0.0/8'"},
		{MATCH("cidr: [\"::ffff:10.0.0.1/128\"]"),
		 "an IPv4 address written as IPv6 | write "
		 "'10.0.0.1/32'"},
		{MATCH("cidr: [fe80::/64]"), "5:34: error: link-local addresses"},
		{MATCH("cidr: 10"), "a word is needed here, not a number"},
	};

	(void)state;
	segmap_check(SEGMAP_TOP, cases, ARRAY_SIZE(cases));
}

#define WEB	"segments: { web: { match: { unit: a.service }, labels: { app: x } } }\n"
#define RULE(r) WEB "allow:\n- { " r " }\n"

static void test_rule_errors(void **state)
{
	static const struct segmap_case cases[] = {
		{RULE("id: a, from: web, to: any, port: tcp/80"), NULL},
		{RULE("from: web, to: any, port: any"), "7:3: error: an allow rule needs `id`"},
		{RULE("id: a, to: any, port: any"), "7:3: error: an allow rule needs `from`"},
		{RULE("id: a, from: web, to: any"), "7:3: error: an allow rule needs `port`"},
		{RULE("id: a, form: web, to: any, port: any"),
		 "7:12: error: unknown key 'form' in an allow rule | did you mean 'from'?"},
		{RULE("id: a/b, from: web, to: any, port: any"), "7:9: error: 'a/b' is no name"},
		{RULE("id: 1, from: web, to: any, port: any"), "not a number | quote it"},
		{RULE("id: a, from: wbe, to: any, port: any"),
		 "7:18: error: segment 'wbe' is not defined | did you mean 'web'?"},
		{RULE("id: a, from: a.service, to: any, port: any"),
		 "segment 'a.service' is not defined | rules name segments"},
		{RULE("id: a, from: 10.0.0.1, to: any, port: any"),
		 "segment '10.0.0.1' is not defined | rules name segments"},
		{RULE("id: a, from: [web, any], to: any, port: any"),
		 "7:24: error: 'any' is every segment already | write `any` alone"},
		{RULE("id: a, from: [[web]], to: any, port: any"), "not a list"},
		{RULE("id: a, from: { cidr: 10.0.0.0/8 }, to: any, port: any"),
		 "7:20: error: `cidr` in a rule: rules name segments | under `segments`: `NAME: {"},
		{RULE("id: a, from: { label: { app: x } }, to: any, port: any"),
		 "unknown key 'label' in a selector | did you mean 'labels'?"},
		{RULE("id: a, from: {}, to: any, port: any"),
		 "7:18: error: a selector needs `labels`"},
		{RULE("id: a, from: { labels: {} }, to: any, port: any"),
		 "7:28: error: an empty label selector | write `any`"},
		{RULE("id: a, from: { labels: x }, to: any, port: any"),
		 "a mapping is needed here"},
		{RULE("id: a, from: { labels: { app: z } }, to: web, port: any"),
		 "7:28: warning: no segment has these labels: this selects nobody"},
		{RULE("id: a, from: [], to: web, port: any"), "7:18: warning: an empty list: this "
							      "selects nobody"},
		{RULE("id: a, from:, to: web, port: any"), "error: a value is missing"},
		{RULE("id: a, from: web, to: any, port: 443"),
		 "7:38: error: '443' has no protocol | write 'tcp/443'"},
		{RULE("id: a, from: web, to: any, port: []"), "an empty list of ports"},
		{RULE("id: a, from: web, to: any, port: [tcp/80, tcp/htps]"),
		 "7:47: error: 'htps' is no port | did you mean 'tcp/https'?"},
		{RULE("id: a, from: web, to: any, port: any, mode: enforce"), NULL},
		{RULE("id: a, from: web, to: any, port: any, mode: audit"),
		 "unknown value 'audit'"},
		{RULE("id: a, from: web, to: any, port: any, until: 2026-05-01"),
		 "7:50: error: '2026-05-01' is no point in time | write it as"},
		{RULE("id: a, from: web, to: any, port: any, require: { posture: healthy }"),
		 "7:52: warning: posture is not measured yet: this rule stays closed"},
		{RULE("id: a, from: web, to: any, port: any, require: { posture: helthy }"),
		 "unknown value 'helthy' | did you mean 'healthy'?"},
		{RULE("id: a, from: web, to: any, port: any, require: {}"),
		 "`require` needs `posture`"},
		{RULE("id: a, from: web, to: any, port: any, require: healthy"),
		 "a mapping is needed"},
		{RULE("id: a, from: web, to: any, port: any, jit: { max: 1hour }"),
		 "7:55: error: '1hour' is no duration | write it as"},
		{RULE("id: a, from: web, to: any, port: any, jit: { reason: yep }"),
		 "unknown value 'yep' | one of optional, required"},
		{WEB
		 "deny:\n- { id: a, from: web, to: any, port: any, require: { posture: healthy } }\n",
		 "7:43: error: unknown key 'require' in a deny rule"},
		{WEB "deny:\n- { id: a, from: web, to: any, port: any, jit: {} }\n",
		 "unknown key 'jit' in a deny rule"},
		{WEB "assert:\n- { from: web, to: any, port: any }\n",
		 "7:3: error: an assertion needs `expect`"},
		{WEB "assert:\n- { from: web, to: any, port: any, expect: allowed }\n",
		 "unknown value 'allowed' | did you mean 'allow'?"},
	};

	(void)state;
	segmap_check(SEGMAP_TOP, cases, ARRAY_SIZE(cases));
}

#define FAILSAFE(f) "failsafe:\n- { " f " }\n"

static void test_failsafe_errors(void **state)
{
	static const struct segmap_case cases[] = {
		{FAILSAFE("from: { cidr: 192.0.2.1/32 }, port: tcp/22"), NULL},
		{FAILSAFE("from: { cidr: [192.0.2.0/24, \"2001:db8::/48\"] }, port: icmp"), NULL},
		{FAILSAFE("port: tcp/22"), "6:3: error: a failsafe needs `from` or `to`"},
		{FAILSAFE("from: { cidr: 192.0.2.1/32 }, to: { cidr: 192.0.2.1/32 }, port: tcp/22"),
		 "6:3: error: a failsafe needs `from` or `to`, one of the two"},
		{FAILSAFE("from: { cidr: 192.0.2.1/32 }"), "6:3: error: a failsafe needs `port`"},
		{FAILSAFE("from: world, port: tcp/22"),
		 "6:11: error: a mapping is needed here, not a "
		 "word"},
		{FAILSAFE("from: { labels: { a: b } }, port: tcp/22"),
		 "6:13: error: unknown key 'labels' in a failsafe's end"},
		{FAILSAFE("from: {}, port: tcp/22"), "6:11: error: a failsafe's end needs `cidr`"},
		{FAILSAFE("from: { cidr: [] }, port: tcp/22"),
		 "6:19: error: an empty list lets nobody"},
		{FAILSAFE("from: { cidr: 192.0.2.1/32 }, port: udp/53"),
		 "6:41: error: a failsafe is for tcp or icmp"},
		{FAILSAFE("from: { cidr: 192.0.2.1/32 }, port: any"),
		 "a failsafe is for tcp or icmp"},
		{FAILSAFE("from: { cidr: 192.0.2.1/32 }, port: proto/47"), "a failsafe is for tcp"},
		{FAILSAFE("from: { cidr: 192.0.2.1/32 }, port: tcp/22, unit: ssh"),
		 "'ssh' has no type"},
		{FAILSAFE("from: { cidr: 192.0.2.1/32 }, port: tcp/22, unit: []"),
		 "an empty list of units"},
		{FAILSAFE("from: { cidr: 10.0.0.0/15 }, port: tcp/22"),
		 "6:19: error: a failsafe for 10.0.0.0/15 is wider than /16 | narrow it, or say so: "
		 "`wide: true`"},
		{FAILSAFE("from: { cidr: 10.0.0.0/16 }, port: tcp/22"), NULL},
		{FAILSAFE("from: { cidr: 10.0.0.0/15 }, port: tcp/22, wide: true"), NULL},
		{FAILSAFE("from: { cidr: 10.0.0.0/15 }, port: tcp/22, wide: false"),
		 "wider than /16"},
		{FAILSAFE("to: { cidr: \"2001:db8::/47\" }, port: tcp/22"), "wider than /48"},
		{FAILSAFE("from: { cidr: \"::/0\" }, port: tcp/22"), "wider than /48"},
	};

	(void)state;
	segmap_check(SEGMAP_TOP, cases, ARRAY_SIZE(cases));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_segment_errors),
		cmocka_unit_test(test_match_errors),
		cmocka_unit_test(test_rule_errors),
		cmocka_unit_test(test_failsafe_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
