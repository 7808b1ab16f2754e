/* SPDX-License-Identifier: Apache-2.0 */
/* text.c - see text.h. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include "../../agent/base/utf8.h"
#include "text.h"

const json_t *bh_json_at(const json_t *object, const char *path)
{
	while (object) {
		size_t n = strcspn(path, ".");

		object = json_object_getn(object, path, n);
		if (!path[n])
			return object;
		path += n + 1;
	}
	return NULL;
}

const char *bh_json_str(const json_t *object, const char *path)
{
	const char *s = json_string_value(bh_json_at(object, path));

	return s ? s : "";
}

uint64_t bh_json_u64(const json_t *object, const char *path)
{
	const json_t *v = bh_json_at(object, path);

	if (json_is_string(v))
		return strtoull(json_string_value(v), NULL, 10);
	return json_integer_value(v) < 0 ? 0 : (uint64_t)json_integer_value(v);
}

/* --- values as text, and text that stays in its place ------------------------------------------ */

static char *tame_copy(const char *s)
{
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	if (!out)
		return NULL;
	while (*s) {
		unsigned c = 0;
		int len = bh_utf8_next(s, &c);

		if (!bh_utf8_is_harmful(c))
			(void)fwrite(s, 1, (size_t)len, out);
		else if (c == '\t' || c == '\n')
			(void)fputc(' ', out);
		else
			fprintf(out, c < 0x80 ? "\\x%02x" : "\\u%04x", c);
		s += len ? len : 1;
	}
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}

static void put_value(FILE *out, const json_t *value)
{
	const json_t *v;
	const char *key;
	size_t i;

	switch (json_typeof(value)) {
	case JSON_STRING:
		(void)fputs(json_string_value(value), out);
		break;
	case JSON_INTEGER:
		fprintf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		break;
	case JSON_REAL:
		fprintf(out, "%g", json_real_value(value));
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		(void)fputs(json_is_true(value) ? "yes" : "no", out);
		break;
	case JSON_NULL:
		break;
	case JSON_ARRAY:
		json_array_foreach(value, i, v)
		{
			(void)fputs(i ? ", " : "", out);
			put_value(out, v);
		}
		break;
	case JSON_OBJECT:
		i = 0;
		json_object_foreach((json_t *)value, key, v)
		{
			_cleanup_free_ char *name = tame_copy(key);

			fprintf(out, "%s%s=", i++ ? " " : "", name ? name : "?");
			put_value(out, v);
		}
		break;
	}
}

char *bh_json_text(const json_t *value)
{
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	if (!out)
		return NULL;
	if (value)
		put_value(out, value);
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}

static bool has_wild(const char *s)
{
	for (int len; *s; s += len ? len : 1) {
		unsigned c = 0;

		len = bh_utf8_next(s, &c);
		if (bh_utf8_is_harmful(c))
			return true;
	}
	return false;
}

static int tame_string(json_t *json)
{
	_cleanup_free_ char *copy = NULL;

	if (!has_wild(json_string_value(json)))
		return 0;
	copy = tame_copy(json_string_value(json));
	return copy && !json_string_set(json, copy) ? 0 : -ENOMEM;
}

int bh_json_tame(json_t *json)
{
	const char *key;
	json_t *v;
	size_t i;
	int r = 0;

	if (json_is_string(json))
		return tame_string(json);
	json_array_foreach(json, i, v) r = r ? r : bh_json_tame(v);
	json_object_foreach(json, key, v) r = r ? r : bh_json_tame(v);
	return r;
}

/* --- sizes and times -------------------------------------------------------------------------- */

const char *bh_size_text(uint64_t bytes, char ret[BH_SIZE_TEXT])
{
	static const char *const unit[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double size = (double)bytes;
	size_t i = 0;

	/* 1023.95 would be printed as 1024.0 */
	for (; size >= (i ? 1023.95 : 1024) && i + 1 < ARRAY_SIZE(unit); i++)
		size /= 1024;
	(void)snprintf(ret, BH_SIZE_TEXT, i ? "%.1f %s" : "%.0f %s", size, unit[i]);
	return ret;
}

int bh_time_parse(const char *rfc3339, int64_t *ret_s)
{
	struct tm tm = {};
	const char *end = strptime(rfc3339, "%Y-%m-%dT%H:%M:%S", &tm);
	int hours = 0, minutes = 0, n = 0;
	char sign = 0;

	if (!end)
		return -EINVAL;
	if (*end == '.')
		end += 1 + strspn(end + 1, "0123456789");
	if (strcmp(end, "Z") != 0 &&
	    (sscanf(end, "%c%2d:%2d%n", &sign, &hours, &minutes, &n) != 3 || end[n] ||
	     (sign != '+' && sign != '-')))
		return -EINVAL;
	*ret_s = timegm(&tm) - (sign == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
	return 0;
}

const char *bh_ago_text(const char *rfc3339, int64_t now_s, char ret[BH_AGO_TEXT])
{
	int64_t then, age;

	if (bh_time_parse(rfc3339, &then) < 0) {
		(void)snprintf(ret, BH_AGO_TEXT, "%s", rfc3339);
		return ret;
	}
	age = MAX(now_s - then, 0);
	if (age < 60)
		(void)snprintf(ret, BH_AGO_TEXT, "%" PRId64 " s ago", age);
	else if (age < 3600)
		(void)snprintf(ret, BH_AGO_TEXT, "%" PRId64 " min ago", age / 60);
	else if (age < 48 * 3600)
		(void)snprintf(ret, BH_AGO_TEXT, "%" PRId64 " h ago", age / 3600);
	else
		(void)snprintf(ret, BH_AGO_TEXT, "%" PRId64 " days ago", age / 86400);
	return ret;
}

const char *bh_span_text(uint64_t seconds, char ret[BH_SPAN_TEXT])
{
	if (seconds < 120)
		(void)snprintf(ret, BH_SPAN_TEXT, "%" PRIu64 " s", seconds);
	else if (seconds < 2 * 3600)
		(void)snprintf(ret, BH_SPAN_TEXT, "%" PRIu64 " min", (seconds + 30) / 60);
	else
		(void)snprintf(ret, BH_SPAN_TEXT, "%" PRIu64 " h", (seconds + 1800) / 3600);
	return ret;
}
