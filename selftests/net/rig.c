/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rig.c - the test tools themselves: are the packets that lib/pkt.c builds taken by a real
 * kernel, and do namespaces and cgroups of lib/ns.c and lib/cg.c go away. Run by selftests/run.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdbool.h>
#include <net/if.h>
#include <netinet/in.h>
#include <linux/if_packet.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cg.h"
#include "ns.h"
#include "pkt.h"

struct rig {
	int a, b;    /* namespaces */
	int inject;  /* AF_PACKET on a's end */
	int udp;     /* [::]:7000 in b */
	int udplite; /* 0.0.0.0:7000 in b */
};

static int listen_in(int ns, int family, int proto)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(7000)};
	struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_port = htons(7000)};
	struct timeval wait = {.tv_usec = 300000};
	int back, fd;

	assert_int_equal(ns_enter(ns, &back), 0);
	fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, proto);
	assert_true(fd >= 0);
	if (family == AF_INET6)
		assert_int_equal(bind(fd, (void *)&in6, sizeof(in6)), 0);
	else
		assert_int_equal(bind(fd, (void *)&in4, sizeof(in4)), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)), 0);
	assert_int_equal(ns_enter(back, NULL), 0);
	(void)close(back);
	return fd;
}

static int setup(void **state)
{
	static struct rig rig;
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_protocol = htons(0x0003)};
	int back;

	assert_int_equal(ns_make(&rig.a), 0);
	assert_int_equal(ns_make(&rig.b), 0);
	assert_int_equal(ns_veth(rig.a, "rig0", "10.77.0.1/24", rig.b, "rig1", "10.77.0.2/24"), 0);
	assert_int_equal(ns_addr(rig.b, "rig1", "fd77::2/64"), 0);
	assert_int_equal(ns_cmd(rig.b, "ip", "link", "set", "rig1", "address", "02:00:00:00:00:02"),
			 0);
	rig.udp = listen_in(rig.b, AF_INET6, IPPROTO_UDP);
	rig.udplite = listen_in(rig.b, AF_INET, IPPROTO_UDPLITE);

	assert_int_equal(ns_enter(rig.a, &back), 0);
	rig.inject = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	to.sll_ifindex = (int)if_nametoindex("rig0");
	assert_int_equal(bind(rig.inject, (void *)&to, sizeof(to)), 0);
	assert_int_equal(ns_enter(back, NULL), 0);
	(void)close(back);
	*state = &rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;

	(void)close(rig->inject);
	(void)close(rig->udp);
	(void)close(rig->udplite);
	(void)close(rig->a);
	(void)close(rig->b);
	return 0;
}

static bool arrives(const struct rig *rig, struct pkt *p, int fd)
{
	char got[16] = {0};

	assert_int_equal(send(rig->inject, p->data, p->len, 0), p->len);
	return recv(fd, got, sizeof(got), 0) == 5 && !memcmp(got, "hello", 5);
}

static void kernel_takes_ip4(void **state)
{
	static const uint8_t no_op[] = {1, 1, 1, 1, 0};
	struct pkt p;

	pkt_start(&p);
	pkt_ip4_options(&p, "10.77.0.1", "10.77.0.2", no_op, sizeof(no_op));
	pkt_udp(&p, 5000, 7000);
	pkt_payload(&p, "hello", 5);
	pkt_finish(&p);
	assert_true(arrives(*state, &p, ((struct rig *)*state)->udp));

	p.data[p.l4 + 8] ^= 1;
	assert_false(arrives(*state, &p, ((struct rig *)*state)->udp));
}

static void kernel_takes_ip6(void **state)
{
	struct pkt p;

	pkt_start(&p);
	pkt_ip6(&p, "fd77::1", "fd77::2");
	pkt_ip6_ext(&p, IPPROTO_DSTOPTS, 16);
	pkt_udp(&p, 5000, 7000);
	pkt_payload(&p, "hello", 5);
	pkt_finish(&p);
	assert_true(arrives(*state, &p, ((struct rig *)*state)->udp));

	p.data[p.l4 + 8] ^= 1;
	assert_false(arrives(*state, &p, ((struct rig *)*state)->udp));
}

static void kernel_takes_udplite(void **state)
{
	struct pkt p;

	pkt_start(&p);
	pkt_ip4(&p, "10.77.0.1", "10.77.0.2");
	pkt_udplite(&p, 5000, 7000);
	pkt_payload(&p, "hello", 5);
	pkt_finish(&p);
	assert_true(arrives(*state, &p, ((struct rig *)*state)->udplite));
}

static void kernel_takes_vlan(void **state)
{
	struct rig *rig = *state;
	struct pkt p;

	if (ns_cmd(rig->b, "ip", "link", "add", "link", "rig1", "name", "rig1.7", "type", "vlan",
		   "id", "7"))
		skip(); /* a kernel without VLAN devices */
	assert_int_equal(ns_cmd(rig->b, "ip", "link", "set", "rig1.7", "up"), 0);
	assert_int_equal(ns_addr(rig->b, "rig1.7", "10.78.0.2/24"), 0);

	pkt_start(&p);
	pkt_vlan(&p, 0x8100, 7);
	pkt_ip4(&p, "10.78.0.1", "10.78.0.2");
	pkt_udp(&p, 5000, 7000);
	pkt_payload(&p, "hello", 5);
	pkt_finish(&p);
	assert_true(arrives(rig, &p, rig->udp));
}

static void kernel_joins_fragments(void **state)
{
	struct rig *rig = *state;
	struct pkt whole, p;
	const uint8_t *l4;

	pkt_start(&whole);
	pkt_ip4(&whole, "10.77.0.1", "10.77.0.2");
	pkt_udp(&whole, 5000, 7000);
	pkt_payload(&whole, "hello", 5);
	pkt_finish(&whole);
	l4 = whole.data + whole.l4;

	pkt_start(&p);
	pkt_ip4(&p, "10.77.0.1", "10.77.0.2");
	pkt_ip4_fragment(&p, 0, 1);
	pkt_proto(&p, IPPROTO_UDP);
	p.l4 = 0; /* its checksum is that of the whole */
	pkt_payload(&p, l4, 8);
	pkt_finish(&p);
	assert_false(arrives(rig, &p, rig->udp));

	pkt_start(&p);
	pkt_ip4(&p, "10.77.0.1", "10.77.0.2");
	pkt_ip4_fragment(&p, 8, 0);
	pkt_proto(&p, IPPROTO_UDP);
	p.l4 = 0;
	pkt_payload(&p, l4 + 8, 5);
	pkt_finish(&p);
	assert_true(arrives(rig, &p, rig->udp));
}

static void handshake(struct pkt *p, bool v6)
{
	static const uint8_t mss[] = {2, 4, 5, 180};

	pkt_start(p);
	if (v6)
		pkt_ip6(p, "fd77::1", "fd77::2");
	else
		pkt_ip4(p, "10.77.0.1", "10.77.0.2");
	pkt_tcp_options(p, 5000, 7001, PKT_SYN, mss, sizeof(mss));
	pkt_finish(p);
}

/* A closed port answers a good SYN with RST; a bad one gets nothing. */
static bool answered(const struct rig *rig, struct pkt *p, size_t ip_len)
{
	uint8_t got[256];
	struct timeval wait = {.tv_usec = 300000};
	ssize_t n;

	assert_int_equal(setsockopt(rig->inject, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)), 0);
	assert_int_equal(send(rig->inject, p->data, p->len, 0), p->len);
	while ((n = recv(rig->inject, got, sizeof(got), 0)) > 0) {
		if ((size_t)n >= 14 + ip_len + 20 && got[14 + ip_len] == 7001 >> 8 &&
		    got[14 + ip_len + 1] == (7001 & 255) && got[14 + ip_len + 13] & PKT_RST)
			return true;
	}
	return false;
}

static void kernel_takes_tcp(void **state)
{
	struct rig *rig = *state;
	struct sockaddr_ll all = {.sll_family = AF_PACKET, .sll_protocol = htons(0x0003)};
	struct sockaddr_ll is;
	socklen_t len = sizeof(is);
	struct pkt p;

	/* From here on the injecting socket also hears. */
	assert_int_equal(getsockname(rig->inject, (void *)&is, &len), 0);
	all.sll_ifindex = is.sll_ifindex;
	assert_int_equal(bind(rig->inject, (void *)&all, sizeof(all)), 0);
	/* The answer must find the sender: its address is not a's own, so tell b. */
	assert_int_equal(ns_cmd(rig->b, "ip", "neigh", "replace", "fd77::1", "lladdr",
				"02:00:00:00:00:01", "dev", "rig1"),
			 0);
	assert_int_equal(ns_cmd(rig->b, "ip", "neigh", "replace", "10.77.0.1", "lladdr",
				"02:00:00:00:00:01", "dev", "rig1"),
			 0);

	handshake(&p, false);
	assert_true(answered(rig, &p, 20));
	p.data[p.l4 + 4] ^= 1;
	assert_false(answered(rig, &p, 20));

	handshake(&p, true);
	assert_true(answered(rig, &p, 40));
	p.data[p.l4 + 4] ^= 1;
	assert_false(answered(rig, &p, 40));
}

static void cgroups_come_and_go(void **state)
{
	char base[4096];
	struct stat st;
	uint64_t id;
	pid_t pid;

	(void)state;
	assert_int_equal(cg_base(base, sizeof(base)), 0);
	assert_int_equal(cg_make("system.slice/web.service", &id), 0);
	assert_true(id > 1);
	assert_int_equal(cg_move("system.slice/web.service", 0), 0);
	pid = fork();
	if (!pid) {
		(void)pause();
		_exit(0);
	}
	assert_int_equal(cg_remove(), 0);
	assert_int_equal(stat(base, &st), -1);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kernel_takes_ip4),	  cmocka_unit_test(kernel_takes_ip6),
		cmocka_unit_test(kernel_takes_udplite),	  cmocka_unit_test(kernel_takes_vlan),
		cmocka_unit_test(kernel_joins_fragments), cmocka_unit_test(kernel_takes_tcp),
		cmocka_unit_test(cgroups_come_and_go),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
