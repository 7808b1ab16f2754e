/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control_history.c - the store of maps that were enforced: each generation comes back whole, a
 * text is kept once, the oldest go, and which one is before which. Tests agent/control/history.c
 * and history_record.c; see also control_history_damage.c.
 */
#include "historyrig.h"

/* --- comes back ------------------------------------------------------------------------------ */

static void comes_back(_unused_ void **state)
{
	struct bh_history *h = open_again(0);
	struct bh_record r = record(7, "seven \xc3\xa9\n");
	_cleanup_diags_ struct bh_diags d = {0};
	const struct bh_record *got;

	r.mode = BH_MODE_OBSERVE;
	r.capped = true;
	r.how = BH_HOW_ROLLBACK;
	r.of = 5;
	assert_int_equal(bh_history_add(h, &r, "seven \xc3\xa9\n", &d), 0);
	/* now, and after a restart */
	for (int i = 0; i < 2; i++) {
		got = bh_history_find(h, 7);
		assert_non_null(got);
		assert_string_equal(got->sha256, r.sha256);
		assert_string_equal(got->file, r.file);
		assert_string_equal(got->by, r.by);
		assert_string_equal(got->name, "shop");
		assert_true(got->at_ms == r.at_ms && got->bytes == r.bytes && got->of == 5);
		assert_true(got->mode == BH_MODE_OBSERVE && got->capped);
		assert_true(got->how == BH_HOW_ROLLBACK && got->state == BH_CONFIRMED);
		assert_true(got->segments == 3 && got->rules == 12 && got->entries == 40);
		expect_text(h, 7, "seven \xc3\xa9\n");
		bh_history_close(h);
		h = open_again(0);
	}
	assert_true(bh_history_newest(h) == 7);
	bh_history_close(h);
}

static void an_empty_one(_unused_ void **state)
{
	struct bh_history *h = open_again(0);
	_cleanup_diags_ struct bh_diags d = {0};
	char *text;
	size_t n;

	expect_list(h, "");
	assert_true(bh_history_newest(h) == 0);
	assert_null(bh_history_find(h, 1));
	assert_null(bh_history_before(h, 9, "x"));
	assert_int_equal(bh_history_text(h, 1, &d, &text, &n), -ENOENT);
	assert_int_equal(bh_history_mark(h, 1, BH_REVERTED, &d), -ENOENT);
	bh_history_close(h);
	/* an agent that has none */
	assert_null(bh_history_list(NULL, &n));
	assert_int_equal(n, 0);
	assert_null(bh_history_find(NULL, 1));
	assert_null(bh_history_before(NULL, 1, "x"));
	assert_true(bh_history_newest(NULL) == 0);
	bh_history_close(NULL);
}

static void a_text_is_kept_once(_unused_ void **state)
{
	struct bh_history *h = open_again(0);

	add(h, 1, "one\n");
	add(h, 2, "two\n");
	add_as(h, 3, "one\n", BH_HOW_ROLLBACK, 1);
	add_as(h, 4, "one\n", BH_HOW_USERS, 0);
	assert_int_equal(count_texts(), 2);
	bh_history_close(h);
	h = open_again(0);
	expect_list(h, "1 2 3 4");
	expect_text(h, 4, "one\n");
	expect_text(h, 2, "two\n");
	bh_history_close(h);
}

/* By number, not by name. */
static void the_order(_unused_ void **state)
{
	struct bh_history *h = open_again(0);

	add(h, 9, "nine\n");
	add(h, 10, "ten\n");
	add(h, 100, "hundred\n");
	add(h, 10, "ten anew\n");
	expect_list(h, "9 10 100");
	bh_history_close(h);
	h = open_again(0);
	expect_list(h, "9 10 100");
	expect_text(h, 10, "ten anew\n");
	assert_int_equal(count_texts(), 3); /* nobody names "ten" any more */
	bh_history_close(h);
}

static void long_words_and_no_words(_unused_ void **state)
{
	struct bh_history *h = open_again(0);
	struct bh_record r = record(1, "x");
	_cleanup_free_ char *longest = malloc(100001);
	_cleanup_diags_ struct bh_diags d = {0};

	for (size_t i = 0; i < 100000; i += 2)
		memcpy(longest + i, "\xc3\xa9", 2);
	longest[100000] = '\0';
	longest[0] = 'x'; /* so that a cut at an even byte is inside of a character */
	longest[1] = 'y';
	memmove(longest + 1, longest + 2, 99999);
	r.file = longest;
	r.by = NULL;
	assert_int_equal(bh_history_add(h, &r, "x", &d), 0);
	r = record(2, "x");
	r.file = (char *)"\xff\xfe";
	assert_int_equal(bh_history_add(h, &r, "x", &d), 0);
	bh_history_close(h);
	h = open_again(0);
	assert_true(strlen(bh_history_find(h, 1)->file) < 2000);
	assert_non_null(strstr(bh_history_find(h, 1)->file, "\xa9..."));
	assert_null(bh_history_find(h, 1)->by);
	assert_string_equal(bh_history_find(h, 2)->file, "??");
	bh_history_close(h);
}

/* --- caps ------------------------------------------------------------------------------------ */

static void expect_caps(const struct bh_history_caps *caps, const char *list, size_t texts)
{
	struct bh_history *h = open_with(caps, 0);

	add(h, 1, "one\n");
	add(h, 2, "two, which is longer\n");
	add(h, 3, "three\n");
	add_as(h, 4, "two, which is longer\n", BH_HOW_ROLLBACK, 2);
	add(h, 5, "five\n");
	expect_list(h, list);
	assert_int_equal(count_texts(), texts);
	bh_history_close(h);
	h = open_with(caps, 0);
	expect_list(h, list);
	bh_history_close(h);
	(void)nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	assert_int_equal(mkdir(dir, 0700), 0);
}

static void the_oldest_go(_unused_ void **state)
{
	expect_caps(&(struct bh_history_caps){4, 1000, 100}, "1 2 3 4 5", 4);
	expect_caps(&(struct bh_history_caps){3, 1000, 100}, "2 3 4 5", 3);
	expect_caps(&(struct bh_history_caps){2, 1000, 100}, "4 5", 2);
	expect_caps(&(struct bh_history_caps){1, 1000, 100}, "5", 1);
	expect_caps(&(struct bh_history_caps){100, 32, 100}, "2 3 4 5", 3);
	expect_caps(&(struct bh_history_caps){100, 31, 100}, "4 5", 2);
	expect_caps(&(struct bh_history_caps){100, 25, 100}, "5", 1);
	expect_caps(&(struct bh_history_caps){100, 1000, 3}, "3 4 5", 3);
	/* what is enforced is kept, however large */
	expect_caps(&(struct bh_history_caps){100, 1, 100}, "5", 1);
}

static void narrower_caps_at_a_start(_unused_ void **state)
{
	struct bh_history *h = open_again(0);

	for (__u64 gen = 1; gen <= 9; gen++) {
		char text[8];

		snprintf(text, sizeof(text), "%d\n", (int)gen);
		add(h, gen, text);
	}
	bh_history_close(h);
	h = open_with(&(struct bh_history_caps){2, 1000, 100}, 0);
	expect_list(h, "8 9");
	assert_int_equal(count_texts(), 2);
	bh_history_close(h);
	h = open_again(0);
	expect_list(h, "8 9");
	bh_history_close(h);
}

/* --- going back ------------------------------------------------------------------------------- */

static void expect_before(const struct bh_history *h, __u64 gen, const char *text, __u64 want)
{
	char sha256[BH_SHA256_TEXT];
	const struct bh_record *r;

	bh_sha256_text(text, strlen(text), sha256);
	r = bh_history_before(h, gen, sha256);
	if ((r ? r->generation : 0) != want)
		fail_msg("before %llu is %llu, expected %llu", (unsigned long long)gen,
			 (unsigned long long)(r ? r->generation : 0), (unsigned long long)want);
}

static void the_one_before(_unused_ void **state)
{
	struct bh_history *h = open_again(0);

	add(h, 1, "a");
	expect_before(h, 1, "a", 0);
	add(h, 2, "b");
	add(h, 3, "b");
	add_as(h, 4, "b", BH_HOW_MODE, 0);
	expect_before(h, 4, "b", 1);
	add(h, 5, "c");
	expect_before(h, 5, "c", 4);
	/* each rollback one further back, also after a restart that made a generation */
	add_as(h, 6, "b", BH_HOW_ROLLBACK, 4);
	expect_before(h, 6, "b", 1);
	add_as(h, 7, "b", BH_HOW_START, 0);
	expect_before(h, 7, "b", 1);
	add_as(h, 8, "a", BH_HOW_ROLLBACK, 1);
	expect_before(h, 8, "a", 0);
	/* a new map stands behind what was live */
	add(h, 9, "d");
	expect_before(h, 9, "d", 8);
	add_as(h, 10, "c", BH_HOW_ROLLBACK, 5);
	expect_before(h, 10, "c", 4);
	/* a generation that has no record */
	expect_before(h, 11, "e", 10);
	bh_history_close(h);
}

static void not_to_what_was_reverted(_unused_ void **state)
{
	struct bh_history *h = open_again(0);
	_cleanup_diags_ struct bh_diags d = {0};

	add(h, 1, "a");
	add(h, 2, "b");
	add(h, 3, "c");
	assert_int_equal(bh_history_mark(h, 2, BH_REVERTED, &d), 0);
	bh_history_close(h);
	h = open_again(0);
	assert_int_equal(bh_history_find(h, 2)->state, BH_REVERTED);
	assert_string_equal(bh_history_find(h, 2)->file, "/etc/\"shop\".yaml");
	expect_before(h, 3, "c", 1);
	bh_history_close(h);
	/* nor to what can't be read */
	write_file("1", "x", 1);
	h = open_again(1);
	expect_before(h, 3, "c", 0);
	assert_int_equal(d.n, 0);
	/* the disk says no: it is as it was */
	assert_int_equal(mkdir(in_dir("3.new"), 0700), 0);
	assert_true(bh_history_mark(h, 3, BH_UNCONFIRMED, &d) < 0);
	assert_int_equal(d.n, 1);
	assert_int_equal(bh_history_find(h, 3)->state, BH_CONFIRMED);
	bh_history_close(h);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(comes_back),
		TEST(an_empty_one),
		TEST(a_text_is_kept_once),
		TEST(the_order),
		TEST(long_words_and_no_words),
		TEST(the_oldest_go),
		TEST(narrower_caps_at_a_start),
		TEST(the_one_before),
		TEST(not_to_what_was_reverted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
