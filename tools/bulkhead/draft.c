/* SPDX-License-Identifier: Apache-2.0 */
/* draft.c - see draft.h. */
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include "draft_internal.h"

int bh_draft_note(struct bh_draft *d, const char *fmt, ...)
{
	char **new = bh_seen_grow(&d->note, &d->n_note, sizeof(*new));
	va_list ap;
	int n;

	if (!new)
		return -ENOMEM;
	va_start(ap, fmt);
	n = vasprintf(new, fmt, ap);
	va_end(ap);
	if (n < 0)
		*new = NULL;
	return n < 0 ? -ENOMEM : 0;
}

static bool name_taken(const struct bh_draft *d, size_t seg, const char *name)
{
	for (size_t i = 0; i < d->n_seg; i++)
		if (i != seg && !strcmp(d->seg[i].name, name))
			return true;
	return false;
}

void bh_draft_seg_unique(struct bh_draft *d, size_t seg)
{
	char name[BH_DRAFT_NAME];

	(void)snprintf(name, sizeof(name), "%s", d->seg[seg].name);
	for (unsigned i = 2; name_taken(d, seg, d->seg[seg].name); i++)
		(void)snprintf(d->seg[seg].name, sizeof(d->seg[seg].name), "%.36s-%u", name, i);
}

const char *bh_draft_seg_name(const struct bh_draft *d, size_t seg)
{
	return seg == BH_DRAFT_WORLD ? "world" : d->seg[seg].name;
}

void bh_draft_clear(struct bh_draft *d)
{
	for (size_t i = 0; i < d->n_seg; i++) {
		free(d->seg[i].cidr);
		free(d->seg[i].why);
	}
	for (size_t i = 0; i < d->n_rule; i++) {
		free(d->rule[i].from);
		free(d->rule[i].to);
		free(d->rule[i].why);
	}
	for (size_t i = 0; i < d->n_note; i++)
		free(d->note[i]);
	free(d->seg);
	free(d->rule);
	free(d->note);
	free(d->failsafe);
	free(d->failsafe_why);
	*d = (struct bh_draft){0};
}

static void drafting_clear(struct bh_drafting *w)
{
	free(w->seg_of);
	free(w->talk);
	free(w->ear);
	free(w->conv);
	free(w->speaks);
}

int bh_draft_make(struct bh_seen *s, struct bh_draft *ret)
{
	_cleanup_draft_ struct bh_draft d = {0};
	_cleanup_(drafting_clear) struct bh_drafting w = {.s = s, .d = &d};
	int r;

	bh_seen_sort(s);
	r = bh_draft_look(&w);
	if (!r)
		r = bh_draft_addrs(&w);
	if (!r)
		r = bh_draft_rules(&w);
	if (!r)
		r = bh_draft_failsafe(&w);
	if (r)
		return r;
	*ret = d;
	d = (struct bh_draft){0};
	return 0;
}
