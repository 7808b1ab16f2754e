/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_emergency.c - the worst hour: for a while nothing is denied but what is denied by name (a
 * deny rule, a quarantine, a malformed packet). Its end is in the kernel, whoever is alive then.
 */
#include <string.h>
#include "metrics.h"
#include "parts.h"
#include "record.h"

static int on_end(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *arg)
{
	struct bh_agent *a = arg;

	if (bh_kern_open_until(a->kern))
		return 0;
	a->emergency_ns = 0;
	bh_warning("the EMERGENCY is over: the map is enforced again");
	bh_agent_tell_status(a);
	/* what it let through ends on its next packet; idle connections do now */
	(void)bh_kern_cut(a->kern, bh_net_destroy);
	return 0;
}

int bh_emergency_watch(struct bh_agent *a)
{
	__u64 until = bh_kern_open_until(a->kern);

	a->emergency = sd_event_source_disable_unref(a->emergency);
	a->emergency_ns = until;
	if (!until || !a->event)
		return 0;
	return sd_event_add_time(a->event, &a->emergency, CLOCK_BOOTTIME, until / 1000 + 1, 1000,
				 on_end, a);
}

void bh_emergency_look(struct bh_agent *a)
{
	__u64 until = bh_kern_open_until(a->kern);

	if (!until || until == a->emergency_ns)
		return;
	(void)bh_emergency_watch(a);
	bh_log_id(BH_LOG_ERROR, BH_MESSAGE_EMERGENCY,
		  "EMERGENCY: opened beside this agent, by bulkheadd rescue");
	bh_metrics_emergency(a->metrics);
	bh_record_agent(a, "emergency",
			json_pack("{s:s s:o}", "reason", "opened by a rescue", "until",
				  bh_json_boot_time(a, until)));
	bh_agent_tell_status(a);
}

static int answer(struct bh_agent *a, json_int_t for_s, int cut, struct bh_reply *reply)
{
	__u64 until = bh_kern_open_until(a->kern);

	reply->data = json_pack("{s:o s:I s:i}", "until",
				until ? bh_json_boot_time(a, until) : json_null(), "for_s", for_s,
				"cut", MAX(cut, 0));
	bh_agent_tell_status(a);
	return reply->data ? 0 : -ENOMEM;
}

/* Also of another version's programs beside ours, where an upgrade was cut short: both deny. */
static void set_open(struct bh_agent *a, __u64 until_ns)
{
	bh_kern_set_open(a->kern, until_ns);
	for (struct bh_kern *set = bh_kern_next(a->kern); set; set = bh_kern_next(set))
		bh_kern_set_open(set, until_ns);
}

static int open_it(struct bh_agent *a, const struct bh_call *call, json_int_t for_s,
		   struct bh_reply *reply)
{
	_cleanup_free_ char *by = bh_caller_text(call->caller);
	const char *reason = NULL;
	int r = bh_arg_need(call, "reason", reply, &reason);

	if (r < 0)
		return r;
	if (!*reason)
		return bh_reply_fail(reply, BH_EXIT_USAGE, "say it for whoever reads the audit log",
				     "the reason is empty");
	set_open(a, a->clock->boot_ns() + (__u64)for_s * 1000000000ull);
	r = bh_emergency_watch(a);
	bh_log_id(BH_LOG_ERROR, BH_MESSAGE_EMERGENCY,
		  "EMERGENCY: for %lld s nothing is denied but by name: %s (%s)", (long long)for_s,
		  reason, by ? by : "?");
	return r < 0 ? r : answer(a, for_s, 0, reply);
}

static int close_it(struct bh_agent *a, struct bh_reply *reply)
{
	int r;

	if (!bh_kern_open_until(a->kern))
		return bh_reply_fail(reply, BH_EXIT_NO, NULL, "there is no emergency");
	set_open(a, 0);
	r = bh_emergency_watch(a);
	bh_notice("the emergency was ended");
	return r < 0 ? r : answer(a, 0, bh_kern_cut(a->kern, bh_net_destroy), reply);
}

static int run(struct bh_agent *a, const struct bh_call *call, struct bh_reply *reply)
{
	json_int_t for_s = a->opts.emergency_s;
	const char *action = NULL;
	int r = bh_arg_need(call, "action", reply, &action);

	if (r == 0)
		r = bh_arg_int(call, "for_s", 1, a->opts.emergency_max_s, reply, &for_s);
	if (r < 0)
		return r;
	if (!strcmp(action, "open"))
		return open_it(a, call, for_s, reply);
	if (!strcmp(action, "close"))
		return close_it(a, reply);
	return bh_reply_fail(reply, BH_EXIT_USAGE, "it is one of open, close",
			     "unknown action '%.40s'", action);
}

static const char *const args[] = {"action", "reason", "for_s", NULL};

const struct bh_verb bh_verb_emergency = {
	.name = "emergency", .changes = true, .args = args, .run = run};
