/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_audit.c - the last records of the audit log and its head, and those to come; that a break in
 * it was seen.
 */
#include <errno.h>
#include <string.h>
#include "audit.h"
#include "control.h"
#include "record.h"

#define ROWS	 20
#define ROWS_MAX 1000

static json_t *head_json(const struct bh_chain_head *head)
{
	return head->seq ? json_pack("{s:o s:s}", "seq", bh_json_u64(head->seq), "hash", head->hash)
			 : json_null();
}

static json_t *found_json(const struct bh_agent *a)
{
	const char *found = bh_audit_found(a->audit);

	return bh_json_text(*found ? found : NULL);
}

static int no_log(const struct bh_agent *a, struct bh_reply *reply)
{
	return bh_reply_fail(reply, BH_EXIT_FAILED, "make room in the state directory", "%s",
			     a->audit_trouble[0] ? a->audit_trouble : "there is no audit log");
}

static int run(struct bh_agent *a, const struct bh_call *call, struct bh_reply *reply)
{
	struct bh_chain_head pinned;
	json_auto_t *rows = NULL;
	json_int_t limit = ROWS;
	bool follow = false;
	int r = bh_arg_int(call, "limit", 1, ROWS_MAX, reply, &limit);

	if (r == 0)
		r = bh_arg_bool(call, "follow", reply, &follow);
	if (r < 0)
		return r;
	if (!a->audit)
		return no_log(a, reply);
	r = bh_chain_tail(bh_audit_path(a->audit), (size_t)limit, &rows);
	if (r < 0)
		return r;
	bh_record_pinned(a, &pinned);
	reply->data =
		json_pack("{s:o s:o s:o s:o s:O}", "file", bh_json_text(bh_audit_path(a->audit)),
			  "head", head_json(bh_audit_head(a->audit)), "pinned", head_json(&pinned),
			  "found", found_json(a), "rows", rows);
	if (!reply->data)
		return -ENOMEM;
	reply->follow_records = follow;
	return 0;
}

static int run_accept(struct bh_agent *a, _unused_ const struct bh_call *call,
		      struct bh_reply *reply)
{
	unsigned long long from = 0, to = 0;
	_cleanup_free_ char *lacks = NULL;

	if (!a->audit)
		return no_log(a, reply);
	if (bh_audit_lacks(a->audit, &from, &to) &&
	    asprintf(&lacks, "records %llu to %llu are missing", from, to) < 0)
		lacks = NULL;
	if (!*bh_audit_found(a->audit) && !lacks)
		return bh_reply_fail(reply, BH_EXIT_FAILED, NULL,
				     "the agent has found nothing that could be accepted");
	reply->data = json_pack("{s:o}", "found",
				*bh_audit_found(a->audit) ? found_json(a) : bh_json_text(lacks));
	if (!reply->data)
		return -ENOMEM;
	/* on the disk with the record of it */
	bh_audit_accept(a->audit);
	return 0;
}

static const char *const args[] = {"limit", "follow", NULL};

const struct bh_verb bh_verb_audit = {
	.name = "audit", .run = run, .args = args, .aside = bh_aside_unless_follow};
const struct bh_verb bh_verb_audit_accept = {
	.name = "audit_accept", .changes = true, .run = run_accept};
