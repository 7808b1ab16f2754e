/* SPDX-License-Identifier: Apache-2.0 */
/*
 * want.c - one value of the kind that a key needs, or a complaint. YAML's types are taken
 * seriously: a number is no word, `yes` is no boolean. Called by the files named parse_*.c.
 */
#include <string.h>
#include "internal.h"

static const char *kind_name(const struct bh_yaml *y)
{
	if (y->kind == BH_YAML_SEQ)
		return "a list";
	if (y->kind == BH_YAML_MAP)
		return "a mapping";
	switch (bh_yaml_type(y)) {
	case BH_YAML_NULL:
		return "nothing";
	case BH_YAML_INT:
	case BH_YAML_FLOAT:
		return "a number";
	case BH_YAML_BOOL:
		return "a boolean";
	default:
		return "a word";
	}
}

static bool want(struct bh_parse *p, const struct bh_yaml *y, enum bh_yaml_kind kind,
		 const char *what, const char *example)
{
	char help[BH_HELP_MAX];

	if (y->kind == kind)
		return true;
	bh_parse_error(p, y, bh_help(help, "write it as %s", example), "%s is needed here, not %s",
		       what, y->kind == BH_YAML_BAD ? "" : kind_name(y));
	return false;
}

bool bh_want_map(struct bh_parse *p, const struct bh_yaml *y, const char *example)
{
	return want(p, y, BH_YAML_MAP, "a mapping", example);
}

bool bh_want_seq(struct bh_parse *p, const struct bh_yaml *y, const char *example)
{
	return want(p, y, BH_YAML_SEQ, "a list", example);
}

const char *bh_want_text(struct bh_parse *p, const struct bh_yaml *y)
{
	char help[BH_HELP_MAX];

	if (y->kind != BH_YAML_SCALAR) {
		bh_parse_error(p, y, NULL, "a word is needed here, not %s",
			       y->kind == BH_YAML_BAD ? "" : kind_name(y));
		return NULL;
	}
	if (!*y->s || bh_yaml_type(y) == BH_YAML_NULL) {
		bh_parse_error(p, y, "write a value, or remove the key", "a value is missing");
		return NULL;
	}
	if (bh_yaml_type(y) != BH_YAML_STR) {
		bh_parse_error(p, y, bh_help(help, "quote it if a word is meant: \"%.80s\"", y->s),
			       "a word is needed here, not %s", kind_name(y));
		return NULL;
	}
	return y->s;
}

int bh_want_one_of(struct bh_parse *p, const struct bh_yaml *y, const char *const *words, size_t n)
{
	/* `true` is as wrong as any other word, and the help is the same. */
	bool any = y->kind == BH_YAML_SCALAR && *y->s && bh_yaml_type(y) != BH_YAML_NULL;
	const char *s = any ? y->s : bh_want_text(p, y);
	char help[BH_HELP_MAX];

	if (!s)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (!strcmp(s, words[i]))
			return (int)i;
	bh_parse_error(p, y, bh_help_word(p->d, help, s, words, n, true),
		       "unknown value '" BH_WORD "'", s);
	return -1;
}

bool bh_want_bool(struct bh_parse *p, const struct bh_yaml *y, bool *ret)
{
	if (y->kind == BH_YAML_SCALAR && y->plain &&
	    (!strcmp(y->s, "true") || !strcmp(y->s, "false"))) {
		*ret = *y->s == 't';
		return true;
	}
	bh_parse_error(p, y, "write true or false, without quotes", "true or false is needed here");
	return false;
}

bool bh_want_number(struct bh_parse *p, const struct bh_yaml *y, __u64 min, __u64 max, __u64 *ret)
{
	char help[BH_HELP_MAX];
	__u64 v = max + 1;

	if (y->kind == BH_YAML_SCALAR && y->plain && *y->s && strlen(y->s) < 19 &&
	    !y->s[strspn(y->s, "0123456789")])
		v = strtoull(y->s, NULL, 10);
	if (v >= min && v <= max) {
		*ret = v;
		return true;
	}
	bh_parse_error(p, y, bh_help(help, "%llu to %llu, without quotes", min, max),
		       "a number is needed here");
	return false;
}

enum bh_tri bh_want_tri(struct bh_parse *p, const struct bh_yaml *y)
{
	static const char *const words[] = {[BH_DENY] = "deny", [BH_ALLOW] = "allow"};

	return (enum bh_tri)bh_want_one_of(p, y, words, ARRAY_SIZE(words));
}

enum bh_mode bh_want_mode(struct bh_parse *p, const struct bh_yaml *y)
{
	static const char *const words[] = {"observe", "enforce"};

	switch (bh_want_one_of(p, y, words, ARRAY_SIZE(words))) {
	case 0:
		return BH_MODE_OBSERVE;
	case 1:
		return BH_MODE_ENFORCE;
	default:
		return BH_MODE_INHERIT;
	}
}

char *bh_want_id(struct bh_parse *p, const struct bh_yaml *y)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789";
	const char *s = bh_want_text(p, y);

	if (!s)
		return NULL;
	for (const char *c = s; *c; c++)
		if (!strchr(letters, *c) && (c == s || !strchr("._-", *c))) {
			bh_parse_error(p, y,
				       "letters, digits, '.', '_' and '-'; a letter or digit first",
				       "'" BH_WORD "' is no name", s);
			return NULL;
		}
	if (strlen(s) > 63) {
		bh_parse_error(p, y, NULL, "a name of %zu characters; at most 63 are allowed",
			       strlen(s));
		return NULL;
	}
	return bh_parse_copy(p, s);
}

const struct bh_yaml *bh_each(const struct bh_yaml *y, size_t *ret_n)
{
	if (y->kind == BH_YAML_SEQ) {
		*ret_n = y->n;
		return y->child;
	}
	*ret_n = y->kind == BH_YAML_BAD ? 0 : 1;
	return y;
}

void bh_parse_description(struct bh_parse *p, char **ret, const struct bh_yaml *y)
{
	const char *s = bh_want_text(p, y);

	if (s)
		*ret = bh_parse_copy(p, s);
}
