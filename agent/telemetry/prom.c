/* SPDX-License-Identifier: Apache-2.0 */
/* prom.c - see prom.h. */
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include "../base/cleanup.h"
#include "../base/utf8.h"
#include "prom.h"

void bh_prom_clear(struct bh_prom *p)
{
	free(p->text);
	*p = (struct bh_prom){0};
}

/* --- text ------------------------------------------------------------------------------------ */

static void put(struct bh_prom *p, const char *s, size_t n)
{
	if (p->failed)
		return;
	if (p->n + n + 1 > p->room) {
		size_t room = MAX((p->n + n + 1) * 2, (size_t)4096);
		char *more = realloc(p->text, room);

		if (!more) {
			p->failed = true;
			return;
		}
		p->text = more;
		p->room = room;
	}
	memcpy(p->text + p->n, s, n);
	p->n += n;
	p->text[p->n] = '\0';
}

static void put_text(struct bh_prom *p, const char *s)
{
	put(p, s, strlen(s));
}

/* A label's value: any UTF-8, but for three characters. The name of a device may be no text. */
static void put_value(struct bh_prom *p, const char *s)
{
	unsigned code;

	while (*s) {
		int n = bh_utf8_next(s, &code);

		if (*s == '\\' || *s == '"')
			put(p, "\\", 1);
		if (*s == '\n')
			put_text(p, "\\n");
		else if (!n)
			put(p, "?", 1);
		else
			put(p, s, (size_t)n);
		s += MAX(n, 1);
	}
}

/* --- families -------------------------------------------------------------------------------- */

void bh_prom_family(struct bh_prom *p, const char *name, enum bh_prom_type type, const char *help)
{
	p->name = name;
	put_text(p, "# HELP ");
	put_text(p, name);
	put_text(p, " ");
	for (const char *s = help; *s; s++) {
		if (*s == '\\')
			put(p, "\\", 1);
		put(p, *s == '\n' ? "\\n" : s, *s == '\n' ? 2 : 1);
	}
	put_text(p, "\n# TYPE ");
	put_text(p, name);
	put_text(p, type == BH_PROM_COUNTER ? " counter\n" : " gauge\n");
}

static void put_sample(struct bh_prom *p, const struct bh_prom_label *labels, const char *value)
{
	put_text(p, p->name);
	for (size_t i = 0; labels && labels[i].name; i++) {
		put_text(p, i ? "," : "{");
		put_text(p, labels[i].name);
		put_text(p, "=\"");
		put_value(p, labels[i].value ? labels[i].value : "");
		put(p, "\"", 1);
	}
	put_text(p, labels && labels->name ? "} " : " ");
	put_text(p, value);
	put(p, "\n", 1);
}

void bh_prom_u64(struct bh_prom *p, uint64_t value, const struct bh_prom_label *labels)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	put_sample(p, labels, text);
}

void bh_prom_ms(struct bh_prom *p, int64_t ms, const struct bh_prom_label *labels)
{
	uint64_t n = ms < 0 ? -(uint64_t)ms : (uint64_t)ms;
	char text[40];

	snprintf(text, sizeof(text), "%s%" PRIu64 ".%03" PRIu64, ms < 0 ? "-" : "", n / 1000,
		 n % 1000);
	put_sample(p, labels, text);
}

void bh_prom_gauge(struct bh_prom *p, const char *name, const char *help, uint64_t value)
{
	bh_prom_family(p, name, BH_PROM_GAUGE, help);
	bh_prom_u64(p, value, NULL);
}

void bh_prom_counter(struct bh_prom *p, const char *name, const char *help, uint64_t value)
{
	bh_prom_family(p, name, BH_PROM_COUNTER, help);
	bh_prom_u64(p, value, NULL);
}

void bh_prom_seconds(struct bh_prom *p, const char *name, const char *help, int64_t ms)
{
	bh_prom_family(p, name, BH_PROM_GAUGE, help);
	bh_prom_ms(p, ms, NULL);
}
