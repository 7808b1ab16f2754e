/* SPDX-License-Identifier: Apache-2.0 */
/* edit.c - see edit.h. */
#include <errno.h>
#include <string.h>
#include "edit.h"

#define CONTEXT 3

static int by_place(const void *a, const void *b)
{
	const struct bh_edit *x = a, *y = b;

	return (x->from > y->from) - (x->from < y->from);
}

static void sort(struct bh_edit *e, size_t n)
{
	if (n)
		qsort(e, n, sizeof(*e), by_place);
}

/* [from, to) of @text with those edits in it. */
static void put(FILE *out, const char *text, size_t from, size_t to, const struct bh_edit *e,
		size_t n)
{
	for (size_t i = 0; i < n; i++) {
		(void)fwrite(text + from, 1, e[i].from - from, out);
		(void)fputs(e[i].text, out);
		from = e[i].to;
	}
	(void)fwrite(text + from, 1, to - from, out);
}

char *bh_edit_apply(const char *text, size_t len, struct bh_edit *e, size_t n, size_t *ret_len)
{
	char *made = NULL;
	FILE *out = open_memstream(&made, ret_len);

	if (!out)
		return NULL;
	sort(e, n);
	put(out, text, 0, len, e, n);
	if (fclose(out)) {
		free(made);
		return NULL;
	}
	return made;
}

/* --- unified diff --------------------------------------------------------------------------------- */

/* Lines that change together: [from, to) by byte, and by number. */
struct chunk {
	size_t from, to, line, n_old, n_new;
	size_t edit, n_edit;
	char *made;
};

struct differ {
	const char *text;
	size_t len;
	struct chunk *v;
	size_t n;
};

static void differ_clear(struct differ *d)
{
	for (size_t i = 0; i < d->n; i++)
		free(d->v[i].made);
	free(d->v);
}

static size_t line_begin(const char *text, size_t at)
{
	while (at && text[at - 1] != '\n')
		at--;
	return at;
}

static size_t line_end(const char *text, size_t len, size_t at)
{
	const char *nl = at < len ? memchr(text + at, '\n', len - at) : NULL;

	return nl ? (size_t)(nl - text) + 1 : len;
}

static size_t count_lines(const char *text, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += text[i] == '\n' || i + 1 == len;
	return n;
}

static int make_chunks(struct differ *d, const struct bh_edit *e, size_t n)
{
	size_t line = 0, at = 0;

	d->v = calloc(n + 1, sizeof(*d->v));
	if (!d->v)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		size_t from = line_begin(d->text, e[i].from);
		size_t to = line_end(d->text, d->len, e[i].to > e[i].from ? e[i].to - 1 : e[i].to);
		struct chunk *last = d->n ? &d->v[d->n - 1] : NULL;

		if (last && from < last->to) {
			last->to = MAX(last->to, to);
			last->n_edit++;
			continue;
		}
		d->v[d->n++] = (struct chunk){.from = from, .to = to, .edit = i, .n_edit = 1};
	}
	for (size_t i = 0; i < d->n; i++) {
		struct chunk *c = &d->v[i];
		size_t made = 0;
		FILE *out = open_memstream(&c->made, &made);

		if (!out)
			return -ENOMEM;
		put(out, d->text, c->from, c->to, &e[c->edit], c->n_edit);
		if (fclose(out))
			return -ENOMEM;
		line += count_lines(d->text + at, c->from - at);
		c->line = line;
		c->n_old = count_lines(d->text + c->from, c->to - c->from);
		c->n_new = count_lines(c->made, made);
		line += c->n_old;
		at = c->to;
	}
	return 0;
}

static void put_lines(FILE *out, char sign, const char *text, size_t len)
{
	for (size_t at = 0; at < len;) {
		size_t end = line_end(text, len, at);

		fprintf(out, "%c%.*s", sign, (int)(end - at), text + at);
		if (text[end - 1] != '\n')
			fprintf(out, "\n\\ No newline at end of file\n");
		at = end;
	}
}

/* At most @n lines before @at. */
static size_t back(const char *text, size_t at, size_t least, size_t n)
{
	while (n-- && at > least)
		at = line_begin(text, at - 1);
	return at;
}

static size_t ahead(const char *text, size_t len, size_t at, size_t n)
{
	while (n-- && at < len)
		at = line_end(text, len, at);
	return at;
}

/* Chunks [a, b) in one hunk; @grown: by how many lines those before it made the text longer */
static void put_hunk(FILE *out, const struct differ *d, size_t a, size_t b, const struct bh_edit *e,
		     long grown)
{
	const struct chunk *first = &d->v[a], *last = &d->v[b - 1];
	size_t from = back(d->text, first->from, 0, CONTEXT);
	size_t to = ahead(d->text, d->len, last->to, CONTEXT), at = from;
	size_t line = first->line - count_lines(d->text + from, first->from - from);
	size_t n_old = count_lines(d->text + from, to - from), n_new = n_old;
	const char *before = " ";

	for (size_t i = a; i < b; i++)
		n_new += d->v[i].n_new - d->v[i].n_old;
	fprintf(out, "@@ -%zu,%zu +%ld,%zu @@", line + (n_old > 0), n_old,
		(long)line + grown + (n_new > 0), n_new);
	for (size_t i = first->edit; i < last->edit + last->n_edit; i++)
		if (e[i].why) {
			fprintf(out, "%s%s", before, e[i].why);
			before = "; ";
		}
	fputc('\n', out);
	for (size_t i = a; i < b; i++) {
		const struct chunk *c = &d->v[i];

		put_lines(out, ' ', d->text + at, c->from - at);
		put_lines(out, '-', d->text + c->from, c->to - c->from);
		put_lines(out, '+', c->made, strlen(c->made));
		at = c->to;
	}
	put_lines(out, ' ', d->text + at, to - at);
}

char *bh_edit_diff(const char *text, size_t len, struct bh_edit *e, size_t n, const char *name)
{
	_cleanup_(differ_clear) struct differ d = {.text = text, .len = len};
	char *made = NULL;
	size_t made_len;
	FILE *out = open_memstream(&made, &made_len);
	long grown = 0;
	int r;

	if (!out)
		return NULL;
	sort(e, n);
	r = make_chunks(&d, e, n);
	if (r == 0 && d.n)
		fprintf(out, "--- %s\n+++ %s\n", name, name);
	for (size_t a = 0, b; r == 0 && a < d.n; a = b) {
		for (b = a + 1; b < d.n; b++)
			if (d.v[b].line - (d.v[b - 1].line + d.v[b - 1].n_old) > 2 * CONTEXT)
				break;
		put_hunk(out, &d, a, b, e, grown);
		for (size_t i = a; i < b; i++)
			grown += (long)d.v[i].n_new - (long)d.v[i].n_old;
	}
	if (fclose(out) || r < 0) {
		free(made);
		return NULL;
	}
	return made;
}
