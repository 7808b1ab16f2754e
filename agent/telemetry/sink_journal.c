/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sink_journal.c - flows to the journal, a datagram each and no wait: libsystemd's calls wait for
 * a journal that is stuck. What it does not take, or is too much of, is counted and told in one
 * entry once it listens.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include "../base/message_ids.h"
#include "entry.h"
#include "sinks.h"

#define JOURNAL "/run/systemd/journal/socket"

/*
 * A flood of denies must not push all else out of the journal: so many at once, and so many a
 * second when it goes on. What was above is told once in so many ticks.
 */
#define AT_ONCE	   100
#define PER_SECOND 10
#define TELL_TICKS 10

struct journal_sink {
	struct bh_sink s;
	__u32 events;
	int fd;
	struct sockaddr_un to;
	unsigned int taken;   /* of AT_ONCE */
	unsigned int quiet;   /* ticks since loss was told */
	__u64 above, refused; /* lost and not told yet: by the limit; by the journal */
	bool refuses;	      /* since the last tick */
};

static struct journal_sink *of(struct bh_sink *s)
{
	return (struct journal_sink *)s;
}

static bool post(struct journal_sink *k, const struct bh_entry *e)
{
	if (sendto(k->fd, e->b, e->n, MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *)&k->to,
		   sizeof(k->to)) == (ssize_t)e->n)
		return true;
	k->refuses = true;
	snprintf(k->s.trouble, sizeof(k->s.trouble),
		 "%.108s does not take entries (%s): flows are lost; look at `systemctl status "
		 "systemd-journald`",
		 k->to.sun_path, strerror(errno));
	return false;
}

static void on_flow(struct bh_sink *s, const struct bh_flow *flow)
{
	struct journal_sink *k = of(s);
	struct bh_entry e;

	if (flow->ev.type >= BH_EVENT_TYPES || !(k->events >> flow->ev.type & 1)) {
		s->count.skipped++;
		return;
	}
	s->count.taken++;
	if (k->taken >= AT_ONCE) {
		s->count.lost++;
		k->above++;
		return;
	}
	k->taken++;
	bh_entry_of(&e, flow);
	if (post(k, &e)) {
		s->count.written++;
		return;
	}
	s->count.lost++;
	k->refused++;
}

static void tell_loss(struct journal_sink *k)
{
	struct bh_entry e = {0};

	(void)bh_entry_say(&e,
			   "%llu flows are not in the journal: %llu above %d a second, %llu that "
			   "it did not take; totals: bulkhead status",
			   k->above + k->refused, k->above, PER_SECOND, k->refused);
	(void)bh_entry_put(&e, "MESSAGE_ID", BH_MESSAGE_LOSS);
	(void)bh_entry_put(&e, "PRIORITY", "4");
	(void)bh_entry_put(&e, "SYSLOG_IDENTIFIER", "bulkhead");
	(void)bh_entry_put(&e, "BULKHEAD_TYPE", "loss");
	(void)bh_entry_putf(&e, "BULKHEAD_LOST", "%llu", k->above + k->refused);
	(void)bh_entry_putf(&e, "BULKHEAD_LOST_LIMIT", "%llu", k->above);
	(void)bh_entry_putf(&e, "BULKHEAD_LOST_REFUSED", "%llu", k->refused);
	if (!post(k, &e))
		return;
	k->above = k->refused = 0;
	k->quiet = 0;
}

static void on_tick(struct bh_sink *s, __u64 boot_ns)
{
	struct journal_sink *k = of(s);

	(void)boot_ns;
	k->taken -= MIN(k->taken, (unsigned int)PER_SECOND);
	k->refuses = false;
	k->quiet++;
	if ((k->above || k->refused) && k->quiet >= TELL_TICKS)
		tell_loss(k);
	if (!k->refuses)
		s->trouble[0] = '\0';
}

static void on_close(struct bh_sink *s)
{
	struct journal_sink *k = of(s);

	if (k->above || k->refused)
		tell_loss(k);
	bh_closep(&k->fd);
	free(k);
}

struct bh_sink *bh_sink_journal_new(const struct bh_journal_opts *o)
{
	static const struct bh_sink_ops ops = {
		.name = "journal",
		.flow = on_flow,
		.tick = on_tick,
		.close = on_close,
	};
	const char *path = o->socket ? o->socket : JOURNAL;
	struct journal_sink *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	k->s.ops = &ops;
	k->events = o->events;
	k->quiet = TELL_TICKS;
	k->to.sun_family = AF_UNIX;
	(void)snprintf(k->to.sun_path, sizeof(k->to.sun_path), "%s", path);
	k->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (k->fd < 0 || access(path, F_OK) < 0)
		snprintf(k->s.trouble, sizeof(k->s.trouble), "no journal to write to: %.108s: %s",
			 path, strerror(errno));
	return &k->s;
}

/* systemd.exec(5): JOURNAL_STREAM may be inherited from whoever is further up; stderr tells. */
bool bh_journal_is_ours(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	return stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}
