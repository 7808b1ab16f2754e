/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control_chain.c - each way to tamper with an audit log, at each of its lines, and what is said of
 * it; and how its next agent goes on. Tests agent/control/chain.c, chain_read.c, chain_verify.c.
 */
#include <openssl/evp.h>
#include "auditrig.h"
#include "../../agent/control/seal.h"

#define RECORDS 9 /* with the begin */

static char *good, *good_head;
static size_t good_bytes, head_bytes;

static int setup(void **state)
{
	if (rig_setup(state) < 0)
		return -1;
	write_log(RECORDS - 1);
	good = read_file(path, &good_bytes);
	good_head = read_file(head_path, &head_bytes);
	return 0;
}

static int teardown(void **state)
{
	free(good);
	free(good_head);
	return rig_teardown(state);
}

static void put_back(void)
{
	write_file(path, good, good_bytes);
	write_file(head_path, good_head, head_bytes);
}

/* The log with what is between @from and @to replaced by @text. */
static void replace(const char *from, const char *to, const char *text)
{
	_cleanup_free_ char *all = NULL;

	assert_true(asprintf(&all, "%.*s%s%s", (int)(from - good), good, text, to) > 0);
	write_file(path, all, strlen(all));
}

/* A line with its hash made anew: malloced, with its line break. */
static char *forge(const char *line, const char *old, const char *new)
{
	_cleanup_free_ char *body = strndup(line, strcspn(line, "\n"));
	const char *at;
	char *hash = strstr(body, ",\"hash\":\""), *all = NULL, digest[BH_SHA256_TEXT];

	strcpy(hash, "}");
	at = strstr(body, old);
	assert_non_null(at);
	assert_true(asprintf(&all, "%.*s%s%s", (int)(at - body), body, new, at + strlen(old)) > 0);
	bh_sha256_text(all, strlen(all), digest);
	free(body);
	assert_true(asprintf(&body, "%.*s,\"hash\":\"%s\"}\n", (int)strlen(all) - 1, all, digest) >
		    0);
	free(all);
	return TAKE_PTR(body);
}

/* --- nothing is wrong --------------------------------------------------------------------------- */

static void as_it_was_written(_unused_ void **state)
{
	_cleanup_(bh_chain_report_clear) struct bh_chain_report report = verify();

	is_whole(RECORDS);
	assert_int_equal(report.first.seq, 1);
	assert_int_equal(report.last.seq, RECORDS);
	assert_int_equal(report.files, 1);
}

/* By hand, as chain.h describes it: with no function of ours but the digest of OpenSSL. */
static void as_it_is_described(_unused_ void **state)
{
	char prev[65], want[65];

	memset(prev, '0', 64);
	prev[64] = '\0';
	for (const char *line = good; *line; line = strchr(line, '\n') + 1) {
		_cleanup_free_ char *body = strndup(line, strcspn(line, "\n"));
		char *hash = strstr(body, ",\"hash\":\"");
		unsigned char digest[EVP_MAX_MD_SIZE];

		assert_memory_equal(strstr(body, "\"prev\":\"") + 8, prev, 64);
		memcpy(want, hash + 9, 64);
		assert_string_equal(hash + 9 + 64, "\"}");
		strcpy(hash, "}");
		assert_true(EVP_Digest(body, strlen(body), digest, NULL, EVP_sha256(), NULL));
		for (int i = 0; i < 32; i++)
			snprintf(prev + 2 * i, 3, "%02x", digest[i]);
		assert_memory_equal(prev, want, 64);
	}
}

/* --- one line ------------------------------------------------------------------------------------- */

/* Any byte of any line, changed in place: line breaks, braces, digits of a hash. */
static void each_byte_edited(_unused_ void **state)
{
	int line = 1;

	for (size_t i = 0; i < good_bytes; i++) {
		_cleanup_(bh_chain_report_clear) struct bh_chain_report report = {0};
		char was = good[i];

		good[i] = was == 'x' ? 'y' : 'x';
		write_file(path, good, good_bytes);
		good[i] = was;
		report = verify();
		/* the last line break alone holds no record together */
		if (!report.n_found && i + 1 < good_bytes)
			fail_msg("byte %zu of line %d: nobody notices", i, line);
		/* a head whose record can't be read is missed at the record before */
		if (report.n_found && (int)report.finding[0].line != line &&
		    (int)report.finding[0].line != line - 1)
			fail_msg("byte %zu of line %d: found at line %u: %s", i, line,
				 report.finding[0].line, report.finding[0].text);
		line += was == '\n';
	}
}

static void each_line_edited(_unused_ void **state)
{
	for (int i = 1; i <= RECORDS; i++) {
		char *line = line_at(good, i), *at = strstr(line, "2026");

		replace(at, at + 4, "2025");
		is_broken("edited", path, (unsigned int)i);
	}
}

static void each_line_edited_with_its_hash(_unused_ void **state)
{
	for (int i = 1; i <= RECORDS; i++) {
		char *line = line_at(good, i);
		_cleanup_free_ char *forged = forge(line, "2026", "2025");

		replace(line, line_at(good, i + 1), forged);
		/* the last one has none behind it: the head knows better */
		is_broken(i < RECORDS ? "edited" : "rewritten", path, (unsigned int)i);
	}
}

static void each_line_made_no_record(_unused_ void **state)
{
	for (int i = 1; i < RECORDS; i++) {
		char *line = line_at(good, i);

		replace(line, line + 6, "{\"sqe\"");
		is_broken("edited", path, (unsigned int)i);
	}
	replace(line_at(good, RECORDS), line_at(good, RECORDS) + 6, "{\"sqe\"");
	is_broken("cut", path, RECORDS - 1);
}

static void each_line_removed(_unused_ void **state)
{
	for (int i = 1; i <= RECORDS; i++) {
		replace(line_at(good, i), line_at(good, i + 1), "");
		if (i < RECORDS)
			is_broken("removed", path, (unsigned int)i);
		else
			is_broken("cut", path, RECORDS - 1);
	}
}

static void each_line_twice(_unused_ void **state)
{
	for (int i = 1; i <= RECORDS; i++) {
		char *line = line_at(good, i), *next = line_at(good, i + 1);
		_cleanup_free_ char *twice = strndup(line, (size_t)(next - line));

		replace(next, next, twice);
		is_broken("reordered", path, (unsigned int)i + 1);
	}
}

static void each_pair_swapped(_unused_ void **state)
{
	for (int i = 1; i < RECORDS; i++) {
		char *one = line_at(good, i), *two = line_at(good, i + 1);
		char *end = line_at(good, i + 2);
		_cleanup_free_ char *swapped = NULL;

		assert_true(asprintf(&swapped, "%.*s%.*s", (int)(end - two), two, (int)(two - one),
				     one) > 0);
		replace(one, end, swapped);
		is_broken(i == 1 ? "removed" : "reordered", path, (unsigned int)i);
	}
}

static void something_written_between(_unused_ void **state)
{
	for (int i = 1; i <= RECORDS; i++) {
		replace(line_at(good, i), line_at(good, i), "{\"verb\":\"apply\"}\n");
		is_broken("edited", path, (unsigned int)i);
	}
}

/* --- the tail, and all of it -------------------------------------------------------------------------- */

static void each_tail_cut(_unused_ void **state)
{
	for (int i = 2; i <= RECORDS; i++) {
		replace(line_at(good, i), good + good_bytes, "");
		is_broken("cut", path, (unsigned int)i - 1);
	}
	write_file(path, "", 0);
	is_broken("cut", path, 1);
	assert_int_equal(unlink(path), 0);
	is_broken("cut", path, 1);
}

/* At each byte: what is left is a cut tail, but for the line break that a record can do without. */
static void cut_at_each_byte(_unused_ void **state)
{
	for (size_t n = 0; n + 1 < good_bytes; n++) {
		_cleanup_(bh_chain_report_clear) struct bh_chain_report report = {0};

		write_file(path, good, n);
		report = verify();
		if (!report.n_found || strcmp(report.finding[0].kind, "cut") != 0)
			fail_msg("cut at byte %zu: %s", n,
				 report.n_found ? report.finding[0].text : "nobody notices");
	}
}

/* Another log, right in itself: only the head tells. */
static void written_anew(_unused_ void **state)
{
	assert_int_equal(unlink(path), 0);
	assert_int_equal(unlink(head_path), 0);
	{
		_cleanup_(bh_audit_closep) struct bh_audit *a = must_open();

		for (int i = 1; i < RECORDS; i++)
			assert_int_equal(add(a, "mode"), 0);
	}
	is_whole(RECORDS);
	write_file(head_path, good_head, head_bytes);
	is_broken("rewritten", path, RECORDS);
}

/* A head that is not written behind each record may be behind; never with other hashes. */
static void the_head_is_behind(_unused_ void **state)
{
	struct bh_chain_claim claim = {"the pinned map", {0}, 1};
	struct bh_chain_note note;

	assert_int_equal(bh_chain_note_read(path, &note), 0);
	claim.head = note.head;
	for (int more = 1; more < 4; more++) {
		_cleanup_(bh_chain_report_clear) struct bh_chain_report report = {0};

		write_log(1);
		assert_int_equal(bh_chain_verify(path, &claim, 1, &report), 0);
		assert_int_equal(report.n_found, more > 1);
		if (more > 1)
			assert_string_equal(report.finding[0].kind, "rewritten");
	}
	write_file(head_path, good_head, head_bytes);
	is_whole(RECORDS + 3);
}

static void nothing_there(_unused_ void **state)
{
	struct bh_chain_report report = {0};

	assert_int_equal(unlink(path), 0);
	assert_int_equal(bh_chain_verify(path, NULL, 0, &report), -ENOENT);
}

/* --- the file of the head ------------------------------------------------------------------------------- */

static void the_heads_file_at_each_byte(_unused_ void **state)
{
	struct bh_chain_note note;

	assert_int_equal(head_bytes, 512);
	assert_int_equal(bh_chain_note_read(path, &note), 0);
	assert_int_equal(note.head.seq, RECORDS);
	for (size_t i = 0; i < head_bytes; i++) {
		char was = good_head[i];

		good_head[i] ^= 1;
		write_file(head_path, good_head, head_bytes);
		good_head[i] = was;
		assert_true(bh_chain_note_read(path, &note) < 0);
	}
	for (size_t n = 0; n < head_bytes; n++) {
		write_file(head_path, good_head, n);
		assert_true(bh_chain_note_read(path, &note) < 0);
	}
}

/* --- how the next agent goes on ---------------------------------------------------------------------------- */

/* It says so, the log goes on, and who reads it later still sees the break. */
static void goes_on_and_tells(const char *what, const char *kind, const char *part)
{
	_cleanup_(bh_audit_closep) struct bh_audit *a = must_open();
	_cleanup_(bh_chain_report_clear) struct bh_chain_report report = {0};
	_cleanup_free_ char *text = NULL;
	bool said = false;

	assert_int_equal(bh_audit_check(a, NULL), 0);
	if (!strstr(bh_audit_found(a), part))
		fail_msg("%s: found '%s'", what, bh_audit_found(a));
	assert_int_equal(add(a, "apply"), 0);
	bh_audit_close(a);
	/* also after another start */
	a = must_open();
	assert_int_equal(bh_audit_check(a, NULL), 0);
	assert_non_null(strstr(bh_audit_found(a), part));
	assert_int_equal(add(a, "apply"), 0);
	text = read_file(path, NULL);
	assert_non_null(strstr(text, "\"event\":\"mismatch\""));
	assert_ptr_equal(
		strstr(strstr(text, "\"event\":\"mismatch\"") + 1, "\"event\":\"mismatch\""), NULL);
	report = verify();
	for (size_t i = 0; i < report.n_finding; i++)
		said |= !strcmp(report.finding[i].kind, kind);
	if (!said)
		fail_msg("%s: afterwards nothing is %s", what, kind);
	assert_string_equal(report.finding[report.n_finding - 1].kind, "noticed");
	/* somebody has seen it */
	bh_audit_accept(a);
	assert_int_equal(add(a, "audit_accept"), 0);
	bh_audit_close(a);
	a = must_open();
	assert_int_equal(bh_audit_check(a, NULL), 0);
	assert_string_equal(bh_audit_found(a), "");
}

static void a_start_after_a_cut(_unused_ void **state)
{
	for (int i = 2; i <= RECORDS; i++) {
		put_back();
		replace(line_at(good, i), good + good_bytes, "");
		goes_on_and_tells("cut", "removed", "cut: the log ends with record");
	}
	put_back();
	assert_int_equal(unlink(path), 0);
	goes_on_and_tells("gone", "removed", "there is no record");
}

static void a_start_after_an_edit(_unused_ void **state)
{
	char *line = line_at(good, RECORDS), *at = strstr(line, "2026");
	_cleanup_free_ char *forged = forge(line, "2026", "2025");

	replace(at, at + 4, "2025");
	goes_on_and_tells("edited", "edited", "edited: record 9");
	put_back();
	replace(line, good + good_bytes, forged);
	goes_on_and_tells("forged", "edited", "rewritten: record 9");
	put_back();
	replace(line, line + 6, "{\"sqe\"");
	goes_on_and_tells("garbled", "removed", "cut: the log ends with record 8");
}

static void a_start_without_its_head(_unused_ void **state)
{
	assert_int_equal(unlink(head_path), 0);
	goes_on_and_tells("no head", "noticed", "audit.head is missing");
	put_back();
	write_file(head_path, good_head, head_bytes - 1);
	goes_on_and_tells("half a head", "noticed", "audit.head is damaged");
}

/* The kernel remembers what the disk was made to forget. */
static void a_start_with_a_pinned_head(_unused_ void **state)
{
	_cleanup_(bh_audit_closep) struct bh_audit *a = NULL;
	struct bh_chain_note old, now;

	assert_int_equal(bh_chain_note_read(path, &old), 0);
	write_log(2);
	assert_int_equal(bh_chain_note_read(path, &now), 0);
	/* the log and the file of its head as they were two records ago */
	put_back();
	a = must_open();
	assert_int_equal(bh_audit_check(a, &now.head), 0);
	assert_non_null(strstr(bh_audit_found(a), "the pinned map knows of record 11"));
	assert_int_equal(bh_audit_head(a)->seq, 12);
}

static void a_start_after_a_crash(_unused_ void **state)
{
	_cleanup_(bh_audit_closep) struct bh_audit *a = NULL;
	struct bh_chain_note note;

	/* the record is on the disk, and neither head */
	assert_int_equal(bh_chain_note_read(path, &note), 0);
	write_log(1);
	write_file(head_path, good_head, head_bytes);
	a = must_open();
	assert_int_equal(bh_audit_check(a, &note.head), 0);
	assert_string_equal(bh_audit_found(a), "");
	assert_int_equal(add(a, "apply"), 0);
	bh_audit_close(a);
	/* after a power loss the kernel knows nothing, and the file is many behind */
	write_log(3);
	write_file(head_path, good_head, head_bytes);
	a = must_open();
	assert_int_equal(bh_audit_check(a, NULL), 0);
	assert_string_equal(bh_audit_found(a), "");
	assert_int_equal(add(a, "apply"), 0);
	is_whole(RECORDS + 6);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(as_it_was_written),
		TEST(as_it_is_described),
		TEST(each_byte_edited),
		TEST(each_line_edited),
		TEST(each_line_edited_with_its_hash),
		TEST(each_line_made_no_record),
		TEST(each_line_removed),
		TEST(each_line_twice),
		TEST(each_pair_swapped),
		TEST(something_written_between),
		TEST(each_tail_cut),
		TEST(cut_at_each_byte),
		TEST(written_anew),
		TEST(the_head_is_behind),
		TEST(nothing_there),
		TEST(the_heads_file_at_each_byte),
		TEST(a_start_after_a_cut),
		TEST(a_start_after_an_edit),
		TEST(a_start_without_its_head),
		TEST(a_start_with_a_pinned_head),
		TEST(a_start_after_a_crash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
