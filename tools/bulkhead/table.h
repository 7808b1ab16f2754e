/* SPDX-License-Identifier: Apache-2.0 */
/*
 * table.h - rows of an answer as an aligned table (libsmartcols). On a terminal wide columns
 * are cut to fit; elsewhere nothing is.
 */
#ifndef BH_TABLE_H
#define BH_TABLE_H

#include "cli.h"

struct bh_column {
	const char *name;
	const char *path; /* in the row, see bh_json_at() */
	/* Makes the cell instead of @path; malloced, NULL = "-". */
	char *(*cell)(const json_t *row);
	bool right; /* numbers */
	bool cut;   /* may be shortened on a terminal */
};

/* Return: 0, -ENOMEM, or what libsmartcols says. */
int bh_table_print(const struct bh_cli *cli, const json_t *rows, const struct bh_column *columns,
		   size_t n_columns);

#endif
