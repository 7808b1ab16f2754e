/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit.c - any bytes as the audit log that an agent finds: they stay as they are, the next
 * record is a line of its own, and its number is the one that the next start goes on from; and what
 * reads the chain takes them, too.
 */
#include "fuzzdir.h"
#include "../../agent/control/audit.h"
#include "../../agent/base/io.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int64_t wall_ms(void)
{
	return 1767225600000; /* 2026-01-01T00:00:00Z */
}

static uint64_t boot_ns(void)
{
	return 1;
}

static const struct bh_clock clock_of_test = {wall_ms, boot_ns};

/* One start of an agent that writes @records. Return: the last number before, *ret: after. */
static unsigned long long start(const char *dir, int records, unsigned long long *ret)
{
	_cleanup_(bh_audit_closep) struct bh_audit *a = NULL;
	_cleanup_diags_ struct bh_diags d = {0};
	json_auto_t *what = json_pack("{s:s}", "verb", "apply");
	unsigned long long before;

	MUST(what && bh_audit_open(dir, &clock_of_test, &d, &a) == 0 && !d.n_errors);
	before = bh_audit_head(a)->seq;
	/* the last number there may be: it is no agent's */
	if (before + 8 >= BH_CHAIN_SEQ_MAX)
		return before;
	for (int i = 0; i < records; i++)
		MUST(bh_audit_add(a, what) == 0);
	*ret = bh_audit_head(a)->seq;
	return before;
}

static void check_last(const char *text, size_t bytes, unsigned long long seq)
{
	_cleanup_(bh_chain_record_clear) struct bh_chain_record r = {0};
	const char *line = bytes > 1 ? memrchr(text, '\n', bytes - 1) : NULL;

	line = line ? line + 1 : text;
	MUST(text[bytes - 1] == '\n');
	MUST(bh_chain_parse(line, (size_t)(text + bytes - line) - 1, &r));
	MUST(r.good && r.head.seq == seq);
}

/* How many lines of the log are not the agent's: it ends the last of them where nobody has. */
static unsigned int lines_of(const uint8_t *data, size_t size)
{
	unsigned int n = size && data[size - 1] != '\n';

	for (size_t i = 0; i < size; i++)
		n += data[i] == '\n';
	return n;
}

/* Whoever wrote what was there, @lines: of what the agent wrote behind it nothing is wrong. */
static void check_chain(const char *path, unsigned int lines, unsigned long long last)
{
	_cleanup_(bh_chain_report_clear) struct bh_chain_report report = {0};
	struct bh_chain_claim claim = {"audit.head", {0}, 0};
	struct bh_chain_note note;

	MUST(bh_chain_note_read(path, &note) == 0 && note.head.seq == last);
	claim.head = note.head;
	MUST(bh_chain_verify(path, &claim, 1, &report) == 0);
	MUST(report.last.seq == last && report.torn == 0);
	for (size_t i = 0; i < report.n_finding; i++)
		MUST(report.finding[i].line <= lines ||
		     !strcmp(report.finding[i].kind, "noticed") ||
		     !strcmp(report.finding[i].kind, "removed"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned long long before, after = 0, again = 0;
	const char *dir = fuzz_dir_of();
	_cleanup_free_ char *text = NULL;
	json_auto_t *rows = NULL;
	char path[256];
	size_t bytes;

	(void)snprintf(path, sizeof(path), "%s/audit.head", dir);
	(void)unlink(path);
	(void)snprintf(path, sizeof(path), "%s/audit.jsonl", dir);
	fuzz_file_write(path, data, size);
	before = start(dir, 2, &after);
	if (!after)
		return 0;
	/* with a begin, or with what it found to be wrong */
	MUST(after >= before + 2 && after <= before + 4);
	MUST(start(dir, 1, &again) == after && again == after + 1);
	MUST(bh_file_read(path, 16u << 20, &text, &bytes) == 0);
	MUST(bytes > size && !memcmp(text, data, size));
	check_last(text, bytes, again);
	check_chain(path, lines_of(data, size), again);
	MUST(bh_chain_tail(path, 3, &rows) == 0 && json_array_size(rows) == 3);
	return 0;
}
