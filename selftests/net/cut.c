// SPDX-License-Identifier: Apache-2.0
/*
 * cut.c - idle connections that a new generation no longer allows: both ends learn within a
 * second, all others stay. Of sockets that never sent a byte, that are older than us, on the
 * wire and on one host; by the program that destroys them and by INET_DIAG, as on Linux 6.1.
 */
#include "netrig.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include "ns.h"
#include "talk.h"
#include "../../agent/kern/kern_internal.h"
#include "../../agent/net/net.h"

#define PORT	  7000 /* of the first connection: each has a port, and a rule, of its own */
#define LEARNS_MS 5000 /* on a busy machine; who is not cut stays idle for hours */

static struct net_host a, b;
static struct puppet *web, *db_a, *db_b;

static const struct place {
	const char *name, *from, *to, *device;
	bool by_called; /* the host of who was called cuts, else the caller's */
} place[] = {
	{"wire, IPv4, by the caller", "10.77.0.1", "10.77.0.11", NULL, false},
	{"wire, IPv4, by the called", "10.77.0.1", "10.77.0.11", NULL, true},
	{"wire, IPv6, by the caller", "fd77::1", "fd77::11", NULL, false},
	{"wire, IPv6, by the called", "fd77::1", "fd77::11", NULL, true},
	{"wire, IPv4 of an IPv6 socket", "::ffff:10.77.0.1", "::ffff:10.77.0.11", NULL, false},
	{"wire, bound to a device", "10.77.0.1", "10.77.0.11", "a0", false},
	{"loopback, IPv4", NULL, "127.0.0.1", NULL, false},
	{"loopback, IPv6", NULL, "::1", NULL, false},
	{"own address, IPv4", NULL, "10.77.0.2", NULL, false},
	{"own address, IPv6", NULL, "fd77::2", NULL, false},
};

#define N_PLACES ARRAY_SIZE(place)
#define N_TALKS	 (2 * N_PLACES) /* twice: one half is cut by the program, one by INET_DIAG */

struct conn {
	struct talk t;
	int listener; /* -1: closed by now */
};

static struct conn old[N_TALKS];

static bool on_one_host(const struct place *p)
{
	return !p->from;
}

/* --- connections ------------------------------------------------------------------------------------ */

static struct conn conn_open(const struct place *p, int port)
{
	struct conn c = {.t = {.client = web, .server = on_one_host(p) ? db_a : db_b}};

	c.listener = pup_serve(c.t.server, SOCK_STREAM, p->to, port);
	c.t.client_fd = talk_socket(web, SOCK_STREAM, p->to, p->from);
	if (p->device)
		assert_int_equal(pup_set_raw(web, c.t.client_fd, SOL_SOCKET, SO_BINDTODEVICE,
					     p->device, strlen(p->device)),
				 0);
	assert_int_equal(pup_connect(web, c.t.client_fd, p->to, port), 0);
	c.t.server_fd = pup_accept(c.t.server, c.listener);
	assert_true(c.t.server_fd >= 0);
	return c;
}

static void conn_close(struct conn *c)
{
	talk_close(&c->t);
	if (c->listener >= 0)
		assert_int_equal(pup_close(c->t.server, c->listener), 0);
}

/*
 * A server may outlive its listener; half of them do. Not on one host: there a peer is known
 * by what listens, and else stays until its next packet.
 */
static void conns_open(struct conn *c)
{
	for (size_t i = 0; i < N_TALKS; i++) {
		const struct place *p = &place[i % N_PLACES];

		c[i] = conn_open(p, PORT + (int)i);
		if (i >= N_PLACES && !on_one_host(p)) {
			assert_int_equal(pup_close(c[i].t.server, c[i].listener), 0);
			c[i].listener = -1;
		}
	}
}

/* --- maps ------------------------------------------------------------------------------------------- */

#define CALLER "[ { unit: web.service }, { cidr: [10.77.0.1/32, fd77::1/128] } ]"
#define CALLED "[ { unit: db.service }, { cidr: [10.77.0.11/32, fd77::11/128] } ]"

/* @web, @db: what the segments are called. Each connection may go on, but number @closed. */
static char *map_of(const char *web_name, const char *db_name, size_t closed)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	assert_non_null(f);
	fprintf(f, "segments:\n  %s: { match: " CALLER " }\n  %s: { match: " CALLED " }\nallow:\n",
		web_name, db_name);
	for (size_t i = 0; i < N_TALKS; i++)
		if (i != closed)
			fprintf(f, "  - { id: r%zu, from: %s, to: %s, port: tcp/%zu }\n", i,
				web_name, db_name, PORT + i);
	assert_int_equal(fclose(f), 0);
	return text;
}

static void enforce(struct net_host *h, size_t closed)
{
	_cleanup_free_ char *map = map_of("web", "db", closed);

	net_apply(h, map);
}

static void enforce_all(void)
{
	enforce(&a, N_TALKS);
	enforce(&b, N_TALKS);
}

/* --- the cut ---------------------------------------------------------------------------------------- */

/* What @h cuts: by INET_DIAG, although this kernel's programs may be able to. */
static int cut_by_diag(struct net_host *h)
{
	struct bh_feature *f = &h->k->feature[BH_FEAT_SOCK_DESTROY];
	bool works = f->works;
	int r;

	f->works = false;
	r = net_cut(h);
	f->works = works;
	return r;
}

/* Asked without a packet: it stays idle. The state is the first byte of struct tcp_info. */
static bool is_whole(const struct talk *t)
{
	return (pup_get(t->client, t->client_fd, IPPROTO_TCP, TCP_INFO) & 0xff) ==
		       TCP_ESTABLISHED &&
	       (pup_get(t->server, t->server_fd, IPPROTO_TCP, TCP_INFO) & 0xff) == TCP_ESTABLISHED;
}

/* Number @i alone is closed and cut. */
static void cut_one(struct conn *c, size_t i)
{
	const struct place *p = &place[i % N_PLACES];
	const struct talk *cut = &c[i].t;
	struct net_host *h = p->by_called ? &b : &a;
	int n, client, server;

	enforce(h, i);
	n = i < N_PLACES ? net_cut(h) : cut_by_diag(h);
	if (n != 1)
		fail_msg("%s: cut %d", p->name, n);
	client = talk_ends(cut->client, cut->client_fd, LEARNS_MS);
	server = talk_ends(cut->server, cut->server_fd, LEARNS_MS);
	if (client != (p->by_called ? -ECONNRESET : -ECONNABORTED) ||
	    server != (p->by_called ? -ECONNABORTED : -ECONNRESET))
		fail_msg("%s: the caller has %d, the called %d", p->name, client, server);
	for (size_t j = i + 1; j < N_TALKS; j++)
		if (!is_whole(&c[j].t))
			fail_msg("%s: took %s along", p->name, place[j % N_PLACES].name);
	conn_close(&c[i]);
}

static void cut_each(struct conn *c)
{
	enforce_all();
	assert_int_equal(net_cut(&a), 0);
	assert_int_equal(net_cut(&b), 0);
	assert_int_equal(cut_by_diag(&a), 0);
	for (size_t i = 0; i < N_TALKS; i++)
		cut_one(c, i);
}

static void test_old_sockets_are_cut(void **state)
{
	(void)state;
	cut_each(old);
}

static void test_idle_sockets_are_cut(void **state)
{
	struct conn c[N_TALKS];

	(void)state;
	enforce_all();
	conns_open(c);
	cut_each(c);
}

/* The verdict that they carry is of this generation: the packet was denied before the cut. */
static void test_a_denied_socket_is_cut(void **state)
{
	struct conn c;

	(void)state;
	enforce_all();
	c = conn_open(&place[0], PORT);
	talk_both_ways(&c.t);
	enforce(&a, 0);
	assert_int_equal(pup_send(web, c.t.client_fd, "held"), 4);
	assert_int_equal(net_cut(&a), 1);
	assert_int_equal(talk_ends(web, c.t.client_fd, LEARNS_MS), -ECONNABORTED);
	assert_int_equal(talk_ends(c.t.server, c.t.server_fd, LEARNS_MS), -ECONNRESET);
	conn_close(&c);
}

/* --- what stays --------------------------------------------------------------------------------------- */

static void stays(struct conn *c)
{
	assert_int_equal(net_cut(&a), 0);
	assert_int_equal(cut_by_diag(&a), 0);
	talk_both_ways(&c->t);
	conn_close(c);
}

/* The peer that a verdict was for has another identity now, and may just the same. */
static void test_other_names_cut_nothing(void **state)
{
	_cleanup_free_ char *renamed = map_of("shop", "store", N_TALKS);
	struct conn c[N_PLACES];

	(void)state;
	enforce_all();
	for (size_t i = 0; i < N_PLACES; i++) {
		c[i] = conn_open(&place[i], PORT + (int)i);
		talk_both_ways(&c[i].t);
	}
	net_apply(&a, renamed);
	for (size_t i = 0; i < N_PLACES; i++)
		stays(&c[i]);
}

static void test_one_workload_stays(void **state)
{
	struct conn c = {.listener = pup_serve(web, SOCK_STREAM, "127.0.0.1", PORT)};

	(void)state;
	enforce_all();
	c.t = talk_open(web, NULL, web, c.listener, "127.0.0.1", PORT);
	talk_both_ways(&c.t);
	net_again(&a);
	stays(&c);
}

/* Who took the ports of a socket that has gone meanwhile is not it. */
static void test_a_cookie_that_is_gone(void **state)
{
	struct bh_cut cut = {.local_addr = pol_addr("10.77.0.1"),
			     .remote_addr = pol_addr("10.77.0.11"),
			     .remote_port = PORT};
	struct conn c;
	int back;

	(void)state;
	enforce_all();
	c = conn_open(&place[0], PORT);
	cut.local_port = (__u16)pup_port(web, c.t.client_fd);
	cut.cookie = 1ull << 40;
	assert_int_equal(ns_enter(a.ns, &back), 0);
	assert_true(bh_net_destroy(&cut, 1) < 0);
	cut.cookie = ~0ull; /* INET_DIAG_NOCOOKIE twice: whatever it has */
	talk_both_ways(&c.t);
	assert_int_equal(bh_net_destroy(&cut, 1), 1);
	assert_int_equal(ns_enter(back, NULL), 0);
	(void)close(back);
	assert_int_equal(talk_ends(web, c.t.client_fd, LEARNS_MS), -ECONNABORTED);
	conn_close(&c);
}

/* --- the group ---------------------------------------------------------------------------------------- */

static int up(void **state)
{
	(void)state;
	if (net_wire(&a, &b))
		return -1;
	web = net_puppet(&a, "web.service");
	db_a = net_puppet(&a, "db.service");
	db_b = net_puppet(&b, "db.service");
	conns_open(old);
	return net_guard(&a) || net_guard(&b) ? -1 : 0;
}

static int down(void **state)
{
	(void)state;
	pup_stop(web);
	pup_stop(db_a);
	pup_stop(db_b);
	return net_down(&a, &b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_old_sockets_are_cut),
		cmocka_unit_test(test_idle_sockets_are_cut),
		cmocka_unit_test(test_a_denied_socket_is_cut),
		cmocka_unit_test(test_other_names_cut_nothing),
		cmocka_unit_test(test_one_workload_stays),
		cmocka_unit_test(test_a_cookie_that_is_gone),
	};

	return cmocka_run_group_tests_name("idle connections, cut", tests, up, down);
}
