/* SPDX-License-Identifier: Apache-2.0 */
/*
 * testrun.c - the model against the programs: random maps, committed to the real kernel, and
 * random questions to bh_judge (who is who, verdict, reason, rule, deadline), and random packets
 * to bh_xdp_in, bh_skb_in and bh_skb_out (verdict and reason), by BPF_PROG_TEST_RUN.
 *
 * BH_SEED=N draws other ones, BH_CASES=N so many. What differs is asked again of ever smaller
 * maps, and the smallest that still shows it is printed. LIMIT_S=300
 */
#include "modelask.h"

#include <string.h>
#include <sys/wait.h>
#include "policydraft.h"

#define CASES	    5000000L
#define CASES_A_MAP 6000
#define BATCH	    256
#define WORKERS	    4

static struct bh_kern *kern;
static struct bh_numbers *numbers;

/* --- making it smaller ---------------------------------------------------------------------------------- */

/* What differs, NULL if nothing does or the compiler refuses the map. */
static const char *still_differs(const struct model_draft *d, const struct question *q, bool print)
{
	_cleanup_opinions_ struct opinions o = {0};
	struct bh_instant t = {0};
	const char *what;
	struct md_answer a;
	struct said s;

	asks_instant(&t);
	if (opinions_of(d, numbers, t, &o) < 0)
		return NULL;
	asks_commit(kern, &o);
	a = model_says(&o, q);
	s = kernel_says_why(kern, &o, q);
	what = differ(&o, q, &a, &s, true);
	if (print && what) {
		printf("%s# they differ in %s\n", o.text, what);
		question_print(&o, q, &a, &s);
	}
	return what;
}

static void report(const struct model_draft *d, const struct question *q)
{
	struct model_draft small = draft_without(d, -1);

	for (int i = 0; i < small.n;) {
		struct model_draft smaller = draft_without(&small, i);

		if (small.line[i].section != 'h' && still_differs(&smaller, q, false)) {
			draft_clear(&small);
			small = smaller;
		} else {
			draft_clear(&smaller);
			i++;
		}
	}
	if (!still_differs(&small, q, true))
		printf("# it differed once, and does not again\n");
	(void)fflush(stdout);
	draft_clear(&small);
}

/* --- many ------------------------------------------------------------------------------------------------- */

struct tally {
	long cases, differed, refused, passed;
	long by_reason[MD_SET];
};

/* One by one, where the counters alone do not say which. */
static void look_closer(const struct model_draft *d, const struct opinions *o,
			const struct question *q, int n, struct tally *t)
{
	for (int i = 0; i < n; i++) {
		struct md_answer a = model_says(o, &q[i]);
		struct said s = kernel_says_why(kern, o, &q[i]);

		if (!differ(o, &q[i], &a, &s, true))
			continue;
		t->differed++;
		report(d, &q[i]);
		return;
	}
	printf("# reasons of a batch differ, and of none of its packets alone\n");
	t->differed++;
}

static bool reasons_moved_as(const long want[MD_SET])
{
	static struct bh_count before[BH_REASON_MAX], after[BH_REASON_MAX];
	bool same = true;

	assert_int_equal(bh_kern_reasons(kern, after), 0);
	for (int i = 0; i < BH_REASON_MAX && want; i++)
		same &= after[i].packets - before[i].packets == (__u64)want[i];
	memcpy(before, after, sizeof(before));
	return same;
}

/* A batch: verdicts one by one, reasons as they were counted in sum. */
static void batch(const struct model_draft *d, const struct opinions *o, struct tally *t)
{
	static struct question q[BATCH];
	long want[MD_SET] = {0};
	int n = 0;
	bool bad = false;

	(void)reasons_moved_as(NULL);
	for (int i = 0; i < BATCH; i++) {
		struct question one = question_roll(o);
		struct md_answer a = model_says(o, &one);
		bool counted = one.what != ASK_JUDGE;
		struct said s;

		/* it may name any of several: ask it apart */
		if (counted && a.n_reasons > 1)
			continue;
		s = kernel_says(kern, o, &one);
		bad |= differ(o, &one, &a, &s, !counted) != NULL;
		want[a.first] += counted;
		t->by_reason[a.first]++;
		t->passed += s.pass;
		q[n++] = one;
	}
	t->cases += n;
	if (!reasons_moved_as(want) || bad)
		look_closer(d, o, q, n, t);
}

/* One map. */
static void round_trip(struct tally *t)
{
	struct model_draft d = draft_new();
	_cleanup_opinions_ struct opinions o = {0};
	struct bh_instant now;

	asks_instant(&now);
	if (opinions_of(&d, numbers, now, &o) < 0) {
		t->refused++;
		draft_clear(&d);
		return;
	}
	asks_from((int)pol_roll(WORLD_CGROUPS));
	asks_ctl(kern, (pol_one_in(8) ? BH_CTL_OBSERVE : 0) | (pol_one_in(4) ? BH_CTL_FWD4 : 0) |
			       (pol_one_in(4) ? BH_CTL_FWD6 : 0));
	asks_commit(kern, &o);
	for (int i = 0; i < CASES_A_MAP / BATCH && !t->differed; i++)
		batch(&d, &o, t);
	draft_clear(&d);
}

/* --- workers ------------------------------------------------------------------------------------------------ */

static void work(int worker, long cases, int out)
{
	struct tally t = {0};
	char *seed;

	assert_true(asprintf(&seed, "%s%d", getenv("BH_SEED") ? getenv("BH_SEED") : "1", worker) >
		    0);
	assert_int_equal(setenv("BH_SEED", seed, 1), 0);
	free(seed);
	(void)pol_rounds(0);
	kern = asks_up();
	numbers = bh_numbers_new();
	while (t.cases < cases && !t.differed)
		round_trip(&t);
	asks_down(kern);
	bh_numbers_free(numbers);
	assert_int_equal(write(out, &t, sizeof(t)), sizeof(t));
}

static bool collect(int in, struct tally *sum)
{
	struct tally t;

	if (read(in, &t, sizeof(t)) != sizeof(t))
		return false;
	sum->cases += t.cases;
	sum->differed += t.differed;
	sum->refused += t.refused;
	sum->passed += t.passed;
	for (int i = 0; i < MD_SET; i++)
		sum->by_reason[i] += t.by_reason[i];
	return true;
}

static void test_the_programs_say_what_the_model_says(void **state)
{
	const char *wanted = getenv("BH_CASES");
	long cases = (wanted ? atol(wanted) : CASES) / WORKERS;
	struct tally sum = {0};
	int kinds = 0, fd[2];

	(void)state;
	assert_int_equal(pipe(fd), 0);
	for (int i = 0; i < WORKERS; i++) {
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0) {
			work(i, cases, fd[1]);
			_exit(0);
		}
	}
	(void)close(fd[1]);
	for (int i = 0; i < WORKERS; i++) {
		int status;

		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
		assert_true(collect(fd[0], &sum));
	}
	(void)close(fd[0]);
	for (int i = 0; i < MD_SET; i++)
		kinds += sum.by_reason[i] >= 100;
	printf("# %ld cases, %ld passed, %d reasons, %ld maps were refused\n", sum.cases,
	       sum.passed, kinds, sum.refused);
	assert_int_equal(sum.differed, 0);
	assert_true(sum.cases >= cases * WORKERS);
	if (cases * WORKERS < CASES / 5)
		return;
	/* cases that all have one answer would show nothing */
	assert_true(sum.passed > sum.cases / 5 && sum.passed < sum.cases * 4 / 5);
	assert_true(kinds >= 35);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_programs_say_what_the_model_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
