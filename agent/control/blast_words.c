/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blast_words.c - spans of ports as people write them: "any", "tcp", "tcp/6379", "udp/5000-5010",
 * "icmp/echo-request". See blast.h.
 */
#include <netinet/in.h>
#include <string.h>
#include "blast.h"

#define TEXT_MAX 64

static bool is_icmp(const struct bh_blast_span *s)
{
	return s->proto == IPPROTO_ICMP || s->proto == IPPROTO_ICMPV6;
}

static bool is_whole(const struct bh_blast_span *s)
{
	return s->lo == (is_icmp(s) ? 0 : 1) && s->hi == 0xffff;
}

static bool says_same(const struct bh_blast_span *a, const struct bh_blast_span *b)
{
	return a->verdict == b->verdict && !memcmp(a->half, b->half, sizeof(a->half));
}

/* A span of all ports of @proto that says the same as @s. */
static bool has_whole(const struct bh_blast_spans *spans, __u8 proto, const struct bh_blast_span *s)
{
	for (size_t i = 0; i < spans->n; i++)
		if (spans->v[i].proto == proto && is_whole(&spans->v[i]) &&
		    says_same(&spans->v[i], s))
			return true;
	return false;
}

/* All that `port: any` speaks of. */
static bool is_any(const struct bh_blast_spans *spans, const struct bh_blast_span *s)
{
	if (s->proto && !is_whole(s))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(bh_blast_protos); i++)
		if (!has_whole(spans, bh_blast_protos[i], s))
			return false;
	return true;
}

static void icmp_text(const struct bh_blast_span *s, char ret[TEXT_MAX])
{
	const char *family = s->proto == IPPROTO_ICMP ? "icmp" : "icmp6";
	char word[BH_PROTO_WORD];

	if (s->lo == s->hi ||
	    (s->lo >> 8 == s->hi >> 8 && !(s->lo & 0xff) && (s->hi & 0xff) == 0xff)) {
		(void)bh_proto_word(s->proto, s->lo, word);
		/* one that has a name has it in both families */
		if (!strncmp(word, "icmp/", 5)) {
			(void)snprintf(ret, TEXT_MAX, "%s", word);
			return;
		}
	}
	(void)snprintf(ret, TEXT_MAX, "%s type %u code %u to type %u code %u", family, s->lo >> 8,
		       s->lo & 0xff, s->hi >> 8, s->hi & 0xff);
}

static void span_text(const struct bh_blast_spans *spans, const struct bh_blast_span *s,
		      char ret[TEXT_MAX])
{
	char word[BH_PROTO_WORD];

	(void)bh_proto_word(s->proto, 0, word);
	if (s->others)
		(void)snprintf(ret, TEXT_MAX, "proto/*");
	else if (is_any(spans, s))
		(void)snprintf(ret, TEXT_MAX, "any");
	else if (is_icmp(s) && is_whole(s))
		(void)snprintf(ret, TEXT_MAX, "%s",
			       has_whole(spans, IPPROTO_ICMP, s) &&
					       has_whole(spans, IPPROTO_ICMPV6, s)
				       ? "icmp"
			       : s->proto == IPPROTO_ICMP ? "icmp (IPv4)"
							  : "icmp (IPv6)");
	else if (is_icmp(s))
		icmp_text(s, ret);
	else if (is_whole(s) || !strncmp(word, "proto/", 6))
		(void)snprintf(ret, TEXT_MAX, "%s", word);
	else if (s->lo == s->hi)
		(void)snprintf(ret, TEXT_MAX, "%s/%u", word, s->lo);
	else
		(void)snprintf(ret, TEXT_MAX, "%s/%u-%u", word, s->lo, s->hi);
}

static json_t *half_json(const struct bh_blast *b, const struct bh_blast_half *half)
{
	const struct bh_compiled *c = b->a->live.compiled;
	const struct bh_rule_info *info = half->rule ? bh_compiled_rule(c, half->rule) : NULL;

	if (!half->reason)
		return json_null();
	return json_pack("{s:s s:o s:i}", "reason", bh_reason_name(half->reason), "rule",
			 bh_json_text(half->rule ? bh_agent_rule_name(b->a, half->rule) : NULL),
			 "line", info ? info->line : 0);
}

/* An ICMP name stands for both families. */
static bool was_said(const json_t *list, const char *text, const struct bh_blast_span *s,
		     const struct bh_blast_span *const *said)
{
	const json_t *row;
	size_t i;

	json_array_foreach(list, i,
			   row) if (says_same(said[i], s) &&
				    !strcmp(json_string_value(json_object_get(row, "port")),
					    text)) return true;
	return false;
}

json_t *bh_blast_ports_json(const struct bh_blast *b, const struct bh_blast_spans *spans)
{
	static const char *const words[] = {[BH_BLAST_DENIED] = "denied",
					    [BH_BLAST_GRANT] = "after_grant",
					    [BH_BLAST_OBSERVED] = "would_deny",
					    [BH_BLAST_ALLOWED] = "allowed"};
	_cleanup_free_ const struct bh_blast_span **said = calloc(spans->n + 1, sizeof(*said));
	json_auto_t *list = json_array();

	if (!said)
		return NULL;
	for (size_t i = 0; i < spans->n; i++) {
		const struct bh_blast_span *s = &spans->v[i];
		char text[TEXT_MAX];

		span_text(spans, s, text);
		if (was_said(list, text, s, said))
			continue;
		said[json_array_size(list)] = s;
		if (json_array_append_new(list, json_pack("{s:s s:s s:o s:o}", "port", text,
							  "verdict", words[s->verdict], "egress",
							  half_json(b, &s->half[BH_OUT]), "ingress",
							  half_json(b, &s->half[BH_IN]))) < 0)
			return NULL;
	}
	return TAKE_PTR(list);
}
