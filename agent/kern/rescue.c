/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rescue.c - what is pinned, taken up without loading anything: for the day on which no agent
 * starts. Called by `bulkheadd rescue`.
 */
#include <errno.h>
#include <string.h>
#include "kern_internal.h"

int bh_kern_open_pins(const char *pin_dir, struct bh_diags *d, struct bh_kern **ret)
{
	_cleanup_(bh_kern_closep) struct bh_kern *checked = bh_kern_new(), *others = NULL;
	struct bh_kern *own = NULL;
	int r;

	if (!checked)
		return -ENOMEM;
	/* as in a chroot, that has no bpffs either */
	if (access(pin_dir, F_OK) < 0 && errno == ENOENT)
		return -ENOENT;
	r = bh_pin_check(checked, pin_dir, d);
	if (r == 0)
		r = bh_sets_find(pin_dir, d, &others);
	if (r == 0)
		r = bh_set_open(pin_dir, BH_PIN_OWN, d, &own);
	if (r == -ENOENT && others)
		own = TAKE_PTR(others);
	else if (r < 0)
		return r;
	else
		own->beside = TAKE_PTR(others);
	*ret = own;
	return 0;
}

static void add_name(char (*ret)[64], size_t max, size_t *n, const char *text, const char *device)
{
	if (*n < max)
		snprintf(ret[*n], sizeof(ret[0]), "%s%s", text, device);
	(*n)++;
}

size_t bh_kern_pinned(const struct bh_kern *k, char (*ret)[64], size_t max)
{
	static const char *const link_text[BH_NIC_LINKS] = {"xdp ", "tcx ingress ", "tcx egress "};
	size_t n = 0;

	for (int i = 0; i < BH_PROG_MAX; i++)
		if (k->link[i] >= 0)
			add_name(ret, max, &n, bh_progs[i].name, "");
	for (size_t i = 0; i < k->n_nic; i++) {
		const struct bh_nic *nic = &k->nic[i];

		for (int j = 0; j < BH_NIC_LINKS; j++)
			if (nic->link[j] >= 0)
				add_name(ret, max, &n, link_text[j], nic->name);
		if (nic->clsact[BH_IN])
			add_name(ret, max, &n, "clsact ingress ", nic->name);
		if (nic->clsact[BH_OUT])
			add_name(ret, max, &n, "clsact egress ", nic->name);
	}
	return n;
}

/* Which generation's tables lie on the other side than @gen's; 0: none are whole there. */
static int other_side(const struct bh_kern *k, __u64 gen, __u64 *ret)
{
	_cleanup_free_ struct bh_side *side = calloc(1, sizeof(*side));
	_cleanup_close_ int fd = bh_pin_get(k, "maps", bh_map_names[BH_MAP_SIDES]);
	__u32 index = !BH_SIDE(gen);
	int r;

	if (!side)
		return -ENOMEM;
	if (fd < 0)
		return fd;
	r = bpf_map_lookup_elem(fd, &index, side);
	*ret = side->gen < gen ? side->gen : 0;
	return r;
}

int bh_kern_go_back(struct bh_kern *k, __u64 *ret_gen, __u64 *ret_was)
{
	struct bh_trial t;
	__u64 gen;
	int r;

	if (!k->ctl || !k->ctl->gen)
		return -ENOENT;
	if (bh_kern_trial(k, &t)) {
		*ret_was = t.back;
		*ret_gen = t.back ? t.generation + 1 : 0;
		__atomic_store_n(&k->ctl->trial_ns, 1, __ATOMIC_RELEASE);
		return 0;
	}
	gen = k->ctl->gen;
	r = other_side(k, gen, ret_was);
	/* what a trial fell back from is older by its number alone */
	if (r == 0 && (!*ret_was || gen == bh_kern_floor(k)))
		r = -ENOENT;
	if (r < 0)
		return r;
	/* a trial whose time is over: the agent that starts next settles it */
	k->ctl->back = *ret_was;
	k->ctl->floor = gen + 1;
	k->ctl->trial_ns = 1;
	__atomic_store_n(&k->ctl->trial, gen, __ATOMIC_RELEASE);
	*ret_gen = gen + 1;
	return 0;
}
