/* SPDX-License-Identifier: Apache-2.0 */
#include "control.h"
static int run(_unused_ struct bh_agent *a, _unused_ const struct bh_call *call, struct bh_reply *reply)
{
	return bh_reply_fail(reply, BH_EXIT_FAILED, NULL, "not there yet");
}
const struct bh_verb bh_verb_explain = {.name = "explain", .run = run};
