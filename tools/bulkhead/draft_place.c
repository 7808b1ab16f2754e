/* SPDX-License-Identifier: Apache-2.0 */
/* draft_place.c - see draft.h: which segment a cgroup belongs to, and names that are safe. */
#include <ctype.h>
#include <string.h>
#include "draft.h"

/* --- cgroups -------------------------------------------------------------------------------------- */

static bool ends_with(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n > m && !strcmp(s + n - m, suffix);
}

/* What a map can name: units by systemd.unit(5), paths by printable characters; '*' is a glob. */
static bool is_nameable(const char *s, bool unit)
{
	for (const char *c = s; *c; c++) {
		bool word = isalnum((unsigned char)*c) || strchr(":-_.\\@", *c);

		if (unit ? !word : !isprint((unsigned char)*c) || *c == '*')
			return false;
	}
	return *s && *s != '.';
}

/* Where 12 or more hexadecimal digits in a row begin and end: a name that is new each time. */
static size_t hash_in(const char *s, size_t *ret_len)
{
	for (size_t i = 0; s[i]; i++) {
		size_t n = strspn(s + i, "0123456789abcdef");
		size_t digits = 0;

		for (size_t j = 0; j < n; j++)
			digits += isdigit((unsigned char)s[i + j]) != 0;
		if (n >= 12 && digits >= 2) {
			*ret_len = n;
			return i;
		}
		i += n ? n - 1 : 0;
	}
	*ret_len = 0;
	return 0;
}

static void unit_of(const char *name, char ret[BH_SPOT_TEXT])
{
	const char *dot = strrchr(name, '.'), *at = strchr(name, '@');
	const char *type = !strcmp(dot, ".socket") ? ".service" : dot;
	size_t len, from = hash_in(name, &len);

	if (at && at + 1 < dot)
		(void)snprintf(ret, BH_SPOT_TEXT, "%.*s*%s", (int)(at + 1 - name), name, type);
	/* one '*' is all that a map takes: it stands for the hash and what comes behind */
	else if (len && from)
		(void)snprintf(ret, BH_SPOT_TEXT, "%.*s*%s", (int)from, name, type);
	else
		(void)snprintf(ret, BH_SPOT_TEXT, "%.*s%s", (int)(dot - name), name, type);
}

static bool is_unit(const char *name)
{
	static const char *const types[] = {".service", ".scope", ".socket", ".mount", ".swap"};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (ends_with(name, types[i]))
			return true;
	return false;
}

void bh_spot_of(const char *cgroup, struct bh_spot *ret)
{
	char part[BH_SPOT_TEXT], path[BH_SPOT_TEXT] = "";
	bool slices = true;
	size_t len, hash, used = 0;

	*ret = (struct bh_spot){.kind = BH_SPOT_REST, .match = "/"};
	if (!strcmp(cgroup, "/")) {
		*ret = (struct bh_spot){.kind = BH_SPOT_HOST};
		return;
	}
	if (!strncmp(cgroup, "/user.slice", 11) && (!cgroup[11] || cgroup[11] == '/')) {
		*ret = (struct bh_spot){.kind = BH_SPOT_LOGINS, .match = "/user.slice"};
		return;
	}
	for (const char *c = cgroup + 1; *c; c += len, c += *c == '/') {
		len = strcspn(c, "/");
		if (len >= sizeof(part) || used + len + 2 > sizeof(path))
			break;
		(void)snprintf(part, sizeof(part), "%.*s", (int)len, c);
		if (slices && is_unit(part)) {
			if (!is_nameable(part, true))
				return;
			ret->kind = BH_SPOT_UNIT;
			unit_of(part, ret->match);
			return;
		}
		(void)hash_in(part, &hash);
		if (!is_nameable(part, false) || hash)
			break;
		slices &= ends_with(part, ".slice");
		used += (size_t)snprintf(path + used, sizeof(path) - used, "/%s", part);
	}
	/* a slice has no processes of its own where systemd rules; its units are not to be caught */
	if (!used || slices)
		return;
	ret->kind = BH_SPOT_CGROUP;
	(void)snprintf(ret->match, sizeof(ret->match), "%s", path);
}

/* --- names ----------------------------------------------------------------------------------------- */

static int hex(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

void bh_draft_name(const char *text, char ret[BH_DRAFT_NAME])
{
	static const char *const words[] = {
		"world", "unassigned", "host", "any", "true", "false", "null",	 "yes",	   "no",
		"on",	 "off",	       "y",    "n",   "lan",  "rest",  "logins", "private"};
	const size_t most = BH_DRAFT_NAME - 8; /* room for "-unit", or a number */
	size_t n = 0;

	for (const char *c = text; *c && n < most; c++) {
		char is = *c;

		/* systemd writes "-" as \x2d */
		if (c[0] == '\\' && c[1] == 'x' && isxdigit((unsigned char)c[2]) &&
		    isxdigit((unsigned char)c[3])) {
			is = (char)(hex(c[2]) << 4 | hex(c[3]));
			c += 3;
		}
		if (isalnum((unsigned char)is) || is == '_')
			ret[n++] = (char)tolower((unsigned char)is);
		else if (n && ret[n - 1] != '-')
			ret[n++] = '-';
	}
	while (n && ret[n - 1] == '-')
		n--;
	ret[n] = '\0';
	if (!n || !isalpha((unsigned char)*ret)) {
		memmove(ret + 2, ret, n + 1);
		memcpy(ret, "u-", n ? 2 : 1);
		ret[n ? n + 2 : 1] = '\0';
	}
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (!strcmp(ret, words[i]))
			strcat(ret, "-unit");
}

const char *bh_draft_tame(const char *text, char ret[BH_DRAFT_TAME])
{
	size_t n = 0;

	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		/* quotes and brackets in numbers are what libfyaml does not cope with */
		bool plain = *c >= 0x20 && *c < 0x7f && !strchr("'\"[]{}\\#", *c);

		if (n + 8 > BH_DRAFT_TAME) {
			strcpy(ret + n, "...");
			return ret;
		}
		n += (size_t)snprintf(ret + n, BH_DRAFT_TAME - n, plain ? "%c" : "\\x%02x", *c);
	}
	ret[n] = '\0';
	return ret;
}
