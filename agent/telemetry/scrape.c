/* SPDX-License-Identifier: Apache-2.0 */
/* scrape.c - see scrape.h. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include "../base/cleanup.h"
#include "http.h"
#include "scrape.h"

/* An answer's body, for as many as get it. */
struct body {
	unsigned int refs;
	size_t n;
	char *v;
};

struct conn {
	struct bh_scrape *scrape;
	int fd;
	__u64 number; /* the lowest is the oldest */
	sd_event_source *io, *timer;
	char in[BH_HTTP_MAX_REQUEST];
	size_t n_in;
	char head[BH_HTTP_HEAD];
	size_t n_head, sent; /* of head and body together */
	struct body *body;   /* NULL: there is none, or nothing was asked yet */
	bool said;	     /* all of it: what still comes is not read by anybody */
};

struct bh_scrape {
	int fd;
	sd_event *event;
	sd_event_source *source;
	bh_scrape_fn fn;
	void *ctx;
	struct body *last;
	time_t last_s;
	__u64 number;
	__u64 answers[600];
	struct conn *conn[BH_SCRAPE_MAX];
};

/* --- what is said ---------------------------------------------------------------------------- */

static void body_unref(struct body *b)
{
	if (!b || --b->refs)
		return;
	free(b->v);
	free(b);
}

/* Takes @v over. */
static struct body *body_new(char *v, size_t n)
{
	struct body *b = v ? calloc(1, sizeof(*b)) : NULL;

	if (!b) {
		free(v);
		return NULL;
	}
	*b = (struct body){1, n, v};
	return b;
}

static time_t now_s(void)
{
	struct timespec t = {0};

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

/* However many ask, the metrics are made once in a while. */
static struct body *metrics(struct bh_scrape *s)
{
	time_t now = now_s();
	char *v = NULL;
	size_t n = 0;

	if (!s->last || now - s->last_s >= BH_SCRAPE_FRESH_S) {
		body_unref(s->last);
		s->last = s->fn(s->ctx, &v, &n) < 0 ? NULL : body_new(v, n);
		s->last_s = now;
	}
	if (s->last)
		s->last->refs++;
	return s->last;
}

static struct body *explanation(int status)
{
	char *text = NULL;
	int n = asprintf(&text, "%s%s\n", bh_http_reason(status),
			 status == 404 || status == 405 ? "; ask for GET " BH_HTTP_PATH : "");

	return n < 0 ? NULL : body_new(text, (size_t)n);
}

static void answer(struct conn *c, const struct bh_http_request *req)
{
	struct bh_scrape *s = c->scrape;
	int status = req->status;

	if (status == 200)
		c->body = metrics(s);
	if (status == 200 && !c->body)
		status = 503;
	if (!c->body)
		c->body = explanation(status);
	s->answers[status]++;
	c->n_head = bh_http_head(c->head, status, c->body ? c->body->n : 0);
	if (req->head) {
		body_unref(c->body);
		c->body = NULL;
	}
}

/* --- a connection ---------------------------------------------------------------------------- */

static void conn_free(struct conn *c)
{
	struct bh_scrape *s = c->scrape;

	for (size_t i = 0; i < ARRAY_SIZE(s->conn); i++)
		if (s->conn[i] == c)
			s->conn[i] = NULL;
	sd_event_source_disable_unref(c->io);
	sd_event_source_disable_unref(c->timer);
	bh_closep(&c->fd);
	body_unref(c->body);
	free(c);
}

/* Return: 1 = all is sent, 0 = later, -errno. */
static int send_some(struct conn *c)
{
	size_t all = c->n_head + (c->body ? c->body->n : 0);

	while (c->sent < all) {
		bool head = c->sent < c->n_head;
		const char *at = head ? c->head + c->sent : c->body->v + (c->sent - c->n_head);
		size_t n = (head ? c->n_head : all) - c->sent;
		ssize_t put = send(c->fd, at, n, MSG_NOSIGNAL | (head && c->body ? MSG_MORE : 0));

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return errno == EAGAIN ? 0 : -errno;
		c->sent += (size_t)put;
	}
	return 1;
}

/* Return: how much came, 0 = nothing more will, -EAGAIN, -errno. */
static ssize_t read_some(int fd, char *v, size_t room)
{
	ssize_t n;

	do
		n = recv(fd, v, room, 0);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/*
 * What came and nobody read would become a reset, and the answer might be lost with it: he hangs up
 * first, or his time ends. One piece at each turn, so that others have theirs.
 */
static bool drained(struct conn *c)
{
	char unread[4096];
	ssize_t n = read_some(c->fd, unread, sizeof(unread));

	return n == 0 || (n < 0 && n != -EAGAIN);
}

/* Return: whether there is a whole request in @c->in, or no connection any more (*ret_gone). */
static bool asked(struct conn *c, struct bh_http_request *req, bool *ret_gone)
{
	ssize_t n = read_some(c->fd, c->in + c->n_in, sizeof(c->in) - c->n_in);

	*ret_gone = n == 0 || (n < 0 && n != -EAGAIN);
	if (n <= 0)
		return false;
	c->n_in += (size_t)n;
	return bh_http_parse(c->in, c->n_in, req);
}

/* Return: whether the connection is over. */
static bool go_on(struct conn *c)
{
	struct bh_http_request req;
	bool gone = false;
	int r;

	if (c->said)
		return drained(c);
	if (!c->n_head && asked(c, &req, &gone))
		answer(c, &req);
	if (!c->n_head)
		return gone;
	r = send_some(c);
	if (r == 0)
		r = sd_event_source_set_io_events(c->io, EPOLLOUT);
	else if (r > 0) {
		c->said = true;
		(void)shutdown(c->fd, SHUT_WR);
		r = sd_event_source_set_io_events(c->io, EPOLLIN);
	}
	return r < 0;
}

static int on_conn(_unused_ sd_event_source *source, _unused_ int fd, _unused_ uint32_t revents,
		   void *arg)
{
	struct conn *c = arg;

	if (go_on(c))
		conn_free(c);
	return 0;
}

static int on_late(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *arg)
{
	conn_free(arg);
	return 0;
}

/* --- who comes ------------------------------------------------------------------------------- */

/* A free place, or that of whoever came first: a scraper is long gone by then. */
static struct conn **place(struct bh_scrape *s)
{
	struct conn **oldest = &s->conn[0];

	for (size_t i = 0; i < ARRAY_SIZE(s->conn); i++) {
		if (!s->conn[i])
			return &s->conn[i];
		if (s->conn[i]->number < (*oldest)->number)
			oldest = &s->conn[i];
	}
	conn_free(*oldest);
	return oldest;
}

static void take(struct bh_scrape *s, int fd)
{
	struct conn *c = calloc(1, sizeof(*c));
	int r;

	if (!c) {
		(void)close(fd);
		return;
	}
	*c = (struct conn){.scrape = s, .fd = fd, .number = ++s->number};
	*place(s) = c;
	r = sd_event_add_io(s->event, &c->io, fd, EPOLLIN, on_conn, c);
	if (r >= 0)
		r = sd_event_add_time_relative(s->event, &c->timer, CLOCK_MONOTONIC, BH_SCRAPE_USEC,
					       100000, on_late, c);
	/* behind all that the agent is there for */
	if (r >= 0)
		r = sd_event_source_set_priority(c->io, SD_EVENT_PRIORITY_NORMAL + 10);
	if (r < 0)
		conn_free(c);
}

static int on_connect(_unused_ sd_event_source *source, int fd, _unused_ uint32_t revents,
		      void *arg)
{
	struct bh_scrape *s = arg;
	int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (client >= 0)
		take(s, client);
	return 0;
}

/* --- open, close ----------------------------------------------------------------------------- */

static socklen_t sockaddr_of(const struct bh_addr *addr, __u16 port, struct sockaddr_storage *ret)
{
	static const __u8 mapped[12] = {[10] = 0xff, [11] = 0xff};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	bool is_v4 = !memcmp(addr->b, mapped, sizeof(mapped));

	memcpy(&v4.sin_addr, addr->b + 12, 4);
	memcpy(&v6.sin6_addr, addr->b, 16);
	if (is_v4)
		memcpy(ret, &v4, sizeof(v4));
	else
		memcpy(ret, &v6, sizeof(v6));
	return is_v4 ? sizeof(v4) : sizeof(v6);
}

int bh_scrape_listen(const struct bh_addr *addr, __u16 port)
{
	struct sockaddr_storage sa = {0};
	socklen_t len = sockaddr_of(addr, port, &sa);
	_cleanup_close_ int fd =
		socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int one = 1;

	if (fd < 0)
		return -errno;
	/* what the last agent answered may still be on its way out */
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&sa, len) < 0 || listen(fd, BH_SCRAPE_MAX) < 0)
		return -errno;
	return TAKE_FD(fd);
}

int bh_scrape_open(sd_event *event, int fd, bh_scrape_fn fn, void *ctx, struct bh_scrape **ret)
{
	struct bh_scrape *s = calloc(1, sizeof(*s));
	int r = s ? 0 : -ENOMEM;

	if (r == 0 && fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0)
		r = -errno;
	if (r < 0) {
		free(s);
		return r;
	}
	*s = (struct bh_scrape){.fd = -1, .event = event, .fn = fn, .ctx = ctx};
	r = sd_event_add_io(event, &s->source, fd, EPOLLIN, on_connect, s);
	if (r >= 0)
		r = sd_event_source_set_priority(s->source, SD_EVENT_PRIORITY_NORMAL + 10);
	/* also where no descriptor is left to take one with: he wakes the loop again and again */
	if (r >= 0)
		r = sd_event_source_set_ratelimit(s->source, 100000, 4 * BH_SCRAPE_MAX);
	if (r < 0) {
		bh_scrape_close(s);
		return r;
	}
	s->fd = fd;
	*ret = s;
	return 0;
}

void bh_scrape_close(struct bh_scrape *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(s->conn); i++)
		if (s->conn[i])
			conn_free(s->conn[i]);
	sd_event_source_disable_unref(s->source);
	bh_closep(&s->fd);
	body_unref(s->last);
	free(s);
}

__u64 bh_scrape_answers(const struct bh_scrape *s, int status)
{
	return s && status >= 0 && (size_t)status < ARRAY_SIZE(s->answers) ? s->answers[status] : 0;
}
