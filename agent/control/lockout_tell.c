/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lockout_tell.c - see lockout.h: which connection a map would deny or a quarantine cut, by which line,
 * and the line that would keep it.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include "control.h"
#include "explain.h"
#include "listeners.h"
#include "lockout.h"

#define TOLD_MAX 4

#define END_TEXT (INET6_ADDRSTRLEN + 8)

static bool is_v4(const struct bh_addr *addr)
{
	static const __u8 mapped[12] = {[10] = 0xff, [11] = 0xff};

	return !memcmp(addr->b, mapped, sizeof(mapped));
}

static const char *addr_text(const struct bh_addr *addr, char ret[INET6_ADDRSTRLEN])
{
	ret[0] = '\0';
	(void)inet_ntop(is_v4(addr) ? AF_INET : AF_INET6, is_v4(addr) ? addr->b + 12 : addr->b, ret,
			INET6_ADDRSTRLEN);
	return ret;
}

static const char *end_text(const struct bh_addr *addr, __u16 port, char ret[END_TEXT])
{
	char text[INET6_ADDRSTRLEN];

	snprintf(ret, END_TEXT, is_v4(addr) ? "%s:%u" : "[%s]:%u", addr_text(addr, text), port);
	return ret;
}

static bool asked(const struct bh_carrier *c)
{
	return c->held.flags & BH_HELD_ASKED;
}

/* --- where in the map ------------------------------------------------------------------------------ */

/* Index of the segment with an identity; BH_SEG_UNASSIGNED for one that is not there. */
static size_t segment_of(const struct bh_live *l, __u32 identity)
{
	for (size_t i = 0; i < l->compiled->n_identity; i++)
		if (l->compiled->identity[i] == identity)
			return i;
	return BH_SEG_UNASSIGNED;
}

/* The rule; of a default the segment that has it, else the map. */
static struct bh_where where_of(const struct bh_live *l, const struct bh_carrier *c)
{
	const struct bh_rule_info *info =
		c->answer.rule ? bh_compiled_rule(l->compiled, c->answer.rule) : NULL;

	if (info && info->source >= 0)
		return bh_map_where(l->map, l->map->rule[info->source].pos);
	return bh_map_where(l->map, l->map->segment[segment_of(l, c->answer.local)].pos);
}

/* --- what would keep it ------------------------------------------------------------------------------ */

/* "- { id: office-ssh-22, from: office, to: ssh, port: tcp/22 }" */
static char *allow_line(struct bh_agent *a, const struct bh_live *l, const struct bh_carrier *c)
{
	const struct bh_held *held = &c->held;
	struct bh_ask what = {.proto = IPPROTO_TCP,
			      .port = asked(c) ? held->remote_port : held->local_port};
	size_t me = segment_of(l, c->answer.local), peer = segment_of(l, c->answer.remote);
	/* the half that denies is the sender's or the receiver's */
	bool out = asked(c) != c->peers_half;
	struct bh_near_ask q = {.map = l->map,
				.from = out ? me : peer,
				.to = out ? peer : me,
				.ask = &what,
				.now_s = a->clock->wall_ms() / 1000};

	return bh_rule_suggest(&q);
}

static char *failsafe_line(const struct bh_carrier *c)
{
	char addr[INET6_ADDRSTRLEN], *text;

	if (asprintf(&text, "failsafe: - { %s: { cidr: [\"%s/%d\"] }, port: tcp/%u }",
		     asked(c) ? "to" : "from", addr_text(&c->held.remote_addr, addr),
		     is_v4(&c->held.remote_addr) ? 32 : 128,
		     asked(c) ? c->held.remote_port : c->held.local_port) < 0)
		return NULL;
	return text;
}

static bool is_linklocal(const struct bh_addr *addr)
{
	return addr->b[0] == 0xfe && (addr->b[1] & 0xc0) == 0x80;
}

/* Failsafes go on working under a quarantine, if it is no hard one. */
static char *cure_quarantine(const struct bh_carrier *c)
{
	bool hard = c->level == BH_HOLD_HARD;
	_cleanup_free_ char *failsafe = failsafe_line(c);
	char *text;

	if (c->held.flags & BH_HELD_LOCAL_PEER || is_linklocal(&c->held.remote_addr))
		return strdup("come another way, or say --force");
	if (!failsafe || asprintf(&text, "keep it open, %s%s, or say --force", failsafe,
				  hard ? ", and leave out --even-failsafe" : "") < 0)
		return NULL;
	return text;
}

/* malloced; NULL: no memory */
static char *cure(struct bh_agent *a, const struct bh_live *l, const struct bh_carrier *c)
{
	_cleanup_free_ char *failsafe = NULL, *allow = NULL;
	bool local = c->held.flags & BH_HELD_LOCAL_PEER, by_rule = c->reason == BH_R_RULE_DENY;
	bool known = !local && c->answer.remote >= BH_ID_FIRST && !by_rule;
	char *text = NULL;
	int n;

	if (c->reason == BH_R_DIRECTION_UNKNOWN)
		return strdup("it is older than the agent, and who began it can't be told: log in "
			      "again, or say --force");
	if (c->reason == BH_R_LISTEN_NOT_ALLOWED)
		return strdup("name the port in `listen:` of its segment too: the next login would "
			      "be refused; or say --force");
	if (c->reason == BH_R_QUARANTINE)
		return cure_quarantine(c);
	failsafe = failsafe_line(c);
	if (!l->map)
		return strdup("say --force");
	allow = allow_line(a, l, c);
	if (!failsafe || !allow)
		return NULL;
	if (local && by_rule)
		n = asprintf(&text, "change this deny, or say --force");
	else if (local)
		n = asprintf(&text, "allow it, %s, or say --force", allow);
	else if (is_linklocal(&c->held.remote_addr))
		n = asprintf(&text, "come over an address that is not link-local, or say --force");
	else if (known)
		n = asprintf(&text, "allow it, %s, or keep it open, %s, or say --force", allow,
			     failsafe);
	else
		n = asprintf(&text, "keep it open, %s, or say --force", failsafe);
	return n < 0 ? NULL : text;
}

/* --- telling --------------------------------------------------------------------------------------- */

/* "198.51.100.7:50122 -> tcp/22 of ssh.service" */
static char *carrier_text(struct bh_agent *a, const struct bh_carrier *c)
{
	const char *who = bh_base_of(bh_agent_cgroup(a, c->held.cgid));
	char end[END_TEXT], *text;
	int n;

	if (asked(c))
		n = asprintf(&text, "%s -> %s/tcp", who,
			     end_text(&c->held.remote_addr, c->held.remote_port, end));
	else
		n = asprintf(&text, "%s -> tcp/%u of %s",
			     end_text(&c->held.remote_addr, c->held.remote_port, end),
			     c->held.local_port, who);
	return n < 0 ? NULL : text;
}

static void tell_one(struct bh_agent *a, const struct bh_live *l, const struct bh_carrier *c,
		     const struct bh_as_if *w, enum bh_severity severity, struct bh_diags *d)
{
	_cleanup_free_ char *help = cure(a, l, c), *text = carrier_text(a, c);
	struct bh_where where = {0};

	if (!w)
		where = where_of(l, c);
	(void)bh_diag_add(d, severity, w ? NULL : &where, help,
			  "%s the session it comes from: %s (%s), held by %s (pid %d)",
			  w ? w->what : "this map would deny", text ? text : "a connection",
			  bh_reason_name(c->reason), c->name, (int)c->pid);
}

void bh_lockout_tell(struct bh_agent *a, const struct bh_live *l, const struct bh_lockout *k,
		     const struct bh_as_if *w, enum bh_severity severity, struct bh_diags *d)
{
	size_t told = 0;

	for (size_t i = 0; i < k->n && told < TOLD_MAX; i++) {
		if (!k->v[i].denied)
			continue;
		tell_one(a, l, &k->v[i], w, severity, d);
		told++;
	}
	if (k->n_denied > told)
		(void)bh_diag_add(d, severity, NULL, NULL, "and %zu connections more",
				  k->n_denied - told);
}
