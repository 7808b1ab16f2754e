/* SPDX-License-Identifier: Apache-2.0 */
/*
 * first.h - what has this host been through? The first map only observes, unless it was said
 * otherwise. Called by commit.c, verb_apply.c and health.c.
 */
#ifndef BH_FIRST_H
#define BH_FIRST_H

#include "agent.h"

/* True if no map was ever taken here: none is in force, none on disk, nor was there one. */
bool bh_first_apply(const struct bh_agent *a);

/* True if this host has denied nothing yet: no marker. One that can't be read is one. */
bool bh_never_enforced(const struct bh_agent *a);

#endif
