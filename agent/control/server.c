/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server.c - see server.h. One thread, nothing blocks: each client has what it sent so far and
 * what it has not read yet, both with a limit. While an answer waits to be read, the next
 * request waits too. The bytes: conn.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include "server_internal.h"

static int listener_error(struct bh_diags *d, const struct bh_door *door, const char *what, int r)
{
	(void)bh_diag_add(d, BH_ERROR, NULL, NULL, "control socket %s: %s: %s", door->path, what,
			  strerror(-r));
	return r;
}

/*
 * Who may connect. Without the group, or without the right to give files away: root alone. Where
 * the group is the process's own, as in a unit, there is nothing to give.
 */
static void open_to_readers(const struct bh_door *door)
{
	const struct group *gr = getgrnam("bulkhead-read");
	struct stat st;

	if (!gr || stat(door->path, &st) < 0)
		return;
	if (st.st_gid == gr->gr_gid || chown(door->path, (uid_t)-1, gr->gr_gid) == 0)
		(void)chmod(door->path, 0660);
}

/*
 * Who finds it full waits in no order, for ever if others are quicker; who is in it waits for all
 * before him.
 */
#define BACKLOG SOMAXCONN

static int listen_at(struct bh_door *door, bool readers, struct bh_diags *d)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	mode_t mask;
	int r;

	if (strlen(door->path) >= sizeof(addr.sun_path))
		return listener_error(d, door, "the path is too long", -ENAMETOOLONG);
	strcpy(addr.sun_path, door->path);
	door->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (door->fd < 0)
		return listener_error(d, door, "socket", -errno);
	/* the directory is locked: what is there belongs to an agent that is gone */
	if (unlink(door->path) < 0 && errno != ENOENT)
		return listener_error(d, door, "unlink", -errno);
	mask = umask(0177);
	r = bind(door->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ? -errno : 0;
	(void)umask(mask);
	if (r < 0)
		return listener_error(d, door, "bind", r);
	if (readers)
		open_to_readers(door);
	if (listen(door->fd, BACKLOG) < 0)
		return listener_error(d, door, "listen", -errno);
	return 0;
}

/* --- who gets a place ------------------------------------------------------------------------ */

/* The last places are for who may change something: readers can't lock the operator out. */
#define OPERATOR_PLACES 4
/* Nor one user the others. The root of a service is one of them. */
#define USER_PLACES 7
/* As many may follow: they hold their place for long. */
#define FOLLOW_PLACES 16

/*
 * A flood of connections is looked at for so long in a go, and so many goes in a time: the one who
 * stands behind thousands has his turn soon, and those who are in have theirs.
 */
#define GO_NS	  250000
#define GOES	  16
#define GOES_USEC 5000

/* Processes that were seen in this go to be no operator's: they come again and again. */
struct strangers {
	pid_t v[16];
	size_t n;
};

static struct bh_guest guest(struct bh_agent *a, int fd, struct strangers *seen)
{
	struct ucred cred = {.uid = (uid_t)-1};
	socklen_t len = sizeof(cred);
	struct bh_guest who;

	(void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len);
	who = (struct bh_guest){.uid = cred.uid};
	for (size_t i = 0; i < seen->n; i++)
		if (seen->v[i] == cred.pid)
			return who;
	who.operator= bh_caller_is_operator(a, fd);
	if (!who.operator&& seen->n<ARRAY_SIZE(seen->v))
		seen->v[seen->n++] = cred.pid;
	return who;
}

static bool may_enter(const struct bh_server *s, struct bh_guest who)
{
	size_t others = 0, same = 0;

	for (size_t i = 0; i < ARRAY_SIZE(s->client); i++) {
		const struct bh_conn *c = s->client[i];

		others += c && !c->operator;
		same += c && !c->operator&& c->uid == who.uid;
	}
	return who.operator||(others < BH_PROTO_MAX_CLIENTS - OPERATOR_PLACES &&
			      same < USER_PLACES);
}

bool bh_server_may_follow(const struct bh_server *s)
{
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(s->client); i++)
		n += s->client[i] && bh_conn_follows(s->client[i]);
	return n < FOLLOW_PLACES;
}

size_t bh_server_bytes_in(const struct bh_server *s, bool operator)
{
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(s->client); i++)
		if (s->client[i] && s->client[i]->operator== operator)
			n += s->client[i]->in.room;
	return n;
}

void bh_server_forget(struct bh_server *s)
{
	for (size_t i = 0; i < BH_DOORS; i++)
		(void)close(s->door[i].fd);
	for (size_t i = 0; i < ARRAY_SIZE(s->client); i++)
		if (s->client[i])
			(void)close(s->client[i]->fd);
}

void bh_server_aside_ended(struct bh_server *s)
{
	s->n_aside--;
	for (size_t i = 1; i <= ARRAY_SIZE(s->client); i++) {
		size_t at = (s->turn + i) % ARRAY_SIZE(s->client);

		if (!s->client[at] || !s->client[at]->queued)
			continue;
		s->turn = at;
		bh_conn_resume(s->client[at]);
		return;
	}
}

/* Said without waiting: who does not listen does not hear it. */
#define TURN_AWAY(text, help)                                                                      \
	"{\"ok\":false,\"code\":1,\"data\":{},\"diags\":[{\"severity\":\"error\","                 \
	"\"text\":\"" text "\",\"help\":\"" help "\"}]}\n"

static const char full[] = TURN_AWAY("the agent has as many clients as it takes",
				     "try again, or end some that follow");
static const char no_descriptor[] = TURN_AWAY("the agent has no file descriptor left for you",
					      "raise LimitNOFILE of its unit, or try again");

static void turn_away(int fd, const char *text)
{
	char unread[4096];

	(void)send(fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL);
	/* what he said and nobody read would become a reset, and he would not hear why */
	(void)recv(fd, unread, sizeof(unread), MSG_DONTWAIT);
	(void)close(fd);
}

static void take(struct bh_server *s, int fd, struct strangers *seen)
{
	struct bh_guest who;
	char first;

	/* he left while he waited: thousands may have */
	if (recv(fd, &first, 1, MSG_PEEK | MSG_DONTWAIT) == 0) {
		(void)close(fd);
		return;
	}
	who = guest(s->agent, fd, seen);
	for (size_t i = 0; may_enter(s, who) && i < ARRAY_SIZE(s->client); i++) {
		if (s->client[i])
			continue;
		if (bh_conn_new(s, fd, who, &s->client[i]) == 0)
			return;
		break;
	}
	turn_away(fd, full);
}

static int spare_open(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/*
 * Nothing to take clients with: left in the backlog they would wake the loop for ever, and hear
 * nothing. The spare descriptor takes one, says so and is the spare again.
 */
static void turn_next_away(struct bh_server *s, int fd)
{
	int client;

	bh_closep(&s->spare);
	client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (client >= 0)
		turn_away(client, no_descriptor);
	s->spare = spare_open();
}

static int on_connect(_unused_ sd_event_source *source, int fd, _unused_ uint32_t revents,
		      void *arg)
{
	struct bh_server *s = arg;
	struct strangers seen = {0};
	uint64_t end = bh_clock_real.boot_ns() + GO_NS;

	do {
		int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (client < 0) {
			if (errno == EMFILE || errno == ENFILE)
				turn_next_away(s, fd);
			break;
		}
		take(s, client, &seen);
	} while (bh_clock_real.boot_ns() < end);
	return 0;
}

/* --- open, close, tell ------------------------------------------------------------------------ */

static int door_open(struct bh_server *s, enum bh_door_id id, struct bh_diags *d)
{
	static const char *const name[] = {
		[BH_DOOR_READERS] = BH_CONTROL_SOCKET, [BH_DOOR_OPERATOR] = BH_OPERATOR_SOCKET};
	struct bh_door *door = &s->door[id];
	bool readers = id == BH_DOOR_READERS;
	int r;

	if (asprintf(&door->path, "%s/%s", s->agent->opts.runtime_dir, name[id]) < 0) {
		door->path = NULL;
		return -ENOMEM;
	}
	r = listen_at(door, readers, d);
	if (r < 0)
		return r;
	r = sd_event_add_io(s->agent->event, &door->source, door->fd, EPOLLIN, on_connect, s);
	if (r >= 0)
		r = sd_event_source_set_priority(door->source,
						 readers ? BH_DOOR_NEXT : BH_CONN_FIRST);
	/* also where even the spare was lost: nothing can be done but to wait */
	if (r >= 0)
		r = sd_event_source_set_ratelimit(door->source, GOES_USEC, GOES);
	return r < 0 ? listener_error(d, door, "epoll", r) : 0;
}

static void door_close(struct bh_door *door)
{
	sd_event_source_disable_unref(door->source);
	if (door->fd >= 0) {
		(void)close(door->fd);
		(void)unlink(door->path);
	}
	free(door->path);
}

int bh_server_open(struct bh_agent *a, struct bh_diags *d, struct bh_server **ret)
{
	_cleanup_(bh_server_closep) struct bh_server *s = calloc(1, sizeof(*s));
	int r = 0;

	if (!s)
		return -ENOMEM;
	s->agent = a;
	for (size_t i = 0; i < BH_DOORS; i++)
		s->door[i].fd = -1;
	s->spare = spare_open();
	s->verbs = (struct bh_verb_table){bh_verbs, bh_n_verbs};
	for (int i = 0; r == 0 && i < BH_DOORS; i++)
		r = door_open(s, i, d);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(s);
	return 0;
}

void bh_server_close(struct bh_server *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(s->client); i++)
		bh_conn_free(s->client[i]);
	for (size_t i = 0; i < BH_DOORS; i++)
		door_close(&s->door[i]);
	bh_closep(&s->spare);
	free(s);
}

void bh_server_event(struct bh_server *s, const struct bh_event *ev)
{
	for (size_t i = 0; i < ARRAY_SIZE(s->client); i++)
		if (s->client[i] && s->client[i]->follow)
			bh_conn_event(s->client[i], ev);
}

void bh_server_record(struct bh_server *s, const char *record)
{
	for (size_t i = 0; i < ARRAY_SIZE(s->client); i++)
		if (s->client[i] && s->client[i]->follow_records)
			bh_conn_record(s->client[i], record);
}
