/* SPDX-License-Identifier: Apache-2.0 */
/*
 * diff_fields.c - the parts of a map as fields of words, in the words of the map. Everything
 * that changes what is enforced has to stand in a field. Called by diff.c.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include "../base/clock.h"
#include "cidr.h"
#include "diff_internal.h"
#include "port.h"

void bh_object_clear(struct bh_object *o)
{
	for (size_t i = 0; i < o->n_fields; i++) {
		for (size_t j = 0; j < o->field[i].n; j++)
			free(o->field[i].word[j]);
		free(o->field[i].word);
	}
	*o = (struct bh_object){0};
}

static struct bh_field *field(struct bh_object *o, const char *name)
{
	struct bh_field *f = &o->field[o->n_fields++];

	f->name = name;
	return f;
}

/* --- words ---------------------------------------------------------------------------------------- */

/* Takes @word, which is NULL without memory. */
static int take(struct bh_field *f, char *word)
{
	if (!word)
		return -ENOMEM;
	if (f->n == f->room) {
		size_t room = f->room ? f->room * 2 : 4;
		char **v = reallocarray(f->word, room, sizeof(*v));

		if (!v) {
			free(word);
			return -ENOMEM;
		}
		f->word = v;
		f->room = room;
	}
	f->word[f->n++] = word;
	return 0;
}

static int say(struct bh_field *f, const char *fmt, ...) _printf_(2, 3);
static int say(struct bh_field *f, const char *fmt, ...)
{
	char *word;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&word, fmt, ap);
	va_end(ap);
	return n < 0 ? -ENOMEM : take(f, word);
}

static int word_cmp(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void settle(struct bh_object *o)
{
	for (size_t i = 0; i < o->n_fields; i++) {
		struct bh_field *f = &o->field[i];
		size_t to = 0;

		if (f->n)
			qsort(f->word, f->n, sizeof(*f->word), word_cmp);
		for (size_t j = 0; j < f->n; j++) {
			if (to && !strcmp(f->word[to - 1], f->word[j]))
				free(f->word[j]);
			else
				f->word[to++] = f->word[j];
		}
		f->n = to;
	}
}

static int say_if(struct bh_field *f, const char *word)
{
	return word ? say(f, "%s", word) : 0;
}

static const char *tri_word(enum bh_tri tri)
{
	return tri == BH_UNSET ? NULL : tri == BH_ALLOW ? "allow" : "deny";
}

static const char *mode_word(enum bh_mode mode)
{
	return mode == BH_MODE_INHERIT ? NULL : mode == BH_MODE_OBSERVE ? "observe" : "enforce";
}

/* --- ports ---------------------------------------------------------------------------------------- */

static int port_say(struct bh_field *f, const struct bh_port *p)
{
	const char *word = p->proto == IPPROTO_TCP	 ? "tcp"
			   : p->proto == IPPROTO_UDP	 ? "udp"
			   : p->proto == IPPROTO_UDPLITE ? "udplite"
			   : p->both_icmp		 ? "icmp"
							 : NULL;
	const char *icmp = p->both_icmp && !p->any_port ? bh_icmp_word(p) : NULL;

	if (!p->proto)
		return say(f, "any");
	if (!word)
		return say(f, "proto/%u", p->proto);
	if (p->any_port)
		return say(f, "%s", word);
	if (icmp)
		return say(f, "icmp/%s", icmp);
	if (p->lo == p->hi)
		return say(f, "%s/%u", word, p->lo);
	return say(f, "%s/%u-%u", word, p->lo, p->hi);
}

static int ports_say(struct bh_field *f, const struct bh_ports *ports)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ports->n; i++)
		r = port_say(f, &ports->v[i]);
	return r;
}

/* --- who ------------------------------------------------------------------------------------------ */

static int cidr_say(struct bh_field *f, const char *before, const struct bh_cidr *cidr)
{
	char text[BH_CIDR_TEXT];

	return say(f, "%s%s", before, bh_cidr_text(cidr, text));
}

static int sel_say(const struct bh_map *map, struct bh_field *f, const struct bh_sel *sel)
{
	int r = sel->any ? say(f, "any") : 0;

	for (size_t i = 0; r == 0 && i < sel->n_seg; i++)
		r = say(f, "%s", map->segment[sel->seg[i]].name);
	for (size_t i = 0; r == 0 && i < sel->n_cidr; i++)
		r = cidr_say(f, "", &sel->cidr[i]);
	return r;
}

/* @n of @size bytes each, sorted in a copy. NULL without memory. */
static void *sorted(const void *v, size_t n, size_t size, int (*cmp)(const void *, const void *))
{
	void *copy = calloc(n + 1, size);

	if (!copy || !n)
		return copy;
	memcpy(copy, v, n * size);
	qsort(copy, n, size, cmp);
	return copy;
}

/* struct bh_word begins with its text. */
static int words_print(FILE *out, const char *key, const struct bh_words *words)
{
	_cleanup_free_ struct bh_word *v = sorted(words->v, words->n, sizeof(*v), word_cmp);

	for (size_t i = 0; v && i < words->n; i++)
		fprintf(out, "%s%s", i ? "|" : key, v[i].s);
	return v ? 0 : -ENOMEM;
}

static int cidr_cmp(const void *a, const void *b)
{
	return bh_cidr_cmp(a, b);
}

static int cidrs_print(FILE *out, const char *key, const struct bh_cidr *cidr, size_t n)
{
	_cleanup_free_ struct bh_cidr *v = sorted(cidr, n, sizeof(*v), cidr_cmp);
	char text[BH_CIDR_TEXT];

	for (size_t i = 0; v && i < n; i++)
		fprintf(out, "%s%s", i ? "|" : key, bh_cidr_text(&v[i], text));
	return v ? 0 : -ENOMEM;
}

static int match_print(FILE *out, const struct bh_match *m)
{
	int r = words_print(out, "unit ", &m->unit);

	if (r == 0)
		r = words_print(out, "cgroup ", &m->cgroup);
	if (r == 0)
		r = words_print(out, " user ", &m->user);
	if (r == 0)
		r = words_print(out, " group ", &m->group);
	if (r == 0)
		r = cidrs_print(out, "cidr ", m->cidr, m->n_cidr);
	return r < 0 ? r : cidrs_print(out, " except ", m->except, m->n_except);
}

/* A match whose keys have to hold together is one word. */
static int match_say_whole(struct bh_field *f, const struct bh_match *m)
{
	char *word = NULL;
	size_t len;
	FILE *out = open_memstream(&word, &len);
	int r;

	if (!out)
		return -ENOMEM;
	r = match_print(out, m);
	if (ferror(out))
		r = -ENOMEM;
	if (fclose(out) || r < 0) {
		free(word);
		return -ENOMEM;
	}
	return take(f, word);
}

static int match_say(struct bh_field *f, const struct bh_match *m)
{
	int r = 0;

	if (m->user.n || m->group.n || m->n_except)
		return match_say_whole(f, m);
	for (size_t i = 0; r == 0 && i < m->unit.n; i++)
		r = say(f, "unit %s", m->unit.v[i].s);
	for (size_t i = 0; r == 0 && i < m->cgroup.n; i++)
		r = say(f, "cgroup %s", m->cgroup.v[i].s);
	for (size_t i = 0; r == 0 && i < m->n_cidr; i++)
		r = cidr_say(f, "cidr ", &m->cidr[i]);
	return r;
}

/* --- objects -------------------------------------------------------------------------------------- */

int bh_map_fields(const struct bh_map *map, struct bh_object *ret)
{
	struct bh_field *revert;
	int r;

	*ret = (struct bh_object){.kind = "map"};
	r = say_if(field(ret, "name"), map->name);
	if (r == 0)
		r = say_if(field(ret, "mode"), mode_word(map->mode));
	if (r == 0)
		r = say_if(field(ret, "default ingress"), tri_word(map->def[BH_IN]));
	if (r == 0)
		r = say_if(field(ret, "default egress"), tri_word(map->def[BH_OUT]));
	if (r == 0)
		r = say_if(field(ret, "forward"), tri_word(map->forward));
	if (r == 0)
		r = say_if(field(ret, "l2"), tri_word(map->l2));
	revert = field(ret, "revert_on_denies");
	if (r == 0 && map->revert_on_denies)
		r = say(revert, "%u", map->revert_on_denies);
	settle(ret);
	return r;
}

static int labels_say(struct bh_field *f, const struct bh_segment *s)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < s->n_label; i++)
		r = say(f, "%s=%s", s->label[i].key, s->label[i].value);
	return r;
}

static int matches_say(struct bh_field *f, const struct bh_segment *s)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < s->n_match; i++)
		r = match_say(f, &s->match[i]);
	return r;
}

int bh_segment_fields(_unused_ const struct bh_map *map, const struct bh_segment *s,
		      struct bh_object *ret)
{
	int r;

	*ret = (struct bh_object){.kind = "segment", .name = s->name};
	r = matches_say(field(ret, "match"), s);
	if (r == 0)
		r = labels_say(field(ret, "labels"), s);
	if (r == 0)
		r = say_if(field(ret, "default ingress"), tri_word(s->def[BH_IN]));
	if (r == 0)
		r = say_if(field(ret, "default egress"), tri_word(s->def[BH_OUT]));
	if (r == 0)
		r = say_if(field(ret, "mode"), mode_word(s->mode));
	if (r == 0)
		r = ports_say(field(ret, "listen"), &s->listen);
	if (r == 0)
		r = say_if(field(ret, "raw"), s->raw ? "allow" : NULL);
	if (r == 0)
		r = say_if(field(ret, "dhcp"), s->dhcp ? "true" : NULL);
	if (r == 0)
		r = say_if(field(ret, "admin"), s->admin ? "true" : NULL);
	if (r == 0)
		r = say_if(field(ret, "data"), s->data);
	if (r == 0)
		r = say_if(field(ret, "description"), s->description);
	settle(ret);
	return r;
}

static int jit_say(struct bh_field *f, const struct bh_rule_src *rule)
{
	if (!rule->jit)
		return 0;
	if (!rule->jit_max_s)
		return say(f, "%s", rule->jit_reason ? "with a reason" : "true");
	return say(f, "at most %llu s%s", (unsigned long long)rule->jit_max_s,
		   rule->jit_reason ? " with a reason" : "");
}

static int until_say(struct bh_field *f, const struct bh_rule_src *rule)
{
	char text[BH_TIME_TEXT];

	if (!rule->until_s)
		return 0;
	/* seconds that do not fit in milliseconds are for ever, too */
	if (rule->until_s > INT64_MAX / 1000)
		return say(f, "%lld", (long long)rule->until_s);
	return say(f, "%s", bh_time_format(rule->until_s * 1000, text));
}

static int conditions_say(struct bh_object *o, const struct bh_rule_src *rule)
{
	struct bh_field *unit = field(o, "unit"), *require = field(o, "require");
	struct bh_field *jit = field(o, "jit"), *until = field(o, "until");
	int r = say_if(require, rule->require_posture ? "posture healthy" : NULL);

	for (size_t i = 0; r == 0 && i < rule->unit.n; i++)
		r = say(unit, "%s", rule->unit.v[i].s);
	if (r == 0)
		r = jit_say(jit, rule);
	if (r == 0)
		r = until_say(until, rule);
	return r;
}

int bh_rule_fields(const struct bh_map *map, const struct bh_rule_src *rule, struct bh_object *ret)
{
	static const char *const action[] = {
		[BH_RULE_ALLOW] = "allow", [BH_RULE_DENY] = "deny", [BH_RULE_FAILSAFE] = NULL};
	int r;

	*ret = (struct bh_object){
		.kind = rule->kind == BH_RULE_FAILSAFE ? "failsafe" : "rule",
		.name = rule->id,
	};
	r = say_if(field(ret, "action"), action[rule->kind]);
	if (r == 0)
		r = sel_say(map, field(ret, "from"), &rule->from);
	if (r == 0)
		r = sel_say(map, field(ret, "to"), &rule->to);
	if (r == 0)
		r = ports_say(field(ret, "port"), &rule->port);
	if (r == 0)
		r = conditions_say(ret, rule);
	if (r == 0)
		r = say_if(field(ret, "mode"), mode_word(rule->mode));
	if (r == 0)
		r = say_if(field(ret, "wide"), rule->wide ? "true" : NULL);
	if (r == 0)
		r = say_if(field(ret, "owner"), rule->owner);
	if (r == 0)
		r = say_if(field(ret, "description"), rule->description);
	settle(ret);
	return r;
}

int bh_assert_fields(const struct bh_map *map, const struct bh_assert *a, struct bh_object *ret)
{
	int r;

	*ret = (struct bh_object){.kind = "assert", .name = a->id};
	r = sel_say(map, field(ret, "from"), &a->from);
	if (r == 0)
		r = sel_say(map, field(ret, "to"), &a->to);
	if (r == 0)
		r = ports_say(field(ret, "port"), &a->port);
	if (r == 0)
		r = say_if(field(ret, "expect"), a->expect_allow ? "allow" : "deny");
	settle(ret);
	return r;
}
