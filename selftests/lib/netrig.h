/* SPDX-License-Identifier: Apache-2.0 */
/*
 * netrig.h - two hosts for tests with real sockets: network namespaces with a cable between them,
 * a cgroup subtree and the real kernel programs on each, a segment map given as text. No agent:
 * agent/kern is called from here, so a map is in force a moment after net_apply(). Used by
 * selftests/net.
 *
 *	a  10.77.0.1 to .4     fd77::1 to ::4		b  10.77.0.11 to .14     fd77::11 to ::14
 */
#ifndef BH_TEST_NETRIG_H
#define BH_TEST_NETRIG_H

#include "policyrig.h"
#include "puppet.h"
#include "../../agent/kern/kern.h"

#define NET_EVENTS 4096

struct net_host {
	const char *name; /* its cgroup root is this directory, its cable NAME0 */
	int ns;
	struct bh_kern *k;
	struct pol pol; /* the map in force */
	struct bh_count was[BH_REASON_MAX];
	struct bh_event event[NET_EVENTS]; /* since net_mark() */
	size_t n_event;
};

/* Both hosts, programs attached, nothing applied yet. For a group's setup; 0 or -1. */
int net_up(struct net_host *a, struct net_host *b);
/* The same in two steps: sockets that are made between them are older than the agent. */
int net_wire(struct net_host *a, struct net_host *b);
int net_guard(struct net_host *h);
int net_down(struct net_host *a, struct net_host *b);

/* "segments: ..." with "version: 1 ... mode: enforce, default deny" before it, in force. */
void net_apply(struct net_host *h, const char *body);
/* The map that is in force once more: a new generation. */
void net_again(struct net_host *h);
/* The agent's cut of what is no longer allowed. Return: how many sockets. */
int net_cut(struct net_host *h);

/* A puppet in system.slice/@unit of this host. */
struct puppet *net_puppet(struct net_host *h, const char *unit);
/* Writes @value to /proc/sys/@name in the host's namespace, where there is such a file. */
bool net_has_sysctl(struct net_host *h, const char *name);
void net_sysctl(struct net_host *h, const char *name, const char *value);

/* --- what was counted and told --------------------------------------------------------------------- */

/* From here on. */
void net_mark(struct net_host *h);
/* Packets (or refused calls) with @reason since net_mark(). */
__u64 net_count(struct net_host *h, enum bh_reason reason);
/* Names of all reasons of class deny that were counted since net_mark(): "" if none were. */
const char *net_denies(struct net_host *h);
/* The first event of this type since net_mark(), and how many; NULL and 0. */
const struct bh_event *net_event(struct net_host *h, enum bh_event_type type, size_t *ret_n);
const char *net_reason(enum bh_reason reason);

__u32 net_identity(struct net_host *h, const char *segment);

/*
 * Fails the test unless exactly one event of @type came since net_mark(), with @reason, and
 * @reason was counted. Prints what came instead.
 */
void net_told(struct net_host *h, enum bh_event_type type, enum bh_reason reason);
/* Fails the test if anything was denied since net_mark(). */
void net_quiet(struct net_host *h);
/* Prints all that was counted and told since net_mark(). */
void net_print(struct net_host *h);

#endif
