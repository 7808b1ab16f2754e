// SPDX-License-Identifier: Apache-2.0
/*
 * bypass_packet.c - frames that a process writes itself: packet sockets in every way they send,
 * AF_XDP, the loopback device, and root in a container's own network namespace. A new way to send
 * is a row of ways[]. Whoever has `raw: allow` may: the twin of each.
 */
#include "netrig.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_xdp.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "ns.h"
#include "pkt.h"
#include "talk.h"

#define PORT 7000

static struct net_host a, b;
static struct puppet *shut, *tool, *lease, *db, *far;
static int server[2], here_server[2]; /* by family */

#define MAP                                                                                        \
	"segments:\n"                                                                              \
	"  web: { match: [ { unit: web.service }, { cidr: [10.77.0.1/32, fd77::1/128] } ] }\n"     \
	"  shut: { match: { unit: \"shut*.service\" } }\n"                                         \
	"  tool: { match: { unit: \"tool*.service\" }, raw: allow }\n"                             \
	"  lease: { match: { unit: lease.service }, dhcp: true }\n"                                \
	"  db: { match: { unit: db.service } }\n"                                                  \
	"  far: { match: [ { unit: far.service }, { cidr: [10.77.0.11/32, fd77::11/128] } ] }\n"   \
	"  boxed: { match: { cidr: [10.78.0.2/32, fd78::2/128] } }\n"                              \
	"allow:\n"                                                                                 \
	"  - { id: web-far, from: [web, boxed], to: [db, far], port: udp/7000 }\n"

static const char map[] = MAP;
static const char no_forwarding[] = MAP "forward: deny\n";

static const char *const web_addr[] = {"10.77.0.1", "fd77::1"};
static const char *const far_addr[] = {"10.77.0.11", "fd77::11"};
static const char *const lo_addr[] = {"127.0.0.1", "::1"};

static int each_test(void **state)
{
	(void)state;
	net_mark(&a);
	net_mark(&b);
	return 0;
}

/* --- frames --------------------------------------------------------------------------------------------------- */

static void mac_of(int ns, const char *dev, uint8_t ret[6])
{
	struct ifreq req = {0};
	int back, fd;

	assert_int_equal(ns_enter(ns, &back), 0);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	(void)snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", dev);
	assert_int_equal(ioctl(fd, SIOCGIFHWADDR, &req), 0);
	memcpy(ret, req.ifr_hwaddr.sa_data, 6);
	(void)close(fd);
	assert_int_equal(ns_enter(back, NULL), 0);
	(void)close(back);
}

/* A datagram with somebody's addresses, to the device that has @mac. */
static void frame(struct pkt *p, const char *from, const char *to, int sport, int dport)
{
	pkt_start(p);
	if (strchr(from, ':'))
		pkt_ip6(p, from, to);
	else
		pkt_ip4(p, from, to);
	pkt_udp(p, (uint16_t)sport, (uint16_t)dport);
	pkt_payload(p, "forged", 6);
	pkt_finish(p);
}

static bool hears(struct puppet *p, int fd, int ms)
{
	int r;

	assert_int_equal(pup_patience(p, fd, ms), 0);
	return pup_recv(p, fd, &r) != NULL;
}

/* --- ways to send them ------------------------------------------------------------------------------------------- */

struct way {
	const char *says;
	int type; /* SOCK_RAW or SOCK_DGRAM: the kernel writes the Ethernet header */
	bool ring, bypass;
};

static struct sockaddr_ll device(const struct pup_call *c)
{
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(c->a[3] ? ETH_P_IPV6 : ETH_P_IP),
		.sll_ifindex = (int)if_nametoindex(c->data + PUP_DATA_MAX - IF_NAMESIZE),
		.sll_halen = 6,
	};

	memcpy(to.sll_addr, c->data, 6);
	return to;
}

/* The frame goes by a ring that is shared with the kernel (Documentation, packet_mmap). */
static long by_ring(int fd, const struct sockaddr_ll *to, const char *data, size_t len)
{
	struct tpacket_req req = {
		.tp_block_size = 4096, .tp_block_nr = 1, .tp_frame_size = 4096, .tp_frame_nr = 1};
	struct tpacket_hdr *slot;
	long r;

	if (setsockopt(fd, SOL_PACKET, PACKET_TX_RING, &req, sizeof(req)))
		return -errno;
	slot = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (slot == MAP_FAILED)
		return -errno;
	memcpy((char *)slot + TPACKET_HDRLEN - sizeof(struct sockaddr_ll), data, len);
	slot->tp_len = (unsigned int)len;
	slot->tp_status = TP_STATUS_SEND_REQUEST;
	r = sendto(fd, NULL, 0, 0, (const void *)to, sizeof(*to)) < 0 ? -errno : 0;
	(void)munmap(slot, 4096);
	return r;
}

/* a: way, -, -, IPv6; the device's name stands at the end of the data */
static long do_frame(struct pup_call *c)
{
	const struct way *way = (const void *)c->a[0];
	struct sockaddr_ll to = device(c);
	size_t skip = way->type == SOCK_DGRAM ? ETH_HLEN : 0;
	int fd = socket(AF_PACKET, way->type | SOCK_CLOEXEC, 0), one = 1;
	long r = 0;

	if (fd < 0)
		return -errno;
	if (way->bypass && setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one)))
		r = -errno;
	else if (way->ring)
		r = by_ring(fd, &to, c->data + skip, c->len - skip);
	else if (sendto(fd, c->data + skip, c->len - skip, 0, (void *)&to, sizeof(to)) < 0)
		r = -errno;
	(void)close(fd);
	return r;
}

static long write_frame(struct puppet *p, const struct way *way, const char *dev,
			const uint8_t mac[6], struct pkt *frame, int v6)
{
	struct pup_call c = {.fn = do_frame, .a = {(long)way, 0, 0, v6}, .len = frame->len};

	memcpy(frame->data, mac, 6);
	memcpy(c.data, frame->data, frame->len);
	(void)snprintf(c.data + PUP_DATA_MAX - IF_NAMESIZE, IF_NAMESIZE, "%s", dev);
	return pup_do(p, &c);
}

static const struct way ways[] = {
	{"with an Ethernet header", SOCK_RAW, false, false},
	{"without", SOCK_DGRAM, false, false},
	{"by a ring", SOCK_RAW, true, false},
	{"past the queueing discipline", SOCK_RAW, false, true},
	{"by a ring past the queueing discipline", SOCK_RAW, true, true},
};

/* As web, to far, which lets web in: only who may write frames gets through. */
static void test_packet_sockets(void **state)
{
	uint8_t mac[6];
	struct pkt p;
	long r;

	(void)state;
	mac_of(b.ns, "b0", mac);
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++)
		for (int v6 = 0; v6 < 2; v6++) {
			net_mark(&a);
			frame(&p, web_addr[v6], far_addr[v6], 40000, PORT);
			r = write_frame(shut, &ways[i], "a0", mac, &p, v6);
			if (ways[i].bypass)
				assert_int_equal(r, -EPERM);
			if (hears(far, server[v6], PUP_SHORT_MS))
				fail_msg("IPv%d: a frame %s got out", v6 ? 6 : 4, ways[i].says);
			net_told(&a, BH_EVENT_DENY, BH_R_RAW);
			net_mark(&a);
			assert_int_equal(write_frame(tool, &ways[i], "a0", mac, &p, v6), 0);
			if (!hears(far, server[v6], PUP_PATIENCE_MS))
				fail_msg("IPv%d: a tool's frame %s got lost", v6 ? 6 : 4,
					 ways[i].says);
			net_quiet(&a);
		}
}

/* --- quarantine -------------------------------------------------------------------------------------------------- */

static struct bh_quarantine slot[BH_QUARANTINE_MAX];

/* A unit, or an address; NULL: nobody. */
static void hold(const char *who)
{
	struct bh_member held = {.by = BH_HELD_UNIT, .held = 1};
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_addr addr;

	slot[0].flags = who ? BH_QUARANTINE_ON : 0;
	if (who && strstr(who, ".service")) {
		(void)snprintf(held.unit, sizeof(held.unit), "%s", who);
	} else if (who) {
		addr = pol_addr(who);
		held.by = BH_HELD_ADDR;
		held.prefix.prefixlen = 128;
		memcpy(held.prefix.addr, addr.b, sizeof(addr.b));
	}
	assert_int_equal(bh_kern_quarantine(a.k, slot, &held, who != NULL, &d), 0);
	net_mark(&a);
}

/* Who may write frames may not in quarantine, nor to or for an address that is in it. */
static void test_frames_in_quarantine(void **state)
{
	uint8_t mac[6];
	struct pkt p;

	(void)state;
	mac_of(b.ns, "b0", mac);
	for (int v6 = 0; v6 < 2; v6++) {
		const char *const who[] = {"tool.service", far_addr[v6], web_addr[v6]};

		frame(&p, web_addr[v6], far_addr[v6], 40000, PORT);
		for (size_t i = 0; i < ARRAY_SIZE(who); i++) {
			hold(who[i]);
			(void)write_frame(tool, &ways[0], "a0", mac, &p, v6);
			assert_false(hears(far, server[v6], PUP_SHORT_MS));
			net_told(&a, BH_EVENT_DENY, BH_R_QUARANTINE);
		}
		hold(NULL);
		assert_int_equal(write_frame(tool, &ways[0], "a0", mac, &p, v6), 0);
		assert_true(hears(far, server[v6], PUP_PATIENCE_MS));
	}
}

/* A DHCP client writes frames before it has an address: these, and no others. */
static void test_a_dhcp_client_writes_nothing_else(void **state)
{
	static const uint8_t all[6] = {255, 255, 255, 255, 255, 255};
	struct pkt p;

	(void)state;
	frame(&p, "0.0.0.0", "255.255.255.255", 68, 67);
	assert_int_equal(write_frame(lease, &ways[0], "a0", all, &p, 0), 0);
	assert_int_equal(net_count(&a, BH_R_DHCP), 1);
	net_quiet(&a);
	(void)write_frame(shut, &ways[0], "a0", all, &p, 0);
	net_told(&a, BH_EVENT_DENY, BH_R_RAW);
	net_mark(&a);
	frame(&p, "0.0.0.0", "255.255.255.255", 68, 69);
	(void)write_frame(lease, &ways[0], "a0", all, &p, 0);
	net_told(&a, BH_EVENT_DENY, BH_R_RAW);
}

/* --- AF_XDP ---------------------------------------------------------------------------------------------------- */

/* Memory for frames: the first of the options without which the socket neither sends nor hears. */
static long do_xdp_socket(struct pup_call *c)
{
	struct xdp_umem_reg umem = {.len = 16 * 4096, .chunk_size = 4096};
	int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0), entries = 8;
	void *at = mmap(NULL, umem.len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	long r = 0;

	(void)c;
	if (fd < 0)
		return -errno;
	umem.addr = (uintptr_t)at;
	if (setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &umem, sizeof(umem)) ||
	    setsockopt(fd, SOL_XDP, XDP_TX_RING, &entries, sizeof(entries)))
		r = -errno;
	(void)close(fd);
	(void)munmap(at, umem.len);
	return r;
}

static void test_xdp_sockets(void **state)
{
	struct pup_call c = {.fn = do_xdp_socket};
	long r = pup_do(tool, &c);

	(void)state;
	if (r == -EAFNOSUPPORT)
		skip(); /* a kernel without CONFIG_XDP_SOCKETS */
	assert_int_equal(r, 0);
	net_quiet(&a);
	assert_int_equal(pup_do(shut, &c), -EPERM);
	net_told(&a, BH_EVENT_DENY, BH_R_RAW);
}

static long do_option(struct pup_call *c)
{
	static char value[8192];
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	long r = setsockopt(fd, IPPROTO_IP, (int)c->a[0], value, (socklen_t)c->a[1]) ? -errno : 0;

	(void)close(fd);
	return r;
}

/* Options of other sockets are no business of ours, whatever their size. */
static void test_other_options_are_left_alone(void **state)
{
	static const int size[] = {4, 100, 4096, 4097, 8192};
	struct puppet *outside = pup_start("outside/x.service", a.ns);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(size); i++) {
		struct pup_call c = {.fn = do_option, .a = {IP_MSFILTER, size[i]}};

		assert_int_equal(pup_do(shut, &c), pup_do(outside, &c));
		c.a[0] = IP_TTL;
		assert_int_equal(pup_do(shut, &c), pup_do(outside, &c));
	}
	net_quiet(&a);
	pup_stop(outside);
}

/* --- the loopback device ----------------------------------------------------------------------------------------- */

/*
 * On lo a sender is known by its address: a frame there would speak for any workload. The kernel
 * itself takes none from IPv4 addresses of its own (martians).
 */
static void test_the_loopback_device(void **state)
{
	static const uint8_t mac[6];
	struct puppet *web = net_puppet(&a, "web.service");
	struct pkt p;

	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		int fd = talk_socket(web, SOCK_DGRAM, lo_addr[v6], lo_addr[v6]);
		int port = pup_port(web, fd);

		assert_int_equal(pup_sendto(web, fd, "hello", lo_addr[v6], PORT), 5);
		assert_true(hears(db, here_server[v6], PUP_PATIENCE_MS));
		net_mark(&a);
		frame(&p, lo_addr[v6], lo_addr[v6], port, PORT);
		assert_true(write_frame(shut, &ways[0], "lo", mac, &p, v6) < 0);
		assert_false(hears(db, here_server[v6], PUP_SHORT_MS));
		net_told(&a, BH_EVENT_DENY, BH_R_RAW);
		net_mark(&a);
		assert_int_equal(write_frame(tool, &ways[0], "lo", mac, &p, v6), 0);
		assert_int_equal(hears(db, here_server[v6], v6 ? PUP_PATIENCE_MS : PUP_SHORT_MS),
				 v6);
		net_quiet(&a);
		assert_int_equal(pup_close(web, fd), 0);
	}
	pup_stop(web);
}

/* --- a container's root ------------------------------------------------------------------------------------------ */

static const char *const box_addr[] = {"10.78.0.2", "fd78::2"};

/* A network namespace whose only way out is through a. Made once. */
static int make_box(void)
{
	static int box = -1;

	if (box >= 0)
		return box;
	assert_int_equal(ns_make(&box), 0);
	assert_int_equal(ns_veth(a.ns, "box0", "10.78.0.1/24", box, "eth0", "10.78.0.2/24"), 0);
	assert_int_equal(ns_addr(a.ns, "box0", "fd78::1/64"), 0);
	assert_int_equal(ns_addr(box, "eth0", "fd78::2/64"), 0);
	assert_int_equal(ns_cmd(box, "ip", "route", "add", "default", "via", "10.78.0.1"), 0);
	assert_int_equal(ns_cmd(box, "ip", "route", "add", "default", "via", "fd78::1"), 0);
	assert_int_equal(ns_cmd(b.ns, "ip", "route", "add", "10.78.0.0/24", "via", "10.77.0.1"), 0);
	assert_int_equal(ns_cmd(b.ns, "ip", "route", "add", "fd78::/64", "via", "fd77::1"), 0);
	net_sysctl(&a, "net/ipv4/ip_forward", "1");
	net_sysctl(&a, "net/ipv6/conf/all/forwarding", "1");
	return box;
}

/*
 * Its sockets are judged as its workload's. A limit: frames that it writes, with CAP_NET_RAW, to
 * the device of its own namespace pass no hook of ours there; a's NIC sees them as forwarded, and
 * `forward: deny` is what stops them.
 */
static void test_a_containers_frames(void **state)
{
	struct puppet *p = pup_start("a/system.slice/shut_box.service", make_box());
	uint8_t mac[6];
	struct pkt f;

	(void)state;
	mac_of(a.ns, "box0", mac);
	for (int v6 = 0; v6 < 2; v6++) {
		int fd = pup_socket(p, v6 ? AF_INET6 : AF_INET, SOCK_DGRAM, 0);

		assert_int_equal(pup_sendto(p, fd, "x", far_addr[v6], PORT), -EPERM);
		assert_int_equal(pup_close(p, fd), 0);
		frame(&f, box_addr[v6], far_addr[v6], 40000, PORT);
		net_apply(&a, map);
		net_mark(&a);
		assert_int_equal(write_frame(p, &ways[0], "eth0", mac, &f, v6), 0);
		assert_true(hears(far, server[v6], PUP_PATIENCE_MS));
		assert_true(net_count(&a, BH_R_FORWARD_UNSET) >= 1);
		net_apply(&a, no_forwarding);
		net_mark(&a);
		assert_int_equal(write_frame(p, &ways[0], "eth0", mac, &f, v6), 0);
		assert_false(hears(far, server[v6], PUP_SHORT_MS));
		assert_true(net_count(&a, BH_R_FORWARD_DENY) >= 1);
	}
	net_apply(&a, map);
	pup_stop(p);
}

/* What is forwarded is nobody's here: whoever of the two is in quarantine, it goes no further. */
static void test_forwarded_in_quarantine(void **state)
{
	struct puppet *p = pup_start("a/system.slice/shut_box.service", make_box());
	struct puppet *outside = net_puppet(&b, "tool.service");
	uint8_t mac[6], near[6];
	struct pkt f;

	(void)state;
	mac_of(a.ns, "box0", mac);
	mac_of(a.ns, "a0", near);
	(void)bh_kern_set_ctl(a.k, BH_CTL_FWD4 | BH_CTL_FWD6, 0);
	for (int v6 = 0; v6 < 2; v6++) {
		const char *const who[] = {box_addr[v6], far_addr[v6]};

		for (size_t i = 0; i < ARRAY_SIZE(who); i++) {
			hold(who[i]);
			frame(&f, box_addr[v6], far_addr[v6], 40000, PORT);
			assert_int_equal(write_frame(p, &ways[0], "eth0", mac, &f, v6), 0);
			assert_false(hears(far, server[v6], PUP_SHORT_MS));
			net_told(&a, BH_EVENT_DENY, BH_R_QUARANTINE);
			net_mark(&a);
			frame(&f, far_addr[v6], box_addr[v6], 40000, PORT);
			assert_int_equal(write_frame(outside, &ways[0], "b0", near, &f, v6), 0);
			net_told(&a, BH_EVENT_DENY, BH_R_QUARANTINE);
		}
		hold(NULL);
		frame(&f, box_addr[v6], far_addr[v6], 40000, PORT);
		assert_int_equal(write_frame(p, &ways[0], "eth0", mac, &f, v6), 0);
		assert_true(hears(far, server[v6], PUP_PATIENCE_MS));
	}
	(void)bh_kern_set_ctl(a.k, 0, BH_CTL_FWD4 | BH_CTL_FWD6);
	pup_stop(outside);
	pup_stop(p);
}

/* --- the group --------------------------------------------------------------------------------------------------- */

static int setup(void **state)
{
	(void)state;
	if (net_up(&a, &b))
		return -1;
	shut = net_puppet(&a, "shut.service");
	tool = net_puppet(&a, "tool.service");
	lease = net_puppet(&a, "lease.service");
	db = net_puppet(&a, "db.service");
	far = net_puppet(&b, "far.service");
	net_apply(&a, map);
	net_apply(&b, map);
	for (int v6 = 0; v6 < 2; v6++) {
		server[v6] = pup_serve(far, SOCK_DGRAM, far_addr[v6], PORT);
		here_server[v6] = pup_serve(db, SOCK_DGRAM, lo_addr[v6], PORT);
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	pup_stop(shut);
	pup_stop(tool);
	pup_stop(lease);
	pup_stop(db);
	pup_stop(far);
	return net_down(&a, &b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_packet_sockets, each_test),
		cmocka_unit_test_setup(test_frames_in_quarantine, each_test),
		cmocka_unit_test_setup(test_a_dhcp_client_writes_nothing_else, each_test),
		cmocka_unit_test_setup(test_xdp_sockets, each_test),
		cmocka_unit_test_setup(test_other_options_are_left_alone, each_test),
		cmocka_unit_test_setup(test_the_loopback_device, each_test),
		cmocka_unit_test_setup(test_a_containers_frames, each_test),
		cmocka_unit_test_setup(test_forwarded_in_quarantine, each_test),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
