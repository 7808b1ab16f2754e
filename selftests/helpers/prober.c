/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prober.c - asks again and again, thousands of times a second, and counts what it gets: for tests
 * of moments in which nobody judges. Run by selftests/e2e; ends at SIGTERM with a row for each lane:
 * its name, how many were sent, passed, denied (EPERM) and failed otherwise.
 *
 *	prober serve BACKLOG DELAY_MS PORT...       answers on TCP and UDP, both families
 *	prober local RATE ADDR4 ADDR6 PORT          a new socket for each question, TCP and UDP
 *	prober wire RATE DEV MAC FROM4 TO4 FROM6 TO6 PORT
 *	                                            frames: a SYN or a datagram is passed if it is
 *	                                            answered; RATE 0 waits for each answer
 *	prober talk PERIOD_MS tcp|udp ADDR PORT     one socket, a number each time, which comes back
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>
#include "pkt.h"

#define PATIENCE_MS 5000 /* so long an answer may take on a busy machine */
#define SLICE_MS    50
#define SLOW_MS	    1000 /* worth a line */

struct lane {
	const char *name;
	unsigned long sent, passed, denied, failed;
	int last_errno;
	int64_t slowest_ms;
};

static volatile sig_atomic_t over;

static void on_term(int sig)
{
	(void)sig;
	over = 1;
}

__attribute__((noreturn)) static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void report(const struct lane *lane, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		printf("%s %lu %lu %lu %lu", lane[i].name, lane[i].sent, lane[i].passed,
		       lane[i].denied, lane[i].failed);
		if (lane[i].failed)
			printf(" # %s", strerror(lane[i].last_errno));
		printf("\n");
		if (lane[i].slowest_ms >= SLOW_MS)
			printf("# %s: the slowest took %ld ms\n", lane[i].name,
			       (long)lane[i].slowest_ms);
	}
	fflush(stdout);
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* 0 and passed, or an errno. */
static void count(struct lane *lane, int err)
{
	/* what the end cut short is no probe */
	if (over && err)
		return;
	lane->sent++;
	if (!err)
		lane->passed++;
	else if (err == EPERM)
		lane->denied++;
	else
		lane->failed++;
	if (err && err != EPERM)
		lane->last_errno = err;
}

static void pace(long period_ns)
{
	static struct timespec next;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	next.tv_nsec += period_ns;
	next.tv_sec += next.tv_nsec / 1000000000;
	next.tv_nsec %= 1000000000;
	if (next.tv_sec < now.tv_sec || (next.tv_sec == now.tv_sec && next.tv_nsec < now.tv_nsec))
		next = now;
	else
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
}

static socklen_t address(const char *text, int port, struct sockaddr_storage *ret)
{
	struct sockaddr_in6 *six = (void *)ret;
	struct sockaddr_in *four = (void *)ret;

	memset(ret, 0, sizeof(*ret));
	if (inet_pton(AF_INET, text, &four->sin_addr) == 1) {
		four->sin_family = AF_INET;
		four->sin_port = htons((uint16_t)port);
		return sizeof(*four);
	}
	if (inet_pton(AF_INET6, text, &six->sin6_addr) != 1)
		die(text);
	six->sin6_family = AF_INET6;
	six->sin6_port = htons((uint16_t)port);
	return sizeof(*six);
}

/*
 * Waits for @events. Return: 0 or an errno. In slices: where the whole machine stood still, one of
 * them is over, and who has to answer gets the others.
 */
static int await(int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};
	int r = 0;

	for (int i = 0; i < PATIENCE_MS / SLICE_MS && r == 0; i++)
		r = poll(&p, 1, SLICE_MS);
	return r > 0 ? 0 : r == 0 ? ETIMEDOUT : errno;
}

/* --- serve ----------------------------------------------------------------------------------- */

static long delay_ms;

static int bound(int type, int port, int backlog)
{
	int fd = socket(AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1, zero = 0;
	struct sockaddr_storage any;
	socklen_t len = address("::", port, &any);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	if (fd < 0 || bind(fd, (void *)&any, len) < 0)
		die("bind");
	if (type == SOCK_STREAM && listen(fd, backlog) < 0)
		die("listen");
	return fd;
}

/* For who finds a datagram without an answer: whether it was asked. */
static void tell_refused(const struct sockaddr_storage *to)
{
	const struct sockaddr_in6 *six = (const void *)to;
	char text[INET6_ADDRSTRLEN];
	int err = errno;

	printf("# %ld: no answer to [%s]:%d: %s\n", (long)time(NULL),
	       inet_ntop(AF_INET6, &six->sin6_addr, text, sizeof(text)), ntohs(six->sin6_port),
	       strerror(err));
	fflush(stdout);
}

static void answer_datagrams(int fd)
{
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	char data[64];
	ssize_t n;

	while ((n = recvfrom(fd, data, sizeof(data), 0, (void *)&from, &len)) >= 0) {
		if (delay_ms)
			usleep((useconds_t)delay_ms * 1000);
		if (sendto(fd, data, (size_t)n, 0, (void *)&from, len) < 0)
			tell_refused(&from);
		len = sizeof(from);
	}
}

static void answer_stream(int fd)
{
	char data[64];
	ssize_t n = read(fd, data, sizeof(data));

	if (n > 0 && delay_ms)
		usleep((useconds_t)delay_ms * 1000);
	if (n == 0 || (n < 0 && errno != EAGAIN) || (n > 0 && write(fd, data, (size_t)n) != n))
		close(fd);
}

enum { KIND_LISTEN, KIND_DATAGRAMS, KIND_STREAM };

static void watch(int ep, int fd, uint64_t kind)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.u64 = kind << 32 | (uint32_t)fd};

	if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) < 0)
		die("epoll_ctl");
}

static int serve(int argc, char **argv)
{
	struct epoll_event ev[64];
	int ep = epoll_create1(EPOLL_CLOEXEC), n;

	delay_ms = atol(argv[1]);
	for (int i = 2; i < argc; i++) {
		watch(ep, bound(SOCK_STREAM, atoi(argv[i]), atoi(argv[0])), KIND_LISTEN);
		watch(ep, bound(SOCK_DGRAM, atoi(argv[i]), 0), KIND_DATAGRAMS);
	}
	printf("# serving\n");
	fflush(stdout);
	while (!over && ((n = epoll_wait(ep, ev, 64, 1000)) >= 0 || errno == EINTR)) {
		for (int i = 0; i < n; i++) {
			int fd = (int)(uint32_t)ev[i].data.u64, child;

			switch (ev[i].data.u64 >> 32) {
			case KIND_LISTEN:
				while ((child = accept4(fd, NULL, NULL,
							SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
					watch(ep, child, KIND_STREAM);
				break;
			case KIND_DATAGRAMS:
				answer_datagrams(fd);
				break;
			case KIND_STREAM:
				answer_stream(fd);
				break;
			}
		}
	}
	return 0;
}

/* --- local ----------------------------------------------------------------------------------- */

/* A whole handshake. It ends by a reset, so that no port is used up. */
static int ask_tcp(int fd, const struct sockaddr_storage *to, socklen_t len)
{
	const struct linger hard = {1, 0};
	int err = 0;
	socklen_t size = sizeof(err);

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	if (connect(fd, (const void *)to, len) == 0)
		return 0;
	if (errno != EINPROGRESS)
		return errno;
	err = await(fd, POLLOUT);
	if (!err && getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &size) < 0)
		err = errno;
	return err;
}

static int ask_udp(int fd, const struct sockaddr_storage *to, socklen_t len)
{
	char data[64];
	int err;

	if (sendto(fd, "ping", 4, 0, (const void *)to, len) < 0)
		return errno;
	err = await(fd, POLLIN);
	if (err)
		return err;
	return recv(fd, data, sizeof(data), 0) == 4 ? 0 : errno;
}

static int local(char **argv)
{
	struct lane lane[] = {
		{.name = "tcp4"}, {.name = "tcp6"}, {.name = "udp4"}, {.name = "udp6"}};
	struct sockaddr_storage to[2];
	socklen_t len[2];
	long rate = atol(argv[0]);

	for (int i = 0; i < 2; i++)
		len[i] = address(argv[1 + i], atoi(argv[3]), &to[i]);
	printf("# probing\n");
	fflush(stdout);
	for (unsigned int i = 0; !over; i++) {
		struct lane *at = &lane[i % 4];
		int64_t begin_ms = now_ms();
		bool tcp = i % 4 < 2;
		int fd = socket(to[i % 2].ss_family,
				(tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK, 0);

		if (fd < 0)
			die("socket");
		count(at, tcp ? ask_tcp(fd, &to[i % 2], len[i % 2])
			      : ask_udp(fd, &to[i % 2], len[i % 2]));
		if (now_ms() - begin_ms > at->slowest_ms)
			at->slowest_ms = now_ms() - begin_ms;
		close(fd);
		pace(1000000000 / rate);
	}
	report(lane, 4);
	return 0;
}

/* --- wire ------------------------------------------------------------------------------------ */

enum { LANE_SYN4, LANE_SYN6, LANE_UDP4, LANE_UDP6, LANES };

struct wire {
	int fd;
	struct ether_addr mac;
	const char *from[2], *to[2];
	uint16_t port;
	struct lane lane[LANES];
};

/* A source port of its own for each question, so that the answer tells which it is. */
static uint16_t source_port(unsigned long n)
{
	return (uint16_t)(20000 + n % 40000);
}

static void put_frame(const struct wire *w, int lane, struct pkt *p)
{
	int six = lane == LANE_SYN6 || lane == LANE_UDP6;
	uint16_t from = source_port(w->lane[lane].sent);

	pkt_start(p);
	if (six)
		pkt_ip6(p, w->from[1], w->to[1]);
	else
		pkt_ip4(p, w->from[0], w->to[0]);
	if (lane < LANE_UDP4) {
		pkt_tcp(p, from, w->port, PKT_SYN);
	} else {
		pkt_udp(p, from, w->port);
		pkt_payload(p, "ping", 4);
	}
	pkt_finish(p);
	memcpy(p->data, &w->mac, 6);
}

/* The lane that a frame answers, -1 if none; *ret_port is where the question came from. */
static int lane_of(const struct wire *w, const uint8_t *f, ssize_t n, uint16_t *ret_port)
{
	bool six = n > 54 && f[12] == 0x86 && f[13] == 0xdd;
	const uint8_t *l4 = f + (six ? 54 : 34);
	uint8_t proto = six ? f[20] : f[23];

	if (n < l4 - f + 8 || (!six && (f[12] != 8 || f[13] != 0)))
		return -1;
	if (((uint16_t)(l4[0] << 8) | l4[1]) != w->port)
		return -1;
	*ret_port = (uint16_t)(l4[2] << 8) | l4[3];
	if (proto == IPPROTO_UDP)
		return six ? LANE_UDP6 : LANE_UDP4;
	if (proto == IPPROTO_TCP && n >= l4 - f + 14 && (l4[13] & 0x12) == 0x12)
		return six ? LANE_SYN6 : LANE_SYN4;
	return -1;
}

/* Reads what came. True when @lane's question from @port was answered. */
static bool take_answers(struct wire *w, int lane, uint16_t port)
{
	bool answered = false;
	uint8_t f[2048];
	uint16_t to;
	ssize_t n;

	while ((n = recv(w->fd, f, sizeof(f), MSG_DONTWAIT)) > 0) {
		int which = lane_of(w, f, n, &to);

		if (which < 0)
			continue;
		if (lane < 0)
			w->lane[which].passed++;
		else if (which == lane && to == port)
			answered = true;
	}
	return answered;
}

static int await_answer(struct wire *w, int lane, uint16_t port)
{
	while (!take_answers(w, lane, port)) {
		int err = await(w->fd, POLLIN);

		if (err)
			return err;
	}
	return 0;
}

static void wire_open(struct wire *w, const char *dev)
{
	struct sockaddr_ll ll = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex(dev),
	};
	int one = 1, bytes = 8 << 20;

	w->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (w->fd < 0 || bind(w->fd, (void *)&ll, sizeof(ll)) < 0 ||
	    setsockopt(w->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) < 0 ||
	    setsockopt(w->fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0)
		die(dev);
}

static int wire(char **argv)
{
	struct wire w = {
		.from = {argv[3], argv[5]},
		.to = {argv[4], argv[6]},
		.port = (uint16_t)atoi(argv[7]),
		.lane = {{.name = "syn4"}, {.name = "syn6"}, {.name = "udp4"}, {.name = "udp6"}},
	};
	long rate = atol(argv[0]);

	if (!ether_aton_r(argv[2], &w.mac))
		die(argv[2]);
	wire_open(&w, argv[1]);
	printf("# probing\n");
	fflush(stdout);
	for (int i = 0; !over; i = (i + 1) % LANES) {
		uint16_t port = source_port(w.lane[i].sent);
		struct pkt p;

		put_frame(&w, i, &p);
		if (send(w.fd, p.data, p.len, 0) < 0)
			die("send");
		if (rate) {
			w.lane[i].sent++;
			(void)take_answers(&w, -1, 0);
			pace(1000000000 / rate);
		} else {
			count(&w.lane[i], await_answer(&w, i, port));
			/* the agent wants a share of the machine */
			pace(500000);
		}
	}
	if (rate) {
		usleep(100000);
		(void)take_answers(&w, -1, 0);
	}
	report(w.lane, LANES);
	return 0;
}

/* --- talk ------------------------------------------------------------------------------------ */

static int say(int fd, uint64_t number)
{
	uint64_t back = 0;
	size_t have = 0;

	if (send(fd, &number, sizeof(number), MSG_NOSIGNAL) != sizeof(number))
		return errno;
	while (have < sizeof(back)) {
		int err = await(fd, POLLIN);
		ssize_t n;

		if (err)
			return err;
		n = recv(fd, (char *)&back + have, sizeof(back) - have, 0);
		if (n <= 0)
			return n < 0 ? errno : ECONNRESET;
		have += (size_t)n;
	}
	return back == number ? 0 : EBADMSG;
}

static int talk(char **argv)
{
	struct lane lane = {.name = argv[1]};
	bool tcp = !strcmp(argv[1], "tcp");
	struct sockaddr_storage to;
	socklen_t len = address(argv[2], atoi(argv[3]), &to);
	int fd = socket(to.ss_family, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0), one = 1;

	if (tcp)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fd, (void *)&to, len) < 0)
		die("connect");
	printf("# probing\n");
	fflush(stdout);
	for (uint64_t i = 1; !over; i++) {
		int err = say(fd, i);

		count(&lane, err);
		/* a connection that is cut stays so; a datagram has no successor either */
		if (err && !over)
			break;
		pace(atol(argv[0]) * 1000000);
	}
	report(&lane, 1);
	return 0;
}

int main(int argc, char **argv)
{
	const struct sigaction term = {.sa_handler = on_term};
	const char *verb = argc > 1 ? argv[1] : "";

	sigaction(SIGTERM, &term, NULL);
	signal(SIGPIPE, SIG_IGN);
	if (!strcmp(verb, "serve") && argc > 4)
		return serve(argc - 2, argv + 2);
	if (!strcmp(verb, "local") && argc == 6)
		return local(argv + 2);
	if (!strcmp(verb, "wire") && argc == 10)
		return wire(argv + 2);
	if (!strcmp(verb, "talk") && argc == 6)
		return talk(argv + 2);
	fprintf(stderr, "see the head of selftests/helpers/prober.c\n");
	return 2;
}
