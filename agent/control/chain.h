/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chain.h - the audit log as a chain of hashes: what a record looks like, and whether a log is what
 * its agent wrote. Reads files and nothing else: used by audit.c, and by the command line on a host
 * whose agent is gone.
 *
 * A record is one line of JSON. It ends in  ,"hash":"H"}  and H is the SHA-256, in lower case hex,
 * of the bytes of the line without  ,"hash":"H"  and without its line break:
 *
 *	{"seq":7,"prev":"...","time":"...", ... ,"hash":"H"}
 *	{"seq":7,"prev":"...","time":"...", ... }               <- H is the hash of this
 *
 * "prev" is the H of the record before, 64 zeros for the very first, and "seq" is one more than
 * there, so that H fixes all that was ever written. This finds what does not hold, with no program
 * of ours:
 *
 *	prev=$(printf '0%.0s' {1..64})
 *	cat audit.jsonl.{99..1} audit.jsonl 2> /dev/null | while IFS= read -r line; do
 *		[ "$(jq -r .prev <<< "$line")" = "$prev" ] || echo "not after the one before: $line"
 *		prev=$(sed 's/,"hash":"[0-9a-f]*"}$/}/' <<< "$line" | tr -d '\n' | sha256sum | cut -c-64)
 *		[ "$(jq -r .hash <<< "$line")" = "$prev" ] || echo "edited: $line"
 *	done
 *
 * The first record of each file is {"event":"begin","older":N,"keep":K,"first":{"seq","hash"}}: N
 * older files are there (audit.jsonl.1 is the youngest of them), of which no more than K are kept, and
 * the log begins with record "first" from now on ("first" is not there where that is this one). What
 * is older than the youngest begin says was cut off by its agent; what is not, and is missing, by
 * somebody else: to say otherwise is to write a begin that fits the heads. The files go after the begin
 * is on the disk, and "first" only moves past records that hang together with it. The chain goes on
 * from file to file. Bytes between two records, which a power loss or a full disk can leave, are
 * vouched for by the record behind them: "skip":{"bytes":N,"sha256":"..."} is over exactly these,
 * in all files. An agent that finds the log other than it left it says so in a record of its own,
 * {"event":"mismatch"}, whose prev is the last head it knew: the log goes on, and the break stays.
 *
 * The head, {seq, hash} of the last record, also stands in <state-dir>/audit.head, in the pinned
 * map bh_audit, and in the journal. It is written after the record, so a crash leaves it behind,
 * never ahead: the pinned one by one record at most; the file's by more after a power loss, since
 * nobody waits for the disk there. Who may write all of these may also write another log: then
 * only what left the host by then, by way of the journal, tells.
 */
#ifndef BH_AUDIT_CHAIN_H
#define BH_AUDIT_CHAIN_H

#include <jansson.h>
#include "../base/cleanup.h"

#define BH_CHAIN_HASH 65 /* 64 digits and a NUL */
#define BH_CHAIN_ZERO "0000000000000000000000000000000000000000000000000000000000000000"
/* A larger number was not written here: every reader of JSON counts to this (RFC 8259, 6). */
#define BH_CHAIN_SEQ_MAX  (1ull << 53)
#define BH_CHAIN_KEEP	  8 /* older files, unless the begin of the newest says otherwise */
#define BH_CHAIN_FILES	  100
#define BH_CHAIN_KEEP_MAX 90

/* seq 0: there is none. */
struct bh_chain_head {
	unsigned long long seq;
	char hash[BH_CHAIN_HASH];
};

/* --- one line ------------------------------------------------------------------------------- */

/* {seq, prev} and then all of @what, with its hash and a line break. NULL: no memory. */
char *bh_chain_line(const struct bh_chain_head *last, const char *time, const json_t *what,
		    struct bh_chain_head *ret);

struct bh_chain_record {
	struct bh_chain_head head;
	char prev[BH_CHAIN_HASH];
	bool good;    /* the line has the hash that it says */
	json_t *json; /* owned */
};

/* @line without its line break. Return: false if it is no record at all, good or not. */
bool bh_chain_parse(const char *line, size_t bytes, struct bh_chain_record *ret);
void bh_chain_record_clear(struct bh_chain_record *r);

/* --- the head on the disk ------------------------------------------------------------------- */

/* What the agent knows of its log beside the log. */
struct bh_chain_note {
	struct bh_chain_head head;
	char found[200]; /* how the log was tampered with, until somebody accepts it; "" = not */
};

/* <path of the log's directory>/audit.head, whole or refused. Return: 0, -ENOENT, -EBADMSG, -errno. */
int bh_chain_note_read(const char *log, struct bh_chain_note *ret);
/* One sector, in its place: a power loss leaves the old one or the new one. Return: 0 or -errno. */
int bh_chain_note_write(const char *log, const struct bh_chain_note *note);

/* --- the whole log -------------------------------------------------------------------------- */

/* Path of the @n-th older file, 0 = the log itself; malloced, NULL: no memory. */
char *bh_chain_path(const char *log, unsigned int n);

struct bh_chain_finding {
	const char *kind; /* edited, removed, reordered, cut, rewritten, noticed */
	char *file;
	unsigned int line;	/* from 1 */
	unsigned long long seq; /* of the record in question */
	char *text;
};

/* A head from elsewhere. The log has to have it, and at most @ahead records behind it. */
struct bh_chain_claim {
	const char *where; /* "the pinned map": for the text */
	struct bh_chain_head head;
	unsigned long long ahead;
};

struct bh_chain_report {
	struct bh_chain_finding *finding; /* in the order of the log */
	size_t n_finding;		  /* that are in @finding: the first hundred */
	size_t n_found;
	unsigned long long records;
	unsigned int files;
	struct bh_chain_head first, last;
	unsigned long long cut; /* the records up to this one were cut off by @keep; 0: none */
	unsigned int keep;
	size_t torn; /* bytes at the end that are half a line: a crash, or it is being written */
};

/**
 * bh_chain_verify - is the log what its agent wrote
 * @log:   path of audit.jsonl; the older ones are beside it
 * @claim: heads to hold it against
 *
 * Return: 0, see @ret; -ENOENT: there is no log and no claim on one; -errno.
 */
int bh_chain_verify(const char *log, const struct bh_chain_claim *claim, size_t n,
		    struct bh_chain_report *ret);
void bh_chain_report_clear(struct bh_chain_report *r);
/* Add what is wrong with the head's own file. Return: 0 or -ENOMEM. */
int bh_chain_report_add(struct bh_chain_report *r, const struct bh_chain_finding *at,
			const char *fmt, ...) _printf_(3, 4);

/* The last @n records (what parses as such), oldest first. Return: 0, -ENOENT, -errno. */
int bh_chain_tail(const char *log, size_t n, json_t **ret);

#endif
