// SPDX-License-Identifier: Apache-2.0
/*
 * flood.c - datagrams that are refused at the call, to a port after the other, so that each is told
 * of. Run by selftests/bench/burst.sh:
 *
 *	flood ADDR RATE MS	RATE a second for so long; 0: as many as go
 *
 * Prints how many there were, and how many a second. It fails where one is not refused.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "benchrig.h"

#define FIRST_PORT 1024
#define PORTS	   64000
#define BURST	   1000 /* without a look at the clock */

static int burst(int fd, struct sockaddr_in *to, unsigned long from, unsigned long until)
{
	for (; from < until; from++) {
		to->sin_port = htons((uint16_t)(FIRST_PORT + from % PORTS));
		if (sendto(fd, "flood", 5, 0, (void *)to, sizeof(*to)) >= 0 || errno != EPERM) {
			perror("not refused");
			return -1;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	double start = bench_now_ns(), ns = 0, rate, ms;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	unsigned long n = 0, due;

	if (argc != 4 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1 || fd < 0)
		return 2;
	rate = atof(argv[2]);
	ms = atof(argv[3]);
	for (; ns < ms * 1e6; ns = bench_now_ns() - start) {
		due = rate > 0 ? (unsigned long)((ns / 1e9 + 1e-3) * rate) : n + BURST;
		/* who can't keep up looks at the clock all the same */
		due = due < n + BURST ? due : n + BURST;
		if (due > n && burst(fd, &to, n, due) < 0)
			return 1;
		n = due > n ? due : n;
	}
	printf("%lu %.0f\n", n, (double)n / ns * 1e9);
	return 0;
}
