/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli_client.c - lines of JSON through a socket: whole, in pieces, several at once, and what is
 * none. What only time shows (silence, a full backlog) is in selftests/cli/agent.bats.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <cmocka.h>
#include "../../agent/base/io.h"
#include "../../tools/bulkhead/client.h"

struct pair {
	struct bh_client c;
	struct bh_diags d;
	int peer;
};

static const struct bh_wait patience = {.first_ms = 1000, .max_bytes = 65536};

static void pair_open(struct pair *p)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	*p = (struct pair){.c = {.path = "/test", .fd = fds[0]}, .peer = fds[1]};
}

static void pair_close(struct pair *p)
{
	bh_client_close(&p->c);
	if (p->peer >= 0)
		close(p->peer);
	bh_diags_clear(&p->d);
}

static void peer_says(struct pair *p, const char *text)
{
	assert_int_equal(bh_write_all(p->peer, text, strlen(text)), 0);
}

static void hears(struct pair *p, const char *expected)
{
	json_t *j = NULL;
	char *text;

	assert_int_equal(bh_client_receive(&p->c, &patience, &p->d, &j), 0);
	text = json_dumps(j, JSON_COMPACT);
	assert_string_equal(text, expected);
	free(text);
	json_decref(j);
}

static void fails(struct pair *p, const struct bh_wait *wait, int r, const char *says)
{
	json_t *j = (json_t *)(uintptr_t)1;

	assert_int_equal(bh_client_receive(&p->c, wait, &p->d, &j), r);
	assert_ptr_equal(j, (void *)(uintptr_t)1);
	assert_int_equal(p->d.n_errors, 1);
	if (!strstr(p->d.list[0].text, says))
		assert_string_equal(p->d.list[0].text, says);
	bh_diags_clear(&p->d);
}

static void test_lines(void **state)
{
	struct pair p;

	(void)state;
	pair_open(&p);
	peer_says(&p, "{\"a\":1}\n{\"b\":2}\n{\"c\":");
	hears(&p, "{\"a\":1}");
	hears(&p, "{\"b\":2}");
	peer_says(&p, "3}\n");
	hears(&p, "{\"c\":3}");
	pair_close(&p);
}

/* Larger than one read, in the smallest pieces: by another process, since a line has a deadline. */
static void test_pieces(void **state)
{
	struct pair p;
	pid_t pid;
	json_t *j = NULL;
	int status;

	(void)state;
	pair_open(&p);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		(void)fcntl(p.peer, F_SETFL, 0);
		for (size_t i = 0; i < 40000; i++)
			if (write(p.peer, i ? "x" : "{\"s\":\"", i ? 1 : 6) < 0)
				_exit(1);
		_exit(write(p.peer, "\"}\n", 3) != 3);
	}
	assert_int_equal(bh_client_receive(&p.c, &patience, &p.d, &j), 0);
	assert_int_equal(json_string_length(json_object_get(j, "s")), 39999);
	json_decref(j);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	pair_close(&p);
}

static void test_no_answers(void **state)
{
	static const char *const lines[] = {
		"\n",
		"nonsense\n",
		"{\"a\":1\n",
		"[]\n",
		"\"text\"\n",
		"7\n",
		"{\"a\":1}{\"b\":2}\n",
		"{\"a\":1,\"a\":2}\n",
		"{\"a\":\"\xff\"}\n",
		"{\"a\":1e999}\n",
	};
	struct pair p;

	(void)state;
	pair_open(&p);
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		print_message("%s", lines[i]);
		peer_says(&p, lines[i]);
		fails(&p, &patience, -EBADMSG, "what came from /test is not an answer");
		pair_close(&p);
		pair_open(&p);
	}
	assert_int_equal(bh_write_all(p.peer, "{\"a\":1}\0\n", 9), 0);
	fails(&p, &patience, -EBADMSG, "is not an answer");
	pair_close(&p);
}

static void test_ends(void **state)
{
	struct bh_wait follow = {.first_ms = -1, .max_bytes = 1 << 20, .goes_on = true};
	struct pair p;

	(void)state;
	pair_open(&p);
	assert_int_equal(shutdown(p.peer, SHUT_WR), 0);
	fails(&p, &patience, -ECONNRESET, "the agent hung up without an answer");
	pair_close(&p);
	pair_open(&p);
	peer_says(&p, "{\"a\":");
	assert_int_equal(shutdown(p.peer, SHUT_WR), 0);
	fails(&p, &patience, -ECONNRESET, "the agent hung up in the middle of its answer");
	pair_close(&p);
	pair_open(&p);
	assert_int_equal(shutdown(p.peer, SHUT_WR), 0);
	fails(&p, &follow, -ECONNRESET, "the agent hung up: it was stopped or restarted");
	pair_close(&p);
}

static void test_too_much(void **state)
{
	struct bh_wait small = {.first_ms = 1000, .max_bytes = 1 << 20};
	_cleanup_free_ char *mebibyte = malloc(1 << 20);
	struct pair p;
	pid_t pid;

	(void)state;
	assert_non_null(mebibyte);
	memset(mebibyte, 'x', 1 << 20);
	pair_open(&p);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		(void)close(p.c.fd);
		(void)fcntl(p.peer, F_SETFL, 0);
		for (int i = 0; i < 64; i++)
			if (send(p.peer, mebibyte, 1 << 20, MSG_NOSIGNAL) < 0)
				break;
		_exit(0);
	}
	fails(&p, &small, -EMSGSIZE, "what came from /test is over 1 MiB: not an answer");
	assert_true(p.c.room <= 4 << 20); /* it was not read on */
	pair_close(&p);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void count_call(void *ctx)
{
	++*(int *)ctx;
}

static void test_silence(void **state)
{
	int calls = 0;
	struct bh_wait quick = {
		.first_ms = 50, .max_bytes = 65536, .slow = count_call, .ctx = &calls};
	struct bh_wait slow = {.first_ms = BH_CLIENT_SILENT_MS + 100,
			       .max_bytes = 65536,
			       .slow = count_call,
			       .ctx = &calls};
	struct pair p;

	(void)state;
	pair_open(&p);
	fails(&p, &quick, -ETIMEDOUT, "the agent at /test has been silent for");
	assert_int_equal(calls, 0);
	fails(&p, &slow, -ETIMEDOUT, "the agent at /test has been silent for");
	assert_int_equal(calls, 1);
	pair_close(&p);
}

static void test_paths(void **state)
{
	char path[200];
	struct bh_client c;
	struct bh_diags d = {};

	(void)state;
	memset(path, 'x', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(bh_client_open(&c, path, &d), -ENAMETOOLONG);
	assert_int_equal(d.n_errors, 1);
	bh_client_close(&c);
	assert_int_equal(bh_client_open(&c, "/nonexistent/control.sock", &d), -ENOENT);
	assert_non_null(strstr(d.list[1].help, "systemctl status bulkhead"));
	bh_client_close(&c);
	assert_int_equal(bh_client_open(&c, "/dev/null", &d), -ECONNREFUSED);
	bh_client_close(&c);
	bh_diags_clear(&d);
}

/* Root goes by a door of his own, where there is one; others could not. */
static void test_the_operators_door(void **state)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int door = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char dir[] = "/tmp/bh-test-XXXXXX", path[64], other[64];
	struct bh_diags d = {};
	struct bh_client c;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/control.sock", dir);
	snprintf(other, sizeof(other), "%s/other.sock", dir);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/operator.sock", dir);
	assert_int_equal(bind(door, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(door, 1), 0);
	assert_int_equal(bh_client_open(&c, path, &d), geteuid() == 0 ? 0 : -ENOENT);
	bh_client_close(&c);
	assert_int_equal(bh_client_open(&c, other, &d), -ENOENT);
	bh_client_close(&c);
	/* nobody listens there any more */
	close(door);
	assert_int_equal(bh_client_open(&c, path, &d), -ENOENT);
	bh_client_close(&c);
	assert_int_equal(unlink(addr.sun_path), 0);
	assert_int_equal(rmdir(dir), 0);
	bh_diags_clear(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),	   cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_no_answers), cmocka_unit_test(test_ends),
		cmocka_unit_test(test_too_much),   cmocka_unit_test(test_silence),
		cmocka_unit_test(test_paths),	   cmocka_unit_test(test_the_operators_door),
	};

	return cmocka_run_group_tests_name("cli_client", tests, NULL, NULL);
}
