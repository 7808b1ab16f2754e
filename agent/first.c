/* SPDX-License-Identifier: Apache-2.0 */
/* first.c - see first.h. */
#include <errno.h>
#include "control/state.h"
#include "first.h"

bool bh_never_enforced(const struct bh_agent *a)
{
	_cleanup_(bh_marker_clear) struct bh_marker m = {0};
	_cleanup_diags_ struct bh_diags unread = {0};

	return bh_marker_load(a->opts.state_dir, &unread, &m) == -ENOENT;
}

bool bh_first_apply(const struct bh_agent *a)
{
	_cleanup_(bh_state_clear) struct bh_state s = {0};
	_cleanup_diags_ struct bh_diags unread = {0};
	int r;

	/* the pins of another version count: what they hold is this host's policy */
	if (bh_kern_generation(a->kern) || bh_kern_next(a->kern) || !bh_never_enforced(a))
		return false;
	r = bh_state_load(a->opts.state_dir, 0, &unread, &s);
	return r == -ENOENT || (r == 0 && !s.map);
}
