/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control_flows.c - the ring of flow records and the verb that shows it: it wraps, keeps the
 * names of then, filters, and takes whatever the kernel side sends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <netinet/in.h>
#include "fakeagent.h"
#include "../../agent/control/control.h"

static int setup(void **state)
{
	struct bh_agent *a = test_agent_new();

	a->flows = bh_flows_new();
	assert_non_null(a->flows);
	*state = a;
	return 0;
}

static int teardown(void **state)
{
	test_agent_free(*state);
	return 0;
}

static void add(struct bh_agent *a, const struct bh_event *ev)
{
	struct bh_flow flow = bh_flow_of(a, ev);

	bh_flows_add(a->flows, &flow);
}

/* Event @i, told apart by its remote port. */
static struct bh_event event(__u16 port, enum bh_event_type type)
{
	return (struct bh_event){
		.remote_port = port, .type = (__u8)type, .proto = IPPROTO_TCP, .dir = BH_OUT};
}

/* The answer's data; a code that is not expected fails. */
static json_t *flows(struct bh_agent *a, json_t *args, int code, struct bh_reply *reply)
{
	struct bh_call call = {.verb = "flows", .args = args};
	int r = bh_verb_flows.run(a, &call, reply);

	json_decref(args);
	if (code)
		assert_int_equal(reply->code, code);
	else
		assert_int_equal(r, 0);
	return reply->data;
}

/* --- the ring ----------------------------------------------------------------------------------- */

static void wraps(void **state)
{
	struct bh_agent *a = *state;
	const size_t n = BH_FLOWS_KEPT + 10;

	assert_int_equal(bh_flows_count(a->flows), 0);
	for (size_t i = 0; i < n; i++) {
		struct bh_event ev = event((__u16)i, BH_EVENT_BEGIN);

		add(a, &ev);
		assert_int_equal(bh_flows_count(a->flows), MIN(i + 1, BH_FLOWS_KEPT));
		assert_int_equal(bh_flows_at(a->flows, 0)->ev.remote_port, i);
	}
	for (size_t i = 0; i < BH_FLOWS_KEPT; i++)
		assert_int_equal(bh_flows_at(a->flows, i)->ev.remote_port, n - 1 - i);
}

static void names_of_then(void **state)
{
	char web[] = "web", rule[] = "web-db";
	struct bh_flow flow = {.local = web, .rule = rule};
	struct bh_agent *a = *state;
	const struct bh_flow *kept;

	bh_flows_add(a->flows, &flow);
	memset(web, 'x', 3);
	memset(rule, 'x', 3);
	kept = bh_flows_at(a->flows, 0);
	assert_string_equal(kept->local, "web");
	assert_string_equal(kept->rule, "web-db");
	assert_null(kept->remote);
	assert_null(kept->cgroup);
}

static void numbers_get_names(void **state)
{
	struct bh_agent *a = *state;
	struct bh_event ev = event(1, BH_EVENT_DENY);
	const struct bh_flow *kept;
	__u32 web, rule;

	assert_int_equal(bh_numbers_segment(a->live.numbers, "web", &web), 0);
	assert_int_equal(bh_numbers_rule(a->live.numbers, "web-db", &rule), 0);
	ev.local = web;
	ev.remote = BH_ID_WORLD;
	ev.rule = rule;
	ev.time_ns = test_boot_ns() - 5000000000;
	assert_int_equal(bh_cgroup_id(a->opts.cgroup_root, &ev.cgid), 0);
	add(a, &ev);
	/* the next map uses other numbers */
	bh_numbers_free(a->live.numbers);
	a->live.numbers = bh_numbers_new();
	kept = bh_flows_at(a->flows, 0);
	assert_string_equal(kept->local, "web");
	assert_string_equal(kept->remote, "world");
	assert_string_equal(kept->rule, "web-db");
	assert_string_equal(kept->cgroup, "/");
	assert_in_range(test_wall_ms() - kept->wall_ms, 5000, 5001);
}

/* --- rows ----------------------------------------------------------------------------------------- */

static void expect_in_row(const struct bh_event *ev, const char *part)
{
	struct bh_flow flow = {.ev = *ev};
	json_auto_t *row = bh_flow_json(&flow);
	_cleanup_free_ char *text = json_dumps(row, JSON_COMPACT);

	if (!text || !strstr(text, part))
		fail_msg("no %s in %s", part, text ? text : "nothing");
}

static void rows(_unused_ void **state)
{
	struct bh_event ev = event(443, BH_EVENT_WOULD_DENY);

	expect_in_row(&ev, "\"type\":\"would_deny\",\"direction\":\"egress\",\"proto\":\"tcp\"");
	/* not bound yet; nobody's identity is 0 */
	expect_in_row(&ev, "\"local\":{\"ip\":null,\"port\":0,\"identity\":0,\"segment\":null");
	expect_in_row(&ev, "\"rule\":null");
	ev.remote_addr = (struct bh_addr){.b = {[10] = 0xff, 0xff, 10, 0, 0, 7}};
	expect_in_row(&ev, "\"remote\":{\"ip\":\"10.0.0.7\",\"port\":443");
	ev.remote_addr = (struct bh_addr){.b = {0x20, 0x01, 0x0d, 0xb8, [15] = 1}};
	expect_in_row(&ev, "\"ip\":\"2001:db8::1\"");
	ev.bytes[BH_IN] = UINT64_MAX;
	expect_in_row(&ev, "\"bytes_in\":\"18446744073709551615\"");
	ev.proto = IPPROTO_ICMPV6;
	ev.icmp = 128 << 8;
	expect_in_row(&ev, "\"proto\":\"icmp/echo-request\"");
	ev.proto = IPPROTO_ICMP;
	ev.icmp = 3 << 8 | 13;
	expect_in_row(&ev, "\"proto\":\"icmp/admin-prohibited\"");
	ev.icmp = 200 << 8 | 1;
	expect_in_row(&ev, "\"proto\":\"icmp type 200 code 1\"");
	ev.proto = 47;
	expect_in_row(&ev, "\"proto\":\"proto/47\"");
}

/* A newer kernel side may send what this build has no words for. */
static void unknown_numbers(_unused_ void **state)
{
	struct bh_event ev;

	memset(&ev, 0xff, sizeof(ev));
	expect_in_row(&ev, "\"type\":\"unknown\"");
	expect_in_row(&ev, "\"reason\":\"unknown\"");
	expect_in_row(&ev, "\"hook\":\"unknown\"");
	expect_in_row(&ev, "\"proto\":\"proto/255\"");
}

/* --- the verb --------------------------------------------------------------------------------------- */

static int remote_port(const json_t *rows, size_t i)
{
	const json_t *remote = json_object_get(json_array_get(rows, i), "remote");

	return (int)json_integer_value(json_object_get(remote, "port"));
}

static void last_of_them(void **state)
{
	_cleanup_(bh_reply_clear) struct bh_reply one = {0}, two = {0}, three = {0};
	struct bh_agent *a = *state;
	const json_t *rows;

	for (int i = 1; i <= 300; i++) {
		struct bh_event ev = event((__u16)i, i % 3 ? BH_EVENT_BEGIN : BH_EVENT_DENY);

		add(a, &ev);
	}
	rows = json_object_get(flows(a, json_object(), 0, &one), "rows");
	assert_int_equal(json_array_size(rows), 100);
	assert_int_equal(remote_port(rows, 0), 201);
	assert_int_equal(remote_port(rows, 99), 300);
	assert_null(one.follow);
	rows = json_object_get(
		flows(a, json_pack("{s:b s:i}", "denied", true, "limit", 2), 0, &two), "rows");
	assert_int_equal(json_array_size(rows), 2);
	assert_int_equal(remote_port(rows, 0), 297);
	assert_int_equal(remote_port(rows, 1), 300);
	rows = json_object_get(
		flows(a, json_pack("{s:b s:i}", "denied", true, "limit", 4096), 0, &three), "rows");
	assert_int_equal(json_array_size(rows), 100);
}

static void nothing_yet(void **state)
{
	_cleanup_(bh_reply_clear) struct bh_reply reply = {0};
	const json_t *data = flows(*state, json_object(), 0, &reply);

	assert_true(json_is_array(json_object_get(data, "rows")));
	assert_int_equal(json_array_size(json_object_get(data, "rows")), 0);
}

static void wrong_arguments(void **state)
{
	static const int limits[] = {0, -1, BH_FLOWS_KEPT + 1};

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		_cleanup_(bh_reply_clear) struct bh_reply reply = {0};

		(void)flows(*state, json_pack("{s:i}", "limit", limits[i]), 2, &reply);
	}
}

static void follows(void **state)
{
	_cleanup_(bh_reply_clear) struct bh_reply reply = {0};
	struct bh_event begin = event(1, BH_EVENT_BEGIN), deny = event(2, BH_EVENT_DENY);
	json_auto_t *none = NULL, *row = NULL;

	(void)flows(*state, json_pack("{s:b s:b}", "follow", true, "denied", true), 0, &reply);
	assert_non_null(reply.follow);
	none = reply.follow(*state, &begin, reply.follow_ctx);
	row = reply.follow(*state, &deny, reply.follow_ctx);
	assert_null(none);
	assert_string_equal(json_string_value(json_object_get(row, "type")), "deny");
}

/* What follows is filtered as what was is. */
static void follows_who_fits(void **state)
{
	_cleanup_(bh_reply_clear) struct bh_reply reply = {0};
	struct bh_event to_80 = event(80, BH_EVENT_BEGIN), to_443 = event(443, BH_EVENT_BEGIN);
	json_auto_t *none = NULL, *other = NULL, *row = NULL;

	to_80.local = to_443.local = BH_ID_HOST;
	(void)flows(*state,
		    json_pack("{s:b s:s s:s}", "follow", true, "port", "443", "from", "host"), 0,
		    &reply);
	none = reply.follow(*state, &to_80, reply.follow_ctx);
	row = reply.follow(*state, &to_443, reply.follow_ctx);
	to_443.local = BH_ID_UNASSIGNED;
	other = reply.follow(*state, &to_443, reply.follow_ctx);
	assert_null(none);
	assert_null(other);
	assert_int_equal(json_array_size(json_object_get(reply.data, "rows")), 0);
	assert_non_null(row);
}

/* --- filters ---------------------------------------------------------------------------------------- */

#define V4(w, x, y, z)                                                                             \
	{                                                                                          \
		.b = { [10] = 0xff, 0xff, w, x, y, z }                                             \
	}

/* Seven flows, told apart by their remote port but for icmp. */
static void fill(struct bh_agent *a)
{
	static const struct {
		struct bh_flow flow;
	} rows[] = {
		{{.ev = {.type = BH_EVENT_BEGIN,
			 .dir = BH_OUT,
			 .proto = IPPROTO_TCP,
			 .local_port = 40000,
			 .remote_port = 443,
			 .remote_addr = V4(10, 1, 2, 3),
			 .time_ns = 1},
		  .cgroup = "/system.slice/nginx.service",
		  .local = "web",
		  .remote = "world"}},
		{{.ev = {.type = BH_EVENT_DENY,
			 .dir = BH_IN,
			 .proto = IPPROTO_TCP,
			 .local_port = 80,
			 .remote_port = 41000,
			 .remote_addr = V4(10, 9, 9, 9)},
		  .cgroup = "/system.slice/nginx.service/worker",
		  .local = "web",
		  .remote = "world"}},
		{{.ev = {.type = BH_EVENT_WOULD_DENY,
			 .dir = BH_OUT,
			 .proto = IPPROTO_UDP,
			 .remote_port = 53,
			 .remote_addr = {.b = {0x20, 0x01, 0x0d, 0xb8, [15] = 1}}},
		  .cgroup = "/user.slice/user-0.slice/session-2.scope",
		  .local = "admin",
		  .remote = "dns"}},
		{{.ev = {.type = BH_EVENT_END,
			 .dir = BH_OUT,
			 .proto = IPPROTO_UDP,
			 .remote_port = 443},
		  .cgroup = "/system.slice/gone.service",
		  .local = "old",
		  .remote = "dns"}},
		{{.ev = {.type = BH_EVENT_DENY,
			 .dir = BH_OUT,
			 .proto = IPPROTO_ICMP,
			 .icmp = 8 << 8,
			 .remote_addr = V4(10, 1, 2, 3)},
		  .cgroup = "/",
		  .local = "host",
		  .remote = "world"}},
		{{.ev = {.type = BH_EVENT_DENY,
			 .dir = BH_IN,
			 .proto = IPPROTO_ICMPV6,
			 .icmp = 128 << 8},
		  .local = "host",
		  .remote = "world"}},
		{{.ev = {.type = BH_EVENT_UPDATE, .dir = BH_OUT, .proto = 47}, .local = "host"}},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct bh_flow flow = rows[i].flow;

		flow.ev.pid = (__u32)i + 1;
		/* the first is two hours old, each other a minute younger than the one before */
		flow.wall_ms = test_wall_ms() - (120 - (int64_t)i) * 60000;
		bh_flows_add(a->flows, &flow);
	}
}

/* Which of them: "1 2 5" */
static void picks(struct bh_agent *a, const char *args, const char *want)
{
	_cleanup_(bh_reply_clear) struct bh_reply reply = {0};
	json_t *given = json_loads(args, 0, NULL);
	const json_t *rows, *row;
	char got[64] = "";
	size_t i;

	assert_non_null(given);
	rows = json_object_get(flows(a, given, 0, &reply), "rows");
	json_array_foreach(rows, i, row)
		snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%d", i ? " " : "",
			 (int)json_integer_value(json_object_get(row, "pid")));
	if (strcmp(got, want) != 0)
		fail_msg("%s: '%s', expected '%s'", args, got, want);
}

static void refuses(struct bh_agent *a, const char *args, const char *text, const char *help)
{
	_cleanup_(bh_reply_clear) struct bh_reply reply = {0};
	struct bh_call call = {.verb = "flows", .args = json_loads(args, 0, NULL)};

	assert_true(bh_verb_flows.run(a, &call, &reply) < 0);
	json_decref((json_t *)call.args);
	assert_int_equal(reply.code, BH_EXIT_USAGE);
	if (!strstr(reply.diags.list[0].text, text))
		fail_msg("%s: %s", args, reply.diags.list[0].text);
	if (help && (!reply.diags.list[0].help || !strstr(reply.diags.list[0].help, help)))
		fail_msg("%s: help: %s", args, reply.diags.list[0].help);
}

static void filters(void **state)
{
	struct bh_agent *a = *state;

	fill(a);
	picks(a, "{}", "1 2 3 4 5 6 7");
	picks(a, "{\"denied\":true}", "2 3 5 6");
	picks(a, "{\"audited\":true}", "3");
	picks(a, "{\"allowed\":true}", "1 4 7");
	picks(a, "{\"allowed\":true,\"audited\":true}", "1 3 4 7");
	/* who began: of what comes in that is the peer */
	picks(a, "{\"from\":\"web\"}", "1");
	picks(a, "{\"to\":\"web\"}", "2");
	picks(a, "{\"to\":\"world\"}", "1 5");
	picks(a, "{\"from\":\"world\"}", "2 6");
	/* a segment of a map that went */
	picks(a, "{\"from\":\"old\"}", "4");
	picks(a, "{\"from\":\"10.9.9.9\"}", "2");
	picks(a, "{\"to\":\"10.0.0.0/8\"}", "1 5");
	picks(a, "{\"to\":\"2001:db8::/32\"}", "3");
	picks(a, "{\"to\":\"::/0\"}", "3");
	picks(a, "{\"from\":\"nginx\"}", "1");
	picks(a, "{\"to\":\"nginx.service\"}", "2");
	picks(a, "{\"unit\":\"nginx\"}", "1 2");
	picks(a, "{\"unit\":\"session-2.scope\"}", "3");
	/* not started yet */
	picks(a, "{\"unit\":\"later.service\"}", "");
	picks(a, "{\"unit\":\"nginx\",\"denied\":true,\"port\":\"80\"}", "2");
}

static void port_filters(void **state)
{
	struct bh_agent *a = *state;

	fill(a);
	picks(a, "{\"port\":\"443\"}", "1 4");
	picks(a, "{\"port\":\"tcp/443\"}", "1");
	picks(a, "{\"port\":\"443/udp\"}", "4");
	picks(a, "{\"port\":\"udp/domain\"}", "3");
	/* of what comes in it is the port here */
	picks(a, "{\"port\":\"tcp/80\"}", "2");
	picks(a, "{\"port\":\"41000\"}", "");
	picks(a, "{\"port\":\"50-100\"}", "2 3");
	picks(a, "{\"port\":\"tcp\"}", "1 2");
	picks(a, "{\"port\":\"icmp\"}", "5 6");
	picks(a, "{\"port\":\"icmp/echo-request\"}", "5 6");
	picks(a, "{\"port\":\"icmp/echo-reply\"}", "");
	picks(a, "{\"port\":\"proto/47\"}", "7");
	picks(a, "{\"port\":\"any\"}", "1 2 3 4 5 6 7");
	refuses(a, "{\"port\":\"tcp/70000\"}", "70000", NULL);
	refuses(a, "{\"port\":\"tpc/443\"}", "tpc", "tcp/443");
	refuses(a, "{\"port\":\"\"}", "", NULL);
}

static void since(void **state)
{
	struct bh_agent *a = *state;

	fill(a);
	picks(a, "{\"since_s\":7230}", "1 2 3 4 5 6 7");
	picks(a, "{\"since_s\":7170}", "2 3 4 5 6 7");
	picks(a, "{\"since_s\":60}", "");
	refuses(a, "{\"since_s\":0}", "since_s", NULL);
}

static void unknown_ends(void **state)
{
	struct bh_agent *a = *state;

	fill(a);
	refuses(a, "{\"from\":\"wordl\"}", "'wordl'", "did you mean 'world'?");
	refuses(a, "{\"unit\":\"nginy.servize\"}", "no unit here", "nginx.service");
	refuses(a, "{\"unit\":\"web\"}", "no unit here", NULL);
	refuses(a, "{\"to\":\"10.1.2.3/8\"}", "behind the prefix", "10.0.0.0/8");
	refuses(a, "{\"to\":\"\"}", "a name of 0 characters", NULL);
}

static void new_fields(_unused_ void **state)
{
	struct bh_event ev = event(443, BH_EVENT_END);

	expect_in_row(&ev, "\"verdict\":\"allowed\",\"comm\":null,\"encrypted\":\"none\"");
	expect_in_row(&ev, "\"suppressed\":0,\"rtt_us\":null,\"tcp_flags\":\"\"");
	expect_in_row(&ev, "\"begin\":null,\"last\":null");
	/* all sixteen, and no NUL behind */
	memcpy(ev.comm, "0123456789abcdef", BH_COMM_MAX);
	ev.tcp_flags = 0x13;
	ev.rtt_us = 250;
	ev.suppressed = 7;
	ev.crypt = BH_CRYPT_TLS;
	ev.time_ns = 5000000000;
	ev.begin_ns = 3000000000;
	expect_in_row(&ev, "\"comm\":\"0123456789abcdef\",\"encrypted\":\"tls\"");
	expect_in_row(&ev, "\"suppressed\":7,\"rtt_us\":250,\"tcp_flags\":\"FSA\"");
	expect_in_row(&ev, "\"begin\":\"1969-12-31T23:59:58Z\"");
	ev.type = BH_EVENT_DENY;
	ev.reason = BH_R_DEFAULT_DENY;
	expect_in_row(&ev, "\"verdict\":\"denied\"");
	ev.reason = BH_R_NO_STORAGE;
	expect_in_row(&ev, "\"verdict\":\"error\"");
	ev.type = BH_EVENT_WOULD_DENY;
	expect_in_row(&ev, "\"verdict\":\"audited\"");
	ev.type = BH_EVENT_END;
	expect_in_row(&ev, "\"verdict\":\"audited\"");
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(wraps),
		TEST(names_of_then),
		TEST(numbers_get_names),
		TEST(rows),
		TEST(unknown_numbers),
		TEST(last_of_them),
		TEST(nothing_yet),
		TEST(wrong_arguments),
		TEST(follows),
		TEST(follows_who_fits),
		TEST(filters),
		TEST(port_filters),
		TEST(since),
		TEST(unknown_ends),
		TEST(new_fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
