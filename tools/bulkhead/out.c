/* SPDX-License-Identifier: Apache-2.0 */
/*
 * out.c - where a command's answer goes: text or JSON, colour or not. Every command ends here
 * or in ask.c.
 */
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include "cli.h"

void bh_cli_init(struct bh_cli *cli)
{
	const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");
	bool may = !(no_colour && *no_colour) && !(term && !strcmp(term, "dumb"));
	struct winsize ws;

	cli->out = stdout;
	cli->err = stderr;
	cli->colour = may && isatty(STDOUT_FILENO);
	cli->colour_err = may && isatty(STDERR_FILENO);
	if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws))
		cli->width = ws.ws_col ? ws.ws_col : 80;
}

const char *bh_paint(const struct bh_cli *cli, enum bh_colour colour)
{
	static const char *const code[] = {
		[BH_PLAIN] = "\033[0m", [BH_BOLD] = "\033[1m",	 [BH_DIM] = "\033[2m",
		[BH_RED] = "\033[31m",	[BH_GREEN] = "\033[32m", [BH_YELLOW] = "\033[33m",
	};

	return cli->colour ? code[colour] : "";
}

void bh_json_print(const struct bh_cli *cli, const json_t *json, bool one_line)
{
	/* On a terminal not even an 8-bit control character of somebody's name gets through. */
	(void)json_dumpf(json, cli->out,
			 (one_line ? JSON_COMPACT : JSON_INDENT(2)) |
				 (cli->width ? JSON_ENSURE_ASCII : 0));
	(void)fputc('\n', cli->out);
}

/* What is not UTF-8 can't be a JSON string, and file names may be anything: "?" for what is not. */
static json_t *text_or_null(const char *s)
{
	_cleanup_free_ char *plain = NULL;
	json_t *j = s ? json_string(s) : json_null();

	if (j)
		return j;
	plain = strdup(s);
	for (char *p = plain; p && *p; p++)
		if ((unsigned char)*p >= 0x80)
			*p = '?';
	return plain ? json_string(plain) : NULL;
}

json_t *bh_diags_to_json(const struct bh_diags *d)
{
	json_t *list = json_array();

	for (size_t i = 0; i < d->n; i++) {
		const struct bh_diag *f = &d->list[i];

		(void)json_array_append_new(
			list, json_pack("{s:s s:o s:i s:i s:i s:o s:o s:o}", "severity",
					f->severity == BH_ERROR ? "error" : "warning", "file",
					text_or_null(f->file), "line", f->line, "col", f->col,
					"len", f->len, "text", text_or_null(f->text), "help",
					text_or_null(f->help), "source_line",
					text_or_null(f->source_line)));
	}
	return list;
}

static int small_int(const json_t *object, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(object, key));

	return n < 0 || n > 1000000000 ? 0 : (int)n;
}

void bh_diags_from_json(const json_t *list, struct bh_diags *ret)
{
	const json_t *f;
	size_t i;

	json_array_foreach(list, i, f)
	{
		const char *severity = json_string_value(json_object_get(f, "severity"));
		const char *source = json_string_value(json_object_get(f, "source_line"));
		const char *text = json_string_value(json_object_get(f, "text"));
		struct bh_where where = {
			.file = json_string_value(json_object_get(f, "file")),
			.line = small_int(f, "line"),
			.col = small_int(f, "col"),
			.len = small_int(f, "len"),
		};

		(void)bh_diag_add(
			ret, severity && !strcmp(severity, "warning") ? BH_WARNING : BH_ERROR,
			where.file ? &where : NULL, json_string_value(json_object_get(f, "help")),
			"%s", text ? text : "?");
		/* The line itself came along; where.text would have to be the whole file. */
		if (ret->n && source && !ret->list[ret->n - 1].source_line)
			ret->list[ret->n - 1].source_line = strdup(source);
	}
}

void bh_findings_print(const struct bh_cli *cli, const struct bh_diags *d)
{
	/* What was said before stands before it, also where both go to one file. */
	(void)fflush(cli->out);
	bh_diags_print(d, cli->err, cli->colour_err);
}

int bh_finish(struct bh_cli *cli, int code, json_t *data, const struct bh_diags *d)
{
	_cleanup_json_ json_t *answer = NULL;

	if (!cli->json) {
		json_decref(data);
		bh_findings_print(cli, d);
		return code;
	}
	answer = json_pack("{s:b s:i s:o s:o}", "ok", code == BH_EXIT_OK, "code", code, "data",
			   data ? data : json_object(), "diags", bh_diags_to_json(d));
	bh_json_print(cli, answer, cli->follow);
	return code;
}

int bh_fail(struct bh_cli *cli, int code, const char *help, const char *fmt, ...)
{
	_cleanup_diags_ struct bh_diags d = {};
	_cleanup_free_ char *text = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0)
		text = NULL;
	(void)bh_diag_add(&d, BH_ERROR, NULL, help, "%s", text ? text : "out of memory");
	return bh_finish(cli, code, NULL, &d);
}
