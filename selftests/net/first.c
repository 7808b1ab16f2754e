// SPDX-License-Identifier: Apache-2.0
/*
 * first.c - the first policy of a host, and the first after a handover: a UDP question that was
 * asked before it gets its answer after it, if the policy lets it ask, and else does not. Each
 * test takes two hosts that were never given a map.
 */
#include "netrig.h"

#include <string.h>
#include "talk.h"

#define PORT 7000

static struct net_host a, b;

#define MAP(rules)                                                                                 \
	"segments:\n"                                                                              \
	"  web: { match: { unit: web.service } }\n"                                                \
	"  db: { match: { cidr: [10.77.0.11/32, fd77::11/128] } }\n"                               \
	"allow:\n"                                                                                 \
	"  - { id: other, from: web, to: db, port: udp/7999 }\n" rules

static const char open_map[] = MAP("  - { id: web-db, from: web, to: db, port: udp/7000 }\n");
static const char closed_map[] = MAP("");

static int up(void **state)
{
	(void)state;
	return net_up(&a, &b);
}

static int down(void **state)
{
	(void)state;
	return net_down(&a, &b);
}

/* Only a gets a map: what b says of it is another matter. */
static void ask_then_apply(const char *from, const char *to, const char *map, bool answered)
{
	struct puppet *web = net_puppet(&a, "web.service"), *db = net_puppet(&b, "db.service");
	int server, client, err = 0;
	const char *got;

	server = pup_serve(db, SOCK_DGRAM, to, PORT);
	/* bound: XDP takes it for one that only receives, unless it was seen to ask */
	client = pup_serve(web, SOCK_DGRAM, from, 6000);
	pup_patience(web, client, answered ? PUP_PATIENCE_MS : PUP_SHORT_MS);
	assert_int_equal(pup_sendto(web, client, "question", to, PORT), 8);
	net_apply(&a, map);
	assert_int_equal(pup_answer(db, server, "answer"), 0);
	got = pup_recv(web, client, &err);
	if (answered)
		assert_string_equal(got ? got : "nothing", "answer");
	else
		assert_null(got);
	pup_stop(web);
	pup_stop(db);
}

static void test_who_may_ask_gets_the_answer(void **state)
{
	(void)state;
	ask_then_apply("10.77.0.1", "10.77.0.11", open_map, true);
}

static void test_who_may_ask_gets_the_answer_v6(void **state)
{
	(void)state;
	ask_then_apply("fd77::1", "fd77::11", open_map, true);
}

static void test_who_may_not_does_not(void **state)
{
	(void)state;
	ask_then_apply("10.77.0.1", "10.77.0.11", closed_map, false);
}

static void test_who_may_not_does_not_v6(void **state)
{
	(void)state;
	ask_then_apply("fd77::1", "fd77::11", closed_map, false);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, up, down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_who_may_ask_gets_the_answer),
		TEST(test_who_may_ask_gets_the_answer_v6),
		TEST(test_who_may_not_does_not),
		TEST(test_who_may_not_does_not_v6),
	};

	return cmocka_run_group_tests_name("first", tests, NULL, NULL);
}
