/* SPDX-License-Identifier: Apache-2.0 */
/* fdstore.c - see fdstore.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>
#include <sys/socket.h>
#include "control/metrics.h"
#include "control/state.h"
#include "fdstore.h"

/* What systemd has: a name, and which object of the kernel it stood for. */
struct row {
	char name[BH_KEPT_NAME];
	__u32 id;
	bool seen;
};

struct bh_fdstore {
	struct row *row;
	size_t n;
};

static struct bh_fdstore *store_of(struct bh_agent *a)
{
	if (!a->fdstore)
		a->fdstore = calloc(1, sizeof(*a->fdstore));
	return a->fdstore;
}

static struct row *find(struct bh_fdstore *s, const char *name)
{
	for (size_t i = 0; i < s->n; i++)
		if (!strcmp(s->row[i].name, name))
			return &s->row[i];
	return NULL;
}

static struct row *add(struct bh_fdstore *s, const char *name, __u32 id)
{
	struct row *more = reallocarray(s->row, s->n + 1, sizeof(*more));

	if (!more)
		return NULL;
	s->row = more;
	more = &s->row[s->n++];
	*more = (struct row){.id = id};
	snprintf(more->name, sizeof(more->name), "%s", name);
	return more;
}

static void forget(struct bh_fdstore *s, size_t i)
{
	(void)sd_notifyf(0, "FDSTOREREMOVE=1\nFDNAME=%s", s->row[i].name);
	s->row[i] = s->row[--s->n];
}

/* --- a start ----------------------------------------------------------------------------------- */

/* One that listens, of bulkhead-metrics.socket: no pin, and given anew at each start. */
static bool is_for_metrics(const char *name, int fd)
{
	return !strcmp(name, BH_METRICS_SOCKET) && sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1) > 0;
}

/* Its pins were removed on purpose, by a rescue perhaps, which can't reach this store. */
static bool is_detached(struct bh_agent *a)
{
	_cleanup_(bh_state_clear) struct bh_state s = {0};
	_cleanup_diags_ struct bh_diags d = {0};

	return bh_state_load(a->opts.state_dir, 0, &d, &s) == 0 && s.detached;
}

static int take(struct bh_agent *a, char **names, int n, struct bh_diags *d)
{
	struct bh_fdstore *s = store_of(a);
	_cleanup_free_ struct bh_kept *kept = calloc((size_t)n, sizeof(*kept));
	int r;

	if (!s || !kept)
		return -ENOMEM;
	for (int i = 0; i < n; i++) {
		struct bh_kept *one = &kept[i];
		__u32 id = 0;

		one->fd = SD_LISTEN_FDS_START + i;
		snprintf(one->name, sizeof(one->name), "%s", names[i]);
		if (is_for_metrics(names[i], one->fd))
			continue;
		/* of another kind: its name is forgotten with the first save */
		(void)bh_kern_object_id(one->fd, &id);
		if (!add(s, one->name, id))
			return -ENOMEM;
	}
	if (is_detached(a))
		return 0;
	r = bh_kern_put_back(a->opts.pin_dir, kept, (size_t)n, d);
	if (r > 0)
		bh_warning("%d pins of '%s' were gone; pinned again, of what systemd kept", r,
			   a->opts.pin_dir);
	return r < 0 ? r : 0;
}

int bh_fdstore_take(struct bh_agent *a, struct bh_diags *d)
{
	char **names = NULL;
	int n = sd_listen_fds_with_names(true, &names), r = 0;

	if (n > 0)
		r = take(a, names, n, d);
	for (int i = 0; i < n; i++) {
		if (a->metrics_fd < 0 && is_for_metrics(names[i], SD_LISTEN_FDS_START + i))
			a->metrics_fd = SD_LISTEN_FDS_START + i;
		else
			(void)close(SD_LISTEN_FDS_START + i);
		free(names[i]);
	}
	free(names);
	if (r < 0 && r != -ENOMEM)
		/* it is as without a store: what is pinned is there, and the rest is made anew */
		r = 0;
	return n < 0 ? n : r;
}

/* --- a life ------------------------------------------------------------------------------------ */

/* Without FDPOLL=0 systemd drops what polls as an error, as most maps do. */
static int keep(void *ctx, const char *name, int fd, __u32 id)
{
	struct bh_fdstore *s = ctx;
	char text[BH_KEPT_NAME + 64];
	struct row *row = find(s, name);
	int r;

	if (row && row->id == id) {
		row->seen = true;
		return 0;
	}
	if (row)
		forget(s, (size_t)(row - s->row));
	row = add(s, name, id);
	if (!row)
		return -ENOMEM;
	row->seen = true;
	snprintf(text, sizeof(text), "FDSTORE=1\nFDPOLL=0\nFDNAME=%s", name);
	r = sd_pid_notify_with_fds(0, 0, text, &fd, 1);
	/* not handed over: the next save does it */
	if (r < 0)
		s->n--;
	return r < 0 ? r : 0;
}

void bh_fdstore_save(struct bh_agent *a)
{
	struct bh_fdstore *s = getenv("NOTIFY_SOCKET") ? store_of(a) : NULL;

	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++)
		s->row[i].seen = false;
	if (bh_kern_each_kept(a->kern, keep, s) < 0)
		return;
	for (size_t i = s->n; i-- > 0;)
		if (!s->row[i].seen)
			forget(s, i);
}

void bh_fdstore_drop(struct bh_agent *a)
{
	while (a->fdstore && a->fdstore->n)
		forget(a->fdstore, a->fdstore->n - 1);
}

void bh_fdstore_free(struct bh_fdstore *s)
{
	if (!s)
		return;
	free(s->row);
	free(s);
}
