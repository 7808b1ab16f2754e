/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * flow.h - what is told of conversations that pass: how much, how it looked, and whose they are.
 * Telemetry alone: no verdict rests on anything here.
 *
 * TCP counts by itself, in its own socket; that is read when a session ends, and by the agent's
 * sweep in between. What is no connection is counted by its ends in one of two maps, which the
 * agent empties in turns.
 */
#ifndef BH_FLOW_H
#define BH_FLOW_H

#include "verdict.h"

/* --- what the first payload looks like ------------------------------------------------------------- */

#define BH_PEEK 8

/* What is taken for plain is text; a length in front, as databases have it, is unknown. */
__inline bool bh_is_text(const __u8 *b, __u32 n)
{
	for (__u32 i = 0; i < BH_PEEK; i++)
		if (i < n && (b[i] < 32 || b[i] > 126) && (b[i] < 9 || b[i] > 13))
			return false;
	return true;
}

/* A TLS record (RFC 8446 5.1), or DTLS 1.0 to 1.3 (RFC 6347 4.1). */
__inline bool bh_is_tls(const __u8 *b, bool datagram)
{
	if (b[0] < 20 || b[0] > 23)
		return false;
	return datagram ? b[1] == 0xfe && b[2] >= 0xfc : b[1] == 3 && b[2] <= 4;
}

/* A long header (RFC 9000 17.2) of version 1, 2 (RFC 9369) or a draft. */
__inline bool bh_is_quic(const __u8 *b)
{
	__u32 version = (__u32)b[1] << 24 | b[2] << 16 | b[3] << 8 | b[4];

	return (b[0] & 0xc0) == 0xc0 &&
	       (version == 1 || version == 0x6b3343cf || version >> 8 == 0xff0000);
}

/* @n: how much there is, at least 1; behind it are zeroes */
__inline enum bh_crypt bh_crypt_of(const __u8 *b, __u32 n, bool datagram)
{
	if (bh_is_tls(b, datagram))
		return BH_CRYPT_TLS;
	if (datagram && bh_is_quic(b))
		return BH_CRYPT_QUIC;
	if (!datagram && b[0] == 'S' && b[1] == 'S' && b[2] == 'H' && b[3] == '-')
		return BH_CRYPT_SSH;
	return bh_is_text(b, n) ? BH_CRYPT_PLAIN : BH_CRYPT_UNKNOWN;
}

/* enum bh_crypt of @n bytes that begin @at bytes into the packet; it may lie in a fragment. */
__subprog int bh_peek(struct __sk_buff *skb, __u32 at, __u32 n, bool datagram)
{
	__u8 b[BH_PEEK] = {};

	if (!n)
		return BH_CRYPT_NONE;
	if (n >= BH_PEEK) {
		n = BH_PEEK;
		if (bpf_skb_load_bytes(skb, at, b, BH_PEEK))
			return BH_CRYPT_NONE;
	} else {
		for (__u32 i = 0; i < BH_PEEK; i++)
			if (i < n && bpf_skb_load_bytes(skb, at + i, &b[i], 1))
				return BH_CRYPT_NONE;
	}
	return bh_crypt_of(b, n, datagram);
}

/* --- TCP ------------------------------------------------------------------------------------------- */

#define BH_SOCK_DONE 1 /* enum sock_flags (include/net/sock.h): the peer's FIN was taken */
/* include/uapi/asm-generic/errno*.h */
#define BH_EPIPE	32
#define BH_ECONNRESET	104
#define BH_ECONNREFUSED 111

/* Told until now. The counters are final when a session ends, so the sweep never tells more. */
__inline __u64 bh_untold(__u64 *told, __u64 now)
{
	__u64 was = __sync_lock_test_and_set(told, now);

	/* programs of BH_ABI 2 counted headers, too */
	return now > was ? now - was : 0;
}

/* The FIN has a sequence number and is counted as if it were a byte (net/ipv4/tcp_input.c). */
__inline void bh_tcp_counts(struct bh_event *ev, struct bh_session *s, const struct tcp_sock *tp)
{
	const struct sock *sk = &tp->inet_conn.icsk_inet.sk;
	__u64 in = tp->bytes_received;

	if (in && sk->__sk_common.skc_flags & 1 << BH_SOCK_DONE)
		in--;
	ev->bytes[BH_IN] = bh_untold(&s->bytes[BH_IN], in);
	ev->bytes[BH_OUT] = bh_untold(&s->bytes[BH_OUT], tp->bytes_sent - tp->bytes_retrans);
	ev->packets[BH_IN] = bh_untold(&s->packets[BH_IN], tp->segs_in);
	ev->packets[BH_OUT] = bh_untold(&s->packets[BH_OUT], tp->segs_out);
	ev->rtt_us = tp->srtt_us >> 3;
	ev->last_ns = tp->tcp_mstamp * 1000 + (bpf_ktime_get_boot_ns() - bpf_ktime_get_ns());
}

/* By what became of the socket; segments are not looked at. @was: its state before, 0 = it lives */
__inline __u8 bh_tcp_flags_of(const struct tcp_sock *tp, int was)
{
	const struct sock *sk = &tp->inet_conn.icsk_inet.sk;
	int err = sk->sk_err;
	__u8 flags = BH_TCP_SYN;

	if (tp->segs_in)
		flags |= BH_TCP_ACK;
	if (sk->__sk_common.skc_flags & 1 << BH_SOCK_DONE)
		flags |= BH_TCP_FIN;
	if (err == BH_ECONNRESET || err == BH_ECONNREFUSED || err == BH_EPIPE)
		flags |= BH_TCP_RST;
	if (was == BPF_TCP_FIN_WAIT1 || was == BPF_TCP_FIN_WAIT2 || was == BPF_TCP_CLOSING ||
	    was == BPF_TCP_LAST_ACK || was == BPF_TCP_TIME_WAIT)
		flags |= BH_TCP_FIN;
	/* closed by us with no FIN and no error: an abort */
	else if (!err && (was == BPF_TCP_ESTABLISHED || was == BPF_TCP_CLOSE_WAIT))
		flags |= BH_TCP_RST;
	return flags;
}

/*
 * A session whose begin was told, for its end or as it goes on.
 * @facts: NULL: not known. @tp: NULL: it counted nothing
 */
__inline void bh_event_of_session(struct bh_event *ev, const struct bh_facts *facts,
				  struct bh_session *s, const struct tcp_sock *tp)
{
	if (s->pid) {
		ev->pid = s->pid;
		__builtin_memcpy(ev->comm, s->comm, sizeof(ev->comm));
	} else if (facts) {
		ev->pid = facts->pid;
		__builtin_memcpy(ev->comm, facts->comm, sizeof(ev->comm));
	}
	ev->gen = BH_STAMP_GEN(s->gen);
	ev->begin_ns = s->begin_ns;
	ev->remote_addr = s->peer;
	ev->remote_port = s->peer_port;
	ev->remote = s->remote;
	ev->dir = s->dir;
	ev->rule = s->rule;
	ev->reason = s->reason;
	ev->crypt = s->crypt[0] > s->crypt[1] ? s->crypt[0] : s->crypt[1];
	if (tp)
		bh_tcp_counts(ev, s, tp);
}

/* The application closed a session whose begin was told. @was: the state it was in */
__subprog int bh_event_end(const struct bh_conv *c, const struct bh_facts *facts,
			   struct bh_session *s, const struct tcp_sock *tp, int was)
{
	struct bh_event *ev = bpf_ringbuf_reserve(&bh_events, sizeof(*ev), 0);

	if (!ev) {
		bh_event_lost();
		return 0;
	}
	bh_event_begin(ev, c, BH_EVENT_END);
	bh_event_of_session(ev, facts, s, tp);
	if (tp)
		ev->tcp_flags = bh_tcp_flags_of(tp, was);
	bpf_ringbuf_submit(ev, 0);
	return 0;
}

/* --- what is no connection ------------------------------------------------------------------------- */

__inline struct bh_flow_val *bh_flow_find(__u32 side, const struct bh_flow_key *key)
{
	return side & 1 ? bpf_map_lookup_elem(&bh_flows_1, key)
			: bpf_map_lookup_elem(&bh_flows_0, key);
}

/* Which of both is written; a packet reads it once. */
__inline __u32 bh_flow_side(void)
{
	const struct bh_ctl *ctl = bh_ctl_get();

	return ctl ? *(const volatile __u32 *)&ctl->flows : 0;
}

__inline bool bh_has_ports(__u8 proto)
{
	return proto == IPPROTO_UDP || proto == IPPROTO_UDPLITE;
}

__inline void bh_flow_key_of(const struct bh_conv *c, __u64 cgid, struct bh_flow_key *key)
{
	__builtin_memset(key, 0, sizeof(*key));
	key->local_addr = c->local_addr;
	key->remote_addr = c->remote_addr;
	key->cgid = cgid;
	key->proto = c->talk.proto;
	if (bh_has_ports(c->talk.proto)) {
		key->local_port = c->local_port;
		key->remote_port = c->remote_port;
	}
}

__inline void bh_flow_take(struct bh_flow_val *v, const struct bh_conv *c, enum bh_dir way)
{
	__sync_fetch_and_add(&v->packets[way & 1], c->packets);
	__sync_fetch_and_add(&v->bytes[way & 1], c->payload);
	v->last_ns = bpf_ktime_get_boot_ns();
}

/* Counts what passed. Return: 0 where nothing of these ends was seen yet. */
__subprog int bh_flow_count(struct bpf_sock *sk, const struct bh_conv *c, enum bh_dir way)
{
	const struct bh_facts *facts = bpf_sk_storage_get(&bh_facts, sk, 0, 0);
	struct bh_flow_key key;
	struct bh_flow_val *v;

	if (!facts)
		return 1;
	bh_flow_key_of(c, facts->cgid, &key);
	v = bh_flow_find(bh_flow_side(), &key);
	if (v)
		bh_flow_take(v, c, way);
	return !!v;
}

/* @c with both its identities and c->crypt. Without room it is counted as lost. */
__subprog int bh_flow_add(const struct bh_run *run, const struct bh_conv *c,
			  const struct bh_facts *facts, enum bh_dir way)
{
	struct bh_flow_val v = {
		.first_ns = bpf_ktime_get_boot_ns(),
		.gen = BH_STAMP_GEN(run->gen),
		.local = c->talk.me.seg,
		.remote = c->talk.peer.seg,
		.rule = c->rule,
		.uid = facts->uid,
		.pid = facts->pid,
		.reason = c->reason,
		.icmp = bh_has_ports(c->talk.proto) ? 0 : c->talk.port,
		.dir = c->talk.dir,
		.crypt = c->crypt,
	};
	__u32 side = bh_flow_side();
	struct bh_flow_key key;
	struct bh_flow_val *kept;

	__builtin_memcpy(v.comm, facts->comm, sizeof(v.comm));
	bh_flow_key_of(c, facts->cgid, &key);
	if (side & 1)
		bpf_map_update_elem(&bh_flows_1, &key, &v, BPF_NOEXIST);
	else
		bpf_map_update_elem(&bh_flows_0, &key, &v, BPF_NOEXIST);
	kept = bh_flow_find(side, &key);
	if (kept)
		bh_flow_take(kept, c, way);
	else
		bh_stat_add_n(BH_STAT_FLOWS_LOST, c->packets);
	return 0;
}

#endif
