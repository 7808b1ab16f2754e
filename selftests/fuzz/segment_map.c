/* SPDX-License-Identifier: Apache-2.0 */
/*
 * segment_map.c - any bytes as a segment map: there is a map or there are errors with places in
 * the text, and what the rest of the agent relies on holds for every map.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include "must.h"
#include "../../agent/policy/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_cidrs(const struct bh_cidr *c, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		MUST(c[i].plen >= (c[i].v4 ? 96 : 0) && c[i].plen <= 128);
		MUST(!c[i].v4 || (c[i].addr.b[10] == 0xff && c[i].addr.b[11] == 0xff));
		for (int bit = c[i].plen; bit < 128; bit++)
			MUST(!(c[i].addr.b[bit / 8] & (0x80 >> bit % 8)));
	}
}

static void check_ports(const struct bh_ports *p, bool needed)
{
	MUST(p->n || !needed);
	for (size_t i = 0; i < p->n; i++) {
		MUST(p->v[i].lo <= p->v[i].hi);
		MUST(!p->v[i].both_icmp || p->v[i].icmp_v4 || p->v[i].icmp_v6);
		MUST(p->v[i].any_port || p->v[i].proto);
	}
}

static void check_sel(const struct bh_map *map, const struct bh_sel *s)
{
	MUST(!s->any || !s->n_seg);
	for (size_t i = 0; i < s->n_seg; i++)
		MUST(s->seg[i] < map->n_segment && (!i || s->seg[i - 1] < s->seg[i]));
	check_cidrs(s->cidr, s->n_cidr);
}

static void check_words(const struct bh_words *w)
{
	for (size_t i = 0; i < w->n; i++) {
		const char *star = strchr(w->v[i].s, '*');

		MUST(*w->v[i].s && (!star || !strchr(star + 1, '*')));
	}
}

static void check_segment(const struct bh_segment *s)
{
	MUST(s->name && *s->name);
	for (size_t i = 0; i < s->n_match; i++) {
		const struct bh_match *m = &s->match[i];

		check_words(&m->unit);
		check_words(&m->cgroup);
		check_words(&m->user);
		check_words(&m->group);
		check_cidrs(m->cidr, m->n_cidr);
		check_cidrs(m->except, m->n_except);
		/* A match says something, and one kind of thing. */
		MUST(!m->n_cidr == (m->unit.n || m->cgroup.n));
		MUST((!m->user.n && !m->group.n) || m->unit.n || m->cgroup.n);
		MUST(m->n_cidr || !m->n_except);
	}
	check_ports(&s->listen, false);
}

static void check_map(const struct bh_map *map)
{
	MUST(map->name && map->n_segment >= BH_SEG_N_RESERVED);
	MUST(map->mode == BH_MODE_OBSERVE || map->mode == BH_MODE_ENFORCE);
	MUST(map->def[BH_IN] != BH_UNSET && map->def[BH_OUT] != BH_UNSET);
	MUST(map->n_rule <= BH_MAP_MAX_RULES && map->n_assertion <= BH_MAP_MAX_RULES);
	for (size_t i = 0; i < map->n_segment; i++)
		check_segment(&map->segment[i]);
	for (size_t i = 0; i < map->n_rule; i++) {
		const struct bh_rule_src *r = &map->rule[i];

		MUST(r->id && *r->id && r->until_s >= 0);
		check_ports(&r->port, true);
		check_sel(map, &r->from);
		check_sel(map, &r->to);
		if (r->kind == BH_RULE_FAILSAFE)
			MUST(!r->from.n_cidr != !r->to.n_cidr);
		else
			MUST(!r->from.n_cidr && !r->to.n_cidr);
	}
	for (size_t i = 0; i < map->n_assertion; i++) {
		MUST(map->assertion[i].id);
		check_ports(&map->assertion[i].port, true);
		check_sel(map, &map->assertion[i].from);
		check_sel(map, &map->assertion[i].to);
	}
}

static void check_findings(const struct bh_diags *d)
{
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	if (!out)
		return;
	for (size_t i = 0; i < d->n; i++)
		MUST(d->list[i].text && *d->list[i].text && d->list[i].line >= 0);
	bh_diags_print(d, out, false);
	(void)fclose(out);
	/* Nothing that a terminal would obey gets through. */
	for (size_t i = 0; i < n; i++)
		MUST(text[i] == '\n' || (unsigned char)text[i] >= 0x20);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bh_diags d = {0};
	struct bh_map *map = NULL;
	int r = bh_map_parse("fuzz.yaml", (const char *)data, size, &d, &map);

	MUST(r == 0 || r == -EINVAL);
	MUST((r == 0) == (map != NULL) && (r == 0) == (d.n_errors == 0));
	if (map)
		check_map(map);
	check_findings(&d);
	bh_map_free(map);
	bh_diags_clear(&d);
	return 0;
}
