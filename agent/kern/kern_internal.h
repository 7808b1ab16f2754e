/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kern_internal.h - what the files of this room share: the object behind struct bh_kern, the
 * names of programs and maps, and helpers for pins. Nobody outside agent/kern includes it but
 * its own tests.
 */
#ifndef BH_KERN_INTERNAL_H
#define BH_KERN_INTERNAL_H

#include <errno.h>
#include <net/if.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "kern.h"
#include "../../include/bh_abi.h"

/* Attach types that libbpf 1.1 and the headers of Linux 6.1 have no name for. */
#define BH_TCX_INGRESS 46
#define BH_TCX_EGRESS  47

/* --- programs ------------------------------------------------------------------------------ */

enum bh_prog_role {
	BH_ROLE_TRACE,	/* a link of its own, can't be updated in place */
	BH_ROLE_CGROUP, /* one link on the cgroup root */
	BH_ROLE_ITER,	/* run by us; pinned for rescue and for people */
	BH_ROLE_TEST,	/* run by BPF_PROG_TEST_RUN; pinned likewise */
	BH_ROLE_NIC,	/* a link per device, kept in struct bh_nic */
};

/* Attached in this order: who is born gets an identity before anybody is judged by one. */
enum bh_prog {
	BH_PROG_CG_MKDIR,
	BH_PROG_CG_RMDIR,
	BH_PROG_SOCK_CREATE,
	BH_PROG_SOCK_REL,
	BH_PROG_SETSOCKOPT,
	BH_PROG_POSTBIND4,
	BH_PROG_POSTBIND6,
	BH_PROG_SOCKOPS,
	BH_PROG_CONNECT4,
	BH_PROG_CONNECT6,
	BH_PROG_SENDMSG4,
	BH_PROG_SENDMSG6,
	BH_PROG_SKB_IN,
	BH_PROG_SKB_OUT,
	BH_PROG_XDP_IN,
	BH_PROG_TC_IN,
	BH_PROG_EGRESS,
	BH_PROG_JUDGE,
	BH_PROG_CG_WALK,
	BH_PROG_SEED_TCP,
	BH_PROG_SEED_UDP,
	BH_PROG_CUT_TCP,
	BH_PROG_CUT_LIST,
	/* in the order in which they run: facts without a session would say who began, wrongly */
	BH_PROG_TAKE_SESS,
	BH_PROG_TAKE_UDP,
	BH_PROG_TAKE_FACTS,
	BH_PROG_TAKE_BOUND,
	BH_PROG_TASK_SOCKS,
	BH_PROG_SWEEP_TCP,
	BH_PROG_MAX,
};

enum bh_feat {
	BH_FEAT_BTF,
	BH_FEAT_CGROUP_ITER,
	/* from here on there is another way */
	BH_FEAT_OPTIONAL,
	BH_FEAT_CGROUP_MKDIR = BH_FEAT_OPTIONAL,
	BH_FEAT_CGROUP_RELEASE,
	BH_FEAT_SOCK_DESTROY,
	BH_FEAT_TCX,
	BH_FEAT_MAX,
};

struct bh_prog_desc {
	const char *name;
	enum bh_prog_role role;
	enum bh_feat needs; /* not loaded without it */
};
extern const struct bh_prog_desc bh_progs[BH_PROG_MAX];

/* --- maps ---------------------------------------------------------------------------------- */

enum bh_map_id {
	/* one inner table per side; the order in which a stage fills them */
	BH_MAP_POLICY,
	BH_MAP_ADDRS,
	BH_MAP_PREFIXES,
	BH_MAP_SEGS,
	BH_MAP_RULES,
	BH_MAP_NAMES,
	BH_MAP_GLOBS,
	BH_MAP_USERS,
	BH_MAP_RESERVE,
	BH_MAP_TABLES,
	/* plain maps */
	BH_MAP_CTL = BH_MAP_TABLES,
	BH_MAP_SIDES,
	BH_MAP_WALK,
	BH_MAP_CGROUPS,
	BH_MAP_LISTENERS,
	BH_MAP_LOCALS,
	BH_MAP_REASONS,
	BH_MAP_RULE_HITS,
	BH_MAP_STATS,
	BH_MAP_EVENTS,
	BH_MAP_QUARANTINE,
	BH_MAP_HELD_SEGS,
	BH_MAP_HELD_UNITS,
	BH_MAP_HELD_ADDRS,
	BH_MAP_GRANTS,
	BH_MAP_JIT,
	BH_MAP_AUDIT,
	BH_MAP_SESSION,
	BH_MAP_FLOWS_0,
	BH_MAP_FLOWS_1,
	BH_MAP_MAX, /* what only the kernel side uses (other socket storage) has no number here */
};

extern const char *const bh_map_names[BH_MAP_MAX];

/* bh_walk[0]: which sides bh_cg_walk writes; bit n is side n */
struct bh_walk {
	__u32 sides_mask;
};

/* --- the object ---------------------------------------------------------------------------- */

enum bh_nic_link {
	BH_NIC_LINK_XDP,
	BH_NIC_LINK_IN,	 /* tcx ingress, where XDP can't attach */
	BH_NIC_LINK_OUT, /* tcx egress */
	BH_NIC_LINKS,
};

/* A clsact filter is no link and has no pin: its program is pinned to remember it by. */
struct bh_nic {
	int ifindex;
	char name[IF_NAMESIZE];
	int link[BH_NIC_LINKS]; /* -1: none */
	bool clsact[2];		/* by enum bh_dir */
	bool out_only;		/* nothing is meant to be on its way in */
};

/* What an inner table must be like; libbpf forgets its template once it is loaded. */
struct bh_table_like {
	enum bpf_map_type type;
	__u32 key_size, value_size, flags;
};

/* One with nothing in it; NULL: no memory. */
struct bh_kern *bh_kern_new(void);

struct bulkhead; /* the skeleton; open.c alone includes it */

/**
 * struct bh_kern - one loaded object with its pins and links
 * @dir:        the pins of this ABI: <pin-dir>/v<ABI>
 * @link:       fds of tracing and cgroup links, -1 = not attached
 * @ctl:        bh_ctl[0], mapped: a syscall update would write the kernel side's flags too
 * @drain:      a private outer map; writing it waits for a grace period
 * @drained:    a grace period has passed since the last flip
 * @staged_gen: what publish will enforce; 0 = nothing is staged
 * @beside:     the pins of another ABI, newest generation first, each with the next: dir, abi,
 *              links, devices and ctl, and nothing loaded. See handover.c
 */
struct bh_kern {
	struct bulkhead *skel;
	struct bpf_object *obj;
	struct bpf_program *prog[BH_PROG_MAX];
	struct bpf_map *map[BH_MAP_MAX];
	struct bh_table_like like[BH_MAP_TABLES];
	int table_btf; /* types of all tables, templates included */
	int link[BH_PROG_MAX];
	struct bh_nic *nic;
	size_t n_nic;

	char *dir;
	int abi;
	struct bh_kern *beside;
	char *cgroup_path;
	int cgroup_fd;
	__u64 root_cgid;
	__u64 netns;
	__u64 gen_floor;
	struct bh_limits limits;
	bool adopted;
	bool pinless; /* the bpffs is gone: nothing can be pinned for now */

	struct bh_ctl *ctl;
	int drain, drain_inner;
	bool drained;
	__u64 staged_gen;

	struct ring_buffer *ring;
	unsigned int burst; /* records of this poll */
	void *ctx;
	void (*on_event)(void *ctx, const struct bh_event *ev);

	struct bh_feature feature[BH_FEAT_MAX];
	int sock_destroy_id; /* type id of bpf_sock_destroy() in the kernel's BTF */
};

static inline int bh_kern_prog_fd(const struct bh_kern *k, enum bh_prog id)
{
	return bpf_program__fd(k->prog[id]);
}

static inline int bh_kern_map_fd(const struct bh_kern *k, enum bh_map_id id)
{
	return bpf_map__fd(k->map[id]);
}

/* An error about the kernel side: note it and hand @r on. */
#define kern_error(d, r, help, ...)                                                                \
	({                                                                                         \
		int _r = (r);                                                                      \
		(void)bh_diag_add((d), BH_ERROR, NULL, (help), __VA_ARGS__);                       \
		_r;                                                                                \
	})

#define kern_warning(d, help, ...) ((void)bh_diag_add((d), BH_WARNING, NULL, (help), __VA_ARGS__))

/* --- trial.c ------------------------------------------------------------------------------- */

/* No generation up to this one may be used again; what a set's own trial may have been, too. */
__u64 bh_kern_floor(const struct bh_kern *k);

/* --- pin.c --------------------------------------------------------------------------------- */

#define BH_PIN_PATH_MAX 512

void bh_swap_chars(char *s, char from, char to);
/* <dir>/<sub>/<name>. Return: 0, -ENAMETOOLONG. */
int bh_pin_path(const struct bh_kern *k, const char *sub, const char *name,
		char ret[BH_PIN_PATH_MAX]);
/* Does @path, or what it will be made in, lie on a bpffs? Return: 1, 0, -errno. */
int bh_pin_on_bpffs(const char *path);
/* Checks that @pin_dir lies on a bpffs and sets k->dir and k->abi. Makes nothing. */
int bh_pin_check(struct bh_kern *k, const char *pin_dir, struct bh_diags *d);
#define BH_PIN_STR_(abi) #abi
#define BH_PIN_STR(abi)	 BH_PIN_STR_(abi)
#define BH_PIN_OWN	 "v" BH_PIN_STR(BH_ABI)
/* k->dir alone: directory @set of @pin_dir. */
int bh_pin_set(struct bh_kern *k, const char *pin_dir, const char *set);
/* Makes <dir>/{links,progs}; maps/ appears whole or not at all, see bh_pin_maps(). */
int bh_pin_make_dirs(struct bh_kern *k, struct bh_diags *d);
/* True when maps/ is there: a whole set of maps was pinned. */
bool bh_pin_present(const struct bh_kern *k);
/* Pin every map of a fresh load: into a directory aside, then one rename. */
int bh_pin_maps(struct bh_kern *k, struct bh_diags *d);
/* An empty maps_new/, which becomes maps/ when it is done. */
int bh_pin_aside(const struct bh_kern *k, struct bh_diags *d);
int bh_pin_aside_done(const struct bh_kern *k);
/* Pin @fd, or replace what is pinned there, without a moment in which there is none. */
int bh_pin_replace(const struct bh_kern *k, const char *sub, const char *name, int fd);
/* Return: fd, or -ENOENT ... */
int bh_pin_get(const struct bh_kern *k, const char *sub, const char *name);
void bh_pin_remove(const struct bh_kern *k, const char *sub, const char *name);
bool bh_pin_exists(const struct bh_kern *k, const char *sub, const char *name);
/* Calls for each name in @sub; what is not 0 ends it. Fine if there is no such directory. */
int bh_pin_each(struct bh_kern *k, const char *sub, int (*fn)(struct bh_kern *k, const char *name));
/* The maps first, in one step: what is left can't be adopted. Then all of <dir>. */
int bh_pin_remove_all(const struct bh_kern *k);

/* --- repin.c ------------------------------------------------------------------------------- */

/* Directories and maps; hooks and programs are pinned by whoever attaches them. */
int bh_pin_again(struct bh_kern *k, struct bh_diags *d);
/* Is this program pinned itself, and not a link of it? */
bool bh_pins_prog(const struct bh_kern *k, enum bh_prog id);

/* --- probe.c ------------------------------------------------------------------------------- */

/* Fills k->feature; @without as in struct bh_kern_opts. Return: 0, -EPERM, -EOPNOTSUPP. */
int bh_probe(struct bh_kern *k, __u32 without, struct bh_diags *d);
static inline bool bh_has(const struct bh_kern *k, enum bh_feat feat)
{
	return k->feature[feat].works;
}

/* --- handover.c ---------------------------------------------------------------------------- */

/* What is pinned in <pin_dir>/<name>, without loading anything. -ENOENT: no such directory. */
/* "v7": 7. 0: it is no set. */
int bh_set_abi(const char *name);
int bh_set_open(const char *pin_dir, const char *name, struct bh_diags *d, struct bh_kern **ret);
/* All but that of our ABI's name, newest generation first; NULL = none. */
int bh_sets_find(const char *pin_dir, struct bh_diags *d, struct bh_kern **ret);
/* Detaches and removes all that stand beside @k. */
int bh_sets_end(struct bh_kern *k);

/* --- kfunc.c ------------------------------------------------------------------------------- */

/* Before the load. -ENOENT: the object does not fit to this agent. */
int bh_kfunc_bind(struct bh_kern *k);

/* --- adopt.c ------------------------------------------------------------------------------- */

/* Point the maps of the unloaded object at the pinned ones, all or none. */
int bh_adopt_maps(struct bh_kern *k, struct bh_diags *d);
/* Hold the pinned links by fd. Changes nothing. */
int bh_adopt_links(struct bh_kern *k, struct bh_diags *d);

/* --- attach.c ------------------------------------------------------------------------------ */

/* Return: 0 and *ret filled, or -errno. */
int bh_link_info(int fd, struct bpf_link_info *ret);
/* Id of a loaded program, 0 if there is none. */
__u32 bh_prog_id(int prog_fd);

/* --- nic.c, tc.c --------------------------------------------------------------------------- */

/* Holds the links of pinned name @pin ("xdp_2_eth0") if it is a device's. Changes nothing. */
int bh_nic_adopt(struct bh_kern *k, const char *sub, const char *pin);
/* Swap the loaded programs into the links we adopted; forget those whose device went. */
int bh_nic_refresh(struct bh_kern *k, struct bh_diags *d);
/* "native", "generic", "tcx", "clsact" or NULL: what judges what comes in, asked anew. */
const char *bh_nic_in_mode(const struct bh_kern *k, const struct bh_nic *nic);
const char *bh_nic_out_mode(const struct bh_kern *k, const struct bh_nic *nic);
/* Is each of its links pinned? */
bool bh_nic_pinned(const struct bh_kern *k, const struct bh_nic *nic);
/* What was attached to it still is. Without a look at other devices; see bh_nic_in_mode(). */
bool bh_nic_holds(const struct bh_kern *k, const struct bh_nic *nic);
int bh_nic_detach_all(struct bh_kern *k);
/* Is this the name of a device's link? */
bool bh_nic_is_pin(const char *pin);
/* The devices of @s are @k's from now on, links and filters as they are. bh_nic_refresh() next. */
int bh_nic_take(struct bh_kern *k, struct bh_kern *s);
/* Lets go of the fds; what is attached stays. */
void bh_nic_free_all(struct bh_kern *k);

/* One of the device's links: create or update, and pin. */
int bh_nic_link_set(struct bh_kern *k, struct bh_nic *nic, enum bh_nic_link which, int xdp_flags);
/* Detach, unpin and close. Fine if there is none. */
void bh_nic_link_drop(struct bh_kern *k, struct bh_nic *nic, enum bh_nic_link which);

/* tcx where the kernel has it, else clsact. */
int bh_tc_attach(struct bh_kern *k, struct bh_nic *nic, enum bh_dir dir);
void bh_tc_detach(struct bh_kern *k, struct bh_nic *nic, enum bh_dir dir);
/* True if it is our program that hangs there now. */
bool bh_clsact_present(const struct bh_kern *k, const struct bh_nic *nic, enum bh_dir dir);
/* What hangs there where there is no tcx. */
int bh_tc_prog_fd(const struct bh_kern *k, enum bh_dir dir);
/* "xdp_2_eth0" */
void bh_nic_pin_name(const struct bh_nic *nic, enum bh_nic_link which, char *ret, size_t size);
/* "clsact_out_2_eth0", the pinned program that stands for the filter */
void bh_clsact_pin_name(const struct bh_nic *nic, enum bh_dir dir, char *ret, size_t size);

/* --- tables.c ------------------------------------------------------------------------------ */

struct bh_fill {
	const void *keys; /* NULL: an array, keys are 0..n-1 */
	const void *values;
	size_t n;
};

/*
 * Give the outer maps of the unloaded object their templates, with the BTF that tables have:
 * Linux 6.1 takes no table with BTF where the template had none (bpf_map_meta_equal() compares
 * timer_off, which tells the two apart). *ret_fd can be closed after the load.
 * Return: 0 or -errno.
 */
int bh_tables_prepare(struct bh_kern *k, int ret_fd[BH_MAP_TABLES]);

/*
 * A new inner table like the template of outer map @id, named after @gen, filled and counted.
 * Return: fd, or -errno.
 */
int bh_table_make(struct bh_kern *k, enum bh_map_id id, __u64 gen, const struct bh_fill *fill,
		  struct bh_diags *d);

/* --- iter.c -------------------------------------------------------------------------------- */

/* What an iterator printed. */
struct bh_printed {
	void *data;
	size_t len, size;
};

void bh_printed_clear(struct bh_printed *p);
/* Run a whole iterator, on @target or on all there is (NULL). Return: 0 or -errno. */
int bh_iter_run(struct bh_kern *k, enum bh_prog id, union bpf_iter_link_info *target,
		struct bh_printed *ret);

/* Run bh_cg_walk over every cgroup of the agent's root, for the sides of @mask. */
int bh_iter_walk(struct bh_kern *k, __u32 sides_mask, struct bh_diags *d);

/* --- stage.c ------------------------------------------------------------------------------- */

int bh_drain_open(struct bh_kern *k);
/* Waits for a grace period: no program run that began before it is left. */
int bh_drain(struct bh_kern *k);

#endif
