/* SPDX-License-Identifier: Apache-2.0 */
/*
 * adopt.c - takes over what an earlier agent pinned: maps with all they hold, links by fd.
 * Called by bh_kern_open(). Looks and holds; bh_kern_attach() is what changes things.
 */
#include <string.h>
#include "kern_internal.h"

/* --- maps ------------------------------------------------------------------------------------ */

static int layout_error(struct bh_diags *d, const char *map, const char *what, __u32 pinned,
			__u32 wanted)
{
	return kern_error(d, -EEXIST,
			  "start the agent with the sizes it had before, or end enforcement and "
			  "start afresh: bulkheadd rescue --detach",
			  "pinned map %s has %s %u, this agent wants %u", map, what, pinned,
			  wanted);
}

/* Adopting a map of another layout would read one thing as another. */
static int check_layout(const struct bpf_map *map, int fd, struct bh_diags *d)
{
	const char *name = bpf_map__name(map);
	struct bpf_map_info info = {0};
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
		return kern_error(d, -EEXIST, NULL, "what is pinned as %s is not a map", name);
	if (info.type != bpf_map__type(map))
		return layout_error(d, name, "type", info.type, bpf_map__type(map));
	if (info.key_size != bpf_map__key_size(map))
		return layout_error(d, name, "key size", info.key_size, bpf_map__key_size(map));
	if (info.value_size != bpf_map__value_size(map))
		return layout_error(d, name, "value size", info.value_size,
				    bpf_map__value_size(map));
	if (info.max_entries != bpf_map__max_entries(map))
		return layout_error(d, name, "max entries", info.max_entries,
				    bpf_map__max_entries(map));
	if (info.map_flags != bpf_map__map_flags(map))
		return layout_error(d, name, "flags", info.map_flags, bpf_map__map_flags(map));
	return 0;
}

/*
 * No program reads it and it holds nothing that enforces: who pinned a set without it (an agent
 * before there was an audit head) is taken over all the same, and repin.c adds it.
 */
static bool may_be_missing(const struct bh_kern *k, const struct bpf_map *map)
{
	return map == k->map[BH_MAP_AUDIT];
}

int bh_adopt_maps(struct bh_kern *k, struct bh_diags *d)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, k->obj)
	{
		const char *name = bpf_map__name(map);
		_cleanup_close_ int fd = -1;
		int r;

		if (bpf_map__is_internal(map))
			continue;
		fd = bh_pin_get(k, "maps", name);
		if (fd == -ENOENT && may_be_missing(k, map))
			continue;
		if (fd < 0)
			return kern_error(d, fd == -ENOENT ? -EEXIST : fd,
					  "somebody changed the pins by hand; end enforcement and "
					  "start afresh: bulkheadd rescue --detach",
					  "pinned map %s/maps/%s: %s", k->dir, name, strerror(-fd));
		r = check_layout(map, fd, d);
		if (r == 0)
			r = bpf_map__reuse_fd(map, fd);
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- links ----------------------------------------------------------------------------------- */

static int adopt_link(struct bh_kern *k, const char *name)
{
	return bh_nic_adopt(k, "links", name);
}

static int adopt_prog(struct bh_kern *k, const char *name)
{
	return bh_nic_adopt(k, "progs", name);
}

int bh_adopt_links(struct bh_kern *k, struct bh_diags *d)
{
	bool any = false;
	int r;

	for (int i = 0; i < BH_PROG_MAX; i++) {
		const char *name = bh_progs[i].name;

		if (bh_progs[i].role != BH_ROLE_CGROUP && bh_progs[i].role != BH_ROLE_TRACE)
			continue;
		r = bh_pin_get(k, "links", name);
		if (r < 0 && r != -ENOENT)
			return kern_error(d, r, NULL, "pinned link %s/links/%s: %s", k->dir, name,
					  strerror(-r));
		k->link[i] = r < 0 ? -1 : r;
		any |= r >= 0;
	}
	r = bh_pin_each(k, "links", adopt_link);
	if (r == 0)
		r = bh_pin_each(k, "progs", adopt_prog);
	if (r < 0)
		return kern_error(d, r, NULL, "can't read the pins of '%s': %s", k->dir,
				  strerror(-r));
	/* their programs read maps that we can't reach: replacing them would open a gap */
	if ((any || k->n_nic) && !k->adopted)
		return kern_error(d, -EEXIST, "end enforcement first: bulkheadd rescue --detach",
				  "'%s' has links but no maps", k->dir);
	return 0;
}
