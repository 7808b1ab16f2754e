/* SPDX-License-Identifier: Apache-2.0 */
/* caps.c - see caps.h. */
#include <errno.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include "base/cleanup.h"
#include "caps.h"

static const cap_value_t kept[] = {CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON};

static bool is_kept(cap_value_t cap)
{
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		if (kept[i] == cap)
			return true;
	return false;
}

static void caps_freep(cap_t *c)
{
	if (*c)
		(void)cap_free(*c);
}

/* While CAP_SETPCAP may still be there. Without it a unit has done it, or NO_NEW_PRIVS will do. */
static int drop_bounding(void)
{
	for (cap_value_t cap = 0; cap_get_bound(cap) >= 0; cap++)
		if (!is_kept(cap) && cap_get_bound(cap) == 1 && cap_drop_bound(cap) < 0 &&
		    errno != EPERM)
			return -errno;
	return 0;
}

/* Those of ours that are in @now, and none to inherit: what is ambient goes with it. */
static int choose(cap_t now, cap_t want)
{
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
		cap_flag_value_t have;

		if (cap_get_flag(now, kept[i], CAP_PERMITTED, &have) < 0)
			return -errno;
		if (have == CAP_SET &&
		    (cap_set_flag(want, CAP_PERMITTED, 1, &kept[i], CAP_SET) < 0 ||
		     cap_set_flag(want, CAP_EFFECTIVE, 1, &kept[i], CAP_SET) < 0))
			return -errno;
	}
	return 0;
}

/* What the kernel says, not what was asked of it. */
static int verify(cap_t want)
{
	_cleanup_(caps_freep) cap_t now = cap_get_proc();

	if (!now)
		return -errno;
	if (cap_compare(now, want) != 0)
		return -EPERM;
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		if (cap_get_ambient(kept[i]) == 1)
			return -EPERM;
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : -EPERM;
}

int bh_caps_drop(void)
{
	_cleanup_(caps_freep) cap_t now = cap_get_proc(), want = cap_init();
	int r;

	if (!now || !want)
		return -errno;
	r = drop_bounding();
	if (r == 0)
		r = choose(now, want);
	if (r < 0)
		return r;
	/* a unit that has given them away before may also have forbidden the call */
	if ((cap_compare(now, want) != 0 && cap_set_proc(want) < 0) ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return verify(want);
}
