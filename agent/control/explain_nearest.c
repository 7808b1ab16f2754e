/* SPDX-License-Identifier: Apache-2.0 */
/*
 * explain_nearest.c - nothing allowed it: which rule comes nearest, what keeps it from doing so,
 * and how a rule would read that does. Reads the map alone; nothing is decided here.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>
#include "../policy/diff_internal.h"
#include "explain.h"

/* How far away; what shares no end with the question is not near at all. */
enum { FAR_PORT = 1, FAR_DIRECTION = 3, FAR_END = 4, FAR_SERVICE = 5, FAR_AWAY = 100 };

/* So much of a list is shown. */
#define WORDS_SHOWN 6

/* --- does it fit ------------------------------------------------------------------------------ */

static bool sel_has(const struct bh_sel *sel, size_t seg)
{
	size_t lo = 0, n = sel->n_seg;

	while (lo < n) {
		size_t mid = lo + (n - lo) / 2;

		if (sel->seg[mid] == seg)
			return true;
		if (sel->seg[mid] < seg)
			lo = mid + 1;
		else
			n = mid;
	}
	return sel->any;
}

static bool proto_fits(const struct bh_port *p, const struct bh_ask *ask)
{
	bool icmp = ask->proto == IPPROTO_ICMP || ask->proto == IPPROTO_ICMPV6;

	if (!p->proto) /* `any` speaks of these; every other protocol has to be named */
		return icmp || bh_ask_has_port(ask);
	return p->proto == ask->proto || (p->both_icmp && icmp);
}

static bool port_fits(const struct bh_port *p, const struct bh_ask *ask)
{
	__u16 lo = p->lo;

	if (p->any_port)
		return true;
	if (!p->both_icmp)
		return lo <= ask->port && ask->port <= p->hi;
	if (ask->proto == IPPROTO_ICMPV6 ? !p->icmp_v6 : !p->icmp_v4)
		return false;
	if (ask->proto == IPPROTO_ICMPV6)
		lo = p->lo6;
	return p->any_code ? lo >> 8 == ask->port >> 8 : lo == ask->port;
}

/* The best of a rule's ports. A number means the same only where there are ports. */
static unsigned int ports_differ(const struct bh_ports *ports, const struct bh_ask *ask)
{
	unsigned int best = BH_DIFFERS_PORT | BH_DIFFERS_PROTO;

	for (size_t i = 0; best && i < ports->n; i++) {
		const struct bh_port *p = &ports->v[i];
		bool numbers = bh_ask_has_port(ask) &&
			       (!p->proto || bh_ask_has_port(&(struct bh_ask){.proto = p->proto}));

		if (proto_fits(p, ask))
			best = port_fits(p, ask) ? 0 : BH_DIFFERS_PORT;
		else if (numbers && port_fits(p, ask) && best != BH_DIFFERS_PORT)
			best = BH_DIFFERS_PROTO;
	}
	return best;
}

static unsigned int ends_differ(const struct bh_near_ask *q, const struct bh_rule_src *rule)
{
	bool from = sel_has(&rule->from, q->from), to = sel_has(&rule->to, q->to);

	if (from && to)
		return 0;
	if (sel_has(&rule->from, q->to) && sel_has(&rule->to, q->from))
		return BH_DIFFERS_DIRECTION;
	return (from ? 0 : BH_DIFFERS_FROM) | (to ? 0 : BH_DIFFERS_TO);
}

static unsigned int conditions_differ(const struct bh_near_ask *q, const struct bh_rule_src *rule)
{
	return (rule->until_s && rule->until_s <= q->now_s ? BH_DIFFERS_UNTIL : 0) |
	       (rule->jit ? BH_DIFFERS_JIT : 0) | (rule->require_posture ? BH_DIFFERS_POSTURE : 0);
}

/* One end is the same; if that is only because it is `any`, the port has to be, too. */
static bool shares_end(const struct bh_rule_src *rule, unsigned int differs)
{
	bool port = !(differs & (BH_DIFFERS_PORT | BH_DIFFERS_PROTO));

	if (!(differs & BH_DIFFERS_FROM))
		return !rule->from.any || port;
	return !(differs & BH_DIFFERS_TO) && (!rule->to.any || port);
}

static int how_far(const struct bh_rule_src *rule, unsigned int differs)
{
	int far = 0;

	if (differs & (BH_DIFFERS_FROM | BH_DIFFERS_TO)) {
		if (!shares_end(rule, differs))
			return FAR_AWAY;
		far += FAR_END;
	}
	if (differs & BH_DIFFERS_DIRECTION)
		far += FAR_DIRECTION;
	if ((differs & BH_DIFFERS_PORT) && (differs & BH_DIFFERS_PROTO))
		far += FAR_SERVICE;
	else if (differs & (BH_DIFFERS_PORT | BH_DIFFERS_PROTO))
		far += FAR_PORT;
	return far;
}

const struct bh_rule_src *bh_rule_nearest(const struct bh_near_ask *q, unsigned int *ret_differs)
{
	const struct bh_rule_src *best = NULL;
	int nearest = FAR_AWAY;

	for (size_t i = 0; i < q->map->n_rule; i++) {
		const struct bh_rule_src *rule = &q->map->rule[i];
		unsigned int differs;

		if (rule->kind != BH_RULE_ALLOW)
			continue;
		differs = ends_differ(q, rule) | ports_differ(&rule->port, q->ask) |
			  conditions_differ(q, rule);
		if (!differs || how_far(rule, differs) >= nearest)
			continue;
		nearest = how_far(rule, differs);
		best = rule;
		*ret_differs = differs;
	}
	return best;
}

/* --- in words --------------------------------------------------------------------------------- */

/* "tcp/80, tcp/443": one field of a rule. */
static char *field_text(const struct bh_object *o, const char *name)
{
	char *text = NULL;
	size_t bytes;
	FILE *f = open_memstream(&text, &bytes);

	if (!f)
		return NULL;
	for (size_t i = 0; i < o->n_fields; i++) {
		const struct bh_field *field = &o->field[i];

		if (strcmp(field->name, name) != 0)
			continue;
		for (size_t j = 0; j < field->n && j < WORDS_SHOWN; j++)
			fprintf(f, "%s%s", j ? ", " : "", field->word[j]);
		if (field->n > WORDS_SHOWN)
			fprintf(f, " and %zu more", field->n - WORDS_SHOWN);
	}
	if (fclose(f)) {
		free(text);
		return NULL;
	}
	return text;
}

_printf_(2, 3) static int say(json_t *list, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	return text && json_array_append_new(list, bh_json_text(text)) == 0 ? 0 : -ENOMEM;
}

static int say_all(json_t *list, const struct bh_object *o, unsigned int differs)
{
	_cleanup_free_ char *from = field_text(o, "from"), *to = field_text(o, "to");
	_cleanup_free_ char *port = field_text(o, "port"), *until = field_text(o, "until");
	int r = from && to && port && until ? 0 : -ENOMEM;

	if (r == 0 && differs & BH_DIFFERS_DIRECTION)
		r = say(list, "direction (%s to %s)", from, to);
	if (r == 0 && differs & BH_DIFFERS_FROM)
		r = say(list, "from (%s)", from);
	if (r == 0 && differs & BH_DIFFERS_TO)
		r = say(list, "to (%s)", to);
	if (r == 0 && differs & (BH_DIFFERS_PORT | BH_DIFFERS_PROTO))
		r = say(list, "%s (%s)", differs & BH_DIFFERS_PROTO ? "protocol" : "port", port);
	if (r == 0 && differs & BH_DIFFERS_UNTIL)
		r = say(list, "until (ended %s)", until);
	if (r == 0 && differs & BH_DIFFERS_JIT)
		r = say(list, "jit (nobody was granted it)");
	if (r == 0 && differs & BH_DIFFERS_POSTURE)
		r = say(list, "require (a posture that nobody measured)");
	return r;
}

json_t *bh_differs_json(const struct bh_map *map, const struct bh_rule_src *rule,
			unsigned int differs)
{
	json_auto_t *list = json_array();
	struct bh_object o;
	int r = bh_rule_fields(map, rule, &o);

	if (r == 0)
		r = list ? say_all(list, &o, differs) : -ENOMEM;
	bh_object_clear(&o);
	return r < 0 ? NULL : TAKE_PTR(list);
}

/* --- a rule that would allow it ----------------------------------------------------------------- */

static bool id_is_taken(const struct bh_map *map, const char *id)
{
	for (size_t i = 0; i < map->n_rule; i++)
		if (!strcmp(map->rule[i].id, id))
			return true;
	for (size_t i = 0; i < map->n_assertion; i++)
		if (!strcmp(map->assertion[i].id, id))
			return true;
	return false;
}

/* "web-cache-6380", or with a number behind if there is such a rule. */
static void make_id(const struct bh_near_ask *q, const char *port, char ret[64])
{
	const char *slash = strchr(port, '/');
	char base[56];

	snprintf(base, sizeof(base), "%.17s-%.17s-%.18s", q->map->segment[q->from].name,
		 q->map->segment[q->to].name, slash ? slash + 1 : port);
	snprintf(ret, 64, "%s", base);
	for (unsigned int i = 2; id_is_taken(q->map, ret); i++)
		snprintf(ret, 64, "%s-%u", base, i);
}

/* What YAML would take for something else stands in quotes. */
static const char *quoted(const char *name, char ret[72])
{
	char help[BH_HELP_MAX];
	bool odd = bh_yaml_surprise(name, help) || !strcasecmp(name, "true") ||
		   !strcasecmp(name, "false") || !strcasecmp(name, "null");

	snprintf(ret, 72, odd ? "\"%s\"" : "%s", name);
	return ret;
}

char *bh_rule_suggest(const struct bh_near_ask *q)
{
	char port[BH_PROTO_WORD], id[64], from[72], to[72], *text;

	bh_ask_word(q->ask, port);
	make_id(q, port, id);
	if (asprintf(&text, "- { id: %s, from: %s, to: %s, port: %s }", id,
		     quoted(q->map->segment[q->from].name, from),
		     quoted(q->map->segment[q->to].name, to), port) < 0)
		return NULL;
	return text;
}
