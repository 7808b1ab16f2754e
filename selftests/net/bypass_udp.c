// SPDX-License-Identifier: Apache-2.0
/*
 * bypass_udp.c - datagrams that know no connection: answers under a rule that ends, answers after
 * the rule is gone, and groups, whose datagrams come back from the NIC they left by.
 */
#include "netrig.h"

#include <errno.h>
#include <string.h>
#include "ns.h"
#include "pkt.h"
#include "talk.h"

#define WEB   "10.77.0.1"
#define DB    "10.77.0.11"
#define PORT  7000
#define GROUP "239.1.1.1"

#define MAP(rules)                                                                                 \
	"segments:\n"                                                                              \
	"  web: { match: [ { unit: web.service }, { cidr: [10.77.0.1/32] } ] }\n"                  \
	"  db: { match: [ { unit: db.service }, { cidr: [10.77.0.11/32] } ] }\n"                   \
	"  evil: { match: { unit: evil.service }, default: { egress: allow } }\n"                  \
	"  group: { match: { cidr: 239.1.1.1/32 } }\n"                                             \
	"allow:\n"                                                                                 \
	"  - { id: other, from: web, to: db, port: udp/7999 }\n" rules

static const char open_map[] = MAP("  - { id: web-db, from: web, to: db, port: udp/7000 }\n"
				   "  - { id: ping, from: web, to: db, port: icmp }\n");
static const char closed_map[] = MAP("");
/* 2026-01-01 is boot time 1000 s for the tests' compiler */
static const char until_map[] =
	MAP("  - { id: web-db, from: web, to: db, port: udp/7000, until: 2027-01-01T00:00:00Z }\n"
	    "  - { id: ping, from: web, to: db, port: icmp, until: 2027-01-01T00:00:00Z }\n");

static struct net_host a, b;
static struct puppet *web, *db, *outside;
static int server;

static void both(const char *map)
{
	net_apply(&a, map);
	net_apply(&b, map);
	net_mark(&a);
	net_mark(&b);
}

/* --- rules that end ------------------------------------------------------------------------------------- */

static void test_a_rule_that_ends_is_answered_until_then(void **state)
{
	int fd = talk_socket(web, SOCK_DGRAM, DB, WEB), r;

	(void)state;
	both(until_map);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(pup_sendto(web, fd, "ask", DB, PORT), 3);
		assert_int_equal(pup_answer(db, server, "answer"), 0);
		assert_non_null(pup_recv(web, fd, &r));
	}
	net_quiet(&a);
	net_quiet(&b);
	/* and it is what opens: without it the next answer is not one */
	assert_int_equal(pup_sendto(web, fd, "ask", DB, PORT), 3);
	net_apply(&a, closed_map);
	assert_int_equal(pup_patience(web, fd, PUP_SHORT_MS), 0);
	assert_int_equal(pup_answer(db, server, "answer"), 0);
	assert_null(pup_recv(web, fd, &r));
	assert_int_equal(pup_close(web, fd), 0);
}

/* --- echo ----------------------------------------------------------------------------------------------- */

static int ping_socket(void)
{
	int fd = pup_socket(web, AF_INET, SOCK_DGRAM, IPPROTO_ICMP);

	assert_true(fd >= 0);
	assert_int_equal(pup_bind(web, fd, WEB, 0), 0);
	return fd;
}

static void ping(int fd)
{
	static const unsigned char request[] = {8, 0, 0, 0, 0, 0, 0, 1, 'p'};

	assert_int_equal(pup_write(web, fd, request, sizeof(request), DB, 0), sizeof(request));
}

/* What b's owner can send by hand, whatever was asked. */
static void reply(int fd, const char *text)
{
	struct pkt p;

	pkt_start(&p);
	pkt_ip4(&p, DB, WEB);
	pkt_icmp(&p, 0, 0, (uint32_t)pup_port(web, fd) << 16 | 1);
	pkt_payload(&p, text, strlen(text));
	pkt_finish(&p);
	talk_inject(outside, &p, WEB);
}

static void test_replies_end_with_their_rule(void **state)
{
	int fd = ping_socket(), r;

	(void)state;
	both(open_map);
	ping(fd);
	assert_non_null(pup_recv(web, fd, &r));
	reply(fd, "more");
	assert_non_null(pup_recv(web, fd, &r));
	net_again(&a);
	reply(fd, "still");
	assert_non_null(pup_recv(web, fd, &r));
	net_apply(&a, closed_map);
	net_mark(&a);
	assert_int_equal(pup_patience(web, fd, PUP_SHORT_MS), 0);
	reply(fd, "on and on");
	assert_null(pup_recv(web, fd, &r));
	assert_int_equal(net_count(&a, BH_R_UNSOLICITED), 1);
	assert_int_equal(pup_close(web, fd), 0);
}

static void test_replies_under_a_rule_that_ends(void **state)
{
	int fd = ping_socket(), r;

	(void)state;
	both(until_map);
	ping(fd);
	assert_non_null(pup_recv(web, fd, &r));
	ping(fd);
	assert_non_null(pup_recv(web, fd, &r));
	net_quiet(&a);
	assert_int_equal(pup_close(web, fd), 0);
}

/* --- groups --------------------------------------------------------------------------------------------- */

static int member(struct puppet *p, const char *at, int port)
{
	struct ip_mreqn group = {.imr_ifindex = 0};
	struct sockaddr_storage addr;
	int fd = pup_socket(p, AF_INET, SOCK_DGRAM, 0);

	assert_true(fd >= 0);
	assert_int_equal(pup_set(p, fd, SOL_SOCKET, SO_REUSEADDR, 1), 0);
	assert_int_equal(pup_bind(p, fd, at, port), 0);
	(void)pup_addr(GROUP, 0, &addr);
	group.imr_multiaddr = ((struct sockaddr_in *)&addr)->sin_addr;
	(void)pup_addr(WEB, 0, &addr);
	group.imr_address = ((struct sockaddr_in *)&addr)->sin_addr;
	assert_int_equal(pup_set_raw(p, fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof(group)),
			 0);
	return fd;
}

static void shout(struct puppet *p, const char *text)
{
	int fd = talk_socket(p, SOCK_DGRAM, GROUP, NULL);
	struct sockaddr_storage addr;

	(void)pup_addr(WEB, 0, &addr);
	assert_int_equal(pup_set_raw(p, fd, IPPROTO_IP, IP_MULTICAST_IF,
				     &((struct sockaddr_in *)&addr)->sin_addr, 4),
			 0);
	assert_int_equal(pup_sendto(p, fd, text, GROUP, PORT), strlen(text));
	(void)usleep(20000);
	assert_int_equal(pup_close(p, fd), 0);
}

/*
 * What a workload sends to a group comes back to its own host from the NIC, with the host's
 * address, which the map gives web. It is evil's all the same.
 */
static void test_a_looped_datagram_is_its_senders(void **state)
{
	static const char map[] = MAP("  - { id: say, from: web, to: group, port: udp/7000 }\n"
				      "  - { id: hear, from: web, to: db, port: udp/7000 }\n");
	struct puppet *near = net_puppet(&a, "db.service"), *evil = net_puppet(&a, "evil.service");
	const struct bh_event *ev;
	int fd, r;

	(void)state;
	both(map);
	near->patience_ms = PUP_SHORT_MS;
	fd = member(near, "0.0.0.0", PORT);
	shout(evil, "as web");
	assert_null(pup_recv(near, fd, &r));
	ev = net_event(&a, BH_EVENT_DENY, NULL);
	assert_non_null(ev);
	assert_int_equal(ev->remote, net_identity(&a, "evil"));
	net_mark(&a);
	shout(web, "as web");
	assert_non_null(pup_recv(near, fd, &r));
	net_quiet(&a);
	pup_stop(near);
	pup_stop(evil);
}

/* A group has many receivers: XDP may not refuse for all in the name of the one it knows. */
static void test_a_group_is_more_than_one_listener(void **state)
{
	static const char map[] =
		"segments:\n"
		"  ear: { match: { unit: ear.service }, default: { ingress: allow } }\n"
		"  deaf: { match: { unit: deaf.service } }\n"
		"allow:\n"
		"  - { id: other, from: ear, to: deaf, port: udp/7999 }\n";
	struct puppet *ear = net_puppet(&a, "ear.service"), *deaf = net_puppet(&a, "deaf.service");
	int heard, unheard, r;
	struct pkt p;

	(void)state;
	net_apply(&a, map);
	ear->patience_ms = deaf->patience_ms = PUP_SHORT_MS;
	heard = member(ear, "0.0.0.0", PORT + 2);
	net_apply(&a, "segments:\n"
		      "  ear: { match: { unit: ear.service }, default: { ingress: allow } }\n"
		      "  deaf: { match: { unit: deaf.service }, mode: observe }\n"
		      "allow:\n"
		      "  - { id: other, from: ear, to: deaf, port: udp/7999 }\n");
	unheard = member(deaf, GROUP, PORT + 2);
	net_apply(&a, map);
	pkt_start(&p);
	pkt_ip4(&p, DB, GROUP);
	pkt_udp(&p, 5000, PORT + 2);
	pkt_payload(&p, "hello", 5);
	pkt_finish(&p);
	talk_inject(outside, &p, GROUP);
	assert_non_null(pup_recv(ear, heard, &r));
	assert_null(pup_recv(deaf, unheard, &r));
	pup_stop(ear);
	pup_stop(deaf);
}

/* --- the group ------------------------------------------------------------------------------------------ */

static int setup(void **state)
{
	(void)state;
	if (net_up(&a, &b))
		return -1;
	net_sysctl(&a, "net/ipv4/ping_group_range", "0 2147483647");
	assert_int_equal(ns_cmd(b.ns, "ip", "route", "add", "224.0.0.0/4", "dev", "b0"), 0);
	web = net_puppet(&a, "web.service");
	db = net_puppet(&b, "db.service");
	outside = pup_start("outside/x.service", b.ns);
	server = pup_serve(db, SOCK_DGRAM, DB, PORT);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	pup_stop(web);
	pup_stop(db);
	pup_stop(outside);
	return net_down(&a, &b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_rule_that_ends_is_answered_until_then),
		cmocka_unit_test(test_replies_end_with_their_rule),
		cmocka_unit_test(test_replies_under_a_rule_that_ends),
		cmocka_unit_test(test_a_looped_datagram_is_its_senders),
		cmocka_unit_test(test_a_group_is_more_than_one_listener),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
