/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repin.c - pins are what holds enforcement when the agent is gone. Somebody may remove them, or
 * unmount the bpffs: until the agent ends, its descriptors hold the same things, and are pinned
 * again. Called by attach.c, and by the agent to see what is wrong.
 */
#include <string.h>
#include "kern_internal.h"

/* --- what is missing ------------------------------------------------------------------------- */

static size_t maps_missing(const struct bh_kern *k)
{
	const struct bpf_map *map;
	size_t n = 0;

	bpf_object__for_each_map(map, k->obj) n +=
		!bpf_map__is_internal(map) && !bh_pin_exists(k, "maps", bpf_map__name(map));
	return n;
}

bool bh_pins_prog(const struct bh_kern *k, enum bh_prog id)
{
	enum bh_prog_role role = bh_progs[id].role;

	return (role == BH_ROLE_ITER || role == BH_ROLE_TEST) && bh_has(k, bh_progs[id].needs);
}

static size_t progs_missing(const struct bh_kern *k)
{
	size_t n = 0;

	for (int i = 0; i < BH_PROG_MAX; i++) {
		if (bh_pins_prog(k, i))
			n += !bh_pin_exists(k, "progs", bh_progs[i].name);
		else if (k->link[i] >= 0)
			n += !bh_pin_exists(k, "links", bh_progs[i].name);
	}
	return n;
}

const char *bh_kern_pins(const struct bh_kern *k, char ret[BH_PINS_TEXT])
{
	size_t n;

	*ret = '\0';
	if (bh_pin_on_bpffs(k->dir) == 0) {
		snprintf(ret, BH_PINS_TEXT,
			 "the bpffs of %.120s is gone: what is enforced ends with this agent, "
			 "unless one is mounted again",
			 k->dir);
		return ret;
	}
	n = maps_missing(k) + progs_missing(k);
	for (size_t i = 0; i < k->n_nic; i++)
		n += !bh_nic_pinned(k, &k->nic[i]);
	if (n)
		snprintf(ret, BH_PINS_TEXT, "somebody removed pins of %.120s: %zu are missing",
			 k->dir, n);
	return ret;
}

/* --- again ----------------------------------------------------------------------------------- */

static int maps_again(struct bh_kern *k, struct bh_diags *d)
{
	struct bpf_map *map;

	/* all or none: what an agent finds there it takes for a whole set */
	if (!bh_pin_present(k))
		return bh_pin_maps(k, d);
	bpf_object__for_each_map(map, k->obj)
	{
		const char *name = bpf_map__name(map);
		int r;

		if (bpf_map__is_internal(map) || bh_pin_exists(k, "maps", name))
			continue;
		r = bh_pin_replace(k, "maps", name, bpf_map__fd(map));
		if (r < 0)
			return kern_error(d, r, NULL, "can't pin %s/maps/%s: %s", k->dir, name,
					  strerror(-r));
	}
	return 0;
}

int bh_pin_again(struct bh_kern *k, struct bh_diags *d)
{
	int r;

	/* nothing is made in the place where the bpffs should be */
	k->pinless = bh_pin_on_bpffs(k->dir) == 0;
	if (k->pinless)
		return kern_error(d, -ENOTSUP,
				  "mount one there again: mount -t bpf -o mode=0700 bpf DIR",
				  "the bpffs of '%s' is gone: nothing can be pinned, and what is "
				  "enforced ends with this agent",
				  k->dir);
	r = bh_pin_make_dirs(k, d);
	return r < 0 ? r : maps_again(k, d);
}
