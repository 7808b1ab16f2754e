/* SPDX-License-Identifier: Apache-2.0 */
/*
 * advice.h - what a map will do to this host that its author may not expect. Called by check
 * and apply, after the map is staged or live: the questions go to bh_judge.
 */
#ifndef BH_ADVICE_H
#define BH_ADVICE_H

#include "../agent.h"

/**
 * bh_advice - warnings about @l on this host
 * @gen:  the generation, staged or live, that @l is
 * @root: "" - or where a test keeps etc/resolv.conf and the leases
 *
 * A name server, a time daemon or a DHCP client that the map cuts off; a failsafe that reaches
 * nobody. Return: 0, -ENOMEM, or what the kernel side says.
 */
int bh_advice(struct bh_agent *a, const struct bh_live *l, __u64 gen, const char *root,
	      struct bh_diags *d);

#endif
