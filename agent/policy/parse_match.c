/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parse_match.c - who belongs to a segment. What selects nothing is dropped with a warning:
 * an empty list must never read as "no condition". Called by parse_segment.c.
 */
#include <string.h>
#include "internal.h"

struct building {
	struct bh_match m;
	const struct bh_yaml *empty; /* a list without elements */
};

typedef bool check_fn(struct bh_parse *p, const struct bh_yaml *y, const char *s);

/* --- words ---------------------------------------------------------------------------------- */

static bool fault(struct bh_parse *p, const struct bh_yaml *y, const char *help, const char *what)
{
	bh_parse_error(p, y, help, "'" BH_WORD "' %s", y->s, what);
	return false;
}

/* One component of a cgroup path, or a unit: what the kernel's tables can hold. */
static bool check_component(struct bh_parse *p, const struct bh_yaml *y, const char *s, size_t len)
{
	const char *star = memchr(s, '*', len);

	if (len >= BH_NAME_MAX)
		return fault(p, y, NULL, "has a name of more than 127 bytes");
	if (star && (size_t)(s + len - star) > BH_GLOB_SUFFIX_MAX)
		return fault(p, y, NULL, "has more than 31 bytes behind its '*'");
	return true;
}

static bool one_star(struct bh_parse *p, const struct bh_yaml *y, const char *s)
{
	const char *star = strchr(s, '*');

	if (star && strchr(star + 1, '*'))
		return fault(p, y, "name several, as a list", "has more than one '*'");
	return true;
}

static bool check_unit(struct bh_parse *p, const struct bh_yaml *y, const char *s)
{
	static const char *const types[] = {"service", "scope", "slice", "socket", "mount", "swap"};
	/* systemd.unit(5), and the one '*' */
	static const char valid[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789:-_.\\@*";
	const char *dot = strrchr(s, '.');
	char help[BH_HELP_MAX];

	if (strchr(s, '/'))
		return fault(p, y, "use `cgroup` for a path", "is no name of a unit");
	if (s[strspn(s, valid)])
		return fault(p, y, "the only wildcard is one '*'", "is no name of a unit");
	if (!dot || !dot[1])
		return fault(p, y, bh_help(help, "write it whole: '%.80s.service'", s),
			     "has no type");
	if (*s == '.')
		return fault(p, y, NULL, "is no name of a unit");
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (!strcmp(dot + 1, types[i]))
			return one_star(p, y, s) && check_component(p, y, s, strlen(s));
	return fault(p, y, bh_help_word(p->d, help, dot + 1, types, ARRAY_SIZE(types), true),
		     "is no unit that processes run in");
}

static bool check_cgroup(struct bh_parse *p, const struct bh_yaml *y, const char *s)
{
	char help[BH_HELP_MAX];

	if (*s != '/')
		return fault(p, y, bh_help(help, "write '/%.80s'; use `unit` for a unit", s),
			     "is no path from the cgroup root");
	if (!s[1])
		return true;
	if (s[strlen(s) - 1] == '/')
		return fault(p, y, "remove it", "ends with '/'");
	for (const char *c = s + 1; *c; c += c[strcspn(c, "/")] ? strcspn(c, "/") + 1 : strlen(c)) {
		size_t len = strcspn(c, "/");

		if (!len || (len == 1 && *c == '.') || (len == 2 && !strncmp(c, "..", 2)))
			return fault(p, y, "write the path without them", "has '//', '.' or '..'");
		if (!check_component(p, y, c, len))
			return false;
	}
	for (const char *c = s; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return fault(p, y, NULL, "has control characters");
	return one_star(p, y, s);
}

static bool check_user(struct bh_parse *p, const struct bh_yaml *y, const char *s)
{
	if (s[strcspn(s, " \t\n:/,*")] || *s == '-' || strlen(s) > 256)
		return fault(p, y, "write a name or a number", "is no name of a user or group");
	if (!s[strspn(s, "0123456789")] && (strlen(s) > 10 || strtoull(s, NULL, 10) >= 0xffffffff))
		return fault(p, y, "0 to 4294967294", "is no number of a user or group");
	return true;
}

/* A word, or where @number a plain number too. */
static const char *text_of(struct bh_parse *p, const struct bh_yaml *y, bool number)
{
	if (number && y->kind == BH_YAML_SCALAR && bh_yaml_type(y) == BH_YAML_INT)
		return y->s;
	return bh_want_text(p, y);
}

static void parse_words(struct bh_parse *p, struct bh_words *ret, const struct bh_yaml *y,
			check_fn *check)
{
	size_t n;
	const struct bh_yaml *e = bh_each(y, &n);

	ret->v = bh_parse_alloc(p, n, sizeof(*ret->v));
	if (!ret->v)
		return;
	for (; n; n--, e = e->next) {
		const char *s = text_of(p, e, check == check_user);

		if (!s || !check(p, e, s))
			continue;
		ret->v[ret->n] = (struct bh_word){bh_parse_copy(p, s), e->pos};
		ret->n += ret->v[ret->n].s != NULL;
	}
}

void bh_parse_units(struct bh_parse *p, struct bh_words *ret, const struct bh_yaml *y)
{
	parse_words(p, ret, y, check_unit);
}

/* --- keys ----------------------------------------------------------------------------------- */

static void note_empty(struct building *b, const struct bh_yaml *y)
{
	if (y->kind == BH_YAML_SEQ && !y->n)
		b->empty = y;
}

static void match_unit(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	struct building *b = obj;

	note_empty(b, y);
	bh_parse_units(p, &b->m.unit, y);
}

static void match_cgroup(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	struct building *b = obj;

	note_empty(b, y);
	parse_words(p, &b->m.cgroup, y, check_cgroup);
}

static void match_user(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	struct building *b = obj;

	note_empty(b, y);
	parse_words(p, &b->m.user, y, check_user);
}

static void match_group(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	struct building *b = obj;

	note_empty(b, y);
	parse_words(p, &b->m.group, y, check_user);
}

static void match_cidr(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	struct building *b = obj;

	note_empty(b, y);
	bh_parse_cidrs(p, &b->m.cidr, &b->m.n_cidr, y);
}

static void match_except(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	struct building *b = obj;

	bh_parse_cidrs(p, &b->m.except, &b->m.n_except, y);
}

static const struct bh_key match_keys[] = {
	{"unit", match_unit, false}, {"cgroup", match_cgroup, false},
	{"user", match_user, false}, {"group", match_group, false},
	{"cidr", match_cidr, false}, {"except", match_except, false},
};
const struct bh_keys bh_keys_match = {"a match", match_keys, ARRAY_SIZE(match_keys)};

/* --- elements ------------------------------------------------------------------------------- */

static bool is_local(const struct bh_match *m)
{
	return m->unit.n || m->cgroup.n || m->user.n || m->group.n;
}

/* Keys that can't hold together. Return: whether @m stays. */
static bool check_element(struct bh_parse *p, const struct building *b, const struct bh_yaml *y)
{
	const struct bh_match *m = &b->m;
	char help[BH_HELP_MAX];

	if (!y->n) {
		bh_report_warning(p->map, p->d, y->pos, "name a unit, cgroup, user, group or cidr",
				  "an empty match matches nothing");
		return false;
	}
	if (b->empty) {
		bh_report_warning(
			p->map, p->d, b->empty->pos,
			"all keys of a match must hold; remove the key if it is not meant",
			"an empty list: this match matches nothing");
		return false;
	}
	if (m->n_cidr && is_local(m))
		bh_parse_error(
			p, y,
			"a workload here is known by its unit, a peer elsewhere by its address: "
			"write two matches, as a list",
			"`cidr` can't hold together with other keys");
	if (m->n_except && !m->n_cidr)
		bh_parse_error(p, y, "write `cidr: [10.0.0.0/8], except: [10.1.0.0/16]`",
			       "`except` without `cidr`");
	if (m->unit.n && m->cgroup.n)
		bh_parse_error(p, y,
			       bh_help(help, "name the one cgroup, for example '%.80s/%.80s'",
				       strcmp(m->cgroup.v[0].s, "/") ? m->cgroup.v[0].s : "",
				       m->unit.v[0].s),
			       "`unit` and `cgroup` in one match");
	return true;
}

/* A user without a place is that user anywhere below the root. */
static void complete(struct bh_parse *p, struct bh_match *m)
{
	if ((!m->user.n && !m->group.n) || m->unit.n || m->cgroup.n)
		return;
	m->cgroup.v = bh_parse_alloc(p, 1, sizeof(*m->cgroup.v));
	if (!m->cgroup.v)
		return;
	m->cgroup.v[0] = (struct bh_word){bh_parse_copy(p, "/"), m->pos};
	m->cgroup.n = m->cgroup.v[0].s != NULL;
}

void bh_parse_match(struct bh_parse *p, void *segment, const struct bh_yaml *y)
{
	struct bh_segment *s = segment;
	size_t n;
	const struct bh_yaml *e = bh_each(y, &n);

	s->match = bh_parse_alloc(p, n, sizeof(*s->match));
	if (!s->match)
		return;
	if (y->kind == BH_YAML_SEQ && !n)
		bh_report_warning(p->map, p->d, y->pos, "name a unit, cgroup, user, group or cidr",
				  "segment '" BH_WORD "' matches nothing", s->name);
	for (; n; n--, e = e->next) {
		struct building b = {.m.pos = e->pos};
		size_t errors = p->d->n_errors;

		if (!bh_want_map(p, e, "{ unit: nginx.service }, or a list of such"))
			continue;
		bh_parse_keys(p, e, &bh_keys_match, &b);
		if (errors == p->d->n_errors && !check_element(p, &b, e))
			continue;
		complete(p, &b.m);
		s->match[s->n_match++] = b.m;
	}
}
