/* SPDX-License-Identifier: Apache-2.0 */
/*
 * entry.h - a journal entry as journald's native protocol has it: fields with any bytes as their
 * values (https://systemd.io/JOURNAL_NATIVE_PROTOCOL). Made by sink_journal.c.
 */
#ifndef BH_ENTRY_H
#define BH_ENTRY_H

#include <stdbool.h>
#include <stddef.h>
#include "../base/cleanup.h"
#include "flow.h"

#define BH_ENTRY_MAX 8192

struct bh_entry {
	size_t n;
	char b[BH_ENTRY_MAX];
};

/*
 * NAME=value; one with a line break in it goes by its length. NULL or "": no field. One that finds
 * no room is left out. Return: it is in.
 */
bool bh_entry_put(struct bh_entry *e, const char *name, const char *value);
bool bh_entry_putf(struct bh_entry *e, const char *name, const char *fmt, ...) _printf_(3, 4);
/* For people: as bh_entry_putf, but nothing in it moves a cursor or makes a line of its own. */
bool bh_entry_say(struct bh_entry *e, const char *fmt, ...) _printf_(2, 3);

/* All that the journal gets of a flow. */
void bh_entry_of(struct bh_entry *e, const struct bh_flow *flow);

#endif
