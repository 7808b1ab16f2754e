// SPDX-License-Identifier: Apache-2.0
/*
 * tcp.c - the TCP session rules, state by state: listener, handshake with data on its last ACK
 * or on the SYN, SYN cookies, data, half-close, TIME_WAIT, kernel replies, sockets that are used
 * again. web on a may talk to db on b, nobody else; `stranger` is outside of a's cgroup root, so
 * only b's half is judged. Each deny has a twin that passes.
 */
#include "netrig.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include "cg.h"
#include "ns.h"
#include "pkt.h"
#include "talk.h"
#include "../../agent/kern/kern_internal.h"

#define WEB	 "10.77.0.1"
#define WEB6	 "fd77::1"
#define STRANGER "10.77.0.3"
#define DB	 "10.77.0.11"
#define DB6	 "fd77::11"
#define PORT	 7000

static struct net_host a, b;
static struct puppet *web, *stranger, *db;
static int listener;

#define SEGMENTS                                                                                   \
	"segments:\n"                                                                              \
	"  web: { match: [ { unit: web.service }, { cidr: [10.77.0.1/32, fd77::1/128] } ] }\n"     \
	"  db: { match: [ { unit: db.service }, { cidr: [10.77.0.11/32, fd77::11/128] } ] }\n"

static const char open_map[] =
	SEGMENTS "allow:\n"
		 "  - { id: web-db, from: web, to: db, port: tcp/7000-7009 }\n"
		 "  - { id: db-web, from: db, to: web, port: tcp/6000 }\n";
static const char closed_map[] = SEGMENTS "allow:\n"
					  "  - { id: other, from: web, to: db, port: tcp/7999 }\n";

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

/* XDP lets SYNs up where the host forwards: then the listener is what judges them. */
static void judge_on_listener(bool on)
{
	__u32 flags = BH_CTL_FWD4 | BH_CTL_FWD6;

	assert_int_equal(bh_kern_set_ctl(b.k, on ? flags : 0, on ? 0 : flags), 0);
}

/* Whoever got through and was not asked for. */
static void drain(void)
{
	int conn;

	assert_int_equal(pup_patience(db, listener, 1), 0);
	while ((conn = pup_accept(db, listener)) >= 0)
		assert_int_equal(pup_close(db, conn), 0);
	assert_int_equal(pup_patience(db, listener, PUP_PATIENCE_MS), 0);
}

static int each_test(void **state)
{
	(void)state;
	drain();
	net_apply(&a, open_map);
	net_apply(&b, open_map);
	judge_on_listener(false);
	mark();
	return 0;
}

/* --- the whole life of a connection ----------------------------------------------------------------- */

static void life(const char *from, const char *to)
{
	struct talk t = talk_open(web, from, db, listener, to, PORT);
	const struct bh_event *ev;
	size_t n;

	talk_both_ways(&t);
	/* half closed: the other way goes on */
	assert_int_equal(pup_shutdown(web, t.client_fd, SHUT_WR), 0);
	assert_int_equal(talk_ends(db, t.server_fd, PUP_PATIENCE_MS), 0);
	assert_int_equal(pup_send(db, t.server_fd, "late"), 4);
	assert_int_equal(talk_ends(web, t.client_fd, PUP_PATIENCE_MS), 4);
	/* FIN_WAIT2 without an owner, then TIME_WAIT */
	assert_int_equal(pup_close(web, t.client_fd), 0);
	assert_int_equal(pup_close(db, t.server_fd), 0);
	(void)usleep(20000);
	quiet();
	ev = net_event(&a, BH_EVENT_BEGIN, &n);
	assert_int_equal(n, 1);
	assert_int_equal(ev->dir, BH_OUT);
	ev = net_event(&b, BH_EVENT_BEGIN, &n);
	assert_int_equal(n, 1);
	assert_int_equal(ev->dir, BH_IN);
	assert_int_equal(ev->remote, net_identity(&b, "web"));
	ev = net_event(&b, BH_EVENT_END, &n);
	assert_int_equal(n, 1);
	assert_true(ev->packets[BH_IN] >= 2 && ev->packets[BH_OUT] >= 2);
	assert_non_null(net_event(&a, BH_EVENT_END, &n));
	assert_int_equal(n, 1);
}

static void test_life(void **state)
{
	(void)state;
	life(WEB, DB);
	mark();
	life(WEB6, DB6);
}

/* The kernel alone answers for an orphan: not through our hooks, or as its own. */
static void test_data_for_an_orphan_is_reset(void **state)
{
	struct talk t = talk_open(web, WEB, db, listener, DB, PORT);

	(void)state;
	talk_both_ways(&t);
	assert_int_equal(pup_close(web, t.client_fd), 0);
	assert_int_equal(pup_send(db, t.server_fd, "who is there?"), 13);
	(void)usleep(20000);
	assert_int_equal(pup_send(db, t.server_fd, "nobody"), -EPIPE);
	assert_int_equal(pup_close(db, t.server_fd), 0);
	quiet();
}

/* A close with unread data sends RST instead of FIN. */
static void test_a_reset_arrives_both_ways(void **state)
{
	struct talk t = talk_open(web, WEB, db, listener, DB, PORT);

	(void)state;
	assert_int_equal(pup_send(web, t.client_fd, "unread"), 6);
	(void)usleep(10000);
	assert_int_equal(pup_close(db, t.server_fd), 0);
	assert_int_equal(talk_ends(web, t.client_fd, PUP_PATIENCE_MS), -ECONNRESET);
	assert_int_equal(pup_close(web, t.client_fd), 0);

	t = talk_open(web, WEB, db, listener, DB, PORT);
	assert_int_equal(pup_send(db, t.server_fd, "unread"), 6);
	(void)usleep(10000);
	assert_int_equal(pup_close(web, t.client_fd), 0);
	assert_int_equal(talk_ends(db, t.server_fd, PUP_PATIENCE_MS), -ECONNRESET);
	assert_int_equal(pup_close(db, t.server_fd), 0);
	quiet();
}

/* --- the listener ------------------------------------------------------------------------------------- */

static void test_a_stranger_is_dropped_by_xdp(void **state)
{
	(void)state;
	assert_int_equal(talk_try(stranger, STRANGER, DB, PORT), -EINPROGRESS);
	net_told(&b, BH_EVENT_DENY, BH_R_DEFAULT_DENY);
	assert_int_equal(net_event(&b, BH_EVENT_DENY, NULL)->hook, BH_HOOK_XDP);
	assert_int_equal(talk_try(stranger, WEB, DB, PORT), 0);
}

static void test_a_stranger_is_dropped_by_the_listener(void **state)
{
	(void)state;
	judge_on_listener(true);
	assert_int_equal(talk_try(stranger, STRANGER, DB, PORT), -EINPROGRESS);
	net_told(&b, BH_EVENT_DENY, BH_R_DEFAULT_DENY);
	assert_int_equal(net_event(&b, BH_EVENT_DENY, NULL)->hook, BH_HOOK_SKB_IN);
	assert_int_equal(talk_try(stranger, WEB, DB, PORT), 0);
}

/* ACK, FIN, NULL, RST and SYN-ACK scans: XDP takes them for established, the listener does not. */
static void test_scans_of_a_listener_stay_unanswered(void **state)
{
	static const uint8_t flags[] = {PKT_ACK, PKT_FIN | PKT_ACK, PKT_PSH | PKT_ACK, PKT_RST,
					PKT_SYN | PKT_ACK};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		struct pkt p;

		mark();
		pkt_start(&p);
		pkt_ip4(&p, STRANGER, DB);
		pkt_tcp(&p, 4000, PORT, flags[i]);
		pkt_payload(&p, "x", flags[i] & PKT_PSH ? 1 : 0);
		pkt_finish(&p);
		talk_inject(stranger, &p, DB);
		(void)usleep(10000);
		net_told(&b, BH_EVENT_DENY, BH_R_DEFAULT_DENY);
		/* silence: no RST left b */
		assert_int_equal(net_count(&b, BH_R_KERNEL_SOCKET), 0);
		assert_int_equal(net_count(&a, BH_R_ESTABLISHED), 0);
	}
}

/* --- data on the handshake ------------------------------------------------------------------------------ */

/* The last ACK and the data with it arrive on the listener, which judges them by today's policy. */
static void test_deferred_accept(void **state)
{
	int fd = pup_serve(db, SOCK_STREAM, DB, 7001), client, conn;

	(void)state;
	assert_int_equal(pup_set(db, fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, 3), 0);
	client = talk_socket(web, SOCK_STREAM, DB, WEB);
	assert_int_equal(pup_connect(web, client, DB, 7001), 0);
	assert_int_equal(pup_send(web, client, "first"), 5);
	conn = pup_accept(db, fd);
	assert_true(conn >= 0);
	assert_int_equal(talk_ends(db, conn, PUP_PATIENCE_MS), 5);
	assert_int_equal(pup_close(web, client), 0);
	assert_int_equal(pup_close(db, conn), 0);
	quiet();

	client = talk_socket(web, SOCK_STREAM, DB, WEB);
	assert_int_equal(pup_connect(web, client, DB, 7001), 0);
	net_apply(&b, closed_map);
	mark();
	assert_int_equal(pup_send(web, client, "first"), 5);
	assert_int_equal(pup_patience(db, fd, PUP_SHORT_MS), 0);
	assert_int_equal(pup_accept(db, fd), -EAGAIN);
	assert_true(net_count(&b, BH_R_DEFAULT_DENY) > 0);
	assert_int_equal(net_event(&b, BH_EVENT_DENY, NULL)->hook, BH_HOOK_SKB_IN);
	/* allowed again: the retransmission gets through */
	net_apply(&b, open_map);
	assert_int_equal(pup_patience(db, fd, PUP_PATIENCE_MS), 0);
	conn = pup_accept(db, fd);
	assert_true(conn >= 0);
	assert_int_equal(talk_ends(db, conn, PUP_PATIENCE_MS), 5);
	assert_int_equal(pup_close(db, conn), 0);
	assert_int_equal(pup_close(db, fd), 0);
	assert_int_equal(pup_close(web, client), 0);
}

static long do_fastopen(struct pup_call *c)
{
	ssize_t n = sendto((int)c->a[0], c->data, c->len, MSG_FASTOPEN | MSG_NOSIGNAL,
			   (void *)&c->addr, c->addr_len);

	return n < 0 ? -errno : n;
}

/* Data in the SYN, and no cookie asked for. */
static int fastopen(struct puppet *p, int fd, const char *addr, int port)
{
	struct pup_call c = {.fn = do_fastopen, .a = {fd}, .len = 5, .data = "early"};

	c.addr_len = pup_addr(addr, port, &c.addr);
	return (int)pup_do(p, &c);
}

static void test_fast_open(void **state)
{
	int fd = pup_serve(db, SOCK_STREAM, DB, 7002), client, conn;

	(void)state;
	net_sysctl(&a, "net/ipv4/tcp_fastopen", "1543"); /* both ends, without a cookie */
	net_sysctl(&b, "net/ipv4/tcp_fastopen", "1543");
	assert_int_equal(pup_set(db, fd, IPPROTO_TCP, TCP_FASTOPEN, 16), 0);
	client = talk_socket(web, SOCK_STREAM, DB, WEB);
	assert_int_equal(fastopen(web, client, DB, 7002), 5);
	conn = pup_accept(db, fd);
	assert_true(conn >= 0);
	assert_int_equal(talk_ends(db, conn, PUP_PATIENCE_MS), 5);
	assert_int_equal(pup_send(db, conn, "answer"), 6);
	assert_int_equal(talk_ends(web, client, PUP_PATIENCE_MS), 6);
	assert_int_equal(pup_close(web, client), 0);
	assert_int_equal(pup_close(db, conn), 0);
	quiet();
	mark();

	assert_int_equal(pup_patience(db, fd, PUP_SHORT_MS), 0);
	for (int on_listener = 0; on_listener < 2; on_listener++) {
		judge_on_listener(on_listener);
		client = talk_socket(stranger, SOCK_STREAM, DB, STRANGER);
		(void)fastopen(stranger, client, DB, 7002);
		assert_int_equal(pup_accept(db, fd), -EAGAIN);
		assert_int_equal(pup_close(stranger, client), 0);
		assert_true(net_count(&b, BH_R_DEFAULT_DENY) > 0);
		assert_int_equal(net_event(&b, BH_EVENT_DENY, NULL)->hook,
				 on_listener ? BH_HOOK_SKB_IN : BH_HOOK_XDP);
		mark();
	}
	/* the sender's half: sendto() is a connect() */
	client = talk_socket(web, SOCK_STREAM, DB, WEB);
	assert_int_equal(fastopen(web, client, DB, 7999), -EPERM);
	net_told(&a, BH_EVENT_DENY, BH_R_DEFAULT_DENY);
	assert_int_equal(pup_close(web, client), 0);
	assert_int_equal(pup_close(db, fd), 0);
}

static unsigned long syncookies_received(void)
{
	char line[2][4096], *name, *value, *s[2] = {NULL, NULL};
	unsigned long n = 0;
	int back;
	FILE *f;

	assert_int_equal(ns_enter(b.ns, &back), 0);
	f = fopen("/proc/net/netstat", "re");
	assert_non_null(f);
	assert_true(fgets(line[0], sizeof(line[0]), f) && fgets(line[1], sizeof(line[1]), f));
	(void)fclose(f);
	assert_int_equal(ns_enter(back, NULL), 0);
	(void)close(back);
	name = strtok_r(line[0], " \n", &s[0]);
	value = strtok_r(line[1], " \n", &s[1]);
	while (name && value) {
		if (!strcmp(name, "SyncookiesRecv"))
			n = strtoul(value, NULL, 10);
		name = strtok_r(NULL, " \n", &s[0]);
		value = strtok_r(NULL, " \n", &s[1]);
	}
	return n;
}

/* With cookies nothing is remembered of the SYN: the ACK makes the connection, and is judged. */
static void test_syn_cookies(void **state)
{
	struct talk t;

	(void)state;
	net_sysctl(&b, "net/ipv4/tcp_syncookies", "2");
	t = talk_open(web, WEB, db, listener, DB, PORT);
	talk_both_ways(&t);
	talk_close(&t);
	t = talk_open(web, WEB6, db, listener, DB6, PORT);
	talk_both_ways(&t);
	talk_close(&t);
	assert_int_equal(syncookies_received(), 2);
	quiet();
	judge_on_listener(true);
	assert_int_equal(talk_try(stranger, STRANGER, DB, PORT), -EINPROGRESS);
	assert_true(net_count(&b, BH_R_DEFAULT_DENY) > 0);
	net_sysctl(&b, "net/ipv4/tcp_syncookies", "1");
}

/* --- what the kernel says by itself ------------------------------------------------------------------------ */

static void test_a_closed_port_refuses(void **state)
{
	(void)state;
	assert_int_equal(talk_try(web, WEB, DB, 7009), -ECONNREFUSED);
	assert_int_equal(talk_try(web, WEB6, DB6, 7009), -ECONNREFUSED);
	/* who may not ask learns as much as from a host without us, of a port nobody has */
	assert_int_equal(talk_try(stranger, STRANGER, DB, 4999), -ECONNREFUSED);
	assert_true(net_count(&b, BH_R_NO_LISTENER) >= 1);
	quiet();
	assert_int_equal(talk_try(web, WEB, DB, 4999), -EPERM);
	net_told(&a, BH_EVENT_DENY, BH_R_DEFAULT_DENY);
}

/* --- sockets that are used again -------------------------------------------------------------------------- */

static void test_a_socket_that_connects_elsewhere_is_a_new_question(void **state)
{
	int fd = talk_socket(web, SOCK_STREAM, DB, NULL), conn;

	(void)state;
	assert_int_equal(pup_connect(web, fd, DB, PORT), 0);
	conn = pup_accept(db, listener);
	assert_int_equal(pup_disconnect(web, fd), 0);
	assert_int_equal(talk_ends(db, conn, PUP_PATIENCE_MS), -ECONNRESET);
	assert_int_equal(pup_close(db, conn), 0);
	quiet();
	assert_int_equal(pup_connect(web, fd, DB, 4999), -EPERM);
	net_told(&a, BH_EVENT_DENY, BH_R_DEFAULT_DENY);
	mark();
	assert_int_equal(pup_connect(web, fd, DB, PORT), 0);
	conn = pup_accept(db, listener);
	assert_true(conn >= 0);
	assert_int_equal(pup_close(web, fd), 0);
	assert_int_equal(pup_close(db, conn), 0);
	quiet();
}

/* What it said when it connected is nothing that its children inherit. */
static void test_a_client_that_becomes_a_server_is_judged_as_one(void **state)
{
	int fd = pup_socket(db, AF_INET, SOCK_STREAM, 0), conn, peer;

	(void)state;
	/* db's client reaches web, so it carries "out, allowed, to web" */
	peer = pup_serve(web, SOCK_STREAM, WEB, 6000);
	assert_int_equal(pup_set(db, fd, SOL_SOCKET, SO_REUSEADDR, 1), 0);
	assert_int_equal(pup_bind(db, fd, DB, 7003), 0);
	assert_int_equal(pup_connect(db, fd, WEB, 6000), 0);
	assert_int_equal(pup_disconnect(db, fd), 0);
	assert_int_equal(pup_listen(db, fd, 8), 0);
	judge_on_listener(true);
	mark();
	assert_int_equal(talk_try(stranger, STRANGER, DB, 7003), -EINPROGRESS);
	net_told(&b, BH_EVENT_DENY, BH_R_DEFAULT_DENY);
	/* from the very peer that it was allowed to reach, in the other direction: a rule says so */
	mark();
	assert_int_equal(talk_try(web, WEB, DB, 7003), 0);
	conn = pup_accept(db, fd);
	assert_true(conn >= 0);
	assert_int_equal(pup_send(db, conn, "hello"), 5);
	quiet();
	assert_int_equal(net_event(&b, BH_EVENT_BEGIN, NULL)->dir, BH_IN);
	assert_int_equal(pup_close(db, conn), 0);
	assert_int_equal(pup_close(db, fd), 0);
	assert_int_equal(pup_close(web, peer), 0);
}

static int storage(struct net_host *h, const char *map, int fd, void *ret)
{
	return bpf_map_lookup_elem(bpf_object__find_map_fd_by_name(h->k->obj, map), &fd, ret);
}

static void test_a_child_has_facts_and_no_verdict(void **state)
{
	struct talk t = talk_open(web, WEB, db, listener, DB, PORT);
	int fd = pup_fetch(db, t.server_fd);
	struct bh_facts facts;
	struct bh_session s;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(storage(&b, "bh_facts", fd, &facts), 0);
	/* no packet of its own passed yet */
	assert_true(storage(&b, "bh_session", fd, &s) < 0);
	talk_both_ways(&t);
	assert_int_equal(storage(&b, "bh_session", fd, &s), 0);
	assert_int_equal(s.gen, bh_kern_generation(b.k));
	assert_int_equal(s.dir, BH_IN);
	assert_int_equal(s.pass, 1);
	(void)close(fd);
	talk_close(&t);
}

/* --- simultaneous open ------------------------------------------------------------------------------------- */

/* Both connect, nobody listens. The first SYN is lost, so that the other end's is the second. */
static void test_simultaneous_open(void **state)
{
	int here = pup_socket(web, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	int there = pup_socket(db, AF_INET, SOCK_STREAM, 0), r;
	const struct bh_event *ev;

	(void)state;
	assert_int_equal(pup_bind(web, here, WEB, 6000), 0);
	assert_int_equal(pup_bind(db, there, DB, 7005), 0);
	net_apply(&b, closed_map);
	assert_int_equal(pup_connect(web, here, DB, 7005), -EINPROGRESS);
	net_told(&b, BH_EVENT_DENY, BH_R_DEFAULT_DENY);
	net_apply(&b, open_map);
	mark();
	assert_int_equal(pup_connect(db, there, WEB, 6000), 0);
	assert_int_equal(pup_send(db, there, "both"), 4);
	(void)usleep(20000);
	(void)pup_recv(web, here, &r);
	assert_int_equal(r, 4);
	quiet();
	/* each of them asked; nobody was accepted */
	ev = net_event(&b, BH_EVENT_BEGIN, NULL);
	assert_non_null(ev);
	assert_int_equal(ev->dir, BH_OUT);
	assert_int_equal(pup_close(web, here), 0);
	assert_int_equal(pup_close(db, there), 0);
}

/* --- the group ---------------------------------------------------------------------------------------- */

static int up(void **state)
{
	(void)state;
	if (net_up(&a, &b))
		return -1;
	web = net_puppet(&a, "web.service");
	stranger = pup_start("elsewhere", a.ns);
	stranger->patience_ms = PUP_SHORT_MS;
	db = net_puppet(&b, "db.service");
	listener = pup_serve(db, SOCK_STREAM, "::", PORT);
	return 0;
}

static int down(void **state)
{
	(void)state;
	pup_stop(web);
	pup_stop(stranger);
	pup_stop(db);
	return net_down(&a, &b);
}

#define TEST(name) cmocka_unit_test_setup(name, each_test)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_life),
		TEST(test_data_for_an_orphan_is_reset),
		TEST(test_a_reset_arrives_both_ways),
		TEST(test_a_stranger_is_dropped_by_xdp),
		TEST(test_a_stranger_is_dropped_by_the_listener),
		TEST(test_scans_of_a_listener_stay_unanswered),
		TEST(test_deferred_accept),
		TEST(test_fast_open),
		TEST(test_syn_cookies),
		TEST(test_a_closed_port_refuses),
		TEST(test_a_socket_that_connects_elsewhere_is_a_new_question),
		TEST(test_a_client_that_becomes_a_server_is_judged_as_one),
		TEST(test_a_child_has_facts_and_no_verdict),
		TEST(test_simultaneous_open),
	};

	return cmocka_run_group_tests_name("TCP, state by state", tests, up, down);
}
