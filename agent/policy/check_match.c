/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_match.c - no cgroup may belong to two segments: names that tie, globs that overlap.
 * Which user is in which group only a host knows; the compiler looks at that. Called by
 * check.c.
 */
#include <errno.h>
#include <string.h>
#include "internal.h"

/* Looked at in pairs, so there is an end to it; the kernel's table has less room. */
#define MAX_GLOBS 4096
/* Users to compare at cgroups that several segments name. */
#define MAX_USERS_COMPARED 2000000

/* One name of one match. */
struct point {
	const char *name; /* a unit, or a path */
	bool unit;
	size_t seg;
	const struct bh_match *match;
	struct bh_pos pos;
};

struct points {
	struct point *v;
	size_t n;
};

static int pos_cmp(struct bh_pos a, struct bh_pos b)
{
	if (a.line != b.line)
		return a.line < b.line ? -1 : 1;
	return (a.col > b.col) - (a.col < b.col);
}

static int point_cmp(const void *a, const void *b)
{
	const struct point *x = a, *y = b;
	int r;

	if (x->unit != y->unit)
		return x->unit ? -1 : 1;
	r = strcmp(x->name, y->name);
	return r ? r : pos_cmp(x->pos, y->pos);
}

static size_t count_names(const struct bh_map *map)
{
	size_t n = 0;

	for (size_t i = 0; i < map->n_segment; i++)
		for (size_t j = 0; j < map->segment[i].n_match; j++)
			n += map->segment[i].match[j].unit.n + map->segment[i].match[j].cgroup.n;
	return n;
}

static void add_points(struct points *p, const struct bh_map *map, bool unit)
{
	for (size_t i = 0; i < map->n_segment; i++)
		for (size_t j = 0; j < map->segment[i].n_match; j++) {
			const struct bh_match *m = &map->segment[i].match[j];
			const struct bh_words *words = unit ? &m->unit : &m->cgroup;

			for (size_t k = 0; k < words->n; k++)
				p->v[p->n++] =
					(struct point){words->v[k].s, unit, i, m, words->v[k].pos};
		}
}

static bool ends_with(const char *s, size_t len, const char *end)
{
	size_t n = strlen(end);

	return len > n && !memcmp(s + len - n, end, n);
}

/* The unit whose cgroup stands at @path, slices above it; NULL if it can be none. */
static const char *unit_at(const char *path)
{
	const char *s = path + 1, *slash;

	for (; (slash = strchr(s, '/')); s = slash + 1)
		if (!ends_with(s, (size_t)(slash - s), ".slice"))
			return NULL;
	return *s ? s : NULL;
}

/* A path to a unit that is matched by its name, too, is the same place. */
static void name_alike(struct points *p, size_t n_units)
{
	for (size_t i = n_units; i < p->n; i++) {
		const char *unit = unit_at(p->v[i].name);
		size_t lo = 0, hi = n_units;

		while (unit && lo < hi) {
			size_t mid = lo + (hi - lo) / 2;
			int r = strcmp(unit, p->v[mid].name);

			if (!r) {
				p->v[i].name = unit;
				p->v[i].unit = true;
				break;
			}
			if (r < 0)
				hi = mid;
			else
				lo = mid + 1;
		}
	}
}

static int points_make(struct points *p, const struct bh_map *map)
{
	size_t n_units;

	p->v = calloc(count_names(map) + 1, sizeof(*p->v));
	if (!p->v)
		return -ENOMEM;
	add_points(p, map, true);
	n_units = p->n;
	qsort(p->v, n_units, sizeof(*p->v), point_cmp);
	add_points(p, map, false);
	name_alike(p, n_units);
	qsort(p->v, p->n, sizeof(*p->v), point_cmp);
	return 0;
}

/* --- ties ----------------------------------------------------------------------------------- */

static void say_tie(const struct bh_map *map, const struct point *a, const struct point *b,
		    const char *user, struct bh_diags *d)
{
	const char *one = map->segment[a->seg].name, *other = map->segment[b->seg].name;
	char help[BH_HELP_MAX];

	bh_help(help, "'%s' has it in line %d; keep one of the two%s", one, a->pos.line,
		user ? "" : ", or let one name a `user`: it wins over a match without");
	if (user)
		bh_report_error(map, d, b->pos, help,
				"user '" BH_WORD "' at '" BH_WORD
				"' is matched by segments '%s' and '%s'",
				user, b->name, one, other);
	else
		bh_report_error(map, d, b->pos, help,
				"'" BH_WORD "' is matched by segments '%s' and '%s'", b->name, one,
				other);
}

struct user_at {
	const char *name;
	bool group;
	const struct point *point;
};

static int user_cmp(const void *a, const void *b)
{
	const struct user_at *x = a, *y = b;
	int r;

	if (x->group != y->group)
		return x->group ? 1 : -1;
	r = strcmp(x->name, y->name);
	return r ? r : pos_cmp(x->point->pos, y->point->pos);
}

struct ties {
	const struct bh_map *map;
	struct bh_diags *d;
	size_t budget;
	bool gave_up; /* and said so */
};

static bool has_users(const struct point *p)
{
	return p->match->user.n || p->match->group.n;
}

/* Matches of one name that name users: one user must not be in two segments. */
static int check_users(struct ties *t, const struct point *p, size_t n)
{
	_cleanup_free_ struct user_at *list = NULL;
	size_t total = 0, at = 0;

	for (size_t i = 0; i < n; i++)
		total += p[i].match->user.n + p[i].match->group.n;
	if (total > t->budget) {
		bh_report_error(t->map, t->d, p[0].pos, "match groups instead of users",
				"too many users at cgroups that several matches name");
		t->gave_up = true;
		return 0;
	}
	t->budget -= total;
	list = calloc(total + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const struct bh_match *m = p[i].match;

		for (size_t k = 0; k < m->user.n; k++)
			list[at++] = (struct user_at){m->user.v[k].s, false, &p[i]};
		for (size_t k = 0; k < m->group.n; k++)
			list[at++] = (struct user_at){m->group.v[k].s, true, &p[i]};
	}
	qsort(list, total, sizeof(*list), user_cmp);
	for (size_t i = 1; i < total; i++)
		if (list[i].group == list[i - 1].group && !strcmp(list[i].name, list[i - 1].name) &&
		    list[i].point->seg != list[i - 1].point->seg)
			say_tie(t->map, list[i - 1].point, list[i].point, list[i].name, t->d);
	return 0;
}

/* All matches of one name. */
static int check_group(struct ties *t, const struct point *p, size_t n)
{
	const struct point *plain = NULL;
	bool users_differ = false;
	size_t users_seg = SIZE_MAX;

	for (size_t i = 0; i < n; i++) {
		if (has_users(&p[i])) {
			users_differ |= users_seg != SIZE_MAX && users_seg != p[i].seg;
			users_seg = p[i].seg;
		} else if (!plain) {
			plain = &p[i];
		} else if (plain->seg != p[i].seg) {
			say_tie(t->map, plain, &p[i], NULL, t->d);
		}
	}
	return users_differ && !t->gave_up ? check_users(t, p, n) : 0;
}

int bh_check_names(const struct bh_map *map, struct bh_diags *d)
{
	_cleanup_free_ struct point *v = NULL;
	struct ties t = {.map = map, .d = d, .budget = MAX_USERS_COMPARED};
	struct points points = {0};
	int r = points_make(&points, map);

	v = points.v;
	for (size_t i = 0, j; !r && i < points.n; i = j) {
		for (j = i + 1;
		     j < points.n && v[j].unit == v[i].unit && !strcmp(v[j].name, v[i].name); j++)
			;
		r = check_group(&t, v + i, j - i);
	}
	return r;
}

/* --- globs ---------------------------------------------------------------------------------- */

/* The component with the '*' of a unit or a path. */
struct glob {
	const struct bh_word *word;
	size_t seg;
	const char *parent; /* of @n_parent bytes; "" for units */
	size_t n_parent;
	const char *prefix, *suffix;
	size_t n_prefix, n_suffix;
	bool units; /* may stand where units are */
};

static struct glob glob_of(const struct bh_word *word, size_t seg, bool unit)
{
	const char *star = strchr(word->s, '*'), *from = star;
	struct glob g = {.word = word, .seg = seg, .parent = word->s};

	while (from > word->s && from[-1] != '/')
		from--;
	g.n_parent = unit ? 0 : (size_t)(from - word->s);
	g.prefix = from;
	g.n_prefix = (size_t)(star - from);
	g.suffix = star + 1;
	g.n_suffix = strcspn(star + 1, "/");
	g.units = unit || (!g.suffix[g.n_suffix] && unit_at(word->s));
	return g;
}

static int bytes_cmp(const char *a, size_t na, const char *b, size_t nb)
{
	int r = memcmp(a, b, MIN(na, nb));

	return r ? r : (na > nb) - (na < nb);
}

static int glob_cmp(const void *a, const void *b)
{
	const struct glob *x = a, *y = b;
	int r = bytes_cmp(x->prefix, x->n_prefix, y->prefix, y->n_prefix);

	return r ? r : pos_cmp(x->word->pos, y->word->pos);
}

static bool same_place(const struct glob *a, const struct glob *b)
{
	/* A unit stands in any slice, so its globs meet those of paths to units. */
	if (!a->n_parent != !b->n_parent)
		return a->units && b->units;
	return !bytes_cmp(a->parent, a->n_parent, b->parent, b->n_parent);
}

/* Whether some name fits both; a's prefix begins b's. */
static bool overlap(const struct glob *a, const struct glob *b)
{
	size_t n = MIN(a->n_suffix, b->n_suffix);

	return same_place(a, b) &&
	       !memcmp(a->suffix + a->n_suffix - n, b->suffix + b->n_suffix - n, n);
}

static bool is_same(const struct glob *a, const struct glob *b)
{
	return a->n_prefix == b->n_prefix && a->n_suffix == b->n_suffix;
}

static void check_pair(const struct bh_map *map, const struct glob *a, const struct glob *b,
		       struct bh_diags *d)
{
	char help[BH_HELP_MAX];

	/* The same glob twice is one entry; bh_check_names() knows whether that is a tie. */
	if (!overlap(a, b) || is_same(a, b))
		return;
	if (pos_cmp(a->word->pos, b->word->pos) > 0) {
		const struct glob *other = a;

		a = b;
		b = other;
	}
	bh_help(help, "'" BH_WORD "' is in line %d (segment '%s'); make them fit different names",
		a->word->s, a->word->pos.line, map->segment[a->seg].name);
	bh_report_error(map, d, b->word->pos, help, "globs '" BH_WORD "' and '" BH_WORD "' overlap",
			a->word->s, b->word->s);
}

struct globs {
	struct glob *v;
	size_t n;
};

static void add_globs(struct globs *g, const struct bh_words *words, size_t seg, bool unit)
{
	for (size_t i = 0; i < words->n; i++)
		if (strchr(words->v[i].s, '*'))
			g->v[g->n++] = glob_of(&words->v[i], seg, unit);
}

int bh_check_globs(const struct bh_map *map, struct bh_diags *d)
{
	_cleanup_free_ struct glob *v = calloc(count_names(map) + 1, sizeof(*v));
	struct globs g = {.v = v};

	if (!v)
		return -ENOMEM;
	for (size_t i = 0; i < map->n_segment; i++)
		for (size_t j = 0; j < map->segment[i].n_match; j++) {
			add_globs(&g, &map->segment[i].match[j].unit, i, true);
			add_globs(&g, &map->segment[i].match[j].cgroup, i, false);
		}
	if (g.n > MAX_GLOBS) {
		bh_report_error(map, d, v[MAX_GLOBS].word->pos, "match slices instead",
				"%zu names with '*'; at most %d are allowed", g.n, MAX_GLOBS);
		return 0;
	}
	qsort(v, g.n, sizeof(*v), glob_cmp);
	for (size_t i = 0; i < g.n && !bh_diags_full(d); i++)
		for (size_t j = i + 1; j < g.n && v[j].n_prefix >= v[i].n_prefix &&
				       !memcmp(v[i].prefix, v[j].prefix, v[i].n_prefix);
		     j++)
			check_pair(map, &v[i], &v[j], d);
	return 0;
}
