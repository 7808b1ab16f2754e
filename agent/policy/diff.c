/* SPDX-License-Identifier: Apache-2.0 */
/*
 * diff.c - what changes between two maps: objects by name, their fields by words. The order of
 * a file does not matter to the policy, so it does not matter here. Called by diff and apply.
 */
#include <errno.h>
#include <string.h>
#include "diff.h"
#include "diff_internal.h"

/* Sets with more words than this are shown by what came and went. */
#define WORDS_SHOWN 12

/* --- text ------------------------------------------------------------------------------------- */

/* One line: descriptions may have more of them. */
static void word_print(FILE *out, const char *word)
{
	for (; *word; word++)
		(void)fputc((unsigned char)*word < ' ' || *word == 0x7f ? ' ' : *word, out);
}

static void words_print(FILE *out, const struct bh_field *f)
{
	if (!f->n)
		fprintf(out, "(none)");
	for (size_t i = 0; i < MIN(f->n, (size_t)WORDS_SHOWN); i++) {
		fprintf(out, "%s", i ? ", " : "");
		word_print(out, f->word[i]);
	}
	if (f->n > WORDS_SHOWN)
		fprintf(out, " and %zu more", f->n - WORDS_SHOWN);
}

static bool field_same(const struct bh_field *a, const struct bh_field *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->word[i], b->word[i]) != 0)
			return false;
	return true;
}

/* Words of @a that are not in @b, with @sign. Return: how many more than were shown. */
static size_t gone_print(FILE *out, const struct bh_field *a, const struct bh_field *b, char sign,
			 size_t *shown)
{
	size_t more = 0;

	for (size_t i = 0, j = 0; i < a->n; i++) {
		while (j < b->n && strcmp(b->word[j], a->word[i]) < 0)
			j++;
		if (j < b->n && !strcmp(b->word[j], a->word[i]))
			continue;
		if (*shown == WORDS_SHOWN) {
			more++;
			continue;
		}
		fprintf(out, "%s%c", *shown ? " " : "", sign);
		word_print(out, a->word[i]);
		(*shown)++;
	}
	return more;
}

static void change_print(FILE *out, const struct bh_field *old, const struct bh_field *new)
{
	size_t shown = 0, more;

	if (old->n <= WORDS_SHOWN && new->n <= WORDS_SHOWN) {
		words_print(out, old);
		fprintf(out, " -> ");
		words_print(out, new);
		return;
	}
	more = gone_print(out, old, new, '-', &shown);
	more += gone_print(out, new, old, '+', &shown);
	if (more)
		fprintf(out, " and %zu more", more);
	fprintf(out, " (%zu -> %zu)", old->n, new->n);
}

/* What it is now (one of the two is NULL), or what is different. Return: NULL: nothing is. */
static int detail_of(const struct bh_object *old, const struct bh_object *new, char **ret)
{
	const struct bh_object *one = new ? new : old;
	_cleanup_free_ char *text = NULL;
	size_t len, n = 0;
	FILE *out = open_memstream(&text, &len);
	bool failed;

	if (!out)
		return -ENOMEM;
	for (size_t i = 0; i < one->n_fields; i++) {
		const struct bh_field *f = &one->field[i];

		if (old && new ? field_same(&old->field[i], f) : !f->n)
			continue;
		fprintf(out, "%s", n++ ? "; " : "");
		/* Of the map itself each field is an object, and has its name there. */
		if (one->name)
			fprintf(out, "%s: ", f->name);
		if (old && new)
			change_print(out, &old->field[i], f);
		else
			words_print(out, f);
	}
	failed = ferror(out);
	if (fclose(out) || failed)
		return -ENOMEM;
	*ret = n || !old || !new ? TAKE_PTR(text) : NULL;
	return 0;
}

/* --- changes ---------------------------------------------------------------------------------- */

static int change_add(struct bh_changes *c, const struct bh_object *old,
		      const struct bh_object *new)
{
	const struct bh_object *one = new ? new : old;
	_cleanup_free_ char *detail = NULL;
	struct bh_change *v;
	char *object;
	int r = detail_of(old, new, &detail);

	if (r < 0 || !detail)
		return r;
	v = reallocarray(c->v, c->n + 1, sizeof(*v));
	if (!v)
		return -ENOMEM;
	c->v = v;
	if (asprintf(&object, "%s %s", one->kind, one->name ? one->name : one->field[0].name) < 0)
		return -ENOMEM;
	c->v[c->n++] = (struct bh_change){
		.what = !old   ? BH_CHANGE_ADDED
			: !new ? BH_CHANGE_REMOVED
			       : BH_CHANGE_CHANGED,
		.object = object,
		.detail = TAKE_PTR(detail),
	};
	return 0;
}

void bh_changes_clear(struct bh_changes *c)
{
	for (size_t i = 0; i < c->n; i++) {
		free(c->v[i].object);
		free(c->v[i].detail);
	}
	free(c->v);
	*c = (struct bh_changes){0};
}

/* --- objects of a map ------------------------------------------------------------------------- */

enum kind { MAP, SEGMENT, RULE, FAILSAFE, ASSERT, N_KINDS };

/* One object of a map, not taken apart yet. */
struct item {
	const char *name;
	const void *src;
};

struct items {
	struct item *v;
	size_t n;
};

static int item_cmp(const void *a, const void *b)
{
	return strcmp(((const struct item *)a)->name, ((const struct item *)b)->name);
}

static void item_add(struct items *items, const char *name, const void *src)
{
	items->v[items->n++] = (struct item){name ? name : "", src};
}

/* Reserved segments that are only there because they always are say nothing. */
static bool is_said(const struct bh_segment *s)
{
	return !s->reserved || s->mode != BH_MODE_INHERIT || s->def[BH_IN] != BH_UNSET ||
	       s->def[BH_OUT] != BH_UNSET;
}

static int items_of(const struct bh_map *map, enum kind kind, struct items *ret)
{
	ret->n = 0;
	ret->v = NULL;
	if (!map)
		return 0;
	ret->v = calloc(1 + map->n_segment + map->n_rule + map->n_assertion, sizeof(*ret->v));
	if (!ret->v)
		return -ENOMEM;
	if (kind == MAP)
		item_add(ret, NULL, map);
	for (size_t i = 0; kind == SEGMENT && i < map->n_segment; i++)
		if (is_said(&map->segment[i]))
			item_add(ret, map->segment[i].name, &map->segment[i]);
	for (size_t i = 0; (kind == RULE || kind == FAILSAFE) && i < map->n_rule; i++)
		if ((map->rule[i].kind == BH_RULE_FAILSAFE) == (kind == FAILSAFE))
			item_add(ret, map->rule[i].id, &map->rule[i]);
	for (size_t i = 0; kind == ASSERT && i < map->n_assertion; i++)
		item_add(ret, map->assertion[i].id, &map->assertion[i]);
	qsort(ret->v, ret->n, sizeof(*ret->v), item_cmp);
	return 0;
}

static int object_of(const struct bh_map *map, enum kind kind, const struct item *item,
		     struct bh_object *ret)
{
	switch (kind) {
	case SEGMENT:
		return bh_segment_fields(map, item->src, ret);
	case RULE:
	case FAILSAFE:
		return bh_rule_fields(map, item->src, ret);
	case ASSERT:
		return bh_assert_fields(map, item->src, ret);
	default:
		return bh_map_fields(map, ret);
	}
}

struct diff {
	const struct bh_map *old, *new;
	struct bh_changes changes;
};

static void diff_clear(struct diff *d)
{
	bh_changes_clear(&d->changes);
}

static int map_diff(struct diff *d, const struct bh_object *old, const struct bh_object *new)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < new->n_fields; i++) {
		struct bh_object a = {.kind = "map", .n_fields = 1}, b = a;

		b.field[0] = new->field[i];
		if (old)
			a.field[0] = old->field[i];
		if (old || b.field[0].n)
			r = change_add(&d->changes, old ? &a : NULL, &b);
	}
	return r;
}

static int pair_diff(struct diff *d, enum kind kind, const struct item *old, const struct item *new)
{
	_cleanup_(bh_object_clear) struct bh_object a = {0}, b = {0};
	int r = old ? object_of(d->old, kind, old, &a) : 0;

	if (r == 0 && new)
		r = object_of(d->new, kind, new, &b);
	if (kind == MAP)
		return r < 0 ? r : map_diff(d, old ? &a : NULL, &b);
	return r < 0 ? r : change_add(&d->changes, old ? &a : NULL, new ? &b : NULL);
}

static int items_diff(struct diff *d, enum kind kind, const struct items *old,
		      const struct items *new)
{
	int r = 0;

	for (size_t i = 0, j = 0; r == 0 && (i < old->n || j < new->n);) {
		int side = i == old->n ? 1 : j == new->n ? -1 : item_cmp(&old->v[i], &new->v[j]);

		r = pair_diff(d, kind, side <= 0 ? &old->v[i] : NULL,
			      side >= 0 ? &new->v[j] : NULL);
		i += side <= 0;
		j += side >= 0;
	}
	return r;
}

int bh_map_diff(const struct bh_map *old, const struct bh_map *new, struct bh_changes *ret)
{
	_cleanup_(diff_clear) struct diff d = {.old = old, .new = new};

	for (enum kind kind = MAP; kind < N_KINDS; kind++) {
		struct items a = {0}, b = {0};
		int r = items_of(old, kind, &a);

		if (r == 0)
			r = items_of(new, kind, &b);
		if (r == 0)
			r = items_diff(&d, kind, &a, &b);
		free(a.v);
		free(b.v);
		if (r < 0)
			return r;
	}
	*ret = d.changes;
	d.changes = (struct bh_changes){0};
	return 0;
}
