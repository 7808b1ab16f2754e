/* SPDX-License-Identifier: Apache-2.0 */
/* policy_port.c - `port:` as text: every form, every mistake people make. */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "../../agent/policy/port.h"

static void test_ports(void **state)
{
	static const struct {
		const char *s;
		int proto, lo, hi;
		bool any_port;
	} cases[] = {
		{"tcp/443", IPPROTO_TCP, 443, 443, false},
		{"tcp/1", IPPROTO_TCP, 1, 1, false},
		{"tcp/65535", IPPROTO_TCP, 65535, 65535, false},
		{"tcp/8080-8089", IPPROTO_TCP, 8080, 8089, false},
		{"tcp/1-65535", IPPROTO_TCP, 1, 65535, false},
		{"tcp/80-80", IPPROTO_TCP, 80, 80, false},
		{"udp/domain", IPPROTO_UDP, 53, 53, false},
		{"tcp/domain", IPPROTO_TCP, 53, 53, false},
		{"tcp/http-alt", IPPROTO_TCP, 8080, 8080, false},
		{"tcp/ssh", IPPROTO_TCP, 22, 22, false},
		{"tcp/postgresql", IPPROTO_TCP, 5432, 5432, false},
		{"tcp/mysql", IPPROTO_TCP, 3306, 3306, false},
		{"tcp/redis", IPPROTO_TCP, 6379, 6379, false},
		{"udp/ntp", IPPROTO_UDP, 123, 123, false},
		{"udp/https", IPPROTO_UDP, 443, 443, false},
		{"udplite/5000", IPPROTO_UDPLITE, 5000, 5000, false},
		{"tcp", IPPROTO_TCP, 0, 65535, true},
		{"udp", IPPROTO_UDP, 0, 65535, true},
		{"udplite", IPPROTO_UDPLITE, 0, 65535, true},
		{"proto/47", 47, 0, 65535, true},
		{"proto/254", 254, 0, 65535, true},
		{"any", 0, 0, 65535, true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct bh_port p = {.pos = {7, 8, 9}, .lo6 = 1};
		struct bh_fault f;

		if (bh_port_parse(cases[i].s, &p, &f))
			fail_msg("%s: %s", cases[i].s, f.text);
		assert_int_equal(p.proto, cases[i].proto);
		assert_int_equal(p.lo, cases[i].lo);
		assert_int_equal(p.hi, cases[i].hi);
		assert_int_equal(p.any_port, cases[i].any_port);
		assert_false(p.both_icmp || p.icmp_v4 || p.icmp_v6 || p.any_code || p.lo6);
		assert_int_equal(p.pos.line, 7);
	}
}

static void test_icmp(void **state)
{
	static const struct {
		const char *s;
		bool v4, v6, any_port, any_code;
		int lo, lo6;
	} cases[] = {
		{"icmp", true, true, true, false, 0, 0},
		{"icmp/echo-request", true, true, false, true, 8 << 8, 128 << 8},
		{"icmp/echo-reply", true, true, false, true, 0, 129 << 8},
		{"icmp/port-unreachable", true, true, false, false, 3 << 8 | 3, 1 << 8 | 4},
		{"icmp/packet-too-big", true, true, false, false, 3 << 8 | 4, 2 << 8},
		{"icmp/timestamp-request", true, false, false, true, 13 << 8, 0},
		{"icmp/neighbor-solicitation", false, true, false, true, 0, 135 << 8},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct bh_port p = {0};
		struct bh_fault f;

		if (bh_port_parse(cases[i].s, &p, &f))
			fail_msg("%s: %s", cases[i].s, f.text);
		assert_int_equal(p.proto, IPPROTO_ICMP);
		assert_true(p.both_icmp);
		assert_int_equal(p.icmp_v4, cases[i].v4);
		assert_int_equal(p.icmp_v6, cases[i].v6);
		assert_int_equal(p.any_port, cases[i].any_port);
		assert_int_equal(p.any_code, cases[i].any_code);
		assert_int_equal(p.lo, cases[i].lo);
		assert_int_equal(p.lo6, cases[i].lo6);
	}
}

static void test_bad(void **state)
{
	static const struct {
		const char *s, *text, *help;
	} cases[] = {
		{"443", "'443' has no protocol", "write 'tcp/443'"},
		{"https", "'https' has no protocol", "write 'tcp/https'"},
		{"ntp", "'ntp' has no protocol", "write 'udp/ntp'"},
		{"443/tcp", "the protocol comes first", "write 'tcp/443'"},
		{"domain/udp", "the protocol comes first", "write 'udp/domain'"},
		{"TCP/443", "'TCP/443' is no port", "did you mean 'tcp/443'?"},
		{"tpc/443", "is no port", "did you mean 'tcp/443'?"},
		{"Any", "is no port", "did you mean 'any'?"},
		{"tcp:443", "is no port", "tcp/443"},
		{"tcp/htps", "'htps' is no port", "did you mean 'tcp/https'?"},
		{"udp/domian", "'domian' is no port", "did you mean 'udp/domain'?"},
		{"tcp/xyzzy", "'xyzzy' is no port", "or 'tcp' for every port"},
		{"udp/http", "'http' is a port of tcp",
		 "write 'tcp/http', or the number: 'udp/80'"},
		{"tcp/ntp", "'ntp' is a port of udp", "'udp/ntp'"},
		{"tcp/", "'' is no port", "1 to 65535"},
		{"tcp/0", "'0' is no port", "1 to 65535"},
		{"tcp/65536", "'65536' is no port", "1 to 65535"},
		{"tcp/022", "'022' is no port", "decimal"},
		{"tcp/4294967739", "is no port", "1 to 65535"},
		{"tcp/-1", "'-1' is no port", ""},
		{"tcp/1-", "'1-' is no port", ""},
		{"tcp/1-2-3", "'1-2-3' is no port", ""},
		{"tcp/0-65535", "'0-65535' is no port", "1 to 65535"},
		{"tcp/90-80", "ends before it begins", "write 'tcp/80-90'"},
		{"tcp/80,443", "'80,443' is no port", ""},
		{"tcp/ 80", "is no port", ""},
		{"tcp/443/x", "is no port", ""},
		{"tcp/*", "'*' is no port", "'tcp' for every port"},
		{"icmp/8", "'8' is no ICMP type", "name it"},
		{"icmp/echo-requst", "is no ICMP type", "did you mean 'icmp/echo-request'?"},
		{"icmp/", "'' is no ICMP type", "'icmp' for every type"},
		{"icmpv6/echo-request", "'icmpv6' is no protocol here",
		 "write 'icmp/echo-request'"},
		{"icmpv6", "is no protocol here", "write 'icmp'"},
		{"ping", "is no protocol here", "write 'icmp/echo-request'"},
		{"sctp/80", "'sctp' is no protocol here", "write 'proto/132'"},
		{"gre", "is no protocol here", "write 'proto/47'"},
		{"*", "is no protocol here", "write 'any'"},
		{"proto/6", "protocol 6 can't be named by its number", "write 'tcp'"},
		{"proto/17", "can't be named", "write 'udp'"},
		{"proto/136", "can't be named", "write 'udplite'"},
		{"proto/1", "can't be named", "'icmp'"},
		{"proto/58", "can't be named", "'icmp'"},
		{"proto/0", "can't be named", "header of IPv6"},
		{"proto/44", "can't be named", "header of IPv6"},
		{"proto/255", "'255' is no protocol number", "IANA"},
		{"proto/256", "'256' is no protocol number", ""},
		{"proto/047", "'047' is no protocol number", ""},
		{"proto/gre", "'gre' is no protocol number", ""},
		{"proto", "'' is no protocol number", "'proto/47'"},
		{"any/443", "is no port", ""},
		{"", "'' is no port", ""},
		{"/", "'/' is no port", ""},
		{"tcp/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		 "is no port", ""},
		{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/1",
		 "is no port", ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct bh_port p = {.lo = 77};
		struct bh_fault f;

		if (bh_port_parse(cases[i].s, &p, &f) != -EINVAL || p.lo != 77)
			fail_msg("'%s' was taken", cases[i].s);
		if (!strstr(f.text, cases[i].text) || !strstr(f.help, cases[i].help))
			fail_msg("'%s': %s | %s", cases[i].s, f.text, f.help);
	}
}

/* Every name of the tables can be written, and is there once. */
static void test_tables(void **state)
{
	char text[64];
	struct bh_port p;
	struct bh_fault f;

	(void)state;
	for (size_t i = 0; i < bh_n_port_names; i++) {
		const struct bh_port_name *n = &bh_port_names[i];

		(void)snprintf(text, sizeof(text), "%s/%s", n->protos & BH_NAME_TCP ? "tcp" : "udp",
			       n->name);
		p = (struct bh_port){0};
		assert_int_equal(bh_port_parse(text, &p, &f), 0);
		assert_int_equal(p.lo, n->port);
		assert_true(!i || strcmp(bh_port_names[i - 1].name, n->name) < 0);
	}
	for (size_t i = 0; i < bh_n_icmp_names; i++) {
		(void)snprintf(text, sizeof(text), "icmp/%s", bh_icmp_names[i].name);
		p = (struct bh_port){0};
		assert_int_equal(bh_port_parse(text, &p, &f), 0);
		assert_true(p.icmp_v4 || p.icmp_v6);
		assert_int_equal(p.lo, p.icmp_v4 ? bh_icmp_names[i].v4 : 0);
		assert_string_equal(bh_icmp_word(&p), bh_icmp_names[i].name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_icmp),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
