/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compile_names.c - units, cgroups and users of the map to the trees of names: what is claimed
 * where, by which segment, and who claims it twice.
 */
#include "compile_names.h"

/* One name that the map mentions, and what it shall mean. */
struct want {
	const char *name;
	bool unit;
	bool bits_only; /* a failsafe's `unit` */
	bool has_users;
	size_t seg;
	size_t users; /* index in wants.users */
	__u32 bit;
	struct bh_pos pos;
};

struct wants {
	struct want *v;
	size_t n, room;
	struct bh_u32s *users; /* one per match that names users */
	size_t n_users, room_users;
};

static void wants_clear(struct wants *w)
{
	for (size_t i = 0; i < w->n_users; i++)
		bh_u32s_free(&w->users[i]);
	free(w->users);
	free(w->v);
}

/* --- what the map says ----------------------------------------------------------------------------- */

static int want_add(struct wants *w, const struct want *want)
{
	int r = bh_room_for_one(&w->v, &w->room, w->n, sizeof(*w->v));

	if (r == 0)
		w->v[w->n++] = *want;
	return r;
}

static int words_gather(struct wants *w, const struct bh_words *words, struct want want)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < words->n; i++) {
		want.name = words->v[i].s;
		want.pos = words->v[i].pos;
		r = want_add(w, &want);
	}
	return r;
}

static int match_gather(struct bh_compiler *c, struct wants *w, size_t seg,
			const struct bh_match *m)
{
	struct want want = {.seg = seg, .has_users = bh_match_has_users(m)};
	int r = 0;

	if (m->n_cidr)
		return 0;
	if (want.has_users) {
		want.users = w->n_users;
		r = bh_room_for_one(&w->users, &w->room_users, w->n_users, sizeof(*w->users));
		if (r < 0)
			return r;
		w->users[w->n_users++] = (struct bh_u32s){0};
		r = bh_match_users(c, m, &w->users[want.users]);
	}
	if (r == 0)
		r = words_gather(w, &m->cgroup, want);
	want.unit = true;
	return r == 0 ? words_gather(w, &m->unit, want) : r;
}

static int segments_gather(struct bh_compiler *c, struct wants *w)
{
	int r = 0;

	for (size_t i = 0; i < c->map->n_segment; i++)
		for (size_t j = 0; r == 0 && j < c->map->segment[i].n_match; j++)
			r = match_gather(c, w, i, &c->map->segment[i].match[j]);
	return r;
}

/* --- failsafe units: one bit per list of units that occurs ------------------------------------------- */

#define UNIT_LISTS_MAX 32

static int word_cmp(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The units of a failsafe, sorted, as one text. */
static char *units_text(const struct bh_words *unit)
{
	_cleanup_free_ const char **s = calloc(unit->n, sizeof(*s));
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	FILE *out = s ? open_memstream(&text, &len) : NULL;

	if (!out)
		return NULL;
	for (size_t i = 0; i < unit->n; i++)
		s[i] = unit->v[i].s;
	qsort(s, unit->n, sizeof(*s), word_cmp);
	for (size_t i = 0; i < unit->n; i++)
		if (!i || strcmp(s[i - 1], s[i]) != 0)
			fprintf(out, "%s/", s[i]);
	if (fclose(out))
		return NULL;
	return TAKE_PTR(text);
}

struct unit_list {
	char *text;
	size_t rule;
};

struct unit_lists {
	struct unit_list *v;
	size_t n, room;
};

static void unit_lists_clear(struct unit_lists *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i].text);
	free(l->v);
}

static int unit_list_cmp(const void *a, const void *b)
{
	const struct unit_list *x = a, *y = b;
	int r = strcmp(x->text, y->text);

	return r ? r : (x->rule > y->rule) - (x->rule < y->rule);
}

static int unit_lists_gather(struct bh_compiler *c, struct unit_lists *l)
{
	for (size_t i = 0; i < c->map->n_rule; i++) {
		if (!c->map->rule[i].unit.n)
			continue;
		int r = bh_room_for_one(&l->v, &l->room, l->n, sizeof(*l->v));

		if (r < 0)
			return r;
		l->v[l->n].text = units_text(&c->map->rule[i].unit);
		l->v[l->n].rule = i;
		if (!l->v[l->n++].text)
			return -ENOMEM;
	}
	if (l->n)
		qsort(l->v, l->n, sizeof(*l->v), unit_list_cmp);
	return 0;
}

static int failsafes_gather(struct bh_compiler *c, struct wants *w)
{
	_cleanup_(unit_lists_clear) struct unit_lists l = {0};
	__u32 bit = 0;
	int r = unit_lists_gather(c, &l);

	c->unit_bit = calloc(c->map->n_rule + 1, sizeof(*c->unit_bit));
	if (!c->unit_bit)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < l.n; i++) {
		const struct bh_rule_src *rule = &c->map->rule[l.v[i].rule];

		bit += i && strcmp(l.v[i - 1].text, l.v[i].text) != 0;
		if (bit == UNIT_LISTS_MAX) {
			bh_report_error(
				c->map, c->d, rule->unit.v[0].pos,
				"leave `unit` out of some, or name the same units in several",
				"failsafes name more than %d different units or lists of "
				"units",
				UNIT_LISTS_MAX);
			return -EINVAL;
		}
		c->unit_bit[l.v[i].rule] = (__u8)bit;
		r = words_gather(w, &rule->unit,
				 (struct want){.unit = true, .bits_only = true, .bit = 1u << bit});
	}
	return r;
}

/* --- claims ------------------------------------------------------------------------------------------ */

static void twice_error(struct bh_compiler *c, const struct want *want, const struct bh_claim *a,
			const char *who)
{
	const struct bh_segment *segment = c->map->segment;

	bh_report_error(
		c->map, c->d, want->pos, "let one of them go",
		"%s'" BH_WORD "' is in segment '" BH_WORD "' and in '" BH_WORD "' (line %d)", who,
		want->name, segment[want->seg].name, segment[a->seg].name, a->pos.line);
}

/* @place shall mean what @want says, unless a stronger claim stands. */
static int claim(struct bh_names *n, const struct wants *w, struct bh_place *place,
		 const struct want *want, enum bh_claim_rank rank)
{
	struct bh_claim claim = {.seg = want->seg, .pos = want->pos};

	if (!place->pos.line)
		place->pos = want->pos;
	place->unit_bits |= want->bit;
	if (want->bits_only || place->rank > rank)
		return 0;
	place->rank = rank;
	if (!want->has_users) {
		if (place->has_seg && place->seg.seg != want->seg)
			twice_error(n->c, want, &place->seg, "");
		place->has_seg = true;
		place->seg = claim;
		return 0;
	}
	for (size_t i = 0; i < w->users[want->users].n; i++) {
		int r;

		claim.uid = w->users[want->users].v[i];
		r = bh_place_add_user(n, place, &claim);
		if (r < 0)
			return r;
	}
	return 0;
}

static int claim_unit(struct bh_names *n, const struct wants *w, const struct want *want,
		      const char *unit, size_t len, enum bh_claim_rank rank)
{
	struct bh_place *place;
	int r = bh_place_child(n, &n->units, unit, len, &place);

	return r < 0 ? r : claim(n, w, place, want, rank);
}

static int claim_path(struct bh_names *n, const struct wants *w, const struct want *want)
{
	struct bh_place *place = &n->paths;

	for (const char *s = want->name + strspn(want->name, "/"); *s; s += strspn(s, "/")) {
		size_t len = strcspn(s, "/");
		int r = bh_place_child(n, place, s, len, &place);

		if (r < 0)
			return r;
		s += len;
	}
	return claim(n, w, place, want, BH_CLAIM_NAMED);
}

/* Length of @name without its type if it is a service, else 0. */
static size_t service_stem(const char *name)
{
	static const char type[] = ".service";
	size_t len = strlen(name);

	return len >= sizeof(type) && !strcmp(name + len - sizeof(type) + 1, type)
		       ? len - sizeof(type) + 1
		       : 0;
}

/*
 * foo.socket is of foo.service's segment: the connections it accepts are handed to it. With
 * Accept=yes they are handed to instances of foo@.service (systemd.socket(5)).
 */
static int claim_socket(struct bh_names *n, const struct wants *w, const struct want *want,
			enum bh_claim_rank rank)
{
	size_t stem = service_stem(want->name);
	char socket[BH_NAME_MAX + sizeof(".socket")];

	if (!want->unit || !stem || stem >= BH_NAME_MAX)
		return 0;
	if (rank == BH_CLAIM_TEMPLATE) {
		/* "foo@.service" and "foo@*.service", both */
		stem -= want->name[stem - 1] == '*' ? 1 : 0;
		if (stem < 2 || want->name[stem - 1] != '@' || memchr(want->name, '*', stem))
			return 0;
		stem--;
	}
	(void)snprintf(socket, sizeof(socket), "%.*s.socket", (int)stem, want->name);
	return claim_unit(n, w, want, socket, strlen(socket), rank);
}

static int want_cmp(const void *a, const void *b)
{
	const struct want *x = a, *y = b;
	int r = strcmp(x->name, y->name);

	if (x->unit != y->unit)
		return x->unit ? -1 : 1;
	if (r)
		return r;
	/* what is told as "the first" and as "the second" */
	if (x->pos.line != y->pos.line)
		return x->pos.line < y->pos.line ? -1 : 1;
	return (x->seg > y->seg) - (x->seg < y->seg);
}

static int claim_all(struct bh_names *n, struct wants *w)
{
	size_t errors = n->c->d->n_errors;
	int r = 0;

	if (w->n)
		qsort(w->v, w->n, sizeof(*w->v), want_cmp);
	for (size_t i = 0; r == 0 && i < w->n; i++) {
		const struct want *want = &w->v[i];

		if (want->unit)
			r = claim_unit(n, w, want, want->name, strlen(want->name), BH_CLAIM_NAMED);
		else
			r = claim_path(n, w, want);
	}
	/* a name that is taken twice is said once, not again for its socket */
	if (r == 0 && n->c->d->n_errors > errors)
		return -EINVAL;
	for (enum bh_claim_rank rank = BH_CLAIM_SERVICE; rank >= BH_CLAIM_TEMPLATE; rank--)
		for (size_t i = 0; r == 0 && i < w->n; i++)
			r = claim_socket(n, w, &w->v[i], rank);
	return r;
}

/* --- users claimed twice ------------------------------------------------------------------------------ */

static int user_cmp(const void *a, const void *b)
{
	const struct bh_claim *x = a, *y = b;

	if (x->uid != y->uid)
		return x->uid < y->uid ? -1 : 1;
	if (x->pos.line != y->pos.line)
		return x->pos.line < y->pos.line ? -1 : 1;
	return (x->seg > y->seg) - (x->seg < y->seg);
}

/* Sorts the users of each place, each once; who is in two segments is an error. */
static void users_settle(struct bh_compiler *c, struct bh_place *p)
{
	size_t to = 0;

	if (p->n_user)
		qsort(p->user, p->n_user, sizeof(*p->user), user_cmp);
	for (size_t i = 0; i < p->n_user; i++) {
		const struct bh_claim *claim = &p->user[i];
		char who[48];

		if (!to || p->user[to - 1].uid != claim->uid) {
			p->user[to++] = *claim;
		} else if (p->user[to - 1].seg != claim->seg) {
			struct want want = {.name = p->label ? p->label : "/",
					    .seg = claim->seg,
					    .pos = claim->pos};

			(void)snprintf(who, sizeof(who), "the user with uid %u at ", claim->uid);
			twice_error(c, &want, &p->user[to - 1], who);
		}
	}
	p->n_user = to;
	for (size_t i = 0; i < p->n_child; i++)
		users_settle(c, p->child[i]);
}

/* --- the step ------------------------------------------------------------------------------------------ */

static struct bh_most most_of(const struct bh_compiler *c, const struct wants *w, bool users,
			      __u64 *ret_total)
{
	_cleanup_free_ __u64 *n = calloc(c->map->n_segment + 1, sizeof(*n));
	struct bh_most most = {.word = "segment"};

	*ret_total = 0;
	for (size_t i = 0; n && i < w->n; i++) {
		const struct want *want = &w->v[i];
		__u64 mine = 1;

		if (users)
			mine = want->has_users ? w->users[want->users].n : 0;
		else if (!want->unit)
			for (const char *s = want->name + 1; *s; s++)
				mine += *s == '/';
		*ret_total += mine;
		if (!want->bits_only)
			n[want->seg] += mine;
	}
	for (size_t i = 0; n && i < c->map->n_segment; i++) {
		const struct bh_segment *s = &c->map->segment[i];

		bh_most_note(&most, &(struct bh_most){"segment", s->name, s->pos, n[i]});
	}
	return most;
}

/* Before anything is made: names and users that can't fit cost no memory. */
static int early_check(struct bh_compiler *c, const struct wants *w)
{
	__u64 names, users;
	struct bh_most most = most_of(c, w, false, &names);
	struct bh_most most_users = most_of(c, w, true, &users);

	/* components that paths share count once, but there are not more of them than that */
	bh_limit_check(c, "users of matches", users, c->limits->users, &most_users);
	if (names > 64ull * (c->limits->names + c->limits->globs))
		bh_limit_check(c, "unit and cgroup names", names, c->limits->names, &most);
	return c->too_big ? -E2BIG : 0;
}

static void names_clear(struct bh_names *n)
{
	bh_arena_clear(&n->arena);
}

static int make(struct bh_names *n, struct wants *w)
{
	struct bh_compiler *c = n->c;
	size_t errors = c->d->n_errors;
	int r = claim_all(n, w);

	if (r < 0)
		return r;
	users_settle(c, &n->units);
	users_settle(c, &n->paths);
	if (c->d->n_errors > errors)
		return -EINVAL;
	r = bh_places_unfold(n);
	if (r == 0)
		r = bh_places_check(n);
	return r == 0 ? bh_names_emit(n) : r;
}

int bh_compile_names(struct bh_compiler *c)
{
	_cleanup_(wants_clear) struct wants w = {0};
	_cleanup_(names_clear) struct bh_names n = {.c = c};
	struct bh_most most, most_users;
	__u64 names, users;
	int r = segments_gather(c, &w);

	if (r == 0)
		r = failsafes_gather(c, &w);
	if (r == 0)
		r = early_check(c, &w);
	if (r < 0)
		return r;
	n.max_places = 2 * ((size_t)c->limits->names + c->limits->globs);
	r = make(&n, &w);
	most = most_of(c, &w, false, &names);
	most_users = most_of(c, &w, true, &users);
	if (r == -E2BIG)
		bh_limit_check(c, "unit and cgroup names", MAX(names, n.max_places + 1),
			       c->limits->names, &most);
	if (r < 0)
		return r;
	bh_limit_check(c, "unit and cgroup names", c->out->names.n, c->limits->names, &most);
	bh_limit_check(c, "globs", c->out->globs.n, c->limits->globs, &most);
	bh_limit_check(c, "users of matches", c->out->users.n, c->limits->users, &most_users);
	return 0;
}
