/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client.c - see client.h. Called by ask.c, check and flows. Nothing here blocks: a hung agent
 * with a full backlog would hold even connect() for ever.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include "../../agent/control/proto.h"
#include "client.h"

#define RESCUE                                                                                     \
	"the kernel goes on with the last policy; as root `systemctl restart bulkhead` starts a "  \
	"new agent, and `bulkheadd rescue` shows or ends what is pinned without one"

static int64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int say(struct bh_diags *d, int r, const char *help, const char *text)
{
	(void)bh_diag_add(d, BH_ERROR, NULL, help, "%s", text);
	return r;
}

static int silent(const struct bh_client *c, int ms, struct bh_diags *d)
{
	(void)bh_diag_add(d, BH_ERROR, NULL, RESCUE, "the agent at %s has been silent for %d s",
			  c->path, ms / 1000);
	return -ETIMEDOUT;
}

static int no_connection(const struct bh_client *c, int error, struct bh_diags *d)
{
	const char *help = NULL;

	switch (error) {
	case ENOENT:
		help = "is it running? `systemctl status bulkhead`; another place: --control PATH";
		break;
	case ECONNREFUSED:
		help = "the agent is not running; the kernel goes on with the last policy. "
		       "`systemctl start bulkhead`";
		break;
	case EACCES:
	case EPERM:
		help = "reading is for root and the group bulkhead-read, changes are for root";
		break;
	case EPROTOTYPE:
	case ENOTSOCK:
		help = "this is not the agent's socket";
		break;
	}
	(void)bh_diag_add(d, BH_ERROR, NULL, help, "no agent at %s: %s", c->path, strerror(error));
	return -error;
}

/*
 * Root's own socket beside @path, which nobody else can crowd. True if an agent listens there; if
 * none does, or it has no room either, the other one is as good.
 */
static bool open_as_operator(struct bh_client *c, const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	const char *name = strrchr(path, '/');
	size_t dir = name ? (size_t)(name + 1 - path) : 0;

	if (geteuid() != 0 || strcmp(path + dir, BH_CONTROL_SOCKET) != 0 ||
	    snprintf(addr.sun_path, sizeof(addr.sun_path), "%.*s" BH_OPERATOR_SOCKET, (int)dir,
		     path) >= (int)sizeof(addr.sun_path))
		return false;
	return connect(c->fd, (struct sockaddr *)&addr, sizeof(addr)) == 0;
}

int bh_client_open(struct bh_client *c, const char *path, struct bh_diags *d)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int64_t end = now_ms() + BH_CLIENT_SILENT_MS;

	*c = (struct bh_client){.path = path, .fd = -1};
	if (snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path) >=
	    (int)sizeof(addr.sun_path))
		return no_connection(c, ENAMETOOLONG, d);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->fd < 0)
		return no_connection(c, errno, d);
	if (open_as_operator(c, path))
		return 0;
	while (connect(c->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		if (errno == EINTR)
			continue;
		/* unix(7): a full backlog. There is nothing to poll for. */
		if (errno != EAGAIN)
			return no_connection(c, errno, d);
		if (now_ms() >= end)
			return silent(c, BH_CLIENT_SILENT_MS, d);
		(void)poll(NULL, 0, 20);
	}
	return 0;
}

void bh_client_close(struct bh_client *c)
{
	if (c->fd >= 0)
		(void)close(c->fd);
	free(c->buf);
	*c = (struct bh_client){.fd = -1};
}

/* A signal that comes between the look at @stop and the wait ends the wait. */
static int wait_or_stop(struct pollfd *p, const struct timespec *t,
			const volatile sig_atomic_t *stop)
{
	sigset_t block, was;
	int r, error;

	if (!stop)
		return ppoll(p, 1, t, NULL);
	(void)sigemptyset(&block);
	(void)sigaddset(&block, SIGINT);
	(void)sigaddset(&block, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &block, &was);
	errno = EINTR;
	r = *stop ? -1 : ppoll(p, 1, t, &was);
	error = errno;
	(void)sigprocmask(SIG_SETMASK, &was, NULL);
	errno = error;
	return r;
}

/* Return: 0 when @events hold, -ETIMEDOUT; with @stop also -EINTR. */
static int wait_for(int fd, short events, int ms, const volatile sig_atomic_t *stop)
{
	struct pollfd p = {.fd = fd, .events = events};
	int64_t end = now_ms() + ms;

	for (;;) {
		int64_t left = MAX(end - now_ms(), 0);
		struct timespec t = {left / 1000, left % 1000 * 1000000};
		int r = wait_or_stop(&p, ms < 0 ? NULL : &t, stop);

		if (r > 0)
			return 0;
		if (!r)
			return -ETIMEDOUT;
		if (errno != EINTR || (stop && *stop))
			return -errno;
	}
}

int bh_client_send(struct bh_client *c, const char *verb, const json_t *args, struct bh_diags *d)
{
	_cleanup_free_ char *line = NULL;
	json_t *request = json_pack("{s:s s:O*}", "verb", verb, "args", args);
	size_t n, at = 0;

	if (request)
		line = json_dumps(request, JSON_COMPACT);
	json_decref(request);
	if (!line)
		return say(d, -ENOMEM, NULL, "out of memory");
	n = strlen(line);
	line[n++] = '\n'; /* in the place of the NUL */
	while (at < n) {
		ssize_t sent = send(c->fd, line + at, n - at, MSG_NOSIGNAL);

		if (sent >= 0) {
			at += (size_t)sent;
			continue;
		}
		if (errno == EINTR)
			continue;
		/* It hung up on us: the reason may stand in what it sent before. */
		if (errno == EPIPE || errno == ECONNRESET)
			return 0;
		if (errno != EAGAIN)
			return no_connection(c, errno, d);
		if (wait_for(c->fd, POLLOUT, BH_CLIENT_SILENT_MS, NULL) < 0)
			return silent(c, BH_CLIENT_SILENT_MS, d);
	}
	return 0;
}

/* Return: > 0 bytes came, 0 = end, -errno. */
static ssize_t read_more(struct bh_client *c)
{
	ssize_t got;

	if (c->room - c->n < 4096) {
		size_t room = MAX(c->room * 2, (size_t)16384);
		char *p = realloc(c->buf, room);

		if (!p)
			return -ENOMEM;
		c->buf = p;
		c->room = room;
	}
	got = recv(c->fd, c->buf + c->n, c->room - c->n, 0);
	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? -EAGAIN : -errno;
	c->n += (size_t)got;
	return got;
}

/* How long to wait now, of @wait and what came so far. */
struct patience {
	const struct bh_wait *wait;
	int64_t first_byte_ms; /* 0 = nothing came */
	bool told;
};

static int be_patient(struct bh_client *c, struct patience *p, struct bh_diags *d)
{
	const struct bh_wait *w = p->wait;
	bool first = !p->first_byte_ms;
	bool tell = first && w->slow && !p->told && w->first_ms > BH_CLIENT_SILENT_MS;
	int ms = !first || tell ? BH_CLIENT_SILENT_MS : w->first_ms;
	int r;

	if (!first && now_ms() - p->first_byte_ms > BH_CLIENT_TOTAL_MS)
		return say(d, -ETIMEDOUT, RESCUE, "the agent's answer has no end");
	r = wait_for(c->fd, POLLIN, ms, w->stop);
	if (r == -ETIMEDOUT && tell) {
		p->told = true;
		w->slow(w->ctx);
		return 0;
	}
	return r == -ETIMEDOUT ? silent(c, ms, d) : r;
}

static int closed(ssize_t got, size_t had, const struct bh_wait *wait, struct bh_diags *d)
{
	if (got < 0 && got != -ECONNRESET)
		return say(d, (int)got, NULL, strerror((int)-got));
	if (!had && wait->goes_on)
		return say(d, -ECONNRESET, NULL, "the agent hung up: it was stopped or restarted");
	return say(d, -ECONNRESET, "its log says why: `journalctl -u bulkhead -n 20`",
		   had ? "the agent hung up in the middle of its answer"
		       : "the agent hung up without an answer");
}

/* Return: 0 with the length of the first line in @ret, or -errno. */
static int read_line(struct bh_client *c, const struct bh_wait *wait, struct bh_diags *d,
		     size_t *ret)
{
	struct patience p = {.wait = wait, .first_byte_ms = c->n ? now_ms() : 0};
	size_t seen = 0;

	for (;;) {
		const char *end = c->n > seen ? memchr(c->buf + seen, '\n', c->n - seen) : NULL;
		ssize_t got;
		int r;

		if (end) {
			*ret = (size_t)(end - c->buf);
			return 0;
		}
		seen = c->n;
		if (c->n > wait->max_bytes) {
			(void)bh_diag_add(d, BH_ERROR, NULL,
					  "is this the agent's socket? --control PATH",
					  "what came from %s is over %zu MiB: not an answer",
					  c->path, wait->max_bytes >> 20);
			return -EMSGSIZE;
		}
		r = be_patient(c, &p, d);
		if (r < 0)
			return r;
		got = read_more(c);
		if (got == -EAGAIN)
			continue;
		if (got <= 0)
			return closed(got, c->n, wait, d);
		if (!p.first_byte_ms)
			p.first_byte_ms = now_ms();
	}
}

int bh_client_receive(struct bh_client *c, const struct bh_wait *wait, struct bh_diags *d,
		      json_t **ret)
{
	json_error_t error;
	size_t len = 0;
	json_t *line;
	int r = read_line(c, wait, d, &len);

	if (r < 0)
		return r;
	line = json_loadb(c->buf, len, JSON_REJECT_DUPLICATES, &error);
	if (!json_is_object(line)) {
		(void)bh_diag_add(d, BH_ERROR, NULL, "is this the agent's socket? --control PATH",
				  "what came from %s is not an answer: %s", c->path,
				  line ? "not a JSON object" : error.text);
		json_decref(line);
		return -EBADMSG;
	}
	memmove(c->buf, c->buf + len + 1, c->n - len - 1);
	c->n -= len + 1;
	*ret = line;
	return 0;
}

bool bh_client_has_line(const struct bh_client *c)
{
	return c->n && memchr(c->buf, '\n', c->n);
}
