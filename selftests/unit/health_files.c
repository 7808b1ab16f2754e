/* SPDX-License-Identifier: Apache-2.0 */
/*
 * health_files.c - each claim that one file decides: good, bad, not there, not ours to read, garbage,
 * another kind of filesystem, a link, no file at all. Tests agent/health/.
 */
#include "../lib/claimrig.h"

#define MANY 4

static const struct single {
	const char *claim, *path;
	const char *good[MANY], *bad[MANY], *garbage[MANY];
} singles[] = {
	{"lockdown",
	 "sys/kernel/security/lockdown",
	 {"none [integrity] confidentiality\n", "none integrity [confidentiality]\n"},
	 {"[none] integrity confidentiality\n"},
	 {"", "none integrity confidentiality\n", "[", "[sound]"}},
	{"kernel_taint",
	 "proc/sys/kernel/tainted",
	 {"0\n", "512\n", "1\n"},
	 {"2\n", "4096\n", "12289\n", "128\n"},
	 {"", "x", "0x0\n", "0 0"}},
	{"kernel.randomize_va_space",
	 "proc/sys/kernel/randomize_va_space",
	 {"2\n"},
	 {"0\n", "1\n", "3\n", "-1\n"},
	 {"", "two", "2 2\n", "99999999999999999999\n"}},
	{"kernel.kptr_restrict",
	 "proc/sys/kernel/kptr_restrict",
	 {"1\n", "2\n"},
	 {"0\n", "-1\n"},
	 {" 1", "+1", "1x", "-"}},
	{"kernel.unprivileged_bpf_disabled",
	 "proc/sys/kernel/unprivileged_bpf_disabled",
	 {"1\n", "2\n"},
	 {"0\n"},
	 {"yes", "2.0"}},
	{"kernel.yama.ptrace_scope",
	 "proc/sys/kernel/yama/ptrace_scope",
	 {"1\n", "3\n"},
	 {"0\n"},
	 {"\n"}},
	{"kernel.kexec_load_disabled",
	 "proc/sys/kernel/kexec_load_disabled",
	 {"1\n"},
	 {"0\n"},
	 {"1\n1\n"}},
	{"net.core.bpf_jit_harden",
	 "proc/sys/net/core/bpf_jit_harden",
	 {"1\n", "2\n"},
	 {"0\n"},
	 {"a"}},
	{"fs.protected_symlinks", "proc/sys/fs/protected_symlinks", {"1\n"}, {"0\n"}, {"a"}},
	{"fs.protected_hardlinks", "proc/sys/fs/protected_hardlinks", {"1\n"}, {"0\n"}, {"a"}},
	{"kernel.dmesg_restrict", "proc/sys/kernel/dmesg_restrict", {"1\n"}, {"0\n"}, {"a"}},
	{"core_dumps",
	 "proc/sys/kernel/core_pattern",
	 {"|/lib/systemd/systemd-coredump %P\n", "\n"},
	 {"core\n", "/var/crash/core.%p\n"},
	 {NULL}},
};

/* What a claim needs beside its file. */
static void surroundings(void)
{
	put("proc/sys/fs/suid_dumpable", "0\n");
}

static void test_good_and_bad(_unused_ void **state)
{
	surroundings();
	for (size_t i = 0; i < ARRAY_SIZE(singles); i++) {
		const struct single *s = &singles[i];

		for (size_t j = 0; j < MANY && s->good[j]; j++) {
			put(s->path, s->good[j]);
			good(s->claim, "");
		}
		for (size_t j = 0; j < MANY && s->bad[j]; j++) {
			put(s->path, s->bad[j]);
			bad(s->claim, "");
		}
	}
}

static void test_garbage_is_unknown(_unused_ void **state)
{
	_cleanup_free_ char *long_one = malloc(100001);

	assert_non_null(long_one);
	memset(long_one, '1', 100000);
	long_one[100000] = '\0';
	surroundings();
	for (size_t i = 0; i < ARRAY_SIZE(singles); i++) {
		const struct single *s = &singles[i];

		for (size_t j = 0; j < MANY && s->garbage[j]; j++) {
			put(s->path, s->garbage[j]);
			unread(s->claim, EBADMSG);
		}
		put_bytes(s->path, "1\0\n", 3);
		unread(s->claim, EBADMSG);
		put(s->path, long_one);
		unread(s->claim, strcmp(s->claim, "core_dumps") ? EBADMSG : EFBIG);
	}
}

static void test_what_cannot_be_read_is_unknown(_unused_ void **state)
{
	surroundings();
	for (size_t i = 0; i < ARRAY_SIZE(singles); i++) {
		const struct single *s = &singles[i];

		unread(s->claim, ENOENT);
		put(s->path, s->good[0]);
		good(s->claim, "");
		unreadable(s->claim, s->path);
		good(s->claim, "");
		take_away(s->path);
		put_dir(s->path);
		unread(s->claim, EINVAL);
		take_away(s->path);
	}
}

/* Whoever mounts a file, or puts a link there, is not believed. */
static void test_a_lie_is_unknown(_unused_ void **state)
{
	surroundings();
	for (size_t i = 0; i < ARRAY_SIZE(singles); i++) {
		const struct single *s = &singles[i];

		put(s->path, s->good[0]);
		rig.lying = true;
		rig_expect(__FILE__, __LINE__, s->claim, BH_CLAIM_UNKNOWN, EXDEV,
			   "another filesystem lies over it");
		rig.lying = false;
		put("elsewhere", s->good[0]);
		put_link(s->path, "/elsewhere");
		unread(s->claim, ELOOP);
		take_away(s->path);
	}
}

static void test_core_dumps_of_the_privileged(_unused_ void **state)
{
	put("proc/sys/kernel/core_pattern", "|/bin/x\n");
	unread("core_dumps", ENOENT);
	put("proc/sys/fs/suid_dumpable", "1\n");
	bad("core_dumps", "suid_dumpable 1");
	put("proc/sys/fs/suid_dumpable", "2\n");
	good("core_dumps", "|/bin/x, suid_dumpable 2");
	put("proc/sys/fs/suid_dumpable", "x\n");
	unread("core_dumps", EBADMSG);
}

/* Every claim of the table, on a device without anything, and on one that lies. */
static void test_nothing_is_good_where_nothing_is(_unused_ void **state)
{
	static const char *const absent_is_good[] = {"runtime_socket", "listeners"};
	int root;
	struct bh_claims *c;

	for (int lying = 0; lying < 2; lying++) {
		rig.lying = lying;
		c = rig_claims(&root);
		bh_claims_collect(c);
		for (size_t i = 0; i < bh_n_claims; i++) {
			const struct bh_claim_result *r = bh_claims_result(c, i);
			bool may = false;

			for (size_t j = 0; j < ARRAY_SIZE(absent_is_good); j++)
				may |= !strcmp(bh_claim_table[i].name, absent_is_good[j]);
			/* the clock that is all zeroes is right, no foreign program is there */
			may |= !strcmp(bh_claim_table[i].name, "time_sync") ||
			       !strcmp(bh_claim_table[i].name, "bpf_programs");
			if (r->state == BH_CLAIM_GOOD && !may)
				fail_msg("%s is good", bh_claim_table[i].name);
		}
		bh_claims_free(c);
		close(root);
	}
}

static void test_the_table(_unused_ void **state)
{
	for (size_t i = 0; i < bh_n_claims; i++) {
		const struct bh_claim *c = &bh_claim_table[i];

		assert_true(c->grade == 'A' || c->grade == 'B' || c->grade == 'C');
		assert_true(c->meaning[0] && c->hint[0] && c->collect);
		assert_true(!c->path || c->path[0] != '/');
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(c->name, bh_claim_table[j].name);
	}
}

/* What can't change is read once; what could not be read is tried again. */
static void test_once(_unused_ void **state)
{
	int root;
	struct bh_claims *c = rig_claims(&root);
	size_t release = rig_find("kernel_release"), kptr = rig_find("kernel.kptr_restrict");
	uint64_t first;

	put("proc/sys/kernel/kptr_restrict", "1\n");
	rig.error = -EINTR;
	bh_claims_collect(c);
	assert_int_equal(bh_claims_result(c, release)->error, EINTR);
	rig.error = 0;
	bh_claims_collect(c);
	assert_int_equal(bh_claims_result(c, release)->error, 0);
	first = bh_claims_result(c, release)->boot_ns;
	put("proc/sys/kernel/kptr_restrict", "0\n");
	bh_claims_collect(c);
	assert_true(bh_claims_result(c, release)->boot_ns == first);
	assert_true(bh_claims_result(c, kptr)->boot_ns > first);
	assert_int_equal(bh_claims_result(c, kptr)->state, BH_CLAIM_BAD);
	bh_claims_free(c);
	close(root);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		CLAIM_TEST(test_good_and_bad),
		CLAIM_TEST(test_garbage_is_unknown),
		CLAIM_TEST(test_what_cannot_be_read_is_unknown),
		CLAIM_TEST(test_a_lie_is_unknown),
		CLAIM_TEST(test_core_dumps_of_the_privileged),
		CLAIM_TEST(test_nothing_is_good_where_nothing_is),
		CLAIM_TEST(test_the_table),
		CLAIM_TEST(test_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
