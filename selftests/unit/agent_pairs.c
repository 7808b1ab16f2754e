/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent_pairs.c - the agent's history of pairs: it outlives the agent, a child writes it while the
 * loop goes on, and a file that is damaged is set aside and said.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <netinet/in.h>
#include "../../agent/base/io.h"
#include "../../agent/control/pairsfile.h"
#include "../../agent/pairs.h"
#include "../../agent/telemetry/pairs.h"
#include "fakeagent.h"

static __u64 later_ns;

static uint64_t boot_ns(void)
{
	return 1000000000000ull + later_ns;
}

static const struct bh_clock clock_here = {test_wall_ms, boot_ns};

static int setup(void **state)
{
	struct bh_agent *a = test_agent_new();

	bh_log_set_max(BH_LOG_ERROR);
	later_ns = 0;
	a->clock = &clock_here;
	a->pairs = bh_pairs_keeper_new();
	assert_non_null(a->pairs);
	assert_int_equal(sd_event_new(&a->event), 0);
	*state = a;
	return 0;
}

static int teardown(void **state)
{
	struct bh_agent *a = *state;

	bh_pairs_keeper_close(a);
	test_agent_free(a);
	return 0;
}

static void note(struct bh_agent *a, __u16 port)
{
	struct bh_flow f = {
		.ev = {.type = BH_EVENT_BEGIN,
		       .reason = BH_R_ALLOW,
		       .local = 5,
		       .remote_port = port,
		       .proto = IPPROTO_TCP,
		       .dir = BH_OUT,
		       .remote_addr.b = {[10] = 0xff, 0xff, 192, 0, 2, 1}},
		.wall_ms = test_wall_ms(),
		.cgroup = "/system.slice/web.service",
		.local = "web",
		.remote = "world",
	};

	bh_pairs_note(a, &f);
}

static size_t rows(const struct bh_agent *a)
{
	return bh_pairs_count(bh_agent_pairs(a)).rows;
}

static void restart(struct bh_agent *a)
{
	_cleanup_diags_ struct bh_diags d = {0};

	bh_pairs_keeper_close(a);
	a->pairs = bh_pairs_keeper_new();
	bh_pairs_load(a, &d);
	assert_int_equal(d.n, *bh_pairs_trouble(a) ? 1 : 0);
}

static char *path(const char *name)
{
	static char text[128];

	snprintf(text, sizeof(text), "%s/%s", test_dir, name);
	return text;
}

static void outlives_the_agent(void **state)
{
	struct bh_agent *a = *state;

	restart(a);
	note(a, 1);
	note(a, 2);
	restart(a);
	assert_int_equal(rows(a), 2);
	note(a, 2);
	note(a, 3);
	restart(a);
	assert_int_equal(rows(a), 3);
}

static void damaged_is_set_aside(void **state)
{
	static const char *const bad[] = {
		"", "garbage\n",
		"bulkhead-pairs 2 2 44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\n{}\n",
		"bulkhead-pairs 1 2 44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\n{}\n"};
	struct bh_agent *a = *state;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		restart(a);
		note(a, (__u16)(i + 1));
		bh_pairs_keeper_close(a);
		assert_int_equal(bh_file_replace(path("pairs"), bad[i], strlen(bad[i]), 0600, NULL),
				 0);
		restart(a);
		assert_non_null(strstr(bh_pairs_trouble(a), "pairs.bad"));
		assert_int_equal(access(path("pairs.bad"), F_OK), 0);
		assert_int_equal(rows(a), 0);
		/* and goes on */
		note(a, 7);
		restart(a);
		assert_int_equal(rows(a), 1);
		assert_string_equal(bh_pairs_trouble(a), "");
		assert_int_equal(unlink(path("pairs")), 0);
		bh_pairs_keeper_close(a);
		a->pairs = bh_pairs_keeper_new();
	}
}

/* Half of it is none of it. */
static void truncated(void **state)
{
	_cleanup_free_ char *text = NULL;
	struct bh_agent *a = *state;
	size_t n;

	restart(a);
	for (__u16 i = 1; i < 100; i++)
		note(a, i);
	restart(a);
	assert_int_equal(bh_file_read(path("pairs"), 1 << 20, &text, &n), 0);
	for (size_t cut = 0; cut < n; cut += n / 13) {
		_cleanup_(bh_pairs_freep) struct bh_pairs *p = bh_pairs_new(64);
		_cleanup_diags_ struct bh_diags d = {0};

		assert_int_equal(bh_file_replace(path("pairs"), text, cut, 0600, NULL), 0);
		assert_int_equal(bh_pairsfile_load(test_dir, p, &d), -EBADMSG);
		assert_int_equal(bh_pairs_count(p).rows, 0);
	}
}

static int64_t now_ms(void)
{
	return (int64_t)(bh_clock_real.boot_ns() / 1000000);
}

/* A full table: the loop goes on while it is written, and it is written. */
static void a_child_writes(void **state)
{
	_cleanup_(bh_pairs_freep) struct bh_pairs *p = NULL;
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_agent *a = *state;
	int64_t begun;

	restart(a);
	for (unsigned int i = 1; i <= 49152; i++)
		note(a, (__u16)i);
	assert_int_equal(rows(a), 49152);
	bh_pairs_tick(a);
	assert_int_equal(access(path("pairs"), F_OK), -1);
	later_ns = 121ull * 1000000000;
	begun = now_ms();
	bh_pairs_tick(a);
	/* a fork; writing takes ten times as long under the sanitizer */
	assert_in_range(now_ms() - begun, 0, 500);
	for (int i = 0; i < 300 && access(path("pairs"), F_OK) < 0; i++)
		(void)sd_event_run(a->event, 100000);
	(void)sd_event_run(a->event, 1000000);
	assert_string_equal(bh_pairs_trouble(a), "");
	p = bh_pairs_new(BH_PAIRS_ROWS);
	assert_int_equal(bh_pairsfile_load(test_dir, p, &d), 0);
	assert_int_equal(bh_pairs_count(p).rows, 49152);
}

/* What can't be written is said, and the history goes on in memory. */
static void no_directory(void **state)
{
	struct bh_agent *a = *state;
	char *dir = a->opts.state_dir;

	restart(a);
	note(a, 1);
	a->opts.state_dir = (char *)"/nonexistent/bulkhead";
	later_ns = 121ull * 1000000000;
	bh_pairs_tick(a);
	for (int i = 0; i < 100 && !*bh_pairs_trouble(a); i++)
		(void)sd_event_run(a->event, 100000);
	assert_non_null(strstr(bh_pairs_trouble(a), "No such file"));
	assert_int_equal(rows(a), 1);
	a->opts.state_dir = dir;
	note(a, 2);
	later_ns *= 2;
	bh_pairs_tick(a);
	for (int i = 0; i < 100 && *bh_pairs_trouble(a); i++)
		(void)sd_event_run(a->event, 100000);
	assert_string_equal(bh_pairs_trouble(a), "");
}

/* Whom a conversation inside of this host is with: who listens there, if that is one only. */
static char peer[64];

static int on_row(_unused_ void *ctx, const struct bh_pair *p)
{
	snprintf(peer, sizeof(peer), "%s", !p->inside ? "outside" : p->peer ? p->peer : "nobody");
	return 0;
}

static const char *peer_at(struct bh_agent *a, __u8 last)
{
	struct bh_flow f = {.ev = {.type = BH_EVENT_BEGIN,
				   .reason = BH_R_ALLOW,
				   .local = 5,
				   .remote_port = 80,
				   .proto = IPPROTO_TCP,
				   .dir = BH_OUT,
				   .remote_addr.b = {[10] = 0xff, 0xff, 127, 0, 0, last}}};

	later_ns += 2000000000;
	bh_pairs_note(a, &f);
	(void)bh_pairs_each(bh_agent_pairs(a), on_row, NULL);
	bh_pairs_keeper_close(a);
	a->pairs = bh_pairs_keeper_new();
	return peer;
}

static void peers(void **state)
{
	struct bh_agent *a = *state;
	__u64 root;

	assert_int_equal(bh_cgroup_id(a->opts.cgroup_root, &root), 0);
	assert_int_equal(bh_agent_cgroups_refresh(a), 0);
	assert_string_equal(peer_at(a, 1), "nobody");
	fake.listen_key[0] = (struct bh_listen_key){.port = 80, .proto = IPPROTO_TCP};
	fake.listener[0].cgid = root;
	fake.n_listener = 1;
	assert_string_equal(peer_at(a, 1), "/");
	/* exactly there is better than anywhere */
	fake.listen_key[1] = fake.listen_key[0];
	memcpy(fake.listen_key[1].addr.b, (const __u8[]){[10] = 0xff, 0xff, 127, 0, 0, 2}, 16);
	fake.listener[1].cgid = 1ull << 60; /* which has no name */
	fake.n_listener = 2;
	assert_string_equal(peer_at(a, 1), "/");
	assert_string_equal(peer_at(a, 2), "nobody");
	/* two of them */
	fake.listen_key[1] = fake.listen_key[0];
	fake.listen_key[1].netns = 7;
	assert_string_equal(peer_at(a, 1), "nobody");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(outlives_the_agent, setup, teardown),
		cmocka_unit_test_setup_teardown(damaged_is_set_aside, setup, teardown),
		cmocka_unit_test_setup_teardown(truncated, setup, teardown),
		cmocka_unit_test_setup_teardown(a_child_writes, setup, teardown),
		cmocka_unit_test_setup_teardown(no_directory, setup, teardown),
		cmocka_unit_test_setup_teardown(peers, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
