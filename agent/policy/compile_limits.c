/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compile_limits.c - a table that is too small, said so that somebody can act on it: what the
 * map needs, what there is, and which segment or rule needs most. Called by each step of the
 * compiler before it makes its table.
 */
#include "compile_internal.h"

void bh_most_note(struct bh_most *most, const struct bh_most *other)
{
	if (other->n > most->n)
		*most = *other;
}

bool bh_limit_check(struct bh_compiler *c, const char *what, __u64 needs, __u64 room,
		    const struct bh_most *most)
{
	struct bh_where where = bh_map_where(c->map, most->pos);
	_cleanup_free_ char *help = NULL;
	int n = -1;

	if (needs <= room)
		return true;
	if (most->name)
		n = asprintf(&help,
			     "%s '%s' (line %d) needs most of it: %llu; make it smaller, or raise "
			     "the limit in the agent's configuration",
			     most->word, most->name, most->pos.line, (unsigned long long)most->n);
	else if (most->n)
		n = asprintf(&help,
			     "most of it: %s, %llu; write fewer, or raise the limit in the agent's "
			     "configuration",
			     most->word, (unsigned long long)most->n);
	if (n < 0)
		help = NULL;
	(void)bh_diag_add(c->d, BH_ERROR, &where, help,
			  "the map needs %llu %s, there is room for %llu",
			  (unsigned long long)needs, what, (unsigned long long)room);
	c->too_big = true;
	return false;
}
