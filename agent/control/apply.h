/* SPDX-License-Identifier: Apache-2.0 */
/*
 * apply.h - a text becomes what is enforced, or is refused and nothing changed. In verb_apply.c;
 * also called by verb_rollback.c.
 */
#ifndef BH_APPLY_H
#define BH_APPLY_H

#include "control.h"

struct bh_apply {
	const char *file, *text;
	size_t bytes;
	const struct bh_caller *caller; /* bh_apply_run() fills it in */
	bool dry_run;			/* only see whether it would be taken */
	bool force;			/* the guard against locking oneself out is not asked */
	bool enforce;	   /* also on a host that has never enforced, or was booted to observe */
	__u64 confirm_ns;  /* it falls back after so long, unless it is confirmed; 0 = it stays */
	__u64 rollback_of; /* the text is that of this generation; 0: it is new */
};

/* confirm_s or confirm_default of apply, rollback and mode. Return: 0, -EINVAL (in @reply). */
int bh_arg_confirm(const struct bh_agent *a, const struct bh_call *call, struct bh_reply *reply,
		   __u64 *ret_ns);

/* dry_run, force, enforce, and when to confirm. Return: 0, -EINVAL (it is in @reply). */
int bh_apply_args(const struct bh_agent *a, const struct bh_call *call, struct bh_reply *reply,
		  struct bh_apply *ret);

/* The answer of `apply`, see proto.h. Return: 0, or -errno (see @reply): it was refused. */
int bh_apply_run(struct bh_agent *a, const struct bh_call *call, struct bh_apply *what,
		 struct bh_reply *reply);

#endif
