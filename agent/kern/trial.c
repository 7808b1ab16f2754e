/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trial.c - a generation that ends by itself unless somebody confirms it, and what else ends by
 * the clock. All of it stands in bh_ctl, so it holds with the agent dead, hung or gone.
 *
 * A trial N is published like any other, on the idle side; the tables of N - 1 stay where they
 * are. Past its deadline each program takes that other side, as generation N + 1: verdicts of N
 * count no more. What then is left to do is to write down what is the case already: settle.
 *
 * Each step is one store that the programs take for all or nothing:
 *	begin	deadline, back, floor; then trial = N, which means nothing yet; then gen = N
 *	confirm	trial = 0. Should the deadline pass at that very instant, some programs may have
 *		judged as N + 1 for a moment: so no generation up to `floor` is used again
 *	end	trial_ns = 1: the deadline has passed
 *	settle	bh_sides[] says N + 1; then gen = N + 1, which is not the trial's; then trial = 0
 */
#include <time.h>
#include "kern_internal.h"

#define load(p)	    __atomic_load_n(p, __ATOMIC_ACQUIRE)
#define store(p, v) __atomic_store_n(p, v, __ATOMIC_RELEASE)

static __u64 boot_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_BOOTTIME, &t);
	return (__u64)t.tv_sec * 1000000000ull + (__u64)t.tv_nsec;
}

/* As bpf/identity.h has it: bh_run_by_clock(). */
static bool fell(const struct bh_ctl *ctl)
{
	return ctl->gen && load(&ctl->trial) == load(&ctl->gen) && boot_ns() >= ctl->trial_ns;
}

__u64 bh_kern_generation(const struct bh_kern *k)
{
	/* none: opened for `rescue`, and the map is gone */
	if (!k->ctl)
		return 0;
	if (!fell(k->ctl))
		return load(&k->ctl->gen);
	return k->ctl->back ? k->ctl->gen + 1 : 0;
}

__u64 bh_kern_floor(const struct bh_kern *k)
{
	return k->ctl ? load(&k->ctl->floor) : 0;
}

bool bh_kern_trial(const struct bh_kern *k, struct bh_trial *ret)
{
	const struct bh_ctl *ctl = k->ctl;

	*ret = (struct bh_trial){0};
	if (!ctl || !ctl->gen || load(&ctl->trial) != load(&ctl->gen))
		return false;
	*ret = (struct bh_trial){
		.generation = ctl->trial,
		.back = ctl->back,
		.deadline_ns = ctl->trial_ns,
		.fell = fell(ctl),
	};
	return true;
}

int bh_kern_publish_trial(struct bh_kern *k, __u64 deadline_ns)
{
	struct bh_trial t;

	if (!k->staged_gen || bh_kern_trial(k, &t))
		return -EINVAL;
	k->ctl->trial_ns = deadline_ns;
	k->ctl->back = k->ctl->gen;
	k->ctl->floor = k->staged_gen + 1;
	store(&k->ctl->trial, k->staged_gen);
	return bh_kern_publish(k);
}

int bh_kern_confirm(struct bh_kern *k)
{
	struct bh_trial t;

	if (!bh_kern_trial(k, &t))
		return -ENOENT;
	if (t.fell)
		return -ETIME;
	store(&k->ctl->trial, 0);
	k->drained = false;
	return 0;
}

static int settle_side(struct bh_kern *k, __u64 gen)
{
	_cleanup_free_ struct bh_side *side = malloc(sizeof(*side));
	__u32 index = BH_SIDE(gen);
	int r;

	if (!side)
		return -ENOMEM;
	r = bpf_map_lookup_elem(bh_kern_map_fd(k, BH_MAP_SIDES), &index, side);
	if (r < 0)
		return r;
	side->gen = gen;
	return bpf_map_update_elem(bh_kern_map_fd(k, BH_MAP_SIDES), &index, side, BPF_ANY);
}

int bh_kern_fall(struct bh_kern *k)
{
	struct bh_trial t;
	__u64 gen;
	int r;

	if (!bh_kern_trial(k, &t))
		return -ENOENT;
	store(&k->ctl->trial_ns, 1);
	gen = t.back ? t.generation + 1 : 0;
	r = gen ? settle_side(k, gen) : 0;
	if (r < 0)
		return r;
	store(&k->ctl->gen, gen);
	store(&k->ctl->trial, 0);
	k->drained = false;
	return 0;
}

void bh_kern_turn(struct bh_kern *k)
{
	/* the stamp takes 16 bits of it; atomic, as `rescue` opens an emergency beside an agent */
	__atomic_fetch_add(&k->ctl->turn, 1, __ATOMIC_RELEASE);
}

void bh_kern_set_open(struct bh_kern *k, __u64 until_ns)
{
	/* a set whose control word is gone denies by nothing that could be told */
	if (!k->ctl)
		return;
	store(&k->ctl->open_ns, until_ns);
	bh_kern_turn(k);
}

__u64 bh_kern_open_until(const struct bh_kern *k)
{
	__u64 until = k->ctl ? load(&k->ctl->open_ns) : 0;

	return until > boot_ns() ? until : 0;
}
