/* SPDX-License-Identifier: Apache-2.0 */
/* failsafe.c - see failsafe.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include "base/diag.h"
#include "failsafe.h"
#include "policy/port.h"

const char *bh_cidr_word(const struct bh_cidr *c, char ret[BH_CIDR_WORD])
{
	char addr[INET6_ADDRSTRLEN];

	if (c->v4)
		inet_ntop(AF_INET, c->addr.b + 12, addr, sizeof(addr));
	else
		inet_ntop(AF_INET6, c->addr.b, addr, sizeof(addr));
	snprintf(ret, BH_CIDR_WORD, "%s/%d", addr, c->v4 ? c->plen - 96 : c->plen);
	return ret;
}

const char *bh_port_word(const struct bh_port *p, char ret[BH_PORT_WORD])
{
	const char *proto = p->both_icmp		  ? "icmp"
			    : p->proto == IPPROTO_TCP	  ? "tcp"
			    : p->proto == IPPROTO_UDP	  ? "udp"
			    : p->proto == IPPROTO_UDPLITE ? "udplite"
							  : NULL;

	if (!proto)
		snprintf(ret, BH_PORT_WORD, p->proto ? "proto/%u" : "any", p->proto);
	else if (p->any_port)
		snprintf(ret, BH_PORT_WORD, "%s", proto);
	else if (p->both_icmp)
		snprintf(ret, BH_PORT_WORD, "icmp/%s", bh_icmp_word(p));
	else if (p->lo == p->hi)
		snprintf(ret, BH_PORT_WORD, "%s/%u", proto, p->lo);
	else
		snprintf(ret, BH_PORT_WORD, "%s/%u-%u", proto, p->lo, p->hi);
	return ret;
}

/* --- for people -------------------------------------------------------------------------------- */

char *bh_failsafe_text(const struct bh_rule_src *rule)
{
	const struct bh_sel *sel = rule->from.n_cidr ? &rule->from : &rule->to;
	char word[MAX(BH_CIDR_WORD, BH_PORT_WORD)], *text = NULL;
	size_t bytes;
	FILE *f = open_memstream(&text, &bytes);

	if (!f)
		return NULL;
	for (size_t i = 0; i < rule->port.n; i++)
		fprintf(f, "%s%s", i ? ", " : "", bh_port_word(&rule->port.v[i], word));
	fputs(sel == &rule->from ? " from " : " to ", f);
	for (size_t i = 0; i < sel->n_cidr; i++)
		fprintf(f, "%s%s", i ? ", " : "", bh_cidr_word(&sel->cidr[i], word));
	for (size_t i = 0; i < rule->unit.n; i++)
		fprintf(f, "%s%s", i ? ", " : " at ", rule->unit.v[i].s);
	if (fclose(f)) {
		free(text);
		return NULL;
	}
	return text;
}

/* --- for the marker ------------------------------------------------------------------------------ */

static void put_rule(FILE *f, const struct bh_rule_src *rule)
{
	const struct bh_sel *sel = rule->from.n_cidr ? &rule->from : &rule->to;
	char word[MAX(BH_CIDR_WORD, BH_PORT_WORD)];

	fprintf(f, "  - { id: \"%s\", %s: { cidr: [", rule->id, sel == &rule->from ? "from" : "to");
	for (size_t i = 0; i < sel->n_cidr; i++)
		fprintf(f, "%s\"%s\"", i ? ", " : "", bh_cidr_word(&sel->cidr[i], word));
	fputs("] }, port: [", f);
	for (size_t i = 0; i < rule->port.n; i++)
		fprintf(f, "%s\"%s\"", i ? ", " : "", bh_port_word(&rule->port.v[i], word));
	fputs("]", f);
	if (rule->unit.n) {
		fputs(", unit: [", f);
		for (size_t i = 0; i < rule->unit.n; i++)
			fprintf(f, "%s\"%s\"", i ? ", " : "", rule->unit.v[i].s);
		fputs("]", f);
	}
	fprintf(f, "%s }\n", rule->wide ? ", wide: true" : "");
}

static size_t count_failsafes(const struct bh_map *map)
{
	size_t n = 0;

	for (size_t i = 0; map && i < map->n_rule; i++)
		n += map->rule[i].kind == BH_RULE_FAILSAFE;
	return n;
}

/* It will be needed on a bad day: it has to be good now. */
static int check(const char *text, size_t bytes, size_t n)
{
	_cleanup_(bh_map_freep) struct bh_map *again = NULL;
	_cleanup_diags_ struct bh_diags d = {0};
	int r = bh_map_parse("failsafes", text, bytes, &d, &again);

	return r ? r : count_failsafes(again) == n ? 0 : -EINVAL;
}

int bh_failsafes_yaml(const struct bh_map *map, char **ret)
{
	size_t n = count_failsafes(map), bytes;
	_cleanup_free_ char *text = NULL;
	FILE *f = open_memstream(&text, &bytes);
	int r;

	if (!f)
		return -ENOMEM;
	fputs("version: 1\nname: failsafes-only\nmode: enforce\n"
	      "default: { ingress: deny, egress: deny }\n",
	      f);
	if (n)
		fputs("failsafe:\n", f);
	for (size_t i = 0; map && i < map->n_rule; i++)
		if (map->rule[i].kind == BH_RULE_FAILSAFE)
			put_rule(f, &map->rule[i]);
	if (fclose(f))
		return -ENOMEM;
	r = check(text, bytes, n);
	if (r == 0)
		*ret = TAKE_PTR(text);
	return r;
}
