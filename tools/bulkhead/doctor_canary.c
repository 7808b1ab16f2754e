/* SPDX-License-Identifier: Apache-2.0 */
/* doctor_canary.c - was the canary refused where the policy says so, and nowhere else. */
#include <errno.h>
#include <string.h>
#include "doctor.h"
#include "text.h"

static const struct {
	enum bh_act act;
	const char *check, *what;
} acts[] = {
	{BH_ACT_CONNECT4, "canary connect4", "connect() to " BH_CANARY_ADDR4 " tcp/9"},
	{BH_ACT_CONNECT6, "canary connect6", "connect() to " BH_CANARY_ADDR6 " tcp/9"},
	{BH_ACT_SENDMSG4, "canary sendmsg4", "sendto() " BH_CANARY_ADDR4 " udp/9"},
	{BH_ACT_SENDMSG6, "canary sendmsg6", "sendto() " BH_CANARY_ADDR6 " udp/9"},
};

static void check_one(struct bh_doctor *x, size_t i)
{
	const json_t *said = x->said[acts[i].act];
	const char *check = acts[i].check, *what = acts[i].what;
	const char *verdict = bh_json_str(said, "verdict"), *reason = bh_json_str(said, "reason");
	int e = x->canary.error[acts[i].act];
	const char *became = e ? strerrorname_np(e) : "it went out";

	if (e == BH_ACT_UNTRIED)
		bh_doctor_row(x, check, "untested", NULL, "no socket of this family can be made");
	else if (!said)
		bh_doctor_row(x, check, "untested", NULL,
			      "the agent does not say what the policy is for %s", what);
	else if (!strcmp(verdict, "denied") && e == EPERM)
		bh_doctor_row(x, check, "ok", NULL, "%s: EPERM, as the policy says (%s)", what,
			      reason);
	else if (!strcmp(verdict, "denied"))
		bh_doctor_row(x, check, "fail",
			      "see which hook is missing or does not run, then `systemctl restart "
			      "bulkhead`",
			      "%s was not refused (%s), but the policy denies it (%s)", what,
			      became, reason);
	else if (e == EPERM)
		bh_doctor_row(x, check, "warn", "see what else denies it: nft list ruleset",
			      "%s was refused, but the policy does not deny it (%s)", what, reason);
	else if (!strcmp(verdict, "would_deny"))
		bh_doctor_row(x, check, "ok", NULL,
			      "%s was not refused: the policy only observes (%s)", what, reason);
	else
		bh_doctor_row(x, check, "ok", NULL, "%s was not refused: the policy allows it (%s)",
			      what, reason);
}

void bh_doctor_verdicts(struct bh_doctor *x)
{
	const char *state = bh_json_str(x->before, "state");
	const char *why = NULL;

	if (!bh_json_u64(x->before, "generation"))
		why = "no map is enforced, so nothing would be refused";
	else if (!strcmp(state, "emergency"))
		why = "an emergency is open: nothing is refused but by name";
	else if (bh_json_u64(x->before, "generation") != bh_json_u64(x->after, "generation"))
		why = "the policy changed meanwhile: ask again";
	if (why) {
		bh_doctor_row(x, "canary", "untested", NULL, "%s", why);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(acts); i++)
		check_one(x, i);
}
