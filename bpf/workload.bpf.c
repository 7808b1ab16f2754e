// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * workload.bpf.c - which workload a cgroup is: keeps bh_cgroups. A new cgroup has its meaning
 * before mkdir() returns, on both sides; the agent's walk writes the idle side of all of them.
 *
 * Why no cgroup is ever live with what an older generation said of it: a commit puts the new
 * tables into the idle slots, then walks, then flips (agent/kern/stage.c). The kernel runs
 * mkdir, the walk and the release of a cgroup under one lock (cgroup_mutex: cgroup_mkdir(),
 * cgroup_iter_seq_start(), css_release_work_fn() of kernel/cgroup and kernel/bpf). So a
 * mkdir comes before the walk, which then finds the cgroup and writes its idle side again
 * (it may have been made from half of the new tables), or after it, when all the new tables
 * are in place and the parent's idle side is of the new generation. It can't come between.
 * A commit that fails in between leaves mixed idle sides, and no flip: the next one walks.
 *
 * The same lock means that there is one writer at a time. Readers take no lock: an entry
 * appears whole, and nobody reads the idle side of one (a grace period after each flip sees
 * to that). A live side changes only where the agent starts anew on another cgroup root or a
 * directory changed hands; see side_write().
 */
#include "kernel.h"
#include "match.h"
#include "quarantine.h"

#define BH_CSS_ONLINE (1 << 1) /* include/linux/cgroup-defs.h; off: the directory is gone */

#define BH_BOTH_SIDES 3
#define BH_DEAD_MAX   (1 << 20) /* steps among the dead children of one cgroup */

/* --- what the kernel says ------------------------------------------------------------------------ */

/* Version 1 hierarchies have the same tracepoints, and cgroup ids of their own that collide. */
__inline bool cg_is_v2(const struct cgroup *cg)
{
	return BPF_CORE_READ(cg, root, hierarchy_id) == 0;
}

__inline __u64 cg_id(const struct cgroup *cg)
{
	return BPF_CORE_READ(cg, kn, id);
}

/* Asked anew each time: a subtree is delegated by chown after mkdir. */
__inline bool cg_is_roots(const struct cgroup *cg)
{
	const struct kernfs_iattrs *iattr = BPF_CORE_READ(cg, kn, iattr);

	return !iattr || BPF_CORE_READ(iattr, ia_uid.val) == 0;
}

/* --- one entry ----------------------------------------------------------------------------------- */

__inline bool side_is(const struct bh_cg_side *a, const struct bh_cg_side *b)
{
	const __u64 *x = (const void *)a, *y = (const void *)b;

	for (__u32 i = 0; i < sizeof(*a) / sizeof(*x); i++)
		if (x[i] != y[i])
			return false;
	return true;
}

/*
 * In place: an update by the map would free the element, and a reader might find another
 * cgroup in it. Who reads in the middle finds a workload in no segment, never a mixture.
 */
__inline void side_write(struct bh_cg_side *to, const struct bh_cg_side *from)
{
	volatile struct bh_cg_side *v = to;

	if (side_is(to, from))
		return;
	v->n_users = 0;
	v->seg = BH_ID_UNASSIGNED;
	v->anchor = 0;
	v->unit_bits = 0;
	v->node = from->node;
	for (int i = 0; i < BH_USER_DEPTH; i++) {
		v->users[i].anchor = from->users[i].anchor;
		v->users[i].match = from->users[i].match;
	}
	v->unit_bits = from->unit_bits;
	v->anchor = from->anchor;
	v->seg = from->seg;
	v->n_users = from->n_users;
}

__inline void no_room(void)
{
	struct bh_ctl *ctl = bh_ctl_get();

	bh_stat_add(BH_STAT_CGROUPS_LOST);
	if (ctl)
		__sync_fetch_and_or(&ctl->flags, BH_CTL_CGROUPS_FULL);
}

/* What will be the entry. Not on the stack for the reason that bh_child is not. */
static struct bh_cgroup made;

__inline void make_root(void)
{
	made.flags = BH_CG_SLICES;
	bh_side_of_root(&made.side[0], 0);
	bh_side_of_root(&made.side[1], 1);
}

/*
 * A unit in quarantine is so by its name: it does not get out of it by a restart. Nor out of that of
 * a slice around it.
 */
__inline void make_held(void)
{
	const __u32 *held;
	__u32 more;

	bh_child.exact.node = 0;
	held = bpf_map_lookup_elem(&bh_held_units, &bh_child.exact);
	if (!held)
		return;
	more = bh_quarantine_more(made.flags >> BH_CG_HELD_SHIFT, *held);
	made.flags = (made.flags & ((1u << BH_CG_HELD_SHIFT) - 1)) | more << BH_CG_HELD_SHIFT;
}

/* False: @cg is not below the root, or its parent found no room. */
__inline bool make_child(const struct cgroup *cg)
{
	const struct cgroup *parent = BPF_CORE_READ(cg, self.parent, cgroup);
	__u64 parent_id = parent ? cg_id(parent) : 0;
	const struct bh_cgroup *up = bpf_map_lookup_elem(&bh_cgroups, &parent_id);

	if (!up)
		return false;
	made.parent = parent_id;
	made.flags = up->flags & ~((1u << BH_CG_HELD_SHIFT) - 1);
	if ((up->flags & BH_CG_FOREIGN) || !cg_is_roots(parent)) {
		made.flags |= BH_CG_FOREIGN;
	} else {
		bh_name_read(BPF_CORE_READ(cg, kn, name));
		bh_child.slices = up->flags & BH_CG_SLICES;
		if (bh_child.slices && bh_name_is_slice())
			made.flags |= BH_CG_SLICES;
		if (bh_child.slices)
			make_held();
	}
	bh_side_of(&made.side[0], &up->side[0], 0);
	bh_side_of(&made.side[1], &up->side[1], 1);
	return true;
}

/**
 * entry_write - a cgroup's entry, from its name, its owner and its parent's entry
 * @root:  id of the agent's root
 * @sides: bit n: side n of an entry that exists; a new entry gets both
 */
__subprog int entry_write(const struct cgroup *cg, __u64 root, __u32 sides)
{
	__u64 id = cg_id(cg);
	struct bh_cgroup *entry;

	__builtin_memset(&bh_child, 0, sizeof(bh_child));
	__builtin_memset(&made, 0, sizeof(made));
	bh_child.cgid = id;
	made.level = BPF_CORE_READ(cg, level);
	if (id == root)
		make_root();
	else if (!make_child(cg))
		return 0;
	if (!cg_is_roots(cg))
		made.flags |= BH_CG_FOREIGN;

	entry = bpf_map_lookup_elem(&bh_cgroups, &id);
	if (!entry) {
		if (bpf_map_update_elem(&bh_cgroups, &id, &made, BPF_NOEXIST))
			no_room();
		return 0;
	}
	*(volatile __u32 *)&entry->flags = made.flags;
	if (sides & 1)
		side_write(&entry->side[0], &made.side[0]);
	if (sides & 2)
		side_write(&entry->side[1], &made.side[1]);
	return 0;
}

/* --- the life of a cgroup ------------------------------------------------------------------------ */

SEC("tp_btf/cgroup_mkdir")
int bh_cg_mkdir(__u64 *ctx)
{
	const struct cgroup *cg = (const void *)ctx[0];
	const struct bh_ctl *ctl = bh_ctl_get();

	if (ctl && cg_is_v2(cg))
		entry_write(cg, ctl->root_cgid, BH_BOTH_SIDES);
	return 0;
}

/*
 * Release and not rmdir: a socket may outlive the directory (systemd keeps some for a service
 * that restarts), and until it is gone the kernel neither releases nor reuses the id.
 */
SEC("tp_btf/cgroup_release")
int bh_cg_rmdir(__u64 *ctx)
{
	const struct cgroup *cg = (const void *)ctx[0];
	__u64 id = cg_id(cg);

	if (cg_is_v2(cg))
		bpf_map_delete_elem(&bh_cgroups, &id);
	return 0;
}

/* --- the walk ------------------------------------------------------------------------------------ */

/*
 * The iterator leaves out directories that are gone while sockets are left. They hang on their
 * parents' lists until they are released, and go through the same matching as the living.
 */
struct dead_walk {
	const struct cgroup *top, *at;
	__u64 root;
	__u32 sides;
	__u32 down; /* go on with the children of @at, else beside it */
};

__inline const struct cgroup *next_of(const struct list_head *head, const struct list_head *end)
{
	const char *next = (const void *)BPF_CORE_READ(head, next);

	if (!next || next == (const void *)end)
		return 0;
	next -= bpf_core_field_offset(struct cgroup_subsys_state, sibling);
	return BPF_CORE_READ((const struct cgroup_subsys_state *)next, cgroup);
}

/* One step of css_next_descendant_pre() (kernel/cgroup/cgroup.c), without the living. */
static long dead_step(__u32 i, struct dead_walk *w)
{
	const struct cgroup *at = w->at, *parent, *next;

	(void)i;
	if (w->down) {
		next = next_of(&at->self.children, &at->self.children);
		if (!next && at == w->top)
			return 1;
	} else {
		parent = BPF_CORE_READ(at, self.parent, cgroup);
		next = next_of(&at->self.sibling, &parent->self.children);
		if (!next && parent == w->top)
			return 1;
	}
	if (!next) {
		w->at = w->down ? at : BPF_CORE_READ(at, self.parent, cgroup);
		w->down = 0;
		return 0;
	}
	w->at = next;
	w->down = !(BPF_CORE_READ(next, self.flags) & BH_CSS_ONLINE);
	if (w->down)
		entry_write(next, w->root, w->sides);
	return 0;
}

SEC("iter/cgroup")
int bh_cg_walk(struct bpf_iter__cgroup *ctx)
{
	const struct cgroup *cg = ctx->cgroup;
	const struct bh_ctl *ctl = bh_ctl_get();
	struct dead_walk dead = {.top = cg, .at = cg, .down = 1};
	__u32 zero = 0, *sides = bpf_map_lookup_elem(&bh_walk, &zero);

	if (!cg || !ctl || !sides)
		return 0;
	entry_write(cg, ctl->root_cgid, *sides);
	if (!BPF_CORE_READ(cg, nr_dying_descendants))
		return 0;
	dead.root = ctl->root_cgid;
	dead.sides = *sides;
	bpf_loop(BH_DEAD_MAX, dead_step, &dead, 0);
	return 0;
}

char _license[] __weak SEC("license") = "Dual BSD/GPL";
