/* SPDX-License-Identifier: Apache-2.0 */
/* pairs.c - see pairs.h. Called by agent.c for each event, and by watch.c each second. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "control/flows.h"
#include "control/listeners.h"
#include "control/metrics.h"
#include "control/pairsfile.h"
#include "control/server_internal.h"
#include "pairs.h"
#include "telemetry/pairs.h"
#include "telemetry/telemetry.h"

#define SAVE_NS (120ull * 1000000000)
/* Listeners are looked up in a list that is at most so old. */
#define LISTENERS_NS 1000000000ull

/* A new conversation is told of when the history is a day old, and twenty in a minute. */
#define USUAL_MS (24 * 3600 * 1000ll)
#define TELL_NS	 (60ull * 1000000000)
#define TELL_MAX 20

struct bh_pairs_keeper {
	struct bh_pairs *pairs;
	struct bh_listenings listening;
	__u64 listened_ns;
	bool loaded; /* else what is on the disk must not be written over */
	__u64 saved_ns, saved_seen;
	__u64 told_ns; /* new ones: when this minute began, and how many in it */
	unsigned int told;
	pid_t pid; /* who is writing; 0: nobody */
	int pidfd;
	sd_event_source *source;
	char trouble[BH_TROUBLE_MAX];
};

struct bh_pairs_keeper *bh_pairs_keeper_new(void)
{
	struct bh_pairs_keeper *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	k->pidfd = -1;
	k->pairs = bh_pairs_new(BH_PAIRS_ROWS);
	if (!k->pairs) {
		free(k);
		return NULL;
	}
	return k;
}

struct bh_pairs *bh_agent_pairs(const struct bh_agent *a)
{
	return a->pairs ? a->pairs->pairs : NULL;
}

const char *bh_pairs_trouble(const struct bh_agent *a)
{
	return a->pairs ? a->pairs->trouble : "";
}

/* --- the other end --------------------------------------------------------------------------------- */

static bool is_inside(const struct bh_agent *a, const struct bh_addr *addr)
{
	return bh_addr_is_loopback(addr) || (a->net && bh_net_has_addr(a->net, addr));
}

static void look_at_listeners(struct bh_agent *a)
{
	struct bh_pairs_keeper *k = a->pairs;
	__u64 now = a->clock->boot_ns();

	if (k->listened_ns && now - k->listened_ns < LISTENERS_NS)
		return;
	k->listened_ns = now;
	bh_listenings_clear(&k->listening);
	(void)bh_listenings_read(a, &k->listening);
}

/* Who listens there, if only one can be meant; 0: that can't be told. */
static __u64 listener_at(const struct bh_pairs_keeper *k, const struct bh_event *ev, bool exact)
{
	__u64 cgid = 0;

	for (size_t i = 0; i < k->listening.n; i++) {
		const struct bh_listening *l = &k->listening.v[i];

		if (l->key.port != ev->remote_port || l->key.proto != ev->proto ||
		    !bh_listening_at(l, &ev->remote_addr) ||
		    exact == bh_addr_is_any(&l->key.addr) || l->val.flags & BH_LISTEN_SHARED)
			continue;
		if (cgid && cgid != l->val.cgid)
			return 0;
		cgid = l->val.cgid;
	}
	return cgid;
}

static const char *peer_of(struct bh_agent *a, const struct bh_event *ev)
{
	__u64 cgid;

	if (ev->dir != BH_OUT)
		return NULL;
	look_at_listeners(a);
	cgid = listener_at(a->pairs, ev, true);
	return bh_agent_cgroup(a, cgid ? cgid : listener_at(a->pairs, ev, false));
}

/*
 * What was never seen before is worth a word once it is known what is usual, and only so often: who
 * makes up new ones shall not fill what others read. A metric counts them all.
 */
static void tell_new(struct bh_agent *a, const struct bh_flow *flow)
{
	struct bh_pairs_keeper *k = a->pairs;
	__u64 now_ns = a->clock->boot_ns();
	struct bh_flow alert = *flow;

	if (flow->wall_ms - bh_pairs_first_ms(k->pairs) < USUAL_MS)
		return;
	if (now_ns - k->told_ns > TELL_NS) {
		k->told_ns = now_ns;
		k->told = 0;
	}
	if (k->told++ >= TELL_MAX)
		return;
	alert.ev.type = BH_EVENT_ALERT;
	alert.ev.alert = BH_ALERT_NEW;
	memset(alert.ev.packets, 0, sizeof(alert.ev.packets));
	memset(alert.ev.bytes, 0, sizeof(alert.ev.bytes));
	alert.ev.suppressed = 0;
	bh_flows_add(a->flows, &alert);
	bh_telemetry_flow(a->telemetry, &alert);
	bh_metrics_event(a->metrics, &alert.ev);
}

void bh_pairs_note(struct bh_agent *a, const struct bh_flow *flow)
{
	bool inside;

	if (!a->pairs)
		return;
	inside = is_inside(a, &flow->ev.remote_addr);
	if (bh_pairs_flow(a->pairs->pairs, flow, inside, inside ? peer_of(a, &flow->ev) : NULL))
		tell_new(a, flow);
}

/* --- the file -------------------------------------------------------------------------------------- */

static void trouble(struct bh_pairs_keeper *k, const char *what, const char *why)
{
	char before[sizeof(k->trouble)];

	memcpy(before, k->trouble, sizeof(before));
	snprintf(k->trouble, sizeof(k->trouble), "%s: %s", what, why);
	if (strcmp(before, k->trouble) != 0)
		bh_warning("%s", k->trouble);
}

void bh_pairs_load(struct bh_agent *a, struct bh_diags *d)
{
	_cleanup_diags_ struct bh_diags found = {0};
	struct bh_pairs_keeper *k = a->pairs;
	int r;

	if (!k)
		return;
	k->saved_ns = a->clock->boot_ns();
	r = bh_pairsfile_load(a->opts.state_dir, k->pairs, &found);
	k->loaded = r == 0 || r == -ENOENT;
	if (k->loaded)
		return;
	r = bh_pairsfile_set_aside(a->opts.state_dir);
	k->loaded = r == 0;
	snprintf(k->trouble, sizeof(k->trouble), "the history of pairs %s: %.180s",
		 r == 0 ? "begins anew, what there was is pairs.bad"
			: "is not written, and what there is can't be set aside",
		 found.n ? found.list[0].text : "no memory");
	(void)bh_diag_add(d, BH_WARNING, NULL, NULL, "%s", k->trouble);
}

static int save(struct bh_agent *a, struct bh_diags *d)
{
	return bh_pairsfile_save(a->opts.state_dir, a->pairs->pairs, d);
}

__attribute__((noreturn)) static void child(struct bh_agent *a, pid_t parent)
{
	_cleanup_diags_ struct bh_diags d = {0};
	int r;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(EIO);
	(void)setpriority(PRIO_PROCESS, 0, 10);
	for (size_t i = 0; i < ARRAY_SIZE(a->lock); i++)
		bh_closep(&a->lock[i]);
	if (a->server)
		bh_server_forget(a->server);
	r = save(a, &d);
	_exit(r < 0 ? MIN(-r, 255) : 0);
}

/* Return: what became of it: 0 or -errno. */
static int reap(struct bh_pairs_keeper *k)
{
	int status = 0, r;

	while ((r = waitpid(k->pid, &status, 0)) < 0 && errno == EINTR)
		;
	k->pid = 0;
	k->source = sd_event_source_disable_unref(k->source);
	bh_closep(&k->pidfd);
	k->pidfd = -1;
	return r > 0 && WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO;
}

static int on_saved(_unused_ sd_event_source *source, _unused_ int fd, _unused_ uint32_t revents,
		    void *arg)
{
	struct bh_agent *a = arg;
	int r = reap(a->pairs);

	if (r < 0)
		trouble(a->pairs,
			"the history of pairs can't be written, what is newer than the "
			"file would be lost",
			strerror(-r));
	else
		a->pairs->trouble[0] = '\0';
	return 0;
}

static int begin_save(struct bh_agent *a)
{
	struct bh_pairs_keeper *k = a->pairs;
	pid_t parent = getpid();

	k->pid = fork();
	if (k->pid == 0)
		child(a, parent);
	if (k->pid < 0) {
		k->pid = 0;
		return -errno;
	}
	k->pidfd = (int)syscall(SYS_pidfd_open, k->pid, 0);
	if (k->pidfd < 0)
		return reap(k);
	return sd_event_add_io(a->event, &k->source, k->pidfd, EPOLLIN, on_saved, a);
}

void bh_pairs_tick(struct bh_agent *a)
{
	struct bh_pairs_keeper *k = a->pairs;
	__u64 now = a->clock->boot_ns(), seen;
	int r;

	if (!k || !k->loaded || k->pid || now - k->saved_ns < SAVE_NS)
		return;
	k->saved_ns = now;
	seen = bh_pairs_count(k->pairs).seen;
	if (seen == k->saved_seen)
		return;
	k->saved_seen = seen;
	r = begin_save(a);
	if (r < 0)
		trouble(k, "the history of pairs can't be written", strerror(-r));
}

void bh_pairs_keeper_close(struct bh_agent *a)
{
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_pairs_keeper *k = a->pairs;

	if (!k)
		return;
	if (k->pid)
		(void)reap(k);
	if (k->loaded && bh_pairs_count(k->pairs).seen != k->saved_seen && save(a, &d) < 0)
		bh_log_diags(&d);
	bh_listenings_clear(&k->listening);
	bh_pairs_free(k->pairs);
	free(k);
	a->pairs = NULL;
}
