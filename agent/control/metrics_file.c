/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics_file.c - the metrics in a file, for node_exporter's textfile collector. A child writes it:
 * a disk that does not answer stops a child, not the loop, and the agent has no threads that it
 * could leave behind. The text is made before, by the agent: it is what the loop knows.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "../base/io.h"
#include "metrics_internal.h"

#define SEC_NS	     1000000000ull
#define STUCK_NS     (10 * SEC_NS) /* a writer takes milliseconds */
#define LAST_WAIT_MS 1000	   /* at the end */

/* --- the child ------------------------------------------------------------------------------- */

/* Not synced: after a power loss it is an old one, or none, until the agent starts. */
static int replace(const char *path, const char *text, size_t n)
{
	_cleanup_free_ char *aside = NULL;
	_cleanup_close_ int fd = -1;
	int r;

	if (asprintf(&aside, "%s.new", path) < 0) {
		aside = NULL;
		return -ENOMEM;
	}
	/* one that a dead child left; others may write the directory, too */
	if (unlink(aside) < 0 && errno != ENOENT)
		return -errno;
	fd = open(aside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = bh_write_all(fd, text, n);
	if (r == 0 && (fchmod(fd, 0644) < 0 || rename(aside, path) < 0))
		r = -errno;
	if (r < 0)
		(void)unlink(aside);
	return r;
}

/* Its exit code is what went wrong. */
__attribute__((noreturn)) static void child(const struct bh_metrics *m, pid_t parent,
					    const char *text, size_t n)
{
	int r = 0;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(EINTR);
	/* it may hang for long, and must hold no lock, no socket and nothing of the kernel's then */
	closefrom(3);
	(void)setpriority(PRIO_PROCESS, 0, 0);
	if (m->old)
		(void)unlink(m->old);
	if (text)
		r = replace(m->file, text, n);
	_exit(-r & 0xff);
}

/* --- the agent ------------------------------------------------------------------------------- */

static const char *advice(int e)
{
	switch (e) {
	case ENOENT:
		return "; make its directory";
	case EACCES:
	case EPERM:
	case EROFS:
		return "; the packaged unit may write in /run/bulkhead-metrics, elsewhere takes a "
		       "drop-in with ReadWritePaths=";
	case ENOSPC:
	case EDQUOT:
		return "; make room";
	}
	return "";
}

/* @e: errno of the writer; 0: it is written; -1: it did not come to its end. */
static void told(struct bh_metrics *m, int e)
{
	char *trouble = m->agent->prom_trouble;

	if (e == 0) {
		m->writes += m->file != NULL;
		bh_metrics_trouble(trouble, "%s", "");
	} else {
		bh_metrics_trouble(trouble, "metrics can't be written to %s: %s%s",
				   m->file ? m->file : "?",
				   e > 0 ? strerror(e) : "the writer was killed", advice(e));
	}
}

static int reap(struct bh_metrics *m)
{
	int status = -1, r;

	while ((r = waitpid(m->writer, &status, 0)) < 0 && errno == EINTR)
		;
	m->writer = 0;
	m->writer_end = sd_event_source_disable_unref(m->writer_end);
	bh_closep(&m->writer_fd);
	m->writer_fd = -1;
	return r > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int on_written(_unused_ sd_event_source *source, _unused_ int fd, _unused_ uint32_t revents,
		      void *arg)
{
	struct bh_metrics *m = arg;

	told(m, reap(m));
	/* what changed meanwhile: the loop comes by on_post() of metrics.c */
	return 0;
}

static int watch(struct bh_metrics *m)
{
	m->writer_fd = (int)syscall(SYS_pidfd_open, m->writer, 0);
	if (m->writer_fd < 0)
		return -errno;
	/* the loop is over: whoever ends waits */
	if (m->ends)
		return 0;
	return sd_event_add_io(m->agent->event, &m->writer_end, m->writer_fd, EPOLLIN, on_written,
			       m);
}

static void begin(struct bh_metrics *m)
{
	_cleanup_free_ char *text = NULL;
	pid_t parent = getpid();
	size_t n = 0;
	int r = m->file ? bh_metrics_text(m, true, &text, &n) : 0;

	m->due = false;
	if (r == 0) {
		m->writer = fork();
		r = m->writer < 0 ? -errno : 0;
	}
	if (r == 0 && !m->writer)
		child(m, parent, text, n);
	m->writer_ns = m->agent->clock->boot_ns();
	if (r < 0) {
		m->writer = 0;
	} else {
		/* the child's now */
		free(m->old);
		m->old = NULL;
		r = watch(m);
	}
	if (r < 0 && m->writer) {
		(void)kill(m->writer, SIGKILL);
		(void)reap(m);
	}
	if (r < 0)
		told(m, -r);
}

/* --- when ------------------------------------------------------------------------------------ */

static struct bh_metrics_seen look(const struct bh_agent *a)
{
	struct bh_metrics_seen s;

	/* it is compared as bytes */
	memset(&s, 0, sizeof(s));
	s.generation = bh_kern_generation(a->kern);
	s.emergency = bh_kern_open_until(a->kern);
	s.trial = bh_trial_runs(a);
	s.capped = bh_agent_is_capped(a);
	s.detached = a->detached;
	s.no_policy = a->no_policy;
	s.boot_observe = a->boot_observe;
	bh_metrics_holds(a, &s.holds, &s.grants);
	return s;
}

static bool has_changed(struct bh_metrics *m)
{
	struct bh_metrics_seen now = look(m->agent);

	if (!memcmp(&now, &m->seen, sizeof(now)))
		return false;
	m->seen = now;
	return true;
}

void bh_metrics_file_look(struct bh_metrics *m)
{
	__u64 now = m->agent->clock->boot_ns();

	if (!m->file && !m->old)
		return;
	if (has_changed(m) || now >= m->next_ns)
		m->due = true;
	if (m->writer) {
		if (now - m->writer_ns > STUCK_NS)
			bh_metrics_trouble(
				m->agent->prom_trouble,
				"metrics can't be written to %s: its disk does not answer",
				m->file ? m->file : "?");
		return;
	}
	if (!m->due || m->agent->leaving)
		return;
	m->next_ns = now + BH_METRICS_FILE_S * SEC_NS;
	begin(m);
}

/* --- open, close ----------------------------------------------------------------------------- */

void bh_metrics_file_use(struct bh_metrics *m)
{
	const char *want = m->agent->opts.telemetry.metrics.file;

	if (want && m->file && !strcmp(want, m->file))
		return;
	if (m->file) {
		free(m->old);
		m->old = m->file;
	}
	m->file = want ? strdup(want) : NULL;
	m->agent->prom_trouble[0] = '\0';
	m->due = true;
	bh_metrics_file_look(m);
}

static void wait_for_writer(struct bh_metrics *m)
{
	struct pollfd p = {.fd = m->writer_fd, .events = POLLIN};

	if (!m->writer)
		return;
	if (poll(&p, 1, LAST_WAIT_MS) > 0) {
		told(m, reap(m));
		return;
	}
	/* not waited for: it may not even die before its disk answers */
	(void)kill(m->writer, SIGKILL);
	m->writer = 0;
	m->writer_end = sd_event_source_disable_unref(m->writer_end);
	bh_closep(&m->writer_fd);
	m->writer_fd = -1;
	bh_warning("metrics: %s does not say that the agent ended: its disk does not answer",
		   m->file ? m->file : "?");
}

void bh_metrics_file_close(struct bh_metrics *m)
{
	bool hangs = m->writer && m->agent->clock->boot_ns() - m->writer_ns > STUCK_NS;

	if (!m->opened)
		return;
	if (!hangs)
		wait_for_writer(m);
	if (!m->writer && (m->file || m->old)) {
		begin(m);
		wait_for_writer(m);
	}
	m->writer_end = sd_event_source_disable_unref(m->writer_end);
	bh_closep(&m->writer_fd);
}
