// SPDX-License-Identifier: Apache-2.0
/*
 * bypass_tcp.c - ways around a TCP verdict: source routes, subflows that the kernel opens for a
 * workload, counters that a cut connection would spoil, a session whose end is never told. web on
 * a may talk to db on b at .11, not to .12.
 */
#include "netrig.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <string.h>
#include <time.h>
#include "ns.h"
#include "talk.h"

#define WEB   "10.77.0.1"
#define WEB6  "fd77::1"
#define DB    "10.77.0.11"
#define DB6   "fd77::11"
#define ELSE  "10.77.0.12"
#define ELSE6 "fd77::12"
#define PORT  7000
#define MPTCP 262
#define SEGMENTS                                                                                   \
	"segments:\n"                                                                              \
	"  web: { match: [ { unit: web.service }, { cidr: [10.77.0.1/32, fd77::1/128] } ] }\n"     \
	"  db: { match: [ { unit: db.service }, { cidr: [10.77.0.11/32, fd77::11/128] } ] }\n"     \
	"  inner: { match: { unit: inner.service } }\n"

static struct net_host a, b;
static struct puppet *web, *db, *inner;
static int listener, wire, inside, old_listener;

static const char open_map[] = SEGMENTS "allow:\n"
					"  - { id: web-db, from: web, to: db, port: tcp/7000 }\n";

static void mark(void)
{
	net_mark(&a);
	net_mark(&b);
}

static int each_test(void **state)
{
	(void)state;
	net_apply(&a, open_map);
	net_apply(&b, open_map);
	mark();
	return 0;
}

/* --- source routes -------------------------------------------------------------------------------------- */

/* What a sent to @to since the last call. */
static int frames_to(const char *to)
{
	unsigned char got[2048];
	struct sockaddr_storage want;
	bool v6 = strchr(to, ':');
	int n = 0;
	ssize_t len;

	(void)pup_addr(to, 0, &want);
	while ((len = recv(wire, got, sizeof(got), MSG_DONTWAIT)) > 0) {
		if (v6 && len >= 54 && got[12] == 0x86 && got[13] == 0xdd &&
		    got[20] != IPPROTO_ICMPV6)
			n += !memcmp(got + 38, &((struct sockaddr_in6 *)&want)->sin6_addr, 16);
		if (!v6 && len >= 34 && got[12] == 0x08 && got[13] == 0x00)
			n += !memcmp(got + 30, &((struct sockaddr_in *)&want)->sin_addr, 4);
	}
	return n;
}

/* The socket says .11, its packets go to .12: who sits there may answer as .11. */
static void test_a_source_route_leads_nowhere_else(void **state)
{
	static const unsigned char via[] = {IPOPT_LSRR, 7, 4, 10, 77, 0, 12, IPOPT_EOL};
	int fd = talk_socket(web, SOCK_STREAM, DB, WEB);

	(void)state;
	assert_int_equal(pup_patience(web, fd, PUP_SHORT_MS), 0);
	assert_int_equal(pup_set_raw(web, fd, IPPROTO_IP, IP_OPTIONS, via, sizeof(via)), 0);
	(void)frames_to(ELSE);
	assert_int_not_equal(pup_connect(web, fd, DB, PORT), 0);
	assert_int_equal(frames_to(ELSE), 0);
	assert_true(net_count(&a, BH_R_IP_OPTIONS) >= 1);
	assert_int_equal(pup_close(web, fd), 0);
}

static void test_a_routing_header_leads_nowhere_else(void **state)
{
	/* segment routing, RFC 8754: one segment left, the last one is the destination */
	unsigned char via[8 + 32] = {0, 4, 4, 1, 1};
	int fd = talk_socket(web, SOCK_STREAM, DB6, WEB6);
	struct sockaddr_storage to;

	(void)state;
	(void)pup_addr(ELSE6, 0, &to);
	memcpy(via + 8 + 16, &((struct sockaddr_in6 *)&to)->sin6_addr, 16);
	assert_int_equal(pup_patience(web, fd, PUP_SHORT_MS), 0);
	if (pup_set_raw(web, fd, IPPROTO_IPV6, IPV6_RTHDR, via, sizeof(via)))
		skip(); /* a kernel without segment routing */
	(void)frames_to(ELSE6);
	assert_int_not_equal(pup_connect(web, fd, DB6, PORT), 0);
	assert_int_equal(frames_to(ELSE6), 0);
	assert_true(net_count(&a, BH_R_EXT_HEADER) >= 1);
	assert_int_equal(pup_close(web, fd), 0);
}

/* Harmless options don't stop it. */
static void test_other_options_go(void **state)
{
	static const unsigned char quiet[] = {IPOPT_NOP, IPOPT_NOP, IPOPT_NOP, IPOPT_EOL};
	int fd = talk_socket(web, SOCK_STREAM, DB, WEB), conn;

	(void)state;
	assert_int_equal(pup_set_raw(web, fd, IPPROTO_IP, IP_OPTIONS, quiet, sizeof(quiet)), 0);
	assert_int_equal(pup_connect(web, fd, DB, PORT), 0);
	conn = pup_accept(db, listener);
	assert_true(conn >= 0);
	assert_int_equal(pup_send(web, fd, "hello"), 5);
	assert_int_equal(talk_ends(db, conn, PUP_PATIENCE_MS), 5);
	assert_int_equal(pup_close(web, fd), 0);
	assert_int_equal(pup_close(db, conn), 0);
	net_quiet(&a);
	net_quiet(&b);
}

/* --- a cut connection ----------------------------------------------------------------------------------- */

/* The reset that tells the peer passes, and is counted as that and as nothing else. */
static void test_the_last_reset_counts_once(void **state)
{
	static const char closed[] =
		SEGMENTS "allow:\n  - { id: other, from: web, to: db, port: tcp/7999 }\n";
	struct linger now = {.l_onoff = 1};
	struct talk t = talk_open(web, WEB, db, listener, DB, PORT);

	(void)state;
	talk_both_ways(&t);
	net_apply(&a, closed);
	mark();
	assert_int_equal(pup_set_raw(web, t.client_fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)),
			 0);
	assert_int_equal(pup_close(web, t.client_fd), 0);
	assert_int_equal(talk_ends(db, t.server_fd, PUP_PATIENCE_MS), -ECONNRESET);
	assert_int_equal(net_count(&a, BH_R_RST_OUT), 1);
	assert_string_equal(net_denies(&a), "");
	assert_null(net_event(&a, BH_EVENT_DENY, NULL));
	assert_int_equal(pup_close(db, t.server_fd), 0);
}

/* Likewise where the verdict was stamped before. */
static void test_the_reset_of_a_denied_socket_counts_once(void **state)
{
	static const char closed[] =
		SEGMENTS "allow:\n  - { id: other, from: web, to: db, port: tcp/7999 }\n";
	struct linger now = {.l_onoff = 1};
	struct talk t = talk_open(web, WEB, db, listener, DB, PORT);

	(void)state;
	talk_both_ways(&t);
	net_apply(&a, closed);
	assert_int_equal(pup_send(web, t.client_fd, "no"), 2);
	(void)usleep(20000);
	mark();
	assert_int_equal(pup_set_raw(web, t.client_fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)),
			 0);
	assert_int_equal(pup_close(web, t.client_fd), 0);
	assert_int_equal(talk_ends(db, t.server_fd, PUP_PATIENCE_MS), -ECONNRESET);
	assert_int_equal(net_count(&a, BH_R_RST_OUT), 1);
	assert_string_equal(net_denies(&a), "");
	assert_int_equal(pup_close(db, t.server_fd), 0);
}

/* A deny that ends, ends for a socket that carries it: the next retransmission arrives. */
static void test_a_deny_ends_in_time(void **state)
{
	char until[32], text[512];
	struct timespec boot;
	struct talk t;
	struct tm tm;
	time_t at;

	(void)state;
	(void)clock_gettime(CLOCK_BOOTTIME, &boot);
	if (boot.tv_sec < 1000)
		skip(); /* earlier than the tests' compiler thinks it is, see pol_now */
	t = talk_open(web, WEB, db, listener, DB, PORT);
	talk_both_ways(&t);
	/* 2026-01-01T00:00:00Z is boot time 1000 s for the tests' compiler */
	at = 1767225600 + boot.tv_sec - 1000 + 2;
	assert_true(strftime(until, sizeof(until), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&at, &tm)));
	(void)snprintf(text, sizeof(text),
		       "%sdeny:\n  - { id: pause, from: web, to: db, port: tcp, until: %s }\n",
		       open_map, until);
	net_apply(&a, text);
	assert_int_equal(pup_patience(db, t.server_fd, 100), 0);
	assert_int_equal(pup_send(web, t.client_fd, "late"), 4);
	assert_int_equal(talk_ends(db, t.server_fd, 100), 1);
	assert_int_equal(talk_ends(db, t.server_fd, 5000), 4);
	talk_close(&t);
}

/* --- begin and end -------------------------------------------------------------------------------------- */

/* connect() is allowed, and no route leads there: what was told to begin has an end. */
static void test_a_session_that_never_left_ends(void **state)
{
	int fd = talk_socket(web, SOCK_STREAM, DB, WEB);
	size_t begun, ended;

	(void)state;
	assert_int_equal(ns_cmd(a.ns, "ip", "route", "add", "unreachable", DB), 0);
	assert_int_equal(pup_connect(web, fd, DB, PORT), -EHOSTUNREACH);
	assert_int_equal(ns_cmd(a.ns, "ip", "route", "del", "unreachable", DB), 0);
	assert_int_equal(pup_close(web, fd), 0);
	(void)usleep(20000);
	(void)net_event(&a, BH_EVENT_BEGIN, &begun);
	(void)net_event(&a, BH_EVENT_END, &ended);
	assert_int_equal(begun, ended);
}

/* --- older than the agent ------------------------------------------------------------------------------- */

/*
 * In a namespace that the agent does not look into, and with a backlog of none, which says nothing
 * of the children: the listener says it.
 */
static void test_an_old_listener_accepts(void **state)
{
	struct talk t = talk_open(inner, NULL, inner, old_listener, "127.0.0.1", PORT);

	(void)state;
	talk_both_ways(&t);
	talk_close(&t);
	net_quiet(&a);
}

/* --- MPTCP ---------------------------------------------------------------------------------------------- */

static int mptcp(struct puppet *p, const char *addr)
{
	int fd = pup_socket(p, strchr(addr, ':') ? AF_INET6 : AF_INET, SOCK_STREAM, MPTCP);

	if (fd == -EPROTONOSUPPORT || fd == -ENOPROTOOPT)
		skip();
	assert_true(fd >= 0);
	return fd;
}

static int mptcp_serve(struct puppet *p, const char *addr)
{
	int fd = mptcp(p, addr);

	assert_int_equal(pup_set(p, fd, SOL_SOCKET, SO_REUSEADDR, 1), 0);
	assert_int_equal(pup_bind(p, fd, addr, PORT), 0);
	assert_int_equal(pup_listen(p, fd, 8), 0);
	return fd;
}

/* The subflow that listens is the kernel's socket, and still db's: on the wire and on one host. */
static void test_mptcp_is_its_workloads(void **state)
{
	struct puppet *near = net_puppet(&b, "web.service");
	struct talk t;
	int fd;

	(void)state;
	assert_int_equal(pup_close(db, listener), 0);
	fd = mptcp_serve(db, DB);
	t = talk_open(web, WEB, db, fd, DB, PORT);
	talk_both_ways(&t);
	talk_close(&t);
	t = (struct talk){.client = web, .server = db, .client_fd = mptcp(web, WEB)};
	assert_int_equal(pup_bind(web, t.client_fd, WEB, 0), 0);
	assert_int_equal(pup_connect(web, t.client_fd, DB, PORT), 0);
	t.server_fd = pup_accept(db, fd);
	assert_true(t.server_fd >= 0);
	talk_both_ways(&t);
	talk_close(&t);
	t = talk_open(near, NULL, db, fd, DB, PORT);
	talk_both_ways(&t);
	talk_close(&t);
	net_quiet(&a);
	net_quiet(&b);
	assert_int_equal(pup_close(db, fd), 0);
	listener = pup_serve(db, SOCK_STREAM, "::", PORT);
	pup_stop(near);
}

/*
 * db announces .12: the kernel of a opens a subflow there, from a worker and without a socket()
 * call. It is web's all the same, and web may not.
 */
static void test_an_mptcp_subflow_is_not_the_kernels(void **state)
{
	static const char only_db[] =
		"segments:\n"
		"  web: { match: [ { unit: web.service }, { cidr: [10.77.0.1/32] } ] }\n"
		"  db: { match: [ { unit: db.service }, { cidr: [10.77.0.11/32, 10.77.0.12/32] } ] }\n"
		"allow:\n"
		"  - { id: web-db, from: web, to: db, port: tcp/7000 }\n";
	struct talk t = {.client = web, .server = db};
	int fd;

	(void)state;
	if (ns_cmd(a.ns, "ip", "mptcp", "limits", "set", "add_addr_accepted", "4", "subflows",
		   "4") ||
	    ns_cmd(b.ns, "ip", "mptcp", "limits", "set", "add_addr_accepted", "4", "subflows",
		   "4") ||
	    ns_cmd(b.ns, "ip", "mptcp", "endpoint", "add", ELSE, "signal"))
		skip();
	net_apply(&b, only_db);
	assert_int_equal(pup_close(db, listener), 0);
	fd = mptcp_serve(db, "0.0.0.0");
	(void)frames_to(ELSE);
	t.client_fd = mptcp(web, WEB);
	assert_int_equal(pup_connect(web, t.client_fd, DB, PORT), 0);
	t.server_fd = pup_accept(db, fd);
	assert_true(t.server_fd >= 0);
	talk_both_ways(&t);
	(void)usleep(300000);
	talk_both_ways(&t);
	net_told(&a, BH_EVENT_DENY, BH_R_DEFAULT_DENY);
	assert_int_equal(frames_to(ELSE), 0);
	talk_close(&t);
	assert_int_equal(pup_close(db, fd), 0);
	/* the twin: where .12 is db's for a, too, it comes about */
	net_apply(&a, only_db);
	mark();
	fd = mptcp_serve(db, "0.0.0.0");
	t.client_fd = mptcp(web, WEB);
	assert_int_equal(pup_connect(web, t.client_fd, DB, PORT), 0);
	t.server_fd = pup_accept(db, fd);
	assert_true(t.server_fd >= 0);
	talk_both_ways(&t);
	(void)usleep(300000);
	assert_true(frames_to(ELSE) > 0);
	net_quiet(&a);
	talk_close(&t);
	assert_int_equal(pup_close(db, fd), 0);
	listener = pup_serve(db, SOCK_STREAM, "::", PORT);
}

/* --- the group ------------------------------------------------------------------------------------------ */

static int sniff(void)
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	int back, fd;

	assert_int_equal(ns_enter(a.ns, &back), 0);
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
	at.sll_ifindex = (int)if_nametoindex("a0");
	assert_int_equal(bind(fd, (void *)&at, sizeof(at)), 0);
	assert_int_equal(ns_enter(back, NULL), 0);
	(void)close(back);
	return fd;
}

static int setup(void **state)
{
	(void)state;
	if (net_wire(&a, &b) || ns_make(&inside))
		return -1;
	inner = pup_start("a/system.slice/inner.service", inside);
	old_listener = talk_socket(inner, SOCK_STREAM, "127.0.0.1", NULL);
	if (pup_bind(inner, old_listener, "127.0.0.1", PORT) ||
	    pup_listen(inner, old_listener, 0) || net_guard(&a) || net_guard(&b))
		return -1;
	net_apply(&a, open_map);
	net_apply(&b, open_map);
	web = net_puppet(&a, "web.service");
	db = net_puppet(&b, "db.service");
	listener = pup_serve(db, SOCK_STREAM, "::", PORT);
	wire = sniff();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	(void)close(wire);
	pup_stop(web);
	pup_stop(db);
	pup_stop(inner);
	(void)close(inside);
	return net_down(&a, &b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_a_source_route_leads_nowhere_else, each_test),
		cmocka_unit_test_setup(test_a_routing_header_leads_nowhere_else, each_test),
		cmocka_unit_test_setup(test_other_options_go, each_test),
		cmocka_unit_test_setup(test_the_last_reset_counts_once, each_test),
		cmocka_unit_test_setup(test_the_reset_of_a_denied_socket_counts_once, each_test),
		cmocka_unit_test_setup(test_a_deny_ends_in_time, each_test),
		cmocka_unit_test_setup(test_a_session_that_never_left_ends, each_test),
		cmocka_unit_test_setup(test_an_old_listener_accepts, each_test),
		cmocka_unit_test_setup(test_mptcp_is_its_workloads, each_test),
		cmocka_unit_test_setup(test_an_mptcp_subflow_is_not_the_kernels, each_test),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
