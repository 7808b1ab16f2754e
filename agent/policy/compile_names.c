/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compile_names.c - units, cgroups and users of the map to the trees of names: what is claimed
 * where, by which segment, and who claims it twice.
 */
#include "compile_names.h"

/* --- claims ------------------------------------------------------------------------------------------ */

static void twice_error(struct bh_compiler *c, const struct bh_want *want, const struct bh_claim *a,
			const char *who)
{
	const struct bh_segment *segment = c->map->segment;

	bh_report_error(
		c->map, c->d, want->pos, "let one of them go",
		"%s'" BH_WORD "' is in segment '" BH_WORD "' and in '" BH_WORD "' (line %d)", who,
		want->name, segment[want->seg].name, segment[a->seg].name, a->pos.line);
}

/* @place shall mean what @want says, unless a stronger claim stands. */
static int claim(struct bh_names *n, const struct bh_wants *w, struct bh_place *place,
		 const struct bh_want *want, enum bh_claim_rank rank)
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

/*
 * A unit whose cgroup would look like a file of the cgroup filesystem gets a "_" in front:
 * memory.service is in _memory.service (systemd, src/basic/cgroup-util.c: cg_needs_escape).
 */
static bool unit_is_escaped(const char *unit, size_t len)
{
	static const char *const first[] = {"cgroup", "cpu",	"cpuacct", "cpuset",	 "io",
					    "blkio",  "memory", "devices", "pids",	 "hugetlb",
					    "rdma",   "misc",	"freezer", "perf_event", "net_cls"};

	if (unit[0] == '_' || unit[0] == '.')
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(first); i++) {
		size_t n = strlen(first[i]);

		if (len > n && !memcmp(unit, first[i], n) && unit[n] == '.')
			return true;
	}
	return false;
}

static int claim_unit(struct bh_names *n, const struct bh_wants *w, const struct bh_want *want,
		      const char *unit, size_t len, enum bh_claim_rank rank)
{
	char cgroup[BH_NAME_MAX + 16];
	struct bh_place *place;
	int r;

	if (len + 2 <= sizeof(cgroup) && unit_is_escaped(unit, len)) {
		len = (size_t)snprintf(cgroup, sizeof(cgroup), "_%.*s", (int)len, unit);
		unit = cgroup;
	}
	r = bh_place_child(n, &n->units, unit, len, &place);
	return r < 0 ? r : claim(n, w, place, want, rank);
}

static int claim_path(struct bh_names *n, const struct bh_wants *w, const struct bh_want *want)
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
static int claim_socket(struct bh_names *n, const struct bh_wants *w, const struct bh_want *want,
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
	const struct bh_want *x = a, *y = b;
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

static int claim_all(struct bh_names *n, struct bh_wants *w)
{
	size_t errors = n->c->d->n_errors;
	int r = 0;

	if (w->n)
		qsort(w->v, w->n, sizeof(*w->v), want_cmp);
	for (size_t i = 0; r == 0 && i < w->n; i++) {
		const struct bh_want *want = &w->v[i];

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
	return r == 0 ? bh_places_join(n) : r;
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
			struct bh_want want = {.name = p->label ? p->label : "/",
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

static struct bh_most most_of(const struct bh_compiler *c, const struct bh_wants *w, bool users,
			      __u64 *ret_total)
{
	_cleanup_free_ __u64 *n = calloc(c->map->n_segment + 1, sizeof(*n));
	struct bh_most most = {.word = "segment"};

	*ret_total = 0;
	for (size_t i = 0; n && i < w->n; i++) {
		const struct bh_want *want = &w->v[i];
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

/*
 * Before anything is made: what can't fit costs no memory. Names that paths share and users
 * that are named twice count once in the end, so this is generous.
 */
static int early_check(struct bh_compiler *c, const struct bh_wants *w)
{
	__u64 names, users;
	struct bh_most most = most_of(c, w, false, &names);
	struct bh_most most_users = most_of(c, w, true, &users);
	bool fits = true;

	if (users > 2ull * c->limits->users)
		fits &= bh_limit_check(c, "users of matches", users, c->limits->users, &most_users);
	if (names > 64ull * (c->limits->names + c->limits->globs))
		fits &= bh_limit_check(c, "unit and cgroup names", names, c->limits->names, &most);
	return fits ? 0 : -E2BIG;
}

static void names_clear(struct bh_names *n)
{
	bh_arena_clear(&n->arena);
}

static int make(struct bh_names *n, struct bh_wants *w)
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
	_cleanup_(bh_wants_clear) struct bh_wants w = {0};
	_cleanup_(names_clear) struct bh_names n = {.c = c};
	struct bh_most most, most_users;
	__u64 names, users;
	int r = bh_wants_gather(c, &w);

	if (r == 0)
		r = early_check(c, &w);
	if (r < 0)
		return r;
	n.max_places = 2 * ((size_t)c->limits->names + c->limits->globs);
	r = make(&n, &w);
	most = most_of(c, &w, false, &names);
	most_users = most_of(c, &w, true, &users);
	if (r == -E2BIG)
		(void)bh_limit_check(c, "unit and cgroup names", MAX(names, n.max_places + 1),
				     c->limits->names, &most);
	if (r < 0)
		return r;
	(void)bh_limit_check(c, "unit and cgroup names", c->out->names.n, c->limits->names, &most);
	(void)bh_limit_check(c, "globs", c->out->globs.n, c->limits->globs, &most);
	(void)bh_limit_check(c, "users of matches", c->out->users.n, c->limits->users, &most_users);
	return 0;
}
