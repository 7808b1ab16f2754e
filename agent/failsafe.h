/* SPDX-License-Identifier: Apache-2.0 */
/*
 * failsafe.h - the failsafes of a map as text: for people, and as a map of their own that holds
 * when no other can be read. Called by commit.c, the verbs and advice.c.
 */
#ifndef BH_FAILSAFE_H
#define BH_FAILSAFE_H

#include "policy/model.h"

#define BH_CIDR_WORD 64
#define BH_PORT_WORD 64

/* "198.51.100.0/28" */
const char *bh_cidr_word(const struct bh_cidr *c, char ret[BH_CIDR_WORD]);
/* "tcp/22", "icmp/echo-request", as it may stand in a map. */
const char *bh_port_word(const struct bh_port *p, char ret[BH_PORT_WORD]);

/* "tcp/22 from 198.51.100.0/28", malloced; NULL: no memory. */
char *bh_failsafe_text(const struct bh_rule_src *rule);

/**
 * bh_failsafes_yaml - a map in enforce mode with the failsafes of @map and nothing else
 * @map: may be NULL: one that has none
 *
 * What it makes was parsed again and has as many failsafes. Return: 0, -ENOMEM, -EINVAL.
 */
int bh_failsafes_yaml(const struct bh_map *map, char **ret);

#endif
