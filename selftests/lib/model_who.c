/* SPDX-License-Identifier: Apache-2.0 */
/* model_who.c - whose socket, whose address: see model.h. */
#include "model.h"

#include <stdlib.h>
#include <string.h>

/* --- addresses --------------------------------------------------------------------------------------- */

bool md_addr_in(const struct md_cidr *c, const struct md_addr *a)
{
	int first = c->addr.v4 ? 96 : 0;

	if (c->addr.v4 != a->v4)
		return false;
	for (int bit = first; bit < first + c->len; bit++)
		if ((c->addr.b[bit / 8] ^ a->b[bit / 8]) & (0x80 >> bit % 8))
			return false;
	return true;
}

/* fe80::/10: the same address may stand on each of two links. */
bool md_addr_is_linklocal(const struct md_addr *a)
{
	return !a->v4 && a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
}

int md_addr_depth(const struct md_map *m, int seg, const struct md_addr *a)
{
	int deepest = -1;

	if (md_addr_is_linklocal(a))
		return -1;
	for (int i = 0; i < m->seg[seg].n_match; i++) {
		const struct md_match *match = &m->seg[seg].match[i];
		bool hole = false;

		for (int j = 0; j < match->except.n; j++)
			hole = hole || md_addr_in(&match->except.c[j], a);
		for (int j = 0; j < match->cidr.n && !hole; j++)
			if (md_addr_in(&match->cidr.c[j], a) && match->cidr.c[j].len > deepest)
				deepest = match->cidr.c[j].len;
	}
	return deepest;
}

struct md_end md_who_of_addr(const struct md_map *m, const struct md_addr *a, int otherwise)
{
	struct md_end e = {.seg = otherwise, .addr = a, .anchor = -1};
	int deepest = -1;

	for (int seg = 0; seg < m->n_seg; seg++) {
		int depth = md_addr_depth(m, seg, a);

		if (depth > deepest) {
			deepest = depth;
			e.seg = seg;
		}
	}
	return e;
}

struct md_end md_who_is(int seg)
{
	return (struct md_end){.seg = seg, .anchor = -1, .local = true};
}

/* --- cgroups ----------------------------------------------------------------------------------------- */

#define DEPTH_MAX 16

struct path {
	char text[512];
	char *name[DEPTH_MAX]; /* components */
	int n;
};

static void path_cut(const char *text, struct path *ret)
{
	char *save = NULL;

	ret->n = 0;
	strncpy(ret->text, text, sizeof(ret->text) - 1);
	for (char *s = strtok_r(ret->text, "/", &save); s; s = strtok_r(NULL, "/", &save))
		ret->name[ret->n++] = s;
}

static bool ends_with(const char *s, const char *end)
{
	size_t a = strlen(s), b = strlen(end);

	return a >= b && !strcmp(s + a - b, end);
}

static bool is_glob(const char *pattern)
{
	return strchr(pattern, '*') != NULL;
}

/* At most one star, which stands for anything within a component. */
static bool name_fits(const char *pattern, const char *name)
{
	const char *star = strchr(pattern, '*');
	size_t before = star ? (size_t)(star - pattern) : 0;

	if (!star)
		return !strcmp(pattern, name);
	return strlen(name) >= strlen(pattern) - 1 && !strncmp(pattern, name, before) &&
	       ends_with(name, star + 1);
}

/* Is component @at of @p a unit of the system manager called @pattern? */
static bool unit_fits(const char *pattern, const struct path *p, int at)
{
	for (int i = 0; i < at; i++)
		if (!ends_with(p->name[i], ".slice") || !strcmp(p->name[i], ".slice"))
			return false;
	return name_fits(pattern, p->name[at]);
}

/* Is the path down to component @at what @pattern says? -1 is the root, "/". */
static bool cgroup_fits(const char *pattern, const struct path *p, int at)
{
	static struct path want;

	path_cut(pattern, &want);
	if (want.n != at + 1)
		return false;
	for (int i = 0; i <= at; i++)
		if (!name_fits(want.name[i], p->name[i]))
			return false;
	return true;
}

/* --- users: those of the tests (policyrig.c) ------------------------------------------------------------ */

static const char *const users[] = {"alice", "bob", "carol"}; /* 1000, 1001, 1002 */

static bool user_fits(const char *word, uint32_t uid)
{
	for (uint32_t i = 0; i < 3; i++)
		if (!strcmp(word, users[i]))
			return uid == 1000 + i;
	return uid == strtoul(word, NULL, 10);
}

static bool group_has(const char *word, uint32_t uid)
{
	return uid >= 1000 && (!strcmp(word, "ops")   ? uid <= 1001
			       : !strcmp(word, "all") ? uid <= 1002
						      : false);
}

static bool match_has_user(const struct md_match *m, uint32_t uid)
{
	bool user = !m->user.n, group = !m->group.n;

	for (int i = 0; i < m->user.n; i++)
		user = user || user_fits(m->user.s[i], uid);
	for (int i = 0; i < m->group.n; i++)
		group = group || group_has(m->group.s[i], uid);
	return user && group;
}

/* --- whose cgroup ------------------------------------------------------------------------------------------ */

/*
 * How well a match fits component @at: 0 = not; an exact name more than a glob, then one that
 * names the user more than one that names nobody.
 */
static int match_weight(const struct md_match *m, const struct path *p, int at, uint32_t uid)
{
	bool for_users = m->user.n || m->group.n;
	int weight = 0;

	if (for_users && !match_has_user(m, uid))
		return 0;
	for (int i = 0; i < m->unit.n && at >= 0; i++)
		if (unit_fits(m->unit.s[i], p, at)) {
			int w = is_glob(m->unit.s[i]) ? 2 : 4;

			weight = w > weight ? w : weight;
		}
	for (int i = 0; i < m->cgroup.n; i++)
		if (cgroup_fits(m->cgroup.s[i], p, at)) {
			int w = is_glob(m->cgroup.s[i]) ? 2 : 4;

			weight = w > weight ? w : weight;
		}
	return weight ? weight + for_users : 0;
}

struct md_end md_who_of_cgroup(const struct md_map *m, const struct md_cgroup *cg, uint32_t uid)
{
	struct md_end e = {.seg = MD_UNASSIGNED, .cg = cg, .uid = uid, .anchor = -1, .local = true};
	static struct path p;

	path_cut(cg->path, &p);
	if (!p.n)
		return md_who_is(MD_HOST);
	for (int at = p.n - 1; at >= -1; at--) {
		int best = 0;

		if (cg->n_roots >= 0 && at >= cg->n_roots)
			continue;
		for (int seg = MD_RESERVED; seg < m->n_seg; seg++)
			for (int i = 0; i < m->seg[seg].n_match; i++) {
				int weight = match_weight(&m->seg[seg].match[i], &p, at, uid);

				if (weight > best) {
					best = weight;
					e.seg = seg;
					e.anchor = at + 1;
				}
			}
		if (best)
			return e;
	}
	return e;
}

bool md_cgroup_has_unit(const struct md_cgroup *cg, const char *unit)
{
	static struct path p;

	path_cut(cg->path, &p);
	for (int at = 0; at < p.n && (cg->n_roots < 0 || at < cg->n_roots); at++)
		if (unit_fits(unit, &p, at))
			return true;
	return false;
}
