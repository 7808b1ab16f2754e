/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attach.c - cgroup hooks and tracing: attach, or swap our programs into the links that an
 * earlier agent left; detach everything. Called by the agent at start and by `rescue`.
 */
#include <string.h>
#include "../base/broken.h"
#include "kern_internal.h"

/* --- one link -------------------------------------------------------------------------------- */

int bh_link_info(int fd, struct bpf_link_info *ret)
{
	struct bpf_link_info info = {0};
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
		return -errno;
	*ret = info;
	return 0;
}

__u32 bh_prog_id(int prog_fd)
{
	struct bpf_prog_info info = {0};
	__u32 len = sizeof(info);

	return bpf_obj_get_info_by_fd(prog_fd, &info, &len) < 0 ? 0 : info.id;
}

/* What the kernel counted; 0 also where it can't be told. */
static __u64 runs_of(const struct bh_kern *k, enum bh_prog id)
{
	struct bpf_prog_info info = {0};
	__u32 len = sizeof(info);

	return bpf_obj_get_info_by_fd(bh_kern_prog_fd(k, id), &info, &len) < 0 ? 0 : info.run_cnt;
}

/* A cgroup link on another cgroup than ours (or on one that is gone) is of no use. */
static bool on_our_cgroup(const struct bh_kern *k, int fd)
{
	struct bpf_link_info info;

	return fd >= 0 && bh_link_info(fd, &info) == 0 && info.type == BPF_LINK_TYPE_CGROUP &&
	       info.cgroup.cgroup_id == k->root_cgid;
}

static bool runs_ours(const struct bh_kern *k, enum bh_prog id)
{
	struct bpf_link_info info;

	return k->link[id] >= 0 && bh_link_info(k->link[id], &info) == 0 &&
	       info.prog_id == bh_prog_id(bh_kern_prog_fd(k, id));
}

/* Without a bpffs there is nothing to do; bh_pin_again() has said so. */
static int pin_link(const struct bh_kern *k, enum bh_prog id, struct bh_diags *d)
{
	const char *name = bh_progs[id].name;
	int r = k->pinless ? 0 : bh_pin_replace(k, "links", name, k->link[id]);

	if (r < 0)
		(void)kern_error(d, r, NULL, "can't pin %s/links/%s: %s", k->dir, name,
				 strerror(-r));
	return r;
}

/*
 * The new link works before the old one goes: a moment with both, never one with none. Both
 * write the same thing, so the moment is harmless.
 */
static int new_link(struct bh_kern *k, enum bh_prog id, struct bh_diags *d)
{
	bool cgroup = bh_progs[id].role == BH_ROLE_CGROUP;
	_cleanup_close_ int fd = -1;

	fd = bpf_link_create(bh_kern_prog_fd(k, id), cgroup ? k->cgroup_fd : 0,
			     bpf_program__expected_attach_type(k->prog[id]), NULL);
	if (fd < 0)
		return kern_error(d, fd, NULL, "can't attach %s (%s): %s", bh_progs[id].name,
				  bpf_program__section_name(k->prog[id]), strerror(-fd));
	bh_closep(&k->link[id]);
	k->link[id] = TAKE_FD(fd);
	/* one that can't be pinned works as long as we hold it: better than none */
	return bh_broken(2) ? 0 : pin_link(k, id, d);
}

static int attach_one(struct bh_kern *k, enum bh_prog id, struct bh_diags *d)
{
	int r;

	if (bh_progs[id].role == BH_ROLE_CGROUP && on_our_cgroup(k, k->link[id])) {
		r = bpf_link_update(k->link[id], bh_kern_prog_fd(k, id), NULL);
		if (r < 0)
			return kern_error(d, r, NULL, "can't swap %s into its link: %s",
					  bh_progs[id].name, strerror(-r));
	} else if (bh_progs[id].role == BH_ROLE_CGROUP || !runs_ours(k, id)) {
		return new_link(k, id, d);
	}
	/* somebody may have removed the pin; we still hold the link */
	if (bh_broken(2) || bh_pin_exists(k, "links", bh_progs[id].name))
		return 0;
	return pin_link(k, id, d);
}

static int pin_prog(struct bh_kern *k, enum bh_prog id, struct bh_diags *d)
{
	const char *name = bh_progs[id].name;
	int r = k->pinless ? 0 : bh_pin_replace(k, "progs", name, bh_kern_prog_fd(k, id));

	if (r < 0)
		(void)kern_error(d, r, NULL, "can't pin %s/progs/%s: %s", k->dir, name,
				 strerror(-r));
	return r;
}

/* --- all of them ----------------------------------------------------------------------------- */

/* After adoption: this agent may stand in another namespace or on another cgroup root. */
static void refresh_ctl(struct bh_kern *k, struct bh_diags *d)
{
	if (k->ctl->root_cgid != k->root_cgid) {
		kern_warning(d, "pass the --cgroup-root it had before, if this is not wanted",
			     "the pinned hooks were on cgroup %llu; they move to '%s' (%llu)",
			     (unsigned long long)k->ctl->root_cgid, k->cgroup_path,
			     (unsigned long long)k->root_cgid);
		__atomic_store_n(&k->ctl->root_cgid, k->root_cgid, __ATOMIC_RELEASE);
	}
	k->ctl->sockets = BH_ABI_SOCKETS;
	if (k->ctl->netns != k->netns) {
		kern_warning(d, NULL, "the pinned policy was loaded in another network namespace");
		__atomic_store_n(&k->ctl->netns, k->netns, __ATOMIC_RELEASE);
	}
}

static int attach_or_pin(struct bh_kern *k, enum bh_prog id, struct bh_diags *d)
{
	if (!bh_has(k, bh_progs[id].needs))
		return 0;
	switch (bh_progs[id].role) {
	case BH_ROLE_TRACE:
	case BH_ROLE_CGROUP:
		return attach_one(k, id, d);
	case BH_ROLE_ITER:
	case BH_ROLE_TEST:
		return pin_prog(k, id, d);
	case BH_ROLE_NIC:
		break;
	}
	return 0;
}

/* Promise P3, broken: as who detaches what is there before it attaches anew. */
static void open_a_window(struct bh_kern *k)
{
	for (int i = 0; i < BH_PROG_MAX; i++)
		if (k->link[i] >= 0)
			(void)bpf_link_detach(k->link[i]);
	(void)usleep(20000);
}

int bh_kern_attach(struct bh_kern *k, struct bh_diags *d)
{
	int first = bh_pin_again(k, d), r;

	if (bh_broken(3))
		open_a_window(k);
	refresh_ctl(k, d);
	for (int i = 0; i < BH_PROG_MAX; i++) {
		r = attach_or_pin(k, i, d);
		if (r < 0 && first == 0)
			first = r;
	}
	r = bh_nic_refresh(k, d);
	return first ? first : r;
}

int bh_kern_detach(struct bh_kern *k)
{
	int r = bh_nic_detach_all(k), others = bh_sets_end(k);

	for (int i = 0; i < BH_PROG_MAX; i++) {
		if (k->link[i] < 0)
			continue;
		/* by force: another process may hold it. Tracing links can't; the pin held them */
		(void)bpf_link_detach(k->link[i]);
		bh_pin_remove(k, "links", bh_progs[i].name);
		bh_closep(&k->link[i]);
		k->link[i] = -1;
	}
	k->staged_gen = 0;
	if (r == 0)
		r = others;
	/* last: links without maps are refused by the next open */
	return r < 0 ? r : bh_pin_remove_all(k);
}

/* --- what is attached now -------------------------------------------------------------------- */

static void hook_row(const struct bh_kern *k, enum bh_prog id, struct bh_hook_state *ret)
{
	const char *mode = "attached";
	struct bpf_link_info info;

	if (!bh_has(k, bh_progs[id].needs))
		mode = "unsupported";
	else if (k->link[id] < 0 || bh_link_info(k->link[id], &info) < 0 ||
		 (bh_progs[id].role == BH_ROLE_CGROUP && info.cgroup.cgroup_id != k->root_cgid))
		mode = "missing";
	else if (info.prog_id != bh_prog_id(bh_kern_prog_fd(k, id)))
		mode = "replaced";
	else if (!bh_pin_exists(k, "links", bh_progs[id].name))
		mode = "unpinned";
	*ret = (struct bh_hook_state){.ok = !strcmp(mode, "attached")};
	if (ret->ok || !strcmp(mode, "unpinned"))
		ret->runs = runs_of(k, id);
	snprintf(ret->name, sizeof(ret->name), "%s", bpf_program__section_name(k->prog[id]));
	snprintf(ret->mode, sizeof(ret->mode), "%s", mode);
}

static void nic_row(const struct bh_kern *k, const struct bh_nic *nic, enum bh_dir dir,
		    struct bh_hook_state *ret)
{
	bool xdp = nic->link[BH_NIC_LINK_XDP] >= 0;
	const char *mode = dir == BH_IN ? bh_nic_in_mode(k, nic) : bh_nic_out_mode(k, nic);
	enum bh_prog id = dir == BH_OUT ? BH_PROG_EGRESS : xdp ? BH_PROG_XDP_IN : BH_PROG_TC_IN;

	*ret = (struct bh_hook_state){.ok = mode != NULL};
	if (ret->ok)
		ret->runs = runs_of(k, id);
	snprintf(ret->name, sizeof(ret->name), "%s %s",
		 dir == BH_OUT ? "egress"
		 : xdp	       ? "xdp"
			       : "ingress",
		 nic->name);
	snprintf(ret->mode, sizeof(ret->mode), "%s", mode ? mode : "missing");
}

bool bh_kern_holds(const struct bh_kern *k)
{
	char pins[BH_PINS_TEXT];
	struct bh_hook_state row;

	for (int i = 0; i < BH_PROG_MAX; i++) {
		if (bh_progs[i].role != BH_ROLE_CGROUP && bh_progs[i].role != BH_ROLE_TRACE)
			continue;
		hook_row(k, i, &row);
		if (!row.ok && bh_has(k, bh_progs[i].needs))
			return false;
	}
	for (size_t i = 0; i < k->n_nic; i++)
		if (!bh_nic_holds(k, &k->nic[i]))
			return false;
	return !*bh_kern_pins(k, pins);
}

size_t bh_kern_hooks(struct bh_kern *k, struct bh_hook_state *ret, size_t max)
{
	size_t n = 0;

	for (int i = 0; i < BH_PROG_MAX && n < max; i++)
		if (bh_progs[i].role == BH_ROLE_CGROUP || bh_progs[i].role == BH_ROLE_TRACE)
			hook_row(k, i, &ret[n++]);
	for (size_t i = 0; i < k->n_nic; i++) {
		const struct bh_nic *nic = &k->nic[i];

		if (n < max && !nic->out_only)
			nic_row(k, nic, BH_IN, &ret[n++]);
		if (n < max)
			nic_row(k, nic, BH_OUT, &ret[n++]);
	}
	return n;
}
