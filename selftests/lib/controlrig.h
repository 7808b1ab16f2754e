/* SPDX-License-Identifier: Apache-2.0 */
/*
 * controlrig.h - the control socket with its clients in one process: a client does something,
 * then the loop runs until there is nothing left to do. Include it in one source of a test
 * program.
 */
#ifndef BH_CONTROLRIG_H
#define BH_CONTROLRIG_H

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "../../agent/control/server_internal.h"
#include "fakeagent.h"

/* An agent that listens, with these verbs. */
static struct bh_agent *rig_open(const struct bh_verb *const *verbs, size_t n)
{
	struct bh_agent *a = test_agent_new();
	_cleanup_diags_ struct bh_diags d = {0};

	assert_int_equal(sd_event_new(&a->event), 0);
	assert_int_equal(bh_server_open(a, &d, &a->server), 0);
	a->server->verbs = (struct bh_verb_table){verbs, n};
	/* a client here does not wait */
	for (size_t i = 0; i < BH_DOORS; i++)
		assert_int_equal(sd_event_source_set_ratelimit(a->server->door[i].source, 0, 0), 0);
	return a;
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

_unused_ static const char *good(void)
{
	return may_read() ? "{\"ok\":true" : "is refused";
}

#endif
