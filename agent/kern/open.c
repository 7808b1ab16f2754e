/* SPDX-License-Identifier: Apache-2.0 */
/*
 * open.c - bh_kern_open() and bh_kern_close(): check, size, adopt or load, map the control
 * word. Until everything is loaded nothing that is pinned changes.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include "../base/broken.h"
#include "kern_internal.h"
#include "bulkhead.skel.h"

#define CGROUP2_MAGIC 0x63677270

const struct bh_prog_desc bh_progs[BH_PROG_MAX] = {
	[BH_PROG_CG_MKDIR] = {"bh_cg_mkdir", BH_ROLE_TRACE, BH_FEAT_CGROUP_MKDIR},
	[BH_PROG_CG_RMDIR] = {"bh_cg_rmdir", BH_ROLE_TRACE, BH_FEAT_CGROUP_RELEASE},
	[BH_PROG_SOCK_CREATE] = {"bh_sock_create", BH_ROLE_CGROUP, BH_FEAT_BTF},
	[BH_PROG_SOCK_REL] = {"bh_sock_rel", BH_ROLE_CGROUP, BH_FEAT_BTF},
	[BH_PROG_SETSOCKOPT] = {"bh_setsockopt", BH_ROLE_CGROUP, BH_FEAT_BTF},
	[BH_PROG_POSTBIND4] = {"bh_postbind4", BH_ROLE_CGROUP, BH_FEAT_BTF},
	[BH_PROG_POSTBIND6] = {"bh_postbind6", BH_ROLE_CGROUP, BH_FEAT_BTF},
	[BH_PROG_SOCKOPS] = {"bh_sockops", BH_ROLE_CGROUP, BH_FEAT_BTF},
	[BH_PROG_CONNECT4] = {"bh_connect4", BH_ROLE_CGROUP, BH_FEAT_BTF},
	[BH_PROG_CONNECT6] = {"bh_connect6", BH_ROLE_CGROUP, BH_FEAT_BTF},
	[BH_PROG_SENDMSG4] = {"bh_sendmsg4", BH_ROLE_CGROUP, BH_FEAT_BTF},
	[BH_PROG_SENDMSG6] = {"bh_sendmsg6", BH_ROLE_CGROUP, BH_FEAT_BTF},
	[BH_PROG_SKB_IN] = {"bh_skb_in", BH_ROLE_CGROUP, BH_FEAT_BTF},
	[BH_PROG_SKB_OUT] = {"bh_skb_out", BH_ROLE_CGROUP, BH_FEAT_BTF},
	[BH_PROG_XDP_IN] = {"bh_xdp_in", BH_ROLE_NIC, BH_FEAT_BTF},
	[BH_PROG_TC_IN] = {"bh_tc_in", BH_ROLE_NIC, BH_FEAT_BTF},
	[BH_PROG_EGRESS] = {"bh_egress", BH_ROLE_NIC, BH_FEAT_BTF},
	[BH_PROG_JUDGE] = {"bh_judge", BH_ROLE_TEST, BH_FEAT_BTF},
	[BH_PROG_CG_WALK] = {"bh_cg_walk", BH_ROLE_ITER, BH_FEAT_CGROUP_ITER},
	[BH_PROG_SEED_TCP] = {"bh_seed_tcp", BH_ROLE_ITER, BH_FEAT_BTF},
	[BH_PROG_SEED_UDP] = {"bh_seed_udp", BH_ROLE_ITER, BH_FEAT_BTF},
	[BH_PROG_CUT_TCP] = {"bh_cut_tcp", BH_ROLE_ITER, BH_FEAT_SOCK_DESTROY},
	[BH_PROG_CUT_LIST] = {"bh_cut_list", BH_ROLE_ITER, BH_FEAT_BTF},
	[BH_PROG_TAKE_SESS] = {"bh_take_sess", BH_ROLE_ITER, BH_FEAT_BTF},
	[BH_PROG_TAKE_UDP] = {"bh_take_udp", BH_ROLE_ITER, BH_FEAT_BTF},
	[BH_PROG_TAKE_FACTS] = {"bh_take_facts", BH_ROLE_ITER, BH_FEAT_BTF},
	[BH_PROG_TAKE_BOUND] = {"bh_take_bound", BH_ROLE_ITER, BH_FEAT_BTF},
	[BH_PROG_TASK_SOCKS] = {"bh_task_socks", BH_ROLE_ITER, BH_FEAT_BTF},
	[BH_PROG_SWEEP_TCP] = {"bh_sweep_tcp", BH_ROLE_ITER, BH_FEAT_BTF},
};

const char *const bh_map_names[BH_MAP_MAX] = {
	[BH_MAP_POLICY] = "bh_policy",
	[BH_MAP_ADDRS] = "bh_addrs",
	[BH_MAP_PREFIXES] = "bh_prefixes",
	[BH_MAP_SEGS] = "bh_segs",
	[BH_MAP_RULES] = "bh_rules",
	[BH_MAP_NAMES] = "bh_names",
	[BH_MAP_GLOBS] = "bh_globs",
	[BH_MAP_USERS] = "bh_users",
	[BH_MAP_RESERVE] = "bh_reserve",
	[BH_MAP_CTL] = "bh_ctl",
	[BH_MAP_SIDES] = "bh_sides",
	[BH_MAP_WALK] = "bh_walk",
	[BH_MAP_CGROUPS] = "bh_cgroups",
	[BH_MAP_LISTENERS] = "bh_listeners",
	[BH_MAP_LOCALS] = "bh_locals",
	[BH_MAP_REASONS] = "bh_reasons",
	[BH_MAP_RULE_HITS] = "bh_rule_hits",
	[BH_MAP_STATS] = "bh_stats",
	[BH_MAP_EVENTS] = "bh_events",
	[BH_MAP_QUARANTINE] = "bh_quarantine",
	[BH_MAP_HELD_SEGS] = "bh_held_segs",
	[BH_MAP_HELD_UNITS] = "bh_held_units",
	[BH_MAP_HELD_ADDRS] = "bh_held_addrs",
	[BH_MAP_GRANTS] = "bh_grants",
	[BH_MAP_JIT] = "bh_jit",
	[BH_MAP_AUDIT] = "bh_audit",
	[BH_MAP_SESSION] = "bh_session",
	[BH_MAP_FLOWS_0] = "bh_flows_0",
	[BH_MAP_FLOWS_1] = "bh_flows_1",
};

/* --- what libbpf says ------------------------------------------------------------------------ */

/*
 * libbpf's hook has no context, so the end of what it complained about is kept here: the
 * verifier's last lines and the program's name are in it.
 */
static char last_words[1500];

_printf_(2, 0) static int keep_words(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	_cleanup_free_ char *line = NULL;
	size_t have, add, keep;

	if (level != LIBBPF_WARN)
		return 0;
	if (vasprintf(&line, fmt, ap) < 0) {
		line = NULL;
		return 0;
	}
	have = strlen(last_words);
	add = MIN(strlen(line), sizeof(last_words) - 1);
	keep = MIN(have, sizeof(last_words) - 1 - add);
	memmove(last_words, last_words + have - keep, keep);
	memcpy(last_words + keep, line + strlen(line) - add, add + 1);
	return 0;
}

/* For the end of an error's text. */
static const char *libbpf_words(void)
{
	size_t len = strlen(last_words);

	while (len && last_words[len - 1] == '\n')
		last_words[--len] = '\0';
	return last_words;
}

/* --- steps of open --------------------------------------------------------------------------- */

static int open_cgroup(struct bh_kern *k, const char *path, struct bh_diags *d)
{
	struct statfs fs;
	struct stat st;

	k->cgroup_path = strdup(path);
	if (!k->cgroup_path)
		return -ENOMEM;
	k->cgroup_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (k->cgroup_fd < 0 || fstatfs(k->cgroup_fd, &fs) < 0 || fstat(k->cgroup_fd, &st) < 0)
		return kern_error(d, -errno, "give --cgroup-root a directory that exists",
				  "cgroup root '%s': %s", path, strerror(errno));
	if (fs.f_type != CGROUP2_MAGIC)
		return kern_error(d, -EINVAL,
				  "give --cgroup-root a directory of the cgroup2 mount; on hybrid "
				  "hosts that is /sys/fs/cgroup/unified",
				  "cgroup root '%s' is not on a cgroup2 mount", path);
	/* kernfs: the inode number is the cgroup id where ino_t has 64 bits */
	_Static_assert(sizeof(st.st_ino) == sizeof(k->root_cgid), "ino_t is not a cgroup id here");
	k->root_cgid = st.st_ino;
	return 0;
}

static int own_netns(__u64 *ret)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(*ret);

	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, ret, &len) < 0)
		return -errno;
	return 0;
}

/* Names to handles. A name that is missing is a build that does not fit together. */
static int find_parts(struct bh_kern *k, struct bh_diags *d)
{
	for (int i = 0; i < BH_PROG_MAX; i++) {
		k->prog[i] = bpf_object__find_program_by_name(k->obj, bh_progs[i].name);
		if (!k->prog[i])
			return kern_error(d, -ENOENT, "rebuild the agent",
					  "the BPF object has no program %s", bh_progs[i].name);
		if (!bh_has(k, bh_progs[i].needs))
			bpf_program__set_autoload(k->prog[i], false);
	}
	for (int i = 0; i < BH_MAP_MAX; i++) {
		k->map[i] = bpf_object__find_map_by_name(k->obj, bh_map_names[i]);
		if (!k->map[i])
			return kern_error(d, -ENOENT, "rebuild the agent",
					  "the BPF object has no map %s", bh_map_names[i]);
	}
	return 0;
}

static int bind_kfuncs(struct bh_kern *k, struct bh_diags *d)
{
	int r = bh_kfunc_bind(k);

	if (r < 0)
		return kern_error(d, r, "rebuild the agent", "can't bind bpf_sock_destroy: %s",
				  strerror(-r));
	return 0;
}

static int find_templates(struct bh_kern *k, struct bh_diags *d)
{
	for (int i = 0; i < BH_MAP_TABLES; i++) {
		const struct bpf_map *inner = bpf_map__inner_map(k->map[i]);

		if (!inner)
			return kern_error(d, -EINVAL, "rebuild the agent",
					  "map %s of the BPF object has no inner table",
					  bh_map_names[i]);
		k->like[i] = (struct bh_table_like){
			.type = bpf_map__type(inner),
			.key_size = bpf_map__key_size(inner),
			.value_size = bpf_map__value_size(inner),
			.flags = bpf_map__map_flags(inner),
		};
	}
	return 0;
}

static int size_maps(struct bh_kern *k, const struct bh_kern_opts *opts, struct bh_diags *d)
{
	const struct {
		enum bh_map_id id;
		__u32 n;
	} sizes[] = {
		{BH_MAP_CGROUPS, opts->max_cgroups},
		{BH_MAP_LISTENERS, opts->max_listeners},
		{BH_MAP_EVENTS, opts->ring_bytes},
		{BH_MAP_RULE_HITS, k->limits.rules},
	};

	if (opts->ring_bytes &&
	    (opts->ring_bytes % 4096 || (opts->ring_bytes & (opts->ring_bytes - 1))))
		return kern_error(d, -EINVAL, "give a power of two of at least 4096",
				  "ring buffer of %u bytes", opts->ring_bytes);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		int r = sizes[i].n ? bpf_map__set_max_entries(k->map[sizes[i].id], sizes[i].n) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

static void close_templates(int (*fd)[BH_MAP_TABLES])
{
	for (int i = 0; i < BH_MAP_TABLES; i++)
		bh_closep(&(*fd)[i]);
}

static int load(struct bh_kern *k, struct bh_diags *d)
{
	_cleanup_(close_templates) int template[BH_MAP_TABLES] = {-1, -1, -1, -1, -1,
								  -1, -1, -1, -1};
	int r;

	last_words[0] = '\0';
	r = bh_tables_prepare(k, template);
	if (r == 0)
		r = bulkhead__load(k->skel);
	if (r == 0)
		return 0;
	return kern_error(
		d, r, "a right that is missing, or this kernel's verifier: report it with uname -r",
		"the kernel refused the BPF object: %s\n%s", strerror(-r), libbpf_words());
}

static int map_ctl(struct bh_kern *k)
{
	void *p = mmap(NULL, sizeof(*k->ctl), PROT_READ | PROT_WRITE, MAP_SHARED,
		       bh_kern_map_fd(k, BH_MAP_CTL), 0);

	if (p == MAP_FAILED)
		return -errno;
	k->ctl = p;
	return 0;
}

static int on_record(void *ctx, void *data, size_t size)
{
	struct bh_kern *k = ctx;

	if (size >= sizeof(struct bh_event) && k->on_event)
		k->on_event(k->ctx, data);
	/* libbpf goes on as long as there is something: a flood would hold the agent for ever */
	return ++k->burst < BH_KERN_POLL_MAX ? 0 : -EAGAIN;
}

static int open_ring(struct bh_kern *k)
{
	k->ring = ring_buffer__new(bh_kern_map_fd(k, BH_MAP_EVENTS), on_record, k, NULL);
	return k->ring ? 0 : -errno;
}

/* What every open needs once the programs are in: none of it touches a pin. */
static int open_handles(struct bh_kern *k, struct bh_diags *d)
{
	int r = map_ctl(k);

	if (r < 0)
		return kern_error(d, r, NULL, "can't map bh_ctl: %s", strerror(-r));
	r = open_ring(k);
	if (r < 0)
		return kern_error(d, r, NULL, "can't read bh_events: %s", strerror(-r));
	r = bh_drain_open(k);
	if (r < 0)
		return kern_error(d, r, NULL, "can't make the drain map: %s", strerror(-r));
	return 0;
}

static int pin_fresh(struct bh_kern *k, struct bh_diags *d)
{
	int r;

	k->ctl->netns = k->netns;
	k->ctl->root_cgid = k->root_cgid;
	k->ctl->sockets = BH_ABI_SOCKETS;
	r = bh_pin_make_dirs(k, d);
	return r < 0 ? r : bh_pin_maps(k, d);
}

static int find_others(struct bh_kern *k, const char *pin_dir, struct bh_diags *d)
{
	int r = bh_sets_find(pin_dir, d, &k->beside);

	for (struct bh_kern *s = k->beside; s; s = s->beside)
		k->gen_floor = MAX(k->gen_floor, MAX(bh_kern_generation(s), bh_kern_floor(s)));
	return r;
}

static int open_all(struct bh_kern *k, const struct bh_kern_opts *opts, struct bh_diags *d)
{
	int r = bh_probe(k, opts->without, d);

	if (r == 0)
		r = bh_pin_check(k, opts->pin_dir, d);
	if (r == 0)
		r = open_cgroup(k, opts->cgroup_root, d);
	if (r == 0)
		r = own_netns(&k->netns);
	if (r < 0)
		return r;

	k->skel = bulkhead__open();
	if (!k->skel)
		return kern_error(d, -errno, NULL, "can't open the BPF object: %s\n%s",
				  strerror(errno), libbpf_words());
	k->obj = k->skel->obj;
#ifdef BH_BREAK
	k->skel->rodata->bh_broken_promise = (__u32)bh_broken_promise();
#endif
	r = find_parts(k, d);
	if (r == 0)
		r = bind_kfuncs(k, d);
	if (r == 0)
		r = find_templates(k, d);
	if (r == 0)
		r = size_maps(k, opts, d);
	if (r == 0)
		r = find_others(k, opts->pin_dir, d);
	k->adopted = bh_pin_present(k);
	if (r == 0 && k->adopted)
		r = bh_adopt_maps(k, d);
	if (r == 0)
		r = bh_adopt_links(k, d);
	if (r == 0)
		r = load(k, d);
	if (r == 0)
		r = open_handles(k, d);
	if (r == 0 && !k->adopted)
		r = pin_fresh(k, d);
	return r;
}

struct bh_kern *bh_kern_new(void)
{
	struct bh_kern *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	k->cgroup_fd = k->drain = k->drain_inner = k->table_btf = -1;
	for (int i = 0; i < BH_PROG_MAX; i++)
		k->link[i] = -1;
	return k;
}

int bh_kern_open(const struct bh_kern_opts *opts, struct bh_diags *d, struct bh_kern **ret)
{
	_cleanup_(bh_kern_closep) struct bh_kern *k = bh_kern_new();
	int r;

	if (!k)
		return -ENOMEM;
	k->limits = opts->limits.rules ? opts->limits : bh_limits_default;
	k->gen_floor = opts->gen_floor;
	k->ctx = opts->ctx;
	k->on_event = opts->on_event;

	/* for good: errors come back as -errno and are told by whoever asked */
	(void)libbpf_set_print(keep_words);
	r = open_all(k, opts, d);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(k);
	return 0;
}

void bh_kern_close(struct bh_kern *k)
{
	if (!k)
		return;
	bh_kern_close(k->beside);
	ring_buffer__free(k->ring);
	if (k->ctl)
		(void)munmap(k->ctl, sizeof(*k->ctl));
	bh_nic_free_all(k);
	for (int i = 0; i < BH_PROG_MAX; i++)
		bh_closep(&k->link[i]);
	bh_closep(&k->drain);
	bh_closep(&k->drain_inner);
	bh_closep(&k->table_btf);
	bh_closep(&k->cgroup_fd);
	bulkhead__destroy(k->skel);
	free(k->cgroup_path);
	free(k->dir);
	free(k);
}
