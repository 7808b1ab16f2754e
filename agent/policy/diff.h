/* SPDX-License-Identifier: Apache-2.0 */
/* diff.h - what changes between two segment maps, in the words of the map. */
#ifndef BH_DIFF_H
#define BH_DIFF_H

#include "model.h"

enum bh_change_what { BH_CHANGE_ADDED, BH_CHANGE_REMOVED, BH_CHANGE_CHANGED };

struct bh_change {
	enum bh_change_what what;
	char *object; /* "segment web", "rule web-api", "map mode" */
	char *detail; /* one line: what it is now, or "old -> new" per field */
};

struct bh_changes {
	struct bh_change *v;
	size_t n;
};

/* @old may be NULL (everything is added). Return: 0, -ENOMEM. */
int bh_map_diff(const struct bh_map *old, const struct bh_map *new, struct bh_changes *ret);
void bh_changes_clear(struct bh_changes *c);

#endif
