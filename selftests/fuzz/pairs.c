/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pairs.c - any bytes as the history of who talked to whom: taken whole or refused with a reason,
 * and what is taken is the same when it is saved and read again.
 *
 * Input: a byte that says what is done to the rest, then the rest. A checksum keeps a fuzzer out,
 * so the body can be given its right head here.
 */
#include <errno.h>
#include "fuzzdir.h"
#include "../../agent/control/pairsfile.h"
#include "../../agent/control/seal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SEALED = 1 << 0, CUT = 1 << 1 };

struct sum {
	uint64_t rows, times, bytes, names;
};

static int on_row(void *ctx, const struct bh_pair *p)
{
	const char *const name[] = {p->unit, p->local, p->remote, p->peer, p->rule};
	struct sum *s = ctx;

	s->rows++;
	s->times += p->times * (p->port + 1u) * (p->verdict + 1u);
	s->bytes += p->bytes ^ (uint64_t)p->last_ms;
	for (size_t i = 0; i < ARRAY_SIZE(name); i++)
		s->names += name[i] ? strlen(name[i]) * (i + 1) : 0;
	MUST(p->times && p->proto && p->verdict < BH_PAIR_VERDICTS && p->dir <= BH_OUT);
	MUST(bh_pair_addrs(p) || p->many);
	return 0;
}

static struct sum sum_of(const struct bh_pairs *p)
{
	struct sum s = {0};

	MUST(bh_pairs_each(p, on_row, &s) == 0);
	MUST(s.rows == bh_pairs_count(p).rows);
	return s;
}

static void check_again(const char *dir, const struct bh_pairs *p)
{
	_cleanup_(bh_pairs_freep) struct bh_pairs *again = bh_pairs_new(64);
	_cleanup_diags_ struct bh_diags d = {0};
	struct sum was = sum_of(p), is;

	MUST(again && bh_pairsfile_save(dir, p, &d) == 0);
	MUST(bh_pairsfile_load(dir, again, &d) == 0 && !d.n_errors);
	is = sum_of(again);
	MUST(!memcmp(&was, &is, sizeof(was)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(bh_pairs_freep) struct bh_pairs *p = bh_pairs_new(64);
	_cleanup_diags_ struct bh_diags d = {0};
	const char *dir = fuzz_dir_of();
	char path[256], digest[BH_SHA256_TEXT], *text;
	size_t n = 0;
	int r;

	MUST(p);
	if (!size)
		return 0;
	text = malloc(size + 200);
	MUST(text);
	if (data[0] & SEALED) {
		bh_sha256_text(data + 1, size - 1, digest);
		n = (size_t)snprintf(text, 160, "bulkhead-pairs 1 %zu %s\n", size - 1, digest);
	}
	memcpy(text + n, data + 1, size - 1);
	n += size - 1;
	if (data[0] & SEALED && !(data[0] & CUT))
		text[n++] = '\n';
	(void)snprintf(path, sizeof(path), "%s/pairs", dir);
	fuzz_file_write(path, text, n);
	free(text);
	r = bh_pairsfile_load(dir, p, &d);
	MUST((r == 0) == (d.n_errors == 0));
	MUST(r == 0 || r == -EBADMSG || r == -EPROTONOSUPPORT);
	if (r < 0)
		MUST(bh_pairs_count(p).rows == 0);
	else
		check_again(dir, p);
	return 0;
}
