/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control_server.c - hostile clients on the real socket: slow, silent, too many, too long, with
 * descriptors, never reading. Tests agent/control/server.c and conn.c in one process: a client
 * does something, then the loop runs until there is nothing left to do.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <cmocka.h>
#include "../../agent/control/server_internal.h"
#include "fakeagent.h"

static int runs, afters;
static size_t answer_bytes;

static int run_look(_unused_ struct bh_agent *a, _unused_ const struct bh_call *call,
		    struct bh_reply *reply)
{
	_cleanup_free_ char *long_text = calloc(1, answer_bytes + 1);

	runs++;
	memset(long_text, 'x', answer_bytes);
	reply->data = json_pack("{s:s}", "answer", long_text);
	return 0;
}

static json_t *on_follow(_unused_ struct bh_agent *a, const struct bh_event *ev, _unused_ void *ctx)
{
	char big[2000];

	if (ev->type == BH_EVENT_END)
		return NULL;
	memset(big, 'e', sizeof(big));
	return json_pack("{s:i s:s#}", "rule", (int)ev->rule, "pad", big, (int)sizeof(big));
}

static int run_follow(_unused_ struct bh_agent *a, _unused_ const struct bh_call *call,
		      struct bh_reply *reply)
{
	reply->follow = on_follow;
	reply->follow_ctx = strdup("context");
	return 0;
}

static void after(_unused_ struct bh_agent *a)
{
	afters++;
}

static int run_leave(_unused_ struct bh_agent *a, _unused_ const struct bh_call *call,
		     struct bh_reply *reply)
{
	reply->after = after;
	return 0;
}

static const char *const args[] = {"text", NULL};
static const struct bh_verb look = {.name = "look", .run = run_look};
static const struct bh_verb take = {
	.name = "take", .run = run_look, .args = args, .max_bytes = BH_PROTO_MAX_APPLY};
static const struct bh_verb follow = {.name = "follow", .run = run_follow};
static const struct bh_verb leave = {.name = "leave", .run = run_leave};
static const struct bh_verb *const verbs[] = {&look, &take, &follow, &leave};

/* --- rig ---------------------------------------------------------------------------------------- */

static int setup(void **state)
{
	struct bh_agent *a = test_agent_new();
	_cleanup_diags_ struct bh_diags d = {0};

	assert_int_equal(sd_event_new(&a->event), 0);
	assert_int_equal(bh_server_open(a, &d, &a->server), 0);
	a->server->verbs = (struct bh_verb_table){verbs, ARRAY_SIZE(verbs)};
	runs = afters = 0;
	answer_bytes = 3;
	*state = a;
	return 0;
}

static int teardown(void **state)
{
	struct bh_agent *a = *state;
	char path[96];

	bh_server_close(a->server);
	a->server = NULL;
	snprintf(path, sizeof(path), "%s/control.sock", test_dir);
	assert_int_equal(access(path, F_OK), -1);
	test_agent_free(a);
	return 0;
}

static void pump(struct bh_agent *a)
{
	while (sd_event_run(a->event, 0) > 0)
		;
}

static int client(struct bh_agent *a)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/control.sock", test_dir);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	pump(a);
	return fd;
}

static void say(struct bh_agent *a, int fd, const char *text)
{
	size_t n = strlen(text);

	while (n) {
		ssize_t sent = send(fd, text, n, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent > 0) {
			text += sent;
			n -= (size_t)sent;
		} else if (errno != EAGAIN) {
			break;
		}
		pump(a);
	}
	pump(a);
}

/* What has come, up to @max bytes; *ret_eof tells whether that was all there will ever be. */
static char *hear(struct bh_agent *a, int fd, bool *ret_eof)
{
	size_t n = 0, room = 1 << 20;
	char *text = malloc(room + 1);
	ssize_t got;

	*ret_eof = false;
	for (;;) {
		pump(a);
		if (n == room)
			text = realloc(text, (room *= 2) + 1);
		got = recv(fd, text + n, room - n, MSG_DONTWAIT);
		if (got <= 0)
			break;
		n += (size_t)got;
	}
	*ret_eof = got == 0 || errno == ECONNRESET;
	text[n] = '\0';
	return text;
}

static size_t count(const char *text, char c)
{
	size_t n = 0;

	for (; *text; text++)
		n += *text == c;
	return n;
}

static void expect(struct bh_agent *a, int fd, const char *part, bool hung_up)
{
	bool eof;
	_cleanup_free_ char *text = hear(a, fd, &eof);

	if (!strstr(text, part))
		fail_msg("'%s' is not in '%.300s'", part, text);
	if (eof != hung_up)
		fail_msg("hung up: %d, expected %d", eof, hung_up);
}

static size_t clients(const struct bh_agent *a)
{
	size_t n = 0;

	for (size_t i = 0; i < BH_PROTO_MAX_CLIENTS; i++)
		n += a->server->client[i] != NULL;
	return n;
}

/* As root, or in the group, a request is answered; the tests also run as anybody. */
static bool may_read(void)
{
	return geteuid() == 0;
}

static const char *good(void)
{
	return may_read() ? "{\"ok\":true" : "is refused";
}

/* --- what clients do ------------------------------------------------------------------------------ */

static void asks(void **state)
{
	struct bh_agent *a = *state;
	int fd = client(a);

	say(a, fd, "{\"verb\":\"look\"}\n");
	expect(a, fd, good(), false);
	/* and again on the same connection */
	say(a, fd, "{\"verb\":\"look\"}\n");
	expect(a, fd, good(), false);
	close(fd);
	pump(a);
	assert_int_equal(clients(a), 0);
}

static void byte_by_byte(void **state)
{
	static const char request[] = "{\"verb\":\"look\"}\n";
	struct bh_agent *a = *state;
	int fd = client(a);

	for (const char *s = request; *s; s++) {
		char one[2] = {*s, '\0'};

		say(a, fd, one);
	}
	expect(a, fd, good(), false);
	close(fd);
}

static void many_at_once(void **state)
{
	struct bh_agent *a = *state;
	char text[1000 * 16 + 1];
	bool eof;
	char *answers;
	int fd = client(a);

	text[0] = '\0';
	for (int i = 0; i < 1000; i++)
		strcpy(text + i * 16, "{\"verb\":\"look\"}\n");
	say(a, fd, text);
	answers = hear(a, fd, &eof);
	assert_int_equal(count(answers, '\n'), 1000);
	assert_false(eof);
	free(answers);
	/* half closed: it still wants the answers */
	say(a, fd, text);
	shutdown(fd, SHUT_WR);
	answers = hear(a, fd, &eof);
	assert_int_equal(count(answers, '\n'), 1000);
	assert_true(eof);
	free(answers);
	close(fd);
}

static void gone_before_the_answer(void **state)
{
	struct bh_agent *a = *state;

	for (int i = 0; i < 100; i++) {
		int fd = client(a);

		assert_int_equal(send(fd, "{\"verb\":\"look\"}\n", 16, MSG_NOSIGNAL), 16);
		close(fd);
	}
	pump(a);
	assert_int_equal(clients(a), 0);
}

static void garbage(void **state)
{
	struct bh_agent *a = *state;
	int fd = client(a);

	for (int i = 1; i < 256; i++) {
		char text[3] = {(char)i, '\n', '\0'};

		say(a, fd, text);
	}
	assert_int_equal(send(fd, "\0\0\0\n", 4, MSG_NOSIGNAL), 4);
	expect(a, fd, "no JSON", false);
	say(a, fd, "{\"verb\":\"look\"}\n");
	expect(a, fd, good(), false);
	close(fd);
}

static void too_long(void **state)
{
	struct bh_agent *a = *state;
	_cleanup_free_ char *text = calloc(1, BH_PROTO_MAX_APPLY + 100);
	int fd = client(a);

	/* without a newline, and no verb that takes more */
	memset(text, 'x', BH_PROTO_MAX_REQUEST + 1);
	say(a, fd, text);
	expect(a, fd, "the request is too long", true);
	close(fd);
	/* a map may be long */
	fd = client(a);
	strcpy(text, "{\"verb\":\"take\",\"args\":{\"text\":\"");
	memset(text + strlen(text), 'x', 300000);
	strcat(text, "\"}}\n");
	say(a, fd, text);
	expect(a, fd, good(), false);
	close(fd);
	/* but not longer than that */
	fd = client(a);
	strcpy(text, "{\"verb\":\"take\",\"args\":{\"text\":\"");
	memset(text + strlen(text), 'x', BH_PROTO_MAX_APPLY);
	say(a, fd, text);
	expect(a, fd, "the request is too long", true);
	close(fd);
	pump(a);
	assert_int_equal(clients(a), 0);
}

/* Many long requests that never end: memory has a limit for all of them together. */
static void long_ones_together(void **state)
{
	struct bh_agent *a = *state;
	_cleanup_free_ char *text = calloc(1, 2 << 20);
	int fd[24], refused = 0;

	strcpy(text, "{\"verb\":\"take\",\"args\":{\"text\":\"");
	memset(text + strlen(text), 'x', 1 << 20);
	for (size_t i = 0; i < ARRAY_SIZE(fd); i++) {
		bool eof;
		char *answer;

		fd[i] = client(a);
		say(a, fd[i], text);
		answer = hear(a, fd[i], &eof);
		refused += strstr(answer, "too many long requests") != NULL;
		free(answer);
		assert_true(bh_server_bytes_in(a->server) <= BH_SERVER_MAX_BYTES_IN * 2);
	}
	assert_true(refused > 0);
	assert_true(refused < (int)ARRAY_SIZE(fd));
	for (size_t i = 0; i < ARRAY_SIZE(fd); i++)
		close(fd[i]);
	pump(a);
	assert_int_equal(clients(a), 0);
}

static void too_many(void **state)
{
	struct bh_agent *a = *state;
	size_t places = may_read() ? BH_PROTO_MAX_CLIENTS : BH_PROTO_MAX_CLIENTS - 4;
	int fd[BH_PROTO_MAX_CLIENTS], more;

	for (size_t i = 0; i < places; i++)
		fd[i] = client(a);
	assert_int_equal(clients(a), places);
	more = client(a);
	expect(a, more, "as many clients as it takes", true);
	close(more);
	/* one goes, another has its place */
	close(fd[3]);
	pump(a);
	fd[3] = client(a);
	say(a, fd[3], "{\"verb\":\"look\"}\n");
	expect(a, fd[3], good(), false);
	for (size_t i = 0; i < places; i++)
		close(fd[i]);
	pump(a);
	assert_int_equal(clients(a), 0);
}

static int open_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void sends_descriptors(void **state)
{
	struct bh_agent *a = *state;
	int fd = client(a), before = open_fds(), p[2];
	char space[CMSG_SPACE(2 * sizeof(int))] = {0};
	struct iovec iov = {.iov_base = (char *)"{\"verb\":\"look\"}\n", .iov_len = 16};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = space,
			     .msg_controllen = sizeof(space)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	assert_int_equal(pipe(p), 0);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(p));
	memcpy(CMSG_DATA(c), p, sizeof(p));
	assert_int_equal(sendmsg(fd, &msg, MSG_NOSIGNAL), 16);
	close(p[0]);
	close(p[1]);
	expect(a, fd, good(), false);
	assert_int_equal(open_fds(), before);
	close(fd);
}

/* An answer larger than the socket takes, to one that does not read: others have theirs. */
static void does_not_read(void **state)
{
	struct bh_agent *a = *state;
	int fd = client(a), other = client(a);
	bool eof;
	char *answer;

	if (!may_read())
		skip();
	answer_bytes = 8 << 20;
	say(a, fd, "{\"verb\":\"look\"}\n{\"verb\":\"look\"}\n{\"verb\":\"look\"}\n");
	/* one answer waits: the next request is not begun */
	assert_int_equal(runs, 1);
	answer_bytes = 3;
	say(a, other, "{\"verb\":\"look\"}\n");
	expect(a, other, good(), false);
	answer = hear(a, fd, &eof);
	assert_int_equal(count(answer, '\n'), 3);
	assert_true(strlen(answer) > 8 << 20);
	free(answer);
	close(fd);
	close(other);
}

/* --- time -------------------------------------------------------------------------------------------- */

/* All at once, for they take 5 s each: silent, half a request, an answer that is not read. */
static void too_slow(void **state)
{
	struct bh_agent *a = *state;
	int silent = client(a), half = client(a), deaf = client(a), follower = client(a);
	uint64_t end, now;

	say(a, half, "{\"verb\":");
	if (may_read()) {
		answer_bytes = 8 << 20;
		say(a, deaf, "{\"verb\":\"look\"}\n");
		say(a, follower, "{\"verb\":\"follow\"}\n");
		assert_int_equal(clients(a), 4);
	}
	assert_int_equal(sd_event_now(a->event, CLOCK_MONOTONIC, &now) < 0, 0);
	end = now + BH_PROTO_REQUEST_MS * 1000ull + 500000;
	while (now < end) {
		(void)sd_event_run(a->event, 100000);
		(void)sd_event_now(a->event, CLOCK_MONOTONIC, &now);
	}
	/* who follows may be silent for ever */
	assert_int_equal(clients(a), may_read() ? 1 : 0);
	expect(a, half, "did not arrive whole", true);
	expect(a, silent, "", true);
	close(silent);
	close(half);
	close(deaf);
	close(follower);
}

/* --- followers ------------------------------------------------------------------------------------------ */

static void follows(void **state)
{
	struct bh_event ev = {.type = BH_EVENT_DENY, .rule = 77}, other = {.type = BH_EVENT_END};
	struct bh_agent *a = *state;
	int fd = client(a);

	if (!may_read())
		skip();
	say(a, fd, "{\"verb\":\"follow\"}\n");
	expect(a, fd, "{\"ok\":true", false);
	bh_server_event(a->server, &other);
	bh_server_event(a->server, &ev);
	expect(a, fd, "{\"event\":{\"rule\":77", false);
	/* it has nothing more to say, and is not listened to */
	say(a, fd, "{\"verb\":\"look\"}\n");
	assert_int_equal(runs, 0);
	close(fd);
	pump(a);
	assert_int_equal(clients(a), 0);
	bh_server_event(a->server, &ev);
}

static void follower_falls_behind(void **state)
{
	struct bh_event ev = {.type = BH_EVENT_DENY};
	struct bh_agent *a = *state;
	int slow = client(a), fast = client(a);
	size_t lines = 0;

	if (!may_read())
		skip();
	say(a, slow, "{\"verb\":\"follow\"}\n");
	say(a, fast, "{\"verb\":\"follow\"}\n");
	for (int i = 0; i < 2000; i++) {
		bool eof;
		char *text;

		bh_server_event(a->server, &ev);
		text = hear(a, fast, &eof);
		lines += count(text, '\n');
		free(text);
		assert_false(eof);
	}
	assert_int_equal(lines, 2001);
	/* 4 MB that nobody read */
	assert_int_equal(clients(a), 1);
	close(slow);
	close(fast);
}

static void not_all_may_follow(void **state)
{
	struct bh_agent *a = *state;
	int fd[17];

	if (!may_read())
		skip();
	for (size_t i = 0; i < ARRAY_SIZE(fd); i++) {
		fd[i] = client(a);
		say(a, fd[i], "{\"verb\":\"follow\"}\n");
		expect(a, fd[i], i < 16 ? "{\"ok\":true" : "as many clients follow", false);
	}
	for (size_t i = 0; i < ARRAY_SIZE(fd); i++)
		close(fd[i]);
}

static void after_the_answer(void **state)
{
	struct bh_agent *a = *state;
	int fd = client(a);

	if (!may_read())
		skip();
	say(a, fd, "{\"verb\":\"leave\"}\n");
	expect(a, fd, "{\"ok\":true", false);
	assert_int_equal(afters, 1);
	say(a, fd, "{\"verb\":\"look\"}\n");
	assert_int_equal(afters, 1);
	close(fd);
}

/* It has gone before the answer could be written: what was promised is done all the same. */
static void after_no_answer(void **state)
{
	struct bh_agent *a = *state;
	int fd = client(a);

	if (!may_read())
		skip();
	assert_int_equal(send(fd, "{\"verb\":\"leave\"}\n", 17, MSG_NOSIGNAL), 17);
	close(fd);
	pump(a);
	assert_int_equal(afters, 1);
}

/* --- the socket itself ------------------------------------------------------------------------------------ */

static void a_dead_agents_socket(void **state)
{
	_cleanup_(bh_server_closep) struct bh_server *second = NULL;
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_agent *a = *state;
	struct stat st;
	char path[96];

	/* the lock of the directory is elsewhere: here the file alone is in the way */
	assert_int_equal(bh_server_open(a, &d, &second), 0);
	snprintf(path, sizeof(path), "%s/control.sock", test_dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07, 0);
	assert_true(S_ISSOCK(st.st_mode));
}

static void a_path_too_long(void **state)
{
	_cleanup_(bh_server_closep) struct bh_server *second = NULL;
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_agent *a = *state;
	char *was = a->opts.runtime_dir, longer[200];

	memset(longer, 'd', sizeof(longer) - 1);
	longer[0] = '/';
	longer[sizeof(longer) - 1] = '\0';
	a->opts.runtime_dir = longer;
	assert_int_equal(bh_server_open(a, &d, &second), -ENAMETOOLONG);
	assert_int_equal(d.n_errors, 1);
	a->opts.runtime_dir = was;
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(asks),
		TEST(byte_by_byte),
		TEST(many_at_once),
		TEST(gone_before_the_answer),
		TEST(garbage),
		TEST(too_long),
		TEST(long_ones_together),
		TEST(too_many),
		TEST(sends_descriptors),
		TEST(does_not_read),
		TEST(too_slow),
		TEST(follows),
		TEST(follower_falls_behind),
		TEST(not_all_may_follow),
		TEST(after_the_answer),
		TEST(after_no_answer),
		TEST(a_dead_agents_socket),
		TEST(a_path_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
