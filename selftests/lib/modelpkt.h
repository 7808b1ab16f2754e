/* SPDX-License-Identifier: Apache-2.0 */
/*
 * modelpkt.h - random frames and what their maker knows of them: what is wrong with a frame is
 * known because it was made wrong, not because somebody parsed it. Used by selftests/model.
 */
#ifndef BH_TEST_MODELPKT_H
#define BH_TEST_MODELPKT_H

#include "model.h"

struct frame {
	uint8_t data[256];
	size_t len;
	size_t l3;		 /* where the IP header begins */
	struct md_packet wire;	 /* as the NIC sees it */
	struct md_packet socket; /* as a socket does: from the IP header on, lengths believed */
	const char *flaw;	 /* what was made wrong, NULL = nothing */
};

/* @ours: an address that is likely as the destination, NULL: none. */
void frame_roll(const struct md_addr *ours, int n_ours, struct frame *ret);

#endif
