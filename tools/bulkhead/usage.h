/* SPDX-License-Identifier: Apache-2.0 */
/* usage.h - which rule was used when, from the rows of verb `pairs`. Pure. Used by report and tighten. */
#ifndef BH_USAGE_H
#define BH_USAGE_H

#include <jansson.h>
#include "../../agent/base/cleanup.h"

struct bh_used {
	const char *last; /* RFC 3339, of a row */
	int64_t last_s;
	uint64_t times;
	json_t *rows; /* that name it */
};

struct bh_usage {
	json_t *index; /* rule -> place */
	struct bh_used *v;
	size_t n;
	const char *begins; /* the earliest there is of anything; NULL: nothing was seen */
	int64_t begins_s;
};

/* @pairs: rows, which must outlive it. Return: 0, -ENOMEM. */
int bh_usage_make(const json_t *pairs, struct bh_usage *ret);
/* NULL: never. */
const struct bh_used *bh_usage_of(const struct bh_usage *u, const char *rule);
void bh_usage_clear(struct bh_usage *u);

#define _cleanup_usage_ _cleanup_(bh_usage_clear)

#endif
