/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net.h - the NICs and addresses of the agent's network namespace, as they come and go. The
 * only room that knows libnl. It reports facts; which NIC gets a program is the agent's word.
 */
#ifndef BH_NET_H
#define BH_NET_H

#include <net/if.h>
#include "../../include/bh_abi.h"
#include "../base/cleanup.h"

struct bh_link {
	int ifindex;
	char name[IF_NAMESIZE];
	bool loopback;
	bool veth;
	bool port;	    /* of a bridge, bond or team: its master receives for it */
	bool physical;	    /* has a device of its own, or bundles some (bond, team) */
	bool default_route; /* had one since the agent started */
};

/* Called from bh_net_dump() and bh_net_poll(). */
struct bh_net_sink {
	void *ctx;
	/* A link is new, was renamed, got a default route (@gone: false), or went. */
	void (*link)(void *ctx, const struct bh_link *link, bool gone);
	/* An address came to the first of its links, or went from the last. */
	void (*addr)(void *ctx, const struct bh_addr *addr, bool gone);
};

struct bh_net;

/* Subscribes; reports nothing yet. Return: 0, -ENOMEM, or what netlink says. */
int bh_net_open(const struct bh_net_sink *sink, struct bh_net **ret);
void bh_net_close(struct bh_net *n);
BH_DEFINE_CLEANUP(struct bh_net *, bh_net_close)

/* Ask for everything and report what differs from what is known. Return: 0 or -errno. */
int bh_net_dump(struct bh_net *n);

/* Readable when something changed; then bh_net_poll(). */
int bh_net_fd(const struct bh_net *n);
/* Reports what changed. Messages that were lost are made good by a dump. 0 or -errno. */
int bh_net_poll(struct bh_net *n);

/* Walks the links that are there. A callback that returns non-zero ends it. */
int bh_net_each_link(const struct bh_net *n, int (*fn)(void *ctx, const struct bh_link *link),
		     void *ctx);

/* Frames that a device has received, as it counts itself. Return: 0, -ENODEV, -errno. */
int bh_net_received(int ifindex, __u64 *ret);

/* Is it an address of this namespace? */
bool bh_net_has_addr(const struct bh_net *n, const struct bh_addr *addr);
/* Each of them, once for every link it stands on. */
void bh_net_each_addr(const struct bh_net *n, void (*fn)(void *ctx, const struct bh_addr *addr),
		      void *ctx);

/**
 * bh_net_destroy - end TCP connections as if their owner had aborted them
 *
 * Both ends learn at once: ECONNABORTED here, a reset to the peer. A socket that closed in the
 * meantime is no error. Return: how many, or -errno if none: -EOPNOTSUPP (no tcp_diag, or a
 * kernel without INET_DIAG_DESTROY), -EPERM.
 */
int bh_net_destroy(const struct bh_cut *cut, size_t n);

/*
 * A socket of this network namespace, as INET_DIAG tells of it: what listens, connections, also
 * those that just ended (TIME_WAIT), and every UDP socket. Addresses are all of 16 bytes.
 */
struct bh_net_socket {
	__u8 proto; /* IPPROTO_TCP, IPPROTO_UDP */
	__u8 state; /* TCP_LISTEN ...; UDP: TCP_ESTABLISHED if it is connected, else TCP_CLOSE */
	struct bh_addr local, remote;
	__u16 local_port, remote_port;
	__u32 uid;
	__u64 inode; /* as in the link /proc/PID/fd/N; 0 = no process has it any more */
	__u64 cgid;  /* where it was made; 0 = not told: TIME_WAIT */
};

/**
 * bh_net_sockets - each TCP and UDP socket, needs no rights
 * @fn: returns non-zero to end it; that is returned
 *
 * Return: 0, -EOPNOTSUPP (no tcp_diag or udp_diag in this kernel), -errno.
 */
int bh_net_sockets(int (*fn)(void *ctx, const struct bh_net_socket *socket), void *ctx);

/* Does this namespace forward: any interface of the family does. Return: 1, 0, or -errno. */
int bh_net_forwards(int family);

#endif
