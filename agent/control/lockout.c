/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lockout.c - see lockout.h: asks bh_judge about each connection as the hooks would. The order of
 * questions is that of bh_tcp_judge() and bh_policy_judge() of bpf/.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include "lockout.h"

struct judging {
	struct bh_agent *a;
	const struct bh_live *l;
	__u64 gen;
	struct bh_carrier *c;
	struct bh_question q; /* of its own half */
	/* the quarantines as they would be; NULL: as they are */
	const struct bh_hold_set *set;
	__u64 without;	/* of a grant that would end: as in struct bh_question, */
	__u32 less;	/* and which of BH_Q_LESS_ */
	bool by_effect; /* what happens now, with the host's mode; else what the map says */
};

/* `mode observe` on the host is no answer: it may end. */
static bool observes(const struct bh_live *l, __u32 identity)
{
	return identity < l->compiled->n_segs && l->compiled->segs[identity].flags & BH_SEG_OBSERVE;
}

/* The harder quarantine that either end would be in. */
static enum bh_hold_level level_of(struct judging *j, const struct bh_question *q,
				   const struct bh_answer *answer)
{
	struct bh_hold_end me = {.identity = answer->local}, peer = {.identity = answer->remote};
	enum bh_hold_level mine;

	me.path = bh_agent_cgroup(j->a, q->local_cgid);
	mine = bh_hold_set_of(j->set, &me, q->now_ns);
	if (q->flags & BH_Q_REMOTE_CGROUP)
		peer.path = bh_agent_cgroup(j->a, q->remote_cgid);
	else if (q->flags & BH_Q_REMOTE_ADDR)
		peer.addr = &q->remote_addr;
	return MAX(mine, bh_hold_set_of(j->set, &peer, q->now_ns));
}

/* The first answer says who they are, the second what would be with them in quarantine or not. */
static int ask_as_if(struct judging *j, const struct bh_question *plain, struct bh_answer *answer)
{
	struct bh_question q = *plain;

	j->c->level = level_of(j, plain, answer);
	q.flags |= BH_Q_AS_IF;
	if (j->c->level != BH_HOLD_NONE)
		q.flags |= BH_Q_HELD;
	if (j->c->level == BH_HOLD_HARD)
		q.flags |= BH_Q_HELD_HARD;
	return bh_kern_judge(j->a->kern, &q, answer);
}

static bool is_denied(const struct judging *j, const struct bh_answer *answer)
{
	if (j->by_effect)
		return !answer->pass;
	return bh_reason_class(answer->reason) == BH_CLASS_DENY &&
	       (answer->reason == BH_R_QUARANTINE || !observes(j->l, answer->local));
}

static int ask(struct judging *j, const struct bh_question *q, bool *ret_denied)
{
	struct bh_answer answer;
	int r = bh_kern_judge(j->a->kern, q, &answer);

	if (r == 0 && j->set)
		r = ask_as_if(j, q, &answer);
	if (r < 0)
		return r;
	j->c->answer = answer;
	j->c->reason = answer.reason;
	*ret_denied = is_denied(j, &answer);
	return 0;
}

static void own_half(struct judging *j)
{
	const struct bh_held *held = &j->c->held;
	bool asked = held->flags & BH_HELD_ASKED;

	j->q = (struct bh_question){
		.gen = j->gen,
		.now_ns = j->a->clock->boot_ns(),
		.local_cgid = held->cgid,
		.local_uid = held->uid,
		.without = j->without,
		.flags = j->less | BH_Q_LOCAL_CGROUP,
		.port = asked ? held->remote_port : held->local_port,
		.proto = IPPROTO_TCP,
		.dir = asked ? BH_OUT : BH_IN,
	};
	if (!(held->flags & BH_HELD_LOCAL_PEER)) {
		j->q.flags |= BH_Q_REMOTE_ADDR;
		j->q.remote_addr = held->remote_addr;
	} else if (j->c->peer_found) {
		j->q.flags |= BH_Q_REMOTE_CGROUP;
		j->q.remote_cgid = j->c->peer_cgid;
		j->q.remote_uid = j->c->peer_uid;
	} else {
		j->q.flags |= BH_Q_PEER_LOCAL;
		j->q.remote = BH_ID_UNASSIGNED;
	}
}

static int ask_peers_half(struct judging *j, bool *ret_denied)
{
	struct bh_question q = j->q;
	struct bh_answer own = j->c->answer;
	int r;

	q.local_cgid = j->q.remote_cgid;
	q.local_uid = j->q.remote_uid;
	q.remote_cgid = j->q.local_cgid;
	q.remote_uid = j->q.local_uid;
	q.dir = !j->q.dir;
	r = ask(j, &q, ret_denied);
	j->c->peers_half = r == 0 && *ret_denied;
	if (r == 0 && !*ret_denied) {
		j->c->answer = own;
		j->c->reason = own.reason;
	}
	return r;
}

/* `listen:` gives the port to others: this connection stays, and the next is refused. */
static bool is_reserved(const struct judging *j)
{
	const struct bh_compiled *c = j->l->compiled;
	bool reserved = false, ours = false;

	for (size_t i = 0; j->q.dir == BH_IN && i < c->reserve.n; i++) {
		const struct bh_reserve_key *k = &c->reserve.key[i];

		if (k->port != j->q.port || k->proto != IPPROTO_TCP)
			continue;
		reserved |= k->seg == BH_ID_ANY;
		ours |= k->seg == j->c->answer.local;
	}
	return reserved && !ours;
}

/* What is denied by name, whatever the rules say. BH_CONTINUE: nothing. */
static enum bh_reason named(const struct judging *j)
{
	if (!(j->c->held.flags & (BH_HELD_ACCEPTED | BH_HELD_ASKED)))
		return BH_R_DIRECTION_UNKNOWN;
	return is_reserved(j) ? BH_R_LISTEN_NOT_ALLOWED : BH_CONTINUE;
}

static int judge(struct judging *j)
{
	struct bh_carrier *c = j->c;
	enum bh_reason by_name;
	bool denied;
	int r;

	/* no hook of ours runs for it */
	if (!(c->held.flags & BH_HELD_INSIDE))
		return 0;
	c->peers_half = false;
	own_half(j);
	r = ask(j, &j->q, &denied);
	if (r < 0)
		return r;
	by_name = j->by_effect ? BH_CONTINUE : named(j);
	if (by_name != BH_CONTINUE && !observes(j->l, c->answer.local)) {
		c->reason = by_name;
		c->answer.rule = 0;
		denied = true;
	}
	if (!denied && c->peer_found)
		r = ask_peers_half(j, &denied);
	c->denied = denied;
	return r;
}

static int judge_all(struct judging *j, struct bh_lockout *k)
{
	int r = 0;

	/* a unit in quarantine is known by its cgroup's name */
	if (j->set)
		(void)bh_agent_cgroups_refresh(j->a);
	k->n_denied = 0;
	for (size_t i = 0; r == 0 && i < k->n; i++) {
		j->c = &k->v[i];
		r = judge(j);
		k->n_denied += j->c->denied;
	}
	return r;
}

/* A map brings other names and prefixes: who is in quarantine under it? */
int bh_lockout_judge(struct bh_agent *a, const struct bh_live *l, __u64 gen, struct bh_lockout *k)
{
	_cleanup_(bh_hold_set_clear) struct bh_hold_set set = {0};
	struct judging j = {.a = a, .l = l, .gen = gen};
	int r = 0;

	if (a->holds && a->holds->n_hold && !a->holds->lost) {
		r = bh_hold_set_make(a, a->holds, l, &set);
		j.set = &set;
	}
	return r ? r : judge_all(&j, k);
}

/* --- other holds ---------------------------------------------------------------------------------- */

static void without(struct judging *j, unsigned int id)
{
	const struct bh_holds *h = j->a->holds;

	for (size_t i = 0; i < h->n_granted; i++) {
		const struct bh_granted *g = &h->granted[i];

		if (g->id != id)
			continue;
		j->less = g->rule ? BH_Q_LESS_JIT : BH_Q_LESS_GRANTS;
		j->without =
			g->rule ? bh_live_rule(j->l, g->rule) : bh_granted_slots(j->a, j->l, id);
	}
}

/* Denied is what goes on now, and would not. */
int bh_lockout_judge_holds(struct bh_agent *a, const struct bh_as_if *w, struct bh_lockout *k)
{
	_cleanup_(bh_hold_set_clear) struct bh_hold_set set = {0};
	struct judging j = {
		.a = a, .l = &a->live, .gen = bh_kern_generation(a->kern), .by_effect = true};
	_cleanup_free_ bool *was = calloc(k->n + 1, sizeof(*was));
	int r = was ? judge_all(&j, k) : -ENOMEM;

	for (size_t i = 0; r == 0 && i < k->n; i++)
		was[i] = k->v[i].denied;
	if (r == 0 && w->holds) {
		r = bh_hold_set_make(a, w->holds, &a->live, &set);
		j.set = &set;
	}
	without(&j, w->less);
	if (r == 0)
		r = judge_all(&j, k);
	for (size_t i = 0; r == 0 && i < k->n; i++)
		if (was[i] && k->v[i].denied) {
			k->v[i].denied = false;
			k->n_denied--;
		}
	return r;
}

static void untold(int r, enum bh_severity severity, struct bh_diags *d)
{
	(void)bh_diag_add(d, severity, NULL, "say --force if that is no matter",
			  "it can't be told which connections this session has: %s", strerror(-r));
}

int bh_lockout_holds(struct bh_agent *a, const struct bh_caller *caller, const struct bh_as_if *w,
		     struct bh_diags *d)
{
	_cleanup_(bh_lockout_clear) struct bh_lockout k = {0};
	int r;

	/* no map yet: nothing is denied */
	if (!bh_kern_generation(a->kern))
		return 0;
	r = bh_lockout_find(a, "/proc", caller->pid, &k);
	if (r == 0)
		r = bh_lockout_judge_holds(a, w, &k);
	if (r < 0)
		untold(r, BH_ERROR, d);
	else
		bh_lockout_tell(a, &a->live, &k, w, BH_ERROR, d);
	return r ? r : k.n_denied ? -EINVAL : 0;
}

/* --- a map ------------------------------------------------------------------------------------------ */

int bh_lockout_check(struct bh_agent *a, const struct bh_live *l, const struct bh_caller *caller,
		     __u64 gen, enum bh_severity severity, struct bh_diags *d,
		     struct bh_lockout *ret)
{
	_cleanup_(bh_lockout_clear) struct bh_lockout k = {0};
	int r = bh_lockout_find(a, "/proc", caller->pid, &k);

	if (r == 0)
		r = bh_lockout_judge(a, l, gen, &k);
	if (r < 0) {
		untold(r, severity, d);
		return r;
	}
	bh_lockout_tell(a, l, &k, NULL, severity, d);
	*ret = k;
	k = (struct bh_lockout){0};
	return 0;
}
