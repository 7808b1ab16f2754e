/* SPDX-License-Identifier: Apache-2.0 */
/*
 * yaml.c - text to a tree of nodes with places, from libfyaml's events. Its document API is
 * not used: it resolves what we refuse, and stops at the first duplicate key.
 */
#include <errno.h>
#include <string.h>
#include <libfyaml.h>
#include "internal.h"

/*
 * A rule of 41 bytes makes 9 nodes, so 100 000 rules in 4 MiB stay below this. More than that
 * is a file made of commas.
 */
#define MAX_NODES	 1200000
#define MAX_SCALAR_BYTES 4096

struct frame {
	struct bh_yaml *node;
	struct bh_yaml *last; /* newest child */
	size_t n_children;
	bool is_key; /* the node itself stands where a key should */
};

struct loader {
	const struct bh_map *map;
	struct bh_arena *arena;
	const char *plain; /* see bh_yaml_load() */
	struct bh_diags *d;
	struct frame stack[BH_MAP_MAX_DEPTH];
	int depth;
	size_t n_nodes;
	struct bh_yaml *root;
	struct bh_pos last; /* of the newest node: nodes without text stand behind it */
	int n_documents;
	bool ended; /* the parser came to the end by itself */
};

static int fail(struct loader *l, struct bh_pos pos, const char *help, const char *text)
{
	bh_report_error(l->map, l->d, pos, help, "%s", text);
	return -EINVAL;
}

/* --- nodes ---------------------------------------------------------------------------------- */

static struct bh_pos pos_of(const struct loader *l, struct fy_token *token)
{
	const struct fy_mark *from = token ? fy_token_start_mark(token) : NULL;
	const struct fy_mark *to = token ? fy_token_end_mark(token) : NULL;
	struct bh_pos pos = l->last;

	if (!from)
		return pos;
	pos = (struct bh_pos){from->line + 1, from->column + 1, 1};
	if (to && to->line == from->line && to->column > from->column)
		pos.len = to->column - from->column;
	return pos;
}

static struct bh_yaml *add_node(struct loader *l, enum bh_yaml_kind kind, struct fy_token *token)
{
	struct frame *f = l->depth ? &l->stack[l->depth - 1] : NULL;
	struct bh_yaml *y = bh_arena_alloc(l->arena, 1, sizeof(*y));

	if (!y)
		return NULL;
	l->n_nodes++;
	y->kind = kind;
	y->pos = l->last = pos_of(l, token);
	if (!f) {
		l->root = y;
		return y;
	}
	if (f->last)
		f->last->next = y;
	else
		f->node->child = y;
	f->last = y;
	f->n_children++;
	f->node->n = f->node->kind == BH_YAML_SEQ ? f->n_children : (f->n_children + 1) / 2;
	return y;
}

static bool is_key(const struct loader *l, const struct bh_yaml *y)
{
	const struct frame *f = l->depth ? &l->stack[l->depth - 1] : NULL;

	return f && f->node->kind == BH_YAML_MAP && f->n_children % 2 && f->last == y;
}

/* What is refused about a node whatever it says. */
static bool check_properties(struct loader *l, struct fy_token *anchor, struct fy_token *tag)
{
	if (anchor)
		(void)fail(l, pos_of(l, anchor), "write the value out where it is needed",
			   "anchors are not part of the language");
	if (tag)
		(void)fail(l, pos_of(l, tag), "remove it", "tags are not part of the language");
	return !anchor && !tag;
}

static bool check_scalar(struct loader *l, const struct bh_yaml *y, size_t len)
{
	char help[BH_HELP_MAX];
	const char *what;

	for (size_t i = 0; i < len; i++)
		if ((unsigned char)y->s[i] < 0x20 && y->s[i] != '\n' && y->s[i] != '\t') {
			bh_report_error(l->map, l->d, y->pos, "remove the escape",
					"control character 0x%02x in a value",
					(unsigned char)y->s[i]);
			return false;
		}
	if (is_key(l, y)) {
		if (y->plain && !strcmp(y->s, "<<"))
			return fail(l, y->pos, "write the keys out",
				    "merge keys are not part of the language") == 0;
		if (!len)
			return fail(l, y->pos, NULL, "a key must be a word") == 0;
	}
	if (!y->plain || (l->plain && !strcmp(y->s, l->plain)))
		return true;
	what = bh_yaml_surprise(y->s, help);
	if (what) {
		bh_report_error(l->map, l->d, y->pos, help,
				"'" BH_WORD "' is %s to some YAML readers", y->s, what);
		return false;
	}
	return true;
}

static int add_scalar(struct loader *l, const struct fy_event *e)
{
	struct fy_token *token = e->scalar.value;
	bool fine = check_properties(l, e->scalar.anchor, e->scalar.tag);
	struct bh_yaml *y = add_node(l, BH_YAML_SCALAR, token);
	const char *text = "";
	size_t len = 0;

	if (!y)
		return -ENOMEM;
	if (token) {
		text = fy_token_get_text(token, &len);
		if (!text)
			return fail(l, y->pos, NULL, "YAML: this value can't be read");
	}
	if (len > MAX_SCALAR_BYTES) {
		bh_report_error(l->map, l->d, y->pos, NULL,
				"a value of %zu bytes; at most %d are allowed", len,
				MAX_SCALAR_BYTES);
		y->kind = BH_YAML_BAD;
		return 0;
	}
	y->s = bh_arena_strndup(l->arena, text, len);
	if (!y->s)
		return -ENOMEM;
	y->plain = !token || fy_token_scalar_style(token) == FYSS_PLAIN;
	if (!check_scalar(l, y, len) || !fine)
		y->kind = BH_YAML_BAD;
	return 0;
}

static int begin(struct loader *l, enum bh_yaml_kind kind, struct fy_token *token)
{
	struct bh_yaml *y = add_node(l, kind, token);
	bool key;

	if (!y)
		return -ENOMEM;
	key = is_key(l, y);
	if (key)
		(void)fail(l, y->pos, NULL, "a key must be a word");
	if (l->depth == BH_MAP_MAX_DEPTH) {
		bh_report_error(l->map, l->d, y->pos, NULL, "nested deeper than %d levels",
				BH_MAP_MAX_DEPTH);
		return -EINVAL;
	}
	l->stack[l->depth++] = (struct frame){.node = y, .is_key = key};
	return 0;
}

/* --- duplicate keys ------------------------------------------------------------------------- */

struct key {
	struct bh_yaml *y;
};

static int by_text(const void *a, const void *b)
{
	const struct bh_yaml *x = ((const struct key *)a)->y, *y = ((const struct key *)b)->y;
	int r = strcmp(x->s, y->s);

	if (r)
		return r;
	return x->pos.line != y->pos.line ? x->pos.line - y->pos.line : x->pos.col - y->pos.col;
}

static int refuse_duplicates(struct loader *l, struct bh_yaml *map)
{
	_cleanup_free_ struct key *keys = NULL;
	size_t n = 0;

	if (map->n < 2)
		return 0;
	keys = calloc(map->n, sizeof(*keys));
	if (!keys)
		return -ENOMEM;
	for (struct bh_yaml *k = map->child; k; k = k->next ? k->next->next : NULL)
		if (k->kind == BH_YAML_SCALAR)
			keys[n++].y = k;
	qsort(keys, n, sizeof(*keys), by_text);
	for (size_t i = 1, first = 0; i < n; i++) {
		struct bh_yaml *y = keys[i].y;

		if (strcmp(y->s, keys[first].y->s) != 0) {
			first = i;
			continue;
		}
		bh_report_error(l->map, l->d, y->pos, "keep one of the two",
				"duplicate key '" BH_WORD "', first in line %d", y->s,
				keys[first].y->pos.line);
		y->kind = BH_YAML_BAD;
	}
	return 0;
}

/* --- events --------------------------------------------------------------------------------- */

static int end(struct loader *l)
{
	struct frame *f = &l->stack[--l->depth];
	struct bh_yaml *y = f->node;
	int r = y->kind == BH_YAML_MAP ? refuse_duplicates(l, y) : 0;

	if (f->is_key)
		y->kind = BH_YAML_BAD;
	return r;
}

static int take_collection(struct loader *l, const struct fy_event *e)
{
	bool is_map = e->type == FYET_MAPPING_START;
	struct fy_token *anchor = is_map ? e->mapping_start.anchor : e->sequence_start.anchor;
	struct fy_token *tag = is_map ? e->mapping_start.tag : e->sequence_start.tag;

	(void)check_properties(l, anchor, tag);
	return is_map ? begin(l, BH_YAML_MAP, e->mapping_start.mapping_start)
		      : begin(l, BH_YAML_SEQ, e->sequence_start.sequence_start);
}

static int take(struct loader *l, const struct fy_event *e)
{
	if (l->n_nodes > MAX_NODES)
		return fail(l, l->last, "split the map", "too many values in one file");
	switch (e->type) {
	case FYET_DOCUMENT_START:
		if (!l->n_documents++)
			return 0;
		return fail(l, pos_of(l, e->document_start.document_start),
			    "put each into a file of its own", "a second document in one file");
	case FYET_MAPPING_START:
	case FYET_SEQUENCE_START:
		return take_collection(l, e);
	case FYET_MAPPING_END:
	case FYET_SEQUENCE_END:
		return end(l);
	case FYET_SCALAR:
		return add_scalar(l, e);
	case FYET_ALIAS:
		(void)fail(l, pos_of(l, e->alias.anchor), "write the value out where it is needed",
			   "aliases are not part of the language");
		return add_node(l, BH_YAML_BAD, e->alias.anchor) ? 0 : -ENOMEM;
	case FYET_STREAM_END:
		l->ended = true;
		return 0;
	default:
		return 0;
	}
}

static int read_events(struct loader *l, struct fy_parser *parser)
{
	int r = 0;

	while (!r) {
		struct fy_event *e = fy_parser_parse(parser);

		if (!e)
			break;
		r = take(l, e);
		fy_parser_event_free(parser, e);
	}
	return r;
}

/* The first thing that libfyaml has to say; the rest follows from it. */
static int syntax_error(struct loader *l, struct fy_diag *diag)
{
	void *iter = NULL;
	struct fy_diag_error *e = fy_diag_errors_iterate(diag, &iter);

	/* libfyaml 0.7 gives up on `|0` without a word, for one. */
	if (!e)
		return fail(l, l->last, NULL, "YAML: can't be read from here on");
	bh_report_error(l->map, l->d, (struct bh_pos){MAX(e->line, 1), MAX(e->column, 1), 1}, NULL,
			"YAML: %s", e->msg);
	return -EINVAL;
}

static int parse_text(struct loader *l, struct fy_diag *diag)
{
	const struct fy_parse_cfg cfg = {
		.flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG | FYPCF_DEFAULT_VERSION_1_2 |
			 FYPCF_JSON_NONE,
		.diag = diag,
	};
	struct fy_parser *parser = fy_parser_create(&cfg);
	int r;

	if (!parser)
		return -ENOMEM;
	if (fy_parser_set_string(parser, l->map->text, l->map->text_len))
		r = -ENOMEM;
	else
		r = read_events(l, parser);
	if (!r && (!l->ended || fy_parser_get_stream_error(parser)))
		r = syntax_error(l, diag);
	fy_parser_destroy(parser);
	return r;
}

int bh_yaml_load(const struct bh_map *map, struct bh_arena *arena, const char *plain,
		 struct bh_diags *d, struct bh_yaml **ret)
{
	struct loader l = {.map = map, .arena = arena, .plain = plain, .d = d, .last = {1, 1, 1}};
	struct fy_diag_cfg cfg;
	struct fy_diag *diag;
	int r = bh_text_check(map, d);

	if (r)
		return r;
	fy_diag_cfg_default(&cfg);
	cfg.fp = NULL;
	cfg.level = FYET_ERROR;
	diag = fy_diag_create(&cfg);
	if (!diag)
		return -ENOMEM;
	fy_diag_set_collect_errors(diag, true);
	r = parse_text(&l, diag);
	fy_diag_destroy(diag);
	if (r)
		return r;
	if (!l.root)
		return fail(&l, l.last, "begin with `version: 1`", "the file is empty");
	*ret = l.root;
	return 0;
}
