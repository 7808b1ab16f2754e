/* SPDX-License-Identifier: Apache-2.0 */
/*
 * health.h - is what the map needs enforced, and if not, why. Called by verb_status.c and
 * verb_doctor.c.
 */
#ifndef BH_HEALTH_H
#define BH_HEALTH_H

#include "control.h"

struct bh_health {
	const char *state; /* enforcing, observing, no_policy, degraded */
	bool good;	   /* what the map needs is enforced */
	bool waits;	   /* for somebody to confirm a map, or to look at the audit log */
	json_t *problems;  /* array of strings; owned */
	json_t *found;	   /* the same as [{check, result: warn|fail, text}]; owned */
};

void bh_health_clear(struct bh_health *h);

/* Return: 0 or -ENOMEM. */
int bh_health_read(struct bh_agent *a, struct bh_health *ret);

#endif
