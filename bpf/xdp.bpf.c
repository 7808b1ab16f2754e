// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * xdp.bpf.c - the NIC's way in. XDP rejects what is certainly forbidden as cheaply as a packet
 * can be rejected; a segment of an established connection costs it a parse.
 */
#include "nic.h"

__global int bh_xdp_parse(struct xdp_md *ctx, struct bh_pkt *ret)
{
	if (!ret)
		return BH_R_MALFORMED_L2;
	return bh_parse_frame((void *)(long)ctx->data, (void *)(long)ctx->data_end,
			      bpf_xdp_get_buff_len(ctx), ret);
}

SEC("xdp.frags")
int bh_xdp_in(struct xdp_md *ctx)
{
	__u32 bytes = bpf_xdp_get_buff_len(ctx);
	struct bh_run run;
	struct bh_pkt pkt;
	int reason;

	if (!bh_run_begin(&run)) {
		bh_count_reason(BH_R_NEVER_APPLIED, 1, bytes);
		return XDP_PASS;
	}
	reason = bh_xdp_parse(ctx, &pkt);
	if (bh_nic_is_established(&run, &pkt, reason)) {
		bh_count_reason(BH_R_ESTABLISHED, 1, bytes);
		return XDP_PASS;
	}
	if (reason == BH_CONTINUE && run.flags & BH_CTL_QUARANTINE)
		reason = bh_nic_held(&run, &pkt);
	return bh_nic_in(&run, &pkt, reason, ctx->ingress_ifindex, bytes) ? XDP_PASS : XDP_DROP;
}

char _license[] __weak SEC("license") = "Dual BSD/GPL";
