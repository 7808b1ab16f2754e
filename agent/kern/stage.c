/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stage.c - a commit (the protocol stands in kern.h): tables of a new generation behind the
 * idle side, then one store that makes it the live one. Called by apply, confirm, rollback.
 *
 * Waiting: writing a slot of an outer map returns after a grace period *since that write*
 * (maybe_wait_bpf_programs() of kernel/bpf/syscall.c), the flip does not wait at all. A program
 * run that chose its side before the flip may still read that side, so a side is not written
 * before a grace period since the last flip.
 */
#include <pthread.h>
#include <string.h>
#include "kern_internal.h"

/* --- grace periods --------------------------------------------------------------------------- */

int bh_drain_open(struct bh_kern *k)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts);
	int r;

	k->drain_inner = bpf_map_create(BPF_MAP_TYPE_ARRAY, "bh_drain_in", 4, 4, 1, NULL);
	if (k->drain_inner < 0) {
		r = k->drain_inner;
		k->drain_inner = -1;
		return r;
	}
	opts.inner_map_fd = (__u32)k->drain_inner;
	k->drain = bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, "bh_drain", 4, 4, 1, &opts);
	if (k->drain < 0) {
		r = k->drain;
		k->drain = -1;
		return r;
	}
	return 0;
}

/* A map of its own: no live slot is touched, whoever else may be writing there. */
int bh_drain(struct bh_kern *k)
{
	__u32 zero = 0;
	int r = bpf_map_update_elem(k->drain, &zero, &k->drain_inner, BPF_ANY);

	if (r < 0)
		return r;
	k->drained = true;
	return 0;
}

/* --- the tables of one generation ------------------------------------------------------------- */

static void fills_of(const struct bh_compiled *c, const __u32 *ones, struct bh_fill *ret)
{
	ret[BH_MAP_POLICY] =
		(struct bh_fill){c->policy.bh_pol_key, c->policy.bh_pol_val, c->policy.n};
	ret[BH_MAP_ADDRS] = (struct bh_fill){c->addrs.bh_addr, c->addrs.bh_addr_val, c->addrs.n};
	ret[BH_MAP_PREFIXES] =
		(struct bh_fill){c->prefixes.bh_prefix_key, c->prefixes.bh_addr_val, c->prefixes.n};
	ret[BH_MAP_SEGS] = (struct bh_fill){NULL, c->segs, c->n_segs};
	ret[BH_MAP_RULES] = (struct bh_fill){NULL, c->rules, c->n_rules};
	ret[BH_MAP_NAMES] =
		(struct bh_fill){c->names.bh_name_key, c->names.bh_name_val, c->names.n};
	ret[BH_MAP_GLOBS] =
		(struct bh_fill){c->globs.bh_glob_key, c->globs.bh_glob_val, c->globs.n};
	ret[BH_MAP_USERS] = (struct bh_fill){c->users.bh_user_key, c->users.seg, c->users.n};
	ret[BH_MAP_RESERVE] = (struct bh_fill){c->reserve.key, ones, c->reserve.n};
}

/* All of them, before any is put in place: what fails here has changed nothing. */
static int make_tables(struct bh_kern *k, const struct bh_compiled *c, __u64 gen,
		       int ret_fd[BH_MAP_TABLES], struct bh_diags *d)
{
	_cleanup_free_ __u32 *ones = calloc(c->reserve.n + 1, sizeof(*ones));
	struct bh_fill fill[BH_MAP_TABLES];

	if (!ones)
		return -ENOMEM;
	for (size_t i = 0; i < c->reserve.n; i++)
		ones[i] = 1;
	fills_of(c, ones, fill);
	for (int i = 0; i < BH_MAP_TABLES; i++) {
		int fd = bh_table_make(k, i, gen, &fill[i], d);

		if (fd < 0)
			return fd;
		ret_fd[i] = fd;
	}
	return 0;
}

struct placing {
	pthread_t thread;
	bool waits; /* @thread runs and is to be joined */
	int outer, inner;
	__u32 side;
	int r;
};

static void *place_one(void *ctx)
{
	struct placing *p = ctx;

	p->r = bpf_map_update_elem(p->outer, &p->side, &p->inner, BPF_ANY);
	return NULL;
}

/*
 * A thread for each: the kernel waits in each write, and nine grace periods that run side by
 * side last as long as one (some 10 ms). Where there can be no thread it takes that much longer.
 */
static int place_tables(struct bh_kern *k, const int fd[BH_MAP_TABLES], __u32 side,
			struct bh_diags *d)
{
	struct placing placing[BH_MAP_TABLES];
	int r = 0;

	for (int i = 0; i < BH_MAP_TABLES; i++) {
		struct placing *p = &placing[i];

		*p = (struct placing){.outer = bh_kern_map_fd(k, i), .inner = fd[i], .side = side};
		p->waits = pthread_create(&p->thread, NULL, place_one, p) == 0;
		if (!p->waits)
			place_one(p);
	}
	for (int i = 0; i < BH_MAP_TABLES; i++) {
		if (placing[i].waits)
			(void)pthread_join(placing[i].thread, NULL);
		if (placing[i].r < 0 && r == 0)
			r = kern_error(d, placing[i].r, NULL, "can't put table %s in place: %s",
				       bh_map_names[i], strerror(-placing[i].r));
	}
	return r;
}

/* From here on the idle side is no whole generation that `rescue` could go back to. */
static int break_side(struct bh_kern *k, __u64 gen)
{
	_cleanup_free_ struct bh_side *none = calloc(1, sizeof(*none));
	__u32 index = BH_SIDE(gen);

	if (!none)
		return -ENOMEM;
	return bpf_map_update_elem(bh_kern_map_fd(k, BH_MAP_SIDES), &index, none, BPF_ANY);
}

static int place_side(struct bh_kern *k, const struct bh_compiled *c, __u64 gen)
{
	_cleanup_free_ struct bh_side *side = malloc(sizeof(*side));
	__u32 index = BH_SIDE(gen);

	if (!side)
		return -ENOMEM;
	*side = c->side;
	side->gen = gen;
	return bpf_map_update_elem(bh_kern_map_fd(k, BH_MAP_SIDES), &index, side, BPF_ANY);
}

/* The slots hold the tables from here on: our fds are not needed. */
static void close_tables(int (*fd)[BH_MAP_TABLES])
{
	for (int i = 0; i < BH_MAP_TABLES; i++)
		bh_closep(&(*fd)[i]);
}

/* --- the walk ---------------------------------------------------------------------------------- */

static int walk_idle(struct bh_kern *k, __u64 gen, struct bh_diags *d)
{
	int r;

	/* the kernel side sets it again if a cgroup still finds no room */
	__atomic_fetch_and(&k->ctl->flags, ~BH_CTL_CGROUPS_FULL, __ATOMIC_ACQ_REL);
	r = bh_iter_walk(k, 1u << BH_SIDE(gen), d);
	if (r < 0)
		return r;
	if (__atomic_load_n(&k->ctl->flags, __ATOMIC_ACQUIRE) & BH_CTL_CGROUPS_FULL)
		kern_warning(d, "raise max_cgroups in the agent's configuration",
			     "this host has more cgroups than the table holds (%u): workloads in "
			     "the others are denied",
			     bpf_map__max_entries(k->map[BH_MAP_CGROUPS]));
	/* nobody notes new cgroups: one that is not in the table may be anybody's */
	if (!bh_has(k, BH_FEAT_CGROUP_MKDIR))
		(void)bh_kern_set_ctl(k, BH_CTL_CGROUPS_FULL, 0);
	return 0;
}

/* --- stage and publish -------------------------------------------------------------------------- */

/* Above everything that was, and on the side that is idle (before the first both are). */
static __u64 next_gen(const struct bh_kern *k)
{
	__u64 live = bh_kern_generation(k);
	__u64 next = MAX(MAX(live, bh_kern_floor(k)), k->gen_floor) + 1;

	return live && BH_SIDE(next) == BH_SIDE(live) ? next + 1 : next;
}

static int check_size(const struct bh_kern *k, const struct bh_compiled *c, struct bh_diags *d)
{
	__u32 room = bpf_map__max_entries(k->map[BH_MAP_RULE_HITS]);

	if (c->n_rules <= room)
		return 0;
	return kern_error(d, -E2BIG, "raise the limit of rules in the agent's configuration",
			  "the map needs %zu rule numbers, there is room for %u", c->n_rules, room);
}

int bh_kern_stage(struct bh_kern *k, const struct bh_compiled *c, struct bh_diags *d,
		  __u64 *ret_gen)
{
	_cleanup_(close_tables) int fd[BH_MAP_TABLES] = {-1, -1, -1, -1, -1, -1, -1, -1, -1};
	__u64 gen = next_gen(k);
	struct bh_trial trial;
	int r;

	k->staged_gen = 0;
	/* both sides are in use */
	if (bh_kern_trial(k, &trial))
		return kern_error(d, -EBUSY, "bulkhead confirm, or bulkhead rollback",
				  "generation %llu waits to be confirmed",
				  (unsigned long long)trial.generation);
	r = check_size(k, c, d);
	if (r == 0)
		r = make_tables(k, c, gen, fd, d);
	if (r < 0)
		return r;
	if (!k->drained) {
		r = bh_drain(k);
		if (r < 0)
			return kern_error(d, r, NULL, "no grace period: %s", strerror(-r));
	}
	r = break_side(k, gen);
	if (r == 0)
		r = place_tables(k, fd, BH_SIDE(gen), d);
	if (r < 0)
		return r;
	r = place_side(k, c, gen);
	if (r < 0)
		return kern_error(d, r, NULL, "can't write bh_sides: %s", strerror(-r));
	r = walk_idle(k, gen, d);
	if (r < 0)
		return r;
	k->staged_gen = gen;
	*ret_gen = gen;
	return 0;
}

int bh_kern_publish(struct bh_kern *k)
{
	if (!k->staged_gen)
		return -EINVAL;
	__atomic_store_n(&k->ctl->gen, k->staged_gen, __ATOMIC_RELEASE);
	k->staged_gen = 0;
	k->drained = false;
	return 0;
}

int bh_kern_set_ctl(struct bh_kern *k, __u32 set, __u32 clear)
{
	if (clear)
		__atomic_fetch_and(&k->ctl->flags, ~clear, __ATOMIC_ACQ_REL);
	if (set)
		__atomic_fetch_or(&k->ctl->flags, set, __ATOMIC_ACQ_REL);
	return 0;
}

__u32 bh_kern_ctl(const struct bh_kern *k)
{
	return __atomic_load_n(&k->ctl->flags, __ATOMIC_ACQUIRE);
}
