/* SPDX-License-Identifier: Apache-2.0 */
/*
 * suggest_rows.c - see suggest_internal.h: whose each row is. A conversation inside of this host is
 * told of by the end that began it, which knows both; what the other end tells is used where that
 * one is the kernel, or in a segment that stays.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include "../../agent/policy/port.h"
#include "suggest_internal.h"
#include "text.h"

/* --- segments that stay --------------------------------------------------------------------------- */

static bool is_slice(const char *path)
{
	size_t n = strlen(path);

	return !strcmp(path, "/") || (n > 6 && !strcmp(path + n - 6, ".slice"));
}

/* Its workloads are named: it is not whatever else is on the host. */
static bool names_workloads(const struct bh_segment *s)
{
	bool any = false;

	for (size_t i = 0; i < s->n_match; i++) {
		const struct bh_match *m = &s->match[i];

		any |= m->unit.n || m->cgroup.n || m->user.n || m->group.n;
		for (size_t j = 0; j < m->cgroup.n; j++)
			if (is_slice(m->cgroup.v[j].s) && !m->user.n && !m->group.n)
				return false;
	}
	return any && !s->reserved;
}

static const struct bh_segment *find_live(const struct bh_suggesting *w, const char *name)
{
	const struct bh_map *live = w->ask->live;

	for (size_t i = 0; live && *name && i < live->n_segment; i++)
		if (!strcmp(live->segment[i].name, name))
			return &live->segment[i];
	return NULL;
}

static size_t kept(struct bh_suggesting *w, const char *name)
{
	static const struct bh_spot nowhere = {.kind = BH_SPOT_CGROUP};
	const struct bh_segment *s = w->ask->keep ? find_live(w, name) : NULL;
	struct bh_home home = {.kept = s};

	if (!s || !names_workloads(s))
		return BH_DRAFT_WORLD;
	for (size_t i = 0; i < w->n_home; i++)
		if (w->home[i].kept == s)
			return i;
	return bh_suggest_seg(w, name, &nowhere, &home);
}

/* --- segments of units ------------------------------------------------------------------------------ */

static void name_of(const struct bh_spot *spot, char ret[BH_DRAFT_NAME])
{
	const char *slash = strrchr(spot->match, '/');
	char word[BH_SPOT_TEXT];
	size_t n;

	(void)snprintf(word, sizeof(word), "%s", slash ? slash + 1 : spot->match);
	n = strlen(word);
	if (spot->kind == BH_SPOT_UNIT && strrchr(word, '.'))
		n = (size_t)(strrchr(word, '.') - word);
	/* "foo@*" and "docker-*" */
	while (n && strchr("*@-", word[n - 1]))
		n--;
	word[n] = '\0';
	/* as `init` calls it */
	if (spot->kind == BH_SPOT_LOGINS)
		(void)snprintf(ret, BH_DRAFT_NAME, "logins");
	else
		bh_draft_name(word, ret);
}

static size_t placed(struct bh_suggesting *w, const char *cgroup)
{
	const struct bh_home plain = {0};
	struct bh_spot spot;
	char name[BH_DRAFT_NAME];

	bh_spot_of(cgroup, &spot);
	if (spot.kind == BH_SPOT_HOST)
		return BH_DRAFT_HOST;
	if (spot.kind == BH_SPOT_REST)
		return BH_DRAFT_WORLD;
	for (size_t i = 1; i < w->d.n_seg; i++) {
		struct bh_spot *has = &w->d.seg[i].spot;

		if (w->home[i].kept || has->kind != spot.kind)
			continue;
		if (!strcmp(has->match, spot.match) || bh_spot_covers(has->match, spot.match))
			return i;
		if (bh_spot_covers(spot.match, has->match)) {
			*has = spot;
			return i;
		}
	}
	name_of(&spot, name);
	return bh_suggest_seg(w, name, &spot, &plain);
}

/* BH_DRAFT_WORLD: no map can name it. */
static size_t home_of(struct bh_suggesting *w, const char *segment, const char *cgroup)
{
	size_t seg = kept(w, segment);

	if (seg != BH_DRAFT_WORLD)
		return seg;
	if (*cgroup == '/')
		return placed(w, cgroup);
	return !strcmp(segment, "host") ? BH_DRAFT_HOST : BH_DRAFT_WORLD;
}

/* --- rows -------------------------------------------------------------------------------------------- */

static bool host_may_talk(const struct bh_suggesting *w)
{
	const struct bh_map *live = w->ask->live;

	return !live || live->segment[BH_SEG_HOST].def[BH_OUT] != BH_DENY;
}

static const struct bh_rule_src *live_rule(const struct bh_suggesting *w, const char *id)
{
	const struct bh_map *live = w->ask->live;

	for (size_t i = 0; live && *id && i < live->n_rule; i++)
		if (!strcmp(live->rule[i].id, id))
			return &live->rule[i];
	return NULL;
}

static int left_out(struct bh_suggesting *w, const json_t *row, const char *why)
{
	const char *ip = bh_json_str(row, "remote.ip"), *cgroup = bh_json_str(row, "local.cgroup");
	const char *segment = bh_json_str(row, "remote.segment");

	return bh_draft_note(&w->d, "%s, %s %s, %s port %u: %s",
			     *cgroup ? cgroup : bh_json_str(row, "local.segment"),
			     !strcmp(bh_json_str(row, "direction"), "egress") ? "to" : "from",
			     *ip ? ip : segment, bh_json_str(row, "proto"),
			     (unsigned)bh_json_u64(row, "port"), why);
}

/* Of what was let through, what can't be a rule, and why. */
static const char *no_rule(const struct bh_suggesting *w, const json_t *row,
			   const struct bh_said *t)
{
	const struct bh_rule_src *rule = live_rule(w, bh_json_str(row, "rule"));

	if (!strcmp(bh_json_str(row, "verdict"), "audited") && rule && rule->kind == BH_RULE_DENY)
		return "a deny rule names it";
	if (rule && rule->jit)
		return "it was granted just in time";
	if (rule && rule->until_s)
		return "its rule has an end";
	if (t->dir != BH_DRAFT_LOCAL && !t->many && bh_addr_is_link(&t->addr))
		return "no map can name a link-local address";
	return NULL;
}

static int parse_addr(const char *text, struct bh_addr *ret)
{
	static const __u8 mapped[12] = {[10] = 0xff, [11] = 0xff};

	memcpy(ret->b, mapped, sizeof(mapped));
	if (inet_pton(AF_INET, text, ret->b + 12) == 1 || inet_pton(AF_INET6, text, ret->b) == 1)
		return 0;
	return -EINVAL;
}

/* A word of a map means both families' types: then they are one saying. */
static void say_icmp(struct bh_said *t)
{
	for (size_t i = 0; t->proto == IPPROTO_ICMPV6 && i < bh_n_icmp_names; i++) {
		const struct bh_icmp_name *n = &bh_icmp_names[i];

		if (n->v4 < 0 || (n->any_code ? n->v6 >> 8 != t->port >> 8 : n->v6 != t->port))
			continue;
		t->proto = IPPROTO_ICMP;
		t->port = (__u16)n->v4;
	}
}

static int add(struct bh_suggesting *w, const json_t *row, const struct bh_said *t)
{
	const char *why = no_rule(w, row, t);
	struct bh_said *new;

	if (why)
		return left_out(w, row, why);
	new = bh_seen_grow(&w->said, &w->n_said, sizeof(*new));
	if (!new)
		return -ENOMEM;
	*new = *t;
	say_icmp(new);
	return 0;
}

static int add_inside(struct bh_suggesting *w, const json_t *row, size_t me, bool out,
		      struct bh_said *t)
{
	const char *segment = bh_json_str(row, "remote.segment");
	const char *peer = bh_json_str(row, "remote.cgroup");
	const char *unit = bh_json_str(row, "local.cgroup");
	size_t other;

	/* one workload with itself needs no rule */
	if (*peer && !strcmp(peer, unit) && !*bh_json_str(row, "rule") &&
	    !strcmp(bh_json_str(row, "verdict"), "allowed"))
		return 0;
	other = out			   ? home_of(w, segment, peer)
		: !strcmp(segment, "host") ? BH_DRAFT_HOST
					   : kept(w, segment);
	/* then the end that began it tells of it */
	if (other == BH_DRAFT_WORLD)
		return out ? left_out(w, row, "who its peer on this host is can't be told") : 0;
	t->dir = BH_DRAFT_LOCAL;
	t->seg = out ? other : me;
	t->other = out ? me : other;
	return add(w, row, t);
}

static int on_row(struct bh_suggesting *w, const json_t *row)
{
	const char *verdict = bh_json_str(row, "verdict"), *ip = bh_json_str(row, "remote.ip");
	bool out = !strcmp(bh_json_str(row, "direction"), "egress");
	bool inside = json_is_true(bh_json_at(row, "remote.inside"));
	const struct bh_rule_src *rule = live_rule(w, bh_json_str(row, "rule"));
	struct bh_said t = {
		.dir = out ? BH_DRAFT_OUT : BH_DRAFT_IN,
		.proto = (__u16)bh_json_u64(row, "protocol"),
		.port = (__u16)bh_json_u64(row, "port"),
		.posture = rule && rule->require_posture,
		.many = !*ip && !inside,
		.silent = !bh_json_u64(row, "packets"),
		.remote = bh_json_str(row, "remote.segment"),
		.times = bh_json_u64(row, "times"),
		.first = bh_json_str(row, "first"),
		.last = bh_json_str(row, "last"),
	};
	size_t me;

	if (strcmp(verdict, "allowed") != 0 && strcmp(verdict, "audited") != 0)
		return 0;
	if (*ip && parse_addr(ip, &t.addr) < 0)
		return -EINVAL;
	me = home_of(w, bh_json_str(row, "local.segment"), bh_json_str(row, "local.cgroup"));
	if (me == BH_DRAFT_WORLD)
		return left_out(w, row, "no map can name it");
	/* the default lets it */
	if (me == BH_DRAFT_HOST && out && !inside && host_may_talk(w))
		return 0;
	if (inside)
		return add_inside(w, row, me, out, &t);
	t.seg = me;
	return add(w, row, &t);
}

int bh_suggest_rows(struct bh_suggesting *w)
{
	static const struct bh_spot host = {.kind = BH_SPOT_HOST};
	const struct bh_home plain = {0};
	const json_t *row;
	size_t i;
	int r = 0;

	if (!json_is_array(w->ask->rows))
		return -EINVAL;
	if (bh_suggest_seg(w, "host", &host, &plain) == BH_DRAFT_WORLD)
		return -ENOMEM;
	json_array_foreach(w->ask->rows, i, row)
	{
		r = on_row(w, row);
		if (r)
			return r;
	}
	w->d.n_local = w->d.n_seg;
	return 0;
}
