// SPDX-License-Identifier: Apache-2.0
/*
 * counted.c - a workload that counts itself what it sent and received, to compare with what is told
 * of it. Run by selftests/e2e/exact.sh and selftests/bench/goodput.sh.
 *
 *	counted serve PORT...              TCP and UDP, both families, until it is told to end
 *	counted ask tcp|udp ADDR PORT N    N connections or datagrams, each answered
 *	counted rate tcp|udp ADDR PORT MS  as many as go; of UDP one way. Prints how many a second
 *	counted throw ADDR PORT N          N datagrams to as many ports; nobody need be there
 *	counted knock tcp|udp ADDR PORT N  N that are refused; port 0: any, at any host of the /16
 *
 * At the end a line for each protocol, direction and family:
 *	tcp egress 4 CONNECTIONS PACKETS-OUT BYTES-OUT PACKETS-IN BYTES-IN FAILED
 * CONNECTIONS of UDP are its sockets, PACKETS of TCP are not counted.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include "benchrig.h"

#define PATIENCE_MS 10000
#define SLICE_MS    50
#define BURST	    16
#define SEGMENT	    100	   /* of a burst that is sent in one call */
#define SOCKET_OF   64	   /* bursts that a UDP socket sends */
#define DATAGRAM    1400   /* at most */
#define QUIET	    0xffff /* for an answer: there shall be none */
#define STREAM	    20000  /* at most, each way */
#define STANDING    100	   /* bytes, in each of its turns, of the connection that stays */
#define TURN	    50	   /* connections between these turns */

enum { BY_CLIENT, BY_SERVER, BY_RESET, HALF_CLOSED, CLOSES };

/* What a client begins with. */
struct wish {
	uint32_t bytes; /* behind it */
	uint32_t reply;
	uint32_t close;
};

struct sum {
	unsigned long n, packets_out, bytes_out, packets_in, bytes_in, failed;
};

enum { TCP, UDP };
static struct sum sums[2][2]; /* TCP or UDP; IPv4 or IPv6 */
static char data[65536];
static volatile sig_atomic_t over;
static uint64_t seed;

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

static uint32_t any(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)((seed >> 32) % below);
}

static void report(const char *direction)
{
	for (int i = 0; i < 4; i++) {
		const struct sum *s = &sums[i / 2][i % 2];

		if (s->n || s->failed || s->packets_in)
			printf("%s %s %d %lu %lu %lu %lu %lu %lu\n", i / 2 == TCP ? "tcp" : "udp",
			       direction, i % 2 ? 6 : 4, s->n, s->packets_out, s->bytes_out,
			       s->packets_in, s->bytes_in, s->failed);
	}
	fflush(stdout);
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

static struct sum *sum_of(int what, const struct sockaddr_storage *peer)
{
	const struct sockaddr_in6 *six = (const void *)peer;

	return &sums[what][peer->ss_family == AF_INET6 && !IN6_IS_ADDR_V4MAPPED(&six->sin6_addr)];
}

/* In slices: where the whole machine stood still, one of them is over, and not all. */
static int await(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int r = 0;

	for (int i = 0; i < PATIENCE_MS / SLICE_MS && r == 0; i++)
		r = poll(&p, 1, SLICE_MS);
	return r == 1 ? 0 : -1;
}

/* --- serve ----------------------------------------------------------------------------------- */

struct talk {
	int fd;
	struct sum *sum;
	struct wish wish;
	size_t got; /* with the wish */
};

struct place {
	int kind; /* TCP: it listens */
	int fd;
	struct talk *talk;
};

static int bound(int type, int port)
{
	int fd = socket(AF_INET6, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1, zero = 0;
	struct sockaddr_storage all;
	socklen_t len = address("::", port, &all);
	int bytes = 16 << 20;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	if (fd < 0 || bind(fd, (void *)&all, len) < 0)
		die("bind");
	if (type == SOCK_DGRAM)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	else if (listen(fd, 4096) < 0)
		die("listen");
	return fd;
}

static void watch(int ep, int fd, int kind, struct talk *talk)
{
	struct place *p = malloc(sizeof(*p));
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = p};

	if (!p)
		die("malloc");
	*p = (struct place){kind, fd, talk};
	if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) < 0)
		die("epoll_ctl");
}

static void accept_all(int ep, int fd)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);
	int child, one = 1;

	while ((child = accept4(fd, (void *)&peer, &len, SOCK_CLOEXEC)) >= 0) {
		struct talk *t = calloc(1, sizeof(*t));

		if (!t)
			die("calloc");
		setsockopt(child, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		t->fd = child;
		t->sum = sum_of(TCP, &peer);
		t->sum->n++;
		watch(ep, child, TCP, t);
		len = sizeof(peer);
	}
}

static void send_all(int fd, size_t bytes, struct sum *s)
{
	while (bytes) {
		ssize_t n =
			send(fd, data, bytes < sizeof(data) ? bytes : sizeof(data), MSG_NOSIGNAL);

		if (n <= 0) {
			s->failed++;
			return;
		}
		s->bytes_out += (unsigned long)n;
		bytes -= (size_t)n;
	}
}

static ssize_t take(struct talk *t)
{
	ssize_t n;

	if (t->got < sizeof(t->wish))
		n = recv(t->fd, (char *)&t->wish + t->got, sizeof(t->wish) - t->got, 0);
	else
		n = recv(t->fd, data, sizeof(data), 0);
	if (n > 0) {
		t->got += (size_t)n;
		t->sum->bytes_in += (unsigned long)n;
	}
	return n;
}

/* Return: whether it goes on. */
static bool serve_stream(struct talk *t)
{
	ssize_t n = take(t);
	bool whole = t->got >= sizeof(t->wish) && t->got == sizeof(t->wish) + t->wish.bytes;

	if (n < 0) {
		if (errno != ECONNRESET || !whole || t->wish.close != BY_RESET)
			t->sum->failed++;
		return false;
	}
	if (n == 0) {
		if (!whole)
			t->sum->failed++;
		else if (t->wish.close == HALF_CLOSED)
			send_all(t->fd, t->wish.reply, t->sum);
		return false;
	}
	if (whole && t->wish.close != HALF_CLOSED)
		send_all(t->fd, t->wish.reply, t->sum);
	return !whole || t->wish.close != BY_SERVER;
}

/* Each asks for an answer of a size. */
static void answer_datagrams(int fd)
{
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	uint16_t reply;
	ssize_t n;

	for (; (n = recvfrom(fd, data, sizeof(data), 0, (void *)&from, &len)) >= 0;
	     len = sizeof(from)) {
		struct sum *s = sum_of(UDP, &from);

		s->packets_in++;
		s->bytes_in += (unsigned long)n;
		memcpy(&reply, data, sizeof(reply));
		if (n < (ssize_t)sizeof(reply))
			reply = 0;
		if (reply == QUIET)
			continue;
		if (sendto(fd, data, reply, 0, (void *)&from, len) == reply)
			s->packets_out++, s->bytes_out += reply;
		else
			s->failed++;
	}
}

static int serve(int argc, char **argv)
{
	int ep = epoll_create1(EPOLL_CLOEXEC), n;
	struct epoll_event ev[64];

	for (int i = 0; i < argc; i++) {
		watch(ep, bound(SOCK_STREAM, atoi(argv[i])), TCP, NULL);
		watch(ep, bound(SOCK_DGRAM, atoi(argv[i])), UDP, NULL);
	}
	printf("# serving\n");
	fflush(stdout);
	while (!over && ((n = epoll_wait(ep, ev, 64, 1000)) >= 0 || errno == EINTR)) {
		for (int i = 0; i < n; i++) {
			struct place *p = ev[i].data.ptr;

			if (p->kind == UDP) {
				answer_datagrams(p->fd);
			} else if (!p->talk) {
				accept_all(ep, p->fd);
			} else if (!serve_stream(p->talk)) {
				close(p->fd);
				free(p->talk);
				free(p);
			}
		}
	}
	report("ingress");
	return 0;
}

/* --- ask: streams ---------------------------------------------------------------------------- */

static int connected(int type, const struct sockaddr_storage *to, socklen_t len, struct sum *s)
{
	int fd = socket(to->ss_family, type | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0)
		die("socket");
	if (type == SOCK_STREAM)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fd, (const void *)to, len) < 0) {
		fprintf(stderr, "# connect: %s\n", strerror(errno));
		s->failed++;
		close(fd);
		return -1;
	}
	s->n++;
	return fd;
}

static void begin(int fd, const struct wish *w, struct sum *s)
{
	if (send(fd, w, sizeof(*w), MSG_NOSIGNAL | (w->bytes ? MSG_MORE : 0)) == sizeof(*w))
		s->bytes_out += sizeof(*w);
	else
		s->failed++;
}

static void end(int fd, const struct wish *w, struct sum *s)
{
	const struct linger hard = {1, 0};
	size_t got = 0;
	ssize_t n = 1;

	if (w->close == HALF_CLOSED)
		shutdown(fd, SHUT_WR);
	while (got < w->reply && (n = recv(fd, data, sizeof(data), 0)) > 0)
		got += (size_t)n;
	s->bytes_in += got;
	if (got != w->reply)
		s->failed++;
	if ((w->close == BY_SERVER || w->close == HALF_CLOSED) && recv(fd, data, 1, 0) != 0)
		s->failed++;
	if (w->close == BY_RESET)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	close(fd);
}

/* Mostly small, as they are. */
static uint32_t some(void)
{
	return any(8) ? any(700) : any(STREAM);
}

static void ask_tcp(const struct sockaddr_storage *to, socklen_t len, unsigned long n)
{
	const struct wish standing = {
		.bytes = (uint32_t)((n - 1) / TURN) * STANDING,
		.reply = STANDING,
		.close = BY_CLIENT,
	};
	struct sum *s = sum_of(TCP, to);
	int stands = connected(SOCK_STREAM, to, len, s);

	begin(stands, &standing, s);
	for (unsigned long i = 1; i < n; i++) {
		const struct wish w = {some(), 1 + some(), (uint32_t)(i % CLOSES)};
		int fd = connected(SOCK_STREAM, to, len, s);

		if (i % TURN == 0)
			send_all(stands, STANDING, s);
		if (fd < 0)
			continue;
		begin(fd, &w, s);
		send_all(fd, w.bytes, s);
		end(fd, &w, s);
	}
	end(stands, &standing, s);
}

/* --- ask: datagrams -------------------------------------------------------------------------- */

static void put(int fd, const struct sockaddr_storage *to, socklen_t len, size_t bytes,
		struct sum *s)
{
	uint16_t reply = (uint16_t)any(DATAGRAM);

	memcpy(data, &reply, sizeof(reply));
	if (sendto(fd, data, bytes, 0, (const void *)to, len) == (ssize_t)bytes)
		s->packets_out++, s->bytes_out += bytes;
	else
		s->failed++;
}

/* One call, and the kernel makes a burst of it. */
static void put_burst(int fd, const struct sockaddr_storage *to, socklen_t len, struct sum *s)
{
	int segment = SEGMENT, none = 0;

	for (size_t i = 0; i < BURST; i++) {
		uint16_t reply = (uint16_t)any(DATAGRAM);

		memcpy(data + i * SEGMENT, &reply, sizeof(reply));
	}
	setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof(segment));
	if (sendto(fd, data, (size_t)BURST * SEGMENT, 0, (const void *)to, len) == BURST * SEGMENT)
		s->packets_out += BURST, s->bytes_out += (unsigned long)BURST * SEGMENT;
	else
		s->failed++;
	setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &none, sizeof(none));
}

static void get(int fd, struct sum *s)
{
	for (int i = 0; i < BURST; i++) {
		ssize_t n = await(fd) < 0 ? -1 : recv(fd, data, sizeof(data), 0);

		if (n < 0) {
			s->failed++;
			return;
		}
		s->packets_in++;
		s->bytes_in += (unsigned long)n;
	}
}

static void ask_udp(const struct sockaddr_storage *to, socklen_t len, unsigned long n)
{
	struct sum *s = sum_of(UDP, to);
	int fd = -1;

	memset(data, 0, sizeof(data));
	for (unsigned long i = 0; i < n / BURST; i++) {
		if (i % SOCKET_OF == 0) {
			close(fd);
			fd = i / SOCKET_OF % 2 ? connected(SOCK_DGRAM, to, len, s)
					       : socket(to->ss_family, SOCK_DGRAM, 0);
			s->n += i / SOCKET_OF % 2 == 0;
		}
		if (i % 8 == 0)
			put_burst(fd, to, len, s);
		else
			for (int j = 0; j < BURST; j++)
				put(fd, to, len, any(20) ? any(DATAGRAM) : 0, s);
		get(fd, s);
		memset(data, 0, (size_t)BURST * DATAGRAM);
	}
	close(fd);
}

/* --- rate ------------------------------------------------------------------------------------ */

/* A whole connection, or a datagram that is for nobody to answer. */
static int rate(bool tcp, const struct sockaddr_storage *to, socklen_t len, double ms)
{
	const struct wish w = {0, 1, BY_RESET};
	struct sum *s = sum_of(tcp ? TCP : UDP, to);
	double start = bench_now_ns(), ns = 0;
	unsigned long n = 0;
	int fd = tcp ? -1 : connected(SOCK_DGRAM, to, len, s);

	memcpy(data, &(uint16_t){QUIET}, sizeof(uint16_t));
	for (; ns < ms * 1e6; ns = bench_now_ns() - start) {
		for (int i = 0; i < BURST; i++, n++) {
			if (!tcp) {
				s->failed += send(fd, data, 64, 0) != 64;
				continue;
			}
			fd = connected(SOCK_STREAM, to, len, s);
			begin(fd, &w, s);
			end(fd, &w, s);
		}
	}
	if (s->failed) {
		fprintf(stderr, "%lu of %lu failed\n", s->failed, n);
		return 1;
	}
	printf("%.0f\n", (double)n / ns * 1e9);
	return 0;
}

/* --- throw, knock ---------------------------------------------------------------------------- */

static void set_port(struct sockaddr_storage *to, unsigned long port)
{
	/* at the same place in both families */
	((struct sockaddr_in *)to)->sin_port = htons((uint16_t)port);
}

static void throw_udp(struct sockaddr_storage *to, socklen_t len, int port, unsigned long n)
{
	struct sum *s = sum_of(UDP, to);
	int fd = socket(to->ss_family, SOCK_DGRAM, 0);

	s->n++;
	for (unsigned long i = 0; i < n; i++) {
		set_port(to, (unsigned long)port + i);
		put(fd, to, len, 10 + i % 90, s);
	}
	close(fd);
}

static void knock(bool tcp, struct sockaddr_storage *to, socklen_t len, bool all, unsigned long n)
{
	struct sum *s = sum_of(tcp ? TCP : UDP, to);
	int fd = -1;

	for (unsigned long i = 0; i < n; i++) {
		int r;

		if (all) {
			/* an odd number, so that each is another one for 2^31 turns */
			uint32_t at = (uint32_t)i * 2654435761u;
			uint32_t *host = &((struct sockaddr_in *)to)->sin_addr.s_addr;

			*host = htonl((ntohl(*host) & 0xffff0000) | at >> 16);
			set_port(to, 1024 + (at & 0xffff) % 64000);
		}
		if (fd < 0)
			fd = socket(to->ss_family, tcp ? SOCK_STREAM : SOCK_DGRAM, 0);
		r = tcp ? connect(fd, (void *)to, len)
			: (int)sendto(fd, data, 8, 0, (void *)to, len);
		if (r < 0 && errno == EPERM)
			s->n++;
		else
			s->failed++;
		if (r >= 0 || tcp) {
			close(fd);
			fd = -1;
		}
	}
	close(fd);
}

/* --- */

static int usage(void)
{
	fprintf(stderr, "see the head of selftests/helpers/counted.c\n");
	return 2;
}

int main(int argc, char **argv)
{
	const struct sigaction term = {.sa_handler = on_term};
	const char *verb = argc > 1 ? argv[1] : "";
	bool throws = !strcmp(verb, "throw"), tcp = argc > 2 && !strcmp(argv[2], "tcp");
	char **rest = argv + (throws ? 2 : 3); /* ADDR PORT N */
	struct sockaddr_storage to;
	unsigned long n;
	socklen_t len;
	int port;

	sigaction(SIGTERM, &term, NULL);
	seed = 0x9e3779b97f4a7c15ull ^ (uint64_t)getpid();
	if (!strcmp(verb, "serve") && argc > 2)
		return serve(argc - 2, argv + 2);
	if (argc != (throws ? 5 : 6))
		return usage();
	port = atoi(rest[1]);
	len = address(rest[0], port, &to);
	n = strtoul(rest[2], NULL, 10);
	if (!strcmp(verb, "rate"))
		return rate(tcp, &to, len, (double)n);
	if (throws)
		throw_udp(&to, len, port, n);
	else if (!strcmp(verb, "knock"))
		knock(tcp, &to, len, port == 0, n);
	else if (!strcmp(verb, "ask") && tcp)
		ask_tcp(&to, len, n);
	else if (!strcmp(verb, "ask"))
		ask_udp(&to, len, n);
	else
		return usage();
	report("egress");
	return 0;
}
