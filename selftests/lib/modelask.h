/* SPDX-License-Identifier: Apache-2.0 */
/*
 * modelask.h - one question, put to the model and to the loaded programs by BPF_PROG_TEST_RUN.
 * A question names cgroups, users, addresses and packets, never segments: it can be asked again
 * of a smaller map. Used by selftests/model.
 */
#ifndef BH_TEST_MODELASK_H
#define BH_TEST_MODELASK_H

#include "modelpkt.h"
#include "modelrig.h"
#include "../../agent/kern/kern.h"

enum ask_what { ASK_JUDGE, ASK_NIC, ASK_SOCKET };
enum ask_who { ASK_CGROUP, ASK_ADDR, ASK_RESERVED };

struct ask_end {
	enum ask_who by;
	int cg, uid; /* indexes of world_cgroup, world_uid */
	int seg;     /* MD_WORLD .. MD_HOST */
	struct md_addr addr;
	bool local; /* an address of this host */
};

struct question {
	enum ask_what what;
	/* ASK_JUDGE */
	struct ask_end me, peer;
	int dir;
	uint8_t proto;
	uint16_t port;
	int64_t now_s; /* wall clock */
	/* ASK_NIC, ASK_SOCKET: as user nobody in the cgroup that asks_from() was called with */
	struct frame frame;
	int way;
	bool loopback;
};

/* What the programs said. */
struct said {
	bool pass, observe;
	enum bh_reason reason;
	__u32 rule, would_rule, identity, peer_identity;
	__u64 deadline_ns;
};

/* A kernel with the world's cgroups, addresses and listeners; in a network namespace of its own. */
struct bh_kern *asks_up(void);
void asks_down(struct bh_kern *k);
/* Makes this what is live, under the control flags of now. */
void asks_commit(struct bh_kern *k, const struct opinions *o);
/* The instant that all maps are compiled for. */
void asks_instant(struct bh_instant *ret);
/* The same behind what is live. Return: its generation, for judge_says_of(). */
__u64 asks_stage(struct bh_kern *k, const struct opinions *o);
/* From now on questions at sockets are of this cgroup; their user is unknown to the programs. */
void asks_from(int cg);
/* Flags of the host: enum bh_ctl_flags. */
void asks_ctl(struct bh_kern *k, __u32 flags);

struct question question_roll(const struct opinions *o);

struct md_answer model_says(const struct opinions *o, const struct question *q);
/* Without a reason for what is not ASK_JUDGE: those are counted, see asks_reasons(). */
struct said kernel_says(struct bh_kern *k, const struct opinions *o, const struct question *q);
/* ASK_JUDGE, of the live generation or a staged one */
struct said judge_says_of(struct bh_kern *k, const struct opinions *o, const struct question *q,
			  __u64 gen);
/* The same, with the reason that was counted meanwhile. */
struct said kernel_says_why(struct bh_kern *k, const struct opinions *o, const struct question *q);

/* NULL: they agree; else what differs. @why: the reason counts. */
const char *differ(const struct opinions *o, const struct question *q, const struct md_answer *a,
		   const struct said *s, bool why);
void question_print(const struct opinions *o, const struct question *q, const struct md_answer *a,
		    const struct said *s);

#endif
