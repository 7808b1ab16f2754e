/* SPDX-License-Identifier: Apache-2.0 */
/* policy_cidr.c - text to address prefixes: what is taken, what is refused and what instead. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "../../agent/policy/cidr.h"

static void test_good(void **state)
{
	static const struct {
		const char *s;
		bool v4;
		int plen;
		const char *text;
	} cases[] = {
		{"10.0.1.0/28", true, 124, "10.0.1.0/28"},
		{"0.0.0.0/0", true, 96, "0.0.0.0/0"},
		{"255.255.255.255/32", true, 128, "255.255.255.255/32"},
		{"128.0.0.0/1", true, 97, "128.0.0.0/1"},
		{"::/0", false, 0, "::/0"},
		{"2001:db8::/32", false, 32, "2001:db8::/32"},
		{"2001:DB8:0:0::1/128", false, 128, "2001:db8::1/128"},
		{"8000::/1", false, 1, "8000::/1"},
		/* Wider than what is refused inside it. */
		{"fe00::/9", false, 9, "fe00::/9"},
		{"fec0::/10", false, 10, "fec0::/10"},
		{"::/95", false, 95, "::/95"},
		{"::/96", false, 96, "::/96"},
		{"::fffe:0:0/96", false, 96, "::fffe:0:0/96"},
		{"64:ff9b::192.0.2.0/120", false, 120, "64:ff9b::c000:200/120"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct bh_cidr c;
		struct bh_fault f;
		char text[BH_CIDR_TEXT];

		if (bh_cidr_parse(cases[i].s, &c, &f))
			fail_msg("%s: %s", cases[i].s, f.text);
		assert_int_equal(c.v4, cases[i].v4);
		assert_int_equal(c.plen, cases[i].plen);
		assert_string_equal(bh_cidr_text(&c, text), cases[i].text);
	}
}

static void test_bytes(void **state)
{
	static const __u8 want[16] = {[10] = 0xff, [11] = 0xff, [12] = 10, [14] = 1};
	struct bh_cidr c;
	struct bh_fault f;

	(void)state;
	assert_int_equal(bh_cidr_parse("10.0.1.0/28", &c, &f), 0);
	assert_memory_equal(c.addr.b, want, 16);
}

static void test_bad(void **state)
{
	static const struct {
		const char *s, *text, *help;
	} cases[] = {
		{"192.0.2.33/27", "'192.0.2.33/27' has bits set behind the prefix",
		 "write '192.0.2.32/27', or '192.0.2.33/32' for the one address"},
		{"0.0.0.1/0", "bits set", "'0.0.0.0/0'"},
		{"2001:db8::1/32", "bits set", "'2001:db8::/32', or '2001:db8::1/128'"},
		{"::1/127", "bits set", "'::/127'"},
		{"::ffff:10.0.0.1/128", "written as IPv6", "write '10.0.0.1/32'"},
		{"::ffff:a00:0/104", "written as IPv6", "write '10.0.0.0/8'"},
		{"::ffff:0:0/96", "written as IPv6", "write '0.0.0.0/0'"},
		{"::ffff:10.1.2.3/104", "written as IPv6", "write '10.0.0.0/8'"},
		{"fe80::/10", "link-local", "unit"},
		{"fe80::1/64", "link-local", ""},
		{"febf::/16", "link-local", ""},
		{"10.0.0.1", "'10.0.0.1' has no prefix length", "'10.0.0.1/32'"},
		{"2001:db8::1", "no prefix length", "'2001:db8::1/128'"},
		{"10.0.0.0/33", "'33' is no prefix length", "0 to 32"},
		{"10.0.0.0/", "'' is no prefix length", ""},
		{"10.0.0.0/08", "'08' is no prefix length", ""},
		{"10.0.0.0/+8", "'+8' is no prefix length", ""},
		{"10.0.0.0/8 ", "no prefix length", ""},
		{"10.0.0.0/8/8", "'8/8' is no prefix length", ""},
		{"10.0.0.0/99999999999999999999", "no prefix length", ""},
		{"::/129", "'129' is no prefix length", "0 to 128"},
		{"10.0.0.0/255.0.0.0", "no prefix length", "write '10.0.0.0/8'"},
		{"10.0.0.0/255.255.255.255", "no prefix length", "write '10.0.0.0/32'"},
		{"10.0.0.0/255.0.255.0", "no prefix length", "0 to 32"},
		{"2001:db8::/255.0.0.0", "no prefix length", "0 to 128"},
		{"10.0.0/24", "is no address prefix", "10.0.1.0/28"},
		{"010.0.0.0/8", "is no address prefix", ""},
		{"10.0.0.256/32", "is no address prefix", ""},
		{"0x0a.0.0.0/8", "is no address prefix", ""},
		{"fe80::1%eth0/128", "is no address prefix", ""},
		{"example.org/32", "is no address prefix", ""},
		{"", "is no address prefix", ""},
		{"/", "is no address prefix", ""},
		{"1:2:3:4:5:6:7:8:9/128", "is no address prefix", ""},
		{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/8",
		 "is no address prefix", ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct bh_cidr c = {.plen = 77};
		struct bh_fault f;

		if (bh_cidr_parse(cases[i].s, &c, &f) != -EINVAL || c.plen != 77)
			fail_msg("'%s' was taken", cases[i].s);
		if (!strstr(f.text, cases[i].text) || !strstr(f.help, cases[i].help))
			fail_msg("'%s': %s | %s", cases[i].s, f.text, f.help);
	}
}

static struct bh_cidr cidr(const char *s)
{
	struct bh_cidr c;
	struct bh_fault f;

	if (bh_cidr_parse(s, &c, &f))
		fail_msg("%s: %s", s, f.text);
	return c;
}

static void test_contains(void **state)
{
	static const struct {
		const char *wide, *narrow;
		bool contains;
	} cases[] = {
		{"10.0.0.0/8", "10.255.0.0/16", true}, {"10.0.0.0/8", "10.0.0.0/8", true},
		{"10.0.0.0/8", "11.0.0.0/16", false},  {"10.0.0.0/9", "10.128.0.0/9", false},
		{"10.0.0.0/8", "0.0.0.0/0", false},    {"0.0.0.0/0", "10.0.0.0/8", true},
		{"::/0", "2001:db8::/32", true},       {"::/0", "10.0.0.0/8", false},
		{"0.0.0.0/0", "2001:db8::/32", false}, {"2001:db8::/32", "2001:db9::/32", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct bh_cidr wide = cidr(cases[i].wide), narrow = cidr(cases[i].narrow);

		assert_int_equal(bh_cidr_contains(&wide, &narrow), cases[i].contains);
	}
}

static void test_order(void **state)
{
	static const char *const sorted[] = {"0.0.0.0/0",    "10.0.0.0/8", "10.0.0.0/9",
					     "10.64.0.0/10", "11.0.0.0/8", "::/0",
					     "::/128",	     "2000::/3"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sorted); i++)
		for (size_t j = 0; j < ARRAY_SIZE(sorted); j++) {
			struct bh_cidr a = cidr(sorted[i]), b = cidr(sorted[j]);
			int r = bh_cidr_cmp(&a, &b);

			assert_int_equal((r > 0) - (r < 0), (i > j) - (i < j));
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),  cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_bad),   cmocka_unit_test(test_contains),
		cmocka_unit_test(test_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
