/* SPDX-License-Identifier: Apache-2.0 */
/*
 * history.c - any bytes as a record of the history: known whole, or told to be damaged, with the
 * record beside it untouched; and what is known can be written and is the same when it is read
 * again.
 *
 * Input: a byte that says what is done to it, then the bytes. A checksum keeps a fuzzer out, so
 * that the body can be given its right head here.
 */
#include "fuzzdir.h"
#include "../../agent/control/history.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SEALED (1 << 0) /* with the head that belongs to it */

static const char text[] = "version: 1\n";

static struct bh_history *open_history(size_t *ret_warnings)
{
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_history *h;

	MUST(bh_history_open(fuzz_dir_of(), &bh_history_caps_default, &d, &h) == 0);
	MUST(!d.n_errors);
	*ret_warnings = d.n;
	return h;
}

/* Generation 1, which nobody harms. */
static void begin(void)
{
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_record r = {.generation = 1, .name = (char *)"x", .mode = BH_MODE_OBSERVE};
	size_t warnings;
	struct bh_history *h = open_history(&warnings);

	r.bytes = strlen(text);
	bh_sha256_text(text, r.bytes, r.sha256);
	MUST(bh_history_add(h, &r, text, &d) == 0 && !d.n);
	bh_history_close(h);
}

static void write_record(uint8_t how, const uint8_t *body, size_t bytes)
{
	char path[256], head[160], digest[BH_SHA256_TEXT];
	bool sealed = how & SEALED;
	char *file;
	int n = 0;

	bh_sha256_text(body, bytes, digest);
	if (sealed)
		n = snprintf(head, sizeof(head), "bulkhead-history 1 %zu %s\n", bytes, digest);
	file = malloc((size_t)n + bytes + 1);
	MUST(file);
	memcpy(file, head, (size_t)n);
	memcpy(file + n, body, bytes);
	file[(size_t)n + bytes] = '\n';
	(void)snprintf(path, sizeof(path), "%s/history/41", fuzz_dir_of());
	fuzz_file_write(path, file, (size_t)n + bytes + sealed);
	free(file);
}

static bool same_text(const char *a, const char *b)
{
	return (!a && !b) || (a && b && !strcmp(a, b));
}

/* Names may be cut the first time. */
static void check_again(const struct bh_record *r)
{
	json_auto_t *body = bh_record_to_json(r), *twice = NULL;
	struct bh_record copy = {0};

	MUST(body && bh_record_from_json(body, &copy) == 0);
	MUST(copy.generation == r->generation && copy.of == r->of && copy.at_ms == r->at_ms);
	MUST(copy.how == r->how && copy.state == r->state && copy.mode == r->mode);
	MUST(!strcmp(copy.sha256, r->sha256) && copy.bytes == r->bytes);
	MUST(copy.segments == r->segments && copy.rules == r->rules);
	MUST((r->file && strlen(r->file) > 1024) || same_text(copy.file, r->file));
	twice = bh_record_to_json(&copy);
	MUST(twice);
	bh_record_clear(&copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool begun;
	const struct bh_record *r;
	struct bh_history *h;
	size_t n, warnings;

	if (!begun)
		begin();
	begun = true;
	if (!size)
		return 0;
	write_record(data[0], data + 1, size - 1);
	h = open_history(&warnings);
	r = bh_history_list(h, &n);
	MUST(n == 2 && !r[0].damaged && !r[0].lost && r[1].generation == 41);
	/* damaged, or of a text that is not there */
	MUST(warnings == (size_t)(r[1].damaged || r[1].lost));
	MUST(bh_history_newest(h) == (r[1].damaged ? 1 : 41));
	if (!r[1].damaged)
		check_again(&r[1]);
	bh_history_close(h);
	return 0;
}
