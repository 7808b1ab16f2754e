/* SPDX-License-Identifier: Apache-2.0 */
/*
 * talks.h - rows of flows added up to conversations: who asks whom for which port, and what became of
 * it. Pure; used by top, which forgets what is older than a minute, and graph.
 */
#ifndef BH_TALKS_H
#define BH_TALKS_H

#include <jansson.h>
#include "../../agent/base/cleanup.h"

/* A long session is told of once a minute: rates are of so long. */
#define BH_TALKS_SPAN_S 60
#define BH_TALKS_PART_S 5
#define BH_TALKS_PARTS	(BH_TALKS_SPAN_S / BH_TALKS_PART_S)
#define BH_TALKS_MAX	4096

enum bh_talk_verdict { BH_TALK_ALLOWED, BH_TALK_AUDITED, BH_TALK_DENIED };
enum bh_talks_by { BH_BY_SEGMENT, BH_BY_UNIT, BH_BY_ADDRESS };

struct bh_talk_sum {
	uint64_t packets, bytes, flows, denied; /* denied: or would have been, those not told too */
};

struct bh_talk {
	char *from, *to, *port; /* "tcp/6379", "icmp/echo-request" */
	enum bh_talk_verdict verdict;
	uint64_t hash;
	struct bh_talk_sum sum; /* of all parts, see bh_talks_sum() */
	struct {
		int64_t part; /* which one since the epoch */
		struct bh_talk_sum sum;
	} part[BH_TALKS_PARTS + 1];
};

struct bh_talks;

/* @forgets: what is older than BH_TALKS_SPAN_S. Return: NULL if there is no memory. */
struct bh_talks *bh_talks_new(enum bh_talks_by by, bool forgets);
void bh_talks_free(struct bh_talks *t);
BH_DEFINE_CLEANUP(struct bh_talks *, bh_talks_free)

/*
 * A row of flows as the agent sends it. What both ends of this host tell counts once.
 * Return: 0, -ENOMEM.
 */
int bh_talks_add(struct bh_talks *t, const json_t *row);
/* Adds up what is not too old at @now_s, and forgets conversations of which nothing is left. */
void bh_talks_sum(struct bh_talks *t, int64_t now_s);

enum bh_talks_sort { BH_SORT_BYTES, BH_SORT_PACKETS, BH_SORT_FLOWS, BH_SORT_DENIED };
/* The largest first; equal ones by name. */
void bh_talks_sort(struct bh_talks *t, enum bh_talks_sort by);

size_t bh_talks_count(const struct bh_talks *t);
const struct bh_talk *bh_talks_at(const struct bh_talks *t, size_t i);
/* Rows that found no room. */
size_t bh_talks_left_out(const struct bh_talks *t);
/* "allowed", "audited", "denied" */
const char *bh_talk_verdict_word(enum bh_talk_verdict verdict);

#endif
