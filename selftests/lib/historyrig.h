/* SPDX-License-Identifier: Apache-2.0 */
/*
 * historyrig.h - a directory with a history (agent/control/history.h), and what tests ask of it.
 * Include it in one source of a test program.
 */
#ifndef BH_HISTORYRIG_H
#define BH_HISTORYRIG_H

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>
#include "../../agent/base/io.h"
#include "../../agent/control/history.h"

static char dir[64];

static const char *in_dir(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/history/%s", dir, name);
	return path;
}

static int make_dir(_unused_ void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/bh-test-%d", (int)getpid());
	return mkdir(dir, 0700);
}

static int remove_one(const char *path, _unused_ const struct stat *st, _unused_ int type,
		      _unused_ struct FTW *ftw)
{
	return remove(path);
}

static int remove_dir(_unused_ void **state)
{
	return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static struct bh_history *open_with(const struct bh_history_caps *caps, size_t warnings)
{
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_history *h = NULL;

	assert_int_equal(bh_history_open(dir, caps, &d, &h), 0);
	if (d.n != warnings || d.n_errors)
		fail_msg("%zu warnings, expected %zu: %s", d.n, warnings,
			 d.n ? d.list[0].text : "none");
	return h;
}

static struct bh_history *open_again(size_t warnings)
{
	return open_with(&bh_history_caps_default, warnings);
}

static struct bh_record record(__u64 gen, const char *text)
{
	struct bh_record r = {
		.generation = gen,
		.bytes = strlen(text),
		.file = (char *)"/etc/\"shop\".yaml",
		.by = (char *)"root (pid 7, /user.slice/session-1.scope)",
		.name = (char *)"shop",
		.at_ms = 1767225600123 + (int64_t)gen,
		.mode = BH_MODE_ENFORCE,
		.segments = 3,
		.rules = 12,
		.entries = 40,
	};

	bh_sha256_text(text, strlen(text), r.sha256);
	return r;
}

static void add_as(struct bh_history *h, __u64 gen, const char *text, enum bh_how how, __u64 of)
{
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_record r = record(gen, text);

	r.how = how;
	r.of = of;
	assert_int_equal(bh_history_add(h, &r, text, &d), 0);
	assert_int_equal(d.n, 0);
}

static void add(struct bh_history *h, __u64 gen, const char *text)
{
	add_as(h, gen, text, BH_HOW_APPLY, 0);
}

static void expect_text(struct bh_history *h, __u64 gen, const char *text)
{
	_cleanup_diags_ struct bh_diags d = {0};
	_cleanup_free_ char *got = NULL;
	size_t bytes;
	int r = bh_history_text(h, gen, &d, &got, &bytes);

	if (r < 0)
		fail_msg("generation %llu: %d", (unsigned long long)gen, r);
	assert_string_equal(got, text);
	assert_int_equal(bytes, strlen(text));
}

_unused_ static void expect_no_text(struct bh_history *h, __u64 gen)
{
	_cleanup_diags_ struct bh_diags d = {0};
	_cleanup_free_ char *got = NULL;
	size_t bytes;

	assert_true(bh_history_text(h, gen, &d, &got, &bytes) < 0);
	assert_null(got);
	assert_int_equal(d.n_errors, 1);
	assert_non_null(strstr(d.list[0].text, "can't be had"));
}

/* "41 42 43": the generations that are known, "!43" a damaged one. */
static void expect_list(const struct bh_history *h, const char *want)
{
	char have[512] = "", *at = have;
	size_t n;
	const struct bh_record *r = bh_history_list(h, &n);

	for (size_t i = 0; i < n; i++)
		at += sprintf(at, "%s%s%llu", i ? " " : "", r[i].damaged ? "!" : "",
			      (unsigned long long)r[i].generation);
	assert_string_equal(have, want);
}

static size_t files;

static int count_one(const char *path, _unused_ const struct stat *st, int type)
{
	files += type == FTW_F && strstr(path, ".yaml");
	return 0;
}

static size_t count_texts(void)
{
	files = 0;
	(void)ftw(dir, count_one, 8);
	return files;
}

_unused_ static const char *text_name(const char *text)
{
	static char name[BH_SHA256_TEXT + 8];
	char sha256[BH_SHA256_TEXT];

	bh_sha256_text(text, strlen(text), sha256);
	snprintf(name, sizeof(name), "%s.yaml", sha256);
	return name;
}

static void write_file(const char *name, const char *text, size_t bytes)
{
	int fd = open(in_dir(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(bh_write_all(fd, text, bytes), 0);
	close(fd);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, make_dir, remove_dir)

#endif
