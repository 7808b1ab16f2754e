/* SPDX-License-Identifier: Apache-2.0 */
/* holdfile.c - quarantines and grants as JSON, and back; see holds.h. */
#include <errno.h>
#include <string.h>
#include "holds.h"
#include "policy/cidr.h"

/* --- to JSON ------------------------------------------------------------------------------------ */

static const char *const kinds[] = {"segment", "unit", "address"};

static int put_note(json_t *o, const struct bh_hold_note *n)
{
	char until[24];

	snprintf(until, sizeof(until), "%llu", (unsigned long long)n->until_ns);
	return json_object_set_new(o, "reason", json_string(n->reason)) < 0 ||
			       json_object_set_new(o, "by", json_string(n->by)) < 0 ||
			       json_object_set_new(o, "at_ms", json_integer(n->at_ms)) < 0 ||
			       json_object_set_new(o, "until_ms", json_integer(n->until_ms)) < 0 ||
			       json_object_set_new(o, "until_ns", json_string(until)) < 0
		       ? -ENOMEM
		       : 0;
}

static int append(json_t *list, json_t *o, const struct bh_hold_note *n)
{
	if (!o)
		return -ENOMEM;
	if (put_note(o, n) < 0) {
		json_decref(o);
		return -ENOMEM;
	}
	return json_array_append_new(list, o) < 0 ? -ENOMEM : 0;
}

json_t *bh_holds_json(const struct bh_holds *h)
{
	json_auto_t *holds = json_array(), *grants = json_array();
	char boot[BH_BOOT_ID];

	for (size_t i = 0; i < h->n_hold; i++)
		if (append(holds,
			   json_pack("{s:s s:s s:b s:i}", "kind", kinds[h->hold[i].kind], "who",
				     h->hold[i].who, "hard", h->hold[i].hard, "slot",
				     (int)h->hold[i].slot),
			   &h->hold[i].note) < 0)
			return NULL;
	for (size_t i = 0; i < h->n_granted; i++) {
		const struct bh_granted *g = &h->granted[i];

		if (append(grants,
			   json_pack("{s:i s:s? s:s? s:s? s:s? s:s? s:I}", "id", (int)g->id, "rule",
				     g->rule, "from", g->from, "to", g->to, "port", g->port, "user",
				     g->user, "uid", (json_int_t)g->uid),
			   &g->note) < 0)
			return NULL;
	}
	if (bh_boot_id(boot) < 0)
		*boot = '\0';
	return json_pack("{s:s s:i s:O s:O}", "boot_id", boot, "last_id", (int)h->last_id,
			 "quarantines", holds, "grants", grants);
}

/* --- and back ------------------------------------------------------------------------------------ */

/* A string or null. */
static int text_of(const json_t *o, const char *key, char **ret)
{
	const json_t *j = json_object_get(o, key);

	*ret = NULL;
	if (!j || json_is_null(j))
		return 0;
	if (!json_is_string(j))
		return -EBADMSG;
	*ret = strdup(json_string_value(j));
	return *ret ? 0 : -ENOMEM;
}

static int note_of(const json_t *o, struct bh_hold_note *n)
{
	const char *until = json_string_value(json_object_get(o, "until_ns"));
	char *end;
	int r = text_of(o, "reason", &n->reason);

	if (r == 0)
		r = text_of(o, "by", &n->by);
	if (r < 0)
		return r;
	if (!until || *until < '0' || *until > '9')
		return -EBADMSG;
	n->until_ns = strtoull(until, &end, 10);
	n->at_ms = json_integer_value(json_object_get(o, "at_ms"));
	n->until_ms = json_integer_value(json_object_get(o, "until_ms"));
	return *end ? -EBADMSG : 0;
}

static int kind_of(const char *word)
{
	for (size_t i = 0; word && i < ARRAY_SIZE(kinds); i++)
		if (!strcmp(word, kinds[i]))
			return (int)i;
	return -EBADMSG;
}

static int hold_of(const json_t *o, struct bh_holds *ret)
{
	int kind = kind_of(json_string_value(json_object_get(o, "kind"))), r;
	struct bh_hold h = {
		.hard = json_is_true(json_object_get(o, "hard")),
		.slot = (__u32)json_integer_value(json_object_get(o, "slot")),
	};
	struct bh_fault f;

	r = kind < 0 ? kind : text_of(o, "who", &h.who);
	if (r == 0 && !h.who)
		r = -EBADMSG;
	if (r == 0)
		h.kind = (enum bh_hold_kind)kind;
	if (r == 0 && h.kind == BH_HOLD_ADDRESS && bh_cidr_parse(h.who, &h.cidr, &f) < 0)
		r = -EBADMSG;
	if (r == 0)
		r = note_of(o, &h.note);
	if (r < 0) {
		bh_hold_clear(&h);
		return r;
	}
	return bh_holds_add(ret, &h);
}

static int granted_of(const json_t *o, struct bh_holds *ret)
{
	struct bh_granted g = {
		.id = (unsigned int)json_integer_value(json_object_get(o, "id")),
		.uid = (__u32)json_integer_value(json_object_get(o, "uid")),
	};
	int r = text_of(o, "rule", &g.rule);

	if (r == 0)
		r = text_of(o, "from", &g.from);
	if (r == 0)
		r = text_of(o, "to", &g.to);
	if (r == 0)
		r = text_of(o, "port", &g.port);
	if (r == 0)
		r = text_of(o, "user", &g.user);
	if (r == 0)
		r = note_of(o, &g.note);
	if (r == 0 && ((!g.rule && !(g.from && g.to && g.port)) || !g.note.until_ns))
		r = -EBADMSG;
	if (r < 0) {
		bh_granted_clear(&g);
		return r;
	}
	return bh_granted_add(ret, &g);
}

int bh_holds_of_json(const json_t *j, struct bh_holds *ret)
{
	const json_t *o;
	size_t i;
	int r = 0;

	json_array_foreach(json_object_get(j, "quarantines"), i, o)
	{
		if (r == 0)
			r = hold_of(o, ret);
	}
	json_array_foreach(json_object_get(j, "grants"), i, o)
	{
		if (r == 0)
			r = granted_of(o, ret);
	}
	ret->last_id = (unsigned int)json_integer_value(json_object_get(j, "last_id"));
	return r;
}
