/* SPDX-License-Identifier: Apache-2.0 */
/* policy_check.c - what only the whole map shows: ids, ties, overlaps, prefixes that are equal or
 * nest, what is never used. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "../lib/segmap.h"

#define CHECK(cases) segmap_check(SEGMAP_TOP, cases, ARRAY_SIZE(cases))

static void test_ids(void **state)
{
	static const struct segmap_case cases[] = {
		{"allow:\n- { id: a, from: any, to: any, port: any }\n"
		 "deny:\n- { id: a, from: any, to: any, port: any }\n",
		 "8:3: error: id 'a' is taken by line 6 | give one of them another id"},
		{"assert:\n- { id: a, from: any, to: any, port: any, expect: deny }\n"
		 "allow:\n- { id: a, from: any, to: any, port: any }\n",
		 "8:3: error: id 'a' is taken by line 6"},
		{"allow:\n- { id: failsafe-1, from: any, to: any, port: any }\n"
		 "failsafe:\n- { from: { cidr: 192.0.2.1/32 }, port: tcp/22 }\n",
		 "8:3: error: id 'failsafe-1' is taken by line 6"},
		{"allow:\n- { id: a, from: any, to: any, port: any }\n"
		 "- { id: A, from: any, to: any, port: any }\n"
		 "- { id: a.1, from: any, to: any, port: any }\n",
		 NULL},
	};

	(void)state;
	CHECK(cases);
}

/* Two segments, both in no danger of being unused. */
#define TWO(a, b)                                                                                  \
	"segments:\n  a: { match: " a ", mode: observe }\n  b: { match: " b ", mode: observe }\n"

static void test_ties(void **state)
{
	static const struct segmap_case cases[] = {
		{TWO("{ unit: x.service }", "{ unit: y.service }"), NULL},
		{TWO("{ unit: x.service }", "{ unit: x.service }"),
		 "7:23: error: 'x.service' is matched by segments 'a' and 'b' | 'a' has it in line 6; "
		 "keep one of the two, or let one name a `user`"},
		{TWO("{ unit: [y.service, x.service] }",
		     "[ { unit: z.service }, { unit: x.service } ]"),
		 "7:46: error: 'x.service' is matched by segments 'a' and 'b'"},
		{TWO("{ cgroup: /system.slice }", "{ cgroup: /system.slice }"),
		 "7:25: error: '/system.slice' is matched by segments 'a' and 'b'"},
		{TWO("{ cgroup: / }", "{ cgroup: / }"), "'/' is matched by segments 'a' and 'b'"},
		/* The same segment may say it twice. */
		{"segments: { a: { match: [ { unit: x.service }, { unit: x.service } ], mode: observe } }\n",
		 NULL},
		/* Deeper wins, exact wins over a glob, a user wins over none. */
		{TWO("{ cgroup: /system.slice }", "{ cgroup: /system.slice/x.service }"), NULL},
		{TWO("{ unit: \"x*.service\" }", "{ unit: x1.service }"), NULL},
		{TWO("{ cgroup: /user.slice }", "{ cgroup: /user.slice, user: bob }"), NULL},
		{TWO("{ cgroup: /user.slice, user: alice }", "{ cgroup: /user.slice, user: bob }"),
		 NULL},
		{TWO("{ cgroup: /user.slice, user: bob }", "{ cgroup: /user.slice, group: bob }"),
		 NULL},
		{TWO("{ cgroup: /user.slice, user: [alice, bob] }",
		     "{ cgroup: /user.slice, user: [carol, bob] }"),
		 "7:25: error: user 'bob' at '/user.slice' is matched by segments 'a' and 'b' | 'a' has "
		 "it in line 6; keep one of the two"},
		{TWO("{ cgroup: /user.slice, group: sudo }",
		     "{ cgroup: /user.slice, group: sudo }"),
		 "user 'sudo' at '/user.slice' is matched by segments 'a' and 'b'"},
		{TWO("{ user: bob }", "{ cgroup: /, user: bob }"), "user 'bob' at '/' is matched"},
		/* A path to a unit and the unit's name are one cgroup. */
		{TWO("{ unit: x.service }", "{ cgroup: /system.slice/x.service }"),
		 "7:25: error: 'x.service' is matched by segments 'a' and 'b'"},
		{TWO("{ cgroup: /a.slice/a-b.slice/x.service }", "{ unit: x.service }"),
		 "'x.service' is matched by segments 'a' and 'b'"},
		{TWO("{ unit: system.slice }", "{ cgroup: /system.slice }"),
		 "'system.slice' is matched"},
		{TWO("{ unit: \"x@*.service\" }", "{ cgroup: \"/system.slice/x@*.service\" }"),
		 "'x@*.service' is matched by segments 'a' and 'b'"},
		/* Below a service no unit stands. */
		{TWO("{ unit: x.service }", "{ cgroup: /system.slice/y.service/x.service }"), NULL},
		{TWO("{ unit: x.service }", "{ cgroup: /docker/x.service }"), NULL},
		{TWO("{ cgroup: /a.slice/x.service }", "{ cgroup: /b.slice/x.service }"), NULL},
	};

	(void)state;
	CHECK(cases);
}

static void test_globs(void **state)
{
	static const struct segmap_case cases[] = {
		{TWO("{ unit: \"a*.service\" }", "{ unit: \"b*.service\" }"), NULL},
		{TWO("{ unit: \"a*.service\" }", "{ unit: \"ab*.service\" }"),
		 "7:24: error: globs 'a*.service' and 'ab*.service' overlap | 'a*.service' is in line 6 "
		 "(segment 'a')"},
		{TWO("{ unit: \"ab*.service\" }", "{ unit: \"a*.service\" }"),
		 "7:24: error: globs 'ab*.service' and 'a*.service' overlap"},
		{TWO("{ unit: \"a*.service\" }", "{ unit: \"a*x.service\" }"), "overlap"},
		{TWO("{ unit: \"a*.service\" }", "{ unit: \"a*.scope\" }"), NULL},
		{TWO("{ unit: \"a*x.service\" }", "{ unit: \"ab*y.service\" }"), NULL},
		{TWO("{ unit: \"*.service\" }", "{ unit: \"a@*.service\" }"), "overlap"},
		{TWO("{ unit: \"a@*.service\" }", "{ unit: \"a@*.service\" }"),
		 "'a@*.service' is matched by segments 'a' and 'b'"},
		{TWO("{ unit: [\"a*.service\", \"ab*.service\"] }", "{ unit: x.service }"),
		 "overlap"},
		{TWO("{ cgroup: /a/x* }", "{ cgroup: /a/xy* }"), "overlap"},
		{TWO("{ cgroup: /a/x* }", "{ cgroup: /b/xy* }"), NULL},
		{TWO("{ cgroup: /a/x*/p }", "{ cgroup: /a/x*/q }"), NULL},
		{TWO("{ cgroup: /a/x*/p }", "{ cgroup: /a/xy*/q }"), "overlap"},
		{TWO("{ unit: \"x*.service\" }", "{ cgroup: \"/system.slice/xy*.service\" }"),
		 "overlap"},
		{TWO("{ unit: \"x*.service\" }", "{ cgroup: \"/docker/xy*.service\" }"), NULL},
		{TWO("{ cgroup: \"/a.slice/x*.service\" }", "{ cgroup: \"/b.slice/xy*.service\" }"),
		 NULL},
	};

	(void)state;
	CHECK(cases);
}

static void test_prefixes(void **state)
{
	static const struct segmap_case cases[] = {
		{TWO("{ cidr: 10.0.0.0/24 }", "{ cidr: 10.0.1.0/24 }"), NULL},
		{TWO("{ cidr: 10.0.0.7/32 }", "{ cidr: [10.0.1.0/24, 10.0.0.7/32] }"),
		 "7:37: error: 10.0.0.7/32 is in segments 'a' and 'b' | 'a' has it in line 6. Workloads "
		 "that share an address share one identity at other hosts:\n"
		 "give the address a segment of its own and write two rules for each thing that they "
		 "reach\n"
		 "    host-a: { match: { cidr: [10.0.0.7/32] } }\n"
		 "    - { id: a-db, from: a, to: db, port: tcp/5432 }  # egress, there\n"
		 "    - { id: host-a-db, from: host-a, to: db, port: tcp/5432 }  # ingress, here\n"},
		{TWO("{ cidr: \"2001:db8::/32\" }", "{ cidr: \"2001:db8::/32\" }"),
		 "2001:db8::/32 is in segments 'a' and 'b'"},
		{TWO("{ cidr: [10.0.0.0/24, 10.0.0.0/24] }", "{ cidr: \"::/0\" }"), NULL},
		{TWO("{ cidr: 10.0.0.0/8 }", "{ cidr: 10.0.0.0/9 }"), NULL},
		{TWO("{ cidr: 0.0.0.0/0 }", "{ cidr: \"::/0\" }"), NULL},
		{TWO("{ cidr: 10.0.0.0/8, except: 10.1.0.0/16 }", "{ cidr: 10.1.0.0/16 }"), NULL},
		{TWO("{ cidr: 10.0.0.0/8, except: 11.0.0.0/16 }", "{ unit: x.service }"),
		 "6:43: error: 11.0.0.0/16 is outside this match's `cidr` | remove it, or widen"},
		{TWO("{ cidr: 10.0.0.0/8, except: 0.0.0.0/0 }", "{ unit: x.service }"),
		 "is outside"},
		{TWO("{ cidr: \"::/0\", except: 10.0.0.0/8 }", "{ unit: x.service }"),
		 "is outside"},
		/* Another match's cidr does not count. */
		{TWO("[ { cidr: 10.0.0.0/8, except: 11.0.0.0/16 }, { cidr: 11.0.0.0/8 } ]",
		     "{ unit: x.service }"),
		 "11.0.0.0/16 is outside"},
		{TWO("{ cidr: [11.0.0.0/8, 10.0.0.0/8], except: [10.1.0.0/16, 11.1.0.0/16] }",
		     "{ unit: x.service }"),
		 NULL},
		{TWO("{ cidr: 10.0.0.0/8, except: 10.0.0.0/8 }", "{ unit: x.service }"),
		 "6:43: error: 10.0.0.0/8 is in `cidr` and in `except`"},
		{TWO("{ cidr: 127.0.0.0/8 }", "{ unit: x.service }"),
		 "6:23: warning: a peer on a loopback address is on this host"},
		{TWO("{ cidr: \"::1/128\" }", "{ unit: x.service }"),
		 "warning: a peer on a loopback"},
		{TWO("{ cidr: 0.0.0.0/0, except: 127.0.0.0/8 }", "{ unit: x.service }"), NULL},
	};

	(void)state;
	CHECK(cases);
}

#define NEST(office, lab, from)                                                                    \
	"segments:\n  office: { match: " office " }\n  lab: { match: " lab " }\n"                  \
	"  web: { match: { unit: x.service } }\nallow:\n"                                          \
	"- { id: r, from: " from ", to: web, port: tcp/443 }\n"                                    \
	"deny:\n- { id: d, from: [office, lab], to: web, port: tcp/23 }\n"
#define TAKES                                                                                         \
	"10:18: warning: rule 'r' does not hold for all addresses of 'office': longer prefixes give " \
	"some of them to 'lab' | name it in the rule as well if it is meant"

static void test_nested(void **state)
{
	static const struct segmap_case cases[] = {
		{NEST("{ cidr: 192.0.2.0/24 }", "{ cidr: 192.0.2.64/26 }", "office"), TAKES},
		{NEST("{ cidr: 192.0.2.0/24 }", "{ cidr: 192.0.2.64/26 }", "lab"), NULL},
		{NEST("{ cidr: 192.0.2.0/24 }", "{ cidr: 198.51.100.0/26 }", "office"), NULL},
		{NEST("{ cidr: 192.0.2.0/24 }", "{ cidr: 192.0.2.64/26 }", "any"), NULL},
		{NEST("{ cidr: 192.0.2.0/24 }", "{ cidr: 192.0.2.64/26 }", "[web, office]"),
		 "does not hold for all addresses of 'office'"},
		{NEST("{ cidr: 192.0.2.0/24 }", "{ cidr: 192.0.2.64/26 }", "[office, lab]"), NULL},
		{NEST("{ cidr: \"::/0\" }", "{ cidr: 192.0.2.64/26 }", "office"), NULL},
		{NEST("{ cidr: \"::/0\" }", "{ cidr: \"2001:db8::/32\" }", "office"), TAKES},
		/* What the segment excepts itself nobody takes from it. */
		{NEST("{ cidr: 192.0.2.0/24, except: 192.0.2.64/26 }", "{ cidr: 192.0.2.64/26 }",
		      "office"),
		 NULL},
		{NEST("{ cidr: 192.0.2.0/24, except: 192.0.2.0/25 }", "{ cidr: 192.0.2.64/26 }",
		      "office"),
		 NULL},
		{NEST("{ cidr: 192.0.2.0/24, except: 192.0.2.64/27 }", "{ cidr: 192.0.2.64/26 }",
		      "office"),
		 TAKES},
	};

	(void)state;
	CHECK(cases);
}

static void test_unused(void **state)
{
	static const struct segmap_case cases[] = {
		{"segments: { a: { match: { unit: x.service } } }\n",
		 "5:13: warning: segment 'a' is in no rule: only the map's default holds for it"},
		{"segments: { a: { match: { unit: x.service }, default: { egress: allow } } }\n",
		 NULL},
		{"segments: { a: { match: { unit: x.service }, listen: tcp/80 } }\n", NULL},
		{"segments: { a: { match: { unit: x.service } } }\n"
		 "deny: [ { id: a, from: a, to: any, port: any } ]\n",
		 NULL},
		{"segments: { a: { match: { unit: x.service }, labels: { k: v } } }\n"
		 "allow: [ { id: a, from: { labels: { k: v } }, to: any, port: any } ]\n",
		 NULL},
		/* `any` means nobody in particular. */
		{"segments: { a: { match: { unit: x.service } } }\n"
		 "allow: [ { id: a, from: any, to: any, port: any } ]\n",
		 "5:13: warning: segment 'a' is in no rule"},
	};

	(void)state;
	CHECK(cases);
}

static void test_no_failsafe(void **state)
{
	static const struct segmap_case cases[] = {
		{"segments: { a: { match: { unit: x.service }, mode: enforce } }\n",
		 "0:0: warning: no failsafe: a mistake can lock you out"},
		{"segments: { a: { match: { unit: x.service }, mode: observe } }\n", NULL},
		{"segments: { a: { match: { unit: x.service }, mode: enforce } }\n"
		 "failsafe: [ { from: { cidr: 192.0.2.1/32 }, port: tcp/22 } ]\n",
		 NULL},
	};

	(void)state;
	CHECK(cases);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ids),	    cmocka_unit_test(test_ties),
		cmocka_unit_test(test_globs),	    cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_nested),	    cmocka_unit_test(test_unused),
		cmocka_unit_test(test_no_failsafe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
