// SPDX-License-Identifier: Apache-2.0
/*
 * udp.c - the UDP session rules: questions and answers with few and many peers, answers on their
 * way while the generation turns, sockets that only receive, connected sockets, groups, DHCP and
 * UDP-Lite; on the wire, over loopback and at the NIC's own address. `stranger` is outside of a's
 * cgroup root, so only b's half is judged.
 */
#include "netrig.h"

#include <errno.h>
#include <string.h>
#include "talk.h"

#define WEB	 "10.77.0.1"
#define STRANGER "10.77.0.3"
#define DB	 "10.77.0.11"
#define PORT	 7000
#define N_PORTS	 12 /* peers of one socket: more than BH_UDP_SLOTS */

static struct net_host a, b;
static struct puppet *web, *stranger;

#define MAP(rules)                                                                                 \
	"segments:\n"                                                                              \
	"  web: { match: [ { unit: web.service }, { cidr: [10.77.0.1/32, \"fd77::/124\"] } ] }\n"  \
	"  db: { match: [ { unit: db.service }, { cidr: [10.77.0.11/32, fd77::11/128] } ] }\n"     \
	"  lease: { match: { unit: dhclient.service }, dhcp: true }\n"                             \
	"  group: { match: { cidr: [224.0.0.251/32, 255.255.255.255/32, ff02::fb/128] } }\n"       \
	"allow:\n"                                                                                 \
	"  - { id: other, from: web, to: db, port: udp/7999 }\n" rules

static const char open_map[] = MAP("  - { id: web-db, from: web, to: db, port: udp/7000-7019 }\n"
				   "  - { id: lite, from: web, to: db, port: udplite/7000 }\n"
				   "  - { id: db-web, from: db, to: web, port: udp/6000 }\n"
				   "  - { id: ask, from: web, to: group, port: udp/5353 }\n");
static const char closed_map[] = MAP("");

/* Where the two ends are. */
static struct place {
	const char *name, *from, *to;
	struct net_host *server_host;
	struct puppet *server;
	int fd[N_PORTS], twin;
} place[] = {
	{"wire, IPv4", WEB, DB, &b, NULL, {0}, -1},
	{"wire, IPv6", "fd77::1", "fd77::11", &b, NULL, {0}, -1},
	{"loopback, IPv4", "127.0.0.1", "127.0.0.1", &a, NULL, {0}, -1},
	{"loopback, IPv6", "::1", "::1", &a, NULL, {0}, -1},
	{"own address, IPv4", "10.77.0.4", "10.77.0.4", &a, NULL, {0}, -1},
	{"own address, IPv6", "fd77::4", "fd77::4", &a, NULL, {0}, -1},
};

static void both(const char *map)
{
	net_apply(&a, map);
	net_apply(&b, map);
	net_mark(&a);
	net_mark(&b);
}

static void mark(void)
{
	net_mark(&a);
	net_mark(&b);
}

static void quiet(void)
{
	net_quiet(&a);
	net_quiet(&b);
}

static int each_test(void **state)
{
	(void)state;
	both(open_map);
	return 0;
}

/* --- what is said ------------------------------------------------------------------------------------- */

static int asker(const struct place *p, bool is_bound)
{
	return talk_socket(web, SOCK_DGRAM, p->to, is_bound ? p->from : NULL);
}

static void ask(const struct place *p, int fd, int i)
{
	int r = pup_sendto(web, fd, "ask", p->to, PORT + i);

	if (r != 3)
		fail_msg("%s: peer %d: %s", p->name, i, strerror(-r));
}

/* 0: the answer of server @i came */
static int answer(const struct place *p, int fd, int i, int patience_ms)
{
	int r;

	assert_int_equal(pup_answer(p->server, p->fd[i], "answer"), 0);
	assert_int_equal(pup_patience(web, fd, patience_ms), 0);
	return pup_recv(web, fd, &r) ? 0 : r;
}

/* --- questions and answers ---------------------------------------------------------------------------- */

static void few_peers(const struct place *p, bool is_bound)
{
	int fd = asker(p, is_bound);

	for (int i = 0; i < 4; i++)
		ask(p, fd, i);
	for (int i = 3; i >= 0; i--)
		assert_int_equal(answer(p, fd, i, PUP_PATIENCE_MS), 0);
	/* and again: the peers are remembered */
	for (int i = 0; i < 4; i++) {
		ask(p, fd, i);
		assert_int_equal(answer(p, fd, i, PUP_PATIENCE_MS), 0);
	}
	assert_int_equal(pup_close(web, fd), 0);
	quiet();
}

static void test_few_peers(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(place); i++) {
		printf("# %s\n", place[i].name);
		few_peers(&place[i], true);
		few_peers(&place[i], false);
	}
}

static __u64 stat_of(struct net_host *h, enum bh_stat which)
{
	__u64 stat[BH_STAT_MAX];

	assert_int_equal(bh_kern_stats(h->k, stat), 0);
	return stat[which];
}

/* The least recent peers are forgotten, which is counted, and nothing opens instead. */
static void test_more_peers_than_slots(void **state)
{
	const struct place *p = &place[0];
	__u64 reused = stat_of(&a, BH_STAT_SLOTS_REUSED);
	int fd = asker(p, true);

	(void)state;
	for (int i = 0; i < N_PORTS; i++)
		ask(p, fd, i);
	assert_int_equal(stat_of(&a, BH_STAT_SLOTS_REUSED) - reused, N_PORTS - BH_UDP_SLOTS);
	for (int i = N_PORTS - BH_UDP_SLOTS; i < N_PORTS; i++)
		assert_int_equal(answer(p, fd, i, PUP_PATIENCE_MS), 0);
	quiet();
	for (int i = 0; i < N_PORTS - BH_UDP_SLOTS; i++)
		assert_int_equal(answer(p, fd, i, i ? 1 : PUP_SHORT_MS), -EAGAIN);
	assert_int_equal(net_count(&a, BH_R_DEFAULT_DENY), N_PORTS - BH_UDP_SLOTS);
	net_quiet(&b);
	/* who is asked again may answer again */
	ask(p, fd, 0);
	assert_int_equal(answer(p, fd, 0, PUP_PATIENCE_MS), 0);
	assert_int_equal(pup_close(web, fd), 0);
}

static void test_who_was_not_asked_does_not_answer(void **state)
{
	const struct place *p = &place[0];
	struct puppet *elsewhere = pup_start("elsewhere", b.ns);
	int fd = asker(p, true), other = pup_serve(p->server, SOCK_DGRAM, p->to, 8000);
	int outside = pup_socket(elsewhere, AF_INET, SOCK_DGRAM, 0);

	(void)state;
	ask(p, fd, 0);
	assert_int_equal(answer(p, fd, 0, PUP_PATIENCE_MS), 0);
	/* the same host from another port: refused where it starts, by its own half */
	assert_int_equal(pup_sendto(p->server, other, "x", p->from, pup_port(web, fd)), -EPERM);
	net_told(&b, BH_EVENT_DENY, BH_R_DEFAULT_DENY);
	mark();
	/* from a host that nobody guards: by the receiver's */
	assert_int_equal(pup_bind(elsewhere, outside, p->to, 8001), 0);
	assert_int_equal(pup_sendto(elsewhere, outside, "x", p->from, pup_port(web, fd)), 1);
	assert_int_equal(talk_ends(web, fd, PUP_SHORT_MS), 1);
	net_told(&a, BH_EVENT_DENY, BH_R_DEFAULT_DENY);
	pup_stop(elsewhere);
	assert_int_equal(pup_close(p->server, other), 0);
	assert_int_equal(pup_close(web, fd), 0);
}

/* --- connected sockets -------------------------------------------------------------------------------- */

static void connected(const struct place *p)
{
	int fd = asker(p, false), r;

	assert_int_equal(pup_connect(web, fd, p->to, PORT), 0);
	assert_int_equal(pup_send(web, fd, "ask"), 3);
	assert_int_equal(answer(p, fd, 0, PUP_PATIENCE_MS), 0);
	quiet();
	/* a refused connect() leaves it with its old peer, which may still be reached */
	if (p->server_host == &b) {
		assert_int_equal(pup_connect(web, fd, p->to, 4999), -EPERM);
		assert_string_equal(net_denies(&a), "DEFAULT_DENY");
		mark();
	}
	assert_int_equal(pup_send(web, fd, "ask"), 3);
	assert_int_equal(answer(p, fd, 0, PUP_PATIENCE_MS), 0);
	assert_int_equal(pup_connect(web, fd, p->to, PORT + 1), 0);
	assert_int_equal(pup_send(web, fd, "ask"), 3);
	assert_int_equal(answer(p, fd, 1, PUP_PATIENCE_MS), 0);
	quiet();
	/* nobody there: the kernel's ICMP error comes through */
	assert_int_equal(pup_connect(web, fd, p->to, 7019), 0);
	assert_int_equal(pup_send(web, fd, "ask"), 3);
	assert_null(pup_recv(web, fd, &r));
	assert_int_equal(r, -ECONNREFUSED);
	quiet();
	assert_int_equal(pup_close(web, fd), 0);
}

static void test_connected_sockets(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(place); i++) {
		printf("# %s\n", place[i].name);
		mark();
		connected(&place[i]);
	}
}

/* --- generations -------------------------------------------------------------------------------------- */

static void turns(const struct place *p)
{
	int fd = asker(p, true), twin = asker(p, true), r;

	ask(p, fd, 0);
	ask(p, fd, 1);
	net_again(&a);
	net_again(&b);
	/* an answer on its way over the turn arrives */
	assert_int_equal(answer(p, fd, 0, PUP_PATIENCE_MS), 0);
	assert_int_equal(answer(p, fd, 1, PUP_PATIENCE_MS), 0);
	ask(p, fd, 2);
	quiet();
	net_apply(&a, closed_map);
	mark();
	/* one whose rule went does not, and no new question leaves */
	r = pup_answer(p->server, p->fd[2], "answer");
	if (p->server_host == &b) {
		assert_int_equal(r, 0);
		assert_int_equal(talk_ends(web, fd, PUP_SHORT_MS), 1);
	} else {
		assert_int_equal(r, -EPERM);
	}
	assert_true(*net_denies(&a));
	assert_int_equal(pup_sendto(web, fd, "ask", p->to, PORT), -EPERM);
	assert_int_equal(pup_sendto(web, twin, "twin", p->to, 7999), 4);
	assert_int_equal(pup_answer(p->server, p->twin, "twin"), 0);
	assert_int_equal(talk_ends(web, twin, PUP_PATIENCE_MS), 4);
	net_apply(&a, open_map);
	mark();
	ask(p, fd, 3);
	assert_int_equal(answer(p, fd, 3, PUP_PATIENCE_MS), 0);
	quiet();
	assert_int_equal(pup_close(web, fd), 0);
	assert_int_equal(pup_close(web, twin), 0);
}

static void test_answers_over_a_turn(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(place); i++) {
		printf("# %s\n", place[i].name);
		turns(&place[i]);
	}
}

static void test_a_server_whose_rule_went_does_not_answer(void **state)
{
	const struct place *p = &place[0];
	int fd = asker(p, true);

	(void)state;
	ask(p, fd, 0);
	net_apply(&b, closed_map);
	net_mark(&b);
	assert_int_equal(pup_answer(p->server, p->fd[0], "answer"), -EPERM);
	net_told(&b, BH_EVENT_DENY, BH_R_DEFAULT_DENY);
	assert_int_equal(pup_close(web, fd), 0);
}

/* --- sockets that only receive ------------------------------------------------------------------------- */

static enum bh_hook hook_that_denies(struct puppet *who, const char *from, int port)
{
	int fd = talk_socket(who, SOCK_DGRAM, DB, from);
	enum bh_hook hook;

	net_mark(&b);
	assert_int_equal(pup_sendto(who, fd, "x", DB, port), 1);
	(void)usleep(5000);
	net_told(&b, BH_EVENT_DENY, BH_R_DEFAULT_DENY);
	hook = (enum bh_hook)net_event(&b, BH_EVENT_DENY, NULL)->hook;
	assert_int_equal(pup_close(who, fd), 0);
	return hook;
}

/*
 * XDP refuses for a socket that only receives or answers; of one that asks somebody who may not
 * ask it, only the socket can tell the answers from questions.
 */
static void test_xdp_refuses_for_who_only_receives(void **state)
{
	struct puppet *db = place[0].server;
	int fd = pup_serve(db, SOCK_DGRAM, DB, 7015), client = asker(&place[0], true);
	int asks = pup_serve(db, SOCK_DGRAM, DB, 8015);
	int peer = pup_serve(web, SOCK_DGRAM, WEB, 6000);

	(void)state;
	assert_int_equal(pup_sendto(web, client, "ask", DB, 7015), 3);
	assert_int_equal(pup_answer(db, fd, "answer"), 0);
	assert_int_equal(talk_ends(web, client, PUP_PATIENCE_MS), 6);
	assert_int_equal(hook_that_denies(stranger, STRANGER, 7015), BH_HOOK_XDP);
	assert_int_equal(hook_that_denies(stranger, STRANGER, 8015), BH_HOOK_XDP);
	/* it asks: before the datagram is out, XDP has stepped back */
	assert_int_equal(pup_sendto(db, asks, "ask", WEB, 6000), 3);
	assert_int_equal(pup_answer(web, peer, "answer"), 0);
	assert_int_equal(talk_ends(db, asks, PUP_PATIENCE_MS), 6);
	assert_int_equal(hook_that_denies(stranger, STRANGER, 8015), BH_HOOK_SKB_IN);
	assert_int_equal(hook_that_denies(stranger, STRANGER, 7015), BH_HOOK_XDP);
	assert_int_equal(pup_close(db, fd), 0);
	assert_int_equal(pup_close(db, asks), 0);
	assert_int_equal(pup_close(web, client), 0);
	assert_int_equal(pup_close(web, peer), 0);
}

/* --- groups -------------------------------------------------------------------------------------------- */

static int member(struct puppet *p)
{
	struct ip_mreqn join = {.imr_multiaddr.s_addr = htonl(0xe00000fb)};
	int fd = pup_serve(p, SOCK_DGRAM, "0.0.0.0", 5353);
	struct sockaddr_storage at;

	assert_true(pup_addr(DB, 0, &at));
	join.imr_address = ((struct sockaddr_in *)&at)->sin_addr;
	assert_int_equal(pup_set_raw(p, fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &join, sizeof(join)), 0);
	return fd;
}

/* Whether a query that db hears is answered: by whom egress policy lets it ask directly. */
static int query(const char *group, bool may_answer)
{
	struct puppet *db = place[0].server;
	int fd = talk_socket(web, SOCK_DGRAM, DB, WEB), server = member(db), r;

	assert_int_equal(pup_set(web, fd, SOL_SOCKET, SO_BROADCAST, 1), 0);
	assert_int_equal(pup_set_raw(web, fd, SOL_SOCKET, SO_BINDTODEVICE, "a0", 3), 0);
	assert_int_equal(pup_sendto(web, fd, "who?", group, 5353), 4);
	assert_int_equal(pup_answer(db, server, "me"), 0);
	r = talk_ends(web, fd, may_answer ? PUP_PATIENCE_MS : PUP_SHORT_MS);
	assert_int_equal(pup_close(db, server), 0);
	assert_int_equal(pup_close(web, fd), 0);
	return r;
}

static void test_a_query_to_a_group_is_answered(void **state)
{
	static const char *const group[] = {"224.0.0.251", "255.255.255.255"};

	(void)state;
	both(MAP("  - { id: ask, from: web, to: [group, db], port: udp/5353 }\n"));
	for (size_t i = 0; i < ARRAY_SIZE(group); i++) {
		assert_int_equal(query(group[i], true), 2);
		quiet();
		assert_true(net_count(&a, BH_R_ANSWER) >= 1);
	}
}

static void test_a_group_that_may_not_be_asked(void **state)
{
	int fd = talk_socket(web, SOCK_DGRAM, DB, WEB);

	(void)state;
	both(closed_map);
	assert_int_equal(pup_set_raw(web, fd, SOL_SOCKET, SO_BINDTODEVICE, "a0", 3), 0);
	assert_int_equal(pup_sendto(web, fd, "who?", "224.0.0.251", 5353), -EPERM);
	net_told(&a, BH_EVENT_DENY, BH_R_DEFAULT_DENY);
	assert_int_equal(pup_close(web, fd), 0);
}

/* --- DHCP ---------------------------------------------------------------------------------------------- */

static int dhcp_client(struct puppet *p)
{
	int fd = pup_serve(p, SOCK_DGRAM, "0.0.0.0", 68);

	assert_int_equal(pup_set(p, fd, SOL_SOCKET, SO_BROADCAST, 1), 0);
	assert_int_equal(pup_set_raw(p, fd, SOL_SOCKET, SO_BINDTODEVICE, "a0", 3), 0);
	return fd;
}

static void test_dhcp_is_for_those_that_may(void **state)
{
	struct puppet *client = net_puppet(&a, "dhclient.service");
	struct puppet *server = pup_start("elsewhere", b.ns);
	int fd = dhcp_client(client), at = pup_serve(server, SOCK_DGRAM, "0.0.0.0", 67);

	(void)state;
	assert_int_equal(pup_sendto(client, fd, "discover", "255.255.255.255", 67), 8);
	assert_int_equal(talk_ends(server, at, PUP_PATIENCE_MS), 8);
	/* the offer comes from an address that nobody asked */
	assert_int_equal(pup_sendto(server, at, "offer", WEB, 68), 5);
	assert_int_equal(talk_ends(client, fd, PUP_PATIENCE_MS), 5);
	net_quiet(&a);
	assert_true(net_count(&a, BH_R_DHCP) >= 3); /* out, at the NIC, in */
	/* the exception is for its two ports */
	assert_int_equal(pup_sendto(client, fd, "x", "255.255.255.255", 69), -EPERM);
	assert_int_equal(pup_close(client, fd), 0);

	net_mark(&a);
	fd = dhcp_client(web);
	assert_int_equal(pup_sendto(web, fd, "discover", "255.255.255.255", 67), -EPERM);
	net_told(&a, BH_EVENT_DENY, BH_R_DEFAULT_DENY);
	assert_int_equal(pup_sendto(server, at, "offer", WEB, 68), 5);
	assert_int_equal(talk_ends(web, fd, PUP_SHORT_MS), 1);
	assert_int_equal(pup_close(web, fd), 0);
	pup_stop(client);
	pup_stop(server);
}

/* The exception is for two ports, one at each end, of each family. */
static void test_dhcp_is_no_other_port(void **state)
{
	static const struct {
		const char *to;
		int from, port, want;
	} row[] = {
		{DB, 68, 67, 1},
		{DB, 68, 68, -EPERM},
		{DB, 67, 67, -EPERM},
		{DB, 0, 67, -EPERM},
		{DB, 68, 547, -EPERM},
		{"fd77::11", 546, 547, 1},
		{"fd77::11", 546, 546, -EPERM},
		{"fd77::11", 0, 547, -EPERM},
		{"fd77::11", 68, 547, -EPERM},
		{"fd77::11", 546, 67, -EPERM},
	};
	struct puppet *client = net_puppet(&a, "dhclient.service");

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		bool v6 = strchr(row[i].to, ':');
		int fd = pup_serve(client, SOCK_DGRAM, v6 ? "::" : "0.0.0.0", row[i].from);

		assert_int_equal(pup_sendto(client, fd, "x", row[i].to, row[i].port), row[i].want);
		assert_int_equal(pup_close(client, fd), 0);
	}
	pup_stop(client);
}

/* --- UDP-Lite ------------------------------------------------------------------------------------------ */

static void test_udp_lite(void **state)
{
	struct puppet *db = place[0].server;
	int fd = pup_socket(web, AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE), server;

	(void)state;
	if (fd == -EPROTONOSUPPORT)
		skip();
	server = pup_socket(db, AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE);
	assert_int_equal(pup_bind(db, server, DB, PORT), 0);
	assert_int_equal(pup_bind(web, fd, WEB, 0), 0);
	assert_int_equal(pup_sendto(web, fd, "ask", DB, PORT), 3);
	assert_int_equal(pup_answer(db, server, "answer"), 0);
	assert_int_equal(talk_ends(web, fd, PUP_PATIENCE_MS), 6);
	quiet();
	/* what is allowed for UDP is not for UDP-Lite */
	assert_int_equal(pup_sendto(web, fd, "ask", DB, PORT + 1), -EPERM);
	net_told(&a, BH_EVENT_DENY, BH_R_DEFAULT_DENY);
	mark();
	assert_int_equal(pup_close(web, fd), 0);
	fd = pup_socket(stranger, AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE);
	assert_int_equal(pup_bind(stranger, fd, STRANGER, 0), 0);
	assert_int_equal(pup_sendto(stranger, fd, "ask", DB, PORT), 3);
	assert_int_equal(talk_ends(db, server, PUP_SHORT_MS), 1);
	net_told(&b, BH_EVENT_DENY, BH_R_DEFAULT_DENY);
	assert_int_equal(pup_close(stranger, fd), 0);
	assert_int_equal(pup_close(db, server), 0);
}

/* No socket can be looked up for it: the table of listeners says who is there, by bind(). */
static void test_udp_lite_on_one_host(void **state)
{
	static const char *const addr[] = {"127.0.0.1", "::1", "10.77.0.4"};
	struct puppet *db = place[2].server, *other = net_puppet(&a, "other.service");

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(addr) * 2; i++) {
		const char *at = addr[i / 2];
		struct puppet *owner = i % 2 ? other : db;
		int family = strchr(at, ':') ? AF_INET6 : AF_INET;
		int fd = pup_socket(web, family, SOCK_DGRAM, IPPROTO_UDPLITE);
		int server = pup_socket(owner, family, SOCK_DGRAM, IPPROTO_UDPLITE);

		if (fd == -EPROTONOSUPPORT)
			skip();
		assert_int_equal(pup_bind(web, fd, at, 0), 0);
		/* nobody there yet: no segment that a rule names */
		assert_int_equal(pup_sendto(web, fd, "ask", at, PORT), -EPERM);
		assert_int_equal(pup_bind(owner, server, at, PORT), 0);
		assert_int_equal(pup_sendto(web, fd, "ask", at, PORT), owner == db ? 3 : -EPERM);
		if (owner == db) {
			assert_int_equal(pup_answer(db, server, "answer"), 0);
			assert_int_equal(talk_ends(web, fd, PUP_PATIENCE_MS), 6);
		}
		assert_int_equal(pup_close(owner, server), 0);
		assert_int_equal(pup_close(web, fd), 0);
	}
	pup_stop(other);
}

/* --- the group ----------------------------------------------------------------------------------------- */

static int up(void **state)
{
	struct puppet *db_a, *db_b;

	(void)state;
	if (net_up(&a, &b))
		return -1;
	web = net_puppet(&a, "web.service");
	stranger = pup_start("elsewhere", a.ns);
	db_a = net_puppet(&a, "db.service");
	db_b = net_puppet(&b, "db.service");
	for (size_t i = 0; i < ARRAY_SIZE(place); i++) {
		struct place *p = &place[i];

		p->server = p->server_host == &a ? db_a : db_b;
		for (int j = 0; j < N_PORTS; j++)
			p->fd[j] = pup_serve(p->server, SOCK_DGRAM, p->to, PORT + j);
		p->twin = pup_serve(p->server, SOCK_DGRAM, p->to, 7999);
	}
	return 0;
}

static int down(void **state)
{
	(void)state;
	pup_stop(web);
	pup_stop(stranger);
	pup_stop(place[0].server);
	pup_stop(place[2].server);
	return net_down(&a, &b);
}

#define TEST(name) cmocka_unit_test_setup(name, each_test)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_few_peers),
		TEST(test_more_peers_than_slots),
		TEST(test_who_was_not_asked_does_not_answer),
		TEST(test_connected_sockets),
		TEST(test_answers_over_a_turn),
		TEST(test_a_server_whose_rule_went_does_not_answer),
		TEST(test_xdp_refuses_for_who_only_receives),
		TEST(test_a_query_to_a_group_is_answered),
		TEST(test_a_group_that_may_not_be_asked),
		TEST(test_dhcp_is_for_those_that_may),
		TEST(test_dhcp_is_no_other_port),
		TEST(test_udp_lite),
		TEST(test_udp_lite_on_one_host),
	};

	return cmocka_run_group_tests_name("UDP", tests, up, down);
}
