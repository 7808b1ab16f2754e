// SPDX-License-Identifier: Apache-2.0
/*
 * files.c - bpf/task.bpf.c against the real kernel: the TCP connections that a process holds, who
 * began them and whose they are. Runs as root, in a network namespace and cgroups of its own.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <cmocka.h>
#include "cg.h"
#include "namerig.h"
#include "ns.h"
#include "../../agent/kern/kern_internal.h"

static int ns_here = -1, ns_home = -1;

/* --- sockets ------------------------------------------------------------------------------------- */

enum { LISTENER, CLIENT, CHILD, N_FD };

static int try_tcp(const char *addr, __u16 port, int (*fn)(int, const struct sockaddr *, socklen_t))
{
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	bool is_v4 = inet_pton(AF_INET, addr, &v4.sin_addr) == 1;
	int fd = socket(is_v4 ? AF_INET : AF_INET6, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	assert_true(is_v4 || inet_pton(AF_INET6, addr, &v6.sin6_addr) == 1);
	assert_int_equal(is_v4 ? fn(fd, (void *)&v4, sizeof(v4)) : fn(fd, (void *)&v6, sizeof(v6)),
			 0);
	return fd;
}

/* A server and its client, each in a cgroup of its own. */
static void talk(const char *addr, __u16 port, int fd[N_FD])
{
	assert_int_equal(cg_make("sshd.service", NULL), 0);
	assert_int_equal(cg_make("client.service", NULL), 0);
	assert_int_equal(cg_move("sshd.service", 0), 0);
	fd[LISTENER] = try_tcp(addr, port, bind);
	assert_int_equal(listen(fd[LISTENER], 8), 0);
	assert_int_equal(cg_move("client.service", 0), 0);
	fd[CLIENT] = try_tcp(addr, port, connect);
	assert_int_equal(cg_leave(), 0);
	fd[CHILD] = accept(fd[LISTENER], NULL, NULL);
	assert_true(fd[CHILD] >= 0);
}

static void close_all(const int fd[N_FD])
{
	for (int i = 0; i < N_FD; i++)
		close(fd[i]);
}

static __u64 cookie_of(int fd)
{
	socklen_t len = sizeof(__u64);
	__u64 cookie = 0;

	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len), 0);
	return cookie;
}

/* --- what is held -------------------------------------------------------------------------------- */

struct search {
	__u64 cookie; /* 0 = any */
	size_t n;
	struct bh_held last;
};

static int on_held(void *ctx, const struct bh_held *held)
{
	struct search *s = ctx;

	if (s->cookie && s->cookie != held->cookie)
		return 0;
	s->n++;
	s->last = *held;
	return 0;
}

/* How often @pid (0 = everybody) holds socket @fd of ours, and what is told of it. */
static size_t holds(struct bh_kern *k, pid_t pid, int fd, struct bh_held *ret)
{
	struct search s = {.cookie = fd < 0 ? 0 : cookie_of(fd)};

	assert_int_equal(bh_kern_task_sockets(k, pid, on_held, &s), 0);
	if (ret)
		*ret = s.last;
	return s.n;
}

static __u16 port_of(int fd)
{
	struct sockaddr_in6 a;
	socklen_t len = sizeof(a);

	assert_int_equal(getsockname(fd, (void *)&a, &len), 0);
	return ntohs(a.sin6_port);
}

static void assert_end(const struct bh_kern *k, int fd, const char *addr, __u16 port, int peer,
		       __u32 flags, const char *cg)
{
	struct bh_held held;
	struct bh_addr want;

	assert_int_equal(inet_pton(AF_INET6, addr, want.b), 1);
	assert_int_equal(holds((struct bh_kern *)k, getpid(), fd, &held), 1);
	assert_memory_equal(&held.local_addr, &want, sizeof(want));
	assert_memory_equal(&held.remote_addr, &want, sizeof(want));
	assert_int_equal(held.local_port, port);
	assert_int_equal(held.remote_port, port_of(peer));
	assert_int_equal(held.netns, k->netns);
	assert_int_equal(held.uid, 0);
	assert_int_equal(held.flags, flags | BH_HELD_INSIDE | BH_HELD_LOCAL_PEER);
	assert_int_equal(held.cgid, rig_cg_id(cg));
}

/* @old: the connection is older than the agent */
static void both_ends(const char *addr, const char *as, __u16 port, bool old)
{
	struct bh_kern *k = old ? NULL : rig_begin(rig_opts());
	int fd[N_FD];

	talk(addr, port, fd);
	if (old)
		k = rig_begin(rig_opts());
	/* the listener is no connection */
	assert_int_equal(holds(k, getpid(), fd[LISTENER], NULL), 0);
	assert_end(k, fd[CHILD], as, port, fd[CLIENT], BH_HELD_ACCEPTED, "sshd.service");
	assert_end(k, fd[CLIENT], as, port_of(fd[CLIENT]), fd[CHILD], BH_HELD_ASKED,
		   "client.service");
	close_all(fd);
	rig_end(k);
}

static void test_both_ends_v4(void **state)
{
	(void)state;
	both_ends("127.0.0.1", "::ffff:127.0.0.1", 7301, false);
	both_ends("127.0.0.1", "::ffff:127.0.0.1", 7302, true);
}

static void test_both_ends_v6(void **state)
{
	(void)state;
	both_ends("::1", "::1", 7303, false);
	both_ends("::1", "::1", 7304, true);
}

static void test_both_ends_mapped(void **state)
{
	(void)state;
	both_ends("::ffff:127.0.0.1", "::ffff:127.0.0.1", 7305, false);
	both_ends("::ffff:127.0.0.1", "::ffff:127.0.0.1", 7306, true);
}

/* --- who holds it -------------------------------------------------------------------------------- */

/* A process that has our files, and ends with us. */
static pid_t heir(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		(void)alarm(60);
		for (;;)
			pause();
	}
	assert_true(pid > 0);
	return pid;
}

static void end(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void test_one_process_or_all(void **state)
{
	struct bh_kern *k = rig_begin(rig_opts());
	pid_t before = heir(), after;
	int fd[N_FD];

	(void)state;
	talk("127.0.0.1", 7311, fd);
	after = heir();
	assert_int_equal(holds(k, getpid(), fd[CHILD], NULL), 1);
	assert_int_equal(holds(k, after, fd[CHILD], NULL), 1);
	assert_int_equal(holds(k, before, fd[CHILD], NULL), 0);
	assert_int_equal(holds(k, 0, fd[CHILD], NULL), 2);
	/* what a closed descriptor left behind in the heir is still held there */
	close_all(fd);
	assert_int_equal(holds(k, getpid(), -1, NULL), 0);
	assert_int_equal(holds(k, after, -1, NULL), 2);
	end(after);
	/* there is no such process, no more */
	assert_int_equal(holds(k, after, -1, NULL), 0);
	end(before);
	rig_end(k);
}

static int stop(void *ctx, const struct bh_held *held)
{
	(void)held;
	(*(int *)ctx)++;
	return -ENOMEM;
}

static void test_a_callback_ends_it(void **state)
{
	struct bh_kern *k = rig_begin(rig_opts());
	int fd[N_FD], n = 0;

	(void)state;
	talk("127.0.0.1", 7312, fd);
	assert_int_equal(bh_kern_task_sockets(k, getpid(), stop, &n), -ENOMEM);
	assert_int_equal(n, 1);
	close_all(fd);
	rig_end(k);
}

/* --- states, places ------------------------------------------------------------------------------ */

static void test_only_established(void **state)
{
	struct bh_kern *k = rig_begin(rig_opts());
	int fd[N_FD], udp = socket(AF_INET, SOCK_DGRAM, 0), un[2];

	(void)state;
	talk("127.0.0.1", 7321, fd);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, un), 0);
	assert_int_equal(holds(k, getpid(), -1, NULL), 2);
	/* half closed by the peer: nobody types there any more */
	assert_int_equal(shutdown(fd[CLIENT], SHUT_WR), 0);
	assert_int_equal(holds(k, getpid(), fd[CHILD], NULL), 0);
	assert_int_equal(holds(k, getpid(), fd[CLIENT], NULL), 0);
	close_all(fd);
	close(udp);
	close(un[0]);
	close(un[1]);
	rig_end(k);
}

/* The hooks see nothing of what was born outside of the agent's root. */
static void test_outside_of_the_root(void **state)
{
	struct bh_kern_opts opts = rig_opts();
	struct bh_held held;
	struct bh_kern *k;
	int fd[N_FD];

	(void)state;
	assert_int_equal(cg_make("inner", NULL), 0);
	opts.cgroup_root = rig_cg_path("inner");
	k = rig_begin(opts);
	talk("127.0.0.1", 7331, fd);
	assert_int_equal(holds(k, getpid(), fd[CHILD], &held), 1);
	assert_int_equal(held.flags, BH_HELD_ACCEPTED | BH_HELD_LOCAL_PEER);
	close_all(fd);
	rig_end(k);
}

static void test_other_namespace(void **state)
{
	struct bh_kern *k = rig_begin(rig_opts());
	struct bh_held held;
	int other, back, fd[N_FD];

	(void)state;
	assert_int_equal(ns_make(&other), 0);
	assert_int_equal(ns_veth(other, "v0", "10.79.0.1/24", ns_here, "v1", "10.79.0.2/24"), 0);
	assert_int_equal(ns_enter(other, &back), 0);
	talk("10.79.0.1", 7341, fd);
	assert_int_equal(ns_enter(back, NULL), 0);
	assert_int_equal(holds(k, getpid(), fd[CHILD], &held), 1);
	assert_true(held.netns && held.netns != k->netns);
	/* whose addresses those are there is not known */
	assert_int_equal(held.flags, BH_HELD_ACCEPTED | BH_HELD_INSIDE);
	close_all(fd);
	close(other);
	close(back);
	rig_end(k);
}

/* An address of our namespace is of this host, by the agent's word. */
static void test_own_address(void **state)
{
	const struct bh_addr own = {.b = {[10] = 0xff, 0xff, 10, 79, 1, 1}};
	struct bh_kern *k = rig_begin(rig_opts());
	struct bh_held held;
	int fd[N_FD];

	(void)state;
	assert_int_equal(ns_addr(ns_here, "lo", "10.79.1.1/32"), 0);
	talk("10.79.1.1", 7342, fd);
	assert_int_equal(holds(k, getpid(), fd[CHILD], &held), 1);
	assert_int_equal(held.flags, BH_HELD_ACCEPTED | BH_HELD_INSIDE);
	assert_int_equal(bh_kern_local_add(k, &own), 0);
	assert_int_equal(holds(k, getpid(), fd[CHILD], &held), 1);
	assert_int_equal(held.flags, BH_HELD_ACCEPTED | BH_HELD_INSIDE | BH_HELD_LOCAL_PEER);
	close_all(fd);
	rig_end(k);
}

/* When it began is in the verdict, if it was judged. */
static void test_when_it_began(void **state)
{
	struct bh_kern *k = rig_begin(rig_opts());
	struct bh_session s = {.begin_ns = 4711, .dir = BH_OUT, .dir_known = 1};
	struct bh_held held;
	int fd[N_FD], map = bpf_object__find_map_fd_by_name(k->obj, "bh_session");

	(void)state;
	talk("127.0.0.1", 7351, fd);
	assert_int_equal(holds(k, getpid(), fd[CHILD], &held), 1);
	assert_int_equal(held.begin_ns, 0);
	assert_int_equal(bpf_map_update_elem(map, &fd[CHILD], &s, BPF_ANY), 0);
	assert_int_equal(holds(k, getpid(), fd[CHILD], &held), 1);
	assert_int_equal(held.begin_ns, 4711);
	/* and its word counts for who began, too */
	assert_int_equal(held.flags, BH_HELD_ASKED | BH_HELD_INSIDE | BH_HELD_LOCAL_PEER);
	close_all(fd);
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
		cmocka_unit_test(test_both_ends_v4),
		cmocka_unit_test(test_both_ends_v6),
		cmocka_unit_test(test_both_ends_mapped),
		cmocka_unit_test(test_one_process_or_all),
		cmocka_unit_test(test_a_callback_ends_it),
		cmocka_unit_test(test_only_established),
		cmocka_unit_test(test_outside_of_the_root),
		cmocka_unit_test(test_other_namespace),
		cmocka_unit_test(test_own_address),
		cmocka_unit_test(test_when_it_began),
	};

	return cmocka_run_group_tests(tests, up, down);
}
