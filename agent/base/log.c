/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.c - lines on stderr. Everybody in the agent calls it; libraries below it return errors
 * instead.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include "log.h"

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

void bh_log(enum bh_level level, const char *fmt, ...)
{
	struct pollfd err = {.fd = STDERR_FILENO, .events = POLLOUT};
	char line[2048];
	int n, at;
	va_list ap;

	if (level > max_level)
		return;
	/* The journal reads levels only if it is the one who reads stderr. */
	if (getenv("JOURNAL_STREAM"))
		at = snprintf(line, sizeof(line), "<%d>", level);
	else
		at = snprintf(line, sizeof(line), "bulkheadd: %s: ", level_word(level));
	va_start(ap, fmt);
	n = vsnprintf(line + at, sizeof(line) - (size_t)at - 1, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	at = MIN(at + n, (int)sizeof(line) - 2);
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
