/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_quarantine.c - cut somebody off, whatever the rules say, and let him in again. In force
 * when it is answered: see agent/holds.h.
 */
#include <errno.h>
#include <string.h>
#include "../holds.h"
#include "../policy/cidr.h"
#include "lockout.h"
#include "parts.h"

#define REASON_MAX 1024

int bh_note_begin(struct bh_agent *a, const struct bh_call *call, const char *reason,
		  json_int_t for_s, struct bh_hold_note *ret)
{
	ret->reason = strdup(reason);
	ret->by = bh_caller_text(call->caller);
	ret->at_ms = a->clock->wall_ms();
	if (for_s) {
		ret->until_ms = ret->at_ms + for_s * 1000;
		ret->until_ns = a->clock->boot_ns() + (__u64)for_s * 1000000000ull;
	}
	return ret->reason && ret->by ? 0 : -ENOMEM;
}

int bh_reason_check(const char *reason, struct bh_reply *reply)
{
	if (*reason && strlen(reason) <= REASON_MAX)
		return 0;
	(void)bh_reply_fail(reply, BH_EXIT_USAGE, "say it for whoever reads the audit log",
			    *reason ? "the reason is longer than %d bytes" : "the reason is empty",
			    REASON_MAX);
	return -EINVAL;
}

/* --- who ----------------------------------------------------------------------------------------- */

static bool is_unit(const char *who)
{
	static const char *const suffix[] = {".service", ".scope", ".slice", ".socket", ".mount"};
	size_t n = strlen(who);

	for (size_t i = 0; i < ARRAY_SIZE(suffix); i++) {
		size_t m = strlen(suffix[i]);

		if (n > m && n < BH_NAME_MAX && !strchr(who, '/') && !strchr(who, '*') &&
		    !strcmp(who + n - m, suffix[i]))
			return true;
	}
	return false;
}

static bool is_segment(const struct bh_agent *a, const char *who)
{
	for (size_t i = 0; a->live.map && i < a->live.map->n_segment; i++)
		if (!strcmp(a->live.map->segment[i].name, who))
			return true;
	return false;
}

int bh_hold_address(const char *who, struct bh_hold *h)
{
	_cleanup_free_ char *with = NULL;
	struct bh_fault f;

	if (!strchr(who, '/') && asprintf(&with, "%s/%d", who, strchr(who, ':') ? 128 : 32) < 0) {
		with = NULL;
		return -ENOMEM;
	}
	if (bh_cidr_parse(with ? with : who, &h->cidr, &f) < 0)
		return -EINVAL;
	h->kind = BH_HOLD_ADDRESS;
	h->who = with ? TAKE_PTR(with) : strdup(who);
	return h->who ? 0 : -ENOMEM;
}

static int unknown(const struct bh_agent *a, const char *who, struct bh_reply *reply)
{
	size_t n = a->live.map ? a->live.map->n_segment : 0;
	_cleanup_free_ const char **names = calloc(n + 1, sizeof(*names));
	_cleanup_free_ char *help = NULL;
	const char *near = NULL;

	for (size_t i = 0; names && i < n; i++)
		names[i] = a->live.map->segment[i].name;
	if (names && n)
		near = bh_nearest(who, names, n);
	if (near && asprintf(&help, "did you mean '%s'?", near) < 0)
		help = NULL;
	(void)bh_reply_fail(
		reply, BH_EXIT_USAGE,
		help ? help : "a segment of the map, a unit (nginx.service), an address or prefix",
		"'%.80s' is none that can be in quarantine", who);
	return -EINVAL;
}

static int resolve(const struct bh_agent *a, const char *who, struct bh_hold *h,
		   struct bh_reply *reply)
{
	int r;

	if (is_segment(a, who) || is_unit(who)) {
		h->kind = is_segment(a, who) ? BH_HOLD_SEGMENT : BH_HOLD_UNIT;
		h->who = strdup(who);
		return h->who ? 0 : -ENOMEM;
	}
	r = bh_hold_address(who, h);
	return r == -EINVAL ? unknown(a, who, reply) : r;
}

/* --- quarantine ----------------------------------------------------------------------------------- */

static int answer(const char *key, const char *who, int cut, struct bh_reply *reply)
{
	reply->data = json_pack("{s:s s:i}", key, who, "cut", MAX(cut, 0));
	return reply->data ? 0 : -ENOMEM;
}

/* Would it cut who says it? Asked with the list as it would be. */
static int guard(struct bh_agent *a, const struct bh_caller *caller, const struct bh_hold *h,
		 struct bh_reply *reply)
{
	_cleanup_free_ struct bh_hold *list = calloc(a->holds->n_hold + 1, sizeof(*list));
	struct bh_holds then = {.hold = list};
	const struct bh_as_if w = {.holds = &then, .what = "this quarantine would cut"};

	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < a->holds->n_hold; i++)
		if (strcmp(a->holds->hold[i].who, h->who) != 0)
			list[then.n_hold++] = a->holds->hold[i];
	/* no room for it: that is said later */
	if (then.n_hold == BH_QUARANTINE_MAX)
		return 0;
	list[then.n_hold++] = *h;
	return bh_lockout_holds(a, caller, &w, &reply->diags);
}

static int hold(struct bh_agent *a, struct bh_hold *h, bool force, struct bh_reply *reply)
{
	_cleanup_free_ char *who = strdup(h->who);
	int cut = 0, r;

	if (!who) {
		bh_hold_clear(h);
		return -ENOMEM;
	}
	bh_log_id(BH_LOG_WARNING, BH_MESSAGE_QUARANTINE, "QUARANTINE of %s%s: %s (%s)", h->who,
		  force ? ", forced" : "", h->note.reason, h->note.by);
	r = bh_holds_add(a->holds, h);
	if (r == -E2BIG)
		return bh_reply_fail(reply, BH_EXIT_FAILED,
				     "release some: bulkhead get quarantines",
				     "there are %d quarantines already", BH_QUARANTINE_MAX);
	if (r == 0)
		r = bh_holds_changed(a, &cut, &reply->diags);
	if (r == 0 && !bh_kern_generation(a->kern))
		(void)bh_diag_add(&reply->diags, BH_WARNING, NULL,
				  "apply a map: bulkhead apply FILE",
				  "nothing is enforced on this host: it begins with a map");
	return r ? r : answer("quarantined", who, cut, reply);
}

/* Nobody knows who is in there: the list that would be made of this alone lets them out. */
static int lost(struct bh_reply *reply)
{
	return bh_reply_fail(reply, BH_EXIT_FAILED, "bulkhead release all; then say them again",
			     "the list of quarantines can't be read, and what the kernel holds is "
			     "not known by name");
}

static int quarantine(struct bh_agent *a, const struct bh_call *call, struct bh_reply *reply)
{
	const char *who = NULL, *reason = NULL;
	json_int_t for_s = 0;
	bool force = false;
	struct bh_hold h = {0};
	int r = bh_arg_need(call, "who", reply, &who);

	if (a->holds->lost)
		return lost(reply);

	if (r == 0)
		r = bh_arg_need(call, "reason", reply, &reason);
	if (r == 0)
		r = bh_reason_check(reason, reply);
	if (r == 0)
		r = bh_arg_int(call, "for_s", 1, BH_HOLD_MAX_S, reply, &for_s);
	if (r == 0)
		r = bh_arg_bool(call, "even_failsafe", reply, &h.hard);
	if (r == 0)
		r = bh_arg_bool(call, "force", reply, &force);
	if (r == 0)
		r = resolve(a, who, &h, reply);
	if (r == 0)
		r = bh_note_begin(a, call, reason, for_s, &h.note);
	if (r == 0 && !force)
		r = guard(a, call->caller, &h, reply);
	if (r < 0) {
		bh_hold_clear(&h);
		return reply->diags.n_errors ? 0 : r;
	}
	return hold(a, &h, force, reply);
}

/* --- release --------------------------------------------------------------------------------------- */

static int release(struct bh_agent *a, const struct bh_call *call, struct bh_reply *reply)
{
	_cleanup_(bh_hold_clear) struct bh_hold h = {0};
	const char *who = NULL, *name;
	int cut = 0, r = bh_arg_need(call, "who", reply, &who);

	if (r < 0)
		return r;
	/* an address by whatever way of writing it */
	name = bh_hold_address(who, &h) == 0 ? h.who : who;
	if (!strcmp(who, "all")) {
		while (a->holds->n_hold)
			(void)bh_holds_remove(a->holds, a->holds->hold[0].who);
		a->holds->lost = false;
	} else if (a->holds->lost) {
		return lost(reply);
	} else if (bh_holds_remove(a->holds, name) < 0) {
		return bh_reply_fail(reply, BH_EXIT_FAILED, "bulkhead get quarantines lists them",
				     "'%.80s' is not in quarantine", who);
	}
	bh_notice("released: %s", who);
	r = bh_holds_changed(a, &cut, &reply->diags);
	return r ? r : answer("released", who, cut, reply);
}

static const char *const hold_args[] = {"who", "reason", "for_s", "even_failsafe", "force", NULL};
static const char *const release_args[] = {"who", "reason", NULL};

const struct bh_verb bh_verb_quarantine = {
	.name = "quarantine", .changes = true, .args = hold_args, .run = quarantine};
const struct bh_verb bh_verb_release = {
	.name = "release", .changes = true, .args = release_args, .run = release};
