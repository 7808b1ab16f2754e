/* SPDX-License-Identifier: Apache-2.0 */
/* cli_endpoint.c - SRC and DST[:PORT/PROTO] of `explain`: every form, and what is none. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "../../tools/bulkhead/endpoint.h"

struct good {
	const char *word, *who;
	unsigned port;
	const char *proto;
};

static const struct good good[] = {
	/* names */
	{"web", "web", 0, ""},
	{"web:443", "web", 443, "tcp"},
	{"web:443/tcp", "web", 443, "tcp"},
	{"web:53/udp", "web", 53, "udp"},
	{"web:53/udplite", "web", 53, "udplite"},
	{"web:1", "web", 1, "tcp"},
	{"web:65535", "web", 65535, "tcp"},
	/* as in a segment map */
	{"web:tcp/443", "web", 443, "tcp"},
	{"web:udp/53", "web", 53, "udp"},
	{"web:udplite/9", "web", 9, "udplite"},
	/* ICMP and other protocols */
	{"web:icmp", "web", 0, "icmp/echo-request"},
	{"web:icmp/echo-request", "web", 0, "icmp/echo-request"},
	{"web:icmp/packet-too-big", "web", 0, "icmp/packet-too-big"},
	{"web:proto/47", "web", 0, "proto/47"},
	/* names, of the built-in list */
	{"web:https", "web", 443, "tcp"},
	{"web:domain/udp", "web", 53, "udp"},
	{"web:udp/domain", "web", 53, "udp"},
	/* addresses */
	{"10.0.0.1", "10.0.0.1", 0, ""},
	{"10.0.0.1:443/tcp", "10.0.0.1", 443, "tcp"},
	{"2001:db8::1", "2001:db8::1", 0, ""},
	{"2001:db8::1:443", "2001:db8::1:443", 0, ""}, /* an address by itself */
	{"::1", "::1", 0, ""},
	{"[2001:db8::1]", "2001:db8::1", 0, ""},
	{"[2001:db8::1]:443", "2001:db8::1", 443, "tcp"},
	{"[2001:db8::1]:443/tcp", "2001:db8::1", 443, "tcp"},
	{"[::1]:icmp/echo-request", "::1", 0, "icmp/echo-request"},
	/* units and cgroups, which may hold colons of their own */
	{"nginx.service", "nginx.service", 0, ""},
	{"nginx.service:443", "nginx.service", 443, "tcp"},
	{"dbus-:1.2-org.example@0.service", "dbus-:1.2-org.example@0.service", 0, ""},
	{"dbus-:1.2-org.example@0.service:53/udp", "dbus-:1.2-org.example@0.service", 53, "udp"},
	{"/system.slice/a:b.service", "/system.slice/a:b.service", 0, ""},
	{"/system.slice/a:b", "/system.slice/a:b", 0, ""},
	{"/system.slice/a.service:80/tcp", "/system.slice/a.service", 80, "tcp"},
	{"/", "/", 0, ""},
	/* processes */
	{"pid:4711", "pid:4711", 0, ""},
	{"pid:4711:443/tcp", "pid:4711", 443, "tcp"},
	{"pid:1:icmp", "pid:1", 0, "icmp/echo-request"},
};

static void test_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		_cleanup_diags_ struct bh_diags d = {};
		_cleanup_endpoint_ struct bh_endpoint e = {};

		print_message("%s\n", good[i].word);
		assert_int_equal(bh_endpoint_parse(good[i].word, &d, &e), 0);
		assert_int_equal(d.n, 0);
		assert_string_equal(e.who, good[i].who);
		assert_int_equal(e.port, good[i].port);
		assert_string_equal(e.proto, good[i].proto);
	}
}

static const struct {
	const char *word, *says;
} bad[] = {
	{"", "nobody is named"},
	{":443", "nobody is named"},
	{"web:", "'' is no port"},
	{"web:0", "'0' is no port"},
	{"web:022", "'022' is no port"},
	{"web:65536", "'65536' is no port"},
	{"web:99999999999999999999", "'99999999999999999999' is no port"},
	{"web:-1", "'-1' is no port"},
	{"web:80-90", "one port is needed, not several: 'tcp/80-90'"},
	{"web:90-80", "the range '90-80' ends before it begins"},
	{"web:0x50", "'0x50' is no port"},
	{"web:8 0", "'8 0' is no port"},
	{"web:no-such-service/tcp", "'no-such-service' is no port"},
	{"web:tftp/tcp", "'tftp' is a port of udp"},
	{"web:443/", "'443/' is no port"},
	{"web:443/sctp", "'443/sctp' is no port"},
	{"web:443/TCP", "'443/TCP' is no port"},
	{"web:443/tcp/80", "'443/tcp/80' is no port"},
	{"web:/tcp", "'' is no port"},
	{"web:tcp", "one port is needed, not several: 'tcp'"},
	{"web:any", "'any' is no port"},
	{"web:tcp/", "'' is no port"},
	{"web:proto", "'proto' is no port"},
	{"web:proto/256", "'256' is no protocol number"},
	{"web:proto/6", "protocol 6 can't be named by its number"},
	{"web:proto/x", "'x' is no protocol number"},
	{"web:proto/-1", "'-1' is no protocol number"},
	{"web:icmp/", "'' is no ICMP type"},
	{"web:icmp/8", "'8' is no ICMP type"},
	{"web:icmp/Echo", "'Echo' is no ICMP type"},
	{"web:icmp/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	 "not a port: "},
	{"pid:", "not a process id: ''"},
	{"pid:x", "not a process id: 'x'"},
	{"pid:-1", "not a process id: '-1'"},
	{"pid:99999999", "not a process id: '99999999'"},
	{"2001:db8::1:443/tcp", "IPv6 address without brackets: '2001:db8::1:443/tcp'"},
	{"2001:db8:443", "IPv6 address without brackets: '2001:db8:443'"},
	{"::1:https", "IPv6 address without brackets: '::1:https'"},
	{"[", "only an IPv6 address stands in brackets"},
	{"[]", "only an IPv6 address stands in brackets"},
	{"[]:443", "only an IPv6 address stands in brackets"},
	{"[10.0.0.1]:443", "only an IPv6 address stands in brackets"},
	{"[web]:443", "only an IPv6 address stands in brackets"},
	{"[::1", "only an IPv6 address stands in brackets"},
	{"[::1]443", "only an IPv6 address stands in brackets"},
	{"[::1]:", "'' is no port"},
	{"we\033[2Jb", "a control character in a name"},
	{"web\n", "a control character in a name"},
	{"web\x7f:80", "a control character in a name"},
};

static void test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_diags_ struct bh_diags d = {};
		struct bh_endpoint e = {.who = (char *)"untouched", .port = 7};

		print_message("%s\n", bad[i].says);
		assert_int_equal(bh_endpoint_parse(bad[i].word, &d, &e), -EINVAL);
		assert_int_equal(d.n_errors, 1);
		if (!strstr(d.list[0].text, bad[i].says))
			assert_string_equal(d.list[0].text, bad[i].says);
		assert_string_equal(e.who, "untouched");
		assert_int_equal(e.port, 7);
	}
}

/* What is near is named. */
static void test_help(void **state)
{
	_cleanup_diags_ struct bh_diags d = {};
	struct bh_endpoint e = {};

	(void)state;
	assert_int_equal(bh_endpoint_parse("web:htps", &d, &e), -EINVAL);
	assert_string_equal(d.list[0].help, "did you mean 'tcp/https'?");
	assert_int_equal(bh_endpoint_parse("web:icmp/echo-requst", &d, &e), -EINVAL);
	assert_string_equal(d.list[1].help, "did you mean 'icmp/echo-request'?");
	assert_int_equal(bh_endpoint_parse("2001:db8::1:443/tcp", &d, &e), -EINVAL);
	assert_string_equal(d.list[2].help, "an IPv6 address with a port: [2001:db8::1]:443");
}

/* Longer than anything that can be a name, and all bytes there are. */
static void test_hostile(void **state)
{
	_cleanup_free_ char *word = malloc(1 << 20);
	struct bh_endpoint e = {};
	unsigned seed = 1;

	(void)state;
	assert_non_null(word);
	memset(word, ':', (1 << 20) - 1);
	word[(1 << 20) - 1] = '\0';
	for (size_t n = 1; n < 1 << 20; n *= 4) {
		_cleanup_diags_ struct bh_diags d = {};

		assert_int_equal(bh_endpoint_parse(word + (1 << 20) - 1 - n, &d, &e), -EINVAL);
		assert_int_equal(d.n_errors, 1);
	}
	for (int i = 0; i < 20000; i++) {
		static const char some[] = "web[]:://tcpudpicmp0123456789.service\x80\xff\x01 pid";
		_cleanup_diags_ struct bh_diags d = {};
		size_t n = (size_t)rand_r(&seed) % 24;

		for (size_t k = 0; k < n; k++)
			word[k] = some[(size_t)rand_r(&seed) % (sizeof(some) - 1)];
		word[n] = '\0';
		if (!bh_endpoint_parse(word, &d, &e)) {
			assert_true(*e.who);
			assert_true(e.port <= 65535);
			bh_endpoint_clear(&e);
		} else {
			assert_int_equal(d.n_errors, 1);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_help),
		cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests_name("cli_endpoint", tests, NULL, NULL);
}
