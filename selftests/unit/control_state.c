/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control_state.c - what is on the disk is taken whole or refused: cut at every byte, flipped
 * at every byte, older than what was enforced, of a newer agent. Tests agent/control/state.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>
#include "../../agent/base/io.h"
#include "../../agent/control/seal.h"
#include "../../agent/control/state.h"

static char dir[64];

static const char *in_dir(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static int make_dir(_unused_ void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/bh-test-%d", (int)getpid());
	return mkdir(dir, 0700);
}

static int remove_one(const char *path, _unused_ const struct stat *st, _unused_ int type,
		      _unused_ struct FTW *ftw)
{
	return remove(path);
}

static int remove_dir(_unused_ void **state)
{
	return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

#define MAP "version: 1\nname: \"a map with \\\"quotes\\\" and \xc3\xa9\"\n"

static void save(__u64 gen, bool detached)
{
	struct bh_state s = {
		.generation = gen,
		.map = (char *)MAP,
		.map_bytes = strlen(MAP),
		.file = (char *)"shop.yaml",
		.by = (char *)"root (pid 7, /user.slice/session-1.scope)",
		.at_ms = 1767225600123,
		.numbers = bh_numbers_new(),
		.basis = "b1",
		.cap_observe = true,
		.detached = detached,
	};
	_cleanup_diags_ struct bh_diags d = {0};
	__u32 number;

	assert_int_equal(bh_numbers_segment(s.numbers, "web", &number), 0);
	assert_int_equal(bh_state_save(dir, &s, &d), 0);
	assert_int_equal(d.n, 0);
	bh_numbers_free(s.numbers);
}

static void comes_back(_unused_ void **state)
{
	_cleanup_(bh_state_clear) struct bh_state s = {0};
	_cleanup_diags_ struct bh_diags d = {0};
	__u32 number;

	save(42, false);
	assert_int_equal(bh_state_load(dir, 42, &d, &s), 0);
	assert_int_equal(d.n, 0);
	assert_true(s.generation == 42);
	assert_string_equal(s.map, MAP);
	assert_int_equal(s.map_bytes, strlen(MAP));
	assert_string_equal(s.file, "shop.yaml");
	assert_string_equal(s.by, "root (pid 7, /user.slice/session-1.scope)");
	assert_true(s.at_ms == 1767225600123);
	assert_string_equal(s.basis, "b1");
	assert_true(s.cap_observe);
	assert_false(s.detached);
	assert_int_equal(bh_numbers_segment(s.numbers, "web", &number), 0);
	assert_int_equal(number, BH_ID_FIRST);
}

static void never_saved(_unused_ void **state)
{
	_cleanup_(bh_marker_clear) struct bh_marker m = {0};
	_cleanup_(bh_state_clear) struct bh_state s = {0};
	_cleanup_diags_ struct bh_diags d = {0};

	assert_int_equal(bh_state_load(dir, 0, &d, &s), -ENOENT);
	assert_int_equal(bh_marker_load(dir, &d, &m), -ENOENT);
	assert_int_equal(d.n, 0);
	assert_null(s.map);
}

static void older_is_refused(_unused_ void **state)
{
	_cleanup_(bh_state_clear) struct bh_state s = {0};
	_cleanup_diags_ struct bh_diags d = {0};

	save(41, false);
	assert_int_equal(bh_state_load(dir, 42, &d, &s), -ESTALE);
	assert_int_equal(d.n_errors, 1);
	assert_non_null(strstr(d.list[0].text, "generation 41"));
	assert_non_null(strstr(d.list[0].text, "42"));
	assert_null(s.map);
	assert_null(s.numbers);
}

/* --- damage ---------------------------------------------------------------------------------- */

static void write_file(const char *name, const char *text, size_t bytes)
{
	int fd = open(in_dir(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(bh_write_all(fd, text, bytes), 0);
	close(fd);
}

static void must_be_refused(const char *what, size_t at)
{
	struct bh_state s = {0};
	struct bh_diags d = {0};
	int r = bh_state_load(dir, 0, &d, &s);

	if (r == 0 || !d.n_errors || !d.list[0].help || s.map || s.numbers)
		fail_msg("%s at byte %zu: %d, %zu errors", what, at, r, d.n_errors);
	bh_diags_clear(&d);
}

static void cut_at_every_byte(_unused_ void **state)
{
	_cleanup_free_ char *text = NULL;
	size_t bytes;

	save(7, false);
	assert_int_equal(bh_file_read(in_dir("state"), 1 << 20, &text, &bytes), 0);
	for (size_t n = 0; n < bytes; n++) {
		write_file("state", text, n);
		must_be_refused("cut", n);
	}
}

static void flipped_at_every_byte(_unused_ void **state)
{
	_cleanup_free_ char *text = NULL;
	size_t bytes;

	save(7, false);
	assert_int_equal(bh_file_read(in_dir("state"), 1 << 20, &text, &bytes), 0);
	for (size_t i = 0; i < bytes; i++)
		for (int bit = 0; bit < 8; bit++) {
			text[i] = (char)(text[i] ^ (1 << bit));
			write_file("state", text, bytes);
			must_be_refused("flipped", i);
			text[i] = (char)(text[i] ^ (1 << bit));
		}
}

static void something_behind_its_end(_unused_ void **state)
{
	_cleanup_free_ char *text = NULL;
	size_t bytes;

	save(7, false);
	assert_int_equal(bh_file_read(in_dir("state"), 1 << 20, &text, &bytes), 0);
	text[bytes] = 'x';
	write_file("state", text, bytes + 1);
	must_be_refused("more", bytes);
}

/* A whole file with a good checksum, and another content than the agent writes. */
static void other_content(_unused_ void **state)
{
	static const struct bh_seal seal = {"state", 1, 1 << 20};
	static const char *const bodies[] = {
		"{}",
		"{\"generation\":1}",
		"{\"generation\":\"-1\",\"map\":null,\"file\":null,\"by\":null,\"at_ms\":1,"
		"\"basis\":\"\",\"numbers\":\"\",\"observe\":false,\"detached\":false}",
		"{\"generation\":\"99999999999999999999\",\"map\":null,\"file\":null,\"by\":null,"
		"\"at_ms\":1,\"basis\":\"\",\"numbers\":\"\",\"observe\":false,\"detached\":false}",
		"{\"generation\":\"1\",\"map\":5,\"file\":null,\"by\":null,\"at_ms\":1,"
		"\"basis\":\"\",\"numbers\":\"\",\"observe\":false,\"detached\":false}",
		"{\"generation\":\"1\",\"map\":null,\"file\":null,\"by\":null,\"at_ms\":1,"
		"\"basis\":\"\",\"numbers\":\"segment web\",\"observe\":false,\"detached\":false}",
		"{\"generation\":\"1\",\"map\":null,\"file\":null,\"by\":null,\"at_ms\":\"1\","
		"\"basis\":\"\",\"numbers\":\"\",\"observe\":false,\"detached\":false}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
		json_auto_t *body = json_loads(bodies[i], 0, NULL);
		_cleanup_diags_ struct bh_diags d = {0};

		assert_non_null(body);
		assert_int_equal(bh_seal_write(in_dir("state"), &seal, body, NULL, &d), 0);
		must_be_refused(bodies[i], 0);
	}
}

static void of_a_newer_agent(_unused_ void **state)
{
	static const struct bh_seal newer = {"state", 2, 1 << 20};
	_cleanup_(bh_state_clear) struct bh_state s = {0};
	_cleanup_diags_ struct bh_diags d = {0};
	json_auto_t *body = json_pack("{s:s}", "generation", "1");

	assert_int_equal(bh_seal_write(in_dir("state"), &newer, body, NULL, &d), 0);
	assert_int_equal(bh_state_load(dir, 0, &d, &s), -EPROTONOSUPPORT);
	assert_non_null(strstr(d.list[0].text, "another version"));
}

static void no_regular_file(_unused_ void **state)
{
	assert_int_equal(mkdir(in_dir("state"), 0700), 0);
	must_be_refused("directory", 0);
}

/* --- two files ------------------------------------------------------------------------------- */

static void undo_takes_the_one_before(_unused_ void **state)
{
	_cleanup_(bh_state_clear) struct bh_state s = {0};
	_cleanup_diags_ struct bh_diags d = {0};

	save(5, false);
	save(6, false);
	bh_state_undo(dir);
	assert_int_equal(bh_state_load(dir, 0, &d, &s), 0);
	assert_true(s.generation == 5);
}

static void undo_of_the_first(_unused_ void **state)
{
	_cleanup_(bh_state_clear) struct bh_state s = {0};
	_cleanup_diags_ struct bh_diags d = {0};

	save(1, false);
	bh_state_undo(dir);
	assert_int_equal(bh_state_load(dir, 0, &d, &s), -ENOENT);
}

/* An aside file that a crash left is not taken for anything, and does not stand in the way. */
static void left_by_a_crash(_unused_ void **state)
{
	_cleanup_(bh_state_clear) struct bh_state s = {0};
	_cleanup_diags_ struct bh_diags d = {0};

	save(5, false);
	write_file("state.new", "half", 4);
	assert_int_equal(bh_state_load(dir, 0, &d, &s), 0);
	assert_true(s.generation == 5);
	save(6, false);
	bh_state_clear(&s);
	assert_int_equal(bh_state_load(dir, 0, &d, &s), 0);
	assert_true(s.generation == 6);
}

static void the_marker(_unused_ void **state)
{
	_cleanup_(bh_marker_clear) struct bh_marker m = {0}, back = {0};
	_cleanup_free_ char *text = NULL;
	_cleanup_diags_ struct bh_diags d = {0};
	size_t bytes;

	m.generation = 1ull << 60;
	m.emergency = (1ull << 60) + 1;
	m.failsafes = strdup("version: 1\n");
	assert_int_equal(bh_marker_save(dir, &m, &d), 0);
	assert_int_equal(bh_marker_load(dir, &d, &back), 0);
	assert_true(back.generation == m.generation);
	assert_true(back.emergency == m.emergency);
	assert_string_equal(back.failsafes, m.failsafes);
	/* a state in the marker's place is none */
	save(3, false);
	assert_int_equal(bh_file_read(in_dir("state"), 1 << 20, &text, &bytes), 0);
	write_file("enforced", text, bytes);
	bh_marker_clear(&back);
	assert_int_equal(bh_marker_load(dir, &d, &back), -EBADMSG);
}

/* The marker keeps a host that has enforced from starting open: damaged it is there, not absent. */
static void marker_must_be_refused(const char *what, size_t at)
{
	struct bh_marker m = {0};
	struct bh_diags d = {0};
	int r = bh_marker_load(dir, &d, &m);

	if (r == 0 || r == -ENOENT || !d.n_errors || !d.list[0].help || m.failsafes)
		fail_msg("marker %s at byte %zu: %d, %zu errors", what, at, r, d.n_errors);
	bh_diags_clear(&d);
}

static void the_marker_is_damaged(_unused_ void **state)
{
	_cleanup_(bh_marker_clear) struct bh_marker m = {.generation = 7};
	_cleanup_free_ char *text = NULL;
	_cleanup_diags_ struct bh_diags d = {0};
	size_t bytes;

	m.failsafes = strdup("version: 1\n");
	assert_int_equal(bh_marker_save(dir, &m, &d), 0);
	assert_int_equal(bh_file_read(in_dir("enforced"), 1 << 20, &text, &bytes), 0);
	for (size_t i = 0; i < bytes; i++) {
		write_file("enforced", text, i);
		marker_must_be_refused("cut", i);
		for (int bit = 0; bit < 8; bit++) {
			text[i] = (char)(text[i] ^ (1 << bit));
			write_file("enforced", text, bytes);
			marker_must_be_refused("flipped", i);
			text[i] = (char)(text[i] ^ (1 << bit));
		}
	}
}

/* What is there before the rename that fails is what is there behind it; see also fault/apply.sh. */
static void an_undo_that_fails(_unused_ void **state)
{
	_cleanup_(bh_state_clear) struct bh_state s = {0};
	_cleanup_diags_ struct bh_diags d = {0};

	save(5, false);
	save(6, false);
	assert_int_equal(unlink(in_dir("state.old")), 0);
	/* a directory can't take a file's name: another error than "there is none" */
	assert_int_equal(mkdir(in_dir("state.old"), 0700), 0);
	bh_state_undo(dir);
	assert_int_equal(bh_state_load(dir, 0, &d, &s), 0);
	assert_true(s.generation == 6);
}

static void detached_on_purpose(_unused_ void **state)
{
	_cleanup_(bh_marker_clear) struct bh_marker m = {.generation = 9}, back = {0};
	_cleanup_(bh_state_clear) struct bh_state s = {0};
	_cleanup_diags_ struct bh_diags d = {0};

	m.failsafes = strdup("version: 1\n");
	save(9, false);
	assert_int_equal(bh_marker_save(dir, &m, &d), 0);
	assert_int_equal(bh_state_set_detached(dir), 0);
	assert_int_equal(bh_marker_load(dir, &d, &back), -ENOENT);
	assert_int_equal(bh_state_load(dir, 9, &d, &s), 0);
	assert_true(s.detached);
	assert_string_equal(s.map, MAP);
	/* twice is no harm, nor without any state */
	assert_int_equal(bh_state_set_detached(dir), 0);
	assert_int_equal(unlink(in_dir("state")), 0);
	assert_int_equal(bh_state_set_detached(dir), 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, make_dir, remove_dir)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(comes_back),
		TEST(never_saved),
		TEST(older_is_refused),
		TEST(cut_at_every_byte),
		TEST(flipped_at_every_byte),
		TEST(something_behind_its_end),
		TEST(other_content),
		TEST(of_a_newer_agent),
		TEST(no_regular_file),
		TEST(undo_takes_the_one_before),
		TEST(undo_of_the_first),
		TEST(left_by_a_crash),
		TEST(the_marker),
		TEST(the_marker_is_damaged),
		TEST(an_undo_that_fails),
		TEST(detached_on_purpose),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
