// SPDX-License-Identifier: Apache-2.0
/*
 * agent_holds.c - quarantines in the agent's hands, on a kernel side that only remembers: what it
 * is told of segments with holes, of prefixes around prefixes, of names that a map has not; and what
 * of them and of grants (agent_grants.c) is on the disk after a restart, a reboot, and damage.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "../lib/fakekern.h"
#include "../lib/verbrig.h"
#include "../../agent/base/io.h"
#include "../../agent/control/proto.h"
#include "../../agent/control/seal.h"
#include "../../agent/policy/cidr.h"

#define MAP(name)                                                                                  \
	"version: 1\\nname: " name "\\nmode: enforce\\n"                                           \
	"default: { ingress: deny, egress: deny }\\n"                                              \
	"segments:\\n"                                                                             \
	"  web: { match: { unit: web.service } }\\n"                                               \
	"  lan: { match: { cidr: [10.1.0.0/16], except: [10.1.2.0/24] } }\\n"                      \
	"allow:\\n"                                                                                \
	"  - { id: sre, from: lan, to: web, port: tcp/22, jit: { max: 1h, reason: required } }\\n" \
	"  - { id: free, from: lan, to: web, port: tcp/23, jit: {} }\\n"                           \
	"failsafe:\\n  - { from: { cidr: [10.0.0.1/32] }, port: tcp/22 }\\n"

static void hold(struct bh_agent *a, const char *who, const char *more)
{
	_cleanup_free_ char *line = NULL;

	assert_true(
		asprintf(&line,
			 "{\"verb\":\"quarantine\",\"args\":{%s\"reason\":\"x\",\"who\":\"%s\"}}",
			 more, who) > 0);
	expect(a, line, 0, "\"quarantined\"");
}

static struct bh_agent *agent;

/* What the lockout guard would say of an end. */
static enum bh_hold_level guard_says(const struct bh_hold_end *end)
{
	_cleanup_(bh_hold_set_clear) struct bh_hold_set set;

	assert_int_equal(bh_hold_set_make(agent, agent->holds, &agent->live, &set), 0);
	return bh_hold_set_of(&set, end, 1);
}

/* The guard is to see what the kernel sees. */
static void guard_agrees(const struct bh_addr *addr, int held)
{
	enum bh_hold_level level = BH_HOLD_NONE;

	if (held > 0)
		level = fake.slot[held - 1].flags & BH_QUARANTINE_HARD ? BH_HOLD_HARD
								       : BH_HOLD_SOFT;
	assert_int_equal(guard_says(&(struct bh_hold_end){.addr = addr}), level);
}

/* What the kernel side says of an address: the longest prefix. -1: nothing. */
static int held(const char *text)
{
	_cleanup_free_ char *with = NULL;
	struct bh_fault f;
	struct bh_cidr c;
	int best = -1, bits = -1;

	assert_true(asprintf(&with, "%s/%d", text, strchr(text, ':') ? 128 : 32) > 0);
	assert_int_equal(bh_cidr_parse(with, &c, &f), 0);
	for (size_t i = 0; i < fake.n_member; i++) {
		const struct bh_member *m = &fake.member[i];
		struct bh_cidr p = {.plen = (int)m->prefix.prefixlen, .v4 = c.v4};

		if (m->by != BH_HELD_ADDR || p.plen <= bits)
			continue;
		memcpy(p.addr.b, m->prefix.addr, sizeof(p.addr.b));
		if (!bh_cidr_contains(&p, &c))
			continue;
		bits = p.plen;
		best = (int)m->held;
	}
	guard_agrees(&c.addr, best);
	return best;
}

#define GRANT(args) "{\"verb\":\"grant\",\"args\":{" args "}}"

static size_t count(enum bh_held_by by)
{
	size_t n = 0;

	for (size_t i = 0; i < fake.n_member; i++)
		n += fake.member[i].by == by;
	return n;
}

/* --- quarantine ----------------------------------------------------------------------------------------- */

static void a_segment_has_its_addresses(void **state)
{
	struct bh_agent *a = *state;

	apply(a, MAP("one"));
	hold(a, "lan", "");
	assert_int_equal(count(BH_HELD_SEG), 1);
	assert_int_equal(held("10.1.0.1"), 1);
	assert_int_equal(held("10.1.2.1"), 0);
	assert_int_equal(held("10.2.0.1"), -1);
	assert_int_equal(held("fd77::1"), -1);
}

/* A hole in one is none in another around it. */
static void prefixes_lie_in_each_other(void **state)
{
	struct bh_agent *a = *state;

	apply(a, MAP("one"));
	hold(a, "lan", "");
	hold(a, "10.0.0.0/8", "");
	assert_int_equal(held("10.1.0.1"), 1);
	assert_int_equal(held("10.1.2.1"), 2);
	assert_int_equal(held("10.2.0.1"), 2);
	/* and the harder one holds inside the other */
	hold(a, "10.0.0.0/8", "\"even_failsafe\":true,");
	assert_true(fake.slot[1].flags & BH_QUARANTINE_HARD);
	assert_int_equal(held("10.1.0.1"), 2);
	assert_int_equal(held("10.1.2.1"), 2);
	assert_int_equal(a->holds->n_hold, 2);
}

/* The kernel asks one: it is the one that lasts, with nobody there when the other ends. */
static void an_end_inside_another(void **state)
{
	struct bh_agent *a = *state;

	apply(a, MAP("one"));
	hold(a, "10.9.0.0/16", "");
	hold(a, "10.9.0.5", "\"for_s\":60,");
	assert_int_equal(held("10.9.0.5"), 1);
	hold(a, "10.9.0.6", "\"even_failsafe\":true,\"for_s\":60,");
	assert_int_equal(held("10.9.0.6"), 3);
	/* the same prefix twice, in whatever order: by itself and as a segment's */
	hold(a, "lan", "\"for_s\":60,");
	hold(a, "10.1.0.0/16", "\"for_s\":3600,");
	for (size_t i = 0; i < fake.n_member; i++)
		if (fake.member[i].by == BH_HELD_ADDR &&
		    fake.member[i].prefix.prefixlen == 96 + 16 &&
		    fake.member[i].prefix.addr[13] == 1)
			assert_int_equal(fake.member[i].held, 5);
	/* in a hole of the segment nothing of the segment's counts */
	hold(a, "lan", "");
	hold(a, "10.1.2.3", "\"for_s\":60,");
	assert_int_equal(held("10.1.2.3"), 5);
	expect(a, "{\"verb\":\"release\",\"args\":{\"who\":\"10.1.0.0/16\"}}", 0, "");
	assert_int_equal(held("10.1.2.3"), 6);
}

/* Every address of one family is none of the other. */
static void a_family(void **state)
{
	struct bh_agent *a = *state;

	apply(a, MAP("one"));
	hold(a, "::/0", "");
	assert_int_equal(held("fd77::1"), 1);
	assert_int_equal(held("10.0.0.1"), 0);
	hold(a, "10.9.0.0/16", "");
	assert_int_equal(held("10.0.0.1"), 0);
	assert_int_equal(held("10.9.0.1"), 2);
	hold(a, "0.0.0.0/0", "\"even_failsafe\":true,");
	assert_int_equal(held("10.0.0.1"), 3);
	assert_int_equal(held("10.9.0.1"), 3);
	assert_int_equal(held("fd77::1"), 1);
	/* both of one segment's */
	expect(a, "{\"verb\":\"release\",\"args\":{\"who\":\"all\"}}", 0, "");
	apply(a,
	      "version: 1\\nname: two\\nmode: observe\\ndefault: { ingress: deny, egress: deny }\\n"
	      "segments: { all: { match: [ { cidr: [\\\"::/0\\\"] }, { cidr: [0.0.0.0/0] } ] } }\\n");
	hold(a, "all", "");
	assert_int_equal(held("fd77::1"), 1);
	assert_int_equal(held("10.0.0.1"), 1);
}

/* Who is in quarantine stays in his slot: while it is written the cgroups still point there. */
static void who_goes_moves_nobody_else(void **state)
{
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_agent *a = *state;

	apply(a, MAP("one"));
	hold(a, "10.7.0.0/16", "");
	hold(a, "10.8.0.0/16", "\"even_failsafe\":true,");
	hold(a, "10.9.0.0/16", "\"for_s\":60,");
	expect(a, "{\"verb\":\"release\",\"args\":{\"who\":\"10.7.0.0/16\"}}", 0, "");
	assert_int_equal(held("10.8.0.1"), 2);
	assert_int_equal(held("10.9.0.1"), 3);
	assert_int_equal(fake.slot[0].flags, 0);
	/* an agent that restarts finds the kernel as it left it */
	assert_int_equal(bh_holds_load(a, &d), 0);
	assert_int_equal(bh_holds_push(a, &a->live, &d), 0);
	assert_int_equal(held("10.8.0.1"), 2);
	assert_int_equal(held("10.9.0.1"), 3);
	hold(a, "10.8.0.0/16", "");
	assert_int_equal(held("10.8.0.1"), 2);
	hold(a, "10.7.0.0/16", "");
	assert_int_equal(held("10.7.0.1"), 1);
}

/* As many as the kernel side takes: well inside the time that the watchdog gives. */
static void many_prefixes(void **state)
{
	struct timespec before, after;
	struct bh_agent *a = *state;
	_cleanup_free_ char *map = NULL;
	size_t size;
	FILE *f = open_memstream(&map, &size);

	assert_non_null(f);
	fputs("version: 1\\nname: big\\nmode: observe\\n"
	      "default: { ingress: deny, egress: deny }\\n"
	      "segments:\\n  big: { match: { cidr: [10.1.0.0/16",
	      f);
	for (int i = 0; i < 60000; i++)
		fprintf(f, ", 10.%d.%d.%d/32", 2 + i / 65536, i / 256 % 256, i % 256);
	fputs("] } }\\n", f);
	assert_int_equal(fclose(f), 0);
	apply(a, map);
	assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &before), 0);
	hold(a, "big", "");
	assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &after), 0);
	assert_int_equal(fake.n_member, 60002);
	assert_true(after.tv_sec - before.tv_sec < 3);
}

static void no_map_yet(void **state)
{
	expect(*state,
	       "{\"verb\":\"quarantine\",\"args\":{\"who\":\"a.service\",\"reason\":\"x\"}}", 0,
	       "nothing is enforced");
}

static enum bh_hold_level at(const char *path)
{
	return guard_says(&(struct bh_hold_end){.path = path});
}

/* A unit of the system manager and what is below it, and nothing else that is called so. */
static void the_guard_knows_units_by_their_place(void **state)
{
	struct bh_agent *a = *state;
	__u32 identity = 0;

	apply(a, MAP("shop"));
	hold(a, "web.service", "");
	hold(a, "deep.slice", "\"even_failsafe\":true,");
	assert_int_equal(at("/web.service"), BH_HOLD_SOFT);
	assert_int_equal(at("/system.slice/web.service"), BH_HOLD_SOFT);
	assert_int_equal(at("/system.slice/web.service/worker"), BH_HOLD_SOFT);
	assert_int_equal(at("/system.slice/a.service/web.service"), BH_HOLD_NONE);
	assert_int_equal(at("/system.slice/web.service.d"), BH_HOLD_NONE);
	assert_int_equal(at("/system.slice/web.servic"), BH_HOLD_NONE);
	assert_int_equal(at("/"), BH_HOLD_NONE);
	assert_int_equal(at("/deep.slice"), BH_HOLD_HARD);
	assert_int_equal(at("/deep.slice/x.service"), BH_HOLD_HARD);
	/* what holds more is what the kernel keeps of a cgroup */
	assert_int_equal(at("/deep.slice/web.service"), BH_HOLD_HARD);
	hold(a, "web", "\"even_failsafe\":true,");
	assert_non_null(bh_live_segment(&a->live, "web", &identity));
	assert_int_equal(guard_says(&(struct bh_hold_end){identity, "/web.service", NULL}),
			 BH_HOLD_HARD);
}

static void words_that_are_nobody(void **state)
{
	struct bh_agent *a = *state;

	apply(a, MAP("one"));
	expect(a, "{\"verb\":\"quarantine\",\"args\":{\"who\":\"web\"}}", 2,
	       "needs argument 'reason'");
	expect(a, "{\"verb\":\"quarantine\",\"args\":{\"who\":\"web\",\"reason\":\"\"}}", 2,
	       "is empty");
	expect(a, "{\"verb\":\"quarantine\",\"args\":{\"who\":\"wbe\",\"reason\":\"x\"}}", 2,
	       "did you mean 'web'?");
	expect(a, "{\"verb\":\"quarantine\",\"args\":{\"who\":\"any\",\"reason\":\"x\"}}", 2,
	       "none that");
	expect(a, "{\"verb\":\"quarantine\",\"args\":{\"who\":\"a/b.service\",\"reason\":\"x\"}}",
	       2, "none that");
	expect(a, "{\"verb\":\"quarantine\",\"args\":{\"who\":\"*.service\",\"reason\":\"x\"}}", 2,
	       "none that");
	expect(a, "{\"verb\":\"quarantine\",\"args\":{\"who\":\"10.0.0.1/8\",\"reason\":\"x\"}}", 2,
	       "none that");
	expect(a,
	       "{\"verb\":\"quarantine\",\"args\":{\"who\":\"web\",\"reason\":\"x\",\"for_s\":0}}",
	       2, "from 1");
	expect(a, "{\"verb\":\"release\",\"args\":{\"who\":\"web\"}}", 1, "is not in quarantine");
	assert_int_equal(a->holds->n_hold, 0);
	assert_int_equal(fake.n_member, 0);
}

static void there_is_an_end_of_room(void **state)
{
	struct bh_agent *a = *state;
	char who[32];

	apply(a, MAP("one"));
	for (int i = 0; i < BH_QUARANTINE_MAX; i++) {
		snprintf(who, sizeof(who), "u%d.service", i);
		hold(a, who, "");
	}
	expect(a, "{\"verb\":\"quarantine\",\"args\":{\"who\":\"web\",\"reason\":\"x\"}}", 1,
	       "there are 256 quarantines already");
	assert_int_equal(count(BH_HELD_UNIT), BH_QUARANTINE_MAX);
	/* one that is there already may be said again */
	hold(a, "u7.service", "\"for_s\":60,");
	assert_int_equal(a->holds->n_hold, BH_QUARANTINE_MAX);
	expect(a, "{\"verb\":\"release\",\"args\":{\"who\":\"all\"}}", 0, "released");
	assert_int_equal(fake.n_member, 0);
}

/* What a map has not it may have again. */
static void a_segment_that_goes_and_comes(void **state)
{
	struct bh_agent *a = *state;

	apply(a, MAP("one"));
	hold(a, "lan", "");
	apply(a,
	      "version: 1\\nname: two\\nmode: observe\\ndefault: { ingress: deny, egress: deny }\\n"
	      "segments: { web: { match: { unit: web.service } } }\\n");
	assert_int_equal(fake.n_member, 0);
	assert_int_equal(a->holds->n_hold, 1);
	apply(a, MAP("one"));
	assert_int_equal(held("10.1.0.1"), 1);
}

/* A map that knows nothing of it: refused it is as before, and on trial both maps count. */
#define OTHER                                                                                      \
	"version: 1\\nname: two\\nmode: enforce\\n"                                                \
	"default: { ingress: deny, egress: deny }\\n"                                              \
	"segments: { web: { match: { unit: web.service } } }\\n"                                   \
	"failsafe:\\n  - { from: { cidr: [10.0.0.1/32] }, port: tcp/22 }\\n"

static void a_map_that_does_not_come(void **state)
{
	struct bh_agent *a = *state;

	apply(a, MAP("one"));
	hold(a, "lan", "");
	expect(a, GRANT("\"rule\":\"free\",\"for_s\":600"), 0, "");
	fake.publish_error = -EIO;
	expect(a,
	       "{\"verb\":\"apply\",\"args\":{\"force\":true,\"enforce\":true,\"text\":\"" OTHER
	       "\"}}",
	       1, "can't publish");
	fake.publish_error = 0;
	assert_int_equal(count(BH_HELD_SEG), 1);
	assert_int_equal(held("10.1.0.1"), 1);
	assert_int_equal(held("10.1.2.1"), 0);
	assert_int_equal(fake.n_jit, 1);
}

static void a_map_on_trial(void **state)
{
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_agent *a = *state;
	int cut;

	apply(a, MAP("one"));
	hold(a, "lan", "");
	expect(a, GRANT("\"rule\":\"free\",\"for_s\":600"), 0, "");
	expect(a,
	       "{\"verb\":\"apply\",\"args\":{\"force\":true,\"enforce\":true,\"confirm_s\":60,"
	       "\"text\":\"" OTHER "\"}}",
	       0, "\"generation\":");
	/* the kernel may fall back without us */
	assert_int_equal(held("10.1.0.1"), 1);
	assert_int_equal(held("10.1.2.1"), 0);
	assert_int_equal(fake.n_jit, 1);
	hold(a, "10.9.0.0/16", "");
	assert_int_equal(count(BH_HELD_SEG), 1);
	assert_int_equal(bh_trial_confirm(a, &cut, &d), 0);
	assert_int_equal(count(BH_HELD_SEG), 0);
	assert_int_equal(held("10.1.0.1"), -1);
	assert_int_equal(held("10.9.0.1"), 2);
	assert_int_equal(fake.n_jit, 0);
}

/* What is a hole in one map alone is none while the other may be enforced. */
static void a_hole_on_trial(void **state)
{
	struct bh_agent *a = *state;

	apply(a, MAP("one"));
	hold(a, "lan", "");
	expect(a,
	       "{\"verb\":\"apply\",\"args\":{\"force\":true,\"enforce\":true,\"confirm_s\":60,"
	       "\"text\":\"version: 1\\nname: two\\nmode: enforce\\n"
	       "default: { ingress: deny, egress: deny }\\n"
	       "segments: { lan: { match: { cidr: [10.1.0.0/16, 10.3.0.0/16] } } }\\n"
	       "failsafe:\\n  - { from: { cidr: [10.0.0.1/32] }, port: tcp/22 }\\n\"}}",
	       0, "\"generation\":");
	assert_int_equal(held("10.1.2.1"), 1);
	assert_int_equal(held("10.3.0.1"), 1);
	assert_int_equal(bh_trial_revert(a, "test"), 0);
	assert_int_equal(held("10.1.2.1"), 0);
	assert_int_equal(held("10.3.0.1"), -1);
}

/* --- the disk --------------------------------------------------------------------------------------------- */

static void another_boot(void)
{
	_cleanup_free_ char *path = NULL, *text = NULL;
	_cleanup_diags_ struct bh_diags d = {0};
	json_auto_t *body = NULL;
	char *line;

	assert_true(asprintf(&path, "%s/holds", test_dir) > 0);
	assert_int_equal(bh_file_read(path, 1 << 20, &text, NULL), 0);
	line = strchr(text, '\n');
	body = json_loads(line, 0, NULL);
	assert_int_equal(json_object_set_new(body, "boot_id", json_string("another")), 0);
	assert_int_equal(
		bh_seal_write(path, &(struct bh_seal){"holds", 1, 4u << 20}, body, NULL, &d), 0);
}

static void after_a_restart_and_a_reboot(void **state)
{
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_agent *a = *state;
	__u64 until;

	apply(a, MAP("one"));
	hold(a, "web.service", "\"for_s\":3600,");
	hold(a, "10.9.0.0/16", "\"even_failsafe\":true,");
	expect(a, GRANT("\"rule\":\"free\",\"for_s\":600"), 0, "");
	until = a->holds->hold[0].note.until_ns;
	assert_int_equal(bh_holds_load(a, &d), 0);
	assert_int_equal(a->holds->n_hold, 2);
	assert_true(a->holds->hold[0].note.until_ns == until);
	assert_int_equal(a->holds->hold[1].kind, BH_HOLD_ADDRESS);
	assert_true(a->holds->hold[1].hard);
	assert_int_equal(a->holds->n_granted, 1);
	assert_int_equal(a->holds->last_id, 1);
	another_boot();
	assert_int_equal(bh_holds_load(a, &d), 0);
	assert_int_equal(a->holds->n_hold, 2);
	assert_true(a->holds->hold[0].note.until_ns > 0);
	assert_true(a->holds->hold[1].note.until_ns == 0);
	/* a grant is void; its number is not given again */
	assert_int_equal(a->holds->n_granted, 0);
	expect(a, GRANT("\"rule\":\"free\",\"for_s\":600"), 0, "\"id\":2");
}

/* By the clock of the next boot: what is left, at least a moment, and never more than was given. */
static void another_clock(void **state)
{
	static const struct {
		int64_t set_s;
		__u64 least_s, most_s;
	} table[] = {{600, 2999, 3001}, {7200, 0, 1}, {-86400ll * 3650, 3599, 3601}};
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_agent *a = *state;

	apply(a, MAP("one"));
	hold(a, "web.service", "\"for_s\":3600,");
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		__u64 left_s;

		another_boot();
		test_clock_set_ms = table[i].set_s * 1000;
		assert_int_equal(bh_holds_load(a, &d), 0);
		test_clock_set_ms = 0;
		left_s = (a->holds->hold[0].note.until_ns - a->clock->boot_ns()) / 1000000000;
		assert_in_range(left_s, table[i].least_s, table[i].most_s);
	}
}

static void damaged(void **state)
{
	_cleanup_diags_ struct bh_diags d = {0};
	_cleanup_free_ char *path = NULL, *text = NULL;
	struct bh_agent *a = *state;
	size_t n;

	apply(a, MAP("one"));
	hold(a, "web", "");
	assert_true(asprintf(&path, "%s/holds", test_dir) > 0);
	assert_int_equal(bh_file_read(path, 1 << 20, &text, &n), 0);
	for (size_t i = 0; i < n; i += 7) {
		char was = text[i];

		text[i] ^= 1;
		assert_int_equal(bh_file_replace(path, text, n, 0600, NULL), 0);
		assert_true(bh_holds_load(a, &d) < 0);
		assert_int_equal(a->holds->n_hold, 0);
		text[i] = was;
	}
	assert_true(d.n_errors > 0);
	/* the kernel still holds him, and goes on doing so until somebody says otherwise */
	assert_int_equal(count(BH_HELD_SEG), 1);
	apply(a, MAP("two"));
	assert_int_equal(count(BH_HELD_SEG), 1);
	expect(a, "{\"verb\":\"status\"}", 3, "can't be read: who the kernel holds stays held");
	expect(a, "{\"verb\":\"quarantine\",\"args\":{\"who\":\"lan\",\"reason\":\"x\"}}", 1,
	       "not known by name");
	expect(a, "{\"verb\":\"release\",\"args\":{\"who\":\"web\"}}", 1, "not known by name");
	expect(a, "{\"verb\":\"release\",\"args\":{\"who\":\"all\"}}", 0, "");
	assert_int_equal(fake.n_member, 0);
	hold(a, "lan", "");
}

/* The disk takes nothing: it is in force all the same, and written when there is room again. */
static void a_full_disk(void **state)
{
	_cleanup_diags_ struct bh_diags d = {0};
	_cleanup_free_ char *path = NULL;
	struct bh_agent *a = *state;

	apply(a, MAP("one"));
	assert_true(asprintf(&path, "%s/holds", test_dir) > 0);
	assert_int_equal(mkdir(path, 0700), 0);
	expect(a, "{\"verb\":\"quarantine\",\"args\":{\"who\":\"lan\",\"reason\":\"x\"}}", 0,
	       "it is in force, and forgotten");
	assert_int_equal(count(BH_HELD_SEG), 1);
	expect(a, "{\"verb\":\"status\"}", 0, "a restart would forget the last change");
	bh_holds_save_again(a);
	assert_true(a->holds->unsaved);
	assert_int_equal(rmdir(path), 0);
	bh_holds_save_again(a);
	assert_false(a->holds->unsaved);
	assert_int_equal(bh_holds_load(a, &d), 0);
	assert_int_equal(a->holds->n_hold, 1);
}

/* --- run ------------------------------------------------------------------------------------------------ */

static int setup(void **state)
{
	*state = agent = verb_agent_new();
	return 0;
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_segment_has_its_addresses),
		TEST(prefixes_lie_in_each_other),
		TEST(the_guard_knows_units_by_their_place),
		TEST(words_that_are_nobody),
		TEST(there_is_an_end_of_room),
		TEST(a_segment_that_goes_and_comes),
		TEST(a_map_that_does_not_come),
		TEST(a_map_on_trial),
		TEST(a_hole_on_trial),
		TEST(an_end_inside_another),
		TEST(a_family),
		TEST(who_goes_moves_nobody_else),
		TEST(many_prefixes),
		TEST(no_map_yet),
		TEST(after_a_restart_and_a_reboot),
		TEST(another_clock),
		TEST(damaged),
		TEST(a_full_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
