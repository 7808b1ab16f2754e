/* SPDX-License-Identifier: Apache-2.0 */
/*
 * auditrig.h - an audit log in a directory of its own, and ways to do it harm: what the tests of
 * agent/control/audit.c and chain*.c begin with. Include it in one source of a test program.
 */
#ifndef BH_AUDITRIG_H
#define BH_AUDITRIG_H

#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>
#include "../../agent/base/io.h"
#include "../../agent/control/audit.h"

static char dir[64], path[96], head_path[96];

static int64_t wall_ms(void)
{
	return 1767225600000;
}

static const struct bh_clock clock_fixed = {.wall_ms = wall_ms};

static int rig_remove(const char *file, _unused_ const struct stat *st, _unused_ int type,
		      _unused_ struct FTW *ftw)
{
	return remove(file);
}

static int rig_setup(_unused_ void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/bh-test-%d", (int)getpid());
	snprintf(path, sizeof(path), "%s/audit.jsonl", dir);
	snprintf(head_path, sizeof(head_path), "%s/audit.head", dir);
	return mkdir(dir, 0700);
}

static int rig_teardown(_unused_ void **state)
{
	return nftw(dir, rig_remove, 8, FTW_DEPTH | FTW_PHYS);
}

static struct bh_audit *must_open(void)
{
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_audit *a = NULL;
	int r = bh_audit_open(dir, &clock_fixed, &d, &a);

	if (r < 0)
		fail_msg("%s", d.list[0].text);
	return a;
}

static int add(struct bh_audit *a, const char *verb)
{
	json_auto_t *what = json_pack("{s:s}", "verb", verb);

	return bh_audit_add(a, what);
}

/* So many starts of an agent, each with one record: begin is record 1. */
_unused_ static void write_log(int records)
{
	for (int i = 0; i < records; i++) {
		_cleanup_(bh_audit_closep) struct bh_audit *a = must_open();

		assert_int_equal(add(a, "apply"), 0);
	}
}

static char *read_file(const char *file, size_t *ret_bytes)
{
	char *text = NULL;

	assert_int_equal(bh_file_read(file, 1 << 24, &text, ret_bytes), 0);
	return text;
}

static void write_file(const char *file, const char *text, size_t bytes)
{
	FILE *f = fopen(file, "we");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, bytes, f), bytes);
	assert_int_equal(fclose(f), 0);
}

/* Where the @n-th line (from 1) begins; that behind the last: the end. */
_unused_ static char *line_at(char *text, int n)
{
	while (--n)
		text = strchr(text, '\n') + 1;
	return text;
}

_unused_ static int count_lines(const char *text)
{
	int n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

/* Held against the head beside it, as the command line does it. */
_unused_ static struct bh_chain_report verify(void)
{
	struct bh_chain_claim claim = {"audit.head", {0}, BH_CHAIN_SEQ_MAX};
	struct bh_chain_report report = {0};
	struct bh_chain_note note = {0};

	if (bh_chain_note_read(path, &note) == 0)
		claim.head = note.head;
	assert_int_equal(bh_chain_verify(path, &claim, 1, &report), 0);
	return report;
}

_unused_ static void is_whole(unsigned long long records)
{
	_cleanup_(bh_chain_report_clear) struct bh_chain_report report = verify();

	if (report.n_found)
		fail_msg("%s:%u: %s: %s", report.finding[0].file, report.finding[0].line,
			 report.finding[0].kind, report.finding[0].text);
	assert_int_equal(report.records, records);
	assert_int_equal(report.torn, 0);
}

/* The first finding is this. */
_unused_ static void is_broken(const char *kind, const char *file, unsigned int line)
{
	_cleanup_(bh_chain_report_clear) struct bh_chain_report report = verify();
	const struct bh_chain_finding *f = report.finding;

	if (!report.n_found)
		fail_msg("line %u is %s, and nobody notices", line, kind);
	if (strcmp(f->kind, kind) != 0 || f->line != line || strcmp(f->file, file) != 0)
		fail_msg("expected %s:%u %s, got %s:%u: %s: %s", file, line, kind, f->file, f->line,
			 f->kind, f->text);
}

#endif
