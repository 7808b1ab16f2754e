/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control_history_damage.c - what is damaged in the history is told and left out, the rest is
 * untouched by it: cut and flipped at every byte, a disk that is full at every byte, what crashes
 * leave, names that are not the agent's. Tests agent/control/history.c and history_record.c.
 */
#include <signal.h>
#include <sys/resource.h>
#include "historyrig.h"

/* --- damage ---------------------------------------------------------------------------------- */

static void must_be_damaged(const char *what, size_t at)
{
	struct bh_history *h = NULL;
	struct bh_diags d = {0};
	size_t n = 0;
	int r = bh_history_open(dir, &bh_history_caps_default, &d, &h);
	const struct bh_record *list = bh_history_list(h, &n);

	if (r < 0 || d.n != 1 || d.n_errors || n != 2 || list[0].damaged || !list[1].damaged ||
	    list[1].file)
		fail_msg("%s at byte %zu: %d, %zu findings, %zu records", what, at, r, d.n, n);
	if (bh_history_find(h, 2) || !bh_history_find(h, 1))
		fail_msg("%s at byte %zu: found", what, at);
	bh_diags_clear(&d);
	bh_history_close(h);
}

static void a_record_is_damaged(_unused_ void **state)
{
	struct bh_history *h = open_again(0);
	_cleanup_free_ char *text = NULL;
	size_t bytes;

	add(h, 1, "one\n");
	add(h, 2, "two\n");
	bh_history_close(h);
	assert_int_equal(bh_file_read(in_dir("2"), 1 << 20, &text, &bytes), 0);
	for (size_t i = 0; i < bytes; i++) {
		write_file("2", text, i);
		must_be_damaged("cut", i);
		for (int bit = 0; bit < 8; bit += 3) {
			text[i] = (char)(text[i] ^ (1 << bit));
			write_file("2", text, bytes);
			must_be_damaged("flipped", i);
			text[i] = (char)(text[i] ^ (1 << bit));
		}
	}
	/* the text that it named is still there: the record may come back from a backup */
	assert_int_equal(count_texts(), 2);
	write_file("2", text, bytes);
	h = open_again(0);
	expect_text(h, 2, "two\n");
	/* damaged, and then enforced again */
	bh_history_close(h);
	write_file("2", "x", 1);
	h = open_again(1);
	add(h, 2, "two\n");
	expect_list(h, "1 2");
	bh_history_close(h);
	bh_history_close(open_again(0));
}

/* A whole file with a good checksum, and another content than the agent writes. */
static void other_content(_unused_ void **state)
{
	static const struct bh_seal seal = {"history", 1, 1 << 20}, newer = {"history", 2, 1 << 20};
	static const char *const wrong[] = {
		"\"generation\":3",
		"\"generation\":\"2\"",
		"\"generation\":0",
		"\"generation\":-2",
		"\"sha256\":\"abc\"",
		"\"sha256\":7",
		"\"bytes\":-1",
		"\"bytes\":99999999999",
		"\"mode\":\"inherit\"",
		"\"mode\":\"\"",
		"\"how\":\"by magic\"",
		"\"state\":\"\"",
		"\"of\":2",
		"\"of\":-1",
		"\"rules\":-1",
		"\"capped\":\"yes\"",
		"\"name\":null",
		"\"file\":7",
		"\"something\":\"new\"",
		"\"entries\":1.5",
	};
	struct bh_history *h = open_again(0);
	json_auto_t *good = NULL;

	add(h, 1, "one\n");
	add(h, 2, "two\n");
	good = bh_record_to_json(bh_history_find(h, 2));
	bh_history_close(h);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		_cleanup_diags_ struct bh_diags d = {0};
		json_auto_t *body = json_deep_copy(good), *part = NULL;
		char text[64];

		snprintf(text, sizeof(text), "{%s}", wrong[i]);
		part = json_loads(text, 0, NULL);
		assert_non_null(part);
		json_object_update(body, part);
		assert_int_equal(bh_seal_write(in_dir("2"), &seal, body, NULL, &d), 0);
		must_be_damaged(wrong[i], 0);
		bh_seal_write(in_dir("2"), &newer, good, NULL, &d);
		must_be_damaged("of a newer agent", 0);
	}
}

static void a_text_is_damaged(_unused_ void **state)
{
	struct bh_history *h = open_again(0);
	char text[] = "two\n";

	add(h, 1, "one\n");
	add(h, 2, text);
	add(h, 3, text);
	for (size_t i = 0; i < strlen("two\n"); i++)
		for (int bit = 0; bit < 8; bit++) {
			text[i] = (char)(text[i] ^ (1 << bit));
			write_file(text_name("two\n"), text, strlen("two\n"));
			expect_no_text(h, 2);
			text[i] = (char)(text[i] ^ (1 << bit));
		}
	expect_text(h, 1, "one\n");
	assert_true(bh_history_find(h, 2)->lost);
	/* a length that does not fit is seen at the start already, for both that name it */
	bh_history_close(h);
	write_file(text_name("two\n"), "", 0);
	h = open_again(1);
	assert_true(bh_history_find(h, 2)->lost && bh_history_find(h, 3)->lost);
	expect_no_text(h, 3);
	assert_int_equal(unlink(in_dir(text_name("two\n"))), 0);
	expect_no_text(h, 3);
	/* enforced again it is written again */
	add(h, 4, "two\n");
	expect_text(h, 2, "two\n");
	assert_false(bh_history_find(h, 2)->lost);
	bh_history_close(h);
	bh_history_close(open_again(0));
}

static void names_that_are_not_ours(_unused_ void **state)
{
	static const char *const names[] = {
		"007",	     "1e9",	"-1", "99999999999999999999", "4611686018427387905",
		"notes.txt", "abc.yaml"};
	struct bh_history *h = open_again(0);

	add(h, 1, "one\n");
	bh_history_close(h);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		write_file(names[i], "x", 1);
	write_file(".hidden", "x", 1);
	h = open_again(ARRAY_SIZE(names));
	expect_list(h, "1");
	bh_history_close(h);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_int_equal(access(in_dir(names[i]), F_OK), 0);
}

static void no_regular_files(_unused_ void **state)
{
	struct bh_history *h = open_again(0);

	add(h, 1, "one\n");
	add(h, 2, "two\n");
	bh_history_close(h);
	assert_int_equal(mkdir(in_dir("3"), 0700), 0);
	assert_int_equal(mkfifo(in_dir("4"), 0600), 0);
	assert_int_equal(symlink("/dev/zero", in_dir("5")), 0);
	assert_int_equal(unlink(in_dir(text_name("two\n"))), 0);
	assert_int_equal(mkdir(in_dir(text_name("two\n")), 0700), 0);
	assert_int_equal(mkdir(in_dir("x.new"), 0700), 0);
	h = open_again(4);
	expect_list(h, "1 2 !3 !4 !5");
	expect_text(h, 1, "one\n");
	expect_no_text(h, 2);
	assert_true(bh_history_newest(h) == 2);
	bh_history_close(h);
}

static void no_directory(_unused_ void **state)
{
	struct bh_history *h;
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_record r = record(1, "one\n");
	char path[96];

	snprintf(path, sizeof(path), "%s/history", dir);
	assert_int_equal(bh_file_replace(path, "x", 1, 0600, NULL), 0);
	h = open_again(1);
	assert_int_equal(bh_history_add(h, &r, "one\n", &d), -ENOTDIR);
	assert_int_equal(d.n, 1);
	assert_int_equal(d.n_errors, 0);
	assert_non_null(strstr(d.list[0].text, "generation 1 is not in the history"));
	expect_list(h, "");
	/* and once that is mended */
	assert_int_equal(unlink(path), 0);
	add(h, 2, "one\n");
	expect_list(h, "2");
	bh_history_close(h);
}

/* --- crashes ---------------------------------------------------------------------------------- */

/* Between its text and its record, in the middle of either, and in the middle of dropping one. */
static void left_by_a_crash(_unused_ void **state)
{
	struct bh_history *h = open_again(0);

	add(h, 1, "one\n");
	add(h, 2, "two\n");
	bh_history_close(h);
	write_file(text_name("three\n"), "three\n", 6);
	write_file("3.new", "bulkhead-his", 12);
	write_file("abc.yaml.new", "x", 1);
	assert_int_equal(unlink(in_dir("1")), 0);
	h = open_again(0);
	expect_list(h, "2");
	assert_int_equal(count_texts(), 1);
	assert_int_equal(access(in_dir("3.new"), F_OK), -1);
	add(h, 3, "three\n");
	expect_text(h, 3, "three\n");
	bh_history_close(h);
	bh_history_close(open_again(0));
}

/* A file of at most so many bytes can be written. */
static void the_disk_is_full(_unused_ void **state)
{
	struct bh_history *h = open_again(0);
	struct rlimit was;
	int failures = 0, added = 0;

	add(h, 1, "one\n");
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	(void)signal(SIGXFSZ, SIG_IGN);
	for (rlim_t room = 0; room < 1024 && !added; room++) {
		_cleanup_diags_ struct bh_diags d = {0};
		struct bh_record r = record(2, "two\n");
		struct rlimit full = {room, was.rlim_max};

		assert_int_equal(setrlimit(RLIMIT_FSIZE, &full), 0);
		added = bh_history_add(h, &r, "two\n", &d) == 0;
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
		if (added)
			break;
		failures++;
		assert_int_equal(d.n, 1);
		assert_int_equal(d.n_errors, 0);
		expect_list(h, "1");
		bh_history_close(h);
		h = open_again(0);
		expect_list(h, "1");
		assert_int_equal(count_texts(), 1);
	}
	assert_true(failures > 100);
	assert_true(added);
	expect_text(h, 2, "two\n");
	bh_history_close(h);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_record_is_damaged),     TEST(other_content),    TEST(a_text_is_damaged),
		TEST(names_that_are_not_ours), TEST(no_regular_files), TEST(no_directory),
		TEST(left_by_a_crash),	       TEST(the_disk_is_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
