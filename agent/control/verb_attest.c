/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_attest.c - the posture of this device, a row for each claim: what is wrong first, then what
 * is not known. Nothing is enforced on it yet.
 */
#include <errno.h>
#include <string.h>
#include "../posture.h"
#include "control.h"

static json_t *row_json(const struct bh_claim *c, const struct bh_claim_result *r)
{
	const char grade[] = {c->grade, '\0'};

	return json_pack("{s:s s:s s:s s:o s:o s:o s:o s:o s:s s:s}", "claim", c->name, "grade",
			 grade, "state", bh_claim_state_name(r->state), "value",
			 bh_json_text(r->value), "source", bh_json_text(r->source), "error",
			 bh_json_text(r->error ? strerrorname_np(r->error) : NULL), "at",
			 bh_json_wall_time(r->wall_ms), "boot_ns", bh_json_u64(r->boot_ns),
			 "meaning", c->meaning, "hint", c->hint);
}

/* In the order of the table within a state. */
static int add_rows(const struct bh_claims *claims, enum bh_claim_state state, json_t *list,
		    json_int_t *ret_n)
{
	for (size_t i = 0; i < bh_n_claims; i++) {
		const struct bh_claim_result *r = bh_claims_result(claims, i);

		if (r->state != state)
			continue;
		if (json_array_append_new(list, row_json(&bh_claim_table[i], r)) < 0)
			return -ENOMEM;
		(*ret_n)++;
	}
	return 0;
}

static int run(struct bh_agent *a, _unused_ const struct bh_call *call, struct bh_reply *reply)
{
	const struct bh_claims *claims = bh_agent_claims(a);
	json_int_t good = 0, bad = 0, unknown = 0;
	json_auto_t *list = json_array();
	__u64 rounds, took_ns;
	int r;

	if (!claims)
		return bh_reply_fail(reply, BH_EXIT_FAILED, "see `journalctl -u bulkhead`",
				     "the posture of this device is not looked at");
	r = add_rows(claims, BH_CLAIM_BAD, list, &bad);
	if (r == 0)
		r = add_rows(claims, BH_CLAIM_UNKNOWN, list, &unknown);
	if (r == 0)
		r = add_rows(claims, BH_CLAIM_GOOD, list, &good);
	if (r < 0)
		return r;
	took_ns = bh_posture_took_ns(a, &rounds);
	reply->data =
		json_pack("{s:O s:{s:I s:I s:I} s:o s:I s:o s:b}", "claims", list, "counts", "bad",
			  bad, "unknown", unknown, "good", good, "rounds", bh_json_u64(rounds),
			  "took_us", (json_int_t)(took_ns / 1000), "at",
			  bh_json_wall_time(bh_claims_result(claims, bh_n_claims - 1)->wall_ms),
			  "enforced", 0);
	return reply->data ? 0 : -ENOMEM;
}

const struct bh_verb bh_verb_attest = {.name = "attest", .run = run};
