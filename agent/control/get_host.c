/* SPDX-License-Identifier: Apache-2.0 */
/*
 * get_host.c - what is on this host: which cgroup is in which segment, who listens where, why
 * packets passed or were denied. See get.h.
 */
#include <errno.h>
#include <string.h>
#include "../workload/users.h"
#include "get.h"
#include "listeners.h"
#include "words.h"

/* So many users are shown of a cgroup that has matches with users; a group may be large. */
#define USERS_SHOWN 32

/* --- reasons ---------------------------------------------------------------------------------- */

static const char *const classes[] = {
	[BH_CLASS_PASS] = "pass",
	[BH_CLASS_EXCEPTION] = "exception",
	[BH_CLASS_DENY] = "deny",
};

#define KNOWN(number, name, class, text) number,

int bh_get_reasons(struct bh_agent *a, bool all, json_t *list)
{
	static const enum bh_reason known[] = {BH_REASON_LIST(KNOWN)};
	struct bh_count n[BH_REASON_MAX] = {0};
	int r = bh_kern_reasons(a->kern, n);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(known); i++) {
		enum bh_reason k = known[i];

		if (!all && !n[k].packets)
			continue;
		if (json_array_append_new(
			    list, json_pack("{s:s s:s s:s s:o s:o}", "reason", bh_reason_name(k),
					    "class", classes[bh_reason_class(k)], "text",
					    bh_reason_text(k), "packets", bh_json_u64(n[k].packets),
					    "bytes", bh_json_u64(n[k].bytes))) < 0)
			r = -ENOMEM;
	}
	return r;
}

/* --- users ------------------------------------------------------------------------------------ */

/* uid -> name, each asked once: a thousand rows are of a handful of users. */
static json_t *user_json(json_t *names, __u32 uid)
{
	char key[16], text[BH_USER_TEXT];
	json_t *name;

	snprintf(key, sizeof(key), "%u", uid);
	name = json_object_get(names, key);
	if (name)
		return json_incref(name);
	name = bh_json_text(bh_nss_name(uid, text));
	if (json_object_set(names, key, name) < 0) {
		json_decref(name);
		return NULL;
	}
	return name;
}

/* The live side's users, in an order that can be searched. */
struct member {
	__u32 match, uid, seg;
};

static int member_cmp(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	if (x->match != y->match)
		return x->match < y->match ? -1 : 1;
	return (x->uid > y->uid) - (x->uid < y->uid);
}

static int members_read(const struct bh_compiled *c, struct member **ret, size_t *ret_n)
{
	size_t n = c ? c->users.n : 0;
	struct member *v = calloc(n + 1, sizeof(*v));

	if (!v)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		v[i] = (struct member){c->users.bh_user_key[i].match, c->users.bh_user_key[i].uid,
				       c->users.seg[i]};
	qsort(v, n, sizeof(*v), member_cmp);
	*ret = v;
	*ret_n = n;
	return 0;
}

/* The first that is not before (@match, @uid). */
static size_t member_at(const struct member *v, size_t n, __u32 match, __u32 uid)
{
	const struct member key = {.match = match, .uid = uid};
	size_t lo = 0;

	while (lo < n) {
		size_t mid = lo + (n - lo) / 2;

		if (member_cmp(&v[mid], &key) < 0)
			lo = mid + 1;
		else
			n = mid;
	}
	return lo;
}

/* --- workloads -------------------------------------------------------------------------------- */

struct workload {
	const char *path;
	__u64 cgid;
	struct bh_cg_side side;
};

struct workloads {
	struct bh_agent *a;
	struct workload *v;
	size_t n;
	__u64 root;
	__u32 side;
	struct member *member;
	size_t n_members;
	json_t *names;
};

static int on_cgroup(void *ctx, __u64 cgid, const struct bh_cgroup *cg)
{
	struct workloads *w = ctx;
	struct workload *more;

	/* a power of two: grow when it is full */
	if ((w->n & (w->n - 1)) == 0) {
		more = reallocarray(w->v, w->n ? w->n * 2 : 1, sizeof(*more));
		if (!more)
			return -ENOMEM;
		w->v = more;
	}
	w->v[w->n++] = (struct workload){
		.path = bh_cgroups_name(w->a->cgroups, cgid),
		.cgid = cgid,
		.side = cg->side[w->side],
	};
	return 0;
}

static int workload_cmp(const void *a, const void *b)
{
	const struct workload *x = a, *y = b;

	if (x->path && y->path)
		return strcmp(x->path, y->path);
	return !x->path - !y->path;
}

/* Matches that stand deeper come first: the first that names a user counts. */
static bool named_before(const struct workloads *w, const struct bh_cg_side *side, __u32 depth,
			 __u32 uid)
{
	for (__u32 i = 0; i < depth; i++) {
		size_t at = member_at(w->member, w->n_members, side->users[i].match, uid);

		if (at < w->n_members && w->member[at].match == side->users[i].match &&
		    w->member[at].uid == uid)
			return true;
	}
	return false;
}

static json_t *users_json(struct workloads *w, const struct bh_cg_side *side, size_t *ret_n)
{
	json_auto_t *list = json_array();
	size_t n = 0;

	for (__u32 i = 0; i < side->n_users && i < BH_USER_DEPTH; i++) {
		__u32 match = side->users[i].match;
		size_t at = member_at(w->member, w->n_members, match, 0);

		for (; at < w->n_members && w->member[at].match == match; at++) {
			const struct member *m = &w->member[at];

			if (named_before(w, side, i, m->uid) || n++ >= USERS_SHOWN)
				continue;
			if (json_array_append_new(list,
						  json_pack("{s:o s:o}", "user",
							    user_json(w->names, m->uid), "segment",
							    bh_json_text(bh_agent_segment_name(
								    w->a, m->seg)))) < 0)
				return NULL;
		}
	}
	*ret_n = n;
	return TAKE_PTR(list);
}

static json_t *workload_json(struct workloads *w, const struct workload *one)
{
	const struct bh_cg_side *side = &one->side;
	__u32 identity = bh_get_segment_of(side->seg, one->cgid == w->root);
	size_t n_users = 0;
	json_t *users = users_json(w, side, &n_users);

	return json_pack("{s:o s:o s:o s:I s:o s:I s:s}", "cgroup", bh_json_text(one->path), "cgid",
			 bh_json_u64(one->cgid), "segment",
			 bh_json_text(bh_agent_segment_name(w->a, identity)), "identity",
			 (json_int_t)identity, "users", users, "n_users", (json_int_t)n_users,
			 "how",
			 identity < BH_ID_FIRST	     ? "none"
			 : side->anchor == one->cgid ? "match"
						     : "inherited");
}

int bh_get_workloads(struct bh_agent *a, _unused_ bool all, json_t *list)
{
	json_auto_t *names = json_object();
	struct workloads w = {
		.a = a,
		.side = BH_SIDE(bh_kern_generation(a->kern)),
		.names = names,
	};
	int r = bh_cgroup_id(a->opts.cgroup_root, &w.root);

	/* what it could read until an error is still good */
	(void)bh_agent_cgroups_refresh(a);
	if (r == 0)
		r = members_read(a->live.compiled, &w.member, &w.n_members);
	if (r == 0)
		r = bh_kern_each_cgroup(a->kern, on_cgroup, &w);
	if (r == 0 && w.n)
		qsort(w.v, w.n, sizeof(*w.v), workload_cmp);
	for (size_t i = 0; r == 0 && i < w.n; i++)
		r = json_array_append_new(list, workload_json(&w, &w.v[i])) < 0 ? -ENOMEM : 0;
	free(w.v);
	free(w.member);
	return r;
}

/* --- listeners -------------------------------------------------------------------------------- */

static json_t *flags_json(__u32 flags)
{
	json_auto_t *list = json_array();
	static const struct {
		__u32 flag;
		const char *word;
	} words[] = {
		{BH_LISTEN_RECV_ONLY, "receives only"},
		{BH_LISTEN_KERNEL, "kernel"},
		{BH_LISTEN_SHARED, "shared"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (flags & words[i].flag &&
		    json_array_append_new(list, json_string(words[i].word)) < 0)
			return NULL;
	return TAKE_PTR(list);
}

static int listening_cmp(const void *a, const void *b)
{
	const struct bh_listening *x = a, *y = b;

	if (x->key.proto != y->key.proto)
		return x->key.proto < y->key.proto ? -1 : 1;
	if (x->key.port != y->key.port)
		return x->key.port < y->key.port ? -1 : 1;
	return memcmp(&x->key.addr, &y->key.addr, sizeof(x->key.addr));
}

static json_t *listener_json(struct bh_agent *a, const struct bh_listening *l, json_t *names)
{
	char proto[BH_PROTO_WORD];
	__u32 identity = BH_ID_HOST;
	const char *segment = NULL;

	if (l->val.flags & BH_LISTEN_KERNEL ||
	    bh_kern_whois(a->kern, l->val.cgid, l->val.uid, &identity) == 0)
		segment = bh_agent_segment_name(a, identity);
	return json_pack("{s:o s:i s:s s:o s:o s:o s:o s:I s:o}", "address",
			 bh_json_addr(&l->key.addr), "port", l->key.port, "proto",
			 bh_proto_word(l->key.proto, 0, proto), "segment", bh_json_text(segment),
			 "cgroup", bh_json_text(bh_agent_cgroup(a, l->val.cgid)), "user",
			 user_json(names, l->val.uid), "netns", bh_json_u64(l->key.netns),
			 "sockets", (json_int_t)l->val.users, "flags", flags_json(l->val.flags));
}

int bh_get_listeners(struct bh_agent *a, _unused_ bool all, json_t *list)
{
	_cleanup_(bh_listenings_clear) struct bh_listenings l = {0};
	json_auto_t *names = json_object();
	int r = bh_listenings_read(a, &l);

	(void)bh_agent_cgroups_refresh(a);
	if (r == 0 && l.n)
		qsort(l.v, l.n, sizeof(*l.v), listening_cmp);
	for (size_t i = 0; r == 0 && i < l.n; i++)
		r = json_array_append_new(list, listener_json(a, &l.v[i], names)) < 0 ? -ENOMEM : 0;
	return r;
}
