/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent_commit.c - what becomes of a map: taken whole or refused without a trace, found again
 * after a kill at any step, a reboot, a lost disk. Tests agent/commit.c and agent/restore.c on
 * a kernel side that is not there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <signal.h>
#include <cmocka.h>
#include "../../agent/base/io.h"
#include "../../agent/control/state.h"
#include "fakeagent.h"

#define HEAD "version: 1\nname: shop\ndefault: { ingress: deny, egress: deny }\n"
#define SEGMENTS                                                                                   \
	"segments:\n"                                                                              \
	"  web: { match: { unit: nginx.service } }\n"                                              \
	"  db: { match: { unit: db.service } }\n"                                                  \
	"  staff: { match: { cgroup: /user.slice, group: staff } }\n"
#define FAILSAFE                                                                                   \
	"failsafe:\n"                                                                              \
	"  - { from: { cidr: [198.51.100.0/28] }, port: [tcp/22, icmp/echo-request] }\n"

static const char enforcing[] = HEAD "mode: enforce\n" SEGMENTS FAILSAFE;
static const char observing[] = HEAD "mode: observe\n" SEGMENTS;
static const char no_failsafe[] = HEAD "mode: enforce\n" SEGMENTS;
static const char broken[] = HEAD "mode: enforce\nsegmnts: {}\n";
static const char asserting[] =
	HEAD "mode: enforce\n" SEGMENTS FAILSAFE "assert:\n"
	     "  - { id: closed, from: web, to: db, port: tcp/1-1024, expect: deny }\n";

static int setup(void **state)
{
	*state = test_agent_new();
	return 0;
}

static int teardown(void **state)
{
	test_agent_free(*state);
	return 0;
}

static int apply(struct bh_agent *a, const char *text, struct bh_diags *d)
{
	_cleanup_(bh_commit_clear) struct bh_commit c = {0};
	_cleanup_(bh_live_clear) struct bh_live l = {0};
	int r = bh_agent_compile(a, "shop.yaml", text, strlen(text), d, &l);

	if (r == 0) {
		l.origin.file = strdup("shop.yaml");
		l.origin.by = strdup("root");
		l.origin.at_ms = 1;
		r = bh_agent_commit(a, &l, &c, d);
	}
	if (r == 0)
		assert_true(c.generation == fake.gen);
	return r;
}

static const struct bh_diag *first_error(const struct bh_diags *d)
{
	for (size_t i = 0; i < d->n; i++)
		if (d->list[i].severity == BH_ERROR)
			return &d->list[i];
	fail_msg("no error");
	return NULL;
}

static void must_apply(struct bh_agent *a, const char *text)
{
	_cleanup_diags_ struct bh_diags d = {0};
	int r = apply(a, text, &d);

	if (r < 0)
		fail_msg("%d: %s", r, first_error(&d)->text);
}

/* Everything by which a later start could tell that something was tried. */
struct trace {
	char *state, *marker;
	__u64 gen;
	int publishes;
	const struct bh_map *map;
};

static char *slurp(const char *name)
{
	char path[128], *text = NULL;

	snprintf(path, sizeof(path), "%s/%s", test_dir, name);
	return bh_file_read(path, 1 << 20, &text, NULL) == 0 ? text : strdup("none");
}

static struct trace trace_now(const struct bh_agent *a)
{
	return (struct trace){slurp("state"), slurp("enforced"), fake.gen, fake.publishes,
			      a->live.map};
}

static void no_trace_since(const struct bh_agent *a, struct trace *before)
{
	struct trace now = trace_now(a);

	assert_string_equal(before->state, now.state);
	assert_string_equal(before->marker, now.marker);
	assert_true(before->gen == now.gen);
	assert_int_equal(before->publishes, now.publishes);
	assert_ptr_equal(before->map, now.map);
	free(before->state);
	free(before->marker);
	free(now.state);
	free(now.marker);
}

/* --- refused ---------------------------------------------------------------------------------- */

static void refused(struct bh_agent *a, const char *text, const char *why)
{
	struct bh_diags d = {0};
	struct trace before = trace_now(a);

	assert_true(apply(a, text, &d) < 0);
	if (!strstr(first_error(&d)->text, why))
		fail_msg("'%s' is not in '%s'", why, first_error(&d)->text);
	bh_diags_clear(&d);
	no_trace_since(a, &before);
}

static void a_broken_map(void **state)
{
	struct bh_agent *a = *state;

	refused(a, broken, "segmnts");
	must_apply(a, enforcing);
	refused(a, broken, "segmnts");
}

static void the_kernel_has_no_room(void **state)
{
	struct bh_agent *a = *state;

	must_apply(a, enforcing);
	fake.stage_error = -E2BIG;
	refused(a, observing, "does not stage");
}

static void publish_fails(void **state)
{
	struct bh_agent *a = *state;

	must_apply(a, enforcing);
	fake.publish_error = -EIO;
	refused(a, enforcing, "publish");
}

static void the_first_needs_a_failsafe(void **state)
{
	struct bh_agent *a = *state;

	refused(a, no_failsafe, "needs a failsafe");
	must_apply(a, observing);
	refused(a, no_failsafe, "needs a failsafe");
	must_apply(a, enforcing);
	must_apply(a, no_failsafe);
}

/* A file of at most so many bytes can be written: every byte is where the disk may be full. */
static void the_disk_is_full(void **state)
{
	struct bh_agent *a = *state;
	struct rlimit full = {0, RLIM_INFINITY}, was;
	int refusals = 0;

	must_apply(a, enforcing);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	(void)signal(SIGXFSZ, SIG_IGN);
	for (rlim_t room = 0; room < 4096; room += 16) {
		_cleanup_diags_ struct bh_diags d = {0};
		struct trace before = trace_now(a);
		int r;

		full = (struct rlimit){room, was.rlim_max};
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &full), 0);
		r = apply(a, enforcing, &d);
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
		if (r == 0) {
			free(before.state);
			free(before.marker);
			break;
		}
		refusals++;
		assert_true(d.n_errors > 0);
		no_trace_since(a, &before);
	}
	assert_true(refusals > 10);
}

/* --- asserts ----------------------------------------------------------------------------------- */

static __u16 open_port;
static int asked;

static int judge_one_open(const struct bh_question *q, struct bh_answer *ret)
{
	asked++;
	assert_true(q->gen != fake.gen);
	if (q->port == open_port)
		*ret = (struct bh_answer){.reason = BH_R_ALLOW, .rule = 1, .pass = 1};
	return 0;
}

static void an_assert_holds(void **state)
{
	struct bh_agent *a = *state;

	fake.judge = judge_one_open;
	open_port = 2000;
	asked = 0;
	must_apply(a, asserting);
	assert_true(asked > 0);
	assert_true(asked < 100);
}

static void an_assert_does_not_hold(void **state)
{
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_agent *a = *state;

	fake.judge = judge_one_open;
	open_port = 1;
	refused(a, asserting, "assert 'closed' does not hold: web -> db tcp/1 is allowed");
	(void)apply(a, asserting, &d);
	assert_int_equal(first_error(&d)->line, 12);
	assert_string_equal(first_error(&d)->file, "shop.yaml");
}

/* A port in the middle of the range: the table says where answers may change. */
static void an_assert_looks_between(void **state)
{
	static const char text[] =
		HEAD "mode: enforce\n" SEGMENTS FAILSAFE
		     "allow:\n  - { id: middle, from: web, to: db, port: tcp/443 }\n"
		     "assert:\n  - { from: web, to: db, port: tcp, expect: deny }\n";
	struct bh_agent *a = *state;

	fake.judge = judge_one_open;
	open_port = 443;
	refused(a, text, "tcp/443 is allowed");
}

/* --- taken ------------------------------------------------------------------------------------- */

static void numbers_stay(void **state)
{
	struct bh_agent *a = *state;
	__u32 db, again;

	must_apply(a, enforcing);
	assert_int_equal(bh_numbers_segment(a->live.numbers, "db", &db), 0);
	test_agent_restart(a);
	must_apply(a, enforcing);
	assert_int_equal(bh_numbers_segment(a->live.numbers, "db", &again), 0);
	/* a restart without restore knows none; with it, in `comes_back`, they are the same */
	assert_int_equal(db, again);
	assert_string_equal(bh_agent_segment_name(a, db), "db");
	assert_string_equal(bh_agent_segment_name(a, BH_ID_WORLD), "world");
	assert_null(bh_agent_segment_name(a, 9999));
}

static void trial_changes_nothing(void **state)
{
	_cleanup_(bh_live_clear) struct bh_live l = {0};
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_agent *a = *state;
	struct trace before;
	__u64 gen;

	must_apply(a, enforcing);
	before = trace_now(a);
	assert_int_equal(bh_agent_compile(a, "x", observing, strlen(observing), &d, &l), 0);
	assert_int_equal(bh_agent_rehearse(a, &l, &d, &gen), 0);
	assert_true(gen > fake.gen);
	no_trace_since(a, &before);
}

static void users_change(void **state)
{
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_agent *a = *state;
	__u64 gen;

	must_apply(a, enforcing);
	gen = fake.gen;
	assert_int_equal(bh_agent_recompile(a, &d), 0);
	assert_true(fake.gen == gen);
	test_alice = 1005;
	assert_int_equal(bh_agent_recompile(a, &d), 0);
	test_alice = 1001;
	assert_true(fake.gen > gen);
	assert_string_equal(a->live.origin.by, "root");
}

/* --- a new start --------------------------------------------------------------------------------- */

static void restore(struct bh_agent *a)
{
	_cleanup_diags_ struct bh_diags d = {0};

	test_agent_restart(a);
	assert_int_equal(bh_agent_restore(a, &d), 0);
	assert_int_equal(d.n_errors, 0);
}

static void reboot(struct bh_agent *a)
{
	fake.gen = fake.staged = 0;
	restore(a);
}

static void nothing_to_restore(void **state)
{
	struct bh_agent *a = *state;

	restore(a);
	assert_true(fake.gen == 0);
	assert_int_equal(fake.publishes, 0);
	assert_string_equal(a->state_trouble, "");
	assert_false(a->no_policy);
}

static void comes_back(void **state)
{
	struct bh_agent *a = *state;
	__u64 gen;

	must_apply(a, enforcing);
	gen = fake.gen;
	restore(a);
	assert_true(fake.gen == gen);
	assert_int_equal(fake.publishes, 1);
	assert_non_null(a->live.map);
	assert_string_equal(a->live.origin.file, "shop.yaml");
	assert_string_equal(a->live.origin.by, "root");
	assert_string_equal(bh_agent_segment_name(a, BH_ID_FIRST), "db");
}

static void another_agent_or_other_users(void **state)
{
	struct bh_agent *a = *state;
	__u64 gen;

	must_apply(a, enforcing);
	gen = fake.gen;
	test_alice = 1005;
	restore(a);
	test_alice = 1001;
	assert_true(fake.gen > gen);
	assert_string_equal(a->state_trouble, "");
}

static void a_reboot(void **state)
{
	struct bh_agent *a = *state;
	__u64 gen;

	must_apply(a, enforcing);
	must_apply(a, enforcing);
	gen = fake.gen;
	reboot(a);
	assert_true(fake.gen > gen);
	assert_string_equal(a->live.map->name, "shop");
	/* and once more: it only goes up */
	gen = fake.gen;
	reboot(a);
	assert_true(fake.gen > gen);
}

/* Killed between the disk and the kernel: what is on the disk is finished. */
static void killed_before_publish(void **state)
{
	struct bh_agent *a = *state;
	__u64 gen;

	must_apply(a, enforcing);
	gen = fake.gen;
	must_apply(a, observing);
	fake.gen = gen;
	restore(a);
	assert_true(fake.gen > gen);
	assert_int_equal(a->live.map->mode, BH_MODE_OBSERVE);
	assert_string_equal(a->state_trouble, "");
}

static void spoil(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", test_dir, name);
	assert_int_equal(bh_file_replace(path, "garbage\n", 8, 0600, NULL), 0);
}

static void lost_while_pinned(void **state)
{
	struct bh_agent *a = *state;
	_cleanup_free_ char *kept = NULL, *now = NULL;
	__u64 gen;

	must_apply(a, enforcing);
	gen = fake.gen;
	spoil("state");
	kept = slurp("state");
	restore(a);
	assert_true(fake.gen == gen);
	assert_int_equal(fake.publishes, 1);
	assert_null(a->live.map);
	assert_non_null(strstr(a->state_trouble, "damaged"));
	assert_false(a->no_policy);
	/* evidence for whoever repairs it */
	now = slurp("state");
	assert_string_equal(kept, now);
	/* an apply mends it */
	must_apply(a, enforcing);
	assert_string_equal(a->state_trouble, "");
}

static void lost_at_boot(void **state)
{
	struct bh_agent *a = *state;
	_cleanup_free_ char *good = NULL;
	char path[128];
	__u64 gen;

	must_apply(a, enforcing);
	gen = fake.gen;
	good = slurp("state");
	spoil("state");
	reboot(a);
	assert_true(a->no_policy);
	assert_true(fake.gen > gen);
	assert_non_null(a->live.map);
	assert_int_equal(a->live.map->n_rule, 1);
	assert_int_equal(a->live.map->rule[0].kind, BH_RULE_FAILSAFE);
	assert_int_equal(a->live.map->rule[0].port.n, 2);
	assert_int_equal(a->live.map->mode, BH_MODE_ENFORCE);
	/* the agent starts again: it is still so, and nothing is published once more */
	gen = fake.gen;
	restore(a);
	assert_true(a->no_policy);
	assert_true(fake.gen == gen);
	/* the file comes back from a backup: its generation is the last that was a map's */
	snprintf(path, sizeof(path), "%s/state", test_dir);
	assert_int_equal(bh_file_replace(path, good, strlen(good), 0600, NULL), 0);
	restore(a);
	assert_false(a->no_policy);
	assert_true(fake.gen > gen);
	assert_string_equal(a->state_trouble, "");
	assert_int_equal(a->live.map->n_segment, BH_SEG_N_RESERVED + 3);
}

static void missing_at_boot(void **state)
{
	struct bh_agent *a = *state;
	char path[128];

	must_apply(a, enforcing);
	snprintf(path, sizeof(path), "%s/state", test_dir);
	assert_int_equal(unlink(path), 0);
	reboot(a);
	assert_true(a->no_policy);
	assert_non_null(strstr(a->state_trouble, "missing"));
}

static void both_lost_at_boot(void **state)
{
	struct bh_agent *a = *state;

	must_apply(a, enforcing);
	spoil("state");
	spoil("enforced");
	reboot(a);
	assert_true(a->no_policy);
	assert_int_equal(a->live.map->n_rule, 0);
	assert_int_equal(a->live.map->mode, BH_MODE_ENFORCE);
}

/* A host that only observed does not lock anybody out. */
static void observer_loses_its_map(void **state)
{
	struct bh_agent *a = *state;

	must_apply(a, observing);
	spoil("state");
	reboot(a);
	assert_false(a->no_policy);
	assert_true(fake.gen == 0);
	assert_non_null(strstr(a->state_trouble, "damaged"));
}

static void an_older_state_is_put_back(void **state)
{
	struct bh_agent *a = *state;
	_cleanup_free_ char *old = NULL;
	char path[128];
	__u64 gen;

	must_apply(a, enforcing);
	old = slurp("state");
	must_apply(a, enforcing);
	gen = fake.gen;
	snprintf(path, sizeof(path), "%s/state", test_dir);
	assert_int_equal(bh_file_replace(path, old, strlen(old), 0600, NULL), 0);
	restore(a);
	assert_true(fake.gen == gen);
	assert_null(a->live.map);
	assert_non_null(strstr(a->state_trouble, "this host has enforced"));
	reboot(a);
	assert_true(a->no_policy);
}

static void a_detach_lasts(void **state)
{
	struct bh_agent *a = *state;
	int publishes;

	must_apply(a, enforcing);
	assert_int_equal(bh_state_set_detached(test_dir), 0);
	publishes = fake.publishes;
	reboot(a);
	assert_true(fake.gen == 0);
	assert_int_equal(fake.publishes, publishes);
	assert_true(a->detached);
	/* until the next apply */
	must_apply(a, enforcing);
	assert_false(a->detached);
	reboot(a);
	assert_true(fake.gen > 0);
}

static void the_cap_lasts(void **state)
{
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_agent *a = *state;

	must_apply(a, enforcing);
	bh_live_cap(&a->live, true);
	assert_int_equal(bh_agent_save(a, &a->live, fake.gen, &d), 0);
	reboot(a);
	assert_true(a->live.capped);
	/* in the kernel, too: the generation says it */
	assert_true(a->live.compiled->side.flags & BH_SIDE_OBSERVE);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_broken_map),
		TEST(the_kernel_has_no_room),
		TEST(publish_fails),
		TEST(the_first_needs_a_failsafe),
		TEST(the_disk_is_full),
		TEST(an_assert_holds),
		TEST(an_assert_does_not_hold),
		TEST(an_assert_looks_between),
		TEST(numbers_stay),
		TEST(trial_changes_nothing),
		TEST(users_change),
		TEST(nothing_to_restore),
		TEST(comes_back),
		TEST(another_agent_or_other_users),
		TEST(a_reboot),
		TEST(killed_before_publish),
		TEST(lost_while_pinned),
		TEST(lost_at_boot),
		TEST(missing_at_boot),
		TEST(both_lost_at_boot),
		TEST(observer_loses_its_map),
		TEST(an_older_state_is_put_back),
		TEST(a_detach_lasts),
		TEST(the_cap_lasts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
