/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trial_watch.c - does an unconfirmed map break what worked? Each connect() (and first datagram) of
 * a local workload that it denies is asked of the tables it would fall back to: those that would
 * have passed are counted and told, and with `revert_on_denies: N` in the map the Nth ends the
 * trial. What is denied by name (a deny, a quarantine, a grant that has ended) never counts: who
 * is cut off on purpose can't end it.
 */
#include <string.h>
#include "agent.h"

static bool counts(const struct bh_event *ev)
{
	if (ev->type != BH_EVENT_DENY || ev->dir != BH_OUT ||
	    (ev->hook != BH_HOOK_CONNECT && ev->hook != BH_HOOK_SENDMSG))
		return false;
	return ev->reason == BH_R_DEFAULT_DENY || ev->reason == BH_R_PEER_DENIES ||
	       ev->reason == BH_R_PROTOCOL || ev->reason == BH_R_NO_IDENTITY;
}

static bool passes(struct bh_agent *a, const struct bh_question *q)
{
	struct bh_answer answer;

	return bh_kern_judge(a->kern, q, &answer) == 0 && answer.pass;
}

/* Both halves, where the peer is on this host, as the generation @back has them. */
static bool used_to_pass(struct bh_agent *a, const struct bh_event *ev, __u64 back)
{
	bool local = ev->ifindex == 1; /* of every network namespace: lo */
	struct bh_question q = {
		.gen = back,
		.now_ns = a->clock->boot_ns(),
		.remote_addr = ev->remote_addr,
		.local = ev->local,
		.remote = ev->remote,
		.local_uid = ev->uid,
		.port = ev->remote_port,
		.proto = ev->proto,
		.dir = BH_OUT,
		.flags = local ? BH_Q_PEER_LOCAL : BH_Q_REMOTE_ADDR,
	};

	/* before the first map everything passed */
	if (!back)
		return true;
	if (!passes(a, &q))
		return false;
	if (!local)
		return true;
	q.dir = BH_IN;
	q.local = ev->remote;
	q.remote = ev->local;
	return passes(a, &q);
}

static void tell(struct bh_agent *a, const struct bh_event *ev)
{
	const char *from = bh_agent_segment_name(a, ev->local);
	const char *to = bh_agent_segment_name(a, ev->remote);

	bh_warning("unconfirmed: %s -> %s port %u used to pass and is denied (%u so far)",
		   from ? from : "?", to ? to : "?", ev->remote_port, a->trial_broken);
}

void bh_trial_event(struct bh_agent *a, const struct bh_event *ev)
{
	struct bh_trial t;
	char why[96];
	__u32 limit;

	if (!counts(ev) || !bh_kern_trial(a->kern, &t) || t.fell || ev->gen != t.generation ||
	    !used_to_pass(a, ev, t.back))
		return;
	a->trial_broken++;
	/* each of the first, then each power of ten: a busy host must not fill its journal */
	if (a->trial_broken <= 10 || a->trial_broken == 100 || a->trial_broken == 1000)
		tell(a, ev);
	limit = a->live.map ? a->live.map->revert_on_denies : 0;
	if (!limit || a->trial_broken < limit)
		return;
	snprintf(why, sizeof(why),
		 "%u connections that used to pass were denied (revert_on_denies)",
		 a->trial_broken);
	(void)bh_trial_revert(a, why);
}
