/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control.h - what a verb of the control socket is: a name, whether it changes something, a
 * function. verbs.c has the table, verb_NAME.c the functions, server.c calls them.
 */
#ifndef BH_CONTROL_H
#define BH_CONTROL_H

#include <jansson.h>
#include "../agent.h"
#include "auth.h"
#include "proto.h"

/* --- a call and its answer ----------------------------------------------------------------- */

struct bh_call {
	const char *verb;
	const json_t *args; /* an object, never NULL */
	const struct bh_caller *caller;
};

/* What a client that follows gets for one event: a new object, or NULL for nothing. */
typedef json_t *(*bh_follow_fn)(struct bh_agent *a, const struct bh_event *ev, void *ctx);

/* The server starts with zeroes; a verb fills in. `ok` of the answer is: code 0. */
struct bh_reply {
	int code;     /* BH_EXIT_*; an error in diags makes 0 into 1 */
	json_t *data; /* object, owned; NULL = {} */
	struct bh_diags diags;
	bh_follow_fn follow; /* after the answer the client gets {"event": ...} lines */
	void *follow_ctx;    /* freed with free() */
	bool follow_records; /* the same, of what the audit log gets */
	void (*after)(struct bh_agent *a); /* runs when the answer is written */
};

void bh_reply_clear(struct bh_reply *reply);

struct bh_verb {
	const char *name;
	bool changes;		 /* asks for the right to change, see auth.h */
	size_t max_bytes;	 /* of a request; 0 = BH_PROTO_MAX_REQUEST */
	const char *const *args; /* the names it knows, NULL at the end; others are refused, but for
				  * "reason" where something changes: request.c takes it */
	/* May take long, for this call: a child answers (aside.h). It must change nothing, neither
	 * in the agent nor in the kernel. NULL: never */
	bool (*aside)(const struct bh_call *call);
	/* Return: 0 when @reply says it all; -errno: answered as an internal error. */
	int (*run)(struct bh_agent *a, const struct bh_call *call, struct bh_reply *reply);
};

extern const struct bh_verb *const bh_verbs[];
extern const size_t bh_n_verbs;

/* --- the verbs, one file each -------------------------------------------------------------- */

extern const struct bh_verb bh_verb_version, bh_verb_status, bh_verb_apply, bh_verb_diff,
	bh_verb_check, bh_verb_get, bh_verb_explain, bh_verb_flows, bh_verb_mode, bh_verb_detach,
	bh_verb_confirm, bh_verb_emergency, bh_verb_quarantine, bh_verb_release, bh_verb_grant,
	bh_verb_revoke, bh_verb_history, bh_verb_rollback, bh_verb_audit, bh_verb_audit_accept,
	bh_verb_doctor, bh_verb_blast, bh_verb_pairs, bh_verb_simulate, bh_verb_attest;

/* --- helpers for verbs (reply.c) ----------------------------------------------------------- */

/*
 * Arguments. Absent: *ret keeps its value, 0. Of another type or out of range: a finding in
 * the reply with code 2, -EINVAL. *ret of a string lives as long as the call.
 */
int bh_arg_string(const struct bh_call *call, const char *name, struct bh_reply *reply,
		  const char **ret);
int bh_arg_bool(const struct bh_call *call, const char *name, struct bh_reply *reply, bool *ret);
int bh_arg_int(const struct bh_call *call, const char *name, json_int_t lo, json_int_t hi,
	       struct bh_reply *reply, json_int_t *ret);
/* As bh_arg_string, but it must be there. */
int bh_arg_need(const struct bh_call *call, const char *name, struct bh_reply *reply,
		const char **ret);

/* For a verb that always may take long. */
bool bh_aside_always(const struct bh_call *call);
/* To follow is to stay with the agent. */
bool bh_aside_unless_follow(const struct bh_call *call);

/* Note an error and answer with @code. Return: 0, so that a verb can return it. */
int bh_reply_fail(struct bh_reply *reply, int code, const char *help, const char *fmt, ...)
	_printf_(4, 5);

/* A number that may pass 2^53, as a string of digits. */
json_t *bh_json_u64(__u64 v);
/* A string, or null for NULL. Text that is not UTF-8 gets "?" for what does not fit. */
json_t *bh_json_text(const char *s);
/* Boot time (an event's time_ns) or wall time as RFC 3339. */
json_t *bh_json_boot_time(const struct bh_agent *a, __u64 boot_ns);
json_t *bh_json_wall_time(int64_t wall_ms);
/* "10.0.0.1", "2001:db8::1" */
json_t *bh_json_addr(const struct bh_addr *addr);
json_t *bh_json_diags(const struct bh_diags *d);
/* "allow", "default_deny" ...; "reason_N" for one this build does not know. */
const char *bh_reason_name(enum bh_reason reason);
const char *bh_reason_text(enum bh_reason reason);

#endif
