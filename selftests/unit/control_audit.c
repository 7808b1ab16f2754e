/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control_audit.c - the audit log goes on where it stopped: after a restart, a line cut short
 * by a power loss, a disk that was full, over many files; and it notices when it is not what it
 * was left. Tests agent/control/audit.c; what tampering looks like: control_chain.c.
 */
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include "auditrig.h"
#include "../../agent/control/chain_read.h"

static char *whole(void)
{
	return read_file(path, NULL);
}

static unsigned long long seq_of(const struct bh_audit *a)
{
	return bh_audit_head(a)->seq;
}

/* --- one file ----------------------------------------------------------------------------------- */

static void a_line_each(_unused_ void **state)
{
	_cleanup_(bh_audit_closep) struct bh_audit *a = must_open();
	_cleanup_free_ char *text = NULL;

	assert_int_equal(seq_of(a), 0);
	assert_int_equal(add(a, "apply"), 0);
	assert_int_equal(add(a, "mode"), 0);
	text = whole();
	assert_int_equal(count_lines(text), 3);
	assert_memory_equal(text, "{\"seq\":1,\"prev\":\"" BH_CHAIN_ZERO "\",", 83);
	assert_non_null(strstr(text, "\"by\":\"agent\",\"event\":\"begin\",\"older\":0,"));
	assert_memory_equal(line_at(text, 2), "{\"seq\":2,\"prev\":\"", 17);
	assert_non_null(strstr(line_at(text, 3), "\"time\":\"2026-01-01T00:00:00Z\","
						 "\"verb\":\"mode\",\"hash\":\""));
	assert_int_equal(seq_of(a), 3);
	is_whole(3);
}

static void goes_on(_unused_ void **state)
{
	for (unsigned int i = 0; i < 5; i++) {
		_cleanup_(bh_audit_closep) struct bh_audit *a = must_open();

		assert_int_equal(seq_of(a), i ? i + 1 : 0);
		assert_int_equal(add(a, "apply"), 0);
	}
	is_whole(6);
}

/*
 * A crash while the last record was written, at each byte of it: the head is behind it. The next
 * record stands on a line of its own and vouches for what is in between.
 */
static void a_crash_in_a_write(_unused_ void **state)
{
	_cleanup_free_ char *good = NULL, *head = NULL;
	size_t first, bytes, head_bytes;

	write_log(1);
	head = read_file(head_path, &head_bytes);
	write_log(1);
	good = whole();
	bytes = strlen(good);
	first = (size_t)(line_at(good, 3) - good);
	for (size_t n = first; n <= bytes; n++) {
		_cleanup_(bh_audit_closep) struct bh_audit *a = NULL;
		_cleanup_free_ char *text = NULL;
		/* the whole line without its line break counts: it is all there */
		bool there = n >= bytes - 1;

		write_file(path, good, n);
		write_file(head_path, head, head_bytes);
		a = must_open();
		assert_int_equal(seq_of(a), there ? 3 : 2);
		assert_int_equal(add(a, "mode"), 0);
		assert_string_equal(bh_audit_found(a), "");
		is_whole(there ? 4 : 3);
		text = whole();
		assert_memory_equal(text, good, n);
		assert_int_equal(strstr(text, "\"skip\":") != NULL, !there && n > first);
	}
}

static void a_long_log(_unused_ void **state)
{
	_cleanup_(bh_audit_closep) struct bh_audit *a = must_open();
	char verb[1000];

	memset(verb, 'v', sizeof(verb) - 1);
	verb[sizeof(verb) - 1] = '\0';
	for (int i = 0; i < 300; i++)
		assert_int_equal(add(a, verb), 0);
	bh_audit_close(a);
	a = must_open();
	assert_int_equal(seq_of(a), 301);
	is_whole(301);
}

/* A log from before there was a chain, and one with a megabyte of nothing at its end. */
static void what_is_no_record(_unused_ void **state)
{
	static char zeros[1 << 20];
	_cleanup_free_ char *text = NULL;

	write_file(path, "{\"seq\":1,\"verb\":\"apply\"}\n", 25);
	write_log(1);
	is_whole(2);
	text = whole();
	assert_non_null(strstr(text, "\"skip\":{\"bytes\":25,"));
	{
		FILE *f = fopen(path, "ae");

		assert_int_equal(fwrite(zeros, 1, sizeof(zeros), f), sizeof(zeros));
		assert_int_equal(fclose(f), 0);
	}
	write_log(2);
	is_whole(4);
	/* vouched for, but not by anything else */
	text[3] = 'x';
	write_file(path, text, strlen(text));
	is_broken("edited", path, 1);
}

/* Room for only a part of the line: it is taken back, and the number is used again. */
static void the_disk_is_full(_unused_ void **state)
{
	_cleanup_(bh_audit_closep) struct bh_audit *a = must_open();
	_cleanup_free_ char *text = NULL;
	struct rlimit was, full;
	struct stat st;

	assert_int_equal(add(a, "apply"), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	(void)signal(SIGXFSZ, SIG_IGN);
	full = (struct rlimit){(rlim_t)st.st_size + 20, was.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &full), 0);
	assert_int_equal(add(a, "mode"), -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	assert_int_equal(seq_of(a), 2);
	assert_int_equal(add(a, "detach"), 0);
	text = whole();
	assert_non_null(strstr(text, "\n{\"seq\":3"));
	assert_null(strstr(text, "mode"));
	is_whole(3);
}

/* --- while it runs -------------------------------------------------------------------------------- */

static void somebody_writes_to_it(_unused_ void **state)
{
	_cleanup_(bh_audit_closep) struct bh_audit *a = must_open();
	_cleanup_free_ char *text = NULL;

	for (int i = 0; i < 3; i++)
		assert_int_equal(add(a, "apply"), 0);
	text = whole();
	/* the last two records go */
	write_file(path, text, (size_t)(line_at(text, 3) - text));
	assert_int_equal(add(a, "apply"), 0);
	assert_non_null(strstr(bh_audit_found(a), "cut: the log ends with record 2"));
	assert_int_equal(seq_of(a), 6);
	is_broken("removed", path, 3);
}

static void somebody_removes_it(_unused_ void **state)
{
	_cleanup_(bh_audit_closep) struct bh_audit *a = must_open();

	assert_int_equal(add(a, "apply"), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(add(a, "apply"), 0);
	assert_non_null(strstr(bh_audit_found(a), "there is no record"));
	is_broken("removed", path, 1);
}

/* As logrotate would do it: all of it is still there. */
static void somebody_rotates_it(_unused_ void **state)
{
	_cleanup_(bh_audit_closep) struct bh_audit *a = must_open();
	_cleanup_free_ char *old = bh_chain_path(path, 1);

	assert_int_equal(add(a, "apply"), 0);
	assert_int_equal(rename(path, old), 0);
	assert_int_equal(add(a, "apply"), 0);
	assert_string_equal(bh_audit_found(a), "");
	is_whole(4);
}

/* --- many files ------------------------------------------------------------------------------------- */

#define KEEP 3

/* @n records into files of some five each. */
static void write_many(int n)
{
	_cleanup_(bh_audit_closep) struct bh_audit *a = must_open();

	bh_audit_limit(a, 1200, KEEP);
	for (int i = 0; i < n; i++) {
		assert_int_equal(add(a, "apply"), 0);
		assert_string_equal(bh_audit_trouble(a), "");
	}
}

static void rotation(_unused_ void **state)
{
	_cleanup_(bh_chain_report_clear) struct bh_chain_report report = {0};
	_cleanup_free_ char *old = bh_chain_path(path, 1), *text = NULL;

	write_many(8);
	text = read_file(old, NULL);
	assert_memory_equal(text, "{\"seq\":1,", 9);
	report = verify();
	assert_int_equal(report.files, 2);
	assert_int_equal(report.n_found, 0);
	for (int i = 0; i < 10; i++) {
		write_many(7);
		bh_chain_report_clear(&report);
		report = verify();
		if (report.n_found)
			fail_msg("%s:%u: %s", report.finding[0].file, report.finding[0].line,
				 report.finding[0].text);
	}
	assert_int_equal(report.files, KEEP + 1);
	assert_true(report.first.seq > 40);
	assert_int_equal(bh_chain_older(path), KEEP);
}

/* Also across files: a line that goes, a file that goes, the oldest one. */
static void harm_to_older_files(_unused_ void **state)
{
	_cleanup_free_ char *one = bh_chain_path(path, 1), *two = bh_chain_path(path, 2);
	_cleanup_free_ char *oldest = bh_chain_path(path, KEEP), *text = NULL, *aside = NULL;
	char *last;

	write_many(40);
	text = read_file(two, NULL);
	last = line_at(text, count_lines(text));
	write_file(two, text, (size_t)(last - text));
	is_broken("removed", one, 1);
	write_file(two, text, strlen(text));
	assert_true(asprintf(&aside, "%s.aside", path) > 0);
	assert_int_equal(rename(two, aside), 0);
	is_broken("removed", one, 1);
	assert_int_equal(rename(aside, two), 0);
	assert_int_equal(rename(one, aside), 0);
	is_broken("removed", path, 1);
	assert_int_equal(rename(aside, one), 0);
	/* of the oldest one the log says that it was not its time */
	assert_int_equal(unlink(oldest), 0);
	is_broken("removed", two, 1);
	assert_int_equal(unlink(two), 0);
	is_broken("removed", one, 1);
}

/* Every state that a crash in the middle of a rotation can leave. */
static void a_crash_in_a_rotation(_unused_ void **state)
{
	for (int steps = 1; steps <= KEEP + 2; steps++) {
		_cleanup_(bh_audit_closep) struct bh_audit *a = NULL;
		unsigned long long records;

		write_many(40);
		/* each takes the next number, from the oldest on; then a new one is made */
		for (unsigned int i = KEEP + 1; i-- > 0 && (int)(KEEP + 1 - i) <= steps;) {
			_cleanup_free_ char *from = bh_chain_path(path, i);
			_cleanup_free_ char *to = bh_chain_path(path, i + 1);

			assert_int_equal(rename(from, to), 0);
		}
		if (steps > KEEP + 1)
			write_file(path, "", 0);
		a = must_open();
		bh_audit_limit(a, 1200, KEEP);
		records = seq_of(a);
		for (int i = 0; i < 12; i++) {
			assert_int_equal(add(a, "apply"), 0);
			assert_string_equal(bh_audit_found(a), "");
			{
				_cleanup_(bh_chain_report_clear) struct bh_chain_report report =
					verify();

				assert_int_equal(report.n_found, 0);
				assert_int_equal(report.last.seq, seq_of(a));
			}
		}
		assert_true(seq_of(a) >= records + 12);
	}
}

/* --- how much is kept ---------------------------------------------------------------------------------- */

static struct bh_chain_report cut_to(unsigned int keep, int n)
{
	_cleanup_(bh_audit_closep) struct bh_audit *a = must_open();

	bh_audit_limit(a, 1200, keep);
	for (int i = 0; i < n; i++) {
		assert_int_equal(add(a, "apply"), 0);
		assert_string_equal(bh_audit_trouble(a), "");
		assert_string_equal(bh_audit_found(a), "");
	}
	return verify();
}

/* Fewer, more, fewer: what was cut off is told, and is no finding. */
static void keeping_fewer_and_more(_unused_ void **state)
{
	static const unsigned int keep[] = {6, 2, 5, 1, 4};

	for (size_t i = 0; i < ARRAY_SIZE(keep); i++) {
		_cleanup_(bh_chain_report_clear) struct bh_chain_report report =
			cut_to(keep[i], 50);

		if (report.n_found)
			fail_msg("%s:%u: %s", report.finding[0].file, report.finding[0].line,
				 report.finding[0].text);
		assert_int_equal(report.keep, keep[i]);
		assert_int_equal(report.files, keep[i] + 1);
		assert_int_equal(report.cut, report.first.seq - 1);
		assert_true(report.cut > 0);
	}
}

/* Between the begin that says so and the files' end: they are no harm, and go the next time. */
static void a_crash_before_the_cut(_unused_ void **state)
{
	_cleanup_(bh_chain_report_clear) struct bh_chain_report report = cut_to(6, 60);
	_cleanup_(bh_audit_closep) struct bh_audit *a = must_open();
	char *text[3] = {0};

	bh_audit_limit(a, 1200, 4);
	while (bh_chain_older(path) != 4) {
		for (unsigned int i = 0; i < 3; i++) {
			_cleanup_free_ char *old = bh_chain_path(path, 4 + i);

			free(text[i]);
			text[i] = read_file(old, NULL);
		}
		assert_int_equal(add(a, "apply"), 0);
	}
	/* by then they are one number older */
	for (unsigned int i = 0; i < 3; i++) {
		_cleanup_free_ char *old = bh_chain_path(path, 5 + i);

		write_file(old, text[i], strlen(text[i]));
		free(text[i]);
	}
	for (int i = 0; i < 12; i++) {
		bh_chain_report_clear(&report);
		report = verify();
		assert_int_equal(report.n_found, 0);
		assert_int_equal(report.cut, report.first.seq - 1);
		assert_int_equal(add(a, "apply"), 0);
	}
	assert_int_equal(bh_chain_older(path), 4);
}

/*
 * Who takes files away can't have them pass for cut off: neither by a rotation later, nor by having
 * the agent keep less. It is told until somebody accepts it, and that stands in the log.
 */
static void nobody_hides_behind_a_cut(_unused_ void **state)
{
	_cleanup_free_ char *oldest = bh_chain_path(path, 6), *next = bh_chain_path(path, 5);
	unsigned long long from = 0, to = 0;

	for (int both = 0; both < 2; both++) {
		_cleanup_(bh_chain_report_clear) struct bh_chain_report report = cut_to(6, 60);
		_cleanup_(bh_audit_closep) struct bh_audit *a = NULL;
		unsigned long long first = report.first.seq;

		assert_int_equal(report.n_found, 0);
		assert_int_equal(unlink(oldest), 0);
		if (both)
			assert_int_equal(unlink(next), 0);
		for (unsigned int keep = 6; keep > 1; keep -= 2) {
			bh_chain_report_clear(&report);
			report = cut_to(keep, 20);
			assert_int_equal(report.n_found, 1);
			assert_string_equal(report.finding[0].kind, "removed");
			assert_int_equal(report.cut, 0);
		}
		a = must_open();
		bh_audit_limit(a, 1200, 2);
		assert_int_equal(add(a, "mode"), 0);
		assert_true(bh_audit_lacks(a, &from, &to));
		assert_int_equal(from, first);
		bh_chain_report_clear(&report);
		report = verify();
		assert_int_equal(to, report.first.seq - 1);
		bh_audit_accept(a);
		assert_int_equal(add(a, "audit_accept"), 0);
		assert_false(bh_audit_lacks(a, &from, &to));
		bh_chain_report_clear(&report);
		report = verify();
		assert_int_equal(report.n_found, 0);
		assert_int_equal(report.cut, report.first.seq - 1);
	}
}

static void no_rotation_possible(_unused_ void **state)
{
	_cleanup_(bh_audit_closep) struct bh_audit *a = must_open();
	_cleanup_free_ char *old = bh_chain_path(path, 1), *in = NULL;

	assert_true(asprintf(&in, "%s/x", old) > 0);
	assert_int_equal(add(a, "apply"), 0);
	assert_int_equal(mkdir(old, 0700), 0);
	assert_int_equal(mkdir(in, 0700), 0);
	bh_audit_limit(a, 600, 1);
	for (int i = 0; i < 5; i++)
		assert_int_equal(add(a, "apply"), 0);
	assert_non_null(strstr(bh_audit_trouble(a), "can't be rotated, and grows"));
	assert_int_equal(seq_of(a), 7);
	assert_int_equal(rmdir(in), 0);
	assert_int_equal(rmdir(old), 0);
	assert_int_equal(add(a, "apply"), 0);
	assert_string_equal(bh_audit_trouble(a), "");
	is_whole(9);
}

/* The last records, from as many files as it takes. */
static void the_last_ones(_unused_ void **state)
{
	for (size_t n = 1; n < 12; n += 5) {
		json_auto_t *rows = NULL;
		json_int_t seq;

		write_many(40);
		assert_int_equal(bh_chain_tail(path, n, &rows), 0);
		assert_int_equal(json_array_size(rows), n);
		seq = json_integer_value(json_object_get(json_array_get(rows, 0), "seq"));
		for (size_t i = 0; i < n; i++)
			assert_int_equal(
				json_integer_value(json_object_get(json_array_get(rows, i), "seq")),
				seq + (json_int_t)i);
	}
}

/* --- trouble ------------------------------------------------------------------------------------------ */

static void no_log_there(_unused_ void **state)
{
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_audit *a = NULL;

	assert_int_equal(mkdir(path, 0700), 0);
	assert_true(bh_audit_open(dir, &clock_fixed, &d, &a) < 0);
	assert_non_null(strstr(d.list[0].text, path));
	assert_null(a);
	assert_int_equal(rmdir(path), 0);
	/* a pipe would block whoever opens it, a link leads elsewhere */
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_true(bh_audit_open(dir, &clock_fixed, &d, &a) < 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/dev/null", path), 0);
	assert_true(bh_audit_open(dir, &clock_fixed, &d, &a) < 0);
	assert_int_equal(unlink(path), 0);
	write_file(head_path, "", 0);
	assert_int_equal(symlink(head_path, path), 0);
	assert_true(bh_audit_open(dir, &clock_fixed, &d, &a) < 0);
}

/*
 * As `bulkheadd rescue` does, by root in the directory of an agent that has a user of its own: also
 * where it begins the log, or rotates it, the agent can go on with it.
 */
static void by_root(_unused_ void **state)
{
	_cleanup_(bh_audit_closep) struct bh_audit *a = NULL;
	struct stat st;

	if (geteuid() != 0)
		skip();
	assert_int_equal(chown(dir, 65534, 65533), 0);
	a = must_open();
	bh_audit_limit(a, 1, 2);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(add(a, "rescue"), 0);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_uid, 65534);
		assert_int_equal(st.st_gid, 65533);
		assert_int_equal(st.st_mode & 0777, 0600);
	}
	assert_int_equal(bh_chain_older(path), 1);
	assert_int_equal(stat(head_path, &st), 0);
	assert_int_equal(st.st_uid, 65534);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, rig_setup, rig_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_line_each),
		TEST(goes_on),
		TEST(a_crash_in_a_write),
		TEST(a_long_log),
		TEST(what_is_no_record),
		TEST(the_disk_is_full),
		TEST(somebody_writes_to_it),
		TEST(somebody_removes_it),
		TEST(somebody_rotates_it),
		TEST(rotation),
		TEST(harm_to_older_files),
		TEST(a_crash_in_a_rotation),
		TEST(keeping_fewer_and_more),
		TEST(a_crash_before_the_cut),
		TEST(nobody_hides_behind_a_cut),
		TEST(no_rotation_possible),
		TEST(the_last_ones),
		TEST(no_log_there),
		TEST(by_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
