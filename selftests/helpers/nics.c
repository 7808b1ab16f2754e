/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nics.c - makes devices for another host, one after the other, and sends frames into each from
 * its first moment: SYNs that are forbidden, SYNs that are allowed, and pings, which the kernel
 * itself answers until the device has a program. Run by selftests/e2e/nics.sh, in the namespace of
 * the host outside; answers come back by DEV.
 *
 *	nics COUNT PID-OF-A-PROCESS-ON-THE-HOST DEV FORBIDDEN-PORT ALLOWED-PORT
 *
 * Devices are o0.. here and n0.. there, NAMES of them at a time. Every tenth is made here and
 * moved. Prints what came of it, a number each line.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "pkt.h"

#define NAMES	    50 /* as in nics.sh */
#define GROUP	    7737
#define QUIET	    8	 /* so many pings in a row without an answer: it is guarded */
#define PROMISED_MS 50	 /* kernel-ended traffic is judged on a new device */
#define PATIENCE_MS 5000 /* then something is broken */

__attribute__((noreturn)) static void die(const char *what)
{
	perror(what);
	exit(1);
}

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* --- rtnetlink ------------------------------------------------------------------------------- */

struct request {
	struct nlmsghdr head;
	struct ifinfomsg link;
	char attrs[512];
};

static int there, here; /* sockets */
static pid_t there_pid;

static struct rtattr *put(struct request *q, int type, const void *data, size_t len)
{
	struct rtattr *a = (void *)((char *)q + NLMSG_ALIGN(q->head.nlmsg_len));

	a->rta_type = (unsigned short)type;
	a->rta_len = (unsigned short)RTA_LENGTH(len);
	if (len)
		memcpy(RTA_DATA(a), data, len);
	q->head.nlmsg_len = NLMSG_ALIGN(q->head.nlmsg_len) + RTA_ALIGN(a->rta_len);
	return a;
}

/* What was put since belongs into it. */
static void close_nest(struct request *q, struct rtattr *nest)
{
	nest->rta_len = (unsigned short)((char *)q + q->head.nlmsg_len - (char *)nest);
}

static struct request request(int type, int flags)
{
	return (struct request){
		.head = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)),
			 .nlmsg_type = (unsigned short)type,
			 .nlmsg_flags = (unsigned short)(NLM_F_REQUEST | NLM_F_ACK | flags)},
	};
}

static void ask(int fd, struct request *q, const char *what)
{
	char back[4096];
	const struct nlmsghdr *h = (void *)back;
	const struct nlmsgerr *e = NLMSG_DATA(h);

	if (send(fd, q, q->head.nlmsg_len, 0) < 0 || recv(fd, back, sizeof(back), 0) < 0)
		die(what);
	if (h->nlmsg_type == NLMSG_ERROR && e->error) {
		errno = -e->error;
		die(what);
	}
}

static int netlink_in(int ns)
{
	int back = open("/proc/self/ns/net", O_RDONLY), fd;

	if (ns >= 0 && setns(ns, CLONE_NEWNET) < 0)
		die("setns");
	fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	if (fd < 0 || setns(back, CLONE_NEWNET) < 0)
		die("netlink");
	close(back);
	return fd;
}

static void make(int i, bool moved)
{
	static const unsigned char mac[6] = {2, 0, 0, 0, 0, 2}; /* as in pkt.c */
	struct request q = request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
	struct rtattr *info, *data, *peer;
	unsigned int group = GROUP;
	char name[16];

	q.link.ifi_flags = q.link.ifi_change = IFF_UP;
	snprintf(name, sizeof(name), "o%d", i);
	put(&q, IFLA_IFNAME, name, strlen(name) + 1);
	put(&q, IFLA_GROUP, &group, sizeof(group));
	info = put(&q, IFLA_LINKINFO, NULL, 0);
	put(&q, IFLA_INFO_KIND, "veth", 4);
	data = put(&q, IFLA_INFO_DATA, NULL, 0);
	peer = put(&q, VETH_INFO_PEER, NULL, 0);
	q.head.nlmsg_len += NLMSG_ALIGN(sizeof(struct ifinfomsg));
	snprintf(name, sizeof(name), "n%d", i);
	put(&q, IFLA_IFNAME, name, strlen(name) + 1);
	put(&q, IFLA_ADDRESS, mac, sizeof(mac));
	if (!moved)
		put(&q, IFLA_NET_NS_PID, &there_pid, sizeof(there_pid));
	close_nest(&q, peer);
	close_nest(&q, data);
	close_nest(&q, info);
	ask(here, &q, name);
	if (!moved)
		return;
	q = request(RTM_NEWLINK, 0);
	put(&q, IFLA_IFNAME, name, strlen(name) + 1);
	put(&q, IFLA_NET_NS_PID, &there_pid, sizeof(there_pid));
	ask(here, &q, "move");
}

static void bring_up(int i)
{
	struct request q = request(RTM_NEWLINK, 0);
	char name[16];

	snprintf(name, sizeof(name), "n%d", i);
	q.link.ifi_flags = q.link.ifi_change = IFF_UP;
	put(&q, IFLA_IFNAME, name, strlen(name) + 1);
	ask(there, &q, "up");
}

/* All of them at once: one by one each would wait for grace periods. */
static void remove_all(void)
{
	struct request q = request(RTM_DELLINK, 0);
	unsigned int group = GROUP;

	put(&q, IFLA_GROUP, &group, sizeof(group));
	ask(here, &q, "remove");
}

/* --- frames ---------------------------------------------------------------------------------- */

static struct {
	unsigned long forbidden, forbidden_passed, allowed, allowed_passed, unguarded, late;
	double worst_ms;
} sum;

static int out, in; /* packet sockets */
static uint16_t forbidden_port, allowed_port;

static int packet_socket(const char *dev)
{
	struct sockaddr_ll ll = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	int fd = socket(AF_PACKET, SOCK_RAW, 0), one = 1;

	ll.sll_ifindex = dev ? (int)if_nametoindex(dev) : 0;
	if (fd < 0)
		die("packet socket");
	if (dev && (bind(fd, (void *)&ll, sizeof(ll)) < 0 ||
		    setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) < 0))
		die(dev);
	return fd;
}

static void put_out(struct pkt *p, int ifindex)
{
	struct sockaddr_ll ll = {.sll_family = AF_PACKET, .sll_ifindex = ifindex, .sll_halen = 6};

	pkt_finish(p);
	if (sendto(out, p->data, p->len, 0, (void *)&ll, sizeof(ll)) < 0 && errno != ENETDOWN &&
	    errno != ENOBUFS)
		die("send");
}

static uint16_t syn(int ifindex, bool six, uint16_t port)
{
	static unsigned int n;
	uint16_t from = (uint16_t)(20000 + n++ % 40000);
	struct pkt p;

	pkt_start(&p);
	if (six)
		pkt_ip6(&p, "fd77::2", "fd77::1");
	else
		pkt_ip4(&p, "10.77.0.2", "10.77.0.1");
	pkt_tcp(&p, from, port, PKT_SYN);
	put_out(&p, ifindex);
	return from;
}

static void ping(int ifindex, uint16_t id, uint16_t seq)
{
	struct pkt p;

	pkt_start(&p);
	pkt_ip4(&p, "10.77.0.2", "10.77.0.1");
	pkt_icmp(&p, 8, 0, (uint32_t)id << 16 | seq);
	put_out(&p, ifindex);
}

struct round {
	uint16_t id, seq, port[2]; /* of the ping, of the allowed SYNs */
	bool pinged, answered[2];
};

static uint16_t word(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void take(struct round *r, const uint8_t *f, ssize_t n)
{
	bool six = n >= 74 && word(f + 12) == 0x86dd;
	const uint8_t *l4 = f + (six ? 54 : 34);
	uint8_t proto = six ? f[20] : f[23];

	if (n < l4 - f + 8 || (!six && word(f + 12) != 0x0800))
		return;
	if (proto == IPPROTO_ICMP && !six && l4[0] == 0 && word(l4 + 4) == r->id) {
		r->pinged |= word(l4 + 6) == r->seq;
	} else if (proto == IPPROTO_TCP && n >= l4 - f + 14 && (l4[13] & 0x12) == 0x12) {
		if (word(l4) == forbidden_port)
			sum.forbidden_passed++;
		if (word(l4) == allowed_port && word(l4 + 2) == r->port[six])
			r->answered[six] = true;
	}
}

/* Until what is allowed was answered: the ping would have been, before it. At most @ms. */
static void listen_for(struct round *r, int ms)
{
	double end = now_ms() + ms;
	uint8_t f[2048];

	while (!(r->answered[0] && r->answered[1]) && now_ms() < end) {
		struct pollfd p = {.fd = in, .events = POLLIN};
		ssize_t n;

		if (poll(&p, 1, 1) <= 0)
			continue;
		while ((n = recv(in, f, sizeof(f), MSG_DONTWAIT)) > 0)
			take(r, f, n);
	}
}

/* Return: when the last ping was sent that got an answer, in ms since the device was brought up. */
static double probe(int n, int ifindex, double start)
{
	struct round r = {.id = (uint16_t)(n + 1)};
	bool works[2] = {false, false};
	double last = 0;

	for (int quiet = 0; quiet < QUIET || !works[0] || !works[1]; r.seq++) {
		double at = now_ms() - start;

		if (at > PATIENCE_MS)
			return -1;
		r.pinged = r.answered[0] = r.answered[1] = false;
		ping(ifindex, r.id, r.seq);
		for (int six = 0; six < 2; six++) {
			(void)syn(ifindex, six, forbidden_port);
			r.port[six] = syn(ifindex, six, allowed_port);
		}
		sum.forbidden += 2;
		listen_for(&r, works[0] && works[1] ? 1000 : 1);
		for (int six = 0; six < 2; six++) {
			/* it may take a moment to come up; from then on each one counts */
			sum.allowed += works[six];
			sum.allowed_passed += works[six] && r.answered[six];
			works[six] |= r.answered[six];
		}
		quiet = r.pinged ? 0 : quiet + 1;
		if (r.pinged)
			last = at;
	}
	return last;
}

static void one_device(int n)
{
	double start, last;
	char name[16];

	make(n % NAMES, n % 10 == 0);
	snprintf(name, sizeof(name), "o%d", n % NAMES);
	start = now_ms();
	bring_up(n % NAMES);
	last = probe(n, (int)if_nametoindex(name), start);
	if (last < 0)
		sum.unguarded++;
	if (last > PROMISED_MS)
		sum.late++;
	if (last > sum.worst_ms)
		sum.worst_ms = last;
}

int main(int argc, char **argv)
{
	char path[64];
	int count;

	if (argc != 6) {
		fprintf(stderr, "see the head of selftests/helpers/nics.c\n");
		return 2;
	}
	count = atoi(argv[1]);
	there_pid = atoi(argv[2]);
	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)there_pid);
	there = netlink_in(open(path, O_RDONLY | O_CLOEXEC));
	here = netlink_in(-1);
	forbidden_port = (uint16_t)atoi(argv[4]);
	allowed_port = (uint16_t)atoi(argv[5]);
	out = packet_socket(NULL);
	in = packet_socket(argv[3]);
	for (int n = 0; n < count; n++) {
		one_device(n);
		if (n % NAMES == NAMES - 1 || n == count - 1)
			remove_all();
	}
	printf("devices %d\nforbidden %lu\nforbidden_passed %lu\nallowed %lu\nallowed_lost %lu\n"
	       "unguarded %lu\nlate %lu\nworst_ms %.3f\n",
	       count, sum.forbidden, sum.forbidden_passed, sum.allowed,
	       sum.allowed - sum.allowed_passed, sum.unguarded, sum.late, sum.worst_ms);
	return 0;
}
