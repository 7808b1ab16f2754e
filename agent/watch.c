/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch.c - looks every second at what changes without telling: forwarding, users and groups,
 * our own hooks; and at new cgroups, where the kernel side does not see them. Called by agent.c.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include "agent.h"
#include "fdstore.h"
#include "holds.h"
#include "control/metrics.h"
#include "pairs.h"
#include "control/parts.h"
#include "control/record.h"
#include "sinks.h"
#include "workload/newborn.h"

#define TICK_USEC 1000000ull
/* Users may come from elsewhere than files: asked anew after so long, whatever the files say. */
#define USERS_NS (300ull * 1000000000)

/* Datagrams are told of so often, in ticks; sessions as the settings say. */
#define FLOWS_EVERY 10

/* Whose program an XDP link's device runs, in ticks: that costs a look at every device there is. */
#define NICS_EVERY 5

void bh_watch_forwarding(struct bh_agent *a)
{
	int on4 = bh_net_forwards(AF_INET), on6 = bh_net_forwards(AF_INET6);
	__u32 set = 0;

	/* it can't be told: what was known goes on */
	if (on4 < 0 || on6 < 0)
		return;
	if (on4)
		set |= BH_CTL_FWD4;
	if (on6)
		set |= BH_CTL_FWD6;
	if ((bh_kern_ctl(a->kern) & (BH_CTL_FWD4 | BH_CTL_FWD6)) != set)
		(void)bh_kern_set_ctl(a->kern, set, (BH_CTL_FWD4 | BH_CTL_FWD6) & ~set);
}

/* --- users ----------------------------------------------------------------------------------- */

static int64_t newest_mtime(void)
{
	static const char *const files[] = {"/etc/passwd", "/etc/group", "/etc/nsswitch.conf"};
	int64_t newest = 0;
	struct stat st;

	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		if (stat(files[i], &st) == 0)
			newest = MAX(newest,
				     (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec);
	return newest;
}

static bool names_users(const struct bh_map *map)
{
	for (size_t i = 0; map && i < map->n_segment; i++)
		for (size_t j = 0; j < map->segment[i].n_match; j++)
			if (map->segment[i].match[j].user.n || map->segment[i].match[j].group.n)
				return true;
	return false;
}

/* Said once: it is tried again every second until it goes. */
static void users_failed(struct bh_agent *a, const struct bh_diags *d, int r)
{
	char before[sizeof(a->users_trouble)];

	memcpy(before, a->users_trouble, sizeof(before));
	snprintf(a->users_trouble, sizeof(a->users_trouble),
		 "users, groups or the clock changed and the map can't be compiled with them: %s",
		 d->n ? d->list[d->n - 1].text : strerror(-r));
	if (!strcmp(before, a->users_trouble))
		return;
	bh_log_diags(d);
	bh_error("%s; what was enforced stays", a->users_trouble);
}

static void watch_users(struct bh_agent *a, bool now)
{
	_cleanup_diags_ struct bh_diags d = {0};
	int64_t mtime = newest_mtime();
	uint64_t boot_ns = a->clock->boot_ns();
	bool clock = bh_agent_clock_was_set(a);
	int r;

	if (!now && !clock && !a->users_trouble[0] && mtime == a->users_mtime &&
	    boot_ns - a->users_ns < USERS_NS)
		return;
	a->users_mtime = mtime;
	a->users_ns = boot_ns;
	if (!clock && !names_users(a->live.map)) {
		a->users_trouble[0] = '\0';
		return;
	}
	r = bh_agent_recompile(a, &d);
	if (r < 0)
		users_failed(a, &d, r);
	else
		a->users_trouble[0] = '\0';
}

/* --- hooks ----------------------------------------------------------------------------------- */

static bool is_lost(const struct bh_hook_state *h)
{
	return !h->ok && strcmp(h->mode, "unsupported") != 0;
}

/* Said once, and again only when it worked in between. */
static size_t count_lost(struct bh_agent *a, const char *pins)
{
	struct bh_hook_state hook[BH_AGENT_HOOKS_MAX];
	size_t n = bh_kern_hooks(a->kern, hook, ARRAY_SIZE(hook)), lost = 0;

	for (size_t i = 0; i < n; i++) {
		if (!is_lost(&hook[i]))
			continue;
		if (!a->hooks_trouble[0])
			bh_log_id(BH_LOG_ERROR, BH_MESSAGE_HOOKS, "%s is %s: attached again",
				  hook[i].name, hook[i].mode);
		lost++;
	}
	if (*pins && !lost && !a->hooks_trouble[0])
		bh_log_id(BH_LOG_ERROR, BH_MESSAGE_HOOKS, "%s; pinned again", pins);
	return lost;
}

static void put_back(struct bh_agent *a, size_t lost, const char *pins)
{
	_cleanup_diags_ struct bh_diags d = {0};
	int r = bh_kern_attach(a->kern, &d);

	/* sockets that came while a hook was away have no facts: the seed gives them some */
	if (r == 0 && lost)
		r = bh_kern_seed(a->kern, &d);
	if (r < 0 && !a->hooks_trouble[0])
		bh_log_diags(&d);
	a->hooks_trouble[0] = '\0';
	if (r < 0)
		snprintf(a->hooks_trouble, sizeof(a->hooks_trouble), "%s",
			 d.n ? d.list[0].text : strerror(-r));
	else
		bh_record_agent(
			a, "hooks",
			json_pack("{s:{s:i} s:s}", "counts", "hooks", (int)lost, "pins", pins));
}

static void watch_hooks(struct bh_agent *a)
{
	char pins[BH_PINS_TEXT];
	size_t lost = count_lost(a, bh_kern_pins(a->kern, pins));

	if (lost || *pins)
		put_back(a, lost, pins);
	else
		a->hooks_trouble[0] = '\0';
	bh_agent_relieve(a);
	for (size_t i = 0; i < a->n_nic; i++)
		lost += !a->nic[i].ok;
	if (lost)
		bh_nics_check(a);
}

/* --- new cgroups, where the kernel side does not see them -------------------------------------- */

static void walk(struct bh_agent *a)
{
	_cleanup_diags_ struct bh_diags d = {0};

	if (bh_kern_walk(a->kern, &d) < 0)
		bh_log_diags(&d);
}

static void births_failed(struct bh_agent *a, int r)
{
	snprintf(
		a->births_trouble, sizeof(a->births_trouble),
		"new cgroups are seen once a second, and denied until then: can't watch them: %s%s",
		strerror(-r),
		r == -ENOSPC   ? " (raise fs.inotify.max_user_watches)"
		: r == -EMFILE ? " (raise fs.inotify.max_user_instances)"
			       : "");
	bh_warning("%s", a->births_trouble);
}

static int on_birth(_unused_ sd_event_source *source, _unused_ int fd, _unused_ uint32_t revents,
		    void *arg)
{
	struct bh_agent *a = arg;
	int r = bh_newborn_read(a->newborn);

	if (r < 0 && !a->births_trouble[0])
		births_failed(a, r);
	else if (r >= 0)
		a->births_trouble[0] = '\0';
	if (r != 0)
		walk(a);
	return 0;
}

static void births_open(struct bh_agent *a)
{
	int r = bh_newborn_open(a->opts.cgroup_root, &a->newborn);

	if (r == 0)
		r = sd_event_add_io(a->event, &a->births, bh_newborn_fd(a->newborn), EPOLLIN,
				    on_birth, a);
	if (r < 0)
		births_failed(a, r);
	/* those that came before they were watched */
	walk(a);
}

/* A net below the watch: what it may have missed. */
static void watch_cgroups(struct bh_agent *a)
{
	if (!bh_kern_has(a->kern, "cgroup_mkdir"))
		walk(a);
}

/* --- the tick ---------------------------------------------------------------------------------- */

void bh_watch_now(struct bh_agent *a)
{
	bh_watch_forwarding(a);
	watch_users(a, true);
	watch_hooks(a);
}

/* What a sweep could not read is there the next time. */
static void watch_flows(struct bh_agent *a)
{
	int r = 0;

	if (a->ticks % FLOWS_EVERY == 0)
		r = bh_kern_sweep_flows(a->kern);
	if (r >= 0 && a->ticks % a->opts.telemetry.update_s == 0)
		r = bh_kern_sweep_tcp(a->kern);
	if (r < 0)
		bh_error("flows that go on can't be read: %s", strerror(-r));
}

static int on_tick(sd_event_source *source, _unused_ uint64_t usec, void *arg)
{
	struct bh_agent *a = arg;

	/* a detach that is being answered: nothing may come back */
	if (a->leaving)
		return 0;
	bh_watch_forwarding(a);
	watch_users(a, false);
	watch_cgroups(a);
	bh_nics_locals_again(a);
	bh_emergency_look(a);
	bh_holds_save_again(a);
	watch_flows(a);
	bh_sinks_tick(a);
	bh_metrics_tick(a->metrics);
	bh_pairs_tick(a);
	if (a->ticks++ % NICS_EVERY == 0 || !bh_kern_holds(a->kern)) {
		watch_hooks(a);
		bh_fdstore_save(a);
	}
	(void)sd_event_source_set_time_relative(source, TICK_USEC);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int bh_watch_open(struct bh_agent *a)
{
	a->users_mtime = newest_mtime();
	a->users_ns = a->clock->boot_ns();
	if (!bh_kern_has(a->kern, "cgroup_mkdir"))
		births_open(a);
	return sd_event_add_time_relative(a->event, &a->tick, CLOCK_MONOTONIC, TICK_USEC, 0,
					  on_tick, a);
}

void bh_watch_close(struct bh_agent *a)
{
	sd_event_source_disable_unref(a->tick);
	sd_event_source_disable_unref(a->births);
	bh_newborn_close(a->newborn);
}
