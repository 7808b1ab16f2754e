// SPDX-License-Identifier: Apache-2.0
/*
 * plan.c - what a policy costs before it is enforced: parse and check, compile, stage, publish,
 * for maps of some sizes. Run by `make bench`; it fails where the answer is wrong, and says
 * where a goal is missed.
 */
#include "policyrig.h"

#include <jansson.h>
#include <string.h>
#include "benchrig.h"
#include "kernrig.h"

static double now_ms(void)
{
	return bench_now_ns() / 1e6;
}

/* @n rules over 40 segments on ports of their own: two table entries each. */
static char *map_of(size_t n)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	assert_non_null(f);
	fprintf(f, "version: 1\nname: bench\nmode: enforce\n"
		   "default: { ingress: deny, egress: deny }\nsegments:\n");
	for (int i = 0; i < 40; i++)
		fprintf(f, "  s%d: { match: { unit: s%d.service } }\n", i, i);
	fprintf(f, "allow:\n");
	for (size_t i = 0; i < n; i++)
		fprintf(f, "  - { id: r%zu, from: s%zu, to: s%zu, port: tcp/%zu }\n", i, i % 40,
			(i / 40) % 40, 1 + i / 1600);
	assert_int_equal(fclose(f), 0);
	return text;
}

static const struct bh_limits limits = {
	.policy = 1u << 20,
	.addrs = 1024,
	.prefixes = 1024,
	.rules = 131072,
	.names = 4096,
	.globs = 1024,
	.users = 1024,
};

static void measure(struct bh_kern *k, size_t n_rules)
{
	_cleanup_free_ char *text = map_of(n_rules);
	struct pol p = {.numbers = bh_numbers_new()};
	double t[5];
	__u64 gen;

	t[0] = now_ms();
	assert_int_equal(bh_map_parse("bench.yaml", text, strlen(text), &p.d, &p.map), 0);
	t[1] = now_ms();
	assert_int_equal(bh_compile(p.map, p.numbers, &pol_users, &limits, pol_now, &p.d, &p.out),
			 0);
	t[2] = now_ms();
	assert_int_equal(bh_kern_stage(k, p.out, &p.d, &gen), 0);
	t[3] = now_ms();
	assert_int_equal(bh_kern_publish(k), 0);
	t[4] = now_ms();
	assert_int_equal(p.out->policy.n, 2 * n_rules);
	assert_int_equal(bh_kern_generation(k), gen);
	printf("%9zu %9zu %9.1f %9.1f %9.1f %9.4f\n", n_rules, p.out->policy.n, t[1] - t[0],
	       t[2] - t[1], t[3] - t[2], t[4] - t[3]);
	bench_row("{s:I s:I s:f s:f s:f s:f}", "rules", (json_int_t)n_rules, "entries",
		  (json_int_t)p.out->policy.n, "check_ms", t[1] - t[0], "compile_ms", t[2] - t[1],
		  "stage_ms", t[3] - t[2], "publish_ms", t[4] - t[3]);
	if (n_rules == 10000 && t[2] - t[0] > 500)
		printf("goal missed: 10 000 rules check in %.0f ms, wanted 500\n", t[2] - t[0]);
	if (n_rules == 10000 && t[4] - t[0] > 1000)
		printf("goal missed: 10 000 rules apply in %.0f ms, wanted 1000\n", t[4] - t[0]);
	if (n_rules == 50000 && t[4] - t[2] > 1000)
		printf("goal missed: 100 000 entries publish in %.0f ms, wanted 1000\n",
		       t[4] - t[2]);
	pol_clear(&p);
}

static void bench(void **state)
{
	static const size_t sizes[] = {10, 1000, 10000, 50000};
	_cleanup_diags_ struct bh_diags d = {0};
	struct bh_kern_opts opts = rig_opts();
	struct bh_kern *k = NULL;

	(void)state;
	opts.limits = limits;
	assert_int_equal(bh_kern_open(&opts, &d, &k), 0);
	printf("policy, in ms\n%9s %9s %9s %9s %9s %9s\n", "rules", "entries", "check", "compile",
	       "stage", "publish");
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		measure(k, sizes[i]);
	assert_int_equal(bh_kern_detach(k), 0);
	bh_kern_close(k);
}

static int up(void **state)
{
	(void)state;
	return rig_up();
}

static int down(void **state)
{
	(void)state;
	rig_down();
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(bench)};

	bench_begin("plan", argc, argv);
	return bench_end(cmocka_run_group_tests_name("policy", tests, up, down));
}
