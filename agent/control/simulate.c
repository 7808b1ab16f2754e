/* SPDX-License-Identifier: Apache-2.0 */
/*
 * simulate.c - see simulate.h. A workload is asked about by its cgroup, so that the staged tables
 * say where it belongs; one that is gone, by the name of the segment that it was in. Of a
 * conversation inside of this host both halves are asked where its beginning is told of.
 */
#include <errno.h>
#include <string.h>
#include "../pairs.h"
#include "simulate.h"

struct place {
	const char *path;
	__u64 cgid;
};

/* A server on this host that some pair has as its peer: its end needs no asking of its own. */
struct served {
	const char *unit, *client; /* @client: the segment */
	__u32 uid;
	__u16 port;
	__u8 proto;
};

struct side {
	__u64 gen; /* 0: nothing is enforced */
	const struct bh_numbers *numbers;
	const struct bh_compiled *compiled;
};

struct sim {
	struct bh_agent *a;
	struct side live, staged;
	int64_t since_ms;
	struct place *place; /* by path */
	size_t n_place;
	struct served *served; /* sorted */
	size_t n_served;
	struct bh_pair *pair; /* each conversation once, whatever became of it */
	size_t n_pair;
	size_t room;
	struct bh_sim *ret;
};

const char *bh_sim_word(enum bh_sim_verdict v)
{
	static const char *const words[BH_SIM_VERDICTS] = {
		[BH_SIM_ALLOWED] = "allowed",
		[BH_SIM_AUDITED] = "audited",
		[BH_SIM_DENIED] = "denied",
	};

	return words[v];
}

void bh_sim_clear(struct bh_sim *s)
{
	free(s->v);
	*s = (struct bh_sim){0};
}

/* --- who is there ----------------------------------------------------------------------------------- */

static int on_cgroup(void *ctx, const char *path, __u64 id)
{
	struct sim *s = ctx;

	if ((s->n_place & (s->n_place - 1)) == 0) {
		struct place *more =
			reallocarray(s->place, s->n_place ? s->n_place * 2 : 1, sizeof(*more));

		if (!more)
			return -ENOMEM;
		s->place = more;
	}
	s->place[s->n_place++] = (struct place){path, id};
	return 0;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct place *)a)->path, ((const struct place *)b)->path);
}

/* 0: it is not there. */
static __u64 cgid_of(const struct sim *s, const char *path)
{
	struct place key = {.path = path}, *at;

	at = s->n_place ? bsearch(&key, s->place, s->n_place, sizeof(key), by_path) : NULL;
	return at ? at->cgid : 0;
}

static __u32 identity_in(const struct side *side, const char *name)
{
	static const struct {
		const char *name;
		__u32 identity;
	} fixed[] = {
		{"world", BH_ID_WORLD}, {"unassigned", BH_ID_UNASSIGNED}, {"host", BH_ID_HOST}};

	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
		if (!strcmp(fixed[i].name, name))
			return fixed[i].identity;
	for (size_t i = 0; side->compiled && i < side->compiled->n_identity; i++) {
		const char *known =
			bh_numbers_segment_name(side->numbers, side->compiled->identity[i]);

		if (known && !strcmp(known, name))
			return side->compiled->identity[i];
	}
	return 0;
}

/* --- servers on this host ----------------------------------------------------------------------------- */

#define CMP(x, y) (((x) > (y)) - ((x) < (y)))

static int text_cmp(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) : (a != NULL) - (b != NULL);
}

static int by_served(const void *x, const void *y)
{
	const struct served *a = x, *b = y;
	int r = CMP(a->port, b->port);

	r = r ? r : CMP(a->proto, b->proto);
	r = r ? r : text_cmp(a->unit, b->unit);
	return r ? r : text_cmp(a->client, b->client);
}

static struct served *find_served(const struct sim *s, const struct served *key)
{
	return s->n_served ? bsearch(key, s->served, s->n_served, sizeof(*key), by_served) : NULL;
}

static int note_served(void *ctx, const struct bh_pair *p)
{
	struct sim *s = ctx;

	if (p->inside && p->dir == BH_OUT && p->peer && p->last_ms >= s->since_ms)
		s->served[s->n_served++] = (struct served){
			.unit = p->peer, .client = p->local, .port = p->port, .proto = p->proto};
	return 0;
}

/* As which user it serves, its own end tells. */
static int note_user(void *ctx, const struct bh_pair *p)
{
	struct served key = {
		.unit = p->unit, .client = p->remote, .port = p->port, .proto = p->proto};
	struct served *at = p->inside && p->dir == BH_IN ? find_served(ctx, &key) : NULL;

	if (at)
		at->uid = p->uid;
	return 0;
}

/* --- asking ------------------------------------------------------------------------------------------- */

/* Return: 1: it is known by its segment only, 0, -ENOENT. */
static int set_local(const struct sim *s, const struct side *side, const char *unit,
		     const char *segment, __u32 uid, struct bh_question *q)
{
	q->local_cgid = unit && strcmp(unit, "/") != 0 ? cgid_of(s, unit) : 0;
	q->local_uid = uid;
	if (q->local_cgid) {
		q->flags |= BH_Q_LOCAL_CGROUP;
		return 0;
	}
	q->local = unit && !strcmp(unit, "/") ? BH_ID_HOST
		   : segment		      ? identity_in(side, segment)
					      : 0;
	return !q->local ? -ENOENT : unit && strcmp(unit, "/") != 0;
}

static int set_remote(const struct sim *s, const struct side *side, const struct bh_pair *p,
		      __u32 peer_uid, struct bh_question *q)
{
	if (!p->inside && !p->many) {
		q->flags |= BH_Q_REMOTE_ADDR;
		q->remote_addr = p->addr;
		return 0;
	}
	q->remote_cgid = p->peer && strcmp(p->peer, "/") != 0 ? cgid_of(s, p->peer) : 0;
	if (q->remote_cgid) {
		q->flags |= BH_Q_REMOTE_CGROUP;
		q->remote_uid = peer_uid;
		return 0;
	}
	if (p->inside)
		q->flags |= BH_Q_PEER_LOCAL;
	q->remote = p->peer && !strcmp(p->peer, "/") ? BH_ID_HOST
		    : p->remote			     ? identity_in(side, p->remote)
						     : 0;
	return q->remote ? 1 : -ENOENT;
}

static int ask(struct sim *s, const struct bh_question *q, struct bh_sim_half *ret)
{
	struct bh_answer answer;
	int r = bh_kern_judge(s->a->kern, q, &answer);

	if (r < 0)
		return r;
	*ret = (struct bh_sim_half){
		.verdict = !answer.pass					     ? BH_SIM_DENIED
			   : bh_reason_class(answer.reason) == BH_CLASS_DENY ? BH_SIM_AUDITED
									     : BH_SIM_ALLOWED,
		.reason = answer.reason,
		.rule = answer.rule,
	};
	return 0;
}

/* The peer of this host has to agree, too. */
static int ask_peer(struct sim *s, const struct bh_question *q, struct bh_sim_half *ret)
{
	struct bh_question other = *q;
	struct bh_sim_half half;
	int r;

	other.local_cgid = q->remote_cgid;
	other.local_uid = q->remote_uid;
	other.remote_cgid = q->local_cgid;
	other.remote_uid = q->local_uid;
	other.dir = !q->dir;
	r = ask(s, &other, &half);
	if (r == 0 && half.verdict > ret->verdict)
		*ret = half;
	return r;
}

/* Return: as set_local(), or -errno. */
static int judge(struct sim *s, const struct side *side, const struct bh_pair *p, __u32 peer_uid,
		 struct bh_sim_half *ret)
{
	struct bh_question q = {
		.gen = side->gen,
		.now_ns = s->a->clock->boot_ns(),
		.port = p->port,
		.proto = p->proto,
		.dir = p->dir,
	};
	int r, gone;

	*ret = (struct bh_sim_half){.verdict = BH_SIM_ALLOWED, .reason = BH_R_NEVER_APPLIED};
	if (!side->gen)
		return 0;
	gone = set_local(s, side, p->unit, p->local, p->uid, &q);
	if (gone < 0)
		return gone;
	r = set_remote(s, side, p, peer_uid, &q);
	if (r < 0)
		return r;
	gone |= r && !p->many;
	r = ask(s, &q, ret);
	if (r == 0 && q.flags & BH_Q_REMOTE_CGROUP && q.flags & BH_Q_LOCAL_CGROUP)
		r = ask_peer(s, &q, ret);
	return r ? r : gone;
}

static int keep(struct sim *s, const struct bh_pair *p, const struct bh_sim_half *was,
		const struct bh_sim_half *will)
{
	struct bh_sim *ret = s->ret;

	if (ret->n == s->room) {
		size_t room = s->room ? s->room * 2 : 64;
		struct bh_sim_row *more = reallocarray(ret->v, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		ret->v = more;
		s->room = room;
	}
	ret->v[ret->n++] = (struct bh_sim_row){*p, *was, *will};
	return 0;
}

static int judge_pair(struct sim *s, const struct bh_pair *p)
{
	struct served key = {.port = p->port, .proto = p->proto}, *at;
	struct bh_sim_half was, will;
	int r, gone;

	key.unit = p->dir == BH_OUT ? p->peer : p->unit;
	key.client = p->dir == BH_OUT ? p->local : p->remote;
	at = p->inside ? find_served(s, &key) : NULL;
	if (at && p->dir == BH_IN) {
		s->ret->halves++;
		return 0;
	}
	r = judge(s, &s->live, p, at ? at->uid : 0, &was);
	gone = r >= 0 ? judge(s, &s->staged, p, at ? at->uid : 0, &will) : r;
	if (gone == -ENOENT) {
		s->ret->unknown++;
		return 0;
	}
	if (gone < 0)
		return gone;
	s->ret->judged++;
	s->ret->gone += r == 1 || gone == 1;
	s->ret->count[was.verdict][will.verdict]++;
	return was.verdict == will.verdict ? 0 : keep(s, p, &was, &will);
}

/* --- each once --------------------------------------------------------------------------------------- */

/* The segment is what an end is known by only where nothing else is. */
static const char *local_of(const struct bh_pair *p)
{
	return p->unit ? NULL : p->local;
}

static const char *remote_of(const struct bh_pair *p)
{
	return p->peer || (!p->inside && !p->many) ? NULL : p->remote;
}

/* Names of one table are one pointer each. */
static int by_talk(const void *x, const void *y)
{
	const struct bh_pair *a = x, *b = y;
	const uintptr_t p[][2] = {
		{(uintptr_t)a->unit, (uintptr_t)b->unit},
		{a->dir, b->dir},
		{a->port, b->port},
		{a->proto, b->proto},
		{a->uid, b->uid},
		{a->inside, b->inside},
		{a->many, b->many},
		{(uintptr_t)a->peer, (uintptr_t)b->peer},
		{(uintptr_t)local_of(a), (uintptr_t)local_of(b)},
		{(uintptr_t)remote_of(a), (uintptr_t)remote_of(b)},
	};
	int r = 0;

	for (size_t i = 0; !r && i < ARRAY_SIZE(p); i++)
		r = CMP(p[i][0], p[i][1]);
	return r ? r : memcmp(&a->addr, &b->addr, sizeof(a->addr));
}

static int gather(void *ctx, const struct bh_pair *p)
{
	struct sim *s = ctx;

	if (p->last_ms >= s->since_ms)
		s->pair[s->n_pair++] = *p;
	return 0;
}

static void merge(struct sim *s)
{
	size_t to = 0;

	if (s->n_pair)
		qsort(s->pair, s->n_pair, sizeof(*s->pair), by_talk);
	for (size_t i = 0; i < s->n_pair; i++) {
		struct bh_pair *p = &s->pair[i], *last = to ? &s->pair[to - 1] : NULL;

		if (!last || by_talk(last, p) != 0) {
			s->pair[to++] = *p;
			continue;
		}
		/* of what became of it, what did last */
		if (p->last_ms > last->last_ms) {
			last->verdict = p->verdict;
			last->rule = p->rule;
			last->local = p->local;
			last->remote = p->remote;
		}
		last->first_ms = MIN(last->first_ms, p->first_ms);
		last->last_ms = MAX(last->last_ms, p->last_ms);
		last->times += p->times;
		last->packets += p->packets;
		last->bytes += p->bytes;
		last->crypt |= p->crypt;
	}
	s->n_pair = to;
}

/* --- all of it ----------------------------------------------------------------------------------------- */

static void clear(struct sim *s)
{
	free(s->place);
	free(s->served);
	free(s->pair);
}

int bh_simulate(struct bh_agent *a, const struct bh_live *l, __u64 gen, int64_t since_ms,
		struct bh_sim *ret)
{
	_cleanup_(bh_sim_clear) struct bh_sim sim = {0};
	_cleanup_(clear) struct sim s = {
		.a = a,
		.live = {bh_kern_generation(a->kern), a->live.numbers, a->live.compiled},
		.staged = {gen, l->numbers, l->compiled},
		.since_ms = since_ms,
		.ret = &sim,
	};
	const struct bh_pairs *pairs = bh_agent_pairs(a);
	int r;

	s.served = pairs ? calloc(bh_pairs_count(pairs).rows + 1, sizeof(*s.served)) : NULL;
	s.pair = s.served ? calloc(bh_pairs_count(pairs).rows + 1, sizeof(*s.pair)) : NULL;
	if (!s.pair)
		return -ENOMEM;
	(void)bh_agent_cgroups_refresh(a);
	r = bh_cgroups_each(a->cgroups, on_cgroup, &s);
	if (r < 0)
		return r;
	if (s.n_place)
		qsort(s.place, s.n_place, sizeof(*s.place), by_path);
	(void)bh_pairs_each(pairs, note_served, &s);
	if (s.n_served)
		qsort(s.served, s.n_served, sizeof(*s.served), by_served);
	(void)bh_pairs_each(pairs, note_user, &s);
	(void)bh_pairs_each(pairs, gather, &s);
	merge(&s);
	for (size_t i = 0; r == 0 && i < s.n_pair; i++)
		r = judge_pair(&s, &s.pair[i]);
	if (r < 0)
		return r;
	*ret = sim;
	sim = (struct bh_sim){0};
	return 0;
}
