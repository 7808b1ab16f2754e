/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ages.h - since when the rules and segments of the live map are as they are: the maps before it,
 * from the agent's history, are compared one by one. Used by report and tighten.
 */
#ifndef BH_AGES_H
#define BH_AGES_H

#include "../../agent/policy/model.h"
#include "cli.h"

struct bh_age {
	uint64_t generation; /* the first one with it; 0: not known */
	int64_t at_s;	     /* when that was enforced */
	bool least;	     /* the history does not go back further, so it may be older */
	bool ended;	     /* a map without it was found */
};

struct bh_ages {
	struct bh_age *rule, *segment; /* in the order of the live map */
};

/**
 * bh_ages_get - ages of all rules and segments of @live, generation @gen
 *
 * The same is what says the same: order and layout don't matter. Return: the exit code; it was
 * said what is wrong.
 */
int bh_ages_get(struct bh_cli *cli, const struct bh_map *live, uint64_t gen, struct bh_ages *ret);
void bh_ages_clear(struct bh_ages *a);

/* The live map, parsed, and its generation. Return: as bh_ages_get(). */
int bh_live_map(struct bh_cli *cli, struct bh_map **ret, uint64_t *ret_gen);

#define _cleanup_ages_ _cleanup_(bh_ages_clear)

#endif
