/* SPDX-License-Identifier: Apache-2.0 */
/* policy_diff.c - what changes between two maps, in the words of the map. */
#include "policyrig.h"

#include <string.h>

static struct bh_map *parsed(const char *body)
{
	_cleanup_diags_ struct bh_diags d = {0};
	_cleanup_free_ char *text = pol_text(body);
	struct bh_map *map = NULL;

	if (bh_map_parse("test.yaml", text, strlen(text), &d, &map))
		bh_diags_print(&d, stdout, false);
	assert_non_null(map);
	return map;
}

/* "+ segment web: ...\n~ rule r: ...\n" */
static char *diff_text(const struct bh_map *old, const struct bh_map *new)
{
	struct bh_changes c;
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	assert_int_equal(bh_map_diff(old, new, &c), 0);
	for (size_t i = 0; i < c.n; i++)
		fprintf(out, "%c %s: %s\n",
			c.v[i].what == BH_CHANGE_ADDED	   ? '+'
			: c.v[i].what == BH_CHANGE_REMOVED ? '-'
							   : '~',
			c.v[i].object, c.v[i].detail);
	bh_changes_clear(&c);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void expect(const char *old_body, const char *new_body, const char *want)
{
	_cleanup_(bh_map_freep) struct bh_map *old = old_body ? parsed(old_body) : NULL;
	_cleanup_(bh_map_freep) struct bh_map *new = parsed(new_body);
	_cleanup_free_ char *text = diff_text(old, new);

	assert_string_equal(text, want);
}

#define SEGS                                                                                       \
	"segments:\n  web: { match: { unit: nginx.service } }\n"                                   \
	"  db: { match: { cidr: [10.0.0.1/32] } }\n"

static void test_nothing(void **state)
{
	(void)state;
	expect(SEGS, SEGS, "");
	/* order, positions and spelling of lists say nothing */
	expect("segments:\n  a: { match: { unit: [a.service, b.service] } }\n"
	       "  b: { match: [ { cidr: [10.0.0.0/8], except: [10.1.0.0/16, 10.2.0.0/16] } ] }\n"
	       "allow:\n  - { id: r, from: [a, b], to: b, port: [tcp/1, tcp/2] }\n"
	       "  - { id: s, from: a, to: b, port: tcp/2 }\n",
	       "allow:\n  - { id: s, from: a, to: b, port: tcp/2 }\n\n"
	       "  - { id: r, from: [b, a], to: [b], port: [tcp/2, tcp/1] }\n"
	       "segments:\n  b: { match: { except: [10.2.0.0/16, 10.1.0.0/16], cidr: [10.0.0.0/8] } }\n"
	       "  a: { match: [ { unit: b.service }, { unit: a.service } ] }\n",
	       "");
}

static void test_everything_is_new(void **state)
{
	(void)state;
	expect(NULL,
	       SEGS "allow:\n  - { id: r, from: web, to: db, port: tcp/5432, owner: me }\n"
		    "failsafe:\n  - { from: { cidr: [192.0.2.0/28] }, port: tcp/22 }\n"
		    "assert:\n  - { from: db, to: web, port: tcp/1, expect: deny }\n",
	       "+ map name: test\n"
	       "+ map mode: enforce\n"
	       "+ map default ingress: deny\n"
	       "+ map default egress: deny\n"
	       "+ segment db: match: cidr 10.0.0.1/32\n"
	       "+ segment host: default egress: allow\n"
	       "+ segment web: match: unit nginx.service\n"
	       "+ rule r: action: allow; from: web; to: db; port: tcp/5432; owner: me\n"
	       "+ failsafe failsafe-1: from: 192.0.2.0/28; port: tcp/22\n"
	       "+ assert assert-1: from: db; to: web; port: tcp/1; expect: deny\n");
}

static void test_fields(void **state)
{
	(void)state;
	expect(SEGS "allow:\n  - { id: r, from: web, to: db, port: tcp/5432 }\n"
		    "  - { id: gone, from: web, to: db, port: udp }\n"
		    "failsafe:\n  - { id: f, from: { cidr: [192.0.2.0/28] }, port: tcp/22 }\n",
	       SEGS
	       "  new: { match: { cgroup: /user.slice, user: [bob, alice] }, labels: { a: b } }\n"
	       "l2: deny\nforward: allow\nrevert_on_denies: 5\n"
	       "allow:\n  - { id: r, from: [web, new], to: db, port: [tcp/5432, icmp/echo-request],\n"
	       "      until: 2030-01-01T00:00:00Z, mode: observe, jit: { max: 1h, reason: required } }\n"
	       "failsafe:\n  - { id: f, from: { cidr: [192.0.2.0/28] }, port: tcp/22, unit: a.service }\n",
	       "~ map forward: (none) -> allow\n"
	       "~ map l2: (none) -> deny\n"
	       "~ map revert_on_denies: (none) -> 5\n"
	       "+ segment new: match: cgroup /user.slice user alice|bob; labels: a=b\n"
	       "- rule gone: action: allow; from: web; to: db; port: udp\n"
	       "~ rule r: from: web -> new, web; port: tcp/5432 -> icmp/echo-request, tcp/5432; "
	       "jit: (none) -> at most 3600 s with a reason; "
	       "until: (none) -> 2030-01-01T00:00:00Z; mode: (none) -> observe\n"
	       "~ failsafe f: unit: (none) -> a.service\n");
}

static void test_a_rule_that_changes_sides(void **state)
{
	(void)state;
	expect(SEGS "allow:\n  - { id: r, from: web, to: any, port: tcp/1 }\n",
	       SEGS "deny:\n  - { id: r, from: web, to: any, port: tcp/1 }\n",
	       "~ rule r: action: allow -> deny\n");
}

static void test_labels_that_select_others(void **state)
{
	(void)state;
	expect("segments:\n  a: { match: { unit: a.service }, labels: { x: z } }\n"
	       "  b: { match: { unit: b.service } }\n"
	       "allow:\n  - { id: r, from: { labels: { x: z } }, to: b, port: any }\n",
	       "segments:\n  a: { match: { unit: a.service }, labels: { x: z } }\n"
	       "  b: { match: { unit: b.service }, labels: { x: z } }\n"
	       "allow:\n  - { id: r, from: { labels: { x: z } }, to: b, port: any }\n",
	       "~ segment b: labels: (none) -> x=z\n~ rule r: from: a -> a, b\n");
}

static void test_a_hole_moves(void **state)
{
	(void)state;
	/* the same words in other matches is another map */
	expect("segments:\n  a: { match: [ { cidr: [10.0.0.0/8], except: [10.1.1.0/24] },\n"
	       "    { cidr: [10.1.0.0/16] } ] }\n",
	       "segments:\n  a: { match: [ { cidr: [10.0.0.0/8] },\n"
	       "    { cidr: [10.1.0.0/16], except: [10.1.1.0/24] } ] }\n",
	       "~ segment a: match: cidr 10.0.0.0/8 except 10.1.1.0/24, cidr 10.1.0.0/16 -> "
	       "cidr 10.0.0.0/8, cidr 10.1.0.0/16 except 10.1.1.0/24\n");
}

static void test_reserved_segments(void **state)
{
	(void)state;
	expect(SEGS "  world: { mode: observe }\n", SEGS "  host: { default: { egress: deny } }\n",
	       "~ segment host: default egress: allow -> deny\n"
	       "- segment world: mode: observe\n");
}

/* "segments:\n  a: { match: { cidr: [10.0.FROM.0/24, ... 10.0.TO.0/24] } }\n" */
static char *many(int from, int to)
{
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	fprintf(out, "segments:\n  a: { match: { cidr: [");
	for (int i = from; i <= to; i++)
		fprintf(out, "%s10.0.%d.0/24", i > from ? ", " : "", i);
	fprintf(out, "] } }\n");
	assert_int_equal(fclose(out), 0);
	return text;
}

static void test_long_lists(void **state)
{
	_cleanup_free_ char *old = many(0, 99), *new = many(1, 100), *other = many(100, 199);

	(void)state;
	expect(old, new,
	       "~ segment a: match: -cidr 10.0.0.0/24 +cidr 10.0.100.0/24 (100 -> 100)\n");
	expect(old, other,
	       "~ segment a: match: -cidr 10.0.0.0/24 -cidr 10.0.1.0/24 -cidr 10.0.10.0/24 "
	       "-cidr 10.0.11.0/24 -cidr 10.0.12.0/24 -cidr 10.0.13.0/24 -cidr 10.0.14.0/24 "
	       "-cidr 10.0.15.0/24 -cidr 10.0.16.0/24 -cidr 10.0.17.0/24 -cidr 10.0.18.0/24 "
	       "-cidr 10.0.19.0/24 and 188 more (100 -> 100)\n");
}

static void test_one_line(void **state)
{
	(void)state;
	expect(SEGS, SEGS "  x: { match: { unit: x.service }, description: \"a\\nb\\tc\" }\n",
	       "+ segment x: match: unit x.service; description: a b c\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_everything_is_new),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_a_rule_that_changes_sides),
		cmocka_unit_test(test_labels_that_select_others),
		cmocka_unit_test(test_a_hole_moves),
		cmocka_unit_test(test_reserved_segments),
		cmocka_unit_test(test_long_lists),
		cmocka_unit_test(test_one_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
