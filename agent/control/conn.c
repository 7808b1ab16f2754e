/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conn.c - one client of the control socket: bytes in to requests, answers to bytes out. It
 * has 5 s for a request to arrive whole, and 5 s to read something of an answer. An answer that may
 * take long is made by a child (aside.c); meanwhile the client waits, and the loop goes on.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include "server_internal.h"

#define READ_BYTES (64u << 10)

static int on_timer(sd_event_source *source, uint64_t usec, void *arg);
static int on_io(sd_event_source *source, int fd, uint32_t revents, void *arg);
static int go_on(struct bh_conn *c);

void bh_conn_free(struct bh_conn *c)
{
	struct bh_server *s;
	bool had_child;

	if (!c)
		return;
	s = c->server;
	had_child = c->aside;
	bh_aside_end(c->aside);
	/* it went before its answer was written: what was promised is done all the same */
	if (c->after)
		c->after(c->server->agent);
	sd_event_source_disable_unref(c->io);
	sd_event_source_disable_unref(c->timer);
	(void)close(c->fd);
	free(c->in.v);
	free(c->out.v);
	free(c->follow_ctx);
	*c->place = NULL;
	free(c);
	if (had_child)
		bh_server_aside_ended(s);
}

/* From now, once. */
static int set_deadline(struct bh_conn *c)
{
	bool waits = c->aside || c->queued;
	int r = sd_event_source_set_time_relative(
		c->timer, (waits ? BH_PROTO_ASIDE_MS : BH_PROTO_REQUEST_MS) * 1000ull);

	return r < 0 ? r : sd_event_source_set_enabled(c->timer, SD_EVENT_ONESHOT);
}

int bh_conn_new(struct bh_server *s, int fd, struct bh_guest who, struct bh_conn **place)
{
	struct bh_conn *c = calloc(1, sizeof(*c));
	sd_event *event = s->agent->event;
	int r;

	if (!c)
		return -ENOMEM;
	c->server = s;
	c->place = place;
	c->uid = who.uid;
	c->operator= who.operator;
	r = sd_event_add_io(event, &c->io, fd, EPOLLIN, on_io, c);
	if (r >= 0 && who.operator)
		r = sd_event_source_set_priority(c->io, BH_CONN_FIRST);
	if (r >= 0)
		r = sd_event_add_time_relative(event, &c->timer, CLOCK_MONOTONIC,
					       BH_PROTO_REQUEST_MS * 1000ull, 0, on_timer, c);
	if (r < 0) {
		sd_event_source_disable_unref(c->io);
		free(c);
		return r;
	}
	/* from here on the descriptor is ours */
	c->fd = fd;
	*place = c;
	return 0;
}

/* --- out ----------------------------------------------------------------------------------- */

static int bytes_add(struct bh_bytes *b, const void *data, size_t n)
{
	if (b->at && b->at == b->n)
		b->at = b->n = 0;
	if (b->n + n > b->room) {
		size_t room = MAX(b->n + n, b->room * 2);
		char *v = realloc(b->v, room);

		if (!v)
			return -ENOMEM;
		b->v = v;
		b->room = room;
	}
	memcpy(b->v + b->n, data, n);
	b->n += n;
	return 0;
}

static void bytes_clear(struct bh_bytes *b)
{
	free(b->v);
	*b = (struct bh_bytes){0};
}

static bool waits(const struct bh_conn *c)
{
	return c->out.at < c->out.n;
}

/* As much as the socket takes. Return: 0, or -errno when the client is lost. */
static int flush(struct bh_conn *c)
{
	while (waits(c)) {
		ssize_t n = send(c->fd, c->out.v + c->out.at, c->out.n - c->out.at,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		c->out.at += (size_t)n;
		/* it reads: the clock begins anew */
		(void)set_deadline(c);
	}
	bytes_clear(&c->out);
	return 0;
}

static int send_line(struct bh_conn *c, const char *line)
{
	int r = bytes_add(&c->out, line, strlen(line));

	return r < 0 ? r : flush(c);
}

/* --- in ------------------------------------------------------------------------------------ */

static int answer(struct bh_conn *c, struct bh_reply *reply)
{
	_cleanup_free_ char *line = bh_reply_line(reply);

	if (!line)
		return -ENOMEM;
	c->after = reply->after;
	if (reply->follow) {
		c->follow = reply->follow;
		c->follow_ctx = TAKE_PTR(reply->follow_ctx);
	}
	c->follow_records = reply->follow_records;
	return send_line(c, line);
}

static int refuse(struct bh_conn *c, int code, const char *text)
{
	_cleanup_(bh_reply_clear) struct bh_reply reply = {0};

	(void)bh_reply_fail(&reply, code, NULL, "%s", text);
	c->last = true;
	return answer(c, &reply);
}

/* What the child has made. */
static void on_answer(void *arg, char *line, size_t n)
{
	struct bh_conn *c = arg;
	struct bh_server *s = c->server;
	int r;

	bh_aside_end(c->aside);
	c->aside = NULL;
	if (line)
		r = bytes_add(&c->out, line, n);
	else
		r = refuse(c, BH_EXIT_FAILED, "the answer could not be made: try again");
	if (r == 0)
		r = flush(c);
	if (r == 0)
		r = set_deadline(c);
	if (r == 0)
		r = go_on(c);
	if (r < 0)
		bh_conn_free(c);
	bh_server_aside_ended(s);
}

/* By a child. Return: 1: it is at it, or the request waits for one; 0: there is none to be had. */
static int run_aside(struct bh_conn *c, const struct bh_request *req)
{
	struct bh_server *s = c->server;

	c->queued = s->n_aside >= BH_ASIDE_MAX;
	if (c->queued)
		return 1;
	if (bh_aside_begin(s->agent, req, on_answer, c, &c->aside) < 0)
		return 0;
	s->n_aside++;
	return 1;
}

static int run_line(struct bh_conn *c, const char *line, size_t bytes)
{
	_cleanup_(bh_reply_clear) struct bh_reply reply = {0};
	_cleanup_(bh_request_clear) struct bh_request req = {0};
	_cleanup_(bh_caller_clear) struct bh_caller caller = {0};
	struct bh_server *s = c->server;
	bool known = bh_caller_read(s->agent, c->fd, &caller) == 0;

	if (!bh_request_read(&s->verbs, line, bytes, known ? &caller : NULL, &req, &reply))
		return answer(c, &reply);
	if (bh_request_is_aside(&req) && run_aside(c, &req))
		return 0;
	bh_request_answer(s->agent, &req, &reply);
	bh_request_record(s->agent, &req, &reply);
	if ((reply.follow || reply.follow_records) && !bh_server_may_follow(s)) {
		bh_reply_clear(&reply);
		(void)bh_reply_fail(&reply, BH_EXIT_FAILED, "try again later",
				    "as many clients follow as the agent takes");
	}
	return answer(c, &reply);
}

/* Where the first request ends, NULL if none is whole. */
static char *line_end(struct bh_conn *c)
{
	char *end = NULL;

	if (c->in.n > c->searched)
		end = memchr(c->in.v + c->searched, '\n', c->in.n - c->searched);
	c->searched = end ? (size_t)(end - c->in.v) : c->in.n;
	return end;
}

static bool may_run(struct bh_conn *c)
{
	return !waits(c) && !c->aside && !c->queued && !c->last && !bh_conn_follows(c) &&
	       line_end(c);
}

/* One request, then others have their turn: a thousand may be in the buffer. */
static int run_next(struct bh_conn *c)
{
	char *end;
	int r;

	if (!may_run(c))
		return 0;
	end = line_end(c);
	r = run_line(c, c->in.v, (size_t)(end - c->in.v));
	if (r == 0 && c->queued)
		return set_deadline(c);
	c->in.n -= (size_t)(end - c->in.v) + 1;
	memmove(c->in.v, end + 1, c->in.n);
	c->searched = 0;
	if (!c->in.n)
		bytes_clear(&c->in);
	return r < 0 ? r : set_deadline(c);
}

/* Return: 0, or -errno when the client is lost. */
static int read_some(struct bh_conn *c)
{
	char buf[READ_BYTES];
	/* no room for control data: descriptors that come along are closed by the kernel */
	ssize_t n = recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT);
	size_t whole;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0) {
		c->eof = true;
		return 0;
	}
	/* who follows has nothing more to say */
	if (bh_conn_follows(c) || c->last)
		return 0;
	whole = c->in.n + (size_t)n;
	if (whole > BH_PROTO_MAX_REQUEST && !memchr(buf, '\n', (size_t)n)) {
		if (!c->in.n || whole > bh_request_room(&c->server->verbs, c->in.v, c->in.n))
			return refuse(c, BH_EXIT_USAGE,
				      "the request is too long (64 KiB, with a map 4.5 MiB)");
		if (bh_server_bytes_in(c->server, c->operator) + (size_t)n > BH_SERVER_MAX_BYTES_IN)
			return refuse(c, BH_EXIT_FAILED,
				      "too many long requests at once: try again");
	}
	return bytes_add(&c->in, buf, (size_t)n);
}

/* --- events -------------------------------------------------------------------------------- */

/* An operator goes first, also when he leaves; not with all that he sent at once. */
static int set_turn(struct bh_conn *c)
{
	return sd_event_source_set_priority(
		c->io, c->operator&& !may_run(c) ? BH_CONN_FIRST : SD_EVENT_PRIORITY_NORMAL);
}

/* What to wait for next. Return: 0, or -errno when the client is done. */
static int go_on(struct bh_conn *c)
{
	/* with a request in the buffer there is nothing to wait for: it may always write */
	bool busy = waits(c) || may_run(c);
	uint32_t events = busy ? EPOLLOUT : EPOLLIN;

	/* of one that waits for a child only that it hangs up is of interest */
	if (c->aside || c->queued)
		return sd_event_source_set_io_events(c->io, 0);
	if (!waits(c) && c->after) {
		c->after(c->server->agent);
		c->after = NULL;
	}
	if (!busy && (c->last || c->eof))
		return -ECONNRESET;
	/* so that it is seen when one that follows hangs up */
	if (bh_conn_follows(c) && !c->eof)
		events |= EPOLLIN;
	if (bh_conn_follows(c) && !busy)
		(void)sd_event_source_set_enabled(c->timer, SD_EVENT_OFF);
	(void)set_turn(c);
	return sd_event_source_set_io_events(c->io, events);
}

static int on_io(_unused_ sd_event_source *source, _unused_ int fd, uint32_t revents, void *arg)
{
	struct bh_conn *c = arg;
	int r = 0;

	/* both directions are gone: nobody reads the answer */
	if (revents & (EPOLLERR | EPOLLHUP) && !(revents & EPOLLIN))
		r = -ECONNRESET;
	if (r == 0 && (revents & EPOLLOUT))
		r = flush(c);
	if (r == 0 && (revents & EPOLLIN))
		r = read_some(c);
	if (r == 0)
		r = run_next(c);
	if (r == 0)
		r = go_on(c);
	if (r < 0)
		bh_conn_free(c);
	return 0;
}

static int on_timer(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *arg)
{
	struct bh_conn *c = arg;

	if (c->aside || c->queued)
		(void)refuse(c, BH_EXIT_FAILED, "the answer took too long: try again later");
	else if (!waits(c) && c->in.n)
		(void)refuse(c, BH_EXIT_USAGE, "the request did not arrive whole within 5 s");
	bh_conn_free(c);
	return 0;
}

void bh_conn_resume(struct bh_conn *c)
{
	int r;

	c->queued = false;
	r = run_next(c);
	if (r == 0)
		r = go_on(c);
	if (r < 0)
		bh_conn_free(c);
}

/* Who reads too slowly is dropped: what waits for him is bounded. */
static void tell(struct bh_conn *c, const char *line)
{
	bool waited = waits(c);
	int r = c->out.n - c->out.at > BH_CONN_MAX_BEHIND ? -ENOBUFS : send_line(c, line);

	if (r == 0 && waits(c) && !waited)
		r = set_deadline(c);
	if (r == 0)
		r = go_on(c);
	if (r < 0)
		bh_conn_free(c);
}

void bh_conn_event(struct bh_conn *c, const struct bh_event *ev)
{
	json_auto_t *row = c->follow(c->server->agent, ev, c->follow_ctx), *all = NULL;
	_cleanup_free_ char *text = NULL, *line = NULL;

	if (!row)
		return;
	all = json_pack("{s:O}", "event", row);
	text = all ? json_dumps(all, JSON_COMPACT) : NULL;
	if (!text || asprintf(&line, "%s\n", text) < 0) {
		line = NULL;
		return;
	}
	tell(c, line);
}

/* As it stands in the log, byte for byte: its hash is over these. */
void bh_conn_record(struct bh_conn *c, const char *record)
{
	_cleanup_free_ char *line = NULL;

	if (asprintf(&line, "{\"event\":%.*s}\n", (int)strcspn(record, "\n"), record) < 0) {
		line = NULL;
		/* one that is missing would not be missed: he has to ask again */
		bh_conn_free(c);
		return;
	}
	tell(c, line);
}
