/* SPDX-License-Identifier: Apache-2.0 */
/*
 * numbers.c - identity numbers by segment name, rule numbers by rule id, and their text form.
 * Called by the compiler (hand out), the agent (keep) and everybody who prints a name.
 */
#include <errno.h>
#include <search.h>
#include <string.h>
#include "numbers.h"

#define NAME_MAX_BYTES 512
#define REUSE_AFTER    2 /* generations: the live one and its fallback */

struct number {
	__u32 number;
	__u32 turn; /* of the last generation that asked for it */
	char name[];
};

struct spare {
	__u32 number, turn;
};

/* Two of these: segments and rules. */
struct space {
	const char *word;
	__u32 first, end;	   /* first <= number < end */
	__u32 next;		   /* every number from here on is new */
	struct number **by_number; /* [number]; owns them */
	size_t n_slots;
	void *by_name;	     /* tsearch tree of number.name */
	struct spare *spare; /* NULL: not looked for in this turn */
	size_t n_spare, at_spare;
};

struct bh_numbers {
	struct space segments, rules;
	__u32 turn;
};

static const char *const reserved[] = {
	[BH_ID_WORLD] = "world",
	[BH_ID_UNASSIGNED] = "unassigned",
	[BH_ID_HOST] = "host",
};

/* --- life ---------------------------------------------------------------------------------- */

struct bh_numbers *bh_numbers_new(void)
{
	struct bh_numbers *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->segments = (struct space){
		.word = "segment", .first = BH_ID_FIRST, .next = BH_ID_FIRST, .end = BH_ID_MAX + 1};
	n->rules = (struct space){
		.word = "rule", .first = 1, .next = 1, .end = bh_limits_default.rules};
	return n;
}

static void keep(_unused_ void *name)
{
}

static void space_clear(struct space *s)
{
	tdestroy(s->by_name, keep);
	for (size_t i = 0; i < s->n_slots; i++)
		free(s->by_number[i]);
	free(s->by_number);
	free(s->spare);
}

void bh_numbers_free(struct bh_numbers *n)
{
	if (!n)
		return;
	space_clear(&n->segments);
	space_clear(&n->rules);
	free(n);
}

/* --- one space ----------------------------------------------------------------------------- */

static int name_cmp(const void *a, const void *b)
{
	return strcmp(a, b);
}

static struct number *space_find(const struct space *s, const char *name)
{
	char *const *found = tfind(name, &s->by_name, name_cmp);

	return found ? (struct number *)(*found - offsetof(struct number, name)) : NULL;
}

static int slots_reach(struct space *s, __u32 number)
{
	size_t n = s->n_slots ? s->n_slots : 64;
	struct number **slots;

	if (number < s->n_slots)
		return 0;
	while (n <= number)
		n *= 2;
	slots = reallocarray(s->by_number, n, sizeof(struct number *));
	if (!slots)
		return -ENOMEM;
	memset(slots + s->n_slots, 0, (n - s->n_slots) * sizeof(struct number *));
	s->by_number = slots;
	s->n_slots = n;
	return 0;
}

static void space_forget(struct space *s, __u32 number)
{
	struct number *old = number < s->n_slots ? s->by_number[number] : NULL;

	if (!old)
		return;
	tdelete(old->name, &s->by_name, name_cmp);
	s->by_number[number] = NULL;
	free(old);
}

/* The caller has made sure that neither the name nor the number is there. */
static int space_put(struct space *s, const char *name, __u32 number, __u32 turn)
{
	size_t len = strlen(name);
	_cleanup_free_ struct number *e = malloc(sizeof(*e) + len + 1);
	int r = e ? slots_reach(s, number) : -ENOMEM;

	if (r < 0)
		return r;
	e->number = number;
	e->turn = turn;
	memcpy(e->name, name, len + 1);
	if (!tsearch(e->name, &s->by_name, name_cmp))
		return -ENOMEM;
	s->by_number[number] = TAKE_PTR(e);
	s->next = MAX(s->next, number + 1);
	return 0;
}

/* --- giving out ---------------------------------------------------------------------------- */

static int spare_cmp(const void *a, const void *b)
{
	const struct spare *x = a, *y = b;

	if (x->turn != y->turn)
		return x->turn < y->turn ? -1 : 1;
	return (x->number > y->number) - (x->number < y->number);
}

/* Every number of the space was used once: which may be used again, longest idle first. */
static int space_sweep(struct space *s, __u32 turn)
{
	struct spare *spare = calloc(s->end, sizeof(*spare));

	if (!spare)
		return -ENOMEM;
	s->spare = spare;
	for (__u32 i = s->first; i < s->end; i++) {
		const struct number *e = i < s->n_slots ? s->by_number[i] : NULL;

		if (!e)
			spare[s->n_spare++] = (struct spare){.number = i};
		else if (e->turn + REUSE_AFTER <= turn)
			spare[s->n_spare++] = (struct spare){.number = i, .turn = e->turn};
	}
	qsort(spare, s->n_spare, sizeof(*spare), spare_cmp);
	return 0;
}

static int space_reuse(struct space *s, __u32 turn, __u32 *ret)
{
	if (!s->spare) {
		int r = space_sweep(s, turn);

		if (r < 0)
			return r;
	}
	while (s->at_spare < s->n_spare) {
		__u32 number = s->spare[s->at_spare++].number;
		const struct number *e = number < s->n_slots ? s->by_number[number] : NULL;

		/* asked for since the sweep */
		if (e && e->turn == turn)
			continue;
		space_forget(s, number);
		*ret = number;
		return 0;
	}
	return -ENOSPC;
}

/* One word of printable bytes: what the text form can hold. */
static bool name_is_fit(const char *name)
{
	size_t n = 0;

	for (; name[n]; n++)
		if ((unsigned char)name[n] <= ' ' || name[n] == 0x7f || n == NAME_MAX_BYTES)
			return false;
	return n > 0;
}

static int space_number(struct space *s, const char *name, __u32 turn, __u32 *ret)
{
	struct number *e = space_find(s, name);
	__u32 number = s->next;
	int r;

	if (e && e->number < s->end) {
		e->turn = turn;
		*ret = e->number;
		return 0;
	}
	if (!name_is_fit(name))
		return -EINVAL;
	/* The space became smaller: what lies behind its end is as good as forgotten. */
	if (e)
		space_forget(s, e->number);
	if (number >= s->end) {
		r = space_reuse(s, turn, &number);
		if (r < 0)
			return r;
	}
	r = space_put(s, name, number, turn);
	if (r < 0)
		return r;
	*ret = number;
	return 0;
}

void bh_numbers_begin(struct bh_numbers *n, __u32 max_rules)
{
	struct space *both[] = {&n->segments, &n->rules};

	n->turn++;
	n->rules.end = MIN(MAX(max_rules, 1u), BH_RULE_NUMBER_END);
	for (size_t i = 0; i < ARRAY_SIZE(both); i++) {
		free(both[i]->spare);
		both[i]->spare = NULL;
		both[i]->n_spare = both[i]->at_spare = 0;
	}
}

int bh_numbers_segment(struct bh_numbers *n, const char *name, __u32 *ret)
{
	for (__u32 i = BH_ID_WORLD; i < ARRAY_SIZE(reserved); i++)
		if (!strcmp(name, reserved[i])) {
			*ret = i;
			return 0;
		}
	return space_number(&n->segments, name, n->turn, ret);
}

int bh_numbers_rule(struct bh_numbers *n, const char *id, __u32 *ret)
{
	return space_number(&n->rules, id, n->turn, ret);
}

static const char *space_name(const struct space *s, __u32 number)
{
	return number < s->n_slots && s->by_number[number] ? s->by_number[number]->name : NULL;
}

const char *bh_numbers_segment_name(const struct bh_numbers *n, __u32 number)
{
	if (number >= BH_ID_WORLD && number < ARRAY_SIZE(reserved))
		return reserved[number];
	return space_name(&n->segments, number);
}

const char *bh_numbers_rule_name(const struct bh_numbers *n, __u32 number)
{
	return space_name(&n->rules, number);
}

static int space_copy(const struct space *from, struct space *to)
{
	for (size_t i = 0; i < from->n_slots; i++) {
		const struct number *e = from->by_number[i];
		int r = e ? space_put(to, e->name, e->number, e->turn) : 0;

		if (r < 0)
			return r;
	}
	to->next = from->next;
	to->end = from->end;
	return 0;
}

struct bh_numbers *bh_numbers_copy(const struct bh_numbers *n)
{
	_cleanup_(bh_numbers_freep) struct bh_numbers *copy = bh_numbers_new();

	if (!copy || space_copy(&n->segments, &copy->segments) < 0 ||
	    space_copy(&n->rules, &copy->rules) < 0)
		return NULL;
	copy->turn = n->turn;
	return TAKE_PTR(copy);
}

/* --- text ---------------------------------------------------------------------------------- */

static void space_print(const struct space *s, FILE *out)
{
	for (size_t i = 0; i < s->n_slots; i++)
		if (s->by_number[i])
			fprintf(out, "%s %zu %s\n", s->word, i, s->by_number[i]->name);
}

int bh_numbers_save(const struct bh_numbers *n, char **ret, size_t *ret_len)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	bool failed;

	if (!out)
		return -ENOMEM;
	space_print(&n->segments, out);
	space_print(&n->rules, out);
	failed = ferror(out);
	if (fclose(out) || failed)
		return -ENOMEM;
	*ret = TAKE_PTR(text);
	*ret_len = len;
	return 0;
}

/* Digits without a leading zero, below @end. */
static int number_parse(const char *s, __u32 end, __u32 *ret)
{
	__u64 v = 0;

	if (*s == '0' || !*s)
		return -EINVAL;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return -EINVAL;
		v = v * 10 + (__u64)(*s - '0');
		if (v >= end)
			return -EINVAL;
	}
	*ret = (__u32)v;
	return 0;
}

/* @line: "WORD NUMBER NAME", cut at its end. Numbers ascend, so that none is there twice. */
static int line_load(struct bh_numbers *n, char *line, __u32 *above)
{
	char *number_text = strchr(line, ' '), *name;
	struct space *s;
	__u32 number, end;

	if (!number_text)
		return -EINVAL;
	*number_text++ = '\0';
	name = strchr(number_text, ' ');
	if (!name)
		return -EINVAL;
	*name++ = '\0';
	if (!strcmp(line, n->segments.word) && !n->rules.by_name)
		s = &n->segments;
	else if (!strcmp(line, n->rules.word))
		s = &n->rules;
	else
		return -EINVAL;
	end = s == &n->rules ? BH_RULE_NUMBER_END : s->end;
	if (number_parse(number_text, end, &number) < 0 || number < s->first)
		return -EINVAL;
	if (s->by_name && number <= *above)
		return -EINVAL;
	*above = number;
	if (!name_is_fit(name) || space_find(s, name))
		return -EINVAL;
	for (size_t i = BH_ID_WORLD; s == &n->segments && i < ARRAY_SIZE(reserved); i++)
		if (!strcmp(name, reserved[i]))
			return -EINVAL;
	return space_put(s, name, number, 0);
}

int bh_numbers_load(const char *text, size_t len, struct bh_numbers **ret)
{
	_cleanup_(bh_numbers_freep) struct bh_numbers *n = bh_numbers_new();
	_cleanup_free_ char *copy = malloc(len + 1);
	__u32 above = 0;

	if (!n || !copy)
		return -ENOMEM;
	if (len)
		memcpy(copy, text, len);
	copy[len] = '\0';
	if (memchr(copy, '\0', len) || (len && copy[len - 1] != '\n'))
		return -EINVAL;
	for (char *line = copy, *end; *line; line = end + 1) {
		int r;

		end = strchr(line, '\n');
		*end = '\0';
		r = line_load(n, line, &above);
		if (r < 0)
			return r;
	}
	*ret = TAKE_PTR(n);
	return 0;
}
