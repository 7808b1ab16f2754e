// SPDX-License-Identifier: Apache-2.0
/*
 * bypass_raw.c - what no TCP or UDP socket says: raw sockets that are older than the agent,
 * headers and frames by hand, neighbour discovery by who may only ping, tunnels that end in the
 * kernel.
 */
#include "netrig.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <netinet/icmp6.h>
#include <string.h>
#include "ns.h"
#include "pkt.h"
#include "talk.h"

#define DB	 "10.77.0.11"
#define DB6	 "fd77::11"
#define STRANGER "10.77.0.3"
#define OSPF	 89

static const char map[] =
	"segments:\n"
	"  router: { match: { unit: bird.service } }\n"
	"  pinger: { match: { unit: ping.service } }\n"
	"  radvd: { match: { unit: radvd.service }, raw: allow }\n"
	"  db: { match: [ { unit: db.service }, { cidr: [10.77.0.11/32, fd77::11/128] } ] }\n"
	"allow:\n"
	"  - { id: ospf, from: router, to: db, port: proto/89 }\n"
	"  - { id: ping, from: [pinger, radvd], to: db, port: icmp }\n";

static struct net_host a, b;
static struct puppet *router, *thief, *pinger, *radvd, *outside;
static int old_router, old_thief;

static int each_test(void **state)
{
	(void)state;
	net_mark(&a);
	net_mark(&b);
	return 0;
}

/* --- older than the agent ------------------------------------------------------------------------------- */

/* A routing daemon's socket is its workload's, not the kernel's: judged by its own rules. */
static void test_an_old_raw_socket_is_its_workloads(void **state)
{
	const struct bh_event *ev;

	(void)state;
	assert_int_equal(pup_sendto(router, old_router, "hello", DB, 0), 5);
	assert_int_equal(net_count(&a, BH_R_ALLOW), 1);
	net_quiet(&a);
	assert_int_equal(pup_sendto(thief, old_thief, "hello", DB, 0), -EPERM);
	ev = net_event(&a, BH_EVENT_DENY, NULL);
	assert_non_null(ev);
	assert_int_equal(ev->reason, BH_R_PROTOCOL);
	assert_int_equal(ev->local, BH_ID_UNASSIGNED);
}

/* What comes in on one never came for the kernel. */
static void test_an_old_raw_socket_receives_by_its_rules(void **state)
{
	int fd = pup_socket(outside, AF_INET, SOCK_RAW, OSPF), r;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(pup_sendto(outside, fd, "hello", "10.77.0.1", 0), 5);
	assert_int_equal(pup_patience(router, old_router, PUP_SHORT_MS), 0);
	assert_null(pup_recv(router, old_router, &r));
	assert_int_equal(pup_close(outside, fd), 0);
}

/* --- neighbour discovery -------------------------------------------------------------------------------- */

static int advertise(struct puppet *p)
{
	static const struct nd_neighbor_advert na = {.nd_na_hdr.icmp6_type = ND_NEIGHBOR_ADVERT};
	int fd = pup_socket(p, AF_INET6, SOCK_RAW, IPPROTO_ICMPV6), r;

	assert_true(fd >= 0);
	assert_int_equal(pup_set(p, fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 255), 0);
	r = pup_write(p, fd, &na, sizeof(na), DB6, 0);
	assert_int_equal(pup_close(p, fd), 0);
	return r;
}

static void test_who_may_ping_is_no_router(void **state)
{
	(void)state;
	/* its rule is `icmp`, to db: that goes, by the rule */
	assert_true(advertise(pinger) > 0);
	assert_int_equal(net_count(&a, BH_R_ALLOW), 1);
	net_apply(&a, "segments:\n"
		      "  pinger: { match: { unit: ping.service } }\n"
		      "  radvd: { match: { unit: radvd.service }, raw: allow }\n"
		      "allow:\n"
		      "  - { id: ping, from: pinger, to: any, port: icmp/echo-request }\n");
	net_mark(&a);
	assert_int_equal(advertise(pinger), -EPERM);
	net_told(&a, BH_EVENT_DENY, BH_R_DEFAULT_DENY);
	net_mark(&a);
	assert_true(advertise(radvd) > 0);
	assert_true(net_count(&a, BH_R_ND) >= 1);
	assert_int_equal(net_count(&a, BH_R_ALLOW), 0);
	net_apply(&a, map);
}

/* --- by hand -------------------------------------------------------------------------------------------- */

/*
 * Whose rule is `icmp` may have a raw socket, and with IP_HDRINCL write any header there: TCP and
 * UDP by hand are refused all the same, also where a rule would let a socket connect.
 */
static void test_tcp_and_udp_by_hand(void **state)
{
	int fd;

	(void)state;
	net_apply(&a, "segments:\n"
		      "  pinger: { match: { unit: ping.service } }\n"
		      "  radvd: { match: { unit: radvd.service }, raw: allow }\n"
		      "  db: { match: { cidr: [10.77.0.11/32] } }\n"
		      "allow:\n"
		      "  - { id: ping, from: pinger, to: db, port: [icmp, tcp/7000, udp/7000] }\n"
		      "  - { id: tool, from: radvd, to: db, port: [tcp/7000, udp/7000] }\n");
	for (int i = 0; i < 4; i++) {
		struct puppet *who = i / 2 ? radvd : pinger;
		struct pkt p;

		pkt_start(&p);
		pkt_ip4(&p, "10.77.0.1", DB);
		if (i % 2)
			pkt_tcp(&p, 40000, 7000, PKT_SYN);
		else
			pkt_udp(&p, 40000, 7000);
		pkt_finish(&p);
		fd = pup_socket(who, AF_INET, SOCK_RAW, IPPROTO_ICMP);
		assert_true(fd >= 0);
		assert_int_equal(pup_set(who, fd, IPPROTO_IP, IP_HDRINCL, 1), 0);
		net_mark(&a);
		assert_int_equal(pup_write(who, fd, p.data + p.l3, p.len - p.l3, DB, 0),
				 who == radvd ? (int)(p.len - p.l3) : -EPERM);
		if (who == pinger)
			net_told(&a, BH_EVENT_DENY, BH_R_RAW);
		else
			assert_int_equal(net_count(&a, BH_R_ALLOW), 1);
		assert_int_equal(pup_close(who, fd), 0);
	}
	net_apply(&a, map);
}

static long send_frame(struct pup_call *c)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex("a0")};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	ssize_t n;

	if (fd < 0)
		return -errno;
	/* what is dropped below is no error here on every kernel */
	n = sendto(fd, c->data, c->len, 0, (struct sockaddr *)&to, sizeof(to));
	(void)close(fd);
	return n;
}

/* Whole frames: no socket hook sees them, the NIC's way out does. */
static void test_frames_by_hand(void **state)
{
	struct puppet *lease = net_puppet(&a, "dhclient.service");
	const struct {
		struct puppet *who;
		bool v6;
		uint16_t from, to;
		enum bh_reason reason; /* 0: it passes as any */
	} row[] = {
		{pinger, false, 40000, 7000, BH_R_RAW}, {pinger, true, 40000, 7000, BH_R_RAW},
		{pinger, false, 68, 67, BH_R_RAW},	{radvd, false, 40000, 7000, 0},
		{radvd, true, 40000, 7000, 0},		{lease, false, 68, 67, BH_R_DHCP},
		{lease, true, 546, 547, BH_R_DHCP},	{lease, false, 68, 68, BH_R_RAW},
		{lease, true, 546, 67, BH_R_RAW},	{lease, false, 67, 67, BH_R_RAW},
	};

	(void)state;
	net_apply(&a, "segments:\n"
		      "  pinger: { match: { unit: ping.service } }\n"
		      "  radvd: { match: { unit: radvd.service }, raw: allow }\n"
		      "  lease: { match: { unit: dhclient.service }, dhcp: true }\n"
		      "  db: { match: { cidr: [10.77.0.11/32, fd77::11/128] } }\n"
		      "allow:\n"
		      "  - { id: ping, from: pinger, to: db, port: [udp/7000, udp/67] }\n");
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		struct pup_call c = {.fn = send_frame, .fd = -1};
		struct pkt p;

		pkt_start(&p);
		if (row[i].v6)
			pkt_ip6(&p, "fd77::1", DB6);
		else
			pkt_ip4(&p, "10.77.0.1", DB);
		pkt_udp(&p, row[i].from, row[i].to);
		pkt_finish(&p);
		c.len = p.len;
		memcpy(c.data, p.data, p.len);
		net_mark(&a);
		(void)pup_do(row[i].who, &c);
		if (row[i].reason == BH_R_RAW)
			net_told(&a, BH_EVENT_DENY, BH_R_RAW);
		else
			net_quiet(&a);
		assert_int_equal(net_count(&a, BH_R_DHCP), row[i].reason == BH_R_DHCP);
	}
	pup_stop(lease);
	net_apply(&a, map);
}

/* --- which messages have an identifier ------------------------------------------------------------------ */

/* One conversation for each identifier, or one for all. Sends 1, 1, 2: how many are told of? */
static size_t conversations(bool v6, __u8 type)
{
	int fd = pup_socket(radvd, v6 ? AF_INET6 : AF_INET, SOCK_RAW,
			    v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
	size_t n;

	assert_true(fd >= 0);
	net_mark(&a);
	for (int i = 0; i < 3; i++) {
		__u8 message[8] = {type, [5] = (__u8)(1 + i / 2)};

		assert_int_equal(pup_write(radvd, fd, message, sizeof(message), v6 ? DB6 : DB, 0),
				 sizeof(message));
	}
	(void)net_event(&a, BH_EVENT_BEGIN, &n);
	assert_int_equal(pup_close(radvd, fd), 0);
	return n;
}

/* Echo, timestamp and extended echo, their questions and their answers (RFC 792, 4443, 8335). */
static void test_messages_with_an_identifier(void **state)
{
	static const __u8 with4[] = {0, 8, 13, 14, 42, 43}, without4[] = {9, 10, 15, 16, 17, 18};
	static const __u8 with6[] = {128, 129, 160, 161}, without6[] = {139, 140, 144, 155, 162};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(with4); i++)
		assert_int_equal(conversations(false, with4[i]), 2);
	for (size_t i = 0; i < ARRAY_SIZE(without4); i++)
		assert_int_equal(conversations(false, without4[i]), 1);
	for (size_t i = 0; i < ARRAY_SIZE(with6); i++)
		assert_int_equal(conversations(true, with6[i]), 2);
	for (size_t i = 0; i < ARRAY_SIZE(without6); i++)
		assert_int_equal(conversations(true, without6[i]), 1);
}

/* --- what ends in the kernel ---------------------------------------------------------------------------- */

static void seed(struct net_host *h)
{
	_cleanup_diags_ struct bh_diags d = {0};
	int back;

	assert_int_equal(ns_enter(h->ns, &back), 0);
	assert_int_equal(bh_kern_seed(h->k, &d), 0);
	assert_int_equal(ns_enter(back, NULL), 0);
	(void)close(back);
}

/* No socket hook sees a tunnel's datagrams: XDP is who judges, forwarding or not. */
static void test_a_tunnel_is_judged_where_the_host_forwards(void **state)
{
	int fd = talk_socket(outside, SOCK_DGRAM, DB, STRANGER);
	__u32 flags = BH_CTL_FWD4;

	(void)state;
	if (ns_cmd(b.ns, "ip", "link", "add", "vx0", "type", "vxlan", "id", "7", "dstport", "4789",
		   "local", DB, "dev", "b0") ||
	    ns_cmd(b.ns, "ip", "link", "set", "vx0", "up"))
		skip();
	seed(&b); /* the device was made from outside of b's cgroups */
	for (int i = 0; i < 2; i++) {
		net_mark(&b);
		assert_int_equal(bh_kern_set_ctl(b.k, i ? flags : 0, i ? 0 : flags), 0);
		assert_int_equal(pup_sendto(outside, fd, "0123456789", DB, 4789), 10);
		(void)usleep(10000);
		assert_int_equal(net_count(&b, BH_R_DEFAULT_DENY), 1);
	}
	assert_int_equal(bh_kern_set_ctl(b.k, 0, flags), 0);
	assert_int_equal(ns_cmd(b.ns, "ip", "link", "del", "vx0"), 0);
	assert_int_equal(pup_close(outside, fd), 0);
}

/* --- a device without Ethernet ---------------------------------------------------------------------------- */

static int tun_open(struct net_host *h)
{
	struct ifreq req = {.ifr_name = "tun0", .ifr_flags = IFF_TUN | IFF_NO_PI};
	int back, fd;

	assert_int_equal(ns_enter(h->ns, &back), 0);
	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (fd >= 0 && ioctl(fd, TUNSETIFF, &req) < 0) {
		(void)close(fd);
		fd = -1;
	}
	assert_int_equal(ns_enter(back, NULL), 0);
	(void)close(back);
	return fd;
}

static int guard_nic(struct net_host *h, const char *dev, enum bh_nic_mode mode)
{
	_cleanup_diags_ struct bh_diags d = {0};
	int back, r;

	assert_int_equal(ns_enter(h->ns, &back), 0);
	r = bh_kern_nic_attach(h->k, (int)if_nametoindex(dev), dev, mode, false, &d);
	bh_diags_print(&d, stdout, false);
	assert_int_equal(ns_enter(back, NULL), 0);
	(void)close(back);
	return r;
}

/* tun, ppp, wireguard: frames begin with the IP header. 8.0 looks like an EtherType. */
static void test_a_device_without_ethernet_is_judged(void **state)
{
	static const char *const source[] = {"192.0.2.1", "8.0.69.1", "2001:db8::1"};
	int fd = tun_open(&b);
	struct pkt p;

	(void)state;
	if (fd < 0)
		skip();
	assert_int_equal(ns_cmd(b.ns, "ip", "link", "set", "tun0", "up"), 0);
	assert_int_equal(ns_addr(b.ns, "tun0", "10.99.0.1/24"), 0);
	assert_int_equal(ns_addr(b.ns, "tun0", "fd99::1/64"), 0);
	assert_int_equal(guard_nic(&b, "tun0", BH_NIC_AUTO), 0);
	for (size_t i = 0; i < ARRAY_SIZE(source); i++) {
		pkt_start(&p);
		if (strchr(source[i], ':'))
			pkt_ip6(&p, source[i], "fd99::1");
		else
			pkt_ip4(&p, source[i], "10.99.0.1");
		pkt_icmp(&p, strchr(source[i], ':') ? 128 : 8, 0, 1);
		pkt_finish(&p);
		net_mark(&b);
		assert_int_equal(write(fd, p.data + p.l3, p.len - p.l3), p.len - p.l3);
		(void)usleep(10000);
		assert_int_equal(net_count(&b, BH_R_DEFAULT_DENY), 1);
	}
	(void)close(fd);
}

/* --- the group ------------------------------------------------------------------------------------------ */

static int setup(void **state)
{
	(void)state;
	if (net_wire(&a, &b))
		return -1;
	router = net_puppet(&a, "bird.service");
	thief = net_puppet(&a, "thief.service");
	old_router = pup_socket(router, AF_INET, SOCK_RAW, OSPF);
	old_thief = pup_socket(thief, AF_INET, SOCK_RAW, OSPF);
	if (old_router < 0 || old_thief < 0 || net_guard(&a) || net_guard(&b))
		return -1;
	pinger = net_puppet(&a, "ping.service");
	radvd = net_puppet(&a, "radvd.service");
	outside = pup_start("outside/x.service", a.ns);
	net_apply(&a, map);
	net_apply(&b, map);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	pup_stop(router);
	pup_stop(thief);
	pup_stop(pinger);
	pup_stop(radvd);
	pup_stop(outside);
	return net_down(&a, &b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_an_old_raw_socket_is_its_workloads, each_test),
		cmocka_unit_test_setup(test_an_old_raw_socket_receives_by_its_rules, each_test),
		cmocka_unit_test_setup(test_who_may_ping_is_no_router, each_test),
		cmocka_unit_test_setup(test_tcp_and_udp_by_hand, each_test),
		cmocka_unit_test_setup(test_frames_by_hand, each_test),
		cmocka_unit_test_setup(test_messages_with_an_identifier, each_test),
		cmocka_unit_test_setup(test_a_tunnel_is_judged_where_the_host_forwards, each_test),
		cmocka_unit_test_setup(test_a_device_without_ethernet_is_judged, each_test),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
