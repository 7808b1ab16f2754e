/* SPDX-License-Identifier: Apache-2.0 */
/* talks.c - see talks.h. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include "talks.h"
#include "text.h"

#define TWINS 4096

struct bh_talks {
	enum bh_talks_by by;
	bool forgets;
	struct bh_talk *v;
	size_t n, room, left_out;
	/* what one end told and the other may tell, too */
	struct {
		uint64_t hash;
		int balance; /* > 0: the sender told of it */
	} twin[TWINS];
};

struct bh_talks *bh_talks_new(enum bh_talks_by by, bool forgets)
{
	struct bh_talks *t = calloc(1, sizeof(*t));

	if (t) {
		t->by = by;
		t->forgets = forgets;
	}
	return t;
}

static void clear(struct bh_talk *talk)
{
	free(talk->from);
	free(talk->to);
	free(talk->port);
}

void bh_talks_free(struct bh_talks *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->n; i++)
		clear(&t->v[i]);
	free(t->v);
	free(t);
}

size_t bh_talks_count(const struct bh_talks *t)
{
	return t->n;
}

const struct bh_talk *bh_talks_at(const struct bh_talks *t, size_t i)
{
	return &t->v[i];
}

size_t bh_talks_left_out(const struct bh_talks *t)
{
	return t->left_out;
}

const char *bh_talk_verdict_word(enum bh_talk_verdict verdict)
{
	return verdict == BH_TALK_ALLOWED   ? "allowed"
	       : verdict == BH_TALK_AUDITED ? "audited"
					    : "denied";
}

/* --- whose row it is --------------------------------------------------------------------------- */

static bool is_outbound(const json_t *row)
{
	return !strcmp(bh_json_str(row, "direction"), "egress");
}

static const json_t *sender(const json_t *row)
{
	return json_object_get(row, is_outbound(row) ? "local" : "remote");
}

static const json_t *receiver(const json_t *row)
{
	return json_object_get(row, is_outbound(row) ? "remote" : "local");
}

static uint64_t hash_of(uint64_t h, const char *s)
{
	/* FNV-1a, with the NUL: "ab" "c" is not "a" "bc" */
	do
		h = (h ^ (unsigned char)*s) * 0x100000001b3ull;
	while (*s++);
	return h;
}

#define HASH_BEGIN 0xcbf29ce484222325ull

/* A begin is told at connect(), where the sender's own address and port are not known yet. */
static uint64_t twin_hash(const json_t *row, bool begins)
{
	char numbers[64];
	uint64_t h = hash_of(HASH_BEGIN, bh_json_str(row, "type"));

	(void)snprintf(numbers, sizeof(numbers), "%" PRIu64 " %" PRIu64,
		       bh_json_u64(receiver(row), "port"),
		       begins ? 0 : bh_json_u64(sender(row), "port"));
	h = hash_of(hash_of(h, bh_json_str(row, "proto")), numbers);
	h = hash_of(h, bh_json_str(receiver(row), "ip"));
	return hash_of(h, bh_json_str(sender(row), begins ? "segment" : "ip"));
}

/* Whether the other end on this host told of the same already. */
static bool is_told(struct bh_talks *t, const json_t *row)
{
	const char *type = bh_json_str(row, "type");
	bool begins = !strcmp(type, "begin"), out = is_outbound(row);
	uint64_t h = twin_hash(row, begins);
	typeof(&t->twin[0]) twin = &t->twin[h % TWINS];
	int mine = out ? 1 : -1;

	if (!begins && strcmp(type, "end") != 0 && strcmp(type, "update") != 0)
		return false;
	if (twin->hash != h) {
		twin->hash = h;
		twin->balance = 0;
	}
	if (twin->balance * mine < 0) {
		twin->balance += mine;
		return true;
	}
	/* who connects is told of first: a receiver waits for nobody */
	if (begins ? out : !twin->balance)
		twin->balance += mine;
	return false;
}

/* --- conversations ------------------------------------------------------------------------------ */

static const char *name_of(const struct bh_talks *t, const json_t *end)
{
	const char *segment = bh_json_str(end, "segment"), *name = "";

	if (t->by == BH_BY_UNIT)
		name = bh_json_str(end, "unit");
	else if (t->by == BH_BY_ADDRESS)
		name = bh_json_str(end, "ip");
	return *name ? name : *segment ? segment : "?";
}

static char *port_of(const json_t *row)
{
	const char *proto = bh_json_str(row, "proto");
	uint64_t port = bh_json_u64(receiver(row), "port");
	bool has_port = !strcmp(proto, "tcp") || !strcmp(proto, "udp") || !strcmp(proto, "udplite");
	char *text = NULL;

	if (!has_port)
		return strdup(*proto ? proto : "?");
	return asprintf(&text, "%s/%" PRIu64, proto, port) < 0 ? NULL : text;
}

static enum bh_talk_verdict verdict_of(const json_t *row)
{
	const char *verdict = bh_json_str(row, "verdict");

	return !strcmp(verdict, "allowed")   ? BH_TALK_ALLOWED
	       : !strcmp(verdict, "audited") ? BH_TALK_AUDITED
					     : BH_TALK_DENIED;
}

static bool is_deny(const json_t *row)
{
	const char *type = bh_json_str(row, "type");

	return !strcmp(type, "deny") || !strcmp(type, "would_deny");
}

static struct bh_talk *add_talk(struct bh_talks *t, const struct bh_talk *like)
{
	struct bh_talk *more, *talk;

	if (t->n == t->room) {
		size_t room = t->room ? t->room * 2 : 32;

		more = reallocarray(t->v, room, sizeof(*more));
		if (!more)
			return NULL;
		t->v = more;
		t->room = room;
	}
	talk = &t->v[t->n];
	*talk = *like;
	talk->from = strdup(like->from);
	talk->to = strdup(like->to);
	talk->port = strdup(like->port);
	if (!talk->from || !talk->to || !talk->port) {
		clear(talk);
		return NULL;
	}
	t->n++;
	return talk;
}

/* *ret is NULL where there is no room for one more. Return: 0, -ENOMEM. */
static int find(struct bh_talks *t, const json_t *row, struct bh_talk **ret)
{
	_cleanup_free_ char *port = port_of(row);
	struct bh_talk like = {.from = (char *)name_of(t, sender(row)),
			       .to = (char *)name_of(t, receiver(row)),
			       .port = port,
			       .verdict = verdict_of(row)};

	*ret = NULL;
	if (!port)
		return -ENOMEM;
	like.hash = hash_of(hash_of(hash_of(HASH_BEGIN, like.from), like.to), port) ^ like.verdict;
	for (size_t i = 0; i < t->n; i++) {
		struct bh_talk *talk = &t->v[i];

		if (talk->hash == like.hash && talk->verdict == like.verdict &&
		    !strcmp(talk->from, like.from) && !strcmp(talk->to, like.to) &&
		    !strcmp(talk->port, port)) {
			*ret = talk;
			return 0;
		}
	}
	if (t->n == BH_TALKS_MAX) {
		t->left_out++;
		return 0;
	}
	*ret = add_talk(t, &like);
	return *ret ? 0 : -ENOMEM;
}

static void add_sum(struct bh_talk_sum *to, const struct bh_talk_sum *more)
{
	to->packets += more->packets;
	to->bytes += more->bytes;
	to->flows += more->flows;
	to->denied += more->denied;
}

int bh_talks_add(struct bh_talks *t, const json_t *row)
{
	struct bh_talk_sum sum = {
		.packets = bh_json_u64(row, "packets_in") + bh_json_u64(row, "packets_out"),
		.bytes = bh_json_u64(row, "bytes_in") + bh_json_u64(row, "bytes_out"),
		.flows = !strcmp(bh_json_str(row, "type"), "begin"),
	};
	struct bh_talk *talk;
	int64_t at_s = 0, part;
	size_t i;
	int r;

	if (!json_is_object(row) || is_told(t, row))
		return 0;
	r = find(t, row, &talk);
	if (r < 0 || !talk)
		return r;
	if (is_deny(row))
		sum.denied = 1 + bh_json_u64(row, "suppressed");
	if (!t->forgets) {
		add_sum(&talk->sum, &sum);
		return 0;
	}
	(void)bh_time_parse(bh_json_str(row, "time"), &at_s);
	part = MAX(at_s, 0) / BH_TALKS_PART_S;
	i = (size_t)part % ARRAY_SIZE(talk->part);
	if (talk->part[i].part > part)
		return 0;
	if (talk->part[i].part < part) {
		talk->part[i].part = part;
		talk->part[i].sum = (struct bh_talk_sum){0};
	}
	add_sum(&talk->part[i].sum, &sum);
	return 0;
}

void bh_talks_sum(struct bh_talks *t, int64_t now_s)
{
	int64_t oldest = (now_s - BH_TALKS_SPAN_S) / BH_TALKS_PART_S;
	size_t n = 0;

	for (size_t i = 0; t->forgets && i < t->n; i++) {
		struct bh_talk *talk = &t->v[i];
		bool any = false;

		talk->sum = (struct bh_talk_sum){0};
		for (size_t k = 0; k < ARRAY_SIZE(talk->part); k++) {
			if (talk->part[k].part <= oldest)
				continue;
			any = true;
			add_sum(&talk->sum, &talk->part[k].sum);
		}
		if (any)
			t->v[n++] = *talk;
		else
			clear(talk);
	}
	if (t->forgets)
		t->n = n;
}

/* --- in order --------------------------------------------------------------------------------------- */

static uint64_t value(const struct bh_talk *talk, enum bh_talks_sort by)
{
	switch (by) {
	case BH_SORT_BYTES:
		return talk->sum.bytes;
	case BH_SORT_PACKETS:
		return talk->sum.packets;
	case BH_SORT_FLOWS:
		return talk->sum.flows;
	case BH_SORT_DENIED:
		return talk->sum.denied;
	}
	return 0;
}

static int compare(const void *left, const void *right, void *ctx)
{
	const struct bh_talk *a = left, *b = right;
	enum bh_talks_sort by = *(const enum bh_talks_sort *)ctx;
	uint64_t x = value(a, by), y = value(b, by);
	int r;

	if (x != y)
		return x < y ? 1 : -1;
	/* of what says nothing in this order what was denied is of more interest */
	if (a->sum.denied != b->sum.denied)
		return a->sum.denied < b->sum.denied ? 1 : -1;
	r = strcmp(a->from, b->from);
	r = r ? r : strcmp(a->to, b->to);
	r = r ? r : strcmp(a->port, b->port);
	return r ? r : (int)a->verdict - (int)b->verdict;
}

void bh_talks_sort(struct bh_talks *t, enum bh_talks_sort by)
{
	if (t->n)
		qsort_r(t->v, t->n, sizeof(*t->v), compare, &by);
}
