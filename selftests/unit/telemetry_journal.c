/* SPDX-License-Identifier: Apache-2.0 */
/*
 * telemetry_journal.c - entries as journald would read them, whatever bytes the names have; a
 * journal that is stuck, absent or flooded costs entries and no time. Tests entry.c, sink_journal.c.
 */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <cmocka.h>
#include "../../agent/base/message_ids.h"
#include "../../agent/telemetry/entry.h"
#include "../../agent/telemetry/sinks.h"

static struct bh_flow deny(void)
{
	return (struct bh_flow){
		.ev = {.gen = 7,
		       .cgid = 99,
		       .local_addr = {{[10] = 0xff, [11] = 0xff, [12] = 10, [15] = 1}},
		       .remote_addr = {{0xfd, 0x77, [15] = 2}},
		       .local = 20,
		       .remote = 1,
		       .pid = 4711,
		       .uid = 33,
		       .local_port = 40000,
		       .remote_port = 5432,
		       .reason = BH_R_DEFAULT_DENY,
		       .type = BH_EVENT_DENY,
		       .dir = BH_OUT,
		       .proto = IPPROTO_TCP,
		       .suppressed = 12,
		       .comm = "curl"},
		.cgroup = "/system.slice/web.service",
		.local = "web",
		.remote = "world",
		.rule = "default/web/egress",
	};
}

/* The value of a field, as the protocol's reader finds it; its bytes end with a NUL. NULL: absent. */
static const char *field(const char *b, size_t n, const char *name)
{
	static char value[BH_ENTRY_MAX];
	const char *end = b + n;

	value[0] = '\0';
	while (b < end) {
		const char *line = memchr(b, '\n', (size_t)(end - b)), *v;
		const char *eq = line ? memchr(b, '=', (size_t)(line - b)) : NULL;
		size_t name_n, bytes = 0;

		assert_non_null(line);
		name_n = (size_t)((eq ? eq : line) - b);
		if (eq) {
			v = eq + 1;
			bytes = (size_t)(line - v);
		} else {
			for (size_t i = 8; i; i--)
				bytes = bytes << 8 | (unsigned char)line[i];
			v = line + 9;
		}
		assert_true(v + bytes < end && v[bytes] == '\n');
		if (strlen(name) == name_n && !memcmp(b, name, name_n)) {
			memcpy(value, v, bytes);
			value[bytes] = '\0';
			return value;
		}
		b = v + bytes + 1;
	}
	return NULL;
}

static const char *in(const struct bh_entry *e, const char *name)
{
	return field(e->b, e->n, name);
}

static void has(const struct bh_entry *e, const char *name, const char *value)
{
	const char *is = in(e, name);

	if (!is)
		fail_msg("no field %s", name);
	assert_string_equal(is, value);
}

static void a_deny_has_all(_unused_ void **state)
{
	struct bh_flow flow = deny();
	struct bh_entry e;

	bh_entry_of(&e, &flow);
	has(&e, "MESSAGE",
	    "denied: web 10.0.0.1:40000 -> world [fd77::2]:5432, tcp, web.service: no rule "
	    "allows it, rule default/web/egress (and 12 alike)");
	has(&e, "MESSAGE_ID", BH_MESSAGE_DENY);
	has(&e, "PRIORITY", "5");
	has(&e, "SYSLOG_IDENTIFIER", "bulkhead");
	has(&e, "BULKHEAD_TYPE", "deny");
	has(&e, "BULKHEAD_VERDICT", "denied");
	has(&e, "BULKHEAD_REASON", "default_deny");
	has(&e, "BULKHEAD_RULE", "default/web/egress");
	has(&e, "BULKHEAD_GENERATION", "7");
	has(&e, "BULKHEAD_DIRECTION", "egress");
	has(&e, "BULKHEAD_PROTO", "tcp");
	has(&e, "BULKHEAD_SRC_IP", "10.0.0.1");
	has(&e, "BULKHEAD_SRC_PORT", "40000");
	has(&e, "BULKHEAD_SRC_SEGMENT", "web");
	has(&e, "BULKHEAD_SRC_IDENTITY", "20");
	has(&e, "BULKHEAD_DST_IP", "fd77::2");
	has(&e, "BULKHEAD_DST_PORT", "5432");
	has(&e, "BULKHEAD_DST_SEGMENT", "world");
	has(&e, "BULKHEAD_UNIT", "web.service");
	has(&e, "BULKHEAD_CGROUP", "/system.slice/web.service");
	has(&e, "BULKHEAD_PID", "4711");
	has(&e, "BULKHEAD_UID", "33");
	has(&e, "BULKHEAD_COMM", "curl");
	has(&e, "BULKHEAD_SUPPRESSED", "12");
	assert_null(in(&e, "BULKHEAD_BYTES_IN"));
	flow.ev.dir = BH_IN;
	flow.ev.type = BH_EVENT_END;
	flow.ev.bytes[BH_OUT] = 1ull << 40;
	flow.ev.reason = BH_R_ALLOW;
	bh_entry_of(&e, &flow);
	has(&e, "BULKHEAD_SRC_IP", "fd77::2");
	has(&e, "BULKHEAD_DST_SEGMENT", "web");
	has(&e, "BULKHEAD_VERDICT", "allowed");
	has(&e, "BULKHEAD_BYTES_OUT", "1099511627776");
}

/* Nobody gets a field of his choice in, and no terminal is moved. */
static void hostile_names(_unused_ void **state)
{
	static const char cgroup[] =
		"/system.slice/a\nBULKHEAD_VERDICT=allowed\n\x1b[2J\xff.service";
	struct bh_flow flow = deny();
	struct bh_entry e;

	flow.cgroup = cgroup;
	flow.remote = "w\nPRIORITY=0";
	memcpy(flow.ev.comm, "c\0url\nx=0123456", BH_COMM_MAX);
	bh_entry_of(&e, &flow);
	has(&e, "BULKHEAD_CGROUP", cgroup);
	has(&e, "BULKHEAD_UNIT", cgroup + strlen("/system.slice/"));
	has(&e, "BULKHEAD_DST_SEGMENT", "w\nPRIORITY=0");
	has(&e, "BULKHEAD_COMM", "c");
	has(&e, "BULKHEAD_VERDICT", "denied");
	has(&e, "PRIORITY", "5");
	assert_null(strpbrk(in(&e, "MESSAGE"), "\n\x1b\xff"));
	memset(flow.ev.comm, 'z', BH_COMM_MAX);
	bh_entry_of(&e, &flow);
	has(&e, "BULKHEAD_COMM", "zzzzzzzzzzzzzzzz");
}

static void what_finds_no_room_is_left_out(_unused_ void **state)
{
	static char cgroup[2 * BH_ENTRY_MAX];
	struct bh_flow flow = deny();
	struct bh_entry e;

	memset(cgroup, 'x', sizeof(cgroup) - 1);
	flow.cgroup = cgroup;
	bh_entry_of(&e, &flow);
	assert_null(in(&e, "BULKHEAD_CGROUP"));
	has(&e, "BULKHEAD_COMM", "curl");
}

/* --- the sink --------------------------------------------------------------------------------- */

static char dir[] = "/tmp/bh-journal-XXXXXX", path[64];

static int setup(_unused_ void **state)
{
	strcpy(dir + sizeof(dir) - 7, "XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/socket", dir);
	return 0;
}

static int teardown(_unused_ void **state)
{
	(void)unlink(path);
	return rmdir(dir);
}

static int listen_there(void)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

static struct bh_sink *opened(void)
{
	struct bh_sink *s = bh_sink_journal_new(
		&(struct bh_journal_opts){.socket = path, .events = 1u << BH_EVENT_DENY});

	assert_non_null(s);
	return s;
}

static void feed(struct bh_sink *s, size_t n, bool ticks)
{
	struct bh_flow flow = deny();

	for (size_t i = 0; i < n; i++) {
		s->ops->flow(s, &flow);
		if (ticks)
			s->ops->tick(s, 0);
	}
}

/* Entries that are there; the last is in @last. */
static size_t heard(int fd, struct bh_entry *last)
{
	size_t n = 0;
	ssize_t bytes;

	while ((bytes = recv(fd, last->b, sizeof(last->b), 0)) > 0) {
		last->n = (size_t)bytes;
		n++;
	}
	return n;
}

static void a_flood_has_an_end(_unused_ void **state)
{
	/* few at a time: a socket's queue has room for ten */
	_cleanup_close_ int fd = listen_there();
	struct bh_sink *s = opened();
	struct bh_flow end = deny();
	struct bh_entry e;
	size_t n = 0;

	for (size_t i = 0; i < 20; i++) {
		feed(s, 5, false);
		n += heard(fd, &e);
	}
	feed(s, 900, false);
	end.ev.type = BH_EVENT_END;
	s->ops->flow(s, &end);
	assert_int_equal(n, 100);
	assert_int_equal(heard(fd, &e), 0);
	assert_int_equal(s->count.taken, 1000);
	assert_int_equal(s->count.written, 100);
	assert_int_equal(s->count.lost, 900);
	assert_int_equal(s->count.skipped, 1);
	s->ops->tick(s, 0);
	assert_int_equal(heard(fd, &e), 1);
	has(&e, "MESSAGE_ID", BH_MESSAGE_LOSS);
	has(&e, "BULKHEAD_TYPE", "loss");
	has(&e, "BULKHEAD_LOST", "900");
	has(&e, "BULKHEAD_LOST_LIMIT", "900");
	assert_string_equal(s->trouble, "");
	/* and when it goes on: ten a second, what is lost is told in ten */
	n = 0;
	for (size_t i = 0; i < 9; i++) {
		feed(s, 50, false);
		n += heard(fd, &e);
		s->ops->tick(s, 0);
	}
	assert_int_equal(n, 90);
	has(&e, "MESSAGE_ID", BH_MESSAGE_DENY);
	s->ops->tick(s, 0);
	assert_int_equal(heard(fd, &e), 1);
	has(&e, "BULKHEAD_LOST", "360");
	assert_int_equal(s->count.taken, s->count.written + s->count.lost);
	s->ops->close(s);
}

static void a_stuck_one_costs_no_time(_unused_ void **state)
{
	_cleanup_close_ int fd = listen_there();
	struct bh_sink *s = opened();
	struct timespec from, to;
	struct bh_entry e;
	size_t queued;

	(void)clock_gettime(CLOCK_MONOTONIC, &from);
	feed(s, 5000, true);
	(void)clock_gettime(CLOCK_MONOTONIC, &to);
	assert_in_range(to.tv_sec - from.tv_sec, 0, 20);
	assert_int_equal(s->count.taken, 5000);
	assert_int_equal(s->count.written + s->count.lost, 5000);
	assert_true(s->count.lost > 0);
	assert_non_null(strstr(s->trouble, "does not take entries"));
	queued = heard(fd, &e);
	assert_true(queued >= s->count.written);
	s->ops->tick(s, 0);
	assert_string_equal(s->trouble, "");
	assert_int_equal(heard(fd, &e), 1);
	has(&e, "BULKHEAD_TYPE", "loss");
	assert_int_equal(strtoull(in(&e, "BULKHEAD_LOST_REFUSED"), NULL, 10), s->count.lost);
	s->ops->close(s);
}

static void none_is_there(_unused_ void **state)
{
	struct bh_sink *s = opened();
	struct bh_entry e;
	int fd;

	assert_non_null(strstr(s->trouble, "no journal to write to"));
	feed(s, 3, true);
	assert_int_equal(s->count.lost, 3);
	assert_non_null(strstr(s->trouble, "No such file"));
	fd = listen_there();
	s->ops->tick(s, 0);
	assert_string_equal(s->trouble, "");
	feed(s, 1, false);
	assert_int_equal(heard(fd, &e), 2);
	assert_int_equal(s->count.written, 1);
	s->ops->close(s);
	close(fd);
}

static void whose_it_is(_unused_ void **state)
{
	(void)unsetenv("JOURNAL_STREAM");
	assert_false(bh_journal_is_ours());
	(void)setenv("JOURNAL_STREAM", "1:2", 1);
	assert_false(bh_journal_is_ours());
	(void)setenv("JOURNAL_STREAM", "x", 1);
	assert_false(bh_journal_is_ours());
	(void)unsetenv("JOURNAL_STREAM");
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_deny_has_all),
		cmocka_unit_test(hostile_names),
		cmocka_unit_test(what_finds_no_room_is_left_out),
		TEST(a_flood_has_an_end),
		TEST(a_stuck_one_costs_no_time),
		TEST(none_is_there),
		cmocka_unit_test(whose_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
