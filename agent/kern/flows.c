/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flows.c - conversations that go on, told as events: TCP sessions by their sockets, what is no
 * connection from the two maps that it is counted in. See bpf/flow.h. Called by the agent's tick.
 */
#include <string.h>
#include "kern_internal.h"

/* Entries that one call to the kernel takes. */
#define BATCH 512

int bh_kern_sweep_tcp(struct bh_kern *k)
{
	union bpf_iter_link_info target = {
		.map = {.map_fd = (__u32)bh_kern_map_fd(k, BH_MAP_SESSION)}};
	_cleanup_(bh_printed_clear) struct bh_printed told = {0};
	int r = bh_iter_run(k, BH_PROG_SWEEP_TCP, &target, &told);
	const struct bh_event *ev = told.data;
	size_t n = told.len / sizeof(*ev);

	/* what was read is told and not told again, whatever ended it */
	for (size_t i = 0; i < n; i++)
		k->on_event(k->ctx, &ev[i]);
	return r < 0 ? r : (int)n;
}

/* --- what is no connection ------------------------------------------------------------------------ */

static void event_of(const struct bh_flow_key *key, const struct bh_flow_val *v,
		     struct bh_event *ret)
{
	*ret = (struct bh_event){
		.time_ns = v->last_ns,
		.gen = v->gen,
		.cgid = key->cgid,
		.local_addr = key->local_addr,
		.remote_addr = key->remote_addr,
		.local = v->local,
		.remote = v->remote,
		.rule = v->rule,
		.uid = v->uid,
		.pid = v->pid,
		.local_port = key->local_port,
		.remote_port = key->remote_port,
		.reason = v->reason,
		.type = BH_EVENT_UPDATE,
		.hook = v->dir == BH_OUT ? BH_HOOK_SKB_OUT : BH_HOOK_SKB_IN,
		.dir = v->dir,
		.proto = key->proto,
		.icmp = v->icmp,
		.packets = {v->packets[BH_IN], v->packets[BH_OUT]},
		.bytes = {v->bytes[BH_IN], v->bytes[BH_OUT]},
		.begin_ns = v->first_ns,
		.last_ns = v->last_ns,
		.crypt = v->crypt,
	};
	memcpy(ret->comm, v->comm, sizeof(ret->comm));
}

/* Nobody writes the map any more: what a batch takes is all there is. */
static int empty(struct bh_kern *k, int fd)
{
	struct bh_flow_key key[BATCH];
	struct bh_flow_val val[BATCH];
	__u32 at = 0, n, *from = NULL;
	int r, told = 0;

	do {
		n = BATCH;
		r = bpf_map_lookup_and_delete_batch(fd, from, &at, key, val, &n, NULL);
		if (r < 0 && r != -ENOENT)
			return r;
		for (__u32 i = 0; i < n; i++) {
			struct bh_event ev;

			event_of(&key[i], &val[i], &ev);
			k->on_event(k->ctx, &ev);
		}
		told += (int)n;
		from = &at;
	} while (r == 0);
	return told;
}

int bh_kern_sweep_flows(struct bh_kern *k)
{
	__u32 was = k->ctl->flows;
	int fd = bh_kern_map_fd(k, was & 1 ? BH_MAP_FLOWS_1 : BH_MAP_FLOWS_0), r;

	__atomic_store_n(&k->ctl->flows, was + 1, __ATOMIC_SEQ_CST);
	/* who read the side before the store is through with it after that */
	r = bh_drain(k);
	return r < 0 ? r : empty(k, fd);
}
