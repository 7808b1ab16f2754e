// SPDX-License-Identifier: Apache-2.0
/*
 * agent_grants.c - rules that are opened for a while, and conversations that no rule names, on a
 * kernel side that only remembers. What is on the disk of them: agent_holds.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "../lib/fakekern.h"
#include "../lib/verbrig.h"

#define MAP(name)                                                                                  \
	"version: 1\\nname: " name "\\nmode: enforce\\n"                                           \
	"default: { ingress: deny, egress: deny }\\n"                                              \
	"segments:\\n"                                                                             \
	"  web: { match: { unit: web.service } }\\n"                                               \
	"  lan: { match: { cidr: [10.1.0.0/16], except: [10.1.2.0/24] } }\\n"                      \
	"allow:\\n"                                                                                \
	"  - { id: sre, from: lan, to: web, port: tcp/22, jit: { max: 1h, reason: required } }\\n" \
	"  - { id: free, from: lan, to: web, port: tcp/23, jit: {} }\\n"                           \
	"failsafe:\\n  - { from: { cidr: [10.0.0.1/32] }, port: tcp/22 }\\n"

#define GRANT(args) "{\"verb\":\"grant\",\"args\":{" args "}}"

static void grants_of_rules(void **state)
{
	struct bh_agent *a = *state;

	apply(a, MAP("one"));
	expect(a, GRANT("\"rule\":\"sre\",\"for_s\":3601,\"reason\":\"x\""), 1, "3600 s at most");
	expect(a, GRANT("\"rule\":\"sre\",\"for_s\":60"), 1, "for a reason only");
	expect(a, GRANT("\"rule\":\"sre\""), 2, "say for how long");
	expect(a, GRANT("\"rule\":\"sre\",\"from\":\"web\",\"for_s\":60"), 2, "a rule says itself");
	expect(a, GRANT("\"rule\":\"free\",\"for_s\":86400"), 0, "\"id\":1");
	expect(a, GRANT("\"rule\":\"sre\",\"for_s\":60,\"reason\":\"x\""), 0, "\"id\":2");
	assert_int_equal(fake.n_jit, 2);
	/* again: longer, not twice */
	expect(a, GRANT("\"rule\":\"sre\",\"for_s\":120,\"reason\":\"x\""), 0, "\"id\":3");
	assert_int_equal(fake.n_jit, 2);
	expect(a, "{\"verb\":\"revoke\",\"args\":{\"id\":2}}", 1, "there is no grant 2");
	expect(a, "{\"verb\":\"revoke\",\"args\":{\"id\":3}}", 0, "\"revoked\":3");
	expect(a, "{\"verb\":\"revoke\"}", 2, "needs argument 'id'");
	assert_int_equal(fake.n_jit, 1);
	/* a map without the rule: nothing is open that nobody can name */
	apply(a,
	      "version: 1\\nname: two\\nmode: observe\\ndefault: { ingress: deny, egress: deny }\\n");
	assert_int_equal(fake.n_jit, 0);
}

static void grants_ad_hoc(void **state)
{
	struct bh_agent *a = *state;

	apply(a, MAP("one"));
	expect(a, GRANT("\"from\":\"lan\",\"to\":\"web\",\"port\":\"tcp/80-90\",\"for_s\":60"), 0,
	       "\"id\":1");
	assert_true(fake.grant[0].until_ns > 0);
	assert_int_equal(fake.grant[0].port, 80);
	assert_int_equal(fake.grant[0].port_to, 90);
	assert_true(fake.grant[0].uid == BH_NO_UID);
	expect(a,
	       GRANT("\"from\":\"any\",\"to\":\"web\",\"port\":\"icmp/echo-request\",\"for_s\":60"),
	       0, "\"id\":2");
	/* for both families */
	assert_true(fake.grant[2].until_ns > 0 && !fake.grant[3].until_ns);
	expect(a,
	       GRANT("\"from\":\"lan\",\"to\":\"web\",\"port\":\"tcp\",\"for_s\":60,"
		     "\"user\":\"nobody-at-all\""),
	       2, "there is no user");
	expect(a, GRANT("\"from\":\"lan\",\"to\":\"wep\",\"port\":\"tcp\",\"for_s\":60"), 2,
	       "did you mean 'web'?");
	expect(a, GRANT("\"from\":\"lan\",\"to\":\"web\",\"port\":\"tpc\",\"for_s\":60"), 2, "");
	expect(a, GRANT("\"from\":\"10.1.0.7\",\"to\":\"web\",\"port\":\"tcp\",\"for_s\":60"), 2,
	       "it is in segment 'lan': name that");
	expect(a, GRANT("\"from\":\"lan\",\"to\":\"2001:db8::/64\",\"port\":\"tcp\",\"for_s\":60"),
	       2, "it is in no segment: give it");
	assert_int_equal(a->holds->n_granted, 2);
}

/* A port of two protocols takes two rows: what finds none is refused, and not told as open. */
static void there_is_an_end_of_grants(void **state)
{
	struct bh_agent *a = *state;

	apply(a, MAP("one"));
	for (int i = 0; i < BH_GRANTS_MAX / 2; i++)
		expect(a,
		       GRANT("\"from\":\"lan\",\"to\":\"web\",\"port\":\"icmp/echo-request\",\"for_s\":60"),
		       0, "\"id\":");
	assert_true(fake.grant[BH_GRANTS_MAX - 1].until_ns > 0);
	expect(a, GRANT("\"from\":\"lan\",\"to\":\"web\",\"port\":\"tcp/80\",\"for_s\":60"), 1,
	       "no room for it");
	assert_int_equal(a->holds->n_granted, BH_GRANTS_MAX / 2);
	expect(a, GRANT("\"rule\":\"free\",\"for_s\":600"), 0, "\"id\":");
}

static int setup(void **state)
{
	*state = verb_agent_new();
	return 0;
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(grants_of_rules),
		TEST(grants_ad_hoc),
		TEST(there_is_an_end_of_grants),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
