/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pairsfile.c - see pairsfile.h: {"names": [...], "rows": [[...]]}; in a row a name is its index,
 * -1 for none, and an address 32 hexadecimal digits.
 */
#include <errno.h>
#include <string.h>
#include "../base/io.h"
#include "pairsfile.h"
#include "seal.h"

static const struct bh_seal seal = {"pairs", 1, 64u << 20};

enum { UNIT, LOCAL, REMOTE, PEER, RULE, N_NAMES };

static int path_of(const char *dir, const char *name, char **ret)
{
	if (asprintf(ret, "%s/%s", dir, name) < 0) {
		*ret = NULL;
		return -ENOMEM;
	}
	return 0;
}

static void hex_of(const __u8 *data, size_t n, char *ret)
{
	static const char digit[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		ret[2 * i] = digit[data[i] >> 4];
		ret[2 * i + 1] = digit[data[i] & 15];
	}
	ret[2 * n] = '\0';
}

static bool hex_to(const json_t *j, __u8 *ret, size_t n)
{
	static const char digit[] = "0123456789abcdef";
	const char *s = json_string_value(j);

	if (!s || json_string_length(j) != 2 * n)
		return false;
	for (size_t i = 0; i < 2 * n; i++) {
		const char *at = s[i] ? strchr(digit, s[i]) : NULL;

		if (!at)
			return false;
		ret[i / 2] = (__u8)(i % 2 ? ret[i / 2] | (at - digit) : (at - digit) << 4);
	}
	return true;
}

/* --- writing ------------------------------------------------------------------------------------ */

struct saving {
	json_t *names, *index, *rows;
	bool unsaid; /* a name of the row is no UTF-8: nothing could tell of it */
};

/* Return: NULL without memory. */
static json_t *name_json(struct saving *s, const char *name)
{
	json_t *known = name ? json_object_get(s->index, name) : NULL, *number;
	json_auto_t *text = name && !known ? json_string(name) : NULL;

	s->unsaid |= name && !known && !text;
	if (!name || (!known && !text))
		return json_integer(-1);
	if (known)
		return json_incref(known);
	number = json_integer((json_int_t)json_array_size(s->names));
	if (json_array_append(s->names, text) < 0 || json_object_set(s->index, name, number) < 0) {
		json_decref(number);
		return NULL;
	}
	return number;
}

static int save_row(void *ctx, const struct bh_pair *p)
{
	struct saving *s = ctx;
	char addr[2 * sizeof(p->addr) + 1], distinct[2 * BH_DISTINCT_BYTES + 1] = "";
	json_t *row;

	s->unsaid = false;
	hex_of(p->addr.b, sizeof(p->addr), addr);
	if (p->many)
		hex_of(p->distinct, sizeof(p->distinct), distinct);
	row = json_pack("[o, o, o, o, o, s, I, i, i, i, i, b, i, I, I, I, I, I, s]",
			name_json(s, p->unit), name_json(s, p->local), name_json(s, p->remote),
			name_json(s, p->peer), name_json(s, p->rule), addr, (json_int_t)p->uid,
			p->port, p->proto, p->dir, p->verdict, p->inside, p->crypt,
			(json_int_t)p->times, (json_int_t)p->packets, (json_int_t)p->bytes,
			(json_int_t)p->first_ms, (json_int_t)p->last_ms, distinct);
	if (row && s->unsaid) {
		json_decref(row);
		return 0;
	}
	return json_array_append_new(s->rows, row);
}

int bh_pairsfile_save(const char *dir, const struct bh_pairs *p, struct bh_diags *d)
{
	_cleanup_free_ char *path = NULL;
	json_auto_t *names = json_array(), *index = json_object(), *rows = json_array();
	struct saving s = {names, index, rows, false};
	json_auto_t *body = NULL;
	int r = path_of(dir, seal.kind, &path);

	if (r == 0 && bh_pairs_each(p, save_row, &s) != 0)
		r = -ENOMEM;
	if (r == 0)
		body = json_pack("{s:O s:O}", "names", names, "rows", rows);
	if (!body) {
		(void)bh_diag_add(d, BH_ERROR, NULL, NULL, "%s/%s: no memory", dir, seal.kind);
		return -ENOMEM;
	}
	return bh_seal_write(path, &seal, body, NULL, d);
}

/* --- reading ------------------------------------------------------------------------------------ */

static bool name_of(const json_t *names, const json_t *j, const char **ret)
{
	json_int_t i = json_integer_value(j);

	*ret = NULL;
	if (!json_is_integer(j) || i < -1)
		return false;
	if (i == -1)
		return true;
	*ret = json_string_value(json_array_get(names, (size_t)i));
	return *ret && **ret && strlen(*ret) < 1024;
}

/* The next integer of the row, at most @max. */
static bool number_of(const json_t *row, size_t *at, __u64 max, __u64 *ret)
{
	const json_t *j = json_array_get(row, (*at)++);
	json_int_t v = json_integer_value(j);

	*ret = (__u64)v;
	return json_is_integer(j) && v >= 0 && *ret <= max;
}

static bool row_of(const json_t *names, const json_t *row, struct bh_pair *ret)
{
	const char **const name[N_NAMES] = {&ret->unit, &ret->local, &ret->remote, &ret->peer,
					    &ret->rule};
	const __u64 big = INT64_MAX;
	__u64 uid, port, proto, dir, verdict, crypt, times, packets, bytes, first, last;
	size_t at = N_NAMES;
	const json_t *inside, *distinct;

	*ret = (struct bh_pair){0};
	if (json_array_size(row) != 19)
		return false;
	for (size_t i = 0; i < N_NAMES; i++)
		if (!name_of(names, json_array_get(row, i), name[i]))
			return false;
	if (!hex_to(json_array_get(row, at++), ret->addr.b, sizeof(ret->addr)) ||
	    !number_of(row, &at, UINT32_MAX, &uid) || !number_of(row, &at, UINT16_MAX, &port) ||
	    !number_of(row, &at, UINT8_MAX, &proto) || !number_of(row, &at, 1, &dir) ||
	    !number_of(row, &at, BH_PAIR_VERDICTS - 1, &verdict))
		return false;
	inside = json_array_get(row, at++);
	if (!number_of(row, &at, UINT8_MAX, &crypt) || !number_of(row, &at, big, &times) ||
	    !number_of(row, &at, big, &packets) || !number_of(row, &at, big, &bytes) ||
	    !number_of(row, &at, big, &first) || !number_of(row, &at, big, &last))
		return false;
	distinct = json_array_get(row, at);
	ret->many = json_string_length(distinct) > 0;
	if (!json_is_boolean(inside) || !json_is_string(distinct) || !proto || !times ||
	    (ret->many && !hex_to(distinct, ret->distinct, sizeof(ret->distinct))))
		return false;
	ret->inside = json_is_true(inside);
	ret->uid = (__u32)uid;
	ret->port = (__u16)port;
	ret->proto = (__u8)proto;
	ret->dir = (__u8)dir;
	ret->verdict = (__u8)verdict;
	ret->crypt = (__u8)crypt;
	ret->times = times;
	ret->packets = packets;
	ret->bytes = bytes;
	ret->first_ms = (__s64)first;
	ret->last_ms = (__s64)last;
	return true;
}

static int bad(const char *path, struct bh_diags *d)
{
	(void)bh_diag_add(d, BH_ERROR, NULL, NULL, "%s: its content is not what the agent writes",
			  path);
	return -EBADMSG;
}

int bh_pairsfile_load(const char *dir, struct bh_pairs *p, struct bh_diags *d)
{
	_cleanup_free_ char *path = NULL;
	json_auto_t *body = NULL;
	const json_t *names, *rows, *row;
	struct bh_pair pair;
	size_t i;
	int r = path_of(dir, seal.kind, &path);

	if (r == 0)
		r = bh_seal_read(path, &seal, d, &body);
	if (r < 0)
		return r;
	names = json_object_get(body, "names");
	rows = json_object_get(body, "rows");
	if (!json_is_array(names) || !json_is_array(rows))
		return bad(path, d);
	json_array_foreach(rows, i, row)
	{
		if (!row_of(names, row, &pair))
			return bad(path, d);
	}
	json_array_foreach(rows, i, row)
	{
		/* what has no room is counted */
		if (row_of(names, row, &pair))
			(void)bh_pairs_add(p, &pair);
	}
	return 0;
}

int bh_pairsfile_set_aside(const char *dir)
{
	_cleanup_free_ char *from = NULL, *to = NULL;
	int r = path_of(dir, seal.kind, &from);

	if (r == 0)
		r = path_of(dir, "pairs.bad", &to);
	if (r == 0 && rename(from, to) < 0)
		r = -errno;
	return r;
}
