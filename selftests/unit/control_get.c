/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control_get.c - the lists of the verb get, on a kernel side that is not there. Tests
 * verb_get.c, get_map.c and get_host.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "fakeagent.h"
#include "../../agent/control/control.h"

static const char shop[] =
	"version: 1\nname: shop\nmode: enforce\ndefault: { ingress: deny, egress: deny }\n"
	"segments:\n"
	"  web:    { match: { unit: web.service }, labels: { app: shop, role: web } }\n"
	"  db:     { match: { unit: db.service }, data: secret, default: { egress: allow } }\n"
	"  staff:  { match: { cgroup: /user.slice, group: staff } }\n"
	"  bob:    { match: { cgroup: /user.slice/deep, user: bob } }\n"
	"  office: { match: { cidr: [192.0.2.0/24], except: [192.0.2.66/32] }, mode: observe }\n"
	"allow:\n"
	"  - { id: web-db, from: web, to: db, port: [tcp/5432, tcp/6000-6009], owner: shop-team }\n"
	"  - { id: trial, from: { labels: { app: shop } }, to: any, port: icmp, mode: observe }\n"
	"deny:\n"
	"  - { id: never, from: any, to: db, port: tcp/23, description: old }\n"
	"failsafe:\n"
	"  - { from: { cidr: [198.51.100.0/28] }, port: tcp/22, unit: ssh.service }\n";

static int setup(void **state)
{
	struct bh_agent *a = test_agent_new();
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_live live = {0};

	assert_int_equal(bh_agent_compile(a, "shop.yaml", shop, strlen(shop), &d, &live), 0);
	bh_live_clear(&a->live);
	a->live = live;
	fake.gen = 1;
	*state = a;
	return 0;
}

static int teardown(void **state)
{
	test_agent_free(*state);
	return 0;
}

/* The list @what; the reply owns it. */
static const json_t *get(struct bh_agent *a, const char *what, bool all, struct bh_reply *reply)
{
	json_auto_t *args = json_pack("{s:s s:b}", "what", what, "all", all);
	struct bh_call call = {.verb = "get", .args = args};

	assert_int_equal(bh_verb_get.run(a, &call, reply), 0);
	assert_int_equal(reply->code, 0);
	return json_object_get(reply->data, what);
}

static const json_t *row(const json_t *list, const char *key, const char *value)
{
	const json_t *r;
	size_t i;

	json_array_foreach(list, i, r)
	{
		const char *s = json_string_value(json_object_get(r, key));

		if (s && !strcmp(s, value))
			return r;
	}
	fail_msg("no row with %s %s", key, value);
	return NULL;
}

static void has(const json_t *r, const char *part)
{
	_cleanup_free_ char *text = json_dumps(r, JSON_COMPACT);

	if (!text || !strstr(text, part))
		fail_msg("no %s in %s", part, text ? text : "nothing");
}

static __u32 identity(const struct bh_agent *a, const char *name)
{
	for (size_t i = 0; i < a->live.compiled->n_identity; i++)
		if (!strcmp(a->live.map->segment[i].name, name))
			return a->live.compiled->identity[i];
	fail_msg("no segment %s", name);
	return 0;
}

static struct bh_cg_side *put_cgroup(__u64 cgid, __u64 anchor, __u32 seg)
{
	size_t i = fake.n_cgroup++;

	fake.cgid[i] = cgid;
	fake.cgroup[i].side[1] = (struct bh_cg_side){.seg = seg, .anchor = anchor};
	return &fake.cgroup[i].side[1];
}

/* --- the map ------------------------------------------------------------------------------------ */

static void segments(void **state)
{
	_cleanup_(bh_reply_clear) struct bh_reply reply = {0};
	struct bh_agent *a = *state;
	const json_t *list, *web;

	put_cgroup(100, 100, identity(a, "web"));
	put_cgroup(101, 100, identity(a, "web"));
	put_cgroup(102, 0, 0);
	/* the other side is of another generation */
	fake.cgroup[0].side[0].seg = identity(a, "db");
	list = get(a, "segments", false, &reply);
	assert_int_equal(json_array_size(list), 8);
	web = row(list, "name", "web");
	has(web, "\"mode\":\"enforce\",\"default\":{\"ingress\":\"deny\",\"egress\":\"deny\"}");
	has(web, "\"match\":[\"unit web.service\"],\"cgroups\":2");
	has(web, "\"labels\":{\"app\":\"shop\",\"role\":\"web\"}");
	has(row(list, "name", "db"), "\"default\":{\"ingress\":\"deny\",\"egress\":\"allow\"}");
	has(row(list, "name", "db"), "\"data\":\"secret\"");
	has(row(list, "name", "office"), "\"mode\":\"observe\"");
	has(row(list, "name", "office"), "\"match\":[\"cidr 192.0.2.0/24 except 192.0.2.66/32\"]");
	has(row(list, "name", "unassigned"), "\"cgroups\":1");
	has(row(list, "name", "world"), "\"identity\":1,");
}

static void rules(void **state)
{
	_cleanup_(bh_reply_clear) struct bh_reply reply = {0};
	struct bh_agent *a = *state;
	const json_t *list = get(a, "rules", false, &reply), *r;
	char packets[40];

	/* four of the file, then two defaults for each of 8 segments */
	assert_int_equal(json_array_size(list), 20);
	has(json_array_get(list, 0), "\"id\":\"web-db\"");
	has(json_array_get(list, 3), "\"kind\":\"failsafe\"");
	r = row(list, "id", "web-db");
	has(r, "\"kind\":\"allow\",\"from\":[\"web\"],\"to\":[\"db\"],"
	       "\"port\":[\"tcp/5432\",\"tcp/6000-6009\"]");
	has(r, "\"line\":12,");
	has(r, "\"owner\":\"shop-team\"");
	/* as the fake counts */
	snprintf(packets, sizeof(packets), "\"packets\":\"%lld\"",
		 json_integer_value(json_object_get(r, "number")));
	has(r, packets);
	has(row(list, "id", "trial"), "\"from\":[\"web\"]");
	has(row(list, "id", "trial"), "\"mode\":\"observe\"");
	has(row(list, "id", "never"), "\"kind\":\"deny\",\"from\":[\"any\"]");
	has(row(list, "id", "never"), "\"description\":\"old\"");
	has(row(list, "id", "failsafe-1"), "\"from\":[\"198.51.100.0/28\"]");
	has(row(list, "id", "default/web/ingress"), "\"from\":[\"any\"],\"to\":[\"web\"]");
	has(row(list, "id", "default/web/egress"), "\"from\":[\"web\"],\"to\":[\"any\"]");
}

static void identities(void **state)
{
	_cleanup_(bh_reply_clear) struct bh_reply reply = {0};
	struct bh_agent *a = *state;
	const json_t *list = get(a, "identities", false, &reply);

	assert_int_equal(json_array_size(list), 8);
	has(row(list, "name", "world"), "\"identity\":1");
	assert_int_equal(json_integer_value(json_object_get(row(list, "name", "web"), "identity")),
			 identity(a, "web"));
}

static void without_a_map(void **state)
{
	static const char *const lists[] = {"segments", "rules", "workloads", "listeners"};
	struct bh_agent *a = *state;

	bh_live_clear(&a->live);
	a->live.numbers = bh_numbers_new();
	fake.gen = 0;
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		_cleanup_(bh_reply_clear) struct bh_reply reply = {0};

		assert_int_equal(json_array_size(get(a, lists[i], false, &reply)), 0);
	}
}

/* --- this host ---------------------------------------------------------------------------------- */

static void workloads(void **state)
{
	_cleanup_(bh_reply_clear) struct bh_reply reply = {0};
	struct bh_agent *a = *state;
	const json_t *list;
	__u64 root = 0;

	assert_int_equal(bh_cgroup_id(a->opts.cgroup_root, &root), 0);
	put_cgroup(root, 0, BH_ID_UNASSIGNED);
	put_cgroup(1ull << 60, 1ull << 60, identity(a, "web"));
	put_cgroup((1ull << 60) + 1, 1ull << 60, identity(a, "web"));
	put_cgroup((1ull << 60) + 2, 0, BH_ID_UNASSIGNED);
	list = get(a, "workloads", false, &reply);
	assert_int_equal(json_array_size(list), 4);
	has(row(list, "cgroup", "/"), "\"segment\":\"host\",\"identity\":3");
	/* a cgroup that is gone has no name; 2^60 is no number for JSON */
	has(row(list, "cgid", "1152921504606846976"), "\"cgroup\":null");
	has(row(list, "cgid", "1152921504606846976"), "\"how\":\"match\"");
	has(row(list, "cgid", "1152921504606846977"), "\"segment\":\"web\"");
	has(row(list, "cgid", "1152921504606846977"), "\"how\":\"inherited\"");
	has(row(list, "cgid", "1152921504606846978"), "\"segment\":\"unassigned\"");
	has(row(list, "cgid", "1152921504606846978"), "\"how\":\"none\"");
}

static __u32 match_of(const struct bh_agent *a, __u32 uid, const char *segment)
{
	const struct bh_compiled *c = a->live.compiled;

	for (size_t i = 0; i < c->users.n; i++)
		if (c->users.bh_user_key[i].uid == uid && c->users.seg[i] == identity(a, segment))
			return c->users.bh_user_key[i].match;
	fail_msg("no match for %u", uid);
	return 0;
}

/* The deeper match takes bob from the wider one. */
static void users(void **state)
{
	_cleanup_(bh_reply_clear) struct bh_reply reply = {0};
	struct bh_agent *a = *state;
	struct bh_cg_side *side = put_cgroup(5, 0, 0);

	side->n_users = 2;
	side->users[0].match = match_of(a, 1002, "bob");
	side->users[1].match = match_of(a, 1001, "staff");
	has(row(get(a, "workloads", false, &reply), "cgid", "5"),
	    "\"users\":[{\"user\":\"1002\",\"segment\":\"bob\"},"
	    "{\"user\":\"1001\",\"segment\":\"staff\"}],\"n_users\":2");
}

static int judge(const struct bh_question *q, struct bh_answer *ret)
{
	ret->local = (__u32)q->local_cgid;
	return 0;
}

static void listeners(void **state)
{
	_cleanup_(bh_reply_clear) struct bh_reply reply = {0};
	struct bh_agent *a = *state;
	const json_t *list;

	fake.judge = judge;
	fake.n_listener = 2;
	fake.listen_key[0] =
		(struct bh_listen_key){.netns = 9,
				       .addr = {.b = {[10] = 0xff, 0xff, 127, 0, 0, 1}},
				       .port = 53,
				       .proto = 17};
	fake.listener[0] = (struct bh_listener){.cgid = identity(a, "web"),
						.uid = 4200000000u,
						.users = 2,
						.flags = BH_LISTEN_RECV_ONLY | BH_LISTEN_SHARED};
	fake.listen_key[1] = (struct bh_listen_key){.netns = 9, .port = 51820, .proto = 17};
	fake.listener[1] = (struct bh_listener){.users = 1, .flags = BH_LISTEN_KERNEL};
	list = get(a, "listeners", false, &reply);
	assert_int_equal(json_array_size(list), 2);
	has(row(list, "address", "127.0.0.1"),
	    "\"port\":53,\"proto\":\"udp\",\"segment\":\"web\",\"cgroup\":null,"
	    "\"user\":\"4200000000\",\"netns\":\"9\",\"sockets\":2,"
	    "\"flags\":[\"receives only\",\"shared\"]");
	has(row(list, "address", "::"), "\"segment\":\"host\"");
}

static void reasons(void **state)
{
	_cleanup_(bh_reply_clear) struct bh_reply some = {0}, all = {0};
	struct bh_agent *a = *state;
	const json_t *list;

	fake.reason[BH_R_DEFAULT_DENY] = (struct bh_count){.packets = UINT64_MAX, .bytes = 7};
	fake.reason[BH_R_ARP].packets = 1;
	list = get(a, "reasons", false, &some);
	assert_int_equal(json_array_size(list), 2);
	has(row(list, "reason", "default_deny"),
	    "\"class\":\"deny\",\"text\":\"no rule allows it\","
	    "\"packets\":\"18446744073709551615\",\"bytes\":\"7\"");
	has(row(list, "reason", "arp"), "\"class\":\"exception\"");
	list = get(a, "reasons", true, &all);
	assert_true(json_array_size(list) > 50);
	has(row(list, "reason", "allow"), "\"class\":\"pass\"");
}

static void unknown_list(void **state)
{
	_cleanup_(bh_reply_clear) struct bh_reply reply = {0};
	json_auto_t *args = json_pack("{s:s}", "what", "segmnts");
	struct bh_call call = {.verb = "get", .args = args};

	assert_int_equal(bh_verb_get.run(*state, &call, &reply), 0);
	assert_int_equal(reply.code, 2);
	assert_string_equal(reply.diags.list[0].help, "did you mean 'segments'?");
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(segments),	     TEST(rules),     TEST(identities),
		TEST(without_a_map), TEST(workloads), TEST(users),
		TEST(listeners),     TEST(reasons),   TEST(unknown_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
