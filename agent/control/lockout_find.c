/* SPDX-License-Identifier: Apache-2.0 */
/* lockout_find.c - see lockout.h: which connections carry the caller, and since when. */
#include <errno.h>
#include <string.h>
#include "lockout.h"

void bh_lockout_clear(struct bh_lockout *k)
{
	free(k->v);
	*k = (struct bh_lockout){0};
}

struct search {
	struct bh_lockout *k;
	const struct bh_kin *kin;
	bool accepted; /* @kin holds one that was accepted */
};

static struct bh_carrier *find(struct bh_lockout *k, __u64 cookie)
{
	for (size_t i = 0; i < k->n; i++)
		if (k->v[i].held.cookie == cookie)
			return &k->v[i];
	return NULL;
}

static struct bh_carrier *add(struct bh_lockout *k)
{
	/* a power of two: grow when it is full */
	if ((k->n & (k->n - 1)) == 0) {
		struct bh_carrier *more = reallocarray(k->v, k->n ? k->n * 2 : 1, sizeof(*more));

		if (!more)
			return NULL;
		k->v = more;
	}
	return &k->v[k->n++];
}

static int on_held(void *ctx, const struct bh_held *held)
{
	struct search *s = ctx;
	struct bh_carrier *c = find(s->k, held->cookie);

	s->accepted |= !!(held->flags & BH_HELD_ACCEPTED);
	if (c) {
		c->oldest_ns = MIN(c->oldest_ns, s->kin->start_ns);
		return 0;
	}
	c = add(s->k);
	if (!c)
		return -ENOMEM;
	*c = (struct bh_carrier){.held = *held, .pid = s->kin->pid, .oldest_ns = s->kin->start_ns};
	memcpy(c->name, s->kin->name, sizeof(c->name));
	return 0;
}

/* --- peers on this host ------------------------------------------------------------------------- */

static bool is_peer(const struct bh_held *a, const struct bh_held *b)
{
	return a->local_port == b->remote_port && a->remote_port == b->local_port &&
	       a->netns == b->netns &&
	       !memcmp(&a->local_addr, &b->remote_addr, sizeof(a->local_addr)) &&
	       !memcmp(&a->remote_addr, &b->local_addr, sizeof(a->local_addr));
}

static int on_other(void *ctx, const struct bh_held *held)
{
	struct bh_lockout *k = ctx;

	for (size_t i = 0; i < k->n; i++) {
		struct bh_carrier *c = &k->v[i];

		if (!(c->held.flags & BH_HELD_LOCAL_PEER) || !is_peer(&c->held, held))
			continue;
		c->peer_found = true;
		c->peer_cgid = held->cgid;
		c->peer_uid = held->uid;
	}
	return 0;
}

/* The datapath finds a local peer by its socket; so do we, among those that processes hold. */
static int find_peers(struct bh_agent *a, struct bh_lockout *k)
{
	bool any = false;

	for (size_t i = 0; i < k->n; i++)
		any |= !!(k->v[i].held.flags & BH_HELD_LOCAL_PEER);
	return any ? bh_kern_task_sockets(a->kern, 0, on_other, k) : 0;
}

/* --- all of it ----------------------------------------------------------------------------------- */

int bh_lockout_find(struct bh_agent *a, const char *proc, pid_t pid, struct bh_lockout *ret)
{
	_cleanup_(bh_lockout_clear) struct bh_lockout k = {0};
	struct search s = {.k = &k};
	struct bh_chain chain;
	bool came = false;
	int r = bh_chain_read(proc, pid, &chain);

	if (r < 0)
		return r;
	k.me = chain.v[0];
	for (size_t i = 0; r == 0 && i < chain.n; i++) {
		s.kin = &chain.v[i];
		/* beyond who accepted the connection it is the server's terminal, not the caller's */
		k.console |= !came && s.kin->console;
		r = bh_kern_task_sockets(a->kern, s.kin->pid, on_held, &s);
		came |= s.accepted;
	}
	if (r == 0)
		r = find_peers(a, &k);
	if (r < 0)
		return r;
	*ret = k;
	k = (struct bh_lockout){0};
	return 0;
}

/* --- anew ------------------------------------------------------------------------------------------ */

bool bh_lockout_is_fresh(const struct bh_lockout *k, __u64 since_ns)
{
	for (size_t i = 0; i < k->n; i++) {
		const struct bh_carrier *c = &k->v[i];

		if (c->held.flags & BH_HELD_ACCEPTED && c->oldest_ns >= since_ns &&
		    (!c->held.begin_ns || c->held.begin_ns >= since_ns))
			return true;
	}
	return k->console;
}

bool bh_lockout_fresh(struct bh_agent *a, const struct bh_caller *caller, __u64 since_ns)
{
	_cleanup_(bh_lockout_clear) struct bh_lockout k = {0};

	return bh_lockout_find(a, "/proc", caller->pid, &k) == 0 &&
	       bh_lockout_is_fresh(&k, since_ns);
}
