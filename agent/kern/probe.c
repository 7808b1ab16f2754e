/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe.c - what this process may do and what this kernel can do, before anything is loaded.
 * Called by bh_kern_open(). Asks the kernel's BTF, not its version: distributions backport.
 */
#include <linux/capability.h>
#include <string.h>
#include <sys/syscall.h>
#include <bpf/btf.h>
#include "kern_internal.h"

struct feat_desc {
	const char *name;
	const char *type; /* in the kernel's BTF; NULL: the BTF itself */
	__u32 kind;
	const char *required; /* why nothing works without it, or NULL */
	const char *effect;
};

static const struct feat_desc feats[BH_FEAT_MAX] = {
	[BH_FEAT_BTF] = {.name = "btf",
			 .required =
				 "use a kernel with CONFIG_DEBUG_INFO_BTF=y, Linux 6.1 or newer",
			 .effect = "nothing can be loaded"},
	[BH_FEAT_CGROUP_ITER] = {.name = "cgroup_iter",
				 .type = "bpf_iter__cgroup",
				 .kind = BTF_KIND_STRUCT,
				 .required = "use Linux 6.1 or newer",
				 .effect = "cgroups can't be given a segment"},
	[BH_FEAT_CGROUP_MKDIR] =
		{.name = "cgroup_mkdir",
		 .type = "btf_trace_cgroup_mkdir",
		 .kind = BTF_KIND_TYPEDEF,
		 .effect = "inotify tells of new cgroups: for a moment they have no segment, "
			   "and their sockets are denied that long"},
	[BH_FEAT_CGROUP_RELEASE] =
		{.name = "cgroup_release",
		 .type = "btf_trace_cgroup_release",
		 .kind = BTF_KIND_TYPEDEF,
		 .effect = "cgroups that are gone stay in the kernel's table until a detach; when "
			   "it is full, new ones are denied"},
	[BH_FEAT_SOCK_DESTROY] =
		{.name = "sock_destroy",
		 .type = "bpf_sock_destroy",
		 .kind = BTF_KIND_FUNC,
		 .effect = "idle connections that are no longer allowed are cut by INET_DIAG; "
			   "without its module tcp_diag, on their next packet"},
	[BH_FEAT_TCX] = {.name = "tcx",
			 .type = "tcx_link",
			 .kind = BTF_KIND_STRUCT,
			 .effect = "egress of a NIC uses a clsact filter, which anybody with "
				   "CAP_NET_ADMIN can remove"},
};

/* By the syscall: the agent's rooms above decide about capabilities, this one only looks. */
static bool have_cap(int cap)
{
	struct __user_cap_header_struct hdr = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};

	if (syscall(SYS_capget, &hdr, data) < 0)
		return false;
	return data[CAP_TO_INDEX(cap)].effective & CAP_TO_MASK(cap);
}

static int check_caps(struct bh_diags *d)
{
	static const struct {
		int cap;
		const char *name, *what;
	} needed[] = {
		{CAP_BPF, "CAP_BPF", "load programs and maps"},
		{CAP_NET_ADMIN, "CAP_NET_ADMIN", "attach to cgroups and NICs"},
		{CAP_PERFMON, "CAP_PERFMON", "trace new cgroups and iterate over sockets"},
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
		/* the old name of two of the three */
		bool covered = needed[i].cap != CAP_NET_ADMIN && have_cap(CAP_SYS_ADMIN);

		if (have_cap(needed[i].cap) || covered)
			continue;
		r = kern_error(d, -EPERM,
			       "run as root, or give the unit AmbientCapabilities=CAP_BPF "
			       "CAP_NET_ADMIN CAP_PERFMON",
			       "%s is missing: it is needed to %s", needed[i].name, needed[i].what);
	}
	return r;
}

static bool is_unwanted(int feat, __u32 without)
{
	return feat >= BH_FEAT_OPTIONAL && without >> (feat - BH_FEAT_OPTIONAL) & 1;
}

int bh_probe(struct bh_kern *k, __u32 without, struct bh_diags *d)
{
	struct btf *btf;
	int r = check_caps(d);

	if (r < 0)
		return r;
	btf = btf__load_vmlinux_btf();
	for (int i = 0; i < BH_FEAT_MAX; i++) {
		const struct feat_desc *f = &feats[i];
		int id = btf && f->type ? btf__find_by_name_kind(btf, f->type, f->kind) : 0;
		bool works = btf && (!f->type || id > 0);

		if (i == BH_FEAT_SOCK_DESTROY)
			k->sock_destroy_id = id;
		works = works && !is_unwanted(i, without);
		k->feature[i] = (struct bh_feature){f->name, works, f->effect};
		if (!works && f->required && r == 0)
			r = kern_error(d, -EOPNOTSUPP, f->required, "this kernel has no %s: %s",
				       f->name, f->effect);
	}
	btf__free(btf);
	return r;
}

size_t bh_kern_features(const struct bh_kern *k, const struct bh_feature **ret)
{
	*ret = k->feature;
	return BH_FEAT_MAX;
}

bool bh_kern_has(const struct bh_kern *k, const char *name)
{
	for (int i = 0; i < BH_FEAT_MAX; i++)
		if (!strcmp(k->feature[i].name, name))
			return k->feature[i].works;
	return false;
}

size_t bh_kern_optional(const char *ret[BH_OPTIONAL_MAX])
{
	_Static_assert(BH_FEAT_MAX - BH_FEAT_OPTIONAL <= BH_OPTIONAL_MAX, "room for all names");
	for (int i = BH_FEAT_OPTIONAL; i < BH_FEAT_MAX; i++)
		ret[i - BH_FEAT_OPTIONAL] = feats[i].name;
	return BH_FEAT_MAX - BH_FEAT_OPTIONAL;
}
