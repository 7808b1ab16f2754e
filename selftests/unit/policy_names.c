/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy_names.c - which segment a cgroup and a user are in: cases by hand, and random maps
 * against a second opinion that matches whole patterns instead of walking a tree.
 */
#include "policydraft.h"
#include "policyrig.h"

#include <errno.h>
#include <string.h>

#define ALICE 1000
#define BOB   1001
#define CAROL 1002

static const char *segment_name(const struct pol *r, __u32 id)
{
	for (size_t i = 0; i < r->out->n_identity; i++)
		if (r->out->identity[i] == id)
			return r->map->segment[i].name;
	return "-";
}

static void expect(const struct pol *r, const char *path, __u32 uid, const char *want)
{
	const char *got = segment_name(r, pol_whois(r->out, path, uid).seg);

	if (strcmp(got, want) != 0)
		fail_msg("%s for %u is in %s, expected %s", path, uid, got, want);
}

/* --- cases --------------------------------------------------------------------------------------- */

static void test_units_and_paths(void **state)
{
	_cleanup_pol_ struct pol r =
		pol_made("segments:\n"
			 "  web: { match: { unit: nginx.service } }\n"
			 "  pg: { match: { cgroup: /system.slice/pg.service } }\n"
			 "  deep: { match: { cgroup: /system.slice/pg.service/worker } }\n"
			 "  sys: { match: { cgroup: /system.slice } }\n"
			 "  api: { match: { unit: \"api@*.service\" } }\n");

	(void)state;
	expect(&r, "/system.slice/nginx.service", 0, "web");
	expect(&r, "/custom.slice/custom-a.slice/nginx.service", 0, "web");
	/* only a unit of the system manager: slices all the way up */
	expect(&r, "/user.slice/user@1.service/nginx.service", 0, "-");
	expect(&r, "/system.slice/docker.service/nginx.service", 0, "sys");
	expect(&r, "/system.slice/pg.service", 0, "pg");
	expect(&r, "/other.slice/pg.service", 0, "-");
	expect(&r, "/system.slice/pg.service/worker", 0, "deep");
	expect(&r, "/system.slice/pg.service/worker/more", 0, "deep");
	expect(&r, "/system.slice/pg.service/other", 0, "pg");
	expect(&r, "/system.slice", 0, "sys");
	expect(&r, "/system.slice/x.service/y", 0, "sys");
	expect(&r, "/system.slice/api@1.service", 0, "api");
	expect(&r, "/system.slice/api@.service", 0, "api");
	expect(&r, "/system.slice/api@1.servic", 0, "sys");
	expect(&r, "/system.slice/xapi@1.service", 0, "sys");
	expect(&r, "/", 0, "-");
}

static void test_root(void **state)
{
	_cleanup_pol_ struct pol r = pol_made("segments:\n"
					      "  all: { match: { cgroup: / } }\n"
					      "  ann: { match: { user: alice } }\n"
					      "  web: { match: { unit: nginx.service } }\n");

	(void)state;
	expect(&r, "/x", 0, "all");
	expect(&r, "/x", ALICE, "ann");
	expect(&r, "/a.slice/nginx.service", ALICE, "web");
	expect(&r, "/a.slice/other.service", ALICE, "ann");
}

static void test_sockets(void **state)
{
	_cleanup_pol_ struct pol r =
		pol_made("segments:\n"
			 "  a: { match: { unit: a.service } }\n"
			 "  b: { match: { unit: b.service } }\n"
			 "  own: { match: { unit: b.socket } }\n"
			 "  ssh: { match: { unit: \"ssh@*.service\" } }\n"
			 "  t: { match: { unit: t@.service } }\n"
			 "  g: { match: { unit: \"g*.service\" } }\n"
			 "  path: { match: { cgroup: /system.slice/p.service } }\n");

	(void)state;
	expect(&r, "/system.slice/a.socket", 0, "a");
	expect(&r, "/system.slice/b.socket", 0, "own");
	/* Accept=yes: instances of ssh@.service take the connections */
	expect(&r, "/system.slice/ssh.socket", 0, "ssh");
	expect(&r, "/system.slice/ssh@x.socket", 0, "ssh");
	expect(&r, "/system.slice/t.socket", 0, "t");
	expect(&r, "/system.slice/gg.socket", 0, "g");
	expect(&r, "/system.slice/p.socket", 0, "-");
	expect(&r, "/system.slice/.socket", 0, "-");
}

/* systemd puts a "_" in front of what would look like a file of the cgroup filesystem. */
static void test_escaped_units(void **state)
{
	_cleanup_pol_ struct pol r = pol_made("segments:\n"
					      "  m: { match: { unit: memory.service } }\n"
					      "  u: { match: { unit: _x.service } }\n"
					      "  hog: { match: { unit: memoryhog.service } }\n");

	(void)state;
	expect(&r, "/system.slice/_memory.service", 0, "m");
	expect(&r, "/system.slice/_memory.socket", 0, "m");
	expect(&r, "/system.slice/memory.service", 0, "-");
	expect(&r, "/system.slice/__x.service", 0, "u");
	expect(&r, "/system.slice/memoryhog.service", 0, "hog");
}

static void test_service_before_template(void **state)
{
	_cleanup_pol_ struct pol r = pol_made("segments:\n"
					      "  each: { match: { unit: \"foo@*.service\" } }\n"
					      "  one: { match: { unit: foo.service } }\n");

	(void)state;
	expect(&r, "/system.slice/foo.socket", 0, "one");
	expect(&r, "/system.slice/foo@1.service", 0, "each");
}

static void test_exact_beats_glob(void **state)
{
	_cleanup_pol_ struct pol r =
		pol_made("segments:\n"
			 "  glob: { match: { unit: \"a*.service\" } }\n"
			 "  exact: { match: { unit: ab.service } }\n"
			 "  some: { match: { unit: ac.service, user: alice } }\n"
			 "  pathglob: { match: { cgroup: \"/system.slice/x*\" } }\n"
			 "  unit: { match: { unit: xy.service } }\n");

	(void)state;
	expect(&r, "/system.slice/aa.service", 0, "glob");
	expect(&r, "/system.slice/ab.service", 0, "exact");
	/* who is not meant by the exact match falls to the glob */
	expect(&r, "/system.slice/ac.service", ALICE, "some");
	expect(&r, "/system.slice/ac.service", BOB, "glob");
	expect(&r, "/system.slice/xz.service", 0, "pathglob");
	expect(&r, "/system.slice/xy.service", 0, "unit");
}

static void test_globs_that_begin_alike(void **state)
{
	_cleanup_pol_ struct pol r = pol_made("segments:\n"
					      "  short: { match: { cgroup: \"/a*c\" } }\n"
					      "  long: { match: { cgroup: \"/ab*x\" } }\n"
					      "  other: { match: { cgroup: \"/ab*y\" } }\n");

	(void)state;
	expect(&r, "/abx", 0, "long");
	expect(&r, "/aby", 0, "other");
	/* the longest prefix does not fit, a shorter one does */
	expect(&r, "/abc", 0, "short");
	expect(&r, "/ac", 0, "short");
	expect(&r, "/a", 0, "-");
	expect(&r, "/ab", 0, "-");
}

static void test_globs_inside_paths(void **state)
{
	_cleanup_pol_ struct pol r = pol_made(
		"segments:\n"
		"  each: { match: { cgroup: \"/user.slice/user-*.slice/s.scope\" } }\n"
		"  mine: { match: { cgroup: /user.slice/user-1.slice/t.scope } }\n"
		"  same: { match: { cgroup: /user.slice/user-2.slice/s.scope } }\n"
		"  some: { match: { cgroup: /user.slice/user-3.slice/s.scope, user: alice } }\n"
		"  four: { match: { cgroup: /user.slice/user-4.slice } }\n");

	(void)state;
	expect(&r, "/user.slice/user-9.slice/s.scope", 0, "each");
	/* that the map names user-1.slice must not hide what holds for every user */
	expect(&r, "/user.slice/user-1.slice/s.scope", 0, "each");
	expect(&r, "/user.slice/user-1.slice/t.scope", 0, "mine");
	expect(&r, "/user.slice/user-9.slice/t.scope", 0, "-");
	expect(&r, "/user.slice/user-2.slice/s.scope", 0, "same");
	expect(&r, "/user.slice/user-3.slice/s.scope", ALICE, "some");
	expect(&r, "/user.slice/user-3.slice/s.scope", BOB, "each");
	expect(&r, "/user.slice/user-4.slice/s.scope", 0, "each");
	expect(&r, "/user.slice/user-4.slice/x", 0, "four");
}

static void test_users(void **state)
{
	_cleanup_pol_ struct pol r =
		pol_made("segments:\n"
			 "  people: { match: { cgroup: /user.slice } }\n"
			 "  ops: { match: { cgroup: /user.slice, group: ops } }\n"
			 "  num: { match: { cgroup: /user.slice, user: [7, \"8\"] } }\n"
			 "  both: { match: { cgroup: /both, user: [alice, carol], group: ops } }\n"
			 "  nobody: { match: { cgroup: /nobody, user: mallory } }\n"
			 "  empty: { match: { cgroup: /empty, group: empty } }\n"
			 "  inner: { match: { cgroup: /user.slice/inner } }\n"
			 "  inner-bob: { match: { cgroup: /user.slice/inner/bob, user: bob } }\n");

	(void)state;
	expect(&r, "/user.slice", 0, "people");
	expect(&r, "/user.slice/x", ALICE, "ops");
	expect(&r, "/user.slice/x", CAROL, "people");
	expect(&r, "/user.slice/x", 7, "num");
	expect(&r, "/user.slice/x", 8, "num");
	/* keys of one match must all hold */
	expect(&r, "/both", ALICE, "both");
	expect(&r, "/both", BOB, "-");
	expect(&r, "/both", CAROL, "-");
	/* whom nobody knows is nobody, and not everybody */
	expect(&r, "/nobody", ALICE, "-");
	expect(&r, "/nobody", 0, "-");
	expect(&r, "/empty", 0, "-");
	assert_true(pol_has_said(&r, "no user 'mallory' on this host"));
	/* deeper without a user beats one with a user further up */
	expect(&r, "/user.slice/inner", ALICE, "inner");
	expect(&r, "/user.slice/inner/bob", ALICE, "inner");
	expect(&r, "/user.slice/inner/bob", BOB, "inner-bob");
}

static void test_failsafe_units(void **state)
{
	_cleanup_pol_ struct pol r = pol_made(
		"segments:\n  ssh: { match: { unit: ssh.service } }\n"
		"  many: { match: { unit: \"m@*.service\" } }\n"
		"  end: { match: { unit: \"n*x.service\" } }\n"
		"failsafe:\n"
		"  - { from: { cidr: [192.0.2.1/32] }, port: tcp/22, unit: ssh.service }\n"
		"  - { from: { cidr: [192.0.2.1/32] }, port: tcp/23, unit: [ssh.service, b.service] }\n"
		"  - { from: { cidr: [192.0.2.1/32] }, port: tcp/24, unit: [b.service, ssh.service] }\n"
		"  - { from: { cidr: [192.0.2.1/32] }, port: tcp/25, unit: \"m*.service\" }\n"
		"  - { from: { cidr: [192.0.2.1/32] }, port: tcp/26, unit: \"n*.service\" }\n");
	__u32 ssh = pol_whois(r.out, "/system.slice/ssh.service", 0).unit_bits;
	__u32 b = pol_whois(r.out, "/system.slice/b.service", 0).unit_bits;
	__u32 glob = pol_whois(r.out, "/system.slice/mm.service", 0).unit_bits;

	(void)state;
	assert_int_equal(__builtin_popcount(ssh), 2);
	assert_int_equal(__builtin_popcount(b), 1);
	assert_int_equal(ssh & b, b);
	assert_int_equal(__builtin_popcount(glob), 1);
	assert_int_equal(glob & ssh, 0);
	assert_int_equal(pol_whois(r.out, "/system.slice/ssh.service/x", 0).unit_bits, ssh);
	assert_int_equal(pol_whois(r.out, "/system.slice/ssh.socket", 0).unit_bits, ssh);
	assert_int_equal(pol_whois(r.out, "/system.slice/x.service/ssh.service", 0).unit_bits, 0);
	/* a flag, not a segment */
	expect(&r, "/system.slice/b.service", 0, "-");
	/* a glob that fits better carries what the wider one says */
	assert_int_equal(pol_whois(r.out, "/system.slice/m@1.service", 0).unit_bits, glob);
	expect(&r, "/system.slice/m@1.service", 0, "many");
	expect(&r, "/system.slice/nx.service", 0, "end");
	expect(&r, "/system.slice/ny.service", 0, "-");
	assert_int_equal(pol_whois(r.out, "/system.slice/nx.service", 0).unit_bits,
			 pol_whois(r.out, "/system.slice/ny.service", 0).unit_bits);
	assert_int_not_equal(pol_whois(r.out, "/system.slice/ny.service", 0).unit_bits, 0);
}

/* --- what is refused ------------------------------------------------------------------------------- */

static void refused(const char *body, const char *part)
{
	_cleanup_pol_ struct pol r;

	assert_int_equal(pol_try(body, &bh_limits_default, &r), -EINVAL);
	assert_non_null(r.map);
	assert_null(r.out);
	assert_true(pol_has_said(&r, part));
}

static void test_one_user_in_two_segments(void **state)
{
	(void)state;
	/* only this host knows that alice is of ops */
	refused("segments:\n  a: { match: { cgroup: /x, user: alice } }\n"
		"  b: { match: { cgroup: /x, group: ops } }\n",
		"the user with uid 1000 at 'x' is in segment 'b' and in 'a' (line 6)");
	refused("segments:\n  a: { match: { user: alice } }\n  b: { match: { user: 1000 } }\n",
		"uid 1000 at '/' is in segment 'b' and in 'a'");
	refused("segments:\n  a: { match: { unit: x.service, user: alice } }\n"
		"  b: { match: { unit: x.service, user: 1000 } }\n",
		"uid 1000 at 'x.service'");
}

static void test_too_many_users_over_each_other(void **state)
{
	static const char three[] = "segments:\n  a: { match: { cgroup: /a, user: alice } }\n"
				    "  b: { match: { cgroup: /a/b, user: bob } }\n"
				    "  c: { match: { cgroup: /a/b/c, user: carol } }\n";
	_cleanup_free_ char *four = NULL, *reset = NULL;
	_cleanup_pol_ struct pol r = pol_made(three), s = {0};

	(void)state;
	expect(&r, "/a/b/c/d", ALICE, "a");
	assert_true(asprintf(&four, "%s  d: { match: { cgroup: /a/b/c/d, user: alice } }\n",
			     three) > 0);
	refused(four, "more than 3 matches with users stand over each other at 'd'");
	assert_true(asprintf(&reset, "%s  e: { match: { cgroup: /a/b } }\n", four) > 0);
	s = pol_made(reset);
	expect(&s, "/a/b/c/d", ALICE, "d");
	expect(&s, "/a/b/c/d", BOB, "b");
	expect(&s, "/a/b/c/d", 0, "e");
	/* a unit may stand in any of the slices */
	refused("segments:\n  a: { match: { cgroup: /a.slice, user: alice } }\n"
		"  b: { match: { cgroup: /a.slice/b.slice, user: bob } }\n"
		"  c: { match: { user: carol } }\n"
		"  d: { match: { unit: x.service, user: alice } }\n",
		"stand over each other at 'x.service'");
}

static void test_too_many_globs(void **state)
{
	(void)state;
	refused("segments:\n  a: { match: { unit: [\"a*.slice\", \"a*.scope\", \"a*.service\",\n"
		"    \"a*.mount\"] } }\n",
		"more than 4 globs begin like 'a*");
	refused("segments:\n  a: { match: { cgroup: [\"/*1\", \"/a*2\", \"/aa*3\", \"/aaa*4\",\n"
		"    \"/aaaa*5\", \"/aaaaa*6\", \"/aaaaaa*7\", \"/aaaaaaa*8\", \"/aaaaaaaa*9\"] } }\n",
		"more than 8 globs begin with each other, up to 'aaaaaaaa*9'");
	refused("segments:\n  a: { match: { unit: \"ab*.service\" } }\n"
		"failsafe:\n  - { from: { cidr: [192.0.2.1/32] }, port: tcp/1, unit: \"a*b.service\" }\n",
		"fit some names both");
}

static void test_too_many_failsafe_units(void **state)
{
	char *body;
	size_t len;
	FILE *out = open_memstream(&body, &len);
	_cleanup_free_ char *text = NULL;

	(void)state;
	assert_non_null(out);
	fprintf(out, "segments:\n  a: { match: { unit: a.service } }\nfailsafe:\n");
	for (int i = 0; i < 33; i++)
		fprintf(out,
			"  - { from: { cidr: [192.0.2.1/32] }, port: tcp/1, unit: u%d.service }\n",
			i);
	assert_int_equal(fclose(out), 0);
	text = body;
	refused(text, "failsafes name more than 32 different units");
	/* the last of them twice is no 33rd */
	memcpy(strstr(text, "u32.service"), "u31.service", strlen("u31.service"));
	_cleanup_pol_ struct pol r = pol_made(text);

	for (int i = 0; i < 32; i++) {
		char path[64];

		snprintf(path, sizeof(path), "/system.slice/u%d.service", i);
		assert_int_equal(__builtin_popcount(pol_whois(r.out, path, 0).unit_bits), 1);
	}
}

static void test_a_unit_and_a_path_with_a_star_above(void **state)
{
	(void)state;
	refused("segments:\n  a: { match: { unit: x.service } }\n"
		"  b: { match: { cgroup: \"/*/x.service\" } }\n",
		"unit 'x.service' may be a cgroup that this path fits, too");
	/* no slice: nothing below it is a unit of the system manager */
	_cleanup_pol_ struct pol r =
		pol_made("segments:\n  a: { match: { unit: x.service } }\n"
			 "  b: { match: { cgroup: \"/*.scope/x.service\" } }\n");

	expect(&r, "/a.scope/x.service", 0, "b");
	expect(&r, "/a.slice/x.service", 0, "a");
}

/* --- random maps ----------------------------------------------------------------------------------- */

static const char *const words[] = {"a.slice",	  "ab.slice",  "b.slice",     "a.service",
				    "ab.service", "b.service", "a@1.service", "a.scope",
				    "x",	  "xa"};
static const char *const star_words[] = {"a*.slice", "a*.service",  "b*.service",  "x*",
					 "*e",	     "a@*.service", "ab*.service", "*.scope"};

static void random_path(char *ret, size_t size, bool star)
{
	size_t n = 1 + pol_roll(3), at = 0, star_at = star ? pol_roll((__u32)n) : n;

	for (size_t i = 0; i < n; i++)
		at += (size_t)snprintf(ret + at, size - at, "/%s",
				       i == star_at ? pol_pick(star_words) : pol_pick(words));
}

static char *random_map(void)
{
	static const char *const units[] = {"a.service",  "b.service",	 "a.service",  "a*.service",
					    "b*.service", "a@*.service", "ab*.service"};
	static const char *const users[] = {
		"", "", "", ", user: alice", ", user: [bob, carol]", ", group: ops"};
	int n = 2 + (int)pol_roll(7);
	char *text, path[128];
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	fprintf(out, "segments:\n");
	for (int i = 0; i < n; i++) {
		fprintf(out, "  s%d: { match: { ", i);
		random_path(path, sizeof(path), pol_roll(3) == 0);
		if (pol_roll(8) == 0)
			fprintf(out, "cgroup: /");
		else if (pol_roll(2))
			fprintf(out, "cgroup: \"%s\"", path);
		else
			fprintf(out, "unit: \"%s\"", pol_pick(units));
		fprintf(out, "%s } }\n", pol_pick(users));
	}
	assert_int_equal(fclose(out), 0);
	return text;
}

/* Up to the next '/' or the end. */
static bool component_fits(const char *pattern, const char *name)
{
	size_t len = strcspn(pattern, "/"), name_len = strcspn(name, "/");
	const char *star = memchr(pattern, '*', len);
	size_t prefix = star ? (size_t)(star - pattern) : len;
	size_t suffix = star ? len - prefix - 1 : 0;

	if (!star)
		return len == name_len && !memcmp(pattern, name, len);
	return name_len >= prefix + suffix && !memcmp(pattern, name, prefix) &&
	       !memcmp(pattern + len - suffix, name + name_len - suffix, suffix);
}

static bool path_fits(const char *pattern, const char *path)
{
	while (*pattern == '/' && *path == '/') {
		pattern++;
		path++;
		if (!component_fits(pattern, path))
			return false;
		pattern += strcspn(pattern, "/");
		path += strcspn(path, "/");
	}
	return !*pattern && !*path;
}

/* Whether every component of @path before @end is one. */
static bool all_slices(const char *path, const char *end)
{
	for (const char *s = path; s < end;) {
		size_t len = strcspn(s + 1, "/");

		if (len < 7 || memcmp(s + 1 + len - 6, ".slice", 6) != 0)
			return false;
		s += len + 1;
	}
	return true;
}

/* 0 = no; 1 a glob, 2 a path with its '*' above, 3 whole. */
static int word_fits(const char *word, bool unit, const char *path)
{
	const char *last = strrchr(path, '/'), *star = strchr(word, '*');

	if (unit) {
		if (!all_slices(path, last))
			return 0;
		return component_fits(word, last + 1) ? (star ? 1 : 3) : 0;
	}
	if (!strcmp(word, "/") || !path_fits(word, path))
		return 0;
	return !star ? 3 : strchr(star, '/') ? 2 : 1;
}

static bool user_is_meant(const struct bh_match *m, __u32 uid)
{
	for (size_t i = 0; i < m->user.n; i++)
		if ((!strcmp(m->user.v[i].s, "alice") && uid == ALICE) ||
		    (!strcmp(m->user.v[i].s, "bob") && uid == BOB) ||
		    (!strcmp(m->user.v[i].s, "carol") && uid == CAROL))
			return true;
	return m->group.n && (uid == ALICE || uid == BOB);
}

/* How well the match fits exactly this cgroup and user; 0 = not at all. */
static int match_fits(const struct bh_match *m, const char *path, __u32 uid)
{
	bool users = m->user.n || m->group.n;
	int best = 0;

	if (users && !user_is_meant(m, uid))
		return 0;
	for (size_t i = 0; i < m->unit.n; i++)
		best = MAX(best, word_fits(m->unit.v[i].s, true, path));
	for (size_t i = 0; i < m->cgroup.n; i++)
		best = MAX(best, word_fits(m->cgroup.v[i].s, false, path));
	return best ? 2 * best + users : 0;
}

static const char *opinion_of(const struct bh_map *map, const char *path, __u32 uid)
{
	_cleanup_free_ char *at = strdup(path);
	const char *root = "-";
	bool root_user = false;

	assert_non_null(at);
	for (; *at; *strrchr(at, '/') = '\0') {
		const char *name = NULL;
		int best = 0;

		for (size_t i = 0; i < map->n_segment; i++)
			for (size_t j = 0; j < map->segment[i].n_match; j++) {
				int fit = match_fits(&map->segment[i].match[j], at, uid);

				if (fit > best) {
					best = fit;
					name = map->segment[i].name;
				}
			}
		if (name)
			return name;
	}
	for (size_t i = 0; i < map->n_segment; i++)
		for (size_t j = 0; j < map->segment[i].n_match; j++) {
			const struct bh_match *m = &map->segment[i].match[j];
			bool users = m->user.n || m->group.n;

			if (!m->cgroup.n || strcmp(m->cgroup.v[0].s, "/") != 0 ||
			    (users && !user_is_meant(m, uid)) || (root_user && !users))
				continue;
			root = map->segment[i].name;
			root_user = users;
		}
	return root;
}

static void test_tables_say_what_the_map_says(void **state)
{
	int n = pol_rounds(600), asked = 0, matched = 0;

	(void)state;
	for (int i = 0; i < n; i++) {
		_cleanup_free_ char *body = random_map();
		_cleanup_pol_ struct pol r;

		/* many tie, which is refused; what is not has to be right */
		if (pol_try(body, &bh_limits_default, &r) < 0)
			continue;
		for (int j = 0; j < 100; j++) {
			__u32 uid = ALICE + pol_roll(4);
			char path[128];
			const char *want, *got;

			random_path(path, sizeof(path), false);
			want = opinion_of(r.map, path, uid);
			got = segment_name(&r, pol_whois(r.out, path, uid).seg);
			if (strcmp(want, got) != 0)
				fail_msg("%s\n%s for %u: the map says %s, the tables %s", body,
					 path, uid, want, got);
			asked++;
			matched += *want != '-';
		}
	}
	print_message("%d questions, %d of somebody\n", asked, matched);
	assert_true(asked > n * 20 && matched > n * 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_units_and_paths),
		cmocka_unit_test(test_root),
		cmocka_unit_test(test_sockets),
		cmocka_unit_test(test_escaped_units),
		cmocka_unit_test(test_service_before_template),
		cmocka_unit_test(test_exact_beats_glob),
		cmocka_unit_test(test_globs_that_begin_alike),
		cmocka_unit_test(test_globs_inside_paths),
		cmocka_unit_test(test_users),
		cmocka_unit_test(test_failsafe_units),
		cmocka_unit_test(test_one_user_in_two_segments),
		cmocka_unit_test(test_too_many_users_over_each_other),
		cmocka_unit_test(test_too_many_globs),
		cmocka_unit_test(test_a_unit_and_a_path_with_a_star_above),
		cmocka_unit_test(test_too_many_failsafe_units),
		cmocka_unit_test(test_tables_say_what_the_map_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
