/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit.h - who changed what: <state-dir>/audit.jsonl, a JSON object a line, only appended to, each
 * with the hash of the one before. What a line is, and how to hold a log against it: chain.h.
 * Called by record.c, which says what a record is about.
 *
 * A record is on the disk (one fdatasync) before anybody hears that the change was made; then its
 * head goes to the places that chain.h names, none of which is waited for. At 16 MiB the log
 * becomes audit.jsonl.1, the one that was there .2, and so on; 8 are kept. That is a row of renames
 * from the oldest on: a crash leaves a number out, and whoever reads goes by the numbers there are.
 * What is too old goes when the begin of the new file, which says so, is on the disk: chain.h.
 */
#ifndef BH_AUDIT_H
#define BH_AUDIT_H

#include <jansson.h>
#include "../base/clock.h"
#include "../base/diag.h"
#include "chain.h"

struct bh_audit;

/*
 * Open or begin the log, and find where it goes on. A last line that a power loss cut short stays
 * as it is and gets its end; the next record vouches for it. Return: 0 or -errno (see @d).
 */
int bh_audit_open(const char *dir, const struct bh_clock *clock, struct bh_diags *d,
		  struct bh_audit **ret);
void bh_audit_close(struct bh_audit *a);
BH_DEFINE_CLEANUP(struct bh_audit *, bh_audit_close)

/*
 * Where each record and its head go, besides the file. @what: as it was added, with its "event".
 * @line: as it stands in the log.
 */
typedef void (*bh_audit_head_fn)(void *ctx, const struct bh_chain_head *head, const json_t *what,
				 const char *line);
void bh_audit_tell(struct bh_audit *a, bh_audit_head_fn fn, void *ctx);

/**
 * bh_audit_check - is the log as it was left
 * @pinned: the head that the kernel kept; NULL or seq 0: none
 *
 * If not, this is kept (see bh_audit_found()), said in the log as its next record, and the log
 * goes on. bh_audit_add() does it with no pinned head, if nobody did. Return: 0 or -errno.
 */
int bh_audit_check(struct bh_audit *a, const struct bh_chain_head *pinned);

/* How the log was tampered with, also before this start; "" = not, or it was accepted. */
const char *bh_audit_found(const struct bh_audit *a);
/* Records that the log has to have and has not: somebody removed older files. */
bool bh_audit_lacks(const struct bh_audit *a, unsigned long long *ret_from,
		    unsigned long long *ret_to);
/* Somebody has seen it. The next record begins a file, if one has to say that the log is shorter. */
void bh_audit_accept(struct bh_audit *a);

/**
 * bh_audit_add - append one record
 * @what: object; "seq", "prev" and "time" are put in front of a copy, "hash" behind it. Not consumed.
 *
 * On the disk when it returns 0; else -errno, and the number is used again. A log that was changed
 * since the last one is found here, too.
 */
int bh_audit_add(struct bh_audit *a, const json_t *what);

/* What went wrong beside the last record: the file of the head, a rotation. "" = nothing. */
const char *bh_audit_trouble(const struct bh_audit *a);

/* The last record, seq 0 if there is none. */
const struct bh_chain_head *bh_audit_head(const struct bh_audit *a);
const char *bh_audit_path(const struct bh_audit *a);

#define BH_AUDIT_MAX_BYTES ((size_t)16 << 20)
#define BH_AUDIT_KEEP	   BH_CHAIN_KEEP
/* Another size and number of files than these. */
void bh_audit_limit(struct bh_audit *a, size_t max_bytes, unsigned int keep);

#endif
