/* SPDX-License-Identifier: Apache-2.0 */
/* json.c - the shapes that values have in answers, the same for every verb. */
#include <arpa/inet.h>
#include <string.h>
#include "control.h"

json_t *bh_json_u64(__u64 v)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)v);
	return json_string(text);
}

json_t *bh_json_text(const char *s)
{
	_cleanup_free_ char *plain = NULL;
	json_t *j;

	if (!s)
		return json_null();
	j = json_string(s);
	if (j)
		return j;
	/* cgroups may have any bytes in their names */
	plain = strdup(s);
	for (char *p = plain; p && *p; p++)
		if ((unsigned char)*p >= 0x80)
			*p = '?';
	return plain ? json_string(plain) : NULL;
}

json_t *bh_json_wall_time(int64_t wall_ms)
{
	char text[BH_TIME_TEXT];

	return json_string(bh_time_format(wall_ms, text));
}

json_t *bh_json_boot_time(const struct bh_agent *a, __u64 boot_ns)
{
	int64_t ago_ms = ((int64_t)a->clock->boot_ns() - (int64_t)boot_ns) / 1000000;

	return bh_json_wall_time(a->clock->wall_ms() - ago_ms);
}

json_t *bh_json_addr(const struct bh_addr *addr)
{
	static const __u8 mapped[12] = {[10] = 0xff, [11] = 0xff};
	char text[INET6_ADDRSTRLEN];

	if (!memcmp(addr->b, mapped, sizeof(mapped)))
		inet_ntop(AF_INET, addr->b + 12, text, sizeof(text));
	else
		inet_ntop(AF_INET6, addr->b, text, sizeof(text));
	return json_string(text);
}

static json_t *diag_json(const struct bh_diag *f)
{
	return json_pack("{s:s s:o s:i s:i s:i s:o s:o s:o}", "severity",
			 f->severity == BH_ERROR ? "error" : "warning", "file",
			 bh_json_text(f->file), "line", f->line, "col", f->col, "len", f->len,
			 "text", bh_json_text(f->text), "help", bh_json_text(f->help),
			 "source_line", bh_json_text(f->source_line));
}

json_t *bh_json_diags(const struct bh_diags *d)
{
	json_auto_t *list = json_array();

	for (size_t i = 0; list && i < d->n; i++)
		if (json_array_append_new(list, diag_json(&d->list[i])) < 0)
			return NULL;
	if (d->n_dropped) {
		char text[64];

		snprintf(text, sizeof(text), "%zu more errors", d->n_dropped);
		(void)json_array_append_new(
			list, json_pack("{s:s s:s}", "severity", "error", "text", text));
	}
	return TAKE_PTR(list);
}

/* --- reasons ------------------------------------------------------------------------------- */

#define NAME_LINE(number, name, class, text) [number] = #name,
#define TEXT_LINE(number, name, class, text) [number] = text,

static const char *const reason_names[BH_REASON_MAX] = {BH_REASON_LIST(NAME_LINE)};
static const char *const reason_texts[BH_REASON_MAX] = {BH_REASON_LIST(TEXT_LINE)};

const char *bh_reason_name(enum bh_reason reason)
{
	static char lower[BH_REASON_MAX][24];
	char *s;

	if ((unsigned int)reason >= BH_REASON_MAX)
		return "unknown";
	s = lower[reason];
	if (*s)
		return s;
	if (!reason_names[reason]) {
		snprintf(s, sizeof(lower[0]), "reason_%u", (unsigned int)reason);
		return s;
	}
	for (size_t i = 0; reason_names[reason][i] && i < sizeof(lower[0]) - 1; i++) {
		char c = reason_names[reason][i];

		s[i] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
	}
	return s;
}

const char *bh_reason_text(enum bh_reason reason)
{
	if ((unsigned int)reason >= BH_REASON_MAX || !reason_texts[reason])
		return "a reason that this agent does not know";
	return reason_texts[reason];
}
