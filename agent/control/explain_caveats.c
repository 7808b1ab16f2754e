/* SPDX-License-Identifier: Apache-2.0 */
/*
 * explain_caveats.c - what an answer does not cover, what it rests on, and how it will show.
 * A note stands here only if it may be true of this very question.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include "../base/clock.h"
#include "../workload/users.h"
#include "explain.h"
#include "health.h"
#include "listeners.h"

void bh_explain_note(struct bh_explain *x, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	json_auto_t *json = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	json = text ? bh_json_text(text) : NULL;
	/* both ends may be the same */
	for (size_t i = 0; i < json_array_size(x->caveats); i++)
		if (json_equal(json_array_get(x->caveats, i), json))
			return;
	if (!json || json_array_append(x->caveats, json) < 0)
		x->oom = true;
}

#define note bh_explain_note

static bool is_linklocal(const struct bh_addr *addr)
{
	return addr->b[0] == 0xfe && (addr->b[1] & 0xc0) == 0x80;
}

static const char *rule_name(const struct bh_explain *x, __u32 rule)
{
	const char *name = rule ? bh_agent_rule_name(x->a, rule) : NULL;

	return name ? name : "?";
}

/* --- the state of this host ------------------------------------------------------------------- */

static void note_state(struct bh_explain *x)
{
	struct bh_health h;

	if (x->a->no_policy)
		note(x, "this host's map can't be read: only its failsafes are open");
	if (bh_agent_is_capped(x->a))
		note(x, "`bulkhead mode observe` is on: nothing is denied by policy");
	if (bh_health_read(x->a, &h) < 0) {
		x->oom = true;
		return;
	}
	if (!strcmp(h.state, "degraded"))
		note(x, "this host is degraded, so not all of it may be enforced: %s",
		     json_array_size(h.problems) ? json_string_value(json_array_get(h.problems, 0))
						 : "see `bulkhead status`");
	bh_health_clear(&h);
}

/* --- the two ends ----------------------------------------------------------------------------- */

/* In this cgroup the segment depends on the user: whom was it asked for? */
static void note_users(struct bh_explain *x, const struct bh_end *end)
{
	char user[BH_USER_TEXT];

	if (end->kind != BH_END_WORKLOAD || end->uid_known || !end->side.n_users)
		return;
	note(x,
	     "in %s the segment depends on the user; asked for %s: pid:N asks for that of a process",
	     end->path, bh_nss_name(end->uid, user));
}

static void note_unassigned(struct bh_explain *x, const struct bh_end *end, __u32 identity)
{
	const char *unit = end->path ? bh_base_of(end->path) : "";
	size_t n = strlen(unit);

	if (end->kind != BH_END_WORKLOAD || identity != BH_ID_UNASSIGNED)
		return;
	if (n > 8 && !strcmp(unit + n - 8, ".service"))
		note(x, "%s is in no segment; give it one: NAME: { match: { unit: %s } }",
		     end->path, unit);
	else
		note(x, "%s is in no segment", end->path ? end->path : end->word);
}

static void note_address(struct bh_explain *x, const struct bh_end *end, __u32 identity)
{
	bool v6 = strchr(end->word, ':') != NULL;

	if (end->kind != BH_END_ADDR || end->local)
		return;
	if (is_linklocal(&end->addr))
		note(x, "%s is a link-local address, which may exist on every link: always `world`",
		     end->word);
	else if (identity == BH_ID_WORLD)
		note(x,
		     "%s is in no segment (`world`); give it one: NAME: { match: { cidr: "
		     "[%s%s/%d%s] } }",
		     end->word, v6 ? "\"" : "", end->word, v6 ? 128 : 32, v6 ? "\"" : "");
}

static void note_segment(struct bh_explain *x, const struct bh_end *end)
{
	const struct bh_compiled *c = x->a->live.compiled;

	if (end->kind != BH_END_SEGMENT || end->identity < BH_ID_FIRST || end->has_addr)
		return;
	if (end->local && !end->n_cgroups)
		note(x, "no cgroup of this host is in segment '%s' now", end->word);
	if (!end->local && c && c->n_classes)
		note(x,
		     "asked for '%s' as a whole; where prefixes of the map nest, and for failsafes, "
		     "one address may get another answer: ask for it",
		     end->word);
}

static void note_ends(struct bh_explain *x)
{
	for (size_t i = 0; i < x->n_halves; i++) {
		const struct bh_half_said *half = &x->half[i];
		bool out = half->dir == BH_OUT;

		note_unassigned(x, out ? &x->from : &x->to, half->answer.local);
		note_address(x, out ? &x->to : &x->from, half->answer.remote);
	}
	note_users(x, &x->from);
	note_users(x, &x->to);
	note_segment(x, &x->from);
	note_segment(x, &x->to);
	if (x->from.local && x->to.local && x->from.kind == BH_END_SEGMENT &&
	    x->to.kind == BH_END_SEGMENT && x->from.identity == x->to.identity)
		note(x, "two sockets of one workload may talk over a local address "
			"(same_workload): ask for the workload to see it");
}

/* --- who listens ------------------------------------------------------------------------------ */

/* Elsewhere on this host: a container has a namespace of its own, and its half is judged there. */
static bool is_bound(const struct bh_listenings *all, const struct bh_addr *addr)
{
	for (size_t i = 0; i < all->n; i++)
		if (!memcmp(&all->v[i].key.addr, addr, sizeof(*addr)))
			return true;
	return false;
}

static bool listens(struct bh_explain *x, const struct bh_listenings *all)
{
	__u32 want = x->half[x->n_halves - 1].answer.local;

	for (size_t i = 0; i < all->n; i++) {
		const struct bh_listening *l = &all->v[i];
		__u32 identity = BH_ID_HOST;

		if (l->key.port != x->ask.port || l->key.proto != x->ask.proto)
			continue;
		if (x->to.kind == BH_END_WORKLOAD) {
			if (l->val.cgid == x->to.cgid)
				return true;
			continue;
		}
		if (!(l->val.flags & BH_LISTEN_KERNEL) &&
		    bh_kern_whois(x->a->kern, l->val.cgid, l->val.uid, &identity) < 0)
			continue;
		if (identity == want)
			return true;
	}
	return false;
}

static void note_listeners(struct bh_explain *x)
{
	_cleanup_(bh_listenings_clear) struct bh_listenings all = {0};
	char word[BH_PROTO_WORD];

	if (!bh_ask_has_port(&x->ask))
		return;
	if (bh_listenings_read(x->a, &all) < 0) {
		x->oom = true;
		return;
	}
	bh_ask_word(&x->ask, word);
	if (x->to.kind == BH_END_ADDR && !x->to.local && is_bound(&all, &x->to.addr))
		note(x,
		     "%s is bound in another network namespace of this host: its half is judged "
		     "there; ask for its workload",
		     x->to.word);
	if (!x->to.local || x->to.nobody || x->to.has_addr)
		return;
	if (!listens(x, &all))
		note(x, "%s does not listen on %s now", x->to.word, word);
}

/* --- the question ----------------------------------------------------------------------------- */

/* As bpf/nic.h has it: these pass by name, whatever the rules say. */
static bool passes_by_name(const struct bh_ask *ask)
{
	__u8 type = ask->port >> 8;

	if (ask->proto == IPPROTO_IGMP)
		return true;
	if (ask->proto == IPPROTO_ICMP)
		return type == 0 || type == 3 || type == 4 || type == 11 || type == 12 ||
		       type == 14;
	if (ask->proto == IPPROTO_ICMPV6)
		return type <= 127 || (type >= 129 && type <= 136) || type == 143;
	return false;
}

static bool is_dhcp(const struct bh_ask *ask)
{
	return ask->proto == IPPROTO_UDP &&
	       (ask->port == 67 || ask->port == 68 || ask->port == 546 || ask->port == 547);
}

static void note_question(struct bh_explain *x)
{
	char word[BH_PROTO_WORD];

	bh_ask_word(&x->ask, word);
	if (passes_by_name(&x->ask))
		note(x,
		     "%s passes by exception where the host can't do without it (errors, replies, "
		     "neighbour discovery, group membership): `bulkhead get reasons --all`",
		     word);
	else if (!bh_ask_has_port(&x->ask) && x->to.local && !x->to.has_addr &&
		 x->to.identity != BH_ID_HOST)
		note(x,
		     "the kernel answers %s, not a socket of %s: it is judged as the segment of "
		     "the address, else as `host`",
		     word, x->to.word);
	if (is_dhcp(&x->ask))
		note(x, "a DHCP client's exchange passes for `host` and for segments with "
			"`dhcp: true`");
	if (x->ask.proto == IPPROTO_UDP)
		note(x, "answers pass to a peer that may ask; this is about who asks");
}

static void note_wire(struct bh_explain *x)
{
	__u32 ctl = bh_kern_ctl(x->a->kern);

	if (x->from.local && x->to.local)
		return;
	note(x, "%s is not on this host: its own agent decides the other half, if it has one",
	     x->from.local ? x->to.word : x->from.word);
	if (x->from.local)
		note(x, "NAT is not looked at: where it changes the address, the one that the "
			"socket named is judged, and for datagrams the new one, too");
	else if (ctl & (BH_CTL_FWD4 | BH_CTL_FWD6))
		note(x, "this host forwards: what comes to a published port may be sent elsewhere "
			"before a socket sees it");
}

/* --- what came of it -------------------------------------------------------------------------- */

static void note_rules(struct bh_explain *x, const struct bh_half_said *half)
{
	const struct bh_live *l = &x->a->live;
	const struct bh_rule_info *info =
		l->compiled && half->rule ? bh_compiled_rule(l->compiled, half->rule) : NULL;
	const struct bh_answer *said = &half->answer;
	char time[BH_TIME_TEXT];
	int64_t left_ms = ((int64_t)said->deadline_ns - (int64_t)x->a->clock->boot_ns()) / 1000000;

	if (said->would_rule)
		note(x, "deny '%s' is in mode observe: it is reported and skipped",
		     rule_name(x, said->would_rule));
	if (!half->deny && info && info->source >= 0 &&
	    l->map->rule[info->source].mode == BH_MODE_OBSERVE)
		note(x,
		     "rule '%s' is on probation (mode: observe): it opens, and each use is "
		     "reported",
		     info->id);
	if (!half->deny && said->deadline_ns)
		note(x, "rule '%s' ends at %s", rule_name(x, half->rule),
		     bh_time_format((x->a->clock->wall_ms() + left_ms) / 1000 * 1000, time));
	if (half->reason == BH_R_LISTEN_NOT_ALLOWED)
		note(x, "`listen:` of another segment reserves the port; '%s' may not listen there",
		     x->to.word);
}

/* How it shows: who looks for it should know what to look for. */
static void note_symptom(struct bh_explain *x)
{
	const struct bh_half_said *no = bh_explain_denier(x);

	if (!no || no->pass || !bh_ask_has_port(&x->ask))
		return;
	if (x->from.local)
		note(x, "it shows as EPERM (operation not permitted) at %s",
		     x->ask.proto == IPPROTO_TCP ? "connect()" : "sendto()");
	else
		note(x, "it shows as a timeout: the packets are dropped without an answer");
}

void bh_explain_caveats(struct bh_explain *x)
{
	for (size_t i = 0; i < x->n_halves; i++)
		note_rules(x, &x->half[i]);
	note_symptom(x);
	note_ends(x);
	note_listeners(x);
	note_question(x);
	note_wire(x);
	note_state(x);
}
