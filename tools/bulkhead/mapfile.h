/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mapfile.h - a segment map that was named on the command line: a file, or a generation that the
 * agent remembers. A number or `live` is a generation; a file of that name is ./41.
 */
#ifndef BH_MAPFILE_H
#define BH_MAPFILE_H

#include "cli.h"

struct bh_mapfile {
	const char *name; /* for messages */
	char *text;
	size_t len;
	char *own; /* of @name, if it is not the caller's */
};

/*
 * Reads @path, "-" = stdin, at most BH_MAP_MAX_BYTES. Says what is wrong.
 * Return: BH_EXIT_OK or the exit code.
 */
int bh_mapfile_read(struct bh_cli *cli, const char *path, struct bh_mapfile *ret);
/* Is this word a generation? */
bool bh_is_generation(const char *word);
/* Its number, 0 for live. Return: BH_EXIT_OK or the exit code, and it was said what is wrong. */
int bh_generation_parse(struct bh_cli *cli, const char *word, json_int_t *ret);
/* The text of generation @gen (0: what is live), from the agent. As bh_mapfile_read(). */
int bh_mapfile_fetch(struct bh_cli *cli, json_int_t gen, struct bh_mapfile *ret);
/* One or the other. */
int bh_mapfile_get(struct bh_cli *cli, const char *word, struct bh_mapfile *ret);
void bh_mapfile_clear(struct bh_mapfile *f);

/*
 * {"file", "text"} for apply, diff and check; NULL: not UTF-8. With @keep the agent remembers
 * the name, which must mean the same from another directory: an absolute path.
 */
json_t *bh_mapfile_args(const struct bh_mapfile *f, bool keep);

/* To stdout as it is; a terminal gets no more than text, line by line. */
void bh_map_print(const struct bh_cli *cli, const char *text);

/* "+ rule web-db  from ..." a line each, of [{what,object,detail}]. */
void bh_changes_print(const struct bh_cli *cli, const json_t *changes);

#define _cleanup_mapfile_ _cleanup_(bh_mapfile_clear)

#endif
