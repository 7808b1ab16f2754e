/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iter.c - runs the iterators: the walk of the cgroup tree, the seeds for sockets that are
 * older than us, and the cut of connections that a new generation no longer allows.
 */
#include <errno.h>
#include <string.h>
#include "kern_internal.h"

void bh_printed_clear(struct bh_printed *p)
{
	free(p->data);
}

static int read_all(int fd, struct bh_printed *p)
{
	for (;;) {
		ssize_t n;

		if (p->len == p->size) {
			size_t size = p->size ? 2 * p->size : 4096;
			void *more = realloc(p->data, size);

			if (!more)
				return -ENOMEM;
			p->data = more;
			p->size = size;
		}
		n = read(fd, (char *)p->data + p->len, p->size - p->len);
		if (n > 0)
			p->len += (size_t)n;
		/* EAGAIN: the kernel stops after a million objects and goes on when asked again */
		else if (n == 0 || (errno != EINTR && errno != EAGAIN))
			return n < 0 ? -errno : 0;
	}
}

int bh_iter_run(struct bh_kern *k, enum bh_prog id, union bpf_iter_link_info *target,
		struct bh_printed *ret)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .iter_info = target,
		    .iter_info_len = target ? sizeof(*target) : 0);
	_cleanup_close_ int link = -1, fd = -1;

	link = bpf_link_create(bh_kern_prog_fd(k, id), 0, BPF_TRACE_ITER, &opts);
	if (link < 0)
		return link;
	fd = bpf_iter_create(link);
	return fd < 0 ? fd : read_all(fd, ret);
}

int bh_iter_walk(struct bh_kern *k, __u32 sides_mask, struct bh_diags *d)
{
	union bpf_iter_link_info target = {
		.cgroup = {.order = BPF_CGROUP_ITER_DESCENDANTS_PRE,
			   .cgroup_fd = (__u32)k->cgroup_fd},
	};
	_cleanup_(bh_printed_clear) struct bh_printed nothing = {0};
	struct bh_walk walk = {.sides_mask = sides_mask};
	__u32 zero = 0;
	int r = bpf_map_update_elem(bh_kern_map_fd(k, BH_MAP_WALK), &zero, &walk, BPF_ANY);

	if (r == 0)
		r = bh_iter_run(k, BH_PROG_CG_WALK, &target, &nothing);
	if (r < 0)
		return kern_error(d, r, NULL, "can't walk the cgroups of '%s': %s", k->cgroup_path,
				  strerror(-r));
	return 0;
}

int bh_kern_walk(struct bh_kern *k, struct bh_diags *d)
{
	return bh_iter_walk(k, 3, d);
}

/*
 * Twice: a socket accepted behind the iterator's back, from a listener that had nothing of ours
 * yet, is found the second time.
 */
static int take_from(struct bh_kern *k, const struct bh_kern *s, struct bh_diags *d)
{
	static const struct {
		enum bh_prog prog;
		const char *map;
	} takes[] = {
		{BH_PROG_TAKE_SESS, "bh_session"},
		{BH_PROG_TAKE_UDP, "bh_udp"},
		{BH_PROG_TAKE_FACTS, "bh_facts"},
		{BH_PROG_TAKE_BOUND, "bh_bound"},
	};

	for (size_t i = 0; i < 2 * ARRAY_SIZE(takes); i++) {
		enum bh_prog prog = takes[i % ARRAY_SIZE(takes)].prog;
		_cleanup_close_ int fd = bh_pin_get(s, "maps", takes[i % ARRAY_SIZE(takes)].map);
		union bpf_iter_link_info target = {.map = {.map_fd = (__u32)fd}};
		_cleanup_(bh_printed_clear) struct bh_printed nothing = {0};
		int r = fd < 0 ? fd : bh_iter_run(k, prog, &target, &nothing);

		if (r < 0)
			return kern_error(d, r, NULL, "%s: can't take over what '%s' knows: %s",
					  bh_progs[prog].name, s->dir, strerror(-r));
	}
	return 0;
}

/* What other ABIs' programs know of sockets. With another layout the seeds have to guess. */
static int take_sockets(struct bh_kern *k, struct bh_diags *d)
{
	/* whoever asks without being seen by our hooks is noted by the others' by then */
	int r = k->beside ? bh_drain(k) : 0;

	for (const struct bh_kern *s = k->beside; r == 0 && s; s = s->beside)
		if (s->ctl && s->ctl->sockets == BH_ABI_SOCKETS)
			r = take_from(k, s, d);
	return r;
}

int bh_kern_seed(struct bh_kern *k, struct bh_diags *d)
{
	static const enum bh_prog seeds[] = {BH_PROG_SEED_TCP, BH_PROG_SEED_UDP};
	_cleanup_(bh_printed_clear) struct bh_printed nothing = {0};
	int r = bh_kern_walk(k, d);

	if (r == 0)
		r = take_sockets(k, d);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(seeds); i++) {
		r = bh_iter_run(k, seeds[i], NULL, &nothing);
		if (r < 0)
			return kern_error(d, r, NULL,
					  "can't list the sockets that are older: %s: %s",
					  bh_progs[seeds[i]].name, strerror(-r));
	}
	return 0;
}

int bh_kern_cut(struct bh_kern *k, int (*destroy)(const struct bh_cut *cut, size_t n))
{
	_cleanup_(bh_printed_clear) struct bh_printed cut = {0};
	bool by_bpf = bh_has(k, BH_FEAT_SOCK_DESTROY);
	int r = bh_iter_run(k, by_bpf ? BH_PROG_CUT_TCP : BH_PROG_CUT_LIST, NULL, &cut);
	size_t n = cut.len / sizeof(struct bh_cut);

	if (r < 0)
		return r;
	return by_bpf || !n ? (int)n : destroy(cut.data, n);
}
