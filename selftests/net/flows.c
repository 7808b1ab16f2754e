// SPDX-License-Identifier: Apache-2.0
/*
 * flows.c - what is told of conversations adds up: what the two ends count themselves is what their
 * events say, at the end, while it goes on, under a sweep that runs all the time, with no room, and
 * with denies that are told ten a second. web on a may talk to db on b and nobody else.
 */
#include "netrig.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "talk.h"

#define PORT 7000

static const char *const web_addr[] = {"10.77.0.1", "fd77::1"};
static const char *const db_addr[] = {"10.77.0.11", "fd77::11"};

static struct net_host a, b;
static struct puppet *web, *db;
static int listener, receiver[2];

static const char open_map[] =
	"segments:\n"
	"  web: { match: [ { unit: web.service }, { cidr: [10.77.0.1/32, fd77::1/128] } ] }\n"
	"  db: { match: [ { unit: db.service }, { cidr: [10.77.0.11/32, fd77::11/128] } ] }\n"
	"allow:\n"
	"  - { id: web-db, from: web, to: db, port: [tcp/7000-7199, udp/7000-65000, icmp] }\n";

/* --- what the puppets do ---------------------------------------------------------------------------- */

/* a[1] bytes in pieces of a[2], then whatever comes is read until a[3] bytes are there. */
static long do_exchange(struct pup_call *c)
{
	long sent = 0, got = 0;
	char buf[4096] = {0};

	while (sent < c->a[1] || got < c->a[3]) {
		size_t piece = (size_t)(c->a[1] - sent < c->a[2] ? c->a[1] - sent : c->a[2]);
		ssize_t n = piece ? send((int)c->a[0], buf, piece, MSG_NOSIGNAL) : 0;

		if (n < 0)
			return -errno;
		sent += n;
		if (got < c->a[3]) {
			n = recv((int)c->a[0], buf, sizeof(buf), piece ? MSG_DONTWAIT : 0);
			if (n < 0 && errno != EAGAIN)
				return -errno;
			if (n == 0)
				return -EPIPE;
			got += n > 0 ? n : 0;
		}
		memset(buf, 0, sizeof(buf));
	}
	return got;
}

/* a[1] datagrams of a[2] bytes, to ports from that of addr on if a[3]. Return: how many went. */
static long do_flood(struct pup_call *c)
{
	struct sockaddr_in6 to; /* its port lies where that of IPv4 does */
	__u16 port;
	char buf[PUP_DATA_MAX] = {0};
	long went = 0;

	memcpy(&to, &c->addr, sizeof(to));
	port = ntohs(to.sin6_port);
	for (long i = 0; i < c->a[1]; i++) {
		if (c->a[3])
			to.sin6_port = htons((__u16)(port + i));
		went += sendto((int)c->a[0], buf, (size_t)c->a[2], 0, (void *)&to, c->addr_len) ==
			c->a[2];
	}
	return went;
}

/* Reads what is there. Return: datagrams; a[1]: their bytes. */
static long do_drink(struct pup_call *c)
{
	char buf[PUP_DATA_MAX];
	long n = 0;
	ssize_t len;

	c->a[1] = 0;
	while ((len = recv((int)c->a[0], buf, sizeof(buf), MSG_DONTWAIT)) >= 0) {
		c->a[1] += len;
		n++;
	}
	return n;
}

static long do_name(struct pup_call *c)
{
	return prctl(PR_SET_NAME, c->data);
}

static long flood(const char *to, int port, int fd, long n, long bytes, bool ports)
{
	struct pup_call c = {.fn = do_flood, .a = {fd, n, bytes, ports}};

	c.addr_len = pup_addr(to, port, &c.addr);
	return pup_do(web, &c);
}

/* --- what was told ---------------------------------------------------------------------------------- */

struct sum {
	size_t n;
	__u64 packets[2], bytes[2];
	__u8 flags, crypt;
	__u32 rtt_us;
	const struct bh_event *last;
};

/* Of updates and ends, with @proto. */
static struct sum sum_of(struct net_host *h, __u8 proto)
{
	struct sum s = {0};

	(void)bh_kern_poll(h->k);
	for (size_t i = 0; i < h->n_event; i++) {
		const struct bh_event *ev = &h->event[i];

		if ((ev->type != BH_EVENT_UPDATE && ev->type != BH_EVENT_END) || ev->proto != proto)
			continue;
		s.n++;
		s.last = ev;
		s.flags |= ev->tcp_flags;
		s.crypt = ev->crypt > s.crypt ? ev->crypt : s.crypt;
		s.rtt_us = ev->rtt_us ? ev->rtt_us : s.rtt_us;
		for (int way = 0; way < 2; way++) {
			s.packets[way] += ev->packets[way];
			s.bytes[way] += ev->bytes[way];
		}
	}
	return s;
}

static __u64 stat_of(struct net_host *h, enum bh_stat which)
{
	__u64 stat[BH_STAT_MAX];

	assert_int_equal(bh_kern_stats(h->k, stat), 0);
	return stat[which];
}

static void mark(void)
{
	assert_true(bh_kern_sweep_tcp(a.k) >= 0 && bh_kern_sweep_tcp(b.k) >= 0);
	assert_true(bh_kern_sweep_flows(a.k) >= 0 && bh_kern_sweep_flows(b.k) >= 0);
	net_mark(&a);
	net_mark(&b);
}

static int each_test(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct pup_call c = {.fn = do_drink, .a = {receiver[v6]}};

		(void)pup_do(db, &c);
	}
	net_apply(&a, open_map);
	net_apply(&b, open_map);
	mark();
	return 0;
}

static void ended(struct net_host *h)
{
	size_t n = 0;

	for (int i = 0; i < 100 && !n; i++) {
		(void)net_event(h, BH_EVENT_END, &n);
		(void)usleep(10000);
	}
	assert_int_equal(n, 1);
}

/* --- TCP -------------------------------------------------------------------------------------------- */

/* web sends 10007 bytes and gets 4001, whoever closes first. */
static void test_bytes_of_a_connection(void **state)
{
	(void)state;
	for (int round = 0; round < 8; round++) {
		int v6 = round & 1;
		struct talk t = talk_open(web, web_addr[v6], db, listener, db_addr[v6], PORT);
		struct pup_call c = {.fn = do_exchange, .a = {t.client_fd, 10007, 1000, 0}};
		struct pup_call s = {.fn = do_exchange, .a = {t.server_fd, 4001, 4001, 10007}};
		struct sum web_sum, db_sum;

		assert_int_equal(pup_do(web, &c), 0);
		assert_int_equal(pup_do(db, &s), 10007);
		/* half of them are told of in between */
		if (round & 2) {
			assert_int_equal(bh_kern_sweep_tcp(a.k), 1);
			assert_int_equal(bh_kern_sweep_tcp(b.k), 1);
		}
		c.a[1] = 0;
		c.a[3] = 4001;
		assert_int_equal(pup_do(web, &c), 4001);
		if (round & 4) {
			assert_int_equal(pup_close(db, t.server_fd), 0);
			assert_int_equal(pup_close(web, t.client_fd), 0);
		} else {
			assert_int_equal(pup_close(web, t.client_fd), 0);
			assert_int_equal(pup_close(db, t.server_fd), 0);
		}
		ended(&a);
		ended(&b);
		web_sum = sum_of(&a, IPPROTO_TCP);
		db_sum = sum_of(&b, IPPROTO_TCP);
		assert_int_equal(web_sum.n, round & 2 ? 2 : 1);
		assert_int_equal(web_sum.bytes[BH_OUT], 10007);
		assert_int_equal(web_sum.bytes[BH_IN], 4001);
		assert_int_equal(db_sum.bytes[BH_IN], 10007);
		assert_int_equal(db_sum.bytes[BH_OUT], 4001);
		assert_true(web_sum.packets[BH_OUT] >= 10007 / 1448);
		assert_true(web_sum.rtt_us > 0 && web_sum.rtt_us < 1000000);
		assert_int_equal(web_sum.flags, 0x13); /* SYN, ACK, FIN */
		assert_int_equal(db_sum.flags, 0x13);
		assert_int_equal(web_sum.crypt, BH_CRYPT_UNKNOWN); /* zeroes */
		mark();
	}
}

static void test_data_that_opens_a_connection(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct talk t = {.client = web, .server = db};
		struct pup_call s = {.fn = do_exchange};
		struct sum sum;

		assert_int_equal(pup_set(db, listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, 3), 0);
		t.client_fd = talk_socket(web, SOCK_STREAM, db_addr[v6], web_addr[v6]);
		assert_int_equal(pup_connect(web, t.client_fd, db_addr[v6], PORT), 0);
		assert_int_equal(pup_send(web, t.client_fd, "GET / HTTP/1.0\r\n"), 16);
		t.server_fd = pup_accept(db, listener);
		assert_true(t.server_fd >= 0);
		s.a[0] = t.server_fd;
		s.a[3] = 16;
		assert_int_equal(pup_do(db, &s), 16);
		talk_close(&t);
		ended(&b);
		sum = sum_of(&b, IPPROTO_TCP);
		assert_int_equal(sum.bytes[BH_IN], 16);
		ended(&a);
		sum = sum_of(&a, IPPROTO_TCP);
		assert_int_equal(sum.bytes[BH_OUT], 16);
		assert_int_equal(sum.crypt, BH_CRYPT_PLAIN);
		assert_int_equal(pup_set(db, listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, 0), 0);
		mark();
	}
}

/* The last moments of a connection are told by its end alone. */
static void test_an_abort(void **state)
{
	struct linger now = {.l_onoff = 1};
	struct talk t = talk_open(web, web_addr[0], db, listener, db_addr[0], PORT);
	struct sum sum;

	(void)state;
	talk_both_ways(&t);
	assert_int_equal(pup_set_raw(web, t.client_fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)),
			 0);
	assert_int_equal(pup_close(web, t.client_fd), 0);
	ended(&a);
	ended(&b);
	sum = sum_of(&a, IPPROTO_TCP);
	assert_int_equal(sum.flags, 0x16); /* SYN, ACK, RST */
	assert_true(sum.bytes[BH_OUT] > 0 && sum.bytes[BH_IN] > 0);
	sum = sum_of(&b, IPPROTO_TCP);
	assert_int_equal(sum.flags, 0x16);
	assert_int_equal(pup_close(db, t.server_fd), 0);
	assert_int_equal(bh_kern_sweep_tcp(a.k), 0);
	assert_int_equal(bh_kern_sweep_tcp(b.k), 0);
}

/* Two kernels' worth of sockets, told of again and again while they are used. */
static void test_a_sweep_that_never_stops(void **state)
{
	struct talk t = talk_open(web, web_addr[1], db, listener, db_addr[1], PORT);
	struct pup_call c = {.fn = do_exchange, .a = {t.client_fd, 30000, 700, 0}};
	struct pup_call s = {.fn = do_exchange, .a = {t.server_fd, 0, 1, 30000}};
	struct sum sum;

	(void)state;
	for (int i = 0; i < 20; i++) {
		assert_int_equal(pup_do(web, &c), 0);
		assert_int_equal(bh_kern_sweep_tcp(a.k), 1);
		assert_int_equal(pup_do(db, &s), 30000);
		assert_true(bh_kern_sweep_tcp(b.k) >= 0);
	}
	talk_close(&t);
	ended(&a);
	ended(&b);
	sum = sum_of(&a, IPPROTO_TCP);
	assert_int_equal(sum.bytes[BH_OUT], 20 * 30000);
	sum = sum_of(&b, IPPROTO_TCP);
	assert_int_equal(sum.bytes[BH_IN], 20 * 30000);
}

/* --- who, and what it looks like -------------------------------------------------------------------- */

static void test_who_it_was(void **state)
{
	struct pup_call name = {.fn = do_name, .data = "curl"},
			other = {.fn = do_name, .data = "nginx"};
	struct sum web_sum, db_sum;
	struct talk t;

	(void)state;
	assert_int_equal(pup_do(web, &name), 0);
	t = talk_open(web, web_addr[0], db, listener, db_addr[0], PORT);
	assert_int_equal(pup_do(web, &other), 0);
	talk_both_ways(&t);
	talk_close(&t);
	ended(&a);
	ended(&b);
	web_sum = sum_of(&a, IPPROTO_TCP);
	db_sum = sum_of(&b, IPPROTO_TCP);
	assert_string_equal(web_sum.last->comm, "curl"); /* when it connected */
	assert_int_equal(web_sum.last->pid, web->pid);
	assert_int_equal(db_sum.last->pid, db->pid); /* of the listener */
	assert_true(*db_sum.last->comm);
}

static void looks(const void *data, size_t len, enum bh_crypt expect)
{
	struct talk t = talk_open(web, web_addr[0], db, listener, db_addr[0], PORT);
	struct sum sum;

	assert_int_equal(pup_write(web, t.client_fd, data, len, NULL, 0), (int)len);
	talk_close(&t);
	ended(&a);
	ended(&b);
	sum = sum_of(&a, IPPROTO_TCP);
	if (sum.crypt != expect || sum_of(&b, IPPROTO_TCP).crypt != expect)
		fail_msg("%.8s: %u, not %u", (const char *)data, sum.crypt, expect);
	mark();
}

static void datagram_looks(const void *data, size_t len, enum bh_crypt expect)
{
	int fd = talk_socket(web, SOCK_DGRAM, db_addr[1], web_addr[1]);
	struct sum sum;

	assert_int_equal(pup_write(web, fd, data, len, db_addr[1], PORT), (int)len);
	assert_int_equal(pup_close(web, fd), 0);
	assert_int_equal(bh_kern_sweep_flows(a.k), 1);
	sum = sum_of(&a, IPPROTO_UDP);
	assert_int_equal(sum.n, 1);
	if (sum.crypt != expect)
		fail_msg("%zu bytes: %u, not %u", len, sum.crypt, expect);
	mark();
}

static void test_what_it_looks_like(void **state)
{
	static const char hello[] = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";

	(void)state;
	looks(hello, sizeof(hello) - 1, BH_CRYPT_TLS);
	looks(hello, 3, BH_CRYPT_TLS);
	looks("\x16\x04\x01", 3, BH_CRYPT_UNKNOWN);
	looks("SSH-2.0-OpenSSH_9.2\r\n", 21, BH_CRYPT_SSH);
	looks("SSH", 3, BH_CRYPT_PLAIN);
	looks("GET / HTTP/1.1\r\n", 16, BH_CRYPT_PLAIN);
	looks("x", 1, BH_CRYPT_PLAIN);
	looks("\0\0\0\x08\x04\xd2\x16\x2f", 8, BH_CRYPT_UNKNOWN); /* may I, asks postgres' client */
	datagram_looks("\xc3\0\0\0\1\x08", 6, BH_CRYPT_QUIC);
	datagram_looks("\xcf\x6b\x33\x43\xcf\x08", 6, BH_CRYPT_QUIC);
	datagram_looks("\x43\0\0\0\1\x08", 6, BH_CRYPT_UNKNOWN);
	datagram_looks("\x16\xfe\xfd\0\0\0", 6, BH_CRYPT_TLS);
	datagram_looks("\x16\x03\x01\0\0\0", 6, BH_CRYPT_UNKNOWN);
	datagram_looks("<13>a line", 10, BH_CRYPT_PLAIN);
	datagram_looks("", 0, BH_CRYPT_NONE);
}

/* --- datagrams -------------------------------------------------------------------------------------- */

static void test_datagrams(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		int fd = talk_socket(web, SOCK_DGRAM, db_addr[v6], web_addr[v6]), err;
		struct pup_call drink = {.fn = do_drink, .a = {receiver[v6]}};
		const char *text;
		struct sum sum;

		assert_int_equal(flood(db_addr[v6], PORT, fd, 100, 333, false), 100);
		assert_int_equal(pup_sendto(web, fd, "ping", db_addr[v6], PORT), 4);
		(void)usleep(20000);
		for (int i = 0; i < 100; i++)
			assert_non_null(pup_recv(db, receiver[v6], &err));
		assert_int_equal(pup_answer(db, receiver[v6], "pong!"), 0);
		text = pup_recv(web, fd, &err);
		assert_non_null(text);
		assert_string_equal(text, "pong!");
		assert_int_equal(pup_do(db, &drink), 0);
		assert_int_equal(bh_kern_sweep_flows(a.k), 1);
		assert_int_equal(bh_kern_sweep_flows(b.k), 1);
		sum = sum_of(&a, IPPROTO_UDP);
		assert_int_equal(sum.packets[BH_OUT], 101);
		assert_int_equal(sum.bytes[BH_OUT], 100 * 333 + 4);
		assert_int_equal(sum.packets[BH_IN], 1);
		assert_int_equal(sum.bytes[BH_IN], 5);
		assert_int_equal(sum.last->dir, BH_OUT);
		assert_int_equal(sum.last->remote, net_identity(&a, "db"));
		assert_int_equal(sum.last->local, net_identity(&a, "web"));
		assert_int_equal(sum.last->remote_port, PORT);
		assert_int_equal(sum.last->pid, web->pid);
		sum = sum_of(&b, IPPROTO_UDP);
		assert_int_equal(sum.packets[BH_IN], 101);
		assert_int_equal(sum.bytes[BH_IN], 100 * 333 + 4);
		assert_int_equal(sum.bytes[BH_OUT], 5);
		assert_int_equal(sum.last->dir, BH_IN);
		assert_int_equal(sum.last->remote, net_identity(&b, "web"));
		assert_int_equal(pup_close(web, fd), 0);
		mark();
	}
}

/* In a process of its own, so that the map is emptied while it is written. */
static long do_flood_aside(struct pup_call *c)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	_exit(do_flood(c) == c->a[1] ? 0 : 1);
}

static long do_wait(struct pup_call *c)
{
	int status = -1;

	return waitpid((pid_t)c->a[0], &status, (int)c->a[1]) ? status : -EAGAIN;
}

static void test_the_map_is_emptied_while_it_is_written(void **state)
{
	int fd = talk_socket(web, SOCK_DGRAM, db_addr[0], web_addr[0]);
	struct pup_call c = {.fn = do_flood_aside, .a = {fd, 200000, 64, 0}};
	struct pup_call wait = {.fn = do_wait};
	struct sum sum;
	int sweeps = 0;

	(void)state;
	c.addr_len = pup_addr(db_addr[0], PORT, &c.addr);
	wait.a[0] = pup_do(web, &c);
	wait.a[1] = WNOHANG;
	assert_true(wait.a[0] > 0);
	do {
		assert_true(bh_kern_sweep_flows(a.k) >= 0);
		sweeps++;
	} while (pup_do(web, &wait) == -EAGAIN && sweeps < 4000);
	assert_true(bh_kern_sweep_flows(a.k) >= 0);
	sum = sum_of(&a, IPPROTO_UDP);
	assert_true(sum.n > 3);
	assert_int_equal(sum.packets[BH_OUT], 200000);
	assert_int_equal(sum.bytes[BH_OUT], 200000 * 64);
	assert_int_equal(pup_close(web, fd), 0);
}

/* More peers than there is room for: those without are counted, and all of them pass. */
static void test_no_room(void **state)
{
	int fd = talk_socket(web, SOCK_DGRAM, db_addr[0], web_addr[0]);
	__u64 lost = stat_of(&a, BH_STAT_FLOWS_LOST);
	__u64 packets = 0;
	int n;

	(void)state;
	assert_int_equal(flood(db_addr[0], 7001, fd, 20000, 1, true), 20000);
	a.n_event = 0;
	n = bh_kern_sweep_flows(a.k);
	lost = stat_of(&a, BH_STAT_FLOWS_LOST) - lost;
	assert_true(n > 0 && n < 20000 && lost > 0);
	for (size_t i = 0; i < a.n_event; i++)
		packets += a.event[i].packets[BH_OUT];
	/* the rig keeps no more */
	assert_int_equal(packets, NET_EVENTS);
	assert_int_equal((__u64)n + lost, 20000);
	assert_int_equal(pup_close(web, fd), 0);
}

static void test_ping(void **state)
{
	struct sum sum;

	(void)state;
	net_sysctl(&a, "net/ipv4/ping_group_range", "0 2147483647");
	for (int v6 = 0; v6 < 2; v6++) {
		__u8 proto = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
		int fd = pup_socket(web, v6 ? AF_INET6 : AF_INET, SOCK_DGRAM, proto), err;
		char echo[16] = {v6 ? (char)128 : 8};

		assert_true(fd >= 0);
		assert_int_equal(pup_bind(web, fd, web_addr[v6], 0), 0);
		assert_int_equal(pup_write(web, fd, echo, sizeof(echo), db_addr[v6], 0), 16);
		assert_non_null(pup_recv(web, fd, &err));
		assert_true(bh_kern_sweep_flows(a.k) >= 1);
		sum = sum_of(&a, proto);
		assert_int_equal(sum.packets[BH_OUT], 1);
		assert_int_equal(sum.packets[BH_IN], 1);
		assert_int_equal(sum.last->icmp >> 8, v6 ? 128 : 8);
		assert_int_equal(sum.last->local_port, 0);
		assert_int_equal(pup_close(web, fd), 0);
		mark();
	}
}

/* --- denies ----------------------------------------------------------------------------------------- */

static void test_denies_alike_are_told_a_few_times(void **state)
{
	int fd = talk_socket(web, SOCK_DGRAM, db_addr[0], web_addr[0]);
	__u64 seen = stat_of(&a, BH_STAT_EVENTS_SEEN), sent = stat_of(&a, BH_STAT_EVENTS_SENT);
	__u64 suppressed = stat_of(&a, BH_STAT_EVENTS_SUPPRESSED), told = 0;
	size_t n;

	(void)state;
	assert_int_equal(flood(db_addr[0], 6000, fd, 95, 8, false), 0);
	(void)net_event(&a, BH_EVENT_DENY, &n);
	assert_true(n >= 20 && n < 60);
	/* the next one says how many were not */
	(void)usleep(250000);
	assert_int_equal(pup_sendto(web, fd, "once more", db_addr[0], 6000), -EPERM);
	(void)net_event(&a, BH_EVENT_DENY, NULL);
	for (size_t i = 0; i < a.n_event; i++)
		told += a.event[i].type == BH_EVENT_DENY ? 1 + a.event[i].suppressed : 0;
	assert_int_equal(told, 96);
	seen = stat_of(&a, BH_STAT_EVENTS_SEEN) - seen;
	sent = stat_of(&a, BH_STAT_EVENTS_SENT) - sent;
	suppressed = stat_of(&a, BH_STAT_EVENTS_SUPPRESSED) - suppressed;
	assert_int_equal(seen, 96);
	assert_int_equal(sent + suppressed, 96);
	assert_int_equal(net_count(&a, BH_R_DEFAULT_DENY), 96);
	/* another port is another question */
	net_mark(&a);
	assert_int_equal(pup_sendto(web, fd, "x", db_addr[0], 6001), -EPERM);
	net_told(&a, BH_EVENT_DENY, BH_R_DEFAULT_DENY);
	assert_int_equal(pup_close(web, fd), 0);
}

/* -------------------------------------------------------------------------------------------------- */

static int up(void **state)
{
	(void)state;
	if (net_up(&a, &b))
		return -1;
	web = net_puppet(&a, "web.service");
	db = net_puppet(&b, "db.service");
	listener = pup_serve(db, SOCK_STREAM, "::", PORT);
	for (int v6 = 0; v6 < 2; v6++) {
		receiver[v6] = pup_serve(db, SOCK_DGRAM, db_addr[v6], PORT);
		if (pup_set(db, receiver[v6], SOL_SOCKET, SO_RCVBUF, 4 << 20))
			return -1;
	}
	return 0;
}

static int down(void **state)
{
	(void)state;
	pup_stop(web);
	pup_stop(db);
	return net_down(&a, &b);
}

#define TEST(name) cmocka_unit_test_setup(name, each_test)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_bytes_of_a_connection),
		TEST(test_data_that_opens_a_connection),
		TEST(test_an_abort),
		TEST(test_a_sweep_that_never_stops),
		TEST(test_who_it_was),
		TEST(test_what_it_looks_like),
		TEST(test_datagrams),
		TEST(test_the_map_is_emptied_while_it_is_written),
		TEST(test_no_room),
		TEST(test_ping),
		TEST(test_denies_alike_are_told_a_few_times),
	};

	return cmocka_run_group_tests_name("what is told of flows", tests, up, down);
}
