/* SPDX-License-Identifier: Apache-2.0 */
/* usage.c - see usage.h. */
#include <errno.h>
#include <string.h>
#include "text.h"
#include "usage.h"

void bh_usage_clear(struct bh_usage *u)
{
	for (size_t i = 0; i < u->n; i++)
		json_decref(u->v[i].rows);
	free(u->v);
	json_decref(u->index);
	*u = (struct bh_usage){};
}

const struct bh_used *bh_usage_of(const struct bh_usage *u, const char *rule)
{
	const json_t *at = json_object_get(u->index, rule);

	return at ? &u->v[json_integer_value(at)] : NULL;
}

/* NULL: no memory. */
static struct bh_used *place(struct bh_usage *u, const char *rule)
{
	const json_t *at = json_object_get(u->index, rule);
	struct bh_used *more;

	if (at)
		return &u->v[json_integer_value(at)];
	if ((u->n & (u->n - 1)) == 0) {
		more = reallocarray(u->v, u->n ? u->n * 2 : 1, sizeof(*more));
		if (!more)
			return NULL;
		u->v = more;
	}
	u->v[u->n] = (struct bh_used){.rows = json_array()};
	if (!u->v[u->n].rows ||
	    json_object_set_new(u->index, rule, json_integer((json_int_t)u->n)) < 0) {
		json_decref(u->v[u->n].rows);
		return NULL;
	}
	return &u->v[u->n++];
}

static int add(struct bh_usage *u, json_t *row)
{
	const char *rule = bh_json_str(row, "rule"), *first = bh_json_str(row, "first");
	const char *last = bh_json_str(row, "last");
	int64_t first_s = 0, last_s = 0;
	struct bh_used *used;

	if (bh_time_parse(first, &first_s) < 0 || bh_time_parse(last, &last_s) < 0)
		return 0;
	if (!u->begins || first_s < u->begins_s) {
		u->begins = first;
		u->begins_s = first_s;
	}
	if (!*rule)
		return 0;
	used = place(u, rule);
	if (!used || json_array_append(used->rows, row) < 0)
		return -ENOMEM;
	if (!used->last || last_s > used->last_s) {
		used->last = last;
		used->last_s = last_s;
	}
	used->times += bh_json_u64(row, "times");
	return 0;
}

int bh_usage_make(const json_t *pairs, struct bh_usage *ret)
{
	_cleanup_usage_ struct bh_usage u = {.index = json_object()};
	json_t *row;
	int r = u.index ? 0 : -ENOMEM;
	size_t i;

	json_array_foreach(pairs, i, row) r = r ? r : add(&u, row);
	if (r == 0) {
		*ret = u;
		u = (struct bh_usage){};
	}
	return r;
}
