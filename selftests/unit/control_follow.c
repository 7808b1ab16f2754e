/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control_follow.c - clients that follow events for hours, and what has to happen after an
 * answer. Tests agent/control/server.c and conn.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "controlrig.h"

static int runs, afters;

static int run_look(_unused_ struct bh_agent *a, _unused_ const struct bh_call *call,
		    _unused_ struct bh_reply *reply)
{
	runs++;
	return 0;
}

static json_t *on_follow(_unused_ struct bh_agent *a, const struct bh_event *ev, _unused_ void *ctx)
{
	char big[2000];

	if (ev->type == BH_EVENT_END)
		return NULL;
	memset(big, 'e', sizeof(big));
	return json_pack("{s:i s:s#}", "rule", (int)ev->rule, "pad", big, (int)sizeof(big));
}

static int run_follow(_unused_ struct bh_agent *a, _unused_ const struct bh_call *call,
		      struct bh_reply *reply)
{
	reply->follow = on_follow;
	reply->follow_ctx = strdup("context");
	return 0;
}

static int run_records(_unused_ struct bh_agent *a, _unused_ const struct bh_call *call,
		       struct bh_reply *reply)
{
	reply->follow_records = true;
	return 0;
}

static void after(_unused_ struct bh_agent *a)
{
	afters++;
}

static int run_leave(_unused_ struct bh_agent *a, _unused_ const struct bh_call *call,
		     struct bh_reply *reply)
{
	reply->after = after;
	return 0;
}

static const struct bh_verb look = {.name = "look", .run = run_look};
static const struct bh_verb follow = {.name = "follow", .run = run_follow};
static const struct bh_verb leave = {.name = "leave", .run = run_leave};
static const struct bh_verb records = {.name = "records", .run = run_records};
static const struct bh_verb *const verbs[] = {&look, &follow, &leave, &records};

static int setup(void **state)
{
	*state = rig_open(verbs, ARRAY_SIZE(verbs));
	runs = afters = 0;
	return 0;
}

static void follows(void **state)
{
	struct bh_event ev = {.type = BH_EVENT_DENY, .rule = 77}, other = {.type = BH_EVENT_END};
	struct bh_agent *a = *state;
	int fd = client(a);

	if (!may_read())
		skip();
	say(a, fd, "{\"verb\":\"follow\"}\n");
	expect(a, fd, "{\"ok\":true", false);
	bh_server_event(a->server, &other);
	bh_server_event(a->server, &ev);
	expect(a, fd, "{\"event\":{\"rule\":77", false);
	/* it has nothing more to say, and is not listened to */
	say(a, fd, "{\"verb\":\"look\"}\n");
	assert_int_equal(runs, 0);
	close(fd);
	pump(a);
	assert_int_equal(clients(a), 0);
	bh_server_event(a->server, &ev);
}

/* Records go to who asked for them, and events do not; byte for byte, as their hash wants it. */
static void follows_records(void **state)
{
	static const char record[] = "{\"seq\":7, \"odd\" : 1.50}\n";
	struct bh_event ev = {.type = BH_EVENT_DENY, .rule = 77};
	struct bh_agent *a = *state;
	int fd = client(a), other = client(a);

	if (!may_read())
		skip();
	say(a, fd, "{\"verb\":\"records\"}\n");
	say(a, other, "{\"verb\":\"follow\"}\n");
	expect(a, fd, "{\"ok\":true", false);
	expect(a, other, "{\"ok\":true", false);
	bh_server_event(a->server, &ev);
	bh_server_record(a->server, record);
	expect(a, fd, "{\"event\":{\"seq\":7, \"odd\" : 1.50}}\n", false);
	expect(a, other, "{\"event\":{\"rule\":77", false);
	say(a, fd, "{\"verb\":\"look\"}\n");
	assert_int_equal(runs, 0);
	close(fd);
	close(other);
	pump(a);
	assert_int_equal(clients(a), 0);
	bh_server_record(a->server, record);
}

/* 4 MB of records that nobody reads: he is hung up on, and what waited for him is gone. */
static void a_reader_of_records_falls_behind(void **state)
{
	static char record[2000];
	struct bh_agent *a = *state;
	int slow = client(a);

	if (!may_read())
		skip();
	memset(record, 'r', sizeof(record) - 2);
	record[sizeof(record) - 2] = '\n';
	say(a, slow, "{\"verb\":\"records\"}\n");
	for (int i = 0; i < 200; i++)
		bh_server_record(a->server, record);
	assert_int_equal(clients(a), 1);
	for (int i = 0; i < 1800; i++)
		bh_server_record(a->server, record);
	assert_int_equal(clients(a), 0);
	close(slow);
}

static void follower_falls_behind(void **state)
{
	struct bh_event ev = {.type = BH_EVENT_DENY};
	struct bh_agent *a = *state;
	int slow = client(a), fast = client(a);
	size_t lines = 0;

	if (!may_read())
		skip();
	say(a, slow, "{\"verb\":\"follow\"}\n");
	say(a, fast, "{\"verb\":\"follow\"}\n");
	for (int i = 0; i < 2000; i++) {
		bool eof;
		char *text;

		bh_server_event(a->server, &ev);
		text = hear(a, fast, &eof);
		lines += count(text, '\n');
		free(text);
		assert_false(eof);
	}
	assert_int_equal(lines, 2001);
	/* 4 MB that nobody read */
	assert_int_equal(clients(a), 1);
	close(slow);
	close(fast);
}

static void not_all_may_follow(void **state)
{
	struct bh_agent *a = *state;
	int fd[17];

	if (!may_read())
		skip();
	for (size_t i = 0; i < ARRAY_SIZE(fd); i++) {
		fd[i] = client(a);
		say(a, fd[i], "{\"verb\":\"follow\"}\n");
		expect(a, fd[i], i < 16 ? "{\"ok\":true" : "as many clients follow", false);
	}
	for (size_t i = 0; i < ARRAY_SIZE(fd); i++)
		close(fd[i]);
}

static void after_the_answer(void **state)
{
	struct bh_agent *a = *state;
	int fd = client(a);

	if (!may_read())
		skip();
	say(a, fd, "{\"verb\":\"leave\"}\n");
	expect(a, fd, "{\"ok\":true", false);
	assert_int_equal(afters, 1);
	say(a, fd, "{\"verb\":\"look\"}\n");
	assert_int_equal(afters, 1);
	close(fd);
}

/* It has gone before the answer could be written: what was promised is done all the same. */
static void after_no_answer(void **state)
{
	struct bh_agent *a = *state;
	int fd = client(a);

	if (!may_read())
		skip();
	assert_int_equal(send(fd, "{\"verb\":\"leave\"}\n", 17, MSG_NOSIGNAL), 17);
	close(fd);
	pump(a);
	assert_int_equal(afters, 1);
}

/* A client has 5 s for what it does; one that follows has nothing to do. */
static void silence_is_no_fault(void **state)
{
	struct bh_agent *a = *state;
	int fd = client(a);
	uint64_t end, now;

	if (!may_read())
		skip();
	say(a, fd, "{\"verb\":\"follow\"}\n");
	(void)sd_event_now(a->event, CLOCK_MONOTONIC, &now);
	end = now + BH_PROTO_REQUEST_MS * 1000ull + 500000;
	while (now < end) {
		(void)sd_event_run(a->event, 100000);
		(void)sd_event_now(a->event, CLOCK_MONOTONIC, &now);
	}
	assert_int_equal(clients(a), 1);
	close(fd);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(follows),
		TEST(follows_records),
		TEST(a_reader_of_records_falls_behind),
		TEST(follower_falls_behind),
		TEST(not_all_may_follow),
		TEST(silence_is_no_fault),
		TEST(after_the_answer),
		TEST(after_no_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
