/* SPDX-License-Identifier: Apache-2.0 */
/*
 * suggest.h - from what was seen over days (verb `pairs`) to a segment map that allows that and
 * nothing else. Units become segments as draft.h places them, or stay in the segment of the live
 * map that they are in; addresses are named one by one, and are one prefix where all of it was
 * seen. Pure: facts in, text out, the same for the same facts.
 */
#ifndef BH_SUGGEST_H
#define BH_SUGGEST_H

#include <jansson.h>
#include "draft.h"

/**
 * struct bh_suggest_ask - what a map is made of
 * @rows: of verb `pairs`
 * @live: the enforced map, or NULL
 * @keep: segments of it stay where they name units
 */
struct bh_suggest_ask {
	const json_t *rows;
	const struct bh_map *live;
	bool keep;
	const char *host, *when; /* for its first line */
};

struct bh_suggested {
	char *text;
	size_t len;
	size_t n_seg, n_rule;
	json_t *left; /* what was seen and is in no rule: sentences */
};

/* Return: 0, -EINVAL (the rows are none), -ENOMEM. */
int bh_suggest_make(const struct bh_suggest_ask *ask, struct bh_suggested *ret);
void bh_suggested_clear(struct bh_suggested *s);

#define _cleanup_suggested_ _cleanup_(bh_suggested_clear)

#endif
