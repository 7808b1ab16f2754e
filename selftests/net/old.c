// SPDX-License-Identifier: Apache-2.0
/*
 * old.c - sockets older than the agent, in a namespace that it does not look into: their first
 * packet gives them facts. Who began is told from the listener's backlog; where that says
 * nothing they are closed.
 */
#include "netrig.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "ns.h"
#include "talk.h"
#include "../../agent/kern/kern_internal.h"

#define GONE  7011 /* listened with a backlog, and does no longer */
#define ZERO  7012 /* listens with a backlog of none */
#define OTHER 7013 /* listens, and somebody connected from it */
#define UDP   7020

static const char map[] = "segments:\n"
			  "  inner: { match: { unit: inner.service } }\n"
			  "  web: { match: { unit: web.service } }\n"
			  "allow:\n"
			  "  - { id: vxlan, from: web, to: host, port: udp/4789 }\n";

static struct net_host a, b;
static struct puppet *inner;
static int inside, old_udp[2];

/* An old connection: the two sockets, and what must be known of them. */
static struct old {
	const char *says, *addr;
	int port, from;
	__u32 client, server; /* facts beside BH_FACT_OLD */
	int client_fd, server_fd;
} old[] = {
	{"a backlog, IPv4", "127.0.0.1", GONE, 0, BH_FACT_ASKED, BH_FACT_ACCEPTED, -1, -1},
	{"a backlog, IPv6", "::1", GONE, 0, BH_FACT_ASKED, BH_FACT_ACCEPTED, -1, -1},
	{"no backlog, IPv4", "127.0.0.1", ZERO, 0, BH_FACT_ASKED, 0, -1, -1},
	{"no backlog, IPv6", "::1", ZERO, 0, BH_FACT_ASKED, 0, -1, -1},
	{"from a listener's port, IPv4", "127.0.0.1", ZERO, OTHER, 0, 0, -1, -1},
	{"from a listener's port, IPv6", "::1", ZERO, OTHER, 0, 0, -1, -1},
};

/* --- before the agent ----------------------------------------------------------------------------------- */

static int listens(const char *addr, int port, int backlog)
{
	int fd = talk_socket(inner, SOCK_STREAM, addr, NULL);

	assert_int_equal(pup_set(inner, fd, SOL_SOCKET, SO_REUSEADDR, 1), 0);
	assert_int_equal(pup_bind(inner, fd, addr, port), 0);
	assert_int_equal(pup_listen(inner, fd, backlog), 0);
	return fd;
}

static void connects(struct old *o, int listener)
{
	o->client_fd = talk_socket(inner, SOCK_STREAM, o->addr, NULL);
	if (o->from) {
		assert_int_equal(pup_set(inner, o->client_fd, SOL_SOCKET, SO_REUSEADDR, 1), 0);
		assert_int_equal(pup_bind(inner, o->client_fd, o->addr, o->from), 0);
	}
	assert_int_equal(pup_connect(inner, o->client_fd, o->addr, o->port), 0);
	o->server_fd = pup_accept(inner, listener);
	assert_true(o->server_fd >= 0);
}

static void make_old(const char *addr)
{
	int gone = listens(addr, GONE, 8), zero = listens(addr, ZERO, 0);

	for (size_t i = 0; i < ARRAY_SIZE(old); i++) {
		if (strcmp(old[i].addr, addr) != 0)
			continue;
		connects(&old[i], old[i].port == GONE ? gone : zero);
	}
	(void)listens(addr, OTHER, 8);
	assert_int_equal(pup_close(inner, gone), 0);
}

static void seed(struct net_host *h)
{
	_cleanup_diags_ struct bh_diags d = {0};
	int back;

	assert_int_equal(ns_enter(h->ns, &back), 0);
	assert_int_equal(bh_kern_seed(h->k, &d), 0);
	assert_int_equal(ns_enter(back, NULL), 0);
	(void)close(back);
}

/* --- after it ------------------------------------------------------------------------------------------- */

static bool facts_of(int fd, struct bh_facts *ret)
{
	int at = bpf_object__find_map_fd_by_name(a.k->obj, "bh_facts"), mine = pup_fetch(inner, fd);
	bool there;

	assert_true(at >= 0 && mine >= 0);
	there = !bpf_map_lookup_elem(at, &mine, ret);
	(void)close(mine);
	return there;
}

static bool has_facts(int fd, __u32 flags, bool tcp)
{
	struct bh_facts f;

	if (!facts_of(fd, &f))
		return false;
	if (f.flags == (BH_FACT_OLD | flags) && f.cgid && !f.uid == tcp && !f.netns == !tcp)
		return true;
	printf("# flags %u, uid %u, netns %llu\n", f.flags, f.uid, (unsigned long long)f.netns);
	return false;
}

/* A deny of an old connection is told with both of its ends. */
static void assert_told(const struct old *o)
{
	struct bh_addr at = pol_addr(o->addr);
	size_t n;

	(void)net_event(&a, BH_EVENT_DENY, &n);
	for (size_t i = 0; i < a.n_event; i++) {
		const struct bh_event *ev = &a.event[i];

		if (ev->local_port == o->port && !memcmp(&ev->local_addr, &at, sizeof(at)) &&
		    !memcmp(&ev->remote_addr, &at, sizeof(at)) &&
		    (!o->from || ev->remote_port == o->from))
			return;
	}
	fail_msg("none of %zu events is about %s port %d", n, o->addr, o->port);
}

/* Each end sends once. What gets through is what is known of both. */
static void test_who_began(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(old); i++) {
		const struct old *o = &old[i];
		struct bh_facts f;

		printf("# %s\n", o->says);
		assert_false(facts_of(o->client_fd, &f) || facts_of(o->server_fd, &f));
		net_mark(&a);
		assert_int_equal(pup_send(inner, o->client_fd, "ask"), 3);
		if (o->client && o->server) {
			assert_int_equal(talk_ends(inner, o->server_fd, PUP_PATIENCE_MS), 3);
			net_quiet(&a);
			assert_true(net_count(&a, BH_R_SAME_WORKLOAD) >= 1);
		} else {
			assert_int_equal(talk_ends(inner, o->server_fd, PUP_SHORT_MS), 1);
			assert_string_equal(net_denies(&a), "DIRECTION_UNKNOWN");
		}
		net_mark(&a);
		assert_int_equal(pup_send(inner, o->server_fd, "answer"), 6);
		if (!o->server)
			assert_told(o);
		assert_true(has_facts(o->client_fd, o->client, true));
		assert_true(has_facts(o->server_fd, o->server, true));
	}
}

/* Old connections go on trying; this looks for UDP. */
static const struct bh_event *udp_deny(void)
{
	(void)net_event(&a, BH_EVENT_DENY, NULL);
	for (size_t i = 0; i < a.n_event; i++)
		if (a.event[i].type == BH_EVENT_DENY && a.event[i].proto == IPPROTO_UDP)
			return &a.event[i];
	return NULL;
}

/* Nobody knows whose an old UDP socket there is, until a packet comes for it. */
static void test_an_old_udp_socket(void **state)
{
	static const char *const addr[] = {"127.0.0.1", "::1"};
	struct puppet *elsewhere = pup_start("elsewhere", inside);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(addr); i++) {
		int young = pup_serve(inner, SOCK_DGRAM, addr[i], UDP + 1), fd;
		const struct bh_event *ev;

		net_mark(&a);
		assert_int_equal(pup_sendto(inner, young, "ask", addr[i], UDP), -EPERM);
		ev = udp_deny();
		assert_non_null(ev);
		assert_int_equal(ev->reason, BH_R_DEFAULT_DENY);
		assert_int_equal(ev->remote, BH_ID_UNASSIGNED);
		/* one that nobody guards asks: the answer would be judged by what the kernel knows */
		fd = talk_socket(elsewhere, SOCK_DGRAM, addr[i], NULL);
		assert_int_equal(pup_sendto(elsewhere, fd, "ask", addr[i], UDP), 3);
		assert_true(has_facts(old_udp[i], 0, false));
		assert_int_equal(pup_close(inner, young), 0);
	}
	pup_stop(elsewhere);
}

/* The kernel's own socket is the host's: no cgroup made it. */
static void test_the_kernels_own_socket(void **state)
{
	struct puppet *web = net_puppet(&a, "web.service"), *thief = net_puppet(&a, "x.service");
	int fd = pup_socket(web, AF_INET, SOCK_DGRAM, 0);
	int other = pup_socket(thief, AF_INET, SOCK_DGRAM, 0);
	const struct bh_event *ev;

	(void)state;
	if (ns_cmd(a.ns, "ip", "link", "add", "vx0", "type", "vxlan", "id", "7", "dstport", "4789",
		   "local", "10.77.0.1", "dev", "a0") ||
	    ns_cmd(a.ns, "ip", "link", "set", "vx0", "up"))
		skip();
	seed(&a); /* the device was made from outside of a's cgroups */
	net_mark(&a);
	assert_int_equal(pup_sendto(web, fd, "0123456789", "10.77.0.1", 4789), 10);
	assert_int_equal(net_count(&a, BH_R_ALLOW), 1);
	ev = net_event(&a, BH_EVENT_BEGIN, NULL);
	assert_non_null(ev);
	assert_int_equal(ev->remote, BH_ID_HOST);
	assert_int_equal(pup_sendto(thief, other, "0123456789", "10.77.0.1", 4789), -EPERM);
	assert_int_equal(ns_cmd(a.ns, "ip", "link", "del", "vx0"), 0);
	pup_stop(web);
	pup_stop(thief);
}

/* --- the group ------------------------------------------------------------------------------------------ */

static int up(void **state)
{
	(void)state;
	if (net_wire(&a, &b) || ns_make(&inside))
		return -1;
	inner = pup_start("a/system.slice/inner.service", inside);
	make_old("127.0.0.1");
	make_old("::1");
	old_udp[0] = pup_serve(inner, SOCK_DGRAM, "127.0.0.1", UDP);
	old_udp[1] = pup_serve(inner, SOCK_DGRAM, "::1", UDP);
	if (net_guard(&a))
		return -1;
	net_apply(&a, map);
	return 0;
}

static int down(void **state)
{
	(void)state;
	pup_stop(inner);
	(void)close(inside);
	return net_down(&a, &b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_began),
		cmocka_unit_test(test_an_old_udp_socket),
		cmocka_unit_test(test_the_kernels_own_socket),
	};

	return cmocka_run_group_tests(tests, up, down);
}
