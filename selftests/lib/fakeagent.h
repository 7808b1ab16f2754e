/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fakeagent.h - a struct bh_agent on a fake kernel, with a directory of its own: what the tests
 * of agent/ and agent/control/ begin with. Include it in one source of a test program.
 */
#ifndef BH_FAKEAGENT_H
#define BH_FAKEAGENT_H

#include <ftw.h>
#include <sys/stat.h>
#include "../../agent/agent.h"
#include "../../agent/control/audit.h"
#include "../../agent/control/flows.h"
#include "../../agent/control/proto.h"
#include "../../agent/holds.h"
#include "../../agent/control/history.h"
#include "fakekern.h"

static char test_dir[64]; /* /tmp/bh-test-PID */

static int64_t test_clock_set_ms; /* by so much */

static int64_t test_wall_ms(void)
{
	return 1767225600000 + test_clock_set_ms; /* 2026-01-01T00:00:00Z */
}

static uint64_t test_boot_ns(void)
{
	static uint64_t ns = 1000000000000;

	return ns += 1000;
}

static const struct bh_clock test_clock = {test_wall_ms, test_boot_ns};

/* alice is 1001, bob 1002, and they are the group staff. */
static __u32 test_alice = 1001;

static int test_uid_of(_unused_ void *ctx, const char *user, __u32 *ret_uid)
{
	if (!strcmp(user, "alice"))
		*ret_uid = test_alice;
	else if (!strcmp(user, "bob"))
		*ret_uid = 1002;
	else
		return -ENOENT;
	return 0;
}

static int test_group(_unused_ void *ctx, const char *group, __u32 **ret_uids, size_t *ret_n)
{
	__u32 *v;

	if (strcmp(group, "staff") != 0)
		return -ENOENT;
	v = malloc(2 * sizeof(*v));
	if (!v)
		return -ENOMEM;
	v[0] = test_alice;
	v[1] = 1002;
	*ret_uids = v;
	*ret_n = 2;
	return 0;
}

static int test_remove(const char *path, _unused_ const struct stat *st, _unused_ int type,
		       _unused_ struct FTW *ftw)
{
	return remove(path);
}

/* Return: the agent; everything in it is empty. */
static struct bh_agent *test_agent_new(void)
{
	struct bh_agent *a = calloc(1, sizeof(*a));

	memset(&fake, 0, sizeof(fake));
	snprintf(test_dir, sizeof(test_dir), "/tmp/bh-test-%d", (int)getpid());
	if (!a || mkdir(test_dir, 0700) < 0)
		abort();
	a->opts.state_dir = strdup(test_dir);
	a->opts.runtime_dir = strdup(test_dir);
	a->opts.pin_dir = strdup(test_dir);
	if (bh_cgroup_mount("/proc/self/mountinfo", &a->opts.cgroup_root) < 0)
		a->opts.cgroup_root = strdup("/sys/fs/cgroup");
	a->opts.confirm_s = BH_CONFIRM_DEFAULT_S;
	a->opts.emergency_s = BH_EMERGENCY_DEFAULT_S;
	a->opts.emergency_max_s = BH_EMERGENCY_MAX_S;
	a->clock = &test_clock;
	a->users = (struct bh_users){.uid_of = test_uid_of, .group = test_group};
	a->live.numbers = bh_numbers_new();
	a->cgroups = bh_cgroups_new(a->opts.cgroup_root);
	a->holds = bh_holds_new();
	a->lock[0] = a->lock[1] = a->lock[2] = -1;
	a->metrics_fd = -1;
	return a;
}

_unused_ static void test_agent_free(struct bh_agent *a)
{
	bh_agent_opts_clear(&a->opts);
	bh_live_clear(&a->live);
	bh_live_clear(&a->back);
	bh_cgroups_free(a->cgroups);
	bh_holds_free(a->holds);
	bh_audit_close(a->audit);
	bh_history_close(a->history);
	bh_flows_free(a->flows);
	sd_event_unref(a->event);
	free(a->nic);
	free(a->root_in_mount);
	free(a);
	(void)nftw(test_dir, test_remove, 8, FTW_DEPTH | FTW_PHYS);
}

/* A new start of the agent in the same place, with the same kernel. */
_unused_ static void test_agent_restart(struct bh_agent *a)
{
	bh_live_clear(&a->live);
	a->live.numbers = bh_numbers_new();
	bh_live_clear(&a->back);
	a->no_policy = a->detached = false;
	a->state_trouble[0] = a->audit_trouble[0] = a->users_trouble[0] = '\0';
	(void)bh_agent_restore_floor(a, &fake.floor);
}

#endif
