/* SPDX-License-Identifier: Apache-2.0 */
/*
 * explain_resolve.c - who is meant by SRC and DST, and which of them is on this host: a
 * segment, an address, else a workload (explain_find.c). Called by verb_explain.c.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include "explain.h"
#include "get.h"
#include "listeners.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71 /* Linux 5.14 */
#endif

void bh_end_clear(struct bh_end *end)
{
	free(end->path);
	*end = (struct bh_end){0};
}

_printf_(4, 5) static int refuse(struct bh_explain *x, int code, const char *help, const char *fmt,
				 ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	(void)bh_reply_fail(x->reply, code, help, "%s", text ? text : "no memory");
	return -ENOENT;
}

/* --- segments --------------------------------------------------------------------------------- */

/* Where it can be: workloads, addresses, or nothing at all. */
static void place_segment(const struct bh_segment *s, struct bh_end *end)
{
	bool workloads = false, addresses = end->identity == BH_ID_WORLD;

	for (size_t i = 0; i < s->n_match; i++) {
		const struct bh_match *m = &s->match[i];

		if (m->n_cidr)
			addresses = true;
		if (m->unit.n || m->cgroup.n || m->user.n || m->group.n)
			workloads = true;
	}
	end->local = workloads || !addresses;
	end->may_be_remote = addresses;
}

static bool find_segment(struct bh_explain *x, struct bh_end *end)
{
	const struct bh_live *l = &x->a->live;

	for (size_t i = 0; l->compiled && i < l->compiled->n_identity; i++) {
		if (strcmp(l->map->segment[i].name, end->word) != 0)
			continue;
		end->kind = BH_END_SEGMENT;
		end->identity = l->compiled->identity[i];
		place_segment(&l->map->segment[i], end);
		return true;
	}
	return false;
}

/* --- addresses -------------------------------------------------------------------------------- */

static bool is_v4(const struct bh_addr *addr)
{
	static const __u8 mapped[12] = {[10] = 0xff, [11] = 0xff};

	return !memcmp(addr->b, mapped, sizeof(mapped));
}

static bool parse_addr(const char *s, struct bh_addr *ret)
{
	struct bh_addr v = {.b = {[10] = 0xff, [11] = 0xff}};

	if (inet_pton(AF_INET, s, v.b + 12) != 1 && inet_pton(AF_INET6, s, v.b) != 1)
		return false;
	/* the kernel takes the unspecified address for the loopback address */
	if (bh_addr_is_any(&v)) {
		if (is_v4(&v))
			v.b[12] = 127;
		v.b[15] = 1;
	}
	*ret = v;
	return true;
}

static bool is_own(const struct bh_agent *a, const struct bh_addr *addr)
{
	return bh_addr_is_loopback(addr) || (a->net && bh_net_has_addr(a->net, addr));
}

/* Of this namespace; 0 = not known, then every namespace is looked at. */
static __u64 own_netns(void)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(__u64);
	__u64 cookie = 0;

	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len) < 0)
		return 0;
	return cookie;
}

static void take_listener(struct bh_explain *x, const struct bh_listening *l, struct bh_end *end)
{
	const char *path;

	if (l->val.flags & BH_LISTEN_KERNEL) {
		bh_explain_note(x, "the kernel itself listens at %s: `host`", end->word);
		end->kind = BH_END_SEGMENT;
		end->identity = BH_ID_HOST;
		return;
	}
	path = bh_agent_cgroup(x->a, l->val.cgid);
	end->kind = BH_END_WORKLOAD;
	end->cgid = l->val.cgid;
	end->uid = l->val.uid;
	end->uid_known = true;
	end->path = path ? strdup(path) : NULL;
	bh_explain_note(x, "%s is this host's own; %s listens there", end->word,
			path ? path : "a workload that is gone");
	if (l->val.flags & BH_LISTEN_SHARED)
		bh_explain_note(x, "more than one workload listens there: this is the first");
}

/* Who would get it: the socket bound to this very address comes first. */
static int find_listener(struct bh_explain *x, struct bh_end *end)
{
	_cleanup_(bh_listenings_clear) struct bh_listenings all = {0};
	const struct bh_listening *best = NULL;
	__u64 netns = own_netns();
	int r = bh_listenings_read(x->a, &all);

	for (size_t i = 0; r == 0 && i < all.n; i++) {
		const struct bh_listening *l = &all.v[i];

		if (l->key.proto != x->ask.proto || l->key.port != x->ask.port ||
		    (netns && l->key.netns != netns) || !bh_listening_at(l, &end->addr))
			continue;
		if (!best || !bh_addr_is_any(&l->key.addr))
			best = l;
	}
	if (r < 0)
		return r;
	end->nobody = !best;
	if (best)
		take_listener(x, best, end);
	return 0;
}

/* What the kernel answers itself belongs to the segment of the address, else to `host`. */
static int find_kernel_end(struct bh_explain *x, struct bh_end *end)
{
	struct bh_question q = {
		.gen = bh_kern_generation(x->a->kern),
		.now_ns = x->a->clock->boot_ns(),
		.local = BH_ID_HOST,
		.remote_addr = end->addr,
		.flags = BH_Q_REMOTE_ADDR,
		.proto = x->ask.proto,
		.port = x->ask.port,
		.dir = BH_OUT,
	};
	struct bh_answer answer;
	const char *name;
	int r = bh_kern_judge(x->a->kern, &q, &answer);

	if (r < 0)
		return r;
	end->kind = BH_END_SEGMENT;
	end->identity = answer.remote == BH_ID_WORLD ? BH_ID_HOST : answer.remote;
	name = bh_agent_segment_name(x->a, end->identity);
	bh_explain_note(x,
			"%s is this host's own; the kernel answers there, as segment '%s' of the "
			"address",
			end->word, name ? name : "?");
	return 0;
}

static int resolve_addr(struct bh_explain *x, struct bh_end *end)
{
	end->has_addr = true;
	end->kind = BH_END_ADDR;
	if (!bh_ask_set_family(&x->ask, !is_v4(&end->addr)))
		return refuse(x, BH_EXIT_FAILED, NULL, "IPv%d has no such ICMP type",
			      is_v4(&end->addr) ? 4 : 6);
	if (!is_own(x->a, &end->addr))
		return 0;
	end->local = true;
	if (end == &x->from)
		return refuse(x, BH_EXIT_FAILED,
			      "name who sends: a unit, a cgroup path, pid:N or a segment",
			      "'%.80s' is this host's own address: any workload may send from it",
			      end->word);
	return bh_ask_has_port(&x->ask) ? find_listener(x, end) : find_kernel_end(x, end);
}

/* --- one end ---------------------------------------------------------------------------------- */

static int resolve_end(struct bh_explain *x, struct bh_end *end)
{
	int r;

	if (!*end->word || strlen(end->word) > BH_EXPLAIN_WORD_MAX)
		return refuse(x, BH_EXIT_USAGE,
			      "a segment, a unit, a cgroup path, pid:N or an address",
			      "a name of %zu characters", strlen(end->word));
	if (!strcmp(end->word, "any"))
		return refuse(x, BH_EXIT_FAILED, "ask for one of them", "'any' is everybody");
	if (parse_addr(end->word, &end->addr))
		return resolve_addr(x, end);
	if (find_segment(x, end))
		return 0;
	r = bh_explain_find(x, end);
	return r > 0 ? bh_explain_unknown(x, end) : r;
}

/* --- which host ------------------------------------------------------------------------------- */

/* A look at every cgroup of this host: what is in the segments that are asked about. */
struct survey {
	struct bh_end *end[2];
	__u64 root;
	__u32 side;
	bool *users[2]; /* by match number: it gives some user the end's segment */
	size_t n_matches;
};

static bool is_in(const struct survey *s, size_t i, const struct bh_cg_side *side, bool is_root)
{
	if (bh_get_segment_of(side->seg, is_root) == s->end[i]->identity)
		return true;
	for (__u32 j = 0; j < side->n_users && j < BH_USER_DEPTH; j++)
		if (side->users[j].match < s->n_matches && s->users[i][side->users[j].match])
			return true;
	return false;
}

static int on_cgroup(void *ctx, __u64 cgid, const struct bh_cgroup *cg)
{
	struct survey *s = ctx;
	const struct bh_cg_side *side = &cg->side[s->side];

	for (size_t i = 0; i < ARRAY_SIZE(s->end); i++) {
		struct bh_end *end = s->end[i];

		if (end->kind == BH_END_SEGMENT && is_in(s, i, side, cgid == s->root))
			end->n_cgroups++;
		if (end->kind == BH_END_WORKLOAD && end->cgid == cgid)
			end->side = *side;
	}
	return 0;
}

static int look_around(struct bh_explain *x)
{
	const struct bh_compiled *c = x->a->live.compiled;
	struct survey s = {
		.end = {&x->from, &x->to},
		.side = BH_SIDE(bh_kern_generation(x->a->kern)),
	};
	_cleanup_free_ bool *from = NULL, *to = NULL;
	int r = bh_cgroup_id(x->a->opts.cgroup_root, &s.root);

	if (r < 0)
		return r;
	for (size_t i = 0; c && i < c->users.n; i++)
		s.n_matches = MAX(s.n_matches, c->users.bh_user_key[i].match + 1u);
	s.users[0] = from = calloc(s.n_matches + 1, sizeof(*from));
	s.users[1] = to = calloc(s.n_matches + 1, sizeof(*to));
	if (!from || !to)
		return -ENOMEM;
	for (size_t i = 0; c && i < c->users.n; i++) {
		from[c->users.bh_user_key[i].match] |= c->users.seg[i] == x->from.identity;
		to[c->users.bh_user_key[i].match] |= c->users.seg[i] == x->to.identity;
	}
	return bh_kern_each_cgroup(x->a->kern, on_cgroup, &s);
}

static bool is_either(const struct bh_end *end)
{
	return end->kind == BH_END_SEGMENT && end->local && end->may_be_remote;
}

static void assume(struct bh_explain *x, struct bh_end *end, bool local)
{
	if (!is_either(end))
		return;
	end->local = local;
	bh_explain_note(x,
			"segment '%s' has workloads and addresses; taken for %s (cgroups of this "
			"host in it now: %zu)",
			end->word, local ? "a workload of this host" : "an address elsewhere",
			end->n_cgroups);
}

/* A segment may be on either side: here, if some of it is here now. */
static int settle(struct bh_explain *x)
{
	bool from, to;
	int r = look_around(x);

	if (r < 0)
		return r;
	from = x->from.local && (!is_either(&x->from) || x->from.n_cgroups);
	to = x->to.local && (!is_either(&x->to) || x->to.n_cgroups);
	/* one end has to be here, or there is nothing to ask */
	if (!from && !to) {
		from = is_either(&x->from);
		to = is_either(&x->to);
	}
	assume(x, &x->from, from);
	assume(x, &x->to, to);
	if (from || to)
		return 0;
	return refuse(
		x, BH_EXIT_FAILED,
		"ask the agent of one of the two; what passes through here follows `forward:`",
		"neither '%.80s' nor '%.80s' is on this host", x->from.word, x->to.word);
}

int bh_explain_resolve(struct bh_explain *x)
{
	int r;

	/* what it could read until an error is still good */
	(void)bh_agent_cgroups_refresh(x->a);
	r = resolve_end(x, &x->from);
	if (r == 0)
		r = resolve_end(x, &x->to);
	if (r < 0)
		return r;
	if (x->from.has_addr && x->to.has_addr && is_v4(&x->from.addr) != is_v4(&x->to.addr))
		return refuse(x, BH_EXIT_FAILED, NULL, "one address is IPv4 and the other IPv6");
	return settle(x);
}
