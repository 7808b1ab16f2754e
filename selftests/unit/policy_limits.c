/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy_limits.c - maps that do not fit: refused before anything is made, with what they
 * need, what there is, and who needs most. And maps that are big, and do.
 */
#include "policyrig.h"

#include <errno.h>
#include <string.h>
#include <time.h>

/* Room for little of everything. */
static const struct bh_limits small = {
	.policy = 64, .addrs = 4, .prefixes = 4, .rules = 64, .names = 8, .globs = 2, .users = 4};

static double seconds(void)
{
	struct timespec t;

	assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &t), 0);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* @help may be NULL. Nothing is made, nothing is handed out twice. */
static void refused(const char *body, const struct bh_limits *limits, const char *text,
		    const char *help)
{
	_cleanup_pol_ struct pol r;
	double before = seconds();

	assert_int_equal(pol_try(body, limits, &r), -E2BIG);
	assert_null(r.out);
	assert_true(pol_has_said(&r, text));
	assert_true(!help || pol_has_said(&r, help));
	/* generous: with sanitizers, on a busy machine; without either it is milliseconds */
	assert_true(seconds() - before < 20);
}

/* Text that is put together. */
struct text {
	FILE *out;
	char *s;
	size_t len;
};

static FILE *text_begin(struct text *t)
{
	t->out = open_memstream(&t->s, &t->len);
	assert_non_null(t->out);
	return t->out;
}

static const char *text_end(struct text *t)
{
	assert_int_equal(fclose(t->out), 0);
	return t->s;
}

static void text_clear(struct text *t)
{
	free(t->s);
}

#define _cleanup_text_ _cleanup_(text_clear)

/* --- each table ------------------------------------------------------------------------------------ */

static void test_policy(void **state)
{
	(void)state;
	refused("segments:\n  a: { match: { unit: a.service } }\n  b: { match: { unit: b.service } }\n"
		"  c: { match: { unit: c.service } }\n"
		"allow:\n  - { id: little, from: a, to: b, port: tcp/9 }\n"
		"  - { id: much, from: [a, b, c], to: [a, b, c], port: [tcp/1, tcp/2, tcp/3, tcp/4] }\n",
		&small, "the map needs 74 policy entries, there is room for 64",
		"rule 'much' (line 11) needs most of it: 72");
	/* rules that meet need less than their sum: 2 x 40, but 40 keys */
	_cleanup_pol_ struct pol r = pol_made_with(
		"segments:\n  a: { match: { unit: a.service } }\n  b: { match: { unit: b.service } }\n"
		"allow:\n  - { id: r, from: [a, b], to: [a, b], port: [tcp/1, tcp/2, tcp/3, tcp/4, tcp/5] }\n"
		"  - { id: s, from: [a, b], to: [a, b], port: [tcp/1, tcp/2, tcp/3, tcp/4, tcp/5] }\n",
		NULL, &small);

	assert_int_equal(r.out->policy.n, 40);
}

static void test_policy_exactly_full(void **state)
{
	static const char body[] = "segments:\n  a: { match: { unit: a.service } }\n"
				   "  b: { match: { unit: b.service } }\n"
				   "allow:\n  - { id: r, from: a, to: b, port: [tcp/1, tcp/2] }\n";
	struct bh_limits limits = small;

	(void)state;
	limits.policy = 4;
	_cleanup_pol_ struct pol r = pol_made_with(body, NULL, &limits);

	assert_int_equal(r.out->policy.n, 4);
	limits.policy = 3;
	refused(body, &limits, "the map needs 4 policy entries, there is room for 3", "rule 'r'");
}

static void test_addresses(void **state)
{
	(void)state;
	refused("segments:\n  a: { match: { cidr: [10.0.0.1/32, 10.0.0.2/32] } }\n"
		"  b: { match: { cidr: [10.0.1.1/32, 10.0.1.2/32, 10.0.1.3/32] } }\n",
		&small, "the map needs 5 exact addresses, there is room for 4",
		"segment 'b' (line 7) needs most of it: 3");
	refused("segments:\n  a: { match: { cidr: [10.0.0.0/24, 10.0.1.0/24] } }\n"
		"  b: { match: { cidr: [10.1.0.0/24, 10.2.0.0/24, 10.3.0.0/24] } }\n",
		&small, "the map needs 5 address prefixes, there is room for 4", "segment 'b'");
}

static void test_names(void **state)
{
	(void)state;
	refused("segments:\n  a: { match: { unit: [a.service, b.service, c.service] } }\n"
		"  b: { match: { cgroup: [/one/two, /one/three] } }\n",
		&small, "the map needs 9 unit and cgroup names, there is room for 8",
		"segment 'b' (line 7) needs most of it: 4");
	refused("segments:\n  a: { match: { cgroup: [\"/a/*\", \"/b/*\", \"/c/*\"] } }\n", &small,
		"the map needs 3 globs, there is room for 2", "segment 'a'");
	refused("segments:\n  a: { match: { cgroup: [/a, /b], group: all } }\n", &small,
		"the map needs 6 users of matches, there is room for 4", "segment 'a'");
}

static void test_rules(void **state)
{
	struct bh_limits limits = small;

	(void)state;
	limits.rules = 11;
	/* 4 segments of two defaults each, three rules, and number 0 */
	refused("segments:\n  a: { match: { unit: a.service } }\n"
		"allow:\n  - { id: r, from: a, to: any, port: any }\n"
		"  - { id: s, from: a, to: any, port: any }\n  - { id: t, from: a, to: any, port: any }\n",
		&limits, "the map needs 12 rule numbers, there is room for 11",
		"the two defaults of each segment, 8");
}

static void test_everything_at_once(void **state)
{
	_cleanup_pol_ struct pol r;

	(void)state;
	assert_int_equal(
		pol_try("segments:\n"
			"  a: { match: { cidr: [10.0.0.1/32, 10.0.0.2/32, 10.0.0.3/32,\n"
			"       10.0.0.4/32, 10.0.0.5/32] } }\n"
			"  b: { match: { unit: [a.service, b.service, c.service, d.service,\n"
			"       e.service] } }\n"
			"allow:\n  - { id: r, from: [a, b], to: [a, b], port: [tcp/1-30000] }\n",
			&small, &r),
		-E2BIG);
	assert_int_equal(r.d.n_errors, 3);
	assert_true(pol_has_said(&r, "exact addresses"));
	assert_true(pol_has_said(&r, "unit and cgroup names"));
	assert_true(pol_has_said(&r, "policy entries"));
}

static void test_listen(void **state)
{
	(void)state;
	refused("segments:\n  a: { match: { unit: a.service }, listen: tcp/1-65535 }\n",
		&bh_limits_default, "the map needs 131070 reserved ports and protocols",
		"segment 'a' (line 6)");
}

/* --- shapes and rows ---------------------------------------------------------------------------------- */

static void test_shapes(void **state)
{
	_cleanup_text_ struct text t = {0};
	FILE *out = text_begin(&t);

	(void)state;
	fprintf(out,
		"segments:\n  a: { match: { unit: a.service } }\n  b: { match: { unit: b.service } }\n");
	for (int deny = 0; deny < 2; deny++) {
		fprintf(out, deny ? "deny:\n" : "allow:\n");
		for (int i = 0; i < 4; i++)
			fprintf(out, "  - { id: %s%d, from: %s, to: %s, port: [tcp/1-65534%s] }\n",
				deny ? "d" : "r", i, i & 1 ? "any" : "a", i & 2 ? "any" : "b",
				", udp/32768-65535, udplite");
	}
	/* every length, 4 ways to name the ends, two kinds: 17 x 4 x 2 */
	refused(text_end(&t), &bh_limits_default,
		"the map needs 136 combinations of wildcards and port lengths for ingress, there is "
		"room for 128",
		NULL);
}

static void test_rows(void **state)
{
	_cleanup_text_ struct text t = {0};
	FILE *out = text_begin(&t);

	(void)state;
	fprintf(out, "segments:\n  a: { match: { unit: a.service } }\nallow:\n");
	for (int i = 0; i < 200; i++)
		fprintf(out, "  - { id: r%d, from: a, to: any, port: tcp/1, jit: { max: 1h } }\n",
			i);
	refused(text_end(&t), &bh_limits_default,
		"and more than 127 others with conditions (jit, require, until) are about the same "
		"ends and port",
		"join rules");
}

/* --- blow-ups ----------------------------------------------------------------------------------------- */

static void test_every_segment_to_every_segment(void **state)
{
	_cleanup_text_ struct text t = {0};
	FILE *out = text_begin(&t);

	(void)state;
	fprintf(out, "segments:\n");
	for (int i = 0; i < 1000; i++)
		fprintf(out,
			"  s%d: { match: { cidr: [10.0.%d.%d/32] }, labels: { all: \"1\" } }\n", i,
			i / 256, i % 256);
	fprintf(out, "allow:\n");
	for (int i = 0; i < 100; i++)
		fprintf(out,
			"  - { id: r%d, from: { labels: { all: \"1\" } }, to: { labels: { all: \"1\" } }, "
			"port: tcp/1-65534 }\n",
			i);
	refused(text_end(&t), &bh_limits_default,
		"the map needs 6000000000 policy entries, there is room for 1048576",
		"rule 'r0' (line 1007) needs most of it: 60000000");
}

static void test_prefixes_in_prefixes(void **state)
{
	_cleanup_text_ struct text t = {0};
	FILE *out = text_begin(&t);

	(void)state;
	/* a deny names each of 30 that nest, and half of each is somebody else's */
	fprintf(out, "segments:\n");
	for (int len = 1; len <= 30; len++)
		fprintf(out, "  n%d: { match: { cidr: [0.0.0.0/%d] } }\n", len, len);
	for (int i = 0; i < 3000; i++)
		fprintf(out, "  s%d: { match: { cidr: [\"0.%d.%d.0/31\"] } }\n", i, i / 250,
			i % 250 + 1);
	fprintf(out, "deny:\n");
	for (int len = 1; len <= 30; len++)
		fprintf(out, "  - { id: d%d, from: n%d, to: any, port: tcp/%d }\n", len, len, len);
	fprintf(out, "allow:\n  - { id: r, from: any, to: any, port: any }\n");
	_cleanup_pol_ struct pol r = pol_made(text_end(&t));
	struct bh_addr addr = pol_addr("0.3.7.1");
	struct pol_ask ask = {.local = BH_ID_HOST, .proto = 6, .dir = BH_IN};

	ask.remote = pol_who(r.out, &addr).class;
	assert_int_equal(pol_who(r.out, &addr).identity, pol_identity(&r, "s756"));
	for (ask.port = 1; ask.port <= 31; ask.port++)
		assert_int_equal(pol_judge(r.out, &ask).kind,
				 ask.port <= 14 ? BH_KIND_DENY : BH_KIND_ALLOW);
}

static void test_too_many_classes(void **state)
{
	_cleanup_text_ struct text t = {0};
	FILE *out = text_begin(&t);

	(void)state;
	/* each prefix of a failsafe has a class of its own */
	fprintf(out, "segments:\n  a: { match: { unit: a.service } }\nfailsafe:\n");
	fprintf(out, "  - { port: tcp/22, from: { cidr: [");
	for (int i = 0; i < 65537; i++)
		fprintf(out, "%s10.%d.%d.%d/32", i ? "," : "", i >> 16, i >> 8 & 255, i & 255);
	fprintf(out, "] } }\n");
	refused(text_end(&t), &bh_limits_default,
		"prefixes nest in more than 65536 ways that rules tell apart", NULL);
}

/* --- big ------------------------------------------------------------------------------------------------ */

static void test_ten_thousand_rules(void **state)
{
	_cleanup_text_ struct text t = {0};
	FILE *out = text_begin(&t);
	double begin, end;

	(void)state;
	fprintf(out, "segments:\n");
	for (int i = 0; i < 1000; i++)
		fprintf(out,
			"  s%d: { match: [ { unit: s%d.service }, { cidr: [10.%d.%d.1/32, 172.16.%d.%d/32] } ] }\n",
			i, i, i / 256, i % 256, i / 256, i % 256);
	fprintf(out, "allow:\n");
	for (int i = 0; i < 10000; i++)
		fprintf(out,
			"  - { id: r%d, from: s%d, to: s%d, port: [tcp/%d, udp/%d, tcp/1, tcp/2, tcp/3] }\n",
			i, i % 1000, i * 7 % 1000, 1024 + i, 1024 + i);
	begin = seconds();
	_cleanup_pol_ struct pol r = pol_made(text_end(&t));

	end = seconds();
	print_message("%zu policy entries, parsed and compiled with sanitizers in %.2f s\n",
		      r.out->policy.n, end - begin);
	assert_true(r.out->policy.n > 40000);
	assert_true(end - begin < 30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_policy),
		cmocka_unit_test(test_policy_exactly_full),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_everything_at_once),
		cmocka_unit_test(test_listen),
		cmocka_unit_test(test_shapes),
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_every_segment_to_every_segment),
		cmocka_unit_test(test_prefixes_in_prefixes),
		cmocka_unit_test(test_too_many_classes),
		cmocka_unit_test(test_ten_thousand_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
