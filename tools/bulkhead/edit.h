/* SPDX-License-Identifier: Apache-2.0 */
/*
 * edit.h - changes to a text that keep the rest of it byte by byte, and the unified diff of them. Pure.
 * Used by tighten.
 */
#ifndef BH_EDIT_H
#define BH_EDIT_H

#include <stddef.h>
#include "../../agent/policy/model.h"

/* Bytes [from, to) become @text. */
struct bh_edit {
	size_t from, to;
	char *text;
	const char *why; /* stands behind the @@ of its hunk: one line */
};

/*
 * Both sort @e, which must not overlap. Malloced; NULL: no memory.
 * bh_edit_diff: for patch(1), which takes @name.
 */
char *bh_edit_apply(const char *text, size_t len, struct bh_edit *e, size_t n, size_t *ret_len);
char *bh_edit_diff(const char *text, size_t len, struct bh_edit *e, size_t n, const char *name);

/* --- places in a segment map ---------------------------------------------------------------------- */

/* The bytes of @pos. Return: false if there is no such place. */
bool bh_edit_span(const struct bh_map *map, struct bh_pos pos, size_t *ret_from, size_t *ret_to);

/*
 * All lines of the element of a block sequence that begins at @pos. Return: false if it is written
 * otherwise.
 */
bool bh_edit_item(const struct bh_map *map, struct bh_pos pos, size_t *ret_from, size_t *ret_to);

/**
 * bh_edit_list - other words for a value that is a word or a list of words
 * @pos: of the words that are there
 * @word: those that shall be, at least one
 *
 * Return: 0, -EOPNOTSUPP (written in a way that this can't change, such as with comments inside),
 * -ENOMEM.
 */
int bh_edit_list(const struct bh_map *map, const struct bh_pos *pos, size_t n,
		 const char *const *word, size_t n_word, struct bh_edit *ret);

#endif
