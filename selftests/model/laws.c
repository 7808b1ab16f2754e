/* SPDX-License-Identifier: Apache-2.0 */
/*
 * laws.c - what holds of any two maps that differ in one thing, whatever they say: one is live,
 * the other staged behind it, and bh_judge is asked the same of both. No model is needed, so
 * none can share a mistake.
 */
#include "modelask.h"

#include <string.h>
#include "policydraft.h"

#define MAPS	  40 /* of each law */
#define QUESTIONS 400

static struct bh_kern *kern;

/* A map and one made from it. False: nothing to change in this one. */
typedef bool (*change_fn)(const struct model_draft *d, struct model_draft *ret, int *ret_line);
/* What is against the law, NULL if nothing is. @line: the one that was changed */
typedef const char *(*law_fn)(const struct opinions *a, const struct opinions *b,
			      const struct question *q, const struct said *x, const struct said *y,
			      int line);

/* --- changes ------------------------------------------------------------------------------------------- */

static int line_of(const struct model_draft *d, char section)
{
	int n = 0, found = -1;

	for (int i = 0; i < d->n; i++)
		if (d->line[i].section == section && pol_one_in((__u32)++n))
			found = i;
	return found;
}

static bool without_a_deny(const struct model_draft *d, struct model_draft *ret, int *ret_line)
{
	int i = line_of(d, 'd');

	/* one on probation denies nothing */
	if (i < 0 || strstr(d->line[i].text, "mode: observe"))
		return false;
	*ret = draft_without(d, i);
	*ret_line = i;
	return true;
}

static bool without_a_rule(const struct model_draft *d, struct model_draft *ret, int *ret_line)
{
	int i = line_of(d, pol_one_in(2) ? 'a' : 'd');

	if (i < 0)
		return false;
	*ret = draft_without(d, i);
	*ret_line = i;
	return true;
}

/* "from: [a, b]" without one of the two. */
static bool without_a_member(const struct model_draft *d, struct model_draft *ret, int *ret_line)
{
	const char *key = pol_one_in(2) ? "from: [" : "to: [";
	int i = line_of(d, 'a');
	char *open, *comma, *close;

	if (i < 0 || !(open = strstr(d->line[i].text, key)))
		return false;
	comma = strchr(open, ',');
	close = strchr(open, ']');
	if (!comma || comma > close)
		return false;
	*ret = draft_without(d, -1);
	open = ret->line[i].text + (open - d->line[i].text) + strlen(key);
	comma = strchr(open, ',') + 2;
	memmove(open, comma, strlen(comma) + 1);
	*ret_line = i;
	return true;
}

static bool in_another_order(const struct model_draft *d, struct model_draft *ret, int *ret_line)
{
	*ret = draft_without(d, -1);
	*ret_line = -1;
	for (int i = ret->n - 1; i > 0; i--) {
		int j = (int)pol_roll((__u32)i + 1);
		struct draft_line t = ret->line[i];

		ret->line[i] = ret->line[j];
		ret->line[j] = t;
	}
	return true;
}

/* cidr: ["10.0.0.0/8"] as its two halves. */
static bool with_a_prefix_split(const struct model_draft *d, struct model_draft *ret, int *ret_line)
{
	static const struct {
		const char *whole, *halves;
	} split[] = {
		{"cidr: [\"10.0.0.0/8\"]", "cidr: [\"10.0.0.0/9\", \"10.128.0.0/9\"]"},
		{"cidr: [\"10.0.1.0/24\"]", "cidr: [\"10.0.1.0/25\", \"10.0.1.128/25\"]"},
		{"cidr: [\"192.168.0.0/16\"]", "cidr: [\"192.168.0.0/17\", \"192.168.128.0/17\"]"},
		{"cidr: [\"0.0.0.0/0\"]", "cidr: [\"0.0.0.0/1\", \"128.0.0.0/1\"]"},
		{"cidr: [\"::/0\"]", "cidr: [\"::/1\", \"8000::/1\"]"},
		{"cidr: [\"2001:db8::/64\"]",
		 "cidr: [\"2001:db8::/65\", \"2001:db8:0:0:8000::/65\"]"},
		{"cidr: [\"10.77.0.0/28\"]", "cidr: [\"10.77.0.0/29\", \"10.77.0.8/29\"]"},
	};
	const char *at = NULL;
	char *text;
	size_t s;
	int i;

	*ret_line = -1;
	for (i = 0; i < d->n; i++)
		for (s = 0; s < ARRAY_SIZE(split); s++) {
			if (d->line[i].section == 's' &&
			    (at = strstr(d->line[i].text, split[s].whole)))
				goto found;
		}
	return false;
found:
	*ret = draft_without(d, -1);
	assert_true(asprintf(&text, "%.*s%s%s", (int)(at - d->line[i].text), d->line[i].text,
			     split[s].halves, at + strlen(split[s].whole)) > 0);
	free(ret->line[i].text);
	ret->line[i].text = text;
	return true;
}

/* --- laws: @a, @x with the line as it was, @b, @y without or changed ------------------------------------- */

static const char *a_deny_adds_no_access(_unused_ const struct opinions *a,
					 _unused_ const struct opinions *b,
					 _unused_ const struct question *q, const struct said *x,
					 const struct said *y, _unused_ int line)
{
	return x->pass && !y->pass ? "with the deny it passes, without it does not" : NULL;
}

static const char *fewer_members_add_no_access(_unused_ const struct opinions *a,
					       _unused_ const struct opinions *b,
					       _unused_ const struct question *q,
					       const struct said *x, const struct said *y,
					       _unused_ int line)
{
	return !x->pass && y->pass ? "with fewer members it passes" : NULL;
}

static const char *nothing_changes(_unused_ const struct opinions *a,
				   _unused_ const struct opinions *b,
				   _unused_ const struct question *q, const struct said *x,
				   const struct said *y, _unused_ int line)
{
	if (x->pass != y->pass)
		return "the verdict changes";
	/* of several that are closed, any may be named */
	if (x->reason != y->reason &&
	    !(x->reason >= BH_R_RULE_EXPIRED && x->reason <= BH_R_POSTURE_UNKNOWN &&
	      y->reason >= BH_R_RULE_EXPIRED && y->reason <= BH_R_POSTURE_UNKNOWN))
		return "the reason changes";
	if (x->identity != y->identity || x->peer_identity != y->peer_identity)
		return "who it is changes";
	return NULL;
}

/* The rule of @line does not name the segment that was judged: by its text, and nobody's code. */
static bool is_named(const struct opinions *a, const struct question *q, const struct said *x,
		     const char *line)
{
	const char *key = q->dir == MD_OUT ? "from: " : "to: ", *at = strstr(line, key);
	char name[64], list[512];
	int len;

	at += strlen(key);
	if (*at == '{' || !strncmp(at, "any", 3))
		return true;
	len = (int)(strchr(at, ']') - at);
	snprintf(list, sizeof(list), "%.*s,", len, at + 1);
	for (char *c = list; *c; c++)
		if (*c == ']')
			*c = ',';
	for (int seg = 0; seg < a->model->n_seg; seg++) {
		if (a->identity[seg] != x->identity)
			continue;
		snprintf(name, sizeof(name), "%s,", a->model->seg[seg].name);
		at = strstr(list, name);
		return at && (at == list || at[-1] == ' ');
	}
	return true;
}

static const char *who_is_not_named_is_not_touched(const struct opinions *a,
						   const struct opinions *b,
						   const struct question *q, const struct said *x,
						   const struct said *y, int line)
{
	const char *text = a->text;

	/* the text of the line is what @b lacks */
	(void)line;
	(void)b;
	for (int i = 0; i < a->model->n_rule; i++) {
		const char *id = a->model->rule[i].id;
		char want[64];

		snprintf(want, sizeof(want), "{ id: %s,", id);
		if (strstr(b->text, want) || !strstr(text, want))
			continue;
		if (is_named(a, q, x, strstr(text, want)))
			return NULL;
		return nothing_changes(a, b, q, x, y, line);
	}
	return NULL;
}

/* --- one law ------------------------------------------------------------------------------------------------ */

static int hold(const struct opinions *a, const struct opinions *b, law_fn law, int line)
{
	__u64 gen;

	asks_commit(kern, a);
	gen = asks_stage(kern, b);
	for (int i = 0; i < QUESTIONS; i++) {
		struct question q;
		struct said x, y;
		struct md_answer answer;
		const char *wrong;

		do
			q = question_roll(a);
		while (q.what != ASK_JUDGE);
		x = judge_says_of(kern, a, &q, bh_kern_generation(kern));
		y = judge_says_of(kern, b, &q, gen);
		wrong = law(a, b, &q, &x, &y, line);
		if (!wrong)
			continue;
		answer = model_says(a, &q);
		printf("%s# and:\n%s# %s\n", a->text, b->text, wrong);
		question_print(a, &q, &answer, &x);
		answer = model_says(b, &q);
		question_print(b, &q, &answer, &y);
		return 1;
	}
	return 0;
}

static void law_holds(change_fn change, law_fn law)
{
	struct bh_instant now;
	int n = 0;

	asks_instant(&now);
	for (int tries = 0; n < MAPS; tries++) {
		struct model_draft d = draft_new(), other = {.n = 0};
		_cleanup_opinions_ struct opinions a = {0}, b = {0};
		int line, bad = 0;

		assert_true(tries < 100 * MAPS);
		if (change(&d, &other, &line) && opinions_of(&d, NULL, now, &a) == 0 &&
		    opinions_of(&other, a.pol.numbers, now, &b) == 0) {
			bad = hold(&a, &b, law, line);
			n++;
		}
		draft_clear(&d);
		draft_clear(&other);
		assert_int_equal(bad, 0);
	}
}

static void test_a_deny_adds_no_access(void **state)
{
	(void)state;
	law_holds(without_a_deny, a_deny_adds_no_access);
}

static void test_fewer_members_add_no_access(void **state)
{
	(void)state;
	law_holds(without_a_member, fewer_members_add_no_access);
}

static void test_order_changes_nothing(void **state)
{
	(void)state;
	law_holds(in_another_order, nothing_changes);
}

static void test_a_split_prefix_changes_nothing(void **state)
{
	(void)state;
	law_holds(with_a_prefix_split, nothing_changes);
}

static void test_who_is_not_named_is_not_touched(void **state)
{
	(void)state;
	law_holds(without_a_rule, who_is_not_named_is_not_touched);
}

/* --- run ------------------------------------------------------------------------------------------------------ */

static int up(void **state)
{
	(void)state;
	(void)pol_rounds(0);
	kern = asks_up();
	return 0;
}

static int down(void **state)
{
	(void)state;
	asks_down(kern);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_deny_adds_no_access),
		cmocka_unit_test(test_fewer_members_add_no_access),
		cmocka_unit_test(test_order_changes_nothing),
		cmocka_unit_test(test_a_split_prefix_changes_nothing),
		cmocka_unit_test(test_who_is_not_named_is_not_touched),
	};

	return cmocka_run_group_tests(tests, up, down);
}
