/* SPDX-License-Identifier: Apache-2.0 */
/* get_holds.c - who is in quarantine, and what was granted. See get.h. */
#include <errno.h>
#include "../holds.h"
#include "get.h"

static json_t *end_of(const struct bh_agent *a, const struct bh_hold_note *n)
{
	return n->until_ns ? bh_json_boot_time(a, n->until_ns) : json_null();
}

static int append(json_t *list, json_t *row)
{
	return row && json_array_append_new(list, row) == 0 ? 0 : -ENOMEM;
}

int bh_get_quarantines(struct bh_agent *a, _unused_ bool all, json_t *list)
{
	static const char *const kinds[] = {"segment", "unit", "address"};
	int r = 0;

	for (size_t i = 0; a->holds && i < a->holds->n_hold && r == 0; i++) {
		const struct bh_hold *h = &a->holds->hold[i];

		r = append(list,
			   json_pack("{s:o s:s s:b s:o s:o s:o s:o}", "who", bh_json_text(h->who),
				     "kind", kinds[h->kind], "even_failsafe", h->hard, "until",
				     end_of(a, &h->note), "since", bh_json_wall_time(h->note.at_ms),
				     "reason", bh_json_text(h->note.reason), "by",
				     bh_json_text(h->note.by)));
	}
	return r;
}

int bh_get_grants(struct bh_agent *a, _unused_ bool all, json_t *list)
{
	int r = 0;

	for (size_t i = 0; a->holds && i < a->holds->n_granted && r == 0; i++) {
		const struct bh_granted *g = &a->holds->granted[i];

		r = append(list,
			   json_pack("{s:i s:o s:o s:o s:o s:o s:o s:o s:o s:o}", "id", (int)g->id,
				     "rule", bh_json_text(g->rule), "from", bh_json_text(g->from),
				     "to", bh_json_text(g->to), "port", bh_json_text(g->port),
				     "user", bh_json_text(g->user), "until", end_of(a, &g->note),
				     "since", bh_json_wall_time(g->note.at_ms), "reason",
				     bh_json_text(g->note.reason), "by", bh_json_text(g->note.by)));
	}
	return r;
}
