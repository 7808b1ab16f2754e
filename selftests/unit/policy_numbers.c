/* SPDX-License-Identifier: Apache-2.0 */
/* policy_numbers.c - numbers of segments and rules: handed out, kept, reused, stored. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "../../agent/policy/numbers.h"

#define _cleanup_numbers_ _cleanup_(bh_numbers_freep)

static __u32 segment(struct bh_numbers *n, const char *name)
{
	__u32 number = 0;

	assert_int_equal(bh_numbers_segment(n, name, &number), 0);
	return number;
}

static __u32 rule(struct bh_numbers *n, const char *id)
{
	__u32 number = 0;

	assert_int_equal(bh_numbers_rule(n, id, &number), 0);
	return number;
}

static __u32 rule_no(struct bh_numbers *n, unsigned i)
{
	char id[32];

	snprintf(id, sizeof(id), "r%u", i);
	return rule(n, id);
}

static void test_same_name_same_number(void **state)
{
	_cleanup_numbers_ struct bh_numbers *n = bh_numbers_new();

	(void)state;
	assert_int_equal(segment(n, "web"), BH_ID_FIRST);
	assert_int_equal(segment(n, "db"), BH_ID_FIRST + 1);
	assert_int_equal(segment(n, "web"), BH_ID_FIRST);
	/* two spaces: a rule may be called like a segment */
	assert_int_equal(rule(n, "web"), 1);
	assert_int_equal(rule(n, "default/web/ingress"), 2);
	assert_int_equal(rule(n, "web"), 1);
	assert_string_equal(bh_numbers_segment_name(n, BH_ID_FIRST + 1), "db");
	assert_string_equal(bh_numbers_rule_name(n, 2), "default/web/ingress");
	assert_null(bh_numbers_rule_name(n, 0));
	assert_null(bh_numbers_rule_name(n, 3));
	assert_null(bh_numbers_rule_name(n, UINT32_MAX));
	assert_null(bh_numbers_segment_name(n, UINT32_MAX));
}

static void test_reserved(void **state)
{
	_cleanup_numbers_ struct bh_numbers *n = bh_numbers_new();

	(void)state;
	assert_int_equal(segment(n, "world"), BH_ID_WORLD);
	assert_int_equal(segment(n, "unassigned"), BH_ID_UNASSIGNED);
	assert_int_equal(segment(n, "host"), BH_ID_HOST);
	assert_string_equal(bh_numbers_segment_name(n, BH_ID_HOST), "host");
	assert_null(bh_numbers_segment_name(n, BH_ID_ANY));
	assert_null(bh_numbers_segment_name(n, 4));
	assert_int_equal(segment(n, "web"), BH_ID_FIRST);
}

static void test_names_that_text_can_not_hold(void **state)
{
	static const char *const bad[] = {"", "a b", "a\nb", "a\tb", "\x7f"};
	_cleanup_numbers_ struct bh_numbers *n = bh_numbers_new();
	char longest[600];
	__u32 number = 4711;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(bh_numbers_segment(n, bad[i], &number), -EINVAL);
		assert_int_equal(bh_numbers_rule(n, bad[i], &number), -EINVAL);
	}
	memset(longest, 'x', sizeof(longest));
	longest[513] = '\0';
	assert_int_equal(bh_numbers_rule(n, longest, &number), -EINVAL);
	assert_int_equal(number, 4711);
	longest[512] = '\0';
	assert_int_equal(rule(n, longest), 1);
}

static void test_a_copy_is_another(void **state)
{
	_cleanup_numbers_ struct bh_numbers *n = bh_numbers_new();
	_cleanup_numbers_ struct bh_numbers *copy = NULL;

	(void)state;
	(void)segment(n, "web");
	(void)rule(n, "r");
	copy = bh_numbers_copy(n);
	assert_non_null(copy);
	assert_int_equal(segment(copy, "web"), BH_ID_FIRST);
	assert_int_equal(segment(copy, "db"), BH_ID_FIRST + 1);
	assert_null(bh_numbers_segment_name(n, BH_ID_FIRST + 1));
	assert_int_equal(segment(n, "other"), BH_ID_FIRST + 1);
	assert_string_equal(bh_numbers_segment_name(copy, BH_ID_FIRST + 1), "db");
}

/* --- reuse ------------------------------------------------------------------------------------ */

static void test_reuse_only_when_all_were_used(void **state)
{
	_cleanup_numbers_ struct bh_numbers *n = bh_numbers_new();

	(void)state;
	/* numbers 1 to 7 */
	bh_numbers_begin(n, 8);
	assert_int_equal(rule(n, "old"), 1);
	assert_int_equal(rule(n, "kept"), 2);
	for (int turn = 0; turn < 3; turn++) {
		bh_numbers_begin(n, 8);
		assert_int_equal(rule(n, "kept"), 2);
	}
	/* "old" went long ago, but there are numbers that nobody had */
	for (unsigned i = 3; i < 8; i++)
		assert_int_equal(rule_no(n, i), i);
	assert_string_equal(bh_numbers_rule_name(n, 1), "old");
	assert_int_equal(rule(n, "new"), 1);
	assert_string_equal(bh_numbers_rule_name(n, 1), "new");
}

static void test_no_number_of_a_living_generation_is_reused(void **state)
{
	_cleanup_numbers_ struct bh_numbers *n = bh_numbers_new();
	__u32 number;

	(void)state;
	bh_numbers_begin(n, 4);
	for (unsigned i = 1; i < 4; i++)
		assert_int_equal(rule_no(n, i), i);
	assert_int_equal(bh_numbers_rule(n, "x", &number), -ENOSPC);
	/* the next: r2 and r3 may still be on the other side */
	bh_numbers_begin(n, 4);
	assert_int_equal(rule_no(n, 1), 1);
	assert_int_equal(bh_numbers_rule(n, "x", &number), -ENOSPC);
	/* the one after: they are gone */
	bh_numbers_begin(n, 4);
	assert_int_equal(rule_no(n, 1), 1);
	assert_int_equal(rule(n, "x"), 2);
	assert_int_equal(rule(n, "y"), 3);
	assert_int_equal(bh_numbers_rule(n, "z", &number), -ENOSPC);
	assert_int_equal(rule_no(n, 1), 1);
}

static void test_longest_idle_first(void **state)
{
	_cleanup_numbers_ struct bh_numbers *n = bh_numbers_new();

	(void)state;
	for (unsigned i = 1; i < 5; i++) {
		bh_numbers_begin(n, 5);
		/* each turn asks for one more and not for the ones before */
		assert_int_equal(rule_no(n, 5 - i), i);
	}
	bh_numbers_begin(n, 5);
	assert_int_equal(rule(n, "a"), 1);
	/* asked for again after the sweep: taken */
	assert_int_equal(rule_no(n, 3), 2);
	assert_int_equal(rule(n, "b"), 3);
}

static void test_a_smaller_limit(void **state)
{
	_cleanup_numbers_ struct bh_numbers *n = bh_numbers_new();

	(void)state;
	bh_numbers_begin(n, 100);
	for (unsigned i = 1; i < 50; i++)
		assert_int_equal(rule_no(n, i), i);
	for (int turn = 0; turn < 2; turn++) {
		bh_numbers_begin(n, 10);
		assert_int_equal(rule_no(n, 3), 3);
	}
	/* 40 can't stay: the kernel's table ends at 10 */
	bh_numbers_begin(n, 10);
	assert_int_equal(rule_no(n, 40), 1);
	assert_null(bh_numbers_rule_name(n, 40));
}

/* --- text ------------------------------------------------------------------------------------- */

static void test_round_trip(void **state)
{
	_cleanup_numbers_ struct bh_numbers *n = bh_numbers_new();
	_cleanup_numbers_ struct bh_numbers *back = NULL;
	_cleanup_free_ char *text = NULL, *again = NULL;
	size_t len = 0, len_again = 0;

	(void)state;
	for (unsigned i = 0; i < 300; i++)
		(void)rule_no(n, i);
	(void)segment(n, "web");
	(void)segment(n, "a-b_c");
	assert_int_equal(bh_numbers_save(n, &text, &len), 0);
	assert_int_equal(strlen(text), len);
	assert_non_null(strstr(text, "segment 16 web\nsegment 17 a-b_c\nrule 1 r0\nrule 2 r1\n"));
	assert_int_equal(bh_numbers_load(text, len, &back), 0);
	assert_int_equal(bh_numbers_save(back, &again, &len_again), 0);
	assert_string_equal(text, again);
	assert_int_equal(segment(back, "a-b_c"), 17);
	assert_int_equal(rule(back, "new"), 301);
}

static void test_empty_text(void **state)
{
	_cleanup_numbers_ struct bh_numbers *n = NULL;
	_cleanup_free_ char *text = NULL;
	size_t len = 1;

	(void)state;
	assert_int_equal(bh_numbers_load("", 0, &n), 0);
	assert_int_equal(bh_numbers_save(n, &text, &len), 0);
	assert_int_equal(len, 0);
	assert_int_equal(segment(n, "web"), BH_ID_FIRST);
}

static void test_garbage_is_refused(void **state)
{
	static const char *const bad[] = {
		"segment 16 web", /* cut off */
		"segment 16 web\n\n",
		"\n",
		" segment 16 web\n",
		"segment 16  web\n",
		"segment 16 web \n",
		"segment  16 web\n",
		"segment 16 \n",
		"segment 16\n",
		"segment\n",
		"segments 16 web\n",
		"Segment 16 web\n",
		"segment 016 web\n",
		"segment 0x10 web\n",
		"segment +16 web\n",
		"segment -16 web\n",
		"segment 15 web\n",
		"segment 0 web\n",
		"segment 65536 web\n",
		"segment 18446744073709551632 web\n",
		"segment 16 web\nsegment 16 db\n",
		"segment 16 web\nsegment 17 web\n",
		"segment 17 web\nsegment 16 db\n",
		"segment 16 world\n",
		"segment 16 host\n",
		"rule 0 r\n",
		"rule 1048576 r\n",
		"rule 1 r\nrule 2 r\n",
		"rule 2 r\nrule 2 s\n",
		"rule 1 r\nsegment 16 web\n",
		"rule 1 a\tb\n",
		"rule 1 a\x01\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct bh_numbers *n = NULL;

		if (bh_numbers_load(bad[i], strlen(bad[i]), &n) != -EINVAL)
			fail_msg("taken: '%s'", bad[i]);
		assert_null(n);
	}
	for (size_t cut = 0; cut < sizeof("rule 1 r\n") - 1; cut++) {
		char text[] = "rule 1 r\n";
		struct bh_numbers *n = NULL;

		text[cut] = '\0';
		assert_int_equal(bh_numbers_load(text, sizeof(text) - 1, &n), -EINVAL);
	}
}

static void test_loaded_numbers_are_not_reused_at_once(void **state)
{
	static const char text[] = "rule 1 live\nrule 3 fallback\n";
	_cleanup_numbers_ struct bh_numbers *n = NULL;
	__u32 number;

	(void)state;
	assert_int_equal(bh_numbers_load(text, strlen(text), &n), 0);
	bh_numbers_begin(n, 4);
	assert_int_equal(rule(n, "live"), 1);
	/* 2 is nobody's */
	assert_int_equal(rule(n, "new"), 2);
	assert_int_equal(bh_numbers_rule(n, "more", &number), -ENOSPC);
	bh_numbers_begin(n, 4);
	assert_int_equal(rule(n, "more"), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_name_same_number),
		cmocka_unit_test(test_reserved),
		cmocka_unit_test(test_names_that_text_can_not_hold),
		cmocka_unit_test(test_a_copy_is_another),
		cmocka_unit_test(test_reuse_only_when_all_were_used),
		cmocka_unit_test(test_no_number_of_a_living_generation_is_reused),
		cmocka_unit_test(test_longest_idle_first),
		cmocka_unit_test(test_a_smaller_limit),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_empty_text),
		cmocka_unit_test(test_garbage_is_refused),
		cmocka_unit_test(test_loaded_numbers_are_not_reused_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
