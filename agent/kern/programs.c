/* SPDX-License-Identifier: Apache-2.0 */
/* programs.c - the BPF programs of this host, ours and others'. Asked for the device's posture. */
#include <string.h>
#include "kern_internal.h"

static int describe(int fd, struct bh_program *ret)
{
	struct bpf_prog_info info = {0};
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
		return -errno;
	*ret = (struct bh_program){
		.id = info.id,
		.type = info.type,
		.bypass = info.type == BPF_PROG_TYPE_SK_MSG || info.type == BPF_PROG_TYPE_SK_SKB,
	};
	snprintf(ret->name, sizeof(ret->name), "%s", info.name);
	memcpy(ret->tag, info.tag, sizeof(ret->tag));
	return 0;
}

int bh_kern_each_own(const struct bh_kern *k, int (*fn)(void *ctx, const struct bh_program *p),
		     void *ctx)
{
	int r = 0;

	for (int i = 0; i < BH_PROG_MAX && r == 0; i++) {
		int fd = k->prog[i] ? bpf_program__fd(k->prog[i]) : -1;
		struct bh_program p;

		/* not loaded on this kernel */
		if (fd < 0)
			continue;
		r = describe(fd, &p);
		p.own = true;
		if (r == 0)
			r = fn(ctx, &p);
	}
	return r;
}

struct ids {
	__u32 id[BH_PROG_MAX];
	size_t n;
};

static int note_id(void *ctx, const struct bh_program *p)
{
	struct ids *ids = ctx;

	ids->id[ids->n++] = p->id;
	return 0;
}

static bool is_own(const struct ids *ids, __u32 id)
{
	for (size_t i = 0; i < ids->n; i++)
		if (ids->id[i] == id)
			return true;
	return false;
}

int bh_kern_each_program(const struct bh_kern *k, int (*fn)(void *ctx, const struct bh_program *p),
			 void *ctx)
{
	struct ids own = {.n = 0};
	int r = bh_kern_each_own(k, note_id, &own);

	for (__u32 id = 0; r == 0;) {
		struct bh_program p;
		int fd;

		if (bpf_prog_get_next_id(id, &id) < 0)
			return errno == ENOENT ? 0 : -errno;
		fd = bpf_prog_get_fd_by_id(id);
		/* it went meanwhile */
		if (fd < 0 && errno == ENOENT)
			continue;
		if (fd < 0)
			return -errno;
		r = describe(fd, &p);
		close(fd);
		p.own = is_own(&own, id);
		if (r == 0)
			r = fn(ctx, &p);
	}
	return r;
}

const char *bh_program_type(const struct bh_program *p, char ret[32])
{
	const char *name = libbpf_bpf_prog_type_str((enum bpf_prog_type)p->type);

	if (name)
		snprintf(ret, 32, "%s", name);
	else
		snprintf(ret, 32, "type %u", p->type);
	return ret;
}
