/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kern.c - agent/kern against the real kernel: open, adopt, stage, publish, judge, repair,
 * detach. Runs as root on a private bpffs and a cgroup subtree of its own.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <cmocka.h>
#include "cg.h"
#include "kernrig.h"
#include "../../agent/kern/kern_internal.h"

/* --- helpers ---------------------------------------------------------------------------------- */

static struct bh_kern *opened(struct bh_kern_opts opts)
{
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_kern *k = NULL;
	int r = bh_kern_open(&opts, &d, &k);

	if (r < 0)
		bh_diags_print(&d, stdout, false);
	assert_int_equal(r, 0);
	return k;
}

static struct bh_kern *attached(void)
{
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_kern *k = opened(rig_opts());
	int r = bh_kern_attach(k, &d);

	bh_diags_print(&d, stdout, false);
	assert_int_equal(r, 0);
	return k;
}

static __u64 staged(struct bh_kern *k, __u16 port)
{
	_cleanup_diags_ struct bh_diags d = {0};
	__u64 gen = 0;
	int r = bh_kern_stage(k, rig_policy(port), &d, &gen);

	bh_diags_print(&d, stdout, false);
	assert_int_equal(r, 0);
	return gen;
}

static void done(struct bh_kern *k)
{
	assert_int_equal(bh_kern_detach(k), 0);
	bh_kern_close(k);
}

static int refused(struct bh_kern_opts opts, const char *part)
{
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_kern *k = NULL;
	int r = bh_kern_open(&opts, &d, &k);

	assert_null(k);
	if (!rig_said(&d, part))
		bh_diags_print(&d, stdout, false);
	assert_true(rig_said(&d, part));
	return r;
}

static __u32 link_id(const struct bh_kern *k, enum bh_prog id)
{
	struct bpf_link_info info;

	assert_int_equal(bh_link_info(k->link[id], &info), 0);
	return info.id;
}

/* --- open ------------------------------------------------------------------------------------- */

static void test_wrong_places_are_refused(void **state)
{
	struct bh_kern_opts opts = rig_opts();

	(void)state;
	opts.pin_dir = "/tmp";
	assert_int_equal(refused(opts, "mount -t bpf"), -ENOTSUP);
	opts = rig_opts();
	opts.cgroup_root = "/tmp";
	assert_int_equal(refused(opts, "cgroup2"), -EINVAL);
	opts = rig_opts();
	opts.ring_bytes = 5000;
	assert_int_equal(refused(opts, "power of two"), -EINVAL);
}

static void drop_cap(int cap)
{
	struct __user_cap_header_struct hdr = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &hdr, data))
		_exit(90);
	data[CAP_TO_INDEX(cap)].effective &= ~(__u32)CAP_TO_MASK(cap);
	if (syscall(SYS_capset, &hdr, data))
		_exit(91);
}

/* In a child, so that this process keeps its capabilities. Return: what it found. */
static int open_without(int cap, const char *name)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		struct bh_kern_opts opts = rig_opts();
		struct bh_diags d = {0};
		struct bh_kern *k = NULL;

		drop_cap(CAP_SYS_ADMIN);
		drop_cap(cap);
		if (bh_kern_open(&opts, &d, &k) != -EPERM)
			_exit(1);
		_exit(d.n == 1 && rig_said(&d, name) ? 0 : 2);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void test_missing_capability_is_named(void **state)
{
	(void)state;
	/* without CAP_SYS_ADMIN the other two must be held by their own names */
	assert_int_equal(open_without(CAP_BPF, "CAP_BPF"), 0);
	assert_int_equal(open_without(CAP_PERFMON, "CAP_PERFMON"), 0);
	assert_int_equal(open_without(CAP_NET_ADMIN, "CAP_NET_ADMIN"), 0);
}

/* What the unit gives and the agent keeps: nothing may secretly need CAP_SYS_ADMIN. */
static void test_three_capabilities_are_enough(void **state)
{
	int status = 0;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		struct bh_kern_opts opts = rig_opts();
		struct bh_diags d = {0};
		struct bh_kern *k = NULL;
		int r;

		for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
			if (cap != CAP_BPF && cap != CAP_NET_ADMIN && cap != CAP_PERFMON)
				drop_cap(cap);
		r = bh_kern_open(&opts, &d, &k);
		if (r == 0)
			r = bh_kern_attach(k, &d);
		bh_diags_print(&d, stdout, false);
		(void)fflush(stdout);
		_exit(r || bh_kern_detach(k));
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_features_say_what_is_lost(void **state)
{
	const struct bh_feature *f;
	struct bh_kern *k = opened(rig_opts());
	size_t n = bh_kern_features(k, &f);

	(void)state;
	assert_int_equal(n, BH_FEAT_MAX);
	for (size_t i = 0; i < n; i++) {
		assert_non_null(f[i].name);
		assert_non_null(f[i].effect);
	}
	assert_true(f[BH_FEAT_BTF].works);
	done(k);
}

/* --- adopt ------------------------------------------------------------------------------------ */

static void test_adoption_keeps_policy_and_links(void **state)
{
	struct bh_kern *k = attached(), *k2;
	__u32 connect_link = link_id(k, BH_PROG_CONNECT4),
	      mkdir_link = link_id(k, BH_PROG_CG_MKDIR);
	__u64 gen = staged(k, 5432);
	__u32 rule = 0;

	(void)state;
	assert_int_equal(bh_kern_publish(k), 0);
	bh_kern_close(k);

	k2 = attached();
	assert_int_equal(bh_kern_generation(k2), gen);
	assert_int_equal(rig_ask(k2, gen, 5432, &rule), 1);
	assert_int_equal(rule, RIG_RULE);
	assert_string_equal(rig_hook(k2, "cgroup/connect4"), "attached");
	assert_string_equal(rig_hook(k2, "tp_btf/cgroup_mkdir"), "attached");
	/* a cgroup link is updated in place; a tracing link can't be and is replaced */
	assert_int_equal(link_id(k2, BH_PROG_CONNECT4), connect_link);
	assert_int_not_equal(link_id(k2, BH_PROG_CG_MKDIR), mkdir_link);
	/* the first commit of an adopter must not write a side that somebody may still read */
	assert_false(k2->drained);
	assert_int_equal(staged(k2, 80), gen + 1);
	done(k2);
}

static void test_other_layout_is_refused(void **state)
{
	struct bh_kern *k = attached();
	struct bh_kern_opts opts = rig_opts();
	__u32 connect_link = link_id(k, BH_PROG_CONNECT4);

	(void)state;
	opts.max_cgroups = 2048;
	assert_int_equal(refused(opts, "bh_cgroups has max entries 1024, this agent wants 2048"),
			 -EEXIST);
	assert_int_equal(link_id(k, BH_PROG_CONNECT4), connect_link);
	assert_string_equal(rig_hook(k, "cgroup/connect4"), "attached");

	assert_int_equal(rig_unpin("maps", "bh_policy"), 0);
	assert_int_equal(refused(rig_opts(), "maps/bh_policy"), -EEXIST);
	done(k);
}

/* It outlives the agent; and an agent from before there was one is taken over all the same. */
static void test_the_audit_head(void **state)
{
	struct bh_audit_head head = {.seq = 7, .hash = {1, 2, 3}}, now;
	struct bh_kern *k = attached();

	(void)state;
	assert_int_equal(bh_kern_audit_get(k, &now), 0);
	assert_int_equal(now.seq, 0);
	assert_int_equal(bh_kern_audit_set(k, &head), 0);
	bh_kern_close(k);
	k = attached();
	assert_int_equal(bh_kern_audit_get(k, &now), 0);
	assert_memory_equal(&now, &head, sizeof(now));
	bh_kern_close(k);
	assert_int_equal(rig_unpin("maps", "bh_audit"), 0);
	k = attached();
	assert_true(k->adopted);
	assert_true(rig_pinned("maps", "bh_audit"));
	assert_int_equal(bh_kern_audit_get(k, &now), 0);
	assert_int_equal(now.seq, 0);
	done(k);
}

static void test_links_without_maps_are_refused(void **state)
{
	struct bh_kern *k = attached();
	char from[BH_PIN_PATH_MAX], to[BH_PIN_PATH_MAX];

	(void)state;
	assert_int_equal(bh_pin_path(k, "maps", "", from), 0);
	assert_int_equal(bh_pin_path(k, "away", "", to), 0);
	assert_int_equal(rename(from, to), 0);
	assert_int_equal(refused(rig_opts(), "links but no maps"), -EEXIST);
	done(k);
}

/* A crash while pinning leaves maps_new: the next start begins afresh. */
static void test_half_pinned_is_nothing(void **state)
{
	struct bh_kern *k = opened(rig_opts());
	char from[BH_PIN_PATH_MAX], to[BH_PIN_PATH_MAX];

	(void)state;
	assert_int_equal(bh_pin_path(k, "maps", "", from), 0);
	assert_int_equal(bh_pin_path(k, "maps_new", "", to), 0);
	assert_int_equal(rename(from, to), 0);
	bh_kern_close(k);
	k = opened(rig_opts());
	assert_false(k->adopted);
	assert_false(rig_pinned("maps_new", "bh_ctl"));
	assert_true(rig_pinned("maps", "bh_ctl"));
	done(k);
}

/* --- commit ----------------------------------------------------------------------------------- */

static void test_staged_is_not_live(void **state)
{
	struct bh_kern *k = attached();
	__u64 first, second;

	(void)state;
	assert_int_equal(bh_kern_generation(k), 0);
	assert_int_equal(bh_kern_publish(k), -EINVAL);
	first = staged(k, 5432);
	assert_int_equal(bh_kern_generation(k), 0);
	assert_int_equal(bh_kern_publish(k), 0);
	assert_int_equal(bh_kern_generation(k), first);
	assert_false(k->drained);

	second = staged(k, 8080);
	assert_true(k->drained);
	assert_int_equal(bh_kern_generation(k), first);
	assert_int_equal(rig_ask(k, first, 5432, NULL), 1);
	assert_int_equal(rig_ask(k, first, 8080, NULL), 0);
	assert_int_equal(rig_ask(k, second, 5432, NULL), 0);
	assert_int_equal(rig_ask(k, second, 8080, NULL), 1);
	/* staging again replaces what was staged, and the live side stays as it is */
	assert_int_equal(staged(k, 9090), second);
	assert_int_equal(rig_ask(k, second, 8080, NULL), 0);
	assert_int_equal(rig_ask(k, first, 5432, NULL), 1);
	assert_int_equal(bh_kern_publish(k), 0);
	assert_int_equal(bh_kern_generation(k), second);
	done(k);
}

static void test_bad_tables_change_nothing(void **state)
{
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_kern *k = attached();
	struct bh_compiled *c;
	__u64 gen = staged(k, 5432), other = 77;

	(void)state;
	assert_int_equal(bh_kern_publish(k), 0);
	c = rig_policy(80);
	c->policy.bh_pol_key[1] = c->policy.bh_pol_key[0];
	assert_int_equal(bh_kern_stage(k, c, &d, &other), -EBADMSG);
	assert_true(rig_said(&d, "bh_policy"));
	c = rig_policy(80);
	c->n_rules = 65;
	assert_int_equal(bh_kern_stage(k, c, &d, &other), -E2BIG);
	assert_true(rig_said(&d, "65 rule numbers, there is room for 64"));
	assert_int_equal(other, 77);
	assert_int_equal(bh_kern_publish(k), -EINVAL);
	assert_int_equal(bh_kern_generation(k), gen);
	assert_int_equal(rig_ask(k, gen, 5432, NULL), 1);
	done(k);
}

static void test_generations_only_go_up(void **state)
{
	struct bh_kern_opts opts = rig_opts();
	struct bh_kern *k;

	(void)state;
	opts.gen_floor = 41;
	k = opened(opts);
	assert_int_equal(staged(k, 80), 42);
	assert_int_equal(bh_kern_publish(k), 0);
	bh_kern_close(k);
	/* 50 + 1 would be on the live side's parity only if it were even */
	opts.gen_floor = 51;
	k = opened(opts);
	assert_int_equal(bh_kern_generation(k), 42);
	assert_int_equal(staged(k, 80), 53);
	done(k);
}

/* `bpftool map dump` prints fields, and says which generation a table is of. */
static void test_tables_can_be_read(void **state)
{
	struct bh_kern *k = opened(rig_opts());
	__u32 side, id = 0, len;

	(void)state;
	side = BH_SIDE(staged(k, 80));
	for (int i = 0; i < BH_MAP_TABLES; i++) {
		_cleanup_close_ int fd = -1;
		struct bpf_map_info info = {0};

		len = sizeof(info);
		assert_int_equal(bpf_map_lookup_elem(bh_kern_map_fd(k, i), &side, &id), 0);
		fd = bpf_map_get_fd_by_id(id);
		assert_true(fd >= 0);
		assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &len), 0);
		assert_true(info.btf_id && info.btf_key_type_id && info.btf_value_type_id);
		assert_memory_equal(info.name, bh_map_names[i], strlen(bh_map_names[i]));
		assert_string_equal(info.name + strlen(bh_map_names[i]), "_1");
	}
	done(k);
}

/* --- hooks ------------------------------------------------------------------------------------ */

static void test_damage_is_seen_and_repaired(void **state)
{
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_kern *k = attached();
	int fd = bh_pin_get(k, "links", "bh_connect4");

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(bpf_link_detach(fd), 0);
	close(fd);
	assert_string_equal(rig_hook(k, "cgroup/connect4"), "missing");
	assert_int_equal(rig_unpin("links", "bh_skb_in"), 0);
	assert_string_equal(rig_hook(k, "cgroup_skb/ingress"), "unpinned");

	assert_int_equal(bh_kern_attach(k, &d), 0);
	assert_string_equal(rig_hook(k, "cgroup/connect4"), "attached");
	assert_string_equal(rig_hook(k, "cgroup_skb/ingress"), "attached");
	assert_true(rig_pinned("links", "bh_skb_in"));
	done(k);
}

/* Two agents on one set of pins: the one that lost its hooks can tell. */
static void test_replaced_program_is_seen(void **state)
{
	struct bh_kern *k = attached(), *k2;

	(void)state;
	assert_string_equal(rig_hook(k, "cgroup/connect4"), "attached");
	k2 = attached();
	assert_string_equal(rig_hook(k, "cgroup/connect4"), "replaced");
	assert_string_equal(rig_hook(k2, "cgroup/connect4"), "attached");
	bh_kern_close(k);
	assert_string_equal(rig_hook(k2, "cgroup/connect4"), "attached");
	done(k2);
}

static void test_detach_leaves_nothing(void **state)
{
	struct bh_kern *k = attached();
	int held = bh_pin_get(k, "links", "bh_connect4");
	struct bpf_link_info info;

	(void)state;
	assert_true(held >= 0);
	assert_true(rig_pinned("progs", "bh_judge"));
	assert_int_equal(bh_kern_detach(k), 0);
	assert_false(rig_pinned("", ""));
	/* also where another process holds the link */
	assert_int_equal(bh_link_info(held, &info), 0);
	assert_int_equal(info.cgroup.cgroup_id, 0);
	close(held);
	assert_string_equal(rig_hook(k, "cgroup/connect4"), "missing");
	bh_kern_close(k);
}

/* --- cgroups, addresses, counters -------------------------------------------------------------- */

struct seen {
	__u64 want;
	bool found;
	struct bh_cgroup cg;
	size_t n;
};

static int on_cgroup(void *ctx, __u64 cgid, const struct bh_cgroup *cg)
{
	struct seen *s = ctx;

	s->n++;
	if (cgid == s->want) {
		s->found = true;
		s->cg = *cg;
	}
	return 0;
}

static struct seen look_for(struct bh_kern *k, __u64 cgid)
{
	struct seen s = {.want = cgid};

	assert_int_equal(bh_kern_each_cgroup(k, on_cgroup, &s), 0);
	return s;
}

static void test_cgroups_are_walked_and_followed(void **state)
{
	_cleanup_diags_ struct bh_diags d = {0};
	uint64_t old, fresh;
	struct bh_kern *k;
	__u32 who = 0;

	(void)state;
	assert_int_equal(cg_make("old.slice", &old), 0);
	k = attached();
	assert_false(look_for(k, old).found);
	assert_int_equal(bh_kern_seed(k, &d), 0);
	assert_true(look_for(k, old).found);

	assert_int_equal(cg_make("fresh.slice", &fresh), 0);
	assert_true(look_for(k, fresh).found);
	assert_true(look_for(k, fresh).n >= 3);

	staged(k, 80);
	assert_int_equal(bh_kern_publish(k), 0);
	assert_int_equal(bh_kern_whois(k, fresh, 0, &who), 0);
	assert_int_equal(who, look_for(k, fresh).cg.side[BH_SIDE(bh_kern_generation(k))].seg);
	assert_int_not_equal(who, 0);
	done(k);
}

static void test_control_word(void **state)
{
	struct bh_kern *k = attached();
	struct bh_addr addr = {{[10] = 0xff, [11] = 0xff, [12] = 192, [14] = 2, [15] = 1}};
	struct bh_ctl ctl;
	__u32 zero = 0;

	(void)state;
	assert_int_equal(bh_kern_set_ctl(k, BH_CTL_OBSERVE | BH_CTL_FWD4, 0), 0);
	assert_int_equal(bh_kern_set_ctl(k, BH_CTL_FWD6, BH_CTL_FWD4), 0);
	assert_int_equal(bpf_map_lookup_elem(bh_kern_map_fd(k, BH_MAP_CTL), &zero, &ctl), 0);
	assert_int_equal(ctl.flags, BH_CTL_OBSERVE | BH_CTL_FWD6);
	assert_int_not_equal(ctl.netns, 0);
	assert_int_equal(ctl.root_cgid, k->root_cgid);

	assert_int_equal(bh_kern_local_add(k, &addr), 0);
	assert_int_equal(bh_kern_local_add(k, &addr), 0);
	assert_int_equal(bh_kern_local_del(k, &addr), 0);
	assert_int_equal(bh_kern_local_del(k, &addr), -ENOENT);
	done(k);
}

/* Sums over CPUs, and a commit does not lose them. */
static void test_counters_survive(void **state)
{
	struct bh_kern *k = attached();
	int n = libbpf_num_possible_cpus();
	_cleanup_free_ struct bh_count *cpu = calloc((size_t)n, sizeof(*cpu));
	struct bh_count reasons[BH_REASON_MAX], hits, all[100];
	__u64 stats[BH_STAT_MAX];
	__u32 reason = BH_R_ARP, rule = RIG_RULE;

	(void)state;
	for (int i = 0; i < n; i++)
		cpu[i] = (struct bh_count){.packets = 1, .bytes = 60};
	assert_int_equal(bpf_map_update_elem(bh_kern_map_fd(k, BH_MAP_REASONS), &reason, cpu, 0),
			 0);
	assert_int_equal(bpf_map_update_elem(bh_kern_map_fd(k, BH_MAP_RULE_HITS), &rule, cpu, 0),
			 0);
	bh_kern_close(k);
	k = attached();
	staged(k, 80);
	assert_int_equal(bh_kern_publish(k), 0);
	assert_int_equal(bh_kern_reasons(k, reasons), 0);
	assert_int_equal(reasons[BH_R_ARP].packets, n);
	assert_int_equal(reasons[BH_R_ARP].bytes, 60 * n);
	assert_int_equal(bh_kern_rule_hits(k, RIG_RULE, &hits), 0);
	assert_int_equal(hits.packets, n);
	assert_int_equal(bh_kern_rule_hits(k, 64, &hits), -ENOENT);
	/* all at once; more than there are count nothing */
	assert_int_equal(bh_kern_rule_hits_all(k, all, ARRAY_SIZE(all)), 0);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		assert_int_equal(all[i].bytes, i == RIG_RULE ? 60 * n : 0);
	assert_int_equal(bh_kern_stats(k, stats), 0);
	assert_true(bh_kern_event_fd(k) >= 0);
	assert_true(bh_kern_poll(k) >= 0);
	done(k);
}

/* --- run -------------------------------------------------------------------------------------- */

static int up(void **state)
{
	(void)state;
	return rig_up();
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
		cmocka_unit_test(test_wrong_places_are_refused),
		cmocka_unit_test(test_missing_capability_is_named),
		cmocka_unit_test(test_three_capabilities_are_enough),
		cmocka_unit_test(test_features_say_what_is_lost),
		cmocka_unit_test(test_adoption_keeps_policy_and_links),
		cmocka_unit_test(test_other_layout_is_refused),
		cmocka_unit_test(test_the_audit_head),
		cmocka_unit_test(test_links_without_maps_are_refused),
		cmocka_unit_test(test_half_pinned_is_nothing),
		cmocka_unit_test(test_staged_is_not_live),
		cmocka_unit_test(test_bad_tables_change_nothing),
		cmocka_unit_test(test_generations_only_go_up),
		cmocka_unit_test(test_tables_can_be_read),
		cmocka_unit_test(test_damage_is_seen_and_repaired),
		cmocka_unit_test(test_replaced_program_is_seen),
		cmocka_unit_test(test_detach_leaves_nothing),
		cmocka_unit_test(test_cgroups_are_walked_and_followed),
		cmocka_unit_test(test_control_word),
		cmocka_unit_test(test_counters_survive),
	};

	return cmocka_run_group_tests(tests, up, down);
}
