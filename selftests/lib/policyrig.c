/* SPDX-License-Identifier: Apache-2.0 */
/* policyrig.c - see policyrig.h. Linear searches throughout: slow, and hard to get wrong. */
#include "policyrig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

/* --- users ------------------------------------------------------------------------------------ */

static int uid_of(_unused_ void *ctx, const char *user, __u32 *ret_uid)
{
	static const char *const names[] = {"alice", "bob", "carol"};

	for (__u32 i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(user, names[i])) {
			*ret_uid = 1000 + i;
			return 0;
		}
	return -ENOENT;
}

static int group(_unused_ void *ctx, const char *name, __u32 **ret_uids, size_t *ret_n)
{
	size_t n = !strcmp(name, "ops") ? 2 : !strcmp(name, "all") ? 3 : 0;

	if (!n && strcmp(name, "empty") != 0)
		return -ENOENT;
	*ret_uids = calloc(n + 1, sizeof(**ret_uids));
	if (!*ret_uids)
		return -ENOMEM;
	/* NSS promises no order */
	for (size_t i = 0; i < n; i++)
		(*ret_uids)[i] = (__u32)(1000 + n - 1 - i);
	*ret_n = n;
	return 0;
}

const struct bh_users pol_users = {NULL, uid_of, group};
const struct bh_instant pol_now = {.wall_s = 1767225600, .boot_ns = 1000000000000};

/* --- maps ------------------------------------------------------------------------------------- */

char *pol_text(const char *body)
{
	char *text;

	assert_true(asprintf(&text,
			     "version: 1\nname: test\nmode: enforce\n"
			     "default: { ingress: deny, egress: deny }\n%s",
			     body) > 0);
	return text;
}

int pol_try(const char *body, const struct bh_limits *limits, struct pol *ret)
{
	_cleanup_free_ char *text = pol_text(body);
	int r;

	*ret = (struct pol){.numbers = bh_numbers_new()};
	assert_non_null(ret->numbers);
	r = bh_map_parse("test.yaml", text, strlen(text), &ret->d, &ret->map);
	if (r < 0)
		return r;
	return bh_compile(ret->map, ret->numbers, &pol_users, limits, pol_now, &ret->d, &ret->out);
}

struct pol pol_made_with(const char *body, const struct bh_numbers *numbers,
			 const struct bh_limits *limits)
{
	_cleanup_free_ char *text = pol_text(body);
	struct pol r = {.numbers = numbers ? bh_numbers_copy(numbers) : bh_numbers_new()};
	int error;

	assert_non_null(r.numbers);
	error = bh_map_parse("test.yaml", text, strlen(text), &r.d, &r.map);
	if (error == 0)
		error = bh_compile(r.map, r.numbers, &pol_users, limits, pol_now, &r.d, &r.out);
	if (error < 0)
		bh_diags_print(&r.d, stdout, false);
	assert_int_equal(error, 0);
	return r;
}

struct pol pol_made(const char *body)
{
	return pol_made_with(body, NULL, &bh_limits_default);
}

void pol_clear(struct pol *r)
{
	bh_compiled_free(r->out);
	bh_numbers_free(r->numbers);
	bh_map_free(r->map);
	bh_diags_clear(&r->d);
}

bool pol_has_said(const struct pol *r, const char *part)
{
	for (size_t i = 0; i < r->d.n; i++)
		if (strstr(r->d.list[i].text, part) ||
		    (r->d.list[i].help && strstr(r->d.list[i].help, part)))
			return true;
	bh_diags_print(&r->d, stdout, false);
	return false;
}

__u32 pol_identity(const struct pol *r, const char *segment)
{
	for (size_t i = 0; i < r->map->n_segment; i++)
		if (!strcmp(r->map->segment[i].name, segment))
			return r->out->identity[i];
	fail_msg("no segment %s", segment);
	return 0;
}

__u32 pol_rule(const struct pol *r, const char *id)
{
	for (size_t i = 0; i < r->out->n_info; i++)
		if (!strcmp(r->out->info[i].id, id))
			return r->out->info[i].number;
	fail_msg("no rule %s", id);
	return 0;
}

/* --- addresses -------------------------------------------------------------------------------- */

struct bh_addr pol_addr(const char *text)
{
	struct bh_addr a = {{[10] = 0xff, [11] = 0xff}};

	if (inet_pton(AF_INET, text, a.b + 12) != 1)
		assert_int_equal(inet_pton(AF_INET6, text, a.b), 1);
	return a;
}

static bool prefix_has(const struct bh_prefix_key *key, const struct bh_addr *addr)
{
	for (__u32 bit = 0; bit < key->prefixlen; bit++)
		if ((key->addr[bit / 8] ^ addr->b[bit / 8]) & (0x80 >> bit % 8))
			return false;
	return true;
}

struct bh_addr_val pol_who(const struct bh_compiled *c, const struct bh_addr *addr)
{
	struct bh_addr_val best = {BH_ID_WORLD, BH_ID_WORLD};
	int longest = -1;

	if (addr->b[0] == 0xfe && (addr->b[1] & 0xc0) == 0x80)
		return best;
	for (size_t i = 0; i < c->addrs.n; i++)
		if (!memcmp(&c->addrs.bh_addr[i], addr, sizeof(*addr)))
			return c->addrs.bh_addr_val[i];
	for (size_t i = 0; i < c->prefixes.n; i++) {
		const struct bh_prefix_key *key = &c->prefixes.bh_prefix_key[i];

		if ((int)key->prefixlen > longest && prefix_has(key, addr)) {
			longest = (int)key->prefixlen;
			best = c->prefixes.bh_addr_val[i];
		}
	}
	return best;
}

/* --- policy ----------------------------------------------------------------------------------- */

static const struct bh_pol_val *find(const struct bh_compiled *c, const struct bh_pol_key *key)
{
	size_t low = 0, high = c->policy.n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int r = memcmp(&c->policy.bh_pol_key[mid], key, sizeof(*key));

		if (r == 0)
			return &c->policy.bh_pol_val[mid];
		if (r < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

static bool is_listed(__u8 proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_UDPLITE ||
	       proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6;
}

static bool is_closed(const struct bh_compiled *c, const struct bh_pol_val *val, __u64 now_ns)
{
	const struct bh_rule *row = &c->rules[val->rule];

	if (!(val->flags & BH_POL_ROW))
		return false;
	return row->flags || (row->until_ns && now_ns >= row->until_ns);
}

static bool decides(const struct bh_compiled *c, const struct pol_ask *ask, int kind,
		    const struct bh_pol_val *val, struct pol_ruling *r)
{
	if (kind == BH_KIND_FAILSAFE)
		return !(val->flags & BH_POL_WIRE && ask->peer_local) &&
		       !(val->flags & BH_POL_UNIT && !(ask->unit_bits & 1u << val->unit_bit));
	if (is_closed(c, val, ask->now_ns)) {
		if (kind == BH_KIND_ALLOW && !r->closed_rule)
			r->closed_rule = val->rule;
		return false;
	}
	if (kind == BH_KIND_DENY && val->flags & BH_POL_OBSERVE) {
		if (!r->would_rule)
			r->would_rule = val->rule;
		return false;
	}
	r->report = val->flags & BH_POL_OBSERVE;
	return true;
}

struct pol_ruling pol_judge(const struct bh_compiled *c, const struct pol_ask *ask)
{
	struct pol_ruling r = {.kind = BH_KIND_MAX};

	for (__u32 i = 0; i < c->side.n_shapes[ask->dir]; i++) {
		const struct bh_shape *s = &c->side.shape[ask->dir][i];
		struct bh_pol_key key = {
			.local = s->wild & BH_WILD_LOCAL ? BH_ID_ANY : ask->local,
			.remote = s->wild & BH_WILD_REMOTE ? BH_ID_ANY : ask->remote,
			.port = (__u16)(ask->port & ~(0xffffu >> s->plen)),
			.plen = s->plen,
			.proto = s->wild & BH_WILD_PROTO ? 0 : ask->proto,
			.dir = ask->dir,
			.kind = s->kind,
			.row = s->row,
		};
		const struct bh_pol_val *val;

		if (s->wild & BH_WILD_PROTO && !is_listed(ask->proto))
			continue;
		val = find(c, &key);
		if (!val || !decides(c, ask, s->kind, val, &r))
			continue;
		r.kind = s->kind;
		r.rule = val->rule;
		return r;
	}
	return r;
}

/* --- names ------------------------------------------------------------------------------------ */

struct meaning {
	__u32 seg, node, unit_bits, n_users;
	__u32 match[16];
};

static void lay(struct meaning *m, const struct bh_name_val *val)
{
	if (!val)
		return;
	m->unit_bits |= val->unit_bits;
	if (val->node)
		m->node = val->node;
	if (val->seg) {
		m->seg = val->seg;
		m->n_users = 0;
	}
	if (val->users) {
		assert_true(m->n_users < BH_USER_DEPTH);
		m->match[m->n_users++] = val->users;
	}
}

static const struct bh_name_val *exact_find(const struct bh_compiled *c, __u32 node,
					    const char *name)
{
	for (size_t i = 0; i < c->names.n; i++)
		if (c->names.bh_name_key[i].node == node &&
		    !strcmp(c->names.bh_name_key[i].name, name))
			return &c->names.bh_name_val[i];
	return NULL;
}

static const struct bh_glob_val *glob_at(const struct bh_compiled *c, __u32 node, const char *name,
					 size_t prefix)
{
	for (size_t i = 0; i < c->globs.n; i++)
		if (c->globs.bh_glob_key[i].node_be == htonl(node) &&
		    c->globs.bh_glob_key[i].prefixlen == 32 + 8 * prefix &&
		    !memcmp(c->globs.bh_glob_key[i].name, name, prefix))
			return &c->globs.bh_glob_val[i];
	return NULL;
}

static const struct bh_name_val *glob_find(const struct bh_compiled *c, __u32 node,
					   const char *name)
{
	size_t len = strlen(name), tried = 0;

	for (size_t prefix = len + 1; prefix-- > 0;) {
		const struct bh_glob_val *v = glob_at(c, node, name, prefix);

		if (!v)
			continue;
		assert_true(tried++ < BH_GLOB_NESTED);
		assert_int_equal(v->prefix_len, prefix);
		for (__u32 i = 0; i < v->n; i++) {
			const struct bh_glob *g = &v->glob[i];

			assert_int_equal(g->suffix_len, strlen(g->suffix));
			if (len >= prefix + g->suffix_len &&
			    !strcmp(name + len - g->suffix_len, g->suffix))
				return &g->val;
		}
	}
	return NULL;
}

static __u32 by_user(const struct bh_compiled *c, const struct meaning *m, __u32 uid)
{
	for (__u32 i = m->n_users; i-- > 0;)
		for (size_t j = 0; j < c->users.n; j++)
			if (c->users.bh_user_key[j].match == m->match[i] &&
			    c->users.bh_user_key[j].uid == uid)
				return c->users.seg[j];
	return m->seg;
}

static bool is_slice(const char *name)
{
	size_t len = strlen(name);

	return len > 6 && !strcmp(name + len - 6, ".slice");
}

struct pol_cgroup pol_whois(const struct bh_compiled *c, const char *path, __u32 uid)
{
	_cleanup_free_ char *copy = strdup(path);
	struct meaning m = {.seg = 0};
	bool slices = true;
	char *save = NULL;

	assert_non_null(copy);
	lay(&m, exact_find(c, BH_NODE_ROOT, ""));
	m.node = BH_NODE_ROOT;
	for (char *name = strtok_r(copy, "/", &save); name; name = strtok_r(NULL, "/", &save)) {
		__u32 node = m.node;

		m.node = BH_NODE_NONE;
		if (slices)
			lay(&m, glob_find(c, BH_NODE_UNIT, name));
		if (node)
			lay(&m, glob_find(c, node, name));
		if (slices)
			lay(&m, exact_find(c, BH_NODE_UNIT, name));
		if (node)
			lay(&m, exact_find(c, node, name));
		slices &= is_slice(name);
	}
	return (struct pol_cgroup){.seg = by_user(c, &m, uid), .unit_bits = m.unit_bits};
}
