/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_tighten.c - what of the live map nobody needed, as a diff of its text. What tighten.h proposes
 * is tried by the agent, with all that was seen: a proposal under which anything of that would fare
 * otherwise than under the live map is dropped.
 */
#include <errno.h>
#include <string.h>
#include <time.h>
#include "../../agent/base/clock.h"
#include "mapfile.h"
#include "offline.h"
#include "text.h"
#include "tighten.h"

#define SINCE_S (7 * 86400)

struct tightening {
	struct bh_map *map;
	uint64_t gen;
	struct bh_ages ages;
	struct bh_usage usage;
	struct bh_tightened found;
	json_t *pairs, *packets;
	json_t *before; /* what simulate says of the live map */
	unsigned int since_s;
	char since[BH_TIME_TEXT], span[BH_SPAN_TEXT];
	int64_t cut_s;
	size_t *kept, n_kept; /* of .found */
	size_t dropped;
};

static void tightening_clear(struct tightening *t)
{
	bh_tightened_clear(&t->found);
	bh_usage_clear(&t->usage);
	bh_ages_clear(&t->ages);
	bh_map_free(t->map);
	json_decref(t->pairs);
	json_decref(t->packets);
	json_decref(t->before);
	free(t->kept);
}

/* --- the map with some of it ---------------------------------------------------------------------- */

/* "allow:" without a rule left is no list. Return: where " []" has to stand; 0: nowhere. */
static size_t empty_list(const struct tightening *t, const size_t *which, size_t n)
{
	size_t allow = 0, gone = 0, first = t->map->text_len;

	for (size_t i = 0; i < t->map->n_rule; i++)
		allow += t->map->rule[i].kind == BH_RULE_ALLOW;
	for (size_t i = 0; i < n; i++)
		if (t->found.v[which[i]].removes) {
			gone++;
			first = MIN(first, t->found.v[which[i]].edit.from);
		}
	if (!gone || gone != allow)
		return 0;
	while (first > 6 && strncmp(t->map->text + first - 6, "allow:", 6) != 0)
		first--;
	return first > 6 ? first : 0;
}

/* NULL: no memory. @n places in *ret_n; of strings that @t has. */
static struct bh_edit *edits_of(const struct tightening *t, const size_t *which, size_t n,
				size_t *ret_n)
{
	struct bh_edit *e = calloc(n + 1, sizeof(*e));
	size_t at = empty_list(t, which, n);

	for (size_t i = 0; e && i < n; i++)
		e[i] = t->found.v[which[i]].edit;
	*ret_n = n;
	if (e && at)
		e[(*ret_n)++] = (struct bh_edit){.from = at, .to = at, .text = " []"};
	return e;
}

/* --- whether it does no harm ------------------------------------------------------------------------ */

/* Return: as bh_exchange(): the answer as it came. */
static int simulate(struct bh_cli *cli, const struct tightening *t, const char *text, size_t len,
		    struct bh_diags *d, json_t **ret)
{
	_cleanup_json_ json_t *args =
		json_pack("{s:s s:s%}", "file", "tightened", "text", text, len);

	if (!args || json_object_set_new(args, "since_s", json_integer(t->since_s)) < 0)
		return -ENOMEM;
	return bh_exchange(cli, "simulate", args, d, ret);
}

static bool same_counts(const json_t *x, const json_t *y)
{
	static const char *const count[] = {"data.denied", "data.audited", "data.allowed",
					    "data.unknown", "data.judged"};

	for (size_t i = 0; i < ARRAY_SIZE(count); i++)
		if (!bh_json_at(x, count[i]) ||
		    bh_json_u64(x, count[i]) != bh_json_u64(y, count[i]))
			return false;
	return true;
}

/* Return: 1: everything seen fares as before, 0, -errno (see @d). */
static int is_harmless(struct bh_cli *cli, const struct tightening *t, const size_t *which,
		       size_t n, struct bh_diags *d)
{
	_cleanup_diags_ struct bh_diags unsaid = {};
	_cleanup_json_ json_t *answer = NULL, *entries = NULL;
	_cleanup_(bh_map_freep) struct bh_map *map = NULL;
	_cleanup_free_ struct bh_edit *e = NULL;
	_cleanup_free_ char *text = NULL;
	size_t n_edit, len;
	int r;

	e = edits_of(t, which, n, &n_edit);
	if (e)
		text = bh_edit_apply(t->map->text, t->map->text_len, e, n_edit, &len);
	if (!text)
		return -ENOMEM;
	r = bh_offline_check("tightened", text, len, &unsaid, &map, &entries);
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	r = simulate(cli, t, text, len, d, &answer);
	return r < 0 ? r : same_counts(t->before, answer);
}

/*
 * Keeps as much of found[from, to) as does no harm together with what is kept already: halves are
 * tried where the whole can't be had.
 */
static int keep(struct bh_cli *cli, struct tightening *t, size_t from, size_t to,
		struct bh_diags *d)
{
	size_t n = t->n_kept, middle = from + (to - from) / 2;
	int r;

	if (from == to)
		return 0;
	for (size_t i = from; i < to; i++)
		t->kept[n++] = i;
	r = is_harmless(cli, t, t->kept, n, d);
	if (r == 1)
		t->n_kept = n;
	if (r)
		return MIN(r, 0);
	if (to - from == 1) {
		t->dropped++;
		return 0;
	}
	r = keep(cli, t, from, middle, d);
	return r ? r : keep(cli, t, middle, to, d);
}

static int try(struct bh_cli *cli, struct tightening *t, struct bh_diags *d)
{
	int r;

	t->kept = calloc(t->found.n + 1, sizeof(*t->kept));
	if (!t->kept)
		return -ENOMEM;
	if (!t->found.n)
		return 0;
	r = simulate(cli, t, t->map->text, t->map->text_len, d, &t->before);
	if (r < 0)
		return r;
	if (!bh_json_at(t->before, "data.judged")) {
		bh_diags_from_json(json_object_get(t->before, "diags"), d);
		if (!d->n)
			(void)bh_diag_add(d, BH_ERROR, NULL, "is this the agent's socket?",
					  "no answer to what was seen under the live map");
		return -EBADMSG;
	}
	return keep(cli, t, 0, t->found.n, d);
}

/* --- what is said ---------------------------------------------------------------------------------- */

static bool is_short(const struct tightening *t)
{
	return !t->usage.begins || t->usage.begins_s > t->cut_s;
}

static int note_all(struct tightening *t)
{
	uint64_t forgotten = bh_json_u64(t->pairs, "table.forgotten");
	uint64_t lost = bh_json_u64(t->pairs, "table.lost");
	int r = 0;

	if (!t->usage.begins)
		r = bh_tighten_note(&t->found, "the history is empty: nothing was seen yet");
	else if (is_short(t))
		r = bh_tighten_note(&t->found,
				    "the history is younger than %s: it begins %s, and nothing is "
				    "known of before",
				    t->span, t->usage.begins);
	if (r == 0 && t->found.young)
		r = bh_tighten_note(&t->found,
				    "nothing is proposed for what is in the map for less than %s: "
				    "%zu rules and prefixes",
				    t->span, t->found.young);
	if (r == 0 && (forgotten || lost))
		r = bh_tighten_note(
			&t->found,
			"the history is not whole: %llu rows made room for others, %llu "
			"found none",
			(unsigned long long)forgotten, (unsigned long long)lost);
	if (r == 0 && t->dropped)
		r = bh_tighten_note(
			&t->found,
			"%zu more would change what becomes of something that was seen, "
			"or break an assertion, and are not proposed",
			t->dropped);
	return r;
}

/* Malloced; NULL: no memory. */
static char *diff(const struct tightening *t)
{
	size_t n;
	_cleanup_free_ struct bh_edit *e = edits_of(t, t->kept, t->n_kept, &n);

	return e ? bh_edit_diff(t->map->text, t->map->text_len, e, n, "map.yaml") : NULL;
}

static char *head_and_diff(const struct tightening *t)
{
	_cleanup_free_ char *changes = diff(t);
	char *text = NULL;
	const json_t *note;
	size_t len, i;
	FILE *out = changes ? open_memstream(&text, &len) : NULL;

	if (!out)
		return NULL;
	fprintf(out,
		"# bulkhead tighten: generation %llu, by what was seen in the last %s, since %s\n",
		(unsigned long long)t->gen, t->span, t->since);
	json_array_foreach(t->found.notes, i, note)
		fprintf(out, "# note: %s\n", json_string_value(note));
	if (!t->n_kept)
		fprintf(out, "# there is nothing to tighten\n");
	for (i = 0; i < t->n_kept; i++) {
		const struct bh_proposal *p = &t->found.v[t->kept[i]];

		fprintf(out, "# line %llu, %s, %s\n",
			(unsigned long long)bh_json_u64(p->row, "line"),
			bh_json_str(p->row, "what"), p->why);
	}
	fputs(changes, out);
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}

static json_t *answer(const struct tightening *t)
{
	_cleanup_json_ json_t *list = json_array();
	_cleanup_free_ char *changes = diff(t);
	int bad = list && changes ? 0 : -1;

	for (size_t i = 0; !bad && i < t->n_kept; i++)
		bad = json_array_append(list, t->found.v[t->kept[i]].row);
	return bad ? NULL
		   : json_pack("{s:O s:s s:O s:s? s:s s:I}", "proposals", list, "diff", changes,
			       "notes", t->found.notes, "history_begins", t->usage.begins, "since",
			       t->since, "generation", (json_int_t)t->gen);
}

static int say(struct bh_cli *cli, const struct tightening *t)
{
	_cleanup_diags_ struct bh_diags none = {};
	_cleanup_free_ char *text = NULL;
	json_t *data;

	if (cli->json) {
		data = answer(t);
		return data ? bh_finish(cli, BH_EXIT_OK, data, &none)
			    : bh_fail(cli, BH_EXIT_FAILED, NULL, "out of memory");
	}
	text = head_and_diff(t);
	if (!text)
		return bh_fail(cli, BH_EXIT_FAILED, NULL, "out of memory");
	bh_map_print(cli, text);
	return BH_EXIT_OK;
}

/* --- the command ------------------------------------------------------------------------------------- */

static int packets_of(const json_t *rules, json_t **ret)
{
	const json_t *rule;
	int bad = 0;
	size_t i;

	*ret = json_object();
	json_array_foreach(rules, i, rule) bad |=
		json_object_set(*ret, bh_json_str(rule, "id"), json_object_get(rule, "packets"));
	return *ret && !bad ? 0 : -ENOMEM;
}

static int gather(struct bh_cli *cli, struct tightening *t)
{
	_cleanup_json_ json_t *data = NULL;
	int code = bh_live_map(cli, &t->map, &t->gen);

	if (code == BH_EXIT_OK)
		code = bh_ages_get(cli, t->map, t->gen, &t->ages);
	if (code == BH_EXIT_OK)
		code = bh_ask_part(cli, "get", json_pack("{s:s}", "what", "rules"), &data);
	if (code == BH_EXIT_OK)
		code = bh_ask_part(cli, "pairs", json_object(), &t->pairs);
	if (code != BH_EXIT_OK)
		return code;
	if (packets_of(json_object_get(data, "rules"), &t->packets) < 0 ||
	    bh_usage_make(json_object_get(t->pairs, "rows"), &t->usage) < 0)
		return bh_fail(cli, BH_EXIT_FAILED, NULL, "out of memory");
	return BH_EXIT_OK;
}

static int run(struct bh_cli *cli, _unused_ int argc, _unused_ char **argv)
{
	_cleanup_(tightening_clear) struct tightening t = {.since_s = cli->since_s ? cli->since_s
										   : SINCE_S};
	_cleanup_diags_ struct bh_diags d = {};
	struct bh_tighten_ask ask;
	int r, code;

	t.cut_s = (int64_t)time(NULL) - t.since_s;
	(void)bh_time_format(t.cut_s * 1000, t.since);
	(void)bh_span_text(t.since_s, t.span);
	code = gather(cli, &t);
	if (code != BH_EXIT_OK)
		return code;
	ask = (struct bh_tighten_ask){
		.map = t.map,
		.ages = &t.ages,
		.usage = &t.usage,
		.pairs = json_object_get(t.pairs, "rows"),
		.packets = t.packets,
		.cut_s = t.cut_s,
		.since = is_short(&t) && t.usage.begins ? t.usage.begins : t.since,
	};
	r = bh_tighten_make(&ask, &t.found);
	if (r == 0 && !t.usage.begins)
		/* that nothing was seen says nothing of anything */
		t.found.n = 0;
	if (r == 0)
		r = try(cli, &t, &d);
	if (r < 0 && r != -ENOMEM && d.n)
		return bh_finish(cli, BH_EXIT_FAILED, NULL, &d);
	if (r == 0)
		r = note_all(&t);
	if (r < 0)
		return bh_fail(cli, BH_EXIT_FAILED, NULL, "%s", strerror(-r));
	return say(cli, &t);
}

static const struct bh_opt opts[] = {
	{"since", "TIME", "what was not used in the last TIME, as 12h or 30d (7d)",
	 BH_OPT_AT(since_s), BH_OPT_SPAN, 0},
};

const struct bh_command bh_cmd_tighten = {
	.name = "tighten",
	.args = "",
	.summary = "what of the live map nobody needed, as a diff",
	.text = "Proposes to remove allow rules that nobody used, and to narrow ports and prefixes to "
		"those that\nwere, by the history of `bulkhead pairs`: a unified diff of the live map's "
		"text, with why. Each is\ntried on the kernel's idle side: what was seen fares as before. "
		"That needs the right to change.\n\n"
		"  bulkhead get map > map.yaml; bulkhead tighten | patch map.yaml",
	.opts = opts,
	.n_opts = ARRAY_SIZE(opts),
	.run = run,
};
