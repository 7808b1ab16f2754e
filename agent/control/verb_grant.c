/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_grant.c - just in time: a rule that is closed until it is granted, or a conversation that
 * no rule allows, opens for a while. Its end is in the kernel; see agent/holds.h.
 */
#include <errno.h>
#include <string.h>
#include "../holds.h"
#include "lockout.h"
#include "parts.h"

/* --- a rule ----------------------------------------------------------------------------------------- */

static const struct bh_rule_src *rule_find(const struct bh_agent *a, const char *id)
{
	for (size_t i = 0; a->live.map && i < a->live.map->n_rule; i++)
		if (!strcmp(a->live.map->rule[i].id, id))
			return &a->live.map->rule[i];
	return NULL;
}

static int no_rule(const struct bh_agent *a, const char *id, struct bh_reply *reply)
{
	size_t n = a->live.map ? a->live.map->n_rule : 0, n_jit = 0;
	_cleanup_free_ const char **names = calloc(n + 1, sizeof(*names));
	_cleanup_free_ char *help = NULL;
	const char *near = NULL;

	for (size_t i = 0; names && i < n; i++)
		if (a->live.map->rule[i].jit)
			names[n_jit++] = a->live.map->rule[i].id;
	if (n_jit)
		near = bh_nearest(id, names, n_jit);
	if (near && asprintf(&help, "did you mean '%s'?", near) < 0)
		help = NULL;
	return bh_reply_fail(reply, BH_EXIT_USAGE,
			     help    ? help
			     : n_jit ? "`bulkhead get rules` lists them"
				     : "no rule of the map has `jit:`",
			     "there is no rule '%.80s'", id);
}

static int rule_check(const struct bh_agent *a, const struct bh_rule_src *rule, const char *reason,
		      json_int_t for_s, struct bh_reply *reply)
{
	const struct bh_map *map = a->live.map;
	const struct bh_where where = {.file = map->file,
				       .line = rule->pos.line,
				       .col = rule->pos.col,
				       .len = rule->pos.len};
	int64_t left_s = rule->until_s - a->clock->wall_ms() / 1000;

	if (!rule->jit)
		(void)bh_diag_add(&reply->diags, BH_ERROR, &where, "it needs no grant",
				  "rule '%s' is not just in time", rule->id);
	else if (rule->jit_max_s && (__u64)for_s > rule->jit_max_s)
		(void)bh_diag_add(&reply->diags, BH_ERROR, &where, "ask for less: --for",
				  "rule '%s' is granted for %llu s at most, not %lld", rule->id,
				  (unsigned long long)rule->jit_max_s, (long long)for_s);
	else if (rule->jit_reason && !*reason)
		(void)bh_diag_add(&reply->diags, BH_ERROR, &where, "--reason \"...\"",
				  "rule '%s' is granted for a reason only", rule->id);
	else if (rule->until_s && left_s <= 0)
		(void)bh_diag_add(&reply->diags, BH_ERROR, &where, NULL,
				  "rule '%s' has ended itself (until)", rule->id);
	else
		return 0;
	return -EINVAL;
}

/* --- ad hoc ------------------------------------------------------------------------------------------- */

/* "visitors": the segment that an address has; NULL: none. */
static const char *segment_at(const struct bh_agent *a, const struct bh_addr *addr)
{
	const struct bh_compiled *c = a->live.compiled;
	__u32 identity = c && a->live.map ? bh_compiled_identity(c, addr) : BH_ID_WORLD;

	for (size_t i = 0; identity != BH_ID_WORLD && i < c->n_identity; i++)
		if (c->identity[i] == identity)
			return a->live.map->segment[i].name;
	return NULL;
}

/* No grant knows addresses: see docs/operations.md. What comes next to it is said. */
static int no_address(const struct bh_agent *a, const char *word, const struct bh_cidr *cidr,
		      struct bh_reply *reply)
{
	const char *segment = segment_at(a, &cidr->addr);
	_cleanup_free_ char *help = NULL;

	if (asprintf(&help, "it is in %s%s%s: %sgive it a segment of its own in the map",
		     segment ? "segment '" : "no segment", segment ? segment : "",
		     segment ? "'" : "", segment ? "name that, or " : "") < 0)
		help = NULL;
	(void)bh_reply_fail(reply, BH_EXIT_USAGE, help,
			    "'%.80s' is an address, and a grant opens from segment to segment",
			    word);
	return -EINVAL;
}

static int end_check(const struct bh_agent *a, const char *name, struct bh_reply *reply)
{
	size_t n = a->live.map ? a->live.map->n_segment : 0;
	_cleanup_free_ const char **names = calloc(n + 1, sizeof(*names));
	_cleanup_(bh_hold_clear) struct bh_hold address = {0};
	_cleanup_free_ char *help = NULL;
	const char *near = NULL;

	if (!strcmp(name, "any"))
		return 0;
	for (size_t i = 0; names && i < n; i++) {
		names[i] = a->live.map->segment[i].name;
		if (!strcmp(names[i], name))
			return 0;
	}
	if (bh_hold_address(name, &address) == 0)
		return no_address(a, name, &address.cidr, reply);
	if (names && n)
		near = bh_nearest(name, names, n);
	if (near && asprintf(&help, "did you mean '%s'?", near) < 0)
		help = NULL;
	(void)bh_reply_fail(reply, BH_EXIT_USAGE,
			    help ? help : "`bulkhead get segments` lists them",
			    "there is no segment '%.80s'", name);
	return -EINVAL;
}

static int adhoc(struct bh_agent *a, const char *from, const char *to, const char *port,
		 const char *user, struct bh_granted *g, struct bh_reply *reply)
{
	struct bh_port parsed;
	struct bh_fault f;
	int r = end_check(a, from, reply);

	if (r == 0)
		r = end_check(a, to, reply);
	if (r < 0)
		return r;
	if (bh_port_parse(port, &parsed, &f) < 0) {
		(void)bh_reply_fail(reply, BH_EXIT_USAGE, f.help, "%s", f.text);
		return -EINVAL;
	}
	g->uid = BH_NO_UID;
	if (user && a->users.uid_of(a->users.ctx, user, &g->uid) < 0) {
		(void)bh_reply_fail(reply, BH_EXIT_USAGE, NULL, "there is no user '%.80s'", user);
		return -EINVAL;
	}
	g->from = strdup(from);
	g->to = strdup(to);
	g->port = strdup(port);
	g->user = user ? strdup(user) : NULL;
	return g->from && g->to && g->port && (!user || g->user) ? 0 : -ENOMEM;
}

/* --- grant ---------------------------------------------------------------------------------------------- */

struct wish {
	const char *rule, *from, *to, *port, *user, *reason;
	json_int_t for_s;
};

static int wish_read(const struct bh_call *call, struct bh_reply *reply, struct wish *w)
{
	const struct {
		const char *name;
		const char **at;
	} words[] = {{"rule", &w->rule}, {"from", &w->from}, {"to", &w->to},
		     {"port", &w->port}, {"user", &w->user}, {"reason", &w->reason}};
	int r = bh_arg_int(call, "for_s", 1, BH_HOLD_MAX_S, reply, &w->for_s);

	for (size_t i = 0; i < ARRAY_SIZE(words) && r == 0; i++)
		r = bh_arg_string(call, words[i].name, reply, words[i].at);
	if (r < 0)
		return r;
	if (!w->for_s)
		(void)bh_reply_fail(reply, BH_EXIT_USAGE, "--for 15m", "say for how long");
	else if (w->rule && (w->from || w->to || w->port || w->user))
		(void)bh_reply_fail(reply, BH_EXIT_USAGE, NULL,
				    "a rule says itself who, whereto and which port");
	else if (!w->rule && !(w->from && w->to && w->port))
		(void)bh_reply_fail(reply, BH_EXIT_USAGE,
				    "bulkhead grant RULE, or --from SEGMENT --to SEGMENT --port "
				    "tcp/443",
				    "name a rule, or all of from, to and port");
	else if (w->reason && *w->reason)
		return bh_reason_check(w->reason, reply);
	else
		return 0;
	return -EINVAL;
}

static int grant(struct bh_agent *a, struct bh_granted *g, struct bh_reply *reply)
{
	_cleanup_free_ char *what = g->rule ? strdup(g->rule) : NULL;
	unsigned int id = g->id = ++a->holds->last_id;
	json_auto_t *until = bh_json_boot_time(a, g->note.until_ns);
	int cut = 0, r;

	bh_notice("grant %u: %s%s%s%s%s: %s (%s)", id, g->rule ? g->rule : g->from,
		  g->rule ? "" : " to ", g->rule ? "" : g->to, g->rule ? "" : " ",
		  g->rule ? "" : g->port, g->note.reason, g->note.by);
	r = bh_granted_add(a->holds, g);
	if (r == -E2BIG)
		return bh_reply_fail(
			reply, BH_EXIT_FAILED, "revoke some: bulkhead get grants",
			"there is no room for it: %zu grants are open, with %d ports at most",
			a->holds->n_granted, BH_GRANTS_MAX);
	if (r == 0)
		r = bh_holds_changed(a, &cut, &reply->diags);
	if (r < 0)
		return r;
	reply->data = json_pack("{s:i s:s? s:O}", "id", (int)id, "rule", what, "until", until);
	return reply->data ? 0 : -ENOMEM;
}

static int run_grant(struct bh_agent *a, const struct bh_call *call, struct bh_reply *reply)
{
	struct bh_granted g = {.uid = BH_NO_UID};
	const struct bh_rule_src *rule = NULL;
	struct wish w = {0};
	int r = wish_read(call, reply, &w);

	if (r == 0 && w.rule) {
		rule = rule_find(a, w.rule);
		if (!rule)
			return no_rule(a, w.rule, reply);
		r = rule_check(a, rule, w.reason ? w.reason : "", w.for_s, reply);
		g.rule = r == 0 ? strdup(w.rule) : NULL;
		if (r == 0 && !g.rule)
			r = -ENOMEM;
	} else if (r == 0) {
		r = adhoc(a, w.from, w.to, w.port, w.user, &g, reply);
	}
	if (r == 0)
		r = bh_note_begin(a, call, w.reason ? w.reason : "", w.for_s, &g.note);
	if (r < 0) {
		bh_granted_clear(&g);
		return reply->diags.n_errors ? 0 : r;
	}
	return grant(a, &g, reply);
}

/* --- revoke ---------------------------------------------------------------------------------------------- */

static const struct bh_granted *granted_find(const struct bh_holds *h, json_int_t id)
{
	for (size_t i = 0; i < h->n_granted; i++)
		if (h->granted[i].id == (unsigned int)id)
			return &h->granted[i];
	return NULL;
}

/* Is it this grant alone that lets in who says it? */
static int guard(struct bh_agent *a, const struct bh_caller *caller, json_int_t id,
		 struct bh_reply *reply)
{
	char what[64];
	const struct bh_as_if w = {.less = (unsigned int)id, .what = what};

	snprintf(what, sizeof(what), "the end of grant %lld would cut", (long long)id);
	return bh_lockout_holds(a, caller, &w, &reply->diags);
}

static int run_revoke(struct bh_agent *a, const struct bh_call *call, struct bh_reply *reply)
{
	json_int_t id = 0;
	bool force = false;
	int cut = 0, r = bh_arg_int(call, "id", 1, INT32_MAX, reply, &id);

	if (r == 0)
		r = bh_arg_bool(call, "force", reply, &force);
	if (r < 0)
		return r;
	if (!id)
		return bh_reply_fail(reply, BH_EXIT_USAGE, "bulkhead get grants lists them",
				     "revoke needs argument 'id'");
	if (!granted_find(a->holds, id))
		return bh_reply_fail(reply, BH_EXIT_FAILED, "bulkhead get grants lists them",
				     "there is no grant %lld", (long long)id);
	r = force ? 0 : guard(a, call->caller, id, reply);
	if (r < 0)
		return r;
	(void)bh_granted_remove(a->holds, (unsigned int)id);
	bh_notice("grant %lld is revoked%s", (long long)id, force ? ", forced" : "");
	r = bh_holds_changed(a, &cut, &reply->diags);
	if (r < 0)
		return r;
	reply->data = json_pack("{s:I s:i}", "revoked", id, "cut", MAX(cut, 0));
	return reply->data ? 0 : -ENOMEM;
}

static const char *const grant_args[] = {"rule", "from",  "to",	    "port",
					 "user", "for_s", "reason", NULL};
static const char *const revoke_args[] = {"id", "force", "reason", NULL};

const struct bh_verb bh_verb_grant = {
	.name = "grant", .changes = true, .args = grant_args, .run = run_grant};
const struct bh_verb bh_verb_revoke = {
	.name = "revoke", .changes = true, .args = revoke_args, .run = run_revoke};
