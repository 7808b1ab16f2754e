/* SPDX-License-Identifier: Apache-2.0 */
/*
 * simulate.h - the conversations that were seen (agent/pairs.h), asked of bh_judge again: on the
 * live side and on a staged one. Called by verb_simulate.c.
 */
#ifndef BH_SIMULATE_H
#define BH_SIMULATE_H

#include "../telemetry/pairs.h"
#include "control.h"

enum bh_sim_verdict {
	BH_SIM_ALLOWED,
	BH_SIM_AUDITED, /* passes, in observe */
	BH_SIM_DENIED,
	BH_SIM_VERDICTS,
};

/* "allowed", "audited", "denied" */
const char *bh_sim_word(enum bh_sim_verdict v);

struct bh_sim_half {
	enum bh_sim_verdict verdict;
	__u16 reason;
	__u32 rule;
};

struct bh_sim_row {
	struct bh_pair pair;
	struct bh_sim_half was, will;
};

struct bh_sim {
	struct bh_sim_row *v; /* those that are not what they were */
	size_t n;
	size_t judged;
	size_t halves;	/* the other end of one that was judged */
	size_t gone;	/* judged as their segment: the workload is not there now */
	size_t unknown; /* neither it nor its segment is there: not judged */
	size_t count[BH_SIM_VERDICTS][BH_SIM_VERDICTS]; /* was, will */
};

/**
 * bh_simulate - what @l, staged as generation @gen, would change for what was seen
 * @since_ms: wall time; only what was seen since
 * Return: 0 or -errno; clear @ret.
 */
int bh_simulate(struct bh_agent *a, const struct bh_live *l, __u64 gen, int64_t since_ms,
		struct bh_sim *ret);
void bh_sim_clear(struct bh_sim *s);

#endif
