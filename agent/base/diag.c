/* SPDX-License-Identifier: Apache-2.0 */
/*
 * diag.c - see diag.h: the list of findings, and how a person sees it. Everything that is
 * quoted comes from files that others wrote, so nothing reaches a terminal unescaped.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include "diag.h"
#include "utf8.h"

#define MAX_FINDINGS   100
#define MAX_LINE_BYTES 4096 /* a longer line is not quoted */
#define MAX_QUOTE      120  /* characters of a line that are shown */
#define MAX_WORD       64   /* a longer word is like nothing */

/* --- the list ------------------------------------------------------------------------------ */

/* The line numbered @line, copied. NULL if there is none or it is too long to be of use. */
static char *line_copy(const char *text, int line)
{
	size_t n;

	/* Byte by byte: strcspn() costs more than most lines are long. */
	for (; line > 1 && *text; text++)
		line -= *text == '\n' || (*text == '\r' && text[1] != '\n');
	if (line > 1)
		return NULL;
	n = strcspn(text, "\r\n");

	return n <= MAX_LINE_BYTES ? strndup(text, n) : NULL;
}

static struct bh_diag *room_for_one(struct bh_diags *d)
{
	/* Grows by doubling: at powers of two, from 8 on. */
	if (!d->n || (d->n >= 8 && !(d->n & (d->n - 1)))) {
		struct bh_diag *list = reallocarray(d->list, d->n ? d->n * 2 : 8, sizeof(*d->list));

		if (!list)
			return NULL;
		d->list = list;
	}
	d->list[d->n] = (struct bh_diag){0};
	return &d->list[d->n];
}

static void diag_free(struct bh_diag *f)
{
	free(f->file);
	free(f->text);
	free(f->help);
	free(f->source_line);
}

bool bh_diags_full(const struct bh_diags *d)
{
	return d->n_errors - d->n_dropped >= (d->max ? d->max : MAX_FINDINGS);
}

/* Counts the finding. Return: whether there is room to keep it. */
static bool count(struct bh_diags *d, enum bh_severity severity)
{
	size_t listed_errors = d->n_errors - d->n_dropped;
	size_t max = d->max ? d->max : MAX_FINDINGS;

	if (severity == BH_ERROR) {
		d->n_errors++;
		d->n_dropped += listed_errors >= max;
		return listed_errors < max;
	}
	d->n_muted += d->n - listed_errors >= max;
	return d->n - listed_errors < max;
}

int bh_diag_add(struct bh_diags *d, enum bh_severity severity, const struct bh_where *where,
		const char *help, const char *fmt, ...)
{
	int r = severity == BH_ERROR ? -EINVAL : 0;
	struct bh_diag *f;
	va_list ap;

	if (!count(d, severity))
		return r;
	f = room_for_one(d);
	if (!f) {
		d->n_dropped += severity == BH_ERROR;
		return r;
	}
	f->severity = severity;
	va_start(ap, fmt);
	if (vasprintf(&f->text, fmt, ap) < 0)
		f->text = NULL;
	va_end(ap);
	if (!f->text)
		f->text = strdup("out of memory");
	if (help)
		f->help = strdup(help);
	if (where && where->file)
		f->file = strdup(where->file);
	if (where && where->line > 0) {
		f->line = where->line;
		f->col = where->col;
		f->len = where->len;
		if (where->text)
			f->source_line = line_copy(where->text, where->line);
	}
	/* A finding without its words would be an error that nobody can read. */
	if (!f->text) {
		diag_free(f);
		d->n_dropped += severity == BH_ERROR;
		return r;
	}
	d->n++;
	return r;
}

void bh_diags_clear(struct bh_diags *d)
{
	size_t max = d->max;

	for (size_t i = 0; i < d->n; i++)
		diag_free(&d->list[i]);
	free(d->list);
	*d = (struct bh_diags){.max = max};
}

static int by_place(const void *a, const void *b)
{
	const struct bh_diag *x = a, *y = b;

	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	if (x->col != y->col)
		return x->col < y->col ? -1 : 1;
	return strcmp(x->text, y->text);
}

void bh_diags_sort(struct bh_diags *d, size_t from)
{
	if (d->n > from)
		qsort(d->list + from, d->n - from, sizeof(*d->list), by_place);
}

/* --- printing ------------------------------------------------------------------------------ */

/*
 * One character of @s, made harmless. With @one_cell what can't be shown becomes '?', so that
 * the caret below still points at the right place. Return: bytes of @s that were used.
 */
static int print_char(FILE *out, const char *s, bool one_cell)
{
	unsigned code;
	int n = bh_utf8_next(s, &code);

	if (n && !bh_utf8_is_harmful(code)) {
		(void)fwrite(s, 1, (size_t)n, out);
		return n;
	}
	if (one_cell)
		(void)fputc(*s == '\t' ? ' ' : '?', out);
	else if (!n || code < 0x80)
		fprintf(out, "\\x%02x", (unsigned char)*s);
	else
		fprintf(out, "\\u%04x", code);
	return n ? n : 1;
}

/* @indent: what stands before the second and later lines of @s */
static void print_text(FILE *out, const char *s, const char *indent)
{
	while (*s) {
		if (*s == '\n') {
			fprintf(out, "\n%s", indent);
			s++;
		} else {
			s += print_char(out, s, false);
		}
	}
}

/* @n characters of @s further on, or its end. */
static const char *skip_chars(const char *s, int n)
{
	unsigned code;

	for (int len; n > 0 && *s; n--, s += len ? len : 1)
		len = bh_utf8_next(s, &code);
	return s;
}

static void print_quote(const struct bh_diag *f, FILE *out, const char *green, const char *off)
{
	/* Of a long line the part around the place is shown. */
	int from = f->col > MAX_QUOTE ? f->col - MAX_QUOTE / 2 : 1;
	const char *s = skip_chars(f->source_line, from - 1), *end = skip_chars(s, MAX_QUOTE);
	int caret = f->col - from + (from > 1 ? 3 : 0);
	int width = snprintf(NULL, 0, "%5d", f->line);

	fprintf(out, "%*d | %s", width, f->line, from > 1 ? "..." : "");
	while (s < end)
		s += print_char(out, s, true);
	fprintf(out, "%s\n%*s | %*s%s^", *end ? "..." : "", width, "", caret, "", green);
	for (int i = 1; i < f->len && f->col + i < from + MAX_QUOTE; i++)
		(void)fputc('~', out);
	fprintf(out, "%s\n", off);
}

void bh_diags_print(const struct bh_diags *d, FILE *out, bool colour)
{
	const char *off = colour ? "\033[0m" : "", *bold = colour ? "\033[1m" : "";
	const char *red = colour ? "\033[1;31m" : "", *purple = colour ? "\033[1;35m" : "";
	const char *green = colour ? "\033[1;32m" : "";

	for (size_t i = 0; i < d->n; i++) {
		const struct bh_diag *f = &d->list[i];

		(void)fputs(bold, out);
		if (f->file) {
			print_text(out, f->file, "");
			(void)fputs(":", out);
			if (f->line)
				fprintf(out, "%d:%d:", f->line, f->col);
			(void)fputs(" ", out);
		}
		fprintf(out, "%s%s%s ", f->severity == BH_ERROR ? red : purple,
			f->severity == BH_ERROR ? "error:" : "warning:", off);
		print_text(out, f->text, "  ");
		(void)fputs("\n", out);
		if (f->source_line && f->col > 0)
			print_quote(f, out, green, off);
		if (f->help) {
			(void)fputs("      = help: ", out);
			print_text(out, f->help, "              ");
			(void)fputs("\n", out);
		}
	}
	if (d->n_dropped)
		fprintf(out, "and %zu more error%s\n", d->n_dropped, d->n_dropped == 1 ? "" : "s");
	if (d->n_muted)
		fprintf(out, "and %zu more warning%s\n", d->n_muted, d->n_muted == 1 ? "" : "s");
}

/* --- did you mean -------------------------------------------------------------------------- */

static int lower(char c)
{
	return tolower((unsigned char)c);
}

/*
 * Edits (a letter more, less, another, or two swapped) from @a to @b, case aside; more than
 * @most is returned as @most + 1. Optimal string alignment, three rows at a time.
 */
static int distance(const char *a, int na, const char *b, int nb, int most)
{
	int rows[3][MAX_WORD + 1];

	if (abs(na - nb) > most)
		return most + 1;
	for (int j = 0; j <= nb; j++)
		rows[0][j] = j;
	for (int i = 1; i <= na; i++) {
		int *row = rows[i % 3], *up = rows[(i + 2) % 3], *up2 = rows[(i + 1) % 3];
		int least = row[0] = i;

		for (int j = 1; j <= nb; j++) {
			bool same = lower(a[i - 1]) == lower(b[j - 1]);

			row[j] = MIN(up[j - 1] + !same, MIN(up[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
			    lower(a[i - 2]) == lower(b[j - 1]))
				row[j] = MIN(row[j], up2[j - 2] + 1);
			least = MIN(least, row[j]);
		}
		if (least > most)
			return most + 1;
	}
	return MIN(rows[na % 3][nb], most + 1);
}

const char *bh_nearest(const char *word, const char *const *words, size_t n)
{
	int len = (int)strnlen(word, MAX_WORD + 1), most = MAX(len, 3) / 3;
	const char *best = NULL;

	if (!len || len > MAX_WORD)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		int other = (int)strnlen(words[i], MAX_WORD + 1), d;

		if (other > MAX_WORD)
			continue;
		d = distance(word, len, words[i], other, most);
		if (d <= most) {
			best = words[i];
			most = d - 1;
			if (!d)
				break;
		}
	}
	return best;
}
