/* SPDX-License-Identifier: Apache-2.0 */
/* port.c - see port.h. Called by parse_rule.c. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include "port.h"

static bool is_number(const char *s)
{
	return *s && !s[strspn(s, "0123456789")];
}

static const char *proto_word(int proto)
{
	return proto == IPPROTO_TCP ? "tcp" : proto == IPPROTO_UDP ? "udp" : "udplite";
}

/* --- ports ---------------------------------------------------------------------------------- */

static const struct bh_port_name *name_find(const char *s)
{
	for (size_t i = 0; i < bh_n_port_names; i++)
		if (!strcmp(bh_port_names[i].name, s))
			return &bh_port_names[i];
	return NULL;
}

static int unknown_name(int proto, const char *s, struct bh_fault *f)
{
	const char *names[128], *near;
	size_t n = 0;

	for (size_t i = 0; i < bh_n_port_names && n < ARRAY_SIZE(names); i++)
		names[n++] = bh_port_names[i].name;
	near = bh_nearest(s, names, n);
	if (near)
		bh_help(f->help, "did you mean '%s/%s'?", proto_word(proto), near);
	else
		bh_help(f->help,
			"write the number, for example '%s/443', '%s/8080-8089', or '%s' "
			"for every port",
			proto_word(proto), proto_word(proto), proto_word(proto));
	return bh_fault_say(f, "'%.40s' is no port", s);
}

/* Decimal, 1 to 65535, no leading zeros. Return: the port or 0. */
static unsigned number_parse(const char *s, size_t len)
{
	unsigned v = 0;

	if (!len || len > 5 || *s == '0' || strspn(s, "0123456789") < len)
		return 0;
	for (size_t i = 0; i < len; i++)
		v = v * 10 + (unsigned)(s[i] - '0');
	return v <= 65535 ? v : 0;
}

static int bad_number(const char *s, struct bh_fault *f)
{
	bh_help(f->help, "1 to 65535, in decimal");
	return bh_fault_say(f, "'%.40s' is no port", s);
}

static int range_parse(const char *s, struct bh_port *ret, struct bh_fault *f)
{
	const char *dash = strchr(s, '-');
	unsigned lo = number_parse(s, dash ? (size_t)(dash - s) : strlen(s));
	unsigned hi = dash ? number_parse(dash + 1, strlen(dash + 1)) : lo;

	if (!lo || !hi)
		return bad_number(s, f);
	if (lo > hi) {
		bh_help(f->help, "write '%s/%u-%u'", proto_word(ret->proto), hi, lo);
		return bh_fault_say(f, "the range '%.40s' ends before it begins", s);
	}
	ret->lo = (__u16)lo;
	ret->hi = (__u16)hi;
	return 0;
}

static int port_parse(int proto, const char *s, struct bh_port *ret, struct bh_fault *f)
{
	const struct bh_port_name *name = s ? name_find(s) : NULL;
	int other;

	ret->proto = (__u8)proto;
	if (!s) {
		ret->any_port = true;
		ret->hi = 65535;
		return 0;
	}
	if (!s[strspn(s, "0123456789-")])
		return range_parse(s, ret, f);
	if (!name)
		return unknown_name(proto, s, f);
	other = proto == IPPROTO_TCP ? IPPROTO_UDP : IPPROTO_TCP;
	if (!(name->protos & (proto == IPPROTO_TCP ? BH_NAME_TCP : BH_NAME_UDP))) {
		bh_help(f->help, "write '%s/%s', or the number: '%s/%u'", proto_word(other), s,
			proto_word(proto), name->port);
		return bh_fault_say(f, "'%s' is a port of %s", s, proto_word(other));
	}
	ret->lo = ret->hi = name->port;
	return 0;
}

/* --- ICMP ----------------------------------------------------------------------------------- */

static int icmp_unknown(const char *s, struct bh_fault *f)
{
	const char *names[32], *near;
	size_t n = 0;

	for (size_t i = 0; i < bh_n_icmp_names && n < ARRAY_SIZE(names); i++)
		names[n++] = bh_icmp_names[i].name;
	near = bh_nearest(s, names, n);
	if (near)
		bh_help(f->help, "did you mean 'icmp/%s'?", near);
	else if (is_number(s))
		bh_help(f->help, "name it: IPv4 and IPv6 number their types differently; for "
				 "example 'icmp/echo-request'");
	else
		bh_help(f->help, "for example 'icmp/echo-request', or 'icmp' for every type");
	return bh_fault_say(f, "'%.40s' is no ICMP type", s);
}

static int icmp_parse(const char *s, struct bh_port *ret, struct bh_fault *f)
{
	ret->proto = IPPROTO_ICMP;
	ret->both_icmp = true;
	if (!s) {
		ret->any_port = ret->icmp_v4 = ret->icmp_v6 = true;
		ret->hi = 65535;
		return 0;
	}
	for (size_t i = 0; i < bh_n_icmp_names; i++) {
		const struct bh_icmp_name *name = &bh_icmp_names[i];

		if (strcmp(name->name, s) != 0)
			continue;
		ret->icmp_v4 = name->v4 >= 0;
		ret->icmp_v6 = name->v6 >= 0;
		ret->any_code = name->any_code;
		ret->lo = ret->hi = (__u16)(ret->icmp_v4 ? name->v4 : 0);
		ret->lo6 = (__u16)(ret->icmp_v6 ? name->v6 : 0);
		return 0;
	}
	return icmp_unknown(s, f);
}

/* --- other protocols ------------------------------------------------------------------------ */

/* Protocols that have words of their own, and headers that are no protocols. */
static const char *better_word(unsigned long n, struct bh_fault *f)
{
	switch (n) {
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return bh_help(f->help, "write 'icmp', which holds for both families");
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
		return bh_help(f->help, "write '%s'", proto_word((int)n));
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_FRAGMENT:
	case IPPROTO_NONE:
	case IPPROTO_DSTOPTS:
		return bh_help(f->help, "it is a header of IPv6 that stands before the protocol");
	default:
		return NULL;
	}
}

static int number_of_protocol(const char *s, struct bh_port *ret, struct bh_fault *f)
{
	unsigned long n = s && strlen(s) <= 3 && bh_is_decimal(s) ? strtoul(s, NULL, 10) : 255;

	if (n > 254) {
		bh_help(f->help, "write the number that IANA gave it, for example 'proto/47'");
		return bh_fault_say(f, "'%.40s' is no protocol number", s ? s : "");
	}
	if (better_word(n, f))
		return bh_fault_say(f, "protocol %lu can't be named by its number", n);
	ret->proto = (__u8)n;
	ret->any_port = true;
	ret->hi = 65535;
	return 0;
}

static const struct {
	const char *word, *instead;
} other_words[] = {
	{"icmp6", "icmp"},
	{"icmpv6", "icmp"},
	{"ipv6-icmp", "icmp"},
	{"icmp4", "icmp"},
	{"sctp", "proto/132"},
	{"dccp", "proto/33"},
	{"gre", "proto/47"},
	{"esp", "proto/50"},
	{"ah", "proto/51"},
	{"igmp", "proto/2"},
	{"ipip", "proto/4"},
	{"ipv6", "proto/41"},
	{"ospf", "proto/89"},
	{"vrrp", "proto/112"},
	{"pim", "proto/103"},
	{"l2tp", "proto/115"},
	{"udp-lite", "udplite"},
	{"all", "any"},
	{"*", "any"},
	{"ping", "icmp/echo-request"},
};

static const char *const words[] = {"tcp", "udp", "udplite", "icmp", "proto", "any"};

static int unknown_protocol(const char *s, const char *word, const char *rest, struct bh_fault *f)
{
	const char *near;

	for (size_t i = 0; i < ARRAY_SIZE(other_words); i++)
		if (!strcmp(word, other_words[i].word)) {
			bh_help(f->help, "write '%s%s%.40s'", other_words[i].instead,
				rest && !strchr(other_words[i].instead, '/') ? "/" : "",
				rest && !strchr(other_words[i].instead, '/') ? rest : "");
			return bh_fault_say(f, "'%.40s' is no protocol here", word);
		}
	if (rest && (!strcmp(rest, "tcp") || !strcmp(rest, "udp"))) {
		bh_help(f->help, "write '%s/%.40s'", rest, word);
		return bh_fault_say(f, "'%.40s': the protocol comes first", s);
	}
	if (!rest && (is_number(s) || name_find(s))) {
		const struct bh_port_name *name = name_find(s);
		bool udp = name && !(name->protos & BH_NAME_TCP);

		bh_help(f->help, udp ? "write 'udp/%.40s'" : "write 'tcp/%.40s'", s);
		return bh_fault_say(f, "'%.40s' has no protocol", s);
	}
	near = bh_nearest(word, words, ARRAY_SIZE(words));
	if (near)
		bh_help(f->help, "did you mean '%s%s%.40s'?", near, rest ? "/" : "",
			rest ? rest : "");
	else
		bh_help(f->help, "write for example 'tcp/443', 'tcp/8080-8089', 'udp/domain', "
				 "'icmp/echo-request', 'proto/47' or 'any'");
	return bh_fault_say(f, "'%.60s' is no port", s);
}

int bh_port_parse(const char *s, struct bh_port *ret, struct bh_fault *f)
{
	struct bh_port port = {.pos = ret->pos};
	const char *slash = strchr(s, '/'), *rest = slash ? slash + 1 : NULL;
	char word[41];
	int r;

	*f = (struct bh_fault){0};
	(void)snprintf(word, sizeof(word), "%.*s", slash ? (int)MIN(slash - s, 40) : 40, s);
	if (!strcmp(s, "any")) {
		port.any_port = true;
		port.hi = 65535;
		r = 0;
	} else if (!strcmp(word, "tcp")) {
		r = port_parse(IPPROTO_TCP, rest, &port, f);
	} else if (!strcmp(word, "udp")) {
		r = port_parse(IPPROTO_UDP, rest, &port, f);
	} else if (!strcmp(word, "udplite")) {
		r = port_parse(IPPROTO_UDPLITE, rest, &port, f);
	} else if (!strcmp(word, "icmp")) {
		r = icmp_parse(rest, &port, f);
	} else if (!strcmp(word, "proto")) {
		r = number_of_protocol(rest, &port, f);
	} else {
		r = unknown_protocol(s, word, rest, f);
	}
	if (!r)
		*ret = port;
	return r;
}

const char *bh_icmp_word(const struct bh_port *p)
{
	for (size_t i = 0; i < bh_n_icmp_names; i++) {
		const struct bh_icmp_name *name = &bh_icmp_names[i];

		if ((name->v4 >= 0) == p->icmp_v4 && (name->v6 >= 0) == p->icmp_v6 &&
		    (!p->icmp_v4 || name->v4 == p->lo) && (!p->icmp_v6 || name->v6 == p->lo6) &&
		    name->any_code == p->any_code)
			return name->name;
	}
	return NULL;
}
