/* SPDX-License-Identifier: Apache-2.0 */
/*
 * telemetry_pairs.c - the history of who talked to whom: what makes a row, what makes room, that
 * nobody pushes out what others did, and that it takes the same memory whatever comes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/resource.h>
#include "../../agent/telemetry/pairs.h"

static struct bh_flow flow(const char *cgroup, __u32 addr, __u16 port)
{
	struct bh_flow f = {
		.ev = {.type = BH_EVENT_BEGIN,
		       .reason = BH_R_ALLOW,
		       .local = 5,
		       .remote = BH_ID_WORLD,
		       .remote_port = port,
		       .proto = IPPROTO_TCP,
		       .dir = BH_OUT,
		       .remote_addr.b = {[10] = 0xff,
					 0xff,
					 (__u8)(addr >> 24),
					 (__u8)(addr >> 16),
					 (__u8)(addr >> 8),
					 (__u8)addr}},
		.wall_ms = 1000,
		.cgroup = cgroup,
		.local = "web",
		.remote = "world",
		.rule = "web-out",
	};

	return f;
}

static void see(struct bh_pairs *p, struct bh_flow f)
{
	bh_pairs_flow(p, &f, false, NULL);
}

struct found {
	const char *unit;
	size_t n;
	struct bh_pair last;
};

static int on_row(void *ctx, const struct bh_pair *row)
{
	struct found *f = ctx;

	if (f->unit && (!row->unit || strcmp(row->unit, f->unit) != 0))
		return 0;
	f->n++;
	f->last = *row;
	return 0;
}

static struct found rows_of(const struct bh_pairs *p, const char *unit)
{
	struct found f = {.unit = unit};

	assert_int_equal(bh_pairs_each(p, on_row, &f), 0);
	return f;
}

/* --- what makes a row ---------------------------------------------------------------------------- */

static void one_row(_unused_ void **state)
{
	_cleanup_(bh_pairs_freep) struct bh_pairs *p = bh_pairs_new(64);
	struct bh_flow f = flow("/system.slice/web.service/worker", 0x0a000001, 443);
	struct found found;

	see(p, f);
	f.ev.type = BH_EVENT_END;
	f.ev.packets[BH_IN] = 3;
	f.ev.packets[BH_OUT] = 4;
	f.ev.bytes[BH_OUT] = 100;
	f.ev.crypt = BH_CRYPT_TLS;
	f.wall_ms = 2000;
	see(p, f);
	f = flow("/system.slice/web.service", 0x0a000001, 443);
	f.ev.local_port = 4711; /* not part of it */
	f.wall_ms = 3000;
	see(p, f);
	found = rows_of(p, NULL);
	assert_int_equal(found.n, 1);
	assert_string_equal(found.last.unit, "/system.slice/web.service");
	assert_string_equal(found.last.local, "web");
	assert_string_equal(found.last.rule, "web-out");
	assert_int_equal(found.last.times, 2);
	assert_int_equal(found.last.packets, 7);
	assert_int_equal(found.last.bytes, 100);
	assert_int_equal(found.last.first_ms, 1000);
	assert_int_equal(found.last.last_ms, 3000);
	assert_int_equal(found.last.crypt, 1 << BH_CRYPT_TLS);
	assert_int_equal(found.last.verdict, BH_PAIR_ALLOWED);
}

static void every_part_of_the_key(_unused_ void **state)
{
	_cleanup_(bh_pairs_freep) struct bh_pairs *p = bh_pairs_new(64);
	struct bh_flow f = flow("/a.service", 1, 443), other;
	size_t n = 1;

	see(p, f);
#define ANOTHER(change)                                                                            \
	do {                                                                                       \
		other = f;                                                                         \
		change;                                                                            \
		see(p, other);                                                                     \
		assert_int_equal(rows_of(p, NULL).n, ++n);                                         \
	} while (0)
	ANOTHER(other.cgroup = "/b.service");
	ANOTHER(other.cgroup = NULL);
	ANOTHER(other.local = "api");
	ANOTHER(other.remote = "db");
	ANOTHER(other.rule = NULL);
	ANOTHER(other.ev.uid = 1000);
	ANOTHER(other.ev.remote_port = 80);
	ANOTHER(other.ev.proto = IPPROTO_UDP);
	ANOTHER(other.ev.remote_addr.b[15] = 9);
	ANOTHER((other.ev.dir = BH_IN, other.ev.local_port = 443));
	ANOTHER(other.ev.type = BH_EVENT_DENY);
	ANOTHER(other.ev.type = BH_EVENT_WOULD_DENY);
	ANOTHER((other.ev.proto = IPPROTO_ICMP, other.ev.icmp = 8 << 8));
	ANOTHER((other.ev.type = BH_EVENT_DENY, other.ev.reason = BH_R_NO_STORAGE));
#undef ANOTHER
}

/* What passed only because nothing is enforced ends with the reason that it began with. */
static void ends_as_it_began(_unused_ void **state)
{
	_cleanup_(bh_pairs_freep) struct bh_pairs *p = bh_pairs_new(64);
	struct bh_flow f = flow("/a.service", 1, 443);

	f.ev.type = BH_EVENT_WOULD_DENY;
	f.ev.reason = BH_R_DEFAULT_DENY;
	see(p, f);
	f.ev.type = BH_EVENT_END;
	see(p, f);
	assert_int_equal(rows_of(p, NULL).n, 1);
	assert_int_equal(rows_of(p, NULL).last.verdict, BH_PAIR_AUDITED);
}

static void no_conversation(_unused_ void **state)
{
	_cleanup_(bh_pairs_freep) struct bh_pairs *p = bh_pairs_new(64);
	struct bh_flow f = flow("/a.service", 1, 443), other;

	other = f;
	other.ev.hook = BH_HOOK_LISTEN;
	see(p, other);
	other = f;
	memset(&other.ev.remote_addr, 0, sizeof(other.ev.remote_addr));
	see(p, other);
	other = f;
	other.ev.type = BH_EVENT_DENY;
	other.ev.reason = BH_R_MALFORMED_IP4;
	see(p, other);
	other = f;
	other.ev.type = 77;
	see(p, other);
	assert_int_equal(rows_of(p, NULL).n, 0);
	assert_int_equal(bh_pairs_count(p).skipped, 4);
}

/* Where nothing allows either side, an answer is told of as if somebody had begun it. */
static void udp_answers(_unused_ void **state)
{
	_cleanup_(bh_pairs_freep) struct bh_pairs *p = bh_pairs_new(64);
	struct bh_flow f = flow("/dns.service", 1, 40000);

	f.ev.proto = IPPROTO_UDP;
	f.ev.local_port = 53;
	f.ev.local_addr.b[15] = 7;
	f.ev.dir = BH_IN;
	see(p, f);
	f.ev.dir = BH_OUT;
	see(p, f);
	assert_int_equal(rows_of(p, NULL).n, 1);
	assert_int_equal(rows_of(p, NULL).last.port, 53);
	assert_int_equal(rows_of(p, NULL).last.dir, BH_IN);
	assert_int_equal(bh_pairs_count(p).answers, 1);
	/* another peer's port: that one it asks itself */
	f.ev.remote_port = 40001;
	see(p, f);
	assert_int_equal(rows_of(p, NULL).n, 2);
}

/* mDNS: who asks a group is answered from an address. */
static void answers_of_a_group(_unused_ void **state)
{
	static const struct bh_addr group[] = {
		{.b = {[10] = 0xff, [11] = 0xff, [12] = 224, [15] = 251}},
		{.b = {[10] = 0xff, [11] = 0xff, [12] = 255, [13] = 255, [14] = 255, [15] = 255}},
		{.b = {0xff, 2, [15] = 0xfb}},
	};

	for (size_t i = 0; i < ARRAY_SIZE(group); i++) {
		_cleanup_(bh_pairs_freep) struct bh_pairs *p = bh_pairs_new(64);
		struct bh_flow f = flow("/mdns.service", 1, 40000);

		f.ev.proto = IPPROTO_UDP;
		f.ev.local_port = 5353;
		f.ev.local_addr = group[i];
		f.ev.dir = BH_IN;
		see(p, f);
		f.ev.dir = BH_OUT;
		f.ev.local_addr = (struct bh_addr){.b = {[15] = 7}};
		see(p, f);
		see(p, f);
		assert_int_equal(rows_of(p, NULL).n, 1);
		assert_int_equal(rows_of(p, NULL).last.port, 5353);
		assert_int_equal(bh_pairs_count(p).answers, 2);
		/* another's port: nobody asked from there */
		f.ev.remote_port = 40001;
		see(p, f);
		assert_int_equal(rows_of(p, NULL).n, 2);
		/* nor does one that was not asked of a group */
		f.ev.remote_port = 40002;
		f.ev.dir = BH_IN;
		f.ev.local_addr.b[15] = 8;
		see(p, f);
		f.ev.dir = BH_OUT;
		f.ev.local_addr.b[15] = 7;
		see(p, f);
		assert_int_equal(rows_of(p, NULL).n, 3);
	}
}

static void inside(_unused_ void **state)
{
	_cleanup_(bh_pairs_freep) struct bh_pairs *p = bh_pairs_new(64);
	struct bh_flow f = flow("/a.service", 0x7f000001, 443);

	bh_pairs_flow(p, &f, true, "/system.slice/db.service/child");
	f.ev.remote_addr.b[15] = 2;
	bh_pairs_flow(p, &f, true, "/system.slice/db.service");
	assert_int_equal(rows_of(p, NULL).n, 1);
	assert_string_equal(rows_of(p, NULL).last.peer, "/system.slice/db.service");
	f.ev.dir = BH_IN;
	bh_pairs_flow(p, &f, true, "/system.slice/db.service");
	assert_int_equal(rows_of(p, NULL).n, 2);
}

static void units(_unused_ void **state)
{
	static const char *const cases[][2] = {
		{"/system.slice/x.service", "/system.slice/x.service"},
		{"/system.slice/x.service/sub/y.service", "/system.slice/x.service"},
		{"/user.slice/user-0.slice/session-1.scope/a",
		 "/user.slice/user-0.slice/session-1.scope"},
		{"/docker/0123/x.service", "/docker/0123/x.service"},
		{"/system.slice", "/system.slice"},
		{"/", "/"},
		{"", ""},
		{"/x.slice/", "/x.slice/"},
	};
	char text[BH_PAIRS_UNIT];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(bh_pairs_unit(cases[i][0], text), cases[i][1]);
}

/* --- what makes room ----------------------------------------------------------------------------- */

static void least_recent_goes(_unused_ void **state)
{
	_cleanup_(bh_pairs_freep) struct bh_pairs *p = bh_pairs_new(64); /* 48 that passed */
	struct found f;

	for (__u32 i = 0; i < 48; i++)
		see(p, flow("/a.service", i, 1));
	see(p, flow("/a.service", 0, 1)); /* seen again: it stays */
	see(p, flow("/a.service", 1000, 1));
	assert_int_equal(bh_pairs_count(p).rows, 48);
	assert_int_equal(bh_pairs_count(p).forgotten, 1);
	see(p, flow("/a.service", 0, 1));
	f = rows_of(p, NULL);
	assert_int_equal(f.last.times, 3);
	see(p, flow("/a.service", 1, 1)); /* that was the one */
	assert_int_equal(rows_of(p, NULL).last.times, 1);
}

/* Two that are quiet, and one that talks to every address and port there is. */
static void nobody_pushes_out_others(_unused_ void **state)
{
	_cleanup_(bh_pairs_freep) struct bh_pairs *p = bh_pairs_new(4096);
	struct bh_flow f;

	for (__u32 i = 0; i < 20; i++) {
		see(p, flow("/quiet.service", i, 1));
		see(p, flow("/still.service", i, 2));
	}
	for (__u32 i = 0; i < 200000; i++)
		see(p, flow("/loud.service", i * 2654435761u, (__u16)(i * 40503u >> 3)));
	/* what is denied has its own room */
	for (__u32 i = 0; i < 200000; i++) {
		f = flow("/web.service", i * 2654435761u, (__u16)i);
		f.ev.type = BH_EVENT_DENY;
		f.ev.reason = BH_R_DEFAULT_DENY;
		see(p, f);
	}
	assert_int_equal(rows_of(p, "/quiet.service").n, 20);
	assert_int_equal(rows_of(p, "/still.service").n, 20);
	assert_int_equal(rows_of(p, "/loud.service").n, 3072 - 40);
	assert_int_equal(rows_of(p, "/web.service").n, 1024);
}

static void many_addresses_are_one_row(_unused_ void **state)
{
	_cleanup_(bh_pairs_freep) struct bh_pairs *p = bh_pairs_new(BH_PAIRS_ROWS);
	struct found f;
	__u64 about;

	for (__u32 round = 0; round < 3; round++)
		for (__u32 i = 0; i < 5000; i++)
			see(p, flow("/a.service", i, 443));
	assert_int_equal(bh_pairs_count(p).rows, BH_PAIRS_ADDRS + 1);
	assert_int_equal(bh_pairs_count(p).folded, 3 * (5000 - BH_PAIRS_ADDRS));
	f = rows_of(p, NULL);
	assert_true(f.last.many);
	assert_int_equal(f.last.times, 3 * (5000 - BH_PAIRS_ADDRS));
	about = bh_pair_addrs(&f.last);
	assert_in_range(about, 3300, 6200);
	/* another port has room of its own */
	see(p, flow("/a.service", 77777, 444));
	assert_false(rows_of(p, NULL).last.many);
}

static void few_are_counted_well(_unused_ void **state)
{
	__u8 v[BH_DISTINCT_BYTES] = {0};

	assert_int_equal(bh_distinct_count(v), 0);
	for (__u64 i = 1; i <= 20; i++) {
		bh_distinct_add(v, i * 0x9e3779b97f4a7c15ull ^ i << 40);
		bh_distinct_add(v, i * 0x9e3779b97f4a7c15ull ^ i << 40);
		assert_in_range(bh_distinct_count(v), i - i / 4, i + i / 4 + 1);
	}
}

/* --- memory -------------------------------------------------------------------------------------- */

/* Else it keeps 256 MiB of what was freed, and that is what would be measured. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "quarantine_size_mb=1:thread_local_quarantine_size_kb=64";
}

static long resident_kib(void)
{
	struct rusage u;

	assert_int_equal(getrusage(RUSAGE_SELF, &u), 0);
	return u.ru_maxrss;
}

/* Ten million flows, no two alike, of units whose names are new each time. */
static void constant_memory(_unused_ void **state)
{
	_cleanup_(bh_pairs_freep) struct bh_pairs *p = bh_pairs_new(BH_PAIRS_ROWS);
	char cgroup[96];
	long begun = 0;

	for (__u32 i = 0; i < 10000000; i++) {
		struct bh_flow f;

		snprintf(cgroup, sizeof(cgroup), "/system.slice/run-%08x-with-a-long-name.service",
			 i / 16);
		f = flow(cgroup, i * 2654435761u, (__u16)(i % 65521));
		see(p, f);
		/* by now every row is taken */
		if (i == 200000)
			begun = resident_kib();
	}
	assert_int_equal(bh_pairs_count(p).seen, 10000000);
	assert_int_equal(bh_pairs_count(p).rows, BH_PAIRS_ROWS / 4 * 3);
	assert_int_equal(bh_pairs_count(p).lost, 0);
	assert_int_equal(bh_pairs_count(p).forgotten, 10000000 - BH_PAIRS_ROWS / 4 * 3);
	assert_true(bh_pairs_count(p).bytes <= 8u << 20);
	assert_in_range(resident_kib() - begun, 0, 1024);
}

/* Names that are too long for all of them at once: rows go, nothing is lost. */
static void long_names(_unused_ void **state)
{
	_cleanup_(bh_pairs_freep) struct bh_pairs *p = bh_pairs_new(BH_PAIRS_ROWS);
	char cgroup[1100] = "/docker/";

	memset(cgroup + 8, 'x', 900);
	for (__u32 i = 0; i < 20000; i++) {
		snprintf(cgroup + 900, 16, "%u", i);
		see(p, flow(cgroup, i, 1));
	}
	assert_true(bh_pairs_count(p).bytes <= 8u << 20);
	assert_in_range(bh_pairs_count(p).rows, 8000, 10000);
	assert_int_equal(bh_pairs_count(p).lost, 0);
	memset(cgroup + 8, 'x', sizeof(cgroup) - 9);
	see(p, flow(cgroup, 1, 1));
	assert_int_equal(bh_pairs_count(p).lost, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_row),
		cmocka_unit_test(every_part_of_the_key),
		cmocka_unit_test(ends_as_it_began),
		cmocka_unit_test(no_conversation),
		cmocka_unit_test(udp_answers),
		cmocka_unit_test(answers_of_a_group),
		cmocka_unit_test(inside),
		cmocka_unit_test(units),
		cmocka_unit_test(least_recent_goes),
		cmocka_unit_test(nobody_pushes_out_others),
		cmocka_unit_test(many_addresses_are_one_row),
		cmocka_unit_test(few_are_counted_well),
		cmocka_unit_test(constant_memory),
		cmocka_unit_test(long_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
