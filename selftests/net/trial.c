// SPDX-License-Identifier: Apache-2.0
/*
 * trial.c - what ends by the clock, with nobody there to end it: a generation that nobody
 * confirmed, and an emergency. Real sockets over both, on the wire and on loopback.
 */
#include "netrig.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>
#include "talk.h"
#include "../../agent/kern/kern_internal.h"

#define PORT	7000
#define SECOND	1000000000ull
#define LONG_NS (60 * SECOND)

static struct net_host a, b;
static struct puppet *web, *db, *far;

static const char *const addr[] = {"127.0.0.1", "::1", "10.77.0.11", "fd77::11"};

#define SEGMENTS                                                                                   \
	"segments:\n"                                                                              \
	"  web: { match: { unit: web.service } }\n"                                                \
	"  db: { match: [ { unit: db.service }, { cidr: [10.77.0.11/32, fd77::11/128] } ] }\n"

static const char open_map[] = SEGMENTS "allow: [ { id: r, from: web, to: db, port: any } ]\n";
static const char shut_map[] = SEGMENTS "deny: [ { id: d, from: any, to: db, port: tcp/7009 } ]\n";

static __u64 now_ns(void)
{
	struct timespec t;

	assert_int_equal(clock_gettime(CLOCK_BOOTTIME, &t), 0);
	return (__u64)t.tv_sec * SECOND + (__u64)t.tv_nsec;
}

static void wait_until(__u64 boot_ns)
{
	struct timespec t = {.tv_sec = (time_t)(boot_ns / SECOND),
			     .tv_nsec = (long)(boot_ns % SECOND)};

	assert_int_equal(clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &t, NULL), 0);
}

/* @body is in force until then. Return: its generation. */
static __u64 try_out(const char *body, __u64 deadline_ns)
{
	_cleanup_diags_ struct bh_diags d = {0};
	struct pol next = pol_made_with(body, a.pol.numbers, &bh_limits_default);
	__u64 gen;

	assert_int_equal(bh_kern_stage(a.k, next.out, &d, &gen), 0);
	assert_int_equal(bh_kern_publish_trial(a.k, deadline_ns), 0);
	pol_clear(&a.pol);
	a.pol = next;
	return gen;
}

/* Which of the four addresses web reaches, as bits. */
static unsigned int reached(int port)
{
	unsigned int bits = 0;

	for (size_t i = 0; i < ARRAY_SIZE(addr); i++) {
		int r = talk_try(web, NULL, addr[i], port);

		assert_true(r == 0 || r == -EPERM);
		bits |= (r == 0) << i;
	}
	return bits;
}

#define ALL 0xfu

/* --- trials --------------------------------------------------------------------------------------------- */

static void test_it_falls_back_by_itself(void **state)
{
	__u64 end, gen;
	struct talk t;

	(void)state;
	net_apply(&a, open_map);
	t = talk_open(web, NULL, db, pup_serve(db, SOCK_STREAM, "127.0.0.1", 7001), "127.0.0.1",
		      7001);
	end = now_ns() + SECOND;
	gen = try_out(shut_map, end);
	assert_int_equal(reached(PORT), 0);
	assert_true(bh_kern_generation(a.k) == gen);
	wait_until(end);
	assert_int_equal(reached(PORT), ALL);
	assert_true(bh_kern_generation(a.k) == gen + 1);
	/* it was denied for a while, and nobody cut it */
	talk_both_ways(&t);
	assert_int_equal(bh_kern_fall(a.k), 0);
	assert_true(bh_kern_generation(a.k) == gen + 1);
	assert_int_equal(reached(PORT), ALL);
	talk_both_ways(&t);
	talk_close(&t);
}

/* What it opened is closed again, on the next packet. */
static void test_what_it_allowed_ends(void **state)
{
	__u64 end;
	struct talk t;

	(void)state;
	net_apply(&a, shut_map);
	end = now_ns() + SECOND;
	(void)try_out(open_map, end);
	t = talk_open(web, NULL, db, pup_serve(db, SOCK_STREAM, "::1", 7002), "::1", 7002);
	talk_both_ways(&t);
	wait_until(end);
	net_mark(&a);
	assert_true(pup_send(web, t.client_fd, "x") == 1);
	for (int i = 0; i < 200 && !net_count(&a, BH_R_DEFAULT_DENY); i++)
		(void)usleep(5000);
	assert_true(net_count(&a, BH_R_DEFAULT_DENY) > 0);
	assert_int_equal(reached(PORT), 0);
	assert_int_equal(bh_kern_fall(a.k), 0);
	assert_int_equal(reached(PORT), 0);
	assert_true(net_cut(&a) > 0);
	talk_close(&t);
}

static void test_confirmed_it_stays(void **state)
{
	__u64 end, gen, next;

	(void)state;
	net_apply(&a, shut_map);
	end = now_ns() + SECOND;
	gen = try_out(open_map, end);
	assert_int_equal(bh_kern_confirm(a.k), 0);
	wait_until(end);
	assert_int_equal(reached(PORT), ALL);
	assert_true(bh_kern_generation(a.k) == gen);
	assert_int_equal(bh_kern_confirm(a.k), -ENOENT);
	assert_int_equal(bh_kern_fall(a.k), -ENOENT);
	/* some program may have judged as the one behind it */
	net_apply(&a, shut_map);
	next = bh_kern_generation(a.k);
	assert_true(next > gen + 1 && BH_SIDE(next) != BH_SIDE(gen));
	assert_int_equal(reached(PORT), 0);
}

static void test_too_late(void **state)
{
	struct bh_trial t;
	__u64 gen;

	(void)state;
	net_apply(&a, open_map);
	gen = try_out(shut_map, now_ns());
	assert_true(bh_kern_trial(a.k, &t));
	assert_true(t.fell && t.generation == gen && t.back == gen - 1);
	assert_int_equal(bh_kern_confirm(a.k), -ETIME);
	assert_int_equal(reached(PORT), ALL);
	assert_int_equal(bh_kern_fall(a.k), 0);
	assert_false(bh_kern_trial(a.k, &t));
}

static void test_ended_early(void **state)
{
	__u64 gen;

	(void)state;
	net_apply(&a, open_map);
	gen = try_out(shut_map, now_ns() + LONG_NS);
	assert_int_equal(reached(PORT), 0);
	assert_int_equal(bh_kern_fall(a.k), 0);
	assert_int_equal(reached(PORT), ALL);
	assert_true(bh_kern_generation(a.k) == gen + 1);
	net_apply(&a, shut_map);
	assert_int_equal(reached(PORT), 0);
}

/* Both sides are in use. */
static void test_nothing_is_staged_meanwhile(void **state)
{
	_cleanup_diags_ struct bh_diags d = {0};
	__u64 gen;

	(void)state;
	net_apply(&a, open_map);
	(void)try_out(shut_map, now_ns() + LONG_NS);
	assert_int_equal(bh_kern_stage(a.k, a.pol.out, &d, &gen), -EBUSY);
	assert_int_equal(d.n_errors, 1);
	assert_int_equal(reached(PORT), 0);
	assert_int_equal(bh_kern_confirm(a.k), 0);
	net_apply(&a, open_map);
	assert_int_equal(reached(PORT), ALL);
}

/* bh_judge speaks for what is in force, before and after. */
static void test_the_judge_falls_back_too(void **state)
{
	struct bh_question q = {.port = PORT, .proto = IPPROTO_TCP, .dir = BH_OUT, .now_ns = 1};
	struct bh_answer ans;

	(void)state;
	net_apply(&a, open_map);
	q.local = net_identity(&a, "web");
	q.remote = net_identity(&a, "db");
	q.gen = try_out(shut_map, now_ns() + LONG_NS);
	assert_int_equal(bh_kern_judge(a.k, &q, &ans), 0);
	assert_int_equal(ans.reason, BH_R_DEFAULT_DENY);
	a.k->ctl->trial_ns = 1;
	q.gen = bh_kern_generation(a.k);
	assert_int_equal(bh_kern_judge(a.k, &q, &ans), 0);
	assert_int_equal(ans.reason, BH_R_ALLOW);
	assert_int_equal(bh_kern_fall(a.k), 0);
	assert_int_equal(bh_kern_judge(a.k, &q, &ans), 0);
	assert_int_equal(ans.reason, BH_R_ALLOW);
}

/* `rescue rollback`: what was tried and left is no generation before. */
static void test_what_was_left_is_not_gone_back_to(void **state)
{
	__u64 gen, was, left;

	(void)state;
	net_apply(&a, open_map);
	left = try_out(shut_map, now_ns() + LONG_NS);
	assert_int_equal(bh_kern_fall(a.k), 0);
	assert_int_equal(bh_kern_go_back(a.k, &gen, &was), -ENOENT);
	assert_int_equal(reached(PORT), ALL);
	net_apply(&a, shut_map);
	assert_int_equal(reached(PORT), 0);
	assert_int_equal(bh_kern_go_back(a.k, &gen, &was), 0);
	assert_true(was == left + 1);
	assert_int_equal(reached(PORT), ALL);
	/* said twice it is as it was, before and after the agent knows of it */
	assert_int_equal(bh_kern_go_back(a.k, &gen, &was), 0);
	assert_int_equal(reached(PORT), ALL);
	assert_int_equal(bh_kern_fall(a.k), 0);
	assert_int_equal(bh_kern_go_back(a.k, &gen, &was), -ENOENT);
	assert_int_equal(reached(PORT), ALL);
}

/* `rescue` opens an emergency beside an agent: no turn is lost, and none comes back. */
#define TURNS 3000000

static pthread_barrier_t both_are_there;

static void *turn_often(void *k)
{
	(void)pthread_barrier_wait(&both_are_there);
	for (int i = 0; i < TURNS; i++)
		bh_kern_turn(k);
	return NULL;
}

static void test_two_turn_at_once(void **state)
{
	__u32 before = a.k->ctl->turn;
	pthread_t other;

	(void)state;
	assert_int_equal(pthread_barrier_init(&both_are_there, NULL, 2), 0);
	assert_int_equal(pthread_create(&other, NULL, turn_often, a.k), 0);
	(void)turn_often(a.k);
	assert_int_equal(pthread_join(other, NULL), 0);
	assert_true(((a.k->ctl->turn - before) & 0xffff) == (2 * TURNS & 0xffff));
	/* whatever the number is by then */
	net_apply(&a, shut_map);
	a.k->ctl->turn = 0xffff;
	bh_kern_set_open(a.k, now_ns() + LONG_NS);
	assert_int_equal(reached(PORT), ALL);
	bh_kern_set_open(a.k, 0);
	assert_int_equal(reached(PORT), 0);
}

/* The first map of a host: there is nothing to fall back to, so nothing is denied. */
static void test_the_first_of_all(void **state)
{
	__u64 end;

	(void)state;
	assert_int_equal(bh_kern_generation(a.k), 0);
	end = now_ns() + SECOND;
	(void)try_out(shut_map, end);
	assert_int_equal(reached(PORT), 0);
	wait_until(end);
	assert_int_equal(bh_kern_generation(a.k), 0);
	assert_int_equal(reached(PORT), ALL);
	assert_int_equal(bh_kern_fall(a.k), 0);
	assert_int_equal(bh_kern_generation(a.k), 0);
	assert_int_equal(reached(PORT), ALL);
}

/* --- emergency ---------------------------------------------------------------------------------------- */

static void test_an_emergency_opens_and_ends(void **state)
{
	int listener = pup_serve(db, SOCK_STREAM, "127.0.0.1", 7009);
	__u64 end, gen;
	struct talk t;

	(void)state;
	net_apply(&a, shut_map);
	gen = bh_kern_generation(a.k);
	assert_int_equal(reached(PORT), 0);
	end = now_ns() + 2 * SECOND;
	bh_kern_set_open(a.k, end);
	assert_true(bh_kern_open_until(a.k) == end);
	net_mark(&a);
	assert_int_equal(reached(PORT), ALL);
	assert_non_null(net_event(&a, BH_EVENT_WOULD_DENY, NULL));
	/* not what is denied by name */
	assert_int_equal(talk_try(web, NULL, "127.0.0.1", 7009), -EPERM);
	t = talk_open(web, NULL, db, pup_serve(db, SOCK_STREAM, "127.0.0.1", 7003), "127.0.0.1",
		      7003);
	talk_both_ways(&t);
	wait_until(end);
	assert_int_equal(reached(PORT), 0);
	assert_true(bh_kern_open_until(a.k) == 0 && bh_kern_generation(a.k) == gen);
	net_mark(&a);
	assert_true(pup_send(web, t.client_fd, "x") == 1);
	for (int i = 0; i < 200 && !net_count(&a, BH_R_DEFAULT_DENY); i++)
		(void)usleep(5000);
	assert_true(net_count(&a, BH_R_DEFAULT_DENY) > 0);
	talk_close(&t);
	assert_int_equal(pup_close(db, listener), 0);
}

/* Ended by hand, what it let through is judged at once. */
static void test_an_emergency_is_closed(void **state)
{
	struct talk t;

	(void)state;
	net_apply(&a, shut_map);
	bh_kern_set_open(a.k, now_ns() + LONG_NS);
	t = talk_open(web, NULL, db, pup_serve(db, SOCK_STREAM, "127.0.0.1", 7004), "127.0.0.1",
		      7004);
	talk_both_ways(&t);
	bh_kern_set_open(a.k, 0);
	assert_int_equal(reached(PORT), 0);
	assert_true(net_cut(&a) > 0);
	assert_true(talk_ends(web, t.client_fd, 3000) < 0);
	talk_close(&t);
}

/* --- run ------------------------------------------------------------------------------------------------ */

static int up(void **state)
{
	(void)state;
	if (net_up(&a, &b))
		return -1;
	web = net_puppet(&a, "web.service");
	db = net_puppet(&a, "db.service");
	far = net_puppet(&b, "db.service");
	(void)pup_serve(db, SOCK_STREAM, "127.0.0.1", PORT);
	(void)pup_serve(db, SOCK_STREAM, "::1", PORT);
	(void)pup_serve(far, SOCK_STREAM, "::", PORT);
	return 0;
}

static int down(void **state)
{
	(void)state;
	return net_down(&a, &b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_first_of_all), /* first, as it says */
		cmocka_unit_test(test_it_falls_back_by_itself),
		cmocka_unit_test(test_what_it_allowed_ends),
		cmocka_unit_test(test_confirmed_it_stays),
		cmocka_unit_test(test_too_late),
		cmocka_unit_test(test_ended_early),
		cmocka_unit_test(test_nothing_is_staged_meanwhile),
		cmocka_unit_test(test_the_judge_falls_back_too),
		cmocka_unit_test(test_what_was_left_is_not_gone_back_to),
		cmocka_unit_test(test_two_turn_at_once),
		cmocka_unit_test(test_an_emergency_opens_and_ends),
		cmocka_unit_test(test_an_emergency_is_closed),
	};

	return cmocka_run_group_tests(tests, up, down);
}
