/* SPDX-License-Identifier: Apache-2.0 */
/* verb_flows.c - sessions begun, denied and ended: the last ones, or as they happen. */
#include <errno.h>
#include "control.h"
#include "flow_filter.h"

#define DEFAULT_ROWS 100

/* What a client that follows gets. The server drops one that reads too slowly. */
static json_t *follow(struct bh_agent *a, const struct bh_event *ev, void *ctx)
{
	const struct bh_flow_filter *filter = ctx;
	struct bh_flow flow;

	if (!bh_flow_filter_may(filter, ev))
		return NULL;
	flow = bh_flow_of(a, ev);
	return bh_flow_filter_fits(filter, &flow) ? bh_flow_json(&flow) : NULL;
}

/* The last @limit that fit, oldest first. NULL: no memory. */
static json_t *rows(const struct bh_flows *flows, const struct bh_flow_filter *filter, size_t limit)
{
	json_auto_t *list = json_array();
	size_t end = 0, n = 0;

	for (; end < bh_flows_count(flows) && n < limit; end++)
		n += bh_flow_filter_fits(filter, bh_flows_at(flows, end));
	while (end--) {
		const struct bh_flow *flow = bh_flows_at(flows, end);

		if (bh_flow_filter_fits(filter, flow) &&
		    json_array_append_new(list, bh_flow_json(flow)) < 0)
			return NULL;
	}
	return TAKE_PTR(list);
}

static int run(struct bh_agent *a, const struct bh_call *call, struct bh_reply *reply)
{
	json_int_t limit = DEFAULT_ROWS;
	_cleanup_free_ struct bh_flow_filter *filter = calloc(1, sizeof(*filter));
	bool follows = false;
	int r = filter ? bh_arg_bool(call, "follow", reply, &follows) : -ENOMEM;

	if (r == 0)
		r = bh_arg_int(call, "limit", 1, BH_FLOWS_KEPT, reply, &limit);
	if (r == 0)
		r = bh_flow_filter_read(a, call, reply, filter);
	if (r < 0)
		return r;
	reply->data = json_pack("{s:o}", "rows", rows(a->flows, filter, (size_t)limit));
	if (!reply->data)
		return -ENOMEM;
	if (follows) {
		reply->follow = follow;
		reply->follow_ctx = TAKE_PTR(filter);
	}
	return 0;
}

static const char *const args[] = {"follow", "limit", "denied",	 "audited", "allowed", "from",
				   "to",     "port",  "since_s", "unit",    NULL};

const struct bh_verb bh_verb_flows = {
	.name = "flows", .run = run, .args = args, .aside = bh_aside_unless_follow};
