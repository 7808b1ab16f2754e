// SPDX-License-Identifier: Apache-2.0
/*
 * bypass_sockets.c - what a process can do with a socket of its own: options, ways to write, old
 * ports, other families and protocols. shut tries, web, who may, is the twin. A new option is a row
 * of options[], a new way to write a row of writes[], a new protocol a row of protocols[].
 */
#include "netrig.h"
#include "uring.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <unistd.h>
#include "talk.h"

#define PORT 7000

static struct net_host a, b;
static struct puppet *web, *shut, *far;
static int listener, server[2]; /* by family */

#define MAP(rules)                                                                                 \
	"segments:\n"                                                                              \
	"  web: { match: [ { unit: web.service }, { cidr: [10.77.0.1/32, fd77::1/128] } ] }\n"     \
	"  shut: { match: { unit: shut.service } }\n"                                              \
	"  far: { match: [ { unit: far.service }, { cidr: [10.77.0.11/32, fd77::11/128] } ] }\n"   \
	"allow:\n"                                                                                 \
	"  - { id: other, from: web, to: far, port: udp/7999 }\n" rules

static const char open_map[] =
	MAP("  - { id: web-far, from: web, to: far, port: [tcp/7000, udp/7000] }\n");
static const char closed_map[] = MAP("");

static const char *const web_addr[] = {"10.77.0.1", "fd77::1"};
static const char *const far_addr[] = {"10.77.0.11", "fd77::11"};

static int family(int v6)
{
	return v6 ? AF_INET6 : AF_INET;
}

/* Connections that nobody took. */
static void drain(void)
{
	int fd;

	assert_int_equal(pup_patience(far, listener, 1), 0);
	while ((fd = pup_accept(far, listener)) >= 0)
		assert_int_equal(pup_close(far, fd), 0);
	assert_int_equal(pup_patience(far, listener, PUP_PATIENCE_MS), 0);
}

static int each_test(void **state)
{
	(void)state;
	drain();
	net_apply(&a, open_map);
	net_mark(&a);
	net_mark(&b);
	return 0;
}

/* --- options ------------------------------------------------------------------------------------------------------- */

static const struct option_row {
	const char *says;
	int level[2], name[2], value; /* by family; level -1: there is none */
} options[] = {
	{"SO_MARK", {SOL_SOCKET, SOL_SOCKET}, {SO_MARK, SO_MARK}, 7},
	{"SO_PRIORITY", {SOL_SOCKET, SOL_SOCKET}, {SO_PRIORITY, SO_PRIORITY}, 6},
	{"SO_DONTROUTE", {SOL_SOCKET, SOL_SOCKET}, {SO_DONTROUTE, SO_DONTROUTE}, 1},
	{"SO_REUSEPORT", {SOL_SOCKET, SOL_SOCKET}, {SO_REUSEPORT, SO_REUSEPORT}, 1},
	{"IP_TRANSPARENT", {IPPROTO_IP, IPPROTO_IPV6}, {IP_TRANSPARENT, IPV6_TRANSPARENT}, 1},
	{"IP_FREEBIND", {IPPROTO_IP, IPPROTO_IPV6}, {IP_FREEBIND, IPV6_FREEBIND}, 1},
	{"IP_BIND_ADDRESS_NO_PORT", {IPPROTO_IP, IPPROTO_IP}, {24, 24}, 1},
	{"TCP_REPAIR", {IPPROTO_TCP, IPPROTO_TCP}, {TCP_REPAIR, TCP_REPAIR}, 1},
	{"TCP_FASTOPEN_CONNECT", {IPPROTO_TCP, IPPROTO_TCP}, {30, 30}, 1},
};

static int with_option(struct puppet *p, const struct option_row *row, int v6, int *ret_fd)
{
	int fd = pup_socket(p, family(v6), SOCK_STREAM, 0);

	assert_int_equal(pup_set(p, fd, row->level[v6], row->name[v6], row->value), 0);
	assert_int_equal(pup_set_raw(p, fd, SOL_SOCKET, SO_BINDTODEVICE, "a0", 3), 0);
	if (p == web)
		assert_int_equal(pup_bind(p, fd, web_addr[v6], 0), 0);
	*ret_fd = fd;
	return pup_connect(p, fd, far_addr[v6], PORT);
}

/* No option talks a verdict away; with every one of them, who may still may. */
static void test_options(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		for (int v6 = 0; v6 < 2; v6++) {
			const struct option_row *row = &options[i];
			int fd;

			net_mark(&a);
			if (with_option(shut, row, v6, &fd) != -EPERM)
				fail_msg("IPv%d: %s opens", v6 ? 6 : 4, row->says);
			net_told(&a, BH_EVENT_DENY, BH_R_DEFAULT_DENY);
			assert_int_equal(pup_close(shut, fd), 0);
			net_mark(&a);
			if (with_option(web, row, v6, &fd))
				fail_msg("IPv%d: %s closes", v6 ? 6 : 4, row->says);
			net_quiet(&a);
			assert_int_equal(pup_close(web, fd), 0);
		}
}

/* IPv6 socket to an IPv4 peer, made an IPv4 socket on the way: the verdict is for the same peer. */
static void test_a_socket_that_changes_its_family(void **state)
{
	struct talk t =
		talk_open(web, "::ffff:10.77.0.1", far, listener, "::ffff:10.77.0.11", PORT);

	(void)state;
	assert_int_equal(pup_set(web, t.client_fd, IPPROTO_IPV6, IPV6_ADDRFORM, AF_INET), 0);
	talk_both_ways(&t);
	net_quiet(&a);
	net_apply(&a, closed_map);
	assert_int_equal(pup_send(web, t.client_fd, "late"), 4);
	assert_int_equal(talk_ends(far, t.server_fd, PUP_SHORT_MS), 1);
	talk_close(&t);
}

/* --- ways to write ------------------------------------------------------------------------------------------------- */

static int file(const char *text)
{
	int fd = memfd_create("bh-test", MFD_CLOEXEC);

	if (write(fd, text, strlen(text)) < 0)
		return -errno;
	(void)lseek(fd, 0, SEEK_SET);
	return fd;
}

static long by_sendfile(struct pup_call *c)
{
	int from = file(c->data);
	ssize_t n = sendfile((int)c->a[0], from, NULL, c->len);

	n = n < 0 ? -errno : n;
	(void)close(from);
	return n;
}

static long by_splice(struct pup_call *c)
{
	int from = file(c->data), pipe_fd[2];
	ssize_t n;

	if (pipe2(pipe_fd, O_CLOEXEC))
		return -errno;
	(void)splice(from, NULL, pipe_fd[1], NULL, c->len, 0);
	n = splice(pipe_fd[0], NULL, (int)c->a[0], NULL, c->len, 0);
	n = n < 0 ? -errno : n;
	(void)close(from);
	(void)close(pipe_fd[0]);
	(void)close(pipe_fd[1]);
	return n;
}

static long by_zerocopy(struct pup_call *c)
{
	int one = 1;
	ssize_t n;

	(void)setsockopt((int)c->a[0], SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one));
	n = send((int)c->a[0], c->data, c->len, MSG_ZEROCOPY | MSG_NOSIGNAL);
	return n < 0 ? -errno : n;
}

static long by_writev(struct pup_call *c)
{
	struct iovec iov[2] = {{c->data, 1}, {c->data + 1, c->len - 1}};
	ssize_t n = writev((int)c->a[0], iov, 2);

	return n < 0 ? -errno : n;
}

static long by_mmsg(struct pup_call *c)
{
	struct iovec iov = {c->data, c->len};
	struct mmsghdr m = {.msg_hdr = {.msg_iov = &iov, .msg_iovlen = 1}};

	return sendmmsg((int)c->a[0], &m, 1, MSG_NOSIGNAL) == 1 ? (long)m.msg_len : -errno;
}

static long by_uring(struct pup_call *c)
{
	return uring_send((int)c->a[0], c->data, c->len, (unsigned int)c->a[1],
			  (unsigned char)c->a[2]);
}

static const struct write_row {
	const char *says;
	long (*fn)(struct pup_call *c);
	int flags, sqe_flags;
} writes[] = {
	{"writev", by_writev, 0, 0},
	{"sendmmsg", by_mmsg, 0, 0},
	{"sendfile", by_sendfile, 0, 0},
	{"splice", by_splice, 0, 0},
	{"MSG_ZEROCOPY", by_zerocopy, 0, 0},
	{"io_uring", by_uring, 0, 0},
	{"io_uring's worker", by_uring, 0, IOSQE_ASYNC},
	{"io_uring's polling thread", by_uring, IORING_SETUP_SQPOLL, 0},
};

static long write_by(const struct write_row *row, int fd, const char *text)
{
	struct pup_call c = {.fn = row->fn, .a = {fd, row->flags, row->sqe_flags}};

	c.len = strlen(text);
	strcpy(c.data, text);
	return pup_do(web, &c);
}

/* Each connection carries data while its rule stands, and none after, however it is written. */
static void test_ways_to_write(void **state)
{
	struct talk t[2][ARRAY_SIZE(writes)];

	(void)state;
	for (int v6 = 0; v6 < 2; v6++)
		for (size_t i = 0; i < ARRAY_SIZE(writes); i++) {
			long r;

			t[v6][i] = talk_open(web, web_addr[v6], far, listener, far_addr[v6], PORT);
			r = write_by(&writes[i], t[v6][i].client_fd, "before");
			if (r != 6)
				fail_msg("%s: %s", writes[i].says, strerror((int)-r));
			assert_int_equal(talk_ends(far, t[v6][i].server_fd, PUP_PATIENCE_MS), 6);
		}
	net_quiet(&a);
	net_apply(&a, closed_map);
	net_mark(&a);
	for (int v6 = 0; v6 < 2; v6++)
		for (size_t i = 0; i < ARRAY_SIZE(writes); i++)
			(void)write_by(&writes[i], t[v6][i].client_fd, "after");
	(void)usleep(PUP_SHORT_MS * 1000);
	for (int v6 = 0; v6 < 2; v6++)
		for (size_t i = 0; i < ARRAY_SIZE(writes); i++) {
			if (talk_ends(far, t[v6][i].server_fd, 1) != 1)
				fail_msg("IPv%d: %s gets through", v6 ? 6 : 4, writes[i].says);
			talk_close(&t[v6][i]);
		}
	assert_true(net_count(&a, BH_R_DEFAULT_DENY) >= 2 * ARRAY_SIZE(writes));
}

/* --- datagrams ------------------------------------------------------------------------------------------------------- */

static bool hears(int v6, int ms, const char *want)
{
	const char *got;
	int r;

	assert_int_equal(pup_patience(far, server[v6], ms), 0);
	got = pup_recv(far, server[v6], &r);
	if (got && want)
		assert_string_equal(got, want);
	return got != NULL;
}

static long do_more(struct pup_call *c)
{
	ssize_t n = sendto((int)c->a[0], c->data, c->len, MSG_MORE, (void *)&c->addr, c->addr_len);

	return n < 0 ? -errno : n;
}

/* Begun to who may be asked, ended to who may not: it goes where it was begun, or nowhere. */
static void test_a_datagram_in_pieces(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		int fd = talk_socket(web, SOCK_DGRAM, far_addr[v6], web_addr[v6]);
		struct pup_call c = {.fn = do_more, .a = {fd}, .len = 4, .data = "one "};

		c.addr_len = pup_addr(far_addr[v6], PORT, &c.addr);
		assert_int_equal(pup_do(web, &c), 4);
		(void)pup_sendto(web, fd, "two", far_addr[v6], 4999);
		(void)hears(v6, PUP_SHORT_MS, "one two");
		c.addr_len = pup_addr(far_addr[v6], 4999, &c.addr);
		assert_int_equal(pup_close(web, fd), 0);
		fd = talk_socket(web, SOCK_DGRAM, far_addr[v6], web_addr[v6]);
		c.a[0] = fd;
		net_mark(&a);
		assert_int_equal(pup_do(web, &c), -EPERM);
		net_told(&a, BH_EVENT_DENY, BH_R_DEFAULT_DENY);
		assert_int_equal(pup_close(web, fd), 0);
	}
}

/* One call, several datagrams (UDP_SEGMENT): counted as what they are, and judged. */
static void test_datagrams_in_one_segment(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		int fd = talk_socket(web, SOCK_DGRAM, far_addr[v6], web_addr[v6]);

		if (pup_set(web, fd, IPPROTO_UDP, 103, 4))
			skip(); /* before Linux 4.18 */
		net_mark(&a);
		assert_int_equal(pup_sendto(web, fd, "one.two.", far_addr[v6], PORT), 8);
		assert_true(hears(v6, PUP_PATIENCE_MS, "one."));
		assert_true(hears(v6, PUP_PATIENCE_MS, "two."));
		net_quiet(&a);
		assert_int_equal(net_count(&a, BH_R_ALLOW), 2);
		assert_int_equal(pup_sendto(web, fd, "one.two.", far_addr[v6], 4999), -EPERM);
		net_apply(&a, closed_map);
		assert_int_equal(pup_sendto(web, fd, "one.two.", far_addr[v6], PORT), -EPERM);
		net_apply(&a, open_map);
		assert_int_equal(pup_close(web, fd), 0);
	}
}

/* The socket says .11, a source route would take it by .12. */
static void test_a_datagrams_source_route(void **state)
{
	static const unsigned char via[] = {IPOPT_LSRR, 7, 4, 10, 77, 0, 12, IPOPT_EOL};
	int fd = talk_socket(web, SOCK_DGRAM, far_addr[0], web_addr[0]);

	(void)state;
	assert_int_equal(pup_set_raw(web, fd, IPPROTO_IP, IP_OPTIONS, via, sizeof(via)), 0);
	assert_int_equal(pup_sendto(web, fd, "x", far_addr[0], PORT), -EPERM);
	net_told(&a, BH_EVENT_DENY, BH_R_IP_OPTIONS);
	assert_int_equal(pup_set_raw(web, fd, IPPROTO_IP, IP_OPTIONS, NULL, 0), 0);
	assert_int_equal(pup_sendto(web, fd, "x", far_addr[0], PORT), 1);
	assert_true(hears(0, PUP_PATIENCE_MS, "x"));
	assert_int_equal(pup_close(web, fd), 0);
}

/* --- ports that were used before ----------------------------------------------------------------------------------------- */

static int from_port(int v6, int port)
{
	int fd = pup_socket(web, family(v6), SOCK_STREAM, 0);

	assert_int_equal(pup_set(web, fd, SOL_SOCKET, SO_REUSEADDR, 1), 0);
	assert_int_equal(pup_bind(web, fd, web_addr[v6], port), 0);
	return fd;
}

/* What was allowed before TIME_WAIT is asked again after it, at either end. */
static void test_a_port_in_time_wait(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++)
		for (int server_first = 0; server_first < 2; server_first++) {
			int port = 45000 + v6 * 2 + server_first;
			struct talk t = {.client = web, .server = far};

			for (int i = 0; i < 2; i++) {
				t.client_fd = from_port(v6, port);
				assert_int_equal(pup_connect(web, t.client_fd, far_addr[v6], PORT),
						 0);
				t.server_fd = pup_accept(far, listener);
				assert_true(t.server_fd >= 0);
				talk_both_ways(&t);
				if (server_first) {
					assert_int_equal(pup_close(far, t.server_fd), 0);
					assert_int_equal(
						talk_ends(web, t.client_fd, PUP_PATIENCE_MS), 0);
					assert_int_equal(pup_close(web, t.client_fd), 0);
				} else {
					talk_close(&t);
				}
				(void)usleep(20000);
				if (!server_first)
					break; /* the kernel keeps its own in TIME_WAIT */
			}
			net_quiet(&a);
			net_quiet(&b);
			net_apply(server_first ? &b : &a, closed_map);
			t.client_fd = from_port(v6, port);
			assert_int_equal(pup_patience(web, t.client_fd, PUP_SHORT_MS), 0);
			assert_int_equal(pup_connect(web, t.client_fd, far_addr[v6], PORT),
					 server_first ? -EINPROGRESS : -EPERM);
			assert_int_equal(pup_close(web, t.client_fd), 0);
			net_apply(&a, open_map);
			net_apply(&b, open_map);
			net_mark(&a);
			net_mark(&b);
		}
}

/* --- other families and protocols --------------------------------------------------------------------------------------- */

static const struct protocol_row {
	const char *says;
	int family, type, proto;
	int opens; /* for shut: 0, or -EPERM */
} protocols[] = {
	{"TCP", AF_INET, SOCK_STREAM, IPPROTO_TCP, 0},
	{"MPTCP", AF_INET, SOCK_STREAM, 262, 0},
	{"MPTCP over IPv6", AF_INET6, SOCK_STREAM, 262, 0},
	{"UDP-Lite", AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE, 0},
	{"SCTP, one to one", AF_INET, SOCK_STREAM, IPPROTO_SCTP, -EPERM},
	{"SCTP, one to many", AF_INET6, SOCK_SEQPACKET, IPPROTO_SCTP, -EPERM},
	{"DCCP", AF_INET, SOCK_DCCP, 33, -EPERM},
	{"L2TP", AF_INET, SOCK_DGRAM, 115, -EPERM},
	{"raw TCP", AF_INET, SOCK_RAW, IPPROTO_TCP, -EPERM},
	{"raw IPv6", AF_INET6, SOCK_RAW, IPPROTO_RAW, -EPERM},
	{"raw UDP-Lite", AF_INET, SOCK_RAW, IPPROTO_UDPLITE, -EPERM},
	{"raw IPIP", AF_INET, SOCK_RAW, IPPROTO_IPIP, -EPERM},
	{"raw SIT", AF_INET, SOCK_RAW, IPPROTO_IPV6, -EPERM},
	{"raw GRE", AF_INET6, SOCK_RAW, IPPROTO_GRE, -EPERM},
	/* limits: families of their own that no hook of ours sees */
	{"AF_UNIX", AF_UNIX, SOCK_STREAM, 0, 0},
	{"AF_VSOCK", AF_VSOCK, SOCK_STREAM, 0, 0},
	{"AF_TIPC", AF_TIPC, SOCK_RDM, 0, 0},
	{"AF_BLUETOOTH", AF_BLUETOOTH, SOCK_SEQPACKET, 0, 0},
};

/* The kernel looks for the protocol first: what it lacks can't be tried. */
static bool is_missing(int r)
{
	return r == -EAFNOSUPPORT || r == -EPROTONOSUPPORT || r == -ESOCKTNOSUPPORT ||
	       r == -ENOPROTOOPT;
}

static void test_protocols(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
		const struct protocol_row *row = &protocols[i];
		int fd;

		net_mark(&a);
		fd = pup_socket(shut, row->family, row->type, row->proto);
		if (is_missing(fd)) {
			printf("# skipped %s: not in this kernel (%s)\n", row->says, strerror(-fd));
			continue;
		}
		if ((fd < 0 ? fd : 0) != row->opens)
			fail_msg("%s: %s", row->says, fd < 0 ? strerror(-fd) : "opens");
		if (row->opens)
			net_told(&a, BH_EVENT_DENY, BH_R_RAW);
		else
			assert_int_equal(pup_close(shut, fd), 0);
	}
}

/* What opens is judged where it connects. */
static void test_an_mptcp_socket_is_judged_as_tcp(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		int fd = pup_socket(shut, family(v6), SOCK_STREAM, 262), twin;

		if (is_missing(fd))
			skip();
		assert_int_equal(pup_connect(shut, fd, far_addr[v6], PORT), -EPERM);
		assert_int_equal(pup_close(shut, fd), 0);
		twin = pup_socket(web, family(v6), SOCK_STREAM, 262);
		assert_int_equal(pup_bind(web, twin, web_addr[v6], 0), 0);
		assert_int_equal(pup_connect(web, twin, far_addr[v6], PORT), 0);
		assert_int_equal(pup_close(far, pup_accept(far, listener)), 0);
		assert_int_equal(pup_close(web, twin), 0);
	}
}

/* --- the group --------------------------------------------------------------------------------------------------------- */

static int setup(void **state)
{
	(void)state;
	if (net_up(&a, &b))
		return -1;
	web = net_puppet(&a, "web.service");
	shut = net_puppet(&a, "shut.service");
	far = net_puppet(&b, "far.service");
	net_apply(&a, open_map);
	net_apply(&b, open_map);
	listener = pup_serve(far, SOCK_STREAM, "::", PORT);
	for (int v6 = 0; v6 < 2; v6++)
		server[v6] = pup_serve(far, SOCK_DGRAM, far_addr[v6], PORT);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	pup_stop(web);
	pup_stop(shut);
	pup_stop(far);
	return net_down(&a, &b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_options, each_test),
		cmocka_unit_test_setup(test_a_socket_that_changes_its_family, each_test),
		cmocka_unit_test_setup(test_ways_to_write, each_test),
		cmocka_unit_test_setup(test_a_datagram_in_pieces, each_test),
		cmocka_unit_test_setup(test_datagrams_in_one_segment, each_test),
		cmocka_unit_test_setup(test_a_datagrams_source_route, each_test),
		cmocka_unit_test_setup(test_a_port_in_time_wait, each_test),
		cmocka_unit_test_setup(test_protocols, each_test),
		cmocka_unit_test_setup(test_an_mptcp_socket_is_judged_as_tcp, each_test),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
