/* SPDX-License-Identifier: Apache-2.0 */
/*
 * diag.h - errors and warnings collected in one pass, each with where and what to do.
 *
 * Library code adds to a list and returns -errno; whoever talks to a person prints it:
 *
 *	shop.yaml:6:5: error: unknown key 'mtach'
 *	    6 |     mtach: { unit: postgresql.service }
 *	      |     ^~~~~
 *	      = help: did you mean 'match'?
 */
#ifndef BH_DIAG_H
#define BH_DIAG_H

#include <stdarg.h>
#include "cleanup.h"

enum bh_severity { BH_ERROR, BH_WARNING };

struct bh_diag {
	enum bh_severity severity;
	char *file; /* NULL: not about a file */
	int line;   /* from 1; 0 = the whole file */
	int col;    /* from 1 */
	int len;    /* characters to underline; 0 or 1 = a caret only */
	char *text;
	char *help;	   /* NULL = none */
	char *source_line; /* the line itself; NULL = not known */
};

struct bh_diags {
	struct bh_diag *list;
	size_t n;
	size_t n_errors;
	size_t max; /* after this many errors (or warnings) the rest is only counted; 0 = 100 */
	size_t n_dropped; /* errors beyond @max; they are in @n_errors too */
	size_t n_muted;	  /* warnings beyond @max */
};

struct bh_where {
	const char *file;
	const char *text; /* the whole source, for the quoted line; may be NULL */
	int line, col, len;
};

/**
 * bh_diag_add - note one finding
 * @d: the list
 * @severity: error or warning
 * @where: place, or NULL
 * @help: what to do, or NULL; copied
 * @fmt: what is wrong, without a full stop
 *
 * Return: -EINVAL for errors, so that a caller can `return bh_diag_add(...)`; 0 for warnings.
 */
int bh_diag_add(struct bh_diags *d, enum bh_severity severity, const struct bh_where *where,
		const char *help, const char *fmt, ...) _printf_(5, 6);

/* Whether another error would only be counted: no need to work out its help. */
bool bh_diags_full(const struct bh_diags *d);

/* By line and column, the findings from index @from on (all of one file). */
void bh_diags_sort(struct bh_diags *d, size_t from);

/* Print every finding in the form above; colour only where @colour says so. */
void bh_diags_print(const struct bh_diags *d, FILE *out, bool colour);

void bh_diags_clear(struct bh_diags *d);

/**
 * bh_nearest - the candidate most like @word (did-you-mean)
 * Return: an element of @words, or NULL if none is near.
 */
const char *bh_nearest(const char *word, const char *const *words, size_t n);

#define _cleanup_diags_ _cleanup_(bh_diags_clear)

#endif
