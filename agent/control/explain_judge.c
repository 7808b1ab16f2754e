/* SPDX-License-Identifier: Apache-2.0 */
/*
 * explain_judge.c - puts the question to bh_judge, for the sender's half and the receiver's
 * where they are on this host, and says what came back. Called by verb_explain.c.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include "explain.h"

/* --- asking ----------------------------------------------------------------------------------- */

static void put_local(struct bh_question *q, const struct bh_end *me)
{
	if (me->kind == BH_END_WORKLOAD) {
		q->flags |= BH_Q_LOCAL_CGROUP;
		q->local_cgid = me->cgid;
		q->local_uid = me->uid;
	} else {
		q->local = me->identity;
	}
}

static void put_remote(struct bh_question *q, const struct bh_end *peer)
{
	if (peer->kind == BH_END_WORKLOAD) {
		q->flags |= BH_Q_REMOTE_CGROUP;
		q->remote_cgid = peer->cgid;
		q->remote_uid = peer->uid;
	} else if (peer->kind == BH_END_ADDR) {
		q->flags |= BH_Q_REMOTE_ADDR;
		q->remote_addr = peer->addr;
	} else {
		q->flags |= peer->local ? BH_Q_PEER_LOCAL : 0;
		q->remote = peer->identity;
	}
}

/* `listen:` gives the port to another segment: asked before the rules, by every hook. */
static bool is_reserved(const struct bh_compiled *c, __u8 proto, __u16 port, __u32 identity)
{
	bool reserved = false, ours = false;

	for (size_t i = 0; c && i < c->reserve.n; i++) {
		const struct bh_reserve_key *k = &c->reserve.key[i];

		if (k->port != port || k->proto != proto)
			continue;
		reserved |= k->seg == BH_ID_ANY;
		ours |= k->seg == identity;
	}
	return reserved && !ours;
}

/* Nobody listens there: it goes on without a verdict, and the kernel refuses it. */
static void say_nobody(struct bh_half_said *half)
{
	half->reason = BH_R_NO_LISTENER;
	half->rule = 0;
	half->deny = false;
	half->pass = true;
}

void bh_half_say(const struct bh_compiled *c, const struct bh_question *q,
		 const struct bh_answer *answer, struct bh_half_said *half)
{
	half->dir = q->dir;
	half->answer = *answer;
	half->reason = answer->reason;
	half->rule = answer->rule;
	half->pass = answer->pass;
	half->deny = bh_reason_class(answer->reason) == BH_CLASS_DENY;
	/* as the kernel side tells of it: the deny that was only observed comes first */
	if (!half->deny && answer->would_rule) {
		half->reason = BH_R_RULE_DENY;
		half->rule = answer->would_rule;
		half->deny = true;
	}
	if (half->dir == BH_IN && bh_ask_has_port(&(struct bh_ask){.proto = q->proto}) &&
	    is_reserved(c, q->proto, q->port, answer->local)) {
		half->reason = BH_R_LISTEN_NOT_ALLOWED;
		half->rule = 0;
		half->deny = true;
		half->pass = answer->observe;
	}
}

static int ask(struct bh_explain *x, enum bh_dir dir)
{
	const struct bh_end *me = dir == BH_OUT ? &x->from : &x->to;
	const struct bh_end *peer = dir == BH_OUT ? &x->to : &x->from;
	struct bh_half_said *half = &x->half[x->n_halves];
	struct bh_answer answer;
	struct bh_question q = {
		.gen = bh_kern_generation(x->a->kern),
		.now_ns = x->a->clock->boot_ns(),
		.port = x->ask.port,
		.proto = x->ask.proto,
		.dir = (__u8)dir,
	};
	int r;

	put_local(&q, me);
	put_remote(&q, peer);
	r = bh_kern_judge(x->a->kern, &q, &answer);
	if (r < 0)
		return r;
	bh_half_say(x->a->live.compiled, &q, &answer, half);
	if (x->to.nobody)
		say_nobody(half);
	x->n_halves++;
	return 0;
}

int bh_explain_judge(struct bh_explain *x)
{
	int r = x->from.local ? ask(x, BH_OUT) : 0;

	/* where nobody listens there is no receiver; then the sender's half alone says so */
	if (r == 0 && x->to.local && !(x->to.nobody && x->from.local))
		r = ask(x, BH_IN);
	return r;
}

const struct bh_half_said *bh_explain_denier(const struct bh_explain *x)
{
	for (size_t i = 0; i < x->n_halves; i++)
		if (x->half[i].deny && !x->half[i].pass)
			return &x->half[i];
	for (size_t i = 0; i < x->n_halves; i++)
		if (x->half[i].deny)
			return &x->half[i];
	return NULL;
}

/* --- telling ---------------------------------------------------------------------------------- */

const char *bh_half_verdict(const struct bh_half_said *half)
{
	return !half->deny ? "allowed" : half->pass ? "would_deny" : "denied";
}

json_t *bh_map_line_json(const struct bh_map *map, int line)
{
	_cleanup_free_ char *copy = NULL;
	const char *s = map && line > 0 ? map->text : NULL, *end;

	for (int i = 1; s && i < line; i++) {
		s = memchr(s, '\n', map->text_len - (size_t)(s - map->text));
		s = s ? s + 1 : NULL;
	}
	if (!s)
		return json_null();
	end = memchr(s, '\n', map->text_len - (size_t)(s - map->text));
	end = end ? end : map->text + map->text_len;
	while (s < end && isspace((unsigned char)*s))
		s++;
	while (end > s && isspace((unsigned char)end[-1]))
		end--;
	copy = strndup(s, (size_t)(end - s));
	return copy ? bh_json_text(copy) : NULL;
}

static json_t *name_json(const struct bh_explain *x, const struct bh_end *end, __u32 identity)
{
	if (end->nobody)
		return bh_json_text(end->word);
	return bh_json_text(bh_agent_segment_name(x->a, identity));
}

json_t *bh_half_json(const struct bh_explain *x, const struct bh_half_said *half)
{
	const struct bh_end *me = half->dir == BH_OUT ? &x->from : &x->to;
	const struct bh_end *peer = half->dir == BH_OUT ? &x->to : &x->from;
	const struct bh_live *l = &x->a->live;
	const struct bh_rule_info *info =
		l->compiled && half->rule ? bh_compiled_rule(l->compiled, half->rule) : NULL;
	const char *id = half->rule ? bh_agent_rule_name(x->a, half->rule) : NULL;
	int line = info ? info->line : 0;

	return json_pack("{s:s s:o s:o s:s s:s s:s s:o s:i s:o s:s}", "direction",
			 half->dir == BH_OUT ? "egress" : "ingress", "segment",
			 name_json(x, me, half->answer.local), "peer",
			 name_json(x, peer, half->answer.remote), "verdict", bh_half_verdict(half),
			 "reason", bh_reason_name(half->reason), "text",
			 bh_reason_text(half->reason), "rule", bh_json_text(id), "line", line,
			 "source", bh_map_line_json(l->map, line), "mode",
			 half->answer.observe ? "observe" : "enforce");
}
