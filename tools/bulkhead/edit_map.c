/* SPDX-License-Identifier: Apache-2.0 */
/* edit_map.c - places of a segment map as bytes of its text, and how it is written there. See edit.h. */
#include <errno.h>
#include <string.h>
#include "edit.h"

static size_t line_start(const struct bh_map *map, int line)
{
	size_t at = 0;

	for (; line > 1 && at < map->text_len; line--) {
		const char *nl = memchr(map->text + at, '\n', map->text_len - at);

		at = nl ? (size_t)(nl - map->text) + 1 : map->text_len;
	}
	return at;
}

/* Columns are characters, not bytes. */
static size_t go(const struct bh_map *map, size_t at, int n)
{
	for (; n > 0 && at < map->text_len && map->text[at] != '\n'; n--)
		do
			at++;
		while (at < map->text_len && (map->text[at] & 0xc0) == 0x80);
	return at;
}

bool bh_edit_span(const struct bh_map *map, struct bh_pos pos, size_t *ret_from, size_t *ret_to)
{
	if (pos.line < 1 || pos.col < 1 || pos.len < 1)
		return false;
	*ret_from = go(map, line_start(map, pos.line), pos.col - 1);
	*ret_to = go(map, *ret_from, pos.len);
	/* the mark of a word in quotes may be of what is inside */
	if (*ret_from && *ret_to < map->text_len && strchr("\"'", map->text[*ret_from - 1]) &&
	    map->text[*ret_to] == map->text[*ret_from - 1]) {
		--*ret_from;
		++*ret_to;
	}
	return *ret_to > *ret_from;
}

static size_t next_line(const struct bh_map *map, size_t at)
{
	const char *nl = memchr(map->text + at, '\n', map->text_len - at);

	return nl ? (size_t)(nl - map->text) + 1 : map->text_len;
}

/* Spaces that the line at @at begins with; *ret_empty: nothing else but a comment. */
static size_t indent_of(const struct bh_map *map, size_t at, bool *ret_empty)
{
	size_t n = 0;

	while (at + n < map->text_len && map->text[at + n] == ' ')
		n++;
	*ret_empty = at + n == map->text_len || strchr("\r\n#", map->text[at + n]);
	return n;
}

/* Is there nothing before @at on its line but a dash? *ret_indent: that one's */
static bool behind_dash(const struct bh_map *map, size_t at, size_t *ret_begin, size_t *ret_indent)
{
	size_t begin = at, n;
	bool empty;

	while (begin && map->text[begin - 1] != '\n')
		begin--;
	n = indent_of(map, begin, &empty);
	*ret_begin = begin;
	*ret_indent = n;
	if (begin + n >= at || map->text[begin + n] != '-')
		return false;
	return begin + n + 1 < at && strspn(map->text + begin + n + 1, " ") >= at - (begin + n + 1);
}

bool bh_edit_item(const struct bh_map *map, struct bh_pos pos, size_t *ret_from, size_t *ret_to)
{
	size_t from, to, indent, end;
	bool empty;

	if (!bh_edit_span(map, pos, &from, &to) || !behind_dash(map, from, ret_from, &indent))
		return false;
	end = next_line(map, from);
	for (size_t at = end; at < map->text_len; at = next_line(map, at)) {
		size_t n = indent_of(map, at, &empty);

		if (!empty && n <= indent)
			break;
		if (!empty)
			end = next_line(map, at);
	}
	*ret_to = end;
	return true;
}

/* --- lists ---------------------------------------------------------------------------------------- */

struct list {
	size_t from, to, indent;
	enum { LIST_WORD, LIST_FLOW, LIST_BLOCK } how;
};

static bool only(const struct bh_map *map, size_t from, size_t to, const char *these)
{
	return from <= to && strspn(map->text + from, these) >= to - from;
}

static bool how_written(const struct bh_map *map, const struct bh_pos *pos, size_t n,
			struct list *ret)
{
	size_t from, to, last = 0, begin, before;

	for (size_t i = 0; i < n; i++) {
		if (!bh_edit_span(map, pos[i], &from, &to))
			return false;
		if (i == 0) {
			ret->from = from;
			before = from;
			while (before && strchr(" \t", map->text[before - 1]))
				before--;
			ret->how = before && map->text[before - 1] == '['	  ? LIST_FLOW
				   : behind_dash(map, from, &begin, &ret->indent) ? LIST_BLOCK
										  : LIST_WORD;
		} else if (ret->how == LIST_WORD ||
			   !only(map, last, from, ret->how == LIST_FLOW ? " \t\n," : " \t\n-")) {
			return false;
		}
		last = to;
	}
	ret->to = last;
	return n > 0;
}

int bh_edit_list(const struct bh_map *map, const struct bh_pos *pos, size_t n,
		 const char *const *word, size_t n_word, struct bh_edit *ret)
{
	struct list l = {0};
	char *text = NULL;
	size_t len;
	FILE *out;

	if (!how_written(map, pos, n, &l))
		return -EOPNOTSUPP;
	out = open_memstream(&text, &len);
	if (!out)
		return -ENOMEM;
	if (l.how == LIST_WORD && n_word > 1)
		fputc('[', out);
	for (size_t i = 0; i < n_word; i++) {
		if (i && l.how == LIST_BLOCK)
			fprintf(out, "\n%*s- ", (int)l.indent, "");
		else if (i)
			fputs(", ", out);
		fputs(word[i], out);
	}
	if (l.how == LIST_WORD && n_word > 1)
		fputc(']', out);
	if (fclose(out)) {
		free(text);
		return -ENOMEM;
	}
	*ret = (struct bh_edit){.from = l.from, .to = l.to, .text = text};
	return 0;
}
