/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text.c - is this text, and is it any of the little that libfyaml 0.7 does not cope with?
 * Looked at before libfyaml sees it. Called by yaml.c.
 */
#include <errno.h>
#include <string.h>
#include "../base/utf8.h"
#include "internal.h"

/* libfyaml reads to the end of a line before it says that a bracket opens something. */
#define MAX_OPEN_BRACKETS 1000
/* Of many escaped quotes it leaks memory: github.com/pantoniou/libfyaml/issues/233. */
#define MAX_QUOTES 3

static int fail(const struct bh_map *map, struct bh_diags *d, struct bh_pos pos, const char *help,
		const char *text)
{
	bh_report_error(map, d, pos, help, "%s", text);
	return -EINVAL;
}

/* Where a line begins: is it one of the few that libfyaml 0.7 does not cope with? */
static int check_line(const struct bh_map *map, struct bh_diags *d, const char *s, int line)
{
	int open = 0, quotes = 0;

	/* A byte order mark hides nothing. */
	if (line == 1 && !strncmp(s, "\xef\xbb\xbf", 3))
		s += 3;
	if (*s == '%')
		return fail(map, d, (struct bh_pos){line, 1, 1}, "remove this line",
			    "YAML directives are not part of the language");
	for (int col = 0; *s && *s != '\n' && *s != '\r'; s++) {
		col += ((unsigned char)*s & 0xc0) != 0x80; /* characters, not bytes */
		open += *s == '[' || *s == '{';
		open -= *s == ']' || *s == '}';
		if (open > MAX_OPEN_BRACKETS)
			return fail(map, d, (struct bh_pos){line, col, 1}, NULL,
				    "too many open brackets");
		quotes = *s == '\'' ? quotes + 1 : 0;
		if (quotes > MAX_QUOTES)
			return fail(map, d, (struct bh_pos){line, col, 1},
				    "write it in double quotes", "too many quotes in a row");
	}
	return 0;
}

int bh_text_check(const struct bh_map *map, struct bh_diags *d)
{
	const char *s = map->text, *end = s + map->text_len;
	struct bh_pos pos = {1, 1, 1};
	int r = check_line(map, d, s, 1);

	while (!r && s < end) {
		unsigned code;
		int n = bh_utf8_next(s, &code);

		if (!n || (code < 0x20 && !strchr("\t\n\r", (int)code)) || !code || code == 0x7f) {
			bh_report_error(map, d, pos, "save the file as UTF-8 text",
					"byte 0x%02x is not text", (unsigned char)*s);
			return -EINVAL;
		}
		s += n;
		pos.col++;
		if (code == '\n' || (code == '\r' && *s != '\n')) {
			pos = (struct bh_pos){pos.line + 1, 1, 1};
			r = check_line(map, d, s, pos.line);
		}
	}
	return r;
}
