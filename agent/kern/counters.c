/* SPDX-License-Identifier: Apache-2.0 */
/*
 * counters.c - what the kernel side counted and noted: reasons, rules, listeners, cgroups,
 * this host's addresses, the audit log's head, and the ring of events. Called by metrics, status and the event loop.
 */
#include <string.h>
#include "kern_internal.h"

/* --- counters, summed over CPUs ---------------------------------------------------------------- */

/* Values of one key on every CPU, each padded to 8 bytes. NULL: no memory. */
static void *percpu_buffer(size_t value_size)
{
	int n = libbpf_num_possible_cpus();

	return n > 0 ? calloc((size_t)n, (value_size + 7) & ~(size_t)7) : NULL;
}

static int sum_count(int fd, __u32 index, struct bh_count *cpu, struct bh_count *ret)
{
	struct bh_count sum = {0};
	int r = bpf_map_lookup_elem(fd, &index, cpu);

	if (r < 0)
		return r;
	for (int i = 0; i < libbpf_num_possible_cpus(); i++) {
		sum.packets += cpu[i].packets;
		sum.bytes += cpu[i].bytes;
	}
	*ret = sum;
	return 0;
}

int bh_kern_reasons(struct bh_kern *k, struct bh_count *ret)
{
	_cleanup_free_ struct bh_count *cpu = percpu_buffer(sizeof(*cpu));
	int r = cpu ? 0 : -ENOMEM;

	for (__u32 i = 0; r == 0 && i < BH_REASON_MAX; i++)
		r = sum_count(bh_kern_map_fd(k, BH_MAP_REASONS), i, cpu, &ret[i]);
	return r;
}

int bh_kern_rule_hits(struct bh_kern *k, __u32 rule, struct bh_count *ret)
{
	_cleanup_free_ struct bh_count *cpu = percpu_buffer(sizeof(*cpu));

	return cpu ? sum_count(bh_kern_map_fd(k, BH_MAP_RULE_HITS), rule, cpu, ret) : -ENOMEM;
}

#define HITS_BATCH 1024

int bh_kern_rule_hits_all(struct bh_kern *k, struct bh_count *ret, size_t n)
{
	int cpus = libbpf_num_possible_cpus();
	_cleanup_free_ struct bh_count *values =
		cpus > 0 ? calloc((size_t)cpus * HITS_BATCH, sizeof(*values)) : NULL;
	__u32 keys[HITS_BATCH], at = 0;
	int r = 0;

	if (!values)
		return -ENOMEM;
	memset(ret, 0, n * sizeof(*ret));
	for (bool first = true; n && r == 0; first = false) {
		__u32 got = HITS_BATCH;

		r = bpf_map_lookup_batch(bh_kern_map_fd(k, BH_MAP_RULE_HITS), first ? NULL : &at,
					 &at, keys, values, &got, NULL);
		if (r < 0 && r != -ENOENT)
			return r;
		for (__u32 i = 0; i < got; i++) {
			if (keys[i] >= n)
				return 0;
			for (int c = 0; c < cpus; c++) {
				ret[keys[i]].packets += values[i * (__u32)cpus + (__u32)c].packets;
				ret[keys[i]].bytes += values[i * (__u32)cpus + (__u32)c].bytes;
			}
		}
	}
	return 0;
}

int bh_kern_stats(struct bh_kern *k, __u64 ret[BH_STAT_MAX])
{
	_cleanup_free_ __u64 *cpu = percpu_buffer(sizeof(*cpu));
	__u64 sum[BH_STAT_MAX] = {0};

	if (!cpu)
		return -ENOMEM;
	for (__u32 i = 0; i < BH_STAT_MAX; i++) {
		int r = bpf_map_lookup_elem(bh_kern_map_fd(k, BH_MAP_STATS), &i, cpu);

		if (r < 0)
			return r;
		for (int c = 0; c < libbpf_num_possible_cpus(); c++)
			sum[i] += cpu[c];
	}
	memcpy(ret, sum, sizeof(sum));
	return 0;
}

int bh_kern_stats_by_cpu(struct bh_kern *k, __u64 (*ret)[BH_STAT_MAX], size_t max)
{
	_cleanup_free_ __u64 *cpu = percpu_buffer(sizeof(*cpu));
	size_t n = (size_t)MAX(libbpf_num_possible_cpus(), 0);

	if (!cpu)
		return -ENOMEM;
	for (__u32 i = 0; i < BH_STAT_MAX; i++) {
		int r = bpf_map_lookup_elem(bh_kern_map_fd(k, BH_MAP_STATS), &i, cpu);

		if (r < 0)
			return r;
		for (size_t c = 0; c < MIN(n, max); c++)
			ret[c][i] = cpu[c];
	}
	return (int)n;
}

/* --- hashes that the kernel side writes ---------------------------------------------------------- */

#define BATCH 256

struct each {
	size_t key_size, value_size;
	int (*fn)(void *ctx, const void *key, const void *value);
	void *ctx;
};

/*
 * In batches, bucket by bucket: going from key to key starts again from the front whenever
 * the key it stands on is deleted, and the kernel side deletes all the time.
 */
static int each_entry(int fd, const struct each *e)
{
	_cleanup_free_ char *keys = calloc(BATCH, e->key_size);
	_cleanup_free_ char *values = calloc(BATCH, e->value_size);
	__u32 at = 0, n;
	int r = 0;

	if (!keys || !values)
		return -ENOMEM;
	for (bool first = true, end = false; !end; first = false) {
		n = BATCH;
		r = bpf_map_lookup_batch(fd, first ? NULL : &at, &at, keys, values, &n, NULL);
		end = r == -ENOENT;
		if (r < 0 && !end)
			return r;
		for (__u32 i = 0; i < n; i++) {
			r = e->fn(e->ctx, keys + i * e->key_size, values + i * e->value_size);
			if (r)
				return r;
		}
	}
	return 0;
}

struct each_listener {
	int (*fn)(void *ctx, const struct bh_listen_key *key, const struct bh_listener *val);
	void *ctx;
};

static int on_listener(void *ctx, const void *key, const void *value)
{
	struct each_listener *l = ctx;

	return l->fn(l->ctx, key, value);
}

int bh_kern_each_listener(struct bh_kern *k,
			  int (*fn)(void *ctx, const struct bh_listen_key *key,
				    const struct bh_listener *val),
			  void *ctx)
{
	struct each_listener l = {fn, ctx};
	struct each e = {
		.key_size = sizeof(struct bh_listen_key),
		.value_size = sizeof(struct bh_listener),
		.fn = on_listener,
		.ctx = &l,
	};

	return each_entry(bh_kern_map_fd(k, BH_MAP_LISTENERS), &e);
}

struct each_cgroup {
	int (*fn)(void *ctx, __u64 cgid, const struct bh_cgroup *cg);
	void *ctx;
};

static int on_cgroup(void *ctx, const void *key, const void *value)
{
	struct each_cgroup *c = ctx;
	__u64 cgid;

	memcpy(&cgid, key, sizeof(cgid));
	return c->fn(c->ctx, cgid, value);
}

int bh_kern_each_cgroup(struct bh_kern *k,
			int (*fn)(void *ctx, __u64 cgid, const struct bh_cgroup *cg), void *ctx)
{
	struct each_cgroup c = {fn, ctx};
	struct each e = {
		.key_size = sizeof(__u64),
		.value_size = sizeof(struct bh_cgroup),
		.fn = on_cgroup,
		.ctx = &c,
	};

	return each_entry(bh_kern_map_fd(k, BH_MAP_CGROUPS), &e);
}

/* --- this host's addresses ------------------------------------------------------------------------ */

int bh_kern_local_add(struct bh_kern *k, const struct bh_addr *addr)
{
	struct bh_local_key key = {.netns = k->netns, .addr = *addr};
	__u32 one = 1;

	return bpf_map_update_elem(bh_kern_map_fd(k, BH_MAP_LOCALS), &key, &one, BPF_ANY);
}

int bh_kern_local_del(struct bh_kern *k, const struct bh_addr *addr)
{
	struct bh_local_key key = {.netns = k->netns, .addr = *addr};

	return bpf_map_delete_elem(bh_kern_map_fd(k, BH_MAP_LOCALS), &key);
}

struct sweep {
	struct bh_kern *k;
	bool (*keep)(void *ctx, const struct bh_addr *addr);
	void *ctx;
	struct bh_local_key *gone;
	size_t n;
};

static int on_local(void *ctx, const void *key, const void *value)
{
	const struct bh_local_key *local = key;
	struct sweep *s = ctx;
	struct bh_local_key *more;

	(void)value;
	if (local->netns != s->k->netns || s->keep(s->ctx, &local->addr))
		return 0;
	more = reallocarray(s->gone, s->n + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	s->gone = more;
	s->gone[s->n++] = *local;
	return 0;
}

int bh_kern_local_keep(struct bh_kern *k, bool (*keep)(void *ctx, const struct bh_addr *addr),
		       void *ctx)
{
	struct sweep s = {.k = k, .keep = keep, .ctx = ctx};
	struct each e = {
		.key_size = sizeof(struct bh_local_key),
		.value_size = sizeof(__u32),
		.fn = on_local,
		.ctx = &s,
	};
	int fd = bh_kern_map_fd(k, BH_MAP_LOCALS), r = each_entry(fd, &e);

	for (size_t i = 0; r == 0 && i < s.n; i++)
		(void)bpf_map_delete_elem(fd, &s.gone[i]);
	free(s.gone);
	return r;
}

/* --- the audit log's head --------------------------------------------------------------------------- */

/* That of the skeleton, or, for `rescue`, the pinned one. Return: a descriptor, *ret_own: to close. */
static int audit_fd(const struct bh_kern *k, int *ret_own)
{
	*ret_own = k->map[BH_MAP_AUDIT] ? -1 : bh_pin_get(k, "maps", bh_map_names[BH_MAP_AUDIT]);
	return k->map[BH_MAP_AUDIT] ? bh_kern_map_fd(k, BH_MAP_AUDIT) : *ret_own;
}

int bh_kern_audit_get(struct bh_kern *k, struct bh_audit_head *ret)
{
	_cleanup_close_ int own = -1;
	int fd = audit_fd(k, &own);
	__u32 zero = 0;

	return fd < 0 ? fd : bpf_map_lookup_elem(fd, &zero, ret);
}

int bh_kern_audit_set(struct bh_kern *k, const struct bh_audit_head *head)
{
	_cleanup_close_ int own = -1;
	int fd = audit_fd(k, &own);
	__u32 zero = 0;

	return fd < 0 ? fd : bpf_map_update_elem(fd, &zero, head, BPF_ANY);
}

/* --- events ---------------------------------------------------------------------------------------- */

int bh_kern_event_fd(const struct bh_kern *k)
{
	return ring_buffer__epoll_fd(k->ring);
}

int bh_kern_poll(struct bh_kern *k)
{
	int r;

	k->burst = 0;
	r = ring_buffer__consume(k->ring);
	return r == -EAGAIN ? BH_KERN_POLL_MAX : r;
}
