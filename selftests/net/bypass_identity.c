// SPDX-License-Identifier: Apache-2.0
/*
 * bypass_identity.c - who a process says it is: another's source address or port, another's
 * socket, another cgroup, user or network namespace. web may talk to db and to far; evil's egress
 * is open, and nobody lets it in.
 */
#include "netrig.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "cg.h"
#include "ns.h"
#include "talk.h"

#define PORT 7000
#define MINE 6000 /* web's own */

static struct net_host a, b;
static struct puppet *web, *evil, *db, *far;
static int server[2], there[2]; /* by family */

#define MAP(rules)                                                                                  \
	"segments:\n"                                                                               \
	"  web: { match: [ { unit: \"web*.service\" }, { cidr: [10.77.0.1/32, fd77::1/128] } ] }\n" \
	"  evil: { match: { unit: \"evil*.service\" }, default: { egress: allow } }\n"              \
	"  shut: { match: { unit: \"shut*.service\" } }\n"                                          \
	"  tool: { match: { unit: tool.service }, raw: allow }\n"                                   \
	"  db: { match: { unit: db.service } }\n"                                                   \
	"  far: { match: [ { unit: far.service }, { cidr: [10.77.0.11/32, fd77::11/128] } ] }\n"    \
	"allow:\n"                                                                                  \
	"  - { id: web-db, from: web, to: [db, far], port: [tcp/7000, udp/7000] }\n" rules

static const char map[] = MAP("");
static const char to_many[] = MAP("  - { id: many, from: web, to: any, port: udp/7000 }\n");

static const char *const here[] = {"10.77.0.1", "fd77::1"};
static const char *const second[] = {"10.77.0.2", "fd77::2"};
static const char *const lo[] = {"127.0.0.1", "::1"};
static const char *const any[] = {"0.0.0.0", "::"};
static const char *const remote[] = {"10.77.0.11", "fd77::11"};

static int family(int v6)
{
	return v6 ? AF_INET6 : AF_INET;
}

static int each_test(void **state)
{
	(void)state;
	net_mark(&a);
	net_mark(&b);
	return 0;
}

/* Takes and closes the next connection to far. */
static void served(int v6)
{
	int fd = pup_accept(far, there[v6]);

	assert_true(fd >= 0);
	assert_int_equal(pup_close(far, fd), 0);
}

/* --- another's source address ------------------------------------------------------------------------------ */

/* Needs no privilege: a socket may name any address of this host as the source of one datagram. */
static long do_send_as(struct pup_call *c)
{
	struct sockaddr_storage *as = (void *)(c->data + 64);
	struct iovec iov = {c->data, c->len};
	union {
		char space[CMSG_SPACE(sizeof(struct in6_pktinfo))];
		struct cmsghdr align;
	} control = {0};
	struct msghdr m = {.msg_name = &c->addr,
			   .msg_namelen = c->addr_len,
			   .msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = &control};
	struct in_pktinfo v4 = {0};
	struct in6_pktinfo v6 = {0};
	bool is_v6 = as->ss_family == AF_INET6;
	size_t size = is_v6 ? sizeof(v6) : sizeof(v4);
	ssize_t n;

	v4.ipi_spec_dst = ((struct sockaddr_in *)as)->sin_addr;
	v6.ipi6_addr = ((struct sockaddr_in6 *)as)->sin6_addr;
	control.align = (struct cmsghdr){.cmsg_level = is_v6 ? IPPROTO_IPV6 : IPPROTO_IP,
					 .cmsg_type = is_v6 ? IPV6_PKTINFO : IP_PKTINFO,
					 .cmsg_len = CMSG_LEN(size)};
	memcpy(CMSG_DATA(&control.align), is_v6 ? (void *)&v6 : (void *)&v4, size);
	m.msg_controllen = CMSG_SPACE(size);
	n = sendmsg((int)c->a[0], &m, 0);
	return n < 0 ? -errno : n;
}

static int send_as(struct puppet *p, int fd, const char *as, const char *to)
{
	struct pup_call c = {.fn = do_send_as, .a = {fd}, .len = 5, .data = "hello"};

	(void)pup_addr(as, 0, (void *)(c.data + 64));
	c.addr_len = pup_addr(to, PORT, &c.addr);
	return (int)pup_do(p, &c);
}

static int bound(struct puppet *p, const char *addr, int port)
{
	int fd = pup_socket(p, strchr(addr, ':') ? AF_INET6 : AF_INET, SOCK_DGRAM, 0);

	assert_int_equal(pup_set(p, fd, SOL_SOCKET, SO_REUSEADDR, 1), 0);
	if (strchr(addr, ':'))
		assert_int_equal(pup_set(p, fd, IPPROTO_IPV6, IPV6_V6ONLY, 1), 0);
	assert_int_equal(pup_bind(p, fd, addr, port), 0);
	return fd;
}

static bool hears(int v6, int ms)
{
	int r;

	assert_int_equal(pup_patience(db, server[v6], ms), 0);
	return pup_recv(db, server[v6], &r) != NULL;
}

/*
 * db knows a sender on this host by the socket that an answer would reach. evil has the same port
 * at another address, or at every address, and says that it sends from web's.
 */
static void test_no_source_address_of_anothers(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		const char *const from[] = {second[v6], any[v6]};
		int owner = bound(web, here[v6], MINE);

		for (size_t i = 0; i < ARRAY_SIZE(from); i++) {
			int fd = pup_socket(evil, family(v6), SOCK_DGRAM, 0);

			assert_int_equal(pup_set(evil, fd, SOL_SOCKET, SO_REUSEADDR, 1), 0);
			if (v6)
				assert_int_equal(pup_set(evil, fd, IPPROTO_IPV6, IPV6_V6ONLY, 1),
						 0);
			assert_int_equal(pup_bind(evil, fd, from[i], MINE), 0);
			for (int j = 0; j < 2; j++) {
				assert_int_equal(send_as(evil, fd, here[v6], j ? lo[v6] : here[v6]),
						 -EPERM);
				if (hears(v6, PUP_SHORT_MS))
					fail_msg("IPv%d: evil at %s was taken for web", v6 ? 6 : 4,
						 from[i]);
			}
			assert_int_equal(pup_close(evil, fd), 0);
		}
		/* the twin: whose it is may say so, bound to it or to every address */
		net_mark(&a);
		assert_int_equal(send_as(web, owner, here[v6], here[v6]), 5);
		assert_true(hears(v6, PUP_PATIENCE_MS));
		assert_int_equal(pup_close(web, owner), 0);
		owner = bound(web, any[v6], MINE);
		assert_int_equal(send_as(web, owner, second[v6], lo[v6]), 5);
		assert_true(hears(v6, PUP_PATIENCE_MS));
		net_quiet(&a);
		assert_int_equal(pup_close(web, owner), 0);
	}
}

/*
 * What goes to many comes back, and no hook sees that copy leave: it is known by its source alone.
 * Said by IP_PKTINFO it is refused at once; chosen by the route, because evil has the port at
 * every address, it is nobody's.
 */
static void shout(int v6, const char *from, bool says, const char *to)
{
	int fd = bound(evil, from, MINE);

	assert_int_equal(pup_set(evil, fd, SOL_SOCKET, SO_BROADCAST, 1), 0);
	assert_int_equal(pup_set_raw(evil, fd, SOL_SOCKET, SO_BINDTODEVICE, "a0", 3), 0);
	net_mark(&a);
	if (says)
		assert_int_equal(send_as(evil, fd, here[v6], to), -EPERM);
	else
		(void)pup_sendto(evil, fd, "hello", to, PORT);
	if (hears(v6, PUP_SHORT_MS))
		fail_msg("to %s: evil at %s was taken for web", to, from);
	net_told(&a, BH_EVENT_DENY, BH_R_SOURCE_TAKEN);
	assert_int_equal(pup_close(evil, fd), 0);
}

static void test_no_source_address_of_anothers_to_many(void **state)
{
	static const char *const to[] = {"10.77.0.255", "255.255.255.255", "224.0.0.1", "ff02::1"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(to); i++) {
		int v6 = strchr(to[i], ':') != NULL;
		int owner = bound(web, here[v6], MINE);

		shout(v6, second[v6], true, to[i]);
		shout(v6, any[v6], true, to[i]);
		if (!v6) /* to a link-local group from a link-local address, which nobody holds */
			shout(v6, any[v6], false, to[i]);
		assert_int_equal(pup_close(web, owner), 0);
	}
}

/* The twin: whoever has it to himself may. */
static void test_a_source_address_of_ones_own_to_many(void **state)
{
	int fd = bound(web, here[0], MINE);

	(void)state;
	net_apply(&a, to_many);
	net_mark(&a);
	assert_int_equal(pup_set(web, fd, SOL_SOCKET, SO_BROADCAST, 1), 0);
	assert_int_equal(pup_sendto(web, fd, "hello", "10.77.0.255", PORT), 5);
	assert_true(hears(0, PUP_PATIENCE_MS));
	net_quiet(&a);
	assert_int_equal(pup_close(web, fd), 0);
	net_apply(&a, map);
}

/* --- another's socket ---------------------------------------------------------------------------------------- */

/* What ptrace() would let it do as well: take a descriptor out of another process. */
static long do_getfd(struct pup_call *c)
{
	int pidfd = (int)syscall(SYS_pidfd_open, (pid_t)c->a[0], 0), fd;

	if (pidfd < 0)
		return -errno;
	fd = (int)syscall(SYS_pidfd_getfd, pidfd, (int)c->a[1], 0);
	fd = fd < 0 ? -errno : fd;
	(void)close(pidfd);
	return fd;
}

static int steal(struct puppet *thief, struct puppet *from, int fd)
{
	struct pup_call c = {.fn = do_getfd, .a = {from->pid, fd}};

	return (int)pup_do(thief, &c);
}

static void test_a_stolen_socket_lends_nothing(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		int fd = talk_socket(web, SOCK_STREAM, remote[v6], here[v6]);
		int taken = steal(evil, web, fd);

		if (taken == -ENOSYS || taken == -EPERM)
			skip(); /* before Linux 5.6, or Yama */
		assert_true(taken >= 0);
		net_mark(&a);
		assert_int_equal(pup_connect(evil, taken, remote[v6], PORT), -EPERM);
		net_told(&a, BH_EVENT_DENY, BH_R_CGROUP_MISMATCH);
		/* its owner goes on with it */
		assert_int_equal(pup_connect(web, fd, remote[v6], PORT), 0);
		/* a limit: connected, it is its owner's whoever writes; it leads to that peer only */
		assert_int_equal(pup_send(evil, taken, "x"), 1);
		assert_int_equal(pup_disconnect(evil, taken), 0);
		assert_int_equal(pup_connect(evil, taken, remote[v6], PORT), -EPERM);
		assert_int_equal(pup_close(evil, taken), 0);
		assert_int_equal(pup_close(web, fd), 0);
		served(v6);
	}
}

/* --- another cgroup ------------------------------------------------------------------------------------------- */

static long do_nothing(struct pup_call *c)
{
	return c->fd;
}

static void move(struct puppet *p, const char *unit)
{
	struct pup_call c = {.fn = do_nothing};
	char path[128];

	/* by its first answer it has moved to where it begins */
	(void)pup_do(p, &c);
	(void)snprintf(path, sizeof(path), "a/system.slice/%s", unit);
	assert_int_equal(cg_make(path, NULL), 0);
	assert_int_equal(cg_move(path, p->pid), 0);
}

/* A socket is what it was born as, its user must be of that segment; a new one is of the new. */
static void test_who_moves_takes_no_socket_along(void **state)
{
	struct puppet *p = net_puppet(&a, "web2.service");

	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		int idle = talk_socket(p, SOCK_STREAM, remote[v6], here[v6]), fd;
		int datagram = bound(p, here[v6], 6100);
		struct talk t = talk_open(p, here[v6], far, there[v6], remote[v6], PORT);

		move(p, "shut.service");
		net_mark(&a);
		assert_int_equal(pup_connect(p, idle, remote[v6], PORT), -EPERM);
		net_told(&a, BH_EVENT_DENY, BH_R_CGROUP_MISMATCH);
		assert_int_equal(pup_sendto(p, datagram, "x", remote[v6], PORT), -EPERM);
		fd = pup_socket(p, family(v6), SOCK_STREAM, 0);
		assert_int_equal(pup_connect(p, fd, remote[v6], PORT), -EPERM);
		assert_int_equal(net_count(&a, BH_R_DEFAULT_DENY), 1);
		/* a limit: what web2 had begun goes on, to the peer it was begun with */
		talk_both_ways(&t);
		talk_close(&t);
		move(p, "web2.service");
		assert_int_equal(pup_connect(p, idle, remote[v6], PORT), 0);
		assert_int_equal(pup_sendto(p, datagram, "x", here[v6], PORT), 1);
		assert_true(hears(v6, PUP_PATIENCE_MS));
		/* and the one it made as shut stays shut's */
		assert_int_equal(pup_connect(p, fd, remote[v6], PORT), -EPERM);
		assert_int_equal(pup_close(p, fd), 0);
		assert_int_equal(pup_close(p, idle), 0);
		assert_int_equal(pup_close(p, datagram), 0);
		served(v6);
	}
	pup_stop(p);
}

/* Bound as web, served by who may not: who comes is judged as web's guest. */
static void test_a_listener_stays_its_workloads(void **state)
{
	struct puppet *p = net_puppet(&a, "shut2.service");

	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		int fd;

		move(p, "db.service");
		fd = pup_serve(p, SOCK_STREAM, here[v6], PORT);
		move(p, "shut2.service");
		assert_int_equal(talk_try(evil, NULL, here[v6], PORT), -EPERM);
		assert_int_equal(talk_try(web, NULL, here[v6], PORT), 0);
		assert_int_equal(pup_close(p, pup_accept(p, fd)), 0);
		assert_int_equal(pup_close(p, fd), 0);
		/* bound as shut, it does not become db's */
		fd = pup_serve(p, SOCK_STREAM, here[v6], PORT);
		move(p, "db.service");
		assert_int_equal(talk_try(web, NULL, here[v6], PORT), -EPERM);
		assert_int_equal(pup_close(p, fd), 0);
	}
	pup_stop(p);
}

/* --- a new program ---------------------------------------------------------------------------------------------- */

/* This program again, in @unit's cgroup, with the socket it inherits as its only argument. */
static long do_exec(struct pup_call *c)
{
	char fd[16], v6[2] = {(char)('0' + c->a[1]), 0};
	int status;
	pid_t pid;

	(void)snprintf(fd, sizeof(fd), "%d", (int)c->a[0]);
	pid = fork();
	if (!pid) {
		(void)fcntl((int)c->a[0], F_SETFD, 0);
		if (cg_move(c->data, 0))
			_exit(255);
		(void)execl("/proc/self/exe", "inherit", fd, v6, NULL);
		_exit(254);
	}
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -EIO;
}

static int inherit(const char *fd, const char *v6)
{
	struct sockaddr_storage to;
	socklen_t len = pup_addr(remote[*v6 - '0'], PORT, &to);

	return connect(atoi(fd), (void *)&to, len) ? errno : 0;
}

static void test_an_inherited_socket_lends_nothing(void **state)
{
	static const struct {
		const char *unit;
		int says;
	} row[] = {{"a/system.slice/evil.service", EPERM}, {"a/system.slice/web2.service", 0}};

	(void)state;
	assert_int_equal(cg_make(row[1].unit, NULL), 0);
	for (int v6 = 0; v6 < 2; v6++)
		for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
			int fd = talk_socket(web, SOCK_STREAM, remote[v6], here[v6]);
			struct pup_call c = {.fn = do_exec, .a = {fd, v6}};

			strcpy(c.data, row[i].unit);
			assert_int_equal(pup_do(web, &c), row[i].says);
			assert_int_equal(pup_close(web, fd), 0);
			if (!row[i].says)
				served(v6);
		}
}

/* --- other namespaces --------------------------------------------------------------------------------------------- */

static long do_unshare(struct pup_call *c)
{
	return unshare((int)c->a[0]) ? -errno : 0;
}

static long do_setns(struct pup_call *c)
{
	return ns_enter(c->fd, NULL);
}

/* Root in namespaces of its own: every capability there, and still in its cgroup. */
static void test_root_in_its_own_namespaces(void **state)
{
	static const struct {
		const char *unit;
		int raw;
	} row[] = {{"shut3.service", -EPERM}, {"tool.service", 0}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		struct pup_call c = {.fn = do_unshare, .a = {CLONE_NEWUSER | CLONE_NEWNET}};
		struct puppet *p = net_puppet(&a, row[i].unit);

		if (pup_do(p, &c))
			skip(); /* user namespaces are switched off */
		for (int v6 = 0; v6 < 2; v6++) {
			net_mark(&a);
			assert_int_equal(
				pup_socket(p, family(v6), SOCK_RAW, IPPROTO_TCP) < 0 ? -EPERM : 0,
				row[i].raw);
			if (row[i].raw)
				net_told(&a, BH_EVENT_DENY, BH_R_RAW);
			assert_int_equal(talk_try(p, NULL, remote[v6], PORT), -EPERM);
			assert_int_equal(talk_try(p, NULL, lo[v6], PORT),
					 v6 ? -EADDRNOTAVAIL : -ENETUNREACH);
		}
		pup_stop(p);
	}
}

/* In b's network namespace, still in a's cgroup: a judges the sender, b knows nobody by it. */
static void test_another_network_namespace(void **state)
{
	struct puppet *shut = net_puppet(&a, "shut4.service"),
		      *guest = net_puppet(&a, "web2.service");
	struct puppet *twin = net_puppet(&b, "far.service");
	struct puppet *const moves[] = {shut, guest};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(moves); i++) {
		struct pup_call c = {.fn = do_setns};

		assert_int_equal(pup_give(moves[i], &c, b.ns), 0);
		moves[i]->patience_ms = PUP_SHORT_MS;
	}
	for (int v6 = 0; v6 < 2; v6++) {
		net_mark(&a);
		net_mark(&b);
		assert_int_equal(talk_try(shut, NULL, remote[v6], PORT), -EPERM);
		net_told(&a, BH_EVENT_DENY, BH_R_DEFAULT_DENY);
		/* web may, says a; on b it is not web */
		assert_int_equal(talk_try(guest, NULL, remote[v6], PORT), -EINPROGRESS);
		assert_true(net_count(&b, BH_R_DEFAULT_DENY) >= 1);
		assert_int_equal(talk_try(twin, NULL, remote[v6], PORT), 0);
		served(v6);
	}
	pup_stop(shut);
	pup_stop(guest);
	pup_stop(twin);
}

/* --- the group --------------------------------------------------------------------------------------------- */

static int setup(void **state)
{
	(void)state;
	if (net_up(&a, &b))
		return -1;
	web = net_puppet(&a, "web.service");
	evil = net_puppet(&a, "evil.service");
	db = net_puppet(&a, "db.service");
	far = net_puppet(&b, "far.service");
	net_apply(&a, map);
	net_apply(&b, map);
	for (int v6 = 0; v6 < 2; v6++) {
		server[v6] = bound(db, any[v6], PORT);
		there[v6] = pup_serve(far, SOCK_STREAM, remote[v6], PORT);
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	pup_stop(web);
	pup_stop(evil);
	pup_stop(db);
	pup_stop(far);
	return net_down(&a, &b);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_no_source_address_of_anothers, each_test),
		cmocka_unit_test_setup(test_no_source_address_of_anothers_to_many, each_test),
		cmocka_unit_test_setup(test_a_source_address_of_ones_own_to_many, each_test),
		cmocka_unit_test_setup(test_a_stolen_socket_lends_nothing, each_test),
		cmocka_unit_test_setup(test_who_moves_takes_no_socket_along, each_test),
		cmocka_unit_test_setup(test_a_listener_stays_its_workloads, each_test),
		cmocka_unit_test_setup(test_an_inherited_socket_lends_nothing, each_test),
		cmocka_unit_test_setup(test_root_in_its_own_namespaces, each_test),
		cmocka_unit_test_setup(test_another_network_namespace, each_test),
	};

	if (argc == 3)
		return inherit(argv[1], argv[2]);
	return cmocka_run_group_tests(tests, setup, teardown);
}
