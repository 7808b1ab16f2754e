/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent.c - the object that ties the rooms, and its life: take the place, take up the kernel
 * side, put the policy on, guard the NICs, answer. Ending it leaves enforcement as it is.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <systemd/sd-daemon.h>
#include "agent.h"
#include "base/io.h"
#include "caps.h"
#include "config.h"
#include "control/audit.h"
#include "control/flows.h"
#include "control/parts.h"
#include "control/history.h"
#include "control/metrics.h"
#include "control/past.h"
#include "control/proto.h"
#include "control/record.h"
#include "control/server.h"
#include "fdstore.h"
#include "holds.h"
#include "pairs.h"
#include "place.h"
#include "posture.h"
#include "ring.h"
#include "sinks.h"
#include "telemetry/telemetry.h"
#include "workload/users.h"

/* As in bpf/maps.h: said here too, so that `status` can tell how much is left. */
_Static_assert(BH_AGENT_MAX_CGROUPS == 65536 && BH_AGENT_MAX_LISTENERS == 65536,
	       "a change needs the pinned maps to be made anew: a new BH_ABI");

/* --- signals -------------------------------------------------------------------------------- */

static int on_signal(_unused_ sd_event_source *source, const struct signalfd_siginfo *si, void *arg)
{
	struct bh_agent *a = arg;

	if (si->ssi_signo == SIGHUP) {
		bh_info("SIGHUP: settings, users, forwarding, hooks and posture are looked at "
			"again");
		bh_config_reload(a);
		bh_watch_now(a);
		bh_posture_look(a);
		return 0;
	}
	bh_notice("ends; what is enforced stays enforced");
	bh_agent_exit(a, BH_EXIT_OK);
	return 0;
}

void bh_agent_exit(struct bh_agent *a, int code)
{
	a->leaving = true;
	(void)sd_notify(0, "STOPPING=1");
	(void)sd_event_exit(a->event, code);
}

/* --- steps of the start ------------------------------------------------------------------------ */

static int lock(struct bh_agent *a, size_t i, const char *what, const char *dir, struct bh_diags *d)
{
	int fd = bh_place_lock(what, dir, d);

	if (fd < 0)
		return fd;
	a->lock[i] = fd;
	return 0;
}

static int take_place(struct bh_agent *a, struct bh_diags *d)
{
	int r = bh_place_make("--state-dir", a->opts.state_dir, 0700, d);

	if (r == 0)
		r = bh_place_make("--runtime-dir", a->opts.runtime_dir, 0750, d);
	if (r == 0)
		r = lock(a, 0, "--state-dir", a->opts.state_dir, d);
	if (r == 0)
		r = lock(a, 1, "--runtime-dir", a->opts.runtime_dir, d);
	if (r < 0)
		return r;
	/* the sink says what is wrong with it: no reason not to enforce */
	if (a->opts.log_dir)
		(void)bh_mkdir_p(a->opts.log_dir, 0750);
	r = bh_caps_drop();
	if (r < 0) {
		(void)bh_diag_add(d, BH_ERROR, NULL, NULL, "can't give capabilities away: %s",
				  strerror(-r));
		return r;
	}
	r = bh_place_check("--state-dir", a->opts.state_dir, d);
	return r ? r : bh_place_check("--runtime-dir", a->opts.runtime_dir, d);
}

static int make_parts(struct bh_agent *a, struct bh_diags *d)
{
	_cleanup_diags_ struct bh_diags audit = {0};
	int r = sd_event_new(&a->event);

	if (r < 0)
		return r;
	a->live.numbers = bh_numbers_new();
	a->cgroups = bh_cgroups_new(a->opts.cgroup_root);
	a->flows = bh_flows_new();
	a->telemetry = bh_telemetry_new();
	a->metrics = bh_metrics_new(a);
	a->pairs = bh_pairs_keeper_new();
	if (!a->live.numbers || !a->cgroups || !a->flows || !a->telemetry || !a->metrics)
		return -ENOMEM;
	/* a full disk is no reason not to enforce; changes will say that they are not logged */
	if (bh_audit_open(a->opts.state_dir, a->clock, &audit, &a->audit) < 0) {
		snprintf(a->audit_trouble, sizeof(a->audit_trouble), "%s",
			 audit.n ? audit.list[0].text : "no memory");
		(void)bh_diag_add(d, BH_WARNING, NULL, "make room in the state directory", "%s",
				  a->audit_trouble);
	}
	bh_config_use(a);
	return bh_past_open(a, d);
}

/* Some 50 000 events, for a moment in which we are busy; less where memory is short. */
static size_t ring_bytes(void)
{
	size_t bytes = 8u << 20;
	struct sysinfo si;

	if (sysinfo(&si) < 0)
		return bytes;
	while (bytes > 1u << 20 && bytes > si.totalram * si.mem_unit / 256)
		bytes /= 2;
	return bytes;
}

static int open_kern(struct bh_agent *a, struct bh_diags *d)
{
	struct bh_kern_opts opts = {
		.pin_dir = a->opts.pin_dir,
		.cgroup_root = a->opts.cgroup_root,
		.limits = bh_limits_default,
		.without = a->opts.without,
		.max_cgroups = BH_AGENT_MAX_CGROUPS,
		.max_listeners = BH_AGENT_MAX_LISTENERS,
		.ring_bytes = ring_bytes(),
		.ctx = a,
		.on_event = bh_agent_event,
	};
	int r = bh_agent_restore_floor(a, &opts.gen_floor);

	/* a state that was removed does not begin the numbers anew */
	opts.gen_floor = MAX(opts.gen_floor, bh_history_newest(a->history));
	if (r == 0)
		r = bh_fdstore_take(a, d);
	if (r == 0)
		r = bh_kern_open(&opts, d, &a->kern);
	/* only now is it sure to be there; until now nothing that was pinned has changed */
	if (r == 0)
		r = lock(a, 2, "--pin-dir", a->opts.pin_dir, d);
	if (r == 0)
		r = bh_kern_attach(a->kern, d);
	return r ? r : bh_kern_seed(a->kern, d);
}

static int open_loop(struct bh_agent *a)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
	sigset_t set;
	int r;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaddset(&set, signals[i]);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	/* the journal may go away under us */
	(void)signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		r = sd_event_add_signal(a->event, NULL, signals[i], on_signal, a);
		if (r < 0)
			return r;
	}
	r = bh_ring_open(a);
	if (r < 0)
		return r;
	r = bh_watch_open(a);
	return r < 0 ? r : sd_event_set_watchdog(a->event, true);
}

static int start(struct bh_agent *a, struct bh_diags *d)
{
	int r = take_place(a, d);

	if (r == 0)
		r = make_parts(a, d);
	if (r == 0)
		r = open_kern(a, d);
	if (r == 0)
		bh_sinks_open(a, NULL);
	/* what the policy asks about this host comes before the policy */
	if (r == 0)
		r = bh_nics_look(a, d);
	if (r == 0) {
		bh_record_open(a);
		bh_watch_forwarding(a);
		(void)bh_holds_load(a, d);
		r = bh_agent_restore(a, d);
	}
	if (r == 0)
		r = bh_holds_push(a, &a->live, d);
	if (r == 0) {
		bh_past_catch_up(a);
		bh_agent_relieve(a);
		r = bh_nics_open(a, d);
	}
	if (r == 0)
		r = open_loop(a);
	if (r >= 0)
		r = bh_emergency_watch(a);
	if (r >= 0)
		r = bh_holds_watch(a);
	if (r >= 0)
		r = bh_server_open(a, d, &a->server);
	if (r >= 0)
		r = bh_metrics_open(a->metrics);
	/* what is enforced does not wait for these */
	if (r >= 0) {
		bh_pairs_load(a, d);
		bh_posture_open(a);
	}
	return r < 0 ? r : 0;
}

/* --- a life -------------------------------------------------------------------------------------- */

static void clear(struct bh_agent *a)
{
	bh_sinks_close(a);
	bh_server_close(a->server);
	bh_metrics_free(a->metrics);
	bh_closep(&a->metrics_fd);
	a->server = NULL;
	bh_pairs_keeper_close(a);
	bh_posture_close(a);
	bh_nics_close(a);
	bh_watch_close(a);
	bh_ring_close(a);
	sd_event_source_disable_unref(a->deadline);
	sd_event_source_disable_unref(a->emergency);
	bh_kern_close(a->kern);
	bh_fdstore_free(a->fdstore);
	sd_event_unref(a->event);
	bh_audit_close(a->audit);
	bh_holds_free(a->holds);
	bh_history_close(a->history);
	bh_flows_free(a->flows);
	bh_cgroups_free(a->cgroups);
	bh_live_clear(&a->live);
	bh_live_clear(&a->back);
	for (size_t i = 0; i < ARRAY_SIZE(a->lock); i++)
		bh_closep(&a->lock[i]);
	free(a->root_in_mount);
	bh_agent_opts_clear(&a->opts);
}

void bh_agent_tell_status(const struct bh_agent *a)
{
	const struct bh_map *map = a->live.map;
	bool observes = bh_agent_is_capped(a) || (map && map->mode == BH_MODE_OBSERVE);
	__u64 gen = bh_kern_generation(a->kern);

	if (a->detached)
		(void)sd_notify(0, "STATUS=detached, nothing is denied");
	else if (!gen)
		(void)sd_notify(0, "STATUS=no map yet, nothing is denied");
	else
		(void)sd_notifyf(0, "STATUS=generation %llu%s, map %s, mode %s",
				 (unsigned long long)gen, bh_trial_runs(a) ? " UNCONFIRMED" : "",
				 map ? map->name : "lost", observes ? "observe" : "enforce");
}

static void say_ready(const struct bh_agent *a)
{
	__u64 gen = bh_kern_generation(a->kern);

	if (gen)
		bh_notice("ready; generation %llu", (unsigned long long)gen);
	else
		bh_notice("ready; %s, nothing is denied", a->detached ? "detached" : "no map yet");
	bh_agent_tell_status(a);
	(void)sd_notify(0, "READY=1");
}

int bh_agent_run(const struct bh_agent_opts *line, struct bh_agent_opts *opts)
{
	_cleanup_(clear) struct bh_agent a = {
		.opts = *opts,
		.line = line,
		.clock = &bh_clock_real,
		.begun_ns = bh_clock_real.boot_ns(),
		.users = {.uid_of = bh_nss_uid_of, .group = bh_nss_group},
		.lock = {-1, -1, -1},
		.metrics_fd = -1,
	};
	_cleanup_diags_ struct bh_diags d = {0};
	int r;

	*opts = (struct bh_agent_opts){0};
	if (a.opts.refused) {
		snprintf(a.config_trouble, sizeof(a.config_trouble),
			 "the settings have errors, and what can be read of them is used: %s",
			 a.opts.refused);
		bh_error("%s", a.config_trouble);
	}
	r = start(&a, &d);
	bh_log_diags(&d);
	if (r < 0) {
		if (!d.n_errors)
			bh_error("can't start: %s", strerror(-r));
		return r == -EBUSY ? BH_EXIT_NO : BH_EXIT_FAILED;
	}
	bh_fdstore_save(&a);
	say_ready(&a);
	r = sd_event_loop(a.event);
	if (r < 0)
		bh_error("the event loop failed: %s", strerror(-r));
	return r < 0 ? BH_EXIT_FAILED : r;
}
