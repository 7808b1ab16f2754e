/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scalar.c - what a plain word is to YAML 1.2, and what YAML 1.1 makes of it. Readers differ
 * (https://yaml.org/type/ against https://yaml.org/spec/1.2.2/#103-core-schema), and a policy
 * must not depend on who reads it.
 */
#include <string.h>
#include "internal.h"

static bool is_word_of(const char *s, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(s, words[i]))
			return true;
	return false;
}

static bool is_bool(const char *s)
{
	static const char *const words[] = {"true", "True", "TRUE", "false", "False", "FALSE"};

	return is_word_of(s, words, ARRAY_SIZE(words));
}

static bool is_null(const char *s)
{
	static const char *const words[] = {"", "~", "null", "Null", "NULL"};

	return is_word_of(s, words, ARRAY_SIZE(words));
}

#define DIGITS "0123456789"
#define HEX    "0123456789abcdefABCDEF"

static bool is_all(const char *s, const char *set)
{
	return *s && !s[strspn(s, set)];
}

bool bh_is_decimal(const char *s)
{
	return is_all(s, DIGITS) && (*s != '0' || !s[1]);
}

static const char *skip_sign(const char *s)
{
	return s + (*s == '-' || *s == '+');
}

static bool is_int(const char *s)
{
	if (s[0] == '0' && s[1] == 'o')
		return is_all(s + 2, "01234567");
	if (s[0] == '0' && s[1] == 'x')
		return is_all(s + 2, HEX);
	return is_all(skip_sign(s), DIGITS);
}

static bool is_float(const char *s)
{
	static const char *const words[] = {".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN"};
	size_t whole, part = 0;

	if (is_word_of(s, words + 3, 3) || is_word_of(skip_sign(s), words, 3))
		return true;
	s = skip_sign(s);
	whole = strspn(s, DIGITS);
	s += whole;
	if (*s == '.') {
		part = strspn(s + 1, DIGITS);
		s += part + 1;
	}
	if (!whole && !part)
		return false;
	if (*s == 'e' || *s == 'E')
		return is_all(skip_sign(s + 1), DIGITS);
	return !*s;
}

enum bh_yaml_type bh_yaml_type(const struct bh_yaml *y)
{
	if (!y->plain)
		return BH_YAML_STR;
	if (is_null(y->s))
		return BH_YAML_NULL;
	if (is_bool(y->s))
		return BH_YAML_BOOL;
	if (is_int(y->s))
		return BH_YAML_INT;
	return is_float(y->s) ? BH_YAML_FLOAT : BH_YAML_STR;
}

/* 12:30 and 190:20:30.15: base 60 in YAML 1.1, each part but the first below 60 */
static bool is_sexagesimal(const char *s)
{
	s = skip_sign(s);
	if (!strspn(s, DIGITS) || s[strspn(s, DIGITS "_")] != ':')
		return false;
	s += strspn(s, DIGITS "_");
	while (*s == ':') {
		size_t n = strspn(s + 1, DIGITS);

		if (n < 1 || n > 2 || (n == 2 && s[1] > '5'))
			return false;
		s += n + 1;
	}
	return !*s || (*s == '.' && !s[1 + strspn(s + 1, DIGITS "_")]);
}

static const char *surprising_number(const char *s)
{
	const char *n = skip_sign(s);

	if (n[0] == '0' && n[1] == 'b' && is_all(n + 2, "01_"))
		return "a binary number";
	if (n[0] == '0' && n[1] == 'x' && is_all(n + 2, HEX "_"))
		return "a hexadecimal number";
	if (n[0] == '0' && n[1] == 'o' && is_all(n + 2, "01234567"))
		return "an octal number";
	if (n[0] == '0' && n[1] && is_all(n, DIGITS "_"))
		return "an octal number";
	if (strspn(n, DIGITS) && strchr(n, '_') && is_all(n, DIGITS "_."))
		return "a number with its digits grouped";
	if (is_sexagesimal(s))
		return "a number to base 60";
	return NULL;
}

const char *bh_yaml_surprise(const char *s, char ret_help[BH_HELP_MAX])
{
	static const char *const yes[] = {"y", "Y", "yes", "Yes", "YES", "on", "On", "ON"};
	static const char *const no[] = {"n", "N", "no", "No", "NO", "off", "Off", "OFF"};
	bool is_yes = is_word_of(s, yes, ARRAY_SIZE(yes));
	const char *what;

	if (is_yes || is_word_of(s, no, ARRAY_SIZE(no))) {
		bh_help(ret_help, "write %s, or quote it if a word is meant: '%s'",
			is_yes ? "true" : "false", s);
		return "a boolean";
	}
	what = surprising_number(s);
	if (what)
		bh_help(ret_help,
			"write numbers as plain decimals; quote it if a word is meant: '" BH_WORD
			"'",
			s);
	return what;
}
