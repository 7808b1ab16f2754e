/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit.c - any bytes as the audit log that an agent finds: they stay as they are, the next
 * record is a line of its own, and its number is the one that the next start goes on from.
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
	before = bh_audit_seq(a);
	for (int i = 0; i < records; i++)
		MUST(bh_audit_add(a, what) == 0);
	*ret = bh_audit_seq(a);
	return before;
}

static void check_last(const char *text, size_t bytes, unsigned long long seq)
{
	const char *line = bytes > 1 ? memrchr(text, '\n', bytes - 1) : NULL;
	json_auto_t *json = NULL;

	line = line ? line + 1 : text;
	MUST(text[bytes - 1] == '\n');
	json = json_loadb(line, (size_t)(text + bytes - line), 0, NULL);
	MUST(json_integer_value(json_object_get(json, "seq")) == (json_int_t)seq);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned long long before, after, again;
	const char *dir = fuzz_dir_of();
	_cleanup_free_ char *text = NULL;
	char path[256];
	size_t bytes;

	(void)snprintf(path, sizeof(path), "%s/audit.jsonl", dir);
	fuzz_file_write(path, data, size);
	before = start(dir, 2, &after);
	MUST(after == before + 2);
	/* nobody writes as many records: behind this the numbers begin anew */
	if (after >= 1ull << 53)
		return 0;
	MUST(start(dir, 1, &again) == after && again == after + 1);
	MUST(bh_file_read(path, 16u << 20, &text, &bytes) == 0);
	MUST(bytes > size && !memcmp(text, data, size));
	check_last(text, bytes, again);
	return 0;
}
