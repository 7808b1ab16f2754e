/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * spread.h - who asks around: many ports, many hosts, many refusals in a minute. Of a local workload
 * each connect() and sendmsg() counts; of an address elsewhere only a handshake that it completed,
 * for anybody can write another's address into a SYN. Told, once a minute; nothing is denied by it.
 *
 * Ports and hosts are counted by linear counting (Whang et al., 1990): a bit for each by its hash,
 * and the number of bits that are set. An LRU map: who is forgotten begins anew.
 */
#ifndef BH_SPREAD_H
#define BH_SPREAD_H

#include "verdict.h"

/* The finalizer of MurmurHash3: each bit of what goes in moves each that comes out. */
__inline __u32 bh_spread_hash(__u64 a, __u64 b)
{
	a ^= b * 0x9e3779b97f4a7c15ull;
	a = (a ^ (a >> 33)) * 0xff51afd7ed558ccdull;
	a = (a ^ (a >> 33)) * 0xc4ceb9fe1a85ec53ull;
	return a ^ (a >> 33);
}

/* Return: 1 if it was not there yet. */
__inline __u32 bh_spread_mark(__u64 *bits, __u32 hash)
{
	__u64 *word = &bits[hash >> 6 & (BH_SPREAD_WORDS - 1)], bit = 1ull << (hash & 63);

	if (*word & bit)
		return 0;
	__sync_fetch_and_or(word, bit);
	return 1;
}

__inline struct bh_spread *bh_spread_of(const struct bh_spread_key *key, __u64 now_ns)
{
	struct bh_spread *s = bpf_map_lookup_elem(&bh_spread, key);

	if (!s) {
		struct bh_spread first = {.since_ns = now_ns};

		bpf_map_update_elem(&bh_spread, key, &first, BPF_NOEXIST);
		return bpf_map_lookup_elem(&bh_spread, key);
	}
	if (bh_since_ns(now_ns, s->since_ns) > BH_SPREAD_WINDOW_NS) {
		s->since_ns = now_ns;
		s->n_ports = s->n_hosts = s->n_denied = s->told = 0;
		for (int i = 0; i < BH_SPREAD_WORDS; i++)
			s->ports[i] = s->hosts[i] = 0;
	}
	return s;
}

/* Return: enum bh_alert that is over its limit for the first time in this minute, 0 = none. */
__subprog __u32 bh_spread_score(const struct bh_spread_key *key, const struct bh_conv *c,
				bool denied)
{
	const __u64 *host = (const void *)&c->remote_addr;
	struct bh_spread *s = bh_spread_of(key, bpf_ktime_get_boot_ns());
	__u32 alert = 0;

	if (!s)
		return 0;
	s->n_ports += bh_spread_mark(s->ports, bh_spread_hash(c->talk.port, c->talk.proto));
	s->n_hosts += bh_spread_mark(s->hosts, bh_spread_hash(host[0], host[1]));
	s->n_denied += denied;
	if (s->n_ports >= BH_SPREAD_PORTS && !(s->told & 1 << BH_ALERT_PORTS))
		alert = BH_ALERT_PORTS;
	else if (s->n_hosts >= BH_SPREAD_HOSTS && !(s->told & 1 << BH_ALERT_HOSTS))
		alert = BH_ALERT_HOSTS;
	else if (s->n_denied >= BH_SPREAD_DENIED && !(s->told & 1 << BH_ALERT_DENIED))
		alert = BH_ALERT_DENIED;
	if (alert)
		s->told |= 1 << alert;
	return alert;
}

/* @c: the conversation that was one too many */
__subprog int bh_spread_tell(const struct bh_run *run, const struct bh_conv *c, __u32 alert)
{
	struct bh_event *ev = bpf_ringbuf_reserve(&bh_events, sizeof(*ev), 0);

	if (!ev) {
		bh_event_lost();
		return 0;
	}
	bh_event_begin(ev, c, BH_EVENT_ALERT);
	ev->pid = 0; /* c->rule lies there */
	ev->alert = alert;
	ev->gen = BH_STAMP_GEN(run->gen);
	ev->remote_addr = c->remote_addr;
	ev->remote_port = c->remote_port;
	ev->remote = c->talk.peer.seg;
	ev->dir = c->talk.dir;
	ev->begin_ns = ev->time_ns;
	if (c->hook == BH_HOOK_CONNECT || c->hook == BH_HOOK_SENDMSG)
		ev->pid = bh_current_pid(ev->comm);
	bpf_ringbuf_submit(ev, 0);
	return 0;
}

/* A local workload asks. */
__inline void bh_spread_call(const struct bh_run *run, const struct bh_conv *c, bool denied)
{
	struct bh_spread_key key = {.cgid = c->cgid};
	__u32 alert = bh_spread_score(&key, c, denied);

	if (alert)
		bh_spread_tell(run, c, alert);
}

#endif
