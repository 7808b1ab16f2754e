/* SPDX-License-Identifier: Apache-2.0 */
/* report.c - findings about a map, and what to do about them. Called all over this room. */
#include <errno.h>
#include <stdarg.h>
#include "internal.h"

static void report(const struct bh_map *map, struct bh_diags *d, enum bh_severity severity,
		   struct bh_pos pos, const char *help, const char *fmt, va_list ap) _printf_(6, 0);

static void report(const struct bh_map *map, struct bh_diags *d, enum bh_severity severity,
		   struct bh_pos pos, const char *help, const char *fmt, va_list ap)
{
	struct bh_where where = bh_map_where(map, pos);
	char text[1024] = "";

	if (severity == BH_ERROR && bh_diags_full(d)) {
		(void)bh_diag_add(d, severity, NULL, NULL, "%s", text);
		return;
	}
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	(void)bh_diag_add(d, severity, &where, help && *help ? help : NULL, "%s", text);
}

void bh_report_error(const struct bh_map *map, struct bh_diags *d, struct bh_pos pos,
		     const char *help, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	report(map, d, BH_ERROR, pos, help, fmt, ap);
	va_end(ap);
}

void bh_report_warning(const struct bh_map *map, struct bh_diags *d, struct bh_pos pos,
		       const char *help, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	report(map, d, BH_WARNING, pos, help, fmt, ap);
	va_end(ap);
}

const char *bh_help(char ret[BH_HELP_MAX], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(ret, BH_HELP_MAX, fmt, ap);
	va_end(ap);
	return ret;
}

int bh_fault_say(struct bh_fault *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(f->text, sizeof(f->text), fmt, ap);
	va_end(ap);
	return -EINVAL;
}

/* Beyond this many candidates a hundred errors would take seconds. */
#define MAX_CANDIDATES 5000

const char *bh_help_word(const struct bh_diags *d, char ret[BH_HELP_MAX], const char *word,
			 const char *const *words, size_t n, bool list)
{
	const char *near;
	size_t at;

	if (bh_diags_full(d) || n > MAX_CANDIDATES)
		return NULL;
	near = bh_nearest(word, words, n);
	if (near)
		return bh_help(ret, "did you mean '" BH_WORD "'?", near);
	if (!list || !n)
		return NULL;
	at = (size_t)snprintf(ret, BH_HELP_MAX, n == 1 ? "only %s is known" : "one of %s",
			      words[0]);
	for (size_t i = 1; i < n && at < BH_HELP_MAX; i++)
		at += (size_t)snprintf(ret + at, BH_HELP_MAX - at, ", %s", words[i]);
	return ret;
}
