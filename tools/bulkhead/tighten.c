/* SPDX-License-Identifier: Apache-2.0 */
/* tighten.c - see tighten.h: rules without use, and their ports. */
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <string.h>
#include "text.h"
#include "tighten.h"

/* So many single ports and ranges are named; where more were used, it is one range. */
#define RUNS_MAX 8

void bh_tightened_clear(struct bh_tightened *t)
{
	for (size_t i = 0; i < t->n; i++) {
		free(t->v[i].edit.text);
		free(t->v[i].why);
		json_decref(t->v[i].row);
	}
	free(t->v);
	json_decref(t->notes);
	*t = (struct bh_tightened){};
}

/* --- what is said --------------------------------------------------------------------------------- */

void bh_tighten_words_clear(struct bh_tighten_words *w)
{
	for (size_t i = 0; i < w->n; i++)
		free(w->v[i]);
	free(w->v);
}

static int take_word(struct bh_tighten_words *w, char *s)
{
	char **more = s ? reallocarray(w->v, w->n + 1, sizeof(*more)) : NULL;

	if (!more) {
		free(s);
		return -ENOMEM;
	}
	w->v = more;
	w->v[w->n++] = s;
	return 0;
}

int bh_tighten_say(struct bh_tighten_words *w, const char *fmt, ...)
{
	char *s = NULL;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&s, fmt, args) < 0)
		s = NULL;
	va_end(args);
	return take_word(w, s);
}

int bh_tighten_quote(struct bh_tighten_words *w, const struct bh_map *map, struct bh_pos pos)
{
	size_t from, to;

	/* bh_edit_list() will say so */
	if (!bh_edit_span(map, pos, &from, &to))
		return take_word(w, strdup("?"));
	return take_word(w, strndup(map->text + from, to - from));
}

int bh_tighten_note(struct bh_tightened *t, const char *fmt, ...)
{
	char *s = NULL;
	va_list args;
	int r;

	va_start(args, fmt);
	r = vasprintf(&s, fmt, args);
	va_end(args);
	if (r < 0)
		return -ENOMEM;
	r = json_array_append_new(t->notes, json_string(s));
	free(s);
	return r < 0 ? -ENOMEM : 0;
}

bool bh_tighten_old(const struct bh_tighten_ask *ask, const struct bh_age *age)
{
	return age->generation && age->at_s && age->at_s <= ask->cut_s;
}

int bh_tighten_add(struct bh_tightened *t, const struct bh_tighten_ask *ask, const char *rule,
		   const char *segment, int line, const char *what, struct bh_edit *edit,
		   const char *evidence)
{
	struct bh_proposal *more = reallocarray(t->v, t->n + 1, sizeof(*more)), p = {};
	const struct bh_map *map = ask->map;
	size_t len = edit->to - edit->from;

	if (!more)
		return -ENOMEM;
	t->v = more;
	if (len && map->text[edit->from + len - 1] == '\n')
		len--;
	p.edit = *edit;
	p.removes = !*edit->text;
	p.row = json_pack("{s:s? s:s? s:i s:s s:s% s:s? s:s}", "rule", rule, "segment", segment,
			  "line", line, "what", what, "was", map->text + edit->from, len,
			  "would_be", *edit->text ? edit->text : NULL, "evidence", evidence);
	if (asprintf(&p.why, "%s %s: %s", rule ? "rule" : "segment", rule ? rule : segment,
		     evidence) < 0)
		p.why = NULL;
	p.edit.why = p.why;
	*edit = (struct bh_edit){};
	t->v[t->n++] = p;
	return p.row && p.why ? 0 : -ENOMEM;
}

static bool has_port(__u8 proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_UDPLITE;
}

/* Only TCP and UDP have sessions; of other protocols what is allowed is counted, and not told. */
static bool is_told(const struct bh_port *p)
{
	return p->proto && !p->both_icmp && has_port(p->proto);
}

bool bh_tighten_unseen(const struct bh_rule_src *rule)
{
	for (size_t i = 0; i < rule->port.n; i++)
		if (!is_told(&rule->port.v[i]))
			return true;
	return !rule->port.n;
}

/* --- rules without use ------------------------------------------------------------------------------ */

static int remove_rule(const struct bh_tighten_ask *ask, struct bh_tightened *t,
		       const struct bh_rule_src *rule, const struct bh_used *used)
{
	uint64_t packets = bh_json_u64(ask->packets, rule->id);
	struct bh_edit edit = {};
	char evidence[160];
	int r;

	if (packets && (!used || bh_tighten_unseen(rule)))
		return bh_tighten_note(t,
				       "rule %s, line %d, has decided %llu packets of which the "
				       "history can't tell when: it stays",
				       rule->id, rule->pos.line, (unsigned long long)packets);
	if (!bh_edit_item(ask->map, rule->pos, &edit.from, &edit.to))
		return bh_tighten_note(t,
				       "rule %s, line %d, was not used since %s, and is written in "
				       "a way that a diff by line can't remove: do it by hand",
				       rule->id, rule->pos.line, ask->since);
	if (used)
		(void)snprintf(evidence, sizeof(evidence),
			       "not used since %s; the last time was %s", ask->since, used->last);
	else
		(void)snprintf(evidence, sizeof(evidence), "never used, in what is known since %s",
			       ask->since);
	edit.text = strdup("");
	r = edit.text ? bh_tighten_add(t, ask, rule->id, NULL, rule->pos.line, "remove", &edit,
				       evidence)
		      : -ENOMEM;
	free(edit.text);
	return r;
}

/* --- ports that are wider than their use -------------------------------------------------------------- */

struct asked {
	__u8 proto;
	__u16 port;
};

struct asks {
	struct asked *v;
	size_t n;
};

static int by_port(const void *a, const void *b)
{
	const struct asked *x = a, *y = b;

	if (x->proto != y->proto)
		return x->proto < y->proto ? -1 : 1;
	return (x->port > y->port) - (x->port < y->port);
}

/* Ports of which @used tells since then; each once. */
static int asks_of(const struct bh_tighten_ask *ask, const struct bh_used *used, struct asks *ret)
{
	const json_t *row;
	size_t i, to = 0;

	ret->v = calloc(json_array_size(used->rows) + 1, sizeof(*ret->v));
	if (!ret->v)
		return -ENOMEM;
	json_array_foreach(used->rows, i, row)
	{
		__u8 proto = (__u8)bh_json_u64(row, "protocol");
		int64_t last_s = 0;

		(void)bh_time_parse(bh_json_str(row, "last"), &last_s);
		if (last_s >= ask->cut_s && has_port(proto))
			ret->v[ret->n++] = (struct asked){proto, (__u16)bh_json_u64(row, "port")};
	}
	if (ret->n)
		qsort(ret->v, ret->n, sizeof(*ret->v), by_port);
	for (i = 0; i < ret->n; i++)
		if (!to || by_port(&ret->v[to - 1], &ret->v[i]) != 0)
			ret->v[to++] = ret->v[i];
	ret->n = to;
	return 0;
}

static bool is_any(const struct bh_port *p)
{
	return !p->proto && !p->both_icmp;
}

static bool covers(const struct bh_port *p, const struct asked *a)
{
	if (is_any(p))
		return true;
	return p->proto == a->proto && is_told(p) &&
	       (p->any_port || (a->port >= p->lo && a->port <= p->hi));
}

static const char *proto_word(__u8 proto)
{
	return proto == IPPROTO_TCP ? "tcp" : proto == IPPROTO_UDP ? "udp" : "udplite";
}

static int say_run(struct bh_tighten_words *w, __u8 proto, unsigned int lo, unsigned int hi)
{
	return lo == hi ? bh_tighten_say(w, "%s/%u", proto_word(proto), lo)
			: bh_tighten_say(w, "%s/%u-%u", proto_word(proto), lo, hi);
}

/* Ports [from, to) of one protocol: as runs, or as one where they are too many. */
static int say_runs(struct bh_tighten_words *w, const struct asked *v, size_t from, size_t to)
{
	size_t runs = 1, begin = from;
	int r = 0;

	for (size_t i = from + 1; i < to; i++)
		runs += v[i].port != v[i - 1].port + 1;
	if (runs > RUNS_MAX)
		return say_run(w, v[from].proto, v[from].port, v[to - 1].port);
	for (size_t i = from + 1; r == 0 && i <= to; i++)
		if (i == to || v[i].port != v[i - 1].port + 1) {
			r = say_run(w, v[begin].proto, v[begin].port, v[i - 1].port);
			begin = i;
		}
	return r;
}

static int say_used(struct bh_tighten_words *w, const struct bh_port *p, const struct asks *a)
{
	int r = 0;

	for (size_t i = 0, k; r == 0 && i < a->n; i = k) {
		size_t from = i, to = i;

		for (k = i; k < a->n && a->v[k].proto == a->v[i].proto; k++)
			if (covers(p, &a->v[k])) {
				from = to == i && !covers(p, &a->v[i]) ? k : from;
				to = k + 1;
			}
		if (to > from)
			r = say_runs(w, a->v, from, to);
	}
	/* `any` is also of what is not told */
	return r || !is_any(p) ? r : bh_tighten_say(w, "icmp");
}

/* Does an element allow exactly what it is used for? */
static bool is_tight(const struct bh_port *p, size_t n_used)
{
	if (!is_told(p))
		return !is_any(p);
	return (p->any_port ? 65536u : (unsigned int)p->hi - p->lo + 1) == n_used;
}

static size_t count_used(const struct bh_port *p, const struct asks *a)
{
	size_t n = 0;

	for (size_t i = 0; i < a->n; i++)
		n += covers(p, &a->v[i]);
	return n;
}

static int narrow_words(const struct bh_tighten_ask *ask, const struct bh_rule_src *rule,
			const struct asks *a, struct bh_tighten_words *w, bool *ret_any)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < rule->port.n; i++) {
		const struct bh_port *p = &rule->port.v[i];
		size_t used = count_used(p, a);

		*ret_any |= !is_tight(p, used);
		if (used || is_tight(p, used))
			r = is_tight(p, used) ? bh_tighten_quote(w, ask->map, p->pos)
					      : say_used(w, p, a);
	}
	return r;
}

static int edit_ports(const struct bh_tighten_ask *ask, const struct bh_rule_src *rule,
		      const struct bh_tighten_words *w, struct bh_edit *ret)
{
	_cleanup_free_ struct bh_pos *pos = calloc(rule->port.n + 1, sizeof(*pos));

	for (size_t i = 0; pos && i < rule->port.n; i++)
		pos[i] = rule->port.v[i].pos;
	return pos ? bh_edit_list(ask->map, pos, rule->port.n, (const char *const *)w->v, w->n, ret)
		   : -ENOMEM;
}

static int narrow_ports(const struct bh_tighten_ask *ask, struct bh_tightened *t,
			const struct bh_rule_src *rule, const struct asks *a)
{
	_cleanup_(bh_tighten_words_clear) struct bh_tighten_words w = {};
	struct bh_edit edit = {};
	bool any = false;
	char evidence[160];
	int r = narrow_words(ask, rule, a, &w, &any);

	if (r < 0 || !any || !a->n)
		return r;
	(void)snprintf(evidence, sizeof(evidence), "used for %zu %s since %s, and for no other%s",
		       a->n, a->n == 1 ? "port" : "ports", ask->since,
		       bh_tighten_unseen(rule) ? " of TCP and UDP; the rest is not told" : "");
	r = edit_ports(ask, rule, &w, &edit);
	if (r == -EOPNOTSUPP)
		return bh_tighten_note(t,
				       "rule %s, line %d, allows more ports than it was used for, "
				       "and its list can't be changed by a diff: do it by hand",
				       rule->id, rule->pos.line);
	/* so many runs became one, which is what it was */
	if (r == 0 && strlen(edit.text) == edit.to - edit.from &&
	    !memcmp(edit.text, ask->map->text + edit.from, edit.to - edit.from)) {
		free(edit.text);
		return 0;
	}
	if (r == 0)
		r = bh_tighten_add(t, ask, rule->id, NULL, rule->pos.line, "narrow_ports", &edit,
				   evidence);
	free(edit.text);
	return r;
}

/* --- all ------------------------------------------------------------------------------------------ */

static int judge_rule(const struct bh_tighten_ask *ask, struct bh_tightened *t, size_t i)
{
	const struct bh_rule_src *rule = &ask->map->rule[i];
	const struct bh_used *used = bh_usage_of(ask->usage, rule->id);
	struct asks a = {};
	int r;

	/* what is opened for a while only is meant to be without use */
	if (rule->kind != BH_RULE_ALLOW || rule->jit)
		return 0;
	if (!bh_tighten_old(ask, &ask->ages->rule[i])) {
		t->young++;
		return 0;
	}
	if (!used || used->last_s < ask->cut_s)
		return remove_rule(ask, t, rule, used);
	r = asks_of(ask, used, &a);
	if (r == 0)
		r = narrow_ports(ask, t, rule, &a);
	free(a.v);
	return r;
}

int bh_tighten_make(const struct bh_tighten_ask *ask, struct bh_tightened *ret)
{
	_cleanup_tightened_ struct bh_tightened t = {.notes = json_array()};
	int r = t.notes ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < ask->map->n_rule; i++)
		r = judge_rule(ask, &t, i);
	if (r == 0)
		r = bh_tighten_addrs(ask, &t);
	if (r == 0) {
		*ret = t;
		t = (struct bh_tightened){};
	}
	return r;
}
