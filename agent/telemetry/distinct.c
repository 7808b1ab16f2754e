/* SPDX-License-Identifier: Apache-2.0 */
/* distinct.c - see distinct.h. */
#include "distinct.h"

void bh_distinct_add(__u8 v[BH_DISTINCT_BYTES], __u64 hash)
{
	__u64 rest = hash >> 6 | 1ull << 58;
	__u8 rank = (__u8)(__builtin_ctzll(rest) + 1);
	__u8 *at = &v[hash % BH_DISTINCT_BYTES];

	if (*at < rank)
		*at = rank;
}

__u64 bh_distinct_count(const __u8 v[BH_DISTINCT_BYTES])
{
	const double m = BH_DISTINCT_BYTES;
	double sum = 0, few = 0;
	unsigned int empty = 0;

	for (unsigned int i = 0; i < BH_DISTINCT_BYTES; i++) {
		sum += 1.0 / (double)(1ull << (v[i] < 60 ? v[i] : 60));
		empty += !v[i];
	}
	if (!empty || 0.709 * m * m / sum > 2.5 * m)
		return (__u64)(0.709 * m * m / sum + 0.5);
	/* m * ln(m / empty), the logarithm as a difference of harmonic numbers */
	for (unsigned int i = empty + 1; i <= BH_DISTINCT_BYTES; i++)
		few += 1.0 / i;
	return (__u64)(m * few + 0.5);
}
