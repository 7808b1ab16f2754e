/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tc.c - our programs at a device's traffic control hooks: a tcx link where the kernel has
 * tcx (6.6), else a clsact filter. Called by nic.c.
 */
#include "kern_internal.h"

/* Ours among the filters of a device: a fixed place, so that a new agent replaces its own. */
#define CLSACT_PRIORITY 0xb14d
#define CLSACT_HANDLE	1

static enum bh_nic_link link_of(enum bh_dir dir)
{
	return dir == BH_IN ? BH_NIC_LINK_IN : BH_NIC_LINK_OUT;
}

static enum bh_prog prog_of(enum bh_dir dir)
{
	return dir == BH_IN ? BH_PROG_TC_IN : BH_PROG_EGRESS;
}

static struct bpf_tc_hook clsact_hook(const struct bh_nic *nic, enum bh_dir dir)
{
	return (struct bpf_tc_hook){
		.sz = sizeof(struct bpf_tc_hook),
		.ifindex = nic->ifindex,
		.attach_point = dir == BH_IN ? BPF_TC_INGRESS : BPF_TC_EGRESS,
	};
}

bool bh_clsact_present(const struct bh_kern *k, const struct bh_nic *nic, enum bh_dir dir)
{
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = CLSACT_HANDLE, .priority = CLSACT_PRIORITY);
	struct bpf_tc_hook hook = clsact_hook(nic, dir);

	return nic->clsact[dir] && bpf_tc_query(&hook, &opts) == 0 &&
	       opts.prog_id == bh_prog_id(bh_kern_prog_fd(k, prog_of(dir)));
}

static int clsact_attach(struct bh_kern *k, struct bh_nic *nic, enum bh_dir dir)
{
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = CLSACT_HANDLE, .priority = CLSACT_PRIORITY,
		    .prog_fd = bh_kern_prog_fd(k, prog_of(dir)), .flags = BPF_TC_F_REPLACE);
	struct bpf_tc_hook hook = clsact_hook(nic, dir);
	char name[64];
	int r = bpf_tc_hook_create(&hook);

	if (r < 0 && r != -EEXIST)
		return r;
	/* before the filter: a crash in between must not leave a filter that nobody remembers */
	bh_clsact_pin_name(nic, dir, name, sizeof(name));
	r = bh_pin_replace(k, "progs", name, bh_kern_prog_fd(k, prog_of(dir)));
	if (r == 0)
		r = bpf_tc_attach(&hook, &opts);
	if (r < 0)
		return r;
	nic->clsact[dir] = true;
	return 0;
}

int bh_tc_prog_fd(const struct bh_kern *k, enum bh_dir dir)
{
	return bh_kern_prog_fd(k, prog_of(dir));
}

static void clsact_detach(struct bh_kern *k, struct bh_nic *nic, enum bh_dir dir)
{
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = CLSACT_HANDLE, .priority = CLSACT_PRIORITY);
	struct bpf_tc_hook hook = clsact_hook(nic, dir);
	char name[64];

	if (!nic->clsact[dir])
		return;
	/* the qdisc stays: somebody else's filters may hang on it */
	(void)bpf_tc_detach(&hook, &opts);
	bh_clsact_pin_name(nic, dir, name, sizeof(name));
	bh_pin_remove(k, "progs", name);
	nic->clsact[dir] = false;
}

int bh_tc_attach(struct bh_kern *k, struct bh_nic *nic, enum bh_dir dir)
{
	int r;

	if (!bh_has(k, BH_FEAT_TCX))
		return clsact_attach(k, nic, dir);
	r = bh_nic_link_set(k, nic, link_of(dir), 0);
	/* after a kernel upgrade in place there may be one of each */
	if (r == 0)
		clsact_detach(k, nic, dir);
	return r;
}

void bh_tc_detach(struct bh_kern *k, struct bh_nic *nic, enum bh_dir dir)
{
	bh_nic_link_drop(k, nic, link_of(dir));
	clsact_detach(k, nic, dir);
}
