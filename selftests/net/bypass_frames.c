// SPDX-License-Identifier: Apache-2.0
/*
 * bypass_frames.c - frames that somebody on the wire writes, into a host with the real programs and
 * real sockets: does the datagram inside reach its server? A new frame is a row of rows[]. What
 * XDP answers, for many more of them, is the table in selftests/lib/packets.c.
 */
#include "netrig.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "ns.h"
#include "pkt.h"
#include "talk.h"

#define PORT 7000

static struct net_host a, b;
static struct puppet *server, *far, *outside;
static int fd[2], wire; /* the server's sockets, by family; b's end of the cable */
static uint8_t mac[6];	/* of a's end */

static const char map[] =
	"segments:\n"
	"  server: { match: [ { unit: server.service }, { cidr: [10.77.0.1/32, fd77::1/128] } ] }\n"
	"  far: { match: [ { unit: far.service }, { cidr: [10.77.0.11/32, fd77::11/128] } ] }\n"
	"allow:\n"
	"  - { id: far-server, from: far, to: server, port: [tcp/7000, udp/7000] }\n"
	"  - { id: server-far, from: server, to: far, port: udp/7001 }\n";

static const char *const far_addr[] = {"10.77.0.11", "fd77::11"};
static const char *const stranger[] = {"10.77.0.13", "fd77::13"};
static const char *const here[] = {"10.77.0.1", "fd77::1"};

/* --- frames ------------------------------------------------------------------------------------------------------------- */

static void datagram(struct pkt *p)
{
	pkt_udp(p, 40000, PORT);
	pkt_payload(p, "frame", 5);
}

static void ip(struct pkt *p, bool v6, const char *const from[])
{
	if (v6)
		pkt_ip6(p, from[1], here[1]);
	else
		pkt_ip4(p, from[0], here[0]);
}

static void plain(struct pkt *p, bool v6)
{
	ip(p, v6, far_addr);
	datagram(p);
}

static void of_stranger(struct pkt *p, bool v6)
{
	ip(p, v6, stranger);
	datagram(p);
}

#define VLAN(name, ...)                                                                            \
	static void name(struct pkt *p, bool v6)                                                   \
	{                                                                                          \
		static const uint16_t id[] = {__VA_ARGS__};                                        \
                                                                                                   \
		for (size_t i = 0; i < ARRAY_SIZE(id); i++)                                        \
			pkt_vlan(p, 0x8100, id[i]);                                                \
		plain(p, v6);                                                                      \
	}
VLAN(priority_tag, 0)
VLAN(vlan_7, 7)
VLAN(three_tags, 1, 2, 3)

/* IP behind another EtherType: as a length (LLC), as PPPoE, as MPLS. */
static void behind(struct pkt *p, bool v6, uint16_t type, const char *header, size_t len)
{
	struct pkt inner;

	pkt_start(&inner);
	plain(&inner, v6);
	pkt_finish(&inner);
	pkt_ethertype(p, type);
	pkt_payload(p, header, len);
	pkt_payload(p, inner.data + inner.l3, inner.len - inner.l3);
}

static void llc(struct pkt *p, bool v6)
{
	behind(p, v6, 60, v6 ? "\xaa\xaa\3\0\0\0\x86\xdd" : "\xaa\xaa\3\0\0\0\x08\0", 8);
}

static void pppoe(struct pkt *p, bool v6)
{
	behind(p, v6, 0x8864, v6 ? "\x11\0\0\1\0\x3f\0\x57" : "\x11\0\0\1\0\x2f\0\x21", 8);
}

static void mpls(struct pkt *p, bool v6)
{
	behind(p, v6, 0x8847, "\0\1\1\x40", 4);
}

/* Bytes [@from, @to) of the datagram, as a fragment. */
static void fragment(struct pkt *p, bool v6, size_t from, size_t to, bool more)
{
	struct pkt whole;

	pkt_start(&whole);
	plain(&whole, v6);
	pkt_finish(&whole);
	ip(p, v6, far_addr);
	if (v6)
		pkt_ip6_fragment(p, (uint16_t)from, more);
	else
		pkt_ip4_fragment(p, (uint16_t)from, more);
	pkt_proto(p, IPPROTO_UDP);
	p->l4 = 0;
	pkt_payload(p, whole.data + whole.l4 + from, to - from);
}

static void first_fragment(struct pkt *p, bool v6)
{
	fragment(p, v6, 0, 8, true);
}

static void last_fragment(struct pkt *p, bool v6)
{
	fragment(p, v6, 8, 13, false);
}

static void overlapping_fragment(struct pkt *p, bool v6)
{
	fragment(p, v6, 0, 13, true);
}

static void atomic_fragment(struct pkt *p, bool v6)
{
	ip(p, v6, far_addr);
	pkt_ip6_fragment(p, 0, 0);
	datagram(p);
}

static void many_fragment_headers(struct pkt *p, bool v6)
{
	ip(p, v6, far_addr);
	for (int i = 0; i < 3; i++)
		pkt_ip6_fragment(p, 0, 0);
	datagram(p);
}

static void extensions(struct pkt *p, bool v6)
{
	ip(p, v6, far_addr);
	pkt_ip6_ext(p, IPPROTO_HOPOPTS, 8);
	pkt_ip6_ext(p, IPPROTO_DSTOPTS, 8);
	datagram(p);
}

static void too_many_extensions(struct pkt *p, bool v6)
{
	ip(p, v6, far_addr);
	for (int i = 0; i < 9; i++)
		pkt_ip6_ext(p, IPPROTO_DSTOPTS, 8);
	datagram(p);
}

static void routing_header_0(struct pkt *p, bool v6)
{
	ip(p, v6, far_addr);
	pkt_ip6_ext(p, IPPROTO_ROUTING, 24);
	datagram(p);
}

static void options(struct pkt *p, const char *bytes, size_t len)
{
	pkt_ip4_options(p, far_addr[0], here[0], bytes, len);
	datagram(p);
}

static void no_operation(struct pkt *p, bool v6)
{
	(void)v6;
	options(p, "\1\1\1\0", 4);
}

static void loose_route(struct pkt *p, bool v6)
{
	(void)v6;
	options(p, "\x83\7\4\x0a\x4d\0\2\0", 8);
}

static void strict_route(struct pkt *p, bool v6)
{
	(void)v6;
	options(p, "\x89\7\4\x0a\x4d\0\2\0", 8);
}

/* The datagram in a tunnel that nobody set up. */
static void in_ip4(struct pkt *p, bool v6)
{
	ip(p, v6, far_addr);
	pkt_ip4(p, far_addr[0], here[0]);
	datagram(p);
}

static void in_ip6(struct pkt *p, bool v6)
{
	ip(p, v6, far_addr);
	pkt_ip6(p, far_addr[1], here[1]);
	datagram(p);
}

static void behind_proto(struct pkt *p, bool v6, uint8_t proto)
{
	ip(p, v6, far_addr);
	pkt_proto(p, proto);
	pkt_payload(p, v6 ? "\0\0\x86\xdd" : "\0\0\x08\0", 4);
	p->l4 = 0;
}

static void gre(struct pkt *p, bool v6)
{
	behind_proto(p, v6, 47);
}

static void esp(struct pkt *p, bool v6)
{
	behind_proto(p, v6, 50);
}

static void vxlan(struct pkt *p, bool v6)
{
	ip(p, v6, far_addr);
	pkt_udp(p, 40000, 4789);
	pkt_payload(p, "\x08\0\0\0\0\0\7\0", 8);
}

static void esp_in_udp(struct pkt *p, bool v6)
{
	ip(p, v6, far_addr);
	pkt_udp(p, 4500, 4500);
	pkt_payload(p, "\0\0\0\1\0\0\0\1", 8);
}

#define FROM(name, v4, v6_)                                                                        \
	static void name(struct pkt *p, bool v6)                                                   \
	{                                                                                          \
		static const char *const from[] = {v4, v6_};                                       \
                                                                                                   \
		ip(p, v6, from);                                                                   \
		datagram(p);                                                                       \
	}
FROM(from_loopback, "127.0.0.1", "::1")
FROM(from_itself, "10.77.0.1", "fd77::1")
FROM(from_own, "10.77.0.2", "fd77::2")
FROM(from_group, "224.0.0.1", "ff02::1")
FROM(from_broadcast, "255.255.255.255", "::ffff:10.77.0.11")
FROM(from_nobody, "0.0.0.0", "::")

static void to_port_0(struct pkt *p, bool v6)
{
	ip(p, v6, far_addr);
	pkt_udp(p, 40000, 0);
	pkt_payload(p, "frame", 5);
}

static void echo(struct pkt *p, bool v6)
{
	ip(p, v6, stranger);
	pkt_icmp(p, v6 ? 128 : 8, 0, 0x70001);
	pkt_payload(p, "frame", 5);
}

static void echo_reply(struct pkt *p, bool v6)
{
	ip(p, v6, stranger);
	pkt_icmp(p, v6 ? 129 : 0, 0, 0x70001);
	pkt_payload(p, "frame", 5);
}

/* --- the table ------------------------------------------------------------------------------------------------------------ */

static const struct frame_row {
	const char *says;
	void (*build)(struct pkt *p, bool v6);
	bool arrives;
	enum bh_reason reason[2]; /* by family; 0: there is no such frame */
} rows[] = {
	{"a datagram", plain, true, {BH_R_TO_SOCKET, BH_R_TO_SOCKET}},
	{"a stranger's", of_stranger, false, {BH_R_DEFAULT_DENY, BH_R_DEFAULT_DENY}},
	{"with a priority tag", priority_tag, true, {BH_R_TO_SOCKET, BH_R_TO_SOCKET}},
	{"of another VLAN", vlan_7, false, {BH_R_TO_SOCKET, BH_R_TO_SOCKET}},
	{"three tags", three_tags, false, {BH_R_MALFORMED_L2, BH_R_MALFORMED_L2}},
	{"LLC", llc, false, {BH_R_L2, BH_R_L2}},
	{"PPPoE", pppoe, false, {BH_R_L2, BH_R_L2}},
	{"MPLS", mpls, false, {BH_R_L2, BH_R_L2}},
	{"a tiny first fragment", first_fragment, false, {BH_R_FRAGMENT, BH_R_FRAGMENT}},
	{"the last fragment", last_fragment, false, {BH_R_FRAGMENT, BH_R_FRAGMENT}},
	{"a fragment over it", overlapping_fragment, false, {BH_R_FRAGMENT, BH_R_FRAGMENT}},
	{"an atomic fragment", atomic_fragment, false, {0, BH_R_FRAGMENT}},
	{"three fragment headers", many_fragment_headers, false, {0, BH_R_FRAGMENT}},
	{"extension headers", extensions, true, {0, BH_R_TO_SOCKET}},
	{"too many of them", too_many_extensions, false, {0, BH_R_EXT_HEADER}},
	{"routing header 0", routing_header_0, false, {0, BH_R_EXT_HEADER}},
	{"options", no_operation, true, {BH_R_TO_SOCKET, 0}},
	{"a loose source route", loose_route, false, {BH_R_IP_OPTIONS, 0}},
	{"a strict source route", strict_route, false, {BH_R_IP_OPTIONS, 0}},
	{"IPv4 in IP", in_ip4, false, {BH_R_PROTOCOL, BH_R_PROTOCOL}},
	{"IPv6 in IP (SIT)", in_ip6, false, {BH_R_PROTOCOL, BH_R_PROTOCOL}},
	{"GRE", gre, false, {BH_R_PROTOCOL, BH_R_PROTOCOL}},
	{"ESP", esp, false, {BH_R_PROTOCOL, BH_R_PROTOCOL}},
	{"VXLAN", vxlan, false, {BH_R_NO_LISTENER, BH_R_NO_LISTENER}},
	{"ESP in UDP", esp_in_udp, false, {BH_R_NO_LISTENER, BH_R_NO_LISTENER}},
	{"from loopback", from_loopback, false, {BH_R_LAND, BH_R_LAND}},
	{"from the receiver itself", from_itself, false, {BH_R_LAND, BH_R_LAND}},
	{"from an address of ours", from_own, false, {BH_R_LAND, BH_R_LAND}},
	{"from a group", from_group, false, {BH_R_LAND, BH_R_LAND}},
	{"broadcast, v4-mapped", from_broadcast, false, {BH_R_LAND, BH_R_MAPPED_ON_WIRE}},
	{"from nobody", from_nobody, false, {BH_R_LAND, BH_R_LAND}},
	{"to port 0", to_port_0, false, {BH_R_PORT_ZERO, BH_R_PORT_ZERO}},
	{"a stranger's ping", echo, false, {BH_R_DEFAULT_DENY, BH_R_DEFAULT_DENY}},
	{"an answer nobody asked for", echo_reply, false, {BH_R_ICMP_REPLY, BH_R_ICMP_REPLY}},
};

static void put(struct pkt *p)
{
	memcpy(p->data, mac, 6);
	assert_int_equal(send(wire, p->data, p->len, 0), p->len);
}

/* Behind each frame comes one that arrives: by then the frame has, too, or never will. */
static bool gets_through(const struct frame_row *row, bool v6)
{
	const char *got;
	struct pkt p;
	bool first;
	int r;

	pkt_start(&p);
	row->build(&p, v6);
	pkt_finish(&p);
	put(&p);
	pkt_start(&p);
	ip(&p, v6, far_addr);
	pkt_udp(&p, 40000, PORT);
	pkt_payload(&p, "end", 3);
	pkt_finish(&p);
	put(&p);
	got = pup_recv(server, fd[v6], &r);
	if (!got)
		fail_msg("%s: the server hears no more: %s", row->says, strerror(-r));
	first = !strcmp(got, "frame");
	if (first)
		assert_non_null(pup_recv(server, fd[v6], &r));
	return first;
}

static void test_frames(void **state)
{
	int bad = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		for (int v6 = 0; v6 < 2; v6++) {
			const struct frame_row *row = &rows[i];
			bool arrives;

			if (!row->reason[v6])
				continue;
			net_mark(&a);
			arrives = gets_through(row, v6);
			if (arrives == row->arrives && net_count(&a, row->reason[v6]))
				continue;
			bad++;
			printf("# IPv%d: %s: %s\n", v6 ? 6 : 4, row->says,
			       arrives ? "arrives" : "does not arrive");
			net_print(&a);
		}
	assert_int_equal(bad, 0);
}

/* --- about a connection that there is ---------------------------------------------------------------------------------------- */

static void segment(bool v6, const char *const from[], int sport, uint8_t flags)
{
	struct pkt p;

	pkt_start(&p);
	ip(&p, v6, from);
	pkt_tcp(&p, (uint16_t)sport, PORT, flags);
	if (flags & PKT_PSH)
		pkt_payload(&p, "injected", 8);
	pkt_finish(&p);
	put(&p);
}

/*
 * Resets and data of a stranger, and of the peer's address with a number out of the air. A limit:
 * who sees the sequence numbers on the wire can end or fill a connection without cryptography.
 */
static void test_segments_into_a_connection(void **state)
{
	static const uint8_t flags[] = {PKT_RST, PKT_RST | PKT_ACK, PKT_ACK | PKT_PSH,
					PKT_SYN, PKT_SYN | PKT_ACK, PKT_FIN | PKT_ACK};
	int listener = pup_serve(server, SOCK_STREAM, "::", PORT);

	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct talk t = talk_open(far, far_addr[v6], server, listener, here[v6], PORT);
		int port = pup_port(far, t.client_fd);

		for (size_t i = 0; i < sizeof(flags); i++) {
			segment(v6, stranger, port, flags[i]);
			segment(v6, far_addr, port, flags[i]);
		}
		talk_both_ways(&t);
		/* a connection that there is not: picked up by nobody */
		segment(v6, far_addr, 1000, PKT_ACK | PKT_PSH);
		assert_int_equal(pup_patience(server, listener, PUP_SHORT_MS), 0);
		assert_int_equal(pup_accept(server, listener), -EAGAIN);
		assert_int_equal(pup_patience(server, listener, PUP_PATIENCE_MS), 0);
		talk_close(&t);
	}
	assert_int_equal(pup_close(server, listener), 0);
}

static void unreachable(bool v6, int sport)
{
	struct pkt quoted, p;

	pkt_start(&quoted);
	if (v6)
		pkt_ip6(&quoted, here[1], far_addr[1]);
	else
		pkt_ip4(&quoted, here[0], far_addr[0]);
	pkt_udp(&quoted, (uint16_t)sport, 7001);
	pkt_finish(&quoted);
	pkt_start(&p);
	ip(&p, v6, stranger);
	pkt_icmp(&p, v6 ? 1 : 3, v6 ? 4 : 3, 0);
	pkt_payload(&p, quoted.data + quoted.l3, quoted.len - quoted.l3);
	pkt_finish(&p);
	put(&p);
}

/* An error is for the socket whose packet it quotes, if there is one. */
static void test_forged_errors(void **state)
{
	int r;

	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		int peer = pup_serve(far, SOCK_DGRAM, far_addr[v6], 7001);
		int mine = talk_socket(server, SOCK_DGRAM, far_addr[v6], here[v6]);
		int port = pup_port(server, mine);

		assert_int_equal(pup_connect(server, mine, far_addr[v6], 7001), 0);
		assert_int_equal(pup_send(server, mine, "ask"), 3);
		net_mark(&a);
		unreachable(v6, port ^ 1);
		assert_int_equal(pup_answer(far, peer, "answer"), 0);
		assert_non_null(pup_recv(server, mine, &r));
		assert_int_equal(net_count(&a, BH_R_ICMP_ERROR), 1);
		/* a limit: who knows both ports may say so for the peer */
		unreachable(v6, port);
		assert_null(pup_recv(server, mine, &r));
		assert_int_equal(r, -ECONNREFUSED);
		assert_int_equal(pup_close(server, mine), 0);
		assert_int_equal(pup_close(far, peer), 0);
	}
}

/* --- frames of more than a page ---------------------------------------------------------------------------------------------- */

static long do_jumbo(struct pup_call *c)
{
	static char data[8000] = "jumbo";
	ssize_t n = sendto((int)c->a[0], data, sizeof(data), 0, (void *)&c->addr, c->addr_len);

	return n < 0 ? -errno : n;
}

static void test_jumbo_frames(void **state)
{
	int small, big, r;

	(void)state;
	assert_int_equal(ns_cmd(a.ns, "ip", "link", "set", "a0", "mtu", "9000"), 0);
	assert_int_equal(ns_cmd(b.ns, "ip", "link", "set", "b0", "mtu", "9000"), 0);
	for (int v6 = 0; v6 < 2; v6++) {
		struct pup_call c = {.fn = do_jumbo};

		big = talk_socket(outside, SOCK_DGRAM, here[v6], stranger[v6]);
		c.a[0] = big;
		c.addr_len = pup_addr(here[v6], PORT, &c.addr);
		net_mark(&a);
		assert_int_equal(pup_do(outside, &c), 8000);
		small = talk_socket(far, SOCK_DGRAM, here[v6], far_addr[v6]);
		c.a[0] = small;
		assert_int_equal(pup_do(far, &c), 8000);
		assert_non_null(pup_recv(server, fd[v6], &r));
		assert_int_equal(net_count(&a, BH_R_DEFAULT_DENY), 1);
		assert_int_equal(net_event(&a, BH_EVENT_DENY, NULL)->hook, BH_HOOK_XDP);
		assert_int_equal(pup_patience(server, fd[v6], PUP_SHORT_MS), 0);
		assert_null(pup_recv(server, fd[v6], &r));
		assert_int_equal(pup_close(outside, big), 0);
		assert_int_equal(pup_close(far, small), 0);
	}
}

/* --- the group ----------------------------------------------------------------------------------------------------------------- */

static int cable(void)
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET};
	struct ifreq req = {.ifr_name = "a0"};
	int back, s;

	assert_int_equal(ns_enter(a.ns, &back), 0);
	s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(ioctl(s, SIOCGIFHWADDR, &req), 0);
	memcpy(mac, req.ifr_hwaddr.sa_data, 6);
	(void)close(s);
	assert_int_equal(ns_enter(b.ns, NULL), 0);
	s = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	at.sll_ifindex = (int)if_nametoindex("b0");
	assert_int_equal(bind(s, (void *)&at, sizeof(at)), 0);
	assert_int_equal(ns_enter(back, NULL), 0);
	(void)close(back);
	return s;
}

static int setup(void **state)
{
	(void)state;
	if (net_up(&a, &b))
		return -1;
	server = net_puppet(&a, "server.service");
	far = net_puppet(&b, "far.service");
	outside = pup_start("outside/x.service", b.ns);
	net_apply(&a, map);
	net_apply(&b, map);
	for (int v6 = 0; v6 < 2; v6++)
		fd[v6] = pup_serve(server, SOCK_DGRAM, here[v6], PORT);
	wire = cable();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	(void)close(wire);
	pup_stop(server);
	pup_stop(far);
	pup_stop(outside);
	return net_down(&a, &b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames),
		cmocka_unit_test(test_segments_into_a_connection),
		cmocka_unit_test(test_forged_errors),
		cmocka_unit_test(test_jumbo_frames),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
