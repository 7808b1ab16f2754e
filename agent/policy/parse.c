/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parse.c - bh_map_parse(): the top of the document and what its parts share. A table of keys
 * per kind of object; every key's function complains for itself, so all errors come at once.
 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include "../base/broken.h"
#include "internal.h"

/* The map and the memory of everything in it. */
struct owned_map {
	struct bh_map map;
	struct bh_arena arena;
};

/* --- saying what is wrong ------------------------------------------------------------------- */

struct bh_where bh_map_where(const struct bh_map *map, struct bh_pos pos)
{
	return (struct bh_where){
		.file = map->file,
		.text = map->text,
		.line = pos.line,
		.col = pos.col,
		.len = pos.len,
	};
}

void bh_parse_error(struct bh_parse *p, const struct bh_yaml *y, const char *help, const char *fmt,
		    ...)
{
	char text[512];
	va_list ap;

	if (y->kind == BH_YAML_BAD)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	bh_report_error(p->map, p->d, y->pos, help, "%s", text);
}

void *bh_parse_alloc(struct bh_parse *p, size_t n, size_t size)
{
	void *v = bh_arena_alloc(p->arena, n, size);

	if (!v)
		p->oom = true;
	return v;
}

char *bh_parse_copy(struct bh_parse *p, const char *s)
{
	char *copy = bh_arena_strndup(p->arena, s, strlen(s));

	if (!copy)
		p->oom = true;
	return copy;
}

/* --- keys ----------------------------------------------------------------------------------- */

static const struct bh_key *key_find(const struct bh_keys *keys, const char *name)
{
	for (size_t i = 0; i < keys->n; i++)
		if (!strcmp(keys->v[i].name, name))
			return &keys->v[i];
	return NULL;
}

static void unknown_key(struct bh_parse *p, const struct bh_yaml *y, const struct bh_keys *keys)
{
	const char *names[16];
	char help[BH_HELP_MAX];
	size_t n = 0;

	for (; n < keys->n && n < ARRAY_SIZE(names); n++)
		names[n] = keys->v[n].name;
	bh_parse_error(p, y, bh_help_word(p->d, help, y->s, names, n, true),
		       "unknown key '" BH_WORD "' in %s", y->s, keys->what);
}

/* Was @name complained about already, as an unknown key that is much like it? */
static bool is_misspelt(const struct bh_yaml *y, const struct bh_keys *keys, const char *name)
{
	for (const struct bh_yaml *k = y->child; k; k = k->next->next)
		if (k->kind == BH_YAML_BAD || (!key_find(keys, k->s) && bh_nearest(k->s, &name, 1)))
			return true;
	return false;
}

void bh_parse_keys(struct bh_parse *p, const struct bh_yaml *y, const struct bh_keys *keys,
		   void *obj)
{
	unsigned seen = 0;

	for (const struct bh_yaml *k = y->child; k; k = k->next->next) {
		const struct bh_key *key = k->kind == BH_YAML_SCALAR ? key_find(keys, k->s) : NULL;

		if (key) {
			seen |= 1u << (key - keys->v);
			key->parse(p, obj, k->next);
		} else if (k->kind == BH_YAML_SCALAR) {
			unknown_key(p, k, keys);
		}
	}
	for (size_t i = 0; i < keys->n; i++)
		if (keys->v[i].required && !(seen & 1u << i) &&
		    !is_misspelt(y, keys, keys->v[i].name))
			bh_parse_error(p, y, NULL, "%s needs `%s`", keys->what, keys->v[i].name);
}

/* --- default: ------------------------------------------------------------------------------- */

static void default_ingress(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	((enum bh_tri *)obj)[BH_IN] = bh_want_tri(p, y);
}

static void default_egress(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	((enum bh_tri *)obj)[BH_OUT] = bh_want_tri(p, y);
}

static const struct bh_key default_keys[] = {
	{"ingress", default_ingress, false},
	{"egress", default_egress, false},
};
const struct bh_keys bh_keys_default = {"`default`", default_keys, ARRAY_SIZE(default_keys)};

/* The map's own says both: nobody should have to know what is left out. */
static const struct bh_key map_default_keys[] = {
	{"ingress", default_ingress, true},
	{"egress", default_egress, true},
};
const struct bh_keys bh_keys_map_default = {"`default`", map_default_keys,
					    ARRAY_SIZE(map_default_keys)};

void bh_parse_default(struct bh_parse *p, enum bh_tri ret[2], const struct bh_keys *keys,
		      const struct bh_yaml *y)
{
	if (bh_want_map(p, y, "{ ingress: deny, egress: deny }"))
		bh_parse_keys(p, y, keys, ret);
}

/* --- the top of the map --------------------------------------------------------------------- */

static void map_version(struct bh_parse *p, _unused_ void *obj, const struct bh_yaml *y)
{
	__u64 version;

	if (bh_want_number(p, y, 0, 1u << 30, &version) && version != 1)
		bh_parse_error(p, y, "write `version: 1`, or use a Bulkhead that knows this one",
			       "version %llu of the language is not known here", version);
}

static void map_name(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	((struct bh_map *)obj)->name = bh_want_id(p, y);
}

static void map_mode(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	((struct bh_map *)obj)->mode = bh_want_mode(p, y);
}

static void map_default(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	bh_parse_default(p, ((struct bh_map *)obj)->def, &bh_keys_map_default, y);
}

static void map_forward(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	((struct bh_map *)obj)->forward = bh_want_tri(p, y);
}

static void map_l2(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	((struct bh_map *)obj)->l2 = bh_want_tri(p, y);
}

static void map_revert(struct bh_parse *p, void *obj, const struct bh_yaml *y)
{
	__u64 n;

	if (bh_want_number(p, y, 0, 1000000000, &n))
		((struct bh_map *)obj)->revert_on_denies = (__u32)n;
}

static const struct bh_key map_keys[] = {
	{"version", map_version, true},
	{"name", map_name, true},
	{"mode", map_mode, true},
	{"default", map_default, true},
	{"segments", bh_parse_segments, false},
	{"allow", bh_parse_allow, false},
	{"deny", bh_parse_deny, false},
	{"failsafe", bh_parse_failsafe, false},
	{"assert", bh_parse_assert, false},
	{"forward", map_forward, false},
	{"l2", map_l2, false},
	{"revert_on_denies", map_revert, false},
};
const struct bh_keys bh_keys_map = {"a segment map", map_keys, ARRAY_SIZE(map_keys)};

/* How many rules and assertions there are, so that lists are made once. */
static bool count_rules(struct bh_parse *p, const struct bh_yaml *root)
{
	static const char *const lists[] = {"allow", "deny", "failsafe", "assert"};
	size_t n[ARRAY_SIZE(lists)] = {0}, rules;
	const struct bh_yaml *last = root;

	for (const struct bh_yaml *k = root->child; k; k = k->next->next)
		for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
			if (k->kind == BH_YAML_SCALAR && !strcmp(k->s, lists[i]) &&
			    k->next->kind == BH_YAML_SEQ) {
				n[i] = k->next->n;
				last = n[i] > BH_MAP_MAX_RULES ? k : last;
			}
	rules = n[0] + n[1] + n[2];
	if (rules > BH_MAP_MAX_RULES || n[3] > BH_MAP_MAX_RULES) {
		bh_parse_error(p, last, "name segments or labels instead of single workloads",
			       "%zu %s; at most %u are allowed", MAX(rules, n[3]),
			       rules >= n[3] ? "rules" : "assertions", BH_MAP_MAX_RULES);
		return false;
	}
	p->map->rule = bh_parse_alloc(p, rules, sizeof(*p->map->rule));
	p->map->assertion = bh_parse_alloc(p, n[3], sizeof(*p->map->assertion));
	return !p->oom;
}

/*
 * Rules name segments, wherever in the file these stand: the value of `segments` is put first.
 * The order of keys has no meaning; findings are sorted by place in the end.
 */
static bool segments_first(struct bh_yaml *root)
{
	for (struct bh_yaml *k = root->child, *before = NULL; k;
	     before = k->next, k = before->next) {
		if (k->kind != BH_YAML_SCALAR || strcmp(k->s, "segments") != 0)
			continue;
		if (before) {
			before->next = k->next->next;
			k->next->next = root->child;
			root->child = k;
		}
		return true;
	}
	return false;
}

static int parse_root(struct bh_parse *p, struct bh_yaml *root)
{
	if (!bh_want_map(p, root, "`version: 1` and further keys, one a line"))
		return -EINVAL;
	if (!count_rules(p, root))
		return p->oom ? -ENOMEM : -EINVAL;
	if (!segments_first(root))
		bh_parse_segments(p, p->map, NULL);
	bh_parse_keys(p, root, &bh_keys_map, p->map);
	if (p->oom)
		return -ENOMEM;
	/* A rule that could not be read may have named any segment. */
	return bh_map_check(p->map, p->d->n_errors == p->errors_before ? p->named : NULL, p->d);
}

/* --- the map -------------------------------------------------------------------------------- */

static struct owned_map *map_new(const char *file, const char *text, size_t len)
{
	struct owned_map *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->map.def[BH_IN] = o->map.def[BH_OUT] = BH_UNSET;
	o->map.forward = o->map.l2 = BH_UNSET;
	o->map.file = bh_arena_strndup(&o->arena, file, strlen(file));
	o->map.text = bh_arena_strndup(&o->arena, text, len);
	o->map.text_len = len;
	if (!o->map.file || !o->map.text) {
		bh_map_free(&o->map);
		return NULL;
	}
	return o;
}

void bh_map_free(struct bh_map *map)
{
	struct owned_map *o = (struct owned_map *)map;

	if (!o)
		return;
	bh_arena_clear(&o->arena);
	free(o);
}

int bh_map_parse(const char *file, const char *text, size_t len, struct bh_diags *d,
		 struct bh_map **ret)
{
	_cleanup_(bh_map_freep) struct bh_map *map = NULL;
	_cleanup_arena_ struct bh_arena nodes = {0};
	size_t n_before = d->n, errors_before = d->n_errors;
	struct bh_yaml *root = NULL;
	struct owned_map *o;
	int r;

	if (len > BH_MAP_MAX_BYTES)
		return bh_diag_add(d, BH_ERROR, &(struct bh_where){.file = file}, "split the map",
				   "%zu bytes; a segment map has at most %u", len,
				   BH_MAP_MAX_BYTES);
	o = map_new(file, text, len);
	if (!o)
		return -ENOMEM;
	map = &o->map;
	r = bh_yaml_load(map, &nodes, NULL, d, &root);
	if (!r) {
		struct bh_parse p = {
			.map = map,
			.arena = &o->arena,
			.d = d,
			.errors_before = errors_before,
		};

		r = parse_root(&p, root);
		bh_label_index_free(p.labels);
		free(p.named);
		free(p.segments.name);
		free(p.segments.at);
	}
	bh_diags_sort(d, n_before);
	if (r)
		return r;
	if (d->n_errors != errors_before && !bh_broken(5))
		return -EINVAL;
	*ret = TAKE_PTR(map);
	return 0;
}
