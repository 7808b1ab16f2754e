/* SPDX-License-Identifier: Apache-2.0 */
/* diff_internal.h - a map taken apart into fields of words, which can be compared and shown. */
#ifndef BH_DIFF_INTERNAL_H
#define BH_DIFF_INTERNAL_H

#include "internal.h"

#define BH_FIELDS_MAX 12

/* What one key says: nothing, a word, or a set of words (sorted, each once). */
struct bh_field {
	const char *name;
	char **word;
	size_t n, room;
};

/* One segment, rule, assertion, or the map itself. */
struct bh_object {
	const char *kind;
	const char *name;
	struct bh_field field[BH_FIELDS_MAX];
	size_t n_fields;
};

struct bh_objects {
	struct bh_object *v;
	size_t n;
};

/* Objects of one kind have the same fields. Return: 0, -ENOMEM. */
int bh_map_fields(const struct bh_map *map, struct bh_object *ret);
int bh_segment_fields(const struct bh_map *map, const struct bh_segment *s, struct bh_object *ret);
int bh_rule_fields(const struct bh_map *map, const struct bh_rule_src *rule, struct bh_object *ret);
int bh_assert_fields(const struct bh_map *map, const struct bh_assert *a, struct bh_object *ret);
void bh_object_clear(struct bh_object *o);

#endif
