/* SPDX-License-Identifier: Apache-2.0 */
/* verbs.c - the table of verbs: what a client may ask for. Read by request.c. */
#include "control.h"

const struct bh_verb *const bh_verbs[] = {
	&bh_verb_version,    &bh_verb_status,	&bh_verb_apply,	  &bh_verb_diff,
	&bh_verb_check,	     &bh_verb_get,	&bh_verb_explain, &bh_verb_flows,
	&bh_verb_mode,	     &bh_verb_detach,	&bh_verb_confirm, &bh_verb_emergency,
	&bh_verb_quarantine, &bh_verb_release,	&bh_verb_grant,	  &bh_verb_revoke,
	&bh_verb_history,    &bh_verb_rollback, &bh_verb_audit,	  &bh_verb_audit_accept,
	&bh_verb_doctor,     &bh_verb_blast,	&bh_verb_pairs,	  &bh_verb_simulate,
	&bh_verb_attest,
};
const size_t bh_n_verbs = ARRAY_SIZE(bh_verbs);
