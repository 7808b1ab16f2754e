/* SPDX-License-Identifier: Apache-2.0 */
/* kernrig.c - a place for tests of agent/kern, see kernrig.h. */
#include "kernrig.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include "cg.h"

static char dir[64], pins[80], base[PATH_MAX];

int rig_up(void)
{
	int r;

	snprintf(dir, sizeof(dir), "/tmp/bh-test-%d-pins", (int)getpid());
	snprintf(pins, sizeof(pins), "%s/bulkhead", dir);
	/* the mount dies with this process, also if it crashes */
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mkdir(dir, 0700) || mount("bpf", dir, "bpf", 0, "mode=0700")) {
		printf("no private bpffs: %s\n", strerror(errno));
		return -errno;
	}
	r = cg_base(base, sizeof(base));
	if (r)
		printf("no cgroup: %s\n", strerror(-r));
	return r;
}

void rig_down(void)
{
	(void)umount2(dir, MNT_DETACH);
	(void)rmdir(dir);
	(void)cg_remove();
}

struct bh_kern_opts rig_opts(void)
{
	return (struct bh_kern_opts){
		.pin_dir = pins,
		.cgroup_root = base,
		.limits = {.policy = 1024,
			   .addrs = 1024,
			   .prefixes = 1024,
			   .rules = 64,
			   .names = 64,
			   .globs = 64,
			   .users = 64},
		.max_cgroups = 1024,
		.max_listeners = 1024,
		.ring_bytes = 65536,
	};
}

struct bh_compiled *rig_policy(__u16 port)
{
	static struct bh_pol_key key[2];
	static struct bh_pol_val val[2];
	static struct bh_seg segs[RIG_DB + 1];
	static struct bh_rule rules[RIG_N_RULES];
	static struct bh_prefix_key prefix;
	static struct bh_addr_val prefix_val = {RIG_DB, RIG_DB};
	static struct bh_reserve_key reserve = {.seg = BH_ID_ANY, .port = 5432, .proto = 6};
	static struct bh_compiled c;

	c = (struct bh_compiled){0};
	for (int dir_no = BH_IN; dir_no <= BH_OUT; dir_no++) {
		bool out = dir_no == BH_OUT;

		key[dir_no] = (struct bh_pol_key){
			.local = out ? RIG_WEB : RIG_DB,
			.remote = out ? RIG_DB : RIG_WEB,
			.port = port,
			.plen = 16,
			.proto = 6,
			.dir = (__u8)dir_no,
			.kind = BH_KIND_ALLOW,
		};
		val[dir_no] = (struct bh_pol_val){.rule = RIG_RULE};
		c.side.n_shapes[dir_no] = 1;
		c.side.shape[dir_no][0] = (struct bh_shape){.kind = BH_KIND_ALLOW, .plen = 16};
	}
	for (int i = 0; i <= RIG_DB; i++)
		segs[i] = (struct bh_seg){
			.flags = (i >= 1 && i <= 3) || i >= RIG_WEB ? BH_SEG_VALID : 0,
			.default_rule = {1, 2},
		};
	prefix = (struct bh_prefix_key){
		.prefixlen = 120,
		.addr = {[10] = 0xff, [11] = 0xff, [12] = 10, [13] = 7},
	};
	c.policy.bh_pol_key = key;
	c.policy.bh_pol_val = val;
	c.policy.n = 2;
	c.prefixes.bh_prefix_key = &prefix;
	c.prefixes.bh_addr_val = &prefix_val;
	c.prefixes.n = 1;
	c.reserve.key = &reserve;
	c.reserve.n = 1;
	c.segs = segs;
	c.n_segs = ARRAY_SIZE(segs);
	c.rules = rules;
	c.n_rules = ARRAY_SIZE(rules);
	return &c;
}

int rig_ask(struct bh_kern *k, __u64 gen, __u16 port, __u32 *ret_rule)
{
	struct bh_question q = {
		.gen = gen,
		.now_ns = 1,
		.local = RIG_WEB,
		.remote = RIG_DB,
		.port = port,
		.proto = 6,
		.dir = BH_OUT,
	};
	struct bh_answer a;
	int r = bh_kern_judge(k, &q, &a);

	if (r < 0)
		return r;
	if (ret_rule)
		*ret_rule = a.rule;
	return a.pass;
}

bool rig_said(const struct bh_diags *d, const char *part)
{
	for (size_t i = 0; i < d->n; i++)
		if (strstr(d->list[i].text, part) ||
		    (d->list[i].help && strstr(d->list[i].help, part)))
			return true;
	return false;
}

const char *rig_hook(struct bh_kern *k, const char *name)
{
	static struct bh_hook_state row[64];
	size_t n = bh_kern_hooks(k, row, ARRAY_SIZE(row));

	for (size_t i = 0; i < n; i++)
		if (!strcmp(row[i].name, name))
			return row[i].mode;
	return "";
}

static void pin_path(const char *sub, const char *name, char ret[PATH_MAX])
{
	snprintf(ret, PATH_MAX, "%s/v%d/%s/%s", pins, BH_ABI, sub, name);
}

bool rig_pinned(const char *sub, const char *name)
{
	char path[PATH_MAX];

	pin_path(sub, name, path);
	return access(path, F_OK) == 0;
}

int rig_unpin(const char *sub, const char *name)
{
	char path[PATH_MAX];

	pin_path(sub, name, path);
	return unlink(path) ? -errno : 0;
}
