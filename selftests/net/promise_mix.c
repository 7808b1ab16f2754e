/* SPDX-License-Identifier: Apache-2.0 */
/*
 * promise_mix.c - promise P1: no verdict mixes two generations. Two policies take turns as fast
 * as they can be published; one allows only the sender's half of a connection, the other only
 * the receiver's. Neither allows it, so it may never succeed; its twin, which both allow, always.
 */
#include "policyrig.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include "cg.h"
#include "kernrig.h"
#include "ns.h"

#define RUN_S	    4
#define FLIPS	    20 /* at least */
#define CLOSED_PORT 5000
#define OPEN_PORT   5001

#define RULES "allow:\n  - { id: twin, from: web, to: twin, port: tcp/5001 }\n"

static const char sender_only[] =
	"segments:\n  web: { match: { unit: web.service }, default: { egress: allow } }\n"
	"  db: { match: { unit: db.service } }\n"
	"  twin: { match: { unit: twin.service } }\n" RULES;
static const char receiver_only[] =
	"segments:\n  web: { match: { unit: web.service } }\n"
	"  db: { match: { unit: db.service }, default: { ingress: allow } }\n"
	"  twin: { match: { unit: twin.service } }\n" RULES;

/* What the prober saw; shared with it. */
struct tally {
	unsigned long closed, closed_passed, open, open_failed;
	int last_errno, closed_errno;
};

static struct tally *tally;

/* --- the other processes ----------------------------------------------------------------------- */

static int tcp_socket(__u16 port, int flags, struct sockaddr_in *ret)
{
	*ret = (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
}

static void serve(__u16 port)
{
	struct sockaddr_in at;
	int fd = tcp_socket(port, 0, &at), one = 1;

	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (void *)&at, sizeof(at)) || listen(fd, 128))
		_exit(1);
	for (;;) {
		int c = accept(fd, NULL, NULL);

		if (c >= 0)
			(void)close(c);
	}
}

/*
 * Its errno. A verdict that was mixed shows in connect() itself: the packet that follows is
 * judged again. So ask without waiting for an answer. Resets, so that no port is used up.
 */
static int connects(__u16 port, int flags)
{
	struct linger hard = {.l_onoff = 1};
	struct sockaddr_in at;
	int fd = tcp_socket(port, flags, &at), r;

	r = connect(fd, (void *)&at, sizeof(at)) ? errno : 0;
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	(void)close(fd);
	return r;
}

static void probe(_unused_ __u16 port)
{
	/* until both servers are there: to nobody a connect goes on, and the kernel refuses it */
	while (connects(OPEN_PORT, 0) || connects(CLOSED_PORT, SOCK_NONBLOCK) != EPERM)
		(void)usleep(10000);
	for (;;) {
		int r = connects(CLOSED_PORT, SOCK_NONBLOCK);

		tally->closed++;
		if (r != EPERM) {
			tally->closed_passed++;
			tally->closed_errno = r;
		}
		r = connects(OPEN_PORT, 0);
		tally->open++;
		if (r) {
			tally->open_failed++;
			tally->last_errno = r;
		}
	}
}

static pid_t spawn(const char *cgroup, int ns, void (*what)(__u16), __u16 port)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (cg_move(cgroup, 0) || ns_enter(ns, NULL))
		_exit(1);
	what(port);
	_exit(0);
}

/* --- the test ------------------------------------------------------------------------------------ */

static void publish(struct bh_kern *k, const struct bh_compiled *c)
{
	_cleanup_diags_ struct bh_diags d = {0};
	__u64 gen;
	int r = bh_kern_stage(k, c, &d, &gen);

	bh_diags_print(&d, stdout, false);
	assert_int_equal(r, 0);
	assert_int_equal(bh_kern_publish(k), 0);
}

static struct bh_kern *enforcing(const struct bh_compiled *c)
{
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_kern_opts opts = rig_opts();
	struct bh_kern *k = NULL;
	int r = bh_kern_open(&opts, &d, &k);

	if (!r)
		r = bh_kern_attach(k, &d);
	if (!r)
		r = bh_kern_seed(k, &d);
	bh_diags_print(&d, stdout, false);
	assert_int_equal(r, 0);
	publish(k, c);
	return k;
}

static unsigned long flip_for(struct bh_kern *k, const struct bh_compiled *a,
			      const struct bh_compiled *b)
{
	unsigned long flips = 0;
	time_t end = time(NULL) + RUN_S;

	/* a busy machine has long grace periods */
	while (time(NULL) < end || (flips < FLIPS && time(NULL) < end + 4 * RUN_S))
		publish(k, flips++ % 2 ? a : b);
	return flips;
}

static void test_no_verdict_mixes_generations(void **state)
{
	_cleanup_pol_ struct pol a = pol_made(sender_only);
	_cleanup_pol_ struct pol b = pol_made_with(receiver_only, a.numbers, &bh_limits_default);
	struct bh_kern *k;
	pid_t pid[3];
	unsigned long flips;
	int ns;

	(void)state;
	assert_int_equal(cg_make("system.slice/web.service", NULL), 0);
	assert_int_equal(cg_make("system.slice/db.service", NULL), 0);
	assert_int_equal(cg_make("system.slice/twin.service", NULL), 0);
	assert_int_equal(ns_make(&ns), 0);
	k = enforcing(a.out);
	pid[0] = spawn("system.slice/db.service", ns, serve, CLOSED_PORT);
	pid[1] = spawn("system.slice/twin.service", ns, serve, OPEN_PORT);
	pid[2] = spawn("system.slice/web.service", ns, probe, 0);
	flips = flip_for(k, a.out, b.out);
	/* the prober first: what it asks of nobody is not judged */
	for (int i = 2; i >= 0; i--) {
		(void)kill(pid[i], SIGKILL);
		(void)waitpid(pid[i], NULL, 0);
	}
	printf("# %lu flips, %lu probes, %lu of the twin\n", flips, tally->closed, tally->open);
	if (tally->closed_passed)
		printf("# the closed port: %s\n", strerror(tally->closed_errno));
	assert_int_equal(tally->closed_passed, 0);
	assert_true(flips >= FLIPS);
	assert_true(tally->closed > 500);
	if (tally->open_failed)
		printf("# the twin: %s\n", strerror(tally->last_errno));
	assert_int_equal(tally->open_failed, 0);
	assert_int_equal(bh_kern_detach(k), 0);
	bh_kern_close(k);
	(void)close(ns);
}

static int up(void **state)
{
	(void)state;
	tally = mmap(NULL, sizeof(*tally), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	return tally == MAP_FAILED ? -1 : rig_up();
}

static int down(void **state)
{
	(void)state;
	rig_down();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_verdict_mixes_generations),
	};

	return cmocka_run_group_tests(tests, up, down);
}
