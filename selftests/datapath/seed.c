/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seed.c - bpf/adopt.bpf.c against the real kernel: sockets that were there before the agent
 * get the facts and the listener entries that they would have got from its hooks. Runs as root,
 * in a network namespace and cgroups of its own.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/fsuid.h>
#include <sys/socket.h>
#include <cmocka.h>
#include "cg.h"
#include "namerig.h"
#include "ns.h"
#include "../../agent/kern/kern_internal.h"

static int ns_here = -1, ns_home = -1;

/* --- sockets ------------------------------------------------------------------------------------- */

/* A socket of @type at @addr; "" is every address of both families. */
static int bound(int type, const char *addr, __u16 port)
{
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	bool is_v4 = inet_pton(AF_INET, addr, &v4.sin_addr) == 1;
	int fd = socket(is_v4 ? AF_INET : AF_INET6, type | SOCK_CLOEXEC, 0), one = 1, r;

	assert_true(fd >= 0);
	assert_true(is_v4 || !*addr || inet_pton(AF_INET6, addr, &v6.sin6_addr) == 1);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), 0);
	r = is_v4 ? bind(fd, (void *)&v4, sizeof(v4)) : bind(fd, (void *)&v6, sizeof(v6));
	assert_int_equal(r, 0);
	return fd;
}

static int listening(const char *addr, __u16 port, int backlog)
{
	int fd = bound(SOCK_STREAM, addr, port);

	assert_int_equal(listen(fd, backlog), 0);
	return fd;
}

/* @from: a port to come from, or 0 */
static int connected(int type, const char *addr, __u16 port, __u16 from)
{
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	bool is_v4 = inet_pton(AF_INET, addr, &v4.sin_addr) == 1;
	int fd, r;

	if (from)
		fd = bound(type, is_v4 ? "127.0.0.1" : "::1", from);
	else
		fd = socket(is_v4 ? AF_INET : AF_INET6, type | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_true(is_v4 || inet_pton(AF_INET6, addr, &v6.sin6_addr) == 1);
	r = is_v4 ? connect(fd, (void *)&v4, sizeof(v4)) : connect(fd, (void *)&v6, sizeof(v6));
	assert_int_equal(r, 0);
	return fd;
}

static int accepted(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

/* --- what was noted ------------------------------------------------------------------------------ */

static int storage(const struct bh_kern *k, const char *map)
{
	int fd = bpf_object__find_map_fd_by_name(k->obj, map);

	assert_true(fd >= 0);
	return fd;
}

static void assert_facts(const struct bh_kern *k, int fd, __u64 cgid, __u32 uid, __u32 flags)
{
	struct bh_facts facts;

	assert_int_equal(bpf_map_lookup_elem(storage(k, "bh_facts"), &fd, &facts), 0);
	assert_int_equal(facts.cgid, cgid);
	assert_int_equal(facts.uid, uid);
	assert_int_equal(facts.flags, BH_FACT_OLD | flags);
	assert_int_equal(facts.netns, k->netns);
}

static struct bh_listen_key key_of(const struct bh_kern *k, const char *addr, __u16 port,
				   __u8 proto)
{
	struct bh_listen_key key = {.netns = k->netns, .port = port, .proto = proto};

	assert_true(!*addr || inet_pton(AF_INET6, addr, key.addr.b) == 1);
	return key;
}

static bool heard(struct bh_kern *k, const char *addr, __u16 port, __u8 proto,
		  struct bh_listener *ret)
{
	struct bh_listen_key key = key_of(k, addr, port, proto);

	return bpf_map_lookup_elem(bh_kern_map_fd(k, BH_MAP_LISTENERS), &key, ret) == 0;
}

static void assert_listener(struct bh_kern *k, const char *addr, __u16 port, __u8 proto,
			    struct bh_listener want)
{
	struct bh_listener got;

	assert_true(heard(k, addr, port, proto, &got));
	assert_int_equal(got.cgid, want.cgid);
	assert_int_equal(got.uid, want.uid);
	assert_int_equal(got.users, want.users);
	assert_int_equal(got.flags, want.flags);
}

static int on_listener(void *ctx, const struct bh_listen_key *key, const struct bh_listener *val)
{
	(void)key, (void)val;
	(*(size_t *)ctx)++;
	return 0;
}

static size_t count_listeners(struct bh_kern *k)
{
	size_t n = 0;

	assert_int_equal(bh_kern_each_listener(k, on_listener, &n), 0);
	return n;
}

static void seed_again(struct bh_kern *k)
{
	_cleanup_diags_ struct bh_diags d = {0};

	assert_int_equal(bh_kern_seed(k, &d), 0);
}

static __u64 enter(const char *cg, uid_t uid)
{
	uint64_t id;

	assert_int_equal(cg_make(cg, &id), 0);
	assert_int_equal(cg_move(cg, 0), 0);
	(void)setfsuid(uid);
	return id;
}

static void leave(void)
{
	(void)setfsuid(0);
	assert_int_equal(cg_leave(), 0);
}

static void close_all(const int *fd, size_t n)
{
	for (size_t i = 0; i < n; i++)
		close(fd[i]);
}

/* --- TCP ----------------------------------------------------------------------------------------- */

enum { LISTENER, CLIENT, CHILD, N_TCP };

static void tcp_case(const char *on, const char *to, const char *key_addr, __u16 port)
{
	struct bh_kern *k;
	__u64 server, client;
	int fd[N_TCP];

	server = enter("server.service", 1001);
	fd[LISTENER] = listening(on, port, 8);
	leave();
	client = enter("client.service", 1002);
	fd[CLIENT] = connected(SOCK_STREAM, to, port, 0);
	leave();
	/* who accepts doesn't matter: it is the listener's */
	(void)enter("worker.service", 1003);
	fd[CHILD] = accepted(fd[LISTENER]);
	leave();

	k = rig_begin(rig_opts());
	assert_facts(k, fd[LISTENER], server, 1001, BH_FACT_ACCEPTED);
	assert_facts(k, fd[CHILD], server, 1001, BH_FACT_ACCEPTED);
	assert_facts(k, fd[CLIENT], client, 1002, BH_FACT_ASKED);
	assert_listener(k, key_addr, port, IPPROTO_TCP,
			(struct bh_listener){.cgid = server, .uid = 1001, .users = 1});
	assert_int_equal(count_listeners(k), 1);
	close_all(fd, N_TCP);
	rig_end(k);
}

static void test_tcp_v4(void **state)
{
	(void)state;
	tcp_case("127.0.0.1", "127.0.0.1", "::ffff:127.0.0.1", 7001);
	tcp_case("0.0.0.0", "127.0.0.1", "", 7002);
}

static void test_tcp_v6(void **state)
{
	(void)state;
	tcp_case("::1", "::1", "::1", 7003);
	tcp_case("", "::1", "", 7004);
}

static void test_tcp_v4_mapped(void **state)
{
	(void)state;
	tcp_case("", "127.0.0.1", "", 7005);
	tcp_case("::ffff:127.0.0.1", "127.0.0.1", "::ffff:127.0.0.1", 7006);
	tcp_case("::ffff:0.0.0.0", "::ffff:127.0.0.1", "", 7007);
}

static void test_who_began(void **state)
{
	__u64 home = enter("x.service", 0);
	int gone = listening("127.0.0.1", 7011, 8), zero = listening("127.0.0.1", 7012, 0);
	int other = listening("127.0.0.1", 7013, 8);
	int fd[] = {
		connected(SOCK_STREAM, "127.0.0.1", 7011, 0),
		accepted(gone),
		connected(SOCK_STREAM, "127.0.0.1", 7012, 0),
		accepted(zero),
		/* from a port that somebody listens on */
		connected(SOCK_STREAM, "127.0.0.1", 7012, 7013),
		accepted(zero),
	};
	struct bh_kern *k;

	(void)state;
	close(gone);
	leave();
	k = rig_begin(rig_opts());
	assert_facts(k, fd[0], home, 0, BH_FACT_ASKED);
	assert_facts(k, fd[1], home, 0, BH_FACT_ACCEPTED);
	assert_facts(k, fd[2], home, 0, BH_FACT_ASKED);
	assert_facts(k, fd[3], home, 0, 0);
	assert_facts(k, fd[4], home, 0, 0);
	assert_facts(k, fd[5], home, 0, 0);
	close_all(fd, ARRAY_SIZE(fd));
	close(zero);
	close(other);
	rig_end(k);
}

/* What an old listener accepts from now on is accepted, whatever its backlog says. */
static void test_accepted_later(void **state)
{
	__u64 home = enter("x.service", 1003);
	int fd[3] = {listening("127.0.0.1", 7021, 0)};
	struct bh_kern *k;
	struct bh_bound b;

	(void)state;
	leave();
	k = rig_begin(rig_opts());
	fd[1] = connected(SOCK_STREAM, "127.0.0.1", 7021, 0);
	fd[2] = accepted(fd[0]);
	assert_facts(k, fd[2], home, 1003, BH_FACT_ACCEPTED);
	/* and its close must not end the listener's registration */
	assert_int_equal(bpf_map_lookup_elem(storage(k, "bh_bound"), &fd[0], &b), 0);
	assert_int_not_equal(bpf_map_lookup_elem(storage(k, "bh_bound"), &fd[2], &b), 0);
	close_all(fd, 3);
	rig_end(k);
}

/* Half-open and TIME_WAIT ones are in the iterator and are no sockets. */
static void test_no_sockets(void **state)
{
	struct bh_listener got;
	struct bh_kern *k;
	int fd[4];

	(void)state;
	fd[0] = listening("127.0.0.1", 7031, 8);
	fd[1] = connected(SOCK_STREAM, "127.0.0.1", 7031, 7032);
	fd[2] = accepted(fd[0]);
	close(fd[1]);
	close(fd[2]);
	(void)usleep(20000);
	assert_int_equal(ns_cmd(-1, "sh", "-c", "ss -tanH state time-wait | grep -q :7032"), 0);
	k = rig_begin(rig_opts());
	assert_false(heard(k, "::ffff:127.0.0.1", 7032, IPPROTO_TCP, &got));
	assert_int_equal(count_listeners(k), 1);
	close(fd[0]);
	rig_end(k);
}

/* --- UDP ----------------------------------------------------------------------------------------- */

static void test_udp(void **state)
{
	__u64 home = enter("dns.service", 1004);
	int fd[] = {bound(SOCK_DGRAM, "127.0.0.1", 7041), bound(SOCK_DGRAM, "", 7042),
		    bound(SOCK_DGRAM, "::1", 7043), connected(SOCK_DGRAM, "127.0.0.1", 7041, 7044)};
	const struct bh_listener mine = {.cgid = home, .uid = 1004, .users = 1};
	struct bh_kern *k;

	(void)state;
	leave();
	k = rig_begin(rig_opts());
	for (size_t i = 0; i < ARRAY_SIZE(fd); i++)
		assert_facts(k, fd[i], home, 1004, 0);
	assert_listener(k, "::ffff:127.0.0.1", 7041, IPPROTO_UDP, mine);
	assert_listener(k, "", 7042, IPPROTO_UDP, mine);
	assert_listener(k, "::1", 7043, IPPROTO_UDP, mine);
	/* the connected one takes nothing from others */
	assert_int_equal(count_listeners(k), 3);
	close_all(fd, ARRAY_SIZE(fd));
	rig_end(k);
}

/* --- more than one, more than once ------------------------------------------------------------------ */

static void test_shared_port(void **state)
{
	__u64 home = enter("a.service", 0);
	int fd[] = {bound(SOCK_DGRAM, "127.0.0.1", 7051), bound(SOCK_DGRAM, "127.0.0.1", 7051),
		    bound(SOCK_DGRAM, "127.0.0.1", 7052), -1};
	struct bh_listener got;
	struct bh_kern *k;

	(void)state;
	leave();
	(void)enter("b.service", 0);
	fd[3] = bound(SOCK_DGRAM, "127.0.0.1", 7052);
	leave();
	k = rig_begin(rig_opts());
	for (int i = 0; i < 2; i++) {
		assert_listener(k, "::ffff:127.0.0.1", 7051, IPPROTO_UDP,
				(struct bh_listener){.cgid = home, .users = 2});
		assert_true(heard(k, "::ffff:127.0.0.1", 7052, IPPROTO_UDP, &got));
		assert_int_equal(got.users, 2);
		assert_int_equal(got.flags, BH_LISTEN_SHARED);
		/* nobody is counted twice */
		seed_again(k);
	}
	close_all(fd, ARRAY_SIZE(fd));
	rig_end(k);
}

static void test_facts_stand(void **state)
{
	struct bh_facts mine = {.cgid = 42, .netns = 43, .uid = 44}, got;
	int fd[] = {bound(SOCK_DGRAM, "127.0.0.1", 7061)};
	struct bh_kern *k = rig_begin(rig_opts());

	(void)state;
	assert_int_equal(bpf_map_update_elem(storage(k, "bh_facts"), fd, &mine, BPF_ANY), 0);
	seed_again(k);
	assert_int_equal(bpf_map_lookup_elem(storage(k, "bh_facts"), fd, &got), 0);
	assert_memory_equal(&got, &mine, sizeof(got));
	close_all(fd, 1);
	rig_end(k);
}

static void test_no_room(void **state)
{
	struct bh_kern_opts opts = rig_opts();
	__u64 stats[BH_STAT_MAX];
	struct bh_kern *k;
	struct bh_bound b;
	int fd[6], registered = 0;

	(void)state;
	for (__u16 i = 0; i < 6; i++)
		fd[i] = bound(SOCK_DGRAM, "127.0.0.1", 7071 + i);
	opts.max_listeners = 4;
	k = rig_begin(opts);
	assert_int_equal(bh_kern_stats(k, stats), 0);
	assert_int_equal(stats[BH_STAT_LISTENERS_LOST], 2);
	/* who has no entry must not take one back when it closes */
	for (int i = 0; i < 6; i++)
		if (!bpf_map_lookup_elem(storage(k, "bh_bound"), &fd[i], &b) && b.key.port)
			registered++;
	assert_int_equal(registered, 4);
	close_all(fd, 6);
	rig_end(k);
}

/* --- the kernel's own ---------------------------------------------------------------------------- */

static void test_kernels_socket(void **state)
{
	struct bh_listener got;
	struct bh_kern *k;

	(void)state;
	if (ns_cmd(-1, "ip", "link", "add", "vx0", "type", "vxlan", "id", "7", "dstport", "4789",
		   "local", "127.0.0.1", "dev", "lo") ||
	    ns_cmd(-1, "ip", "link", "set", "vx0", "up")) {
		printf("no vxlan here\n");
		skip();
	}
	k = rig_begin(rig_opts());
	for (int i = 0; i < 2; i++) {
		assert_int_equal(count_listeners(k), 1);
		assert_true(heard(k, "", 4789, IPPROTO_UDP, &got));
		assert_int_equal(got.users, 1);
		assert_int_equal(got.flags, BH_LISTEN_KERNEL);
		seed_again(k);
	}
	assert_int_equal(ns_cmd(-1, "ip", "link", "del", "vx0"), 0);
	rig_end(k);
}

/* --- run ----------------------------------------------------------------------------------------- */

static int up(void **state)
{
	(void)state;
	return rig_up() || ns_make(&ns_here) || ns_enter(ns_here, &ns_home) ? -1 : 0;
}

static int down(void **state)
{
	(void)state;
	(void)ns_enter(ns_home, NULL);
	rig_down();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tcp_v4),
		cmocka_unit_test(test_tcp_v6),
		cmocka_unit_test(test_tcp_v4_mapped),
		cmocka_unit_test(test_who_began),
		cmocka_unit_test(test_accepted_later),
		cmocka_unit_test(test_no_sockets),
		cmocka_unit_test(test_udp),
		cmocka_unit_test(test_shared_port),
		cmocka_unit_test(test_facts_stand),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_kernels_socket),
	};

	return cmocka_run_group_tests(tests, up, down);
}
