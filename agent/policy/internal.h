/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal.h - what the front half of this room shares: saying what is wrong, the YAML nodes,
 * the state of one parse. Nobody outside agent/policy/ but its tests includes it.
 */
#ifndef BH_POLICY_INTERNAL_H
#define BH_POLICY_INTERNAL_H

#include "arena.h"
#include "model.h"

/* --- findings (report.c) ------------------------------------------------------------------- */

#define BH_HELP_MAX 768
/* For printf: words of a file may be 4096 bytes long. */
#define BH_WORD "%.80s"

void bh_report_error(const struct bh_map *map, struct bh_diags *d, struct bh_pos pos,
		     const char *help, const char *fmt, ...) _printf_(5, 6);
void bh_report_warning(const struct bh_map *map, struct bh_diags *d, struct bh_pos pos,
		       const char *help, const char *fmt, ...) _printf_(5, 6);
/* snprintf that returns its buffer. */
const char *bh_help(char ret[BH_HELP_MAX], const char *fmt, ...) _printf_(2, 3);
/*
 * "did you mean 'x'?", or "one of a, b, c" where nothing is near and @list is set. Costs
 * nothing once the list is full. Return: @ret, or NULL if there is nothing to say.
 */
const char *bh_help_word(const struct bh_diags *d, char ret[BH_HELP_MAX], const char *word,
			 const char *const *words, size_t n, bool list);

/* What is wrong with a single value, before anybody knows where it stands. */
struct bh_fault {
	char text[256];		/* what is wrong */
	char help[BH_HELP_MAX]; /* what to do; may be empty */
};

/* Fills @f->text. Return: -EINVAL, so that a caller can `return bh_fault_say(...)`. */
int bh_fault_say(struct bh_fault *f, const char *fmt, ...) _printf_(2, 3);

/* --- YAML (text.c, yaml.c, scalar.c) -------------------------------------------------------- */

enum bh_yaml_kind {
	BH_YAML_SCALAR,
	BH_YAML_SEQ,
	BH_YAML_MAP,
	BH_YAML_BAD, /* was complained about: say nothing more */
};

struct bh_yaml {
	enum bh_yaml_kind kind;
	bool plain; /* a scalar without quotes */
	struct bh_pos pos;
	const char *s;	       /* text of a scalar */
	struct bh_yaml *child; /* elements; of a map: key, value, key, value */
	struct bh_yaml *next;
	size_t n; /* elements, or pairs */
};

/* UTF-8 without control characters, directives and what takes the parser too long. */
int bh_text_check(const struct bh_map *map, struct bh_diags *d);

/**
 * bh_yaml_load - the one document of @map->text as a tree
 * @arena: the nodes belong to it
 * @plain: a word that is a word also where YAML 1.1 takes it for something else; NULL: none
 * @ret:   set on success; then there may be errors in @d, and the nodes they are about are
 *	   BH_YAML_BAD
 *
 * Refuses what the language does not have: anchors, aliases, tags, directives, more than one
 * document, merge keys, keys that are not words, duplicate keys, nesting over
 * BH_MAP_MAX_DEPTH, and words that YAML 1.1 takes for something else.
 * Return: 0, -EINVAL (no tree; see @d), -ENOMEM.
 */
int bh_yaml_load(const struct bh_map *map, struct bh_arena *arena, const char *plain,
		 struct bh_diags *d, struct bh_yaml **ret);

/* What a plain scalar is in YAML 1.2's core schema. */
enum bh_yaml_type {
	BH_YAML_STR,
	BH_YAML_INT,
	BH_YAML_FLOAT,
	BH_YAML_BOOL,
	BH_YAML_NULL,
};

enum bh_yaml_type bh_yaml_type(const struct bh_yaml *y);

/* Digits, without a sign or leading zeros. */
bool bh_is_decimal(const char *s);

/*
 * What YAML 1.1 would make of plain @s where YAML 1.2 sees something else (NULL: the same):
 * "a boolean", "an octal number" ...; @ret_help says what to write.
 */
const char *bh_yaml_surprise(const char *s, char ret_help[BH_HELP_MAX]);

/* --- one parse (parse.c) -------------------------------------------------------------------- */

struct bh_name_index {
	const char **name; /* sorted; for did-you-mean, too */
	size_t *at;
	size_t n;
};

struct bh_parse {
	struct bh_map *map;
	struct bh_arena *arena; /* the map's */
	struct bh_diags *d;
	struct bh_name_index segments;
	struct bh_label_index *labels; /* select.c */
	bool *named;		       /* by segment: some rule names it */
	size_t n_named;		       /* times a rule names a segment; see select.c */
	size_t errors_before;	       /* in @d, from elsewhere */
	bool oom;
};

typedef void bh_key_fn(struct bh_parse *p, void *obj, const struct bh_yaml *value);

struct bh_key {
	const char *name;
	bh_key_fn *parse;
	bool required;
};

/* The keys of one kind of object. The schema's test walks them. */
struct bh_keys {
	const char *what; /* "a rule" */
	const struct bh_key *v;
	size_t n;
};

extern const struct bh_keys bh_keys_map, bh_keys_map_default, bh_keys_default, bh_keys_segment,
	bh_keys_reserved, bh_keys_match, bh_keys_allow, bh_keys_deny, bh_keys_require, bh_keys_jit,
	bh_keys_failsafe, bh_keys_assert, bh_keys_selector, bh_keys_cidrs;
/* Of the agent's settings (settings.c). */
extern const struct bh_keys bh_keys_settings, bh_keys_confirm, bh_keys_emergency, bh_keys_audit;
/* settings_telemetry.c */
extern const struct bh_keys bh_keys_telemetry, bh_keys_flow_file, bh_keys_flow_journal,
	bh_keys_metrics, bh_keys_ipfix;
/* obj: struct bh_settings */
void bh_settings_telemetry(struct bh_parse *p, void *obj, const struct bh_yaml *y);
void bh_settings_span(struct bh_parse *p, const struct bh_yaml *y, __u32 max, __u32 *ret);
void bh_settings_path(struct bh_parse *p, const struct bh_yaml *y, const char **ret);

/* Every key of map @y to its function; unknown and missing ones are errors. */
void bh_parse_keys(struct bh_parse *p, const struct bh_yaml *y, const struct bh_keys *keys,
		   void *obj);

void bh_parse_error(struct bh_parse *p, const struct bh_yaml *y, const char *help, const char *fmt,
		    ...) _printf_(4, 5);
void *bh_parse_alloc(struct bh_parse *p, size_t n, size_t size);
char *bh_parse_copy(struct bh_parse *p, const char *s);

/* What a key's function is given is complained about unless it is what it should be: */
bool bh_want_map(struct bh_parse *p, const struct bh_yaml *y, const char *example);
bool bh_want_seq(struct bh_parse *p, const struct bh_yaml *y, const char *example);
/* A string: not empty, not a number or boolean unless quoted. Return: NULL if it is none. */
const char *bh_want_text(struct bh_parse *p, const struct bh_yaml *y);
/* One of @words. Return: its index or -1. */
int bh_want_one_of(struct bh_parse *p, const struct bh_yaml *y, const char *const *words, size_t n);
bool bh_want_bool(struct bh_parse *p, const struct bh_yaml *y, bool *ret);
bool bh_want_number(struct bh_parse *p, const struct bh_yaml *y, __u64 min, __u64 max, __u64 *ret);
/* `deny` or `allow`; BH_UNSET if neither. */
enum bh_tri bh_want_tri(struct bh_parse *p, const struct bh_yaml *y);
enum bh_mode bh_want_mode(struct bh_parse *p, const struct bh_yaml *y);
/* Names of rules, assertions and the map. */
char *bh_want_id(struct bh_parse *p, const struct bh_yaml *y);

/* "a value or a list of values": the first element, and how many. */
const struct bh_yaml *bh_each(const struct bh_yaml *y, size_t *ret_n);

void bh_parse_default(struct bh_parse *p, enum bh_tri ret[2], const struct bh_keys *keys,
		      const struct bh_yaml *y);
void bh_parse_description(struct bh_parse *p, char **ret, const struct bh_yaml *y);

/* --- subjects ------------------------------------------------------------------------------- */

/* parse_segment.c */
void bh_parse_segments(struct bh_parse *p, void *map, const struct bh_yaml *y);
/* parse_match.c */
void bh_parse_match(struct bh_parse *p, void *segment, const struct bh_yaml *y);
void bh_parse_units(struct bh_parse *p, struct bh_words *ret, const struct bh_yaml *y);
/* parse_rule.c */
void bh_parse_allow(struct bh_parse *p, void *map, const struct bh_yaml *y);
void bh_parse_deny(struct bh_parse *p, void *map, const struct bh_yaml *y);
void bh_parse_failsafe(struct bh_parse *p, void *map, const struct bh_yaml *y);
void bh_parse_assert(struct bh_parse *p, void *map, const struct bh_yaml *y);
void bh_parse_ports(struct bh_parse *p, struct bh_ports *ret, const struct bh_yaml *y);
void bh_parse_cidrs(struct bh_parse *p, struct bh_cidr **ret, size_t *ret_n,
		    const struct bh_yaml *y);
/* select.c */
int bh_label_index_make(struct bh_parse *p);
void bh_label_index_free(struct bh_label_index *x);
void bh_parse_selector(struct bh_parse *p, struct bh_sel *ret, const struct bh_yaml *y);
/* Labels as a map of words, sorted by key. */
void bh_parse_labels(struct bh_parse *p, struct bh_label **ret, size_t *ret_n,
		     const struct bh_yaml *y);

/* --- text of single values (cidr.h, port.c, when.c): no state, no memory --------------------- */

/* Return: 0 or -EINVAL with @f filled. */
/* RFC 3339 to seconds since 1970, more than 0. */
int bh_when_parse(const char *s, __s64 *ret_s, struct bh_fault *f);

/* --- checks on a whole map (check*.c) -------------------------------------------------------- */

/*
 * Run after every parse, also of a map that has errors: what is in it may be incomplete.
 * @named: by segment, whether a rule names it; NULL = not known
 * Return: 0 or -ENOMEM.
 */
int bh_map_check(const struct bh_map *map, const bool *named, struct bh_diags *d);
int bh_check_names(const struct bh_map *map, struct bh_diags *d);
int bh_check_globs(const struct bh_map *map, struct bh_diags *d);
int bh_check_addresses(const struct bh_map *map, struct bh_diags *d);

#endif
