/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blast_ask.c - may one segment ask another, and at which ports: put to bh_judge, the sender's half
 * and the receiver's where they are on this host. See blast.h.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include "blast.h"

void bh_blast_spans_clear(struct bh_blast_spans *spans)
{
	free(spans->v);
	*spans = (struct bh_blast_spans){0};
}

enum bh_blast_verdict bh_blast_best(const struct bh_blast_spans *spans)
{
	enum bh_blast_verdict best = BH_BLAST_DENIED;

	for (size_t i = 0; i < spans->n; i++)
		best = MAX(best, spans->v[i].verdict);
	return best;
}

static bool is_same(const struct bh_blast_span *a, const struct bh_blast_span *b)
{
	return a->proto == b->proto && a->verdict == b->verdict &&
	       !memcmp(a->half, b->half, sizeof(a->half));
}

/* Neighbours with one answer become one. */
static int add(struct bh_blast_spans *spans, const struct bh_blast_span *span)
{
	struct bh_blast_span *last = spans->n ? &spans->v[spans->n - 1] : NULL, *more;

	if (span->verdict == BH_BLAST_DENIED)
		return 0;
	if (last && is_same(last, span) && last->hi + 1u == span->lo) {
		last->hi = span->hi;
		return 0;
	}
	if (spans->n == spans->room) {
		size_t room = spans->room ? spans->room * 2 : 8;

		more = reallocarray(spans->v, room, sizeof(*more));
		if (!more)
			return -ENOMEM;
		spans->v = more;
		spans->room = room;
	}
	spans->v[spans->n++] = *span;
	return 0;
}

/* --- one question ---------------------------------------------------------------------------------- */

/* How the other end is named: as a workload here, as a segment, or by an address of a class. */
struct peer {
	const struct bh_blast_end *end;
	bool here;
	size_t class; /* index + 1, 0: the identity */
};

static enum bh_blast_verdict verdict_of(const struct bh_half_said *half)
{
	if (!half->deny)
		return BH_BLAST_ALLOWED;
	if (half->pass)
		return BH_BLAST_OBSERVED;
	return half->reason == BH_R_GRANT_MISSING ? BH_BLAST_GRANT : BH_BLAST_DENIED;
}

/* Return: 0; 1: another class came out, so that nothing was learned; -errno. */
static int ask_half(struct bh_blast *b, const struct bh_blast_end *me, const struct peer *peer,
		    enum bh_dir dir, struct bh_blast_span *span)
{
	struct bh_half_said half = {0};
	struct bh_answer answer;
	struct bh_question q = {
		.gen = b->gen,
		.now_ns = b->a->clock->boot_ns(),
		.local = me->identity,
		.remote = peer->end->identity,
		.flags = peer->here ? BH_Q_PEER_LOCAL : 0,
		.port = span->lo,
		.proto = span->proto,
		.dir = (__u8)dir,
	};
	int r;

	if (q.now_ns > b->until_ns)
		return -ETIME;
	if (peer->class) {
		q.flags = BH_Q_REMOTE_ADDR;
		q.remote_addr = peer->end->addr[peer->class - 1];
	}
	b->asked++;
	r = bh_kern_judge(b->a->kern, &q, &answer);
	if (r < 0)
		return r;
	if (peer->class && answer.class != peer->end->class[peer->class - 1]) {
		b->unsure = true;
		return 1;
	}
	bh_half_say(b->a->live.compiled, &q, &answer, &half);
	b->held |= half.reason == BH_R_QUARANTINE;
	span->half[dir] = (struct bh_blast_half){(__u16)half.reason, half.rule};
	span->verdict = MIN(span->verdict, verdict_of(&half));
	return 0;
}

/* Keeps the better one: who took a segment over takes the way that is open. */
static void keep(struct bh_blast_span *best, const struct bh_blast_span *one)
{
	if (one->verdict > best->verdict)
		*best = *one;
}

/* Both ends here: both have to let it pass. */
static int ask_here(struct bh_blast *b, const struct bh_blast_end *from,
		    const struct bh_blast_end *to, struct bh_blast_span *best)
{
	struct bh_blast_span one = {
		.proto = best->proto, .lo = best->lo, .hi = best->hi, .verdict = BH_BLAST_ALLOWED};
	int r = ask_half(b, from, &(struct peer){to, true, 0}, BH_OUT, &one);

	if (r == 0 && one.verdict != BH_BLAST_DENIED)
		r = ask_half(b, to, &(struct peer){from, true, 0}, BH_IN, &one);
	if (r == 0)
		keep(best, &one);
	return MIN(r, 0);
}

/* One end is here, the other is not: @me's half decides, for each way to look the other up. */
static int ask_across(struct bh_blast *b, const struct bh_blast_end *me,
		      const struct bh_blast_end *other, enum bh_dir dir, struct bh_blast_span *best)
{
	int r = 0;

	for (size_t class = other->plain || !other->n_class ? 0 : 1;
	     r >= 0 && class <= other->n_class; class ++) {
		struct bh_blast_span one = {.proto = best->proto,
					    .lo = best->lo,
					    .hi = best->hi,
					    .verdict = BH_BLAST_ALLOWED};

		r = ask_half(b, me, &(struct peer){other, false, class}, dir, &one);
		if (r == 0)
			keep(best, &one);
	}
	return MIN(r, 0);
}

static int ask(struct bh_blast *b, size_t from, size_t to, struct bh_blast_span *span)
{
	const struct bh_blast_end *f = &b->end[from], *t = &b->end[to];
	int r = 0;

	span->verdict = BH_BLAST_DENIED;
	if (f->here && t->here)
		r = ask_here(b, f, t, span);
	if (r == 0 && f->here && t->elsewhere)
		r = ask_across(b, f, t, BH_OUT, span);
	if (r == 0 && f->elsewhere && t->here)
		r = ask_across(b, t, f, BH_IN, span);
	return r;
}

/* --- all ports -------------------------------------------------------------------------------------- */

static bool is_icmp(__u8 proto)
{
	return proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6;
}

static int ask_proto(struct bh_blast *b, __u8 proto, size_t from, size_t to,
		     struct bh_blast_spans *ret)
{
	int r = bh_blast_borders(b, proto, from, to);

	for (size_t i = 0; r == 0 && i < b->n_border; i++) {
		struct bh_blast_span span = {
			.proto = proto,
			.lo = b->border[i],
			.hi = i + 1 < b->n_border ? (__u16)(b->border[i + 1] - 1) : 0xffff,
		};

		/* port 0 is malformed before the policy is asked */
		if (!span.lo && !is_icmp(proto)) {
			if (!span.hi)
				continue;
			span.lo = 1;
		}
		r = ask(b, from, to, &span);
		if (r == 0)
			r = add(ret, &span);
	}
	return r;
}

static bool is_transport(__u8 proto)
{
	return memchr(bh_blast_protos, proto, sizeof(bh_blast_protos)) != NULL;
}

/* By number: each that is named, and one for all that are not. */
static int ask_number(struct bh_blast *b, __u8 proto, bool others, size_t from, size_t to,
		      struct bh_blast_spans *ret)
{
	struct bh_blast_span span = {.proto = proto};
	int r = ask(b, from, to, &span);

	span.others = others;
	return r ? r : add(ret, &span);
}

int bh_blast_ask(struct bh_blast *b, size_t from, size_t to, struct bh_blast_spans *ret)
{
	bool numbered[256], others = false;
	int r = bh_blast_numbered(b, from, to, numbered);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(bh_blast_protos); i++)
		r = ask_proto(b, bh_blast_protos[i], from, to, ret);
	for (size_t i = 1; r == 0 && i < ARRAY_SIZE(numbered); i++) {
		if (is_transport((__u8)i) || (!numbered[i] && others))
			continue;
		r = ask_number(b, (__u8)i, !numbered[i], from, to, ret);
		others |= !numbered[i];
	}
	return r;
}
