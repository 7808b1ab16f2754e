/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * bh_event.h - what the kernel programs tell: counters, events, and the answers of bh_judge. The
 * end of bh_abi.h, which includes it; of the same version.
 */
#ifndef BH_EVENT_H
#define BH_EVENT_H

#ifndef BH_ABI_H
#error "include bh_abi.h"
#endif

/* --- counters and events ----------------------------------------------------------------- */

struct bh_count {
	__u64 packets;
	__u64 bytes;
};
BH_ASSERT_SIZE(struct bh_count, 16);

/* bh_stats: per CPU; sent + suppressed + lost = seen */
enum bh_stat {
	BH_STAT_EVENTS_SEEN = 0,
	BH_STAT_EVENTS_SENT,
	BH_STAT_EVENTS_LOST,
	BH_STAT_CGROUPS_LOST, /* a new cgroup found no room */
	BH_STAT_LISTENERS_LOST,
	BH_STAT_SLOTS_REUSED,	   /* a live UDP peer was forgotten for a newer one */
	BH_STAT_EVENTS_SUPPRESSED, /* denies alike, above the limit */
	BH_STAT_FLOWS_LOST,	   /* datagrams whose peer found no room in bh_flows */
	BH_STAT_MAX,
};

enum bh_event_type {
	BH_EVENT_BEGIN = 1, /* a session was allowed */
	BH_EVENT_DENY = 2,
	BH_EVENT_WOULD_DENY = 3, /* observe mode: passed, would have been denied */
	BH_EVENT_END = 4,
	BH_EVENT_UPDATE = 5, /* a session goes on: what it counted since it was last told of */
	BH_EVENT_ALERT = 6,  /* somebody asks around: see bpf/spread.h */
	BH_EVENT_TYPES,
};

enum bh_alert {
	BH_ALERT_NONE = 0,
	BH_ALERT_PORTS, /* many ports in a minute */
	BH_ALERT_HOSTS,
	BH_ALERT_DENIED,
	BH_ALERT_NEW, /* the agent's: nobody was seen to talk like that before */
	BH_ALERTS,
};

/* What the first payload of each side looked like; observed, nobody rests on it. */
enum bh_crypt {
	BH_CRYPT_NONE = 0, /* no payload was seen */
	BH_CRYPT_UNKNOWN,
	BH_CRYPT_PLAIN, /* text */
	BH_CRYPT_SSH,
	BH_CRYPT_QUIC,
	BH_CRYPT_TLS, /* the larger one of both sides' is told */
};

enum bh_hook {
	BH_HOOK_XDP = 0,
	BH_HOOK_SKB_IN,
	BH_HOOK_SKB_OUT,
	BH_HOOK_CONNECT,
	BH_HOOK_SENDMSG,
	BH_HOOK_BIND,
	BH_HOOK_LISTEN,
	BH_HOOK_CREATE,
	BH_HOOK_RELEASE,
	BH_HOOK_EGRESS,
	BH_HOOK_JUDGE,
	BH_HOOK_MAX,
};

/*
 * Counters are what the flow counted since it was last told of, so that a flow's events add up to
 * what it counted. Bytes are payload behind the transport header; a GSO packet counts as its segments.
 */
struct bh_event {
	__u64 time_ns;
	__u64 gen;
	__u64 cgid; /* of the local end; 0 = unknown */
	struct bh_addr local_addr;
	struct bh_addr remote_addr;
	__u32 local;  /* identity */
	__u32 remote; /* identity */
	__u32 rule;
	__u32 uid;
	__u32 ifindex;
	__u32 pid; /* who connected, else who made the socket (of a child: its listener); 0 = unknown */
	__u16 local_port;
	__u16 remote_port;
	__u16 reason; /* enum bh_reason */
	__u8 type;    /* enum bh_event_type */
	__u8 hook;    /* enum bh_hook */
	__u8 dir;
	__u8 proto;
	__u16 icmp;	  /* type << 8 | code */
	__u32 suppressed; /* denies alike that were not told since the last that was */
	__u64 packets[2]; /* update, end: by enum bh_dir */
	__u64 bytes[2];
	__u64 begin_ns;
	__u64 last_ns;		/* of its last packet; 0 = not known */
	__u32 rtt_us;		/* smoothed; TCP's end and update; 0 = not known */
	__u8 tcp_flags;		/* all that were seen, both ways */
	__u8 crypt;		/* enum bh_crypt */
	__u16 alert;		/* enum bh_alert */
	char comm[BH_COMM_MAX]; /* of @pid, at that time */
};
BH_ASSERT_SIZE(struct bh_event, 168);

/*
 * bh_audit[0]: the last record of the audit log, so that a tail that somebody cut off is missed.
 * No program reads it: the agent writes it with each record, and its next start compares. seq 0:
 * there was none yet. See agent/control/chain.h.
 */
struct bh_audit_head {
	__u64 seq;
	__u8 hash[32]; /* SHA-256 */
};
BH_ASSERT_SIZE(struct bh_audit_head, 40);

/* --- bh_judge: the one who knows ---------------------------------------------------------- */

enum bh_q_flags {
	BH_Q_LOCAL_CGROUP = 1 << 0,  /* local end given as cgid and uid, else as identity */
	BH_Q_REMOTE_CGROUP = 1 << 1, /* remote end as cgid and uid: a peer on this host */
	BH_Q_REMOTE_ADDR = 1 << 2,   /* remote end as an address */
	BH_Q_PEER_LOCAL = 1 << 3,    /* the peer is on this host (remote given as identity) */
	/* what if other holds were in force than those that are */
	BH_Q_AS_IF = 1 << 4,	   /* whoever is in quarantine is not, but for the next two */
	BH_Q_HELD = 1 << 5,	   /* with it: one of the ends would be */
	BH_Q_HELD_HARD = 1 << 6,   /* and failsafes would not hold for it */
	BH_Q_LESS_GRANTS = 1 << 7, /* bit i of @without: bh_grants[i] would be revoked */
	BH_Q_LESS_JIT = 1 << 8,	   /* the grant of rule @without would be */
};

/* PROG_TEST_RUN data in. @gen picks side and generation: the live one, or a staged one. */
struct bh_question {
	__u64 gen;
	__u64 now_ns;
	__u64 local_cgid;
	__u64 remote_cgid;
	__u64 without; /* see BH_Q_LESS_ */
	struct bh_addr remote_addr;
	__u32 local;  /* identity */
	__u32 remote; /* identity */
	__u32 local_uid;
	__u32 remote_uid;
	__u32 flags; /* enum bh_q_flags */
	__u16 port;
	__u8 proto;
	__u8 dir;
};
BH_ASSERT_SIZE(struct bh_question, 80);

struct bh_answer {
	__u64 deadline_ns;
	__u32 local; /* the identities that were judged */
	__u32 remote;
	__u32 class;
	__u32 rule;
	__u32 would_rule; /* an observed deny that was skipped; 0 = none */
	__u16 reason;	  /* enum bh_reason: what the policy says */
	__u8 pass;	  /* what happens: policy and mode together */
	__u8 observe;	  /* the mode that was applied is observe */
	__u8 pad[48];	  /* data out may not be longer than data in: same size */
};
BH_ASSERT_SIZE(struct bh_answer, 80);

#endif
