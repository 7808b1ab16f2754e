/* SPDX-License-Identifier: Apache-2.0 */
/* suggest.c - see suggest.h. */
#include <errno.h>
#include <string.h>
#include "suggest_internal.h"

/* There may be thousands that are alike. */
static int unique_name(json_t *names, const char *name, char ret[BH_DRAFT_NAME])
{
	unsigned n = (unsigned)json_integer_value(json_object_get(names, name));

	(void)snprintf(ret, BH_DRAFT_NAME, "%s", name);
	while (json_object_get(names, ret))
		(void)snprintf(ret, BH_DRAFT_NAME, "%.36s-%u", name, ++n + 1);
	if (strcmp(ret, name) != 0 && json_object_set_new(names, name, json_integer(n)) < 0)
		return -ENOMEM;
	return json_object_set_new(names, ret, json_integer(0));
}

size_t bh_suggest_seg(struct bh_suggesting *w, const char *name, const struct bh_spot *spot,
		      const struct bh_home *home)
{
	struct bh_draft_seg *s = bh_seen_grow(&w->d.seg, &w->d.n_seg, sizeof(*s));
	struct bh_home *h = s ? bh_seen_grow(&w->home, &w->n_home, sizeof(*h)) : NULL;

	if (!h)
		return BH_DRAFT_WORLD;
	s->spot = *spot;
	*h = *home;
	if (unique_name(w->names, name, s->name) < 0)
		return BH_DRAFT_WORLD;
	return w->d.n_seg - 1;
}

static void suggesting_clear(struct bh_suggesting *w)
{
	bh_draft_clear(&w->d);
	free(w->home);
	free(w->said);
	free(w->saying);
	free(w->speaks);
	json_decref(w->names);
}

void bh_suggested_clear(struct bh_suggested *s)
{
	free(s->text);
	json_decref(s->left);
	*s = (struct bh_suggested){0};
}

static json_t *left_json(const struct bh_draft *d)
{
	json_t *list = json_array();
	char tame[BH_DRAFT_TAME];

	for (size_t i = 0; i < d->n_note; i++)
		(void)json_array_append_new(list, json_string(bh_draft_tame(d->note[i], tame)));
	return list;
}

int bh_suggest_make(const struct bh_suggest_ask *ask, struct bh_suggested *ret)
{
	_cleanup_(suggesting_clear) struct bh_suggesting w = {.ask = ask, .names = json_object()};
	struct bh_suggested s = {0};
	int r = w.names ? bh_suggest_rows(&w) : -ENOMEM;

	if (!r)
		r = bh_suggest_addrs(&w);
	if (!r)
		r = bh_suggest_rules(&w);
	if (!r)
		r = bh_suggest_text(&w, &s.text, &s.len);
	if (r)
		return r;
	/* the reserved one is no line of the map */
	s.n_seg = w.d.n_seg - 1;
	s.n_rule = w.d.n_rule;
	s.left = left_json(&w.d);
	*ret = s;
	return 0;
}
