/* SPDX-License-Identifier: Apache-2.0 */
/*
 * claimrig.h - claims about a made-up device: a directory that is its root, and calls that say what
 * the test says. What lies there counts as procfs, sysfs and so on, unless the test wants it to be
 * what it is. Include it in one source of a test program.
 */
#ifndef BH_CLAIMRIG_H
#define BH_CLAIMRIG_H

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <cmocka.h>
#include "../../agent/health/claims.h"

static char rig_dir[64];

static struct {
	int error; /* of each call below */
	struct utsname uname;
	struct timex timex;
	struct bh_claim_audit audit;
	struct bh_claim_sockets sockets;
	int dumpable;
	char digest[BH_CLAIM_DIGEST];
	size_t programs;
	struct bh_claim_hooks hooks;
	struct bh_claim_foreign foreign;
	bool lying; /* the directory is what it is */
	uint64_t now_ns;
} rig;

static int rig_uname(struct utsname *ret)
{
	*ret = rig.uname;
	return rig.error;
}

static int rig_timex(struct timex *ret)
{
	*ret = rig.timex;
	return rig.error;
}

static int rig_audit(struct bh_claim_audit *ret)
{
	*ret = rig.audit;
	return rig.error;
}

static int rig_sockets(struct bh_claim_sockets *ret)
{
	*ret = rig.sockets;
	return rig.error;
}

static int rig_dumpable(void)
{
	return rig.dumpable;
}

static int rig_digest(_unused_ void *ctx, char ret[BH_CLAIM_DIGEST])
{
	memcpy(ret, rig.digest, BH_CLAIM_DIGEST);
	return rig.error;
}

static int rig_programs(_unused_ void *ctx, size_t *ret_n, char ret[BH_CLAIM_DIGEST])
{
	*ret_n = rig.programs;
	return rig_digest(NULL, ret);
}

static int rig_hooks(_unused_ void *ctx, struct bh_claim_hooks *ret)
{
	*ret = rig.hooks;
	return rig.error;
}

static int rig_foreign(_unused_ void *ctx, struct bh_claim_foreign *ret)
{
	*ret = rig.foreign;
	return rig.error;
}

static const struct bh_claims_calls rig_calls = {
	.uname = rig_uname,
	.timex = rig_timex,
	.audit = rig_audit,
	.sockets = rig_sockets,
	.dumpable = rig_dumpable,
};

static uint64_t rig_boot_ns(void)
{
	return rig.now_ns += 1000;
}

static int64_t rig_wall_ms(void)
{
	return 1767225600000; /* 2026-01-01T00:00:00Z */
}

static const struct bh_clock rig_clock = {rig_wall_ms, rig_boot_ns};

static int rig_remove(const char *path, _unused_ const struct stat *st, _unused_ int type,
		      _unused_ struct FTW *ftw)
{
	return remove(path);
}

/* --- the device -------------------------------------------------------------------------------- */

static const char *rig_path(const char *path)
{
	static char whole[512];

	snprintf(whole, sizeof(whole), "%s/%s", rig_dir, path);
	return whole;
}

/* With the directories that it lies in. */
static void rig_parents(const char *path)
{
	char whole[512];

	snprintf(whole, sizeof(whole), "%s/%s", rig_dir, path);
	for (char *s = whole + strlen(rig_dir) + 1; (s = strchr(s, '/')); s++) {
		*s = '\0';
		assert_true(mkdir(whole, 0755) == 0 || errno == EEXIST);
		*s = '/';
	}
}

static void put_bytes(const char *path, const void *data, size_t bytes)
{
	FILE *f;

	rig_parents(path);
	f = fopen(rig_path(path), "we");
	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, bytes, f), bytes);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(rig_path(path), 0644), 0);
}

static void put(const char *path, const char *text)
{
	put_bytes(path, text, strlen(text));
}

_unused_ static void put_dir(const char *path)
{
	rig_parents(path);
	assert_int_equal(mkdir(rig_path(path), 0755), 0);
}

_unused_ static void put_link(const char *path, const char *to)
{
	rig_parents(path);
	(void)unlink(rig_path(path));
	assert_int_equal(symlink(to, rig_path(path)), 0);
}

_unused_ static void take_away(const char *path)
{
	assert_int_equal(nftw(rig_path(path), rig_remove, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static int rig_setup(void **state)
{
	(void)state;
	memset(&rig, 0, sizeof(rig));
	snprintf(rig_dir, sizeof(rig_dir), "/tmp/bh-test-%d", (int)getpid());
	return mkdir(rig_dir, 0755) < 0 ? -1 : chmod(rig_dir, 0755);
}

static int rig_teardown(void **state)
{
	(void)state;
	return nftw(rig_dir, rig_remove, 16, FTW_DEPTH | FTW_PHYS);
}

/* --- its claims ---------------------------------------------------------------------------------- */

static struct bh_claims *rig_claims(int *ret_root)
{
	struct bh_claims_opts opts = {
		.clock = &rig_clock,
		.calls = &rig_calls,
		.agent = {.executable = rig_digest,
			  .programs = rig_programs,
			  .hooks = rig_hooks,
			  .policy = rig_digest,
			  .foreign = rig_foreign},
	};
	struct bh_claims *c;
	struct statfs st;

	opts.root_fd = *ret_root = open(rig_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(opts.root_fd >= 0);
	assert_int_equal(fstatfs(opts.root_fd, &st), 0);
	for (int i = 0; i < BH_FS_MAX && !rig.lying; i++)
		opts.magic[i] = (unsigned long)st.f_type;
	c = bh_claims_new(&opts);
	assert_non_null(c);
	return c;
}

static size_t rig_find(const char *name)
{
	for (size_t i = 0; i < bh_n_claims; i++)
		if (!strcmp(bh_claim_table[i].name, name))
			return i;
	fail_msg("no claim %s", name);
	return 0;
}

/* @value: a part of what it says */
static void rig_expect(const char *file, int line, const char *name, enum bh_claim_state state,
		       int error, const char *value)
{
	int root;
	struct bh_claims *c = rig_claims(&root);
	struct bh_claim_result r;

	bh_claims_collect(c);
	r = *bh_claims_result(c, rig_find(name));
	bh_claims_free(c);
	close(root);
	if (r.state != state || r.error != error || !strstr(r.value, value))
		print_error("%s:%d: %s is %s, %s, \"%s\" by %s; expected %s, %s, \"%s\"\n", file,
			    line, name, bh_claim_state_name(r.state),
			    r.error ? strerrorname_np(r.error) : "-", r.value, r.source,
			    bh_claim_state_name(state), error ? strerrorname_np(error) : "-",
			    value);
	assert_true(r.state == state && r.error == error && strstr(r.value, value));
	/* whatever came of it: when, and from where */
	assert_true(r.boot_ns && r.wall_ms && r.source[0]);
	assert_true(!r.error || r.state == BH_CLAIM_UNKNOWN);
}

#define good(name, value)    rig_expect(__FILE__, __LINE__, name, BH_CLAIM_GOOD, 0, value)
#define bad(name, value)     rig_expect(__FILE__, __LINE__, name, BH_CLAIM_BAD, 0, value)
#define unknown(name, value) rig_expect(__FILE__, __LINE__, name, BH_CLAIM_UNKNOWN, 0, value)
#define unread(name, error)  rig_expect(__FILE__, __LINE__, name, BH_CLAIM_UNKNOWN, error, "")

/* As a user who may not read it. */
_unused_ static void unreadable(const char *name, const char *path)
{
	bool root = geteuid() == 0;

	assert_int_equal(chmod(rig_path(path), 0), 0);
	if (root)
		assert_int_equal(seteuid(65534), 0);
	unread(name, EACCES);
	if (root)
		assert_int_equal(seteuid(0), 0);
	assert_int_equal(chmod(rig_path(path), 0644), 0);
}

#define CLAIM_TEST(fn) cmocka_unit_test_setup_teardown(fn, rig_setup, rig_teardown)

#endif
