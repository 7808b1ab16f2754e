/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fakekern.h - agent/kern/kern.h without a kernel: remembers what it is told, answers what the
 * test says. Include it in one source of a test program: it defines every function of kern.h,
 * so that the linker takes none from the library.
 */
#ifndef BH_FAKEKERN_H
#define BH_FAKEKERN_H

#include <errno.h>
#include <string.h>
#include "../../agent/kern/kern.h"

static struct {
	__u64 gen, staged, floor;
	__u64 beside; /* generation of another ABI's set; 0 = there is none */
	__u64 beside_open_ns;
	__u64 trial, back, trial_ns, open_ns; /* as in struct bh_ctl */
	__u64 now_ns;			      /* against trial_ns */
	int turns, confirm_error;
	struct bh_quarantine slot[BH_QUARANTINE_MAX];
	struct bh_member member[BH_QUARANTINE_MAX];
	size_t n_member;
	struct bh_grant grant[BH_GRANTS_MAX];
	struct bh_jit jit[BH_GRANTS_MAX];
	size_t n_jit;
	__u32 flags;
	/* how often */
	int stages, publishes, cuts, detaches, attaches;
	/* what the next call says, 0 = all is well */
	int stage_error, publish_error, cut_error, detach_error;
	int (*judge)(const struct bh_question *q, struct bh_answer *ret); /* NULL: all is denied */
	struct bh_hook_state hook[8];
	size_t n_hook;
	struct bh_feature feature[4];
	size_t n_feature;
	struct bh_listen_key listen_key[8];
	struct bh_listener listener[8];
	size_t n_listener;
	__u64 cgid[8];
	struct bh_cgroup cgroup[8];
	size_t n_cgroup;
	struct bh_held held[8];
	pid_t held_by[8];
	size_t n_held;
	int held_error;
	__u64 stat[BH_STAT_MAX];
	struct bh_count reason[BH_REASON_MAX];
	int nic_error;
	struct bh_program program[4];
	size_t n_program;
	int program_error;
	struct bh_audit_head audit_head;
	int audit_error;
} fake;

int bh_kern_open(_unused_ const struct bh_kern_opts *opts, _unused_ struct bh_diags *d,
		 struct bh_kern **ret)
{
	*ret = NULL;
	return 0;
}

void bh_kern_close(_unused_ struct bh_kern *k)
{
}

int bh_kern_attach(_unused_ struct bh_kern *k, _unused_ struct bh_diags *d)
{
	fake.attaches++;
	return 0;
}

int bh_kern_seed(_unused_ struct bh_kern *k, _unused_ struct bh_diags *d)
{
	return 0;
}

int bh_kern_nic_attach(_unused_ struct bh_kern *k, _unused_ int ifindex, const char *name,
		       _unused_ enum bh_nic_mode mode, _unused_ bool take_over, struct bh_diags *d)
{
	if (fake.nic_error)
		(void)bh_diag_add(d, BH_ERROR, NULL, NULL, "%s says no", name);
	return fake.nic_error;
}

int bh_kern_nic_detach(_unused_ struct bh_kern *k, _unused_ int ifindex, _unused_ const char *name)
{
	return 0;
}

int bh_kern_detach(_unused_ struct bh_kern *k)
{
	fake.detaches++;
	return fake.detach_error;
}

int bh_kern_open_pins(_unused_ const char *pin_dir, _unused_ struct bh_diags *d,
		      _unused_ struct bh_kern **ret)
{
	return -ENOENT;
}

size_t bh_kern_pinned(_unused_ const struct bh_kern *k, _unused_ char (*ret)[64],
		      _unused_ size_t max)
{
	return 0;
}

/* The set beside ours stands at an address of its own. */
#define FAKE_BESIDE ((struct bh_kern *)&fake.beside)

static bool fake_fell(void)
{
	return fake.gen && fake.trial == fake.gen && fake.now_ns >= fake.trial_ns;
}

__u64 bh_kern_generation(const struct bh_kern *k)
{
	if (k == FAKE_BESIDE)
		return fake.beside;
	return !fake_fell() ? fake.gen : fake.back ? fake.gen + 1 : 0;
}

bool bh_kern_trial(const struct bh_kern *k, struct bh_trial *ret)
{
	*ret = (struct bh_trial){fake.trial, fake.back, fake.trial_ns, fake_fell()};
	return k != FAKE_BESIDE && fake.gen && fake.trial == fake.gen;
}

int bh_kern_publish_trial(struct bh_kern *k, __u64 deadline_ns)
{
	__u64 was = fake.gen;
	int r = bh_kern_publish(k);

	if (r < 0)
		return r;
	fake.back = was;
	fake.trial = fake.gen;
	fake.floor = fake.gen + 1;
	fake.trial_ns = deadline_ns;
	return 0;
}

int bh_kern_confirm(_unused_ struct bh_kern *k)
{
	if (fake.confirm_error)
		return fake.confirm_error;
	if (fake_fell())
		return -ETIME;
	fake.trial = 0;
	return 0;
}

int bh_kern_fall(_unused_ struct bh_kern *k)
{
	if (!fake.gen || fake.trial != fake.gen)
		return -ENOENT;
	fake.gen = fake.back ? fake.gen + 1 : 0;
	fake.trial = 0;
	return 0;
}

void bh_kern_turn(_unused_ struct bh_kern *k)
{
	fake.turns++;
}

void bh_kern_set_open(struct bh_kern *k, __u64 until_ns)
{
	*(k == FAKE_BESIDE ? &fake.beside_open_ns : &fake.open_ns) = until_ns;
}

__u64 bh_kern_open_until(_unused_ const struct bh_kern *k)
{
	return fake.open_ns > fake.now_ns ? fake.open_ns : 0;
}

int bh_kern_quarantine(_unused_ struct bh_kern *k, const struct bh_quarantine *slot,
		       const struct bh_member *held, size_t n, _unused_ struct bh_diags *d)
{
	memcpy(fake.slot, slot, sizeof(fake.slot));
	if (n)
		memcpy(fake.member, held, MIN(n, ARRAY_SIZE(fake.member)) * sizeof(*held));
	fake.n_member = n;
	return 0;
}

int bh_kern_grants(_unused_ struct bh_kern *k, const struct bh_grant *grant,
		   const struct bh_jit *jit, size_t n_jit, _unused_ struct bh_diags *d)
{
	memcpy(fake.grant, grant, sizeof(fake.grant));
	if (n_jit)
		memcpy(fake.jit, jit, MIN(n_jit, ARRAY_SIZE(fake.jit)) * sizeof(*jit));
	fake.n_jit = n_jit;
	return 0;
}

struct bh_kern *bh_kern_next(const struct bh_kern *k)
{
	return k != FAKE_BESIDE && fake.beside ? FAKE_BESIDE : NULL;
}

int bh_kern_abi(const struct bh_kern *k)
{
	return k == FAKE_BESIDE ? BH_ABI + 1 : BH_ABI;
}

int bh_kern_relieve(_unused_ struct bh_kern *k, _unused_ struct bh_diags *d)
{
	if (!fake.beside || fake.gen <= fake.beside)
		return 0;
	fake.beside = 0;
	return 1;
}

/* As next_gen() of agent/kern/stage.c. */
int bh_kern_stage(_unused_ struct bh_kern *k, _unused_ const struct bh_compiled *c,
		  struct bh_diags *d, __u64 *ret_gen)
{
	fake.stages++;
	fake.staged = 0;
	if (fake.gen && fake.trial == fake.gen) {
		(void)bh_diag_add(d, BH_ERROR, NULL, NULL, "it waits to be confirmed");
		return -EBUSY;
	}
	if (fake.stage_error) {
		(void)bh_diag_add(d, BH_ERROR, NULL, NULL, "the fake does not stage");
		return fake.stage_error;
	}
	fake.staged = MAX(fake.gen, fake.floor) + 1;
	if (fake.gen && BH_SIDE(fake.staged) == BH_SIDE(fake.gen))
		fake.staged++;
	*ret_gen = fake.staged;
	return 0;
}

int bh_kern_publish(_unused_ struct bh_kern *k)
{
	if (fake.publish_error)
		return fake.publish_error;
	if (!fake.staged)
		return -EINVAL;
	fake.publishes++;
	fake.gen = fake.staged;
	fake.staged = 0;
	return 0;
}

int bh_kern_cut(_unused_ struct bh_kern *k,
		_unused_ int (*destroy)(const struct bh_cut *cut, size_t n))
{
	fake.cuts++;
	return fake.cut_error;
}

int bh_kern_judge(_unused_ struct bh_kern *k, const struct bh_question *q, struct bh_answer *ret)
{
	*ret = (struct bh_answer){.reason = BH_R_DEFAULT_DENY};
	return fake.judge ? fake.judge(q, ret) : 0;
}

int bh_kern_set_ctl(_unused_ struct bh_kern *k, __u32 set, __u32 clear)
{
	fake.flags = (fake.flags & ~clear) | set;
	return 0;
}

__u32 bh_kern_ctl(_unused_ const struct bh_kern *k)
{
	return fake.flags;
}

int bh_kern_local_add(_unused_ struct bh_kern *k, _unused_ const struct bh_addr *addr)
{
	return 0;
}

int bh_kern_local_del(_unused_ struct bh_kern *k, _unused_ const struct bh_addr *addr)
{
	return 0;
}

int bh_kern_local_keep(_unused_ struct bh_kern *k,
		       _unused_ bool (*keep)(void *ctx, const struct bh_addr *addr),
		       _unused_ void *ctx)
{
	return 0;
}

int bh_kern_reasons(_unused_ struct bh_kern *k, struct bh_count *ret)
{
	memcpy(ret, fake.reason, sizeof(fake.reason));
	return 0;
}

int bh_kern_rule_hits(_unused_ struct bh_kern *k, __u32 rule, struct bh_count *ret)
{
	*ret = (struct bh_count){.packets = rule, .bytes = 100ull * rule};
	return 0;
}

int bh_kern_rule_hits_all(_unused_ struct bh_kern *k, struct bh_count *ret, size_t n)
{
	for (size_t i = 0; i < n; i++)
		(void)bh_kern_rule_hits(k, (__u32)i, &ret[i]);
	return 0;
}

int bh_kern_stats(_unused_ struct bh_kern *k, __u64 ret[BH_STAT_MAX])
{
	memcpy(ret, fake.stat, sizeof(fake.stat));
	return 0;
}

int bh_kern_stats_by_cpu(_unused_ struct bh_kern *k, __u64 (*ret)[BH_STAT_MAX], size_t max)
{
	if (max)
		memcpy(ret[0], fake.stat, sizeof(fake.stat));
	return 1;
}

int bh_kern_each_listener(_unused_ struct bh_kern *k,
			  int (*fn)(void *ctx, const struct bh_listen_key *key,
				    const struct bh_listener *val),
			  void *ctx)
{
	int r = 0;

	for (size_t i = 0; !r && i < fake.n_listener; i++)
		r = fn(ctx, &fake.listen_key[i], &fake.listener[i]);
	return r;
}

int bh_kern_each_cgroup(_unused_ struct bh_kern *k,
			int (*fn)(void *ctx, __u64 cgid, const struct bh_cgroup *cg), void *ctx)
{
	int r = 0;

	for (size_t i = 0; !r && i < fake.n_cgroup; i++)
		r = fn(ctx, fake.cgid[i], &fake.cgroup[i]);
	return r;
}

int bh_kern_task_sockets(_unused_ struct bh_kern *k, pid_t pid,
			 int (*fn)(void *ctx, const struct bh_held *held), void *ctx)
{
	int r = fake.held_error;

	for (size_t i = 0; !r && i < fake.n_held; i++)
		if (!pid || fake.held_by[i] == pid)
			r = fn(ctx, &fake.held[i]);
	return r;
}

int bh_kern_whois(_unused_ struct bh_kern *k, __u64 cgid, __u32 uid, __u32 *ret_identity)
{
	struct bh_question q = {
		.gen = fake.gen, .local_cgid = cgid, .local_uid = uid, .flags = BH_Q_LOCAL_CGROUP};
	struct bh_answer answer = {.local = BH_ID_UNASSIGNED};

	if (fake.judge)
		(void)fake.judge(&q, &answer);
	*ret_identity = answer.local;
	return 0;
}

int bh_kern_event_fd(_unused_ const struct bh_kern *k)
{
	return -1;
}

int bh_kern_poll(_unused_ struct bh_kern *k)
{
	return 0;
}

size_t bh_kern_features(_unused_ const struct bh_kern *k, const struct bh_feature **ret)
{
	*ret = fake.feature;
	return fake.n_feature;
}

int bh_kern_walk(_unused_ struct bh_kern *k, _unused_ struct bh_diags *d)
{
	return 0;
}

bool bh_kern_has(_unused_ const struct bh_kern *k, _unused_ const char *name)
{
	return true;
}

size_t bh_kern_optional(_unused_ const char *ret[BH_OPTIONAL_MAX])
{
	return 0;
}

const char *bh_kern_pins(_unused_ const struct bh_kern *k, char ret[BH_PINS_TEXT])
{
	*ret = '\0';
	return ret;
}

int bh_kern_sweep_tcp(_unused_ struct bh_kern *k)
{
	return 0;
}

int bh_kern_sweep_flows(_unused_ struct bh_kern *k)
{
	return 0;
}

bool bh_kern_holds(_unused_ const struct bh_kern *k)
{
	return true;
}

int bh_kern_object_id(_unused_ int fd, __u32 *ret_id)
{
	*ret_id = 1;
	return 0;
}

int bh_kern_each_kept(_unused_ const struct bh_kern *k,
		      _unused_ int (*fn)(void *ctx, const char *name, int fd, __u32 id),
		      _unused_ void *ctx)
{
	return 0;
}

int bh_kern_put_back(_unused_ const char *pin_dir, _unused_ const struct bh_kept *kept,
		     _unused_ size_t n, _unused_ struct bh_diags *d)
{
	return 0;
}

size_t bh_kern_hooks(_unused_ struct bh_kern *k, struct bh_hook_state *ret, size_t max)
{
	size_t n = MIN(fake.n_hook, max);

	memcpy(ret, fake.hook, n * sizeof(*ret));
	return n;
}

int bh_kern_each_program(_unused_ const struct bh_kern *k,
			 int (*fn)(void *ctx, const struct bh_program *p), void *ctx)
{
	int r = fake.program_error;

	for (size_t i = 0; i < fake.n_program && r == 0; i++)
		r = fn(ctx, &fake.program[i]);
	return r;
}

int bh_kern_each_own(const struct bh_kern *k, int (*fn)(void *ctx, const struct bh_program *p),
		     void *ctx)
{
	return bh_kern_each_program(k, fn, ctx);
}

const char *bh_program_type(const struct bh_program *p, char ret[32])
{
	snprintf(ret, 32, "type %u", p->type);
	return ret;
}

int bh_kern_audit_get(_unused_ struct bh_kern *k, struct bh_audit_head *ret)
{
	*ret = fake.audit_head;
	return 0;
}

int bh_kern_audit_set(_unused_ struct bh_kern *k, const struct bh_audit_head *head)
{
	if (fake.audit_error)
		return fake.audit_error;
	fake.audit_head = *head;
	return 0;
}

#endif
