/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit.h - who changed what: <state-dir>/audit.jsonl, a JSON object a line, only appended to.
 * Called by request.c for every verb that changes something, and by the agent itself.
 */
#ifndef BH_AUDIT_H
#define BH_AUDIT_H

#include <jansson.h>
#include "../base/clock.h"
#include "../base/diag.h"

struct bh_audit;

/*
 * Open or begin the log, and find where its numbers go on. A last line that a power loss cut
 * short stays as it is and gets its end. Return: 0 or -errno (see @d).
 */
int bh_audit_open(const char *dir, const struct bh_clock *clock, struct bh_diags *d,
		  struct bh_audit **ret);
void bh_audit_close(struct bh_audit *a);
BH_DEFINE_CLEANUP(struct bh_audit *, bh_audit_close)

/**
 * bh_audit_add - append one record
 * @what: object; "seq" and "time" are put in front of a copy. Not consumed.
 *
 * On the disk when it returns 0; else -errno, and the number is used again.
 */
int bh_audit_add(struct bh_audit *a, const json_t *what);

/* The number of the last record, 0 if there is none. */
unsigned long long bh_audit_seq(const struct bh_audit *a);

#endif
