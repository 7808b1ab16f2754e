/* SPDX-License-Identifier: Apache-2.0 */
/* follow.h - rows as they happen, until somebody has seen enough. Used by flows and audit. */
#ifndef BH_FOLLOW_H
#define BH_FOLLOW_H

#include "table.h"

struct bh_follow {
	const char *verb;
	const struct bh_column *columns;
	/* of rows that come one by one: nobody knows how wide the next one is */
	const int *widths;
	size_t n_columns;
};

/**
 * bh_follow - the rows of the answer, then one a line for as long as both ends like
 * @args: stolen
 *
 * With -o json each is an object, a line. SIGINT and SIGTERM end it between two rows, with 0.
 * Return: the exit code.
 */
int bh_follow(struct bh_cli *cli, const struct bh_follow *f, json_t *args);

#endif
