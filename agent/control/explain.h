/* SPDX-License-Identifier: Apache-2.0 */
/*
 * explain.h - the parts of `bulkhead explain`: who is meant, what bh_judge says, the rule that
 * comes nearest, and what the answer does not cover. Put together by verb_explain.c.
 */
#ifndef BH_EXPLAIN_H
#define BH_EXPLAIN_H

#include "control.h"
#include "words.h"

#define BH_EXPLAIN_WORD_MAX 4096

enum bh_end_kind {
	BH_END_SEGMENT,	 /* asked as a segment: @identity */
	BH_END_WORKLOAD, /* a cgroup of this host: @cgid, @uid */
	BH_END_ADDR,	 /* an address of another host: @addr */
};

struct bh_end {
	const char *word; /* as it was said */
	enum bh_end_kind kind;
	bool local;	    /* on this host */
	bool may_be_remote; /* BH_END_SEGMENT: it has addresses, too */
	bool has_addr;	    /* it was said as an address */
	bool uid_known;
	bool nobody; /* an address of this host where nobody listens */
	__u32 identity;
	__u64 cgid;
	__u32 uid;
	struct bh_addr addr;
	char *path; /* of the cgroup */
	/* as the kernel side's table of cgroups has it now */
	size_t n_cgroups;	/* BH_END_SEGMENT: so many are in it */
	struct bh_cg_side side; /* BH_END_WORKLOAD */
};

/* What bh_judge says of one half, and what became of it. */
struct bh_half_said {
	enum bh_dir dir;
	struct bh_answer answer;
	enum bh_reason reason;
	__u32 rule;
	bool deny; /* the policy denies; observed or not */
	bool pass; /* what happens */
};

struct bh_explain {
	struct bh_agent *a;
	struct bh_reply *reply;
	struct bh_ask ask;
	struct bh_end from, to;
	struct bh_half_said half[2]; /* the sender's first */
	size_t n_halves;
	json_t *caveats;
	bool oom;
};

/* Something that the answer does not cover or rests on. */
void bh_explain_note(struct bh_explain *x, const char *fmt, ...) _printf_(2, 3);

/* --- explain_resolve.c, explain_find.c -------------------------------------------------------- */

/*
 * Who is meant by x->from.word and x->to.word, and on which host.
 * Return: 0; -ENOENT: a finding and a code are in the reply; -errno.
 */
int bh_explain_resolve(struct bh_explain *x);
void bh_end_clear(struct bh_end *end);

/*
 * The workload that a name means: "/PATH", "pid:N", a unit with or without ".service".
 * Return: as bh_explain_resolve(). 1: it is none of these.
 */
int bh_explain_find(struct bh_explain *x, struct bh_end *end);
/* Nothing is called so: with what it may have meant. Return: -ENOENT. */
int bh_explain_unknown(struct bh_explain *x, const struct bh_end *end);

/* --- explain_judge.c -------------------------------------------------------------------------- */

/* Ask for the halves that are on this host. Return: 0 or -errno. */
int bh_explain_judge(struct bh_explain *x);
/* The one that decides; NULL: all is allowed. */
const struct bh_half_said *bh_explain_denier(const struct bh_explain *x);
/* What @answer to @q means, with `listen:` of @c, which may be NULL. */
void bh_half_say(const struct bh_compiled *c, const struct bh_question *q,
		 const struct bh_answer *answer, struct bh_half_said *half);
const char *bh_half_verdict(const struct bh_half_said *half);
/* {direction, segment, peer, verdict, reason, text, rule, line, source, mode} */
json_t *bh_half_json(const struct bh_explain *x, const struct bh_half_said *half);
/* Line @line of the map without what stands before and behind; null if there is none. */
json_t *bh_map_line_json(const struct bh_map *map, int line);

/* --- explain_nearest.c: pure ------------------------------------------------------------------ */

/* The question in terms of a map: indexes of its segments. */
struct bh_near_ask {
	const struct bh_map *map;
	size_t from, to;
	const struct bh_ask *ask;
	__s64 now_s; /* wall clock, for `until` */
};

/* What keeps a rule from allowing it. */
enum bh_differs {
	BH_DIFFERS_PORT = 1 << 0,
	BH_DIFFERS_PROTO = 1 << 1,
	BH_DIFFERS_DIRECTION = 1 << 2, /* it holds the other way round */
	BH_DIFFERS_FROM = 1 << 3,
	BH_DIFFERS_TO = 1 << 4,
	BH_DIFFERS_UNTIL = 1 << 5, /* it has ended */
	BH_DIFFERS_JIT = 1 << 6,
	BH_DIFFERS_POSTURE = 1 << 7,
};

/**
 * bh_rule_nearest - the allow rule that comes nearest to allowing it
 * @ret_differs: what keeps it from doing so: enum bh_differs, at least one
 * Return: the rule, NULL if none shares an end with the question.
 */
const struct bh_rule_src *bh_rule_nearest(const struct bh_near_ask *q, unsigned int *ret_differs);

/* ["port (tcp/6379)", ...]; NULL: no memory */
json_t *bh_differs_json(const struct bh_map *map, const struct bh_rule_src *rule,
			unsigned int differs);

/* "- { id: web-cache-6380, from: web, to: cache, port: tcp/6380 }", malloced. NULL: no memory. */
char *bh_rule_suggest(const struct bh_near_ask *q);

/* --- explain_caveats.c ------------------------------------------------------------------------ */

void bh_explain_caveats(struct bh_explain *x);

#endif
