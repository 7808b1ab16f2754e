/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor.h - the parts of `bulkhead doctor`: rows, what the canary found, whether the programs
 * ran. Put together by cmd_doctor.c.
 */
#ifndef BH_DOCTOR_H
#define BH_DOCTOR_H

#include "canary.h"
#include "cli.h"

/* What the agent and the kernel say at two moments, and what a canary did in between. */
struct bh_doctor {
	json_t *checks;		/* [{check, result: ok|warn|fail|untested, text, help}] */
	json_t *before, *after; /* data of the verb `doctor`; @after NULL: not yet asked */
	struct bh_canary canary;
	json_t *said[BH_ACT_MAX]; /* data of `explain` about an act; NULL: not asked or no answer */
	bool sang;
	bool counted; /* the kernel counts the runs of programs meanwhile */
};

/* One more row; @help NULL: nothing to do. */
void bh_doctor_row(struct bh_doctor *x, const char *check, const char *result, const char *help,
		   const char *fmt, ...) _printf_(5, 6);

/* --- doctor_canary.c ---------------------------------------------------------------------------- */

/* Was the canary refused where the policy says so. */
void bh_doctor_verdicts(struct bh_doctor *x);

/* --- doctor_runs.c ------------------------------------------------------------------------------ */

/* The kernel counts until this is closed. Return: fd, -EPERM (needs CAP_SYS_ADMIN), -errno. */
int bh_runs_count(void);
/* Somebody else has switched it on. */
bool bh_runs_are_counted(void);
/* Does something have yet to run, or to be told of. */
bool bh_runs_missing(const struct bh_doctor *x);
/* Did each program run that had a reason to. */
void bh_doctor_runs(struct bh_doctor *x);

#endif
