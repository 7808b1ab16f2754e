/* SPDX-License-Identifier: Apache-2.0 */
/* net_internal.h - what links.c, addrs.c and monitor.c of this room share. */
#ifndef BH_NET_INTERNAL_H
#define BH_NET_INTERNAL_H

#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include "net.h"

struct bh_net_link {
	struct bh_link link;
	int master; /* ifindex, 0 = none */
	char kind[16];
	unsigned int seen; /* the last dump that had it */
};

struct bh_net_addr {
	int ifindex;
	struct bh_addr addr;
	unsigned int seen;
};

struct bh_net {
	struct bh_net_sink sink;
	struct nl_sock *events; /* subscribed, non-blocking */
	struct nl_sock *ask;	/* for dumps */
	struct bh_net_link *link;
	size_t n_link;
	struct bh_net_addr *addr;
	size_t n_addr;
	unsigned int dump; /* number of the dump that is running */
	int error;	   /* of a callback that libnl can't hand on */
};

/* libnl's error as -errno */
int bh_nl_errno(int r);

/* A link came or changed (@gone: went). Return: 0, -ENOMEM. */
int bh_links_update(struct bh_net *n, struct rtnl_link *l, bool gone);
/* The default route goes out there. */
void bh_links_default_route(struct bh_net *n, int ifindex);
/* Report links that the last dump did not have as gone. */
void bh_links_sweep(struct bh_net *n);

int bh_addrs_update(struct bh_net *n, struct rtnl_addr *a, bool gone);
void bh_addrs_sweep(struct bh_net *n);

#endif
