// SPDX-License-Identifier: Apache-2.0
/*
 * tcp_turns.c - what a new generation means for a TCP connection in each state, on the wire, over
 * loopback and at the NIC's own address: nothing while the policy allows it; else it stops on its
 * next packet, both ends learn of a cut, and TCP's own retransmission carries it over a rule that
 * was removed and put back. And no memory for a verdict is a deny.
 */
#include "netrig.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include "talk.h"

#define PORT 7000

static struct net_host a, b;

#define SEGMENTS                                                                                   \
	"segments:\n"                                                                              \
	"  web: { match: [ { unit: web.service }, { cidr: [10.77.0.1/32, fd77::1/128] } ] }\n"     \
	"  db: { match: [ { unit: db.service }, { cidr: [10.77.0.11/32, fd77::11/128] } ] }\n"

static const char open_map[] =
	SEGMENTS "allow:\n"
		 "  - { id: web-db, from: web, to: db, port: [tcp/7000-7009, udp/7000] }\n"
		 "  - { id: other, from: web, to: db, port: tcp/7999 }\n";
static const char closed_map[] = SEGMENTS "allow:\n"
					  "  - { id: other, from: web, to: db, port: tcp/7999 }\n";

/* Where the two ends are. */
static struct place {
	const char *name, *from, *to;
	struct net_host *server_host;
	struct puppet *server;
	int listener, twin;
} place[] = {
	{"wire, IPv4", "10.77.0.1", "10.77.0.11", &b, NULL, -1, -1},
	{"wire, IPv6", "fd77::1", "fd77::11", &b, NULL, -1, -1},
	{"loopback, IPv4", NULL, "127.0.0.1", &a, NULL, -1, -1},
	{"loopback, IPv6", NULL, "::1", &a, NULL, -1, -1},
	{"own address, IPv4", NULL, "10.77.0.2", &a, NULL, -1, -1},
	{"own address, IPv6", NULL, "fd77::2", &a, NULL, -1, -1},
};
static struct puppet *web;

static void both(const char *map)
{
	net_apply(&a, map);
	net_apply(&b, map);
	net_mark(&a);
	net_mark(&b);
}

static void turn(void)
{
	net_again(&a);
	net_again(&b);
}

static void quiet(void)
{
	net_quiet(&a);
	net_quiet(&b);
}

static struct talk open_at(const struct place *p)
{
	return talk_open(web, p->from, p->server, p->listener, p->to, PORT);
}

/* --- a turn that changes nothing -------------------------------------------------------------------- */

static void turn_in_each_state(const struct place *p)
{
	struct talk t = open_at(p);

	turn(); /* before the first byte */
	talk_both_ways(&t);
	turn(); /* idle */
	turn();
	talk_both_ways(&t);
	assert_int_equal(pup_send(web, t.client_fd, "on its way"), 10);
	turn(); /* unread */
	assert_int_equal(talk_ends(p->server, t.server_fd, PUP_PATIENCE_MS), 10);
	assert_int_equal(pup_shutdown(web, t.client_fd, SHUT_WR), 0);
	turn(); /* FIN_WAIT2 and CLOSE_WAIT */
	assert_int_equal(talk_ends(p->server, t.server_fd, PUP_PATIENCE_MS), 0);
	assert_int_equal(pup_send(p->server, t.server_fd, "late"), 4);
	assert_int_equal(talk_ends(web, t.client_fd, PUP_PATIENCE_MS), 4);
	assert_int_equal(pup_close(web, t.client_fd), 0);
	turn(); /* FIN_WAIT2 without an owner */
	assert_int_equal(pup_close(p->server, t.server_fd), 0);
	turn(); /* TIME_WAIT */
	quiet();
}

static void test_a_turn_disturbs_no_state(void **state)
{
	(void)state;
	both(open_map);
	for (size_t i = 0; i < ARRAY_SIZE(place); i++) {
		printf("# %s\n", place[i].name);
		turn_in_each_state(&place[i]);
	}
}

/* The SYN is lost, so that the answer meets a verdict of an older generation. */
static void test_a_turn_between_syn_and_answer(void **state)
{
	const struct place *p = &place[0];
	struct talk t = {.client = web, .server = p->server};

	(void)state;
	both(open_map);
	net_apply(&b, closed_map);
	t.client_fd = talk_socket(web, SOCK_STREAM, p->to, p->from);
	assert_int_equal(pup_patience(web, t.client_fd, 1), 0);
	assert_int_equal(pup_connect(web, t.client_fd, p->to, PORT), -EINPROGRESS);
	both(open_map);
	t.server_fd = pup_accept(p->server, p->listener); /* TCP sends again after a second */
	assert_true(t.server_fd >= 0);
	assert_int_equal(pup_patience(web, t.client_fd, PUP_PATIENCE_MS), 0);
	talk_both_ways(&t);
	talk_close(&t);
	quiet();
}

/* --- a rule that is removed ------------------------------------------------------------------------- */

/* Closed at one host only: nothing passes there, in either direction; then it lives on. */
static void closed_and_open(const struct place *p, struct net_host *closed)
{
	struct talk t = open_at(p);

	talk_both_ways(&t);
	net_mark(closed);
	net_apply(closed, closed_map);
	assert_int_equal(pup_send(web, t.client_fd, "ask"), 3);
	assert_int_equal(pup_send(p->server, t.server_fd, "answer"), 6);
	assert_int_equal(talk_ends(web, t.client_fd, PUP_SHORT_MS), 1);
	assert_int_equal(talk_ends(p->server, t.server_fd, PUP_SHORT_MS), 1);
	assert_true(net_count(closed, BH_R_DEFAULT_DENY) + net_count(closed, BH_R_PEER_DENIES) > 0);
	/* told once for each socket, not for each packet */
	assert_non_null(net_event(closed, BH_EVENT_DENY, NULL));
	/* the twin, opened now, is not bothered */
	{
		struct talk twin = talk_open(web, p->from, p->server, p->twin, p->to, 7999);

		talk_both_ways(&twin);
		talk_close(&twin);
	}
	net_apply(closed, open_map);
	net_mark(closed);
	assert_int_equal(talk_ends(p->server, t.server_fd, PUP_PATIENCE_MS), 3);
	assert_int_equal(talk_ends(web, t.client_fd, PUP_PATIENCE_MS), 6);
	net_quiet(closed);
	talk_close(&t);
}

static void test_a_rule_removed_and_put_back(void **state)
{
	(void)state;
	both(open_map);
	for (size_t i = 0; i < ARRAY_SIZE(place); i++) {
		printf("# %s\n", place[i].name);
		closed_and_open(&place[i], &a);
		if (place[i].server_host == &b)
			closed_and_open(&place[i], &b);
	}
}

static void one_deny_is_told(const struct place *p, struct net_host *h)
{
	struct talk t = open_at(p);
	size_t n;

	talk_both_ways(&t);
	net_apply(h, closed_map);
	net_mark(h);
	for (int i = 0; i < 5; i++)
		assert_int_equal(pup_send(p->server, t.server_fd, "more"), 4);
	(void)net_event(h, BH_EVENT_DENY, &n);
	assert_int_equal(n, 1);
	assert_true(net_count(h, BH_R_DEFAULT_DENY) >= 1);
	net_apply(h, open_map);
	talk_close(&t);
}

static void test_a_denied_session_is_told_once(void **state)
{
	(void)state;
	both(open_map);
	one_deny_is_told(&place[0], &b);
}

/* --- a connection that is cut ----------------------------------------------------------------------- */

/* @at: whose agent cuts. Return: false if this kernel can't. */
static bool cut(const struct place *p, struct net_host *at)
{
	struct puppet *near = at == &a ? web : p->server, *far = at == &a ? p->server : web;
	struct talk t, twin;
	int near_fd, far_fd, n;

	both(open_map);
	t = open_at(p);
	twin = talk_open(web, p->from, p->server, p->twin, p->to, 7999);
	talk_both_ways(&t);
	talk_both_ways(&twin);
	near_fd = at == &a ? t.client_fd : t.server_fd;
	far_fd = at == &a ? t.server_fd : t.client_fd;
	net_apply(at, closed_map);
	net_mark(at);
	n = net_cut(at);
	if (n == -EOPNOTSUPP) {
		talk_close(&t);
		talk_close(&twin);
		return false;
	}
	/* at least one end of it; of a local connection the other may be gone already */
	assert_in_range(n, 1, p->server_host == at && at == &a ? 2 : 1);
	n = talk_ends(near, near_fd, PUP_PATIENCE_MS);
	assert_true(n == -ECONNABORTED || (p->server_host == &a && n == -ECONNRESET));
	n = talk_ends(far, far_fd, PUP_PATIENCE_MS);
	assert_true(n == -ECONNRESET || (p->server_host == &a && n == -ECONNABORTED));
	assert_true(net_count(at, BH_R_RST_OUT) >= 1);
	talk_both_ways(&twin);
	assert_int_equal(talk_ends(web, twin.client_fd, 1), 1);
	talk_close(&t);
	talk_close(&twin);
	return true;
}

static void test_both_ends_learn_of_a_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(place); i++) {
		printf("# %s\n", place[i].name);
		if (!cut(&place[i], &a))
			skip();
		if (place[i].server_host == &b && !cut(&place[i], &b))
			skip();
	}
}

static void test_a_cut_takes_nothing_that_is_allowed(void **state)
{
	struct talk t[ARRAY_SIZE(place)];

	(void)state;
	both(open_map);
	for (size_t i = 0; i < ARRAY_SIZE(place); i++) {
		t[i] = open_at(&place[i]);
		if (i % 2) /* half of them idle since the handshake */
			talk_both_ways(&t[i]);
	}
	turn();
	if (net_cut(&a) == -EOPNOTSUPP)
		skip();
	assert_int_equal(net_cut(&a), 0);
	assert_int_equal(net_cut(&b), 0);
	for (size_t i = 0; i < ARRAY_SIZE(place); i++) {
		talk_both_ways(&t[i]);
		talk_close(&t[i]);
	}
	quiet();
}

/* An owner who gives up a denied connection: its reset is the one thing that goes out. */
static void test_a_denied_socket_still_sends_its_reset(void **state)
{
	const struct place *p = &place[0];
	struct linger hard = {.l_onoff = 1};
	struct talk t;

	(void)state;
	both(open_map);
	t = open_at(p);
	talk_both_ways(&t);
	net_apply(&b, closed_map);
	assert_int_equal(pup_send(p->server, t.server_fd, "denied"), 6);
	assert_int_equal(
		pup_set_raw(p->server, t.server_fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)), 0);
	assert_int_equal(pup_close(p->server, t.server_fd), 0);
	assert_int_equal(talk_ends(web, t.client_fd, PUP_PATIENCE_MS), -ECONNRESET);
	assert_int_equal(net_count(&b, BH_R_RST_OUT), 1);
	assert_int_equal(pup_close(web, t.client_fd), 0);
}

/* --- no memory -------------------------------------------------------------------------------------- */

/* Socket storage is charged to the socket's option memory (net/core/bpf_sk_storage.c). */
static void no_memory(struct net_host *h, bool on)
{
	net_sysctl(h, "net/core/optmem_max", on ? "1" : "131072");
}

static void test_no_memory_for_a_verdict_is_a_deny(void **state)
{
	const struct place *p = &place[0];
	int early, udp;
	struct talk t;

	(void)state;
	if (!net_has_sysctl(&a, "net/core/optmem_max"))
		skip(); /* before Linux 6.8 there is one for all namespaces */
	both(open_map);
	/* the caller: a socket without facts is none, and one with facts gets no verdict */
	early = talk_socket(web, SOCK_STREAM, p->to, NULL);
	udp = talk_socket(web, SOCK_DGRAM, p->to, NULL);
	no_memory(&a, true);
	assert_int_equal(pup_socket(web, AF_INET, SOCK_STREAM, 0), -EPERM);
	net_told(&a, BH_EVENT_DENY, BH_R_NO_STORAGE);
	net_mark(&a);
	assert_int_equal(pup_connect(web, early, p->to, PORT), -EPERM);
	net_told(&a, BH_EVENT_DENY, BH_R_NO_STORAGE);
	net_mark(&a);
	assert_int_equal(pup_sendto(web, udp, "x", p->to, PORT), -EPERM);
	net_told(&a, BH_EVENT_DENY, BH_R_NO_STORAGE);
	assert_string_equal(net_denies(&a), "NO_STORAGE");
	no_memory(&a, false);
	assert_int_equal(pup_connect(web, early, p->to, PORT), 0);
	assert_int_equal(pup_close(p->server, pup_accept(p->server, p->listener)), 0);
	assert_int_equal(pup_close(web, early), 0);
	assert_int_equal(pup_sendto(web, udp, "x", p->to, PORT), 1);
	assert_int_equal(pup_close(web, udp), 0);

	/* who is called: accepted, but no packet of its own passes until there is memory */
	t = open_at(p);
	net_mark(&b);
	no_memory(&b, true);
	assert_int_equal(pup_send(web, t.client_fd, "ask"), 3);
	assert_int_equal(talk_ends(p->server, t.server_fd, PUP_SHORT_MS), 1);
	assert_true(net_count(&b, BH_R_NO_STORAGE) > 0);
	assert_string_equal(net_denies(&b), "NO_STORAGE");
	no_memory(&b, false);
	assert_int_equal(talk_ends(p->server, t.server_fd, PUP_PATIENCE_MS), 3);
	talk_close(&t);
}

/* A child without its listener's facts would be nobody's: the kernel makes none. */
static void test_no_memory_for_facts_is_no_child(void **state)
{
	const struct place *p = &place[0];
	int fd, conn;

	(void)state;
	if (!net_has_sysctl(&b, "net/core/optmem_max"))
		skip();
	both(open_map);
	no_memory(&b, true);
	fd = talk_socket(web, SOCK_STREAM, p->to, NULL);
	assert_int_equal(pup_connect(web, fd, p->to, PORT), 0);
	assert_int_equal(pup_patience(p->server, p->listener, PUP_SHORT_MS), 0);
	assert_int_equal(pup_accept(p->server, p->listener), -EAGAIN);
	no_memory(&b, false);
	assert_int_equal(pup_patience(p->server, p->listener, PUP_PATIENCE_MS), 0);
	conn = pup_accept(p->server, p->listener); /* the SYN-ACK is sent again */
	assert_true(conn >= 0);
	assert_int_equal(pup_close(p->server, conn), 0);
	assert_int_equal(pup_close(web, fd), 0);
}

/* --- the group ---------------------------------------------------------------------------------------- */

static int up(void **state)
{
	struct puppet *db_a, *db_b;

	(void)state;
	if (net_up(&a, &b))
		return -1;
	web = net_puppet(&a, "web.service");
	db_a = net_puppet(&a, "db.service");
	db_b = net_puppet(&b, "db.service");
	for (size_t i = 0; i < ARRAY_SIZE(place); i++) {
		struct place *p = &place[i];

		p->server = p->server_host == &a ? db_a : db_b;
		p->listener = pup_serve(p->server, SOCK_STREAM, p->to, PORT);
		p->twin = pup_serve(p->server, SOCK_STREAM, p->to, 7999);
	}
	return 0;
}

static int down(void **state)
{
	(void)state;
	pup_stop(web);
	pup_stop(place[0].server);
	pup_stop(place[2].server);
	return net_down(&a, &b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_turn_disturbs_no_state),
		cmocka_unit_test(test_a_turn_between_syn_and_answer),
		cmocka_unit_test(test_a_rule_removed_and_put_back),
		cmocka_unit_test(test_a_denied_session_is_told_once),
		cmocka_unit_test(test_both_ends_learn_of_a_cut),
		cmocka_unit_test(test_a_cut_takes_nothing_that_is_allowed),
		cmocka_unit_test(test_a_denied_socket_still_sends_its_reset),
		cmocka_unit_test(test_no_memory_for_a_verdict_is_a_deny),
		cmocka_unit_test(test_no_memory_for_facts_is_no_child),
	};

	return cmocka_run_group_tests_name("TCP, generation by generation", tests, up, down);
}
