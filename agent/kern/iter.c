/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iter.c - runs the iterators: the walk of the cgroup tree, the seeds for sockets that are
 * older than us, and the cut of connections that a new generation no longer allows.
 */
#include <errno.h>
#include <string.h>
#include "kern_internal.h"

/* Runs a whole iterator. Return: lines it printed, or -errno. */
static int run(struct bh_kern *k, enum bh_prog id, union bpf_iter_link_info *target)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .iter_info = target,
		    .iter_info_len = target ? sizeof(*target) : 0);
	_cleanup_close_ int link = -1, fd = -1;
	char buf[4096];
	int lines = 0;

	link = bpf_link_create(bh_kern_prog_fd(k, id), 0, BPF_TRACE_ITER, &opts);
	if (link < 0)
		return link;
	fd = bpf_iter_create(link);
	if (fd < 0)
		return fd;
	for (;;) {
		ssize_t n = read(fd, buf, sizeof(buf));

		/* EAGAIN: the kernel stops after a million objects and goes on when asked again */
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			return n < 0 ? -errno : lines;
		for (ssize_t i = 0; i < n; i++)
			lines += buf[i] == '\n';
	}
}

int bh_iter_walk(struct bh_kern *k, __u32 sides_mask, struct bh_diags *d)
{
	union bpf_iter_link_info target = {
		.cgroup = {.order = BPF_CGROUP_ITER_DESCENDANTS_PRE,
			   .cgroup_fd = (__u32)k->cgroup_fd},
	};
	struct bh_walk walk = {.sides_mask = sides_mask};
	__u32 zero = 0;
	int r = bpf_map_update_elem(bh_kern_map_fd(k, BH_MAP_WALK), &zero, &walk, BPF_ANY);

	if (r == 0)
		r = run(k, BH_PROG_CG_WALK, &target);
	if (r < 0)
		return kern_error(d, r, NULL, "can't walk the cgroups of '%s': %s", k->cgroup_path,
				  strerror(-r));
	return 0;
}

int bh_kern_seed(struct bh_kern *k, struct bh_diags *d)
{
	static const enum bh_prog seeds[] = {BH_PROG_SEED_TCP, BH_PROG_SEED_UDP};
	int r = bh_iter_walk(k, 3, d);

	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(seeds); i++) {
		r = run(k, seeds[i], NULL);
		if (r < 0)
			return kern_error(d, r, NULL,
					  "can't list the sockets that are older: %s: %s",
					  bh_progs[seeds[i]].name, strerror(-r));
	}
	return 0;
}

int bh_kern_cut(struct bh_kern *k)
{
	int tcp, udp;

	if (!bh_has(k, BH_FEAT_SOCK_DESTROY))
		return -EOPNOTSUPP;
	tcp = run(k, BH_PROG_CUT_TCP, NULL);
	udp = run(k, BH_PROG_CUT_UDP, NULL);
	if (tcp < 0 || udp < 0)
		return tcp < 0 ? tcp : udp;
	return tcp + udp;
}
