/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pairtext.h - rows of the history of pairs as people read them, for tables; and what a map would
 * change for them.
 */
#ifndef BH_PAIRTEXT_H
#define BH_PAIRTEXT_H

#include "cli.h"
#include "table.h"

/* Cells of a table; malloced, NULL: no memory. */
char *bh_pair_from(const json_t *row);
char *bh_pair_to(const json_t *row);
char *bh_pair_port(const json_t *row);

/* The data of verb `simulate`. Return: as bh_table_print(). */
int bh_replay_print(struct bh_cli *cli, const json_t *data);

#endif
