/* SPDX-License-Identifier: Apache-2.0 */
/* ages.c - see ages.h. Newest first: what a map lacks is as old as the one after it. */
#include <errno.h>
#include <string.h>
#include "../../agent/policy/diff_internal.h"
#include "ages.h"
#include "mapfile.h"
#include "text.h"

void bh_ages_clear(struct bh_ages *a)
{
	free(a->rule);
	free(a->segment);
	*a = (struct bh_ages){};
}

int bh_live_map(struct bh_cli *cli, struct bh_map **ret, uint64_t *ret_gen)
{
	_cleanup_mapfile_ struct bh_mapfile f = {};
	_cleanup_diags_ struct bh_diags d = {};
	const char *number;
	int r, code = bh_mapfile_fetch(cli, 0, &f);

	if (code != BH_EXIT_OK)
		return code;
	r = bh_map_parse("live", f.text, f.len, &d, ret);
	if (r == -ENOMEM)
		return bh_fail(cli, BH_EXIT_FAILED, NULL, "out of memory");
	if (r < 0)
		return bh_finish(cli, BH_EXIT_FAILED, NULL, &d);
	number = strrchr(f.name, ' ');
	*ret_gen = number ? strtoull(number + 1, NULL, 10) : 0;
	return BH_EXIT_OK;
}

/* --- the same or not ---------------------------------------------------------------------------- */

static bool same_field(const struct bh_field *x, const struct bh_field *y)
{
	if (x->n != y->n)
		return false;
	for (size_t i = 0; i < x->n; i++)
		if (strcmp(x->word[i], y->word[i]) != 0)
			return false;
	return true;
}

static bool same_object(const struct bh_object *x, const struct bh_object *y)
{
	for (size_t i = 0; i < x->n_fields; i++)
		if (!same_field(&x->field[i], &y->field[i]))
			return false;
	return x->n_fields == y->n_fields;
}

struct index {
	const struct bh_map *map;
	json_t *rule, *segment; /* name -> place */
};

static void index_clear(struct index *x)
{
	json_decref(x->rule);
	json_decref(x->segment);
}

static int index_make(struct index *x)
{
	int r = 0;

	x->rule = json_object();
	x->segment = json_object();
	for (size_t i = 0; i < x->map->n_rule; i++)
		r |= json_object_set_new(x->rule, x->map->rule[i].id, json_integer((json_int_t)i));
	for (size_t i = 0; i < x->map->n_segment; i++)
		r |= json_object_set_new(x->segment, x->map->segment[i].name,
					 json_integer((json_int_t)i));
	return r ? -ENOMEM : 0;
}

/* Return: 1 if @old says the same of it, 0, -ENOMEM. */
static int same_rule(const struct bh_map *live, size_t i, const struct index *old)
{
	const json_t *at = json_object_get(old->rule, live->rule[i].id);
	struct bh_object x = {}, y = {};
	int r;

	if (!at)
		return 0;
	r = bh_rule_fields(live, &live->rule[i], &x);
	if (r == 0)
		r = bh_rule_fields(old->map, &old->map->rule[json_integer_value(at)], &y);
	if (r == 0)
		r = same_object(&x, &y);
	bh_object_clear(&x);
	bh_object_clear(&y);
	return r;
}

static int same_segment(const struct bh_map *live, size_t i, const struct index *old)
{
	const json_t *at = json_object_get(old->segment, live->segment[i].name);
	struct bh_object x = {}, y = {};
	int r;

	if (!at)
		return 0;
	r = bh_segment_fields(live, &live->segment[i], &x);
	if (r == 0)
		r = bh_segment_fields(old->map, &old->map->segment[json_integer_value(at)], &y);
	if (r == 0)
		r = same_object(&x, &y);
	bh_object_clear(&x);
	bh_object_clear(&y);
	return r;
}

/* --- back in time ------------------------------------------------------------------------------- */

struct walk {
	struct bh_cli *cli;
	const struct bh_map *live;
	struct bh_ages *ages;
	size_t open; /* of which no end was found yet */
};

static void note(struct walk *w, struct bh_age *age, int same, uint64_t gen, int64_t at_s)
{
	if (age->ended)
		return;
	if (!same) {
		age->ended = true;
		w->open--;
	} else {
		age->generation = gen;
		age->at_s = at_s;
	}
}

/* @map: that generation's; NULL: the same text as the one before. Return: 0, -ENOMEM. */
static int visit(struct walk *w, const struct bh_map *map, uint64_t gen, int64_t at_s)
{
	_cleanup_(index_clear) struct index old = {.map = map};
	int r = map ? index_make(&old) : 0, same = 1;

	for (size_t i = 0; r == 0 && i < w->live->n_rule; i++) {
		if (map && !w->ages->rule[i].ended)
			same = same_rule(w->live, i, &old);
		r = same < 0 ? same : 0;
		note(w, &w->ages->rule[i], same, gen, at_s);
		same = 1;
	}
	for (size_t i = 0; r == 0 && i < w->live->n_segment; i++) {
		if (map && !w->ages->segment[i].ended)
			same = same_segment(w->live, i, &old);
		r = same < 0 ? same : 0;
		note(w, &w->ages->segment[i], same, gen, at_s);
		same = 1;
	}
	return r;
}

/* Return: 0, -ENODATA (it can't be had: what is before it is not known), -ENOMEM. */
static int fetch(struct walk *w, uint64_t gen, struct bh_map **ret)
{
	_cleanup_json_ json_t *args =
		json_pack("{s:s s:I}", "what", "map", "generation", (json_int_t)gen);
	_cleanup_json_ json_t *answer = NULL;
	_cleanup_diags_ struct bh_diags unsaid = {};
	const json_t *text;
	int r;

	if (!args)
		return -ENOMEM;
	if (bh_exchange(w->cli, "get", args, &unsaid, &answer) < 0)
		return -ENODATA;
	text = bh_json_at(answer, "data.map.text");
	if (!json_is_string(text))
		return -ENODATA;
	r = bh_map_parse("old", json_string_value(text), json_string_length(text), &unsaid, ret);
	return r == -EINVAL ? -ENODATA : r;
}

static int walk(struct walk *w, const json_t *rows, uint64_t live_gen)
{
	const char *sha = "";
	const json_t *row;
	bool begun = false;
	int r = 0;
	size_t i;

	json_array_foreach(rows, i, row)
	{
		_cleanup_(bh_map_freep) struct bh_map *old = NULL;
		uint64_t gen = bh_json_u64(row, "generation");
		const char *its = bh_json_str(row, "sha256");
		int64_t at_s = 0;

		(void)bh_time_parse(bh_json_str(row, "applied_at"), &at_s);
		if (!begun && gen != live_gen)
			continue;
		if (begun && strcmp(its, sha) != 0)
			r = fetch(w, gen, &old);
		begun = true;
		sha = its;
		if (r == 0)
			r = visit(w, old, gen, at_s);
		if (r < 0 || !w->open)
			break;
	}
	return r == -ENODATA ? 0 : r;
}

/* Before the first generation there was none. */
static void settle(struct bh_age *age, size_t n)
{
	for (size_t i = 0; i < n; i++)
		age[i].least = !age[i].ended && age[i].generation != 1;
}

int bh_ages_get(struct bh_cli *cli, const struct bh_map *live, uint64_t gen, struct bh_ages *ret)
{
	_cleanup_ages_ struct bh_ages a = {calloc(live->n_rule + 1, sizeof(*a.rule)),
					   calloc(live->n_segment + 1, sizeof(*a.segment))};
	struct walk w = {cli, live, &a, live->n_rule + live->n_segment};
	_cleanup_json_ json_t *data = NULL;
	int code;

	if (!a.rule || !a.segment)
		return bh_fail(cli, BH_EXIT_FAILED, NULL, "out of memory");
	code = bh_ask_part(cli, "history", json_object(), &data);
	if (code != BH_EXIT_OK)
		return code;
	if (walk(&w, json_object_get(data, "rows"), gen) < 0)
		return bh_fail(cli, BH_EXIT_FAILED, NULL, "out of memory");
	settle(a.rule, live->n_rule);
	settle(a.segment, live->n_segment);
	*ret = a;
	a = (struct bh_ages){};
	return BH_EXIT_OK;
}
