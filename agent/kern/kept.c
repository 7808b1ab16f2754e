/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kept.c - descriptors that somebody else keeps for us: all that is pinned, and pins made of them
 * where they are gone. Called by agent/fdstore.c.
 */
#include <string.h>
#include "kern_internal.h"

/* --- what is to be kept ---------------------------------------------------------------------- */

struct visit {
	const struct bh_kern *k;
	int (*fn)(void *ctx, const char *name, int fd, __u32 id);
	void *ctx;
};

int bh_kern_object_id(int fd, __u32 *ret_id)
{
	/* struct bpf_map_info, bpf_prog_info and bpf_link_info (linux/bpf.h) begin with these */
	struct {
		__u32 type, id;
	} info = {0};
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
		return -errno;
	*ret_id = info.id;
	return 0;
}

static int visit(const struct visit *v, const char *sub, const char *name, int fd)
{
	char whole[BH_KEPT_NAME];
	__u32 id = 0;
	int r;

	if (fd < 0)
		return 0;
	snprintf(whole, sizeof(whole), "%s/%s/%s", BH_PIN_OWN, sub, name);
	/* pins have no dots, and who keeps them wants no colons */
	bh_swap_chars(whole, ':', '.');
	r = bh_kern_object_id(fd, &id);
	return r < 0 ? r : v->fn(v->ctx, whole, fd, id);
}

static int visit_nic(const struct visit *v, const struct bh_nic *nic)
{
	char name[64];
	int r = 0;

	for (int i = 0; r == 0 && i < BH_NIC_LINKS; i++) {
		bh_nic_pin_name(nic, i, name, sizeof(name));
		r = visit(v, "links", name, nic->link[i]);
	}
	for (enum bh_dir dir = BH_IN; r == 0 && dir <= BH_OUT; dir++) {
		bh_clsact_pin_name(nic, dir, name, sizeof(name));
		if (nic->clsact[dir])
			r = visit(v, "progs", name, bh_tc_prog_fd(v->k, dir));
	}
	return r;
}

int bh_kern_each_kept(const struct bh_kern *k,
		      int (*fn)(void *ctx, const char *name, int fd, __u32 id), void *ctx)
{
	const struct visit v = {k, fn, ctx};
	const struct bpf_map *map;
	int r = 0;

	bpf_object__for_each_map(map, k->obj)
	{
		if (r == 0 && !bpf_map__is_internal(map))
			r = visit(&v, "maps", bpf_map__name(map), bpf_map__fd(map));
	}
	for (int i = 0; r == 0 && i < BH_PROG_MAX; i++)
		if (bh_pins_prog(k, i))
			r = visit(&v, "progs", bh_progs[i].name, bh_kern_prog_fd(k, i));
	/* last: see bh_kern_put_back() */
	for (int i = 0; r == 0 && i < BH_PROG_MAX; i++)
		r = visit(&v, "links", bh_progs[i].name, k->link[i]);
	for (size_t i = 0; r == 0 && i < k->n_nic; i++)
		r = visit_nic(&v, &k->nic[i]);
	return r;
}

/* --- pins made of it ------------------------------------------------------------------------- */

/* "v2", "maps", "bh_ctl". False for a name that is none of ours. */
static bool split(const char *name, char set[8], char sub[8], char leaf[BH_KEPT_NAME])
{
	int len = 0;

	if (sscanf(name, "%7[v0-9]/%7[a-z]/%79[^/]%n", set, sub, leaf, &len) != 3 || name[len])
		return false;
	bh_swap_chars(leaf, '.', ':');
	return bh_set_abi(set) &&
	       (!strcmp(sub, "maps") || !strcmp(sub, "links") || !strcmp(sub, "progs"));
}

static int put(struct bh_kern *s, const char *sub, const char *leaf, int fd)
{
	return bh_pin_exists(s, sub, leaf) ? 0 : bh_pin_replace(s, sub, leaf, fd) ?: 1;
}

/*
 * Pins of @sub of one set. Where all of maps/ is gone it is made aside: an agent takes what it
 * finds there for a whole set, also after a crash in the middle of this.
 */
static int put_all(struct bh_kern *s, const char *sub, const struct bh_kept *kept, size_t n,
		   struct bh_diags *d)
{
	char own_set[8], own_sub[8], leaf[BH_KEPT_NAME];
	const char *set = strrchr(s->dir, '/') + 1;
	bool aside = !strcmp(sub, "maps") && !bh_pin_present(s);
	int r = aside ? bh_pin_aside(s, d) : 0, put_back = 0;

	for (size_t i = 0; r >= 0 && i < n; i++) {
		if (!split(kept[i].name, own_set, own_sub, leaf) || strcmp(own_set, set) != 0 ||
		    strcmp(own_sub, sub) != 0)
			continue;
		r = put(s, aside ? "maps_new" : sub, leaf, kept[i].fd);
		put_back += r > 0;
	}
	if (r >= 0 && aside && put_back)
		r = bh_pin_aside_done(s);
	return r < 0 ? r : put_back;
}

static int put_set(const char *pin_dir, const char *set, const struct bh_kept *kept, size_t n,
		   struct bh_diags *d)
{
	static const char *const subs[] = {"maps", "progs", "links"};
	_cleanup_(bh_kern_closep) struct bh_kern *s = bh_kern_new();
	int r = s ? bh_pin_set(s, pin_dir, set) : -ENOMEM, put_back = 0;

	if (r == 0)
		r = bh_pin_make_dirs(s, d);
	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(subs); i++) {
		r = put_all(s, subs[i], kept, n, d);
		put_back += r > 0 ? r : 0;
	}
	return r < 0 ? r : put_back;
}

/*
 * Links are handed over last, so a set with one of them is whole; sets come one after the other.
 * Without links nothing is held, and without all the maps nothing can be adopted.
 */
int bh_kern_put_back(const char *pin_dir, const struct bh_kept *kept, size_t n, struct bh_diags *d)
{
	char set[8], before[8] = "", sub[8], leaf[BH_KEPT_NAME];
	int all = 0;

	if (bh_pin_on_bpffs(pin_dir) <= 0)
		return 0;
	for (size_t i = 0; i < n; i++) {
		int r;

		if (!split(kept[i].name, set, sub, leaf) || strcmp(sub, "links") != 0 ||
		    !strcmp(set, before))
			continue;
		memcpy(before, set, sizeof(before));
		r = put_set(pin_dir, set, kept, n, d);
		if (r < 0)
			return kern_error(d, r, NULL,
					  "can't pin again what was kept of '%s/%s': %s", pin_dir,
					  set, strerror(-r));
		all += r;
	}
	return all;
}
