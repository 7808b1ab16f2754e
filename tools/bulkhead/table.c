/* SPDX-License-Identifier: Apache-2.0 */
/* table.c - see table.h. Called by get, flows and status. */
#include <errno.h>
#include <string.h>
#include <wchar.h>
#include <libsmartcols/libsmartcols.h>
#include "table.h"
#include "text.h"

static void table_unrefp(struct libscols_table **t)
{
	scols_unref_table(*t);
}

static void iter_freep(struct libscols_iter **i)
{
	scols_free_iter(*i);
}

static char *cell_text(const struct bh_column *column, const json_t *row)
{
	_cleanup_free_ char *text = NULL;

	text = column->cell ? column->cell(row) : bh_json_text(bh_json_at(row, column->path));
	if (text && *text)
		return TAKE_PTR(text);
	return strdup("-");
}

static int add_row(struct libscols_table *table, const json_t *row, const struct bh_column *columns,
		   size_t n_columns)
{
	struct libscols_line *line = scols_table_new_line(table, NULL);

	if (!line)
		return -ENOMEM;
	for (size_t i = 0; i < n_columns; i++) {
		_cleanup_free_ char *text = cell_text(&columns[i], row);

		if (!text || scols_line_set_data(line, i, text))
			return -ENOMEM;
	}
	return 0;
}

static struct libscols_table *new_table(const struct bh_cli *cli)
{
	struct libscols_table *table;

	scols_init_debug(0);
	table = scols_new_table();
	if (!table)
		return NULL;
	(void)scols_table_set_stream(table, cli->out);
	(void)scols_table_set_column_separator(table, "  ");
	(void)scols_table_set_termforce(table, cli->width ? SCOLS_TERMFORCE_ALWAYS
							  : SCOLS_TERMFORCE_NEVER);
	if (cli->width)
		(void)scols_table_set_termwidth(table, cli->width);
	(void)scols_table_enable_colors(table, cli->colour);
	return table;
}

/* --- cutting ---------------------------------------------------------------------------------- */

/* @text cut to @width cells, the last one says that something is missing. NULL: no memory. */
static char *cut_text(const char *text, size_t width)
{
	const char *more = MB_CUR_MAX > 1 ? "\u2026" : "+", *s = text;
	char *cut;
	size_t used = 0;

	if (!width)
		return strdup("");
	while (*s) {
		wchar_t c = L'?';
		int n = mbtowc(&c, s, MB_CUR_MAX), w = n > 0 ? wcwidth(c) : 1;

		if (used + (size_t)MAX(w, 0) > width - 1)
			break;
		used += (size_t)MAX(w, 0);
		s += MAX(n, 1);
	}
	return asprintf(&cut, "%.*s%s", (int)(s - text), text, more) < 0 ? NULL : cut;
}

static size_t text_width(const char *text)
{
	size_t n = mbstowcs(NULL, text, 0), width = 0;
	_cleanup_free_ wchar_t *w = NULL;

	if (n == (size_t)-1)
		return strlen(text);
	w = calloc(n + 1, sizeof(*w));
	if (!w)
		return strlen(text);
	(void)mbstowcs(w, text, n + 1);
	for (size_t i = 0; i < n; i++)
		width += (size_t)MAX(wcwidth(w[i]), 0);
	return width;
}

/* What does not fit its column, cut with a mark. Return: 0, -ENOMEM. */
static int cut_line(struct libscols_table *table, struct libscols_line *line,
		    const struct bh_column *columns, size_t n_columns)
{
	for (size_t i = 0; i < n_columns; i++) {
		size_t width = scols_column_get_width(scols_table_get_column(table, i));
		const char *text = scols_cell_get_data(scols_line_get_cell(line, i));
		_cleanup_free_ char *cut = NULL;

		if (!columns[i].cut || text_width(text) <= width)
			continue;
		cut = cut_text(text, width);
		if (!cut || scols_line_set_data(line, i, cut))
			return -ENOMEM;
	}
	return 0;
}

/*
 * libsmartcols cuts without a mark. So it lays the table out once for nothing, and what it
 * would cut in silence is cut here first. Return: 0, -ENOMEM.
 */
static int cut_cells(struct libscols_table *table, const struct bh_column *columns,
		     size_t n_columns)
{
	_cleanup_free_ char *ignored = NULL;
	_cleanup_(iter_freep) struct libscols_iter *lines = scols_new_iter(SCOLS_ITER_FORWARD);
	struct libscols_line *line;
	int r = lines ? scols_print_table_to_string(table, &ignored) : -ENOMEM;

	while (!r && !scols_table_next_line(table, lines, &line))
		r = cut_line(table, line, columns, n_columns);
	return r;
}

int bh_table_print(const struct bh_cli *cli, const json_t *rows, const struct bh_column *columns,
		   size_t n_columns)
{
	_cleanup_(table_unrefp) struct libscols_table *table = new_table(cli);
	const json_t *row;
	size_t i;
	int r;

	if (!table)
		return -ENOMEM;
	for (i = 0; i < n_columns; i++) {
		int flags = (columns[i].right ? SCOLS_FL_RIGHT : 0) |
			    (columns[i].cut ? SCOLS_FL_TRUNC : 0);
		struct libscols_column *c =
			scols_table_new_column(table, columns[i].name, 0, flags);

		if (!c)
			return -ENOMEM;
		(void)scols_cell_set_color(scols_column_get_header(c), "bold");
	}
	json_array_foreach(rows, i, row)
	{
		r = add_row(table, row, columns, n_columns);
		if (r < 0)
			return r;
	}
	r = cli->width ? cut_cells(table, columns, n_columns) : 0;
	return r < 0 ? r : scols_print_table(table);
}
