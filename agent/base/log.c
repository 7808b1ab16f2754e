/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.c - lines on stderr, and to the journal what has fields. Everybody in the agent calls it; libraries below it return errors
 * instead.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "log.h"

#define JOURNAL "/run/systemd/journal/socket"

static enum bh_level max_level = BH_LOG_INFO;

static const struct {
	const char *word;
	enum bh_level level;
} levels[] = {
	{"error", BH_LOG_ERROR}, {"warning", BH_LOG_WARNING}, {"notice", BH_LOG_NOTICE},
	{"info", BH_LOG_INFO},	 {"debug", BH_LOG_DEBUG},
};

void bh_log_set_max(enum bh_level max)
{
	max_level = max;
}

int bh_log_level_parse(const char *word, enum bh_level *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(levels); i++)
		if (!strcmp(word, levels[i].word)) {
			*ret = levels[i].level;
			return 0;
		}
	return -EINVAL;
}

static const char *level_word(enum bh_level level)
{
	for (size_t i = 0; i < ARRAY_SIZE(levels); i++)
		if (levels[i].level == level)
			return levels[i].word;
	return "?";
}

/*
 * Names and reasons are other people's: none makes a line of its own, with a level of its choice, or
 * moves a terminal's cursor. 0xc2 begins what UTF-8 has for the 8-bit control characters.
 */
static void tame(char *text, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)text[i], next = (unsigned char)text[i + 1];

		if (c == '\n' || c == '\r' || c == '\t')
			text[i] = ' ';
		else if (c < ' ' || c == 0x7f)
			text[i] = '?';
		else if (c == 0xc2 && next >= 0x80 && next < 0xa0)
			text[i] = text[i + 1] = '?';
	}
}

_printf_(2, 0) static void write_line(enum bh_level level, const char *fmt, va_list ap)
{
	struct pollfd err = {.fd = STDERR_FILENO, .events = POLLOUT};
	char line[2048];
	int n, at;

	/* The journal reads levels only if it is the one who reads stderr. */
	if (getenv("JOURNAL_STREAM"))
		at = snprintf(line, sizeof(line), "<%d>", level);
	else
		at = snprintf(line, sizeof(line), "bulkheadd: %s: ", level_word(level));
	n = vsnprintf(line + at, sizeof(line) - (size_t)at - 1, fmt, ap);
	if (n < 0)
		return;
	n = MIN(n, (int)sizeof(line) - 2 - at);
	tame(line + at, (size_t)n);
	at += n;
	line[at++] = '\n';
	/*
	 * One write, so that lines of several processes do not mix. A pipe that nobody reads
	 * loses it: it is shorter than PIPE_BUF, so what poll() promises is enough.
	 */
	if (poll(&err, 1, 0) != 1)
		return;
	if (write(STDERR_FILENO, line, (size_t)at) < 0)
		return;
}

void bh_log(enum bh_level level, const char *fmt, ...)
{
	va_list ap;

	if (level > max_level)
		return;
	va_start(ap, fmt);
	write_line(level, fmt, ap);
	va_end(ap);
}

/* https://systemd.io/JOURNAL_NATIVE_PROTOCOL: one datagram, not waited for. */
static bool write_journal(enum bh_level level, const char *const *field, size_t n, const char *text)
{
	const struct sockaddr_un to = {.sun_family = AF_UNIX, .sun_path = JOURNAL};
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	_cleanup_free_ char *all = NULL;
	size_t bytes;
	FILE *out;

	if (fd < 0)
		return false;
	out = open_memstream(&all, &bytes);
	if (!out)
		return false;
	fprintf(out, "PRIORITY=%d\nSYSLOG_IDENTIFIER=bulkheadd\nMESSAGE=%s\n", level, text);
	for (size_t i = 0; i < n; i++)
		fprintf(out, "%s\n", field[i]);
	if (fclose(out))
		return false;
	return sendto(fd, all, bytes, MSG_NOSIGNAL, (const struct sockaddr *)&to, sizeof(to)) ==
	       (ssize_t)bytes;
}

void bh_log_fields(enum bh_level level, const char *const *field, size_t n, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	if (level > max_level)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	tame(text, strlen(text));
	if (!getenv("JOURNAL_STREAM") || !write_journal(level, field, n, text))
		bh_log(level, "%s", text);
}

void bh_log_diags(const struct bh_diags *d)
{
	for (size_t i = 0; i < d->n; i++) {
		const struct bh_diag *f = &d->list[i];
		enum bh_level level = f->severity == BH_ERROR ? BH_LOG_ERROR : BH_LOG_WARNING;

		if (f->file)
			bh_log(level, "%s:%d:%d: %s%s%s", f->file, f->line, f->col, f->text,
			       f->help ? "; " : "", f->help ? f->help : "");
		else
			bh_log(level, "%s%s%s", f->text, f->help ? "; " : "",
			       f->help ? f->help : "");
	}
}
