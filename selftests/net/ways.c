// SPDX-License-Identifier: Apache-2.0
/*
 * ways.c - nine ways to talk, each tried by who may and by who may not: connect, sendto without
 * connect, v4-mapped, connected UDP sent elsewhere, raw sockets, a socket born in another cgroup,
 * a passed descriptor, io_uring, and data in the SYN.
 */
#include "netrig.h"
#include "uring.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <string.h>

#define DB     "10.77.0.11"
#define DB6    "fd77::11"
#define MAPPED "::ffff:10.77.0.11"
#define PORT   7000
#define CLOSED 7999

static struct net_host a, b;
static struct puppet *web, *web2, *report, *tool, *db;

static const char clients[] = "segments:\n"
			      "  web: { match: { unit: \"web*.service\" } }\n"
			      "  report: { match: { unit: report.service } }\n"
			      "  tool: { match: { unit: tool.service }, raw: allow }\n"
			      "  db: { match: { cidr: [10.77.0.11/32, \"fd77::11/128\"] } }\n"
			      "allow:\n"
			      "  - { id: web-db, from: web, to: db, port: [tcp/7000, udp/7000] }\n"
			      "  - { id: tool-db, from: tool, to: db, port: icmp/echo-request }\n";
static const char servers[] =
	"segments:\n"
	"  db: { match: { unit: db.service } }\n"
	"  clients: { match: { cidr: [10.77.0.0/29, \"fd77::/124\"] } }\n"
	"allow:\n"
	"  - { id: clients-db, from: clients, to: db, port: [tcp, udp] }\n"
	"  - { id: ping, from: clients, to: host, port: icmp/echo-request }\n";

/* --- who tries ------------------------------------------------------------------------------------------------ */

static int family_of(const char *addr)
{
	return strchr(addr, ':') ? AF_INET6 : AF_INET;
}

static int connects(struct puppet *p, const char *addr, int port)
{
	int fd = pup_socket(p, family_of(addr), SOCK_STREAM, 0), r;

	assert_true(fd >= 0);
	r = pup_connect(p, fd, addr, port);
	assert_int_equal(pup_close(p, fd), 0);
	return r;
}

static int sends(struct puppet *p, const char *addr, int port)
{
	int fd = pup_socket(p, family_of(addr), SOCK_DGRAM, 0), r;

	assert_true(fd >= 0);
	r = pup_sendto(p, fd, "question", addr, port);
	assert_int_equal(pup_close(p, fd), 0);
	return r < 0 ? r : 0;
}

static const char *const every_address[] = {DB, DB6, MAPPED};

/* --- the ways --------------------------------------------------------------------------------------------------- */

static void test_connect(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(every_address); i++) {
		assert_int_equal(connects(web, every_address[i], PORT), 0);
		assert_int_equal(connects(web, every_address[i], CLOSED), -EPERM);
		net_mark(&a);
		assert_int_equal(connects(report, every_address[i], PORT), -EPERM);
		net_told(&a, BH_EVENT_DENY, BH_R_DEFAULT_DENY);
	}
}

static void test_sendto_without_connect(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(every_address); i++) {
		assert_int_equal(sends(web, every_address[i], PORT), 0);
		assert_int_equal(sends(web, every_address[i], CLOSED), -EPERM);
		net_mark(&a);
		assert_int_equal(sends(report, every_address[i], PORT), -EPERM);
		net_told(&a, BH_EVENT_DENY, BH_R_DEFAULT_DENY);
	}
}

static void test_connected_udp_sent_elsewhere(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(every_address); i++) {
		const char *to = every_address[i];
		int fd = pup_socket(web, family_of(to), SOCK_DGRAM, 0);

		assert_int_equal(pup_connect(web, fd, to, PORT), 0);
		assert_true(pup_send(web, fd, "question") > 0);
		assert_int_equal(pup_sendto(web, fd, "question", to, CLOSED), -EPERM);
		assert_true(pup_send(web, fd, "question") > 0);
		assert_int_equal(pup_close(web, fd), 0);
	}
}

static void test_raw_sockets(void **state)
{
	static const int protocols[] = {IPPROTO_RAW, IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP, 89};
	int fd;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
		net_mark(&a);
		assert_int_equal(pup_socket(report, AF_INET, SOCK_RAW, protocols[i]), -EPERM);
		net_told(&a, BH_EVENT_DENY, BH_R_RAW);
		assert_int_equal(pup_socket(report, AF_INET6, SOCK_RAW, protocols[i]), -EPERM);
		fd = pup_socket(tool, AF_INET, SOCK_RAW, protocols[i]);
		assert_true(fd >= 0);
		assert_int_equal(pup_close(tool, fd), 0);
	}
}

/* Born in one segment, used in another: neither lends its identity to the other. */
static void test_born_in_another_cgroup(void **state)
{
	static const struct {
		struct puppet **born, **user;
		int connect;
	} row[] = {
		{&web, &report, -EPERM},
		{&report, &web, -EPERM},
		{&web, &web2, 0}, /* another unit of the same segment */
		{&report, &report, -EPERM},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		struct puppet *born = *row[i].born, *user = *row[i].user;
		int tcp = pup_socket(born, AF_INET, SOCK_STREAM, 0);
		int udp = pup_socket(born, AF_INET6, SOCK_DGRAM, 0);
		int tcp_there = pup_pass(born, tcp, user), udp_there = pup_pass(born, udp, user);

		net_mark(&a);
		assert_int_equal(pup_connect(user, tcp_there, DB, PORT), row[i].connect);
		if (row[i].connect && born != user)
			net_told(&a, BH_EVENT_DENY, BH_R_CGROUP_MISMATCH);
		if (row[i].connect)
			assert_int_equal(pup_sendto(user, udp_there, "x", DB6, PORT), -EPERM);
		else
			assert_int_equal(pup_sendto(user, udp_there, "x", DB6, PORT), 1);
		(void)pup_close(born, tcp);
		(void)pup_close(born, udp);
		if (born != user) {
			(void)pup_close(user, tcp_there);
			(void)pup_close(user, udp_there);
		}
	}
}

/*
 * A limit, and it stays where it is: a connection belongs to the workload that made it, whoever
 * writes to it. It reaches that one peer and nobody else.
 */
static void test_a_passed_connection(void **state)
{
	int fd = pup_socket(web, AF_INET, SOCK_STREAM, 0), there;

	(void)state;
	assert_int_equal(pup_connect(web, fd, DB, PORT), 0);
	there = pup_pass(web, fd, report);
	assert_true(pup_send(report, there, "x") > 0);
	assert_int_equal(pup_disconnect(report, there), 0);
	assert_int_equal(pup_connect(report, there, DB, PORT), -EPERM);
	(void)pup_close(web, fd);
	(void)pup_close(report, there);
}

static long by_uring(struct pup_call *c)
{
	return uring_connect((int)c->a[0], (struct sockaddr *)&c->addr, c->addr_len,
			     (unsigned int)c->a[1], (unsigned char)c->a[2]);
}

static int uring(struct puppet *p, const char *addr, unsigned int flags, unsigned int sqe_flags)
{
	int fd = pup_socket(p, family_of(addr), SOCK_STREAM, 0);
	struct pup_call c = {.fn = by_uring, .a = {fd, flags, sqe_flags}, .fd = -1};
	long r;

	c.addr_len = pup_addr(addr, PORT, &c.addr);
	r = pup_do(p, &c);
	assert_int_equal(pup_close(p, fd), 0);
	return (int)r;
}

static void test_io_uring(void **state)
{
	static const unsigned int how[][2] = {{0, 0}, {0, IOSQE_ASYNC}, {IORING_SETUP_SQPOLL, 0}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(how); i++)
		for (size_t j = 0; j < ARRAY_SIZE(every_address); j++) {
			int r = uring(web, every_address[j], how[i][0], how[i][1]);

			if (r == -ENOSYS)
				skip();
			assert_int_equal(r, 0);
			net_mark(&a);
			assert_int_equal(uring(report, every_address[j], how[i][0], how[i][1]),
					 -EPERM);
			net_told(&a, BH_EVENT_DENY, BH_R_DEFAULT_DENY);
		}
}

static long data_in_syn(struct pup_call *c)
{
	ssize_t n = sendto((int)c->a[0], "x", 1, MSG_FASTOPEN, (struct sockaddr *)&c->addr,
			   c->addr_len);

	return n < 0 ? -errno : n;
}

static int fast_open(struct puppet *p, const char *addr)
{
	int fd = pup_socket(p, family_of(addr), SOCK_STREAM, 0);
	struct pup_call c = {.fn = data_in_syn, .a = {fd}, .fd = -1};
	long r;

	c.addr_len = pup_addr(addr, PORT, &c.addr);
	r = pup_do(p, &c);
	assert_int_equal(pup_close(p, fd), 0);
	return (int)r;
}

static void test_data_in_the_syn(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(every_address); i++) {
		assert_int_equal(fast_open(web, every_address[i]), 1);
		net_mark(&a);
		assert_int_equal(fast_open(report, every_address[i]), -EPERM);
		net_told(&a, BH_EVENT_DENY, BH_R_DEFAULT_DENY);
	}
}

/* --- run --------------------------------------------------------------------------------------------------------- */

static int up(void **state)
{
	(void)state;
	if (net_up(&a, &b))
		return -1;
	net_apply(&a, clients);
	net_apply(&b, servers);
	net_sysctl(&a, "net/ipv4/tcp_fastopen", "3");
	net_sysctl(&b, "net/ipv4/tcp_fastopen", "3");
	web = net_puppet(&a, "web.service");
	web2 = net_puppet(&a, "web2.service");
	report = net_puppet(&a, "report.service");
	tool = net_puppet(&a, "tool.service");
	db = net_puppet(&b, "db.service");
	(void)pup_serve(db, SOCK_STREAM, "::", PORT);
	(void)pup_serve(db, SOCK_DGRAM, "::", PORT);
	return 0;
}

static int down(void **state)
{
	(void)state;
	return net_down(&a, &b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_connect),
		cmocka_unit_test(test_sendto_without_connect),
		cmocka_unit_test(test_connected_udp_sent_elsewhere),
		cmocka_unit_test(test_raw_sockets),
		cmocka_unit_test(test_born_in_another_cgroup),
		cmocka_unit_test(test_a_passed_connection),
		cmocka_unit_test(test_io_uring),
		cmocka_unit_test(test_data_in_the_syn),
	};

	return cmocka_run_group_tests(tests, up, down);
}
