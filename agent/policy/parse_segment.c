/* SPDX-License-Identifier: Apache-2.0 */
/* parse_segment.c - `segments:`, and the three that are always there. Called by parse.c. */
#include <string.h>
#include "internal.h"

static const char *const reserved_name[BH_SEG_N_RESERVED] = {
	[BH_SEG_WORLD] = "world",
	[BH_SEG_UNASSIGNED] = "unassigned",
	[BH_SEG_HOST] = "host",
};

/* --- keys ----------------------------------------------------------------------------------- */

static void segment_labels(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	struct bh_segment *s = obj;

	bh_parse_labels(p, &s->label, &s->n_label, y);
}

static void segment_default(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	bh_parse_default(p, ((struct bh_segment *)obj)->def, &bh_keys_default, y);
}

static void segment_mode(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	((struct bh_segment *)obj)->mode = bh_want_mode(p, y);
}

/* A bind asks for one port, so `listen` names ports. */
static void segment_listen(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	struct bh_segment *s = obj;

	bh_parse_ports(p, &s->listen, y);
	for (size_t i = 0; i < s->listen.n; i++) {
		const struct bh_port *port = &s->listen.v[i];

		if (port->any_port || port->icmp_v4 || port->icmp_v6)
			bh_report_error(p->map, p->d, port->pos,
					"write for example tcp/5432 or udp/53",
					"`listen` names ports of tcp or udp");
	}
}

static void segment_raw(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	((struct bh_segment *)obj)->raw = bh_want_tri(p, y) == BH_ALLOW;
}

static void segment_dhcp(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	(void)bh_want_bool(p, y, &((struct bh_segment *)obj)->dhcp);
}

static void segment_admin(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	(void)bh_want_bool(p, y, &((struct bh_segment *)obj)->admin);
}

static void segment_data(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	((struct bh_segment *)obj)->data = bh_want_id(p, y);
}

static void segment_description(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	bh_parse_description(p, &((struct bh_segment *)obj)->description, y);
}

static const struct bh_key segment_keys[] = {
	{"match", bh_parse_match, false},    {"labels", segment_labels, false},
	{"default", segment_default, false}, {"mode", segment_mode, false},
	{"listen", segment_listen, false},   {"raw", segment_raw, false},
	{"dhcp", segment_dhcp, false},	     {"admin", segment_admin, false},
	{"data", segment_data, false},	     {"description", segment_description, false},
};
const struct bh_keys bh_keys_segment = {"a segment", segment_keys, ARRAY_SIZE(segment_keys)};

static const struct bh_key reserved_keys[] = {
	{"default", segment_default, false},
	{"mode", segment_mode, false},
};
const struct bh_keys bh_keys_reserved = {"a reserved segment", reserved_keys,
					 ARRAY_SIZE(reserved_keys)};

/* --- names ---------------------------------------------------------------------------------- */

/* Letters first and no dots or colons: never to be taken for a unit or an address. */
static bool is_name(const char *s)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	static const char others[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "0123456789_-";

	return strspn(s, letters) && !s[strspn(s, others)] && strlen(s) < 64;
}

static void check_name(struct bh_parse *p, const struct bh_yaml *key)
{
	if (!strcmp(key->s, "any"))
		bh_parse_error(p, key, "choose another name",
			       "'any' means every segment and can't be one");
	else if (!is_name(key->s))
		bh_parse_error(p, key,
			       "a letter, then letters, digits, '_' and '-'; at most 63 characters",
			       "'" BH_WORD "' is no name for a segment", key->s);
}

static int reserved_index(const char *name)
{
	for (int i = 0; i < BH_SEG_N_RESERVED; i++)
		if (!strcmp(name, reserved_name[i]))
			return i;
	return -1;
}

/* --- all of them ---------------------------------------------------------------------------- */

static void segment_parse(struct bh_parse *p, struct bh_segment *s, const struct bh_yaml *key)
{
	const struct bh_yaml *y = key->next;
	size_t errors = p->d->n_errors;
	bool has_match = false;

	s->pos = key->pos;
	if (!bh_want_map(p, y, "{ match: { unit: nginx.service } }"))
		return;
	for (const struct bh_yaml *k = y->child; k; k = k->next->next)
		has_match |= k->kind == BH_YAML_SCALAR && !strcmp(k->s, "match");
	bh_parse_keys(p, y, s->reserved ? &bh_keys_reserved : &bh_keys_segment, s);
	if (!has_match && !s->reserved && errors == p->d->n_errors)
		bh_report_warning(p->map, p->d, key->pos, "add `match`, or remove the segment",
				  "segment '%s' has no `match`: nothing belongs to it", s->name);
}

static void reserved_add(struct bh_parse *p)
{
	struct bh_map *map = p->map;

	for (int i = 0; i < BH_SEG_N_RESERVED; i++)
		map->segment[map->n_segment++] = (struct bh_segment){
			.name = bh_parse_copy(p, reserved_name[i]),
			.def = {BH_UNSET, BH_UNSET},
			.reserved = true,
		};
	/* The kernel's own sockets: a host whose NFS or WireGuard stops is not safer. */
	map->segment[BH_SEG_HOST].def[BH_OUT] = BH_ALLOW;
}

struct name_at {
	const char *name;
	size_t at;
};

static int name_at_cmp(const void *a, const void *b)
{
	return strcmp(((const struct name_at *)a)->name, ((const struct name_at *)b)->name);
}

/* Segments by name. Names are unique: keys of a mapping. */
static bool index_names(struct bh_parse *p)
{
	size_t n = p->map->n_segment;
	_cleanup_free_ struct name_at *list = NULL;

	p->segments.name = calloc(n, sizeof(*p->segments.name));
	p->segments.at = calloc(n, sizeof(*p->segments.at));
	p->named = calloc(n, sizeof(*p->named));
	if (!p->segments.name || !p->segments.at || !p->named)
		return false;
	list = calloc(n, sizeof(*list));
	if (!list)
		return false;
	for (size_t i = 0; i < n; i++)
		list[i] = (struct name_at){p->map->segment[i].name, i};
	qsort(list, n, sizeof(*list), name_at_cmp);
	for (size_t i = 0; i < n; i++) {
		p->segments.name[i] = list[i].name;
		p->segments.at[i] = list[i].at;
	}
	p->segments.n = n;
	return true;
}

static void add_named(struct bh_parse *p, const struct bh_yaml *key)
{
	int reserved = reserved_index(key->s);
	struct bh_map *map = p->map;
	struct bh_segment *s;

	if (reserved >= 0) {
		segment_parse(p, &map->segment[reserved], key);
		return;
	}
	check_name(p, key);
	s = &map->segment[map->n_segment];
	*s = (struct bh_segment){
		.name = bh_parse_copy(p, key->s),
		.def = {BH_UNSET, BH_UNSET},
	};
	if (!s->name)
		return;
	map->n_segment++;
	segment_parse(p, s, key);
}

/* @y may be NULL: then there are only the reserved ones. */
void bh_parse_segments(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	struct bh_map *map = obj;
	bool is_map =
		y && bh_want_map(p, y, "`web: { match: { unit: nginx.service } }`, one a line");

	map->segment =
		bh_parse_alloc(p, BH_SEG_N_RESERVED + (is_map ? y->n : 0), sizeof(*map->segment));
	if (!map->segment)
		return;
	reserved_add(p);
	if (p->oom)
		return;
	for (const struct bh_yaml *k = is_map ? y->child : NULL; k; k = k->next->next)
		if (k->kind == BH_YAML_SCALAR)
			add_named(p, k);
	if (!index_names(p) || bh_label_index_make(p))
		p->oom = true;
}
