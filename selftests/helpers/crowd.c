/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crowd.c - many clients of the control socket that mean no good, N of each kind, and one that
 * asks among them. Run by selftests/bench/status.sh and selftests/fault; the crowd goes on until it
 * is killed, and says "begun" when each of them has had its first turn.
 *
 *	crowd SOCKET { KIND N }... idle    connects and says nothing
 *	                           half    half a request
 *	                           deaf    asks and never reads an answer
 *	                           huge    a map without an end
 *	                           garbage any bytes
 *	                           greedy  asks for all there is as fast as it is answered
 *	                           storm   connects and leaves
 *	crowd SOCKET ask N [MS]    N times `status`, each on a connection of its own, MS apart: how many
 *	                           were answered, turned away, lost, and p50, p99 and max in ms
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "benchrig.h"

#define CROWD_MAX   4096
#define PATIENCE_MS 10000 /* then an answer is lost */

static struct sockaddr_un place = {.sun_family = AF_UNIX};

/* -1 where the backlog is full. */
static int enter(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0) {
		perror("socket");
		exit(1);
	}
	if (connect(fd, (struct sockaddr *)&place, sizeof(place)) == 0)
		return fd;
	if (errno != EAGAIN) {
		perror("connect");
		exit(1);
	}
	close(fd);
	return -1;
}

/* --- the crowd ----------------------------------------------------------------------------------- */

#define MAP_BEGINS "{\"verb\":\"check\",\"args\":{\"file\":\"x\",\"text\":\""

static const struct kind {
	const char *name;
	const char *first, *then; /* what it says when it is in, and whenever it can */
	bool reads, leaves;
} kinds[] = {
	{.name = "idle", .reads = true},
	{.name = "half", .first = "{\"verb\":\"status\",", .reads = true},
	{.name = "deaf",
	 .then = "{\"verb\":\"get\",\"args\":{\"what\":\"reasons\",\"all\":true}}\n"},
	{.name = "huge", .first = MAP_BEGINS, .then = "# a line of a map, one of very many\\n"},
	{.name = "garbage", .then = "\xff{\"verb\":\"\x01\n[[[[[{\"verb\":7}\n\n", .reads = true},
	{.name = "greedy",
	 .then = "{\"verb\":\"get\",\"args\":{\"what\":\"rules\"}}\n",
	 .reads = true},
	{.name = "storm", .leaves = true},
};

/* Return: false when it was hung up on. */
static bool turn(const struct kind *kind, int fd, short revents)
{
	static char answer[1 << 16];
	size_t n = kind->then ? strlen(kind->then) : 0;
	ssize_t got = 1;

	if (kind->reads && revents & POLLIN)
		got = recv(fd, answer, sizeof(answer), MSG_DONTWAIT);
	else if (revents & (POLLERR | POLLHUP))
		got = 0;
	if (got == 0 || (got < 0 && errno != EAGAIN))
		return false;
	return !n || !(revents & POLLOUT) ||
	       send(fd, kind->then, n, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0 || errno == EAGAIN;
}

static void join(const struct kind *kind, struct pollfd *p)
{
	p->fd = enter();
	if (p->fd < 0)
		return;
	p->events = (kind->reads ? POLLIN : 0) | (kind->then ? POLLOUT : 0);
	if (kind->first)
		(void)send(p->fd, kind->first, strlen(kind->first), MSG_DONTWAIT | MSG_NOSIGNAL);
}

__attribute__((noreturn)) static void crowd(const struct kind *kind, size_t n)
{
	static struct pollfd p[CROWD_MAX];
	bool begun = false;

	for (size_t i = 0; i < n; i++)
		p[i].fd = -1;
	for (;;) {
		for (size_t i = 0; i < n; i++) {
			if (p[i].fd < 0)
				join(kind, &p[i]);
			else if (kind->leaves ||
				 (p[i].revents && !turn(kind, p[i].fd, p[i].revents))) {
				close(p[i].fd);
				p[i].fd = -1;
			}
			p[i].revents = 0;
		}
		if (!begun && puts("begun") >= 0 && fflush(stdout) == 0)
			begun = true;
		/* who was turned away comes again at once; there is no event for it */
		(void)poll(p, n, kind->leaves ? 0 : 1);
	}
}

/* --- the one that asks ----------------------------------------------------------------------------- */

static bool in_time(int fd, short events, double end_ns)
{
	struct pollfd p = {.fd = fd, .events = events};
	double left = end_ns - bench_now_ns();

	return left > 0 && poll(&p, 1, (int)(left / 1e6) + 1) == 1;
}

/* Return: the first of the answer's bytes are in @text; false: there was none. */
static bool ask_once(char *text, size_t room)
{
	static const char line[] = "{\"verb\":\"status\"}\n";
	double end = bench_now_ns() + PATIENCE_MS * 1e6;
	size_t n = 0;
	ssize_t got;
	int fd;

	while ((fd = enter()) < 0 && bench_now_ns() < end)
		usleep(1000);
	if (fd < 0)
		return false;
	/* one that was turned away already has an answer to read */
	(void)send(fd, line, sizeof(line) - 1, MSG_NOSIGNAL);
	while (n < room - 1 && !memchr(text, '\n', n) && in_time(fd, POLLIN, end)) {
		got = recv(fd, text + n, room - 1 - n, MSG_DONTWAIT);
		if (got <= 0)
			break;
		n += (size_t)got;
	}
	close(fd);
	text[n] = '\0';
	return memchr(text, '\n', n) != NULL;
}

static void ask(size_t n, unsigned int pause_ms)
{
	static char text[1 << 20];
	double *ms = calloc(n, sizeof(*ms));
	size_t answered = 0, away = 0, lost = 0;

	if (!ms)
		exit(1);
	for (size_t i = 0; i < n; i++) {
		double began = bench_now_ns();
		bool got = ask_once(text, sizeof(text));

		if (got && strstr(text, "\"generation\":"))
			ms[answered++] = (bench_now_ns() - began) / 1e6;
		else if (got && !away++)
			fprintf(stderr, "turned away: %s", text);
		else
			lost++;
		usleep(pause_ms * 1000);
	}
	printf("%zu %zu %zu", answered, away, lost);
	if (answered)
		printf(" %.3f %.3f %.3f", bench_percentile(ms, answered, 50),
		       bench_percentile(ms, answered, 99), bench_percentile(ms, answered, 100));
	putchar('\n');
	free(ms);
}

static const struct kind *kind_of(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(kinds[i].name, name))
			return &kinds[i];
	fprintf(stderr, "no kind '%s'\n", name);
	exit(2);
}

static size_t number(const char *text)
{
	size_t n = strtoul(text, NULL, 10);

	if (n && n <= CROWD_MAX)
		return n;
	fprintf(stderr, "'%s' is no number from 1 to %d\n", text, CROWD_MAX);
	exit(2);
}

/* Each kind is a process; they end with the first. */
__attribute__((noreturn)) static void gather(char **argv)
{
	for (; argv[2]; argv += 2) {
		if (fork() == 0) {
			(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
			break;
		}
	}
	crowd(kind_of(argv[0]), number(argv[1]));
}

int main(int argc, char **argv)
{
	if (argc < 4 || strlen(argv[1]) >= sizeof(place.sun_path) ||
	    (strcmp(argv[2], "ask") != 0 && argc % 2)) {
		fprintf(stderr, "usage: %s SOCKET { KIND N }... | ask N [MS]\n", argv[0]);
		return 2;
	}
	strcpy(place.sun_path, argv[1]);
	if (strcmp(argv[2], "ask") != 0)
		gather(argv + 2);
	ask(number(argv[3]), argc > 4 ? (unsigned int)strtoul(argv[4], NULL, 10) : 0);
	return 0;
}
