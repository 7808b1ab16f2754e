// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * sockopt.bpf.c - the two socket options by which frames leave behind every hook of ours: the
 * rings of an AF_XDP socket, without which it is mute, and a packet socket's PACKET_QDISC_BYPASS,
 * which goes past bh_egress. Neither family comes by bh_sock_create.
 */
#include <linux/if_packet.h>
#include "verdict.h"

#define BH_SOL_PACKET 263 /* linux/socket.h */
#define BH_SOL_XDP    283

/* More than this the kernel does not copy for us (net/core, sockopt_alloc_buf()): a page. */
#define BH_OPTION_MAX 4096

__inline bool bh_option_goes_behind(const struct bpf_sockopt *ctx)
{
	return ctx->level == BH_SOL_XDP ||
	       (ctx->level == BH_SOL_PACKET && ctx->optname == PACKET_QDISC_BYPASS);
}

/* As with the frames themselves in bh_egress: for `host` and who has `raw: allow`. */
__subprog int bh_option_judge(const struct bpf_sockopt_kern *ctx, const struct bh_run *run)
{
	struct bh_conv c = {.hook = BH_HOOK_CREATE, .talk.dir = BH_OUT};
	int reason;

	c.cgid = BPF_CORE_READ(ctx, sk, sk_cgrp_data.cgroup, kn, id);
	c.pid = bpf_get_current_pid_tgid() >> 32;
	reason = bh_who_of_cgroup(run, c.cgid, BH_NO_UID, &c.talk.me);
	if (reason == BH_CONTINUE && c.talk.me.seg != BH_ID_HOST &&
	    !(bh_seg_flags(run, c.talk.me.seg) & BH_SEG_RAW))
		reason = BH_R_RAW;
	return reason == BH_CONTINUE || bh_verdict_named(run, &c, reason);
}

SEC("cgroup/setsockopt")
int bh_setsockopt(struct bpf_sockopt *ctx)
{
	struct bh_run run;

	if (bh_option_goes_behind(ctx) && bh_run_begin(&run) &&
	    !bh_option_judge((const void *)ctx, &run))
		return 0;
	/* 0: the caller's own value stands; else the kernel would take our cut copy for it */
	if (ctx->optlen > BH_OPTION_MAX)
		ctx->optlen = 0;
	return 1;
}

char _license[] __weak SEC("license") = "Dual BSD/GPL";
