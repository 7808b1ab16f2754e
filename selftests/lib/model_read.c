/* SPDX-License-Identifier: Apache-2.0 */
/* model_read.c - a segment map's text as struct md_map, see model.h. Words stay words. */
#include "model.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <libfyaml.h>

static char *text_of(struct fy_node *n)
{
	size_t len;
	const char *s = fy_node_get_scalar(n, &len);

	return s ? strndup(s, len) : NULL;
}

static struct fy_node *key(struct fy_node *n, const char *name)
{
	return n && fy_node_is_mapping(n) ? fy_node_mapping_lookup_by_string(n, name, FY_NT) : NULL;
}

static bool is(struct fy_node *n, const char *word)
{
	char *s = n ? text_of(n) : NULL;
	bool same = s && !strcmp(s, word);

	free(s);
	return same;
}

/* A word, or a list of them. */
static void words(struct fy_node *n, struct md_words *ret)
{
	struct fy_node *item;
	void *at = NULL;

	if (!n)
		return;
	if (!fy_node_is_sequence(n)) {
		ret->s[ret->n++] = text_of(n);
		return;
	}
	while ((item = fy_node_sequence_iterate(n, &at))) {
		assert(ret->n < MD_MAX);
		ret->s[ret->n++] = text_of(item);
	}
}

static void words_free(struct md_words *w)
{
	for (int i = 0; i < w->n; i++)
		free(w->s[i]);
}

static struct md_cidr cidr_of(const char *s)
{
	char addr[64] = {0};
	struct md_cidr c = {.addr = {.v4 = !strchr(s, ':')}};
	const char *slash = strchr(s, '/');

	memcpy(addr, s, slash ? (size_t)(slash - s) : strlen(s));
	if (c.addr.v4)
		assert(inet_pton(AF_INET, addr, c.addr.b + 12) == 1);
	else
		assert(inet_pton(AF_INET6, addr, c.addr.b) == 1);
	c.len = slash ? atoi(slash + 1) : c.addr.v4 ? 32 : 128;
	return c;
}

static void cidrs(struct fy_node *n, struct md_cidrs *ret)
{
	struct md_words w = {.n = 0};

	words(n, &w);
	for (int i = 0; i < w.n; i++)
		ret->c[ret->n++] = cidr_of(w.s[i]);
	words_free(&w);
}

static void labels(struct fy_node *n, struct md_words *ret)
{
	struct fy_node_pair *pair;
	void *at = NULL;

	while (n && (pair = fy_node_mapping_iterate(n, &at))) {
		char *k = text_of(fy_node_pair_key(pair)), *v = text_of(fy_node_pair_value(pair));

		assert(asprintf(&ret->s[ret->n++], "%s=%s", k, v) > 0);
		free(k);
		free(v);
	}
}

static int tri(struct fy_node *n)
{
	return is(n, "allow") ? 1 : is(n, "deny") ? 0 : -1;
}

static int64_t time_of(struct fy_node *n)
{
	struct tm tm = {0};
	char *s = n ? text_of(n) : NULL;

	if (!s)
		return 0;
	assert(strptime(s, "%Y-%m-%dT%H:%M:%SZ", &tm));
	free(s);
	return timegm(&tm);
}

/* --- segments --------------------------------------------------------------------------------------- */

static void match_read(struct fy_node *n, struct md_match *ret)
{
	words(key(n, "unit"), &ret->unit);
	words(key(n, "cgroup"), &ret->cgroup);
	words(key(n, "user"), &ret->user);
	words(key(n, "group"), &ret->group);
	cidrs(key(n, "cidr"), &ret->cidr);
	cidrs(key(n, "except"), &ret->except);
}

static void seg_read(struct fy_node *n, struct md_seg *s)
{
	struct fy_node *match = key(n, "match"), *item, *def = key(n, "default");
	void *at = NULL;

	if (match && fy_node_is_sequence(match))
		while ((item = fy_node_sequence_iterate(match, &at)))
			match_read(item, &s->match[s->n_match++]);
	else if (match)
		match_read(match, &s->match[s->n_match++]);
	labels(key(n, "labels"), &s->labels);
	words(key(n, "listen"), &s->listen);
	if (tri(key(def, "ingress")) >= 0)
		s->open[MD_IN] = tri(key(def, "ingress"));
	if (tri(key(def, "egress")) >= 0)
		s->open[MD_OUT] = tri(key(def, "egress"));
	if (key(n, "mode"))
		s->observe = is(key(n, "mode"), "observe");
}

static struct md_seg *seg_new(struct md_map *m, char *name)
{
	struct md_seg *s;

	for (int i = 0; i < m->n_seg; i++)
		if (!strcmp(m->seg[i].name, name)) {
			free(name);
			return &m->seg[i];
		}
	assert(m->n_seg < MD_MAX);
	s = &m->seg[m->n_seg++];
	*s = (struct md_seg){.name = name, .open = {-1, -1}, .observe = -1};
	return s;
}

/* --- rules ------------------------------------------------------------------------------------------ */

static void sel_read(struct fy_node *n, struct md_sel *ret)
{
	if (!n)
		return;
	if (fy_node_is_mapping(n)) {
		labels(key(n, "labels"), &ret->labels);
		cidrs(key(n, "cidr"), &ret->cidr);
		return;
	}
	words(n, &ret->names);
	for (int i = 0; i < ret->names.n; i++)
		ret->any = ret->any || !strcmp(ret->names.s[i], "any");
}

static void rules_read(struct fy_node *list, enum md_kind kind, struct md_map *m)
{
	struct fy_node *n;
	void *at = NULL;
	int i = 0;

	while (list && (n = fy_node_sequence_iterate(list, &at))) {
		struct md_rule *r = &m->rule[m->n_rule++];

		assert(m->n_rule <= MD_MAX);
		i++;
		r->kind = kind;
		r->id = key(n, "id") ? text_of(key(n, "id")) : NULL;
		if (!r->id)
			assert(asprintf(&r->id, "failsafe-%d", i) > 0);
		sel_read(key(n, "from"), &r->from);
		sel_read(key(n, "to"), &r->to);
		words(key(n, "port"), &r->port);
		words(key(n, "unit"), &r->unit);
		r->observe = is(key(n, "mode"), "observe");
		r->jit = key(n, "jit") != NULL;
		r->posture = key(n, "require") != NULL;
		r->until_s = time_of(key(n, "until"));
	}
}

/* --- all of it --------------------------------------------------------------------------------------- */

struct md_map *md_read(const char *text)
{
	struct fy_document *doc = fy_document_build_from_string(NULL, text, FY_NT);
	struct fy_node *root = fy_document_root(doc), *def = key(root, "default");
	struct md_map *m = calloc(1, sizeof(*m));
	struct fy_node_pair *pair;
	void *at = NULL;

	assert(doc && m);
	seg_new(m, strdup("world"));
	seg_new(m, strdup("unassigned"));
	seg_new(m, strdup("host"))->open[MD_OUT] = 1;
	while ((pair = fy_node_mapping_iterate(key(root, "segments"), &at)))
		seg_read(fy_node_pair_value(pair), seg_new(m, text_of(fy_node_pair_key(pair))));
	m->observe = is(key(root, "mode"), "observe");
	m->open[MD_IN] = tri(key(def, "ingress"));
	m->open[MD_OUT] = tri(key(def, "egress"));
	m->forward = tri(key(root, "forward"));
	m->l2 = tri(key(root, "l2"));
	rules_read(key(root, "allow"), MD_ALLOW, m);
	rules_read(key(root, "deny"), MD_DENY, m);
	rules_read(key(root, "failsafe"), MD_FAILSAFE, m);
	fy_document_destroy(doc);
	return m;
}

void md_free(struct md_map *m)
{
	if (!m)
		return;
	for (int i = 0; i < m->n_seg; i++) {
		struct md_seg *s = &m->seg[i];

		for (int j = 0; j < s->n_match; j++) {
			words_free(&s->match[j].unit);
			words_free(&s->match[j].cgroup);
			words_free(&s->match[j].user);
			words_free(&s->match[j].group);
		}
		words_free(&s->labels);
		words_free(&s->listen);
		free(s->name);
	}
	for (int i = 0; i < m->n_rule; i++) {
		struct md_rule *r = &m->rule[i];

		words_free(&r->from.names);
		words_free(&r->from.labels);
		words_free(&r->to.names);
		words_free(&r->to.labels);
		words_free(&r->port);
		words_free(&r->unit);
		free(r->id);
	}
	free(m);
}
