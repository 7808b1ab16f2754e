/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rescue.c - what is pinned, taken up without loading anything: for the day on which no agent
 * starts. Called by `bulkheadd rescue`.
 */
#include <string.h>
#include <sys/mman.h>
#include "kern_internal.h"

/* The generation is nice to have: without the map the links can still be ended. */
static void map_ctl(struct bh_kern *k)
{
	_cleanup_close_ int fd = bh_pin_get(k, "maps", "bh_ctl");
	void *p;

	if (fd < 0)
		return;
	p = mmap(NULL, sizeof(*k->ctl), PROT_READ, MAP_SHARED, fd, 0);
	k->ctl = p == MAP_FAILED ? NULL : p;
}

int bh_kern_open_pins(const char *pin_dir, struct bh_diags *d, struct bh_kern **ret)
{
	_cleanup_(bh_kern_closep) struct bh_kern *k = calloc(1, sizeof(*k));
	char path[BH_PIN_PATH_MAX];
	int r;

	if (!k)
		return -ENOMEM;
	k->cgroup_fd = k->drain = k->drain_inner = -1;
	for (int i = 0; i < BH_PROG_MAX; i++)
		k->link[i] = -1;
	r = bh_pin_check(k, pin_dir, d);
	if (r == 0)
		r = bh_pin_path(k, "", "", path);
	if (r < 0)
		return r;
	if (access(path, F_OK) < 0)
		return -errno;
	/* links without maps are refused to an agent; here they are what has to go */
	k->adopted = true;
	r = bh_adopt_links(k, d);
	if (r < 0)
		return r;
	map_ctl(k);
	*ret = TAKE_PTR(k);
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
