/* SPDX-License-Identifier: Apache-2.0 */
/*
 * telemetry_json.c - a flow as a line of JSON: read back by a JSON library it says what the event
 * said, whatever bytes the names have. `--lines` prints hostile ones for selftests/dev/schema.bats.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <jansson.h>
#include <time.h>
#include "../../agent/telemetry/json.h"
#include "../../agent/telemetry/tell.h"
#include "../../agent/telemetry/passwd.h"
#include "../../agent/telemetry/put.h"

#define BOOT_NS 5000000000ull
/* 2026-11-23T21:40:01.123456789Z */
#define WALL_NS (1795470001ll * 1000000000 + 123456789)

static struct bh_addr addr(const char *text)
{
	struct bh_addr a = {.b = {[10] = 0xff, [11] = 0xff}};

	if (inet_pton(AF_INET, text, a.b + 12) != 1 && inet_pton(AF_INET6, text, a.b) != 1)
		abort();
	return a;
}

static struct bh_flow sample(void)
{
	return (struct bh_flow){
		.ev = {.time_ns = BOOT_NS + 1000000,
		       .gen = 43,
		       .cgid = 7,
		       .local_addr = addr("10.0.1.2"),
		       .remote_addr = addr("2001:db8::7"),
		       .local = 4098,
		       .remote = 4097,
		       .rule = 5,
		       .uid = 0,
		       .pid = 4711,
		       .local_port = 22,
		       .remote_port = 40112,
		       .reason = BH_R_DEFAULT_DENY,
		       .type = BH_EVENT_DENY,
		       .hook = BH_HOOK_SKB_IN,
		       .dir = BH_IN,
		       .proto = IPPROTO_TCP,
		       .suppressed = 3,
		       .packets = {[BH_IN] = 1, [BH_OUT] = 2},
		       .bytes = {[BH_IN] = 60, [BH_OUT] = INT64_MAX},
		       .begin_ns = BOOT_NS,
		       .rtt_us = 17,
		       .tcp_flags = 0x12,
		       .crypt = BH_CRYPT_TLS,
		       .comm = "sshd"},
		.cgroup = "/system.slice/ssh.service/x.scope",
		.local = "db",
		.remote = "web",
		.rule = "default/db/ingress",
	};
}

static struct bh_json *json_of(const char *passwd)
{
	struct bh_json *j = bh_json_new(passwd);

	if (!j)
		abort();
	bh_json_set(j, "db1", WALL_NS, BOOT_NS);
	return j;
}

static size_t line_of(const struct bh_flow *flow, char *ret)
{
	_cleanup_(bh_json_freep) struct bh_json *j = json_of("/etc/passwd");

	return bh_json_flow(j, flow, ret);
}

/* The line, as somebody else's reader understands it. */
static json_t *parsed(const struct bh_flow *flow)
{
	static char line[BH_JSON_FLOW_MAX];
	size_t n = line_of(flow, line);
	json_error_t e;
	json_t *json;

	assert_true(n > 2 && n <= sizeof(line));
	assert_int_equal(line[n - 1], '\n');
	assert_null(memchr(line, '\n', n - 1));
	json = json_loadb(line, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &e);
	if (!json)
		fail_msg("%s: %.*s", e.text, (int)n, line);
	return json;
}

static const char *text_at(const json_t *json, const char *end, const char *key)
{
	const json_t *from = end ? json_object_get(json, end) : json;

	return json_string_value(json_object_get(from, key));
}

static void whole_line(_unused_ void **state)
{
	struct bh_flow flow = sample();
	char line[BH_JSON_FLOW_MAX];
	const char *
		want = "{\"schema\":\"bulkhead.flow.v1\",\"time\":\"2026-11-23T21:40:01.124456Z\","
		       "\"type\":\"deny\",\"flow_id\":\"",
	       *rest = "\",\"host\":\"db1\",\"reporter\":\"dst\",\"direction\":\"ingress\",\"src\":"
		       "{\"ip\":\"2001:db8::7\",\"port\":40112,\"identity\":4097,\"segment\":\"web\"},"
		       "\"dst\":{\"ip\":\"10.0.1.2\",\"port\":22,\"identity\":4098,\"segment\":\"db\","
		       "\"unit\":\"ssh.service\",\"pid\":4711,\"comm\":\"sshd\",\"uid\":0,\"user\":"
		       "\"root\"},\"proto\":\"tcp\",\"icmp\":null,\"tcp_flags\":\"SA\",\"encrypted\":"
		       "\"tls\",\"verdict\":\"denied\",\"would_verdict\":null,\"reason\":"
		       "\"default_deny\",\"rule\":\"default/db/ingress\",\"generation\":43,\"hook\":"
		       "\"skb_in\",\"begin\":\"2026-11-23T21:40:01.123456Z\",\"last\":null,"
		       "\"packets_out\":2,\"bytes_out\":9223372036854775807,\"packets_in\":1,"
		       "\"bytes_in\":60,\"rtt_us\":17,\"suppressed\":3}\n";
	size_t n = line_of(&flow, line), head = strlen(want);

	line[n] = '\0';
	assert_memory_equal(line, want, head);
	assert_string_equal(line + head + 16, rest);
}

static void verdicts(_unused_ void **state)
{
	static const struct {
		__u8 type;
		__u16 reason;
		const char *verdict, *would;
	} rows[] = {
		{BH_EVENT_BEGIN, BH_R_ALLOW, "allowed", NULL},
		{BH_EVENT_END, BH_R_ALLOW, "allowed", NULL},
		{BH_EVENT_UPDATE, BH_R_ALLOW, "allowed", NULL},
		{BH_EVENT_DENY, BH_R_RULE_DENY, "denied", NULL},
		{BH_EVENT_DENY, BH_R_NO_STORAGE, "error", NULL},
		{BH_EVENT_WOULD_DENY, BH_R_DEFAULT_DENY, "audited", "denied"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct bh_flow flow = sample();
		json_auto_t *json = NULL;
		const char *would;

		flow.ev.type = rows[i].type;
		flow.ev.reason = rows[i].reason;
		json = parsed(&flow);
		assert_string_equal(text_at(json, NULL, "verdict"), rows[i].verdict);
		would = text_at(json, NULL, "would_verdict");
		assert_string_equal(would ? would : "", rows[i].would ? rows[i].would : "");
	}
}

static void directions(_unused_ void **state)
{
	struct bh_flow flow = sample();
	json_auto_t *json = NULL;

	flow.ev.dir = BH_OUT;
	json = parsed(&flow);
	assert_string_equal(text_at(json, NULL, "reporter"), "src");
	assert_string_equal(text_at(json, "src", "segment"), "db");
	assert_string_equal(text_at(json, "src", "unit"), "ssh.service");
	assert_string_equal(text_at(json, "dst", "segment"), "web");
	assert_null(json_object_get(json_object_get(json, "dst"), "unit"));
}

/* What is not known is null, and never a number that could be one. */
static void unknown(_unused_ void **state)
{
	struct bh_flow flow = {.ev = {.type = BH_EVENT_DENY, .uid = UINT32_MAX, .proto = 47}};
	json_auto_t *json = parsed(&flow);
	static const char *const end[] = {"ip",	 "identity", "segment", "unit",
					  "pid", "comm",     "uid",	"user"};
	static const char *const top[] = {"rule",  "icmp", "tcp_flags", "encrypted",
					  "begin", "last", "rtt_us"};

	for (size_t i = 0; i < ARRAY_SIZE(end); i++)
		assert_true(json_is_null(json_object_get(json_object_get(json, "dst"), end[i])));
	for (size_t i = 0; i < ARRAY_SIZE(top); i++)
		assert_true(json_is_null(json_object_get(json, top[i])));
	assert_string_equal(text_at(json, NULL, "proto"), "proto/47");
	flow.ev.proto = IPPROTO_ICMP;
	flow.ev.icmp = 3 << 8 | 13;
	json_decref(json);
	json = parsed(&flow);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(json, "icmp"), "code")),
			 13);
}

/* All numbers of an enum and beyond. */
static void any_number(_unused_ void **state)
{
	for (unsigned int i = 0; i < 65536; i += i < 300 ? 1 : 97) {
		struct bh_flow flow = sample();

		flow.ev.type = (__u8)i;
		flow.ev.hook = (__u8)i;
		flow.ev.crypt = (__u8)i;
		flow.ev.proto = (__u8)i;
		flow.ev.tcp_flags = (__u8)i;
		flow.ev.dir = (__u8)i;
		flow.ev.reason = (__u16)i;
		json_decref(parsed(&flow));
	}
}

static void same_flow_same_id(_unused_ void **state)
{
	struct bh_flow begin = sample(), end = sample(), other = sample();
	json_auto_t *a = NULL, *b = NULL, *c = NULL;

	end.ev.type = BH_EVENT_END;
	end.ev.time_ns += 5000;
	other.ev.remote_port++;
	a = parsed(&begin);
	b = parsed(&end);
	c = parsed(&other);
	assert_string_equal(text_at(a, NULL, "flow_id"), text_at(b, NULL, "flow_id"));
	assert_string_not_equal(text_at(a, NULL, "flow_id"), text_at(c, NULL, "flow_id"));
}

/* --- names --------------------------------------------------------------------------------------- */

/* Quotes, control characters, ends of characters, overlong ones, surrogates, marks of direction. */
static const char *const hostile[] = {
	"\"},\"verdict\":\"allowed\",\"x\":{\"",
	"a\\",
	"\\u0022",
	"a\nb\rc\td\x1b[31m\x7f",
	"\xff\xfe\xc0\xaf",
	"\xed\xa0\x80",
	"\xf4\x90\x80\x80",
	"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x92\xa9",
	"\xe2\x80\xaetxt.exe\xe2\x81\xa6",
	"cut \xe2\x82",
	"\xc3",
};

static struct bh_flow with_names(const char *name, char *cgroup, size_t size)
{
	struct bh_flow flow = sample();

	snprintf(cgroup, size, "/system.slice/%s", name);
	flow.cgroup = cgroup;
	flow.local = flow.remote = flow.rule = name;
	memset(flow.ev.comm, 0, sizeof(flow.ev.comm));
	memcpy(flow.ev.comm, name, strnlen(name, sizeof(flow.ev.comm)));
	return flow;
}

static void hostile_names(_unused_ void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(hostile); i++) {
		char cgroup[512];
		struct bh_flow flow = with_names(hostile[i], cgroup, sizeof(cgroup));
		json_auto_t *json = parsed(&flow), *same = json_string(hostile[i]);

		assert_string_equal(text_at(json, NULL, "verdict"), "denied");
		assert_int_equal(json_object_size(json), 27);
		/* what is UTF-8 comes back as it was; jansson reads the escapes */
		if (same)
			assert_true(json_equal(same, json_object_get(json, "rule")));
		else
			assert_non_null(strstr(text_at(json, NULL, "rule"), "\xef\xbf\xbd"));
	}
}

/* The longest that there can be has room. */
static void longest(_unused_ void **state)
{
	static char name[8192], cgroup[9000];
	char one[2] = "\1", host[256];
	_cleanup_(bh_json_freep) struct bh_json *j = json_of("/etc/passwd");
	char *line = malloc(BH_JSON_FLOW_MAX);
	json_auto_t *json = NULL;
	struct bh_flow flow;
	size_t n;

	memset(name, one[0], sizeof(name) - 1);
	memset(host, one[0], sizeof(host) - 1);
	host[sizeof(host) - 1] = '\0';
	bh_json_set(j, host, INT64_MAX, 0);
	flow = with_names(name, cgroup, sizeof(cgroup));
	memset(&flow.ev, 0x7e, offsetof(struct bh_event, type));
	n = bh_json_flow(j, &flow, line);
	assert_true(n < BH_JSON_FLOW_MAX);
	json = json_loadb(line, n, 0, NULL);
	free(line);
	assert_non_null(json);
	assert_int_equal(strlen(text_at(json, NULL, "rule")), BH_JSON_NAME_MAX);
}

static void units(_unused_ void **state)
{
	static const struct {
		const char *cgroup, *unit;
	} rows[] = {
		{NULL, ""},
		{"/", ""},
		{"/system.slice", "system.slice"},
		{"/system.slice/nginx.service", "nginx.service"},
		{"/system.slice/nginx.service/evil.service", "nginx.service"},
		{"/user.slice/user-1000.slice/user@1000.service/app.slice/x.service",
		 "user@1000.service"},
		{"/user.slice/user-0.slice/session-3.scope", "session-3.scope"},
		{"/x/system.slice/a.service", ""},
		{"/.slice", ""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *unit = "";
		size_t n = bh_tell_unit_in(rows[i].cgroup, &unit);

		assert_int_equal(n, strlen(rows[i].unit));
		assert_memory_equal(unit, rows[i].unit, n);
	}
}

/* --- pieces -------------------------------------------------------------------------------------- */

static void addresses(_unused_ void **state)
{
	unsigned int seed = 7;

	for (int i = 0; i < 20000; i++) {
		struct bh_addr a;
		char want[INET6_ADDRSTRLEN + 2] = "\"", got[64];
		const __u8 *v4 = a.b + 12;
		char *end;

		for (size_t k = 0; k < sizeof(a.b); k++)
			a.b[k] = rand_r(&seed) % 3 ? 0 : (__u8)rand_r(&seed);
		/* those of the last 32 bits alone look like IPv4 to libc */
		a.b[0] = 0x20;
		if (i % 4 == 0)
			a = addr("10.0.0.1"), a.b[12] = (__u8)i, a.b[15] = (__u8)(i >> 8);
		end = bh_put_addr(got, &a);
		*end = '\0';
		if (i % 4)
			assert_non_null(inet_ntop(AF_INET6, a.b, want + 1, sizeof(want) - 1));
		else
			assert_non_null(inet_ntop(AF_INET, v4, want + 1, sizeof(want) - 1));
		assert_string_equal(got, strcat(want, "\""));
	}
}

static void times(_unused_ void **state)
{
	static const __s64 seconds[] = {0,	    951782399,	951782400,  1709164800,
					1709251199, 4107542399, 4107542400, 253402300799};
	char got[BH_JSON_TIME], want[64];
	unsigned int seed = 3;

	for (int i = 0; i < 20000; i++) {
		time_t s = i < (int)ARRAY_SIZE(seconds) ? (time_t)seconds[i]
							: (time_t)rand_r(&seed) * 4;
		struct tm tm;

		if (s > 9223372035)
			continue;
		assert_non_null(gmtime_r(&s, &tm));
		strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%S.000007Z", &tm);
		assert_string_equal(bh_json_time((__s64)s * 1000000000 + 7999, got), want);
	}
}

static void numbers(_unused_ void **state)
{
	char got[24], want[24];

	for (int bit = 0; bit < 64; bit++)
		for (int less = 0; less < 2; less++) {
			__u64 n = (1ull << bit) - (__u64)less;

			*bh_put_u64(got, n) = '\0';
			snprintf(want, sizeof(want), "%llu", (unsigned long long)n);
			assert_string_equal(got, want);
		}
	*bh_put_u64(got, UINT64_MAX) = '\0';
	assert_string_equal(got, "18446744073709551615");
}

/* --- users --------------------------------------------------------------------------------------- */

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static void users(_unused_ void **state)
{
	_cleanup_(bh_passwd_freep) struct bh_passwd *p = NULL;
	char path[64];

	snprintf(path, sizeof(path), "/tmp/bh-test-passwd-%d", (int)getpid());
	p = bh_passwd_new(path);
	assert_non_null(p);
	assert_null(bh_passwd_name(p, 0));
	write_file(path, "root:x:0:0::/:/bin/sh\n# no:x:7:\n+nis:x:8::\nsecond:x:0:0::\n"
			 "bob:x:1001:\nshort:x\n:x:5:\nbad:x:12z:\nhuge:x:4294967296:\nlast:x:9");
	bh_passwd_look(p);
	assert_string_equal(bh_passwd_name(p, 0), "root");
	assert_string_equal(bh_passwd_name(p, 1001), "bob");
	assert_string_equal(bh_passwd_name(p, 9), "last");
	for (__u32 uid = 1; uid < 9; uid++)
		assert_null(bh_passwd_name(p, uid));
	assert_null(bh_passwd_name(p, 12));
	write_file(path, "alice:x:1001:1:\n");
	bh_passwd_look(p);
	assert_string_equal(bh_passwd_name(p, 1001), "alice");
	assert_null(bh_passwd_name(p, 0));
	assert_int_equal(unlink(path), 0);
	bh_passwd_look(p);
	assert_null(bh_passwd_name(p, 1001));
}

/* --- what was lost ------------------------------------------------------------------------------- */

static void losses(_unused_ void **state)
{
	static struct bh_loss loss = {.n_cpu = 3};
	const struct bh_json_period p = {.host = "\"a\"",
					 .since_ns = WALL_NS,
					 .time_ns = WALL_NS + 1000000000,
					 .skipped = 1,
					 .written = 2,
					 .queue = 3,
					 .sink = 4,
					 .sink_stage = "sink_file"};
	_cleanup_free_ char *line = NULL;
	json_auto_t *json = NULL;

	loss.cpu[0] = (struct bh_loss_count){.seen = 10, .sent = 7, .suppressed = 2, .lost = 1};
	loss.cpu[2] = (struct bh_loss_count){.no_room = 5};
	line = bh_json_loss(&p, &loss);
	assert_non_null(line);
	json = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(json);
	assert_int_equal(json_integer_value(json_object_get(json, "seen")), 10);
	assert_int_equal(json_array_size(json_object_get(json, "cpus")), 2);
	assert_non_null(strstr(line, "\"stages\":{\"ratelimit\":2,\"ringbuf\":1,\"flow_table\":5,"
				     "\"queue\":3,\"sink_file\":4}"));
	assert_non_null(strstr(line, "{\"cpu\":2,\"seen\":0,"));
}

/* Well under a microsecond each; not held here, where a sanitizer looks on: see `make bench`. */
static int print_lines(void)
{
	static char line[BH_JSON_FLOW_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(hostile) * 10; i++) {
		char cgroup[512];
		struct bh_flow flow =
			with_names(hostile[i % ARRAY_SIZE(hostile)], cgroup, sizeof(cgroup));

		flow.ev.type = (__u8)(1 + i % (BH_EVENT_TYPES - 1));
		flow.ev.dir = (__u8)(i % 2);
		flow.ev.proto = (__u8)(i % 3 ? i : IPPROTO_ICMP);
		flow.ev.crypt = (__u8)(i % 6);
		flow.ev.hook = (__u8)(i % BH_HOOK_MAX);
		flow.ev.uid = i % 4 ? (__u32)i : UINT32_MAX;
		flow.ev.tcp_flags = (__u8)(i * 3);
		if (fwrite(line, 1, line_of(&flow, line), stdout) == 0)
			return 1;
	}
	return 0;
}

#define TEST(name) cmocka_unit_test(name)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(whole_line),    TEST(verdicts),   TEST(directions),
		TEST(unknown),	     TEST(any_number), TEST(same_flow_same_id),
		TEST(hostile_names), TEST(longest),    TEST(units),
		TEST(addresses),     TEST(times),      TEST(numbers),
		TEST(users),	     TEST(losses),
	};

	if (argc == 2 && !strcmp(argv[1], "--lines"))
		return print_lines();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
