/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control_server.c - hostile clients on the real socket: slow, silent, too many, too long, with
 * descriptors, never reading. Tests agent/control/server.c and conn.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <poll.h>
#include <sys/wait.h>
#include "controlrig.h"

static int runs;
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

static int run_hang(_unused_ struct bh_agent *a, _unused_ const struct bh_call *call,
		    _unused_ struct bh_reply *reply)
{
	/* the ends of the clients, which no other process has */
	closefrom(3);
	pause();
	return 0;
}

static int run_die(_unused_ struct bh_agent *a, _unused_ const struct bh_call *call,
		   _unused_ struct bh_reply *reply)
{
	_exit(3);
}

static const char *const args[] = {"text", NULL};
static const struct bh_verb long_one = {.name = "long", .run = run_look, .aside = bh_aside_always};
static const struct bh_verb hang = {.name = "hang", .run = run_hang, .aside = bh_aside_always};
static const struct bh_verb die = {.name = "die", .run = run_die, .aside = bh_aside_always};
static const struct bh_verb look = {.name = "look", .run = run_look};
static const struct bh_verb take = {
	.name = "take", .run = run_look, .args = args, .max_bytes = BH_PROTO_MAX_APPLY};
static const struct bh_verb *const verbs[] = {&look, &take, &long_one, &hang, &die};

static int setup(void **state)
{
	*state = rig_open(verbs, ARRAY_SIZE(verbs));
	runs = 0;
	answer_bytes = 3;
	return 0;
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
		assert_true(bh_server_bytes_in(a->server, a->server->client[0] &&
								  a->server->client[0]->operator) <=
			    BH_SERVER_MAX_BYTES_IN * 2);
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
	int fd[BH_PROTO_MAX_CLIENTS] = {client(a)}, more;
	size_t places = a->server->client[0]->operator? BH_PROTO_MAX_CLIENTS : 7;

	for (size_t i = 1; i < places; i++)
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

/* As another user, all that he can get; ends with the pipe @p. */
static pid_t greedy(struct bh_agent *a, uid_t uid, size_t n, const int p[2])
{
	pid_t pid = fork();
	char byte;

	if (pid == 0) {
		close(p[1]);
		if (setresuid(uid, uid, uid) < 0)
			_exit(1);
		while (n--)
			if (client(a) < 0)
				_exit(1);
		_exit(read(p[0], &byte, 1) < 0);
	}
	return pid;
}

static void one_user_is_not_all(void **state)
{
	struct bh_agent *a = *state;
	char path[96];
	int p[2], fd;
	size_t n = 0;

	if (geteuid() != 0)
		skip();
	assert_int_equal(pipe(p), 0);
	snprintf(path, sizeof(path), "%s/control.sock", test_dir);
	assert_int_equal(chmod(path, 0666), 0);
	assert_int_equal(chmod(test_dir, 0755), 0);
	for (uid_t uid = 4001; uid < 4006; uid++)
		assert_true(greedy(a, uid, 20, p) > 0);
	for (int i = 0; i < 200; i++)
		(void)sd_event_run(a->event, 10000);
	for (size_t i = 0; i < BH_PROTO_MAX_CLIENTS; i++)
		n += a->server->client[i] && a->server->client[i]->uid == 4001;
	assert_int_equal(n, 7);
	/* and all of them are not root */
	assert_int_equal(clients(a), BH_PROTO_MAX_CLIENTS - 4);
	fd = client(a);
	if (a->server->client[BH_PROTO_MAX_CLIENTS - 4]) {
		say(a, fd, "{\"verb\":\"look\"}\n");
		expect(a, fd, good(), false);
	}
	close(fd);
	close(p[1]);
	close(p[0]);
	while (waitpid(-1, NULL, 0) > 0)
		;
	pump(a);
	assert_int_equal(clients(a), 0);
}

/* --- answers that a child makes ----------------------------------------------------------------------- */

static void hear_late(struct bh_agent *a, int fd, const char *part, bool hung_up)
{
	for (int i = 0; i < 500; i++) {
		struct pollfd p = {.fd = fd, .events = POLLIN};

		if (poll(&p, 1, 0) == 1)
			break;
		(void)sd_event_run(a->event, 10000);
	}
	expect(a, fd, part, hung_up);
}

static void aside(void **state)
{
	struct bh_agent *a = *state;
	int fd[6], other = client(a);

	if (!may_read())
		skip();
	answer_bytes = 3 << 20;
	for (size_t i = 0; i < ARRAY_SIZE(fd); i++) {
		fd[i] = client(a);
		say(a, fd[i], "{\"verb\":\"long\"}\n{\"verb\":\"look\"}\n");
	}
	assert_int_equal(a->server->n_aside, BH_ASIDE_MAX);
	assert_int_equal(runs, 0);
	answer_bytes = 3;
	/* the loop goes on */
	say(a, other, "{\"verb\":\"look\"}\n");
	expect(a, other, "{\"ok\":true", false);
	for (size_t i = 0; i < ARRAY_SIZE(fd); i++) {
		hear_late(a, fd[i], "{\"ok\":true,\"code\":0,\"data\":{\"answer\":\"xxx", false);
		close(fd[i]);
	}
	assert_int_equal(runs, 1 + (int)ARRAY_SIZE(fd));
	assert_int_equal(a->server->n_aside, 0);
	close(other);
}

static void aside_and_gone(void **state)
{
	struct bh_agent *a = *state;
	int fd[4];

	if (!may_read())
		skip();
	for (size_t i = 0; i < ARRAY_SIZE(fd); i++) {
		fd[i] = client(a);
		say(a, fd[i], "{\"verb\":\"hang\"}\n");
	}
	assert_int_equal(a->server->n_aside, BH_ASIDE_MAX);
	for (size_t i = 0; i < ARRAY_SIZE(fd); i++)
		close(fd[i]);
	for (int i = 0; clients(a) && i < 500; i++)
		(void)sd_event_run(a->event, 10000);
	assert_int_equal(clients(a), 0);
	assert_int_equal(a->server->n_aside, 0);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	/* one that dies */
	fd[0] = client(a);
	say(a, fd[0], "{\"verb\":\"die\"}\n");
	hear_late(a, fd[0], "could not be made", true);
	close(fd[0]);
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
	int silent = client(a), half = client(a), deaf = client(a);
	uint64_t end, now;

	say(a, half, "{\"verb\":");
	if (may_read()) {
		answer_bytes = 8 << 20;
		say(a, deaf, "{\"verb\":\"look\"}\n");
		assert_int_equal(clients(a), 3);
	}
	assert_int_equal(sd_event_now(a->event, CLOCK_MONOTONIC, &now) < 0, 0);
	end = now + BH_PROTO_REQUEST_MS * 1000ull + 500000;
	while (now < end) {
		(void)sd_event_run(a->event, 100000);
		(void)sd_event_now(a->event, CLOCK_MONOTONIC, &now);
	}
	assert_int_equal(clients(a), 0);
	expect(a, half, "did not arrive whole", true);
	expect(a, silent, "", true);
	close(silent);
	close(half);
	close(deaf);
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

/* Fifty stand before the other one, and came first. */
static void the_operators_door(void **state)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct bh_agent *a = *state;
	int crowd[50], fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct stat st;

	for (size_t i = 0; i < ARRAY_SIZE(crowd); i++) {
		crowd[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/control.sock", test_dir);
		assert_int_equal(connect(crowd[i], (struct sockaddr *)&addr, sizeof(addr)), 0);
	}
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/operator.sock", test_dir);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(stat(addr.sun_path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_true(sd_event_run(a->event, 0) > 0);
	assert_int_equal(clients(a), 1);
	assert_true(sd_event_run(a->event, 0) > 0);
	assert_true(clients(a) > 1);
	close(fd);
	for (size_t i = 0; i < ARRAY_SIZE(crowd); i++)
		close(crowd[i]);
	pump(a);
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
		TEST(one_user_is_not_all),
		TEST(aside),
		TEST(aside_and_gone),
		TEST(sends_descriptors),
		TEST(does_not_read),
		TEST(too_slow),
		TEST(a_dead_agents_socket),
		TEST(the_operators_door),
		TEST(a_path_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
