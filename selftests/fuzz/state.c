/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state.c - any bytes as a state file or as the marker: taken whole or refused with a reason,
 * and what is taken can be saved and is the same when it is read again.
 *
 * Input: a byte that says which file and what is done to it, then the bytes. A checksum keeps
 * a fuzzer out, so that the body can be given its right head here.
 */
#include <errno.h>
#include "fuzzdir.h"
#include "../../agent/control/seal.h"
#include "../../agent/control/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	MARKER = 1 << 0,  /* else the state */
	SEALED = 1 << 1,  /* with the head that belongs to it */
	CHANGED = 1 << 2, /* and then one byte is another */
	FLOOR = 1 << 3,	  /* the host has enforced a newer generation */
};

/* The file's bytes. Return: malloced. */
static char *file_of(uint8_t how, const uint8_t *body, size_t bytes, size_t *ret)
{
	char digest[BH_SHA256_TEXT], head[160];
	size_t n = 0;
	char *text;

	if (how & SEALED) {
		bh_sha256_text(body, bytes, digest);
		n = (size_t)snprintf(head, sizeof(head), "bulkhead-%s 1 %zu %s\n",
				     how & MARKER ? "enforced" : "state", bytes, digest);
	}
	text = malloc(n + bytes + 1);
	MUST(text);
	memcpy(text, head, n);
	memcpy(text + n, body, bytes);
	*ret = n + bytes;
	if (how & SEALED)
		text[(*ret)++] = '\n';
	/* where: by the content, for a fuzzer to reach all of them */
	if (how & SEALED && how & CHANGED)
		text[(bytes ? body[bytes / 2] * 7u : 0) % *ret] ^= 1;
	return text;
}

static void check_result(uint8_t how, int r, const struct bh_diags *d)
{
	MUST((r == 0) == (d->n_errors == 0));
	MUST(r == 0 || r == -EBADMSG || r == -EPROTONOSUPPORT || r == -ESTALE);
	MUST(r != -ESTALE || how & FLOOR);
	if (how & SEALED && how & CHANGED)
		MUST(r == -EBADMSG || r == -EPROTONOSUPPORT);
}

static bool same_text(const char *a, const char *b)
{
	return (!a && !b) || (a && b && !strcmp(a, b));
}

static void check_state_again(const char *dir, const struct bh_state *s)
{
	_cleanup_free_ char *numbers = NULL, *copy = NULL;
	_cleanup_(bh_state_clear) struct bh_state again = {0};
	_cleanup_diags_ struct bh_diags d = {0};
	size_t n, m;

	MUST(bh_state_save(dir, s, &d) == 0);
	MUST(bh_state_load(dir, s->generation, &d, &again) == 0 && !d.n_errors);
	MUST(again.generation == s->generation && again.at_ms == s->at_ms);
	MUST(again.cap_observe == s->cap_observe && again.detached == s->detached);
	MUST(same_text(again.map, s->map) && again.map_bytes == s->map_bytes);
	MUST(same_text(again.file, s->file) && same_text(again.by, s->by));
	MUST(!strcmp(again.basis, s->basis));
	MUST(bh_numbers_save(s->numbers, &numbers, &n) == 0);
	MUST(bh_numbers_save(again.numbers, &copy, &m) == 0);
	MUST(n == m && !memcmp(numbers, copy, n));
}

static void check_state(const char *dir, uint8_t how)
{
	_cleanup_(bh_state_clear) struct bh_state s = {0};
	_cleanup_diags_ struct bh_diags d = {0};
	int r = bh_state_load(dir, how & FLOOR ? 1000 : 0, &d, &s);

	check_result(how, r, &d);
	if (r < 0) {
		/* nothing of it, not even a part */
		MUST(!s.map && !s.file && !s.by && !s.numbers && !s.generation);
		return;
	}
	MUST(!(how & FLOOR) || s.generation >= 1000);
	check_state_again(dir, &s);
}

static void check_marker(const char *dir, uint8_t how)
{
	_cleanup_(bh_marker_clear) struct bh_marker m = {0}, again = {0};
	_cleanup_diags_ struct bh_diags d = {0};
	int r = bh_marker_load(dir, &d, &m);

	check_result(how & ~FLOOR, r, &d);
	if (r < 0) {
		MUST(!m.failsafes && !m.generation);
		return;
	}
	MUST(bh_marker_save(dir, &m, &d) == 0);
	MUST(bh_marker_load(dir, &d, &again) == 0 && !d.n_errors);
	MUST(again.generation == m.generation && again.emergency == m.emergency);
	MUST(same_text(again.failsafes, m.failsafes));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *dir = fuzz_dir_of();
	char path[256], *text;
	size_t bytes;

	if (!size)
		return 0;
	text = file_of(data[0], data + 1, size - 1, &bytes);
	(void)snprintf(path, sizeof(path), "%s/%s", dir, data[0] & MARKER ? "enforced" : "state");
	fuzz_file_write(path, text, bytes);
	free(text);
	if (data[0] & MARKER)
		check_marker(dir, data[0]);
	else
		check_state(dir, data[0]);
	return 0;
}
