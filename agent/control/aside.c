/* SPDX-License-Identifier: Apache-2.0 */
/* aside.c - see aside.h. The answer comes through memory that both have: a child never waits for a
 * client that does not read. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "server_internal.h"

struct bh_aside {
	pid_t pid;
	int pidfd, answer;
	sd_event_source *source;
	bh_aside_fn done;
	void *ctx;
};

void bh_aside_end(struct bh_aside *aside)
{
	if (!aside)
		return;
	sd_event_source_disable_unref(aside->source);
	if (aside->pid > 0) {
		(void)kill(aside->pid, SIGKILL);
		while (waitpid(aside->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	bh_closep(&aside->pidfd);
	bh_closep(&aside->answer);
	free(aside);
}

/* --- the child ------------------------------------------------------------------------------- */

static bool write_all(int fd, const char *text)
{
	size_t n = strlen(text);

	while (n) {
		ssize_t put = write(fd, text, n);

		if (put < 0 && errno != EINTR)
			return false;
		text += MAX(put, 0);
		n -= (size_t)MAX(put, 0);
	}
	return true;
}

/* What the agent holds for as long as it lives must not live on in here. */
static void let_go(struct bh_agent *a, pid_t parent)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	/* the agent goes before others, what readers ask for does not */
	(void)setpriority(PRIO_PROCESS, 0, 0);
	for (size_t i = 0; i < ARRAY_SIZE(a->lock); i++)
		bh_closep(&a->lock[i]);
	bh_server_forget(a->server);
}

__attribute__((noreturn)) static void child(struct bh_agent *a, const struct bh_request *req,
					    int fd)
{
	struct bh_reply reply = {0};
	char *line;

	bh_request_answer(a, req, &reply);
	line = bh_reply_line(&reply);
	_exit(line && write_all(fd, line) ? 0 : 1);
}

/* --- the agent ------------------------------------------------------------------------------- */

/* Return: whether it said all it had to say. */
static bool reap(struct bh_aside *aside)
{
	int status = -1, r;

	while ((r = waitpid(aside->pid, &status, 0)) < 0 && errno == EINTR)
		;
	aside->pid = 0;
	return r > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int on_end(_unused_ sd_event_source *source, _unused_ int fd, _unused_ uint32_t revents,
		  void *arg)
{
	struct bh_aside *aside = arg;
	void *map = MAP_FAILED;
	struct stat st;
	size_t n = 0;

	if (reap(aside) && fstat(aside->answer, &st) == 0 && st.st_size > 0) {
		n = (size_t)st.st_size;
		map = mmap(NULL, n, PROT_READ, MAP_SHARED, aside->answer, 0);
	}
	/* frees us */
	aside->done(aside->ctx, map == MAP_FAILED ? NULL : map, n);
	if (map != MAP_FAILED)
		(void)munmap(map, n);
	return 0;
}

int bh_aside_begin(struct bh_agent *a, const struct bh_request *req, bh_aside_fn done, void *ctx,
		   struct bh_aside **ret)
{
	struct bh_aside *aside = calloc(1, sizeof(*aside));
	pid_t parent = getpid();
	int r;

	if (!aside)
		return -ENOMEM;
	*aside = (struct bh_aside){.pidfd = -1, .done = done, .ctx = ctx};
	aside->answer = memfd_create("bulkhead-answer", MFD_CLOEXEC);
	aside->pid = aside->answer < 0 ? -1 : fork();
	if (aside->pid == 0) {
		let_go(a, parent);
		child(a, req, aside->answer);
	}
	r = aside->pid < 0 ? -errno : 0;
	if (r == 0) {
		aside->pidfd = (int)syscall(SYS_pidfd_open, aside->pid, 0);
		r = aside->pidfd < 0 ? -errno : 0;
	}
	if (r == 0)
		r = sd_event_add_io(a->event, &aside->source, aside->pidfd, EPOLLIN, on_end, aside);
	if (r < 0) {
		bh_aside_end(aside);
		return r;
	}
	*ret = aside;
	return 0;
}
