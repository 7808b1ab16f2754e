/* SPDX-License-Identifier: Apache-2.0 */
/* policy_addr.c - whose address it is, and inside which other prefixes it lies. */
#include "policyrig.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

static const char *segment_name(const struct pol *r, __u32 id)
{
	for (size_t i = 0; i < r->out->n_identity; i++)
		if (r->out->identity[i] == id)
			return r->map->segment[i].name;
	return "?";
}

static void expect_segment(const struct pol *r, const char *addr, const char *want)
{
	struct bh_addr a = pol_addr(addr);
	struct bh_addr_val val = pol_who(r->out, &a);

	if (strcmp(segment_name(r, val.identity), want) != 0)
		fail_msg("%s is in %s, expected %s", addr, segment_name(r, val.identity), want);
	assert_int_equal(bh_compiled_identity(r->out, &a), val.identity);
}

static __u32 class_of(const struct pol *r, const char *addr)
{
	struct bh_addr a = pol_addr(addr);

	return pol_who(r->out, &a).class;
}

/* --- identities --------------------------------------------------------------------------------- */

static void test_longest_prefix(void **state)
{
	_cleanup_pol_ struct pol r =
		pol_made("segments:\n"
			 "  a: { match: { cidr: [10.0.0.0/8, 10.2.3.4/32] } }\n"
			 "  b: { match: { cidr: [10.2.0.0/16] } }\n");

	(void)state;
	expect_segment(&r, "10.255.255.255", "a");
	expect_segment(&r, "11.0.0.0", "world");
	expect_segment(&r, "9.255.255.255", "world");
	expect_segment(&r, "10.2.3.3", "b");
	expect_segment(&r, "10.2.3.4", "a");
	expect_segment(&r, "10.2.3.5", "b");
	/* nothing denies: an address is looked up as what it is */
	assert_int_equal(r.out->n_classes, 0);
	assert_int_equal(class_of(&r, "10.2.3.3"), pol_identity(&r, "b"));
	/* a whole address belongs in the hash, all else in the trie */
	assert_int_equal(r.out->addrs.n, 1);
	assert_int_equal(r.out->prefixes.n, 2);
}

static void test_holes(void **state)
{
	_cleanup_pol_ struct pol r = pol_made(
		"segments:\n"
		"  all: { match: { cidr: [0.0.0.0/0] } }\n"
		"  a: { match: { cidr: [10.0.0.0/8, 10.1.2.0/24], except: [10.1.0.0/16] } }\n"
		"  b: { match: [ { cidr: [192.0.2.0/24], except: [192.0.2.66/32] } ] }\n"
		"  c: { match: [ { cidr: [10.9.0.0/16], except: [10.9.9.0/24] },\n"
		"                { cidr: [10.9.9.9/32] } ] }\n");

	(void)state;
	expect_segment(&r, "10.0.0.1", "a");
	expect_segment(&r, "10.1.0.1", "all");
	/* all keys of a match must hold, also for a prefix inside the hole */
	expect_segment(&r, "10.1.2.3", "all");
	expect_segment(&r, "192.0.2.65", "b");
	expect_segment(&r, "192.0.2.66", "all");
	expect_segment(&r, "10.9.0.1", "c");
	expect_segment(&r, "10.9.9.1", "a");
	/* another match of the segment does not know that hole */
	expect_segment(&r, "10.9.9.9", "c");
}

static void test_hole_into_nothing(void **state)
{
	_cleanup_pol_ struct pol r = pol_made(
		"segments:\n"
		"  a: { match: { cidr: [\"2001:db8::/32\"], except: [\"2001:db8:1::/48\"] } }\n");

	(void)state;
	expect_segment(&r, "2001:db8::1", "a");
	expect_segment(&r, "2001:db8:1::1", "world");
	expect_segment(&r, "2001:db8:2::1", "a");
}

static void test_ipv6_never_matches_ipv4(void **state)
{
	_cleanup_pol_ struct pol r =
		pol_made("segments:\n"
			 "  six: { match: { cidr: [\"::/0\"] } }\n"
			 "  low: { match: { cidr: [\"::/64\"] } }\n"
			 "  four: { match: { cidr: [10.0.0.0/8] } }\n"
			 "deny:\n  - { id: d, from: [six, low], to: any, port: any }\n");

	(void)state;
	expect_segment(&r, "10.0.0.1", "four");
	expect_segment(&r, "192.0.2.1", "world");
	expect_segment(&r, "::1", "low");
	expect_segment(&r, "::fffe:ffff:ffff", "low");
	expect_segment(&r, "::1:0:0:0", "low");
	expect_segment(&r, "2001:db8::1", "six");
	assert_int_equal(class_of(&r, "192.0.2.1"), BH_ID_WORLD);
	assert_int_equal(class_of(&r, "10.0.0.1"), pol_identity(&r, "four"));
	assert_true(class_of(&r, "::1") >= BH_CLASS_FIRST);
}

static void test_all_of_ipv4(void **state)
{
	_cleanup_pol_ struct pol r = pol_made("segments:\n"
					      "  four: { match: { cidr: [0.0.0.0/0] } }\n"
					      "  six: { match: { cidr: [\"::/0\"] } }\n");

	(void)state;
	expect_segment(&r, "0.0.0.0", "four");
	expect_segment(&r, "255.255.255.255", "four");
	expect_segment(&r, "::", "six");
	expect_segment(&r, "::ffff", "six");
}

static void test_link_local_is_world(void **state)
{
	_cleanup_pol_ struct pol r =
		pol_made("segments:\n"
			 "  six: { match: { cidr: [\"::/0\", \"169.254.0.0/16\"] } }\n"
			 "deny:\n  - { id: d, from: six, to: any, port: any }\n");
	struct bh_addr a = pol_addr("fe80::1");

	(void)state;
	expect_segment(&r, "fe80::1", "world");
	expect_segment(&r, "febf:ffff::1", "world");
	expect_segment(&r, "fe7f:ffff::1", "six");
	expect_segment(&r, "fec0::1", "six");
	/* like any other */
	expect_segment(&r, "169.254.1.1", "six");
	/* the table says it too, not only the datapath's own test */
	assert_int_equal(bh_compiled_identity(r.out, &a), BH_ID_WORLD);
}

static void test_entries_that_say_nothing_new_are_left_out(void **state)
{
	_cleanup_pol_ struct pol r =
		pol_made("segments:\n"
			 "  a: { match: { cidr: [10.0.0.0/8, 10.1.0.0/16, 10.1.1.1/32] } }\n");

	(void)state;
	assert_int_equal(r.out->prefixes.n, 1);
	assert_int_equal(r.out->addrs.n, 0);
	expect_segment(&r, "10.1.1.1", "a");
}

/* --- classes -------------------------------------------------------------------------------------- */

static int judged(const struct pol *r, const char *local, const char *addr, int dir, __u16 port)
{
	struct pol_ask ask = {.local = pol_identity(r, local),
			      .remote = class_of(r, addr),
			      .proto = IPPROTO_TCP,
			      .port = port,
			      .dir = (__u8)dir};

	return pol_judge(r->out, &ask).kind;
}

#define NEST                                                                                       \
	"segments:\n"                                                                              \
	"  srv: { match: { unit: a.service } }\n"                                                  \
	"  wide: { match: { cidr: [10.0.0.0/8], except: [10.3.0.0/16] } }\n"                       \
	"  mid: { match: { cidr: [10.1.0.0/16] } }\n"                                              \
	"  in: { match: { cidr: [10.1.1.0/24, 10.3.3.0/24] } }\n"

static void test_a_deny_reaches_inside(void **state)
{
	_cleanup_pol_ struct pol r =
		pol_made(NEST "allow:\n  - { id: a, from: any, to: any, port: any }\n"
			      "deny:\n  - { id: d, from: wide, to: srv, port: tcp/1 }\n"
			      "  - { id: e, from: srv, to: mid, port: tcp/2 }\n");

	(void)state;
	assert_int_equal(judged(&r, "srv", "10.0.0.1", BH_IN, 1), BH_KIND_DENY);
	assert_int_equal(judged(&r, "srv", "10.1.0.1", BH_IN, 1), BH_KIND_DENY);
	assert_int_equal(judged(&r, "srv", "10.1.1.1", BH_IN, 1), BH_KIND_DENY);
	/* in the hole it is not inside any more */
	assert_int_equal(judged(&r, "srv", "10.3.3.1", BH_IN, 1), BH_KIND_ALLOW);
	assert_int_equal(judged(&r, "srv", "10.0.0.1", BH_OUT, 2), BH_KIND_ALLOW);
	assert_int_equal(judged(&r, "srv", "10.1.0.1", BH_OUT, 2), BH_KIND_DENY);
	assert_int_equal(judged(&r, "srv", "10.1.1.1", BH_OUT, 2), BH_KIND_DENY);
	expect_segment(&r, "10.1.1.1", "in");
	/* mid in wide; in in both; in in the hole is `in` itself */
	assert_int_equal(r.out->n_classes, 2);
	assert_int_equal(class_of(&r, "10.3.3.1"), pol_identity(&r, "in"));
}

static void test_an_allow_does_not(void **state)
{
	_cleanup_pol_ struct pol r =
		pol_made(NEST "allow:\n  - { id: a, from: wide, to: srv, port: tcp/1 }\n"
			      "  - { id: b, from: in, to: srv, port: tcp/2 }\n"
			      "deny:\n  - { id: d, from: [wide, mid], to: srv, port: tcp/3 }\n");

	(void)state;
	assert_int_equal(judged(&r, "srv", "10.0.0.1", BH_IN, 1), BH_KIND_ALLOW);
	assert_int_equal(judged(&r, "srv", "10.1.0.1", BH_IN, 1), BH_KIND_MAX);
	assert_int_equal(judged(&r, "srv", "10.1.1.1", BH_IN, 1), BH_KIND_MAX);
	/* but it holds for its segment wherever that lies */
	assert_int_equal(judged(&r, "srv", "10.1.1.1", BH_IN, 2), BH_KIND_ALLOW);
	assert_int_equal(judged(&r, "srv", "10.3.3.1", BH_IN, 2), BH_KIND_ALLOW);
	assert_int_equal(judged(&r, "srv", "10.0.0.1", BH_IN, 2), BH_KIND_MAX);
}

static void test_a_failsafe_reaches_inside(void **state)
{
	_cleanup_pol_ struct pol r =
		pol_made(NEST "failsafe:\n  - { from: { cidr: [10.1.1.0/25] }, port: tcp/22 }\n"
			      "  - { from: { cidr: [192.0.2.0/24] }, port: tcp/22 }\n"
			      "  - { from: { cidr: [192.0.2.1/32] }, port: tcp/80 }\n");

	(void)state;
	assert_int_equal(judged(&r, "srv", "10.1.1.1", BH_IN, 22), BH_KIND_FAILSAFE);
	assert_int_equal(judged(&r, "srv", "10.1.1.127", BH_IN, 22), BH_KIND_FAILSAFE);
	assert_int_equal(judged(&r, "srv", "10.1.1.128", BH_IN, 22), BH_KIND_MAX);
	assert_int_equal(judged(&r, "srv", "192.0.2.1", BH_IN, 22), BH_KIND_FAILSAFE);
	assert_int_equal(judged(&r, "srv", "192.0.2.1", BH_IN, 80), BH_KIND_FAILSAFE);
	assert_int_equal(judged(&r, "srv", "192.0.2.2", BH_IN, 80), BH_KIND_MAX);
	assert_int_equal(judged(&r, "srv", "192.0.2.2", BH_OUT, 22), BH_KIND_MAX);
	/* it gives no segment */
	expect_segment(&r, "10.1.1.1", "in");
	expect_segment(&r, "192.0.2.1", "world");
}

static void test_world_is_world_in_a_failsafe_too(void **state)
{
	_cleanup_pol_ struct pol r =
		pol_made(NEST "allow:\n  - { id: a, from: world, to: srv, port: tcp/80 }\n"
			      "failsafe:\n  - { from: { cidr: [192.0.2.0/24] }, port: tcp/22 }\n");

	(void)state;
	assert_int_equal(judged(&r, "srv", "192.0.2.1", BH_IN, 80), BH_KIND_ALLOW);
	assert_int_equal(judged(&r, "srv", "192.0.1.1", BH_IN, 80), BH_KIND_ALLOW);
	assert_int_equal(judged(&r, "srv", "10.0.0.1", BH_IN, 80), BH_KIND_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_longest_prefix),
		cmocka_unit_test(test_holes),
		cmocka_unit_test(test_hole_into_nothing),
		cmocka_unit_test(test_ipv6_never_matches_ipv4),
		cmocka_unit_test(test_all_of_ipv4),
		cmocka_unit_test(test_link_local_is_world),
		cmocka_unit_test(test_entries_that_say_nothing_new_are_left_out),
		cmocka_unit_test(test_a_deny_reaches_inside),
		cmocka_unit_test(test_an_allow_does_not),
		cmocka_unit_test(test_a_failsafe_reaches_inside),
		cmocka_unit_test(test_world_is_world_in_a_failsafe_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
