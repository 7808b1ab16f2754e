/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text.h - JSON values as people read them: paths into an answer, sizes, times, text that can't
 * move the cursor. Pure; used by every command that prints.
 */
#ifndef BH_TEXT_H
#define BH_TEXT_H

#include <jansson.h>
#include "../../agent/base/cleanup.h"

/* The value at @path ("remote.ip"), or NULL. */
const json_t *bh_json_at(const json_t *object, const char *path);

/* The string at @path, or "". */
const char *bh_json_str(const json_t *object, const char *path);

/* The number at @path, also if it is written as a string; 0 if there is none. */
uint64_t bh_json_u64(const json_t *object, const char *path);

/* Any value on one line: lists joined by ", ", objects as "key=value ...". Malloced; NULL: no memory. */
char *bh_json_text(const json_t *value);

/*
 * In every string of @json what a terminal would obey or could not show in its place is
 * written out ("\x1b", "\u202e"). Names come from cgroups, files and people. Return: 0, -ENOMEM.
 */
int bh_json_tame(json_t *json);

#define BH_SIZE_TEXT 32
/* "512 B", "1.5 KiB" */
const char *bh_size_text(uint64_t bytes, char ret[BH_SIZE_TEXT]);

#define BH_AGO_TEXT 48
/* RFC 3339 as "12 s ago", "3 min ago", "5 h ago", "8 days ago"; what is no time stays as it is. */
const char *bh_ago_text(const char *rfc3339, int64_t now_s, char ret[BH_AGO_TEXT]);

/* RFC 3339 to seconds since the epoch. Return: 0, -EINVAL. */
int bh_time_parse(const char *rfc3339, int64_t *ret_s);

#define BH_SPAN_TEXT 32
/* "5 min", "90 s", "2 h" */
const char *bh_span_text(uint64_t seconds, char ret[BH_SPAN_TEXT]);

#endif
