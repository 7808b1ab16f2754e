/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.h - what the agent says on stderr: one line each, with the journal's "<n>" level in
 * front where systemd reads it. Never blocks the caller for long and never fails.
 */
#ifndef BH_LOG_H
#define BH_LOG_H

#include "diag.h"
#include "message_ids.h"

/* syslog's numbers */
enum bh_level {
	BH_LOG_ERROR = 3,
	BH_LOG_WARNING = 4,
	BH_LOG_NOTICE = 5,
	BH_LOG_INFO = 6,
	BH_LOG_DEBUG = 7
};

/* Say nothing above @max; the default is BH_LOG_INFO. */
void bh_log_set_max(enum bh_level max);
/* "error", "warning", "notice", "info", "debug". Return: 0, -EINVAL. */
int bh_log_level_parse(const char *word, enum bh_level *ret);

void bh_log(enum bh_level level, const char *fmt, ...) _printf_(2, 3);
/*
 * With fields of its own in the journal, where systemd reads us: "NAME=value" each, without line
 * breaks. Elsewhere the text alone, so it should say what the fields do.
 */
void bh_log_fields(enum bh_level level, const char *const *field, size_t n, const char *fmt, ...)
	_printf_(4, 5);
/* The same with a MESSAGE_ID of message_ids.h alone. */
#define bh_log_id(level, id, ...)                                                                  \
	bh_log_fields(level, (const char *const[]){"MESSAGE_ID=" id}, 1, __VA_ARGS__)
/* Each finding as a line of its own, with its help. */
void bh_log_diags(const struct bh_diags *d);

#define bh_error(...)	bh_log(BH_LOG_ERROR, __VA_ARGS__)
#define bh_warning(...) bh_log(BH_LOG_WARNING, __VA_ARGS__)
#define bh_notice(...)	bh_log(BH_LOG_NOTICE, __VA_ARGS__)
#define bh_info(...)	bh_log(BH_LOG_INFO, __VA_ARGS__)
#define bh_debug(...)	bh_log(BH_LOG_DEBUG, __VA_ARGS__)

#endif
