/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chain_verify.c - see chain.h. First every record of every file is read, then each is held against
 * the one before it: only who has seen all of them can tell a record that was moved from one that
 * was taken away.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "chain_read.h"
#include "seal.h"

#define FINDINGS_MAX 100

struct item {
	struct bh_chain_head head;
	char prev[BH_CHAIN_HASH];
	unsigned int file, line;
};

struct reader {
	struct bh_chain_files files;
	struct bh_chain_report *report;
	struct item *item;
	size_t n, room;
	unsigned long long *seq; /* of all items, sorted */

	/* what was read since the last record */
	char *rest;
	size_t rest_bytes;
	unsigned int rest_file, rest_line;
	bool rest_whole;

	unsigned int older, keep;  /* as the begin of the first and the last file say */
	struct bh_chain_head kept; /* as the last one says; seq 0: it does not */
	size_t begins;
	bool first_is_begin;
};

static void clear(struct reader *r)
{
	bh_chain_close(&r->files);
	free(r->item);
	free(r->seq);
	free(r->rest);
}

/* --- findings ----------------------------------------------------------------------------------- */

void bh_chain_report_clear(struct bh_chain_report *r)
{
	for (size_t i = 0; i < r->n_finding; i++) {
		free(r->finding[i].file);
		free(r->finding[i].text);
	}
	free(r->finding);
	*r = (struct bh_chain_report){0};
}

_printf_(3, 0) static int add_finding(struct bh_chain_report *r, const struct bh_chain_finding *at,
				      const char *fmt, va_list ap)
{
	struct bh_chain_finding f = *at;

	r->n_found++;
	if (r->n_finding == FINDINGS_MAX)
		return 0;
	if (!r->finding)
		r->finding = calloc(FINDINGS_MAX, sizeof(*r->finding));
	f.file = r->finding ? strdup(at->file) : NULL;
	if (!f.file)
		return -ENOMEM;
	if (vasprintf(&f.text, fmt, ap) < 0) {
		free(f.file);
		return -ENOMEM;
	}
	r->finding[r->n_finding++] = f;
	return 0;
}

int bh_chain_report_add(struct bh_chain_report *r, const struct bh_chain_finding *at,
			const char *fmt, ...)
{
	va_list ap;
	int e;

	va_start(ap, fmt);
	e = add_finding(r, at, fmt, ap);
	va_end(ap);
	return e;
}

_printf_(5, 6) static int found(struct reader *r, const char *kind, unsigned int file,
				unsigned int line, const char *fmt, ...)
{
	struct bh_chain_finding at = {
		.kind = kind,
		.file = r->files.v[file].path,
		.line = line,
	};
	va_list ap;
	int e;

	for (size_t i = 0; r->report->n_finding < FINDINGS_MAX && i < r->n; i++)
		if (r->item[i].file == file && r->item[i].line == line)
			at.seq = r->item[i].head.seq;
	va_start(ap, fmt);
	e = add_finding(r->report, &at, fmt, ap);
	va_end(ap);
	return e;
}

/* --- reading --------------------------------------------------------------------------------------- */

static int rest_add(struct reader *r, unsigned int file, unsigned int line, const char *text,
		    size_t bytes)
{
	char *more = realloc(r->rest, r->rest_bytes + bytes);

	if (!more)
		return -ENOMEM;
	if (!r->rest_bytes) {
		r->rest_file = file;
		r->rest_line = line;
	}
	memcpy(more + r->rest_bytes, text, bytes);
	r->rest = more;
	r->rest_bytes += bytes;
	r->rest_whole = text[bytes - 1] == '\n';
	return 0;
}

/* Does this record vouch for the bytes in front of it? */
static int check_rest(struct reader *r, const struct item *at, const json_t *skip)
{
	json_int_t bytes = json_integer_value(json_object_get(skip, "bytes"));
	const char *said = json_string_value(json_object_get(skip, "sha256"));
	char digest[BH_SHA256_TEXT];
	size_t n = r->rest_bytes;

	r->rest_bytes = 0;
	if (!n && bytes)
		return found(r, "removed", at->file, at->line,
			     "%lld bytes that record %llu tells of are not in front of it",
			     (long long)bytes, at->head.seq);
	if (!n)
		return 0;
	bh_sha256_text(r->rest, n, digest);
	if (said && bytes == (json_int_t)n && !strcmp(digest, said))
		return 0;
	return found(r, "edited", r->rest_file, r->rest_line,
		     "this is no record, and record %llu behind it does not tell of it",
		     at->head.seq);
}

static void note_begin(struct reader *r, const json_t *json)
{
	json_int_t older = json_integer_value(json_object_get(json, "older"));
	json_int_t keep = json_integer_value(json_object_get(json, "keep"));

	if (!r->begins++)
		r->older = (unsigned int)older;
	r->keep = (unsigned int)keep;
	if (!bh_chain_first_of(json, &r->kept))
		r->kept = (struct bh_chain_head){0};
}

static int take_record(struct reader *r, unsigned int file, unsigned int line,
		       const struct bh_chain_record *rec)
{
	const char *event = json_string_value(json_object_get(rec->json, "event"));
	const char *said = json_string_value(json_object_get(rec->json, "found"));
	struct item *at;
	int e;

	if (r->n == r->room) {
		size_t room = r->room ? 2 * r->room : 1024;
		struct item *more = reallocarray(r->item, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		r->item = more;
		r->room = room;
	}
	at = &r->item[r->n++];
	*at = (struct item){.head = rec->head, .file = file, .line = line};
	memcpy(at->prev, rec->prev, sizeof(at->prev));
	if (event && !strcmp(event, "begin") && rec->good) {
		note_begin(r, rec->json);
		if (r->n == 1)
			r->first_is_begin = true;
	}
	e = check_rest(r, at, json_object_get(rec->json, "skip"));
	if (e == 0 && !rec->good)
		e = found(r, "edited", file, line, "record %llu is not what its hash was made of",
			  rec->head.seq);
	else if (e == 0 && event && !strcmp(event, "mismatch"))
		e = found(r, "noticed", file, line, "the agent found the log tampered with: %s",
			  said ? said : "it does not say how");
	return e;
}

static int read_file(struct reader *r, unsigned int file)
{
	_cleanup_free_ char *line = NULL;
	unsigned int number = 0;
	size_t room = 0;
	ssize_t n;

	while ((n = getline(&line, &room, r->files.v[file].f)) > 0) {
		size_t len = (size_t)n - (line[n - 1] == '\n');
		struct bh_chain_record rec;
		int e;

		number++;
		if (bh_chain_parse(line, len, &rec)) {
			e = take_record(r, file, number, &rec);
			bh_chain_record_clear(&rec);
		} else {
			e = rest_add(r, file, number, line, (size_t)n);
		}
		if (e < 0)
			return e;
	}
	return ferror(r->files.v[file].f) ? -EIO : 0;
}

/* Bytes behind the last record: half a line may still be written, a whole one was. */
static int end_of_all(struct reader *r)
{
	if (!r->rest_bytes)
		return 0;
	if (!r->rest_whole && !memchr(r->rest, '\n', r->rest_bytes)) {
		r->report->torn = r->rest_bytes;
		return 0;
	}
	/* it was not written by an agent that chains: older than the first record */
	if (!r->n)
		return 0;
	return found(r, "edited", r->rest_file, r->rest_line, "this is no record");
}

/* --- the order ---------------------------------------------------------------------------------- */

static int by_number(const void *a, const void *b)
{
	unsigned long long x = *(const unsigned long long *)a, y = *(const unsigned long long *)b;

	return x < y ? -1 : x > y;
}

static bool is_there(const struct reader *r, unsigned long long seq)
{
	return bsearch(&seq, r->seq, r->n, sizeof(seq), by_number);
}

/* The first of a row of numbers that are missing, up to @to: its last one. */
static unsigned long long missing_until(const struct reader *r, unsigned long long from,
					unsigned long long to)
{
	while (from < to && !is_there(r, from + 1))
		from++;
	return from;
}

static int missing(struct reader *r, const struct item *at, unsigned long long from,
		   unsigned long long to)
{
	if (from == to)
		return found(r, "removed", at->file, at->line,
			     "record %llu is missing in front of record %llu", from, at->head.seq);
	return found(r, "removed", at->file, at->line,
		     "records %llu to %llu are missing in front of record %llu", from, to,
		     at->head.seq);
}

/* Whether the record behind @at was written behind it. The last one: nobody can say. */
static bool is_followed(const struct reader *r, const struct item *at)
{
	return at + 1 == r->item + r->n || !strcmp(at[1].prev, at->head.hash);
}

static int order_wrong(struct reader *r, const struct item *before, const struct item *at)
{
	unsigned long long want = before->head.seq + 1, seq = at->head.seq;

	if (seq == want && !is_followed(r, at))
		return found(r, "edited", at->file, at->line,
			     "record %llu was written neither behind record %llu nor in front of "
			     "the next: it was edited and its hash made anew",
			     seq, before->head.seq);
	if (seq == want)
		return found(r, "edited", before->file, before->line,
			     "record %llu is not the one that record %llu was written behind: it "
			     "was edited and its hash made anew",
			     before->head.seq, seq);
	if (seq < want)
		return found(r, "reordered", at->file, at->line,
			     "record %llu stands behind record %llu", seq, before->head.seq);
	if (is_there(r, want))
		return found(r, "reordered", at->file, at->line,
			     "record %llu stands where record %llu belongs", seq, want);
	return missing(r, at, want, missing_until(r, want, seq - 1));
}

/* What was cut off has to end in front of the record that the youngest begin names. */
static int check_kept(struct reader *r)
{
	const struct item *first = &r->item[0];

	for (size_t i = 0; i < r->n; i++)
		if (r->item[i].head.seq == r->kept.seq &&
		    strcmp(r->item[i].head.hash, r->kept.hash) != 0)
			return found(r, "edited", r->item[i].file, r->item[i].line,
				     "record %llu is not the one that the log was cut in front of",
				     r->kept.seq);
	if (first->head.seq > r->kept.seq)
		return missing(r, first, r->kept.seq, first->head.seq - 1);
	r->report->cut = first->head.seq - 1;
	return 0;
}

/* What may be in front of the first record there is. */
static int check_first(struct reader *r)
{
	const struct item *first = &r->item[0];
	unsigned int keep = r->keep ? r->keep : BH_CHAIN_KEEP;

	if (first->head.seq == 1)
		return strcmp(first->prev, BH_CHAIN_ZERO) != 0 || !r->first_is_begin
			       ? found(r, "edited", first->file, first->line,
				       "record 1 is no begin of a log")
			       : 0;
	if (r->kept.seq)
		return check_kept(r);
	/* of an agent that did not say. One less: a crash in the middle of a rotation */
	if (r->first_is_begin && r->older && r->files.n >= keep) {
		r->report->cut = first->head.seq - 1;
		return 0;
	}
	return missing(r, first, 1, first->head.seq - 1);
}

static int check_order(struct reader *r)
{
	int e;

	if (!r->n)
		return 0;
	r->seq = calloc(r->n, sizeof(*r->seq));
	if (!r->seq)
		return -ENOMEM;
	for (size_t i = 0; i < r->n; i++)
		r->seq[i] = r->item[i].head.seq;
	qsort(r->seq, r->n, sizeof(*r->seq), by_number);
	e = check_first(r);
	for (size_t i = 1; e == 0 && i < r->n; i++) {
		const struct item *before = &r->item[i - 1], *at = &r->item[i];

		if (at->head.seq != before->head.seq + 1 ||
		    strcmp(at->prev, before->head.hash) != 0)
			e = order_wrong(r, before, at);
	}
	return e;
}

/* --- heads from elsewhere ------------------------------------------------------------------------ */

static int cut(struct reader *r, const struct item *last, const struct bh_chain_claim *claim)
{
	if (last)
		return found(r, "cut", last->file, last->line,
			     "the log ends with record %llu, and %s knows of record %llu",
			     last->head.seq, claim->where, claim->head.seq);
	return bh_chain_report_add(
		r->report,
		&(struct bh_chain_finding){
			.kind = "cut", .file = r->files.v[r->files.n].path, .line = 1},
		"there is no record, and %s knows of record %llu", claim->where, claim->head.seq);
}

static int check_claim(struct reader *r, const struct bh_chain_claim *claim)
{
	const struct item *last = NULL, *it = NULL;

	for (size_t i = 0; i < r->n; i++) {
		if (!last || r->item[i].head.seq > last->head.seq)
			last = &r->item[i];
		if (r->item[i].head.seq == claim->head.seq)
			it = &r->item[i];
	}
	if (!claim->head.seq)
		return 0;
	if (!last || last->head.seq < claim->head.seq)
		return cut(r, last, claim);
	if (it && strcmp(it->head.hash, claim->head.hash) != 0)
		return found(r, "rewritten", it->file, it->line,
			     "record %llu is not the one that %s knows of", it->head.seq,
			     claim->where);
	if (last->head.seq - claim->head.seq > claim->ahead)
		return found(r, "rewritten", last->file, last->line,
			     "%llu records are behind record %llu, the last that %s knows of",
			     last->head.seq - claim->head.seq, claim->head.seq, claim->where);
	return 0;
}

/* --- all of it ------------------------------------------------------------------------------------ */

static int before(const void *a, const void *b, void *ctx)
{
	const struct bh_chain_finding *x = a, *y = b;
	const struct reader *r = ctx;
	size_t i = 0, j = 0;

	while (i < r->files.n && strcmp(r->files.v[i].path, x->file) != 0)
		i++;
	while (j < r->files.n && strcmp(r->files.v[j].path, y->file) != 0)
		j++;
	if (i != j)
		return i < j ? -1 : 1;
	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	/* what is there to be seen before what somebody said of it */
	return !strcmp(x->kind, "noticed") - !strcmp(y->kind, "noticed");
}

static void sum_up(struct reader *r)
{
	struct bh_chain_report *report = r->report;

	report->records = r->n;
	report->files = (unsigned int)r->files.n;
	report->keep = r->keep ? r->keep : BH_CHAIN_KEEP;
	if (r->n) {
		report->first = r->item[0].head;
		report->last = r->item[r->n - 1].head;
	}
	if (report->n_finding)
		qsort_r(report->finding, report->n_finding, sizeof(*report->finding), before, r);
}

static bool is_claimed(const struct bh_chain_claim *claim, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (claim[i].head.seq)
			return true;
	return false;
}

int bh_chain_verify(const char *log, const struct bh_chain_claim *claim, size_t n,
		    struct bh_chain_report *ret)
{
	_cleanup_(bh_chain_report_clear) struct bh_chain_report report = {0};
	_cleanup_(clear) struct reader r = {.report = &report};
	int e = bh_chain_open(log, &r.files);

	if (e < 0)
		return e;
	if (!r.files.n && !is_claimed(claim, n))
		return -ENOENT;
	/* for a finding about a log that is not there */
	r.files.v[r.files.n].path = (char *)log;
	for (unsigned int i = 0; e == 0 && i < r.files.n; i++)
		e = read_file(&r, i);
	if (e == 0)
		e = end_of_all(&r);
	if (e == 0)
		e = check_order(&r);
	for (size_t i = 0; e == 0 && i < n; i++)
		e = check_claim(&r, &claim[i]);
	if (e < 0)
		return e;
	sum_up(&r);
	*ret = report;
	report = (struct bh_chain_report){0};
	return 0;
}
