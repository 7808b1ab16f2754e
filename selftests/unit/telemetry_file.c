/* SPDX-License-Identifier: Apache-2.0 */
/*
 * telemetry_file.c - the file of lines and the sink on it: what is lost is counted to the unit, no
 * half line is ever followed by another, files rotate, and come back by themselves.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <jansson.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include "../../agent/base/io.h"
#include "../../agent/telemetry/json.h"
#include "../../agent/telemetry/logfile.h"
#include "../../agent/telemetry/sink_file.h"
#include "../../agent/telemetry/telemetry.h"

static char dir[64], path[96];

static int remove_one(const char *p, _unused_ const struct stat *st, _unused_ int type,
		      _unused_ struct FTW *ftw)
{
	return remove(p);
}

static int setup(_unused_ void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/bh-test-%d", (int)getpid());
	snprintf(path, sizeof(path), "%s/flows.jsonl", dir);
	return mkdir(dir, 0700);
}

static int teardown(_unused_ void **state)
{
	return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static char *text_of(const char *p)
{
	char *text = NULL;

	return bh_file_read(p, 64u << 20, &text, NULL) == 0 ? text : NULL;
}

static void is_text(const char *p, const char *want)
{
	_cleanup_free_ char *text = text_of(p);

	if (!want)
		assert_null(text);
	else
		assert_string_equal(text ? text : "(no file)", want);
}

static void write_text(const char *p, const char *text)
{
	FILE *f = fopen(p, "we");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

/* --- the file ------------------------------------------------------------------------------------ */

static struct bh_logfile file_of(__u64 max_bytes, unsigned int keep)
{
	struct bh_logfile f;

	assert_int_equal(bh_logfile_init(&f, path, max_bytes, keep), 0);
	bh_logfile_look(&f);
	return f;
}

static void add(struct bh_logfile *f, const char *text)
{
	assert_int_equal(bh_logfile_write(f, text, strlen(text)), strlen(text));
}

static char *numbered(unsigned int n)
{
	static char name[128];

	snprintf(name, sizeof(name), "%s.%u", path, n);
	return name;
}

static void rotates(_unused_ void **state)
{
	struct bh_logfile f = file_of(10, 2);
	struct stat st;

	umask(0077);
	add(&f, "one\ntwo\nthree\nfour\n");
	is_text(numbered(2), "one\ntwo\n");
	is_text(numbered(1), "three\n");
	is_text(path, "four\n");
	bh_logfile_clear(&f);
	f = file_of(10, 2);
	add(&f, "five\n");
	is_text(path, "four\nfive\n");
	add(&f, "six\n");
	is_text(path, "six\n");
	is_text(numbered(2), "three\n");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	umask(0022);
	bh_logfile_clear(&f);
}

static void keeps_so_many(_unused_ void **state)
{
	struct bh_logfile f = file_of(4, 3);

	add(&f, "a-1\nb-2\nc-3\nd-4\ne-5\n");
	is_text(path, "e-5\n");
	is_text(numbered(3), "b-2\n");
	is_text(numbered(4), NULL);
	bh_logfile_clear(&f);
	f = file_of(4, 1);
	add(&f, "f-6\n");
	is_text(numbered(1), "e-5\n");
	is_text(numbered(2), NULL);
	is_text(numbered(3), NULL);
	/* a line that is longer than a file has one of its own */
	add(&f, "longer\n");
	is_text(path, "longer\n");
	add(&f, "g\n");
	is_text(path, "g\n");
	bh_logfile_clear(&f);
}

static void others_rotate(_unused_ void **state)
{
	struct bh_logfile f = file_of(1 << 20, 2);
	char aside[128];

	snprintf(aside, sizeof(aside), "%s.aside", path);
	add(&f, "one\n");
	assert_int_equal(rename(path, aside), 0);
	bh_logfile_look(&f);
	add(&f, "two\n");
	is_text(aside, "one\n");
	is_text(path, "two\n");
	assert_int_equal(unlink(path), 0);
	bh_logfile_look(&f);
	add(&f, "three\n");
	is_text(path, "three\n");
	/* copytruncate */
	assert_int_equal(truncate(path, 0), 0);
	bh_logfile_look(&f);
	add(&f, "four\n");
	is_text(path, "four\n");
	bh_logfile_clear(&f);
}

/* What a kill left: at each byte of a line of ours. */
static void half_lines(_unused_ void **state)
{
	static const char line[] = "{\"schema\":\"bulkhead.flow.v1\",\"time\":\"x\"}\n";

	for (size_t n = 1; n < sizeof(line); n++) {
		struct bh_logfile f;
		char text[256];

		snprintf(text, sizeof(text), "%s%.*s", line, (int)n, line);
		write_text(path, text);
		f = file_of(1 << 20, 2);
		add(&f, "next\n");
		snprintf(text, sizeof(text), "%s%snext\n", line, n == sizeof(line) - 1 ? line : "");
		is_text(path, text);
		bh_logfile_clear(&f);
		/* the first of a file */
		snprintf(text, sizeof(text), "%.*s", (int)n, line);
		write_text(path, text);
		f = file_of(1 << 20, 2);
		add(&f, "next\n");
		snprintf(text, sizeof(text), "%snext\n", n == sizeof(line) - 1 ? line : "");
		is_text(path, text);
		bh_logfile_clear(&f);
	}
}

/* Nothing of somebody else's is cut. */
static void not_ours(_unused_ void **state)
{
	struct bh_logfile f;

	write_text(path, "line\nmy notes");
	f = file_of(1 << 20, 2);
	add(&f, "next\n");
	is_text(path, "line\nmy notes\nnext\n");
	bh_logfile_clear(&f);
}

/* A limit of the process takes the part of a full disk: some bytes fit, the rest does not. */
static void set_limit(rlim_t bytes)
{
	struct rlimit limit = {.rlim_cur = bytes, .rlim_max = RLIM_INFINITY};

	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void full_disk(_unused_ void **state)
{
	static const char lines[] = "one\ntwo\nthree\n";
	char text[256];

	(void)signal(SIGXFSZ, SIG_IGN);
	for (size_t room = 0; room < sizeof(lines) - 1; room++) {
		struct bh_logfile f = file_of(1 << 20, 2);
		size_t want = room < 4 ? 0 : room < 8 ? 4 : 8;
		char said[256];

		add(&f, "zero\n");
		set_limit(5 + room);
		assert_int_equal(bh_logfile_write(&f, lines, sizeof(lines) - 1), want);
		snprintf(text, sizeof(text), "zero\n%.*s", (int)want, lines);
		is_text(path, text);
		bh_logfile_trouble(&f, said, sizeof(said));
		assert_non_null(strstr(said, path));
		assert_non_null(strstr(said, "make room there"));
		/* it is not asked again at once */
		set_limit(RLIM_INFINITY);
		assert_int_equal(bh_logfile_write(&f, "not yet\n", 8), 0);
		bh_logfile_look(&f);
		assert_string_not_equal(bh_logfile_trouble(&f, said, sizeof(said)), "");
		add(&f, "again\n");
		assert_string_equal(bh_logfile_trouble(&f, said, sizeof(said)), "");
		strcat(text, "again\n");
		is_text(path, text);
		bh_logfile_clear(&f);
		assert_int_equal(unlink(path), 0);
	}
}

static void bad_paths(_unused_ void **state)
{
	char said[256], link[128];
	struct bh_logfile f;

	assert_int_equal(mkdir(path, 0700), 0);
	f = file_of(1 << 20, 2);
	assert_int_equal(bh_logfile_write(&f, "x\n", 2), 0);
	bh_logfile_trouble(&f, said, sizeof(said));
	assert_non_null(strstr(said, path));
	assert_non_null(strstr(said, "that is no file"));
	assert_int_equal(rmdir(path), 0);
	/* a link could lead anywhere */
	snprintf(link, sizeof(link), "%s/elsewhere", dir);
	write_text(link, "precious\n");
	assert_int_equal(symlink(link, path), 0);
	bh_logfile_look(&f);
	assert_int_equal(bh_logfile_write(&f, "x\n", 2), 0);
	assert_non_null(strstr(bh_logfile_trouble(&f, said, sizeof(said)), "symbolic link"));
	is_text(link, "precious\n");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	bh_logfile_look(&f);
	assert_non_null(strstr(bh_logfile_trouble(&f, said, sizeof(said)), "no regular file"));
	assert_int_equal(unlink(path), 0);
	bh_logfile_look(&f);
	add(&f, "x\n");
	assert_string_equal(bh_logfile_trouble(&f, said, sizeof(said)), "");
	/* an older one that can't be moved away: nothing is lost */
	assert_int_equal(mkdir(numbered(1), 0700), 0);
	f.max_bytes = 4;
	f.keep = 1;
	add(&f, "yyyy\nzzzz\n");
	is_text(path, "x\nyyyy\nzzzz\n");
	assert_non_null(strstr(bh_logfile_trouble(&f, said, sizeof(said)), "can't be rotated"));
	assert_int_equal(rmdir(numbered(1)), 0);
	bh_logfile_look(&f);
	add(&f, "w\n");
	is_text(path, "w\n");
	assert_string_equal(bh_logfile_trouble(&f, said, sizeof(said)), "");
	bh_logfile_clear(&f);
}

/* --- the sink ------------------------------------------------------------------------------------ */

static struct bh_loss none = {.n_cpu = 2};

static struct bh_sink *open_sink(__u64 max_bytes, __u32 events)
{
	const struct bh_sink_file_opts opts = {.path = path,
					       .max_bytes = max_bytes,
					       .keep = 100,
					       .events = events,
					       .passwd = "/etc/passwd"};
	struct bh_sink *s = NULL;

	assert_int_equal(bh_sink_file_open(&opts, &none, &s), 0);
	return s;
}

static void flow(struct bh_sink *s, __u8 type)
{
	const struct bh_flow f = {.ev = {.type = type, .time_ns = 1}, .rule = "r"};

	s->ops->flow(s, &f);
}

/* Lines of @type, and what @key of the last one says. */
static size_t find(const char *p, const char *type, const char *key, json_int_t *ret)
{
	_cleanup_free_ char *text = text_of(p);
	char *rest = text, *line;
	size_t n = 0;

	while (rest && (line = strsep(&rest, "\n")) && *line) {
		json_auto_t *json = json_loads(line, 0, NULL);

		assert_non_null(json);
		if (strcmp(json_string_value(json_object_get(json, "type")), type) != 0)
			continue;
		n++;
		if (key)
			*ret = json_integer_value(json_object_get(json, key));
	}
	return n;
}

static void wait_tick(struct bh_sink *s, __u64 boot_ns, bool (*until)(const struct bh_sink *s))
{
	for (int i = 0; i < 5000 && !until(s); i++) {
		s->ops->tick(s, boot_ns);
		usleep(1000);
	}
	assert_true(until(s));
}

static bool all_done(const struct bh_sink *s)
{
	return s->count.written + s->count.lost == s->count.taken;
}

static bool has_trouble(const struct bh_sink *s)
{
	return s->trouble[0];
}

static bool is_well(const struct bh_sink *s)
{
	return !s->trouble[0];
}

static void only_what_is_asked_for(_unused_ void **state)
{
	struct bh_sink *s = open_sink(1 << 20, 1u << BH_EVENT_DENY);
	json_int_t v = -1;

	for (unsigned int type = 0; type < 256; type++)
		flow(s, (__u8)type);
	assert_int_equal(s->count.taken, 1);
	assert_int_equal(s->count.skipped, 255);
	wait_tick(s, 0, all_done);
	assert_int_equal(s->count.written, 1);
	s->ops->close(s);
	assert_int_equal(find(path, "deny", NULL, NULL), 1);
	assert_int_equal(find(path, "loss", "skipped", &v), 1);
	assert_int_equal(v, 255);
}

/* Its record of loss says so, once, by the minute. */
static void losses_are_told(_unused_ void **state)
{
	struct bh_sink *s = open_sink(1 << 20, 1u << BH_EVENT_DENY);
	static struct bh_loss now = {.n_cpu = 2};
	json_int_t v = -1;

	now.cpu[0] = (struct bh_loss_count){.seen = 10, .sent = 7, .lost = 3};
	s->ops->loss(s, &now);
	flow(s, BH_EVENT_DENY);
	s->ops->tick(s, 1000000000);
	s->ops->tick(s, 2000000000);
	wait_tick(s, 3000000000, all_done);
	now.cpu[1] = (struct bh_loss_count){.seen = 5, .sent = 4, .suppressed = 1};
	s->ops->loss(s, &now);
	s->ops->tick(s, 50000000000);
	s->ops->tick(s, 61000000000);
	flow(s, BH_EVENT_DENY);
	flow(s, BH_EVENT_DENY);
	s->ops->tick(s, 122000000000);
	s->ops->close(s);
	/* one for each of both, and the last */
	assert_int_equal(find(path, "loss", "written", &v), 3);
	assert_int_equal(v, 2);
	assert_int_equal(find(path, "loss", "seen", &v), 3);
	assert_int_equal(v, 0);
}

/* All that was lost stands in the record, also what was lost while it could not be written itself. */
static void recovers(_unused_ void **state)
{
	struct bh_sink *s;
	json_int_t lost = 0;
	_cleanup_free_ char *text = NULL;

	assert_int_equal(mkdir(path, 0700), 0);
	s = open_sink(1 << 20, 1u << BH_EVENT_DENY);
	for (int i = 0; i < 1234; i++)
		flow(s, BH_EVENT_DENY);
	wait_tick(s, 1000000000, has_trouble);
	wait_tick(s, 1000000000, all_done);
	assert_int_equal(s->count.lost, 1234);
	s->ops->tick(s, 100000000000);
	assert_non_null(strstr(s->trouble, path));
	assert_int_equal(rmdir(path), 0);
	wait_tick(s, 101000000000, is_well);
	flow(s, BH_EVENT_DENY);
	wait_tick(s, 102000000000, all_done);
	assert_int_equal(s->count.written, 1);
	s->ops->close(s);
	text = text_of(path);
	assert_non_null(strstr(text, "\"sink_file\":1234}"));
	assert_int_equal(find(path, "loss", "lost", &lost), 2);
	assert_int_equal(find(path, "deny", NULL, NULL), 1);
}

/* Many files: nothing is missing, nothing twice, and each line is whole. */
static void many_files(_unused_ void **state)
{
	struct bh_sink *s = open_sink(64 << 10, 1u << BH_EVENT_DENY);
	const size_t n = 5000;
	size_t found = 0;

	for (size_t i = 0; i < n; i++)
		flow(s, BH_EVENT_DENY);
	s->ops->close(s);
	for (unsigned int i = 0; i < 100; i++) {
		const char *p = i ? numbered(i) : path;
		struct stat st;

		if (stat(p, &st) < 0)
			break;
		assert_true(st.st_size <= 64 << 10);
		found += find(p, "deny", NULL, NULL);
	}
	assert_int_equal(found, n);
	assert_int_equal(find(path, "loss", NULL, NULL), 1);
}

/* A child of fork() has no thread; ending there is nothing to wait for. */
static void fork_is_harmless(_unused_ void **state)
{
	struct bh_sink *s = open_sink(1 << 20, 1u << BH_EVENT_DENY);
	pid_t pid = fork();

	if (pid == 0)
		_exit(s->count.taken == 0 ? 0 : 1);
	flow(s, BH_EVENT_DENY);
	s->ops->close(s);
	assert_int_equal(find(path, "deny", NULL, NULL), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(rotates),	       TEST(keeps_so_many),
		TEST(others_rotate),   TEST(half_lines),
		TEST(not_ours),	       TEST(full_disk),
		TEST(bad_paths),       TEST(only_what_is_asked_for),
		TEST(losses_are_told), TEST(recovers),
		TEST(many_files),      TEST(fork_is_harmless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
