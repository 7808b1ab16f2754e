/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lockout.h - would a map deny the session that it comes from, or a quarantine cut it, or a grant's
 * end? Which TCP connections carry the caller, what bh_judge says of them in a staged generation or
 * with other holds, and whether he has come anew. Called by verb_apply.c, verb_mode.c,
 * verb_quarantine.c, verb_grant.c and whoever confirms.
 *
 * It is there against mistakes, not against a caller who means it: he may say `force`.
 */
#ifndef BH_LOCKOUT_H
#define BH_LOCKOUT_H

#include "../agent.h"
#include "../holds.h"
#include "../workload/chain.h"
#include "auth.h"

/**
 * struct bh_carrier - an established TCP connection of the caller, an ancestor of his or his
 *                     session leader
 * @pid, @name:  who holds it; of several the nearest to the caller
 * @oldest_ns:   when the oldest process in the chain that holds it began: boot time
 * @answer:      of the half that denies, else of its own
 * @reason:      why it is denied, as the datapath would say
 * @level:       what quarantine either end is in
 * @peers_half:  it is the peer's half, on this host, that denies
 * @denied:      where it is enforced. Without `mode observe` on the host, which denies nothing
 */
struct bh_carrier {
	struct bh_held held;
	pid_t pid;
	char name[BH_KIN_NAME];
	__u64 oldest_ns;
	/* the other end, if that is a process of this host */
	bool peer_found;
	__u64 peer_cgid;
	__u32 peer_uid;

	struct bh_answer answer;
	enum bh_reason reason;
	enum bh_hold_level level;
	bool peers_half;
	bool denied;
};

struct bh_lockout {
	struct bh_carrier *v;
	size_t n;
	size_t n_denied;
	bool console;	  /* the caller sits at a terminal of this machine */
	struct bh_kin me; /* the caller's own process */
};

void bh_lockout_clear(struct bh_lockout *k);

/* No connection and no console: a script of cron, a tmux, mosh. Nothing can be told. */
static inline bool bh_lockout_unknown(const struct bh_lockout *k)
{
	return !k->n && !k->console;
}

/**
 * bh_lockout_check - what would become of the caller's session
 * @l:        the map as generation @gen
 * @gen:      staged, or live: it is judged as if it were enforced, whatever `bulkhead mode` says
 * @severity: BH_ERROR: the map is refused for it. BH_WARNING: it is only told
 * @d:        for each connection that is denied the place in the map and what would keep it
 *
 * An accepted connection is judged as the listener's workload, a peer on this host by both
 * halves; what was born outside of the agent's cgroup root no hook can deny. Return: 0, also if
 * some are denied (@ret->n_denied) or nothing is known (bh_lockout_unknown()); -errno: it can't
 * be told (see @d).
 */
int bh_lockout_check(struct bh_agent *a, const struct bh_live *l, const struct bh_caller *caller,
		     __u64 gen, enum bh_severity severity, struct bh_diags *d,
		     struct bh_lockout *ret);

/**
 * struct bh_as_if - other holds than those that are in force
 * @holds: the quarantines as they would be; NULL: as they are
 * @less:  the grant that would be revoked; 0: none
 * @what:  for the finding: "this quarantine would cut"
 */
struct bh_as_if {
	const struct bh_holds *holds;
	unsigned int less;
	const char *what;
};

/**
 * bh_lockout_holds - would it cut the caller's session, under the map and mode that are live
 *
 * What is cut already is no matter, nor is what goes on by a failsafe or because nothing is denied.
 * Who comes from nowhere may, as by verb_mode.c. Return: 0: go on. -errno: refuse it (see @d).
 */
int bh_lockout_holds(struct bh_agent *a, const struct bh_caller *caller, const struct bh_as_if *w,
		     struct bh_diags *d);

/**
 * bh_lockout_fresh - did the caller get in after an instant: the proof that the way in is open
 * @since_ns: CLOCK_BOOTTIME, as a->clock->boot_ns() has it
 *
 * True for a console: who sits there needs no way in. True for a connection that was accepted (not
 * one that the caller's side made), all of whose holders in the caller's chain began at or after
 * @since_ns: sshd forks a process for each connection, so the oldest holder's begin is the login's.
 * A shell of now in an old session inherits from an old holder and is not fresh; nor is a session
 * that ssh multiplexes over an old connection. Where bh_session says that the connection itself is
 * older it is not fresh whoever holds it. False for everything else: outgoing connections, none at
 * all, a tmux or a cron job (bh_lockout_unknown()), and what can't be read.
 *
 * Process times are those of /proc, down to a tick of 10 ms: a login within the tick of @since_ns
 * counts as before it. A peer on this host (ssh localhost, a tunnel's end) is as good as any other:
 * a way in may lead through it.
 */
bool bh_lockout_fresh(struct bh_agent *a, const struct bh_caller *caller, __u64 since_ns);

/* --- its parts, for tests ---------------------------------------------------------------------- */

/* lockout_find.c. @proc: as for bh_chain_read(). */
int bh_lockout_find(struct bh_agent *a, const char *proc, pid_t pid, struct bh_lockout *ret);
bool bh_lockout_is_fresh(const struct bh_lockout *k, __u64 since_ns);
/* lockout.c */
int bh_lockout_judge(struct bh_agent *a, const struct bh_live *l, __u64 gen, struct bh_lockout *k);
int bh_lockout_judge_holds(struct bh_agent *a, const struct bh_as_if *w, struct bh_lockout *k);
/* lockout_tell.c. @w: NULL: it is a map that would. */
void bh_lockout_tell(struct bh_agent *a, const struct bh_live *l, const struct bh_lockout *k,
		     const struct bh_as_if *w, enum bh_severity severity, struct bh_diags *d);

#endif
