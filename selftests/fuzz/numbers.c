/* SPDX-License-Identifier: Apache-2.0 */
/* numbers.c - bh_numbers_load() on any bytes: what it takes, it writes again byte for byte. */
#include <stdint.h>
#include <string.h>
#include "../../agent/policy/compile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(bh_numbers_freep) struct bh_numbers *n = NULL;
	_cleanup_(bh_numbers_freep) struct bh_numbers *copy = NULL;
	_cleanup_free_ char *text = NULL;
	size_t len;
	__u32 number;

	if (bh_numbers_load((const char *)data, size, &n) < 0)
		return 0;
	copy = bh_numbers_copy(n);
	if (!copy || bh_numbers_save(copy, &text, &len) < 0)
		abort();
	if (len != size || memcmp(text, data, size) != 0)
		abort();
	/* A number that was handed out before is never handed out again. */
	if (bh_numbers_segment(copy, "a-name-of-its-own", &number) == 0 &&
	    bh_numbers_segment_name(n, number) &&
	    strcmp(bh_numbers_segment_name(n, number), "a-name-of-its-own") != 0)
		abort();
	return 0;
}
